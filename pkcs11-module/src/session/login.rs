// SPDX-License-Identifier: MIT
//! One token's state in this application: who is logged in, and how many sessions are open.
//!
//! Logging in, logging out and initialising take a call to the token, which no lock may span. So each has a beginning
//! and an end, with [`Login::Changing`] between them; whoever needs the outcome waits for the end.

use keyenclave_model::access::Access;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::Role;

/// Who is logged in to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Nobody: public sessions.
    Nobody,
    /// A call to the token is under way that decides it.
    Changing(Change),
    /// Somebody.
    As(Role),
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `C_Login` of this role.
    LoggingIn(Role),
    /// `C_Logout`, or the last session was closed, or the token was replaced by somebody.
    LoggingOut,
    /// `C_InitToken`.
    Initialising,
}

/// What a transition comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin {
    /// Go on, and report the end.
    Go,
    /// Another change is under way: wait for its end, then ask again.
    Wait,
}

/// One token's state.
#[derive(Debug)]
pub struct TokenState {
    login: Login,
    /// The token's epoch when somebody logged in.
    epoch: u64,
    read_only: usize,
    read_write: usize,
}

impl Default for TokenState {
    fn default() -> Self {
        Self {
            login: Login::Nobody,
            epoch: 0,
            read_only: 0,
            read_write: 0,
        }
    }
}

impl TokenState {
    /// Who is logged in, as sessions see it: during a change, nobody.
    pub fn role(&self) -> Option<Role> {
        match self.login {
            Login::As(role) => Some(role),
            Login::Nobody | Login::Changing(_) => None,
        }
    }

    /// What a session of this kind may do.
    pub fn access(&self, writable: bool) -> Access {
        Access {
            writable,
            login: self.role(),
        }
    }

    /// The token's epoch when somebody logged in last.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many sessions are open, and how many of these are read/write sessions.
    pub fn sessions(&self) -> (usize, usize) {
        (self.read_only + self.read_write, self.read_write)
    }

    /// `C_OpenSession`.
    ///
    /// # Errors
    /// `CKR_SESSION_READ_WRITE_SO_EXISTS` for a read-only session beside the security officer.
    pub fn open(&mut self, writable: bool) -> Result<Begin> {
        match self.login {
            Login::Changing(Change::Initialising | Change::LoggingOut) => return Ok(Begin::Wait),
            Login::Changing(Change::LoggingIn(Role::So)) if !writable => return Ok(Begin::Wait),
            Login::As(Role::So) if !writable => return Err(Rv::SessionReadWriteSoExists.into()),
            Login::Nobody | Login::As(_) | Login::Changing(Change::LoggingIn(_)) => {}
        }
        *self.count(writable) += 1;
        Ok(Begin::Go)
    }

    /// A session was closed. True if it was the last one and somebody is logged in: log out now (PKCS#11 3.2,
    /// `C_CloseSession`), and report with [`end_logout`](Self::end_logout).
    pub fn closed(&mut self, writable: bool) -> bool {
        let count = self.count(writable);
        *count = count.saturating_sub(1);
        self.log_out_if_unused()
    }

    /// `C_Login`.
    ///
    /// # Errors
    /// `CKR_USER_ALREADY_LOGGED_IN`, `CKR_USER_ANOTHER_ALREADY_LOGGED_IN`, `CKR_SESSION_READ_ONLY_EXISTS`.
    pub fn begin_login(&mut self, role: Role) -> Result<Begin> {
        match self.login {
            Login::Changing(_) => Ok(Begin::Wait),
            Login::As(other) if other == role => Err(Rv::UserAlreadyLoggedIn.into()),
            Login::As(_) => Err(Rv::UserAnotherAlreadyLoggedIn.into()),
            Login::Nobody if role == Role::So && self.read_only > 0 => Err(Rv::SessionReadOnlyExists.into()),
            Login::Nobody => {
                self.login = Login::Changing(Change::LoggingIn(role));
                Ok(Begin::Go)
            }
        }
    }

    /// The token has decided on a login, in this epoch. True if the last session was closed meanwhile: log out now,
    /// and report with [`end_logout`](Self::end_logout).
    pub fn end_login(&mut self, role: Option<Role>, epoch: u64) -> bool {
        self.login = role.map_or(Login::Nobody, Login::As);
        self.epoch = epoch;
        self.log_out_if_unused()
    }

    /// `C_Logout`.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`.
    pub fn begin_logout(&mut self) -> Result<Begin> {
        match self.login {
            Login::Changing(_) => Ok(Begin::Wait),
            Login::Nobody => Err(Rv::UserNotLoggedIn.into()),
            Login::As(_) => {
                self.login = Login::Changing(Change::LoggingOut);
                Ok(Begin::Go)
            }
        }
    }

    /// The token is in another epoch: whoever was logged in before is not any more. True if that is so: log out now,
    /// and report with [`end_logout`](Self::end_logout).
    pub fn moved_to(&mut self, epoch: u64) -> bool {
        let void = matches!(self.login, Login::As(_)) && self.epoch != epoch;
        if void {
            self.login = Login::Changing(Change::LoggingOut);
        }
        void
    }

    /// The token has logged out.
    pub fn end_logout(&mut self) {
        self.login = Login::Nobody;
    }

    /// `C_InitToken`.
    ///
    /// # Errors
    /// `CKR_SESSION_EXISTS`.
    pub fn begin_init(&mut self) -> Result<Begin> {
        if self.sessions().0 > 0 {
            return Err(Rv::SessionExists.into());
        }
        if matches!(self.login, Login::Changing(_)) {
            return Ok(Begin::Wait);
        }
        self.login = Login::Changing(Change::Initialising);
        Ok(Begin::Go)
    }

    /// The token was initialised, or was not.
    pub fn end_init(&mut self) {
        self.login = Login::Nobody;
    }

    fn count(&mut self, writable: bool) -> &mut usize {
        if writable {
            &mut self.read_write
        } else {
            &mut self.read_only
        }
    }

    fn log_out_if_unused(&mut self) -> bool {
        let unused = self.sessions().0 == 0 && matches!(self.login, Login::As(_));
        if unused {
            self.login = Login::Changing(Change::LoggingOut);
        }
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged_in(role: Role) -> TokenState {
        let mut state = TokenState::default();
        assert_eq!(state.open(true).ok(), Some(Begin::Go));
        assert_eq!(state.begin_login(role).ok(), Some(Begin::Go));
        assert!(!state.end_login(Some(role), 1));
        state
    }

    #[test]
    fn a_read_only_session_and_the_security_officer_exclude_each_other() {
        let mut state = logged_in(Role::So);
        assert_eq!(
            state.open(false).map_err(|e| e.rv()),
            Err(Rv::SessionReadWriteSoExists)
        );
        let mut state = TokenState::default();
        assert!(state.open(false).is_ok());
        assert_eq!(
            state.begin_login(Role::So).map_err(|e| e.rv()),
            Err(Rv::SessionReadOnlyExists)
        );
        assert!(state.begin_login(Role::User).is_ok());
    }

    #[test]
    fn closing_the_last_session_logs_out() {
        let mut state = logged_in(Role::User);
        assert!(state.open(false).is_ok());
        assert!(!state.closed(true));
        assert!(state.closed(false));
        assert_eq!(state.role(), None);
        assert_eq!(state.begin_login(Role::User).ok(), Some(Begin::Wait));
        state.end_logout();
        assert_eq!(state.begin_login(Role::User).ok(), Some(Begin::Go));
    }

    #[test]
    fn a_session_closed_during_the_login_ends_the_login() {
        let mut state = TokenState::default();
        assert!(state.open(true).is_ok());
        assert!(state.begin_login(Role::User).is_ok());
        assert!(!state.closed(true));
        assert!(state.end_login(Some(Role::User), 1));
    }

    #[test]
    fn another_epoch_voids_the_login() {
        let mut state = logged_in(Role::User);
        assert!(!state.moved_to(1));
        assert!(state.moved_to(2));
        assert!(!state.moved_to(2));
        state.end_logout();
        assert_eq!(state.begin_logout().map_err(|e| e.rv()), Err(Rv::UserNotLoggedIn));
    }

    #[test]
    fn a_token_with_sessions_is_not_initialised() {
        let mut state = TokenState::default();
        assert!(state.open(true).is_ok());
        assert_eq!(state.begin_init().map_err(|e| e.rv()), Err(Rv::SessionExists));
        assert!(!state.closed(true));
        assert_eq!(state.begin_init().ok(), Some(Begin::Go));
        assert_eq!(state.open(true).ok(), Some(Begin::Wait));
    }
}
