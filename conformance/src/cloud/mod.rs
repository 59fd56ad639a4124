// SPDX-License-Identifier: MIT
//! A key service on this machine: the emulator [`Ministack`], the faults and pages that it lacks ([`Proxy`]), and keys
//! made without PKCS#11 ([`Api`]).
//!
//! The emulator signs like the real service but knows no pages, no throttling and no faults. The proxy adds all of
//! these, so no second emulator and no other fault proxy is needed: what a test wants to go wrong, and what was asked
//! of the service, is one value in the test's own process.
//!
//! ```no_run
//! use keyenclave_conformance::cloud::{Fault, Ministack, On, Proxy};
//!
//! let Some(ministack) = Ministack::shared() else { return };
//! let proxy = Proxy::before(ministack);
//! proxy.pages_of(3);
//! proxy.fault(On::the("Sign").call(2), Fault::Throttled);
//! // … use `proxy.url()` as the endpoint, then look:
//! assert_eq!(proxy.counts().of("Sign"), 2);
//! proxy.heal();
//! ```

mod api;
mod count;
mod fault;
mod message;
mod ministack;
mod page;
mod proxy;
mod slot;

pub use api::{Api, Key};
pub use count::Counts;
pub use fault::{Fault, Lie, On};
pub use ministack::{Account, Ministack};
pub use proxy::Proxy;
pub use slot::{AwsSlot, configure};

/// The region of every test's keys.
pub const REGION: &str = "eu-central-1";
