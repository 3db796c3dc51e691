//! What was found in letters, by message.
//!
//! A gist comes from here only if it fits the letter that the store has: as long as
//! it. It goes here when a letter has been looked into: at its arrival, where its
//! bytes are in memory anyway, or when somebody first asked.

use super::record::{self, Record, STAMP};
use super::{Ask, Cache, ask};
use crate::account::Account;
use crate::disk::DiskThread;
use crate::pace::Pace;
use crate::shapes::Depth;
use journal::disk::Disk;
use message::gist::{Collector, Gist, Glance};
use message::limits::PIECE_BYTES;
use message::preview;
use std::rc::Rc;
use store::{CacheReader, Lookup, MessageId, Warm};

/// Gists on their way to the disk at once. What comes while it is busier than that is
/// found again when it is next asked for.
const PUTTING_MAX: usize = 64;

/// Reads for one record: its file's table, and the record.
const READS_MAX: usize = 2;

/// Records as far as they are in memory. The disk's type ends here.
pub trait Records {
    /// As [`CacheReader::get`].
    fn get(&mut self, id: MessageId) -> Lookup<'_>;
    /// As [`CacheReader::take_in`].
    fn take_in(&mut self, warm: Warm);
    /// As [`CacheReader::was_put`].
    fn was_put(&mut self, id: MessageId);
    /// As [`CacheReader::forget`].
    fn forget(&mut self);
}

impl<D: Disk> Records for CacheReader<D> {
    fn get(&mut self, id: MessageId) -> Lookup<'_> {
        CacheReader::get(self, id, STAMP)
    }

    fn take_in(&mut self, warm: Warm) {
        CacheReader::take_in(self, warm);
    }

    fn was_put(&mut self, id: MessageId) {
        CacheReader::was_put(self, id);
    }

    fn forget(&mut self) {
        CacheReader::forget(self);
    }
}

impl Cache {
    /// What is known of a letter of `octets` bytes, if it is known as deep as needed.
    pub async fn recall(
        &self,
        disk: &DiskThread,
        id: MessageId,
        octets: u64,
        depth: Depth,
    ) -> Option<Gist> {
        let gist = self.read(disk, id, Gist::decode).await??;
        let read = gist.structure.octets();
        let fits = match gist.whole {
            true => read == octets,
            false => read <= octets && depth <= Depth::Header,
        };
        fits.then_some(gist)
    }

    /// Shows what is known of a letter, where it lies, if it is in memory and is known as
    /// deep as needed.
    pub fn look<T>(
        &self,
        id: MessageId,
        octets: u64,
        depth: Depth,
        show: impl FnOnce(Record<'_>, Glance<'_>) -> T,
    ) -> Option<T> {
        let mut records = self.records.borrow_mut();
        let Lookup::Found(bytes) = records.get(id) else {
            return None;
        };
        let record = Record::of(bytes)?;
        let glance = Glance::at(record.gist)?;
        let fits = glance.fits(octets) && (glance.whole || depth <= Depth::Header);
        fits.then(|| show(record, glance))
    }

    /// Has somebody look at a letter's encoded gist, if there is one.
    pub async fn read<T>(
        &self,
        disk: &DiskThread,
        id: MessageId,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Option<T> {
        for _ in 0..=READS_MAX {
            let region = match self.records.borrow_mut().get(id) {
                Lookup::Found(bytes) => return Some(look(Record::of(bytes)?.gist)),
                Lookup::Absent => return None,
                Lookup::Cold(region) => region,
            };
            let warm = ask(disk, |done| Ask::Read { region, done }).await?;
            self.records.borrow_mut().take_in(warm);
        }
        None
    }

    /// Keeps [records](record::encode).
    pub async fn put_all(&self, disk: &DiskThread, gists: Vec<(MessageId, Vec<u8>)>) {
        let now_secs = crate::clock::seconds();
        let kept = ask(disk, |done| Ask::Put {
            gists,
            now_secs,
            done,
        });
        for id in kept.await.unwrap_or_default() {
            self.records.borrow_mut().was_put(id);
        }
    }
}

/// Keeps what was found in a letter, behind the caller's back.
pub fn remember(account: &Rc<Account>, id: MessageId, gist: &Gist) {
    let putting = account.cache().putting.get();
    let Some(bytes) = record::encode(gist).filter(|_| putting < PUTTING_MAX) else {
        return;
    };
    account.cache().putting.set(putting.saturating_add(1));
    let account = Rc::clone(account);
    tokio::task::spawn_local(async move {
        let cache = account.cache();
        cache.put_all(account.disk(), vec![(id, bytes)]).await;
        cache.putting.set(cache.putting.get().saturating_sub(1));
    });
}

/// What a letter says, all of which is in memory.
pub async fn of(letter: &[u8], pace: &mut Pace) -> Gist {
    let mut collector = Collector::new();
    for piece in letter.chunks(PIECE_BYTES) {
        collector.feed(piece);
        pace.breathe().await;
    }
    let mut gist = collector.finish(true);
    gist.preview = preview::Source::of(&gist.structure).map(|source| {
        let span = letter.get(source.span.start as usize..source.span.end as usize);
        source.words(span.unwrap_or_default())
    });
    gist
}
