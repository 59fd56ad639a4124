// SPDX-License-Identifier: MIT
//! The at-rest design: what is sealed, what is attested, and that edits of the file are detected.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod store_support;
use keyenclave_soft::sealer::*;
use keyenclave_soft::store::*;
use keyenclave_soft::vault::*;
use proptest::prelude::*;
use store_support::*;
use zeroize::Zeroizing;

fn plain(private: bool, label: &str, body: &[u8]) -> PlainRecord {
    let columns = Columns {
        class: vec![3],
        label: label.into(),
        key_id: b"shared id".to_vec(),
    };
    PlainRecord {
        id: id(),
        private,
        columns,
        body: Zeroizing::new(body.to_vec()),
    }
}

fn vault() -> Vault {
    Vault::new(RootKey::generate().unwrap(), Identity(random())).unwrap()
}

fn is_tampered<T>(result: Result<T, VaultError>) -> bool {
    matches!(result, Err(VaultError::Tampered(_)))
}

#[test]
fn a_private_object_comes_back_and_shows_nothing() {
    let vault = vault();
    let object = plain(true, "secret label", b"secret body of some length");
    let record = vault.seal(&object).unwrap();
    let (body, attestation) = vault.open(&record).unwrap();
    assert_eq!(
        (body.as_slice(), attestation),
        (object.body.as_slice(), Attestation::Attested)
    );
    assert!(record.columns == vault.blind(&object.columns).unwrap());
    for bytes in [
        &record.body,
        &record.columns.label,
        &record.columns.class,
        &record.columns.key_id,
    ] {
        assert!(!bytes.windows(6).any(|window| b"secret".starts_with(window)));
    }
    assert_eq!(record.columns.label.len(), BLINDED_LEN);
}

#[test]
fn sealing_twice_gives_other_bytes_under_the_same_columns() {
    let vault = vault();
    let object = plain(true, "label", b"body");
    let (one, two) = (vault.seal(&object).unwrap(), vault.seal(&object).unwrap());
    assert!(one.body != two.body && one.columns == two.columns);
}

#[test]
fn equal_values_in_different_columns_are_blinded_differently() {
    let same = Columns {
        class: b"x".to_vec(),
        label: b"x".to_vec(),
        key_id: b"x".to_vec(),
    };
    let blinded = vault().blind(&same).unwrap();
    assert!(
        blinded.class != blinded.label && blinded.label != blinded.key_id && blinded.class != blinded.key_id
    );
}

#[test]
fn a_public_object_is_plain_and_attested_by_who_is_logged_in() {
    let vault = vault();
    let public = PublicVault::new(vault.identity());
    let object = plain(false, "label", b"body");
    let attested = vault.seal(&object).unwrap();
    assert_eq!(attested.body, b"body");
    assert_eq!(vault.open(&attested).unwrap().1, Attestation::Attested);
    assert_eq!(public.open(&attested).unwrap().1, Attestation::Unverified);
    let unattested = public.seal(&object).unwrap();
    assert_eq!(vault.open(&unattested).unwrap().1, Attestation::Unattested);
    assert_eq!(public.open(&unattested).unwrap().1, Attestation::Unattested);
}

#[test]
fn private_objects_need_a_login() {
    let vault = vault();
    let public = PublicVault::new(vault.identity());
    let object = plain(true, "label", b"body");
    assert!(matches!(public.seal(&object), Err(VaultError::Sealed(_))));
    assert!(matches!(
        public.open(&vault.seal(&object).unwrap()),
        Err(VaultError::Sealed(_))
    ));
}

#[test]
fn another_root_key_or_identity_opens_nothing() {
    let root = RootKey::generate().unwrap();
    let bytes: [u8; ROOT_KEY_LEN] = root.expose().try_into().unwrap();
    let here = Vault::new(root, Identity([1; 16])).unwrap();
    let there = Vault::new(RootKey::from_bytes(&bytes).unwrap(), Identity([2; 16])).unwrap();
    let stranger = Vault::new(RootKey::generate().unwrap(), Identity([1; 16])).unwrap();
    for private in [true, false] {
        let record = here.seal(&plain(private, "label", b"body")).unwrap();
        assert!(is_tampered(there.open(&record)) && is_tampered(stranger.open(&record)));
    }
}

/// Two objects of one kind in a real store, and the vault that made them.
fn two(private: bool, login: bool) -> (Place, Vault, [RecordId; 2]) {
    let place = Place::new();
    let store = place.store();
    let token = bare_token();
    store.initialise(&token, None).unwrap();
    let vault = Vault::new(RootKey::generate().unwrap(), token.header.identity).unwrap();
    let public = PublicVault::new(token.header.identity);
    let objects = [
        plain(private, "first", b"body one"),
        plain(private, "second", b"body two"),
    ];
    let changes = objects.each_ref().map(|object| {
        Change::Create(if login {
            vault.seal(object).unwrap()
        } else {
            public.seal(object).unwrap()
        })
    });
    store.commit(&changes, now(&store)).unwrap();
    (place, vault, objects.map(|object| object.id))
}

#[test]
fn swapping_anything_between_two_rows_is_detected() {
    for (private, login) in [(true, true), (false, true), (false, false)] {
        for column in [
            "body",
            "label",
            "id",
            "mac",
            "body, label",
            "mac, body",
            "label, body, mac",
        ] {
            if private && column == "mac" {
                continue; // Both are empty: there is nothing to swap.
            }
            let (place, vault, ids) = two(private, login);
            place.edit(&swap(column));
            let store = place.store();
            for id in ids {
                let record = store.read(id).unwrap().unwrap();
                assert!(
                    is_tampered(vault.open(&record)),
                    "{column} of private={private} login={login}"
                );
                if !login {
                    assert!(is_tampered(PublicVault::new(vault.identity()).open(&record)));
                }
            }
        }
    }
}

/// SQL that swaps some columns of rows 1 and 2.
fn swap(columns: &str) -> String {
    let sets: Vec<_> = columns
        .split(", ")
        .map(|c| format!("{c} = (SELECT c.{c} FROM copy c WHERE c.number = 3 - objects.number)"))
        .collect();
    let free = if columns.contains("id") {
        "UPDATE objects SET id = randomblob(16);"
    } else {
        ""
    };
    format!(
        "CREATE TEMP TABLE copy AS SELECT * FROM objects; {free} UPDATE objects SET {};",
        sets.join(", ")
    )
}

#[test]
fn whole_rows_that_change_places_are_no_change() {
    let (place, vault, ids) = two(true, true);
    place.edit(&swap("id, label, class, key_id, mac, body"));
    let store = place.store();
    assert!(
        ids.into_iter()
            .all(|id| vault.open(&store.read(id).unwrap().unwrap()).is_ok())
    );
}

#[test]
fn turning_a_private_object_public_or_back_is_detected() {
    for (private, login) in [(true, true), (false, true), (false, false)] {
        let (place, vault, ids) = two(private, login);
        place.edit("UPDATE objects SET private = 1 - private");
        let store = place.store();
        for id in ids {
            assert!(is_tampered(vault.open(&store.read(id).unwrap().unwrap())));
        }
    }
}

#[test]
fn a_forged_hash_in_the_place_of_a_mac_is_never_attested() {
    let vault = vault();
    let object = plain(false, "label", b"body");
    let mut record = vault.seal(&object).unwrap();
    record.body = b"forged".to_vec();
    let forged = PlainRecord {
        body: Zeroizing::new(b"forged".to_vec()),
        ..object
    };
    record.mac = PublicVault::new(vault.identity()).seal(&forged).unwrap().mac;
    assert_eq!(vault.open(&record).unwrap().1, Attestation::Unattested);
}

proptest! {
    #[test]
    fn any_changed_byte_is_detected(private: bool, field in 0..5usize, place: prop::sample::Index, bit in 0..8u8) {
        let vault = Vault::new(RootKey::from_bytes(&[7; 32]).unwrap(), Identity([9; 16])).unwrap();
        let mut record = vault.seal(&plain(private, "some label", b"some body")).unwrap();
        let mut proof = std::mem::take(&mut record.mac);
        let columns = &mut record.columns;
        let target = [&mut record.body, &mut columns.class, &mut columns.label, &mut columns.key_id, &mut proof]
            .into_iter().nth(field).unwrap();
        if target.is_empty() {
            target.push(0);
        } else {
            let at = place.index(target.len());
            target[at] ^= 1 << bit;
        }
        record.mac = proof;
        prop_assert!(is_tampered(vault.open(&record)));
    }
}

const BINDING: Binding = Binding {
    identity: Identity([1; 16]),
    role: Role::User,
};

fn wrapped() -> (RootKey, SealerRecord) {
    let root = RootKey::generate().unwrap();
    let record = pin(b"1234").wrap(BINDING, &root).unwrap();
    (root, record)
}

#[test]
fn the_right_pin_opens_and_a_wrong_one_is_called_wrong() {
    let (root, record) = wrapped();
    assert!(pin(b"1234").unwrap(BINDING, &record).unwrap().expose() == root.expose());
    for wrong in [b"1235".as_slice(), b"", b"12345"] {
        assert!(matches!(
            pin(wrong).unwrap(BINDING, &record),
            Err(SealerError::WrongPin)
        ));
    }
}

#[test]
fn the_usual_cost_is_64_mebibytes_and_is_kept_in_the_record() {
    let root = RootKey::generate().unwrap();
    let record = PinSealer::new(b"1234").wrap(BINDING, &root).unwrap();
    assert_eq!(record.params[..4], (64 * 1024_u32).to_le_bytes());
    // What is unwrapped brings its own cost.
    assert!(pin(b"1234").unwrap(BINDING, &record).is_ok());
    assert_eq!(record.limit, DEFAULT_LIMIT);
}

#[test]
fn a_damaged_record_is_told_from_a_wrong_pin() {
    let (_, record) = wrapped();
    let is_damaged = |record: SealerRecord| {
        matches!(
            pin(b"1234").unwrap(BINDING, &record),
            Err(SealerError::Damaged(_))
        )
    };
    for at in 0..record.wrapped.len() {
        let mut edited = record.clone();
        edited.wrapped[at] ^= 1;
        assert!(is_damaged(edited));
    }
    let mut short = record.clone();
    short.wrapped.truncate(20);
    assert!(is_damaged(short));
    let mut params = record.clone();
    params.params.push(0);
    assert!(is_damaged(params));
    let mut kind = record;
    kind.kind = 99;
    assert!(matches!(
        pin(b"1234").unwrap(BINDING, &kind),
        Err(SealerError::Kind(99))
    ));
}

#[test]
fn a_sealer_moved_to_another_role_or_store_opens_nothing() {
    let (_, record) = wrapped();
    let role = Binding {
        role: Role::So,
        ..BINDING
    };
    let store = Binding {
        identity: Identity([2; 16]),
        ..BINDING
    };
    assert!(pin(b"1234").unwrap(role, &record).is_err());
    assert!(pin(b"1234").unwrap(store, &record).is_err());
}

#[test]
fn absurd_costs_are_refused() {
    let allowed = |memory, passes, lanes| {
        PinCost {
            memory,
            passes,
            lanes,
        }
        .is_allowed()
    };
    assert!(allowed(64 * 1024, 2, 1) && PinCost::FLOOR.is_allowed() && PinCost::DEFAULT.is_allowed());
    assert!(!allowed(8, 2, 1) && !allowed(u32::MAX, 2, 1));
    assert!(!allowed(64 * 1024, 1, 1) && !allowed(64 * 1024, u32::MAX, 1));
    assert!(!allowed(64 * 1024, 2, 0) && !allowed(64 * 1024, 2, 1000));
    let cheap = PinSealer {
        cost: PinCost {
            memory: 64,
            passes: 2,
            lanes: 1,
        },
        ..PinSealer::new(b"1234")
    };
    assert!(cheap.wrap(BINDING, &RootKey::generate().unwrap()).is_err());
}
