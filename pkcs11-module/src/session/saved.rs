// SPDX-License-Identifier: MIT
//! A saved operation (`C_GetOperationState`) as bytes: what the token wrote, after a head that says whose it is.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | a mark, which ends with the version of this layout |
//! | 16, 16 | the token's serial number and model |
//! | 8 | the operation's class: its mechanism flag, big-endian |
//! | 1 | 1 if parts have been processed, else 0 |
//! | the rest | the token's |
//!
//! The head keeps a state from getting to where it means something else: another kind of token, another token,
//! another version. It is no protection: a token has to take the rest as bytes that may come from anywhere.

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{OperationClass, TokenInfo};
use zeroize::Zeroizing;

/// The mark and, in its last byte, the version of the layout.
const MARK: [u8; 8] = *b"KeyEncl\x01";

/// See the module.
pub struct Saved<'a> {
    /// What kind of operation it is.
    pub class: OperationClass,
    /// Whether it has had parts.
    pub started: bool,
    /// What the token wrote.
    pub state: &'a [u8],
}

impl<'a> Saved<'a> {
    /// As bytes that this token takes back.
    pub fn write(&self, token: &TokenInfo) -> Zeroizing<Vec<u8>> {
        let (owner, class) = (owner(token), class_code(self.class));
        // All at once, so that no shorter copy is left behind unwiped.
        Zeroizing::new([&owner[..], &class, &[u8::from(self.started)], self.state].concat())
    }

    /// Reads it again.
    ///
    /// # Errors
    /// `CKR_SAVED_STATE_INVALID` for anything that this version has not written for this token.
    pub fn read(bytes: &'a [u8], token: &TokenInfo) -> Result<Self> {
        let rest = bytes.strip_prefix(&owner(token)[..]).ok_or_else(foreign)?;
        let (code, rest) = rest.split_first_chunk().ok_or_else(foreign)?;
        let class = OperationClass::ALL
            .into_iter()
            .find(|class| class_code(*class) == *code)
            .ok_or_else(foreign)?;
        let (started, state) = match rest {
            [0, state @ ..] => (false, state),
            [1, state @ ..] => (true, state),
            _ => return Err(foreign()),
        };
        Ok(Self {
            class,
            started,
            state,
        })
    }
}

/// What a state of this token begins with.
fn owner(token: &TokenInfo) -> [u8; 40] {
    let mut head = [b' '; 40];
    let fields = MARK
        .iter()
        .chain(token.serial.iter())
        .chain(token.model.as_bytes());
    for (to, from) in head.iter_mut().zip(fields) {
        *to = *from;
    }
    head
}

fn class_code(class: OperationClass) -> [u8; 8] {
    class.flag().to_be_bytes()
}

fn foreign() -> Error {
    Error::new(
        Rv::SavedStateInvalid,
        "the bytes are not an operation's state that this version of the module saved for this token",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn token(model: &'static str, serial: u8) -> TokenInfo {
        TokenInfo {
            label: [b' '; 32],
            manufacturer: "".into(),
            model: model.into(),
            serial: [serial; 16],
            flags: 0,
            min_pin_len: 0,
            max_pin_len: 0,
            device: None,
        }
    }

    fn saved(token: &TokenInfo, class: OperationClass, started: bool) -> Zeroizing<Vec<u8>> {
        let state = b"state";
        Saved {
            class,
            started,
            state,
        }
        .write(token)
    }

    #[test]
    fn a_saved_operation_comes_back_as_it_was() {
        let token = token("model", b'1');
        for class in OperationClass::ALL {
            for started in [false, true] {
                let bytes = saved(&token, class, started);
                let read = Saved::read(&bytes, &token).unwrap();
                assert_eq!(
                    (read.class, read.started, read.state),
                    (class, started, &b"state"[..])
                );
            }
        }
    }

    #[test]
    fn a_state_of_another_token_is_refused() {
        let bytes = saved(&token("model", b'1'), OperationClass::Digest, true);
        for other in [token("model", b'2'), token("mode", b'1'), token("model2", b'1')] {
            let refused = Saved::read(&bytes, &other).err().unwrap();
            assert_eq!(refused.rv(), Rv::SavedStateInvalid);
        }
    }

    #[test]
    fn a_changed_or_shortened_head_is_refused() {
        let token = token("model", b'1');
        let bytes = saved(&token, OperationClass::Digest, true);
        let head = bytes.len() - b"state".len();
        for len in 0..head {
            assert!(Saved::read(&bytes[..len], &token).is_err());
        }
        for place in 0..head {
            let mut changed = bytes.to_vec();
            changed[place] = 0xff;
            assert!(Saved::read(&changed, &token).is_err(), "{place}");
        }
    }
}
