// SPDX-License-Identifier: MIT
//! The work of a remote token, piece by piece: what is known is answered at once, the rest becomes calls.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::attribute;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::object::Object;
use keyenclave_model::schema::holds_secret;
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, ObjectId, OperationClass, Out, Step, Token, Work};
use keyenclave_soft::Sidecar;

use super::begin::Begin;
use super::catalogue::Catalogue;
use super::entry::Detail;
use super::generate::{NewKey, generated};
use super::keeper::Keeper;
use super::kept::{Kept, Room};
use super::local::{PublicKeys, unexpected};
use super::login::Login;
use super::objects::Half;
use super::search::is_visible;
use crate::bridge::Bridge;
use crate::call::DestroyKey;
use crate::key::KeyName;

/// What a remote token consists of.
pub(super) struct Parts {
    pub(super) bridge: Bridge,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) public_keys: Arc<PublicKeys>,
    pub(super) session: Arc<dyn Token>,
    pub(super) sidecar: Option<Arc<Sidecar>>,
    pub(super) login: Login,
}

impl Parts {
    /// The session object with a handle.
    fn session_object(&self, cx: &CallCx, handle: ObjectId) -> Option<Arc<Object>> {
        match self.session.submit(&self.login.local(cx), Work::View(handle)) {
            Step::Ready(Ok(Out::View(object))) => Some(object),
            _ => None,
        }
    }

    /// Whoever has an object that is not the service's.
    fn owner(&self, cx: &CallCx, handle: ObjectId) -> &dyn Token {
        match &self.sidecar {
            Some(sidecar) if self.session_object(cx, handle).is_none() => &**sidecar,
            _ => &*self.session,
        }
    }

    /// Whoever keeps a new object, which is a token object or not.
    pub(super) fn keeper(&self, token: Option<bool>) -> Result<&dyn Token> {
        match token {
            Some(true) => Ok(self.beside()?),
            _ => Ok(&*self.session),
        }
    }

    fn beside(&self) -> Result<&Sidecar> {
        self.sidecar.as_deref().ok_or_else(|| {
            Error::new(
                Rv::TokenWriteProtected,
                "this slot keeps nothing but the service's keys: set `sidecar` for it to have certificates and data kept \
                 beside them, set CKA_TOKEN to false for an object that lives as long as the session, or use another \
                 slot",
            )
        })
    }

    /// How much there is room for of what is set on keys.
    pub(super) fn room(&self) -> Room {
        Room {
            max_tag_value: self.bridge.capability().max_tag_value,
            has_sidecar: self.sidecar.is_some(),
        }
    }

    /// Whoever keeps what is set on keys.
    fn attributes(&self) -> Keeper {
        Keeper {
            catalogue: Arc::clone(&self.catalogue),
            sidecar: self.sidecar.clone(),
        }
    }

    /// The call, if the session may change what is at the service.
    pub(super) fn writing(&self, cx: &CallCx) -> Result<CallCx> {
        cx.access.check_write(true, self.login.is_required())?;
        Ok(*cx)
    }

    pub(super) fn find(&self, cx: &CallCx, template: &Template) -> Result<Step> {
        let local = self.login.local(cx);
        self.attributes().refresh()?;
        let mut found = objects(self.session.submit(&local, Work::Find(template)))?;
        if let Some(sidecar) = &self.sidecar {
            found.extend(objects(sidecar.submit(&local, Work::Find(template)))?);
        }
        if !may_be_remote(template) {
            return Ok(Step::Ready(Ok(Out::Objects(found))));
        }
        let sees_private = cx.access.sees_private();
        if let Some(known) = self.catalogue.find_known(template, sees_private) {
            found.extend(known);
            return Ok(Step::Ready(Ok(Out::Objects(found))));
        }
        let (catalogue, template) = (Arc::clone(&self.catalogue), template.clone());
        Ok(self.bridge.step(cx.deadline, async move |asker| {
            found.extend(catalogue.find(asker, template, sees_private).await?);
            Ok(Out::Objects(found))
        }))
    }

    /// Does something with an object of the service's, or has its owner do the work.
    pub(super) fn with_object(
        &self,
        cx: &CallCx,
        handle: ObjectId,
        work: Work<'_>,
        then: fn(&Arc<Object>) -> Out,
    ) -> Result<Step> {
        let Some((name, half)) = self.catalogue.by_handle(handle) else {
            return Ok(self.owner(cx, handle).submit(&self.login.local(cx), work));
        };
        self.attributes().refresh()?;
        let sees_private = cx.access.sees_private();
        Ok(self.with_detail(cx, name, move |detail| {
            visible(detail, half, sees_private).map(then)
        }))
    }

    /// Does something with a key of the service's, at once if it is known.
    fn with_detail(
        &self,
        cx: &CallCx,
        name: KeyName,
        then: impl FnOnce(&Arc<Detail>) -> Result<Out> + Send + 'static,
    ) -> Step {
        if let Some(detail) = self.catalogue.known(&name) {
            return Step::Ready(then(&detail));
        }
        let catalogue = Arc::clone(&self.catalogue);
        self.bridge.step(cx.deadline, async move |asker| {
            then(&catalogue.detail(&asker, &name).await?)
        })
    }

    pub(super) fn begin(
        &self,
        cx: &CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: Option<ObjectId>,
    ) -> Result<Step> {
        let remote = key.and_then(|key| self.catalogue.by_handle(key));
        let Some((name, half)) = remote else {
            let owner = key.map_or(&*self.session as &dyn Token, |key| self.owner(cx, key));
            return Ok(owner.submit(
                &self.login.local(cx),
                Work::Begin {
                    class,
                    mechanism,
                    key,
                },
            ));
        };
        if mechanism.row().flags & class.flag() == 0 {
            return Err(Rv::MechanismInvalid.into());
        }
        let begin = Begin {
            bridge: self.bridge.clone(),
            public_keys: Arc::clone(&self.public_keys),
            sees_private: cx.access.sees_private(),
            half,
            class,
            mechanism: mechanism.clone(),
        };
        // What the key is does not change, so that a signature stays one request however old the description is.
        if let Some(detail) = self.catalogue.described(&name) {
            return begin
                .run(&detail)
                .map(|operation| Step::Ready(Ok(Out::Operation(operation))));
        }
        Ok(self.with_detail(cx, name, move |detail| begin.run(detail).map(Out::Operation)))
    }

    pub(super) fn copy(&self, cx: &CallCx, handle: ObjectId, template: &Template) -> Result<Step> {
        if self.catalogue.by_handle(handle).is_some() {
            let detail = "a key of the service cannot be copied (CKA_COPYABLE): it never leaves the service";
            return Err(Error::new(Rv::ActionProhibited, detail));
        }
        let local = self.login.local(cx);
        let work = Work::Copy {
            object: handle,
            template,
        };
        let Some(object) = self.session_object(cx, handle) else {
            return Ok(self.owner(cx, handle).submit(&local, work));
        };
        if template.bool(ck::CKA_TOKEN) != Some(true) {
            return Ok(self.session.submit(&local, work));
        }
        check_can_be_kept(&object)?;
        let copy = object.copied(template, local.access.login)?;
        let adopted = self.beside()?.adopt(&local, copy)?;
        Ok(Step::Ready(Ok(Out::Object(adopted))))
    }

    pub(super) fn set(&self, cx: &CallCx, handle: ObjectId, template: &Template) -> Result<Step> {
        let Some((name, half)) = self.catalogue.by_handle(handle) else {
            let work = Work::Set {
                object: handle,
                template,
            };
            return Ok(self.owner(cx, handle).submit(&self.login.local(cx), work));
        };
        self.writing(cx)?;
        let keeper = self.attributes();
        keeper.refresh()?;
        let (template, cx, room) = (template.clone(), *cx, self.room());
        Ok(self.bridge.step(cx.deadline, async move |asker| {
            let detail = keeper.catalogue.detail(&asker, &name).await?;
            let object = visible(&detail, half, cx.access.sees_private())?;
            object.with(&template, cx.access.login)?;
            let mut kept = Kept::of_change(&changes(object, &template)?, room)?;
            kept.untag(&detail.info.tags);
            if kept != Kept::default() {
                keeper.keep(&asker, &name, kept).await?;
            }
            Ok(Out::Done)
        }))
    }

    /// `C_DestroyObject`. Many programs destroy both halves of a pair, in either order. The service has one key: it is
    /// scheduled for deletion with its private object. Destroying the public object first only hides it from this
    /// process, and destroying it afterwards is as good as done.
    pub(super) fn destroy(&self, cx: &CallCx, handle: ObjectId) -> Result<Step> {
        let Some((name, half)) = self.catalogue.by_handle(handle) else {
            if self.catalogue.was_orphan(handle) {
                return Ok(Step::Ready(Ok(Out::Done)));
            }
            return Ok(self
                .owner(cx, handle)
                .submit(&self.login.local(cx), Work::Destroy(handle)));
        };
        self.writing(cx)?;
        if half == Half::Public {
            log::info!("the public object of {name} is hidden; the key goes with its private object");
            self.catalogue.hide_public(&name);
            return Ok(Step::Ready(Ok(Out::Done)));
        }
        let keeper = self.attributes();
        Ok(self.bridge.step(cx.deadline, async move |asker| {
            asker.ask(DestroyKey { key: name.clone() }).await?;
            keeper.catalogue.remove(&name);
            keeper.forget(&name).await;
            Ok(Out::Done)
        }))
    }

    pub(super) fn generate(&self, cx: &CallCx, new: NewKey) -> Result<Step> {
        let keeper = self.attributes();
        keeper.prepare(&new.kept)?;
        Ok(self.bridge.step(cx.deadline, async move |asker| {
            generated(&keeper, &asker, new).await
        }))
    }
}

/// Refuses what no store beside a service's keys takes.
fn check_can_be_kept(object: &Object) -> Result<()> {
    if !object.class().is_none_or(holds_secret) {
        return Ok(());
    }
    Err(Error::new(
        Rv::TemplateInconsistent,
        "a key of the session cannot become one of the service: have the service generate it, with CKA_TOKEN true in the \
         template (SunPKCS11: `attributes(generate, CKO_PRIVATE_KEY, *) = { CKA_TOKEN = true }`)",
    ))
}

/// One of a key's objects, if a session may see it.
pub(super) fn visible(detail: &Detail, half: Half, sees_private: bool) -> Result<&Arc<Object>> {
    let object = detail
        .objects
        .half(half)
        .filter(|object| is_visible(object, sees_private));
    object.ok_or_else(|| Rv::ObjectHandleInvalid.into())
}

/// The part of a template that is another value than the object's.
///
/// # Errors
/// `CKR_ATTRIBUTE_READ_ONLY` for what neither the service nor its tags can keep.
fn changes(object: &Object, template: &Template) -> Result<Template> {
    let mut changes = Vec::new();
    for (id, value) in template
        .iter()
        .filter(|(id, value)| object.get(*id) != Some(*value))
    {
        if !Kept::keeps(id) {
            let detail = format!(
                "{} of a key of the service is the service's to change",
                attribute::name(id)
            );
            return Err(Error::new(Rv::AttributeReadOnly, detail));
        }
        changes.push((id, value.clone()));
    }
    Ok(changes.into_iter().collect())
}

/// Whether an object of the service's may match: only its keys do.
fn may_be_remote(template: &Template) -> bool {
    let is_key = template.ulong(ck::CKA_CLASS).is_none_or(|class| {
        matches!(
            class,
            ck::CKO_PRIVATE_KEY | ck::CKO_PUBLIC_KEY | ck::CKO_SECRET_KEY
        )
    });
    is_key && template.bool(ck::CKA_TOKEN) != Some(false)
}

/// What a local token found.
fn objects(step: Step) -> Result<Vec<ObjectId>> {
    match step {
        Step::Ready(Ok(Out::Objects(found))) => Ok(found),
        Step::Ready(Err(error)) => Err(error),
        _ => Err(unexpected()),
    }
}
