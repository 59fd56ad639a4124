// SPDX-License-Identifier: MIT
//! Digests, and those that are saved.

use super::*;

fn begin_digest(fixture: &Fixture, mechanism: &Mechanism) -> Box<dyn Operation> {
    let work = Work::Begin {
        class: Class::Digest,
        mechanism,
        key: None,
    };
    match fixture.work(public(), work).unwrap() {
        Out::Operation(operation) => operation,
        _ => panic!("no operation"),
    }
}

#[test]
fn digests_are_right_whole_and_in_parts() {
    let fixture = Fixture::with_legacy_mechanisms();
    for row in HASHES {
        let mechanism = plain(row.mechanism);
        let expected = crypto::digest(row.hash, MESSAGE);
        let mut out = [0; 64];
        let operation = begin_digest(&fixture, &mechanism);
        assert_eq!(
            operation.output_len(Part::Single(0)).unwrap(),
            OutputLen::Exact(row.len)
        );
        ready(operation.single(&public(), MESSAGE, End::Output(&mut out))).unwrap();
        assert_eq!(out[..row.len], *expected);
        let mut operation = begin_digest(&fixture, &mechanism);
        for part in MESSAGE.chunks(10) {
            operation.update(&public(), part, &mut []).unwrap();
        }
        let mut out = [0; 64];
        ready(operation.finish(&public(), End::Output(&mut out))).unwrap();
        assert_eq!(out[..row.len], *expected);
    }
}

fn restore(fixture: &Fixture, class: Class, state: &[u8]) -> Result<Box<dyn Operation>> {
    match fixture.work(
        public(),
        Work::Restore {
            class,
            state,
            keys: [None; 2],
        },
    )? {
        Out::Operation(operation) => Ok(operation),
        _ => panic!("no operation"),
    }
}

#[test]
fn a_saved_digest_goes_on_whole_and_in_parts() {
    let fixture = Fixture::with_legacy_mechanisms();
    for row in HASHES.iter().filter(|row| !row.name.starts_with("SHA3-")) {
        let mechanism = plain(row.mechanism);
        let expected = crypto::digest(row.hash, MESSAGE);
        for before in [0, 1, MESSAGE.len()] {
            let (first, rest) = MESSAGE.split_at(before);
            let mut operation = begin_digest(&fixture, &mechanism);
            if before > 0 {
                operation.update(&public(), first, &mut []).unwrap();
            }
            let state = operation.state().unwrap();
            let mut restored = restore(&fixture, Class::Digest, &state).unwrap();
            assert_eq!(*restored.state().unwrap(), *state);
            restored.update(&public(), rest, &mut []).unwrap();
            let mut out = [0; 64];
            ready(restored.finish(&public(), End::Output(&mut out))).unwrap();
            assert_eq!(out[..row.len], *expected, "in parts");
            let restored = restore(&fixture, Class::Digest, &state).unwrap();
            let mut out = [0; 64];
            ready(restored.single(&public(), rest, End::Output(&mut out))).unwrap();
            assert_eq!(out[..row.len], *expected, "whole");
            assert_eq!(rv(restore(&fixture, Class::Sign, &state)), Rv::SavedStateInvalid);
        }
    }
    assert_eq!(
        rv(restore(&fixture, Class::Digest, b"junk")),
        Rv::SavedStateInvalid
    );
}

#[test]
fn broken_digests_are_for_those_who_ask_in_their_configuration() {
    let md5 = plain(ck::CKM_MD5);
    let work = || Work::Begin {
        class: Class::Digest,
        mechanism: &md5,
        key: None,
    };
    let told = |fixture: &Fixture| {
        fixture
            .token
            .mechanisms()
            .unwrap()
            .iter()
            .any(|row| row.id == ck::CKM_MD5)
    };
    let (without, with) = (Fixture::blank(), Fixture::with_legacy_mechanisms());
    assert!(!told(&without) && told(&with));
    assert_eq!(rv(without.work(public(), work())), Rv::MechanismInvalid);
    assert!(with.work(public(), work()).is_ok());
}

/// The library keeps the state of a sponge to itself.
#[test]
fn a_digest_of_sha_3_cannot_be_saved() {
    let fixture = Fixture::blank();
    let mut operation = begin_digest(&fixture, &plain(ck::CKM_SHA3_256));
    assert_eq!(rv(operation.state()), Rv::StateUnsaveable);
    operation.update(&public(), MESSAGE, &mut []).unwrap();
    assert_eq!(rv(operation.state()), Rv::StateUnsaveable);
}

/// The key may be sensitive, and a digest's state has up to a block of its input in the clear.
#[test]
fn a_digest_of_a_key_cannot_be_saved() {
    let fixture = Fixture::blank();
    let key = fixture
        .create(public(), &secret_key(ck::CKK_GENERIC_SECRET, b"value"))
        .unwrap();
    let mut operation = begin_digest(&fixture, &plain(ck::CKM_SHA256));
    operation.digest_key(&public(), key).unwrap();
    assert_eq!(rv(operation.state()), Rv::StateUnsaveable);
    operation.update(&public(), &[0; 64], &mut []).unwrap();
    assert_eq!(rv(operation.state()), Rv::StateUnsaveable);
}

#[test]
fn the_value_of_a_secret_key_can_be_digested() {
    let fixture = Fixture::blank();
    let key = fixture
        .create(public(), &secret_key(ck::CKK_GENERIC_SECRET, b"value"))
        .unwrap();
    let sha256 = plain(ck::CKM_SHA256);
    let digest = |key| {
        let work = Work::Begin {
            class: Class::Digest,
            mechanism: &sha256,
            key: None,
        };
        let Out::Operation(mut operation) = fixture.work(public(), work)? else {
            panic!("no operation");
        };
        operation.update(&public(), b"a", &mut [])?;
        operation.digest_key(&public(), key)?;
        let mut out = [0; 32];
        ready(operation.finish(&public(), End::Output(&mut out)))?;
        Ok(out)
    };
    assert_eq!(digest(key).unwrap(), *crypto::digest(Hash::Sha256, b"avalue"));
    assert_eq!(rv(digest(ObjectId(0))), Rv::KeyHandleInvalid);
    let (of_public, of_private) = ec_pair(Curve::P256);
    let (_, private) = fixture
        .generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
        .unwrap();
    assert_eq!(rv(digest(private)), Rv::KeyIndigestible);
}
