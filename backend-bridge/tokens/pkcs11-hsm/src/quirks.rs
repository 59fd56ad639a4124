// SPDX-License-Identifier: MIT
//! Where vendors' modules differ from the specification or from each other: one row each, with its reason.
//!
//! A configuration may add to what is known of a module, never take away from it.

use std::path::Path;

use keyenclave_model::error::Rv;

/// One way in which a module is special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// One call at a time; `C_Initialize` is told that there is one thread.
    SingleThreaded,
    /// It reads an init-argument string in the reserved field of `C_Initialize`'s arguments.
    TakesInitString,
    /// A child process inherits it as initialised: the child calls `C_Finalize` before `C_Initialize`.
    FinalizeInChild,
    /// Only `C_Finalize` and `C_Initialize` bring a lost device back, or show a token that came later.
    FinalizeToRecover,
    /// `CKR_FUNCTION_FAILED` says that the device is lost.
    FailureIsLoss,
    /// At most so many sessions at a time.
    MaxSessions(usize),
    /// Asking for the length of a result ends the operation.
    SizeQueryEnds,
    /// Sessions answer `C_GetSessionInfo` even when the device is gone, so it proves nothing.
    SessionInfoProvesNothing,
    /// No other call may meet a login or a logout.
    LogsInAlone,
    /// It never writes more of an attribute than there is room for, so that attributes can be read without asking for
    /// their lengths first.
    ChecksRoom,
}

/// A row of [`QUIRKS`].
#[derive(Debug)]
pub struct QuirkRow {
    /// Part of the module's file name.
    pub file: &'static str,
    /// Part of `CK_INFO`'s manufacturer or library description, for renamed files; empty where it cannot tell.
    pub maker: &'static str,
    /// What is special.
    pub quirk: Quirk,
    /// Why, and where that is known from.
    pub reason: &'static str,
}

/// What is known, one row a module and quirk.
pub const QUIRKS: &[QuirkRow] = &[
    QuirkRow {
        file: "libsofthsm2",
        maker: "SoftHSM",
        quirk: Quirk::FinalizeInChild,
        reason: "C_Initialize in a child answers CKR_CRYPTOKI_ALREADY_INITIALIZED unless library.reset_on_fork is \
                 set in softhsm2.conf (SoftHSM.cpp, C_Initialize; softhsm2.conf(5))",
    },
    QuirkRow {
        file: "libsofthsm2",
        maker: "SoftHSM",
        quirk: Quirk::ChecksRoom,
        reason: "a value that does not fit is answered with CKR_BUFFER_TOO_SMALL (P11Attributes.cpp, \
                 P11Attribute::retrieve)",
    },
    QuirkRow {
        file: "libkryoptic",
        maker: "Kryoptic",
        quirk: Quirk::FinalizeInChild,
        reason: "it has no fork handling: a child inherits its state as initialised (src/fns/mod.rs, fn_initialize)",
    },
    QuirkRow {
        file: "libkryoptic",
        maker: "Kryoptic",
        quirk: Quirk::LogsInAlone,
        reason: "C_Login waits for the lock of the sessions, which C_GenerateKeyPair and C_DestroyObject hold as they wait \
                 for that of the token, which C_Login holds: neither comes back (seen with 1.5.4, called directly)",
    },
    QuirkRow {
        file: "libsoftokn3",
        maker: "Mozilla Foundation",
        quirk: Quirk::TakesInitString,
        reason: "its databases are named by LibraryParameters, which stands where the reserved field is \
                 (lib/softoken/pkcs11.c, nsc_CommonInitialize)",
    },
    QuirkRow {
        file: "yubihsm_pkcs11",
        maker: "Yubico",
        quirk: Quirk::FinalizeToRecover,
        reason: "its device session ends after 30 idle seconds, and only C_Finalize and C_Initialize make a new one \
                 (yubihsm-shell issues 268 and 541)",
    },
    QuirkRow {
        file: "yubihsm_pkcs11",
        maker: "Yubico",
        quirk: Quirk::FailureIsLoss,
        reason: "it answers CKR_FUNCTION_FAILED when the connection to its connector drops (yubihsm-shell issue 267)",
    },
    QuirkRow {
        file: "libsofthsm2",
        maker: "SoftHSM",
        quirk: Quirk::FinalizeToRecover,
        reason: "it lists the tokens that were there when it was initialised, not one that another process made \
                 later (rust-cryptoki issue 75)",
    },
    QuirkRow {
        file: "libnative_pkcs11",
        maker: "",
        quirk: Quirk::SizeQueryEnds,
        reason: "before its pull request 171 a query for the length of a signature ended the operation \
                 (google/native-pkcs11)",
    },
    QuirkRow {
        file: "libcryptoauth",
        maker: "Microchip",
        quirk: Quirk::SizeQueryEnds,
        reason: "before version 3.4.1 it refuses a query for the length of a signature with CKR_ARGUMENTS_BAD \
                 (cryptoauthlib issue 315)",
    },
];

/// What is special about one module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quirks {
    pub single_threaded: bool,
    pub takes_init_string: bool,
    pub finalize_in_child: bool,
    pub finalize_to_recover: bool,
    pub failure_is_loss: bool,
    pub max_sessions: Option<usize>,
    pub size_query_ends: bool,
    pub session_info_proves_nothing: bool,
    pub checks_room: bool,
    pub logs_in_alone: bool,
}

impl Quirks {
    /// What is known from the module's file name alone, before it is initialised.
    pub fn of_file(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        QUIRKS
            .iter()
            .filter(|row| name.contains(row.file))
            .fold(Self::default(), |quirks, row| quirks.with(row.quirk))
    }

    /// With what the module says of itself (`CK_INFO`).
    pub fn and_of_maker(self, manufacturer: &str, description: &str) -> Self {
        let is_of = |row: &&QuirkRow| {
            !row.maker.is_empty() && (manufacturer.contains(row.maker) || description.contains(row.maker))
        };
        let rows = QUIRKS.iter().filter(is_of);
        rows.fold(self, |quirks, row| quirks.with(row.quirk))
    }

    /// With one more.
    pub fn with(mut self, quirk: Quirk) -> Self {
        match quirk {
            Quirk::SingleThreaded => self.single_threaded = true,
            Quirk::TakesInitString => self.takes_init_string = true,
            Quirk::FinalizeInChild => self.finalize_in_child = true,
            Quirk::FinalizeToRecover => self.finalize_to_recover = true,
            Quirk::FailureIsLoss => self.failure_is_loss = true,
            Quirk::MaxSessions(max) => {
                self.max_sessions = Some(self.max_sessions.map_or(max, |known| known.min(max)));
            }
            Quirk::SizeQueryEnds => self.size_query_ends = true,
            Quirk::SessionInfoProvesNothing => self.session_info_proves_nothing = true,
            Quirk::ChecksRoom => self.checks_room = true,
            Quirk::LogsInAlone => self.logs_in_alone = true,
        }
        self
    }

    /// Whether an answer of `C_GetSessionInfo` shows that the device is there.
    pub fn proves_life(&self, answer: Result<(), Rv>) -> bool {
        !self.session_info_proves_nothing && answer.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_file_or_by_what_it_says() {
        let by_file = Quirks::of_file(Path::new("/usr/lib/softhsm/libsofthsm2.so"));
        assert!(by_file.finalize_in_child && !by_file.takes_init_string);
        let renamed = Quirks::of_file(Path::new("/opt/hsm.so"));
        assert_eq!(renamed, Quirks::default());
        assert!(
            renamed
                .and_of_maker("SoftHSM", "Implementation of PKCS11")
                .finalize_in_child
        );
    }

    #[test]
    fn the_smaller_of_two_limits_holds() {
        let quirks = Quirks::default()
            .with(Quirk::MaxSessions(8))
            .with(Quirk::MaxSessions(16));
        assert_eq!(quirks.max_sessions, Some(8));
    }

    #[test]
    fn every_row_has_a_reason() {
        assert!(
            QUIRKS
                .iter()
                .all(|row| row.reason.len() > 40 && !row.file.is_empty())
        );
    }
}
