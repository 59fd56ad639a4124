// SPDX-License-Identifier: MIT
//! Leaf locks that know `fork`: the only locks held while a process is being copied.
//!
//! Whoever holds one takes no other lock of ours, calls nothing of the host's and does not log. `fork` takes them
//! all first, so that no thread is inside SQLite at the moment of the copy. They are our own because none at hand
//! can be given back by the child and also be taken with a time limit. One is a word that is free, locked, or held
//! for the fork with a given token; waiting is a futex.
//!
//! A fork's hold is weak: a thread that waited long enough takes the lock away from it. Otherwise another library's
//! fork handler, waiting for a lock of that thread, would wait for ever. The child then finds the lock taken and
//! knows that the store was in use.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// How long a fork waits for all leaf locks together, and a thread for a lock that a fork holds.
pub(crate) const FORK_WAIT: Duration = Duration::from_secs(1);
/// How long a thread waits for a lock that another thread holds.
const THREAD_WAIT: Duration = Duration::from_secs(30);
/// The longest single sleep: after it the world is looked at again, so a lost wake-up costs no more than this.
const NAP: Duration = Duration::from_millis(20);

const FREE: u32 = 0;
const LOCKED: u32 = 1;

/// A lock and what it guards, as the fork handlers and the clean-up in a child see them. Never freed, reused.
pub(crate) struct Node {
    state: AtomicU32,
    waiters: AtomicU32,
    owned: AtomicBool,
    next: AtomicPtr<Node>,
    /// The open `sqlite3` that the lock guards, or null.
    pub(crate) connection: AtomicPtr<rusqlite::ffi::sqlite3>,
    /// The generation that opened it.
    pub(crate) opened: AtomicU64,
}

/// Guards the closing of inherited connections in a child. Always on the list.
pub(crate) static CLEANER: Node = Node::new();
static HEAD: AtomicPtr<Node> = AtomicPtr::new(null_mut());
/// Forks that are waiting for locks: new lockers stand back for them.
static FORKING: AtomicU32 = AtomicU32::new(0);
static TOKENS: AtomicU32 = AtomicU32::new(0);

/// The lock was not free within the time.
#[derive(Debug)]
pub(crate) struct TimedOut;

impl Node {
    const fn new() -> Self {
        Self {
            state: AtomicU32::new(FREE),
            waiters: AtomicU32::new(0),
            owned: AtomicBool::new(true),
            next: AtomicPtr::new(null_mut()),
            connection: AtomicPtr::new(null_mut()),
            opened: AtomicU64::new(0),
        }
    }

    /// A node that is on the list: one that was given back, or a new one.
    pub(crate) fn register() -> &'static Self {
        let unused = |node: &&'static Self| node.owned.compare_exchange(false, true, SeqCst, SeqCst).is_ok();
        if let Some(node) = nodes().find(unused) {
            return node;
        }
        let node: &'static Self = Box::leak(Box::new(Self::new()));
        let mut head = HEAD.load(SeqCst);
        loop {
            node.next.store(head, SeqCst);
            match HEAD.compare_exchange(head, std::ptr::from_ref(node).cast_mut(), SeqCst, SeqCst) {
                Ok(_) => return node,
                Err(newer) => head = newer,
            }
        }
    }

    /// Gives the node back to the list. Its connection must be closed.
    pub(crate) fn retire(&self) {
        self.owned.store(false, SeqCst);
    }

    /// Takes the lock, waiting for other threads and standing back for forks.
    pub(crate) fn lock(&self) -> Result<(), TimedOut> {
        if FORKING.load(SeqCst) == 0 && self.take(FREE, LOCKED) {
            return Ok(());
        }
        self.waiters.fetch_add(1, SeqCst);
        let outcome = self.lock_slowly();
        self.waiters.fetch_sub(1, SeqCst);
        outcome
    }

    fn lock_slowly(&self) -> Result<(), TimedOut> {
        let start = Instant::now();
        loop {
            let waited = start.elapsed();
            let state = self.state.load(SeqCst);
            let forking = FORKING.load(SeqCst);
            if state == FREE && (forking == 0 || waited > FORK_WAIT) && self.take(FREE, LOCKED) {
                return Ok(());
            }
            if is_fork_hold(state) && waited > FORK_WAIT && self.take(state, LOCKED) {
                return Ok(());
            }
            if waited > THREAD_WAIT {
                return Err(TimedOut);
            }
            match state {
                FREE => futex_wait(&FORKING, forking),
                held => futex_wait(&self.state, held),
            }
        }
    }

    /// Gives the lock back.
    pub(crate) fn unlock(&self) {
        self.state.store(FREE, SeqCst);
        self.wake();
    }

    fn take(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    fn wake(&self) {
        if self.waiters.load(SeqCst) > 0 {
            futex_wake(&self.state);
        }
    }

    fn hold(&self, hold: u32, deadline: Instant) {
        self.waiters.fetch_add(1, SeqCst);
        while !self.take(FREE, hold) && Instant::now() < deadline {
            let state = self.state.load(SeqCst);
            if state != FREE {
                futex_wait(&self.state, state);
            }
        }
        self.waiters.fetch_sub(1, SeqCst);
    }
}

/// Every node, those given back too.
pub(crate) fn nodes() -> impl Iterator<Item = &'static Node> {
    let first = as_node(HEAD.load(SeqCst));
    std::iter::successors(first, |node| as_node(node.next.load(SeqCst))).chain(std::iter::once(&CLEANER))
}

fn as_node(pointer: *mut Node) -> Option<&'static Node> {
    // SAFETY: only leaked boxes are ever put on the list, so a pointer on it is null or valid for ever.
    unsafe { pointer.as_ref() }
}

/// A fork's hold is an even word: twice its token.
const fn is_fork_hold(state: u32) -> bool {
    state != FREE && state.is_multiple_of(2)
}

const fn hold_of(token: u32) -> u32 {
    token.wrapping_mul(2)
}

/// Takes every lock for a fork, within [`FORK_WAIT`] for all together. What it could not take it leaves.
/// Returns the token that the other two functions want.
pub(crate) fn hold_all() -> u32 {
    let token = (TOKENS.fetch_add(1, SeqCst) & 0x3fff_ffff) + 1;
    let deadline = Instant::now() + FORK_WAIT;
    FORKING.fetch_add(1, SeqCst);
    for node in nodes() {
        node.hold(hold_of(token), deadline);
    }
    FORKING.fetch_sub(1, SeqCst);
    futex_wake(&FORKING);
    token
}

/// In the parent: gives back what [`hold_all`] took and nobody took away.
pub(crate) fn release_all(token: u32) {
    for node in nodes() {
        if node.take(hold_of(token), FREE) {
            node.wake();
        }
    }
}

/// In the child: gives back what the fork held. False when a lock belongs to a thread that does not exist here.
/// Only atomic stores: this runs where nothing but async-signal-safe code may. Token 0 is a copy made without the
/// handlers, which held nothing.
pub(crate) fn inherit_all(token: u32) -> bool {
    FORKING.store(0, SeqCst);
    let mut all = true;
    for node in nodes() {
        node.waiters.store(0, SeqCst);
        let was_held = token != 0 && node.take(hold_of(token), FREE);
        all &= was_held || node.state.load(SeqCst) == FREE;
    }
    all
}

fn futex_wait(word: &AtomicU32, expected: u32) {
    let nap = libc::timespec {
        tv_sec: 0,
        tv_nsec: libc::c_long::from(NAP.subsec_nanos().cast_signed()),
    };
    // SAFETY: the word and the timeout live through the call; the kernel only reads both.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            &raw const nap,
        );
    }
}

fn futex_wake(word: &AtomicU32) {
    // SAFETY: the kernel only uses the address of the word to find its waiters.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            i32::MAX,
        );
    }
}
