// SPDX-License-Identifier: MIT
//! OpenSSL's command line as the second opinion: public keys go to it in DER, signatures are verified there.

use crate::case::finish;
use crate::place::Place;
use crate::token::Token;
use cryptoki_sys::*;
use std::time::Duration;

/// Runs `openssl` in `place`; its output, or what went wrong as a panic.
pub fn openssl(place: &Place, arguments: &[&str]) -> String {
    run(place, arguments).unwrap_or_else(|output| panic!("{output}"))
}

fn run(place: &Place, arguments: &[&str]) -> Result<String, String> {
    let mut command = place.command("openssl");
    command.args(arguments);
    finish(command, Duration::from_secs(60))
}

/// One DER element: tag, length, content.
pub fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut head = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => head.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let bytes = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(7)..];
            head.push(0x80 | u8::try_from(bytes.len()).unwrap());
            head.extend(bytes);
        }
    }
    [head.as_slice(), content].concat()
}

/// A positive DER INTEGER of big-endian bytes.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len().saturating_sub(1));
    let mut content = bytes[start..].to_vec();
    if content.first().is_none_or(|byte| byte & 0x80 != 0) {
        content.insert(0, 0);
    }
    der(0x02, &content)
}

/// Writes the RSA public key object to `public.der` in `place`, as `SubjectPublicKeyInfo`.
pub fn export_rsa(place: &Place, token: &Token, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) {
    let modulus = token.read(session, key, CKA_MODULUS).unwrap();
    let exponent = token.read(session, key, CKA_PUBLIC_EXPONENT).unwrap();
    let numbers = der(0x30, &[integer(&modulus), integer(&exponent)].concat());
    let rsa_encryption = [
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    export(place, &rsa_encryption, &numbers);
}

/// Writes the EC public key object to `public.der` in `place`, as `SubjectPublicKeyInfo`.
pub fn export_ec(place: &Place, token: &Token, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) {
    let curve = token.read(session, key, CKA_EC_PARAMS).unwrap();
    let octets = token.read(session, key, CKA_EC_POINT).unwrap();
    let size = curve_size(&curve) * 2 + 1;
    assert_eq!(
        octets,
        der(0x04, &octets[octets.len() - size..]),
        "CKA_EC_POINT is a DER OCTET STRING"
    );
    let ec_public_key = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    export(
        place,
        &[&ec_public_key, curve.as_slice()].concat(),
        &octets[octets.len() - size..],
    );
}

/// Writes the Ed25519 public key object to `public.der` in `place`, as `SubjectPublicKeyInfo` (RFC 8410).
pub fn export_ed25519(place: &Place, token: &Token, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) {
    let octets = token.read(session, key, CKA_EC_POINT).unwrap();
    // Version 3.0 of the specification wants it in DER, later ones as the bare bytes.
    let point = &octets[octets.len() - 32..];
    assert!(octets == point || octets == der(0x04, point), "{octets:02x?}");
    export(place, &[0x06, 0x03, 0x2b, 0x65, 0x70], point);
}

fn curve_size(curve: &[u8]) -> usize {
    let known = crate::token::CURVES.iter().find(|(oid, ..)| *oid == curve);
    known.expect("a known curve").1
}

fn export(place: &Place, algorithm: &[u8], key: &[u8]) {
    let bits = der(0x03, &[&[0], key].concat());
    let info = der(0x30, &[der(0x30, algorithm), bits].concat());
    std::fs::write(place.file("public.der"), info).unwrap();
}

/// An ECDSA signature of two raw halves as DER, as OpenSSL takes it.
pub fn ecdsa_der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    der(0x30, &[integer(r), integer(s)].concat())
}

/// Whether OpenSSL verifies `signature` over `data` with `public.der`, as its key alone says how.
pub fn verifies_raw(place: &Place, data: &[u8], signature: &[u8]) -> Result<String, String> {
    std::fs::write(place.file("data"), data).unwrap();
    std::fs::write(place.file("signature"), signature).unwrap();
    let key = ["-pubin", "-keyform", "DER", "-inkey", "public.der"];
    let files = ["-rawin", "-in", "data", "-sigfile", "signature"];
    run(place, &[&["pkeyutl", "-verify"][..], &key, &files].concat())
}

/// Whether OpenSSL verifies `signature` over `data` with `public.der`, by `dgst` with a hash and options.
pub fn verifies(
    place: &Place,
    hash: &str,
    options: &[&str],
    data: &[u8],
    signature: &[u8],
) -> Result<String, String> {
    std::fs::write(place.file("data"), data).unwrap();
    std::fs::write(place.file("signature"), signature).unwrap();
    let hash = format!("-{hash}");
    let start = [
        "dgst",
        &hash,
        "-keyform",
        "DER",
        "-verify",
        "public.der",
        "-signature",
        "signature",
    ];
    run(place, &[&start, options, &["data"]].concat())
}

/// The digest of `data` by the hash with this name.
pub fn digest(place: &Place, hash: &str, data: &[u8]) -> Vec<u8> {
    std::fs::write(place.file("data"), data).unwrap();
    let hash = format!("-{hash}");
    openssl(place, &["dgst", &hash, "-binary", "-out", "digest", "data"]);
    std::fs::read(place.file("digest")).unwrap()
}
