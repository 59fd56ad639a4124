// SPDX-License-Identifier: MIT
//! The module, its tokens and a session, for one command: opened, used, closed.

use cryptoki_sys as ck;

use crate::args::Which;
use crate::failure::{Failure, Kind};
use crate::loader::{Attribute, Module};
use crate::pin::{self, Pin};
use crate::place;

/// An initialised module; finalised when it is dropped.
pub struct Running {
    module: Module,
    threads: bool,
}

impl Running {
    /// Loads and initialises the module that is told, or KeyEnclave's own.
    ///
    /// # Errors
    /// A [`Failure`]; a wrong configuration of KeyEnclave is told as such.
    pub fn start(told: Option<&std::path::Path>) -> Result<Self, Failure> {
        let module = Module::load(&place::module(told)?)?;
        if module.is_own() {
            // Before the module reads it: that would log what is told here.
            check_configuration()?;
        }
        let threads = module.initialize()?;
        Ok(Self { module, threads })
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Whether several threads may call it.
    pub fn may_thread(&self) -> bool {
        self.threads
    }

    /// Every slot, with what is in it.
    ///
    /// # Errors
    /// The module's refusal to list them.
    pub fn slots(&self) -> Result<Vec<Slot>, Failure> {
        let ids = self.module.slots()?;
        let slots = ids.into_iter().map(|id| Slot {
            id,
            description: self
                .module
                .slot_info(id)
                .map(|info| text(&info.slotDescription))
                .unwrap_or_default(),
            token: self
                .module
                .token_info(id)
                .map(TokenInfo::from)
                .map_err(Failure::from),
        });
        Ok(slots.collect())
    }

    /// The slot that is meant.
    ///
    /// # Errors
    /// A [`Failure`] when it does not exist or several could be meant.
    pub fn slot(&self, which: &Which) -> Result<ck::CK_SLOT_ID, Failure> {
        if let Some(slot) = which.slot {
            return Ok(slot);
        }
        let wanted = |token: &TokenInfo| match &which.token {
            Some(label) => token.label == *label,
            None => token.is_initialised(),
        };
        let missing = match &which.token {
            Some(label) => format!("there is no token with the label `{label}`"),
            None => "no token is initialised yet".to_owned(),
        };
        self.the_one(
            wanted,
            &missing,
            "run `keyenclave slots` to see what is there, `keyenclave token init` to set one up",
        )
    }

    /// The only slot with an uninitialised token.
    ///
    /// # Errors
    /// A [`Failure`] when there is none, or more than one.
    pub fn blank_slot(&self) -> Result<ck::CK_SLOT_ID, Failure> {
        let help = "name a slot with --slot; what is in its token will be destroyed";
        self.the_one(
            |token| !token.is_initialised(),
            "every token is initialised already",
            help,
        )
    }

    fn the_one(
        &self,
        wanted: impl Fn(&TokenInfo) -> bool,
        missing: &str,
        help: &str,
    ) -> Result<ck::CK_SLOT_ID, Failure> {
        let slots = self.slots()?;
        let mut fitting = slots
            .iter()
            .filter(|slot| slot.token.as_ref().is_ok_and(&wanted))
            .map(|slot| slot.id);
        let unreadable = || {
            slots
                .iter()
                .find_map(|slot| Some((slot, slot.token.as_ref().err()?)))
        };
        match (fitting.next(), fitting.next()) {
            (Some(slot), None) => Ok(slot),
            (Some(_), Some(_)) => Err(Failure::usage(
                "more than one slot could be meant",
                "say which with --slot; see `keyenclave slots`",
            )),
            // The token that is meant may be the one that cannot be looked at: no advice to make another one.
            _ => Err(match unreadable() {
                Some((slot, failure)) => Failure::new(
                    failure.kind,
                    format!(
                        "{missing}, and slot {} does not tell: {}",
                        slot.id, failure.message
                    ),
                    failure.help.as_str(),
                ),
                None => Failure::new(Kind::NotFound, missing, help),
            }),
        }
    }

    /// A session on the token that is meant, nobody logged in.
    ///
    /// # Errors
    /// A [`Failure`] when the token is not there or the module refuses.
    pub fn session(&self, slot: ck::CK_SLOT_ID, flags: ck::CK_FLAGS) -> Result<Session<'_>, Failure> {
        let info = TokenInfo::from(self.module.token_info(slot)?);
        if !info.is_initialised() {
            let message = format!("the token in slot {slot} is not initialised");
            return Err(Failure::new(
                Kind::NotFound,
                message,
                "run `keyenclave token init` first",
            ));
        }
        let handle = self.module.open_session(slot, flags)?;
        Ok(Session {
            slot,
            module: &self.module,
            handle,
        })
    }

    /// A session on the token that is meant, with the user logged in where the token wants that.
    ///
    /// # Errors
    /// As [`Running::session`], and the login's.
    pub fn login(&self, which: &Which, flags: ck::CK_FLAGS) -> Result<Session<'_>, Failure> {
        let slot = self.slot(which)?;
        let session = self.session(slot, flags)?;
        let info = TokenInfo::from(self.module.token_info(slot)?);
        if info.flags & ck::CKF_LOGIN_REQUIRED != 0 {
            let pin = pin::read(&which.pin, &format!("PIN of token `{}`", info.label))?;
            session.login(ck::CKU_USER, &pin)?;
        }
        Ok(session)
    }
}

fn check_configuration() -> Result<(), Failure> {
    let unusable = |error| {
        let message = format!("the configuration cannot be used:\n{error}");
        let help = "`keyenclave config check` looks at it again";
        Failure::new(Kind::Configuration, message, help)
    };
    keyenclave_module::config::load().map(drop).map_err(unusable)
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program ends: whatever this returns, there is nothing left to do about it.
        let _ = self.module.finalize();
    }
}

/// A slot and what is in it.
pub struct Slot {
    /// Its id.
    pub id: ck::CK_SLOT_ID,
    /// What it is.
    pub description: String,
    /// Its token, or why there is none.
    pub token: Result<TokenInfo, Failure>,
}

/// What is told of a token.
pub struct TokenInfo {
    /// The label.
    pub label: String,
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// `CKF_…`.
    pub flags: ck::CK_FLAGS,
}

impl TokenInfo {
    /// Whether the token was initialised.
    pub fn is_initialised(&self) -> bool {
        self.flags & ck::CKF_TOKEN_INITIALIZED != 0
    }

    /// What people should know about its PINs, in words.
    pub fn states(&self) -> Vec<&'static str> {
        const STATES: [(ck::CK_FLAGS, &str); 7] = [
            (ck::CKF_USER_PIN_COUNT_LOW, "user PIN: wrong before"),
            (ck::CKF_USER_PIN_FINAL_TRY, "user PIN: last try"),
            (ck::CKF_USER_PIN_LOCKED, "user PIN: locked"),
            (ck::CKF_SO_PIN_COUNT_LOW, "SO PIN: wrong before"),
            (ck::CKF_SO_PIN_FINAL_TRY, "SO PIN: last try"),
            (ck::CKF_SO_PIN_LOCKED, "SO PIN: locked"),
            (ck::CKF_WRITE_PROTECTED, "write-protected"),
        ];
        STATES
            .iter()
            .filter(|(flag, _)| self.flags & flag != 0)
            .map(|(_, words)| *words)
            .collect()
    }
}

impl From<ck::CK_TOKEN_INFO> for TokenInfo {
    fn from(info: ck::CK_TOKEN_INFO) -> Self {
        Self {
            label: text(&info.label),
            manufacturer: text(&info.manufacturerID),
            model: text(&info.model),
            serial: text(&info.serialNumber),
            flags: info.flags,
        }
    }
}

/// A session; closed when it is dropped.
pub struct Session<'m> {
    module: &'m Module,
    /// Its slot.
    pub slot: ck::CK_SLOT_ID,
    /// Its handle.
    pub handle: ck::CK_SESSION_HANDLE,
}

impl Session<'_> {
    /// The module that it is a session of.
    pub fn module(&self) -> &Module {
        self.module
    }

    /// Logs in.
    ///
    /// # Errors
    /// The module's refusal.
    pub fn login(&self, user: ck::CK_USER_TYPE, pin: &Pin) -> Result<(), Failure> {
        Ok(self.module.login(self.handle, user, pin.bytes())?)
    }

    /// Objects that match.
    ///
    /// # Errors
    /// The module's refusal.
    pub fn find(&self, template: &[Attribute]) -> Result<Vec<ck::CK_OBJECT_HANDLE>, Failure> {
        Ok(self.module.find(self.handle, template)?)
    }

    /// An attribute; `None` where the object has none.
    ///
    /// # Errors
    /// The module's refusal.
    pub fn attribute(
        &self,
        object: ck::CK_OBJECT_HANDLE,
        kind: ck::CK_ATTRIBUTE_TYPE,
    ) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.module.attribute(self.handle, object, kind)?)
    }

    /// Generates a key.
    ///
    /// # Errors
    /// The module's refusal.
    pub fn generate_key(&self, kind: ck::CK_MECHANISM_TYPE, template: &[Attribute]) -> Result<(), Failure> {
        Ok(self.module.generate_key(self.handle, kind, template)?)
    }

    /// Generates a key pair.
    ///
    /// # Errors
    /// The module's refusal.
    pub fn generate_key_pair(
        &self,
        kind: ck::CK_MECHANISM_TYPE,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(), Failure> {
        Ok(self
            .module
            .generate_key_pair(self.handle, kind, public, private)?)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // As above: the session ends with the module at the latest.
        let _ = self.module.close_session(self.handle);
    }
}

/// Blank-padded text.
pub fn text(padded: &[u8]) -> String {
    String::from_utf8_lossy(padded)
        .trim_end_matches([' ', '\0'])
        .to_owned()
}
