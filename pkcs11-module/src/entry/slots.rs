// SPDX-License-Identifier: MIT
//! Slot and token management functions (PKCS#11 3.2, section 5.5).

use std::time::Duration;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{Device, Pin, Role, SessionId, Work};

use super::general::{MANUFACTURER, library_version, padded};
use crate::abi::values::{Input, Label, OutputList, Place};
use crate::library::Library;
use crate::slot::Slot;

/// `C_GetSlotList`. Every slot has a token, initialised or not.
pub fn get_slot_list(
    lib: &Library,
    token_present: bool,
    mut list: OutputList<'_, ck::CK_SLOT_ID>,
) -> Result<()> {
    let wanted = lib
        .slots()
        .iter()
        .filter(|slot| !token_present || slot.token.is_present());
    let ids: Vec<_> = wanted.map(|slot| slot.id).collect();
    list.fill(&ids)
}

/// `C_GetSlotInfo`.
pub fn get_slot_info(
    lib: &Library,
    slot: ck::CK_SLOT_ID,
    mut info: Place<'_, ck::CK_SLOT_INFO>,
) -> Result<()> {
    let (_, slot) = lib.slot(slot)?;
    info.check()?;
    info.set(ck::CK_SLOT_INFO {
        slotDescription: padded(&slot.description),
        manufacturerID: padded(MANUFACTURER),
        flags: slot.token.slot_flags()
            | if slot.token.is_present() {
                ck::CKF_TOKEN_PRESENT
            } else {
                0
            },
        hardwareVersion: library_version(),
        firmwareVersion: library_version(),
    });
    Ok(())
}

/// `C_GetTokenInfo`.
pub fn get_token_info(
    lib: &Library,
    slot: ck::CK_SLOT_ID,
    mut info: Place<'_, ck::CK_TOKEN_INFO>,
) -> Result<()> {
    let (_, slot) = lib.slot(slot)?;
    info.check()?;
    let token = slot.token.info()?;
    let (sessions, writable) = slot.sessions();
    let device = token.device.unwrap_or_else(no_device);
    let [total_public, free_public] = device.public_memory;
    let [total_private, free_private] = device.private_memory;
    info.set(ck::CK_TOKEN_INFO {
        label: token.label,
        manufacturerID: padded(&token.manufacturer),
        model: padded(&token.model),
        serialNumber: token.serial,
        flags: token.flags,
        ulMaxSessionCount: ck::CK_EFFECTIVELY_INFINITE,
        ulSessionCount: count(sessions),
        ulMaxRwSessionCount: ck::CK_EFFECTIVELY_INFINITE,
        ulRwSessionCount: count(writable),
        ulMaxPinLen: count(token.max_pin_len),
        ulMinPinLen: count(token.min_pin_len),
        ulTotalPublicMemory: total_public,
        ulFreePublicMemory: free_public,
        ulTotalPrivateMemory: total_private,
        ulFreePrivateMemory: free_private,
        hardwareVersion: device.hardware,
        firmwareVersion: device.firmware,
        utcTime: device.utc_time,
    });
    Ok(())
}

/// What is told of a token that is no device: the library's versions, no memory of its own, which is 0 (ADR 18), no
/// clock (`CKF_CLOCK_ON_TOKEN`).
fn no_device() -> Device {
    Device {
        hardware: library_version(),
        firmware: library_version(),
        public_memory: [0; 2],
        private_memory: [0; 2],
        utc_time: [b' '; 16],
    }
}

/// `C_GetMechanismList`.
pub fn get_mechanism_list(
    lib: &Library,
    slot: ck::CK_SLOT_ID,
    mut list: OutputList<'_, ck::CK_MECHANISM_TYPE>,
) -> Result<()> {
    let (_, slot) = lib.slot(slot)?;
    let ids: Vec<_> = slot
        .token
        .mechanisms()?
        .iter()
        .map(|mechanism| mechanism.id)
        .collect();
    list.fill(&ids)
}

/// `C_GetMechanismInfo`.
pub fn get_mechanism_info(
    lib: &Library,
    slot: ck::CK_SLOT_ID,
    id: ck::CK_MECHANISM_TYPE,
    mut info: Place<'_, ck::CK_MECHANISM_INFO>,
) -> Result<()> {
    let (_, slot) = lib.slot(slot)?;
    info.check()?;
    let mechanisms = slot.token.mechanisms()?;
    let mechanism = mechanisms
        .iter()
        .find(|mechanism| mechanism.id == id)
        .ok_or(Rv::MechanismInvalid)?;
    info.set(ck::CK_MECHANISM_INFO {
        ulMinKeySize: mechanism.min_key_size,
        ulMaxKeySize: mechanism.max_key_size,
        flags: mechanism.flags,
    });
    Ok(())
}

/// `C_InitToken`. The slot keeps its number.
pub fn init_token(lib: &Library, slot: ck::CK_SLOT_ID, pin: Input<'_>, label: Label<'_>) -> Result<()> {
    let (_, slot) = lib.slot(slot)?;
    slot.init_token(read_pin(slot, &pin)?, label.bytes()?)
}

/// `C_InitPIN`.
pub fn init_pin(lib: &Library, session: SessionId, pin: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let pin = read_pin(caller.slot, &pin)?;
    let cx = caller.call();
    if cx.access.login != Some(Role::So) {
        return Err(Error::new(
            Rv::UserNotLoggedIn,
            "setting the user's PIN takes the security officer's login",
        ));
    }
    caller.slot.run(&cx, Work::InitPin(pin)).map(drop)
}

/// `C_SetPIN`: in a public session the user's PIN, otherwise the PIN of whoever is logged in.
pub fn set_pin(lib: &Library, session: SessionId, old: Input<'_>, new: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let (old, new) = (read_pin(caller.slot, &old)?, read_pin(caller.slot, &new)?);
    if !caller.session.writable {
        return Err(Rv::SessionReadOnly.into());
    }
    caller.run(Work::SetPin { old, new }).map(drop)
}

/// How long whoever waits for an event does not look for one.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// `C_WaitForSlotEvent`. The caller's own thread looks for tokens that come and go, and a device that hangs keeps it as it
/// would keep any call. Where no slot has events, whoever waits, waits for the end.
pub fn wait_for_slot_event(
    lib: &Library,
    flags: ck::CK_FLAGS,
    mut slot: Place<'_, ck::CK_SLOT_ID>,
    reserved_is_null: bool,
) -> Result<()> {
    slot.check()?;
    if !reserved_is_null {
        return Err(Error::new(Rv::ArgumentsBad, "pReserved must be null"));
    }
    let watched: Vec<_> = lib.slots().iter().filter(|slot| slot.has_events()).collect();
    let pause = (!watched.is_empty()).then_some(BETWEEN_LOOKS);
    loop {
        if let Some(changed) = watched.iter().find(|slot| slot.take_event()) {
            slot.set(changed.id);
            return Ok(());
        }
        if flags & ck::CKF_DONT_BLOCK != 0 {
            return Err(Rv::NoEvent.into());
        }
        if lib.wait_for_close(pause) {
            return Err(Rv::CryptokiNotInitialized.into());
        }
    }
}

/// A PIN that the application gives, or leaves to the PIN pad of a token that has one.
pub(super) fn read_pin<'a>(slot: &Slot, pin: &'a Input<'_>) -> Result<Pin<'a>> {
    if pin.is_null() && slot.token.info()?.flags & ck::CKF_PROTECTED_AUTHENTICATION_PATH == 0 {
        return Err(Error::new(
            Rv::ArgumentsBad,
            "the PIN is null, and this token has no PIN pad",
        ));
    }
    pin.bytes().map(Pin)
}

fn count(value: usize) -> ck::CK_ULONG {
    ck::CK_ULONG::try_from(value).unwrap_or(ck::CK_UNAVAILABLE_INFORMATION)
}
