// SPDX-License-Identifier: MIT
//! A SQLite connection that survives `fork` without losing anybody's rows.
//!
//! SQLite remembers, per process, which file locks it holds; the locks themselves do not pass to a child, the memory
//! does. A child that opened the same file would think itself protected and not be, and committed rows would vanish.
//! So before a child opens or touches any store, every inherited connection is closed here, after
//! `SQLITE_FCNTL_NULL_IO` has cut it off from its file.

use crate::fork;
use crate::leaf::{CLEANER, Node, nodes};
use rusqlite::{Connection, ffi};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The generation in which inherited connections were last closed.
static CLEANED: AtomicU64 = AtomicU64::new(1);

/// Why a connection cannot be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockError {
    /// A store was in use when this process was forked: see [`fork::is_refused`].
    Refused,
    /// Another thread has held the connection for 30 seconds.
    Busy,
}

/// A place for one connection and what its owner knows of it, behind a lock that `fork` knows.
pub struct SharedConnection<T> {
    node: &'static Node,
    slot: UnsafeCell<Option<Opened<T>>>,
}

struct Opened<T> {
    connection: ManuallyDrop<Connection>,
    note: T,
    generation: u64,
}

// SAFETY: a `Connection` may move between threads, and the slot is only touched by who holds the node's lock.
unsafe impl<T: Send> Send for SharedConnection<T> {}
// SAFETY: as above: every access goes through `lock`.
unsafe impl<T: Send> Sync for SharedConnection<T> {}

impl<T> Default for SharedConnection<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> SharedConnection<T> {
    /// An empty place. Opens nothing.
    pub fn new() -> Self {
        fork::watch();
        Self {
            node: Node::register(),
            slot: UnsafeCell::new(None),
        }
    }

    /// Takes the lock. In a child the first call closes all inherited connections; one that was in this place is
    /// gone afterwards.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn lock(&self) -> Result<ConnectionGuard<'_, T>, LockError> {
        let generation = fork::check();
        close_inherited(generation)?;
        self.node.lock().map_err(|_| LockError::Busy)?;
        let mut guard = ConnectionGuard {
            place: self,
            _not_send: PhantomData,
        };
        let slot = guard.slot();
        if slot
            .as_ref()
            .is_some_and(|opened| opened.generation != generation)
        {
            // Closed by `close_inherited`: only its memory is left, which `ManuallyDrop` leaves alone.
            *slot = None;
        }
        Ok(guard)
    }
}

impl<T> Drop for SharedConnection<T> {
    fn drop(&mut self) {
        // In a refused child, or if a thread hangs in the lock, the place is left as it is: nothing may touch it.
        if let Ok(mut guard) = self.lock() {
            guard.close();
            drop(guard);
            self.node.retire();
        }
    }
}

/// The lock on a [`SharedConnection`]. Must not be held across anything but SQLite calls.
pub struct ConnectionGuard<'a, T> {
    place: &'a SharedConnection<T>,
    _not_send: PhantomData<*const ()>,
}

impl<T> ConnectionGuard<'_, T> {
    fn slot(&mut self) -> &mut Option<Opened<T>> {
        // SAFETY: this guard holds the lock of the place, and `&mut self` makes it the only path to the slot.
        unsafe { &mut *self.place.slot.get() }
    }

    /// The open connection, and the note it was opened with.
    pub fn connection(&self) -> Option<(&Connection, &T)> {
        // SAFETY: this guard holds the lock; nobody else can change the slot, and `&self` forbids `slot`.
        let slot = unsafe { &*self.place.slot.get() };
        slot.as_ref().map(|opened| (&*opened.connection, &opened.note))
    }

    /// Opens a connection here with `open`, closing one that was there. `open` runs under the lock, since SQLite's
    /// own state must not be half changed at a fork.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn open<E>(&mut self, open: impl FnOnce() -> Result<(Connection, T), E>) -> Result<(), E> {
        self.close();
        let (connection, note) = open()?;
        let connection = ManuallyDrop::new(connection);
        // SAFETY: the handle is only remembered, and forgotten in `close` before the connection is closed.
        let handle = unsafe { connection.handle() };
        let generation = fork::generation();
        self.place.node.opened.store(generation, SeqCst);
        self.place.node.connection.store(handle, SeqCst);
        *self.slot() = Some(Opened {
            connection,
            note,
            generation,
        });
        Ok(())
    }

    /// Closes the connection, if one is open.
    pub fn close(&mut self) {
        if let Some(opened) = self.slot().take() {
            self.place.node.connection.store(null_mut(), SeqCst);
            drop(ManuallyDrop::into_inner(opened.connection));
        }
    }
}

impl<T> Drop for ConnectionGuard<'_, T> {
    fn drop(&mut self) {
        self.place.node.unlock();
    }
}

/// Closes what this process inherited, once per generation.
fn close_inherited(generation: u64) -> Result<(), LockError> {
    if fork::is_refused() {
        return Err(LockError::Refused);
    }
    if CLEANED.load(SeqCst) == generation {
        return Ok(());
    }
    CLEANER.lock().map_err(|_| LockError::Busy)?;
    if CLEANED.load(SeqCst) != generation {
        for node in nodes().filter(|node| node.opened.load(SeqCst) < generation) {
            let handle = node.connection.swap(null_mut(), SeqCst);
            if !handle.is_null() {
                close_without_io(handle);
            }
        }
        CLEANED.store(generation, SeqCst);
    }
    CLEANER.unlock();
    Ok(())
}

/// Closes an inherited connection so that neither file nor locks of the process it came from are touched.
fn close_without_io(handle: *mut ffi::sqlite3) {
    let nothing = null_mut();
    // SAFETY: the handle was open and not in use at the fork (its lock was held); nothing else here refers to it.
    unsafe { ffi::sqlite3_file_control(handle, c"main".as_ptr(), ffi::SQLITE_FCNTL_NULL_IO, nothing) };
    loop {
        // SAFETY: as above; a null statement asks for the first one.
        let statement = unsafe { ffi::sqlite3_next_stmt(handle, null_mut()) };
        if statement.is_null() {
            break;
        }
        // SAFETY: the statement belongs to the handle; its Rust owner is never used again in this process.
        unsafe { ffi::sqlite3_finalize(statement) };
    }
    // SAFETY: the last use of the handle.
    unsafe { ffi::sqlite3_close(handle) };
}
