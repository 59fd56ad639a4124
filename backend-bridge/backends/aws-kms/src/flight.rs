// SPDX-License-Identifier: MIT
//! Work that goes on when whoever began it has lost patience.
//!
//! A try of a call ends after a second or two, and the future is dropped. Finding out who this process is may take
//! longer: a credential process, a sign-on, a metadata service that is not there. If that ended with each try and
//! began again with the next, it would never be done. So it runs as a task, and the next call joins it. The task ends
//! with its work or with the runtime.

use std::future::Future;

use parking_lot::Mutex;
use tokio::sync::watch;

/// At most one task at a time, and its result for all who wait when it comes.
#[derive(Debug)]
pub(crate) struct Flight<T>(Mutex<Option<watch::Receiver<Option<T>>>>);

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// Joins the work under way, or begins it. `None` if it was broken off: by a panic, or the end of the runtime.
    pub(crate) async fn join<F>(&self, begin: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut outcome = self.outcome(begin);
        let result = outcome.wait_for(Option::is_some).await;
        let result = result.ok().and_then(|result| result.clone());
        // Over once it is seen: a result that nobody stayed for is the next one's.
        let mut flight = self.0.lock();
        if flight
            .as_ref()
            .is_some_and(|flight| flight.same_channel(&outcome))
        {
            *flight = None;
        }
        result
    }

    /// Where the result will be.
    fn outcome<F>(&self, begin: impl FnOnce() -> F) -> watch::Receiver<Option<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut flight = self.0.lock();
        let outcome = flight.get_or_insert_with(|| {
            let (sender, outcome) = watch::channel(None);
            let work = begin();
            tokio::spawn(async move {
                let result = work.await;
                sender.send_replace(Some(result));
            });
            outcome
        });
        outcome.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    /// Goes as far as it can at once.
    async fn is_pending(future: &mut Pin<Box<impl Future>>) -> bool {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending()))
            .await
    }

    /// Work that ends when it is let go, once for each time that it is.
    #[derive(Clone, Default)]
    struct Gated {
        go: Arc<Notify>,
        begun: Arc<AtomicUsize>,
    }

    impl Gated {
        /// Begins it; `result` is what it comes to.
        fn begin<T: Send + 'static>(&self, result: T) -> impl Future<Output = T> + Send + use<T> {
            let Self { go, begun } = self.clone();
            begun.fetch_add(1, Ordering::SeqCst);
            async move {
                go.notified().await;
                result
            }
        }

        fn begun(&self) -> usize {
            self.begun.load(Ordering::SeqCst)
        }
    }

    /// Somebody joins, and goes before there is a result.
    async fn impatient(joined: impl Future) {
        assert!(is_pending(&mut Box::pin(joined)).await);
    }

    #[tokio::test]
    async fn work_outlives_whoever_began_it_and_is_not_begun_twice() {
        let (flight, work) = (Flight::default(), Gated::default());
        let begin = || work.begin(7);
        impatient(flight.join(begin)).await;
        work.go.notify_one();
        assert_eq!(flight.join(begin).await, Some(7));
        work.go.notify_one();
        assert_eq!(flight.join(begin).await, Some(7));
        assert_eq!(work.begun(), 2);
    }

    #[tokio::test]
    async fn one_failure_is_told_to_all_who_wait_for_it() {
        let (flight, work) = (Flight::default(), Gated::default());
        let begin = || work.begin(Err::<(), _>("no"));
        let mut waiters: Vec<_> = (0..64).map(|_| Box::pin(flight.join(begin))).collect();
        for waiter in &mut waiters {
            assert!(is_pending(waiter).await);
        }
        // Whoever would begin anew finds a way to go on at once.
        work.go.notify_one();
        for waiter in waiters {
            assert_eq!(waiter.await, Some(Err("no")));
            work.go.notify_one();
        }
        assert_eq!(work.begun(), 1);
    }

    #[tokio::test]
    async fn a_result_that_nobody_stayed_for_is_the_next_ones() {
        let flight = Flight::default();
        impatient(flight.join(|| async { 1 })).await;
        tokio::task::yield_now().await;
        assert_eq!(flight.join(|| async { 2 }).await, Some(1));
        assert_eq!(flight.join(|| async { 2 }).await, Some(2));
    }

    #[tokio::test]
    async fn a_panic_is_forgotten() {
        let flight = Flight::<u8>::default();
        let broken = flight.join(|| async { std::panic::resume_unwind(Box::new("broken")) });
        assert_eq!(broken.await, None);
        assert_eq!(flight.join(|| async { 1 }).await, Some(1));
    }
}
