// SPDX-License-Identifier: MIT
//! What PKCS#11 is about, without I/O: attribute and mechanism tables, templates, object rules, errors, and the
//! [`Token`](token::Token) seam between the module and whatever holds the keys.
#![forbid(unsafe_code)]

pub mod algorithm;
