// SPDX-License-Identifier: MIT
//! The PKCS#11 module of KeyEnclave: ABI, entry points, state machine, configuration.
