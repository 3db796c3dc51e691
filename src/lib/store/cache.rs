//! What was learned about letters, kept so that they aren't read again: one
//! record of opaque bytes for each message, by its id.
//!
//! Everything here is disposable, and nothing here is believed: a record that is
//! torn, rotten, of another version or not what its place says is a miss, never an
//! error. Nothing is ever synced. The directory can be deleted at any moment, also
//! under our hands, which costs time and nothing else. What others keep in the
//! same directory is left alone.
//!
//! [`LetterCache`] belongs to the thread that may wait for a disk, and writes;
//! [`CacheReader`] to the one that may not, and only reads. A file covers
//! [`SLOTS`] message ids in a row, and its records stand in the order in which
//! they were put there: mostly that of the ids. So a list of a whole mailbox is
//! read by regions, not by records.
//!
//! A record may outlive its message. But no file lives longer than
//! [`CACHE_DAYS_MAX`] after it was begun, so that no expunged letter's words do.

mod file;
mod reader;
mod tidy;

pub use file::{RECORD_BYTES_MAX, Stamp};
pub use reader::{CacheReader, Lookup, Region, Warm};
pub use tidy::{Swept, Tidy};

use crate::files::Files;
use crate::id::MessageId;
use file::{CacheFile, FILE_BYTES_MAX, HEADER_BYTES, Header, Slot, TABLE_END};
use journal::disk::{Disk, DiskError, File, Name};

/// Message ids that one file covers.
pub const SLOTS: u64 = 4_096;

/// Days after which a file goes, however useful: the words of an expunged letter
/// stay no longer here than in a pack.
pub const CACHE_DAYS_MAX: u32 = 30;

/// Seconds for which nothing is written after the disk has failed or was full: mail
/// needs its room more, and trying costs a call each time.
pub const PAUSE_SECS: i64 = 60;

/// The directory; `suspects` and the map of threads live there too.
pub(crate) const DIRECTORY: &str = "cache";

pub(crate) const EXTENSION: &str = "cache";

/// Which file has a message's record.
fn number_of(id: MessageId) -> u64 {
    id.0.wrapping_div(SLOTS)
}

/// Opens the directory. It needs no sync, for nothing in it does.
pub(crate) fn directory<D: Disk>(root: &D) -> Result<D, DiskError> {
    let name = Name::new(DIRECTORY).ok_or(DiskError::NotOurs)?;
    match root.open_dir(&name) {
        Err(DiskError::NotFound) => {
            root.make_dir(&name)?;
            root.open_dir(&name)
        }
        opened => opened,
    }
}

/// Writes records, and reads where a read has to wait. See the module.
#[derive(Debug)]
pub struct LetterCache<D: Disk> {
    root: D,
    open: Option<CacheFile<D::File>>,
    /// Until when nothing is written.
    paused_until: i64,
}

impl<D: Disk> LetterCache<D> {
    /// The cache of the account in `root`. Nothing is read or made yet.
    pub fn new(root: D) -> Self {
        Self {
            root,
            open: None,
            paused_until: i64::MIN,
        }
    }

    /// A reader of the same records for another thread.
    pub fn reader(&self) -> CacheReader<D> {
        CacheReader::new(self.root.clone())
    }

    /// Keeps a record, instead of one that there was; whether it did. It doesn't
    /// if the record or its file would be too long, if the disk fails, and for a
    /// while after. A record that is kept may be lost all the same.
    pub fn put(&mut self, id: MessageId, stamp: Stamp, bytes: &[u8], now_secs: i64) -> bool {
        if bytes.len() > RECORD_BYTES_MAX || now_secs < self.paused_until {
            return false;
        }
        match self.try_put(id, stamp, bytes, now_secs) {
            Ok(kept) => kept,
            Err(_) => {
                self.open = None;
                self.paused_until = now_secs.saturating_add(PAUSE_SECS);
                false
            }
        }
    }

    fn try_put(
        &mut self,
        id: MessageId,
        stamp: Stamp,
        bytes: &[u8],
        now_secs: i64,
    ) -> Result<bool, DiskError> {
        let record = stamp.seal(id, bytes);
        let file = self.file(number_of(id), now_secs)?;
        let at = file.end()?.max(TABLE_END);
        let end = at.saturating_add(record.len() as u64);
        if end > FILE_BYTES_MAX {
            return Ok(false);
        }
        // The record first, so that a slot never leads to what isn't written yet.
        file.file.write_at(at, &record)?;
        let slot = Slot::new(at, record.len());
        file.file.write_at(Slot::place_of(id), &slot.encode())?;
        Ok(true)
    }

    /// Reads a region that a reader wants. What can't be read is empty.
    pub fn read(&mut self, region: Region) -> Warm {
        let bytes = self.try_read(region).unwrap_or_default();
        Warm { region, bytes }
    }

    fn try_read(&mut self, region: Region) -> Result<Vec<u8>, DiskError> {
        let mut bytes = vec![0; region.len];
        let file = match &self.open {
            Some(open) if open.number == region.number => &open.file,
            _ => &self.find(region.number)?,
        };
        let read = file.read_at(region.start, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn find(&self, number: u64) -> Result<D::File, DiskError> {
        directory(&self.root)?.open(&Name::numbered(number, EXTENSION))
    }

    /// The file with this number, made if it isn't there, and made anew if it isn't
    /// one of ours or has had its time.
    fn file(&mut self, number: u64, now_secs: i64) -> Result<&CacheFile<D::File>, DiskError> {
        let known = self.open.take().filter(|open| open.number == number);
        let file = match known {
            Some(open) => open,
            None => self.open_or_make(number, now_secs)?,
        };
        Ok(self.open.insert(file))
    }

    fn open_or_make(&self, number: u64, now_secs: i64) -> Result<CacheFile<D::File>, DiskError> {
        let dir = directory(&self.root)?;
        let name = Name::numbered(number, EXTENSION);
        match dir.open(&name) {
            Ok(file) => {
                let mut header = [0; HEADER_BYTES];
                file.read_at(0, &mut header)?;
                if Header::decode(&header).is_some_and(|it| it.is_good(number, now_secs)) {
                    return Ok(CacheFile { number, file });
                }
            }
            Err(DiskError::NotFound | DiskError::NotOurs) => {}
            Err(error) => return Err(error),
        }
        make(&dir, &name, number, now_secs)
    }
}

impl<D: Disk> Files<D> {
    /// What was learned about letters.
    pub fn letter_cache(&self) -> LetterCache<D> {
        LetterCache::new(self.root.clone())
    }
}

/// Makes an empty file in place of whatever has its name. Readers that have the
/// old one open go on reading what was true.
fn make<D: Disk>(
    dir: &D,
    name: &Name,
    number: u64,
    now_secs: i64,
) -> Result<CacheFile<D::File>, DiskError> {
    match dir.remove(name) {
        Ok(()) | Err(DiskError::NotFound) => {}
        Err(error) => return Err(error),
    }
    let file = dir.create(name)?;
    let born_secs = now_secs;
    file.write_at(0, &Header { number, born_secs }.encode())?;
    Ok(CacheFile { number, file })
}

#[cfg(test)]
mod tests;
