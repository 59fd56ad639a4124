// SPDX-License-Identifier: MIT
//! Emulators of key services, each in a virtual environment under the target directory that later runs find again.

use crate::{project, run, tools};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The emulator of AWS KMS, its version, and what it needs besides: its signatures come from `cryptography`.
const MINISTACK: (&str, &[&str]) = ("ministack-1.5.33", &["ministack==1.5.33", "cryptography==50.0.2"]);

/// Where the tests look for it.
const MINISTACK_VARIABLE: &str = "KEYENCLAVE_TEST_MINISTACK";

/// Tells a test command where the emulators are; installs those that are missing where that is possible.
pub fn provide(command: &mut Command) {
    let (name, packages) = MINISTACK;
    match installed(name, packages) {
        Ok(directory) => {
            command.env(MINISTACK_VARIABLE, directory.join("bin/ministack"));
        }
        Err(reason) => println!("missing for some tests, which will be skipped: {name}: {reason}"),
    }
}

/// The environment `name` with these packages. It is put in its place only when it is whole.
fn installed(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let parent = project::target().join("emulators");
    let place = parent.join(name);
    let whole = place.join("whole");
    if whole.is_file() {
        return Ok(place);
    }
    let explain = |error: std::io::Error| format!("{}: {error}", place.display());
    std::fs::create_dir_all(&parent).map_err(explain)?;
    tools::provide(|program| program == tools::VENV);
    environment(&place)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run::shown(Command::new(place.join("bin/python3")).args(pip).args(packages))?;
    std::fs::write(whole, packages.join("\n")).map_err(explain)?;
    Ok(place)
}

fn environment(place: &Path) -> Result<(), String> {
    run::shown(Command::new("python3").args(["-m", "venv", "--clear"]).arg(place))
}
