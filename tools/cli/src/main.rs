// SPDX-License-Identifier: MIT
//! The command-line tool of KeyEnclave. It uses the module as any client does: it loads the shared library and calls
//! its C functions.
#![deny(unsafe_code)]

mod answer;
mod args;
mod commands;
mod der;
mod failure;
mod key;
mod loader;
mod mechanism;
mod operation;
mod pin;
mod place;
mod token;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    match commands::run(cli) {
        Ok(answer) => answer.print(json),
        Err(failure) => answer::print_failure(&failure, json),
    }
}
