// SPDX-License-Identifier: MIT
//! The vendor's C functions, called safely: the only file of this crate with `unsafe` in it.
//!
//! A [`Module`] is a copy of the best function list that a shared library offers. The copy has the shape of version
//! 3.2; what the vendor's list is too old for is absent there and answers `CKR_FUNCTION_NOT_SUPPORTED`. Every method
//! is one row: the function, and its arguments made of safe values. Lengths that the vendor reports are never trusted:
//! they are compared with the memory that was lent.
//!
//! Parameters of mechanisms hold pointers of the application's, which the C caller owes to keep good while its call
//! lasts (PKCS#11 3.2, section 5). They are passed on as they are, and followed here alone.

use std::ffi::{CStr, CString, c_void};
use std::os::raw::{c_char, c_int};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::token::{Message, MessageEnd, MessageStep, OperationClass, Processed};
use libloading::os::unix;

use crate::messages::room;
use crate::template::{Attributes, Reading};

/// What a vendor's function answers.
pub(crate) type Answer<T> = Result<T, Rv>;
/// A session of the vendor's.
pub(crate) type Session = ck::CK_SESSION_HANDLE;
/// An object of the vendor's.
pub(crate) type Handle = ck::CK_OBJECT_HANDLE;

/// A mechanism as it goes over to the vendor: its parameter is flat, with the application's pointers in it.
#[derive(Clone, Copy)]
pub(crate) struct Mech<'a> {
    pub id: ck::CK_MECHANISM_TYPE,
    pub parameter: Option<&'a [u8]>,
}

impl Mech<'_> {
    fn raw(&self) -> ck::CK_MECHANISM {
        let parameter = self.parameter.unwrap_or_default();
        ck::CK_MECHANISM {
            mechanism: self.id,
            pParameter: match self.parameter {
                Some(bytes) => bytes.as_ptr().cast_mut().cast(),
                None => null_mut(),
            },
            ulParameterLen: parameter.len() as ck::CK_ULONG,
        }
    }
}

/// Why a shared library cannot be used.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The system's loader refused it, in its own words.
    Loader(String),
    /// It has neither `C_GetInterface` nor `C_GetFunctionList`.
    NoFunctions,
    /// It is this very product.
    Ourselves,
}

/// A loaded module's functions. The library stays loaded until the process ends.
pub(crate) struct Module {
    list: ck::CK_FUNCTION_LIST_3_2,
    version: (u8, u8),
}

/// The name of the interface that this product alone offers.
const OWN_INTERFACE: &CStr = c"KeyEnclave";
const STANDARD_INTERFACE: &CStr = c"PKCS 11";

/// Calls one function of the list; `CKR_FUNCTION_NOT_SUPPORTED` where the list has none.
macro_rules! call {
    ($module:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let function = $module.list.$function.ok_or(Rv::FunctionNotSupported)?;
        // SAFETY: the function is the vendor's own of this name and type; every pointer comes from a reference or
        // slice that outlives the call, with its length beside it, or is null where the specification allows it.
        let raw = unsafe { function($($argument),*) };
        answer(raw)
    }};
}

/// The functions of one class of operation. Those of one column have the same type.
struct Family {
    init: ck::CK_C_SignInit,
    single: ck::CK_C_Sign,
    update: ck::CK_C_EncryptUpdate,
    absorb: ck::CK_C_SignUpdate,
    finish: ck::CK_C_SignFinal,
    message: ck::CK_C_SignInit,
    message_final: ck::CK_C_MessageSignFinal,
}

/// What has the loader give a module its own functions: where the process has a `C_Initialize` that all can see (the
/// program is linked with this product, or its runtime loads libraries so, as Mono does), the table of a module that
/// calls its functions by name would hold that one's instead. Not asked for elsewhere, since sanitizers refuse it.
#[cfg(target_env = "gnu")]
fn own_names_first() -> c_int {
    let seen = unix::Library::this();
    // SAFETY: the address is looked at, not called or read.
    let found = unsafe { seen.get::<*const ()>(b"C_Initialize\0") };
    if found.is_ok() { libc::RTLD_DEEPBIND } else { 0 }
}

/// Only the loader of the GNU system can be asked to.
#[cfg(not(target_env = "gnu"))]
fn own_names_first() -> c_int {
    0
}

impl Module {
    /// Loads the shared library and takes its best function list.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let flags = unix::RTLD_LAZY | unix::RTLD_LOCAL | own_names_first();
        // SAFETY: loading runs the library's initialisers; the user named this module for that very purpose.
        let library = unsafe { unix::Library::open(Some(path), flags) };
        let library: libloading::Library = library
            .map_err(|error| LoadError::Loader(error.to_string()))?
            .into();
        // Modules leave threads and exit handlers behind: none is ever unloaded.
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        if offers(library, OWN_INTERFACE) {
            return Err(LoadError::Ourselves);
        }
        best_interface(library)
            .or_else(|| function_list(library))
            .ok_or(LoadError::NoFunctions)
    }

    /// The version of the function list.
    pub fn version(&self) -> (u8, u8) {
        self.version
    }

    /// Tells this module from others, also in a child process: the address of its `C_Initialize`.
    pub fn identity(&self) -> usize {
        self.list.C_Initialize.map_or(0, |function| function as usize)
    }

    fn family(&self, class: OperationClass) -> Family {
        use OperationClass::*;
        let list = &self.list;
        let none = Family {
            init: None,
            single: None,
            update: None,
            absorb: None,
            finish: None,
            message: None,
            message_final: None,
        };
        match class {
            Encrypt => Family {
                init: list.C_EncryptInit,
                single: list.C_Encrypt,
                update: list.C_EncryptUpdate,
                finish: list.C_EncryptFinal,
                message: list.C_MessageEncryptInit,
                message_final: list.C_MessageEncryptFinal,
                ..none
            },
            Decrypt => Family {
                init: list.C_DecryptInit,
                single: list.C_Decrypt,
                update: list.C_DecryptUpdate,
                finish: list.C_DecryptFinal,
                message: list.C_MessageDecryptInit,
                message_final: list.C_MessageDecryptFinal,
                ..none
            },
            Digest => Family {
                single: list.C_Digest,
                absorb: list.C_DigestUpdate,
                finish: list.C_DigestFinal,
                ..none
            },
            Sign => Family {
                init: list.C_SignInit,
                single: list.C_Sign,
                absorb: list.C_SignUpdate,
                finish: list.C_SignFinal,
                message: list.C_MessageSignInit,
                message_final: list.C_MessageSignFinal,
                ..none
            },
            SignRecover => Family {
                init: list.C_SignRecoverInit,
                single: list.C_SignRecover,
                ..none
            },
            Verify => Family {
                init: list.C_VerifyInit,
                absorb: list.C_VerifyUpdate,
                message: list.C_MessageVerifyInit,
                message_final: list.C_MessageVerifyFinal,
                ..none
            },
            VerifyRecover => Family {
                init: list.C_VerifyRecoverInit,
                single: list.C_VerifyRecover,
                ..none
            },
        }
    }

    // ---- the library, slots and tokens

    /// `C_Initialize`: with `init` as the string that some modules take, which then lives for ever.
    pub fn initialize(&self, threads: bool, init: Option<&CString>) -> Answer<()> {
        /// NSS reads one more pointer after the structure when the reserved field is used, and wants it null.
        #[repr(C)]
        struct Extended {
            args: ck::CK_C_INITIALIZE_ARGS,
            after: *mut c_void,
        }
        let mut extended = Extended {
            args: ck::CK_C_INITIALIZE_ARGS::default(),
            after: null_mut(),
        };
        extended.args.flags = if threads { ck::CKF_OS_LOCKING_OK } else { 0 };
        if let Some(init) = init {
            // Leaked: no module says how long it reads it.
            extended.args.pReserved = Box::leak(Box::new(init.clone())).as_ptr().cast_mut().cast();
        }
        call!(self, C_Initialize((&raw mut extended).cast()))
    }

    /// `C_Finalize`.
    pub fn finalize(&self) -> Answer<()> {
        call!(self, C_Finalize(null_mut()))
    }

    /// `C_GetInfo`.
    pub fn info(&self) -> Answer<ck::CK_INFO> {
        let mut info = ck::CK_INFO::default();
        call!(self, C_GetInfo(&raw mut info)).map(|()| info)
    }

    /// `C_GetSlotList`: slots with a token in them, or all.
    pub fn slots(&self, with_token: bool) -> Answer<Vec<ck::CK_SLOT_ID>> {
        let present = if with_token { ck::CK_TRUE } else { ck::CK_FALSE };
        listed(|out, len| call!(self, C_GetSlotList(present, out, len)))
    }

    /// `C_GetSlotInfo`.
    pub fn slot_info(&self, slot: ck::CK_SLOT_ID) -> Answer<ck::CK_SLOT_INFO> {
        let mut info = ck::CK_SLOT_INFO::default();
        call!(self, C_GetSlotInfo(slot, &raw mut info)).map(|()| info)
    }

    /// `C_GetTokenInfo`.
    pub fn token_info(&self, slot: ck::CK_SLOT_ID) -> Answer<ck::CK_TOKEN_INFO> {
        let mut info = ck::CK_TOKEN_INFO::default();
        call!(self, C_GetTokenInfo(slot, &raw mut info)).map(|()| info)
    }

    /// `C_GetMechanismList`.
    pub fn mechanisms(&self, slot: ck::CK_SLOT_ID) -> Answer<Vec<ck::CK_MECHANISM_TYPE>> {
        listed(|out, len| call!(self, C_GetMechanismList(slot, out, len)))
    }

    /// `C_GetMechanismInfo`.
    pub fn mechanism_info(
        &self,
        slot: ck::CK_SLOT_ID,
        id: ck::CK_MECHANISM_TYPE,
    ) -> Answer<ck::CK_MECHANISM_INFO> {
        let mut info = ck::CK_MECHANISM_INFO::default();
        call!(self, C_GetMechanismInfo(slot, id, &raw mut info)).map(|()| info)
    }

    /// `C_InitToken`; no PIN where the token has a keypad of its own.
    pub fn init_token(&self, slot: ck::CK_SLOT_ID, so_pin: Option<&[u8]>, label: &[u8; 32]) -> Answer<()> {
        let (pin, len) = optional(so_pin);
        call!(self, C_InitToken(slot, pin, len, label.as_ptr().cast_mut()))
    }

    // ---- sessions and login

    /// `C_OpenSession`, without notifications.
    pub fn open_session(&self, slot: ck::CK_SLOT_ID, writable: bool) -> Answer<Session> {
        let flags = ck::CKF_SERIAL_SESSION | if writable { ck::CKF_RW_SESSION } else { 0 };
        made(|out| call!(self, C_OpenSession(slot, flags, null_mut(), None, out)))
    }

    /// `C_CloseSession`.
    pub fn close_session(&self, session: Session) -> Answer<()> {
        call!(self, C_CloseSession(session))
    }

    /// `C_CloseAllSessions`.
    #[cfg(test)]
    pub fn close_all_sessions(&self, slot: ck::CK_SLOT_ID) -> Answer<()> {
        call!(self, C_CloseAllSessions(slot))
    }

    /// `C_GetSessionInfo`.
    pub fn session_info(&self, session: Session) -> Answer<ck::CK_SESSION_INFO> {
        let mut info = ck::CK_SESSION_INFO::default();
        call!(self, C_GetSessionInfo(session, &raw mut info)).map(|()| info)
    }

    /// `C_SessionCancel`, from version 3.0 on.
    pub fn cancel(&self, session: Session, flags: ck::CK_FLAGS) -> Answer<()> {
        call!(self, C_SessionCancel(session, flags))
    }

    /// `C_Login`; no PIN where the token has a keypad of its own.
    pub fn login(&self, session: Session, user: ck::CK_USER_TYPE, pin: Option<&[u8]>) -> Answer<()> {
        let (pin, len) = optional(pin);
        call!(self, C_Login(session, user, pin, len))
    }

    /// `C_LoginUser`, from version 3.0 on.
    pub fn login_user(
        &self,
        session: Session,
        user: ck::CK_USER_TYPE,
        pin: Option<&[u8]>,
        name: &[u8],
    ) -> Answer<()> {
        let (pin, len) = optional(pin);
        call!(
            self,
            C_LoginUser(session, user, pin, len, bytes(name), count(name))
        )
    }

    /// `C_Logout`.
    pub fn logout(&self, session: Session) -> Answer<()> {
        call!(self, C_Logout(session))
    }

    /// `C_InitPIN`.
    pub fn init_pin(&self, session: Session, pin: Option<&[u8]>) -> Answer<()> {
        let (pin, len) = optional(pin);
        call!(self, C_InitPIN(session, pin, len))
    }

    /// `C_SetPIN`.
    pub fn set_pin(&self, session: Session, old: Option<&[u8]>, new: Option<&[u8]>) -> Answer<()> {
        let ((old, old_len), (new, new_len)) = (optional(old), optional(new));
        call!(self, C_SetPIN(session, old, old_len, new, new_len))
    }

    // ---- objects

    /// `C_CreateObject`.
    pub fn create(&self, session: Session, template: &Attributes<'_>) -> Answer<Handle> {
        let (attributes, len) = template.raw();
        made(|out| call!(self, C_CreateObject(session, attributes, len, out)))
    }

    /// `C_CopyObject`.
    pub fn copy(&self, session: Session, object: Handle, template: &Attributes<'_>) -> Answer<Handle> {
        let (attributes, len) = template.raw();
        made(|out| call!(self, C_CopyObject(session, object, attributes, len, out)))
    }

    /// `C_DestroyObject`.
    pub fn destroy(&self, session: Session, object: Handle) -> Answer<()> {
        call!(self, C_DestroyObject(session, object))
    }

    /// `C_GetObjectSize`.
    pub fn size(&self, session: Session, object: Handle) -> Answer<ck::CK_ULONG> {
        made(|out| call!(self, C_GetObjectSize(session, object, out)))
    }

    /// `C_GetAttributeValue`, into the memory of `reading`, which keeps the lengths that come back.
    pub fn read(&self, session: Session, object: Handle, reading: &mut Reading) -> Answer<()> {
        let (attributes, len) = reading.raw();
        call!(self, C_GetAttributeValue(session, object, attributes, len))
    }

    /// `C_SetAttributeValue`.
    pub fn set(&self, session: Session, object: Handle, template: &Attributes<'_>) -> Answer<()> {
        let (attributes, len) = template.raw();
        call!(self, C_SetAttributeValue(session, object, attributes, len))
    }

    /// `C_FindObjectsInit`, `C_FindObjects` until nothing more comes, `C_FindObjectsFinal`.
    pub fn find(&self, session: Session, template: &Attributes<'_>) -> Answer<Vec<Handle>> {
        let (attributes, len) = template.raw();
        call!(self, C_FindObjectsInit(session, attributes, len))?;
        let found = self.found(session);
        let ended = call!(self, C_FindObjectsFinal(session));
        found.and_then(|found| ended.map(|()| found))
    }

    fn found(&self, session: Session) -> Answer<Vec<Handle>> {
        let mut found = Vec::new();
        let mut room = [0; 64];
        loop {
            let (mut len, max) = (0, room.len() as ck::CK_ULONG);
            call!(self, C_FindObjects(session, room.as_mut_ptr(), max, &raw mut len))?;
            let page = usize::try_from(len).ok().and_then(|len| room.get(..len));
            match page.ok_or(Rv::DeviceError)? {
                [] => return Ok(found),
                page => found.extend_from_slice(page),
            }
        }
    }

    // ---- keys

    /// `C_GenerateKey`.
    pub fn generate(&self, session: Session, mech: Mech<'_>, template: &Attributes<'_>) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            call!(
                self,
                C_GenerateKey(session, &raw mut mechanism, attributes, len, out)
            )
        })
    }

    /// `C_GenerateKeyPair`: the public key, then the private one.
    pub fn generate_pair(
        &self,
        session: Session,
        mech: Mech<'_>,
        public: &Attributes<'_>,
        private: &Attributes<'_>,
    ) -> Answer<(Handle, Handle)> {
        let mut mechanism = mech.raw();
        let ((public, public_len), (private, private_len)) = (public.raw(), private.raw());
        let mut second = 0;
        let first = made(|out| {
            let function = &raw mut mechanism;
            let other = &raw mut second;
            call!(
                self,
                C_GenerateKeyPair(
                    session,
                    function,
                    public,
                    public_len,
                    private,
                    private_len,
                    out,
                    other
                )
            )
        })?;
        Ok((first, second))
    }

    /// `C_WrapKey`; how long the result is, if there is no room.
    pub fn wrap(
        &self,
        session: Session,
        mech: Mech<'_>,
        wrapping: Handle,
        key: Handle,
        out: Option<&mut [u8]>,
    ) -> Answer<usize> {
        let mut mechanism = mech.raw();
        written(out, |out, len| {
            call!(
                self,
                C_WrapKey(session, &raw mut mechanism, wrapping, key, out, len)
            )
        })
    }

    /// `C_UnwrapKey`.
    pub fn unwrap(
        &self,
        session: Session,
        mech: Mech<'_>,
        unwrapping: Handle,
        wrapped: &[u8],
        template: &Attributes<'_>,
    ) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            let (data, data_len) = (bytes(wrapped), count(wrapped));
            let mechanism = &raw mut mechanism;
            call!(
                self,
                C_UnwrapKey(
                    session, mechanism, unwrapping, data, data_len, attributes, len, out
                )
            )
        })
    }

    /// `C_WrapKeyAuthenticated`, from version 3.2 on.
    pub fn wrap_authenticated(
        &self,
        session: Session,
        mech: Mech<'_>,
        wrapping: Handle,
        key: Handle,
        associated: &[u8],
        out: Option<&mut [u8]>,
    ) -> Answer<usize> {
        let mut mechanism = mech.raw();
        written(out, |out, len| {
            let (data, data_len) = (bytes(associated), count(associated));
            let mechanism = &raw mut mechanism;
            call!(
                self,
                C_WrapKeyAuthenticated(session, mechanism, wrapping, key, data, data_len, out, len)
            )
        })
    }

    /// `C_UnwrapKeyAuthenticated`, from version 3.2 on.
    pub fn unwrap_authenticated(
        &self,
        session: Session,
        mech: Mech<'_>,
        unwrapping: Handle,
        (wrapped, associated): (&[u8], &[u8]),
        template: &Attributes<'_>,
    ) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            let (data, data_len) = (bytes(wrapped), count(wrapped));
            let (with, with_len) = (bytes(associated), count(associated));
            let mechanism = &raw mut mechanism;
            call!(
                self,
                C_UnwrapKeyAuthenticated(
                    session, mechanism, unwrapping, data, data_len, attributes, len, with, with_len, out
                )
            )
        })
    }

    /// `C_DeriveKey`; without a handle where the mechanism's parameter says where the keys go.
    pub fn derive(
        &self,
        session: Session,
        mech: Mech<'_>,
        base: Handle,
        template: &Attributes<'_>,
        has_handle: bool,
    ) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            let out = if has_handle { out } else { null_mut() };
            call!(
                self,
                C_DeriveKey(session, &raw mut mechanism, base, attributes, len, out)
            )
        })
    }

    /// `C_EncapsulateKey`, from version 3.2 on: the length of the ciphertext in `out`, and the new key. With no room,
    /// the length alone; the handle is then 0.
    pub fn encapsulate(
        &self,
        session: Session,
        mech: Mech<'_>,
        public: Handle,
        template: &Attributes<'_>,
        out: Option<&mut [u8]>,
    ) -> Answer<(usize, Handle)> {
        let mut mechanism = mech.raw();
        let (attributes, count) = template.raw();
        let mut key = 0;
        let len = written(out, |out, len| {
            let (mechanism, key) = (&raw mut mechanism, &raw mut key);
            call!(
                self,
                C_EncapsulateKey(session, mechanism, public, attributes, count, out, len, key)
            )
        })?;
        Ok((len, key))
    }

    /// `C_DecapsulateKey`, from version 3.2 on.
    pub fn decapsulate(
        &self,
        session: Session,
        mech: Mech<'_>,
        private: Handle,
        ciphertext: &[u8],
        template: &Attributes<'_>,
    ) -> Answer<Handle> {
        let mut mechanism = mech.raw();
        let (attributes, len) = template.raw();
        made(|out| {
            let (data, data_len) = (bytes(ciphertext), count(ciphertext));
            let mechanism = &raw mut mechanism;
            call!(
                self,
                C_DecapsulateKey(session, mechanism, private, attributes, len, data, data_len, out)
            )
        })
    }

    // ---- operations

    /// `C_SignInit` and the like; digests have no key.
    pub fn begin(&self, session: Session, class: OperationClass, mech: Mech<'_>, key: Handle) -> Answer<()> {
        let mut mechanism = mech.raw();
        let mechanism = &raw mut mechanism;
        if class == OperationClass::Digest {
            return call!(self, C_DigestInit(session, mechanism));
        }
        let function = self.family(class).init.ok_or(Rv::FunctionNotSupported)?;
        // SAFETY: as in `call!`; the functions of this column have one type.
        answer(unsafe { function(session, mechanism, key) })
    }

    /// `C_Sign` and the like; how long the result is, if there is no room.
    pub fn single(
        &self,
        session: Session,
        class: OperationClass,
        input: &[u8],
        out: Option<&mut [u8]>,
    ) -> Answer<usize> {
        let function = self.family(class).single.ok_or(Rv::FunctionNotSupported)?;
        written(out, |out, len| {
            // SAFETY: as in `call!`; the functions of this column have one type.
            answer(unsafe { function(session, bytes(input), count(input), out, len) })
        })
    }

    /// `C_Verify`.
    pub fn verify(&self, session: Session, input: &[u8], signature: &[u8]) -> Answer<()> {
        let (data, len) = (bytes(input), count(input));
        call!(
            self,
            C_Verify(session, data, len, bytes(signature), count(signature))
        )
    }

    /// `C_EncryptUpdate` and `C_DecryptUpdate`; how long the result is, if there is no room.
    pub fn update(
        &self,
        session: Session,
        class: OperationClass,
        input: &[u8],
        out: Option<&mut [u8]>,
    ) -> Answer<usize> {
        let function = self.family(class).update.ok_or(Rv::FunctionNotSupported)?;
        written(out, |out, len| {
            // SAFETY: as in `call!`; the functions of this column have one type.
            answer(unsafe { function(session, bytes(input), count(input), out, len) })
        })
    }

    /// `C_DigestUpdate`, `C_SignUpdate` and `C_VerifyUpdate`.
    pub fn absorb(&self, session: Session, class: OperationClass, input: &[u8]) -> Answer<()> {
        let function = self.family(class).absorb.ok_or(Rv::FunctionNotSupported)?;
        // SAFETY: as in `call!`; the functions of this column have one type.
        answer(unsafe { function(session, bytes(input), count(input)) })
    }

    /// `C_DigestKey`.
    pub fn digest_key(&self, session: Session, key: Handle) -> Answer<()> {
        call!(self, C_DigestKey(session, key))
    }

    /// `C_SignFinal` and the like; how long the result is, if there is no room.
    pub fn finish(&self, session: Session, class: OperationClass, out: Option<&mut [u8]>) -> Answer<usize> {
        let function = self.family(class).finish.ok_or(Rv::FunctionNotSupported)?;
        written(out, |out, len| {
            // SAFETY: as in `call!`; the functions of this column have one type.
            answer(unsafe { function(session, out, len) })
        })
    }

    /// `C_VerifyFinal`.
    pub fn verify_final(&self, session: Session, signature: &[u8]) -> Answer<()> {
        call!(self, C_VerifyFinal(session, bytes(signature), count(signature)))
    }

    /// `C_GetOperationState`; how long it is, if there is no room.
    pub fn operation_state(&self, session: Session, out: Option<&mut [u8]>) -> Answer<usize> {
        written(out, |out, len| {
            call!(self, C_GetOperationState(session, out, len))
        })
    }

    /// `C_SetOperationState`.
    pub fn set_operation_state(
        &self,
        session: Session,
        state: &[u8],
        encryption: Handle,
        authentication: Handle,
    ) -> Answer<()> {
        let (state, len) = (bytes(state), count(state));
        call!(
            self,
            C_SetOperationState(session, state, len, encryption, authentication)
        )
    }

    /// `C_GenerateRandom`.
    pub fn random(&self, session: Session, out: &mut [u8]) -> Answer<()> {
        let len = out.len() as ck::CK_ULONG;
        call!(self, C_GenerateRandom(session, out.as_mut_ptr(), len))
    }

    /// `C_SeedRandom`.
    pub fn seed(&self, session: Session, seed: &[u8]) -> Answer<()> {
        call!(self, C_SeedRandom(session, bytes(seed), count(seed)))
    }

    // ---- message operations, from version 3.0 on

    /// `C_MessageEncryptInit` and the like.
    pub fn message_begin(
        &self,
        session: Session,
        class: OperationClass,
        mech: Mech<'_>,
        key: Handle,
    ) -> Answer<()> {
        let mut mechanism = mech.raw();
        let function = self.family(class).message.ok_or(Rv::FunctionNotSupported)?;
        // SAFETY: as in `call!`; the functions of this column have one type.
        answer(unsafe { function(session, &raw mut mechanism, key) })
    }

    /// `C_EncryptMessage`, `C_EncryptMessageBegin`, `C_EncryptMessageNext` and the like.
    pub fn message(
        &self,
        session: Session,
        class: OperationClass,
        message: &mut Message<'_>,
    ) -> Answer<Processed> {
        let (parameter, parameter_len) = (message.parameter.as_mut_ptr(), count(message.parameter));
        let parameter: *mut c_void = if message.parameter.is_empty() {
            null_mut()
        } else {
            parameter.cast()
        };
        let (associated, associated_len) = (bytes(message.associated), count(message.associated));
        let (input, len) = (bytes(message.input), count(message.input));
        let signature = match message.end {
            MessageEnd::Signature(signature) => Some(signature),
            _ => None,
        };
        let (signature, signature_len) = optional(signature);
        let step = message.step;
        let flags = match step {
            MessageStep::Next { last: true } => ck::CKF_END_OF_MESSAGE,
            _ => 0,
        };
        let room = room(&mut message.end);
        let has_room = matches!(room, Some(Some(_)));
        let wants_output = room.is_some();
        let out = room.flatten();
        let max = out.as_ref().map_or(0, |out| out.len());
        let out = out.map_or(null_mut(), <[u8]>::as_mut_ptr);
        let mut written = count_of(max);
        let out_len = if wants_output {
            &raw mut written
        } else {
            null_mut()
        };
        let p = (parameter, parameter_len);
        let answered = match (class, step) {
            (OperationClass::Encrypt, MessageStep::Whole) => call!(
                self,
                C_EncryptMessage(
                    session,
                    p.0,
                    p.1,
                    associated,
                    associated_len,
                    input,
                    len,
                    out,
                    &raw mut written
                )
            ),
            (OperationClass::Encrypt, MessageStep::Begin) => call!(
                self,
                C_EncryptMessageBegin(session, p.0, p.1, associated, associated_len)
            ),
            (OperationClass::Encrypt, MessageStep::Next { .. }) => call!(
                self,
                C_EncryptMessageNext(session, p.0, p.1, input, len, out, &raw mut written, flags)
            ),
            (OperationClass::Decrypt, MessageStep::Whole) => call!(
                self,
                C_DecryptMessage(
                    session,
                    p.0,
                    p.1,
                    associated,
                    associated_len,
                    input,
                    len,
                    out,
                    &raw mut written
                )
            ),
            (OperationClass::Decrypt, MessageStep::Begin) => call!(
                self,
                C_DecryptMessageBegin(session, p.0, p.1, associated, associated_len)
            ),
            (OperationClass::Decrypt, MessageStep::Next { .. }) => call!(
                self,
                C_DecryptMessageNext(session, p.0, p.1, input, len, out, &raw mut written, flags)
            ),
            (OperationClass::Sign, MessageStep::Whole) => call!(
                self,
                C_SignMessage(session, p.0, p.1, input, len, out, &raw mut written)
            ),
            (OperationClass::Sign, MessageStep::Begin) => {
                call!(self, C_SignMessageBegin(session, p.0, p.1))
            }
            (OperationClass::Sign, MessageStep::Next { .. }) => call!(
                self,
                C_SignMessageNext(session, p.0, p.1, input, len, out, out_len)
            ),
            (OperationClass::Verify, MessageStep::Whole) => call!(
                self,
                C_VerifyMessage(session, p.0, p.1, input, len, signature, signature_len)
            ),
            (OperationClass::Verify, MessageStep::Begin) => {
                call!(self, C_VerifyMessageBegin(session, p.0, p.1))
            }
            (OperationClass::Verify, MessageStep::Next { .. }) => call!(
                self,
                C_VerifyMessageNext(session, p.0, p.1, input, len, signature, signature_len)
            ),
            _ => Err(Rv::FunctionNotSupported),
        };
        let written = usize::try_from(written).map_err(|_| Rv::DeviceError);
        match answered {
            Ok(()) if !wants_output => Ok(Processed::Written(0)),
            Ok(()) if has_room => written.and_then(|written| {
                if written <= max {
                    Ok(Processed::Written(written))
                } else {
                    Err(Rv::DeviceError)
                }
            }),
            Ok(()) | Err(Rv::BufferTooSmall) => written.map(Processed::Needs),
            Err(rv) => Err(rv),
        }
    }

    /// `C_MessageEncryptFinal` and the like.
    pub fn message_final(&self, session: Session, class: OperationClass) -> Answer<()> {
        let function = self.family(class).message_final;
        let function = function.ok_or(Rv::FunctionNotSupported)?;
        // SAFETY: as in `call!`; the functions of this column have one type.
        answer(unsafe { function(session) })
    }
}

/// `true` if the library's `C_GetInterfaceList` has an interface of this name.
fn offers(library: &libloading::Library, name: &CStr) -> bool {
    type List = unsafe extern "C" fn(*mut ck::CK_INTERFACE, *mut ck::CK_ULONG) -> ck::CK_RV;
    // SAFETY: the specification gives the function of this name this type.
    let Ok(list) = (unsafe { library.get::<List>(b"C_GetInterfaceList\0") }) else {
        return false;
    };
    let interfaces = listed(|out: *mut ck::CK_INTERFACE, len| {
        // SAFETY: `listed` gives memory for as many as it says, or none.
        answer(unsafe { list(out, len) })
    });
    let is_it = |interface: &ck::CK_INTERFACE| {
        let given = interface.pInterfaceName.cast::<c_char>();
        if given.is_null() {
            return false;
        }
        // SAFETY: the specification has a string there that ends with a zero byte and lives as long as the library.
        unsafe { CStr::from_ptr(given) == name }
    };
    interfaces.is_ok_and(|interfaces| interfaces.iter().any(is_it))
}

/// The newest standard interface of `C_GetInterface` that is understood.
fn best_interface(library: &libloading::Library) -> Option<Module> {
    type Get = unsafe extern "C" fn(
        *mut ck::CK_UTF8CHAR,
        *mut ck::CK_VERSION,
        *mut *mut ck::CK_INTERFACE,
        ck::CK_FLAGS,
    ) -> ck::CK_RV;
    // SAFETY: the specification gives the function of this name this type.
    let get = unsafe { library.get::<Get>(b"C_GetInterface\0") }.ok()?;
    let name = STANDARD_INTERFACE.as_ptr().cast_mut().cast();
    [(3, 2), (3, 0)].into_iter().find_map(|(major, minor)| {
        let mut version = ck::CK_VERSION { major, minor };
        let mut interface: *mut ck::CK_INTERFACE = null_mut();
        // SAFETY: the name ends with a zero byte and no function writes to it; the rest are places of ours.
        let raw = unsafe { get(name, &raw mut version, &raw mut interface, 0) };
        if raw != ck::CKR_OK || interface.is_null() {
            return None;
        }
        // SAFETY: not null, and the specification has an interface there that lives as long as the library.
        let interface = unsafe { interface.read() };
        copy_list(interface.pFunctionList.cast_const())
    })
}

/// What `C_GetFunctionList` gives.
fn function_list(library: &libloading::Library) -> Option<Module> {
    type Get = unsafe extern "C" fn(*mut *mut ck::CK_FUNCTION_LIST) -> ck::CK_RV;
    // SAFETY: the specification gives the function of this name this type.
    let get = unsafe { library.get::<Get>(b"C_GetFunctionList\0") }.ok()?;
    let mut list: *mut ck::CK_FUNCTION_LIST = null_mut();
    // SAFETY: the place is ours.
    let raw = unsafe { get(&raw mut list) };
    (raw == ck::CKR_OK)
        .then(|| copy_list(list.cast_const().cast()))
        .flatten()
}

/// Copies as many functions as a list of this version has: the lists of all versions begin alike.
fn copy_list(list: *const c_void) -> Option<Module> {
    if list.is_null() {
        return None;
    }
    // SAFETY: not null, and every function list begins with its version.
    let version = unsafe { list.cast::<ck::CK_VERSION>().read() };
    let size = match (version.major, version.minor) {
        (2, _) => size_of::<ck::CK_FUNCTION_LIST>(),
        (3, 0 | 1) => size_of::<ck::CK_FUNCTION_LIST_3_0>(),
        (3, _) => size_of::<ck::CK_FUNCTION_LIST_3_2>(),
        _ => return None,
    };
    let mut copy = ck::CK_FUNCTION_LIST_3_2::default();
    let to = (&raw mut copy).cast::<u8>();
    // SAFETY: a list of this version has that many bytes, and the copy, which begins alike, at least as many.
    unsafe { std::ptr::copy_nonoverlapping(list.cast::<u8>(), to, size) };
    Some(Module {
        list: copy,
        version: (version.major, version.minor),
    })
}

/// The file that this code was loaded from: the shared library, or the program that it is linked into.
pub(crate) fn own_file() -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: null(),
        dli_fbase: null_mut(),
        dli_sname: null(),
        dli_saddr: null_mut(),
    };
    // SAFETY: any address may be asked for; the answer goes to a place of ours.
    let found = unsafe { libc::dladdr(own_file as *const c_void, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr found it, so there is a string there that lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    name.to_str().ok().map(PathBuf::from)
}

/// Copies the bytes behind a pointer of a mechanism's parameter to `to`; `false` for a null pointer with a length.
pub(crate) fn follow(address: usize, to: &mut [u8]) -> bool {
    if to.is_empty() {
        return true;
    }
    if address == 0 {
        return false;
    }
    let from = std::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: the C caller owes memory of this length behind this pointer while its call lasts (PKCS#11 3.2, section
    // 5), and parameters are followed only inside of that call; `to` is memory of our own.
    unsafe { std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
    true
}

fn answer(raw: ck::CK_RV) -> Answer<()> {
    Rv::from_raw(raw).map_or(Ok(()), Err)
}

/// A pointer that the vendor only reads from. Some modules refuse null even with no bytes behind it.
fn bytes(slice: &[u8]) -> *mut u8 {
    slice.as_ptr().cast_mut()
}

fn count(slice: &[u8]) -> ck::CK_ULONG {
    count_of(slice.len())
}

fn count_of(len: usize) -> ck::CK_ULONG {
    len as ck::CK_ULONG
}

fn optional(slice: Option<&[u8]>) -> (*mut u8, ck::CK_ULONG) {
    slice.map_or((null_mut(), 0), |slice| (bytes(slice), count(slice)))
}

/// One number that a function makes.
fn made(call: impl FnOnce(*mut ck::CK_ULONG) -> Answer<()>) -> Answer<ck::CK_ULONG> {
    let mut made = 0;
    call(&raw mut made).map(|()| made)
}

/// Output into `out`, or the length that it would have.
fn written(
    out: Option<&mut [u8]>,
    call: impl FnOnce(*mut u8, *mut ck::CK_ULONG) -> Answer<()>,
) -> Answer<usize> {
    let room = out.as_ref().map(|out| out.len());
    let mut len = room.unwrap_or(0) as ck::CK_ULONG;
    call(out.map_or(null_mut(), <[u8]>::as_mut_ptr), &raw mut len)?;
    match usize::try_from(len) {
        Ok(len) if room.is_none_or(|room| len <= room) => Ok(len),
        // It says that it wrote past the end.
        _ => Err(Rv::DeviceError),
    }
}

/// A list that is asked for twice: how long it is, and what is in it.
fn listed<T: Default + Clone>(
    mut call: impl FnMut(*mut T, *mut ck::CK_ULONG) -> Answer<()>,
) -> Answer<Vec<T>> {
    // The list may grow between the two calls, but not for ever.
    for _ in 0..4 {
        let mut len = 0;
        call(null_mut(), &raw mut len)?;
        let room = usize::try_from(len).map_err(|_| Rv::DeviceError)?;
        if room > MAX_LISTED {
            return Err(Rv::DeviceError);
        }
        let mut list = vec![T::default(); room];
        match call(list.as_mut_ptr(), &raw mut len) {
            Ok(()) => {
                list.truncate(usize::try_from(len).unwrap_or(room));
                return Ok(list);
            }
            Err(Rv::BufferTooSmall) => {}
            Err(rv) => return Err(rv),
        }
    }
    Err(Rv::BufferTooSmall)
}

/// More slots, mechanisms or interfaces than this are a mistake of the module's.
const MAX_LISTED: usize = 1 << 16;

/// Does `work` in a child process; whether it came to `true` there.
#[cfg(test)]
pub(crate) fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the test's process has no other thread that holds anything the child needs.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let code = if matches!(outcome, Ok(true)) { 0 } else { 1 };
        // SAFETY: ends the process at once, without what the parent would do at its end.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the status goes to a place of ours.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && status == 0
}
