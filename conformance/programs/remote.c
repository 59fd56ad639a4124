/* SPDX-License-Identifier: MIT
 * Signs with the remote key named "web" before and after forks, and with calls in flight when the process or the
 * library goes, in the way that the second argument names. */
#include "host.h"
#include <pthread.h>
#include <time.h>

enum { CKO_PUBLIC_KEY = 2, CKO_PRIVATE_KEY = 3, CKM_ECDSA_SHA256 = 0x1044, SIGNATURE = 64 };

static CK_ULONG find(CK_ULONG session, CK_ULONG class) {
    CK_ATTRIBUTE template[] = {{0, &class, sizeof class}, {3, (void *)"web", 3}};
    CK_ULONG key = 0, count = 0;
    CHECK(CKR_OK, CALL(C_FindObjectsInit, (CK_ULONG, CK_ATTRIBUTE *, CK_ULONG), session, template, 2));
    CHECK(CKR_OK, CALL(C_FindObjects, (CK_ULONG, CK_ULONG *, CK_ULONG, CK_ULONG *), session, &key, 1, &count));
    CHECK(CKR_OK, CALL(C_FindObjectsFinal, (CK_ULONG), session));
    CHECK(1, count);
    return key;
}

static CK_ULONG sign(CK_ULONG session, CK_ULONG key, CK_BYTE *signature) {
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_ULONG length = SIGNATURE;
    CK_ULONG rv = CALL(C_SignInit, (CK_ULONG, CK_MECHANISM *, CK_ULONG), session, &mechanism, key);
    if (rv != CKR_OK) {
        return rv;
    }
    return CALL(C_Sign, (CK_ULONG, const char *, CK_ULONG, CK_BYTE *, CK_ULONG *), session, "data", 4, signature,
                &length);
}

/* A signature that verifies, with keys found anew. */
static void use(CK_ULONG session) {
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_BYTE signature[SIGNATURE];
    CHECK(CKR_OK, sign(session, find(session, CKO_PRIVATE_KEY), signature));
    CK_ULONG public = find(session, CKO_PUBLIC_KEY);
    CHECK(CKR_OK, CALL(C_VerifyInit, (CK_ULONG, CK_MECHANISM *, CK_ULONG), session, &mechanism, public));
    CHECK(CKR_OK, CALL(C_Verify, (CK_ULONG, const char *, CK_ULONG, CK_BYTE *, CK_ULONG), session, "data", 4,
                       signature, SIGNATURE));
}

static void finalize_soon(void) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK(CKR_OK, finalize());
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK(1, after.tv_sec - before.tv_sec <= 3);
}

static void child_initialises(CK_ULONG session) {
    CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, session_info(session));
    CHECK(CKR_OK, initialize());
    CHECK(CKR_SESSION_HANDLE_INVALID, session_info(session));
    use(open_session());
}

static void both_use(CK_ULONG session) {
    pid_t child = fork();
    if (child == 0) {
        child_initialises(session);
        finalize_soon();
        exit(0);
    }
    for (int round = 0; round < 20; round++) {
        use(session);
    }
    wait_for(child);
    use(session);
    finalize_soon();
}

/* With fork = "auto" the child need not initialise. */
static void child_goes_on(CK_ULONG session) {
    pid_t child = fork();
    if (child == 0) {
        CHECK(CKR_SESSION_HANDLE_INVALID, session_info(session));
        use(open_session());
        exit(0);
    }
    use(session);
    wait_for(child);
    use(session);
}

static void child_only_exits(CK_ULONG session) {
    pid_t child = fork();
    if (child == 0) {
        CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, session_info(session));
        exit(0);
    }
    wait_for(child);
    use(session);
}

/* As a web server: initialised in the master, used in the workers, and in their children. */
static void workers(CK_ULONG session) {
    pid_t children[4];
    for (int worker = 0; worker < 4; worker++) {
        children[worker] = fork();
        if (children[worker] == 0) {
            CHECK(CKR_OK, initialize());
            CK_ULONG own = open_session();
            use(own);
            pid_t grandchild = fork();
            if (grandchild == 0) {
                child_initialises(own);
                exit(0);
            }
            for (int round = 0; round < 10; round++) {
                use(own);
            }
            wait_for(grandchild);
            finalize_soon();
            exit(0);
        }
    }
    use(session);
    for (int worker = 0; worker < 4; worker++) {
        wait_for(children[worker]);
    }
    use(session);
    finalize_soon();
}

static int ready[2];

static void *sign_for_ever(void *unused) {
    (void)unused;
    CK_BYTE signature[SIGNATURE];
    CK_ULONG session = open_session(), key = find(session, CKO_PRIVATE_KEY);
    for (int round = 0;; round++) {
        CK_ULONG rv = sign(session, key, signature);
        if (round == 2 && write(ready[1], "", 1) != 1) {
            _exit(6);
        }
        if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED && rv != CKR_SESSION_HANDLE_INVALID &&
            rv != CKR_SESSION_CLOSED && rv != CKR_FUNCTION_CANCELED) {
            fprintf(stderr, "a call in flight gave %#lx\n", rv);
            _exit(3);
        }
        if (rv != CKR_OK) {
            return NULL;
        }
    }
}

static void with_calls_in_flight(void) {
    if (pipe(ready) != 0) {
        exit(6);
    }
    for (int worker = 0; worker < 8; worker++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, sign_for_ever, NULL) != 0) {
            exit(6);
        }
    }
    char byte;
    for (int worker = 0; worker < 8; worker++) {
        if (read(ready[0], &byte, 1) != 1) {
            exit(6);
        }
    }
}

/* A process that forks while other threads have calls in flight: only the forking thread goes on in the child. */
static void fork_in_flight(CK_ULONG session) {
    with_calls_in_flight();
    pid_t child = fork();
    if (child == 0) {
        child_initialises(session);
        finalize_soon();
        exit(0);
    }
    use(session);
    wait_for(child);
    finalize_soon();
}

static void unload_and_load_again(const char *path) {
    for (int round = 0; round < 3; round++) {
        finalize_soon();
        dlclose(module);
        load(path);
        CHECK(CKR_OK, initialize());
        use(open_session());
    }
}

static void unload_without_finalizing(const char *path) {
    dlclose(module);
    load(path);
    dlclose(module);
}

static void finalize_at_exit(void) {
    CK_ULONG rv = finalize();
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED) {
        fprintf(stderr, "C_Finalize at exit gave %#lx\n", rv);
        _exit(3);
    }
}

int main(int count, char **arguments) {
    (void)count;
    const char *way = arguments[2];
    load(arguments[1]);
    CHECK(CKR_OK, initialize());
    CK_ULONG session = open_session();
    if (strcmp(way, "idle-workers") == 0) {
        /* Nothing has been asked of the service before the fork. */
        workers(session);
        return 0;
    }
    use(session);
    if (strcmp(way, "both-use") == 0) {
        both_use(session);
    } else if (strcmp(way, "child-goes-on") == 0) {
        child_goes_on(session);
    } else if (strcmp(way, "child-only-exits") == 0) {
        child_only_exits(session);
    } else if (strcmp(way, "workers") == 0) {
        workers(session);
    } else if (strcmp(way, "fork-in-flight") == 0) {
        fork_in_flight(session);
    } else if (strcmp(way, "unload") == 0) {
        unload_and_load_again(arguments[1]);
    } else if (strcmp(way, "unload-unfinalized") == 0) {
        unload_without_finalizing(arguments[1]);
    } else if (strcmp(way, "return-in-flight") == 0) {
        with_calls_in_flight();
    } else if (strcmp(way, "exit-in-flight") == 0) {
        with_calls_in_flight();
        exit(0);
    } else if (strcmp(way, "finalize-at-exit") == 0) {
        atexit(finalize_at_exit);
        with_calls_in_flight();
        exit(0);
    } else {
        return 8;
    }
    return 0;
}
