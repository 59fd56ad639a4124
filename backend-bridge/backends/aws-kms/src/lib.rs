// SPDX-License-Identifier: MIT
//! AWS Key Management Service as a backend.
#![forbid(unsafe_code)]
use aws_config as _;
use aws_sdk_kms as _;
