//! New letters: each gets a message id, and a UID in every mailbox that it is
//! put into.

use super::messages::{flag_mask, loaded};
use crate::flag::{Flags, Keyword, SystemFlags};
use crate::handle::MailboxHandle;
use crate::id::{MailboxId, MessageId, ThreadId, Uid, UidRange, UidSet};
use crate::message::{INLINE_BODY_BYTES_MAX, NewBody, NewMessage, Place};
use crate::operation::{Append, Operation, StoredBody};
use crate::pending::Ticket;
use crate::quota::Usage;
use crate::refusal::Refusal;
use crate::rights::Rights;
use crate::store::{Change, Store};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

impl Store {
    /// Adds letters: all of them or none.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `i`), `LetterTooLong`, `BodyNotInline`,
    /// `OverQuota`, `TooManyMessages`, `TooManyKeywords`, `NumbersExhausted`,
    /// `ChangeTooLong`, `NothingToDo` (nothing was given), `Busy`.
    pub fn append(&mut self, letters: &[NewMessage<'_>]) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let change = self.appending(letters, Usage::default())?;
        self.submit(change)
    }

    /// Adds letters and removes a message, both or neither (RFC 8508). What goes
    /// makes room for what comes.
    ///
    /// # Errors
    /// As [`Self::append`]; `NoRight` (without `t` and `e` where the message is),
    /// `NothingToDo` (it isn't there), `NotLoaded`.
    pub fn replace(
        &mut self,
        letters: &[NewMessage<'_>],
        handle: &MailboxHandle,
        uid: Uid,
    ) -> Result<Ticket, Refusal> {
        // Alone, so that what is to go is there when its turn comes.
        self.settled_ground()?;
        let mailbox = self.checked(handle, Rights::EXPUNGE | Rights::DELETE_MESSAGES)?;
        loaded(mailbox)?;
        let gone = mailbox.entries.get(uid).ok_or(Refusal::NothingToDo)?;
        let frees = Usage::of_letter(gone.size());
        let mut change = self.appending(letters, frees)?.alone();
        let range = UidRange {
            first: uid,
            last: uid,
        };
        change.operations.push(Operation::Expunge {
            mailbox: handle.id(),
            only_deleted: false,
            uids: UidSet::new(&[range]),
        });
        self.submit(change)
    }

    /// What adds letters, where so much goes at the same time.
    fn appending<'b>(
        &self,
        letters: &[NewMessage<'b>],
        frees: Usage,
    ) -> Result<Change<'b>, Refusal> {
        let mut draft = Draft::new(self, frees);
        for letter in letters {
            draft.letter(letter)?;
        }
        let Draft {
            operations,
            bodies,
            adds,
            ..
        } = draft;
        if operations.is_empty() {
            return Err(Refusal::NothingToDo);
        }
        Ok(Change {
            operations,
            bodies,
            adds,
            ..Change::default()
        })
    }
}

/// An append under construction: its operations, and the numbers they take.
struct Draft<'s, 'b> {
    store: &'s Store,
    operations: Vec<Operation>,
    bodies: Vec<&'b [u8]>,
    bodies_len: u32,
    adds: Usage,
    frees: Usage,
    next_message: u64,
    ahead: BTreeMap<MailboxId, Uid>,
    promised: BTreeMap<MailboxId, Vec<Keyword>>,
}

impl<'s, 'b> Draft<'s, 'b> {
    fn new(store: &'s Store, frees: Usage) -> Self {
        Self {
            store,
            operations: Vec::new(),
            bodies: Vec::new(),
            bodies_len: 0,
            adds: Usage::default(),
            frees,
            next_message: store.ahead().next_message,
            ahead: BTreeMap::new(),
            promised: BTreeMap::new(),
        }
    }

    fn letter(&mut self, letter: &NewMessage<'b>) -> Result<(), Refusal> {
        if letter.body.len() > self.store.letter_bytes_max() {
            return Err(Refusal::LetterTooLong);
        }
        let message = MessageId(self.next_message);
        self.next_message = match message.0.checked_add(1) {
            Some(next) => next,
            None => return Err(Refusal::NumbersExhausted),
        };
        // What finds conversations may be wrong; what is stored never is.
        let known = |thread: &ThreadId| (1..=message.0).contains(&thread.0);
        let thread = letter.thread.filter(known).unwrap_or(ThreadId(message.0));
        let (body, size, sha256) = self.body(letter.body)?;
        for place in letter.places {
            let (uid, system, keywords) = self.place(place)?;
            self.operations.push(Operation::Append(Append {
                mailbox: place.mailbox.id(),
                uid,
                message,
                thread,
                date: letter.date.fitted(),
                saved: self.store.saved_now(),
                system,
                keywords,
                body,
                size,
                sha256,
            }));
            self.adds = self.adds.plus(Usage::of_letter(size));
        }
        self.store.has_room(self.adds.minus(self.frees))
    }

    fn inline(&mut self, bytes: &'b [u8]) -> Result<(StoredBody, u32), Refusal> {
        if bytes.len() > INLINE_BODY_BYTES_MAX {
            return Err(Refusal::BodyNotInline);
        }
        let size = u32::try_from(bytes.len()).map_err(|_| Refusal::BodyNotInline)?;
        let offset = self.bodies_len;
        let end = offset.checked_add(size).ok_or(Refusal::ChangeTooLong)?;
        self.bodies_len = end;
        self.bodies.push(bytes);
        Ok((StoredBody::Inline { offset }, size))
    }

    fn body(&mut self, body: NewBody<'b>) -> Result<(StoredBody, u32, [u8; 32]), Refusal> {
        match body {
            NewBody::Inline(bytes) => {
                let (stored, size) = self.inline(bytes)?;
                Ok((stored, size, Sha256::digest(bytes).into()))
            }
            NewBody::Gathered(body) => {
                let (stored, size) = self.inline(body.bytes())?;
                Ok((stored, size, body.sha256()))
            }
            NewBody::Packed(packed) => {
                let stored = StoredBody::Pack {
                    pack: packed.pack(),
                    offset: 0,
                };
                Ok((stored, packed.size(), packed.sha256()))
            }
        }
    }

    /// The UID of a place, and the flags that may be set there.
    fn place(&mut self, place: &Place<'_>) -> Result<(Uid, SystemFlags, Vec<Keyword>), Refusal> {
        let Flags { system, keywords } = place.flags;
        let id = place.mailbox.id();
        let mailbox = self.store.checked(place.mailbox, Rights::INSERT)?;
        let mask = flag_mask(self.store.rights_of(place.mailbox, mailbox));
        let keywords = match mask.keywords {
            true => keywords.clone(),
            false => Vec::new(),
        };
        let promised = self.promised.entry(id).or_default();
        promised.extend(keywords.iter().cloned());
        self.store.has_room_for(mailbox, promised)?;
        let reserved = self.ahead.get(&id).copied();
        let uid = reserved.unwrap_or_else(|| self.store.ahead().uid_next(mailbox));
        let next = uid.after(1).filter(|next| *next < Uid::MAX);
        self.ahead
            .insert(id, next.ok_or(Refusal::NumbersExhausted)?);
        Ok((uid, *system & mask.system, keywords))
    }
}
