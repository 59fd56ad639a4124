// SPDX-License-Identifier: MIT
//! Mechanisms and their parameters.

use std::ptr::null_mut;

use keyenclave_model::algorithm::Hash;
use keyenclave_model::mechanism::{
    EdDsaParams, GcmParams, Hedge, MlDsaParams, OaepParams, Params, PssParams,
};
use keyenclave_model::post_quantum::Prehash;

use super::*;
use crate::abi::values::RawMechanism;

fn parse(id: ck::CK_MECHANISM_TYPE, parameter: *mut u8, len: ck::CK_ULONG) -> Result<Params> {
    let raw = ck::CK_MECHANISM {
        mechanism: id,
        pParameter: parameter.cast(),
        ulParameterLen: len,
    };
    // SAFETY: the tests give memory that outlives the call, or what is not read.
    let mechanism = unsafe { RawMechanism::new(&raw const raw) };
    mechanism.parse().map(|mechanism| mechanism.params().clone())
}

/// The parameter is this structure.
fn with<T: Copy>(id: ck::CK_MECHANISM_TYPE, mut parameter: T) -> Result<Params> {
    parse(id, (&raw mut parameter).cast(), ulong(size_of::<T>()))
}

fn pss() -> ck::CK_RSA_PKCS_PSS_PARAMS {
    ck::CK_RSA_PKCS_PSS_PARAMS {
        hashAlg: ck::CKM_SHA384,
        mgf: ck::CKG_MGF1_SHA256,
        sLen: 20,
    }
}

fn oaep(label: &[u8]) -> ck::CK_RSA_PKCS_OAEP_PARAMS {
    ck::CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: ck::CKM_SHA256,
        mgf: ck::CKG_MGF1_SHA1,
        source: ck::CKZ_DATA_SPECIFIED,
        pSourceData: label.as_ptr().cast_mut().cast(),
        ulSourceDataLen: ulong(label.len()),
    }
}

fn gcm(iv: &[u8], aad: &[u8]) -> ck::CK_GCM_PARAMS {
    ck::CK_GCM_PARAMS {
        pIv: iv.as_ptr().cast_mut(),
        ulIvLen: ulong(iv.len()),
        ulIvBits: 0,
        pAAD: aad.as_ptr().cast_mut(),
        ulAADLen: ulong(aad.len()),
        ulTagBits: 96,
    }
}

/// A mechanism for each shape of parameter, and the length that the parameter has.
const SHAPES: [(ck::CK_MECHANISM_TYPE, usize); 6] = [
    (ck::CKM_SHA256, 0),
    (ck::CKM_AES_CBC, 16),
    (ck::CKM_SHA256_HMAC_GENERAL, size_of::<ck::CK_ULONG>()),
    (ck::CKM_RSA_PKCS_PSS, size_of::<ck::CK_RSA_PKCS_PSS_PARAMS>()),
    (ck::CKM_RSA_PKCS_OAEP, size_of::<ck::CK_RSA_PKCS_OAEP_PARAMS>()),
    (ck::CKM_AES_GCM, size_of::<ck::CK_GCM_PARAMS>()),
];

#[test]
fn a_parameter_of_any_other_length_is_refused() {
    let mut memory = [0_u8; 64];
    for (id, right) in SHAPES {
        for len in (0..memory.len()).filter(|len| *len != right) {
            let refused = rv(parse(id, memory.as_mut_ptr(), ulong(len)));
            assert_eq!(
                refused,
                Some(Rv::MechanismParamInvalid),
                "mechanism 0x{id:x}, {len} bytes"
            );
        }
        for huge in HUGE {
            assert_eq!(
                rv(parse(id, memory.as_mut_ptr(), huge)),
                Some(Rv::MechanismParamInvalid)
            );
        }
    }
}

#[test]
fn null_with_a_length_is_refused_for_every_shape() {
    for (id, right) in SHAPES.into_iter().filter(|(_, len)| *len > 0) {
        assert_eq!(
            rv(parse(id, null_mut(), ulong(right))),
            Some(Rv::MechanismParamInvalid),
            "0x{id:x}"
        );
    }
    assert_eq!(
        rv(parse(ck::CKM_SHA256, null_mut(), 1)),
        Some(Rv::MechanismParamInvalid)
    );
    assert_eq!(parse(ck::CKM_SHA256, null_mut(), 0).unwrap(), Params::None);
}

#[test]
fn an_unknown_mechanism_is_refused_before_its_parameter_is_read() {
    let wild = std::ptr::without_provenance_mut(1);
    assert_eq!(
        rv(parse(ck::CKM_VENDOR_DEFINED, wild, 4096)),
        Some(Rv::MechanismInvalid)
    );
}

#[test]
fn no_mechanism_is_a_bad_argument() {
    // SAFETY: null is not read.
    let mechanism = unsafe { RawMechanism::new(null_mut()) };
    assert!(mechanism.is_null());
    assert_eq!(rv(mechanism.parse()), Some(Rv::ArgumentsBad));
}

#[test]
fn a_mechanism_need_not_be_aligned() {
    let iv = [3_u8; 16];
    let raw = ck::CK_MECHANISM {
        mechanism: ck::CKM_AES_CBC,
        pParameter: iv.as_ptr().cast_mut().cast(),
        ulParameterLen: ulong(iv.len()),
    };
    let mut memory = [0_u8; size_of::<ck::CK_MECHANISM>() + 1];
    let odd = memory.as_mut_ptr().wrapping_add(1).cast::<ck::CK_MECHANISM>();
    // SAFETY: there is room for one behind the first byte.
    unsafe { odd.write_unaligned(raw) };
    // SAFETY: written above, and both outlive the value.
    let mechanism = unsafe { RawMechanism::new(odd) };
    assert_eq!(mechanism.parse().unwrap().params(), &Params::Bytes(iv.to_vec()));
}

#[test]
fn a_length_is_read() {
    assert_eq!(
        with::<ck::CK_ULONG>(ck::CKM_SHA256_HMAC_GENERAL, 16).unwrap(),
        Params::Length(16)
    );
    for bad in [0, 33].into_iter().chain(HUGE) {
        assert_eq!(
            rv(with(ck::CKM_SHA256_HMAC_GENERAL, bad)),
            Some(Rv::MechanismParamInvalid),
            "{bad}"
        );
    }
}

#[test]
fn pss_parameters_are_read() {
    let read = with(ck::CKM_RSA_PKCS_PSS, pss()).unwrap();
    assert_eq!(
        read,
        Params::Pss(PssParams {
            hash: Hash::Sha384,
            mgf: Hash::Sha256,
            salt_len: 20
        })
    );
    for bad in [
        ck::CK_RSA_PKCS_PSS_PARAMS {
            hashAlg: ck::CKM_SHA256_HMAC,
            ..pss()
        },
        ck::CK_RSA_PKCS_PSS_PARAMS { mgf: 0, ..pss() },
        ck::CK_RSA_PKCS_PSS_PARAMS {
            sLen: ck::CK_ULONG::MAX,
            ..pss()
        },
    ] {
        assert_eq!(
            rv(with(ck::CKM_RSA_PKCS_PSS, bad)),
            Some(Rv::MechanismParamInvalid)
        );
    }
}

#[test]
fn oaep_parameters_are_read() {
    let read = with(ck::CKM_RSA_PKCS_OAEP, oaep(b"label")).unwrap();
    let params = OaepParams {
        hash: Hash::Sha256,
        mgf: Hash::Sha1,
        label: b"label".to_vec(),
    };
    assert_eq!(read, Params::Oaep(params));
}

#[test]
fn an_oaep_label_needs_its_source_and_no_label_needs_none() {
    let without_source = |label| ck::CK_RSA_PKCS_OAEP_PARAMS {
        source: 0,
        ..oaep(label)
    };
    assert_eq!(rv(with(ck::CKM_RSA_PKCS_OAEP, without_source(b""))), None);
    assert_eq!(
        rv(with(ck::CKM_RSA_PKCS_OAEP, without_source(b"x"))),
        Some(Rv::MechanismParamInvalid)
    );
    for bad in [
        ck::CK_RSA_PKCS_OAEP_PARAMS {
            source: 2,
            ..oaep(b"")
        },
        ck::CK_RSA_PKCS_OAEP_PARAMS {
            pSourceData: null_mut(),
            ..oaep(b"x")
        },
        ck::CK_RSA_PKCS_OAEP_PARAMS {
            ulSourceDataLen: ck::CK_ULONG::MAX,
            ..oaep(b"x")
        },
        ck::CK_RSA_PKCS_OAEP_PARAMS {
            hashAlg: 0,
            ..oaep(b"")
        },
        ck::CK_RSA_PKCS_OAEP_PARAMS { mgf: 0, ..oaep(b"") },
    ] {
        assert_eq!(
            rv(with(ck::CKM_RSA_PKCS_OAEP, bad)),
            Some(Rv::MechanismParamInvalid)
        );
    }
}

#[test]
fn gcm_parameters_are_read() {
    let read = with(ck::CKM_AES_GCM, gcm(&[1; 12], b"aad")).unwrap();
    assert_eq!(
        read,
        Params::Gcm(GcmParams {
            iv: vec![1; 12],
            aad: b"aad".to_vec(),
            tag_len: 12
        })
    );
    let no_aad = ck::CK_GCM_PARAMS {
        pAAD: null_mut(),
        ..gcm(&[1; 12], b"")
    };
    assert_eq!(rv(with(ck::CKM_AES_GCM, no_aad)), None);
    for bad in [
        ck::CK_GCM_PARAMS {
            ulTagBits: 97,
            ..gcm(&[1; 12], b"")
        },
        ck::CK_GCM_PARAMS {
            ulTagBits: 136,
            ..gcm(&[1; 12], b"")
        },
        ck::CK_GCM_PARAMS {
            ulTagBits: ck::CK_ULONG::MAX - 7,
            ..gcm(&[1; 12], b"")
        },
        ck::CK_GCM_PARAMS {
            pIv: null_mut(),
            ..gcm(&[1; 12], b"")
        },
        ck::CK_GCM_PARAMS {
            ulIvLen: ck::CK_ULONG::MAX,
            ..gcm(&[1; 12], b"")
        },
        ck::CK_GCM_PARAMS {
            pAAD: null_mut(),
            ..gcm(&[1; 12], b"aad")
        },
        gcm(&[], b""),
    ] {
        assert_eq!(rv(with(ck::CKM_AES_GCM, bad)), Some(Rv::MechanismParamInvalid));
    }
}

#[test]
fn eddsa_parameters_are_read_and_may_be_missing() {
    let eddsa = |flag, context: &[u8]| ck::CK_EDDSA_PARAMS {
        phFlag: flag,
        ulContextDataLen: ulong(context.len()),
        pContextData: context.as_ptr().cast_mut(),
    };
    assert_eq!(parse(ck::CKM_EDDSA, null_mut(), 0).unwrap(), Params::None);
    let read = with(ck::CKM_EDDSA, eddsa(ck::CK_TRUE, b"context")).unwrap();
    let expected = EdDsaParams {
        prehash: true,
        context: b"context".to_vec(),
    };
    assert_eq!(read, Params::EdDsa(expected));
    let no_context = ck::CK_EDDSA_PARAMS {
        pContextData: null_mut(),
        ..eddsa(ck::CK_FALSE, b"")
    };
    assert_eq!(rv(with(ck::CKM_EDDSA, no_context)), None);
    for bad in [
        eddsa(2, b""),
        eddsa(ck::CK_FALSE, &[0; 256]),
        ck::CK_EDDSA_PARAMS {
            pContextData: null_mut(),
            ..eddsa(ck::CK_TRUE, b"context")
        },
        ck::CK_EDDSA_PARAMS {
            ulContextDataLen: ck::CK_ULONG::MAX,
            ..eddsa(ck::CK_TRUE, b"context")
        },
    ] {
        assert_eq!(rv(with(ck::CKM_EDDSA, bad)), Some(Rv::MechanismParamInvalid));
    }
    let mut memory = [0_u8; 64];
    let right = size_of::<ck::CK_EDDSA_PARAMS>();
    for len in (1..memory.len()).filter(|len| *len != right) {
        let refused = rv(parse(ck::CKM_EDDSA, memory.as_mut_ptr(), ulong(len)));
        assert_eq!(refused, Some(Rv::MechanismParamInvalid), "{len} bytes");
    }
}

#[test]
fn contexts_of_signatures_are_read_and_may_be_missing_where_no_hash_is_named() {
    let given = |hedge, context: &[u8]| ck::CK_SIGN_ADDITIONAL_CONTEXT {
        hedgeVariant: hedge,
        pContext: context.as_ptr().cast_mut(),
        ulContextLen: ulong(context.len()),
    };
    let hashed = |hash| ck::CK_HASH_SIGN_ADDITIONAL_CONTEXT {
        hedgeVariant: ck::CKH_HEDGE_REQUIRED,
        pContext: null_mut(),
        ulContextLen: 0,
        hash,
    };
    let expected = |hedge, context: &[u8], prehash| {
        Params::MlDsa(MlDsaParams {
            hedge,
            context: context.to_vec(),
            prehash,
        })
    };
    assert_eq!(parse(ck::CKM_ML_DSA, null_mut(), 0).unwrap(), Params::None);
    assert_eq!(
        with(ck::CKM_ML_DSA, given(ck::CKH_DETERMINISTIC_REQUIRED, b"context")).unwrap(),
        expected(Hedge::Deterministic, b"context", None)
    );
    assert_eq!(
        with(ck::CKM_HASH_ML_DSA, hashed(ck::CKM_SHA384)).unwrap(),
        expected(Hedge::Required, b"", Some(Prehash::Hash(Hash::Sha384)))
    );
    for refused in [
        parse(ck::CKM_HASH_ML_DSA, null_mut(), 0),
        with(ck::CKM_ML_DSA, given(3, b"")),
        with(ck::CKM_ML_DSA, given(ck::CKH_HEDGE_PREFERRED, &[0; 256])),
        with(ck::CKM_ML_DSA, hashed(ck::CKM_SHA384)),
        with(ck::CKM_HASH_ML_DSA, given(ck::CKH_HEDGE_PREFERRED, b"")),
        with(ck::CKM_HASH_ML_DSA, hashed(ck::CKM_SHA_1)),
        with(ck::CKM_HASH_ML_DSA, hashed(ck::CKM_RSA_PKCS)),
    ] {
        assert_eq!(rv(refused), Some(Rv::MechanismParamInvalid));
    }
}
