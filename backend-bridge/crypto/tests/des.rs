// SPDX-License-Identifier: MIT
//! Triple DES against published vectors.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod testkit;

use keyenclave_conformance::published::des::*;
use keyenclave_crypto::*;
use testkit::{hex, unhex};

fn key() -> Des3Key {
    Des3Key::new(&unhex(KEY)).unwrap()
}

fn iv() -> [u8; DES_BLOCK_LEN] {
    unhex(IV).try_into().unwrap()
}

fn run(mut cipher: BlockCipher, input: &[u8], part: usize) -> Result<Vec<u8>> {
    let mut out = vec![0; input.len() + DES_BLOCK_LEN];
    let mut written = 0;
    for piece in input.chunks(part) {
        let expected = cipher.update_len(piece.len());
        let done = cipher.update(piece, &mut out[written..])?;
        assert_eq!(done, expected);
        written += done;
    }
    written += cipher.finish(&mut out[written..])?;
    out.truncate(written);
    Ok(out)
}

#[test]
fn the_modes_are_those_of_the_published_examples_however_data_is_cut() {
    let iv = iv();
    for (iv, sealed) in [(None, ECB), (Some(&iv), CBC)] {
        for part in [1, 7, 8, 9, 32] {
            let cipher = |direction| key().cipher(iv, direction, Padding::None).unwrap();
            let out = run(cipher(Direction::Encrypt), &unhex(PLAIN), part).unwrap();
            assert_eq!(hex(&out), sealed, "in parts of {part}");
            let out = run(cipher(Direction::Decrypt), &unhex(sealed), part).unwrap();
            assert_eq!(hex(&out), PLAIN, "in parts of {part}");
        }
    }
}

#[test]
fn a_block_is_encrypted_decrypted_and_encrypted() {
    let cipher = key().cipher(None, Direction::Encrypt, Padding::None).unwrap();
    let (plain, sealed) = FOX;
    assert_eq!(hex(&run(cipher, plain, 24).unwrap()), sealed);
}

#[test]
fn padding_comes_and_goes_for_every_length() {
    for len in 0..=17 {
        let plain: Vec<u8> = (0..len).collect();
        let cipher = |direction| key().cipher(Some(&iv()), direction, Padding::Pkcs7).unwrap();
        let sealed = run(cipher(Direction::Encrypt), &plain, 5).unwrap();
        assert_eq!(
            Some(sealed.len()),
            padded_len(Padding::Pkcs7, plain.len(), DES_BLOCK_LEN)
        );
        assert_eq!(run(cipher(Direction::Decrypt), &sealed, 5).unwrap(), plain);
        let torn = run(cipher(Direction::Decrypt), &sealed[1..], 5);
        assert_eq!(torn.unwrap_err(), Error::InputLength);
    }
    let cipher = key()
        .cipher(Some(&iv()), Direction::Decrypt, Padding::Pkcs7)
        .unwrap();
    assert_eq!(run(cipher, &[0; 16], 16).unwrap_err(), Error::Decryption);
}

#[test]
fn codes_are_those_of_the_published_examples_however_data_is_cut() {
    let (key, message) = (Des3Key::new(&unhex(CMAC_KEY)).unwrap(), unhex(PLAIN));
    for (len, code) in CMACS {
        for part in [1, 8, 15, 32] {
            let mut running = key.cmac().unwrap();
            for piece in message[..len].chunks(part) {
                running.update(piece).unwrap();
            }
            let made = running.finish().unwrap();
            assert_eq!(
                hex(&made[..DES_BLOCK_LEN]),
                code,
                "{len} bytes in parts of {part}"
            );
        }
    }
}

#[test]
fn parity_is_odd_once_it_has_been_set() {
    for byte in 0..=u8::MAX {
        let mut one = [byte];
        set_odd_parity(&mut one);
        assert_eq!((one[0] & 0xfe, one[0].count_ones() % 2), (byte & 0xfe, 1));
        assert_eq!(has_odd_parity(&[byte]), one == [byte]);
        assert_eq!(has_odd_parity(&[1, byte, 1]), one == [byte]);
    }
}

#[test]
fn keys_of_other_lengths_are_refused() {
    for len in [0, 8, 16, 23, 25] {
        assert_eq!(
            Des3Key::new(&vec![1; len]).err(),
            Some(Error::InvalidKey),
            "{len}"
        );
    }
}
