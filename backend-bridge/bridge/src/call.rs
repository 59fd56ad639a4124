// SPDX-License-Identifier: MIT
//! The calls: everything that is ever asked of a remote service, one row a call.
//!
//! The table makes [`CallKind`] with its facts, [`Request`] and [`Response`], the typed trait [`Backend`] that a service
//! implements, and its dispatcher [`Service`], so that a [layer](crate::layer) is one method for all of them. For one
//! row the macro makes, shortened:
//!
//! ```text
//! CallKind::Sign, Request::Sign(Sign), Response::Sign(Vec<u8>)
//! trait Backend { fn sign(&self, call: &Sign) -> impl Future<Output = Result<Vec<u8>>> + Send { unsupported } }
//! impl Call for Sign { type Answer = Vec<u8>; … }
//! ```

use std::future::Future;
use std::pin::Pin;

use zeroize::Zeroizing;

use crate::capability::Capability;
use crate::error::{Error, Result, Sent};
use crate::key::{KeyInfo, KeyName};

pub use crate::request::*;

/// When a call that has failed may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Whatever became of it.
    Always,
    /// Only if the service is known to have done nothing.
    IfNotDone,
    /// Not at all.
    Never,
}

impl Repeat {
    /// Whether a call may be repeated, given what is known of the last try.
    pub const fn allows(self, sent: Sent) -> bool {
        match (self, sent) {
            (Self::Always, _) | (Self::IfNotDone, Sent::No | Sent::Refused) => true,
            (Self::IfNotDone, Sent::Maybe) | (Self::Never, _) => false,
        }
    }
}

/// What is known of a call: a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallFacts {
    /// Its name in logs and metrics.
    pub name: &'static str,
    /// When it may be repeated.
    pub repeat: Repeat,
    /// Whether services charge for each.
    pub is_billed: bool,
    /// Whether it changes anything at the service.
    pub changes: bool,
    /// Whether only the service can answer; otherwise an answer that is remembered will do.
    pub needs_network: bool,
}

/// A future that may be dropped at any await: then the answer is lost, not necessarily the work.
pub type Reply<'a, T = Response> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A typed call.
pub trait Call: Send + Sync + 'static {
    /// Which call.
    const KIND: CallKind;
    /// What comes back.
    type Answer: Send + 'static;

    /// As a request.
    fn into_request(self) -> Request;

    /// The answer in a response to such a request.
    fn answer(response: Response) -> Option<Self::Answer>;
}

/// Any backend, as layers and tokens see it.
pub trait Service: Send + Sync {
    /// What it can do.
    fn capability(&self) -> &Capability;

    /// Answers a request.
    fn answer<'a>(&'a self, request: &'a Request) -> Reply<'a>;
}

/// A typed call to any service.
///
/// # Errors
/// The service's own, and an `Internal` one for an answer to another call.
pub async fn ask<C: Call>(service: &dyn Service, call: C) -> Result<C::Answer> {
    let response = service.answer(&call.into_request()).await?;
    C::answer(response).ok_or_else(|| wrong_answer(C::KIND))
}

pub(crate) fn wrong_answer(call: CallKind) -> Error {
    Error::internal(call, Sent::Maybe, "the answer belongs to another call")
}

macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        $kind:ident = $method:ident($request:ty) -> $answer:ty
            { repeat: $repeat:ident, billed: $billed:literal, changes: $changes:literal, network: $network:literal,
              key: $key:expr }
    )*) => {
        /// Which call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each variant is the Backend method of the same name")]
        pub enum CallKind {
            $($kind,)*
        }

        impl CallKind {
            /// Every call, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// What is known of it.
            pub const fn facts(self) -> CallFacts {
                match self {
                    $(Self::$kind => CallFacts {
                        name: stringify!($method),
                        repeat: Repeat::$repeat,
                        is_billed: $billed,
                        changes: $changes,
                        needs_network: $network,
                    },)*
                }
            }

            /// Its name in logs and metrics.
            pub const fn name(self) -> &'static str {
                self.facts().name
            }
        }

        /// A call and its parameters. No `Debug`: there may be secrets in it.
        #[allow(missing_docs, reason = "each variant is the Backend method of the same name")]
        pub enum Request {
            $($kind($request),)*
        }

        impl Request {
            /// Which call it is.
            pub const fn kind(&self) -> CallKind {
                match self {
                    $(Self::$kind(_) => CallKind::$kind,)*
                }
            }

            /// Which key it is about.
            pub fn key(&self) -> Option<&KeyName> {
                match self {
                    $(Self::$kind(call) => {
                        let key: fn(&$request) -> Option<&KeyName> = $key;
                        key(call)
                    })*
                }
            }
        }

        /// The answer to a call. No `Debug`: there may be secrets in it.
        #[derive(Clone)]
        #[allow(missing_docs, reason = "each variant is the answer of the Backend method of the same name")]
        pub enum Response {
            $($kind($answer),)*
        }

        $(impl Call for $request {
            const KIND: CallKind = CallKind::$kind;
            type Answer = $answer;

            fn into_request(self) -> Request {
                Request::$kind(self)
            }

            fn answer(response: Response) -> Option<$answer> {
                match response {
                    Response::$kind(answer) => Some(answer),
                    _ => None,
                }
            }
        })*

        /// A remote service.
        ///
        /// A backend does one thing: it turns a call into one request, and the answer into ours. It does not retry,
        /// sleep, time out, cache, spawn or log; every future may be dropped at any await. It implements the calls that
        /// its [`Capability`] names; the others are refused before it is asked.
        pub trait Backend: Send + Sync {
            /// What it can do. Advertised means that the contract's cases pass; what is not advertised is refused.
            fn capability(&self) -> &Capability;

            $($(#[$doc])*
            fn $method(&self, call: &$request) -> impl Future<Output = Result<$answer>> + Send {
                let _ = call;
                async { Err(not_offered(CallKind::$kind)) }
            })*
        }

        impl<B: Backend> Service for B {
            fn capability(&self) -> &Capability {
                Backend::capability(self)
            }

            fn answer<'a>(&'a self, request: &'a Request) -> Reply<'a> {
                match request {
                    $(Request::$kind(call) => {
                        Box::pin(async move { self.$method(call).await.map(Response::$kind) })
                    })*
                }
            }
        }
    };
}

pub(crate) fn not_offered(call: CallKind) -> Error {
    Error::unsupported(call, Sent::No, "this backend does not offer the call")
}

calls! {
    /// One page of the keys that there are.
    ///
    /// # Behaviour
    /// - Following `next` until it is `None` gives every key once, however many pages there are.
    /// - Keys that are about to be deleted may be left out.
    List = list(ListKeys) -> KeyPage
        { repeat: Always, billed: true, changes: false, network: true, key: |_| None }

    /// One key in full.
    ///
    /// # Behaviour
    /// - What the service says in words that we do not know is kept in `remote_spec`, not dropped.
    /// - A key that is not there is `NotFound`.
    Describe = describe(DescribeKey) -> KeyInfo
        { repeat: Always, billed: true, changes: false, network: true, key: |call| Some(&call.key) }

    /// The public half, as a DER `SubjectPublicKeyInfo` (RFC 5280).
    ///
    /// # Behaviour
    /// - The public key of a version never changes.
    PublicKey = public_key(FetchPublicKey) -> Vec<u8>
        { repeat: Always, billed: true, changes: false, network: false, key: |call| Some(&call.key) }

    /// A signature over a digest, or over a block for [`RsaPkcs1Block`](crate::key::Algorithm::RsaPkcs1Block).
    ///
    /// # Behaviour
    /// - The signature verifies with the public key.
    /// - ECDSA signatures are r and s, each of the length of the field, most significant byte first.
    /// - A digest of another length than the algorithm's is `BadInput`.
    Sign = sign(SignDigest) -> Vec<u8>
        { repeat: Always, billed: true, changes: false, network: true, key: |call| Some(&call.key) }

    /// The plaintext of a ciphertext.
    ///
    /// # Behaviour
    /// - What was encrypted to the public key, or by `encrypt`, comes back.
    /// - A ciphertext that is not this key's is `BadInput`.
    Decrypt = decrypt(DecryptData) -> Zeroizing<Vec<u8>>
        { repeat: Always, billed: true, changes: false, network: true, key: |call| Some(&call.key) }

    /// A ciphertext under a symmetric key, in the service's own format.
    ///
    /// # Behaviour
    /// - `decrypt` gives the plaintext back.
    Encrypt = encrypt(EncryptData) -> Vec<u8>
        { repeat: Always, billed: true, changes: false, network: true, key: |call| Some(&call.key) }

    /// A message authentication code.
    ///
    /// # Behaviour
    /// - The same message gives the same code, another message another one.
    Mac = mac(MacMessage) -> Vec<u8>
        { repeat: Always, billed: true, changes: false, network: true, key: |call| Some(&call.key) }

    /// The secret shared with the owner of another public key.
    ///
    /// # Behaviour
    /// - Both sides get the same secret.
    Derive = derive(DeriveSecret) -> Zeroizing<Vec<u8>>
        { repeat: Always, billed: true, changes: false, network: true, key: |call| Some(&call.key) }

    /// Brings a key in.
    ///
    /// # Behaviour
    /// - The key can be used with the public half that it was brought with.
    Import = import(ImportKey) -> KeyInfo
        { repeat: IfNotDone, billed: true, changes: true, network: true, key: |_| None }

    /// Makes a key.
    ///
    /// # Behaviour
    /// - The key is usable when the call returns, and a listing shows it, perhaps a moment later.
    /// - One call makes one key.
    Generate = generate(GenerateKey) -> KeyInfo
        { repeat: IfNotDone, billed: true, changes: true, network: true, key: |_| None }

    /// Deletes a key, or has it deleted as soon as the service allows.
    ///
    /// # Behaviour
    /// - Afterwards the key cannot be used.
    /// - Deleting a key that is about to be deleted succeeds.
    Destroy = destroy(DestroyKey) -> ()
        { repeat: Always, billed: false, changes: true, network: true, key: |call| Some(&call.key) }

    /// Makes a new version of a key, which becomes the current one.
    ///
    /// # Behaviour
    /// - The old version keeps its name and can be used.
    Rotate = rotate(RotateKey) -> KeyInfo
        { repeat: IfNotDone, billed: true, changes: true, network: true, key: |call| Some(&call.key) }

    /// Changes what people call a key, and its tags.
    ///
    /// # Behaviour
    /// - Afterwards `describe` shows the new values; what is not named stays.
    Update = update(UpdateKey) -> ()
        { repeat: Always, billed: false, changes: true, network: true, key: |call| Some(&call.key) }

    /// Random bytes.
    ///
    /// # Behaviour
    /// - As many as were asked for.
    Random = random(RandomBytes) -> Zeroizing<Vec<u8>>
        { repeat: Always, billed: true, changes: false, network: true, key: |_| None }

    /// Whether the service can be used, with the least that tells.
    ///
    /// # Behaviour
    /// - An error says what is wrong as any other call's would.
    Health = health(CheckHealth) -> ()
        { repeat: Never, billed: false, changes: false, network: true, key: |_| None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_something_is_never_repeated_after_a_lost_answer() {
        for kind in [CallKind::Generate, CallKind::Import, CallKind::Rotate] {
            let repeat = kind.facts().repeat;
            assert!(!repeat.allows(Sent::Maybe), "{}", kind.name());
            assert!(
                repeat.allows(Sent::No) && repeat.allows(Sent::Refused),
                "{}",
                kind.name()
            );
        }
        assert!(
            CallKind::ALL
                .iter()
                .filter(|kind| !kind.facts().changes)
                .all(|kind| { *kind == CallKind::Health || kind.facts().repeat.allows(Sent::Maybe) })
        );
    }
}
