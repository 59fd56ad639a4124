// SPDX-License-Identifier: MIT
//! Plays a test case on a module: makes each call, and holds the answer to everything that the case states.
//!
//! What may differ is what "Permitted Test Case Variations" of the profiles lists: names, versions of the provider,
//! serial numbers, handles, key material, and how many slots and mechanisms there are, in which order.

mod stated;
mod told;

use super::names::{self, ATTRIBUTES, CLASSES, MECHANISMS, USERS};
use super::script::{Call, Element};
use cryptoki_sys::*;
use keyenclave_conformance::module::{Attr, Module, Out, Want, bytes, flag, number};
use keyenclave_conformance::openssl::verifies;
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::{THREADS, USER_PIN};
use stated::{structure, variable};
use std::collections::BTreeMap;

/// A case that is being played.
pub struct Play {
    module: Module,
    /// The token that the case is about.
    serial: [u8; 16],
    variables: BTreeMap<String, CK_ULONG>,
    /// The mechanism of the signature that is being made.
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
