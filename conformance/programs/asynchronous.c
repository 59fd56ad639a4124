/* SPDX-License-Identifier: MIT
 * The host of work.h in asynchronous sessions: what its device does not answer is under way, and no call waits for it.
 * What must not be ends it with 3 and a line that says where; a call that hangs ends it with 9. */
#include "work.h"
#include <sched.h>

enum {
    CKR_BUFFER_TOO_SMALL = 0x150,
    CKR_SAVED_STATE_INVALID = 0x160,
    CKR_STATE_UNSAVEABLE = 0x180,
    CKR_PENDING = 0x204,
    CKR_SESSION_ASYNC_NOT_SUPPORTED = 0x205,
};
enum { CKF_ASYNC = 8, CKF_ASYNC_SUPPORTED = 1 << 26, CKF_CANT_CREATE_THREADS = 1, CKM_RSA_KEY_PAIR_GEN = 0 };

/* What no call may need while the device hangs, in milliseconds: a fraction of what the tests' deadlines are. */
enum { AT_ONCE = 400 };

/* CK_ASYNC_DATA */
struct result { CK_ULONG version; BYTES value; CK_ULONG length; HANDLE object, additional; };

/* Memory for an output, which outlives the call; and what is written there where nothing may be. */
struct memory { CK_BYTE bytes[ROOM]; CK_ULONG length; };
enum { UNTOUCHED = 0xa5 };

static HANDLE private, public, secret;
static CK_BYTE iv[BLOCK] = {1};

static HANDLE open_async(void) {
    HANDLE session = 0;
    CHECK(CKR_OK, CALL(C_OpenSession, (CK_ULONG, CK_ULONG, void *, void *, HANDLE *), slot, CKF_RW | CKF_ASYNC, NULL,
                       NULL, &session));
    return session;
}

static CK_ULONG close_session(HANDLE session) { return CALL(C_CloseSession, (HANDLE), session); }

/* A call that must not wait. */
#define AT_ONCE_IS(wanted, call) \
    do { \
        long began = begin(#call); \
        CHECK(wanted, call); \
        CHECK(1, milliseconds() - began < AT_ONCE); \
    } while (0)

static CK_ULONG start_operation(const char *init, HANDLE session, CK_ULONG how, HANDLE key) {
    CK_MECHANISM mechanism = {how, how == CKM_AES_CBC_PAD ? iv : NULL, how == CKM_AES_CBC_PAD ? BLOCK : 0};
    return ((CK_ULONG(*)(HANDLE, CK_MECHANISM *, HANDLE))function(init))(session, &mechanism, key);
}

/* C_Sign and its kind; the input is gone when the call returns. */
static CK_ULONG whole(const char *name, HANDLE session, const void *data, CK_ULONG length, struct memory *out) {
    CK_BYTE input[ROOM];
    memcpy(input, data, length);
    memset(out->bytes, UNTOUCHED, ROOM);
    out->length = ROOM;
    CK_ULONG rv = ((CK_ULONG(*)(HANDLE, BYTES, CK_ULONG, BYTES, CK_ULONG *))function(name))(
        session, input, length, out->bytes, &out->length);
    memset(input, 0, ROOM);
    return rv;
}

static CK_ULONG last(const char *name, HANDLE session, struct memory *out) {
    memset(out->bytes, UNTOUCHED, ROOM);
    out->length = ROOM;
    return ((CK_ULONG(*)(HANDLE, BYTES, CK_ULONG *))function(name))(session, out->bytes, &out->length);
}

static CK_ULONG complete(HANDLE session, const char *name, struct result *result) {
    return CALL(C_AsyncComplete, (HANDLE, const char *, struct result *), session, name, result);
}

/* Asks until there is an answer. */
static struct result fetched(HANDLE session, const char *name) {
    struct result result;
    CK_ULONG rv;
    begin(name);
    while ((rv = complete(session, name, &result)) == CKR_PENDING) {
        sched_yield();
    }
    CHECK(CKR_OK, rv);
    return result;
}

/* The same for a function with output, which is where it was said to go. */
static void fetch(HANDLE session, const char *name, struct memory *out) {
    struct result result = fetched(session, name);
    CHECK(1, result.value == out->bytes);
    out->length = result.length;
}

/* Waits until the device hangs in a call. */
static void until_it_hangs(unsigned long many) {
    begin("waiting for calls that hang");
    while (hanging() < many) {
        sched_yield();
    }
}

/* The device hangs from its next call on. */
static void hang_now(void) { arm(1, FAULTY_HANG | FAULTY_FROM_THEN_ON, 0); }

static void is_signature(HANDLE session, struct memory *signature, const char *data) {
    verify(session, public, CKM_RSA_PKCS, (BYTES)data, strlen(data), signature->bytes, signature->length);
    CHECK(0, complaints);
}

static void is_untouched(const struct memory *out) {
    for (int i = 0; i < ROOM; i++) {
        CHECK(UNTOUCHED, out->bytes[i]);
    }
}

/* A signature that hangs in the device. */
static HANDLE begin_to_hang(struct memory *out) {
    HANDLE session = open_async();
    CHECK(CKR_OK, start_operation("C_SignInit", session, CKM_RSA_PKCS, private));
    hang_now();
    AT_ONCE_IS(CKR_PENDING, whole("C_Sign", session, "data", 4, out));
    until_it_hangs(1);
    return session;
}

static CK_ULONG generate_pair(HANDLE session, HANDLE keys[2]) {
    CK_MECHANISM mechanism = {CKM_RSA_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 1024;
    CK_ATTRIBUTE template[] = {{0x121, &bits, sizeof bits}, {CKA_LABEL, "made", 4}};
    return CALL(C_GenerateKeyPair, (HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, CK_ATTRIBUTE *, CK_ULONG, HANDLE *,
                                    HANDLE *),
                session, &mechanism, template, 2, template + 1, 1, keys, keys + 1);
}

/* ---- scenarios */

static void everything_that_may_pend(void) {
    struct memory out, text;
    HANDLE session = open_async();
    CHECK(CKR_OK, start_operation("C_SignInit", session, CKM_RSA_PKCS, private));
    CHECK(CKR_PENDING, whole("C_Sign", session, "data", 4, &out));
    fetch(session, "C_Sign", &out);
    is_signature(session, &out, "data");

    CHECK(CKR_OK, start_operation("C_SignInit", session, CKM_SHA256_RSA_PKCS, private));
    CHECK(CKR_OK, CALL(C_SignUpdate, (HANDLE, const char *, CK_ULONG), session, "data", 4));
    CHECK(CKR_PENDING, last("C_SignFinal", session, &out));
    fetch(session, "C_SignFinal", &out);
    verify(session, public, CKM_SHA256_RSA_PKCS, (BYTES) "data", 4, out.bytes, out.length);
    CHECK(0, complaints);

    CHECK(CKR_OK, start_operation("C_EncryptInit", session, CKM_AES_CBC_PAD, secret));
    CHECK(CKR_PENDING, whole("C_Encrypt", session, "twenty bytes of text", 20, &text));
    fetch(session, "C_Encrypt", &text);
    CHECK(32, text.length);
    CHECK(CKR_OK, start_operation("C_DecryptInit", session, CKM_AES_CBC_PAD, secret));
    CHECK(CKR_PENDING, whole("C_Decrypt", session, text.bytes, text.length, &out));
    fetch(session, "C_Decrypt", &out);
    CHECK(20, out.length);
    CHECK(0, memcmp(out.bytes, "twenty bytes of text", 20));

    CK_ULONG length = ROOM, all;
    CHECK(CKR_OK, start_operation("C_EncryptInit", session, CKM_AES_CBC_PAD, secret));
    CHECK(CKR_OK, CALL(C_EncryptUpdate, (HANDLE, const char *, CK_ULONG, BYTES, CK_ULONG *), session,
                       "twenty bytes of text", 20, text.bytes, &length));
    all = length;
    CHECK(CKR_PENDING, last("C_EncryptFinal", session, &out));
    fetch(session, "C_EncryptFinal", &out);
    memcpy(text.bytes + all, out.bytes, out.length);
    all += out.length;
    CHECK(32, all);
    CHECK(CKR_OK, start_operation("C_DecryptInit", session, CKM_AES_CBC_PAD, secret));
    length = ROOM;
    CK_BYTE plain[ROOM];
    CHECK(CKR_OK, CALL(C_DecryptUpdate, (HANDLE, BYTES, CK_ULONG, BYTES, CK_ULONG *), session, text.bytes, all, plain,
                       &length));
    CHECK(CKR_PENDING, last("C_DecryptFinal", session, &out));
    fetch(session, "C_DecryptFinal", &out);
    CHECK(20, length + out.length);
    memcpy(plain + length, out.bytes, out.length);
    CHECK(0, memcmp(plain, "twenty bytes of text", 20));

    CHECK(CKR_OK, start_operation("C_EncryptInit", session, CKM_RSA_PKCS, public));
    CHECK(CKR_PENDING, whole("C_Encrypt", session, "data", 4, &text));
    fetch(session, "C_Encrypt", &text);
    CHECK(CKR_OK, start_operation("C_DecryptInit", session, CKM_RSA_PKCS, private));
    CHECK(CKR_PENDING, whole("C_Decrypt", session, text.bytes, text.length, &out));
    fetch(session, "C_Decrypt", &out);
    CHECK(4, out.length);

    HANDLE keys[2] = {7, 7};
    CHECK(CKR_PENDING, generate(session, keys));
    struct result made = fetched(session, "C_GenerateKey");
    CHECK(7, keys[0]);
    CHECK(CKR_OK, start_operation("C_EncryptInit", session, CKM_AES_CBC_PAD, made.object));
    CHECK(CKR_PENDING, generate_pair(session, keys));
    made = fetched(session, "C_GenerateKeyPair");
    CHECK(1, made.object && made.additional && made.object != made.additional);
    CHECK(3, count_made(session));
    CHECK(CKR_OK, close_session(session));
    CHECK(0, count_made(kept));
}

static void too_small(void) {
    HANDLE session = open_async();
    CK_BYTE room[16];
    CK_ULONG length = sizeof room;
    CHECK(CKR_OK, start_operation("C_SignInit", session, CKM_RSA_PKCS, private));
    hang_now();
    AT_ONCE_IS(CKR_BUFFER_TOO_SMALL, CALL(C_Sign, (HANDLE, BYTES, CK_ULONG, BYTES, CK_ULONG *), session, (BYTES) "data",
                                          4, room, &length));
    CHECK(256, length);
    AT_ONCE_IS(CKR_OPERATION_NOT_INITIALIZED, complete(session, "C_Sign", &(struct result){0}));
    release();
    struct memory out;
    CHECK(CKR_PENDING, whole("C_Sign", session, "data", 4, &out));
    fetch(session, "C_Sign", &out);
    is_signature(session, &out, "data");
}

static void no_call_waits(void) {
    struct memory out, other;
    struct result result;
    CK_ULONG id;
    HANDLE second = open_async();
    CHECK(CKR_OK, start_operation("C_EncryptInit", second, CKM_AES_CBC_PAD, secret));
    HANDLE session = begin_to_hang(&out);
    AT_ONCE_IS(CKR_PENDING, complete(session, "C_Sign", &result));
    AT_ONCE_IS(CKR_STATE_UNSAVEABLE, CALL(C_AsyncGetID, (HANDLE, const char *, CK_ULONG *), session, "C_Sign", &id));
    AT_ONCE_IS(CKR_SAVED_STATE_INVALID,
               CALL(C_AsyncJoin, (HANDLE, const char *, CK_ULONG, BYTES, CK_ULONG), session, "C_Sign", 1, out.bytes, ROOM));
    AT_ONCE_IS(CKR_OPERATION_NOT_INITIALIZED, complete(session, "C_GenerateKey", &result));
    AT_ONCE_IS(CKR_PENDING, generate(session, &(HANDLE){0}));
    AT_ONCE_IS(CKR_PENDING, whole("C_Encrypt", second, "twenty bytes of text", 20, &other));
    AT_ONCE_IS(CKR_OK, session_info(session));
    AT_ONCE_IS(CKR_OK, digest(neighbour));
    until_it_hangs(3);
    is_untouched(&out);
    release();
    fetch(session, "C_Sign", &out);
    is_signature(session, &out, "data");
    fetched(session, "C_GenerateKey");
    fetch(second, "C_Encrypt", &other);
    CHECK(32, other.length);
}

static void ended_while_pending(int cancel) {
    /* More often than the slot has sessions of the vendor's: none stays behind. */
    for (int round = 0; round < 6; round++) {
        struct memory out;
        struct result result;
        HANDLE session = begin_to_hang(&out);
        AT_ONCE_IS(CKR_PENDING, generate(session, &(HANDLE){0}));
        until_it_hangs(2);
        if (cancel) {
            AT_ONCE_IS(CKR_OK, CALL(C_SessionCancel, (HANDLE, CK_ULONG), session, 0x8000 | 0x800));
            AT_ONCE_IS(CKR_OPERATION_NOT_INITIALIZED, complete(session, "C_Sign", &result));
            AT_ONCE_IS(CKR_OPERATION_NOT_INITIALIZED, complete(session, "C_GenerateKey", &result));
        } else {
            AT_ONCE_IS(CKR_OK, close_session(session));
            AT_ONCE_IS(CKR_SESSION_HANDLE_INVALID, complete(session, "C_Sign", &result));
        }
        release();
        begin("waiting until the key is gone that nobody waited for");
        while (count_made(kept) != 0) {
            sched_yield();
        }
        is_untouched(&out);
        if (cancel) {
            CHECK(CKR_OK, start_operation("C_SignInit", session, CKM_RSA_PKCS, private));
            CHECK(CKR_PENDING, whole("C_Sign", session, "data", 4, &out));
            fetch(session, "C_Sign", &out);
            is_signature(session, &out, "data");
            CHECK(CKR_OK, close_session(session));
        }
        sign(kept, private, public);
        CHECK(0, complaints);
    }
}

static void closed_while_pending(void) { ended_while_pending(0); }

static void cancelled_while_pending(void) { ended_while_pending(1); }

static void logged_out_while_pending(void) {
    struct memory out;
    struct result result;
    HANDLE session = open_async();
    CHECK(CKR_OK, start_operation("C_SignInit", session, CKM_RSA_PKCS, private));
    arm(1, FAULTY_HANG, 0);
    CHECK(CKR_PENDING, whole("C_Sign", session, "data", 4, &out));
    until_it_hangs(1);
    CHECK(CKR_OK, CALL(C_Logout, (HANDLE), kept));
    CHECK(CKR_OPERATION_NOT_INITIALIZED, complete(session, "C_Sign", &result));
    release();
    CHECK(CKR_OK, login(kept));
    is_untouched(&out);
    CHECK(CKR_OPERATION_NOT_INITIALIZED, complete(session, "C_Sign", &result));
}

/* The slot has a deadline, which counts from the call. */
static void too_late(void) {
    struct memory out;
    struct result result;
    CK_ULONG rv;
    HANDLE session = begin_to_hang(&out);
    long began = begin("C_AsyncComplete");
    while ((rv = complete(session, "C_Sign", &result)) == CKR_PENDING) {
        CHECK(1, milliseconds() - began < 5000);
        sched_yield();
    }
    CHECK(CKR_DEVICE_ERROR, rv);
    CHECK(1, result.value == out.bytes);
    release();
    is_untouched(&out);
    work();
    CHECK(0, complaints);
}

enum { MANY = 40, MORE = 300 };

/* More than there are threads, from one thread; and, one after the other, more than there are sessions of the vendor's. */
static void many_at_once(void) {
    static struct memory out[MORE];
    static HANDLE sessions[MORE];
    CHECK(CKR_OK, start_operation("C_SignInit", kept, CKM_RSA_PKCS, private));
    CHECK(CKR_OK, whole("C_Sign", kept, "data", 4, out));
    for (int number = 0; number < MANY; number++) {
        sessions[number] = open_async();
        CHECK(CKR_OK, start_operation("C_SignInit", sessions[number], CKM_RSA_PKCS, private));
    }
    hang_now();
    for (int number = 0; number < MANY; number++) {
        AT_ONCE_IS(CKR_PENDING, whole("C_Sign", sessions[number], "data", 4, &out[number]));
    }
    until_it_hangs(4);
    release();
    for (int number = 0; number < MANY; number++) {
        fetch(sessions[number], "C_Sign", &out[number]);
        is_signature(kept, &out[number], "data");
        CHECK(CKR_OK, close_session(sessions[number]));
    }
    for (int number = 0; number < MORE; number++) {
        sessions[number] = open_async();
        CHECK(CKR_OK, start_operation("C_SignInit", sessions[number], CKM_RSA_PKCS, private));
        CHECK(CKR_PENDING, whole("C_Sign", sessions[number], "data", 4, &out[number]));
    }
    for (int number = 0; number < MORE; number++) {
        fetch(sessions[number], "C_Sign", &out[number]);
        is_signature(kept, &out[number], "data");
    }
}

static void *args_with(CK_ULONG flags) {
    static struct { void *mutexes[4]; CK_ULONG flags; void *reserved; } args;
    args.flags = CKF_OS_LOCKING_OK | flags;
    return &args;
}

static void start(void) {
    CHECK(CKR_OK, CALL(C_Initialize, (void *), args_with(0)));
    find_slots();
    kept = open_in(slot);
    neighbour = open_in(soft_slot);
    CHECK(CKR_OK, login(kept));
    private = find(kept, CKO_PRIVATE_KEY);
    public = find(kept, CKO_PUBLIC_KEY);
    secret = find(kept, CKO_SECRET_KEY);
    CHECK(0, complaints);
}

static void finalized_while_pending(void) {
    struct memory out;
    for (int round = 0; round < 3; round++) {
        begin_to_hang(&out);
        long began = begin("C_Finalize");
        CHECK(CKR_OK, finalize());
        CHECK(1, milliseconds() - began < 5000);
        release();
        is_untouched(&out);
        start();
        everything_that_may_pend();
    }
}

static void child(CK_ULONG inherited) {
    struct result result;
    is_not_initialized(inherited);
    CHECK(CKR_CRYPTOKI_NOT_INITIALIZED, complete(inherited, "C_Sign", &result));
    arm(0, FAULTY_NOTHING, 0);
    start();
    CHECK(CKR_SESSION_HANDLE_INVALID, complete(inherited, "C_Sign", &result));
    everything_that_may_pend();
    CHECK(CKR_OK, finalize());
}

static void forked_while_pending(void) {
    struct memory out;
    HANDLE session = begin_to_hang(&out);
    pid_t other = start_child(child, session);
    wait_for(other);
    struct result result;
    AT_ONCE_IS(CKR_PENDING, complete(session, "C_Sign", &result));
    release();
    fetch(session, "C_Sign", &out);
    is_signature(session, &out, "data");
}

/* For an application that forbids threads there are none. */
static void without_threads(void) {
    struct { CK_BYTE texts[96]; CK_ULONG flags, rest[32]; } info;
    CK_ULONG session;
    CHECK(CKR_OK, CALL(C_GetTokenInfo, (CK_ULONG, void *), slot, &info));
    CHECK(CKF_ASYNC_SUPPORTED, info.flags & CKF_ASYNC_SUPPORTED);
    CHECK(CKR_OK, finalize());
    CHECK(CKR_OK, CALL(C_Initialize, (void *), args_with(CKF_CANT_CREATE_THREADS)));
    CHECK(CKR_OK, CALL(C_GetTokenInfo, (CK_ULONG, void *), slot, &info));
    CHECK(0, info.flags & CKF_ASYNC_SUPPORTED);
    CHECK(CKR_SESSION_ASYNC_NOT_SUPPORTED, CALL(C_OpenSession, (CK_ULONG, CK_ULONG, void *, void *, HANDLE *), slot,
                                                CKF_RW | CKF_ASYNC, NULL, NULL, &session));
    kept = open_in(slot);
    work();
    CHECK(0, complaints);
}

static const struct { const char *name; void (*go)(void); } scenarios[] = {
    {"everything", everything_that_may_pend},
    {"too-small", too_small},
    {"no-call-waits", no_call_waits},
    {"closed", closed_while_pending},
    {"cancelled", cancelled_while_pending},
    {"logged-out", logged_out_while_pending},
    {"too-late", too_late},
    {"many", many_at_once},
    {"finalized", finalized_while_pending},
    {"forked", forked_while_pending},
    {"without-threads", without_threads},
};

int main(int count, char **arguments) {
    (void)count;
    signal(SIGALRM, on_signal);
    load(arguments[1]);
    load_controls(arguments[2]);
    start();
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(scenarios[i].name, arguments[3]) == 0) {
            scenarios[i].go();
            return 0;
        }
    }
    return 8;
}
