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

/// The module behind the faulty one.
pub const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// The label of its token.
const LABEL: &str = "vendor";

/// What all of its keys are called; `vendor.c` searches for it.
const KEYS: &str = "tested";

/// How long one program may work.
const LIMIT: Duration = Duration::from_secs(280);

/// Tokens, modules and programs, ready.
pub struct Device {
    pub place: Place,
    host: PathBuf,
    /// `faulty.c`, which forwards to the module that FAULTY_MODULE names.
    pub faulty: PathBuf,
}

impl Device {
    /// Runs `body`, a whole test, where everything is there that it needs.
    pub fn test(body: impl FnOnce(&Self)) {
        in_own_process(|| {
            own_module(|| {
                needing(&["cc", SOFTHSM], || body(&Self::prepared()));
            });
        });
    }

    fn prepared() -> Self {
        let place = Place::of_this_process();
        assert_eq!(Token::fresh().finalize(false), Rv::OK);
        fill_vendors_token();
        let host = place.compiled("vendor");
        let faulty = library(&place);
        Self { place, host, faulty }
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
        host.env("FAULTY_MODULE", SOFTHSM);
        host
    }

    /// The configuration of SoftHSM with a copy of the token, for one of several processes: they would get into each
    /// other's way.
    fn copy_of_token(&self, number: usize) -> PathBuf {
        let directory = self.place.file(&format!("softhsm-{number}"));
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(self.place.file("softhsm")).arg(&directory);
        finish(copy, LIMIT).unwrap_or_else(|output| panic!("{output}"));
        let line = format!("directories.tokendir = {}\n", directory.display());
        self.place.write(&format!("softhsm2-{number}.conf"), &line)
    }

    /// What so many hosts find wrong that share this `scenario` must be nothing.
    pub fn play(&self, scenario: &str, argument: &str, hosts: usize) {
        let play = |share: usize| {
            let mut host = self.host(scenario, argument);
            host.args([share, hosts].map(|number| number.to_string()));
            host.env("SOFTHSM2_CONF", self.copy_of_token(share));
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

fn fill_vendors_token() {
    let module = Module::load(Path::new(SOFTHSM));
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
    token.rsa(session, 2048, &kept);
    let uses = [
        flag(CKA_ENCRYPT, true),
        flag(CKA_DECRYPT, true),
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
