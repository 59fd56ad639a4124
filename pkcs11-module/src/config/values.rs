// SPDX-License-Identifier: MIT
//! From TOML to checked values: a section of the file is held against its rows in the table of settings.
//!
//! Every problem is collected with its place; reading goes on, so that one look at the errors is enough.

use std::ops::Range;

use keyenclave_soft::PinHash;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use super::error::{Problem, nearest, one_of};
use super::settings::{Kind, SECTIONS, Section, Setting};

/// Keys by which people try to write secrets into a configuration, and what there is instead.
const SECRETS: [(&[&str], &str); 2] = [
    (
        &["pin", "user_pin", "so_pin", "password", "passphrase", "secret"],
        "secrets do not belong in the configuration: the application passes the PIN to `C_Login`",
    ),
    (
        &[
            "access_key",
            "access_key_id",
            "secret_key",
            "secret_access_key",
            "session_token",
            "token",
            "aws_access_key_id",
            "aws_secret_access_key",
            "aws_session_token",
            "credentials",
        ],
        "credentials do not belong in the configuration: a slot uses the identity that its process has at AWS (the \
         role of the instance, of the ECS task or of the EKS service account, or what the AWS configuration's \
         `profile` says, such as single sign-on)",
    ),
];

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
    Boolean(bool),
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

    /// Reads one table, which has the settings of these sections. `tables` are the names of tables that may stand in
    /// it beside its settings.
    pub(super) fn values(&mut self, sections: &[&Section], table: &DeTable<'_>, tables: &[&str]) -> Values {
        let mut entries = Vec::new();
        for (key, value) in table {
            let name: &str = key.get_ref().as_ref();
            if tables.contains(&name) {
                continue;
            }
            let mut settings = sections.iter().flat_map(|section| section.settings);
            match settings.find(|setting| setting.name == name) {
                None => self.unknown(sections, name, &key.span(), tables),
                Some(setting) => {
                    if let Some(checked) = self.check(setting, value) {
                        entries.push((*setting, checked, value.span()));
                    }
                }
            }
        }
        Values { entries }
    }

    fn unknown(&mut self, sections: &[&Section], name: &str, span: &Range<usize>, tables: &[&str]) {
        let place = match sections.first() {
            Some(section) if !section.name.is_empty() => format!("in {}", section.heading),
            _ => "at the top of the file".to_owned(),
        };
        let candidates: Vec<_> = sections
            .iter()
            .flat_map(|section| section.settings)
            .map(|setting| setting.name)
            .chain(tables.iter().copied())
            .collect();
        let help = if let Some(instead) = instead_of_secret(name) {
            instead.to_owned()
        } else if let Some((heading, known)) = elsewhere(sections, |known| known == name) {
            format!("`{known}` belongs in {heading}")
        } else if let Some(meant) = nearest(name, &candidates) {
            format!("did you mean `{meant}`?")
        } else if let Some((heading, known)) = elsewhere(sections, |known| nearest(name, &[known]).is_some())
        {
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
            (Kind::Directory, DeValue::String(text)) => path(text, "name a directory"),
            (Kind::File, DeValue::String(text)) => path(text, "name a file"),
            (Kind::Url, DeValue::String(text)) => address(text),
            (Kind::PinHash, DeValue::String(text)) => pin_hash(text),
            (Kind::Boolean, DeValue::Boolean(value)) => Ok(Value::Boolean(*value)),
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
    /// A text, a choice's name, a path, an address or a hash.
    pub(super) fn text(&self, setting: &Setting) -> Option<&str> {
        self.entry(setting).and_then(|(value, _)| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A number.
    pub(super) fn number(&self, setting: &Setting) -> Option<u32> {
        self.entry(setting).and_then(|(value, _)| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, setting: &Setting) -> Option<bool> {
        self.entry(setting).and_then(|(value, _)| match value {
            Value::Boolean(value) => Some(*value),
            _ => None,
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

fn path(text: &str, help: &str) -> Checked {
    if text.is_empty() || text.contains('\0') {
        Err(("this is not a path".to_owned(), help.to_owned()))
    } else if text.starts_with('~') {
        Err((
            "`~` is not replaced by the home directory".to_owned(),
            "write the path in full".to_owned(),
        ))
    } else {
        Ok(Value::Text(text.to_owned()))
    }
}

/// The address of a service. It is never repeated in a message, since people write passwords into addresses.
fn address(text: &str) -> Checked {
    let refused = |fault: &str, help: &str| Err((fault.to_owned(), help.to_owned()));
    let help = "write `https://`, the host, and perhaps a port";
    match Url::parse(text) {
        Err(error) => refused(&format!("this is not an address: {error}"), help),
        Ok(url) if !matches!(url.scheme(), "https" | "http") || !url.has_host() => {
            refused("this is not the address of a web service", help)
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => refused(
            "there is a user name or a password in the address",
            "secrets do not belong in the configuration: name a service or a proxy that needs none",
        ),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            refused("there is a query or a fragment in the address", help)
        }
        Ok(_) => Ok(Value::Text(text.to_owned())),
    }
}

/// The hash of a PIN. It is never repeated in a message.
fn pin_hash(text: &str) -> Checked {
    match PinHash::parse(text) {
        Ok(_) => Ok(Value::Text(text.to_owned())),
        Err(error) => Err((
            error.to_string(),
            "the PIN itself never stands in the file".to_owned(),
        )),
    }
}

/// What there is instead of a secret in the file, if that is what this key is about.
fn instead_of_secret(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase().replace('-', "_");
    let mut kinds = SECRETS.iter().filter(|(keys, _)| keys.contains(&name.as_str()));
    kinds.next().map(|(_, instead)| *instead)
}

/// Where a key like that stands, if not in these sections.
fn elsewhere(sections: &[&Section], like: impl Fn(&str) -> bool) -> Option<(&'static str, &'static str)> {
    let here = |other: &Section| sections.iter().any(|section| section.heading == other.heading);
    let others = SECTIONS.iter().filter(|other| !here(other));
    let mut known =
        others.flat_map(|other| other.settings.iter().map(|setting| (other.heading, setting.name)));
    known.find(|(_, known)| like(known))
}

fn allowed(kind: &Kind) -> String {
    match kind {
        Kind::Choice(names) => format!("write {} in quotation marks", one_of(names)),
        Kind::Number { .. } => format!("write a whole number, {}", kind.values()),
        Kind::Text { .. } => format!("write {} of UTF-8, without control characters", kind.values()),
        Kind::Directory | Kind::File => "write a path in quotation marks".to_owned(),
        Kind::Boolean => "write `true` or `false`, without quotation marks".to_owned(),
        Kind::Url | Kind::PinHash => format!("write {} in quotation marks", kind.values()),
    }
}

/// The beginning of what somebody wrote, safe to print on one line.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}
