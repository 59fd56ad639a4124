// SPDX-License-Identifier: MIT
//! Inputs, outputs and lists.

use std::ptr::{null, null_mut};

use super::*;
use crate::abi::values::{Input, Label, Output, OutputArray, OutputBytes, OutputList, Place};

fn input<'a>(ptr: *const u8, len: ck::CK_ULONG) -> Input<'a> {
    // SAFETY: the tests give memory that outlives the value, or what is not read.
    unsafe { Input::new(ptr, len) }
}

fn output<'a>(buffer: *mut u8, len: *mut ck::CK_ULONG) -> Output<'a> {
    // SAFETY: the tests give memory that outlives the value, or what is not read.
    unsafe { Output::new(buffer, len) }
}

#[test]
fn null_with_a_length_is_a_bad_argument_and_without_one_it_is_empty() {
    assert_eq!(input(null(), 0).bytes().unwrap(), b"");
    assert_eq!(rv(input(null(), 1).bytes()), Some(Rv::ArgumentsBad));
    assert_eq!(input(b"abc".as_ptr(), 3).bytes().unwrap(), b"abc");
    assert_eq!(input(b"abc".as_ptr(), 0).bytes().unwrap(), b"");
}

#[test]
fn a_length_that_no_memory_has_is_a_bad_argument() {
    for huge in HUGE {
        assert_eq!(rv(input(b"abc".as_ptr(), huge).bytes()), Some(Rv::ArgumentsBad));
        let (mut buffer, mut len) = ([0; 4], huge);
        assert_eq!(
            rv(output(buffer.as_mut_ptr(), &raw mut len).check()),
            Some(Rv::ArgumentsBad)
        );
        assert_eq!(output(buffer.as_mut_ptr(), &raw mut len).buffer(), b"");
        // SAFETY: a length like this is not believed.
        let mut bytes = unsafe { OutputBytes::new(buffer.as_mut_ptr(), huge) };
        assert_eq!(rv(bytes.buffer()), Some(Rv::ArgumentsBad));
    }
}

#[test]
fn an_output_without_a_place_for_the_length_is_a_bad_argument() {
    let mut buffer = [0; 4];
    let mut output = output(buffer.as_mut_ptr(), null_mut());
    assert_eq!(rv(output.check()), Some(Rv::ArgumentsBad));
    assert_eq!(output.capacity(), 0);
    assert_eq!(output.buffer(), b"");
    output.set_len(4);
}

#[test]
fn a_null_buffer_asks_for_the_length_whatever_the_length_says() {
    for before in [0, 5, ck::CK_ULONG::MAX] {
        let mut len = before;
        let mut output = output(null_mut(), &raw mut len);
        output.check().unwrap();
        assert!(output.is_query());
        assert_eq!((output.capacity(), output.buffer().len()), (0, 0));
        output.set_len(32);
        assert_eq!(len, 32);
    }
}

#[test]
fn an_output_lends_the_buffer_and_writes_the_length() {
    let (mut buffer, mut len) = ([0; 4], 3);
    let mut output = output(buffer.as_mut_ptr(), &raw mut len);
    output.check().unwrap();
    assert_eq!(output.capacity(), 3);
    output.buffer().copy_from_slice(b"abc");
    output.set_len(2);
    assert_eq!((buffer, len), (*b"abc\0", 2));
}

#[test]
fn input_that_an_output_overwrites_is_copied_before() {
    for (from, to) in [(0, 0), (0, 3), (3, 0)] {
        let mut memory = *b"0123456789";
        let start = memory.as_mut_ptr();
        let mut len = 5;
        let mut output = output(start.wrapping_add(to), &raw mut len);
        let input = input(start.wrapping_add(from), 5).apart_from(&output);
        let bytes = input.bytes().unwrap();
        output.buffer().fill(b'x');
        assert_eq!(bytes, &b"0123456789"[from..from + 5]);
    }
}

#[test]
fn input_beside_the_output_is_read_where_it_is() {
    let mut memory = *b"0123456789";
    let start = memory.as_mut_ptr();
    let mut len = 5;
    let output = output(start.wrapping_add(5), &raw mut len);
    let input = input(start, 5).apart_from(&output);
    assert_eq!(input.bytes().unwrap().as_ptr(), start.cast_const());
}

#[test]
fn input_that_holds_the_length_is_copied_before() {
    let mut len: ck::CK_ULONG = 4;
    let mut buffer = [0; 4];
    let place = &raw mut len;
    let mut output = output(buffer.as_mut_ptr(), place);
    let input = input(place.cast_const().cast(), ulong(size_of::<ck::CK_ULONG>())).apart_from(&output);
    let bytes = input.bytes().unwrap();
    output.set_len(1);
    assert_eq!(bytes, (4 as ck::CK_ULONG).to_ne_bytes());
}

#[test]
fn bad_input_beside_an_output_is_still_a_bad_argument() {
    let (mut buffer, mut len) = ([0; 4], 4);
    let output = output(buffer.as_mut_ptr(), &raw mut len);
    assert_eq!(
        rv(input(null(), 4).apart_from(&output).bytes()),
        Some(Rv::ArgumentsBad)
    );
    assert_eq!(
        rv(input(buffer.as_ptr(), ck::CK_ULONG::MAX)
            .apart_from(&output)
            .bytes()),
        Some(Rv::ArgumentsBad)
    );
}

#[test]
fn a_list_that_is_too_short_gets_the_full_count_and_nothing_else() {
    let (mut list, mut count): ([ck::CK_ULONG; 2], _) = ([7; 2], 2);
    // SAFETY: both outlive the value.
    let mut output = unsafe { OutputList::new(list.as_mut_ptr(), &raw mut count) };
    assert_eq!(rv(output.fill(&[1, 2, 3])), Some(Rv::BufferTooSmall));
    assert_eq!((list, count), ([7; 2], 3));
}

#[test]
fn a_null_list_asks_for_the_count() {
    let mut count = 0;
    // SAFETY: it outlives the value.
    let mut output = unsafe { OutputList::<ck::CK_ULONG>::new(null_mut(), &raw mut count) };
    output.fill(&[1, 2, 3]).unwrap();
    assert_eq!(count, 3);
    // SAFETY: null is not written.
    let mut nowhere = unsafe { OutputList::<ck::CK_ULONG>::new(null_mut(), null_mut()) };
    assert_eq!(rv(nowhere.fill(&[])), Some(Rv::ArgumentsBad));
}

#[test]
fn a_list_is_filled_and_counted() {
    let (mut list, mut count): ([ck::CK_ULONG; 3], _) = ([7; 3], 3);
    // SAFETY: both outlive the value.
    let mut output = unsafe { OutputList::new(list.as_mut_ptr(), &raw mut count) };
    output.fill(&[1, 2]).unwrap();
    assert_eq!((list, count), ([1, 2, 7], 2));
}

#[test]
fn an_array_takes_no_more_than_was_asked_for() {
    let (mut array, mut count): ([ck::CK_ULONG; 3], _) = ([7; 3], 9);
    // SAFETY: both outlive the value.
    let mut output = unsafe { OutputArray::new(array.as_mut_ptr(), 2, &raw mut count) };
    assert_eq!(output.capacity(), 2);
    assert_eq!(rv(output.fill(&[1, 2, 3])), Some(Rv::GeneralError));
    output.fill(&[1, 2]).unwrap();
    assert_eq!((array, count), ([1, 2, 7], 2));
}

#[test]
fn an_array_that_is_not_there_is_a_bad_argument() {
    let mut count = 0;
    // SAFETY: null is not written.
    let array = unsafe { OutputArray::<ck::CK_ULONG>::new(null_mut(), 1, &raw mut count) };
    assert_eq!(rv(array.check()), Some(Rv::ArgumentsBad));
    assert_eq!(array.capacity(), 0);
    // SAFETY: null is not written.
    let mut none = unsafe { OutputArray::<ck::CK_ULONG>::new(null_mut(), 0, &raw mut count) };
    none.fill(&[]).unwrap();
}

#[test]
fn places_need_not_be_aligned() {
    let mut memory = [0_u8; 3 * size_of::<ck::CK_ULONG>() + 1];
    let odd = memory.as_mut_ptr().wrapping_add(1).cast::<ck::CK_ULONG>();
    // SAFETY: there is room for three numbers.
    let mut place = unsafe { Place::new(odd) };
    place.check().unwrap();
    place.set(5);
    let mut count = 2;
    // SAFETY: there is room for two numbers behind the first.
    let mut list = unsafe { OutputList::new(odd.wrapping_add(1), &raw mut count) };
    list.fill(&[6, 7]).unwrap();
    let (numbers, _) = memory[1..].as_chunks::<{ size_of::<ck::CK_ULONG>() }>();
    let numbers: Vec<_> = numbers
        .iter()
        .map(|number| ck::CK_ULONG::from_ne_bytes(*number))
        .collect();
    assert_eq!(numbers, [5, 6, 7]);
}

#[test]
fn a_place_that_is_not_there_is_a_bad_argument() {
    // SAFETY: null is not written.
    let mut place = unsafe { Place::<ck::CK_ULONG>::new(null_mut()) };
    assert_eq!(rv(place.check()), Some(Rv::ArgumentsBad));
    place.set(1);
    // SAFETY: null is not read.
    assert_eq!(rv(unsafe { Label::new(null()) }.bytes()), Some(Rv::ArgumentsBad));
}
