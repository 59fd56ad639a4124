// SPDX-License-Identifier: MIT
//! The operations that are measured, as a table.

use serde::{Deserialize, Serialize};

/// What is done over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operation {
    /// `CKM_SHA256_RSA_PKCS` over 32 bytes; bits of the key.
    RsaPkcs1(u32),
    /// `CKM_SHA256_RSA_PKCS_PSS` over 32 bytes; bits of the key.
    RsaPss(u32),
    /// `CKM_ECDSA` over a digest.
    EcdsaSign(Curve),
    /// The same, verified.
    EcdsaVerify(Curve),
    /// `CKM_EDDSA` over 32 bytes.
    Ed25519,
    /// `CKM_AES_GCM` with a key of 256 bits, this many bytes.
    GcmEncrypt(usize),
    /// The same, decrypted.
    GcmDecrypt(usize),
    /// `CKM_AES_CBC_PAD` with a key of 256 bits, this many bytes.
    Cbc(usize),
    /// `CKM_SHA256` over this many bytes.
    Digest(usize),
    /// `CKM_SHA256_HMAC` over this many bytes.
    Hmac(usize),
    /// `C_GenerateRandom` of this many bytes.
    Random(usize),
    /// A P-256 pair as session objects, destroyed again.
    GenerateEc,
    /// An RSA pair as session objects, destroyed again; bits of the key. The busy neighbour does it.
    GenerateRsa(u32),
    /// `C_GetAttributeValue` of five attributes of a token key.
    Attributes,
    /// The same of a session key.
    SessionAttributes,
    /// A search for the one object with a label.
    Find,
    /// A secret key made on the token and destroyed.
    Create,
}

/// The curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Curve {
    P256,
    P384,
}

/// A row of the table.
pub struct Row {
    /// What it is called on the page.
    pub name: &'static str,
    /// What is done.
    pub operation: Operation,
    /// Whether it is measured with two threads as well.
    pub threads: bool,
    /// Whether the everyday run measures it.
    pub quick: bool,
    /// Whether it waits for the disk, so that the time that passes says more than the processor's.
    pub waits: bool,
}

const fn row(name: &'static str, operation: Operation) -> Row {
    Row {
        name,
        operation,
        threads: false,
        quick: false,
        waits: false,
    }
}

const fn quick(row: Row) -> Row {
    Row { quick: true, ..row }
}

const fn threads(row: Row) -> Row {
    Row { threads: true, ..row }
}

/// Those that the bare library does as well.
pub const CRYPTOGRAPHY: &[Row] = &[
    threads(quick(row("RSA-2048 sign, PKCS #1", Operation::RsaPkcs1(2048)))),
    row("RSA-3072 sign, PKCS #1", Operation::RsaPkcs1(3072)),
    row("RSA-4096 sign, PKCS #1", Operation::RsaPkcs1(4096)),
    quick(row("RSA-2048 sign, PSS", Operation::RsaPss(2048))),
    row("RSA-3072 sign, PSS", Operation::RsaPss(3072)),
    row("RSA-4096 sign, PSS", Operation::RsaPss(4096)),
    threads(quick(row("P-256 sign", Operation::EcdsaSign(Curve::P256)))),
    quick(row("P-256 verify", Operation::EcdsaVerify(Curve::P256))),
    row("P-384 sign", Operation::EcdsaSign(Curve::P384)),
    row("P-384 verify", Operation::EcdsaVerify(Curve::P384)),
    quick(row("Ed25519 sign", Operation::Ed25519)),
    threads(quick(row(
        "AES-256-GCM encrypt, 1 KiB",
        Operation::GcmEncrypt(1024),
    ))),
    row("AES-256-GCM encrypt, 16 KiB", Operation::GcmEncrypt(16384)),
    quick(row("AES-256-GCM decrypt, 1 KiB", Operation::GcmDecrypt(1024))),
    row("AES-256-GCM decrypt, 16 KiB", Operation::GcmDecrypt(16384)),
    row("AES-256-CBC encrypt, 1 KiB", Operation::Cbc(1024)),
    quick(row("SHA-256, 1 KiB", Operation::Digest(1024))),
    threads(quick(row("HMAC-SHA-256, 64 B", Operation::Hmac(64)))),
    quick(row("random, 32 B", Operation::Random(32))),
    row("P-256 pair generated", Operation::GenerateEc),
];

/// Those that need only objects; measured with more and more of them on the token.
pub const OBJECTS: &[Row] = &[
    row("find by label", Operation::Find),
    row("five attributes of a token key", Operation::Attributes),
    row("five attributes of a session key", Operation::SessionAttributes),
    Row {
        waits: true,
        ..row("make and destroy a token object", Operation::Create)
    },
];
