// SPDX-License-Identifier: MIT
//! Key derivation by a hash and a counter: published keys.
#![allow(clippy::unwrap_used)]

mod testkit;

use keyenclave_crypto::{one_step_kdf, x963_kdf};
use keyenclave_model::algorithm::Hash;
use testkit::{hex, unhex};

#[test]
fn keys_of_the_x963_examples_come_out() {
    // NIST CAVP, ANSI X9.63-2001: SHA-1, SHA-256.
    for (hash, secret, info, key) in [
        (
            Hash::Sha1,
            "1c7d7b5f0597b03d06a018466ed1a93e30ed4b04dc64ccdd",
            "",
            "bf71dffd8f4d99223936beb46fee8ccc",
        ),
        (
            Hash::Sha256,
            "96c05619d56c328ab95fe84b18264b08725b85e33fd34f08",
            "",
            "443024c3dae66b95e6f5670601558f71",
        ),
        (
            Hash::Sha256,
            "22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d",
            "75eef81aa3041e33b80971203d2c0c52",
            "c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e\
             52a13d9c7c6fc878c50c5ea0bc7b00e0da2447cfd874f6cf92f30d0097111485\
             500c90c3af8b487872d04685d14c8d1dc8d7fa08beb0ce0ababc11f0bd496269\
             142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7e386128ec26afc21",
        ),
    ] {
        let mut out = vec![0; key.len() / 2];
        x963_kdf(hash, &unhex(secret), &unhex(info), &mut out).unwrap();
        assert_eq!(hex(&out), key);
    }
}

#[test]
fn keys_of_the_one_step_examples_come_out() {
    // NIST CAVP, concatenation KDF of SP 800-56A with SHA-256.
    let mut out = [0; 16];
    one_step_kdf(
        Hash::Sha256,
        &unhex("52169af5c485dcc2321eb8d26d5efa21fb9b93c98e38412ee2484cf14f0d0d23"),
        &unhex(
            "a1b2c3d4e53728157e634612c12d6d5223e204aeea4341565369647bd184bcd246f72971f292badaa2fe4124612cba",
        ),
        &mut out,
    )
    .unwrap();
    assert_eq!(hex(&out), "1c3bc9e7c4547c5191c0d478cccaed55");
}
