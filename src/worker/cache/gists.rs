//! What was found in letters, by message.
//!
//! A gist comes from here only if it fits the letter that the store has: as long as
//! it. It goes here when a letter has been looked into: at its arrival, where its
//! bytes are in memory anyway, or when somebody first asked.

use super::record::{self, Record, STAMP};
use super::{Ask, Cache, ask};
use crate::account::Account;
use crate::disk::DiskThread;
use crate::holding::Held;
use crate::pace::Pace;
use crate::shapes::Depth;
use journal::disk::Disk;
use message::gist::{Collector, Gist, View};
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
        let bytes = self.record(disk, id).await?;
        let record = Record::of(&bytes)?;
        fits(&record.view()?, octets, depth).then(|| record.gist())?
    }

    /// Shows what is known of a letter, where it lies, if it is in memory and is known as
    /// deep as needed.
    pub fn look<T>(
        &self,
        id: MessageId,
        octets: u64,
        depth: Depth,
        show: impl FnOnce(Record<'_>, View<'_>) -> T,
    ) -> Option<T> {
        let mut records = self.records.borrow_mut();
        let Lookup::Found(bytes) = records.get(id) else {
            return None;
        };
        let record = Record::of(bytes)?;
        let view = record.view()?;
        fits(&view, octets, depth).then(|| show(record, view))
    }

    async fn record(&self, disk: &DiskThread, id: MessageId) -> Option<Vec<u8>> {
        for _ in 0..=READS_MAX {
            let region = match self.records.borrow_mut().get(id) {
                Lookup::Found(bytes) => return Some(bytes.to_vec()),
                Lookup::Absent => return None,
                Lookup::Cold(region) => region,
            };
            let warm = ask(disk, |done| Ask::Read { region, done }).await?;
            self.records.borrow_mut().take_in(warm);
        }
        None
    }

    async fn put(&self, disk: &DiskThread, id: MessageId, gist: Vec<u8>) {
        let now_secs = crate::clock::seconds();
        let kept = ask(disk, |done| Ask::Put {
            id,
            gist,
            now_secs,
            done,
        });
        if kept.await == Some(true) {
            self.records.borrow_mut().was_put(id);
        }
    }
}

/// Whether what is known is of the letter that is meant, and deep enough.
fn fits(view: &View<'_>, octets: u64, depth: Depth) -> bool {
    match view.whole {
        true => view.octets == octets,
        false => view.octets <= octets && depth <= Depth::Header,
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
        cache.put(account.disk(), id, bytes).await;
        cache.putting.set(cache.putting.get().saturating_sub(1));
    });
}

/// Looks into a letter that has just been kept, while its bytes are in memory, and
/// remembers what it says. `held` is the room that they take. For the background:
/// nobody needs to wait for it.
pub async fn learn(account: Rc<Account>, id: MessageId, bytes: Vec<u8>, held: Held) {
    if account.suspects().is_flat(id) {
        return;
    }
    let Ok(watch) = account.suspects().watch(account.disk(), id).await else {
        return;
    };
    let mut pace = Pace::new();
    let mut collector = Collector::new();
    for piece in bytes.chunks(PIECE_BYTES) {
        collector.feed(piece);
        pace.breathe().await;
    }
    let mut gist = collector.finish(true);
    gist.preview = preview::Source::of(&gist.structure).map(|source| {
        let span = bytes.get(source.span.start as usize..source.span.end as usize);
        source.words(span.unwrap_or_default())
    });
    watch.acquit();
    drop((bytes, held));
    remember(&account, id, &gist);
}
