// SPDX-License-Identifier: MIT
//! The run: who plays what, in which order, and the figures that come of it.

use std::path::Path;

use super::Plan;
use super::conductor::{Player, Worker};
use super::operation::{CRYPTOGRAPHY, OBJECTS, Row};
use super::report::{Beside, Cell, Cold, Crowd, Line, Memory};
use super::slice::{Length, Slice};
use super::statistics::{median, percentile, spread};
use super::worker::{First, Order, Tail};

/// What came of measuring with more and more objects.
pub struct Crowds {
    /// The operations, by number of objects.
    pub lines: Vec<Crowd>,
    /// The first signature of a process.
    pub cold: Vec<Result<Cold, String>>,
    /// Memory with the most objects.
    pub memory: Vec<Result<Memory, String>>,
}

/// All players with their workers.
pub struct Stage<'a> {
    plan: &'a Plan,
    players: &'a [Player],
    beside: &'a [Option<usize>],
    /// Where the tokens are while they are measured.
    disk: &'a Path,
    workers: Vec<Worker>,
    /// How many objects each has.
    objects: Vec<usize>,
}

impl<'a> Stage<'a> {
    /// With no workers yet.
    pub fn new(plan: &'a Plan, players: &'a [Player], beside: &'a [Option<usize>], disk: &'a Path) -> Self {
        Self {
            plan,
            players,
            beside,
            disk,
            workers: Vec::new(),
            objects: vec![0; players.len()],
        }
    }

    /// The cryptographic operations, with one thread and with two. Each cast of workers plays them all: where the code
    /// and the memory of a process happen to lie makes a difference of some per cent.
    pub fn cryptography(&mut self) -> Vec<Line> {
        let quick = self.plan.quick;
        let rows = CRYPTOGRAPHY.iter().filter(|row| !quick || row.quick);
        let rows = rows.flat_map(|row| {
            let threads = if row.threads { 1..=2 } else { 1..=1 };
            threads.map(move |threads| (row, threads))
        });
        let mut played: Vec<_> = rows
            .map(|(row, threads)| (row, threads, self.nothing_played()))
            .collect();
        for cast in 1..=self.plan.casts {
            eprintln!("cryptography, cast {cast} of {}", self.plan.casts);
            self.recast();
            for (row, threads, slices) in &mut played {
                self.play(row, *threads, self.plan.rounds, slices);
            }
        }
        let lines = played.into_iter();
        lines
            .map(|(row, threads, slices)| self.line(row, threads, &slices))
            .collect()
    }

    /// New workers, in the place of those there are.
    fn recast(&mut self) {
        self.workers.clear();
        self.workers = self.players.iter().map(Player::worker).collect();
    }

    fn nothing_played(&self) -> Vec<Played> {
        vec![Ok(Vec::new()); self.players.len()]
    }

    /// Plays some rounds and adds what comes of them to `slices`.
    fn play(&mut self, row: &Row, threads: usize, rounds: usize, slices: &mut [Played]) {
        let operation = row.operation;
        let measure = Order::Measure {
            operation,
            threads,
            millis: self.plan.millis,
        };
        let lengths: Vec<Result<Length, String>> = self
            .workers
            .iter_mut()
            .map(|worker| worker.ask(measure))
            .collect();
        for round in 0..rounds {
            for index in in_turn(self.workers.len(), round) {
                let played = lengths[index].clone().and_then(|length| {
                    self.workers[index].ask(Order::Play {
                        operation,
                        threads,
                        length,
                    })
                });
                add(&mut slices[index], played);
            }
        }
    }

    fn line(&self, row: &Row, threads: usize, slices: &[Played]) -> Line {
        let line = Line {
            name: row.name.into(),
            threads,
            waits: row.waits,
            cells: cells(slices, self.beside),
        };
        self.tell(&line);
        line
    }

    fn tell(&self, line: &Line) {
        let cells = line
            .cells
            .iter()
            .zip(self.players)
            .map(|(cell, player)| match cell {
                Ok(cell) => format!("{} {:.2} µs", player.column.name, cell.cpu.median),
                Err(reason) => format!("{}: {reason}", player.column.name),
            });
        let cells: Vec<_> = cells.collect();
        eprintln!("{} ({} threads): {}", line.name, line.threads, cells.join(", "));
    }

    /// P-256 signatures beside RSA-4096 key generation, in another process and in the same.
    pub fn beside_busy(&mut self) -> Vec<Result<Beside, String>> {
        let seconds = self.plan.beside_seconds;
        let stranger = self.players.first().map(Player::worker);
        let Some(mut stranger) = stranger else {
            return Vec::new();
        };
        let mut one = |worker: &mut Worker| {
            stranger.tell(Order::Disturb { seconds: seconds + 1 })?;
            let foreign: Result<Tail, String> = worker.ask(Order::Beside { seconds, busy: false });
            stranger.answer::<()>()?;
            Ok(Beside {
                foreign: foreign?,
                own: worker.ask(Order::Beside { seconds, busy: true })?,
            })
        };
        self.workers.iter_mut().map(&mut one).collect()
    }

    /// The operations on objects with more and more of them, the first signature, and memory.
    pub fn crowds(&mut self) -> Crowds {
        let (mut lines, mut cold) = (Vec::new(), Vec::new());
        // Some take seconds for one operation: half as many rounds.
        let rounds = (self.plan.casts * self.plan.rounds).div_ceil(2);
        for &objects in &self.plan.objects {
            self.populate(objects);
            lines.push(Crowd {
                objects,
                reached: self.objects.clone(),
                lines: OBJECTS.iter().map(|row| self.crowd_line(row, rounds)).collect(),
            });
            if objects == self.plan.cold_objects {
                cold = self.cold();
            }
        }
        let memory = (0..self.players.len()).map(|index| self.memory(index));
        Crowds {
            memory: memory.collect(),
            lines,
            cold,
        }
    }

    fn crowd_line(&mut self, row: &Row, rounds: usize) -> Line {
        let mut slices = self.nothing_played();
        self.play(row, 1, rounds, &mut slices);
        self.line(row, 1, &slices)
    }

    /// Has all make objects at the same time, in memory where there is such a place: that is not measured.
    fn populate(&mut self, to: usize) {
        self.workers.clear();
        let all_into = |directory: &Path| {
            let players = self.players.iter();
            players.filter(|player| player.move_into(directory)).count()
        };
        let memory = tempfile::tempdir_in(&self.plan.populate_place).ok();
        let moved = memory.as_ref().map(|memory| all_into(memory.path()));
        eprintln!(
            "making {to} objects, {} places in memory",
            moved.unwrap_or_default()
        );
        self.recast();
        let seconds = self.plan.populate_seconds;
        for (worker, from) in self.workers.iter_mut().zip(&self.objects) {
            let from = *from;
            drop(worker.tell(Order::Populate { from, to, seconds }));
        }
        for (worker, objects) in self.workers.iter_mut().zip(&mut self.objects) {
            // The bare library keeps none.
            *objects = worker.answer().unwrap_or_default();
        }
        eprintln!("objects: {:?}", self.objects);
        if memory.is_some() {
            self.workers.clear();
            all_into(self.disk);
            self.recast();
        }
    }

    fn cold(&self) -> Vec<Result<Cold, String>> {
        let mut firsts = vec![Ok(Vec::new()); self.players.len()];
        for round in 0..self.plan.cold_rounds {
            for index in in_turn(self.players.len(), round) {
                add(&mut firsts[index], self.players[index].first_signature());
            }
        }
        let cold = |firsts: Vec<(f64, First)>, objects| {
            Some(Cold {
                objects,
                total: spread(firsts.iter().map(|(took, _)| *took))?,
                cpu: median(firsts.iter().map(|(_, first)| first.cpu))?,
                login: median(firsts.iter().map(|(_, first)| first.login))?,
            })
        };
        firsts
            .into_iter()
            .zip(&self.objects)
            .map(|(firsts, objects)| cold(firsts?, *objects).ok_or_else(|| "not measured".into()))
            .collect()
    }

    fn memory(&self, index: usize) -> Result<Memory, String> {
        let (_, first) = self.players[index].first_signature()?;
        Ok(Memory {
            objects: self.objects[index],
            bytes: first.memory,
        })
    }
}

/// Adds what came of a round; one failure is the column's.
fn add<T>(all: &mut Result<Vec<T>, String>, one: Result<T, String>) {
    match (one, all) {
        (Ok(one), Ok(all)) => all.push(one),
        (Ok(_), Err(_)) => {}
        (Err(reason), all) => *all = Err(reason),
    }
}

/// The columns of a round: in one order, then in the other.
fn in_turn(count: usize, round: usize) -> Box<dyn Iterator<Item = usize>> {
    if round.is_multiple_of(2) {
        Box::new(0..count)
    } else {
        Box::new((0..count).rev())
    }
}

type Played = Result<Vec<Slice>, String>;

/// The cells of a line; the first column is the bare library.
fn cells(played: &[Played], beside: &[Option<usize>]) -> Vec<Result<Cell, String>> {
    let bare = played.first().and_then(|slices| slices.as_ref().ok());
    let one = |(slices, beside): (&Played, &Option<usize>)| {
        let other = beside.and_then(|index| played.get(index)?.as_ref().ok());
        let slices = slices.as_ref().map_err(String::clone)?;
        cell(slices, bare, other).ok_or_else(|| "not measured".to_owned())
    };
    played.iter().zip(beside).map(one).collect()
}

fn cell(slices: &[Slice], bare: Option<&Vec<Slice>>, other: Option<&Vec<Slice>>) -> Option<Cell> {
    let micros = |nanos: f64| nanos / 1e3;
    let mut samples: Vec<u64> = slices.iter().flat_map(|slice| slice.samples.clone()).collect();
    let mut at = |percent| Some(micros(percentile(&mut samples, percent)? as f64));
    let with = |base: Option<&Vec<Slice>>, figure: fn(f64, f64) -> f64| {
        let pairs = slices.iter().zip(base?);
        spread(pairs.map(|(slice, base)| figure(slice.cpu, base.cpu)))
    };
    Some(Cell {
        cpu: spread(slices.iter().map(|slice| micros(slice.cpu)))?,
        wall: spread(slices.iter().map(|slice| micros(slice.wall)))?,
        p50: at(50)?,
        p99: at(99)?,
        ratio: with(bare, |own, base| own / base),
        added: with(bare, |own, base| (own - base) / 1e3),
        ratio_beside: with(other, |own, base| own / base),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(nanos: &[f64]) -> Played {
        let slice = |nanos: &f64| Slice {
            cpu: *nanos,
            wall: nanos * 2.0,
            samples: vec![*nanos as u64; 4],
        };
        Ok(nanos.iter().map(slice).collect())
    }

    #[test]
    fn slices_alternate_in_both_orders() {
        let order: Vec<usize> = (0..2).flat_map(|round| in_turn(3, round)).collect();
        assert_eq!(order, [0, 1, 2, 2, 1, 0]);
    }

    #[test]
    fn a_ratio_is_of_slices_of_the_same_round() {
        // The machine was twice as slow in the second round: the ratio does not see it.
        let played = [slices(&[1e3, 2e3]), slices(&[3e3, 6e3])];
        let cells = cells(&played, &[None, None]);
        let cell = cells[1].as_ref().unwrap();
        assert_eq!(cell.ratio.unwrap().low, 3.0);
        assert_eq!(cell.ratio.unwrap().high, 3.0);
        assert_eq!(cell.added.unwrap().median, 3.0);
        assert_eq!((cell.cpu.median, cell.wall.median), (4.5, 9.0));
        assert_eq!((cell.p50, cell.p99), (3.0, 6.0));
    }

    #[test]
    fn a_column_that_cannot_do_it_has_its_reason_and_the_others_their_figures() {
        let played = [Err("no".to_owned()), slices(&[3e3]), slices(&[6e3])];
        let cells = cells(&played, &[None, None, Some(1)]);
        assert_eq!(cells[0].as_ref().unwrap_err(), "no");
        let cell = cells[2].as_ref().unwrap();
        assert!(cell.ratio.is_none() && cell.added.is_none());
        assert_eq!(cell.ratio_beside.unwrap().median, 2.0);
    }
}
