// SPDX-License-Identifier: MIT
//! Several at once: classes, sessions, threads.

use std::sync::Arc;

use keyenclave_model::error::Rv;
use keyenclave_model::token::OperationClass::{Decrypt, Digest, Sign};
use keyenclave_module::abi::values::RawTemplate;
use keyenclave_module::entry::{crypt, objects, sessions, state};

use crate::late::{MOST, PATIENCE, READY_KEY, init, rv, sign_init, within_patience};
use crate::scene::{
    Memory, asynchronous, complete, fetched, input, name, open_async, refused, scene_of, single, start,
};

#[test]
fn two_classes_are_pending_side_by_side() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (signature, sign_asked) = start(&scene, session, Sign);
    let (text, decrypt_asked) = start(&scene, session, Decrypt);
    assert!(decrypt_asked.bytes(b"text"));
    assert_eq!(refused(&scene.lib, session, c"C_Sign"), Some(Rv::Pending));
    assert_eq!(fetched(&scene.lib, session, c"C_Decrypt", &text), b"text");
    assert!(sign_asked.bytes(b"late"));
    assert_eq!(fetched(&scene.lib, session, c"C_Sign", &signature), b"late");
}

#[test]
fn while_one_is_pending_its_class_is_busy_and_nothing_else_is() {
    let scene = asynchronous();
    let (session, other) = (open_async(&scene.lib), open_async(&scene.lib));
    let (memory, asked) = start(&scene, session, Sign);
    let lib = &scene.lib;
    let mut unused = Memory::of(MOST);
    for busy in [
        rv(sign_init(lib, session)),
        single(lib, session, Sign, &mut unused),
        rv(crypt::absorb(lib, session, Sign, input(b"more"))),
        rv(crypt::finish(lib, session, Sign, unused.output())),
    ] {
        assert_eq!(busy, Some(Rv::OperationActive));
    }
    assert_eq!(
        rv(state::get_operation_state(lib, session, unused.output())),
        Some(Rv::StateUnsaveable)
    );
    assert!(unused.is_untouched());
    // SAFETY: an empty template.
    let template = unsafe { RawTemplate::new(std::ptr::null(), 0) };
    objects::find_objects_init(lib, session, template).unwrap();
    objects::find_objects_final(lib, session).unwrap();
    init(lib, session, Digest, READY_KEY).unwrap();
    assert_eq!(single(lib, session, Digest, &mut unused), None);
    let (_, other_asked) = start(&scene, other, Sign);
    sessions::close_session(lib, other).unwrap();
    assert!(!other_asked.bytes(b"late"));
    assert!(asked.bytes(b"late"));
    assert_eq!(fetched(lib, session, c"C_Sign", &memory), b"late");
}

#[test]
fn two_threads_may_ask_for_the_same_result() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    let (memory, asked) = start(&scene, session, Sign);
    let fetchers: Vec<_> = (0..2)
        .map(|_| {
            let lib = Arc::clone(&scene.lib);
            std::thread::spawn(move || {
                loop {
                    let (outcome, _) = complete(&lib, session, name(c"C_Sign"));
                    if outcome != Some(Rv::Pending) {
                        return outcome;
                    }
                }
            })
        })
        .collect();
    assert!(asked.bytes(b"late"));
    let mut outcomes = fetchers
        .into_iter()
        .map(|fetcher| within_patience("a fetcher", move || fetcher.join().unwrap()))
        .collect::<Vec<_>>();
    outcomes.sort_by_key(Option::is_some);
    assert_eq!(
        outcomes,
        [None, Some(Rv::OperationNotInitialized)],
        "one of them gets it"
    );
    assert_eq!(memory.bytes[..4], *b"late");
}

#[test]
fn ten_thousand_signatures_are_pending_from_one_thread() {
    const MANY: usize = 10_000;
    let scene = scene_of(Some(PATIENCE));
    let mut pending: Vec<_> = (0..MANY)
        .map(|_| {
            let session = open_async(&scene.lib);
            let (memory, asked) = start(&scene, session, Sign);
            (session, memory, asked)
        })
        .collect();
    for (session, ..) in &pending {
        assert_eq!(refused(&scene.lib, *session, c"C_Sign"), Some(Rv::Pending));
    }
    // The last that was begun is answered first.
    pending.reverse();
    for (number, (session, memory, asked)) in pending.iter().enumerate() {
        let signature = u32::try_from(number).unwrap().to_be_bytes();
        assert!(asked.bytes(&signature));
        assert_eq!(fetched(&scene.lib, *session, c"C_Sign", memory), signature);
    }
    assert_eq!(scene.cancelled(), 0);
}
