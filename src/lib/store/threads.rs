//! Which conversation a letter belongs to: a map from the ids that letters name to
//! the thread that they were put in (THREADID of RFC 8474).
//!
//! The thread of a message is stored with it, for good; this map only finds one for
//! the next. It is disposable like all of `cache/`: never synced, and what is torn,
//! rotten or gone is a miss, after which a reply begins a thread of its own. Two
//! threads are never merged, whatever comes to light later.
//!
//! Ids are claims of strangers, and only their hashes are kept: 128 bits, under a key
//! that only this account's map has. So nobody can look for two ids that collide, and
//! a stranger glues a letter to a conversation only by naming one of its ids, which
//! is what naming it is for.
//!
//! The map is one file of pages that grows by linear hashing: one page is split
//! whenever one gets full, so no step is ever longer than a few pages, and nothing is
//! kept in memory but an open file.

mod page;

use crate::cache;
use crate::files::Files;
use crate::id::{MessageId, ThreadId};
use crate::store::Store;
use journal::disk::{Disk, DiskError, File, Name};
use page::{ENTRIES_MAX, Header, IdHash, PAGE_BYTES, Page};

/// Bytes of the key that a map is made with.
pub const THREADS_KEY_BYTES: usize = 16;

/// Pages of a map: five million ids in 256 MiB. In a full one old ids make room for
/// new ones.
const PAGES_MAX: u64 = 1 << 16;

/// Entries at which a page is called full. Splitting goes in turn and may come to
/// this page late; until then it has room for half as many again, which is enough
/// but once in a million pages.
const FULL: usize = ENTRIES_MAX * 4 / 5;

/// Pages that one new id may split: one is enough to keep up.
const SPLITS_MAX: u64 = 2;

pub(crate) const FILE: &str = "threads";

/// How much of the account's mail a map knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every letter's ids, but what a failure has lost.
    Whole,
    /// It was begun anew, and somebody should show it all letters.
    Partial,
}

/// See the module. One that notes belongs to the thread that may wait for a disk, and
/// is the only one that does; another may look beside it.
#[derive(Debug)]
pub struct Threads<D: Disk> {
    root: D,
    open: Option<Map<D::File>>,
    pages_max: u64,
}

/// An open map.
#[derive(Debug)]
struct Map<F> {
    file: F,
    header: Header,
    pages_max: u64,
}

impl<D: Disk> Threads<D> {
    /// The map of the account in `root`. Nothing is read or made yet.
    pub fn new(root: D) -> Self {
        Self {
            root,
            open: None,
            pages_max: PAGES_MAX,
        }
    }

    /// The thread of the first of these ids that the map knows.
    pub fn find<'i>(&mut self, ids: impl IntoIterator<Item = &'i [u8]>) -> Option<ThreadId> {
        let map = self.map().ok()??;
        ids.into_iter().find_map(|id| map.find(map.header.hash(id)))
    }

    /// As [`Self::find`], for the thread that may not wait: reads only what the
    /// kernel has in memory, once the map is open. None if that doesn't tell, or if a
    /// page is just being written: then somebody who may wait must look.
    pub fn find_nowait<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i [u8]>,
    ) -> Option<Option<ThreadId>> {
        let Some(map) = self.map().ok()? else {
            return Some(None);
        };
        for id in ids {
            if let Some(thread) = map.find_nowait(map.header.hash(id))? {
                return Some(Some(thread));
            }
        }
        Some(None)
    }

    /// Notes that a letter with these ids is in this thread. An id that the map knows
    /// stays where it is. `key`: random bytes, in case that the map must be made.
    ///
    /// Whether it was noted: if the disk fails or is full, replies to the letter may
    /// begin a thread of their own, and nothing else happens.
    pub fn note<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i [u8]>,
        thread: ThreadId,
        key: [u8; THREADS_KEY_BYTES],
    ) -> bool {
        let noted = self.try_note(ids, thread, key);
        if noted.is_err() {
            self.open = None;
        }
        noted.is_ok()
    }

    fn try_note<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i [u8]>,
        thread: ThreadId,
        key: [u8; THREADS_KEY_BYTES],
    ) -> Result<(), DiskError> {
        if self.map()?.is_none() {
            self.open = Some(self.make(key)?);
        }
        let Some(map) = &self.open else {
            return Ok(());
        };
        ids.into_iter()
            .try_for_each(|id| map.note(map.header.hash(id), thread))
    }

    /// Whether the map knows all letters; of none that is there, `Partial`.
    pub fn coverage(&mut self) -> Coverage {
        match self.map() {
            Ok(Some(map)) if map.header.whole => Coverage::Whole,
            _ => Coverage::Partial,
        }
    }

    /// Says that every letter has been shown to the map. Whether that was noted.
    pub fn set_whole(&mut self, key: [u8; THREADS_KEY_BYTES]) -> bool {
        // Without a letter there is no map yet.
        if !self.note([], ThreadId(0), key) {
            return false;
        }
        let Some(map) = &mut self.open else {
            return false;
        };
        map.header.whole = true;
        map.file.write_at(0, &map.header.encode()).is_ok()
    }

    /// Forgets the open file: somebody may have removed it.
    pub fn forget(&mut self) {
        self.open = None;
    }

    fn map(&mut self) -> Result<Option<&Map<D::File>>, DiskError> {
        if self.open.is_none() {
            self.open = self.find_map()?;
        }
        Ok(self.open.as_ref())
    }

    /// The map that is there; none if there is none, or it isn't ours.
    fn find_map(&self) -> Result<Option<Map<D::File>>, DiskError> {
        let directory = Name::new(cache::DIRECTORY).ok_or(DiskError::NotOurs)?;
        let opened = self
            .root
            .open_dir(&directory)
            .and_then(|dir| dir.open(&name()?));
        let file = match opened {
            Err(DiskError::NotFound | DiskError::NotOurs) => return Ok(None),
            opened => opened?,
        };
        let mut bytes = [0; Header::BYTES];
        file.read_at(0, &mut bytes)?;
        Ok(Header::decode(&bytes).map(|header| self.open(file, header)))
    }

    fn make(&self, key: [u8; THREADS_KEY_BYTES]) -> Result<Map<D::File>, DiskError> {
        let dir = cache::directory(&self.root)?;
        let name = name()?;
        match dir.remove(&name) {
            Ok(()) | Err(DiskError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let file = dir.create(&name)?;
        let header = Header { key, whole: false };
        file.write_at(0, &header.encode())?;
        let map = self.open(file, header);
        map.write(0, &Page::default())?;
        Ok(map)
    }

    fn open(&self, file: D::File, header: Header) -> Map<D::File> {
        Map {
            file,
            header,
            pages_max: self.pages_max,
        }
    }
}

impl<D: Disk> Files<D> {
    /// The map that finds threads.
    pub fn threads(&self) -> Threads<D> {
        Threads::new(self.root.clone())
    }
}

fn name() -> Result<Name, DiskError> {
    Name::new(FILE).ok_or(DiskError::NotOurs)
}

impl<F: File> Map<F> {
    fn find(&self, id: IdHash) -> Option<ThreadId> {
        let pages = self.pages().ok()?;
        self.read(page_of(id, pages)).ok()?.find(id)
    }

    fn find_nowait(&self, id: IdHash) -> Option<Option<ThreadId>> {
        let pages = self.pages().ok()?;
        let number = page_of(id, pages);
        let mut bytes = [0; PAGE_BYTES];
        let read = self.file.read_nowait(place_of(number), &mut bytes).ok()??;
        let found = Page::decode(number, bytes.get(..read)?)?.find(id);
        // What isn't here may have moved to a page that was added meanwhile.
        (found.is_some() || self.pages() == Ok(pages)).then_some(found)
    }

    /// How many pages there are: all that follow the first, which has the header.
    fn pages(&self) -> Result<u64, DiskError> {
        let pages = self.file.len()?.checked_div(PAGE_BYTES as u64).unwrap_or(0);
        Ok(pages.saturating_sub(1).clamp(1, self.pages_max))
    }

    fn note(&self, id: IdHash, thread: ThreadId) -> Result<(), DiskError> {
        let pages = self.pages()?;
        let mut page = self.read(page_of(id, pages))?;
        if page.find(id).is_some() {
            return Ok(());
        }
        if page.len() < FULL || pages == self.pages_max {
            page.add(id, thread);
            return self.write(page_of(id, pages), &page);
        }
        for more in 0..SPLITS_MAX {
            self.split(pages.saturating_add(more))?;
        }
        let number = page_of(id, self.pages()?);
        let mut page = self.read(number)?;
        page.add(id, thread);
        self.write(number, &page)
    }

    /// Moves what belongs to a new page out of the one that it grows from. The new
    /// one is written first: who dies in between leaves some entries twice, and the
    /// old ones are never looked for again.
    fn split(&self, pages: u64) -> Result<(), DiskError> {
        if pages >= self.pages_max {
            return Ok(());
        }
        let from = pages.saturating_sub(largest_power(pages));
        let next = pages.saturating_add(1);
        let (stays, moves) = self.read(from)?.split(|id| page_of(id, next) == from);
        self.write(pages, &moves)?;
        self.write(from, &stays)
    }

    /// A page; an empty one if it is damaged.
    fn read(&self, number: u64) -> Result<Page, DiskError> {
        let mut bytes = [0; PAGE_BYTES];
        self.file.read_at(place_of(number), &mut bytes)?;
        Ok(Page::decode(number, &bytes).unwrap_or_default())
    }

    fn write(&self, number: u64, page: &Page) -> Result<(), DiskError> {
        self.file.write_at(place_of(number), &page.encode(number))
    }
}

fn place_of(number: u64) -> u64 {
    number.saturating_add(1).saturating_mul(PAGE_BYTES as u64)
}

/// Which of so many pages has an id: by as many bits of its hash as give a page that
/// is there.
fn page_of(id: IdHash, pages: u64) -> u64 {
    let level = largest_power(pages);
    let wide = id.low() & level.saturating_mul(2).saturating_sub(1);
    match wide < pages {
        true => wide,
        false => wide & level.saturating_sub(1),
    }
}

/// The largest power of two that is no more than this; of 0, 1.
fn largest_power(number: u64) -> u64 {
    1_u64.wrapping_shl(number.max(1).ilog2())
}

impl Store {
    /// The id that the first letter of the next append gets, if nothing is prepared in
    /// between; the others get those that follow. So letters of one append can be put
    /// in one thread.
    pub fn next_message(&self) -> MessageId {
        MessageId(self.ahead().next_message)
    }
}

#[cfg(test)]
mod tests;
