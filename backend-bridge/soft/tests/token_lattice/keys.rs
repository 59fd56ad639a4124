// SPDX-License-Identifier: MIT
//! Keys of both: made, taken in, wrapped and stored.

use super::agreement::{decapsulate, encapsulate};
use super::*;
use keyenclave_crypto::PublicKey;
use keyenclave_model::attribute::Value;
use keyenclave_model::object::Object;
use keyenclave_model::token::Role;

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
