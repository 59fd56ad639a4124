// SPDX-License-Identifier: MIT
//! The emulator `ministack`, which `cargo xtask test` installs: one for a whole test binary, ended with it.

use super::{Api, REGION};
use crate::case;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The emulator's program: `cargo xtask test` says where it is.
const PROGRAM: &str = "KEYENCLAVE_TEST_MINISTACK";

/// An instance that a test's parent process runs.
const RUNNING: &str = "KEYENCLAVE_TEST_MINISTACK_URL";

const MISSING: &str = "the emulator ministack is not installed";

/// How long it may take to start; it takes a second when nothing else runs.
const START: Duration = Duration::from_secs(60);

/// Between two looks at an instance that starts.
const LOOK: Duration = Duration::from_millis(25);

/// Runs the emulator until its input ends, which it does when the process that started it is gone, however it went.
const KEEPER: &str =
    r#""$0" >"$1/output" 2>&1 & emulator=$!; read -r _; kill $emulator; wait $emulator; rm -r "$1""#;

/// A running emulator.
#[derive(Debug)]
pub struct Ministack {
    url: String,
    _life: Option<ChildStdin>,
}

/// An account of the emulator: its keys are seen by nobody else. The credentials are its twelve digits and anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(String);

impl Ministack {
    /// The one instance of this test binary, started by the first who asks; `None` where it is not installed.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Ministack>> = OnceLock::new();
        let start = || match std::env::var(RUNNING) {
            Ok(url) => Some(Self { url, _life: None }),
            Err(_) => {
                let program = PathBuf::from(std::env::var_os(PROGRAM)?);
                program.is_file().then(|| Self::start(&program))
            }
        };
        SHARED.get_or_init(start).as_ref()
    }

    /// Runs `body` with the shared instance, and counts the test as skipped where there is none.
    pub fn needed<F: FnOnce(&'static Self)>(body: F) {
        match Self::shared() {
            Some(ministack) => body(ministack),
            None => case::skipped(&case::name_of::<F>(), MISSING),
        }
    }

    /// [`case::in_own_process`] with the shared instance and an [`Account`] of its own; the process may use the key
    /// service in the account's name. Skipped and counted where the emulator is not installed.
    pub fn in_own_process<F: FnOnce(&'static Self)>(body: F) {
        let Some(ministack) = Self::shared() else {
            return case::skipped(&case::name_of::<F>(), MISSING);
        };
        case::in_own_process_named(
            case::name_of::<F>(),
            |command| ministack.lend(&Account::fresh(), command),
            || body(ministack),
        );
    }

    /// Its address: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The service's own API, for keys made without PKCS#11.
    pub fn api(&self, account: &Account) -> Api {
        Api::new(&self.url, account)
    }

    /// Lets a child process find this instance, as `account`.
    pub fn lend(&self, account: &Account, command: &mut Command) {
        command.env(RUNNING, &self.url);
        account.give(command);
    }

    fn start(program: &std::path::Path) -> Self {
        let mut said = String::new();
        // Another process may take the port before the emulator does.
        for _ in 0..3 {
            let port = free_port();
            let directory = TempDir::with_prefix("keyenclave-ministack-").expect("a directory");
            let mut child = spawn(program, port, directory.path()).expect("sh");
            let ministack = Self {
                url: format!("http://127.0.0.1:{port}"),
                _life: child.stdin.take(),
            };
            if ministack.answers_soon(&mut child) {
                // The keeper takes it away.
                let _ = directory.keep();
                return ministack;
            }
            said = std::fs::read_to_string(directory.path().join("output")).unwrap_or_default();
            let _ = directory.keep();
        }
        panic!("ministack does not start: {said}");
    }

    fn answers_soon(&self, keeper: &mut Child) -> bool {
        let until = Instant::now() + START;
        while Instant::now() < until && matches!(keeper.try_wait(), Ok(None)) {
            if super::api::is_healthy(&self.url) {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    socket.local_addr().expect("an address").port()
}

fn spawn(program: &std::path::Path, port: u16, directory: &std::path::Path) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(KEEPER).arg(program).arg(directory);
    command
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("MINISTACK_REGION", REGION)
        .env("LOG_LEVEL", "WARNING")
        .env("HOME", directory)
        .env("DOCKER_HOST", "unix:///nonexistent");
    command.current_dir(directory).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

impl Account {
    const KEY: &str = "AWS_ACCESS_KEY_ID";

    /// One that nobody else uses.
    pub fn fresh() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("1{:07}{number:04}", std::process::id() % 10_000_000))
    }

    /// The one that the parent of this process gave it.
    pub fn of_this_process() -> Self {
        Self(std::env::var(Self::KEY).expect("an account in the environment"))
    }

    /// Its twelve digits.
    pub fn id(&self) -> &str {
        &self.0
    }

    /// Gives its credentials to a process, and nothing else that the SDK would look for.
    pub fn give(&self, command: &mut Command) {
        command
            .env(Self::KEY, &self.0)
            .env("AWS_SECRET_ACCESS_KEY", "test");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        for other in [
            "AWS_SESSION_TOKEN",
            "AWS_PROFILE",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
        ] {
            command.env_remove(other);
        }
    }
}
