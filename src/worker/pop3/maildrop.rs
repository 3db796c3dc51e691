//! The maildrop: INBOX, as it was when the session began.
//!
//! A maildrop is a view ([`store::View`]) of which the client is never told anything
//! new, so it takes the same few bytes however many messages there are, and every
//! message keeps its number whatever others remove. It is the store's history of
//! expunges that makes it so, and the seat that keeps this history.

use super::End;
use super::marks::Marks;
use crate::account::{Account, Seat};
use crate::imap::letter::Place;
use crate::imap::numbers::Numbers;
use std::cell::RefCell;
use store::{
    EntryId, MailboxHandle, MailboxId, Messages, Principal, Refusal, Store, Uid, UidRange,
};
use wire::pop3::{Number, UniqueId};

/// Messages looked at between two breaths.
const CHUNK_MESSAGES_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Maildrop {
    handle: MailboxHandle,
    view: store::View,
    /// Keeps the mailbox loaded, and the history that the view needs.
    _seat: Seat,
    /// The messages' numbers. As the client is told of nothing, what is gone is
    /// gathered once, and not at each command.
    numbers: RefCell<Numbers>,
    pub(super) marks: Marks,
}

/// A message that is there and not marked.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Its number in the maildrop.
    pub number: u32,
    /// Its letter.
    pub place: Place,
    /// The id of its place, which is never given twice.
    pub entry: EntryId,
}

/// Why there is no such message for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// There never was.
    Never,
    /// The client has marked it.
    Marked,
    /// Somebody else has removed it.
    Gone,
}

impl Absent {
    /// In words that help.
    pub fn text(self) -> &'static str {
        match self {
            Self::Never => "There is no such message",
            Self::Marked => "The message is marked as deleted",
            Self::Gone => "The message was removed by another session meanwhile",
        }
    }
}

impl Maildrop {
    /// Opens it.
    ///
    /// # Errors
    /// [`Refusal`]: whoever asks may not see it or read it, or its index is damaged.
    pub async fn open(account: &Account, principal: &Principal) -> Result<Self, Refusal> {
        let handle = account.store().open_by_id(principal, MailboxId::INBOX)?;
        let seat = account.sit_down(&handle);
        account.load(&handle).await?;
        let view = account.store().messages(&handle)?.view();
        seat.told(view.told_expunged);
        Ok(Self {
            handle,
            view,
            _seat: seat,
            numbers: RefCell::default(),
            marks: Marks::default(),
        })
    }

    /// The way to the mailbox.
    pub fn handle(&self) -> &MailboxHandle {
        &self.handle
    }

    /// The message of a number.
    ///
    /// # Errors
    /// [`End`]: the maildrop is none any more.
    pub fn message(
        &self,
        account: &Account,
        number: Number,
    ) -> Result<Result<Message, Absent>, End> {
        let store = account.store();
        let messages = self.messages(&store)?;
        let mut numbers = self.numbers.borrow_mut();
        let numbers = numbers.now(&messages, &self.view);
        let Some(uid) = numbers.uid_at(number.0) else {
            return Ok(Err(Absent::Never));
        };
        if self.marks.has(number.0) {
            return Ok(Err(Absent::Marked));
        }
        let entry = messages.get(uid).ok_or(Absent::Gone);
        Ok(entry.map(|entry| self.of(&messages, number.0, entry)))
    }

    /// The messages that are there and not marked, from a UID on; and the UID behind
    /// those that were looked at, unless they were the last.
    ///
    /// # Errors
    /// [`End`]: the maildrop is none any more.
    pub fn some_from(
        &self,
        account: &Account,
        from: Uid,
    ) -> Result<(Vec<Message>, Option<Uid>), End> {
        let store = account.store();
        let messages = self.messages(&store)?;
        let mut numbers = self.numbers.borrow_mut();
        let numbers = numbers.now(&messages, &self.view);
        let known = messages.iter_from(from);
        let known = known.take_while(|entry| entry.uid() < self.view.uid_next);
        let (mut some, mut looked, mut last) = (Vec::new(), 0_usize, None);
        for entry in known.take(CHUNK_MESSAGES_MAX) {
            looked = looked.saturating_add(1);
            last = Some(entry.uid());
            let number = numbers.seq_of(entry.uid());
            let number = number.filter(|number| !self.marks.has(*number));
            some.extend(number.map(|number| self.of(&messages, number, entry)));
        }
        let last = last.filter(|_| looked == CHUNK_MESSAGES_MAX);
        let next = last.and_then(|last| Uid::new(last.get().checked_add(1)?));
        Ok((some, next))
    }

    /// Marked messages as ranges of UIDs, at most `max`, from a number on; and the
    /// number behind them, if there may be more.
    ///
    /// Messages in a row are one range: between them there is nothing that this
    /// session could have meant otherwise.
    ///
    /// # Errors
    /// [`End`]: the maildrop is none any more.
    pub fn marked_from(
        &self,
        account: &Account,
        from: u32,
        max: usize,
    ) -> Result<(Vec<UidRange>, Option<u32>), End> {
        let store = account.store();
        let messages = self.messages(&store)?;
        let mut numbers = self.numbers.borrow_mut();
        let numbers = numbers.now(&messages, &self.view);
        let (mut ranges, mut next) = (Vec::new(), Some(from));
        while let Some(row) = next.and_then(|next| self.marks.row_from(next)) {
            if ranges.len() >= max {
                return Ok((ranges, next));
            }
            let ends = (numbers.uid_at(*row.start()), numbers.uid_at(*row.end()));
            if let (Some(first), Some(last)) = ends {
                ranges.push(UidRange { first, last });
            }
            next = row.end().checked_add(1);
        }
        Ok((ranges, None))
    }

    /// Whether no message that is there lies below this one and at or above `from`.
    pub fn is_first_from(&self, account: &Account, from: Uid, uid: Uid) -> bool {
        let store = account.store();
        let Ok(messages) = self.messages(&store) else {
            return false;
        };
        let first = messages.iter_from(from).next();
        first.is_some_and(|first| first.uid() == uid)
    }

    fn messages<'s>(&self, store: &'s Store) -> Result<Messages<'s>, End> {
        let messages = store.messages(&self.handle);
        let messages = messages.map_err(|_| End::MaildropGone)?;
        match messages.can_update(&self.view) {
            true => Ok(messages),
            false => Err(End::LeftBehind),
        }
    }

    fn of(&self, messages: &Messages<'_>, number: u32, entry: &store::Entry) -> Message {
        Message {
            number,
            place: Place {
                mailbox: self.handle,
                uid: entry.uid(),
                id: entry.message(),
                date: entry.date(),
                body: messages.body(entry),
            },
            entry: messages.entry_id(entry),
        }
    }
}

impl Message {
    /// Its unique id: that of its place, in hexadecimal digits. Nothing else is ever
    /// called so in this account, neither after an expunge nor when the mailbox is
    /// made anew.
    pub fn unique_id(&self) -> Option<UniqueId> {
        let EntryId {
            mailbox,
            validity,
            uid,
        } = self.entry;
        let (validity, uid) = (validity.get(), uid.get());
        UniqueId::new(format!("{:x}.{validity:08x}.{uid:08x}", mailbox.0))
    }
}
