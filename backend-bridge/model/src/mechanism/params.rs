// SPDX-License-Identifier: MIT
//! The parameters of mechanisms: what they look like in C, what they are here, and which fit.

use zeroize::Zeroizing;

use super::MechanismRow;
use crate::algorithm::Hash;
use crate::edwards;
use crate::error::{Result, Rv};
use crate::token::ObjectId;

/// What the parameter of a mechanism looks like in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamShape {
    /// There is none.
    None,
    /// So many bytes.
    Bytes(usize),
    /// So many bytes, or none.
    OptionalBytes(usize),
    /// A `CK_ULONG`: a length in bytes (`CK_MAC_GENERAL_PARAMS`).
    Length,
    /// `CK_KEY_DERIVATION_STRING_DATA`.
    StringData,
    /// A `CK_OBJECT_HANDLE`.
    Key,
    /// `CK_EXTRACT_PARAMS`: the number of a bit.
    Bit,
    /// `CK_RSA_PKCS_PSS_PARAMS`.
    Pss,
    /// `CK_RSA_PKCS_OAEP_PARAMS`.
    Oaep,
    /// `CK_GCM_PARAMS`.
    Gcm,
    /// `CK_EDDSA_PARAMS`, or none.
    EdDsa,
}

/// A mechanism's parameter, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Params {
    /// None.
    None,
    /// An initialisation vector.
    Bytes(Vec<u8>),
    /// A length, in bytes.
    Length(usize),
    /// Data that goes into a key, which may be secret as well.
    Data(Zeroizing<Vec<u8>>),
    /// Another key.
    Key(ObjectId),
    /// The number of a bit, from the first on.
    Bit(usize),
    /// For PSS.
    Pss(PssParams),
    /// For OAEP.
    Oaep(OaepParams),
    /// For GCM.
    Gcm(GcmParams),
    /// For EdDSA.
    EdDsa(EdDsaParams),
    /// Unread, as it stands in the application's memory. What it points to is there as long as the C function runs.
    Given(Vec<u8>),
}

/// `CK_RSA_PKCS_PSS_PARAMS`, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PssParams {
    /// The hash of the message.
    pub hash: Hash,
    /// The hash of the mask generation function.
    pub mgf: Hash,
    /// Salt, in bytes.
    pub salt_len: usize,
}

/// `CK_RSA_PKCS_OAEP_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OaepParams {
    /// The hash of the label.
    pub hash: Hash,
    /// The hash of the mask generation function.
    pub mgf: Hash,
    /// The label.
    pub label: Vec<u8>,
}

/// `CK_GCM_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcmParams {
    /// The initialisation vector, 1 to 256 bytes.
    pub iv: Vec<u8>,
    /// Additional authenticated data.
    pub aad: Vec<u8>,
    /// The tag, in bytes: 4 to 16.
    pub tag_len: usize,
}

/// `CK_EDDSA_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdDsaParams {
    /// Whether the message's SHA-512 digest is signed (Ed25519ph).
    pub prehash: bool,
    /// The context, 0 to 255 bytes.
    pub context: Vec<u8>,
}

/// Whether a parameter has the row's shape, and values that the mechanism can work with.
pub(super) fn check(row: &MechanismRow, params: &Params) -> Result<()> {
    let fits = match (row.params, params) {
        (ParamShape::None, Params::None) => true,
        (ParamShape::Bytes(len), Params::Bytes(bytes)) => bytes.len() == len,
        (ParamShape::OptionalBytes(_), Params::None) => true,
        (ParamShape::OptionalBytes(len), Params::Bytes(bytes)) => bytes.len() == len,
        (ParamShape::Length, Params::Length(len)) => row
            .algorithm
            .hash()
            .is_some_and(|hash| (1..=hash.output_len()).contains(len)),
        // A mechanism that hashes by itself must be told the same hash (PKCS#11 3.2, PKCS #1 RSA PSS with SHA-…).
        (ParamShape::Pss, Params::Pss(pss)) => row.algorithm.hash().is_none_or(|hash| hash == pss.hash),
        (ParamShape::Oaep, Params::Oaep(_))
        | (ParamShape::StringData, Params::Data(_))
        | (ParamShape::Key, Params::Key(_))
        | (ParamShape::Bit, Params::Bit(_)) => true,
        (ParamShape::Gcm, Params::Gcm(gcm)) => {
            (1..=256).contains(&gcm.iv.len()) && (4..=16).contains(&gcm.tag_len)
        }
        (ParamShape::EdDsa, Params::None) => true,
        (ParamShape::EdDsa, Params::EdDsa(eddsa)) => eddsa.context.len() <= edwards::MAX_CONTEXT,
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(Rv::MechanismParamInvalid.into())
    }
}
