// SPDX-License-Identifier: MIT
//! Stores across forks: nothing committed is lost, nothing hangs, and what cannot be used says so.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod forking;
use forking::*;
use keyenclave_soft::store::*;
use keyenclave_sys::fork as forks;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// What takes a second or two, on a machine that is busy with other things; less than waiting for ever.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn nothing_is_lost_when_the_parent_closes_first() {
    let _alone = alone();
    let (place, store) = Place::ready();
    put_many(&store, "parent", 5);
    let (closed, written) = (Signal::new(), Signal::new());
    let child = fork(|| {
        let own = place.store();
        put_many(&own, "early", 5);
        written.send();
        closed.wait();
        put_many(&own, "late", 5);
        std::mem::forget(own); // as at a process's sudden end
        true
    });
    written.wait();
    put_many(&store, "more", 5);
    drop(store);
    closed.send();
    // Another process opens and closes the file while the child has it open: it must not take the log away.
    assert!(place.labels().len() >= 15);
    child.must_succeed();
    assert_eq!(
        place.labels(),
        expected(&[("early", 5), ("late", 5), ("more", 5), ("parent", 5)])
    );
}

#[test]
fn nothing_is_lost_when_the_child_closes_first() {
    let _alone = alone();
    let (place, store) = Place::ready();
    put_many(&store, "parent", 5);
    fork(|| {
        put_many(&place.store(), "child", 5);
        true
    })
    .must_succeed();
    assert!(place.labels().len() >= 10);
    put_many(&store, "after", 5);
    drop(store);
    assert_eq!(
        place.labels(),
        expected(&[("after", 5), ("child", 5), ("parent", 5)])
    );
}

#[test]
fn nothing_is_lost_when_the_parent_exits_first() {
    let _alone = alone();
    let (place, store) = Place::ready();
    drop(store);
    let done = Signal::new();
    let parent = fork(|| {
        let store = place.store();
        put_many(&store, "parent", 5);
        let gone = Signal::new();
        fork(|| {
            gone.wait();
            put_many(&place.store(), "child", 20);
            done.send();
            true
        });
        put_many(&store, "later", 5);
        drop(store);
        gone.send();
        true
    });
    parent.must_succeed();
    for _ in 0..5 {
        assert!(place.labels().len() >= 10);
    }
    done.wait();
    assert_eq!(
        place.labels(),
        expected(&[("child", 20), ("later", 5), ("parent", 5)])
    );
}

#[test]
fn an_inherited_store_opens_anew_in_the_child() {
    let _alone = alone();
    let (place, store) = Place::ready();
    put_many(&store, "parent", 2);
    let before = store.stamp().unwrap();
    fork(|| {
        put_many(&store, "child", 2);
        drop(store);
        true
    })
    .must_succeed();
    assert_eq!(place.labels().len(), 4);
    assert!(!before.is_still(place.store().stamp().unwrap()));
}

#[test]
fn the_parent_sees_what_its_child_wrote() {
    let _alone = alone();
    let (place, store) = Place::ready();
    let base = now(&store);
    let before = store.stamp().unwrap();
    fork(|| {
        put(&place.store(), "child");
        true
    })
    .must_succeed();
    assert!(!before.is_still(store.stamp().unwrap()));
    assert_eq!(store.changes_since(Some(base)).unwrap().changed.len(), 1);
}

#[test]
fn parent_children_and_grandchildren_write_at_once() {
    let _alone = alone();
    let (place, store) = Place::ready();
    put(&store, "root 000");
    let children: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let place = &place;
            fork(move || {
                let own = place.store();
                put_many(&own, name, 10);
                let grandchild = fork(|| {
                    put_many(&place.store(), &format!("{name}x"), 10);
                    true
                });
                put_many(&own, &format!("{name}y"), 10);
                grandchild.must_succeed();
                true
            })
        })
        .collect();
    put_many(&store, "parent", 10);
    drop(store);
    children.into_iter().for_each(Process::must_succeed);
    let mut names = vec![("root", 1), ("parent", 10)];
    names.extend(["a", "ax", "ay", "b", "bx", "by", "c", "cx", "cy"].map(|name| (name, 10)));
    assert_eq!(place.labels(), expected(&names));
}

#[test]
fn forking_while_another_thread_commits_is_safe() {
    let _alone = alone();
    let (place, store) = Place::ready();
    let stop = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (store, stop, written) = (&store, &stop, &written);
            scope.spawn(move || {
                while !stop.load(SeqCst) {
                    put(
                        store,
                        &format!("thread {thread} {}", written.fetch_add(1, SeqCst)),
                    );
                }
            });
        }
        for n in 0..30 {
            while written.load(SeqCst) < n * 4 {
                std::thread::yield_now();
            }
            fork(|| {
                put(&place.store(), &format!("child {n:03}"));
                true
            })
            .must_succeed();
        }
        stop.store(true, SeqCst);
    });
    drop(store);
    let labels = place.labels();
    let children = labels.iter().filter(|label| label.starts_with("child")).count();
    assert_eq!(children, 30);
    assert_eq!(
        labels.len() - children,
        usize::try_from(written.load(SeqCst)).unwrap()
    );
}

#[test]
fn a_store_in_use_for_too_long_is_refused_in_the_child_only() {
    let _alone = alone();
    let (place, store) = Place::ready();
    put(&store, "before");
    let busy = keyenclave_sys::sqlite::SharedConnection::<()>::new();
    let (locked, go_on) = (Signal::new(), Signal::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let guard = busy.lock().unwrap();
            locked.send();
            go_on.wait();
            drop(guard);
        });
        locked.wait();
        let start = Instant::now();
        let child = fork(|| {
            assert!(forks::is_refused());
            let refused = place.store().header().unwrap_err();
            assert!(matches!(refused, StoreError::ForkRefused { .. }));
            assert!(refused.to_string().contains("fork"), "{refused}");
            // A child of its own has the same memory.
            fork(|| matches!(place.store().header(), Err(StoreError::ForkRefused { .. }))).must_succeed();
            true
        });
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_millis(900) && waited < LONG,
            "{waited:?}"
        );
        child.must_succeed();
        put(&store, "after");
        go_on.send();
    });
    assert!(!forks::is_refused());
    fork(|| {
        put(&place.store(), "child");
        true
    })
    .must_succeed();
    assert_eq!(place.labels().len(), 3);
}

#[test]
fn a_copy_made_without_the_handlers_is_noticed() {
    let _alone = alone();
    let (place, store) = Place::ready();
    put(&store, "parent");
    let generation = forks::generation();
    raw_clone(|| {
        put(&store, "clone");
        forks::generation() == generation + 1
    })
    .must_succeed();
    put(&store, "parent again");
    drop(store);
    assert_eq!(place.labels().len(), 3);
}

#[test]
fn every_child_runs_the_hooks_once() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let _alone = alone();
    forks::on_child(|| {
        RUNS.fetch_add(1, SeqCst);
    })
    .unwrap();
    let generation = forks::generation();
    fork(|| {
        assert_eq!((RUNS.load(SeqCst), forks::check()), (1, generation + 1));
        fork(|| RUNS.load(SeqCst) == 2 && forks::check() == generation + 2).must_succeed();
        RUNS.load(SeqCst) == 1
    })
    .must_succeed();
    assert_eq!((RUNS.load(SeqCst), forks::check()), (0, generation));
}

#[test]
fn a_store_with_a_rollback_journal_survives_forks_too() {
    let _alone = alone();
    let (place, store) = Place::ready();
    drop(store);
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    connection
        .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .unwrap();
    drop(connection);
    let store = place.store();
    put_many(&store, "parent", 5);
    let child = fork(|| {
        put_many(&place.store(), "child", 10);
        true
    });
    put_many(&store, "more", 10);
    drop(store);
    child.must_succeed();
    assert_eq!(
        place.labels(),
        expected(&[("child", 10), ("more", 10), ("parent", 5)])
    );
}

/// What another library's fork handlers can do to us: wait, inside `fork`, for a lock of a thread that waits for
/// ours. That thread must get ours.
///
/// In a process of its own, because handlers stay for ever and their order matters.
fn wait_in_fork_for_a_thread_of_ours() {
    static FORKING: AtomicBool = AtomicBool::new(false);
    static DONE: AtomicBool = AtomicBool::new(false);
    extern "C" fn wait_for_the_thread() {
        FORKING.store(true, SeqCst);
        while !DONE.load(SeqCst) {
            std::thread::yield_now();
        }
    }
    // Prepare handlers run in the reverse order of their registration: the host's, registered first, runs after ours.
    // SAFETY: the function lives as long as the process.
    unsafe { libc::pthread_atfork(Some(wait_for_the_thread), None, None) };
    let (place, store) = Place::ready();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Now the fork holds the lock, and cannot end before this thread is done.
            while !FORKING.load(SeqCst) {
                std::thread::yield_now();
            }
            put(&store, "during the fork");
            DONE.store(true, SeqCst);
        });
        let child = fork(|| {
            put(&place.store(), "child");
            true
        });
        assert!(start.elapsed() < LONG);
        child.must_succeed();
    });
    put(&store, "after");
    assert_eq!(place.labels().len(), 3);
}

#[test]
fn a_fork_that_waits_for_a_thread_of_ours_ends() {
    const HOST: &str = "FORKS_AS_THE_HOST";
    if std::env::var_os(HOST).is_some() {
        return wait_in_fork_for_a_thread_of_ours();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "a_fork_that_waits_for_a_thread_of_ours_ends",
            "--exact",
            "--test-threads=1",
        ])
        .env(HOST, "yes")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn many_threads_fork_at_once() {
    let _alone = alone();
    let (place, store) = Place::ready();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (place, store) = (&place, &store);
            scope.spawn(move || {
                for n in 0..10 {
                    put(store, &format!("parent {thread} {n}"));
                    fork(|| {
                        put(&place.store(), &format!("child {thread} {n}"));
                        true
                    })
                    .must_succeed();
                }
            });
        }
    });
    assert_eq!(place.labels().len(), 80);
}
