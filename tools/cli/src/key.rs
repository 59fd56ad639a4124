// SPDX-License-Identifier: MIT
//! Keys as this program sees them: types, names, and the objects behind them.

use std::fmt;

use clap::ValueEnum;
use cryptoki_sys as ck;
use keyenclave_model::algorithm::Curve;
use keyenclave_model::edwards;
use serde::Serialize;

use crate::args::KeyName;
use crate::der;
use crate::failure::{Failure, Kind};
use crate::loader::Attribute;
use crate::token::Session;

/// `CKA_ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(pub Vec<u8>);

/// What mechanisms a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// RSA.
    Rsa,
    /// Elliptic curves with ECDSA.
    Ec,
    /// Edwards curves with EdDSA.
    Edwards,
    /// Keys for a MAC.
    Secret,
    /// Anything else.
    Other,
}

/// How a key of a type is made.
#[derive(Clone, Copy, Debug)]
enum Make {
    /// An RSA pair of so many bits.
    Rsa(ck::CK_ULONG),
    /// A pair for ECDSA.
    Curve(Curve),
    /// A pair on edwards25519.
    Edwards,
    /// A secret of so many bytes, by this mechanism.
    Secret(ck::CK_MECHANISM_TYPE, ck::CK_ULONG),
}

/// One row a type: variant = name, how it is made.
macro_rules! key_types {
    ($($variant:ident = $name:literal, $make:expr;)*) => {
        /// The types of key that can be generated.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        #[allow(missing_docs, reason = "each variant is the type of the same name")]
        pub enum KeyType { $(#[value(name = $name)] $variant,)* }

        impl KeyType {
            /// The name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn make(self) -> Make {
                match self { $(Self::$variant => $make,)* }
            }
        }
    };
}

key_types! {
    Rsa2048 = "rsa-2048", Make::Rsa(2048);
    Rsa3072 = "rsa-3072", Make::Rsa(3072);
    Rsa4096 = "rsa-4096", Make::Rsa(4096);
    EcP256 = "ec-p256", Make::Curve(Curve::P256);
    EcP384 = "ec-p384", Make::Curve(Curve::P384);
    EcP521 = "ec-p521", Make::Curve(Curve::P521);
    EcSecp256k1 = "ec-secp256k1", Make::Curve(Curve::Secp256k1);
    Ed25519 = "ed25519", Make::Edwards;
    Aes128 = "aes-128", Make::Secret(ck::CKM_AES_KEY_GEN, 16);
    Aes256 = "aes-256", Make::Secret(ck::CKM_AES_KEY_GEN, 32);
    Hmac256 = "hmac-256", Make::Secret(ck::CKM_GENERIC_SECRET_KEY_GEN, 32);
    Hmac512 = "hmac-512", Make::Secret(ck::CKM_GENERIC_SECRET_KEY_GEN, 64);
}

/// An object that is a key.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Its handle in this session.
    #[serde(skip)]
    pub handle: ck::CK_OBJECT_HANDLE,
    /// `private`, `public` or `secret`.
    pub class: &'static str,
    /// The type, such as `ec-p256`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The size in bits, where it is known.
    pub bits: Option<usize>,
    /// `CKA_LABEL`.
    pub label: String,
    /// `CKA_ID` in hexadecimal digits.
    pub id: String,
    /// What it is good for.
    #[serde(skip)]
    pub family: Family,
}

/// The classes of object that are keys.
const CLASSES: [(ck::CK_OBJECT_CLASS, &str); 3] = [
    (ck::CKO_PRIVATE_KEY, "private"),
    (ck::CKO_PUBLIC_KEY, "public"),
    (ck::CKO_SECRET_KEY, "secret"),
];

/// Generates a key and returns nothing: it is found by its name.
///
/// # Errors
/// The module's refusal.
pub fn generate(session: &Session<'_>, kind: KeyType, label: &str, id: &KeyId) -> Result<(), Failure> {
    let name = || {
        vec![
            bytes(ck::CKA_LABEL, label.as_bytes()),
            bytes(ck::CKA_ID, &id.0),
            yes(ck::CKA_TOKEN),
        ]
    };
    let secret = || [name(), vec![yes(ck::CKA_PRIVATE), yes(ck::CKA_SENSITIVE)]].concat();
    let signing = |of_public: Attribute| {
        let public = [name(), vec![yes(ck::CKA_VERIFY), of_public]].concat();
        (public, [secret(), vec![yes(ck::CKA_SIGN)]].concat())
    };
    match kind.make() {
        Make::Rsa(bits) => {
            let (mut public, private) = signing(number(ck::CKA_MODULUS_BITS, bits));
            public.push(bytes(ck::CKA_PUBLIC_EXPONENT, &[1, 0, 1]));
            session.generate_key_pair(ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private)
        }
        Make::Curve(curve) => {
            let (public, private) = signing(bytes(ck::CKA_EC_PARAMS, curve.row().oid));
            session.generate_key_pair(ck::CKM_EC_KEY_PAIR_GEN, &public, &private)
        }
        Make::Edwards => {
            let (public, private) = signing(bytes(ck::CKA_EC_PARAMS, edwards::CURVE.oid));
            session.generate_key_pair(ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, &public, &private)
        }
        Make::Secret(mechanism, len) => {
            let usage = match mechanism {
                ck::CKM_AES_KEY_GEN => [yes(ck::CKA_ENCRYPT), yes(ck::CKA_DECRYPT)],
                _ => [yes(ck::CKA_SIGN), yes(ck::CKA_VERIFY)],
            };
            let template = [secret(), usage.to_vec(), vec![number(ck::CKA_VALUE_LEN, len)]].concat();
            session.generate_key(mechanism, &template)
        }
    }
}

/// The keys of all classes that have this name; all keys where there is none.
///
/// # Errors
/// The module's refusal.
pub fn list(session: &Session<'_>, name: Option<&KeyName>) -> Result<Vec<Key>, Failure> {
    let mut keys = Vec::new();
    for (class, class_name) in CLASSES {
        let mut template = vec![number(ck::CKA_CLASS, class)];
        if let Some(KeyName { label, id }) = name {
            template.extend(label.iter().map(|label| bytes(ck::CKA_LABEL, label.as_bytes())));
            template.extend(id.iter().map(|id| bytes(ck::CKA_ID, &id.0)));
        }
        for handle in session.find(&template)? {
            keys.push(describe(session, handle, class_name)?);
        }
    }
    Ok(keys)
}

/// The one key with this name and one of these classes.
///
/// # Errors
/// A [`Failure`] when there is none, or more than one.
pub fn only(session: &Session<'_>, name: &KeyName, classes: &[&str]) -> Result<Key, Failure> {
    let mut found = list(session, Some(name))?;
    found.retain(|key| classes.contains(&key.class));
    if found.len() > 1 {
        return Err(ambiguous(name, &found));
    }
    found.pop().ok_or_else(|| not_found(name))
}

/// There is no key with this name.
pub fn not_found(name: &KeyName) -> Failure {
    let help =
        "`keyenclave keys list` shows the keys; private and secret keys are only visible after a login";
    Failure::new(Kind::NotFound, format!("there is no such key: {name}"), help)
}

/// There are several keys with this name.
pub fn ambiguous(name: &KeyName, found: &[Key]) -> Failure {
    let ids: Vec<_> = found
        .iter()
        .map(|key| format!("{} (id {})", key.label, key.id))
        .collect();
    let message = format!("{name} names more than one key: {}", ids.join(", "));
    Failure::usage(message, "say which one with --id")
}

/// The public key as SubjectPublicKeyInfo in PEM.
///
/// # Errors
/// A [`Failure`] for keys that have no such form here.
pub fn public_pem(session: &Session<'_>, key: &Key) -> Result<String, Failure> {
    let attribute = |kind| session.attribute(key.handle, kind);
    let info = match key.family {
        Family::Rsa => attribute(ck::CKA_MODULUS)?
            .zip(attribute(ck::CKA_PUBLIC_EXPONENT)?)
            .map(|(modulus, exponent)| der::rsa_public_key(&modulus, &exponent)),
        Family::Ec => attribute(ck::CKA_EC_PARAMS)?
            .zip(attribute(ck::CKA_EC_POINT)?)
            .map(|(params, point)| der::ec_public_key(&params, &point)),
        Family::Edwards => attribute(ck::CKA_EC_POINT)?.and_then(|point| der::ed25519_public_key(&point)),
        Family::Secret | Family::Other => None,
    };
    let info = info.ok_or_else(|| {
        let message = format!("`{}` has no public key that could be written", key.label);
        Failure::new(Kind::Provider, message, "RSA, EC and Ed25519 keys have one")
    })?;
    Ok(der::pem("PUBLIC KEY", &info))
}

fn describe(
    session: &Session<'_>,
    handle: ck::CK_OBJECT_HANDLE,
    class: &'static str,
) -> Result<Key, Failure> {
    let attribute = |kind| session.attribute(handle, kind);
    let (family, kind, bits) = kind_of(session, handle)?;
    let text = |value: Option<Vec<u8>>| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned();
    Ok(Key {
        handle,
        class,
        kind,
        bits,
        label: text(attribute(ck::CKA_LABEL)?),
        id: hex::encode(attribute(ck::CKA_ID)?.unwrap_or_default()),
        family,
    })
}

/// What kind of key it is: its family, its type as the options name it, and its size in bits.
fn kind_of(
    session: &Session<'_>,
    handle: ck::CK_OBJECT_HANDLE,
) -> Result<(Family, String, Option<usize>), Failure> {
    let attribute = |kind| session.attribute(handle, kind);
    let key_type = attribute(ck::CKA_KEY_TYPE)?.and_then(|value| to_number(&value));
    let bits_of = |bytes: Option<Vec<u8>>| bytes.map(|bytes| bytes.len().saturating_mul(8));
    let value_bits = |kind| {
        let len = attribute(kind)?.and_then(|value| to_number(&value));
        Ok::<_, Failure>(
            len.and_then(|len| usize::try_from(len).ok())
                .map(|len| len.saturating_mul(8)),
        )
    };
    let sized =
        |prefix: &str, bits: Option<usize>| bits.map_or(prefix.to_owned(), |bits| format!("{prefix}-{bits}"));
    Ok(match key_type {
        Some(ck::CKK_RSA) => {
            let bits = bits_of(attribute(ck::CKA_MODULUS)?);
            (Family::Rsa, sized("rsa", bits), bits)
        }
        Some(ck::CKK_EC) => {
            let curve = attribute(ck::CKA_EC_PARAMS)?.and_then(|params| Curve::from_ec_params(&params));
            let kind = curve.map_or("ec", curve_name).to_owned();
            (Family::Ec, kind, curve.map(|curve| curve.row().bits))
        }
        Some(ck::CKK_EC_EDWARDS) => {
            let params = attribute(ck::CKA_EC_PARAMS)?;
            match params.is_some_and(|params| edwards::CURVE.is_named_by(&params)) {
                true => (
                    Family::Edwards,
                    KeyType::Ed25519.name().to_owned(),
                    Some(edwards::BITS),
                ),
                false => (Family::Other, "other".to_owned(), None),
            }
        }
        Some(ck::CKK_AES) => {
            let bits = value_bits(ck::CKA_VALUE_LEN)?;
            (Family::Other, sized("aes", bits), bits)
        }
        Some(ck::CKK_GENERIC_SECRET | ck::CKK_SHA256_HMAC | ck::CKK_SHA384_HMAC | ck::CKK_SHA512_HMAC) => {
            let bits = value_bits(ck::CKA_VALUE_LEN)?;
            (Family::Secret, sized("hmac", bits), bits)
        }
        _ => (Family::Other, "other".to_owned(), None),
    })
}

/// The type of key on a curve, by its name.
fn curve_name(curve: Curve) -> &'static str {
    let types = KeyType::value_variants().iter();
    let mut named = types.filter(|kind| matches!(kind.make(), Make::Curve(known) if known == curve));
    named.next().map_or("ec", |kind| kind.name())
}

/// An id from hexadecimal digits.
///
/// # Errors
/// A sentence for the command line.
pub fn parse_id(text: &str) -> Result<KeyId, String> {
    let bytes = hex::decode(text).ok().filter(|bytes| !bytes.is_empty());
    let wrong = || "an id is an even number of hexadecimal digits, such as 01ab".to_owned();
    bytes.map(KeyId).ok_or_else(wrong)
}

/// An attribute with bytes.
pub fn bytes(kind: ck::CK_ATTRIBUTE_TYPE, value: &[u8]) -> Attribute {
    Attribute {
        kind,
        value: value.to_vec(),
    }
}

/// An attribute with a number.
pub fn number(kind: ck::CK_ATTRIBUTE_TYPE, value: ck::CK_ULONG) -> Attribute {
    bytes(kind, &value.to_ne_bytes())
}

fn yes(kind: ck::CK_ATTRIBUTE_TYPE) -> Attribute {
    bytes(kind, &[ck::CK_TRUE])
}

fn to_number(value: &[u8]) -> Option<ck::CK_ULONG> {
    value.try_into().ok().map(ck::CK_ULONG::from_ne_bytes)
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.as_ref().map(|label| format!("label `{label}`"));
        let id = self.id.as_ref().map(|id| format!("id {}", hex::encode(&id.0)));
        f.write_str(&label.into_iter().chain(id).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_printed() {
        assert_eq!(
            parse_id("01aBff").map(|id| hex::encode(id.0)),
            Ok("01abff".to_owned())
        );
        for wrong in ["", "1", "0g", "é1", "0x01"] {
            assert!(parse_id(wrong).is_err(), "{wrong}");
        }
    }
}
