// SPDX-License-Identifier: MIT
//! How large RSA keys may be, in bits of the modulus.
//!
//! What is usual, and what the profiles' test cases state (512 to 16384), are two things: short keys are broken, and
//! the longest take minutes to be made. So a token has to do with the latter only where its configuration asks for it.

use cryptoki_sys as ck;

use super::algorithm::Algorithm;

/// Which RSA keys a token has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaSizes {
    /// Those that are neither broken nor slow.
    Usual,
    /// All, for those who ask for what is outdated.
    All,
}

/// The longest block that a DER `DigestInfo` puts before a hash, in bytes (RFC 8017, section 9.2, note 1).
const DIGEST_INFO: usize = 19;
/// What the padding of PKCS #1 v1.5 takes at least, in bytes (RFC 8017, section 9.2).
const PKCS1_PADDING: usize = 11;

impl RsaSizes {
    /// The smallest and the largest key that is made, and told of.
    pub const fn made(self) -> (ck::CK_ULONG, ck::CK_ULONG) {
        match self {
            Self::Usual => (2048, 8192),
            Self::All => (512, 16384),
        }
    }

    /// The smallest and the largest key that is taken in and used: of the shorter ones there are old signatures.
    pub const fn taken(self) -> (ck::CK_ULONG, ck::CK_ULONG) {
        match self {
            Self::Usual => (1024, 8192),
            Self::All => self.made(),
        }
    }

    /// The smallest and the largest key of a mechanism.
    pub(super) fn of(self, algorithm: Algorithm) -> (ck::CK_ULONG, ck::CK_ULONG) {
        // There are no shorter primes with the neighbours that X9.31 wants, and longer ones are not looked for.
        if algorithm == Algorithm::RsaX931KeyPair {
            return Self::Usual.made();
        }
        let (min, max) = self.made();
        (min.max(algorithm.least_rsa_bits()), max)
    }
}

impl Algorithm {
    /// The smallest modulus with which an RSA mechanism can do something with its own hash, in bits.
    pub const fn least_rsa_bits(self) -> ck::CK_ULONG {
        let bits = match self {
            Self::RsaPkcs1(Some(hash)) => (hash.output_len() + DIGEST_INFO + PKCS1_PADDING - 1) * 8 + 1,
            // The encoded message is one bit shorter than the modulus (RFC 8017, section 9.1.1).
            Self::RsaPss(Some(hash)) => (hash.output_len() + 1) * 8 + 2,
            _ => 0,
        };
        bits as ck::CK_ULONG
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::MechanismRow;

    #[test]
    fn what_is_told_of_every_size_can_be_done_with_it() {
        let told = |sizes, id| {
            let info = MechanismRow::find(id).unwrap().info_with(sizes);
            (info.min_key_size, info.max_key_size)
        };
        for (id, all) in [
            (ck::CKM_RSA_PKCS_KEY_PAIR_GEN, (512, 16384)),
            (ck::CKM_RSA_PKCS, (512, 16384)),
            (ck::CKM_RSA_X_509, (512, 16384)),
            (ck::CKM_SHA256_RSA_PKCS, (512, 16384)),
            (ck::CKM_SHA384_RSA_PKCS, (617, 16384)),
            (ck::CKM_SHA512_RSA_PKCS, (745, 16384)),
            (ck::CKM_SHA384_RSA_PKCS_PSS, (512, 16384)),
            (ck::CKM_SHA512_RSA_PKCS_PSS, (522, 16384)),
            (ck::CKM_RSA_PKCS_OAEP, (512, 16384)),
            (ck::CKM_RSA_X9_31_KEY_PAIR_GEN, (2048, 8192)),
        ] {
            assert_eq!(told(RsaSizes::All, id), all, "{id:#x}");
            assert_eq!(told(RsaSizes::Usual, id), (2048, 8192), "{id:#x}");
        }
        assert_eq!(told(RsaSizes::All, ck::CKM_AES_ECB), (16, 32));
    }
}
