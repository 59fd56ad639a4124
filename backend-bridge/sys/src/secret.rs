// SPDX-License-Identifier: MIT
//! Memory for secrets that live long: own pages, locked, left out of core dumps, wiped before they are given back.

use std::io;
use std::ptr::NonNull;
use zeroize::Zeroize;

/// A fixed number of secret bytes on pages of their own. No `Debug`, no `Clone`, no comparison.
///
/// Locking is best effort: without the right or the quota (`RLIMIT_MEMLOCK`) the pages can be swapped out, which
/// [`SecretBuf::is_locked`] tells.
pub struct SecretBuf {
    pages: NonNull<u8>,
    mapped: usize,
    len: usize,
    locked: bool,
}

// SAFETY: the pages belong to this value alone; shared access only reads them.
unsafe impl Send for SecretBuf {}
// SAFETY: as above; writing needs `&mut`.
unsafe impl Sync for SecretBuf {}

impl SecretBuf {
    /// `len` zero bytes.
    ///
    /// # Errors
    /// What `mmap(2)` reports.
    pub fn zeroed(len: usize) -> io::Result<Self> {
        let page = page_size();
        let mapped = len
            .max(1)
            .checked_next_multiple_of(page)
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let pages = unsafe { libc::mmap(std::ptr::null_mut(), mapped, protection, flags, -1, 0) };
        if pages == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: exactly the pages that were just mapped; the contents stay as they are.
        unsafe { libc::madvise(pages, mapped, libc::MADV_DONTDUMP) };
        // SAFETY: as above.
        let locked = unsafe { libc::mlock(pages, mapped) } == 0;
        let pages = NonNull::new(pages.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            pages,
            mapped,
            len,
            locked,
        })
    }

    /// A copy of `secret`. The caller wipes the original.
    ///
    /// # Errors
    /// What `mmap(2)` reports.
    pub fn copy_of(secret: &[u8]) -> io::Result<Self> {
        let mut buf = Self::zeroed(secret.len())?;
        buf.expose_mut().copy_from_slice(secret);
        Ok(buf)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        // SAFETY: `len` bytes of the mapping are initialised (by the kernel) and belong to this value.
        unsafe { std::slice::from_raw_parts(self.pages.as_ptr(), self.len) }
    }

    /// The bytes, to be filled.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `expose`, and `&mut self` makes the access unique.
        unsafe { std::slice::from_raw_parts_mut(self.pages.as_ptr(), self.len) }
    }

    /// Whether the pages are kept out of swap.
    pub const fn is_locked(&self) -> bool {
        self.locked
    }
}

impl Drop for SecretBuf {
    fn drop(&mut self) {
        self.expose_mut().zeroize();
        // SAFETY: the whole mapping of this value, which nothing refers to any more; unmapping also unlocks.
        unsafe { libc::munmap(self.pages.as_ptr().cast(), self.mapped) };
    }
}

fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The `VmFlags` line of the mapping at `address` in `/proc/self/smaps`.
    fn flags_of(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = maps.find(&format!("{address:x}-")).unwrap();
        let rest = maps.split_at(start).1;
        rest.lines()
            .find(|line| line.starts_with("VmFlags"))
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_secret_is_on_its_own_page_and_outside_core_dumps() {
        let mut secret = SecretBuf::zeroed(64).unwrap();
        assert_eq!(secret.expose(), [0; 64]);
        secret.expose_mut().fill(7);
        assert_eq!(secret.expose(), [7; 64]);
        let address = secret.expose().as_ptr().addr();
        assert_eq!(address % page_size(), 0);
        let flags = flags_of(address);
        assert!(flags.contains(" dd"), "{flags}");
        assert_eq!(secret.is_locked(), flags.contains(" lo"), "{flags}");
    }

    #[test]
    fn any_length_is_kept_exactly() {
        for len in [0, 1, 32, 4096, 4097] {
            let secret = SecretBuf::copy_of(&vec![1; len]).unwrap();
            assert_eq!(secret.expose().len(), len);
        }
    }
}
