// SPDX-License-Identifier: MIT
//! The same signatures through PKCS#11.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cryptoki_sys::{
    CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_SLOT_ID, CKA_CLASS, CKA_LABEL, CKF_ASYNC_SESSION,
    CKF_SERIAL_SESSION, CKM_ECDSA, CKO_PRIVATE_KEY,
};
use keyenclave_conformance::module::{Out, Started, bytes, number};
use keyenclave_conformance::token::THREADS;
use keyenclave_conformance::{Module, Rv};

use super::figures::{Figures, Watch};
use super::service::{DIGEST, LABEL};

/// The module, initialised, with a slot at the service.
struct Slot {
    module: Module,
    id: CK_SLOT_ID,
}

impl Slot {
    /// The configuration comes from the environment.
    fn open(module: &Path) -> Self {
        let module = Module::load(module);
        assert_eq!(module.initialize(THREADS), Rv::OK);
        let (_, _, slots) = module.slot_list(true, Some(1));
        Self { module, id: slots[0] }
    }

    fn session(&self, flags: u64) -> CK_SESSION_HANDLE {
        self.module
            .open_session(self.id, CKF_SERIAL_SESSION | flags)
            .expect("a session")
    }

    fn key(&self) -> CK_OBJECT_HANDLE {
        let session = self.session(0);
        let wanted = [number(CKA_CLASS, CKO_PRIVATE_KEY), bytes(CKA_LABEL, LABEL)];
        let found = self.module.find(session, &wanted).expect("a search");
        assert_eq!(self.module.close_session(session), Rv::OK);
        found[0]
    }

    fn sign(&self, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) {
        assert_eq!(self.module.sign_init(session, CKM_ECDSA, key), Rv::OK);
        let mut signature = [0; 64];
        let written = self
            .module
            .sign_into(session, &DIGEST[..], Out::Room(&mut signature));
        assert_eq!((written.rv, written.len), (Rv::OK, 64));
    }
}

/// One after the other.
pub fn serial(module: &Path, count: usize) -> Figures {
    let slot = Slot::open(module);
    let (session, key) = (slot.session(0), slot.key());
    slot.sign(session, key);
    let mut watch = Watch::start();
    for _ in 0..count {
        let begun = Instant::now();
        slot.sign(session, key);
        watch.lap(begun.elapsed());
    }
    watch.stop(count)
}

/// So many threads at the same time, each with its session.
pub fn parallel(module: &Path, count: usize, width: usize) -> Figures {
    let slot = Slot::open(module);
    let key = slot.key();
    let left = AtomicUsize::new(count);
    let watch = Watch::start();
    std::thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                let session = slot.session(0);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    slot.sign(session, key);
                }
            });
        }
    });
    watch.stop(count)
}

/// All at once from one thread: as many asynchronous sessions, each with one signature pending.
pub fn pending(module: &Path, count: usize) -> Figures {
    let slot = Slot::open(module);
    let key = slot.key();
    let mut watch = Watch::start();
    let mut waiting: Vec<_> = (0..count)
        .map(|_| {
            let session = slot.session(CKF_ASYNC_SESSION);
            assert_eq!(slot.module.sign_init(session, CKM_ECDSA, key), Rv::OK);
            match slot.module.sign_start(session, &DIGEST, 64) {
                Started::Pending(waiting) => waiting,
                Started::Done(_) => panic!("the signature was there at once"),
                Started::Failed(rv, _) => panic!("{rv:?}"),
            }
        })
        .collect();
    while !waiting.is_empty() {
        watch.weigh();
        std::thread::sleep(Duration::from_millis(5));
        waiting.retain_mut(
            |waiting| match slot.module.async_fetch(waiting).expect("a signature") {
                Some(signature) => {
                    assert_eq!(signature.len(), 64);
                    false
                }
                None => true,
            },
        );
    }
    watch.stop(count)
}
