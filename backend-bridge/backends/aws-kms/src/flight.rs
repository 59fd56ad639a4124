// SPDX-License-Identifier: MIT
//! Work that goes on when whoever began it has lost patience.
//!
//! A try of a call ends after a second or two, and the future is dropped. Finding out who this process is may take
//! longer: a credential process, a sign-on, a metadata service that is not there. If that ended with each try and
//! began again with the next, it would never be done. So it runs as a task, and the next call joins it. The task ends
//! with its work or with the runtime.

use std::future::Future;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// At most one task at a time, and its result for whoever waits when it comes.
#[derive(Debug)]
pub(crate) struct Flight<T>(Mutex<Option<JoinHandle<T>>>);

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Send + 'static> Flight<T> {
    /// Joins the work under way, or begins it. `None` if it was broken off: by a panic, or the end of the runtime.
    pub(crate) async fn join<F>(&self, begin: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut task = self.0.lock().await;
        // Waited for in its place, so that it is still there if this future is dropped.
        let result = task.get_or_insert_with(|| tokio::spawn(begin())).await;
        *task = None;
        result.ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_outlives_whoever_began_it_and_is_not_begun_twice() {
        let (flight, go, begun) = (
            Flight::default(),
            Arc::new(Notify::new()),
            Arc::new(AtomicUsize::new(0)),
        );
        let begin = || {
            let (go, begun) = (Arc::clone(&go), Arc::clone(&begun));
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                7
            }
        };
        {
            let mut impatient = Box::pin(flight.join(begin));
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(impatient.as_mut().poll(context)));
            assert!(polled.await.is_pending());
        }
        go.notify_one();
        assert_eq!(flight.join(begin).await, Some(7));
        go.notify_one();
        assert_eq!(flight.join(begin).await, Some(7));
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_panic_is_forgotten() {
        let flight = Flight::<u8>::default();
        let broken = flight.join(|| async { std::panic::resume_unwind(Box::new("broken")) });
        assert_eq!(broken.await, None);
        assert_eq!(flight.join(|| async { 1 }).await, Some(1));
    }
}
