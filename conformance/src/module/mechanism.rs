// SPDX-License-Identifier: MIT
//! Mechanisms with their parameters, lent to C for one call.

use super::buffer::length;
use super::nested::{Laid, Member};
use super::structure::{Field, Structure};
use cryptoki_sys::*;
use std::ptr::null_mut;

/// A mechanism and its parameter.
#[derive(Clone, Debug)]
pub struct Mech {
    /// The `CKM_`.
    pub kind: CK_MECHANISM_TYPE,
    param: Param,
}

#[derive(Clone, Debug)]
enum Param {
    Bytes(Vec<u8>),
    Null(CK_ULONG),
    Gcm {
        iv: Vec<u8>,
        aad: Vec<u8>,
        tag_bits: CK_ULONG,
    },
    Structure(Structure),
    Nested(Vec<Member>),
    Pss(CK_RSA_PKCS_PSS_PARAMS),
    Eddsa {
        prehash: CK_BBOOL,
        context: Vec<u8>,
    },
    ChaCha20 {
        counter: Vec<u8>,
        nonce: Vec<u8>,
    },
    ChaChaPoly {
        nonce: Vec<u8>,
        nonce_len: CK_ULONG,
        aad: Vec<u8>,
    },
    Oaep {
        hash: CK_MECHANISM_TYPE,
        mgf: CK_RSA_PKCS_MGF_TYPE,
        label: Vec<u8>,
    },
    SignContext {
        hedge: CK_HEDGE_TYPE,
        context: Vec<u8>,
        hash: Option<CK_MECHANISM_TYPE>,
    },
    Ecdh {
        kdf: CK_EC_KDF_TYPE,
        shared: Vec<u8>,
        public: Vec<u8>,
    },
    EcdhAes {
        bits: CK_ULONG,
        kdf: CK_EC_KDF_TYPE,
        shared: Vec<u8>,
    },
    RsaAes {
        bits: CK_ULONG,
        hash: CK_MECHANISM_TYPE,
        mgf: CK_RSA_PKCS_MGF_TYPE,
        label: Vec<u8>,
    },
}

impl From<CK_MECHANISM_TYPE> for Mech {
    fn from(kind: CK_MECHANISM_TYPE) -> Self {
        Self {
            kind,
            param: Param::Null(0),
        }
    }
}

impl Mech {
    /// With plain bytes: an initialisation vector, a `CK_MAC_GENERAL_PARAMS`.
    pub fn with(kind: CK_MECHANISM_TYPE, param: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            param: Param::Bytes(param.into()),
        }
    }

    /// With a structure of structures.
    pub fn nested(kind: CK_MECHANISM_TYPE, members: impl Into<Vec<Member>>) -> Self {
        Self {
            kind,
            param: Param::Nested(members.into()),
        }
    }

    /// A hostile one: no parameter, but a length.
    pub fn null(kind: CK_MECHANISM_TYPE, length: CK_ULONG) -> Self {
        Self {
            kind,
            param: Param::Null(length),
        }
    }

    /// With a structure, field by field.
    pub fn structure(kind: CK_MECHANISM_TYPE, fields: impl Into<Vec<Field>>) -> Self {
        Self {
            kind,
            param: Param::Structure(Structure::new(fields)),
        }
    }

    /// `CKM_AES_GCM` with `CK_GCM_PARAMS`.
    pub fn gcm(iv: &[u8], aad: &[u8], tag_bits: CK_ULONG) -> Self {
        Self {
            kind: CKM_AES_GCM,
            param: Param::Gcm {
                iv: iv.to_vec(),
                aad: aad.to_vec(),
                tag_bits,
            },
        }
    }

    /// `CKM_AES_GMAC` with `CK_GCM_PARAMS`.
    pub fn gmac(iv: &[u8], aad: &[u8], tag_bits: CK_ULONG) -> Self {
        Self {
            kind: CKM_AES_GMAC,
            ..Self::gcm(iv, aad, tag_bits)
        }
    }

    /// A `_PSS` mechanism with `CK_RSA_PKCS_PSS_PARAMS`; `salt` in bytes.
    pub fn pss(
        kind: CK_MECHANISM_TYPE,
        hash: CK_MECHANISM_TYPE,
        mgf: CK_RSA_PKCS_MGF_TYPE,
        salt: CK_ULONG,
    ) -> Self {
        Self {
            kind,
            param: Param::Pss(CK_RSA_PKCS_PSS_PARAMS {
                hashAlg: hash,
                mgf,
                sLen: salt,
            }),
        }
    }

    /// `CKM_RSA_PKCS_OAEP` with `CK_RSA_PKCS_OAEP_PARAMS`.
    pub fn oaep(hash: CK_MECHANISM_TYPE, mgf: CK_RSA_PKCS_MGF_TYPE, label: &[u8]) -> Self {
        Self {
            kind: CKM_RSA_PKCS_OAEP,
            param: Param::Oaep {
                hash,
                mgf,
                label: label.to_vec(),
            },
        }
    }

    /// A mechanism of ML-DSA or SLH-DSA with `CK_SIGN_ADDITIONAL_CONTEXT`; with a hash it is
    /// `CK_HASH_SIGN_ADDITIONAL_CONTEXT`.
    pub fn sign_context(
        kind: CK_MECHANISM_TYPE,
        hedge: CK_HEDGE_TYPE,
        context: &[u8],
        hash: Option<CK_MECHANISM_TYPE>,
    ) -> Self {
        let context = context.to_vec();
        Self {
            kind,
            param: Param::SignContext { hedge, context, hash },
        }
    }

    /// `CKM_EDDSA` with `CK_EDDSA_PARAMS`; `prehash` as it stands in `phFlag`.
    pub fn eddsa(prehash: CK_BBOOL, context: &[u8]) -> Self {
        Self {
            kind: CKM_EDDSA,
            param: Param::Eddsa {
                prehash,
                context: context.to_vec(),
            },
        }
    }

    /// `CKM_CHACHA20` with `CK_CHACHA20_PARAMS`.
    pub fn chacha20(counter: &[u8], nonce: &[u8]) -> Self {
        Self {
            kind: CKM_CHACHA20,
            param: Param::ChaCha20 {
                counter: counter.to_vec(),
                nonce: nonce.to_vec(),
            },
        }
    }

    /// `CKM_CHACHA20_POLY1305` with `CK_SALSA20_CHACHA20_POLY1305_PARAMS`; `nonce_len` as it stands there.
    pub fn chacha20_poly1305(nonce: &[u8], nonce_len: CK_ULONG, aad: &[u8]) -> Self {
        Self {
            kind: CKM_CHACHA20_POLY1305,
            param: Param::ChaChaPoly {
                nonce: nonce.to_vec(),
                nonce_len,
                aad: aad.to_vec(),
            },
        }
    }

    /// `CKM_ECDH1_DERIVE` and its like with `CK_ECDH1_DERIVE_PARAMS`.
    pub fn ecdh(kind: CK_MECHANISM_TYPE, kdf: CK_EC_KDF_TYPE, shared: &[u8], public: &[u8]) -> Self {
        Self {
            kind,
            param: Param::Ecdh {
                kdf,
                shared: shared.to_vec(),
                public: public.to_vec(),
            },
        }
    }

    /// `CKM_ECDH_AES_KEY_WRAP` and its like with `CK_ECDH_AES_KEY_WRAP_PARAMS`.
    pub fn ecdh_aes(kind: CK_MECHANISM_TYPE, bits: CK_ULONG, kdf: CK_EC_KDF_TYPE, shared: &[u8]) -> Self {
        Self {
            kind,
            param: Param::EcdhAes {
                bits,
                kdf,
                shared: shared.to_vec(),
            },
        }
    }

    /// `CKM_RSA_AES_KEY_WRAP` with `CK_RSA_AES_KEY_WRAP_PARAMS`; `hash`, `mgf` and `label` are OAEP's.
    pub fn rsa_aes(bits: CK_ULONG, hash: CK_MECHANISM_TYPE, mgf: CK_RSA_PKCS_MGF_TYPE, label: &[u8]) -> Self {
        Self {
            kind: CKM_RSA_AES_KEY_WRAP,
            param: Param::RsaAes {
                bits,
                hash,
                mgf,
                label: label.to_vec(),
            },
        }
    }

    /// Calls `function` with the mechanism as C takes it.
    pub(super) fn lend<T>(&self, function: impl FnOnce(CK_MECHANISM_PTR) -> T) -> T {
        let call = |pointer: *mut std::ffi::c_void, length: CK_ULONG| {
            let mut raw = CK_MECHANISM {
                mechanism: self.kind,
                pParameter: pointer,
                ulParameterLen: length,
            };
            function(&raw mut raw)
        };
        match &self.param {
            Param::Bytes(bytes) => call(bytes.as_ptr().cast_mut().cast(), length(bytes)),
            Param::Null(length) => call(null_mut(), *length),
            Param::Structure(structure) => structure.lend(call),
            Param::Nested(members) => {
                let mut laid = Laid::default();
                let (place, len) = laid.structure(members);
                let done = call(place.cast(), CK_ULONG::try_from(len).unwrap_or(CK_ULONG::MAX));
                laid.read_back();
                done
            }
            Param::Gcm { iv, aad, tag_bits } => {
                let mut params = CK_GCM_PARAMS {
                    pIv: iv.as_ptr().cast_mut(),
                    ulIvLen: length(iv),
                    ulIvBits: length(iv) * 8,
                    pAAD: aad.as_ptr().cast_mut(),
                    ulAADLen: length(aad),
                    ulTagBits: *tag_bits,
                };
                call((&raw mut params).cast(), size_of_param::<CK_GCM_PARAMS>())
            }
            Param::ChaCha20 { counter, nonce } => {
                let mut params = CK_CHACHA20_PARAMS {
                    pBlockCounter: counter.as_ptr().cast_mut(),
                    blockCounterBits: length(counter) * 8,
                    pNonce: nonce.as_ptr().cast_mut(),
                    ulNonceBits: length(nonce) * 8,
                };
                call((&raw mut params).cast(), size_of_param::<CK_CHACHA20_PARAMS>())
            }
            Param::ChaChaPoly {
                nonce,
                nonce_len,
                aad,
            } => {
                let mut params = CK_SALSA20_CHACHA20_POLY1305_PARAMS {
                    pNonce: nonce.as_ptr().cast_mut(),
                    ulNonceLen: *nonce_len,
                    pAAD: aad.as_ptr().cast_mut(),
                    ulAADLen: length(aad),
                };
                let size = size_of_param::<CK_SALSA20_CHACHA20_POLY1305_PARAMS>();
                call((&raw mut params).cast(), size)
            }
            Param::Pss(params) => {
                let mut params = *params;
                call(
                    (&raw mut params).cast(),
                    size_of_param::<CK_RSA_PKCS_PSS_PARAMS>(),
                )
            }
            Param::Eddsa { prehash, context } => {
                let mut params = CK_EDDSA_PARAMS {
                    phFlag: *prehash,
                    ulContextDataLen: length(context),
                    pContextData: context.as_ptr().cast_mut(),
                };
                call((&raw mut params).cast(), size_of_param::<CK_EDDSA_PARAMS>())
            }
            Param::SignContext {
                hedge,
                context,
                hash: None,
            } => {
                let mut params = CK_SIGN_ADDITIONAL_CONTEXT {
                    hedgeVariant: *hedge,
                    pContext: context.as_ptr().cast_mut(),
                    ulContextLen: length(context),
                };
                call(
                    (&raw mut params).cast(),
                    size_of_param::<CK_SIGN_ADDITIONAL_CONTEXT>(),
                )
            }
            Param::SignContext {
                hedge,
                context,
                hash: Some(hash),
            } => {
                let mut params = CK_HASH_SIGN_ADDITIONAL_CONTEXT {
                    hedgeVariant: *hedge,
                    pContext: context.as_ptr().cast_mut(),
                    ulContextLen: length(context),
                    hash: *hash,
                };
                call(
                    (&raw mut params).cast(),
                    size_of_param::<CK_HASH_SIGN_ADDITIONAL_CONTEXT>(),
                )
            }
            Param::Ecdh { kdf, shared, public } => {
                let mut params = CK_ECDH1_DERIVE_PARAMS {
                    kdf: *kdf,
                    ulSharedDataLen: length(shared),
                    pSharedData: or_null(shared),
                    ulPublicDataLen: length(public),
                    pPublicData: public.as_ptr().cast_mut(),
                };
                call(
                    (&raw mut params).cast(),
                    size_of_param::<CK_ECDH1_DERIVE_PARAMS>(),
                )
            }
            Param::EcdhAes { bits, kdf, shared } => {
                let mut params = CK_ECDH_AES_KEY_WRAP_PARAMS {
                    ulAESKeyBits: *bits,
                    kdf: *kdf,
                    ulSharedDataLen: length(shared),
                    pSharedData: or_null(shared),
                };
                call(
                    (&raw mut params).cast(),
                    size_of_param::<CK_ECDH_AES_KEY_WRAP_PARAMS>(),
                )
            }
            Param::RsaAes {
                bits,
                hash,
                mgf,
                label,
            } => {
                let mut oaep = oaep(*hash, *mgf, label);
                let mut params = CK_RSA_AES_KEY_WRAP_PARAMS {
                    ulAESKeyBits: *bits,
                    pOAEPParams: &raw mut oaep,
                };
                call(
                    (&raw mut params).cast(),
                    size_of_param::<CK_RSA_AES_KEY_WRAP_PARAMS>(),
                )
            }
            Param::Oaep { hash, mgf, label } => {
                let mut params = oaep(*hash, *mgf, label);
                call(
                    (&raw mut params).cast(),
                    size_of_param::<CK_RSA_PKCS_OAEP_PARAMS>(),
                )
            }
        }
    }
}

/// A pointer to bytes, null where there are none: some structures insist on that.
fn or_null(bytes: &[u8]) -> CK_BYTE_PTR {
    match bytes {
        [] => null_mut(),
        bytes => bytes.as_ptr().cast_mut(),
    }
}

/// Points to `label`, which must live as long as it is used.
fn oaep(hash: CK_MECHANISM_TYPE, mgf: CK_RSA_PKCS_MGF_TYPE, label: &[u8]) -> CK_RSA_PKCS_OAEP_PARAMS {
    CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: hash,
        mgf,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: label.as_ptr().cast_mut().cast(),
        ulSourceDataLen: length(label),
    }
}

fn size_of_param<T>() -> CK_ULONG {
    CK_ULONG::try_from(size_of::<T>()).unwrap_or(CK_ULONG::MAX)
}
