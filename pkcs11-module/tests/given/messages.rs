// SPDX-License-Identifier: MIT
//! Messages with one key: their order, their ends, and what a failure leaves behind.

use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::MessageStep::{Begin, Next, Whole};
use keyenclave_model::token::OperationClass::{self, Encrypt, Sign, Verify};
use keyenclave_module::entry::messages::{self, Given, given};

use crate::token::*;

fn begun(class: OperationClass) -> Scene {
    let scene = Scene::new();
    messages::init(&scene.lib, scene.session, class, mechanism(&MECHANISM), KEY).unwrap();
    scene
}

fn data(class: OperationClass, data: &[u8]) -> Given<'_> {
    given(class, no_parameter(0), None, Some(input(data)))
}

impl Scene {
    fn whole(&self, text: &[u8], room: &mut Room) -> Result<()> {
        messages::whole(&self.lib, self.session, data(Encrypt, text), room.output())
    }

    fn begin(&self, class: OperationClass) -> Result<()> {
        let given = given(class, no_parameter(0), None, None);
        messages::begin(&self.lib, self.session, given)
    }

    fn next(&self, text: &[u8], room: &mut Room, last: bool) -> Result<()> {
        messages::next(&self.lib, self.session, data(Encrypt, text), room.output(), last)
    }

    fn finish(&self, class: OperationClass) -> Result<()> {
        messages::finish(&self.lib, self.session, class)
    }
}

#[test]
fn messages_go_through_whole_and_in_parts_until_the_operation_ends() {
    let scene = begun(Encrypt);
    let mut room = Room::of(16);
    scene.whole(b"first", &mut room).unwrap();
    assert_eq!(room.written(), b"first");
    scene.begin(Encrypt).unwrap();
    scene.next(b"a", &mut room, false).unwrap();
    scene.next(b"bc", &mut room, true).unwrap();
    assert_eq!(room.written(), b"bc");
    scene.whole(b"last", &mut room).unwrap();
    let parts = [Whole, Begin, Next { last: false }, Next { last: true }, Whole];
    assert_eq!(scene.asked(), parts.map(Asked::Message));
    scene.finish(Encrypt).unwrap();
    assert_eq!(
        rv(scene.whole(b"more", &mut room)),
        Some(Rv::OperationNotInitialized)
    );
}

#[test]
fn without_an_operation_everything_is_refused() {
    let scene = Scene::new();
    let mut room = Room::of(16);
    let none = Some(Rv::OperationNotInitialized);
    assert_eq!(rv(scene.whole(b"x", &mut room)), none);
    assert_eq!(rv(scene.begin(Encrypt)), none);
    assert_eq!(rv(scene.next(b"x", &mut room, true)), none);
    assert_eq!(rv(scene.finish(Encrypt)), none);
    assert_eq!(scene.asked(), []);
}

#[test]
fn a_second_operation_of_the_class_is_refused_and_the_first_goes_on() {
    let scene = begun(Encrypt);
    let again = messages::init(&scene.lib, scene.session, Encrypt, mechanism(&MECHANISM), KEY);
    assert_eq!(rv(again), Some(Rv::OperationActive));
    scene.whole(b"x", &mut Room::of(16)).unwrap();
}

#[test]
fn a_null_mechanism_ends_the_operation() {
    let scene = begun(Encrypt);
    messages::init(&scene.lib, scene.session, Encrypt, no_mechanism(), KEY).unwrap();
    assert_eq!(rv(scene.finish(Encrypt)), Some(Rv::OperationNotInitialized));
}

#[test]
fn parts_out_of_order_are_refused_and_the_message_goes_on() {
    let scene = begun(Encrypt);
    let mut room = Room::of(16);
    assert_eq!(
        rv(scene.next(b"x", &mut room, false)),
        Some(Rv::OperationNotInitialized),
        "no message has begun"
    );
    scene.begin(Encrypt).unwrap();
    assert_eq!(rv(scene.begin(Encrypt)), Some(Rv::OperationActive));
    assert_eq!(rv(scene.whole(b"x", &mut room)), Some(Rv::OperationActive));
    scene.next(b"x", &mut room, true).unwrap();
    assert_eq!(
        rv(scene.next(b"x", &mut room, true)),
        Some(Rv::OperationNotInitialized),
        "the message is over"
    );
    scene.finish(Encrypt).unwrap();
    assert_eq!(scene.asked(), [Begin, Next { last: true }].map(Asked::Message));
}

#[test]
fn a_message_that_fails_is_over_and_the_operation_goes_on() {
    let scene = begun(Encrypt);
    let mut room = Room::of(16);
    scene.begin(Encrypt).unwrap();
    assert_eq!(rv(scene.next(BAD, &mut room, false)), Some(Rv::DataInvalid));
    assert_eq!(
        rv(scene.next(b"x", &mut room, true)),
        Some(Rv::OperationNotInitialized)
    );
    scene.whole(b"x", &mut room).unwrap();
}

#[test]
fn a_query_and_a_short_buffer_report_the_length_and_leave_the_message_as_it_was() {
    let scene = begun(Encrypt);
    scene.begin(Encrypt).unwrap();
    let mut room = Room::of(4);
    let query = messages::next(
        &scene.lib,
        scene.session,
        data(Encrypt, b"12345"),
        room.query(),
        true,
    );
    assert_eq!((rv(query), room.len), (None, 5));
    let short = scene.next(b"12345", &mut room, true);
    assert_eq!((rv(short), room.len), (Some(Rv::BufferTooSmall), 5));
    let mut room = Room::of(5);
    scene.next(b"12345", &mut room, true).unwrap();
    assert_eq!(room.written(), b"12345");
}

#[test]
fn memory_that_is_not_there_is_an_argument_error_and_ends_no_operation() {
    let scene = begun(Encrypt);
    let nowhere = messages::whole(&scene.lib, scene.session, data(Encrypt, b"x"), no_output());
    assert_eq!(rv(nowhere), Some(Rv::ArgumentsBad));
    let mut room = Room::of(16);
    let parameter = given(Encrypt, no_parameter(12), None, Some(input(b"x")));
    let missing = messages::whole(&scene.lib, scene.session, parameter, room.output());
    assert_eq!(rv(missing), Some(Rv::ArgumentsBad));
    assert_eq!(scene.asked(), []);
    scene.whole(b"x", &mut room).unwrap();
}

#[test]
fn the_place_for_a_signature_comes_with_the_last_part() {
    let scene = begun(Sign);
    scene.begin(Sign).unwrap();
    let sign = |output| messages::sign_next(&scene.lib, scene.session, data(Sign, b"part"), output);
    sign(no_output()).unwrap();
    let mut room = Room::of(16);
    sign(room.output()).unwrap();
    assert_eq!(room.written(), b"part");
    let parts = [Begin, Next { last: false }, Next { last: true }];
    assert_eq!(scene.asked(), parts.map(Asked::Message));
}

#[test]
fn a_wrong_signature_is_of_one_message_only() {
    let scene = begun(Verify);
    let whole =
        |signature| messages::verify(&scene.lib, scene.session, data(Verify, b"text"), input(signature));
    assert_eq!(rv(whole(b"wrong")), Some(Rv::SignatureInvalid));
    whole(SIGNATURE).unwrap();
    let part = |signature| messages::verify_next(&scene.lib, scene.session, data(Verify, b"part"), signature);
    for (signature, expected) in [(&b"wrong"[..], Some(Rv::SignatureInvalid)), (SIGNATURE, None)] {
        scene.begin(Verify).unwrap();
        part(no_input()).unwrap();
        assert_eq!(rv(part(input(signature))), expected);
    }
    scene.finish(Verify).unwrap();
}
