// SPDX-License-Identifier: MIT
//! Published examples of the modes of AES.

/// NIST SP 800-38A, appendix F: the plaintext and the keys of all examples.
pub const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                     30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
/// Of 128, 192 and 256 bits.
pub const KEYS: [&str; 3] = [
    "2b7e151628aed2a6abf7158809cf4f3c",
    "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
];
/// The initialisation vector of all modes but counters.
pub const IV: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// The first counter block.
pub const COUNTER: [u8; 16] = [
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
];

/// Section F.5: a key each.
pub const CTR: [&str; 3] = [
    "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
     5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94\
     1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
     2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
];
/// Section F.4: a key each.
pub const OFB: [&str; 3] = [
    "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825\
     9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e",
    "cdc80d6fddf18cab34c25909c99a4174fcc28b8d4c63837c09e81700c1100401\
     8d9a9aeac0f6596f559c6d4daf59a5f26d9f200857ca6c3e9cac524bd9acc92a",
    "dc7e84bfda79164b7ecd8486985d38604febdc6740d20b3ac88f6ad82a4fb08d\
     71ab47a086e86eedf39d1c5bba97c4080126141d67f37be8538f5a8be740e484",
];
/// Sections F.3.13 to F.3.18: a key each.
pub const CFB128: [&str; 3] = [
    "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b\
     26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
    "cdc80d6fddf18cab34c25909c99a417467ce7f7f81173621961a2b70171d3d7a\
     2e1e8a1dd59b88b1c8e60fed1efac4c9c05f9f9ca9834fa042ae8fba584b09ff",
    "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b\
     df10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471",
];
/// Sections F.3.7 to F.3.12: a key each.
pub const CFB8: [&str; 3] = [
    "3b79424c9c0dd436bace9e0ed4586a4f32b9",
    "cda2521ef0a905ca44cd057cbf0d47a0678a",
    "dc1f1a8520a64db55fcc8ac554844e889700",
];

/// RFC 3962, appendix B: the plaintext of all examples.
pub const CTS_TEXT: &[u8] = b"I would like the General Gau's Chicken, please, and wonton soup.";
/// The key of all examples; their initialisation vector is 0.
pub const CTS_KEY: &[u8] = b"chicken teriyaki";
/// How much of the plaintext, and what becomes of it. The document has CBC-CS3; in CBC-CS1, as here, the last two blocks
/// are the other way round.
pub const CTS: [(usize, &str); 6] = [
    (17, "97c6353568f2bf8cb4d8a580362da7ff7f"),
    (
        31,
        "97687268d6ecccc0c07b25e25ecfe5fc00783e0efdb2c1d445d4c8eff7ed22",
    ),
    (
        32,
        "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8",
    ),
    (
        47,
        "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5b3fffd940c16a18c1b5549d2f838029e",
    ),
    (
        48,
        "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a89dad8bbb96c4cdc03bc103e1a194bbd8",
    ),
    (
        64,
        "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a89dad8bbb96c4cdc03bc103e1a194bbd8\
         4807efe836ee89a526730dbc2f7bc840",
    ),
];

/// IEEE 1619, appendix B, vectors 2, 3, and 15 to 18: key, data unit, plaintext, ciphertext.
pub const XTS: [(&str, &str, &str, &str); 6] = [
    (
        "1111111111111111111111111111111122222222222222222222222222222222",
        "33333333330000000000000000000000",
        "4444444444444444444444444444444444444444444444444444444444444444",
        "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    ),
    (
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222",
        "33333333330000000000000000000000",
        "4444444444444444444444444444444444444444444444444444444444444444",
        "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89",
    ),
    (
        STEALING,
        NUMBER,
        "000102030405060708090a0b0c0d0e0f10",
        "6c1625db4671522d3d7599601de7ca09ed",
    ),
    (
        STEALING,
        NUMBER,
        "000102030405060708090a0b0c0d0e0f1011",
        "d069444b7a7e0cab09e24447d24deb1fedbf",
    ),
    (
        STEALING,
        NUMBER,
        "000102030405060708090a0b0c0d0e0f101112",
        "e5df1351c0544ba1350b3363cd8ef4beedbf9d",
    ),
    (
        STEALING,
        NUMBER,
        "000102030405060708090a0b0c0d0e0f10111213",
        "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac",
    ),
];
/// The key of the vectors that are no whole blocks.
pub const STEALING: &str = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0";
/// The data unit of these.
pub const NUMBER: &str = "9a785634120000000000000000000000";

/// Vector 10: a key of twice 256 bits, data unit 0xff, the numbers from 0 to 255 twice.
pub const XTS_256: &str = "2718281828459045235360287471352662497757247093699959574966967627\
                       3141592653589793238462643383279502884197169399375105820974944592";
/// How its ciphertext begins.
pub const XTS_256_BEGINS: &str = "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b\
                              5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb188fd";
/// How its ciphertext ends.
pub const XTS_256_ENDS: &str = "a9fcea70b9c6e693e148c151";

/// NIST CAVP, gcmEncryptExtIV128, a case without plaintext: key, initialisation vector, additional data, tag.
pub const GMAC: [&str; 4] = [
    "77be63708971c4e240d1cb79e8d77feb",
    "e0e00f19fed7ba0136a797f3",
    "7a43ec1d9c0a5a78a0b16533a6213cab",
    "209fcc8d3675ed938e9c7166709dd946",
];

/// NIST SP 800-38B, appendix D (RFC 4493): a key each; none, 16, 40 and 64 bytes.
pub const CMAC: [[&str; 4]; 3] = [
    [
        "bb1d6929e95937287fa37d129b756746",
        "070a16b46b4d4144f79bdd9dd04a287c",
        "dfa66747de9ae63030ca32611497c827",
        "51f0bebf7e3b9d92fc49741779363cfe",
    ],
    [
        "d17ddf46adaacde531cac483de7a9367",
        "9e99a7bf31e710900662f65e617c5184",
        "8a1de5be2eb31aad089a82e6ee908b0e",
        "a1d5df0eed790f794d77589659f39a11",
    ],
    [
        "028962f61b7bf89efc6b551f4667d983",
        "28a7023f452e8f82bd4bf28d8c37c35c",
        "aaf3d8f1de5640c232f5b169b9c911e6",
        "e1992190549f6ed5696a2c056c315410",
    ],
];

/// NIST SP 800-38C, appendix C: nonce, length of the additional data, plaintext, tag length, result.
pub const CCM: [(usize, usize, usize, usize, &str); 4] = [
    (7, 8, 4, 4, "7162015b4dac255d"),
    (8, 16, 16, 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"),
    (
        12,
        20,
        24,
        8,
        "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
    ),
    (
        13,
        65536,
        32,
        14,
        "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b",
    ),
];

/// So many bytes, each one more than the one before it: what the examples for CCM consist of.
pub fn counting(first: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|place| first.wrapping_add((place % 256) as u8))
        .collect()
}
