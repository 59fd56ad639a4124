// SPDX-License-Identifier: MIT
//! The kinds of slot that the matrix is about, each with a token that a script can log in to.

use crate::aws::PIN_HASH;
use crate::{guide, script};
use keyenclave_conformance::cloud::{Account, AwsSlot, Ministack, configure};
use keyenclave_conformance::place::Place;
use std::process::Command;

/// The label of the token, which `clients/token.sh` gives to a new one.
const TOKEN: &str = "client";

/// What holds the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The built-in soft token.
    Soft,
    /// AWS KMS, emulated, with a PIN.
    Aws,
}

impl Kind {
    /// The columns of the matrix.
    pub const COLUMNS: &[(Self, &str)] = &[(Self::Soft, "soft"), (Self::Aws, "AWS KMS")];

    /// As the scripts know it.
    fn name(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Aws => "aws",
        }
    }

    /// What is missing for it here.
    pub fn lacks(self) -> Option<&'static str> {
        match self {
            Self::Soft => None,
            Self::Aws => Ministack::shared().is_none().then_some("the emulator ministack"),
        }
    }

    /// A script of the matrix in `place`, with a slot of this kind.
    pub fn script(self, place: &Place, name: &str) -> Command {
        let pages = place.file("guide");
        guide::lay_out(&pages);
        let mut command = script(place, &format!("matrix/{name}.sh"));
        command
            .env("PAGE", pages)
            .env("SLOT", self.name())
            .env("XDG_CONFIG_HOME", place.file("home/.config"));
        match self {
            Self::Soft => {}
            Self::Aws => Self::aws(place, &mut command),
        }
        command
    }

    /// p11-kit and what uses it forbid threads, which the guide says how to get along with.
    fn aws(place: &Place, command: &mut Command) {
        let ministack = Ministack::shared().expect("the emulator");
        let slot = AwsSlot::new(TOKEN, ministack.url()).with("pin_hash", format!("{PIN_HASH:?}"));
        configure(place, "threads = \"always\"", &[slot]);
        Account::fresh().give(command);
        command
            .env("TOKEN", TOKEN)
            .env("LOGIN", "--login --pin user-1234");
    }
}
