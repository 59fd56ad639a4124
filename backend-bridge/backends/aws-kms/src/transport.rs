// SPDX-License-Identifier: MIT
//! HTTP, TLS and proxies, for the service and for credentials alike. Apart, because it outlives the SDK's client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use aws_sdk_kms::config::{ConfigBag, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::{Host, Url};

use crate::endpoint::is_here;
use crate::options::AwsOptions;

/// Idle connections are dropped after this, before load balancers do it, whose limit is commonly a minute.
const IDLE: Duration = Duration::from_secs(50);
/// The metadata services of EC2, ECS and EKS, which only this machine's own link reaches.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// HTTP with connections that are kept.
///
/// # Errors
/// A sentence that names the setting.
pub(crate) fn http_client(options: &AwsOptions) -> Result<SharedHttpClient, String> {
    let trusted = match &options.ca_file {
        Some(path) => TrustStore::empty().with_pem_certificate(authorities(path)?),
        None => TrustStore::default(),
    };
    let tls = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let proxy = match &options.proxy {
        Some(url) => {
            ProxyConfig::all(url.as_str()).map_err(|error| format!("`proxy` cannot be used: {error}"))?
        }
        None => ProxyConfig::from_env(),
    };
    Ok(SharedHttpClient::new(Ways {
        near: one_way(tls.clone(), ProxyConfig::disabled()),
        far: one_way(tls, proxy),
    }))
}

/// HTTP by one proxy, or by none.
fn one_way(tls: TlsContext, proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .enable_tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(tls.clone())
            .build()
    })
}

/// Whether this is on this machine or its metadata service, which no proxy may stand in for: it would see credentials,
/// and requests that only a way within the machine may carry without TLS. The SDK adds nothing to the environment's
/// `NO_PROXY`, so the choice is made here, request by request.
fn is_near(url: &str) -> bool {
    let url = Url::parse(url).ok();
    url.as_ref().and_then(Url::host).is_some_and(|host| {
        is_here(&host)
            || match host {
                Host::Ipv4(address) => METADATA.contains(&address.into()),
                Host::Ipv6(address) => METADATA.contains(&address.into()),
                Host::Domain(_) => false,
            }
    })
}

/// The two ways of a request: straight to what is near, and else by the proxy, if there is one. Clients and connectors
/// alike.
#[derive(Debug)]
struct Ways<T> {
    near: T,
    far: T,
}

impl HttpClient for Ways<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let [near, far] = [&self.near, &self.far].map(|client| client.http_connector(settings, components));
        SharedHttpConnector::new(Ways { near, far })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.near.validate_base_client_config(components, config)?;
        self.far.validate_base_client_config(components, config)
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.near.validate_final_config(components, config)?;
        self.far.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.far.connector_metadata()
    }
}

impl HttpConnector for Ways<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let way = if is_near(request.uri()) {
            &self.near
        } else {
            &self.far
        };
        way.call(request)
    }
}

/// The content of the CA file. Tried here, because the SDK panics over what it cannot read.
fn authorities(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |what: String| format!("`ca_file` {}: {what}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|der| roots.add(der).map_err(|error| error.to_string()))
            .map_err(|error| wrong(format!("a certificate in it cannot be read: {error}")))?;
    }
    match roots.is_empty() {
        true => Err(wrong("there is no PEM certificate in it".to_owned())),
        false => Ok(pem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_metadata_services_are_near() {
        for near in [
            "http://localhost:4599/",
            "http://127.8.9.1/x",
            "http://127.1/",
            "http://[::1]:1/",
            "https://localhost/",
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2",
            "http://169.254.170.23/v1",
            "http://[fd00:ec2::254]/latest",
            "http://[fd00:ec2::23]/v1",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in [
            "https://kms.eu-west-1.amazonaws.com/",
            "http://10.0.0.5/",
            "http://127.0.0.1.example/",
            "http://169.254.169.253/",
            "",
        ] {
            assert!(!is_near(far), "{far}");
        }
    }
}
