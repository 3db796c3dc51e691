//! How many octets RETR will send of each message.
//!
//! It is what the store says, unless a letter has lines that end otherwise than they
//! must ([`wire::pop3::Letter`]): these came by APPEND, for `lmtp` lets none in.
//! Nobody knows which without having read the letter, so each is read once, in the
//! order of UIDs. What is remembered is how far that has come, and the exceptions.

use super::End;
use super::client::Client;
use super::maildrop::{Maildrop, Message};
use crate::account::Account;
use crate::imap::letter::{Letter, Trouble};
use std::cell::RefCell;
use std::collections::BTreeMap;
use store::{Uid, UidValidity};
use wire::pop3;

/// Exceptions that are remembered. Of a maildrop with more of them the rest is read
/// whenever it is asked for.
const EXCEPTIONS_MAX: usize = 1 << 16;

/// See the module. One for each account: there is one maildrop.
#[derive(Debug, Default)]
pub struct Lengths(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Of the mailbox that this is about.
    validity: Option<UidValidity>,
    /// Every message below was read.
    below: Option<Uid>,
    /// Octets of those that have others than the store says.
    exceptions: BTreeMap<Uid, u64>,
}

/// Why a letter wasn't sent or measured.
#[derive(Debug)]
pub enum Fault {
    /// The session is over.
    End(End),
    /// The letter can't be had.
    Letter(Trouble),
}

impl From<End> for Fault {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Letter(trouble)
    }
}

impl Lengths {
    /// The octets of a message whose letter has `stored` bytes, if that was read.
    fn of(&self, message: &Message, stored: u64) -> Option<u64> {
        let known = self.0.borrow();
        let uid = message.place.uid;
        let read = known.below.is_some_and(|below| uid < below);
        let same = known.validity == Some(message.entry.validity);
        (read && same).then(|| known.exceptions.get(&uid).copied().unwrap_or(stored))
    }

    /// The lowest message that may not have been read.
    fn below(&self, validity: UidValidity) -> Uid {
        let known = self.0.borrow();
        let same = known.validity == Some(validity);
        known.below.filter(|_| same).unwrap_or(Uid::MIN)
    }

    /// The message at [`Self::below`], or the first behind it, was read.
    fn learn(&self, message: &Message, stored: u64, octets: u64) {
        let mut known = self.0.borrow_mut();
        let (validity, uid) = (message.entry.validity, message.place.uid);
        if known.validity != Some(validity) {
            let nothing = Known::default();
            *known = nothing;
            known.validity = Some(validity);
        }
        if octets != stored {
            if known.exceptions.len() >= EXCEPTIONS_MAX {
                return;
            }
            known.exceptions.insert(uid, octets);
        }
        known.below = uid.get().checked_add(1).and_then(Uid::new);
    }
}

impl Account {
    /// Writes down what was learnt about lengths, for the next worker.
    pub fn note_lengths(&self) {}
}

impl Client {
    /// Whether a former worker has found a letter damaged and nobody has looked since.
    pub fn doubts(&self, message: &Message) -> bool {
        self.account().damage().doubts(message.place.id)
    }

    /// Octets of a message as RETR sends it; none if it has gone.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn octets(
        &mut self,
        maildrop: &Maildrop,
        message: &Message,
    ) -> Result<Option<u64>, End> {
        let account = self.account().clone();
        let mut letter = Letter::new(account.clone(), message.place);
        let stored = letter.octets();
        // A placeholder's lines are as they must be.
        if account.damage().has(message.place.id) {
            return Ok(Some(stored));
        }
        let known = account.lengths().of(message, stored);
        if known.is_some() && !self.doubts(message) {
            return Ok(known);
        }
        let octets = match self.measure(&letter).await {
            Ok(octets) => octets,
            Err(Fault::End(end)) => return Err(end),
            Err(Fault::Letter(Trouble::Expunged)) => return Ok(None),
            // What can't be read now is taken to be as it should.
            Err(Fault::Letter(trouble)) => {
                letter.is_damaged(&trouble);
                return Ok(Some(letter.octets()));
            }
        };
        account.acquit(message.place.id);
        let below = account.lengths().below(message.entry.validity);
        if maildrop.is_first_from(&account, below, message.place.uid) {
            account.lengths().learn(message, stored, octets);
        }
        Ok(Some(octets))
    }

    /// Reads a letter through.
    async fn measure(&mut self, letter: &Letter) -> Result<u64, Fault> {
        let (mut rendered, mut out) = (pop3::Letter::new(), Vec::new());
        let mut pieces = letter.pieces(letter.whole());
        while let Some(piece) = pieces.next().await? {
            out.clear();
            rendered.push(&piece, &mut out);
            self.pause().await?;
        }
        rendered.end(&mut out);
        Ok(rendered.octets())
    }
}
