// SPDX-License-Identifier: MIT
//! Which return values a function may give: every call that a test makes through [`crate::Module`] is held to it.

use crate::rv::Rv;
use cryptoki_sys::CKR_VENDOR_DEFINED;
use once_cell::sync::Lazy;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// What section 5.1 of the specification lets any function return, besides what its own paragraph names.
const ANY: &[&str] = &[
    "CKR_OK",
    "CKR_GENERAL_ERROR",
    "CKR_HOST_MEMORY",
    "CKR_FUNCTION_FAILED",
    "CKR_FUNCTION_NOT_SUPPORTED",
];

/// Wider than a function's own paragraph, with the reason.
const WIDER: &[(&str, &str)] = &[
    // Section 5.1.6 offers it for any unfitting argument; not every paragraph repeats it.
    ("", "CKR_ARGUMENTS_BAD"),
    // Another process may initialise the token anew during any function, which ends sessions and login.
    ("", "CKR_SESSION_HANDLE_INVALID"),
    ("", "CKR_USER_NOT_LOGGED_IN"),
    ("", "CKR_DEVICE_ERROR"),
    // A remote service may throttle or refuse whatever it is asked, and no other value says so (ADR 11).
    ("", "CKR_TOKEN_RESOURCE_EXCEEDED"),
    ("", "CKR_FUNCTION_REJECTED"),
    // The key was deleted or disabled at the service after the operation began (ADR 11).
    ("C_Sign", "CKR_KEY_HANDLE_INVALID"),
    ("C_Sign", "CKR_KEY_FUNCTION_NOT_PERMITTED"),
    ("C_SignFinal", "CKR_KEY_HANDLE_INVALID"),
    ("C_SignFinal", "CKR_KEY_FUNCTION_NOT_PERMITTED"),
    ("C_Decrypt", "CKR_KEY_HANDLE_INVALID"),
    ("C_Decrypt", "CKR_KEY_FUNCTION_NOT_PERMITTED"),
    // CKA_WRAP, CKA_UNWRAP and CKA_DERIVE must be true, and no other value says that they are not.
    ("C_WrapKey", "CKR_KEY_FUNCTION_NOT_PERMITTED"),
    ("C_UnwrapKey", "CKR_KEY_FUNCTION_NOT_PERMITTED"),
    ("C_DeriveKey", "CKR_KEY_FUNCTION_NOT_PERMITTED"),
    // Their text, and the footnotes of the key's attributes, name them; their paragraphs do not.
    ("C_EncapsulateKey", "CKR_BUFFER_TOO_SMALL"),
    ("C_EncapsulateKey", "CKR_KEY_FUNCTION_NOT_PERMITTED"),
    ("C_DecapsulateKey", "CKR_KEY_FUNCTION_NOT_PERMITTED"),
    // Its text names it, its paragraph does not.
    ("C_AsyncGetID", "CKR_OPERATION_NOT_INITIALIZED"),
    // Every function that checks a PIN may find it locked, or of an impossible length.
    ("C_InitToken", "CKR_PIN_LOCKED"),
    ("C_InitToken", "CKR_PIN_LEN_RANGE"),
    ("C_Login", "CKR_PIN_LEN_RANGE"),
    ("C_Login", "CKR_TOKEN_NOT_RECOGNIZED"),
    // The mechanism sections say it of AES-GCM and of RSA OAEP.
    ("C_Decrypt", "CKR_ENCRYPTED_DATA_INVALID"),
    ("C_DecryptFinal", "CKR_ENCRYPTED_DATA_INVALID"),
];

static ALLOWED: Lazy<HashMap<&'static str, HashSet<&'static str>>> = Lazy::new(|| {
    let rows = include_str!("../expectations/returns.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| line.split_once(' '))
        .map(|(name, values)| (name, values.split(' ').collect()))
        .collect()
});

/// Returns what the function that it is asked about returns, so anything that has a name.
const ANY_OTHER: &str = "C_AsyncComplete";

static UNSUPPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Whether `function` may return `rv`. Panics about a function that the table does not know.
pub fn allowed(function: &str, rv: Rv) -> bool {
    // The values from here on are the vendors' own (specification, section "CK_RV").
    if rv.0 >= CKR_VENDOR_DEFINED {
        return true;
    }
    if function == ANY_OTHER {
        return rv.name().is_some();
    }
    let own = ALLOWED.get(function);
    let own = own.unwrap_or_else(|| panic!("returns.txt has no row for {function}"));
    let Some(name) = rv.name() else { return false };
    let wider = WIDER
        .iter()
        .any(|(who, what)| *what == name && (who.is_empty() || *who == function));
    ANY.contains(&name) || wider || name.strip_prefix("CKR_").is_some_and(|short| own.contains(short))
}

/// Notes a function that said that it is not supported.
pub(crate) fn note_unsupported(function: &str) {
    let mut names = UNSUPPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    names.insert(function.to_owned());
}

/// Whether `function` has told this process that it is not supported.
pub fn is_unsupported(function: &str) -> bool {
    let names = UNSUPPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    names.contains(function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki_sys::*;
    use keyenclave_module::abi::functions::FUNCTIONS;

    #[test]
    fn every_function_of_version_3_2_has_a_row() {
        assert_eq!(FUNCTIONS.len(), 104, "68 of version 2.40, 24 of 3.0, 12 of 3.2");
        let rows: BTreeSet<_> = ALLOWED.keys().copied().chain([ANY_OTHER]).collect();
        let functions: BTreeSet<_> = FUNCTIONS.iter().map(|row| row.name).collect();
        assert_eq!(rows, functions);
    }

    #[test]
    fn every_name_in_the_table_is_one_of_the_specification() {
        let names = ALLOWED.values().flatten().map(|short| format!("CKR_{short}"));
        let wider = WIDER.iter().map(|(_, name)| (*name).to_owned());
        for name in names.chain(wider) {
            assert!(Rv::of_name(&name).is_some(), "{name}");
        }
        for (function, _) in WIDER {
            assert!(
                function.is_empty() || ALLOWED.contains_key(function),
                "{function}"
            );
        }
    }

    #[test]
    fn a_function_returns_what_its_paragraph_names_and_nothing_else() {
        assert!(allowed("C_Login", Rv(CKR_PIN_INCORRECT)));
        assert!(allowed("C_Login", Rv(CKR_OK)));
        assert!(!allowed("C_Login", Rv(CKR_KEY_HANDLE_INVALID)));
        assert!(!allowed("C_Login", Rv(0x4242)), "a number without a name");
        assert!(allowed("C_Login", Rv(CKR_VENDOR_DEFINED | 7)), "a vendor's own");
        assert!(allowed("C_AsyncComplete", Rv(CKR_KEY_HANDLE_INVALID)));
        assert!(!allowed("C_AsyncComplete", Rv(0x4242)));
    }
}
