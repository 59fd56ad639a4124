// SPDX-License-Identifier: MIT
//! The state machine of PKCS#11: who is logged in to a token, which sessions are open, which operations they have.
//!
//! Pure: no clock, no I/O, no token. A transition says what has to be done outside (a call to a token), the caller
//! does it with no lock held, and reports back. [`login`] is one token's state, [`table`] the open sessions,
//! [`operation`] what one session has under way ([`activity`] names the kinds of it, [`waiting`] is work that an
//! asynchronous session waits for), and [`saved`] an operation on its way to another session.

pub mod activity;
pub mod login;
pub mod operation;
pub mod saved;
pub mod table;
pub mod waiting;
