/* SPDX-License-Identifier: MIT
 * What the small C programs here share: the module loaded by path, its functions by name, and checks that say where
 * they failed. Types as in the PKCS#11 specification, only as far as the programs need them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef unsigned long CK_ULONG;
typedef unsigned char CK_BYTE;
typedef struct { CK_ULONG type; void *value; CK_ULONG length; } CK_ATTRIBUTE;
typedef struct { CK_ULONG mechanism; void *parameter; CK_ULONG length; } CK_MECHANISM;

enum {
    CKR_OK = 0,
    CKR_FUNCTION_CANCELED = 0x50,
    CKR_SESSION_CLOSED = 0xb0,
    CKR_SESSION_HANDLE_INVALID = 0xb3,
    CKR_USER_NOT_LOGGED_IN = 0x101,
    CKR_CRYPTOKI_NOT_INITIALIZED = 0x190,
};
enum { CKF_RW = 2 | 4, CKU_USER = 1, CKM_SHA256 = 0x250, CKM_GENERIC_SECRET_KEY_GEN = 0x350 };

static void *module;

static void load(const char *path) {
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        fprintf(stderr, "dlopen: %s\n", dlerror());
        exit(2);
    }
}

/* A function of the module by name; every one of them returns a CK_ULONG. */
static void *function(const char *name) {
    void *found = dlsym(module, name);
    if (!found) {
        fprintf(stderr, "%s is not exported\n", name);
        exit(2);
    }
    return found;
}

#define CALL(name, types, ...) (((CK_ULONG(*) types)function(#name))(__VA_ARGS__))

static void check_at(int line, const char *what, CK_ULONG got, CK_ULONG wanted) {
    if (got != wanted) {
        fprintf(stderr, "line %d, process %d: %s gave %#lx, not %#lx\n", line, (int)getpid(), what, got, wanted);
        _exit(3);
    }
}
#define CHECK(wanted, call) check_at(__LINE__, #call, (call), (wanted))

static CK_ULONG initialize(void) { return CALL(C_Initialize, (void *), NULL); }
static CK_ULONG finalize(void) { return CALL(C_Finalize, (void *), NULL); }

static CK_ULONG first_slot(void) {
    CK_ULONG slots[8], count = 8;
    CHECK(CKR_OK, CALL(C_GetSlotList, (CK_BYTE, CK_ULONG *, CK_ULONG *), 1, slots, &count));
    return slots[0];
}

static CK_ULONG open_session(void) {
    CK_ULONG session = 0;
    CHECK(CKR_OK, CALL(C_OpenSession, (CK_ULONG, CK_ULONG, void *, void *, CK_ULONG *), first_slot(), CKF_RW, NULL,
                       NULL, &session));
    return session;
}

static CK_ULONG session_info(CK_ULONG session) {
    CK_ULONG info[8];
    return CALL(C_GetSessionInfo, (CK_ULONG, void *), session, info);
}

static CK_ULONG login(CK_ULONG session) {
    const char *pin = getenv("PIN");
    return CALL(C_Login, (CK_ULONG, CK_ULONG, const char *, CK_ULONG), session, CKU_USER, pin, strlen(pin));
}

/* A private data object on the token. */
static CK_ULONG create(CK_ULONG session, const char *label) {
    CK_ULONG class = 0, object;
    CK_BYTE yes = 1;
    CK_ATTRIBUTE attributes[] = {
        {0, &class, sizeof class},
        {1, &yes, 1},
        {2, &yes, 1},
        {3, (void *)label, strlen(label)},
        {0x11, (void *)label, strlen(label)},
    };
    return CALL(C_CreateObject, (CK_ULONG, CK_ATTRIBUTE *, CK_ULONG, CK_ULONG *), session, attributes, 5, &object);
}

static CK_ULONG digest(CK_ULONG session) {
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CK_BYTE value[32];
    CK_ULONG length = sizeof value;
    CK_ULONG rv = CALL(C_DigestInit, (CK_ULONG, CK_MECHANISM *), session, &mechanism);
    if (rv != CKR_OK) {
        return rv;
    }
    return CALL(C_Digest, (CK_ULONG, const char *, CK_ULONG, CK_BYTE *, CK_ULONG *), session, "abc", 3, value, &length);
}

/* Ends when the child ended well. */
static void wait_for(pid_t child) {
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "the child ended with %#x\n", status);
        exit(4);
    }
}

static void run(const char *command) {
    if (system(command) != 0) {
        fprintf(stderr, "failed: %s\n", command);
        exit(5);
    }
}
