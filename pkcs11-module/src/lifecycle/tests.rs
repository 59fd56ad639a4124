// SPDX-License-Identifier: MIT
//! The life cycle with a library that knows whether it has been freed.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::atomic::AtomicUsize;
use std::sync::{Barrier, Condvar, Mutex};
use std::thread;

use super::*;
use crate::abi::tests::forking::in_child;

const ALIVE: usize = 0x0A11_AE00;

/// A library that can be asked whether it is still there.
struct Probe {
    alive: AtomicUsize,
    args: InitArgs,
    closing: Mutex<bool>,
    closed: Condvar,
}

impl Probe {
    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst) == ALIVE
    }

    /// A call that comes back only because the library ends.
    fn wait_for_close(&self) {
        let mut closing = self.closing.lock().unwrap();
        while !*closing {
            closing = self.closed.wait(closing).unwrap();
        }
    }
}

impl Tree for Probe {
    fn open(args: &InitArgs) -> Result<Self> {
        let alive = AtomicUsize::new(ALIVE);
        Ok(Self {
            alive,
            args: *args,
            closing: Mutex::new(false),
            closed: Condvar::new(),
        })
    }

    fn close(&self) {
        *self.closing.lock().unwrap() = true;
        self.closed.notify_all();
    }

    fn reinitialise_after_fork(&self) -> bool {
        // The tests' way to choose.
        self.args.cannot_create_threads
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.alive.store(0, Ordering::SeqCst);
    }
}

/// Initialises so that a child initialises by itself.
const AUTO: bool = true;
/// Initialises so that a child has to be initialised.
const STRICT: bool = false;

fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().as_ref().map(Error::rv)
}

fn first_handle_of(life: &Life<Probe>) -> ck::CK_ULONG {
    life.enter().unwrap().args.first_handle
}

fn life() -> Life<Probe> {
    Life::new(None)
}

#[test]
fn nothing_is_found_before_and_after() {
    let life = life();
    assert_eq!(rv(life.enter()), Some(Rv::CryptokiNotInitialized));
    assert_eq!(rv(life.finalise(PATIENCE)), Some(Rv::CryptokiNotInitialized));
    life.initialise(STRICT).unwrap();
    assert!(life.enter().unwrap().is_alive());
    assert_eq!(rv(life.initialise(STRICT)), Some(Rv::CryptokiAlreadyInitialized));
    life.finalise(PATIENCE).unwrap();
    assert_eq!(rv(life.enter()), Some(Rv::CryptokiNotInitialized));
    assert_eq!(rv(life.finalise(PATIENCE)), Some(Rv::CryptokiNotInitialized));
}

#[test]
fn a_library_that_cannot_be_opened_leaves_nothing_behind() {
    struct Broken;
    impl Tree for Broken {
        fn open(_: &InitArgs) -> Result<Self> {
            Err(Rv::FunctionFailed.into())
        }
        fn close(&self) {}
        fn reinitialise_after_fork(&self) -> bool {
            true
        }
    }
    let life = Life::<Broken>::new(None);
    assert_eq!(rv(life.initialise(STRICT)), Some(Rv::FunctionFailed));
    assert_eq!(
        rv(life.initialise(STRICT)),
        Some(Rv::FunctionFailed),
        "and the turn was given back"
    );
    assert_eq!(rv(life.enter()), Some(Rv::CryptokiNotInitialized));
}

#[test]
fn handles_start_higher_in_every_run() {
    let life = life();
    let mut last = 0;
    for _ in 0..3 {
        life.initialise(STRICT).unwrap();
        let first = first_handle_of(&life);
        assert!(first > last);
        last = first + 1_000_000;
        life.finalise(PATIENCE).unwrap();
    }
    assert_eq!(first_handle(0), 1);
}

#[test]
fn of_many_that_initialise_and_finalise_at_once_one_does() {
    const THREADS: usize = 8;
    for _ in 0..50 {
        let life = life();
        let start = Barrier::new(THREADS);
        let all = |act: &(dyn Fn() -> Result<()> + Sync), loser: Rv| {
            let outcomes = thread::scope(|scope| {
                let call = || {
                    start.wait();
                    rv(act())
                };
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(call)).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect::<Vec<_>>()
            });
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_none()).count(), 1);
            assert_eq!(
                outcomes.iter().filter(|outcome| **outcome == Some(loser)).count(),
                THREADS - 1
            );
        };
        all(&|| life.initialise(STRICT), Rv::CryptokiAlreadyInitialized);
        all(&|| life.finalise(PATIENCE), Rv::CryptokiNotInitialized);
    }
}

/// Sets the flag however the test ends, so that a failure does not leave the threads running.
struct OnEnd<'a>(&'a AtomicBool);

impl Drop for OnEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn calls_that_race_with_the_end_find_a_living_library_or_none() {
    const CALLERS: usize = 4;
    const ROUNDS: usize = 40;
    let life = life();
    let over = AtomicBool::new(false);
    let (found, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let call = || {
        let _on_end = OnEnd(&over);
        while !over.load(Ordering::SeqCst) {
            match life.enter() {
                Ok(library) => {
                    assert!(library.is_alive());
                    thread::yield_now();
                    assert!(library.is_alive(), "freed while a call was inside");
                    found.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => {
                    assert_eq!(error.rv(), Rv::CryptokiNotInitialized);
                    missed.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    };
    /// Lets the callers get on until they have counted once more, or until one of them has failed.
    fn wait_for_one(count: &AtomicUsize, over: &AtomicBool) {
        let before = count.load(Ordering::SeqCst);
        while count.load(Ordering::SeqCst) == before && !over.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }
    thread::scope(|scope| {
        let _on_end = OnEnd(&over);
        (0..CALLERS).for_each(|_| drop(scope.spawn(call)));
        for _ in 0..ROUNDS {
            life.initialise(STRICT).unwrap();
            wait_for_one(&found, &over);
            life.finalise(PATIENCE).unwrap();
            wait_for_one(&missed, &over);
        }
    });
    assert!(found.load(Ordering::SeqCst) >= ROUNDS && missed.load(Ordering::SeqCst) >= ROUNDS);
}

#[test]
fn a_call_that_waits_for_the_end_comes_back() {
    let life = life();
    life.initialise(STRICT).unwrap();
    let inside = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let library = life.enter().unwrap();
            inside.wait();
            library.wait_for_close();
            assert!(library.is_alive());
        });
        inside.wait();
        life.finalise(Duration::from_secs(60)).unwrap();
    });
}

#[test]
fn a_call_that_never_ends_does_not_hold_up_the_end() {
    let life = life();
    life.initialise(STRICT).unwrap();
    let stuck = life.enter().unwrap();
    life.finalise(Duration::ZERO).unwrap();
    assert!(stuck.is_alive(), "left where it is");
    assert_eq!(rv(life.enter()), Some(Rv::CryptokiNotInitialized));
    life.initialise(STRICT).unwrap();
    assert!(first_handle_of(&life) > stuck.args.first_handle);
}

#[test]
fn a_child_has_to_be_initialised() {
    static LIFE: Life<Probe> = Life::new(Some(|| LIFE.forked()));
    LIFE.initialise(STRICT).unwrap();
    let inherited = first_handle_of(&LIFE);
    let parent_call = LIFE.enter().unwrap();
    assert!(in_child(|| {
        let refused = rv(LIFE.enter()) == Some(Rv::CryptokiNotInitialized)
            && rv(LIFE.finalise(PATIENCE)) == Some(Rv::CryptokiNotInitialized);
        LIFE.initialise(STRICT).unwrap();
        let handles_are_new = first_handle_of(&LIFE) > inherited;
        // The parent's call does not count here, or this would take longer than the child may.
        LIFE.finalise(Duration::from_secs(600)).unwrap();
        refused && handles_are_new
    }));
    assert!(parent_call.is_alive(), "the parent goes on");
    drop(parent_call);
    LIFE.finalise(PATIENCE).unwrap();
}

#[test]
fn a_child_may_initialise_itself_and_its_child_too() {
    static LIFE: Life<Probe> = Life::new(Some(|| LIFE.forked()));
    LIFE.initialise(AUTO).unwrap();
    let inherited = first_handle_of(&LIFE);
    assert!(in_child(|| {
        let child = first_handle_of(&LIFE);
        child > inherited
            && in_child(|| first_handle_of(&LIFE) > child)
            && rv(LIFE.initialise(AUTO)) == Some(Rv::CryptokiAlreadyInitialized)
    }));
    LIFE.finalise(PATIENCE).unwrap();
    assert!(
        in_child(|| rv(LIFE.enter()) == Some(Rv::CryptokiNotInitialized)),
        "nothing to inherit"
    );
}

#[test]
fn a_child_that_finalises_first_stays_uninitialised() {
    static LIFE: Life<Probe> = Life::new(Some(|| LIFE.forked()));
    LIFE.initialise(AUTO).unwrap();
    assert!(in_child(|| {
        let refused = rv(LIFE.finalise(PATIENCE)) == Some(Rv::CryptokiNotInitialized);
        refused && rv(LIFE.enter()) == Some(Rv::CryptokiNotInitialized)
    }));
    LIFE.finalise(PATIENCE).unwrap();
}

#[test]
fn a_fork_while_somebody_has_the_turn_does_not_stop_the_child() {
    static LIFE: Life<Probe> = Life::new(Some(|| LIFE.forked()));
    LIFE.initialise(STRICT).unwrap();
    let turn = LIFE.take_turn();
    assert!(in_child(|| LIFE.initialise(STRICT).is_ok()));
    drop(turn);
    LIFE.finalise(PATIENCE).unwrap();
}
