// SPDX-License-Identifier: MIT
//! The service's address: where it comes from, and whether the way there is protected.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use url::{Host, Url};

use crate::options::AwsOptions;

/// The variables that the SDK takes the service's address from, the first one first.
const VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"];

/// Whether requests to this address go over a network without TLS. What is no address counts as one that they do.
pub fn is_exposed(url: &str) -> bool {
    Url::parse(url).map_or(true, |url| match (url.scheme(), url.host()) {
        ("https", Some(_)) => false,
        ("http", Some(host)) => !is_here(&host),
        _ => true,
    })
}

/// Whether this is the machine that the program runs on.
pub(crate) fn is_here(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

/// The address of the service in place of AWS's own: the slot's, the environment's, the profile's.
///
/// # Errors
/// A sentence that names where an address comes from that may not be used.
pub(crate) fn of_service(options: &AwsOptions, sdk: &SdkConfig) -> Result<Option<String>, String> {
    let endpoint = options.endpoint.clone().or_else(|| configured(sdk));
    match endpoint.as_deref() {
        // Not quoted: people write passwords into addresses.
        Some(url) if options.tls_only && is_exposed(url) => Err(format!(
            "the service's address is from {}, and is neither `https://` nor on this machine, as it must be in \
             production: correct it there, or name another one with `endpoint`",
            origin(options, url)
        )),
        _ => Ok(endpoint),
    }
}

/// The address that the SDK's client would take from its surroundings: the service's own, or else that of all services.
fn configured(sdk: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("KMS")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok();
    let own = key.and_then(|key| sdk.service_config()?.load_config(key));
    own.or_else(|| sdk.endpoint_url().map(str::to_owned))
}

fn origin(options: &AwsOptions, url: &str) -> String {
    if options.endpoint.is_some() {
        return "`endpoint`".to_owned();
    }
    let is_this = |name: &&&str| std::env::var(name).is_ok_and(|value| value == url);
    match VARIABLES.iter().find(is_this) {
        Some(name) => format!("the environment variable {name}"),
        None => "the profile's `endpoint_url`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_and_this_machine_are_protected() {
        for (url, exposed) in [
            ("https://kms.example", false),
            ("HTTPS://kms.example:8443/", false),
            ("http://localhost:4599", false),
            ("http://127.9.9.9:4599", false),
            ("http://[::1]:4599", false),
            ("http://kms.example", true),
            ("HTTP://10.0.0.5:80", true),
            ("http://127.0.0.1.example", true),
            ("http://localhost.example", true),
            ("http://[::ffff:10.0.0.5]", true),
            ("ftp://localhost", true),
            ("10.0.0.5:80", true),
            ("", true),
        ] {
            assert_eq!(is_exposed(url), exposed, "{url}");
        }
    }
}
