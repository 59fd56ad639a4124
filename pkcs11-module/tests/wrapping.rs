// SPDX-License-Identifier: MIT
//! Keys are wrapped by a token that does not tell how long the result will be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::ptr::null_mut;
use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{CallCx, HandleSource, ObjectId, Out, SessionId, Step, Token, TokenInfo, Work};
use keyenclave_module::abi::values::{Output, Place, RawMechanism};
use keyenclave_module::entry::{keys, sessions};
use keyenclave_module::library::Library;
use keyenclave_module::slot::Slot;
use zeroize::Zeroizing;

const WRAPPED: &[u8] = b"wrapped";

/// As a vendor's that refuses `C_WrapKey` without a buffer.
struct Untold;

impl Token for Untold {
    fn info(&self) -> Result<TokenInfo> {
        Ok(TokenInfo {
            label: [b' '; 32],
            manufacturer: "test".into(),
            model: "untold".into(),
            serial: [b'0'; 16],
            flags: 0,
            min_pin_len: 0,
            max_pin_len: 0,
            device: None,
        })
    }
    fn takes_as_given(&self) -> bool {
        true
    }
    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        Ok(Vec::new())
    }
    fn epoch(&self) -> u64 {
        0
    }
    fn submit(&self, _cx: &CallCx, work: Work<'_>) -> Step {
        match work {
            Work::Wrap(_) => Ok(Out::Bytes(Zeroizing::new(WRAPPED.to_vec()))).into(),
            _ => Step::from(Err(Rv::ArgumentsBad.into())),
        }
    }
    fn close_session(&self, _session: SessionId) {}
}

/// What `C_WrapKey` answers with room for so many bytes, or with none; the length that it tells, and what it wrote.
fn wrap(room: Option<usize>) -> (Option<Rv>, usize, Vec<u8>) {
    let handles = Arc::new(HandleSource::starting_at(100));
    let slot = Slot::new(0, "untold".to_owned(), None, Arc::new(Untold));
    let lib = Library::with_slots(vec![slot], handles);
    let mut session = 0;
    // SAFETY: the place outlives the call.
    let place = unsafe { Place::new(&raw mut session) };
    sessions::open_session(&lib, 0, ck::CKF_SERIAL_SESSION, place).unwrap();
    let mechanism = ck::CK_MECHANISM {
        mechanism: ck::CKM_AES_KEY_WRAP,
        pParameter: null_mut(),
        ulParameterLen: 0,
    };
    // SAFETY: it outlives the call, and has no parameter.
    let mechanism = unsafe { RawMechanism::new(&raw const mechanism) };
    let mut bytes = vec![0; room.unwrap_or(0)];
    let mut len = bytes.len() as ck::CK_ULONG;
    let place = room.map_or(null_mut(), |_| bytes.as_mut_ptr());
    // SAFETY: so many bytes are there, and they and their length outlive the call.
    let output = unsafe { Output::new(place, &raw mut len) };
    let keys = (ObjectId(1), ObjectId(2));
    let outcome = keys::wrap_key(&lib, SessionId(session), mechanism, keys, None, output);
    let rv = outcome.err().map(|error| error.rv());
    (rv, usize::try_from(len).unwrap(), bytes)
}

#[test]
fn a_token_that_does_not_tell_the_length_wraps_all_the_same() {
    let (rv, len, bytes) = wrap(Some(16));
    assert_eq!((rv, &bytes[..len]), (None, WRAPPED));
}

#[test]
fn only_a_query_for_the_length_is_refused() {
    assert_eq!(wrap(None).0, Some(Rv::ArgumentsBad));
}

#[test]
fn a_short_buffer_reports_the_length() {
    let (rv, len, bytes) = wrap(Some(3));
    assert_eq!((rv, len), (Some(Rv::BufferTooSmall), WRAPPED.len()));
    assert_eq!(bytes, [0; 3], "nothing is written");
}
