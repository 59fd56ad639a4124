// SPDX-License-Identifier: MIT
//! Sessions, and who is logged in.

use std::ptr::null_mut;

use cryptoki_sys as ck;

use super::memory::{bytes, count, made, optional};
use super::{Answer, Module, Session};

impl Module {
    /// `C_OpenSession`, without notifications.
    pub fn open_session(&self, slot: ck::CK_SLOT_ID, writable: bool) -> Answer<Session> {
        let flags = ck::CKF_SERIAL_SESSION | if writable { ck::CKF_RW_SESSION } else { 0 };
        made(|out| call!(self, C_OpenSession(slot, flags, null_mut(), None, out)))
    }

    /// `C_CloseSession`.
    pub fn close_session(&self, session: Session) -> Answer<()> {
        call!(self, C_CloseSession(session))
    }

    /// `C_CloseAllSessions`.
    #[cfg(test)]
    pub fn close_all_sessions(&self, slot: ck::CK_SLOT_ID) -> Answer<()> {
        call!(self, C_CloseAllSessions(slot))
    }

    /// `C_GetSessionInfo`.
    pub fn session_info(&self, session: Session) -> Answer<ck::CK_SESSION_INFO> {
        let mut info = ck::CK_SESSION_INFO::default();
        call!(self, C_GetSessionInfo(session, &raw mut info)).map(|()| info)
    }

    /// Whether there is a `C_GetSessionValidationFlags`.
    pub fn has_validation_flags(&self) -> bool {
        self.list.C_GetSessionValidationFlags.is_some()
    }

    /// `C_GetSessionValidationFlags`, from version 3.2 on.
    pub fn validation_flags(
        &self,
        session: Session,
        kind: ck::CK_SESSION_VALIDATION_FLAGS_TYPE,
    ) -> Answer<ck::CK_FLAGS> {
        let mut flags = 0;
        call!(self, C_GetSessionValidationFlags(session, kind, &raw mut flags)).map(|()| flags)
    }

    /// `C_SessionCancel`, from version 3.0 on.
    pub fn cancel(&self, session: Session, flags: ck::CK_FLAGS) -> Answer<()> {
        call!(self, C_SessionCancel(session, flags))
    }

    /// `C_Login`; no PIN where the token has a keypad of its own.
    pub fn login(&self, session: Session, user: ck::CK_USER_TYPE, pin: Option<&[u8]>) -> Answer<()> {
        let (pin, len) = optional(pin);
        call!(self, C_Login(session, user, pin, len))
    }

    /// `C_LoginUser`, from version 3.0 on.
    pub fn login_user(
        &self,
        session: Session,
        user: ck::CK_USER_TYPE,
        pin: Option<&[u8]>,
        name: &[u8],
    ) -> Answer<()> {
        let (pin, len) = optional(pin);
        call!(
            self,
            C_LoginUser(session, user, pin, len, bytes(name), count(name))
        )
    }

    /// `C_Logout`.
    pub fn logout(&self, session: Session) -> Answer<()> {
        call!(self, C_Logout(session))
    }

    /// `C_InitPIN`.
    pub fn init_pin(&self, session: Session, pin: Option<&[u8]>) -> Answer<()> {
        let (pin, len) = optional(pin);
        call!(self, C_InitPIN(session, pin, len))
    }

    /// `C_SetPIN`.
    pub fn set_pin(&self, session: Session, old: Option<&[u8]>, new: Option<&[u8]>) -> Answer<()> {
        let ((old, old_len), (new, new_len)) = (optional(old), optional(new));
        call!(self, C_SetPIN(session, old, old_len, new, new_len))
    }
}
