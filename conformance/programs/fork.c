/* SPDX-License-Identifier: MIT
 * Forks with the store open, in the way that the second argument names; COMMAND writes to the same store. */
#include "host.h"

/* What the child opens for itself works. */
static void child_initialises(CK_ULONG session) {
    CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, create(session, "refused"));
    CK_ULONG own = initialize_in_child(session);
    CHECK(CKR_USER_NOT_LOGGED_IN, create(own, "refused"));
    CHECK(CKR_OK, login(own));
    CHECK(CKR_OK, create(own, "child"));
    CHECK(CKR_OK, digest(own));
}

static void child_initialises_and_finalizes(CK_ULONG session) {
    child_initialises(session);
    CHECK(CKR_OK, finalize());
}

static void both_write(CK_ULONG session) {
    pid_t child = start_child(child_initialises_and_finalizes, session);
    CHECK(CKR_OK, create(session, "parent"));
    run(getenv("COMMAND"));
    CHECK(CKR_OK, create(session, "parent again"));
    wait_for(child);
    CHECK(CKR_OK, create(session, "parent at last"));
}

static int parent[2];

static void orphan(CK_ULONG session) {
    char byte;
    close(parent[1]);
    child_initialises(session);
    /* Ends when the parent has. */
    if (read(parent[0], &byte, 1) != 0) {
        _exit(7);
    }
    CK_ULONG own = open_session();
    CHECK(CKR_OK, create(own, "orphan"));
    run(getenv("COMMAND"));
    CHECK(CKR_OK, create(own, "orphan again"));
}

static void parent_exits_first(CK_ULONG session) {
    if (pipe(parent) != 0) {
        exit(6);
    }
    start_child(orphan, session);
    close(parent[0]);
    CHECK(CKR_OK, create(session, "parent"));
    exit(0);
}

/* The child never uses the module, and leaves by exit. */
static void child_only_exits(CK_ULONG session) {
    wait_for(start_child(is_not_initialized, session));
    CHECK(CKR_OK, create(session, "parent"));
}

static void go_on(CK_ULONG session) {
    CHECK(CKR_SESSION_HANDLE_INVALID, session_info(session));
    CK_ULONG own = open_session();
    CHECK(CKR_USER_NOT_LOGGED_IN, create(own, "refused"));
    CHECK(CKR_OK, login(own));
    CHECK(CKR_OK, create(own, "child"));
}

/* With fork = "auto" the child need not initialise. */
static void child_goes_on(CK_ULONG session) {
    pid_t child = start_child(go_on, session);
    CHECK(CKR_OK, create(session, "parent"));
    wait_for(child);
}

static void work(CK_ULONG number) {
    CHECK(CKR_OK, initialize());
    CK_ULONG own = open_session();
    CHECK(CKR_OK, login(own));
    pid_t grandchild = start_child(child_initialises, own);
    for (int round = 0; round < 10; round++) {
        char label[32];
        snprintf(label, sizeof label, "worker %lu %d", number, round);
        CHECK(CKR_OK, create(own, label));
    }
    wait_for(grandchild);
}

/* As a web server: initialised in the master, used in the workers, and in their children. */
static void with_workers(CK_ULONG session) {
    pid_t workers[WORKERS];
    start_workers(workers, work);
    wait_for_workers(workers);
    CHECK(CKR_OK, create(session, "parent"));
}

static const struct way ways[] = {
    {"both-write", both_write},
    {"parent-exits-first", parent_exits_first},
    {"child-only-exits", child_only_exits},
    {"child-goes-on", child_goes_on},
    {"workers", with_workers},
};

int main(int count, char **arguments) {
    (void)count;
    load(arguments[1]);
    CHECK(CKR_OK, initialize());
    CK_ULONG session = open_session();
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, create(session, "before"));
    return GO(ways, arguments[2], session);
}
