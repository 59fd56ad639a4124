// SPDX-License-Identifier: MIT
//! OpenSC's pkcs11-spy behind a slot: it writes down what goes to the module behind it, and does not survive
//! `C_GetInterfaceList` where that module has none.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use keyenclave_model::token::{Role, Token};
use keyenclave_pkcs11_hsm::{HsmOptions, Libraries, Pkcs11Token, TokenChoice};

#[allow(dead_code, reason = "other tests use the rest")]
mod fixture;

use fixture::{App, PIN, SOFTHSM, in_own_process, prepared};

const SPY: &str = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so";

#[test]
fn a_module_that_writes_down_what_goes_through_it_works() {
    in_own_process(SPY, |place| {
        if !std::path::Path::new(SOFTHSM).exists() {
            return keyenclave_conformance::case::skipped(
                "a_module_that_writes_down_what_goes_through_it_works",
                "SoftHSM is not installed",
            );
        }
        drop(prepared());
        let libraries = std::sync::Arc::new(Libraries::default());
        let options = HsmOptions {
            token: TokenChoice {
                label: Some("hsm".into()),
                ..TokenChoice::default()
            },
            ..HsmOptions::new(SPY)
        };
        let app = App::new(options, &libraries);
        assert!(app.token.is_present());
        app.login(Role::User, PIN).unwrap();
        let (public, private) = app.generate_ec("ec", true);
        let signature = app.sign(private, &[1; 32]).unwrap();
        app.verify(public, &[1; 32], &signature).unwrap();
        let log = std::fs::read_to_string(place.join("spy.log")).unwrap();
        assert!(log.contains("C_SignInit"), "it was asked");
    });
}
