// SPDX-License-Identifier: MIT
//! The mechanism table: one row a mechanism.
//!
//! A row gives `C_GetMechanismList` and `C_GetMechanismInfo`, the shape of the parameter, the keys that fit, and, as an
//! [`Algorithm`], what the engine does. Parameters arrive here as values that the C boundary has read; what they may
//! be is decided here.

mod aead;
mod agreement;
mod algorithm;
mod derivation;
mod lookup;
mod params;
mod rsa_sizes;
mod table;

use cryptoki_sys as ck;

pub use aead::{AeadParams, Generator, Tag};
pub use agreement::{EcdhAesParams, EcdhParams, Kdf, RsaAesParams};
pub use algorithm::{
    Algorithm, Combination, EcdhKeys, GENERIC_SECRET_LEN, SignedInput, StreamMode, TLS_SECRET_LEN, WrapForm,
    hmac_key_type,
};
pub use derivation::*;
pub use params::{
    CcmParams, ChaCha20Params, ChaChaPolyParams, ChainedDataParams, CounterParams, EdDsaParams, GcmParams,
    Hedge, MlDsaParams, OaepParams, ParamShape, Params, PssParams,
};
pub use rsa_sizes::RsaSizes;
pub use table::MECHANISMS;

use crate::error::{Result, Rv};

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
        params::check(row, &params)?;
        Ok(Self { id, row, params })
    }

    /// A mechanism for messages, each of which brings its own parameter.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID` for an unknown number.
    pub fn for_messages(id: ck::CK_MECHANISM_TYPE) -> Result<Self> {
        let row = MechanismRow::find(id)?;
        let params = Params::None;
        Ok(Self { id, row, params })
    }

    /// The same mechanism with another parameter.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID` for a parameter that does not fit.
    pub fn with(&self, params: Params) -> Result<Self> {
        Self::new(self.id, params)
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
        lookup::find(id).ok_or_else(|| Rv::MechanismInvalid.into())
    }

    /// What it does without telling: the profiles' test cases state the flags of `CKM_RSA_PKCS` in full, and name no
    /// recovery among them (ADR 18).
    fn untold(&self) -> ck::CK_FLAGS {
        match self.id {
            ck::CKM_RSA_PKCS => ck::CKF_SIGN_RECOVER | ck::CKF_VERIFY_RECOVER,
            _ => 0,
        }
    }

    /// What is told of it.
    pub fn info(&self) -> MechanismInfo {
        self.info_with(RsaSizes::Usual)
    }

    /// What a token tells of it that has to do with RSA keys of these sizes.
    pub fn info_with(&self, rsa: RsaSizes) -> MechanismInfo {
        let (min_key_size, max_key_size) = self.algorithm.key_sizes(rsa);
        MechanismInfo {
            id: self.id,
            min_key_size,
            max_key_size,
            flags: self.flags & !self.untold(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Hash::{Sha256, Sha384};

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
    fn recovery_with_pkcs_1_works_and_is_not_told() {
        let row = MechanismRow::find(ck::CKM_RSA_PKCS).unwrap();
        assert_ne!(row.flags & ck::CKF_SIGN_RECOVER, 0);
        let told = ck::CKF_ENCRYPT | ck::CKF_DECRYPT | ck::CKF_SIGN | ck::CKF_VERIFY;
        assert_eq!(row.info().flags, told | ck::CKF_WRAP | ck::CKF_UNWRAP);
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
