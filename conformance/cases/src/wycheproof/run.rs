// SPDX-License-Identifier: MIT
//! A run of all sets against one module: in one process with one token, because there are many. A module that crashes or
//! hangs at a set gets another process for the sets after it.

use super::keys::Ground;
use super::table::{ROWS, Row};
use super::vector::Tally;
use crate::isolated::{self, Outcome};
use cryptoki_sys::CK_MECHANISM_TYPE;
use keyenclave_conformance::place::Place;
use keyenclave_conformance::tested::Tested;
use keyenclave_conformance::token::{RW, Token};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a process is asked for that plays sets instead of running a case.
pub(crate) const PLAY: &str = "wycheproof";

/// The file with the names of the sets that a process is to play.
const SETS: &str = "sets.txt";

/// The file to which it says what it does: a line of JSON for each set that it begins, and one for each that it ends.
const SAID: &str = "said.jsonl";

/// A set that was put to a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// Its name.
    pub set: String,
    /// What came of it; why the module does not offer what it is about; or how the module ended the process.
    pub result: Result<Tally, Absent>,
}

/// Why there is no tally.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absent {
    /// The module does not offer it: why.
    NotOffered(String),
    /// The process came to an end within it: how.
    Ended(String),
}

#[derive(Serialize, Deserialize)]
enum Said {
    Begun(String),
    Ended(Played),
}

/// Puts the sets whose name contains `filter` to a module.
///
/// # Errors
/// No token can be made with it, or it does not even come to the first set.
pub fn play(tested: &Tested, filter: &str) -> Result<Vec<Played>, String> {
    let mut left: Vec<_> = ROWS
        .iter()
        .map(|row| row.set)
        .filter(|set| set.contains(filter))
        .collect();
    let mut played: Vec<Played> = Vec::new();
    while !left.is_empty() {
        let place = Place::new();
        place.write(SETS, &left.join("\n"));
        let outcome = isolated::run_in(&place, tested, PLAY);
        let (ended, begun) = said(&place);
        let how = match outcome {
            Outcome::Passed => None,
            Outcome::Failed(how, output) => Some((how.to_string(), output)),
            Outcome::Skipped(reason) => return Err(reason),
        };
        left.retain(|set| ended.iter().all(|one| one.set != *set));
        played.extend(ended);
        match how {
            None if left.is_empty() => {}
            None => return Err(format!("sets have not been played: {}", left.join(" "))),
            Some((_, output)) if begun.is_empty() => return Err(output),
            Some((how, _)) => {
                left.retain(|set| !begun.iter().any(|one| one == set));
                played.extend(begun.into_iter().map(|set| Played {
                    set,
                    result: Err(Absent::Ended(how.clone())),
                }));
            }
        }
    }
    let order = |set: &str| ROWS.iter().position(|row| row.set == set);
    played.sort_by_key(|one| order(&one.set));
    Ok(played)
}

/// What a process said: the sets that it ended, and the names of those that it only began.
fn said(place: &Place) -> (Vec<Played>, Vec<String>) {
    let text = std::fs::read_to_string(place.file(SAID)).unwrap_or_default();
    let (mut ended, mut begun) = (Vec::new(), Vec::new());
    for said in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match said {
            Said::Begun(set) => begun.push(set),
            Said::Ended(played) => ended.push(played),
        }
    }
    begun.retain(|set| ended.iter().all(|played: &Played| played.set != *set));
    (ended, begun)
}

/// Plays the sets that this process was started for.
pub(crate) fn child() {
    let place = Place::of_this_process();
    let names = std::fs::read_to_string(place.file(SETS)).expect("the sets");
    let rows: Vec<&Row> = names
        .lines()
        .filter_map(|name| ROWS.iter().find(|row| row.set == name))
        .collect();
    let (token, first) = Token::with_user();
    let (_, count, _) = token.mechanism_list(token.slot, None);
    let (_, _, listed) = token.mechanism_list(token.slot, usize::try_from(count).ok());
    let file = std::fs::File::create(place.file(SAID)).expect("a file to write to");
    let file = Mutex::new(file);
    let say = |said: &Said| {
        let line = serde_json::to_string(said).expect("plain data");
        writeln!(file.lock().expect("no thread has panicked"), "{line}").expect("room on the disk");
    };
    let next = AtomicUsize::new(0);
    let work = |session| {
        let ground = Ground {
            token: &token,
            session,
        };
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            say(&Said::Begun(row.set.to_owned()));
            let result = one(&ground, row, &listed).map_err(Absent::NotOffered);
            say(&Said::Ended(Played {
                set: row.set.to_owned(),
                result,
            }));
        }
    };
    // With another module one set at a time, so that it is known at which it crashes.
    let threads = if Tested::of_environment().is_keyenclave() {
        std::thread::available_parallelism().map_or(1, usize::from)
    } else {
        1
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| work(token.session(RW)));
        }
        work(first);
    });
}

fn one(ground: &Ground<'_>, row: &Row, listed: &[CK_MECHANISM_TYPE]) -> Result<Tally, String> {
    match row.needs.iter().find(|(kind, _)| !listed.contains(kind)) {
        Some((_, name)) => Err(format!("the token does not list {name}")),
        None => (row.play)(ground, row),
    }
}
