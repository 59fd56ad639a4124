// SPDX-License-Identifier: MIT
//! Who is logged in to a vendor's token, and with what the login is repeated after the device was lost.
//!
//! A login belongs to the application, not to a session: it holds for all slots of ours that show the same token, and
//! lasts until the last of them that logged in has logged out. Its PIN is kept that long, in memory that is zeroized,
//! and no longer; a PIN by reference is fetched when it is needed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::Role;
use zeroize::Zeroizing;

/// Where a configured PIN comes from: an environment variable, a file, a keystore.
pub trait PinSource: Send + Sync {
    /// The PIN. It is asked for whenever a login is made, and not kept.
    ///
    /// # Errors
    /// Where it should have been and what to do, without any part of it.
    fn pin(&self) -> Result<Zeroizing<Vec<u8>>>;
}

/// A PIN, or none where the token has a keypad of its own (`CKF_PROTECTED_AUTHENTICATION_PATH`).
pub(crate) type KeptPin = Option<Zeroizing<Vec<u8>>>;

/// Who logs in, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Credentials<'a> {
    pub role: Role,
    /// The name of one of several users; empty where there is one.
    pub name: &'a [u8],
    pub pin: Option<&'a [u8]>,
}

/// The same, kept to log in with again.
#[derive(Clone)]
pub(crate) struct Kept {
    role: Role,
    name: Vec<u8>,
    pin: KeptPin,
}

impl Kept {
    /// What the vendor is asked with.
    pub fn credentials(&self) -> Credentials<'_> {
        Credentials {
            role: self.role,
            name: &self.name,
            pin: self.pin.as_ref().map(|pin| pin.as_slice()),
        }
    }
}

impl Credentials<'_> {
    fn keep(&self) -> Kept {
        Kept {
            role: self.role,
            name: self.name.to_vec(),
            pin: self.pin.map(|pin| Zeroizing::new(pin.to_vec())),
        }
    }
}

/// One of our slots, among those that show the same token.
pub(crate) type SlotNumber = u64;

/// The login of one token.
#[derive(Default)]
pub(crate) struct Login {
    source: Option<Arc<dyn PinSource>>,
    held: Option<Held>,
    /// The PIN by reference that the token refused, as a digest with a salt: it is not tried again.
    refused: Option<Refused>,
    /// How often slots have logged in.
    entries: u64,
}

struct Refused {
    salt: [u8; 16],
    digest: Vec<u8>,
}

impl Refused {
    fn digest(salt: &[u8; 16], pin: &[u8]) -> Vec<u8> {
        let salted = Zeroizing::new([salt.as_slice(), pin].concat());
        keyenclave_crypto::digest(Hash::Sha256, &salted).to_vec()
    }

    fn is(&self, pin: &[u8]) -> bool {
        keyenclave_crypto::ct_eq(&self.digest, &Self::digest(&self.salt, pin))
    }
}

struct Held {
    with: Kept,
    /// Slots that logged in, and when; none for a login by reference.
    slots: HashMap<SlotNumber, Entered>,
}

/// When a slot logged in.
#[derive(Clone, Copy)]
struct Entered {
    /// Which of all entries it is.
    number: u64,
    at: Instant,
}

impl Entered {
    fn next(entries: &mut u64) -> Self {
        *entries += 1;
        Self {
            number: *entries,
            at: Instant::now(),
        }
    }
}

/// What a login of the application's comes to.
pub(crate) enum Attempt {
    /// The token was logged in to already with the same PIN.
    Joined,
    /// The vendor is to be asked. Another login by reference ends first.
    Ask { log_out_first: bool },
}

/// What a login is made with when the connection is.
pub(crate) enum ToRepeat {
    /// Nobody is logged in.
    Nothing,
    /// As the application did it.
    Kept(Kept),
    /// As the configuration says.
    ByReference(Kept),
    /// As the configuration says, but the token has refused that PIN already.
    Refused,
}

impl Login {
    /// With the PIN source of a configuration. The first slot that names one decides for the token.
    pub fn configure(&mut self, source: Option<Arc<dyn PinSource>>) {
        if self.source.is_none() {
            self.source = source;
        }
    }

    /// Whether the user is logged in without the application's doing.
    pub fn is_by_reference(&self) -> bool {
        self.source.is_some()
    }

    /// Who is logged in.
    pub fn role(&self) -> Option<Role> {
        self.held.as_ref().map(|held| held.with.role)
    }

    /// Whether `slot` logs in with what is given. If it is logged in already, then without knowing: it did not wait for the
    /// answer.
    ///
    /// # Errors
    /// `CKR_USER_ANOTHER_ALREADY_LOGGED_IN`, and `CKR_PIN_INCORRECT` for another PIN than that of the login there is.
    pub fn attempt(&mut self, slot: SlotNumber, given: &Credentials<'_>) -> Result<Attempt> {
        let Some(held) = &mut self.held else {
            return Ok(Attempt::Ask { log_out_first: false });
        };
        let was_in = held.slots.remove(&slot).is_some();
        if was_in && held.slots.is_empty() && self.source.is_none() {
            return Ok(Attempt::Ask { log_out_first: true });
        }
        if held.with.role != given.role || held.with.name != given.name {
            if held.slots.is_empty() {
                return Ok(Attempt::Ask { log_out_first: true });
            }
            return Err(Rv::UserAnotherAlreadyLoggedIn.into());
        }
        let same = match (&held.with.pin, given.pin) {
            (Some(kept), Some(pin)) => keyenclave_crypto::ct_eq(kept, pin),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            return Err(Error::new(
                Rv::PinIncorrect,
                "the token is logged in to through another slot or a configured PIN, and this is another PIN",
            ));
        }
        held.slots.insert(slot, Entered::next(&mut self.entries));
        Ok(Attempt::Joined)
    }

    /// The vendor accepted a login: of a slot, or by reference.
    pub fn accepted(&mut self, slot: Option<SlotNumber>, with: &Credentials<'_>) {
        if slot.is_none() {
            self.refused = None;
        }
        let entered = Entered::next(&mut self.entries);
        self.held = Some(Held {
            with: with.keep(),
            slots: slot.into_iter().map(|slot| (slot, entered)).collect(),
        });
    }

    /// Which entry that of `slot` is, as a call knows it that nobody waits for after its `deadline`.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`.
    pub fn entry(&self, slot: SlotNumber, deadline: Option<Instant>) -> Result<u64> {
        let entered = self.held.as_ref().and_then(|held| held.slots.get(&slot));
        let known = entered.filter(|entered| deadline.is_none_or(|deadline| entered.at < deadline));
        Ok(known.ok_or(Rv::UserNotLoggedIn)?.number)
    }

    /// `slot` logs out, unless it has logged in anew since this `entry`. Whether the vendor is to be told: not while others
    /// are logged in.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`.
    pub fn leave(&mut self, slot: SlotNumber, entry: u64) -> Result<bool> {
        let held = self.held.as_mut().ok_or(Rv::UserNotLoggedIn)?;
        if held.slots.get(&slot).map(|entered| entered.number) != Some(entry) {
            return Err(Rv::UserNotLoggedIn.into());
        }
        held.slots.remove(&slot);
        let last = held.slots.is_empty();
        // A login by reference goes on, if it ever was one.
        let by_reference = self.source.is_some() && self.refused.is_none();
        if last && (!by_reference || held.with.role == Role::So) {
            self.held = None;
            return Ok(true);
        }
        Ok(false)
    }

    /// The token refused the PIN that the source gave.
    ///
    /// # Errors
    /// `CKR_FUNCTION_FAILED` where there is no random salt.
    pub fn reference_refused(&mut self, pin: &[u8]) -> Result<()> {
        let mut salt = [0; 16];
        keyenclave_crypto::rand::fill(&mut salt).map_err(|_| Error::from(Rv::FunctionFailed))?;
        let digest = Refused::digest(&salt, pin);
        self.refused = Some(Refused { salt, digest });
        Ok(())
    }

    /// Nobody is logged in any more.
    pub fn forget(&mut self) {
        self.held = None;
    }

    /// The PIN was changed by whoever is logged in.
    pub fn changed(&mut self, pin: KeptPin) {
        if let Some(held) = &mut self.held {
            held.with.pin = pin;
        }
    }

    /// With what a lost login is repeated, or the login by reference made.
    ///
    /// # Errors
    /// The PIN source's.
    pub fn to_repeat(&self) -> Result<ToRepeat> {
        match (&self.held, &self.source) {
            (Some(held), _) => Ok(ToRepeat::Kept(held.with.clone())),
            (None, Some(source)) => {
                let pin = source.pin()?;
                if self.refused.as_ref().is_some_and(|refused| refused.is(&pin)) {
                    return Ok(ToRepeat::Refused);
                }
                Ok(ToRepeat::ByReference(Kept {
                    role: Role::User,
                    name: Vec::new(),
                    pin: Some(pin),
                }))
            }
            (None, None) => Ok(ToRepeat::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    struct Fixed;

    impl PinSource for Fixed {
        fn pin(&self) -> Result<Zeroizing<Vec<u8>>> {
            Ok(Zeroizing::new(b"1234".to_vec()))
        }
    }

    fn with(role: Role, pin: Option<&str>) -> Credentials<'_> {
        Credentials {
            role,
            name: &[],
            pin: pin.map(str::as_bytes),
        }
    }

    const USER: Role = Role::User;

    fn leave(login: &mut Login, slot: SlotNumber) -> Result<bool> {
        login.entry(slot, None).and_then(|entry| login.leave(slot, entry))
    }

    #[test]
    fn a_login_lasts_until_the_last_slot_has_logged_out() {
        let mut login = Login::default();
        login.accepted(Some(1), &with(USER, Some("1234")));
        assert!(matches!(
            login.attempt(2, &with(USER, Some("1234"))),
            Ok(Attempt::Joined)
        ));
        assert!(!leave(&mut login, 1).unwrap());
        assert!(leave(&mut login, 2).unwrap());
        assert_eq!(
            leave(&mut login, 2).map_err(|error| error.rv()),
            Err(Rv::UserNotLoggedIn)
        );
        assert!(
            matches!(login.to_repeat().unwrap(), ToRepeat::Nothing),
            "the PIN is gone"
        );
    }

    #[test]
    fn another_pin_does_not_join_a_login() {
        let mut login = Login::default();
        login.accepted(Some(1), &with(USER, Some("1234")));
        let rv = |result: Result<Attempt>| result.err().map(|error| error.rv());
        assert_eq!(
            rv(login.attempt(2, &with(USER, Some("4321")))),
            Some(Rv::PinIncorrect)
        );
        assert_eq!(rv(login.attempt(2, &with(USER, None))), Some(Rv::PinIncorrect));
        assert_eq!(
            rv(login.attempt(2, &with(Role::So, Some("1234")))),
            Some(Rv::UserAnotherAlreadyLoggedIn)
        );
    }

    #[test]
    fn a_login_by_reference_outlives_the_applications() {
        let mut login = Login::default();
        login.configure(Some(Arc::new(Fixed)));
        let ToRepeat::ByReference(kept) = login.to_repeat().unwrap() else {
            panic!("there is a source");
        };
        login.accepted(None, &kept.credentials());
        assert!(matches!(
            login.attempt(1, &with(USER, Some("1234"))),
            Ok(Attempt::Joined)
        ));
        assert!(!leave(&mut login, 1).unwrap());
        assert_eq!(login.role(), Some(Role::User));
        let attempt = login.attempt(1, &with(Role::So, Some("so")));
        assert!(matches!(attempt, Ok(Attempt::Ask { log_out_first: true })));
    }

    #[test]
    fn who_logs_in_again_knows_of_no_login_of_its_own() {
        let mut login = Login::default();
        login.accepted(Some(1), &with(Role::So, Some("so")));
        let user = with(USER, Some("1234"));
        assert!(matches!(
            login.attempt(1, &user),
            Ok(Attempt::Ask { log_out_first: true })
        ));
        login.accepted(Some(1), &user);
        let other = login.attempt(2, &with(Role::So, Some("so")));
        assert_eq!(
            other.err().map(|error| error.rv()),
            Some(Rv::UserAnotherAlreadyLoggedIn)
        );
    }

    #[test]
    fn a_logout_of_before_does_not_end_a_new_login() {
        let mut login = Login::default();
        login.accepted(Some(1), &with(USER, Some("1234")));
        let entry = login.entry(1, None).unwrap();
        let user = with(USER, Some("1234"));
        assert!(matches!(login.attempt(1, &user), Ok(Attempt::Ask { .. })));
        login.accepted(Some(1), &user);
        assert!(login.leave(1, entry).is_err());
        assert_eq!(login.role(), Some(USER));
    }

    #[test]
    fn a_call_that_is_over_knows_of_no_login_of_afterwards() {
        let mut login = Login::default();
        let deadline = Some(Instant::now());
        login.accepted(Some(1), &with(USER, Some("1234")));
        let rv = login.entry(1, deadline).map_err(|error| error.rv());
        assert_eq!(rv, Err(Rv::UserNotLoggedIn));
        let later = Instant::now() + std::time::Duration::from_secs(1);
        assert!(login.entry(1, Some(later)).is_ok());
    }

    #[test]
    fn a_refused_reference_is_not_offered_again_until_it_is_another() {
        let mut login = Login::default();
        login.configure(Some(Arc::new(Fixed)));
        login.reference_refused(b"1234").unwrap();
        assert!(matches!(login.to_repeat().unwrap(), ToRepeat::Refused));
        login.reference_refused(b"4321").unwrap();
        assert!(matches!(login.to_repeat().unwrap(), ToRepeat::ByReference(_)));
    }
}
