// SPDX-License-Identifier: MIT
//! The module itself, its slots and their tokens.

use std::ptr::null_mut;

use cryptoki_sys as ck;

use super::Module;
use super::arguments::{input, room, to_usize};
use super::refusal::{Refusal, Returned};

impl Module {
    /// `C_Initialize`; tells whether several threads may call the module.
    pub fn initialize(&self) -> Returned<bool> {
        let mut args = ck::CK_C_INITIALIZE_ARGS {
            flags: ck::CKF_OS_LOCKING_OK,
            ..ck::CK_C_INITIALIZE_ARGS::default()
        };
        match call!(self, C_Initialize((&raw mut args).cast())) {
            Ok(()) => Ok(true),
            Err(Refusal {
                rv: ck::CKR_CANT_LOCK,
                ..
            }) => call!(self, C_Initialize(null_mut())).map(|()| false),
            Err(refusal) => Err(refusal),
        }
    }

    /// `C_Finalize`.
    pub fn finalize(&self) -> Returned<()> {
        call!(self, C_Finalize(null_mut()))
    }

    /// `C_GetInfo`.
    pub fn info(&self) -> Returned<ck::CK_INFO> {
        let mut info = ck::CK_INFO::default();
        call!(self, C_GetInfo(&raw mut info)).map(|()| info)
    }

    /// `C_GetSlotList`: all slots, with and without tokens.
    pub fn slots(&self) -> Returned<Vec<ck::CK_SLOT_ID>> {
        let mut count = 0;
        call!(self, C_GetSlotList(ck::CK_FALSE, null_mut(), &raw mut count))?;
        let mut slots = room("C_GetSlotList", count)?;
        call!(
            self,
            C_GetSlotList(ck::CK_FALSE, slots.as_mut_ptr(), &raw mut count)
        )?;
        slots.truncate(to_usize(count));
        Ok(slots)
    }

    /// `C_GetSlotInfo`.
    pub fn slot_info(&self, slot: ck::CK_SLOT_ID) -> Returned<ck::CK_SLOT_INFO> {
        let mut info = ck::CK_SLOT_INFO::default();
        call!(self, C_GetSlotInfo(slot, &raw mut info)).map(|()| info)
    }

    /// `C_GetTokenInfo`.
    pub fn token_info(&self, slot: ck::CK_SLOT_ID) -> Returned<ck::CK_TOKEN_INFO> {
        let mut info = ck::CK_TOKEN_INFO::default();
        call!(self, C_GetTokenInfo(slot, &raw mut info)).map(|()| info)
    }

    /// `C_InitToken`.
    pub fn init_token(&self, slot: ck::CK_SLOT_ID, so_pin: &[u8], label: &[u8; 32]) -> Returned<()> {
        let (pin, pin_len) = input(so_pin);
        call!(self, C_InitToken(slot, pin, pin_len, label.as_ptr().cast_mut()))
    }

    /// `C_GetMechanismList`.
    pub fn mechanisms(&self, slot: ck::CK_SLOT_ID) -> Returned<Vec<ck::CK_MECHANISM_TYPE>> {
        let mut count = 0;
        call!(self, C_GetMechanismList(slot, null_mut(), &raw mut count))?;
        let mut mechanisms = room("C_GetMechanismList", count)?;
        call!(
            self,
            C_GetMechanismList(slot, mechanisms.as_mut_ptr(), &raw mut count)
        )?;
        mechanisms.truncate(to_usize(count));
        Ok(mechanisms)
    }
}
