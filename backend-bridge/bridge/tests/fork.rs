// SPDX-License-Identifier: MIT
//! Forking with a live runtime, as servers do: initialise, use, fork, use in both.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../../sys/tests/forking/mod.rs"]
mod forking;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyenclave_bridge::bridge::Bridge;
use keyenclave_bridge::call::{CheckHealth, GenerateKey, SignDigest, Usage};
use keyenclave_bridge::contract::fault::{Fault, Faulty};
use keyenclave_bridge::contract::memory::MemoryService;
use keyenclave_bridge::key::{Algorithm, KeyName, KeySpec};
use keyenclave_bridge::runtime::Runtime;
use keyenclave_bridge::settings::Settings;
use keyenclave_model::algorithm::Curve;
use keyenclave_model::error::Rv;

struct Slot {
    bridge: Bridge,
    runtime: Arc<Runtime>,
    faulty: Arc<Faulty>,
}

fn slot() -> Slot {
    let faulty = Faulty::new(Arc::new(MemoryService::new(2)));
    let runtime = Arc::new(Runtime::new());
    let bridge = Bridge::new(faulty.clone(), Settings::default(), runtime.clone());
    Slot {
        bridge,
        runtime,
        faulty,
    }
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(10))
}

impl Slot {
    fn key(&self) -> KeyName {
        let spec = KeySpec::Ec(Curve::P256);
        let call = GenerateKey {
            spec,
            usage: Usage::Sign,
            label: None,
            tags: BTreeMap::new(),
        };
        self.bridge
            .call(call, soon())
            .unwrap()
            .wait(soon())
            .unwrap()
            .unwrap()
            .listed
            .name
    }

    fn signs(&self, key: &KeyName) -> bool {
        let call = SignDigest {
            key: key.clone(),
            algorithm: Algorithm::Ecdsa,
            digest: vec![1; 32],
        };
        self.bridge
            .call(call, soon())
            .unwrap()
            .wait(soon())
            .unwrap()
            .is_ok()
    }
}

#[test]
fn parent_and_child_both_sign_after_a_fork_with_a_live_runtime() {
    let _alone = forking::alone();
    let slot = slot();
    let key = slot.key();
    assert!(slot.signs(&key));
    let child = forking::fork(|| {
        // What came from the parent refuses at once, and is left alone.
        let refused = slot
            .bridge
            .call(CheckHealth, soon())
            .err()
            .map(|error| error.rv());
        let own = self::slot();
        let key = own.key();
        let works = own.signs(&key);
        own.runtime.close();
        slot.runtime.close();
        works && refused == Some(Rv::CryptokiNotInitialized) && !slot.runtime.is_running()
    });
    assert!(slot.signs(&key));
    child.must_succeed();
    assert!(slot.signs(&key));
    let begun = Instant::now();
    slot.runtime.close();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_child_of_a_process_in_the_middle_of_a_call_ends_without_waiting_for_it() {
    let _alone = forking::alone();
    let slot = slot();
    let key = slot.key();
    slot.faulty.otherwise(Fault::Hang);
    let call = SignDigest {
        key: key.clone(),
        algorithm: Algorithm::Ecdsa,
        digest: vec![1; 32],
    };
    let hung = slot.bridge.call(call, soon()).unwrap();
    let child = forking::fork(move || {
        let begun = Instant::now();
        drop(slot.bridge);
        drop(slot.runtime);
        begun.elapsed() < Duration::from_secs(1)
    });
    child.must_succeed();
    drop(hung);
}

#[test]
fn a_child_made_behind_the_handlers_back_is_noticed() {
    let _alone = forking::alone();
    let slot = slot();
    assert!(
        slot.bridge
            .call(CheckHealth, soon())
            .unwrap()
            .wait(soon())
            .unwrap()
            .is_ok()
    );
    let child = forking::raw_clone(|| slot.bridge.call(CheckHealth, soon()).is_err());
    child.must_succeed();
}
