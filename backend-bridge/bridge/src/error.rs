// SPDX-License-Identifier: MIT
//! What can go wrong with a call to a remote service.
//!
//! An [`Error`] says what kind of failure it was, whether the service may have acted ([`Sent`]), when it asks to be
//! tried again, and under which number the service's own log has it. Backends make errors with the constructor of the
//! kind; what the application sees of them is decided in [`verdict`](crate::verdict) and nowhere else.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::call::CallKind;

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where the fault lies, as `keyenclave health` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// What was configured here does not fit what is there.
    Configuration,
    /// The service is not reached.
    Connectivity,
    /// The service does not let us.
    Permission,
    /// The service was reached and failed, or the request cannot be fulfilled.
    Provider,
}

/// One row a kind: its name, its constructor, its number (which never changes), where the fault lies, whether time may heal it, and what to do.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($constructor:ident) = $number:literal: $reason:ident, $heals:ident, $advice:literal;)*) => {
        /// What kind of failure it was.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The number, the same in every version.
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$kind => $number,)*
                }
            }

            /// Where the fault lies.
            pub const fn reason(self) -> Reason {
                match self {
                    $(Self::$kind => Reason::$reason,)*
                }
            }

            /// Whether the same call may succeed a moment later.
            pub const fn is_transient(self) -> bool {
                match self {
                    $(Self::$kind => Healing::$heals as u8 == Healing::Transient as u8,)*
                }
            }

            /// What whoever reads the log should do.
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$kind => $advice,)*
                }
            }
        }

        impl Error {
            $($(#[$doc])*
            pub fn $constructor(call: CallKind, sent: Sent, what: impl Into<Cow<'static, str>>) -> Self {
                Self::of(ErrorKind::$kind, call, sent, what)
            })*
        }
    };
}

enum Healing {
    Transient,
    Permanent,
}

kinds! {
    /// The service, or our own queue, wants fewer calls.
    Throttled(throttled) = 1: Provider, Transient, "send fewer requests, or have the service's quota raised";
    /// Nobody answers: no route, no name, a refused or broken connection, a service that says it is down.
    Unavailable(unavailable) = 2: Connectivity, Transient, "check the endpoint, the network, proxies, and the service's status page";
    /// No answer within the time that there was.
    Timeout(timeout) = 3: Connectivity, Transient, "check the network and the service's latency, or raise the operation timeout";
    /// There is no credential, or the service no longer accepts it.
    Credential(credential) = 4: Permission, Permanent, "renew the identity that this process runs under, and check this machine's clock";
    /// The identity is known and may not do this.
    Denied(denied) = 5: Permission, Permanent, "grant the identity the permission in the service's or the key's policy";
    /// There is no such key.
    NotFound(not_found) = 6: Provider, Permanent, "the key was deleted, or lives in another region or account: list the slot again";
    /// The key is there, but disabled or about to be deleted.
    Disabled(disabled) = 7: Provider, Permanent, "enable the key in the service, or use its current version";
    /// Somebody else changed the same thing, or a name is taken.
    Conflict(conflict) = 8: Provider, Permanent, "somebody else changed the key or took the name: look, then try again";
    /// The service does not accept the request's content.
    BadInput(bad_input) = 9: Provider, Permanent, "the request does not fit the key: check mechanism, parameters and data length";
    /// The backend or the service cannot do this at all.
    Unsupported(unsupported) = 10: Provider, Permanent, "choose a mechanism that the slot lists, or another slot";
    /// The answer is not what was asked for: checksum, length, or another key.
    Integrity(integrity) = 11: Provider, Permanent, "something between here and the service alters data: check proxies, and do not use the answer";
    /// What is configured cannot work: endpoint, region, certificate authority.
    Configuration(configuration) = 12: Configuration, Permanent, "correct the slot's settings";
    /// A mistake in this library.
    Internal(internal) = 13: Provider, Permanent, "this is a mistake in KeyEnclave: please report it with this message";
    /// A key that was made a moment ago is not known everywhere in the service yet.
    Unsettled(unsettled) = 14: Provider, Transient, "the key is there: try again in a few seconds";
}

/// Whether the service may have acted upon the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// The request never left.
    No,
    /// The service has said that it did nothing.
    Refused,
    /// The request left, and how it ended is not known.
    Maybe,
}

/// A failed call. Cheap to clone, because a failed listing is told to everybody who waited for it.
#[derive(Clone)]
pub struct Error(Box<Content>);

#[derive(Clone)]
struct Content {
    kind: ErrorKind,
    call: CallKind,
    sent: Sent,
    what: Cow<'static, str>,
    retry_after: Option<Duration>,
    remote_code: Option<Box<str>>,
    status: u16,
    request_id: Option<Box<str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of a kind that a table says.
    pub fn of(kind: ErrorKind, call: CallKind, sent: Sent, what: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Content {
            kind,
            call,
            sent,
            what: what.into(),
            retry_after: None,
            remote_code: None,
            status: 0,
            request_id: None,
            source: None,
        }))
    }

    /// The same failure, now that more is known of what it means.
    pub(crate) fn turned(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// When the service asks to be tried again.
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    /// The service's own name for the failure.
    pub fn with_remote_code(mut self, code: impl Into<Box<str>>) -> Self {
        self.0.remote_code = Some(code.into());
        self
    }

    /// The HTTP status of the service's answer.
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = status;
        self
    }

    /// The number that the service's own log has the request under.
    pub fn with_request_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// What caused it.
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where the fault lies: the kind says it, but a service that answers is reached, whatever it says.
    pub fn reason(&self) -> Reason {
        match self.0.kind.reason() {
            Reason::Connectivity if self.0.status != 0 => Reason::Provider,
            reason => reason,
        }
    }

    /// Which call failed.
    pub fn call(&self) -> CallKind {
        self.0.call
    }

    /// Whether the service may have acted.
    pub fn sent(&self) -> Sent {
        self.0.sent
    }

    /// When the service asks to be tried again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The service's own name for the failure.
    pub fn remote_code(&self) -> Option<&str> {
        self.0.remote_code.as_deref()
    }

    /// The number that applications get: the kind's, then three digits of the HTTP status, 000 without an answer.
    pub fn number(&self) -> u32 {
        self.0.kind.number() * 1000 + u32::from(self.0.status.min(999))
    }

    /// What failed, without the request's number.
    pub fn message(&self) -> String {
        let content = &*self.0;
        let mut message = format!("{}: {}", content.call.name(), content.what);
        if let Some(code) = &content.remote_code {
            message.push_str(&format!(" ({code})"));
        }
        if let Some(source) = &content.source {
            message.push_str(&format!(": {source}"));
        }
        message
    }

    /// The number that the service's own log has the request under.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
}

/// One line: what failed, and under which number to look for it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = &*self.0;
        f.write_str(&self.message())?;
        if let Some(id) = &content.request_id {
            write!(f, " [request {id}]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?} {self}", self.0.kind, self.0.sent)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
