// SPDX-License-Identifier: MIT
//! nginx with keys in AWS KMS: the master initialises and forks, workers sign, a reload replaces them, and an outage
//! of the service heals by itself.

use crate::aws::Cloud;
use crate::{ENGINE, run};
use keyenclave_conformance::case::{needing, own_module};
use keyenclave_conformance::cloud::{Ministack, Proxy};

/// A running nginx; stopped with the value, also when a step fails.
struct Nginx(Cloud);

impl Nginx {
    fn started(ministack: &Ministack, proxy: &Proxy) -> Self {
        let cloud = Cloud::new(ministack, proxy.url(), |slot| {
            slot.with("operation_timeout", 2000)
        });
        let nginx = Self(cloud);
        nginx.step("start");
        nginx
    }

    fn step(&self, name: &str) {
        let mut command = self.0.script("aws/nginx.sh", "");
        command.arg(name);
        run(command);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let mut command = self.0.script("aws/nginx.sh", "");
        let ended = command.arg("stop").status();
        assert!(
            std::thread::panicking() || ended.is_ok_and(|status| status.success()),
            "nginx does not stop"
        );
    }
}

#[test]
fn nginx_serves_with_keys_in_aws_through_a_reload_and_an_outage() {
    own_module(|| {
        needing(&["bash", "pkcs11-tool", "openssl", "nginx", ENGINE], || {
            Ministack::needed(|ministack| {
                let proxy = Proxy::before(ministack);
                let nginx = Nginx::started(ministack, &proxy);
                nginx.step("serve");
                proxy.refuse();
                nginx.step("outage");
                proxy.heal();
                nginx.step("recovery");
            });
        });
    });
}
