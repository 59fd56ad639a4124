// SPDX-License-Identifier: MIT
//! `cargo xtask install --prefix DIR`: the library to `DIR/lib`, the tool to `DIR/bin`.
//!
//! The tool finds the library in `../lib` beside its own directory, so the pair can be moved together.

use crate::quickstart;
use std::fs;
use std::path::{Path, PathBuf};

/// Builds and copies; a file that is in use is replaced, not written over.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let [flag, prefix] = arguments else {
        return Err("usage: cargo xtask install --prefix DIR".into());
    };
    if flag != "--prefix" {
        return Err(format!(
            "`{flag}` is not known here; usage: cargo xtask install --prefix DIR"
        ));
    }
    let prefix = PathBuf::from(prefix);
    let built = quickstart::build()?;
    copy(&built.library, &prefix.join("lib"))?;
    copy(&built.tool, &prefix.join("bin"))
}

fn copy(file: &Path, directory: &Path) -> Result<(), String> {
    let name = file
        .file_name()
        .ok_or_else(|| format!("{} has no file name", file.display()))?;
    let (target, fresh) = (
        directory.join(name),
        directory.join(format!(".{}.new", name.display())),
    );
    let explain = |error: std::io::Error| format!("installing {}: {error}", target.display());
    fs::create_dir_all(directory).map_err(explain)?;
    fs::copy(file, &fresh).map_err(explain)?;
    fs::rename(&fresh, &target).map_err(explain)?;
    println!("installed {}", target.display());
    Ok(())
}
