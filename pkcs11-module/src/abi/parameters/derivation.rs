// SPDX-License-Identifier: MIT
//! The parameters of mechanisms that derive keys, and what is written back to them.
//!
//! Apart from the other parameters because these structures point to structures and templates, and some have places
//! for handles, versions and initialisation vectors. What is pointed to is read by the rules of the parent module:
//! whole, unaligned, and no more than was said to be there.

use cryptoki_sys as ck;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{
    Hidden, HiddenBytes, HkdfParams, HkdfSalt, NumberFormat, ParamShape, Params, Pbkdf2Params, Prf, PrfInput,
    Sp800108Params, TlsKdfParams, TlsKeysParams, TlsMacParams, TlsMasterParams, TlsPrf, TlsRandoms,
};
use keyenclave_model::template::Template;
use keyenclave_model::token::{Answer, ObjectId};
use zeroize::Zeroizing;

use super::{Parameter, Structure, hash, invalid, part, size};
use crate::abi::values::{RawTemplate, length, read, write, write_all};

impl Structure for ck::CK_HKDF_PARAMS {}
impl Structure for ck::CK_SP800_108_KDF_PARAMS {}
impl Structure for ck::CK_SP800_108_FEEDBACK_KDF_PARAMS {}
impl Structure for ck::CK_PRF_DATA_PARAM {}
impl Structure for ck::CK_SP800_108_COUNTER_FORMAT {}
impl Structure for ck::CK_SP800_108_DKM_LENGTH_FORMAT {}
impl Structure for ck::CK_DERIVED_KEY {}
impl Structure for ck::CK_PKCS5_PBKD2_PARAMS2 {}
impl Structure for ck::CK_TLS12_MASTER_KEY_DERIVE_PARAMS {}
impl Structure for ck::CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS {}
impl Structure for ck::CK_TLS12_KEY_MAT_PARAMS {}
impl Structure for ck::CK_SSL3_KEY_MAT_OUT {}
impl Structure for ck::CK_TLS_KDF_PARAMS {}
impl Structure for ck::CK_TLS_MAC_PARAMS {}

/// More pieces of input, or additional keys, than anybody has.
const PIECES_MAX: usize = 1024;
/// The longest password that is believed, in bytes. What is larger is a pointer, see [`pbkdf2`].
const PASSWORD_MAX: ck::CK_ULONG = 0xffff;

pub(super) fn hkdf(raw: &ck::CK_HKDF_PARAMS) -> Result<Params> {
    let salt = || {
        Ok(match raw.ulSaltType {
            ck::CKF_HKDF_SALT_NULL => HkdfSalt::Null,
            ck::CKF_HKDF_SALT_DATA => HkdfSalt::Data(hidden(raw.pSalt, raw.ulSaltLen)?),
            ck::CKF_HKDF_SALT_KEY => HkdfSalt::Key(ObjectId(raw.hSaltKey)),
            _ => return invalid(),
        })
    };
    Ok(Params::Hkdf(HkdfParams {
        hash: hash(raw.prfHashMechanism)?,
        extract: truth(raw.bExtract)?.then(salt).transpose()?,
        expand: truth(raw.bExpand)?
            .then(|| part(raw.pInfo, raw.ulInfoLen))
            .transpose()?,
    }))
}

pub(super) fn sp800_108(raw: &ck::CK_SP800_108_KDF_PARAMS) -> Result<Params> {
    kdf(&ck::CK_SP800_108_FEEDBACK_KDF_PARAMS {
        prfType: raw.prfType,
        ulNumberOfDataParams: raw.ulNumberOfDataParams,
        pDataParams: raw.pDataParams,
        ulIVLen: 0,
        pIV: std::ptr::null_mut(),
        ulAdditionalDerivedKeys: raw.ulAdditionalDerivedKeys,
        pAdditionalDerivedKeys: raw.pAdditionalDerivedKeys,
    })
}

pub(super) fn kdf(raw: &ck::CK_SP800_108_FEEDBACK_KDF_PARAMS) -> Result<Params> {
    let pieces = elements(raw.pDataParams, raw.ulNumberOfDataParams)?;
    let keys = elements(raw.pAdditionalDerivedKeys, raw.ulAdditionalDerivedKeys)?;
    if keys.iter().any(|key| key.phKey.is_null()) {
        return invalid();
    }
    Ok(Params::Sp800108(Box::new(Sp800108Params {
        prf: Prf::from_mechanism(raw.prfType).map_or_else(invalid, Ok)?,
        input: pieces.iter().map(input).collect::<Result<_>>()?,
        iv: part(raw.pIV, raw.ulIVLen)?,
        additional: Hidden(keys.iter().map(template).collect::<Result<_>>()?),
    })))
}

fn input(raw: &ck::CK_PRF_DATA_PARAM) -> Result<PrfInput> {
    let value = Parameter::new(raw.pValue, raw.ulValueLen);
    Ok(match raw.type_ {
        ck::CK_SP800_108_ITERATION_VARIABLE if raw.ulValueLen == 0 => PrfInput::Iteration(None),
        ck::CK_SP800_108_ITERATION_VARIABLE => PrfInput::Iteration(Some(counter(&value.structure()?)?)),
        ck::CK_SP800_108_COUNTER => PrfInput::Counter(counter(&value.structure()?)?),
        ck::CK_SP800_108_DKM_LENGTH => dkm_length(&value.structure()?)?,
        ck::CK_SP800_108_BYTE_ARRAY => PrfInput::Bytes(hidden(raw.pValue.cast(), raw.ulValueLen)?),
        ck::CK_SP800_108_KEY_HANDLE => PrfInput::Key(ObjectId(value.structure()?)),
        _ => return invalid(),
    })
}

fn counter(raw: &ck::CK_SP800_108_COUNTER_FORMAT) -> Result<NumberFormat> {
    format(raw.bLittleEndian, raw.ulWidthInBits)
}

fn dkm_length(raw: &ck::CK_SP800_108_DKM_LENGTH_FORMAT) -> Result<PrfInput> {
    Ok(PrfInput::Length {
        segments: match raw.dkmLengthMethod {
            ck::CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS => false,
            ck::CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS => true,
            _ => return invalid(),
        },
        format: format(raw.bLittleEndian, raw.ulWidthInBits)?,
    })
}

fn format(little_endian: ck::CK_BBOOL, bits: ck::CK_ULONG) -> Result<NumberFormat> {
    let width = size(bits / 8)?;
    if !bits.is_multiple_of(8) || !(1..=8).contains(&width) {
        return invalid();
    }
    Ok(NumberFormat {
        little_endian: truth(little_endian)?,
        width,
    })
}

/// What an additional key shall be.
fn template(raw: &ck::CK_DERIVED_KEY) -> Result<Template> {
    // SAFETY: only called with what a parameter points to, as promised to `RawMechanism::new`.
    unsafe { RawTemplate::new(raw.pTemplate, raw.ulAttributeCount) }.parse()
}

/// `CK_PKCS5_PBKD2_PARAMS` and `CK_PKCS5_PBKD2_PARAMS2` have the same size; in the older one the last member is a
/// pointer to the length. No length of a password is as large as a pointer.
pub(super) fn pbkdf2(raw: &ck::CK_PKCS5_PBKD2_PARAMS2) -> Result<Params> {
    let len = match raw.ulPasswordLen {
        len if len <= PASSWORD_MAX => len,
        pointer => pointed_length(pointer)?,
    };
    let has_data = !raw.pPrfData.is_null() || raw.ulPrfDataLen != 0;
    if has_data || raw.saltSource != ck::CKZ_SALT_SPECIFIED {
        return invalid();
    }
    Ok(Params::Pbkdf2(Pbkdf2Params {
        hash: pbkdf2_hash(raw.prf)?,
        salt: part(raw.pSaltSourceData.cast(), raw.ulSaltSourceDataLen)?,
        iterations: u32::try_from(raw.iterations).or_else(|_| invalid())?,
        password: hidden(raw.pPassword, len)?,
    }))
}

fn pointed_length(pointer: ck::CK_ULONG) -> Result<ck::CK_ULONG> {
    let address = usize::try_from(pointer).or_else(|_| invalid())?;
    let aligned = address.is_multiple_of(align_of::<ck::CK_ULONG>());
    let possible = length(pointer).is_some_and(|_| aligned && address >> (usize::BITS - 17) == 0);
    if !possible {
        return invalid();
    }
    // SAFETY: in the older structure it is a pointer that can be read, as promised to `RawMechanism::new`.
    let len = unsafe { read(std::ptr::with_exposed_provenance::<ck::CK_ULONG>(address)) };
    match len {
        Some(len) if len <= PASSWORD_MAX => Ok(len),
        _ => invalid(),
    }
}

fn pbkdf2_hash(prf: ck::CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE) -> Result<Hash> {
    hash(match prf {
        ck::CKP_PKCS5_PBKD2_HMAC_SHA1 => ck::CKM_SHA_1,
        ck::CKP_PKCS5_PBKD2_HMAC_SHA224 => ck::CKM_SHA224,
        ck::CKP_PKCS5_PBKD2_HMAC_SHA256 => ck::CKM_SHA256,
        ck::CKP_PKCS5_PBKD2_HMAC_SHA384 => ck::CKM_SHA384,
        ck::CKP_PKCS5_PBKD2_HMAC_SHA512 => ck::CKM_SHA512,
        ck::CKP_PKCS5_PBKD2_HMAC_SHA512_224 => ck::CKM_SHA512_224,
        ck::CKP_PKCS5_PBKD2_HMAC_SHA512_256 => ck::CKM_SHA512_256,
        _ => return invalid(),
    })
}

pub(super) fn tls_master(raw: &ck::CK_TLS12_MASTER_KEY_DERIVE_PARAMS) -> Result<Params> {
    let TlsRandoms { client, server } = randoms(&raw.RandomInfo)?;
    Ok(Params::TlsMaster(TlsMasterParams {
        prf: prf(raw.prfHashMechanism)?,
        seed: [client, server].concat(),
        has_version: !raw.pVersion.is_null(),
    }))
}

pub(super) fn tls_extended_master(raw: &ck::CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS) -> Result<Params> {
    Ok(Params::TlsMaster(TlsMasterParams {
        prf: prf(raw.prfHashMechanism)?,
        seed: part(raw.pSessionHash, raw.ulSessionHashLen)?,
        has_version: !raw.pVersion.is_null(),
    }))
}

pub(super) fn tls_keys(raw: &ck::CK_TLS12_KEY_MAT_PARAMS) -> Result<Params> {
    let whole = |bits: ck::CK_ULONG| {
        if bits.is_multiple_of(8) {
            size(bits / 8)
        } else {
            invalid()
        }
    };
    if raw.pReturnedKeyMaterial.is_null() || truth(raw.bIsExport)? {
        return invalid();
    }
    Ok(Params::TlsKeys(TlsKeysParams {
        prf: prf(raw.prfHashMechanism)?,
        randoms: randoms(&raw.RandomInfo)?,
        mac_len: whole(raw.ulMacSizeInBits)?,
        key_len: whole(raw.ulKeySizeInBits)?,
        iv_len: whole(raw.ulIVSizeInBits)?,
    }))
}

pub(super) fn tls_kdf(raw: &ck::CK_TLS_KDF_PARAMS) -> Result<Params> {
    let context = part(raw.pContextData, raw.ulContextDataLength)?;
    Ok(Params::TlsKdf(TlsKdfParams {
        prf: prf(raw.prfMechanism)?,
        label: part(raw.pLabel, raw.ulLabelLength)?,
        randoms: randoms(&raw.RandomInfo)?,
        context: (!raw.pContextData.is_null()).then_some(context),
    }))
}

pub(super) fn tls_mac(raw: &ck::CK_TLS_MAC_PARAMS) -> Result<Params> {
    Ok(Params::TlsMac(TlsMacParams {
        prf: prf(raw.prfHashMechanism)?,
        len: size(raw.ulMacLength)?,
        server: match raw.ulServerOrClient {
            1 => true,
            2 => false,
            _ => return invalid(),
        },
    }))
}

fn prf(mechanism: ck::CK_MECHANISM_TYPE) -> Result<TlsPrf> {
    match mechanism {
        ck::CKM_TLS_PRF => Ok(TlsPrf::Legacy),
        other => hash(other).map(TlsPrf::Hash),
    }
}

fn randoms(raw: &ck::CK_SSL3_RANDOM_DATA) -> Result<TlsRandoms> {
    Ok(TlsRandoms {
        client: part(raw.pClientRandom, raw.ulClientRandomLen)?,
        server: part(raw.pServerRandom, raw.ulServerRandomLen)?,
    })
}

fn hidden(ptr: *const u8, len: ck::CK_ULONG) -> Result<HiddenBytes> {
    part(ptr, len).map(|bytes| Hidden(Zeroizing::new(bytes)))
}

fn truth(value: ck::CK_BBOOL) -> Result<bool> {
    match value {
        ck::CK_FALSE => Ok(false),
        ck::CK_TRUE => Ok(true),
        _ => invalid(),
    }
}

/// A copy of an array of structures.
fn elements<T: Structure>(ptr: *const T, count: ck::CK_ULONG) -> Result<Vec<T>> {
    let count = length(count).filter(|count| *count <= PIECES_MAX);
    let element = |index| {
        // SAFETY: an element of an array that a parameter points to, as promised to `RawMechanism::new`.
        unsafe { read(ptr.wrapping_add(index)) }.map_or_else(invalid, Ok)
    };
    match count {
        Some(0) => Ok(Vec::new()),
        Some(_) if ptr.is_null() => invalid(),
        Some(count) => (0..count).map(element).collect(),
        None => invalid(),
    }
}

impl Parameter<'_> {
    /// Puts what a derivation gave beside its key where the parameter says.
    pub(super) fn answer(&self, shape: ParamShape, answer: &Answer) -> Result<()> {
        match (shape, answer) {
            (ParamShape::TlsMaster, Answer::Version(version)) => {
                let raw: ck::CK_TLS12_MASTER_KEY_DERIVE_PARAMS = self.structure()?;
                put(raw.pVersion.cast(), *version);
            }
            (ParamShape::TlsExtendedMaster, Answer::Version(version)) => {
                let raw: ck::CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS = self.structure()?;
                put(raw.pVersion.cast(), *version);
            }
            (ParamShape::TlsKeys, Answer::Connection { keys, ivs }) => {
                let raw: ck::CK_TLS12_KEY_MAT_PARAMS = self.structure()?;
                connection(raw.pReturnedKeyMaterial, keys, ivs)?;
            }
            (ParamShape::Sp800108 | ParamShape::Sp800108Feedback, Answer::Keys(keys)) => {
                let handles: Vec<_> = keys.iter().map(|key| Some(key.0)).collect();
                self.put_handles(shape, &handles)?;
            }
            (ParamShape::Sp800108 | ParamShape::Sp800108Feedback, Answer::Refused { index, .. }) => {
                let mut handles = vec![None; *index];
                handles.push(Some(ck::CK_INVALID_HANDLE));
                self.put_handles(shape, &handles)?;
            }
            _ => return Err(Rv::GeneralError.into()),
        }
        Ok(())
    }

    fn put_handles(&self, shape: ParamShape, handles: &[Option<ck::CK_OBJECT_HANDLE>]) -> Result<()> {
        let keys = if shape == ParamShape::Sp800108 {
            let raw: ck::CK_SP800_108_KDF_PARAMS = self.structure()?;
            elements(raw.pAdditionalDerivedKeys, raw.ulAdditionalDerivedKeys)?
        } else {
            let raw: ck::CK_SP800_108_FEEDBACK_KDF_PARAMS = self.structure()?;
            elements(raw.pAdditionalDerivedKeys, raw.ulAdditionalDerivedKeys)?
        };
        for (key, handle) in keys.iter().zip(handles) {
            if let Some(handle) = handle {
                put(key.phKey, *handle);
            }
        }
        Ok(())
    }
}

/// The initialisation vectors are as long as the parameter says, which is what the application has room for.
fn connection(
    place: *mut ck::CK_SSL3_KEY_MAT_OUT,
    keys: &[Option<ObjectId>; 4],
    ivs: &[Vec<u8>; 2],
) -> Result<()> {
    // SAFETY: a structure that a parameter points to, as promised to `RawMechanism::new`.
    let Some(mut out) = (unsafe { read(place) }) else {
        return invalid();
    };
    let [client_mac, server_mac, client, server] =
        keys.map(|key| key.map_or(ck::CK_INVALID_HANDLE, |key| key.0));
    out.hClientMacSecret = client_mac;
    out.hServerMacSecret = server_mac;
    out.hClientKey = client;
    out.hServerKey = server;
    put(place, out);
    for (place, iv) in [out.pIVClient, out.pIVServer].into_iter().zip(ivs) {
        // SAFETY: room for as many bytes as the parameter says, as promised to `RawMechanism::new`.
        unsafe { write_all(place, iv) };
    }
    Ok(())
}

/// Writes to where a parameter points, unless that is nowhere.
fn put<T: Copy>(place: *mut T, value: T) {
    // SAFETY: a place for what the mechanism gives, as promised to `RawMechanism::new`.
    unsafe { write(place, value) };
}
