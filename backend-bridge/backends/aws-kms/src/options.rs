// SPDX-License-Identifier: MIT
//! What a slot says of AWS KMS. There are no credentials among it: who this process is, the SDK finds out.

use std::fmt::Write;
use std::path::PathBuf;

/// The settings of one AWS KMS slot. Each that is left out is the SDK's to find: environment, profile, instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsOptions {
    /// The region, such as `eu-central-1`.
    pub region: Option<String>,
    /// The URL of the service in place of AWS's own: a VPC endpoint, an emulator.
    pub endpoint: Option<String>,
    /// Whether an address of the service that is neither `https` nor on this machine is refused, wherever it comes
    /// from.
    pub tls_only: bool,
    /// Whether the FIPS 140 endpoints are used. Excludes `endpoint`, which is then the FIPS one itself.
    pub fips: Option<bool>,
    /// Whether the endpoints that also speak IPv6 are used. Excludes `endpoint`.
    pub dual_stack: Option<bool>,
    /// A PEM file of certificate authorities, which are trusted *instead of* the system's.
    ///
    /// Instead, as with `AWS_CA_BUNDLE` and curl's `--cacert`: who names an authority wants no other to vouch for the
    /// service. A file may hold many; append the system's bundle to have both.
    pub ca_file: Option<PathBuf>,
    /// The URL of an HTTP proxy. Without one, `HTTPS_PROXY` and its companions count.
    pub proxy: Option<String>,
    /// The profile in the AWS configuration files.
    pub profile: Option<String>,
    /// How long a deleted key can still be rescued, in days: 7 to 30.
    pub deletion_days: u32,
    /// How many keys a page of a listing has: 1 to 1000.
    pub page_size: u32,
}

impl Default for AwsOptions {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            tls_only: false,
            fips: None,
            dual_stack: None,
            ca_file: None,
            proxy: None,
            profile: None,
            deletion_days: 30,
            page_size: 1000,
        }
    }
}

impl AwsOptions {
    /// Names the service that the options lead to, for the token's serial number. Reads nothing but the options, so
    /// that the number is the same wherever the configuration is.
    pub fn place(&self) -> String {
        let mut place = String::from("aws-kms");
        for (name, value) in [
            ("region", &self.region),
            ("endpoint", &self.endpoint),
            ("profile", &self.profile),
        ] {
            if let Some(value) = value {
                // Writing to a string cannot fail.
                let _ = write!(place, " {name}={value}");
            }
        }
        place
    }

    /// Looks for what cannot work, without touching files or the network.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn check(&self) -> Result<(), String> {
        if let Some(endpoint) = &self.endpoint {
            check_url("endpoint", endpoint)?;
            for (name, is_set) in [("fips", self.fips), ("dual_stack", self.dual_stack)] {
                if is_set == Some(true) {
                    return Err(format!(
                        "`{name}` chooses among AWS's own endpoints and excludes `endpoint`: name the right endpoint"
                    ));
                }
            }
        }
        if let Some(proxy) = &self.proxy {
            check_url("proxy", proxy)?;
        }
        let empty = [("region", &self.region), ("profile", &self.profile)]
            .into_iter()
            .find(|(_, value)| value.as_deref().is_some_and(|value| value.trim().is_empty()));
        if let Some((name, _)) = empty {
            return Err(format!("`{name}` is empty: leave it out to have the SDK find it"));
        }
        for (name, value, from, to) in [
            ("deletion_days", self.deletion_days, 7, 30),
            ("page_size", self.page_size, 1, 1000),
        ] {
            if !(from..=to).contains(&value) {
                return Err(format!("`{name}` is {value}, and must be {from} to {to}"));
            }
        }
        Ok(())
    }
}

/// Whether this is `http://host…` or `https://host…`, with no name and password in it.
fn check_url(name: &str, url: &str) -> Result<(), String> {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = rest else {
        return Err(format!("`{name}` must begin with http:// or https://"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        // Not quoted: it is a secret.
        return Err(format!("`{name}` has a user name in it, and must not"));
    }
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c);
    if authority.is_empty() || authority.starts_with(':') || !authority.chars().all(is_host) {
        return Err(format!("`{name}` names no host: {url}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_defaults_can_work() {
        assert_eq!(AwsOptions::default().check(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_name() {
        let endpoint = |url: &str| AwsOptions {
            endpoint: Some(url.to_owned()),
            ..AwsOptions::default()
        };
        let good = "https://vpce-1.kms.eu-central-1.vpce.amazonaws.com:8443/path";
        assert_eq!(endpoint(good).check(), Ok(()));
        assert_eq!(endpoint("http://[::1]:4599").check(), Ok(()));
        for bad in [
            "kms.example",
            "ftp://kms.example",
            "http://",
            "http:///x",
            "https://a b",
            "https://u:p@h",
        ] {
            assert!(endpoint(bad).check().unwrap_err().contains("`endpoint`"), "{bad}");
        }
        assert!(!endpoint("https://u:p@h").check().unwrap_err().contains("u:p"));
        let twice = AwsOptions {
            fips: Some(true),
            ..endpoint(good)
        };
        assert!(twice.check().unwrap_err().contains("`fips`"));
        for (days, page, name) in [
            (6, 1000, "deletion_days"),
            (31, 1000, "deletion_days"),
            (7, 0, "page_size"),
        ] {
            let options = AwsOptions {
                deletion_days: days,
                page_size: page,
                ..AwsOptions::default()
            };
            assert!(options.check().unwrap_err().contains(name));
        }
        let proxy = AwsOptions {
            proxy: Some("proxy:3128".to_owned()),
            ..AwsOptions::default()
        };
        assert!(proxy.check().unwrap_err().contains("`proxy`"));
    }

    #[test]
    fn the_place_tells_slots_apart_and_depends_on_nothing_else() {
        let region = |region: &str| AwsOptions {
            region: Some(region.to_owned()),
            ..AwsOptions::default()
        };
        assert_eq!(region("eu-central-1").place(), "aws-kms region=eu-central-1");
        assert_ne!(region("eu-central-1").place(), region("eu-west-1").place());
        let paged = AwsOptions {
            page_size: 5,
            ..region("eu-west-1")
        };
        assert_eq!(paged.place(), region("eu-west-1").place());
    }
}
