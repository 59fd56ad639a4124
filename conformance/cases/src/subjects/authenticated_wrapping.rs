// SPDX-License-Identifier: MIT
//! Keys that are wrapped with AES-GCM and AES-CCM, where nonce and tag may be the module's.

use crate::case::Need::{Own, Since};
use crate::case::cases;
use crate::subjects::gcm_messages::AAD;
use crate::subjects::key_wrapping::{wrapped_key, wrapping_key};
use crate::subjects::message_parameters::{ccm_fields, gcm_fields, len};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Field, Mech, Out, Room};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{Token, shown};
use keyenclave_conformance::two_calls;
use std::collections::BTreeSet;

cases! {
    "wrap.gcm" => gcm_wraps_a_key_with_a_nonce_of_its_own, "AES-GCM Authenticated Wrap / Unwrap",
        [CKM_AES_GCM], [Since(3), Own];
    "wrap.ccm" => ccm_wraps_a_key_with_a_nonce_of_its_own, "AES-CCM Authenticated Wrap / Unwrap",
        [CKM_AES_CCM], [Since(3), Own];
    "wrap.authenticated.gcm" => gcm_wraps_a_key_with_data_that_is_authenticated, "C_WrapKeyAuthenticated",
        [CKM_AES_GCM], [Since(3), Own];
    "wrap.authenticated.ccm" => ccm_wraps_a_key_with_data_that_is_authenticated, "C_WrapKeyAuthenticated",
        [CKM_AES_CCM], [Since(3), Own];
    "wrap.authenticated.others" => only_authenticated_encryption_wraps_with_data, "C_WrapKeyAuthenticated",
        [CKM_AES_KEY_WRAP, CKM_AES_GCM], [Since(3), Own];
}

const SECRET: [u8; 24] = *b"a generic secret of ours";

/// What wraps, and what is wrapped.
fn keys(token: &Token, session: CK_SESSION_HANDLE) -> (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) {
    (
        wrapping_key(token, session, &[5; 32]),
        wrapped_key(token, session, &SECRET),
    )
}

fn gcm_wrap(iv: &Room, generator: CK_GENERATOR_FUNCTION) -> Mech {
    let aad = hex(AAD);
    Mech::structure(
        CKM_AES_GCM,
        [
            Field::Room(iv.clone()),
            len(&iv.bytes()),
            Field::Number(0),
            Field::Number(generator),
            Field::Bytes(aad.clone()),
            len(&aad),
            Field::Number(128),
        ],
    )
}

fn ccm_wrap(nonce: &Room, generator: CK_GENERATOR_FUNCTION) -> Mech {
    let aad = hex(AAD);
    Mech::structure(
        CKM_AES_CCM,
        [
            Field::Number(0),
            Field::Room(nonce.clone()),
            len(&nonce.bytes()),
            Field::Number(0),
            Field::Number(generator),
            Field::Bytes(aad.clone()),
            len(&aad),
            Field::Number(16),
        ],
    )
}

fn gcm_wraps_a_key_with_a_nonce_of_its_own() {
    wraps(gcm_wrap, |nonce| Mech::gcm(nonce, &hex(AAD), 128));
}

fn ccm_wraps_a_key_with_a_nonce_of_its_own() {
    let plain = |nonce: &[u8]| {
        let aad = hex(AAD);
        let fields = [
            len(&SECRET),
            Field::Bytes(nonce.to_vec()),
            len(nonce),
            Field::Bytes(aad.clone()),
            len(&aad),
            Field::Number(16),
        ];
        Mech::structure(CKM_AES_CCM, fields)
    };
    wraps(ccm_wrap, plain);
}

/// Wraps with a nonce of the module's, decrypts by hand, and unwraps.
fn wraps(mech: impl Fn(&Room, CK_GENERATOR_FUNCTION) -> Mech, plain: impl Fn(&[u8]) -> Mech) {
    let (token, session) = Token::with_user();
    let (wrapping, key) = keys(&token, session);
    let mut nonces = BTreeSet::new();
    for generator in [CKG_GENERATE, CKG_GENERATE_RANDOM, CKG_NO_GENERATE] {
        let nonce = Room::new([0; 12]);
        let wrapped = token
            .wrap(session, mech(&nonce, generator), wrapping, key)
            .unwrap();
        assert_eq!(wrapped.len(), SECRET.len() + 16);
        nonces.insert(nonce.bytes());
        let by_hand = token.decrypt(session, plain(&nonce.bytes()), wrapping, &wrapped);
        assert_eq!(by_hand.unwrap(), SECRET);
        for mech in [mech(&nonce, generator), plain(&nonce.bytes())] {
            let made = token
                .unwrap(session, mech.clone(), wrapping, &wrapped, &shown(None))
                .unwrap();
            assert_eq!(token.read(session, made, CKA_VALUE).unwrap(), SECRET);
            let mut changed = wrapped.clone();
            changed[3] ^= 1;
            let refused = token.unwrap(session, mech, wrapping, &changed, &shown(None));
            assert_eq!(refused.unwrap_err(), CKR_WRAPPED_KEY_INVALID);
        }
    }
    assert_eq!(nonces.len(), 3);
    // A counter would begin anew with the next key, and give the same nonce again.
    for generator in [CKG_GENERATE_COUNTER, CKG_GENERATE_COUNTER_XOR] {
        let mut room = [0; 64];
        let mech = mech(&Room::new([0; 12]), generator);
        let refused = token.wrap_into(session, mech, wrapping, key, Out::Room(&mut room));
        assert_eq!(refused.rv, CKR_MECHANISM_PARAM_INVALID);
    }
}

fn gcm_wraps_a_key_with_data_that_is_authenticated() {
    wraps_with_data(|nonce, generator, tag| Mech::structure(CKM_AES_GCM, gcm_fields(nonce, generator, tag)));
}

fn ccm_wraps_a_key_with_data_that_is_authenticated() {
    wraps_with_data(|nonce, generator, tag| {
        Mech::structure(CKM_AES_CCM, ccm_fields(0, nonce, generator, tag))
    });
}

fn wraps_with_data(mech: impl Fn(&Room, CK_GENERATOR_FUNCTION, &Room) -> Mech) {
    let (token, session) = Token::with_user();
    let (wrapping, key) = keys(&token, session);
    for generator in [CKG_GENERATE, CKG_GENERATE_RANDOM, CKG_NO_GENERATE] {
        let (nonce, tag) = (Room::new([1; 12]), Room::new([0; 16]));
        let mech = mech(&nonce, generator, &tag);
        let keys = (wrapping, key);
        let wrapped =
            two_calls(|out| token.wrap_authenticated(session, &mech, keys, b"header", out)).unwrap();
        assert_eq!(wrapped.len(), SECRET.len());
        assert_eq!(nonce.bytes() == [1; 12], generator == CKG_NO_GENERATE);
        assert_ne!(tag.bytes(), [0; 16]);
        let open = |wrapped: &[u8], header: &[u8]| {
            token.unwrap_authenticated(session, &mech, wrapping, (wrapped, header), &shown(None))
        };
        let made = open(&wrapped, b"header").unwrap();
        assert_eq!(token.read(session, made, CKA_VALUE).unwrap(), SECRET);
        assert_eq!(open(&wrapped, b"Header").unwrap_err(), CKR_WRAPPED_KEY_INVALID);
        let mut changed = wrapped.clone();
        changed[3] ^= 1;
        assert_eq!(open(&changed, b"header").unwrap_err(), CKR_WRAPPED_KEY_INVALID);
        let mut wrong = tag.bytes();
        wrong[15] ^= 1;
        tag.put(&wrong);
        assert_eq!(open(&wrapped, b"header").unwrap_err(), CKR_WRAPPED_KEY_INVALID);
    }
}

fn only_authenticated_encryption_wraps_with_data() {
    let (token, session) = Token::with_user();
    let keys = keys(&token, session);
    let mut room = [0; 64];
    let kw = Mech::from(CKM_AES_KEY_WRAP);
    let refused = token.wrap_authenticated(session, &kw, keys, b"header", Out::Room(&mut room));
    assert_eq!(refused.rv, CKR_MECHANISM_INVALID);
    // The structure of C_WrapKey is another one.
    let other = gcm_wrap(&Room::new([1; 12]), CKG_GENERATE);
    let refused = token.wrap_authenticated(session, &other, keys, b"header", Out::Room(&mut room));
    assert_eq!(refused.rv, CKR_MECHANISM_PARAM_INVALID);
}
