// SPDX-License-Identifier: MIT
//! One method for each C function, by shape: the macros below make the many that look alike from a row each.

use super::buffer::length;
use super::{Attr, In, Mech, Module, Out, Want, Written, template};
use crate::{Rv, tested};
use cryptoki_sys::*;
use std::ffi::CStr;
use std::ptr::null_mut;

/// Calls one entry of the function list and checks what it returned.
macro_rules! call {
    ($module:expr, $function:ident ( $($argument:expr),* )) => {{
        let entry = $module.list.$function.expect(concat!("the list has no ", stringify!($function)));
        // SAFETY: the entry comes from the module's own list, and its arguments are pointers with lengths made by
        // `In`, `Out`, `template` and `Mech`, which live through the call or say by their length that they may not be
        // read.
        let rv = unsafe { entry($($argument),*) };
        $module.seen(stringify!($function), rv)
    }};
}

/// (session, input, output)
macro_rules! transforms {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method<'a>(&self, session: CK_SESSION_HANDLE, input: impl Into<In<'a>>, output: Out<'_>) -> Written {
            let (data, data_len) = input.into().raw();
            output.fill(|to, to_len| call!(self, $function(session, data, data_len, to, to_len)))
        }
    )* } };
}

transforms! {
    encrypt_into C_Encrypt;
    encrypt_update_into C_EncryptUpdate;
    decrypt_into C_Decrypt;
    decrypt_update_into C_DecryptUpdate;
    digest_into C_Digest;
    sign_into C_Sign;
    sign_recover_into C_SignRecover;
    verify_recover_into C_VerifyRecover;
    digest_encrypt_update_into C_DigestEncryptUpdate;
    decrypt_digest_update_into C_DecryptDigestUpdate;
    sign_encrypt_update_into C_SignEncryptUpdate;
    decrypt_verify_update_into C_DecryptVerifyUpdate;
}

/// (session, output)
macro_rules! finals {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method(&self, session: CK_SESSION_HANDLE, output: Out<'_>) -> Written {
            output.fill(|to, to_len| call!(self, $function(session, to, to_len)))
        }
    )* } };
}

finals! {
    encrypt_final_into C_EncryptFinal;
    decrypt_final_into C_DecryptFinal;
    digest_final_into C_DigestFinal;
    sign_final_into C_SignFinal;
    operation_state_into C_GetOperationState;
}

/// (session, input)
macro_rules! feeds {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method<'a>(&self, session: CK_SESSION_HANDLE, input: impl Into<In<'a>>) -> Rv {
            let (data, data_len) = input.into().raw();
            call!(self, $function(session, data, data_len))
        }
    )* } };
}

feeds! {
    digest_update C_DigestUpdate;
    sign_update C_SignUpdate;
    verify_update C_VerifyUpdate;
    verify_final C_VerifyFinal;
    init_pin C_InitPIN;
    seed_random C_SeedRandom;
}

/// (session, mechanism or null to cancel, key)
macro_rules! inits {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method(&self, session: CK_SESSION_HANDLE, mech: impl Into<Mech>, key: CK_OBJECT_HANDLE) -> Rv {
            mech.into().lend(|mech| call!(self, $function(session, mech, key)))
        }
    )* } };
}

inits! {
    encrypt_init C_EncryptInit;
    decrypt_init C_DecryptInit;
    sign_init C_SignInit;
    verify_init C_VerifyInit;
    sign_recover_init C_SignRecoverInit;
    verify_recover_init C_VerifyRecoverInit;
}

/// The classes of operation that `C_*Init` with a null mechanism cancels.
macro_rules! cancels {
    ($($method:ident $function:ident ( $($key:expr)? );)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "` with a null mechanism.")]
        pub fn $method(&self, session: CK_SESSION_HANDLE) -> Rv {
            call!(self, $function(session, null_mut() $(, $key)?))
        }
    )* } };
}

cancels! {
    encrypt_cancel C_EncryptInit(0);
    decrypt_cancel C_DecryptInit(0);
    sign_cancel C_SignInit(0);
    verify_cancel C_VerifyInit(0);
    digest_cancel C_DigestInit();
}

/// (one number)
macro_rules! plain {
    ($($method:ident $function:ident;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method(&self, handle: CK_ULONG) -> Rv {
            call!(self, $function(handle))
        }
    )* } };
}

plain! {
    close_session C_CloseSession;
    close_all_sessions C_CloseAllSessions;
    logout C_Logout;
    find_final C_FindObjectsFinal;
    function_status C_GetFunctionStatus;
}

/// Structures that a function fills: (numbers) → structure.
macro_rules! infos {
    ($($method:ident $function:ident ( $($number:ident),* ) -> $info:ty;)*) => { impl Module { $(
        #[doc = concat!("`", stringify!($function), "`.")]
        pub fn $method(&self, $($number: CK_ULONG),*) -> Result<$info, Rv> {
            let mut info = <$info>::default();
            call!(self, $function($($number,)* &raw mut info)).ok()?;
            Ok(info)
        }
    )* } };
}

infos! {
    info C_GetInfo() -> CK_INFO;
    slot_info C_GetSlotInfo(slot) -> CK_SLOT_INFO;
    token_info C_GetTokenInfo(slot) -> CK_TOKEN_INFO;
    mechanism_info C_GetMechanismInfo(slot, mechanism) -> CK_MECHANISM_INFO;
    session_info C_GetSessionInfo(session) -> CK_SESSION_INFO;
    object_size C_GetObjectSize(session, object) -> CK_ULONG;
}

/// Which mutex functions `C_Initialize` is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mutexes {
    /// None.
    No,
    /// Only the one that makes a mutex: an argument error.
    Some,
    /// All four.
    All,
}

/// What `C_Initialize` is given.
#[derive(Clone, Copy)]
pub enum Init {
    /// A null pointer.
    Null,
    /// `CK_C_INITIALIZE_ARGS`.
    Args {
        /// `CKF_OS_LOCKING_OK`, `CKF_LIBRARY_CANT_CREATE_OS_THREADS`.
        flags: CK_FLAGS,
        /// The mutex functions.
        mutexes: Mutexes,
        /// Whether `pReserved` points to something that the module does not know; to what it asks for otherwise.
        reserved: bool,
    },
}

unsafe extern "C" fn create_mutex(_mutex: *mut *mut std::ffi::c_void) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn use_mutex(_mutex: *mut std::ffi::c_void) -> CK_RV {
    CKR_OK
}

impl Module {
    /// `C_Initialize`.
    pub fn initialize(&self, init: Init) -> Rv {
        let Init::Args {
            flags,
            mutexes,
            reserved,
        } = init
        else {
            return call!(self, C_Initialize(null_mut()));
        };
        let known = tested::text();
        let mut unknown = *b"something that the module does not know";
        let all = mutexes == Mutexes::All;
        let mut args = CK_C_INITIALIZE_ARGS {
            CreateMutex: (mutexes != Mutexes::No).then_some(create_mutex as _),
            DestroyMutex: all.then_some(use_mutex as _),
            LockMutex: all.then_some(use_mutex as _),
            UnlockMutex: all.then_some(use_mutex as _),
            flags,
            pReserved: if reserved {
                unknown.as_mut_ptr().cast()
            } else {
                known
                    .as_ref()
                    .map_or(null_mut(), |text| text.as_ptr().cast_mut().cast())
            },
        };
        call!(self, C_Initialize((&raw mut args).cast()))
    }

    /// `C_Initialize` for several threads, with a text in `pReserved`: NSS takes its parameters so.
    pub fn initialize_with(&self, text: &CStr) -> Rv {
        let mut args = CK_C_INITIALIZE_ARGS {
            flags: CKF_OS_LOCKING_OK,
            pReserved: text.as_ptr().cast_mut().cast(),
            ..Default::default()
        };
        call!(self, C_Initialize((&raw mut args).cast()))
    }

    /// `C_Finalize`, with `pReserved` null or not.
    pub fn finalize(&self, reserved: bool) -> Rv {
        let mut byte = 0u8;
        let pointer: *mut u8 = if reserved { &raw mut byte } else { null_mut() };
        call!(self, C_Finalize(pointer.cast()))
    }

    /// `C_GetSlotList` with room for `room` slots, or asking for their number: the value, the count, the slots.
    pub fn slot_list(&self, present: bool, room: Option<usize>) -> (Rv, CK_ULONG, Vec<CK_SLOT_ID>) {
        let mut slots = vec![CK_ULONG::MAX; room.unwrap_or_default()];
        let mut count = length(&slots);
        let pointer = if room.is_some() {
            slots.as_mut_ptr()
        } else {
            null_mut()
        };
        let rv = call!(self, C_GetSlotList(u8::from(present), pointer, &raw mut count));
        (rv, count, slots)
    }

    /// `C_GetSlotList` with a null pointer instead of the count.
    pub fn slot_list_without_count(&self) -> Rv {
        call!(self, C_GetSlotList(0, null_mut(), null_mut()))
    }

    /// `C_GetMechanismList`, like [`Module::slot_list`].
    pub fn mechanism_list(
        &self,
        slot: CK_SLOT_ID,
        room: Option<usize>,
    ) -> (Rv, CK_ULONG, Vec<CK_MECHANISM_TYPE>) {
        let mut kinds = vec![CK_ULONG::MAX; room.unwrap_or_default()];
        let mut count = length(&kinds);
        let pointer = if room.is_some() {
            kinds.as_mut_ptr()
        } else {
            null_mut()
        };
        let rv = call!(self, C_GetMechanismList(slot, pointer, &raw mut count));
        (rv, count, kinds)
    }

    /// The functions that fill a structure, each with a null pointer for it, by name.
    pub fn infos_without_room(
        &self,
        slot: CK_SLOT_ID,
        session: CK_SESSION_HANDLE,
    ) -> [(&'static str, Rv); 5] {
        [
            ("C_GetInfo", call!(self, C_GetInfo(null_mut()))),
            ("C_GetSlotInfo", call!(self, C_GetSlotInfo(slot, null_mut()))),
            ("C_GetTokenInfo", call!(self, C_GetTokenInfo(slot, null_mut()))),
            (
                "C_GetMechanismList",
                call!(self, C_GetMechanismList(slot, null_mut(), null_mut())),
            ),
            (
                "C_GetSessionInfo",
                call!(self, C_GetSessionInfo(session, null_mut())),
            ),
        ]
    }

    /// `C_WaitForSlotEvent`.
    pub fn wait_for_slot_event(&self, flags: CK_FLAGS) -> Rv {
        let mut slot = 0;
        call!(self, C_WaitForSlotEvent(flags, &raw mut slot, null_mut()))
    }

    /// `C_InitToken`; the label is padded with blanks to 32 bytes.
    pub fn init_token<'a>(&self, slot: CK_SLOT_ID, pin: impl Into<In<'a>>, label: &str) -> Rv {
        let mut padded = [b' '; 32];
        padded
            .iter_mut()
            .zip(label.bytes())
            .for_each(|(to, from)| *to = from);
        let (pin, pin_len) = pin.into().raw();
        call!(self, C_InitToken(slot, pin, pin_len, padded.as_mut_ptr()))
    }

    /// `C_SetPIN`.
    pub fn set_pin<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        old: impl Into<In<'a>>,
        new: impl Into<In<'a>>,
    ) -> Rv {
        let ((old, old_len), (new, new_len)) = (old.into().raw(), new.into().raw());
        call!(self, C_SetPIN(session, old, old_len, new, new_len))
    }

    /// `C_OpenSession`.
    pub fn open_session(&self, slot: CK_SLOT_ID, flags: CK_FLAGS) -> Result<CK_SESSION_HANDLE, Rv> {
        let mut session = 0;
        call!(
            self,
            C_OpenSession(slot, flags, null_mut(), None, &raw mut session)
        )
        .ok()?;
        Ok(session)
    }

    /// `C_OpenSession` with a null pointer for the handle.
    pub fn open_session_without_room(&self, slot: CK_SLOT_ID, flags: CK_FLAGS) -> Rv {
        call!(self, C_OpenSession(slot, flags, null_mut(), None, null_mut()))
    }

    /// `C_Login`.
    pub fn login<'a>(&self, session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: impl Into<In<'a>>) -> Rv {
        let (pin, pin_len) = pin.into().raw();
        call!(self, C_Login(session, user, pin, pin_len))
    }

    /// `C_CreateObject`.
    pub fn create_object(&self, session: CK_SESSION_HANDLE, attrs: &[Attr]) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut object) = (template::raw(attrs), 0);
        call!(
            self,
            C_CreateObject(session, raw.as_mut_ptr(), length(&raw), &raw mut object)
        )
        .ok()?;
        Ok(object)
    }

    /// The functions that take a template, each with a null pointer and `count` attributes, by name.
    pub fn null_templates(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_ULONG,
        count: CK_ULONG,
    ) -> [(&'static str, Rv); 5] {
        let mut made = 0;
        [
            (
                "C_CreateObject",
                call!(self, C_CreateObject(session, null_mut(), count, &raw mut made)),
            ),
            (
                "C_CopyObject",
                call!(
                    self,
                    C_CopyObject(session, object, null_mut(), count, &raw mut made)
                ),
            ),
            (
                "C_GetAttributeValue",
                call!(self, C_GetAttributeValue(session, object, null_mut(), count)),
            ),
            (
                "C_SetAttributeValue",
                call!(self, C_SetAttributeValue(session, object, null_mut(), count)),
            ),
            (
                "C_FindObjectsInit",
                call!(self, C_FindObjectsInit(session, null_mut(), count)),
            ),
        ]
    }

    /// `C_CopyObject`.
    pub fn copy_object(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        attrs: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut copy) = (template::raw(attrs), 0);
        call!(
            self,
            C_CopyObject(session, object, raw.as_mut_ptr(), length(&raw), &raw mut copy)
        )
        .ok()?;
        Ok(copy)
    }

    /// `C_DestroyObject`.
    pub fn destroy_object(&self, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> Rv {
        call!(self, C_DestroyObject(session, object))
    }

    /// `C_GetAttributeValue`.
    pub fn attribute_values(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        wants: &mut [Want],
    ) -> Rv {
        let mut raw: Vec<CK_ATTRIBUTE> = wants.iter_mut().map(Want::raw).collect();
        let rv = call!(
            self,
            C_GetAttributeValue(session, object, raw.as_mut_ptr(), length(&raw))
        );
        wants
            .iter_mut()
            .zip(raw)
            .for_each(|(want, raw)| want.len = raw.ulValueLen);
        rv
    }

    /// `C_SetAttributeValue`.
    pub fn set_attributes(&self, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, attrs: &[Attr]) -> Rv {
        let mut raw = template::raw(attrs);
        call!(
            self,
            C_SetAttributeValue(session, object, raw.as_mut_ptr(), length(&raw))
        )
    }

    /// `C_FindObjectsInit`.
    pub fn find_init(&self, session: CK_SESSION_HANDLE, attrs: &[Attr]) -> Rv {
        let mut raw = template::raw(attrs);
        call!(self, C_FindObjectsInit(session, raw.as_mut_ptr(), length(&raw)))
    }

    /// `C_FindObjects`: at most `most` handles.
    pub fn find_next(&self, session: CK_SESSION_HANDLE, most: usize) -> Result<Vec<CK_OBJECT_HANDLE>, Rv> {
        let (mut found, mut count) = (vec![0; most], 0);
        call!(
            self,
            C_FindObjects(session, found.as_mut_ptr(), length(&found), &raw mut count)
        )
        .ok()?;
        found.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// `C_DigestInit`.
    pub fn digest_init(&self, session: CK_SESSION_HANDLE, mech: impl Into<Mech>) -> Rv {
        mech.into().lend(|mech| call!(self, C_DigestInit(session, mech)))
    }

    /// `C_DigestKey`.
    pub fn digest_key(&self, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Rv {
        call!(self, C_DigestKey(session, key))
    }

    /// `C_Verify`.
    pub fn verify<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        data: impl Into<In<'a>>,
        signature: impl Into<In<'a>>,
    ) -> Rv {
        let ((data, data_len), (signature, signature_len)) = (data.into().raw(), signature.into().raw());
        call!(self, C_Verify(session, data, data_len, signature, signature_len))
    }

    /// `C_GenerateKey`.
    pub fn generate_key(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        attrs: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut key) = (template::raw(attrs), 0);
        let mech = mech.into();
        let rv = mech.lend(|mech| {
            call!(
                self,
                C_GenerateKey(session, mech, raw.as_mut_ptr(), length(&raw), &raw mut key)
            )
        });
        rv.ok()?;
        Ok(key)
    }

    /// `C_GenerateKeyPair`: public key, private key.
    pub fn generate_key_pair(
        &self,
        session: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        public: &[Attr],
        private: &[Attr],
    ) -> Result<(CK_OBJECT_HANDLE, CK_OBJECT_HANDLE), Rv> {
        let (mut public, mut private) = (template::raw(public), template::raw(private));
        let (mut public_key, mut private_key) = (0, 0);
        let (count, private_count) = (length(&public), length(&private));
        let mech = mech.into();
        let rv = mech.lend(|mech| {
            let (public, private) = (public.as_mut_ptr(), private.as_mut_ptr());
            let (first, second) = (&raw mut public_key, &raw mut private_key);
            call!(
                self,
                C_GenerateKeyPair(
                    session,
                    mech,
                    public,
                    count,
                    private,
                    private_count,
                    first,
                    second
                )
            )
        });
        rv.ok()?;
        Ok((public_key, private_key))
    }

    /// The functions that make keys by a mechanism, each with a null pointer for it, by name.
    pub fn null_mechanisms(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> [(&'static str, Rv); 3] {
        let (mut first, mut second) = (0, 0);
        let none = null_mut();
        [
            (
                "C_GenerateKey",
                call!(self, C_GenerateKey(session, null_mut(), none, 0, &raw mut first)),
            ),
            (
                "C_GenerateKeyPair",
                call!(
                    self,
                    C_GenerateKeyPair(
                        session,
                        null_mut(),
                        none,
                        0,
                        none,
                        0,
                        &raw mut first,
                        &raw mut second
                    )
                ),
            ),
            (
                "C_DeriveKey",
                call!(
                    self,
                    C_DeriveKey(session, null_mut(), key, none, 0, &raw mut first)
                ),
            ),
        ]
    }

    /// `C_GenerateRandom`.
    pub fn random(&self, session: CK_SESSION_HANDLE, room: &mut [u8]) -> Rv {
        call!(self, C_GenerateRandom(session, room.as_mut_ptr(), length(room)))
    }

    /// `C_GenerateRandom` with a null pointer.
    pub fn random_into_null(&self, session: CK_SESSION_HANDLE, length: CK_ULONG) -> Rv {
        call!(self, C_GenerateRandom(session, null_mut(), length))
    }

    /// `C_SetOperationState` without keys.
    pub fn set_operation_state<'a>(&self, session: CK_SESSION_HANDLE, state: impl Into<In<'a>>) -> Rv {
        self.set_operation_state_with(session, state, 0, 0)
    }

    /// `C_SetOperationState`.
    pub fn set_operation_state_with<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        state: impl Into<In<'a>>,
        encryption: CK_OBJECT_HANDLE,
        authentication: CK_OBJECT_HANDLE,
    ) -> Rv {
        let (state, state_len) = state.into().raw();
        call!(
            self,
            C_SetOperationState(session, state, state_len, encryption, authentication)
        )
    }
}
