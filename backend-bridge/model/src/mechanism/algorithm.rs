// SPDX-License-Identifier: MIT
//! What mechanisms compute, and with which keys.

use cryptoki_sys as ck;

use super::derivation::Iteration;
use super::rsa_sizes::RsaSizes;
use crate::algorithm::Hash;
use crate::edwards;
use crate::montgomery;
use crate::post_quantum::{Prehash, Scheme};

/// What a mechanism computes, free of PKCS#11's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA key pair generation.
    RsaKeyPair,
    /// RSA key pair generation with the primes of ANSI X9.31.
    RsaX931KeyPair,
    /// Elliptic curve key pair generation.
    EcKeyPair,
    /// The same from more random bits than a key has (FIPS 186-5, appendix A.2.1).
    EcKeyPairExtraBits,
    /// Ed25519 key pair generation.
    EdwardsKeyPair,
    /// X25519 key pair generation.
    MontgomeryKeyPair,
    /// AES key generation.
    AesKey,
    /// Generic secret generation.
    GenericSecret,
    /// Generation of keys that are for the HMAC with one hash.
    HmacKey(Hash),
    /// RSASSA-PKCS1-v1_5; without a hash the application supplies the block. Also RSAES-PKCS1-v1_5 (RFC 8017).
    RsaPkcs1(Option<Hash>),
    /// RSA without padding, for signatures and encryption.
    RsaRaw,
    /// RSA-OAEP of an AES key that wraps in turn.
    RsaAesKeyWrap,
    /// ECDH with a new key pair, for an AES key that wraps in turn.
    EcdhAesKeyWrap(EcdhKeys),
    /// RSASSA-PSS; without a hash the application supplies the digest (RFC 8017).
    RsaPss(Option<Hash>),
    /// RSAES-OAEP (RFC 8017).
    RsaOaep,
    /// ECDSA; without a hash the application supplies the digest (FIPS 186-5).
    Ecdsa(Option<Hash>),
    /// Elliptic curve Diffie-Hellman (NIST SP 800-56A; RFC 7748).
    Ecdh {
        /// Whether the secret is multiplied by the curve's cofactor, which is 1 for every curve here.
        cofactor: bool,
    },
    /// EdDSA over edwards25519: Ed25519, Ed25519ctx and Ed25519ph, as the parameter says (RFC 8032).
    EdDsa,
    /// Key pair generation of a lattice scheme.
    LatticeKeyPair(Scheme),
    /// ML-DSA and HashML-DSA (FIPS 204).
    MlDsa(SignedInput),
    /// ML-KEM (FIPS 203).
    MlKem,
    /// AES, block by block.
    AesEcb,
    /// AES in CBC mode, with PKCS#7 padding or without.
    AesCbc {
        /// Whether padding is added and removed.
        padded: bool,
    },
    /// AES as a stream cipher.
    AesStream(StreamMode),
    /// AES in CBC mode with ciphertext stealing: CBC-CS1 (SP 800-38A, addendum).
    AesCts,
    /// AES in XTS mode (SP 800-38E).
    AesXts,
    /// Generation of a pair of AES keys for XTS.
    AesXtsKey,
    /// AES in GCM (SP 800-38D).
    AesGcm,
    /// AES in CCM (SP 800-38C).
    AesCcm,
    /// The authentication of GCM without encryption (SP 800-38D).
    AesGmac,
    /// CMAC with AES (SP 800-38B).
    AesCmac {
        /// Whether the parameter says how long the MAC is.
        truncated: bool,
    },
    /// A key that is data encrypted with AES (PKCS#11 3.2, key derivation by data encryption).
    AesEncryptData {
        /// Whether in CBC mode, not block by block.
        chained: bool,
    },
    /// AES key wrap (SP 800-38F).
    AesKeyWrap(WrapForm),
    /// ChaCha20 key generation.
    ChaChaKey,
    /// ChaCha20, as a stream (RFC 8439).
    ChaCha20,
    /// ChaCha20 with Poly1305 (RFC 8439).
    ChaChaPoly,
    /// Triple DES key generation.
    Des3Key,
    /// Triple DES, block by block (NIST SP 800-67).
    Des3Ecb,
    /// Triple DES in CBC mode, with PKCS#7 padding or without.
    Des3Cbc {
        /// Whether padding is added and removed.
        padded: bool,
    },
    /// CMAC with triple DES (SP 800-38B).
    Des3Cmac,
    /// A key from the bytes of others (PKCS#11 3.2, miscellaneous simple key derivation mechanisms).
    Combine(Combination),
    /// HKDF key generation.
    HkdfKey,
    /// HKDF (RFC 5869).
    Hkdf {
        /// Whether what comes out is a data object.
        data: bool,
    },
    /// The digest of a key (PKCS#11 3.2, hash-based key derivation).
    HashedKey(Hash),
    /// Key derivation by an iterated pseudorandom function (NIST SP 800-108).
    Sp800108(Iteration),
    /// PBKDF2 (RFC 8018).
    Pbkdf2,
    /// The generation of a premaster secret (RFC 5246, section 8.1.1).
    TlsPremaster,
    /// The master secret of TLS (RFC 5246, section 8.1; RFC 7627).
    TlsMaster {
        /// Whether it depends on the whole handshake.
        extended: bool,
        /// Whether the premaster secret was agreed, and does not begin with a version.
        agreed: bool,
    },
    /// The keys of a TLS connection (RFC 5246, section 6.3).
    TlsKeys {
        /// Whether initialisation vectors are given out.
        with_ivs: bool,
    },
    /// Keying material out of a TLS handshake (RFC 5705).
    TlsKdf,
    /// The `verify_data` of TLS (RFC 5246, section 7.4.9).
    TlsMac,
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

/// What a mechanism of ML-DSA is given, and what it makes of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedInput {
    /// A message, which is signed as it is.
    Message,
    /// A message, of which this is signed.
    Hashed(Prehash),
    /// A hash, of which the parameter says which one it is.
    Hash,
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

/// What the key stream of a stream cipher is made of (SP 800-38A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// A counter.
    Ctr,
    /// The block before, encrypted.
    Ofb,
    /// The ciphertext before, byte by byte.
    Cfb8,
    /// The ciphertext before, block by block.
    Cfb128,
}

/// Which keys one of the mechanisms takes that wrap with ECDH and AES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcdhKeys {
    /// On any curve.
    All,
    /// On a Weierstrass curve.
    Weierstrass,
    /// On a Montgomery curve.
    Montgomery,
}

impl EcdhKeys {
    const fn accept(self, key_type: ck::CK_KEY_TYPE) -> bool {
        match key_type {
            ck::CKK_EC => !matches!(self, Self::Montgomery),
            ck::CKK_EC_MONTGOMERY => !matches!(self, Self::Weierstrass),
            _ => false,
        }
    }
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

/// Smallest and largest generic secret that is generated, in bytes.
pub const GENERIC_SECRET_LEN: (usize, usize) = (1, 512);

/// Length of the premaster and master secrets of TLS, in bytes.
pub const TLS_SECRET_LEN: usize = 48;

impl Algorithm {
    /// The type of the keys that it makes or uses; `None` where there is no key, or where several types fit.
    pub const fn key_type(self) -> Option<ck::CK_KEY_TYPE> {
        match self {
            Self::RsaKeyPair
            | Self::RsaX931KeyPair
            | Self::RsaPkcs1(_)
            | Self::RsaRaw
            | Self::RsaPss(_)
            | Self::RsaOaep
            | Self::RsaAesKeyWrap => Some(ck::CKK_RSA),
            Self::EcKeyPair | Self::EcKeyPairExtraBits | Self::Ecdsa(_) => Some(ck::CKK_EC),
            Self::EdwardsKeyPair | Self::EdDsa => Some(ck::CKK_EC_EDWARDS),
            Self::MontgomeryKeyPair => Some(ck::CKK_EC_MONTGOMERY),
            Self::AesKey
            | Self::AesEcb
            | Self::AesCbc { .. }
            | Self::AesStream(_)
            | Self::AesCts
            | Self::AesGcm
            | Self::AesCcm
            | Self::AesGmac
            | Self::AesCmac { .. }
            | Self::AesEncryptData { .. }
            | Self::AesKeyWrap(_) => Some(ck::CKK_AES),
            Self::AesXts | Self::AesXtsKey => Some(ck::CKK_AES_XTS),
            Self::LatticeKeyPair(scheme) => Some(scheme.key_type()),
            Self::MlDsa(_) => Some(ck::CKK_ML_DSA),
            Self::MlKem => Some(ck::CKK_ML_KEM),
            Self::HmacKey(hash) => Some(hmac_key_type(hash)),
            Self::ChaChaKey | Self::ChaCha20 | Self::ChaChaPoly => Some(ck::CKK_CHACHA20),
            Self::Des3Key | Self::Des3Ecb | Self::Des3Cbc { .. } | Self::Des3Cmac => Some(ck::CKK_DES3),
            Self::GenericSecret
            | Self::RemoteSymmetric
            | Self::TlsPremaster
            | Self::TlsMaster { .. }
            | Self::TlsKeys { .. }
            | Self::TlsKdf
            | Self::TlsMac => Some(ck::CKK_GENERIC_SECRET),
            Self::HkdfKey => Some(ck::CKK_HKDF),
            Self::Hkdf { .. } | Self::HashedKey(_) | Self::Sp800108(_) | Self::Pbkdf2 => None,
            Self::Hmac { .. }
            | Self::Digest(_)
            | Self::Combine(_)
            | Self::Ecdh { .. }
            | Self::EcdhAesKeyWrap(_)
            | Self::Foreign => None,
        }
    }

    /// Whether a key of this type fits. HMAC takes generic secrets and the HMAC key type of its own hash.
    pub fn accepts(self, key_type: ck::CK_KEY_TYPE) -> bool {
        match self {
            Self::Hmac { hash, .. } => key_type == ck::CKK_GENERIC_SECRET || key_type == hmac_key_type(hash),
            Self::Combine(_) | Self::HashedKey(_) | Self::Sp800108(_) => is_secret(key_type),
            Self::Hkdf { .. } => matches!(key_type, ck::CKK_HKDF | ck::CKK_GENERIC_SECRET),
            Self::EcdhAesKeyWrap(keys) => keys.accept(key_type),
            Self::Ecdh { cofactor } => {
                key_type == ck::CKK_EC || (!cofactor && key_type == ck::CKK_EC_MONTGOMERY)
            }
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

    /// How long the code is that it makes when it is not cut short, in bytes, if that is the mechanism's alone to say.
    pub const fn code_len(self) -> Option<usize> {
        match self {
            Self::Hmac { hash, .. } => Some(hash.output_len()),
            Self::AesCmac { .. } => Some(16),
            Self::Des3Cmac => Some(8),
            _ => None,
        }
    }

    /// Whether it is broken or outdated, and so offered to those only who ask for it in their configuration.
    pub const fn is_legacy(self) -> bool {
        match (self, self.hash()) {
            (Self::Des3Key | Self::Des3Ecb | Self::Des3Cbc { .. } | Self::Des3Cmac, _) => true,
            (_, Some(hash)) => hash.is_legacy(),
            (_, None) => false,
        }
    }

    /// Whether it notices when what was wrapped is changed or cut, and gives nothing away about it. What is wrapped
    /// without that is found out by unwrapping pieces of it, by asking which paddings are right, or by encrypting
    /// something else with the same initialisation vector.
    pub const fn protects_wrapped(self) -> bool {
        matches!(
            self,
            Self::AesKeyWrap(_) | Self::RsaOaep | Self::RsaAesKeyWrap | Self::EcdhAesKeyWrap(_)
        )
    }

    /// Whether it takes a remote service: no engine computes it, but one that stands in for a service.
    pub const fn is_remote(self) -> bool {
        matches!(self, Self::RemoteSymmetric)
    }

    /// Smallest and largest key, in the unit that the specification gives the mechanism.
    pub(super) fn key_sizes(self, rsa: RsaSizes) -> (ck::CK_ULONG, ck::CK_ULONG) {
        let (min, max) = GENERIC_SECRET_LEN;
        let secret = (min as ck::CK_ULONG, max as ck::CK_ULONG);
        match self {
            _ if self.key_type() == Some(ck::CKK_RSA) => rsa.of(self),
            Self::Ecdh { .. } | Self::EcdhAesKeyWrap(EcdhKeys::All | EcdhKeys::Weierstrass) => EC_BITS,
            Self::EcdhAesKeyWrap(EcdhKeys::Montgomery) => same(montgomery::BITS),
            // In bytes (PKCS#11 3.2, HMAC mechanisms), and in bits.
            Self::HmacKey(_) => secret,
            Self::GenericSecret | Self::HkdfKey => (secret.0 * 8, secret.1 * 8),
            Self::RemoteSymmetric => same(32),
            Self::TlsPremaster | Self::TlsMaster { .. } | Self::TlsKeys { .. } => same(TLS_SECRET_LEN),
            // Those that are left without a type take keys of any length (RFC 2104).
            _ => self.key_type().map_or((0, 0), sizes_of),
        }
    }
}

/// Smallest and largest size in bits of the curves in Weierstrass form.
const EC_BITS: (ck::CK_ULONG, ck::CK_ULONG) = (224, 521);

/// The sizes of keys of a type, in the unit that most of its mechanisms count in.
fn sizes_of(key_type: ck::CK_KEY_TYPE) -> (ck::CK_ULONG, ck::CK_ULONG) {
    match key_type {
        ck::CKK_EC => EC_BITS,
        ck::CKK_EC_EDWARDS => same(edwards::BITS),
        ck::CKK_EC_MONTGOMERY => same(montgomery::BITS),
        ck::CKK_AES => (16, 32),
        ck::CKK_AES_XTS => (32, 64),
        ck::CKK_CHACHA20 => same(32),
        ck::CKK_DES3 => same(24),
        other => Scheme::of(other).map_or((0, 0), Scheme::public_lens),
    }
}

/// Keys of one size.
const fn same(size: usize) -> (ck::CK_ULONG, ck::CK_ULONG) {
    (size as ck::CK_ULONG, size as ck::CK_ULONG)
}

/// Whether it is a type of secret keys.
fn is_secret(key_type: ck::CK_KEY_TYPE) -> bool {
    !matches!(
        key_type,
        ck::CKK_RSA | ck::CKK_EC | ck::CKK_EC_EDWARDS | ck::CKK_EC_MONTGOMERY
    ) && Scheme::of(key_type).is_none()
}

/// The key type that is meant for the HMAC of one hash.
pub const fn hmac_key_type(hash: Hash) -> ck::CK_KEY_TYPE {
    hash.row().hmac_key
}
