// SPDX-License-Identifier: MIT
//! Verification with the signature first: its order, and what it is to the functions that have the signature last.

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::OperationClass::Verify;
use keyenclave_module::entry::{crypt, sessions, signatures, state};

use crate::token::*;

impl Scene {
    fn verify_signature_init(&self, signature: &[u8]) -> Result<()> {
        let mechanism = mechanism(&MECHANISM);
        signatures::init(&self.lib, self.session, mechanism, KEY, input(signature))
    }

    fn verify_signature(&self, data: &[u8]) -> Result<()> {
        signatures::single(&self.lib, self.session, input(data))
    }

    fn part(&self, data: &[u8]) -> Result<()> {
        signatures::update(&self.lib, self.session, input(data))
    }

    fn end(&self) -> Result<()> {
        signatures::finish(&self.lib, self.session)
    }
}

const NONE: Option<Rv> = Some(Rv::OperationNotInitialized);

#[test]
fn a_signature_that_came_first_is_checked_whole_and_in_parts() {
    let scene = Scene::new();
    for (signature, expected) in [(SIGNATURE, None), (&b"wrong"[..], Some(Rv::SignatureInvalid))] {
        scene.verify_signature_init(signature).unwrap();
        assert_eq!(rv(scene.verify_signature(b"data")), expected);
        assert_eq!(rv(scene.verify_signature(b"data")), NONE, "it has ended");
        scene.verify_signature_init(signature).unwrap();
        scene.part(b"da").unwrap();
        scene.part(b"ta").unwrap();
        assert_eq!(rv(scene.end()), expected);
        assert_eq!(rv(scene.end()), NONE);
    }
}

#[test]
fn the_whole_does_not_go_with_parts() {
    let scene = Scene::new();
    scene.verify_signature_init(SIGNATURE).unwrap();
    scene.part(b"da").unwrap();
    assert_eq!(rv(scene.verify_signature(b"ta")), NONE);
    assert_eq!(rv(scene.end()), NONE);
}

#[test]
fn functions_that_have_the_signature_last_find_no_operation_and_leave_it_alone() {
    let scene = Scene::new();
    let (lib, session) = (&scene.lib, scene.session);
    scene.verify_signature_init(SIGNATURE).unwrap();
    let verified = crypt::verify(lib, session, input(b"data"), input(SIGNATURE));
    assert_eq!(rv(verified), NONE);
    assert_eq!(rv(crypt::absorb(lib, session, Verify, input(b"x"))), NONE);
    assert_eq!(rv(crypt::verify_final(lib, session, input(SIGNATURE))), NONE);
    scene.verify_signature(b"data").unwrap();
    crypt::init(lib, session, Verify, mechanism(&MECHANISM), Some(KEY)).unwrap();
    assert_eq!(rv(scene.verify_signature(b"data")), NONE);
    assert_eq!(rv(scene.part(b"data")), NONE);
    assert_eq!(rv(scene.end()), NONE);
    crypt::verify(lib, session, input(b"data"), input(SIGNATURE)).unwrap();
}

#[test]
fn a_session_has_one_verification() {
    let scene = Scene::new();
    let (lib, session) = (&scene.lib, scene.session);
    scene.verify_signature_init(SIGNATURE).unwrap();
    let other = crypt::init(lib, session, Verify, mechanism(&MECHANISM), Some(KEY));
    assert_eq!(rv(other), Some(Rv::OperationActive));
    assert_eq!(
        rv(scene.verify_signature_init(SIGNATURE)),
        Some(Rv::OperationActive)
    );
    scene.verify_signature(b"data").unwrap();
}

#[test]
fn a_null_mechanism_for_either_kind_ends_the_verification_of_the_other() {
    let scene = Scene::new();
    let (lib, session) = (&scene.lib, scene.session);
    scene.verify_signature_init(SIGNATURE).unwrap();
    crypt::init(lib, session, Verify, no_mechanism(), Some(KEY)).unwrap();
    assert_eq!(rv(scene.verify_signature(b"data")), NONE);
    crypt::init(lib, session, Verify, mechanism(&MECHANISM), Some(KEY)).unwrap();
    signatures::init(lib, session, no_mechanism(), KEY, no_input()).unwrap();
    let verified = crypt::verify(lib, session, input(b"data"), input(SIGNATURE));
    assert_eq!(rv(verified), NONE);
    scene.verify_signature_init(SIGNATURE).unwrap();
    scene.verify_signature(b"data").unwrap();
}

#[test]
fn it_is_cancelled_and_cannot_be_saved() {
    let scene = Scene::new();
    let (lib, session) = (&scene.lib, scene.session);
    scene.verify_signature_init(SIGNATURE).unwrap();
    let saved = state::get_operation_state(lib, session, Room::of(100).output());
    assert_eq!(rv(saved), Some(Rv::StateUnsaveable));
    signatures::init(lib, session, no_mechanism(), KEY, no_input()).unwrap();
    assert_eq!(rv(scene.verify_signature(b"data")), NONE);
    scene.verify_signature_init(SIGNATURE).unwrap();
    sessions::session_cancel(lib, session, cryptoki_sys::CKF_VERIFY).unwrap();
    assert_eq!(rv(scene.verify_signature(b"data")), NONE);
}
