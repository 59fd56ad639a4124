// SPDX-License-Identifier: MIT
//! ML-KEM: keys, and secrets that two sides share, and everything that is wrong with them.
//!
//! Wycheproof's vectors are put to modules apart, in [`crate::wycheproof`].

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::lattice_keys::{UNFIT_PART, import, public_key, readable};
use crate::subjects::signatures::DATA;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Mech, bytes, flag, number};
use keyenclave_conformance::token::{Token, shown};
use keyenclave_conformance::{Refused, Rv};

cases! {
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
}

/// What ML-KEM makes, in bytes.
const SECRET: usize = 32;

/// A pair for encapsulation that can be read.
fn agreeing(token: &Token, session: CK_SESSION_HANDLE, set: CK_ULONG) -> (CK_ULONG, CK_ULONG) {
    let public = [number(CKA_PARAMETER_SET, set), flag(CKA_ENCAPSULATE, true)];
    let private = readable(CKA_DECAPSULATE);
    let pair = token.generate_key_pair(session, CKM_ML_KEM_KEY_PAIR_GEN, &public, &private);
    pair.expect("an ML-KEM key pair")
}

fn both_sides_of_ml_kem_have_one_secret<const SET: CK_ULONG>() {
    let (token, session) = Token::with_user();
    let (public, private) = agreeing(&token, session, SET);
    let (ciphertext, one) = token
        .encapsulate(session, CKM_ML_KEM, public, &shown(None))
        .unwrap();
    let len = match SET {
        CKP_ML_KEM_512 => 768,
        CKP_ML_KEM_768 => 1088,
        _ => 1568,
    };
    assert_eq!(ciphertext.len(), len);
    let other = token
        .decapsulate(session, CKM_ML_KEM, private, &shown(None), &ciphertext)
        .unwrap();
    let [one, other] = [one, other].map(|key| token.read(session, key, CKA_VALUE).unwrap());
    assert_eq!((one.len(), &one), (SECRET, &other));
    let (_, third) = token
        .encapsulate(session, CKM_ML_KEM, public, &shown(None))
        .unwrap();
    assert_ne!(token.read(session, third, CKA_VALUE).unwrap(), one);
}

fn a_changed_ciphertext_gives_another_secret_and_a_short_one_none() {
    let (token, session) = Token::with_user();
    let (public, private) = agreeing(&token, session, CKP_ML_KEM_768);
    let (ciphertext, one) = token
        .encapsulate(session, CKM_ML_KEM, public, &shown(None))
        .unwrap();
    let open = |ciphertext: &[u8]| token.decapsulate(session, CKM_ML_KEM, private, &shown(None), ciphertext);
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
        let right = [
            CKR_WRAPPED_KEY_LEN_RANGE,
            CKR_WRAPPED_KEY_INVALID,
            CKR_ARGUMENTS_BAD,
        ];
        open(wrong).refused_with(&right, format!("{} bytes", wrong.len()));
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
    let ask = |room| token.encapsulate_into(session, CKM_ML_KEM, public, &shown(None), room);
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
        .encapsulate(session, CKM_ML_KEM, public, &shown(None))
        .refused_with(&[CKR_KEY_FUNCTION_NOT_PERMITTED], "CKA_ENCAPSULATE is false");
    token
        .decapsulate(session, CKM_ML_KEM, private, &shown(None), &[0; 768])
        .refused_with(&[CKR_KEY_FUNCTION_NOT_PERMITTED], "CKA_DECAPSULATE is false");
}

fn a_template_that_a_secret_does_not_fit_is_refused() {
    let (token, session) = Token::with_user();
    let (public, private) = agreeing(&token, session, CKP_ML_KEM_512);
    let (ciphertext, _) = token
        .encapsulate(session, CKM_ML_KEM, public, &shown(None))
        .unwrap();
    for (wrong, refusal) in [
        (number(CKA_VALUE_LEN, 16), CKR_TEMPLATE_INCONSISTENT),
        (bytes(CKA_VALUE, [0; SECRET]), CKR_ATTRIBUTE_READ_ONLY),
    ] {
        let template = [&shown(None)[..], &[wrong]].concat();
        let sent = token.encapsulate(session, CKM_ML_KEM, public, &template);
        assert_eq!(sent.unwrap_err(), refusal);
        let received = token.decapsulate(session, CKM_ML_KEM, private, &template, &ciphertext);
        assert_eq!(received.unwrap_err(), refusal);
    }
    let (_, signing) = signing_pair_of_another_kind(&token, session);
    let wrong = token.decapsulate(session, CKM_ML_KEM, signing, &shown(None), &ciphertext);
    assert_eq!(wrong.unwrap_err(), CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
    let wrong = token.encapsulate(session, CKM_ML_DSA, public, &shown(None));
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
        let (ciphertext, one) = token
            .encapsulate(session, CKM_ML_KEM, public, &shown(None))
            .unwrap();
        let one = token.read(session, one, CKA_VALUE).unwrap();
        let both: &[(CK_ATTRIBUTE_TYPE, &[u8])] = &[(CKA_SEED, &seed), (CKA_VALUE, &value)];
        for parts in [both, &both[1..]] {
            let key = import(&token, session, (CKK_ML_KEM, set), parts).unwrap();
            let other = token
                .decapsulate(session, CKM_ML_KEM, key, &shown(None), &ciphertext)
                .unwrap();
            assert_eq!(token.read(session, other, CKA_VALUE).unwrap(), one);
        }
        let short = public_key(&token, session, (CKK_ML_KEM, set), &point[1..]);
        short.refused_with(&UNFIT_PART, "a short public key");
    }
}
