// SPDX-License-Identifier: MIT
//! The process of one column: it does what it is told, line by line, and is otherwise asleep while others are measured.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bare::Bare;
use super::column::Column;
use super::operation::{Curve, Operation};
use super::slice::{Engine, Length, Step, length, play, sample};
use super::statistics::percentile;
use super::token::{Token, prepare};
use crate::process;

/// What the conductor asks of a worker; the answer is a value or the reason why there is none.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Order {
    /// How long is a slice that takes so many milliseconds? A [`Length`].
    Measure {
        operation: Operation,
        threads: usize,
        millis: u64,
    },
    /// Plays one: a [`super::slice::Slice`].
    Play {
        operation: Operation,
        threads: usize,
        length: Length,
    },
    /// Makes objects until there are so many, or the time is over: their number.
    Populate { from: usize, to: usize, seconds: u64 },
    /// Signs with P-256 for a while, with or without a thread that generates RSA keys: [`Tail`].
    Beside { seconds: u64, busy: bool },
    /// Generates RSA keys for a while, for the disturbance of another process.
    Disturb { seconds: u64 },
}

/// How long single operations took, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Tail {
    /// Half of them took no longer.
    pub p50: u64,
    /// 99 per cent took no longer.
    pub p99: u64,
    /// The longest.
    pub most: u64,
}

/// The first signature of a new process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct First {
    /// Processor time of the process so far, in milliseconds.
    pub cpu: f64,
    /// `C_Login` of it, in milliseconds: it derives a key from the PIN.
    pub login: f64,
    /// Resident anonymous memory after it, in bytes.
    pub memory: u64,
}

/// What every process of a column can be started for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Role {
    /// Makes the column's token.
    Prepare,
    /// Obeys orders.
    Obey,
    /// Makes one signature and tells of it: [`First`].
    Sign,
}

/// Plays the role for the column, which is given as JSON.
pub fn run(role: Role, column: &str) {
    let column: Column = serde_json::from_str(column).expect("a column");
    match role {
        Role::Prepare => prepare(&column),
        Role::Sign => sign(&column),
        Role::Obey if column.module.is_some() => obey(&Token::enter(&column).0, |token, order| match order {
            Order::Populate { from, to, seconds } => {
                Some(token.populate(from, to, Duration::from_secs(seconds)))
            }
            _ => None,
        }),
        Role::Obey => obey(&Bare, |_, _| None),
    }
}

fn sign(column: &Column) {
    let login = if column.module.is_some() {
        let (token, login) = Token::enter(column);
        token.first_signature();
        login
    } else {
        Bare.step(Operation::EcdsaSign(Curve::P256)).expect("a key")();
        Duration::ZERO
    };
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let first = First {
        cpu: millis(process::cpu()),
        login: millis(login),
        memory: process::anonymous_bytes(),
    };
    println!("{}", serde_json::to_string(&first).expect("JSON"));
    // What a module does when it is finalised is no part of the first signature.
    std::process::exit(0);
}

fn obey<E: Engine + Sync>(engine: &E, populate: impl Fn(&E, Order) -> Option<usize>) {
    let mut steps = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line.expect("an order")).expect("an order");
        let answer = catch_unwind(AssertUnwindSafe(|| match populate(engine, order) {
            Some(count) => Ok(json!(count)),
            None => answer(engine, &mut steps, order),
        }));
        let answer = answer.unwrap_or_else(|_| Err("it panicked".into()));
        println!("{}", serde_json::to_string(&answer).expect("JSON"));
        std::io::stdout().flush().expect("the conductor");
    }
    // The conductor is done: modules that take long to be finalised keep nobody waiting.
    std::process::exit(0);
}

/// Steps that were made ready, by operation and number of threads.
type Ready<'a> = BTreeMap<(Operation, usize), Vec<Step<'a>>>;

fn answer<'a, E: Engine + Sync>(engine: &'a E, ready: &mut Ready<'a>, order: Order) -> Result<Value, String> {
    Ok(match order {
        Order::Measure {
            operation,
            threads,
            millis,
        } => {
            let steps: Result<Vec<_>, _> = (0..threads).map(|_| engine.step(operation)).collect();
            let steps = ready.entry((operation, threads)).insert_entry(steps?);
            json!(length(steps.into_mut(), Duration::from_millis(millis)))
        }
        Order::Play {
            operation,
            threads,
            length,
        } => {
            let steps = ready.get_mut(&(operation, threads));
            json!(play(steps.ok_or("it was not measured before")?, length))
        }
        Order::Beside { seconds, busy } => json!(beside(engine, Duration::from_secs(seconds), busy)?),
        Order::Disturb { seconds } => {
            let (until, mut step) = (deadline(seconds), disturbance(engine)?);
            while Instant::now() < until {
                step();
            }
            Value::Null
        }
        Order::Populate { .. } => return Err("the bare library keeps no objects".into()),
    })
}

fn deadline(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn disturbance<E: Engine>(engine: &E) -> Result<Step<'_>, String> {
    engine.step(Operation::GenerateRsa(4096))
}

fn beside<E: Engine>(engine: &E, time: Duration, busy: bool) -> Result<Tail, String> {
    let mut step = engine.step(Operation::EcdsaSign(Curve::P256))?;
    let mut neighbour = busy.then(|| disturbance(engine)).transpose()?;
    let over = AtomicBool::new(false);
    let mut samples = std::thread::scope(|scope| {
        if let Some(step) = &mut neighbour {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    step();
                }
            });
        }
        let (mut samples, started) = (Vec::new(), Instant::now());
        while started.elapsed() < time {
            samples.push(sample(&mut step));
        }
        over.store(true, Ordering::Relaxed);
        samples
    });
    let mut at = |percent| percentile(&mut samples, percent).unwrap_or_default();
    Ok(Tail {
        p50: at(50),
        p99: at(99),
        most: at(100),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_played_once_it_was_measured() {
        let mut ready = Ready::new();
        let (operation, threads) = (Operation::Digest(64), 2);
        let slice = |length| Order::Play {
            operation,
            threads,
            length,
        };
        let length = Length { count: 5, samples: 2 };
        assert!(answer(&Bare, &mut ready, slice(length)).is_err());
        let measured = Order::Measure {
            operation,
            threads,
            millis: 1,
        };
        let measured: Length = serde_json::from_value(answer(&Bare, &mut ready, measured).unwrap()).unwrap();
        assert!(measured.count > 1);
        let played = answer(&Bare, &mut ready, slice(length)).unwrap();
        assert_eq!(played["samples"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_the_engine_cannot_do_has_a_reason() {
        let order = Order::Measure {
            operation: Operation::Find,
            threads: 1,
            millis: 1,
        };
        let reason = answer(&Bare, &mut Ready::new(), order).unwrap_err();
        assert!(reason.contains("no objects"), "{reason}");
    }
}
