// SPDX-License-Identifier: MIT
//! The parameters of mechanisms that derive keys: apart from the others because most of them are structures of
//! structures, and some name keys, or describe keys that are to be made.

use std::fmt;

use cryptoki_sys as ck;
use zeroize::Zeroizing;

use super::{Algorithm, MechanismRow};
use crate::algorithm::Hash;
use crate::template::Template;
use crate::token::ObjectId;

/// Something that does not show itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden<T>(pub T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Bytes that may be secret.
pub type HiddenBytes = Hidden<Zeroizing<Vec<u8>>>;

/// `CK_HKDF_PARAMS` (RFC 5869).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HkdfParams {
    /// Of the HMAC.
    pub hash: Hash,
    /// Whether a pseudorandom key is extracted first, and with which salt.
    pub extract: Option<HkdfSalt>,
    /// Whether it is expanded, and with which information.
    pub expand: Option<Vec<u8>>,
}

/// The salt of HKDF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HkdfSalt {
    /// As many zeros as the hash is long.
    Null,
    /// These bytes.
    Data(HiddenBytes),
    /// The value of a key.
    Key(ObjectId),
}

/// A pseudorandom function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prf {
    /// HMAC (RFC 2104).
    Hmac(Hash),
    /// AES-CMAC (SP 800-38B).
    AesCmac,
}

impl Prf {
    /// The function that a MAC mechanism's number names.
    pub fn from_mechanism(id: ck::CK_MECHANISM_TYPE) -> Option<Self> {
        if id == ck::CKM_AES_CMAC {
            return Some(Self::AesCmac);
        }
        match MechanismRow::find(id).ok()?.algorithm {
            Algorithm::Hmac {
                hash,
                truncated: false,
            } => Some(Self::Hmac(hash)),
            _ => None,
        }
    }

    /// Output, in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Hmac(hash) => hash.output_len(),
            Self::AesCmac => 16,
        }
    }
}

/// `CK_SP800_108_KDF_PARAMS` and `CK_SP800_108_FEEDBACK_KDF_PARAMS` (NIST SP 800-108).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sp800108Params {
    /// The function that is iterated.
    pub prf: Prf,
    /// What its input consists of.
    pub input: Vec<PrfInput>,
    /// K(0) of the feedback mode; empty where there is none.
    pub iv: Vec<u8>,
    /// What the keys beside the first shall be.
    pub additional: Hidden<Vec<Template>>,
}

/// A piece of a pseudorandom function's input (`CK_PRF_DATA_PARAM`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrfInput {
    /// The variable of the iteration, which is a counter in one of the modes only.
    Iteration(Option<NumberFormat>),
    /// The number of the iteration.
    Counter(NumberFormat),
    /// How long the result is, in bits.
    Length {
        /// Whether what is thrown away counts as well.
        segments: bool,
        /// How the number is written.
        format: NumberFormat,
    },
    /// These bytes.
    Bytes(HiddenBytes),
    /// The value of a key.
    Key(ObjectId),
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// Whether the lowest byte comes first.
    pub little_endian: bool,
    /// In bytes, 1 to 8.
    pub width: usize,
}

/// `CK_PKCS5_PBKD2_PARAMS` and `CK_PKCS5_PBKD2_PARAMS2` (RFC 8018).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pbkdf2Params {
    /// Of the HMAC.
    pub hash: Hash,
    /// What makes equal passwords different.
    pub salt: Vec<u8>,
    /// How often the HMAC is iterated.
    pub iterations: u32,
    /// The password.
    pub password: HiddenBytes,
}

/// The pseudorandom function of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPrf {
    /// Of TLS 1.0 and 1.1 (RFC 2246).
    Legacy,
    /// Of TLS 1.2 (RFC 5246).
    Hash(Hash),
}

/// `CK_SSL3_RANDOM_DATA`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRandoms {
    /// Of the client.
    pub client: Vec<u8>,
    /// Of the server.
    pub server: Vec<u8>,
}

/// `CK_TLS12_MASTER_KEY_DERIVE_PARAMS` and `CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsMasterParams {
    /// The pseudorandom function.
    pub prf: TlsPrf,
    /// What goes into it: the randoms, or the hash of the handshake (RFC 7627).
    pub seed: Vec<u8>,
    /// Whether there is a place for the version that the premaster secret begins with.
    pub has_version: bool,
}

/// `CK_TLS12_KEY_MAT_PARAMS`. Lengths are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsKeysParams {
    /// The pseudorandom function.
    pub prf: TlsPrf,
    /// Of the handshake.
    pub randoms: TlsRandoms,
    /// Of each MAC key; 0 for none.
    pub mac_len: usize,
    /// Of each encryption key.
    pub key_len: usize,
    /// Of each initialisation vector; 0 for none.
    pub iv_len: usize,
}

/// `CK_TLS_KDF_PARAMS` (RFC 5705).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsKdfParams {
    /// The pseudorandom function.
    pub prf: TlsPrf,
    /// What the key is for.
    pub label: Vec<u8>,
    /// Of the handshake.
    pub randoms: TlsRandoms,
    /// What else the key is bound to.
    pub context: Option<Vec<u8>>,
}

/// `CK_TLS_MAC_PARAMS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsMacParams {
    /// The pseudorandom function.
    pub prf: TlsPrf,
    /// Of the MAC, in bytes.
    pub len: usize,
    /// Whose message is authenticated.
    pub server: bool,
}

/// How SP 800-108 iterates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iteration {
    /// Over a counter.
    Counter,
    /// Over what came out last.
    Feedback,
    /// Over what comes out of another iteration.
    DoublePipeline,
}

impl Sp800108Params {
    /// Whether the pieces of the input go together in a mode (PKCS#11 3.2, SP800-108 key derivation).
    pub(super) fn fits(&self, mode: Iteration) -> bool {
        let count = |wanted: fn(&PrfInput) -> bool| self.input.iter().filter(|piece| wanted(piece)).count();
        let iterations = count(|piece| matches!(piece, PrfInput::Iteration(_)));
        let counters = count(|piece| matches!(piece, PrfInput::Counter(_)));
        let lengths = count(|piece| matches!(piece, PrfInput::Length { .. }));
        let formatted = count(|piece| matches!(piece, PrfInput::Iteration(Some(_))));
        let as_the_mode_wants = match mode {
            Iteration::Counter => iterations > 0 && formatted == iterations && counters == 0,
            // The specification asks for the variable and leaves it out of an example of its own.
            Iteration::Feedback | Iteration::DoublePipeline => formatted == 0 && counters <= 1,
        };
        as_the_mode_wants && lengths <= 1 && (mode == Iteration::Feedback || self.iv.is_empty())
    }
}

impl TlsKeysParams {
    /// Whether nothing but initialisation vectors is given out. They are taken from the end of what the keys are taken
    /// from: somebody who asked for short keys would read the longer ones there.
    pub(super) fn fits(&self) -> bool {
        const WHOLE_KEY: usize = 16;
        const LONGEST_IV: usize = 16;
        self.iv_len == 0 || (self.key_len >= WHOLE_KEY && self.iv_len <= LONGEST_IV)
    }
}
