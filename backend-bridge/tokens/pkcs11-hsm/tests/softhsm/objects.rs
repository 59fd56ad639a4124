// SPDX-License-Identifier: MIT
//! Objects and their attributes.

use super::*;

#[test]
fn session_objects_die_with_their_session_and_not_before() {
    in_own_process(SOFTHSM, |_| {
        let (libraries, mut app) = logged_in();
        let key = app.generate_aes("mine", false).unwrap();
        let mine = app.session;
        for _ in 0..100 {
            app.new_session();
            app.whole(
                OperationClass::Digest,
                &Mechanism::given(ck::CKM_SHA256, None),
                None,
                b"",
            )
            .unwrap();
            app.token.close_session(app.session);
        }
        assert_eq!(app.find(ck::CKO_SECRET_KEY, "mine").unwrap(), [key]);
        app.token.close_session(mine);
        assert!(app.find(ck::CKO_SECRET_KEY, "mine").unwrap().is_empty());
        let ecb = Mechanism::given(ck::CKM_AES_ECB, None);
        let gone = app.whole(OperationClass::Encrypt, &ecb, Some(key), &[0; 16]);
        assert_eq!(rv(gone), Some(Rv::KeyHandleInvalid));
        drop(libraries);
    });
}

#[test]
fn attributes_are_read_set_and_searched_for() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let (public, private) = app.generate_ec("old", true);
        let wanted = [ck::CKA_LABEL, ck::CKA_VALUE, ck::CKA_MODULUS, ck::CKA_SIGN];
        let read = app.attributes(private, &wanted).unwrap();
        assert_eq!(
            read[0].as_ref().ok().and_then(Value::as_bytes),
            Some(b"old".as_slice())
        );
        assert_eq!(read[1].as_ref().err(), Some(&Rv::AttributeSensitive));
        assert_eq!(read[2].as_ref().err(), Some(&Rv::AttributeTypeInvalid));
        assert!(matches!(read[3], Ok(Value::Bool(true))));
        let template: Template = [(ck::CKA_LABEL, Value::bytes(*b"new"))].into_iter().collect();
        app.run(Work::Set {
            object: private,
            template: &template,
        })
        .unwrap();
        assert_eq!(app.find(ck::CKO_PRIVATE_KEY, "new").unwrap(), [private]);
        assert!(matches!(app.run(Work::Size(public)), Ok(Out::Size(_))));
        app.run(Work::Destroy(private)).unwrap();
        assert_eq!(
            rv(app.attributes(private, &wanted)),
            Some(Rv::ObjectHandleInvalid)
        );
    });
}

#[test]
fn objects_are_created_and_copied() {
    in_own_process(SOFTHSM, |_| {
        let (_libraries, app) = logged_in();
        let data: Template = [
            (ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA)),
            (ck::CKA_TOKEN, Value::Bool(false)),
            (ck::CKA_LABEL, Value::bytes(*b"one")),
            (ck::CKA_VALUE, Value::bytes(vec![7; 3000])),
        ]
        .into_iter()
        .collect();
        let one = object(app.run(Work::Create(&data)).unwrap());
        let value = app.attributes(one, &[ck::CKA_VALUE]).unwrap();
        assert_eq!(
            value[0].as_ref().ok().and_then(Value::as_bytes).unwrap().len(),
            3000
        );
        let change: Template = [(ck::CKA_LABEL, Value::bytes(*b"two"))].into_iter().collect();
        let copy = Work::Copy {
            object: one,
            template: &change,
        };
        let two = object(app.run(copy).unwrap());
        assert_ne!(one, two);
        assert_eq!(app.find(ck::CKO_DATA, "two").unwrap(), [two]);
    });
}
