// SPDX-License-Identifier: MIT
//! What a vendor's answer says about the connection to the device, and which work may be done again after it.

use keyenclave_model::error::{Error, Rv};

/// What is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The session; perhaps others with it.
    Session,
    /// The login, though nobody logged out here.
    Login,
    /// The device, the token in it, or the way there.
    Device,
    /// The module's own state: somebody called its `C_Finalize`.
    Library,
}

/// What an answer says is gone. `logged_in` is whether a login is held here.
pub(crate) fn loss(rv: Rv, logged_in: bool) -> Option<Loss> {
    match rv {
        Rv::SessionHandleInvalid | Rv::SessionClosed => Some(Loss::Session),
        Rv::UserNotLoggedIn if logged_in => Some(Loss::Login),
        // A slot that the vendor told of before: softokn knows none after its C_Finalize.
        Rv::SlotIdInvalid
        | Rv::DeviceRemoved
        | Rv::TokenNotPresent
        | Rv::TokenNotRecognized
        | Rv::DeviceError => Some(Loss::Device),
        Rv::CryptokiNotInitialized => Some(Loss::Library),
        _ => None,
    }
}

/// Whether an answer says that an object is not there.
pub(crate) fn misses_an_object(rv: Rv) -> bool {
    matches!(
        rv,
        Rv::ObjectHandleInvalid
            | Rv::KeyHandleInvalid
            | Rv::WrappingKeyHandleInvalid
            | Rv::UnwrappingKeyHandleInvalid
    )
}

/// Whether an answer is about what a handle led to: with handles of a connection that is over it says nothing, because a
/// module that was initialised again gives the same ones anew.
pub(crate) fn is_about_a_handle(rv: Rv) -> bool {
    let is_about_what_is_there = matches!(
        rv,
        Rv::OperationNotInitialized
            | Rv::OperationActive
            | Rv::KeyTypeInconsistent
            | Rv::KeyFunctionNotPermitted
            | Rv::SessionReadOnly
    );
    is_about_what_is_there || misses_an_object(rv)
}

/// What the application is told: its own session is there and this library is initialised, whatever became of the
/// vendor's.
pub(crate) fn outward(error: Error) -> Error {
    match error.rv() {
        Rv::SessionHandleInvalid | Rv::SessionClosed | Rv::CryptokiNotInitialized | Rv::SlotIdInvalid => {
            Error::new(
                Rv::DeviceError,
                format!(
                    "the vendor's module has lost what this call needs ({}); begin the operation again",
                    error.rv().name()
                ),
            )
        }
        _ => error,
    }
}

/// Whether work may be done a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing, or ends alike when it is done twice.
    Always,
    /// Unless the device failed in the midst of it: a wrong PIN would count twice.
    UnlessFailed,
    /// Only if the first answer shows that it was refused: it makes something that must not be made twice.
    IfRefused,
    /// It goes on from a state that is gone, or has been tried already.
    Never,
}

impl Repeat {
    /// Whether work that got this answer may be done again once what was lost is back.
    pub fn allows(self, rv: Rv) -> bool {
        match self {
            Self::Always => true,
            Self::UnlessFailed => rv != Rv::DeviceError,
            // A device may have done its work before it was lost, or before it failed.
            Self::IfRefused => !matches!(rv, Rv::DeviceError | Rv::DeviceRemoved | Rv::GeneralError),
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_made_is_not_made_again() {
        assert!(!Repeat::IfRefused.allows(Rv::DeviceError));
        assert!(!Repeat::IfRefused.allows(Rv::DeviceRemoved));
        assert!(!Repeat::IfRefused.allows(Rv::GeneralError));
        assert!(Repeat::IfRefused.allows(Rv::SessionHandleInvalid));
        assert!(Repeat::IfRefused.allows(Rv::UserNotLoggedIn));
        assert!(Repeat::Always.allows(Rv::DeviceError));
        assert!(!Repeat::UnlessFailed.allows(Rv::DeviceError));
        assert!(Repeat::UnlessFailed.allows(Rv::DeviceRemoved));
        assert!(!Repeat::Never.allows(Rv::SessionHandleInvalid));
    }

    #[test]
    fn the_vendors_sessions_and_start_are_no_affair_of_the_applications() {
        for lost in [
            Rv::SessionHandleInvalid,
            Rv::SessionClosed,
            Rv::CryptokiNotInitialized,
            Rv::SlotIdInvalid,
        ] {
            assert_eq!(outward(lost.into()).rv(), Rv::DeviceError);
        }
        assert_eq!(outward(Rv::KeyHandleInvalid.into()).rv(), Rv::KeyHandleInvalid);
    }

    #[test]
    fn a_login_is_lost_only_where_there_was_one() {
        assert_eq!(loss(Rv::UserNotLoggedIn, true), Some(Loss::Login));
        assert_eq!(loss(Rv::UserNotLoggedIn, false), None);
        assert_eq!(loss(Rv::KeyHandleInvalid, true), None);
    }
}
