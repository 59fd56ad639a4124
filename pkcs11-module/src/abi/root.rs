// SPDX-License-Identifier: MIT
//! The one pointer that everything mutable hangs from, and the count of the calls that follow it.
//!
//! Calls never wait for each other here: a call counts itself in, follows the pointer, and counts itself out.
//! Whoever takes the pointer away waits for the calls that might have followed it before, and only then frees the
//! tree. The counters are spread over cache lines, so that threads which call at once do not slow each other down.
//!
//! # Why this is right
//! A call adds to its counter, then reads the pointer; whoever ends the tree replaces the pointer, then reads the
//! counters. All four are `SeqCst`, so a call that has seen the tree added to its counter before the pointer was
//! replaced: a counter that is seen at 0 afterwards has nobody left who saw the tree. Each counter need be 0 only
//! once, and not all at the same time: whoever comes later finds no tree, or the next one.

use std::cell::Cell;
use std::ops::Deref;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many counters there are: more than this many threads at once share some.
const COUNTERS: usize = 16;
/// How long to rest between two looks at a counter that is not 0 yet.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A pointer to a `T`, or to nothing.
pub struct Root<T> {
    tree: AtomicPtr<T>,
    calls: [Counter; COUNTERS],
}

/// A counter with a cache line of its own (two of 64 bytes, which some processors fetch together).
#[repr(align(128))]
struct Counter(AtomicUsize);

impl<T: Send + Sync> Root<T> {
    /// Nothing.
    pub const fn new() -> Self {
        Self {
            tree: AtomicPtr::new(null_mut()),
            calls: [const { Counter(AtomicUsize::new(0)) }; COUNTERS],
        }
    }

    /// Follows the pointer. The tree stays until the answer is dropped, which must be on the same side of a fork.
    pub fn enter(&self) -> Option<Entered<'_, T>> {
        let call = Call::begin(self.counter());
        let tree = self.tree.load(Ordering::SeqCst);
        // SAFETY: what is stored comes from a box, and it is not freed while this call is counted (see above).
        let tree = unsafe { tree.as_ref() }?;
        Some(Entered { tree, _call: call })
    }

    /// Hangs a tree up, where there is none.
    pub fn plant(&self, tree: Box<T>) -> bool {
        let tree = Box::into_raw(tree);
        let planted = self
            .tree
            .compare_exchange(null_mut(), tree, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok();
        if !planted {
            // SAFETY: it comes from the box above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(tree) });
        }
        planted
    }

    /// Takes the tree away. Calls that come from now on find nothing.
    pub fn uproot(&self) -> Option<Uprooted<'_, T>> {
        let tree = self.tree.swap(null_mut(), Ordering::SeqCst);
        (!tree.is_null()).then_some(Uprooted { tree, root: self })
    }

    /// What a forked child does with what its parent was doing: the tree is left where it is, unusable and never
    /// freed, and the calls of threads that do not exist here are forgotten. Only atomic stores: it runs inside
    /// `fork`.
    pub fn abandon(&self) {
        self.tree.store(null_mut(), Ordering::SeqCst);
        self.calls
            .iter()
            .for_each(|counter| counter.0.store(0, Ordering::SeqCst));
    }

    /// This thread's counter.
    fn counter(&self) -> &Counter {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        if PLACE.get() == usize::MAX {
            PLACE.set(THREADS.fetch_add(1, Ordering::Relaxed) % COUNTERS);
        }
        let [first, ..] = &self.calls;
        self.calls.get(PLACE.get()).unwrap_or(first)
    }
}

/// A call that is counted, until it is dropped.
struct Call<'r>(&'r Counter);

impl<'r> Call<'r> {
    fn begin(counter: &'r Counter) -> Self {
        counter.0.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A call that has found the tree.
pub struct Entered<'r, T> {
    tree: &'r T,
    _call: Call<'r>,
}

impl<T> Deref for Entered<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.tree
    }
}

/// A tree that no new call finds. Dropping this leaks it: see [`Self::drop_within`].
#[must_use]
pub struct Uprooted<'r, T> {
    tree: *mut T,
    root: &'r Root<T>,
}

impl<T> Uprooted<'_, T> {
    /// Drops the tree once the last call has left it. If one has not by then, the tree is left to the end of the
    /// process, since freeing it would crash that call. Returns whether it was dropped.
    pub fn drop_within(self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let idle = self
            .root
            .calls
            .iter()
            .all(|counter| wait_for_zero(&counter.0, deadline));
        if idle {
            // SAFETY: it comes from a box, was taken from the root exactly once, and nobody is left who saw it.
            drop(unsafe { Box::from_raw(self.tree) });
        }
        idle
    }
}

impl<T> Deref for Uprooted<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: it comes from a box, and only `drop_within` frees it, which takes `self`.
        unsafe { &*self.tree }
    }
}

fn wait_for_zero(counter: &AtomicUsize, deadline: Instant) -> bool {
    while counter.load(Ordering::SeqCst) != 0 {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_tree_is_not_freed_while_a_call_is_inside() {
        let root = Root::new();
        let tree = Arc::new(());
        assert!(root.plant(Box::new(Arc::clone(&tree))));
        let call = root.enter().unwrap();
        assert!(!root.uproot().unwrap().drop_within(Duration::ZERO));
        assert_eq!(Arc::strong_count(&call), 2, "leaked, and still there");
    }

    #[test]
    fn a_tree_is_freed_once_the_last_call_has_left() {
        let root = Root::new();
        let tree = Arc::new(());
        assert!(root.plant(Box::new(Arc::clone(&tree))));
        drop(root.enter().unwrap());
        assert!(root.uproot().unwrap().drop_within(Duration::ZERO));
        assert_eq!(Arc::strong_count(&tree), 1);
        assert!(root.enter().is_none());
    }

    #[test]
    fn a_second_tree_is_refused_and_freed() {
        let root = Root::new();
        let second = Arc::new(());
        assert!(root.plant(Box::new(Arc::new(()))));
        assert!(!root.plant(Box::new(Arc::clone(&second))));
        assert_eq!(Arc::strong_count(&second), 1);
        assert!(root.uproot().unwrap().drop_within(Duration::ZERO));
    }

    #[test]
    fn an_abandoned_tree_is_neither_found_nor_freed() {
        let root = Root::new();
        let tree = Arc::new(());
        assert!(root.plant(Box::new(Arc::clone(&tree))));
        std::mem::forget(root.enter());
        root.abandon();
        assert!(root.enter().is_none());
        assert_eq!(Arc::strong_count(&tree), 2);
        assert!(root.plant(Box::new(Arc::new(()))));
        assert!(
            root.uproot().unwrap().drop_within(Duration::ZERO),
            "the forgotten call does not count here"
        );
    }
}
