//! Finding the thread of a letter that comes in (RFC 8474).
//!
//! A letter is asked about before it is kept ([`join`]), gets its thread in the step
//! in which its record is made ([`Cache::threads`], [`Cache::appended`]), and is noted
//! when it is durable ([`super::lessons`]). Letters that are on their way at once find each other in memory, so
//! that none of them misses the one that it answers. A thread is never changed, and
//! two are never merged.

use super::{Ask, Cache, ask};
use crate::account::Account;
use crate::body::{Pieces, Unread};
use crate::disk::DiskThread;
use crate::shapes::Depth;
use journal::disk::Disk;
use message::Ties;
use message::ties::TIES_HEADER_BYTES_MAX;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use store::{BodyRef, MessageId, ThreadId, Threads};

/// Ids of letters on their way that are remembered, of at most 250 bytes each: those
/// of some hundred letters. Of more the oldest are forgotten, and a reply that comes in
/// the same moment may begin a thread of its own.
const FRESH_IDS_MAX: usize = 4_096;

/// The map of threads, as far as it is in memory. The disk's type ends here.
pub trait Map {
    /// As [`Threads::find_nowait`].
    fn find(&mut self, ties: &Ties) -> Option<Option<ThreadId>>;
    /// As [`Threads::forget`].
    fn forget(&mut self);
}

impl<D: Disk> Map for Threads<D> {
    fn find(&mut self, ties: &Ties) -> Option<Option<ThreadId>> {
        self.find_nowait(ties.ids())
    }

    fn forget(&mut self) {
        Threads::forget(self);
    }
}

/// The ids of letters that came since no letter was on its way.
#[derive(Default)]
pub struct Fresh {
    on_their_way: usize,
    threads: BTreeMap<Vec<u8>, ThreadId>,
    order: VecDeque<Vec<u8>>,
}

impl Fresh {
    fn find(&self, ties: &Ties) -> Option<ThreadId> {
        ties.ids().find_map(|id| self.threads.get(id).copied())
    }

    fn add(&mut self, ties: &Ties, thread: ThreadId) {
        for id in ties.ids() {
            if self.threads.contains_key(id) {
                continue;
            }
            if self.order.len() >= FRESH_IDS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.threads.remove(&oldest);
            }
            self.threads.insert(id.to_vec(), thread);
            self.order.push_back(id.to_vec());
        }
    }

    /// Forgets a thread that never began: its letter was refused.
    fn forget(&mut self, ties: &Ties, thread: ThreadId) {
        for id in ties.ids() {
            if self.threads.get(id) == Some(&thread) {
                self.threads.remove(id);
            }
        }
    }

    fn leave(&mut self) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        if self.on_their_way == 0 {
            let nobody = Self::default();
            *self = nobody;
        }
    }
}

/// A letter on its way into the store, and what is known of its thread.
pub struct Joining {
    account: Rc<Account>,
    ties: Ties,
    found: Option<ThreadId>,
    /// The thread that it begins, until it is known to be durable.
    begins: Cell<Option<ThreadId>>,
}

impl Drop for Joining {
    fn drop(&mut self) {
        let mut fresh = self.account.cache().fresh.borrow_mut();
        if let Some(thread) = self.begins.get() {
            fresh.forget(&self.ties, thread);
        }
        fresh.leave();
    }
}

impl Joining {
    /// The letter is durable: the thread that it begins, if it does, stays.
    pub fn was_kept(&self) {
        self.begins.set(None);
    }

    /// What it names.
    pub fn ties(&self) -> &Ties {
        &self.ties
    }
}

/// Asks for the thread of a letter with these ties, before it is given to the store.
/// What comes back is kept until the letter was noted, or was refused.
pub async fn join(account: &Rc<Account>, ties: Ties) -> Joining {
    {
        let mut fresh = account.cache().fresh.borrow_mut();
        fresh.on_their_way = fresh.on_their_way.saturating_add(1);
    }
    let mut joining = Joining {
        account: Rc::clone(account),
        ties,
        found: None,
        begins: Cell::new(None),
    };
    if !joining.ties.is_empty() {
        joining.found = account.cache().find(account.disk(), &joining.ties).await;
    }
    joining
}

impl Cache {
    /// The thread that the map knows for a letter with these ties.
    async fn find(&self, disk: &DiskThread, ties: &Ties) -> Option<ThreadId> {
        let known = self.map.borrow_mut().find(ties);
        match known {
            Some(known) => known,
            None => {
                let ties = ties.clone();
                ask(disk, |done| Ask::Find { ties, done }).await.flatten()
            }
        }
    }

    /// The threads of letters that are about to be appended at once, the first of which
    /// gets the id `next`: none for one that begins a thread. To be asked in the step
    /// in which they are appended.
    ///
    /// A thread that no message can have yet is not believed: `cache/` is anybody's.
    pub fn threads(&self, next: MessageId, letters: &[Joining]) -> Vec<Option<ThreadId>> {
        let fresh = self.fresh.borrow();
        let mut among = Fresh::default();
        let ids = (next.0..).map(ThreadId);
        let one = |(letter, own): (&Joining, ThreadId)| {
            let known = letter.found.or_else(|| fresh.find(&letter.ties));
            let known = known.filter(|thread| thread.0 < next.0);
            let thread = known.or_else(|| among.find(&letter.ties));
            among.add(&letter.ties, thread.unwrap_or(own));
            thread
        };
        letters.iter().zip(ids).map(one).collect()
    }

    /// Says that the store has taken these letters with these threads, in the same
    /// step: whoever comes next can join them.
    pub fn appended(&self, next: MessageId, letters: &[Joining], threads: &[Option<ThreadId>]) {
        let mut fresh = self.fresh.borrow_mut();
        for ((letter, thread), own) in letters.iter().zip(threads).zip(next.0..) {
            let own = ThreadId(own);
            letter.begins.set(thread.is_none().then_some(own));
            fresh.add(&letter.ties, thread.unwrap_or(own));
        }
    }
}

/// Shows the map of threads a letter that it may not know, because the map was lost.
/// Where two threads name the same id, the letter that is shown first has it.
///
/// # Errors
/// [`Unread`]: the letter can't be read, and is left out.
pub async fn show(
    account: &Account,
    id: MessageId,
    body: BodyRef,
    thread: ThreadId,
) -> Result<(), Unread> {
    let octets = u64::from(body.size());
    let disk = account.disk();
    let gist = account.cache().recall(disk, id, octets, Depth::Header);
    let ties = match gist.await.and_then(|gist| gist.fields) {
        Some(fields) => Ties::of(&fields),
        None if account.suspects().is_flat(id) => return Ok(()),
        None => {
            let head = head(account, body).await?;
            let watch = account.suspects().watch(disk, id).await?;
            let ties = Ties::of(&head);
            watch.acquit();
            ties
        }
    };
    show_all(account, vec![(ties, thread)]).await;
    Ok(())
}

/// Shows the map of threads which thread letters with these ties are in.
pub async fn show_all(account: &Account, mut letters: Vec<(Ties, ThreadId)>) {
    letters.retain(|(ties, _)| !ties.is_empty());
    if !letters.is_empty() {
        ask(account.disk(), |done| Ask::Note { letters, done }).await;
    }
}

/// The first bytes of a letter, as many as are looked at.
async fn head(account: &Account, body: BodyRef) -> Result<Vec<u8>, Unread> {
    let end = u64::from(body.size()).min(TIES_HEADER_BYTES_MAX as u64);
    let mut pieces = Pieces::new(account, body, 0, end);
    let mut head = Vec::new();
    while let Some(piece) = pieces.next().await? {
        head.extend_from_slice(&piece);
    }
    Ok(head)
}
