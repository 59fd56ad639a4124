// SPDX-License-Identifier: MIT
//! Other vendors' modules that tests and benchmarks load beside ours, by path. Nothing of them is linked or shipped.

use crate::{project, run, tools};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a module that is built already, instead of the build that [`kryoptic`] makes.
const KRYOPTIC: &str = "KEYENCLAVE_KRYOPTIC";

/// Kryoptic's module, built unless it is there, with an OpenSSL of its own: ten minutes the first time.
pub fn kryoptic() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(KRYOPTIC) {
        return Ok(path.into());
    }
    tools::provide(|program| program == tools::LIBCLANG);
    let target = project::target().join("peers/kryoptic");
    let mut build = Command::new(project::cargo());
    build
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(project::root().join("conformance/peers/kryoptic/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    run::shown(&mut build)?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Ok(target.join(format!("release/{prefix}kryoptic_pkcs11{suffix}")))
}

/// Debian's SoftHSM2, if it is installed.
pub fn softhsm2() -> Option<PathBuf> {
    let file = Path::new("/usr/lib/softhsm/libsofthsm2.so");
    file.exists().then(|| file.to_owned())
}

/// Debian's NSS softokn, if it is installed.
pub fn nss() -> Option<PathBuf> {
    let directories = std::fs::read_dir("/usr/lib").ok()?;
    let mut files = directories
        .flatten()
        .map(|entry| entry.path().join("libsoftokn3.so"));
    files.find(|file| file.exists())
}
