// SPDX-License-Identifier: MIT
//! What kind of file system a path lies on: a shared mapping must not be trusted across machines. And opening a file
//! of which nothing is known yet.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `statfs(2)` magic numbers of file systems whose pages may live on, or be changed from, another machine or
/// another process's address space.
const NETWORK: &[u64] = &[
    0x6969,      // NFS
    0x517b,      // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x6573_5546, // FUSE
    0x0102_1997, // 9p
    0x5346_414f, // AFS
    0x00c3_6400, // Ceph
    0x7375_7245, // Coda
    0x564c,      // NCP
    0x4750_4653, // GPFS
    0x0bd0_0bd0, // Lustre
    0x7461_636f, // OCFS2
    0x0116_1970, // GFS2
    0x786f_4256, // VirtualBox shared folder
    0xbacb_acbc, // VMware shared folder
    0x7c7c_6673, // Parallels shared folder
];

/// Whether `path`, which must exist, lies on a file system that may be shared between machines.
///
/// # Errors
/// What `statfs(2)` reports, and `InvalidInput` for a path with a zero byte.
pub fn is_network_fs(path: &Path) -> io::Result<bool> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `path` is a terminated string and `stat` is writable memory of the right size.
    let status = unsafe { libc::statfs(path.as_ptr(), stat.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed memory is a valid `statfs`, and the call filled it.
    let stat = unsafe { stat.assume_init() };
    // The field's sign and width differ between C libraries; every known number fits 32 bits.
    let magic = u64::try_from(i128::from(stat.f_type) & 0xffff_ffff).unwrap_or(0);
    Ok(NETWORK.contains(&magic))
}

/// Opens what is at `path` for reading, and does not wait where that is a FIFO without a writer or a terminal. The
/// caller looks at the file's metadata before it reads.
///
/// # Errors
/// What `open(2)` reports.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn proc_is_no_network_file_system() {
        assert!(!is_network_fs(Path::new("/proc")).unwrap());
    }

    #[test]
    fn a_missing_path_is_an_error() {
        assert_eq!(
            is_network_fs(Path::new("/nowhere/at/all")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
