// SPDX-License-Identifier: MIT
//! Where things are: the checkout, the target directory, and the two files that a build makes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The checkout's directory: two above this crate's manifest.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The cargo that started this task, so that a pinned toolchain stays the same.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, else `target` in the checkout.
pub fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The library and the command-line tool of one build.
pub struct Built {
    /// `libkeyenclave_pkcs11.so` (`.dylib`, `.dll`).
    pub library: PathBuf,
    /// `keyenclave`.
    pub tool: PathBuf,
}

impl Built {
    /// The files that a build with output directory `directory` (such as `target/release`) makes.
    pub fn in_directory(directory: &Path) -> Self {
        use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
        Self {
            library: directory.join(format!("{DLL_PREFIX}keyenclave_pkcs11{DLL_SUFFIX}")),
            tool: directory.join(format!("keyenclave{EXE_SUFFIX}")),
        }
    }
}
