/* SPDX-License-Identifier: MIT
 * Leaves the process, or unloads the module, in the way that the second argument names. */
#include "host.h"
#include <pthread.h>

static CK_ULONG start(void) {
    CHECK(CKR_OK, initialize());
    CK_ULONG session = open_session();
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, create(session, "made"));
    return session;
}

static void unload_and_load_again(const char *path) {
    for (int round = 0; round < 3; round++) {
        start();
        CHECK(CKR_OK, finalize());
        dlclose(module);
        load(path);
    }
}

static void unload_without_finalizing(const char *path) {
    start();
    dlclose(module);
    load(path);
    dlclose(module);
}

static int ready[2];

static void *work_for_ever(void *unused) {
    (void)unused;
    CK_ULONG session = open_session();
    for (int round = 0;; round++) {
        CK_ULONG rv = round % 8 == 0 ? create(session, "load") : digest(session);
        if (round == 20 && write(ready[1], "", 1) != 1) {
            _exit(6);
        }
        if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED && rv != CKR_SESSION_HANDLE_INVALID &&
            rv != CKR_SESSION_CLOSED && rv != CKR_FUNCTION_CANCELED) {
            fprintf(stderr, "a call in flight gave %#lx\n", rv);
            _exit(3);
        }
        if (rv != CKR_OK) {
            return NULL;
        }
    }
}

static void with_calls_in_flight(void) {
    start();
    if (pipe(ready) != 0) {
        exit(6);
    }
    for (int worker = 0; worker < 8; worker++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work_for_ever, NULL) != 0) {
            exit(6);
        }
    }
    char byte;
    for (int worker = 0; worker < 8; worker++) {
        if (read(ready[0], &byte, 1) != 1) {
            exit(6);
        }
    }
}

static void finalize_at_exit(void) {
    CK_ULONG rv = finalize();
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED) {
        fprintf(stderr, "C_Finalize at exit gave %#lx\n", rv);
        _exit(3);
    }
    printf("finalized at exit\n");
    fflush(stdout);
}

/* Handlers run in reverse order: ours is registered before OpenSSL's, so it runs after OpenSSL cleaned up. */
static void after_openssl(void) {
    atexit(finalize_at_exit);
    void *crypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_GLOBAL);
    if (!crypto) {
        printf("no libcrypto.so.3\n");
        exit(0);
    }
    int (*init)(unsigned long long, void *) = (int (*)(unsigned long long, void *))dlsym(crypto, "OPENSSL_init_crypto");
    /* Configuration, strings, and the handler for exit. */
    if (init(0x00000002 | 0x00000040, NULL) != 1) {
        exit(6);
    }
    start();
}

int main(int count, char **arguments) {
    (void)count;
    const char *way = arguments[2];
    load(arguments[1]);
    if (strcmp(way, "unload") == 0) {
        unload_and_load_again(arguments[1]);
    } else if (strcmp(way, "unload-unfinalized") == 0) {
        unload_without_finalizing(arguments[1]);
    } else if (strcmp(way, "calls-in-flight") == 0) {
        with_calls_in_flight();
        return 0;
    } else if (strcmp(way, "exit-in-flight") == 0) {
        with_calls_in_flight();
        exit(0);
    } else if (strcmp(way, "finalize-in-flight") == 0) {
        atexit(finalize_at_exit);
        with_calls_in_flight();
        exit(0);
    } else if (strcmp(way, "after-openssl") == 0) {
        after_openssl();
    } else if (strcmp(way, "unfinalized") == 0) {
        start();
    } else {
        return 8;
    }
    return 0;
}
