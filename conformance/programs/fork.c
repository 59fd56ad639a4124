/* SPDX-License-Identifier: MIT
 * Forks with the store open, in the way that the second argument names; COMMAND writes to the same store. */
#include "host.h"

/* The child initialises for itself: what it inherited is gone, what it opens works. */
static void child_initialises(CK_ULONG session) {
    CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, session_info(session));
    CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, create(session, "refused"));
    CHECK(CKR_OK, initialize());
    CHECK(CKR_SESSION_HANDLE_INVALID, session_info(session));
    CK_ULONG own = open_session();
    CHECK(CKR_USER_NOT_LOGGED_IN, create(own, "refused"));
    CHECK(CKR_OK, login(own));
    CHECK(CKR_OK, create(own, "child"));
    CHECK(CKR_OK, digest(own));
}

static void both_write(CK_ULONG session) {
    pid_t child = fork();
    if (child == 0) {
        child_initialises(session);
        CHECK(CKR_OK, finalize());
        exit(0);
    }
    CHECK(CKR_OK, create(session, "parent"));
    run(getenv("COMMAND"));
    CHECK(CKR_OK, create(session, "parent again"));
    wait_for(child);
    CHECK(CKR_OK, create(session, "parent at last"));
}

static void parent_exits_first(CK_ULONG session) {
    int ends[2];
    char byte;
    if (pipe(ends) != 0) {
        exit(6);
    }
    if (fork() == 0) {
        close(ends[1]);
        child_initialises(session);
        /* Ends when the parent has. */
        if (read(ends[0], &byte, 1) != 0) {
            _exit(7);
        }
        CK_ULONG own = open_session();
        CHECK(CKR_OK, create(own, "orphan"));
        run(getenv("COMMAND"));
        CHECK(CKR_OK, create(own, "orphan again"));
        exit(0);
    }
    close(ends[0]);
    CHECK(CKR_OK, create(session, "parent"));
    exit(0);
}

/* The child never uses the module, and leaves by exit. */
static void child_only_exits(CK_ULONG session) {
    pid_t child = fork();
    if (child == 0) {
        CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, session_info(session));
        exit(0);
    }
    wait_for(child);
    CHECK(CKR_OK, create(session, "parent"));
}

/* With fork = "auto" the child need not initialise. */
static void child_goes_on(CK_ULONG session) {
    pid_t child = fork();
    if (child == 0) {
        CHECK(CKR_SESSION_HANDLE_INVALID, session_info(session));
        CK_ULONG own = open_session();
        CHECK(CKR_USER_NOT_LOGGED_IN, create(own, "refused"));
        CHECK(CKR_OK, login(own));
        CHECK(CKR_OK, create(own, "child"));
        exit(0);
    }
    CHECK(CKR_OK, create(session, "parent"));
    wait_for(child);
}

/* As a web server: initialised in the master, used in the workers, and in their children. */
static void workers(CK_ULONG session) {
    pid_t children[4];
    for (int worker = 0; worker < 4; worker++) {
        children[worker] = fork();
        if (children[worker] == 0) {
            CHECK(CKR_OK, initialize());
            CK_ULONG own = open_session();
            CHECK(CKR_OK, login(own));
            pid_t grandchild = fork();
            if (grandchild == 0) {
                child_initialises(own);
                exit(0);
            }
            for (int round = 0; round < 10; round++) {
                char label[32];
                snprintf(label, sizeof label, "worker %d %d", worker, round);
                CHECK(CKR_OK, create(own, label));
            }
            wait_for(grandchild);
            exit(0);
        }
    }
    for (int worker = 0; worker < 4; worker++) {
        wait_for(children[worker]);
    }
    CHECK(CKR_OK, create(session, "parent"));
}

int main(int count, char **arguments) {
    (void)count;
    load(arguments[1]);
    CHECK(CKR_OK, initialize());
    CK_ULONG session = open_session();
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, create(session, "before"));
    const char *way = arguments[2];
    if (strcmp(way, "both-write") == 0) {
        both_write(session);
    } else if (strcmp(way, "parent-exits-first") == 0) {
        parent_exits_first(session);
    } else if (strcmp(way, "child-only-exits") == 0) {
        child_only_exits(session);
    } else if (strcmp(way, "child-goes-on") == 0) {
        child_goes_on(session);
    } else if (strcmp(way, "workers") == 0) {
        workers(session);
    } else {
        return 8;
    }
    return 0;
}
