/* SPDX-License-Identifier: MIT
 * A PKCS#11 module that forwards all calls to the one named by FAULTY_MODULE and misbehaves at a chosen call. Its function
 * lists are of that module's versions. Beside what that module can, it has a mechanism of its own and, if told to, a PIN pad. */
#define _GNU_SOURCE
#include "faulty.h"
#include "functions.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CKR_OK = 0,
    CKR_ARGUMENTS_BAD = 7,
    CKR_DEVICE_REMOVED = 0x32,
    CKR_FUNCTION_CANCELED = 0x50,
    CKR_FUNCTION_NOT_SUPPORTED = 0x54,
    CKR_TOKEN_NOT_PRESENT = 0xe0,
    CKR_BUFFER_TOO_SMALL = 0x150,
};
enum { CKF_TOKEN_PRESENT = 1, CKF_RW = 2 | 4, CKF_PIN_PAD = 0x100, CKF_OS_LOCKING_OK = 2, MOST_SLOTS = 16 };
enum { CKM_AES_CBC_PAD = 0x1085, CKM_AES_GCM = 0x1087 };

/* CK_SLOT_INFO and CK_TOKEN_INFO up to their flags. */
struct slot_info { unsigned char texts[96]; word flags; };
/* CK_C_INITIALIZE_ARGS */
struct initialize_arguments { void *mutexes[4]; word flags; void *reserved; };
/* CK_MECHANISM */
struct mechanism { word number; void *parameter; word length; };
/* CK_INTERFACE */
struct interface { const char *name; void *functions; word flags; };

/* What the module behind has, in the shape of the newest version. */
static struct functions real;
#define REAL(name, count) ((word(*)(PARAMETERS_##count))real.at[NUMBER_##name])

/* Held shared by each call into the real module, alone while it is robbed of something: what happens to calls that
 * such a thing overtakes is the real module's own affair. */
static pthread_rwlock_t inside = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static atomic_ulong calls, chosen, argument_of_fault, hanging, releases, late;
static atomic_int fault;
static _Atomic(const char *) struck;
/* In place of a number; none where the call has been made. */
static _Atomic(const char *) chosen_function;
static const char none[] = "";
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;

static int copy_list(const struct functions *list) {
    int newer = list->version[0] >= 3;
    word count = !newer ? COUNT_2_40 : list->version[1] < 2 ? COUNT_3_0 : FUNCTION_COUNT;
    memcpy(&real, list, offsetof(struct functions, at) + count * sizeof *list->at);
    return 1;
}

/* The best list of a module. */
static int load_list(void *module) {
    static const unsigned char versions[][2] = {{3, 2}, {3, 0}};
    void *found = dlsym(module, "C_GetInterface");
    word (*interface)(const char *, const void *, struct interface **, word) =
        (word(*)(const char *, const void *, struct interface **, word))found;
    struct interface *best;
    struct functions *list;
    for (size_t i = 0; interface && i < sizeof versions / sizeof *versions; i++) {
        if (interface("PKCS 11", versions[i], &best, 0) == CKR_OK && best) {
            return copy_list(best->functions);
        }
    }
    found = dlsym(module, "C_GetFunctionList");
    return found && ((word(*)(struct functions **))found)(&list) == CKR_OK && copy_list(list);
}

/* Of the parent's other threads, which may be in calls, a child has none. */
static void nobody_is_inside(void) {
    static const pthread_rwlock_t fresh = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
    memcpy(&inside, &fresh, sizeof inside);
}

__attribute__((constructor)) static void load_real(void) {
    pthread_atfork(NULL, NULL, nobody_is_inside);
    const char *path = getenv("FAULTY_MODULE");
    void *module = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!module || !load_list(module)) {
        fprintf(stderr, "FAULTY_MODULE, %s, is no PKCS#11 module\n", path ? path : "which is not set");
        exit(2);
    }
}

void faulty_arm(unsigned long at, int how, unsigned long argument) {
    fault = FAULTY_NOTHING;
    struck = NULL;
    chosen_function = NULL;
    chosen = at;
    argument_of_fault = argument;
    calls = 0;
    fault = how;
}

void faulty_arm_function(const char *name, int how, unsigned long argument) {
    faulty_arm(0, FAULTY_NOTHING, argument);
    chosen_function = name;
    fault = how;
}

unsigned long faulty_calls(void) { return calls; }

const char *faulty_struck(void) { return struck; }

unsigned long faulty_hanging(void) { return hanging; }

void faulty_release(void) {
    pthread_mutex_lock(&gate);
    fault = FAULTY_NOTHING;
    releases++;
    pthread_cond_broadcast(&opened);
    while (late > 0) {
        pthread_cond_wait(&opened, &gate);
    }
    pthread_mutex_unlock(&gate);
}

static void hang(void) {
    pthread_mutex_lock(&gate);
    unsigned long before = releases;
    hanging++;
    late++;
    while (releases == before) {
        pthread_cond_wait(&opened, &gate);
    }
    hanging--;
    pthread_mutex_unlock(&gate);
}

/* The call that hung has been made. */
static void arrive(void) {
    pthread_mutex_lock(&gate);
    late--;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&gate);
}

static void close_sessions(word slot) { REAL(C_CloseAllSessions, 1)(slot); }

static void log_out(word slot) {
    word session;
    if (REAL(C_OpenSession, 5)(slot, CKF_RW, 0, 0, (word)&session) == CKR_OK) {
        REAL(C_Logout, 1)(session);
        REAL(C_CloseSession, 1)(session);
    }
}

/* Alone with the real module. */
static void rob(void (*of)(word slot)) {
    word slots[MOST_SLOTS], count = MOST_SLOTS;
    pthread_rwlock_wrlock(&inside);
    if (of && REAL(C_GetSlotList, 3)(1, (word)slots, (word)&count) == CKR_OK) {
        for (word slot = 0; slot < count; slot++) {
            of(slots[slot]);
        }
    } else if (!of) {
        REAL(C_Finalize, 1)(0);
    }
    pthread_rwlock_unlock(&inside);
}

/* What is answered where the device is gone; 0 where the library answers by itself. */
static int is_away(enum needs needs, const word *arguments, word *answer) {
    switch (needs) {
    case SLOT_LIST:
        if (arguments[0] & 0xff) {
            *(word *)arguments[2] = 0;
            *answer = CKR_OK;
            return 1;
        }
        return 0;
    case TOKEN:
        *answer = CKR_TOKEN_NOT_PRESENT;
        return 1;
    case SESSION:
    case MECHANISM:
        *answer = CKR_DEVICE_REMOVED;
        return 1;
    default:
        return 0;
    }
}

/* Whether this is a call that was chosen. */
static int is_chosen(const char *name, unsigned long call, int how) {
    const char *function = chosen_function;
    unsigned long at = chosen;
    if (!function) {
        return call == at || (call > at && how & FAULTY_FROM_THEN_ON);
    }
    return strcmp(function, name) == 0 &&
           (how & FAULTY_FROM_THEN_ON || atomic_compare_exchange_strong(&chosen_function, &function, none));
}

/* Misbehaves if it is time. Whether the call is answered by that and not to be made. */
static int misbehaves(const char *name, enum needs needs, const word *arguments, word *answer, int *away, int *hung) {
    unsigned long call = ++calls, at = chosen;
    int how = fault, strikes = how != FAULTY_NOTHING && is_chosen(name, call, how);
    *away = (how & 0xff) == FAULTY_AWAY && call >= at && call - at <= argument_of_fault;
    if (how == FAULTY_NOTHING || !(strikes || *away)) {
        return 0;
    }
    struck = name;
    switch (strikes ? how & 0xff : FAULTY_NOTHING) {
    case FAULTY_ANSWER:
        *answer = argument_of_fault;
        return 1;
    case FAULTY_LOSE_SESSIONS:
    case FAULTY_AWAY:
        rob(close_sessions);
        break;
    case FAULTY_LOSE_LOGIN:
        rob(log_out);
        break;
    case FAULTY_FINALIZE:
        rob(NULL);
        break;
    case FAULTY_HANG:
        hang();
        *hung = 1;
        break;
    }
    return *away && is_away(needs, arguments, answer);
}

/* What somebody types at the PIN pad; NULL where nobody does. */
static _Atomic(const char *) typed;
static atomic_int has_pad;
static atomic_ulong prompts;

void faulty_pin_pad(const char *pin) {
    typed = pin;
    has_pad = 1;
    prompts = 0;
}

unsigned long faulty_prompts(void) { return prompts; }

/* Where a function has its PINs among its arguments; 0 where it has none. */
static void places_of_pins(int number, int places[2]) {
    places[0] = places[1] = 0;
    switch (number) {
    case NUMBER_C_Login:
    case NUMBER_C_LoginUser:
        places[0] = 2;
        break;
    case NUMBER_C_SetPIN:
        places[1] = 3;
        /* fallthrough */
    case NUMBER_C_InitToken:
    case NUMBER_C_InitPIN:
        places[0] = 1;
        break;
    }
}

/* PINs that are not given are asked for at the pad. Whether somebody typed them. */
static int ask_for_pins(int number, word *arguments) {
    int places[2];
    places_of_pins(number, places);
    for (int i = 0; i < 2; i++) {
        if (has_pad && places[i] && !arguments[places[i]]) {
            const char *pin = typed;
            prompts++;
            if (!pin) {
                return 0;
            }
            arguments[places[i]] = (word)pin;
            arguments[places[i] + 1] = strlen(pin);
        }
    }
    return 1;
}

/* The mechanism of our own packs another one: its parameter is that one's number, and then that one's parameter. */
static void unpack(word *arguments, struct mechanism *room) {
    const struct mechanism *given = (const struct mechanism *)arguments[1];
    if (given && given->number == FAULTY_PACKED && given->length >= sizeof(word)) {
        memcpy(&room->number, given->parameter, sizeof(word));
        room->length = given->length - sizeof(word);
        room->parameter = room->length ? (char *)given->parameter + sizeof(word) : NULL;
        arguments[1] = (word)room;
    }
}

/* How many are in the module behind, and were at the most; what it was told of threads. */
static atomic_ulong crowd, largest_crowd;
static atomic_int told_of_threads;

unsigned long faulty_crowd(void) { return largest_crowd; }

int faulty_threads(void) { return told_of_threads; }

static void go_in(int number, const word *arguments) {
    word now = ++crowd, largest = largest_crowd;
    while (now > largest && !atomic_compare_exchange_weak(&largest_crowd, &largest, now)) {
    }
    if (number == NUMBER_C_Initialize) {
        const struct initialize_arguments *given = (const struct initialize_arguments *)arguments[0];
        told_of_threads = given && given->flags & CKF_OS_LOCKING_OK;
    }
}

static void come_out(void) { crowd--; }

enum { SESSIONS = 1021 };

/* How many calls are in a session. */
static atomic_int busy[SESSIONS];
static atomic_ulong overlaps;

unsigned long faulty_overlaps(void) { return overlaps; }

static void enter(enum needs needs, const word *arguments) {
    if ((needs == SESSION || needs == MECHANISM) && busy[arguments[0] % SESSIONS]++) {
        overlaps++;
    }
}

static void leave(enum needs needs, const word *arguments) {
    if (needs == SESSION || needs == MECHANISM) {
        busy[arguments[0] % SESSIONS]--;
    }
}

/* CK_GCM_PARAMS up to its IV. */
struct gcm_parameter { unsigned char *iv; word iv_length; };

static atomic_int makes_ivs, ivs;

void faulty_make_ivs(void) { makes_ivs = 1; }

static void make_iv(int number, const word *arguments) {
    const struct mechanism *mechanism = (const struct mechanism *)arguments[1];
    if (number == NUMBER_C_EncryptInit && makes_ivs && mechanism && mechanism->number == CKM_AES_GCM) {
        const struct gcm_parameter *parameter = mechanism->parameter;
        memset(parameter->iv, 0xa0 + ivs++ % 16, parameter->iv_length);
    }
}

static atomic_ulong understated;

void faulty_understate(unsigned long bytes) { understated = bytes; }

/* Whether the last operation that began in a session is an approved one, which all but CKM_AES_CBC_PAD are. */
static atomic_int approved[SESSIONS];

static void note_operation(const word *arguments) {
    const struct mechanism *mechanism = (const struct mechanism *)arguments[1];
    approved[arguments[0] % SESSIONS] = mechanism && mechanism->number != CKM_AES_CBC_PAD;
}

/* One mechanism more than the module behind has; `room` is how many the list had room for. */
static word add_mechanism(const word *arguments, word room, word answer) {
    word *list = (word *)arguments[1], *count = (word *)arguments[2];
    if (answer != CKR_OK && answer != CKR_BUFFER_TOO_SMALL) {
        return answer;
    }
    *count += 1;
    if (!list) {
        return answer;
    }
    if (answer != CKR_OK || *count > room) {
        return CKR_BUFFER_TOO_SMALL;
    }
    list[*count - 1] = FAULTY_PACKED;
    return CKR_OK;
}

/* What this module has beside the one behind, after that one has answered. */
static word add_own(int number, const word *arguments, word room, word answer) {
    switch (number) {
    case NUMBER_C_GetMechanismList:
        return add_mechanism(arguments, room, answer);
    case NUMBER_C_GetMechanismInfo:
        if (arguments[1] == FAULTY_PACKED) {
            memcpy((void *)arguments[2], (const word[]){FAULTY_LEAST, FAULTY_MOST, FAULTY_USES}, 3 * sizeof(word));
            return CKR_OK;
        }
        return answer;
    case NUMBER_C_GetTokenInfo:
        if (answer == CKR_OK && has_pad) {
            ((struct slot_info *)arguments[1])->flags |= CKF_PIN_PAD;
        }
        return answer;
    case NUMBER_C_Sign:
        if (answer == CKR_OK && !arguments[3]) {
            *(word *)arguments[4] -= atomic_exchange(&understated, 0);
        }
        return answer;
    case NUMBER_C_GetSessionValidationFlags:
        if (real.at[number]) {
            *(word *)arguments[2] = approved[arguments[0] % SESSIONS];
            return CKR_OK;
        }
        return answer;
    default:
        return answer;
    }
}

#define FORWARD(name, count, needs) \
    word name(PARAMETERS_##count) { \
        word arguments[10] = {ARGUMENTS_##count}, answer = CKR_FUNCTION_NOT_SUPPORTED, room = 0; \
        struct mechanism inner; \
        int away, hung = 0, pins; \
        enter(needs, arguments); \
        if (misbehaves(#name, needs, arguments, &answer, &away, &hung)) { \
            leave(needs, arguments); \
            return answer; \
        } \
        pins = ask_for_pins(NUMBER_##name, arguments); \
        if (needs == MECHANISM) { \
            unpack(arguments, &inner); \
            make_iv(NUMBER_##name, arguments); \
        } \
        if (NUMBER_##name == NUMBER_C_GetMechanismList && arguments[1]) { \
            room = *(word *)arguments[2]; \
        } \
        go_in(NUMBER_##name, arguments); \
        pthread_rwlock_rdlock(&inside); \
        if (real.at[NUMBER_##name]) { \
            answer = pins ? REAL(name, count)(TAKEN_##count(arguments)) : CKR_FUNCTION_CANCELED; \
        } \
        pthread_rwlock_unlock(&inside); \
        come_out(); \
        leave(needs, arguments); \
        if (hung) { \
            arrive(); \
        } \
        if (needs == MECHANISM && answer == CKR_OK) { \
            note_operation(arguments); \
        } \
        if (needs == SLOT_INFO && away && answer == CKR_OK) { \
            ((struct slot_info *)arguments[count - 1])->flags &= ~(word)CKF_TOKEN_PRESENT; \
        } \
        return add_own(NUMBER_##name, arguments, room, answer); \
    }
#define NOT_HERE(name)
FUNCTIONS(FORWARD, NOT_HERE)

word C_GetFunctionList(struct functions **list);
word C_GetInterfaceList(struct interface *list, word *count);
word C_GetInterface(const char *name, const unsigned char *version, struct interface **interface, word flags);

#define ADDRESS(name, count, needs) (void *)name,
#define ADDRESS_OF_OWN(name) (void *)name,

static struct functions own_2_40 = {{2, 40}, {FUNCTIONS_2_40(ADDRESS, ADDRESS_OF_OWN)}};
static struct functions own = {{0, 0}, {FUNCTIONS(ADDRESS, ADDRESS_OF_OWN)}};
static struct interface interfaces[] = {{"PKCS 11", &own, 0}, {"PKCS 11", &own_2_40, 0}};

word C_GetFunctionList(struct functions **list) {
    *list = &own_2_40;
    return CKR_OK;
}

/* Those of them that the module behind has. */
static word first_interface(void) {
    memcpy(own.version, real.version, sizeof own.version);
    return real.version[0] >= 3 ? 0 : 1;
}

word C_GetInterfaceList(struct interface *list, word *count) {
    word first = first_interface(), there = 2 - first, room = *count;
    *count = there;
    if (list && room < there) {
        return CKR_BUFFER_TOO_SMALL;
    }
    if (list) {
        memcpy(list, interfaces + first, there * sizeof *list);
    }
    return CKR_OK;
}

word C_GetInterface(const char *name, const unsigned char *version, struct interface **interface, word flags) {
    if (flags != 0 || (name && strcmp(name, "PKCS 11") != 0)) {
        return CKR_ARGUMENTS_BAD;
    }
    for (word i = first_interface(); i < 2; i++) {
        if (!version || memcmp(version, ((struct functions *)interfaces[i].functions)->version, 2) == 0) {
            *interface = &interfaces[i];
            return CKR_OK;
        }
    }
    return CKR_ARGUMENTS_BAD;
}
