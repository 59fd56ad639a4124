// SPDX-License-Identifier: MIT
//! Encryption: what is undone, and what is given out of what was changed.

use super::*;

#[test]
fn rsa_encryption_is_undone_by_decryption() {
    let Rsa {
        fixture,
        public: public_key,
        private,
    } = rsa();
    for mechanism in [
        plain(ck::CKM_RSA_PKCS),
        mechanism(ck::CKM_RSA_PKCS_OAEP, oaep(Hash::Sha1, Hash::Sha1, b"")),
        mechanism(ck::CKM_RSA_PKCS_OAEP, oaep(Hash::Sha256, Hash::Sha256, b"label")),
        mechanism(ck::CKM_RSA_PKCS_OAEP, oaep(Hash::Sha512, Hash::Sha1, b"")),
    ] {
        for message in [&b""[..], MESSAGE] {
            let sealed = fixture
                .run(public(), Class::Encrypt, &mechanism, *public_key, message)
                .unwrap();
            assert_eq!(sealed.len(), 256);
            let open = |sealed: &[u8]| fixture.run(public(), Class::Decrypt, &mechanism, *private, sealed);
            assert_eq!(open(&sealed).unwrap(), message);
            assert_eq!(rv(open(&sealed[1..])), Rv::EncryptedDataLenRange);
            let mut changed = sealed.clone();
            changed[100] ^= 1;
            match mechanism.params() {
                // Bad padding of PKCS #1 v1.5 is not told from good: the answer is a substitute.
                Params::None => assert_ne!(open(&changed).unwrap(), message),
                _ => assert_eq!(rv(open(&changed)), Rv::EncryptedDataInvalid),
            }
        }
        assert_eq!(
            rv(fixture.run(public(), Class::Encrypt, &mechanism, *public_key, &[0; 246])),
            Rv::DataLenRange
        );
    }
    // As old as keys get: no hash of 64 bytes fits twice.
    let small = template([
        (ck::CKA_CLASS, number(ck::CKO_PUBLIC_KEY)),
        (ck::CKA_KEY_TYPE, number(ck::CKK_RSA)),
        (ck::CKA_MODULUS, bytes([0xc1; 128])),
        (ck::CKA_PUBLIC_EXPONENT, bytes([1, 0, 1])),
    ]);
    let small = fixture.create(public(), &small).unwrap();
    let large = mechanism(ck::CKM_RSA_PKCS_OAEP, oaep(Hash::Sha512, Hash::Sha512, b""));
    assert_eq!(
        rv(fixture.begin(public(), Class::Encrypt, &large, small)),
        Rv::KeySizeRange
    );
}

#[test]
fn block_modes_are_undone_and_want_whole_blocks() {
    let fixture = Fixture::blank();
    let key = fixture.create(public(), &aes_key(&[8; 24])).unwrap();
    let iv = || Params::Bytes(vec![4; 16]);
    let modes = [
        (plain(ck::CKM_AES_ECB), false),
        (mechanism(ck::CKM_AES_CBC, iv()), false),
        (mechanism(ck::CKM_AES_CBC_PAD, iv()), true),
    ];
    for (mode, padded) in modes {
        let run = |class, input: &[u8]| fixture.run(public(), class, &mode, key, input);
        for len in [0, 1, 15, 16, 17, 32, 100] {
            let message: Vec<u8> = (0..len).collect();
            if !padded && len % 16 != 0 {
                assert_eq!(rv(run(Class::Encrypt, &message)), Rv::DataLenRange);
                assert_eq!(rv(run(Class::Decrypt, &message)), Rv::EncryptedDataLenRange);
                continue;
            }
            let sealed = run(Class::Encrypt, &message).unwrap();
            let split = usize::from(len) / 3;
            let parts = [&message[..split], &message[split..]];
            let in_parts = fixture
                .run_in_parts(public(), Class::Encrypt, &mode, key, &parts)
                .unwrap();
            assert_eq!(sealed, in_parts);
            assert_eq!(run(Class::Decrypt, &sealed).unwrap(), message);
            let parts = [&sealed[..split], &sealed[split..]];
            let opened = fixture
                .run_in_parts(public(), Class::Decrypt, &mode, key, &parts)
                .unwrap();
            assert_eq!(opened, message);
        }
        let parts: [&[u8]; 1] = [&[0; 17]];
        let cut = |class| fixture.run_in_parts(public(), class, &mode, key, &parts);
        assert_eq!(rv(cut(Class::Decrypt)), Rv::EncryptedDataLenRange);
        if !padded {
            assert_eq!(rv(cut(Class::Encrypt)), Rv::DataLenRange);
        }
    }
}

#[test]
fn bad_padding_is_refused_and_leaves_no_plaintext() {
    let fixture = Fixture::blank();
    let key = fixture.create(public(), &aes_key(&[8; 16])).unwrap();
    let (pad, cbc) = (ck::CKM_AES_CBC_PAD, ck::CKM_AES_CBC);
    let iv = || Params::Bytes(vec![4; 16]);
    let sealed = fixture
        .run(public(), Class::Encrypt, &mechanism(cbc, iv()), key, &[0xaa; 48])
        .unwrap();
    let pad = mechanism(pad, iv());
    let operation = fixture.begin(public(), Class::Decrypt, &pad, key).unwrap();
    assert_eq!(
        operation.output_len(Part::Single(48)).unwrap(),
        OutputLen::AtMost(48)
    );
    let mut out = [0x77; 48];
    let step = operation.single(&public(), &sealed, End::Output(&mut out));
    assert_eq!(rv(ready(step)), Rv::EncryptedDataInvalid);
    assert!(!out.contains(&0xaa));
    assert_eq!(
        rv(fixture.run(public(), Class::Decrypt, &pad, key, &[])),
        Rv::EncryptedDataLenRange
    );
}

#[test]
fn gcm_gives_nothing_out_before_the_tag_is_checked() {
    let fixture = Fixture::blank();
    let key = fixture.create(public(), &aes_key(&[8; 32])).unwrap();
    for tag_len in [4, 12, 16] {
        let gcm = gcm(tag_len);
        let sealed = fixture.run(public(), Class::Encrypt, &gcm, key, MESSAGE).unwrap();
        assert_eq!(sealed.len(), MESSAGE.len() + tag_len);
        let parts = [&MESSAGE[..20], &MESSAGE[20..]];
        assert_eq!(
            fixture
                .run_in_parts(public(), Class::Encrypt, &gcm, key, &parts)
                .unwrap(),
            sealed
        );
        let open = |sealed: &[u8]| fixture.run(public(), Class::Decrypt, &gcm, key, sealed);
        assert_eq!(open(&sealed).unwrap(), MESSAGE);
        let mut operation = fixture.begin(public(), Class::Decrypt, &gcm, key).unwrap();
        for part in sealed.chunks(13) {
            assert_eq!(
                operation.output_len(Part::Update(part.len())).unwrap(),
                OutputLen::Exact(0)
            );
            assert_eq!(operation.update(&public(), part, &mut []).unwrap(), 0);
        }
        let mut out = [0; 100];
        assert_eq!(
            operation.output_len(Part::Finish).unwrap(),
            OutputLen::Exact(MESSAGE.len())
        );
        assert!(matches!(
            ready(operation.finish(&public(), End::Output(&mut out))).unwrap(),
            Out::Written(len) if out[..len] == *MESSAGE
        ));
        for at in [0, MESSAGE.len()] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(rv(open(&changed)), Rv::EncryptedDataInvalid);
        }
        assert_eq!(rv(open(&sealed[..tag_len - 1])), Rv::EncryptedDataLenRange);
    }
}
