//! What all connections to an account know together: which messages there must be,
//! which may be gone, and which flags nobody but one has changed.
//!
//! An entry says what the server has acknowledged to somebody, and when, by a clock
//! that ticks with every entry. From that follows what any other connection must have
//! been told once a command is over that it had begun later. What is still on its way
//! binds nobody.

use super::letter::Letter;
use std::collections::{BTreeMap, BTreeSet};

/// Flags by name.
pub type Flags = BTreeSet<String>;

/// A mailbox's name and UIDVALIDITY.
pub type Place = (String, u32);

/// One message.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// What it is, when somebody has looked or has put it there.
    pub letter: Option<Letter>,
    /// When somebody was told that it is there.
    pub there: Option<u64>,
    /// Somebody has begun what may remove it.
    pub doomed: bool,
    /// When somebody was told that it is gone.
    pub gone: Option<u64>,
    /// It came by COPY or MOVE.
    pub copied: bool,
    /// The session that has got it as recent.
    pub recent_to: Option<u64>,
    marks: BTreeMap<u16, Mark>,
}

/// What one connection alone changes of a message's flags.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    /// Changes on their way.
    pub changing: u32,
    /// What it is, if that is known.
    pub value: Option<Flags>,
    /// Since when.
    pub since: u64,
}

/// What of a message's flags belongs to one connection.
#[derive(Debug, Clone, Copy)]
pub struct Owned {
    owner: u16,
    whole: bool,
    without_seen: bool,
}

impl Owned {
    /// All of a message's flags.
    #[cfg(test)]
    pub fn whole(owner: u16) -> Self {
        Self {
            owner,
            whole: true,
            without_seen: false,
        }
    }

    /// That part of all flags.
    #[must_use]
    pub fn part(&self, flags: &Flags) -> Flags {
        let own = keyword(self.owner);
        let belongs = |flag: &&String| match self.whole {
            true => *flag != "\\Recent" && !(self.without_seen && *flag == "\\Seen"),
            false => **flag == own,
        };
        flags.iter().filter(belongs).cloned().collect()
    }
}

/// The keyword that only this connection sets and takes away.
#[must_use]
pub fn keyword(owner: u16) -> String {
    format!("own{owner}")
}

/// All of it, for one account.
#[derive(Debug, Default)]
pub struct Ledger {
    clock: u64,
    mailboxes: BTreeMap<Place, BTreeMap<u32, Message>>,
    /// Letters that the server has taken over LMTP.
    pub delivered: BTreeSet<Letter>,
    /// Letters that commands put somewhere, with how many of these: until the answer comes
    /// nobody knows which UIDs they have got, and with what flags. If the connection was cut
    /// off, nobody ever will.
    arriving: BTreeMap<Letter, u32>,
    /// Letters that were removed from INBOX by POP3, where a message has no UID.
    pub removed: BTreeSet<Letter>,
    /// Which letter each of POP3's unique ids names, for ever.
    pub unique_ids: BTreeMap<String, Letter>,
    /// The highest UIDNEXT told of each mailbox.
    uid_next: BTreeMap<Place, u32>,
    /// The highest mod-sequence that anybody was told of a message there.
    modseqs: BTreeMap<Place, u64>,
    /// POP3 marks what it fetches as seen.
    pop3: bool,
    /// Mailboxes that may be deleted at any time, of which nothing is kept here.
    volatile: BTreeSet<String>,
}

impl Ledger {
    /// Of an account of which nothing is known yet.
    #[must_use]
    pub fn new(volatile: BTreeSet<String>, pop3: bool) -> Self {
        Self {
            pop3,
            volatile,
            ..Self::default()
        }
    }

    /// The time now; later entries are later.
    pub fn now(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// A message's entry, made if there is none; none in a mailbox of which nothing
    /// is kept.
    pub fn message(&mut self, place: &Place, uid: u32) -> Option<&mut Message> {
        if self.volatile.contains(&place.0) {
            return None;
        }
        let mailbox = self.mailboxes.entry(place.clone()).or_default();
        Some(mailbox.entry(uid).or_default())
    }

    /// All that is known of a mailbox.
    #[must_use]
    pub fn messages(&self, place: &Place) -> BTreeMap<u32, Message> {
        self.mailboxes.get(place).cloned().unwrap_or_default()
    }

    /// Somebody was told that a message is there.
    pub fn is_there(
        &mut self,
        place: &Place,
        uid: u32,
        letter: Option<Letter>,
    ) -> Result<(), String> {
        let now = self.now();
        let Some(message) = self.message(place, uid) else {
            return Ok(());
        };
        message.there.get_or_insert(now);
        match (message.letter, letter) {
            (Some(known), Some(found)) if known != found => Err(format!(
                "contents: UID {uid} of {place:?} is {found}, but was {known}"
            )),
            (None, Some(found)) => {
                message.letter = Some(found);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Somebody has begun what may remove these.
    pub fn doom(&mut self, place: &Place, uids: impl IntoIterator<Item = u32>) {
        for uid in uids {
            if let Some(message) = self.message(place, uid) {
                message.doomed = true;
            }
        }
    }

    /// Whether a message may be gone.
    pub fn may_be_gone(&mut self, place: &Place, uid: u32) -> bool {
        let message = self.message(place, uid).cloned();
        message.is_none_or(|message| message.gone.is_some() || self.is_doomed(place, &message))
    }

    /// Whether somebody has begun what may remove a message.
    #[must_use]
    pub fn is_doomed(&self, place: &Place, message: &Message) -> bool {
        let removed = |letter| self.removed.contains(&letter);
        let by_pop3 = self.pop3 && place.0 == "INBOX" && message.letter.is_none_or(removed);
        let arriving = message
            .letter
            .map(|letter| self.arriving.contains_key(&letter));
        let arriving = arriving.unwrap_or(!self.arriving.is_empty());
        message.doomed || by_pop3 || arriving
    }

    /// A command puts these somewhere.
    pub fn arrive(&mut self, letters: &[Letter]) {
        for letter in letters {
            *self.arriving.entry(*letter).or_default() += 1;
        }
    }

    /// All that came of such a command is known.
    pub fn have_arrived(&mut self, letters: &[Letter]) {
        for letter in letters {
            match self.arriving.get_mut(letter) {
                Some(commands) if *commands > 1 => *commands -= 1,
                _ => {
                    self.arriving.remove(letter);
                }
            }
        }
    }

    /// Somebody was told that it is gone.
    pub fn is_gone(&mut self, place: &Place, uid: u32) {
        let now = self.now();
        if let Some(message) = self.message(place, uid) {
            message.gone.get_or_insert(now);
        }
    }

    /// A session was told that a message is recent to it.
    ///
    /// # Errors
    /// If it is recent to another one already.
    pub fn is_recent(&mut self, place: &Place, uid: u32, session: u64) -> Result<(), String> {
        let Some(message) = self.message(place, uid) else {
            return Ok(());
        };
        match *message.recent_to.get_or_insert(session) == session {
            true => Ok(()),
            false => Err(format!(
                "recent: UID {uid} of {place:?} is recent to a second session"
            )),
        }
    }

    /// What of a message's flags is this connection's.
    pub fn owned(&mut self, place: &Place, uid: u32, owner: u16) -> Option<Owned> {
        let without_seen = self.pop3;
        let letter = self.message(place, uid)?.letter?;
        let whole = letter.private && letter.owner == owner;
        (whole || !letter.private).then_some(Owned {
            owner,
            whole,
            without_seen,
        })
    }

    /// A connection's mark on a message.
    pub fn mark(&mut self, place: &Place, uid: u32, owner: u16) -> Option<&mut Mark> {
        let message = self.message(place, uid)?;
        Some(message.marks.entry(owner).or_default())
    }

    /// A connection knows now what its part of the flags is.
    pub fn set_mark(&mut self, place: &Place, uid: u32, owner: u16, value: Option<Flags>) {
        let now = self.now();
        if let Some(mark) = self.mark(place, uid, owner) {
            (mark.value, mark.since) = (value, now);
        }
    }

    /// Whether UIDNEXT may be this.
    ///
    /// # Errors
    /// If it was higher, or a message has had this UID.
    pub fn uid_next(&mut self, place: &Place, next: u32, at_least: u32) -> Result<(), String> {
        if next < at_least {
            return Err(format!(
                "uidnext: {next} of {place:?}, but it was {at_least} before the question"
            ));
        }
        let told = self.uid_next.entry(place.clone()).or_insert(next);
        *told = next.max(*told);
        Ok(())
    }

    /// What is gone, and has been looked at, is of no more use; nor are the letters that
    /// were delivered before.
    pub fn forget_gone(&mut self, place: &Place) {
        if let Some(mailbox) = self.mailboxes.get_mut(place) {
            mailbox.retain(|_, message| message.gone.is_none());
        }
        if place.0 == "INBOX" {
            self.delivered.clear();
        }
    }

    /// Somebody was told this of a message.
    pub fn has_modseq(&mut self, place: &Place, modseq: u64) {
        let highest = self.modseqs.entry(place.clone()).or_default();
        *highest = modseq.max(*highest);
    }

    /// What HIGHESTMODSEQ of a mailbox is not below, by its UIDVALIDITY.
    #[must_use]
    pub fn modseqs_of(&self, name: &str) -> BTreeMap<u32, u64> {
        let of = self
            .modseqs
            .iter()
            .filter(|((mailbox, _), _)| mailbox == name);
        of.map(|((_, validity), modseq)| (*validity, *modseq))
            .collect()
    }

    /// What UIDs of new messages in a mailbox are not below, by its UIDVALIDITY.
    #[must_use]
    pub fn uid_next_of(&self, name: &str) -> BTreeMap<u32, u32> {
        let places = self.uid_next.keys().chain(self.mailboxes.keys());
        let places = places.filter(|(mailbox, _)| mailbox == name);
        places
            .map(|place| (place.1, self.uid_next_at_least(place)))
            .collect()
    }

    fn uid_next_at_least(&self, place: &Place) -> u32 {
        let told = self.uid_next.get(place).copied().unwrap_or(1);
        let mailbox = self.mailboxes.get(place);
        let there = mailbox.and_then(|messages| {
            let there = messages
                .iter()
                .filter(|(_, message)| message.there.is_some());
            there.map(|(uid, _)| uid + 1).next_back()
        });
        told.max(there.unwrap_or(1))
    }

    /// What a connection must have been told of a mailbox by the end of a command
    /// that it had begun at `since`: the messages there, for sure; and what of their
    /// flags is certain.
    pub fn certain(&mut self, place: &Place, since: u64) -> Certain {
        let mut certain = Certain::default();
        for (uid, message) in self.messages(place) {
            let may_be_gone = message.gone.is_some() || self.is_doomed(place, &message);
            if message.there.is_some_and(|at| at < since) && !may_be_gone {
                certain.there.push(uid);
            }
            if message.gone.is_some_and(|at| at < since) {
                certain.gone.push(uid);
            }
            for (owner, mark) in message.marks {
                let settled = mark.changing == 0 && mark.since < since;
                let owned = self.owned(place, uid, owner);
                if let (true, Some(value), Some(owned)) = (settled, mark.value, owned) {
                    certain.flags.push(CertainFlags {
                        uid,
                        owned,
                        value,
                        may_be_gone,
                    });
                }
            }
        }
        certain
    }
}

/// What somebody must know.
#[derive(Debug, Default)]
pub struct Certain {
    /// UIDs that are there.
    pub there: Vec<u32>,
    /// UIDs that are gone.
    pub gone: Vec<u32>,
    /// Parts of flags.
    pub flags: Vec<CertainFlags>,
}

/// What a part of a message's flags is.
#[derive(Debug)]
pub struct CertainFlags {
    /// The message.
    pub uid: u32,
    /// Which part.
    pub owned: Owned,
    /// What it is.
    pub value: Flags,
    /// Of a message that is gone nobody is told what its last flags were.
    pub may_be_gone: bool,
}
