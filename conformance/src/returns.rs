// SPDX-License-Identifier: MIT
//! Which return values a function may give: every call that a test makes through [`crate::Module`] is held to it.

use crate::rv::Rv;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

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

static ALLOWED: LazyLock<HashMap<&'static str, HashSet<&'static str>>> = LazyLock::new(|| {
    let rows = include_str!("../expectations/returns.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| line.split_once(' '))
        .map(|(name, values)| (name, values.split(' ').collect()))
        .collect()
});

/// Whether `function` may return `rv`.
pub fn allowed(function: &str, rv: Rv) -> bool {
    let Some(own) = ALLOWED.get(function) else {
        return true;
    };
    let Some(name) = rv.name() else { return false };
    let wider = WIDER
        .iter()
        .any(|(who, what)| *what == name && (who.is_empty() || *who == function));
    ANY.contains(&name) || wider || name.strip_prefix("CKR_").is_some_and(|short| own.contains(short))
}
