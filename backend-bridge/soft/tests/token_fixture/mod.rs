// SPDX-License-Identifier: MIT
//! What the tests of the soft token share: tokens in directories of their own, and short ways to ask them.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Mechanism, Params};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, End, HandleSource, ObjectId, Operation, OperationClass, Out, Part, Pin, Role, SessionId, Step,
    Token, Work, Wrapping,
};
use keyenclave_soft::sealer::PinCost;
use keyenclave_soft::{SoftOptions, SoftToken};
use tempfile::TempDir;

pub const SO_PIN: &[u8] = b"so-pin-0";
pub const USER_PIN: &[u8] = b"user-pin-0";

/// A token, and the directory that it is in.
pub struct Fixture {
    pub token: SoftToken,
    pub directory: Arc<TempDir>,
    pub handles: Arc<HandleSource>,
}

impl Fixture {
    /// A token that nobody has initialised.
    pub fn blank() -> Self {
        Self::in_directory(Arc::new(TempDir::new().unwrap()))
    }

    /// An initialised token without a login.
    pub fn initialised() -> Self {
        Self::blank().with_pins()
    }

    /// The token, initialised and without a login.
    pub fn with_pins(self) -> Self {
        self.init_token(SO_PIN, "test").unwrap();
        self.login(Role::So, SO_PIN).unwrap();
        self.work(so(), Work::InitPin(Pin(USER_PIN))).unwrap();
        self.work(so(), Work::Logout).unwrap();
        self
    }

    /// An initialised token with the user logged in.
    pub fn for_user() -> Self {
        let fixture = Self::initialised();
        fixture.login(Role::User, USER_PIN).unwrap();
        fixture
    }

    /// What another process would see in the same directory.
    pub fn other(&self) -> Self {
        Self::in_directory(Arc::clone(&self.directory))
    }

    /// A token in a directory that may have been used before.
    pub fn in_directory(directory: Arc<TempDir>) -> Self {
        Self::made(directory, false)
    }

    /// A token that nobody has initialised, and that offers everything.
    pub fn with_legacy_mechanisms() -> Self {
        Self::made(Arc::new(TempDir::new().unwrap()), true)
    }

    fn made(directory: Arc<TempDir>, legacy_mechanisms: bool) -> Self {
        let handles = Arc::new(HandleSource::starting_at(1));
        let options = SoftOptions {
            max_pin_attempts: 3,
            pin_cost: PinCost::FLOOR,
            legacy_mechanisms,
            ..SoftOptions::new(directory.path())
        };
        Self {
            token: SoftToken::new(&options, Arc::clone(&handles)),
            directory,
            handles,
        }
    }

    pub fn work(&self, cx: CallCx, work: Work<'_>) -> Result<Out> {
        ready(self.token.submit(&cx, work))
    }

    /// `C_DeriveKey`.
    pub fn derive(
        &self,
        cx: CallCx,
        how: &Mechanism,
        base: ObjectId,
        template: &Template,
    ) -> Result<ObjectId> {
        let work = Work::Derive {
            mechanism: how,
            base,
            template,
            has_handle: true,
        };
        self.work(cx, work).map(made)
    }

    /// `C_WrapKey`, after the question how much room it takes.
    pub fn wrap(&self, cx: CallCx, how: &Mechanism, wrapping: ObjectId, key: ObjectId) -> Result<Vec<u8>> {
        let what = Wrapping {
            mechanism: how,
            wrapping,
            key,
            associated: None,
        };
        let Out::Size(most) = self.work(cx, Work::WrapLen(what))? else {
            panic!("no length")
        };
        match self.work(cx, Work::Wrap(what))? {
            Out::Bytes(wrapped) => {
                assert!(wrapped.len() as u64 <= most);
                Ok(wrapped.to_vec())
            }
            _ => panic!("nothing wrapped"),
        }
    }

    /// `C_UnwrapKey`.
    pub fn unwrap(
        &self,
        cx: CallCx,
        how: &Mechanism,
        unwrapping: ObjectId,
        wrapped: &[u8],
        template: &Template,
    ) -> Result<ObjectId> {
        let work = Work::Unwrap {
            mechanism: how,
            unwrapping,
            wrapped,
            associated: None,
            template,
        };
        self.work(cx, work).map(made)
    }

    pub fn init_token(&self, so_pin: &[u8], name: &str) -> Result<Out> {
        let mut label = [b' '; 32];
        label[..name.len()].copy_from_slice(name.as_bytes());
        let so_pin = Pin(so_pin);
        self.work(public(), Work::InitToken { so_pin, label })
    }

    pub fn login(&self, role: Role, pin: &[u8]) -> Result<Out> {
        self.work(public(), Work::Login { role, pin: Pin(pin) })
    }

    pub fn create(&self, cx: CallCx, template: &Template) -> Result<ObjectId> {
        match self.work(cx, Work::Create(template))? {
            Out::Object(id) => Ok(id),
            _ => panic!("no object"),
        }
    }

    pub fn copy(&self, cx: CallCx, object: ObjectId, template: &Template) -> Result<ObjectId> {
        match self.work(cx, Work::Copy { object, template })? {
            Out::Object(id) => Ok(id),
            _ => panic!("no object"),
        }
    }

    pub fn set(&self, cx: CallCx, object: ObjectId, template: &Template) -> Result<()> {
        self.work(cx, Work::Set { object, template }).map(drop)
    }

    pub fn destroy(&self, cx: CallCx, object: ObjectId) -> Result<()> {
        self.work(cx, Work::Destroy(object)).map(drop)
    }

    pub fn view(&self, cx: CallCx, object: ObjectId) -> Result<Arc<Object>> {
        match self.work(cx, Work::View(object))? {
            Out::View(object) => Ok(object),
            _ => panic!("no view"),
        }
    }

    pub fn find(&self, cx: CallCx, template: &Template) -> Vec<ObjectId> {
        match self.work(cx, Work::Find(template)).unwrap() {
            Out::Objects(found) => found,
            _ => panic!("no objects"),
        }
    }

    pub fn generate(&self, cx: CallCx, mechanism: u64, template: &Template) -> Result<ObjectId> {
        let mechanism = &plain(mechanism);
        match self.work(cx, Work::GenerateKey { mechanism, template })? {
            Out::Object(id) => Ok(id),
            _ => panic!("no object"),
        }
    }

    pub fn generate_pair(
        &self,
        cx: CallCx,
        mechanism: u64,
        public: &Template,
        private: &Template,
    ) -> Result<(ObjectId, ObjectId)> {
        let mechanism = &plain(mechanism);
        let work = Work::GenerateKeyPair {
            mechanism,
            public,
            private,
        };
        match self.work(cx, work)? {
            Out::Pair { public, private } => Ok((public, private)),
            _ => panic!("no pair"),
        }
    }

    pub fn begin(
        &self,
        cx: CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: ObjectId,
    ) -> Result<Box<dyn Operation>> {
        let key = Some(key);
        match self.work(
            cx,
            Work::Begin {
                class,
                mechanism,
                key,
            },
        )? {
            Out::Operation(operation) => Ok(operation),
            _ => panic!("no operation"),
        }
    }

    /// Whole message in, whole output out.
    pub fn run(
        &self,
        cx: CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: ObjectId,
        input: &[u8],
    ) -> Result<Vec<u8>> {
        let operation = self.begin(cx, class, mechanism, key)?;
        let mut out = vec![0; operation.output_len(Part::Single(input.len()))?.max()];
        let written = written(operation.single(&cx, input, End::Output(&mut out)))?;
        out.truncate(written);
        Ok(out)
    }

    /// The message in parts, whole output out.
    pub fn run_in_parts(
        &self,
        cx: CallCx,
        class: OperationClass,
        mechanism: &Mechanism,
        key: ObjectId,
        parts: &[&[u8]],
    ) -> Result<Vec<u8>> {
        let mut operation = self.begin(cx, class, mechanism, key)?;
        let mut all = Vec::new();
        for part in parts {
            let mut out = vec![0; operation.output_len(Part::Update(part.len()))?.max()];
            let written = operation.update(&cx, part, &mut out)?;
            all.extend(out.into_iter().take(written));
        }
        let mut out = vec![0; operation.output_len(Part::Finish)?.max()];
        let written = written(operation.finish(&cx, End::Output(&mut out)))?;
        all.extend(out.into_iter().take(written));
        Ok(all)
    }

    pub fn verify(
        &self,
        cx: CallCx,
        mechanism: &Mechanism,
        key: ObjectId,
        input: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let operation = self.begin(cx, OperationClass::Verify, mechanism, key)?;
        ready(operation.single(&cx, input, End::Signature(signature))).map(drop)
    }
}

pub fn ready(step: Step) -> Result<Out> {
    match step {
        Step::Ready(result) => result,
        Step::Pending(_) => panic!("a soft token never pends"),
    }
}

fn written(step: Step) -> Result<usize> {
    match ready(step)? {
        Out::Written(len) => Ok(len),
        _ => panic!("nothing written"),
    }
}

/// The return value of what must fail.
pub fn rv<T>(result: Result<T>) -> Rv {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => Error::rv(&error),
    }
}

const fn cx(session: u64, writable: bool, login: Option<Role>) -> CallCx {
    CallCx {
        session: SessionId(session),
        access: Access { writable, login },
        deadline: None,
        may_pend: false,
    }
}

/// A read/write session without a login.
pub const fn public() -> CallCx {
    cx(1, true, None)
}

/// A read/write session of the user.
pub const fn user() -> CallCx {
    cx(1, true, Some(Role::User))
}

/// A read-only session of the user.
pub const fn reader() -> CallCx {
    cx(2, false, Some(Role::User))
}

/// A session of the security officer.
pub const fn so() -> CallCx {
    cx(1, true, Some(Role::So))
}

/// A mechanism without a parameter.
pub fn plain(id: u64) -> Mechanism {
    Mechanism::new(id, Params::None).unwrap()
}

pub fn mechanism(id: u64, params: Params) -> Mechanism {
    Mechanism::new(id, params).unwrap()
}

/// A template, written like a table.
pub fn template(attributes: impl IntoIterator<Item = (u64, Value)>) -> Template {
    attributes.into_iter().collect()
}

/// One template after another; the later ones decide.
pub fn merged(first: &Template, then: impl IntoIterator<Item = (u64, Value)>) -> Template {
    let mut all: std::collections::BTreeMap<_, _> =
        first.iter().map(|(id, value)| (id, value.clone())).collect();
    all.extend(then);
    all.into_iter().collect()
}

pub fn yes() -> Value {
    Value::Bool(true)
}

pub fn no() -> Value {
    Value::Bool(false)
}

pub fn number(number: u64) -> Value {
    Value::Ulong(number)
}

pub fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    Value::bytes(bytes.as_ref())
}

/// A data object.
pub fn data(label: &str, token: bool, private: bool) -> Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_DATA)),
        (ck::CKA_TOKEN, Value::Bool(token)),
        (ck::CKA_PRIVATE, Value::Bool(private)),
        (ck::CKA_LABEL, bytes(label)),
        (ck::CKA_VALUE, bytes("value")),
    ])
}

/// An AES key that everybody may see.
pub fn aes_key(value: &[u8]) -> Template {
    secret_key(ck::CKK_AES, value)
}

/// A secret session key that everybody may see.
pub fn secret_key(key_type: u64, value: &[u8]) -> Template {
    template([
        (ck::CKA_CLASS, number(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, number(key_type)),
        (ck::CKA_PRIVATE, no()),
        (ck::CKA_VALUE, bytes(value)),
    ])
}

pub fn by_label(label: &str) -> Template {
    template([(ck::CKA_LABEL, bytes(label))])
}

/// Templates for a key pair on a curve, in a session, for everybody.
pub fn ec_pair(curve: keyenclave_model::algorithm::Curve) -> (Template, Template) {
    let public = template([(ck::CKA_EC_PARAMS, bytes(curve.row().oid))]);
    (public, template([(ck::CKA_PRIVATE, no())]))
}

/// An Ed25519 key pair in a session, for everybody: public, private.
pub fn ed25519_pair(fixture: &Fixture) -> (ObjectId, ObjectId) {
    let of_public = template([(ck::CKA_EC_PARAMS, bytes(keyenclave_model::edwards::CURVE.oid))]);
    let of_private = template([(ck::CKA_PRIVATE, no())]);
    let pair = fixture.generate_pair(public(), ck::CKM_EC_EDWARDS_KEY_PAIR_GEN, &of_public, &of_private);
    pair.unwrap()
}

/// A key pair of ML-DSA or ML-KEM in a session, for everybody, that can be read: public, private.
pub fn lattice_pair(fixture: &Fixture, key_type: u64, parameter_set: u64) -> (ObjectId, ObjectId) {
    let mechanism = match key_type {
        ck::CKK_ML_DSA => ck::CKM_ML_DSA_KEY_PAIR_GEN,
        _ => ck::CKM_ML_KEM_KEY_PAIR_GEN,
    };
    let of_public = template([(ck::CKA_PARAMETER_SET, number(parameter_set))]);
    let of_private = template([
        (ck::CKA_PRIVATE, no()),
        (ck::CKA_SENSITIVE, no()),
        (ck::CKA_EXTRACTABLE, yes()),
    ]);
    let pair = fixture.generate_pair(public(), mechanism, &of_public, &of_private);
    pair.unwrap()
}

/// Templates for an RSA key pair, in a session, for everybody.
pub fn rsa_pair(bits: u64) -> (Template, Template) {
    let public = template([(ck::CKA_MODULUS_BITS, number(bits))]);
    (public, template([(ck::CKA_PRIVATE, no())]))
}

/// The same as token objects with a label.
pub fn kept(pair: (Template, Template), label: &str) -> (Template, Template) {
    let keep = |template: &Template, private| {
        merged(
            template,
            [
                (ck::CKA_TOKEN, yes()),
                (ck::CKA_PRIVATE, Value::Bool(private)),
                (ck::CKA_LABEL, bytes(label)),
            ],
        )
    };
    (keep(&pair.0, false), keep(&pair.1, true))
}

/// The one object that was made.
fn made(out: Out) -> ObjectId {
    match out {
        Out::Object(id) => id,
        _ => panic!("no object"),
    }
}
