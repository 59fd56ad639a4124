// SPDX-License-Identifier: MIT
//! Store files that were cut, overwritten or edited by hand: noticed, never a crash, and nothing else is lost.

use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{as_part, finish, in_own_process, own_module, part};
use keyenclave_conformance::module::{bytes, flag};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::{CURVES, RW, Token, USER_PIN, data_object};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LABELS: [&str; 4] = ["public one", "public two", "private one", "private two"];

/// A token with two public and two private data objects and a key pair, its process gone.
fn filled() -> Place {
    if part().is_none() {
        finish(as_part("fill"), Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"));
    }
    Place::of_this_process()
}

fn fill() {
    let (token, session) = Token::with_user();
    for label in LABELS {
        let attrs = data_object(label, label.starts_with("private"), label.as_bytes());
        token.create_object(session, &attrs).unwrap();
    }
    token.ec(
        session,
        CURVES[0].0,
        &[flag(CKA_TOKEN, true), bytes(CKA_LABEL, "pair")],
    );
    assert_eq!(token.finalize(false), Rv::OK);
}

/// Reads everything as far as the token allows; panics only if something false is given out as true.
fn read_all() -> Vec<String> {
    let token = Token::existing();
    let mut good = Vec::new();
    let Ok(session) = token.open_session(token.slot, RW) else {
        return good;
    };
    if token.login(session, CKU_USER, USER_PIN) != Rv::OK {
        return good;
    }
    for label in LABELS {
        let Ok(found) = token.find(session, &[bytes(CKA_LABEL, label)]) else {
            continue;
        };
        for object in found {
            let Ok(value) = token.read(session, object, CKA_VALUE) else {
                continue;
            };
            assert_eq!(
                String::from_utf8_lossy(&value),
                label,
                "a changed value was given out"
            );
            let private = token.read_flag(session, object, CKA_PRIVATE);
            assert_ne!(
                private,
                Ok(!label.starts_with("private")),
                "a changed flag was given out"
            );
            good.push(label.to_owned());
        }
    }
    good
}

/// The whole case: `damage` is done to a copy of the store as often as it wants, and `read_all` run on each.
fn on_copies(damage: impl FnOnce(&mut dyn FnMut(&str, &dyn Fn(&Path)) -> Vec<String>)) {
    match part().as_deref() {
        Some("fill") => return fill(),
        Some(_) => {
            let good = read_all();
            return println!("\ngood: {}", good.join(","));
        }
        None => {}
    }
    let place = filled();
    let (store, whole) = (place.store(), place.file("whole"));
    std::fs::rename(&store, &whole).unwrap();
    let mut tried = |what: &str, change: &dyn Fn(&Path)| {
        let _ = std::fs::remove_dir_all(&store);
        copy(&whole, &store);
        change(&store);
        let read = finish(as_part("read"), Duration::from_secs(60));
        let output = read.unwrap_or_else(|output| panic!("{what}: {output}"));
        let good = output
            .lines()
            .find_map(|line| line.strip_prefix("good: "))
            .unwrap_or_default();
        good.split(',')
            .filter(|label| !label.is_empty())
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(tried("untouched", &|_| {}), LABELS);
    damage(&mut tried);
    assert_eq!(tried("restored", &|_| {}), LABELS, "the backup still opens");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The SQLite file in the store.
fn database(store: &Path) -> PathBuf {
    let is_database =
        |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"));
    let files = std::fs::read_dir(store)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .into_iter()
        .find(is_database)
        .expect("a SQLite file in the store")
}

fn edit(store: &Path, sql: &str) {
    let connection = Connection::open(database(store)).unwrap();
    connection
        .execute_batch(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[test]
fn a_cut_store_is_refused_and_not_touched() {
    in_own_process(|| {
        own_module(|| {
            on_copies(|tried| {
                for eighths in 0..8 {
                    let good = tried(&format!("cut to {eighths} eighths"), &|store| {
                        let file = database(store);
                        let length = std::fs::metadata(&file).unwrap().len() * eighths / 8;
                        std::fs::OpenOptions::new()
                            .write(true)
                            .open(file)
                            .unwrap()
                            .set_len(length)
                            .unwrap();
                    });
                    assert!(
                        good.len() < LABELS.len(),
                        "a file without its end reads like a whole one"
                    );
                }
            });
        });
    });
}

#[test]
fn overwritten_bytes_never_crash_and_never_lie() {
    in_own_process(|| {
        own_module(|| {
            on_copies(|tried| {
                for step in 0..40u64 {
                    tried(&format!("overwritten, {step}"), &|store| {
                        let file = database(store);
                        let mut content = std::fs::read(&file).unwrap();
                        let length = content.len();
                        let start = usize::try_from(step * 104_729).unwrap() % length;
                        content[start..(start + 64).min(length)]
                            .iter_mut()
                            .for_each(|byte| *byte ^= 0x55);
                        std::fs::write(file, content).unwrap();
                    });
                }
            });
        });
    });
}

#[test]
fn a_store_of_another_kind_of_file_is_refused() {
    in_own_process(|| {
        own_module(|| {
            on_copies(|tried| {
                let good = tried("text", &|store| {
                    std::fs::write(database(store), "hello\n").unwrap()
                });
                assert!(good.is_empty());
                let good = tried("another database", &|store| {
                    let file = database(store);
                    std::fs::remove_file(&file).unwrap();
                    Connection::open(file)
                        .unwrap()
                        .execute_batch("CREATE TABLE t (a)")
                        .unwrap();
                });
                assert!(good.is_empty());
            });
        });
    });
}

/// Every column that an attacker could move between two rows of the same kind.
const COLUMNS: [&str; 7] = ["body", "mac", "label", "class", "key_id", "id", "private"];

/// Swaps `columns` of the first two rows with `private` as given.
fn swap(private: bool, columns: &[&str]) -> String {
    let rows = format!(
        "(SELECT number FROM objects WHERE private = {} ORDER BY number LIMIT 2)",
        u8::from(private)
    );
    let mut sql = format!("CREATE TEMP TABLE swapped AS SELECT * FROM objects WHERE number IN {rows};");
    // The identifier is unique: move the rows out of the way first.
    sql.push_str("UPDATE objects SET id = randomblob(16) WHERE number IN (SELECT number FROM swapped);");
    for column in COLUMNS {
        let other = if columns.contains(&column) { "<>" } else { "=" };
        sql.push_str(&format!(
            "UPDATE objects SET {column} = (SELECT s.{column} FROM swapped s WHERE s.number {other} objects.number)
             WHERE number IN (SELECT number FROM swapped);"
        ));
    }
    sql
}

/// Whether the first two rows with `private` as given differ in `column`: swapping what is the same changes nothing.
fn differs(store: &Path, private: bool, column: &str) -> bool {
    let connection = Connection::open(database(store)).unwrap();
    let rows = format!(
        "SELECT {column} AS c FROM objects WHERE private = {} ORDER BY number LIMIT 2",
        u8::from(private)
    );
    let count = format!("SELECT count(DISTINCT c) FROM ({rows})");
    let values: u32 = connection.query_row(&count, [], |row| row.get(0)).unwrap();
    values == 2
}

#[test]
fn swapped_bodies_columns_and_macs_are_noticed() {
    in_own_process(|| {
        own_module(|| {
            let whole = Place::of_this_process().file("whole");
            on_copies(|tried| {
                for private in [false, true] {
                    for column in COLUMNS {
                        if !differs(&whole, private, column) {
                            continue;
                        }
                        let good = tried(&format!("{column} swapped"), &|store| {
                            edit(store, &swap(private, &[column]))
                        });
                        assert!(
                            good.len() < LABELS.len(),
                            "swapped {column}, private {private}: not noticed"
                        );
                    }
                    for pair in [
                        ["body", "mac"],
                        ["body", "label"],
                        ["label", "mac"],
                        ["id", "mac"],
                        ["id", "body"],
                    ] {
                        let good = tried(&format!("{pair:?} swapped"), &|store| {
                            edit(store, &swap(private, &pair))
                        });
                        assert!(
                            good.len() < LABELS.len(),
                            "swapped {pair:?}, private {private}: not noticed"
                        );
                    }
                }
            });
        });
    });
}

#[test]
fn a_private_object_cannot_be_made_public_in_the_file() {
    in_own_process(|| {
        own_module(|| {
            on_copies(|tried| {
                let good = tried("private cleared", &|store| {
                    edit(store, "UPDATE objects SET private = 0")
                });
                assert!(!good.iter().any(|label| label.starts_with("private")), "{good:?}");
                let good = tried("private set", &|store| {
                    edit(store, "UPDATE objects SET private = 1")
                });
                assert!(!good.iter().any(|label| label.starts_with("public")), "{good:?}");
            });
        });
    });
}

#[test]
fn edited_values_are_noticed() {
    in_own_process(|| {
        own_module(|| {
            on_copies(|tried| {
                for column in ["body", "mac", "label", "class"] {
                    let sql = format!("UPDATE objects SET {column} = zeroblob(length({column}) + 1)");
                    let good = tried(&format!("{column} zeroed"), &|store| edit(store, &sql));
                    assert!(good.is_empty(), "zeroed {column}: {good:?}");
                }
                let good = tried("sealers gone", &|store| edit(store, "DELETE FROM sealers"));
                assert!(good.is_empty());
                let good = tried("no token row", &|store| edit(store, "DELETE FROM token"));
                assert!(good.is_empty());
                let good = tried("wrapped zeroed", &|store| {
                    edit(store, "UPDATE sealers SET wrapped = zeroblob(60)")
                });
                assert!(good.is_empty());
            });
        });
    });
}
