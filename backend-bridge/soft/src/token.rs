// SPDX-License-Identifier: MIT
//! The soft token: the engine behind the [`Token`] trait.

use std::path::PathBuf;
use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_crypto::{digest, rand};
use keyenclave_model::access::Access;
use keyenclave_model::access::check_use;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Algorithm, MECHANISMS, Mechanism, MechanismInfo, RsaSizes};
use keyenclave_model::object::Object;
use keyenclave_model::serial::serial_number;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, HandleSource, Messages, ObjectId, Operation, OperationClass, Out, Role, SessionId, Step, Token,
    TokenInfo, Work, with_signature,
};

use crate::described::Described;
use crate::engine::Engine;
use crate::error::{Doing, from_store};
use crate::login::{PIN_LEN, PinSealers, Sealers, store_role};
use crate::opened::Opened;
use crate::operation::{self, Digesting, SecretValues};
use crate::sealer::{DEFAULT_LIMIT, PinCost};
use crate::store::{SqliteStore, Store};
use crate::{codec, generate, keys, objects};

/// The file in a token's directory that everything is kept in.
const STORE_FILE: &str = "token.db";

/// What a soft token in a directory is made from.
#[derive(Clone, Debug)]
pub struct SoftOptions {
    /// The directory of this token and of nothing else.
    pub directory: PathBuf,
    /// How many wrong attempts lock a PIN that is set from now on; at least 1.
    pub max_pin_attempts: u32,
    /// What a try at a PIN that is set from now on costs.
    pub pin_cost: PinCost,
    /// Whether mechanisms that are broken or outdated are offered.
    pub legacy_mechanisms: bool,
    /// Whether the token stands in for a service, and so for the formats that only services have.
    pub stands_in: bool,
}

impl SoftOptions {
    /// The usual ones.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_pin_attempts: DEFAULT_LIMIT,
            pin_cost: PinCost::DEFAULT,
            legacy_mechanisms: false,
            stands_in: false,
        }
    }
}

/// A token that computes with aws-lc and keeps its objects in a [`Store`], sealed under what a [`Sealers`] opens.
pub struct SoftToken<S = SqliteStore, K = PinSealers> {
    pub(crate) engine: Arc<Engine<S, K>>,
    /// The serial number until the token has one of its own.
    blank_serial: [u8; 16],
    /// Whether mechanisms that are broken or outdated are offered.
    legacy_mechanisms: bool,
    /// Whether the formats that only services have are offered.
    stands_in: bool,
    /// The objects with which it describes itself.
    described: Described,
}

impl SoftToken {
    /// A token in a SQLite file, opened by PINs. Does no I/O.
    pub fn new(options: &SoftOptions, handles: Arc<HandleSource>) -> Self {
        let store = SqliteStore::new(&options.directory.join(STORE_FILE));
        let place = digest(Hash::Sha256, store.path().as_os_str().as_encoded_bytes());
        let sealers = PinSealers {
            cost: options.pin_cost,
            limit: options.max_pin_attempts.max(1),
        };
        let rsa = if options.legacy_mechanisms {
            RsaSizes::All
        } else {
            RsaSizes::Usual
        };
        Self {
            legacy_mechanisms: options.legacy_mechanisms,
            stands_in: options.stands_in,
            ..Self::of(Engine::new(store, sealers, handles, rsa), &place)
        }
    }
}

impl<S: Store + 'static, K: Sealers> SoftToken<S, K> {
    /// A token with these parts. `place` tells it from other tokens as long as it is not initialised.
    pub fn with(store: S, sealers: K, place: &[u8], handles: Arc<HandleSource>) -> Self {
        Self::of(Engine::new(store, sealers, handles, RsaSizes::Usual), place)
    }

    fn of(engine: Engine<S, K>, place: &[u8]) -> Self {
        Self {
            engine: Arc::new(engine),
            blank_serial: serial_number(&digest(Hash::Sha256, place)),
            legacy_mechanisms: false,
            stands_in: false,
            described: Described::default(),
        }
    }

    /// What is done with an object that describes the token; `None` for all other work.
    fn work_on_described(&self, work: &Work<'_>) -> Option<Result<Out>> {
        match work {
            Work::Find(template) if Described::is_wanted(template) => {
                let offered = MECHANISMS.iter().filter(|row| self.offers(row.algorithm));
                let found = self
                    .described
                    .find(template, &self.engine.handles, offered, self.engine.rsa);
                Some(Ok(Out::Objects(found)))
            }
            Work::View(object) => {
                let found = self.described.get(*object)?;
                Some(Ok(Out::View(Arc::clone(found))))
            }
            Work::Size(object) => {
                let found = self.described.get(*object)?;
                Some(Ok(Out::Size(codec::encode(found).len() as u64)))
            }
            Work::Copy { object, .. } | Work::Set { object, .. } | Work::Destroy(object) => {
                self.described.get(*object)?;
                let detail = "the object describes the token: it cannot be copied, changed or destroyed";
                Some(Err(Error::new(Rv::ActionProhibited, detail)))
            }
            _ => None,
        }
    }

    /// Whether a mechanism that computes this is offered.
    fn offers(&self, algorithm: Algorithm) -> bool {
        (self.stands_in || !algorithm.is_remote()) && (self.legacy_mechanisms || !algorithm.is_legacy())
    }

    fn begin(
        &self,
        cx: &CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: Option<ObjectId>,
    ) -> Result<Box<dyn Operation>> {
        if mechanism.row().flags & class.flag() == 0 {
            return Err(Rv::MechanismInvalid.into());
        }
        if let Algorithm::Digest(hash) = mechanism.algorithm() {
            return Ok(Box::new(Digesting::new(hash, self.engine.clone())));
        }
        let key = key.ok_or(Rv::KeyHandleInvalid)?;
        let opened = self.engine.key(cx.access, key)?;
        check_use(&opened.object, class, mechanism)?;
        let operation = operation::begin(class, mechanism, opened.ready_key()?)?;
        if opened.object.is_true(ck::CKA_ALWAYS_AUTHENTICATE) {
            return Ok(self.engine.waiting.guard(cx.session, operation));
        }
        Ok(operation)
    }

    fn begin_messages(
        &self,
        cx: &CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: ObjectId,
    ) -> Result<Box<dyn Messages>> {
        if mechanism.row().flags & class.message_flag() == 0 {
            return Err(Rv::MechanismInvalid.into());
        }
        let opened = self.engine.key(cx.access, key)?;
        check_use(&opened.object, class, mechanism)?;
        operation::begin_messages(class, mechanism, opened.ready_key()?)
    }

    /// No operation's state can be saved but a digest's, which has no key.
    fn restore(
        &self,
        class: OperationClass,
        state: &[u8],
        keys: [Option<ObjectId>; 2],
    ) -> Result<Box<dyn Operation>> {
        if class != OperationClass::Digest {
            return Err(Rv::SavedStateInvalid.into());
        }
        let digesting = Digesting::restore(state, self.engine.clone())?;
        if keys != [None; 2] {
            return Err(Error::new(
                Rv::KeyNotNeeded,
                "the saved operation has no key: give 0 for both keys",
            ));
        }
        Ok(Box::new(digesting))
    }

    fn generate(&self, cx: &CallCx, mechanism: &Mechanism, template: &Template) -> Result<Out> {
        let planned = generate::plan(mechanism, template, cx.access.login)?;
        objects::check_new(cx.access, planned.object())?;
        let ticket = self.engine.session.ticket(cx.session);
        let (object, key) = planned.make()?;
        let [handle] = self.engine.add(&ticket, [(object, Some(key))])?;
        Ok(Out::Object(handle))
    }

    fn generate_pair(
        &self,
        cx: &CallCx,
        mechanism: &Mechanism,
        public: &Template,
        private: &Template,
    ) -> Result<Out> {
        let planned = generate::plan_pair(mechanism, [public, private], cx.access.login, self.engine.rsa)?;
        for object in planned.objects() {
            objects::check_new(cx.access, object)?;
        }
        let ticket = self.engine.session.ticket(cx.session);
        let [public, private] = self.engine.add(&ticket, planned.make()?)?;
        Ok(Out::Pair { public, private })
    }

    fn work(&self, cx: &CallCx, work: Work<'_>) -> Result<Out> {
        let engine = &self.engine;
        let done = |()| Out::Done;
        match work {
            Work::InitToken { so_pin, label } => engine.init_token(so_pin, label).map(done),
            Work::InitPin(pin) => engine.init_pin(pin).map(done),
            Work::SetPin { old, new } => engine.set_pin(cx, old, new).map(done),
            Work::Login { role, pin } => engine.log_in(role, pin).map(done),
            Work::Logout => {
                engine.set_login(None);
                Ok(Out::Done)
            }
            Work::Find(template) => engine.find(cx.access, template).map(Out::Objects),
            Work::View(object) => {
                let held = engine.look_up(cx.access, object)?;
                Ok(Out::View(Arc::clone(&held.opened().object)))
            }
            Work::Size(object) => {
                let held = engine.look_up(cx.access, object)?;
                Ok(Out::Size(codec::encode(&held.opened().object).len() as u64))
            }
            Work::Create(template) => engine.create(cx, template).map(Out::Object),
            Work::Copy { object, template } => engine.copy(cx, object, template).map(Out::Object),
            Work::Set { object, template } => engine.set(cx, object, template).map(done),
            Work::Destroy(object) => engine.destroy(cx, object).map(done),
            Work::GenerateKey { mechanism, template } => self.generate(cx, mechanism, template),
            Work::GenerateKeyPair {
                mechanism,
                public,
                private,
            } => self.generate_pair(cx, mechanism, public, private),
            Work::Begin {
                class,
                mechanism,
                key,
            } => self.begin(cx, class, mechanism, key).map(Out::Operation),
            Work::BeginVerifySignature {
                mechanism,
                key,
                signature,
            } => self
                .begin(cx, OperationClass::Verify, mechanism, Some(key))
                .map(|operation| Out::Operation(with_signature(operation, signature))),
            Work::Restore { class, state, keys } => self.restore(class, state, keys).map(Out::Operation),
            Work::Random(out) => {
                rand::fill(out).map_err(|error| Doing::Internal.failed(error))?;
                Ok(Out::Written(out.len()))
            }
            Work::WrapLen(what) => {
                let len = engine.allowed(cx, &what)?.len(&what)?;
                Ok(Out::Size(len as u64))
            }
            Work::Wrap(what) => engine.allowed(cx, &what)?.wrap(cx, &what),
            Work::Unwrap {
                mechanism,
                unwrapping,
                wrapped,
                associated,
                template,
            } => engine
                .unwrap(cx, mechanism, unwrapping, (wrapped, associated), template)
                .map(Out::Object),
            Work::BeginMessages {
                class,
                mechanism,
                key,
            } => self.begin_messages(cx, class, mechanism, key).map(Out::Messages),
            Work::Derive {
                mechanism,
                base,
                template,
                has_handle,
            } => engine.derive(cx, mechanism, base, template, has_handle),
            Work::EncapsulateLen(what) => {
                let len = engine.encapsulate_len(cx, &what)?;
                Ok(Out::Size(len as u64))
            }
            Work::Encapsulate(what) => engine.encapsulate(cx, &what),
            Work::Decapsulate {
                mechanism,
                private,
                ciphertext,
                template,
            } => engine
                .decapsulate(cx, mechanism, private, ciphertext, template)
                .map(Out::Object),
            Work::LoginUser { .. } => Err(Error::new(
                Rv::ArgumentsBad,
                "this token has one user, who has no name: leave the user name empty",
            )),
            Work::Authenticate(pin) => engine.authenticate(cx, pin).map(done),
            // For tokens that take things as given.
            Work::Attributes { .. } => Err(Rv::GeneralError.into()),
            // aws-lc's generator takes its seed from the system and from nobody else.
            Work::Seed(_) => Err(Rv::RandomSeedNotSupported.into()),
        }
    }
}

impl<S: Store + 'static, K: Sealers> Token for SoftToken<S, K> {
    fn info(&self) -> Result<TokenInfo> {
        let store = &self.engine.store;
        let header = store.header().map_err(from_store)?;
        // An operation's state that can be saved at all has no key in it.
        let mut flags = ck::CKF_RNG | ck::CKF_LOGIN_REQUIRED | ck::CKF_RESTORE_KEY_NOT_NEEDED;
        if header.is_some() {
            flags |= ck::CKF_TOKEN_INITIALIZED;
            for (role, set, low, last, locked) in PIN_FLAGS {
                let sealer = store.sealer(store_role(role)).map_err(from_store)?;
                let attempts = sealer.map(|sealer| sealer.attempts());
                let raise = |flag, is: bool| if is { flag } else { 0 };
                flags |= raise(set, attempts.is_some())
                    | raise(low, attempts.is_some_and(|attempts| attempts.is_low()))
                    | raise(last, attempts.is_some_and(|attempts| attempts.is_final_try()))
                    | raise(locked, attempts.is_some_and(|attempts| attempts.is_locked()));
            }
        }
        Ok(TokenInfo {
            label: header.as_ref().map_or([b' '; 32], |header| header.label),
            manufacturer: "KeyEnclave".into(),
            model: "soft".into(),
            serial: header.map_or(self.blank_serial, |header| header.serial),
            flags,
            min_pin_len: *PIN_LEN.start(),
            max_pin_len: *PIN_LEN.end(),
            device: None,
        })
    }

    fn mechanisms(&self) -> Result<Vec<MechanismInfo>> {
        let offered = MECHANISMS.iter().filter(|row| self.offers(row.algorithm));
        Ok(offered.map(|row| row.info_with(self.engine.rsa)).collect())
    }

    fn epoch(&self) -> u64 {
        self.engine.epoch()
    }

    fn submit(&self, cx: &CallCx, work: Work<'_>) -> Step {
        if let Some(mechanism) = work
            .mechanism()
            .filter(|mechanism| !self.offers(mechanism.algorithm()))
        {
            let detail = format!("{} is not offered by this slot", mechanism.row().name);
            return Error::new(Rv::MechanismInvalid, detail).into();
        }
        let described = self.work_on_described(&work);
        Step::Ready(described.unwrap_or_else(|| self.work(cx, work)))
    }

    fn close_session(&self, session: SessionId) {
        self.engine.session.close(session);
    }
}

/// What `CK_TOKEN_INFO` tells of the PINs: set, an attempt failed, one is left, none is left.
const PIN_FLAGS: [(Role, ck::CK_FLAGS, ck::CK_FLAGS, ck::CK_FLAGS, ck::CK_FLAGS); 2] = [
    (
        Role::User,
        ck::CKF_USER_PIN_INITIALIZED,
        ck::CKF_USER_PIN_COUNT_LOW,
        ck::CKF_USER_PIN_FINAL_TRY,
        ck::CKF_USER_PIN_LOCKED,
    ),
    (
        Role::So,
        0,
        ck::CKF_SO_PIN_COUNT_LOW,
        ck::CKF_SO_PIN_FINAL_TRY,
        ck::CKF_SO_PIN_LOCKED,
    ),
];

impl<S: Store, K: Sealers> Engine<S, K> {
    /// The object that a key handle leads to.
    ///
    /// # Errors
    /// `CKR_KEY_HANDLE_INVALID`, also if it is not a key. `CKR_KEY_SIZE_RANGE` if keys of its size are no longer used.
    pub(crate) fn key(&self, access: Access, handle: ObjectId) -> Result<Arc<Opened>> {
        let held = self.look_up(access, handle).map_err(|error| match error.rv() {
            Rv::ObjectHandleInvalid => Rv::KeyHandleInvalid.into(),
            _ => error,
        })?;
        let opened = Arc::clone(held.opened());
        match opened.object.key_type() {
            Some(ck::CKK_RSA) => {
                keys::check_rsa_size(&opened.object, self.rsa, Rv::KeySizeRange)?;
                Ok(opened)
            }
            Some(_) => Ok(opened),
            None => Err(Rv::KeyHandleInvalid.into()),
        }
    }
}

impl<S: Store, K: Sealers> SecretValues for Engine<S, K> {
    fn key_object(&self, cx: &CallCx, id: ObjectId) -> Result<Arc<Object>> {
        Ok(Arc::clone(&self.key(cx.access, id)?.object))
    }
}
