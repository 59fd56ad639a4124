/* SPDX-License-Identifier: MIT
 * A PKCS#11 2.40 module that forwards all calls to the one named by FAULTY_MODULE and misbehaves at a chosen call. */
#define _GNU_SOURCE
#include "faulty.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Every argument is a CK_ULONG, a pointer, or a CK_BBOOL in a register of its own. */
typedef unsigned long word;

enum { CKR_OK = 0, CKR_DEVICE_REMOVED = 0x32, CKR_TOKEN_NOT_PRESENT = 0xe0 };
enum { CKF_TOKEN_PRESENT = 1, CKF_RW = 2 | 4, MOST_SLOTS = 16 };

/* CK_SLOT_INFO up to its flags. */
struct slot_info { unsigned char texts[96]; word flags; };

/* What a function has to do with the device. */
enum needs { LIBRARY, SLOT_LIST, SLOT_INFO, TOKEN, SESSION };

/* In the order of CK_FUNCTION_LIST: name, number of arguments, what it needs. C_GetFunctionList is not forwarded. */
#define FUNCTIONS(F, OWN) \
    F(C_Initialize, 1, LIBRARY) F(C_Finalize, 1, LIBRARY) F(C_GetInfo, 1, LIBRARY) OWN(C_GetFunctionList) \
    F(C_GetSlotList, 3, SLOT_LIST) F(C_GetSlotInfo, 2, SLOT_INFO) F(C_GetTokenInfo, 2, TOKEN) \
    F(C_GetMechanismList, 3, TOKEN) F(C_GetMechanismInfo, 3, TOKEN) F(C_InitToken, 4, TOKEN) \
    F(C_InitPIN, 3, SESSION) F(C_SetPIN, 5, SESSION) F(C_OpenSession, 5, TOKEN) F(C_CloseSession, 1, SESSION) \
    F(C_CloseAllSessions, 1, TOKEN) F(C_GetSessionInfo, 2, SESSION) F(C_GetOperationState, 3, SESSION) \
    F(C_SetOperationState, 5, SESSION) F(C_Login, 4, SESSION) F(C_Logout, 1, SESSION) \
    F(C_CreateObject, 4, SESSION) F(C_CopyObject, 5, SESSION) F(C_DestroyObject, 2, SESSION) \
    F(C_GetObjectSize, 3, SESSION) F(C_GetAttributeValue, 4, SESSION) F(C_SetAttributeValue, 4, SESSION) \
    F(C_FindObjectsInit, 3, SESSION) F(C_FindObjects, 4, SESSION) F(C_FindObjectsFinal, 1, SESSION) \
    F(C_EncryptInit, 3, SESSION) F(C_Encrypt, 5, SESSION) F(C_EncryptUpdate, 5, SESSION) \
    F(C_EncryptFinal, 3, SESSION) F(C_DecryptInit, 3, SESSION) F(C_Decrypt, 5, SESSION) \
    F(C_DecryptUpdate, 5, SESSION) F(C_DecryptFinal, 3, SESSION) F(C_DigestInit, 2, SESSION) \
    F(C_Digest, 5, SESSION) F(C_DigestUpdate, 3, SESSION) F(C_DigestKey, 2, SESSION) F(C_DigestFinal, 3, SESSION) \
    F(C_SignInit, 3, SESSION) F(C_Sign, 5, SESSION) F(C_SignUpdate, 3, SESSION) F(C_SignFinal, 3, SESSION) \
    F(C_SignRecoverInit, 3, SESSION) F(C_SignRecover, 5, SESSION) F(C_VerifyInit, 3, SESSION) \
    F(C_Verify, 5, SESSION) F(C_VerifyUpdate, 3, SESSION) F(C_VerifyFinal, 3, SESSION) \
    F(C_VerifyRecoverInit, 3, SESSION) F(C_VerifyRecover, 5, SESSION) F(C_DigestEncryptUpdate, 5, SESSION) \
    F(C_DecryptDigestUpdate, 5, SESSION) F(C_SignEncryptUpdate, 5, SESSION) F(C_DecryptVerifyUpdate, 5, SESSION) \
    F(C_GenerateKey, 5, SESSION) F(C_GenerateKeyPair, 8, SESSION) F(C_WrapKey, 6, SESSION) \
    F(C_UnwrapKey, 8, SESSION) F(C_DeriveKey, 6, SESSION) F(C_SeedRandom, 3, SESSION) \
    F(C_GenerateRandom, 3, SESSION) F(C_GetFunctionStatus, 1, SESSION) F(C_CancelFunction, 1, SESSION) \
    F(C_WaitForSlotEvent, 3, LIBRARY)

#define PARAMETERS_1 word a
#define PARAMETERS_2 PARAMETERS_1, word b
#define PARAMETERS_3 PARAMETERS_2, word c
#define PARAMETERS_4 PARAMETERS_3, word d
#define PARAMETERS_5 PARAMETERS_4, word e
#define PARAMETERS_6 PARAMETERS_5, word f
#define PARAMETERS_8 PARAMETERS_6, word g, word h
#define ARGUMENTS_1 a
#define ARGUMENTS_2 ARGUMENTS_1, b
#define ARGUMENTS_3 ARGUMENTS_2, c
#define ARGUMENTS_4 ARGUMENTS_3, d
#define ARGUMENTS_5 ARGUMENTS_4, e
#define ARGUMENTS_6 ARGUMENTS_5, f
#define ARGUMENTS_8 ARGUMENTS_6, g, h

#define NUMBER(name, count, needs) NUMBER_##name,
#define NUMBER_OF_OWN(name) NUMBER_##name,
enum { FUNCTIONS(NUMBER, NUMBER_OF_OWN) FUNCTION_COUNT };

/* CK_FUNCTION_LIST */
struct functions { unsigned char version[2]; void *at[FUNCTION_COUNT]; };

static struct functions *real;
#define REAL(name, count) ((word(*)(PARAMETERS_##count))real->at[NUMBER_##name])

/* Held shared by each call into the real module, alone while it is robbed of something: what happens to calls that
 * such a thing overtakes is the real module's own affair. */
static pthread_rwlock_t inside = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static atomic_ulong calls, chosen, argument_of_fault, hanging, releases, late;
static atomic_int fault;
static _Atomic(const char *) struck;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;

__attribute__((constructor)) static void load_real(void) {
    const char *path = getenv("FAULTY_MODULE");
    void *module = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *found = module ? dlsym(module, "C_GetFunctionList") : NULL;
    word (*list)(struct functions **) = (word(*)(struct functions **))found;
    if (!list || list(&real) != CKR_OK) {
        fprintf(stderr, "FAULTY_MODULE, %s, is no PKCS#11 module\n", path ? path : "which is not set");
        exit(2);
    }
}

void faulty_arm(unsigned long at, int how, unsigned long argument) {
    fault = FAULTY_NOTHING;
    struck = NULL;
    chosen = at;
    argument_of_fault = argument;
    calls = 0;
    fault = how;
}

unsigned long faulty_calls(void) { return calls; }

const char *faulty_struck(void) { return struck; }

unsigned long faulty_hanging(void) { return hanging; }

void faulty_release(void) {
    pthread_mutex_lock(&gate);
    fault = FAULTY_NOTHING;
    releases++;
    pthread_cond_broadcast(&opened);
    while (late > 0) {
        pthread_cond_wait(&opened, &gate);
    }
    pthread_mutex_unlock(&gate);
}

static void hang(void) {
    pthread_mutex_lock(&gate);
    unsigned long before = releases;
    hanging++;
    late++;
    while (releases == before) {
        pthread_cond_wait(&opened, &gate);
    }
    hanging--;
    pthread_mutex_unlock(&gate);
}

/* The call that hung has been made. */
static void arrive(void) {
    pthread_mutex_lock(&gate);
    late--;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&gate);
}

static void close_sessions(word slot) { REAL(C_CloseAllSessions, 1)(slot); }

static void log_out(word slot) {
    word session;
    if (REAL(C_OpenSession, 5)(slot, CKF_RW, 0, 0, (word)&session) == CKR_OK) {
        REAL(C_Logout, 1)(session);
        REAL(C_CloseSession, 1)(session);
    }
}

/* Alone with the real module. */
static void rob(void (*of)(word slot)) {
    word slots[MOST_SLOTS], count = MOST_SLOTS;
    pthread_rwlock_wrlock(&inside);
    if (of && REAL(C_GetSlotList, 3)(1, (word)slots, (word)&count) == CKR_OK) {
        for (word slot = 0; slot < count; slot++) {
            of(slots[slot]);
        }
    } else if (!of) {
        REAL(C_Finalize, 1)(0);
    }
    pthread_rwlock_unlock(&inside);
}

/* What is answered where the device is gone; 0 where the library answers by itself. */
static int is_away(enum needs needs, const word *arguments, word *answer) {
    switch (needs) {
    case SLOT_LIST:
        if (arguments[0] & 0xff) {
            *(word *)arguments[2] = 0;
            *answer = CKR_OK;
            return 1;
        }
        return 0;
    case TOKEN:
        *answer = CKR_TOKEN_NOT_PRESENT;
        return 1;
    case SESSION:
        *answer = CKR_DEVICE_REMOVED;
        return 1;
    default:
        return 0;
    }
}

/* Misbehaves if it is time. Whether the call is answered by that and not to be made. */
static int misbehaves(const char *name, enum needs needs, const word *arguments, word *answer, int *away, int *hung) {
    unsigned long call = ++calls, at = chosen;
    int how = fault, strikes = call == at || (call > at && how & FAULTY_FROM_THEN_ON);
    *away = (how & 0xff) == FAULTY_AWAY && call >= at && call - at <= argument_of_fault;
    if (how == FAULTY_NOTHING || !(strikes || *away)) {
        return 0;
    }
    struck = name;
    switch (strikes ? how & 0xff : FAULTY_NOTHING) {
    case FAULTY_ANSWER:
        *answer = argument_of_fault;
        return 1;
    case FAULTY_LOSE_SESSIONS:
    case FAULTY_AWAY:
        rob(close_sessions);
        break;
    case FAULTY_LOSE_LOGIN:
        rob(log_out);
        break;
    case FAULTY_FINALIZE:
        rob(NULL);
        break;
    case FAULTY_HANG:
        hang();
        *hung = 1;
        break;
    }
    return *away && is_away(needs, arguments, answer);
}

#define FORWARD(name, count, needs) \
    word name(PARAMETERS_##count) { \
        word arguments[] = {ARGUMENTS_##count}, answer; \
        int away, hung = 0; \
        if (misbehaves(#name, needs, arguments, &answer, &away, &hung)) { \
            return answer; \
        } \
        pthread_rwlock_rdlock(&inside); \
        answer = REAL(name, count)(ARGUMENTS_##count); \
        pthread_rwlock_unlock(&inside); \
        if (hung) { \
            arrive(); \
        } \
        if (needs == SLOT_INFO && away && answer == CKR_OK) { \
            ((struct slot_info *)arguments[count - 1])->flags &= ~(word)CKF_TOKEN_PRESENT; \
        } \
        return answer; \
    }
#define DECLARED(name) word name(struct functions **list);
FUNCTIONS(FORWARD, DECLARED)

#define ADDRESS(name, count, needs) (void *)name,
#define ADDRESS_OF_OWN(name) (void *)name,

word C_GetFunctionList(struct functions **list) {
    static struct functions own = {{2, 40}, {FUNCTIONS(ADDRESS, ADDRESS_OF_OWN)}};
    *list = &own;
    return CKR_OK;
}
