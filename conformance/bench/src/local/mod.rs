// SPDX-License-Identifier: MIT
//! The figures of local tokens: any number of modules and the bare library, in one run.
//!
//! Each column is a process of its own that sleeps until it is told to play a slice. Slices of all columns alternate,
//! in one order and then in the other (A B B A), so that what disturbs the machine for a while disturbs all, and every
//! ratio is of slices of the same round. Nothing is pinned, and no slice is left out.

mod bare;
mod calls;
mod column;
mod conductor;
mod operation;
mod play;
mod report;
mod slice;
mod statistics;
mod table;
mod token;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use worker::{Role, run as work};

use crate::{page, process};
use conductor::Player;
use operation::Operation;
use play::Stage;
use report::Report;

/// What is signed.
const MESSAGE: [u8; 32] = [7; 32];
/// What is hashed and encrypted, or a part of it.
const DATA: &[u8] = &[7; 16384];

/// What is measured, and how long.
#[derive(clap::Args)]
pub struct Settings {
    /// A short run for every day: fewer operations, shorter slices.
    #[arg(long)]
    quick: bool,
    /// A file of columns instead of those that come along.
    #[arg(long)]
    columns: Option<PathBuf>,
    /// Only these columns, besides the bare library.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// What {NAME} stands for in the columns.
    #[arg(long, value_name = "NAME=VALUE", value_parser = definition)]
    define: Vec<(String, String)>,
    /// Where the tokens are kept during the run: a file system that is like the real one's.
    #[arg(long)]
    place: Option<PathBuf>,
    /// The numbers of objects.
    #[arg(long, value_delimiter = ',')]
    objects: Vec<usize>,
    /// How many seconds a column may take to make them, for each number.
    #[arg(long)]
    populate_seconds: Option<u64>,
    /// Where they are made before they are moved to the place; in memory, modules are quicker.
    #[arg(long, default_value = "/dev/shm")]
    populate_place: PathBuf,
    /// The page that is written.
    #[arg(long)]
    page: Option<PathBuf>,
    /// A file that gets everything measured, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn definition(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    Ok((name.into(), value.into()))
}

/// How much of everything.
struct Plan {
    quick: bool,
    /// How often the processes are started anew for the cryptography.
    casts: usize,
    /// Of each cast.
    rounds: usize,
    millis: u64,
    beside_seconds: u64,
    objects: Vec<usize>,
    populate_place: PathBuf,
    populate_seconds: u64,
    cold_objects: usize,
    cold_rounds: usize,
}

impl Settings {
    fn plan(&self) -> Plan {
        let mut plan = if self.quick {
            Plan {
                quick: true,
                casts: 2,
                rounds: 2,
                millis: 20,
                beside_seconds: 2,
                objects: vec![10, 1_000],
                populate_place: self.populate_place.clone(),
                populate_seconds: 10,
                cold_objects: 1_000,
                cold_rounds: 3,
            }
        } else {
            Plan {
                quick: false,
                casts: 3,
                rounds: 4,
                millis: 60,
                beside_seconds: 4,
                objects: vec![10, 100, 1_000, 10_000, 100_000],
                populate_place: self.populate_place.clone(),
                populate_seconds: 150,
                cold_objects: 10_000,
                cold_rounds: 7,
            }
        };
        if !self.objects.is_empty() {
            plan.objects.clone_from(&self.objects);
            let fitting = self.objects.iter().filter(|count| **count <= plan.cold_objects);
            plan.cold_objects = fitting.max().copied().unwrap_or(self.objects[0]);
        }
        plan.populate_seconds = self.populate_seconds.unwrap_or(plan.populate_seconds);
        plan
    }

    /// The columns that can be measured here, each in its place under `root`, and why others cannot.
    fn players(&self, root: &Path) -> (Vec<Player>, Vec<String>) {
        let columns = column::all(self.columns.as_deref()).unwrap_or_else(|error| panic!("columns: {error}"));
        let names: BTreeMap<_, _> = self.define.iter().cloned().collect();
        let (mut players, mut left_out) = (Vec::new(), Vec::new());
        for column in &columns {
            let is_wanted =
                column.module.is_none() || self.only.is_empty() || self.only.contains(&column.name);
            if !is_wanted {
                continue;
            }
            match Player::new(column, &columns, &names, root) {
                Ok(player) => players.push(player),
                Err(reason) => left_out.push(format!("{}: {reason}", column.name)),
            }
        }
        (players, left_out)
    }
}

/// Measures, prints the tables, and writes what was asked for.
pub fn all(settings: &Settings) {
    let root = settings.place.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&root).expect("the place");
    let directory = tempfile::tempdir_in(&root).expect("a directory");
    let (players, left_out) = settings.players(directory.path());
    for reason in &left_out {
        eprintln!("left out: {reason}");
    }
    let disk = directory.path().join("disk");
    std::fs::create_dir(&disk).expect("a directory");
    let report = report(&settings.plan(), &players, left_out, &disk);
    let tables = table::all(&report);
    println!("{tables}");
    if let Some(file) = &settings.json {
        let text = serde_json::to_string_pretty(&report).expect("JSON");
        std::fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    if let Some(page) = &settings.page {
        page::write(page, "local", &tables);
    }
}

fn report(plan: &Plan, players: &[Player], left_out: Vec<String>, disk: &Path) -> Report {
    let load = process::load();
    let index = |name: &String| players.iter().position(|player| player.column.name == *name);
    let beside: Vec<_> = players
        .iter()
        .map(|player| player.column.beside.as_ref().and_then(index))
        .collect();
    let mut stage = Stage::new(plan, players, &beside, disk);
    let cryptography = stage.cryptography();
    let beside_busy = stage.beside_busy();
    let crowds = stage.crowds();
    Report {
        date: page::today(),
        machine: page::machine(),
        load,
        command: format!(
            "cargo xtask bench local{}",
            if plan.quick { " --quick" } else { "" }
        ),
        columns: players.iter().map(|player| player.column.name.clone()).collect(),
        beside,
        left_out,
        cryptography,
        beside_busy,
        objects: crowds.lines,
        cold: crowds.cold,
        memory: crowds.memory,
    }
}
