// SPDX-License-Identifier: MIT
//! What the files about signatures share: what is signed, with which hashes, and what every signature is held to.

use cryptoki_sys::*;
use keyenclave_conformance::module::Mech;
use keyenclave_conformance::token::Token;
use keyenclave_conformance::{Refused, Rv};

pub(super) const DATA: &[u8] = &[0x5a; 150];

/// Its SHA-256.
pub(super) const DIGEST: &str = "e05fb3d2908ace7276233c43a78b11a92066af7d1da2552b96fbe98fa7fd492a";

/// Mechanism that hashes, hash mechanism, mask generation, OpenSSL's name, bytes.
pub(super) const HASHES: [(
    CK_MECHANISM_TYPE,
    CK_MECHANISM_TYPE,
    CK_MECHANISM_TYPE,
    CK_ULONG,
    &str,
    CK_ULONG,
); 4] = [
    (
        CKM_SHA1_RSA_PKCS,
        CKM_SHA1_RSA_PKCS_PSS,
        CKM_SHA_1,
        CKG_MGF1_SHA1,
        "sha1",
        20,
    ),
    (
        CKM_SHA256_RSA_PKCS,
        CKM_SHA256_RSA_PKCS_PSS,
        CKM_SHA256,
        CKG_MGF1_SHA256,
        "sha256",
        32,
    ),
    (
        CKM_SHA384_RSA_PKCS,
        CKM_SHA384_RSA_PKCS_PSS,
        CKM_SHA384,
        CKG_MGF1_SHA384,
        "sha384",
        48,
    ),
    (
        CKM_SHA512_RSA_PKCS,
        CKM_SHA512_RSA_PKCS_PSS,
        CKM_SHA512,
        CKG_MGF1_SHA512,
        "sha512",
        64,
    ),
];

/// Each way to verify says yes to the signature and no to a changed one.
pub fn hold(
    token: &Token,
    session: CK_SESSION_HANDLE,
    key: CK_ULONG,
    mech: &Mech,
    data: &[u8],
    signature: &[u8],
) {
    let check = |data: &[u8], signature: &[u8]| token.check(session, mech.clone(), key, data, signature);
    assert_eq!(check(data, signature), Rv::OK, "{mech:?}");
    let mut changed = signature.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(check(data, &changed), CKR_SIGNATURE_INVALID, "{mech:?}");
    let short = check(data, &signature[..signature.len() - 1]);
    short.refused_with(
        &[CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID],
        format!("{mech:?}"),
    );
    let mut other = data.to_vec();
    other[0] ^= 1;
    assert_eq!(check(&other, signature), CKR_SIGNATURE_INVALID, "{mech:?}");
    assert_eq!(
        check(data, signature),
        Rv::OK,
        "a failed verification leaves nothing behind"
    );
}
