// SPDX-License-Identifier: MIT
//! What this process knows about having been forked.
//!
//! One set of `pthread_atfork` handlers for the whole library. Prepare takes the leaf locks of the stores, parent
//! and child give them back, and the child counts a generation up and runs the hooks. The child handler does nothing
//! but atomic stores and `getpid`, since only async-signal-safe code may run there.

use crate::leaf;
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering::SeqCst};

/// How many hooks [`on_child`] takes.
const HOOKS_MAX: usize = 8;

static GENERATION: AtomicU64 = AtomicU64::new(1);
static PROCESS: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicBool = AtomicBool::new(false);
static WATCHING: AtomicBool = AtomicBool::new(false);
static HOOKS: [AtomicPtr<()>; HOOKS_MAX] = [const { AtomicPtr::new(null_mut()) }; HOOKS_MAX];
static HOOK_COUNT: AtomicU8 = AtomicU8::new(0);

thread_local! {
    /// The token of the fork that this thread is making. Without a destructor, so it is safe to touch anywhere.
    static TOKEN: Cell<u32> = const { Cell::new(0) };
}

/// Registers the handlers with the C library, once per process image. Cheap to call again.
pub fn watch() {
    if WATCHING.swap(true, SeqCst) {
        return;
    }
    PROCESS.store(std::process::id(), SeqCst);
    // SAFETY: the three functions live as long as the library, which is never unloaded (`-z nodelete`).
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}

/// How often this process image has been forked, counted along its own line. Starts at 1. What was made in an
/// older generation belongs to an ancestor.
pub fn generation() -> u64 {
    GENERATION.load(SeqCst)
}

/// Notices copies that were made without the handlers: `_Fork`, raw `clone`. One `getpid`.
///
/// Returns the generation. Must not be called in a `vfork` child, which shares its parent's memory and may only
/// `exec` or `_exit`.
pub fn check() -> u64 {
    watch();
    let known = PROCESS.load(SeqCst);
    let here = std::process::id();
    if known != 0 && known != here && PROCESS.compare_exchange(known, here, SeqCst, SeqCst).is_ok() {
        become_child(0);
    }
    generation()
}

/// Whether a store was in use when this process, or one it descends from, was forked: then the state of SQLite in
/// this copy of the memory is unknown, and no store can be used.
pub fn is_refused() -> bool {
    REFUSED.load(SeqCst)
}

/// The table of hooks is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyHooks;

/// Has `hook` run in every child, inside `fork`. It may only do what is async-signal-safe: atomic loads and
/// stores. Hooks cannot be taken back.
///
/// # Errors
/// [`TooManyHooks`] after eight.
pub fn on_child(hook: fn()) -> Result<(), TooManyHooks> {
    watch();
    let place = HOOKS.get(usize::from(HOOK_COUNT.fetch_add(1, SeqCst)));
    match place {
        Some(place) => place.store(hook as *mut (), SeqCst),
        None => {
            HOOK_COUNT.fetch_sub(1, SeqCst);
            return Err(TooManyHooks);
        }
    }
    Ok(())
}

extern "C" fn prepare() {
    TOKEN.set(leaf::hold_all());
}

extern "C" fn parent() {
    leaf::release_all(TOKEN.replace(0));
}

extern "C" fn child() {
    // SAFETY: getpid has no preconditions and is async-signal-safe.
    let here = unsafe { libc::getpid() };
    PROCESS.store(here.cast_unsigned(), SeqCst);
    become_child(TOKEN.replace(0));
}

fn become_child(token: u32) {
    GENERATION.fetch_add(1, SeqCst);
    if !leaf::inherit_all(token) {
        REFUSED.store(true, SeqCst);
    }
    for place in &HOOKS {
        let hook = place.load(SeqCst);
        if !hook.is_null() {
            // SAFETY: only `on_child` stores here, and only a `fn()`.
            let hook = unsafe { std::mem::transmute::<*mut (), fn()>(hook) };
            hook();
        }
    }
}
