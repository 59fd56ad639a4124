// SPDX-License-Identifier: MIT
//! The conductor's end of the workers: one process for each column, of which only one is awake at a time.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::column::Column;
use super::worker::{First, Order, Role};

/// A column whose token is made, in its own place.
pub struct Player {
    /// The column, with everything filled in.
    pub column: Column,
    place: PathBuf,
}

impl Player {
    /// Makes a column's place under `root`, and its token by the module of the column that `prepared_by` names.
    pub fn new(
        column: &Column,
        all: &[Column],
        names: &BTreeMap<String, String>,
        root: &Path,
    ) -> Result<Self, String> {
        let place = root.join(column.name.replace(|letter: char| !letter.is_alphanumeric(), "-"));
        let mut names = names.clone();
        names.insert("place".into(), place.display().to_string());
        let column = column.with(&names);
        let preparer = match &column.prepared_by {
            Some(name) => all
                .iter()
                .find(|column| column.name == *name)
                .ok_or_else(|| format!("there is no column {name}"))?
                .with(&names),
            None => column.clone(),
        };
        for column in [&preparer, &column] {
            if let Some(reason) = column.missing() {
                return Err(reason);
            }
            column
                .furnish(&place)
                .map_err(|error| format!("{}: {error}", place.display()))?;
        }
        let player = Self { column, place };
        if preparer.module.is_some() {
            let made = process(&preparer, &player.place, Role::Prepare).status();
            if !made.is_ok_and(|status| status.success()) {
                return Err(format!("{} could not make its token", preparer.name));
            }
            player.first_signature()?;
        }
        Ok(player)
    }

    /// Moves its place to another directory, such as one in memory; it keeps its path, as a link. No worker may be at
    /// work. Returns whether it could; where not, it stays.
    pub fn move_into(&self, directory: &Path) -> bool {
        let Some(name) = self.place.file_name() else {
            return false;
        };
        let target = directory.join(name);
        let Ok(here) = self.place.canonicalize() else {
            return false;
        };
        // Nothing is where it would go: neither this place nor what a broken copy left.
        if target.exists() {
            return false;
        }
        let copied = Command::new("cp").arg("-a").arg(&here).arg(&target).status();
        if !copied.is_ok_and(|status| status.success()) {
            return false;
        }
        std::fs::remove_dir_all(&here).expect("the old place");
        if self.place.is_symlink() {
            std::fs::remove_file(&self.place).expect("the old link");
        }
        std::os::unix::fs::symlink(&target, &self.place).expect("a link");
        true
    }

    /// Starts its worker.
    pub fn worker(&self) -> Worker {
        let mut child = process(&self.column, &self.place, Role::Obey)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a worker");
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Worker {
            child,
            input: input.expect("its input"),
            output: BufReader::new(output.expect("its output")),
        }
    }

    /// Starts a process that makes one signature: milliseconds until it has, and what it tells.
    pub fn first_signature(&self) -> Result<(f64, First), String> {
        let started = Instant::now();
        let output = process(&self.column, &self.place, Role::Sign).output();
        let took = started.elapsed().as_secs_f64() * 1e3;
        let output = output.map_err(|error| error.to_string())?;
        let first = serde_json::from_slice(&output.stdout);
        Ok((took, first.map_err(|_| "it made no signature".to_owned())?))
    }
}

fn process(column: &Column, place: &Path, role: Role) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let role = role.to_possible_value().expect("a name");
    let column_text = serde_json::to_string(column).expect("JSON");
    command.args(["worker", role.get_name(), "--column", &column_text]);
    command
        .current_dir(place)
        .env("HOME", place)
        .envs(&column.environment)
        .stderr(Stdio::inherit());
    command
}

/// A worker, killed with the value.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Gives an order and waits for its answer.
    pub fn ask<T: DeserializeOwned>(&mut self, order: Order) -> Result<T, String> {
        self.tell(order)?;
        self.answer()
    }

    /// Gives an order; [`Worker::answer`] waits for what comes of it.
    pub fn tell(&mut self, order: Order) -> Result<(), String> {
        let line = serde_json::to_string(&order).expect("JSON");
        writeln!(self.input, "{line}").map_err(|error| format!("the worker is gone: {error}"))
    }

    /// Waits for the answer to what it was told.
    pub fn answer<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        if !matches!(read, Ok(1..)) {
            return Err("the worker is gone".into());
        }
        // A module may write to standard output; what the worker writes is the line that reads as an answer.
        match serde_json::from_str::<Result<Value, String>>(&line) {
            Ok(answer) => serde_json::from_value(answer?).map_err(|error| error.to_string()),
            Err(_) => self.answer(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::column;

    #[test]
    fn a_place_keeps_its_path_when_it_moves() {
        let root = tempfile::tempdir().unwrap();
        let columns = column::all(None).unwrap();
        let player = Player::new(&columns[0], &columns, &BTreeMap::new(), root.path()).unwrap();
        std::fs::write(player.place.join("kept"), "a token").unwrap();
        for directory in ["memory", "disk"].map(|name| root.path().join(name)) {
            std::fs::create_dir(&directory).unwrap();
            assert!(player.move_into(&directory));
            assert!(!player.move_into(&directory), "it is there already");
            assert_eq!(
                std::fs::read_to_string(player.place.join("kept")).unwrap(),
                "a token"
            );
        }
        assert_eq!(
            std::fs::read_dir(root.path().join("memory")).unwrap().count(),
            0,
            "nothing is left behind"
        );
    }

    #[test]
    fn a_column_that_another_prepares_needs_that_one() {
        let root = tempfile::tempdir().unwrap();
        let mut columns = column::all(None).unwrap();
        columns[0].prepared_by = Some("nobody".into());
        let player = Player::new(&columns[0], &columns, &BTreeMap::new(), root.path());
        assert_eq!(player.err().unwrap(), "there is no column nobody");
    }
}
