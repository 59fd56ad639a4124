// SPDX-License-Identifier: MIT
//! Data encrypted with AES that become keys, and check values.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::aes_modes::At;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, Field, Mech, bytes, flag, number};
use keyenclave_conformance::published::aes::{IV, KEYS, PLAIN};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;

cases! {
    "aes-encrypt-data.ecb" => data_encrypted_block_by_block_becomes_a_key,
        "Key derivation by data encryption – DES & AES", [CKM_AES_ECB_ENCRYPT_DATA], [];
    "aes-encrypt-data.cbc" => data_encrypted_in_cbc_becomes_a_key,
        "Key derivation by data encryption – DES & AES", [CKM_AES_CBC_ENCRYPT_DATA], [];
    "aes-encrypt-data.lengths" => data_for_a_key_is_whole_blocks_and_enough,
        "Key derivation by data encryption – DES & AES",
        [CKM_AES_ECB_ENCRYPT_DATA, CKM_AES_CBC_ENCRYPT_DATA], [Own];
    "aes.check-value" => the_check_value_of_an_aes_key_is_a_block_of_zeros_encrypted, "AES secret key objects",
        [CKM_AES_ECB], [];
}

fn base_key(token: &Token, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
    let attrs = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_AES),
        bytes(CKA_VALUE, hex(KEYS[0])),
        flag(CKA_DERIVE, true),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ];
    token.create_object(session, &attrs).unwrap()
}

fn readable(kind: CK_KEY_TYPE, len: CK_ULONG) -> Vec<Attr> {
    vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        number(CKA_VALUE_LEN, len),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ]
}

fn string_data(data: &[u8]) -> Mech {
    let len = Field::Number(CK_ULONG::try_from(data.len()).unwrap());
    Mech::structure(CKM_AES_ECB_ENCRYPT_DATA, [Field::Bytes(data.to_vec()), len])
}

fn chained_data(data: &[u8]) -> Mech {
    let len = Field::Number(CK_ULONG::try_from(data.len()).unwrap());
    let fields = [Field::Inline(IV.to_vec()), Field::Bytes(data.to_vec()), len];
    Mech::structure(CKM_AES_CBC_ENCRYPT_DATA, fields)
}

fn derived((token, session): At<'_>, mech: &Mech, len: CK_ULONG) -> Result<Vec<u8>, Rv> {
    let base = base_key(token, session);
    let made = token.derive(session, mech.clone(), base, &readable(CKK_GENERIC_SECRET, len))?;
    Ok(token
        .read(session, made, CKA_VALUE)
        .expect("the value of the new key"))
}

/// SP 800-38A, section F.1.1.
fn data_encrypted_block_by_block_becomes_a_key() {
    let expected = hex("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf");
    let data = &hex(PLAIN)[..32];
    let (token, session) = Token::with_user();
    let at = (&token, session);
    assert_eq!(derived(at, &string_data(data), 32).unwrap(), expected);
    assert_eq!(derived(at, &string_data(data), 24).unwrap(), expected[..24]);
}

/// SP 800-38A, section F.2.1.
fn data_encrypted_in_cbc_becomes_a_key() {
    let expected = hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
    let data = &hex(PLAIN)[..32];
    let (token, session) = Token::with_user();
    let at = (&token, session);
    assert_eq!(derived(at, &chained_data(data), 32).unwrap(), expected);
    assert_eq!(derived(at, &chained_data(data), 16).unwrap(), expected[..16]);
}

fn data_for_a_key_is_whole_blocks_and_enough() {
    let (token, session) = Token::with_user();
    let at = (&token, session);
    for mech in [string_data, chained_data] {
        for len in [0, 1, 15, 17] {
            let refused = derived(at, &mech(&vec![1; len]), 16).unwrap_err();
            assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID, "{len} bytes");
        }
        let refused = derived(at, &mech(&[1; 16]), 17).unwrap_err();
        assert_eq!(refused, CKR_KEY_SIZE_RANGE);
    }
}

fn the_check_value_of_an_aes_key_is_a_block_of_zeros_encrypted() {
    let (token, session) = Token::with_user();
    for key in KEYS {
        let key = token.secret(session, CKK_AES, &hex(key));
        let zeros = token.encrypt(session, CKM_AES_ECB, key, &[0; 16]).unwrap();
        let check = token.read(session, key, CKA_CHECK_VALUE).unwrap();
        assert_eq!(check, zeros[..3]);
    }
    // FIPS 197's first published key: AES-128 with a key of zeros (CAVP, KAT).
    let key = token.secret(session, CKK_AES, &[0; 16]);
    let check = token.read(session, key, CKA_CHECK_VALUE).unwrap();
    assert_eq!(check, hex("66e94b"));
}
