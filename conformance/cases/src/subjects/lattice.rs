// SPDX-License-Identifier: MIT
//! ML-DSA and ML-KEM: keys, signatures, secrets that two sides share, and everything that is wrong with them.
//!
//! The published vectors are played beside them, in `lattice_vectors`.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::signatures::hold;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, Mech, bytes, flag, number};
use keyenclave_conformance::token::Token;

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
    "ml-dsa.sensitive" => a_sensitive_seed_is_not_shown::<0>, "ML-DSA private key objects",
        [CKM_ML_DSA_KEY_PAIR_GEN], [];
    "ml-kem.agree.512" => both_sides_of_ml_kem_have_one_secret::<CKP_ML_KEM_512>, "ML-KEM Key Agreement",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [];
    "ml-kem.agree.768" => both_sides_of_ml_kem_have_one_secret::<CKP_ML_KEM_768>, "ML-KEM Key Agreement",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [];
    "ml-kem.agree.1024" => both_sides_of_ml_kem_have_one_secret::<CKP_ML_KEM_1024>, "ML-KEM Key Agreement",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [];
    "ml-kem.rejection" => a_changed_ciphertext_gives_another_secret_and_a_short_one_none, "ML-KEM Key Agreement",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [];
    "ml-kem.length" => the_length_of_a_ciphertext_is_told_and_no_key_is_made, "C_EncapsulateKey",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [];
    "ml-kem.new-key" => an_encapsulated_key_has_the_attributes_that_the_function_gives, "C_EncapsulateKey",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [];
    "ml-kem.flags" => ml_kem_keys_without_the_flag_are_not_used, "C_DecapsulateKey",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [];
    "ml-kem.templates" => a_template_that_a_secret_does_not_fit_is_refused, "C_EncapsulateKey",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [Own];
    "ml-kem.import" => an_ml_kem_key_comes_back_from_its_seed_and_its_value, "ML-KEM private key objects",
        [CKM_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN], [];
    "ml-kem.sensitive" => a_sensitive_seed_is_not_shown::<1>, "ML-KEM private key objects",
        [CKM_ML_KEM_KEY_PAIR_GEN], [];
}

const DATA: &[u8] = &[0x5a; 150];
/// What ML-KEM makes, in bytes.
const SECRET: usize = 32;

/// A pair for signing that can be read.
fn signing(token: &Token, session: CK_SESSION_HANDLE, set: CK_ULONG) -> (CK_ULONG, CK_ULONG) {
    let public = [number(CKA_PARAMETER_SET, set), flag(CKA_VERIFY, true)];
    let pair = token.generate_key_pair(session, CKM_ML_DSA_KEY_PAIR_GEN, &public, &readable(CKA_SIGN));
    pair.expect("an ML-DSA key pair")
}

/// A pair for encapsulation that can be read.
fn agreeing(token: &Token, session: CK_SESSION_HANDLE, set: CK_ULONG) -> (CK_ULONG, CK_ULONG) {
    let public = [number(CKA_PARAMETER_SET, set), flag(CKA_ENCAPSULATE, true)];
    let private = readable(CKA_DECAPSULATE);
    let pair = token.generate_key_pair(session, CKM_ML_KEM_KEY_PAIR_GEN, &public, &private);
    pair.expect("an ML-KEM key pair")
}

fn readable(usage: CK_ATTRIBUTE_TYPE) -> [Attr; 3] {
    [
        flag(usage, true),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ]
}

pub(super) fn secret() -> [Attr; 4] {
    [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ]
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
        assert!(
            [CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID].contains(&rv.0),
            "{rv:?}"
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

/// A private key from some of a key's parts.
pub(super) fn import(
    token: &Token,
    session: CK_SESSION_HANDLE,
    (kind, set): (CK_KEY_TYPE, CK_ULONG),
    parts: &[(CK_ATTRIBUTE_TYPE, &[u8])],
) -> Result<CK_ULONG, Rv> {
    let mut template = vec![
        number(CKA_CLASS, CKO_PRIVATE_KEY),
        number(CKA_KEY_TYPE, kind),
        number(CKA_PARAMETER_SET, set),
    ];
    template.extend(readable(if kind == CKK_ML_DSA {
        CKA_SIGN
    } else {
        CKA_DECAPSULATE
    }));
    template.extend(parts.iter().map(|(id, value)| bytes(*id, *value)));
    token.create_object(session, &template)
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

pub(super) fn public_key(
    token: &Token,
    session: CK_SESSION_HANDLE,
    (kind, set): (CK_KEY_TYPE, CK_ULONG),
    value: &[u8],
) -> Result<CK_ULONG, Rv> {
    let usage = if kind == CKK_ML_DSA {
        CKA_VERIFY
    } else {
        CKA_ENCAPSULATE
    };
    let template = [
        number(CKA_CLASS, CKO_PUBLIC_KEY),
        number(CKA_KEY_TYPE, kind),
        number(CKA_PARAMETER_SET, set),
        flag(usage, true),
        bytes(CKA_VALUE, value),
    ];
    token.create_object(session, &template)
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
    wrong_set.expect_err("a key of another parameter set");
    public_key(&token, session, (CKK_ML_DSA, CKP_ML_DSA_65), &public).expect_err("the same of a public key");
    public_key(&token, session, (CKK_ML_DSA, CKP_ML_DSA_44), &public[1..]).expect_err("a short public key");
    import(&token, session, (CKK_ML_DSA, CKP_ML_DSA_44), &[]).expect_err("neither seed nor value");
    let pair = |attrs: &[Attr]| token.generate_key_pair(session, CKM_ML_DSA_KEY_PAIR_GEN, attrs, &[]);
    assert_eq!(pair(&[]).unwrap_err(), CKR_TEMPLATE_INCOMPLETE);
    for set in [0, 4] {
        let refused = pair(&[number(CKA_PARAMETER_SET, set)]).unwrap_err();
        let refusals = [CKR_PARAMETER_SET_NOT_SUPPORTED, CKR_ATTRIBUTE_VALUE_INVALID];
        assert!(refusals.contains(&refused.0), "{refused:?}");
    }
}

fn a_sensitive_seed_is_not_shown<const SCHEME: usize>() {
    let (token, session) = Token::with_user();
    let (mechanism, set) = [
        (CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_44),
        (CKM_ML_KEM_KEY_PAIR_GEN, CKP_ML_KEM_512),
    ][SCHEME];
    for private in [
        [flag(CKA_SENSITIVE, true), flag(CKA_EXTRACTABLE, true)],
        [flag(CKA_SENSITIVE, false), flag(CKA_EXTRACTABLE, false)],
    ] {
        let public = [number(CKA_PARAMETER_SET, set)];
        let (_, key) = token
            .generate_key_pair(session, mechanism, &public, &private)
            .unwrap();
        for id in [CKA_SEED, CKA_VALUE] {
            assert_eq!(token.read(session, key, id).unwrap_err(), CKR_ATTRIBUTE_SENSITIVE);
        }
    }
}

fn both_sides_of_ml_kem_have_one_secret<const SET: CK_ULONG>() {
    let (token, session) = Token::with_user();
    let (public, private) = agreeing(&token, session, SET);
    let (ciphertext, one) = token.encapsulate(session, CKM_ML_KEM, public, &secret()).unwrap();
    let len = match SET {
        CKP_ML_KEM_512 => 768,
        CKP_ML_KEM_768 => 1088,
        _ => 1568,
    };
    assert_eq!(ciphertext.len(), len);
    let other = token
        .decapsulate(session, CKM_ML_KEM, private, &secret(), &ciphertext)
        .unwrap();
    let [one, other] = [one, other].map(|key| token.read(session, key, CKA_VALUE).unwrap());
    assert_eq!((one.len(), &one), (SECRET, &other));
    let (_, third) = token.encapsulate(session, CKM_ML_KEM, public, &secret()).unwrap();
    assert_ne!(token.read(session, third, CKA_VALUE).unwrap(), one);
}

fn a_changed_ciphertext_gives_another_secret_and_a_short_one_none() {
    let (token, session) = Token::with_user();
    let (public, private) = agreeing(&token, session, CKP_ML_KEM_768);
    let (ciphertext, one) = token.encapsulate(session, CKM_ML_KEM, public, &secret()).unwrap();
    let open = |ciphertext: &[u8]| token.decapsulate(session, CKM_ML_KEM, private, &secret(), ciphertext);
    let value = |key| token.read(session, key, CKA_VALUE).unwrap();
    let mut changed = ciphertext.clone();
    changed[5] ^= 4;
    let (first, again) = (value(open(&changed).unwrap()), value(open(&changed).unwrap()));
    assert_eq!(
        first, again,
        "the secret of a rejected ciphertext is the same every time"
    );
    assert_ne!(first, value(one));
    for wrong in [&ciphertext[1..], &[&ciphertext[..], &[0]].concat(), &[]] {
        open(wrong).expect_err("a ciphertext of another length");
    }
}

fn the_length_of_a_ciphertext_is_told_and_no_key_is_made() {
    let (token, session) = Token::with_user();
    let (public, _) = agreeing(&token, session, CKP_ML_KEM_768);
    let secrets = || {
        assert_eq!(
            token.find_init(session, &[number(CKA_CLASS, CKO_SECRET_KEY)]),
            Rv::OK
        );
        let found = token.find_next(session, 9).unwrap().len();
        assert_eq!(token.find_final(session), Rv::OK);
        found
    };
    let before = secrets();
    let ask = |room| token.encapsulate_into(session, CKM_ML_KEM, public, &secret(), room);
    let (rv, len, ..) = ask(None);
    assert_eq!((rv, len), (Rv::OK, 1088));
    let (rv, len, ..) = ask(Some(1087));
    assert_eq!((rv, len), (Rv(CKR_BUFFER_TOO_SMALL), 1088));
    assert_eq!(secrets(), before);
    let (rv, len, ..) = ask(Some(2000));
    assert_eq!((rv, len), (Rv::OK, 1088));
    assert_eq!(secrets(), before + 1);
}

fn an_encapsulated_key_has_the_attributes_that_the_function_gives() {
    let (token, session) = Token::with_user();
    let (public, private) = agreeing(&token, session, CKP_ML_KEM_512);
    let template = [number(CKA_CLASS, CKO_SECRET_KEY), number(CKA_KEY_TYPE, CKK_AES)];
    let (ciphertext, one) = token.encapsulate(session, CKM_ML_KEM, public, &template).unwrap();
    let other = token
        .decapsulate(session, CKM_ML_KEM, private, &template, &ciphertext)
        .unwrap();
    for key in [one, other] {
        for (id, value) in [
            (CKA_LOCAL, false),
            (CKA_ALWAYS_SENSITIVE, false),
            (CKA_NEVER_EXTRACTABLE, false),
            (CKA_EXTRACTABLE, true),
        ] {
            assert_eq!(
                token.read(session, key, id).unwrap(),
                [u8::from(value)],
                "{id:#x}"
            );
        }
        let len = token.read(session, key, CKA_VALUE_LEN).unwrap();
        assert_eq!(len, (SECRET as CK_ULONG).to_ne_bytes());
    }
    let iv = Mech::with(CKM_AES_CBC_PAD, [0; 16]);
    let sealed = token.encrypt(session, iv.clone(), one, DATA).unwrap();
    assert_eq!(token.decrypt(session, iv, other, &sealed).unwrap(), DATA);
}

fn ml_kem_keys_without_the_flag_are_not_used() {
    let (token, session) = Token::with_user();
    let public = [
        number(CKA_PARAMETER_SET, CKP_ML_KEM_512),
        flag(CKA_ENCAPSULATE, false),
    ];
    let private = [flag(CKA_DECAPSULATE, false)];
    let pair = token.generate_key_pair(session, CKM_ML_KEM_KEY_PAIR_GEN, &public, &private);
    let (public, private) = pair.unwrap();
    token
        .encapsulate(session, CKM_ML_KEM, public, &secret())
        .expect_err("CKA_ENCAPSULATE is false");
    token
        .decapsulate(session, CKM_ML_KEM, private, &secret(), &[0; 768])
        .expect_err("CKA_DECAPSULATE is false");
}

fn a_template_that_a_secret_does_not_fit_is_refused() {
    let (token, session) = Token::with_user();
    let (public, private) = agreeing(&token, session, CKP_ML_KEM_512);
    let (ciphertext, _) = token.encapsulate(session, CKM_ML_KEM, public, &secret()).unwrap();
    for (wrong, refusal) in [
        (number(CKA_VALUE_LEN, 16), CKR_TEMPLATE_INCONSISTENT),
        (bytes(CKA_VALUE, [0; SECRET]), CKR_ATTRIBUTE_READ_ONLY),
    ] {
        let template = [&secret()[..], &[wrong]].concat();
        let sent = token.encapsulate(session, CKM_ML_KEM, public, &template);
        assert_eq!(sent.unwrap_err(), refusal);
        let received = token.decapsulate(session, CKM_ML_KEM, private, &template, &ciphertext);
        assert_eq!(received.unwrap_err(), refusal);
    }
    let (_, signing) = signing_pair_of_another_kind(&token, session);
    let wrong = token.decapsulate(session, CKM_ML_KEM, signing, &secret(), &ciphertext);
    assert_eq!(wrong.unwrap_err(), CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
    let wrong = token.encapsulate(session, CKM_ML_DSA, public, &secret());
    assert_eq!(wrong.unwrap_err(), CKR_MECHANISM_INVALID);
}

fn signing_pair_of_another_kind(token: &Token, session: CK_SESSION_HANDLE) -> (CK_ULONG, CK_ULONG) {
    token.ec(session, keyenclave_conformance::token::CURVES[0].0, &[])
}

fn an_ml_kem_key_comes_back_from_its_seed_and_its_value() {
    let (token, session) = Token::with_user();
    for set in [CKP_ML_KEM_512, CKP_ML_KEM_768, CKP_ML_KEM_1024] {
        let (public, private) = agreeing(&token, session, set);
        let [seed, value] = [CKA_SEED, CKA_VALUE].map(|id| token.read(session, private, id).unwrap());
        assert_eq!(seed.len(), 64);
        let point = token.read(session, public, CKA_VALUE).unwrap();
        let public = public_key(&token, session, (CKK_ML_KEM, set), &point).unwrap();
        let (ciphertext, one) = token.encapsulate(session, CKM_ML_KEM, public, &secret()).unwrap();
        let one = token.read(session, one, CKA_VALUE).unwrap();
        let both: &[(CK_ATTRIBUTE_TYPE, &[u8])] = &[(CKA_SEED, &seed), (CKA_VALUE, &value)];
        for parts in [both, &both[1..]] {
            let key = import(&token, session, (CKK_ML_KEM, set), parts).unwrap();
            let other = token
                .decapsulate(session, CKM_ML_KEM, key, &secret(), &ciphertext)
                .unwrap();
            assert_eq!(token.read(session, other, CKA_VALUE).unwrap(), one);
        }
        public_key(&token, session, (CKK_ML_KEM, set), &point[1..]).expect_err("a short public key");
    }
}
