/* SPDX-License-Identifier: MIT
 * Signs with the remote key named "web" before and after forks, and with calls in flight when the process or the
 * library goes, in the way that the second argument names. */
#include "host.h"
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

static void child_initialises(CK_ULONG session) { use(initialize_in_child(session)); }

static void child_initialises_and_finalizes(CK_ULONG session) {
    child_initialises(session);
    finalize_soon();
}

static void both_use(CK_ULONG session) {
    pid_t child = start_child(child_initialises_and_finalizes, session);
    for (int round = 0; round < 20; round++) {
        use(session);
    }
    wait_for(child);
    use(session);
    finalize_soon();
}

static void go_on(CK_ULONG session) {
    CHECK(CKR_SESSION_HANDLE_INVALID, session_info(session));
    use(open_session());
}

/* With fork = "auto" the child need not initialise. */
static void child_goes_on(CK_ULONG session) {
    pid_t child = start_child(go_on, session);
    use(session);
    wait_for(child);
    use(session);
}

static void child_only_exits(CK_ULONG session) {
    wait_for(start_child(is_not_initialized, session));
    use(session);
}

static void work(CK_ULONG number) {
    (void)number;
    CHECK(CKR_OK, initialize());
    CK_ULONG own = open_session();
    use(own);
    pid_t grandchild = start_child(child_initialises, own);
    for (int round = 0; round < 10; round++) {
        use(own);
    }
    wait_for(grandchild);
    finalize_soon();
}

/* As a web server: initialised in the master, used in the workers, and in their children. */
static void with_workers(CK_ULONG session) {
    pid_t workers[WORKERS];
    start_workers(workers, work);
    use(session);
    wait_for_workers(workers);
    use(session);
    finalize_soon();
}

/* The key is found in a thread's first round. */
static CK_ULONG sign_again(CK_ULONG session, int round) {
    static _Thread_local CK_ULONG key;
    CK_BYTE signature[SIGNATURE];
    if (round == 0) {
        key = find(session, CKO_PRIVATE_KEY);
    }
    return sign(session, key, signature);
}

static void return_in_flight(CK_ULONG session) {
    (void)session;
    put_in_flight(sign_again, 2);
}

static void exit_in_flight(CK_ULONG session) {
    return_in_flight(session);
    exit(0);
}

static void finalize_in_flight(CK_ULONG session) {
    atexit(finalize_at_exit);
    exit_in_flight(session);
}

/* A process that forks while other threads have calls in flight: only the forking thread goes on in the child. */
static void fork_in_flight(CK_ULONG session) {
    return_in_flight(session);
    pid_t child = start_child(child_initialises_and_finalizes, session);
    use(session);
    wait_for(child);
    finalize_soon();
}

static void unload_and_load_again(CK_ULONG session) {
    (void)session;
    for (int round = 0; round < 3; round++) {
        finalize_soon();
        reload();
        CHECK(CKR_OK, initialize());
        use(open_session());
    }
}

static void unload_without_finalizing(CK_ULONG session) {
    (void)session;
    unload_twice();
}

static const struct way ways[] = {
    {"idle-workers", with_workers},
    {"both-use", both_use},
    {"child-goes-on", child_goes_on},
    {"child-only-exits", child_only_exits},
    {"workers", with_workers},
    {"fork-in-flight", fork_in_flight},
    {"unload", unload_and_load_again},
    {"unload-unfinalized", unload_without_finalizing},
    {"return-in-flight", return_in_flight},
    {"exit-in-flight", exit_in_flight},
    {"finalize-at-exit", finalize_in_flight},
};

int main(int count, char **arguments) {
    (void)count;
    load(arguments[1]);
    CHECK(CKR_OK, initialize());
    CK_ULONG session = open_session();
    /* Idle workers: nothing has been asked of the service before the fork. */
    if (strcmp(arguments[2], "idle-workers") != 0) {
        use(session);
    }
    return GO(ways, arguments[2], session);
}
