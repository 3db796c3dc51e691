//! A letter on its way into the store, from `lmtp` or from APPEND.
//!
//! A small one gathers in memory and goes into the journal with its record. A
//! larger one streams into a pack of its own, piece by piece, so that it is
//! never in memory whole and no commit waits behind it. One that does not
//! arrive in full, or that the store does not take, leaves nothing behind.

use crate::account::Account;
use crate::cache::{lessons, threads};
use crate::disk::{DiskThread, Gone};
use crate::holding::Held;
use crate::letter::Unreadable;
use journal::disk::DiskError;
use message::Ties;
use std::cell::Cell;
use std::rc::Rc;
use store::{
    Flags, GatheredBody, INLINE_BODY_BYTES_MAX, InternalDate, MailboxHandle, NewBody, NewMessage,
    Outcome, PackId, PackedBody, Place, Placed, Refusal, Store, ThreadId, Ticket, Uid,
};

/// Bytes that gather before they go to the disk thread.
const PIECE_BYTES: usize = 256 * 1024;

/// Why a letter was not kept. Nothing of it has been.
#[derive(Debug, PartialEq, Eq)]
pub enum NotKept {
    /// There is nothing to keep, which a client may say to break off (RFC 3502).
    Empty,
    /// The disk, or the quota of the file system, is full.
    NoSpace,
    /// It could not be read.
    Unreadable(Unreadable),
    /// The disk failed while a pack was written.
    Pack(DiskError),
    /// The store would not have it.
    Refused(Refusal),
    /// The disk thread has ended: so will the process.
    Gone,
}

impl From<Gone> for NotKept {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<Refusal> for NotKept {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSpace => Self::NoSpace,
            refusal => Self::Refused(refusal),
        }
    }
}

impl From<DiskError> for NotKept {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::NoSpace => Self::NoSpace,
            error => Self::Pack(error),
        }
    }
}

/// A letter of which more is to come.
pub struct Arrival(Growing);

enum Growing {
    Inline(GatheredBody, Held),
    Packed(Pack),
}

/// A pack that is being written.
struct Pack {
    file: PackFile,
    gathered: Vec<u8>,
    /// What its first piece names; none before that.
    ties: Option<Ties>,
}

/// A pack's file; removed if it is dropped before anything may refer to it.
struct PackFile {
    id: PackId,
    disk: DiskThread,
    given: Cell<bool>,
}

impl Drop for PackFile {
    fn drop(&mut self) {
        if !self.given.get() {
            self.disk.drop_pack(self.id);
        }
    }
}

impl Arrival {
    /// A letter of `bytes` bytes, of which none has come yet. It may be held in
    /// memory up to `held_max` bytes, if there is room.
    pub fn new(account: &Account, bytes: u64, held_max: u64) -> Self {
        if bytes <= held_max.min(INLINE_BODY_BYTES_MAX as u64)
            && let Some(held) = account.holding().take(bytes)
        {
            return Self(Growing::Inline(GatheredBody::default(), held));
        }
        Self(Growing::Packed(Pack {
            file: PackFile {
                id: account.store_mut().reserve_pack(),
                disk: account.disk().clone(),
                given: Cell::new(false),
            },
            gathered: Vec::new(),
            ties: None,
        }))
    }

    /// The next bytes.
    ///
    /// # Errors
    /// [`NotKept`]: give up.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), NotKept> {
        match &mut self.0 {
            Growing::Inline(body, _) => body.push(bytes),
            Growing::Packed(pack) => {
                pack.gathered.extend_from_slice(bytes);
                if pack.gathered.len() >= PIECE_BYTES {
                    pack.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// All has come.
    ///
    /// # Errors
    /// [`NotKept`]: give up.
    pub async fn finish(self) -> Result<Arrived, NotKept> {
        match self.0 {
            Growing::Inline(body, held) => Ok(Arrived {
                ties: Ties::of(body.bytes()),
                body: Body::Inline(body, held),
            }),
            Growing::Packed(mut pack) => {
                pack.flush().await?;
                let body = pack.file.disk.finish_pack(pack.file.id).await??;
                Ok(Arrived {
                    ties: pack.ties.unwrap_or_default(),
                    body: Body::Packed(body, pack.file),
                })
            }
        }
    }
}

impl Pack {
    async fn flush(&mut self) -> Result<(), NotKept> {
        let piece = std::mem::take(&mut self.gathered);
        self.ties.get_or_insert_with(|| Ties::of(&piece));
        self.file.disk.write_pack(self.file.id, piece).await??;
        Ok(())
    }
}

/// A whole letter that no mailbox has yet.
pub struct Arrived {
    body: Body,
    ties: Ties,
}

impl Arrived {
    /// Bytes of it that are in memory.
    pub fn held(&self) -> u64 {
        match &self.body {
            Body::Inline(_, held) => held.bytes(),
            Body::Packed(..) => 0,
        }
    }
}

enum Body {
    Inline(GatheredBody, Held),
    Packed(PackedBody, PackFile),
}

/// A whole letter, and how it is to stand in its mailbox.
pub struct Item {
    /// The letter.
    pub letter: Arrived,
    /// Its flags.
    pub flags: Flags,
    /// Its INTERNALDATE.
    pub date: InternalDate,
}

/// A message that goes when others come.
#[derive(Debug, Clone, Copy)]
pub struct Replaced {
    /// Where it is.
    pub mailbox: MailboxHandle,
    /// Which.
    pub uid: Uid,
    /// How long it is.
    pub bytes: u64,
}

/// Puts letters into a mailbox, and removes the one that they replace: all of it,
/// durably, or nothing. Each joins the conversation that it names.
///
/// # Errors
/// [`NotKept`].
pub async fn keep(
    account: &Rc<Account>,
    mailbox: &MailboxHandle,
    items: Vec<Item>,
    replaced: Option<Replaced>,
) -> Result<Vec<Placed>, NotKept> {
    let mut joining = Vec::with_capacity(items.len());
    for item in &items {
        joining.push(threads::join(account, item.letter.ties.clone()).await);
    }
    let mut given = Vec::new();
    let prepare = |store: &mut Store| {
        let next = store.next_message();
        given = account.cache().threads(next, &joining);
        let ticket = append(store, mailbox, &items, &given, replaced)?;
        // Whatever becomes of it, a record may refer to them now.
        items.iter().for_each(|item| item.letter.give());
        account.cache().appended(next, &joining, &given);
        Ok(ticket)
    };
    let outcome = match replaced {
        None => account.change(prepare).await?,
        Some(_) => account.change_tree(prepare).await?,
    };
    let Outcome::Appended(placed) = outcome else {
        return Ok(Vec::new());
    };
    let begun = placed.iter().map(|placed| ThreadId(placed.message.0));
    for (letter, (given, begun)) in joining.into_iter().zip(given.into_iter().zip(begun)) {
        lessons::note(account, letter, given.unwrap_or(begun));
    }
    learn(account, items, &placed);
    Ok(placed)
}

fn append(
    store: &mut Store,
    mailbox: &MailboxHandle,
    items: &[Item],
    threads: &[Option<ThreadId>],
    replaced: Option<Replaced>,
) -> Result<Ticket, Refusal> {
    let places: Vec<[Place<'_>; 1]> = items.iter().map(|item| place(mailbox, item)).collect();
    let letters = items.iter().zip(&places).zip(threads);
    let letters: Vec<NewMessage<'_>> = letters
        .map(|((item, places), thread)| item.letter.as_new(places, item.date, *thread))
        .collect();
    match replaced {
        None => store.append(&letters),
        Some(it) => store.replace(&letters, &it.mailbox, it.uid),
    }
}

/// Looks into letters while they are in memory, and lets nobody wait for it.
fn learn(account: &Rc<Account>, items: Vec<Item>, placed: &[Placed]) {
    for (item, placed) in items.into_iter().zip(placed) {
        if let Body::Inline(body, held) = item.letter.body {
            let letter = lessons::Letter {
                id: placed.message,
                bytes: body.into_bytes(),
                held,
            };
            lessons::learn(account, letter);
        }
    }
}

fn place<'a>(mailbox: &'a MailboxHandle, item: &'a Item) -> [Place<'a>; 1] {
    [Place {
        mailbox,
        flags: &item.flags,
    }]
}

impl Arrived {
    fn give(&self) {
        if let Body::Packed(_, file) = &self.body {
            file.given.set(true);
        }
    }

    fn as_new<'a>(
        &'a self,
        places: &'a [Place<'a>],
        date: InternalDate,
        thread: Option<ThreadId>,
    ) -> NewMessage<'a> {
        let body = match &self.body {
            Body::Inline(body, _) => NewBody::Gathered(body),
            Body::Packed(pack, _) => NewBody::Packed(pack),
        };
        NewMessage {
            places,
            date,
            body,
            thread,
        }
    }
}
