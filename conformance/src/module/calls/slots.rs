// SPDX-License-Identifier: MIT
//! Slots, tokens and sessions.

use crate::Rv;
use crate::module::buffer::length;
use crate::module::{In, Module};
use cryptoki_sys::*;
use std::ptr::null_mut;

impl Module {
    /// `C_GetSlotList` with room for `room` slots, or asking for their number: the value, the count, the slots.
    pub fn slot_list(&self, present: bool, room: Option<usize>) -> (Rv, CK_ULONG, Vec<CK_SLOT_ID>) {
        let mut slots = vec![CK_ULONG::MAX; room.unwrap_or_default()];
        let mut count = length(&slots);
        let pointer = if room.is_some() {
            slots.as_mut_ptr()
        } else {
            null_mut()
        };
        let rv = call!(self, C_GetSlotList(u8::from(present), pointer, &raw mut count));
        (rv, count, slots)
    }

    /// `C_GetSlotList` with a null pointer instead of the count.
    pub fn slot_list_without_count(&self) -> Rv {
        call!(self, C_GetSlotList(0, null_mut(), null_mut()))
    }

    /// `C_GetMechanismList`, like [`Module::slot_list`].
    pub fn mechanism_list(
        &self,
        slot: CK_SLOT_ID,
        room: Option<usize>,
    ) -> (Rv, CK_ULONG, Vec<CK_MECHANISM_TYPE>) {
        let mut kinds = vec![CK_ULONG::MAX; room.unwrap_or_default()];
        let mut count = length(&kinds);
        let pointer = if room.is_some() {
            kinds.as_mut_ptr()
        } else {
            null_mut()
        };
        let rv = call!(self, C_GetMechanismList(slot, pointer, &raw mut count));
        (rv, count, kinds)
    }

    /// The functions that fill a structure, each with a null pointer for it, by name.
    pub fn infos_without_room(
        &self,
        slot: CK_SLOT_ID,
        session: CK_SESSION_HANDLE,
    ) -> [(&'static str, Rv); 5] {
        [
            ("C_GetInfo", call!(self, C_GetInfo(null_mut()))),
            ("C_GetSlotInfo", call!(self, C_GetSlotInfo(slot, null_mut()))),
            ("C_GetTokenInfo", call!(self, C_GetTokenInfo(slot, null_mut()))),
            (
                "C_GetMechanismList",
                call!(self, C_GetMechanismList(slot, null_mut(), null_mut())),
            ),
            (
                "C_GetSessionInfo",
                call!(self, C_GetSessionInfo(session, null_mut())),
            ),
        ]
    }

    /// `C_WaitForSlotEvent`.
    pub fn wait_for_slot_event(&self, flags: CK_FLAGS) -> Rv {
        let mut slot = 0;
        call!(self, C_WaitForSlotEvent(flags, &raw mut slot, null_mut()))
    }

    /// `C_InitToken`; the label is padded with blanks to 32 bytes.
    pub fn init_token<'a>(&self, slot: CK_SLOT_ID, pin: impl Into<In<'a>>, label: &str) -> Rv {
        let mut padded = [b' '; 32];
        padded
            .iter_mut()
            .zip(label.bytes())
            .for_each(|(to, from)| *to = from);
        let (pin, pin_len) = pin.into().raw();
        call!(self, C_InitToken(slot, pin, pin_len, padded.as_mut_ptr()))
    }

    /// `C_SetPIN`.
    pub fn set_pin<'a>(
        &self,
        session: CK_SESSION_HANDLE,
        old: impl Into<In<'a>>,
        new: impl Into<In<'a>>,
    ) -> Rv {
        let ((old, old_len), (new, new_len)) = (old.into().raw(), new.into().raw());
        call!(self, C_SetPIN(session, old, old_len, new, new_len))
    }

    /// `C_OpenSession`.
    pub fn open_session(&self, slot: CK_SLOT_ID, flags: CK_FLAGS) -> Result<CK_SESSION_HANDLE, Rv> {
        let mut session = 0;
        call!(
            self,
            C_OpenSession(slot, flags, null_mut(), None, &raw mut session)
        )
        .ok()?;
        Ok(session)
    }

    /// `C_OpenSession` with a null pointer for the handle.
    pub fn open_session_without_room(&self, slot: CK_SLOT_ID, flags: CK_FLAGS) -> Rv {
        call!(self, C_OpenSession(slot, flags, null_mut(), None, null_mut()))
    }

    /// `C_Login`.
    pub fn login<'a>(&self, session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: impl Into<In<'a>>) -> Rv {
        let (pin, pin_len) = pin.into().raw();
        call!(self, C_Login(session, user, pin, pin_len))
    }
}
