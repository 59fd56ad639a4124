// SPDX-License-Identifier: MIT
//! Keys that the token generates.

use super::*;

#[test]
fn a_generated_rsa_pair_describes_itself() {
    let fixture = Fixture::blank();
    let (public_template, private_template) = rsa_pair(2048);
    let pair = fixture.generate_pair(
        public(),
        ck::CKM_RSA_PKCS_KEY_PAIR_GEN,
        &public_template,
        &private_template,
    );
    let (public_key, private_key) = pair.unwrap();
    let public_key = fixture.view(public(), public_key).unwrap();
    let private_key = fixture.view(public(), private_key).unwrap();
    assert_eq!(public_key.bytes(ck::CKA_PUBLIC_EXPONENT), Some(&[1, 0, 1][..]));
    assert_eq!(public_key.ulong(ck::CKA_MODULUS_BITS), Some(2048));
    assert_eq!(public_key.bytes(ck::CKA_MODULUS).unwrap().len(), 256);
    for id in [ck::CKA_MODULUS, ck::CKA_PUBLIC_EXPONENT, ck::CKA_PUBLIC_KEY_INFO] {
        assert_eq!(public_key.bytes(id), private_key.bytes(id));
    }
    assert!(matches!(spki(&public_key), PublicKey::Rsa(key) if key.bits() == 2048));
    for key in [&public_key, &private_key] {
        assert!(key.is_true(ck::CKA_LOCAL));
        assert_eq!(
            key.ulong(ck::CKA_KEY_GEN_MECHANISM),
            Some(ck::CKM_RSA_PKCS_KEY_PAIR_GEN)
        );
    }
    assert!(private_key.is_true(ck::CKA_ALWAYS_SENSITIVE) && private_key.is_true(ck::CKA_NEVER_EXTRACTABLE));
    assert_conceals_its_secrets(&private_key);
}

#[test]
fn generated_ec_pairs_describe_themselves_on_every_curve() {
    let fixture = Fixture::blank();
    for row in CURVES {
        let (of_public, of_private) = ec_pair(row.curve);
        let pair = fixture.generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private);
        let (public_key, private_key) = pair.unwrap();
        let public_key = fixture.view(public(), public_key).unwrap();
        let private_key = fixture.view(public(), private_key).unwrap();
        for id in [ck::CKA_EC_PARAMS, ck::CKA_EC_POINT, ck::CKA_PUBLIC_KEY_INFO] {
            assert_eq!(public_key.bytes(id), private_key.bytes(id));
            assert!(private_key.reveal(id).is_ok());
        }
        let point = public_key.bytes(ck::CKA_EC_POINT).unwrap();
        let bare = 2 * row.curve.field_len() + 1;
        let header: &[u8] = if bare < 128 {
            &[4, bare as u8]
        } else {
            &[4, 0x81, bare as u8]
        };
        assert_eq!(point[..header.len()], *header);
        assert_eq!(point.len(), header.len() + bare);
        assert_conceals_its_secrets(&private_key);
    }
}

#[test]
fn curves_are_taken_by_name_and_unknown_ones_refused() {
    let fixture = Fixture::blank();
    let generate = |params: &[u8]| {
        let of_public = template([(ck::CKA_EC_PARAMS, bytes(params))]);
        let of_private = template([(ck::CKA_PRIVATE, no())]);
        fixture.generate_pair(public(), ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private)
    };
    let (key, _) = generate(b"\x13\x09secp384r1").unwrap();
    let key = fixture.view(public(), key).unwrap();
    assert_eq!(key.bytes(ck::CKA_EC_PARAMS), Some(Curve::P384.row().oid));
    // secp192r1
    assert_eq!(
        rv(generate(b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01")),
        Rv::CurveNotSupported
    );
    assert_eq!(rv(generate(b"")), Rv::CurveNotSupported);
}

#[test]
fn sizes_that_are_not_offered_are_refused_before_anything_is_made() {
    let fixture = Fixture::blank();
    for bits in [0, 512, 1024, 2047, 2049, 4097, 16384, u64::MAX] {
        let (of_public, of_private) = rsa_pair(bits);
        let pair = fixture.generate_pair(public(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
        assert_eq!(rv(pair), Rv::AttributeValueInvalid, "{bits}");
    }
    for exponent in [&[][..], &[0], &[1], &[2], &[3], &[1, 0, 0], &[0xff; 40]] {
        let (of_public, of_private) = rsa_pair(2048);
        let of_public = merged(&of_public, [(ck::CKA_PUBLIC_EXPONENT, bytes(exponent))]);
        let pair = fixture.generate_pair(public(), ck::CKM_RSA_PKCS_KEY_PAIR_GEN, &of_public, &of_private);
        assert_eq!(rv(pair), Rv::AttributeValueInvalid, "{exponent:?}");
    }
    let secret = |mechanism, len| {
        let wanted = template([(ck::CKA_VALUE_LEN, number(len)), (ck::CKA_PRIVATE, no())]);
        fixture.generate(public(), mechanism, &wanted)
    };
    for len in [0, 1, 15, 17, 33, u64::MAX] {
        assert_eq!(
            rv(secret(ck::CKM_AES_KEY_GEN, len)),
            Rv::AttributeValueInvalid,
            "{len}"
        );
    }
    for len in [0, 513, u64::MAX] {
        assert_eq!(
            rv(secret(ck::CKM_GENERIC_SECRET_KEY_GEN, len)),
            Rv::AttributeValueInvalid,
            "{len}"
        );
    }
    assert_eq!(
        rv(secret(ck::CKM_RSA_PKCS_KEY_PAIR_GEN, 16)),
        Rv::MechanismInvalid
    );
    assert_eq!(rv(secret(ck::CKM_SHA256, 16)), Rv::MechanismInvalid);
    let (of_public, of_private) = ec_pair(Curve::P256);
    assert_eq!(
        rv(fixture.generate_pair(public(), ck::CKM_AES_KEY_GEN, &of_public, &of_private)),
        Rv::MechanismInvalid
    );
    assert!(fixture.find(public(), &template([])).is_empty());
}

#[test]
fn generated_secrets_have_the_wanted_length_and_a_check_value() {
    let fixture = Fixture::blank();
    for (mechanism, len) in [
        (ck::CKM_AES_KEY_GEN, 16),
        (ck::CKM_AES_KEY_GEN, 24),
        (ck::CKM_AES_KEY_GEN, 32),
        (ck::CKM_GENERIC_SECRET_KEY_GEN, 1),
        (ck::CKM_GENERIC_SECRET_KEY_GEN, 512),
        (ck::CKM_SHA256_KEY_GEN, 20),
        (ck::CKM_SHA3_512_KEY_GEN, 512),
        (ck::CKM_CHACHA20_KEY_GEN, 32),
    ] {
        let wanted = template([(ck::CKA_VALUE_LEN, number(len)), (ck::CKA_PRIVATE, no())]);
        let key = fixture.generate(public(), mechanism, &wanted).unwrap();
        let key = fixture.view(public(), key).unwrap();
        assert_eq!(key.bytes(ck::CKA_VALUE).unwrap().len() as u64, len);
        assert_eq!(key.ulong(ck::CKA_VALUE_LEN), Some(len));
        assert_eq!(key.bytes(ck::CKA_CHECK_VALUE).unwrap().len(), 3);
        assert!(key.is_true(ck::CKA_LOCAL));
        assert_conceals_its_secrets(&key);
    }
}

#[test]
fn keys_of_one_length_need_not_say_it() {
    let fixture = Fixture::blank();
    let generate = |mechanism, attributes: &Template| fixture.generate(public(), mechanism, attributes);
    let key = generate(ck::CKM_CHACHA20_KEY_GEN, &template([(ck::CKA_PRIVATE, no())])).unwrap();
    let key = fixture.view(public(), key).unwrap();
    assert_eq!(key.key_type(), Some(ck::CKK_CHACHA20));
    assert_eq!(key.ulong(ck::CKA_VALUE_LEN), Some(32));
    let longer = template([(ck::CKA_VALUE_LEN, number(33))]);
    assert_eq!(
        rv(generate(ck::CKM_CHACHA20_KEY_GEN, &longer)),
        Rv::AttributeValueInvalid
    );
    assert_eq!(
        rv(generate(ck::CKM_SHA256_KEY_GEN, &template([]))),
        Rv::TemplateIncomplete
    );
    let short = secret_key(ck::CKK_CHACHA20, &[1; 31]);
    assert_eq!(rv(fixture.create(public(), &short)), Rv::AttributeValueInvalid);
}

/// Each for the HMAC with its own hash.
#[test]
fn keys_generated_for_one_hmac_are_of_its_type() {
    let fixture = Fixture::blank();
    for row in HASHES.iter().filter(|row| !row.hash.is_legacy()) {
        let algorithm = Algorithm::HmacKey(row.hash);
        let generation = MECHANISMS
            .iter()
            .find(|found| found.algorithm == algorithm)
            .unwrap();
        let wanted = template([(ck::CKA_VALUE_LEN, number(32)), (ck::CKA_PRIVATE, no())]);
        let key = fixture.generate(public(), generation.id, &wanted).unwrap();
        let key = fixture.view(public(), key).unwrap();
        assert_eq!(key.key_type(), Some(row.hmac_key), "{}", row.name);
        assert_eq!(key.ulong(ck::CKA_KEY_GEN_MECHANISM), Some(generation.id));
        let other = template([
            (ck::CKA_VALUE_LEN, number(32)),
            (ck::CKA_KEY_TYPE, number(ck::CKK_GENERIC_SECRET)),
        ]);
        assert_eq!(
            rv(fixture.generate(public(), generation.id, &other)),
            Rv::TemplateInconsistent
        );
    }
}

#[test]
fn check_values_are_those_of_the_specification() {
    let fixture = Fixture::blank();
    let check_value = |key: &Template| {
        let key = fixture.create(public(), key).unwrap();
        fixture
            .view(public(), key)
            .unwrap()
            .bytes(ck::CKA_CHECK_VALUE)
            .unwrap()
            .to_vec()
    };
    // AES-128 of a zero block under a zero key (FIPS 197 example vectors), SHA-1 of "abc" (FIPS 180).
    assert_eq!(check_value(&aes_key(&[0; 16])), [0x66, 0xe9, 0x4b]);
    assert_eq!(
        check_value(&secret_key(ck::CKK_GENERIC_SECRET, b"abc")),
        [0xa9, 0x99, 0x3e]
    );
    let without = merged(&aes_key(&[0; 16]), [(ck::CKA_CHECK_VALUE, bytes(""))]);
    assert_eq!(check_value(&without), []);
    let right = merged(
        &aes_key(&[0; 16]),
        [(ck::CKA_CHECK_VALUE, bytes([0x66, 0xe9, 0x4b]))],
    );
    assert_eq!(check_value(&right), [0x66, 0xe9, 0x4b]);
}

#[test]
fn a_pair_is_made_whole_or_not_at_all() {
    let fixture = Fixture::for_user();
    let (of_public, of_private) = kept(ec_pair(Curve::P256), "pair");
    let generate = |cx| fixture.generate_pair(cx, ck::CKM_EC_KEY_PAIR_GEN, &of_public, &of_private);
    assert_eq!(rv(generate(reader())), Rv::SessionReadOnly);
    assert_eq!(rv(generate(public())), Rv::UserNotLoggedIn);
    assert!(fixture.find(user(), &by_label("pair")).is_empty());
    let (public_key, private_key) = generate(user()).unwrap();
    let mut found = fixture.find(user(), &by_label("pair"));
    found.sort_unstable();
    assert_eq!(found, [public_key, private_key]);
    // The user logs out while the key is being made: nothing of it stays.
    fixture.work(user(), Work::Logout).unwrap();
    assert_eq!(rv(generate(user())), Rv::UserNotLoggedIn);
    assert_eq!(fixture.find(public(), &by_label("pair")).len(), 1);
}
