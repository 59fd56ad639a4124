// SPDX-License-Identifier: MIT
//! A message that comes in parts and is needed whole: for mechanisms that read it twice, and for services that take
//! it in one piece.

use std::ops::Deref;

use zeroize::Zeroizing;

use crate::error::{Error, Result, Rv};

/// The parts so far, in one piece. Wiped when it grows out of its memory and when it is dropped. No `Debug`: it may be
/// a secret.
#[derive(Default)]
pub struct Gathered(Zeroizing<Vec<u8>>);

impl Gathered {
    /// Appends a part.
    ///
    /// # Errors
    /// `CKR_HOST_MEMORY` if there is no memory for it; what was there stays.
    pub fn extend(&mut self, part: &[u8]) -> Result<()> {
        let message = &mut self.0;
        if message.capacity() - message.len() < part.len() {
            let needed = message.len().saturating_add(part.len());
            let room = needed.checked_next_power_of_two().unwrap_or(needed);
            let mut grown = Zeroizing::new(Vec::new());
            grown.try_reserve_exact(room).map_err(|_| {
                Error::new(
                    Rv::HostMemory,
                    format!("no memory for a message of {needed} bytes"),
                )
            })?;
            grown.extend_from_slice(message);
            *message = grown;
        }
        message.extend_from_slice(part);
        Ok(())
    }
}

impl Deref for Gathered {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_parts_stand_one_after_the_other() {
        let mut gathered = Gathered::default();
        for part in [&b"one"[..], b"", b" and ", b"two"] {
            gathered.extend(part).unwrap();
        }
        assert_eq!(&*gathered, b"one and two");
    }
}
