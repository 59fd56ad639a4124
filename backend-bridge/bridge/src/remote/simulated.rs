// SPDX-License-Identifier: MIT
//! [`Simulated`]: a soft token that looks like the token of a service, for development without the service.
//!
//! What it shows and what it refuses is made from the service's own [`Capability`] by the code that the service's token
//! uses, so that the two cannot differ: mechanisms, sizes and flags, the keys that are made, what each can be used for.
//! The keys themselves are the soft token's, and so are its PINs.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Mechanism, MechanismInfo};
use keyenclave_model::object::Object;
use keyenclave_model::schema::holds_secret;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, ObjectId, OperationClass, Out, SessionId, Step, Token, TokenInfo, Work,
};

use super::generate::{self, NewKey};
use super::kept::Room;
use super::objects::{Attribute, uses};
use super::plan;
use super::token::{FLAGS, MANUFACTURER};
use crate::capability::Capability;

/// A soft token in the guise of a service's. See the module.
pub struct Simulated {
    token: Arc<dyn Token>,
    capability: Capability,
    model: &'static str,
}

impl Simulated {
    /// `token` in the guise of the service that can do this and is called that, 16 bytes at the most. Does no I/O.
    pub fn new(token: Arc<dyn Token>, capability: Capability, model: &'static str) -> Self {
        Self {
            token,
            capability,
            model,
        }
    }

    fn work(&self, cx: &CallCx, work: Work<'_>) -> Result<Step> {
        plan::check_offered(&self.capability, &work)?;
        match work {
            Work::GenerateKey { mechanism, template } if generate::is_for_service(template) => {
                let new = generate::secret(cx, &self.capability, self.room(), mechanism, template)?;
                let template = &self.dressed(&new, ck::CKO_SECRET_KEY, template);
                Ok(self.token.submit(cx, Work::GenerateKey { mechanism, template }))
            }
            Work::GenerateKeyPair {
                mechanism,
                public,
                private,
            } if generate::is_for_service(private) => {
                let new = generate::pair(cx, &self.capability, self.room(), mechanism, public, private)?;
                let work = Work::GenerateKeyPair {
                    mechanism,
                    public: &self.dressed(&new, ck::CKO_PUBLIC_KEY, public),
                    private: &self.dressed(&new, ck::CKO_PRIVATE_KEY, private),
                };
                Ok(self.token.submit(cx, work))
            }
            Work::Create(template) if generate::is_for_service(template) => {
                check_class(template.ulong(ck::CKA_CLASS))?;
                Ok(self.token.submit(cx, work))
            }
            Work::Copy { object, template } => {
                // The service's own keys are not copied at all (CKA_COPYABLE).
                let of_session = |object: &Arc<Object>| !object.is_true(ck::CKA_TOKEN);
                if generate::is_for_service(template)
                    && let Some(object) = self.seen(cx, object).filter(of_session)
                {
                    check_class(object.class())?;
                }
                Ok(self.token.submit(cx, work))
            }
            Work::Begin {
                class,
                mechanism,
                key: Some(key),
            } => {
                self.check_key(cx, class, mechanism, key)?;
                Ok(self.token.submit(cx, work))
            }
            Work::BeginVerifySignature { mechanism, key, .. } => {
                self.check_key(cx, OperationClass::Verify, mechanism, key)?;
                Ok(self.token.submit(cx, work))
            }
            work => Ok(self.token.submit(cx, work)),
        }
    }

    /// The service's tags, and the soft token for what they do not hold.
    fn room(&self) -> Room {
        Room {
            max_tag_value: self.capability.max_tag_value,
            has_sidecar: true,
        }
    }

    /// Whether the service uses its keys so. Those of the session are used as anywhere.
    fn check_key(
        &self,
        cx: &CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: ObjectId,
    ) -> Result<()> {
        let is_services =
            |object: &Object| object.is_true(ck::CKA_TOKEN) && object.class() != Some(ck::CKO_PUBLIC_KEY);
        if !self.seen(cx, key).is_some_and(|object| is_services(&object)) {
            return Ok(());
        }
        let planned = plan::plan(mechanism, class)?;
        if planned.is_some_and(|plan| plan.fits(self.capability.algorithms)) {
            return Ok(());
        }
        let detail = "the service does not use this key so (see its CKA_ALLOWED_MECHANISMS)";
        Err(Error::new(Rv::MechanismInvalid, detail))
    }

    fn seen(&self, cx: &CallCx, object: ObjectId) -> Option<Arc<Object>> {
        match self.token.submit(cx, Work::View(object)) {
            Step::Ready(Ok(Out::View(object))) => Some(object),
            _ => None,
        }
    }

    /// A template for the soft token that makes an object as the service's keys have: for one use, and not copied.
    fn dressed(&self, new: &NewKey, class: ck::CK_OBJECT_CLASS, template: &Template) -> Template {
        let algorithms = new.algorithms(&self.capability);
        let mut own: Vec<Attribute> = uses(class, &algorithms);
        own.push((ck::CKA_TOKEN, Value::Bool(true)));
        own.push((ck::CKA_COPYABLE, Value::Bool(false)));
        if class != ck::CKO_PUBLIC_KEY {
            let allowed = plan::allowed(&algorithms);
            own.push((ck::CKA_ALLOWED_MECHANISMS, Value::Mechanisms(allowed)));
        }
        let given = template
            .iter()
            .filter(|(id, _)| own.iter().all(|(known, _)| known != id));
        let given: Vec<_> = given.map(|(id, value)| (id, value.clone())).collect();
        given.into_iter().chain(own).collect()
    }
}

/// Refuses keys that come from elsewhere, which the service does not take.
fn check_class(class: Option<ck::CK_OBJECT_CLASS>) -> Result<()> {
    if !class.is_some_and(holds_secret) {
        return Ok(());
    }
    Err(Error::new(
        Rv::TemplateInconsistent,
        "the service that this slot simulates keeps no private or secret keys that were not made there (CKA_TOKEN with \
         this CKA_CLASS): generate the key, set CKA_TOKEN to false, or use a soft slot without `simulate`",
    ))
}

impl Token for Simulated {
    fn info(&self) -> Result<TokenInfo> {
        let info = self.token.info()?;
        Ok(TokenInfo {
            manufacturer: MANUFACTURER.into(),
            model: self.model.into(),
            flags: info.flags | (FLAGS & !ck::CKF_TOKEN_INITIALIZED),
            ..info
        })
    }

    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        Ok(plan::mechanisms(&self.capability))
    }

    fn epoch(&self) -> u64 {
        self.token.epoch()
    }

    fn submit(&self, cx: &CallCx, work: Work<'_>) -> Step {
        self.work(cx, work).unwrap_or_else(Step::from)
    }

    fn open_session(&self, session: SessionId) {
        self.token.open_session(session);
    }

    fn close_session(&self, session: SessionId) {
        self.token.close_session(session);
    }
}
