/* SPDX-License-Identifier: MIT
 * What the small C programs here share: the module loaded by path, its functions by name, checks that say where they
 * failed, children, and threads with calls in flight. Types as in the PKCS#11 specification, only as far as the programs need them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
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
static const char *module_path;

static void load(const char *path) {
    module_path = path;
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        fprintf(stderr, "dlopen: %s\n", dlerror());
        exit(2);
    }
}

static void reload(void) {
    dlclose(module);
    load(module_path);
}

/* In whatever state the module is, and once more when it has been loaded anew. */
static void unload_twice(void) {
    reload();
    dlclose(module);
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

/* For atexit: others may have finalised before. */
static void finalize_at_exit(void) {
    CK_ULONG rv = finalize();
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED) {
        fprintf(stderr, "C_Finalize at exit gave %#lx\n", rv);
        _exit(3);
    }
    printf("finalized at exit\n");
    fflush(stdout);
}

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

/* In a child with its parent's session: the module is not initialised. */
static void is_not_initialized(CK_ULONG session) { CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, session_info(session)); }

/* The child initialises for itself: what it inherited is gone, and it has a session of its own. */
static CK_ULONG initialize_in_child(CK_ULONG session) {
    is_not_initialized(session);
    CHECK(CKR_OK, initialize());
    CHECK(CKR_SESSION_HANDLE_INVALID, session_info(session));
    return open_session();
}

/* A child that does its work and exits. */
static pid_t start_child(void (*work)(CK_ULONG), CK_ULONG argument) {
    pid_t child = fork();
    if (child == 0) {
        work(argument);
        exit(0);
    }
    return child;
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

enum { WORKERS = 4, THREADS = 8 };

/* The workers of a web server, which was initialised before; each is given its number. */
static void start_workers(pid_t workers[WORKERS], void (*work)(CK_ULONG)) {
    for (int worker = 0; worker < WORKERS; worker++) {
        workers[worker] = start_child(work, worker);
    }
}

static void wait_for_workers(const pid_t workers[WORKERS]) {
    for (int worker = 0; worker < WORKERS; worker++) {
        wait_for(workers[worker]);
    }
}

/* What threads call for ever, and in which round each says that it is under way. */
struct flight { CK_ULONG (*call)(CK_ULONG session, int round); int round; int under_way[2]; };

/* What a call may give when the module is finalised meanwhile. */
static int is_interrupted(CK_ULONG rv) {
    return rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED ||
           rv == CKR_FUNCTION_CANCELED;
}

static void *call_for_ever(void *argument) {
    const struct flight *flight = argument;
    CK_ULONG session = open_session();
    for (int round = 0;; round++) {
        CK_ULONG rv = flight->call(session, round);
        if (round == flight->round && write(flight->under_way[1], "", 1) != 1) {
            _exit(6);
        }
        if (rv != CKR_OK && !is_interrupted(rv)) {
            fprintf(stderr, "a call in flight gave %#lx\n", rv);
            _exit(3);
        }
        if (rv != CKR_OK) {
            return NULL;
        }
    }
}

/* Ends when all threads are under way; they go on. */
static void put_in_flight(CK_ULONG (*call)(CK_ULONG, int), int round) {
    static struct flight flight;
    flight.call = call;
    flight.round = round;
    if (pipe(flight.under_way) != 0) {
        exit(6);
    }
    for (int number = 0; number < THREADS; number++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, call_for_ever, &flight) != 0) {
            exit(6);
        }
    }
    char byte;
    for (int number = 0; number < THREADS; number++) {
        if (read(flight.under_way[0], &byte, 1) != 1) {
            exit(6);
        }
    }
}

/* What a program does, by the name that its second argument gives; with a session where the program has opened one. */
struct way { const char *name; void (*go)(CK_ULONG session); };

/* Ends with what main returns. */
static int go(const struct way *ways, size_t count, const char *name, CK_ULONG session) {
    for (const struct way *way = ways; way < ways + count; way++) {
        if (strcmp(way->name, name) == 0) {
            way->go(session);
            return 0;
        }
    }
    return 8;
}
#define GO(ways, name, session) go(ways, sizeof(ways) / sizeof *(ways), name, session)
