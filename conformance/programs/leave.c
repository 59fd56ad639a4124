/* SPDX-License-Identifier: MIT
 * Leaves the process, or unloads the module, in the way that the second argument names. */
#include "host.h"

static void start(CK_ULONG none) {
    (void)none;
    CHECK(CKR_OK, initialize());
    CK_ULONG session = open_session();
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, create(session, "made"));
}

static void unload_and_load_again(CK_ULONG none) {
    for (int round = 0; round < 3; round++) {
        start(none);
        CHECK(CKR_OK, finalize());
        reload();
    }
}

static void unload_without_finalizing(CK_ULONG none) {
    start(none);
    unload_twice();
}

static CK_ULONG work(CK_ULONG session, int round) {
    return round % 8 == 0 ? create(session, "load") : digest(session);
}

static void return_in_flight(CK_ULONG none) {
    start(none);
    put_in_flight(work, 20);
}

static void exit_in_flight(CK_ULONG none) {
    return_in_flight(none);
    exit(0);
}

static void finalize_in_flight(CK_ULONG none) {
    atexit(finalize_at_exit);
    exit_in_flight(none);
}

/* Handlers run in reverse order: ours is registered before OpenSSL's, so it runs after OpenSSL cleaned up. */
static void after_openssl(CK_ULONG none) {
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
    start(none);
}

/* No session is open yet. */
static const struct way ways[] = {
    {"unload", unload_and_load_again},
    {"unload-unfinalized", unload_without_finalizing},
    {"calls-in-flight", return_in_flight},
    {"exit-in-flight", exit_in_flight},
    {"finalize-in-flight", finalize_in_flight},
    {"after-openssl", after_openssl},
    {"unfinalized", start},
};

int main(int count, char **arguments) {
    (void)count;
    load(arguments[1]);
    return GO(ways, arguments[2], 0);
}
