/* SPDX-License-Identifier: MIT
 * The work of a host that seals and opens messages with one key (C_MessageEncryptInit and what follows), and what may come
 * of it while the device fails. */

enum { CKM_AES_GCM = 0x1087, CKF_MESSAGE_ENCRYPT = 2, CKF_MESSAGE_DECRYPT = 4, CKF_END_OF_MESSAGE = 1 };
enum { IV = 12, TAG = 16, MESSAGES = 3, TEXT = 20 };

/* CK_GCM_MESSAGE_PARAMS */
struct gcm { BYTES iv; CK_ULONG iv_length, fixed_bits, generator; BYTES tag; CK_ULONG tag_bits; };

struct message { CK_BYTE iv[IV], tag[TAG], text[ROOM]; CK_ULONG length; };

static struct gcm parameter_of(struct message *message) {
    return (struct gcm){message->iv, IV, 0, 0, message->tag, TAG * 8};
}

static CK_ULONG seal(HANDLE session, struct message *message) {
    struct gcm gcm = parameter_of(message);
    message->length = ROOM;
    return STEP(STATELESS, C_EncryptMessage,
                (HANDLE, void *, CK_ULONG, const char *, CK_ULONG, const char *, CK_ULONG, BYTES, CK_ULONG *), session,
                &gcm, sizeof gcm, "with", 4, "twenty bytes of text", TEXT, message->text, &message->length);
}

static CK_ULONG seal_part(HANDLE session, struct gcm *gcm, struct message *message, CK_ULONG flags) {
    CK_ULONG length = ROOM - message->length;
    CK_ULONG rv = STEP(STATEFUL, C_EncryptMessageNext,
                       (HANDLE, void *, CK_ULONG, const char *, CK_ULONG, BYTES, CK_ULONG *, CK_ULONG), session, gcm,
                       sizeof *gcm, "ten bytes ", TEXT / 2, message->text + message->length, &length, flags);
    message->length += length;
    return rv;
}

static CK_ULONG seal_in_parts(HANDLE session, struct message *message) {
    struct gcm gcm = parameter_of(message);
    message->length = 0;
    CK_ULONG rv = STEP(STATEFUL, C_EncryptMessageBegin, (HANDLE, void *, CK_ULONG, const char *, CK_ULONG), session, &gcm,
                       sizeof gcm, "with", 4);
    if (rv == CKR_OK) {
        rv = seal_part(session, &gcm, message, 0);
    }
    return rv == CKR_OK ? seal_part(session, &gcm, message, CKF_END_OF_MESSAGE) : rv;
}

static void open_message(HANDLE session, struct message *message, const char *text) {
    struct gcm gcm = parameter_of(message);
    CK_BYTE plain[ROOM];
    CK_ULONG length = ROOM;
    CK_ULONG rv = STEP(STATELESS, C_DecryptMessage,
                       (HANDLE, void *, CK_ULONG, const char *, CK_ULONG, BYTES, CK_ULONG, BYTES, CK_ULONG *), session,
                       &gcm, sizeof gcm, "with", 4, message->text, message->length, plain, &length);
    if (rv == CKR_OK && (length != TEXT || memcmp(plain, text, TEXT) != 0)) {
        complain("C_DecryptMessage", "another plaintext, of %lu bytes", length);
    }
}

/* Ends with whether all messages are sealed. */
static int seal_all(HANDLE session, HANDLE secret, struct message messages[MESSAGES]) {
    CK_MECHANISM mechanism = {CKM_AES_GCM, NULL, 0};
    CK_ULONG rv = STEP(STATELESS, C_MessageEncryptInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, secret);
    for (int i = 0; i < MESSAGES && rv == CKR_OK; i++) {
        memset(messages[i].iv, i + 1, IV);
        rv = i < MESSAGES - 1 ? seal(session, &messages[i]) : seal_in_parts(session, &messages[i]);
    }
    if (rv == CKR_OK) {
        STEP(STATEFUL, C_MessageEncryptFinal, (HANDLE), session);
    }
    return rv == CKR_OK;
}

static void open_all(HANDLE session, HANDLE secret, struct message messages[MESSAGES]) {
    CK_MECHANISM mechanism = {CKM_AES_GCM, NULL, 0};
    if (STEP(STATELESS, C_MessageDecryptInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, secret) != CKR_OK) {
        return;
    }
    for (int i = 0; i < MESSAGES; i++) {
        open_message(session, &messages[i], i < MESSAGES - 1 ? "twenty bytes of text" : "ten bytes ten bytes ");
    }
    STEP(STATEFUL, C_MessageDecryptFinal, (HANDLE), session);
}

static void work_on_messages(void) {
    struct message messages[MESSAGES];
    HANDLE session = open_in(slot);
    if (!session) {
        return;
    }
    if (log_in(session)) {
        HANDLE secret = find(session, CKO_SECRET_KEY);
        if (secret && seal_all(session, secret, messages)) {
            open_all(session, secret, messages);
        }
        STEP(STATEFUL, C_SessionCancel, (HANDLE, CK_ULONG), session, CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT);
        log_out(session);
    }
    STEP(STATELESS, C_CloseSession, (HANDLE), session);
}
