// SPDX-License-Identifier: MIT
//! Secrets that two sides share with ML-KEM.

use super::*;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Result;
use keyenclave_model::token::{CallCx, Encapsulation, ObjectId};

pub(super) fn encapsulate(
    fixture: &Fixture,
    cx: CallCx,
    key: ObjectId,
    template: &Template,
) -> Result<(Vec<u8>, ObjectId)> {
    let mechanism = plain(ck::CKM_ML_KEM);
    let what = Encapsulation {
        mechanism: &mechanism,
        public: key,
        template,
    };
    let Out::Size(most) = fixture.work(cx, Work::EncapsulateLen(what))? else {
        panic!("no length")
    };
    match fixture.work(cx, Work::Encapsulate(what))? {
        Out::Encapsulated { ciphertext, key } => {
            assert_eq!(ciphertext.len() as u64, most);
            Ok((ciphertext, key))
        }
        _ => panic!("nothing encapsulated"),
    }
}

pub(super) fn decapsulate(
    fixture: &Fixture,
    cx: CallCx,
    key: ObjectId,
    ciphertext: &[u8],
    template: &Template,
) -> Result<ObjectId> {
    let mechanism = plain(ck::CKM_ML_KEM);
    let work = Work::Decapsulate {
        mechanism: &mechanism,
        private: key,
        ciphertext,
        template,
    };
    match fixture.work(cx, work)? {
        Out::Object(key) => Ok(key),
        _ => panic!("no key"),
    }
}

fn open_secret() -> Template {
    template([(ck::CKA_PRIVATE, no()), (ck::CKA_SENSITIVE, no())])
}

#[test]
fn both_sides_have_one_secret_and_a_changed_ciphertext_gives_another() {
    let fixture = Fixture::blank();
    for set in sets(Scheme::MlKem) {
        let (public_key, private_key) = lattice_pair(&fixture, ck::CKK_ML_KEM, set.number);
        let value = |key| {
            fixture
                .view(public(), key)
                .unwrap()
                .bytes(ck::CKA_VALUE)
                .unwrap()
                .to_vec()
        };
        let (mut ciphertext, key) = encapsulate(&fixture, public(), public_key, &open_secret()).unwrap();
        assert_eq!(ciphertext.len(), set.output_len);
        let open =
            |ciphertext: &[u8]| decapsulate(&fixture, public(), private_key, ciphertext, &open_secret());
        assert_eq!(value(open(&ciphertext).unwrap()), value(key));
        assert_eq!(value(key).len(), 32);
        assert_eq!(rv(open(&ciphertext[1..])), Rv::WrappedKeyLenRange);
        ciphertext[0] ^= 1;
        let first = value(open(&ciphertext).unwrap());
        assert_ne!(first, value(key));
        assert_eq!(first, value(open(&ciphertext).unwrap()));
    }
}

#[test]
fn the_new_key_is_what_the_specification_says_where_the_template_says_nothing() {
    let fixture = Fixture::blank();
    let (public_key, private_key) = lattice_pair(&fixture, ck::CKK_ML_KEM, ck::CKP_ML_KEM_768);
    let of_secret = template([(ck::CKA_PRIVATE, no())]);
    let (ciphertext, one) = encapsulate(&fixture, public(), public_key, &of_secret).unwrap();
    let other = decapsulate(&fixture, public(), private_key, &ciphertext, &of_secret).unwrap();
    for key in [one, other] {
        let key = fixture.view(public(), key).unwrap();
        assert_eq!(key.key_type(), Some(ck::CKK_GENERIC_SECRET));
        assert_eq!(key.ulong(ck::CKA_VALUE_LEN), Some(32));
        assert!(key.is_true(ck::CKA_EXTRACTABLE) && key.is_true(ck::CKA_SENSITIVE));
        for id in [ck::CKA_LOCAL, ck::CKA_ALWAYS_SENSITIVE, ck::CKA_NEVER_EXTRACTABLE] {
            assert!(!key.is_true(id));
        }
        assert_eq!(key.reveal(ck::CKA_VALUE).map(|_| ()), Err(Rv::AttributeSensitive));
    }
}

#[test]
fn templates_that_the_secret_does_not_fit_are_refused() {
    let fixture = Fixture::blank();
    let (public_key, private_key) = lattice_pair(&fixture, ck::CKK_ML_KEM, ck::CKP_ML_KEM_512);
    let (ciphertext, _) = encapsulate(&fixture, public(), public_key, &open_secret()).unwrap();
    for (attribute, refusal) in [
        ((ck::CKA_VALUE_LEN, number(16)), Rv::TemplateInconsistent),
        ((ck::CKA_VALUE, bytes([0; 32])), Rv::AttributeReadOnly),
        ((ck::CKA_KEY_TYPE, number(ck::CKK_RSA)), Rv::AttributeValueInvalid),
        (
            (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
            Rv::AttributeValueInvalid,
        ),
    ] {
        let template = merged(&open_secret(), [attribute]);
        assert_eq!(
            rv(encapsulate(&fixture, public(), public_key, &template)),
            refusal
        );
        assert_eq!(
            rv(decapsulate(
                &fixture,
                public(),
                private_key,
                &ciphertext,
                &template
            )),
            refusal
        );
    }
    let aes = merged(
        &open_secret(),
        [
            (ck::CKA_KEY_TYPE, number(ck::CKK_AES)),
            (ck::CKA_VALUE_LEN, number(32)),
        ],
    );
    encapsulate(&fixture, public(), public_key, &aes).unwrap();
    // Halves and kinds of keys that are not these.
    assert_ne!(
        rv(encapsulate(&fixture, public(), private_key, &open_secret())),
        Rv::GeneralError
    );
    assert!(decapsulate(&fixture, public(), public_key, &ciphertext, &open_secret()).is_err());
    let (_, signing) = lattice_pair(&fixture, ck::CKK_ML_DSA, ck::CKP_ML_DSA_44);
    let wrong = decapsulate(&fixture, public(), signing, &ciphertext, &open_secret());
    assert_eq!(rv(wrong), Rv::UnwrappingKeyTypeInconsistent);
}

#[test]
fn a_keys_own_templates_bind_what_is_made_with_it() {
    let fixture = Fixture::blank();
    let aes = || Value::Template(template([(ck::CKA_KEY_TYPE, number(ck::CKK_AES))]));
    let of_public = template([
        (ck::CKA_PARAMETER_SET, number(ck::CKP_ML_KEM_512)),
        (ck::CKA_ENCAPSULATE_TEMPLATE, aes()),
    ]);
    let of_private = template([(ck::CKA_PRIVATE, no()), (ck::CKA_DECAPSULATE_TEMPLATE, aes())]);
    let pair = fixture.generate_pair(public(), ck::CKM_ML_KEM_KEY_PAIR_GEN, &of_public, &of_private);
    let (public_key, private_key) = pair.unwrap();
    let generic = encapsulate(&fixture, public(), public_key, &open_secret());
    assert_eq!(rv(generic), Rv::KeyHandleInvalid);
    let of_aes = merged(&open_secret(), [(ck::CKA_KEY_TYPE, number(ck::CKK_AES))]);
    let (ciphertext, _) = encapsulate(&fixture, public(), public_key, &of_aes).unwrap();
    let key = decapsulate(&fixture, public(), private_key, &ciphertext, &open_secret()).unwrap();
    assert_eq!(fixture.view(public(), key).unwrap().key_type(), Some(ck::CKK_AES));
    let generic = merged(
        &open_secret(),
        [(ck::CKA_KEY_TYPE, number(ck::CKK_GENERIC_SECRET))],
    );
    let refused = decapsulate(&fixture, public(), private_key, &ciphertext, &generic);
    assert_eq!(rv(refused), Rv::TemplateInconsistent);
}

#[test]
fn a_key_without_the_flag_is_not_used() {
    let fixture = Fixture::blank();
    let (public_key, private_key) = lattice_pair(&fixture, ck::CKK_ML_KEM, ck::CKP_ML_KEM_512);
    let (ciphertext, _) = encapsulate(&fixture, public(), public_key, &open_secret()).unwrap();
    for (key, flag) in [
        (public_key, ck::CKA_ENCAPSULATE),
        (private_key, ck::CKA_DECAPSULATE),
    ] {
        fixture.set(public(), key, &template([(flag, no())])).unwrap();
    }
    let sent = encapsulate(&fixture, public(), public_key, &open_secret());
    assert_eq!(rv(sent), Rv::KeyFunctionNotPermitted);
    let received = decapsulate(&fixture, public(), private_key, &ciphertext, &open_secret());
    assert_eq!(rv(received), Rv::KeyFunctionNotPermitted);
}

#[test]
fn a_public_key_may_say_how_long_what_is_made_with_it_is() {
    let fixture = Fixture::blank();
    let len = |len| Value::Template(template([(ck::CKA_VALUE_LEN, number(len))]));
    for (demanded, fits) in [(32, true), (16, false)] {
        let of_public = template([
            (ck::CKA_PARAMETER_SET, number(ck::CKP_ML_KEM_512)),
            (ck::CKA_ENCAPSULATE_TEMPLATE, len(demanded)),
        ]);
        let of_private = template([(ck::CKA_PRIVATE, no())]);
        let pair = fixture.generate_pair(public(), ck::CKM_ML_KEM_KEY_PAIR_GEN, &of_public, &of_private);
        let (public_key, _) = pair.unwrap();
        let made = encapsulate(&fixture, public(), public_key, &open_secret());
        assert_eq!(made.is_ok(), fits);
    }
}
