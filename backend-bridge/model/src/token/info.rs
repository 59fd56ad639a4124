// SPDX-License-Identifier: MIT
//! What is told of a token.

use std::borrow::Cow;

use cryptoki_sys as ck;

/// What is told of a token (`CK_TOKEN_INFO` without the session counts, which are the module's).
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// The label, blank-padded UTF-8.
    pub label: [u8; 32],
    /// Who made it, 32 bytes at the most.
    pub manufacturer: Cow<'static, str>,
    /// What it is, 16 bytes at the most.
    pub model: Cow<'static, str>,
    /// The serial number, unique among all tokens, blank-padded.
    pub serial: [u8; 16],
    /// `CKF_TOKEN_INITIALIZED` and the like.
    pub flags: ck::CK_FLAGS,
    /// Shortest PIN, in bytes.
    pub min_pin_len: usize,
    /// Longest PIN, in bytes.
    pub max_pin_len: usize,
    /// What only a device has; without one it is the library's version that is told.
    pub device: Option<Device>,
}

/// What is told of a device.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// `hardwareVersion`.
    pub hardware: ck::CK_VERSION,
    /// `firmwareVersion`.
    pub firmware: ck::CK_VERSION,
    /// Memory for public objects: all of it, and what is free, in bytes.
    pub public_memory: [ck::CK_ULONG; 2],
    /// Memory for private objects: all of it, and what is free, in bytes.
    pub private_memory: [ck::CK_ULONG; 2],
    /// The device's clock, `YYYYMMDDhhmmss00`; blanks where it has none.
    pub utc_time: [u8; 16],
}
