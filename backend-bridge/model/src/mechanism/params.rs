// SPDX-License-Identifier: MIT
//! The parameters of mechanisms: what they look like in C, what they are here, and which fit.

use cryptoki_sys as ck;
use zeroize::Zeroizing;

use super::MechanismRow;
use super::aead::AeadParams;
use super::agreement::{EcdhAesParams, EcdhParams, RsaAesParams};
use super::algorithm::Algorithm;
use super::derivation::{
    HkdfParams, Pbkdf2Params, Sp800108Params, TlsKdfParams, TlsKeysParams, TlsMacParams, TlsMasterParams,
};
use crate::algorithm::Hash;
use crate::edwards;
use crate::error::{Result, Rv};
use crate::post_quantum::{self, Prehash};
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
    /// `CK_HKDF_PARAMS`.
    Hkdf,
    /// `CK_SP800_108_KDF_PARAMS`.
    Sp800108,
    /// `CK_SP800_108_FEEDBACK_KDF_PARAMS`.
    Sp800108Feedback,
    /// `CK_PKCS5_PBKD2_PARAMS` or `CK_PKCS5_PBKD2_PARAMS2`.
    Pbkdf2,
    /// `CK_TLS12_MASTER_KEY_DERIVE_PARAMS`.
    TlsMaster,
    /// `CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS`.
    TlsExtendedMaster,
    /// `CK_TLS12_KEY_MAT_PARAMS`.
    TlsKeys,
    /// `CK_TLS_KDF_PARAMS`.
    TlsKdf,
    /// `CK_TLS_MAC_PARAMS`.
    TlsMac,
    /// `CK_RSA_PKCS_PSS_PARAMS`.
    Pss,
    /// `CK_RSA_PKCS_OAEP_PARAMS`.
    Oaep,
    /// `CK_AES_CTR_PARAMS`.
    Counter,
    /// `CK_AES_CBC_ENCRYPT_DATA_PARAMS`.
    ChainedData,
    /// `CK_GCM_PARAMS`, and with nothing but an initialisation vector and a tag length in it.
    Gmac,
    /// `CK_GCM_PARAMS`; for keys and messages `CK_GCM_WRAP_PARAMS` and `CK_GCM_MESSAGE_PARAMS`.
    Gcm,
    /// `CK_CCM_PARAMS`; for keys and messages `CK_CCM_WRAP_PARAMS` and `CK_CCM_MESSAGE_PARAMS`.
    Ccm,
    /// `CK_EDDSA_PARAMS`, or none.
    EdDsa,
    /// `CK_ECDH1_DERIVE_PARAMS`.
    Ecdh,
    /// `CK_ECDH_AES_KEY_WRAP_PARAMS`.
    EcdhAes,
    /// `CK_RSA_AES_KEY_WRAP_PARAMS`.
    RsaAes,
    /// `CK_CHACHA20_PARAMS`.
    ChaCha20,
    /// `CK_SALSA20_CHACHA20_POLY1305_PARAMS`; for messages `CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS`.
    ChaChaPoly,
    /// `CK_SIGN_ADDITIONAL_CONTEXT`, or none.
    SignContext,
    /// `CK_HASH_SIGN_ADDITIONAL_CONTEXT`.
    HashSignContext,
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
    /// For HKDF.
    Hkdf(HkdfParams),
    /// For SP 800-108.
    Sp800108(Box<Sp800108Params>),
    /// For PBKDF2.
    Pbkdf2(Pbkdf2Params),
    /// For a master secret of TLS.
    TlsMaster(TlsMasterParams),
    /// For the keys of a TLS connection.
    TlsKeys(TlsKeysParams),
    /// For other keys out of a TLS handshake.
    TlsKdf(TlsKdfParams),
    /// For the last messages of a TLS handshake.
    TlsMac(TlsMacParams),
    /// For PSS.
    Pss(PssParams),
    /// For OAEP.
    Oaep(OaepParams),
    /// A counter block.
    Counter(CounterParams),
    /// Data that goes through CBC into a key.
    ChainedData(ChainedDataParams),
    /// For GCM.
    Gcm(GcmParams),
    /// For CCM.
    Ccm(CcmParams),
    /// For wrapping a key, where nonce and tag may be the token's to make.
    Aead(AeadParams),
    /// For EdDSA.
    EdDsa(EdDsaParams),
    /// For ECDH.
    Ecdh(EcdhParams),
    /// For wrapping with ECDH and AES.
    EcdhAes(EcdhAesParams),
    /// For wrapping with RSA and AES.
    RsaAes(RsaAesParams),
    /// For ChaCha20.
    ChaCha20(ChaCha20Params),
    /// For ChaCha20-Poly1305.
    ChaChaPoly(ChaChaPolyParams),
    /// For ML-DSA.
    MlDsa(MlDsaParams),
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
    /// The initialisation vector, at least a byte.
    pub iv: Vec<u8>,
    /// Additional authenticated data.
    pub aad: Vec<u8>,
    /// The tag, in bytes: 4 to 16.
    pub tag_len: usize,
}

/// `CK_AES_CTR_PARAMS`, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterParams {
    /// How many bits at the end of the block count: 1 to 128.
    pub bits: usize,
    /// The first block.
    pub block: [u8; BLOCK],
}

/// `CK_AES_CBC_ENCRYPT_DATA_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainedDataParams {
    /// The initialisation vector.
    pub iv: [u8; BLOCK],
    /// The data: whole blocks.
    pub data: Zeroizing<Vec<u8>>,
}

/// `CK_CCM_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CcmParams {
    /// How long the plaintext is, in bytes.
    pub data_len: usize,
    /// The nonce, 7 to 13 bytes.
    pub nonce: Vec<u8>,
    /// Additional authenticated data.
    pub aad: Vec<u8>,
    /// The tag, in bytes: an even number from 4 to 16.
    pub tag_len: usize,
}

/// A block of AES, in bytes.
const BLOCK: usize = 16;

/// `CK_EDDSA_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdDsaParams {
    /// Whether the message's SHA-512 digest is signed (Ed25519ph).
    pub prehash: bool,
    /// The context, 0 to 255 bytes.
    pub context: Vec<u8>,
}

/// `CK_CHACHA20_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChaCha20Params {
    /// The number of the first block.
    pub block: u64,
    /// The nonce: 12 bytes, with blocks counted in 32 bits, or 8 bytes, with blocks counted in 64.
    pub nonce: Vec<u8>,
}

/// `CK_SALSA20_CHACHA20_POLY1305_PARAMS`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChaChaPolyParams {
    /// The nonce: 12 bytes, or 24 for XChaCha20.
    pub nonce: Vec<u8>,
    /// Additional authenticated data.
    pub aad: Vec<u8>,
}

impl ChaChaPolyParams {
    /// How long a nonce is, in bytes, of which the structure, or that of one message, gives this `ulNonceLen`. The
    /// specification counts bits (PKCS#11 3.2, ChaCha20/Poly1305 and Salsa20/Poly1305), which few notice: numbers that
    /// are too few for bits are understood as bytes.
    pub fn nonce_len(told: ck::CK_ULONG) -> ck::CK_ULONG {
        /// The shortest nonce, in bits.
        const SHORTEST: ck::CK_ULONG = 64;
        if told < SHORTEST { told } else { told.div_ceil(8) }
    }
}

/// `CK_SIGN_ADDITIONAL_CONTEXT` or `CK_HASH_SIGN_ADDITIONAL_CONTEXT`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlDsaParams {
    /// Whether the signature is a random one.
    pub hedge: Hedge,
    /// The context, 0 to 255 bytes.
    pub context: Vec<u8>,
    /// What the application gives in place of a message, where the mechanism does not say that.
    pub prehash: Option<Prehash>,
}

/// Whether randomness goes into a signature (FIPS 204, section 3.4). Verification does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hedge {
    /// It may; here it does.
    Preferred,
    /// It must.
    Required,
    /// It must not: the same message gets the same signature.
    Deterministic,
}

/// Whether a parameter has the row's shape, and values that the mechanism can work with.
pub(super) fn check(row: &MechanismRow, params: &Params) -> Result<()> {
    let fits = |context: &[u8]| context.len() <= post_quantum::MAX_CONTEXT;
    let fits = match (row.params, params) {
        (ParamShape::None, Params::None) => true,
        (ParamShape::Bytes(len), Params::Bytes(bytes)) => bytes.len() == len,
        (ParamShape::OptionalBytes(_), Params::None) => true,
        (ParamShape::OptionalBytes(len), Params::Bytes(bytes)) => bytes.len() == len,
        (ParamShape::Length, Params::Length(len)) => row
            .algorithm
            .code_len()
            .is_some_and(|most| (1..=most).contains(len)),
        // A mechanism that hashes by itself must be told the same hash (PKCS#11 3.2, PKCS #1 RSA PSS with SHA-…).
        (ParamShape::Pss, Params::Pss(pss)) => row.algorithm.hash().is_none_or(|hash| hash == pss.hash),
        (ParamShape::StringData, Params::Data(data)) if encrypts(row) => is_blocks(data),
        (ParamShape::Oaep, Params::Oaep(_))
        | (ParamShape::StringData, Params::Data(_))
        | (ParamShape::Key, Params::Key(_))
        | (ParamShape::Bit, Params::Bit(_))
        | (ParamShape::TlsKdf, Params::TlsKdf(_)) => true,
        (ParamShape::Counter, Params::Counter(counter)) => (1..=8 * BLOCK).contains(&counter.bits),
        (ParamShape::ChainedData, Params::ChainedData(chained)) => is_blocks(&chained.data),
        (ParamShape::Gmac, Params::Gcm(gcm)) => gcm.aad.is_empty() && gcm_fits(gcm.iv.len(), gcm.tag_len),
        (ParamShape::Gcm, Params::Gcm(gcm)) => gcm_fits(gcm.iv.len(), gcm.tag_len),
        (ParamShape::Ccm, Params::Ccm(ccm)) => ccm_fits(ccm.nonce.len(), ccm.tag_len),
        (shape @ (ParamShape::Gcm | ParamShape::Ccm), Params::Aead(aead)) => aead.fits(shape),
        (ParamShape::ChaCha20, Params::ChaCha20(params)) => match params.nonce.len() {
            12 => u32::try_from(params.block).is_ok(),
            len => len == 8,
        },
        (ParamShape::ChaChaPoly, Params::ChaChaPoly(params)) => chacha_poly_fits(params.nonce.len()),
        (ParamShape::Hkdf, Params::Hkdf(hkdf)) => hkdf.extract.is_some() || hkdf.expand.is_some(),
        (ParamShape::Sp800108 | ParamShape::Sp800108Feedback, Params::Sp800108(kdf)) => {
            matches!(row.algorithm, Algorithm::Sp800108(mode) if kdf.fits(mode))
        }
        (ParamShape::Pbkdf2, Params::Pbkdf2(pbkdf2)) => pbkdf2.iterations > 0,
        (ParamShape::TlsMaster | ParamShape::TlsExtendedMaster, Params::TlsMaster(master)) => {
            matches!(row.algorithm, Algorithm::TlsMaster { agreed, .. } if !(agreed && master.has_version))
        }
        (ParamShape::TlsKeys, Params::TlsKeys(keys)) => keys.fits(),
        (ParamShape::TlsMac, Params::TlsMac(mac)) => (12..=256).contains(&mac.len),
        (ParamShape::EdDsa, Params::None) => true,
        (ParamShape::SignContext, Params::None) => true,
        (ParamShape::SignContext, Params::MlDsa(given)) => given.prehash.is_none() && fits(&given.context),
        (ParamShape::HashSignContext, Params::MlDsa(given)) => {
            given.prehash.is_some() && fits(&given.context)
        }
        (ParamShape::EdDsa, Params::EdDsa(eddsa)) => eddsa.context.len() <= edwards::MAX_CONTEXT,
        (ParamShape::Ecdh, Params::Ecdh(ecdh)) => ecdh.fits(),
        (ParamShape::EcdhAes, Params::EcdhAes(wrap)) => wrap.fits(),
        (ParamShape::RsaAes, Params::RsaAes(wrap)) => wrap.fits(),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(Rv::MechanismParamInvalid.into())
    }
}

/// Whether GCM has such an initialisation vector and tag, in bytes.
pub(super) fn gcm_fits(iv_len: usize, tag_len: usize) -> bool {
    iv_len > 0 && (4..=16).contains(&tag_len)
}

/// Whether CCM has such a nonce and tag, in bytes.
pub(super) fn ccm_fits(nonce_len: usize, tag_len: usize) -> bool {
    (7..=13).contains(&nonce_len) && (4..=16).contains(&tag_len) && tag_len.is_multiple_of(2)
}

/// Whether ChaCha20-Poly1305 has such a nonce, in bytes: the longer one is XChaCha20's.
pub(super) fn chacha_poly_fits(nonce_len: usize) -> bool {
    matches!(nonce_len, 12 | 24)
}

/// Whether a mechanism encrypts the data of its parameter.
fn encrypts(row: &MechanismRow) -> bool {
    matches!(row.algorithm, Algorithm::AesEncryptData { .. })
}

/// Whether data is whole blocks, and any.
fn is_blocks(data: &[u8]) -> bool {
    !data.is_empty() && data.len().is_multiple_of(BLOCK)
}
