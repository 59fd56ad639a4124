// SPDX-License-Identifier: MIT
//! Random number generation functions (PKCS#11 3.2, section 5.19).

use keyenclave_model::error::Result;
use keyenclave_model::token::{SessionId, Work};

use crate::abi::values::{Input, OutputBytes};
use crate::library::Library;

/// `C_SeedRandom`.
pub fn seed_random(lib: &Library, session: SessionId, seed: Input<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    caller.run(Work::Seed(seed.bytes()?)).map(drop)
}

/// `C_GenerateRandom`.
pub fn generate_random(lib: &Library, session: SessionId, mut random: OutputBytes<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    caller.run(Work::Random(random.buffer()?)).map(drop)
}
