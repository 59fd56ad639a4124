// SPDX-License-Identifier: MIT
//! ML-DSA: keys and signatures, and everything that is wrong with them.
//!
//! Wycheproof's vectors are put to modules apart, in [`crate::wycheproof`].

use crate::case::cases;
use crate::subjects::lattice_keys::{UNFIT_PART, import, public_key, readable};
use crate::subjects::signatures::{DATA, hold};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Mech, flag, number};
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Refused, Rv};

cases! {
    "ml-dsa.sign.44" => an_ml_dsa_signature_verifies_and_nothing_else_does::<CKP_ML_DSA_44>, "ML-DSA Signature",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.sign.65" => an_ml_dsa_signature_verifies_and_nothing_else_does::<CKP_ML_DSA_65>, "ML-DSA Signature",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.sign.87" => an_ml_dsa_signature_verifies_and_nothing_else_does::<CKP_ML_DSA_87>, "ML-DSA Signature",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hedge" => an_ml_dsa_signature_is_random_or_not_as_the_parameter_says, "ML-DSA Signature",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.context" => a_context_belongs_to_an_ml_dsa_signature, "ML-DSA Signature",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.parts" => an_ml_dsa_signature_is_made_and_verified_in_parts, "ML-DSA Signature",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.parameters" => ml_dsa_parameters_that_are_none_are_refused, "ML-DSA Signature",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash" => a_hash_is_signed_as_the_token_would_have_made_it, "HashML-DSA Signature",
        [CKM_HASH_ML_DSA, CKM_HASH_ML_DSA_SHA384, CKM_SHA384, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.sha224" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHA224>, "HashML-DSA Signature with hashing",
        [CKM_HASH_ML_DSA_SHA224, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.sha256" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHA256>, "HashML-DSA Signature with hashing",
        [CKM_HASH_ML_DSA_SHA256, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.sha384" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHA384>, "HashML-DSA Signature with hashing",
        [CKM_HASH_ML_DSA_SHA384, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.sha512" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHA512>, "HashML-DSA Signature with hashing",
        [CKM_HASH_ML_DSA_SHA512, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.sha3-224" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHA3_224>,
        "HashML-DSA Signature with hashing", [CKM_HASH_ML_DSA_SHA3_224, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.sha3-256" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHA3_256>,
        "HashML-DSA Signature with hashing", [CKM_HASH_ML_DSA_SHA3_256, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.sha3-384" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHA3_384>,
        "HashML-DSA Signature with hashing", [CKM_HASH_ML_DSA_SHA3_384, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.sha3-512" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHA3_512>,
        "HashML-DSA Signature with hashing", [CKM_HASH_ML_DSA_SHA3_512, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.shake128" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHAKE128>,
        "HashML-DSA Signature with hashing", [CKM_HASH_ML_DSA_SHAKE128, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.hash.shake256" => a_hashed_message_is_signed::<CKM_HASH_ML_DSA_SHAKE256>,
        "HashML-DSA Signature with hashing", [CKM_HASH_ML_DSA_SHAKE256, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.import" => an_ml_dsa_key_comes_back_from_its_seed_and_its_value, "ML-DSA private key objects",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-dsa.keys" => ml_dsa_keys_that_are_none_are_refused, "ML-DSA key pair generation",
        [CKM_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN], [];
}

/// A pair for signing that can be read.
fn signing(token: &Token, session: CK_SESSION_HANDLE, set: CK_ULONG) -> (CK_ULONG, CK_ULONG) {
    let public = [number(CKA_PARAMETER_SET, set), flag(CKA_VERIFY, true)];
    let pair = token.generate_key_pair(session, CKM_ML_DSA_KEY_PAIR_GEN, &public, &readable(CKA_SIGN));
    pair.expect("an ML-DSA key pair")
}

fn hedged(mechanism: CK_MECHANISM_TYPE, hedge: CK_HEDGE_TYPE, context: &[u8]) -> Mech {
    Mech::sign_context(mechanism, hedge, context, None)
}

fn an_ml_dsa_signature_verifies_and_nothing_else_does<const SET: CK_ULONG>() {
    let (token, session) = Token::with_user();
    let (public, private) = signing(&token, session, SET);
    let signature = token.sign(session, CKM_ML_DSA, private, DATA).unwrap();
    let len = match SET {
        CKP_ML_DSA_44 => 2420,
        CKP_ML_DSA_65 => 3309,
        _ => 4627,
    };
    assert_eq!(signature.len(), len);
    hold(&token, session, public, &CKM_ML_DSA.into(), DATA, &signature);
    for wrong in [&signature[1..], &[&signature[..], &[0]].concat(), &[]] {
        let rv = token.check(session, CKM_ML_DSA, public, DATA, wrong);
        rv.refused_with(
            &[CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID],
            format!("{} bytes", wrong.len()),
        );
    }
    let (other, _) = signing(&token, session, SET);
    let rv = token.check(session, CKM_ML_DSA, other, DATA, &signature);
    assert_eq!(rv, CKR_SIGNATURE_INVALID);
    let empty = token.sign(session, CKM_ML_DSA, private, &[]).unwrap();
    assert_eq!(token.check(session, CKM_ML_DSA, public, &[], &empty), Rv::OK);
}

fn an_ml_dsa_signature_is_random_or_not_as_the_parameter_says() {
    let (token, session) = Token::with_user();
    let (public, private) = signing(&token, session, CKP_ML_DSA_44);
    let sign = |hedge| {
        token
            .sign(session, hedged(CKM_ML_DSA, hedge, b""), private, DATA)
            .unwrap()
    };
    assert_ne!(sign(CKH_HEDGE_REQUIRED), sign(CKH_HEDGE_REQUIRED));
    let deterministic = sign(CKH_DETERMINISTIC_REQUIRED);
    assert_eq!(sign(CKH_DETERMINISTIC_REQUIRED), deterministic);
    for hedge in [
        CKH_HEDGE_PREFERRED,
        CKH_HEDGE_REQUIRED,
        CKH_DETERMINISTIC_REQUIRED,
    ] {
        let mech = hedged(CKM_ML_DSA, hedge, b"");
        assert_eq!(token.check(session, mech, public, DATA, &deterministic), Rv::OK);
    }
}

fn a_context_belongs_to_an_ml_dsa_signature() {
    let (token, session) = Token::with_user();
    let (public, private) = signing(&token, session, CKP_ML_DSA_65);
    for context in [&b"context"[..], &[7; 255]] {
        let mech = hedged(CKM_ML_DSA, CKH_HEDGE_PREFERRED, context);
        let signature = token.sign(session, mech.clone(), private, DATA).unwrap();
        hold(&token, session, public, &mech, DATA, &signature);
        for other in [&b""[..], b"another", &context[1..]] {
            let mech = hedged(CKM_ML_DSA, CKH_HEDGE_PREFERRED, other);
            let rv = token.check(session, mech, public, DATA, &signature);
            assert_eq!(rv, CKR_SIGNATURE_INVALID);
        }
    }
}

fn an_ml_dsa_signature_is_made_and_verified_in_parts() {
    let (token, session) = Token::with_user();
    let (public, private) = signing(&token, session, CKP_ML_DSA_65);
    let mech = || hedged(CKM_ML_DSA, CKH_DETERMINISTIC_REQUIRED, b"c");
    let whole = token.sign(session, mech(), private, DATA).unwrap();
    let parts = token.sign_parts(session, mech(), private, DATA, 64).unwrap();
    assert_eq!(parts, whole);
    token
        .check_parts(session, mech(), public, (DATA, 7), &whole)
        .unwrap();
    let refused = token.check_parts(session, mech(), public, (&DATA[1..], 7), &whole);
    assert_eq!(refused.unwrap_err(), CKR_SIGNATURE_INVALID);
}

fn ml_dsa_parameters_that_are_none_are_refused() {
    let (token, session) = Token::with_user();
    let (_, private) = signing(&token, session, CKP_ML_DSA_44);
    for mech in [
        hedged(CKM_ML_DSA, CKH_HEDGE_PREFERRED, &[1; 256]),
        hedged(CKM_ML_DSA, 3, b""),
        Mech::with(CKM_ML_DSA, [0; 23]),
        Mech::with(CKM_ML_DSA, [0; 25]),
    ] {
        let rv = token.sign_init(session, mech.clone(), private);
        assert_eq!(rv, CKR_MECHANISM_PARAM_INVALID, "{mech:?}");
    }
}

fn a_hash_is_signed_as_the_token_would_have_made_it() {
    let (token, session) = Token::with_user();
    let (public, private) = signing(&token, session, CKP_ML_DSA_65);
    assert_eq!(token.digest_init(session, CKM_SHA384), Rv::OK);
    let digest = keyenclave_conformance::two_calls(|out| token.digest_into(session, DATA, out)).unwrap();
    let deterministic = CKH_DETERMINISTIC_REQUIRED;
    let given = Mech::sign_context(CKM_HASH_ML_DSA, deterministic, b"c", Some(CKM_SHA384));
    let hashing = hedged(CKM_HASH_ML_DSA_SHA384, deterministic, b"c");
    let signature = token.sign(session, given.clone(), private, &digest).unwrap();
    assert_eq!(
        token.sign(session, hashing.clone(), private, DATA).unwrap(),
        signature
    );
    hold(&token, session, public, &given, &digest, &signature);
    hold(&token, session, public, &hashing, DATA, &signature);
    let as_message = token.check(session, hedged(CKM_ML_DSA, 0, b"c"), public, &digest, &signature);
    assert_eq!(as_message, CKR_SIGNATURE_INVALID, "a hash is no message");
    let long = token.sign(session, given.clone(), private, DATA);
    assert_eq!(long.unwrap_err(), CKR_DATA_LEN_RANGE);
    for hash in [CKM_RSA_PKCS, CKM_SHA_1] {
        let mech = Mech::sign_context(CKM_HASH_ML_DSA, deterministic, b"", Some(hash));
        assert_eq!(
            token.sign_init(session, mech, private),
            CKR_MECHANISM_PARAM_INVALID
        );
    }
    let none = token.sign_init(session, CKM_HASH_ML_DSA, private);
    assert_eq!(
        none, CKR_MECHANISM_PARAM_INVALID,
        "its parameter may not be missing"
    );
}

fn a_hashed_message_is_signed<const MECHANISM: CK_MECHANISM_TYPE>() {
    let (token, session) = Token::with_user();
    let (public, private) = signing(&token, session, CKP_ML_DSA_44);
    let signature = token.sign(session, MECHANISM, private, DATA).unwrap();
    hold(&token, session, public, &MECHANISM.into(), DATA, &signature);
    let pure = token.check(session, CKM_ML_DSA, public, DATA, &signature);
    assert_eq!(pure, CKR_SIGNATURE_INVALID, "a hashed message is not the message");
    let mech = || hedged(MECHANISM, CKH_DETERMINISTIC_REQUIRED, b"c");
    let whole = token.sign(session, mech(), private, DATA).unwrap();
    assert_eq!(
        token.sign_parts(session, mech(), private, DATA, 9).unwrap(),
        whole
    );
    token
        .check_parts(session, mech(), public, (DATA, 8), &whole)
        .unwrap();
}

fn an_ml_dsa_key_comes_back_from_its_seed_and_its_value() {
    let (token, session) = Token::with_user();
    for set in [CKP_ML_DSA_44, CKP_ML_DSA_65, CKP_ML_DSA_87] {
        let (public, private) = signing(&token, session, set);
        let [seed, value] = [CKA_SEED, CKA_VALUE].map(|id| token.read(session, private, id).unwrap());
        assert_eq!(seed.len(), 32);
        let both: &[(CK_ATTRIBUTE_TYPE, &[u8])] = &[(CKA_SEED, &seed), (CKA_VALUE, &value)];
        let mech = || hedged(CKM_ML_DSA, CKH_DETERMINISTIC_REQUIRED, b"");
        let signature = token.sign(session, mech(), private, DATA).unwrap();
        for parts in [both, &both[1..]] {
            let key = import(&token, session, (CKK_ML_DSA, set), parts).unwrap();
            assert_eq!(token.sign(session, mech(), key, DATA).unwrap(), signature);
        }
        let value = token.read(session, public, CKA_VALUE).unwrap();
        let public = public_key(&token, session, (CKK_ML_DSA, set), &value).unwrap();
        hold(&token, session, public, &CKM_ML_DSA.into(), DATA, &signature);
    }
}

fn ml_dsa_keys_that_are_none_are_refused() {
    let (token, session) = Token::with_user();
    let (public, private) = signing(&token, session, CKP_ML_DSA_44);
    let [public, value] = [public, private].map(|key| token.read(session, key, CKA_VALUE).unwrap());
    let wrong_set = import(
        &token,
        session,
        (CKK_ML_DSA, CKP_ML_DSA_65),
        &[(CKA_VALUE, &value)],
    );
    wrong_set.refused_with(&UNFIT_PART, "a key of another parameter set");
    let wrong_set = public_key(&token, session, (CKK_ML_DSA, CKP_ML_DSA_65), &public);
    wrong_set.refused_with(&UNFIT_PART, "the same of a public key");
    let short = public_key(&token, session, (CKK_ML_DSA, CKP_ML_DSA_44), &public[1..]);
    short.refused_with(&UNFIT_PART, "a short public key");
    let none = import(&token, session, (CKK_ML_DSA, CKP_ML_DSA_44), &[]);
    none.refused_with(&[CKR_TEMPLATE_INCOMPLETE], "neither seed nor value");
    let pair = |attrs: &[Attr]| token.generate_key_pair(session, CKM_ML_DSA_KEY_PAIR_GEN, attrs, &[]);
    assert_eq!(pair(&[]).unwrap_err(), CKR_TEMPLATE_INCOMPLETE);
    for set in [0, 4] {
        let refusals = [CKR_PARAMETER_SET_NOT_SUPPORTED, CKR_ATTRIBUTE_VALUE_INVALID];
        pair(&[number(CKA_PARAMETER_SET, set)]).refused_with(&refusals, set);
    }
}
