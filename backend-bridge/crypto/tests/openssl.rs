// SPDX-License-Identifier: MIT
//! The same keys, signatures and ciphertexts through the `openssl` command, where it is installed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]

mod testkit;

use keyenclave_crypto::*;
use keyenclave_model::algorithm::{CURVES, Hash};
use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::{rsa_2048, unhex};

/// A folder of its own with files for the command, or nothing if the command is missing.
fn openssl(files: &[(&str, &[u8])]) -> Option<tempfile::TempDir> {
    if Command::new("openssl").arg("version").output().is_err() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("openssl");
        keyenclave_conformance::case::skipped(test, "the openssl command is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        fs::write(folder.path().join(name), contents).unwrap();
    }
    Some(folder)
}

fn run(folder: &Path, line: &str) {
    let done = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "openssl {line}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn rsa_signatures_verify_with_openssl() {
    let key = RsaPrivateKey::from_pkcs8_der(&unhex(rsa_2048::KEY)).unwrap();
    let value = digest(Hash::Sha384, b"message");
    let (mut pkcs1, mut pss) = ([0; 256], [0; 256]);
    key.sign_pkcs1(Hash::Sha384, &value, &mut pkcs1).unwrap();
    key.sign_pss(Hash::Sha384, Hash::Sha256, 20, &value, &mut pss)
        .unwrap();
    let spki = key.public().unwrap().spki_der().unwrap();
    let Some(folder) = openssl(&[
        ("spki", &spki),
        ("m", b"message"),
        ("digest", &value),
        ("a", &pkcs1),
        ("b", &pss),
    ]) else {
        return;
    };
    run(
        folder.path(),
        "dgst -sha384 -verify spki -keyform DER -signature a m",
    );
    run(
        folder.path(),
        "pkeyutl -verify -pubin -inkey spki -keyform DER -in digest -sigfile b -pkeyopt digest:sha384 \
         -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_mgf1_md:sha256 -pkeyopt rsa_pss_saltlen:20",
    );
}

#[test]
fn what_openssl_encrypts_decrypts_here_and_the_other_way() {
    let key = RsaPrivateKey::from_pkcs8_der(&unhex(rsa_2048::KEY)).unwrap();
    let public = key.public().unwrap();
    let mut sealed = [0; 256];
    public
        .encrypt_oaep(Hash::Sha512, Hash::Sha1, b"label", b"message", &mut sealed)
        .unwrap();
    let spki = public.spki_der().unwrap();
    let der = key.to_pkcs8_der().unwrap();
    let Some(folder) = openssl(&[
        ("spki", &spki),
        ("key", &der),
        ("m", b"message"),
        ("sealed", &sealed),
    ]) else {
        return;
    };
    let oaep = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha512 -pkeyopt rsa_mgf1_md:sha1 \
                -pkeyopt rsa_oaep_label:6c6162656c";
    run(
        folder.path(),
        &format!("pkeyutl -decrypt -inkey key -keyform DER -in sealed -out plain {oaep}"),
    );
    assert_eq!(fs::read(folder.path().join("plain")).unwrap(), b"message");
    run(
        folder.path(),
        &format!("pkeyutl -encrypt -pubin -inkey spki -keyform DER -in m -out back {oaep}"),
    );
    let back = fs::read(folder.path().join("back")).unwrap();
    let mut plain = [0; 256];
    assert_eq!(
        key.decrypt_oaep(Hash::Sha512, Hash::Sha1, b"label", &back, &mut plain),
        Ok(7)
    );
    assert_eq!(&plain[..7], b"message");
    run(
        folder.path(),
        "pkeyutl -encrypt -pubin -inkey spki -keyform DER -in m -out back",
    );
    let back = fs::read(folder.path().join("back")).unwrap();
    assert_eq!(key.decrypt_pkcs1(&back, &mut plain), Ok(7));
    assert_eq!(&plain[..7], b"message");
}

/// `r ‖ s` as the DER that the command wants: two integers, each with a zero in front if its top bit is set.
fn ecdsa_der(signature: &[u8]) -> Vec<u8> {
    let integers: Vec<u8> = signature
        .chunks(signature.len() / 2)
        .flat_map(|half| {
            let digits: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
            let sign = if digits[0] >= 0x80 { vec![0] } else { vec![] };
            let body = [sign, digits].concat();
            [vec![2, body.len() as u8], body].concat()
        })
        .collect();
    let long = if integers.len() >= 0x80 {
        vec![0x81]
    } else {
        vec![]
    };
    [vec![0x30], long, vec![integers.len() as u8], integers].concat()
}

#[test]
fn ecdsa_signatures_verify_with_openssl_which_reads_the_keys() {
    for row in CURVES {
        let key = EcPrivateKey::generate(row.curve).unwrap();
        let mut signature = vec![0; 2 * row.curve.field_len()];
        key.sign(&digest(Hash::Sha256, b"message"), &mut signature)
            .unwrap();
        let spki = key.public().unwrap().spki_der().unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let files: [(&str, &[u8]); 4] = [
            ("spki", &spki),
            ("key", &der),
            ("m", b"message"),
            ("s", &ecdsa_der(&signature)),
        ];
        let Some(folder) = openssl(&files) else { return };
        run(
            folder.path(),
            "dgst -sha256 -verify spki -keyform DER -signature s m",
        );
        run(
            folder.path(),
            "pkcs8 -inform DER -in key -nocrypt -out pem -outform DER -topk8",
        );
        run(folder.path(), "pkey -inform DER -in key -check -noout");
        let back = fs::read(folder.path().join("pem")).unwrap();
        assert_eq!(
            *EcPrivateKey::from_pkcs8_der(&back).unwrap().scalar().unwrap(),
            *key.scalar().unwrap()
        );
    }
}
