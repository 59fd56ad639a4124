/* SPDX-License-Identifier: MIT */
/*
 * The constants that KeyEnclave adds to PKCS#11. Include the specification's pkcs11.h (or pkcs11t.h) first; on
 * its own this header defines the ranges that the specification leaves to vendors.
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

#endif /* KEYENCLAVE_H */
