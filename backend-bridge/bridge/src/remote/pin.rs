// SPDX-License-Identifier: MIT
//! The slot's own PIN: checking it, and counting wrong ones.
//!
//! A try is counted before the PIN is looked at. With a sidecar the count is durable and shared by all processes, and
//! so many wrong PINs in a row lock the PIN until another one is configured. A sidecar that is there and cannot be written
//! to lets nobody in: its count may stand at the limit. Only without a sidecar, or where there is no store yet and none
//! can be made, this process counts for itself: from the third wrong PIN on it refuses to try another one for a while,
//! twice as long each time, up to a minute.
//!
//! A try that is under way counts as wrong, so many right ones that begin together could lock each other out. Who finds
//! no try left waits for those that are under way, a few seconds at most, and asks again before it says that the PIN is
//! locked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::Pin;
use keyenclave_soft::pin_hash::PinHashError;
use keyenclave_soft::sealer::DEFAULT_LIMIT;
use keyenclave_soft::{PinHash, Sidecar};
use parking_lot::Mutex;

/// Checks a PIN against whatever is kept of it. Counting is not its business.
pub trait PinCheck: Send + Sync {
    /// Whether it is the PIN.
    ///
    /// # Errors
    /// `CKR_PIN_INCORRECT`, or why it cannot be checked.
    fn check(&self, pin: Pin<'_>) -> Result<()>;

    /// Something that is another one when the PIN is changed, and does not tell the PIN: a lock ends with it.
    fn id(&self) -> &[u8] {
        b""
    }

    /// How many wrong PINs in a row lock it, where they are counted durably.
    fn limit(&self) -> u32 {
        DEFAULT_LIMIT
    }
}

/// A PIN of which the configuration has the Argon2id hash.
pub struct HashedPin {
    hash: PinHash,
    limit: u32,
}

impl HashedPin {
    /// A PHC string, as [`HashedPin::hash`] makes it.
    ///
    /// # Errors
    /// As [`PinHash::parse`]: other algorithms, and costs that are too low or too high.
    pub fn parse(text: &str) -> std::result::Result<Self, PinHashError> {
        Ok(Self {
            hash: PinHash::parse(text)?,
            limit: DEFAULT_LIMIT,
        })
    }

    /// With another number of wrong PINs in a row that lock it; at least 1.
    #[must_use]
    pub fn with_limit(self, limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            ..self
        }
    }

    /// What to configure for a PIN.
    ///
    /// # Errors
    /// `CKR_PIN_LEN_RANGE`, `CKR_HOST_MEMORY`.
    pub fn hash(pin: Pin<'_>) -> Result<String> {
        PinHash::make(pin)
    }
}

impl PinCheck for HashedPin {
    fn check(&self, pin: Pin<'_>) -> Result<()> {
        match self.hash.is(pin)? {
            true => Ok(()),
            false => Err(Error::new(Rv::PinIncorrect, "the PIN is wrong")),
        }
    }

    fn id(&self) -> &[u8] {
        self.hash.id()
    }

    fn limit(&self) -> u32 {
        self.limit
    }
}

/// Counts tries. See the module.
pub(super) struct Tries {
    sidecar: Option<Arc<Sidecar>>,
    here: Mutex<Here>,
    warned: AtomicBool,
    /// Whether the durable count was waited for in vain: then it is not waited for again.
    locked: AtomicBool,
}

/// What this process has counted.
#[derive(Default)]
struct Here {
    failed: u32,
    /// No try before this.
    not_before: Option<Instant>,
    /// Tries that are counted as failed and may turn out right.
    under_way: u32,
}

/// Where a try was counted.
#[derive(Clone, Copy)]
enum Counted<'a> {
    Durably(&'a Sidecar),
    Here,
}

/// How long tries that are under way are waited for: several times what checking ten PINs at once takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// So many wrong PINs are not yet suspicious.
const FREE: u32 = 3;
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// How long nothing is tried after so many failures in a row.
fn pause(failed: u32) -> Duration {
    match failed.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => LONGEST.min(Duration::from_secs(1 << more.min(6))),
    }
}

impl Here {
    /// Counts a try as failed until it is known to be right, so that threads cannot try faster together.
    fn begin(&mut self, now: Instant) -> Result<()> {
        if let Some(wait) = self.not_before.and_then(|at| at.checked_duration_since(now))
            && !wait.is_zero()
        {
            let detail = format!(
                "after {} wrong PINs no other is tried for {} s",
                self.failed,
                wait.as_secs() + 1
            );
            return Err(Error::new(Rv::PinLocked, detail));
        }
        self.failed = self.failed.saturating_add(1);
        self.not_before = Some(now + pause(self.failed));
        self.under_way = self.under_way.saturating_add(1);
        Ok(())
    }

    /// What became of a try.
    fn end(&mut self, now: Instant, outcome: &Result<()>) {
        self.under_way = self.under_way.saturating_sub(1);
        match outcome {
            Ok(()) => (self.failed, self.not_before) = (0, None),
            Err(error) if error.rv() == Rv::PinIncorrect => {}
            Err(_) => {
                self.failed = self.failed.saturating_sub(1);
                self.not_before = Some(now + pause(self.failed));
            }
        }
    }
}

impl Tries {
    pub(super) fn new(sidecar: Option<Arc<Sidecar>>) -> Self {
        Self {
            sidecar,
            here: Mutex::default(),
            warned: AtomicBool::new(false),
            locked: AtomicBool::new(false),
        }
    }

    /// One try: counted, made, and forgotten unless the PIN was wrong. No lock is held while the PIN is checked.
    pub(super) fn attempt(&self, check: &dyn PinCheck, pin: Pin<'_>) -> Result<()> {
        let counted = self.count_patiently(check)?;
        let outcome = check.check(pin);
        match (counted, &outcome) {
            (Counted::Here, _) => self.here.lock().end(Instant::now(), &outcome),
            (Counted::Durably(sidecar), Ok(())) => sidecar.clear(check.id())?,
            (Counted::Durably(_), Err(error)) if error.rv() == Rv::PinIncorrect => {}
            (Counted::Durably(sidecar), Err(_)) => {
                if let Err(error) = sidecar.take_back(check.id()) {
                    log::warn!(
                        "a login that failed for another reason stays counted as a wrong PIN: {error}"
                    );
                }
            }
        }
        outcome
    }

    /// Counts a try. Where none is left, it waits for those under way with nothing locked.
    fn count_patiently(&self, check: &dyn PinCheck) -> Result<Counted<'_>> {
        let start = Instant::now();
        loop {
            let (locked, may_change) = match self.count_durably(check) {
                Ok(Some(sidecar)) => return Ok(Counted::Durably(sidecar)),
                Ok(None) => {
                    let mut here = self.here.lock();
                    match here.begin(Instant::now()) {
                        Ok(()) => return Ok(Counted::Here),
                        Err(locked) => (locked, here.under_way > 0),
                    }
                }
                // Other processes do not tell what they have under way.
                Err(error) if error.rv() == Rv::PinLocked => (error, !self.locked.load(Ordering::Relaxed)),
                Err(error) => return Err(error),
            };
            if !may_change {
                return Err(locked);
            }
            if start.elapsed() > PATIENCE {
                self.locked.store(true, Ordering::Relaxed);
                return Err(locked);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// `None` if there is no place for a durable count.
    fn count_durably(&self, check: &dyn PinCheck) -> Result<Option<&Sidecar>> {
        let Some(sidecar) = self.sidecar.as_deref() else {
            return Ok(None);
        };
        match sidecar.count(check.id(), check.limit()) {
            Ok(_) => {
                self.locked.store(false, Ordering::Relaxed);
                Ok(Some(sidecar))
            }
            Err(error) if error.rv() == Rv::PinLocked => Err(Error::new(
                Rv::PinLocked,
                "the slot's PIN is locked after too many wrong ones: configure the hash of a new PIN (`keyenclave \
                 pin-hash`)",
            )),
            Err(error) if error.rv() == Rv::TokenWriteProtected => {
                if !self.warned.swap(true, Ordering::Relaxed) {
                    log::warn!("wrong PINs of this slot are counted by each process for itself: {error}");
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What `CK_TOKEN_INFO` tells of the count.
    pub(super) fn flags(&self, check: &dyn PinCheck) -> ck::CK_FLAGS {
        let raise = |flag, is: bool| if is { flag } else { 0 };
        let durable = self.sidecar.as_ref().map(|sidecar| sidecar.attempts(check.id()));
        if let Some(Ok(Some(attempts))) = durable {
            return raise(ck::CKF_USER_PIN_COUNT_LOW, attempts.is_low())
                | raise(ck::CKF_USER_PIN_FINAL_TRY, attempts.is_final_try())
                | raise(ck::CKF_USER_PIN_LOCKED, attempts.is_locked());
        }
        let here = self.here.lock();
        let waits = here.not_before.is_some_and(|at| at > Instant::now());
        raise(ck::CKF_USER_PIN_COUNT_LOW, here.failed > 0) | raise(ck::CKF_USER_PIN_LOCKED, waits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_pause_grows_to_a_minute_and_no_further() {
        let pauses: Vec<_> = (0..12).map(|failed| pause(failed).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX), LONGEST);
    }

    #[test]
    fn a_pause_ends_with_the_clock() {
        let mut here = Here::default();
        let now = Instant::now();
        for _ in 0..FREE {
            here.begin(now).unwrap();
        }
        assert_eq!(here.begin(now).unwrap_err().rv(), Rv::PinLocked);
        let later = now + Duration::from_secs(1);
        here.begin(later).unwrap();
        let soon = later + Duration::from_secs(1);
        assert_eq!(here.begin(soon).unwrap_err().rv(), Rv::PinLocked);
        assert_eq!(here.failed, FREE + 1);
    }
}
