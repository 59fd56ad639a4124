// SPDX-License-Identifier: MIT
//! Sessions, logins, and what a session gives without an object.

use std::ptr::null_mut;

use cryptoki_sys as ck;

use super::Module;
use super::arguments::{input, to_ulong};
use super::refusal::Returned;

impl Module {
    /// `C_OpenSession`.
    pub fn open_session(&self, slot: ck::CK_SLOT_ID, flags: ck::CK_FLAGS) -> Returned<ck::CK_SESSION_HANDLE> {
        let mut session = ck::CK_INVALID_HANDLE;
        let all = flags | ck::CKF_SERIAL_SESSION;
        call!(self, C_OpenSession(slot, all, null_mut(), None, &raw mut session)).map(|()| session)
    }

    /// `C_CloseSession`.
    pub fn close_session(&self, session: ck::CK_SESSION_HANDLE) -> Returned<()> {
        call!(self, C_CloseSession(session))
    }

    /// `C_Login`.
    pub fn login(&self, session: ck::CK_SESSION_HANDLE, user: ck::CK_USER_TYPE, pin: &[u8]) -> Returned<()> {
        let (pin, pin_len) = input(pin);
        call!(self, C_Login(session, user, pin, pin_len))
    }

    /// `C_InitPIN`.
    pub fn init_pin(&self, session: ck::CK_SESSION_HANDLE, pin: &[u8]) -> Returned<()> {
        let (pin, pin_len) = input(pin);
        call!(self, C_InitPIN(session, pin, pin_len))
    }

    /// `C_GenerateRandom`.
    pub fn random(&self, session: ck::CK_SESSION_HANDLE, out: &mut [u8]) -> Returned<()> {
        call!(
            self,
            C_GenerateRandom(session, out.as_mut_ptr(), to_ulong(out.len()))
        )
    }
}
