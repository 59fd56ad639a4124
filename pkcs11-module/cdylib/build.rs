// SPDX-License-Identifier: MIT
//! How the shared library is linked.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    // Once loaded it stays: fork handlers and a thread's locals outlive `dlclose`, and their code must be there.
    // Windows and macOS have no such flag and no such handlers.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        lay_out()?;
    }
    Ok(())
}

/// Puts the functions of `hot.txt` side by side, see docs/adr/0021-order-of-functions.md.
fn lay_out() -> io::Result<()> {
    println!("cargo:rerun-if-changed=hot.txt");
    if !has_usual_linker() {
        return Ok(());
    }
    let rows = fs::read_to_string("hot.txt")?;
    let rows = rows
        .lines()
        .filter(|row| !row.is_empty() && !row.starts_with('#'));
    let sections: String = rows.map(|row| format!("    *({})\n", section(row))).collect();
    let script = format!("SECTIONS {{\n  .text.path : {{\n{sections}  }}\n}} INSERT BEFORE .text;\n");
    let path = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("path.ld");
    fs::write(&path, script)?;
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{}", path.display());
    Ok(())
}

/// The compiler gives each function a section with its name, which holds more than the words.
fn section(row: &str) -> String {
    let words: Vec<_> = row.split_whitespace().collect();
    match words.as_slice() {
        [name] => format!(".text.{name}"),
        words => format!("\".text._*{}*\"", words.join("*")),
    }
}

/// Whether it is the one that comes with the compiler, or the system's: others may not know such scripts.
fn has_usual_linker() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    env::var_os("RUSTC_LINKER").is_none() && !["fuse-ld", "linker"].iter().any(|word| flags.contains(word))
}
