// SPDX-License-Identifier: MIT
//! Elliptic curve Diffie-Hellman (NIST SP 800-56A rev. 3, section 5.7.1.2). All curves here have a cofactor of 1, so that
//! the primitive with the cofactor is the same.

use super::{EcPrivateKey, EcPublicKey, ec_key};
use crate::error::{Error, Result};
use aws_lc_sys as sys;
use zeroize::Zeroizing;

impl EcPrivateKey {
    /// The secret shared with the owner of a public key: the x of the common point, big-endian, always as long as a
    /// field element. [`Error::InvalidKey`] if the keys are on different curves.
    pub fn agree(&self, peer: &EcPublicKey) -> Result<Zeroizing<Vec<u8>>> {
        if self.curve != peer.curve {
            return Err(Error::InvalidKey);
        }
        let mut secret = Zeroizing::new(vec![0; self.curve.field_len()]);
        // SAFETY: a live EC key with a point, as every constructor sees to; only read.
        let point = unsafe { sys::EC_KEY_get0_public_key(ec_key(&peer.key)) };
        let (to, room, key) = (secret.as_mut_ptr().cast(), secret.len(), ec_key(&self.key));
        // SAFETY: pointer and length describe `secret`; point and key are live and only read; no function is given for
        // deriving from the secret, so that x itself is written.
        let written = unsafe { sys::ECDH_compute_key(to, room, point, key, None) };
        if usize::try_from(written) == Ok(secret.len()) {
            Ok(secret)
        } else {
            Err(Error::library())
        }
    }
}
