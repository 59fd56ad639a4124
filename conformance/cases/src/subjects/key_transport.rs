// SPDX-License-Identifier: MIT
//! Keys wrapped with RSA and elliptic curves. No vectors of the mixed mechanisms are published, because they draw keys of
//! their own: their parts are taken apart by the mechanisms that they are made of, which have vectors.

use crate::case::Need::{Curve, Own};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, bytes, flag, number};
use keyenclave_conformance::token::{CURVES, Token};

cases! {
    "wrap.rsa-aes" => an_rsa_aes_wrapping_is_oaep_and_kwp, "RSA AES KEY WRAP",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_AES_KEY_WRAP, CKM_RSA_PKCS_OAEP, CKM_AES_KEY_WRAP_KWP], [Own];
    "wrap.ecdh-aes.p-256" => an_ecdh_aes_wrapping_is_ecdh_and_kwp::<0>, "ECDH AES KEY WRAP",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDH_AES_KEY_WRAP, CKM_ECDH1_DERIVE, CKM_AES_KEY_WRAP_KWP], [Own, Curve(0)];
    "wrap.ecdh-aes.p-521" => an_ecdh_aes_wrapping_is_ecdh_and_kwp::<2>, "ECDH AES KEY WRAP",
        [CKM_EC_KEY_PAIR_GEN, CKM_ECDH_AES_KEY_WRAP, CKM_ECDH1_DERIVE, CKM_AES_KEY_WRAP_KWP], [Own, Curve(2)];
    "wrap.ecdh-aes.x25519" => an_x25519_key_wraps_keys, "ECDH Montgomery AES KEY WRAP",
        [CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKM_ECDH_X_AES_KEY_WRAP, CKM_ECDH_AES_KEY_WRAP], [Own];
    "wrap.mixed.damaged" => damaged_wrappings_are_refused, "C_UnwrapKey",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_AES_KEY_WRAP, CKM_EC_KEY_PAIR_GEN, CKM_ECDH_AES_KEY_WRAP], [Own];
    "wrap.mixed.parameters" => parameters_of_mixed_wrappings_that_are_none_are_refused,
        "RSA AES KEY WRAP mechanism parameters",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_AES_KEY_WRAP, CKM_ECDH_AES_KEY_WRAP], [Own];
    "wrap.rsa-pkcs.no-oracle" => an_unwrapping_does_not_tell_of_the_padding, "PKCS #1 v1.5 RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_RSA_X_509], [Own];
    "wrap.rsa-oaep" => an_oaep_wrapping_is_an_encryption_of_the_value, "PKCS #1 RSA OAEP",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP], [Own];
    "wrap.rsa-x509" => a_raw_wrapping_gives_the_end_of_the_number, "X.509 (raw) RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X_509], [Own];
}

fn rsa_aes(bits: CK_ULONG) -> Mech {
    Mech::rsa_aes(bits, CKM_SHA256, CKG_MGF1_SHA1, b"label")
}

/// An RSA pair that wraps and unwraps.
fn rsa(token: &Token, session: CK_SESSION_HANDLE) -> (CK_ULONG, CK_ULONG) {
    let public = [
        number(CKA_MODULUS_BITS, 2048),
        flag(CKA_WRAP, true),
        flag(CKA_ENCRYPT, true),
    ];
    let private = [flag(CKA_UNWRAP, true), flag(CKA_DECRYPT, true)];
    let pair = token.generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private);
    pair.expect("an RSA key pair")
}

/// A pair on a curve that wraps and unwraps, and agrees.
fn pair(
    token: &Token,
    session: CK_SESSION_HANDLE,
    how: CK_MECHANISM_TYPE,
    curve: &[u8],
) -> (CK_ULONG, CK_ULONG) {
    let public = [bytes(CKA_EC_PARAMS, curve), flag(CKA_WRAP, true)];
    let private = [flag(CKA_UNWRAP, true), flag(CKA_DERIVE, true)];
    let pair = token.generate_key_pair(session, how, &public, &private);
    pair.expect("a key pair")
}

/// An EC private key to be wrapped, and its public key info.
fn target(token: &Token, session: CK_SESSION_HANDLE) -> (CK_ULONG, Vec<u8>) {
    let private = [flag(CKA_EXTRACTABLE, true)];
    let public = [bytes(CKA_EC_PARAMS, CURVES[1].0)];
    let pair = token.generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, &private);
    let (_, key) = pair.unwrap();
    let info = token.read(session, key, CKA_PUBLIC_KEY_INFO).unwrap();
    (key, info)
}

/// A secret key of these bytes that may leave the token wrapped.
fn secret(token: &Token, session: CK_SESSION_HANDLE, kind: CK_KEY_TYPE, value: &[u8]) -> CK_ULONG {
    let attrs = [&secret_like(kind)[..], &[bytes(CKA_VALUE, value)]].concat();
    token.create_object(session, &attrs).expect("a secret key")
}

fn secret_like(kind: CK_KEY_TYPE) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
        flag(CKA_UNWRAP, true),
    ]
}

fn private_like() -> Vec<Attr> {
    vec![number(CKA_CLASS, CKO_PRIVATE_KEY), number(CKA_KEY_TYPE, CKK_EC)]
}

fn value(token: &Token, session: CK_SESSION_HANDLE, key: CK_ULONG) -> Vec<u8> {
    token.read(session, key, CKA_VALUE).unwrap()
}

fn an_rsa_aes_wrapping_is_oaep_and_kwp() {
    let (token, session) = Token::with_user();
    let (public, private) = rsa(&token, session);
    let (target, info) = target(&token, session);
    for bits in [128, 192, 256] {
        let how = rsa_aes(bits);
        let wrapped = token.wrap(session, how.clone(), public, target).unwrap();
        let back = token
            .unwrap(session, how.clone(), private, &wrapped, &private_like())
            .unwrap();
        assert_eq!(token.read(session, back, CKA_PUBLIC_KEY_INFO).unwrap(), info);

        let (head, rest) = wrapped.split_at(256);
        let oaep = Mech::oaep(CKM_SHA256, CKG_MGF1_SHA1, b"label");
        let aes = token
            .unwrap(session, oaep, private, head, &secret_like(CKK_AES))
            .unwrap();
        assert_eq!(
            value(&token, session, aes).len() * 8,
            usize::try_from(bits).unwrap()
        );
        let back = token.unwrap(session, CKM_AES_KEY_WRAP_KWP, aes, rest, &private_like());
        assert_eq!(
            token.read(session, back.unwrap(), CKA_PUBLIC_KEY_INFO).unwrap(),
            info
        );

        let generic = secret(&token, session, CKK_GENERIC_SECRET, &[7; 333]);
        let wrapped = token.wrap(session, how.clone(), public, generic).unwrap();
        let back = token.unwrap(session, how, private, &wrapped, &secret_like(CKK_GENERIC_SECRET));
        assert_eq!(value(&token, session, back.unwrap()), [7; 333]);
    }
}

fn an_ecdh_aes_wrapping_is_ecdh_and_kwp<const CURVE: usize>() {
    let (token, session) = Token::with_user();
    let (curve, size, _) = CURVES[CURVE];
    let (public, private) = pair(&token, session, CKM_EC_KEY_PAIR_GEN, curve);
    let (target, info) = target(&token, session);
    for (how, bits, kdf, shared) in [
        (CKM_ECDH_AES_KEY_WRAP, 256, CKD_SHA256_KDF, &b"shared"[..]),
        (CKM_ECDH_COF_AES_KEY_WRAP, 128, CKD_SHA512_KDF_SP800, b""),
    ] {
        // The newer mechanism has the point in a DER OCTET STRING, the older one as it is.
        let point_len = 2 * size + 1;
        let header = match (how, u8::try_from(point_len).unwrap()) {
            (CKM_ECDH_AES_KEY_WRAP, _) => vec![],
            (_, len @ ..0x80) => vec![4, len],
            (_, len) => vec![4, 0x81, len],
        };
        let how = Mech::ecdh_aes(how, bits, kdf, shared);
        let wrapped = token.wrap(session, how.clone(), public, target).unwrap();
        let back = token
            .unwrap(session, how, private, &wrapped, &private_like())
            .unwrap();
        assert_eq!(token.read(session, back, CKA_PUBLIC_KEY_INFO).unwrap(), info);

        let (found, rest) = wrapped.split_at(header.len());
        assert_eq!(found, header);
        let (point, rest) = rest.split_at(point_len);
        assert_eq!(point[0], 4);
        let agree = Mech::ecdh(CKM_ECDH1_DERIVE, kdf, shared, point);
        let aes = [&secret_like(CKK_AES)[..], &[number(CKA_VALUE_LEN, bits / 8)]].concat();
        let aes = token.derive(session, agree, private, &aes).unwrap();
        let back = token.unwrap(session, CKM_AES_KEY_WRAP_KWP, aes, rest, &private_like());
        assert_eq!(
            token.read(session, back.unwrap(), CKA_PUBLIC_KEY_INFO).unwrap(),
            info
        );
    }
}

fn an_x25519_key_wraps_keys() {
    let (token, session) = Token::with_user();
    let (public, private) = pair(
        &token,
        session,
        CKM_EC_MONTGOMERY_KEY_PAIR_GEN,
        b"\x06\x03\x2b\x65\x6e",
    );
    let generic = secret(&token, session, CKK_GENERIC_SECRET, &[7; 40]);
    for how in [CKM_ECDH_X_AES_KEY_WRAP, CKM_ECDH_AES_KEY_WRAP] {
        let how = Mech::ecdh_aes(how, 256, CKD_SHA256_KDF, b"");
        let wrapped = token.wrap(session, how.clone(), public, generic).unwrap();
        assert_eq!(wrapped.len(), 32 + 48);
        let back = token.unwrap(session, how, private, &wrapped, &secret_like(CKK_GENERIC_SECRET));
        assert_eq!(value(&token, session, back.unwrap()), [7; 40]);
    }
    let cofactor = Mech::ecdh_aes(CKM_ECDH_COF_AES_KEY_WRAP, 256, CKD_SHA256_KDF, b"");
    assert_eq!(
        token.wrap(session, cofactor, public, generic).unwrap_err(),
        CKR_WRAPPING_KEY_TYPE_INCONSISTENT
    );
}

fn damaged_wrappings_are_refused() {
    let (token, session) = Token::with_user();
    let (rsa_public, rsa_private) = rsa(&token, session);
    let (ec_public, ec_private) = pair(&token, session, CKM_EC_KEY_PAIR_GEN, CURVES[0].0);
    let generic = secret(&token, session, CKK_GENERIC_SECRET, &[7; 40]);
    let ecdh = Mech::ecdh_aes(CKM_ECDH_AES_KEY_WRAP, 256, CKD_SHA256_KDF, b"");
    for (how, public, private, head) in [
        (rsa_aes(256), rsa_public, rsa_private, 256),
        (ecdh, ec_public, ec_private, 65),
    ] {
        let wrapped = token.wrap(session, how.clone(), public, generic).unwrap();
        let unwrap = |wrapped: &[u8]| {
            token
                .unwrap(
                    session,
                    how.clone(),
                    private,
                    wrapped,
                    &secret_like(CKK_GENERIC_SECRET),
                )
                .unwrap_err()
        };
        for at in [3, head - 1, head, wrapped.len() - 1] {
            let mut damaged = wrapped.clone();
            damaged[at] ^= 1;
            assert_eq!(unwrap(&damaged), CKR_WRAPPED_KEY_INVALID, "{at}");
        }
        for short in [&wrapped[..0], &wrapped[..head - 1]] {
            assert_eq!(unwrap(short), CKR_WRAPPED_KEY_LEN_RANGE);
        }
        for short in [&wrapped[..head], &wrapped[..wrapped.len() - 1]] {
            let refused = unwrap(short);
            assert!(refused == CKR_WRAPPED_KEY_LEN_RANGE || refused == CKR_WRAPPED_KEY_INVALID);
        }
    }
}

fn parameters_of_mixed_wrappings_that_are_none_are_refused() {
    let (token, session) = Token::with_user();
    let (public, _) = rsa(&token, session);
    let generic = secret(&token, session, CKK_GENERIC_SECRET, &[7; 40]);
    for how in [
        Mech::from(CKM_RSA_AES_KEY_WRAP),
        Mech::with(CKM_RSA_AES_KEY_WRAP, [0; 15]),
        Mech::with(CKM_RSA_AES_KEY_WRAP, [0; 16]),
        rsa_aes(0),
        rsa_aes(129),
        rsa_aes(512),
        Mech::rsa_aes(256, CKM_SHA256_HMAC, CKG_MGF1_SHA1, b""),
        Mech::from(CKM_ECDH_AES_KEY_WRAP),
        Mech::with(CKM_ECDH_AES_KEY_WRAP, [0; 32]),
        Mech::ecdh_aes(CKM_ECDH_AES_KEY_WRAP, 64, CKD_SHA256_KDF, b""),
        Mech::ecdh_aes(CKM_ECDH_AES_KEY_WRAP, 256, 0, b""),
        Mech::ecdh_aes(CKM_ECDH_AES_KEY_WRAP, 256, CKD_NULL, b"data"),
    ] {
        let refused = token.wrap(session, how.clone(), public, generic);
        assert_eq!(refused.unwrap_err(), CKR_MECHANISM_PARAM_INVALID, "{how:?}");
    }
    let idle = [number(CKA_MODULUS_BITS, 2048), flag(CKA_WRAP, false)];
    let (idle, _) = token
        .generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &idle, &[])
        .unwrap();
    assert_eq!(
        token.wrap(session, rsa_aes(256), idle, generic).unwrap_err(),
        CKR_KEY_FUNCTION_NOT_PERMITTED
    );
}

/// Whatever stands in the ciphertext, a key comes out that fits: always the same one, and not the one that was meant.
fn an_unwrapping_does_not_tell_of_the_padding() {
    let (token, session) = Token::with_user();
    let (public, private) = rsa(&token, session);
    let block = |start: [u8; 2], key: &[u8]| {
        let padding = vec![7; 256 - 3 - key.len()];
        [&start[..], &padding, &[0], key].concat()
    };
    let unwrap = |block: &[u8], attrs: &[Attr]| {
        let wrapped = token.encrypt(session, CKM_RSA_X_509, public, block).unwrap();
        let key = || {
            token
                .unwrap(session, CKM_RSA_PKCS, private, &wrapped, attrs)
                .expect("a key")
        };
        let (one, other) = (value(&token, session, key()), value(&token, session, key()));
        assert_eq!(one, other, "the same each time");
        one
    };
    let aes = secret_like(CKK_AES);
    let exactly = [&aes[..], &[number(CKA_VALUE_LEN, 32)]].concat();
    let generic = secret_like(CKK_GENERIC_SECRET);
    assert_eq!(unwrap(&block([0, 2], &[9; 32]), &exactly), [9; 32]);
    assert_eq!(unwrap(&block([0, 2], &[9; 16]), &aes), [9; 16]);
    assert_eq!(unwrap(&block([0, 2], &[9; 50]), &generic), [9; 50]);
    for (start, len) in [
        ([0, 1], 32),
        ([1, 2], 32),
        ([0, 2], 31),
        ([0, 2], 33),
        ([0, 2], 0),
    ] {
        let bad = block(start, &vec![9; len]);
        let key = unwrap(&bad, &exactly);
        assert!(key.len() == 32 && key[..16] != [9; 16]);
        assert!([16, 24, 32].contains(&unwrap(&bad, &aes).len()));
        if len != 31 && len != 33 {
            assert!(!unwrap(&bad, &generic).is_empty());
        }
    }
    let refused = token.unwrap(session, CKM_RSA_PKCS, private, &[1; 255], &aes);
    assert_eq!(refused.unwrap_err(), CKR_WRAPPED_KEY_LEN_RANGE);
}

fn an_oaep_wrapping_is_an_encryption_of_the_value() {
    let (token, session) = Token::with_user();
    let (public, private) = rsa(&token, session);
    let key = secret(&token, session, CKK_AES, &[5; 32]);
    let oaep = Mech::oaep(CKM_SHA384, CKG_MGF1_SHA256, b"label");
    let wrapped = token.wrap(session, oaep.clone(), public, key).unwrap();
    assert_eq!(
        token.decrypt(session, oaep.clone(), private, &wrapped).unwrap(),
        [5; 32]
    );
    let back = token
        .unwrap(session, oaep, private, &wrapped, &secret_like(CKK_AES))
        .unwrap();
    assert_eq!(value(&token, session, back), [5; 32]);
    let other = Mech::oaep(CKM_SHA384, CKG_MGF1_SHA256, b"other");
    let refused = token.unwrap(session, other, private, &wrapped, &secret_like(CKK_AES));
    assert_eq!(refused.unwrap_err(), CKR_WRAPPED_KEY_INVALID);
}

fn a_raw_wrapping_gives_the_end_of_the_number() {
    let (token, session) = Token::with_user();
    let (public, private) = rsa(&token, session);
    let key = secret(&token, session, CKK_AES, &[5; 32]);
    let wrapped = token.wrap(session, CKM_RSA_X_509, public, key).unwrap();
    let of = |len| [&secret_like(CKK_AES)[..], &[number(CKA_VALUE_LEN, len)]].concat();
    let back = token.unwrap(session, CKM_RSA_X_509, private, &wrapped, &of(32));
    assert_eq!(value(&token, session, back.unwrap()), [5; 32]);
    let cut = token.unwrap(session, CKM_RSA_X_509, private, &wrapped, &of(16));
    assert_eq!(cut.unwrap_err(), CKR_WRAPPED_KEY_INVALID);
    let refused = token.unwrap(session, CKM_RSA_X_509, private, &wrapped, &secret_like(CKK_AES));
    assert_eq!(refused.unwrap_err(), CKR_TEMPLATE_INCOMPLETE);
    let (target, _) = target(&token, session);
    assert_eq!(
        token.wrap(session, CKM_RSA_X_509, public, target).unwrap_err(),
        CKR_KEY_NOT_WRAPPABLE
    );
}
