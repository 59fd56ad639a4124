// SPDX-License-Identifier: MIT
//! `keyenclave`, the command-line tool, as a user runs it.
