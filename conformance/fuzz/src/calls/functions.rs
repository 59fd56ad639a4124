// SPDX-License-Identifier: MIT
//! The C functions by what they take: a row of bytes chooses one, the next its arguments.
#![allow(unsafe_code, reason = "what is tried out takes pointers")]

use super::Sequence;
use crate::memory::Memory;
use crate::parameters::Form;
use cryptoki_sys::*;
use keyenclave_module::abi::functions::*;
use std::ptr::null_mut;

/// Calls a C function.
macro_rules! call {
    ($function:expr, $($argument:expr),*) => {{
        let function = $function;
        // SAFETY: the arguments are made by `Sequence`, which keeps what the specification makes a caller owe.
        unsafe { function($($argument),*) }
    }};
}

type Begin = unsafe extern "C" fn(CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE) -> CK_RV;
type Through = unsafe extern "C" fn(CK_SESSION_HANDLE, *mut u8, CK_ULONG, *mut u8, *mut CK_ULONG) -> CK_RV;
type Absorb = unsafe extern "C" fn(CK_SESSION_HANDLE, *mut u8, CK_ULONG) -> CK_RV;
type Finish = unsafe extern "C" fn(CK_SESSION_HANDLE, *mut u8, *mut CK_ULONG) -> CK_RV;
type Two = unsafe extern "C" fn(CK_SESSION_HANDLE, *mut u8, CK_ULONG, *mut u8, CK_ULONG) -> CK_RV;
type Alone = unsafe extern "C" fn(CK_SESSION_HANDLE) -> CK_RV;
type Message = unsafe extern "C" fn(
    CK_SESSION_HANDLE,
    CK_VOID_PTR,
    CK_ULONG,
    *mut u8,
    CK_ULONG,
    *mut u8,
    CK_ULONG,
    *mut u8,
    *mut CK_ULONG,
) -> CK_RV;
type MessageBegin =
    unsafe extern "C" fn(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut u8, CK_ULONG) -> CK_RV;
type MessageNext = unsafe extern "C" fn(
    CK_SESSION_HANDLE,
    CK_VOID_PTR,
    CK_ULONG,
    *mut u8,
    CK_ULONG,
    *mut u8,
    *mut CK_ULONG,
    CK_FLAGS,
) -> CK_RV;

const BEGIN: &[Begin] = &[
    C_EncryptInit,
    C_DecryptInit,
    C_SignInit,
    C_VerifyInit,
    C_SignRecoverInit,
    C_VerifyRecoverInit,
];
const MESSAGE_INIT: &[Begin] = &[
    C_MessageEncryptInit,
    C_MessageDecryptInit,
    C_MessageSignInit,
    C_MessageVerifyInit,
];
const THROUGH: &[Through] = &[
    C_Encrypt,
    C_Decrypt,
    C_Digest,
    C_Sign,
    C_SignRecover,
    C_VerifyRecover,
    C_EncryptUpdate,
    C_DecryptUpdate,
    C_DigestEncryptUpdate,
    C_DecryptDigestUpdate,
    C_SignEncryptUpdate,
    C_DecryptVerifyUpdate,
];
const ABSORB: &[Absorb] = &[
    C_DigestUpdate,
    C_SignUpdate,
    C_VerifyUpdate,
    C_VerifyFinal,
    C_SeedRandom,
    C_VerifySignature,
    C_VerifySignatureUpdate,
];
const FINISH: &[Finish] = &[
    C_EncryptFinal,
    C_DecryptFinal,
    C_DigestFinal,
    C_SignFinal,
    C_GetOperationState,
];
const TWO: &[Two] = &[C_Verify];
const ALONE: &[Alone] = &[
    C_FindObjectsFinal,
    C_MessageEncryptFinal,
    C_MessageDecryptFinal,
    C_MessageSignFinal,
    C_MessageVerifyFinal,
    C_VerifySignatureFinal,
    C_GetFunctionStatus,
    C_CancelFunction,
];
const MESSAGE: &[Message] = &[C_EncryptMessage, C_DecryptMessage];
const MESSAGE_BEGIN: &[MessageBegin] = &[C_EncryptMessageBegin, C_DecryptMessageBegin];
const MESSAGE_NEXT: &[MessageNext] = &[C_EncryptMessageNext, C_DecryptMessageNext];

/// A number as an attribute has it.
const fn ulong(number: CK_ULONG) -> [u8; 8] {
    number.to_ne_bytes()
}

const NO: &[u8] = &[0];
const YES: &[u8] = &[1];
const SECRET: (u64, &[u8]) = (CKA_CLASS, &ulong(CKO_SECRET_KEY));
const OPEN: [(u64, &[u8]); 2] = [(CKA_SENSITIVE, NO), (CKA_EXTRACTABLE, YES)];
const USES: [(u64, &[u8]); 3] = [(CKA_ENCRYPT, YES), (CKA_DECRYPT, YES), (CKA_DERIVE, YES)];
const P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";

/// What templates begin with: keys of several kinds, to be made or to be generated.
pub(super) const TEMPLATES: &[&[(u64, &[u8])]] = &[
    &[],
    &[
        SECRET,
        (CKA_KEY_TYPE, &ulong(CKK_AES)),
        (CKA_VALUE, b"0123456789abcdef"),
        OPEN[0],
        OPEN[1],
        USES[0],
        USES[1],
    ],
    &[
        SECRET,
        (CKA_KEY_TYPE, &ulong(CKK_GENERIC_SECRET)),
        (CKA_VALUE, b"0123456789abcdef"),
        USES[2],
    ],
    &[
        (CKA_VALUE_LEN, &ulong(32)),
        OPEN[0],
        OPEN[1],
        (CKA_WRAP, YES),
        (CKA_UNWRAP, YES),
    ],
    &[(CKA_VALUE_LEN, &ulong(16)), USES[0], USES[1]],
    &[
        SECRET,
        (CKA_KEY_TYPE, &ulong(CKK_AES)),
        (CKA_VALUE_LEN, &ulong(16)),
    ],
    &[
        SECRET,
        (CKA_KEY_TYPE, &ulong(CKK_GENERIC_SECRET)),
        OPEN[0],
        OPEN[1],
    ],
    &[(CKA_EC_PARAMS, P256)],
    &[(CKA_EC_PARAMS, b"\x06\x03\x2b\x65\x70")],
    &[(CKA_EC_PARAMS, b"\x06\x03\x2b\x65\x6e")],
    &[(CKA_PARAMETER_SET, &ulong(1))],
    &[(CKA_MODULUS_BITS, &ulong(2048))],
    &[
        (CKA_CLASS, &ulong(CKO_PRIVATE_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_EC)),
        (CKA_EC_PARAMS, P256),
        (CKA_VALUE, b"0123456789abcdef0123456789abcdef"),
        (CKA_SIGN, YES),
        USES[2],
    ],
    &[
        (CKA_CLASS, &ulong(CKO_PRIVATE_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_EC_EDWARDS)),
        (CKA_EC_PARAMS, b"\x06\x03\x2b\x65\x70"),
        (CKA_VALUE, b"0123456789abcdef0123456789abcdef"),
    ],
    &[
        (CKA_CLASS, &ulong(CKO_PUBLIC_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_RSA)),
        (CKA_PUBLIC_EXPONENT, &[1, 0, 1]),
    ],
    &[
        (CKA_CLASS, &ulong(CKO_PRIVATE_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_RSA)),
    ],
    &[
        (CKA_CLASS, &ulong(CKO_PRIVATE_KEY)),
        (CKA_KEY_TYPE, &ulong(CKK_ML_DSA)),
        (CKA_PARAMETER_SET, &ulong(1)),
    ],
    &[
        (CKA_CLASS, &ulong(CKO_CERTIFICATE)),
        (CKA_CERTIFICATE_TYPE, &ulong(CKC_X_509)),
        (CKA_SUBJECT, b"0\0"),
    ],
    &[(CKA_CLASS, &ulong(CKO_DATA)), (CKA_VALUE, b"data")],
    &[(CKA_TOKEN, YES), (CKA_CLASS, &ulong(CKO_DATA))],
];

/// Bits of the flags that functions take.
const FLAGS: &[u64] = &[
    CKF_SERIAL_SESSION,
    CKF_SERIAL_SESSION | CKF_RW_SESSION,
    CKF_ENCRYPT | CKF_DECRYPT | CKF_SIGN | CKF_VERIFY | CKF_DIGEST | CKF_FIND_OBJECTS,
    CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT,
    CKF_END_OF_MESSAGE,
];

impl Sequence<'_> {
    /// One call.
    pub(super) fn step(&mut self) {
        match self.source.byte() % 40 {
            0..=4 => self.begin(BEGIN, Form::Data),
            5..=9 => self.through(),
            10 | 11 => self.absorb(),
            12 | 13 => self.finish(),
            14 => self.digest_init(),
            15 | 16 => self.create(),
            17 | 18 => self.generate(),
            19 => self.generate_pair(),
            20 => self.wrap(),
            21 => self.unwrap(),
            22 => self.derive(),
            23 => self.encapsulate(),
            24 => self.decapsulate(),
            25 => self.attributes(),
            26 => self.change(),
            27 => self.find(),
            28 => self.verify(),
            29 => self.begin(MESSAGE_INIT, Form::Message),
            30 | 31 => self.message(),
            32 => self.alone(),
            33 => self.open_or_close(),
            34 => self.ask(),
            35 => self.restore(),
            36 => self.digest_key_or_random(),
            37 => self.asynchronous(),
            38 => self.signed_message(),
            _ => self.rare(),
        }
    }

    fn begin(&mut self, functions: &[Begin], form: Form) {
        let function = self.source.choice(functions).copied().unwrap_or(C_EncryptInit);
        let (session, mechanism, key) = (self.session(), self.mechanism(form), self.object());
        call!(function, session, mechanism, key);
    }

    fn through(&mut self) {
        let function = self.source.choice(THROUGH).copied().unwrap_or(C_Encrypt);
        let (session, input) = (self.session(), self.input());
        let room = self.room(input);
        let rv = call!(function, session, input.0, input.1, room.place, room.len);
        self.check(&room, rv);
    }

    fn absorb(&mut self) {
        let function = self.source.choice(ABSORB).copied().unwrap_or(C_SignUpdate);
        let (session, (input, len)) = (self.session(), self.input());
        call!(function, session, input, len);
    }

    fn finish(&mut self) {
        let function = self.source.choice(FINISH).copied().unwrap_or(C_SignFinal);
        let session = self.session();
        let room = self.room((null_mut(), u64::MAX));
        let rv = call!(function, session, room.place, room.len);
        self.check(&room, rv);
    }

    fn digest_init(&mut self) {
        let (session, mechanism) = (self.session(), self.mechanism(Form::Data));
        call!(C_DigestInit, session, mechanism);
    }

    fn create(&mut self) {
        let (session, (template, count), place) = (self.session(), self.template(), self.place());
        let rv = match self.source.is_rare(3) {
            false => call!(C_CreateObject, session, template, count, place),
            true => {
                let object = self.object();
                call!(C_CopyObject, session, object, template, count, place)
            }
        };
        self.made(rv, &[place]);
    }

    fn generate(&mut self) {
        let (session, mechanism) = (self.session(), self.mechanism(Form::Data));
        let ((template, count), place) = (self.template(), self.place());
        let rv = call!(C_GenerateKey, session, mechanism, template, count, place);
        self.made(rv, &[place]);
    }

    fn generate_pair(&mut self) {
        let (session, mechanism) = (self.session(), self.mechanism(Form::Data));
        let ((public, of_public), (private, of_private)) = (self.template(), self.template());
        let places = [self.place(), self.place()];
        let [first, second] = places;
        let rv = call!(
            C_GenerateKeyPair,
            session,
            mechanism,
            public,
            of_public,
            private,
            of_private,
            first,
            second
        );
        self.made(rv, &places);
    }

    fn wrap(&mut self) {
        let authenticated = self.source.is_rare(3);
        let form = if authenticated { Form::Message } else { Form::Keys };
        let (session, mechanism, by, key) =
            (self.session(), self.mechanism(form), self.object(), self.object());
        let (associated, len) = self.input();
        let room = self.room((null_mut(), u64::MAX));
        let rv = match authenticated {
            false => call!(C_WrapKey, session, mechanism, by, key, room.place, room.len),
            true => call!(
                C_WrapKeyAuthenticated,
                session,
                mechanism,
                by,
                key,
                associated,
                len,
                room.place,
                room.len
            ),
        };
        self.check(&room, rv);
    }

    fn unwrap(&mut self) {
        let authenticated = self.source.is_rare(3);
        let form = if authenticated { Form::Message } else { Form::Keys };
        let (session, mechanism, by) = (self.session(), self.mechanism(form), self.object());
        let ((wrapped, len), (associated, of)) = (self.input(), self.input());
        let ((template, count), place) = (self.template(), self.place());
        let rv = match authenticated {
            false => call!(
                C_UnwrapKey,
                session,
                mechanism,
                by,
                wrapped,
                len,
                template,
                count,
                place
            ),
            true => call!(
                C_UnwrapKeyAuthenticated,
                session,
                mechanism,
                by,
                wrapped,
                len,
                template,
                count,
                associated,
                of,
                place
            ),
        };
        self.made(rv, &[place]);
    }

    fn derive(&mut self) {
        let (session, mechanism, base) = (self.session(), self.mechanism(Form::Data), self.object());
        let ((template, count), place) = (self.template(), self.place());
        let rv = call!(C_DeriveKey, session, mechanism, base, template, count, place);
        self.made(rv, &[place]);
    }

    fn encapsulate(&mut self) {
        let (session, mechanism, key) = (self.session(), self.mechanism(Form::Data), self.object());
        let ((template, count), place) = (self.template(), self.place());
        let room = self.room((null_mut(), u64::MAX));
        let rv = call!(
            C_EncapsulateKey,
            session,
            mechanism,
            key,
            template,
            count,
            room.place,
            room.len,
            place
        );
        self.check(&room, rv);
        if !room.place.is_null() {
            self.made(rv, &[place]);
        }
    }

    fn decapsulate(&mut self) {
        let (session, mechanism, key) = (self.session(), self.mechanism(Form::Data), self.object());
        let ((template, count), (text, len)) = (self.template(), self.input());
        let place = self.place();
        let rv = call!(
            C_DecapsulateKey,
            session,
            mechanism,
            key,
            template,
            count,
            text,
            len,
            place
        );
        self.made(rv, &[place]);
    }

    fn attributes(&mut self) {
        let (session, object, (template, count)) = (self.session(), self.object(), self.template());
        call!(C_GetAttributeValue, session, object, template, count);
        let place = self.place();
        call!(C_GetObjectSize, session, object, place);
    }

    fn change(&mut self) {
        let (session, object) = (self.session(), self.object());
        let rv = match self.source.is_rare(3) {
            true => call!(C_DestroyObject, session, object),
            false => {
                let (template, count) = self.template();
                call!(C_SetAttributeValue, session, object, template, count)
            }
        };
        self.changed |= rv == CKR_OK && self.kept.contains(&object);
    }

    fn find(&mut self) {
        let (session, (template, count)) = (self.session(), self.template());
        call!(C_FindObjectsInit, session, template, count);
        let most = u64::from(self.source.byte() % 8);
        let (found, number) = (self.memory.keep(vec![0; 64]), self.place());
        call!(C_FindObjects, session, found.cast(), most, number);
        if self.source.is_rare(2) {
            call!(C_FindObjectsFinal, session);
        }
    }

    fn verify(&mut self) {
        let session = self.session();
        if self.source.is_rare(2) {
            let (mechanism, key, (signature, len)) =
                (self.mechanism(Form::Data), self.object(), self.input());
            call!(C_VerifySignatureInit, session, mechanism, key, signature, len);
        } else {
            let function = self.source.choice(TWO).copied().unwrap_or(C_Verify);
            let ((data, len), (signature, of)) = (self.input(), self.input());
            call!(function, session, data, len, signature, of);
        }
    }

    fn message(&mut self) {
        let (session, (parameter, of)) = (self.session(), self.parameter());
        let (associated, input) = (self.input(), self.input());
        match self.source.byte() % 3 {
            0 => {
                let function = self.source.choice(MESSAGE).copied().unwrap_or(C_EncryptMessage);
                let room = self.room(input);
                let rv = call!(
                    function,
                    session,
                    parameter.cast(),
                    of,
                    associated.0,
                    associated.1,
                    input.0,
                    input.1,
                    room.place,
                    room.len
                );
                self.check(&room, rv);
            }
            1 => {
                let function = self
                    .source
                    .choice(MESSAGE_BEGIN)
                    .copied()
                    .unwrap_or(C_EncryptMessageBegin);
                call!(
                    function,
                    session,
                    parameter.cast(),
                    of,
                    associated.0,
                    associated.1
                );
            }
            _ => {
                let function = self
                    .source
                    .choice(MESSAGE_NEXT)
                    .copied()
                    .unwrap_or(C_EncryptMessageNext);
                let room = self.room(input);
                let flags = self.source.number(FLAGS);
                let rv = call!(
                    function,
                    session,
                    parameter.cast(),
                    of,
                    input.0,
                    input.1,
                    room.place,
                    room.len,
                    flags
                );
                self.check(&room, rv);
            }
        }
    }

    fn signed_message(&mut self) {
        let (session, (parameter, of)) = (self.session(), self.parameter());
        let parameter = parameter.cast();
        let (input, signature) = (self.input(), self.input());
        let room = self.room(input);
        let which = self.source.byte() % 6;
        let rv = match which {
            0 => call!(
                C_SignMessage,
                session,
                parameter,
                of,
                input.0,
                input.1,
                room.place,
                room.len
            ),
            1 => call!(C_SignMessageBegin, session, parameter, of),
            2 => call!(
                C_SignMessageNext,
                session,
                parameter,
                of,
                input.0,
                input.1,
                room.place,
                room.len
            ),
            3 => call!(
                C_VerifyMessage,
                session,
                parameter,
                of,
                input.0,
                input.1,
                signature.0,
                signature.1
            ),
            4 => call!(C_VerifyMessageBegin, session, parameter, of),
            _ => call!(
                C_VerifyMessageNext,
                session,
                parameter,
                of,
                input.0,
                input.1,
                signature.0,
                signature.1
            ),
        };
        if which == 0 {
            self.check(&room, rv);
        }
    }

    fn alone(&mut self) {
        let function = self.source.choice(ALONE).copied().unwrap_or(C_FindObjectsFinal);
        let session = self.session();
        call!(function, session);
    }

    fn open_or_close(&mut self) {
        if self.source.is_rare(3) {
            // Not the first one, with which the login would end.
            let opened = self.sessions.get(1..).unwrap_or_default();
            let session = self.source.choice(opened).copied().unwrap_or_default();
            call!(C_CloseSession, session);
            return;
        }
        let (flags, place) = (self.source.number(FLAGS), self.place());
        let rv = call!(C_OpenSession, 0, flags, null_mut(), None, place);
        if rv == CKR_OK && !place.is_null() && self.sessions.len() < super::REMEMBERED {
            // SAFETY: it was kept by `place`, eight bytes long.
            self.sessions.push(unsafe { place.read_unaligned() });
        }
    }

    fn ask(&mut self) {
        let session = self.session();
        let info = self.memory.keep(vec![0; 512]);
        match self.source.byte() % 9 {
            0 => call!(C_GetSessionInfo, session, info.cast()),
            1 => call!(C_GetTokenInfo, self.source.number(&[0]), info.cast()),
            2 => call!(C_GetSlotInfo, self.source.number(&[0]), info.cast()),
            3 => call!(C_GetInfo, info.cast()),
            4 => call!(
                C_GetMechanismInfo,
                0,
                self.source.number(&[CKM_AES_CBC]),
                info.cast()
            ),
            5 => {
                let room = self.places(8192);
                call!(C_GetMechanismList, self.source.number(&[0]), room.0, room.1)
            }
            6 => {
                let room = self.places(8192);
                call!(C_GetSlotList, self.source.byte() % 2, room.0, room.1)
            }
            7 => call!(
                C_GetSessionValidationFlags,
                session,
                self.source.number(&[1]),
                info.cast()
            ),
            _ => call!(C_SessionCancel, session, self.source.number(FLAGS)),
        };
    }

    /// Room for some numbers, and the place where it is said for how many.
    fn places(&mut self, most: usize) -> (*mut u64, *mut u64) {
        let count = self.source.len().min(most);
        let list = match self.source.is_rare(3) {
            true => null_mut(),
            false => self.memory.keep(vec![0; count * 8]),
        };
        (
            list.cast(),
            self.memory.keep((count as u64).to_ne_bytes().to_vec()).cast(),
        )
    }

    fn restore(&mut self) {
        let session = self.session();
        let room = self.memory.keep(vec![0; 4096]);
        let len = self.memory.keep(4096u64.to_ne_bytes().to_vec()).cast::<u64>();
        let mut state = self.input();
        if self.source.is_rare(2) && call!(C_GetOperationState, session, room, len) == CKR_OK {
            // SAFETY: it was kept above, eight bytes long.
            state = (room, unsafe { len.read_unaligned() });
        }
        let (to, encryption, authentication) = (self.session(), self.object(), self.object());
        call!(
            C_SetOperationState,
            to,
            state.0,
            state.1,
            encryption,
            authentication
        );
    }

    fn digest_key_or_random(&mut self) {
        let session = self.session();
        if self.source.is_rare(2) {
            let key = self.object();
            call!(C_DigestKey, session, key);
        } else {
            let len = self.source.len();
            let room = self.memory.keep(vec![0; len]);
            call!(C_GenerateRandom, session, room, len as u64);
        }
    }

    fn asynchronous(&mut self) {
        let session = self.session();
        let name: &[u8] = match self.source.byte() % 3 {
            0 => b"C_Sign\0",
            1 => b"C_GenerateKeyPair\0",
            _ => b"\0",
        };
        let name = self.memory.keep(name.to_vec());
        match self.source.byte() % 3 {
            0 => {
                let words = [0, Memory::word(null_mut()), 0, 0, 0];
                let data = self
                    .memory
                    .keep(words.iter().flat_map(|word: &u64| word.to_ne_bytes()).collect());
                call!(C_AsyncComplete, session, name, data.cast())
            }
            1 => {
                let place = self.place();
                call!(C_AsyncGetID, session, name, place)
            }
            _ => {
                let (id, len) = (self.source.number(&[]), self.source.len());
                let room = self.memory.keep(vec![0; len]);
                call!(C_AsyncJoin, session, name, id, room, len as u64)
            }
        };
    }

    /// What takes time, or ends everything.
    fn rare(&mut self) {
        // A PIN takes as long to check as hundreds of other calls.
        if !self.source.is_rare(8) || self.asked {
            return self.ask();
        }
        self.asked = true;
        let (session, (pin, len)) = (self.session(), self.input());
        let user = self.source.number(&[CKU_USER, CKU_SO, CKU_CONTEXT_SPECIFIC]);
        let which = self.source.byte() % 9;
        let rv = match which {
            0 => call!(C_Login, session, user, pin, len),
            1 => call!(C_LoginUser, session, user, pin, len, null_mut(), 0),
            2 => call!(C_Logout, session),
            3 => call!(C_CloseAllSessions, 0),
            4 => call!(C_InitPIN, session, pin, len),
            5 => call!(C_SetPIN, session, pin, len, pin, len),
            6 => {
                let label = self.memory.keep(vec![b' '; 32]);
                call!(C_InitToken, 0, pin, len, label)
            }
            7 => {
                let slot = self.place();
                call!(C_WaitForSlotEvent, CKF_DONT_BLOCK, slot, null_mut())
            }
            _ => call!(C_Finalize, null_mut()),
        };
        self.changed |= matches!(rv, CKR_OK | CKR_PIN_INCORRECT | CKR_PIN_LOCKED) && which != 7;
    }
}
