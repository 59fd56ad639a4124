// SPDX-License-Identifier: MIT
//! ChaCha20, alone and with Poly1305.

use keyenclave_model::mechanism::{ChaCha20Params, ChaChaPolyParams};

use super::*;

pub fn stream(block: u64, nonce: &[u8]) -> Params {
    Params::ChaCha20(ChaCha20Params {
        block,
        nonce: nonce.to_vec(),
    })
}

pub fn sealing(nonce: &[u8], aad: &[u8]) -> Params {
    Params::ChaChaPoly(ChaChaPolyParams {
        nonce: nonce.to_vec(),
        aad: aad.to_vec(),
    })
}

fn key(fixture: &Fixture) -> ObjectId {
    let key = secret_key(ck::CKK_CHACHA20, &[3; 32]);
    fixture.create(public(), &key).unwrap()
}

#[test]
fn what_is_sealed_opens_whole_and_in_parts_and_only_unchanged() {
    let fixture = Fixture::blank();
    let key = key(&fixture);
    for nonce in [&[1; 12][..], &[1; 24]] {
        let mechanism = mechanism(ck::CKM_CHACHA20_POLY1305, sealing(nonce, b"header"));
        let run = |class, input: &[u8]| fixture.run(public(), class, &mechanism, key, input);
        let parts = |class, parts: &[&[u8]]| fixture.run_in_parts(public(), class, &mechanism, key, parts);
        let sealed = run(Class::Encrypt, MESSAGE).unwrap();
        assert_eq!(sealed.len(), MESSAGE.len() + 16);
        assert_eq!(
            parts(Class::Encrypt, &[&MESSAGE[..5], &MESSAGE[5..]]).unwrap(),
            sealed
        );
        assert_eq!(run(Class::Decrypt, &sealed).unwrap(), MESSAGE);
        assert_eq!(
            parts(Class::Decrypt, &[&sealed[..3], &[], &sealed[3..]]).unwrap(),
            MESSAGE
        );
        for place in [0, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(rv(run(Class::Decrypt, &changed)), Rv::EncryptedDataInvalid);
        }
        assert_eq!(rv(run(Class::Decrypt, &sealed[..15])), Rv::EncryptedDataLenRange);
        let empty = run(Class::Encrypt, b"").unwrap();
        assert_eq!(run(Class::Decrypt, &empty).unwrap(), b"");
    }
}

#[test]
fn the_stream_goes_on_from_part_to_part() {
    let fixture = Fixture::blank();
    let key = key(&fixture);
    let mechanism = mechanism(ck::CKM_CHACHA20, stream(1, &[1; 12]));
    let whole = fixture
        .run(public(), Class::Encrypt, &mechanism, key, MESSAGE)
        .unwrap();
    let parts = [&MESSAGE[..1], &MESSAGE[1..30], &MESSAGE[30..]];
    let in_parts = fixture.run_in_parts(public(), Class::Encrypt, &mechanism, key, &parts);
    assert_eq!(in_parts.unwrap(), whole);
    let plain = fixture.run(public(), Class::Decrypt, &mechanism, key, &whole);
    assert_eq!(plain.unwrap(), MESSAGE);
}

#[test]
fn nonces_of_other_lengths_and_blocks_beyond_the_last_are_refused() {
    let new = |id, params| Mechanism::new(id, params).map(drop);
    for (block, nonce) in [(0, &[0; 24][..]), (0, &[]), (1 << 32, &[0; 12])] {
        let refused = new(ck::CKM_CHACHA20, stream(block, nonce));
        assert_eq!(rv(refused), Rv::MechanismParamInvalid);
    }
    assert!(new(ck::CKM_CHACHA20, stream(1 << 32, &[0; 8])).is_ok());
    for nonce in [&[0; 8][..], &[], &[0; 13]] {
        let refused = new(ck::CKM_CHACHA20_POLY1305, sealing(nonce, b""));
        assert_eq!(rv(refused), Rv::MechanismParamInvalid);
    }
}
