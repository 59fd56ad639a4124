// SPDX-License-Identifier: MIT
//! A page of a file that all processes with a store open share: whose store it is, and how often it was changed.
//!
//! A writer makes the count odd before it commits and even after, while it holds the store's write lock. A reader
//! that saw an even count and sees the same one again has missed nothing. An odd count says nothing: the writer is at
//! work, or it died. The next writer repairs that. The file is grown once and never truncated, because a read past
//! the end of a truncated mapping kills the process.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

/// Size of the file, in bytes.
const LEN: usize = 4096;
/// "KEpage", format 1, in the machine's byte order: a mapping is never shared between machines.
const MAGIC: u64 = u64::from_le_bytes(*b"KEpage\x00\x01");

/// The layout of the page. Words only, so that every bit pattern is valid.
#[repr(C)]
struct Words {
    magic: AtomicU64,
    identity: [AtomicU64; 2],
    count: AtomicU64,
}

/// What a page said at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nobody is writing: the store's identity and the count of changes.
    Settled {
        /// The identity that the last writer left.
        identity: [u8; 16],
        /// An even number that grows by two with every change.
        count: u64,
    },
    /// A writer is at work, or died at it: only the store itself knows.
    Moving,
}

/// Who owns the store, and should own its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

/// The mapped page. Unmapped when dropped.
pub struct CounterPage {
    words: *const Words,
    file: (u64, u64),
}

// SAFETY: the mapping holds atomics only and lives as long as the value.
unsafe impl Send for CounterPage {}
// SAFETY: as above.
unsafe impl Sync for CounterPage {}

impl CounterPage {
    /// Opens the page at `path`, or makes it, for the store with `identity`. The caller holds the store's write lock.
    /// A new or damaged page, or one of another store, starts at `seed` made even: choose it at random, so that a
    /// count remembered from an earlier page does not come back. The file is given to `owner`.
    ///
    /// # Errors
    /// What the system reports, and `PermissionDenied` when others than the owner may write to the file.
    pub fn open(path: &Path, identity: [u8; 16], seed: u64, owner: Owner) -> io::Result<Self> {
        let file = options().create(true).open(path)?;
        let meta = trusted(&file)?;
        if (meta.uid(), meta.gid()) != (owner.user, owner.group) {
            // Only a privileged process can, and only for one does it matter: the owner must be able to open it too.
            let _unprivileged = fchown(&file, Some(owner.user), Some(owner.group));
        }
        grow(&file, meta.len())?;
        let page = Self {
            words: map(&file)?,
            file: (meta.dev(), meta.ino()),
        };
        page.adopt(identity, seed);
        Ok(page)
    }

    /// Opens the page at `path` if there is one that the store with `identity` can use as it is. Needs no lock.
    ///
    /// # Errors
    /// What the system reports, other than that there is no file.
    pub fn open_existing(path: &Path, identity: [u8; 16]) -> io::Result<Option<Self>> {
        let file = match options().open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let meta = trusted(&file)?;
        if meta.len() < LEN as u64 {
            return Ok(None);
        }
        let page = Self {
            words: map(&file)?,
            file: (meta.dev(), meta.ino()),
        };
        let is_ours = page.words().magic.load(Ordering::SeqCst) == MAGIC;
        let is_usable = match page.read() {
            Reading::Settled { identity: found, .. } => found == identity,
            Reading::Moving => is_ours,
        };
        Ok(is_usable.then_some(page))
    }

    fn words(&self) -> &Words {
        // SAFETY: the mapping is page-aligned, LEN bytes long, and lives as long as `self`; it holds atomics only.
        unsafe { &*self.words }
    }

    /// Puts right whatever does not belong to the store with this identity.
    fn adopt(&self, identity: [u8; 16], seed: u64) {
        let words = self.words();
        let mine = words.magic.load(Ordering::SeqCst) == MAGIC;
        if !mine {
            words.count.store(seed | 1, Ordering::SeqCst);
        }
        if mine && self.identity() == identity {
            return;
        }
        self.begin();
        self.finish(identity);
        words.magic.store(MAGIC, Ordering::SeqCst);
    }

    /// Before a commit, under the store's write lock: readers must ask the store from now on.
    pub fn begin(&self) {
        let count = &self.words().count;
        count.store(count.load(Ordering::SeqCst) | 1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// After the commit, or after giving it up: the store has this identity, and a new count.
    pub fn finish(&self, identity: [u8; 16]) {
        let words = self.words();
        for (word, value) in words.identity.iter().zip(halves(identity)) {
            word.store(value, Ordering::SeqCst);
        }
        let count = words.count.load(Ordering::SeqCst) | 1;
        words.count.store(count.wrapping_add(1), Ordering::SeqCst);
    }

    /// What the page says now. A few nanoseconds.
    pub fn read(&self) -> Reading {
        let words = self.words();
        let count = words.count.load(Ordering::Acquire);
        let identity = self.identity();
        let is_ours = words.magic.load(Ordering::Relaxed) == MAGIC;
        fence(Ordering::Acquire);
        let again = words.count.load(Ordering::Relaxed);
        if count % 2 == 1 || count != again || !is_ours {
            return Reading::Moving;
        }
        Reading::Settled { identity, count }
    }

    fn identity(&self) -> [u8; 16] {
        let [low, high] = self
            .words()
            .identity
            .each_ref()
            .map(|word| word.load(Ordering::Relaxed));
        (u128::from(low) | u128::from(high) << 64).to_le_bytes()
    }

    /// Whether `path` still names the file that is mapped, and the file still has its size.
    pub fn is_at(&self, path: &Path) -> bool {
        std::fs::symlink_metadata(path)
            .is_ok_and(|meta| (meta.dev(), meta.ino()) == self.file && meta.len() >= LEN as u64)
    }
}

impl Drop for CounterPage {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of this value, which nothing refers to any more.
        unsafe { libc::munmap(self.words.cast_mut().cast(), LEN) };
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    options
}

/// The metadata of a file that nobody but its owner can change.
fn trusted(file: &File) -> io::Result<Metadata> {
    let meta = file.metadata()?;
    if !meta.is_file() || meta.mode() & 0o022 != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(meta)
}

fn halves(identity: [u8; 16]) -> [u64; 2] {
    let whole = u128::from_le_bytes(identity);
    [whole as u64, (whole >> 64) as u64]
}

/// Gives the file its size by writing, so that its blocks exist: a hole on a full disk would kill the writer.
fn grow(file: &File, len: u64) -> io::Result<()> {
    let missing = LEN.saturating_sub(usize::try_from(len).unwrap_or(LEN));
    file.write_all_at(&vec![0; missing], len)
}

fn map(file: &File) -> io::Result<*const Words> {
    use std::os::fd::AsRawFd;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new shared mapping of a file that is at least LEN bytes long, at an address of the kernel's choice.
    let mapping = unsafe { libc::mmap(null_mut(), LEN, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if mapping == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(mapping.cast_const().cast())
}

/// A place for the page that readers look into without a lock.
///
/// A page that was replaced stays mapped until the place is dropped, since a reader may be in it; that happens only
/// when somebody deletes or replaces files under a running process.
#[derive(Default)]
pub struct PageSlot {
    current: AtomicPtr<Entry>,
}

struct Entry {
    page: Option<CounterPage>,
    _older: Option<Box<Entry>>,
}

impl PageSlot {
    /// An empty place.
    pub const fn new() -> Self {
        Self {
            current: AtomicPtr::new(null_mut()),
        }
    }

    /// The page, if there is one.
    pub fn page(&self) -> Option<&CounterPage> {
        // SAFETY: entries are freed only in `drop`, which needs the place to itself.
        let entry = unsafe { self.current.load(Ordering::SeqCst).as_ref() };
        entry.and_then(|entry| entry.page.as_ref())
    }

    /// Puts `page` here. One caller at a time.
    pub fn replace(&self, page: Option<CounterPage>) {
        if page.is_none() && self.page().is_none() {
            return;
        }
        let entry = Box::into_raw(Box::new(Entry { page, _older: None }));
        let older = self.current.swap(entry, Ordering::SeqCst);
        if !older.is_null() {
            // SAFETY: it came from `Box::into_raw` and is owned by the place; readers' references stay valid, since
            // the box is kept, not moved out of.
            let older = unsafe { Box::from_raw(older) };
            // SAFETY: the new entry is alive; `_older` is read by nobody.
            unsafe { (*entry)._older = Some(older) };
        }
    }
}

impl Drop for PageSlot {
    fn drop(&mut self) {
        let entry = *self.current.get_mut();
        if !entry.is_null() {
            // SAFETY: it came from `Box::into_raw`, and `&mut self` says that no reader is left.
            drop(unsafe { Box::from_raw(entry) });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
        owner: Owner,
    }

    fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let meta = std::fs::metadata(dir.path()).unwrap();
        let owner = Owner {
            user: meta.uid(),
            group: meta.gid(),
        };
        Place { dir, owner }
    }

    impl Place {
        fn open(&self, identity: u8) -> io::Result<CounterPage> {
            CounterPage::open(&self.dir.path().join("db-page"), [identity; 16], 40, self.owner)
        }
    }

    #[test]
    fn a_commit_is_seen_through_another_mapping() {
        let place = place();
        let (writer, reader) = (place.open(1).unwrap(), place.open(1).unwrap());
        let before = reader.read();
        assert_eq!(
            before,
            Reading::Settled {
                identity: [1; 16],
                count: 42
            }
        );
        writer.begin();
        assert_eq!(reader.read(), Reading::Moving);
        writer.finish([2; 16]);
        assert_eq!(
            reader.read(),
            Reading::Settled {
                identity: [2; 16],
                count: 44
            }
        );
    }

    #[test]
    fn a_dead_writers_count_stays_odd_until_the_next_writer() {
        let place = place();
        let reader = place.open(1).unwrap();
        let before = reader.read();
        place.open(1).unwrap().begin();
        assert_eq!(reader.read(), Reading::Moving);
        let next = place.open(1).unwrap();
        assert_eq!(reader.read(), Reading::Moving);
        next.begin();
        next.finish([1; 16]);
        assert!(matches!(reader.read(), Reading::Settled { .. }));
        assert_ne!(reader.read(), before);
    }

    #[test]
    fn a_damaged_or_foreign_page_is_put_right() {
        let place = place();
        std::fs::write(place.dir.path().join("db-page"), [0xff; 100]).unwrap();
        std::fs::set_permissions(place.dir.path().join("db-page"), mode(0o600)).unwrap();
        let page = place.open(1).unwrap();
        assert_eq!(
            page.read(),
            Reading::Settled {
                identity: [1; 16],
                count: 42
            }
        );
        assert!(matches!(
            place.open(2).unwrap().read(),
            Reading::Settled { count: 44, .. }
        ));
        assert!(matches!(page.read(), Reading::Settled { identity, .. } if identity == [2; 16]));
    }

    #[test]
    fn a_page_that_others_may_write_is_refused() {
        let place = place();
        let path = place.dir.path().join("db-page");
        std::fs::write(&path, []).unwrap();
        std::fs::set_permissions(&path, mode(0o622)).unwrap();
        assert_eq!(
            place.open(1).err().unwrap().kind(),
            io::ErrorKind::PermissionDenied
        );
    }

    #[test]
    fn a_deleted_page_is_noticed() {
        let place = place();
        let path = place.dir.path().join("db-page");
        let page = place.open(1).unwrap();
        assert!(page.is_at(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(!page.is_at(&path));
        place.open(1).unwrap();
        assert!(!page.is_at(&path));
    }

    #[test]
    fn a_replaced_page_stays_readable_for_who_is_in_it() {
        let place = place();
        let slot = PageSlot::new();
        assert!(slot.page().is_none());
        slot.replace(Some(place.open(1).unwrap()));
        let old = slot.page().unwrap();
        slot.replace(None);
        assert!(slot.page().is_none());
        assert!(matches!(old.read(), Reading::Settled { .. }));
    }

    fn mode(bits: u32) -> std::fs::Permissions {
        std::os::unix::fs::PermissionsExt::from_mode(bits)
    }
}
