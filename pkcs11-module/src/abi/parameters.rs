// SPDX-License-Identifier: MIT
//! Mechanisms as the application gives them: reading `CK_MECHANISM` and the structure that its parameter is.
//!
//! What a parameter looks like in C is said by the mechanism's row ([`ParamShape`]); what its values may be is the
//! model's business. Structures are read whole and unaligned, and only if the length is theirs.

mod derivation;

use std::marker::PhantomData;

use cryptoki_sys as ck;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{
    AeadParams, CcmParams, ChaCha20Params, ChaChaPolyParams, ChainedDataParams, CounterParams, EcdhAesParams,
    EcdhParams, EdDsaParams, GcmParams, Hedge, Kdf, Mechanism, MechanismRow, MlDsaParams, OaepParams,
    ParamShape, Params, PssParams, RsaAesParams,
};

use keyenclave_model::post_quantum::Prehash;
use keyenclave_model::token::{Answer, ObjectId};
use zeroize::Zeroizing;

use super::aead::{AeadForm, RawAead};
use super::values::{length, read, slice, try_to_vec};

/// A `CK_MECHANISM_PTR`. Null cancels the operation in `C_EncryptInit` and the like.
pub struct RawMechanism<'a> {
    ptr: *const ck::CK_MECHANISM,
    memory: PhantomData<&'a ck::CK_MECHANISM>,
}

impl RawMechanism<'_> {
    /// The mechanism at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read during `'a`, and so can the parameter that it points to, for the length
    /// given there, and what the parameter points to; nobody writes there meanwhile. Where the mechanism has a place
    /// for what it gives (a nonce, a tag, handles), it can be written.
    pub unsafe fn new(ptr: *const ck::CK_MECHANISM) -> Self {
        Self {
            ptr,
            memory: PhantomData,
        }
    }

    /// Whether the pointer is null.
    pub fn is_null(&self) -> bool {
        self.ptr.is_null()
    }

    /// The mechanism and its parameter.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null; `CKR_MECHANISM_INVALID` for an unknown mechanism, before its parameter is looked
    /// at; `CKR_MECHANISM_PARAM_INVALID` for a parameter that is not the mechanism's.
    pub fn parse(&self) -> Result<Mechanism> {
        // SAFETY: as promised to `new`.
        let raw = unsafe { read(self.ptr) }.ok_or(Rv::ArgumentsBad)?;
        let row = MechanismRow::find(raw.mechanism)?;
        let parameter = Parameter::new(raw.pParameter, raw.ulParameterLen);
        let params = parameter.parse(row.params).map_err(|error| {
            Error::new(
                error.rv(),
                format!("{}: the parameter is not what the mechanism takes", row.name),
            )
        })?;
        Mechanism::new(raw.mechanism, params)
    }

    /// Puts what a derivation gave beside its key where the parameter says.
    ///
    /// # Errors
    /// `CKR_GENERAL_ERROR` where the parameter has no place for it.
    pub fn answer(&self, answer: &Answer) -> Result<()> {
        // SAFETY: as promised to `new`.
        let raw = unsafe { read(self.ptr) }.ok_or(Rv::ArgumentsBad)?;
        let row = MechanismRow::find(raw.mechanism)?;
        Parameter::new(raw.pParameter, raw.ulParameterLen).answer(row.params, answer)
    }

    /// The mechanism, and the parameter that it has for keys that are wrapped, or unwrapped if it `opens`: with a place
    /// for the tag if data is `authenticated` with them, and with one for a nonce at least where the application gave
    /// that structure.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn for_keys(&self, authenticated: bool, opens: bool) -> Result<Mechanism> {
        // SAFETY: as promised to `new`.
        let raw = unsafe { read(self.ptr) }.ok_or(Rv::ArgumentsBad)?;
        let row = MechanismRow::find(raw.mechanism)?;
        if !matches!(row.params, ParamShape::Gcm | ParamShape::Ccm) {
            return self.parse();
        }
        let form = AeadForm::of(authenticated);
        // SAFETY: as promised to `new`: the parameter can be read for its length.
        let aead = unsafe { RawAead::new(raw.pParameter.cast(), raw.ulParameterLen, row.params, form) };
        match aead {
            Ok(aead) => {
                // SAFETY: as promised to `new`: so can what the parameter points to.
                let params = unsafe { aead.read(opens) }?;
                Mechanism::new(raw.mechanism, Params::Aead(params))
            }
            Err(error) if authenticated => Err(error),
            Err(_) => self.parse(),
        }
    }

    /// Writes what the token has made for a key that it wrapped.
    pub fn answer_wrapping(&mut self, authenticated: bool, made: &AeadParams) {
        // SAFETY: as promised to `new`.
        let Some(raw) = (unsafe { read(self.ptr) }) else {
            return;
        };
        let Ok(row) = MechanismRow::find(raw.mechanism) else {
            return;
        };
        let form = AeadForm::of(authenticated);
        // SAFETY: as promised to `new`: the parameter can be read for its length.
        let aead = unsafe { RawAead::new(raw.pParameter.cast(), raw.ulParameterLen, row.params, form) };
        if let Ok(aead) = aead {
            // SAFETY: as promised to `new`: a nonce that is to be generated and a tag that goes apart are what the
            // mechanism gives, and their places can be written.
            unsafe { aead.write(made) };
        }
    }

    /// The mechanism for messages. Where each of them brings a parameter of its own, the one here may be missing.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn for_messages(&self) -> Result<Mechanism> {
        // SAFETY: as promised to `new`.
        let raw = unsafe { read(self.ptr) }.ok_or(Rv::ArgumentsBad)?;
        let row = MechanismRow::find(raw.mechanism)?;
        let (ptr, len) = (raw.pParameter.cast(), raw.ulParameterLen);
        match row.params {
            ParamShape::Gcm | ParamShape::Ccm | ParamShape::ChaChaPoly if len == 0 => {}
            ParamShape::Gcm | ParamShape::Ccm | ParamShape::ChaChaPoly => {
                // SAFETY: as promised to `new`: the parameter can be read for its length.
                unsafe { RawAead::new(ptr, len, row.params, AeadForm::Message) }?;
            }
            _ => return self.parse(),
        }
        Mechanism::for_messages(raw.mechanism)
    }

    /// The mechanism whatever it is, and its parameter unread.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null; `CKR_MECHANISM_PARAM_INVALID` for a length without memory, or one that no
    /// parameter has.
    pub fn given(&self) -> Result<Mechanism> {
        // SAFETY: as promised to `new`.
        let raw = unsafe { read(self.ptr) }.ok_or(Rv::ArgumentsBad)?;
        if length(raw.ulParameterLen).is_none_or(|len| len > PARAMETER_MAX) {
            return invalid();
        }
        let parameter = match raw.ulParameterLen {
            0 => None,
            len => Some(part(raw.pParameter.cast(), len)?),
        };
        Ok(Mechanism::given(raw.mechanism, parameter))
    }
}

/// The longest parameter that is believed, in bytes.
const PARAMETER_MAX: usize = 1 << 20;

/// `pParameter` and `ulParameterLen`. Made only from a [`RawMechanism`], whose maker vouches for the memory.
struct Parameter<'a> {
    ptr: *const u8,
    len: ck::CK_ULONG,
    memory: PhantomData<&'a [u8]>,
}

impl<'a> Parameter<'a> {
    fn new(ptr: *const std::ffi::c_void, len: ck::CK_ULONG) -> Self {
        Self {
            ptr: ptr.cast(),
            len,
            memory: PhantomData,
        }
    }

    fn parse(&self, shape: ParamShape) -> Result<Params> {
        match shape {
            ParamShape::None if self.len == 0 => Ok(Params::None),
            ParamShape::None => invalid(),
            ParamShape::Bytes(len) if length(self.len) == Some(len) => {
                Ok(Params::Bytes(part(self.ptr, self.len)?))
            }
            ParamShape::Bytes(_) => invalid(),
            ParamShape::OptionalBytes(_) if self.len == 0 => Ok(Params::None),
            ParamShape::OptionalBytes(len) => self.parse(ParamShape::Bytes(len)),
            ParamShape::Length => Ok(Params::Length(size(self.structure::<ck::CK_ULONG>()?)?)),
            ParamShape::StringData => string_data(&self.structure()?),
            ParamShape::Key => Ok(Params::Key(ObjectId(self.structure()?))),
            ParamShape::Bit => Ok(Params::Bit(size(self.structure::<ck::CK_ULONG>()?)?)),
            ParamShape::Hkdf => derivation::hkdf(&self.structure()?),
            ParamShape::Sp800108 => derivation::sp800_108(&self.structure()?),
            ParamShape::Sp800108Feedback => derivation::kdf(&self.structure()?),
            ParamShape::Pbkdf2 => derivation::pbkdf2(&self.structure()?),
            ParamShape::TlsMaster => derivation::tls_master(&self.structure()?),
            ParamShape::TlsExtendedMaster => derivation::tls_extended_master(&self.structure()?),
            ParamShape::TlsKeys => derivation::tls_keys(&self.structure()?),
            ParamShape::TlsKdf => derivation::tls_kdf(&self.structure()?),
            ParamShape::TlsMac => derivation::tls_mac(&self.structure()?),
            ParamShape::Pss => pss(&self.structure()?),
            ParamShape::Oaep => oaep(&self.structure()?),
            ParamShape::Counter => counter(&self.structure()?),
            ParamShape::ChainedData => chained_data(&self.structure()?),
            ParamShape::Gcm | ParamShape::Gmac => gcm(&self.structure()?),
            ParamShape::Ccm => ccm(&self.structure()?),
            ParamShape::EdDsa if self.len == 0 => Ok(Params::None),
            ParamShape::EdDsa => eddsa(&self.structure()?),
            ParamShape::Ecdh => ecdh(&self.structure()?),
            ParamShape::EcdhAes => ecdh_aes(&self.structure()?),
            ParamShape::RsaAes => rsa_aes(&self.structure()?),
            ParamShape::ChaCha20 => chacha20(&self.structure()?),
            ParamShape::ChaChaPoly => chacha_poly(&self.structure()?),
            ParamShape::SignContext if self.len == 0 => Ok(Params::None),
            ParamShape::SignContext => sign_context(&self.structure()?),
            ParamShape::HashSignContext => hash_sign_context(&self.structure()?),
        }
    }

    /// The structure that the parameter is, if it has that structure's size.
    fn structure<T: Structure>(&self) -> Result<T> {
        if length(self.len) != Some(size_of::<T>()) {
            return invalid();
        }
        // SAFETY: `len` bytes can be read, as promised to `RawMechanism::new`, and that is a `T`'s size.
        unsafe { read(self.ptr.cast::<T>()) }.ok_or_else(|| Rv::MechanismParamInvalid.into())
    }
}

/// A C structure of which every bit pattern is a value.
trait Structure: Copy {}
impl Structure for ck::CK_ULONG {}
impl Structure for ck::CK_RSA_PKCS_PSS_PARAMS {}
impl Structure for ck::CK_RSA_PKCS_OAEP_PARAMS {}
impl Structure for ck::CK_AES_CTR_PARAMS {}
impl Structure for ck::CK_AES_CBC_ENCRYPT_DATA_PARAMS {}
impl Structure for ck::CK_GCM_PARAMS {}
impl Structure for ck::CK_CCM_PARAMS {}
impl Structure for ck::CK_EDDSA_PARAMS {}
impl Structure for ck::CK_ECDH1_DERIVE_PARAMS {}
impl Structure for ck::CK_ECDH_AES_KEY_WRAP_PARAMS {}
impl Structure for ck::CK_RSA_AES_KEY_WRAP_PARAMS {}
impl Structure for ck::CK_SIGN_ADDITIONAL_CONTEXT {}
impl Structure for ck::CK_HASH_SIGN_ADDITIONAL_CONTEXT {}
impl Structure for ck::CK_KEY_DERIVATION_STRING_DATA {}
impl Structure for ck::CK_CHACHA20_PARAMS {}
impl Structure for ck::CK_SALSA20_CHACHA20_POLY1305_PARAMS {}

/// The counter's bytes are in the order of the cipher's, the lowest first (RFC 8439, section 2.3).
fn chacha20(raw: &ck::CK_CHACHA20_PARAMS) -> Result<Params> {
    let counter = bits(raw.pBlockCounter, raw.blockCounterBits)?;
    let nonce = bits(raw.pNonce, raw.ulNonceBits)?;
    let block = match (counter.as_slice(), nonce.len()) {
        (&[a, b, c, d], 8 | 12) => u32::from_le_bytes([a, b, c, d]).into(),
        (&[a, b, c, d, e, f, g, h], 8) => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => return invalid(),
    };
    Ok(Params::ChaCha20(ChaCha20Params { block, nonce }))
}

fn chacha_poly(raw: &ck::CK_SALSA20_CHACHA20_POLY1305_PARAMS) -> Result<Params> {
    Ok(Params::ChaChaPoly(ChaChaPolyParams {
        nonce: part(raw.pNonce, ChaChaPolyParams::nonce_len(raw.ulNonceLen))?,
        aad: part(raw.pAAD, raw.ulAADLen)?,
    }))
}

/// So many bits, if they are whole bytes.
fn bits(ptr: *const u8, bits: ck::CK_ULONG) -> Result<Vec<u8>> {
    if !bits.is_multiple_of(8) {
        return invalid();
    }
    part(ptr, bits / 8)
}

fn string_data(raw: &ck::CK_KEY_DERIVATION_STRING_DATA) -> Result<Params> {
    part(raw.pData, raw.ulLen).map(|data| Params::Data(Zeroizing::new(data)))
}

fn pss(raw: &ck::CK_RSA_PKCS_PSS_PARAMS) -> Result<Params> {
    Ok(Params::Pss(PssParams {
        hash: hash(raw.hashAlg)?,
        mgf: mgf(raw.mgf)?,
        salt_len: size(raw.sLen)?,
    }))
}

/// Without a label both `CKZ_DATA_SPECIFIED` and 0 are met as source (PKCS#11 3.2, PKCS #1 RSA OAEP).
fn oaep(raw: &ck::CK_RSA_PKCS_OAEP_PARAMS) -> Result<Params> {
    let label = part(raw.pSourceData.cast(), raw.ulSourceDataLen)?;
    match (raw.source, label.is_empty()) {
        (ck::CKZ_DATA_SPECIFIED, _) | (0, true) => Ok(Params::Oaep(OaepParams {
            hash: hash(raw.hashAlg)?,
            mgf: mgf(raw.mgf)?,
            label,
        })),
        _ => invalid(),
    }
}

/// `ulIvBits` says again what `ulIvLen` says; applications leave it unset, so it is not read.
fn gcm(raw: &ck::CK_GCM_PARAMS) -> Result<Params> {
    if !raw.ulTagBits.is_multiple_of(8) {
        return invalid();
    }
    Ok(Params::Gcm(GcmParams {
        iv: part(raw.pIv, raw.ulIvLen)?,
        aad: part(raw.pAAD, raw.ulAADLen)?,
        tag_len: size(raw.ulTagBits / 8)?,
    }))
}

fn ccm(raw: &ck::CK_CCM_PARAMS) -> Result<Params> {
    Ok(Params::Ccm(CcmParams {
        data_len: size(raw.ulDataLen)?,
        nonce: part(raw.pNonce, raw.ulNonceLen)?,
        aad: part(raw.pAAD, raw.ulAADLen)?,
        tag_len: size(raw.ulMACLen)?,
    }))
}

fn counter(raw: &ck::CK_AES_CTR_PARAMS) -> Result<Params> {
    Ok(Params::Counter(CounterParams {
        bits: size(raw.ulCounterBits)?,
        block: raw.cb,
    }))
}

fn chained_data(raw: &ck::CK_AES_CBC_ENCRYPT_DATA_PARAMS) -> Result<Params> {
    Ok(Params::ChainedData(ChainedDataParams {
        iv: raw.iv,
        data: Zeroizing::new(part(raw.pData, raw.length)?),
    }))
}

fn eddsa(raw: &ck::CK_EDDSA_PARAMS) -> Result<Params> {
    let prehash = match raw.phFlag {
        ck::CK_FALSE => false,
        ck::CK_TRUE => true,
        _ => return invalid(),
    };
    Ok(Params::EdDsa(EdDsaParams {
        prehash,
        context: part(raw.pContextData, raw.ulContextDataLen)?,
    }))
}

fn ecdh(raw: &ck::CK_ECDH1_DERIVE_PARAMS) -> Result<Params> {
    Ok(Params::Ecdh(EcdhParams {
        kdf: kdf(raw.kdf)?,
        shared: part(raw.pSharedData, raw.ulSharedDataLen)?,
        public: part(raw.pPublicData, raw.ulPublicDataLen)?,
    }))
}

fn ecdh_aes(raw: &ck::CK_ECDH_AES_KEY_WRAP_PARAMS) -> Result<Params> {
    Ok(Params::EcdhAes(EcdhAesParams {
        key_len: aes_len(raw.ulAESKeyBits)?,
        kdf: kdf(raw.kdf)?,
        shared: part(raw.pSharedData, raw.ulSharedDataLen)?,
    }))
}

fn rsa_aes(raw: &ck::CK_RSA_AES_KEY_WRAP_PARAMS) -> Result<Params> {
    // SAFETY: what a parameter points to can be read, as promised to `RawMechanism::new`.
    let inner = unsafe { read(raw.pOAEPParams.cast_const()) };
    match oaep(&inner.ok_or(Rv::MechanismParamInvalid)?)? {
        Params::Oaep(oaep) => Ok(Params::RsaAes(RsaAesParams {
            key_len: aes_len(raw.ulAESKeyBits)?,
            oaep,
        })),
        _ => invalid(),
    }
}

fn sign_context(raw: &ck::CK_SIGN_ADDITIONAL_CONTEXT) -> Result<Params> {
    Ok(Params::MlDsa(MlDsaParams {
        hedge: hedge(raw.hedgeVariant)?,
        context: part(raw.pContext, raw.ulContextLen)?,
        prehash: None,
    }))
}

fn hash_sign_context(raw: &ck::CK_HASH_SIGN_ADDITIONAL_CONTEXT) -> Result<Params> {
    let prehash = Prehash::from_mechanism(raw.hash).ok_or(Rv::MechanismParamInvalid)?;
    Ok(Params::MlDsa(MlDsaParams {
        hedge: hedge(raw.hedgeVariant)?,
        context: part(raw.pContext, raw.ulContextLen)?,
        prehash: Some(prehash),
    }))
}

fn hedge(variant: ck::CK_HEDGE_TYPE) -> Result<Hedge> {
    match variant {
        ck::CKH_HEDGE_PREFERRED => Ok(Hedge::Preferred),
        ck::CKH_HEDGE_REQUIRED => Ok(Hedge::Required),
        ck::CKH_DETERMINISTIC_REQUIRED => Ok(Hedge::Deterministic),
        _ => invalid(),
    }
}

/// The length of an AES key that is given in bits, in bytes.
fn aes_len(bits: ck::CK_ULONG) -> Result<usize> {
    match bits {
        128 | 192 | 256 => size(bits / 8),
        _ => invalid(),
    }
}

fn kdf(number: ck::CK_EC_KDF_TYPE) -> Result<Kdf> {
    Kdf::find(number).ok_or_else(|| Rv::MechanismParamInvalid.into())
}

fn hash(mechanism: ck::CK_MECHANISM_TYPE) -> Result<Hash> {
    Hash::from_mechanism(mechanism).ok_or_else(|| Rv::MechanismParamInvalid.into())
}

fn mgf(mgf: ck::CK_RSA_PKCS_MGF_TYPE) -> Result<Hash> {
    Hash::from_mgf(mgf).ok_or_else(|| Rv::MechanismParamInvalid.into())
}

pub(super) fn size(len: ck::CK_ULONG) -> Result<usize> {
    length(len).ok_or_else(|| Rv::MechanismParamInvalid.into())
}

/// A copy of bytes that a structure points to.
fn part(ptr: *const u8, len: ck::CK_ULONG) -> Result<Vec<u8>> {
    // SAFETY: only called with what a parameter points to, as promised to `RawMechanism::new`.
    let bytes = unsafe { slice(ptr, len) }.ok_or(Rv::MechanismParamInvalid)?;
    try_to_vec(bytes)
}

fn invalid<T>() -> Result<T> {
    Err(Rv::MechanismParamInvalid.into())
}
