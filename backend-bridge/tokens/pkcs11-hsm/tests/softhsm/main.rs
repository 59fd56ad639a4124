// SPDX-License-Identifier: MIT
//! SoftHSM2 behind a slot: what an application finds there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{End, ObjectId, OperationClass, Out, Part, Pin, Role, Token, Work, Wrapping};
use keyenclave_pkcs11_hsm::{HsmOptions, Libraries, PinSource, Pkcs11Token, TokenChoice};
use zeroize::Zeroizing;

#[path = "../fixture/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fixture;
mod objects;
mod operations;
mod sharing;
mod tokens;

use fixture::{App, PIN, SO_PIN, SOFTHSM, in_own_process, object, path, prepared, settled};

fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().map(|error| error.rv())
}

fn logged_in() -> (Arc<Libraries>, App) {
    let libraries = prepared();
    let app = App::softhsm("hsm", &libraries);
    app.login(Role::User, PIN).unwrap();
    (libraries, app)
}
