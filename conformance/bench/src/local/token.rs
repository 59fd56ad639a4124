// SPDX-License-Identifier: MIT
//! A column's module with its token: made, entered, and filled with keys, all through PKCS#11.

use std::ffi::CString;
use std::path::Path;
use std::time::{Duration, Instant};

use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, bytes, flag, number};
use keyenclave_conformance::token::{RW, SO_PIN, THREADS, USER_PIN};
use keyenclave_conformance::{Module, Rv};

use super::column::Column;
use crate::process;

/// A module with a token that the user is logged in to.
pub struct Token {
    /// The module.
    pub module: Module,
    /// The slot.
    pub slot: CK_SLOT_ID,
    /// A session to make keys in.
    pub session: CK_SESSION_HANDLE,
}

fn initialized(column: &Column) -> Module {
    let module = Module::load(Path::new(column.module.as_ref().expect("a module")));
    let rv = match &column.parameters {
        Some(text) => module.initialize_with(&CString::new(text.as_str()).expect("parameters")),
        None => module.initialize(THREADS),
    };
    assert_eq!(rv, Rv::OK, "C_Initialize");
    module
}

fn slots(module: &Module) -> Vec<CK_SLOT_ID> {
    let (rv, count, _) = module.slot_list(true, None);
    assert_eq!(rv, Rv::OK);
    let (rv, _, slots) = module.slot_list(true, usize::try_from(count).ok());
    assert_eq!(rv, Rv::OK);
    slots
}

fn slot_of(module: &Module, column: &Column) -> CK_SLOT_ID {
    let is_it = |slot: &CK_SLOT_ID| {
        let info = module.token_info(*slot).expect("token information");
        String::from_utf8_lossy(&info.label).trim_end() == column.token
    };
    slots(module)
        .into_iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("{} has no token {}", column.name, column.token))
}

/// Makes the token of a column and sets the user's PIN.
pub fn prepare(column: &Column) {
    let module = initialized(column);
    if column.init_token {
        let first = slots(&module)[0];
        assert_eq!(module.init_token(first, SO_PIN, &column.token), Rv::OK);
    }
    let session = module
        .open_session(slot_of(&module, column), RW)
        .expect("a session");
    let so_pin = column.so_pin.as_ref().map_or(&SO_PIN[..], |pin| pin.as_bytes());
    assert_eq!(module.login(session, CKU_SO, so_pin), Rv::OK);
    assert_eq!(module.init_pin(session, USER_PIN), Rv::OK);
    assert_eq!(module.logout(session), Rv::OK);
    assert_eq!(module.finalize(false), Rv::OK);
}

impl Token {
    /// Loads the module and logs the user in, and tells the processor time of that: PINs are slow on purpose.
    pub fn enter(column: &Column) -> (Self, Duration) {
        let module = initialized(column);
        let slot = slot_of(&module, column);
        let session = module.open_session(slot, RW).expect("a session");
        let before = process::cpu();
        assert_eq!(module.login(session, CKU_USER, USER_PIN), Rv::OK);
        let login = process::cpu() - before;
        let token = Self {
            module,
            slot,
            session,
        };
        (token, login)
    }

    /// Another session.
    pub fn another_session(&self) -> Result<CK_SESSION_HANDLE, String> {
        self.module
            .open_session(self.slot, RW)
            .map_err(|rv| format!("{rv:?}"))
    }

    /// The objects of a class with a label.
    pub fn labelled(&self, class: CK_OBJECT_CLASS, label: &str) -> Option<CK_OBJECT_HANDLE> {
        let wanted = [number(CKA_CLASS, class), bytes(CKA_LABEL, label)];
        let found = self.module.find(self.session, &wanted).expect("a search");
        found.first().copied()
    }

    /// The token's key pair with this label, made if it is not there: public, private.
    pub fn pair(
        &self,
        label: &str,
        mechanism: CK_MECHANISM_TYPE,
        parameters: &[Attr],
    ) -> Result<(CK_OBJECT_HANDLE, CK_OBJECT_HANDLE), String> {
        let there = [CKO_PUBLIC_KEY, CKO_PRIVATE_KEY].map(|class| self.labelled(class, label));
        if let [Some(public), Some(private)] = there {
            return Ok((public, private));
        }
        let both = stored(label);
        let public = [&both, parameters, &[flag(CKA_VERIFY, true)]].concat();
        let secret = [CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN].map(|attribute| flag(attribute, true));
        let private = [&both, &secret[..]].concat();
        self.module
            .generate_key_pair(self.session, mechanism, &public, &private)
            .map_err(|rv| format!("{rv:?}"))
    }

    /// The token's secret key with this label, made if it is not there.
    pub fn secret(&self, label: &str, kind: CK_KEY_TYPE, uses: &[CK_ATTRIBUTE_TYPE]) -> Result<u64, String> {
        if let Some(key) = self.labelled(CKO_SECRET_KEY, label) {
            return Ok(key);
        }
        let uses: Vec<Attr> = uses.iter().map(|attribute| flag(*attribute, true)).collect();
        let template = [&secret_key(label, kind, 32), &uses[..]].concat();
        self.module
            .create_object(self.session, &template)
            .map_err(|rv| format!("{rv:?}"))
    }

    /// Makes the objects with numbers `from` to `to`, and stops early when the time is over: how many there are then.
    pub fn populate(&self, from: usize, to: usize, most: Duration) -> usize {
        let started = Instant::now();
        (from..to)
            .find(|index| {
                let template = secret_key(&object_label(*index), CKK_AES, 16);
                let made = self.module.create_object(self.session, &template);
                made.unwrap_or_else(|rv| panic!("object {index}: {rv:?}"));
                started.elapsed() > most
            })
            .map_or(to, |index| index + 1)
    }
}

/// The label of the object with this number.
pub fn object_label(index: usize) -> String {
    format!("object-{index:08}")
}

fn stored(label: &str) -> Vec<Attr> {
    vec![
        flag(CKA_TOKEN, true),
        bytes(CKA_LABEL, label),
        bytes(CKA_ID, label),
    ]
}

/// The template of a secret key on the token, so many bytes long.
pub fn secret_key(label: &str, kind: CK_KEY_TYPE, size: usize) -> Vec<Attr> {
    let key = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        flag(CKA_PRIVATE, true),
        flag(CKA_SENSITIVE, true),
        bytes(CKA_VALUE, vec![7; size]),
    ];
    [&stored(label), &key[..]].concat()
}
