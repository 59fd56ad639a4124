// SPDX-License-Identifier: MIT
//! What KeyEnclave asks of the operating system: fork handlers, locked memory, shared mappings.
