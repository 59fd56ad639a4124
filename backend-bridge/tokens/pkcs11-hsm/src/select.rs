// SPDX-License-Identifier: MIT
//! Which of a vendor's tokens a slot shows: chosen by label, serial number, slot number or PKCS#11 URI (RFC 7512).

use std::fmt::Write as _;

use cryptoki_sys as ck;

/// What the token must be. What is `None` may be anything; a choice with nothing in it fits every token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenChoice {
    /// The token's label (`token=`).
    pub label: Option<String>,
    /// Its serial number (`serial=`).
    pub serial: Option<String>,
    /// Its manufacturer (`manufacturer=`).
    pub manufacturer: Option<String>,
    /// Its model (`model=`).
    pub model: Option<String>,
    /// The number of the vendor's slot (`slot-id=`).
    pub slot_id: Option<ck::CK_SLOT_ID>,
    /// The slot's description (`slot-description=`).
    pub slot_description: Option<String>,
    /// The slot's manufacturer (`slot-manufacturer=`).
    pub slot_manufacturer: Option<String>,
}

/// A slot of the vendor's with the token in it.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub slot_id: ck::CK_SLOT_ID,
    pub slot: ck::CK_SLOT_INFO,
    pub token: ck::CK_TOKEN_INFO,
}

impl TokenChoice {
    /// The choice that a PKCS#11 URI makes.
    ///
    /// # Errors
    /// What is wrong with it, in words: it is no such URI, an attribute is unknown, stands twice, or is about objects or
    /// PINs, which a choice of a token cannot have.
    pub fn from_uri(uri: &str) -> Result<Self, String> {
        let path = uri
            .strip_prefix("pkcs11:")
            .ok_or_else(|| format!("`{uri}` does not begin with `pkcs11:`"))?;
        if path.contains('?') {
            return Err("a PKCS#11 URI that chooses a token has no `?`: PINs are named apart from it".into());
        }
        let mut choice = Self::default();
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            let (name, value) = attribute
                .split_once('=')
                .ok_or_else(|| format!("`{attribute}` has no `=`"))?;
            choice.put(name, decoded(value)?)?;
        }
        Ok(choice)
    }

    fn put(&mut self, name: &str, value: String) -> Result<(), String> {
        let place = match name {
            "token" => &mut self.label,
            "serial" => &mut self.serial,
            "manufacturer" => &mut self.manufacturer,
            "model" => &mut self.model,
            "slot-description" => &mut self.slot_description,
            "slot-manufacturer" => &mut self.slot_manufacturer,
            "slot-id" => {
                let id = value
                    .parse()
                    .map_err(|_| format!("`{value}` is no slot number"))?;
                return match self.slot_id.replace(id) {
                    None => Ok(()),
                    Some(_) => Err("`slot-id` stands twice".into()),
                };
            }
            _ => return Err(format!("`{name}` does not choose a token")),
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(format!("`{name}` stands twice")),
        }
    }

    /// Whether this is the token.
    pub(crate) fn fits(&self, candidate: &Candidate) -> bool {
        let Candidate { slot_id, slot, token } = candidate;
        let same = |wanted: &Option<String>, field: &[u8]| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.as_bytes() == unpadded(field))
        };
        self.slot_id.is_none_or(|wanted| wanted == *slot_id)
            && same(&self.label, &token.label)
            && same(&self.serial, &token.serialNumber)
            && same(&self.manufacturer, &token.manufacturerID)
            && same(&self.model, &token.model)
            && same(&self.slot_description, &slot.slotDescription)
            && same(&self.slot_manufacturer, &slot.manufacturerID)
    }

    /// The choice in words, for messages.
    pub(crate) fn describe(&self) -> String {
        let mut words = String::new();
        let named = [
            ("label", &self.label),
            ("serial number", &self.serial),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("slot description", &self.slot_description),
            ("slot manufacturer", &self.slot_manufacturer),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                let _ = write!(words, "{name} `{value}`, ");
            }
        }
        if let Some(id) = self.slot_id {
            let _ = write!(words, "slot number {id}, ");
        }
        match words.strip_suffix(", ") {
            Some(words) => words.to_owned(),
            None => "any token".to_owned(),
        }
    }
}

/// A field of fixed width without the blanks, or, as some modules have it, the zero bytes at its end.
pub(crate) fn unpadded(field: &[u8]) -> &[u8] {
    let end = field
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | 0))
        .map_or(0, |last| last + 1);
    field.get(..end).unwrap_or_default()
}

/// A field of fixed width as text.
pub(crate) fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(unpadded(field)).into_owned()
}

/// Percent-encoding undone (RFC 3986, section 2.1).
fn decoded(value: &str) -> Result<String, String> {
    let wrong = || format!("`{value}` is not percent-encoded as RFC 3986 has it");
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let digit = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let number = high.zip(low).map(|(high, low)| high * 16 + low);
                number
                    .and_then(|number| u8::try_from(number).ok())
                    .ok_or_else(wrong)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn candidate(label: &str, serial: &str, slot_id: ck::CK_SLOT_ID) -> Candidate {
        let mut token = ck::CK_TOKEN_INFO::default();
        let fill = |field: &mut [u8], value: &str| {
            field.fill(b' ');
            field
                .iter_mut()
                .zip(value.bytes())
                .for_each(|(to, from)| *to = from);
        };
        fill(&mut token.label, label);
        fill(&mut token.serialNumber, serial);
        Candidate {
            slot_id,
            slot: ck::CK_SLOT_INFO::default(),
            token,
        }
    }

    #[test]
    fn a_uri_chooses_by_all_that_it_names() {
        let choice = TokenChoice::from_uri("pkcs11:token=my%20key%3B;serial=0a1b;slot-id=7").unwrap();
        assert!(choice.fits(&candidate("my key;", "0a1b", 7)));
        assert!(!choice.fits(&candidate("my key;", "0a1b", 8)));
        assert!(!choice.fits(&candidate("my key", "0a1b", 7)));
        assert_eq!(
            choice.describe(),
            "label `my key;`, serial number `0a1b`, slot number 7"
        );
        assert!(
            TokenChoice::from_uri("pkcs11:")
                .unwrap()
                .fits(&candidate("x", "", 0))
        );
    }

    #[test]
    fn a_uri_that_says_more_or_less_is_refused() {
        for uri in [
            "token=x",
            "pkcs11:token",
            "pkcs11:object=x",
            "pkcs11:token=a;token=b",
            "pkcs11:slot-id=x",
            "pkcs11:token=%2",
            "pkcs11:token=%ff",
            "pkcs11:token=x?pin-value=1234",
        ] {
            assert!(TokenChoice::from_uri(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn a_field_ends_where_its_padding_begins() {
        assert_eq!(unpadded(b"a b  "), b"a b");
        assert_eq!(unpadded(b"ab\0\0"), b"ab");
        assert_eq!(unpadded(b"   "), b"");
    }
}
