// SPDX-License-Identifier: MIT
//! General-purpose functions (PKCS#11 3.2, section 5.4). What works before `C_Initialize` is the C boundary's own.

use cryptoki_sys as ck;
use keyenclave_model::error::Result;

use crate::abi::values::Place;
use crate::library::Library;

/// The specification's version that the module follows.
pub const CRYPTOKI_VERSION: ck::CK_VERSION = ck::CK_VERSION { major: 3, minor: 2 };

/// Who made the module, in `CK_INFO`, `CK_SLOT_INFO` and `CK_TOKEN_INFO`.
pub const MANUFACTURER: &str = "KeyEnclave";

/// The module's version, from the package's.
pub fn library_version() -> ck::CK_VERSION {
    let part = |text: &str| text.parse().unwrap_or(0);
    ck::CK_VERSION {
        major: part(env!("CARGO_PKG_VERSION_MAJOR")),
        minor: part(env!("CARGO_PKG_VERSION_MINOR")),
    }
}

/// `C_GetInfo`.
pub fn get_info(_lib: &Library, mut info: Place<'_, ck::CK_INFO>) -> Result<()> {
    info.check()?;
    info.set(ck::CK_INFO {
        cryptokiVersion: CRYPTOKI_VERSION,
        manufacturerID: padded(MANUFACTURER),
        flags: 0,
        libraryDescription: padded("KeyEnclave PKCS#11 module"),
        libraryVersion: library_version(),
    });
    Ok(())
}

/// Text in a field of fixed size, padded with blanks; text that is too long is cut between characters.
pub fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    let cut = text.floor_char_boundary(N);
    field
        .iter_mut()
        .zip(text.bytes().take(cut))
        .for_each(|(place, byte)| *place = byte);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_padded_and_cut_between_characters() {
        assert_eq!(&padded::<4>("ab"), b"ab  ");
        assert_eq!(&padded::<4>("abcdef"), b"abcd");
        assert_eq!(&padded::<4>("abc\u{e9}"), b"abc ");
    }
}
