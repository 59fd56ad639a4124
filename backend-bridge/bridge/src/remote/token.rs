// SPDX-License-Identifier: MIT
//! [`RemoteToken`]: which work is done where. Answers come at once where everything is known already.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_crypto::digest;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::object::Object;
use keyenclave_model::serial::serial_number;
use keyenclave_model::token::{
    CallCx, HandleSource, OperationClass, Out, SessionId, Step, Token, TokenInfo, Work, step_with_signature,
};
use keyenclave_soft::Sidecar;

use super::catalogue::Catalogue;
use super::generate;
use super::local::{PublicKeys, session_engine};
use super::login::Login;
use super::pin::PinCheck;
use super::plan;
use super::work::Parts;
use crate::bridge::Bridge;
use crate::call::CheckHealth;

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
    /// Where certificates and data objects beside the service's keys are kept, and what applications set on keys that
    /// no tag holds; `None` refuses them. Its handles come from the same source as the token's.
    pub sidecar: Option<Arc<Sidecar>>,
}

/// A key service as a token. See the [module](super).
pub struct RemoteToken {
    pub(super) parts: Arc<Parts>,
    label: [u8; 32],
    serial: [u8; 16],
    model: &'static str,
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
        let login = Login::new(options.pin, options.sidecar.clone());
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
            serial: serial_number(&digest(Hash::Sha256, options.place.as_bytes())),
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
            Work::Create(template) => Ok(parts
                .keeper(template.bool(ck::CKA_TOKEN))?
                .submit(&parts.login.local(cx), work)),
            Work::Copy { object, template } => parts.copy(cx, object, template),
            Work::Set { object, template } => parts.set(cx, object, template),
            Work::Destroy(object) => parts.destroy(cx, object),
            Work::GenerateKey { mechanism, template } if generate::is_for_service(template) => {
                let new = generate::secret(
                    &parts.writing(cx)?,
                    parts.bridge.capability(),
                    parts.room(),
                    mechanism,
                    template,
                )?;
                parts.generate(cx, new)
            }
            Work::GenerateKeyPair {
                mechanism,
                public,
                private,
            } if generate::is_for_service(private) => {
                let capability = parts.bridge.capability();
                let cx = parts.writing(cx)?;
                let new = generate::pair(&cx, capability, parts.room(), mechanism, public, private)?;
                parts.generate(&cx, new)
            }
            Work::Begin {
                class,
                mechanism,
                key,
            } => parts.begin(cx, class, mechanism, key),
            Work::BeginVerifySignature {
                mechanism,
                key,
                signature,
            } => {
                let begun = parts.begin(cx, OperationClass::Verify, mechanism, Some(key))?;
                Ok(step_with_signature(begun, signature))
            }
            Work::GenerateKey { .. }
            | Work::GenerateKeyPair { .. }
            | Work::LoginUser { .. }
            | Work::Authenticate(_)
            | Work::Attributes { .. }
            | Work::WrapLen(_)
            | Work::Wrap(_)
            | Work::Unwrap { .. }
            | Work::Derive { .. }
            | Work::EncapsulateLen(_)
            | Work::Encapsulate(_)
            | Work::Decapsulate { .. }
            | Work::BeginMessages { .. }
            | Work::Restore { .. }
            | Work::Random(_)
            | Work::Seed(_) => {
                plan::check_offered(parts.bridge.capability(), &work)?;
                Ok(parts.session.submit(&parts.login.local(cx), work))
            }
        }
    }
}

/// Who makes the tokens of remote services.
pub(super) const MANUFACTURER: &str = "KeyEnclave";

/// What is so of every remote token. It is not write-protected, even where the service makes no keys: session objects
/// and the sidecar's are made. An operation's state that can be saved at all, a digest's, has no key in it.
pub(super) const FLAGS: ck::CK_FLAGS = ck::CKF_RNG
    | ck::CKF_TOKEN_INITIALIZED
    | ck::CKF_RESTORE_KEY_NOT_NEEDED
    | ck::CKF_ASYNC_SESSION_SUPPORTED;

impl Token for RemoteToken {
    fn info(&self) -> Result<TokenInfo> {
        let pin_len = self.parts.login.pin_len();
        Ok(TokenInfo {
            label: self.label,
            manufacturer: MANUFACTURER.into(),
            model: self.model.into(),
            serial: self.serial,
            flags: FLAGS | self.parts.login.flags(),
            min_pin_len: *pin_len.start(),
            max_pin_len: *pin_len.end(),
            device: None,
        })
    }

    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        Ok(plan::mechanisms(self.parts.bridge.capability()))
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn submit(&self, cx: &CallCx, work: Work<'_>) -> Step {
        self.work(cx, work).unwrap_or_else(Step::from)
    }

    fn health(&self, cx: &CallCx) -> Step {
        self.parts.bridge.step(cx.deadline, async move |asker| {
            asker.ask(CheckHealth).await?;
            Ok(Out::Done)
        })
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
