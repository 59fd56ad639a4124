// SPDX-License-Identifier: MIT
//! Every mechanism, one row each.

use cryptoki_sys as ck;

use super::MechanismRow;
use super::algorithm::{Algorithm::*, Combination, EcdhKeys, SignedInput::*, StreamMode, WrapForm};
use super::derivation::Iteration;
use super::params::ParamShape as P;
use crate::algorithm::Hash::*;
use crate::post_quantum::{Prehash, Scheme};
use crate::vendor::constants;

const SIGN: ck::CK_FLAGS = ck::CKF_SIGN | ck::CKF_VERIFY;
const RECOVER: ck::CK_FLAGS = ck::CKF_SIGN_RECOVER | ck::CKF_VERIFY_RECOVER;
const CRYPT: ck::CK_FLAGS = ck::CKF_ENCRYPT | ck::CKF_DECRYPT;
const WRAP_ONLY: ck::CK_FLAGS = ck::CKF_WRAP | ck::CKF_UNWRAP;
/// Encryption with which keys are wrapped as well.
const WRAP: ck::CK_FLAGS = CRYPT | ck::CKF_WRAP | ck::CKF_UNWRAP;
/// Encryption of messages, whole and in parts.
const MESSAGES: ck::CK_FLAGS = ck::CKF_MESSAGE_ENCRYPT | ck::CKF_MESSAGE_DECRYPT | ck::CKF_MULTI_MESSAGE;
const EC: ck::CK_FLAGS = ck::CKF_EC_F_P | ck::CKF_EC_OID | ck::CKF_EC_CURVENAME | ck::CKF_EC_UNCOMPRESS;
/// A point of an Edwards or a Montgomery curve is one coordinate.
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

mechanisms! {
    CKM_RSA_PKCS_KEY_PAIR_GEN: RsaKeyPair, ck::CKF_GENERATE_KEY_PAIR, P::None;
    CKM_RSA_X9_31_KEY_PAIR_GEN: RsaX931KeyPair, ck::CKF_GENERATE_KEY_PAIR, P::None;
    CKM_RSA_X_509:             RsaRaw, SIGN | RECOVER | WRAP, P::None;
    CKM_RSA_PKCS:              RsaPkcs1(None), SIGN | RECOVER | WRAP, P::None;
    CKM_SHA1_RSA_PKCS:         RsaPkcs1(Some(Sha1)), SIGN, P::None;
    CKM_SHA224_RSA_PKCS:       RsaPkcs1(Some(Sha224)), SIGN, P::None;
    CKM_SHA256_RSA_PKCS:       RsaPkcs1(Some(Sha256)), SIGN, P::None;
    CKM_SHA384_RSA_PKCS:       RsaPkcs1(Some(Sha384)), SIGN, P::None;
    CKM_SHA512_RSA_PKCS:       RsaPkcs1(Some(Sha512)), SIGN, P::None;
    CKM_SHA3_224_RSA_PKCS:     RsaPkcs1(Some(Sha3_224)), SIGN, P::None;
    CKM_SHA3_256_RSA_PKCS:     RsaPkcs1(Some(Sha3_256)), SIGN, P::None;
    CKM_SHA3_384_RSA_PKCS:     RsaPkcs1(Some(Sha3_384)), SIGN, P::None;
    CKM_SHA3_512_RSA_PKCS:     RsaPkcs1(Some(Sha3_512)), SIGN, P::None;
    CKM_RSA_PKCS_PSS:          RsaPss(None), SIGN, P::Pss;
    CKM_SHA1_RSA_PKCS_PSS:     RsaPss(Some(Sha1)), SIGN, P::Pss;
    CKM_SHA224_RSA_PKCS_PSS:   RsaPss(Some(Sha224)), SIGN, P::Pss;
    CKM_SHA256_RSA_PKCS_PSS:   RsaPss(Some(Sha256)), SIGN, P::Pss;
    CKM_SHA384_RSA_PKCS_PSS:   RsaPss(Some(Sha384)), SIGN, P::Pss;
    CKM_SHA512_RSA_PKCS_PSS:   RsaPss(Some(Sha512)), SIGN, P::Pss;
    CKM_SHA3_224_RSA_PKCS_PSS: RsaPss(Some(Sha3_224)), SIGN, P::Pss;
    CKM_SHA3_256_RSA_PKCS_PSS: RsaPss(Some(Sha3_256)), SIGN, P::Pss;
    CKM_SHA3_384_RSA_PKCS_PSS: RsaPss(Some(Sha3_384)), SIGN, P::Pss;
    CKM_SHA3_512_RSA_PKCS_PSS: RsaPss(Some(Sha3_512)), SIGN, P::Pss;
    CKM_RSA_PKCS_OAEP:         RsaOaep, WRAP, P::Oaep;
    CKM_RSA_AES_KEY_WRAP:      RsaAesKeyWrap, WRAP_ONLY, P::RsaAes;
    CKM_EC_KEY_PAIR_GEN:       EcKeyPair, ck::CKF_GENERATE_KEY_PAIR | EC, P::None;
    CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS: EcKeyPairExtraBits, ck::CKF_GENERATE_KEY_PAIR | EC, P::None;
    CKM_ECDSA:                 Ecdsa(None), SIGN | EC, P::None;
    CKM_ECDSA_SHA1:            Ecdsa(Some(Sha1)), SIGN | EC, P::None;
    CKM_ECDSA_SHA224:          Ecdsa(Some(Sha224)), SIGN | EC, P::None;
    CKM_ECDSA_SHA256:          Ecdsa(Some(Sha256)), SIGN | EC, P::None;
    CKM_ECDSA_SHA384:          Ecdsa(Some(Sha384)), SIGN | EC, P::None;
    CKM_ECDSA_SHA512:          Ecdsa(Some(Sha512)), SIGN | EC, P::None;
    CKM_ECDSA_SHA3_224:        Ecdsa(Some(Sha3_224)), SIGN | EC, P::None;
    CKM_ECDSA_SHA3_256:        Ecdsa(Some(Sha3_256)), SIGN | EC, P::None;
    CKM_ECDSA_SHA3_384:        Ecdsa(Some(Sha3_384)), SIGN | EC, P::None;
    CKM_ECDSA_SHA3_512:        Ecdsa(Some(Sha3_512)), SIGN | EC, P::None;
    CKM_ECDH1_DERIVE:          Ecdh { cofactor: false }, ck::CKF_DERIVE | EC, P::Ecdh;
    CKM_ECDH1_COFACTOR_DERIVE: Ecdh { cofactor: true }, ck::CKF_DERIVE | EC, P::Ecdh;
    CKM_ECDH_AES_KEY_WRAP:     EcdhAesKeyWrap(EcdhKeys::All), WRAP_ONLY | EC, P::EcdhAes;
    CKM_ECDH_COF_AES_KEY_WRAP: EcdhAesKeyWrap(EcdhKeys::Weierstrass), WRAP_ONLY | EC, P::EcdhAes;
    CKM_ECDH_X_AES_KEY_WRAP:   EcdhAesKeyWrap(EcdhKeys::Montgomery), WRAP_ONLY | EDWARDS, P::EcdhAes;
    CKM_EC_MONTGOMERY_KEY_PAIR_GEN: MontgomeryKeyPair, ck::CKF_GENERATE_KEY_PAIR | EDWARDS, P::None;
    CKM_EC_EDWARDS_KEY_PAIR_GEN: EdwardsKeyPair, ck::CKF_GENERATE_KEY_PAIR | EDWARDS, P::None;
    CKM_EDDSA:                 EdDsa, SIGN | EDWARDS, P::EdDsa;
    CKM_ML_DSA_KEY_PAIR_GEN:   LatticeKeyPair(Scheme::MlDsa), ck::CKF_GENERATE_KEY_PAIR, P::None;
    CKM_ML_DSA:                MlDsa(Message), SIGN, P::SignContext;
    CKM_HASH_ML_DSA:           MlDsa(Hash), SIGN, P::HashSignContext;
    CKM_HASH_ML_DSA_SHA224:    MlDsa(Hashed(Prehash::Hash(Sha224))), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHA256:    MlDsa(Hashed(Prehash::Hash(Sha256))), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHA384:    MlDsa(Hashed(Prehash::Hash(Sha384))), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHA512:    MlDsa(Hashed(Prehash::Hash(Sha512))), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHA3_224:  MlDsa(Hashed(Prehash::Hash(Sha3_224))), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHA3_256:  MlDsa(Hashed(Prehash::Hash(Sha3_256))), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHA3_384:  MlDsa(Hashed(Prehash::Hash(Sha3_384))), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHA3_512:  MlDsa(Hashed(Prehash::Hash(Sha3_512))), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHAKE128:  MlDsa(Hashed(Prehash::Shake128)), SIGN, P::SignContext;
    CKM_HASH_ML_DSA_SHAKE256:  MlDsa(Hashed(Prehash::Shake256)), SIGN, P::SignContext;
    CKM_ML_KEM_KEY_PAIR_GEN:   LatticeKeyPair(Scheme::MlKem), ck::CKF_GENERATE_KEY_PAIR, P::None;
    CKM_ML_KEM:                MlKem, ck::CKF_ENCAPSULATE | ck::CKF_DECAPSULATE, P::None;
    CKM_AES_KEY_GEN:           AesKey, ck::CKF_GENERATE, P::None;
    CKM_AES_ECB:               AesEcb, WRAP, P::None;
    CKM_AES_CBC:               AesCbc { padded: false }, WRAP, P::Bytes(16);
    CKM_AES_CBC_PAD:           AesCbc { padded: true }, WRAP, P::Bytes(16);
    CKM_AES_CTR:               AesStream(StreamMode::Ctr), WRAP, P::Counter;
    CKM_AES_OFB:               AesStream(StreamMode::Ofb), WRAP, P::Bytes(16);
    CKM_AES_CFB8:              AesStream(StreamMode::Cfb8), WRAP, P::Bytes(16);
    CKM_AES_CFB128:            AesStream(StreamMode::Cfb128), WRAP, P::Bytes(16);
    CKM_AES_CTS:               AesCts, WRAP, P::Bytes(16);
    CKM_AES_XTS_KEY_GEN:       AesXtsKey, ck::CKF_GENERATE, P::None;
    CKM_AES_XTS:               AesXts, WRAP, P::Bytes(16);
    CKM_AES_GCM:               AesGcm, WRAP | MESSAGES, P::Gcm;
    CKM_AES_CCM:               AesCcm, WRAP | MESSAGES, P::Ccm;
    CKM_AES_GMAC:              AesGmac, SIGN, P::Gmac;
    CKM_AES_CMAC:              AesCmac { truncated: false }, SIGN, P::None;
    CKM_AES_CMAC_GENERAL:      AesCmac { truncated: true }, SIGN, P::Length;
    CKM_AES_ECB_ENCRYPT_DATA:  AesEncryptData { chained: false }, ck::CKF_DERIVE, P::StringData;
    CKM_AES_CBC_ENCRYPT_DATA:  AesEncryptData { chained: true }, ck::CKF_DERIVE, P::ChainedData;
    CKM_AES_KEY_WRAP:          AesKeyWrap(WrapForm::Kw), WRAP, P::OptionalBytes(8);
    CKM_AES_KEY_WRAP_PAD:      AesKeyWrap(WrapForm::Kwp), WRAP, P::OptionalBytes(4);
    CKM_AES_KEY_WRAP_KWP:      AesKeyWrap(WrapForm::Kwp), WRAP, P::OptionalBytes(4);
    CKM_AES_KEY_WRAP_PKCS7:    AesKeyWrap(WrapForm::Pkcs7), WRAP, P::OptionalBytes(8);
    CKM_CHACHA20_KEY_GEN:      ChaChaKey, ck::CKF_GENERATE, P::None;
    CKM_CHACHA20:              ChaCha20, CRYPT, P::ChaCha20;
    CKM_CHACHA20_POLY1305:     ChaChaPoly, CRYPT | MESSAGES, P::ChaChaPoly;
    CKM_DES3_KEY_GEN:          Des3Key, ck::CKF_GENERATE, P::None;
    CKM_DES3_ECB:              Des3Ecb, WRAP, P::None;
    CKM_DES3_CBC:              Des3Cbc { padded: false }, WRAP, P::Bytes(8);
    CKM_DES3_CBC_PAD:          Des3Cbc { padded: true }, WRAP, P::Bytes(8);
    CKM_DES3_CMAC:             Des3Cmac, SIGN, P::None;
    CKM_GENERIC_SECRET_KEY_GEN: GenericSecret, ck::CKF_GENERATE, P::None;
    CKM_SHA_1_KEY_GEN:         HmacKey(Sha1), ck::CKF_GENERATE, P::None;
    CKM_SHA224_KEY_GEN:        HmacKey(Sha224), ck::CKF_GENERATE, P::None;
    CKM_SHA256_KEY_GEN:        HmacKey(Sha256), ck::CKF_GENERATE, P::None;
    CKM_SHA384_KEY_GEN:        HmacKey(Sha384), ck::CKF_GENERATE, P::None;
    CKM_SHA512_KEY_GEN:        HmacKey(Sha512), ck::CKF_GENERATE, P::None;
    CKM_SHA512_224_KEY_GEN:    HmacKey(Sha512_224), ck::CKF_GENERATE, P::None;
    CKM_SHA512_256_KEY_GEN:    HmacKey(Sha512_256), ck::CKF_GENERATE, P::None;
    CKM_SHA3_224_KEY_GEN:      HmacKey(Sha3_224), ck::CKF_GENERATE, P::None;
    CKM_SHA3_256_KEY_GEN:      HmacKey(Sha3_256), ck::CKF_GENERATE, P::None;
    CKM_SHA3_384_KEY_GEN:      HmacKey(Sha3_384), ck::CKF_GENERATE, P::None;
    CKM_SHA3_512_KEY_GEN:      HmacKey(Sha3_512), ck::CKF_GENERATE, P::None;
    CKM_CONCATENATE_BASE_AND_KEY: Combine(Combination::BaseAndKey), ck::CKF_DERIVE, P::Key;
    CKM_CONCATENATE_BASE_AND_DATA: Combine(Combination::BaseAndData), ck::CKF_DERIVE, P::StringData;
    CKM_CONCATENATE_DATA_AND_BASE: Combine(Combination::DataAndBase), ck::CKF_DERIVE, P::StringData;
    CKM_XOR_BASE_AND_DATA:     Combine(Combination::Xor), ck::CKF_DERIVE, P::StringData;
    CKM_EXTRACT_KEY_FROM_KEY:  Combine(Combination::Extract), ck::CKF_DERIVE, P::Bit;
    CKM_HKDF_KEY_GEN:          HkdfKey, ck::CKF_GENERATE, P::None;
    CKM_HKDF_DERIVE:           Hkdf { data: false }, ck::CKF_DERIVE, P::Hkdf;
    CKM_HKDF_DATA:             Hkdf { data: true }, ck::CKF_DERIVE, P::Hkdf;
    CKM_SHA1_KEY_DERIVATION:   HashedKey(Sha1), ck::CKF_DERIVE, P::None;
    CKM_SHA224_KEY_DERIVATION: HashedKey(Sha224), ck::CKF_DERIVE, P::None;
    CKM_SHA256_KEY_DERIVATION: HashedKey(Sha256), ck::CKF_DERIVE, P::None;
    CKM_SHA384_KEY_DERIVATION: HashedKey(Sha384), ck::CKF_DERIVE, P::None;
    CKM_SHA512_KEY_DERIVATION: HashedKey(Sha512), ck::CKF_DERIVE, P::None;
    CKM_SHA512_224_KEY_DERIVATION: HashedKey(Sha512_224), ck::CKF_DERIVE, P::None;
    CKM_SHA512_256_KEY_DERIVATION: HashedKey(Sha512_256), ck::CKF_DERIVE, P::None;
    CKM_SHA3_224_KEY_DERIVATION: HashedKey(Sha3_224), ck::CKF_DERIVE, P::None;
    CKM_SHA3_256_KEY_DERIVATION: HashedKey(Sha3_256), ck::CKF_DERIVE, P::None;
    CKM_SHA3_384_KEY_DERIVATION: HashedKey(Sha3_384), ck::CKF_DERIVE, P::None;
    CKM_SHA3_512_KEY_DERIVATION: HashedKey(Sha3_512), ck::CKF_DERIVE, P::None;
    CKM_SP800_108_COUNTER_KDF: Sp800108(Iteration::Counter), ck::CKF_DERIVE, P::Sp800108;
    CKM_SP800_108_FEEDBACK_KDF: Sp800108(Iteration::Feedback), ck::CKF_DERIVE, P::Sp800108Feedback;
    CKM_SP800_108_DOUBLE_PIPELINE_KDF: Sp800108(Iteration::DoublePipeline), ck::CKF_DERIVE, P::Sp800108;
    CKM_PKCS5_PBKD2:           Pbkdf2, ck::CKF_GENERATE, P::Pbkdf2;
    CKM_TLS_PRE_MASTER_KEY_GEN: TlsPremaster, ck::CKF_GENERATE, P::Bytes(2);
    CKM_TLS12_MASTER_KEY_DERIVE: TlsMaster { extended: false, agreed: false }, ck::CKF_DERIVE, P::TlsMaster;
    CKM_TLS12_MASTER_KEY_DERIVE_DH: TlsMaster { extended: false, agreed: true }, ck::CKF_DERIVE, P::TlsMaster;
    CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE: TlsMaster { extended: true, agreed: false }, ck::CKF_DERIVE, P::TlsExtendedMaster;
    CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH: TlsMaster { extended: true, agreed: true }, ck::CKF_DERIVE, P::TlsExtendedMaster;
    CKM_TLS12_KEY_AND_MAC_DERIVE: TlsKeys { with_ivs: true }, ck::CKF_DERIVE, P::TlsKeys;
    CKM_TLS12_KEY_SAFE_DERIVE: TlsKeys { with_ivs: false }, ck::CKF_DERIVE, P::TlsKeys;
    CKM_TLS_KDF:               TlsKdf, ck::CKF_DERIVE, P::TlsKdf;
    CKM_TLS12_KDF:             TlsKdf, ck::CKF_DERIVE, P::TlsKdf;
    CKM_TLS_MAC:               TlsMac, SIGN, P::TlsMac;
    CKM_TLS12_MAC:             TlsMac, SIGN, P::TlsMac;
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
    CKM_SHA512_224_HMAC: Hmac { hash: Sha512_224, truncated: false }, SIGN, P::None;
    CKM_SHA512_224_HMAC_GENERAL: Hmac { hash: Sha512_224, truncated: true }, SIGN, P::Length;
    CKM_SHA512_256_HMAC: Hmac { hash: Sha512_256, truncated: false }, SIGN, P::None;
    CKM_SHA512_256_HMAC_GENERAL: Hmac { hash: Sha512_256, truncated: true }, SIGN, P::Length;
    CKM_SHA3_224_HMAC: Hmac { hash: Sha3_224, truncated: false }, SIGN, P::None;
    CKM_SHA3_224_HMAC_GENERAL: Hmac { hash: Sha3_224, truncated: true }, SIGN, P::Length;
    CKM_SHA3_256_HMAC: Hmac { hash: Sha3_256, truncated: false }, SIGN, P::None;
    CKM_SHA3_256_HMAC_GENERAL: Hmac { hash: Sha3_256, truncated: true }, SIGN, P::Length;
    CKM_SHA3_384_HMAC: Hmac { hash: Sha3_384, truncated: false }, SIGN, P::None;
    CKM_SHA3_384_HMAC_GENERAL: Hmac { hash: Sha3_384, truncated: true }, SIGN, P::Length;
    CKM_SHA3_512_HMAC: Hmac { hash: Sha3_512, truncated: false }, SIGN, P::None;
    CKM_SHA3_512_HMAC_GENERAL: Hmac { hash: Sha3_512, truncated: true }, SIGN, P::Length;
    CKM_KEYENCLAVE_AWS_SYMMETRIC: RemoteSymmetric, CRYPT, P::None;
    CKM_MD5:                   Digest(Md5), ck::CKF_DIGEST, P::None;
    CKM_SHA_1:                 Digest(Sha1), ck::CKF_DIGEST, P::None;
    CKM_SHA224:                Digest(Sha224), ck::CKF_DIGEST, P::None;
    CKM_SHA256:                Digest(Sha256), ck::CKF_DIGEST, P::None;
    CKM_SHA384:                Digest(Sha384), ck::CKF_DIGEST, P::None;
    CKM_SHA512:                Digest(Sha512), ck::CKF_DIGEST, P::None;
    CKM_SHA512_224:            Digest(Sha512_224), ck::CKF_DIGEST, P::None;
    CKM_SHA512_256:            Digest(Sha512_256), ck::CKF_DIGEST, P::None;
    CKM_SHA3_224:              Digest(Sha3_224), ck::CKF_DIGEST, P::None;
    CKM_SHA3_256:              Digest(Sha3_256), ck::CKF_DIGEST, P::None;
    CKM_SHA3_384:              Digest(Sha3_384), ck::CKF_DIGEST, P::None;
    CKM_SHA3_512:              Digest(Sha3_512), ck::CKF_DIGEST, P::None;
}
