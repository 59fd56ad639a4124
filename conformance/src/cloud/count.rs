// SPDX-License-Identifier: MIT
//! What the proxy saw: requests by operation, and connections.

use std::collections::BTreeMap;

/// A snapshot of what a [`super::Proxy`] counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests by operation (`Sign`, `ListKeys`), those that a fault answered too.
    pub requests: BTreeMap<String, u64>,
    /// Connections accepted so far.
    pub opened: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections open now that wait for a request.
    pub idle: u64,
    /// The most connections that were open at the same time.
    pub most_open: u64,
}

impl Counts {
    /// Requests for one operation.
    pub fn of(&self, operation: &str) -> u64 {
        self.requests.get(operation).copied().unwrap_or_default()
    }

    /// Requests for anything.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    pub(super) fn opening(&mut self) {
        self.opened += 1;
        self.open += 1;
        self.idle += 1;
        self.most_open = self.most_open.max(self.open);
    }

    pub(super) fn asked(&mut self, operation: &str) {
        self.idle -= 1;
        *self.requests.entry(operation.to_owned()).or_default() += 1;
    }

    pub(super) fn answered(&mut self) {
        self.idle += 1;
    }

    /// Nobody is asking any more, but the connections are there.
    pub(super) fn forget(&mut self) {
        self.requests.clear();
        self.opened = 0;
        self.most_open = self.open;
    }
}
