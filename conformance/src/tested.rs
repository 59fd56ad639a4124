// SPDX-License-Identifier: MIT
//! The module under test, and what has to be known of it before its first call.
//!
//! It reaches the process of a case through the environment, so that `cargo test` can be pointed at any module too.

use crate::place::Place;
use cryptoki_sys::CK_SLOT_ID;
use std::ffi::CString;
use std::path::PathBuf;
use std::process::Command;

const LIBRARY: &str = "KEYENCLAVE_TEST_MODULE";
const TEXT: &str = "KEYENCLAVE_TEST_TEXT";
const SLOT: &str = "KEYENCLAVE_TEST_SLOT";
const SHORT: &str = "KEYENCLAVE_TEST_SHORT_BUFFERS";
const OFFICER: &str = "KEYENCLAVE_TEST_SO_PIN";
const BEHIND: &str = "KEYENCLAVE_TEST_BEHIND";

/// What stands for the case's own directory in [`Tested::text`].
const PLACE: &str = "{place}";

/// A module and its peculiarities.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The shared library.
    pub library: PathBuf,
    /// What `C_Initialize` is given in `pReserved`; `{place}` in it is the case's own directory.
    pub text: Option<String>,
    /// The slot with the token; the first one with a token if it is not given.
    pub slot: Option<CK_SLOT_ID>,
    /// The PIN with which the security officer enters a new token; ours if it is not given.
    pub officer: Option<String>,
    /// Whether every operation is offered a short buffer first. Where a module is wrong about those, only the cases
    /// about them should fail, and not everything that has an output.
    pub short_buffers: bool,
    /// The configuration of KeyEnclave's slot that the module is behind, with `{place}` in it as in `text`; `library` is
    /// KeyEnclave's own then, and the token is the other module's.
    pub behind: Option<String>,
}

impl Tested {
    /// A module without any.
    pub fn plain(library: PathBuf) -> Self {
        Self {
            library,
            text: None,
            slot: None,
            officer: None,
            short_buffers: true,
            behind: None,
        }
    }

    /// The one that this process is about. Panics when it is not named.
    pub fn of_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok();
        Self {
            library: crate::place::module_path(),
            text: text(TEXT),
            slot: text(SLOT).map(|slot| slot.parse().expect("the number of a slot")),
            officer: text(OFFICER),
            short_buffers: short_buffers(),
            behind: text(BEHIND),
        }
    }

    /// Tells `command` of it.
    pub fn announce(&self, command: &mut Command) {
        let values = [
            (TEXT, self.text.clone()),
            (SLOT, self.slot.map(|slot| slot.to_string())),
            (OFFICER, self.officer.clone()),
            (SHORT, (!self.short_buffers).then(|| "no".to_owned())),
            (BEHIND, self.behind.clone()),
        ];
        for (name, value) in values {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env(LIBRARY, &self.library).env("MODULE", &self.library);
    }

    /// Makes the module ready that stands behind a slot of ours.
    pub fn prepare(&self, place: &Place) {
        if let Some(slot) = &self.behind {
            let slot = slot.replace(PLACE, &place.path().to_string_lossy());
            place.write("keyenclave.toml", &slot);
        }
    }

    /// Whether it is KeyEnclave's own with a token of its own, and not another one that the suite is pointed at.
    pub fn is_keyenclave(&self) -> bool {
        let name = self.library.file_name();
        self.behind.is_none() && name.is_some_and(|name| name.to_string_lossy().contains("keyenclave"))
    }
}

/// Whether every operation is offered a short buffer first.
pub(crate) fn short_buffers() -> bool {
    std::env::var_os(SHORT).is_none()
}

/// The text as this process's `C_Initialize` gets it.
pub(crate) fn text() -> Option<CString> {
    let text = std::env::var(TEXT).ok()?;
    let here = Place::of_this_process();
    let text = text.replace(PLACE, &here.path().to_string_lossy());
    Some(CString::new(text).expect("a text without zeros"))
}
