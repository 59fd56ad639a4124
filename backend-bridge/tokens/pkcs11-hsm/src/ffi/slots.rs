// SPDX-License-Identifier: MIT
//! The library itself, its slots and their tokens.

use std::ffi::{CString, c_void};
use std::ptr::null_mut;

use cryptoki_sys as ck;

use super::memory::{listed, optional};
use super::{Answer, Module};

impl Module {
    /// `C_Initialize`: with `init` as the string that some modules take, which then lives for ever.
    pub fn initialize(&self, threads: bool, init: Option<&CString>) -> Answer<()> {
        /// NSS reads one more pointer after the structure when the reserved field is used, and wants it null.
        #[repr(C)]
        struct Extended {
            args: ck::CK_C_INITIALIZE_ARGS,
            after: *mut c_void,
        }
        let mut extended = Extended {
            args: ck::CK_C_INITIALIZE_ARGS::default(),
            after: null_mut(),
        };
        extended.args.flags = if threads { ck::CKF_OS_LOCKING_OK } else { 0 };
        if let Some(init) = init {
            // Leaked: no module says how long it reads it.
            extended.args.pReserved = Box::leak(Box::new(init.clone())).as_ptr().cast_mut().cast();
        }
        call!(self, C_Initialize((&raw mut extended).cast()))
    }

    /// `C_Finalize`.
    pub fn finalize(&self) -> Answer<()> {
        call!(self, C_Finalize(null_mut()))
    }

    /// `C_GetInfo`.
    pub fn info(&self) -> Answer<ck::CK_INFO> {
        let mut info = ck::CK_INFO::default();
        call!(self, C_GetInfo(&raw mut info)).map(|()| info)
    }

    /// `C_GetSlotList`: slots with a token in them, or all.
    pub fn slots(&self, with_token: bool) -> Answer<Vec<ck::CK_SLOT_ID>> {
        let present = if with_token { ck::CK_TRUE } else { ck::CK_FALSE };
        listed(|out, len| call!(self, C_GetSlotList(present, out, len)))
    }

    /// `C_GetSlotInfo`.
    pub fn slot_info(&self, slot: ck::CK_SLOT_ID) -> Answer<ck::CK_SLOT_INFO> {
        let mut info = ck::CK_SLOT_INFO::default();
        call!(self, C_GetSlotInfo(slot, &raw mut info)).map(|()| info)
    }

    /// `C_GetTokenInfo`.
    pub fn token_info(&self, slot: ck::CK_SLOT_ID) -> Answer<ck::CK_TOKEN_INFO> {
        let mut info = ck::CK_TOKEN_INFO::default();
        call!(self, C_GetTokenInfo(slot, &raw mut info)).map(|()| info)
    }

    /// `C_GetMechanismList`.
    pub fn mechanisms(&self, slot: ck::CK_SLOT_ID) -> Answer<Vec<ck::CK_MECHANISM_TYPE>> {
        listed(|out, len| call!(self, C_GetMechanismList(slot, out, len)))
    }

    /// `C_GetMechanismInfo`.
    pub fn mechanism_info(
        &self,
        slot: ck::CK_SLOT_ID,
        id: ck::CK_MECHANISM_TYPE,
    ) -> Answer<ck::CK_MECHANISM_INFO> {
        let mut info = ck::CK_MECHANISM_INFO::default();
        call!(self, C_GetMechanismInfo(slot, id, &raw mut info)).map(|()| info)
    }

    /// `C_InitToken`; no PIN where the token has a keypad of its own.
    pub fn init_token(&self, slot: ck::CK_SLOT_ID, so_pin: Option<&[u8]>, label: &[u8; 32]) -> Answer<()> {
        let (pin, len) = optional(so_pin);
        call!(self, C_InitToken(slot, pin, len, label.as_ptr().cast_mut()))
    }
}
