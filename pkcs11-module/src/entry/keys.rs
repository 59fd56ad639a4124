// SPDX-License-Identifier: MIT
//! Key management functions (PKCS#11 3.2, section 5.18).

use cryptoki_sys as ck;
use keyenclave_model::error::Result;
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::template::Template;
use keyenclave_model::token::{Answer, Encapsulation, ObjectId, Out, SessionId, Work, Wrapping};

use super::asynchronous::generate;
use super::objects::made;
use super::unexpected;
use crate::abi::values::{Input, Output, Place, RawMechanism, RawTemplate};
use crate::library::{Caller, Library};
use crate::session::activity::Activity;

/// `C_GenerateKey`.
pub fn generate_key(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    template: RawTemplate<'_>,
    mut handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let (caller, mechanism, template) = before_making(lib, session, &mechanism, &template, &handle)?;
    let work = Work::GenerateKey {
        mechanism: &mechanism,
        template: &template,
    };
    handle.set(made(generate(&caller, Activity::GenerateKey, work)?)?);
    Ok(())
}

/// `C_GenerateKeyPair`.
pub fn generate_key_pair(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    public: RawTemplate<'_>,
    private: RawTemplate<'_>,
    mut public_handle: Place<'_, ck::CK_OBJECT_HANDLE>,
    mut private_handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    public_handle.check()?;
    private_handle.check()?;
    let mechanism = caller.mechanism(&mechanism)?;
    let (public, private) = (caller.template(&public)?, caller.template(&private)?);
    let work = Work::GenerateKeyPair {
        mechanism: &mechanism,
        public: &public,
        private: &private,
    };
    let Out::Pair { public, private } = generate(&caller, Activity::GenerateKeyPair, work)? else {
        return Err(unexpected());
    };
    public_handle.set(public.0);
    private_handle.set(private.0);
    Ok(())
}

/// `C_WrapKey`, and with associated data `C_WrapKeyAuthenticated`.
pub fn wrap_key(
    lib: &Library,
    session: SessionId,
    mut mechanism: RawMechanism<'_>,
    (wrapping, key): (ObjectId, ObjectId),
    associated: Option<Input<'_>>,
    mut output: Output<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    output.check()?;
    let authenticated = associated.is_some();
    let wrapping = Wrapping {
        mechanism: &caller.mechanism_for_keys(&mechanism, authenticated, false)?,
        wrapping,
        key,
        associated: bytes(associated.as_ref())?,
    };
    // Only then: there are modules that refuse to tell the length.
    if output.is_query() {
        let most = length(caller.run(Work::WrapLen(wrapping))?)?;
        return output.ask_for(most);
    }
    match caller.run(Work::Wrap(wrapping))? {
        Out::Bytes(wrapped) => hand_out(&wrapped, &mut output),
        Out::Sealed { bytes, params } => {
            hand_out(&bytes, &mut output)?;
            mechanism.answer_wrapping(authenticated, &params);
            Ok(())
        }
        _ => Err(unexpected()),
    }
}

/// `C_UnwrapKey`, and with associated data `C_UnwrapKeyAuthenticated`.
pub fn unwrap_key(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    unwrapping: ObjectId,
    (wrapped, associated): (Input<'_>, Option<Input<'_>>),
    template: RawTemplate<'_>,
    mut handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    handle.check()?;
    let mechanism = caller.mechanism_for_keys(&mechanism, associated.is_some(), true)?;
    let template = caller.template(&template)?;
    let work = Work::Unwrap {
        mechanism: &mechanism,
        unwrapping,
        wrapped: wrapped.bytes()?,
        associated: bytes(associated.as_ref())?,
        template: &template,
    };
    handle.set(made(caller.run(work)?)?);
    Ok(())
}

/// `C_DeriveKey`. Some mechanisms of TLS make several keys and put their handles where their parameter says; the
/// place for a handle may then be null.
pub fn derive_key(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    base: ObjectId,
    template: RawTemplate<'_>,
    mut handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    let (known, template) = (caller.mechanism(&mechanism)?, caller.template(&template)?);
    let work = Work::Derive {
        mechanism: &known,
        base,
        template: &template,
        has_handle: handle.check().is_ok(),
    };
    match caller.run(work)? {
        Out::Done => Ok(()),
        Out::Derived { key, answer } => {
            mechanism.answer(&answer)?;
            if let Answer::Refused { error, .. } = answer {
                return Err(error);
            }
            key.into_iter().for_each(|key| handle.set(key.0));
            Ok(())
        }
        derived => {
            handle.check()?;
            handle.set(made(derived)?);
            Ok(())
        }
    }
}

/// `C_EncapsulateKey`.
pub fn encapsulate_key(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    public: ObjectId,
    template: RawTemplate<'_>,
    mut output: Output<'_>,
    mut handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    output.check()?;
    let encapsulation = Encapsulation {
        mechanism: &caller.mechanism(&mechanism)?,
        public,
        template: &caller.template(&template)?,
    };
    let most = length(caller.run(Work::EncapsulateLen(encapsulation))?)?;
    // Before there is a key.
    if output.is_query() || output.capacity() < most {
        return output.ask_for(most);
    }
    handle.check()?;
    let Out::Encapsulated { ciphertext, key } = caller.run(Work::Encapsulate(encapsulation))? else {
        return Err(unexpected());
    };
    hand_out(&ciphertext, &mut output)?;
    handle.set(key.0);
    Ok(())
}

/// `C_DecapsulateKey`.
pub fn decapsulate_key(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    private: ObjectId,
    template: RawTemplate<'_>,
    ciphertext: Input<'_>,
    mut handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let (caller, mechanism, template) = before_making(lib, session, &mechanism, &template, &handle)?;
    let work = Work::Decapsulate {
        mechanism: &mechanism,
        private,
        ciphertext: ciphertext.bytes()?,
        template: &template,
    };
    handle.set(made(caller.run(work)?)?);
    Ok(())
}

/// What each function that makes one key checks and reads first, in this order.
fn before_making<'l>(
    lib: &'l Library,
    session: SessionId,
    mechanism: &RawMechanism<'_>,
    template: &RawTemplate<'_>,
    handle: &Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<(Caller<'l>, Mechanism, Template)> {
    let caller = lib.session(session)?;
    handle.check()?;
    let (mechanism, template) = (caller.mechanism(mechanism)?, caller.template(template)?);
    Ok((caller, mechanism, template))
}

fn bytes<'a>(input: Option<&'a Input<'_>>) -> Result<Option<&'a [u8]>> {
    input.map(Input::bytes).transpose()
}

fn length(out: Out) -> Result<usize> {
    match out {
        Out::Size(bytes) => usize::try_from(bytes).map_err(|_| unexpected()),
        _ => Err(unexpected()),
    }
}

/// Copies bytes to the application's memory, or says that it is too small for them.
fn hand_out(bytes: &[u8], output: &mut Output<'_>) -> Result<()> {
    let Some(room) = output.buffer().get_mut(..bytes.len()) else {
        return output.ask_for(bytes.len());
    };
    room.copy_from_slice(bytes);
    output.set_len(bytes.len());
    Ok(())
}
