// SPDX-License-Identifier: MIT
//! The operations through PKCS#11: each the calls that an application makes.

use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, Mech, Out, Want, bytes, flag, number};

use super::operation::{Curve, Operation};
use super::slice::{Engine, Step};
use super::token::{Token, object_label, secret_key};
use super::{DATA, MESSAGE};

/// As many different labels are searched for in turn.
const LABELS: usize = 10;
/// Object identifiers in DER.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
/// A `PrintableString`: of the names of this curve the one that most modules know.
const ED25519: &[u8] = b"\x13\x0cedwards25519";

impl Engine for Token {
    fn step(&self, operation: Operation) -> Result<Step<'_>, String> {
        let session = self.another_session()?;
        match operation {
            Operation::RsaPkcs1(bits) => {
                self.sign(session, CKM_SHA256_RSA_PKCS.into(), self.rsa(bits)?.1, 32)
            }
            Operation::RsaPss(bits) => {
                let mech = Mech::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32);
                self.sign(session, mech, self.rsa(bits)?.1, 32)
            }
            Operation::EcdsaSign(curve) => {
                self.sign(session, CKM_ECDSA.into(), self.ec(curve)?.1, digest_size(curve))
            }
            Operation::EcdsaVerify(curve) => self.verify(session, curve),
            Operation::Ed25519 => {
                let parameters = [bytes(CKA_EC_PARAMS, ED25519)];
                let (_, key) = self.pair("ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, &parameters)?;
                self.sign(session, CKM_EDDSA.into(), key, 32)
            }
            Operation::GcmEncrypt(size) => self.encrypt(session, gcm(), size),
            Operation::GcmDecrypt(size) => self.decrypt(session, gcm(), size),
            Operation::Cbc(size) => self.encrypt(session, Mech::with(CKM_AES_CBC_PAD, [7; 16]), size),
            Operation::Digest(size) => self.digest(session, size),
            Operation::Hmac(size) => {
                let key = self.secret("hmac", CKK_GENERIC_SECRET, &[CKA_SIGN, CKA_VERIFY])?;
                self.sign(session, CKM_SHA256_HMAC.into(), key, size)
            }
            Operation::Random(size) => {
                let mut room = vec![0; size];
                Ok(Box::new(move || {
                    assert_eq!(self.module.random(session, &mut room), Rv::OK);
                }))
            }
            Operation::GenerateEc => {
                Ok(self.generate(session, CKM_EC_KEY_PAIR_GEN, &[bytes(CKA_EC_PARAMS, P256)]))
            }
            Operation::GenerateRsa(bits) => {
                Ok(self.generate(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &rsa_parameters(bits)))
            }
            Operation::Attributes => self.attributes(session, self.ec(Curve::P256)?.1),
            Operation::SessionAttributes => {
                let (public, private) = templates(&[bytes(CKA_EC_PARAMS, P256)]);
                let pair = self
                    .module
                    .generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, &private);
                self.attributes(session, pair.map_err(|rv| format!("{rv:?}"))?.1)
            }
            Operation::Find => Ok(self.search(session)),
            Operation::Create => Ok(self.create(session)),
        }
    }
}

fn rsa_parameters(bits: u32) -> Vec<Attr> {
    vec![
        number(CKA_MODULUS_BITS, bits.into()),
        bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
    ]
}

/// Of a pair of session objects: public, private.
fn templates(parameters: &[Attr]) -> (Vec<Attr>, Vec<Attr>) {
    let both = [
        flag(CKA_TOKEN, false),
        bytes(CKA_LABEL, "a session's"),
        bytes(CKA_ID, "a session's"),
    ];
    let public = [&both[..], parameters, &[flag(CKA_VERIFY, true)]].concat();
    (public, [&both[..], &[flag(CKA_SIGN, true)]].concat())
}

fn digest_size(curve: Curve) -> usize {
    match curve {
        Curve::P256 => 32,
        Curve::P384 => 48,
    }
}

fn gcm() -> Mech {
    Mech::gcm(&[7; 12], &[], 128)
}

/// Does it once to see that the module can, so that what cannot be done is told and not a panic later.
fn tried<'a>(mut step: impl FnMut() -> Result<(), Rv> + Send + 'a) -> Result<Step<'a>, String> {
    step().map_err(|rv| format!("{rv:?}"))?;
    Ok(Box::new(move || step().expect("CKR_OK")))
}

impl Token {
    fn rsa(&self, bits: u32) -> Result<(u64, u64), String> {
        self.pair(
            &format!("rsa-{bits}"),
            CKM_RSA_PKCS_KEY_PAIR_GEN,
            &rsa_parameters(bits),
        )
    }

    fn ec(&self, curve: Curve) -> Result<(u64, u64), String> {
        let (label, name) = match curve {
            Curve::P256 => ("p-256", P256),
            Curve::P384 => ("p-384", P384),
        };
        self.pair(label, CKM_EC_KEY_PAIR_GEN, &[bytes(CKA_EC_PARAMS, name)])
    }

    fn aes(&self) -> Result<u64, String> {
        self.secret("aes", CKK_AES, &[CKA_ENCRYPT, CKA_DECRYPT])
    }

    fn sign(&self, session: u64, mech: Mech, key: u64, size: usize) -> Result<Step<'_>, String> {
        let mut room = [0; 512];
        tried(move || {
            self.module.sign_init(session, mech.clone(), key).ok()?;
            self.module
                .sign_into(session, &DATA[..size], Out::Room(&mut room))
                .rv
                .ok()
        })
    }

    fn verify(&self, session: u64, curve: Curve) -> Result<Step<'_>, String> {
        let (public, private) = self.ec(curve)?;
        let (digest, mut signature) = (&DATA[..digest_size(curve)], vec![0; 2 * digest_size(curve)]);
        let mut signed = || {
            self.module.sign_init(session, CKM_ECDSA, private).ok()?;
            let output = Out::Room(&mut signature);
            self.module.sign_into(session, digest, output).rv.ok()
        };
        signed().map_err(|rv: Rv| format!("{rv:?}"))?;
        tried(move || {
            self.module.verify_init(session, CKM_ECDSA, public).ok()?;
            self.module.verify(session, digest, &signature).ok()
        })
    }

    fn encrypt(&self, session: u64, mech: Mech, size: usize) -> Result<Step<'_>, String> {
        let (key, mut room) = (self.aes()?, vec![0; size + 16]);
        tried(move || {
            self.module.encrypt_init(session, mech.clone(), key).ok()?;
            let output = Out::Room(&mut room);
            self.module.encrypt_into(session, &DATA[..size], output).rv.ok()
        })
    }

    fn decrypt(&self, session: u64, mech: Mech, size: usize) -> Result<Step<'_>, String> {
        let (key, mut sealed, mut room) = (self.aes()?, vec![0; size + 16], vec![0; size + 16]);
        let mut seal = || {
            self.module.encrypt_init(session, mech.clone(), key).ok()?;
            let output = Out::Room(&mut sealed);
            self.module.encrypt_into(session, &DATA[..size], output).rv.ok()
        };
        seal().map_err(|rv: Rv| format!("{rv:?}"))?;
        tried(move || {
            self.module.decrypt_init(session, mech.clone(), key).ok()?;
            let output = Out::Room(&mut room);
            self.module.decrypt_into(session, &sealed, output).rv.ok()
        })
    }

    fn digest(&self, session: u64, size: usize) -> Result<Step<'_>, String> {
        let mut room = [0; 32];
        tried(move || {
            self.module.digest_init(session, CKM_SHA256).ok()?;
            let output = Out::Room(&mut room);
            self.module.digest_into(session, &DATA[..size], output).rv.ok()
        })
    }

    fn generate(&self, session: u64, mechanism: CK_MECHANISM_TYPE, public: &[Attr]) -> Step<'_> {
        let (public, private) = templates(public);
        Box::new(move || {
            let pair = self
                .module
                .generate_key_pair(session, mechanism, &public, &private);
            let (public, private) = pair.expect("a pair");
            for key in [public, private] {
                assert_eq!(self.module.destroy_object(session, key), Rv::OK);
            }
        })
    }

    fn attributes(&self, session: u64, key: u64) -> Result<Step<'_>, String> {
        // NSS wants exactly the room that a number takes.
        let numbers = [CKA_CLASS, CKA_KEY_TYPE].map(|kind| Want::value(kind, size_of::<CK_ULONG>()));
        let texts = [CKA_LABEL, CKA_ID, CKA_EC_PARAMS].map(|kind| Want::value(kind, 32));
        let mut wants = [&numbers[..], &texts].concat();
        tried(move || self.module.attribute_values(session, key, &mut wants).ok())
    }

    fn search(&self, session: u64) -> Step<'_> {
        let labels = (0..LABELS).map(|index| [bytes(CKA_LABEL, object_label(index))]);
        let labels: Vec<_> = labels.collect();
        let mut turn = 0;
        Box::new(move || {
            turn = (turn + 1) % LABELS;
            assert_eq!(self.module.find_init(session, &labels[turn]), Rv::OK);
            let found = self.module.find_next(session, 10).expect("a search");
            assert_eq!(self.module.find_final(session), Rv::OK);
            assert_eq!(found.len(), 1);
        })
    }

    fn create(&self, session: u64) -> Step<'_> {
        let template = secret_key("made and destroyed", CKK_AES, 16);
        Box::new(move || {
            let object = self.module.create_object(session, &template);
            let object = object.expect("an object");
            assert_eq!(self.module.destroy_object(session, object), Rv::OK);
        })
    }

    /// Finds the P-256 key and signs with it.
    pub fn first_signature(&self) {
        let (_, key) = self.ec(Curve::P256).expect("the key");
        assert_eq!(self.module.sign_init(self.session, CKM_ECDSA, key), Rv::OK);
        let mut room = [0; 64];
        let written = self
            .module
            .sign_into(self.session, &MESSAGE, Out::Room(&mut room));
        assert_eq!((written.rv, written.len), (Rv::OK, 64));
    }
}
