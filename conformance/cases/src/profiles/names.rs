// SPDX-License-Identifier: MIT
//! The constants that test cases name, without their prefix, by the context that gives it.

use cryptoki_sys::*;

/// A row of names for each prefix. A name that is not here is an error, and is added.
macro_rules! names {
    ($($table:ident: $prefix:literal [$($name:ident),*];)*) => { $(
        #[doc = concat!("Constants that begin with `", $prefix, "`.")]
        pub const $table: Names = Names($prefix, &[$((stringify!($name), $name)),*]);
    )* };
}

/// Constants with the same prefix.
pub struct Names(&'static str, &'static [(&'static str, CK_ULONG)]);

names! {
    FLAGS: "CKF_" [
        CKF_TOKEN_PRESENT, CKF_REMOVABLE_DEVICE, CKF_HW_SLOT,
        CKF_RNG, CKF_WRITE_PROTECTED, CKF_LOGIN_REQUIRED, CKF_USER_PIN_INITIALIZED, CKF_RESTORE_KEY_NOT_NEEDED,
        CKF_CLOCK_ON_TOKEN, CKF_PROTECTED_AUTHENTICATION_PATH, CKF_DUAL_CRYPTO_OPERATIONS, CKF_TOKEN_INITIALIZED,
        CKF_RW_SESSION, CKF_SERIAL_SESSION,
        CKF_HW, CKF_ENCRYPT, CKF_DECRYPT, CKF_DIGEST, CKF_SIGN, CKF_SIGN_RECOVER, CKF_VERIFY, CKF_VERIFY_RECOVER,
        CKF_GENERATE, CKF_GENERATE_KEY_PAIR, CKF_WRAP, CKF_UNWRAP, CKF_DERIVE
    ];
    MECHANISMS: "CKM_" [CKM_SHA512, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS];
    ATTRIBUTES: "CKA_" [CKA_TOKEN, CKA_CLASS, CKA_LABEL, CKA_VALUE, CKA_MODULUS, CKA_PUBLIC_EXPONENT];
    CLASSES: "CKO_" [CKO_CERTIFICATE, CKO_PUBLIC_KEY, CKO_PRIVATE_KEY];
    USERS: "CKU_" [CKU_SO, CKU_USER];
}

impl Names {
    /// The constant of a name, or a number.
    ///
    /// # Errors
    /// Neither.
    pub fn value(&self, name: &str) -> Result<CK_ULONG, String> {
        let Self(prefix, known) = self;
        let named = known
            .iter()
            .find(|(full, _)| full.strip_prefix(prefix) == Some(name));
        match named {
            Some((_, value)) => Ok(*value),
            None => number(name).map_err(|_| format!("{prefix}{name} is not known here")),
        }
    }
}

/// Flags: names, joined by `|` or blanks, or a number.
///
/// # Errors
/// A name is not known.
pub fn flags(text: &str) -> Result<CK_FLAGS, String> {
    let names = text.split(['|', ' ']).filter(|name| !name.is_empty());
    names.map(|name| FLAGS.value(name)).sum()
}

/// A number: decimal, hexadecimal after `0x`, or one of the two names of special values.
///
/// # Errors
/// It is none.
pub fn number(text: &str) -> Result<CK_ULONG, String> {
    let read = match (text, text.strip_prefix("0x")) {
        ("UnavailableInformation", _) => return Ok(CK_UNAVAILABLE_INFORMATION),
        ("EffectivelyInfinite", _) => return Ok(CK_EFFECTIVELY_INFINITE),
        (_, Some(digits)) => CK_ULONG::from_str_radix(digits, 16),
        (_, None) => text.parse(),
    };
    read.map_err(|_| format!("{text} is no number"))
}

/// Bytes in hexadecimal.
///
/// # Errors
/// They are not.
pub fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let read: Option<Vec<u8>> = pairs.map(byte).collect();
    let read = read.filter(|_| text.len().is_multiple_of(2));
    read.ok_or_else(|| format!("{text} is not hexadecimal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_numbers_flags_and_bytes_are_read() {
        assert_eq!(MECHANISMS.value("SHA512"), Ok(CKM_SHA512));
        assert_eq!(MECHANISMS.value("0x250"), Ok(CKM_SHA256));
        assert!(MECHANISMS.value("SHA513").is_err());
        assert_eq!(flags("RW_SESSION|SERIAL_SESSION"), Ok(6));
        assert_eq!(flags("RW_SESSION SERIAL_SESSION"), Ok(6));
        assert_eq!(flags("0x0"), Ok(0));
        assert_eq!(number("UnavailableInformation"), Ok(CK_ULONG::MAX));
        assert_eq!(bytes("00fF"), Ok(vec![0, 255]));
        assert!(bytes("0").is_err() && bytes("zz").is_err());
    }
}
