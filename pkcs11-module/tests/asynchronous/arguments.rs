// SPDX-License-Identifier: MIT
//! Buffers, names and identifiers that are given.

use std::ffi::CStr;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::token::OperationClass::{Decrypt, Encrypt, Sign};
use keyenclave_module::abi::functions;
use keyenclave_module::abi::values::{Output, OutputBytes, Place};
use keyenclave_module::entry;
use keyenclave_module::entry::crypt;

use crate::late::{KEY, MOST, SIGNATURE_LEN, init, rv};
use crate::scene::{
    Memory, UNTOUCHED, asynchronous, fetched, input, name, open_async, refused, single, start,
};

#[test]
fn a_query_and_a_short_buffer_are_answered_without_the_token() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for (class, most) in [(Sign, SIGNATURE_LEN), (Decrypt, MOST), (Encrypt, MOST)] {
        init(&scene.lib, session, class, KEY).unwrap();
        let mut len = 0;
        // SAFETY: null is a query, and the length outlives the call.
        let query = unsafe { Output::new(std::ptr::null_mut(), &raw mut len) };
        crypt::single(&scene.lib, session, class, input(b"data"), query).unwrap();
        assert_eq!(usize::try_from(len).unwrap(), most);
        for short in [0, 1, most - 1] {
            let mut memory = Memory::of(short);
            let outcome = single(&scene.lib, session, class, &mut memory);
            assert_eq!(outcome, Some(Rv::BufferTooSmall));
            assert_eq!(usize::try_from(memory.len).unwrap(), most);
        }
        assert!(scene.asked_already().is_none());
        let mut memory = Memory::of(most);
        let outcome = single(&scene.lib, session, class, &mut memory);
        assert_eq!(outcome, Some(Rv::Pending), "the operation has stayed active");
        assert!(scene.asked_already().is_some());
    }
}

#[test]
fn only_the_name_of_the_function_that_is_pending_will_do() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    assert!(asked.bytes(b"late"));
    for other in [
        c"",
        c"C_",
        c"C_Sig",
        c"C_SignInit",
        c"C_SignFinal",
        c"C_Sign ",
        c"c_sign",
        c"C_Decrypt",
        c"C_GenerateKey",
        c"C_Verify",
        c"nonsense",
    ] {
        assert_eq!(
            refused(&scene.lib, session, other),
            Some(Rv::OperationNotInitialized),
            "{other:?}"
        );
    }
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &memory), b"late");
}

#[test]
fn every_function_that_may_be_pending_is_in_the_table_of_functions() {
    for function in &entry::asynchronous::FUNCTIONS {
        let row = functions::FUNCTIONS.iter().find(|row| row.name == function.name);
        assert_eq!(
            row.map(|row| row.supported),
            Some(functions::Supported::Everywhere),
            "{}",
            function.name
        );
    }
}

#[test]
fn no_work_has_an_identifier() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let id = |function: &'static CStr| {
        let mut id = 7;
        // SAFETY: it outlives the call.
        let place = unsafe { Place::new(&raw mut id) };
        let refused = rv(entry::asynchronous::async_get_id(
            &scene.lib,
            session,
            name(function),
            place,
        ));
        assert_eq!(id, 7);
        refused
    };
    assert_eq!(id(c"C_Sign"), Some(Rv::OperationNotInitialized));
    let (memory, asked) = start(&scene, session, Sign);
    assert_eq!(id(c"C_Sign"), Some(Rv::StateUnsaveable));
    assert_eq!(id(c"C_SignFinal"), Some(Rv::OperationNotInitialized));
    assert_eq!(id(c"C_Login"), Some(Rv::OperationNotInitialized));
    assert!(asked.bytes(b"late"));
    assert_eq!(
        id(c"C_Sign"),
        Some(Rv::StateUnsaveable),
        "it has not been fetched"
    );
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &memory), b"late");
    assert_eq!(id(c"C_Sign"), Some(Rv::OperationNotInitialized));
}

#[test]
fn there_is_nothing_to_join() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (_memory, _asked) = start(&scene, session, Sign);
    for id in [0, 1, ck::CK_ULONG::MAX] {
        let mut room = [UNTOUCHED; 4];
        // SAFETY: it outlives the call.
        let data = unsafe { OutputBytes::new(room.as_mut_ptr(), 4) };
        let refused = rv(entry::asynchronous::async_join(
            &scene.lib,
            session,
            name(c"C_Sign"),
            id,
            data,
        ));
        assert_eq!(refused, Some(Rv::SavedStateInvalid));
        assert_eq!(room, [UNTOUCHED; 4]);
    }
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::Pending),
        "what is pending stays so"
    );
}
