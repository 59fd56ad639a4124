// SPDX-License-Identifier: MIT
//! Triple DES against NIST's examples, and the keys of it.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::aes_modes::both_ways;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, Mech, Out, bytes, flag, number};
use keyenclave_conformance::published::des::*;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;

cases! {
    "des3.ecb" => des3_ecb_equals_the_published_examples, "Double and Triple-length DES", [CKM_DES3_ECB], [];
    "des3.cbc" => des3_cbc_equals_the_published_example, "Triple-length DES in CBC Mode", [CKM_DES3_CBC], [];
    "des3.cbc-pad" => des3_cbc_pad_takes_data_of_any_length, "Double and Triple-length DES",
        [CKM_DES3_CBC_PAD], [];
    "des3.lengths" => des3_takes_whole_blocks, "C_Encrypt", [CKM_DES3_ECB, CKM_DES3_CBC], [];
    "des3.parameters" => bad_des3_parameters_are_refused, "Double and Triple-length DES",
        [CKM_DES3_ECB, CKM_DES3_CBC, CKM_DES3_CBC_PAD], [Own];
    "des3.short" => a_short_buffer_for_des3_loses_nothing, "C_Encrypt", [CKM_DES3_CBC], [];
    "des3.key-gen" => des3_keys_are_generated_with_odd_parity, "DES3 secret key objects", [CKM_DES3_KEY_GEN], [];
    "des3.parity" => des3_keys_with_wrong_parity_are_refused, "DES3 secret key objects", [CKM_DES3_KEY_GEN], [];
    "des3.check-value" => the_check_value_of_des3_is_an_encrypted_block, "DES3 secret key objects",
        [CKM_DES3_ECB], [];
    "des3.wrap" => des3_wraps_keys, "C_WrapKey", [CKM_DES3_CBC, CKM_DES3_CBC_PAD], [Own];
    "des3.cmac" => des3_cmac_equals_the_published_examples, "DES3-CMAC", [CKM_DES3_CMAC], [];
}

fn cbc(kind: CK_MECHANISM_TYPE) -> Mech {
    Mech::with(kind, hex(IV))
}

/// A secret key that is open for everybody.
fn opened(kind: CK_KEY_TYPE, value: Option<&[u8]>) -> Vec<Attr> {
    let mut attrs = vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        flag(CKA_TOKEN, false),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
        flag(CKA_WRAP, true),
        flag(CKA_UNWRAP, true),
    ];
    attrs.extend(value.map(|value| bytes(CKA_VALUE, value)));
    attrs
}

fn des3_ecb_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for (plain, sealed) in [(&hex(PLAIN)[..], ECB), FOX] {
        let data = (plain, &hex(sealed)[..]);
        let mech = Mech::from(CKM_DES3_ECB);
        both_ways((&token, session), &mech, (CKK_DES3, &hex(KEY)), data, &[1, 8, 11]);
    }
}

fn des3_cbc_equals_the_published_example() {
    let (token, session) = Token::with_user();
    let (plain, sealed) = (hex(PLAIN), hex(CBC));
    let (mech, key) = (cbc(CKM_DES3_CBC), hex(KEY));
    both_ways(
        (&token, session),
        &mech,
        (CKK_DES3, &key),
        (&plain, &sealed),
        &[1, 8, 11],
    );
}

fn des3_cbc_pad_takes_data_of_any_length() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_DES3, &hex(KEY));
    let mech = || cbc(CKM_DES3_CBC_PAD);
    let whole = token
        .encrypt(session, mech(), key, hex(PLAIN).as_slice())
        .unwrap();
    assert_eq!(whole[..32], hex(CBC));
    for len in 0..=17 {
        let plain = &hex(PLAIN)[..len];
        let sealed = token.encrypt(session, mech(), key, plain).unwrap();
        assert_eq!(sealed.len(), len - len % 8 + 8);
        assert_eq!(token.decrypt(session, mech(), key, &sealed).unwrap(), plain);
        let parts = token.encrypt_parts(session, mech(), key, plain, 5).unwrap();
        assert_eq!(parts, sealed, "{len} bytes in parts");
        let torn = token.decrypt(session, mech(), key, &sealed[1..]).unwrap_err();
        assert_eq!(torn, CKR_ENCRYPTED_DATA_LEN_RANGE);
    }
    // The last block of the plain mode's ciphertext has no padding.
    let refused = token
        .decrypt(session, mech(), key, hex(CBC).as_slice())
        .unwrap_err();
    assert_eq!(refused, CKR_ENCRYPTED_DATA_INVALID);
}

fn des3_takes_whole_blocks() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_DES3, &hex(KEY));
    for mech in [Mech::from(CKM_DES3_ECB), cbc(CKM_DES3_CBC)] {
        let data = token.encrypt(session, mech.clone(), key, &[1; 15]).unwrap_err();
        assert_eq!(data, CKR_DATA_LEN_RANGE);
        let data = token.decrypt(session, mech, key, &[1; 15]).unwrap_err();
        assert_eq!(data, CKR_ENCRYPTED_DATA_LEN_RANGE);
    }
}

fn bad_des3_parameters_are_refused() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_DES3, &hex(KEY));
    for kind in [CKM_DES3_CBC, CKM_DES3_CBC_PAD] {
        for mech in [
            Mech::from(kind),
            Mech::null(kind, 8),
            Mech::with(kind, [0; 7]),
            Mech::with(kind, [0; 16]),
        ] {
            let refused = token.encrypt_init(session, mech.clone(), key);
            assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID, "{mech:?}");
        }
    }
    let ecb = token.encrypt_init(session, Mech::with(CKM_DES3_ECB, [0; 8]), key);
    assert_eq!(ecb, CKR_MECHANISM_PARAM_INVALID);
    let aes = token.secret(session, CKK_AES, &[1; 24]);
    let other = token.encrypt_init(session, CKM_DES3_ECB, aes);
    assert_eq!(other, CKR_KEY_TYPE_INCONSISTENT);
    let other = token.encrypt_init(session, CKM_AES_ECB, key);
    assert_eq!(other, CKR_KEY_TYPE_INCONSISTENT);
}

fn a_short_buffer_for_des3_loses_nothing() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_DES3, &hex(KEY));
    assert_eq!(token.encrypt_init(session, cbc(CKM_DES3_CBC), key), Rv::OK);
    let mut short = [0xee; 31];
    let refused = token.encrypt_into(session, hex(PLAIN).as_slice(), Out::Room(&mut short));
    assert_eq!((refused.rv, refused.len), (Rv(CKR_BUFFER_TOO_SMALL), 32));
    let mut room = [0; 32];
    let done = token.encrypt_into(session, hex(PLAIN).as_slice(), Out::Room(&mut room));
    assert_eq!((done.rv, done.len), (Rv::OK, 32));
    assert_eq!(room[..], hex(CBC));
}

fn des3_keys_are_generated_with_odd_parity() {
    let (token, session) = Token::with_user();
    for _ in 0..4 {
        let open = [
            flag(CKA_TOKEN, false),
            flag(CKA_SENSITIVE, false),
            flag(CKA_EXTRACTABLE, true),
        ];
        let key = token.generate_key(session, CKM_DES3_KEY_GEN, &open).unwrap();
        assert_eq!(token.read_number(session, key, CKA_KEY_TYPE).unwrap(), CKK_DES3);
        let value = token.read(session, key, CKA_VALUE).unwrap();
        assert_eq!(value.len(), 24);
        assert!(value.iter().all(|byte| byte.count_ones() % 2 == 1));
    }
}

fn des3_keys_with_wrong_parity_are_refused() {
    let (token, session) = Token::with_user();
    assert!(
        token
            .create_object(session, &opened(CKK_DES3, Some(&hex(KEY))))
            .is_ok()
    );
    for place in [0, 12, 23] {
        let mut wrong = hex(KEY);
        wrong[place] ^= 1;
        let refused = token.create_object(session, &opened(CKK_DES3, Some(&wrong)));
        assert_eq!(refused.unwrap_err(), CKR_ATTRIBUTE_VALUE_INVALID, "byte {place}");
    }
    for len in [8, 16, 23] {
        let refused = token.create_object(session, &opened(CKK_DES3, Some(&hex(KEY)[..len])));
        assert_eq!(refused.unwrap_err(), CKR_ATTRIBUTE_VALUE_INVALID, "{len} bytes");
    }
}

fn the_check_value_of_des3_is_an_encrypted_block() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_DES3, &hex(KEY));
    let block = token.encrypt(session, CKM_DES3_ECB, key, &[0; 8]).unwrap();
    let check = token.read(session, key, CKA_CHECK_VALUE).unwrap();
    assert_eq!(check, block[..3]);
}

fn des3_wraps_keys() {
    let (token, session) = Token::with_user();
    let wrapping = token
        .create_object(session, &opened(CKK_DES3, Some(&hex(KEY))))
        .unwrap();
    let secret = token
        .create_object(session, &opened(CKK_GENERIC_SECRET, Some(&[0x11; 24])))
        .unwrap();
    for kind in [CKM_DES3_CBC, CKM_DES3_CBC_PAD] {
        let own = token.wrap(session, cbc(kind), wrapping, wrapping).unwrap();
        let back = token.unwrap(session, cbc(kind), wrapping, &own[..], &opened(CKK_DES3, None));
        assert_eq!(token.read(session, back.unwrap(), CKA_VALUE).unwrap(), hex(KEY));
        // The parity of what was wrapped is wrong for a DES key.
        let other = token.wrap(session, cbc(kind), wrapping, secret).unwrap();
        let refused = token.unwrap(session, cbc(kind), wrapping, &other[..], &opened(CKK_DES3, None));
        assert_eq!(refused.unwrap_err(), CKR_WRAPPED_KEY_INVALID);
        let torn = token.unwrap(session, cbc(kind), wrapping, &own[1..], &opened(CKK_DES3, None));
        assert_eq!(torn.unwrap_err(), CKR_WRAPPED_KEY_LEN_RANGE);
    }
}

fn des3_cmac_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    let key = token.secret(session, CKK_DES3, &hex(CMAC_KEY));
    for (len, code) in CMACS {
        let (message, code) = (&hex(PLAIN)[..len], hex(code));
        let made = token.sign(session, CKM_DES3_CMAC, key, message).unwrap();
        assert_eq!(made, code, "{len} bytes");
        let made = token.sign_parts(session, CKM_DES3_CMAC, key, message, 7);
        assert_eq!(made.unwrap(), code, "{len} bytes in parts");
        let verify = |message: &[u8], code: &[u8]| {
            assert_eq!(token.verify_init(session, CKM_DES3_CMAC, key), Rv::OK);
            token.verify(session, message, code)
        };
        assert_eq!(verify(message, &code), Rv::OK);
        assert_eq!(verify(b"another", &code), CKR_SIGNATURE_INVALID);
        assert_eq!(verify(message, &code[1..]), CKR_SIGNATURE_LEN_RANGE);
    }
}
