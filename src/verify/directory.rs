//! What is asked of an account's directory: names and bytes, and no way to
//! change either.
//!
//! A file is reached by folder and number, never by a name that was read from
//! somewhere. The trait is the seam where tests give bytes that no disk would.

mod os;

pub use os::OsDirectory;

use ipc::edge::verify::{Finding, Place, What};

/// Names in one folder that are listed. Eight bytes each: a planted directory
/// can't exhaust us, and no account has as many chunks or packs.
pub const LISTED_MAX: usize = 1 << 20;

/// The folders that an account's state is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// `journal/<LSN>.seg`
    Journal,
    /// `manifest/<N>.mf`
    Manifest,
    /// `chunk/<id>.ix`
    Chunk,
    /// `pack/<number>.pack`
    Pack,
}

impl Folder {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Journal, Self::Manifest, Self::Chunk, Self::Pack];

    /// Its name, and what names of its files end in.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Journal => ("journal", "seg"),
            Self::Manifest => ("manifest", "mf"),
            Self::Chunk => ("chunk", "ix"),
            Self::Pack => ("pack", "pack"),
        }
    }

    /// One of its files, in a finding.
    pub fn place(self, number: u64) -> Place {
        match self {
            Self::Journal => Place::Segment { first: number },
            Self::Manifest => Place::Manifest { number },
            Self::Chunk => Place::Chunk { id: number },
            Self::Pack => Place::Pack { number },
        }
    }
}

/// Read-only access to one account.
pub trait Directory {
    /// An open file.
    type File: File;

    /// Shows each name in a folder; a folder that isn't there has none.
    ///
    /// # Errors
    /// [`What::NotOurs`], [`What::Unreadable`] or [`What::TooMuch`].
    fn list(&self, folder: Folder, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), What>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`What::Missing`], [`What::NotOurs`] or [`What::Unreadable`].
    fn open(&self, folder: Folder, number: u64) -> Result<Self::File, What>;
}

/// Read-only access to one file.
pub trait File {
    /// Its length in bytes when it was opened.
    fn len(&self) -> u64;

    /// Reads until `into` is full or the file ends; how much there was.
    ///
    /// # Errors
    /// [`What::Unreadable`].
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, What>;

    /// Fills all of `into`.
    ///
    /// # Errors
    /// [`What::Short`] or [`What::Unreadable`].
    fn fill_at(&self, offset: u64, into: &mut [u8]) -> Result<(), What> {
        match self.read_at(offset, into)? {
            read if read == into.len() => Ok(()),
            _ => Err(What::Short),
        }
    }
}

/// The numbers of a folder's files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Ascending.
    pub numbers: Vec<u64>,
    /// Of `.new` files.
    pub unfinished: Vec<u64>,
}

impl Listing {
    /// Lists a folder.
    ///
    /// # Errors
    /// As [`Directory::list`].
    pub fn read(directory: &impl Directory, folder: Folder) -> Result<Self, Finding> {
        let mut listing = Self::default();
        let (_, extension) = folder.words();
        let mut seen = 0_usize;
        let listed = directory.list(folder, &mut |name| {
            seen = seen.saturating_add(1);
            listing.numbers.extend(number(name, extension));
            listing.unfinished.extend(number(name, "new"));
            seen < LISTED_MAX
        });
        let complete = listed.and(match seen < LISTED_MAX {
            true => Ok(()),
            false => Err(What::TooMuch),
        });
        listing.numbers.sort_unstable();
        complete
            .map(|()| listing)
            .map_err(|what| Finding::new(what, Place::Account, 0))
    }
}

/// `<16 lower-case hex digits>.<extension>`
fn number(name: &[u8], extension: &str) -> Option<u64> {
    let name = std::str::from_utf8(name).ok()?;
    let digits = name.strip_suffix(extension)?.strip_suffix('.')?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (format!("{number:016x}") == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_another_form_is_not_ours() {
        assert_eq!(number(b"00000000000000ff.pack", "pack"), Some(255));
        for other in [
            "ff.pack",
            "00000000000000FF.pack",
            "+0000000000000ff.pack",
            "00000000000000ff.new",
            "00000000000000ff",
            "",
        ] {
            assert_eq!(number(other.as_bytes(), "pack"), None, "{other}");
        }
    }
}
