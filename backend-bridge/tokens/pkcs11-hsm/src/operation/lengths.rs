// SPDX-License-Identifier: MIT
//! How long an operation's output is: known of the mechanism, told by the vendor before, asked, or as much as it may be.

use cryptoki_sys as ck;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{Mechanism, MechanismRow, ParamShape};
use keyenclave_model::token::{OperationClass, Out, Part};

use super::VendorOperation;
use crate::core::Core;
use crate::ffi::{Answer, Session};
use crate::given::parameter;
use crate::heal::outward;
use crate::objects::Entry;
use crate::params::{OwnParameter, output_len};
use crate::pool::Lease;

impl VendorOperation {
    /// As long as the vendor says that the next output is, or as it can be.
    #[inline(never)]
    pub(super) fn asked_len(&self, part: Part) -> Result<usize> {
        if self.core.size_query_ends() {
            return Ok(self.longest(part));
        }
        match self.ask(part) {
            Ok(len) => {
                self.note_length(len);
                Ok(len)
            }
            // The call itself will tell, or begin again.
            Err(_) if !self.started && self.late.get().is_none() => Ok(self.longest(part)),
            Err(error) => Err(outward(error)),
        }
    }

    fn ask(&self, part: Part) -> Result<usize> {
        let class = self.class;
        let len = self.in_time(move |core, session| {
            let len = ask(core, session, class, part)?;
            Ok(Out::Size(len as u64))
        });
        match len? {
            Out::Size(len) => usize::try_from(len).map_err(|_| Rv::DeviceError.into()),
            _ => Err(Rv::GeneralError.into()),
        }
    }

    pub(super) fn mechanism(&self) -> Option<(ck::CK_MECHANISM_TYPE, &[u8])> {
        let begun = self.begun.as_ref()?;
        let parameter = begun.parameter.as_ref();
        Some((begun.id, parameter.map_or(&[], OwnParameter::bytes)))
    }

    /// What is known of an output's length without asking the vendor.
    pub(crate) fn known_len(&self, part: Part) -> Option<usize> {
        use OperationClass::*;
        match (part, self.class) {
            (Part::Single(input), Encrypt | Decrypt) => {
                let (id, parameter) = self.mechanism()?;
                let exact = output_len(self.class, id, parameter, input);
                exact
                    .or((self.class == Decrypt).then_some(input))
                    .or_else(|| self.told_len())
            }
            (Part::Single(_) | Part::Finish, Sign) => self.told_len(),
            (Part::Finish, Encrypt) => {
                let (id, parameter) = self.mechanism()?;
                output_len(Encrypt, id, parameter, self.pending?)
            }
            (Part::Single(_) | Part::Finish, Digest) => {
                let (id, _) = self.mechanism()?;
                Hash::from_mechanism(id).map(Hash::output_len)
            }
            (Part::Single(input), VerifyRecover) => Some(input),
            (Part::Finish, Decrypt) => self.pending,
            (Part::Update(_), Digest | Sign | Verify) => Some(0),
            _ => None,
        }
    }

    /// What the vendor has said of the key and the mechanism before.
    fn told_len(&self) -> Option<usize> {
        let (id, parameter) = self.mechanism()?;
        let tells = tells_length(self.class, id, parameter);
        self.key.as_ref().filter(|_| tells)?.length(id)
    }

    /// Takes note of what the vendor has said, where that holds for the key and the mechanism.
    pub(super) fn note_length(&self, len: usize) {
        if let (Some(key), Some((id, parameter))) = (&self.key, self.mechanism())
            && tells_length(self.class, id, parameter)
        {
            key.note_length(id, len);
        }
    }

    /// The most that it can be, for modules that must not be asked.
    pub(super) fn longest(&self, part: Part) -> usize {
        let pending = self.pending.unwrap_or(LONGEST_BLOCK);
        match part {
            // No more comes out than went in: padding and tags are at the end.
            Part::Update(len) => pending.saturating_add(len),
            Part::Single(len) => longest(self.class, pending.saturating_add(len)),
            Part::Finish => longest(self.class, pending),
        }
    }
}

/// The most that comes out of so many bytes.
pub(crate) fn longest(class: OperationClass, input: usize) -> usize {
    match class {
        OperationClass::Sign | OperationClass::SignRecover | OperationClass::Digest => LONGEST_SIGNATURE,
        _ => input.max(LONGEST_BLOCK).saturating_add(LONGEST_BLOCK),
    }
}

/// Signatures are no longer than this: SLH-DSA's, in bytes.
const LONGEST_SIGNATURE: usize = 49_856;
/// More than padding and tags add: an RSA modulus, in bytes.
const LONGEST_BLOCK: usize = 2048;

/// An asynchronous session must not wait for a length when it signs or encrypts. It waits when the operation begins:
/// then the vendor is asked for those lengths that do not depend on the data.
pub(super) fn learn_length(
    core: &Core,
    lease: &Lease,
    class: OperationClass,
    mechanism: &Mechanism,
    key: &Entry,
) {
    let id = mechanism.id();
    let parameter = parameter(mechanism).unwrap_or_default();
    if !tells_length(class, id, parameter) || core.size_query_ends() || key.length(id).is_some() {
        return;
    }
    if let Ok(len) = ask(core, lease.session, class, Part::Single(0)) {
        key.note_length(id, len);
    }
}

/// Whether a length is the key's and the mechanism's, whatever the data.
pub(super) fn tells_length(class: OperationClass, id: ck::CK_MECHANISM_TYPE, parameter: &[u8]) -> bool {
    match class {
        // Another parameter may say how long a signature is.
        OperationClass::Sign => parameter.is_empty() || has_length_of_key(id),
        // As long as the modulus.
        OperationClass::Encrypt => {
            matches!(id, ck::CKM_RSA_PKCS | ck::CKM_RSA_X_509 | ck::CKM_RSA_PKCS_OAEP)
        }
        _ => false,
    }
}

/// Whether the length of a signature is the key's, whatever the parameter says.
fn has_length_of_key(id: ck::CK_MECHANISM_TYPE) -> bool {
    use ParamShape::{EdDsa, HashSignContext, Pss, SignContext};
    let row = MechanismRow::find(id);
    row.is_ok_and(|row| matches!(row.params, Pss | EdDsa | SignContext | HashSignContext))
}

/// The bytes do not matter for a length: only how many there are.
fn ask(core: &Core, session: Session, class: OperationClass, part: Part) -> Answer<usize> {
    core.call(|module| match part {
        Part::Single(len) => with_zeros(len, |zeros| module.single(session, class, zeros, None)),
        Part::Update(len) => with_zeros(len, |zeros| module.update(session, class, zeros, None)),
        Part::Finish => module.finish(session, class, None),
    })
}

fn with_zeros<T>(len: usize, ask: impl FnOnce(&[u8]) -> T) -> T {
    static ZEROS: [u8; 4096] = [0; 4096];
    match ZEROS.get(..len) {
        Some(zeros) => ask(zeros),
        None => ask(&vec![0; len]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_signature_is_the_keys_unless_the_parameter_says_it() {
        // As long as CK_TLS_MAC_PARAMS, which has the length in it, and CK_RSA_PKCS_PSS_PARAMS, which has not.
        let parameter = [0; size_of::<ck::CK_TLS_MAC_PARAMS>()];
        assert_eq!(parameter.len(), size_of::<ck::CK_RSA_PKCS_PSS_PARAMS>());
        let tells = |id, parameter: &[u8]| tells_length(OperationClass::Sign, id, parameter);
        assert!(!tells(ck::CKM_TLS_MAC, &parameter));
        assert!(!tells(ck::CKM_VENDOR_DEFINED, &parameter));
        assert!(tells(ck::CKM_SHA256_RSA_PKCS_PSS, &parameter));
        assert!(tells(ck::CKM_EDDSA, &parameter));
        assert!(tells(ck::CKM_RSA_PKCS, &[]));
    }
}
