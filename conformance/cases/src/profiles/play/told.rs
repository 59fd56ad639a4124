// SPDX-License-Identifier: MIT
//! The functions by which a module tells of itself, its slots, tokens and mechanisms.

use super::Play;
use super::stated::structure;
use crate::profiles::names::MECHANISMS;
use crate::profiles::script::Element;
use cryptoki_sys::*;

impl Play {
    pub(super) fn info(&mut self, _: &Element, answer: &Element) -> Result<(), String> {
        let Some(found) = self.output(answer, self.module.info()) else {
            return Ok(());
        };
        let info = structure(answer, &["Info"])?;
        let version = found.cryptokiVersion;
        let newest = (CK_ULONG::from(version.major), CK_ULONG::from(version.minor));
        let stated = Self::version(info, "CryptokiVersion")?;
        if newest < stated {
            self.wrong
                .push(format!("CryptokiVersion is {newest:?}, older than {stated:?}"));
        }
        Self::version(info, "LibraryVersion")?;
        self.text(info, "ManufacturerID", &found.manufacturerID)?;
        self.text(info, "LibraryDescription", &found.libraryDescription)?;
        self.flags(info, found.flags)
    }

    pub(super) fn slots(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let present = input.wanted("TokenPresent")?.eq_ignore_ascii_case("true");
        let room = self.room(input, "SlotList")?;
        let (rv, count, mut slots) = self.module.slot_list(present, room);
        if !self.returned(answer, rv) {
            return Ok(());
        }
        slots.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        // The case is about one slot with a token, wherever in the list that stands.
        let ours = |slot: &CK_SLOT_ID| {
            let info = self.module.token_info(*slot);
            info.is_ok_and(|info| info.serialNumber == self.serial)
        };
        slots.sort_by_key(|slot| !ours(slot));
        let list = structure(answer, &["SlotList"])?;
        if let Some(length) = list.attribute("length") {
            self.bind("SlotList.length", length, count)?;
        }
        self.list(list, "SlotID", &slots)
    }

    pub(super) fn slot(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let slot = self.handle(input, "SlotID")?;
        let Some(found) = self.output(answer, self.module.slot_info(slot)) else {
            return Ok(());
        };
        let info = structure(answer, &["Info", "SlotInfo"])?;
        self.text(info, "SlotDescription", &found.slotDescription)?;
        self.text(info, "ManufacturerID", &found.manufacturerID)?;
        Self::version(info, "HardwareVersion")?;
        Self::version(info, "FirmwareVersion")?;
        self.flags(info, found.flags)
    }

    pub(super) fn token(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let slot = self.handle(input, "SlotID")?;
        let Some(found) = self.output(answer, self.module.token_info(slot)) else {
            return Ok(());
        };
        let info = structure(answer, &["Info", "TokenInfo"])?;
        self.text(info, "label", &found.label)?;
        self.text(info, "ManufacturerID", &found.manufacturerID)?;
        self.text(info, "model", &found.model)?;
        self.text(info, "serialNumber", &found.serialNumber)?;
        // Without a clock on the token there need be nothing in it.
        info.wanted("utcTime")?;
        Self::version(info, "HardwareVersion")?;
        Self::version(info, "FirmwareVersion")?;
        self.flags(info, found.flags)?;
        for (name, found) in [
            ("MaxSessionCount", found.ulMaxSessionCount),
            ("SessionCount", found.ulSessionCount),
            ("MaxRwSessionCount", found.ulMaxRwSessionCount),
            ("RwSessionCount", found.ulRwSessionCount),
            ("MaxPinLen", found.ulMaxPinLen),
            ("MinPinLen", found.ulMinPinLen),
            ("TotalPublicMemory", found.ulTotalPublicMemory),
            ("FreePublicMemory", found.ulFreePublicMemory),
            ("TotalPrivateMemory", found.ulTotalPrivateMemory),
            ("FreePrivateMemory", found.ulFreePrivateMemory),
        ] {
            self.number(info, name, found)?;
        }
        Ok(())
    }

    pub(super) fn mechanisms(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let slot = self.handle(input, "SlotID")?;
        let room = self.room(input, "MechanismList")?;
        let (rv, count, listed) = self.module.mechanism_list(slot, room);
        if !self.returned(answer, rv) {
            return Ok(());
        }
        let list = structure(answer, &["MechanismList"])?;
        if let Some(length) = list.attribute("length") {
            self.bind("MechanismList.length", length, count)?;
        }
        for stated in list.children("Type") {
            let name = stated.attribute("value").unwrap_or_default();
            if !listed.contains(&MECHANISMS.value(name)?) {
                self.wrong.push(format!("CKM_{name} is not listed"));
            }
        }
        Ok(())
    }

    pub(super) fn mechanism(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let slot = self.handle(input, "SlotID")?;
        let name = input.wanted("Type")?;
        let found = self.module.mechanism_info(slot, MECHANISMS.value(name)?);
        let Some(found) = self.output(answer, found) else {
            return Ok(());
        };
        let before = self.wrong.len();
        let info = structure(answer, &["Info", "MechanismInfo"])?;
        self.number(info, "MinKeySize", found.ulMinKeySize)?;
        self.number(info, "MaxKeySize", found.ulMaxKeySize)?;
        self.flags(info, found.flags)?;
        for wrong in self.wrong.iter_mut().skip(before) {
            *wrong = format!("CKM_{name}: {wrong}");
        }
        Ok(())
    }
}
