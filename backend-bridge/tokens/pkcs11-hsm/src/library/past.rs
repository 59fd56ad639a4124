// SPDX-License-Identifier: MIT
//! What this process did with modules before, through initialisations of ours that are over.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use crate::ffi::Module;

/// Modules that this process or one it descends from initialised through us, by the address of their `C_Initialize`.
/// Written and read without locks, because a child may have been forked in the middle of anything.
pub(super) static INITIALISED: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// Modules that were left initialised by an earlier initialisation of ours, because calls hung in them.
pub(super) static LEFT: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

pub(super) fn is_known(module: &Module) -> bool {
    let identity = module.identity();
    INITIALISED.iter().any(|known| known.load(Relaxed) == identity)
}

pub(super) fn remember(places: &[AtomicUsize], module: &Module) {
    let identity = module.identity();
    if places.iter().any(|known| known.load(Relaxed) == identity) {
        return;
    }
    let free = |place: &&AtomicUsize| place.compare_exchange(0, identity, SeqCst, SeqCst).is_ok();
    if places.iter().find(free).is_none() {
        log::debug!("more vendors' modules than can be remembered");
    }
}

/// Whether it was remembered.
pub(super) fn forget(places: &[AtomicUsize], module: &Module) -> bool {
    let identity = module.identity();
    let found = |place: &AtomicUsize| place.compare_exchange(identity, 0, SeqCst, SeqCst).is_ok();
    places.iter().any(found)
}
