/* SPDX-License-Identifier: MIT
 * The work of a host whose first slot stands before the module of faulty.c, with a soft slot beside it; and what may
 * come of each call while the device fails. */
#include "host.h"
#include "faulty.h"
#include <execinfo.h>
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
    CKR_OPERATION_ACTIVE = 0x90,
    CKR_OPERATION_NOT_INITIALIZED = 0x91,
    CKR_OBJECT_HANDLE_INVALID = 0x82,
    CKR_TOKEN_NOT_PRESENT = 0xe0,
    CKR_USER_ALREADY_LOGGED_IN = 0x100,
};
enum { CKO_PUBLIC_KEY = 2, CKO_PRIVATE_KEY = 3, CKO_SECRET_KEY = 4 };
enum { CKA_CLASS = 0, CKA_TOKEN = 1, CKA_LABEL = 3, CKA_KEY_TYPE = 0x100, CKA_ID = 0x102 };
enum { CKF_OS_LOCKING_OK = 2, CKA_ENCRYPT = 0x104, CKA_DECRYPT = 0x105, CKA_VALUE_LEN = 0x161 };
enum { CKM_RSA_PKCS = 1, CKM_SHA256_RSA_PKCS = 0x40, CKM_AES_KEY_GEN = 0x1080, CKM_AES_CBC_PAD = 0x1085 };
enum { ROOM = 512, BLOCK = 16, MOST_COMPLAINTS = 100, ALIKE = 3, MOST_SLOTS = 8 };

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

/* The controls of the module behind the first slot. */
static void *vendor;
static void (*arm)(unsigned long at, int how, unsigned long argument);
static unsigned long (*calls)(void), (*hanging)(void);
static const char *(*struck)(void);
static void (*release)(void);

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

static CK_ULONG slot, soft_slot;

static void find_slots(void) {
    CK_ULONG slots[MOST_SLOTS], count = MOST_SLOTS;
    CHECK(CKR_OK, CALL(C_GetSlotList, (CK_BYTE, CK_ULONG *, CK_ULONG *), 0, slots, &count));
    slot = slots[0];
    soft_slot = slots[count - 1];
}

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
    void *frames[64];
    where(number == SIGALRM ? "HANGS" : strsignal(number));
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    _exit(9);
}

/* Whether so many complaints like this one were printed that no more are needed. */
static int is_known(const char *step, const char *text) {
    static struct { const struct fault *fault; const char *step; char text[80]; int count; } known[MOST_COMPLAINTS];
    int i = 0;
    while (known[i].step && (known[i].fault != present || strcmp(known[i].step, step) || strcmp(known[i].text, text))) {
        if (++i == MOST_COMPLAINTS) {
            fprintf(stderr, "and more\n");
            exit(3);
        }
    }
    known[i].fault = present;
    known[i].step = step;
    snprintf(known[i].text, sizeof known[i].text, "%s", text);
    return ++known[i].count > ALIKE;
}

static void complain(const char *step, const char *format, ...) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    char text[80];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    pthread_mutex_lock(&one);
    doing = step;
    complaints++;
    if (!is_known(step, text)) {
        where(text);
    }
    pthread_mutex_unlock(&one);
}

static long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

/* Whether several threads work now. */
static int together;

/* A module that somebody finalises gives the handles of its sessions anew when it is initialised again: what other threads
 * have on its way to it meets somebody else's session, and theirs is met. What a provider could do against that is to let
 * one call in at a time. Before it was finalised, and once the threads are done, nobody is met. */
static int may_meet_others(void) { return together && present && present->how == FAULTY_FINALIZE && struck(); }

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
    if (may_meet_others() && (rv == CKR_OPERATION_ACTIVE || rv == CKR_OPERATION_NOT_INITIALIZED)) {
        return 1;
    }
    /* A login that cannot be made again is over, and what began under it ends as at a C_Logout. */
    return rv == CKR_OPERATION_NOT_INITIALIZED && present->argument == CKR_USER_NOT_LOGGED_IN;
}

/* Whether a step needs what may be gone with the device's sessions: an operation under way, a session object. */
enum state { STATELESS, STATEFUL };

/* Another slot works though this one hangs. */
static void ask_neighbour(void) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    long began = milliseconds();
    CK_ULONG rv = digest(neighbour);
    long took = milliseconds() - began;
    pthread_mutex_unlock(&one);
    if (rv != CKR_OK || took > longest_call) {
        complain("another slot meanwhile", "gave %#lx after %ld ms", rv, took);
    }
}

static CK_ULONG judge(const char *step, enum state state, long began, CK_ULONG rv) {
    long took = milliseconds() - began;
    if (took > longest_call) {
        complain(step, "took %ld ms", took);
    }
    int heals = present && present->heals && !may_meet_others();
    if (rv != CKR_OK && (!present || (heals && state == STATELESS))) {
        complain(step, "gave %#lx and must succeed", rv);
    } else if (rv != CKR_OK && !is_failure(rv)) {
        complain(step, "gave %#lx, which is no failure of a device", rv);
    }
    if (present && neighbour && hanging() > 0) {
        ask_neighbour();
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
    if (rv == CKR_OK && count != 1 && !(may_meet_others() && count == 0)) {
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

/* An AES key with the label "made", which ends with its session. */
static CK_ULONG generate(HANDLE session, HANDLE *key) {
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ULONG length = 32;
    CK_BYTE yes = 1, no = 0;
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &no, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1},
                               {CKA_VALUE_LEN, &length, sizeof length}, {CKA_LABEL, "made", 4}};
    return CALL(C_GenerateKey, (HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session, &mechanism,
                template, 5, key);
}

static HANDLE generated(HANDLE session) {
    HANDLE key;
    CHECK(CKR_OK, generate(session, &key));
    return key;
}

/* How many keys there are with the label of those that are made here. */
static CK_ULONG count_made(HANDLE session) {
    CK_ATTRIBUTE label = {CKA_LABEL, "made", 4};
    HANDLE found[8];
    CK_ULONG count;
    CHECK(CKR_OK, CALL(C_FindObjectsInit, (HANDLE, CK_ATTRIBUTE *, CK_ULONG), session, &label, 1));
    CHECK(CKR_OK, CALL(C_FindObjects, (HANDLE, HANDLE *, CK_ULONG, CK_ULONG *), session, found, 8, &count));
    CHECK(CKR_OK, CALL(C_FindObjectsFinal, (HANDLE), session));
    return count;
}

static void session_key(HANDLE session) {
    HANDLE key;
    long began = begin("C_GenerateKey");
    if (judge("C_GenerateKey", STATEFUL, began, generate(session, &key)) == CKR_OK) {
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

/* What is told of the slot and its token, without a session. That the device is not there at that moment is true. */
static void look(void) {
    CK_ULONG info[100], count = 0;
    STEP(STATEFUL, C_GetSlotInfo, (CK_ULONG, void *), slot, info);
    STEP(STATEFUL, C_GetTokenInfo, (CK_ULONG, void *), slot, info);
    CK_ULONG rv = STEP(STATEFUL, C_GetMechanismList, (CK_ULONG, CK_ULONG *, CK_ULONG *), slot, NULL, &count);
    if (rv == CKR_OK && count == 0) {
        complain("C_GetMechanismList", "no mechanisms");
    }
    STEP(STATEFUL, C_GetMechanismInfo, (CK_ULONG, CK_ULONG, void *), slot, CKM_RSA_PKCS, info);
}

static HANDLE open_in(CK_ULONG in) {
    HANDLE session = 0;
    STEP(STATELESS, C_OpenSession, (CK_ULONG, CK_ULONG, void *, void *, HANDLE *), in, CKF_RW, NULL, NULL, &session);
    return session;
}

/* Whether somebody is logged in then; a logout before may have failed. */
static int log_in(HANDLE session) {
    long began = begin("C_Login");
    CK_ULONG rv = login(session);
    return judge("C_Login", STATELESS, began, rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv) == CKR_OK;
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
        if (log_in(session)) {
            HANDLE private = use(session);
            if (private && kept) {
                sign(kept, private, 0);
            }
            log_out(session);
        }
        STEP(STATELESS, C_CloseSession, (HANDLE), session);
    }
}

/* For programs of single steps, by their arguments: the library, the module behind the first slot. Initialises with
 * what is given, and ends with a session. */
static HANDLE start_before(char **arguments, void *given) {
    signal(SIGALRM, on_signal);
    load(arguments[1]);
    load_controls(arguments[2]);
    CHECK(CKR_OK, CALL(C_Initialize, (void *), given));
    find_slots();
    return open_in(slot);
}

/* One function that begins an operation. */
static CK_ULONG init(const char *name, HANDLE session, CK_ULONG how, const void *parameter, CK_ULONG length, HANDLE key) {
    CK_MECHANISM mechanism = {how, (void *)parameter, length};
    return ((CK_ULONG(*)(HANDLE, CK_MECHANISM *, HANDLE))function(name))(session, &mechanism, key);
}

/* One function that does the whole of it, with as much room as is said. */
static CK_ULONG do_within(const char *name, HANDLE session, const void *data, CK_ULONG length, BYTES out, CK_ULONG *room) {
    return ((CK_ULONG(*)(HANDLE, const void *, CK_ULONG, BYTES, CK_ULONG *))function(name))(session, data, length, out,
                                                                                           room);
}

static CK_ULONG do_whole(const char *name, HANDLE session, const void *data, CK_ULONG length, BYTES out, CK_ULONG *room) {
    *room = ROOM;
    return do_within(name, session, data, length, out, room);
}
