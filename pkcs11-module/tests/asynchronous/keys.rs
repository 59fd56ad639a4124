// SPDX-License-Identifier: MIT
//! Keys that are made meanwhile.

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::token::{ObjectId, Out, SessionId};
use keyenclave_module::abi::values::{Place, RawMechanism, RawTemplate};
use keyenclave_module::entry::{keys, sessions};
use keyenclave_module::library::Library;

use crate::late::rv;
use crate::scene::{asynchronous, complete, name, open_async, refused};

fn mechanism(id: ck::CK_MECHANISM_TYPE) -> RawMechanism<'static> {
    let mechanism = Box::leak(Box::new(ck::CK_MECHANISM {
        mechanism: id,
        pParameter: std::ptr::null_mut(),
        ulParameterLen: 0,
    }));
    // SAFETY: it is never freed.
    unsafe { RawMechanism::new(mechanism) }
}

fn no_template() -> RawTemplate<'static> {
    // SAFETY: it is empty.
    unsafe { RawTemplate::new(std::ptr::null(), 0) }
}

/// `C_GenerateKey`, and what became of the place for the handle.
pub fn generate_key(lib: &Library, session: SessionId) -> (Option<Rv>, ck::CK_OBJECT_HANDLE) {
    let mut handle = 7;
    // SAFETY: it outlives the call.
    let place = unsafe { Place::new(&raw mut handle) };
    let outcome = keys::generate_key(lib, session, mechanism(ck::CKM_AES_KEY_GEN), no_template(), place);
    (rv(outcome), handle)
}

/// `C_GenerateKeyPair`.
pub fn generate_key_pair(lib: &Library, session: SessionId) -> Option<Rv> {
    let (mut public, mut private) = (7, 7);
    // SAFETY: it outlives the call.
    let public = unsafe { Place::new(&raw mut public) };
    // SAFETY: it outlives the call.
    let private = unsafe { Place::new(&raw mut private) };
    let mechanism = mechanism(ck::CKM_EC_KEY_PAIR_GEN);
    let (public_template, private_template) = (no_template(), no_template());
    rv(keys::generate_key_pair(
        lib,
        session,
        mechanism,
        public_template,
        private_template,
        public,
        private,
    ))
}

#[test]
fn keys_are_made_meanwhile_and_their_handles_told_at_the_end() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    assert_eq!(generate_key(&scene.lib, session), (Some(Rv::Pending), 7));
    let key = scene.asked();
    assert_eq!(generate_key(&scene.lib, session).0, Some(Rv::OperationActive));
    assert_eq!(generate_key_pair(&scene.lib, session), Some(Rv::Pending));
    let pair = scene.asked();
    assert_eq!(refused(&scene.lib, session, c"C_GenerateKey"), Some(Rv::Pending));
    let (public, private) = (ObjectId(21), ObjectId(22));
    assert!(pair.with(Ok(Out::Pair { public, private })));
    assert!(key.with(Ok(Out::Object(ObjectId(20)))));
    let (outcome, data) = complete(&scene.lib, session, name(c"C_GenerateKey"));
    assert_eq!((outcome, data.hObject, data.hAdditionalObject), (None, 20, 0));
    assert!(data.pValue.is_null() && data.ulValue == 0);
    let (outcome, data) = complete(&scene.lib, session, name(c"C_GenerateKeyPair"));
    assert_eq!((outcome, data.hObject, data.hAdditionalObject), (None, 21, 22));
    assert_eq!(
        generate_key(&scene.lib, session).0,
        Some(Rv::Pending),
        "once more"
    );
}

#[test]
fn key_generation_is_cancelled_by_its_own_flag() {
    let scene = asynchronous();
    let session = open_async(&scene.lib);
    for (flag, function) in [
        (ck::CKF_GENERATE, c"C_GenerateKey"),
        (ck::CKF_GENERATE_KEY_PAIR, c"C_GenerateKeyPair"),
    ] {
        generate_key(&scene.lib, session);
        generate_key_pair(&scene.lib, session);
        let before = scene.cancelled();
        sessions::session_cancel(&scene.lib, session, flag | ck::CKF_SIGN).unwrap();
        assert_eq!(scene.cancelled(), before + 1);
        assert_eq!(
            refused(&scene.lib, session, function),
            Some(Rv::OperationNotInitialized)
        );
        let both = ck::CKF_GENERATE | ck::CKF_GENERATE_KEY_PAIR;
        sessions::session_cancel(&scene.lib, session, both).unwrap();
        assert_eq!(scene.cancelled(), before + 2);
    }
}
