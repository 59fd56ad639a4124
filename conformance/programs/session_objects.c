/* SPDX-License-Identifier: MIT
 * The host of work.h with more session objects than its slot has sessions of the vendor's, some of them under calls that
 * the device fails at. What must not be ends it with 3 and a line that says where. */
#include "work.h"

enum { CKO_DATA = 0, CKA_VALUE = 0x11, CKF_ENCRYPT = 0x100, CKR_SESSION_COUNT = 0xb1 };
enum { SHORT_LIVED = 2000, AT_ONCE = 400, IN_VAIN = 50 };

/* A public data object that lives as long as its session, or to its end. */
static CK_ULONG create_object(HANDLE session, CK_ULONG number, HANDLE *object) {
    CK_ULONG class = CKO_DATA;
    CK_BYTE no = 0;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &no, 1}, {2, &no, 1},
                               {CKA_VALUE, &number, sizeof number}};
    return CALL(C_CreateObject, (HANDLE, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session, template, 4, object);
}

static HANDLE created(HANDLE session, CK_ULONG number) {
    HANDLE object;
    CHECK(CKR_OK, create_object(session, number, &object));
    return object;
}

static CK_ULONG value_of(HANDLE session, HANDLE object) {
    CK_ULONG number = 0;
    CK_ATTRIBUTE template[] = {{CKA_VALUE, &number, sizeof number}};
    CHECK(CKR_OK, CALL(C_GetAttributeValue, (HANDLE, HANDLE, CK_ATTRIBUTE *, CK_ULONG), session, object, template, 1));
    return number;
}

static void destroy(HANDLE session, HANDLE object) {
    CHECK(CKR_OK, CALL(C_DestroyObject, (HANDLE, HANDLE), session, object));
}

/* There is a session of the vendor's for another session of the application's, and for this one. */
static void others_have_sessions(HANDLE session) {
    HANDLE other = open_in(slot), key = generated(session), others = generated(other);
    encrypt(session, key, STATEFUL);
    encrypt(other, others, STATEFUL);
    CHECK(0, complaints);
    CHECK(CKR_OK, CALL(C_CloseSession, (HANDLE), other));
}

static void thousands_come_and_go(HANDLE session) {
    for (CK_ULONG number = 0; number < SHORT_LIVED; number++) {
        HANDLE object = created(session, number);
        CHECK(number, value_of(session, object));
        destroy(session, object);
    }
    others_have_sessions(session);
}

static void hundreds_live_at_once(HANDLE session) {
    static HANDLE objects[AT_ONCE];
    for (CK_ULONG number = 0; number < AT_ONCE; number++) {
        objects[number] = created(session, number);
    }
    others_have_sessions(session);
    for (CK_ULONG number = 0; number < AT_ONCE; number++) {
        CHECK(number, value_of(session, objects[number]));
        destroy(session, objects[number]);
    }
    others_have_sessions(session);
}

static const CK_ULONG refusals[] = {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_DEVICE_ERROR};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

/* An object stays of each round, in which another is not made. */
static void objects_are_made_in_vain(HANDLE session) {
    HANDLE first = created(session, 4711), object;
    for (CK_ULONG round = 0; round < IN_VAIN; round++) {
        CK_ULONG refusal = refusals[round % REFUSALS];
        created(session, round);
        arm(1, FAULTY_ANSWER, refusal);
        CHECK(refusal, create_object(session, round, &object));
    }
    CHECK(4711, value_of(session, first));
    others_have_sessions(session);
}

/* A key stays of each round, in which an operation of its does not begin. */
static void operations_begin_in_vain(HANDLE session) {
    CK_BYTE iv[BLOCK] = {1};
    CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, BLOCK};
    HANDLE first = generated(session);
    for (CK_ULONG round = 0; round < IN_VAIN; round++) {
        HANDLE key = generated(session);
        arm(1, FAULTY_ANSWER, CKR_GENERAL_ERROR);
        CHECK(CKR_GENERAL_ERROR,
              CALL(C_EncryptInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, key));
    }
    encrypt(session, first, STATEFUL);
    others_have_sessions(session);
}

/* A key stays of each round, in which an operation of its is cancelled. */
static void operations_are_cancelled(HANDLE session) {
    CK_BYTE iv[BLOCK] = {1};
    CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, BLOCK};
    HANDLE first = generated(session);
    for (CK_ULONG round = 0; round < IN_VAIN; round++) {
        HANDLE key = generated(session);
        CHECK(CKR_OK, CALL(C_EncryptInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, key));
        CHECK(CKR_OK, CALL(C_SessionCancel, (HANDLE, CK_ULONG), session, CKF_ENCRYPT));
    }
    encrypt(session, first, STATEFUL);
    others_have_sessions(session);
}

/* With one session of the vendor's there is no other to turn to. */
static void the_only_session_goes_on(HANDLE session) {
    CK_BYTE iv[BLOCK] = {1};
    CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, BLOCK};
    HANDLE key = generated(session), other = open_in(slot), object;
    CHECK(CKR_SESSION_COUNT, create_object(other, 1, &object));
    CHECK(CKR_OK, CALL(C_EncryptInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, key));
    CHECK(CKR_OK, CALL(C_SessionCancel, (HANDLE, CK_ULONG), session, CKF_ENCRYPT));
    destroy(session, created(session, 1));
    destroy(session, key);
    encrypt(session, generated(session), STATEFUL);
    CHECK(0, complaints);
}

static const struct way ways[] = {
    {"short-lived", thousands_come_and_go},
    {"at-once", hundreds_live_at_once},
    {"made-in-vain", objects_are_made_in_vain},
    {"begun-in-vain", operations_begin_in_vain},
    {"cancelled", operations_are_cancelled},
    {"only-one", the_only_session_goes_on},
};

int main(int count, char **arguments) {
    signal(SIGALRM, on_signal);
    load(arguments[1]);
    load_controls(arguments[2]);
    CHECK(CKR_OK, initialize());
    find_slots();
    HANDLE session = open_in(slot);
    CHECK(4, count);
    CHECK(CKR_OK, login(session));
    return GO(ways, arguments[3], session);
}
