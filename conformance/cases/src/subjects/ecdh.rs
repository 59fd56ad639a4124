// SPDX-License-Identifier: MIT
//! Agreement on keys over elliptic curves: published secrets, OpenSSL's key derivation, public keys that are none.

use crate::case::Need::{Curve, Own, Program};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, bytes, flag, number};
use keyenclave_conformance::openssl::{der, openssl};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::published::ecdh::{SHARED, X25519, X25519_SHARED};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{CURVES, Token, shown};
use keyenclave_conformance::{Refused, Rv};

cases! {
    "ecdh.published.p-224" => two_keys_agree_on_the_published_secret::<0>,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Curve(4)];
    "ecdh.published.p-256" => two_keys_agree_on_the_published_secret::<1>,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Curve(0)];
    "ecdh.published.p-256.zeros" => two_keys_agree_on_the_published_secret::<2>,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Curve(0)];
    "ecdh.published.p-521" => two_keys_agree_on_the_published_secret::<3>,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Curve(2)];
    "ecdh.published.secp256k1" => two_keys_agree_on_the_published_secret::<4>,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Curve(3)];
    "ecdh.published.brainpool-256" => two_keys_agree_on_the_published_secret::<5>,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Curve(5)];
    "ecdh.published.brainpool-384" => two_keys_agree_on_the_published_secret::<6>,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Curve(6)];
    "ecdh.published.brainpool-512" => two_keys_agree_on_the_published_secret::<7>,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Curve(7)];
    "ecdh.published.x25519" => two_x25519_keys_agree_on_the_secret_of_the_rfc,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE, CKM_EC_MONTGOMERY_KEY_PAIR_GEN], [];
    "ecdh.cofactor" => the_cofactor_changes_nothing_on_these_curves,
        "Elliptic Curve Diffie-Hellman with cofactor key derivation",
        [CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE], [Curve(0)];
    "ecdh.kdf.openssl" => keys_are_made_of_secrets_as_openssl_makes_them, "CK_EC_KDF_TYPE",
        [CKM_ECDH1_DERIVE], [Own, Curve(0), Program("openssl")];
    "ecdh.point-forms" => the_other_point_is_taken_bare_and_in_der, "CK_ECDH1_DERIVE_PARAMS",
        [CKM_ECDH1_DERIVE], [Curve(0)];
    "ecdh.lengths" => an_agreed_key_has_the_length_of_its_template_or_its_type,
        "Elliptic Curve Diffie-Hellman key derivation", [CKM_ECDH1_DERIVE], [Own, Curve(0)];
    "ecdh.bad-points" => points_that_are_none_agree_on_nothing, "CK_ECDH1_DERIVE_PARAMS",
        [CKM_ECDH1_DERIVE], [Own, Curve(0)];
    "ecdh.x25519.small-order" => x25519_keys_of_small_order_agree_on_nothing,
        "Elliptic Curve Diffie-Hellman key derivation",
        [CKM_ECDH1_DERIVE, CKM_EC_MONTGOMERY_KEY_PAIR_GEN], [Own];
    "ecdh.parameters" => ecdh_parameters_that_are_none_are_refused, "CK_ECDH1_DERIVE_PARAMS",
        [CKM_ECDH1_DERIVE], [Own, Curve(0)];
    "ecdh.usage" => a_key_that_may_not_derive_does_not, "Elliptic Curve Diffie-Hellman key derivation",
        [CKM_ECDH1_DERIVE, CKM_EC_KEY_PAIR_GEN], [Curve(0)];
    "ecdh.x25519.generated" => generated_x25519_keys_agree,
        "Montgomery Elliptic Curve key pair generation",
        [CKM_ECDH1_DERIVE, CKM_EC_MONTGOMERY_KEY_PAIR_GEN], [];
    "ecdh.x25519.curve" => x25519_pairs_are_made_by_their_own_mechanism_only,
        "Montgomery Elliptic Curve key pair generation", [CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN], [Own];
    "ec.extra-bits" => a_key_of_extra_bits_signs_like_any_other, "Elliptic Curve key pair generation",
        [CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, CKM_ECDSA], [Curve(0)];
}

const CURVE25519: &[u8] = b"\x06\x03\x2b\x65\x6e";

fn private(
    token: &Token,
    session: CK_SESSION_HANDLE,
    kind: CK_KEY_TYPE,
    curve: &[u8],
    value: &[u8],
) -> CK_ULONG {
    let attrs = [
        number(CKA_CLASS, CKO_PRIVATE_KEY),
        number(CKA_KEY_TYPE, kind),
        flag(CKA_DERIVE, true),
        bytes(CKA_EC_PARAMS, curve),
        bytes(CKA_VALUE, value),
    ];
    token
        .create_object(session, &attrs)
        .expect("an imported private key")
}

/// The private key of an example.
fn imported(token: &Token, session: CK_SESSION_HANDLE, example: usize) -> CK_ULONG {
    let (curve, _, scalar, _) = SHARED[example];
    private(token, session, CKK_EC, CURVES[curve].0, &hex(scalar))
}

fn agreed(
    token: &Token,
    session: CK_SESSION_HANDLE,
    mech: Mech,
    base: CK_ULONG,
    attrs: &[Attr],
) -> Result<Vec<u8>, Rv> {
    let key = token.derive(session, mech, base, attrs)?;
    token.read(session, key, CKA_VALUE)
}

fn plain(point: &[u8]) -> Mech {
    Mech::ecdh(CKM_ECDH1_DERIVE, CKD_NULL, b"", point)
}

fn two_keys_agree_on_the_published_secret<const EXAMPLE: usize>() {
    let (token, session) = Token::with_user();
    let (_, point, _, secret) = SHARED[EXAMPLE];
    let key = imported(&token, session, EXAMPLE);
    let (point, secret) = (hex(point), hex(secret));
    let made = agreed(
        &token,
        session,
        plain(&point),
        key,
        &shown(Some(secret.len() as CK_ULONG)),
    );
    assert_eq!(made.unwrap(), secret);
}

fn two_x25519_keys_agree_on_the_secret_of_the_rfc() {
    let (token, session) = Token::with_user();
    let [own, other, secret] = [X25519[0][0], X25519[1][1], X25519_SHARED].map(hex);
    let key = private(&token, session, CKK_EC_MONTGOMERY, CURVE25519, &own);
    let made = agreed(&token, session, plain(&other), key, &shown(Some(32)));
    assert_eq!(made.unwrap(), secret);
}

fn the_cofactor_changes_nothing_on_these_curves() {
    let (token, session) = Token::with_user();
    let (_, point, _, secret) = SHARED[1];
    let key = imported(&token, session, 1);
    let mech = Mech::ecdh(CKM_ECDH1_COFACTOR_DERIVE, CKD_NULL, b"", &hex(point));
    let made = agreed(&token, session, mech, key, &shown(Some(32)));
    assert_eq!(made.unwrap(), hex(secret));
}

fn keys_are_made_of_secrets_as_openssl_makes_them() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (_, point, _, secret) = SHARED[1];
    let (key, point) = (imported(&token, session, 1), hex(point));
    for (kdf, name, hash) in [
        (CKD_SHA1_KDF, "X963KDF", "SHA1"),
        (CKD_SHA224_KDF, "X963KDF", "SHA224"),
        (CKD_SHA256_KDF, "X963KDF", "SHA256"),
        (CKD_SHA384_KDF, "X963KDF", "SHA384"),
        (CKD_SHA512_KDF, "X963KDF", "SHA512"),
        (CKD_SHA3_224_KDF, "X963KDF", "SHA3-224"),
        (CKD_SHA3_256_KDF, "X963KDF", "SHA3-256"),
        (CKD_SHA3_384_KDF, "X963KDF", "SHA3-384"),
        (CKD_SHA3_512_KDF, "X963KDF", "SHA3-512"),
        (CKD_SHA1_KDF_SP800, "SSKDF", "SHA1"),
        (CKD_SHA224_KDF_SP800, "SSKDF", "SHA224"),
        (CKD_SHA256_KDF_SP800, "SSKDF", "SHA256"),
        (CKD_SHA384_KDF_SP800, "SSKDF", "SHA384"),
        (CKD_SHA512_KDF_SP800, "SSKDF", "SHA512"),
        (CKD_SHA3_224_KDF_SP800, "SSKDF", "SHA3-224"),
        (CKD_SHA3_256_KDF_SP800, "SSKDF", "SHA3-256"),
        (CKD_SHA3_384_KDF_SP800, "SSKDF", "SHA3-384"),
        (CKD_SHA3_512_KDF_SP800, "SSKDF", "SHA3-512"),
    ] {
        for (info, text) in [(&b""[..], ""), (b"\x01\x02both know", "0102626f7468206b6e6f77")] {
            let mech = Mech::ecdh(CKM_ECDH1_DERIVE, kdf, info, &point);
            let made = agreed(&token, session, mech, key, &shown(Some(77))).unwrap();
            let digest = format!("digest:{hash}");
            let secret = format!("hexsecret:{secret}");
            let info = format!("hexinfo:{text}");
            let mut arguments = vec![
                "kdf", "-keylen", "77", "-binary", "-out", "key", "-kdfopt", &digest,
            ];
            arguments.extend(["-kdfopt", &secret]);
            if !text.is_empty() {
                arguments.extend(["-kdfopt", &info]);
            }
            arguments.push(name);
            openssl(&place, &arguments);
            assert_eq!(
                made,
                std::fs::read(place.file("key")).unwrap(),
                "{name} {hash} {text}"
            );
        }
    }
}

fn the_other_point_is_taken_bare_and_in_der() {
    let (token, session) = Token::with_user();
    let (_, point, _, secret) = SHARED[1];
    let (key, point) = (imported(&token, session, 1), hex(point));
    for form in [point.clone(), der(4, &point)] {
        let made = agreed(&token, session, plain(&form), key, &shown(Some(32)));
        assert_eq!(made.unwrap(), hex(secret));
    }
}

fn an_agreed_key_has_the_length_of_its_template_or_its_type() {
    let (token, session) = Token::with_user();
    let (_, point, _, secret) = SHARED[1];
    let (key, point, secret) = (imported(&token, session, 1), hex(point), hex(secret));
    let made = |mech: Mech, attrs: &[Attr]| agreed(&token, session, mech, key, attrs);
    assert_eq!(made(plain(&point), &shown(None)).unwrap(), secret);
    let end = made(plain(&point), &shown(Some(16))).unwrap();
    assert_eq!(end, secret[16..], "the beginning is cut off");
    assert_eq!(
        made(plain(&point), &shown(Some(33))).unwrap_err(),
        CKR_KEY_SIZE_RANGE
    );
    assert_eq!(
        made(plain(&point), &shown(Some(1))).unwrap_err(),
        CKR_KEY_SIZE_RANGE
    );
    let mut aes = shown(None);
    aes[1] = number(CKA_KEY_TYPE, CKK_AES);
    assert_eq!(made(plain(&point), &aes).unwrap(), secret);
    let hashed = Mech::ecdh(CKM_ECDH1_DERIVE, CKD_SHA384_KDF, b"", &point);
    assert_eq!(made(hashed.clone(), &aes).unwrap().len(), 32);
    assert_eq!(made(hashed, &shown(None)).unwrap().len(), 48);
    aes.push(number(CKA_VALUE_LEN, 17));
    let right = [
        CKR_ATTRIBUTE_VALUE_INVALID,
        CKR_KEY_SIZE_RANGE,
        CKR_TEMPLATE_INCONSISTENT,
    ];
    made(plain(&point), &aes).refused_with(&right, "no AES key has 17 bytes");
}

fn points_that_are_none_agree_on_nothing() {
    let (token, session) = Token::with_user();
    let (_, point, ..) = SHARED[1];
    let (key, point) = (imported(&token, session, 1), hex(point));
    let mut off = point.clone();
    off[64] ^= 1;
    let mut hybrid = point.clone();
    hybrid[0] = 6 + (hybrid[64] & 1);
    let elsewhere = hex(SHARED[4].1);
    for bad in [
        &off[..],
        &hybrid,
        &elsewhere,
        &point[1..],
        &point[..64],
        &[0],
        &[4; 65],
        &[4, 0],
    ] {
        let refused = agreed(&token, session, plain(bad), key, &shown(Some(32)));
        assert_eq!(refused.unwrap_err(), CKR_MECHANISM_PARAM_INVALID, "{bad:02x?}");
    }
}

fn x25519_keys_of_small_order_agree_on_nothing() {
    let (token, session) = Token::with_user();
    let key = private(&token, session, CKK_EC_MONTGOMERY, CURVE25519, &hex(X25519[0][0]));
    let mut one = [0; 32];
    for point in [
        hex("0000000000000000000000000000000000000000000000000000000000000000"),
        hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        {
            one[0] = 1;
            one.to_vec()
        },
        vec![1; 31],
        vec![1; 33],
    ] {
        let refused = agreed(&token, session, plain(&point), key, &shown(Some(32)));
        assert_eq!(refused.unwrap_err(), CKR_MECHANISM_PARAM_INVALID, "{point:02x?}");
    }
    let cofactor = Mech::ecdh(CKM_ECDH1_COFACTOR_DERIVE, CKD_NULL, b"", &hex(X25519[1][1]));
    let refused = agreed(&token, session, cofactor, key, &shown(Some(32)));
    assert_eq!(refused.unwrap_err(), CKR_KEY_TYPE_INCONSISTENT);
}

fn ecdh_parameters_that_are_none_are_refused() {
    let (token, session) = Token::with_user();
    let (key, point) = (imported(&token, session, 1), hex(SHARED[1].1));
    for mech in [
        Mech::from(CKM_ECDH1_DERIVE),
        Mech::null(CKM_ECDH1_DERIVE, 40),
        Mech::null(CKM_ECDH1_DERIVE, CK_ULONG::MAX),
        Mech::with(CKM_ECDH1_DERIVE, [0; 39]),
        Mech::with(CKM_ECDH1_DERIVE, [0; 40]),
        Mech::ecdh(CKM_ECDH1_DERIVE, 0, b"", &point),
        Mech::ecdh(CKM_ECDH1_DERIVE, 0x7777, b"", &point),
        Mech::ecdh(CKM_ECDH1_DERIVE, CKD_NULL, b"data", &point),
        Mech::ecdh(CKM_ECDH1_DERIVE, CKD_NULL, b"", b""),
    ] {
        let refused = agreed(&token, session, mech.clone(), key, &shown(Some(32)));
        assert_eq!(refused.unwrap_err(), CKR_MECHANISM_PARAM_INVALID, "{mech:?}");
    }
    let (_, rsa) = token.rsa(session, 2048, &[]);
    let refused = agreed(&token, session, plain(&point), rsa, &shown(Some(32)));
    assert_eq!(refused.unwrap_err(), CKR_KEY_TYPE_INCONSISTENT);
}

fn a_key_that_may_not_derive_does_not() {
    let (token, session) = Token::with_user();
    let public = [bytes(CKA_EC_PARAMS, CURVES[0].0)];
    let (_, key) = token
        .generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, &[flag(CKA_DERIVE, false)])
        .unwrap();
    let refused = agreed(&token, session, plain(&hex(SHARED[1].1)), key, &shown(Some(32)));
    assert_eq!(refused.unwrap_err(), CKR_KEY_FUNCTION_NOT_PERMITTED);
}

fn generated_x25519_keys_agree() {
    let (token, session) = Token::with_user();
    let pair = || {
        let public = [bytes(CKA_EC_PARAMS, CURVE25519)];
        let private = [flag(CKA_DERIVE, true)];
        let pair = token.generate_key_pair(session, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, &public, &private);
        let (public, private) = pair.unwrap();
        // Version 3.0 of the specification wants it in DER, later ones as the bare bytes.
        let octets = token.read(session, public, CKA_EC_POINT).unwrap();
        (octets[octets.len() - 32..].to_vec(), private)
    };
    let ((one, own), (other, their)) = (pair(), pair());
    let made = agreed(&token, session, plain(&other), own, &shown(Some(32))).unwrap();
    assert_eq!(
        agreed(&token, session, plain(&one), their, &shown(Some(32))).unwrap(),
        made
    );
    assert_ne!(made, [0; 32]);
}

fn x25519_pairs_are_made_by_their_own_mechanism_only() {
    let (token, session) = Token::with_user();
    let pair = |mechanism, params: &[u8]| {
        let public = [bytes(CKA_EC_PARAMS, params)];
        token
            .generate_key_pair(session, mechanism, &public, &[])
            .map(drop)
    };
    for name in [
        CURVE25519,
        b"\x13\x0acurve25519",
        b"\x06\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01",
    ] {
        pair(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, name).unwrap();
        assert_eq!(
            pair(CKM_EC_KEY_PAIR_GEN, name).unwrap_err(),
            CKR_CURVE_NOT_SUPPORTED
        );
    }
    let refused = pair(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CURVES[0].0);
    assert_eq!(refused.unwrap_err(), CKR_CURVE_NOT_SUPPORTED);
}

fn a_key_of_extra_bits_signs_like_any_other() {
    let (token, session) = Token::with_user();
    let public = [bytes(CKA_EC_PARAMS, CURVES[0].0), flag(CKA_VERIFY, true)];
    let pair = token.generate_key_pair(
        session,
        CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS,
        &public,
        &[flag(CKA_SIGN, true)],
    );
    let (public, private) = pair.unwrap();
    let signature = token.sign(session, CKM_ECDSA, private, &[7; 32]).unwrap();
    assert_eq!(
        token.check(session, CKM_ECDSA, public, &[7; 32], &signature),
        Rv::OK
    );
    let made = token.read_number(session, private, CKA_KEY_GEN_MECHANISM);
    assert_eq!(made.unwrap(), CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS);
}
