/* SPDX-License-Identifier: MIT
 * The host of work.h, which works while its device fails in the way that the third argument names, and afterwards. What
 * must not be is printed; it ends with 3 if there was anything, with 9 and a line about it if it crashed or hung. */
#include "work.h"
#include "keys.h"
#include "messages.h"
#include <dirent.h>
#include <sched.h>

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

static void *work_logged_in(void *none) {
    HANDLE session = open_in(slot);
    if (session) {
        use(session);
        STEP(STATELESS, C_CloseSession, (HANDLE), session);
    }
    return none;
}

/* What is done over and over; a scenario may choose other work. */
static void (*usual)(void) = work;

enum { TEAM = 4 };

static void work_together(void) {
    pthread_t threads[TEAM];
    if (!log_in(kept)) {
        return;
    }
    together = 1;
    for (int number = 0; number < TEAM; number++) {
        if (pthread_create(&threads[number], NULL, work_logged_in, NULL) != 0) {
            exit(6);
        }
    }
    for (int number = 0; number < TEAM; number++) {
        pthread_join(threads[number], NULL);
    }
    together = 0;
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
    initialize_for_threads();
    find_slots();
    kept = open_in(slot);
}

/* Once with the device failing at its call number `call`, and once afterwards, without a new start. What is wrong then
 * shall not be taken for the next fault's doing. */
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
    int before = complaints;
    usual();
    if (complaints > before) {
        finalize_now();
        start();
        neighbour = neighbour ? open_in(soft_slot) : 0;
    }
}

/* How many calls the vendor's module has to answer. */
static unsigned long count_calls(void (*all)(void)) {
    arm(0, FAULTY_NOTHING, 0);
    all();
    return calls();
}

/* The library's start is part of the work: the device may fail before it was ever used. */
static void work_from_the_start(void) {
    int asked = neighbour != 0;
    neighbour = 0;
    finalize_now();
    initialize_for_threads();
    if (asked) {
        neighbour = open_in(soft_slot);
    }
    kept = open_in(slot);
    work();
}

/* The third and fourth arguments: of so many hosts that share the calls of a scenario, which one this is. */
static unsigned long share = 0, shares = 1;

static void strike_at_all_calls(const struct fault *fault, void (*all)(void), unsigned long step) {
    all();
    unsigned long count = count_calls(all);
    CHECK(1, count > 0);
    printf("%s: %lu calls\n", fault->name, count);
    fflush(stdout);
    for (unsigned long call = 1 + share * step; call <= count; call += step * shares) {
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

static void in_keys(const char *kind) {
    usual = work_on_keys;
    strike_with(kind, usual, 1);
}

static void in_messages(const char *kind) {
    usual = work_on_messages;
    strike_with(kind, usual, 1);
}

/* In milliseconds; the machine may be busy. */
enum { LATENESS = 5000 };

/* Calls end at the slot's deadline, in milliseconds, and not long after. */
static void expect_deadline(const char *deadline) {
    longest_call = atol(deadline) + LATENESS;
    neighbour = open_in(soft_slot);
}

static void hang_at_every_call(const char *deadline) {
    expect_deadline(deadline);
    strike_at_all_calls(&hang_once, work, 1);
}

static void hang_in_keys(const char *deadline) {
    usual = work_on_keys;
    expect_deadline(deadline);
    strike_at_all_calls(&hang_once, usual, 1);
}

static void hang_in_messages(const char *deadline) {
    usual = work_on_messages;
    expect_deadline(deadline);
    strike_at_all_calls(&hang_once, usual, 1);
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

/* A device that hangs is left alone, until the first of the calls in it returns. */
static void wait_until_it_answers(void) {
    CK_ULONG info[100];
    begin("C_GetTokenInfo, again and again");
    while (CALL(C_GetTokenInfo, (CK_ULONG, void *), slot, info) != CKR_OK) {
        sched_yield();
    }
}

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
    wait_until_it_answers();
    work();
    work_together();
}

static void finalize_while_it_hangs(const char *deadline) {
    expect_deadline(deadline);
    work();
    unsigned long count = count_calls(work);
    for (unsigned long call = 1 + share * 5; call <= count + 1; call += 5 * shares) {
        present = &hang_always;
        at = call;
        arm(call, present->how, 0);
        if (log_in(kept)) {
            work_logged_in(NULL);
        }
        long began = milliseconds();
        finalize_now();
        if (milliseconds() - began > longest_call + LATENESS) {
            complain("C_Finalize", "took %ld ms", milliseconds() - began);
        }
        release();
        present = NULL;
        start();
        neighbour = open_in(soft_slot);
        work();
    }
}

static void *ask_for_token(void *none) {
    CK_ULONG info[100];
    STEP(STATEFUL, C_GetTokenInfo, (CK_ULONG, void *), slot, info);
    return none;
}

/* A module that hangs as it starts keeps no other module from starting: that of the slot between the two. */
static void start_while_another_hangs(const char *deadline) {
    CK_ULONG slots[MOST_SLOTS], count = MOST_SLOTS, info[100];
    pthread_t waiting;
    expect_deadline(deadline);
    CHECK(CKR_OK, CALL(C_GetSlotList, (CK_BYTE, CK_ULONG *, CK_ULONG *), 0, slots, &count));
    CHECK(3, count);
    finalize_now();
    present = &hang_always;
    arm(1, present->how, 0);
    initialize_for_threads();
    neighbour = 0;
    if (pthread_create(&waiting, NULL, ask_for_token, NULL) != 0) {
        exit(6);
    }
    while (hanging() == 0) {
        sched_yield();
    }
    CHECK(CKR_OK, CALL(C_GetTokenInfo, (CK_ULONG, void *), slots[1], info));
    CHECK(1, hanging() > 0);
    pthread_join(waiting, NULL);
    release();
    present = NULL;
    wait_until_it_answers();
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
    {"in-keys", in_keys},
    {"in-messages", in_messages},
    {"hang", hang_at_every_call},
    {"hang-in-keys", hang_in_keys},
    {"hang-in-messages", hang_in_messages},
    {"hang-from-the-start", hang_from_the_start},
    {"hang-in-threads", hang_in_threads},
    {"hang-on-and-on", hang_on_and_on},
    {"finalize-while-it-hangs", finalize_while_it_hangs},
    {"start-while-another-hangs", start_while_another_hangs},
    {"exit-while-it-hangs", exit_while_it_hangs},
    {"used-by-the-application", the_application_uses_it_too},
    {"fork", fork_in_use},
    {"fork-while-it-hangs", fork_while_it_hangs},
};

int main(int count, char **arguments) {
    static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        signal(signals[i], on_signal);
    }
    load(arguments[1]);
    load_controls(arguments[2]);
    if (count > 6) {
        share = strtoul(arguments[5], NULL, 10);
        shares = strtoul(arguments[6], NULL, 10);
    }
    start();
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(scenarios[i].name, arguments[3]) == 0) {
            scenarios[i].go(count > 4 ? arguments[4] : "");
            printf("%d complaints\n", complaints);
            return complaints ? 3 : 0;
        }
    }
    return 8;
}
