// SPDX-License-Identifier: MIT
//! The keys of vectors, imported as session objects that may do everything the vectors want of them.

use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, bytes, flag, number};
use keyenclave_conformance::openssl::der;
use keyenclave_conformance::token::{self, Token};
use keyenclave_conformance::{Rv, rsa};

/// Where vectors are played.
pub struct Ground<'a> {
    /// The token, with the user logged in.
    pub token: &'a Token,
    /// A session of this thread.
    pub session: CK_SESSION_HANDLE,
}

/// The numbers of an RSA private key, in the order of [`rsa::NUMBERS`].
pub type RsaPrivate<'a> = [&'a [u8]; 8];

impl Ground<'_> {
    /// Does something with an imported key, and destroys it.
    ///
    /// # Errors
    /// The key cannot be imported.
    pub fn with<T>(
        &self,
        key: Result<CK_OBJECT_HANDLE, Rv>,
        work: impl FnOnce(CK_OBJECT_HANDLE) -> T,
    ) -> Result<T, Rv> {
        let key = key?;
        let done = work(key);
        self.token.destroy_object(self.session, key);
        Ok(done)
    }

    fn import(
        &self,
        class: CK_OBJECT_CLASS,
        kind: CK_KEY_TYPE,
        uses: &[CK_ATTRIBUTE_TYPE],
        parts: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let general = [
            number(CKA_CLASS, class),
            number(CKA_KEY_TYPE, kind),
            flag(CKA_TOKEN, false),
        ];
        let uses: Vec<_> = uses.iter().map(|usage| flag(*usage, true)).collect();
        self.token
            .create_object(self.session, &[&general[..], &uses, parts].concat())
    }

    /// A secret key.
    pub fn secret(
        &self,
        kind: CK_KEY_TYPE,
        uses: &[CK_ATTRIBUTE_TYPE],
        value: &[u8],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        self.import(CKO_SECRET_KEY, kind, uses, &[bytes(CKA_VALUE, value)])
    }

    /// An RSA public key for verifying.
    pub fn rsa_public(&self, modulus: &[u8], exponent: &[u8]) -> Result<CK_OBJECT_HANDLE, Rv> {
        let parts = rsa::attributes([modulus, exponent]);
        self.import(CKO_PUBLIC_KEY, CKK_RSA, &[CKA_VERIFY], &parts)
    }

    /// An RSA private key for decrypting.
    pub fn rsa_private(&self, numbers: RsaPrivate<'_>) -> Result<CK_OBJECT_HANDLE, Rv> {
        let parts = rsa::attributes(numbers);
        self.import(CKO_PRIVATE_KEY, CKK_RSA, &[CKA_DECRYPT], &parts)
    }

    /// A public key on a curve, for verifying. The point goes in as a DER OCTET STRING, which every version takes.
    pub fn on_curve(&self, kind: CK_KEY_TYPE, curve: &[u8], point: &[u8]) -> Result<CK_OBJECT_HANDLE, Rv> {
        let parts = [bytes(CKA_EC_PARAMS, curve), bytes(CKA_EC_POINT, der(0x04, point))];
        self.import(CKO_PUBLIC_KEY, kind, &[CKA_VERIFY], &parts)
    }

    /// A private key on a curve, for agreeing on a secret.
    pub fn to_derive(&self, kind: CK_KEY_TYPE, curve: &[u8], value: &[u8]) -> Result<CK_OBJECT_HANDLE, Rv> {
        let parts = [bytes(CKA_EC_PARAMS, curve), bytes(CKA_VALUE, value)];
        self.import(CKO_PRIVATE_KEY, kind, &[CKA_DERIVE], &parts)
    }

    /// A key of a kind that has parameter sets: public or private, by its value or its seed, and what else it is to have.
    pub fn of_set(
        &self,
        class: CK_OBJECT_CLASS,
        kind: CK_KEY_TYPE,
        usage: CK_ATTRIBUTE_TYPE,
        set: CK_ULONG,
        parts: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let parts = [&[number(CKA_PARAMETER_SET, set)], parts].concat();
        self.import(class, kind, &[usage], &parts)
    }

    /// The value of a derived generic secret of so many bytes, or of as many as the mechanism gives for none.
    ///
    /// # Errors
    /// It cannot be derived.
    pub fn derived(&self, mech: Mech, base: CK_OBJECT_HANDLE, len: usize) -> Result<Vec<u8>, Rv> {
        self.read_and_destroy(self.token.derive(self.session, mech, base, &shown(len)))
    }

    /// The value of a new secret key.
    ///
    /// # Errors
    /// It could not be made.
    pub fn read_and_destroy(&self, key: Result<CK_OBJECT_HANDLE, Rv>) -> Result<Vec<u8>, Rv> {
        self.with(key, |key| self.token.read(self.session, key, CKA_VALUE))
            .flatten()
    }

    /// Whether a key pair can be made on a curve: modules list none.
    ///
    /// # Errors
    /// Why not.
    pub fn has_curve(&self, mechanism: CK_MECHANISM_TYPE, curve: &[u8]) -> Result<(), String> {
        let public = [bytes(CKA_EC_PARAMS, curve)];
        let made = self
            .token
            .generate_key_pair(self.session, mechanism, &public, &[]);
        let (public, private) = made.map_err(|rv| format!("no key pair can be made on the curve: {rv:?}"))?;
        for key in [public, private] {
            self.token.destroy_object(self.session, key);
        }
        Ok(())
    }

    /// Whether a mechanism takes keys of this size, in its own unit.
    ///
    /// # Errors
    /// Why not.
    pub fn has_size(&self, mechanism: CK_MECHANISM_TYPE, size: usize) -> Result<(), String> {
        let info = self.token.mechanism_info(self.token.slot, mechanism);
        let info = info.map_err(|rv| format!("{rv:?}"))?;
        let size = CK_ULONG::try_from(size).unwrap_or(CK_ULONG::MAX);
        if (info.ulMinKeySize..=info.ulMaxKeySize).contains(&size) {
            return Ok(());
        }
        let (least, most) = (info.ulMinKeySize, info.ulMaxKeySize);
        Err(format!("keys of {size} bits, where {least} to {most} are told"))
    }

    /// Whether a mechanism has this flag.
    pub fn has_flag(&self, mechanism: CK_MECHANISM_TYPE, flag: CK_FLAGS) -> bool {
        let info = self.token.mechanism_info(self.token.slot, mechanism);
        info.is_ok_and(|info| info.flags & flag != 0)
    }
}

/// A new generic secret of so many bytes, or of no stated length, that shows its value.
pub fn shown(len: usize) -> Vec<Attr> {
    token::shown((len > 0).then(|| CK_ULONG::try_from(len).expect("a length")))
}
