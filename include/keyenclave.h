/* SPDX-License-Identifier: MIT */
/*
 * What KeyEnclave adds to PKCS#11: constants, and an interface. Include the specification's pkcs11.h (or
 * pkcs11t.h) first; on its own this header defines the ranges that the specification leaves to vendors.
 *
 * Made from backend-bridge/model/src/vendor.rs by its test with KEYENCLAVE_BLESS=1. Do not edit.
 */
#ifndef KEYENCLAVE_H
#define KEYENCLAVE_H

#ifndef CKA_VENDOR_DEFINED
#define CKA_VENDOR_DEFINED 0x80000000UL
#endif

#ifndef CKM_VENDOR_DEFINED
#define CKM_VENDOR_DEFINED 0x80000000UL
#endif

/*
 * The full name of a key at its service, UTF-8: an attribute of every object of a key that a remote service
 * holds. It can be read and searched for, and never set.
 */
#ifndef CKA_KEYENCLAVE_REMOTE_NAME
#define CKA_KEYENCLAVE_REMOTE_NAME (CKA_VENDOR_DEFINED | 0x4b450001UL)
#endif

/*
 * Encryption and decryption (C_Encrypt, C_Decrypt and their parts) by AWS KMS with a symmetric key that never
 * leaves it. No parameter. A plaintext has 4096 bytes at the most; a ciphertext, in the format of the service,
 * 6144. Such a key is a CKK_GENERIC_SECRET; C_GenerateKey makes one with CKM_GENERIC_SECRET_KEY_GEN,
 * CKA_VALUE_LEN 32, CKA_ENCRYPT or CKA_DECRYPT true and CKA_SIGN not true.
 */
#ifndef CKM_KEYENCLAVE_AWS_SYMMETRIC
#define CKM_KEYENCLAVE_AWS_SYMMETRIC (CKM_VENDOR_DEFINED | 0x4b450001UL)
#endif

/*
 * KeyEnclave's own functions: C_GetInterface with this name and version 1.0 gives a CK_INTERFACE whose pFunctionList
 * is a struct keyenclave_functions. unsigned long is CK_ULONG, and what the functions return a CK_RV.
 */
#define KEYENCLAVE_INTERFACE "KeyEnclave"

/* The parts of a failure: what failed; where the fault lies ("configuration", "connectivity", "permission" or
 * "provider"); the number of the request in the service's own log; what to do. */
#define KEYENCLAVE_FAILURE_MESSAGE 0UL
#define KEYENCLAVE_FAILURE_REASON 1UL
#define KEYENCLAVE_FAILURE_REQUEST_ID 2UL
#define KEYENCLAVE_FAILURE_ADVICE 3UL

struct keyenclave_functions {
    /* CK_VERSION: 1.0. Members may be added at the end, with another minor version. */
    unsigned char version[2];
    /* Asks what is behind a slot's token whether it would do its work now, as long as the slot's operation_timeout at
     * the most. Needs C_Initialize, but no session. */
    unsigned long (*check_slot)(unsigned long slot);
    /* A part of the last failure on this thread, UTF-8 without a NUL at its end. The length is treated as C_Sign
     * treats it: a null text asks for it. What is not known is empty. */
    unsigned long (*last_failure)(unsigned long part, unsigned char *text, unsigned long *len);
};

#endif /* KEYENCLAVE_H */
