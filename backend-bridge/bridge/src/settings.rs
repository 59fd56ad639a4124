// SPDX-License-Identifier: MIT
//! The numbers that rule calls to a remote service.

use std::time::Duration;

/// How long, how often and how many at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the acceptance of an operation to its end, where the caller has no deadline.
    pub operation_timeout: Duration,
    /// One try of a call that may be repeated.
    pub attempt_timeout: Duration,
    /// How often a call is tried again at the most.
    pub retries: u32,
    /// The first pause before another try; each further one may be twice as long.
    pub backoff: Duration,
    /// The longest pause.
    pub max_backoff: Duration,
    /// Calls under way at the same time, and so connections.
    pub connections: usize,
    /// Calls that wait for a connection.
    pub queue: usize,
    /// So many failures of connectivity in a row stop all calls for a while.
    pub breaker_failures: u32,
    /// For so long.
    pub breaker_pause: Duration,
    /// How long an answer that does not change is remembered.
    pub answer_expiry: Duration,
    /// How many are remembered.
    pub answers: usize,
    /// How long a listing is believed.
    pub listing_expiry: Duration,
    /// How long a listing may take as a whole.
    pub listing_timeout: Duration,
    /// How long a failed look-up is answered with the same failure.
    pub negative_expiry: Duration,
    /// How long a key's description is believed.
    pub description_expiry: Duration,
    /// How many keys are known in full at the same time.
    pub described_keys: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            operation_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(2),
            retries: 3,
            backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(2),
            connections: 64,
            queue: 10_000,
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(1),
            answer_expiry: Duration::from_secs(3600),
            answers: 10_000,
            listing_expiry: Duration::from_secs(60),
            listing_timeout: Duration::from_secs(120),
            negative_expiry: Duration::from_secs(2),
            description_expiry: Duration::from_secs(300),
            described_keys: 100_000,
        }
    }
}
