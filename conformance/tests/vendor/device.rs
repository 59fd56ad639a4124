// SPDX-License-Identifier: MIT
//! What the tests here share: a SoftHSM2 token with keys, the faulty module before it, a slot before that one.

use cryptoki_sys::*;
use keyenclave_conformance::case::{finish, in_own_process, needing, own_module};
use keyenclave_conformance::module::{bytes, flag, number};
use keyenclave_conformance::place::{Place, module_path};
use keyenclave_conformance::token::{RW, SO_PIN, THREADS, Token, USER_PIN};
use keyenclave_conformance::{Module, Rv};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The module behind the faulty one, where a test names no other.
pub const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A module that can stand behind the faulty one, and where it keeps its token.
#[derive(Clone)]
pub struct Vendor {
    pub module: PathBuf,
    /// The environment variable that names its configuration.
    variable: &'static str,
    /// The file or directory of its token.
    store: &'static str,
    /// A configuration with the token in this place.
    configuration: fn(&Path) -> String,
}

impl Vendor {
    /// SoftHSM2, a module of version 2.40.
    pub fn softhsm() -> Self {
        Self {
            module: SOFTHSM.into(),
            variable: "SOFTHSM2_CONF",
            store: "softhsm",
            configuration: |store| format!("directories.tokendir = {}\n", store.display()),
        }
    }

    /// Kryoptic, a module of version 3.2: messages with one key.
    pub fn kryoptic() -> Self {
        let module = std::env::var_os("KEYENCLAVE_KRYOPTIC");
        Self {
            module: module.map_or_else(|| "/usr/lib64/pkcs11/libkryoptic_pkcs11.so".into(), PathBuf::from),
            variable: "KRYOPTIC_CONF",
            store: "kryoptic.sql",
            configuration: |store| {
                let store = store.display();
                format!("[[slots]]\nslot = 0\ndbtype = \"sqlite\"\ndbargs = \"{store}\"\n")
            },
        }
    }
}

/// The label of its token.
const LABEL: &str = "vendor";

/// What all of its keys are called; `vendor.c` searches for it.
const KEYS: &str = "tested";

/// How long one program may work.
const LIMIT: Duration = Duration::from_secs(280);

/// Longer than any call takes that does not hang: calls are made by workers.
pub const UNHURRIED: &str = "operation_timeout = 30000";

/// All calls on the application's thread, then by workers.
pub const BOTH_WAYS: [&str; 2] = ["", UNHURRIED];

/// Tokens, modules and programs, ready.
pub struct Device {
    pub place: Place,
    host: PathBuf,
    /// `faulty.c`, which forwards to the module that FAULTY_MODULE names.
    pub faulty: PathBuf,
    vendor: Vendor,
}

impl Device {
    /// Runs `body`, a whole test, where everything is there that it needs.
    pub fn test(body: impl FnOnce(&Self)) {
        Self::test_with(Vendor::softhsm(), body);
    }

    /// The same with another module behind the faulty one.
    pub fn test_with(vendor: Vendor, body: impl FnOnce(&Self)) {
        in_own_process(|| {
            own_module(|| {
                let module = vendor.module.display().to_string();
                needing(&["cc", &module], || body(&Self::prepared(vendor)));
            });
        });
    }

    fn prepared(vendor: Vendor) -> Self {
        let place = Place::of_this_process();
        assert_eq!(Token::fresh().finalize(false), Rv::OK);
        fill_vendors_token(&vendor.module);
        let host = place.compiled("vendor");
        let faulty = library(&place);
        Self {
            place,
            host,
            faulty,
            vendor,
        }
    }

    /// Slots: one before the faulty module, with these `settings`, and a soft one.
    pub fn configure(&self, settings: &str) {
        let slot = slot_before(&self.faulty);
        self.place.configure(&format!("{slot}{settings}\n"));
    }

    /// The host playing this `scenario`.
    pub fn host(&self, scenario: &str, argument: &str) -> Command {
        let mut host = self.place.command(&self.host);
        host.arg(module_path())
            .arg(&self.faulty)
            .args([scenario, argument]);
        host.env("FAULTY_MODULE", &self.vendor.module);
        host
    }

    /// The vendor's configuration with a copy of the token, for one of several processes: they would get into each other's
    /// way.
    fn copy_of_token(&self, number: usize) -> PathBuf {
        let store = self.place.file(&format!("{number}-{}", self.vendor.store));
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(self.place.file(self.vendor.store)).arg(&store);
        finish(copy, LIMIT).unwrap_or_else(|output| panic!("{output}"));
        let text = (self.vendor.configuration)(&store);
        self.place.write(&format!("vendor-{number}.conf"), &text)
    }

    /// Another program plays this `scenario` with each of the settings.
    pub fn play_alone(&self, program: &str, scenario: &str, settings: &[&str]) {
        let program = self.place.compiled(program);
        for settings in settings {
            self.configure(settings);
            let mut host = self.place.command(&program);
            host.arg(module_path()).arg(&self.faulty).arg(scenario);
            host.env("FAULTY_MODULE", &self.vendor.module);
            finish(host, LIMIT).unwrap_or_else(|output| panic!("{settings}\n{output}"));
        }
    }

    /// What so many hosts find wrong that share this `scenario` must be nothing.
    pub fn play(&self, scenario: &str, argument: &str, hosts: usize) {
        let play = |share: usize| {
            let mut host = self.host(scenario, argument);
            host.args([share, hosts].map(|number| number.to_string()));
            host.env(self.vendor.variable, self.copy_of_token(share));
            finish(host, LIMIT)
        };
        let outputs: Vec<_> = std::thread::scope(|scope| {
            let shares: Vec<_> = (0..hosts).map(|share| scope.spawn(move || play(share))).collect();
            shares
                .into_iter()
                .map(|share| share.join().expect("an end"))
                .collect()
        });
        for output in outputs {
            output.unwrap_or_else(|output| panic!("{output}"));
        }
    }
}

/// The configuration of a slot before `module`.
pub fn slot_before(module: &Path) -> String {
    let module = module.display();
    format!("[[slot]]\nlabel = \"hsm\"\nbackend = \"pkcs11\"\nmodule = \"{module}\"\ntoken = \"{LABEL}\"\n")
}

fn fill_vendors_token(module: &Path) {
    let module = Module::load(module);
    assert_eq!(module.initialize(THREADS), Rv::OK);
    assert_eq!(module.init_token(first_slot(&module), SO_PIN, LABEL), Rv::OK);
    // SoftHSM gives an initialised token another slot.
    let slot = first_slot(&module);
    let token = Token { module, slot };
    let session = token.session(RW);
    assert_eq!(token.login(session, CKU_SO, SO_PIN), Rv::OK);
    assert_eq!(token.init_pin(session, USER_PIN), Rv::OK);
    assert_eq!(token.close_session(session), Rv::OK);
    let session = token.user_session();
    let kept = [flag(CKA_TOKEN, true), bytes(CKA_LABEL, KEYS), bytes(CKA_ID, [1])];
    token.rsa_for_all(session, 2048, &kept);
    let uses = [
        flag(CKA_ENCRYPT, true),
        flag(CKA_DECRYPT, true),
        flag(CKA_WRAP, true),
        flag(CKA_UNWRAP, true),
        flag(CKA_DERIVE, true),
        number(CKA_VALUE_LEN, 32),
    ];
    let secret = token.generate_key(session, CKM_AES_KEY_GEN, &[&kept[..], &uses[..]].concat());
    secret.expect("an AES key");
    assert_eq!(token.finalize(false), Rv::OK);
}

fn first_slot(module: &Module) -> CK_SLOT_ID {
    let (rv, _, slots) = module.slot_list(true, Some(8));
    assert_eq!(rv, Rv::OK);
    *slots.first().expect("a slot")
}

/// `faulty.c`, compiled.
fn library(place: &Place) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/faulty.c");
    let library = place.file("faulty.so");
    let mut compiler = Command::new("cc");
    compiler.args([
        "-Wall", "-Werror", "-O1", "-g", "-pthread", "-shared", "-fPIC", "-o",
    ]);
    compiler.arg(&library).arg(source).arg("-ldl");
    finish(compiler, LIMIT).unwrap_or_else(|output| panic!("{output}"));
    library
}
