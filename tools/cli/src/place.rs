// SPDX-License-Identifier: MIT
//! Where the module is: as told, else beside this program, else in `../lib` from there.

use std::env;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};

/// The file name of KeyEnclave's module.
const NAME: &str = "libkeyenclave_pkcs11.so";

/// The module's file.
///
/// # Errors
/// A [`Failure`] that tells where it was looked for.
pub fn module(told: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = told {
        // Absolute, so that the loader does not look for a bare name elsewhere.
        return path
            .canonicalize()
            .map_err(|error| Failure::file("find the module", path, &error));
    }
    let program = env::current_exe().and_then(|program| program.canonicalize());
    let program = program.map_err(|error| {
        Failure::new(
            Kind::Other,
            format!("cannot tell where this program is: {error}"),
            "use --module PATH",
        )
    })?;
    candidates(&program)
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let places: Vec<_> = candidates(&program)
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let message = format!(
                "KeyEnclave's module is not there: looked for {}",
                places.join(" and ")
            );
            Failure::new(
                Kind::NotFound,
                message,
                "name it with --module PATH or KEYENCLAVE_MODULE",
            )
        })
}

fn candidates(program: &Path) -> Vec<PathBuf> {
    let beside = program.parent();
    let above = beside.and_then(Path::parent);
    beside
        .into_iter()
        .map(|dir| dir.join(NAME))
        .chain(above.map(|dir| dir.join("lib").join(NAME)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_beside_the_program_and_then_in_lib() {
        let expected = [
            "/usr/bin/libkeyenclave_pkcs11.so",
            "/usr/lib/libkeyenclave_pkcs11.so",
        ];
        assert_eq!(
            candidates(Path::new("/usr/bin/keyenclave")),
            expected.map(PathBuf::from)
        );
    }
}
