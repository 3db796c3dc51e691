//! How many octets RETR will send of each message.
//!
//! It is what the store says, unless a letter has lines that end otherwise than they
//! must ([`wire::pop3::Letter`]: these came by APPEND, for `lmtp` lets none in), or an
//! internationalised header, and the client takes none ([`message::downgrade`]).
//! Nobody knows which without having read the letter, so each is read once, in the
//! order of UIDs. What is remembered is how far that has come, and the exceptions:
//! also from one worker to the next, in a file that can be deleted at any time
//! ([`super::ledger`]).

use super::End;
use super::client::Client;
use super::maildrop::{Maildrop, Message};
use crate::imap::letter::{Letter, Trouble};
use message::downgrade::Downgrader;
use std::cell::RefCell;
use std::collections::BTreeMap;
use store::{Uid, UidValidity};
use wire::pop3;

/// Exceptions that are remembered. Of a maildrop with more of them the rest is read
/// whenever it is asked for.
pub const EXCEPTIONS_MAX: usize = 1 << 16;

/// See the module. One for each account: there is one maildrop.
#[derive(Debug, Default)]
pub struct Lengths(RefCell<Known>);

/// What is known of one mailbox.
#[derive(Debug, Default)]
pub struct Known {
    /// Which.
    pub validity: Option<UidValidity>,
    /// Every message below was read.
    pub below: Option<Uid>,
    /// Those that have others than the store says.
    pub exceptions: BTreeMap<Uid, Octets>,
    /// What is below was written down.
    pub noted: Option<Uid>,
}

/// How many octets a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Octets {
    /// For a client that takes ASCII headers only.
    pub ascii: u64,
    /// For one that has said UTF8.
    pub utf8: u64,
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
    /// With what is known already.
    pub fn of_known(known: Known) -> Self {
        Self(RefCell::new(known))
    }

    /// Looks at what is known, and may note what of it was written down.
    pub fn with<T>(&self, look: impl FnOnce(&mut Known) -> Option<T>) -> Option<T> {
        look(&mut self.0.borrow_mut())
    }

    /// The octets of a message whose letter has `stored` bytes, if that was read.
    fn of(&self, message: &Message, stored: Octets) -> Option<Octets> {
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
    fn learn(&self, message: &Message, stored: Octets, octets: Octets) {
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

impl Octets {
    /// The same for everybody.
    fn alike(octets: u64) -> Self {
        Self {
            ascii: octets,
            utf8: octets,
        }
    }
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
        // A placeholder's lines are as they must be.
        if account.damage().has(message.place.id) {
            return Ok(Some(letter.octets()));
        }
        let stored = Octets::alike(letter.octets());
        let known = account.lengths().of(message, stored);
        if let Some(known) = known.filter(|_| !self.doubts(message)) {
            return Ok(Some(self.own(known)));
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
        Ok(Some(self.own(octets)))
    }

    /// Those of this client.
    fn own(&self, octets: Octets) -> u64 {
        match self.is_utf8() {
            true => octets.utf8,
            false => octets.ascii,
        }
    }

    /// Reads a letter through.
    async fn measure(&mut self, letter: &Letter) -> Result<Octets, Fault> {
        let (mut measured, mut pieces) = (Measure::default(), letter.pieces(letter.whole()));
        while let Some(piece) = pieces.next().await? {
            measured.push(&piece);
            self.pause().await?;
        }
        Ok(measured.finish())
    }
}

/// Counts what RETR would send.
#[derive(Debug, Default)]
struct Measure {
    downgrader: Downgrader,
    ascii: pop3::Letter,
    utf8: pop3::Letter,
    downgraded: Vec<u8>,
    rendered: Vec<u8>,
}

impl Measure {
    fn push(&mut self, piece: &[u8]) {
        self.downgraded.clear();
        self.downgrader.push(piece, &mut self.downgraded);
        self.utf8.push(piece, &mut self.rendered);
        self.ascii.push(&self.downgraded, &mut self.rendered);
        self.rendered.clear();
    }

    fn finish(mut self) -> Octets {
        self.downgraded.clear();
        self.downgrader.finish(&mut self.downgraded);
        self.ascii.push(&self.downgraded, &mut self.rendered);
        self.ascii.end(&mut self.rendered);
        self.utf8.end(&mut self.rendered);
        Octets {
            ascii: self.ascii.octets(),
            utf8: self.utf8.octets(),
        }
    }
}
