// SPDX-License-Identifier: MIT
//! The test cases of the OASIS profiles for PKCS #11, as cases of ours: "oasis" and the name of the file.
//!
//! The files are OASIS's and no part of this project. They are looked for in the directory that `KEYENCLAVE_OASIS`
//! names, then in `oasis/` of the directory `shared` beside the project; where there are none, the cases are skipped.

mod fixture;
mod names;
mod play;
mod script;

use crate::case::Need::{Oasis, Program};
use crate::case::cases;
use cryptoki_sys::*;
use keyenclave_conformance::module::Module;
use keyenclave_conformance::place::module_path;
use std::path::{Path, PathBuf};

/// The files, without their ending.
pub const FILES: [&str; 8] = [
    "BL-M-1-31",
    "BL-M-1-32",
    "EXT-M-1-31",
    "EXT-M-1-32",
    "AUTH-M-1-31",
    "AUTH-M-1-32",
    "CERT-M-1-31",
    "CERT-M-1-32",
];

/// What the ids of their cases begin with.
pub const ID: &str = "oasis.";

cases! {
    "oasis.bl-m-1-31" => a_test_case_of_the_profiles_is_answered_as_it_states::<0>, "Baseline Provider", [], [Oasis];
    "oasis.bl-m-1-32" => a_test_case_of_the_profiles_is_answered_as_it_states::<1>, "Baseline Provider", [], [Oasis];
    "oasis.ext-m-1-31" => a_test_case_of_the_profiles_is_answered_as_it_states::<2>, "Extended Provider", [], [Oasis];
    "oasis.ext-m-1-32" => a_test_case_of_the_profiles_is_answered_as_it_states::<3>, "Extended Provider", [], [Oasis];
    "oasis.auth-m-1-31" => a_test_case_of_the_profiles_is_answered_as_it_states::<4>, "Authentication Token",
        [CKM_RSA_PKCS_KEY_PAIR_GEN], [Oasis, Program("openssl")];
    "oasis.auth-m-1-32" => a_test_case_of_the_profiles_is_answered_as_it_states::<5>, "Authentication Token",
        [CKM_RSA_PKCS_KEY_PAIR_GEN], [Oasis, Program("openssl")];
    "oasis.cert-m-1-31" => a_test_case_of_the_profiles_is_answered_as_it_states::<6>, "Public Certificates Token",
        [], [Oasis];
    "oasis.cert-m-1-32" => a_test_case_of_the_profiles_is_answered_as_it_states::<7>, "Public Certificates Token",
        [], [Oasis];
}

/// Where the files are.
pub fn directory() -> Option<PathBuf> {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let candidates = [
        named("KEYENCLAVE_OASIS"),
        named("KEYENCLAVE_SHARED").map(|shared| shared.join("oasis")),
        Some(beside.join("oasis")),
    ];
    let mut candidates = candidates.into_iter().flatten();
    candidates.find(|directory| directory.join("BL-M-1-32.xml").is_file())
}

fn a_test_case_of_the_profiles_is_answered_as_it_states<const FILE: usize>() {
    let name = FILES[FILE];
    let file = directory()
        .expect("the test cases")
        .join(name)
        .with_extension("xml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let calls = script::read(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let serial = fixture::make(name, &calls);
    let module = Module::load(&module_path());
    let wrong = play::play(module, serial, &calls).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(wrong.is_empty(), "{name}:\n  {}", wrong.join("\n  "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_case_of_its_name() {
        for (file, case) in FILES.iter().zip(CASES) {
            assert_eq!(format!("{ID}{}", file.to_lowercase()), case.id);
        }
        assert_eq!(FILES.len(), CASES.len());
    }
}
