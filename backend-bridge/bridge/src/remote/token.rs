// SPDX-License-Identifier: MIT
//! [`RemoteToken`]: which work is done where. Answers come at once where everything is known already.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_crypto::digest;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::attribute::{self, Value};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Mechanism, MechanismInfo};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, HandleSource, ObjectId, Operation, OperationClass, Out, SessionId, Step, Token, TokenInfo, Work,
};

use super::catalogue::{Catalogue, has_public_half, is_visible};
use super::entry::Detail;
use super::generate;
use super::local::{PublicKeys, session_engine, unexpected};
use super::login::{Login, PinCheck};
use super::objects::{Half, Kept};
use super::operation::{Remote, check_use};
use super::plan;
use crate::bridge::{Asker, Bridge};
use crate::call::{CallKind, DestroyKey, FetchPublicKey, GenerateKey, UpdateKey};
use crate::key::KeyName;

/// What a slot of a remote service is, beside its service.
pub struct RemoteOptions {
    /// The token's label; what is longer than 32 bytes is cut off.
    pub label: String,
    /// Tells this token from all others (account, region, endpoint): the serial number is made of it.
    pub place: String,
    /// What kind of service it is, 16 bytes at the most.
    pub model: &'static str,
    /// Who checks the PIN; `None` for a slot without one.
    pub pin: Option<Arc<dyn PinCheck>>,
    /// Where certificates and data objects beside the service's keys are kept; `None` refuses them.
    pub sidecar: Option<Arc<dyn Token>>,
}

/// A key service as a token. See the [module](super).
pub struct RemoteToken {
    parts: Arc<Parts>,
    label: [u8; 32],
    serial: [u8; 16],
    model: &'static str,
}

struct Parts {
    bridge: Bridge,
    catalogue: Arc<Catalogue>,
    public_keys: Arc<PublicKeys>,
    session: Arc<dyn Token>,
    sidecar: Option<Arc<dyn Token>>,
    login: Login,
}

impl RemoteToken {
    /// A token over a bridge. Does no I/O and starts nothing.
    pub fn new(bridge: Bridge, options: RemoteOptions, handles: Arc<HandleSource>) -> Self {
        let mut label = [b' '; 32];
        let cut = options.label.floor_char_boundary(label.len());
        label
            .iter_mut()
            .zip(options.label.bytes().take(cut))
            .for_each(|(to, from)| *to = from);
        let mut serial = [b'0'; 16];
        let digits = digest(Hash::Sha256, options.place.as_bytes());
        for (pair, byte) in serial.chunks_exact_mut(2).zip(digits.iter()) {
            pair.copy_from_slice(format!("{byte:02x}").as_bytes());
        }
        let login = Login::new(options.pin);
        let catalogue = Catalogue::new(
            bridge.settings().clone(),
            Arc::clone(&handles),
            login.is_required(),
        );
        let parts = Parts {
            bridge,
            catalogue,
            public_keys: PublicKeys::new(),
            session: session_engine(&handles),
            sidecar: options.sidecar,
            login,
        };
        Self {
            parts: Arc::new(parts),
            label,
            serial,
            model: options.model,
        }
    }

    fn work(&self, cx: &CallCx, work: Work<'_>) -> Result<Step> {
        let parts = &self.parts;
        let done = |()| Step::Ready(Ok(Out::Done));
        match work {
            Work::InitToken { .. } | Work::InitPin(_) | Work::SetPin { .. } => Err(Error::new(
                Rv::TokenWriteProtected,
                "a slot of a remote service is set up in the configuration and at the service, not with C_InitToken, \
                 C_InitPIN or C_SetPIN",
            )),
            Work::Login { role, pin } => parts.login.log_in(role, pin).map(done),
            Work::Logout => Ok(parts.session.submit(cx, Work::Logout)),
            Work::Find(template) => parts.find(cx, template),
            Work::View(handle) => parts.with_object(cx, handle, Work::View(handle), view),
            Work::Size(handle) => parts.with_object(cx, handle, Work::Size(handle), size),
            Work::Create(template) => Ok(parts.keeper(template)?.submit(&parts.login.local(cx), work)),
            Work::Copy { object, template } => parts.copy(cx, object, template),
            Work::Set { object, template } => parts.set(cx, object, template),
            Work::Destroy(object) => parts.destroy(cx, object),
            Work::GenerateKey { mechanism, template } if generate::is_for_service(template) => {
                let call = generate::secret(
                    &parts.writing(cx)?,
                    parts.bridge.capability(),
                    mechanism,
                    template,
                )?;
                Ok(parts.generate(cx, call))
            }
            Work::GenerateKeyPair {
                mechanism,
                public,
                private,
            } if generate::is_for_service(private) => {
                let capability = parts.bridge.capability();
                let call = generate::pair(&parts.writing(cx)?, capability, mechanism, public, private)?;
                Ok(parts.generate(cx, call))
            }
            Work::Begin {
                class,
                mechanism,
                key,
            } => parts.begin(cx, class, mechanism, key),
            Work::GenerateKey { .. } | Work::GenerateKeyPair { .. } | Work::Random(_) | Work::Seed(_) => {
                Ok(parts.session.submit(&parts.login.local(cx), work))
            }
        }
    }
}

impl Token for RemoteToken {
    fn info(&self) -> Result<TokenInfo> {
        Ok(TokenInfo {
            label: self.label,
            manufacturer: "KeyEnclave",
            model: self.model,
            serial: self.serial,
            flags: ck::CKF_RNG | ck::CKF_TOKEN_INITIALIZED | self.parts.login.flags(),
            min_pin_len: 0,
            max_pin_len: 255,
        })
    }

    fn mechanisms(&self) -> Vec<MechanismInfo> {
        plan::mechanisms(self.parts.bridge.capability())
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn submit(&self, cx: &CallCx, work: Work<'_>) -> Step {
        self.work(cx, work).unwrap_or_else(Step::from)
    }

    fn close_session(&self, session: SessionId) {
        self.parts.session.close_session(session);
        if let Some(sidecar) = &self.parts.sidecar {
            sidecar.close_session(session);
        }
    }
}

fn view(object: &Arc<Object>) -> Out {
    Out::View(Arc::clone(object))
}

/// What an application would get if it asked for everything, in bytes.
fn size(object: &Arc<Object>) -> Out {
    let len = |value: &Value| value.encode().map_or(0, |bytes| bytes.len());
    Out::Size(object.iter().map(|(_, value)| len(value) as u64).sum())
}

impl Parts {
    /// Whoever has an object that is not the service's.
    fn owner(&self, cx: &CallCx, handle: ObjectId) -> &Arc<dyn Token> {
        let here = self.session.submit(&self.login.local(cx), Work::View(handle));
        match (&self.sidecar, here) {
            (Some(sidecar), Step::Ready(Err(_))) => sidecar,
            _ => &self.session,
        }
    }

    /// Whoever keeps a new object.
    fn keeper(&self, template: &Template) -> Result<&Arc<dyn Token>> {
        match (template.bool(ck::CKA_TOKEN), &self.sidecar) {
            (Some(true), Some(sidecar)) => Ok(sidecar),
            (Some(true), None) => Err(Error::new(
                Rv::TokenWriteProtected,
                "this slot keeps nothing but the service's keys: set CKA_TOKEN to false for an object that lives as \
                 long as the session, or use another slot for certificates, data and imported keys",
            )),
            _ => Ok(&self.session),
        }
    }

    /// The call, if the session may change what is at the service.
    fn writing(&self, cx: &CallCx) -> Result<CallCx> {
        cx.access.check_write(true, self.login.is_required())?;
        Ok(*cx)
    }

    fn find(&self, cx: &CallCx, template: &Template) -> Result<Step> {
        let local = self.login.local(cx);
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
    fn with_object(
        &self,
        cx: &CallCx,
        handle: ObjectId,
        work: Work<'_>,
        then: fn(&Arc<Object>) -> Out,
    ) -> Result<Step> {
        let Some((name, half)) = self.catalogue.by_handle(handle) else {
            return Ok(self.owner(cx, handle).submit(&self.login.local(cx), work));
        };
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

    fn begin(
        &self,
        cx: &CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: Option<ObjectId>,
    ) -> Result<Step> {
        let remote = key.and_then(|key| self.catalogue.by_handle(key));
        let Some((name, half)) = remote else {
            let owner = key.map_or(&self.session, |key| self.owner(cx, key));
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
        Ok(self.with_detail(cx, name, move |detail| begin.run(detail).map(Out::Operation)))
    }

    fn copy(&self, cx: &CallCx, handle: ObjectId, template: &Template) -> Result<Step> {
        if self.catalogue.by_handle(handle).is_some() {
            let detail = "a key of the service cannot be copied (CKA_COPYABLE)";
            return Err(Error::new(Rv::ActionProhibited, detail));
        }
        self.keeper(template)?;
        let work = Work::Copy {
            object: handle,
            template,
        };
        Ok(self.owner(cx, handle).submit(&self.login.local(cx), work))
    }

    fn set(&self, cx: &CallCx, handle: ObjectId, template: &Template) -> Result<Step> {
        let Some((name, half)) = self.catalogue.by_handle(handle) else {
            let work = Work::Set {
                object: handle,
                template,
            };
            return Ok(self.owner(cx, handle).submit(&self.login.local(cx), work));
        };
        self.writing(cx)?;
        let (catalogue, template, cx) = (Arc::clone(&self.catalogue), template.clone(), *cx);
        let most = self.bridge.capability().max_tag_value;
        Ok(self.bridge.step(cx.deadline, async move |asker| {
            let detail = catalogue.detail(&asker, &name).await?;
            let object = visible(&detail, half, cx.access.sees_private())?;
            object.with(&template, cx.access.login)?;
            let changes = changes(object, &template)?;
            let kept = Kept::new(&changes, most)?;
            if kept != Kept::default() {
                let label = kept.label.clone();
                asker
                    .ask(UpdateKey {
                        key: name.clone(),
                        label: kept.label,
                        tags: kept.tags,
                    })
                    .await?;
                catalogue.changed(&name, label);
            }
            Ok(Out::Done)
        }))
    }

    fn destroy(&self, cx: &CallCx, handle: ObjectId) -> Result<Step> {
        let Some((name, half)) = self.catalogue.by_handle(handle) else {
            return Ok(self
                .owner(cx, handle)
                .submit(&self.login.local(cx), Work::Destroy(handle)));
        };
        self.writing(cx)?;
        if half == Half::Public {
            let detail = "the public key is there as long as its private key: destroy that one";
            return Err(Error::new(Rv::ActionProhibited, detail));
        }
        let catalogue = Arc::clone(&self.catalogue);
        Ok(self.bridge.step(cx.deadline, async move |asker| {
            asker.ask(DestroyKey { key: name.clone() }).await?;
            catalogue.remove(&name);
            Ok(Out::Done)
        }))
    }

    fn generate(&self, cx: &CallCx, call: GenerateKey) -> Step {
        let catalogue = Arc::clone(&self.catalogue);
        self.bridge.step(cx.deadline, async move |asker| {
            generated(&catalogue, &asker, call).await
        })
    }
}

/// Makes a key and takes it in.
async fn generated(catalogue: &Arc<Catalogue>, asker: &Asker, call: GenerateKey) -> Result<Out> {
    // If this ends before its end, for whatever reason, there may be a key that nobody has heard of.
    let doubt = Doubt(catalogue);
    let info = asker.ask(call).await?;
    let name = info.listed.name.clone();
    let spki = match has_public_half(&info) {
        true => Some(asker.ask(FetchPublicKey { key: name.clone() }).await?),
        false => None,
    };
    let detail = catalogue.add(info, spki)?;
    std::mem::forget(doubt);
    let handle = |half| catalogue.handle(&name, half).ok_or_else(unexpected);
    let private = handle(Half::Private)?;
    match detail.objects.half(Half::Public) {
        Some(_) => Ok(Out::Pair {
            public: handle(Half::Public)?,
            private,
        }),
        None => Ok(Out::Object(private)),
    }
}

/// Has the next search list anew.
struct Doubt<'a>(&'a Catalogue);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.doubt();
    }
}

/// What it takes to begin an operation, once the key is known.
struct Begin {
    bridge: Bridge,
    public_keys: Arc<PublicKeys>,
    sees_private: bool,
    half: Half,
    class: OperationClass,
    mechanism: Mechanism,
}

impl Begin {
    fn run(self, detail: &Arc<Detail>) -> Result<Box<dyn Operation>> {
        let object =
            visible(detail, self.half, self.sees_private).map_err(|_| Error::from(Rv::KeyHandleInvalid))?;
        check_use(object, self.class.usage(), &self.mechanism)?;
        if self.half == Half::Public {
            return detail.begin_public(&self.public_keys, self.class, &self.mechanism);
        }
        let planned = plan::plan(&self.mechanism, self.class)?;
        let planned = planned.filter(|plan| plan.fits(&detail.info.algorithms));
        let (plan, spec) = planned.zip(detail.info.spec).ok_or_else(|| {
            let detail = "the service does not use this key so (see its CKA_ALLOWED_MECHANISMS)";
            Error::new(Rv::MechanismInvalid, detail)
        })?;
        let call = match self.class {
            OperationClass::Decrypt => CallKind::Decrypt,
            _ if matches!(plan, plan::Plan::Mac(..)) => CallKind::Mac,
            _ => CallKind::Sign,
        };
        if !self.bridge.capability().offers(call) {
            return Err(Rv::MechanismInvalid.into());
        }
        let hash = self.mechanism.algorithm().hash();
        Ok(Box::new(Remote::new(self.bridge, &detail.info, spec, plan, hash)))
    }
}

/// One of a key's objects, if a session may see it.
fn visible(detail: &Detail, half: Half, sees_private: bool) -> Result<&Arc<Object>> {
    let object = detail
        .objects
        .half(half)
        .filter(|object| is_visible(object, sees_private));
    object.ok_or(Error::from(Rv::ObjectHandleInvalid))
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
