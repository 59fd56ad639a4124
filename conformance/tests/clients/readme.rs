// SPDX-License-Identifier: MIT
//! The README's commands, run as printed.
