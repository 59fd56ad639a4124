// SPDX-License-Identifier: MIT
//! The kinds of slot that the matrix is about, each with a token that a script can log in to.

use crate::aws::PIN_HASH;
use crate::{guide, script};
use keyenclave_conformance::case;
use keyenclave_conformance::cloud::{Account, AwsSlot, Ministack, configure};
use keyenclave_conformance::place::Place;
use std::process::Command;
use std::time::Duration;

/// The label of the token, which `clients/token.sh` gives to a new one.
const TOKEN: &str = "client";

/// Debian's SoftHSM2.
const SOFTHSM2: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// How long a token may take to be made.
const LIMIT: Duration = Duration::from_secs(60);

/// What holds the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The built-in soft token.
    Soft,
    /// AWS KMS, emulated, with a PIN.
    Aws,
    /// SoftHSM2 behind a slot of ours.
    Vendor,
    /// SoftHSM2 by itself, without us: what a program cannot do there either is not our fault.
    SoftHsm2,
}

impl Kind {
    /// The columns of the matrix.
    pub const COLUMNS: &[(Self, &str)] = &[
        (Self::Soft, "soft"),
        (Self::Aws, "AWS KMS"),
        (Self::Vendor, "a vendor's module"),
    ];

    /// What is missing for it here.
    pub fn lacks(self) -> Option<&'static str> {
        match self {
            Self::Soft => None,
            Self::Aws => Ministack::shared().is_none().then_some("the emulator ministack"),
            Self::Vendor | Self::SoftHsm2 => {
                (!case::is_present("/usr/lib/*/libsofthsm2.so")).then_some("SoftHSM2")
            }
        }
    }

    /// A script of the matrix in `place`, with a slot of this kind.
    pub fn script(self, place: &Place, name: &str) -> Command {
        let pages = place.file("guide");
        guide::lay_out(&pages);
        let mut command = script(place, &format!("matrix/{name}.sh"));
        command
            .env("PAGE", pages)
            .env("XDG_CONFIG_HOME", place.file("home/.config"));
        match self {
            Self::Soft => {}
            Self::Aws => Self::aws(place, &mut command),
            Self::Vendor => Self::vendor(place, &mut command),
            Self::SoftHsm2 => {
                command.env("MODULE", SOFTHSM2);
            }
        }
        command
    }

    /// A server's workers are forked: initialised anew in one, SoftHSM2 would leave errors in the OpenSSL that it shares
    /// with nginx, which takes them for its own.
    fn vendor(place: &Place, command: &mut Command) {
        let directory = place.file("softhsm");
        place.write(
            "softhsm2.conf",
            &format!(
                "directories.tokendir = {}\nlibrary.reset_on_fork = true\n",
                directory.display()
            ),
        );
        let mut tool = place.command("softhsm2-util");
        tool.args(["--init-token", "--free", "--label", TOKEN]);
        tool.args(["--so-pin", "so-12345", "--pin", "user-1234"]);
        case::finish(tool, LIMIT).unwrap_or_else(|output| panic!("{output}"));
        let slot =
            format!("label = {TOKEN:?}\nbackend = \"pkcs11\"\nmodule = {SOFTHSM2:?}\ntoken = {TOKEN:?}\n");
        place.write(
            "keyenclave.toml",
            &format!("environment = \"development\"\n\n[[slot]]\n{slot}"),
        );
        log_in_to_token(command);
    }

    /// p11-kit and what uses it forbid threads, which the guide says how to get along with.
    fn aws(place: &Place, command: &mut Command) {
        let ministack = Ministack::shared().expect("the emulator");
        let slot = AwsSlot::new(TOKEN, ministack.url()).with("pin_hash", format!("{PIN_HASH:?}"));
        configure(place, "threads = \"always\"", &[slot]);
        Account::fresh().give(command);
        log_in_to_token(command);
    }
}

/// Tells a script that the token is there, with the PIN that every place has.
fn log_in_to_token(command: &mut Command) {
    command
        .env("TOKEN", TOKEN)
        .env("LOGIN", "--login --pin user-1234");
}
