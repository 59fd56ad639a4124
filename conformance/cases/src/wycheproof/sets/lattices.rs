// SPDX-License-Identifier: MIT
//! ML-DSA: signatures to verify, and to make without chance.

use super::{about, load};
use crate::wycheproof::keys::Ground;
use crate::wycheproof::parameters::{Word, structure};
use crate::wycheproof::table::Row;
use crate::wycheproof::vector::{Attempt, Judge, Tally};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Mech, bytes};

/// The parameter set that the name of a set of vectors has in it.
fn parameter_set(row: &Row) -> CK_ULONG {
    const SETS: [(&str, CK_ULONG); 3] = [
        ("_44_", CKP_ML_DSA_44),
        ("_65_", CKP_ML_DSA_65),
        ("_87_", CKP_ML_DSA_87),
    ];
    let named = SETS.iter().find(|(name, _)| row.set.contains(name));
    named.expect("the name of a parameter set").1
}

fn mech(row: &Row, hedge: CK_ULONG, context: &[u8]) -> Mech {
    let words = [Word::Number(hedge), Word::Place(context), Word::Count(context)];
    structure(row.mechanism(), &words)
}

/// ML-DSA signatures.
pub fn verify(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::default();
    for group in load!(mldsa_verify, row).test_groups {
        let value = bytes(CKA_VALUE, group.pubkey.to_vec());
        let key = ground.of_set(CKO_PUBLIC_KEY, CKK_ML_DSA, CKA_VERIFY, parameter_set(row), value);
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
    let judge = Judge::default();
    for group in load!(mldsa_sign, row).test_groups {
        let seed = group.privseed.as_ref().map(|seed| bytes(CKA_SEED, seed.to_vec()));
        let full = group.privkey.as_ref().map(|key| bytes(CKA_VALUE, key.to_vec()));
        let value = seed.or(full).expect("a private key");
        let key = ground.of_set(CKO_PRIVATE_KEY, CKK_ML_DSA, CKA_SIGN, parameter_set(row), value);
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
