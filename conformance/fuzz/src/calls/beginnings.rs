// SPDX-License-Identifier: MIT
//! What templates begin with, so that a good part of them makes an object of some kind.

use cryptoki_sys::*;

/// A number as an attribute has it.
const fn ulong(number: CK_ULONG) -> [u8; 8] {
    number.to_ne_bytes()
}

const NO: &[u8] = &[0];
const YES: &[u8] = &[1];
const SECRET: (u64, &[u8]) = (CKA_CLASS, &ulong(CKO_SECRET_KEY));
const OPEN: [(u64, &[u8]); 2] = [(CKA_SENSITIVE, NO), (CKA_EXTRACTABLE, YES)];
const USES: [(u64, &[u8]); 3] = [(CKA_ENCRYPT, YES), (CKA_DECRYPT, YES), (CKA_DERIVE, YES)];
const P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";

/// What templates begin with: keys of several kinds, to be made or to be generated.
pub(super) const BEGINNINGS: &[&[(u64, &[u8])]] = &[
    &[],
    &[
        SECRET,
        (CKA_KEY_TYPE, &ulong(CKK_AES)),
        (CKA_VALUE, b"0123456789abcdef"),
        OPEN[0],
        OPEN[1],
        USES[0],
        USES[1],
    ],
    &[
        SECRET,
        (CKA_KEY_TYPE, &ulong(CKK_GENERIC_SECRET)),
        (CKA_VALUE, b"0123456789abcdef"),
        USES[2],
    ],
    &[
        (CKA_VALUE_LEN, &ulong(32)),
        OPEN[0],
        OPEN[1],
        (CKA_WRAP, YES),
        (CKA_UNWRAP, YES),
    ],
    &[(CKA_VALUE_LEN, &ulong(16)), USES[0], USES[1]],
    &[
        SECRET,
        (CKA_KEY_TYPE, &ulong(CKK_AES)),
        (CKA_VALUE_LEN, &ulong(16)),
    ],
    &[
        SECRET,
        (CKA_KEY_TYPE, &ulong(CKK_GENERIC_SECRET)),
        OPEN[0],
        OPEN[1],
    ],
    &[(CKA_EC_PARAMS, P256)],
    &[(CKA_EC_PARAMS, b"\x06\x03\x2b\x65\x70")],
    &[(CKA_EC_PARAMS, b"\x06\x03\x2b\x65\x6e")],
    &[(CKA_PARAMETER_SET, &ulong(1))],
    &[(CKA_MODULUS_BITS, &ulong(2048))],
    &[
        (CKA_CLASS, &ulong(CKO_PRIVATE_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_EC)),
        (CKA_EC_PARAMS, P256),
        (CKA_VALUE, b"0123456789abcdef0123456789abcdef"),
        (CKA_SIGN, YES),
        USES[2],
    ],
    &[
        (CKA_CLASS, &ulong(CKO_PRIVATE_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_EC_EDWARDS)),
        (CKA_EC_PARAMS, b"\x06\x03\x2b\x65\x70"),
        (CKA_VALUE, b"0123456789abcdef0123456789abcdef"),
    ],
    &[
        (CKA_CLASS, &ulong(CKO_PUBLIC_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_RSA)),
        (CKA_PUBLIC_EXPONENT, &[1, 0, 1]),
    ],
    &[
        (CKA_CLASS, &ulong(CKO_PRIVATE_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_RSA)),
    ],
    &[
        (CKA_CLASS, &ulong(CKO_PRIVATE_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_ML_DSA)),
        (CKA_PARAMETER_SET, &ulong(1)),
    ],
    &[
        (CKA_CLASS, &ulong(CKO_CERTIFICATE)),
        (CKA_CERTIFICATE_TYPE, &ulong(CKC_X_509)),
        (CKA_SUBJECT, b"0\0"),
    ],
    &[(CKA_CLASS, &ulong(CKO_DATA)), (CKA_VALUE, b"data")],
    &[(CKA_TOKEN, YES), (CKA_CLASS, &ulong(CKO_DATA))],
];
