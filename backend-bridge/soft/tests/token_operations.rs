// SPDX-License-Identifier: MIT
//! What a soft token computes: every mechanism, whole and in parts, and every way in which it is refused.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use std::sync::OnceLock;

use cryptoki_sys as ck;
use keyenclave_crypto as crypto;
use keyenclave_model::algorithm::{CURVES, Curve, HASHES, Hash};
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{
    Algorithm, GcmParams, MECHANISMS, Mechanism, OaepParams, ParamShape, Params, PssParams,
};
use keyenclave_model::token::{
    End, ObjectId, Operation, OperationClass as Class, Out, OutputLen, Part, Token, Work,
};
use token_fixture::*;

const MESSAGE: &[u8] = b"a message of no particular length, in several parts";

struct Rsa {
    fixture: Fixture,
    public: ObjectId,
    private: ObjectId,
}

/// One RSA key for all tests: making them takes long.
fn rsa() -> &'static Rsa {
    static KEY: OnceLock<Rsa> = OnceLock::new();
    KEY.get_or_init(|| {
        let fixture = Fixture::blank();
        let (of_public, of_private) = rsa_pair(2048);
        let pair = fixture.generate_pair(public(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
        let (public, private) = pair.unwrap();
        Rsa {
            fixture,
            public,
            private,
        }
    })
}

fn pss(hash: Hash, salt_len: usize) -> Params {
    Params::Pss(PssParams {
        hash,
        mgf: hash,
        salt_len,
    })
}

fn oaep(hash: Hash, mgf: Hash, label: &[u8]) -> Params {
    Params::Oaep(OaepParams {
        hash,
        mgf,
        label: label.to_vec(),
    })
}

fn gcm(tag_len: usize) -> Mechanism {
    let params = GcmParams {
        iv: vec![9; 12],
        aad: b"header".to_vec(),
        tag_len,
    };
    mechanism(ck::CKM_AES_GCM, Params::Gcm(params))
}

/// Signs whole and in parts and verifies both, and refuses everything else.
fn sign_and_verify(fixture: &Fixture, mechanism: &Mechanism, private: ObjectId, public_key: ObjectId) {
    let name = mechanism.row().name;
    let whole = fixture
        .run(public(), Class::Sign, mechanism, private, MESSAGE)
        .unwrap();
    let parts = [&MESSAGE[..7], &[], &MESSAGE[7..]];
    let in_parts = fixture
        .run_in_parts(public(), Class::Sign, mechanism, private, &parts)
        .unwrap();
    let nothing = fixture
        .run_in_parts(public(), Class::Sign, mechanism, private, &[])
        .unwrap();
    let verify =
        |message, signature: &[u8]| fixture.verify(public(), mechanism, public_key, message, signature);
    for signature in [&whole, &in_parts] {
        verify(MESSAGE, signature).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    verify(b"", &nothing).unwrap();
    let mut operation = fixture
        .begin(public(), Class::Verify, mechanism, public_key)
        .unwrap();
    for part in parts {
        operation.update(&public(), part, &mut []).unwrap();
    }
    ready(operation.finish(&public(), End::Signature(&whole))).unwrap();

    assert_eq!(
        rv(verify(b"another message", &whole)),
        Rv::SignatureInvalid,
        "{name}"
    );
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(rv(verify(MESSAGE, &changed)), Rv::SignatureInvalid, "{name}");
    for wrong in [&whole[1..], &[&whole[..], &[0]].concat(), &[]] {
        assert_eq!(rv(verify(MESSAGE, wrong)), Rv::SignatureLenRange, "{name}");
    }
    let operation = fixture.begin(public(), Class::Sign, mechanism, private).unwrap();
    let len = OutputLen::Exact(whole.len());
    assert_eq!(operation.output_len(Part::Single(3)).unwrap(), len);
    assert_eq!(operation.output_len(Part::Finish).unwrap(), len);
    assert_eq!(
        operation.output_len(Part::Update(3)).unwrap(),
        OutputLen::Exact(0)
    );
}

#[test]
fn every_mechanism_that_is_told_of_works() {
    let told = rsa().fixture.token.mechanisms().unwrap();
    let local = || MECHANISMS.iter().filter(|row| !row.algorithm.is_remote());
    assert_eq!(told.len(), local().count());
    let fixture = Fixture::blank();
    for row in local() {
        let params = match row.params {
            ParamShape::None => Params::None,
            ParamShape::Bytes(len) => Params::Bytes(vec![1; len]),
            ParamShape::Length => Params::Length(10),
            ParamShape::Pss => pss(row.algorithm.hash().unwrap_or(Hash::Sha256), 20),
            ParamShape::Oaep => oaep(Hash::Sha1, Hash::Sha1, b""),
            ParamShape::Gcm => gcm(16).params().clone(),
            ParamShape::EdDsa => Params::None,
        };
        let mechanism = mechanism(row.id, params);
        let (private, public_key) = match row.algorithm.key_type() {
            Some(ck::CKK_RSA) => (rsa().private, rsa().public),
            Some(ck::CKK_EC) => {
                let (of_public, of_private) = ec_pair(Curve::P256);
                let pair = fixture.generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private);
                let (public_key, private_key) = pair.unwrap();
                (private_key, public_key)
            }
            Some(ck::CKK_EC_EDWARDS) => {
                let (public_key, private_key) = ed25519_pair(&fixture);
                (private_key, public_key)
            }
            Some(ck::CKK_AES) => {
                let key = fixture.create(public(), &aes_key(&[3; 32])).unwrap();
                (key, key)
            }
            _ => {
                let key = secret_key(ck::CKK_GENERIC_SECRET, b"any");
                let key = fixture.create(public(), &key).unwrap();
                (key, key)
            }
        };
        let fixture = match row.algorithm.key_type() {
            Some(ck::CKK_RSA) => &rsa().fixture,
            _ => &fixture,
        };
        for class in Class::ALL {
            let key = match class {
                Class::Sign | Class::SignRecover | Class::Decrypt => private,
                _ => public_key,
            };
            let begun = fixture.begin(public(), class, &mechanism, key);
            let advertised = row.flags & class.flag() != 0;
            assert_eq!(begun.is_ok(), advertised, "{} {class:?}", row.name);
        }
    }
}

#[test]
fn rsa_pkcs1_signatures_verify() {
    let rsa = rsa();
    for row in MECHANISMS {
        if let Algorithm::RsaPkcs1(Some(_)) = row.algorithm {
            sign_and_verify(&rsa.fixture, &plain(row.id), rsa.private, rsa.public);
        }
    }
}

#[test]
fn raw_rsa_takes_a_block_that_fits_and_no_parts() {
    let Rsa {
        fixture,
        public: public_key,
        private,
    } = rsa();
    let raw = plain(ck::CKM_RSA_PKCS);
    for len in [0, 1, 51, 245] {
        let block = vec![0x33; len];
        let signature = fixture
            .run(public(), Class::Sign, &raw, *private, &block)
            .unwrap();
        fixture
            .verify(public(), &raw, *public_key, &block, &signature)
            .unwrap();
    }
    let too_long = [0; 246];
    assert_eq!(
        rv(fixture.run(public(), Class::Sign, &raw, *private, &too_long)),
        Rv::DataLenRange
    );
    assert_eq!(
        rv(fixture.run(public(), Class::Encrypt, &raw, *public_key, &too_long)),
        Rv::DataLenRange
    );
    for (class, key) in [
        (Class::Sign, private),
        (Class::Verify, public_key),
        (Class::Encrypt, public_key),
    ] {
        let mut operation = fixture.begin(public(), class, &raw, *key).unwrap();
        assert_eq!(
            rv(operation.update(&public(), b"x", &mut [])),
            Rv::FunctionNotSupported
        );
    }
    // A block that is a DigestInfo is the signature of the hashing mechanism.
    let prefix = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    let info = [&prefix[..], &crypto::digest(Hash::Sha256, MESSAGE)].concat();
    let signature = fixture.run(public(), Class::Sign, &raw, *private, &info).unwrap();
    let hashing = plain(ck::CKM_SHA256_RSA_PKCS);
    fixture
        .verify(public(), &hashing, *public_key, MESSAGE, &signature)
        .unwrap();
}

#[test]
fn what_was_signed_can_be_recovered_from_the_signature() {
    let Rsa {
        fixture,
        public: public_key,
        private,
    } = rsa();
    let raw = plain(ck::CKM_RSA_PKCS);
    for block in [&b""[..], b"block", &[7; 245]] {
        let signature = fixture
            .run(public(), Class::SignRecover, &raw, *private, block)
            .unwrap();
        let recover =
            |signature: &[u8]| fixture.run(public(), Class::VerifyRecover, &raw, *public_key, signature);
        assert_eq!(recover(&signature).unwrap(), block);
        let mut changed = signature.clone();
        changed[9] ^= 1;
        assert_eq!(rv(recover(&changed)), Rv::SignatureInvalid);
        assert_eq!(rv(recover(&signature[1..])), Rv::SignatureLenRange);
    }
    let recover = fixture.begin(public(), Class::VerifyRecover, &raw, *private);
    assert_eq!(rv(recover), Rv::KeyFunctionNotPermitted);
}

#[test]
fn pss_signatures_verify_with_every_hash_and_salt() {
    let rsa = rsa();
    for row in MECHANISMS {
        if let Algorithm::RsaPss(Some(hash)) = row.algorithm {
            for salt in [0, hash.output_len()] {
                let mechanism = mechanism(row.id, pss(hash, salt));
                sign_and_verify(&rsa.fixture, &mechanism, rsa.private, rsa.public);
            }
        }
    }
    let raw = mechanism(ck::CKM_RSA_PKCS_PSS, pss(Hash::Sha384, 17));
    let digest = crypto::digest(Hash::Sha384, MESSAGE);
    let signature = rsa
        .fixture
        .run(public(), Class::Sign, &raw, rsa.private, &digest)
        .unwrap();
    let hashing = mechanism(ck::CKM_SHA384_RSA_PKCS_PSS, pss(Hash::Sha384, 17));
    rsa.fixture
        .verify(public(), &hashing, rsa.public, MESSAGE, &signature)
        .unwrap();
    let other_salt = mechanism(ck::CKM_SHA384_RSA_PKCS_PSS, pss(Hash::Sha384, 18));
    let verified = rsa
        .fixture
        .verify(public(), &other_salt, rsa.public, MESSAGE, &signature);
    assert_eq!(rv(verified), Rv::SignatureInvalid);
    assert_eq!(
        rv(rsa
            .fixture
            .run(public(), Class::Sign, &raw, rsa.private, b"no digest")),
        Rv::DataLenRange
    );
}

#[test]
fn a_pss_salt_that_does_not_fit_is_refused_at_once() {
    let rsa = rsa();
    let begin = |salt| {
        let mechanism = mechanism(ck::CKM_SHA256_RSA_PKCS_PSS, pss(Hash::Sha256, salt));
        rsa.fixture.begin(public(), Class::Sign, &mechanism, rsa.private)
    };
    assert!(begin(256 - 32 - 2).is_ok());
    for salt in [256 - 32 - 1, 100_000, usize::MAX] {
        assert_eq!(rv(begin(salt)), Rv::MechanismParamInvalid);
    }
}

#[test]
fn rsa_encryption_is_undone_by_decryption() {
    let Rsa {
        fixture,
        public: public_key,
        private,
    } = rsa();
    for mechanism in [
        plain(ck::CKM_RSA_PKCS),
        mechanism(ck::CKM_RSA_PKCS_OAEP, oaep(Hash::Sha1, Hash::Sha1, b"")),
        mechanism(ck::CKM_RSA_PKCS_OAEP, oaep(Hash::Sha256, Hash::Sha256, b"label")),
        mechanism(ck::CKM_RSA_PKCS_OAEP, oaep(Hash::Sha512, Hash::Sha1, b"")),
    ] {
        for message in [&b""[..], MESSAGE] {
            let sealed = fixture
                .run(public(), Class::Encrypt, &mechanism, *public_key, message)
                .unwrap();
            assert_eq!(sealed.len(), 256);
            let open = |sealed: &[u8]| fixture.run(public(), Class::Decrypt, &mechanism, *private, sealed);
            assert_eq!(open(&sealed).unwrap(), message);
            assert_eq!(rv(open(&sealed[1..])), Rv::EncryptedDataLenRange);
            let mut changed = sealed.clone();
            changed[100] ^= 1;
            match mechanism.params() {
                // Bad padding of PKCS #1 v1.5 is not told from good: the answer is a substitute.
                Params::None => assert_ne!(open(&changed).unwrap(), message),
                _ => assert_eq!(rv(open(&changed)), Rv::EncryptedDataInvalid),
            }
        }
        assert_eq!(
            rv(fixture.run(public(), Class::Encrypt, &mechanism, *public_key, &[0; 246])),
            Rv::DataLenRange
        );
    }
    // As old as keys get: no hash of 64 bytes fits twice.
    let small = template([
        (ck::CKA_CLASS, number(ck::CKO_PUBLIC_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_RSA)),
        (ck::CKA_MODULUS, bytes([0xc1; 128])),
        (ck::CKA_PUBLIC_EXPONENT, bytes([1, 0, 1])),
    ]);
    let small = fixture.create(public(), &small).unwrap();
    let large = mechanism(ck::CKM_RSA_PKCS_OAEP, oaep(Hash::Sha512, Hash::Sha512, b""));
    assert_eq!(
        rv(fixture.begin(public(), Class::Encrypt, &large, small)),
        Rv::KeySizeRange
    );
}

#[test]
fn ecdsa_signatures_verify_on_every_curve() {
    let fixture = Fixture::blank();
    for row in CURVES {
        let (of_public, of_private) = ec_pair(row.curve);
        let pair = fixture.generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private);
        let (public_key, private) = pair.unwrap();
        let raw = plain(ck::CKM_ECDSA);
        for mechanism in MECHANISMS
            .iter()
            .filter(|row| matches!(row.algorithm, Algorithm::Ecdsa(Some(_))))
        {
            let hashing = plain(mechanism.id);
            let hash = mechanism.algorithm.hash().unwrap();
            let sign =
                |mechanism, input: &[u8]| fixture.run(public(), Class::Sign, mechanism, private, input);
            let signature = sign(&hashing, MESSAGE).unwrap();
            assert_eq!(signature.len(), 2 * row.curve.field_len());
            let digest = crypto::digest(hash, MESSAGE);
            fixture
                .verify(public(), &raw, public_key, &digest, &signature)
                .unwrap();
            let signature = sign(&raw, &digest).unwrap();
            fixture
                .verify(public(), &hashing, public_key, MESSAGE, &signature)
                .unwrap();
            let mut changed = signature.clone();
            changed[5] ^= 1;
            let verify =
                |signature: &[u8]| fixture.verify(public(), &hashing, public_key, MESSAGE, signature);
            assert_eq!(rv(verify(&changed)), Rv::SignatureInvalid);
            for wrong in [&signature[1..], &[], &[&signature[..], &[0, 0]].concat()] {
                assert_eq!(rv(verify(wrong)), Rv::SignatureLenRange);
            }
            let parts = [&MESSAGE[..9], &MESSAGE[9..]];
            let signature = fixture
                .run_in_parts(public(), Class::Sign, &hashing, private, &parts)
                .unwrap();
            verify(&signature).unwrap();
        }
        let mut operation = fixture.begin(public(), Class::Sign, &raw, private).unwrap();
        assert_eq!(
            rv(operation.update(&public(), b"x", &mut [])),
            Rv::FunctionNotSupported
        );
    }
}

#[test]
fn macs_verify_whole_and_cut() {
    let fixture = Fixture::blank();
    for row in HASHES {
        let own_type = keyenclave_model::mechanism::hmac_key_type(row.hash);
        for key in [
            secret_key(ck::CKK_GENERIC_SECRET, b"k"),
            secret_key(own_type, &[5; 200]),
        ] {
            let key = fixture.create(public(), &key).unwrap();
            for mechanism_row in MECHANISMS {
                let mechanism = match mechanism_row.algorithm {
                    Algorithm::Hmac {
                        hash,
                        truncated: false,
                    } if hash == row.hash => plain(mechanism_row.id),
                    Algorithm::Hmac {
                        hash,
                        truncated: true,
                    } if hash == row.hash => mechanism(mechanism_row.id, Params::Length(10)),
                    _ => continue,
                };
                sign_and_verify(&fixture, &mechanism, key, key);
            }
        }
    }
    // RFC 4231, test case 2.
    let key = fixture
        .create(public(), &secret_key(ck::CKK_GENERIC_SECRET, b"Jefe"))
        .unwrap();
    let hmac = plain(ck::CKM_SHA256_HMAC);
    let mac = fixture.run(public(), Class::Sign, &hmac, key, b"what do ya want for nothing?");
    assert_eq!(mac.unwrap()[..4], [0x5b, 0xdc, 0xc1, 0x46]);
}

#[test]
fn block_modes_are_undone_and_want_whole_blocks() {
    let fixture = Fixture::blank();
    let key = fixture.create(public(), &aes_key(&[8; 24])).unwrap();
    let iv = || Params::Bytes(vec![4; 16]);
    let modes = [
        (plain(ck::CKM_AES_ECB), false),
        (mechanism(ck::CKM_AES_CBC, iv()), false),
        (mechanism(ck::CKM_AES_CBC_PAD, iv()), true),
    ];
    for (mode, padded) in modes {
        let run = |class, input: &[u8]| fixture.run(public(), class, &mode, key, input);
        for len in [0, 1, 15, 16, 17, 32, 100] {
            let message: Vec<u8> = (0..len).collect();
            if !padded && len % 16 != 0 {
                assert_eq!(rv(run(Class::Encrypt, &message)), Rv::DataLenRange);
                assert_eq!(rv(run(Class::Decrypt, &message)), Rv::EncryptedDataLenRange);
                continue;
            }
            let sealed = run(Class::Encrypt, &message).unwrap();
            let split = usize::from(len) / 3;
            let parts = [&message[..split], &message[split..]];
            let in_parts = fixture
                .run_in_parts(public(), Class::Encrypt, &mode, key, &parts)
                .unwrap();
            assert_eq!(sealed, in_parts);
            assert_eq!(run(Class::Decrypt, &sealed).unwrap(), message);
            let parts = [&sealed[..split], &sealed[split..]];
            let opened = fixture
                .run_in_parts(public(), Class::Decrypt, &mode, key, &parts)
                .unwrap();
            assert_eq!(opened, message);
        }
        let parts: [&[u8]; 1] = [&[0; 17]];
        let cut = |class| fixture.run_in_parts(public(), class, &mode, key, &parts);
        assert_eq!(rv(cut(Class::Decrypt)), Rv::EncryptedDataLenRange);
        if !padded {
            assert_eq!(rv(cut(Class::Encrypt)), Rv::DataLenRange);
        }
    }
}

#[test]
fn bad_padding_is_refused_and_leaves_no_plaintext() {
    let fixture = Fixture::blank();
    let key = fixture.create(public(), &aes_key(&[8; 16])).unwrap();
    let (pad, cbc) = (ck::CKM_AES_CBC_PAD, ck::CKM_AES_CBC);
    let iv = || Params::Bytes(vec![4; 16]);
    let sealed = fixture
        .run(public(), Class::Encrypt, &mechanism(cbc, iv()), key, &[0xaa; 48])
        .unwrap();
    let pad = mechanism(pad, iv());
    let operation = fixture.begin(public(), Class::Decrypt, &pad, key).unwrap();
    assert_eq!(
        operation.output_len(Part::Single(48)).unwrap(),
        OutputLen::AtMost(48)
    );
    let mut out = [0x77; 48];
    let step = operation.single(&public(), &sealed, End::Output(&mut out));
    assert_eq!(rv(ready(step)), Rv::EncryptedDataInvalid);
    assert!(!out.contains(&0xaa));
    assert_eq!(
        rv(fixture.run(public(), Class::Decrypt, &pad, key, &[])),
        Rv::EncryptedDataLenRange
    );
}

#[test]
fn gcm_gives_nothing_out_before_the_tag_is_checked() {
    let fixture = Fixture::blank();
    let key = fixture.create(public(), &aes_key(&[8; 32])).unwrap();
    for tag_len in [4, 12, 16] {
        let gcm = gcm(tag_len);
        let sealed = fixture.run(public(), Class::Encrypt, &gcm, key, MESSAGE).unwrap();
        assert_eq!(sealed.len(), MESSAGE.len() + tag_len);
        let parts = [&MESSAGE[..20], &MESSAGE[20..]];
        assert_eq!(
            fixture
                .run_in_parts(public(), Class::Encrypt, &gcm, key, &parts)
                .unwrap(),
            sealed
        );
        let open = |sealed: &[u8]| fixture.run(public(), Class::Decrypt, &gcm, key, sealed);
        assert_eq!(open(&sealed).unwrap(), MESSAGE);
        let mut operation = fixture.begin(public(), Class::Decrypt, &gcm, key).unwrap();
        for part in sealed.chunks(13) {
            assert_eq!(
                operation.output_len(Part::Update(part.len())).unwrap(),
                OutputLen::Exact(0)
            );
            assert_eq!(operation.update(&public(), part, &mut []).unwrap(), 0);
        }
        let mut out = [0; 100];
        assert_eq!(
            operation.output_len(Part::Finish).unwrap(),
            OutputLen::Exact(MESSAGE.len())
        );
        assert!(matches!(
            ready(operation.finish(&public(), End::Output(&mut out))).unwrap(),
            Out::Written(len) if out[..len] == *MESSAGE
        ));
        for at in [0, MESSAGE.len()] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(rv(open(&changed)), Rv::EncryptedDataInvalid);
        }
        assert_eq!(rv(open(&sealed[..tag_len - 1])), Rv::EncryptedDataLenRange);
    }
}

fn begin_digest(fixture: &Fixture, mechanism: &Mechanism) -> Box<dyn Operation> {
    let work = Work::Begin {
        class: Class::Digest,
        mechanism,
        key: None,
    };
    match fixture.work(public(), work).unwrap() {
        Out::Operation(operation) => operation,
        _ => panic!("no operation"),
    }
}

#[test]
fn digests_are_right_whole_and_in_parts() {
    let fixture = Fixture::blank();
    for row in HASHES {
        let mechanism = plain(row.mechanism);
        let expected = crypto::digest(row.hash, MESSAGE);
        let mut out = [0; 64];
        let operation = begin_digest(&fixture, &mechanism);
        assert_eq!(
            operation.output_len(Part::Single(0)).unwrap(),
            OutputLen::Exact(row.len)
        );
        ready(operation.single(&public(), MESSAGE, End::Output(&mut out))).unwrap();
        assert_eq!(out[..row.len], *expected);
        let mut operation = begin_digest(&fixture, &mechanism);
        for part in MESSAGE.chunks(10) {
            operation.update(&public(), part, &mut []).unwrap();
        }
        let mut out = [0; 64];
        ready(operation.finish(&public(), End::Output(&mut out))).unwrap();
        assert_eq!(out[..row.len], *expected);
    }
}

fn restore(fixture: &Fixture, class: Class, state: &[u8]) -> Result<Box<dyn Operation>> {
    match fixture.work(
        public(),
        Work::Restore {
            class,
            state,
            keys: [None; 2],
        },
    )? {
        Out::Operation(operation) => Ok(operation),
        _ => panic!("no operation"),
    }
}

#[test]
fn a_saved_digest_goes_on_whole_and_in_parts() {
    let fixture = Fixture::blank();
    for row in HASHES {
        let mechanism = plain(row.mechanism);
        let expected = crypto::digest(row.hash, MESSAGE);
        for before in [0, 1, MESSAGE.len()] {
            let (first, rest) = MESSAGE.split_at(before);
            let mut operation = begin_digest(&fixture, &mechanism);
            if before > 0 {
                operation.update(&public(), first, &mut []).unwrap();
            }
            let state = operation.state().unwrap();
            let mut restored = restore(&fixture, Class::Digest, &state).unwrap();
            assert_eq!(*restored.state().unwrap(), *state);
            restored.update(&public(), rest, &mut []).unwrap();
            let mut out = [0; 64];
            ready(restored.finish(&public(), End::Output(&mut out))).unwrap();
            assert_eq!(out[..row.len], *expected, "in parts");
            let restored = restore(&fixture, Class::Digest, &state).unwrap();
            let mut out = [0; 64];
            ready(restored.single(&public(), rest, End::Output(&mut out))).unwrap();
            assert_eq!(out[..row.len], *expected, "whole");
            assert_eq!(rv(restore(&fixture, Class::Sign, &state)), Rv::SavedStateInvalid);
        }
    }
    assert_eq!(
        rv(restore(&fixture, Class::Digest, b"junk")),
        Rv::SavedStateInvalid
    );
}

/// The key may be sensitive, and a digest's state has up to a block of its input in the clear.
#[test]
fn a_digest_of_a_key_cannot_be_saved() {
    let fixture = Fixture::blank();
    let key = fixture
        .create(public(), &secret_key(ck::CKK_GENERIC_SECRET, b"value"))
        .unwrap();
    let mut operation = begin_digest(&fixture, &plain(ck::CKM_SHA256));
    operation.digest_key(&public(), key).unwrap();
    assert_eq!(rv(operation.state()), Rv::StateUnsaveable);
    operation.update(&public(), &[0; 64], &mut []).unwrap();
    assert_eq!(rv(operation.state()), Rv::StateUnsaveable);
}

#[test]
fn the_value_of_a_secret_key_can_be_digested() {
    let fixture = Fixture::blank();
    let key = fixture
        .create(public(), &secret_key(ck::CKK_GENERIC_SECRET, b"value"))
        .unwrap();
    let sha256 = plain(ck::CKM_SHA256);
    let digest = |key| {
        let work = Work::Begin {
            class: Class::Digest,
            mechanism: &sha256,
            key: None,
        };
        let Out::Operation(mut operation) = fixture.work(public(), work)? else {
            panic!("no operation");
        };
        operation.update(&public(), b"a", &mut [])?;
        operation.digest_key(&public(), key)?;
        let mut out = [0; 32];
        ready(operation.finish(&public(), End::Output(&mut out)))?;
        Ok(out)
    };
    assert_eq!(digest(key).unwrap(), *crypto::digest(Hash::Sha256, b"avalue"));
    assert_eq!(rv(digest(ObjectId(0))), Rv::KeyHandleInvalid);
    let (of_public, of_private) = ec_pair(Curve::P256);
    let (_, private) = fixture
        .generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    assert_eq!(rv(digest(private)), Rv::KeyIndigestible);
}
