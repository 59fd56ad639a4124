// SPDX-License-Identifier: MIT
//! A PIN as a configuration may hold it: a PHC string of Argon2id (RFC 9106), which says of the PIN only whether a try
//! is right. For slots that have nothing to unwrap with their PIN.

use std::fmt;

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use keyenclave_crypto::{ct_eq, digest, rand};
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::Pin;
use zeroize::Zeroizing;

use crate::error::{Doing, from_sealer};
use crate::login::check_len;
use crate::sealer::{PinCost, blocks};

const SALT_LEN: usize = 16;
const OUTPUT_LEN: usize = 32;

/// A hashed PIN. No `Debug`: short PINs can be guessed from it.
pub struct PinHash {
    cost: PinCost,
    salt: Vec<u8>,
    output: Vec<u8>,
    id: [u8; 32],
}

/// Why a text is not a hashed PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinHashError(String);

impl fmt::Display for PinHashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a hashed PIN: {}; make one with `keyenclave pin-hash`",
            self.0
        )
    }
}

impl std::error::Error for PinHashError {}

impl PinHash {
    /// A PHC string: `$argon2id$v=19$m=65536,t=2,p=1$<salt>$<hash>`, memory in KiB.
    ///
    /// # Errors
    /// Other algorithms and versions, costs outside [`PinCost::is_allowed`] (19 MiB to 1 GiB, 2 to 32 passes, 1 to 16
    /// lanes), a salt of less than 8 bytes, a hash of less than 16. The text is not repeated.
    pub fn parse(text: &str) -> Result<Self, PinHashError> {
        let wrong = |what: &str| PinHashError(what.to_owned());
        let parsed = PasswordHash::new(text.trim()).map_err(|error| PinHashError(error.to_string()))?;
        if parsed.algorithm != ARGON2ID_IDENT {
            return Err(wrong("the algorithm is not argon2id"));
        }
        if parsed.version != Some(Version::V0x13.into()) {
            return Err(wrong("the version is not 19"));
        }
        let params = Params::try_from(&parsed).map_err(|error| PinHashError(error.to_string()))?;
        let cost = PinCost {
            memory: params.m_cost(),
            passes: params.t_cost(),
            lanes: params.p_cost(),
        };
        if !cost.is_allowed() {
            return Err(wrong(
                "its cost is outside of 19 MiB to 1 GiB, 2 to 32 passes, 1 to 16 lanes",
            ));
        }
        let mut room = [0; Salt::MAX_LENGTH];
        let salt = parsed.salt.and_then(|salt| salt.decode_b64(&mut room).ok());
        let salt = salt.filter(|salt| salt.len() >= argon2::MIN_SALT_LEN);
        let output = parsed.hash.filter(|hash| hash.len() >= OUTPUT_LEN / 2);
        Ok(Self {
            cost,
            salt: salt
                .ok_or_else(|| wrong("its salt is missing or too short"))?
                .to_vec(),
            output: output
                .ok_or_else(|| wrong("its hash is missing or too short"))?
                .as_bytes()
                .to_vec(),
            id: id(text),
        })
    }

    /// Whether it is this PIN. Takes as long as the hash costs, whatever the PIN is, and compares in constant time.
    ///
    /// # Errors
    /// `CKR_HOST_MEMORY`.
    pub fn is(&self, pin: Pin<'_>) -> Result<bool> {
        let output = compute(self.cost, &self.salt, self.output.len(), pin)?;
        Ok(ct_eq(&output, &self.output))
    }

    /// Tells this hash from all others, and says nothing of the PIN that the hash itself does not.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// The PHC string of a PIN, with a new salt and the usual cost.
    ///
    /// # Errors
    /// `CKR_PIN_LEN_RANGE`, `CKR_HOST_MEMORY`.
    pub fn make(pin: Pin<'_>) -> Result<String> {
        check_len(pin)?;
        let mut salt = [0; SALT_LEN];
        rand::fill(&mut salt).map_err(|error| Doing::Internal.failed(error))?;
        let output = compute(PinCost::DEFAULT, &salt, OUTPUT_LEN, pin)?;
        let failed = |error: argon2::password_hash::Error| Error::new(Rv::GeneralError, error.to_string());
        let params = params(PinCost::DEFAULT, OUTPUT_LEN)?;
        let salt = SaltString::encode_b64(&salt).map_err(failed)?;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(failed)?,
            salt: Some(salt.as_salt()),
            hash: Some(Output::new(&output).map_err(failed)?),
        };
        Ok(hash.to_string())
    }
}

fn id(text: &str) -> [u8; 32] {
    let mut id = [0; 32];
    let digest = digest(Hash::Sha256, text.trim().as_bytes());
    id.iter_mut()
        .zip(digest.iter())
        .for_each(|(to, from)| *to = *from);
    id
}

fn params(cost: PinCost, len: usize) -> Result<Params> {
    Params::new(cost.memory, cost.passes, cost.lanes, Some(len))
        .map_err(|error| Error::new(Rv::GeneralError, error.to_string()))
}

fn compute(cost: PinCost, salt: &[u8], len: usize, pin: Pin<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let params = params(cost, len)?;
    let mut memory = blocks(params.block_count()).map_err(from_sealer)?;
    let mut output = Zeroizing::new(vec![0; len]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(pin.0, salt, &mut output, memory.as_mut_slice())
        .map_err(|error| Error::new(Rv::GeneralError, error.to_string()))?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A hash that is right in form: salt "somesaltsomesalt", a digest of zeros.
    fn text(memory: u32) -> String {
        format!(
            "$argon2id$v=19$m={memory},t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        )
    }

    #[test]
    fn a_hashed_pin_knows_its_pin_and_no_other() {
        let text = PinHash::make(Pin(b"1234")).unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=65536,t=2,p=1$"), "{text}");
        let hash = PinHash::parse(&text).unwrap();
        assert!(hash.is(Pin(b"1234")).unwrap());
        assert!(!hash.is(Pin(b"1235")).unwrap());
        assert_ne!(text, PinHash::make(Pin(b"1234")).unwrap());
        assert_eq!(PinHash::make(Pin(b"123")).unwrap_err().rv(), Rv::PinLenRange);
    }

    #[test]
    fn what_costs_too_little_or_too_much_is_refused() {
        for memory in [8, 19 * 1024 - 1, 1024 * 1024 + 1, u32::MAX] {
            assert!(PinHash::parse(&text(memory)).is_err(), "{memory}");
        }
        assert!(PinHash::parse(&text(19 * 1024)).is_ok());
        assert!(PinHash::parse(&text(1024 * 1024)).is_ok());
    }

    #[test]
    fn other_algorithms_versions_and_cut_texts_are_refused_without_repeating_them() {
        let good = text(65536);
        let wrong = [
            String::new(),
            "1234".to_owned(),
            good.replace("argon2id", "argon2i"),
            good.replace("v=19", "v=16"),
            good.replace("$v=19", ""),
            good.replace("c29tZXNhbHRzb21lc2FsdA", "c29t"),
            good.replace("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ""),
        ];
        for text in wrong {
            let error = PinHash::parse(&text).err().unwrap().to_string();
            assert!(!error.contains("1234"), "{error}");
        }
    }

    #[test]
    fn a_hash_of_the_reference_implementation_is_understood() {
        // From its own tests: password "password", salt "somesalt".
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = PinHash::parse(text).unwrap();
        assert!(hash.is(Pin(b"password")).unwrap());
        assert!(!hash.is(Pin(b"Password")).unwrap());
    }
}
