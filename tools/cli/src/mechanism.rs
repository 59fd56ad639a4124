// SPDX-License-Identifier: MIT
//! The ways to sign: friendly names for PKCS#11 mechanisms with their parameters.

use clap::ValueEnum;
use cryptoki_sys as ck;

use crate::key::Family;
use crate::loader::{Mechanism, Parameter};

/// One row a mechanism: variant = constant, family of keys, and the parameter: for PSS the hash, MGF and salt length in
/// bytes.
macro_rules! mechanisms {
    ($($variant:ident = $kind:ident, $family:ident $(, $parameter:tt)*;)*) => {
        /// The ways to sign. The name on the command line is the variant's, in lower case with hyphens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        #[allow(missing_docs, reason = "each variant is the mechanism of the same name")]
        pub enum SignMechanism { $($variant,)* }

        impl SignMechanism {
            /// What the module is told.
            pub fn mechanism(self) -> Mechanism {
                match self {
                    $(Self::$variant => Mechanism {
                        kind: ck::$kind,
                        parameter: parameter!($($parameter)*),
                    },)*
                }
            }

            /// The keys that it is for.
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }
        }
    };
}

macro_rules! parameter {
    () => {
        Parameter::None
    };
    (prehash) => {
        Parameter::Prehash
    };
    ($hash:ident $mgf:ident $salt:literal) => {
        Parameter::Pss(ck::CK_RSA_PKCS_PSS_PARAMS {
            hashAlg: ck::$hash,
            mgf: ck::$mgf,
            sLen: $salt,
        })
    };
}

mechanisms! {
    RsaPkcs1Sha256 = CKM_SHA256_RSA_PKCS, Rsa;
    RsaPkcs1Sha384 = CKM_SHA384_RSA_PKCS, Rsa;
    RsaPkcs1Sha512 = CKM_SHA512_RSA_PKCS, Rsa;
    RsaPssSha256 = CKM_SHA256_RSA_PKCS_PSS, Rsa, CKM_SHA256, CKG_MGF1_SHA256, 32;
    RsaPssSha384 = CKM_SHA384_RSA_PKCS_PSS, Rsa, CKM_SHA384, CKG_MGF1_SHA384, 48;
    RsaPssSha512 = CKM_SHA512_RSA_PKCS_PSS, Rsa, CKM_SHA512, CKG_MGF1_SHA512, 64;
    EcdsaSha256 = CKM_ECDSA_SHA256, Ec;
    EcdsaSha384 = CKM_ECDSA_SHA384, Ec;
    EcdsaSha512 = CKM_ECDSA_SHA512, Ec;
    Ed25519 = CKM_EDDSA, Edwards;
    Ed25519ph = CKM_EDDSA, Edwards, prehash;
    HmacSha256 = CKM_SHA256_HMAC, Secret;
    HmacSha384 = CKM_SHA384_HMAC, Secret;
    HmacSha512 = CKM_SHA512_HMAC, Secret;
}

impl SignMechanism {
    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// What is usual for a key of this type and size in bits.
    pub const fn usual(family: Family, bits: usize) -> Option<Self> {
        match (family, bits) {
            (Family::Rsa, _) => Some(Self::RsaPkcs1Sha256),
            (Family::Ec, 0..=256) => Some(Self::EcdsaSha256),
            (Family::Ec, 257..=384) => Some(Self::EcdsaSha384),
            (Family::Ec, _) => Some(Self::EcdsaSha512),
            (Family::Edwards, _) => Some(Self::Ed25519),
            (Family::Secret, _) => Some(Self::HmacSha256),
            (Family::Other, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_usual_ones() {
        let names: Vec<_> = SignMechanism::value_variants()
            .iter()
            .map(|mechanism| mechanism.name())
            .collect();
        for name in [
            "rsa-pkcs1-sha256",
            "rsa-pss-sha512",
            "ecdsa-sha384",
            "ed25519ph",
            "hmac-sha256",
        ] {
            assert!(
                names.iter().any(|known| known == name),
                "{name} is not among {names:?}"
            );
        }
    }
}
