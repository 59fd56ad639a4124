// SPDX-License-Identifier: MIT
//! Pages: the service's `Limit`, `Marker`, `Truncated` and `NextMarker`, which the emulator does not know.

use super::message::Message;
use serde_json::{Value, json};

/// Operations that list, and where the list is in their answers.
const LISTS: &[(&str, &str)] = &[
    ("ListKeys", "Keys"),
    ("ListAliases", "Aliases"),
    ("ListResourceTags", "Tags"),
];

/// What the service gives at once when nobody says otherwise (KMS API reference, `Limit`).
const USUAL: usize = 100;

/// The emulator's `Limit` that gives everything.
const EVERYTHING: usize = 1_000_000;

const MARKER: &str = "from-";

/// One page that is asked for.
pub(super) struct Page {
    list: &'static str,
    start: usize,
    length: usize,
}

impl Page {
    /// The page that `request` asks for, at most `most` entries long; rewrites the request to ask for everything.
    /// `None` where it lists nothing.
    ///
    /// # Errors
    /// The refusal, for a marker that nobody gave.
    pub(super) fn take(request: &mut Message, most: usize) -> Result<Option<Self>, Message> {
        let operation = request.operation();
        let Some((_, list)) = LISTS.iter().find(|(name, _)| *name == operation) else {
            return Ok(None);
        };
        let mut asked: Value = serde_json::from_slice(&request.body).unwrap_or_else(|_| json!({}));
        let limit = asked.get("Limit").and_then(Value::as_u64);
        let limit = limit.map_or(USUAL, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let start = match asked.get("Marker").and_then(Value::as_str) {
            None => Some(0),
            Some(marker) => marker.strip_prefix(MARKER).and_then(|text| text.parse().ok()),
        };
        let start = start.ok_or_else(|| Message::refusal(400, "InvalidMarkerException"))?;
        if let Some(asked) = asked.as_object_mut() {
            asked.remove("Marker");
            asked.insert("Limit".to_owned(), json!(EVERYTHING));
        }
        request.body = asked.to_string().into_bytes();
        Ok(Some(Self {
            list,
            start,
            length: limit.min(most),
        }))
    }

    /// Cuts the page out of an answer with everything.
    pub(super) fn cut(self, answer: &mut Message) {
        let Ok(mut whole) = serde_json::from_slice::<Value>(&answer.body) else {
            return;
        };
        let Some(entries) = whole.get_mut(self.list).and_then(Value::as_array_mut) else {
            return;
        };
        let end = self.start + self.length;
        let more = entries.len() > end;
        *entries = entries.drain(..).skip(self.start).take(self.length).collect();
        whole["Truncated"] = json!(more);
        if more {
            whole["NextMarker"] = json!(format!("{MARKER}{end}"));
        }
        answer.body = whole.to_string().into_bytes();
    }
}
