//! Reading records without waiting for a disk, by regions of a file.
//!
//! What isn't in the kernel's memory is read by the other thread and handed over.
//! A few files are remembered, each with its table and the region that was read
//! last; [`CacheReader::forget`] gives that memory back.

use super::file::{HEADER_BYTES, Header, Slot, Stamp, TABLE_END};
use super::{DIRECTORY, EXTENSION, number_of};
use crate::id::MessageId;
use journal::disk::{Disk, File, Name};

/// Files that are remembered: mailboxes that several sessions list at once.
const OPEN_FILES_MAX: usize = 4;

/// Bytes that are read at once where records are read in order: some hundred
/// records, and copying them takes 30 µs.
const REGION_BYTES: usize = 128 << 10;

/// Bytes that are read where they are not: a page, which costs what a byte does.
const PAGE_BYTES: usize = 4 << 10;

/// What came of looking for a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// Its bytes, where they lie.
    Found(&'a [u8]),
    /// There is none that could be believed.
    Absent,
    /// Nobody knows before this has been read by [`super::LetterCache::read`] and
    /// taken in; then look again.
    Cold(Region),
}

/// A stretch of a cache file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub(super) number: u64,
    pub(super) start: u64,
    pub(super) len: usize,
}

/// A region that was read, as far as it was there.
#[derive(Debug)]
pub struct Warm {
    pub(super) region: Region,
    pub(super) bytes: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub struct CacheReader<D: Disk> {
    root: D,
    /// The one used last stands last.
    open: Vec<Open<D::File>>,
}

impl<D: Disk> CacheReader<D> {
    pub(super) fn new(root: D) -> Self {
        Self {
            root,
            open: Vec::new(),
        }
    }

    /// Looks for a message's record.
    pub fn get(&mut self, id: MessageId, stamp: Stamp) -> Lookup<'_> {
        match self.open(number_of(id)).map(|open| open.look(id, stamp)) {
            Some(Ok(Some(bytes))) => Lookup::Found(bytes),
            Some(Ok(None)) | None => Lookup::Absent,
            Some(Err(region)) => Lookup::Cold(region),
        }
    }

    /// Takes a region in that [`Lookup::Cold`] asked for.
    pub fn take_in(&mut self, warm: Warm) {
        let Warm { region, bytes } = warm;
        let Some(open) = self.open(region.number) else {
            return;
        };
        match region.start {
            0 => open.keep_head(bytes),
            start => (open.start, open.len, open.bytes) = (start, bytes.len(), bytes),
        }
        open.taken_in = Some(region.start);
    }

    /// A record of this message was put: what is remembered of its file is old.
    pub fn was_put(&mut self, id: MessageId) {
        let number = number_of(id);
        self.open.retain(|open| open.number != number);
    }

    /// Forgets everything: files were removed or made anew, or nobody reads for now.
    pub fn forget(&mut self) {
        self.open = Vec::new();
    }

    /// The file with this number, which is the one used last from now on. There always
    /// is one.
    fn open(&mut self, number: u64) -> Option<&mut Open<D::File>> {
        if self.open.last().is_none_or(|last| last.number != number) {
            self.make_last(number);
        }
        self.open.last_mut()
    }

    fn make_last(&mut self, number: u64) {
        let known = self.open.iter().position(|open| open.number == number);
        let open = match known {
            Some(place) => self.open.remove(place),
            None => Open::new(number, self.open_file(number)),
        };
        if self.open.len() >= OPEN_FILES_MAX {
            self.open.remove(0);
        }
        self.open.push(open);
    }

    fn open_file(&self, number: u64) -> Option<D::File> {
        let dir = self.root.open_dir(&Name::new(DIRECTORY)?).ok()?;
        dir.open(&Name::numbered(number, EXTENSION)).ok()
    }
}

/// A file that is remembered.
#[derive(Debug)]
struct Open<F> {
    number: u64,
    /// None if there was no file when it was looked for.
    file: Option<F>,
    /// Header and table; none if they haven't been read, empty if they aren't ours.
    head: Option<Vec<u8>>,
    /// The region read last.
    start: u64,
    len: usize,
    /// The region, and room for longer ones: it stays, for to make it and to wipe it costs
    /// more than to fill it.
    bytes: Vec<u8>,
    /// Where the region begins that the other thread has read: what it didn't bring
    /// isn't there.
    taken_in: Option<u64>,
}

impl<F: File> Open<F> {
    fn new(number: u64, file: Option<F>) -> Self {
        Self {
            number,
            file,
            head: None,
            start: 0,
            len: 0,
            bytes: Vec::new(),
            taken_in: None,
        }
    }

    /// A message's record, if there is one; or what must be read first.
    fn look(&mut self, id: MessageId, stamp: Stamp) -> Result<Option<&[u8]>, Region> {
        let Some(slot) = self.slot(id)? else {
            return Ok(None);
        };
        if self.held(slot).is_none() {
            self.read_on(slot)?;
        }
        let record = self.held(slot);
        Ok(record.and_then(|record| stamp.open(id, record)))
    }

    fn slot(&mut self, id: MessageId) -> Result<Option<Slot>, Region> {
        if self.file.is_none() {
            return Ok(None);
        }
        if self.head.is_none() {
            let mut head = Vec::new();
            let table = self.region(0, TABLE_END as usize);
            let read = self.read(table, table.len, &mut head)?;
            head.truncate(read);
            self.keep_head(head);
        }
        Ok(self.head.as_deref().and_then(|head| Slot::find(id, head)))
    }

    /// Keeps a file's first bytes, if they are those of the file that it should be. Its
    /// age is the writer's business.
    fn keep_head(&mut self, mut head: Vec<u8>) {
        let header = head.get(..HEADER_BYTES).and_then(Header::decode);
        if header.is_none_or(|header| header.number != self.number) {
            head.clear();
        }
        self.head = Some(head);
    }

    /// A record's bytes in the region read last, if they are all there.
    fn held(&self, slot: Slot) -> Option<&[u8]> {
        let from = usize::try_from(slot.offset.checked_sub(self.start)?).ok()?;
        let region = self.bytes.get(..self.len)?;
        region.get(from..from.checked_add(slot.len)?)
    }

    /// Reads the region that begins with a record: far ahead if it stands where one
    /// that is read in order would.
    fn read_on(&mut self, slot: Slot) -> Result<(), Region> {
        let end = self.start.saturating_add(self.len as u64);
        let soon = end.saturating_add(REGION_BYTES as u64);
        let in_order = self.len > 0 && (self.start..soon).contains(&slot.offset);
        let ahead = if in_order { REGION_BYTES } else { PAGE_BYTES };
        let region = self.region(slot.offset, ahead.max(slot.len));
        let mut bytes = std::mem::take(&mut self.bytes);
        let read = self.read(region, slot.len, &mut bytes);
        (self.start, self.bytes) = (region.start, bytes);
        self.len = *read.as_ref().unwrap_or(&0);
        read.map(|_| ())
    }

    fn region(&self, start: u64, len: usize) -> Region {
        let number = self.number;
        Region { number, start, len }
    }

    /// Reads a region without waiting, and says how much of it was there: so many bytes at
    /// least. `into` is as long as the region then, or longer.
    fn read(&self, region: Region, least: usize, into: &mut Vec<u8>) -> Result<usize, Region> {
        into.resize(region.len.max(into.len()), 0);
        let file = self.file.as_ref().ok_or(region)?;
        let room = into.get_mut(..region.len).unwrap_or_default();
        match file.read_nowait(region.start, room) {
            Ok(Some(read)) if read >= least => Ok(read),
            // The other thread has been there: there is no more than it brought.
            _ if self.taken_in == Some(region.start) => Ok(0),
            _ => Err(region),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LetterCache, SLOTS};
    use super::*;
    use journal::sim::SimDisk;

    const STAMP: Stamp = Stamp {
        kind: 1,
        version: 1,
    };

    /// Looks until it is known, and says how often the other thread was asked.
    fn get(
        cache: &mut LetterCache<SimDisk>,
        reader: &mut CacheReader<SimDisk>,
        id: u64,
    ) -> (Option<Vec<u8>>, usize) {
        for asked in 0..=2 {
            match reader.get(MessageId(id), STAMP) {
                Lookup::Found(bytes) => return (Some(bytes.to_vec()), asked),
                Lookup::Absent => return (None, asked),
                Lookup::Cold(region) => reader.take_in(cache.read(region)),
            }
        }
        panic!("a third time: the table and the record are two");
    }

    #[test]
    fn records_in_order_are_read_by_regions() {
        let mut cache = LetterCache::new(SimDisk::new(1));
        let ids = SLOTS - 500..SLOTS + 500;
        for id in ids.clone() {
            assert!(cache.put(MessageId(id), STAMP, &[id as u8; 700], 0));
        }
        let mut reader = cache.reader();
        let mut asked = 0;
        for id in ids {
            let (found, times) = get(&mut cache, &mut reader, id);
            assert_eq!(found, Some(vec![id as u8; 700]));
            asked += times;
        }
        assert!(asked <= 2 * (2 + 500 * 720 / REGION_BYTES + 1), "{asked}");
        assert!(reader.open.len() == 2);
        reader.forget();
        assert!(reader.open.is_empty());
    }

    #[test]
    fn few_files_are_remembered() {
        let mut cache = LetterCache::new(SimDisk::new(1));
        let mut reader = cache.reader();
        for number in 0..20 {
            cache.put(MessageId(number * SLOTS), STAMP, b"x", 0);
            assert!(get(&mut cache, &mut reader, number * SLOTS).0.is_some());
            assert!(reader.open.len() <= OPEN_FILES_MAX);
        }
    }

    #[test]
    fn what_was_put_is_found_by_whoever_looked_in_vain() {
        let mut cache = LetterCache::new(SimDisk::new(1));
        let mut reader = cache.reader();
        for id in [1, 2] {
            assert_eq!(get(&mut cache, &mut reader, id).0, None);
            cache.put(MessageId(id), STAMP, b"x", 0);
            reader.was_put(MessageId(id));
            assert_eq!(get(&mut cache, &mut reader, id).0, Some(b"x".to_vec()));
        }
    }
}
