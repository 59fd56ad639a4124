// SPDX-License-Identifier: MIT
//! The PKCS#11 module, loaded as any client loads it. The one file of this program with unsafe code.
//!
//! Each function of the module has a safe method here that takes slices and returns values; what the calls mean is
//! told elsewhere ([`token`](crate::token)).
#![allow(unsafe_code, reason = "calling C is what this file is for")]

use std::path::{Path, PathBuf};
use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_module::abi::own;
use libloading::{Library, Symbol};

use crate::failure::Failure;

/// The most items of a list, or bytes of an attribute, that a module is believed to have.
const ITEMS_MAX: usize = 1 << 24;

/// What C functions return through: `Err` holds the function's name and its return value.
pub type Returned<T> = Result<T, Refusal>;

/// A function's return value other than `CKR_OK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The function.
    pub function: &'static str,
    /// What it returned.
    pub rv: ck::CK_RV,
    /// What the module says of it beyond that, where it is KeyEnclave's.
    pub told: Option<Box<Told>>,
}

/// What KeyEnclave's module tells of a failure. Empty where there is nothing to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What failed.
    pub message: String,
    /// Where the fault lies.
    pub reason: String,
    /// Under which number the service's own log has the request.
    pub request_id: String,
    /// What to do.
    pub advice: String,
}

impl Refusal {
    /// One of which nothing more is known.
    fn bare(function: &'static str, rv: ck::CK_RV) -> Self {
        Self {
            function,
            rv,
            told: None,
        }
    }
}

/// An attribute for a template, or from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `CKA_…`.
    pub kind: ck::CK_ATTRIBUTE_TYPE,
    /// The value, as PKCS#11 encodes it.
    pub value: Vec<u8>,
}

/// A mechanism and its parameter.
#[derive(Clone, Copy, Debug)]
pub struct Mechanism {
    /// `CKM_…`.
    pub kind: ck::CK_MECHANISM_TYPE,
    /// What it needs beside that.
    pub parameter: Parameter,
}

/// A mechanism's parameter.
#[derive(Clone, Copy, Debug)]
pub enum Parameter {
    /// None.
    None,
    /// For PSS.
    Pss(ck::CK_RSA_PKCS_PSS_PARAMS),
    /// For EdDSA: no context, and the message is hashed before.
    Prehash,
}

/// A loaded module.
pub struct Module {
    functions: ck::CK_FUNCTION_LIST,
    /// KeyEnclave's own functions, where the module has them.
    own: Option<own::Functions>,
    /// Where it was found.
    pub path: PathBuf,
    /// Kept loaded for as long as the functions may be called.
    _library: Library,
}

/// Calls a function of the list. Only for this file: every argument must be what the function's contract wants.
macro_rules! call {
    ($module:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        const NAME: &str = stringify!($function);
        match $module.functions.$function {
            None => Err(Refusal::bare(NAME, ck::CKR_FUNCTION_NOT_SUPPORTED)),
            Some(function) => {
                // SAFETY: the function is the loaded module's, which `Module` keeps loaded. Every use of this macro
                // passes pointers to memory that outlives the call and is as long as the length beside it says.
                let rv = unsafe { function($($argument),*) };
                if rv == ck::CKR_OK { Ok(()) } else { Err($module.refused(NAME, rv)) }
            }
        }
    }};
}

impl Module {
    /// Loads the library at `path`, without initialising it.
    ///
    /// # Errors
    /// A [`Failure`] when it is not a shared library with PKCS#11's entry point.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        // SAFETY: the initialisers of whatever the user names are run; that is what naming a module means.
        let library = unsafe { Library::new(path) }.map_err(|error| Failure::not_loadable(path, &error))?;
        type GetFunctionList = unsafe extern "C" fn(*mut *mut ck::CK_FUNCTION_LIST) -> ck::CK_RV;
        // SAFETY: PKCS#11 fixes the type of the function with this name.
        let symbol: Result<Symbol<'_, GetFunctionList>, _> = unsafe { library.get(b"C_GetFunctionList\0") };
        let get_list = *symbol.map_err(|error| Failure::not_loadable(path, &error))?;
        let mut list = null_mut();
        // SAFETY: the argument is a place for one pointer.
        let rv = unsafe { get_list(&raw mut list) };
        // SAFETY: the module returned it as the address of its function list, which is constant; or it is null.
        let functions = unsafe { list.as_ref() }.filter(|_| rv == ck::CKR_OK);
        let functions = *functions.ok_or_else(|| Failure::not_loadable(path, &"C_GetFunctionList failed"))?;
        let own = own_functions(&library);
        Ok(Self {
            functions,
            own,
            path: path.to_owned(),
            _library: library,
        })
    }

    /// Whether it is KeyEnclave's.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// `C_Initialize`; tells whether several threads may call the module.
    pub fn initialize(&self) -> Returned<bool> {
        let mut args = ck::CK_C_INITIALIZE_ARGS {
            flags: ck::CKF_OS_LOCKING_OK,
            ..ck::CK_C_INITIALIZE_ARGS::default()
        };
        match call!(self, C_Initialize((&raw mut args).cast())) {
            Ok(()) => Ok(true),
            Err(Refusal {
                rv: ck::CKR_CANT_LOCK,
                ..
            }) => call!(self, C_Initialize(null_mut())).map(|()| false),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether what is behind a slot's token would do its work now; `None` where the module cannot be asked.
    pub fn check_slot(&self, slot: ck::CK_SLOT_ID) -> Option<Returned<()>> {
        let own = self.own?;
        // SAFETY: the function is the loaded module's, which `self` keeps loaded; it takes no memory.
        let rv = unsafe { (own.check_slot)(slot) };
        let refused = || Err(self.refused("check_slot", rv));
        Some(if rv == ck::CKR_OK { Ok(()) } else { refused() })
    }

    /// A function's refusal, with what the module tells of it on this thread.
    fn refused(&self, function: &'static str, rv: ck::CK_RV) -> Refusal {
        let told = self.own.map(|own| Told {
            message: tell(&own, own::Part::Message),
            reason: tell(&own, own::Part::Reason),
            request_id: tell(&own, own::Part::RequestId),
            advice: tell(&own, own::Part::Advice),
        });
        let told = told.filter(|told| *told != Told::default()).map(Box::new);
        Refusal { function, rv, told }
    }

    /// `C_Finalize`.
    pub fn finalize(&self) -> Returned<()> {
        call!(self, C_Finalize(null_mut()))
    }

    /// `C_GetInfo`.
    pub fn info(&self) -> Returned<ck::CK_INFO> {
        let mut info = ck::CK_INFO::default();
        call!(self, C_GetInfo(&raw mut info)).map(|()| info)
    }

    /// `C_GetSlotList`: all slots, with and without tokens.
    pub fn slots(&self) -> Returned<Vec<ck::CK_SLOT_ID>> {
        let mut count = 0;
        call!(self, C_GetSlotList(ck::CK_FALSE, null_mut(), &raw mut count))?;
        let mut slots = room("C_GetSlotList", count)?;
        call!(
            self,
            C_GetSlotList(ck::CK_FALSE, slots.as_mut_ptr(), &raw mut count)
        )?;
        slots.truncate(to_usize(count));
        Ok(slots)
    }

    /// `C_GetSlotInfo`.
    pub fn slot_info(&self, slot: ck::CK_SLOT_ID) -> Returned<ck::CK_SLOT_INFO> {
        let mut info = ck::CK_SLOT_INFO::default();
        call!(self, C_GetSlotInfo(slot, &raw mut info)).map(|()| info)
    }

    /// `C_GetTokenInfo`.
    pub fn token_info(&self, slot: ck::CK_SLOT_ID) -> Returned<ck::CK_TOKEN_INFO> {
        let mut info = ck::CK_TOKEN_INFO::default();
        call!(self, C_GetTokenInfo(slot, &raw mut info)).map(|()| info)
    }

    /// `C_InitToken`.
    pub fn init_token(&self, slot: ck::CK_SLOT_ID, so_pin: &[u8], label: &[u8; 32]) -> Returned<()> {
        let (pin, pin_len) = input(so_pin);
        call!(self, C_InitToken(slot, pin, pin_len, label.as_ptr().cast_mut()))
    }

    /// `C_OpenSession`.
    pub fn open_session(&self, slot: ck::CK_SLOT_ID, flags: ck::CK_FLAGS) -> Returned<ck::CK_SESSION_HANDLE> {
        let mut session = ck::CK_INVALID_HANDLE;
        let all = flags | ck::CKF_SERIAL_SESSION;
        call!(self, C_OpenSession(slot, all, null_mut(), None, &raw mut session)).map(|()| session)
    }

    /// `C_CloseSession`.
    pub fn close_session(&self, session: ck::CK_SESSION_HANDLE) -> Returned<()> {
        call!(self, C_CloseSession(session))
    }

    /// `C_Login`.
    pub fn login(&self, session: ck::CK_SESSION_HANDLE, user: ck::CK_USER_TYPE, pin: &[u8]) -> Returned<()> {
        let (pin, pin_len) = input(pin);
        call!(self, C_Login(session, user, pin, pin_len))
    }

    /// `C_InitPIN`.
    pub fn init_pin(&self, session: ck::CK_SESSION_HANDLE, pin: &[u8]) -> Returned<()> {
        let (pin, pin_len) = input(pin);
        call!(self, C_InitPIN(session, pin, pin_len))
    }

    /// `C_GenerateRandom`.
    pub fn random(&self, session: ck::CK_SESSION_HANDLE, out: &mut [u8]) -> Returned<()> {
        call!(
            self,
            C_GenerateRandom(session, out.as_mut_ptr(), to_ulong(out.len()))
        )
    }

    /// `C_FindObjectsInit`, `C_FindObjects` until there are no more, `C_FindObjectsFinal`.
    pub fn find(
        &self,
        session: ck::CK_SESSION_HANDLE,
        template: &[Attribute],
    ) -> Returned<Vec<ck::CK_OBJECT_HANDLE>> {
        let (mut attributes, count) = raw(template);
        call!(self, C_FindObjectsInit(session, attributes.as_mut_ptr(), count))?;
        let found = self.found(session);
        let ended = call!(self, C_FindObjectsFinal(session));
        let found = found?;
        ended.map(|()| found)
    }

    fn found(&self, session: ck::CK_SESSION_HANDLE) -> Returned<Vec<ck::CK_OBJECT_HANDLE>> {
        let mut found = Vec::new();
        let mut batch = [0; 256];
        loop {
            let mut count = 0;
            let room = to_ulong(batch.len());
            call!(
                self,
                C_FindObjects(session, batch.as_mut_ptr(), room, &raw mut count)
            )?;
            if count == 0 {
                return Ok(found);
            }
            if count > room || found.len() > ITEMS_MAX {
                return Err(Refusal::bare("C_FindObjects", ck::CKR_HOST_MEMORY));
            }
            found.extend(batch.iter().take(to_usize(count)));
        }
    }

    /// `C_GetAttributeValue` for one attribute; `None` where the object has none, or does not tell it.
    pub fn attribute(
        &self,
        session: ck::CK_SESSION_HANDLE,
        object: ck::CK_OBJECT_HANDLE,
        kind: ck::CK_ATTRIBUTE_TYPE,
    ) -> Returned<Option<Vec<u8>>> {
        let mut attribute = ck::CK_ATTRIBUTE {
            type_: kind,
            pValue: null_mut(),
            ulValueLen: 0,
        };
        match call!(self, C_GetAttributeValue(session, object, &raw mut attribute, 1)) {
            Ok(()) => {}
            Err(Refusal {
                rv: ck::CKR_ATTRIBUTE_TYPE_INVALID | ck::CKR_ATTRIBUTE_SENSITIVE,
                ..
            }) => {
                return Ok(None);
            }
            Err(refusal) => return Err(refusal),
        }
        if attribute.ulValueLen == ck::CK_UNAVAILABLE_INFORMATION {
            return Ok(None);
        }
        let mut value: Vec<u8> = room("C_GetAttributeValue", attribute.ulValueLen)?;
        attribute.pValue = value.as_mut_ptr().cast();
        call!(self, C_GetAttributeValue(session, object, &raw mut attribute, 1))?;
        value.truncate(to_usize(attribute.ulValueLen));
        Ok(Some(value))
    }

    /// `C_GenerateKey`.
    pub fn generate_key(
        &self,
        session: ck::CK_SESSION_HANDLE,
        kind: ck::CK_MECHANISM_TYPE,
        template: &[Attribute],
    ) -> Returned<()> {
        let mut mechanism = ck::CK_MECHANISM {
            mechanism: kind,
            pParameter: null_mut(),
            ulParameterLen: 0,
        };
        let (mut attributes, count) = raw(template);
        let mut key = ck::CK_INVALID_HANDLE;
        call!(
            self,
            C_GenerateKey(
                session,
                &raw mut mechanism,
                attributes.as_mut_ptr(),
                count,
                &raw mut key
            )
        )
    }

    /// `C_GenerateKeyPair`.
    pub fn generate_key_pair(
        &self,
        session: ck::CK_SESSION_HANDLE,
        kind: ck::CK_MECHANISM_TYPE,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Returned<()> {
        let mut mechanism = ck::CK_MECHANISM {
            mechanism: kind,
            pParameter: null_mut(),
            ulParameterLen: 0,
        };
        let (mut public, public_count) = raw(public);
        let (mut private, private_count) = raw(private);
        let mut keys = [ck::CK_INVALID_HANDLE; 2];
        let [public_key, private_key] = &mut keys;
        call!(
            self,
            C_GenerateKeyPair(
                session,
                &raw mut mechanism,
                public.as_mut_ptr(),
                public_count,
                private.as_mut_ptr(),
                private_count,
                public_key,
                private_key,
            )
        )
    }

    /// `C_DestroyObject`.
    pub fn destroy(&self, session: ck::CK_SESSION_HANDLE, object: ck::CK_OBJECT_HANDLE) -> Returned<()> {
        call!(self, C_DestroyObject(session, object))
    }

    /// `C_GetMechanismList`.
    pub fn mechanisms(&self, slot: ck::CK_SLOT_ID) -> Returned<Vec<ck::CK_MECHANISM_TYPE>> {
        let mut count = 0;
        call!(self, C_GetMechanismList(slot, null_mut(), &raw mut count))?;
        let mut mechanisms = room("C_GetMechanismList", count)?;
        call!(
            self,
            C_GetMechanismList(slot, mechanisms.as_mut_ptr(), &raw mut count)
        )?;
        mechanisms.truncate(to_usize(count));
        Ok(mechanisms)
    }

    /// `C_DigestInit`.
    pub fn digest_init(&self, session: ck::CK_SESSION_HANDLE, kind: ck::CK_MECHANISM_TYPE) -> Returned<()> {
        let mut mechanism = raw_mechanism(kind, &mut Raw::None);
        call!(self, C_DigestInit(session, &raw mut mechanism))
    }

    /// `C_Digest`, with room for `room` bytes.
    pub fn digest(&self, session: ck::CK_SESSION_HANDLE, message: &[u8], room: usize) -> Returned<Vec<u8>> {
        let (message, message_len) = input(message);
        output(room, |out, len| {
            call!(self, C_Digest(session, message, message_len, out, len))
        })
    }

    /// `C_DigestUpdate`.
    pub fn digest_update(&self, session: ck::CK_SESSION_HANDLE, part: &[u8]) -> Returned<()> {
        let (part, part_len) = input(part);
        call!(self, C_DigestUpdate(session, part, part_len))
    }

    /// `C_DigestFinal`, with room for `room` bytes.
    pub fn digest_final(&self, session: ck::CK_SESSION_HANDLE, room: usize) -> Returned<Vec<u8>> {
        output(room, |out, len| call!(self, C_DigestFinal(session, out, len)))
    }

    /// `C_SignInit`.
    pub fn sign_init(
        &self,
        session: ck::CK_SESSION_HANDLE,
        mechanism: Mechanism,
        key: ck::CK_OBJECT_HANDLE,
    ) -> Returned<()> {
        let mut parameter = Raw::from(mechanism.parameter);
        let mut mechanism = raw_mechanism(mechanism.kind, &mut parameter);
        call!(self, C_SignInit(session, &raw mut mechanism, key))
    }

    /// `C_Sign`, with room for `room` bytes.
    pub fn sign(&self, session: ck::CK_SESSION_HANDLE, message: &[u8], room: usize) -> Returned<Vec<u8>> {
        let (message, message_len) = input(message);
        output(room, |out, len| {
            call!(self, C_Sign(session, message, message_len, out, len))
        })
    }

    /// `C_SignUpdate`.
    pub fn sign_update(&self, session: ck::CK_SESSION_HANDLE, part: &[u8]) -> Returned<()> {
        let (part, part_len) = input(part);
        call!(self, C_SignUpdate(session, part, part_len))
    }

    /// `C_SignFinal`, with room for `room` bytes.
    pub fn sign_final(&self, session: ck::CK_SESSION_HANDLE, room: usize) -> Returned<Vec<u8>> {
        output(room, |out, len| call!(self, C_SignFinal(session, out, len)))
    }

    /// `C_VerifyInit`.
    pub fn verify_init(
        &self,
        session: ck::CK_SESSION_HANDLE,
        mechanism: Mechanism,
        key: ck::CK_OBJECT_HANDLE,
    ) -> Returned<()> {
        let mut parameter = Raw::from(mechanism.parameter);
        let mut mechanism = raw_mechanism(mechanism.kind, &mut parameter);
        call!(self, C_VerifyInit(session, &raw mut mechanism, key))
    }

    /// `C_Verify`.
    pub fn verify(&self, session: ck::CK_SESSION_HANDLE, message: &[u8], signature: &[u8]) -> Returned<()> {
        let (message, message_len) = input(message);
        let (signature, signature_len) = input(signature);
        call!(
            self,
            C_Verify(session, message, message_len, signature, signature_len)
        )
    }

    /// `C_VerifyUpdate`.
    pub fn verify_update(&self, session: ck::CK_SESSION_HANDLE, part: &[u8]) -> Returned<()> {
        let (part, part_len) = input(part);
        call!(self, C_VerifyUpdate(session, part, part_len))
    }

    /// `C_VerifyFinal`.
    pub fn verify_final(&self, session: ck::CK_SESSION_HANDLE, signature: &[u8]) -> Returned<()> {
        let (signature, signature_len) = input(signature);
        call!(self, C_VerifyFinal(session, signature, signature_len))
    }
}

/// KeyEnclave's own functions, if the library is KeyEnclave's.
fn own_functions(library: &Library) -> Option<own::Functions> {
    type GetInterface = unsafe extern "C" fn(
        *const ck::CK_UTF8CHAR,
        *mut ck::CK_VERSION,
        *mut *mut ck::CK_INTERFACE,
        ck::CK_FLAGS,
    ) -> ck::CK_RV;
    // SAFETY: PKCS#11 3.0 fixes the type of the function with this name.
    let symbol: Result<Symbol<'_, GetInterface>, _> = unsafe { library.get(b"C_GetInterface\0") };
    let get_interface = *symbol.ok()?;
    let mut version = own::VERSION;
    let mut interface = null_mut();
    // SAFETY: name, version and the place for the pointer outlive the call.
    let rv = unsafe { get_interface(own::NAME.as_ptr().cast(), &raw mut version, &raw mut interface, 0) };
    // SAFETY: the module returned it as the address of an interface, which is constant; or it is null.
    let interface = unsafe { interface.as_ref() }.filter(|_| rv == ck::CKR_OK)?;
    let functions: *const own::Functions = interface.pFunctionList.cast();
    // SAFETY: an interface of this name and version is a constant structure of this type.
    unsafe { functions.as_ref() }.copied()
}

/// One part of what the module tells of the last failure.
fn tell(own: &own::Functions, part: own::Part) -> String {
    /// No sentence of the module is longer, in bytes.
    const ROOM: usize = 16_384;
    let text = output(ROOM, |text, len| {
        // SAFETY: the function is the loaded module's; `text` has room for `len` bytes, and both outlive the call.
        let rv = unsafe { (own.last_failure)(part as ck::CK_ULONG, text, len) };
        if rv == ck::CKR_OK {
            Ok(())
        } else {
            Err(Refusal::bare("last_failure", rv))
        }
    });
    String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
}

/// Output of a C function, for which there is room for `room` bytes.
fn output(room: usize, fill: impl FnOnce(*mut u8, *mut ck::CK_ULONG) -> Returned<()>) -> Returned<Vec<u8>> {
    let mut bytes = vec![0; room];
    let mut len = to_ulong(room);
    fill(bytes.as_mut_ptr(), &raw mut len)?;
    bytes.truncate(to_usize(len));
    Ok(bytes)
}

/// Input for a C function, whose prototypes lack `const`.
fn input(bytes: &[u8]) -> (*mut u8, ck::CK_ULONG) {
    (bytes.as_ptr().cast_mut(), to_ulong(bytes.len()))
}

/// The C form of a template; it points into the template and must not outlive it.
fn raw(template: &[Attribute]) -> (Vec<ck::CK_ATTRIBUTE>, ck::CK_ULONG) {
    let attributes = template.iter().map(|Attribute { kind, value }| {
        let (pointer, len) = input(value);
        ck::CK_ATTRIBUTE {
            type_: *kind,
            pValue: pointer.cast(),
            ulValueLen: len,
        }
    });
    (attributes.collect(), to_ulong(template.len()))
}

/// The C form of a parameter.
enum Raw {
    None,
    Pss(ck::CK_RSA_PKCS_PSS_PARAMS),
    Eddsa(ck::CK_EDDSA_PARAMS),
}

impl From<Parameter> for Raw {
    fn from(parameter: Parameter) -> Self {
        match parameter {
            Parameter::None => Self::None,
            Parameter::Pss(pss) => Self::Pss(pss),
            Parameter::Prehash => Self::Eddsa(ck::CK_EDDSA_PARAMS {
                phFlag: ck::CK_TRUE,
                ulContextDataLen: 0,
                pContextData: null_mut(),
            }),
        }
    }
}

/// The C form of a mechanism; it points at the parameter and must not outlive it.
fn raw_mechanism(kind: ck::CK_MECHANISM_TYPE, parameter: &mut Raw) -> ck::CK_MECHANISM {
    let (parameter, len) = match parameter {
        Raw::None => (null_mut(), 0),
        Raw::Pss(pss) => (std::ptr::from_mut(pss).cast(), size_of_val(pss)),
        Raw::Eddsa(eddsa) => (std::ptr::from_mut(eddsa).cast(), size_of_val(eddsa)),
    };
    ck::CK_MECHANISM {
        mechanism: kind,
        pParameter: parameter,
        ulParameterLen: to_ulong(len),
    }
}

/// Memory for as many items as a module says it has.
///
/// # Errors
/// `CKR_HOST_MEMORY` for more than any token holds: a broken module must not end this program.
fn room<T: Clone + Default>(function: &'static str, count: ck::CK_ULONG) -> Returned<Vec<T>> {
    let rv = ck::CKR_HOST_MEMORY;
    match to_usize(count) {
        count if count <= ITEMS_MAX => Ok(vec![T::default(); count]),
        _ => Err(Refusal::bare(function, rv)),
    }
}

/// A length that the module reported. One that does not fit is as good as the largest.
fn to_usize(len: ck::CK_ULONG) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// A length of memory, which always fits.
fn to_ulong(len: usize) -> ck::CK_ULONG {
    ck::CK_ULONG::try_from(len).unwrap_or(ck::CK_ULONG::MAX)
}

#[cfg(test)]
mod tests;
