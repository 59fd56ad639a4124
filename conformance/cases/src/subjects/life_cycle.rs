// SPDX-License-Identifier: MIT
//! `C_Initialize`, `C_Finalize` and what is refused outside of them.

use crate::case::Need::Own;
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Init, Module, Mutexes};
use keyenclave_conformance::place::module_path;
use keyenclave_conformance::token::{RW, THREADS, Token};

cases! {
    "life-cycle.before-initialize" => everything_is_refused_before_initialisation, "C_Initialize", [], [];
    "life-cycle.before-initialize.unsupported" => unsupported_functions_are_refused_before_initialisation_too,
        "C_Initialize",
        [], [Own];
    "life-cycle.second-initialize" => a_second_initialise_is_refused_and_the_first_goes_on, "C_Initialize",
        [], [];
    "life-cycle.finalize.reserved" => finalise_takes_only_a_null_pointer, "C_Finalize", [], [];
    "life-cycle.locking" => initialise_follows_the_locking_rules, "C_Initialize", [], [];
    "life-cycle.mutexes" => own_mutexes_without_os_locking_cannot_be_used, "C_Initialize", [], [Own];
    "life-cycle.no-threads" => an_application_that_forbids_threads_gets_a_soft_token, "C_Initialize",
        [], [];
    "life-cycle.reserved" => an_unknown_reserved_pointer_is_refused, "C_Initialize", [], [Own];
    "life-cycle.again" => a_module_can_be_initialised_again_and_old_handles_are_gone, "C_Finalize", [], [];
    "life-cycle.slot-event.end" => whoever_waits_for_a_slot_event_is_told_of_the_end, "C_WaitForSlotEvent",
        [], [Own];
    "life-cycle.info" => the_library_tells_who_it_is, "C_GetInfo", [], [];
    "life-cycle.exports" => every_function_of_the_list_is_exported_by_name, "CK_FUNCTION_LIST_3_2",
        [], [Own];
}

fn args(flags: CK_FLAGS, mutexes: Mutexes) -> Init {
    Init::Args {
        flags,
        mutexes,
        reserved: false,
    }
}

fn load() -> Module {
    Module::load(&module_path())
}

fn everything_is_refused_before_initialisation() {
    let module = load();
    let refused = CKR_CRYPTOKI_NOT_INITIALIZED;
    assert_eq!(module.finalize(false), refused);
    assert_eq!(module.info().unwrap_err(), refused);
    assert_eq!(module.slot_list(false, None).0, refused);
    assert_eq!(module.slot_info(0).unwrap_err(), refused);
    assert_eq!(module.token_info(0).unwrap_err(), refused);
    assert_eq!(module.open_session(0, RW).unwrap_err(), refused);
    assert_eq!(module.close_session(1), refused);
    assert_eq!(module.login(1, CKU_USER, b"1234"), refused);
    assert_eq!(module.find_init(1, &[]), refused);
    assert_eq!(module.sign_init(1, CKM_RSA_PKCS, 1), refused);
    assert_eq!(module.digest_init(1, CKM_SHA256), refused);
    assert_eq!(module.random(1, &mut [0; 8]), refused);
    assert_eq!(module.init_token(0, b"1234", "x"), refused);
}

fn unsupported_functions_are_refused_before_initialisation_too() {
    let module = load();
    assert_eq!(
        module.wait_for_slot_event(CKF_DONT_BLOCK),
        CKR_CRYPTOKI_NOT_INITIALIZED
    );
    assert_eq!(module.function_status(1), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_eq!(
        module.sign_recover_init(1, CKM_RSA_PKCS, 1),
        CKR_CRYPTOKI_NOT_INITIALIZED
    );
}

fn a_second_initialise_is_refused_and_the_first_goes_on() {
    let token = Token::blank();
    assert_eq!(token.initialize(THREADS), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    assert!(token.info().is_ok());
}

fn finalise_takes_only_a_null_pointer() {
    let token = Token::blank();
    assert_eq!(token.finalize(true), CKR_ARGUMENTS_BAD);
    assert!(token.info().is_ok(), "a refused finalise ends nothing");
    assert_eq!(token.finalize(false), Rv::OK);
    assert_eq!(token.finalize(false), CKR_CRYPTOKI_NOT_INITIALIZED);
}

fn initialise_follows_the_locking_rules() {
    let module = load();
    let given = |init| {
        let rv = module.initialize(init);
        if rv == Rv::OK {
            assert_eq!(module.finalize(false), Rv::OK);
        }
        rv
    };
    assert_eq!(given(Init::Null), Rv::OK);
    assert_eq!(given(args(0, Mutexes::No)), Rv::OK);
    assert_eq!(given(args(CKF_OS_LOCKING_OK, Mutexes::No)), Rv::OK);
    assert_eq!(given(args(CKF_OS_LOCKING_OK, Mutexes::All)), Rv::OK);
    assert_eq!(given(args(0, Mutexes::Some)), CKR_ARGUMENTS_BAD);
    assert_eq!(given(args(CKF_OS_LOCKING_OK, Mutexes::Some)), CKR_ARGUMENTS_BAD);
}

fn own_mutexes_without_os_locking_cannot_be_used() {
    assert_eq!(load().initialize(args(0, Mutexes::All)), CKR_CANT_LOCK);
}

fn an_application_that_forbids_threads_gets_a_soft_token() {
    let module = load();
    let flags = CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS;
    assert_eq!(module.initialize(args(flags, Mutexes::No)), Rv::OK);
    assert_eq!(module.slot_list(true, None).0, Rv::OK);
}

fn an_unknown_reserved_pointer_is_refused() {
    let module = load();
    let init = Init::Args {
        flags: CKF_OS_LOCKING_OK,
        mutexes: Mutexes::No,
        reserved: true,
    };
    assert_eq!(module.initialize(init), CKR_ARGUMENTS_BAD);
    assert_eq!(module.initialize(THREADS), Rv::OK);
}

fn a_module_can_be_initialised_again_and_old_handles_are_gone() {
    let token = Token::fresh();
    let session = token.user_session();
    for _ in 0..3 {
        assert_eq!(token.finalize(false), Rv::OK);
        assert_eq!(
            token.session_info(session).unwrap_err(),
            CKR_CRYPTOKI_NOT_INITIALIZED
        );
        assert_eq!(token.initialize(THREADS), Rv::OK);
        assert_eq!(
            token.session_info(session).unwrap_err(),
            CKR_SESSION_HANDLE_INVALID
        );
    }
}

/// Each time at another moment: before the wait, at its beginning, within it.
fn whoever_waits_for_a_slot_event_is_told_of_the_end() {
    let token = Token::blank();
    for _ in 0..20 {
        std::thread::scope(|scope| {
            let (about_to_wait, waits) = std::sync::mpsc::channel();
            let token = &token;
            let waiting = scope.spawn(move || {
                about_to_wait.send(()).expect("the other thread listens");
                token.wait_for_slot_event(0)
            });
            waits.recv().expect("a thread that waits");
            assert_eq!(token.finalize(false), Rv::OK);
            let told = waiting.join().expect("the waiting thread");
            assert_eq!(told, CKR_CRYPTOKI_NOT_INITIALIZED);
        });
        assert_eq!(token.initialize(THREADS), Rv::OK);
    }
}

fn the_library_tells_who_it_is() {
    let token = Token::blank();
    let info = token.info().unwrap();
    assert_eq!(info.flags, 0);
    assert!(info.cryptokiVersion.major >= 2);
    assert!(
        info.manufacturerID.is_ascii() && !info.manufacturerID.contains(&0),
        "blank padded"
    );
    assert!(
        info.libraryDescription.is_ascii() && !info.libraryDescription.contains(&0),
        "blank padded"
    );
}

fn every_function_of_the_list_is_exported_by_name() {
    let module = load();
    let text = include_str!("../../../expectations/returns.txt");
    for name in text
        .lines()
        .filter(|line| line.starts_with("C_"))
        .filter_map(|line| line.split(' ').next())
    {
        assert!(module.exports(name), "{name} is not exported");
    }
    assert!(module.list_3_2().is_some(), "no interface of version 3.2");
}
