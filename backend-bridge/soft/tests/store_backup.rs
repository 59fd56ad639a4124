// SPDX-License-Identifier: MIT
//! A copy that SQLite makes of a store in use is a store: whole, of one instant, opened by the same PIN.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::token::{OperationClass as Class, Role};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;
use token_fixture::*;

/// What `sqlite3 STORE "VACUUM INTO 'COPY'"` does.
fn back_up(store: &Path, copy: &Path) {
    let connection = rusqlite::Connection::open(store).unwrap();
    connection
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    fs::set_permissions(copy, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_backup_of_a_store_that_is_written_to_has_all_that_was_committed_before() {
    let fixture = Fixture::for_user();
    let (public, private) = kept(ec_pair(keyenclave_model::algorithm::Curve::P256), "signer");
    fixture
        .generate_pair(user(), ck::CKM_EC_KEY_PAIR_GEN, &public, &private)
        .unwrap();
    let store = fixture.directory.path().join("token.db");
    let (made, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let restored = Arc::new(TempDir::new().unwrap());
    let before = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let number = made.load(Ordering::SeqCst);
                fixture
                    .create(user(), &data(&format!("object {number}"), true, true))
                    .unwrap();
                made.store(number + 1, Ordering::SeqCst);
            }
        });
        while made.load(Ordering::SeqCst) < 20 {
            std::thread::yield_now();
        }
        let before = made.load(Ordering::SeqCst);
        back_up(&store, &restored.path().join("token.db"));
        stop.store(true, Ordering::SeqCst);
        before
    });
    let copy = Fixture::in_directory(restored);
    copy.login(Role::User, USER_PIN).unwrap();
    for number in 0..before {
        assert_eq!(copy.find(user(), &by_label(&format!("object {number}"))).len(), 1);
    }
    let found = copy.find(
        user(),
        &template([
            (ck::CKA_LABEL, bytes("signer")),
            (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
        ]),
    );
    copy.run(
        user(),
        Class::Sign,
        &plain(ck::CKM_ECDSA_SHA256),
        found[0],
        b"message",
    )
    .unwrap();
    copy.create(user(), &data("after", true, false)).unwrap();
}
