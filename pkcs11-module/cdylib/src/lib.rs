// SPDX-License-Identifier: MIT
//! libkeyenclave_pkcs11: the shared library of KeyEnclave.
