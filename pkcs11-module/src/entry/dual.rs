// SPDX-License-Identifier: MIT
//! Dual-function cryptographic functions (PKCS#11 3.2, section 5.17): one part for two operations of the session.
//!
//! Each is the two functions that it is made of, on the same part: what goes into an encryption is digested or signed,
//! and so is what comes out of a decryption. Tokens know nothing of it.

use keyenclave_model::error::Result;
use keyenclave_model::token::{OperationClass, Part, SessionId};

use super::taken::Taken;
use super::unexpected;
use crate::abi::values::{Input, Output};
use crate::library::Library;

/// `C_DigestEncryptUpdate` and its kind: `cipher` encrypts or decrypts, `other` takes in the plaintext.
pub fn update(
    lib: &Library,
    session: SessionId,
    cipher: OperationClass,
    other: OperationClass,
    input: Input<'_>,
    mut output: Output<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    let cx = caller.call();
    let (cipher_place, mut ciphering) = Taken::take(&caller, cipher)?;
    let (other_place, mut absorbing) = match Taken::take(&caller, other) {
        Ok(taken) => taken,
        // The one stays active that is.
        Err(error) => {
            cipher_place.put_back(ciphering)?;
            return Err(error);
        }
    };
    output.check()?;
    let input = input.bytes()?;
    let need = ciphering.running()?.output_len(Part::Update(input.len()))?.max();
    if output.is_query() || output.capacity() < need {
        cipher_place.put_back(ciphering)?;
        other_place.put_back(absorbing)?;
        return output.ask_for(need);
    }
    let written = ciphering.running()?.update(&cx, input, output.buffer())?;
    let plain = match cipher {
        OperationClass::Encrypt => input,
        _ => output.buffer().get(..written).ok_or_else(unexpected)?,
    };
    absorbing.running()?.update(&cx, plain, &mut [])?;
    ciphering.started = true;
    absorbing.started = true;
    cipher_place.put_back(ciphering)?;
    other_place.put_back(absorbing)?;
    output.set_len(written);
    Ok(())
}
