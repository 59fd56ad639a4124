// SPDX-License-Identifier: MIT
//! What a module can do: found out once a run, in a process of its own, before any case.

use crate::isolated::{self, Outcome};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Out, bytes};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::tested::Tested;
use keyenclave_conformance::token::{CURVES, RW, SO_PIN, Token, USER_PIN, data_object};
use serde::{Deserialize, Serialize};

/// What a module can do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Abilities {
    /// Who it says it is: description and version of the library.
    pub library: String,
    /// The major version of the specification that it says it follows.
    pub major: u8,
    /// The mechanisms that the token lists.
    pub mechanisms: Vec<CK_MECHANISM_TYPE>,
    /// Whether a key pair can be made, for each of [`CURVES`].
    pub curves: Vec<bool>,
    /// Whether the token stores data objects.
    pub data: bool,
    /// Whether the security officer can log in beside a user's PIN.
    pub officer: bool,
    /// Whether the token comes uninitialised.
    pub blank: bool,
    /// Whether the state of a digest can be saved.
    pub saved_state: bool,
    /// Whether more than one session can be open.
    pub sessions: bool,
    /// Whether the token tells how many are.
    pub session_counts: bool,
    /// Whether it is KeyEnclave's own module.
    pub own: bool,
    /// Whether the token is another module's, behind a slot of KeyEnclave's.
    pub behind: bool,
}

const FILE: &str = "abilities.json";

impl Abilities {
    /// Finds out about a module.
    ///
    /// # Errors
    /// No token can be made with it: what it printed.
    pub fn of(tested: &Tested) -> Result<Self, String> {
        let place = Place::new();
        match isolated::run_in(&place, tested, isolated::PROBE) {
            Outcome::Passed => {
                let text = std::fs::read(place.file(FILE)).map_err(|error| error.to_string())?;
                serde_json::from_slice(&text).map_err(|error| error.to_string())
            }
            Outcome::Failed(_, output) => Err(format!("no token can be made to test with:\n{output}")),
            Outcome::Skipped(reason) => Err(reason),
        }
    }
}

/// Finds out, and writes it down in this process's place.
pub(crate) fn probe() {
    let blank = {
        let token = Token::blank();
        let flags = token.flags();
        assert_eq!(token.finalize(false), Rv::OK);
        flags & CKF_TOKEN_INITIALIZED == 0
    };
    let token = Token::fresh();
    let info = token.info().expect("information on the library");
    let description = String::from_utf8_lossy(&info.libraryDescription);
    let version = info.libraryVersion;
    let (_, count, _) = token.mechanism_list(token.slot, None);
    let (_, _, mechanisms) = token.mechanism_list(token.slot, usize::try_from(count).ok());
    let limits = token.token_info(token.slot).expect("information on the token");
    let officer = officer(&token);
    let session = token.session(RW);
    assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
    let abilities = Abilities {
        library: format!("{} {}.{}", description.trim(), version.major, version.minor),
        major: info.cryptokiVersion.major,
        mechanisms,
        curves: curves(&token, session),
        data: token
            .create_object(session, &data_object("data", false, b"value"))
            .is_ok(),
        officer,
        blank,
        saved_state: saved_state(&token, session),
        sessions: limits.ulMaxSessionCount != 1 && limits.ulMaxRwSessionCount != 1,
        session_counts: limits.ulSessionCount != CK_UNAVAILABLE_INFORMATION,
        own: Tested::of_environment().is_keyenclave(),
        behind: Tested::of_environment().behind.is_some(),
    };
    let text = serde_json::to_string(&abilities).expect("plain data");
    Place::of_this_process().write(FILE, &text);
}

fn officer(token: &Token) -> bool {
    let session = token.session(RW);
    let entered = token.login(session, CKU_SO, SO_PIN) == Rv::OK;
    assert_eq!(token.close_session(session), Rv::OK);
    entered
}

fn saved_state(token: &Token, session: CK_SESSION_HANDLE) -> bool {
    token.digest_init(session, CKM_SHA256) == Rv::OK
        && token.operation_state_into(session, Out::Size).rv == Rv::OK
}

fn curves(token: &Token, session: CK_SESSION_HANDLE) -> Vec<bool> {
    let made = |curve: &[u8]| {
        let public = [bytes(CKA_EC_PARAMS, curve)];
        token.generate_key_pair(session, CKM_EC_KEY_PAIR_GEN, &public, &[])
    };
    CURVES.iter().map(|(curve, ..)| made(curve).is_ok()).collect()
}
