// SPDX-License-Identifier: MIT
//! Templates and attributes, with vendors that answer in different ways.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;

/// A vendor with a label of 600 bytes, a sensitive value, and no other attribute.
fn vendor(reading: &mut Reading) -> Result<(), Rv> {
    let mut outcome = Ok(());
    for (raw, memory) in reading.raw.iter_mut().zip(&mut reading.memory) {
        let fits = match (raw.type_, memory) {
            (ck::CKA_LABEL, Memory::None) => Ok(600),
            (ck::CKA_LABEL, Memory::Bytes(room)) if room.len() >= 600 => {
                room[..600].fill(b'x');
                Ok(600)
            }
            (ck::CKA_LABEL, _) => Err(Rv::BufferTooSmall),
            (ck::CKA_TOKEN, Memory::Bytes(room)) => {
                room[0] = 1;
                Ok(1)
            }
            (ck::CKA_TOKEN, _) => Ok(1),
            (ck::CKA_VALUE, _) => Err(Rv::AttributeSensitive),
            _ => Err(Rv::AttributeTypeInvalid),
        };
        raw.ulValueLen = fits.unwrap_or(ck::CK_UNAVAILABLE_INFORMATION);
        outcome = outcome.and(fits.map(drop));
    }
    outcome
}

#[test]
fn each_attribute_is_answered_by_itself() {
    let wanted = [ck::CKA_TOKEN, ck::CKA_LABEL, ck::CKA_VALUE, ck::CKA_ID];
    for checks_room in [false, true] {
        let read = read_attributes(&wanted, checks_room, vendor).unwrap();
        assert!(matches!(read[0].1, Ok(Value::Bool(true))));
        assert_eq!(read[1].1.as_ref().ok().unwrap().as_bytes().unwrap().len(), 600);
        assert_eq!(read[2].1.as_ref().err(), Some(&Rv::AttributeSensitive));
        assert_eq!(read[3].1.as_ref().err(), Some(&Rv::AttributeTypeInvalid));
    }
}

#[test]
fn what_is_not_refused_is_asked_for_together() {
    let wanted = [
        ck::CKA_TOKEN,
        ck::CKA_CERTIFICATE_TYPE,
        ck::CKA_LABEL,
        ck::CKA_PRIVATE,
    ];
    // Lengths and values, and once more without what is refused; with room beforehand, one call each.
    for (checks_room, most) in [(false, 3), (true, 2)] {
        let mut calls = 0;
        let read = read_attributes(&wanted, checks_room, |reading| {
            calls += 1;
            let mut outcome = Ok(());
            for (raw, memory) in reading.raw.iter_mut().zip(&mut reading.memory) {
                raw.ulValueLen = 1;
                match memory {
                    _ if raw.type_ == ck::CKA_CERTIFICATE_TYPE => {
                        raw.ulValueLen = ck::CK_UNAVAILABLE_INFORMATION;
                        outcome = Err(Rv::AttributeTypeInvalid);
                    }
                    Memory::Bytes(room) => room[0] = 1,
                    _ => {}
                }
            }
            outcome
        });
        let read = read.unwrap();
        assert_eq!(read.iter().map(|(id, _)| *id).collect::<Vec<_>>(), wanted);
        assert_eq!(read[1].1.as_ref().err(), Some(&Rv::AttributeTypeInvalid));
        assert_eq!(read.iter().filter(|(_, value)| value.is_ok()).count(), 3);
        assert_eq!(calls, most);
    }
}

#[test]
fn a_vendor_that_marks_all_for_one_is_asked_one_by_one() {
    let wanted = [ck::CKA_TOKEN, ck::CKA_VALUE, ck::CKA_PRIVATE];
    let read = read_attributes(&wanted, true, |reading| {
        let refused = reading.raw.iter().any(|raw| raw.type_ == ck::CKA_VALUE);
        for (raw, memory) in reading.raw.iter_mut().zip(&mut reading.memory) {
            match memory {
                Memory::Bytes(room) if !refused => room[0] = 1,
                _ => raw.ulValueLen = ck::CK_UNAVAILABLE_INFORMATION,
            }
        }
        if refused {
            Err(Rv::AttributeSensitive)
        } else {
            Ok(())
        }
    });
    let read = read.unwrap();
    assert_eq!(read[1].1.as_ref().err(), Some(&Rv::AttributeSensitive));
    assert!(read[0].1.is_ok() && read[2].1.is_ok());
}

#[test]
fn no_room_is_given_that_a_value_may_not_fit() {
    let values = [
        (ck::CKA_TOKEN, 1),
        (ck::CKA_LABEL, 60_000),
        (ck::CKA_ID, 0),
        (ck::CKA_APPLICATION, 521),
    ];
    // As softokn does, which looks at no length.
    let careless = |reading: &mut Reading| {
        for (raw, memory) in reading.raw.iter_mut().zip(&mut reading.memory) {
            let (_, len) = values.iter().find(|(id, _)| *id == raw.type_).unwrap();
            if let Memory::Bytes(room) = memory {
                room[..*len].fill(1);
            }
            raw.ulValueLen = *len as ck::CK_ULONG;
        }
        Ok(())
    };
    let read = read_attributes(&values.map(|(id, _)| id), false, careless).unwrap();
    assert!(matches!(read[0].1, Ok(Value::Bool(true))));
    for ((id, value), (wanted, len)) in read.iter().zip(values).skip(1) {
        let value = value.as_ref().ok().unwrap();
        assert_eq!((*id, value.as_bytes().unwrap().len()), (wanted, len));
    }
}

#[test]
fn what_fails_as_a_whole_fails_as_a_whole() {
    let lost = read_attributes(&[ck::CKA_TOKEN], false, |_| Err(Rv::SessionHandleInvalid));
    assert_eq!(lost.err(), Some(Rv::SessionHandleInvalid));
}

#[test]
fn a_length_beyond_the_memory_is_not_believed() {
    let lying = |reading: &mut Reading| {
        reading.raw[0].ulValueLen = 4096;
        Ok(())
    };
    let read = read_attributes(&[ck::CKA_TOKEN], false, lying).unwrap();
    assert!(read[0].1.is_err());
}

#[test]
fn a_template_within_a_template_keeps_its_shape() {
    let inner: Template = [(ck::CKA_TOKEN, Value::Bool(true))].into_iter().collect();
    let outer: Template = [
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
        (ck::CKA_WRAP_TEMPLATE, Value::Template(inner)),
    ]
    .into_iter()
    .collect();
    let attributes = Attributes::new(&outer);
    assert_eq!(attributes.raw[0].ulValueLen, ULONG as ck::CK_ULONG);
    let bytes = size_of::<ck::CK_ATTRIBUTE>() as ck::CK_ULONG;
    assert_eq!(attributes.raw[1].ulValueLen, bytes);
    assert_eq!(
        attributes.raw[1].pValue.cast(),
        attributes._nested[0].raw.as_ptr().cast_mut()
    );
}
