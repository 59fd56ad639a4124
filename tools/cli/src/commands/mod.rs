// SPDX-License-Identifier: MIT
//! The commands, one file each.

mod config;
mod health;
mod keys;
mod pin_hash;
mod quickstart;
mod sign;
mod slots;
mod token;
mod verify;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::answer::Answer;
use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::operation::is_standard;

/// Does what the command line says.
///
/// # Errors
/// The command's.
pub fn run(cli: Cli) -> Result<Answer, Failure> {
    let Cli {
        module,
        json,
        command,
    } = cli;
    let module = module.as_deref();
    match command {
        Command::Quickstart(args) => quickstart::run(module, &args, json),
        Command::Config(args) => config::run(&args),
        Command::Slots => slots::run(module),
        Command::Token(args) => token::run(module, &args),
        Command::Keys(args) => keys::run(module, &args),
        Command::Sign(args) => sign::run(module, &args, json),
        Command::Verify(args) => verify::run(module, &args),
        Command::Health(args) => health::run(module, &args),
        Command::PinHash(args) => pin_hash::run(&args),
    }
}

/// The signature's file where none is named.
fn beside(file: &Path) -> Result<PathBuf, Failure> {
    if is_standard(file) {
        let help = "name it (`--out FILE` or `--signature FILE`)";
        return Err(Failure::usage(
            "standard input has no place for a signature beside it",
            help,
        ));
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    Ok(PathBuf::from(name))
}

fn write_file(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, contents).map_err(|error| Failure::file("write", path, &error))
}

/// Has somebody at the terminal agree to what cannot be undone.
fn confirm(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            format!("{question} There is no terminal to ask at"),
            "say --yes if that is meant",
        ));
    }
    let failed = |error: io::Error| Failure::file("use", Path::new("the terminal"), &error);
    let mut terminal = io::stderr();
    write!(terminal, "{question} Type yes to go on: ")
        .and_then(|()| terminal.flush())
        .map_err(failed)?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(failed)?;
    if line.trim() == "yes" {
        Ok(())
    } else {
        Err(Failure::usage("nothing was changed", ""))
    }
}
