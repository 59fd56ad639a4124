// SPDX-License-Identifier: MIT
//! Triple DES, for those who ask for it.

use super::*;

/// A key with the right parity.
const KEY: [u8; 24] = [
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x45,
    0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23,
];

const ALL: [u64; 5] = [
    ck::CKM_DES3_KEY_GEN,
    ck::CKM_DES3_ECB,
    ck::CKM_DES3_CBC,
    ck::CKM_DES3_CBC_PAD,
    ck::CKM_DES3_CMAC,
];

fn of(id: u64) -> Mechanism {
    match id {
        ck::CKM_DES3_CBC | ck::CKM_DES3_CBC_PAD => mechanism(id, Params::Bytes(vec![5; 8])),
        _ => plain(id),
    }
}

fn ciphers() -> [Mechanism; 3] {
    [ck::CKM_DES3_ECB, ck::CKM_DES3_CBC, ck::CKM_DES3_CBC_PAD].map(of)
}

fn open(key_type: u64, value: &[u8]) -> keyenclave_model::template::Template {
    let openness = [(ck::CKA_SENSITIVE, no()), (ck::CKA_EXTRACTABLE, yes())];
    merged(&secret_key(key_type, value), openness)
}

/// For an object that is unwrapped, generated or derived.
fn unfilled(key_type: u64) -> keyenclave_model::template::Template {
    let all = open(key_type, b"");
    let without = all.iter().filter(|(id, _)| *id != ck::CKA_VALUE);
    without.map(|(id, value)| (id, value.clone())).collect()
}

fn value(fixture: &Fixture, key: ObjectId) -> Vec<u8> {
    let key = fixture.view(public(), key).unwrap();
    key.bytes(ck::CKA_VALUE).unwrap().to_vec()
}

#[test]
fn triple_des_is_for_those_who_ask_in_their_configuration() {
    let (without, with) = (Fixture::blank(), Fixture::with_legacy_mechanisms());
    let told = |fixture: &Fixture| {
        let told = fixture.token.mechanisms().unwrap();
        ALL.map(|id| told.iter().any(|row| row.id == id))
    };
    assert_eq!((told(&without), told(&with)), ([false; 5], [true; 5]));
    let generated = without.generate(public(), ck::CKM_DES3_KEY_GEN, &unfilled(ck::CKK_DES3));
    assert_eq!(rv(generated), Rv::MechanismInvalid);
    let key = without.create(public(), &open(ck::CKK_DES3, &KEY)).unwrap();
    for mechanism in ciphers() {
        let begun = without.begin(public(), Class::Encrypt, &mechanism, key);
        assert_eq!(rv(begun), Rv::MechanismInvalid);
        assert_eq!(
            rv(without.wrap(public(), &mechanism, key, key)),
            Rv::MechanismInvalid
        );
        let unwrapped = without.unwrap(public(), &mechanism, key, &[0; 24], &unfilled(ck::CKK_DES3));
        assert_eq!(rv(unwrapped), Rv::MechanismInvalid);
    }
    let begun = without.begin(public(), Class::Sign, &of(ck::CKM_DES3_CMAC), key);
    assert_eq!(rv(begun), Rv::MechanismInvalid);
}

#[test]
fn data_comes_back_whole_and_in_parts() {
    let fixture = Fixture::with_legacy_mechanisms();
    let key = fixture.create(public(), &secret_key(ck::CKK_DES3, &KEY)).unwrap();
    let blocks = &MESSAGE[..48];
    for mechanism in ciphers() {
        let run = |class, input: &[u8]| fixture.run(public(), class, &mechanism, key, input);
        let parts = |class, parts: &[&[u8]]| fixture.run_in_parts(public(), class, &mechanism, key, parts);
        let sealed = run(Class::Encrypt, blocks).unwrap();
        let padded = mechanism.id() == ck::CKM_DES3_CBC_PAD;
        assert_eq!(sealed.len(), if padded { 56 } else { 48 });
        assert_eq!(
            parts(Class::Encrypt, &[&blocks[..3], &blocks[3..20], &blocks[20..]]).unwrap(),
            sealed
        );
        assert_eq!(run(Class::Decrypt, &sealed).unwrap(), blocks);
        assert_eq!(
            parts(Class::Decrypt, &[&sealed[..9], &sealed[9..]]).unwrap(),
            blocks
        );
        assert_eq!(rv(run(Class::Decrypt, &sealed[1..])), Rv::EncryptedDataLenRange);
        if padded {
            assert_eq!(run(Class::Encrypt, b"").unwrap().len(), 8);
            assert_eq!(rv(run(Class::Decrypt, &sealed[..48])), Rv::EncryptedDataInvalid);
        } else {
            assert_eq!(rv(run(Class::Encrypt, &blocks[1..])), Rv::DataLenRange);
        }
    }
}

#[test]
fn codes_are_whole_blocks_and_notice_every_change() {
    let fixture = Fixture::with_legacy_mechanisms();
    let key = fixture.create(public(), &secret_key(ck::CKK_DES3, &KEY)).unwrap();
    sign_and_verify(&fixture, &of(ck::CKM_DES3_CMAC), key, key);
}

#[test]
fn keys_have_the_right_parity_however_they_are_made() {
    let fixture = Fixture::with_legacy_mechanisms();
    for _ in 0..20 {
        let key = fixture
            .generate(public(), ck::CKM_DES3_KEY_GEN, &unfilled(ck::CKK_DES3))
            .unwrap();
        let view = fixture.view(public(), key).unwrap();
        assert_eq!(view.ulong(ck::CKA_VALUE_LEN), Some(24));
        assert!(crypto::has_odd_parity(view.bytes(ck::CKA_VALUE).unwrap()));
    }
    let base = merged(
        &open(ck::CKK_GENERIC_SECRET, &[0x11; 20]),
        [(ck::CKA_DERIVE, yes())],
    );
    let base = fixture.create(public(), &base).unwrap();
    let how = mechanism(
        ck::CKM_CONCATENATE_BASE_AND_DATA,
        Params::Data(vec![0x22; 4].into()),
    );
    let derived = fixture
        .derive(public(), &how, base, &unfilled(ck::CKK_DES3))
        .unwrap();
    let expected = [[0x10; 20].as_slice(), &[0x23; 4]].concat();
    assert_eq!(value(&fixture, derived), expected);
}

#[test]
fn a_key_with_wrong_parity_or_of_another_length_is_refused() {
    let fixture = Fixture::with_legacy_mechanisms();
    let create = |value: &[u8]| fixture.create(public(), &open(ck::CKK_DES3, value));
    for place in [0, 7, 23] {
        let mut wrong = KEY;
        wrong[place] ^= 1;
        assert_eq!(rv(create(&wrong)), Rv::AttributeValueInvalid, "byte {place}");
    }
    for len in [0, 8, 16, 23] {
        assert_eq!(rv(create(&KEY[..len])), Rv::AttributeValueInvalid, "{len} bytes");
    }
    let longer = merged(&unfilled(ck::CKK_DES3), [(ck::CKA_VALUE_LEN, number(16))]);
    let generated = fixture.generate(public(), ck::CKM_DES3_KEY_GEN, &longer);
    assert_eq!(rv(generated), Rv::AttributeValueInvalid);
}

/// The check value: a block of zeros encrypted with openssl's `des-ede3`.
#[test]
fn the_check_value_is_an_encrypted_block_of_zeros() {
    let fixture = Fixture::with_legacy_mechanisms();
    let key = fixture.create(public(), &open(ck::CKK_DES3, &KEY)).unwrap();
    let view = fixture.view(public(), key).unwrap();
    assert_eq!(view.bytes(ck::CKA_CHECK_VALUE), Some(&[0x4e, 0xba, 0x73][..]));
    let wrong = merged(
        &open(ck::CKK_DES3, &KEY),
        [(ck::CKA_CHECK_VALUE, bytes([0x4e, 0xba, 0x72]))],
    );
    assert_eq!(rv(fixture.create(public(), &wrong)), Rv::AttributeValueInvalid);
}

#[test]
fn keys_leave_wrapped_and_come_back() {
    let fixture = Fixture::with_legacy_mechanisms();
    let usage = [(ck::CKA_WRAP, yes()), (ck::CKA_UNWRAP, yes())];
    let wrapping = merged(&open(ck::CKK_DES3, &KEY), usage);
    let wrapping = fixture.create(public(), &wrapping).unwrap();
    let aes = fixture.create(public(), &open(ck::CKK_AES, &[7; 16])).unwrap();
    for mechanism in ciphers() {
        let wrapped = fixture.wrap(public(), &mechanism, wrapping, aes).unwrap();
        let template = merged(&unfilled(ck::CKK_AES), [(ck::CKA_VALUE_LEN, number(16))]);
        let back = fixture.unwrap(public(), &mechanism, wrapping, &wrapped, &template);
        assert_eq!(value(&fixture, back.unwrap()), [7; 16]);
        // What comes out has no reason to have the right parity.
        let odd = fixture
            .create(public(), &open(ck::CKK_GENERIC_SECRET, &[0x11; 24]))
            .unwrap();
        let wrapped = fixture.wrap(public(), &mechanism, wrapping, odd).unwrap();
        let back = fixture.unwrap(public(), &mechanism, wrapping, &wrapped, &unfilled(ck::CKK_DES3));
        assert_eq!(rv(back), Rv::WrappedKeyInvalid);
    }
    // A short secret is filled up to a block.
    let short = fixture
        .create(public(), &open(ck::CKK_GENERIC_SECRET, b"short"))
        .unwrap();
    let wrapped = fixture
        .wrap(public(), &of(ck::CKM_DES3_CBC), wrapping, short)
        .unwrap();
    assert_eq!(wrapped.len(), 8);
    let template = merged(
        &unfilled(ck::CKK_GENERIC_SECRET),
        [(ck::CKA_VALUE_LEN, number(5))],
    );
    let back = fixture.unwrap(public(), &of(ck::CKM_DES3_CBC), wrapping, &wrapped, &template);
    assert_eq!(value(&fixture, back.unwrap()), b"short");
}

/// 24 bytes are no whole number of AES's blocks, and the key's type says how many there are.
#[test]
fn an_aes_key_wraps_a_triple_des_key() {
    let fixture = Fixture::with_legacy_mechanisms();
    let usage = [(ck::CKA_WRAP, yes()), (ck::CKA_UNWRAP, yes())];
    let wrapping = merged(&secret_key(ck::CKK_AES, &[9; 32]), usage);
    let wrapping = fixture.create(public(), &wrapping).unwrap();
    let key = fixture.create(public(), &open(ck::CKK_DES3, &KEY)).unwrap();
    let cbc = |id| mechanism(id, Params::Bytes(vec![1; 16]));
    for mechanism in [
        cbc(ck::CKM_AES_CBC),
        cbc(ck::CKM_AES_CBC_PAD),
        plain(ck::CKM_AES_KEY_WRAP),
    ] {
        let wrapped = fixture.wrap(public(), &mechanism, wrapping, key).unwrap();
        let back = fixture.unwrap(public(), &mechanism, wrapping, &wrapped, &unfilled(ck::CKK_DES3));
        assert_eq!(value(&fixture, back.unwrap()), KEY);
    }
}
