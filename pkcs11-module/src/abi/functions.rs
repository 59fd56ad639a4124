// SPDX-License-Identifier: MIT
//! The table of C functions: one row a function, and everything that has to agree about it is made from that row.
//!
//! The rows stand in the order of the specification's function lists, which only ever grew at their end, so that the
//! three lists (2.40, 3.0, 3.2) are made from the same rows. A row has the section of PKCS#11 3.2, the name, the
//! arguments in C's order and what is done. How an argument looks in C, and which value it becomes, is said by its
//! kind (the macro `export!`); an argument of any other type is passed as it is. What is done is one of
//!
//! * `entry`: a handler of [`entry`], with the library;
//! * `alone`: a function that works before `C_Initialize`;
//! * `legacy`: an answer that the specification itself prescribes;
//! * `vendors`: as `entry`, in slots in front of a vendor's module; elsewhere the handle is checked, then it refuses.

use cryptoki_sys::*;
use keyenclave_model::token::{ObjectId, OperationClass::*, SessionId};

use super::bootstrap::{Given, InitializeArgs};
use super::values::{
    AttributeBuffers, Completion, Input, Label, MessageParameter, Name, Output, OutputArray, OutputBytes,
    OutputList, Place, RawMechanism, RawTemplate,
};
use super::{boundary, interfaces, refusal};
use crate::{entry, entry::messages::given, lifecycle};

/// What is known of one C function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionRow {
    /// Its name.
    pub name: &'static str,
    /// Where PKCS#11 3.2 describes it.
    pub section: &'static str,
    /// The first version of the specification whose function list has it.
    pub since: &'static str,
    /// Where it does more than refuse.
    pub supported: Supported,
}

/// The slots where a function does more than refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supported {
    /// All, as far as their tokens can.
    Everywhere,
    /// Those in front of a vendor's module that has the function.
    BeforeVendors,
}

impl Supported {
    /// In the manual's words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Everywhere => "yes",
            Self::BeforeVendors => "in front of a vendor's module that has it",
        }
    }
}

/// The manual's page about the functions, in Markdown.
pub fn manual() -> String {
    let head = format!(
        "# Functions\n\n\
         <!-- Made from pkcs11-module/src/abi/functions.rs; the tests rewrite it when KEYENCLAVE_BLESS=1 is set. -->\n\n\
         The {} functions of PKCS#11 3.2, in the order of its function lists. *Since* is the first version whose function \
         list\nhas the function, *section* the one of PKCS#11 3.2 that describes it. Where it is supported in some slots \
         only, the\nothers check the session and return `CKR_FUNCTION_NOT_SUPPORTED`.\n\n\
         | function | since | section | supported |\n|---|---|---|---|\n",
        FUNCTIONS.len()
    );
    let rows = FUNCTIONS.iter().map(
        |FunctionRow {
             name,
             section,
             since,
             supported,
         }| { format!("| `{name}` | {since} | {section} | {} |\n", supported.text()) },
    );
    std::iter::once(head).chain(rows).collect()
}

/// Makes of one row the exported function. Takes the arguments off one by one; collected are the parameters in C, the
/// values that are made of them, which of these are inputs, and which outputs. For `C_Encrypt` it comes to
///
/// ```text
/// #[unsafe(no_mangle)]
/// pub unsafe extern "C" fn C_Encrypt(
///     session: CK_SESSION_HANDLE, ptr: *mut CK_BYTE, len: CK_ULONG, ptr: *mut CK_BYTE, len: *mut CK_ULONG,
/// ) -> CK_RV {
///     let session = SessionId(session);
///     let data = unsafe { Input::new(ptr, len) };
///     let encrypted = unsafe { Output::new(ptr, len) };
///     let data = data.apart_from(&encrypted);
///     boundary::call("C_Encrypt", move |library| entry::crypt::single(library, session, Encrypt, data, encrypted))
/// }
/// ```
///
/// where the two `ptr` and `len` are different names, because each comes from another expansion.
macro_rules! export {
    // Numbers that become names of our own, or truth values.
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: SessionId, $($rest:tt)*)) => {
        export! { @number $row $p $v $i $o $name (raw: CK_SESSION_HANDLE) (SessionId(raw)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: ObjectId, $($rest:tt)*)) => {
        export! { @number $row $p $v $i $o $name (raw: CK_OBJECT_HANDLE) (ObjectId(raw)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Bool, $($rest:tt)*)) => {
        export! { @number $row $p $v $i $o $name (raw: CK_BBOOL) (raw != CK_FALSE) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: IsNull, $($rest:tt)*)) => {
        export! { @number $row $p $v $i $o $name (raw: CK_VOID_PTR) (raw.is_null()) ($($rest)*) }
    };
    // Memory.
    ($row:tt $p:tt $v:tt ($($i:ident)*) $o:tt ($name:ident: Input, $($rest:tt)*)) => {
        export! { @memory $row $p $v ($($i)* $name) $o
            $name (ptr: *mut CK_BYTE, len: CK_ULONG) (Input::new(ptr, len)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt ($($o:ident)*) ($name:ident: Output, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i ($($o)* $name)
            $name (ptr: *mut CK_BYTE, len: *mut CK_ULONG) (Output::new(ptr, len)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: OutputBytes, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o
            $name (ptr: *mut CK_BYTE, len: CK_ULONG) (OutputBytes::new(ptr, len)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Parameter, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o
            $name (ptr: CK_VOID_PTR, len: CK_ULONG) (MessageParameter::new(ptr.cast(), len)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Place<$t:ty>, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o $name (ptr: *mut $t) (Place::new(ptr)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Given<$t:ty>, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o $name (ptr: *mut $t) (Given::new(ptr)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: List<$t:ty>, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o
            $name (list: *mut $t, count: *mut CK_ULONG) (OutputList::new(list, count)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Array<$t:ty>, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o
            $name (array: *mut $t, max: CK_ULONG, count: *mut CK_ULONG) (OutputArray::new(array, max, count))
            ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Label, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o $name (ptr: *mut CK_UTF8CHAR) (Label::new(ptr)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Name, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o $name (ptr: *mut CK_UTF8CHAR) (Name::new(ptr)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Mechanism, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o $name (ptr: *mut CK_MECHANISM) (RawMechanism::new(ptr)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Template, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o
            $name (ptr: *mut CK_ATTRIBUTE, count: CK_ULONG) (RawTemplate::new(ptr, count)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Attributes, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o
            $name (ptr: *mut CK_ATTRIBUTE, count: CK_ULONG) (AttributeBuffers::new(ptr, count)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: Completion, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o $name (ptr: *mut CK_ASYNC_DATA) (Completion::new(ptr)) ($($rest)*) }
    };
    ($row:tt $p:tt $v:tt $i:tt $o:tt ($name:ident: InitializeArgs, $($rest:tt)*)) => {
        export! { @memory $row $p $v $i $o $name (ptr: CK_VOID_PTR) (InitializeArgs::new(ptr)) ($($rest)*) }
    };
    // Anything else is passed as it is.
    ($row:tt ($($p:tt)*) $v:tt $i:tt $o:tt ($name:ident: $t:ty, $($rest:tt)*)) => {
        export! { $row ($($p)* $name: $t,) $v $i $o ($($rest)*) }
    };
    (@number $row:tt ($($p:tt)*) ($($v:tt)*) $i:tt $o:tt $name:ident ($($c:tt)*) ($new:expr) $rest:tt) => {
        export! { $row ($($p)* $($c)*,) ($($v)* let $name = $new;) $i $o $rest }
    };
    (@memory $row:tt ($($p:tt)*) ($($v:tt)*) $i:tt $o:tt $name:ident ($($c:tt)*) ($new:expr) $rest:tt) => {
        export! { $row ($($p)* $($c)*,) ($($v)*
            // SAFETY: what the specification makes the caller owe this function is what the value asks for.
            let $name = unsafe { $new };
        ) $i $o $rest }
    };
    // All arguments are taken.
    (($section:literal $function:ident $way:ident $handler:tt) ($($p:tt)*) ($($v:tt)*) ($($i:ident)*) $o:tt ()) => {
        #[doc = concat!("`", stringify!($function), "`, PKCS#11 3.2 section ", $section, ".")]
        ///
        /// # Safety
        /// A pointer that is not null can be read or written as that section says, and nobody else writes there
        /// during the call.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, reason = "the name is the specification's")]
        #[allow(clippy::too_many_arguments, reason = "the arguments are the specification's")]
        #[allow(unused_variables, reason = "a function that refuses looks at nothing but the handle")]
        pub unsafe extern "C" fn $function($($p)*) -> CK_RV {
            $($v)*
            $(let $i = export!(@apart $i $o);)*
            export!(@run $function $way $handler)
        }
    };
    (@apart $input:ident ($($output:ident)*)) => { $input$(.apart_from(&$output))* };
    (@run $function:ident entry ($($handler:ident)::+ ($($value:expr),*))) => {
        boundary::call(stringify!($function), move |library| entry::$($handler)::+(library, $($value),*))
    };
    (@run $function:ident vendors $handler:tt) => { export!(@run $function entry $handler) };
    (@run $function:ident alone ($($handler:ident)::+ ($($value:expr),*))) => {
        boundary::alone(stringify!($function), move || $($handler)::+($($value),*))
    };
    (@run $function:ident $way:ident ($handler:ident ($($value:expr),*))) => {
        boundary::call(stringify!($function), move |library| refusal::$handler(library, $($value),*))
    };
}

/// Where a function that goes this way does more than refuse.
macro_rules! supported {
    (vendors) => {
        Supported::BeforeVendors
    };
    ($way:ident) => {
        Supported::Everywhere
    };
}

/// Makes of all rows the exported functions, the lists and the table.
macro_rules! functions {
    (
        2.40: { $($section_a:literal $a:ident $args_a:tt => $way_a:ident $($path_a:ident)::+ ($($value_a:expr),*);)* }
        3.0: { $($section_b:literal $b:ident $args_b:tt => $way_b:ident $($path_b:ident)::+ ($($value_b:expr),*);)* }
        3.2: { $($section_c:literal $c:ident $args_c:tt => $way_c:ident $($path_c:ident)::+ ($($value_c:expr),*);)* }
    ) => {
        $(functions!(@export $section_a $a $args_a $way_a ($($path_a)::+ ($($value_a),*)));)*
        $(functions!(@export $section_b $b $args_b $way_b ($($path_b)::+ ($($value_b),*)));)*
        $(functions!(@export $section_c $c $args_c $way_c ($($path_c)::+ ($($value_c),*)));)*

        /// The functions of version 2.40.
        pub static LIST_2_40: CK_FUNCTION_LIST =
            CK_FUNCTION_LIST { version: CK_VERSION { major: 2, minor: 40 }, $($a: Some($a),)* };
        /// The functions of versions 3.0 and 3.1.
        pub static LIST_3_0: CK_FUNCTION_LIST_3_0 = CK_FUNCTION_LIST_3_0 {
            version: CK_VERSION { major: 3, minor: 0 }, $($a: Some($a),)* $($b: Some($b),)*
        };
        /// The functions of version 3.2.
        pub static LIST_3_2: CK_FUNCTION_LIST_3_2 = CK_FUNCTION_LIST_3_2 {
            version: CK_VERSION { major: 3, minor: 2 }, $($a: Some($a),)* $($b: Some($b),)* $($c: Some($c),)*
        };

        /// Every function, in the order of the function lists.
        pub const FUNCTIONS: &[FunctionRow] = &[
            $(functions!(@row $section_a $a "2.40" $way_a),)*
            $(functions!(@row $section_b $b "3.0" $way_b),)*
            $(functions!(@row $section_c $c "3.2" $way_c),)*
        ];
    };
    (@export $section:literal $function:ident ($($args:tt)*) $way:ident $handler:tt) => {
        export! { ($section $function $way $handler) () () () () ($($args)*,) }
    };
    (@row $section:literal $function:ident $since:literal $way:ident) => {
        FunctionRow {
            name: stringify!($function),
            section: $section,
            since: $since,
            supported: supported!($way),
        }
    };
}

functions! {
    2.40: {
        "5.4.1" C_Initialize(args: InitializeArgs) => alone lifecycle::initialise(args);
        "5.4.2" C_Finalize(reserved: IsNull) => alone lifecycle::finalise(reserved);
        "5.4.3" C_GetInfo(info: Place<CK_INFO>) => entry general::get_info(info);
        "5.4.4" C_GetFunctionList(list: Place<*mut CK_FUNCTION_LIST>) => alone interfaces::function_list(list);

        "5.5.1" C_GetSlotList(present: Bool, slots: List<CK_SLOT_ID>) => entry slots::get_slot_list(present, slots);
        "5.5.2" C_GetSlotInfo(slot: CK_SLOT_ID, info: Place<CK_SLOT_INFO>) => entry slots::get_slot_info(slot, info);
        "5.5.3" C_GetTokenInfo(slot: CK_SLOT_ID, info: Place<CK_TOKEN_INFO>)
            => entry slots::get_token_info(slot, info);
        "5.5.5" C_GetMechanismList(slot: CK_SLOT_ID, mechanisms: List<CK_MECHANISM_TYPE>)
            => entry slots::get_mechanism_list(slot, mechanisms);
        "5.5.6" C_GetMechanismInfo(slot: CK_SLOT_ID, mechanism: CK_MECHANISM_TYPE, info: Place<CK_MECHANISM_INFO>)
            => entry slots::get_mechanism_info(slot, mechanism, info);
        "5.5.7" C_InitToken(slot: CK_SLOT_ID, pin: Input, label: Label) => entry slots::init_token(slot, pin, label);
        "5.5.8" C_InitPIN(session: SessionId, pin: Input) => entry slots::init_pin(session, pin);
        "5.5.9" C_SetPIN(session: SessionId, old: Input, new: Input) => entry slots::set_pin(session, old, new);

        "5.6.1" C_OpenSession(
            slot: CK_SLOT_ID, flags: CK_FLAGS, application: CK_VOID_PTR, notify: CK_NOTIFY,
            session: Place<CK_SESSION_HANDLE>
        ) => entry sessions::open_session(slot, flags, session);
        "5.6.2" C_CloseSession(session: SessionId) => entry sessions::close_session(session);
        "5.6.3" C_CloseAllSessions(slot: CK_SLOT_ID) => entry sessions::close_all_sessions(slot);
        "5.6.4" C_GetSessionInfo(session: SessionId, info: Place<CK_SESSION_INFO>)
            => entry sessions::get_session_info(session, info);
        "5.6.6" C_GetOperationState(session: SessionId, state: Output)
            => entry state::get_operation_state(session, state);
        "5.6.7" C_SetOperationState(session: SessionId, state: Input, encryption: ObjectId, authentication: ObjectId)
            => entry state::set_operation_state(session, state, encryption, authentication);
        "5.6.8" C_Login(session: SessionId, user: CK_USER_TYPE, pin: Input)
            => entry sessions::login(session, user, pin);
        "5.6.10" C_Logout(session: SessionId) => entry sessions::logout(session);

        "5.7.1" C_CreateObject(session: SessionId, template: Template, object: Place<CK_OBJECT_HANDLE>)
            => entry objects::create_object(session, template, object);
        "5.7.2" C_CopyObject(
            session: SessionId, object: ObjectId, template: Template, copy: Place<CK_OBJECT_HANDLE>
        ) => entry objects::copy_object(session, object, template, copy);
        "5.7.3" C_DestroyObject(session: SessionId, object: ObjectId)
            => entry objects::destroy_object(session, object);
        "5.7.4" C_GetObjectSize(session: SessionId, object: ObjectId, size: Place<CK_ULONG>)
            => entry objects::get_object_size(session, object, size);
        "5.7.5" C_GetAttributeValue(session: SessionId, object: ObjectId, attributes: Attributes)
            => entry objects::get_attribute_value(session, object, attributes);
        "5.7.6" C_SetAttributeValue(session: SessionId, object: ObjectId, template: Template)
            => entry objects::set_attribute_value(session, object, template);
        "5.7.7" C_FindObjectsInit(session: SessionId, template: Template)
            => entry objects::find_objects_init(session, template);
        "5.7.8" C_FindObjects(session: SessionId, objects: Array<CK_OBJECT_HANDLE>)
            => entry objects::find_objects(session, objects);
        "5.7.9" C_FindObjectsFinal(session: SessionId) => entry objects::find_objects_final(session);

        "5.8.1" C_EncryptInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry crypt::init(session, Encrypt, mechanism, Some(key));
        "5.8.2" C_Encrypt(session: SessionId, data: Input, encrypted: Output)
            => entry crypt::single(session, Encrypt, data, encrypted);
        "5.8.3" C_EncryptUpdate(session: SessionId, part: Input, encrypted: Output)
            => entry crypt::update(session, Encrypt, part, encrypted);
        "5.8.4" C_EncryptFinal(session: SessionId, encrypted: Output)
            => entry crypt::finish(session, Encrypt, encrypted);

        "5.10.1" C_DecryptInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry crypt::init(session, Decrypt, mechanism, Some(key));
        "5.10.2" C_Decrypt(session: SessionId, encrypted: Input, data: Output)
            => entry crypt::single(session, Decrypt, encrypted, data);
        "5.10.3" C_DecryptUpdate(session: SessionId, encrypted: Input, part: Output)
            => entry crypt::update(session, Decrypt, encrypted, part);
        "5.10.4" C_DecryptFinal(session: SessionId, part: Output) => entry crypt::finish(session, Decrypt, part);

        "5.12.1" C_DigestInit(session: SessionId, mechanism: Mechanism)
            => entry crypt::init(session, Digest, mechanism, None);
        "5.12.2" C_Digest(session: SessionId, data: Input, digest: Output)
            => entry crypt::single(session, Digest, data, digest);
        "5.12.3" C_DigestUpdate(session: SessionId, part: Input) => entry crypt::absorb(session, Digest, part);
        "5.12.4" C_DigestKey(session: SessionId, key: ObjectId) => entry crypt::digest_key(session, key);
        "5.12.5" C_DigestFinal(session: SessionId, digest: Output) => entry crypt::finish(session, Digest, digest);

        "5.13.1" C_SignInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry crypt::init(session, Sign, mechanism, Some(key));
        "5.13.2" C_Sign(session: SessionId, data: Input, signature: Output)
            => entry crypt::single(session, Sign, data, signature);
        "5.13.3" C_SignUpdate(session: SessionId, part: Input) => entry crypt::absorb(session, Sign, part);
        "5.13.4" C_SignFinal(session: SessionId, signature: Output) => entry crypt::finish(session, Sign, signature);
        "5.13.5" C_SignRecoverInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry crypt::init(session, SignRecover, mechanism, Some(key));
        "5.13.6" C_SignRecover(session: SessionId, data: Input, signature: Output)
            => entry crypt::single(session, SignRecover, data, signature);

        "5.15.1" C_VerifyInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry crypt::init(session, Verify, mechanism, Some(key));
        "5.15.2" C_Verify(session: SessionId, data: Input, signature: Input)
            => entry crypt::verify(session, data, signature);
        "5.15.3" C_VerifyUpdate(session: SessionId, part: Input) => entry crypt::absorb(session, Verify, part);
        "5.15.4" C_VerifyFinal(session: SessionId, signature: Input) => entry crypt::verify_final(session, signature);
        "5.15.5" C_VerifyRecoverInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry crypt::init(session, VerifyRecover, mechanism, Some(key));
        "5.15.6" C_VerifyRecover(session: SessionId, signature: Input, data: Output)
            => entry crypt::verify_recover(session, signature, data);

        "5.17.1" C_DigestEncryptUpdate(session: SessionId, part: Input, encrypted: Output)
            => entry dual::update(session, Encrypt, Digest, part, encrypted);
        "5.17.2" C_DecryptDigestUpdate(session: SessionId, encrypted: Input, part: Output)
            => entry dual::update(session, Decrypt, Digest, encrypted, part);
        "5.17.3" C_SignEncryptUpdate(session: SessionId, part: Input, encrypted: Output)
            => entry dual::update(session, Encrypt, Sign, part, encrypted);
        "5.17.4" C_DecryptVerifyUpdate(session: SessionId, encrypted: Input, part: Output)
            => entry dual::update(session, Decrypt, Verify, encrypted, part);

        "5.18.1" C_GenerateKey(
            session: SessionId, mechanism: Mechanism, template: Template, key: Place<CK_OBJECT_HANDLE>
        ) => entry keys::generate_key(session, mechanism, template, key);
        "5.18.2" C_GenerateKeyPair(
            session: SessionId, mechanism: Mechanism, public: Template, private: Template,
            public_key: Place<CK_OBJECT_HANDLE>, private_key: Place<CK_OBJECT_HANDLE>
        ) => entry keys::generate_key_pair(session, mechanism, public, private, public_key, private_key);
        "5.18.3" C_WrapKey(
            session: SessionId, mechanism: Mechanism, wrapping_key: ObjectId, key: ObjectId, wrapped: Output
        ) => entry keys::wrap_key(session, mechanism, (wrapping_key, key), None, wrapped);
        "5.18.4" C_UnwrapKey(
            session: SessionId, mechanism: Mechanism, unwrapping_key: ObjectId, wrapped: Input, template: Template,
            key: Place<CK_OBJECT_HANDLE>
        ) => entry keys::unwrap_key(session, mechanism, unwrapping_key, (wrapped, None), template, key);
        "5.18.5" C_DeriveKey(
            session: SessionId, mechanism: Mechanism, base_key: ObjectId, template: Template,
            key: Place<CK_OBJECT_HANDLE>
        ) => entry keys::derive_key(session, mechanism, base_key, template, key);

        "5.19.1" C_SeedRandom(session: SessionId, seed: Input) => entry random::seed_random(session, seed);
        "5.19.2" C_GenerateRandom(session: SessionId, random: OutputBytes)
            => entry random::generate_random(session, random);

        "5.20.1" C_GetFunctionStatus(session: SessionId) => legacy not_parallel(session);
        "5.20.2" C_CancelFunction(session: SessionId) => legacy not_parallel(session);

        "5.5.4" C_WaitForSlotEvent(flags: CK_FLAGS, slot: Place<CK_SLOT_ID>, reserved: IsNull)
            => entry slots::wait_for_slot_event(flags, slot, reserved);
    }
    3.0: {
        "5.4.5" C_GetInterfaceList(interfaces: List<CK_INTERFACE>) => alone interfaces::interface_list(interfaces);
        "5.4.6" C_GetInterface(
            name: Name, version: Given<CK_VERSION>, interface: Place<*mut CK_INTERFACE>, flags: CK_FLAGS
        ) => alone interfaces::interface_of(&name, &version, interface, flags);
        "5.6.9" C_LoginUser(session: SessionId, user: CK_USER_TYPE, pin: Input, username: Input)
            => entry sessions::login_user(session, user, pin, username);
        "5.6.5" C_SessionCancel(session: SessionId, flags: CK_FLAGS) => entry sessions::session_cancel(session, flags);

        "5.9.1" C_MessageEncryptInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry messages::init(session, Encrypt, mechanism, key);
        "5.9.2" C_EncryptMessage(
            session: SessionId, parameter: Parameter, associated: Input, data: Input,
            encrypted: Output
        ) => entry messages::whole(session, given(Encrypt, parameter, Some(associated), Some(data)), encrypted);
        "5.9.3" C_EncryptMessageBegin(
            session: SessionId, parameter: Parameter, associated: Input
        ) => entry messages::begin(session, given(Encrypt, parameter, Some(associated), None));
        "5.9.4" C_EncryptMessageNext(
            session: SessionId, parameter: Parameter, part: Input, encrypted: Output,
            flags: CK_FLAGS
        ) => entry messages::next(session, given(Encrypt, parameter, None, Some(part)), encrypted, flags & CKF_END_OF_MESSAGE != 0);
        "5.9.5" C_MessageEncryptFinal(session: SessionId) => entry messages::finish(session, Encrypt);

        "5.11.1" C_MessageDecryptInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry messages::init(session, Decrypt, mechanism, key);
        "5.11.2" C_DecryptMessage(
            session: SessionId, parameter: Parameter, associated: Input, encrypted: Input,
            data: Output
        ) => entry messages::whole(session, given(Decrypt, parameter, Some(associated), Some(encrypted)), data);
        "5.11.3" C_DecryptMessageBegin(
            session: SessionId, parameter: Parameter, associated: Input
        ) => entry messages::begin(session, given(Decrypt, parameter, Some(associated), None));
        "5.11.4" C_DecryptMessageNext(
            session: SessionId, parameter: Parameter, encrypted: Input, part: Output,
            flags: CK_FLAGS
        ) => entry messages::next(session, given(Decrypt, parameter, None, Some(encrypted)), part, flags & CKF_END_OF_MESSAGE != 0);
        "5.11.5" C_MessageDecryptFinal(session: SessionId) => entry messages::finish(session, Decrypt);

        "5.14.1" C_MessageSignInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry messages::init(session, Sign, mechanism, key);
        "5.14.2" C_SignMessage(
            session: SessionId, parameter: Parameter, data: Input, signature: Output
        ) => entry messages::whole(session, given(Sign, parameter, None, Some(data)), signature);
        "5.14.3" C_SignMessageBegin(session: SessionId, parameter: Parameter)
            => entry messages::begin(session, given(Sign, parameter, None, None));
        "5.14.4" C_SignMessageNext(
            session: SessionId, parameter: Parameter, part: Input, signature: Output
        ) => entry messages::sign_next(session, given(Sign, parameter, None, Some(part)), signature);
        "5.14.5" C_MessageSignFinal(session: SessionId) => entry messages::finish(session, Sign);

        "5.16.1" C_MessageVerifyInit(session: SessionId, mechanism: Mechanism, key: ObjectId)
            => entry messages::init(session, Verify, mechanism, key);
        "5.16.2" C_VerifyMessage(
            session: SessionId, parameter: Parameter, data: Input, signature: Input
        ) => entry messages::verify(session, given(Verify, parameter, None, Some(data)), signature);
        "5.16.3" C_VerifyMessageBegin(session: SessionId, parameter: Parameter)
            => entry messages::begin(session, given(Verify, parameter, None, None));
        "5.16.4" C_VerifyMessageNext(
            session: SessionId, parameter: Parameter, part: Input, signature: Input
        ) => entry messages::verify_next(session, given(Verify, parameter, None, Some(part)), signature);
        "5.16.5" C_MessageVerifyFinal(session: SessionId) => entry messages::finish(session, Verify);
    }
    3.2: {
        "5.18.8" C_EncapsulateKey(
            session: SessionId, mechanism: Mechanism, public_key: ObjectId, template: Template, ciphertext: Output,
            key: Place<CK_OBJECT_HANDLE>
        ) => entry keys::encapsulate_key(session, mechanism, public_key, template, ciphertext, key);
        "5.18.9" C_DecapsulateKey(
            session: SessionId, mechanism: Mechanism, private_key: ObjectId, template: Template, ciphertext: Input,
            key: Place<CK_OBJECT_HANDLE>
        ) => entry keys::decapsulate_key(session, mechanism, private_key, template, ciphertext, key);
        "5.15.7" C_VerifySignatureInit(session: SessionId, mechanism: Mechanism, key: ObjectId, signature: Input)
            => entry signatures::init(session, mechanism, key, signature);
        "5.15.8" C_VerifySignature(session: SessionId, data: Input) => entry signatures::single(session, data);
        "5.15.9" C_VerifySignatureUpdate(session: SessionId, part: Input) => entry signatures::update(session, part);
        "5.15.10" C_VerifySignatureFinal(session: SessionId) => entry signatures::finish(session);
        "5.6.11" C_GetSessionValidationFlags(
            session: SessionId, kind: CK_SESSION_VALIDATION_FLAGS_TYPE, flags: Place<CK_FLAGS>
        ) => vendors sessions::validation_flags(session, kind, flags);
        "5.21.1" C_AsyncComplete(session: SessionId, function: Name, result: Completion)
            => entry asynchronous::async_complete(session, function, result);
        "5.21.2" C_AsyncGetID(session: SessionId, function: Name, id: Place<CK_ULONG>)
            => entry asynchronous::async_get_id(session, function, id);
        "5.21.3" C_AsyncJoin(session: SessionId, function: Name, id: CK_ULONG, data: OutputBytes)
            => entry asynchronous::async_join(session, function, id, data);
        "5.18.6" C_WrapKeyAuthenticated(
            session: SessionId, mechanism: Mechanism, wrapping_key: ObjectId, key: ObjectId, associated: Input,
            wrapped: Output
        ) => entry keys::wrap_key(session, mechanism, (wrapping_key, key), Some(associated), wrapped);
        "5.18.7" C_UnwrapKeyAuthenticated(
            session: SessionId, mechanism: Mechanism, unwrapping_key: ObjectId, wrapped: Input, template: Template,
            associated: Input, key: Place<CK_OBJECT_HANDLE>
        ) => entry keys::unwrap_key(session, mechanism, unwrapping_key, (wrapped, Some(associated)), template, key);
    }
}
