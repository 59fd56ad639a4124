// SPDX-License-Identifier: MIT
//! Wrapping with authenticated encryption, where nonce and tag may be the token's to make and the tag may have a place of
//! its own (PKCS#11 3.2, AES-GCM and AES-CCM Authenticated Wrap / Unwrap).

use std::borrow::Cow;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{AeadParams, Algorithm, CcmParams, GcmParams, Mechanism, Params, Tag};
use keyenclave_model::token::{Out, Wrapping};
use zeroize::Zeroizing;

use crate::operation;

/// The mechanism as it is for encryption, of so many bytes: with the nonce that is there and the tag after the ciphertext.
pub(super) fn plain<'a>(
    mechanism: &'a Mechanism,
    associated: Option<&[u8]>,
    len: usize,
) -> Result<Cow<'a, Mechanism>> {
    let params = match mechanism.params() {
        Params::Aead(params) => encryption(mechanism, params, associated, len),
        // The application cannot know the length, and whatever it says is not looked at.
        Params::Ccm(ccm) => Params::Ccm(CcmParams {
            data_len: len,
            ..ccm.clone()
        }),
        _ => return Ok(Cow::Borrowed(mechanism)),
    };
    mechanism.with(params).map(Cow::Owned)
}

fn encryption(mechanism: &Mechanism, params: &AeadParams, associated: Option<&[u8]>, len: usize) -> Params {
    let (nonce, tag_len) = (params.nonce.clone(), params.tag_len);
    let aad = associated.unwrap_or(&params.aad).to_vec();
    match mechanism.algorithm() {
        Algorithm::AesCcm => Params::Ccm(CcmParams {
            data_len: len,
            nonce,
            aad,
            tag_len,
        }),
        _ => Params::Gcm(GcmParams {
            iv: nonce,
            aad,
            tag_len,
        }),
    }
}

/// Makes the nonce, has the key encrypted, and parts the tag from it if it has a place of its own.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID`, and those of `encrypt`.
pub(super) fn seal(
    what: &Wrapping<'_>,
    params: &AeadParams,
    len: usize,
    encrypt: impl FnOnce(&Mechanism) -> Result<Zeroizing<Vec<u8>>>,
) -> Result<Out> {
    if params.tag == Tag::Missing {
        return Err(no_tag());
    }
    let mut params = params.clone();
    params.nonce = operation::single_nonce(&params)?;
    let mechanism = what.mechanism.with(Params::Aead(params.clone()))?;
    let mut bytes = encrypt(&*plain(&mechanism, what.associated, len)?)?;
    if is_apart(&mechanism) {
        let len = bytes.len().saturating_sub(params.tag_len);
        let tag = bytes.split_off(len);
        params.tag = Tag::Apart(tag);
    }
    Ok(Out::Sealed { bytes, params })
}

/// The wrapped key with its tag after it, wherever it was.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID` where there is none.
pub(super) fn with_tag<'a>(mechanism: &Mechanism, wrapped: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    match mechanism.params() {
        Params::Aead(AeadParams {
            tag: Tag::Apart(tag), ..
        }) => Ok(Cow::Owned([wrapped, tag].concat())),
        Params::Aead(AeadParams {
            tag: Tag::Missing, ..
        }) => Err(no_tag()),
        _ => Ok(Cow::Borrowed(wrapped)),
    }
}

/// Whether the tag has a place of its own, which the functions with associated data have and the others not.
pub(super) fn is_apart(mechanism: &Mechanism) -> bool {
    matches!(mechanism.params(), Params::Aead(params) if params.tag != Tag::Appended)
}

/// How many bytes of the encryption have a place of their own.
pub(super) fn apart(mechanism: &Mechanism) -> usize {
    if is_apart(mechanism) {
        tag_len(mechanism)
    } else {
        0
    }
}

/// How long the tag is, in bytes.
pub(super) fn tag_len(mechanism: &Mechanism) -> usize {
    match mechanism.params() {
        Params::Aead(AeadParams { tag_len, .. })
        | Params::Gcm(GcmParams { tag_len, .. })
        | Params::Ccm(CcmParams { tag_len, .. }) => *tag_len,
        _ => 0,
    }
}

fn no_tag() -> Error {
    Error::new(
        Rv::MechanismParamInvalid,
        "the parameter has no place for the tag of the wrapped key",
    )
}
