// SPDX-License-Identifier: MIT
//! The table of what is inside of the parameters of the standard's mechanisms: one row a structure of the header.

use std::mem::offset_of;

use cryptoki_sys as ck;
use keyenclave_model::attribute::ULONG;

use super::number;

/// A structure that is a parameter.
pub(super) struct Shape {
    /// The mechanisms that have it.
    pub mechanisms: &'static [ck::CK_MECHANISM_TYPE],
    /// In bytes; `None` where any length may be.
    pub size: Option<usize>,
    /// What concerns us in it.
    pub fields: &'static [Field],
    /// Where in it there are handles.
    pub handles: Handles,
}

impl Shape {
    const fn new(
        mechanisms: &'static [ck::CK_MECHANISM_TYPE],
        size: Option<usize>,
        fields: &'static [Field],
    ) -> Self {
        Self {
            mechanisms,
            size,
            fields,
            handles: handles(fields),
        }
    }
}

/// Where there are handles in a parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handles {
    /// There are none.
    None,
    /// In the parameter itself.
    Here,
    /// Behind pointers of it, or the vendor makes some.
    Behind,
}

/// Where there are handles in a structure with these fields.
const fn handles(fields: &[Field]) -> Handles {
    let (mut found, mut rest) = (Handles::None, fields);
    while let [field, behind @ ..] = rest {
        match field {
            Field::Structures(_, _, of) if !matches!(handles(of.fields), Handles::None) => {
                return Handles::Behind;
            }
            Field::Handle(_) | Field::Key(..) | Field::Made(_) => found = Handles::Here,
            _ => {}
        }
        rest = behind;
    }
    found
}

/// A structure that a parameter points to.
pub(super) struct Structure {
    /// In bytes.
    pub size: usize,
    /// What concerns us in it.
    pub fields: &'static [Field],
}

/// What stands at an offset of a structure.
pub(super) enum Field {
    /// The handle of an object.
    Handle(usize),
    /// A pointer to bytes that the vendor reads.
    Bytes(usize, Len),
    /// The same, which is ignored and not followed unless all of this is so.
    Wanted(usize, Len, &'static [When]),
    /// A pointer to the handle of an object where the number at the second offset is the third, else as `Bytes`.
    Key(usize, Len, usize, ck::CK_ULONG),
    /// A pointer to the value of the attribute whose type is at the second offset.
    Value(usize, Len, usize),
    /// A pointer to bytes that the vendor may write; null where nobody wants them.
    Written(usize, Len),
    /// The handle of an object that the vendor makes and writes here.
    Made(usize),
    /// A number that the vendor writes here.
    Number(usize),
    /// A pointer to as many structures as the number at the second offset says, or to one.
    Structures(usize, Option<usize>, &'static Structure),
    /// Something that only the application's own memory will do for: its length is not known, or what it means.
    Stay,
}

/// What has to be so in a structure.
pub(super) enum When {
    /// The `CK_BBOOL` at this offset is true.
    True(usize),
    /// The number at this offset is this.
    Is(usize, ck::CK_ULONG),
}

/// How long the memory behind a pointer is.
#[derive(Clone, Copy)]
pub(super) enum Len {
    /// The number at this offset, in bytes.
    Bytes(usize),
    /// The number at this offset, in bits.
    Bits(usize),
    /// The number at this offset, in bits or in bytes: a nonce's for Poly1305.
    Nonce(usize),
    /// The number at this offset of the parameter itself, in bits.
    OuterBits(usize),
    /// The number that the pointer at this offset leads to, in bytes.
    Told(usize),
    /// So many bytes.
    Exactly(usize),
}

/// One field of a row.
macro_rules! field {
    ($s:ident handle($f:ident)) => {
        Field::Handle(offset_of!(ck::$s, $f))
    };
    ($s:ident bytes($($f:ident).+, $($l:ident).+)) => {
        Field::Bytes(offset_of!(ck::$s, $($f).+), Len::Bytes(offset_of!(ck::$s, $($l).+)))
    };
    ($s:ident wanted($f:ident, $l:ident, $flag:ident $(, $kind:ident, $is:ident)?)) => {
        Field::Wanted(offset_of!(ck::$s, $f), Len::Bytes(offset_of!(ck::$s, $l)), &[
            When::True(offset_of!(ck::$s, $flag)) $(, When::Is(offset_of!(ck::$s, $kind), ck::$is))?
        ])
    };
    ($s:ident bits($f:ident, $l:ident)) => {
        Field::Bytes(offset_of!(ck::$s, $f), Len::Bits(offset_of!(ck::$s, $l)))
    };
    ($s:ident nonce($f:ident, $l:ident)) => {
        Field::Bytes(offset_of!(ck::$s, $f), Len::Nonce(offset_of!(ck::$s, $l)))
    };
    ($s:ident exactly($f:ident, $len:literal)) => {
        Field::Bytes(offset_of!(ck::$s, $f), Len::Exactly($len))
    };
    ($s:ident key($f:ident, $l:ident, $kind:ident, $is:ident)) => {
        Field::Key(offset_of!(ck::$s, $f), Len::Bytes(offset_of!(ck::$s, $l)), offset_of!(ck::$s, $kind), ck::$is)
    };
    ($s:ident value($f:ident, $l:ident, $kind:ident)) => {
        Field::Value(offset_of!(ck::$s, $f), Len::Bytes(offset_of!(ck::$s, $l)), offset_of!(ck::$s, $kind))
    };
    ($s:ident written($f:ident, $l:ident)) => {
        Field::Written(offset_of!(ck::$s, $f), Len::Bytes(offset_of!(ck::$s, $l)))
    };
    ($s:ident written_bits($f:ident, $l:ident)) => {
        Field::Written(offset_of!(ck::$s, $f), Len::Bits(offset_of!(ck::$s, $l)))
    };
    ($s:ident written_outer_bits($f:ident, $outer:ident, $l:ident)) => {
        Field::Written(offset_of!(ck::$s, $f), Len::OuterBits(offset_of!(ck::$outer, $l)))
    };
    ($s:ident written_told($f:ident, $l:ident)) => {
        Field::Written(offset_of!(ck::$s, $f), Len::Told(offset_of!(ck::$s, $l)))
    };
    ($s:ident written_exactly($f:ident, $len:literal)) => {
        Field::Written(offset_of!(ck::$s, $f), Len::Exactly($len))
    };
    ($s:ident made($f:ident)) => {
        Field::Made(offset_of!(ck::$s, $f))
    };
    ($s:ident one($f:ident, $of:ident)) => {
        Field::Structures(offset_of!(ck::$s, $f), None, &$of)
    };
    ($s:ident many($f:ident, $count:ident, $of:ident)) => {
        Field::Structures(offset_of!(ck::$s, $f), Some(offset_of!(ck::$s, $count)), &$of)
    };
    ($s:ident stay()) => {
        Field::Stay
    };
}

/// A structure that others point to.
macro_rules! structure {
    ($s:ident { $($kind:ident($($arg:tt)*))* }) => {
        Structure {
            size: size_of::<ck::$s>(),
            fields: &[$(field!($s $kind($($arg)*))),*],
        }
    };
}

/// The table.
macro_rules! shapes {
    ($name:ident: $($s:ident { $($kind:ident($($arg:tt)*))* } for $($mechanism:ident)*;)*) => {
        pub(super) static $name: &[Shape] = &[$(Shape::new(
            &[$(ck::$mechanism),*],
            Some(size_of::<ck::$s>()),
            &[$(field!($s $kind($($arg)*))),*],
        )),*];
    };
}

static OAEP: Structure = structure!(CK_RSA_PKCS_OAEP_PARAMS { bytes(pSourceData, ulSourceDataLen) });
static OTP_PARAM: Structure = structure!(CK_OTP_PARAM { bytes(pValue, ulValueLen) });
static PRF_DATA: Structure =
    structure!(CK_PRF_DATA_PARAM { key(pValue, ulValueLen, type_, CK_SP800_108_KEY_HANDLE) });
static DERIVED_KEY: Structure =
    structure!(CK_DERIVED_KEY { many(pTemplate, ulAttributeCount, ATTRIBUTE) one(phKey, HANDLE_MADE) });
static ATTRIBUTE: Structure = structure!(CK_ATTRIBUTE { value(pValue, ulValueLen, type_) });
static HANDLE_MADE: Structure = Structure {
    size: ULONG,
    fields: &[Field::Made(0)],
};
static LENGTH: Structure = Structure {
    size: ULONG,
    fields: &[Field::Number(0)],
};
static SSL3_KEY_MATERIAL: Structure = structure!(CK_SSL3_KEY_MAT_OUT {
    made(hClientMacSecret) made(hServerMacSecret) made(hClientKey) made(hServerKey)
    written_outer_bits(pIVClient, CK_SSL3_KEY_MAT_PARAMS, ulIVSizeInBits)
    written_outer_bits(pIVServer, CK_SSL3_KEY_MAT_PARAMS, ulIVSizeInBits)
});
static TLS12_KEY_MATERIAL: Structure = structure!(CK_SSL3_KEY_MAT_OUT {
    made(hClientMacSecret) made(hServerMacSecret) made(hClientKey) made(hServerKey)
    written_outer_bits(pIVClient, CK_TLS12_KEY_MAT_PARAMS, ulIVSizeInBits)
    written_outer_bits(pIVServer, CK_TLS12_KEY_MAT_PARAMS, ulIVSizeInBits)
});
static WTLS_KEY_MATERIAL: Structure = structure!(CK_WTLS_KEY_MAT_OUT {
    made(hMacSecret) made(hKey) written_outer_bits(pIV, CK_WTLS_KEY_MAT_PARAMS, ulIVSizeInBits)
});

// Some vendors make the IV for GCM themselves, and write it to where the application has its own.
//
// Those that stay: the structures of KIP and CMS point to mechanisms, those of X3DH and the ratchet to memory whose length
// they do not say, and what CKM_PKCS5_PBKD2 takes has a pointer to a length or the length itself, depending on the vendor.
shapes! { SHAPES:
    CK_GCM_PARAMS { written(pIv, ulIvLen) bytes(pAAD, ulAADLen) } for CKM_AES_GCM CKM_AES_GMAC;
    CK_CCM_PARAMS { bytes(pNonce, ulNonceLen) bytes(pAAD, ulAADLen) } for CKM_AES_CCM;
    CK_SALSA20_CHACHA20_POLY1305_PARAMS { nonce(pNonce, ulNonceLen) bytes(pAAD, ulAADLen) }
        for CKM_CHACHA20_POLY1305 CKM_SALSA20_POLY1305;
    CK_CHACHA20_PARAMS { bits(pBlockCounter, blockCounterBits) bits(pNonce, ulNonceBits) } for CKM_CHACHA20;
    CK_RSA_PKCS_OAEP_PARAMS { bytes(pSourceData, ulSourceDataLen) } for CKM_RSA_PKCS_OAEP;
    CK_RSA_AES_KEY_WRAP_PARAMS { one(pOAEPParams, OAEP) } for CKM_RSA_AES_KEY_WRAP;
    CK_EDDSA_PARAMS { bytes(pContextData, ulContextDataLen) } for CKM_EDDSA;
    CK_SIGN_ADDITIONAL_CONTEXT { bytes(pContext, ulContextLen) }
        for CKM_ML_DSA CKM_SLH_DSA CKM_HASH_ML_DSA_SHA224 CKM_HASH_ML_DSA_SHA256 CKM_HASH_ML_DSA_SHA384
            CKM_HASH_ML_DSA_SHA512 CKM_HASH_ML_DSA_SHA3_224 CKM_HASH_ML_DSA_SHA3_256 CKM_HASH_ML_DSA_SHA3_384
            CKM_HASH_ML_DSA_SHA3_512 CKM_HASH_ML_DSA_SHAKE128 CKM_HASH_ML_DSA_SHAKE256 CKM_HASH_SLH_DSA_SHA224
            CKM_HASH_SLH_DSA_SHA256 CKM_HASH_SLH_DSA_SHA384 CKM_HASH_SLH_DSA_SHA512 CKM_HASH_SLH_DSA_SHA3_224
            CKM_HASH_SLH_DSA_SHA3_256 CKM_HASH_SLH_DSA_SHA3_384 CKM_HASH_SLH_DSA_SHA3_512 CKM_HASH_SLH_DSA_SHAKE128
            CKM_HASH_SLH_DSA_SHAKE256;
    CK_HASH_SIGN_ADDITIONAL_CONTEXT { bytes(pContext, ulContextLen) } for CKM_HASH_ML_DSA CKM_HASH_SLH_DSA;
    CK_ECDH1_DERIVE_PARAMS { bytes(pSharedData, ulSharedDataLen) bytes(pPublicData, ulPublicDataLen) }
        for CKM_ECDH1_DERIVE CKM_ECDH1_COFACTOR_DERIVE;
    CK_ECDH2_DERIVE_PARAMS { handle(hPrivateData) bytes(pSharedData, ulSharedDataLen)
        bytes(pPublicData, ulPublicDataLen) bytes(pPublicData2, ulPublicDataLen2) } for;
    CK_ECMQV_DERIVE_PARAMS { handle(hPrivateData) handle(publicKey) bytes(pSharedData, ulSharedDataLen)
        bytes(pPublicData, ulPublicDataLen) bytes(pPublicData2, ulPublicDataLen2) } for CKM_ECMQV_DERIVE;
    CK_ECDH_AES_KEY_WRAP_PARAMS { bytes(pSharedData, ulSharedDataLen) }
        for CKM_ECDH_AES_KEY_WRAP CKM_ECDH_COF_AES_KEY_WRAP CKM_ECDH_X_AES_KEY_WRAP;
    CK_X9_42_DH1_DERIVE_PARAMS { bytes(pOtherInfo, ulOtherInfoLen) bytes(pPublicData, ulPublicDataLen) }
        for CKM_X9_42_DH_DERIVE;
    CK_X9_42_DH2_DERIVE_PARAMS { handle(hPrivateData) bytes(pOtherInfo, ulOtherInfoLen)
        bytes(pPublicData, ulPublicDataLen) bytes(pPublicData2, ulPublicDataLen2) } for CKM_X9_42_DH_HYBRID_DERIVE;
    CK_X9_42_MQV_DERIVE_PARAMS { handle(hPrivateData) handle(publicKey) bytes(OtherInfo, ulOtherInfoLen)
        bytes(PublicData, ulPublicDataLen) bytes(PublicData2, ulPublicDataLen2) } for CKM_X9_42_MQV_DERIVE;
    CK_HKDF_PARAMS { handle(hSaltKey) wanted(pSalt, ulSaltLen, bExtract, ulSaltType, CKF_HKDF_SALT_DATA)
        wanted(pInfo, ulInfoLen, bExpand) }
        for CKM_HKDF_DERIVE CKM_HKDF_DATA;
    CK_KEY_DERIVATION_STRING_DATA { bytes(pData, ulLen) }
        for CKM_CONCATENATE_BASE_AND_DATA CKM_CONCATENATE_DATA_AND_BASE CKM_XOR_BASE_AND_DATA
            CKM_AES_ECB_ENCRYPT_DATA CKM_DES_ECB_ENCRYPT_DATA CKM_DES3_ECB_ENCRYPT_DATA
            CKM_CAMELLIA_ECB_ENCRYPT_DATA CKM_ARIA_ECB_ENCRYPT_DATA CKM_SEED_ECB_ENCRYPT_DATA;
    CK_AES_CBC_ENCRYPT_DATA_PARAMS { bytes(pData, length) }
        for CKM_AES_CBC_ENCRYPT_DATA CKM_CAMELLIA_CBC_ENCRYPT_DATA CKM_ARIA_CBC_ENCRYPT_DATA
            CKM_SEED_CBC_ENCRYPT_DATA;
    CK_DES_CBC_ENCRYPT_DATA_PARAMS { bytes(pData, length) } for CKM_DES_CBC_ENCRYPT_DATA CKM_DES3_CBC_ENCRYPT_DATA;
    CK_KIP_PARAMS { handle(hKey) stay() } for CKM_KIP_DERIVE CKM_KIP_WRAP CKM_KIP_MAC;
    CK_CMS_SIG_PARAMS { handle(certificateHandle) stay() } for CKM_CMS_SIG;
    CK_GOSTR3410_KEY_WRAP_PARAMS { handle(hKey) bytes(pWrapOID, ulWrapOIDLen) bytes(pUKM, ulUKMLen) }
        for CKM_GOSTR3410_KEY_WRAP;
    CK_GOSTR3410_DERIVE_PARAMS { bytes(pPublicData, ulPublicDataLen) bytes(pUKM, ulUKMLen) }
        for CKM_GOSTR3410_DERIVE;
    CK_IKE_PRF_DERIVE_PARAMS { handle(hNewKey) bytes(pNi, ulNiLen) bytes(pNr, ulNrLen) } for CKM_IKE_PRF_DERIVE;
    CK_IKE1_PRF_DERIVE_PARAMS { handle(hKeygxy) handle(hPrevKey) bytes(pCKYi, ulCKYiLen) bytes(pCKYr, ulCKYrLen) }
        for CKM_IKE1_PRF_DERIVE;
    CK_IKE1_EXTENDED_DERIVE_PARAMS { handle(hKeygxy) bytes(pExtraData, ulExtraDataLen) }
        for CKM_IKE1_EXTENDED_DERIVE;
    CK_IKE2_PRF_PLUS_DERIVE_PARAMS { handle(hSeedKey) bytes(pSeedData, ulSeedDataLen) }
        for CKM_IKE2_PRF_PLUS_DERIVE;
    CK_X2RATCHET_INITIALIZE_PARAMS { handle(peer_public_prekey) handle(peer_public_identity)
        handle(own_public_identity) stay() } for CKM_X2RATCHET_INITIALIZE;
    CK_X2RATCHET_RESPOND_PARAMS { handle(own_prekey) handle(initiator_identity) handle(own_public_identity) stay() }
        for CKM_X2RATCHET_RESPOND;
    CK_X3DH_INITIATE_PARAMS { handle(pPeer_identity) handle(pPeer_prekey) handle(pOwn_identity)
        handle(pOwn_ephemeral) stay() } for CKM_X3DH_INITIALIZE;
    CK_X3DH_RESPOND_PARAMS { handle(pInitiator_identity) stay() } for CKM_X3DH_RESPOND;
    CK_GCM_WRAP_PARAMS { written(pIv, ulIvLen) bytes(pAAD, ulAADLen) } for CKM_AES_GCM;
    CK_CCM_WRAP_PARAMS { written(pNonce, ulNonceLen) bytes(pAAD, ulAADLen) } for CKM_AES_CCM;
    CK_SALSA20_PARAMS { exactly(pBlockCounter, 8) bits(pNonce, ulNonceBits) } for CKM_SALSA20;
    CK_RC5_CBC_PARAMS { bytes(pIv, ulIvLen) } for CKM_RC5_CBC CKM_RC5_CBC_PAD;
    CK_KEA_DERIVE_PARAMS { bytes(RandomA, ulRandomLen) bytes(RandomB, ulRandomLen)
        bytes(PublicData, ulPublicDataLen) } for CKM_KEA_KEY_DERIVE;
    CK_KEY_WRAP_SET_OAEP_PARAMS { bytes(pX, ulXLen) } for CKM_KEY_WRAP_SET_OAEP;
    CK_SKIPJACK_PRIVATE_WRAP_PARAMS { bytes(pPassword, ulPasswordLen) bytes(pPublicData, ulPublicDataLen)
        bytes(pRandomA, ulRandomLen) bytes(pPrimeP, ulPAndGLen) bytes(pBaseG, ulPAndGLen) bytes(pSubprimeQ, ulQLen) }
        for CKM_SKIPJACK_PRIVATE_WRAP;
    CK_SKIPJACK_RELAYX_PARAMS { bytes(pOldWrappedX, ulOldWrappedXLen) bytes(pOldPassword, ulOldPasswordLen)
        bytes(pOldPublicData, ulOldPublicDataLen) bytes(pOldRandomA, ulOldRandomLen)
        bytes(pNewPassword, ulNewPasswordLen) bytes(pNewPublicData, ulNewPublicDataLen)
        bytes(pNewRandomA, ulNewRandomLen) } for CKM_SKIPJACK_RELAYX;
    CK_OTP_PARAMS { many(pParams, ulCount, OTP_PARAM) } for CKM_SECURID CKM_HOTP CKM_ACTI;
    CK_PBE_PARAMS { written_exactly(pInitVector, 8) bytes(pPassword, ulPasswordLen) bytes(pSalt, ulSaltLen) }
        for CKM_PBE_MD2_DES_CBC CKM_PBE_MD5_DES_CBC CKM_PBE_MD5_CAST_CBC CKM_PBE_MD5_CAST3_CBC
            CKM_PBE_MD5_CAST128_CBC CKM_PBE_SHA1_CAST128_CBC CKM_PBE_SHA1_DES3_EDE_CBC CKM_PBE_SHA1_DES2_EDE_CBC
            CKM_PBE_SHA1_RC2_128_CBC CKM_PBE_SHA1_RC2_40_CBC;
    CK_PBE_PARAMS { bytes(pPassword, ulPasswordLen) bytes(pSalt, ulSaltLen) }
        for CKM_PBE_SHA1_RC4_128 CKM_PBE_SHA1_RC4_40 CKM_PBA_SHA1_WITH_SHA1_HMAC;
    CK_PKCS5_PBKD2_PARAMS2 { stay() } for CKM_PKCS5_PBKD2;
    CK_SP800_108_KDF_PARAMS { many(pDataParams, ulNumberOfDataParams, PRF_DATA)
        many(pAdditionalDerivedKeys, ulAdditionalDerivedKeys, DERIVED_KEY) }
        for CKM_SP800_108_COUNTER_KDF CKM_SP800_108_DOUBLE_PIPELINE_KDF;
    CK_SP800_108_FEEDBACK_KDF_PARAMS { many(pDataParams, ulNumberOfDataParams, PRF_DATA) bytes(pIV, ulIVLen)
        many(pAdditionalDerivedKeys, ulAdditionalDerivedKeys, DERIVED_KEY) } for CKM_SP800_108_FEEDBACK_KDF;
    CK_SSL3_MASTER_KEY_DERIVE_PARAMS { bytes(RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen)
        bytes(RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen) written_exactly(pVersion, 2) }
        for CKM_SSL3_MASTER_KEY_DERIVE CKM_SSL3_MASTER_KEY_DERIVE_DH CKM_TLS_MASTER_KEY_DERIVE
            CKM_TLS_MASTER_KEY_DERIVE_DH;
    CK_SSL3_KEY_MAT_PARAMS { bytes(RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen)
        bytes(RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen) one(pReturnedKeyMaterial, SSL3_KEY_MATERIAL) }
        for CKM_SSL3_KEY_AND_MAC_DERIVE CKM_TLS_KEY_AND_MAC_DERIVE;
    CK_TLS12_MASTER_KEY_DERIVE_PARAMS { bytes(RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen)
        bytes(RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen) written_exactly(pVersion, 2) }
        for CKM_TLS12_MASTER_KEY_DERIVE CKM_TLS12_MASTER_KEY_DERIVE_DH;
    CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS { bytes(pSessionHash, ulSessionHashLen) written_exactly(pVersion, 2) }
        for CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH;
    CK_TLS12_KEY_MAT_PARAMS { bytes(RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen)
        bytes(RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen) one(pReturnedKeyMaterial, TLS12_KEY_MATERIAL) }
        for CKM_TLS12_KEY_AND_MAC_DERIVE CKM_TLS12_KEY_SAFE_DERIVE;
    CK_TLS_KDF_PARAMS { bytes(pLabel, ulLabelLength) bytes(RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen)
        bytes(RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen) bytes(pContextData, ulContextDataLength) }
        for CKM_TLS_KDF CKM_TLS12_KDF;
    CK_TLS_PRF_PARAMS { bytes(pSeed, ulSeedLen) bytes(pLabel, ulLabelLen) written_told(pOutput, pulOutputLen)
        one(pulOutputLen, LENGTH) } for CKM_TLS_PRF;
    CK_WTLS_MASTER_KEY_DERIVE_PARAMS { bytes(RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen)
        bytes(RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen) written_exactly(pVersion, 1) }
        for CKM_WTLS_MASTER_KEY_DERIVE CKM_WTLS_MASTER_KEY_DERIVE_DH_ECC;
    CK_WTLS_KEY_MAT_PARAMS { bytes(RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen)
        bytes(RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen) one(pReturnedKeyMaterial, WTLS_KEY_MATERIAL) }
        for CKM_WTLS_SERVER_KEY_AND_MAC_DERIVE CKM_WTLS_CLIENT_KEY_AND_MAC_DERIVE;
    CK_WTLS_PRF_PARAMS { bytes(pSeed, ulSeedLen) bytes(pLabel, ulLabelLen) written_told(pOutput, pulOutputLen)
        one(pulOutputLen, LENGTH) } for CKM_WTLS_PRF;
}

// The parameter of one message, which goes with each call for it.
shapes! { MESSAGES:
    CK_GCM_MESSAGE_PARAMS { written(pIv, ulIvLen) written_bits(pTag, ulTagBits) } for CKM_AES_GCM;
    CK_CCM_MESSAGE_PARAMS { written(pNonce, ulNonceLen) written(pMAC, ulMACLen) } for CKM_AES_CCM;
    CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS { nonce(pNonce, ulNonceLen) written_exactly(pTag, 16) }
        for CKM_CHACHA20_POLY1305 CKM_SALSA20_POLY1305;
}

/// Parameters that are nothing but a handle.
static HANDLE: Shape = Shape::new(
    &[ck::CKM_CONCATENATE_BASE_AND_KEY],
    Some(ULONG),
    &[Field::Handle(0)],
);

/// Parameters without pointers: initialisation vectors, counters, numbers, and structures of these.
static FLAT: Shape = Shape::new(
    &[
        ck::CKM_AES_CBC,
        ck::CKM_AES_CBC_PAD,
        ck::CKM_AES_CTR,
        ck::CKM_AES_CTS,
        ck::CKM_AES_OFB,
        ck::CKM_AES_CFB8,
        ck::CKM_AES_CFB64,
        ck::CKM_AES_CFB128,
        ck::CKM_AES_XTS,
        ck::CKM_AES_KEY_WRAP,
        ck::CKM_AES_KEY_WRAP_PAD,
        ck::CKM_AES_KEY_WRAP_KWP,
        ck::CKM_AES_MAC_GENERAL,
        ck::CKM_AES_CMAC_GENERAL,
        ck::CKM_DES_CBC,
        ck::CKM_DES_CBC_PAD,
        ck::CKM_DES3_CBC,
        ck::CKM_DES3_CBC_PAD,
        ck::CKM_CAMELLIA_CBC,
        ck::CKM_CAMELLIA_CBC_PAD,
        ck::CKM_ARIA_CBC,
        ck::CKM_ARIA_CBC_PAD,
        ck::CKM_SEED_CBC,
        ck::CKM_SEED_CBC_PAD,
        ck::CKM_MD5_HMAC_GENERAL,
        ck::CKM_SHA_1_HMAC_GENERAL,
        ck::CKM_SHA224_HMAC_GENERAL,
        ck::CKM_SHA256_HMAC_GENERAL,
        ck::CKM_SHA384_HMAC_GENERAL,
        ck::CKM_SHA512_HMAC_GENERAL,
        ck::CKM_RSA_PKCS_PSS,
        ck::CKM_SHA1_RSA_PKCS_PSS,
        ck::CKM_SHA224_RSA_PKCS_PSS,
        ck::CKM_SHA256_RSA_PKCS_PSS,
        ck::CKM_SHA384_RSA_PKCS_PSS,
        ck::CKM_SHA512_RSA_PKCS_PSS,
        ck::CKM_EXTRACT_KEY_FROM_KEY,
    ],
    None,
    &[],
);

/// Bytes behind a pointer.
pub(super) struct Behind {
    /// Where the pointer is.
    pub at: usize,
    /// How many they are.
    pub len: Len,
    /// Whether the vendor may write there.
    pub is_written: bool,
}

impl Field {
    /// The bytes that this field of a structure leads to; `None` for one that leads to something else, and one that is
    /// ignored.
    pub fn bytes(&self, structure: &[u8]) -> Option<Behind> {
        let (at, len, is_written) = match self {
            Self::Bytes(at, len) | Self::Key(at, len, ..) | Self::Value(at, len, _) => (*at, *len, false),
            Self::Wanted(at, len, whens) if whens.iter().all(|when| when.holds(structure)) => {
                (*at, *len, false)
            }
            Self::Written(at, len) if number(structure, *at)? != 0 => (*at, *len, true),
            _ => return None,
        };
        Some(Behind { at, len, is_written })
    }
}

impl When {
    fn holds(&self, structure: &[u8]) -> bool {
        match self {
            Self::True(at) => structure.get(*at).is_some_and(|flag| *flag != ck::CK_FALSE),
            Self::Is(at, wanted) => number(structure, *at) == Some(*wanted),
        }
    }
}

/// That of a mechanism with a parameter of this length.
pub(super) fn shape(id: ck::CK_MECHANISM_TYPE, len: usize) -> Option<&'static Shape> {
    let fits = |shape: &&Shape| shape.mechanisms.contains(&id) && shape.size.is_none_or(|size| size == len);
    [&FLAT, &HANDLE].into_iter().chain(SHAPES).find(fits)
}

/// That of one message.
pub(super) fn message_shape(id: ck::CK_MECHANISM_TYPE, len: usize) -> Option<&'static Shape> {
    let fits = |shape: &&Shape| shape.mechanisms.contains(&id) && shape.size == Some(len);
    MESSAGES.iter().find(fits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn check(fields: &[Field], size: usize, outer: usize) {
        let inside = |at: usize| assert!(at + ULONG <= size, "{at} in {size}");
        let len = |len: &Len| match len {
            Len::Bytes(at) | Len::Bits(at) | Len::Nonce(at) | Len::Told(at) => inside(*at),
            Len::OuterBits(at) => assert!(at + ULONG <= outer),
            Len::Exactly(_) => {}
        };
        for field in fields {
            match field {
                Field::Handle(at) | Field::Made(at) | Field::Number(at) => inside(*at),
                Field::Bytes(at, of)
                | Field::Written(at, of)
                | Field::Key(at, of, ..)
                | Field::Value(at, of, _) => {
                    inside(*at);
                    len(of);
                }
                Field::Wanted(at, of, whens) => {
                    inside(*at);
                    len(of);
                    for when in *whens {
                        match when {
                            When::True(at) => assert!(*at < size),
                            When::Is(at, _) => inside(*at),
                        }
                    }
                }
                Field::Structures(at, count, of) => {
                    inside(*at);
                    count.iter().for_each(|at| inside(*at));
                    check(of.fields, of.size, outer);
                }
                Field::Stay => {}
            }
        }
    }

    #[test]
    fn every_offset_lies_in_its_structure() {
        for shape in SHAPES.iter().chain(MESSAGES) {
            let size = shape.size.unwrap();
            check(shape.fields, size, size);
        }
    }

    #[test]
    fn no_mechanism_has_two_structures_of_one_size() {
        {
            let table = SHAPES.iter().chain([&HANDLE, &FLAT]);
            let one = |shape: &'static Shape| {
                shape
                    .mechanisms
                    .iter()
                    .map(|id| (*id, shape.size))
                    .collect::<Vec<_>>()
            };
            let all: Vec<_> = table.flat_map(one).collect();
            for (index, (id, size)) in all.iter().enumerate() {
                let same = |(other, len): &(_, Option<usize>)| {
                    other == id && (len.is_none() || size.is_none() || len == size)
                };
                assert!(!all[index + 1..].iter().any(same), "0x{id:x}");
            }
        }
    }
}
