// SPDX-License-Identifier: MIT
//! A sequence of calls of the C functions, on a soft token in a directory of its own.
//!
//! The token is that of `backend-bridge/soft/tests/formats/1.store`, with its user logged in, and is put back after a
//! sequence that has changed it. A panic ends the process, though the boundary would catch it.
#![allow(unsafe_code, reason = "what is tried out takes pointers")]

mod functions;
mod place;

use crate::memory::Memory;
use crate::parameters::{Form, Maker};
use crate::source::Source;
use crate::templates;
use cryptoki_sys as ck;
use place::Place;
use std::ptr::null_mut;
use std::sync::Mutex;

/// More calls than this in a row show nothing new.
const CALLS: usize = 64;
/// More sessions, or objects, are not remembered.
const REMEMBERED: usize = 64;

static PLACE: Mutex<Option<Place>> = Mutex::new(None);

/// Calls what the bytes say.
///
/// # Panics
/// If a call writes more than there is room for, or the token cannot be put back.
pub fn run(data: &[u8]) {
    // One that panicked holds it: nothing more is called in that process.
    let Ok(mut place) = PLACE.lock() else {
        return;
    };
    let place = place.get_or_insert_with(Place::new);
    place.ready();
    let mut sequence = Sequence {
        memory: Memory::new(),
        source: Source::new(data),
        sessions: vec![place.session],
        objects: place.objects.clone(),
        kept: place.objects.clone(),
        changed: false,
        asked: false,
    };
    for _ in 0..CALLS {
        if sequence.source.is_empty() {
            break;
        }
        sequence.step();
    }
    let Sequence {
        sessions, changed, ..
    } = sequence;
    place.put_back(&sessions, changed);
}

/// A sequence of calls.
pub(crate) struct Sequence<'d> {
    memory: Memory,
    source: Source<'d>,
    sessions: Vec<u64>,
    objects: Vec<u64>,
    /// The token's own.
    kept: Vec<u64>,
    /// Whether more than session objects may be different now.
    changed: bool,
    /// Whether one of the calls that take long was made.
    asked: bool,
}

/// Room for what a call writes.
pub(crate) struct Room {
    place: *mut u8,
    len: *mut u64,
    most: u64,
}

impl Sequence<'_> {
    /// A session, mostly one that is open.
    fn session(&mut self) -> u64 {
        match self.source.byte() {
            0 => self.source.number(&[]),
            at => self
                .sessions
                .get(usize::from(at) % self.sessions.len())
                .copied()
                .unwrap_or(0),
        }
    }

    /// An object, mostly one that is there.
    fn object(&mut self) -> u64 {
        match self.source.byte() {
            0 => self.source.number(&[]),
            at if self.objects.is_empty() => at.into(),
            at => self
                .objects
                .get(usize::from(at) % self.objects.len())
                .copied()
                .unwrap_or(0),
        }
    }

    /// A mechanism, or null.
    fn mechanism(&mut self, form: Form) -> *mut ck::CK_MECHANISM {
        if self.source.is_rare(64) {
            return null_mut();
        }
        let mut maker = Maker {
            memory: &mut self.memory,
            source: &mut self.source,
            objects: &self.objects,
        };
        let (mechanism, _) = maker.mechanism(form);
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
    fn parameter(&mut self) -> (*mut u8, u64) {
        use keyenclave_model::mechanism::ParamShape as P;
        // The application says once, as the operation begins, which structure it means; here it may be any, so that
        // it must not have the size of another.
        let shape = match self.source.byte() % 4 {
            0 => P::Gcm,
            1 => P::Ccm,
            2 => P::ChaChaPoly,
            _ => P::None,
        };
        let mut maker = Maker {
            memory: &mut self.memory,
            source: &mut self.source,
            objects: &self.objects,
        };
        maker.parameter(shape, Form::Message)
    }

    /// A template; mostly one that makes a key of some kind.
    fn template(&mut self) -> (*mut ck::CK_ATTRIBUTE, u64) {
        let kinds = functions::TEMPLATES;
        match kinds.get(usize::from(self.source.byte()) % (kinds.len() + 2)) {
            Some(begin) => templates::with(&mut self.memory, &mut self.source, begin),
            None => templates::make(&mut self.memory, &mut self.source, 0),
        }
    }

    fn input(&mut self) -> (*mut u8, u64) {
        self.memory.buffer(&mut self.source)
    }

    /// Room for what is written: none, some, or where the input is.
    fn room(&mut self, input: (*mut u8, u64)) -> Room {
        let (place, most) = match self.source.byte() {
            0..=31 => (null_mut(), self.source.number(&[])),
            // What was given with a length that no memory has is eight bytes long.
            32..=63 if input.1 <= 1 << 20 => input,
            64..=95 => {
                let len = self.source.len();
                (self.memory.keep(vec![0; len]), len as u64)
            }
            _ => (self.memory.keep(vec![0; 8192]), 8192),
        };
        let len = match self.source.byte() {
            0 => null_mut(),
            _ => self.memory.keep(most.to_ne_bytes().to_vec()).cast(),
        };
        Room { place, len, most }
    }

    /// Checks what a call said about room that it had.
    fn check(&self, room: &Room, rv: u64) {
        if rv == ck::CKR_OK && !room.place.is_null() && !room.len.is_null() {
            // SAFETY: it was kept above, eight bytes long.
            let said = unsafe { room.len.read_unaligned() };
            assert!(said <= room.most, "{said} bytes in room for {}", room.most);
        }
    }

    fn place(&mut self) -> *mut u64 {
        match self.source.is_rare(64) {
            true => null_mut(),
            false => self.memory.keep(vec![0; 8]).cast(),
        }
    }

    /// Remembers the objects that a call has made.
    fn made(&mut self, rv: u64, places: &[*mut u64]) {
        for place in places {
            if rv == ck::CKR_OK && !place.is_null() && self.objects.len() < REMEMBERED {
                // SAFETY: it was kept by `place`, eight bytes long.
                self.objects.push(unsafe { place.read_unaligned() });
            }
        }
    }
}
