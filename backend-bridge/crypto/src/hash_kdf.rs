// SPDX-License-Identifier: MIT
//! Keys from a shared secret by a hash and a counter: the functions that key agreement has long used.
//!
//! Both hash secret, counter and shared information, once for each block of output; they differ in what comes first.

use crate::digest::Digest;
use crate::error::{Error, Result};
use keyenclave_model::algorithm::Hash;
use zeroize::Zeroizing;

/// ANSI X9.63's function (SEC 1, section 3.6.1): hashes `secret ‖ counter ‖ info` and fills `out`.
/// [`Error::InputLength`] for more blocks than the counter counts.
pub fn x963_kdf(hash: Hash, secret: &[u8], info: &[u8], out: &mut [u8]) -> Result<()> {
    fill(hash, out, |digest, counter| {
        digest.update(secret);
        digest.update(counter);
        digest.update(info);
    })
}

/// NIST's one-step function (SP 800-56A, section 5.8.1.1; SP 800-56C rev. 2, section 4.1, option 1): hashes
/// `counter ‖ secret ‖ info` and fills `out`. [`Error::InputLength`] for more blocks than the counter counts.
pub fn one_step_kdf(hash: Hash, secret: &[u8], info: &[u8], out: &mut [u8]) -> Result<()> {
    fill(hash, out, |digest, counter| {
        digest.update(counter);
        digest.update(secret);
        digest.update(info);
    })
}

fn fill(hash: Hash, out: &mut [u8], absorb: impl Fn(&mut Digest, &[u8])) -> Result<()> {
    for (index, block) in out.chunks_mut(hash.output_len()).enumerate() {
        let counter = index
            .checked_add(1)
            .and_then(|counter| u32::try_from(counter).ok());
        let counter = counter.ok_or(Error::InputLength)?.to_be_bytes();
        let mut digest = Digest::new(hash);
        absorb(&mut digest, &counter);
        for (to, from) in block.iter_mut().zip(Zeroizing::new(digest.value()).iter()) {
            *to = *from;
        }
    }
    Ok(())
}
