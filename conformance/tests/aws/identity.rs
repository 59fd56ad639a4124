// SPDX-License-Identifier: MIT
//! Who the program is, from what its platform gives it: the slot sees the keys of the account whose role that is.

use crate::slot::{SIGNS, case};
use cryptoki_sys::*;
use keyenclave_conformance::case::{as_part, finish, part};
use keyenclave_conformance::cloud::{Account, AwsSlot, Ministack, configure};
use keyenclave_conformance::module::{bytes, number};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::{RW, Token};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The program: it signs with the one key that there is, with no credentials of its own.
fn signs() {
    let token = Token::existing();
    let s = token.session(RW);
    let template = [number(CKA_CLASS, CKO_PRIVATE_KEY), bytes(CKA_LABEL, "theirs")];
    let found = token.find(s, &template).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(token.sign(s, CKM_ECDSA, found[0], &[7; 32]).unwrap().len(), 64);
}

/// A key in this process's account, and the program as another process that has this identity alone.
fn sees_the_accounts_key(ministack: &Ministack, identity: impl FnOnce(&mut Command, &str)) {
    let (place, account) = (Place::of_this_process(), Account::of_this_process());
    configure(&place, "", &[AwsSlot::new("cloud", ministack.url())]);
    ministack
        .api(&account)
        .create_named_key("theirs", "ECC_NIST_P256", SIGNS);
    let mut program = as_part("program");
    program
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_ENDPOINT_URL_STS", ministack.url());
    identity(
        &mut program,
        &format!("arn:aws:iam::{}:role/signer", account.id()),
    );
    finish(program, LIMIT).unwrap_or_else(|output| panic!("{output}"));
}

#[test]
fn a_cluster_s_service_account_signs_with_its_roles_keys() {
    case(|ministack| {
        if part().is_some() {
            return signs();
        }
        let token = Place::of_this_process().write("web-token", "header.claims.signature");
        sees_the_accounts_key(ministack, |program, role| {
            program
                .env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
                .env("AWS_ROLE_ARN", role);
        });
    });
}

#[test]
fn a_role_that_a_profile_assumes_signs_with_its_accounts_keys() {
    case(|ministack| {
        if part().is_some() {
            return signs();
        }
        sees_the_accounts_key(ministack, |program, role| {
            // The account that assumes the role is another one, and has no keys.
            let text = format!(
                "[profile base]\naws_access_key_id = 999999999999\naws_secret_access_key = test\n\
                 [profile signer]\nrole_arn = {role}\nsource_profile = base\n"
            );
            let file = Place::of_this_process().write("profiles", &text);
            program.env("AWS_CONFIG_FILE", file).env("AWS_PROFILE", "signer");
        });
    });
}
