// SPDX-License-Identifier: MIT
//! Published examples of triple DES.

/// NIST's example values for the modes of SP 800-38A with TDEA: the key.
pub const KEY: &str = "0123456789abcdef23456789abcdef01456789abcdef0123";
/// The initialisation vector of CBC.
pub const IV: &str = "f69f2445df4f9b17";
/// The plaintext of all modes.
pub const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
/// What becomes of it.
pub const ECB: &str = "714772f339841d34267fcc4bd2949cc3ee11c22a576a303876183f99c0b6de87";
/// What becomes of it.
pub const CBC: &str = "2079c3d53aa763e193b79e2569ab5262516570481f25b50f73c0bda85c8e0da7";

/// SP 800-67, appendix B, with the same key: plaintext, as it is, and ciphertext.
pub const FOX: (&[u8], &str) = (
    b"The qufck brown fox jump",
    "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900",
);

/// SP 800-38B, appendix D.4: the key of [`CMACS`].
pub const CMAC_KEY: &str = "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5";
/// The code of so many bytes of the same plaintext.
pub const CMACS: [(usize, &str); 4] = [
    (0, "b7a688e122ffaf95"),
    (8, "8e8f293136283797"),
    (20, "743ddbe0ce2dc2ed"),
    (32, "33e6b1092400eae5"),
];
