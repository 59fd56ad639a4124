// SPDX-License-Identifier: MIT
//! The programs that the tests run, and the Debian packages that bring them.
//!
//! Installs what is missing where that is possible without asking for rights: on a Debian-like system, as root.
//! Elsewhere it says what is missing, and the tests that need it report themselves as skipped.

use crate::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What makes virtual environments whole: Debian's Python comes without it.
pub const VENV: &str = "/usr/lib/*/ensurepip/__init__.py";

/// NSS's module, one of the peers.
pub const SOFTOKN: &str = "/usr/lib/*/libsoftokn3.so";

/// What the bindings of another peer, Kryoptic, are made with.
pub const LIBCLANG: &str = "/usr/lib/*/lib/libclang.so.1";

/// What must be there, and the package that brings it. A name with a slash is a file, with one `*` for a directory.
const NEEDED: &[(&str, &str)] = &[
    ("pkcs11-tool", "opensc"),
    ("openssl", "openssl"),
    ("/usr/lib/*/engines-3/pkcs11.so", "libengine-pkcs11-openssl"),
    ("softhsm2-util", "softhsm2"),
    ("strace", "strace"),
    ("javac", "openjdk-17-jdk-headless"),
    ("keytool", "openjdk-17-jdk-headless"),
    ("jarsigner", "openjdk-17-jdk-headless"),
    ("nginx", "nginx"),
    ("stunnel4", "stunnel4"),
    ("p11tool", "gnutls-bin"),
    ("ssh-keygen", "openssh-client"),
    ("ssh-agent", "openssh-client"),
    ("/usr/*/sshd", "openssh-server"),
    ("p11-kit", "p11-kit"),
    ("/usr/lib/*/pkcs11/p11-kit-client.so", "p11-kit-modules"),
    ("certutil", "libnss3-tools"),
    ("/usr/*/apache2", "apache2"),
    ("curl", "curl"),
    ("osslsigncode", "osslsigncode"),
    ("mcs", "mono-mcs"),
    ("mono", "mono-runtime"),
    (
        "/usr/lib/mono/*/System.Numerics.dll",
        "libmono-system-numerics4.0-cil",
    ),
    ("unshare", "util-linux"),
    ("pgrep", "procps"),
    ("nm", "binutils"),
    ("cc", "gcc"),
    (VENV, "python3-venv"),
    (SOFTOKN, "libnss3"),
    (LIBCLANG, "libclang-dev"),
];

/// Makes every program available if it can, and prints what it could not.
pub fn provide_all() {
    provide(|_| true);
}

/// Makes the `wanted` programs available if it can, and prints what it could not.
pub fn provide(wanted: impl Fn(&str) -> bool) {
    let before = missing(&wanted);
    if before.is_empty() {
        return;
    }
    if is_root() && on_path("apt-get").is_some() {
        install(&packages(&before));
    }
    let after = missing(&wanted);
    if !after.is_empty() {
        let programs: Vec<&str> = after.iter().map(|(program, _)| *program).collect();
        println!(
            "missing for some tests, which will be skipped: {}",
            programs.join(", ")
        );
        println!("to have them run: apt-get install {}", packages(&after).join(" "));
    }
}

fn install(packages: &[&str]) {
    let apt = |arguments: &[&str]| {
        run::shown(
            Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(arguments),
        )
    };
    let wanted = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    // A machine's package lists may be stale or absent: fetch them only when installing without that fails.
    if apt(&wanted).is_err() {
        let outcome = apt(&["update"]).and_then(|()| apt(&wanted));
        if let Err(reason) = outcome {
            println!("{reason}");
        }
    }
}

fn missing(wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    NEEDED
        .iter()
        .copied()
        .filter(|(program, _)| wanted(program) && !is_present(program))
        .collect()
}

fn packages(rows: &[(&'static str, &'static str)]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = rows.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn is_present(program: &str) -> bool {
    match program.split_once("*/") {
        Some((directory, rest)) => std::fs::read_dir(directory)
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.path().join(rest).exists())),
        None => on_path(program).is_some(),
    }
}

/// The first executable of that name on `PATH`.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Whether this process runs as root: the owner of its own entry in /proc.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|entry| entry.uid() == 0)
}
