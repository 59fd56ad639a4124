// SPDX-License-Identifier: MIT
//! The rules for making, reading, changing and copying objects, as an application meets them.
#![allow(clippy::unwrap_used)]

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::schema::{KINDS, Rules};
use keyenclave_model::template::Template;
use keyenclave_model::token::Role;

const USER: Option<Role> = Some(Role::User);
const AES: Option<(ck::CK_OBJECT_CLASS, ck::CK_KEY_TYPE)> = Some((ck::CKO_SECRET_KEY, ck::CKK_AES));
const GENERATE: Origin = Origin::Generate(ck::CKM_AES_KEY_GEN);

fn template<const N: usize>(attributes: [(ck::CK_ATTRIBUTE_TYPE, Value); N]) -> Template {
    attributes.into_iter().collect()
}

fn is(value: bool) -> Value {
    Value::Bool(value)
}

fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().map(|error| error.rv())
}

/// A generated AES key with these attributes besides.
fn aes<const N: usize>(attributes: [(ck::CK_ATTRIBUTE_TYPE, Value); N]) -> Object {
    let given = attributes
        .into_iter()
        .chain([(ck::CKA_VALUE_LEN, Value::Ulong(32))])
        .collect();
    let mut key = Object::admit(GENERATE, AES, &given, USER).unwrap();
    key.put(ck::CKA_VALUE, Value::bytes([7; 32]));
    key.conclude(GENERATE);
    key
}

fn data<const N: usize>(attributes: [(ck::CK_ATTRIBUTE_TYPE, Value); N]) -> Result<Object> {
    let given = attributes
        .into_iter()
        .chain([(ck::CKA_CLASS, Value::Ulong(ck::CKO_DATA))])
        .collect();
    Object::admit(Origin::Create, None, &given, USER)
}

#[test]
fn a_key_may_do_what_its_type_allows_unless_the_template_says_otherwise() {
    let key = aes([(ck::CKA_WRAP, is(false))]);
    for usage in [
        ck::CKA_ENCRYPT,
        ck::CKA_DECRYPT,
        ck::CKA_SIGN,
        ck::CKA_VERIFY,
        ck::CKA_UNWRAP,
    ] {
        assert!(key.is_true(usage), "{usage:#x}");
    }
    for usage in [ck::CKA_WRAP, ck::CKA_DERIVE, ck::CKA_EXTRACTABLE, ck::CKA_TOKEN] {
        assert!(!key.is_true(usage), "{usage:#x}");
    }
    assert!(key.is_private() && key.is_true(ck::CKA_SENSITIVE));
}

#[test]
fn a_secret_key_wraps_and_opens_only_if_one_template_asks_for_both() {
    let uses = |key: &Object| [ck::CKA_WRAP, ck::CKA_DECRYPT].map(|usage| key.is_true(usage));
    let only = |usage| [(ck::CKA_WRAP, is(true)), (usage, is(true))];
    for (usage, others) in [
        (ck::CKA_ENCRYPT, [ck::CKA_DECRYPT, ck::CKA_DERIVE]),
        (ck::CKA_DERIVE, [ck::CKA_ENCRYPT, ck::CKA_DECRYPT]),
    ] {
        let key = aes(only(usage));
        assert!(key.is_true(ck::CKA_WRAP) && key.is_true(usage));
        for other in others {
            assert!(!key.is_true(other));
            let learns = template([(other, is(true))]);
            assert_eq!(rv(key.with(&learns, USER)), Some(Rv::TemplateInconsistent));
            assert!(key.with(&template(only(other)), USER).unwrap().is_true(other));
        }
    }
    let (wraps, decrypts) = ((ck::CKA_WRAP, is(true)), (ck::CKA_DECRYPT, is(true)));
    assert_eq!(uses(&aes([])), [false, true]);
    assert_eq!(uses(&aes([decrypts.clone()])), [false, true]);
    assert_eq!(uses(&aes([wraps.clone()])), [true, false]);
    let idle = [(ck::CKA_DECRYPT, is(false)), (ck::CKA_ENCRYPT, is(false))];
    assert_eq!(uses(&aes(idle)), [true, false]);
    let both = aes([wraps.clone(), decrypts.clone()]);
    assert_eq!(uses(&both), [true, true]);
    for (key, missing) in [(aes([]), &wraps), (aes([wraps.clone()]), &decrypts)] {
        let alone = template([missing.clone()]);
        assert_eq!(rv(key.with(&alone, USER)), Some(Rv::TemplateInconsistent));
        assert_eq!(rv(key.copied(&alone, USER)), Some(Rv::TemplateInconsistent));
        let together = template([wraps.clone(), decrypts.clone()]);
        assert_eq!(uses(&key.with(&together, USER).unwrap()), [true, true]);
    }
    let named = template([(ck::CKA_LABEL, Value::bytes(*b"x"))]);
    assert_eq!(uses(&both.with(&named, USER).unwrap()), [true, true]);
}

#[test]
fn a_key_knows_where_it_comes_from() {
    let key = aes([]);
    assert!(key.is_true(ck::CKA_LOCAL));
    assert!(key.is_true(ck::CKA_ALWAYS_SENSITIVE));
    assert!(key.is_true(ck::CKA_NEVER_EXTRACTABLE));
    assert_eq!(key.ulong(ck::CKA_KEY_GEN_MECHANISM), Some(ck::CKM_AES_KEY_GEN));
    let open = aes([(ck::CKA_SENSITIVE, is(false)), (ck::CKA_EXTRACTABLE, is(true))]);
    assert!(!open.is_true(ck::CKA_ALWAYS_SENSITIVE));
    assert!(!open.is_true(ck::CKA_NEVER_EXTRACTABLE));

    let given = template([
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_AES)),
        (ck::CKA_VALUE, Value::bytes([1; 16])),
    ]);
    let mut imported = Object::admit(Origin::Create, None, &given, USER).unwrap();
    imported.conclude(Origin::Create);
    assert!(!imported.is_true(ck::CKA_LOCAL));
    assert!(!imported.is_true(ck::CKA_ALWAYS_SENSITIVE));
    assert!(!imported.is_true(ck::CKA_NEVER_EXTRACTABLE));
    assert_eq!(
        imported.ulong(ck::CKA_KEY_GEN_MECHANISM),
        Some(ck::CK_UNAVAILABLE_INFORMATION)
    );
}

#[test]
fn what_must_be_given_is_missed_and_what_must_not_is_refused() {
    let make = |origin, fixed, given: Template| rv(Object::admit(origin, fixed, &given, USER));
    assert_eq!(
        make(Origin::Create, None, Template::default()),
        Some(Rv::TemplateIncomplete)
    );
    let class = (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY));
    assert_eq!(
        make(Origin::Create, None, template([class.clone()])),
        Some(Rv::TemplateIncomplete)
    );
    let no_value = template([class, (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_AES))]);
    assert_eq!(make(Origin::Create, None, no_value), Some(Rv::TemplateIncomplete));
    assert_eq!(
        make(GENERATE, AES, Template::default()),
        Some(Rv::TemplateIncomplete),
        "CKA_VALUE_LEN"
    );
    let with = |extra| template([(ck::CKA_VALUE_LEN, Value::Ulong(16)), extra]);
    assert_eq!(
        make(GENERATE, AES, with((ck::CKA_VALUE, Value::bytes([1; 16])))),
        Some(Rv::AttributeReadOnly)
    );
    assert_eq!(
        make(GENERATE, AES, with((ck::CKA_LOCAL, is(true)))),
        Some(Rv::AttributeReadOnly)
    );
    assert_eq!(
        make(GENERATE, AES, with((ck::CKA_UNIQUE_ID, Value::bytes(*b"mine")))),
        Some(Rv::AttributeReadOnly)
    );
    assert_eq!(
        make(GENERATE, AES, with((ck::CKA_MODULUS, Value::bytes([1])))),
        Some(Rv::AttributeTypeInvalid)
    );
    let rsa = with((ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_RSA)));
    assert_eq!(make(GENERATE, AES, rsa), Some(Rv::TemplateInconsistent));
    let unknown = template([(ck::CKA_CLASS, Value::Ulong(ck::CKO_HW_FEATURE))]);
    assert_eq!(
        make(Origin::Create, None, unknown),
        Some(Rv::AttributeValueInvalid)
    );
}

#[test]
fn only_the_security_officer_makes_something_trusted() {
    let certificate = template([
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_CERTIFICATE)),
        (ck::CKA_CERTIFICATE_TYPE, Value::Ulong(ck::CKC_X_509)),
        (ck::CKA_SUBJECT, Value::bytes([])),
        (ck::CKA_VALUE, Value::bytes([0x30, 0])),
        (ck::CKA_TRUSTED, is(true)),
    ]);
    let make = |role| rv(Object::admit(Origin::Create, None, &certificate, role));
    assert_eq!(make(None), Some(Rv::AttributeReadOnly));
    assert_eq!(make(USER), Some(Rv::AttributeReadOnly));
    assert_eq!(make(Some(Role::So)), None);
    let trusted = template([(ck::CKA_TRUSTED, is(true))]);
    assert_eq!(rv(aes([]).with(&trusted, USER)), Some(Rv::AttributeReadOnly));
    assert_eq!(rv(aes([]).with(&trusted, Some(Role::So))), None);
}

#[test]
fn a_secret_is_shown_only_by_a_key_that_gives_it_away() {
    let shown = |sensitive, extractable| {
        let key = aes([
            (ck::CKA_SENSITIVE, is(sensitive)),
            (ck::CKA_EXTRACTABLE, is(extractable)),
        ]);
        key.reveal(ck::CKA_VALUE).map(drop)
    };
    assert_eq!(shown(false, true), Ok(()));
    assert_eq!(shown(true, true), Err(Rv::AttributeSensitive));
    assert_eq!(shown(false, false), Err(Rv::AttributeSensitive));
    assert_eq!(shown(true, false), Err(Rv::AttributeSensitive));
    assert_eq!(
        aes([]).reveal(ck::CKA_MODULUS).map(drop),
        Err(Rv::AttributeTypeInvalid)
    );
}

#[test]
fn a_search_cannot_guess_at_a_secret() {
    let wanted = template([(ck::CKA_VALUE, Value::bytes([7; 32]))]);
    assert!(!aes([]).matches(&wanted));
    assert!(aes([(ck::CKA_SENSITIVE, is(false)), (ck::CKA_EXTRACTABLE, is(true))]).matches(&wanted));
}

#[test]
fn every_attribute_of_a_template_counts_in_a_search() {
    let key = aes([
        (ck::CKA_LABEL, Value::bytes(*b"one")),
        (ck::CKA_ID, Value::bytes([1])),
    ]);
    assert!(key.matches(&Template::default()));
    assert!(key.matches(&template([
        (ck::CKA_LABEL, Value::bytes(*b"one")),
        (ck::CKA_ID, Value::bytes([1]))
    ])));
    assert!(!key.matches(&template([
        (ck::CKA_LABEL, Value::bytes(*b"one")),
        (ck::CKA_ID, Value::bytes([2]))
    ])));
    assert!(!key.matches(&template([
        (ck::CKA_LABEL, Value::bytes(*b"one")),
        (ck::CKA_WRAP, is(true))
    ])));
    assert!(!key.matches(&template([(ck::CKA_VENDOR_DEFINED | 1, Value::bytes([]))])));
}

#[test]
fn a_search_that_gives_an_attribute_twice_means_both() {
    let key = aes([(ck::CKA_LABEL, Value::bytes(*b"one"))]);
    let labels = |one: &[u8], other: &[u8]| {
        template([
            (ck::CKA_LABEL, Value::bytes(one)),
            (ck::CKA_LABEL, Value::bytes(other)),
        ])
    };
    assert!(key.matches(&labels(b"one", b"one")));
    assert!(!key.matches(&labels(b"one", b"two")));
    assert_eq!(
        rv(key.with(&labels(b"two", b"two"), USER)),
        Some(Rv::TemplateInconsistent)
    );
    assert_eq!(
        rv(key.copied(&labels(b"two", b"two"), USER)),
        Some(Rv::TemplateInconsistent)
    );
}

#[test]
fn a_key_never_becomes_less_secret() {
    let key = aes([]);
    for (id, weaker) in [
        (ck::CKA_SENSITIVE, false),
        (ck::CKA_EXTRACTABLE, true),
        (ck::CKA_PRIVATE, false),
        (ck::CKA_LOCAL, false),
    ] {
        assert_eq!(
            rv(key.with(&template([(id, is(weaker))]), USER)),
            Some(Rv::AttributeReadOnly),
            "{id:#x}"
        );
    }
    let wrapped_with_trusted = aes([(ck::CKA_WRAP_WITH_TRUSTED, is(true))]);
    let weaker = template([(ck::CKA_WRAP_WITH_TRUSTED, is(false))]);
    assert_eq!(
        rv(wrapped_with_trusted.with(&weaker, USER)),
        Some(Rv::AttributeReadOnly)
    );
    for (id, weaker) in [(ck::CKA_SENSITIVE, false), (ck::CKA_EXTRACTABLE, true)] {
        assert_eq!(
            rv(key.copied(&template([(id, is(weaker))]), USER)),
            Some(Rv::AttributeReadOnly),
            "{id:#x}"
        );
    }
    let public = template([(ck::CKA_PRIVATE, is(false))]);
    assert_eq!(rv(key.copied(&public, USER)), Some(Rv::TemplateInconsistent));
    let open = aes([(ck::CKA_SENSITIVE, is(false)), (ck::CKA_EXTRACTABLE, is(true))]);
    assert_eq!(
        rv(open.with(
            &template([(ck::CKA_SENSITIVE, is(true)), (ck::CKA_EXTRACTABLE, is(false))]),
            USER
        )),
        None
    );
}

#[test]
fn an_object_that_is_not_modifiable_or_copyable_says_so() {
    let fixed = data([(ck::CKA_MODIFIABLE, is(false)), (ck::CKA_COPYABLE, is(false))]).unwrap();
    let change = template([(ck::CKA_LABEL, Value::bytes(*b"new"))]);
    assert_eq!(rv(fixed.with(&change, USER)), Some(Rv::ActionProhibited));
    assert_eq!(rv(fixed.copied(&change, USER)), Some(Rv::ActionProhibited));
    let copyable = template([(ck::CKA_COPYABLE, is(true))]);
    let open = data([(ck::CKA_COPYABLE, is(false))]).unwrap();
    assert_eq!(rv(open.with(&copyable, USER)), Some(Rv::AttributeReadOnly));
}

#[test]
fn a_copy_changes_what_copies_may_change() {
    let session = data([(ck::CKA_VALUE, Value::bytes(*b"old"))]).unwrap();
    let asked = template([
        (ck::CKA_TOKEN, is(true)),
        (ck::CKA_PRIVATE, is(true)),
        (ck::CKA_LABEL, Value::bytes(*b"copy")),
        (ck::CKA_VALUE, Value::bytes(*b"new")),
    ]);
    let copy = session.copied(&asked, USER).unwrap();
    assert!(copy.is_token() && copy.is_private());
    assert_eq!(copy.bytes(ck::CKA_VALUE), Some(&b"new"[..]));
    assert!(!session.is_token());
    assert_eq!(
        rv(session.with(&template([(ck::CKA_TOKEN, is(true))]), USER)),
        Some(Rv::AttributeReadOnly)
    );
    let class = template([(ck::CKA_CLASS, Value::Ulong(ck::CKO_CERTIFICATE))]);
    assert_eq!(rv(session.copied(&class, USER)), Some(Rv::AttributeReadOnly));
}

/// Each attribute of each kind of object, told to `C_CreateObject`-made objects: what is settable can be set, and what
/// is not is refused. A row that says the wrong thing about itself fails here.
#[test]
fn every_row_of_the_schema_is_obeyed() {
    for kind in KINDS.iter().filter(|kind| kind.class == ck::CKO_SECRET_KEY) {
        let given = template([
            (ck::CKA_CLASS, Value::Ulong(kind.class)),
            (ck::CKA_KEY_TYPE, Value::Ulong(kind.subtype.unwrap())),
            (ck::CKA_VALUE, Value::bytes([1; 16])),
        ]);
        // With one of these true, others are not put on alone.
        let parted = [ck::CKA_WRAP, ck::CKA_ENCRYPT, ck::CKA_DECRYPT, ck::CKA_DERIVE];
        let uses = kind.rules().map(|rule| rule.id).filter(|id| parted.contains(id));
        let idle = uses.map(|id| (id, is(false))).collect();
        let key = Object::admit(Origin::Create, None, &given, USER).unwrap();
        let key = key.with(&idle, USER).unwrap();
        for rule in kind.rules() {
            let Some(Value::Bool(now)) = key.get(rule.id) else {
                continue;
            };
            let outcome = rv(key.with(&template([(rule.id, is(!now))]), Some(Role::So)));
            let stuck = rule.rules.has(if *now {
                Rules::STAYS_TRUE
            } else {
                Rules::STAYS_FALSE
            });
            let may = rule.rules.has(Rules::SETTABLE) && !stuck;
            assert_eq!(outcome, (!may).then_some(Rv::AttributeReadOnly), "{:#x}", rule.id);
        }
    }
}
