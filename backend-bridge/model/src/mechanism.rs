// SPDX-License-Identifier: MIT
//! The mechanism table: one row a mechanism.
//!
//! A row gives `C_GetMechanismList` and `C_GetMechanismInfo`, the shape of the parameter, the keys that fit, and, as an
//! [`Algorithm`], what the engine does. Parameters arrive here as values that the C boundary has read; what they may
//! be is decided here.

use cryptoki_sys as ck;
use zeroize::Zeroizing;

use crate::algorithm::Hash;
use crate::edwards;
use crate::error::{Error, Result, Rv};
use crate::token::ObjectId;
use crate::vendor::constants;

/// What a mechanism computes, free of PKCS#11's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA key pair generation.
    RsaKeyPair,
    /// Elliptic curve key pair generation.
    EcKeyPair,
    /// Ed25519 key pair generation.
    EdwardsKeyPair,
    /// AES key generation.
    AesKey,
    /// Generic secret generation.
    GenericSecret,
    /// RSASSA-PKCS1-v1_5; without a hash the application supplies the block. Also RSAES-PKCS1-v1_5 (RFC 8017).
    RsaPkcs1(Option<Hash>),
    /// RSASSA-PSS; without a hash the application supplies the digest (RFC 8017).
    RsaPss(Option<Hash>),
    /// RSAES-OAEP (RFC 8017).
    RsaOaep,
    /// ECDSA; without a hash the application supplies the digest (FIPS 186-5).
    Ecdsa(Option<Hash>),
    /// EdDSA over edwards25519: Ed25519, Ed25519ctx and Ed25519ph, as the parameter says (RFC 8032).
    EdDsa,
    /// AES, block by block.
    AesEcb,
    /// AES in CBC mode, with PKCS#7 padding or without.
    AesCbc {
        /// Whether padding is added and removed.
        padded: bool,
    },
    /// AES in GCM (SP 800-38D).
    AesGcm,
    /// AES key wrap (SP 800-38F).
    AesKeyWrap(WrapForm),
    /// A key from the bytes of others (PKCS#11 3.2, miscellaneous simple key derivation mechanisms).
    Combine(Combination),
    /// Encryption in the format of a remote service, which alone can do it.
    RemoteSymmetric,
    /// HMAC (RFC 2104).
    Hmac {
        /// The hash.
        hash: Hash,
        /// Whether the parameter says how long the MAC is.
        truncated: bool,
    },
    /// A digest.
    Digest(Hash),
    /// Whatever the module makes of it that the mechanism is handed on to.
    Foreign,
}

/// How keys and data are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// One key, then another.
    BaseAndKey,
    /// The key, then data.
    BaseAndData,
    /// Data, then the key.
    DataAndBase,
    /// The key XOR data.
    Xor,
    /// Bits of the key.
    Extract,
}

/// What becomes of data that AES key wrap does not take as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrapForm {
    /// Nothing (RFC 3394).
    Kw,
    /// Its length is said, and zeros are added (RFC 5649).
    Kwp,
    /// It is padded as in PKCS #7.
    Pkcs7,
}

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

/// A mechanism as an application asked for it: known, and with a parameter that fits; or, for a token that
/// [takes it as given](crate::token::Token::takes_as_given), any at all.
#[derive(Clone, Debug)]
pub struct Mechanism {
    id: ck::CK_MECHANISM_TYPE,
    row: &'static MechanismRow,
    params: Params,
}

impl Mechanism {
    /// A mechanism and its parameter.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID` for an unknown number, `CKR_MECHANISM_PARAM_INVALID` for a parameter that does not fit.
    pub fn new(id: ck::CK_MECHANISM_TYPE, params: Params) -> Result<Self> {
        let row = MechanismRow::find(id)?;
        check_params(row, &params)?;
        Ok(Self { id, row, params })
    }

    /// Any mechanism, with a parameter that nobody has read.
    pub fn given(id: ck::CK_MECHANISM_TYPE, parameter: Option<Vec<u8>>) -> Self {
        Self {
            id,
            row: &FOREIGN,
            params: parameter.map_or(Params::None, Params::Given),
        }
    }

    /// Its number.
    pub fn id(&self) -> ck::CK_MECHANISM_TYPE {
        self.id
    }

    /// Its row of the table.
    pub fn row(&self) -> &'static MechanismRow {
        self.row
    }

    /// What it computes.
    pub fn algorithm(&self) -> Algorithm {
        self.row.algorithm
    }

    /// Its parameter.
    pub fn params(&self) -> &Params {
        &self.params
    }
}

/// What `C_GetMechanismInfo` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MechanismInfo {
    /// The mechanism's number.
    pub id: ck::CK_MECHANISM_TYPE,
    /// The smallest key; the unit is the mechanism's (bits for RSA, EC and generic secrets, bytes for AES).
    pub min_key_size: ck::CK_ULONG,
    /// The largest key, in the same unit.
    pub max_key_size: ck::CK_ULONG,
    /// `CKF_SIGN` and the like.
    pub flags: ck::CK_FLAGS,
}

/// A row of [`MECHANISMS`].
#[derive(Debug)]
pub struct MechanismRow {
    /// The constant.
    pub id: ck::CK_MECHANISM_TYPE,
    /// The constant's name.
    pub name: &'static str,
    /// What it computes.
    pub algorithm: Algorithm,
    /// `CKF_SIGN` and the like.
    pub flags: ck::CK_FLAGS,
    /// What its parameter looks like.
    pub params: ParamShape,
}

impl MechanismRow {
    /// The row of a number.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID` where there is none.
    pub fn find(id: ck::CK_MECHANISM_TYPE) -> Result<&'static Self> {
        MECHANISMS
            .iter()
            .find(|row| row.id == id)
            .ok_or(Error::from(Rv::MechanismInvalid))
    }

    /// What is told of it.
    pub fn info(&self) -> MechanismInfo {
        let (min_key_size, max_key_size) = self.algorithm.key_sizes();
        MechanismInfo {
            id: self.id,
            min_key_size,
            max_key_size,
            flags: self.flags,
        }
    }
}

/// What stands for the row of a mechanism that nobody has read. It allows nothing.
static FOREIGN: MechanismRow = MechanismRow {
    id: ck::CK_UNAVAILABLE_INFORMATION,
    name: "a mechanism as given",
    algorithm: Algorithm::Foreign,
    flags: 0,
    params: ParamShape::None,
};

/// Smallest and largest RSA modulus, in bits.
pub const RSA_BITS: (ck::CK_ULONG, ck::CK_ULONG) = (2048, 4096);
/// Smallest and largest generic secret that is generated, in bytes.
pub const GENERIC_SECRET_LEN: (usize, usize) = (1, 512);

impl Algorithm {
    /// The type of the keys that it makes or uses; `None` where there is no key, or where several types fit.
    pub const fn key_type(self) -> Option<ck::CK_KEY_TYPE> {
        match self {
            Self::RsaKeyPair | Self::RsaPkcs1(_) | Self::RsaPss(_) | Self::RsaOaep => Some(ck::CKK_RSA),
            Self::EcKeyPair | Self::Ecdsa(_) => Some(ck::CKK_EC),
            Self::EdwardsKeyPair | Self::EdDsa => Some(ck::CKK_EC_EDWARDS),
            Self::AesKey | Self::AesEcb | Self::AesCbc { .. } | Self::AesGcm | Self::AesKeyWrap(_) => {
                Some(ck::CKK_AES)
            }
            Self::GenericSecret | Self::RemoteSymmetric => Some(ck::CKK_GENERIC_SECRET),
            Self::Hmac { .. } | Self::Digest(_) | Self::Combine(_) | Self::Foreign => None,
        }
    }

    /// Whether a key of this type fits. HMAC takes generic secrets and the HMAC key type of its own hash.
    pub fn accepts(self, key_type: ck::CK_KEY_TYPE) -> bool {
        match self {
            Self::Hmac { hash, .. } => key_type == ck::CKK_GENERIC_SECRET || key_type == hmac_key_type(hash),
            Self::Combine(_) => is_secret(key_type),
            Self::Digest(_) => false,
            _ => self.key_type() == Some(key_type),
        }
    }

    /// The hash that is computed over the message, if the mechanism does that itself.
    pub const fn hash(self) -> Option<Hash> {
        match self {
            Self::RsaPkcs1(hash) | Self::RsaPss(hash) | Self::Ecdsa(hash) => hash,
            Self::Hmac { hash, .. } | Self::Digest(hash) => Some(hash),
            _ => None,
        }
    }

    /// Whether it takes a remote service: no engine computes it.
    pub const fn is_remote(self) -> bool {
        matches!(self, Self::RemoteSymmetric)
    }

    /// Smallest and largest key, in the unit that the specification gives the mechanism.
    const fn key_sizes(self) -> (ck::CK_ULONG, ck::CK_ULONG) {
        match self {
            Self::RsaKeyPair | Self::RsaPkcs1(_) | Self::RsaPss(_) | Self::RsaOaep => RSA_BITS,
            Self::EcKeyPair | Self::Ecdsa(_) => (256, 521),
            Self::EdwardsKeyPair | Self::EdDsa => {
                (edwards::BITS as ck::CK_ULONG, edwards::BITS as ck::CK_ULONG)
            }
            Self::AesKey | Self::AesEcb | Self::AesCbc { .. } | Self::AesGcm | Self::AesKeyWrap(_) => {
                (16, 32)
            }
            Self::GenericSecret => (
                GENERIC_SECRET_LEN.0 as ck::CK_ULONG * 8,
                GENERIC_SECRET_LEN.1 as ck::CK_ULONG * 8,
            ),
            Self::RemoteSymmetric => (32, 32),
            // Keys of any length are taken (RFC 2104).
            Self::Hmac { .. } | Self::Digest(_) | Self::Combine(_) | Self::Foreign => (0, 0),
        }
    }
}

/// Whether it is a type of secret keys.
fn is_secret(key_type: ck::CK_KEY_TYPE) -> bool {
    !matches!(key_type, ck::CKK_RSA | ck::CKK_EC | ck::CKK_EC_EDWARDS)
}

/// The key type that is meant for the HMAC of one hash.
pub const fn hmac_key_type(hash: Hash) -> ck::CK_KEY_TYPE {
    match hash {
        Hash::Sha1 => ck::CKK_SHA_1_HMAC,
        Hash::Sha224 => ck::CKK_SHA224_HMAC,
        Hash::Sha256 => ck::CKK_SHA256_HMAC,
        Hash::Sha384 => ck::CKK_SHA384_HMAC,
        Hash::Sha512 => ck::CKK_SHA512_HMAC,
    }
}

/// Whether a parameter has the row's shape, and values that the mechanism can work with.
fn check_params(row: &MechanismRow, params: &Params) -> Result<()> {
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

const SIGN: ck::CK_FLAGS = ck::CKF_SIGN | ck::CKF_VERIFY;
const RECOVER: ck::CK_FLAGS = ck::CKF_SIGN_RECOVER | ck::CKF_VERIFY_RECOVER;
const CRYPT: ck::CK_FLAGS = ck::CKF_ENCRYPT | ck::CKF_DECRYPT;
/// Encryption with which keys are wrapped as well.
const WRAP: ck::CK_FLAGS = CRYPT | ck::CKF_WRAP | ck::CKF_UNWRAP;
const EC: ck::CK_FLAGS = ck::CKF_EC_F_P | ck::CKF_EC_OID | ck::CKF_EC_CURVENAME | ck::CKF_EC_UNCOMPRESS;
/// A point of an Edwards curve is one coordinate and a sign.
const EDWARDS: ck::CK_FLAGS = ck::CKF_EC_F_P | ck::CKF_EC_OID | ck::CKF_EC_CURVENAME | ck::CKF_EC_COMPRESS;

/// Reads like the table that it makes: constant, algorithm, flags, parameter.
macro_rules! mechanisms {
    ($($constant:ident: $algorithm:expr, $flags:expr, $params:expr;)*) => {
        /// Every mechanism, one row each.
        pub const MECHANISMS: &[MechanismRow] = &[$(MechanismRow {
            id: constants::$constant,
            name: stringify!($constant),
            algorithm: $algorithm,
            flags: $flags,
            params: $params,
        },)*];
    };
}

use Algorithm::*;
use Hash::*;
use ParamShape as P;

mechanisms! {
    CKM_RSA_PKCS_KEY_PAIR_GEN: RsaKeyPair, ck::CKF_GENERATE_KEY_PAIR, P::None;
    CKM_RSA_PKCS:              RsaPkcs1(None), SIGN | RECOVER | WRAP, P::None;
    CKM_SHA1_RSA_PKCS:         RsaPkcs1(Some(Sha1)), SIGN, P::None;
    CKM_SHA224_RSA_PKCS:       RsaPkcs1(Some(Sha224)), SIGN, P::None;
    CKM_SHA256_RSA_PKCS:       RsaPkcs1(Some(Sha256)), SIGN, P::None;
    CKM_SHA384_RSA_PKCS:       RsaPkcs1(Some(Sha384)), SIGN, P::None;
    CKM_SHA512_RSA_PKCS:       RsaPkcs1(Some(Sha512)), SIGN, P::None;
    CKM_RSA_PKCS_PSS:          RsaPss(None), SIGN, P::Pss;
    CKM_SHA1_RSA_PKCS_PSS:     RsaPss(Some(Sha1)), SIGN, P::Pss;
    CKM_SHA224_RSA_PKCS_PSS:   RsaPss(Some(Sha224)), SIGN, P::Pss;
    CKM_SHA256_RSA_PKCS_PSS:   RsaPss(Some(Sha256)), SIGN, P::Pss;
    CKM_SHA384_RSA_PKCS_PSS:   RsaPss(Some(Sha384)), SIGN, P::Pss;
    CKM_SHA512_RSA_PKCS_PSS:   RsaPss(Some(Sha512)), SIGN, P::Pss;
    CKM_RSA_PKCS_OAEP:         RsaOaep, WRAP, P::Oaep;
    CKM_EC_KEY_PAIR_GEN:       EcKeyPair, ck::CKF_GENERATE_KEY_PAIR | EC, P::None;
    CKM_ECDSA:                 Ecdsa(None), SIGN | EC, P::None;
    CKM_ECDSA_SHA1:            Ecdsa(Some(Sha1)), SIGN | EC, P::None;
    CKM_ECDSA_SHA224:          Ecdsa(Some(Sha224)), SIGN | EC, P::None;
    CKM_ECDSA_SHA256:          Ecdsa(Some(Sha256)), SIGN | EC, P::None;
    CKM_ECDSA_SHA384:          Ecdsa(Some(Sha384)), SIGN | EC, P::None;
    CKM_ECDSA_SHA512:          Ecdsa(Some(Sha512)), SIGN | EC, P::None;
    CKM_EC_EDWARDS_KEY_PAIR_GEN: EdwardsKeyPair, ck::CKF_GENERATE_KEY_PAIR | EDWARDS, P::None;
    CKM_EDDSA:                 EdDsa, SIGN | EDWARDS, P::EdDsa;
    CKM_AES_KEY_GEN:           AesKey, ck::CKF_GENERATE, P::None;
    CKM_AES_ECB:               AesEcb, WRAP, P::None;
    CKM_AES_CBC:               AesCbc { padded: false }, WRAP, P::Bytes(16);
    CKM_AES_CBC_PAD:           AesCbc { padded: true }, WRAP, P::Bytes(16);
    CKM_AES_GCM:               AesGcm, WRAP, P::Gcm;
    CKM_AES_KEY_WRAP:          AesKeyWrap(WrapForm::Kw), WRAP, P::OptionalBytes(8);
    CKM_AES_KEY_WRAP_KWP:      AesKeyWrap(WrapForm::Kwp), WRAP, P::OptionalBytes(4);
    CKM_AES_KEY_WRAP_PKCS7:    AesKeyWrap(WrapForm::Pkcs7), WRAP, P::OptionalBytes(8);
    CKM_GENERIC_SECRET_KEY_GEN: GenericSecret, ck::CKF_GENERATE, P::None;
    CKM_CONCATENATE_BASE_AND_KEY: Combine(Combination::BaseAndKey), ck::CKF_DERIVE, P::Key;
    CKM_CONCATENATE_BASE_AND_DATA: Combine(Combination::BaseAndData), ck::CKF_DERIVE, P::StringData;
    CKM_CONCATENATE_DATA_AND_BASE: Combine(Combination::DataAndBase), ck::CKF_DERIVE, P::StringData;
    CKM_XOR_BASE_AND_DATA:     Combine(Combination::Xor), ck::CKF_DERIVE, P::StringData;
    CKM_EXTRACT_KEY_FROM_KEY:  Combine(Combination::Extract), ck::CKF_DERIVE, P::Bit;
    CKM_SHA_1_HMAC:            Hmac { hash: Sha1, truncated: false }, SIGN, P::None;
    CKM_SHA_1_HMAC_GENERAL:    Hmac { hash: Sha1, truncated: true }, SIGN, P::Length;
    CKM_SHA224_HMAC:           Hmac { hash: Sha224, truncated: false }, SIGN, P::None;
    CKM_SHA224_HMAC_GENERAL:   Hmac { hash: Sha224, truncated: true }, SIGN, P::Length;
    CKM_SHA256_HMAC:           Hmac { hash: Sha256, truncated: false }, SIGN, P::None;
    CKM_SHA256_HMAC_GENERAL:   Hmac { hash: Sha256, truncated: true }, SIGN, P::Length;
    CKM_SHA384_HMAC:           Hmac { hash: Sha384, truncated: false }, SIGN, P::None;
    CKM_SHA384_HMAC_GENERAL:   Hmac { hash: Sha384, truncated: true }, SIGN, P::Length;
    CKM_SHA512_HMAC:           Hmac { hash: Sha512, truncated: false }, SIGN, P::None;
    CKM_SHA512_HMAC_GENERAL:   Hmac { hash: Sha512, truncated: true }, SIGN, P::Length;
    CKM_KEYENCLAVE_AWS_SYMMETRIC: RemoteSymmetric, CRYPT, P::None;
    CKM_SHA_1:                 Digest(Sha1), ck::CKF_DIGEST, P::None;
    CKM_SHA224:                Digest(Sha224), ck::CKF_DIGEST, P::None;
    CKM_SHA256:                Digest(Sha256), ck::CKF_DIGEST, P::None;
    CKM_SHA384:                Digest(Sha384), ck::CKF_DIGEST, P::None;
    CKM_SHA512:                Digest(Sha512), ck::CKF_DIGEST, P::None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mechanism_stands_in_the_table_twice() {
        for (index, row) in MECHANISMS.iter().enumerate() {
            assert!(
                MECHANISMS.iter().skip(index + 1).all(|other| other.id != row.id),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_parameter_of_another_shape_is_refused() {
        let rv = |id, params| Mechanism::new(id, params).map(|_| ()).map_err(|error| error.rv());
        assert_eq!(
            rv(ck::CKM_AES_CBC, Params::Bytes(vec![0; 15])),
            Err(Rv::MechanismParamInvalid)
        );
        assert_eq!(rv(ck::CKM_AES_CBC, Params::None), Err(Rv::MechanismParamInvalid));
        assert_eq!(rv(ck::CKM_AES_CBC, Params::Bytes(vec![0; 16])), Ok(()));
        assert_eq!(
            rv(ck::CKM_SHA256, Params::Bytes(vec![])),
            Err(Rv::MechanismParamInvalid)
        );
        assert_eq!(
            rv(ck::CKM_SHA_1_HMAC_GENERAL, Params::Length(21)),
            Err(Rv::MechanismParamInvalid)
        );
        assert_eq!(
            rv(ck::CKM_VENDOR_DEFINED, Params::None),
            Err(Rv::MechanismInvalid)
        );
    }

    #[test]
    fn an_eddsa_parameter_may_be_missing_and_its_context_has_an_end() {
        let eddsa = |len| {
            Params::EdDsa(EdDsaParams {
                prehash: false,
                context: vec![1; len],
            })
        };
        assert!(Mechanism::new(ck::CKM_EDDSA, Params::None).is_ok());
        assert!(Mechanism::new(ck::CKM_EDDSA, eddsa(255)).is_ok());
        assert!(Mechanism::new(ck::CKM_EDDSA, eddsa(256)).is_err());
        assert!(Mechanism::new(ck::CKM_ECDSA, eddsa(1)).is_err());
    }

    #[test]
    fn a_hashing_pss_mechanism_wants_its_own_hash_in_the_parameter() {
        let pss = |hash| {
            Params::Pss(PssParams {
                hash,
                mgf: hash,
                salt_len: 32,
            })
        };
        assert!(Mechanism::new(ck::CKM_SHA256_RSA_PKCS_PSS, pss(Sha256)).is_ok());
        assert!(Mechanism::new(ck::CKM_SHA256_RSA_PKCS_PSS, pss(Sha384)).is_err());
        assert!(Mechanism::new(ck::CKM_RSA_PKCS_PSS, pss(Sha384)).is_ok());
    }
}
