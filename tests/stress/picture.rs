//! What one connection has been told of the mailbox that it has selected: the model
//! against which everything is held that comes next.
//!
//! A message number is a place in a list, which only EXISTS makes longer and only
//! EXPUNGE shorter (RFC 9051 §7.4.1, §7.5.1).

use super::ledger::{Certain, CertainFlags, Flags, Place};
use super::letter::Letter;
use super::resync::Sequence;
use std::collections::BTreeSet;

/// What is known of one message.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Its UID, if it was told.
    pub uid: Option<u32>,
    /// What its UID is not below.
    pub uid_min: u32,
    /// Its flags as they were told last, without `\Recent`.
    pub flags: Option<Flags>,
    /// During which command they were told.
    pub flags_told_in: u64,
    /// Whether it is recent to this session.
    pub recent: Option<bool>,
    /// Its mod-sequence as it was told last.
    pub modseq: u64,
    /// That with which its flags were told, if its flags were told last.
    pub flags_at: Option<u64>,
    /// What it is.
    pub letter: Option<Letter>,
}

/// A selected mailbox.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Its name and UIDVALIDITY.
    pub place: Place,
    /// Opened by EXAMINE.
    pub read_only: bool,
    /// The highest UIDNEXT that was told.
    pub uid_next: u32,
    /// The messages, in order.
    pub messages: Vec<Known>,
    /// Its mod-sequences.
    pub sequence: Sequence,
    /// `$`, as far as it is known.
    pub saved: Option<Vec<u32>>,
    /// UIDs that were told to be gone, with the mod-sequence up to which everything was
    /// known then.
    pub gone: Vec<(u32, u64)>,
    /// Messages whose last flags weren't told: so they are gone, and the next answer to
    /// NOOP says it.
    pub surely_gone: BTreeSet<u32>,
}

impl Picture {
    /// EXISTS.
    ///
    /// # Errors
    /// If messages have gone without a word.
    pub fn exists(&mut self, count: u32) -> Result<(), String> {
        let known = self.messages.len();
        if (count as usize) < known {
            return Err(format!(
                "exists: it is {count}, but {known} messages are known and none was expunged"
            ));
        }
        let largest = self.messages.iter().filter_map(|known| known.uid).max();
        let uid_min = self.uid_next.max(largest.map_or(1, |uid| uid + 1));
        let new = Known {
            uid_min,
            ..Known::default()
        };
        self.messages.resize(count as usize, new);
        Ok(())
    }

    /// EXPUNGE.
    ///
    /// # Errors
    /// If there is no such message.
    pub fn expunge(&mut self, number: u32) -> Result<Known, String> {
        let at = self.at(number, "expunge")?;
        let gone = self.messages.remove(at);
        let known = self.sequence.known;
        self.gone.extend(gone.uid.map(|uid| (uid, known)));
        Ok(gone)
    }

    /// A message by its number.
    ///
    /// # Errors
    /// If there is none.
    pub fn number(&mut self, number: u32) -> Result<&mut Known, String> {
        let at = self.at(number, "number")?;
        Ok(&mut self.messages[at])
    }

    fn at(&self, number: u32, rule: &str) -> Result<usize, String> {
        let at = (number as usize).checked_sub(1);
        at.filter(|at| *at < self.messages.len()).ok_or_else(|| {
            let exists = self.messages.len();
            format!("{rule}: there is no message {number} of {exists}")
        })
    }

    /// A message's UID was told.
    ///
    /// # Errors
    /// If it can't be.
    pub fn learn_uid(&mut self, number: u32, uid: u32) -> Result<(), String> {
        let at = self.at(number, "number")?;
        if let Some(known) = self.messages[at].uid {
            return match known == uid {
                true => Ok(()),
                false => Err(format!(
                    "uid: of message {number} it was {known}, and is {uid}"
                )),
            };
        }
        let before = self.messages[..at]
            .iter()
            .filter_map(|known| known.uid)
            .max();
        let after = self.messages[at + 1..]
            .iter()
            .filter_map(|known| known.uid)
            .min();
        let ascends =
            before.is_none_or(|before| before < uid) && after.is_none_or(|after| uid < after);
        if !ascends {
            return Err(format!(
                "uid: {uid} of message {number} stands between {before:?} and {after:?}"
            ));
        }
        if uid < self.messages[at].uid_min {
            return Err(format!(
                "uid: {uid} of message {number} is below the UIDNEXT {} told before it came",
                self.messages[at].uid_min
            ));
        }
        self.messages[at].uid = Some(uid);
        Ok(())
    }

    /// A message by UID: its number.
    #[must_use]
    pub fn number_of(&self, uid: u32) -> Option<u32> {
        let at = self
            .messages
            .iter()
            .position(|known| known.uid == Some(uid))?;
        u32::try_from(at + 1).ok()
    }

    /// How many messages there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }

    /// Whether it has everything that is certain; and the messages whose flags it hasn't,
    /// as may be if they are gone by now.
    ///
    /// # Errors
    /// What is missing, or should be gone.
    pub fn has(&self, certain: &Certain) -> Result<BTreeSet<u32>, String> {
        self.has_messages(certain)?;
        let mut gone = BTreeSet::new();
        for CertainFlags {
            uid,
            owned,
            value,
            may_be_gone,
        } in &certain.flags
        {
            let shown = self.messages.iter().find(|known| known.uid == Some(*uid));
            let flags = shown.and_then(|known| known.flags.as_ref());
            let Some(flags) = flags.filter(|flags| owned.part(flags) != *value) else {
                continue;
            };
            if !may_be_gone || self.surely_gone.contains(uid) {
                return Err(format!(
                    "untold: of UID {uid}, {flags:?} was told, but {value:?} was stored before, as {owned:?} says"
                ));
            }
            gone.insert(*uid);
        }
        Ok(gone)
    }

    fn has_messages(&self, certain: &Certain) -> Result<(), String> {
        let unknown = self.messages.iter().filter(|known| known.uid.is_none());
        let known = |uid: &u32| self.number_of(*uid).is_some();
        let missing: Vec<u32> = certain
            .there
            .iter()
            .copied()
            .filter(|uid| !known(uid))
            .collect();
        if missing.len() > unknown.count() {
            return Err(format!("untold: these UIDs were there before: {missing:?}"));
        }
        match certain.gone.iter().find(|uid| known(uid)) {
            Some(uid) => Err(format!("untold: UID {uid} was expunged before")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Owned;
    use super::*;

    fn of(uids: &[u32]) -> Picture {
        let mut picture = Picture::default();
        picture.exists(uids.len() as u32).unwrap();
        for (uid, number) in uids.iter().zip(1..) {
            picture.learn_uid(number, *uid).unwrap();
        }
        picture
    }

    #[test]
    fn messages_go_by_expunge_alone() {
        let mut picture = of(&[3, 5, 9]);
        assert!(picture.exists(2).is_err());
        assert!(picture.expunge(4).is_err() && picture.expunge(0).is_err());
        assert_eq!(picture.expunge(2).unwrap().uid, Some(5));
        assert_eq!(picture.number_of(9), Some(2));
    }

    #[test]
    fn flags_of_what_may_be_gone_are_missed_once_and_then_it_must_be_gone() {
        let mut picture = of(&[3, 5]);
        let flags = |flag: &str| Flags::from([flag.to_owned()]);
        picture.messages[1].flags = Some(flags("old"));
        let mut certain = Certain::default();
        certain.flags.push(CertainFlags {
            uid: 5,
            owned: Owned::whole(1),
            value: flags("new"),
            may_be_gone: false,
        });
        assert!(picture.has(&certain).is_err());
        certain.flags[0].may_be_gone = true;
        picture.surely_gone = picture.has(&certain).unwrap();
        assert_eq!(picture.surely_gone, BTreeSet::from([5]));
        assert!(picture.has(&certain).is_err(), "it is still there");
        picture.expunge(2).unwrap();
        assert_eq!(picture.has(&certain), Ok(BTreeSet::new()));
    }

    #[test]
    fn uids_ascend_and_stay() {
        let mut picture = of(&[3, 5, 9]);
        assert!(picture.learn_uid(2, 6).is_err());
        picture.uid_next = 20;
        picture.exists(4).unwrap();
        assert!(picture.learn_uid(4, 9).is_err(), "not above its neighbour");
        assert!(picture.learn_uid(4, 12).is_err(), "below UIDNEXT");
        assert!(picture.learn_uid(4, 20).is_ok());
    }
}
