// SPDX-License-Identifier: MIT
//! Files that hold a PIN: those of the configuration, and those of the command-line tool, which reads them so too.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

/// The longest PIN, in bytes.
const LONGEST: u64 = 4096;
/// Permission for anybody but the owner.
const FOR_OTHERS: u32 = 0o077;

/// Why a PIN is not taken from a file.
#[derive(Debug)]
pub enum Refusal {
    /// It cannot be opened or read.
    Unreadable(io::Error),
    /// Others than its owner may use it.
    ForOthers {
        /// The file's permissions.
        mode: u32,
    },
    /// Its first line is longer than any PIN.
    TooLong,
}

/// Goes on after the file's name.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::ForOthers { mode } => write!(f, "may be used by others than its owner (mode {mode:04o})"),
            Self::TooLong => f.write_str("is too long for a PIN"),
        }
    }
}

impl Refusal {
    /// What to do about it.
    pub fn help(&self, path: &Path) -> String {
        match self {
            Self::Unreadable(_) => "check the path and its permissions".to_owned(),
            Self::ForOthers { .. } => format!(
                "run `chmod 600 {}`, and change the PIN if somebody may have read it",
                path.display()
            ),
            Self::TooLong => "its first line must be the PIN and nothing else".to_owned(),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// The first line of a file, or of a pipe, without its end; wiped from memory when it is dropped.
///
/// # Errors
/// A [`Refusal`].
pub fn first_line(path: &Path) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    if mode & FOR_OTHERS != 0 {
        return Err(Refusal::ForOthers { mode });
    }
    // Room for all of it from the start: a vector that grows leaves copies behind. So does a reader with a buffer.
    let mut line = Zeroizing::new(Vec::with_capacity(8192));
    BufReader::with_capacity(1, file.take(LONGEST + 2)).read_until(b'\n', &mut line)?;
    if let Some(end) = line.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        line.truncate(end);
    }
    if line.len() as u64 > LONGEST {
        return Err(Refusal::TooLong);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Reads a file with these contents and this mode.
    fn read(contents: &[u8], mode: u32) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pin");
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        first_line(&path)
    }

    #[test]
    fn the_first_line_without_its_end_is_the_pin() {
        for (contents, pin) in [
            (&b"1234"[..], &b"1234"[..]),
            (b"1234\n", b"1234"),
            (b"12 34 \r\nmore", b"12 34 "),
            (b"\n1234", b""),
        ] {
            assert_eq!(read(contents, 0o600).unwrap().as_slice(), pin, "{contents:?}");
        }
    }

    #[test]
    fn a_file_that_others_may_use_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o601] {
            let refusal = read(b"1234\n", mode).err().unwrap();
            assert!(
                matches!(refusal, Refusal::ForOthers { mode: found } if found == mode),
                "{refusal}"
            );
            assert!(
                refusal.help(Path::new("pin")).contains("chmod 600 pin"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_and_not_cut_off() {
        let longest = vec![b'1'; 4096];
        for end in [&b""[..], b"\n", b"\r\nmore"] {
            let contents = [&longest[..], end].concat();
            assert_eq!(read(&contents, 0o600).unwrap().as_slice(), longest);
        }
        assert!(matches!(read(&[b'1'; 4097], 0o600), Err(Refusal::TooLong)));
    }

    #[test]
    fn a_file_that_is_not_there_and_a_directory_are_refused() {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        for path in [home.path().to_owned(), home.path().join("none")] {
            assert!(matches!(first_line(&path), Err(Refusal::Unreadable(_))));
        }
    }
}
