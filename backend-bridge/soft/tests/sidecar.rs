// SPDX-License-Identifier: MIT
//! The store beside a remote slot: made by its first object, shared by processes, closed to secrets and forgers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, HandleSource, ObjectId, Out, Role, SessionId, Step, Token, Work};
use keyenclave_soft::{Sidecar, sidecar};

fn cx(login: Option<Role>) -> CallCx {
    CallCx {
        session: SessionId(1),
        access: Access {
            writable: true,
            login,
        },
        deadline: None,
        may_pend: false,
    }
}

const USER: Option<Role> = Some(Role::User);

fn beside(directory: &Path) -> Sidecar {
    sidecar(directory, Arc::new(HandleSource::starting_at(1)))
}

fn data(label: &str, private: bool) -> Template {
    [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
        (ck::CKA_TOKEN, Value::Bool(true)),
        (ck::CKA_PRIVATE, Value::Bool(private)),
        (ck::CKA_LABEL, Value::bytes(label)),
        (ck::CKA_VALUE, Value::bytes("value")),
    ]
    .into_iter()
    .collect()
}

fn run(sidecar: &Sidecar, cx: &CallCx, work: Work<'_>) -> Result<Out> {
    match sidecar.submit(cx, work) {
        Step::Ready(result) => result,
        Step::Pending(_) => panic!(),
    }
}

fn create(sidecar: &Sidecar, template: &Template) -> Result<ObjectId> {
    match run(sidecar, &cx(USER), Work::Create(template))? {
        Out::Object(handle) => Ok(handle),
        _ => panic!(),
    }
}

fn find(sidecar: &Sidecar, login: Option<Role>, template: &Template) -> Result<Vec<ObjectId>> {
    match run(sidecar, &cx(login), Work::Find(template))? {
        Out::Objects(found) => Ok(found),
        _ => panic!(),
    }
}

fn all(sidecar: &Sidecar) -> Result<Vec<ObjectId>> {
    find(sidecar, USER, &Template::default())
}

fn view(sidecar: &Sidecar, handle: ObjectId) -> Result<Arc<Object>> {
    match run(sidecar, &cx(USER), Work::View(handle))? {
        Out::View(object) => Ok(object),
        _ => panic!(),
    }
}

fn rv<T>(result: Result<T>) -> Rv {
    result.err().unwrap().rv()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn nothing_is_on_disk_before_the_first_object_and_then_only_for_its_owner() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("a/b");
    let one = beside(&directory);
    assert!(all(&one).unwrap().is_empty());
    assert!(one.notes().unwrap().is_empty());
    assert_eq!(one.attempts(b"pin").unwrap(), None);
    one.forget("key").unwrap();
    assert!(!home.path().join("a").exists());
    create(&one, &data("first", false)).unwrap();
    assert_eq!(mode(&directory), 0o700);
    for file in ["sidecar.db", "sidecar.key"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    let other = beside(&directory);
    let found = all(&other).unwrap();
    assert_eq!(
        view(&other, found[0]).unwrap().bytes(ck::CKA_LABEL),
        Some(&b"first"[..])
    );
}

#[test]
fn a_refused_object_leaves_no_store_behind() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("sidecar");
    let one = beside(&directory);
    for class in [ck::CKO_PRIVATE_KEY, ck::CKO_SECRET_KEY] {
        let key: Template = [
            (ck::CKA_CLASS, Value::Ulong(class)),
            (ck::CKA_TOKEN, Value::Bool(true)),
            (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_AES)),
            (ck::CKA_VALUE, Value::bytes([0; 16])),
        ]
        .into_iter()
        .collect();
        let error = create(&one, &key).unwrap_err();
        assert_eq!(error.rv(), Rv::TemplateInconsistent);
        assert!(error.detail().unwrap().contains("CKA_TOKEN"), "{error}");
    }
    let incomplete: Template = [(ck::CKA_TOKEN, Value::Bool(true))].into_iter().collect();
    assert_eq!(rv(create(&one, &incomplete)), Rv::TemplateIncomplete);
    let private = data("private", true);
    assert_eq!(
        rv(run(&one, &cx(None), Work::Create(&private))),
        Rv::UserNotLoggedIn
    );
    assert!(!directory.exists());
}

#[test]
fn private_objects_are_sealed_and_seen_after_a_login_only() {
    let home = tempfile::tempdir().unwrap();
    let one = beside(home.path());
    create(&one, &data("seen by all", false)).unwrap();
    let secret = create(&one, &data("seen by the user", true)).unwrap();
    let count = |login| find(&one, login, &Template::default()).unwrap().len();
    assert_eq!((count(None), count(USER)), (1, 2));
    assert_eq!(
        rv(run(&one, &cx(None), Work::View(secret))),
        Rv::ObjectHandleInvalid
    );
    let stored = [".db", ".db-wal"].map(|end| fs::read(home.path().join(format!("sidecar{end}"))).unwrap());
    let holds = |word: &[u8]| {
        stored
            .iter()
            .any(|file| file.windows(word.len()).any(|at| at == word))
    };
    assert!(holds(b"seen by all") && !holds(b"seen by the user"));
}

#[test]
fn many_that_make_the_first_object_at_once_make_one_store() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("sidecar");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let directory = &directory;
            // Each has what a process of its own would have; `store_processes` shows that the store takes real ones.
            scope.spawn(move || {
                create(
                    &beside(directory),
                    &data(&format!("object {number}"), number % 2 == 0),
                )
                .unwrap();
            });
        }
    });
    assert_eq!(all(&beside(&directory)).unwrap().len(), 8);
    let left: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("-new-"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_key_file_that_was_made_before_a_crash_serves_the_store_made_after_it() {
    let home = tempfile::tempdir().unwrap();
    create(&beside(home.path()), &data("first", false)).unwrap();
    for file in [
        "sidecar.db",
        "sidecar.db-wal",
        "sidecar.db-shm",
        "sidecar.db-page",
    ] {
        drop(fs::remove_file(home.path().join(file)));
    }
    let key = fs::read(home.path().join("sidecar.key")).unwrap();
    let again = beside(home.path());
    assert!(all(&again).unwrap().is_empty());
    create(&again, &data("second", false)).unwrap();
    assert_eq!(fs::read(home.path().join("sidecar.key")).unwrap(), key);
}

#[test]
fn a_key_file_that_is_gone_exchanged_cut_or_open_to_others_fails_closed() {
    let home = tempfile::tempdir().unwrap();
    create(&beside(home.path()), &data("first", false)).unwrap();
    let path = home.path().join("sidecar.key");
    let key = fs::read(&path).unwrap();
    let refused = |what: &str| {
        let other = beside(home.path());
        for error in [
            all(&other).unwrap_err(),
            other.notes().unwrap_err(),
            create(&other, &data("second", false)).unwrap_err(),
        ] {
            assert_eq!(error.rv(), Rv::DeviceError, "{what}: {error}");
            assert!(error.detail().unwrap().contains("key"), "{what}: {error}");
        }
    };
    fs::remove_file(&path).unwrap();
    refused("gone");
    let put = |bytes: &[u8], mode| {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    put(&[7; 32], 0o600);
    refused("exchanged");
    put(&key[..31], 0o600);
    refused("cut");
    put(&key, 0o640);
    refused("open to others");
    put(&key, 0o600);
    assert_eq!(all(&beside(home.path())).unwrap().len(), 1);
}

#[test]
fn a_fifo_in_the_place_of_the_key_file_is_refused_without_waiting_for_a_writer() {
    let home = tempfile::tempdir().unwrap();
    create(&beside(home.path()), &data("first", false)).unwrap();
    let path = home.path().join("sidecar.key");
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let (tell, told) = std::sync::mpsc::channel();
    let other = beside(home.path());
    std::thread::spawn(move || tell.send(all(&other).map(|found| found.len())));
    let found = told.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(rv(found), Rv::DeviceError);
}

#[test]
fn a_directory_that_cannot_be_is_told_to_who_writes_and_is_empty_to_who_looks() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, b"").unwrap();
    for directory in [file.join("sidecar"), "/proc/keyenclave/sidecar".into()] {
        let one = beside(&directory);
        assert!(all(&one).unwrap().is_empty());
        let error = create(&one, &data("first", false)).unwrap_err();
        assert!(
            matches!(error.rv(), Rv::DeviceError | Rv::TokenWriteProtected),
            "{error}"
        );
        assert!(
            error.detail().unwrap().contains(&directory.display().to_string()),
            "{error}"
        );
    }
}

#[test]
fn a_store_that_may_not_be_read_is_empty_to_who_looks_and_told_to_who_writes() {
    let home = tempfile::tempdir().unwrap();
    create(&beside(home.path()), &data("first", false)).unwrap();
    let path = home.path().join("sidecar.db");
    // What anybody may write to is not read: as good as no right to it, and the same for every user that runs this.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let other = beside(home.path());
    assert!(all(&other).unwrap().is_empty());
    assert_eq!(
        rv(create(&other, &data("second", false))),
        Rv::TokenWriteProtected
    );
}

#[test]
fn an_object_that_was_edited_in_the_file_is_left_out() {
    let home = tempfile::tempdir().unwrap();
    create(&beside(home.path()), &data("first", false)).unwrap();
    create(&beside(home.path()), &data("second", false)).unwrap();
    let edit = rusqlite::Connection::open(home.path().join("sidecar.db")).unwrap();
    let changed = edit
        .execute(
            "UPDATE objects SET label = ?1 WHERE label = ?2",
            (&b"other"[..], &b"first"[..]),
        )
        .unwrap();
    assert_eq!(changed, 1);
    edit.close().unwrap();
    assert_eq!(all(&beside(home.path())).unwrap().len(), 1);
}

#[test]
fn an_object_that_was_written_without_the_key_is_left_out() {
    use keyenclave_soft::store::{Change, Record, RecordId, SqliteStore, Store};
    use keyenclave_soft::vault::{PlainRecord, PublicVault};
    let home = tempfile::tempdir().unwrap();
    create(&beside(home.path()), &data("first", false)).unwrap();
    let store = SqliteStore::new(&home.path().join("sidecar.db"));
    let identity = store.header().unwrap().unwrap().identity;
    let changes = store.changes_since(None).unwrap();
    let genuine = store.read(changes.changed[0].id).unwrap().unwrap();
    let plain = PlainRecord {
        id: RecordId([7; 16]),
        private: false,
        columns: genuine.columns,
        body: genuine.body.into(),
    };
    // A hash that anybody can make: a soft token shows such an object as one that was written without a login.
    let forged: Record = PublicVault::new(identity).seal(&plain).unwrap();
    store.commit(&[Change::Create(forged)], changes.revision).unwrap();
    assert_eq!(all(&beside(home.path())).unwrap().len(), 1);
}

fn change(
    pairs: &[(ck::CK_ATTRIBUTE_TYPE, Option<&[u8]>)],
) -> BTreeMap<ck::CK_ATTRIBUTE_TYPE, Option<Vec<u8>>> {
    pairs
        .iter()
        .map(|(id, value)| (*id, value.map(<[u8]>::to_vec)))
        .collect()
}

#[test]
fn notes_outlive_the_process_and_are_nobodys_objects() {
    let home = tempfile::tempdir().unwrap();
    let one = beside(home.path());
    let subject = vec![7; 300];
    one.note(
        "arn:a",
        &change(&[(ck::CKA_SUBJECT, Some(&subject)), (ck::CKA_ID, Some(b"id"))]),
    )
    .unwrap();
    one.note("arn:b", &change(&[(ck::CKA_ID, Some(b"other"))]))
        .unwrap();
    create(&one, &data("arn:a", false)).unwrap();
    let other = beside(home.path());
    let notes = other.notes().unwrap();
    assert_eq!(notes["arn:a"][&ck::CKA_SUBJECT], subject);
    assert_eq!(notes.len(), 2);
    assert!(Arc::ptr_eq(&notes, &other.notes().unwrap()));
    assert_eq!(all(&other).unwrap().len(), 1);
    let same = change(&[(ck::CKA_ID, Some(b"id"))]);
    one.note("arn:a", &same).unwrap();
    assert!(Arc::ptr_eq(&notes, &other.notes().unwrap()));
    one.note("arn:a", &change(&[(ck::CKA_SUBJECT, None)])).unwrap();
    assert_eq!(
        *other.notes().unwrap()["arn:a"],
        BTreeMap::from([(ck::CKA_ID, b"id".to_vec())])
    );
    other.forget("arn:a").unwrap();
    other.note("arn:b", &change(&[(ck::CKA_ID, None)])).unwrap();
    assert!(one.notes().unwrap().is_empty());
}

#[test]
fn what_two_processes_note_of_one_key_at_once_is_all_kept() {
    let home = tempfile::tempdir().unwrap();
    let ids = [ck::CKA_ID, ck::CKA_SUBJECT];
    let first = change(&[(ck::CKA_LABEL, Some(b"label"))]);
    beside(home.path()).note("arn:a", &first).unwrap();
    std::thread::scope(|scope| {
        for id in ids {
            let one = beside(home.path());
            scope.spawn(move || {
                for number in 0..60_u8 {
                    one.note("arn:a", &change(&[(id, Some(&[number]))])).unwrap();
                    let notes = one.notes().unwrap();
                    assert_eq!(notes["arn:a"].get(&id), Some(&vec![number]));
                }
            });
        }
    });
    let notes = beside(home.path()).notes().unwrap();
    assert_eq!(notes["arn:a"].len(), 3);
}

#[test]
fn nobody_can_make_or_reach_a_note_as_an_object() {
    let home = tempfile::tempdir().unwrap();
    let one = beside(home.path());
    let mine = create(&one, &data("mine", false)).unwrap();
    one.note("arn:a", &change(&[(ck::CKA_ID, Some(b"id"))])).unwrap();
    let application = Value::bytes("KeyEnclave: attributes of a key of the service");
    let as_note = |template: &Template| -> Template {
        let mut all: Vec<_> = template.iter().map(|(id, value)| (id, value.clone())).collect();
        all.push((ck::CKA_APPLICATION, application.clone()));
        all.into_iter().collect()
    };
    assert_eq!(
        rv(create(&one, &as_note(&data("arn:a", false)))),
        Rv::AttributeValueInvalid
    );
    let template = as_note(&Template::default());
    for work in [
        Work::Copy {
            object: mine,
            template: &template,
        },
        Work::Set {
            object: mine,
            template: &template,
        },
    ] {
        assert_eq!(rv(run(&one, &cx(USER), work)), Rv::AttributeValueInvalid);
    }
    assert!(find(&one, USER, &template).unwrap().is_empty());
    for handle in 0..20 {
        let handle = ObjectId(handle);
        assert!(handle == mine || view(&one, handle).is_err(), "{handle:?}");
    }
}

#[test]
fn objects_are_copied_into_the_store_and_out_of_it() {
    let home = tempfile::tempdir().unwrap();
    let one = beside(home.path());
    let stored = create(&one, &data("stored", false)).unwrap();
    let in_session: Template = [(ck::CKA_TOKEN, Value::Bool(false))].into_iter().collect();
    let Out::Object(copy) = run(
        &one,
        &cx(USER),
        Work::Copy {
            object: stored,
            template: &in_session,
        },
    )
    .unwrap() else {
        panic!()
    };
    assert_eq!(find(&one, USER, &in_session).unwrap(), [copy]);
    let token: Template = [(ck::CKA_TOKEN, Value::Bool(true))].into_iter().collect();
    let object = view(&one, copy).unwrap().copied(&token, USER).unwrap();
    let adopted = one.adopt(&cx(USER), object).unwrap();
    one.close_session(SessionId(1));
    assert_eq!(rv(view(&one, copy)), Rv::ObjectHandleInvalid);
    assert!(view(&one, adopted).unwrap().is_token());
}

#[test]
fn wrong_pins_are_counted_across_processes_and_end_in_a_lock() {
    let home = tempfile::tempdir().unwrap();
    let (one, other) = (beside(home.path()), beside(home.path()));
    assert_eq!(one.count(b"pin", 3).unwrap().failed, 1);
    assert_eq!(other.count(b"pin", 3).unwrap().failed, 2);
    assert!(other.attempts(b"pin").unwrap().unwrap().is_final_try());
    one.clear(b"pin").unwrap();
    assert_eq!(other.attempts(b"pin").unwrap().unwrap().failed, 0);
    for sidecar in [&one, &other, &one] {
        sidecar.count(b"pin", 3).unwrap();
    }
    assert_eq!(rv(other.count(b"pin", 3)), Rv::PinLocked);
    // Another PIN is counted anew.
    assert_eq!(other.attempts(b"new").unwrap(), None);
    assert_eq!(other.count(b"new", 3).unwrap().failed, 1);
}
