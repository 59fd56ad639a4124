// SPDX-License-Identifier: MIT
//! What PKCS#11 is about, without I/O: attribute and mechanism tables, templates, object rules, errors, and the
//! [`Token`](token::Token) seam between the module and whatever holds the keys.
#![forbid(unsafe_code)]

pub mod access;
pub mod algorithm;
pub mod attribute;
pub mod edwards;
pub mod error;
pub mod gathered;
pub mod mechanism;
pub mod montgomery;
pub mod number_map;
pub mod object;
pub mod octet_curve;
pub mod post_quantum;
pub mod schema;
pub mod serial;
pub mod template;
pub mod token;
pub mod vendor;
