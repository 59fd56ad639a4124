// SPDX-License-Identifier: MIT
//! What a soft token computes: every mechanism, whole and in parts, and every way in which it is refused.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod chacha;
mod des;
mod digests;
mod encryption;
mod signatures;
#[path = "../token_fixture/mod.rs"]
mod token_fixture;

use std::sync::OnceLock;

use cryptoki_sys as ck;
use keyenclave_crypto as crypto;
use keyenclave_model::algorithm::{CURVES, Curve, HASHES, Hash};
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{
    Algorithm, CcmParams, ChainedDataParams, CounterParams, EcdhAesParams, EcdhParams, GcmParams, Hedge, Kdf,
    MECHANISMS, Mechanism, MechanismRow, MlDsaParams, OaepParams, ParamShape, Params, PssParams,
    RsaAesParams, TlsMacParams, TlsPrf,
};
use keyenclave_model::post_quantum::Prehash;
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

fn gmac(tag_len: usize) -> Params {
    Params::Gcm(GcmParams {
        iv: vec![9; 12],
        aad: vec![],
        tag_len,
    })
}

fn ccm(data_len: usize) -> Params {
    Params::Ccm(CcmParams {
        data_len,
        nonce: vec![9; 12],
        aad: b"header".to_vec(),
        tag_len: 16,
    })
}

fn counter(bits: usize) -> Params {
    Params::Counter(CounterParams { bits, block: [7; 16] })
}

fn chained(data: &[u8]) -> Params {
    Params::ChainedData(ChainedDataParams {
        iv: [1; 16],
        data: data.to_vec().into(),
    })
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
    let offered = |row: &&MechanismRow| !row.algorithm.is_remote() && !row.algorithm.is_legacy();
    let local = || MECHANISMS.iter().filter(offered);
    assert_eq!(told.len(), local().count());
    let fixture = Fixture::blank();
    for row in local() {
        let params = match row.params {
            ParamShape::None => Params::None,
            ParamShape::Bytes(len) => Params::Bytes(vec![1; len]),
            ParamShape::OptionalBytes(_) => Params::None,
            ParamShape::StringData => Params::Data(vec![1; 16].into()),
            ParamShape::Key => Params::Key(ObjectId(1)),
            ParamShape::Bit => Params::Bit(1),
            ParamShape::Length => Params::Length(10),
            ParamShape::Pss => pss(row.algorithm.hash().unwrap_or(Hash::Sha256), 20),
            ParamShape::Oaep => oaep(Hash::Sha1, Hash::Sha1, b""),
            ParamShape::Gcm => gcm(16).params().clone(),
            ParamShape::Gmac => gmac(16),
            ParamShape::Ccm => ccm(3),
            ParamShape::Counter => counter(128),
            ParamShape::ChainedData => chained(&[1; 16]),
            ParamShape::EdDsa | ParamShape::SignContext => Params::None,
            ParamShape::HashSignContext => Params::MlDsa(MlDsaParams {
                hedge: Hedge::Required,
                context: vec![],
                prehash: Some(Prehash::Hash(Hash::Sha384)),
            }),
            ParamShape::Ecdh => Params::Ecdh(EcdhParams {
                kdf: Kdf::Null,
                shared: vec![],
                public: vec![4],
            }),
            ParamShape::EcdhAes => Params::EcdhAes(EcdhAesParams {
                key_len: 32,
                kdf: Kdf::Null,
                shared: vec![],
            }),
            ParamShape::RsaAes => Params::RsaAes(RsaAesParams {
                key_len: 32,
                oaep: match oaep(Hash::Sha1, Hash::Sha1, b"") {
                    Params::Oaep(oaep) => oaep,
                    _ => unreachable!(),
                },
            }),
            ParamShape::ChaCha20 => chacha::stream(0, &[1; 12]),
            ParamShape::ChaChaPoly => chacha::sealing(&[1; 12], b""),
            ParamShape::TlsMac => Params::TlsMac(TlsMacParams {
                prf: TlsPrf::Hash(Hash::Sha256),
                len: 12,
                server: true,
            }),
            // They make keys, and no operation begins with them.
            ParamShape::Hkdf
            | ParamShape::Sp800108
            | ParamShape::Sp800108Feedback
            | ParamShape::Pbkdf2
            | ParamShape::TlsMaster
            | ParamShape::TlsExtendedMaster
            | ParamShape::TlsKeys
            | ParamShape::TlsKdf => {
                assert_eq!(
                    row.flags & !(ck::CKF_DERIVE | ck::CKF_GENERATE),
                    0,
                    "{}",
                    row.name
                );
                continue;
            }
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
            Some(ck::CKK_AES_XTS) => {
                let value: Vec<u8> = (0..32).collect();
                let key = fixture
                    .create(public(), &secret_key(ck::CKK_AES_XTS, &value))
                    .unwrap();
                (key, key)
            }
            Some(ck::CKK_CHACHA20) => {
                let key = fixture
                    .create(public(), &secret_key(ck::CKK_CHACHA20, &[3; 32]))
                    .unwrap();
                (key, key)
            }
            Some(key_type @ (ck::CKK_ML_DSA | ck::CKK_ML_KEM)) => {
                let (public_key, private_key) = lattice_pair(&fixture, key_type, 1);
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
