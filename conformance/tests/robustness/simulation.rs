// SPDX-License-Identifier: MIT
//! A soft slot that simulates AWS KMS beside a slot of AWS KMS itself, whose service nobody is there to be: both tell
//! of the same things, the simulated one works, and it refuses what the service refuses.

use cryptoki_sys::*;
use keyenclave_conformance::case::{as_part, finish, in_own_process, own_module, part};
use keyenclave_conformance::module::{Attr, Mech, Want, bytes, flag, number};
use keyenclave_conformance::place::{Place, module_path};
use keyenclave_conformance::token::{CURVES, RO, SO_PIN, THREADS, Token, USER_PIN};
use keyenclave_conformance::{Module, Rv};
use std::time::Duration;

/// `CKM_KEYENCLAVE_AWS_SYMMETRIC` of `include/keyenclave.h`.
const AWS_SYMMETRIC: CK_MECHANISM_TYPE = CKM_VENDOR_DEFINED | 0x4b45_0001;

/// Writes a configuration with a simulated slot and a real one of the same label's length, and some environment.
fn configure(environment: &str) {
    let place = Place::of_this_process();
    let store = place.store();
    let text = format!(
        "environment = \"{environment}\"\n\
         [[slot]]\nlabel = \"like\"\nbackend = \"soft\"\nsimulate = \"aws-kms\"\npath = \"{}\"\n\
         [[slot]]\nlabel = \"real\"\nbackend = \"aws-kms\"\nsidecar = \"side\"\n",
        store.display()
    );
    place.write("keyenclave.toml", &text);
}

/// The simulated slot with the user logged in.
fn simulated() -> (Token, CK_SESSION_HANDLE) {
    configure("development");
    Token::with_user()
}

fn lasting(name: &str) -> [Attr; 2] {
    [flag(CKA_TOKEN, true), bytes(CKA_LABEL, name)]
}

/// A lasting RSA pair of this size for these uses.
fn rsa(
    token: &Token,
    s: CK_SESSION_HANDLE,
    bits: CK_ULONG,
    uses: &[Attr],
) -> Result<(CK_ULONG, CK_ULONG), Rv> {
    let public = [&[number(CKA_MODULUS_BITS, bits)], &lasting("rsa")[..]].concat();
    let private = [&lasting("rsa")[..], uses].concat();
    token.generate_key_pair(s, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private)
}

fn ec(token: &Token, s: CK_SESSION_HANDLE, curve: &[u8]) -> Result<(CK_ULONG, CK_ULONG), Rv> {
    let public = [&[bytes(CKA_EC_PARAMS, curve)], &lasting("ec")[..]].concat();
    token.generate_key_pair(s, CKM_EC_KEY_PAIR_GEN, &public, &lasting("ec"))
}

/// A lasting generic secret of so many bytes for these uses.
fn secret(token: &Token, s: CK_SESSION_HANDLE, len: CK_ULONG, uses: &[Attr]) -> Result<CK_ULONG, Rv> {
    let template = [&[number(CKA_VALUE_LEN, len)], &lasting("secret")[..], uses].concat();
    token.generate_key(s, CKM_GENERIC_SECRET_KEY_GEN, &template)
}

#[test]
fn a_simulated_slot_tells_what_a_real_one_tells() {
    in_own_process(|| {
        own_module(|| {
            configure("development");
            let module = Token::fresh().module;
            let (_, count, slots) = module.slot_list(true, Some(2));
            assert_eq!(count, 2);
            let all = |slot| {
                let (rv, count, _) = module.mechanism_list(slot, None);
                assert_eq!(rv, Rv::OK);
                let (_, _, kinds) = module.mechanism_list(slot, usize::try_from(count).ok());
                let told = kinds.into_iter().map(|kind| {
                    let info = module.mechanism_info(slot, kind).expect("mechanism information");
                    (kind, info.ulMinKeySize, info.ulMaxKeySize, info.flags)
                });
                told.collect::<Vec<_>>()
            };
            let [like, real] = [all(slots[0]), all(slots[1])];
            assert!(like.len() > 20 && like.iter().any(|told| told.0 == AWS_SYMMETRIC));
            assert_eq!(like, real);
            let [like, real] = [0, 1].map(|at| module.slot_info(slots[at]).expect("slot information"));
            let described = String::from_utf8(real.slotDescription.to_vec()).unwrap();
            assert_eq!(
                like.slotDescription.to_vec(),
                described.replace("real", "like").into_bytes()
            );
            assert_eq!(like.manufacturerID, real.manufacturerID);
            assert_eq!(like.flags, real.flags);
            let version = |version: CK_VERSION| (version.major, version.minor);
            let versions = |info: &CK_SLOT_INFO| [info.hardwareVersion, info.firmwareVersion].map(version);
            assert_eq!(versions(&like), versions(&real));
            let [like, real] = [0, 1].map(|at| module.token_info(slots[at]).expect("token information"));
            assert_eq!(
                (like.manufacturerID, like.model),
                (real.manufacturerID, real.model)
            );
            assert_ne!(like.serialNumber, real.serialNumber, "it is another token");
            assert_eq!(like.flags & real.flags, real.flags, "what the real one offers");
            let versions = |info: &CK_TOKEN_INFO| [info.hardwareVersion, info.firmwareVersion].map(version);
            assert_eq!(versions(&like), versions(&real));
        });
    });
}

#[test]
fn a_simulated_slot_makes_the_keys_that_the_service_makes_and_no_others() {
    in_own_process(|| {
        own_module(|| {
            let (token, s) = simulated();
            assert!(rsa(&token, s, 2048, &[]).is_ok());
            for bits in [1024, 2560, 8192] {
                assert_eq!(
                    rsa(&token, s, bits, &[]).unwrap_err(),
                    CKR_ATTRIBUTE_VALUE_INVALID,
                    "{bits}"
                );
            }
            for (at, (curve, _, name)) in CURVES.into_iter().enumerate() {
                // P-256, P-384, P-521 and secp256k1 are the service's, and come first.
                let refused = ec(&token, s, curve).err().map(|rv| rv.0);
                assert_eq!(
                    refused,
                    (at >= 4).then_some(CKR_ATTRIBUTE_VALUE_INVALID),
                    "{name}"
                );
            }
            for (len, is_made) in [
                (28, true),
                (32, true),
                (48, true),
                (64, true),
                (20, false),
                (33, false),
            ] {
                assert_eq!(
                    secret(&token, s, len, &[flag(CKA_SIGN, true)]).is_ok(),
                    is_made,
                    "{len}"
                );
            }
            let aes = [&[number(CKA_VALUE_LEN, 32)], &lasting("aes")[..]].concat();
            assert_eq!(
                token.generate_key(s, CKM_AES_KEY_GEN, &aes).unwrap_err(),
                CKR_TEMPLATE_INCONSISTENT
            );
            assert_eq!(
                rsa(&token, s, 2048, &[flag(CKA_EXTRACTABLE, true)]).unwrap_err(),
                CKR_TEMPLATE_INCONSISTENT,
                "the service's keys never leave it"
            );
            let lattice = token.generate_key_pair(s, CKM_ML_DSA_KEY_PAIR_GEN, &[], &[]);
            assert_eq!(lattice.unwrap_err(), CKR_MECHANISM_INVALID);
        });
    });
}

#[test]
fn keys_from_elsewhere_are_refused_but_in_a_session() {
    in_own_process(|| {
        own_module(|| {
            let (token, s) = simulated();
            let template = [
                number(CKA_CLASS, CKO_SECRET_KEY),
                number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                bytes(CKA_VALUE, [7; 32]),
            ];
            let kept = [&template[..], &lasting("mine")[..]].concat();
            assert_eq!(
                token.create_object(s, &kept).unwrap_err(),
                CKR_TEMPLATE_INCONSISTENT
            );
            let key = token.create_object(s, &template).expect("a session object");
            let copy = token.copy_object(s, key, &lasting("mine"));
            assert_eq!(copy.unwrap_err(), CKR_TEMPLATE_INCONSISTENT);
            assert!(token.find(s, &[flag(CKA_TOKEN, true)]).unwrap().is_empty());
        });
    });
}

#[test]
fn keys_do_what_they_do_at_the_service_and_last() {
    in_own_process(|| {
        own_module(|| {
            let (mut token, s) = simulated();
            let (public, private) = ec(&token, s, CURVES[0].0).unwrap();
            let signature = token.sign(s, CKM_ECDSA_SHA256, private, b"message").unwrap();
            assert_eq!(
                token.check(s, CKM_ECDSA_SHA256, public, b"message", &signature),
                Rv::OK
            );
            // One key, one use: who asks for both signs.
            let both = [flag(CKA_SIGN, true), flag(CKA_DECRYPT, true)];
            let (public, private) = rsa(&token, s, 2048, &both).unwrap();
            let mut decrypts = [Want::value(CKA_DECRYPT, 1)];
            assert_eq!(token.attribute_values(s, private, &mut decrypts), Rv::OK);
            assert_eq!(decrypts[0].room.as_deref(), Some(&[CK_FALSE][..]));
            let oaep = || Mech::oaep(CKM_SHA256, CKG_MGF1_SHA256, b"");
            assert_eq!(
                token.decrypt_init(s, oaep(), private),
                CKR_KEY_FUNCTION_NOT_PERMITTED
            );
            assert_eq!(
                token.sign_init(s, CKM_SHA1_RSA_PKCS, private),
                CKR_MECHANISM_INVALID,
                "the service signs with SHA-2"
            );
            let pss = |salt| Mech::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, salt);
            assert_eq!(token.sign_init(s, pss(20), private), CKR_MECHANISM_PARAM_INVALID);
            let signature = token.sign(s, pss(32), private, b"message").unwrap();
            assert_eq!(token.check(s, pss(32), public, b"message", &signature), Rv::OK);
            assert_eq!(
                token.copy_object(s, private, &[]).unwrap_err(),
                CKR_ACTION_PROHIBITED
            );
            let encrypts = [flag(CKA_ENCRYPT, true), flag(CKA_DECRYPT, true)];
            let key = secret(&token, s, 32, &encrypts).unwrap();
            let sealed = token.encrypt(s, AWS_SYMMETRIC, key, b"message").unwrap();
            token.restart();
            let s = token.user_session();
            let keys = token.find(s, &[bytes(CKA_LABEL, "secret")]).unwrap();
            assert_eq!(
                token.decrypt(s, AWS_SYMMETRIC, keys[0], &sealed).unwrap(),
                b"message"
            );
            let broken = [&sealed[..sealed.len() - 1], &[sealed[sealed.len() - 1] ^ 1]].concat();
            assert_eq!(
                token.decrypt(s, AWS_SYMMETRIC, keys[0], &broken).unwrap_err(),
                CKR_ENCRYPTED_DATA_INVALID
            );
            assert_eq!(
                token
                    .decrypt(s, AWS_SYMMETRIC, keys[0], &sealed[..20])
                    .unwrap_err(),
                CKR_ENCRYPTED_DATA_LEN_RANGE
            );
        });
    });
}

#[test]
fn a_soft_slot_that_simulates_nothing_has_no_format_of_a_service() {
    in_own_process(|| {
        own_module(|| {
            let (token, s) = Token::with_user();
            let key = token.secret(s, CKK_GENERIC_SECRET, &[7; 32]);
            assert_eq!(token.encrypt_init(s, AWS_SYMMETRIC, key), CKR_MECHANISM_INVALID);
        });
    });
}

#[test]
fn every_start_warns_of_a_simulation() {
    in_own_process(|| {
        if part().is_some() {
            let token = Token::existing();
            assert!(token.open_session(token.slot, RO).is_ok());
            return;
        }
        own_module(|| {
            let (token, _) = simulated();
            assert_eq!(token.finalize(false), Rv::OK);
            for start in ["the first", "the second"] {
                let mut command = as_part("start");
                command.env_remove("KEYENCLAVE_LOG");
                let said =
                    finish(command, Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"));
                for expected in ["SIMULATION: slot `like`", "`aws-kms`", "NOT production grade"] {
                    assert!(said.contains(expected), "{start}: {said}");
                }
                for secret in [&USER_PIN[..], &SO_PIN[..]] {
                    assert!(!said.contains(&*String::from_utf8_lossy(secret)), "{said}");
                }
            }
        });
    });
}

#[test]
fn production_refuses_a_simulation() {
    in_own_process(|| {
        if part().is_some() {
            let module = Module::load(&module_path());
            assert_eq!(module.initialize(THREADS), CKR_FUNCTION_FAILED);
            return;
        }
        own_module(|| {
            configure("production");
            let mut command = as_part("start");
            command.env_remove("KEYENCLAVE_LOG");
            let said = finish(command, Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"));
            assert!(
                said.contains("environment `production` takes no simulation of a backend"),
                "{said}"
            );
        });
    });
}
