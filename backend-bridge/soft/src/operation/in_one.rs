// SPDX-License-Identifier: MIT
//! Encryption that takes a message in one piece: its parts are held, and come out at its end.

use keyenclave_model::error::Result;
use keyenclave_model::gathered::Gathered;
use keyenclave_model::token::{CallCx, End, Operation, OutputLen, Part, Step};

use super::{output, ready, written};

/// What is done to a message in one piece.
pub(super) trait Piece {
    /// How long the output for a message is, in bytes.
    ///
    /// # Errors
    /// `CKR_DATA_LEN_RANGE`, `CKR_ENCRYPTED_DATA_LEN_RANGE`: no message has this length.
    fn output_len(&self, input: usize) -> Result<usize>;

    /// Whether a message may have so many bytes and more.
    ///
    /// # Errors
    /// As for the length.
    fn check_part(&self, _so_far: usize) -> Result<()> {
        Ok(())
    }

    /// Encrypts or decrypts; how many bytes came out.
    ///
    /// # Errors
    /// As for the length; what the cryptography answers.
    fn run(&self, input: &[u8], out: &mut [u8]) -> Result<usize>;
}

/// One message.
pub(super) struct InOne<P> {
    piece: P,
    message: Gathered,
}

impl<P: Piece + Send + Sync + 'static> InOne<P> {
    /// Starts a message.
    pub(super) fn begin(piece: P) -> Box<dyn Operation> {
        Box::new(Self {
            piece,
            message: Gathered::default(),
        })
    }
}

impl<P: Piece + Send + Sync> Operation for InOne<P> {
    fn output_len(&self, part: Part) -> Result<OutputLen> {
        let len = match part {
            Part::Single(len) => self.piece.output_len(len)?,
            Part::Update(_) => 0,
            Part::Finish => self.piece.output_len(self.message.len())?,
        };
        Ok(OutputLen::Exact(len))
    }

    fn single(self: Box<Self>, _cx: &CallCx, input: &[u8], end: End<'_>) -> Step {
        ready(written(output(end).and_then(|out| self.piece.run(input, out))))
    }

    fn update(&mut self, _cx: &CallCx, input: &[u8], _out: &mut [u8]) -> Result<usize> {
        self.piece
            .check_part(self.message.len().saturating_add(input.len()))?;
        self.message.extend(input).map(|()| 0)
    }

    fn finish(self: Box<Self>, _cx: &CallCx, end: End<'_>) -> Step {
        ready(written(
            output(end).and_then(|out| self.piece.run(&self.message, out)),
        ))
    }
}
