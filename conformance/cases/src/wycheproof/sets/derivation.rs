// SPDX-License-Identifier: MIT
//! Keys made of secrets: HKDF and PBKDF2. The second mechanism of a row is the hash.

use super::{about, load};
use crate::wycheproof::keys::{Ground, shown};
use crate::wycheproof::parameters::{Word, structure};
use crate::wycheproof::table::Row;
use crate::wycheproof::vector::{Attempt, Judge, Tally};
use cryptoki_sys::*;

/// HKDF, both steps.
pub fn hkdf(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    // Two truth values stand in the first word.
    let both = CK_ULONG::from_ne_bytes([1, 1, 0, 0, 0, 0, 0, 0]);
    let judge = Judge::of(row);
    for vector in load!(hkdf, row).test_groups.iter().flat_map(|group| &group.tests) {
        judge.judge(about!(vector), vector.result, || {
            let salt = match vector.salt.is_empty() {
                true => CKF_HKDF_SALT_NULL,
                false => CKF_HKDF_SALT_DATA,
            };
            let words = [
                Word::Number(both),
                Word::Number(row.needs[1].0),
                Word::Number(salt),
                Word::Place(&vector.salt),
                Word::Count(&vector.salt),
                Word::Number(CK_INVALID_HANDLE),
                Word::Place(&vector.info),
                Word::Count(&vector.info),
            ];
            let mech = structure(row.mechanism(), &words);
            let key = ground.secret(CKK_GENERIC_SECRET, &[CKA_DERIVE], &vector.ikm);
            let made = ground.with(key, |key| ground.derived(mech, key, vector.size));
            Attempt::of(made.flatten(), &vector.okm)
        });
    }
    Ok(judge.tally())
}

/// The pseudo-random functions of PBKDF2, by the mechanism of their hash.
const FUNCTIONS: [(CK_MECHANISM_TYPE, CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE); 5] = [
    (CKM_SHA_1, CKP_PKCS5_PBKD2_HMAC_SHA1),
    (CKM_SHA224, CKP_PKCS5_PBKD2_HMAC_SHA224),
    (CKM_SHA256, CKP_PKCS5_PBKD2_HMAC_SHA256),
    (CKM_SHA384, CKP_PKCS5_PBKD2_HMAC_SHA384),
    (CKM_SHA512, CKP_PKCS5_PBKD2_HMAC_SHA512),
];

/// PBKDF2.
pub fn pbkdf2(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let function = FUNCTIONS.iter().find(|(hash, _)| *hash == row.needs[1].0);
    let (_, function) = function.expect("a hash of the table");
    let judge = Judge::of(row);
    for vector in load!(pbkdf2, row)
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        judge.judge(about!(vector), vector.result, || {
            let words = [
                Word::Number(CKZ_SALT_SPECIFIED),
                Word::Place(&vector.salt),
                Word::Count(&vector.salt),
                Word::Number(CK_ULONG::try_from(vector.iteration_count).expect("a number")),
                Word::Number(*function),
                Word::Number(0),
                Word::Number(0),
                Word::Place(&vector.password),
                Word::Count(&vector.password),
            ];
            let mech = structure(row.mechanism(), &words);
            let key = ground
                .token
                .generate_key(ground.session, mech, &shown(vector.dk_len));
            Attempt::of(ground.read_and_destroy(key), &vector.dk)
        });
    }
    Ok(judge.tally())
}
