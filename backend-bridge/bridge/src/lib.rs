// SPDX-License-Identifier: MIT
//! Remote services behind a slot: the calls and the [`Backend`](call::Backend) trait, the layers around every call, the
//! runtime they run on, the token that makes a key service look like PKCS#11, and the contract that every backend keeps.
//!
//! Backends are crates of their own and depend on this one; nothing here knows a vendor.
#![forbid(unsafe_code)]

pub mod bridge;
pub mod call;
pub mod capability;
pub mod contract;
pub mod digest;
pub mod error;
pub mod key;
pub mod layer;
pub mod remote;
mod request;
pub mod runtime;
pub mod settings;
pub mod verdict;
