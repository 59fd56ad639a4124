// SPDX-License-Identifier: MIT
//! RSA: signatures to verify, with PKCS #1 v1.5 and PSS, and ciphertexts to decrypt, with PKCS #1 v1.5 and OAEP.

use super::{about, load, room};
use crate::wycheproof::keys::Ground;
use crate::wycheproof::table::Row;
use crate::wycheproof::vector::{Attempt, Judge, Tally};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Mech, Out};
use wycheproof::HashFunction::{self, *};
use wycheproof::RsaPrivate;

/// A hash, its mechanism, that of a mask generation with it and that of PSS with it, where PKCS #11 has them.
struct Hash {
    hash: HashFunction,
    digest: CK_MECHANISM_TYPE,
    mask: Option<CK_RSA_PKCS_MGF_TYPE>,
    pss: Option<CK_MECHANISM_TYPE>,
}

const fn hash(
    hash: HashFunction,
    digest: CK_MECHANISM_TYPE,
    mask: Option<CK_RSA_PKCS_MGF_TYPE>,
    pss: Option<CK_MECHANISM_TYPE>,
) -> Hash {
    Hash {
        hash,
        digest,
        mask,
        pss,
    }
}

const HASHES: &[Hash] = &[
    hash(Sha1, CKM_SHA_1, Some(CKG_MGF1_SHA1), Some(CKM_SHA1_RSA_PKCS_PSS)),
    hash(
        Sha2_224,
        CKM_SHA224,
        Some(CKG_MGF1_SHA224),
        Some(CKM_SHA224_RSA_PKCS_PSS),
    ),
    hash(
        Sha2_256,
        CKM_SHA256,
        Some(CKG_MGF1_SHA256),
        Some(CKM_SHA256_RSA_PKCS_PSS),
    ),
    hash(
        Sha2_384,
        CKM_SHA384,
        Some(CKG_MGF1_SHA384),
        Some(CKM_SHA384_RSA_PKCS_PSS),
    ),
    hash(
        Sha2_512,
        CKM_SHA512,
        Some(CKG_MGF1_SHA512),
        Some(CKM_SHA512_RSA_PKCS_PSS),
    ),
    hash(Sha2_512_224, CKM_SHA512_224, None, None),
    hash(Sha2_512_256, CKM_SHA512_256, None, None),
];

fn known(hash: HashFunction) -> Option<&'static Hash> {
    HASHES.iter().find(|known| known.hash == hash)
}

/// PKCS #1 v1.5 signatures.
pub fn pkcs1(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(rsa_pkcs1_verify, row).test_groups {
        ground.has_size(row.mechanism(), group.key_size)?;
        let key = ground.rsa_public(&group.key.n, &group.key.e);
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || match key {
                Ok(key) => verified(ground, row.mechanism().into(), key, &vector.msg, &vector.sig),
                Err(rv) => Attempt::Refused(rv),
            });
        }
        key.map(|key| ground.token.destroy_object(ground.session, key))
            .ok();
    }
    Ok(judge.tally())
}

/// What stands before a digest of SHA-512/224 and SHA-512/256 in PKCS #1 v1.5 (RFC 8017, section 9.2): PKCS #11 has no
/// mechanism that hashes and signs so.
const DIGEST_INFOS: [(HashFunction, [u8; 19]); 2] = [
    (
        Sha2_512_224,
        [
            0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x05, 0x05,
            0x00, 0x04, 0x1c,
        ],
    ),
    (
        Sha2_512_256,
        [
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x06, 0x05,
            0x00, 0x04, 0x20,
        ],
    ),
];

/// PKCS #1 v1.5 signatures of a digest that is made first, by the second mechanism of the row.
pub fn digest_info(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(rsa_pkcs1_verify, row).test_groups {
        ground.has_size(row.mechanism(), group.key_size)?;
        let head = DIGEST_INFOS.iter().find(|(hash, _)| *hash == group.hash);
        let (_, head) = head.expect("a hash of the table");
        let key = ground.rsa_public(&group.key.n, &group.key.e);
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let digest = ground.token.digest(ground.session, row.needs[1].0, &vector.msg);
                match key.and_then(|key| Ok((key, digest?))) {
                    Ok((key, digest)) => {
                        let data = [&head[..], &digest].concat();
                        verified(ground, row.mechanism().into(), key, &data, &vector.sig)
                    }
                    Err(rv) => Attempt::Refused(rv),
                }
            });
        }
        key.map(|key| ground.token.destroy_object(ground.session, key))
            .ok();
    }
    Ok(judge.tally())
}

fn verified(ground: &Ground<'_>, mech: Mech, key: CK_ULONG, data: &[u8], signature: &[u8]) -> Attempt {
    ground
        .token
        .check(ground.session, mech, key, data, signature)
        .into()
}

/// PSS signatures.
pub fn pss(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(rsa_pss_verify, row).test_groups {
        if let Err(reason) = ground.has_size(row.mechanism(), group.key_size) {
            // The sets with keys of all kinds are offered as far as their sizes are.
            if !row.set.contains("_misc") {
                return Err(reason);
            }
            judge.leave_out(group.tests.len());
            continue;
        }
        let salt = CK_ULONG::try_from(group.salt_size).expect("a length");
        let mask = group.mgf_hash.and_then(known).and_then(|hash| hash.mask);
        let terms = known(group.hash).zip(mask);
        let key = ground.rsa_public(&group.key.n, &group.key.e);
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let Some((hash, mask)) = terms else {
                    return Attempt::Unsaid("PKCS #11 has no mask generation with this hash");
                };
                let key = match key {
                    Ok(key) => key,
                    Err(rv) => return Attempt::Refused(rv),
                };
                let mech = |kind| Mech::pss(kind, hash.digest, mask, salt);
                match hash.pss {
                    Some(kind) => verified(ground, mech(kind), key, &vector.msg, &vector.sig),
                    // Without a mechanism that hashes, the digest is signed.
                    None => match ground.token.digest(ground.session, hash.digest, &vector.msg) {
                        Ok(digest) => verified(ground, mech(CKM_RSA_PKCS_PSS), key, &digest, &vector.sig),
                        Err(rv) => Attempt::Refused(rv),
                    },
                }
            });
        }
        key.map(|key| ground.token.destroy_object(ground.session, key))
            .ok();
    }
    Ok(judge.tally())
}

fn private(ground: &Ground<'_>, key: &RsaPrivate) -> Result<CK_ULONG, Rv> {
    ground.rsa_private([&key.n, &key.e, &key.d, &key.p, &key.q, &key.d1, &key.d2, &key.c])
}

fn decrypted(
    ground: &Ground<'_>,
    mech: Mech,
    key: Result<CK_ULONG, Rv>,
    sealed: &[u8],
    stated: &[u8],
) -> Attempt {
    let done = key.and_then(|key| {
        ground.token.decrypt_init(ground.session, mech, key).ok()?;
        let mut room = room(stated.len());
        let written = ground
            .token
            .decrypt_into(ground.session, sealed, Out::Room(&mut room));
        written.rv.ok()?;
        room.truncate(usize::try_from(written.len).expect("a length"));
        Ok(room)
    });
    Attempt::of(done, stated)
}

/// PKCS #1 v1.5 ciphertexts. A module may hide that a padding is wrong behind another output.
pub fn pkcs1_decryption(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(rsa_pkcs1_decrypt, row).test_groups {
        ground.has_size(row.mechanism(), group.key_size)?;
        let key = private(ground, &group.key);
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                decrypted(ground, row.mechanism().into(), key, &vector.ct, &vector.pt)
            });
        }
        key.map(|key| ground.token.destroy_object(ground.session, key))
            .ok();
    }
    Ok(judge.tally())
}

/// OAEP ciphertexts.
pub fn oaep(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(rsa_oaep, row).test_groups {
        if let Err(reason) = ground.has_size(row.mechanism(), group.key_size) {
            // The sets with keys of all kinds are offered as far as their sizes are.
            if !row.set.contains("_misc") {
                return Err(reason);
            }
            judge.leave_out(group.tests.len());
            continue;
        }
        let terms = known(group.hash).zip(known(group.mgf_hash).and_then(|hash| hash.mask));
        let key = private(ground, &group.key);
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || match terms {
                Some((hash, mask)) => {
                    let mech = Mech::oaep(hash.digest, mask, &vector.label);
                    decrypted(ground, mech, key, &vector.ct, &vector.pt)
                }
                None => Attempt::Unsaid("PKCS #11 has no mask generation with this hash"),
            });
        }
        key.map(|key| ground.token.destroy_object(ground.session, key))
            .ok();
    }
    Ok(judge.tally())
}
