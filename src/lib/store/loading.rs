//! Chunks come into memory when somebody opens their mailbox, and go again when
//! nobody uses it.
//!
//! The store says what it wants ([`Wish`]); the disk thread reads it
//! ([`Fetched`]). What came too late is ignored: a chunk's number stands for the
//! same entries for ever, so nothing wrong can be taken in.

use crate::account::Account;
use crate::body::ReadError;
use crate::chunk::{Chunk, Slot, Summary};
use crate::chunk_file::{Reader, Wanted};
use crate::files::Files;
use crate::handle::MailboxHandle;
use crate::id::{ChunkId, MailboxId};
use crate::mailbox::Mailbox;
use crate::refusal::Refusal;
use crate::rights::Rights;
use crate::store::Store;
use journal::disk::Disk;
use std::sync::Arc;

/// Chunks that are fetched at a time: 4 MiB, so that a large mailbox doesn't
/// keep the disk thread from others.
pub const WISH_CHUNKS_MAX: usize = 16;

/// Chunks of one mailbox that somebody waits for.
#[derive(Clone, Debug)]
pub struct Wish {
    pub(crate) mailbox: MailboxId,
    pub(crate) chunks: Vec<(ChunkId, Arc<Summary>)>,
}

impl Wish {
    fn wanted(&self) -> impl Iterator<Item = Wanted<'_>> {
        self.chunks.iter().map(|(id, summary)| Wanted {
            id: *id,
            mailbox: self.mailbox,
            summary,
        })
    }
}

/// Chunks that were read.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub(crate) mailbox: MailboxId,
    pub(crate) chunks: Vec<(ChunkId, Arc<Chunk>)>,
}

/// Chunks for replay: where a record needs one, it is read at once.
pub(crate) trait Loader {
    /// Reads what a wish names.
    fn load(&self, wish: &Wish) -> Result<Fetched, ReadError>;
}

impl<D: Disk> Loader for Files<D> {
    fn load(&self, wish: &Wish) -> Result<Fetched, ReadError> {
        self.fetch(wish)
    }
}

impl<D: Disk> Files<D> {
    /// Reads what a wish names. Waits for the disk.
    ///
    /// # Errors
    /// As [`ReadError`] says. A damaged chunk makes its mailbox unreadable until
    /// the account is repaired.
    pub fn fetch(&self, wish: &Wish) -> Result<Fetched, ReadError> {
        let mut reader = Reader::new();
        let mut chunks = Vec::with_capacity(wish.chunks.len());
        let mut on_disk = Vec::new();
        for wanted in wish.wanted() {
            let file = wanted.open(&self.root)?;
            match reader.look(&file, &wanted)? {
                Some(chunk) => chunks.push((wanted.id, Arc::new(chunk))),
                None => on_disk.push((file, wanted)),
            }
        }
        for (file, wanted) in &on_disk {
            let chunk = reader.read(file, wanted)?;
            chunks.push((wanted.id, Arc::new(chunk)));
        }
        Ok(Fetched {
            mailbox: wish.mailbox,
            chunks,
        })
    }
}

/// The chunks of a mailbox that are away; `None` if none is.
fn wish(mailbox: &Mailbox) -> Option<Wish> {
    let away = mailbox
        .entries
        .slots()
        .iter()
        .filter_map(|slot| match slot {
            Slot::Away { summary, file } => Some((*file, Arc::clone(summary))),
            Slot::Here { .. } => None,
        });
    let chunks: Vec<_> = away.take(WISH_CHUNKS_MAX).collect();
    (!chunks.is_empty()).then_some(Wish {
        mailbox: mailbox.id,
        chunks,
    })
}

impl Store {
    /// What must be fetched before a mailbox can be used: its first chunks that
    /// aren't in memory. `None` if all are. Who may not read it has nothing
    /// fetched: how long that takes would tell how much there is.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `r`).
    pub fn wish(&self, handle: &MailboxHandle) -> Result<Option<Wish>, Refusal> {
        self.checked(handle, Rights::READ).map(wish)
    }

    /// The same for a mailbox that is to be renamed, where nobody has a handle.
    pub fn wish_for(&self, mailbox: MailboxId) -> Option<Wish> {
        self.account().mailbox(mailbox).and_then(wish)
    }

    /// Takes chunks in. What isn't wanted any more is passed over.
    pub fn take_in(&mut self, fetched: Fetched) {
        for account in self.accounts_mut() {
            account.take_in(&fetched);
        }
    }

    /// Lets go of every chunk that a file holds, in mailboxes that nobody uses.
    pub fn put_away(&mut self, mut in_use: impl FnMut(MailboxId) -> bool) {
        // A transaction that is underway holds chunks of its own.
        if self.is_underway() {
            return;
        }
        let looked_at = self.looked_at();
        let idle = |mailbox: &Arc<Mailbox>| {
            let loaded = mailbox.entries.slots().iter().any(is_here_and_written);
            (loaded && !looked_at.contains(&mailbox.id)).then_some(mailbox.id)
        };
        let idle: Vec<MailboxId> = self.account().mailboxes.values().filter_map(idle).collect();
        for id in idle {
            if !in_use(id) {
                self.account_mut().put_away(id);
            }
        }
    }
}

fn is_here_and_written(slot: &Slot) -> bool {
    slot.chunk().is_some() && slot.file().is_some()
}

impl Account {
    /// A wish for one chunk; `None` if it isn't away.
    pub(crate) fn wish_for(&self, id: MailboxId, wanted: ChunkId) -> Option<Wish> {
        let slots = self.mailbox(id)?.entries.slots().iter();
        let mut away = slots.filter_map(|slot| match slot {
            Slot::Away { summary, file } => Some((*file, Arc::clone(summary))),
            Slot::Here { .. } => None,
        });
        let chunk = away.find(|(file, _)| *file == wanted)?;
        Some(Wish {
            mailbox: id,
            chunks: vec![chunk],
        })
    }

    pub(crate) fn take_in(&mut self, fetched: &Fetched) {
        if let Some(mailbox) = self.mailbox_mut(fetched.mailbox) {
            for (file, chunk) in &fetched.chunks {
                mailbox.entries.take_in(*file, Arc::clone(chunk));
            }
        }
    }

    fn put_away(&mut self, id: MailboxId) {
        if let Some(mailbox) = self.mailbox_mut(id) {
            mailbox.entries.put_away();
        }
    }
}
