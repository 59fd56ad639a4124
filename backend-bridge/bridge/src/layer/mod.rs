// SPDX-License-Identifier: MIT
//! Layers: what is done around every call, one method each, in one fixed order.
//!
//! trace → cache → retry → breaker → limit → timeout → backend.
//!
//! Each layer's file says why it stands where it stands. Time is tokio's, which tests stop.

mod breaker;
mod cache;
mod limit;
mod newborn;
mod retry;
mod timeout;
mod trace;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::call::{Call, Reply, Request, Service, wrong_answer};
use crate::capability::Capability;
use crate::error::Result;
use crate::settings::Settings;

pub use retry::Jitter;

/// What one operation's calls have in common.
#[derive(Clone, Copy, Debug)]
pub struct Cx {
    /// When the answer stops being of use.
    pub deadline: Instant,
    /// Tells the operation's lines in the log from others.
    pub number: u64,
}

impl Cx {
    /// A new operation.
    pub fn until(deadline: Instant) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self {
            deadline,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// Something done around every call.
pub trait Layer: Send + Sync {
    /// Its name, for the order.
    fn name(&self) -> &'static str;

    /// Answers a request, by asking `next` none, one or several times.
    fn call<'a>(&'a self, cx: &'a Cx, request: &'a Request, next: Next<'a>) -> Reply<'a>;
}

/// The layers that are still to come, and the service behind them.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    rest: &'a [Box<dyn Layer>],
    service: &'a dyn Service,
}

impl<'a> Next<'a> {
    /// Passes the request on.
    pub fn call(self, cx: &'a Cx, request: &'a Request) -> Reply<'a> {
        match self.rest.split_first() {
            Some((layer, rest)) => layer.call(cx, request, Self { rest, ..self }),
            None => self.service.answer(request),
        }
    }
}

/// A backend with all layers around it. It is a [`Service`] again, and keeps the same contract.
pub struct Stack {
    layers: Vec<Box<dyn Layer>>,
    service: Arc<dyn Service>,
    settings: Settings,
}

impl Stack {
    /// A backend with its layers. Starts nothing.
    pub fn new(service: Arc<dyn Service>, settings: Settings) -> Self {
        Self::with_jitter(service, settings, retry::full_jitter())
    }

    /// As [`Stack::new`], with the chance in pauses as it is given.
    pub fn with_jitter(service: Arc<dyn Service>, settings: Settings, jitter: Jitter) -> Self {
        let layers: Vec<Box<dyn Layer>> = vec![
            Box::new(trace::Trace),
            Box::new(cache::Cache::new(&settings)),
            Box::new(retry::Retry::new(&settings, jitter)),
            Box::new(breaker::Breaker::new(&settings)),
            Box::new(limit::Limit::new(&settings)),
            Box::new(timeout::Timeout::new(&settings)),
        ];
        Self {
            layers,
            service,
            settings,
        }
    }

    /// The layers' names, outermost first.
    pub fn order(&self) -> Vec<&'static str> {
        self.layers.iter().map(|layer| layer.name()).collect()
    }

    /// The numbers that rule it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes a call. It may be abandoned at any time by dropping the future; see [`crate::call::Backend`].
    ///
    /// # Errors
    /// What [`Capability::check`] says, and what the layers and the backend report.
    pub async fn ask<C: Call>(&self, cx: &Cx, call: C) -> Result<C::Answer> {
        let request = call.into_request();
        let response = self.pass(cx, &request).await?;
        C::answer(response).ok_or_else(|| wrong_answer(C::KIND))
    }

    async fn pass(&self, cx: &Cx, request: &Request) -> Result<crate::call::Response> {
        self.service.capability().check(request)?;
        let next = Next {
            rest: &self.layers,
            service: &*self.service,
        };
        next.call(cx, request).await
    }
}

impl Service for Stack {
    fn capability(&self) -> &Capability {
        self.service.capability()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Reply<'a> {
        Box::pin(async move {
            let cx = Cx::until(Instant::now() + self.settings.operation_timeout);
            self.pass(&cx, request).await
        })
    }
}
