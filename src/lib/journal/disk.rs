//! What the journal and the store ask of a disk, and nothing more.
//!
//! A `Disk` is one directory. Names are single components, so nothing here can
//! name a file outside of it. The trait is the seam at which the tests cut the
//! power: [`crate::sim::SimDisk`] is the other implementation.
//!
//! Rules that every implementation keeps: `write_at` writes all or fails;
//! nothing is durable before `sync_data` of the file, and no name before `sync`
//! of its directory.

mod os;

pub use os::{OsDisk, OsFile};

use std::fmt;

/// Names in one directory that we are willing to list: two million segments and
/// packs, far above what an account has; a planted directory can't exhaust us.
pub const LISTED_NAMES_MAX: usize = 1 << 21;

/// Bytes of one file name.
pub const NAME_BYTES_MAX: usize = 64;

/// Why a disk operation failed. The world failed in each, never a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The file system or the quota is full (ENOSPC, EDQUOT).
    NoSpace,
    /// No file of this name.
    NotFound,
    /// The name is taken already.
    AlreadyExists,
    /// Not a regular file with exactly one link (or not a directory, where one
    /// was asked for): something that we didn't make.
    NotOurs,
    /// More than [`LISTED_NAMES_MAX`] names in a directory.
    TooManyNames,
    /// Any other failure, with its errno.
    Io(i32),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace => f.write_str("no space is left on the disk"),
            Self::NotFound => f.write_str("the file is not there"),
            Self::AlreadyExists => f.write_str("the file is there already"),
            Self::NotOurs => f.write_str("the file is of a kind that we never make"),
            Self::TooManyNames => f.write_str("the directory holds too many names"),
            Self::Io(errno) => write!(f, "the disk failed with errno {errno}"),
        }
    }
}

impl std::error::Error for DiskError {}

/// One component of a path: lower-case letters, digits, `.`, `-` and `_`, and
/// not beginning with a dot. It can't be `.`, `..`, or hold a `/` or a NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Checks `name`; `None` if it is none of ours.
    pub fn new(name: &str) -> Option<Self> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with('.');
        (fits && name.bytes().all(plain)).then(|| Self(name.to_owned()))
    }

    /// `<16 hex digits>.<extension>`: how files with a number are called.
    pub fn numbered(number: u64, extension: &'static str) -> Self {
        Self(format!("{number:016x}.{extension}"))
    }

    /// A name fixed in our source.
    pub(crate) fn fixed(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The number of a name that [`Self::numbered`] made with this extension.
    pub fn number(&self, extension: &str) -> Option<u64> {
        let digits = self.0.strip_suffix(extension)?.strip_suffix('.')?;
        let number = u64::from_str_radix(digits, 16).ok()?;
        (digits == format!("{number:016x}")).then_some(number)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One directory and what may be done in it.
pub trait Disk: Clone + Send + Sync + fmt::Debug {
    /// An open file of this disk.
    type File: File;

    /// Opens a directory in this one.
    ///
    /// # Errors
    /// `NotFound`, `NotOurs`, or what the kernel said.
    fn open_dir(&self, name: &Name) -> Result<Self, DiskError>;

    /// Makes a directory in this one. It is durable after [`Self::sync`].
    ///
    /// # Errors
    /// `AlreadyExists`, `NoSpace`, or what the kernel said.
    fn make_dir(&self, name: &Name) -> Result<(), DiskError>;

    /// Makes a file that must not exist yet, for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoSpace`, or what the kernel said.
    fn create(&self, name: &Name) -> Result<Self::File, DiskError>;

    /// Opens a regular file with one link, for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, `NotOurs`, or what the kernel said.
    fn open(&self, name: &Name) -> Result<Self::File, DiskError>;

    /// Gives a file another name and takes the place of what had it.
    ///
    /// # Errors
    /// `NotFound`, or what the kernel said.
    fn rename(&self, from: &Name, to: &Name) -> Result<(), DiskError>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, or what the kernel said.
    fn remove(&self, name: &Name) -> Result<(), DiskError>;

    /// Every name in this directory that is a [`Name`]; others are not ours and
    /// are left alone. In no particular order.
    ///
    /// # Errors
    /// `TooManyNames`, or what the kernel said.
    fn list(&self) -> Result<Vec<Name>, DiskError>;

    /// Makes the names in this directory durable (`fsync`).
    ///
    /// # Errors
    /// What the kernel said.
    fn sync(&self) -> Result<(), DiskError>;

    /// Opens a directory in this one; if it isn't there, makes it durably first.
    ///
    /// # Errors
    /// As [`Self::open_dir`] and [`Self::make_dir`]; `Io` if the sync failed, for
    /// whatever reason.
    fn ensure_dir(&self, name: &Name) -> Result<Self, DiskError> {
        match self.open_dir(name) {
            Err(DiskError::NotFound) => {
                self.make_dir(name)?;
                // Not `NoSpace`: who may go on after that would find the directory
                // there next time, and never know that its name is on no disk.
                self.sync().map_err(no_space_is_failure)?;
                self.open_dir(name)
            }
            opened => opened,
        }
    }
}

/// A sync that failed for want of space has failed like any other: what it
/// should have covered can't be known.
pub(crate) fn no_space_is_failure(error: DiskError) -> DiskError {
    match error {
        DiskError::NoSpace => DiskError::Io(rustix::io::Errno::NOSPC.raw_os_error()),
        other => other,
    }
}

/// One open file.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads from `offset` until `buf` is full or the file ends; the number of
    /// bytes read.
    ///
    /// # Errors
    /// What the kernel said.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError>;

    /// As one `read_at`, but only of what needs no waiting: `None` is a miss.
    /// May return fewer bytes than there are.
    ///
    /// # Errors
    /// What the kernel said.
    fn read_nowait(&self, offset: u64, buf: &mut [u8]) -> Result<Option<usize>, DiskError>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// `NoSpace` (a part may have been written), or what the kernel said.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Makes the data and the length durable (`fdatasync`).
    ///
    /// # Errors
    /// What the kernel said. After a failure the data may be gone although it
    /// still reads well: a second try that succeeds proves nothing.
    fn sync_data(&self) -> Result<(), DiskError>;

    /// The length in bytes.
    ///
    /// # Errors
    /// What the kernel said.
    fn len(&self) -> Result<u64, DiskError>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// What the kernel said.
    fn is_empty(&self) -> Result<bool, DiskError> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// What the kernel said.
    fn truncate(&self, len: u64) -> Result<(), DiskError>;
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_is_one_plain_component() {
        for bad in ["", ".", "..", "a/b", "/", "a\0", ".hidden", "A", "ä", "a b"] {
            assert_eq!(Name::new(bad), None, "{bad:?}");
        }
        assert!(Name::new(&"a".repeat(65)).is_none());
        assert!(Name::new("0000000000000000.seg").is_some());
    }

    #[test]
    fn only_the_one_spelling_of_a_number_is_a_number() {
        assert_eq!(Name::numbered(255, "seg").number("seg"), Some(255));
        for other in [
            "ff.seg",
            "+0000000000000ff.seg",
            "00000000000000ff.pack",
            "00000000000000ff",
        ] {
            assert_eq!(Name::fixed(other).number("seg"), None, "{other}");
        }
    }
}
