/* SPDX-License-Identifier: MIT
 * The host of work.h before a token with what not every token has: a PIN pad (CKF_PROTECTED_AUTHENTICATION_PATH), a
 * mechanism of the vendor's own, and a way to come and go. What must not be ends it with 3 and a line that says where. */
#include "work.h"
#include <sched.h>

enum {
    CKR_ARGUMENTS_BAD = 7,
    CKR_NO_EVENT = 8,
    CKR_FUNCTION_NOT_SUPPORTED = 0x54,
    CKR_MECHANISM_INVALID = 0x70,
    CKR_PIN_INCORRECT = 0xa0,
    CKF_PROTECTED_AUTHENTICATION_PATH = 0x100,
    CKF_DONT_BLOCK = 1,
    CKF_SERIAL = 4,
    CKF_LOGIN_REQUIRED = 4,
    CKU_SO = 0,
    CKS_LAST_VALIDATION_OK = 1,
    FLAGS_OF_TOKEN = 96,
    FOR_EVER = 1 << 30,
    MOST_MECHANISMS = 512,
};

static void (*pin_pad)(const char *pin);
static unsigned long (*prompts)(void), (*crowd)(void);
static int (*threads_told)(void);

/* CK_C_INITIALIZE_ARGS for an application with threads. */
static struct { void *mutexes[4]; CK_ULONG flags; void *reserved; } for_threads = {.flags = CKF_OS_LOCKING_OK};

static CK_ULONG flags_of_token(void) {
    CK_BYTE info[800];
    CK_ULONG flags;
    CHECK(CKR_OK, CALL(C_GetTokenInfo, (CK_ULONG, void *), slot, info));
    memcpy(&flags, info + FLAGS_OF_TOKEN, sizeof flags);
    return flags;
}

static CK_ULONG login_at_pad(HANDLE session) {
    return CALL(C_Login, (HANDLE, CK_ULONG, void *, CK_ULONG), session, CKU_USER, NULL, 0);
}

static CK_ULONG logout(HANDLE session) { return CALL(C_Logout, (HANDLE), session); }

/* Whether the private key is there and signs. */
static void signs(HANDLE session) {
    HANDLE private = find(session, CKO_PRIVATE_KEY), public = find(session, CKO_PUBLIC_KEY);
    CHECK(1, private != 0 && public != 0);
    sign(session, private, public);
    CHECK(0, complaints);
}

static void a_pin_is_typed(HANDLE session) {
    pin_pad(getenv("PIN"));
    CHECK(CKF_PROTECTED_AUTHENTICATION_PATH, flags_of_token() & CKF_PROTECTED_AUTHENTICATION_PATH);
    CHECK(CKR_OK, login_at_pad(session));
    CHECK(1, prompts());
    signs(session);
    CHECK(CKR_OK, logout(session));
    CHECK(CKR_OK, login_at_pad(session));
    CHECK(2, prompts());
    CHECK(CKR_OK, logout(session));
}

static void a_pin_may_be_given_all_the_same(HANDLE session) {
    pin_pad(NULL);
    CHECK(CKR_OK, login(session));
    CHECK(0, prompts());
    signs(session);
}

static void whoever_cancels_is_not_logged_in(HANDLE session) {
    pin_pad(NULL);
    CHECK(CKR_FUNCTION_CANCELED, login_at_pad(session));
    CHECK(1, prompts());
    CHECK(CKR_USER_NOT_LOGGED_IN, logout(session));
    pin_pad(getenv("PIN"));
    CHECK(CKR_OK, login_at_pad(session));
    signs(session);
}

static void a_wrong_pin_is_typed(HANDLE session) {
    pin_pad("another-pin");
    CHECK(CKR_PIN_INCORRECT, login_at_pad(session));
    CHECK(1, prompts());
}

/* It was not kept, so it is asked for where it was typed. */
static void a_lost_login_is_typed_again(HANDLE session) {
    pin_pad(getenv("PIN"));
    CHECK(CKR_OK, login_at_pad(session));
    arm(1, FAULTY_LOSE_LOGIN, 0);
    signs(session);
    CHECK(2, prompts());
}

static void a_new_pin_is_typed(HANDLE session) {
    pin_pad(getenv("PIN"));
    CHECK(CKR_OK, login_at_pad(session));
    CHECK(CKR_OK, CALL(C_SetPIN, (HANDLE, void *, CK_ULONG, void *, CK_ULONG), session, NULL, 0, NULL, 0));
    CHECK(3, prompts());
    signs(session);
}

static void without_a_pad_a_pin_must_be_given(HANDLE session) {
    CHECK(0, flags_of_token() & CKF_PROTECTED_AUTHENTICATION_PATH);
    CHECK(CKR_ARGUMENTS_BAD, login_at_pad(session));
}

static void a_vendors_mechanism_is_told_of(HANDLE session) {
    CK_ULONG list[MOST_MECHANISMS], count = MOST_MECHANISMS, info[3], found = 0;
    (void)session;
    CHECK(CKR_OK, CALL(C_GetMechanismList, (CK_ULONG, CK_ULONG *, CK_ULONG *), slot, list, &count));
    for (CK_ULONG i = 0; i < count; i++) {
        found += list[i] == FAULTY_PACKED;
    }
    CHECK(1, found);
    CHECK(CKR_OK, CALL(C_GetMechanismInfo, (CK_ULONG, CK_ULONG, void *), slot, FAULTY_PACKED, info));
    CHECK(FAULTY_LEAST, info[0]);
    CHECK(FAULTY_MOST, info[1]);
    CHECK(FAULTY_USES, info[2]);
}

/* The vendor's mechanism that does what another does, with its parameter. */
struct packed { CK_ULONG number; CK_BYTE parameter[BLOCK]; };

static void a_vendors_parameter_is_handed_on(HANDLE session) {
    struct packed packed = {CKM_AES_CBC_PAD, {1, 2, 3}};
    CK_BYTE text[2][ROOM], plain[ROOM];
    CK_ULONG length[2], room;
    CHECK(CKR_OK, login(session));
    HANDLE key = find(session, CKO_SECRET_KEY);
    CHECK(CKR_OK, init("C_EncryptInit", session, FAULTY_PACKED, &packed, sizeof packed, key));
    CHECK(CKR_OK, do_whole("C_Encrypt", session, "text", 4, text[0], &length[0]));
    CHECK(CKR_OK, init("C_EncryptInit", session, CKM_AES_CBC_PAD, packed.parameter, BLOCK, key));
    CHECK(CKR_OK, do_whole("C_Encrypt", session, "text", 4, text[1], &length[1]));
    CHECK(length[1], length[0]);
    CHECK(0, memcmp(text[0], text[1], length[0]));
    CHECK(CKR_OK, init("C_DecryptInit", session, FAULTY_PACKED, &packed, sizeof packed, key));
    CHECK(CKR_OK, do_whole("C_Decrypt", session, text[0], length[0], plain, &room));
    CHECK(4, room);
    CHECK(0, memcmp(plain, "text", 4));
}

static void keys_are_made_and_used_with_a_vendors_mechanism(HANDLE session) {
    struct packed packed = {CKM_AES_KEY_GEN, {0}};
    CK_MECHANISM mechanism = {FAULTY_PACKED, &packed, sizeof packed.number};
    CK_ULONG length = 32, room;
    CK_BYTE no = 0, yes = 1, signature[ROOM];
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &no, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1}, {CKA_VALUE_LEN, &length, sizeof length}};
    HANDLE key;
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, CALL(C_GenerateKey, (HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session, &mechanism,
                       template, 4, &key));
    encrypt(session, key, STATEFUL);
    packed.number = CKM_RSA_PKCS;
    HANDLE private = find(session, CKO_PRIVATE_KEY), public = find(session, CKO_PUBLIC_KEY);
    CHECK(CKR_OK, init("C_SignInit", session, FAULTY_PACKED, &packed, sizeof packed.number, private));
    CHECK(CKR_OK, do_whole("C_Sign", session, "data", 4, signature, &room));
    verify(session, public, CKM_RSA_PKCS, (BYTES) "data", 4, signature, room);
    CHECK(0, complaints);
}

/* What is wrong with a parameter that only the vendor knows, only the vendor says. */
static void a_vendors_parameter_is_judged_by_the_vendor(HANDLE session) {
    CHECK(CKR_OK, login(session));
    HANDLE key = find(session, CKO_SECRET_KEY);
    CHECK(CKR_MECHANISM_INVALID, init("C_EncryptInit", session, FAULTY_PACKED, "few", 3, key));
    CHECK(CKR_MECHANISM_INVALID, init("C_EncryptInit", session, FAULTY_PACKED, NULL, 0, key));
}

static CK_ULONG wait_for_event(CK_ULONG flags, CK_ULONG *changed) {
    return CALL(C_WaitForSlotEvent, (CK_ULONG, CK_ULONG *, void *), flags, changed, NULL);
}

static void each_change_is_told_once(HANDLE session) {
    CK_ULONG changed = 77;
    (void)session;
    CHECK(CKR_NO_EVENT, wait_for_event(CKF_DONT_BLOCK, &changed));
    arm(1, FAULTY_AWAY, FOR_EVER);
    CHECK(CKR_OK, wait_for_event(CKF_DONT_BLOCK, &changed));
    CHECK(slot, changed);
    CHECK(CKR_NO_EVENT, wait_for_event(CKF_DONT_BLOCK, &changed));
    release();
    CHECK(CKR_OK, wait_for_event(0, &changed));
    CHECK(slot, changed);
    CHECK(CKR_NO_EVENT, wait_for_event(CKF_DONT_BLOCK, &changed));
}

static CK_ULONG wanted_of_waiter;

static void *wait_in_thread(void *none) {
    CK_ULONG changed = slot;
    CHECK(wanted_of_waiter, wait_for_event(0, &changed));
    CHECK(slot, changed);
    return none;
}

/* One who waits, and has looked by now. */
static pthread_t start_waiting(CK_ULONG wanted) {
    pthread_t waiter;
    CK_ULONG changed;
    CHECK(CKR_NO_EVENT, wait_for_event(CKF_DONT_BLOCK, &changed));
    wanted_of_waiter = wanted;
    arm(0, FAULTY_NOTHING, 0);
    CHECK(0, pthread_create(&waiter, NULL, wait_in_thread, NULL));
    begin("C_WaitForSlotEvent");
    while (calls() == 0) {
        sched_yield();
    }
    return waiter;
}

static void whoever_waits_is_told_of_a_change(HANDLE session) {
    (void)session;
    pthread_t waiter = start_waiting(CKR_OK);
    arm(1, FAULTY_AWAY, FOR_EVER);
    pthread_join(waiter, NULL);
}

static void whoever_waits_is_told_of_the_end(HANDLE session) {
    (void)session;
    pthread_t waiter = start_waiting(CKR_CRYPTOKI_NOT_INITIALIZED);
    CHECK(CKR_OK, finalize());
    pthread_join(waiter, NULL);
}

static CK_ULONG validation_flags(HANDLE session, CK_ULONG *flags) {
    *flags = 77;
    return CALL(C_GetSessionValidationFlags, (HANDLE, CK_ULONG, CK_ULONG *), session, CKS_LAST_VALIDATION_OK, flags);
}

static void expect_flags(HANDLE session, CK_ULONG wanted) {
    CK_ULONG flags;
    CHECK(CKR_OK, validation_flags(session, &flags));
    CHECK(wanted, flags);
}

static void encrypt_unapproved(HANDLE session) {
    encrypt(session, find(session, CKO_SECRET_KEY), STATELESS);
    CHECK(0, complaints);
}

/* The faulty module approves of all mechanisms but CKM_AES_CBC_PAD. */
static void validation_is_that_of_the_sessions_own_operation(HANDLE session) {
    HANDLE other = open_in(slot);
    expect_flags(session, 0);
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, digest(session));
    expect_flags(session, CKS_LAST_VALIDATION_OK);
    encrypt_unapproved(other);
    expect_flags(other, 0);
    expect_flags(session, CKS_LAST_VALIDATION_OK);
    CHECK(CKR_OK, digest(other));
    encrypt_unapproved(session);
    expect_flags(session, 0);
    expect_flags(other, CKS_LAST_VALIDATION_OK);
    arm(1, FAULTY_LOSE_SESSIONS, 0);
    CHECK(CKR_OK, session_info(other));
    CHECK(CKR_OK, digest(session));
    expect_flags(session, CKS_LAST_VALIDATION_OK);
}

static void a_module_without_validation_flags_has_none(HANDLE session) {
    CK_ULONG flags;
    CHECK(CKR_FUNCTION_NOT_SUPPORTED, validation_flags(session, &flags));
}

enum { ROUNDS = 100 };

static void *sign_and_digest(void *none) {
    HANDLE session = open_in(slot), private = find(session, CKO_PRIVATE_KEY);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK(CKR_OK, digest(session));
        sign(session, private, 0);
    }
    return none;
}

static void sign_in_threads(HANDLE session) {
    pthread_t threads[THREADS];
    CHECK(CKR_OK, login(session));
    for (int number = 0; number < THREADS; number++) {
        CHECK(0, pthread_create(&threads[number], NULL, sign_and_digest, NULL));
    }
    for (int number = 0; number < THREADS; number++) {
        pthread_join(threads[number], NULL);
    }
    CHECK(0, complaints);
}

static void calls_are_made_one_at_a_time(HANDLE session) {
    sign_in_threads(session);
    CHECK(0, threads_told());
    CHECK(1, crowd());
}

static void the_module_is_told_of_threads(HANDLE session) {
    sign_in_threads(session);
    CHECK(1, threads_told());
}

/* Also when the device has forgotten it. */
static void the_configuration_logs_in(HANDLE session) {
    CHECK(0, flags_of_token() & CKF_LOGIN_REQUIRED);
    signs(session);
    arm(1, FAULTY_LOSE_LOGIN, 0);
    signs(session);
    arm(1, FAULTY_LOSE_SESSIONS, 0);
    signs(session);
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, logout(session));
    signs(session);
}

/* It is tried once, and bars no login of the application's. */
static void a_wrong_reference_is_told_of(HANDLE session) {
    arm(0, FAULTY_NOTHING, 0);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK(CKR_FUNCTION_FAILED, digest(session));
    }
    CHECK(CKR_OK, login(session));
    signs(session);
}

/* Read-only sessions of the vendor's are in the way of a security officer, and not the application's affair. */
static void the_security_officer_logs_in_after_read_only_sessions(HANDLE session) {
    const char *so_pin = getenv("SO_PIN");
    HANDLE reader = 0;
    CHECK(CKR_OK, CALL(C_OpenSession, (CK_ULONG, CK_ULONG, void *, void *, HANDLE *), slot, CKF_SERIAL, NULL, NULL,
                       &reader));
    CHECK(CKR_OK, digest(reader));
    find(reader, CKO_PUBLIC_KEY);
    CHECK(CKR_OK, CALL(C_CloseSession, (HANDLE), reader));
    CHECK(CKR_OK, CALL(C_Login, (HANDLE, CK_ULONG, const char *, CK_ULONG), session, CKU_SO, so_pin, strlen(so_pin)));
    CHECK(CKR_OK, logout(session));
    CHECK(CKR_OK, login(session));
    signs(session);
}

static const struct way ways[] = {
    {"typed", a_pin_is_typed},
    {"given", a_pin_may_be_given_all_the_same},
    {"cancelled", whoever_cancels_is_not_logged_in},
    {"wrong", a_wrong_pin_is_typed},
    {"lost", a_lost_login_is_typed_again},
    {"changed", a_new_pin_is_typed},
    {"without", without_a_pad_a_pin_must_be_given},
    {"mechanism-told-of", a_vendors_mechanism_is_told_of},
    {"parameter-handed-on", a_vendors_parameter_is_handed_on},
    {"keys", keys_are_made_and_used_with_a_vendors_mechanism},
    {"parameter-judged", a_vendors_parameter_is_judged_by_the_vendor},
    {"validation", validation_is_that_of_the_sessions_own_operation},
    {"no-validation", a_module_without_validation_flags_has_none},
    {"events-once", each_change_is_told_once},
    {"event-waited-for", whoever_waits_is_told_of_a_change},
    {"events-end", whoever_waits_is_told_of_the_end},
    {"one-at-a-time", calls_are_made_one_at_a_time},
    {"told-of-threads", the_module_is_told_of_threads},
    {"by-reference", the_configuration_logs_in},
    {"wrong-reference", a_wrong_reference_is_told_of},
    {"officer", the_security_officer_logs_in_after_read_only_sessions},
};

int main(int count, char **arguments) {
    HANDLE session = start_before(arguments, &for_threads);
    *(void **)&pin_pad = dlsym(vendor, "faulty_pin_pad");
    *(void **)&prompts = dlsym(vendor, "faulty_prompts");
    *(void **)&crowd = dlsym(vendor, "faulty_crowd");
    *(void **)&threads_told = dlsym(vendor, "faulty_threads");
    CHECK(4, count);
    return GO(ways, arguments[3], session);
}
