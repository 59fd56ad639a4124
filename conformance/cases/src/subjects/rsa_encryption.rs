// SPDX-License-Identifier: MIT
//! RSA encryption in both schemes, beside OpenSSL.

use crate::case::Need::{Own, Program};
use crate::case::cases;
use crate::subjects::rsa_signatures::import_rsa;
use cryptoki_sys::*;
use keyenclave_conformance::module::{Mech, flag};
use keyenclave_conformance::openssl::{export_rsa, openssl};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::Token;

cases! {
    "rsa-pkcs.openssl-encryption" => rsa_pkcs1_encryption_goes_both_ways_with_openssl, "PKCS #1 v1.5 RSA",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS], [Program("openssl")];
    "rsa-oaep.openssl" => oaep_takes_split_hashes_and_labels_as_openssl_does, "PKCS #1 RSA OAEP",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP], [Own, Program("openssl")];
    "rsa-oaep.room" => oaep_room_depends_on_the_hash, "PKCS #1 RSA OAEP",
        [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP], [Own];
}

fn rsa_pkcs1_encryption_goes_both_ways_with_openssl() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    export_rsa(&place, &token, session, public);
    place.write("data", "a secret");
    let sealed = openssl_seals(&place, &[]);
    assert_eq!(
        token.decrypt(session, CKM_RSA_PKCS, private, &sealed).unwrap(),
        b"a secret"
    );

    let key = import_rsa(&place, &token, session, &[flag(CKA_DECRYPT, true)]);
    let sealed = token.encrypt(session, CKM_RSA_PKCS, public, b"back").unwrap();
    assert_eq!(
        token.decrypt(session, CKM_RSA_PKCS, private, &sealed).unwrap(),
        b"back"
    );
    let foreign = token.decrypt(session, CKM_RSA_PKCS, key, &sealed);
    assert_ne!(
        foreign.as_deref(),
        Ok(b"back".as_slice()),
        "another key must not decrypt it"
    );
    assert!(token.encrypt(session, CKM_RSA_PKCS, public, &[1; 245]).is_ok());
    assert_eq!(
        token
            .encrypt(session, CKM_RSA_PKCS, public, &[1; 246])
            .unwrap_err(),
        CKR_DATA_LEN_RANGE
    );
}

/// What `openssl` makes of the file `data` with the key `public.der` and these options.
fn openssl_seals(place: &Place, options: &[&str]) -> Vec<u8> {
    let sealing = "pkeyutl -encrypt -pubin -keyform DER -inkey public.der -in data -out sealed";
    let sealing: Vec<&str> = sealing.split(' ').collect();
    openssl(place, &[&sealing, options].concat());
    std::fs::read(place.file("sealed")).unwrap()
}

fn oaep_takes_split_hashes_and_labels_as_openssl_does() {
    let place = Place::of_this_process();
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    export_rsa(&place, &token, session, public);
    place.write("data", "a secret");
    let table = [
        (CKM_SHA_1, "sha1", CKG_MGF1_SHA1, "sha1", ""),
        (CKM_SHA256, "sha256", CKG_MGF1_SHA256, "sha256", ""),
        (CKM_SHA256, "sha256", CKG_MGF1_SHA1, "sha1", "6c6162656c"),
        (CKM_SHA_1, "sha1", CKG_MGF1_SHA512, "sha512", ""),
        (CKM_SHA512, "sha512", CKG_MGF1_SHA384, "sha384", "00ff"),
    ];
    for (hash, hash_name, mgf, mgf_name, label) in table {
        let mut options = vec!["rsa_padding_mode:oaep".to_owned()];
        options.push(format!("rsa_oaep_md:{hash_name}"));
        options.push(format!("rsa_mgf1_md:{mgf_name}"));
        if !label.is_empty() {
            options.push(format!("rsa_oaep_label:{label}"));
        }
        let options: Vec<&str> = options.iter().flat_map(|option| ["-pkeyopt", option]).collect();
        let sealed = openssl_seals(&place, &options);
        let mech = Mech::oaep(hash, mgf, &hex(label));
        let opened = token.decrypt(session, mech.clone(), private, &sealed);
        assert_eq!(opened.unwrap(), b"a secret", "{hash_name}, {mgf_name}");
        let back = token.encrypt(session, mech, public, b"back").unwrap();
        let other = Mech::oaep(hash, mgf, b"another label");
        let refused = token.decrypt(session, other, private, &back).unwrap_err();
        assert_eq!(refused, CKR_ENCRYPTED_DATA_INVALID);
    }
}

fn oaep_room_depends_on_the_hash() {
    let (token, session) = Token::with_user();
    let (public, private) = token.rsa_for_all(session, 2048, &[]);
    let mech = Mech::oaep(CKM_SHA_1, CKG_MGF1_SHA1, b"");
    let sealed = token.encrypt(session, mech.clone(), public, &[5; 214]).unwrap();
    assert_eq!(
        token.decrypt(session, mech.clone(), private, &sealed).unwrap(),
        [5; 214]
    );
    assert_eq!(
        token
            .encrypt(session, mech.clone(), public, &[5; 215])
            .unwrap_err(),
        CKR_DATA_LEN_RANGE
    );
    let mut changed = sealed;
    changed[100] ^= 1;
    assert_eq!(
        token
            .decrypt(session, mech.clone(), private, &changed)
            .unwrap_err(),
        CKR_ENCRYPTED_DATA_INVALID
    );
    assert_eq!(
        token.decrypt(session, mech, private, &changed[1..]).unwrap_err(),
        CKR_ENCRYPTED_DATA_LEN_RANGE
    );
    for bad in [
        Mech::from(CKM_RSA_PKCS_OAEP),
        Mech::null(CKM_RSA_PKCS_OAEP, 40),
        Mech::with(CKM_RSA_PKCS_OAEP, [0; 39]),
        Mech::oaep(CKM_RSA_PKCS, CKG_MGF1_SHA1, b""),
        Mech::oaep(CKM_SHA_1, 77, b""),
    ] {
        let rv = token.encrypt_init(session, bad.clone(), public);
        assert_eq!(rv, CKR_MECHANISM_PARAM_INVALID, "{bad:?}");
    }
}
