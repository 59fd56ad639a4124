// SPDX-License-Identifier: MIT
//! Ways to get a key out of a soft token by calls that are each allowed, and that none of them works.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod token_fixture;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::{Mechanism, OaepParams, Params};
use keyenclave_model::post_quantum::PARAMETER_SETS;
use keyenclave_model::template::Template;
use keyenclave_model::token::{ObjectId, OperationClass, Role};
use token_fixture::*;

fn data(id: u64, data: &[u8]) -> Mechanism {
    mechanism(id, Params::Data(data.to_vec().into()))
}

fn extract(bit: usize) -> Mechanism {
    mechanism(ck::CKM_EXTRACT_KEY_FROM_KEY, Params::Bit(bit))
}

/// A sensitive key that the token generates, that may be wrapped, and that other keys are made of.
fn generated(fixture: &Fixture, with: &[(u64, Value)]) -> ObjectId {
    let of = template([
        (ck::CKA_VALUE_LEN, number(32)),
        (ck::CKA_PRIVATE, no()),
        (ck::CKA_EXTRACTABLE, yes()),
        (ck::CKA_DERIVE, yes()),
    ]);
    let of = merged(&of, with.iter().cloned());
    fixture.generate(user(), ck::CKM_AES_KEY_GEN, &of).unwrap()
}

fn secret(key_type: u64, with: &[(u64, Value)]) -> Template {
    let secret = template([
        (ck::CKA_CLASS, number(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, number(key_type)),
        (ck::CKA_PRIVATE, no()),
    ]);
    merged(&secret, with.iter().cloned())
}

fn of_len(len: u64) -> Template {
    secret(ck::CKK_GENERIC_SECRET, &[(ck::CKA_VALUE_LEN, number(len))])
}

#[test]
fn a_derived_key_is_not_put_into_an_object_that_shows_it() {
    let fixture = Fixture::for_user();
    let key = generated(&fixture, &[]);
    let set = &PARAMETER_SETS[0];
    for class in [
        ck::CKO_PUBLIC_KEY,
        ck::CKO_PRIVATE_KEY,
        ck::CKO_DATA,
        ck::CKO_CERTIFICATE,
    ] {
        let shown = template([
            (ck::CKA_CLASS, number(class)),
            (ck::CKA_KEY_TYPE, number(set.scheme.key_type())),
            (ck::CKA_PARAMETER_SET, number(set.number)),
        ]);
        let how = data(ck::CKM_CONCATENATE_BASE_AND_DATA, &[0; 1280]);
        let refused = rv(fixture.derive(user(), &how, key, &shown));
        assert_eq!(refused, Rv::TemplateInconsistent, "{class}");
    }
}

#[test]
fn an_unwrapped_key_is_not_put_into_an_object_that_shows_it() {
    let fixture = Fixture::for_user();
    let (of_public, of_private) = rsa_pair(2048);
    let of_private = merged(&of_private, [(ck::CKA_EXTRACTABLE, yes())]);
    let pair = fixture.generate_pair(user(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
    let (_, private) = pair.unwrap();
    let kek = generated(&fixture, &[(ck::CKA_WRAP, yes()), (ck::CKA_DERIVE, no())]);
    let how = plain(ck::CKM_AES_KEY_WRAP_KWP);
    let wrapped = fixture.wrap(user(), &how, kek, private).unwrap();
    for class in [ck::CKO_PUBLIC_KEY, ck::CKO_DATA, ck::CKO_CERTIFICATE] {
        let shown = [(ck::CKA_CLASS, number(class))];
        let shown = match class {
            ck::CKO_PUBLIC_KEY => merged(&template(shown), [(ck::CKA_KEY_TYPE, number(ck::CKK_RSA))]),
            ck::CKO_CERTIFICATE => {
                let kind = (ck::CKA_CERTIFICATE_TYPE, number(ck::CKC_X_509));
                merged(&template(shown), [kind])
            }
            _ => template(shown),
        };
        let refused = rv(fixture.unwrap(user(), &how, kek, &wrapped, &shown));
        assert_eq!(refused, Rv::TemplateInconsistent, "{class}");
    }
}

#[test]
fn known_bytes_beside_a_key_do_not_help_to_cut_it() {
    let fixture = Fixture::for_user();
    let key = generated(&fixture, &[]);
    let made = |how: &Mechanism| fixture.derive(user(), how, key, &template([])).unwrap();
    let mixed = [
        made(&data(ck::CKM_CONCATENATE_BASE_AND_DATA, &[0; 16])),
        made(&data(ck::CKM_CONCATENATE_DATA_AND_BASE, &[0; 16])),
        made(&data(ck::CKM_XOR_BASE_AND_DATA, &[7; 32])),
    ];
    for mixed in mixed {
        for how in [
            extract(8),
            data(ck::CKM_XOR_BASE_AND_DATA, &[0; 48]),
            data(ck::CKM_CONCATENATE_BASE_AND_DATA, &[0; 16]),
        ] {
            let refused = rv(fixture.derive(user(), &how, mixed, &of_len(16)));
            assert_eq!(refused, Rv::KeyFunctionNotPermitted);
        }
        let copied = fixture.copy(user(), mixed, &template([])).unwrap();
        let refused = rv(fixture.derive(user(), &extract(8), copied, &of_len(16)));
        assert_eq!(refused, Rv::KeyFunctionNotPermitted);
    }
    // Of the key itself as much is taken as nobody guesses.
    assert!(fixture.derive(user(), &extract(8), key, &of_len(16)).is_ok());
    let refused = rv(fixture.derive(user(), &extract(8), key, &of_len(13)));
    assert_eq!(refused, Rv::KeySizeRange);
}

#[test]
fn a_wrapped_key_comes_back_no_easier_to_cut() {
    let fixture = Fixture::for_user();
    let key = generated(&fixture, &[]);
    let how = data(ck::CKM_CONCATENATE_BASE_AND_DATA, &[0; 16]);
    let mixed = fixture.derive(user(), &how, key, &template([(ck::CKA_EXTRACTABLE, yes())]));
    let kek = generated(&fixture, &[(ck::CKA_WRAP, yes()), (ck::CKA_DERIVE, no())]);
    let how = plain(ck::CKM_AES_KEY_WRAP);
    let wrapped = fixture.wrap(user(), &how, kek, mixed.unwrap()).unwrap();
    let back = secret(ck::CKK_GENERIC_SECRET, &[(ck::CKA_DERIVE, yes())]);
    let back = fixture.unwrap(user(), &how, kek, &wrapped, &back).unwrap();
    let refused = rv(fixture.derive(user(), &extract(8), back, &of_len(16)));
    assert_eq!(refused, Rv::KeyFunctionNotPermitted);
}

#[test]
fn a_key_that_closes_what_is_derived_makes_nothing_that_is_guessed() {
    let fixture = Fixture::for_user();
    let demands = Value::Template(template([(ck::CKA_SENSITIVE, yes())]));
    let key = generated(&fixture, &[(ck::CKA_DERIVE_TEMPLATE, demands)]);
    let how = data(ck::CKM_AES_ECB_ENCRYPT_DATA, &[1; 32]);
    let refused = rv(fixture.derive(user(), &how, key, &of_len(1)));
    assert_eq!(refused, Rv::KeySizeRange);
    assert!(fixture.derive(user(), &how, key, &of_len(32)).is_ok());
    // Where the application decides, it may as well read the key.
    let key = generated(&fixture, &[]);
    assert!(fixture.derive(user(), &how, key, &of_len(1)).is_ok());
}

#[test]
fn a_derived_key_is_not_longer_than_the_host_can_bear() {
    let fixture = Fixture::for_user();
    let (_, private) = {
        let (of_public, of_private) = ec_pair(keyenclave_model::algorithm::Curve::P256);
        let of_private = merged(&of_private, [(ck::CKA_DERIVE, yes())]);
        fixture
            .generate_pair(user(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
            .unwrap()
    };
    let point = fixture.view(user(), private).unwrap();
    let params = keyenclave_model::mechanism::EcdhParams {
        kdf: keyenclave_model::mechanism::Kdf::X963(keyenclave_model::algorithm::Hash::Sha256),
        shared: vec![],
        public: point.bytes(ck::CKA_EC_POINT).unwrap().to_vec(),
    };
    let how = mechanism(ck::CKM_ECDH1_DERIVE, Params::Ecdh(params));
    for len in [1 << 40, u64::MAX] {
        let refused = rv(fixture.derive(user(), &how, private, &of_len(len)));
        assert_eq!(refused, Rv::KeySizeRange);
    }
}

/// A key that closes what it unwraps, and one of the same value with which the test wraps.
fn closing(fixture: &Fixture) -> (ObjectId, ObjectId) {
    let demands = Value::Template(template([(ck::CKA_SENSITIVE, yes())]));
    let make = |with: &[(u64, Value)]| {
        let key = merged(&aes_key(&[9; 32]), with.iter().cloned());
        fixture.create(user(), &key).unwrap()
    };
    (
        make(&[(ck::CKA_UNWRAP_TEMPLATE, demands)]),
        make(&[(ck::CKA_WRAP, yes())]),
    )
}

#[test]
fn what_stays_closed_is_not_unwrapped_piece_by_piece() {
    let fixture = Fixture::for_user();
    let (closing, wrapping) = closing(&fixture);
    let key = generated(&fixture, &[(ck::CKA_VALUE_LEN, number(16))]);
    for how in [
        plain(ck::CKM_AES_KEY_WRAP),
        plain(ck::CKM_AES_ECB),
        mechanism(ck::CKM_AES_CBC, Params::Bytes(vec![1; 16])),
    ] {
        let wrapped = fixture.wrap(user(), &how, wrapping, key).unwrap();
        for len in 1..16 {
            let refused = rv(fixture.unwrap(user(), &how, closing, &wrapped, &of_len(len)));
            assert_eq!(refused, Rv::WrappedKeyLenRange, "{len}");
        }
        let whole = fixture.unwrap(user(), &how, closing, &wrapped, &of_len(16));
        assert!(whole.is_ok());
    }
    for how in [
        mechanism(ck::CKM_AES_OFB, Params::Bytes(vec![1; 16])),
        mechanism(ck::CKM_AES_CFB8, Params::Bytes(vec![1; 16])),
    ] {
        let wrapped = fixture.wrap(user(), &how, wrapping, key).unwrap();
        let generic = secret(ck::CKK_GENERIC_SECRET, &[]);
        let refused = rv(fixture.unwrap(user(), &how, closing, &wrapped[..1], &generic));
        assert_eq!(refused, Rv::WrappedKeyLenRange);
        assert!(fixture.unwrap(user(), &how, closing, &wrapped, &generic).is_ok());
    }
}

#[test]
fn nothing_but_zeros_is_cut_off_a_key() {
    let fixture = Fixture::for_user();
    let kek = generated(&fixture, &[(ck::CKA_WRAP, yes()), (ck::CKA_DERIVE, no())]);
    let key = merged(&aes_key(&[4; 16]), [(ck::CKA_EXTRACTABLE, yes())]);
    let key = fixture.create(user(), &key).unwrap();
    for how in [plain(ck::CKM_AES_KEY_WRAP), plain(ck::CKM_AES_ECB)] {
        let wrapped = fixture.wrap(user(), &how, kek, key).unwrap();
        let refused = rv(fixture.unwrap(user(), &how, kek, &wrapped, &of_len(15)));
        assert_eq!(refused, Rv::WrappedKeyInvalid);
    }
}

#[test]
fn the_end_of_a_bare_number_is_not_taken_for_a_key() {
    let fixture = Fixture::for_user();
    let (of_public, of_private) = rsa_pair(2048);
    let demands = Value::Template(template([(ck::CKA_SENSITIVE, yes())]));
    let closed = merged(&of_private, [(ck::CKA_UNWRAP_TEMPLATE, demands)]);
    let how = plain(ck::CKM_RSA_X_509);
    for (of_private, expected) in [
        (of_private, Rv::WrappedKeyInvalid),
        (closed, Rv::KeyFunctionNotPermitted),
    ] {
        let pair = fixture.generate_pair(user(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
        let (public, private) = pair.unwrap();
        let wrapped = fixture
            .wrap(user(), &how, public, generated(&fixture, &[]))
            .unwrap();
        let refused = rv(fixture.unwrap(user(), &how, private, &wrapped, &of_len(1)));
        assert_eq!(refused, expected);
    }
}

/// A trusted key of the officer's, in the user's hands.
fn trusted(fixture: &Fixture, with: &[(u64, Value)]) -> ObjectId {
    fixture.login(Role::So, SO_PIN).unwrap();
    let key = template([
        (ck::CKA_VALUE_LEN, number(32)),
        (ck::CKA_PRIVATE, no()),
        (ck::CKA_TRUSTED, yes()),
        (ck::CKA_WRAP, yes()),
    ]);
    let key = merged(&key, with.iter().cloned());
    let key = fixture.generate(so(), ck::CKM_AES_KEY_GEN, &key).unwrap();
    fixture.work(so(), keyenclave_model::token::Work::Logout).unwrap();
    fixture.login(Role::User, USER_PIN).unwrap();
    key
}

#[test]
fn a_trusted_key_opens_nothing_that_it_has_wrapped() {
    let fixture = Fixture::initialised();
    let trusted = trusted(&fixture, &[]);
    let key = generated(&fixture, &[(ck::CKA_WRAP_WITH_TRUSTED, yes())]);
    let how = plain(ck::CKM_AES_KEY_WRAP);
    let wrapped = fixture.wrap(user(), &how, trusted, key).unwrap();
    let open = [(ck::CKA_SENSITIVE, no()), (ck::CKA_EXTRACTABLE, yes())];
    let refused = fixture.unwrap(user(), &how, trusted, &wrapped, &secret(ck::CKK_AES, &open));
    assert_eq!(rv(refused), Rv::TemplateInconsistent);
    for len in 1..32 {
        let refused = fixture.unwrap(user(), &how, trusted, &wrapped, &of_len(len));
        assert_eq!(rv(refused), Rv::WrappedKeyLenRange, "{len}");
    }
    let usages = [
        (ck::CKA_DECRYPT, OperationClass::Decrypt, ck::CKM_AES_ECB),
        (ck::CKA_ENCRYPT, OperationClass::Encrypt, ck::CKM_AES_ECB),
        (ck::CKA_SIGN, OperationClass::Sign, ck::CKM_AES_CMAC),
        (ck::CKA_VERIFY, OperationClass::Verify, ck::CKM_AES_CMAC),
    ];
    for (usage, class, how) in usages {
        let _ = fixture.set(user(), trusted, &template([(usage, yes())]));
        let refused = fixture.begin(user(), class, &plain(how), trusted).map(drop);
        assert_eq!(rv(refused), Rv::KeyFunctionNotPermitted);
    }
    // With a key stream, what is wrapped is a second encryption away from being open.
    for how in [ck::CKM_AES_OFB, ck::CKM_AES_CFB8, ck::CKM_AES_CFB128] {
        let how = mechanism(how, Params::Bytes(vec![1; 16]));
        assert_eq!(rv(fixture.wrap(user(), &how, trusted, key)), Rv::KeyNotWrappable);
    }
}

#[test]
fn a_trusted_key_that_can_be_had_wraps_nothing_for_trusted_keys() {
    let fixture = Fixture::initialised();
    let how = plain(ck::CKM_AES_KEY_WRAP);
    let wrap = |with: &[(u64, Value)]| {
        let trusted = trusted(&fixture, with);
        let key = generated(&fixture, &[(ck::CKA_WRAP_WITH_TRUSTED, yes())]);
        let wrapped = fixture.wrap(user(), &how, trusted, key);
        fixture
            .work(user(), keyenclave_model::token::Work::Logout)
            .unwrap();
        wrapped
    };
    assert_eq!(rv(wrap(&[(ck::CKA_EXTRACTABLE, yes())])), Rv::KeyNotWrappable);
    assert_eq!(rv(wrap(&[(ck::CKA_SENSITIVE, no())])), Rv::KeyNotWrappable);
    let both = [(ck::CKA_EXTRACTABLE, yes()), (ck::CKA_WRAP_WITH_TRUSTED, yes())];
    assert!(wrap(&both).is_ok());
}

#[test]
fn what_comes_of_a_key_for_trusted_keys_is_for_them_too() {
    let fixture = Fixture::for_user();
    let kek = generated(&fixture, &[(ck::CKA_WRAP, yes()), (ck::CKA_DERIVE, no())]);
    let key = generated(&fixture, &[(ck::CKA_WRAP_WITH_TRUSTED, yes())]);
    let other = generated(&fixture, &[]);
    let open = [(ck::CKA_EXTRACTABLE, yes()), (ck::CKA_WRAP_WITH_TRUSTED, no())];
    let wrap = |base, how: &Mechanism, with: &[(u64, Value)]| {
        let derived = fixture.derive(user(), how, base, &secret(ck::CKK_GENERIC_SECRET, with));
        fixture.wrap(user(), &plain(ck::CKM_AES_KEY_WRAP), kek, derived.unwrap())
    };
    let with_key = |key| mechanism(ck::CKM_CONCATENATE_BASE_AND_KEY, Params::Key(key));
    let zeros = data(ck::CKM_XOR_BASE_AND_DATA, &[0; 32]);
    for with in [&open[..1], &open[..]] {
        assert_eq!(rv(wrap(key, &zeros, with)), Rv::KeyNotWrappable);
        assert_eq!(rv(wrap(other, &with_key(key), with)), Rv::KeyNotWrappable);
        assert!(wrap(other, &zeros, with).is_ok());
    }
}

#[test]
fn a_trusted_public_key_wraps_for_another_token_only() {
    let fixture = Fixture::initialised();
    fixture.login(Role::So, SO_PIN).unwrap();
    let (of_public, of_private) = rsa_pair(2048);
    let of_public = merged(&of_public, [(ck::CKA_TRUSTED, yes())]);
    let pair = fixture.generate_pair(so(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
    let (public_key, private_key) = pair.unwrap();
    fixture.work(so(), keyenclave_model::token::Work::Logout).unwrap();
    fixture.login(Role::User, USER_PIN).unwrap();
    let key = generated(&fixture, &[(ck::CKA_WRAP_WITH_TRUSTED, yes())]);
    let params = OaepParams {
        hash: keyenclave_model::algorithm::Hash::Sha256,
        mgf: keyenclave_model::algorithm::Hash::Sha256,
        label: vec![],
    };
    let how = mechanism(ck::CKM_RSA_PKCS_OAEP, Params::Oaep(params));
    let wrap = |cx| fixture.wrap(cx, &how, public_key, key);
    assert_eq!(rv(wrap(user())), Rv::KeyNotWrappable);
    fixture.destroy(user(), private_key).unwrap();
    assert_eq!(rv(wrap(public())), Rv::KeyNotWrappable);
    assert!(wrap(user()).is_ok());
}

#[test]
fn no_key_that_wraps_learns_to_open_what_it_has_wrapped() {
    let fixture = Fixture::for_user();
    let openings = [ck::CKA_ENCRYPT, ck::CKA_DECRYPT, ck::CKA_DERIVE];
    let kek = fixture.generate(
        user(),
        ck::CKM_AES_KEY_GEN,
        &template([(ck::CKA_VALUE_LEN, number(32)), (ck::CKA_WRAP, yes())]),
    );
    let kek = kek.unwrap();
    let object = fixture.view(user(), kek).unwrap();
    assert!(object.is_true(ck::CKA_WRAP));
    for usage in openings {
        assert!(!object.is_true(usage), "{usage:#x}");
        let learns = template([(usage, yes())]);
        assert_eq!(rv(fixture.set(user(), kek, &learns)), Rv::TemplateInconsistent);
        assert_eq!(rv(fixture.copy(user(), kek, &learns)), Rv::TemplateInconsistent);
    }
    let asked = template([(ck::CKA_WRAP, yes()), (ck::CKA_ENCRYPT, yes())]);
    fixture.set(user(), kek, &asked).unwrap();
}

#[test]
fn a_key_goes_into_no_digest_that_it_does_not_allow() {
    let fixture = Fixture::for_user();
    for (allowed, goes) in [(ck::CKM_AES_CBC, false), (ck::CKM_SHA256, true)] {
        let key = generated(
            &fixture,
            &[(ck::CKA_ALLOWED_MECHANISMS, Value::Mechanisms(vec![allowed]))],
        );
        let begin = keyenclave_model::token::Work::Begin {
            class: OperationClass::Digest,
            mechanism: &plain(ck::CKM_SHA256),
            key: None,
        };
        let keyenclave_model::token::Out::Operation(mut digest) = fixture.work(user(), begin).unwrap() else {
            panic!("no operation")
        };
        let expected = if goes { Ok(()) } else { Err(Rv::KeyIndigestible) };
        assert_eq!(
            digest.digest_key(&user(), key).map_err(|error| error.rv()),
            expected
        );
    }
}
