// SPDX-License-Identifier: MIT
//! Dual-function operations: each equals the two operations that it is made of.

use crate::case::Need::{Function, Own};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Mech, Module, Out, Written};
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, two_calls};

cases! {
    "dual.digest-encrypt" => a_digest_and_an_encryption_take_the_same_parts, "C_DigestEncryptUpdate",
        [CKM_AES_CBC_PAD, CKM_SHA256], [Function("C_DigestEncryptUpdate")];
    "dual.decrypt-digest" => a_digest_takes_what_a_decryption_gives, "C_DecryptDigestUpdate",
        [CKM_AES_CBC_PAD, CKM_SHA256], [Function("C_DecryptDigestUpdate")];
    "dual.sign-encrypt" => a_mac_and_an_encryption_take_the_same_parts, "C_SignEncryptUpdate",
        [CKM_AES_CBC_PAD, CKM_SHA256_HMAC], [Function("C_SignEncryptUpdate")];
    "dual.decrypt-verify" => a_mac_is_checked_over_what_a_decryption_gives, "C_DecryptVerifyUpdate",
        [CKM_AES_CBC_PAD, CKM_SHA256_HMAC], [Function("C_DecryptVerifyUpdate")];
    "dual.one-missing" => one_operation_alone_is_not_enough_and_stays_active, "C_DigestEncryptUpdate",
        [CKM_AES_CBC_PAD, CKM_SHA256], [Own];
    "dual.started" => a_whole_message_comes_too_late_after_a_dual_part, "C_DigestEncryptUpdate",
        [CKM_AES_CBC_PAD, CKM_SHA256], [Own];
}

/// Parts that end within blocks and on their edges.
const PARTS: [&[u8]; 4] = [b"a part", b" and another one,", &[0x5a; 32], b"."];

/// A token, and the keys of both operations.
struct Bench {
    token: Token,
    session: CK_SESSION_HANDLE,
    cipher: Mech,
    key: CK_OBJECT_HANDLE,
    mac_key: CK_OBJECT_HANDLE,
}

impl Bench {
    fn new() -> Self {
        let (token, session) = Token::with_user();
        Self {
            cipher: Mech::with(CKM_AES_CBC_PAD, vec![7; 16]),
            key: token.secret(session, CKK_AES, &[3; 32]),
            mac_key: token.secret(session, CKK_GENERIC_SECRET, &[9; 64]),
            session,
            token,
        }
    }

    /// All parts in one piece, and encrypted.
    fn whole(&self) -> (Vec<u8>, Vec<u8>) {
        let plain = PARTS.concat();
        let sealed = self
            .token
            .encrypt(self.session, self.cipher.clone(), self.key, &plain);
        (plain, sealed.unwrap())
    }

    /// Encrypts the parts with `update`, which sees to the other operation too.
    fn encrypts(&self, update: fn(&Module, CK_SESSION_HANDLE, &[u8], Out<'_>) -> Written, expected: &[u8]) {
        let (token, session) = (&self.token, self.session);
        assert_eq!(token.encrypt_init(session, self.cipher.clone(), self.key), Rv::OK);
        let mut sealed = Vec::new();
        for part in PARTS {
            sealed.extend(with_room(|out| update(token, session, part, out)));
        }
        sealed.extend(with_room(|out| token.encrypt_final_into(session, out)));
        assert_eq!(sealed, expected);
    }

    /// Decrypts in pieces of 24 bytes with `update`, which sees to the other operation too. The other operation must
    /// get the rest from the caller: what `C_DecryptFinal` gives went through no dual function.
    fn decrypts(
        &self,
        update: fn(&Module, CK_SESSION_HANDLE, &[u8], Out<'_>) -> Written,
        (plain, sealed): &(Vec<u8>, Vec<u8>),
    ) -> Vec<u8> {
        let (token, session) = (&self.token, self.session);
        assert_eq!(token.decrypt_init(session, self.cipher.clone(), self.key), Rv::OK);
        let mut opened = Vec::new();
        for piece in sealed.chunks(24) {
            opened.extend(with_room(|out| update(token, session, piece, out)));
        }
        let rest = with_room(|out| token.decrypt_final_into(session, out));
        opened.extend_from_slice(&rest);
        assert_eq!(&opened, plain);
        rest
    }
}

/// With room for all: that lengths can be asked for is another case's.
fn with_room(call: impl FnOnce(Out<'_>) -> Written) -> Vec<u8> {
    let mut room = vec![0; 64];
    let written = call(Out::Room(&mut room));
    assert_eq!(written.rv, Rv::OK);
    room.truncate(usize::try_from(written.len).expect("a length"));
    room
}

fn a_digest_and_an_encryption_take_the_same_parts() {
    let bench = Bench::new();
    let (plain, sealed) = bench.whole();
    let expected = bench.token.digest(bench.session, CKM_SHA256, &plain).unwrap();
    assert_eq!(bench.token.digest_init(bench.session, CKM_SHA256), Rv::OK);
    bench.encrypts(
        |module, session, part, out| module.digest_encrypt_update_into(session, part, out),
        &sealed,
    );
    let digest = two_calls(|out| bench.token.digest_final_into(bench.session, out));
    assert_eq!(digest.unwrap(), expected);
}

fn a_digest_takes_what_a_decryption_gives() {
    let bench = Bench::new();
    let whole = bench.whole();
    let expected = bench.token.digest(bench.session, CKM_SHA256, &whole.0).unwrap();
    assert_eq!(bench.token.digest_init(bench.session, CKM_SHA256), Rv::OK);
    let rest = bench.decrypts(
        |module, session, part, out| module.decrypt_digest_update_into(session, part, out),
        &whole,
    );
    assert_eq!(bench.token.digest_update(bench.session, &rest), Rv::OK);
    let digest = two_calls(|out| bench.token.digest_final_into(bench.session, out));
    assert_eq!(digest.unwrap(), expected);
}

fn a_mac_and_an_encryption_take_the_same_parts() {
    let bench = Bench::new();
    let (plain, sealed) = bench.whole();
    let (token, session, key) = (&bench.token, bench.session, bench.mac_key);
    let expected = token.sign(session, CKM_SHA256_HMAC, key, &plain).unwrap();
    assert_eq!(token.sign_init(session, CKM_SHA256_HMAC, key), Rv::OK);
    bench.encrypts(
        |module, session, part, out| module.sign_encrypt_update_into(session, part, out),
        &sealed,
    );
    let mac = two_calls(|out| token.sign_final_into(session, out));
    assert_eq!(mac.unwrap(), expected);
}

fn a_mac_is_checked_over_what_a_decryption_gives() {
    let bench = Bench::new();
    let whole = bench.whole();
    let (token, session, key) = (&bench.token, bench.session, bench.mac_key);
    let mac = token.sign(session, CKM_SHA256_HMAC, key, &whole.0).unwrap();
    for (mac, expected) in [
        (mac.clone(), Rv::OK),
        (vec![0; mac.len()], Rv(CKR_SIGNATURE_INVALID)),
    ] {
        assert_eq!(token.verify_init(session, CKM_SHA256_HMAC, key), Rv::OK);
        let rest = bench.decrypts(
            |module, session, part, out| module.decrypt_verify_update_into(session, part, out),
            &whole,
        );
        assert_eq!(token.verify_update(session, &rest), Rv::OK);
        assert_eq!(token.verify_final(session, &mac), expected);
    }
}

fn one_operation_alone_is_not_enough_and_stays_active() {
    let bench = Bench::new();
    let (token, session) = (&bench.token, bench.session);
    let (plain, sealed) = bench.whole();
    let mut room = [0; 64];
    assert_eq!(
        token.encrypt_init(session, bench.cipher.clone(), bench.key),
        Rv::OK
    );
    let alone = token.digest_encrypt_update_into(session, &plain[..16], Out::Room(&mut room));
    assert_eq!(alone.rv, CKR_OPERATION_NOT_INITIALIZED);
    let encrypted = two_calls(|out| token.encrypt_into(session, &plain, out));
    assert_eq!(
        encrypted.unwrap(),
        sealed,
        "the encryption was still there, unstarted"
    );
    let expected = token.digest(session, CKM_SHA256, &plain).unwrap();
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    let alone = token.digest_encrypt_update_into(session, &plain[..16], Out::Room(&mut room));
    assert_eq!(alone.rv, CKR_OPERATION_NOT_INITIALIZED);
    let digest = two_calls(|out| token.digest_into(session, &plain, out));
    assert_eq!(digest.unwrap(), expected, "the digest was still there, unstarted");
}

fn a_whole_message_comes_too_late_after_a_dual_part() {
    let bench = Bench::new();
    let (token, session) = (&bench.token, bench.session);
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    assert_eq!(
        token.encrypt_init(session, bench.cipher.clone(), bench.key),
        Rv::OK
    );
    let mut room = [0; 64];
    let part = token.digest_encrypt_update_into(session, &[1; 16], Out::Room(&mut room));
    assert_eq!(part.rv, Rv::OK);
    let digest = token.digest_into(session, b"x", Out::Room(&mut room));
    assert_eq!(digest.rv, CKR_OPERATION_ACTIVE);
    let encrypted = token.encrypt_into(session, b"x", Out::Room(&mut room));
    assert_eq!(encrypted.rv, CKR_OPERATION_ACTIVE);
}
