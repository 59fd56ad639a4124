/* SPDX-License-Identifier: MIT
 * The work of a host that makes, changes, wraps, derives and agrees on keys, saves nobody's PIN but changes it, and
 * checks signatures that come first; and what may come of it while the device fails. */

enum {
    CKO_DATA = 0,
    CKU_SO = 0,
    CKK_GENERIC_SECRET = 0x10,
    CKK_AES = 0x1f,
    CKA_PRIVATE = 2,
    CKA_VALUE = 0x11,
    CKA_SIGN = 0x108,
    CKA_VERIFY = 0x10a,
    CKA_EXTRACTABLE = 0x162,
    CKA_EC_PARAMS = 0x180,
    CKA_PARAMETER_SET = 0x61d,
    CKA_ENCAPSULATE = 0x633,
    CKA_DECAPSULATE = 0x634,
    CKM_ML_KEM_KEY_PAIR_GEN = 0xf,
    CKM_ML_KEM = 0x17,
    CKM_EC_KEY_PAIR_GEN = 0x1040,
    CKM_ECDSA = 0x1041,
    CKM_AES_ECB_ENCRYPT_DATA = 0x1104,
    CKM_AES_KEY_WRAP = 0x2109,
    CKP_ML_KEM_768 = 2,
    CIPHERTEXT = 2048,
    CKF_ENCRYPT = 0x100,
    CKF_DIGEST = 0x400,
};

static CK_BYTE no = 0, yes = 1;
static CK_ULONG secret_class = CKO_SECRET_KEY, aes = CKK_AES, generic = CKK_GENERIC_SECRET;

#define COUNT(list) (sizeof(list) / sizeof *(list))

static HANDLE pair(HANDLE session, CK_ULONG how, CK_ATTRIBUTE public[], CK_ULONG many, CK_ATTRIBUTE private[],
                   CK_ULONG more, HANDLE *public_key) {
    CK_MECHANISM mechanism = {how, NULL, 0};
    HANDLE private_key = 0;
    CK_ULONG rv = STEP(STATEFUL, C_GenerateKeyPair,
                       (HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, CK_ATTRIBUTE *, CK_ULONG, HANDLE *, HANDLE *),
                       session, &mechanism, public, many, private, more, public_key, &private_key);
    return rv == CKR_OK ? private_key : 0;
}

static void destroy_object(HANDLE session, HANDLE object) {
    if (object) {
        STEP(STATEFUL, C_DestroyObject, (HANDLE, HANDLE), session, object);
    }
}

static void check_signature_first(HANDLE session, HANDLE public, BYTES data, CK_ULONG length, BYTES signature,
                                  CK_ULONG signature_length) {
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    if (STEP(STATEFUL, C_VerifySignatureInit, (HANDLE, CK_MECHANISM *, HANDLE, BYTES, CK_ULONG), session, &mechanism,
             public, signature, signature_length) == CKR_OK) {
        STEP(STATEFUL, C_VerifySignature, (HANDLE, BYTES, CK_ULONG), session, data, length);
    }
}

static void use_a_pair(HANDLE session) {
    static CK_BYTE p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    CK_ATTRIBUTE of_public[] = {{CKA_TOKEN, &no, 1}, {CKA_VERIFY, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof p256}};
    CK_ATTRIBUTE of_private[] = {{CKA_TOKEN, &no, 1}, {CKA_SIGN, &yes, 1}};
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_BYTE data[32] = {7}, signature[ROOM];
    CK_ULONG length = ROOM;
    HANDLE public = 0;
    HANDLE private = pair(session, CKM_EC_KEY_PAIR_GEN, of_public, COUNT(of_public), of_private, COUNT(of_private), &public);
    if (!private) {
        return;
    }
    if (STEP(STATEFUL, C_SignInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &mechanism, private) == CKR_OK &&
        STEP(STATEFUL, C_Sign, (HANDLE, BYTES, CK_ULONG, BYTES, CK_ULONG *), session, data, sizeof data, signature,
             &length) == CKR_OK) {
        check_signature_first(session, public, data, sizeof data, signature, length);
    }
    destroy_object(session, private);
    destroy_object(session, public);
}

/* Wraps and unwraps a key of this session's. */
static void wrap(HANDLE session, HANDLE wrapping) {
    CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0}, how = {CKM_AES_KEY_WRAP, NULL, 0};
    CK_ULONG size = 32, length = ROOM;
    CK_BYTE wrapped[ROOM];
    CK_ATTRIBUTE made[] = {{CKA_TOKEN, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_VALUE_LEN, &size, sizeof size}};
    CK_ATTRIBUTE unwrapped[] = {{CKA_CLASS, &secret_class, sizeof secret_class}, {CKA_KEY_TYPE, &aes, sizeof aes},
                                {CKA_TOKEN, &no, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1}};
    HANDLE key, again;
    if (STEP(STATEFUL, C_GenerateKey, (HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session, &generate,
             made, COUNT(made), &key) != CKR_OK) {
        return;
    }
    if (STEP(STATEFUL, C_WrapKey, (HANDLE, CK_MECHANISM *, HANDLE, HANDLE, BYTES, CK_ULONG *), session, &how, wrapping,
             key, wrapped, &length) == CKR_OK &&
        STEP(STATEFUL, C_UnwrapKey,
             (HANDLE, CK_MECHANISM *, HANDLE, BYTES, CK_ULONG, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session, &how,
             wrapping, wrapped, length, unwrapped, COUNT(unwrapped), &again) == CKR_OK) {
        encrypt(session, again, STATEFUL);
        destroy_object(session, again);
    }
    destroy_object(session, key);
}

static void derive(HANDLE session, HANDLE base) {
    static CK_BYTE data[32] = {1};
    struct { BYTES data; CK_ULONG length; } string = {data, sizeof data};
    CK_MECHANISM mechanism = {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof string};
    CK_ULONG size = 32;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &secret_class, sizeof secret_class},
                               {CKA_KEY_TYPE, &generic, sizeof generic},
                               {CKA_TOKEN, &no, 1},
                               {CKA_VALUE_LEN, &size, sizeof size}};
    HANDLE key;
    if (STEP(STATEFUL, C_DeriveKey, (HANDLE, CK_MECHANISM *, HANDLE, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session,
             &mechanism, base, template, COUNT(template), &key) == CKR_OK) {
        destroy_object(session, key);
    }
}

static CK_ULONG label_of(HANDLE session, HANDLE object, char label[ROOM]) {
    CK_ATTRIBUTE template[] = {{CKA_LABEL, label, ROOM}};
    CK_ULONG rv = STEP(STATEFUL, C_GetAttributeValue, (HANDLE, HANDLE, CK_ATTRIBUTE *, CK_ULONG), session, object,
                       template, 1);
    return rv == CKR_OK ? template[0].length : 0;
}

/* Creates, copies, changes, measures and destroys. */
static void keep_data(HANDLE session) {
    CK_ULONG class = CKO_DATA, size;
    char label[ROOM];
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &no, 1}, {CKA_PRIVATE, &no, 1},
                               {CKA_LABEL, "first", 5}, {CKA_VALUE, "value", 5}};
    CK_ATTRIBUTE other[] = {{CKA_LABEL, "other", 5}};
    HANDLE object, copy = 0;
    if (STEP(STATEFUL, C_CreateObject, (HANDLE, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session, template, COUNT(template),
             &object) != CKR_OK) {
        return;
    }
    STEP(STATEFUL, C_CopyObject, (HANDLE, HANDLE, CK_ATTRIBUTE *, CK_ULONG, HANDLE *), session, object, NULL, 0, &copy);
    if (STEP(STATEFUL, C_SetAttributeValue, (HANDLE, HANDLE, CK_ATTRIBUTE *, CK_ULONG), session, object, other, 1) ==
            CKR_OK &&
        label_of(session, object, label) == 5 && memcmp(label, "other", 5) != 0) {
        complain("C_SetAttributeValue", "the label is still %.5s", label);
    }
    STEP(STATEFUL, C_GetObjectSize, (HANDLE, HANDLE, CK_ULONG *), session, object, &size);
    destroy_object(session, copy);
    destroy_object(session, object);
}

/* A digest and an encryption of the same parts. */
static void digest_and_encrypt(HANDLE session, HANDLE secret) {
    CK_BYTE iv[BLOCK] = {1}, text[ROOM], value[32];
    CK_MECHANISM of_digest = {CKM_SHA256, NULL, 0}, of_encryption = {CKM_AES_CBC_PAD, iv, BLOCK};
    CK_ULONG length = ROOM;
    if (STEP(STATELESS, C_DigestInit, (HANDLE, CK_MECHANISM *), session, &of_digest) != CKR_OK) {
        return;
    }
    if (STEP(STATELESS, C_EncryptInit, (HANDLE, CK_MECHANISM *, HANDLE), session, &of_encryption, secret) != CKR_OK) {
        length = sizeof value;
        STEP(STATEFUL, C_DigestFinal, (HANDLE, BYTES, CK_ULONG *), session, value, &length);
        return;
    }
    CK_ULONG rv = STEP(STATEFUL, C_DigestEncryptUpdate, (HANDLE, const char *, CK_ULONG, BYTES, CK_ULONG *), session,
                       "twenty bytes of text", 20, text, &length);
    if (rv == CKR_OK) {
        length = sizeof value;
        STEP(STATEFUL, C_DigestFinal, (HANDLE, BYTES, CK_ULONG *), session, value, &length);
        length = ROOM;
        STEP(STATEFUL, C_EncryptFinal, (HANDLE, BYTES, CK_ULONG *), session, text, &length);
    }
    /* What of them is left after a failure. */
    STEP(STATEFUL, C_SessionCancel, (HANDLE, CK_ULONG), session, CKF_DIGEST | CKF_ENCRYPT);
}

static int has_mechanism(CK_ULONG number) {
    CK_ULONG info[3];
    return CALL(C_GetMechanismInfo, (CK_ULONG, CK_ULONG, void *), slot, number, info) == CKR_OK;
}

static void encapsulate(HANDLE session) {
    CK_ULONG set = CKP_ML_KEM_768, length = CIPHERTEXT;
    CK_BYTE ciphertext[CIPHERTEXT];
    CK_ATTRIBUTE of_public[] = {
        {CKA_TOKEN, &no, 1}, {CKA_ENCAPSULATE, &yes, 1}, {CKA_PARAMETER_SET, &set, sizeof set}};
    CK_ATTRIBUTE of_private[] = {{CKA_TOKEN, &no, 1}, {CKA_DECAPSULATE, &yes, 1}};
    CK_ATTRIBUTE agreed[] = {{CKA_CLASS, &secret_class, sizeof secret_class},
                             {CKA_KEY_TYPE, &generic, sizeof generic},
                             {CKA_TOKEN, &no, 1}};
    CK_MECHANISM mechanism = {CKM_ML_KEM, NULL, 0};
    HANDLE public = 0, one = 0, other = 0;
    HANDLE private = pair(session, CKM_ML_KEM_KEY_PAIR_GEN, of_public, COUNT(of_public), of_private, COUNT(of_private),
                          &public);
    if (private &&
        STEP(STATEFUL, C_EncapsulateKey,
             (HANDLE, CK_MECHANISM *, HANDLE, CK_ATTRIBUTE *, CK_ULONG, BYTES, CK_ULONG *, HANDLE *), session, &mechanism,
             public, agreed, COUNT(agreed), ciphertext, &length, &one) == CKR_OK) {
        STEP(STATEFUL, C_DecapsulateKey,
             (HANDLE, CK_MECHANISM *, HANDLE, CK_ATTRIBUTE *, CK_ULONG, BYTES, CK_ULONG, HANDLE *), session, &mechanism,
             private, agreed, COUNT(agreed), ciphertext, length, &other);
    }
    destroy_object(session, other);
    destroy_object(session, one);
    destroy_object(session, private);
    destroy_object(session, public);
}

/* The user changes the PIN to what it was; so does the security officer. */
static void change_pins(HANDLE session) {
    const char *pin = getenv("PIN"), *so_pin = getenv("SO_PIN");
    CK_ULONG length = strlen(pin);
    STEP(STATEFUL, C_SetPIN, (HANDLE, const char *, CK_ULONG, const char *, CK_ULONG), session, pin, length, pin, length);
    log_out(session);
    if (STEP(STATEFUL, C_Login, (HANDLE, CK_ULONG, const char *, CK_ULONG), session, CKU_SO, so_pin, strlen(so_pin)) ==
        CKR_OK) {
        STEP(STATEFUL, C_InitPIN, (HANDLE, const char *, CK_ULONG), session, pin, length);
        log_out(session);
    }
}

static void work_on_keys(void) {
    CK_BYTE seed[64] = {1};
    HANDLE session = open_in(slot);
    if (!session) {
        return;
    }
    /* A logout may have failed with the device, the security officer's among them. */
    CALL(C_Logout, (HANDLE), session);
    if (log_in(session)) {
        HANDLE secret = find(session, CKO_SECRET_KEY);
        use_a_pair(session);
        keep_data(session);
        if (secret) {
            wrap(session, secret);
            derive(session, secret);
            digest_and_encrypt(session, secret);
        }
        if (has_mechanism(CKM_ML_KEM)) {
            encapsulate(session);
        }
        STEP(STATEFUL, C_SeedRandom, (HANDLE, BYTES, CK_ULONG), session, seed, sizeof seed);
        change_pins(session);
    }
    STEP(STATELESS, C_CloseSession, (HANDLE), session);
}
