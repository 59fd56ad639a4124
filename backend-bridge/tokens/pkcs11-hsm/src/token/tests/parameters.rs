// SPDX-License-Identifier: MIT
//! Keys whose handles stand in mechanisms' parameters: they are found again after a loss as those of arguments are.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Result;
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{ObjectId, Pin, Role, Work};

use super::fixture::{App, PIN, in_own_process, object};
use crate::faults::Fault;
use crate::{HsmOptions, Libraries, TokenChoice};

const SOFTOKN: &str = "/usr/lib/x86_64-linux-gnu/libsoftokn3.so";

fn kryoptic() -> String {
    std::env::var("KEYENCLAVE_KRYOPTIC").unwrap_or_else(|_| "/usr/lib64/pkcs11/libkryoptic_pkcs11.so".into())
}

/// A key on the token, of which others are derived.
fn secret(app: &App, label: &str, value: &[u8]) -> ObjectId {
    let template: Template = [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_GENERIC_SECRET)),
        (ck::CKA_TOKEN, Value::Bool(true)),
        (ck::CKA_PRIVATE, Value::Bool(true)),
        (ck::CKA_LABEL, Value::bytes(label)),
        (ck::CKA_ID, Value::bytes(label)),
        (ck::CKA_DERIVE, Value::Bool(true)),
        (ck::CKA_SENSITIVE, Value::Bool(false)),
        (ck::CKA_EXTRACTABLE, Value::Bool(true)),
        (ck::CKA_VALUE, Value::bytes(value)),
    ]
    .into_iter()
    .collect();
    object(app.run(Work::Create(&template)).unwrap())
}

/// Derives a session key of two keys, one of them in the parameter, in a session that stays open.
fn derive(app: &mut App, base: ObjectId, mechanism: &Mechanism) -> Result<()> {
    app.new_session();
    let template: Template = [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_GENERIC_SECRET)),
    ]
    .into_iter()
    .collect();
    let derive = Work::Derive {
        mechanism,
        base,
        template: &template,
        has_handle: true,
    };
    app.run(derive).map(drop)
}

/// No module at hand takes a key's handle behind pointers of a parameter: it is found again in the same way.
fn a_key_in_a_parameter_is_found_again(app: &mut App) {
    let (one, other) = (secret(app, "one", &[1; 32]), secret(app, "other", &[2; 32]));
    let handle = other.0.to_ne_bytes().to_vec();
    let mechanism = Mechanism::given(ck::CKM_CONCATENATE_BASE_AND_KEY, Some(handle));
    derive(app, one, &mechanism).unwrap();
    for lost in [Fault::LoseSessions, Fault::Finalise] {
        strike_at_all_calls(app, lost, |app| derive(app, one, &mechanism));
    }
}

/// Each call of the work in turn meets the loss, and the work succeeds all the same.
fn strike_at_all_calls(app: &mut App, lost: Fault, work: impl Fn(&mut App) -> Result<()>) {
    let library = Arc::clone(&app.token.shown.core().unwrap().device().library);
    for nth in 0.. {
        library.faults.plan(nth, lost);
        let outcome = work(app);
        if library.faults.take_back() {
            assert!(nth >= 2, "only {nth} calls");
            return outcome.unwrap_or_else(|error| panic!("after {lost:?} at {nth} calls: {error}"));
        }
        outcome.unwrap_or_else(|error| panic!("{lost:?} at call {nth}: {error}"));
    }
}

#[test]
fn a_key_in_a_parameter_is_found_again_by_softokn() {
    in_own_process(SOFTOKN, |place| {
        let init = format!("configdir='sql:{}' flags=", place.join("tokens").display());
        let options = HsmOptions {
            init: Some(init),
            token: TokenChoice::from_uri("pkcs11:token=NSS%20Certificate%20DB").unwrap(),
            ..HsmOptions::new(SOFTOKN)
        };
        let mut app = App::new(options, &Arc::new(Libraries::default()));
        app.login(Role::So, b"").unwrap();
        app.run(Work::InitPin(Pin(PIN))).unwrap();
        app.run(Work::Logout).unwrap();
        app.login(Role::User, PIN).unwrap();
        a_key_in_a_parameter_is_found_again(&mut app);
    });
}

#[test]
fn a_key_in_a_parameter_is_found_again_by_kryoptic() {
    in_own_process(&kryoptic(), |_| {
        let options = HsmOptions {
            token: TokenChoice::from_uri("pkcs11:slot-id=42").unwrap(),
            ..HsmOptions::new(kryoptic())
        };
        let mut app = App::new(options, &Arc::new(Libraries::default()));
        app.init("hsm");
        app.login(Role::User, PIN).unwrap();
        a_key_in_a_parameter_is_found_again(&mut app);
    });
}
