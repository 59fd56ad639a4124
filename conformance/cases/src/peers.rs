// SPDX-License-Identifier: MIT
//! The other modules that the cases are run against, and what has to be known of each before its first call.
//!
//! Their token stores need nothing here: every case has a place of its own with a configuration for each.

use cryptoki_sys::CK_SLOT_ID;
use keyenclave_conformance::tested::Tested;
use std::path::{Path, PathBuf};

/// A module of others.
pub struct Peer {
    /// Its name on the command line, in the reports and of its file of expectations.
    pub name: &'static str,
    /// The environment variable that names its library.
    pub variable: &'static str,
    /// Where its packages put the library.
    libraries: &'static [&'static str],
    text: Option<&'static str>,
    slot: Option<CK_SLOT_ID>,
    officer: Option<&'static str>,
    short_buffers: bool,
}

/// All of them.
pub const PEERS: [Peer; 3] = [
    Peer {
        name: "softhsm2",
        variable: "KEYENCLAVE_SOFTHSM2",
        libraries: &[
            "/usr/lib/softhsm/libsofthsm2.so",
            "/usr/lib64/pkcs11/libsofthsm2.so",
            "/opt/homebrew/lib/softhsm/libsofthsm2.so",
        ],
        text: None,
        slot: None,
        officer: None,
        short_buffers: true,
    },
    Peer {
        name: "kryoptic",
        variable: "KEYENCLAVE_KRYOPTIC",
        libraries: &["/usr/lib64/pkcs11/libkryoptic_pkcs11.so"],
        text: None,
        slot: None,
        officer: None,
        // It ends operations at a short buffer.
        short_buffers: false,
    },
    Peer {
        name: "nss-softokn",
        variable: "KEYENCLAVE_NSS_SOFTOKN",
        libraries: &[
            "/usr/lib/x86_64-linux-gnu/libsoftokn3.so",
            "/usr/lib/aarch64-linux-gnu/libsoftokn3.so",
            "/usr/lib64/libsoftokn3.so",
        ],
        // NSS hands its own softoken the database's directory where the specification reserves a pointer.
        text: Some(
            "configdir='sql:{place}/nss' certPrefix='' keyPrefix='' secmod='secmod.db' flags=passwordRequired",
        ),
        // The first slot has no store; the second is that of the database.
        slot: Some(2),
        // There is no security officer's PIN: an empty one opens a new database until the user has a PIN.
        officer: Some(""),
        // It ends operations at a short buffer, or writes less than all of the result to it.
        short_buffers: false,
    },
];

impl Peer {
    /// The one with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PEERS.iter().find(|peer| peer.name == name)
    }

    /// Its library, where it is installed.
    pub fn library(&self) -> Option<PathBuf> {
        match std::env::var_os(self.variable) {
            Some(named) => Some(named.into()),
            None => self
                .libraries
                .iter()
                .map(PathBuf::from)
                .find(|file| file.exists()),
        }
    }

    /// It, at `library`, as the module under test.
    pub fn tested(&self, library: PathBuf) -> Tested {
        Tested {
            library,
            text: self.text.map(str::to_owned),
            slot: self.slot,
            officer: self.officer.map(str::to_owned),
            short_buffers: self.short_buffers,
            behind: None,
        }
    }

    /// It, at `library`, behind a slot of `ours`.
    pub fn behind(&self, library: &Path, ours: PathBuf) -> Tested {
        let lines = [
            Some("[[slot]]\nlabel = \"peer\"\nbackend = \"pkcs11\"".to_owned()),
            Some(format!("module = {library:?}")),
            self.slot.map(|slot| format!("slot_id = {slot}")),
            self.text.map(|text| format!("init_string = {text:?}")),
        ];
        Tested {
            officer: self.officer.map(str::to_owned),
            behind: Some(lines.into_iter().flatten().map(|line| line + "\n").collect()),
            ..Tested::plain(ours)
        }
    }

    /// Its file of expectations.
    pub fn expectations(&self) -> PathBuf {
        expectations(self.name)
    }
}

impl Peer {
    /// The file of what is expected otherwise when it stands behind a slot of ours.
    pub fn expectations_behind(&self) -> PathBuf {
        expectations(&format!("behind/{}", self.name))
    }
}

/// The file of expectations of the module with this name.
pub fn expectations(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../expectations");
    directory.join(format!("{name}.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expectations::Expectations;

    #[test]
    fn the_expectations_of_every_module_are_about_cases_that_exist() {
        Expectations::read(&expectations("keyenclave"), crate::all()).unwrap();
        for peer in &PEERS {
            let own = Expectations::read(&peer.expectations(), crate::all()).unwrap();
            own.but(&peer.expectations_behind(), crate::all()).unwrap();
        }
    }
}
