// SPDX-License-Identifier: MIT
//! Initialising, PINs and logins: everything that has to do with the root key.
//!
//! The vault, and with it the root key, is held exactly while somebody is logged in. No lock is held while a PIN is
//! tried: that takes a tenth of a second on purpose.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use keyenclave_crypto::rand;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::serial::serial_number;
use keyenclave_model::token::{CallCx, Pin, Role};
use parking_lot::RwLock;

use crate::engine::Engine;
use crate::error::{Doing, from_sealer, from_store, from_vault, from_writing};
use crate::sealer::{Binding, DEFAULT_LIMIT, PinCost, PinSealer, Sealer, Unlocked, unlock};
use crate::store::{
    self, Columns, Header, Identity, Incarnation, InsteadOf, NewToken, SealerRecord, Store, StoreError,
};
use crate::vault::{RootKey, Vault};

/// Allowed lengths of a new PIN, in bytes.
pub const PIN_LEN: RangeInclusive<usize> = 4..=255;

/// Makes the sealer that a PIN opens: what a soft token is parametrised with beside its store.
pub trait Sealers: Send + Sync + 'static {
    /// The sealer for one try, or for one new PIN.
    fn sealer<'a>(&'a self, pin: &'a [u8]) -> Box<dyn Sealer + 'a>;
}

/// PINs with Argon2id, see [`PinSealer`].
#[derive(Clone, Copy, Debug)]
pub struct PinSealers {
    /// What a try at a new PIN costs.
    pub cost: PinCost,
    /// How many attempts lock a new PIN.
    pub limit: u32,
}

impl Default for PinSealers {
    fn default() -> Self {
        Self {
            cost: PinCost::DEFAULT,
            limit: DEFAULT_LIMIT,
        }
    }
}

impl Sealers for PinSealers {
    fn sealer<'a>(&'a self, pin: &'a [u8]) -> Box<dyn Sealer + 'a> {
        Box::new(PinSealer {
            pin,
            cost: self.cost,
            limit: self.limit,
        })
    }
}

/// Somebody is logged in.
pub(crate) struct Login {
    /// Who.
    pub(crate) role: Role,
    /// To which life of the token.
    pub(crate) incarnation: Incarnation,
    /// Seals and opens objects.
    pub(crate) vault: Vault,
    /// Whether an object without a MAC is nobody's: everything is written by who has the key.
    pub(crate) attested_only: bool,
    /// What was blinded lately: applications look for the same few objects again and again.
    blinded: RwLock<HashMap<Columns, Columns>>,
}

/// How many blinded columns are remembered.
const BLINDED_LIMIT: usize = 256;

impl Login {
    pub(crate) fn new(role: Role, incarnation: Incarnation, vault: Vault) -> Self {
        Self {
            role,
            incarnation,
            vault,
            attested_only: false,
            blinded: RwLock::default(),
        }
    }

    /// The blinded form of columns to look for.
    pub(crate) fn blind(&self, columns: &Columns) -> Result<Columns> {
        if let Some(blinded) = self.blinded.read().get(columns) {
            return Ok(blinded.clone());
        }
        let blinded = self.vault.blind(columns).map_err(from_vault)?;
        let mut known = self.blinded.write();
        if known.len() >= BLINDED_LIMIT {
            known.clear();
        }
        known.insert(columns.clone(), blinded.clone());
        Ok(blinded)
    }
}

impl<S: Store, K: Sealers> Engine<S, K> {
    /// `C_InitToken`.
    ///
    /// # Errors
    /// `CKR_PIN_INCORRECT` or `CKR_PIN_LOCKED` on a token that has been initialised, else `CKR_PIN_LEN_RANGE`.
    pub(crate) fn init_token(&self, so_pin: Pin<'_>, label: [u8; 32]) -> Result<()> {
        let replaces = match self.store.header().map_err(from_store)? {
            None => {
                check_len(so_pin)?;
                None
            }
            Some(_) => Some(self.unlock(Role::So, so_pin)?.header.incarnation),
        };
        let header = new_header(label)?;
        let root = RootKey::generate().map_err(from_vault)?;
        let sealer = self.wrap(Role::So, so_pin, header.identity, &root)?;
        let token = NewToken {
            header,
            sealers: vec![(store::Role::So, sealer)],
        };
        self.store.initialise(&token, replaces).map_err(from_writing)?;
        self.forget_all();
        Ok(())
    }

    /// `C_InitPIN`: wraps the root key for the user. What was sealed before stays readable.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN` without the security officer, `CKR_PIN_LEN_RANGE`.
    pub(crate) fn init_pin(&self, pin: Pin<'_>) -> Result<()> {
        check_len(pin)?;
        let login = self
            .login()
            .filter(|login| login.role == Role::So)
            .ok_or(Rv::UserNotLoggedIn)?;
        let record = self.wrap(Role::User, pin, login.vault.identity(), login.vault.root())?;
        self.store
            .put_sealer(store::Role::User, &record, login.incarnation, InsteadOf::Anything)
            .map_err(from_writing)
    }

    /// `C_SetPIN`: the old PIN is tried like at a login, and counted like one. A PIN that somebody else sets meanwhile
    /// stays.
    ///
    /// # Errors
    /// `CKR_PIN_INCORRECT`, `CKR_PIN_LOCKED`, `CKR_PIN_LEN_RANGE`, `CKR_USER_PIN_NOT_INITIALIZED`.
    pub(crate) fn set_pin(&self, cx: &CallCx, old: Pin<'_>, new: Pin<'_>) -> Result<()> {
        check_len(new)?;
        let role = cx.access.login.unwrap_or(Role::User);
        let old = self.unlock(role, old)?;
        let record = self.wrap(role, new, old.header.identity, &old.root)?;
        self.store
            .put_sealer(
                store_role(role),
                &record,
                old.header.incarnation,
                InsteadOf::This(&old.record),
            )
            .map_err(from_writing)
    }

    /// `C_Login`.
    ///
    /// # Errors
    /// `CKR_PIN_INCORRECT`, `CKR_PIN_LOCKED`, `CKR_USER_PIN_NOT_INITIALIZED`, `CKR_TOKEN_NOT_INITIALIZED`.
    pub(crate) fn log_in(&self, role: Role, pin: Pin<'_>) -> Result<()> {
        let Unlocked { root, header, .. } = self.unlock(role, pin)?;
        let vault = Vault::new(root, header.identity).map_err(from_vault)?;
        self.set_login(Some(Arc::new(Login::new(role, header.incarnation, vault))));
        // If the index had seen another token before we were logged in to the old one, nobody would notice later.
        let life = |now: Option<Header>| now.map(|now| now.incarnation);
        let refused = match self.store.header().map(life) {
            Ok(now) if now == Some(header.incarnation) => return Ok(()),
            Ok(_) => StoreError::TokenChanged,
            Err(error) => error,
        };
        self.set_login(None);
        Err(from_store(refused))
    }

    /// `C_Login` as `CKU_CONTEXT_SPECIFIC`: the PIN is tried like at a login, and counted like one.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` if no operation asks for a PIN, `CKR_USER_NOT_LOGGED_IN`, `CKR_PIN_INCORRECT`,
    /// `CKR_PIN_LOCKED`.
    pub(crate) fn authenticate(&self, cx: &CallCx, pin: Pin<'_>) -> Result<()> {
        let grant = self.waiting.of(cx.session)?;
        if cx.access.login != Some(Role::User) {
            return Err(Rv::UserNotLoggedIn.into());
        }
        self.unlock(Role::User, pin)?;
        grant.give();
        Ok(())
    }

    fn unlock(&self, role: Role, pin: Pin<'_>) -> Result<Unlocked> {
        let unlocked = unlock(&self.store, store_role(role), &*self.sealers.sealer(pin.0));
        unlocked.map_err(|refused| {
            let error = from_sealer(refused.error);
            match (role, error.rv()) {
                // There is no user on a token that nobody has initialised: the answer that clients know.
                (Role::User, Rv::TokenNotInitialized) => {
                    Error::new(Rv::UserPinNotInitialized, error.detail().unwrap_or_default())
                }
                _ => error,
            }
        })
    }

    fn wrap(&self, role: Role, pin: Pin<'_>, identity: Identity, root: &RootKey) -> Result<SealerRecord> {
        let binding = Binding {
            identity,
            role: store_role(role),
        };
        self.sealers
            .sealer(pin.0)
            .wrap(binding, root)
            .map_err(from_sealer)
    }
}

/// A header for a new token: random, and the serial number shows a part of it.
pub(crate) fn new_header(label: [u8; 32]) -> Result<Header> {
    let identity: [u8; 16] = random()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ok(Header {
        identity: Identity(identity),
        incarnation: Incarnation(random()?),
        label,
        serial: serial_number(&identity),
        created: now.map(|elapsed| elapsed.as_secs()).unwrap_or_default(),
    })
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|error| Doing::Internal.failed(error))?;
    Ok(bytes)
}

pub(crate) fn check_len(pin: Pin<'_>) -> Result<()> {
    if PIN_LEN.contains(&pin.0.len()) {
        return Ok(());
    }
    let (min, max) = (PIN_LEN.start(), PIN_LEN.end());
    Err(Error::new(
        Rv::PinLenRange,
        format!("a PIN has {min} to {max} bytes"),
    ))
}

/// The store's name of a role.
pub(crate) fn store_role(role: Role) -> store::Role {
    match role {
        Role::User => store::Role::User,
        Role::So => store::Role::So,
    }
}
