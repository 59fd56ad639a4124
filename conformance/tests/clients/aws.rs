// SPDX-License-Identifier: MIT
//! Real programs on a slot of AWS KMS, with keys that the service's own API made and keys that the programs make.
//!
//! The scripts find the label of the slot in `TOKEN` and the options for a login in `LOGIN`; the keys made by the API
//! are called `api-…` and have their public halves in `api-….pub`.

use crate::{ENGINE, JAVA, run, script};
use keyenclave_conformance::case::{needing, own_module};
use keyenclave_conformance::cloud::{Account, AwsSlot, Ministack, configure};
use keyenclave_conformance::place::Place;
use std::process::Command;

/// The label of the slot.
pub const TOKEN: &str = "aws";

/// What the service's own API makes: alias, `KeySpec`, `KeyUsage`.
const KEYS: &[(&str, &str, &str)] = &[
    ("api-rsa", "RSA_2048", "SIGN_VERIFY"),
    ("api-rsa-3072", "RSA_3072", "SIGN_VERIFY"),
    ("api-sealing", "RSA_2048", "ENCRYPT_DECRYPT"),
    ("api-ec", "ECC_NIST_P256", "SIGN_VERIFY"),
    ("api-ec384", "ECC_NIST_P384", "SIGN_VERIFY"),
];

/// Apart from the others: libp11 0.4.12, under OpenSSL's engine, finds no key at all in a token that has such a one.
const ED25519: (&str, &str, &str) = ("api-ed25519", "ECC_NIST_EDWARDS25519", "SIGN_VERIFY");

/// The Argon2id hash of the PIN that scripts get, made with the least cost that is taken.
pub const PIN_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$fFnVYmFx3auLHUUCNr0R7RiEGA1OMYyOblfKtSqQeAY";

/// A place whose first slot is an account of the emulated service.
pub struct Cloud {
    place: Place,
    account: Account,
}

impl Cloud {
    /// With keys made by the API, and a slot at `endpoint` that `settings` completes.
    pub fn new(ministack: &Ministack, endpoint: &str, settings: impl FnOnce(AwsSlot) -> AwsSlot) -> Self {
        let place = Place::new();
        configure(&place, "", &[settings(AwsSlot::new(TOKEN, endpoint))]);
        let account = Account::fresh();
        let cloud = Self { place, account };
        KEYS.iter().for_each(|key| cloud.make(ministack, *key));
        cloud
    }

    /// Has the API make a key.
    fn make(&self, ministack: &Ministack, (name, spec, usage): (&str, &str, &str)) {
        let api = ministack.api(&self.account);
        let key = api.create_named_key(name, spec, usage);
        self.place.write(&format!("{name}.pub"), &api.public_key(&key));
    }

    /// A script of `clients/` on it; `login` as pkcs11-tool takes it.
    pub fn script(&self, name: &str, login: &str) -> Command {
        let mut command = script(&self.place, name);
        self.account.give(&mut command);
        command.env("TOKEN", TOKEN).env("LOGIN", login);
        command
    }
}

/// Runs a script on a slot without a PIN.
fn client(ministack: &Ministack, name: &str, environment: &[(&str, &str)]) {
    let cloud = Cloud::new(ministack, ministack.url(), |slot| slot);
    let mut command = cloud.script(name, "");
    command.envs(environment.iter().copied());
    run(command);
}

const PKCS11_TOOL: &[&str] = &["bash", "pkcs11-tool", "openssl", ENGINE];

#[test]
fn pkcs11_tool_uses_keys_in_aws() {
    own_module(|| {
        needing(PKCS11_TOOL, || {
            Ministack::needed(|ministack| client(ministack, "aws/pkcs11-tool.sh", &[]));
        });
    });
}

#[test]
fn pkcs11_tool_signs_with_ed25519_in_aws() {
    own_module(|| {
        needing(&["bash", "pkcs11-tool", "openssl"], || {
            Ministack::needed(|ministack| {
                let cloud = Cloud::new(ministack, ministack.url(), |slot| slot);
                cloud.make(ministack, ED25519);
                run(cloud.script("aws/ed25519.sh", ""));
            });
        });
    });
}

#[test]
fn programs_log_in_to_aws_with_the_pin_of_the_slot() {
    own_module(|| {
        needing(JAVA, || {
            Ministack::needed(|ministack| {
                let pin = format!("{PIN_HASH:?}");
                let cloud = Cloud::new(ministack, ministack.url(), |slot| slot.with("pin_hash", pin));
                run(cloud.script("aws/pin.sh", "--login --pin user-1234"));
            });
        });
    });
}

#[test]
fn openssl_makes_certificates_and_cms_with_keys_in_aws() {
    own_module(|| {
        needing(PKCS11_TOOL, || {
            Ministack::needed(|ministack| {
                let keys = ("KEYS", "api-rsa api-rsa-3072 api-ec api-ec384");
                client(ministack, "openssl-engine.sh", &[keys, ("RSA_KEYS", "api-rsa")]);
            });
        });
    });
}

#[test]
fn java_makes_and_uses_keys_in_aws() {
    own_module(|| {
        needing(JAVA, || {
            Ministack::needed(|ministack| client(ministack, "aws/java.sh", &[]));
        });
    });
}

#[test]
fn gnutls_and_openssh_see_keys_in_aws() {
    own_module(|| {
        needing(
            &["bash", "pkcs11-tool", "openssl", "p11tool", "ssh-keygen"],
            || {
                Ministack::needed(|ministack| client(ministack, "aws/others.sh", &[]));
            },
        );
    });
}

#[test]
fn stunnel_serves_from_many_threads_with_keys_in_aws() {
    own_module(|| {
        needing(&["bash", "pkcs11-tool", "openssl", "stunnel4", ENGINE], || {
            Ministack::needed(|ministack| client(ministack, "aws/stunnel.sh", &[]));
        });
    });
}
