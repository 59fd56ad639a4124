// SPDX-License-Identifier: MIT
//! Keys wrapped by an AES key that is made for the purpose and comes with them (PKCS#11 3.2, RSA AES KEY WRAP and ECDH
//! AES KEY WRAP): first what leads to the AES key, then the wrapped key, of any kind and length.

use keyenclave_crypto::{AesKey, EcPrivateKey, KeyWrap, X25519PrivateKey, rand};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Algorithm, EcdhAesParams, EcdhKeys, Mechanism, Params, RsaAesParams};
use zeroize::Zeroizing;

use crate::derive::ecdh;
use crate::error::Doing;
use crate::keys::{Key, unwrap_octet_string, wrap_octet_string};

/// How the AES key comes to be.
pub(super) enum Envelope<'a> {
    Rsa(&'a RsaAesParams),
    Ecdh(&'a EcdhAesParams, Transport),
}

/// How the public half of the new pair stands before the wrapped key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// As it is.
    Bare,
    /// As the DER OCTET STRING of a point, which the newer mechanism for Weierstrass curves wants.
    OctetString,
}

impl<'a> Envelope<'a> {
    /// That of a mechanism, if it has one.
    pub(super) fn of(mechanism: &'a Mechanism) -> Option<Self> {
        match mechanism.params() {
            Params::RsaAes(params) => Some(Self::Rsa(params)),
            Params::EcdhAes(params) => Some(Self::Ecdh(params, Transport::of(mechanism.algorithm()))),
            _ => None,
        }
    }

    /// How long a key of this length is when it is wrapped, in bytes.
    pub(super) fn len(&self, wrapping: &Key, content: usize) -> Result<usize> {
        let wrapped = KeyWrap::Kwp(None).wrapped_len(content);
        let wrapped = wrapped.ok_or(Rv::KeySizeRange)?;
        Ok(self.head_len(wrapping)?.saturating_add(wrapped))
    }

    /// Wraps a key.
    pub(super) fn seal(&self, wrapping: &Key, content: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (mut sealed, key) = match self {
            Self::Rsa(params) => encrypted(params, wrapping)?,
            Self::Ecdh(params, transport) => {
                let (point, key) = agreed(params, wrapping)?;
                (Zeroizing::new(transport.put(point)), key)
            }
        };
        let head = sealed.len();
        sealed.resize(self.len(wrapping, content.len())?, 0);
        let out = sealed.get_mut(head..).unwrap_or_default();
        key.wrap(KeyWrap::Kwp(None), content, out).map_err(internal)?;
        Ok(sealed)
    }

    /// Unwraps a key.
    ///
    /// # Errors
    /// `CKR_WRAPPED_KEY_INVALID`, `CKR_WRAPPED_KEY_LEN_RANGE`.
    pub(super) fn open(&self, unwrapping: &Key, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let invalid = || Error::from(Rv::WrappedKeyInvalid);
        let split = sealed.split_at_checked(self.head_len(unwrapping)?);
        let (head, wrapped) = split.ok_or(Rv::WrappedKeyLenRange)?;
        let value = match (self, unwrapping) {
            (Self::Rsa(params), Key::RsaPrivate(key)) => {
                let mut value = Zeroizing::new(vec![0; key.modulus_len()]);
                let oaep = &params.oaep;
                let len = key.decrypt_oaep(oaep.hash, oaep.mgf, &oaep.label, head, &mut value);
                value.truncate(len.map_err(|_| invalid())?);
                if value.len() != params.key_len {
                    return Err(invalid());
                }
                value
            }
            (Self::Ecdh(params, transport), key) => {
                let point = transport.take(head).ok_or_else(invalid)?;
                let secret = ecdh::shared_secret(key, point).map_err(|error| match error.rv() {
                    Rv::MechanismParamInvalid => invalid(),
                    _ => error,
                })?;
                ecdh::expanded(params.kdf, &secret, &params.shared, params.key_len)?
            }
            _ => return Err(Rv::UnwrappingKeyTypeInconsistent.into()),
        };
        let mut out = Zeroizing::new(vec![0; wrapped.len()]);
        let key = AesKey::new(&value).map_err(internal)?;
        let len = key.unwrap(KeyWrap::Kwp(None), wrapped, &mut out);
        out.truncate(len.map_err(|error| match error {
            keyenclave_crypto::Error::InputLength => Error::from(Rv::WrappedKeyLenRange),
            _ => invalid(),
        })?);
        Ok(out)
    }

    /// How long what leads to the AES key is, in bytes.
    fn head_len(&self, key: &Key) -> Result<usize> {
        let point = |field: usize| field.saturating_mul(2).saturating_add(1);
        let len = match key {
            Key::RsaPrivate(key) => key.modulus_len(),
            Key::RsaPublic(key) => key.modulus_len(),
            Key::EcPrivate(key) => point(key.curve().field_len()),
            Key::EcPublic(key) => point(key.curve().field_len()),
            Key::X25519Private(_) | Key::X25519Public(_) => keyenclave_model::montgomery::KEY_LEN,
            _ => return Err(Rv::WrappingKeyTypeInconsistent.into()),
        };
        Ok(match self {
            Self::Ecdh(_, transport) => transport.put(vec![0; len]).len(),
            Self::Rsa(_) => len,
        })
    }
}

impl Transport {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EcdhAesKeyWrap(EcdhKeys::Weierstrass) => Self::OctetString,
            _ => Self::Bare,
        }
    }

    fn put(self, point: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Bare => point,
            Self::OctetString => wrap_octet_string(&point),
        }
    }

    /// The point, if it stands there so.
    fn take(self, head: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Bare => Some(head),
            Self::OctetString => unwrap_octet_string(head),
        }
    }
}

/// A new AES key, and what it is under the RSA key.
fn encrypted(params: &RsaAesParams, wrapping: &Key) -> Result<(Zeroizing<Vec<u8>>, AesKey)> {
    let Key::RsaPublic(rsa) = wrapping else {
        return Err(Rv::WrappingKeyTypeInconsistent.into());
    };
    let mut value = Zeroizing::new(vec![0; params.key_len]);
    rand::fill(&mut value).map_err(internal)?;
    let mut head = Zeroizing::new(vec![0; rsa.modulus_len()]);
    let oaep = &params.oaep;
    rsa.encrypt_oaep(oaep.hash, oaep.mgf, &oaep.label, &value, &mut head)
        .map_err(|error| match error {
            keyenclave_crypto::Error::InputLength => Error::new(
                Rv::WrappingKeySizeRange,
                "the RSA key has no room for the two hashes of OAEP and the AES key",
            ),
            error => internal(error),
        })?;
    Ok((head, AesKey::new(&value).map_err(internal)?))
}

/// A new AES key that is agreed on with a new pair, and the public half of that.
fn agreed(params: &EcdhAesParams, wrapping: &Key) -> Result<(Vec<u8>, AesKey)> {
    let (head, secret) = match wrapping {
        Key::EcPublic(peer) => {
            let key = EcPrivateKey::generate(peer.curve()).map_err(internal)?;
            let public = key.public().and_then(|public| public.point()).map_err(internal)?;
            (public, key.agree(peer))
        }
        Key::X25519Public(peer) => {
            let key = X25519PrivateKey::generate().map_err(internal)?;
            (key.public().as_bytes().to_vec(), key.agree(peer))
        }
        _ => return Err(Rv::WrappingKeyTypeInconsistent.into()),
    };
    let secret = secret.map_err(|_| {
        Error::new(
            Rv::WrappingKeyHandleInvalid,
            "the wrapping key is of small order: everybody would know the secret",
        )
    })?;
    let value = ecdh::expanded(params.kdf, &secret, &params.shared, params.key_len)?;
    Ok((head, AesKey::new(&value).map_err(internal)?))
}

fn internal(error: keyenclave_crypto::Error) -> Error {
    Doing::Internal.failed(error)
}
