// SPDX-License-Identifier: MIT
//! A test case as it is written: an XML file of calls, each followed by its answer (PKCS #11 Profiles, "PKCS#11 XML
//! Representation").
//!
//! An element remembers what of it has been read, so that nothing which a case states is passed over in silence.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::cell::Cell;

/// An element: attributes and elements in it. Text between elements is a remark.
#[derive(Debug, Default)]
pub struct Element {
    /// Its name.
    pub name: String,
    attributes: Vec<(String, String, Cell<bool>)>,
    /// The elements in it.
    children: Vec<Element>,
    seen: Cell<bool>,
}

/// A call and what a case states of its answer.
#[derive(Debug)]
pub struct Call {
    /// The function with its input.
    pub input: Element,
    /// The function with the return value and the output.
    pub answer: Element,
}

impl Element {
    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, value, seen) = self.attributes.iter().find(|(known, ..)| known == name)?;
        seen.set(true);
        Some(value)
    }

    /// An attribute, which does not count as read.
    pub fn peek(&self, name: &str) -> Option<&str> {
        let (_, value, _) = self.attributes.iter().find(|(known, ..)| known == name)?;
        Some(value)
    }

    /// The element and all in it. None counts as read.
    pub fn flat(&self) -> Vec<&Self> {
        let within = self.children.iter().flat_map(Self::flat);
        std::iter::once(self).chain(within).collect()
    }

    /// The element of this name in it.
    pub fn child(&self, name: &str) -> Option<&Self> {
        let child = self.children.iter().find(|child| child.name == name)?;
        child.seen.set(true);
        Some(child)
    }

    /// All elements of this name in it.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        let named = self.children.iter().filter(move |child| child.name == name);
        named.inspect(|child| child.seen.set(true))
    }

    /// A plain field: version 3.1 writes some as attributes, version 3.2 all as elements with a value.
    pub fn field(&self, name: &str) -> Option<&str> {
        let element = || self.child(name)?.attribute("value");
        self.attribute(name).or_else(element)
    }

    /// A plain field that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn wanted(&self, name: &str) -> Result<&str, String> {
        self.field(name)
            .ok_or_else(|| format!("{} states no {name}", self.name))
    }

    /// What nobody has read, by its path.
    pub fn unread(&self) -> Vec<String> {
        let attributes = self.attributes.iter().filter(|(.., seen)| !seen.get());
        let mut unread: Vec<_> = attributes.map(|(name, ..)| name.clone()).collect();
        for child in &self.children {
            if child.seen.get() {
                unread.extend(child.unread());
            } else {
                unread.push(child.name.clone());
            }
        }
        let name = &self.name;
        unread.iter().map(|part| format!("{name}.{part}")).collect()
    }

    fn of(start: &BytesStart<'_>) -> Result<Self, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.unescape_value().map_err(|error| error.to_string())?;
            Ok((text(attribute.key.as_ref()), value.into_owned(), Cell::new(false)))
        });
        Ok(Self {
            name: text(start.name().as_ref()),
            attributes: attributes.collect::<Result<_, String>>()?,
            ..Self::default()
        })
    }
}

/// Reads a test case.
///
/// # Errors
/// It is no XML, or not calls with answers.
pub fn read(text: &str) -> Result<Vec<Call>, String> {
    let root = element(text)?;
    if root.name != "PKCS11" {
        return Err(format!("the root is {} and not PKCS11", root.name));
    }
    let mut elements = root.children.into_iter();
    let mut calls = Vec::new();
    while let Some(input) = elements.next() {
        let answer = elements.next().filter(|answer| {
            answer.name == input.name && answer.attributes.iter().any(|(name, ..)| name == "rv")
        });
        let answer = answer.ok_or_else(|| format!("a call of {} has no answer", input.name))?;
        calls.push(Call { input, answer });
    }
    Ok(calls)
}

fn element(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let closed = match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                open.push(Element::of(&start)?);
                continue;
            }
            Event::Empty(start) => Element::of(&start)?,
            Event::End(_) => open.pop().ok_or("an element ends that has not begun")?,
            Event::Eof => return Err("the file ends within an element".into()),
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => return Ok(closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<!-- a remark --><PKCS11><C_GetInfo/><C_GetInfo rv=\"OK\"><Info Count=\"7\"># a remark\n\
        <Flags value=\"0x0\"/></Info></C_GetInfo></PKCS11>";

    #[test]
    fn a_call_is_read_with_its_answer_and_remarks_are_not() {
        let calls = read(TEXT).unwrap();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].answer.attribute("rv"), Some("OK"));
        let info = calls[0].answer.child("Info").unwrap();
        assert_eq!(
            (info.field("Count"), info.field("Flags")),
            (Some("7"), Some("0x0"))
        );
        assert!(calls[0].answer.unread().is_empty());
    }

    #[test]
    fn what_nobody_has_read_is_told() {
        let calls = read(TEXT).unwrap();
        assert_eq!(calls[0].answer.unread(), ["C_GetInfo.rv", "C_GetInfo.Info"]);
        let _ = calls[0].answer.child("Info").unwrap().field("Count");
        assert_eq!(calls[0].answer.unread(), ["C_GetInfo.rv", "C_GetInfo.Info.Flags"]);
    }

    #[test]
    fn a_call_without_an_answer_is_refused() {
        assert!(read("<PKCS11><C_GetInfo/></PKCS11>").is_err());
        assert!(read("<PKCS11><C_GetInfo/><C_GetInfo/></PKCS11>").is_err());
        assert!(read("<Other/>").is_err() && read("<PKCS11>").is_err());
    }
}
