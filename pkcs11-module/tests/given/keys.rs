// SPDX-License-Identifier: MIT
//! Keys that are wrapped, derived and encapsulated: lengths, and that nothing is made which nobody could use.

use cryptoki_sys::CK_ULONG;
use keyenclave_model::error::{Result, Rv};
use keyenclave_module::abi::values::{Output, Place};
use keyenclave_module::entry::keys;

use crate::token::*;

impl Scene {
    fn wrap(&self, output: Output<'_>) -> Result<()> {
        keys::wrap_key(
            &self.lib,
            self.session,
            mechanism(&MECHANISM),
            (KEY, KEY),
            None,
            output,
        )
    }

    fn encapsulate(&self, output: Output<'_>, handle: Place<'_, CK_ULONG>) -> Result<()> {
        let mechanism = mechanism(&MECHANISM);
        keys::encapsulate_key(
            &self.lib,
            self.session,
            mechanism,
            KEY,
            template(),
            output,
            handle,
        )
    }

    fn derive(&self, handle: Place<'_, CK_ULONG>) -> Result<()> {
        let mechanism = mechanism(&MECHANISM);
        keys::derive_key(&self.lib, self.session, mechanism, KEY, template(), handle)
    }

    fn unwrap(&self, handle: Place<'_, CK_ULONG>) -> Result<()> {
        let (mechanism, data) = (mechanism(&MECHANISM), (input(WRAPPED), None));
        keys::unwrap_key(&self.lib, self.session, mechanism, KEY, data, template(), handle)
    }

    fn decapsulate(&self, handle: Place<'_, CK_ULONG>) -> Result<()> {
        let mechanism = mechanism(&MECHANISM);
        keys::decapsulate_key(
            &self.lib,
            self.session,
            mechanism,
            KEY,
            template(),
            input(WRAPPED),
            handle,
        )
    }
}

#[test]
fn a_wrapped_key_is_handed_out_where_there_is_room_and_its_length_otherwise() {
    let scene = Scene::new();
    let mut room = Room::of(7);
    assert_eq!((rv(scene.wrap(room.query())), room.len), (None, 8));
    assert_eq!(scene.asked(), [Asked::WrapLen], "a length is no reason to wrap");
    let short = scene.wrap(room.output());
    assert_eq!((rv(short), room.len), (Some(Rv::BufferTooSmall), 8));
    assert_eq!(scene.asked(), [Asked::Wrap], "some tokens do not tell lengths");
    let mut room = Room::of(20);
    scene.wrap(room.output()).unwrap();
    assert_eq!(room.written(), WRAPPED);
    assert_eq!(rv(scene.wrap(no_output())), Some(Rv::ArgumentsBad));
}

#[test]
fn no_key_is_encapsulated_that_could_not_be_handed_out() {
    let scene = Scene::new();
    let mut handle = 0;
    let mut room = Room::of(7);
    let query = scene.encapsulate(room.query(), place(&mut handle));
    assert_eq!((rv(query), room.len), (None, 8));
    let short = scene.encapsulate(room.output(), place(&mut handle));
    assert_eq!((rv(short), room.len), (Some(Rv::BufferTooSmall), 8));
    let mut room = Room::of(8);
    assert_eq!(
        rv(scene.encapsulate(room.output(), no_place())),
        Some(Rv::ArgumentsBad)
    );
    assert_eq!(
        rv(scene.encapsulate(no_output(), place(&mut handle))),
        Some(Rv::ArgumentsBad)
    );
    assert_eq!((scene.asked(), handle), (vec![], 0));
    scene.encapsulate(room.output(), place(&mut handle)).unwrap();
    assert_eq!((room.written(), handle), (WRAPPED, MADE.0));
}

#[test]
fn a_key_needs_a_place_for_its_handle_before_it_is_made() {
    let scene = Scene::new();
    for refused in [scene.unwrap(no_place()), scene.decapsulate(no_place())] {
        assert_eq!(rv(refused), Some(Rv::ArgumentsBad));
    }
    assert_eq!(scene.asked(), []);
    let mut handle = 0;
    scene.unwrap(place(&mut handle)).unwrap();
    assert_eq!(handle, MADE.0);
    handle = 0;
    scene.decapsulate(place(&mut handle)).unwrap();
    assert_eq!(handle, MADE.0);
    assert_eq!(scene.asked(), [Asked::Unwrap, Asked::Decapsulate]);
}

#[test]
fn a_derivation_says_whether_there_is_a_handle_and_does_without_one() {
    let scene = Scene::new();
    scene.derive(no_place()).unwrap();
    let mut handle = 0;
    scene.derive(place(&mut handle)).unwrap();
    assert_eq!(handle, MADE.0);
    let asked = [false, true].map(|has_handle| Asked::Derive { has_handle });
    assert_eq!(scene.asked(), asked);
}
