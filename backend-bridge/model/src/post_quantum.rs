// SPDX-License-Identifier: MIT
//! The lattice schemes: ML-DSA (FIPS 204) and ML-KEM (FIPS 203): parameter sets, and what is signed beside a message.
//!
//! One row a parameter set: its number in PKCS#11, its object identifier and every length stand here and nowhere else.

use cryptoki_sys as ck;

use crate::algorithm::Hash;

/// A scheme, of which there are several parameter sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// ML-DSA: signatures (FIPS 204).
    MlDsa,
    /// ML-KEM: key encapsulation (FIPS 203).
    MlKem,
}

/// A row of [`PARAMETER_SETS`]. Lengths are in bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct ParameterSet {
    /// Of which scheme.
    pub scheme: Scheme,
    /// Its name in the standard.
    pub name: &'static str,
    /// `CKA_PARAMETER_SET`: numbers begin anew with each scheme.
    pub number: ck::CK_ULONG,
    /// The object identifier of keys, in DER without tag and length (RFC 9881, RFC 9935).
    pub oid: &'static [u8],
    /// What keys are made from: ξ, or d and z.
    pub seed_len: usize,
    /// An expanded private key: `sk`, or `dk`.
    pub private_len: usize,
    /// A public key: `pk`, or `ek`.
    pub public_len: usize,
    /// A signature, or a ciphertext.
    pub output_len: usize,
}

/// Reads like the table that it makes: scheme, name, number, last arcs of the object identifier below NIST's
/// algorithms (2.16.840.1.101.3.4); lengths of seed, private key, public key, and signature or ciphertext.
macro_rules! parameter_sets {
    ($($scheme:ident $name:literal $number:ident $kind:literal.$arc:literal:
        $seed:literal $private:literal $public:literal $output:literal;)*) => {
        /// Every parameter set, one row each.
        pub const PARAMETER_SETS: &[ParameterSet] = &[$(ParameterSet {
            scheme: Scheme::$scheme,
            name: $name,
            number: ck::$number,
            oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, $kind, $arc],
            seed_len: $seed,
            private_len: $private,
            public_len: $public,
            output_len: $output,
        },)*];
    };
}

parameter_sets! {
    MlDsa "ML-DSA-44"   CKP_ML_DSA_44   3 . 17: 32 2560 1312 2420;
    MlDsa "ML-DSA-65"   CKP_ML_DSA_65   3 . 18: 32 4032 1952 3309;
    MlDsa "ML-DSA-87"   CKP_ML_DSA_87   3 . 19: 32 4896 2592 4627;
    MlKem "ML-KEM-512"  CKP_ML_KEM_512  4 .  1: 64 1632  800  768;
    MlKem "ML-KEM-768"  CKP_ML_KEM_768  4 .  2: 64 2400 1184 1088;
    MlKem "ML-KEM-1024" CKP_ML_KEM_1024 4 .  3: 64 3168 1568 1568;
}

/// The secret that ML-KEM makes, in bytes.
pub const SHARED_SECRET_LEN: usize = 32;
/// The longest context of a signature, in bytes (FIPS 204, section 5.2).
pub const MAX_CONTEXT: usize = 255;

impl Scheme {
    /// The type of its keys.
    pub const fn key_type(self) -> ck::CK_KEY_TYPE {
        match self {
            Self::MlDsa => ck::CKK_ML_DSA,
            Self::MlKem => ck::CKK_ML_KEM,
        }
    }

    /// The scheme of a key type.
    pub fn of(key_type: ck::CK_KEY_TYPE) -> Option<Self> {
        let mut schemes = [Self::MlDsa, Self::MlKem].into_iter();
        schemes.find(|scheme| scheme.key_type() == key_type)
    }

    /// Its parameter sets.
    pub fn sets(self) -> impl Iterator<Item = &'static ParameterSet> {
        PARAMETER_SETS.iter().filter(move |set| set.scheme == self)
    }

    /// The parameter set with a number.
    pub fn set(self, number: ck::CK_ULONG) -> Option<&'static ParameterSet> {
        self.sets().find(|set| set.number == number)
    }

    /// The shortest and the longest public key, in bytes, which is what `CK_MECHANISM_INFO` tells.
    pub fn public_lens(self) -> (ck::CK_ULONG, ck::CK_ULONG) {
        let lens = || self.sets().map(|set| set.public_len as ck::CK_ULONG);
        (lens().min().unwrap_or_default(), lens().max().unwrap_or_default())
    }
}

/// What stands for a message that is signed by its hash (FIPS 204, section 5.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prehash {
    /// The value of a hash function.
    Hash(Hash),
    /// 256 bits of SHAKE128.
    Shake128,
    /// 512 bits of SHAKE256.
    Shake256,
}

impl Prehash {
    /// The hash that the parameter of `CKM_HASH_ML_DSA` names; none where the standard does not approve of it.
    pub fn from_mechanism(mechanism: ck::CK_MECHANISM_TYPE) -> Option<Self> {
        Hash::from_mechanism(mechanism)
            .map(Self::Hash)
            .filter(|hash| hash.oid().is_some())
    }

    /// How long it is, in bytes.
    pub const fn len(self) -> usize {
        match self {
            Self::Hash(hash) => hash.output_len(),
            Self::Shake128 => 32,
            Self::Shake256 => 64,
        }
    }

    /// Never: every hash is of some length.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The object identifier, in DER; none of a hash that messages are not signed by.
    pub fn oid(self) -> Option<[u8; 11]> {
        let arc = match self {
            Self::Hash(Hash::Sha256) => 1,
            Self::Hash(Hash::Sha384) => 2,
            Self::Hash(Hash::Sha512) => 3,
            Self::Hash(Hash::Sha224) => 4,
            Self::Hash(Hash::Sha512_224) => 5,
            Self::Hash(Hash::Sha512_256) => 6,
            Self::Hash(Hash::Sha3_224) => 7,
            Self::Hash(Hash::Sha3_256) => 8,
            Self::Hash(Hash::Sha3_384) => 9,
            Self::Hash(Hash::Sha3_512) => 10,
            Self::Shake128 => 11,
            Self::Shake256 => 12,
            Self::Hash(_) => return None,
        };
        Some([0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 2, arc])
    }
}

/// What comes before a message, or before its hash, when it is signed: which of the two it is, the context, and which
/// hash (FIPS 204, algorithms 2 and 4). None for a context that is too long, and for a hash without a name.
pub fn prefix(prehash: Option<Prehash>, context: &[u8]) -> Option<Vec<u8>> {
    let len = u8::try_from(context.len()).ok()?;
    let mut prefix = vec![u8::from(prehash.is_some()), len];
    prefix.extend_from_slice(context);
    if let Some(prehash) = prehash {
        prefix.extend_from_slice(&prehash.oid()?);
    }
    Some(prefix)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_parameter_set_is_found_by_its_number_and_scheme() {
        for set in PARAMETER_SETS {
            assert_eq!(set.scheme.set(set.number), Some(set));
            assert_eq!(Scheme::of(set.scheme.key_type()), Some(set.scheme));
        }
        assert_eq!(Scheme::MlDsa.set(0), None);
        assert_eq!(Scheme::MlKem.set(4), None);
    }

    #[test]
    fn mechanisms_tell_the_lengths_of_public_keys() {
        assert_eq!(Scheme::MlDsa.public_lens(), (1312, 2592));
        assert_eq!(Scheme::MlKem.public_lens(), (800, 1568));
    }

    #[test]
    fn a_prefix_tells_a_message_from_a_hash_and_ends_with_the_context_or_the_hash() {
        assert_eq!(prefix(None, b"ab").unwrap(), [0, 2, b'a', b'b']);
        let hashed = prefix(Some(Prehash::Hash(Hash::Sha256)), b"").unwrap();
        assert_eq!(hashed, [1, 0, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]);
        assert_eq!(prefix(None, &[0; 256]), None);
        assert_eq!(prefix(Some(Prehash::Hash(Hash::Sha1)), b""), None);
    }
}
