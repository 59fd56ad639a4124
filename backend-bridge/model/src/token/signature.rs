// SPDX-License-Identifier: MIT
//! Verifications that have their signature from the beginning, made of those that are given it at the end.
//!
//! Apart from the operations because it is one of no token: it stands before the operation of any.

use std::time::Instant;

use super::{CallCx, End, Operation, Out, OutputLen, Part, Pending, Step};
use crate::error::{Error, Result, Rv};

/// An operation of the class [`Verify`](super::OperationClass::Verify), with the signature that it is to be given at
/// its end: the answer to [`Work::BeginVerifySignature`](super::Work::BeginVerifySignature).
pub fn with_signature(operation: Box<dyn Operation>, signature: &[u8]) -> Box<dyn Operation> {
    let signature = signature.to_vec();
    Box::new(Keeping { operation, signature })
}

/// The same of the answer to [`Work::Begin`](super::Work::Begin), which may be under way.
pub fn step_with_signature(begun: Step, signature: &[u8]) -> Step {
    match begun {
        Step::Ready(begun) => begun.and_then(|begun| keeping(begun, signature)).into(),
        Step::Pending(begun) => {
            let signature = signature.to_vec();
            Step::Pending(Box::new(Beginning { begun, signature }))
        }
    }
}

fn keeping(begun: Out, signature: &[u8]) -> Result<Out> {
    match begun {
        Out::Operation(operation) => Ok(Out::Operation(with_signature(operation, signature))),
        _ => Err(Error::new(Rv::GeneralError, "no operation has begun")),
    }
}

struct Keeping {
    operation: Box<dyn Operation>,
    signature: Vec<u8>,
}

impl Operation for Keeping {
    fn output_len(&self, _part: Part) -> Result<OutputLen> {
        Ok(OutputLen::Exact(0))
    }

    fn single(self: Box<Self>, cx: &CallCx, input: &[u8], _end: End<'_>) -> Step {
        self.operation.single(cx, input, End::Signature(&self.signature))
    }

    fn update(&mut self, cx: &CallCx, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.operation.update(cx, input, out)
    }

    fn finish(self: Box<Self>, cx: &CallCx, _end: End<'_>) -> Step {
        self.operation.finish(cx, End::Signature(&self.signature))
    }
}

/// An operation that has not begun yet.
struct Beginning {
    begun: Box<dyn Pending>,
    signature: Vec<u8>,
}

impl Pending for Beginning {
    fn poll(&mut self) -> Option<Result<Out>> {
        let begun = self.begun.poll()?;
        Some(begun.and_then(|begun| keeping(begun, &self.signature)))
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Out>> {
        let begun = self.begun.wait(deadline)?;
        Some(begun.and_then(|begun| keeping(begun, &self.signature)))
    }

    fn cancel(self: Box<Self>) {
        self.begun.cancel();
    }
}
