// SPDX-License-Identifier: MIT
//! Secret keys: encryption with and without authentication, key wrapping, and authentication alone.

use super::{about, load, room};
use crate::wycheproof::keys::Ground;
use crate::wycheproof::parameters::{Word, structure};
use crate::wycheproof::table::Row;
use crate::wycheproof::vector::{Attempt, Judge, Tally};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Mech, Out};
use wycheproof::TestResult;

const CIPHER: &[CK_ATTRIBUTE_TYPE] = &[CKA_ENCRYPT, CKA_DECRYPT];
const MAC: &[CK_ATTRIBUTE_TYPE] = &[CKA_SIGN, CKA_VERIFY];

/// Decrypts, and for a valid vector encrypts as well: both must give what is stated.
fn both_ways(
    ground: &Ground<'_>,
    mech: &Mech,
    key: Result<CK_ULONG, Rv>,
    must: TestResult,
    (plain, sealed): (&[u8], &[u8]),
) -> Attempt {
    let (token, session) = (ground.token, ground.session);
    let done = ground.with(key, |key| {
        let opened = opened(ground, mech, key, sealed, plain.len());
        let encrypted = (must == TestResult::Valid).then(|| -> Result<Vec<u8>, Rv> {
            token.encrypt_init(session, mech.clone(), key).ok()?;
            let mut room = room(sealed.len());
            let written = token.encrypt_into(session, plain, Out::Room(&mut room));
            written.rv.ok()?;
            room.truncate(usize::try_from(written.len).expect("a length"));
            Ok(room)
        });
        match encrypted {
            Some(Ok(encrypted)) if encrypted != sealed => Attempt::Other("it encrypts to something else"),
            Some(Err(rv)) => Attempt::Refused(rv),
            _ => Attempt::of(opened, plain),
        }
    });
    done.unwrap_or_else(Attempt::Refused)
}

fn opened(
    ground: &Ground<'_>,
    mech: &Mech,
    key: CK_ULONG,
    sealed: &[u8],
    stated: usize,
) -> Result<Vec<u8>, Rv> {
    ground
        .token
        .decrypt_init(ground.session, mech.clone(), key)
        .ok()?;
    let mut room = room(stated);
    let written = ground
        .token
        .decrypt_into(ground.session, sealed, Out::Room(&mut room));
    written.rv.ok()?;
    room.truncate(usize::try_from(written.len).expect("a length"));
    Ok(room)
}

/// AES-CBC with padding.
pub fn cbc(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for vector in load!(cipher, row)
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        judge.judge(about!(vector), vector.result, || {
            let key = ground.secret(CKK_AES, CIPHER, &vector.key);
            let mech = Mech::with(row.mechanism(), vector.nonce.to_vec());
            both_ways(ground, &mech, key, vector.result, (&vector.pt, &vector.ct))
        });
    }
    Ok(judge.tally())
}

/// AES-GCM: the tag follows the ciphertext.
pub fn gcm(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(aead, row).test_groups {
        let bits = CK_ULONG::try_from(group.tag_size).expect("a length");
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let key = ground.secret(CKK_AES, CIPHER, &vector.key);
                let mech = Mech::gcm(&vector.nonce, &vector.aad, bits);
                let sealed = [vector.ct.as_slice(), &vector.tag].concat();
                both_ways(ground, &mech, key, vector.result, (&vector.pt, &sealed))
            });
        }
    }
    Ok(judge.tally())
}

/// AES-CCM and ChaCha20-Poly1305, whose parameters are told apart by the mechanism: the tag follows the ciphertext.
pub fn aead(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let ccm = row.mechanism() == CKM_AES_CCM;
    let kind = if ccm { CKK_AES } else { CKK_CHACHA20 };
    let judge = Judge::of(row);
    for group in load!(aead, row).test_groups {
        let tag = CK_ULONG::try_from(group.tag_size / 8).expect("a length");
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let mut words = vec![
                    Word::Place(&vector.nonce),
                    Word::Count(&vector.nonce),
                    Word::Place(&vector.aad),
                    Word::Count(&vector.aad),
                ];
                if ccm {
                    words.insert(0, Word::Count(&vector.pt));
                    words.push(Word::Number(tag));
                }
                let mech = structure(row.mechanism(), &words);
                let key = ground.secret(kind, CIPHER, &vector.key);
                let sealed = [vector.ct.as_slice(), &vector.tag].concat();
                both_ways(ground, &mech, key, vector.result, (&vector.pt, &sealed))
            });
        }
    }
    Ok(judge.tally())
}

/// AES-XTS, with the number of the data unit as its tweak. Two keys of 192 bits are none of PKCS #11's.
pub fn xts(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(cipher, row).test_groups {
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                if group.key_size == 2 * 192 {
                    return Attempt::Unsaid("CKK_AES_XTS has 32 or 64 bytes");
                }
                let mut tweak = vector.nonce.to_vec();
                tweak.resize(16, 0);
                let key = ground.secret(CKK_AES_XTS, CIPHER, &vector.key);
                let mech = Mech::with(row.mechanism(), tweak);
                both_ways(ground, &mech, key, vector.result, (&vector.pt, &vector.ct))
            });
        }
    }
    Ok(judge.tally())
}

/// AES-GMAC, with the parameters of GCM.
pub fn gmac(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    let judge = Judge::of(row);
    for group in load!(mac_with_nonce, row).test_groups {
        let bits = CK_ULONG::try_from(group.tag_size).expect("a length");
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let key = ground.secret(CKK_AES, MAC, &vector.key);
                let iv = CK_ULONG::try_from(vector.nonce.len() * 8).expect("a length");
                let words = [
                    Word::Place(&vector.nonce),
                    Word::Count(&vector.nonce),
                    Word::Number(iv),
                    Word::Number(0),
                    Word::Number(0),
                    Word::Number(bits),
                ];
                let mech = structure(row.mechanism(), &words);
                signed_and_verified(ground, &mech, key, vector.result, (&vector.msg, &vector.tag))
            });
        }
    }
    Ok(judge.tally())
}

/// Key wrapping, which is an encryption as well.
pub fn key_wrap(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    if !ground.has_flag(row.mechanism(), CKF_DECRYPT) {
        return Err("the mechanism is told to wrap only, and not to encrypt".into());
    }
    let judge = Judge::of(row);
    for vector in load!(keywrap, row)
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        judge.judge(about!(vector), vector.result, || {
            let key = ground.secret(CKK_AES, CIPHER, &vector.key);
            both_ways(
                ground,
                &row.mechanism().into(),
                key,
                vector.result,
                (&vector.pt, &vector.ct),
            )
        });
    }
    Ok(judge.tally())
}

/// Authentication, with the second mechanism of the row where a tag is cut short.
fn authenticated(ground: &Ground<'_>, row: &Row, kind: CK_KEY_TYPE) -> Result<Tally, String> {
    let judge = Judge::of(row);
    let set = load!(mac, row);
    let full = set.test_groups.iter().map(|group| group.tag_size).max();
    for group in &set.test_groups {
        let mech: Mech = match Some(group.tag_size) == full {
            true => row.mechanism().into(),
            false => {
                let bytes = CK_ULONG::try_from(group.tag_size / 8).expect("a length");
                Mech::with(row.needs[1].0, bytes.to_ne_bytes())
            }
        };
        for vector in &group.tests {
            judge.judge(about!(vector), vector.result, || {
                let key = ground.secret(kind, MAC, &vector.key);
                signed_and_verified(ground, &mech, key, vector.result, (&vector.msg, &vector.tag))
            });
        }
    }
    Ok(judge.tally())
}

/// Verifies a tag, and for a valid vector makes it as well.
fn signed_and_verified(
    ground: &Ground<'_>,
    mech: &Mech,
    key: Result<CK_ULONG, Rv>,
    must: TestResult,
    (data, tag): (&[u8], &[u8]),
) -> Attempt {
    let (token, session) = (ground.token, ground.session);
    let done = ground.with(key, |key| {
        if must == TestResult::Valid {
            match token.sign(session, mech.clone(), key, data) {
                Ok(made) if made != tag => return Attempt::Other("another tag"),
                Ok(_) => {}
                Err(rv) => return Attempt::Refused(rv),
            }
        }
        token.check(session, mech.clone(), key, data, tag).into()
    });
    done.unwrap_or_else(Attempt::Refused)
}

/// HMAC.
pub fn hmac(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    authenticated(ground, row, CKK_GENERIC_SECRET)
}

/// AES-CMAC.
pub fn cmac(ground: &Ground<'_>, row: &Row) -> Result<Tally, String> {
    authenticated(ground, row, CKK_AES)
}
