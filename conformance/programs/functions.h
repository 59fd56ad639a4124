/* SPDX-License-Identifier: MIT
 * The functions of PKCS#11 3.2 in the order of its function lists, for modules that stand before another. */

/* Every argument is a CK_ULONG, a pointer, or a CK_BBOOL in a register of its own. */
typedef unsigned long word;

/* What a function has to do with the device; those with MECHANISM are given a CK_MECHANISM after their session. */
enum needs { LIBRARY, SLOT_LIST, SLOT_INFO, TOKEN, SESSION, MECHANISM };

/* Name, number of arguments, what it needs. Those that are the module's OWN are not forwarded. */
#define FUNCTIONS_2_40(F, OWN) \
    F(C_Initialize, 1, LIBRARY) F(C_Finalize, 1, LIBRARY) F(C_GetInfo, 1, LIBRARY) OWN(C_GetFunctionList) \
    F(C_GetSlotList, 3, SLOT_LIST) F(C_GetSlotInfo, 2, SLOT_INFO) F(C_GetTokenInfo, 2, TOKEN) \
    F(C_GetMechanismList, 3, TOKEN) F(C_GetMechanismInfo, 3, TOKEN) F(C_InitToken, 4, TOKEN) \
    F(C_InitPIN, 3, SESSION) F(C_SetPIN, 5, SESSION) F(C_OpenSession, 5, TOKEN) F(C_CloseSession, 1, SESSION) \
    F(C_CloseAllSessions, 1, TOKEN) F(C_GetSessionInfo, 2, SESSION) F(C_GetOperationState, 3, SESSION) \
    F(C_SetOperationState, 5, SESSION) F(C_Login, 4, SESSION) F(C_Logout, 1, SESSION) \
    F(C_CreateObject, 4, SESSION) F(C_CopyObject, 5, SESSION) F(C_DestroyObject, 2, SESSION) \
    F(C_GetObjectSize, 3, SESSION) F(C_GetAttributeValue, 4, SESSION) F(C_SetAttributeValue, 4, SESSION) \
    F(C_FindObjectsInit, 3, SESSION) F(C_FindObjects, 4, SESSION) F(C_FindObjectsFinal, 1, SESSION) \
    F(C_EncryptInit, 3, MECHANISM) F(C_Encrypt, 5, SESSION) F(C_EncryptUpdate, 5, SESSION) \
    F(C_EncryptFinal, 3, SESSION) F(C_DecryptInit, 3, MECHANISM) F(C_Decrypt, 5, SESSION) \
    F(C_DecryptUpdate, 5, SESSION) F(C_DecryptFinal, 3, SESSION) F(C_DigestInit, 2, MECHANISM) \
    F(C_Digest, 5, SESSION) F(C_DigestUpdate, 3, SESSION) F(C_DigestKey, 2, SESSION) \
    F(C_DigestFinal, 3, SESSION) F(C_SignInit, 3, MECHANISM) F(C_Sign, 5, SESSION) F(C_SignUpdate, 3, SESSION) \
    F(C_SignFinal, 3, SESSION) F(C_SignRecoverInit, 3, MECHANISM) F(C_SignRecover, 5, SESSION) \
    F(C_VerifyInit, 3, MECHANISM) F(C_Verify, 5, SESSION) F(C_VerifyUpdate, 3, SESSION) \
    F(C_VerifyFinal, 3, SESSION) F(C_VerifyRecoverInit, 3, MECHANISM) F(C_VerifyRecover, 5, SESSION) \
    F(C_DigestEncryptUpdate, 5, SESSION) F(C_DecryptDigestUpdate, 5, SESSION) \
    F(C_SignEncryptUpdate, 5, SESSION) F(C_DecryptVerifyUpdate, 5, SESSION) F(C_GenerateKey, 5, MECHANISM) \
    F(C_GenerateKeyPair, 8, MECHANISM) F(C_WrapKey, 6, MECHANISM) F(C_UnwrapKey, 8, MECHANISM) \
    F(C_DeriveKey, 6, MECHANISM) F(C_SeedRandom, 3, SESSION) F(C_GenerateRandom, 3, SESSION) \
    F(C_GetFunctionStatus, 1, SESSION) F(C_CancelFunction, 1, SESSION) F(C_WaitForSlotEvent, 3, LIBRARY)
#define FUNCTIONS_3_0(F, OWN) \
    OWN(C_GetInterfaceList) OWN(C_GetInterface) F(C_LoginUser, 6, SESSION) F(C_SessionCancel, 2, SESSION) \
    F(C_MessageEncryptInit, 3, MECHANISM) F(C_EncryptMessage, 9, SESSION) F(C_EncryptMessageBegin, 5, SESSION) \
    F(C_EncryptMessageNext, 8, SESSION) F(C_MessageEncryptFinal, 1, SESSION) \
    F(C_MessageDecryptInit, 3, MECHANISM) F(C_DecryptMessage, 9, SESSION) F(C_DecryptMessageBegin, 5, SESSION) \
    F(C_DecryptMessageNext, 8, SESSION) F(C_MessageDecryptFinal, 1, SESSION) \
    F(C_MessageSignInit, 3, MECHANISM) F(C_SignMessage, 7, SESSION) F(C_SignMessageBegin, 3, SESSION) \
    F(C_SignMessageNext, 7, SESSION) F(C_MessageSignFinal, 1, SESSION) F(C_MessageVerifyInit, 3, MECHANISM) \
    F(C_VerifyMessage, 7, SESSION) F(C_VerifyMessageBegin, 3, SESSION) F(C_VerifyMessageNext, 7, SESSION) \
    F(C_MessageVerifyFinal, 1, SESSION)
#define FUNCTIONS_3_2(F, OWN) \
    F(C_EncapsulateKey, 8, MECHANISM) F(C_DecapsulateKey, 8, MECHANISM) F(C_VerifySignatureInit, 5, MECHANISM) \
    F(C_VerifySignature, 3, SESSION) F(C_VerifySignatureUpdate, 3, SESSION) \
    F(C_VerifySignatureFinal, 1, SESSION) F(C_GetSessionValidationFlags, 3, SESSION) \
    F(C_AsyncComplete, 3, SESSION) F(C_AsyncGetID, 3, SESSION) F(C_AsyncJoin, 5, SESSION) \
    F(C_WrapKeyAuthenticated, 8, MECHANISM) F(C_UnwrapKeyAuthenticated, 10, MECHANISM)
#define FUNCTIONS(F, OWN) FUNCTIONS_2_40(F, OWN) FUNCTIONS_3_0(F, OWN) FUNCTIONS_3_2(F, OWN)

#define PARAMETERS_1 word a
#define PARAMETERS_2 PARAMETERS_1, word b
#define PARAMETERS_3 PARAMETERS_2, word c
#define PARAMETERS_4 PARAMETERS_3, word d
#define PARAMETERS_5 PARAMETERS_4, word e
#define PARAMETERS_6 PARAMETERS_5, word f
#define PARAMETERS_7 PARAMETERS_6, word g
#define PARAMETERS_8 PARAMETERS_7, word h
#define PARAMETERS_9 PARAMETERS_8, word i
#define PARAMETERS_10 PARAMETERS_9, word j
#define ARGUMENTS_1 a
#define ARGUMENTS_2 ARGUMENTS_1, b
#define ARGUMENTS_3 ARGUMENTS_2, c
#define ARGUMENTS_4 ARGUMENTS_3, d
#define ARGUMENTS_5 ARGUMENTS_4, e
#define ARGUMENTS_6 ARGUMENTS_5, f
#define ARGUMENTS_7 ARGUMENTS_6, g
#define ARGUMENTS_8 ARGUMENTS_7, h
#define ARGUMENTS_9 ARGUMENTS_8, i
#define ARGUMENTS_10 ARGUMENTS_9, j
/* The same from an array. */
#define TAKEN_1(from) from[0]
#define TAKEN_2(from) TAKEN_1(from), from[1]
#define TAKEN_3(from) TAKEN_2(from), from[2]
#define TAKEN_4(from) TAKEN_3(from), from[3]
#define TAKEN_5(from) TAKEN_4(from), from[4]
#define TAKEN_6(from) TAKEN_5(from), from[5]
#define TAKEN_7(from) TAKEN_6(from), from[6]
#define TAKEN_8(from) TAKEN_7(from), from[7]
#define TAKEN_9(from) TAKEN_8(from), from[8]
#define TAKEN_10(from) TAKEN_9(from), from[9]

#define NUMBER(name, count, needs) NUMBER_##name,
#define NUMBER_OF_OWN(name) NUMBER_##name,
enum { FUNCTIONS(NUMBER, NUMBER_OF_OWN) FUNCTION_COUNT };

/* How many functions the lists of older versions have. */
enum { COUNT_2_40 = NUMBER_C_GetInterfaceList, COUNT_3_0 = NUMBER_C_EncapsulateKey };

/* CK_FUNCTION_LIST_3_2, and as far as they go the lists of older versions. */
struct functions { unsigned char version[2]; void *at[FUNCTION_COUNT]; };
