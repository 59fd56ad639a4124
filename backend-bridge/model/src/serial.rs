// SPDX-License-Identifier: MIT
//! Serial numbers of tokens: apart, so that every kind of token writes its own alike.

/// A serial number (`CK_TOKEN_INFO`, `serialNumber`) in lower-case hexadecimal digits: of the first 8 bytes of what tells
/// a token from all others. Fewer bytes leave blanks at the end.
pub fn serial_number(distinct: &[u8]) -> [u8; 16] {
    let mut serial = [b' '; 16];
    for (place, digit) in serial.iter_mut().zip(hex::encode(distinct).bytes()) {
        *place = digit;
    }
    serial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_the_first_bytes_in_digits() {
        assert_eq!(
            serial_number(&[0x01, 0xab, 0, 0xff, 5, 6, 7, 8, 9]),
            *b"01ab00ff05060708"
        );
    }

    #[test]
    fn few_bytes_leave_blanks() {
        assert_eq!(serial_number(&[0x10, 0xfe]), *b"10fe            ");
    }
}
