// SPDX-License-Identifier: MIT
//! Files that nobody would write: each is read or refused, and takes no stack.

use proptest::prelude::*;

use super::{SLOT, read};

#[test]
fn a_file_cut_off_anywhere_is_read_or_refused() {
    let text = format!("environment = \"local\"\nfork = \"auto\"\n[log]\nlevel = \"warn\"\n{SLOT}id = 4\n");
    for end in 0..text.len() {
        if let Err(error) = read(&text[..end]) {
            assert!(error.to_string().starts_with("/etc/k.toml:"), "{error}");
        }
    }
}

#[test]
fn depth_is_refused_not_followed() {
    for (open, times) in [("[", 200_000), ("a.", 200_000), ("{a=", 200_000)] {
        for prefix in ["x = ", "", "["] {
            let error = read(&format!("{prefix}{}", open.repeat(times))).unwrap_err();
            assert!(!error.problems.is_empty());
        }
    }
    assert!(read(&format!("{}a = 1", "a.".repeat(200_000))).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn any_mixture_of_known_words_is_read_or_refused(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "[[slot]]", "[log]", "[slot]", "label", "backend", "id", "=", "\"soft\"", "\"a\"", "3", "\n", "{", "}",
                "[", "]", ",", ".", "fork", "environment", "\"production\"", "true", "1979-05-27", "path", "-0x1",
                "\"aws-kms\"", "endpoint", "fips", "pin_hash", "\"https://u:p@h\"",
            ]),
            0..40,
        )
    ) {
        let _ = read(&words.join(" "));
    }
}
