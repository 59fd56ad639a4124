// SPDX-License-Identifier: MIT
//! ML-DSA and ML-KEM keys of a soft token: made, imported, used, wrapped and stored.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_crypto::{PublicKey, digest};
use keyenclave_model::algorithm::Hash;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{Hedge, Mechanism, MlDsaParams, Params};
use keyenclave_model::object::Object;
use keyenclave_model::post_quantum::{PARAMETER_SETS, ParameterSet, Prehash, Scheme};
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, Encapsulation, ObjectId, OperationClass as Class, Out, Role, Work};
use token_fixture::*;

const MESSAGE: &[u8] = b"a message of some length, which is signed in several ways";

fn with(id: u64, hedge: Hedge, context: &[u8], prehash: Option<Prehash>) -> Mechanism {
    let context = context.to_vec();
    let params = MlDsaParams {
        hedge,
        context,
        prehash,
    };
    mechanism(id, Params::MlDsa(params))
}

fn sets(scheme: Scheme) -> impl Iterator<Item = &'static ParameterSet> {
    PARAMETER_SETS.iter().filter(move |set| set.scheme == scheme)
}

fn private(set: &ParameterSet, attributes: &[(u64, &[u8])]) -> Template {
    let fixed = template([
        (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
        (ck::CKA_KEY_TYPE, number(set.scheme.key_type())),
        (ck::CKA_PRIVATE, no()),
        (ck::CKA_PARAMETER_SET, number(set.number)),
    ]);
    merged(&fixed, attributes.iter().map(|(id, value)| (*id, bytes(value))))
}

fn public_half(set: &ParameterSet, value: &[u8]) -> Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_PUBLIC_KEY)),
        (ck::CKA_KEY_TYPE, number(set.scheme.key_type())),
        (ck::CKA_PARAMETER_SET, number(set.number)),
        (ck::CKA_VALUE, bytes(value)),
    ])
}

#[test]
fn ml_dsa_signs_and_verifies_with_every_mechanism_in_one_part_and_in_many() {
    let fixture = Fixture::blank();
    for set in sets(Scheme::MlDsa) {
        let (public_key, private_key) = lattice_pair(&fixture, ck::CKK_ML_DSA, set.number);
        for id in [
            ck::CKM_ML_DSA,
            ck::CKM_HASH_ML_DSA_SHA224,
            ck::CKM_HASH_ML_DSA_SHA256,
            ck::CKM_HASH_ML_DSA_SHA384,
            ck::CKM_HASH_ML_DSA_SHA512,
            ck::CKM_HASH_ML_DSA_SHA3_224,
            ck::CKM_HASH_ML_DSA_SHA3_256,
            ck::CKM_HASH_ML_DSA_SHA3_384,
            ck::CKM_HASH_ML_DSA_SHA3_512,
            ck::CKM_HASH_ML_DSA_SHAKE128,
            ck::CKM_HASH_ML_DSA_SHAKE256,
        ] {
            let sign = |mechanism: &Mechanism| {
                fixture
                    .run(public(), Class::Sign, mechanism, private_key, MESSAGE)
                    .unwrap()
            };
            let verify = |mechanism: &Mechanism, message: &[u8], signature: &[u8]| {
                fixture.verify(public(), mechanism, public_key, message, signature)
            };
            let (plain, fixed) = (plain(id), with(id, Hedge::Deterministic, b"", None));
            let signature = sign(&plain);
            assert_eq!(signature.len(), set.output_len);
            assert_ne!(signature, sign(&with(id, Hedge::Required, b"", None)));
            let (front, back) = MESSAGE.split_at(7);
            let parts = fixture.run_in_parts(public(), Class::Sign, &fixed, private_key, &[front, &[], back]);
            assert_eq!(parts.unwrap(), sign(&fixed));
            verify(&fixed, MESSAGE, &signature).unwrap();
            assert_eq!(rv(verify(&plain, front, &signature)), Rv::SignatureInvalid);
            let of_context = with(id, Hedge::Preferred, b"c", None);
            assert_eq!(rv(verify(&of_context, MESSAGE, &signature)), Rv::SignatureInvalid);
            verify(&of_context, MESSAGE, &sign(&of_context)).unwrap();
            assert_eq!(
                rv(verify(&plain, MESSAGE, &signature[1..])),
                Rv::SignatureLenRange
            );
        }
    }
}

#[test]
fn a_given_hash_is_signed_as_if_the_token_had_made_it_and_only_whole() {
    let fixture = Fixture::blank();
    let (public_key, private_key) = lattice_pair(&fixture, ck::CKK_ML_DSA, ck::CKP_ML_DSA_65);
    let hashed = with(ck::CKM_HASH_ML_DSA_SHA384, Hedge::Deterministic, b"c", None);
    let given = with(
        ck::CKM_HASH_ML_DSA,
        Hedge::Deterministic,
        b"c",
        Some(Prehash::Hash(Hash::Sha384)),
    );
    let value = digest(Hash::Sha384, MESSAGE);
    let sign =
        |mechanism: &Mechanism, data: &[u8]| fixture.run(public(), Class::Sign, mechanism, private_key, data);
    let signature = sign(&hashed, MESSAGE).unwrap();
    assert_eq!(sign(&given, &value).unwrap(), signature);
    fixture
        .verify(public(), &given, public_key, &value, &signature)
        .unwrap();
    assert_eq!(rv(sign(&given, &value[1..])), Rv::DataLenRange);
    let parts = fixture.run_in_parts(public(), Class::Sign, &given, private_key, &[&value]);
    assert_eq!(rv(parts), Rv::FunctionNotSupported);
}

/// A pair's public key, and its private one with everything that is known of it.
fn pair(fixture: &Fixture, set: &ParameterSet) -> [std::sync::Arc<Object>; 2] {
    let (public_key, private_key) = lattice_pair(fixture, set.scheme.key_type(), set.number);
    [public_key, private_key].map(|key| fixture.view(public(), key).unwrap())
}

#[test]
fn a_generated_pair_describes_itself() {
    let fixture = Fixture::blank();
    for set in PARAMETER_SETS {
        let [public_key, private_key] = pair(&fixture, set);
        for (object, len) in [(&public_key, set.public_len), (&private_key, set.private_len)] {
            assert_eq!(object.ulong(ck::CKA_PARAMETER_SET), Some(set.number));
            assert_eq!(object.bytes(ck::CKA_VALUE).unwrap().len(), len);
            assert!(object.is_true(ck::CKA_LOCAL));
        }
        assert_eq!(private_key.bytes(ck::CKA_SEED).unwrap().len(), set.seed_len);
        let spki = public_key.bytes(ck::CKA_PUBLIC_KEY_INFO).unwrap();
        assert_eq!(private_key.bytes(ck::CKA_PUBLIC_KEY_INFO), Some(spki));
        let value = match PublicKey::from_spki_der(spki).unwrap() {
            PublicKey::MlDsa(key) => key.as_bytes().unwrap(),
            PublicKey::MlKem(key) => key.as_bytes().unwrap(),
            _ => panic!("another kind of key"),
        };
        assert_eq!(public_key.bytes(ck::CKA_VALUE), Some(&*value));
    }
}

#[test]
fn seed_and_value_of_a_sensitive_key_are_not_shown() {
    let fixture = Fixture::blank();
    for set in PARAMETER_SETS {
        let [_, made] = pair(&fixture, set);
        let seed = made.bytes(ck::CKA_SEED).unwrap();
        let key = fixture
            .create(public(), &private(set, &[(ck::CKA_SEED, seed)]))
            .unwrap();
        let key = fixture.view(public(), key).unwrap();
        assert!(key.bytes(ck::CKA_VALUE) == made.bytes(ck::CKA_VALUE));
        for id in [ck::CKA_SEED, ck::CKA_VALUE] {
            assert_eq!(
                key.reveal(id).map(|_| ()),
                Err(Rv::AttributeSensitive),
                "{}",
                set.name
            );
            assert!(made.reveal(id).is_ok());
        }
    }
}

#[test]
fn keys_are_taken_in_by_seed_or_value_or_both_and_never_when_the_two_differ() {
    let fixture = Fixture::blank();
    for set in PARAMETER_SETS {
        let [[public_key, one], [_, other]] = [(); 2].map(|()| pair(&fixture, set));
        let part = |object: &Object, id| object.bytes(id).unwrap().to_vec();
        let (seed, value) = (part(&one, ck::CKA_SEED), part(&one, ck::CKA_VALUE));
        let create = |attributes: &[(u64, &[u8])]| fixture.create(public(), &private(set, attributes));
        for (given, has_seed) in [
            (&[(ck::CKA_SEED, &*seed)][..], true),
            (&[(ck::CKA_VALUE, &*value)], false),
            (&[(ck::CKA_SEED, &*seed), (ck::CKA_VALUE, &*value)], true),
        ] {
            let key = fixture.view(public(), create(given).unwrap()).unwrap();
            assert_eq!(
                key.bytes(ck::CKA_SEED).is_some_and(|seed| !seed.is_empty()),
                has_seed
            );
            assert!(key.bytes(ck::CKA_VALUE) == Some(&*value));
            assert_eq!(
                key.bytes(ck::CKA_PUBLIC_KEY_INFO),
                one.bytes(ck::CKA_PUBLIC_KEY_INFO)
            );
        }
        let of_other = part(&other, ck::CKA_SEED);
        let mixed: &[(u64, &[u8])] = &[(ck::CKA_SEED, &of_other), (ck::CKA_VALUE, &value)];
        assert_eq!(rv(create(mixed)), Rv::AttributeValueInvalid);
        assert_eq!(rv(create(&[])), Rv::TemplateIncomplete);
        assert_eq!(
            rv(create(&[(ck::CKA_VALUE, &value[1..])])),
            Rv::AttributeValueInvalid
        );
        assert_eq!(
            rv(create(&[(ck::CKA_SEED, &seed[1..])])),
            Rv::AttributeValueInvalid
        );

        let value = part(&public_key, ck::CKA_VALUE);
        fixture.create(public(), &public_half(set, &value)).unwrap();
        let short = fixture.create(public(), &public_half(set, &value[1..]));
        assert_eq!(rv(short), Rv::AttributeValueInvalid);
        let unknown = (ck::CKA_PARAMETER_SET, number(9));
        let unknown = fixture.create(public(), &merged(&public_half(set, &value), [unknown]));
        assert_eq!(rv(unknown), Rv::ParameterSetNotSupported);
    }
}

#[test]
fn parameter_sets_that_are_none_are_refused() {
    let fixture = Fixture::blank();
    for mechanism in [ck::CKM_ML_DSA_KEY_PAIR_GEN, ck::CKM_ML_KEM_KEY_PAIR_GEN] {
        let generate = |attributes: Vec<(u64, Value)>| {
            rv(fixture.generate_pair(public(), mechanism, &template(attributes), &template([])))
        };
        assert_eq!(generate(vec![]), Rv::TemplateIncomplete);
        for set in [0, 4] {
            let refused = generate(vec![(ck::CKA_PARAMETER_SET, number(set))]);
            assert_eq!(refused, Rv::ParameterSetNotSupported);
        }
    }
}

#[test]
fn a_private_key_leaves_the_token_and_comes_back_with_its_seed_or_without() {
    let fixture = Fixture::blank();
    let wrapping = merged(&aes_key(&[3; 32]), [(ck::CKA_WRAP, yes())]);
    let wrapping = fixture.create(public(), &wrapping).unwrap();
    let how = plain(ck::CKM_AES_KEY_WRAP_KWP);
    for set in PARAMETER_SETS {
        let [_, made] = pair(&fixture, set);
        let (seed, value) = (
            made.bytes(ck::CKA_SEED).unwrap(),
            made.bytes(ck::CKA_VALUE).unwrap(),
        );
        for (id, part) in [(ck::CKA_SEED, seed), (ck::CKA_VALUE, value)] {
            let extractable = [(ck::CKA_EXTRACTABLE, yes())];
            let key = merged(&private(set, &[(id, part)]), extractable);
            let key = fixture.create(public(), &key).unwrap();
            let wrapped = fixture.wrap(public(), &how, wrapping, key).unwrap();
            let template = template([
                (ck::CKA_CLASS, number(ck::CKO_PRIVATE_KEY)),
                (ck::CKA_KEY_TYPE, number(set.scheme.key_type())),
                (ck::CKA_PRIVATE, no()),
            ]);
            let unwrap = Work::Unwrap {
                mechanism: &how,
                unwrapping: wrapping,
                wrapped: &wrapped,
                associated: None,
                template: &template,
            };
            let Out::Object(back) = fixture.work(public(), unwrap).unwrap() else {
                panic!("no key")
            };
            let back = fixture.view(public(), back).unwrap();
            assert_eq!(back.ulong(ck::CKA_PARAMETER_SET), Some(set.number));
            assert!(back.bytes(ck::CKA_VALUE) == Some(value));
            assert_eq!(back.bytes(ck::CKA_SEED).is_some(), id == ck::CKA_SEED);
        }
    }
}

fn encapsulate(
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

fn decapsulate(
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
fn stored_keys_work_after_the_token_is_opened_again() {
    let fixture = Fixture::for_user();
    for set in PARAMETER_SETS {
        let mechanism = match set.scheme {
            Scheme::MlDsa => ck::CKM_ML_DSA_KEY_PAIR_GEN,
            Scheme::MlKem => ck::CKM_ML_KEM_KEY_PAIR_GEN,
        };
        let of_public = template([(ck::CKA_PARAMETER_SET, number(set.number))]);
        let (of_public, of_private) = kept((of_public, template([])), set.name);
        let pair = fixture.generate_pair(user(), mechanism, &of_public, &of_private);
        let (public_key, private_key) = pair.unwrap();
        let other = fixture.other();
        other.login(Role::User, USER_PIN).unwrap();
        let find = |class| {
            let wanted = merged(&by_label(set.name), [(ck::CKA_CLASS, number(class))]);
            other.find(user(), &wanted)[0]
        };
        let (there, here) = (
            find(ck::CKO_PRIVATE_KEY),
            fixture.view(user(), private_key).unwrap(),
        );
        let restored = other.view(user(), there).unwrap();
        assert!(restored.bytes(ck::CKA_SEED) == here.bytes(ck::CKA_SEED));
        if set.scheme == Scheme::MlDsa {
            let mechanism = plain(ck::CKM_ML_DSA);
            let signature = other
                .run(user(), Class::Sign, &mechanism, there, MESSAGE)
                .unwrap();
            fixture
                .verify(user(), &mechanism, public_key, MESSAGE, &signature)
                .unwrap();
        } else {
            let (ciphertext, one) =
                encapsulate(&other, user(), find(ck::CKO_PUBLIC_KEY), &template([])).unwrap();
            let same = decapsulate(&fixture, user(), private_key, &ciphertext, &template([])).unwrap();
            let (one, same) = (
                other.view(user(), one).unwrap(),
                fixture.view(user(), same).unwrap(),
            );
            assert!(one.bytes(ck::CKA_VALUE) == same.bytes(ck::CKA_VALUE));
        }
    }
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
