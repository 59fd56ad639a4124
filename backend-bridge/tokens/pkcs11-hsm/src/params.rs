// SPDX-License-Identifier: MIT
//! What is inside of the parameters of the standard's mechanisms: one row a structure.
//!
//! A parameter is handed on as flat bytes. Two things in it concern us: handles of objects, which are ours and have to
//! become the vendor's, and pointers into the application's memory, which are good only while its call lasts. Work that
//! may go on after that owns a copy of everything; a structure that is not in the table, or that the vendor writes to,
//! is worked on only inside of the call.

use std::mem::offset_of;

use cryptoki_sys as ck;
use keyenclave_model::attribute::ULONG;
use zeroize::Zeroizing;

use crate::ffi::follow;

/// A structure.
struct Shape {
    /// The mechanisms that have it as their parameter.
    mechanisms: &'static [ck::CK_MECHANISM_TYPE],
    /// In bytes; `None` where any length may be.
    size: Option<usize>,
    /// Where object handles stand.
    handles: &'static [usize],
    /// Where pointers to input stand, and how long what they point to is.
    inputs: &'static [(usize, Len)],
    /// Whether it points to memory that the vendor writes to, or to more structures.
    inline_only: bool,
}

/// How long the memory behind a pointer is.
#[derive(Clone, Copy)]
enum Len {
    /// The number at this offset, in bytes.
    Bytes(usize),
    /// The number at this offset, in bits.
    Bits(usize),
}

/// Reads like the table that it makes: the structure, its handles, its pointers with their lengths, its mechanisms.
macro_rules! shapes {
    ($($name:ident: handles[$($handle:ident)*] bytes[$($pointer:ident $len:ident),*] bits[$($bit:ident $bits:ident),*]
        inline_only $inline:literal for $($mechanism:ident)*;)*) => {
        const SHAPES: &[Shape] = &[$(Shape {
            mechanisms: &[$(ck::$mechanism),*],
            size: Some(size_of::<ck::$name>()),
            handles: &[$(offset_of!(ck::$name, $handle)),*],
            inputs: &[
                $((offset_of!(ck::$name, $pointer), Len::Bytes(offset_of!(ck::$name, $len))),)*
                $((offset_of!(ck::$name, $bit), Len::Bits(offset_of!(ck::$name, $bits))),)*
            ],
            inline_only: $inline,
        }),*];
    };
}

shapes! {
    CK_GCM_PARAMS: handles[] bytes[pIv ulIvLen, pAAD ulAADLen] bits[] inline_only false for CKM_AES_GCM;
    CK_CCM_PARAMS: handles[] bytes[pNonce ulNonceLen, pAAD ulAADLen] bits[] inline_only false for CKM_AES_CCM;
    CK_SALSA20_CHACHA20_POLY1305_PARAMS: handles[] bytes[pNonce ulNonceLen, pAAD ulAADLen] bits[] inline_only false
        for CKM_CHACHA20_POLY1305 CKM_SALSA20_POLY1305;
    CK_CHACHA20_PARAMS: handles[] bytes[] bits[pBlockCounter blockCounterBits, pNonce ulNonceBits] inline_only false
        for CKM_CHACHA20;
    CK_RSA_PKCS_OAEP_PARAMS: handles[] bytes[pSourceData ulSourceDataLen] bits[] inline_only false
        for CKM_RSA_PKCS_OAEP;
    CK_RSA_AES_KEY_WRAP_PARAMS: handles[] bytes[] bits[] inline_only true for CKM_RSA_AES_KEY_WRAP;
    CK_EDDSA_PARAMS: handles[] bytes[pContextData ulContextDataLen] bits[] inline_only false for CKM_EDDSA;
    CK_SIGN_ADDITIONAL_CONTEXT: handles[] bytes[pContext ulContextLen] bits[] inline_only false
        for CKM_ML_DSA CKM_SLH_DSA;
    CK_HASH_SIGN_ADDITIONAL_CONTEXT: handles[] bytes[pContext ulContextLen] bits[] inline_only false
        for CKM_HASH_ML_DSA CKM_HASH_SLH_DSA;
    CK_ECDH1_DERIVE_PARAMS: handles[] bytes[pSharedData ulSharedDataLen, pPublicData ulPublicDataLen] bits[]
        inline_only false for CKM_ECDH1_DERIVE CKM_ECDH1_COFACTOR_DERIVE;
    CK_ECDH2_DERIVE_PARAMS: handles[hPrivateData]
        bytes[pSharedData ulSharedDataLen, pPublicData ulPublicDataLen, pPublicData2 ulPublicDataLen2] bits[]
        inline_only false for ;
    CK_ECMQV_DERIVE_PARAMS: handles[hPrivateData publicKey]
        bytes[pSharedData ulSharedDataLen, pPublicData ulPublicDataLen, pPublicData2 ulPublicDataLen2] bits[]
        inline_only false for CKM_ECMQV_DERIVE;
    CK_ECDH_AES_KEY_WRAP_PARAMS: handles[] bytes[pSharedData ulSharedDataLen] bits[] inline_only false
        for CKM_ECDH_AES_KEY_WRAP CKM_ECDH_COF_AES_KEY_WRAP CKM_ECDH_X_AES_KEY_WRAP;
    CK_X9_42_DH1_DERIVE_PARAMS: handles[] bytes[pOtherInfo ulOtherInfoLen, pPublicData ulPublicDataLen] bits[]
        inline_only false for CKM_X9_42_DH_DERIVE;
    CK_X9_42_DH2_DERIVE_PARAMS: handles[hPrivateData]
        bytes[pOtherInfo ulOtherInfoLen, pPublicData ulPublicDataLen, pPublicData2 ulPublicDataLen2] bits[]
        inline_only false for CKM_X9_42_DH_HYBRID_DERIVE;
    CK_X9_42_MQV_DERIVE_PARAMS: handles[hPrivateData publicKey]
        bytes[OtherInfo ulOtherInfoLen, PublicData ulPublicDataLen, PublicData2 ulPublicDataLen2] bits[]
        inline_only false for CKM_X9_42_MQV_DERIVE;
    CK_HKDF_PARAMS: handles[hSaltKey] bytes[pSalt ulSaltLen, pInfo ulInfoLen] bits[] inline_only false
        for CKM_HKDF_DERIVE CKM_HKDF_DATA;
    CK_KEY_DERIVATION_STRING_DATA: handles[] bytes[pData ulLen] bits[] inline_only false
        for CKM_CONCATENATE_BASE_AND_DATA CKM_CONCATENATE_DATA_AND_BASE CKM_XOR_BASE_AND_DATA CKM_AES_ECB_ENCRYPT_DATA
            CKM_DES_ECB_ENCRYPT_DATA CKM_DES3_ECB_ENCRYPT_DATA CKM_CAMELLIA_ECB_ENCRYPT_DATA CKM_ARIA_ECB_ENCRYPT_DATA
            CKM_SEED_ECB_ENCRYPT_DATA;
    CK_AES_CBC_ENCRYPT_DATA_PARAMS: handles[] bytes[pData length] bits[] inline_only false
        for CKM_AES_CBC_ENCRYPT_DATA CKM_CAMELLIA_CBC_ENCRYPT_DATA CKM_ARIA_CBC_ENCRYPT_DATA CKM_SEED_CBC_ENCRYPT_DATA;
    CK_DES_CBC_ENCRYPT_DATA_PARAMS: handles[] bytes[pData length] bits[] inline_only false
        for CKM_DES_CBC_ENCRYPT_DATA CKM_DES3_CBC_ENCRYPT_DATA;
    CK_KIP_PARAMS: handles[hKey] bytes[] bits[] inline_only true for CKM_KIP_DERIVE CKM_KIP_WRAP CKM_KIP_MAC;
    CK_CMS_SIG_PARAMS: handles[certificateHandle] bytes[] bits[] inline_only true for CKM_CMS_SIG;
    CK_GOSTR3410_KEY_WRAP_PARAMS: handles[hKey] bytes[pWrapOID ulWrapOIDLen, pUKM ulUKMLen] bits[] inline_only false
        for CKM_GOSTR3410_KEY_WRAP;
    CK_GOSTR3410_DERIVE_PARAMS: handles[] bytes[pPublicData ulPublicDataLen, pUKM ulUKMLen] bits[] inline_only false
        for CKM_GOSTR3410_DERIVE;
    CK_IKE_PRF_DERIVE_PARAMS: handles[hNewKey] bytes[pNi ulNiLen, pNr ulNrLen] bits[] inline_only false
        for CKM_IKE_PRF_DERIVE;
    CK_IKE1_PRF_DERIVE_PARAMS: handles[hKeygxy hPrevKey] bytes[pCKYi ulCKYiLen, pCKYr ulCKYrLen] bits[]
        inline_only false for CKM_IKE1_PRF_DERIVE;
    CK_IKE1_EXTENDED_DERIVE_PARAMS: handles[hKeygxy] bytes[pExtraData ulExtraDataLen] bits[] inline_only false
        for CKM_IKE1_EXTENDED_DERIVE;
    CK_IKE2_PRF_PLUS_DERIVE_PARAMS: handles[hSeedKey] bytes[pSeedData ulSeedDataLen] bits[] inline_only false
        for CKM_IKE2_PRF_PLUS_DERIVE;
    CK_X2RATCHET_INITIALIZE_PARAMS: handles[peer_public_prekey peer_public_identity own_public_identity] bytes[] bits[]
        inline_only true for CKM_X2RATCHET_INITIALIZE;
    CK_X2RATCHET_RESPOND_PARAMS: handles[own_prekey initiator_identity own_public_identity] bytes[] bits[]
        inline_only true for CKM_X2RATCHET_RESPOND;
    CK_X3DH_INITIATE_PARAMS: handles[pPeer_identity pPeer_prekey pOwn_identity pOwn_ephemeral] bytes[] bits[]
        inline_only true for CKM_X3DH_INITIALIZE;
    CK_X3DH_RESPOND_PARAMS: handles[pInitiator_identity] bytes[] bits[] inline_only true for CKM_X3DH_RESPOND;
}

/// Parameters that are nothing but a handle.
const HANDLE: Shape = Shape {
    mechanisms: &[ck::CKM_CONCATENATE_BASE_AND_KEY],
    size: Some(ULONG),
    handles: &[0],
    inputs: &[],
    inline_only: false,
};

/// Parameters without pointers: initialisation vectors, counters, numbers, and structures of these.
const FLAT: Shape = Shape {
    mechanisms: &[
        ck::CKM_AES_CBC,
        ck::CKM_AES_CBC_PAD,
        ck::CKM_AES_CTR,
        ck::CKM_AES_CTS,
        ck::CKM_AES_OFB,
        ck::CKM_AES_CFB8,
        ck::CKM_AES_CFB64,
        ck::CKM_AES_CFB128,
        ck::CKM_AES_XTS,
        ck::CKM_AES_GMAC,
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
    size: None,
    handles: &[],
    inputs: &[],
    inline_only: false,
};

fn shape(id: ck::CK_MECHANISM_TYPE, len: usize) -> Option<&'static Shape> {
    let fits = |shape: &&Shape| shape.mechanisms.contains(&id) && shape.size.is_none_or(|size| size == len);
    SHAPES.iter().chain([&HANDLE, &FLAT]).find(fits)
}

/// Puts the vendor's handles where ours stand. One that is not known becomes `CK_INVALID_HANDLE`: it may be a field
/// that is not in use, and it must not be some object of the vendor's.
pub(crate) fn translate(
    id: ck::CK_MECHANISM_TYPE,
    parameter: &mut [u8],
    mut known: impl FnMut(ck::CK_OBJECT_HANDLE) -> Option<ck::CK_OBJECT_HANDLE>,
) {
    let Some(shape) = shape(id, parameter.len()) else {
        return;
    };
    for at in shape.handles {
        let ours = number(parameter, *at).unwrap_or(ck::CK_INVALID_HANDLE);
        let theirs = known(ours).unwrap_or(ck::CK_INVALID_HANDLE);
        put(parameter, *at, theirs);
    }
}

/// Whether there are handles in it.
pub(crate) fn has_handles(id: ck::CK_MECHANISM_TYPE, parameter: &[u8]) -> bool {
    shape(id, parameter.len()).is_some_and(|shape| !shape.handles.is_empty())
}

/// A parameter with all that it points to, in one piece of memory: many operations begin with one.
pub(crate) struct OwnParameter {
    /// The parameter, and behind it what its pointers lead to now.
    memory: Zeroizing<Vec<u8>>,
    len: usize,
}

/// More than this behind one pointer is a mistake of the application's, in bytes.
const MAX_INPUT: usize = 1 << 30;

impl OwnParameter {
    /// A copy; `None` if the structure is not known, or is one that only the application's own memory will do for.
    /// To be called inside of the application's call.
    pub fn copy(id: ck::CK_MECHANISM_TYPE, parameter: &[u8]) -> Option<Self> {
        let shape = shape(id, parameter.len()).filter(|shape| !shape.inline_only)?;
        let mut total = parameter.len();
        for (_, len) in shape.inputs {
            total = total.checked_add(len.of(parameter)?)?;
        }
        let mut memory = Zeroizing::new(vec![0; total]);
        let base = memory.as_ptr().expose_provenance();
        let (flat, mut rest) = memory.split_at_mut_checked(parameter.len())?;
        flat.copy_from_slice(parameter);
        let mut offset = parameter.len();
        for (at, len) in shape.inputs {
            let address = usize::try_from(number(parameter, *at)?).ok()?;
            let len = len.of(parameter)?;
            let (block, behind) = rest.split_at_mut_checked(len)?;
            if !follow(address, block) {
                return None;
            }
            if address != 0 {
                put(flat, *at, (base + offset) as ck::CK_ULONG);
            }
            rest = behind;
            offset += len;
        }
        Some(Self {
            memory,
            len: parameter.len(),
        })
    }

    /// In C's form. Its pointers are good as long as `self` is there.
    pub fn bytes(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}

impl Len {
    /// In bytes.
    fn of(self, parameter: &[u8]) -> Option<usize> {
        let len = match self {
            Self::Bytes(at) => usize::try_from(number(parameter, at)?).ok()?,
            Self::Bits(at) => usize::try_from(number(parameter, at)?).ok()?.div_ceil(8),
        };
        (len <= MAX_INPUT).then_some(len)
    }
}

/// The number at an offset. Pointers, lengths and handles are all as wide as `CK_ULONG` where this is built.
fn number(parameter: &[u8], at: usize) -> Option<ck::CK_ULONG> {
    let bytes = parameter.get(at..)?.first_chunk::<ULONG>()?;
    Some(ck::CK_ULONG::from_ne_bytes(*bytes))
}

fn put(parameter: &mut [u8], at: usize, number: ck::CK_ULONG) {
    if let Some(place) = parameter
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<ULONG>())
    {
        *place = number.to_ne_bytes();
    }
}

const _: () = assert!(size_of::<usize>() == ULONG, "pointers are as wide as CK_ULONG");

/// How long the output of a call for the whole is, where the standard says so: what is known without asking.
pub(crate) fn output_len(
    class: keyenclave_model::token::OperationClass,
    id: ck::CK_MECHANISM_TYPE,
    parameter: &[u8],
    input: usize,
) -> Option<usize> {
    use keyenclave_model::token::OperationClass::{Decrypt, Encrypt};
    let tag = match id {
        ck::CKM_AES_GCM if parameter.len() == size_of::<ck::CK_GCM_PARAMS>() => {
            let bits = number(parameter, offset_of!(ck::CK_GCM_PARAMS, ulTagBits))?;
            usize::try_from(bits).ok()?.div_ceil(8)
        }
        ck::CKM_AES_CTR | ck::CKM_AES_CBC | ck::CKM_AES_ECB => 0,
        ck::CKM_AES_CBC_PAD if class == Encrypt => 16 - input % 16,
        _ => return None,
    };
    match class {
        Encrypt => input.checked_add(tag),
        Decrypt => input.checked_sub(tag),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn every_offset_lies_in_its_structure() {
        for shape in SHAPES {
            let size = shape.size.unwrap();
            let pointers = shape.inputs.iter().flat_map(|(at, len)| match len {
                Len::Bytes(len) | Len::Bits(len) => [*at, *len],
            });
            assert!(
                shape
                    .handles
                    .iter()
                    .copied()
                    .chain(pointers)
                    .all(|at| at + ULONG <= size)
            );
        }
    }

    #[test]
    fn no_mechanism_has_two_structures() {
        let all: Vec<_> = SHAPES
            .iter()
            .chain([&HANDLE, &FLAT])
            .flat_map(|shape| shape.mechanisms)
            .collect();
        for (index, id) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(id), "0x{id:x}");
        }
    }

    #[test]
    fn a_known_handle_becomes_the_vendors_and_an_unknown_one_nothing() {
        let mut parameter = 7u64.to_ne_bytes();
        translate(ck::CKM_CONCATENATE_BASE_AND_KEY, &mut parameter, |ours| {
            (ours == 7).then_some(70)
        });
        assert_eq!(parameter, 70u64.to_ne_bytes());
        translate(ck::CKM_CONCATENATE_BASE_AND_KEY, &mut parameter, |_| None);
        assert_eq!(parameter, 0u64.to_ne_bytes());
        let mut vendors = 7u64.to_ne_bytes();
        translate(ck::CKM_VENDOR_DEFINED, &mut vendors, |_| None);
        assert_eq!(vendors, 7u64.to_ne_bytes());
    }

    /// A parameter for GCM in memory of ours.
    fn gcm(iv: &[u8], aad: &[u8]) -> Vec<u8> {
        let mut parameter = vec![0; size_of::<ck::CK_GCM_PARAMS>()];
        let fields = [
            (
                offset_of!(ck::CK_GCM_PARAMS, pIv),
                iv.as_ptr().expose_provenance() as u64,
            ),
            (offset_of!(ck::CK_GCM_PARAMS, ulIvLen), iv.len() as u64),
            (
                offset_of!(ck::CK_GCM_PARAMS, pAAD),
                aad.as_ptr().expose_provenance() as u64,
            ),
            (offset_of!(ck::CK_GCM_PARAMS, ulAADLen), aad.len() as u64),
            (offset_of!(ck::CK_GCM_PARAMS, ulTagBits), 128),
        ];
        for (at, value) in fields {
            put(&mut parameter, at, value);
        }
        parameter
    }

    #[test]
    fn a_copy_has_all_that_the_parameter_points_to() {
        let (iv, aad) = (vec![1; 12], vec![2; 20]);
        let parameter = gcm(&iv, &aad);
        let own = OwnParameter::copy(ck::CKM_AES_GCM, &parameter).unwrap();
        drop((iv, aad));
        let size = size_of::<ck::CK_GCM_PARAMS>();
        assert_eq!(own.memory[size..], [vec![1; 12], vec![2; 20]].concat());
        let at = offset_of!(ck::CK_GCM_PARAMS, pIv);
        let iv = own.memory[size..].as_ptr() as u64;
        assert_eq!(number(own.bytes(), at), Some(iv));
    }

    #[test]
    fn a_structure_that_is_not_known_is_not_copied() {
        assert!(OwnParameter::copy(ck::CKM_VENDOR_DEFINED, &[0; 8]).is_none());
        assert!(OwnParameter::copy(ck::CKM_KIP_MAC, &[0; size_of::<ck::CK_KIP_PARAMS>()]).is_none());
        assert!(
            OwnParameter::copy(ck::CKM_AES_GCM, &[0; 5]).is_none(),
            "not its length"
        );
        assert!(OwnParameter::copy(ck::CKM_AES_CBC, &[0; 16]).is_some());
    }

    #[test]
    fn a_null_pointer_with_a_length_is_not_followed() {
        let mut parameter = gcm(&[1; 12], &[]);
        put(&mut parameter, offset_of!(ck::CK_GCM_PARAMS, pIv), 0);
        assert!(OwnParameter::copy(ck::CKM_AES_GCM, &parameter).is_none());
    }

    #[test]
    fn the_tag_is_counted() {
        use keyenclave_model::token::OperationClass::{Decrypt, Encrypt};
        let parameter = gcm(&[], &[]);
        assert_eq!(output_len(Encrypt, ck::CKM_AES_GCM, &parameter, 100), Some(116));
        assert_eq!(output_len(Decrypt, ck::CKM_AES_GCM, &parameter, 100), Some(84));
        assert_eq!(output_len(Decrypt, ck::CKM_AES_GCM, &parameter, 3), None);
        assert_eq!(output_len(Encrypt, ck::CKM_AES_CBC_PAD, &[0; 16], 32), Some(48));
        assert_eq!(output_len(Encrypt, ck::CKM_RSA_PKCS, &[], 32), None);
    }
}
