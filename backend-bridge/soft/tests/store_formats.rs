// SPDX-License-Identifier: MIT
//! Every format that was ever written opens: a store of each is kept in `tests/formats`, as its first version made it.
//!
//! With KEYENCLAVE_BLESS=1 a store of the present format is made where there is none yet; one that is there is never
//! written again, since it stands for the stores that users have.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::algorithm::Curve;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::token::{ObjectId, OperationClass as Class, Pin, Role, Work};
use keyenclave_soft::store::FORMAT_VERSION;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use token_fixture::*;

/// The file in a token's directory.
const STORE: &str = "token.db";
const AES: &[u8; 32] = b"the key of each format's fixture";
const IV: [u8; 16] = [7; 16];
const MESSAGE: &[u8] = b"what every version can read";
/// What [`AES`] makes of [`MESSAGE`].
const ENCRYPTED: [u8; 32] = [
    0xb1, 0x0b, 0xc3, 0xc6, 0x36, 0x09, 0xd6, 0xc8, 0x81, 0xf6, 0x71, 0x16, 0x3a, 0xd2, 0xa3, 0x69, 0x92,
    0x54, 0x1d, 0x25, 0x60, 0x6b, 0xdb, 0x66, 0xc2, 0x48, 0x4e, 0x49, 0x12, 0x73, 0x3d, 0x3a,
];

/// The pairs that are kept: label, how they are made, and what they sign with.
const PAIRS: &[(&str, u64, Option<u64>)] = &[
    (
        "rsa",
        ck::CKM_RSA_PKCS_KEY_PAIR_GEN,
        Some(ck::CKM_SHA256_RSA_PKCS),
    ),
    ("ec", ck::CKM_EC_KEY_PAIR_GEN, Some(ck::CKM_ECDSA_SHA256)),
    ("ed25519", ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, Some(ck::CKM_EDDSA)),
    ("x25519", ck::CKM_EC_MONTGOMERY_KEY_PAIR_GEN, None),
    ("ml-dsa", ck::CKM_ML_DSA_KEY_PAIR_GEN, Some(ck::CKM_ML_DSA)),
    ("ml-kem", ck::CKM_ML_KEM_KEY_PAIR_GEN, None),
];

fn kept_store(format: u32) -> PathBuf {
    let name = format!("tests/formats/{format}.store");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A token in a copy of a kept store.
fn opened(format: u32) -> Fixture {
    let directory = TempDir::new().unwrap();
    let copy = directory.path().join(STORE);
    fs::copy(kept_store(format), &copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
    Fixture::in_directory(Arc::new(directory))
}

fn cbc() -> Mechanism {
    mechanism(ck::CKM_AES_CBC_PAD, Params::Bytes(IV.to_vec()))
}

fn one(fixture: &Fixture, class: u64, label: &str) -> ObjectId {
    let wanted = merged(&by_label(label), [(ck::CKA_CLASS, number(class))]);
    match fixture.find(user(), &wanted).as_slice() {
        [object] => *object,
        found => panic!("{} objects {label}", found.len()),
    }
}

/// Makes the store of the present format.
fn make() -> Fixture {
    let fixture = Fixture::for_user();
    let keep = [
        (ck::CKA_TOKEN, yes()),
        (ck::CKA_LABEL, bytes("aes")),
        (ck::CKA_PRIVATE, yes()),
    ];
    let aes = merged(
        &aes_key(AES),
        keep.into_iter()
            .chain([(ck::CKA_EXTRACTABLE, yes()), (ck::CKA_SENSITIVE, no())]),
    );
    fixture.create(user(), &aes).unwrap();
    fixture.create(user(), &data("public", true, false)).unwrap();
    fixture.create(user(), &data("private", true, true)).unwrap();
    for (label, how, _) in PAIRS {
        let of_public = match *how {
            ck::CKM_RSA_PKCS_KEY_PAIR_GEN => template([(ck::CKA_MODULUS_BITS, number(2048))]),
            ck::CKM_EC_KEY_PAIR_GEN => template([(ck::CKA_EC_PARAMS, bytes(Curve::P256.row().oid))]),
            ck::CKM_EC_EDWARDS_KEY_PAIR_GEN => {
                template([(ck::CKA_EC_PARAMS, bytes(keyenclave_model::edwards::CURVE.oid))])
            }
            ck::CKM_EC_MONTGOMERY_KEY_PAIR_GEN => {
                template([(ck::CKA_EC_PARAMS, bytes(keyenclave_model::montgomery::CURVE.oid))])
            }
            ck::CKM_ML_DSA_KEY_PAIR_GEN => template([(ck::CKA_PARAMETER_SET, number(ck::CKP_ML_DSA_44))]),
            _ => template([(ck::CKA_PARAMETER_SET, number(ck::CKP_ML_KEM_512))]),
        };
        let (public, private) = kept((of_public, template([])), label);
        fixture.generate_pair(user(), *how, &public, &private).unwrap();
    }
    fixture
}

/// Lays the store of the present format beside the others, if it is the first of its format.
fn bless() {
    let kept = kept_store(FORMAT_VERSION);
    if std::env::var_os("KEYENCLAVE_BLESS").is_none() || kept.exists() {
        return;
    }
    let Fixture { token, directory, .. } = make();
    drop(token);
    fs::copy(directory.path().join(STORE), kept).unwrap();
}

#[test]
fn a_store_of_every_format_opens_with_all_its_keys() {
    bless();
    for format in 1..=FORMAT_VERSION {
        let fixture = opened(format);
        let visible = fixture.find(public(), &by_label("public"));
        assert_eq!(visible.len(), 1, "format {format}, before a login");
        fixture.login(Role::User, USER_PIN).unwrap();
        let aes = one(&fixture, ck::CKO_SECRET_KEY, "aes");
        let decrypted = fixture
            .run(user(), Class::Decrypt, &cbc(), aes, &ENCRYPTED)
            .unwrap();
        assert_eq!(decrypted, MESSAGE, "format {format}");
        one(&fixture, ck::CKO_DATA, "private");
        for (label, _, signs) in PAIRS {
            let private = one(&fixture, ck::CKO_PRIVATE_KEY, label);
            let public_key = one(&fixture, ck::CKO_PUBLIC_KEY, label);
            if let Some(signs) = signs {
                let how = &plain(*signs);
                let signature = fixture.run(user(), Class::Sign, how, private, MESSAGE).unwrap();
                fixture
                    .verify(user(), how, public_key, MESSAGE, &signature)
                    .unwrap();
            }
        }
    }
}

#[test]
fn a_store_of_every_format_takes_new_objects_and_a_new_pin_of_the_so() {
    for format in 1..=FORMAT_VERSION {
        let fixture = opened(format);
        fixture.login(Role::So, SO_PIN).unwrap();
        fixture.work(so(), Work::InitPin(Pin(b"new-pin"))).unwrap();
        fixture.work(so(), Work::Logout).unwrap();
        assert_eq!(rv(fixture.login(Role::User, USER_PIN)), Rv::PinIncorrect);
        fixture.login(Role::User, b"new-pin").unwrap();
        one(&fixture, ck::CKO_PRIVATE_KEY, "rsa");
        fixture.create(user(), &data("new", true, true)).unwrap();
        let again = fixture.other();
        again.login(Role::User, b"new-pin").unwrap();
        one(&again, ck::CKO_DATA, "new");
        one(&again, ck::CKO_SECRET_KEY, "aes");
    }
}

#[test]
fn a_store_of_the_next_format_is_refused_by_its_number_and_left_alone() {
    let fixture = opened(FORMAT_VERSION);
    let file = fixture.directory.path().join(STORE);
    let next = FORMAT_VERSION + 1;
    rusqlite::Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", next)
        .unwrap();
    let before = fs::read(&file).unwrap();
    let Err(error) = fixture.login(Role::User, USER_PIN) else {
        panic!("a newer format was opened");
    };
    let told = error.to_string();
    assert!(told.contains(&format!("format {next}")), "{told}");
    assert_eq!(fs::read(&file).unwrap(), before);
}
