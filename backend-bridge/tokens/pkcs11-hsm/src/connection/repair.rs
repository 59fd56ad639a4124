// SPDX-License-Identifier: MIT
//! How the connection to a token is made, and made again after a loss: by one thread, while the others wait.

use std::sync::atomic::Ordering::{Acquire, Release};

use keyenclave_model::error::{Result, Rv};

use super::logins::Known;
use super::{Anchor, Connection, Device};
use crate::ffi::Session;
use crate::heal::{Loss, loss};

/// What had become of the connection when something began that has failed.
#[derive(Clone, Copy)]
pub(super) struct Since {
    pub phase: u64,
    pub logins: u64,
}

impl<D: Device> Connection<D> {
    /// Makes the connection, if it does not stand.
    pub(super) fn stand(&self) -> Result<()> {
        if self.stands() { Ok(()) } else { self.make() }
    }

    /// By the thread that comes first.
    #[cold]
    fn make(&self) -> Result<()> {
        let mut anchor = self.anchor.lock();
        if self.stands() {
            return Ok(());
        }
        if self.phase() % 2 == 1 {
            log::warn!(
                "the connection to a token is lost (its module was initialised again) and is made again"
            );
            self.leave(&mut anchor);
            self.pool.forget_lost();
        }
        let made = match self.connect() {
            // Somebody has finalised the module, perhaps in the midst of this.
            Err(error) if error.rv() == Rv::CryptokiNotInitialized => {
                self.revive()?;
                self.connect()
            }
            made => made,
        };
        let made = match made {
            Err(error) if loss(error.rv(), false).is_some() => match self.device.restart() {
                Ok(true) => {
                    self.pool.forget_lost();
                    self.connect()
                }
                _ => Err(error),
            },
            made => made,
        };
        *anchor = Some(made?);
        self.phase.fetch_add(1, Release);
        Ok(())
    }

    /// Has the module initialised again. Nothing that it knew before is known to it.
    fn revive(&self) -> Result<()> {
        self.pool.forget_lost();
        Ok(self.device.revive()?)
    }

    fn connect(&self) -> Result<Anchor> {
        self.device.locate()?;
        self.started.store(self.device.starts(), Release);
        // The security officer needs read/write sessions alone; a write-protected token has none.
        let anchor = match self.device.open(true) {
            Ok(session) => Anchor {
                session,
                writable: true,
            },
            Err(Rv::TokenWriteProtected) => Anchor {
                session: self.device.open(false)?,
                writable: false,
            },
            Err(rv) => return Err(rv.into()),
        };
        let settled = self.pay_logout(anchor.session);
        if let Err(error) = settled.and_then(|()| self.log_in_again(anchor.session)) {
            self.close(anchor.session);
            return Err(error);
        }
        Ok(anchor)
    }

    pub(super) fn since(&self) -> Since {
        Since {
            phase: self.phase(),
            logins: self.logins.load(Acquire),
        }
    }

    /// Repairs what is lost, unless another thread has done so meanwhile. `again` is whether the same work failed a
    /// second time, so that more signs of life are wanted. Whether anything was lost.
    #[cold]
    pub(super) fn repair(&self, lost: Loss, since: Since, again: bool, rv: Rv) -> Result<bool> {
        let mut anchor = self.anchor.lock();
        let now = self.since();
        if now.phase != since.phase || (lost == Loss::Login && now.logins != since.logins) {
            return Ok(true);
        }
        let Some(Anchor { session, .. }) = *anchor else {
            if lost == Loss::Library {
                self.revive()?;
            }
            return Ok(true);
        };
        let lives = match lost {
            Loss::Session => self.device.is_alive(session),
            Loss::Device => self.device.is_alive(session) && (!again || self.opens()),
            Loss::Login => match self.repeat_login(session) {
                Some(Known::Still) => return Ok(false),
                Some(Known::Not | Known::Nobody) => true,
                None => false,
            },
            Loss::Library => false,
        };
        if lives {
            return Ok(true);
        }
        log::warn!(
            "the connection to a token is lost ({}) and is made again",
            rv.name()
        );
        let left = self.leave(&mut anchor);
        if lost == Loss::Library {
            self.revive()?;
            return Ok(true);
        }
        // What the vendor still believes open would count against its limit.
        for session in left {
            if self.device.close(session).is_err() {
                break;
            }
        }
        Ok(true)
    }

    /// The connection does not stand any more. Its sessions, the anchor last.
    pub(super) fn leave(&self, anchor: &mut Option<Anchor>) -> Vec<Session> {
        let anchored = anchor.take().map(|anchor| anchor.session);
        let phase = self.phase.fetch_add(1, Release) + 1;
        let mut left = self.pool.lose_all(phase);
        self.device.lost(None);
        left.extend(anchored);
        left
    }

    /// Whether the device opens sessions. Some devices answer `CKR_DEVICE_ERROR` where the data is wrong, and lose
    /// nothing by it.
    fn opens(&self) -> bool {
        match self.device.open(false) {
            Ok(session) => {
                let lives = self.device.is_alive(session);
                self.close(session);
                lives
            }
            // It answers, and has enough to do.
            Err(rv) => matches!(rv, Rv::SessionCount | Rv::SessionReadWriteSoExists),
        }
    }
}
