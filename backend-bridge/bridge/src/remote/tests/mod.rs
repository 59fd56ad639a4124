// SPDX-License-Identifier: MIT
//! A remote token over a service in memory, on a real runtime. Every request is counted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod catalogue;
mod clock;
mod life;
mod messages;
mod names;
mod newborn;
mod objects;
mod operations;
mod pins;
mod scale;
mod sidecar;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::algorithm::{Curve, Hash};
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{Mechanism, OaepParams, Params, PssParams};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{
    CallCx, End, HandleSource, ObjectId, Operation, OperationClass, Out, OutputLen, Part, Pin, Role,
    SessionId, Step, Token, Work,
};
use keyenclave_model::vendor::CKA_KEYENCLAVE_REMOTE_NAME;
use keyenclave_soft::sidecar as sidecar_in;

use super::*;
use crate::bridge::Bridge;
use crate::call::{CallKind, GenerateKey, RotateKey, Service, Usage, ask};
use crate::contract::fault::{Fault, Faulty, failure};
use crate::contract::memory::MemoryService;
use crate::error::{ErrorKind, Sent};
use crate::key::{KeyName, KeySpec, KeyState};
use crate::runtime::Runtime;
use crate::settings::Settings;

type Attributes = Vec<(ck::CK_ATTRIBUTE_TYPE, Value)>;

struct Bench {
    memory: Arc<MemoryService>,
    faulty: Arc<Faulty>,
    runtime: Arc<Runtime>,
    token: Arc<RemoteToken>,
}

struct OnlyPin(&'static [u8]);

impl PinCheck for OnlyPin {
    fn check(&self, pin: Pin<'_>) -> Result<()> {
        if pin.0 == self.0 {
            Ok(())
        } else {
            Err(Rv::PinIncorrect.into())
        }
    }
}

fn bench_with(memory: Arc<MemoryService>, settings: Settings, pin: Option<Arc<dyn PinCheck>>) -> Bench {
    bench_beside(memory, settings, pin, None)
}

/// As [`bench_with`], with a sidecar in a directory.
fn bench_beside(
    memory: Arc<MemoryService>,
    settings: Settings,
    pin: Option<Arc<dyn PinCheck>>,
    directory: Option<&Path>,
) -> Bench {
    let service = memory.clone();
    bench_over(service, memory, settings, pin, directory)
}

/// As [`bench_beside`], with something between the token and the service in memory.
fn bench_over(
    service: Arc<dyn Service>,
    memory: Arc<MemoryService>,
    settings: Settings,
    pin: Option<Arc<dyn PinCheck>>,
    directory: Option<&Path>,
) -> Bench {
    let handles = Arc::new(HandleSource::starting_at(1));
    let beside = directory.map(|directory| Arc::new(sidecar_in(directory, Arc::clone(&handles))));
    let faulty = Faulty::new(service);
    let runtime = Arc::new(Runtime::new());
    let bridge = Bridge::new(faulty.clone(), settings, runtime.clone());
    let options = RemoteOptions {
        label: "signing".to_owned(),
        place: "memory".to_owned(),
        model: "memory",
        pin,
        sidecar: beside,
    };
    let token = RemoteToken::new(bridge, options, handles);
    Bench {
        memory,
        faulty,
        runtime,
        token: Arc::new(token),
    }
}

fn bench() -> Bench {
    bench_with(Arc::new(MemoryService::new(2)), Settings::default(), None)
}

fn cx(login: Option<Role>) -> CallCx {
    CallCx {
        session: SessionId(1),
        access: Access {
            writable: true,
            login,
        },
        deadline: Some(Instant::now() + Duration::from_secs(10)),
        may_pend: false,
    }
}

fn finish(step: Step) -> Result<Out> {
    match step {
        Step::Ready(result) => result,
        Step::Pending(mut pending) => pending
            .wait(Some(Instant::now() + Duration::from_secs(20)))
            .unwrap(),
    }
}

fn template(attributes: Attributes) -> Template {
    attributes.into_iter().collect()
}

fn mechanism(id: ck::CK_MECHANISM_TYPE) -> Mechanism {
    Mechanism::new(id, Params::None).unwrap()
}

fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().map(|error| error.rv())
}

impl Bench {
    fn run(&self, work: Work<'_>) -> Result<Out> {
        finish(self.token.submit(&cx(None), work))
    }

    fn find(&self, attributes: Attributes) -> Vec<ObjectId> {
        let Out::Objects(found) = self.run(Work::Find(&template(attributes))).unwrap() else {
            panic!()
        };
        found
    }

    fn view(&self, object: ObjectId) -> Arc<Object> {
        let Out::View(object) = self.run(Work::View(object)).unwrap() else {
            panic!()
        };
        object
    }

    fn pair(
        &self,
        id: ck::CK_MECHANISM_TYPE,
        mut public: Attributes,
        mut private: Attributes,
    ) -> Result<(ObjectId, ObjectId)> {
        public.push((ck::CKA_TOKEN, Value::Bool(true)));
        private.push((ck::CKA_TOKEN, Value::Bool(true)));
        let (mechanism, public, private) = (mechanism(id), template(public), template(private));
        let work = Work::GenerateKeyPair {
            mechanism: &mechanism,
            public: &public,
            private: &private,
        };
        match self.run(work)? {
            Out::Pair { public, private } => Ok((public, private)),
            _ => panic!(),
        }
    }

    fn ec(&self, label: &str) -> (ObjectId, ObjectId) {
        let curve = (ck::CKA_EC_PARAMS, Value::bytes(Curve::P256.row().oid));
        self.pair(
            ck::CKM_EC_KEY_PAIR_GEN,
            vec![curve],
            vec![(ck::CKA_LABEL, Value::bytes(label))],
        )
        .unwrap()
    }

    fn rsa(&self, private: Attributes) -> (ObjectId, ObjectId) {
        let bits = (ck::CKA_MODULUS_BITS, Value::Ulong(2048));
        self.pair(ck::CKM_RSA_PKCS_KEY_PAIR_GEN, vec![bits], private)
            .unwrap()
    }

    fn begin(
        &self,
        class: OperationClass,
        mechanism: &Mechanism,
        key: ObjectId,
    ) -> Result<Box<dyn Operation>> {
        match self.run(Work::Begin {
            class,
            mechanism,
            key: Some(key),
        })? {
            Out::Operation(operation) => Ok(operation),
            _ => panic!(),
        }
    }

    fn sign(&self, mechanism: &Mechanism, key: ObjectId, data: &[u8]) -> Result<Vec<u8>> {
        let operation = self.begin(OperationClass::Sign, mechanism, key)?;
        bytes(operation.single(&cx(None), data, End::Output(&mut [])))
    }

    fn verify(&self, mechanism: &Mechanism, key: ObjectId, data: &[u8], signature: &[u8]) -> Result<()> {
        let operation = self.begin(OperationClass::Verify, mechanism, key)?;
        finish(operation.single(&cx(None), data, End::Signature(signature))).map(drop)
    }

    /// How many requests something takes.
    fn requests<T>(&self, does: impl FnOnce() -> T) -> (usize, T) {
        let before = self.faulty.total();
        let result = does();
        (self.faulty.total() - before, result)
    }
}

fn bytes(step: Step) -> Result<Vec<u8>> {
    match finish(step)? {
        Out::Bytes(bytes) => Ok(bytes.to_vec()),
        _ => panic!(),
    }
}

async fn made(memory: &MemoryService, label: Option<&str>) -> KeyName {
    let call = GenerateKey {
        spec: KeySpec::Ec(Curve::P256),
        usage: Usage::Sign,
        label: label.map(str::to_owned),
        tags: BTreeMap::new(),
    };
    ask(memory, call).await.unwrap().listed.name
}

fn service_with_keys(count: usize, page: usize) -> Arc<MemoryService> {
    let memory = Arc::new(MemoryService::new(page));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for number in 0..count {
            made(&memory, Some(&format!("key-{number}"))).await;
        }
    });
    memory
}
