// SPDX-License-Identifier: MIT
//! `keyenclave token init`.

use std::fmt;
use std::path::Path;

use cryptoki_sys as ck;
use serde::Serialize;

use super::confirm;
use crate::answer::Answer;
use crate::args::{PinSource, Token, TokenInit};
use crate::failure::Failure;
use crate::pin;
use crate::token::{Running, TokenInfo};

#[derive(Serialize)]
struct Report {
    label: String,
    serial: Option<String>,
}

/// Runs it.
///
/// # Errors
/// The module's, and for a label or PIN that is not as it must be.
pub fn run(module: Option<&Path>, Token::Init(args): &Token) -> Result<Answer, Failure> {
    let label = padded(&args.label)?;
    let running = Running::start(module)?;
    let slot = match args.slot {
        Some(slot) => slot,
        None => running.blank_slot()?,
    };
    let present = TokenInfo::from(running.module().token_info(slot)?);
    if present.is_initialised() && !args.yes {
        confirm(&format!(
            "Slot {slot} holds the token `{}`. All its keys will be destroyed.",
            present.label
        ))?;
    }
    set_up(&running, slot, &label, args, present.is_initialised())?;
    let slots = running.slots()?;
    let mut tokens = slots.into_iter().filter_map(|slot| slot.token.ok());
    let serial = tokens
        .find(|token| token.label == args.label)
        .map(|token| token.serial);
    Answer::new(&Report {
        label: args.label.clone(),
        serial,
    })
}

fn set_up(
    running: &Running,
    slot: ck::CK_SLOT_ID,
    label: &[u8; 32],
    args: &TokenInit,
    known: bool,
) -> Result<(), Failure> {
    let TokenInit {
        so_pin_env,
        so_pin_file,
        pin,
        ..
    } = args;
    let so_source = PinSource {
        pin_env: so_pin_env.clone(),
        pin_file: so_pin_file.clone(),
    };
    let so_pin = match known {
        true => pin::read(&so_source, "Security officer's PIN")?,
        false => pin::read_new(&so_source, "New PIN for the security officer")?,
    };
    // Everything is asked for before anything is changed.
    let user_pin = pin::read_new(pin, "New PIN for the user")?;
    let module = running.module();
    module.init_token(slot, so_pin.bytes(), label)?;
    let session = running.session(slot, ck::CKF_RW_SESSION)?;
    session.login(ck::CKU_SO, &so_pin)?;
    module.init_pin(session.handle, user_pin.bytes())?;
    Ok(())
}

/// The label as `C_InitToken` wants it.
fn padded(label: &str) -> Result<[u8; 32], Failure> {
    let mut padded = [b' '; 32];
    let place = padded.get_mut(..label.len()).filter(|_| !label.trim().is_empty());
    let place =
        place.ok_or_else(|| Failure::usage("the label must have 1 to 32 bytes", "choose another --label"))?;
    place.copy_from_slice(label.as_bytes());
    Ok(padded)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serial = self
            .serial
            .as_ref()
            .map(|serial| format!(", serial {serial}"))
            .unwrap_or_default();
        writeln!(f, "The token `{}` is ready{serial}.", self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_padded_with_blanks_and_kept_to_32_bytes() {
        assert_eq!(
            padded("ä").ok().map(|label| label.starts_with("ä ".as_bytes())),
            Some(true)
        );
        assert!(padded(&"x".repeat(32)).is_ok());
        for wrong in ["", "  ", &"x".repeat(33)] {
            assert!(padded(wrong).is_err());
        }
    }
}
