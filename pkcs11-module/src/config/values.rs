// SPDX-License-Identifier: MIT
//! From TOML to checked values: a section of the file is held against its rows in the table of settings.
//!
//! Every problem is collected with its place; reading goes on, so that one look at the errors is enough.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problem, nearest, one_of};
use super::settings::{Kind, SECTIONS, Section, Setting};

/// Keys by which people try to write secrets into a configuration.
const SECRETS: [&str; 6] = ["pin", "user_pin", "so_pin", "password", "passphrase", "secret"];

/// A file under examination.
pub(super) struct Reader<'t> {
    text: &'t str,
    /// What was found wrong so far.
    pub(super) problems: Vec<Problem>,
}

/// The checked values of one section, each with its place.
pub(super) struct Values {
    entries: Vec<(&'static Setting, Value, Range<usize>)>,
}

/// A value that its row allows.
enum Value {
    Text(String),
    Number(u32),
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            problems: Vec::new(),
        }
    }

    /// What is being read.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Notes a problem at a place.
    pub(super) fn refuse(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem::at(self.text, span, message, help));
    }

    /// Reads one section. `sections` are the names of tables that may stand in it beside its settings.
    pub(super) fn values(&mut self, section: &Section, table: &DeTable<'_>, sections: &[&str]) -> Values {
        let mut entries = Vec::new();
        for (key, value) in table {
            let name: &str = key.get_ref().as_ref();
            if sections.contains(&name) {
                continue;
            }
            match section.settings.iter().find(|setting| setting.name == name) {
                None => self.unknown(section, name, &key.span(), sections),
                Some(setting) => {
                    if let Some(checked) = self.check(setting, value) {
                        entries.push((*setting, checked, value.span()));
                    }
                }
            }
        }
        Values { entries }
    }

    fn unknown(&mut self, section: &Section, name: &str, span: &Range<usize>, sections: &[&str]) {
        let known: Vec<_> = section.settings.iter().map(|setting| setting.name).collect();
        let place = match section.name {
            "" => "at the top of the file".to_owned(),
            _ => format!("in {}", section.heading),
        };
        let others = SECTIONS.iter().filter(|other| other.name != section.name);
        let elsewhere =
            others.flat_map(|other| other.settings.iter().map(move |setting| (other, setting.name)));
        let elsewhere = elsewhere.map(|(other, known)| (other, nearest(name, &[known])));
        let elsewhere = elsewhere
            .filter_map(|(other, known)| known.map(|known| (other.heading, known)))
            .next();
        let candidates: Vec<_> = known.iter().chain(sections).copied().collect();
        let help = if SECRETS.contains(&name.to_lowercase().as_str()) {
            "secrets do not belong in the configuration: the application passes the PIN to `C_Login`"
                .to_owned()
        } else if let Some(meant) = nearest(name, &candidates) {
            format!("did you mean `{meant}`?")
        } else if let Some((heading, known)) = elsewhere {
            format!("`{known}` belongs in {heading}")
        } else {
            format!("known here: {}", one_of(&candidates))
        };
        self.refuse(
            span,
            format!("unknown setting `{}` {place}", shortened(name)),
            help,
        );
    }

    fn check(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let Setting { name, kind, .. } = setting;
        let outcome = match (kind, value.get_ref()) {
            (Kind::Choice(names), DeValue::String(text)) => choice(names, text),
            (Kind::Text { max_bytes }, DeValue::String(text)) => plain_text(text, *max_bytes),
            (Kind::Directory, DeValue::String(text)) => directory(text),
            (Kind::Number { min, max }, DeValue::Integer(number)) => {
                let parsed = u32::from_str_radix(number.as_str(), number.radix()).ok();
                let in_range = parsed.filter(|parsed| (min..=max).contains(&parsed));
                in_range
                    .map(Value::Number)
                    .ok_or((format!("{number} is out of range"), allowed(kind)))
            }
            (_, other) => Err((format!("this is of type {}", other.type_str()), allowed(kind))),
        };
        outcome
            .map_err(|(fault, help)| self.refuse(&value.span(), format!("`{name}`: {fault}"), help))
            .ok()
    }
}

impl Values {
    /// A text, a choice's name or a path.
    pub(super) fn text(&self, setting: &Setting) -> Option<&str> {
        self.entry(setting).and_then(|(value, _)| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Number(_) => None,
        })
    }

    /// A number.
    pub(super) fn number(&self, setting: &Setting) -> Option<u32> {
        self.entry(setting).and_then(|(value, _)| match value {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
        })
    }

    /// Where the value stands.
    pub(super) fn span(&self, setting: &Setting) -> Option<Range<usize>> {
        self.entry(setting).map(|(_, span)| span.clone())
    }

    fn entry(&self, setting: &Setting) -> Option<(&Value, &Range<usize>)> {
        let entry = self.entries.iter().find(|(row, ..)| row.name == setting.name);
        entry.map(|(_, value, span)| (value, span))
    }
}

/// A value, or what is wrong with it and what to do.
type Checked = Result<Value, (String, String)>;

fn choice(names: &[&str], text: &str) -> Checked {
    if names.contains(&text) {
        return Ok(Value::Text(text.to_owned()));
    }
    let meant = nearest(text, names)
        .map(|meant| format!("did you mean `{meant}`? "))
        .unwrap_or_default();
    Err((
        format!("`{}` is not available", shortened(text)),
        format!("{meant}there is {}", one_of(names)),
    ))
}

fn plain_text(text: &str, max_bytes: usize) -> Checked {
    let help = allowed(&Kind::Text { max_bytes });
    match text {
        "" => Err(("the text is empty".to_owned(), help)),
        _ if text.len() > max_bytes => Err((format!("the text has {} bytes", text.len()), help)),
        _ if text.chars().any(char::is_control) => Err(("the text has control characters".to_owned(), help)),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn directory(text: &str) -> Checked {
    if text.is_empty() || text.contains('\0') {
        Err(("this is not a path".to_owned(), "name a directory".to_owned()))
    } else if text.starts_with('~') {
        Err((
            "`~` is not replaced by the home directory".to_owned(),
            "write the path in full".to_owned(),
        ))
    } else {
        Ok(Value::Text(text.to_owned()))
    }
}

fn allowed(kind: &Kind) -> String {
    match kind {
        Kind::Choice(names) => format!("write {} in quotation marks", one_of(names)),
        Kind::Number { .. } => format!("write a whole number, {}", kind.values()),
        Kind::Text { .. } => format!("write {} of UTF-8, without control characters", kind.values()),
        Kind::Directory => "write a path in quotation marks".to_owned(),
    }
}

/// The beginning of what somebody wrote, safe to print on one line.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}
