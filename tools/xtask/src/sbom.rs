// SPDX-License-Identifier: MIT
//! `cargo xtask sbom`: what is in the library and in the command-line tool, as CycloneDX 1.5.
//!
//! What cargo resolves for a release on this machine, build scripts and tests left out; check sums are those of
//! `Cargo.lock`. The files go to `target/sbom`: they are of one build, and belong beside its packages. AWS-LC and SQLite
//! come as the crates that contain their sources.

use crate::{project, run};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The packages that users get.
const SHIPPED: [&str; 2] = ["keyenclave-pkcs11-cdylib", "keyenclave"];

/// A crate: name, version, and the licence that it states.
type Crate = (String, String, String);

/// Makes a file for each package, and says how many components are in it.
pub fn run(arguments: &[String]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("usage: cargo xtask sbom".into());
    }
    let directory = project::target().join("sbom");
    let lock = project::root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let sums = sums(&lock);
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for package in SHIPPED {
        let mut command = Command::new(project::cargo());
        command.current_dir(project::root());
        command.args([
            "tree",
            "--locked",
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
        ]);
        command.args(["--format", "{p}|{l}", "--package", package]);
        let crates = crates(&run::read(&mut command)?);
        let file = directory.join(format!("{package}.cdx.json"));
        let text = document(package, &crates, &sums);
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        println!(
            "{}: {} components",
            file.display(),
            crates.len().saturating_sub(1)
        );
    }
    Ok(())
}

/// The crates of a tree of lines `name vVERSION (place)|licence`; what is seen again ends with `(*)`.
fn crates(tree: &str) -> BTreeSet<Crate> {
    let one = |line: &str| {
        let (crate_, licence) = line.split_once('|')?;
        let mut words = crate_.split_whitespace();
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let licence = licence.trim_end_matches("(*)").trim().replace('/', " OR ");
        Some((name.to_owned(), version.to_owned(), licence))
    };
    tree.lines().filter_map(one).collect()
}

/// The check sums of `Cargo.lock`, by name and version.
fn sums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let packages = lock.split("[[package]]");
    let sum = |package| {
        let of = |key: &str| {
            let lines = str::lines(package);
            let value = lines.filter_map(|line| line.strip_prefix(key)).next()?;
            Some(value.strip_prefix(" = ")?.trim_matches('"'))
        };
        Some(((of("name")?, of("version")?), of("checksum")?))
    };
    packages.filter_map(sum).collect()
}

fn document(package: &str, crates: &BTreeSet<Crate>, sums: &BTreeMap<(&str, &str), &str>) -> String {
    let (own, others): (Vec<_>, Vec<_>) = crates.iter().partition(|(name, ..)| name == package);
    let own = own
        .first()
        .map(|own| component(own, "library", sums))
        .unwrap_or_default();
    let others: Vec<String> = others.iter().map(|one| component(one, "library", sums)).collect();
    format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"version\": 1,\n  \"metadata\": {{ \"component\": {} }},\n  \
         \"components\": [\n    {}\n  ]\n}}\n",
        own,
        others.join(",\n    ")
    )
}

fn component((name, version, licence): &Crate, kind: &str, sums: &BTreeMap<(&str, &str), &str>) -> String {
    let reference = format!("pkg:cargo/{name}@{version}");
    let sum = sums.get(&(name.as_str(), version.as_str()));
    let hashes = sum.map_or_else(String::new, |sum| {
        format!(
            ", \"hashes\": [{{ \"alg\": \"SHA-256\", \"content\": {} }}]",
            quoted(sum)
        )
    });
    format!(
        "{{ \"type\": {}, \"bom-ref\": {}, \"name\": {}, \"version\": {}, \"purl\": {}, \"licenses\": [{{ \"expression\": {} }}]{hashes} }}",
        quoted(kind),
        quoted(&reference),
        quoted(name),
        quoted(version),
        quoted(&reference),
        quoted(licence)
    )
}

/// A JSON string; names, versions and licences have nothing in them that JSON escapes but these.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_is_listed_once_with_licence_and_check_sum() {
        let tree = "own v0.1.0 (/somewhere)|MIT\nargon2 v0.5.3|MIT OR Apache-2.0\nargon2 v0.5.3|MIT OR Apache-2.0 (*)\n\
                    old v1.0.0 (proc-macro)|MIT/Apache-2.0\n";
        let crates = crates(tree);
        assert_eq!(crates.len(), 3);
        let lock = "[[package]]\nname = \"argon2\"\nversion = \"0.5.3\"\nchecksum = \"00ff\"\n";
        let text = document("own", &crates, &sums(lock));
        assert_eq!(
            text.matches("pkg:cargo/argon2@0.5.3").count(),
            2,
            "reference and URL"
        );
        assert!(text.contains("\"content\": \"00ff\""));
        assert!(text.contains("\"expression\": \"MIT OR Apache-2.0\""));
        assert!(
            text.contains("\"component\": { \"type\": \"library\", \"bom-ref\": \"pkg:cargo/own@0.1.0\"")
        );
    }
}
