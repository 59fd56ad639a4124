// SPDX-License-Identifier: MIT
//! Templates: attributes that an application gave, parsed into values.

use cryptoki_sys as ck;

use crate::attribute::{self, Value};
use crate::error::{Error, Result, Rv};

/// An attribute as it stands in the application's memory.
pub struct RawAttribute<'a> {
    /// Which attribute.
    pub id: ck::CK_ATTRIBUTE_TYPE,
    /// Its value in C's form.
    pub data: RawData<'a>,
}

/// A value in C's form.
pub enum RawData<'a> {
    /// Everything but templates.
    Bytes(&'a [u8]),
    /// A template, whose pointers the C boundary has followed.
    Nested(Vec<RawAttribute<'a>>),
}

/// Attributes in the order in which they were given. A search may give one more than once and then means both; what
/// makes or changes an object asks [`Template::check_unique`] first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Template(Vec<(ck::CK_ATTRIBUTE_TYPE, Value)>);

impl Template {
    /// Parses what the application gave.
    ///
    /// # Errors
    /// `CKR_ATTRIBUTE_VALUE_INVALID` for a value that the attribute cannot have.
    pub fn parse(raw: &[RawAttribute<'_>]) -> Result<Self> {
        let parse = |RawAttribute { id, data }: &RawAttribute<'_>| {
            let value = Value::parse(*id, data).map_err(|error| {
                Error::new(
                    error.rv(),
                    format!("{} has a value that it cannot have", attribute::name(*id)),
                )
            })?;
            Ok((*id, value))
        };
        raw.iter().map(parse).collect::<Result<_>>().map(Self)
    }

    /// Takes over what the application gave, whatever it is: what is not the attribute's kind of value stays bytes.
    pub fn given(raw: &[RawAttribute<'_>]) -> Self {
        raw.iter()
            .map(|RawAttribute { id, data }| (*id, Value::given(*id, data)))
            .collect()
    }

    /// Whether each attribute is given once.
    ///
    /// # Errors
    /// `CKR_TEMPLATE_INCONSISTENT`.
    pub fn check_unique(&self) -> Result<()> {
        let mut ids: Vec<_> = self.0.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        match ids
            .windows(2)
            .find(|pair| matches!(pair, [one, other] if one == other))
        {
            Some(&[id, ..]) => {
                let detail = format!("{} is given twice", attribute::name(id));
                Err(Error::new(Rv::TemplateInconsistent, detail))
            }
            _ => Ok(()),
        }
    }

    /// The value of an attribute, if it is given; the first one.
    pub fn get(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Option<&Value> {
        self.0
            .iter()
            .find(|(given, _)| *given == id)
            .map(|(_, value)| value)
    }

    /// A number, if it is given.
    pub fn ulong(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Option<ck::CK_ULONG> {
        match self.get(id) {
            Some(Value::Ulong(value)) => Some(*value),
            _ => None,
        }
    }

    /// A truth value, if it is given.
    pub fn bool(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Option<bool> {
        match self.get(id) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// Bytes, if they are given.
    pub fn bytes(&self, id: ck::CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
        self.get(id).and_then(Value::as_bytes)
    }

    /// All attributes.
    pub fn iter(&self) -> impl Iterator<Item = (ck::CK_ATTRIBUTE_TYPE, &Value)> {
        self.0.iter().map(|(id, value)| (*id, value))
    }

    /// How many attributes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ck::CK_ATTRIBUTE_TYPE, Value)> for Template {
    fn from_iter<I: IntoIterator<Item = (ck::CK_ATTRIBUTE_TYPE, Value)>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_is_given_twice_is_noticed() {
        let given = |ids: &[ck::CK_ATTRIBUTE_TYPE]| -> Template {
            ids.iter().map(|id| (*id, Value::bytes(*b"x"))).collect()
        };
        let rv = |template: Template| template.check_unique().map_err(|error| error.rv());
        assert_eq!(rv(given(&[])), Ok(()));
        assert_eq!(rv(given(&[ck::CKA_LABEL, ck::CKA_ID])), Ok(()));
        let twice = given(&[ck::CKA_LABEL, ck::CKA_ID, ck::CKA_LABEL]);
        assert_eq!(rv(twice), Err(Rv::TemplateInconsistent));
    }
}
