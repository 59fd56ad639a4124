// SPDX-License-Identifier: MIT
//! Slots, tokens and mechanisms as they are listed.

use crate::case::Need::{Blank, Function, Own, SessionCounts, Sessions};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::token::{RW, SO_PIN, Token};

cases! {
    "slots.list" => the_slot_list_tells_its_length_and_refuses_less_room, "C_GetSlotList", [], [];
    "slots.unknown" => an_unknown_slot_is_refused_by_every_function_that_takes_one, "C_GetSlotInfo", [], [];
    "slots.info" => slot_and_token_information_is_blank_padded_and_consistent, "CK_TOKEN_INFO", [], [];
    "sessions.counts" => session_counts_follow_the_sessions, "CK_TOKEN_INFO", [], [Sessions, SessionCounts];
    "slots.id-kept" => a_slot_keeps_its_id_when_its_token_is_initialised, "C_InitToken", [], [Blank];
    "slots.mechanisms" => every_listed_mechanism_has_information_and_no_other_does, "C_GetMechanismInfo",
        [], [];
    "slots.mechanisms.soft-token" => every_mechanism_of_the_soft_token_is_listed, "C_GetMechanismList",
        [], [Own];
    "slots.event" => no_slot_event_is_ever_waiting, "C_WaitForSlotEvent", [], [Function("C_WaitForSlotEvent")];
}

const NO_SLOT: CK_SLOT_ID = 0x7fff_fff0;

fn the_slot_list_tells_its_length_and_refuses_less_room() {
    let token = Token::fresh();
    let (rv, count, _) = token.slot_list(false, None);
    assert_eq!(rv, Rv::OK);
    let room = usize::try_from(count).unwrap();
    let (rv, short, _) = token.slot_list(false, Some(room - 1));
    assert_eq!((rv, short), (Rv(CKR_BUFFER_TOO_SMALL), count));
    let (rv, same, slots) = token.slot_list(false, Some(room + 3));
    assert_eq!((rv, same), (Rv::OK, count));
    assert!(slots.contains(&token.slot));
    assert_eq!(token.slot_list_without_count(), CKR_ARGUMENTS_BAD);
}

fn an_unknown_slot_is_refused_by_every_function_that_takes_one() {
    let token = Token::fresh();
    let refused = CKR_SLOT_ID_INVALID;
    assert_eq!(token.slot_info(NO_SLOT).unwrap_err(), refused);
    assert_eq!(token.token_info(NO_SLOT).unwrap_err(), refused);
    assert_eq!(token.mechanism_list(NO_SLOT, None).0, refused);
    assert_eq!(token.mechanism_info(NO_SLOT, CKM_RSA_PKCS).unwrap_err(), refused);
    assert_eq!(token.open_session(NO_SLOT, RW).unwrap_err(), refused);
    assert_eq!(token.close_all_sessions(NO_SLOT), refused);
    assert_eq!(token.init_token(NO_SLOT, SO_PIN, "x"), refused);
}

fn slot_and_token_information_is_blank_padded_and_consistent() {
    let token = Token::fresh();
    let slot = token.slot_info(token.slot).unwrap();
    assert_ne!(slot.flags & CKF_TOKEN_PRESENT, 0);
    assert!(!slot.slotDescription.contains(&0) && !slot.manufacturerID.contains(&0));
    let info = token.token_info(token.slot).unwrap();
    assert_eq!(info.label.as_slice(), format!("{:<32}", "test").as_bytes());
    assert!(!info.serialNumber.contains(&0) && info.serialNumber != [b' '; 16]);
    let set = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED;
    assert_eq!(info.flags & set, set);
    assert_eq!(info.flags & CKF_WRITE_PROTECTED, 0);
    assert!(info.ulMinPinLen <= info.ulMaxPinLen);
}

fn session_counts_follow_the_sessions() {
    let token = Token::fresh();
    let counts = || {
        let info = token.token_info(token.slot).unwrap();
        (info.ulSessionCount, info.ulRwSessionCount)
    };
    assert_eq!(counts(), (0, 0));
    let first = token.session(RW);
    let second = token.session(CKF_SERIAL_SESSION);
    assert_eq!(counts(), (2, 1));
    assert_eq!(token.close_session(first), Rv::OK);
    assert_eq!(counts(), (1, 0));
    assert_eq!(token.close_session(second), Rv::OK);
    assert_eq!(counts(), (0, 0));
}

fn a_slot_keeps_its_id_when_its_token_is_initialised() {
    let token = Token::blank();
    let info = token.token_info(token.slot).unwrap();
    assert_eq!(info.flags & CKF_TOKEN_INITIALIZED, 0);
    let slot = token.slot;
    assert_eq!(token.init_token(slot, SO_PIN, "again"), Rv::OK);
    let info = token.token_info(slot).unwrap();
    assert_ne!(info.flags & CKF_TOKEN_INITIALIZED, 0);
    assert_eq!(info.flags & CKF_USER_PIN_INITIALIZED, 0);
}

fn every_listed_mechanism_has_information_and_no_other_does() {
    let token = Token::fresh();
    let (_, count, _) = token.mechanism_list(token.slot, None);
    let room = usize::try_from(count).unwrap();
    let (rv, short, _) = token.mechanism_list(token.slot, Some(room - 1));
    assert_eq!((rv, short), (Rv(CKR_BUFFER_TOO_SMALL), count));
    let (_, _, kinds) = token.mechanism_list(token.slot, Some(room));
    for kind in &kinds {
        let info = token.mechanism_info(token.slot, *kind).unwrap();
        assert!(info.ulMinKeySize <= info.ulMaxKeySize, "mechanism {kind:#x}");
        assert_ne!(info.flags, 0, "mechanism {kind:#x} can do nothing");
    }
    assert_eq!(
        token
            .mechanism_info(token.slot, CKM_VENDOR_DEFINED | 0x4242)
            .unwrap_err(),
        CKR_MECHANISM_INVALID
    );
    assert!(!kinds.contains(&CKM_RC4));
    assert_eq!(
        token.mechanism_info(token.slot, CKM_RC4).unwrap_err(),
        CKR_MECHANISM_INVALID
    );
}

fn every_mechanism_of_the_soft_token_is_listed() {
    let token = Token::fresh();
    let signing = CKF_SIGN | CKF_VERIFY;
    let sealing = CKF_ENCRYPT | CKF_DECRYPT;
    let table: &[(CK_MECHANISM_TYPE, CK_FLAGS)] = &[
        (CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
        (CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
        (CKM_AES_KEY_GEN, CKF_GENERATE),
        (CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE),
        (CKM_RSA_PKCS, signing | sealing),
        (CKM_RSA_PKCS_OAEP, sealing),
        (CKM_RSA_PKCS_PSS, signing),
        (CKM_SHA1_RSA_PKCS, signing),
        (CKM_SHA256_RSA_PKCS, signing),
        (CKM_SHA384_RSA_PKCS, signing),
        (CKM_SHA512_RSA_PKCS, signing),
        (CKM_SHA256_RSA_PKCS_PSS, signing),
        (CKM_SHA384_RSA_PKCS_PSS, signing),
        (CKM_SHA512_RSA_PKCS_PSS, signing),
        (CKM_ECDSA, signing),
        (CKM_AES_CBC, sealing),
        (CKM_AES_CBC_PAD, sealing),
        (CKM_AES_GCM, sealing),
        (CKM_SHA_1_HMAC, signing),
        (CKM_SHA256_HMAC, signing),
        (CKM_SHA384_HMAC, signing),
        (CKM_SHA512_HMAC, signing),
        (CKM_SHA_1, CKF_DIGEST),
        (CKM_SHA256, CKF_DIGEST),
        (CKM_SHA384, CKF_DIGEST),
        (CKM_SHA512, CKF_DIGEST),
    ];
    for (kind, flags) in table {
        let info = token.mechanism_info(token.slot, *kind);
        let info = info.unwrap_or_else(|rv| panic!("mechanism {kind:#x}: {rv:?}"));
        assert_eq!(info.flags & flags, *flags, "mechanism {kind:#x}");
    }
    let rsa = token
        .mechanism_info(token.slot, CKM_RSA_PKCS_KEY_PAIR_GEN)
        .unwrap();
    assert!(
        rsa.ulMinKeySize <= 2048 && rsa.ulMaxKeySize >= 4096,
        "RSA sizes are in bits"
    );
    let aes = token.mechanism_info(token.slot, CKM_AES_KEY_GEN).unwrap();
    assert_eq!(
        (aes.ulMinKeySize, aes.ulMaxKeySize),
        (16, 32),
        "AES sizes are in bytes"
    );
}

fn no_slot_event_is_ever_waiting() {
    assert_eq!(Token::fresh().wait_for_slot_event(CKF_DONT_BLOCK), CKR_NO_EVENT);
}
