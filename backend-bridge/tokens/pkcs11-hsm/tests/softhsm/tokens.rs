// SPDX-License-Identifier: MIT
//! Which token a slot shows, and what it tells of it.

use super::*;

#[test]
fn a_token_is_initialised_and_chosen_by_any_of_its_marks() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let app = App::softhsm("hsm", &libraries);
        assert!(app.token.is_present());
        let info = app.token.info().unwrap();
        assert!(info.label.starts_with(b"hsm "));
        assert_ne!(info.flags & ck::CKF_USER_PIN_INITIALIZED, 0);
        assert!(info.manufacturer.starts_with("SoftHSM"));
        let serial = String::from_utf8(info.serial.to_vec()).unwrap();
        for uri in [
            format!("pkcs11:serial={serial}"),
            format!("pkcs11:token=hsm;model={}", info.model.replace(' ', "%20")),
        ] {
            let token = TokenChoice::from_uri(&uri).unwrap();
            let same = App::new(
                HsmOptions {
                    token,
                    ..HsmOptions::new(SOFTHSM)
                },
                &libraries,
            );
            assert!(same.token.is_present(), "{uri}");
        }
        let other = App::softhsm("other", &libraries);
        assert!(!other.token.is_present());
        assert_eq!(rv(other.token.info()), Some(Rv::TokenNotPresent));
    });
}

#[test]
fn a_token_that_comes_later_is_found() {
    in_own_process(SOFTHSM, |_| {
        let libraries = Arc::new(Libraries::default());
        let app = App::softhsm("hsm", &libraries);
        assert!(!app.token.is_present());
        App::new(HsmOptions::new(SOFTHSM), &libraries).init("hsm");
        assert!(app.token.is_present());
        app.login(Role::User, PIN).unwrap();
    });
}

#[test]
fn a_token_that_another_process_makes_is_found() {
    in_own_process(SOFTHSM, |_| {
        let tool = std::path::Path::new("/usr/bin/softhsm2-util");
        if !tool.exists() {
            return keyenclave_conformance::case::skipped(
                "a_token_that_another_process_makes_is_found",
                "softhsm2-util is not installed",
            );
        }
        let libraries = Arc::new(Libraries::default());
        let app = App::softhsm("hsm", &libraries);
        assert!(!app.token.is_present());
        let made = std::process::Command::new(tool)
            .args([
                "--init-token",
                "--free",
                "--label",
                "hsm",
                "--so-pin",
                "12345678",
                "--pin",
                "1234",
            ])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let late = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !app.token.is_present() {
            assert!(std::time::Instant::now() < late, "the token is never seen");
            std::thread::yield_now();
        }
        app.login(Role::User, PIN).unwrap();
    });
}

#[test]
fn a_module_that_is_no_module_leaves_the_slot_empty() {
    in_own_process(SOFTHSM, |place| {
        let libraries = Arc::new(Libraries::default());
        let text = place.join("text.so");
        std::fs::write(&text, "no library").unwrap();
        for module in [
            path("/nowhere/at/all.so"),
            text,
            path("/lib/x86_64-linux-gnu/libc.so.6"),
        ] {
            let app = App::new(HsmOptions::new(&module), &libraries);
            assert!(!app.token.is_present());
            let error = app.token.info().err().unwrap();
            assert_eq!(error.rv(), Rv::TokenNotPresent);
            assert!(error.to_string().contains(module.to_str().unwrap()), "{error}");
        }
        let ourselves = App::new(HsmOptions::new(std::env::current_exe().unwrap()), &libraries);
        let error = ourselves.token.info().err().unwrap();
        assert!(error.to_string().contains("KeyEnclave itself"), "{error}");
    });
}

#[test]
fn mechanisms_are_told_as_the_vendor_tells_them() {
    in_own_process(SOFTHSM, |_| {
        let libraries = prepared();
        let app = App::softhsm("hsm", &libraries);
        let told = app.token.mechanisms().unwrap();
        let gcm = told.iter().find(|info| info.id == ck::CKM_AES_GCM).unwrap();
        assert_ne!(gcm.flags & ck::CKF_ENCRYPT, 0);
        assert!(told.len() > 40);
    });
}
