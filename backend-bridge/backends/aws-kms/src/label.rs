// SPDX-License-Identifier: MIT
//! Labels: an alias without `alias/` where it can be one, else a tag in hexadecimal.
//!
//! AWS has aliases of letters, digits, `/`, `_` and `-` only, each for one key of a region. A label that has other
//! characters, or that another key has as its alias, is kept in the tag [`TAG`], which holds any text of up to
//! [`MOST_IN_TAG`] bytes. Where there is such a tag, it counts.

/// The tag that a label is kept in.
pub(crate) const TAG: &str = "keyenclave-label";
/// The longest value of a tag, in bytes.
pub(crate) const MAX_TAG: usize = 256;
/// The longest label that a tag keeps, in bytes of UTF-8.
pub(crate) const MOST_IN_TAG: usize = MAX_TAG / 2;
/// What every alias begins with.
const PREFIX: &str = "alias/";
/// What the aliases of AWS's own keys begin with; nobody else may.
const RESERVED: &str = "aws/";
/// The longest alias, in bytes, prefix included.
const MAX_ALIAS: usize = 256;

/// The alias for a label, if there may be such a one (CreateAlias, parameter `AliasName`).
pub(crate) fn alias(label: &str) -> Option<String> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-');
    let fits = (1..=MAX_ALIAS - PREFIX.len()).contains(&label.len());
    (fits && label.chars().all(is_legal) && !label.starts_with(RESERVED)).then(|| format!("{PREFIX}{label}"))
}

/// The label that an alias stands for.
pub(crate) fn of_alias(alias: &str) -> Option<&str> {
    alias.strip_prefix(PREFIX).filter(|label| !label.is_empty())
}

/// Whether an alias is one of AWS's own.
pub(crate) fn is_reserved(alias: &str) -> bool {
    of_alias(alias).is_some_and(|label| label.starts_with(RESERVED))
}

/// A label as the value of the tag.
pub(crate) fn to_tag(label: &str) -> String {
    hex::encode(label)
}

/// The label in a tag's value; `None` for what nobody but others can have written.
pub(crate) fn of_tag(value: &str) -> Option<String> {
    let label = String::from_utf8(hex::decode(value).ok()?).ok()?;
    (!label.is_empty()).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_of_legal_characters_is_an_alias() {
        assert_eq!(alias("ca/root_2026-A").as_deref(), Some("alias/ca/root_2026-A"));
        assert_eq!(alias(&"a".repeat(250)).map(|alias| alias.len()), Some(256));
        for wrong in ["", "aws/ebs", "with space", "schlüssel", "a:b", "a.b", "a+b"] {
            assert_eq!(alias(wrong), None, "{wrong}");
        }
        assert_eq!(alias(&"a".repeat(251)), None);
        assert_eq!(alias("awsome").as_deref(), Some("alias/awsome"));
    }

    #[test]
    fn an_alias_gives_its_label_back() {
        assert_eq!(of_alias("alias/ca/root"), Some("ca/root"));
        assert_eq!(of_alias("alias/"), None);
        assert!(is_reserved("alias/aws/s3") && !is_reserved("alias/awsome"));
    }

    #[test]
    fn any_text_comes_back_from_a_tag_and_nothing_else_does() {
        for label in ["x", "Schlüssel für 署名", "with space"] {
            assert_eq!(of_tag(&to_tag(label)).as_deref(), Some(label));
        }
        assert_eq!(to_tag(&"a".repeat(MOST_IN_TAG)).len(), MAX_TAG);
        for wrong in ["", "6", "6g", "+1", "ff", "hello"] {
            assert_eq!(of_tag(wrong), None, "{wrong}");
        }
    }
}
