// SPDX-License-Identifier: MIT
//! Where the configuration and the stores are, and reading the one without being led astray.
//!
//! What the process's environment says is taken once, into [`Surroundings`], so that everything else is a function
//! of its arguments. A process with more rights than its caller (set-user-id) does not listen to the caller's
//! environment: it uses the system's file only.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use keyenclave_sys::privilege;

use super::error::{ConfigError, Problem};

/// The variable that names the configuration file.
const NAMING: &str = "KEYENCLAVE_CONFIG";
/// The system's configuration file.
const SYSTEM: &str = "/etc/keyenclave/config.toml";
/// The largest configuration file, in bytes.
const LARGEST: u64 = 1 << 20;
/// Write permission for group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// What a process's environment says about places.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    named: Option<PathBuf>,
    config_home: Option<PathBuf>,
    data_home: Option<PathBuf>,
    system: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let system = Some(PathBuf::from(SYSTEM));
        let home = env::home_dir().filter(|home| home.is_absolute());
        if privilege::is_elevated() {
            return Self {
                system,
                ..Self::default()
            };
        }
        let variable = |name| {
            env::var_os(name)
                .filter(|value: &OsString| !value.is_empty())
                .map(PathBuf::from)
        };
        // The XDG base directory specification: a relative path is to be ignored.
        let base = |name, below: &str| {
            let set = variable(name).filter(|path| path.is_absolute());
            set.or_else(|| home.as_ref().map(|home| home.join(below)))
        };
        Self {
            named: variable(NAMING),
            config_home: base("XDG_CONFIG_HOME", ".config"),
            data_home: base("XDG_DATA_HOME", ".local/share"),
            system,
        }
    }

    /// Only a home directory, nothing named and no system file.
    #[cfg(test)]
    pub(super) fn in_home(home: &Path) -> Self {
        Self {
            named: None,
            config_home: Some(home.join(".config")),
            data_home: Some(home.join(".local/share")),
            system: None,
        }
    }

    /// The configuration file that counts, and its text; `None` when there is none at all.
    pub(super) fn find(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        if let Some(file) = &self.named {
            return read(file).map(|text| Some((file.clone(), text)));
        }
        let user = self
            .config_home
            .as_ref()
            .map(|home| home.join("keyenclave/config.toml"));
        for file in [user, self.system.clone()].into_iter().flatten() {
            if is_there(&file)? {
                let text = read(&file)?;
                return Ok(Some((file, text)));
            }
        }
        Ok(None)
    }

    /// The directory of the store with this name, below the user's data directory.
    pub(super) fn store(&self, name: &str) -> Option<PathBuf> {
        self.data_home
            .as_ref()
            .map(|home| home.join("keyenclave").join(name))
    }

    /// The directory of what is kept beside the keys of a remote slot with this name.
    pub(super) fn sidecar(&self, name: &str) -> Option<PathBuf> {
        self.store("sidecar").map(|sidecars| sidecars.join(name))
    }
}

/// Whether a default file is there. What cannot be looked at is an error: going on without it would be another
/// configuration than the one that was written.
fn is_there(file: &Path) -> Result<bool, ConfigError> {
    match fs::metadata(file) {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(unreadable(file, &error)),
    }
}

/// The text of a configuration file.
pub(super) fn read(file: &Path) -> Result<String, ConfigError> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    check(
        file,
        &fs::metadata(file).map_err(|error| unreadable(file, &error))?,
    )?;
    let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
    check(
        file,
        &opened.metadata().map_err(|error| unreadable(file, &error))?,
    )?;
    let mut bytes = Vec::new();
    opened
        .take(LARGEST.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(file, &error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large(file));
    }
    String::from_utf8(bytes).map_err(|error| not_text(file, &error))
}

fn check(file: &Path, metadata: &fs::Metadata) -> Result<(), ConfigError> {
    if !metadata.is_file() {
        let help = format!("{NAMING} must name a regular file");
        return Err(ConfigError::whole(file, "this is not a regular file", help));
    }
    let mode = metadata.permissions().mode();
    if mode & WRITABLE_BY_OTHERS != 0 {
        let message = format!("other users may write to this file (mode {:04o})", mode & 0o7777);
        let help = format!(
            "whoever can change it can redirect your keys: run `chmod go-w {}`",
            file.display()
        );
        return Err(ConfigError::whole(file, message, help));
    }
    if metadata.len() > LARGEST {
        return Err(too_large(file));
    }
    Ok(())
}

fn too_large(file: &Path) -> ConfigError {
    let message = format!("the file is larger than {LARGEST} bytes");
    ConfigError::whole(file, message, "this is hardly a configuration: check the path")
}

fn not_text(file: &Path, error: &std::string::FromUtf8Error) -> ConfigError {
    let valid = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
    let help = "a configuration is TOML in UTF-8: save it as such, or check the path";
    let problem = Problem::at(
        &text,
        &(valid..valid),
        "the file is not UTF-8 text from here on",
        help,
    );
    ConfigError::of(file, vec![problem])
}

fn unreadable(file: &Path, error: &io::Error) -> ConfigError {
    let help = match error.kind() {
        io::ErrorKind::NotFound => format!("write the file, or correct or unset {NAMING}"),
        io::ErrorKind::PermissionDenied => "give this process's user the right to read it".to_owned(),
        _ => "check the path and the file system".to_owned(),
    };
    ConfigError::whole(file, format!("the configuration cannot be read: {error}"), help)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(file: &Path, contents: &[u8], mode: u32) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, contents).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(contents: &[u8], mode: u32) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        write(&file, contents, mode);
        read(&file).unwrap_err().to_string()
    }

    #[test]
    fn the_named_file_comes_first_then_the_users_then_the_systems() {
        let dir = tempfile::tempdir().unwrap();
        let mut surroundings = Surroundings::in_home(dir.path());
        assert!(surroundings.find().unwrap().is_none());
        let system = dir.path().join("etc/config.toml");
        let user = dir.path().join(".config/keyenclave/config.toml");
        let named = dir.path().join("named.toml");
        surroundings.system = Some(system.clone());
        for file in [system, user, named.clone()] {
            write(&file, file.to_str().unwrap().as_bytes(), 0o644);
            if file == named {
                surroundings.named = Some(named.clone());
            }
            let found = surroundings.find().unwrap().unwrap();
            assert_eq!(found, (file.clone(), file.to_str().unwrap().to_owned()));
        }
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error() {
        let named = Some(PathBuf::from("/nowhere/config.toml"));
        let error = Surroundings {
            named,
            ..Surroundings::default()
        }
        .find()
        .unwrap_err()
        .to_string();
        assert!(
            error.starts_with("/nowhere/config.toml: the configuration cannot be read"),
            "{error}"
        );
        assert!(error.contains("KEYENCLAVE_CONFIG"), "{error}");
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        for mode in [0o664, 0o646] {
            let error = refusal(b"", mode);
            assert!(
                error.contains("other users may write") && error.contains("chmod go-w"),
                "{error}"
            );
        }
    }

    #[test]
    fn directories_and_devices_are_refused() {
        for path in ["/", "/dev/null"] {
            let error = read(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{error}");
        }
    }

    #[test]
    fn a_huge_file_is_refused() {
        let largest = usize::try_from(LARGEST).unwrap();
        assert!(refusal(&vec![b'#'; largest + 1], 0o600).contains("larger than"));
    }

    #[test]
    fn a_binary_file_is_refused_at_the_place() {
        let error = refusal(b"# fine\n# \xff\x00", 0o600);
        assert!(
            error.contains("config.toml:2:3: the file is not UTF-8"),
            "{error}"
        );
    }
}
