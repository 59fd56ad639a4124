// SPDX-License-Identifier: MIT
//! Emulators of key services, each in a virtual environment under the target directory that later runs find again.

use crate::{project, run, tools};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The emulator of AWS KMS, its version, and what it needs besides: its signatures come from `cryptography`.
const MINISTACK: (&str, &[&str]) = ("ministack-1.5.33", &["ministack==1.5.33", "cryptography==50.0.2"]);

/// The directory under the target directory.
const PLACE: &str = "emulators";

/// Where the tests look for it.
const MINISTACK_VARIABLE: &str = "KEYENCLAVE_TEST_MINISTACK";

/// Tells a test command where the emulators are; installs those that are missing where that is possible.
pub fn provide(command: &mut Command) {
    let (name, packages) = MINISTACK;
    match environment(PLACE, name, packages) {
        Ok(directory) => {
            command.env(MINISTACK_VARIABLE, directory.join("bin/ministack"));
        }
        Err(reason) => println!("missing for some tests, which will be skipped: {name}: {reason}"),
    }
}

/// The virtual environment `name` of Python with these packages, in the directory `place` under the target directory.
/// It counts as there only when it is whole.
pub fn environment(place: &str, name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let parent = project::target().join(place);
    let place = parent.join(name);
    let whole = place.join("whole");
    if whole.is_file() {
        return Ok(place);
    }
    let explain = |error: std::io::Error| format!("{}: {error}", place.display());
    std::fs::create_dir_all(&parent).map_err(explain)?;
    tools::provide(|program| program == tools::VENV);
    make(&place)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run::shown(Command::new(place.join("bin/python3")).args(pip).args(packages))?;
    std::fs::write(whole, packages.join("\n")).map_err(explain)?;
    Ok(place)
}

fn make(place: &Path) -> Result<(), String> {
    run::shown(Command::new("python3").args(["-m", "venv", "--clear"]).arg(place))
}
