// SPDX-License-Identifier: MIT
//! Black-box tests of a PKCS#11 module, through its shared library and through real clients.
