// SPDX-License-Identifier: MIT
//! HTTP/1.1 messages with a length, as the key service's protocol has them: no chunks, no upgrades.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// More header lines than anybody sends here.
const MOST_HEADERS: usize = 64;

/// A request or an answer.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The request line or the status line.
    pub(super) start: String,
    /// Names as they came, and values.
    pub(super) headers: Vec<(String, String)>,
    /// The body, whole.
    pub(super) body: Vec<u8>,
}

impl Message {
    /// An answer of the key service with this status.
    pub(super) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let kind = ("Content-Type".to_owned(), "application/x-amz-json-1.1".to_owned());
        let id = ("x-amzn-requestid".to_owned(), "made-by-the-proxy".to_owned());
        Self {
            start: format!("HTTP/1.1 {status} Status"),
            headers: vec![kind, id],
            body: body.into(),
        }
    }

    /// A refusal in the service's words: `code` such as `ThrottlingException`.
    pub(super) fn refusal(status: u16, code: &str) -> Self {
        let body = format!("{{\"__type\": \"{code}\", \"message\": \"made by the proxy\"}}");
        Self::answer(status, body)
    }

    /// With one more header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// What is asked for: the last part of `X-Amz-Target`, or the request line where there is none.
    pub(super) fn operation(&self) -> &str {
        let target = self.header("x-amz-target").unwrap_or(&self.start);
        target.rsplit('.').next().unwrap_or(target)
    }

    /// Whether its sender wants the connection closed after the answer.
    pub(super) fn is_last(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// Whether an answer says that all went well.
    pub(super) fn is_success(&self) -> bool {
        self.start.split(' ').nth(1) == Some("200")
    }

    /// As it goes over the wire. The length is the body's own, whatever a header says.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let lines = self
            .headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
        let lines: String = lines
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "{}\r\n{lines}Content-Length: {}\r\n\r\n",
            self.start,
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }

    /// The next message's head; `None` at the end of the stream. `held` keeps what came too early.
    pub(super) async fn read_head(
        stream: &mut (impl AsyncRead + Unpin),
        held: &mut Vec<u8>,
    ) -> io::Result<Option<Self>> {
        loop {
            if let Some(message) = Self::split_head(held)? {
                return Ok(Some(message));
            }
            if stream.read_buf(held).await? == 0 {
                return if held.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// The rest of the message.
    pub(super) async fn read_body(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        held: &mut Vec<u8>,
    ) -> io::Result<()> {
        let length = self
            .header("content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        while held.len() < length {
            if stream.read_buf(held).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.body = held.drain(..length).collect();
        Ok(())
    }

    fn split_head(held: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some(line) = held.windows(2).position(|pair| pair == b"\r\n") else {
            return Ok(None);
        };
        let mut room = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let parsed = httparse::parse_headers(&held[line + 2..], &mut room)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let httparse::Status::Complete((length, headers)) = parsed else {
            return Ok(None);
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let message = Self {
            start: text(&held[..line]),
            headers: headers
                .iter()
                .map(|header| (header.name.to_owned(), text(header.value)))
                .collect(),
            body: Vec::new(),
        };
        held.drain(..line + 2 + length);
        Ok(Some(message))
    }
}
