// SPDX-License-Identifier: MIT
//! Files that are not, or no longer, sound stores: clear errors, and the file stays as it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod store_support;
use keyenclave_soft::store::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use store_support::*;

/// A closed store with some objects in it.
fn filled() -> Place {
    let (place, store) = Place::ready();
    for n in 0..200 {
        create(&store, &format!("object {n}"));
    }
    drop(store);
    place
}

/// Every call on the file fails with an error that passes `is_it`, names the file, and leaves it alone.
fn refuses(place: &Place, is_it: fn(&StoreError) -> bool) {
    let before = fs::read(place.path()).ok();
    let store = place.store();
    let errors = [
        store.header().unwrap_err(),
        store.changes_since(None).unwrap_err(),
        store.initialise(&bare_token(), None).unwrap_err(),
        store.count_attempt(Role::User).unwrap_err(),
    ];
    drop(store);
    for error in errors {
        let text = error.to_string();
        assert!(is_it(&error), "{text}");
        assert!(text.contains(&place.dir.path().display().to_string()), "{text}");
    }
    assert!(fs::read(place.path()).ok() == before, "the file was changed");
}

fn damaged(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. })
}

fn no_permission(error: &StoreError) -> bool {
    matches!(error, StoreError::Permission { .. })
}

fn write(place: &Place, content: &[u8]) {
    fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    fs::write(place.path(), content).unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn an_empty_file_is_refused() {
    let place = Place::new();
    write(&place, b"");
    refuses(&place, damaged);
}

#[test]
fn garbage_is_refused() {
    let place = Place::new();
    for content in [b"x".to_vec(), b"garbage ".repeat(1000), vec![0; 8192]] {
        write(&place, &content);
        refuses(&place, damaged);
    }
}

#[test]
fn a_foreign_database_is_refused() {
    let place = Place::new();
    write(&place, b"");
    place.edit("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    refuses(&place, damaged);
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let place = filled();
    let whole = fs::read(place.path()).unwrap();
    for len in [
        1,
        16,
        99,
        100,
        4095,
        4096,
        5000,
        whole.len() / 2,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        write(&place, &whole[..len]);
        refuses(&place, damaged);
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let place = filled();
    place.edit("PRAGMA user_version = 2");
    refuses(&place, |error| {
        matches!(error, StoreError::Newer { found: 2, .. })
    });
    place.edit("PRAGMA user_version = 0");
    refuses(&place, damaged);
}

#[test]
fn an_edited_schema_is_refused() {
    for sql in [
        "DROP INDEX objects_by_revision",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER INSERT ON objects BEGIN DELETE FROM sealers; END",
        "DROP TABLE sealers",
        "ALTER TABLE token RENAME COLUMN serial TO number",
        "DELETE FROM token",
    ] {
        let place = filled();
        place.edit(sql);
        refuses(&place, damaged);
    }
}

#[test]
fn pages_full_of_nonsense_are_an_error_and_not_a_crash() {
    let place = filled();
    let whole = fs::read(place.path()).unwrap();
    let mut seen = 0;
    for page in 1..whole.len() / 4096 {
        let mut edited = whole.clone();
        edited[page * 4096..(page + 1) * 4096].fill(0xa5);
        write(&place, &edited);
        let store = place.store();
        let listed = store.changes_since(None).map(|changes| changes.changed);
        let error = match listed {
            Err(error) => Some(error),
            Ok(all) => all.iter().find_map(|summary| store.read(summary.id).err()),
        };
        seen += usize::from(
            error
                .inspect(|error| assert!(damaged(error), "{error}"))
                .is_some(),
        );
        drop(store);
        assert!(
            fs::read(place.path()).unwrap() == edited,
            "page {page}: the file was changed"
        );
    }
    assert!(seen > 3, "only {seen} damaged pages were noticed");
}

#[test]
fn a_directory_in_the_place_of_the_file_is_refused() {
    let place = Place::new();
    fs::create_dir_all(place.path()).unwrap();
    refuses(&place, damaged);
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let place = filled();
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
        refuses(&place, no_permission);
    }
    fs::set_permissions(place.path(), Permissions::from_mode(0o640)).unwrap();
    assert!(place.store().header().unwrap().is_some());
}

#[test]
fn a_directory_that_others_may_write_is_refused() {
    let place = filled();
    let dir = place.path().parent().unwrap().to_owned();
    fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
    refuses(&place, no_permission);
    fs::set_permissions(&dir, Permissions::from_mode(0o1777)).unwrap();
    assert!(place.store().header().unwrap().is_some());
}

#[test]
fn a_link_into_a_directory_that_others_may_write_is_refused() {
    let place = filled();
    let link = place.dir.path().join("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert!(SqliteStore::new(&link).header().unwrap().is_some());
    fs::set_permissions(place.path().parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
    let error = SqliteStore::new(&link).header().unwrap_err();
    assert!(no_permission(&error), "{error}");
}

#[test]
fn no_token_is_made_where_others_may_replace_it() {
    let place = Place::new();
    let dir = place.path().parent().unwrap().to_owned();
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
    let error = place.store().initialise(&bare_token(), None).unwrap_err();
    assert!(no_permission(&error), "{error}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_log_that_somebody_else_may_have_written_is_refused() {
    for suffix in ["-wal", "-journal"] {
        let place = filled();
        let log = place.path().with_file_name(format!("store.db{suffix}"));
        fs::write(&log, b"somebody's log").unwrap();
        fs::set_permissions(&log, Permissions::from_mode(0o666)).unwrap();
        refuses(&place, no_permission);
        fs::remove_file(&log).unwrap();
        std::os::unix::fs::symlink("/dev/null", &log).unwrap();
        refuses(&place, no_permission);
        fs::remove_file(&log).unwrap();
        assert!(place.store().header().unwrap().is_some());
    }
}

#[test]
fn the_log_of_a_file_that_is_gone_does_not_get_into_a_new_one() {
    let (place, store) = Place::ready();
    create(&store, "in the log only");
    // As if the process had been killed, and somebody had then removed the file and not what lies beside it.
    std::mem::forget(store);
    fs::remove_file(place.path()).unwrap();
    let error = place.store().initialise(&bare_token(), None).unwrap_err();
    assert!(damaged(&error) && error.to_string().contains("-wal"), "{error}");
    fs::remove_file(place.path().with_file_name("store.db-wal")).unwrap();
    let (store, token) = (place.store(), bare_token());
    store.initialise(&token, None).unwrap();
    assert_eq!(store.header().unwrap().unwrap(), token.header);
}

#[test]
fn negative_numbers_are_damage() {
    for edit in [
        "UPDATE token SET revision = -1",
        "UPDATE token SET pruned = -1",
        "UPDATE token SET created = -1",
    ] {
        let place = filled();
        place.edit(&format!("PRAGMA ignore_check_constraints = ON; {edit}"));
        refuses(&place, damaged);
    }
}

#[test]
fn a_body_beyond_the_limit_is_not_read() {
    let (place, store) = Place::ready();
    let (id, _) = create(&store, "bloated");
    place.edit("UPDATE objects SET body = zeroblob(4194305)");
    assert!(store.read(id).unwrap().unwrap().body.is_empty());
    place.edit("UPDATE objects SET body = zeroblob(4194304)");
    assert_eq!(store.read(id).unwrap().unwrap().body.len(), BODY_LIMIT);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let place = Place::new();
    fs::write(
        place.dir.path().join("tokens"),
        b"a file where the directory should be",
    )
    .unwrap();
    let store = place.store();
    assert!(store.header().unwrap().is_none());
    let error = store.initialise(&bare_token(), None).unwrap_err();
    assert!(error.to_string().contains("tokens"), "{error}");
}

#[test]
fn a_page_that_cannot_be_used_is_an_error() {
    let place = filled();
    let page = place.path().with_file_name("store.db-page");
    fs::remove_file(&page).unwrap();
    fs::create_dir(&page).unwrap();
    let error = place.store().header().unwrap_err();
    assert!(error.to_string().contains("store.db-page"), "{error}");
}

#[test]
fn a_damaged_page_file_is_put_right() {
    let place = filled();
    let page = place.path().with_file_name("store.db-page");
    for content in [vec![], vec![0xff; 64], vec![0xff; 4096]] {
        fs::write(&page, content).unwrap();
        let store = place.store();
        let before = store.stamp().unwrap();
        assert!(before.is_still(store.stamp().unwrap()));
        create(&store, "new");
        assert!(!before.is_still(store.stamp().unwrap()));
    }
}

/// What a process without the right to write says.
fn say_what_it_may_not_do(store: &SqliteStore) {
    println!("ack {}", store.header().unwrap_err());
    println!("ack {}", store.initialise(&bare_token(), None).unwrap_err());
}

#[test]
fn a_store_that_this_user_may_only_read_is_a_clear_error() {
    if let Some(store) = as_other_process() {
        return say_what_it_may_not_do(&store);
    }
    let place = filled();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    for dir in [place.dir.path(), place.path().parent().unwrap()] {
        fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(place.path(), Permissions::from_mode(0o444)).unwrap();
    // A copy, since the user that nobody is may not see where this program lies.
    let program = place.dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let test = "a_store_that_this_user_may_only_read_is_a_clear_error";
    let mut command = again(&program, test, &place.path());
    command.current_dir("/");
    if is_root {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let errors: Vec<_> = said
        .lines()
        .filter_map(|line| line.split_once("ack "))
        .map(|(_, error)| error)
        .collect();
    assert_eq!(errors.len(), 2, "{said}");
    for error in errors {
        assert!(
            error.starts_with("no access to") && error.contains("store.db"),
            "{error}"
        );
    }
}
