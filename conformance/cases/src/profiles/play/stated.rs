// SPDX-License-Identifier: MIT
//! What an answer states, and whether that is what was found; and the variables that answers bind.

use super::Play;
use crate::profiles::names;
use crate::profiles::script::Element;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;

impl Play {
    /// Whether the function returned what is stated, and that is `CKR_OK`.
    pub(super) fn returned(&mut self, answer: &Element, rv: Rv) -> bool {
        let stated = answer.attribute("rv").unwrap_or_default();
        let name = format!("CKR_{stated}");
        if Rv::of_name(&name) != Some(rv) {
            self.wrong.push(format!("it returns {rv:?}, stated is {name}"));
        }
        rv == Rv::OK && stated == "OK"
    }

    /// An answer that is nothing but a return value.
    pub(super) fn plain(&mut self, answer: &Element, rv: Rv) -> Result<(), String> {
        self.returned(answer, rv);
        Ok(())
    }

    /// The output of a function that returned it, if stated.
    pub(super) fn output<T>(&mut self, answer: &Element, result: Result<T, Rv>) -> Option<T> {
        let rv = result.as_ref().map_or_else(|rv| *rv, |_| Rv::OK);
        self.returned(answer, rv).then_some(result.ok()).flatten()
    }

    pub(super) fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, stated: T, found: T) {
        if stated != found {
            self.wrong
                .push(format!("{what} is {found:#x?}, stated is {stated:#x?}"));
        }
    }

    /// A number that must be as stated.
    pub(super) fn number(&mut self, within: &Element, name: &str, found: CK_ULONG) -> Result<(), String> {
        let stated = names::number(within.wanted(name)?)?;
        self.equal(name, stated, found);
        Ok(())
    }

    /// Flags that must be as stated, all of them.
    pub(super) fn flags(&mut self, within: &Element, found: CK_FLAGS) -> Result<(), String> {
        let stated = within.wanted("Flags")?;
        let wanted = names::flags(stated)?;
        if wanted != found {
            self.wrong
                .push(format!("Flags are {found:#x}, stated are {wanted:#x} ({stated})"));
        }
        Ok(())
    }

    /// A text that may differ: what it must be is UTF-8, filled up with blanks.
    pub(super) fn text(&mut self, within: &Element, name: &str, found: &[u8]) -> Result<(), String> {
        within.wanted(name)?;
        let padded = std::str::from_utf8(found).is_ok_and(|text| !text.contains('\0'));
        if !padded {
            self.wrong
                .push(format!("{name} is not UTF-8 filled up with blanks: {found:02x?}"));
        }
        Ok(())
    }

    /// A version that may differ.
    pub(super) fn version(within: &Element, name: &str) -> Result<(CK_ULONG, CK_ULONG), String> {
        let stated = within.child(name);
        let stated = stated.ok_or_else(|| format!("{} states no {name}", within.name))?;
        let part = |part| names::number(stated.wanted(part)?);
        Ok((part("major")?, part("minor")?))
    }

    /// A handle or a length: a variable that an answer has bound, or a number.
    pub(super) fn value(&self, text: &str) -> Result<CK_ULONG, String> {
        match variable(text) {
            Some(name) => {
                let bound = self.variables.get(name).copied();
                bound.ok_or_else(|| format!("no answer has bound {text}"))
            }
            None => names::number(text),
        }
    }

    pub(super) fn handle(&self, input: &Element, name: &str) -> Result<CK_ULONG, String> {
        self.value(input.wanted(name)?)
    }

    /// Binds a variable, or compares what is stated instead of one.
    pub(super) fn bind(&mut self, what: &str, stated: &str, found: CK_ULONG) -> Result<(), String> {
        match variable(stated) {
            Some(name) => drop(self.variables.insert(name.to_owned(), found)),
            None => {
                let stated = names::number(stated)?;
                self.equal(what, stated, found);
            }
        }
        Ok(())
    }

    /// Binds the handles that a list names. There may be more.
    pub(super) fn list(&mut self, list: &Element, each: &str, found: &[CK_ULONG]) -> Result<(), String> {
        for (place, stated) in list.children(each).enumerate() {
            let stated = stated.attribute("value").unwrap_or_default();
            match found.get(place) {
                Some(found) => self.bind(each, stated, *found)?,
                None => self.wrong.push(format!(
                    "{} has {} entries, stated is one more",
                    list.name,
                    found.len()
                )),
            }
        }
        Ok(())
    }

    /// How much room an input lends for a list; none asks for the length.
    pub(super) fn room(&self, input: &Element, name: &str) -> Result<Option<usize>, String> {
        let list = input.child(name).ok_or_else(|| format!("there is no {name}"))?;
        let length = list
            .attribute("length")
            .map(|length| self.value(length))
            .transpose()?;
        Ok(length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)))
    }
}

/// The name in `${name}`.
pub(super) fn variable(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}')
}

/// The element with one of these names, which differ between the versions of the cases.
pub(super) fn structure<'a>(within: &'a Element, names: &[&str]) -> Result<&'a Element, String> {
    let mut found = names.iter().filter_map(|name| within.child(name));
    found
        .next()
        .ok_or_else(|| format!("{} states no {}", within.name, names.join(" or ")))
}
