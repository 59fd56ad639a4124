// SPDX-License-Identifier: MIT
//! `C_EncapsulateKey` and `C_DecapsulateKey`: a secret key that two sides make of one ciphertext (ML-KEM).

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::access::{check_making, demanded};
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::object::{Ancestry, Object, Origin};
use keyenclave_model::post_quantum::SHARED_SECRET_LEN;
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, Encapsulation, ObjectId, Out};

use crate::derive::{Planned, complete};
use crate::engine::Engine;
use crate::error::Doing;
use crate::keys::Key;
use crate::login::Sealers;
use crate::objects;
use crate::opened::Opened;
use crate::store::Store;

impl<S: Store, K: Sealers> Engine<S, K> {
    /// How long the ciphertext of `C_EncapsulateKey` is, in bytes.
    pub(crate) fn encapsulate_len(&self, cx: &CallCx, what: &Encapsulation<'_>) -> Result<usize> {
        let opened = self.sender(cx, what)?;
        match &*opened.ready_key()? {
            Key::MlKemPublic(key) => Ok(key.set().output_len),
            _ => Err(Rv::KeyHandleInvalid.into()),
        }
    }

    /// `C_EncapsulateKey`.
    pub(crate) fn encapsulate(&self, cx: &CallCx, what: &Encapsulation<'_>) -> Result<Out> {
        let opened = self.sender(cx, what)?;
        let planned = plan(cx, &completed(what.template))?;
        let key = opened.ready_key()?;
        let Key::MlKemPublic(key) = &*key else {
            return Err(Rv::KeyHandleInvalid.into());
        };
        let ticket = self.session.ticket(cx.session);
        let mut ciphertext = vec![0; key.set().output_len];
        let (len, secret) = key
            .encapsulate(&mut ciphertext)
            .map_err(|error| Doing::Internal.failed(error))?;
        ciphertext.truncate(len);
        let (object, key) = planned.fill(secret)?;
        // Now that the object says all of itself, its length too.
        if let Some(Value::Template(wanted)) = opened.object.get(ck::CKA_ENCAPSULATE_TEMPLATE)
            && !object.has(wanted)
        {
            return Err(Error::new(
                Rv::KeyHandleInvalid,
                "the new key is not what the public key's CKA_ENCAPSULATE_TEMPLATE allows",
            ));
        }
        let [key] = self.add(&ticket, [(object, key)])?;
        Ok(Out::Encapsulated { ciphertext, key })
    }

    /// `C_DecapsulateKey`. A ciphertext that is not this key's makes another secret, and no error (FIPS 203).
    pub(crate) fn decapsulate(
        &self,
        cx: &CallCx,
        mechanism: &Mechanism,
        private: ObjectId,
        ciphertext: &[u8],
        template: &Template,
    ) -> Result<ObjectId> {
        check_mechanism(mechanism, ck::CKF_DECAPSULATE)?;
        let opened = self.key(cx.access, private).map_err(unwrapping)?;
        check_making(&opened.object, ck::CKA_DECAPSULATE, mechanism).map_err(unwrapping)?;
        let template = demanded(&opened.object, ck::CKA_DECAPSULATE_TEMPLATE, template)?;
        let planned = plan(cx, &completed(&template))?;
        let key = opened.ready_key()?;
        let Key::MlKemPrivate(key) = &*key else {
            return Err(Rv::UnwrappingKeyHandleInvalid.into());
        };
        let ticket = self.session.ticket(cx.session);
        let secret = key.decapsulate(ciphertext).map_err(|error| match error {
            keyenclave_crypto::Error::InputLength => {
                let (set, len) = (key.set(), ciphertext.len());
                let detail = format!(
                    "a ciphertext of {} has {} bytes, not {len}",
                    set.name, set.output_len
                );
                Error::new(Rv::WrappedKeyLenRange, detail)
            }
            error => Doing::Internal.failed(error),
        })?;
        let (object, key) = planned.fill(secret)?;
        let [handle] = self.add(&ticket, [(object, key)])?;
        Ok(handle)
    }

    /// The public key, allowed for this.
    fn sender(&self, cx: &CallCx, what: &Encapsulation<'_>) -> Result<Arc<Opened>> {
        check_mechanism(what.mechanism, ck::CKF_ENCAPSULATE)?;
        let opened = self.key(cx.access, what.public)?;
        check_making(&opened.object, ck::CKA_ENCAPSULATE, what.mechanism)?;
        Ok(opened)
    }
}

/// `C_DecapsulateKey` has the values of `C_UnwrapKey` for what is wrong with its key.
fn unwrapping(error: Error) -> Error {
    match error.rv() {
        Rv::KeyHandleInvalid => Rv::UnwrappingKeyHandleInvalid.into(),
        Rv::KeyTypeInconsistent => Rv::UnwrappingKeyTypeInconsistent.into(),
        _ => error,
    }
}

fn check_mechanism(mechanism: &Mechanism, flag: ck::CK_FLAGS) -> Result<()> {
    if mechanism.row().flags & flag == 0 {
        return Err(Rv::MechanismInvalid.into());
    }
    Ok(())
}

/// The template with what it leaves out: a generic secret, and unlike other keys one that can be extracted
/// (PKCS#11 3.2, C_EncapsulateKey).
fn completed(template: &Template) -> Template {
    let extractable = (ck::CKA_EXTRACTABLE, Value::Bool(true));
    let missing = template.get(ck::CKA_EXTRACTABLE).is_none().then_some(extractable);
    let given = complete(template);
    let given = given.iter().map(|(id, value)| (id, value.clone()));
    given.chain(missing).collect()
}

/// A key that this session may make, and that the whole secret fits: nothing is cut off from it.
fn plan(cx: &CallCx, template: &Template) -> Result<Planned> {
    if let Some(len) = template
        .ulong(ck::CKA_VALUE_LEN)
        .filter(|len| *len != SHARED_SECRET_LEN as ck::CK_ULONG)
    {
        let detail = format!("CKA_VALUE_LEN is {len}, and the secret has {SHARED_SECRET_LEN} bytes");
        return Err(Error::new(Rv::TemplateInconsistent, detail));
    }
    let origin = Origin::Derive(Ancestry::SHARED);
    let object = Object::admit(origin, None, template, cx.access.login)?;
    if object.class() != Some(ck::CKO_SECRET_KEY) {
        return Err(Error::new(
            Rv::TemplateInconsistent,
            "CKA_CLASS is not that of a secret key",
        ));
    }
    objects::check_new(cx.access, &object)?;
    Ok(Planned::new(object, origin))
}
