// SPDX-License-Identifier: MIT
//! What every case starts from: a slot of the emulated service behind a proxy, and a soft slot beside it.

use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::cloud::{Account, Api, AwsSlot, Ministack, Proxy, configure};
use keyenclave_conformance::module::{Attr, Module, bytes, flag, number};
use keyenclave_conformance::place::{Place, module_path};
use keyenclave_conformance::token::{CURVES, RW, THREADS, Token};
use std::ops::Deref;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// How long an operation may take in cases that wait for it, and one try of it.
pub const OPERATION: Duration = Duration::from_millis(2500);
const ATTEMPT: Duration = Duration::from_millis(600);

/// What a busy machine may add to a deadline before a call counts as too late.
pub const MARGIN: Duration = Duration::from_millis(2500);

/// What a key is made for, as the service says it.
pub const SIGNS: &str = "SIGN_VERIFY";

/// A slot of the emulated service in this process.
pub struct Aws {
    /// Between the module and the emulator.
    pub proxy: Proxy,
    /// The emulator's own API, past the proxy.
    pub api: Api,
    /// The module; `slot` is the service's.
    pub token: Token,
    /// The process's directory.
    pub place: Place,
}

impl Deref for Aws {
    type Target = Token;

    fn deref(&self) -> &Token {
        &self.token
    }
}

/// Runs a case in a process of its own, with an account of its own.
pub fn case<F: FnOnce(&'static Ministack)>(body: F) {
    Ministack::in_own_process(body);
}

/// A slot with little time.
pub fn hurried(label: &str, endpoint: &str) -> AwsSlot {
    hurry(AwsSlot::new(label, endpoint))
}

fn hurry(slot: AwsSlot) -> AwsSlot {
    slot.with("operation_timeout", OPERATION.as_millis())
        .with("attempt_timeout", ATTEMPT.as_millis())
}

impl Aws {
    /// With little time for an operation.
    pub fn hurried(ministack: &Ministack) -> Self {
        Self::with(ministack, hurry)
    }

    /// With usual settings; nothing has gone over the network yet.
    pub fn new(ministack: &Ministack) -> Self {
        Self::with(ministack, |slot| slot)
    }

    /// With settings of its own.
    pub fn with(ministack: &Ministack, settings: impl FnOnce(AwsSlot) -> AwsSlot) -> Self {
        let place = Place::of_this_process();
        let proxy = Proxy::before(ministack);
        configure(&place, "", &[settings(AwsSlot::new("cloud", proxy.url()))]);
        Self {
            api: ministack.api(&Account::of_this_process()),
            proxy,
            token: Token::blank(),
            place,
        }
    }

    /// A key that the service made by its own API, with this label.
    pub fn elsewhere(&self, label: &str) -> keyenclave_conformance::cloud::Key {
        self.api.create_named_key(label, "ECC_NIST_P256", SIGNS)
    }

    /// Objects of a class with a label.
    pub fn found(&self, s: CK_SESSION_HANDLE, class: CK_ULONG, label: &str) -> Result<Vec<CK_ULONG>, Rv> {
        self.find(s, &[number(CKA_CLASS, class), bytes(CKA_LABEL, label)])
    }

    /// The one object of a class with a label.
    pub fn object(&self, s: CK_SESSION_HANDLE, class: CK_ULONG, label: &str) -> CK_ULONG {
        let found = self.found(s, class, label).expect("a search");
        assert_eq!(found.len(), 1, "objects named {label}");
        found[0]
    }

    /// Private and public half of the pair with a label.
    pub fn pair(&self, s: CK_SESSION_HANDLE, label: &str) -> (CK_ULONG, CK_ULONG) {
        let private = self.object(s, CKO_PRIVATE_KEY, label);
        (private, self.object(s, CKO_PUBLIC_KEY, label))
    }

    /// A P-256 pair made through PKCS#11, at the service: public, private.
    pub fn generate(&self, s: CK_SESSION_HANDLE, label: &str) -> Result<(CK_ULONG, CK_ULONG), Rv> {
        self.generate_key_pair(
            s,
            CKM_EC_KEY_PAIR_GEN,
            &[&[bytes(CKA_EC_PARAMS, CURVES[0].0)], &lasting(label)[..]].concat(),
            &lasting(label),
        )
    }
}

/// What makes an object a lasting one of this name.
pub fn lasting(label: &str) -> [Attr; 2] {
    [flag(CKA_TOKEN, true), bytes(CKA_LABEL, label)]
}

/// The first pause before another look, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(20)];

/// Looks again for something that nobody tells of, after pauses that double: no core is kept busy meanwhile.
pub struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    /// For so long.
    pub fn of(limit: Duration) -> Self {
        Self {
            until: Instant::now() + limit,
            pause: PAUSES[0],
        }
    }

    /// Pauses; false, without a pause, when the time is over.
    pub fn lasts(&mut self) -> bool {
        let is_left = Instant::now() < self.until;
        if is_left {
            std::thread::sleep(self.pause);
            self.pause = PAUSES[1].min(2 * self.pause);
        }
        is_left
    }
}

/// Tries until `call` succeeds, as an application would that does not give up.
#[track_caller]
pub fn at_last<T>(what: &str, mut call: impl FnMut() -> Result<T, Rv>) -> T {
    let mut patience = Patience::of(Duration::from_secs(10));
    loop {
        match call() {
            Ok(value) => return value,
            Err(rv) => assert!(patience.lasts(), "{what}: still {rv:?} long after it healed"),
        }
    }
}

/// Waits until a request for `operation` is at the proxy, which `asking` makes and waits for.
#[track_caller]
pub fn until_asked<T>(proxy: &Proxy, operation: &str, asking: &ScopedJoinHandle<'_, T>) {
    let mut patience = Patience::of(Duration::from_secs(20));
    while proxy.counts().of(operation) == 0 {
        assert!(!asking.is_finished(), "it ended without a {operation}");
        assert!(patience.lasts(), "no {operation} is asked for");
    }
}

/// The slots of a module in their order.
pub fn slots(module: &Module) -> Vec<CK_SLOT_ID> {
    let (rv, count, _) = module.slot_list(true, None);
    assert_eq!(rv, Rv::OK);
    let (rv, _, slots) = module.slot_list(true, usize::try_from(count).ok());
    assert_eq!(rv, Rv::OK);
    slots
}

/// The module under test, initialised.
pub fn module() -> Module {
    let module = Module::load(&module_path());
    assert_eq!(module.initialize(THREADS), Rv::OK);
    module
}

/// A read-write session.
pub fn session(module: &Module, slot: CK_SLOT_ID) -> CK_SESSION_HANDLE {
    module.open_session(slot, RW).expect("a session")
}
