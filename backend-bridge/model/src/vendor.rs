// SPDX-License-Identifier: MIT
//! The constants that are KeyEnclave's own: one table, which `include/keyenclave.h` is made from as well.
//!
//! They lie in the range that the specification leaves to vendors, at an offset that is not likely to be another
//! vendor's (`KE` in ASCII). A number that has been published never means anything else.

use cryptoki_sys as ck;

/// A row of [`VENDOR`].
#[derive(Debug)]
pub struct VendorRow {
    /// The constant's name.
    pub name: &'static str,
    /// Where its range begins, by the specification's name.
    pub range: &'static str,
    /// What is added to that.
    pub offset: ck::CK_ULONG,
    /// The constant.
    pub value: ck::CK_ULONG,
    /// What it is, line by line.
    pub what: &'static [&'static str],
}

/// Reads like the table that it makes: what it is, name, type, range, offset.
macro_rules! vendor {
    ($($(#[doc = $what:literal])+ $name:ident: $kind:ident = $range:ident + $offset:literal;)*) => {
        $($(#[doc = $what])+ pub const $name: ck::$kind = ck::$range | $offset;)*

        /// Every constant of the vendor's, one row each.
        pub const VENDOR: &[VendorRow] = &[$(VendorRow {
            name: stringify!($name),
            range: stringify!($range),
            offset: $offset,
            value: $name,
            what: &[$($what),+],
        },)*];
    };
}

vendor! {
    /// The full name of a key at its service, UTF-8: an attribute of every object of a key that a remote service
    /// holds. It can be read and searched for, and never set.
    CKA_KEYENCLAVE_REMOTE_NAME: CK_ATTRIBUTE_TYPE = CKA_VENDOR_DEFINED + 0x4b45_0001;
    /// Encryption and decryption (C_Encrypt, C_Decrypt and their parts) by AWS KMS with a symmetric key that never
    /// leaves it. No parameter. A plaintext has 4096 bytes at the most; a ciphertext, in the format of the service,
    /// 6144. Such a key is a CKK_GENERIC_SECRET; C_GenerateKey makes one with CKM_GENERIC_SECRET_KEY_GEN,
    /// CKA_VALUE_LEN 32, CKA_ENCRYPT or CKA_DECRYPT true and CKA_SIGN not true.
    CKM_KEYENCLAVE_AWS_SYMMETRIC: CK_MECHANISM_TYPE = CKM_VENDOR_DEFINED + 0x4b45_0001;
}

/// The specification's constants and the vendor's under one name, for the tables that have rows of both.
pub(crate) mod constants {
    pub(crate) use super::*;
    pub(crate) use cryptoki_sys::*;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_lies_in_its_range_and_is_there_once() {
        for (index, row) in VENDOR.iter().enumerate() {
            let kind = row.name.get(..4);
            assert_eq!(row.range.get(..4), kind, "{}", row.name);
            assert!(row.value >= ck::CKA_VENDOR_DEFINED && row.offset >> 16 == 0x4b45);
            let same = |other: &&VendorRow| other.value == row.value && other.name.get(..4) == kind;
            assert_eq!(VENDOR.iter().skip(index).filter(same).count(), 1, "{}", row.name);
        }
    }
}
