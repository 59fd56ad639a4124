/* SPDX-License-Identifier: MIT
 * The host of work.h at the edges: memory and threads that are not there, lengths that are not true, devices that answer
 * late or lose what they had. What must not be ends it with 3 and a line that says where. */
#include "work.h"
#include "messages.h"
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum {
    CKR_MECHANISM_INVALID = 0x70,
    CKR_MECHANISM_PARAM_INVALID = 0x71,
    CKR_BUFFER_TOO_SMALL = 0x150,
    CKM_CHACHA20_KEY_GEN = 0x1225,
    CKM_CHACHA20_POLY1305 = 0x4021,
    CKM_RSA_KEY_PAIR_GEN = 0,
    CKA_MODULUS_BITS = 0x121,
    CKA_EXTRACTABLE = 0x162,
    CKA_SENSITIVE = 0x103,
    CKA_VALUE = 0x11,
    CKK_GENERIC_SECRET = 0x10,
    SIGNATURE = 256,
    STUCK = 8,
};

static void (*arm_function)(const char *name, int how, unsigned long argument);
static unsigned long (*overlaps)(void);
static void (*understate)(unsigned long bytes);
static void (*make_ivs)(void);

/* Memory of which the last bytes are these, and behind which there is none. */
static BYTES at_the_end(const void *bytes, size_t length) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    BYTES pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(1, pages != MAP_FAILED);
    CHECK(0, mprotect(pages + page, page, PROT_NONE));
    return memcpy(pages + page - length, bytes, length);
}

/* CK_SALSA20_CHACHA20_POLY1305_PARAMS */
struct poly1305 { BYTES nonce; CK_ULONG nonce_length; BYTES associated; CK_ULONG associated_length; };

/* SoftHSM has no such mechanism, which is for it to say. */
static void a_nonce_has_as_many_bits_as_is_said(HANDLE session) {
    static const CK_ULONG bits[] = {64, 96, 192}, outcomes[] = {CKR_MECHANISM_PARAM_INVALID, CKR_OK, CKR_OK};
    CK_MECHANISM generation = {CKM_CHACHA20_KEY_GEN, NULL, 0};
    CK_BYTE yes = 1, text[ROOM];
    CK_ULONG room;
    CK_ATTRIBUTE template[] = {{CKA_ENCRYPT, &yes, 1}};
    HANDLE soft = open_in(soft_slot), key;
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, login(soft));
    CHECK(CKR_OK, CALL(C_GenerateKey, (HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), soft, &generation,
                       template, 1, &key));
    for (int i = 0; i < 3; i++) {
        struct poly1305 parameter = {at_the_end("a nonce of up to 24 bytes", bits[i] / 8), bits[i], NULL, 0};
        CHECK(CKR_MECHANISM_INVALID, init("C_EncryptInit", session, CKM_CHACHA20_POLY1305, &parameter, sizeof parameter,
                                          find(session, CKO_SECRET_KEY)));
        CHECK(outcomes[i], init("C_EncryptInit", soft, CKM_CHACHA20_POLY1305, &parameter, sizeof parameter, key));
        CHECK(outcomes[i] == CKR_OK ? CKR_OK : CKR_OPERATION_NOT_INITIALIZED,
              do_whole("C_Encrypt", soft, "text", 4, text, &room));
    }
}

/* A secret on the token, to be digested. */
static HANDLE secret_of(HANDLE session, const char *value) {
    CK_ULONG class = CKO_SECRET_KEY, type = CKK_GENERIC_SECRET;
    CK_BYTE yes = 1, no = 0;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class},
                               {CKA_KEY_TYPE, &type, sizeof type},
                               {CKA_TOKEN, &yes, 1},
                               {CKA_EXTRACTABLE, &yes, 1},
                               {CKA_SENSITIVE, &no, 1},
                               {CKA_LABEL, (void *)value, strlen(value)},
                               {CKA_ID, (void *)value, strlen(value)},
                               {CKA_VALUE, (void *)value, strlen(value)}};
    HANDLE key;
    CHECK(CKR_OK, CALL(C_CreateObject, (HANDLE, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session, template, 8, &key));
    return key;
}

static void digest_of_key(HANDLE session, HANDLE key, BYTES value) {
    CK_ULONG length = 32;
    CHECK(CKR_OK, CALL(C_DigestKey, (HANDLE, HANDLE), session, key));
    CHECK(CKR_OK, CALL(C_DigestFinal, (HANDLE, BYTES, CK_ULONG *), session, value, &length));
    CHECK(32, length);
}

static void begin_digest(HANDLE session) {
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CHECK(CKR_OK, CALL(C_DigestInit, (HANDLE, CK_MECHANISM *), session, &mechanism));
}

/* After the module was finalised, its handles are given anew. */
static void the_key_that_is_meant_is_digested(HANDLE session) {
    CK_BYTE before[32], after[32];
    CHECK(CKR_OK, login(session));
    HANDLE key = secret_of(session, "a key that has been there before");
    HANDLE other = secret_of(session, "and another that has the next number");
    begin_digest(session);
    digest_of_key(session, key, before);
    static const int losses[] = {FAULTY_FINALIZE, FAULTY_LOSE_SESSIONS};
    for (int i = 0; i < 2; i++) {
        begin_digest(session);
        arm_function("C_DigestKey", losses[i], 0);
        digest_of_key(session, key, after);
        CHECK(0, memcmp(before, after, 32));
    }
    CHECK(CKR_OK, CALL(C_DestroyObject, (HANDLE, HANDLE), session, key));
    CHECK(CKR_OK, CALL(C_DestroyObject, (HANDLE, HANDLE), session, other));
}

static void *one_late_digest(void *argument) {
    CK_BYTE value[32];
    CK_ULONG room;
    CHECK(CKR_DEVICE_ERROR, do_whole("C_Digest", (HANDLE)(uintptr_t)argument, "abc", 3, value, &room));
    return NULL;
}

/* So many workers hang then that the device counts as hung. */
static void let_all_hang(void) {
    pthread_t threads[STUCK];
    HANDLE sessions[STUCK];
    for (int i = 0; i < STUCK; i++) {
        sessions[i] = open_in(slot);
        begin_digest(sessions[i]);
    }
    arm(1, FAULTY_HANG | FAULTY_FROM_THEN_ON, 0);
    for (int i = 0; i < STUCK; i++) {
        CHECK(0, pthread_create(&threads[i], NULL, one_late_digest, (void *)(uintptr_t)sessions[i]));
    }
    for (int i = 0; i < STUCK; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void begin_messages(HANDLE session) {
    CHECK(CKR_OK, init("C_MessageEncryptInit", session, CKM_AES_GCM, NULL, 0, find(session, CKO_SECRET_KEY)));
}

/* What is over is not ended by a thread of the application's, which would hang. */
static void messages_end_though_the_device_hangs(HANDLE session) {
    HANDLE closed = open_in(slot), sealing = open_in(slot);
    struct message message;
    struct gcm gcm = parameter_of(&message);
    CK_ULONG length = ROOM;
    CHECK(CKR_OK, login(session));
    begin_messages(session);
    begin_messages(closed);
    begin_messages(sealing);
    let_all_hang();
    begin("C_MessageEncryptFinal, C_EncryptMessage and C_CloseSession");
    CHECK(CKR_DEVICE_ERROR, CALL(C_MessageEncryptFinal, (HANDLE), session));
    CHECK(CKR_DEVICE_ERROR,
          CALL(C_EncryptMessage,
               (HANDLE, void *, CK_ULONG, const char *, CK_ULONG, const char *, CK_ULONG, BYTES, CK_ULONG *), sealing,
               &gcm, sizeof gcm, "with", 4, "text", 4, message.text, &length));
    CHECK(CKR_OK, CALL(C_CloseSession, (HANDLE), closed));
    release();
}

/* What the process has now, and hardly more: no thread finds a place for its stack. */
static struct rlimit forbid_memory(void) {
    enum { LITTLE = 1 << 20 };
    struct rlimit before, now;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(1, file && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    CHECK(0, getrlimit(RLIMIT_AS, &before));
    now = before;
    now.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE) + LITTLE;
    CHECK(0, setrlimit(RLIMIT_AS, &now));
    return before;
}

/* The first operation of a slot with a deadline needs a worker. */
static void a_thread_that_cannot_be_started_is_said(HANDLE session) {
    CK_BYTE value[32], signature[ROOM];
    CK_ULONG room;
    CHECK(CKR_OK, login(session));
    HANDLE private = find(session, CKO_PRIVATE_KEY);
    begin_digest(session);
    CHECK(CKR_OK, init("C_SignInit", session, CKM_RSA_PKCS, NULL, 0, private));
    struct rlimit before = forbid_memory();
    begin("C_Digest and C_Sign without memory for a thread");
    CHECK(CKR_HOST_MEMORY, do_whole("C_Digest", session, "abc", 3, value, &room));
    CHECK(CKR_HOST_MEMORY, do_whole("C_Sign", session, "data", 4, signature, &room));
    CHECK(0, setrlimit(RLIMIT_AS, &before));
    CHECK(CKR_OK, digest(session));
    sign(session, private, find(session, CKO_PUBLIC_KEY));
    CHECK(0, complaints);
}

/* More than any machine has. */
static const CK_ULONG HUGE_ROOM = 1ul << 62;

static CK_ULONG part(const char *name, HANDLE session, const void *data, CK_ULONG length, BYTES out, CK_ULONG *room) {
    *room = HUGE_ROOM;
    return do_within(name, session, data, length, out, room);
}

static CK_ULONG end(const char *name, HANDLE session, BYTES out, CK_ULONG *room) {
    *room = HUGE_ROOM;
    return ((CK_ULONG(*)(HANDLE, BYTES, CK_ULONG *))function(name))(session, out, room);
}

/* An application that has room enough may say so with any number. */
static void room_may_be_said_to_be_huge(HANDLE session) {
    CK_BYTE out[ROOM], iv[BLOCK] = {1};
    CK_ULONG room, all;
    CHECK(CKR_OK, login(session));
    HANDLE secret = find(session, CKO_SECRET_KEY), private = find(session, CKO_PRIVATE_KEY);
    CHECK(CKR_OK, init("C_SignInit", session, CKM_RSA_PKCS, NULL, 0, private));
    CHECK(CKR_OK, part("C_Sign", session, "data", 4, out, &room));
    CHECK(SIGNATURE, room);
    verify(session, find(session, CKO_PUBLIC_KEY), CKM_RSA_PKCS, (BYTES) "data", 4, out, room);
    CHECK(0, complaints);
    CHECK(CKR_OK, init("C_EncryptInit", session, CKM_AES_CBC_PAD, iv, BLOCK, secret));
    CHECK(CKR_OK, part("C_EncryptUpdate", session, "twenty bytes of text", 20, out, &room));
    all = room;
    CHECK(CKR_OK, end("C_EncryptFinal", session, out + all, &room));
    CHECK(32, all + room);
    CHECK(CKR_OK, init("C_DecryptInit", session, CKM_AES_CBC_PAD, iv, BLOCK, secret));
    CHECK(CKR_OK, part("C_Decrypt", session, out, 32, out, &room));
    CHECK(20, room);
    CHECK(0, memcmp(out, "twenty bytes of text", 20));
}

/* The same of a message. */
static void room_for_a_message_may_be_said_to_be_huge(HANDLE session) {
    struct message message = {{1}};
    struct gcm gcm = parameter_of(&message);
    message.length = HUGE_ROOM;
    CHECK(CKR_OK, login(session));
    begin_messages(session);
    CHECK(CKR_OK, CALL(C_EncryptMessage,
                       (HANDLE, void *, CK_ULONG, const char *, CK_ULONG, const char *, CK_ULONG, BYTES, CK_ULONG *),
                       session, &gcm, sizeof gcm, "with", 4, "twenty bytes of text", TEXT, message.text,
                       &message.length));
    CHECK(TEXT, message.length);
    CHECK(CKR_OK, CALL(C_MessageEncryptFinal, (HANDLE), session));
    CHECK(CKR_OK, init("C_MessageDecryptInit", session, CKM_AES_GCM, NULL, 0, find(session, CKO_SECRET_KEY)));
    open_message(session, &message, "twenty bytes of text");
    CHECK(0, complaints);
}

/* A result that is longer than the vendor has told is not lost, and not made a second time. */
static void a_length_that_was_told_too_short_is_told_again(HANDLE session) {
    CK_BYTE signature[ROOM];
    CK_ULONG room = 0;
    CHECK(CKR_OK, login(session));
    CHECK(CKR_OK, init("C_SignInit", session, CKM_RSA_PKCS, NULL, 0, find(session, CKO_PRIVATE_KEY)));
    understate(56);
    CHECK(CKR_OK, do_within("C_Sign", session, "data", 4, NULL, &room));
    CHECK(SIGNATURE - 56, room);
    CHECK(CKR_BUFFER_TOO_SMALL, do_within("C_Sign", session, "data", 4, signature, &room));
    CHECK(SIGNATURE, room);
    CHECK(CKR_OK, do_within("C_Sign", session, "data", 4, signature, &room));
    CHECK(SIGNATURE, room);
    HANDLE public = find(session, CKO_PUBLIC_KEY);
    verify(session, public, CKM_RSA_PKCS, (BYTES) "data", 4, signature, room);
    CHECK(CKR_OK, init("C_SignInit", session, CKM_RSA_PKCS, NULL, 0, find(session, CKO_PRIVATE_KEY)));
    CHECK(CKR_OK, do_within("C_Sign", session, "data", 4, NULL, &room));
    CHECK(SIGNATURE, room);
    CHECK(0, complaints);
}

/* CK_GCM_PARAMS */
struct gcm_whole { BYTES iv; CK_ULONG iv_length, iv_bits; BYTES associated; CK_ULONG associated_length, tag_bits; };

static CK_ULONG init_gcm(const char *name, HANDLE session, BYTES iv, HANDLE key) {
    struct gcm_whole gcm = {iv, IV, IV * 8, NULL, 0, TAG * 8};
    return init(name, session, CKM_AES_GCM, &gcm, sizeof gcm, key);
}

static void an_iv_that_the_vendor_makes_is_the_applications(HANDLE session) {
    static const CK_BYTE zero[IV];
    CK_BYTE iv[IV] = {0}, text[ROOM], plain[ROOM];
    CK_ULONG length, room;
    CHECK(CKR_OK, login(session));
    HANDLE key = find(session, CKO_SECRET_KEY);
    make_ivs();
    CHECK(CKR_OK, init_gcm("C_EncryptInit", session, iv, key));
    CHECK(1, memcmp(iv, zero, IV) != 0);
    CHECK(CKR_OK, do_whole("C_Encrypt", session, "text", 4, text, &length));
    /* An IV that is only read may be where nobody can write. */
    BYTES fixed = at_the_end(iv, IV);
    CHECK(0, mprotect((void *)((uintptr_t)fixed & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1)), 1, PROT_READ));
    CHECK(CKR_OK, init_gcm("C_DecryptInit", session, fixed, key));
    CHECK(CKR_OK, do_whole("C_Decrypt", session, text, length, plain, &room));
    CHECK(4, room);
    CHECK(0, memcmp(plain, "text", 4));
    /* It would begin again with another IV than the application has. */
    memset(iv, 0, IV);
    CHECK(CKR_OK, init_gcm("C_EncryptInit", session, iv, key));
    arm_function("C_Encrypt", FAULTY_LOSE_SESSIONS, 0);
    CHECK(CKR_DEVICE_ERROR, do_whole("C_Encrypt", session, "text", 4, text, &length));
}

/* An operation whose length is not told in time is over, and nothing more is done where the call hangs. */
static void a_length_that_comes_late_ends_the_operation(HANDLE session) {
    CK_ULONG room = 0;
    CK_BYTE signature[ROOM];
    CHECK(CKR_OK, login(session));
    HANDLE private = find(session, CKO_PRIVATE_KEY), public = find(session, CKO_PUBLIC_KEY);
    CHECK(CKR_OK, init("C_SignInit", session, CKM_RSA_PKCS, NULL, 0, private));
    arm_function("C_Sign", FAULTY_HANG, 0);
    CHECK(CKR_DEVICE_ERROR, do_within("C_Sign", session, "data", 4, NULL, &room));
    CHECK(1, hanging());
    CHECK(CKR_OPERATION_NOT_INITIALIZED, do_whole("C_Sign", session, "data", 4, signature, &room));
    sign(session, private, public);
    CHECK(1, hanging());
    CHECK(0, overlaps());
    release();
    sign(session, private, public);
    CHECK(0, overlaps());
    CHECK(0, complaints);
}

/* The same of a part, and of the whole. */
static void nothing_begins_where_a_call_hangs(HANDLE session) {
    static const char *const calls[] = {"C_EncryptUpdate", "C_Encrypt"};
    CK_BYTE iv[BLOCK] = {1}, out[ROOM];
    CK_ULONG room;
    CHECK(CKR_OK, login(session));
    HANDLE secret = find(session, CKO_SECRET_KEY);
    for (int i = 0; i < 2; i++) {
        CHECK(CKR_OK, init("C_EncryptInit", session, CKM_AES_CBC_PAD, iv, BLOCK, secret));
        if (i == 0) {
            /* Of a part the length is asked for first. */
            arm(2, FAULTY_HANG, 0);
        } else {
            arm_function(calls[i], FAULTY_HANG, 0);
        }
        CHECK(CKR_DEVICE_ERROR, do_whole(calls[i], session, "text", 4, out, &room));
        CHECK(1, hanging());
        encrypt(session, secret, STATELESS);
        CHECK(0, overlaps());
        release();
    }
    CHECK(0, complaints);
}

/* The call that takes an operation out of the vendor's session, and the one that closes it: nobody waits for them for
 * ever, and nobody sees what they leave behind. */
static void objects_end_with_their_session(HANDLE session) {
    static const char *const calls[] = {"C_EncryptFinal", "C_CloseSession"};
    CK_BYTE iv[BLOCK] = {1};
    CHECK(CKR_OK, login(session));
    for (int i = 0; i < 2; i++) {
        HANDLE closed = open_in(slot), key = generated(closed);
        if (i == 0) {
            CHECK(CKR_OK, init("C_EncryptInit", closed, CKM_AES_CBC_PAD, iv, BLOCK, key));
        }
        CHECK(1, count_made(session));
        arm_function(calls[i], FAULTY_HANG, 0);
        begin("C_CloseSession");
        CHECK(CKR_OK, CALL(C_CloseSession, (HANDLE), closed));
        while (hanging() == 0) {
            sched_yield();
        }
        CHECK(0, count_made(session));
        CHECK(1, hanging());
        release();
        CHECK(0, count_made(session));
        key = generated(session);
        CHECK(1, count_made(session));
        CHECK(CKR_OK, CALL(C_DestroyObject, (HANDLE, HANDLE), session, key));
    }
}

static void *end_encryption(void *session) {
    CK_BYTE text[ROOM];
    CK_ULONG length = ROOM;
    CHECK(CKR_DEVICE_ERROR,
          CALL(C_EncryptFinal, (HANDLE, BYTES, CK_ULONG *), (HANDLE)(uintptr_t)session, text, &length));
    return NULL;
}

/* While a call is on its way the module is finalised, and initialised for another thread, whose session has the same
 * handle then: it is the device's affair that the operation is gone. */
static void a_session_is_not_taken_for_another(HANDLE session) {
    CK_BYTE iv[BLOCK] = {1}, text[ROOM];
    CK_ULONG length = ROOM;
    pthread_t ending;
    CHECK(CKR_OK, login(session));
    HANDLE other = open_in(slot);
    CHECK(CKR_OK, init("C_EncryptInit", session, CKM_AES_CBC_PAD, iv, BLOCK, find(session, CKO_SECRET_KEY)));
    CHECK(CKR_OK, CALL(C_EncryptUpdate, (HANDLE, const char *, CK_ULONG, BYTES, CK_ULONG *), session, "text", 4, text,
                       &length));
    arm_function("C_EncryptFinal", FAULTY_HANG, 0);
    CHECK(0, pthread_create(&ending, NULL, end_encryption, (void *)(uintptr_t)session));
    begin("C_EncryptFinal, and C_GenerateRandom meanwhile");
    while (hanging() == 0) {
        sched_yield();
    }
    arm_function("C_GenerateRandom", FAULTY_FINALIZE, 0);
    CHECK(CKR_OK, CALL(C_GenerateRandom, (HANDLE, BYTES, CK_ULONG), other, text, BLOCK));
    release();
    pthread_join(ending, NULL);
    CHECK(0, complaints);
}

static HANDLE closed_meanwhile;

static void *make_a_pair(void *none) {
    CK_MECHANISM mechanism = {CKM_RSA_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 1024;
    CK_BYTE yes = 1, no = 0;
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, 1}, {CKA_LABEL, "made", 4}, {CKA_MODULUS_BITS, &bits, sizeof bits}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &no, 1}, {CKA_LABEL, "made", 4}};
    HANDLE keys[2];
    CK_ULONG rv = CALL(C_GenerateKeyPair,
                       (HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, CK_ATTRIBUTE *, CK_ULONG, HANDLE *, HANDLE *),
                       closed_meanwhile, &mechanism, public, 3, private, 2, keys, keys + 1);
    CHECK(1, rv == CKR_SESSION_CLOSED || rv == CKR_SESSION_HANDLE_INVALID);
    return none;
}

/* Of keys that are made together, none is left where one cannot be kept. */
static void a_pair_is_made_whole_or_not_at_all(HANDLE session) {
    pthread_t making;
    CHECK(CKR_OK, login(session));
    closed_meanwhile = open_in(slot);
    arm_function("C_GenerateKeyPair", FAULTY_HANG, 0);
    CHECK(0, pthread_create(&making, NULL, make_a_pair, NULL));
    begin("C_GenerateKeyPair, and C_CloseSession meanwhile");
    while (hanging() == 0) {
        sched_yield();
    }
    CHECK(CKR_OK, CALL(C_CloseSession, (HANDLE), closed_meanwhile));
    release();
    pthread_join(making, NULL);
    CHECK(0, count_made(session));
}

static const struct way ways[] = {
    {"nonce", a_nonce_has_as_many_bits_as_is_said},
    {"digest-key", the_key_that_is_meant_is_digested},
    {"messages-hang", messages_end_though_the_device_hangs},
    {"no-thread", a_thread_that_cannot_be_started_is_said},
    {"huge-room", room_may_be_said_to_be_huge},
    {"huge-room-for-a-message", room_for_a_message_may_be_said_to_be_huge},
    {"told-too-short", a_length_that_was_told_too_short_is_told_again},
    {"ivs", an_iv_that_the_vendor_makes_is_the_applications},
    {"late-length", a_length_that_comes_late_ends_the_operation},
    {"late-part", nothing_begins_where_a_call_hangs},
    {"pair", a_pair_is_made_whole_or_not_at_all},
    {"closed", objects_end_with_their_session},
    {"same-handle", a_session_is_not_taken_for_another},
};

int main(int count, char **arguments) {
    HANDLE session = start_before(arguments, NULL);
    *(void **)&arm_function = dlsym(vendor, "faulty_arm_function");
    *(void **)&overlaps = dlsym(vendor, "faulty_overlaps");
    *(void **)&understate = dlsym(vendor, "faulty_understate");
    *(void **)&make_ivs = dlsym(vendor, "faulty_make_ivs");
    CHECK(4, count);
    return GO(ways, arguments[3], session);
}
