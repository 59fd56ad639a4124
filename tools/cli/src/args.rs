// SPDX-License-Identifier: MIT
//! What can be typed: commands, options and their help. What they do is in [`commands`](crate::commands).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::key::KeyType;
use crate::mechanism::SignMechanism;

/// Works with the keys of a PKCS#11 module: sets up tokens, makes keys, signs and verifies.
///
/// PINs are read from the terminal, a file or an environment variable, never from the command line.
#[derive(Parser)]
#[command(name = "keyenclave", version, max_term_width = 100)]
pub struct Cli {
    /// The PKCS#11 module to load; otherwise KeyEnclave's own, beside this program or in ../lib.
    #[arg(long, global = true, env = "KEYENCLAVE_MODULE", value_name = "PATH")]
    pub module: Option<PathBuf>,
    /// Answer in JSON, also when something fails (but for mistakes in the command line).
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Make a token and a key, sign a file, and have OpenSSL verify it.
    Quickstart(Quickstart),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(Config),
    /// List slots and tokens.
    Slots,
    /// Set up a token.
    #[command(subcommand)]
    Token(Token),
    /// List, make, export and delete keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Sign a file.
    Sign(Sign),
    /// Verify the signature of a file.
    Verify(Verify),
    /// Say whether the module and its tokens can be used, and if not, why.
    Health(Health),
    /// Hash a PIN for the setting `pin_hash` of the configuration.
    PinHash(PinHash),
}

/// `keyenclave quickstart`.
#[derive(Args)]
pub struct Quickstart {
    /// The directory to make; it holds everything, and deleting it undoes everything.
    #[arg(long, value_name = "DIR", default_value = "keyenclave-quickstart")]
    pub dir: PathBuf,
}

/// `keyenclave config …`.
#[derive(Subcommand)]
pub enum Config {
    /// Check a configuration file, or the one that the library would use.
    Check {
        /// The file.
        file: Option<PathBuf>,
    },
}

/// `keyenclave token …`.
#[derive(Subcommand)]
pub enum Token {
    /// Initialise a token: sets the security officer's PIN, the label and the user's PIN.
    Init(TokenInit),
}

/// `keyenclave token init`.
#[derive(Args)]
pub struct TokenInit {
    /// The slot's id; it can be left out where only one slot has an uninitialised token.
    #[arg(long)]
    pub slot: Option<u64>,
    /// The token's label, at most 32 bytes.
    #[arg(long)]
    pub label: String,
    /// Take the security officer's PIN from this environment variable.
    #[arg(long, value_name = "VAR", conflicts_with = "so_pin_file")]
    pub so_pin_env: Option<String>,
    /// Take the security officer's PIN from this file.
    #[arg(long, value_name = "FILE")]
    pub so_pin_file: Option<PathBuf>,
    /// Where the user's PIN comes from.
    #[command(flatten)]
    pub pin: PinSource,
    /// Do not ask before an initialised token, with all its keys, is replaced.
    #[arg(long)]
    pub yes: bool,
}

/// Where the user's PIN comes from; the terminal, if nothing is said.
#[derive(Args, Default)]
pub struct PinSource {
    /// Take the user's PIN from this environment variable.
    #[arg(long, value_name = "VAR", conflicts_with = "pin_file")]
    pub pin_env: Option<String>,
    /// Take the user's PIN from this file.
    #[arg(long, value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
}

/// Which token, and its PIN.
#[derive(Args)]
pub struct Which {
    /// The slot's id; it can be left out where only one slot has an initialised token.
    #[arg(long)]
    pub slot: Option<u64>,
    /// The token's label, instead of the slot.
    #[arg(long, conflicts_with = "slot")]
    pub token: Option<String>,
    /// Where its PIN comes from.
    #[command(flatten)]
    pub pin: PinSource,
}

/// Which key.
#[derive(Args)]
pub struct KeyName {
    /// The key's label.
    #[arg(long, required_unless_present = "id")]
    pub label: Option<String>,
    /// The key's id in hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = crate::key::parse_id)]
    pub id: Option<crate::key::KeyId>,
}

/// `keyenclave keys …`.
#[derive(Subcommand)]
pub enum Keys {
    /// List the keys of a token.
    List {
        /// Which token.
        #[command(flatten)]
        which: Which,
        /// List what is visible without a login.
        #[arg(long)]
        no_login: bool,
    },
    /// Generate a key or a key pair.
    Generate {
        /// Which token.
        #[command(flatten)]
        which: Which,
        /// The kind of key.
        #[arg(long = "type", value_enum, value_name = "TYPE")]
        kind: KeyType,
        /// Its label; no other key may have it.
        #[arg(long)]
        label: String,
        /// Its id in hexadecimal digits; otherwise random.
        #[arg(long, value_name = "HEX", value_parser = crate::key::parse_id)]
        id: Option<crate::key::KeyId>,
    },
    /// Write a public key as PEM.
    Export {
        /// Which token.
        #[command(flatten)]
        which: Which,
        /// Which key.
        #[command(flatten)]
        key: KeyName,
        /// The file to write; standard output otherwise.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Delete a key with its public key. It cannot be brought back.
    Delete {
        /// Which token.
        #[command(flatten)]
        which: Which,
        /// Which key.
        #[command(flatten)]
        key: KeyName,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// How an ECDSA signature is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignatureFormat {
    /// As OpenSSL, X.509 and CMS have it.
    Der,
    /// As PKCS#11 has it: r and s one after the other.
    Raw,
}

/// `keyenclave sign`.
#[derive(Args)]
pub struct Sign {
    /// Which token.
    #[command(flatten)]
    pub which: Which,
    /// Which key.
    #[command(flatten)]
    pub key: KeyName,
    /// How to sign; otherwise what is usual for the key.
    #[arg(long, value_enum)]
    pub mechanism: Option<SignMechanism>,
    /// How an ECDSA signature is written down.
    #[arg(long, value_enum, default_value = "der")]
    pub format: SignatureFormat,
    /// Where the signature goes; otherwise beside the file, with `.sig` added to its name. `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also write the public key, as PEM.
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// The file to sign; `-` is standard input.
    pub file: PathBuf,
}

/// `keyenclave verify`.
#[derive(Args)]
pub struct Verify {
    /// Which token.
    #[command(flatten)]
    pub which: Which,
    /// Which key.
    #[command(flatten)]
    pub key: KeyName,
    /// How it was signed; otherwise what is usual for the key.
    #[arg(long, value_enum)]
    pub mechanism: Option<SignMechanism>,
    /// How an ECDSA signature is written down.
    #[arg(long, value_enum, default_value = "der")]
    pub format: SignatureFormat,
    /// The signature; otherwise beside the file, with `.sig` added to its name.
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// The file that was signed; `-` is standard input.
    pub file: PathBuf,
}

/// `keyenclave health`.
#[derive(Args)]
pub struct Health {
    /// Where the user's PIN comes from: with one, a login is tried on every initialised token.
    #[command(flatten)]
    pub pin: PinSource,
}

/// `keyenclave pin-hash`.
#[derive(Args)]
pub struct PinHash {
    /// Where the PIN comes from.
    #[command(flatten)]
    pub pin: PinSource,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_guide_names_every_command_key_type_and_mechanism_family() {
        let guide = include_str!("../../../docs/guide/cli.md");
        let mut names = Vec::new();
        for command in Cli::command().get_subcommands() {
            let within: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
            names.extend(
                within
                    .iter()
                    .map(|name| format!("`{} {name} ", command.get_name())),
            );
            names.extend(within.is_empty().then(|| format!("`{}", command.get_name())));
        }
        names.extend(
            KeyType::value_variants()
                .iter()
                .map(|kind| format!("`{}`", kind.name())),
        );
        let mechanisms = SignMechanism::value_variants()
            .iter()
            .map(|mechanism| mechanism.name());
        names.extend(
            mechanisms
                .filter(|name| !name.ends_with("sha384") && !name.ends_with("sha512"))
                .map(|name| format!("`{name}`")),
        );
        for name in names {
            assert!(guide.contains(&name), "docs/guide/cli.md must name {name}");
        }
    }

    #[test]
    fn no_option_takes_a_pin() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                assert!(
                    !id.contains("pin") || id.ends_with("_env") || id.ends_with("_file"),
                    "{id}"
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
