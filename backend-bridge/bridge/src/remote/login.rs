// SPDX-License-Identifier: MIT
//! Login to a slot whose keys a service guards.
//!
//! The service knows the process by its identity, not by a PIN. Without a local PIN there is nothing to log in to: the
//! objects are public and `C_Login` succeeds, because many programs call it whatever the token says. With one, objects
//! are private and the PIN is [checked here](super::pin).

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{CallCx, Pin, Role};
use keyenclave_soft::{PIN_LEN, Sidecar};

use super::pin::{PinCheck, Tries};

/// See the module.
pub(super) struct Login {
    pin: Option<Arc<dyn PinCheck>>,
    tries: Tries,
    warned: AtomicBool,
}

impl Login {
    pub(super) fn new(pin: Option<Arc<dyn PinCheck>>, sidecar: Option<Arc<Sidecar>>) -> Self {
        Self {
            pin,
            tries: Tries::new(sidecar),
            warned: AtomicBool::new(false),
        }
    }

    /// Whether objects are private.
    pub(super) fn is_required(&self) -> bool {
        self.pin.is_some()
    }

    /// What `CK_TOKEN_INFO` tells.
    pub(super) fn flags(&self) -> ck::CK_FLAGS {
        self.pin.as_deref().map_or(0, |pin| {
            ck::CKF_LOGIN_REQUIRED | ck::CKF_USER_PIN_INITIALIZED | self.tries.flags(pin)
        })
    }

    /// How long a PIN may be, in bytes: without one, anything is taken.
    pub(super) fn pin_len(&self) -> RangeInclusive<usize> {
        if self.is_required() {
            PIN_LEN
        } else {
            0..=*PIN_LEN.end()
        }
    }

    /// `C_Login`.
    pub(super) fn log_in(&self, role: Role, pin: Pin<'_>) -> Result<()> {
        if role == Role::So {
            return Err(Error::new(
                Rv::UserTypeInvalid,
                "a slot of a remote service has no security officer: its keys are administered at the service",
            ));
        }
        match &self.pin {
            Some(check) => self.tries.attempt(&**check, pin),
            None => {
                if !self.warned.swap(true, Ordering::Relaxed) {
                    log::warn!(
                        "a program logs in to a slot that has no PIN: any PIN is taken, and protects nothing"
                    );
                }
                Ok(())
            }
        }
    }

    /// The call as the soft engine shall see it: without a PIN everybody is the user.
    pub(super) fn local(&self, cx: &CallCx) -> CallCx {
        if self.is_required() {
            return *cx;
        }
        CallCx {
            access: Access {
                login: Some(Role::User),
                ..cx.access
            },
            ..*cx
        }
    }
}
