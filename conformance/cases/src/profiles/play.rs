// SPDX-License-Identifier: MIT
//! Plays a test case on a module: makes each call, and holds the answer to everything that the case states.
//!
//! What may differ is what "Permitted Test Case Variations" of the profiles lists: names, versions of the provider,
//! serial numbers, handles, key material, and how many slots and mechanisms there are, in which order.

use super::names::{self, ATTRIBUTES, CLASSES, MECHANISMS, USERS};
use super::script::{Call, Element};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, Module, Out, Want, bytes, flag, number};
use keyenclave_conformance::openssl::verifies;
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::{THREADS, USER_PIN};
use std::collections::BTreeMap;

/// A case that is being played.
pub struct Play {
    module: Module,
    /// The token that the case is about.
    serial: [u8; 16],
    variables: BTreeMap<String, CK_ULONG>,
    /// The data and the mechanism of the signature that is being made.
    signing: CK_MECHANISM_TYPE,
    wrong: Vec<String>,
}

type Step = fn(&mut Play, &Element, &Element) -> Result<(), String>;

/// The functions that the cases call.
const STEPS: &[(&str, Step)] = &[
    ("C_Initialize", |play, _, answer| {
        play.plain(answer, play.module.initialize(THREADS))
    }),
    ("C_Finalize", |play, _, answer| {
        play.plain(answer, play.module.finalize(false))
    }),
    ("C_GetInfo", Play::info),
    ("C_GetSlotList", Play::slots),
    ("C_GetSlotInfo", Play::slot),
    ("C_GetTokenInfo", Play::token),
    ("C_GetMechanismList", Play::mechanisms),
    ("C_GetMechanismInfo", Play::mechanism),
    ("C_OpenSession", Play::open),
    ("C_CloseSession", |play, input, answer| {
        let rv = play.module.close_session(play.handle(input, "Session")?);
        play.plain(answer, rv)
    }),
    ("C_CloseAllSessions", |play, input, answer| {
        let rv = play.module.close_all_sessions(play.handle(input, "SlotID")?);
        play.plain(answer, rv)
    }),
    ("C_Login", Play::login),
    ("C_Logout", |play, input, answer| {
        let rv = play.module.logout(play.handle(input, "Session")?);
        play.plain(answer, rv)
    }),
    ("C_FindObjectsInit", Play::find_init),
    ("C_FindObjects", Play::find),
    ("C_FindObjectsFinal", |play, input, answer| {
        let rv = play.module.find_final(play.handle(input, "Session")?);
        play.plain(answer, rv)
    }),
    ("C_GetAttributeValue", Play::attributes),
    ("C_SignInit", Play::sign_init),
    ("C_Sign", Play::sign),
];

/// Plays `calls` on a module that is not initialised: what is not as stated.
///
/// # Errors
/// The case calls a function or names a thing that is not known here.
pub fn play(module: Module, serial: [u8; 16], calls: &[Call]) -> Result<Vec<String>, String> {
    let mut play = Play {
        module,
        serial,
        variables: BTreeMap::new(),
        signing: 0,
        wrong: Vec::new(),
    };
    for (place, Call { input, answer }) in calls.iter().enumerate() {
        let before = play.wrong.len();
        let step = STEPS.iter().find(|(name, _)| *name == input.name);
        let (_, step) = step.ok_or_else(|| format!("{} is not known here", input.name))?;
        let told = |error| format!("call {}, {}: {error}", place + 1, input.name);
        step(&mut play, input, answer).map_err(told)?;
        for wrong in play.wrong.iter_mut().skip(before) {
            *wrong = format!("call {}, {}: {wrong}", place + 1, input.name);
        }
        // After an answer that is quite another one, the rest of it has no counterpart.
        if play.wrong.len() == before {
            let unread = [input.unread(), answer.unread()].concat();
            if !unread.is_empty() {
                return Err(told(format!("{} is not known here", unread.join(", "))));
            }
        }
    }
    Ok(play.wrong)
}

impl Play {
    /// Whether the function returned what is stated, and that is `CKR_OK`.
    fn returned(&mut self, answer: &Element, rv: Rv) -> bool {
        let stated = answer.attribute("rv").unwrap_or_default();
        let name = format!("CKR_{stated}");
        if Rv::of_name(&name) != Some(rv) {
            self.wrong.push(format!("it returns {rv:?}, stated is {name}"));
        }
        rv == Rv::OK && stated == "OK"
    }

    /// An answer that is nothing but a return value.
    fn plain(&mut self, answer: &Element, rv: Rv) -> Result<(), String> {
        self.returned(answer, rv);
        Ok(())
    }

    /// The output of a function that returned it, if stated.
    fn output<T>(&mut self, answer: &Element, result: Result<T, Rv>) -> Option<T> {
        let rv = result.as_ref().map_or_else(|rv| *rv, |_| Rv::OK);
        self.returned(answer, rv).then_some(result.ok()).flatten()
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, stated: T, found: T) {
        if stated != found {
            self.wrong
                .push(format!("{what} is {found:#x?}, stated is {stated:#x?}"));
        }
    }

    /// A number that must be as stated.
    fn number(&mut self, within: &Element, name: &str, found: CK_ULONG) -> Result<(), String> {
        let stated = names::number(within.wanted(name)?)?;
        self.equal(name, stated, found);
        Ok(())
    }

    /// Flags that must be as stated, all of them.
    fn flags(&mut self, within: &Element, found: CK_FLAGS) -> Result<(), String> {
        let stated = within.wanted("Flags")?;
        let wanted = names::flags(stated)?;
        if wanted != found {
            self.wrong
                .push(format!("Flags are {found:#x}, stated are {wanted:#x} ({stated})"));
        }
        Ok(())
    }

    /// A text that may differ: what it must be is UTF-8, filled up with blanks.
    fn text(&mut self, within: &Element, name: &str, found: &[u8]) -> Result<(), String> {
        within.wanted(name)?;
        let padded = std::str::from_utf8(found).is_ok_and(|text| !text.contains('\0'));
        if !padded {
            self.wrong
                .push(format!("{name} is not UTF-8 filled up with blanks: {found:02x?}"));
        }
        Ok(())
    }

    /// A version that may differ.
    fn version(within: &Element, name: &str) -> Result<(CK_ULONG, CK_ULONG), String> {
        let stated = within.child(name);
        let stated = stated.ok_or_else(|| format!("{} states no {name}", within.name))?;
        let part = |part| names::number(stated.wanted(part)?);
        Ok((part("major")?, part("minor")?))
    }

    /// A handle or a length: a variable that an answer has bound, or a number.
    fn value(&self, text: &str) -> Result<CK_ULONG, String> {
        match variable(text) {
            Some(name) => {
                let bound = self.variables.get(name).copied();
                bound.ok_or_else(|| format!("no answer has bound {text}"))
            }
            None => names::number(text),
        }
    }

    fn handle(&self, input: &Element, name: &str) -> Result<CK_ULONG, String> {
        self.value(input.wanted(name)?)
    }

    /// Binds a variable, or compares what is stated instead of one.
    fn bind(&mut self, what: &str, stated: &str, found: CK_ULONG) -> Result<(), String> {
        match variable(stated) {
            Some(name) => drop(self.variables.insert(name.to_owned(), found)),
            None => {
                let stated = names::number(stated)?;
                self.equal(what, stated, found);
            }
        }
        Ok(())
    }

    /// Binds the handles that a list names. There may be more.
    fn list(&mut self, list: &Element, each: &str, found: &[CK_ULONG]) -> Result<(), String> {
        for (place, stated) in list.children(each).enumerate() {
            let stated = stated.attribute("value").unwrap_or_default();
            match found.get(place) {
                Some(found) => self.bind(each, stated, *found)?,
                None => self.wrong.push(format!(
                    "{} has {} entries, stated is one more",
                    list.name,
                    found.len()
                )),
            }
        }
        Ok(())
    }

    /// How much room an input lends for a list; none asks for the length.
    fn room(&self, input: &Element, name: &str) -> Result<Option<usize>, String> {
        let list = input.child(name).ok_or_else(|| format!("there is no {name}"))?;
        let length = list
            .attribute("length")
            .map(|length| self.value(length))
            .transpose()?;
        Ok(length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)))
    }

    fn info(&mut self, _: &Element, answer: &Element) -> Result<(), String> {
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

    fn slots(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
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

    fn slot(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
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

    fn token(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
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

    fn mechanisms(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
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

    fn mechanism(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
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

    fn open(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let slot = self.handle(input, "SlotID")?;
        let flags = names::flags(input.wanted("Flags")?)?;
        let session = self.module.open_session(slot, flags);
        match self.output(answer, session) {
            Some(session) => self.bind("Session", answer.wanted("Session")?, session),
            None => Ok(()),
        }
    }

    fn login(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let session = self.handle(input, "Session")?;
        let user = USERS.value(input.wanted("UserType")?)?;
        let pin = input.wanted("Pin")?;
        let pin = if variable(pin).is_some() {
            &USER_PIN[..]
        } else {
            pin.as_bytes()
        };
        let rv = self.module.login(session, user, pin);
        self.plain(answer, rv)
    }

    fn find_init(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let session = self.handle(input, "Session")?;
        let attributes = structure(input, &["Template"])?.children("Attribute");
        let template: Vec<Attr> = attributes.map(attribute).collect::<Result<_, _>>()?;
        let rv = self.module.find_init(session, &template);
        self.plain(answer, rv)
    }

    fn find(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let session = self.handle(input, "Session")?;
        let room = self.room(input, "Object")?.unwrap_or_default();
        let found = self.module.find_next(session, room);
        match self.output(answer, found) {
            Some(found) => self.list(structure(answer, &["Object"])?, "Object", &found),
            None => Ok(()),
        }
    }

    fn attributes(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let session = self.handle(input, "Session")?;
        let object = self.handle(input, "Object")?;
        let asked = structure(input, &["Template"])?.children("Attribute");
        let want = |asked: &Element| {
            let kind = ATTRIBUTES.value(asked.attribute("type").unwrap_or_default())?;
            let length = asked.attribute("length").map(|length| self.value(length));
            let room = length.transpose()?.map(|room| usize::try_from(room).unwrap_or(0));
            Ok(room.map_or(Want::length(kind), |room| Want::value(kind, room)))
        };
        let mut wants: Vec<Want> = asked.map(want).collect::<Result<_, String>>()?;
        let rv = self.module.attribute_values(session, object, &mut wants);
        if !self.returned(answer, rv) {
            return Ok(());
        }
        let stated = structure(answer, &["Template"])?.children("Attribute");
        for (stated, found) in stated.zip(&wants) {
            self.attribute_found(stated, found)?;
        }
        Ok(())
    }

    fn attribute_found(&mut self, stated: &Element, found: &Want) -> Result<(), String> {
        let name = stated.attribute("type").unwrap_or_default();
        self.equal(name, ATTRIBUTES.value(name)?, found.kind);
        let text = name == "LABEL";
        if let Some(length) = stated.attribute("length") {
            // A text's length is stated with the zero that ends it in C.
            let length = names::number(length)?;
            if found.len != length && !(text && found.len + 1 == length) {
                self.wrong
                    .push(format!("{name} has {} bytes, stated are {length}", found.len));
            }
        }
        let Some(value) = stated.attribute("value") else {
            return Ok(());
        };
        let value = if text {
            value.as_bytes().to_vec()
        } else {
            names::bytes(value)?
        };
        let length = usize::try_from(found.len).unwrap_or_default();
        let room = found.room.as_deref().unwrap_or_default();
        let found = room.get(..length).unwrap_or_default();
        // A key of ours is not the case's, but of its size; anything else was made of what the case states.
        let same = match name {
            "MODULUS" => found.len() == value.len() && found.first() != Some(&0),
            _ => found == value,
        };
        if !same {
            self.wrong
                .push(format!("{name} is {found:02x?}, stated is {value:02x?}"));
        }
        Ok(())
    }

    fn sign_init(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let session = self.handle(input, "Session")?;
        let key = self.handle(input, "Key")?;
        let mechanism = structure(input, &["Mechanism"])?;
        self.signing = MECHANISMS.value(mechanism.wanted("Type")?)?;
        if let Some(parameter) = mechanism.child("Parameter") {
            let length = parameter.attribute("length");
            if length != Some("0") {
                return Err(format!("a parameter of {length:?} bytes is not known here"));
            }
        }
        let rv = self.module.sign_init(session, self.signing, key);
        self.plain(answer, rv)
    }

    fn sign(&mut self, input: &Element, answer: &Element) -> Result<(), String> {
        let session = self.handle(input, "Session")?;
        let data = names::bytes(input.wanted("Data")?)?;
        let mut room = vec![0; self.room(input, "Signature")?.unwrap_or_default()];
        let written = self
            .module
            .sign_into(session, data.as_slice(), Out::Room(&mut room));
        if !self.returned(answer, written.rv) {
            return Ok(());
        }
        let stated = names::bytes(answer.wanted("Signature")?)?;
        room.truncate(usize::try_from(written.len).unwrap_or_default());
        self.equal("the signature's length", stated.len(), room.len());
        if self.signing != CKM_SHA256_RSA_PKCS {
            return Err("signatures of this mechanism cannot be verified here".into());
        }
        let place = Place::of_this_process();
        if let Err(said) = verifies(&place, "sha256", &[], &data, &room) {
            self.wrong.push(format!("the signature does not verify: {said}"));
        }
        Ok(())
    }
}

/// The name in `${name}`.
fn variable(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}')
}

/// The element with one of these names, which differ between the versions of the cases.
fn structure<'a>(within: &'a Element, names: &[&str]) -> Result<&'a Element, String> {
    let mut found = names.iter().filter_map(|name| within.child(name));
    found
        .next()
        .ok_or_else(|| format!("{} states no {}", within.name, names.join(" or ")))
}

/// An attribute of a template to search with.
fn attribute(stated: &Element) -> Result<Attr, String> {
    let name = stated.attribute("type").unwrap_or_default();
    let kind = ATTRIBUTES.value(name)?;
    let value = stated.attribute("value").unwrap_or_default();
    match kind {
        CKA_TOKEN => Ok(flag(kind, value.eq_ignore_ascii_case("true"))),
        CKA_CLASS => Ok(number(kind, CLASSES.value(value)?)),
        CKA_LABEL => Ok(bytes(kind, value)),
        _ => Err(format!("searching by {name} is not known here")),
    }
}
