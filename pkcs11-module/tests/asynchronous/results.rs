// SPDX-License-Identifier: MIT
//! How a function becomes pending, and what is fetched in the end.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::token::OperationClass::{Decrypt, Digest, Encrypt, Sign, SignRecover, Verify};
use keyenclave_model::token::{ObjectId, Out};
use keyenclave_module::abi::values::Place;
use keyenclave_module::entry::{crypt, sessions};
use keyenclave_module::library::Library;

use crate::late::{
    KEY, MOST, READY, READY_KEY, SIGNATURE_LEN, init, open, rv, scene, sign, sign_init, try_open,
    within_patience,
};
use crate::scene::{
    Memory, UNTOUCHED, asynchronous, complete, fetched, input, name, open_async, refused, single, start,
};

#[test]
fn a_session_is_asynchronous_where_the_token_can_do_it() {
    let flags = |lib: &Library, session| {
        let mut info = ck::CK_SESSION_INFO::default();
        // SAFETY: it outlives the call.
        let place = unsafe { Place::new(&raw mut info) };
        sessions::get_session_info(lib, session, place).unwrap();
        info.flags
    };
    let basic = ck::CKF_SERIAL_SESSION | ck::CKF_RW_SESSION;
    let able = asynchronous();
    assert_eq!(
        flags(&able.lib, open_async(&able.lib)),
        basic | ck::CKF_ASYNC_SESSION
    );
    assert_eq!(flags(&able.lib, open(&able.lib)), basic);
    let unable = scene(None);
    assert_eq!(
        rv(try_open(&unable.lib, ck::CKF_ASYNC_SESSION)),
        Some(Rv::SessionAsyncNotSupported)
    );
    assert_eq!(
        rv(try_open(&able.lib, ck::CKF_ASYNC_SESSION << 1)),
        Some(Rv::ArgumentsBad)
    );
}

#[test]
fn a_signature_is_pending_until_its_answer_is_there() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    for _ in 0..3 {
        assert_eq!(refused(&scene.lib, session, c"C_Sign"), Some(Rv::Pending));
    }
    assert_eq!(asked.input, b"data");
    assert!(asked.bytes(b"late"));
    assert!(memory.is_untouched(), "nothing is written but in C_AsyncComplete");
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &memory), b"late");
    assert_eq!(memory.bytes[4..], [UNTOUCHED; MOST - 4]);
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert_eq!(scene.cancelled(), 0);
    assert!(sign_init(&scene.lib, session).is_ok(), "the operation has ended");
}

#[test]
fn the_end_of_several_parts_can_be_pending() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    for part in [b"some ".as_slice(), b"parts"] {
        crypt::absorb(&scene.lib, session, Sign, input(part)).unwrap();
    }
    let mut memory = Memory::of(SIGNATURE_LEN);
    let outcome = crypt::finish(&scene.lib, session, Sign, memory.output());
    assert_eq!(rv(outcome), Some(Rv::Pending));
    let asked = scene.asked();
    assert_eq!(asked.input, b"some parts");
    assert!(asked.bytes(b"late"));
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
    assert_eq!(fetched(&scene.lib, session, c"C_SignFinal", &memory), b"late");
}

#[test]
fn a_result_of_unknown_length_says_its_length() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for (class, function) in [(Encrypt, c"C_Encrypt"), (Decrypt, c"C_Decrypt")] {
        for text in ["", "short", "as long "] {
            let (memory, asked) = start(&scene, session, class);
            assert!(asked.bytes(text.as_bytes()));
            assert_eq!(fetched(&scene.lib, session, function, &memory), text.as_bytes());
        }
    }
}

#[test]
fn what_is_ready_is_answered_at_once() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for class in [Sign, Encrypt, Decrypt] {
        init(&scene.lib, session, class, READY_KEY).unwrap();
        let mut memory = Memory::of(MOST);
        assert_eq!(single(&scene.lib, session, class, &mut memory), None);
        assert_eq!(memory.len, 4);
        assert_eq!(memory.bytes[..4], READY);
    }
}

#[test]
fn an_ordinary_session_of_the_same_token_waits() {
    let scene = asynchronous();
    let session = open(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    let lib = Arc::clone(&scene.lib);
    let signer = std::thread::spawn(move || sign(&lib, session));
    assert!(scene.asked().bytes(b"late"));
    let signature = within_patience("the signer", move || signer.join().unwrap());
    assert_eq!(signature.unwrap(), b"late");
    assert_eq!(
        refused(&scene.lib, session, c"C_Sign"),
        Some(Rv::OperationNotInitialized)
    );
}

#[test]
fn an_error_of_the_work_is_the_answer() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    assert!(asked.with(Err(Rv::KeyHandleInvalid.into())));
    let (outcome, data) = complete(&scene.lib, session, name(c"C_Sign"));
    assert_eq!(outcome, Some(Rv::KeyHandleInvalid));
    assert_eq!(
        data.pValue.cast_const(),
        memory.bytes.as_ptr(),
        "so that it can be freed"
    );
    assert_eq!(data.ulValue, 0);
    assert!(memory.is_untouched());
    assert!(sign_init(&scene.lib, session).is_ok(), "the operation has ended");
}

#[test]
fn a_result_that_is_not_the_functions_is_a_fault_of_the_token() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for result in [
        Out::Bytes(vec![0; MOST + 1].into()),
        Out::Done,
        Out::Object(ObjectId(9)),
    ] {
        let (memory, asked) = start(&scene, session, Sign);
        assert!(asked.with(Ok(result)));
        let (outcome, data) = complete(&scene.lib, session, name(c"C_Sign"));
        assert_eq!(outcome, Some(Rv::GeneralError));
        assert_eq!(data.pValue.cast_const(), memory.bytes.as_ptr());
        assert!(memory.is_untouched());
    }
}

#[test]
fn the_input_is_not_looked_at_after_the_call() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    sign_init(&scene.lib, session).unwrap();
    let mut memory = Memory::of(SIGNATURE_LEN);
    let mut data = b"data".to_vec();
    let outcome = crypt::single(&scene.lib, session, Sign, input(&data), memory.output());
    assert_eq!(rv(outcome), Some(Rv::Pending));
    data.fill(0);
    assert_eq!(scene.asked().input, b"data");
}

#[test]
fn verification_and_whatever_is_not_listed_waits() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    init(&scene.lib, session, Verify, KEY).unwrap();
    let lib = Arc::clone(&scene.lib);
    let verifier = std::thread::spawn(move || crypt::verify(&lib, session, input(b"data"), input(b"sign")));
    assert!(scene.asked().with(Err(Rv::SignatureInvalid.into())));
    let verdict = within_patience("the verifier", move || verifier.join().unwrap());
    assert_eq!(rv(verdict), Some(Rv::SignatureInvalid));
    for class in [Digest, SignRecover] {
        init(&scene.lib, session, class, KEY).unwrap();
        let lib = Arc::clone(&scene.lib);
        let caller = std::thread::spawn(move || single(&lib, session, class, &mut Memory::of(MOST)));
        assert!(scene.asked().bytes(b"late"));
        assert_eq!(within_patience("the call", move || caller.join().unwrap()), None);
    }
}
