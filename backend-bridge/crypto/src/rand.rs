// SPDX-License-Identifier: MIT
//! Random bytes from aws-lc's generator, which notices forks and cloned virtual machines.

use crate::{Error, Result};

/// Fills `out` with bytes fit for keys.
pub fn fill(out: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(out).map_err(|_| Error::library())
}
