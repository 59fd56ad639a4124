/* SPDX-License-Identifier: MIT
 * A host whose first slot stands before the module of faulty.c, with a soft slot beside it. It does the same work again
 * and again while the device fails, in the way that the third argument names. What must not be is printed; it ends with
 * 3 if there was anything, with a signal's line and 9 if it crashed or hung. */
#include "host.h"
#include "faulty.h"
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>

enum {
    CKR_HOST_MEMORY = 2,
    CKR_GENERAL_ERROR = 5,
    CKR_FUNCTION_FAILED = 6,
    CKR_DEVICE_ERROR = 0x30,
    CKR_DEVICE_REMOVED = 0x32,
    CKR_KEY_HANDLE_INVALID = 0x60,
    CKR_OBJECT_HANDLE_INVALID = 0x82,
    CKR_OPERATION_NOT_INITIALIZED = 0x91,
    CKR_TOKEN_NOT_PRESENT = 0xe0,
    CKR_USER_ALREADY_LOGGED_IN = 0x100,
    CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191,
};
enum { CKO_PUBLIC_KEY = 2, CKO_PRIVATE_KEY = 3, CKO_SECRET_KEY = 4 };
enum { CKA_CLASS = 0, CKA_TOKEN = 1, CKA_LABEL = 3, CKA_KEY_TYPE = 0x100, CKA_ID = 0x102 };
enum { CKF_OS_LOCKING_OK = 2, CKA_ENCRYPT = 0x104, CKA_DECRYPT = 0x105, CKA_VALUE_LEN = 0x161 };
enum { CKM_RSA_PKCS = 1, CKM_SHA256_RSA_PKCS = 0x40, CKM_AES_KEY_GEN = 0x1080, CKM_AES_CBC_PAD = 0x1085 };
enum { ROOM = 512, BLOCK = 16, MOST_COMPLAINTS = 40, MOST_SLOTS = 8 };

/* How long a call may take where nothing hangs, in seconds; the machine may be busy. */
enum { PATIENCE = 60 };

typedef CK_BYTE *BYTES;
typedef CK_ULONG HANDLE;

/* What one run is under: a row of `faults`, or NULL where the device is well. */
struct fault {
    const char *kind, *name;
    int how;
    CK_ULONG argument;
    /* Whether work that keeps no state in the device must succeed. */
    int heals;
};

static const struct fault faults[] = {
    {"once", "general-error", FAULTY_ANSWER, CKR_GENERAL_ERROR, 0},
    {"once", "function-failed", FAULTY_ANSWER, CKR_FUNCTION_FAILED, 0},
    {"once", "host-memory", FAULTY_ANSWER, CKR_HOST_MEMORY, 0},
    {"once", "device-error", FAULTY_ANSWER, CKR_DEVICE_ERROR, 0},
    {"once", "device-removed", FAULTY_ANSWER, CKR_DEVICE_REMOVED, 0},
    {"once", "token-not-present", FAULTY_ANSWER, CKR_TOKEN_NOT_PRESENT, 0},
    {"once", "session-handle-invalid", FAULTY_ANSWER, CKR_SESSION_HANDLE_INVALID, 0},
    {"once", "not-logged-in", FAULTY_ANSWER, CKR_USER_NOT_LOGGED_IN, 0},
    {"once", "not-initialized", FAULTY_ANSWER, CKR_CRYPTOKI_NOT_INITIALIZED, 0},
    {"dead", "dead-with-error", FAULTY_ANSWER | FAULTY_FROM_THEN_ON, CKR_DEVICE_ERROR, 0},
    {"dead", "dead-and-removed", FAULTY_ANSWER | FAULTY_FROM_THEN_ON, CKR_DEVICE_REMOVED, 0},
    {"dead", "dead-without-sessions", FAULTY_ANSWER | FAULTY_FROM_THEN_ON, CKR_SESSION_HANDLE_INVALID, 0},
    {"dead", "dead-without-login", FAULTY_ANSWER | FAULTY_FROM_THEN_ON, CKR_USER_NOT_LOGGED_IN, 0},
    {"dead", "dead-and-not-initialized", FAULTY_ANSWER | FAULTY_FROM_THEN_ON, CKR_CRYPTOKI_NOT_INITIALIZED, 0},
    {"lost", "sessions-lost", FAULTY_LOSE_SESSIONS, 0, 1},
    {"lost", "login-lost", FAULTY_LOSE_LOGIN, 0, 1},
    {"lost", "finalized", FAULTY_FINALIZE, 0, 1},
    {"away", "away-for-a-moment", FAULTY_AWAY, 0, 1},
    {"away", "away-for-5-calls", FAULTY_AWAY, 5, 0},
    {"away", "away-for-50-calls", FAULTY_AWAY, 50, 0},
};

static const struct fault hang_once = {"hang", "hang", FAULTY_HANG, 0, 0};
static const struct fault hang_always = {"hang", "hang-from-then-on", FAULTY_HANG | FAULTY_FROM_THEN_ON, 0, 0};

/* The controls of the module behind the first slot. */
static void *vendor;
static void (*arm)(unsigned long at, int how, unsigned long argument);
static unsigned long (*calls)(void), (*hanging)(void);
static const char *(*struck)(void);
static void (*release)(void);

static CK_ULONG slot, soft_slot;
/* Opened before each fault, and used after it. */
static HANDLE kept, neighbour;

static const struct fault *present;
static unsigned long at;
/* In milliseconds; where the device hangs, the slot's deadline and some. */
static long longest_call = PATIENCE * 1000L;
static atomic_int complaints;
static const char *volatile doing = "nothing yet";

/* Also in signal handlers, where fprintf may not be used but does no harm: the process ends. */
static void where(const char *what) {
    const char *in = struck ? struck() : NULL;
    const char *name = present ? present->name : "no fault";
    fprintf(stderr, "%s, call %lu (%s): %s: %s\n", name, at, in ? in : "not reached", doing, what);
}

static void on_signal(int number) {
    where(number == SIGALRM ? "HANGS" : strsignal(number));
    _exit(9);
}

static void complain(const char *step, const char *format, ...) {
    char text[200];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    doing = step;
    where(text);
    if (++complaints >= MOST_COMPLAINTS) {
        fprintf(stderr, "and more\n");
        exit(3);
    }
}

static long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

/* What may come of a call while the device fails. It never looks as if the application had done something wrong, or
 * as if this library were not initialised. */
static int is_failure(CK_ULONG rv) {
    static const CK_ULONG failures[] = {
        CKR_HOST_MEMORY, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED,
        CKR_TOKEN_NOT_PRESENT, CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID,
        CKR_FUNCTION_CANCELED,
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (rv == failures[i]) {
            return 1;
        }
    }
    return 0;
}

/* Whether a step needs what may be gone with the device's sessions: an operation under way, a session object. */
enum state { STATELESS, STATEFUL };

static CK_ULONG judge(const char *step, enum state state, long began, CK_ULONG rv) {
    long took = milliseconds() - began;
    if (took > longest_call) {
        complain(step, "took %ld ms", took);
    }
    if (rv != CKR_OK && (!present || (present->heals && state == STATELESS))) {
        complain(step, "gave %#lx and must succeed", rv);
    } else if (rv != CKR_OK && !is_failure(rv)) {
        complain(step, "gave %#lx, which is no failure of a device", rv);
    }
    if (present && hanging && hanging() > 0 && neighbour) {
        began = milliseconds();
        CK_ULONG other = digest(neighbour);
        took = milliseconds() - began;
        if (other != CKR_OK || took > longest_call) {
            complain("another slot meanwhile", "gave %#lx after %ld ms", other, took);
        }
    }
    return rv;
}

static long begin(const char *step) {
    doing = step;
    alarm(PATIENCE);
    return milliseconds();
}

#define STEP(state, name, types, ...) \
    ({ long began = begin(#name); judge(#name, state, began, CALL(name, types, __VA_ARGS__)); })

static HANDLE find(HANDLE session, CK_ULONG class) {
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, "tested", 6}};
    HANDLE found[2] = {0, 0};
    CK_ULONG count = 77;
    if (STEP(STATELESS, C_FindObjectsInit, (HANDLE, CK_ATTRIBUTE *, CK_ULONG), session, template, 2) != CKR_OK) {
        return 0;
    }
    CK_ULONG rv =
        STEP(STATELESS, C_FindObjects, (HANDLE, HANDLE *, CK_ULONG, CK_ULONG *), session, found, 2, &count);
    STEP(STATELESS, C_FindObjectsFinal, (HANDLE), session);
    if (rv == CKR_OK && count != 1) {
        complain("C_FindObjects", "found %lu of class %lu, and there is one", count, class);
    }
    return rv == CKR_OK && count == 1 ? found[0] : 0;
}

static void attributes(HANDLE session, HANDLE key) {
    CK_ULONG type = 77;
    char label[ROOM] = "", id[ROOM] = "";
    CK_ATTRIBUTE template[] = {{CKA_KEY_TYPE, &type, sizeof type}, {CKA_LABEL, label, ROOM}, {CKA_ID, id, ROOM}};
    CK_ULONG rv = STEP(STATELESS, C_GetAttributeValue, (HANDLE, HANDLE, CK_ATTRIBUTE *, CK_ULONG), session, key,
                       template, 3);
    if (rv == CKR_OK && (type != 0 || template[1].length != 6 || memcmp(label, "tested", 6) != 0)) {
        complain("C_GetAttributeValue", "key type %lu, label %s", type, label);
    }
}

static void verify(HANDLE session, HANDLE public, CK_ULONG how, BYTES data, CK_ULONG length, BYTES signature,
                   CK_ULONG signature_length) {
    CK_MECHANISM mechanism = {how, NULL, 0};
    if (STEP(STATELESS, C_VerifyInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, public) == CKR_OK) {
        STEP(STATELESS, C_Verify, (HANDLE, BYTES, CK_ULONG, BYTES, CK_ULONG), session, data, length, signature,
             signature_length);
    }
}

static void sign(HANDLE session, HANDLE private, HANDLE public) {
    CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};
    CK_BYTE signature[ROOM];
    CK_ULONG length = ROOM;
    if (STEP(STATELESS, C_SignInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, private) == CKR_OK &&
        STEP(STATELESS, C_Sign, (HANDLE, BYTES, CK_ULONG, BYTES, CK_ULONG *), session, (BYTES)"data", 4, signature,
             &length) == CKR_OK &&
        public) {
        verify(session, public, CKM_RSA_PKCS, (BYTES) "data", 4, signature, length);
    }
}

static void sign_in_parts(HANDLE session, HANDLE private, HANDLE public) {
    CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_BYTE signature[ROOM];
    CK_ULONG length = ROOM, rv;
    if (STEP(STATELESS, C_SignInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, private) != CKR_OK) {
        return;
    }
    for (int part = 0; part < 3; part++) {
        rv = STEP(STATEFUL, C_SignUpdate, (HANDLE, BYTES, CK_ULONG), session, (BYTES) "part", 4);
        if (rv != CKR_OK) {
            return;
        }
    }
    rv = STEP(STATEFUL, C_SignFinal, (HANDLE, BYTES, CK_ULONG *), session, signature, &length);
    if (rv == CKR_OK && public) {
        verify(session, public, CKM_SHA256_RSA_PKCS, (BYTES) "partpartpart", 12, signature, length);
    }
}

/* In parts; `from` is whose: a session object is lost with its session. */
static void encrypt(HANDLE session, HANDLE secret, enum state from) {
    CK_BYTE iv[BLOCK] = {1}, text[ROOM], plain[ROOM];
    CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, BLOCK};
    CK_ULONG length, all = 0;
    if (STEP(from, C_EncryptInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, secret) != CKR_OK) {
        return;
    }
    for (int part = 0; part < 3; part++, all += length) {
        length = ROOM - all;
        if (STEP(STATEFUL, C_EncryptUpdate, (HANDLE, const char *, CK_ULONG, BYTES, CK_ULONG *), session,
                 "twenty bytes of text", 20, text + all, &length) != CKR_OK) {
            return;
        }
    }
    length = ROOM - all;
    if (STEP(STATEFUL, C_EncryptFinal, (HANDLE, BYTES, CK_ULONG *), session, text + all, &length) != CKR_OK) {
        return;
    }
    all += length;
    length = ROOM;
    if (STEP(from, C_DecryptInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, secret) != CKR_OK ||
        STEP(from, C_Decrypt, (HANDLE, BYTES, CK_ULONG, BYTES, CK_ULONG *), session, text, all, plain, &length) !=
            CKR_OK) {
        return;
    }
    if (length != 60 || memcmp(plain + 40, "twenty bytes of text", 20) != 0) {
        complain("C_Decrypt", "another plaintext, of %lu bytes", length);
    }
}

static void digest_all(HANDLE session) {
    static const CK_BYTE abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CK_BYTE value[32];
    CK_ULONG length = sizeof value;
    if (STEP(STATELESS, C_DigestInit, (HANDLE, CK_MECHANISM *), session, &mechanism) == CKR_OK &&
        STEP(STATELESS, C_Digest, (HANDLE, const char *, CK_ULONG, BYTES, CK_ULONG *), session, "abc", 3, value,
             &length) == CKR_OK &&
        memcmp(value, abc, sizeof abc) != 0) {
        complain("C_Digest", "another digest");
    }
}

static void session_key(HANDLE session) {
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG length = 32;
    CK_BYTE yes = 1, no = 0;
    CK_ATTRIBUTE template[] = {
        {CKA_TOKEN, &no, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1}, {CKA_VALUE_LEN, &length, sizeof length}};
    HANDLE key;
    if (STEP(STATEFUL, C_GenerateKey, (HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session,
             &mechanism, template, 4, &key) == CKR_OK) {
        encrypt(session, key, STATEFUL);
        STEP(STATEFUL, C_DestroyObject, (HANDLE, HANDLE), session, key);
    }
}

/* Ends with the private key, if it was found. */
static HANDLE use(HANDLE session) {
    CK_BYTE random[32];
    HANDLE private = find(session, CKO_PRIVATE_KEY), public = find(session, CKO_PUBLIC_KEY);
    if (private) {
        attributes(session, private);
        sign(session, private, public);
        sign_in_parts(session, private, public);
    }
    HANDLE secret = find(session, CKO_SECRET_KEY);
    if (secret) {
        encrypt(session, secret, STATELESS);
    }
    digest_all(session);
    session_key(session);
    STEP(STATELESS, C_GenerateRandom, (HANDLE, BYTES, CK_ULONG), session, random, sizeof random);
    return private;
}

/* What is told of the slot and its token, without a session. */
static void look(void) {
    CK_ULONG info[100], count = 0;
    STEP(STATELESS, C_GetSlotInfo, (CK_ULONG, void *), slot, info);
    STEP(STATELESS, C_GetTokenInfo, (CK_ULONG, void *), slot, info);
    CK_ULONG rv = STEP(STATELESS, C_GetMechanismList, (CK_ULONG, CK_ULONG *, CK_ULONG *), slot, NULL, &count);
    if (rv == CKR_OK && count == 0) {
        complain("C_GetMechanismList", "no mechanisms");
    }
    STEP(STATELESS, C_GetMechanismInfo, (CK_ULONG, CK_ULONG, void *), slot, CKM_RSA_PKCS, info);
}

static HANDLE open_in(CK_ULONG in) {
    HANDLE session = 0;
    STEP(STATELESS, C_OpenSession, (CK_ULONG, CK_ULONG, void *, void *, HANDLE *), in, CKF_RW, NULL, NULL, &session);
    return session;
}

/* Ends logged in as the device allows; a logout before may have failed. */
static void log_in(HANDLE session) {
    long began = begin("C_Login");
    CK_ULONG rv = login(session);
    judge("C_Login", STATELESS, began, rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv);
}

static void log_out(HANDLE session) {
    long began = begin("C_Logout");
    CK_ULONG rv = CALL(C_Logout, (HANDLE), session);
    judge("C_Logout", STATELESS, began, rv == CKR_USER_NOT_LOGGED_IN && present ? CKR_OK : rv);
}

static void work(void) {
    look();
    HANDLE session = open_in(slot);
    if (session) {
        log_in(session);
        HANDLE private = use(session);
        if (private && kept) {
            sign(kept, private, 0);
        }
        log_out(session);
        STEP(STATELESS, C_CloseSession, (HANDLE), session);
    }
}

static void *work_logged_in(void *none) {
    HANDLE session = open_in(slot);
    if (session) {
        use(session);
        STEP(STATELESS, C_CloseSession, (HANDLE), session);
    }
    return none;
}

enum { TEAM = 4 };

static void work_together(void) {
    pthread_t threads[TEAM];
    log_in(kept);
    for (int number = 0; number < TEAM; number++) {
        if (pthread_create(&threads[number], NULL, work_logged_in, NULL) != 0) {
            exit(6);
        }
    }
    for (int number = 0; number < TEAM; number++) {
        pthread_join(threads[number], NULL);
    }
    log_out(kept);
}

/* CK_C_INITIALIZE_ARGS for an application with threads. */
static struct { void *mutexes[4]; CK_ULONG flags; void *reserved; } threads = {.flags = CKF_OS_LOCKING_OK};

static void initialize_for_threads(void) {
    begin("C_Initialize");
    CHECK(CKR_OK, CALL(C_Initialize, (void *), &threads));
}

static void finalize_now(void) {
    begin("C_Finalize");
    CHECK(CKR_OK, finalize());
}

static void start(void) {
    CK_ULONG slots[MOST_SLOTS], count = MOST_SLOTS;
    initialize_for_threads();
    CHECK(CKR_OK, CALL(C_GetSlotList, (CK_BYTE, CK_ULONG *, CK_ULONG *), 0, slots, &count));
    slot = slots[0];
    soft_slot = slots[count - 1];
    kept = open_in(slot);
}

/* Once with the device failing at its call number `call`, and once afterwards, without a new start. */
static void strike(const struct fault *fault, unsigned long call, void (*all)(void)) {
    at = call;
    present = fault;
    arm(call, fault->how, fault->argument);
    all();
    release();
    present = NULL;
    if (!kept) {
        kept = open_in(slot);
    }
    work();
}

/* How many calls the vendor's module has to answer. */
static unsigned long count_calls(void (*all)(void)) {
    arm(0, FAULTY_NOTHING, 0);
    all();
    return calls();
}

/* The library's start is part of the work: the device may fail before it was ever used. */
static void work_from_the_start(void) {
    finalize_now();
    initialize_for_threads();
    kept = open_in(slot);
    if (neighbour) {
        neighbour = open_in(soft_slot);
    }
    work();
}

static void strike_at_all_calls(const struct fault *fault, void (*all)(void), unsigned long step) {
    all();
    unsigned long count = count_calls(all);
    CHECK(1, count > 0);
    printf("%s: %lu calls\n", fault->name, count);
    fflush(stdout);
    for (unsigned long call = 1; call <= count; call += step) {
        strike(fault, call, all);
    }
}

/* All faults of a kind, or the one with this name. */
static void strike_with(const char *kind_or_name, void (*all)(void), unsigned long step) {
    int found = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (strcmp(faults[i].kind, kind_or_name) == 0 || strcmp(faults[i].name, kind_or_name) == 0) {
            strike_at_all_calls(&faults[i], all, step);
            found = 1;
        }
    }
    CHECK(1, found);
}

static void at_every_call(const char *kind) { strike_with(kind, work, 1); }

static void from_the_start(const char *kind) { strike_with(kind, work_from_the_start, 1); }

/* How many threads come in between differs each time, so that not every call need be chosen. */
static void in_threads(const char *kind) { strike_with(kind, work_together, 13); }

/* Calls end at the slot's deadline, in milliseconds, and not long after. */
static void expect_deadline(const char *deadline) {
    longest_call = atol(deadline) + 2000;
    neighbour = open_in(soft_slot);
}

static void hang_at_every_call(const char *deadline) {
    expect_deadline(deadline);
    strike_at_all_calls(&hang_once, work, 1);
}

static void hang_from_the_start(const char *deadline) {
    expect_deadline(deadline);
    strike_at_all_calls(&hang_once, work_from_the_start, 2);
}

static void hang_in_threads(const char *deadline) {
    expect_deadline(deadline);
    strike_at_all_calls(&hang_once, work_together, 13);
}

static unsigned threads_of_process(void) {
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    while (readdir(tasks)) {
        count++;
    }
    closedir(tasks);
    return count;
}

enum { MOST_THREADS = 64, HANGING_RUNS = 8 };

static void hang_on_and_on(const char *deadline) {
    expect_deadline(deadline);
    work();
    present = &hang_always;
    at = 1;
    arm(1, present->how, 0);
    for (int round = 0; round < HANGING_RUNS; round++) {
        work_together();
    }
    if (threads_of_process() > MOST_THREADS) {
        complain("a device that hangs for ever", "%u threads", threads_of_process());
    }
    release();
    present = NULL;
    work();
    work_together();
}

static void finalize_while_it_hangs(const char *deadline) {
    expect_deadline(deadline);
    work();
    unsigned long count = count_calls(work);
    for (unsigned long call = 1; call <= count + 1; call += 5) {
        present = &hang_always;
        at = call;
        arm(call, present->how, 0);
        log_in(kept);
        work_logged_in(NULL);
        long began = milliseconds();
        finalize_now();
        if (milliseconds() - began > longest_call + 3000) {
            complain("C_Finalize", "took %ld ms", milliseconds() - began);
        }
        release();
        present = NULL;
        start();
        neighbour = open_in(soft_slot);
        work();
    }
}

/* The process ends while calls hang; whatever they hold must not keep it. */
static void exit_while_it_hangs(const char *deadline) {
    expect_deadline(deadline);
    present = &hang_always;
    arm(1, present->how, 0);
    work();
    begin("exit");
}

static CK_ULONG vendors(const char *name, void *argument) {
    return ((CK_ULONG(*)(void *))dlsym(vendor, name))(argument);
}

/* A module that the application itself has initialised stays so. */
static void the_application_uses_it_too(const char *none) {
    (void)none;
    CK_ULONG info[100];
    finalize_now();
    CHECK(CKR_OK, vendors("C_Initialize", &threads));
    start();
    work();
    CHECK(CKR_OK, vendors("C_GetInfo", info));
    finalize_now();
    CHECK(CKR_OK, vendors("C_GetInfo", info));
    start();
    work();
    CHECK(CKR_OK, vendors("C_Finalize", NULL));
    work();
}

static void child(CK_ULONG inherited) {
    is_not_initialized(inherited);
    start();
    work();
    finalize_now();
    start();
    work();
    if (complaints) {
        _exit(3);
    }
}

static void fork_in_use(const char *none) {
    (void)none;
    log_in(kept);
    pid_t first = start_child(child, kept);
    use(kept);
    pid_t second = start_child(child, kept);
    use(kept);
    wait_for(first);
    use(kept);
    wait_for(second);
    log_out(kept);
    work();
}

/* With threads of the library's in calls that hang. */
static void fork_while_it_hangs(const char *deadline) {
    expect_deadline(deadline);
    work();
    present = &hang_always;
    arm(1, present->how, 0);
    work_together();
    pid_t other = fork();
    if (other == 0) {
        arm(0, FAULTY_NOTHING, 0);
        present = NULL;
        child(kept);
        exit(0);
    }
    release();
    present = NULL;
    wait_for(other);
    work();
}

static const struct { const char *name; void (*go)(const char *argument); } scenarios[] = {
    {"at-every-call", at_every_call},
    {"from-the-start", from_the_start},
    {"in-threads", in_threads},
    {"hang", hang_at_every_call},
    {"hang-from-the-start", hang_from_the_start},
    {"hang-in-threads", hang_in_threads},
    {"hang-on-and-on", hang_on_and_on},
    {"finalize-while-it-hangs", finalize_while_it_hangs},
    {"exit-while-it-hangs", exit_while_it_hangs},
    {"used-by-the-application", the_application_uses_it_too},
    {"fork", fork_in_use},
    {"fork-while-it-hangs", fork_while_it_hangs},
};

static void load_controls(const char *path) {
    vendor = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!vendor) {
        fprintf(stderr, "dlopen: %s\n", dlerror());
        exit(2);
    }
    *(void **)&arm = dlsym(vendor, "faulty_arm");
    *(void **)&calls = dlsym(vendor, "faulty_calls");
    *(void **)&struck = dlsym(vendor, "faulty_struck");
    *(void **)&hanging = dlsym(vendor, "faulty_hanging");
    *(void **)&release = dlsym(vendor, "faulty_release");
}

int main(int count, char **arguments) {
    static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        signal(signals[i], on_signal);
    }
    load(arguments[1]);
    load_controls(arguments[2]);
    start();
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(scenarios[i].name, arguments[3]) == 0) {
            scenarios[i].go(count > 4 ? arguments[4] : "");
            return complaints ? 3 : 0;
        }
    }
    return 8;
}
