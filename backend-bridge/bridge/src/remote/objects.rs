// SPDX-License-Identifier: MIT
//! The PKCS#11 objects of a service's key.
//!
//! Private and public key share `CKA_ID`: the first 20 bytes of SHA-256 over the version's canonical name, unless a tag
//! says otherwise. The public attributes stand on the private object too. What an application may change is
//! [kept](super::kept) in the key's tags or in the sidecar: never a security attribute.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_crypto::{PublicKey, digest};
use keyenclave_model::algorithm::Hash;
use keyenclave_model::attribute::Value;
use keyenclave_model::edwards;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::vendor::CKA_KEYENCLAVE_REMOTE_NAME;

use super::kept::put_tags;
use super::plan;
use crate::key::{Algorithm, KeyInfo, KeyName, KeySpec};

/// A symmetric key's `CKA_VALUE_LEN`, in bytes: services make them for AES-256.
pub(super) const SYMMETRIC_LEN: ck::CK_ULONG = 32;

pub(super) type Attribute = (ck::CK_ATTRIBUTE_TYPE, Value);

/// The objects of one key: one for a secret, two for a pair.
#[derive(Clone)]
pub(super) struct KeyObjects {
    /// The private or secret key.
    pub(super) private: Arc<Object>,
    /// The public key.
    pub(super) public: Option<Arc<Object>>,
}

/// Which of a key's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Half {
    Private,
    Public,
}

impl KeyObjects {
    /// The objects of a key.
    ///
    /// # Errors
    /// `CKR_KEY_TYPE_INCONSISTENT` for a key of a kind that this version does not know, `CKR_FUNCTION_FAILED` for a
    /// public key that is not one or not of this key.
    pub(super) fn new(info: &KeyInfo, label: &str, spki: Option<&[u8]>, is_private: bool) -> Result<Self> {
        let spec = info.spec.ok_or_else(|| {
            let detail = format!(
                "{} is a {} key, which this version does not know",
                info.listed.name, info.remote_spec
            );
            Error::new(Rv::KeyTypeInconsistent, detail)
        })?;
        let make = |class, private| object(info, spec, label, class, private);
        let (mut private, mut public) = match spec {
            KeySpec::Rsa(_) | KeySpec::Ec(_) | KeySpec::Ed25519 => (
                make(ck::CKO_PRIVATE_KEY, is_private)?,
                Some(make(ck::CKO_PUBLIC_KEY, false)?),
            ),
            KeySpec::Hmac(_) | KeySpec::Symmetric => (make(ck::CKO_SECRET_KEY, is_private)?, None),
        };
        if let Some(public) = &mut public {
            put_public_half(
                &mut private,
                public,
                spec,
                spki.unwrap_or_default(),
                &info.listed.name,
            )?;
        }
        Ok(Self {
            private: Arc::new(private),
            public: public.map(Arc::new),
        })
    }

    /// One of them.
    pub(super) fn half(&self, half: Half) -> Option<&Arc<Object>> {
        match half {
            Half::Private => Some(&self.private),
            Half::Public => self.public.as_ref(),
        }
    }
}

/// `CKA_ID` of a key that nobody has given another one.
pub(super) fn key_id(name: &KeyName) -> Vec<u8> {
    let mut id = digest(Hash::Sha256, name.as_str().as_bytes()).to_vec();
    id.truncate(20);
    id
}

/// `CKA_UNIQUE_ID`.
pub(super) fn unique_id(name: &KeyName, class: ck::CK_OBJECT_CLASS) -> String {
    let suffix = match class {
        ck::CKO_PRIVATE_KEY => "private",
        ck::CKO_PUBLIC_KEY => "public",
        _ => "secret",
    };
    format!("{name}#{suffix}")
}

/// An object without its key material. It is admitted by the same rules as any generated key.
fn object(
    info: &KeyInfo,
    spec: KeySpec,
    label: &str,
    class: ck::CK_OBJECT_CLASS,
    private: bool,
) -> Result<Object> {
    let (key_type, generation, size) = kind(spec);
    let origin = Origin::Generate(generation);
    let template = [
        (ck::CKA_TOKEN, Value::Bool(true)),
        (ck::CKA_PRIVATE, Value::Bool(private)),
        (ck::CKA_LABEL, Value::bytes(label)),
        (ck::CKA_ID, Value::bytes(key_id(&info.listed.name))),
        (ck::CKA_COPYABLE, Value::Bool(false)),
    ]
    .into_iter()
    .chain(uses(class, &info.algorithms))
    .chain((class != ck::CKO_PRIVATE_KEY).then_some(size))
    .collect();
    let mut object = Object::admit(origin, Some((class, key_type)), &template, None)?;
    object.conclude(if info.is_local { origin } else { Origin::Create });
    put_tags(&mut object, &info.tags);
    put_own(&mut object, info, class);
    Ok(object)
}

/// A key's type, the mechanism that makes such keys, and the attribute that says which of the type it makes.
fn kind(spec: KeySpec) -> (ck::CK_KEY_TYPE, ck::CK_MECHANISM_TYPE, Attribute) {
    let secret = |len| {
        let len = (ck::CKA_VALUE_LEN, Value::Ulong(len));
        (ck::CKK_GENERIC_SECRET, ck::CKM_GENERIC_SECRET_KEY_GEN, len)
    };
    match spec {
        KeySpec::Rsa(bits) => {
            let bits = (ck::CKA_MODULUS_BITS, Value::Ulong(bits.into()));
            (ck::CKK_RSA, ck::CKM_RSA_PKCS_KEY_PAIR_GEN, bits)
        }
        KeySpec::Ec(curve) => {
            let curve = (ck::CKA_EC_PARAMS, Value::bytes(curve.row().oid));
            (ck::CKK_EC, ck::CKM_EC_KEY_PAIR_GEN, curve)
        }
        KeySpec::Ed25519 => {
            let curve = (ck::CKA_EC_PARAMS, Value::bytes(edwards::CURVE.oid));
            (ck::CKK_EC_EDWARDS, ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, curve)
        }
        KeySpec::Hmac(hash) => secret(hash.output_len() as ck::CK_ULONG),
        KeySpec::Symmetric => secret(SYMMETRIC_LEN),
    }
}

/// Puts what no application may give.
fn put_own(object: &mut Object, info: &KeyInfo, class: ck::CK_OBJECT_CLASS) {
    let name = &info.listed.name;
    if class != ck::CKO_PUBLIC_KEY {
        let allowed = plan::allowed(&info.algorithms);
        object.put(ck::CKA_ALLOWED_MECHANISMS, Value::Mechanisms(allowed));
    }
    object.put(ck::CKA_UNIQUE_ID, Value::bytes(unique_id(name, class)));
    object.put(CKA_KEYENCLAVE_REMOTE_NAME, Value::bytes(name.as_str()));
}

/// The usage flags of an object: what the service does with the key, and the reverse with the public one.
pub(super) fn uses(class: ck::CK_OBJECT_CLASS, algorithms: &[Algorithm]) -> Vec<Attribute> {
    let any = |wanted: fn(&Algorithm) -> bool| algorithms.iter().any(wanted);
    let macs = any(|algorithm| matches!(algorithm, Algorithm::Hmac(_)));
    let signs = macs || any(makes_signature);
    let decrypts = any(|algorithm| matches!(algorithm, Algorithm::RsaPkcs1Decrypt | Algorithm::RsaOaep(_)));
    let encrypts = any(|algorithm| matches!(algorithm, Algorithm::Symmetric));
    let flags: &[(ck::CK_ATTRIBUTE_TYPE, bool)] = match class {
        ck::CKO_PRIVATE_KEY => &[
            (ck::CKA_SIGN, signs),
            (ck::CKA_DECRYPT, decrypts),
            (ck::CKA_SIGN_RECOVER, false),
            (ck::CKA_UNWRAP, false),
        ],
        ck::CKO_PUBLIC_KEY => &[
            (ck::CKA_VERIFY, signs),
            (ck::CKA_ENCRYPT, decrypts),
            (ck::CKA_VERIFY_RECOVER, false),
            (ck::CKA_WRAP, false),
        ],
        _ => &[
            (ck::CKA_SIGN, macs),
            (ck::CKA_VERIFY, macs),
            (ck::CKA_ENCRYPT, encrypts),
            (ck::CKA_DECRYPT, encrypts),
        ],
    };
    flags.iter().map(|(id, is)| (*id, Value::Bool(*is))).collect()
}

fn makes_signature(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::RsaPkcs1(_)
            | Algorithm::RsaPkcs1Block
            | Algorithm::RsaPss(_)
            | Algorithm::Ecdsa
            | Algorithm::Ed25519
            | Algorithm::Ed25519ph
    )
}

fn put_public_half(
    private: &mut Object,
    public: &mut Object,
    spec: KeySpec,
    spki: &[u8],
    name: &KeyName,
) -> Result<()> {
    let material = material(spec, spki).ok_or_else(|| {
        let detail = format!("the service's public key of {name} is not one, or not of this kind of key");
        Error::new(Rv::FunctionFailed, detail)
    })?;
    for object in [private, public] {
        for (id, bytes) in &material {
            object.put(*id, Value::bytes(bytes.as_slice()));
        }
        object.put(ck::CKA_PUBLIC_KEY_INFO, Value::bytes(spki));
    }
    Ok(())
}

/// What a public key consists of; `None` for what is not one of this kind.
fn material(spec: KeySpec, spki: &[u8]) -> Option<Vec<(ck::CK_ATTRIBUTE_TYPE, Vec<u8>)>> {
    match (PublicKey::from_spki_der(spki).ok()?, spec) {
        (PublicKey::Rsa(key), KeySpec::Rsa(bits)) if key.bits() == bits => Some(vec![
            (ck::CKA_MODULUS, key.modulus()),
            (ck::CKA_PUBLIC_EXPONENT, key.exponent()),
        ]),
        (PublicKey::Ec(key), KeySpec::Ec(curve)) if key.curve() == curve => Some(vec![
            (ck::CKA_EC_PARAMS, curve.row().oid.to_vec()),
            (ck::CKA_EC_POINT, octet_string(&key.point().ok()?)),
        ]),
        (PublicKey::Ed25519(key), KeySpec::Ed25519) => Some(vec![
            (ck::CKA_EC_PARAMS, edwards::CURVE.oid.to_vec()),
            (ck::CKA_EC_POINT, octet_string(key.as_bytes())),
        ]),
        _ => None,
    }
}

/// A DER OCTET STRING. A point of the largest curve has 133 bytes.
fn octet_string(content: &[u8]) -> Vec<u8> {
    let len = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let head: &[u8] = if len < 0x80 {
        &[0x04, len]
    } else {
        &[0x04, 0x81, len]
    };
    [head, content].concat()
}
