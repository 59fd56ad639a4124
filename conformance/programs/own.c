/* SPDX-License-Identifier: MIT
 * KeyEnclave's own interface as keyenclave.h declares it, with arguments that no honest caller has. The first slot's
 * service is not reached. */
#include "host.h"
#include "../../include/keyenclave.h"
#include <pthread.h>

enum { CKR_SLOT_ID_INVALID = 3, CKR_ARGUMENTS_BAD = 7, CKR_DEVICE_ERROR = 0x30, CKR_BUFFER_TOO_SMALL = 0x150 };
enum { ROOM = 4096, CANARY = 0xa5 };
#define HUGE (~0UL)

struct interface { const char *name; const struct keyenclave_functions *functions; CK_ULONG flags; };

static const struct keyenclave_functions *own;

static CK_ULONG is_true(int condition) { return condition ? CKR_OK : 1; }

static CK_ULONG length_of(CK_ULONG part) {
    CK_ULONG len = HUGE;
    CHECK(CKR_OK, own->last_failure(part, NULL, &len));
    return len;
}

static void part_says(CK_ULONG part, const char *wanted) {
    CK_BYTE text[ROOM + 1] = {0};
    CK_ULONG len = ROOM;
    CHECK(CKR_OK, own->last_failure(part, text, &len));
    text[len] = 0;
    CHECK(len, length_of(part));
    CHECK(CKR_OK, is_true(strstr((char *)text, wanted) != NULL));
}

static void nothing_is_known(void) {
    for (CK_ULONG part = KEYENCLAVE_FAILURE_MESSAGE; part <= KEYENCLAVE_FAILURE_ADVICE; part++) {
        CHECK(0, length_of(part));
    }
}

static void *another_thread(void *unused) {
    nothing_is_known();
    return unused;
}

/* Whatever is known, these are refused and nothing is written. */
static void hostile(void) {
    CK_BYTE text[ROOM];
    CK_ULONG len = ROOM;
    CHECK(CKR_ARGUMENTS_BAD, own->last_failure(0, NULL, NULL));
    CHECK(CKR_ARGUMENTS_BAD, own->last_failure(0, text, NULL));
    CHECK(CKR_ARGUMENTS_BAD, own->last_failure(KEYENCLAVE_FAILURE_ADVICE + 1, text, &len));
    CHECK(CKR_ARGUMENTS_BAD, own->last_failure(HUGE, NULL, &len));
    CHECK(ROOM, len);
    len = HUGE;
    CHECK(CKR_ARGUMENTS_BAD, own->last_failure(0, text, &len));
    CHECK(HUGE, len);
}

static void short_buffers(void) {
    CK_BYTE text[ROOM];
    CK_ULONG whole = length_of(KEYENCLAVE_FAILURE_MESSAGE);
    CHECK(CKR_OK, is_true(whole > 1 && whole < ROOM));
    for (CK_ULONG room = 0; room < whole; room++) {
        CK_ULONG len = room;
        memset(text, CANARY, ROOM);
        CHECK(CKR_BUFFER_TOO_SMALL, own->last_failure(KEYENCLAVE_FAILURE_MESSAGE, text, &len));
        CHECK(whole, len);
        CHECK(CANARY, text[0]);
    }
    CK_ULONG len = whole;
    memset(text, CANARY, ROOM);
    CHECK(CKR_OK, own->last_failure(KEYENCLAVE_FAILURE_MESSAGE, text, &len));
    CHECK(CANARY, text[whole]);
}

static void service_is_not_reached(void) {
    CHECK(CKR_DEVICE_ERROR, own->check_slot(first_slot()));
    part_says(KEYENCLAVE_FAILURE_REASON, "connectivity");
    part_says(KEYENCLAVE_FAILURE_MESSAGE, "cannot be reached");
    part_says(KEYENCLAVE_FAILURE_ADVICE, "check the endpoint");
    CHECK(0, length_of(KEYENCLAVE_FAILURE_REQUEST_ID));
}

int main(int count, char **arguments) {
    struct interface *found = NULL;
    CK_BYTE version[2] = {1, 0};
    pthread_t thread;
    if (count != 2) {
        return 2;
    }
    load(arguments[1]);
    CHECK(CKR_OK, CALL(C_GetInterface, (const char *, void *, struct interface **, CK_ULONG), KEYENCLAVE_INTERFACE,
                       version, &found, 0));
    CHECK(0, strcmp(found->name, KEYENCLAVE_INTERFACE));
    own = found->functions;
    CHECK(1, own->version[0]);
    CHECK(0, own->version[1]);

    CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, own->check_slot(0));
    nothing_is_known();
    hostile();

    CHECK(CKR_OK, initialize());
    CHECK(CKR_SLOT_ID_INVALID, own->check_slot(77));
    CHECK(CKR_SLOT_ID_INVALID, own->check_slot(HUGE));
    CHECK(0, length_of(KEYENCLAVE_FAILURE_REASON));
    service_is_not_reached();
    hostile();
    short_buffers();
    part_says(KEYENCLAVE_FAILURE_REASON, "connectivity"); /* Refused questions are not failures. */
    if (pthread_create(&thread, NULL, another_thread, NULL) != 0 || pthread_join(thread, NULL) != 0) {
        return 2;
    }

    pid_t child = fork();
    if (child == 0) {
        CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, own->check_slot(0));
        nothing_is_known(); /* Not what failed in the parent. */
        hostile();
        CHECK(CKR_OK, initialize());
        service_is_not_reached();
        CHECK(CKR_OK, finalize());
        exit(0);
    }
    wait_for(child);
    service_is_not_reached();
    CHECK(CKR_SLOT_ID_INVALID, own->check_slot(77));
    CHECK(0, length_of(KEYENCLAVE_FAILURE_REASON));

    CHECK(CKR_OK, finalize());
    CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, own->check_slot(0));
    nothing_is_known();
    hostile();
    return 0;
}
