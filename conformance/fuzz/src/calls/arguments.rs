// SPDX-License-Identifier: MIT
//! What the arguments of a call are made of: a method for each word of the table of functions.

use super::{Sequence, beginnings::BEGINNINGS};
use crate::memory::Memory;
use crate::parameters::{Form, Maker};
use crate::templates;
use cryptoki_sys as ck;
use keyenclave_model::mechanism::{MECHANISMS, ParamShape as P};
use std::ptr::null_mut;

/// Bits of the flags that functions take.
const FLAGS: &[u64] = &[
    ck::CKF_SERIAL_SESSION,
    ck::CKF_SERIAL_SESSION | ck::CKF_RW_SESSION,
    ck::CKF_ENCRYPT | ck::CKF_DECRYPT | ck::CKF_SIGN | ck::CKF_VERIFY | ck::CKF_DIGEST | ck::CKF_FIND_OBJECTS,
    ck::CKF_MESSAGE_ENCRYPT | ck::CKF_MESSAGE_DECRYPT,
    ck::CKF_END_OF_MESSAGE,
];
/// Names that functions take: of functions, and of an interface.
const NAMES: &[&[u8]] = &[b"C_Sign\0", b"C_GenerateKeyPair\0", b"PKCS 11\0", b"\0"];
/// More elements than a list has room for are not asked for.
const LISTED: usize = 1024;

/// Room for what a call writes.
pub(super) struct Room {
    pub(super) place: *mut u8,
    pub(super) len: *mut u64,
    pub(super) most: u64,
}

impl<'d> Sequence<'d> {
    /// A session, mostly one that is open.
    pub(super) fn session(&mut self) -> u64 {
        match self.source.byte() {
            0 => self.source.number(&[]),
            at => one_of(&self.sessions, at),
        }
    }

    /// A session that may be closed: not the first one, with which the login would end.
    pub(super) fn other_session(&mut self) -> u64 {
        one_of(self.sessions.get(1..).unwrap_or_default(), self.source.byte())
    }

    /// Where the handle of a session is written.
    pub(super) fn new_session(&mut self) -> *mut u64 {
        let place = self.place();
        self.given.session = Some(place);
        place
    }

    /// An object, mostly one that is there.
    pub(super) fn object(&mut self) -> u64 {
        match self.source.byte() {
            0 => self.source.number(&[]),
            at => one_of(&self.objects, at),
        }
    }

    /// An object that is no more what it was.
    pub(super) fn touched(&mut self) -> u64 {
        let object = self.object();
        self.given.touched = Some(object);
        object
    }

    /// Where the handle of an object is written.
    pub(super) fn new_object(&mut self) -> *mut u64 {
        let place = self.place();
        self.given.objects.push(place);
        place
    }

    /// The slot, mostly.
    pub(super) fn slot(&mut self) -> u64 {
        self.source.number(&[0])
    }

    /// Who logs in.
    pub(super) fn user(&mut self) -> u64 {
        let users = [ck::CKU_USER, ck::CKU_SO, ck::CKU_CONTEXT_SPECIFIC];
        self.source.number(&users)
    }

    pub(super) fn flags(&mut self) -> u64 {
        self.source.number(FLAGS)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.source.number(&[])
    }

    pub(super) fn truth(&mut self) -> u8 {
        self.source.byte() % 3
    }

    pub(super) fn mechanism_type(&mut self) -> u64 {
        let known = self.source.choice(MECHANISMS).map(|row| row.id);
        self.source.number(known.as_slice())
    }

    /// A mechanism for data, or null.
    pub(super) fn mechanism(&mut self) -> *mut ck::CK_MECHANISM {
        self.mechanism_of(Form::Data)
    }

    /// A mechanism that wraps keys, or null.
    pub(super) fn wrapping(&mut self) -> *mut ck::CK_MECHANISM {
        self.mechanism_of(Form::Keys)
    }

    /// A mechanism for messages, or null.
    pub(super) fn messages(&mut self) -> *mut ck::CK_MECHANISM {
        self.mechanism_of(Form::Message)
    }

    fn mechanism_of(&mut self, form: Form) -> *mut ck::CK_MECHANISM {
        if self.source.is_rare(64) {
            return null_mut();
        }
        let (mechanism, _) = self.maker().mechanism(form);
        let words = [
            mechanism.mechanism,
            Memory::word(mechanism.pParameter.cast()),
            mechanism.ulParameterLen,
        ];
        self.memory
            .keep(words.iter().flat_map(|word| word.to_ne_bytes()).collect())
            .cast()
    }

    /// The parameter that goes with a message: of any of the mechanisms that have one.
    pub(super) fn parameter(&mut self) -> (ck::CK_VOID_PTR, u64) {
        // The application says once, as the operation begins, which structure it means; here it may be any, so that
        // it must not have the size of another.
        let shape = match self.source.byte() % 4 {
            0 => P::Gcm,
            1 => P::Ccm,
            2 => P::ChaChaPoly,
            _ => P::None,
        };
        let (place, len) = self.maker().parameter(shape, Form::Message);
        (place.cast(), len)
    }

    fn maker(&mut self) -> Maker<'_, '_, 'd> {
        Maker {
            memory: &mut self.memory,
            source: &mut self.source,
            objects: &self.objects,
        }
    }

    /// A template; mostly one that makes a key of some kind.
    pub(super) fn template(&mut self) -> (*mut ck::CK_ATTRIBUTE, u64) {
        let at = usize::from(self.source.byte()) % (BEGINNINGS.len() + 2);
        match BEGINNINGS.get(at) {
            Some(begin) => templates::with(&mut self.memory, &mut self.source, begin),
            None => templates::make(&mut self.memory, &mut self.source, 0),
        }
    }

    /// What is read: any bytes, or what a call has written before.
    pub(super) fn input(&mut self) -> (*mut u8, u64) {
        let input = match self.written {
            Some(written) if self.source.is_rare(4) => written,
            _ => self.memory.buffer(&mut self.source),
        };
        self.given.input = Some(input);
        input
    }

    /// Room for what is written: none, some, or where the last input is.
    pub(super) fn room(&mut self) -> (*mut u8, *mut u64) {
        let (place, most) = match (self.source.byte(), self.given.input) {
            (0..=31, _) => (null_mut(), self.source.number(&[])),
            // What was given with a length that no memory has is eight bytes long.
            (32..=63, Some(input)) if input.1 <= 1 << 20 => input,
            (64..=95, _) => self.bytes(),
            _ => (self.memory.keep(vec![0; 8192]), 8192),
        };
        let len = match self.source.byte() {
            0 => null_mut(),
            _ => self.memory.keep(most.to_ne_bytes().to_vec()).cast(),
        };
        self.given.room = Some(Room { place, len, most });
        (place, len)
    }

    /// Room for as many bytes as are asked for.
    pub(super) fn bytes(&mut self) -> (*mut u8, u64) {
        let len = self.source.len();
        (self.memory.keep(vec![0; len]), len as u64)
    }

    /// Room for the handles of a search, and for how many.
    pub(super) fn found(&mut self) -> (*mut u64, u64) {
        let most = self.source.byte() % 8;
        (
            self.memory.keep(vec![0; usize::from(most) * 8]).cast(),
            most.into(),
        )
    }

    /// Room for a list, or none, and where it is said for how many.
    pub(super) fn list<T>(&mut self) -> (*mut T, *mut u64) {
        let count = self.source.len().min(LISTED);
        let list = match self.source.is_rare(3) {
            true => null_mut(),
            false => self.memory.keep(vec![0; count * size_of::<T>()]),
        };
        let place = self.memory.keep((count as u64).to_ne_bytes().to_vec());
        (list.cast(), place.cast())
    }

    /// Where one value is written; rarely nowhere.
    pub(super) fn place<T>(&mut self) -> *mut T {
        match self.source.is_rare(64) {
            true => null_mut(),
            false => self.memory.keep(vec![0; size_of::<T>()]).cast(),
        }
    }

    /// What is null but for `C_Initialize`, whose structure of zeros it may be.
    pub(super) fn reserved(&mut self) -> ck::CK_VOID_PTR {
        match self.source.is_rare(4) {
            true => self.place::<ck::CK_C_INITIALIZE_ARGS>().cast(),
            false => null_mut(),
        }
    }

    pub(super) fn name(&mut self) -> *mut u8 {
        match self.source.choice(NAMES) {
            Some(name) if !self.source.is_rare(64) => self.memory.keep(name.to_vec()),
            _ => null_mut(),
        }
    }

    /// The label of a token.
    pub(super) fn label(&mut self) -> *mut u8 {
        self.memory.keep(vec![b' '; 32])
    }
}

/// One of them; 0 if there is none.
fn one_of(handles: &[u64], at: u8) -> u64 {
    let at = usize::from(at).checked_rem(handles.len());
    at.and_then(|at| handles.get(at)).copied().unwrap_or_default()
}
