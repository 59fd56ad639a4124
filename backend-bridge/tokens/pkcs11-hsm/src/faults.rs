// SPDX-License-Identifier: MIT
//! Faults for tests: what the N-th call into a real module answers instead of being made.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use keyenclave_model::error::Rv;
use parking_lot::{Condvar, Mutex};

use crate::ffi::{Answer, Module};

/// What happens at a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It answers this and does nothing.
    Answer(Rv),
    /// All sessions are gone, and it answers `CKR_SESSION_HANDLE_INVALID`.
    LoseSessions,
    /// Somebody has finalised the module, and it answers `CKR_CRYPTOKI_NOT_INITIALIZED`.
    Finalise,
    /// It does not answer until [`Faults::release`].
    Hang,
}

#[derive(Default)]
pub(crate) struct Faults {
    calls: AtomicUsize,
    planned: Mutex<Option<(usize, Fault)>>,
    hanging: Mutex<bool>,
    released: Condvar,
}

impl Faults {
    /// The fault strikes at the `nth` call from now on, once.
    pub fn plan(&self, nth: usize, fault: Fault) {
        *self.planned.lock() = Some((self.calls.load(SeqCst) + nth, fault));
    }

    /// Takes back a plan that has not struck; whether there was one.
    pub fn take_back(&self) -> bool {
        self.planned.lock().take().is_some()
    }

    /// Ends what hangs.
    pub fn release(&self) {
        *self.hanging.lock() = false;
        self.released.notify_all();
    }

    /// To be asked before each call.
    pub fn strike(&self, module: &Module) -> Answer<()> {
        let call = self.calls.fetch_add(1, SeqCst);
        let mut planned = self.planned.lock();
        let Some((_, fault)) = planned.take_if(|(at, _)| *at == call) else {
            return Ok(());
        };
        drop(planned);
        match fault {
            Fault::Hang => {
                let mut hanging = self.hanging.lock();
                *hanging = true;
                while *hanging {
                    self.released.wait(&mut hanging);
                }
                Ok(())
            }
            Fault::Answer(rv) => Err(rv),
            Fault::LoseSessions => {
                for slot in module.slots(true)? {
                    let _ = module.close_all_sessions(slot);
                }
                Err(Rv::SessionHandleInvalid)
            }
            Fault::Finalise => {
                let _ = module.finalize();
                Err(Rv::CryptokiNotInitialized)
            }
        }
    }
}
