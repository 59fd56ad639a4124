// SPDX-License-Identifier: MIT
//! A token to test with: the module loaded and initialised, its first slot's token with both PINs set.

use crate::module::{Attr, Init, Module, bytes, flag, number};
use crate::place;
use crate::rv::Rv;
use crate::tested::Tested;
use cryptoki_sys::*;
use std::ops::Deref;

/// The security officer's PIN of every test token.
pub const SO_PIN: &[u8; 8] = b"so-12345";

/// The user's PIN of every test token.
pub const USER_PIN: &[u8; 9] = b"user-1234";

/// The flags of a read-write session.
pub const RW: CK_FLAGS = CKF_SERIAL_SESSION | CKF_RW_SESSION;

/// The flags of a read-only session.
pub const RO: CK_FLAGS = CKF_SERIAL_SESSION;

/// A module with an initialised token in a slot.
pub struct Token {
    /// The module, initialised.
    pub module: Module,
    /// The slot.
    pub slot: CK_SLOT_ID,
}

impl Deref for Token {
    type Target = Module;

    fn deref(&self) -> &Module {
        &self.module
    }
}

/// `C_Initialize` for several threads.
pub const THREADS: Init = Init::Args {
    flags: CKF_OS_LOCKING_OK,
    mutexes: crate::module::Mutexes::No,
    reserved: false,
};

impl Token {
    /// The module under test, initialised; the token as it comes.
    pub fn blank() -> Self {
        let module = Module::load(&place::module_path());
        assert_eq!(module.initialize(THREADS), Rv::OK);
        let slot = slot_of(&module);
        Self { module, slot }
    }

    /// With a label and both PINs set; no session open.
    pub fn fresh() -> Self {
        let mut token = Self::blank();
        let officer = Tested::of_environment().officer;
        let officer = officer.as_deref().map_or(&SO_PIN[..], str::as_bytes);
        assert_eq!(token.init_token(token.slot, officer, "test"), Rv::OK);
        // SoftHSM gives an initialised token another slot.
        token.slot = slot_of(&token.module);
        let session = token.session(RW);
        assert_eq!(token.login(session, CKU_SO, officer), Rv::OK);
        assert_eq!(token.init_pin(session, USER_PIN), Rv::OK);
        assert_eq!(token.close_session(session), Rv::OK);
        token
    }

    /// A token made before by another process in this place.
    pub fn existing() -> Self {
        Self::blank()
    }

    /// A fresh token and a read-write session with the user logged in.
    pub fn with_user() -> (Self, CK_SESSION_HANDLE) {
        let token = Self::fresh();
        let session = token.user_session();
        (token, session)
    }

    /// Finalises and initialises the module, and finds the token again: its slot may have another number now.
    pub fn restart(&mut self) {
        let serial = |slot| self.token_info(slot).map(|info| info.serialNumber);
        let known = serial(self.slot).expect("token information");
        assert_eq!(self.finalize(false), Rv::OK);
        assert_eq!(self.initialize(THREADS), Rv::OK);
        let candidates = [self.slot].into_iter().chain(slots(self));
        let slot = candidates.into_iter().find(|slot| serial(*slot) == Ok(known));
        self.slot = slot.expect("the same token");
    }

    /// A new session.
    pub fn session(&self, flags: CK_FLAGS) -> CK_SESSION_HANDLE {
        self.open_session(self.slot, flags).expect("a session")
    }

    /// A new read-write session with the user logged in.
    pub fn user_session(&self) -> CK_SESSION_HANDLE {
        let session = self.session(RW);
        assert_eq!(self.login(session, CKU_USER, USER_PIN), Rv::OK);
        session
    }

    /// The token's flags now.
    pub fn flags(&self) -> CK_FLAGS {
        self.token_info(self.slot).expect("token information").flags
    }

    /// An RSA pair for everything, as session objects unless `extra` says otherwise: public, private.
    pub fn rsa(&self, session: CK_SESSION_HANDLE, bits: CK_ULONG, extra: &[Attr]) -> (CK_ULONG, CK_ULONG) {
        let public = [
            &[
                number(CKA_MODULUS_BITS, bits),
                bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
            ],
            extra,
        ]
        .concat();
        let pair = self.generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, extra);
        pair.expect("an RSA key pair")
    }

    /// An EC pair on the curve with this DER object identifier, as session objects unless `extra` says otherwise.
    pub fn ec(&self, session: CK_SESSION_HANDLE, curve: &[u8], extra: &[Attr]) -> (CK_ULONG, CK_ULONG) {
        let public = [&[bytes(CKA_EC_PARAMS, curve)], extra].concat();
        self.generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, extra)
            .expect("an EC key pair")
    }

    /// An RSA pair that may sign and decrypt; for modules where a key may do nothing unless its template says so.
    pub fn rsa_for_all(
        &self,
        session: CK_SESSION_HANDLE,
        bits: CK_ULONG,
        extra: &[Attr],
    ) -> (CK_ULONG, CK_ULONG) {
        let public = [
            &[
                number(CKA_MODULUS_BITS, bits),
                bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
                flag(CKA_VERIFY, true),
                flag(CKA_ENCRYPT, true),
            ],
            extra,
        ]
        .concat();
        let private = [&[flag(CKA_SIGN, true), flag(CKA_DECRYPT, true)], extra].concat();
        let pair = self.generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private);
        pair.expect("an RSA key pair")
    }

    /// An EC pair that may sign, as [`Token::rsa_for_all`].
    pub fn ec_for_signing(
        &self,
        session: CK_SESSION_HANDLE,
        curve: &[u8],
        extra: &[Attr],
    ) -> (CK_ULONG, CK_ULONG) {
        let public = [&[bytes(CKA_EC_PARAMS, curve), flag(CKA_VERIFY, true)], extra].concat();
        let private = [&[flag(CKA_SIGN, true)], extra].concat();
        self.generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, &private)
            .expect("an EC key pair")
    }

    /// Everything stored that can be seen, without the mechanism, profile and validation objects that a module of
    /// version 3 may show besides.
    pub fn stored(&self, session: CK_SESSION_HANDLE) -> Vec<CK_OBJECT_HANDLE> {
        let all = self.find(session, &[]).expect("a search for everything");
        let of_its_own = [CKO_HW_FEATURE, CKO_MECHANISM, CKO_PROFILE, CKO_VALIDATION];
        let stored = |object: &CK_OBJECT_HANDLE| {
            let class = self.read_number(session, *object, CKA_CLASS);
            !of_its_own.contains(&class.expect("the class of an object that was found"))
        };
        all.into_iter().filter(stored).collect()
    }

    /// An imported secret key of `kind`, as a session object.
    pub fn secret(&self, session: CK_SESSION_HANDLE, kind: CK_KEY_TYPE, value: &[u8]) -> CK_ULONG {
        let uses = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY].map(|usage| flag(usage, true));
        let attrs = [
            &[
                number(CKA_CLASS, CKO_SECRET_KEY),
                number(CKA_KEY_TYPE, kind),
                flag(CKA_TOKEN, false),
            ],
            &[bytes(CKA_VALUE, value)][..],
            &uses[..],
        ];
        self.create_object(session, &attrs.concat())
            .expect("an imported secret key")
    }
}

fn slot_of(module: &Module) -> CK_SLOT_ID {
    if let Some(slot) = Tested::of_environment().slot {
        return slot;
    }
    *slots(module).first().expect("a slot")
}

/// The slots with a token.
fn slots(module: &Module) -> Vec<CK_SLOT_ID> {
    let (rv, count, _) = module.slot_list(true, None);
    assert_eq!(rv, Rv::OK);
    let (rv, _, slots) = module.slot_list(true, usize::try_from(count).ok());
    assert_eq!(rv, Rv::OK);
    slots
}

/// P-256, P-384, P-521, secp256k1, P-224 and the brainpool curves: object identifier in DER, size of a coordinate in
/// bytes, name in OpenSSL.
pub const CURVES: [(&[u8], usize, &str); 8] = [
    (
        &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        32,
        "prime256v1",
    ),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22], 48, "secp384r1"),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23], 66, "secp521r1"),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a], 32, "secp256k1"),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21], 28, "secp224r1"),
    (
        b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07",
        32,
        "brainpoolP256r1",
    ),
    (
        b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b",
        48,
        "brainpoolP384r1",
    ),
    (
        b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d",
        64,
        "brainpoolP512r1",
    ),
];

/// The template of a generic secret of so many bytes, or of as many as the mechanism makes of itself, that shows its value.
pub fn shown(len: Option<CK_ULONG>) -> Vec<Attr> {
    let mut attrs = vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
        flag(CKA_TOKEN, false),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ];
    attrs.extend(len.map(|len| number(CKA_VALUE_LEN, len)));
    attrs
}

/// A data object on the token; private as asked.
pub fn data_object(label: &str, private: bool, value: &[u8]) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_DATA),
        flag(CKA_TOKEN, true),
        flag(CKA_PRIVATE, private),
        bytes(CKA_LABEL, label),
        bytes(CKA_VALUE, value),
    ]
}
