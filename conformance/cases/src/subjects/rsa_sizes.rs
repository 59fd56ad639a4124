// SPDX-License-Identifier: MIT
//! The smallest and the largest RSA keys: what is told of them must work.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::signatures::hold;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, flag, number};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Rv, rsa, two_calls};

cases! {
    "rsa.sizes" => rsa_keys_have_512_to_16384_bits, "PKCS #1 RSA key pair generation",
        [CKM_RSA_PKCS_KEY_PAIR_GEN], [Own];
    "rsa.sizes.512.made" => the_smallest_rsa_key_is_made_and_used, "PKCS #1 RSA key pair generation",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_RSA_X_509], [Own];
    "rsa.sizes.512" => a_fixed_rsa_key_does_as_openssl_did::<0>, "RSA private key objects",
        [CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS], [Own];
    "rsa.sizes.16384" => a_fixed_rsa_key_does_as_openssl_did::<1>, "RSA private key objects",
        [CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS], [Own];
    "rsa.sizes.hash" => a_hash_that_does_not_fit_into_the_modulus_is_refused,
        "PKCS #1 v1.5 RSA signature with hashing", [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_SHA512_RSA_PKCS], [Own];
}

/// A key that OpenSSL made (RFC 8017, appendix A.1.2), and what it made with it.
struct Fixed {
    key: &'static [u8],
    bits: CK_ULONG,
    /// SHA-256 of the PKCS #1 v1.5 signature of [`DATA`] with SHA-256.
    signature: &'static str,
}

const FIXED: [Fixed; 2] = [
    Fixed {
        key: include_bytes!("rsa_512.der"),
        bits: 512,
        signature: "e25cb5fa6ed62755547ff7683f528107d1a0295f2669a9d41321d044b801a0ba",
    },
    Fixed {
        key: include_bytes!("rsa_16384.der"),
        bits: 16384,
        signature: "1c683f53266b21c85a6f7fb171452803b34052765621ed790635b19bde73d610",
    },
];

const DATA: &[u8] = b"sample";

fn rsa_keys_have_512_to_16384_bits() {
    let (token, session) = Token::with_user();
    for kind in [
        CKM_RSA_PKCS_KEY_PAIR_GEN,
        CKM_RSA_PKCS,
        CKM_RSA_X_509,
        CKM_SHA256_RSA_PKCS,
    ] {
        let info = token.mechanism_info(token.slot, kind).unwrap();
        assert_eq!((info.ulMinKeySize, info.ulMaxKeySize), (512, 16384), "{kind:#x}");
    }
    for bits in [0, 384, 511, 513, 2047, 2049, 16385, 16512, CK_ULONG::MAX] {
        let public = [number(CKA_MODULUS_BITS, bits)];
        let refused = token.generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &[]);
        assert_eq!(refused.unwrap_err(), CKR_ATTRIBUTE_VALUE_INVALID, "{bits}");
    }
}

fn the_smallest_rsa_key_is_made_and_used() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 512, &[]);
    assert_eq!(token.read_number(session, public, CKA_MODULUS_BITS), Ok(512));
    use_it(&token, session, (public, private));
}

/// Signs, verifies, encrypts and decrypts in every way that leaves room for something.
fn use_it(token: &Token, session: CK_SESSION_HANDLE, (public, private): (CK_ULONG, CK_ULONG)) {
    let pss = Mech::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 20);
    for mech in [CKM_RSA_PKCS.into(), CKM_SHA256_RSA_PKCS.into(), pss] {
        let signature = token.sign(session, mech.clone(), private, DATA).unwrap();
        hold(token, session, public, &mech, DATA, &signature);
    }
    let oaep = Mech::oaep(CKM_SHA_1, CKG_MGF1_SHA1, b"");
    for mech in [CKM_RSA_PKCS.into(), oaep] {
        let sealed = token.encrypt(session, mech.clone(), public, DATA).unwrap();
        assert_eq!(token.decrypt(session, mech, private, &sealed).unwrap(), DATA);
    }
    let sealed = token.encrypt(session, CKM_RSA_X_509, public, DATA).unwrap();
    let opened = token.decrypt(session, CKM_RSA_X_509, private, &sealed).unwrap();
    assert!(opened.ends_with(DATA) && opened.len() == sealed.len());
}

fn a_fixed_rsa_key_does_as_openssl_did<const KEY: usize>() {
    let fixed = &FIXED[KEY];
    let (token, session) = Token::with_user();
    let numbers = rsa::attributes(rsa::numbers(fixed.key));
    let make = |class, uses: [_; 2], numbers: &[Attr]| {
        let attrs = [number(CKA_CLASS, class), number(CKA_KEY_TYPE, CKK_RSA)];
        let uses = uses.map(|usage| flag(usage, true));
        token
            .create_object(session, &[&attrs, &uses, numbers].concat())
            .unwrap()
    };
    let private = make(CKO_PRIVATE_KEY, [CKA_SIGN, CKA_DECRYPT], &numbers);
    let public = make(CKO_PUBLIC_KEY, [CKA_VERIFY, CKA_ENCRYPT], &numbers[..2]);
    assert_eq!(
        token.read_number(session, public, CKA_MODULUS_BITS),
        Ok(fixed.bits)
    );

    let signature = token.sign(session, CKM_SHA256_RSA_PKCS, private, DATA).unwrap();
    assert_eq!(signature.len() as CK_ULONG * 8, fixed.bits);
    assert_eq!(token.digest_init(session, CKM_SHA256), Rv::OK);
    let digest = two_calls(|out| token.digest_into(session, &signature, out)).unwrap();
    assert_eq!(digest, hex(fixed.signature));
    use_it(&token, session, (public, private));
}

fn a_hash_that_does_not_fit_into_the_modulus_is_refused() {
    let (token, session) = Token::with_user();
    let info = token.mechanism_info(token.slot, CKM_SHA512_RSA_PKCS).unwrap();
    assert_eq!(info.ulMinKeySize, 745);
    let (public, private) = token.rsa_for_all(session, 640, &[]);
    assert_eq!(
        token.sign_init(session, CKM_SHA512_RSA_PKCS, private),
        CKR_KEY_SIZE_RANGE
    );
    assert_eq!(
        token.verify_init(session, CKM_SHA512_RSA_PKCS, public),
        CKR_KEY_SIZE_RANGE
    );
    let (_, private) = token.rsa_for_all(session, 768, &[]);
    assert!(token.sign(session, CKM_SHA512_RSA_PKCS, private, DATA).is_ok());
}
