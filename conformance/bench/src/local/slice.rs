// SPDX-License-Identifier: MIT
//! One slice: an operation over and over for a moment, in as many threads as asked.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::process;

/// Does an operation once; panics when it fails.
pub type Step<'a> = Box<dyn FnMut() + Send + 'a>;

/// What can do operations: the bare library, or a module.
pub trait Engine {
    /// Makes ready for `operation`, in a session of its own; says why where that is not possible.
    fn step(&self, operation: super::Operation) -> Result<Step<'_>, String>;
}

/// What one slice came to, per operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// Processor time of the whole process, in nanoseconds.
    pub cpu: f64,
    /// Time that passed, in nanoseconds; with several threads, as many operations passed meanwhile.
    pub wall: f64,
    /// How long single operations took, in nanoseconds.
    pub samples: Vec<u64>,
}

/// How long a slice is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Length {
    /// Operations of each thread, timed together.
    pub count: u64,
    /// Further ones of the first thread, timed one by one.
    pub samples: u64,
}

/// Plays a slice, one thread for each step.
pub fn play(steps: &mut [Step<'_>], length: Length) -> Slice {
    let operations = length.count * steps.len() as u64;
    let (cpu, started) = (process::cpu(), Instant::now());
    match &mut *steps {
        [one] => repeat(one, length.count),
        many => together(many, length.count),
    }
    let (wall, cpu) = (started.elapsed(), process::cpu() - cpu);
    let each = |time: Duration| time.as_nanos() as f64 / operations as f64;
    let samples = steps.first_mut().map_or_else(Vec::new, |step| {
        (0..length.samples).map(|_| sample(step)).collect()
    });
    Slice {
        cpu: each(cpu),
        wall: each(wall),
        samples,
    }
}

fn repeat(step: &mut Step<'_>, count: u64) {
    for _ in 0..count {
        step();
    }
}

fn together(steps: &mut [Step<'_>], count: u64) {
    let barrier = Barrier::new(steps.len());
    std::thread::scope(|scope| {
        for step in steps {
            scope.spawn(|| {
                barrier.wait();
                repeat(step, count);
            });
        }
    });
}

/// How long one operation takes now, in nanoseconds.
pub fn sample(step: &mut Step<'_>) -> u64 {
    let started = Instant::now();
    step();
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The length of a slice that takes about `wanted`, found by trying with one thread; this is the warm-up too.
pub fn length(steps: &mut [Step<'_>], wanted: Duration) -> Length {
    let mut count = 1;
    let took = loop {
        // The quicker of two: one may have been disturbed.
        let took = (0..2).map(|_| elapsed(&mut steps[0], count)).min();
        let took = took.unwrap_or_default();
        if took * 4 >= wanted {
            break took;
        }
        count *= 2;
    };
    for step in steps {
        step();
    }
    let count = (count as f64 * wanted.as_secs_f64() / took.as_secs_f64()).round() as u64;
    let count = count.max(1);
    Length {
        count,
        samples: (count / 4).clamp(1, 2_000),
    }
}

fn elapsed(step: &mut Step<'_>, count: u64) -> Duration {
    let started = Instant::now();
    repeat(step, count);
    started.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_thread_does_its_share_and_the_first_the_samples() {
        let counts = [const { AtomicU64::new(0) }; 2];
        let mut steps: Vec<Step<'_>> = counts
            .iter()
            .map(|count| -> Step<'_> {
                Box::new(|| {
                    count.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        let slice = play(
            &mut steps,
            Length {
                count: 10,
                samples: 3,
            },
        );
        drop(steps);
        assert_eq!(slice.samples.len(), 3);
        assert_eq!(counts.map(AtomicU64::into_inner), [13, 10]);
    }

    #[test]
    fn an_operation_that_takes_longer_than_the_slice_is_done_once() {
        let mut steps: Vec<Step<'_>> = vec![Box::new(|| {
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
        })];
        let length = length(&mut steps, Duration::from_millis(1));
        assert_eq!((length.count, length.samples), (1, 1));
        let slice = play(&mut steps, length);
        assert!(slice.wall >= 2e6, "{slice:?}");
    }
}
