// SPDX-License-Identifier: MIT
//! What an application sees of a failed call: the one place where a kind of failure becomes a `CKR_`.
//!
//! | reason | application |
//! |---|---|
//! | configuration | `CKR_GENERAL_ERROR`: nothing will work until somebody acts |
//! | connectivity | `CKR_DEVICE_ERROR` |
//! | permission | `CKR_FUNCTION_REJECTED` |
//! | too many requests | `CKR_TOKEN_RESOURCE_EXCEEDED`: later |
//! | provider | what the call was about: the key, its use, the data; else `CKR_FUNCTION_FAILED` |

use keyenclave_model::error::{Error as ModelError, Remote, Rv};

use crate::call::CallKind;
use crate::error::{Error, ErrorKind, Reason};

/// What a kind of failure of a call is to an application.
pub const fn rv(kind: ErrorKind, call: CallKind) -> Rv {
    match kind {
        ErrorKind::Throttled => Rv::TokenResourceExceeded,
        ErrorKind::Unavailable | ErrorKind::Timeout => Rv::DeviceError,
        ErrorKind::Credential | ErrorKind::Denied => Rv::FunctionRejected,
        ErrorKind::NotFound if uses_key(call) => Rv::KeyHandleInvalid,
        ErrorKind::NotFound => Rv::ObjectHandleInvalid,
        ErrorKind::Disabled if uses_key(call) => Rv::KeyFunctionNotPermitted,
        ErrorKind::Disabled => Rv::ActionProhibited,
        ErrorKind::BadInput => match call {
            CallKind::Sign | CallKind::Mac | CallKind::Encrypt | CallKind::Derive => Rv::DataInvalid,
            CallKind::Decrypt => Rv::EncryptedDataInvalid,
            CallKind::Generate | CallKind::Import | CallKind::Update => Rv::TemplateInconsistent,
            _ => Rv::ArgumentsBad,
        },
        ErrorKind::Unsupported => Rv::FunctionNotSupported,
        // PKCS#11 3.2, section 5.1.1: the same call may succeed another time.
        ErrorKind::Unsettled => Rv::FunctionFailed,
        ErrorKind::Conflict | ErrorKind::Integrity => Rv::FunctionFailed,
        ErrorKind::Configuration | ErrorKind::Internal => Rv::GeneralError,
    }
}

const fn uses_key(call: CallKind) -> bool {
    matches!(
        call,
        CallKind::Sign | CallKind::Decrypt | CallKind::Encrypt | CallKind::Mac | CallKind::Derive
    )
}

impl From<&Error> for ModelError {
    fn from(error: &Error) -> Self {
        let kind = error.kind();
        let reason = match error.reason() {
            Reason::Configuration => "configuration",
            Reason::Connectivity => "connectivity",
            Reason::Permission => "permission",
            Reason::Provider => "provider",
        };
        let mut advice = kind.advice().to_owned();
        if let Some(wait) = error.retry_after() {
            advice.push_str(&format!("; try again in {:.1} s", wait.as_secs_f64()));
        }
        if kind.is_transient()
            && error.call().facts().changes
            && !error.call().facts().repeat.allows(error.sent())
        {
            advice.push_str("; it may have been done all the same: look before you try again");
        }
        let detail = format!("{reason}: {error}; {advice}");
        Self::new(rv(kind, error.call()), detail).with_remote(Remote {
            number: error.number(),
            reason,
            message: error.message(),
            request_id: error.request_id().map(str::to_owned),
            advice,
        })
    }
}

impl From<Error> for ModelError {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::error::Sent;

    #[test]
    fn the_message_says_whose_fault_it_is_what_to_do_and_when() {
        let error = Error::throttled(CallKind::Sign, Sent::Refused, "rate exceeded")
            .with_remote_code("ThrottlingException")
            .with_status(400)
            .with_request_id("r-1")
            .with_retry_after(Some(Duration::from_millis(1500)));
        let seen = ModelError::from(&error);
        assert_eq!(seen.rv(), Rv::TokenResourceExceeded);
        let remote = seen.remote().unwrap();
        assert_eq!((remote.number, remote.reason), (1400, "provider"));
        assert_eq!(remote.request_id.as_deref(), Some("r-1"));
        assert!(remote.advice.contains("1.5 s") && !remote.message.contains("r-1"));
        let detail = seen.detail().unwrap();
        for part in ["provider", "sign", "ThrottlingException", "r-1", "quota", "1.5 s"] {
            assert!(detail.contains(part), "{detail}");
        }
    }

    #[test]
    fn a_service_that_answers_is_reached() {
        let reason = |status| {
            let down = Error::unavailable(CallKind::Sign, Sent::Refused, "not now").with_status(status);
            ModelError::from(&down).remote().unwrap().reason
        };
        assert_eq!((reason(0), reason(503)), ("connectivity", "provider"));
    }

    #[test]
    fn a_lost_answer_to_a_generation_says_that_there_may_be_a_key() {
        let lost = |sent| ModelError::from(Error::timeout(CallKind::Generate, sent, "no answer")).to_string();
        assert!(lost(Sent::Maybe).contains("may have been done"));
        assert!(!lost(Sent::No).contains("may have been done"));
    }

    #[test]
    fn configuration_connectivity_permission_and_throttling_differ_for_the_application() {
        let of = |kind| rv(kind, CallKind::Sign).raw();
        let mut seen = [
            ErrorKind::Configuration,
            ErrorKind::Unavailable,
            ErrorKind::Denied,
            ErrorKind::Throttled,
            ErrorKind::NotFound,
            ErrorKind::Disabled,
            ErrorKind::BadInput,
        ]
        .map(of);
        seen.sort_unstable();
        assert!(
            seen.windows(2).all(|pair| pair.first() != pair.last()),
            "{seen:x?}"
        );
    }
}
