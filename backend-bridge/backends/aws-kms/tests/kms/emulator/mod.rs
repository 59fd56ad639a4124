// SPDX-License-Identifier: MIT
//! The backend against the emulator, with a proxy between that counts requests and makes things go wrong.

mod contract;
mod labels;
mod making;
mod requests;

use std::collections::BTreeMap;
use std::sync::Arc;

use keyenclave_aws_kms::AwsKms;
use keyenclave_bridge::call::{DescribeKey, GenerateKey, ListKeys, Service, SignDigest, UpdateKey, Usage};
use keyenclave_bridge::error::Result;
use keyenclave_bridge::key::{Algorithm, KeyInfo, KeySpec, ListedKey};
use keyenclave_bridge::layer::Stack;
use keyenclave_bridge::settings::Settings;
use keyenclave_conformance::cloud::{Account, Api, Fault, Ministack, On, Proxy};
use keyenclave_model::algorithm::Curve;
use serde_json::json;

use crate::{asked, backend, run};

/// A backend, the proxy before it, and the service's own API past both.
struct Place {
    kms: AwsKms,
    proxy: Proxy,
    api: Api,
}

/// The body of a test: runs `$work` with a [`Place`] in a process of its own. The closure is to be the test's, which
/// the process is named after.
macro_rules! emulated {
    ($work:expr) => {
        keyenclave_conformance::cloud::Ministack::in_own_process(|ministack| {
            crate::emulator::on(ministack, $work);
        })
    };
}
use emulated;

fn on(ministack: &Ministack, body: impl AsyncFnOnce(&Place)) {
    let proxy = Proxy::before(ministack);
    let place = Place {
        kms: backend(proxy.url()),
        api: ministack.api(&Account::of_this_process()),
        proxy,
    };
    run(body(&place));
}

fn pair(label: Option<&str>) -> GenerateKey {
    GenerateKey {
        spec: KeySpec::Ec(Curve::P256),
        usage: Usage::Sign,
        label: label.map(str::to_owned),
        tags: BTreeMap::from([("team".to_owned(), "x".to_owned())]),
    }
}

fn relabelling(key: &KeyInfo, label: &str) -> UpdateKey {
    UpdateKey {
        key: key.listed.name.clone(),
        label: Some(label.to_owned()),
        tags: BTreeMap::new(),
    }
}

/// Signs with a P-256 key, over a digest made of `byte`.
async fn sign(service: &dyn Service, key: &KeyInfo, byte: u8) -> Result<Vec<u8>> {
    let call = SignDigest {
        key: key.listed.name.clone(),
        algorithm: Algorithm::Ecdsa,
        digest: vec![byte; 32],
    };
    asked(service, call).await
}

impl Place {
    /// A backend of its own under the layers, before the same service.
    fn stack(&self) -> Stack {
        Stack::new(Arc::new(backend(self.proxy.url())), Settings::default())
    }

    /// From now on this goes wrong, and nothing else.
    fn only(&self, operation: &str, fault: Fault) {
        self.heal();
        self.proxy.fault(On::the(operation), fault);
    }

    /// Somebody else gives a key this alias.
    fn alias(&self, name: &str, key: &KeyInfo) {
        let id = key.listed.name.short();
        self.api
            .call("CreateAlias", &json!({ "AliasName": name, "TargetKeyId": id }));
    }

    /// The proxy waits until it is done, which must not hold up the runtime.
    fn heal(&self) {
        tokio::task::block_in_place(|| self.proxy.heal());
    }

    fn refuse(&self) {
        tokio::task::block_in_place(|| self.proxy.refuse());
    }

    async fn generate(&self, label: Option<&str>) -> KeyInfo {
        self.try_generate(label).await.unwrap()
    }

    async fn try_generate(&self, label: Option<&str>) -> Result<KeyInfo> {
        asked(&self.kms, pair(label)).await
    }

    async fn describe(&self, key: &KeyInfo) -> KeyInfo {
        let key = key.listed.name.clone();
        asked(&self.kms, DescribeKey { key }).await.unwrap()
    }

    async fn relabel(&self, key: &KeyInfo, label: &str) {
        asked(&self.kms, relabelling(key, label)).await.unwrap();
    }

    /// The label as whoever lists and describes sees it: the description's, else the listing's.
    async fn label(&self, key: &KeyInfo) -> Option<String> {
        let listed = listing(&self.kms).await.0;
        let listed = listed
            .into_iter()
            .find(|listed| listed.name == key.listed.name)
            .unwrap();
        self.describe(key).await.listed.label.or(listed.label)
    }

    fn aliases(&self) -> BTreeMap<String, String> {
        let answer = self.api.call("ListAliases", &json!({}));
        let aliases = answer["Aliases"].as_array().unwrap().iter();
        let ours = aliases.filter(|alias| !alias["AliasName"].as_str().unwrap().starts_with("alias/aws/"));
        ours.map(|alias| {
            let text = |name: &str| alias[name].as_str().unwrap_or_default().to_owned();
            (text("AliasName"), text("TargetKeyId"))
        })
        .collect()
    }
}

async fn listing(service: &dyn Service) -> (Vec<ListedKey>, usize) {
    let (mut keys, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let answer = asked(service, ListKeys { page }).await.unwrap();
        keys.extend(answer.keys);
        pages += 1;
        page = answer.next;
        if page.is_none() {
            return (keys, pages);
        }
    }
}
