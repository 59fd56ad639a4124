// SPDX-License-Identifier: MIT
//! Authenticated encryption where nonce and tag may be the token's to make: the parameters of `C_WrapKey`,
//! `C_WrapKeyAuthenticated`, `C_EncryptMessage` and their kind (PKCS#11 3.2, AES GCM and CCM mechanism parameters,
//! ChaCha20/Poly1305 mechanism parameters).

use cryptoki_sys as ck;

use super::params::{ParamShape, ccm_fits, chacha_poly_fits, gcm_fits};

/// The tag of Poly1305, in bytes.
const POLY1305_TAG: usize = 16;

/// `CK_GCM_WRAP_PARAMS`, `CK_GCM_MESSAGE_PARAMS`, the same of CCM, and `CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS`, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AeadParams {
    /// The nonce as it stands in the application's memory; the token puts the one in that it makes.
    pub nonce: Vec<u8>,
    /// How many bits at the beginning of the nonce are the application's.
    pub fixed_bits: usize,
    /// Who makes the others.
    pub generator: Generator,
    /// Additional authenticated data, where the parameter has it.
    pub aad: Vec<u8>,
    /// The tag, in bytes.
    pub tag_len: usize,
    /// Where the tag goes, or is.
    pub tag: Tag,
    /// How long the data is, in bytes, where the parameter says it.
    pub data_len: Option<usize>,
}

/// Where a tag is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// After the ciphertext.
    Appended,
    /// In memory that the parameter points to: what stands there to be checked, or what the token puts there, which is
    /// empty until it has.
    Apart(Vec<u8>),
    /// The parameter has no place for it.
    Missing,
}

/// How the bits of a nonce are made that are not the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// `CKG_NO_GENERATE`: they are the application's as well.
    None,
    /// `CKG_GENERATE`: as the token likes.
    Any,
    /// `CKG_GENERATE_COUNTER`: they count from zero.
    Counter,
    /// `CKG_GENERATE_COUNTER_XOR`: the application's, XOR a counter.
    CounterXor,
    /// `CKG_GENERATE_RANDOM`.
    Random,
}

impl Generator {
    /// The generator with a number.
    pub fn new(number: ck::CK_GENERATOR_FUNCTION) -> Option<Self> {
        Some(match number {
            ck::CKG_NO_GENERATE => Self::None,
            ck::CKG_GENERATE => Self::Any,
            ck::CKG_GENERATE_COUNTER => Self::Counter,
            ck::CKG_GENERATE_COUNTER_XOR => Self::CounterXor,
            ck::CKG_GENERATE_RANDOM => Self::Random,
            _ => return None,
        })
    }
}

impl AeadParams {
    /// Whether the mechanism with parameters of this shape can work with these.
    pub fn fits(&self, shape: ParamShape) -> bool {
        let lens_fit = match shape {
            ParamShape::Gcm => gcm_fits(self.nonce.len(), self.tag_len),
            ParamShape::Ccm => ccm_fits(self.nonce.len(), self.tag_len),
            ParamShape::ChaChaPoly => chacha_poly_fits(self.nonce.len()) && self.tag_len == POLY1305_TAG,
            _ => false,
        };
        lens_fit && self.fixed_bits <= self.nonce.len().saturating_mul(8)
    }
}
