// SPDX-License-Identifier: MIT
//! What can go wrong between a client and a key service, and when.

use super::message::Message;
use serde_json::Value;
use std::time::Duration;

/// One way of going wrong. Those that say so have done what was asked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Never answered, not done.
    Hang,
    /// Done, but never answered.
    Silent,
    /// Done and answered, this much later.
    Slow(Duration),
    /// Done and answered, but not before [`super::Proxy::release`].
    Held,
    /// 400 with `ThrottlingException`, not done.
    Throttled,
    /// 429 with `Retry-After` in seconds, not done.
    TooMany(u32),
    /// A bare status such as 500 or 503, not done.
    Status(u16),
    /// 400 with this code, such as `ExpiredTokenException`, not done.
    Refused(&'static str),
    /// TCP reset when the head has come, not done.
    Reset,
    /// Done, then TCP reset instead of the answer.
    Lost,
    /// Done, but the answer ends in the middle of its body.
    Truncated,
    /// Done, but the answer's body is no JSON.
    Garbage,
    /// Done and answered, but wrongly.
    Lying(Lie),
    /// Done and answered; then the connection is closed without a word.
    Closing,
}

/// A well-formed answer to another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// The signature of another message, by the right key.
    OtherMessage,
    /// The right signature, said to be another key's.
    OtherKey,
    /// The signature without its last bytes.
    CutSignature,
}

impl Fault {
    /// The answer of one that is not done, where there is an answer.
    pub(super) fn answer(self) -> Option<Message> {
        match self {
            Self::Throttled => Some(Message::refusal(400, "ThrottlingException")),
            Self::TooMany(seconds) => {
                let answer = Message::refusal(429, "TooManyRequestsException");
                Some(answer.with("Retry-After", &seconds.to_string()))
            }
            Self::Status(status) => Some(Message::answer(status, "{}")),
            Self::Refused(code) => Some(Message::refusal(400, code)),
            _ => None,
        }
    }
}

impl Lie {
    /// Changes what goes to the service.
    pub(super) fn ask(self, request: &mut Message) {
        if self == Self::OtherMessage {
            // The first character of the base64 text: another message of the same length.
            edit(request, "Message", |text| {
                let first = if text.starts_with('A') { "B" } else { "A" };
                text.replace_range(..1, first);
            });
        }
    }

    /// Changes what comes from it.
    pub(super) fn tell(self, answer: &mut Message) {
        match self {
            Self::OtherMessage => {}
            Self::OtherKey => edit(answer, "KeyId", |text| {
                let start = text.len() - 4;
                let end = if text.ends_with("0000") { "1111" } else { "0000" };
                text.replace_range(start.., end);
            }),
            // Four characters of base64 are up to three bytes.
            Self::CutSignature => edit(answer, "Signature", |text| text.truncate(text.len() - 4)),
        }
    }
}

fn edit(message: &mut Message, name: &str, change: impl FnOnce(&mut String)) {
    let Ok(mut value) = serde_json::from_slice::<Value>(&message.body) else {
        return;
    };
    if let Some(Value::String(text)) = value.get_mut(name) {
        change(text);
    }
    message.body = value.to_string().into_bytes();
}

/// Which requests a fault is for. Calls are counted from 1, from when the rule was made, and only those that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct On {
    operation: Option<String>,
    calls: (u64, u64),
}

impl On {
    /// Every request.
    pub fn all() -> Self {
        Self {
            operation: None,
            calls: (1, u64::MAX),
        }
    }

    /// Every request for this operation, such as `Sign`.
    pub fn the(operation: &str) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            ..Self::all()
        }
    }

    /// Of these only the `number`-th.
    pub fn call(self, number: u64) -> Self {
        Self {
            calls: (number, number),
            ..self
        }
    }

    /// Of these only the first `count`.
    pub fn first(self, count: u64) -> Self {
        Self {
            calls: (1, count),
            ..self
        }
    }
}

/// A fault with its condition, and how often that was met.
#[derive(Debug)]
pub(super) struct Rule {
    on: On,
    seen: u64,
    fault: Fault,
}

impl Rule {
    pub(super) fn new(on: On, fault: Fault) -> Self {
        Self { on, seen: 0, fault }
    }

    /// The fault, if it is this request's turn. Counts the request.
    pub(super) fn judge(&mut self, operation: &str) -> Option<Fault> {
        if self
            .on
            .operation
            .as_deref()
            .is_some_and(|wanted| wanted != operation)
        {
            return None;
        }
        self.seen += 1;
        let (first, last) = self.on.calls;
        (first..=last).contains(&self.seen).then_some(self.fault)
    }
}
