// SPDX-License-Identifier: MIT
//! What a test case takes for granted: a token with a user's PIN, and on it the keys or the certificates that it reads.
//!
//! Certificates are made of what the case itself states, so that it can be held to every value.

use super::names;
use super::script::Call;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{bytes, flag, number};
use keyenclave_conformance::openssl::export_rsa;
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::Token;

/// How many certificates CERT-M reads handles of.
const CERTIFICATES: u8 = 5;

/// Makes the token of a case; the module is finalised afterwards. The token's serial number.
pub fn make(name: &str, calls: &[Call]) -> [u8; 16] {
    let (token, session) = Token::with_user();
    match name.split('-').next() {
        Some("AUTH") => keys(&token, session),
        Some("CERT") => certificates(&token, session, calls),
        _ => {}
    }
    let info = token.token_info(token.slot).expect("information on the token");
    assert_eq!(token.finalize(false), Rv::OK);
    info.serialNumber
}

/// An RSA pair under the names of AUTH-M, and the public key as a file to verify with.
fn keys(token: &Token, session: CK_SESSION_HANDLE) {
    let public = [
        number(CKA_MODULUS_BITS, 2048),
        bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
        bytes(CKA_LABEL, "testrsa-pub"),
        flag(CKA_TOKEN, true),
        flag(CKA_PRIVATE, false),
        flag(CKA_VERIFY, true),
    ];
    let private = [
        bytes(CKA_LABEL, "testrsa-pri"),
        flag(CKA_TOKEN, true),
        flag(CKA_PRIVATE, true),
        flag(CKA_SIGN, true),
    ];
    let pair = token.generate_key_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private);
    let (public, _) = pair.expect("an RSA key pair on the token");
    export_rsa(&Place::of_this_process(), token, session, public);
}

/// Certificates with the label and the value that the case states.
fn certificates(token: &Token, session: CK_SESSION_HANDLE, calls: &[Call]) {
    let label = stated(calls, "LABEL").expect("a label");
    let value = names::bytes(&stated(calls, "VALUE").expect("a value")).expect("a certificate");
    for number_of in 0..CERTIFICATES {
        let template = [
            number(CKA_CLASS, CKO_CERTIFICATE),
            number(CKA_CERTIFICATE_TYPE, CKC_X_509),
            flag(CKA_TOKEN, true),
            flag(CKA_PRIVATE, false),
            bytes(CKA_LABEL, label.as_str()),
            bytes(CKA_ID, [number_of]),
            bytes(CKA_SUBJECT, subject(&value)),
            bytes(CKA_VALUE, value.as_slice()),
        ];
        let made = token.create_object(session, &template);
        made.expect("a certificate on the token");
    }
}

/// The value that some answer states for an attribute.
fn stated(calls: &[Call], attribute: &str) -> Option<String> {
    let elements = calls.iter().flat_map(|call| call.answer.flat());
    let mut named = elements.filter(|element| element.peek("type") == Some(attribute));
    named.find_map(|element| element.peek("value").map(str::to_owned))
}

/// The subject of a certificate in DER, which is the second of the two names in it: after its validity, two times.
fn subject(certificate: &[u8]) -> &[u8] {
    let outer = content(certificate).expect("a certificate");
    let mut rest = content(outer).expect("what is signed");
    // Version, serial number, algorithm, issuer, validity.
    for _ in 0..5 {
        rest = rest.get(whole(rest).expect("an element")..).unwrap_or_default();
    }
    &rest[..whole(rest).expect("the subject")]
}

/// How long the DER element that `bytes` begin with is, head included.
fn whole(bytes: &[u8]) -> Option<usize> {
    let content = content(bytes)?;
    Some(content.as_ptr().addr() - bytes.as_ptr().addr() + content.len())
}

/// What is in the DER element that `bytes` begin with.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let (&[_, first], rest) = bytes.split_first_chunk::<2>()?;
    let of_length = usize::from(first.saturating_sub(0x80));
    let (digits, rest) = rest.split_at_checked(of_length)?;
    let long = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    rest.get(..if first < 0x80 { usize::from(first) } else { long })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_certificate_is_found() {
        let certificate: &[u8] = include_bytes!("../subjects/certificate.der");
        let subject = subject(certificate);
        assert_eq!(subject.first(), Some(&0x30));
        assert_eq!(whole(subject), Some(subject.len()));
        assert!(whole(certificate).is_some_and(|len| len == certificate.len()));
    }
}
