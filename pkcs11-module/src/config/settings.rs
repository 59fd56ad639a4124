// SPDX-License-Identifier: MIT
//! The table of settings: names, kinds, ranges, defaults and what they mean.
//!
//! One row makes the check, the suggestion in an error and the row in the user guide. A new setting is a new row, a
//! line in `parse.rs` that takes it up, and a field of the configuration.

/// A section and its rows: the setting's name, which values it takes, what holds without it, and what it does. The
/// section's list of settings is made of the same rows, so that none can be forgotten there.
macro_rules! section {
    (
        $section:ident: $table:literal, $heading:literal, $backend:expr, $place:literal;
        $($setting:ident = $name:literal: $kind:expr, $default:literal, $about:literal;)*
    ) => {
        #[doc = concat!("What can be set ", $place, ".")]
        pub static $section: Section = Section {
            name: $table,
            heading: $heading,
            backend: $backend,
            settings: &[$(&$setting),*],
        };
        $(
            #[doc = concat!("`", $name, "` ", $place, ".")]
            pub static $setting: Setting = Setting {
                name: $name,
                kind: $kind,
                default: $default,
                about: $about,
            };
        )*
    };
}

mod device;
mod remote;

pub use device::*;
pub use remote::*;

use Kind::{Boolean, Choice, Directory, Number, Text};

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key in the file.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// What holds when it is left out, as the guide says it.
    pub default: &'static str,
    /// What it does, as the guide says it.
    pub about: &'static str,
}

/// Which values a setting takes.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number in this range, both ends included.
    Number {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// Text of 1 to so many bytes of UTF-8, without control characters.
    Text {
        /// The most, in bytes.
        max_bytes: usize,
    },
    /// `true` or `false`.
    Boolean,
    /// A directory: absolute, or relative to the directory of the configuration file.
    Directory,
    /// A file, named as a directory is.
    File,
    /// The address of a service: `https://` or `http://`, a host, perhaps a port and a path; no user, no password.
    Url,
    /// The Argon2 hash of a PIN, as a PHC string.
    PinHash,
}

/// Settings that stand together in the file.
#[derive(Debug)]
pub struct Section {
    /// The table's name; empty for the top of the file.
    pub name: &'static str,
    /// Its heading as written in the file, and for which backend.
    pub heading: &'static str,
    /// The one backend whose slots have these settings.
    pub backend: Option<BackendName>,
    /// Its settings.
    pub settings: &'static [&'static Setting],
}

/// A choice: an enumeration whose variants have names in the file.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The names, in the order of the variants.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// The name in the file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The variant of a name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

choice! {
    /// What the keys are used for; from this follows which protection is enough.
    Environment {
        /// Real keys. Refuses to start with slots that only software protects, and to call services without TLS.
        Production = "production",
        /// The rehearsal of production. Software slots are warned of.
        Staging = "staging",
        /// A developer's or a test's keys.
        Development = "development",
        /// One's own machine; assumed when nothing is said.
        Local = "local",
    }
}

choice! {
    /// What a forked child finds.
    ForkPolicy {
        /// Calls say `CKR_CRYPTOKI_NOT_INITIALIZED` until the child calls `C_Initialize`, as the specification says.
        Strict = "strict",
        /// The first call initialises again, for hosts that never do; old handles are invalid and nobody is logged in.
        Auto = "auto",
    }
}

choice! {
    /// What a program's wish for no threads (`CKF_LIBRARY_CANT_CREATE_OS_THREADS`) means to slots of a service.
    ThreadPolicy {
        /// `C_Initialize` answers `CKR_NEED_TO_CREATE_THREADS`, as the specification says.
        Strict = "strict",
        /// Threads are started all the same, for programs that set the flag without a need.
        Always = "always",
    }
}

choice! {
    /// What can hold keys.
    BackendName {
        /// The built-in soft token.
        Soft = "soft",
        /// AWS Key Management Service.
        AwsKms = "aws-kms",
        /// A vendor's PKCS#11 module.
        Pkcs11 = "pkcs11",
    }
}

choice! {
    /// Which backend's slot a soft slot can look like: each that stands for a service, and is in `assemble/remote.rs`.
    Simulation {
        /// AWS Key Management Service.
        AwsKms = "aws-kms",
    }
}

/// What a forked child finds when nothing is said.
pub const DEFAULT_FORK: ForkPolicy = ForkPolicy::Strict;
/// What a program's wish for no threads means when nothing is said.
pub const DEFAULT_THREADS: ThreadPolicy = ThreadPolicy::Strict;
/// The level of messages when nothing is said.
pub const DEFAULT_LOG_LEVEL: log::LevelFilter = log::LevelFilter::Warn;
/// Every `operation_timeout`, in milliseconds.
const OPERATION_TIMES: Kind = Kind::Number {
    min: 100,
    max: 600_000,
};
/// How many wrong PINs in a row lock a PIN when nothing is said.
pub const DEFAULT_PIN_ATTEMPTS: u32 = 10;

section! {
    TOP: "", "the top of the file", None, "at the top of the file";

    ENVIRONMENT = "environment": Choice(Environment::NAMES),
        "`\"local\"`, with a warning",
        "What the keys are used for. `production` refuses to start with slots that only software protects; \
         the others warn of them. A remote service is called with TLS there, but on this machine.";
    FORK = "fork": Choice(ForkPolicy::NAMES),
        "`\"strict\"`",
        "What a forked child finds. `strict`: it must call `C_Initialize` itself. `auto`: its first call \
         initialises again; old handles are invalid and nobody is logged in.";
    THREADS = "threads": Choice(ThreadPolicy::NAMES),
        "`\"strict\"`",
        "What holds for programs that forbid libraries to start threads, if there are slots of a service, whose calls \
         need them. `strict`: `C_Initialize` refuses with `CKR_NEED_TO_CREATE_THREADS`. `always`: threads are started \
         at the first call all the same. p11-kit and what stands on it (`p11tool`) forbid them, and get along.";
}

section! {
    LOG: "log", "[log]", None, "in `[log]`";

    LEVEL = "level": Choice(&["off", "error", "warn", "info", "debug", "trace"]),
        "`\"warn\"`",
        "Which messages go to standard error. The environment variable `KEYENCLAVE_LOG` overrides it.";
}

section! {
    SLOT: "slot", "[[slot]]", None, "in any `[[slot]]`";

    // At most what a Java `int` holds, since Java's `slot = …` is one.
    ID = "id": Number { min: 0, max: 0x7fff_ffff },
        "the slot's place in the file, from 0",
        "The slot's id. Give it explicitly before slots are added, moved or removed.";
    LABEL = "label": Text { max_bytes: 32 },
        "required",
        "The slot's name, unique in the file.";
    BACKEND = "backend": Choice(BackendName::NAMES),
        "required",
        "What holds the keys. `soft`: the built-in soft token. `aws-kms`: AWS Key Management Service. `pkcs11`: a \
         vendor's PKCS#11 module.";
}

section! {
    SOFT: "slot", "[[slot]] with `backend = \"soft\"`", Some(BackendName::Soft), "in a slot of the soft token";

    PATH = "path": Directory,
        "`keyenclave/<label>` in the user's data directory",
        "The directory of the token's store; it is made when the token is initialised. A relative path starts at \
         the configuration file's directory.";
    MAX_PIN_ATTEMPTS = "max_pin_attempts": Number { min: 3, max: 100 },
        "`10`",
        "How many wrong PINs in a row lock a PIN; it holds for the user's and the security officer's.";
    LEGACY_MECHANISMS = "legacy_mechanisms": Boolean,
        "`false`",
        "Whether mechanisms that are broken or outdated are offered, for programs that cannot do without: `CKM_MD5`, \
         triple DES (`CKM_DES3_KEY_GEN`, `CKM_DES3_ECB`, `CKM_DES3_CBC`, `CKM_DES3_CBC_PAD`, `CKM_DES3_CMAC`), RSA keys \
         of 512 to 16384 bits instead of 2048 to 8192 (1024 to 8192 where they are taken in).";
    SIMULATE = "simulate": Choice(Simulation::NAMES),
        "none: the slot is what it is",
        "The backend whose slot this one looks like, for development and tests without the service: its mechanisms, \
         sizes and names, and its refusals. Never production grade: every start warns of it, and `production` refuses it.";
}

/// Every section.
pub static SECTIONS: [&Section; 6] = [&TOP, &LOG, &SLOT, &SOFT, &AWS_KMS, &PKCS11];

impl Kind {
    /// The values, as the guide says them.
    pub fn values(&self) -> String {
        match self {
            Self::Choice(names) => names
                .iter()
                .map(|name| format!("`\"{name}\"`"))
                .collect::<Vec<_>>()
                .join(", "),
            Self::Number { min, max } => format!("{min} to {max}"),
            Self::Text { max_bytes } => format!("text, 1 to {max_bytes} bytes"),
            Self::Boolean => "`true`, `false`".to_owned(),
            Self::Directory => "a directory".to_owned(),
            Self::File => "a file".to_owned(),
            Self::Url => "an `https://` or `http://` address".to_owned(),
            Self::PinHash => "an Argon2 hash (PHC string)".to_owned(),
        }
    }
}

/// The user guide's table of all settings, in Markdown.
pub fn guide_table() -> String {
    let mut table = String::from("| where | setting | values | default | meaning |\n|---|---|---|---|---|\n");
    for section in SECTIONS {
        for Setting {
            name,
            kind,
            default,
            about,
        } in section.settings
        {
            let heading = match (section.name, section.backend) {
                ("", _) => section.heading.to_owned(),
                (_, None) => format!("`{}`", section.heading),
                (name, Some(backend)) => format!("`[[{name}]]`, `{}`", backend.name()),
            };
            table += &format!(
                "| {heading} | `{name}` | {} | {default} | {about} |\n",
                kind.values()
            );
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    const GUIDE: &str = include_str!("../../../docs/guide/configuration.md");

    #[test]
    fn the_guide_has_the_table_of_settings() {
        let table = guide_table();
        assert!(
            GUIDE.contains(&table),
            "docs/guide/configuration.md must contain exactly:\n\n{table}"
        );
    }

    #[test]
    fn names_and_variants_agree() {
        for name in Environment::NAMES {
            assert_eq!(Environment::from_name(name).map(Environment::name), Some(*name));
        }
        for name in ForkPolicy::NAMES {
            assert_eq!(ForkPolicy::from_name(name).map(ForkPolicy::name), Some(*name));
        }
        let Kind::Choice(levels) = LEVEL.kind else {
            unreachable!()
        };
        for name in levels {
            assert_eq!(
                log::LevelFilter::from_str(name).map(|l| l.as_str().to_lowercase()),
                Ok((*name).into())
            );
        }
    }

    #[test]
    fn defaults_are_what_the_table_says() {
        assert_eq!(FORK.default, format!("`\"{}\"`", DEFAULT_FORK.name()));
        assert_eq!(THREADS.default, format!("`\"{}\"`", DEFAULT_THREADS.name()));
        assert_eq!(
            LEVEL.default,
            format!("`\"{}\"`", DEFAULT_LOG_LEVEL.as_str().to_lowercase())
        );
        for (setting, default) in [
            (&MAX_PIN_ATTEMPTS, DEFAULT_PIN_ATTEMPTS),
            (&DELETION_DAYS, DEFAULT_DELETION_DAYS),
            (&PAGE_SIZE, DEFAULT_PAGE_SIZE),
            (&OPERATION_TIMEOUT, DEFAULT_OPERATION_TIMEOUT),
            (&RETRIES, DEFAULT_RETRIES),
            (&CONNECTIONS, DEFAULT_CONNECTIONS),
            (&QUEUE, DEFAULT_QUEUE),
            (&LISTING_EXPIRY, DEFAULT_LISTING_EXPIRY),
            (&LISTING_TIMEOUT, DEFAULT_LISTING_TIMEOUT),
            (&DESCRIPTION_EXPIRY, DEFAULT_DESCRIPTION_EXPIRY),
            (&SESSIONS, DEFAULT_SESSIONS),
        ] {
            assert_eq!(setting.default, format!("`{default}`"), "{}", setting.name);
        }
    }
}
