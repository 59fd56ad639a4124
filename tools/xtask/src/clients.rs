// SPDX-License-Identifier: MIT
//! What client programs of the tests are made of that no Debian package brings: libraries of Python and of Go, under
//! the target directory, where later runs find them again.

use crate::{emulators, project, run, tools};
use std::path::PathBuf;
use std::process::Command;

/// The directory under the target directory.
const PLACE: &str = "clients";

/// The environment of Python's libraries, and what is in it.
const PYTHON: (&str, &[&str]) = (
    "python-pkcs11-0.10.1-PyKCS11-1.5.20",
    &["python-pkcs11==0.10.1", "PyKCS11==1.5.20"],
);

/// What a test finds in its environment, what that is called where it is missing, and who makes it.
type Row = (&'static str, &'static str, fn() -> Result<PathBuf, String>);

const NEEDED: &[Row] = &[
    ("KEYENCLAVE_TEST_PYTHON", "libraries of Python", python),
    ("KEYENCLAVE_TEST_GO", "libraries of Go", go),
];

/// Tells a test command where they are; installs those that are missing where that is possible.
pub fn provide(command: &mut Command) {
    for (variable, what, make) in NEEDED {
        match make() {
            Ok(place) => {
                command.env(variable, place);
            }
            Err(reason) => println!("missing for some tests, which will be skipped: {what}: {reason}"),
        }
    }
}

/// The directory of the Python that has the libraries.
fn python() -> Result<PathBuf, String> {
    let (name, packages) = PYTHON;
    emulators::environment(PLACE, name, packages).map(|place| place.join("bin"))
}

/// The directory with Go's modules (`modules`) and with what was compiled of them (`compiled`).
fn go() -> Result<PathBuf, String> {
    let go = tools::on_path("go").ok_or("go is not installed")?;
    let place = project::target().join(PLACE).join("go");
    let mut build = Command::new(go);
    build
        .args(["build", "-modcacherw", "-o"])
        .arg(place.join("client"))
        .current_dir(project::root().join("conformance/clients/matrix/go"))
        .env("GOMODCACHE", place.join("modules"))
        .env("GOCACHE", place.join("compiled"));
    run::shown(&mut build)?;
    Ok(place)
}
