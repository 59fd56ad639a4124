// SPDX-License-Identifier: MIT
//! A sequence of calls of the C functions, on a soft token in a directory of its own.
//!
//! The token is that of `backend-bridge/soft/tests/formats/1.store`, with its user logged in, and is put back after a
//! sequence that has changed it. A panic ends the process, though the boundary would catch it.
#![allow(unsafe_code, reason = "what is tried out takes pointers")]

mod arguments;
mod beginnings;
mod functions;
mod place;

use crate::memory::Memory;
use crate::source::Source;
use arguments::Room;
use cryptoki_sys as ck;
use functions::{CALLS, ENDING};
use place::Place;
use std::sync::Mutex;

/// More calls than this in a row show nothing new.
const CALLS_IN_A_ROW: usize = 64;
/// More sessions, or objects, are not remembered.
const REMEMBERED: usize = 64;
/// How far behind a function in the table those stand that go on with what it began, at most.
const NEAR: u8 = 6;

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
        given: Given::default(),
        written: None,
        last: 0,
        changed: false,
        ended: false,
    };
    for _ in 0..CALLS_IN_A_ROW {
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
struct Sequence<'d> {
    memory: Memory,
    source: Source<'d>,
    sessions: Vec<u64>,
    objects: Vec<u64>,
    /// The token's own.
    kept: Vec<u64>,
    given: Given,
    /// What a call has written last.
    written: Option<(*mut u8, u64)>,
    /// Which row was called last.
    last: usize,
    /// Whether more than session objects may be different now.
    changed: bool,
    /// Whether one of [`ENDING`] was called: another would take its time and show nothing new.
    ended: bool,
}

/// Of the arguments of one call, those that matter after it.
#[derive(Default)]
struct Given {
    input: Option<(*mut u8, u64)>,
    room: Option<Room>,
    objects: Vec<*mut u64>,
    session: Option<*mut u64>,
    touched: Option<u64>,
}

impl Sequence<'_> {
    /// One call: mostly one that may go on with what the last began, or any.
    fn step(&mut self) {
        self.given = Given::default();
        match self.source.byte() {
            0..=1 if !self.ended => {
                let rv = self.source.choice(ENDING).map(|(_, call)| call(self));
                let rv = rv.unwrap_or_default();
                self.ended = true;
                self.changed |= matches!(rv, ck::CKR_OK | ck::CKR_PIN_INCORRECT | ck::CKR_PIN_LOCKED);
                return;
            }
            near @ 2..=129 => self.last += usize::from(near % NEAR),
            _ => self.last = self.source.byte().into(),
        }
        self.last %= CALLS.len();
        if let Some((_, call)) = CALLS.get(self.last) {
            let rv = call(self);
            self.learn(rv);
        }
    }

    /// Checks what a call said about the room that it had, and remembers what it has made.
    fn learn(&mut self, rv: u64) {
        let Given {
            room,
            objects,
            session,
            touched,
            ..
        } = std::mem::take(&mut self.given);
        if rv != ck::CKR_OK {
            return;
        }
        if let Some(Room { place, len, most }) = room
            && !place.is_null()
            && let Some(said) = read(len)
        {
            assert!(said <= most, "{said} bytes in room for {most}");
            self.written = Some((place, said));
        }
        // A call that only says how long its output would be makes nothing, and leaves 0.
        let made = objects.into_iter().filter_map(read).filter(|object| *object != 0);
        self.objects.extend(made);
        self.objects.truncate(REMEMBERED);
        self.sessions.extend(session.and_then(read));
        self.sessions.truncate(REMEMBERED);
        self.changed |= touched.is_some_and(|object| self.kept.contains(&object));
    }
}

/// The number at a place that `Sequence` has made, if it has made one.
fn read(place: *mut u64) -> Option<u64> {
    // SAFETY: null, or kept by `Sequence`, eight bytes long.
    (!place.is_null()).then(|| unsafe { place.read_unaligned() })
}
