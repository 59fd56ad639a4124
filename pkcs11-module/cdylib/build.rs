// SPDX-License-Identifier: MIT
//! How the shared library is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Once loaded it stays: fork handlers and a thread's locals outlive `dlclose`, and their code must be there.
    // Windows and macOS have no such flag and no such handlers.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
