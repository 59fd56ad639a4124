// SPDX-License-Identifier: MIT
//! Signing and verifying files of any size.
//!
//! Small files go in one call, which every module supports for every mechanism; large ones in parts. Modules that have
//! ECDSA without a hash only are given the hash that they made before.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cryptoki_sys as ck;

use crate::failure::Failure;
use crate::loader::{Mechanism, Parameter, Returned};
use crate::mechanism::SignMechanism;
use crate::token::Session;

/// How much of a file is handed to the module at a time, in bytes.
const PART: usize = 1 << 16;
/// More than any signature or digest has, in bytes: RSA-8192 has 1,024.
const ROOM: usize = 2048;

/// A file or standard input, read in parts.
pub struct Input {
    path: PathBuf,
    from: Box<dyn Read>,
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be read.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let from: Box<dyn Read> = if is_standard(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| Failure::file("read", path, &error))?)
        };
        Ok(Self {
            path: path.to_owned(),
            from,
        })
    }

    /// The next part; shorter than [`PART`] only at the end.
    fn part(&mut self) -> Result<Vec<u8>, Failure> {
        let mut part = Vec::new();
        let read = self.from.by_ref().take(PART as u64).read_to_end(&mut part);
        read.map_err(|error| Failure::file("read", &self.path, &error))?;
        Ok(part)
    }

    /// Hands the input over: in one call of `whole` where it is small, else in calls of `part` and one of `end`.
    fn hand_over<T>(
        &mut self,
        whole: impl FnOnce(&[u8]) -> Returned<T>,
        part: impl Fn(&[u8]) -> Returned<()>,
        end: impl FnOnce() -> Returned<T>,
    ) -> Result<T, Failure> {
        let mut bytes = self.part()?;
        if bytes.len() < PART {
            return Ok(whole(&bytes)?);
        }
        while !bytes.is_empty() {
            part(&bytes)?;
            bytes = self.part()?;
        }
        Ok(end()?)
    }
}

/// `-`: standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Signs the input. The signature is as PKCS#11 has it.
///
/// # Errors
/// The module's refusal, or that of reading.
pub fn sign(
    session: &Session<'_>,
    mechanism: SignMechanism,
    key: ck::CK_OBJECT_HANDLE,
    input: &mut Input,
) -> Result<Vec<u8>, Failure> {
    let (module, handle) = (session.module(), session.handle);
    if let Some(digest) = hashed(session, mechanism, input)? {
        module.sign_init(handle, BARE_ECDSA, key)?;
        return Ok(module.sign(handle, &digest, ROOM)?);
    }
    module.sign_init(handle, mechanism.mechanism(), key)?;
    input.hand_over(
        |whole| module.sign(handle, whole, ROOM),
        |part| module.sign_update(handle, part),
        || module.sign_final(handle, ROOM),
    )
}

/// Verifies a signature of the input, which is as PKCS#11 has it.
///
/// # Errors
/// The module's refusal, for one when the signature is not valid, or that of reading.
pub fn verify(
    session: &Session<'_>,
    mechanism: SignMechanism,
    key: ck::CK_OBJECT_HANDLE,
    input: &mut Input,
    signature: &[u8],
) -> Result<(), Failure> {
    let (module, handle) = (session.module(), session.handle);
    if let Some(digest) = hashed(session, mechanism, input)? {
        module.verify_init(handle, BARE_ECDSA, key)?;
        return Ok(module.verify(handle, &digest, signature)?);
    }
    module.verify_init(handle, mechanism.mechanism(), key)?;
    input.hand_over(
        |whole| module.verify(handle, whole, signature),
        |part| module.verify_update(handle, part),
        || module.verify_final(handle, signature),
    )
}

/// ECDSA of a digest that was made before.
const BARE_ECDSA: Mechanism = Mechanism {
    kind: ck::CKM_ECDSA,
    parameter: Parameter::None,
};

/// The input's digest by the module, where the mechanism is ECDSA with a hash and the module has no such one.
fn hashed(
    session: &Session<'_>,
    mechanism: SignMechanism,
    input: &mut Input,
) -> Result<Option<Vec<u8>>, Failure> {
    let hash = match mechanism {
        SignMechanism::EcdsaSha256 => ck::CKM_SHA256,
        SignMechanism::EcdsaSha384 => ck::CKM_SHA384,
        SignMechanism::EcdsaSha512 => ck::CKM_SHA512,
        _ => return Ok(None),
    };
    let (module, handle) = (session.module(), session.handle);
    if module
        .mechanisms(session.slot)?
        .contains(&mechanism.mechanism().kind)
    {
        return Ok(None);
    }
    module.digest_init(handle, hash)?;
    let digest = input.hand_over(
        |whole| module.digest(handle, whole, ROOM),
        |part| module.digest_update(handle, part),
        || module.digest_final(handle, ROOM),
    );
    digest.map(Some)
}
