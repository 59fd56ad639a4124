// SPDX-License-Identifier: MIT
//! Safe cryptographic types over aws-lc for KeyEnclave.
