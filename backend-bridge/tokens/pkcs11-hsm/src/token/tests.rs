// SPDX-License-Identifier: MIT
//! Faults at every call into a real module: nothing hangs, nothing crashes, and everything works afterwards.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{ObjectId, OperationClass, Part, Role, Token, Work};

use super::{HsmOptions, Pkcs11Token};
use crate::faults::Fault;
use crate::ffi::in_child;
use crate::operation::VendorOperation;
use crate::{Libraries, TokenChoice};

#[allow(dead_code, reason = "the crate's other tests use the rest")]
#[path = "../../tests/fixture/mod.rs"]
mod fixture;

mod parameters;

use fixture::{App, PIN, SOFTHSM, in_own_process, prepared};

/// What an application does all day. Every step may be done again.
fn day(app: &mut App, key: ObjectId, public: ObjectId) -> Result<()> {
    app.new_session();
    let found = app.find(ck::CKO_PRIVATE_KEY, "key")?;
    assert_eq!(found, [key], "an object keeps its handle");
    let signature = app.sign(key, &[7; 32])?;
    app.verify(public, &[7; 32], &signature)?;
    let sha = Mechanism::given(ck::CKM_SHA256, None);
    assert_eq!(app.whole(OperationClass::Digest, &sha, None, b"abc")?.len(), 32);
    assert!(app.attributes(key, &[ck::CKA_LABEL])?[0].is_ok());
    app.run(Work::Random(&mut [0; 16]))?;
    app.token.close_session(app.session);
    Ok(())
}

fn with_app(body: impl FnOnce(&mut App, ObjectId, ObjectId)) {
    let libraries = prepared();
    let mut app = App::softhsm("hsm", &libraries);
    app.login(Role::User, PIN).unwrap();
    let (public, private) = app.generate_ec("key", true);
    day(&mut app, private, public).unwrap();
    body(&mut app, private, public);
}

/// The same, with objects that die with their session.
fn busy_day(app: &mut App, key: ObjectId, public: ObjectId) -> Result<()> {
    day(app, key, public)?;
    app.new_session();
    let aes = app.generate_aes("session", false)?;
    let ecb = Mechanism::given(ck::CKM_AES_ECB, None);
    let encrypted = app.whole(OperationClass::Encrypt, &ecb, Some(aes), &[1; 32])?;
    assert_eq!(
        app.whole(OperationClass::Decrypt, &ecb, Some(aes), &encrypted)?,
        [1; 32]
    );
    app.run(Work::Destroy(aes))?;
    let token_key = app.generate_aes("token", true)?;
    app.run(Work::Destroy(token_key))?;
    app.token.close_session(app.session);
    Ok(())
}

type Day = fn(&mut App, ObjectId, ObjectId) -> Result<()>;

/// Plans the fault at the first call, the second, … until a day has not so many; how each day went.
fn at_every_call(fault: Fault, day: Day, mut seen: impl FnMut(usize, Result<()>)) {
    with_app(|app, private, public| {
        for nth in 0.. {
            let library = std::sync::Arc::clone(&app.token.shown.core().unwrap().device().library);
            library.faults.plan(nth, fault);
            let outcome = day(app, private, public);
            let struck = !library.faults.take_back();
            if !struck {
                outcome.unwrap();
                assert!(nth >= 10, "only {nth} calls");
                break;
            }
            seen(nth, outcome);
            day(app, private, public)
                .unwrap_or_else(|error| panic!("after {fault:?} at call {nth}: {error}"));
        }
    });
}

#[test]
fn the_application_does_not_notice_that_all_sessions_are_lost() {
    in_own_process(SOFTHSM, |_| {
        at_every_call(Fault::LoseSessions, day, |nth, outcome| {
            outcome.unwrap_or_else(|error| panic!("at call {nth}: {error}"));
        });
    });
}

#[test]
fn the_application_does_not_notice_that_somebody_finalised_the_module() {
    in_own_process(SOFTHSM, |_| {
        at_every_call(Fault::Finalise, day, |nth, outcome| {
            outcome.unwrap_or_else(|error| panic!("at call {nth}: {error}"));
        });
    });
}

#[test]
fn the_application_does_not_notice_one_failure_of_the_device() {
    in_own_process(SOFTHSM, |_| {
        for rv in [Rv::DeviceError, Rv::DeviceRemoved, Rv::SessionHandleInvalid] {
            at_every_call(Fault::Answer(rv), day, |nth, outcome| {
                outcome.unwrap_or_else(|error| panic!("{} at call {nth}: {error}", rv.name()));
            });
        }
    });
}

#[test]
fn a_call_that_hangs_is_given_up_and_the_next_day_is_a_good_one() {
    in_own_process(SOFTHSM, |_| {
        with_app(|app, private, public| {
            let library = std::sync::Arc::clone(&app.token.shown.core().unwrap().device().library);
            for nth in 0.. {
                app.deadline = Some(std::time::Duration::from_millis(200));
                library.faults.plan(nth, Fault::Hang);
                let outcome = day(app, private, public);
                let struck = !library.faults.take_back();
                // Other work goes on while the one call hangs, with time enough on a busy machine.
                app.deadline = Some(std::time::Duration::from_secs(60));
                day(app, private, public).unwrap_or_else(|error| panic!("while call {nth} hangs: {error}"));
                library.faults.release();
                if !struck {
                    assert!(nth >= 10, "only {nth} calls");
                    break;
                }
                if let Err(error) = outcome {
                    assert_eq!(error.rv(), Rv::DeviceError, "at call {nth}");
                }
            }
        });
    });
}

#[test]
fn a_child_initialises_the_module_anew_and_leaves_the_parents_alone() {
    in_own_process(SOFTHSM, |_| {
        with_app(|app, private, public| {
            let child = in_child(|| {
                let stale = app.sign(private, &[1; 32]).map_err(|error| error.rv());
                assert_eq!(stale.err(), Some(Rv::DeviceError));
                let libraries = std::sync::Arc::new(Libraries::default());
                let mine = App::softhsm("hsm", &libraries);
                let early = mine.find(ck::CKO_PRIVATE_KEY, "key").unwrap();
                assert!(early.is_empty(), "the parent's login is not the child's");
                mine.login(Role::User, PIN).unwrap();
                let [key] = mine.find(ck::CKO_PRIVATE_KEY, "key").unwrap()[..] else {
                    panic!("the key is not there");
                };
                assert!(mine.token.shown.core().unwrap().device().library.is_ours());
                mine.sign(key, &[1; 32]).is_ok()
            });
            assert!(child);
            day(app, private, public).unwrap();
        });
    });
}

#[test]
fn a_module_that_the_application_initialised_is_never_finalised_here() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let owner = App::softhsm("hsm", &libraries);
        assert!(owner.token.shown.core().unwrap().device().library.is_ours());
        let others = std::sync::Arc::new(Libraries::default());
        let guest = App::softhsm("hsm", &others);
        assert!(!guest.token.shown.core().unwrap().device().library.is_ours());
        guest.login(Role::User, PIN).unwrap();
        drop((guest, others));
        // It would answer CKR_CRYPTOKI_NOT_INITIALIZED.
        let core = owner.token.shown.core().unwrap();
        assert!(core.call(|module| module.info()).is_ok());
    });
}

#[test]
fn whatever_one_call_answers_the_next_day_is_a_good_one() {
    in_own_process(SOFTHSM, |_| {
        for rv in [
            Rv::TokenNotPresent,
            Rv::GeneralError,
            Rv::FunctionFailed,
            Rv::HostMemory,
            Rv::BufferTooSmall,
            Rv::OperationNotInitialized,
            Rv::OperationActive,
            Rv::UserNotLoggedIn,
            Rv::ObjectHandleInvalid,
            Rv::SessionCount,
            Rv::DeviceError,
            Rv::DeviceRemoved,
            Rv::Other(ck::CKR_VENDOR_DEFINED | 1),
        ] {
            at_every_call(Fault::Answer(rv), busy_day, |_, _| {});
        }
        at_every_call(Fault::LoseSessions, busy_day, |_, _| {});
        at_every_call(Fault::Finalise, busy_day, |_, _| {});
    });
}

#[test]
fn a_slot_that_ends_first_leaves_modules_to_the_others() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let other = App::softhsm("hsm", &libraries);
        let ending = App::softhsm("hsm", &libraries);
        let core = other.token.shown.core().unwrap();
        // Another slot's call is in the module as this slot ends.
        core.call(|_| {
            drop(ending);
            Ok(())
        })
        .unwrap();
        assert!(core.device().library.is_ours());
        assert!(core.call(|module| module.info()).is_ok());
    });
}

#[test]
fn a_worker_that_is_done_late_does_not_end_the_module_of_the_next_initialisation() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let before = App::softhsm("hsm", &libraries);
        before.login(Role::User, PIN).unwrap();
        let held_by_worker = std::sync::Arc::clone(&before.token.shown);
        drop(before);
        let late = held_by_worker
            .core()
            .unwrap()
            .call(|module| module.info().map(drop));
        assert_eq!(
            late,
            Err(Rv::CryptokiNotInitialized),
            "it does nothing more there"
        );
        let now = App::softhsm("hsm", &std::sync::Arc::new(Libraries::default()));
        now.login(Role::User, PIN).unwrap();
        let core = now.token.shown.core().unwrap();
        assert!(core.device().library.is_ours());
        drop(held_by_worker);
        assert!(core.call(|module| module.info()).is_ok());
    });
}

#[test]
fn what_a_restored_decryption_has_left_is_not_known() {
    in_own_process(SOFTHSM, |_| {
        with_app(|app, _, _| {
            let core = app.token.shown.core().unwrap();
            let restored = VendorOperation::restored(core, &app.cx(), OperationClass::Decrypt, None);
            assert_eq!(restored.known_len(Part::Finish), None);
        });
    });
}
