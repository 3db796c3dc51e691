//! Which messages a command means: sequence sets and UID sets of the client's
//! view, as ranges of UIDs.
//!
//! Everything is resolved against the session's view, never against the mailbox
//! as it is: a message that the client has not been told of is not meant by any
//! set, and one that it has not been told to be gone still has its number.

use super::client::Client;
use super::selected::Selected;
use std::ops::RangeInclusive;
use store::{Entry, Messages, Refusal, Uid, UidRange, View};
use wire::imap::{Bound, SequenceSet};

/// Messages looked at between two breaths: a look is well under 5 ms.
pub const CHUNK_MESSAGES_MAX: usize = 64;

/// The messages that a set means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meant {
    /// Their UIDs; ascending, apart from each other.
    pub ranges: Vec<UidRange>,
    /// How many there must be, if they were named by sequence number.
    pub numbered: Option<u64>,
}

/// The set names a sequence number that no message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchNumber;

/// A message of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// Its sequence number.
    pub seq: u32,
    /// Its UID.
    pub uid: Uid,
}

impl Meant {
    /// What a set means.
    ///
    /// # Errors
    /// [`NoSuchNumber`] (RFC 9051 §9, seq-number).
    pub fn new(
        set: &SequenceSet,
        by_uid: bool,
        messages: &Messages<'_>,
        view: &View,
        saved: &[UidRange],
    ) -> Result<Self, NoSuchNumber> {
        match set {
            SequenceSet::Saved => Ok(Self {
                ranges: saved.to_vec(),
                numbered: None,
            }),
            _ if by_uid => Ok(Self::of_uids(set, messages, view)),
            _ => Self::of_numbers(set, messages, view),
        }
    }

    fn of_uids(set: &SequenceSet, messages: &Messages<'_>, view: &View) -> Self {
        let numbering = messages.numbering(view);
        let largest = numbering.uid_at(numbering.exists()).map_or(0, Uid::get);
        let known = set.resolve(largest).into_iter();
        let known = known.filter_map(|range| below(range, view.uid_next));
        Self {
            ranges: known.collect(),
            numbered: None,
        }
    }

    fn of_numbers(
        set: &SequenceSet,
        messages: &Messages<'_>,
        view: &View,
    ) -> Result<Self, NoSuchNumber> {
        let numbering = messages.numbering(view);
        let exists = numbering.exists();
        if names_beyond(set, exists) {
            return Err(NoSuchNumber);
        }
        let mut meant = Self {
            ranges: Vec::new(),
            numbered: Some(0),
        };
        for range in set.resolve(exists) {
            let end = (*range.end()).min(exists);
            let first = numbering.uid_at(*range.start());
            let last = numbering.uid_at(end);
            if let (Some(first), Some(last)) = (first, last) {
                let count = u64::from(end - range.start()) + 1;
                meant.numbered = meant.numbered.map(|sum| sum + count);
                meant.ranges.push(UidRange { first, last });
            }
        }
        Ok(meant)
    }

    /// The entries from `after` on that are still there, at most
    /// [`CHUNK_MESSAGES_MAX`].
    pub fn chunk<'m>(
        &'m self,
        messages: &'m Messages<'_>,
        view: &View,
        after: Option<Uid>,
    ) -> impl Iterator<Item = &'m Entry> {
        let end = view.uid_next;
        let start = after.map_or(1, |uid| uid.get().saturating_add(1));
        let ranges = self
            .ranges
            .iter()
            .filter(move |range| range.last.get() >= start);
        ranges
            .flat_map(move |range| {
                let first = Uid::new(range.first.get().max(start)).unwrap_or(range.first);
                messages
                    .iter_from(first)
                    .take_while(move |entry| entry.uid() <= range.last && entry.uid() < end)
            })
            .take(CHUNK_MESSAGES_MAX)
    }
}

/// Whether a number is named that is above `exists`. A range with `*` at its
/// other end is not: clients ask for what is new with `n:*`.
fn names_beyond(set: &SequenceSet, exists: u32) -> bool {
    let SequenceSet::Ranges(ranges) = set else {
        return false;
    };
    let beyond = |bound: Bound| matches!(bound, Bound::Number(number) if number > exists);
    ranges.iter().any(|range| {
        let open = range.from == Bound::Largest || range.to == Bound::Largest;
        !open && (beyond(range.from) || beyond(range.to))
    })
}

fn below(range: RangeInclusive<u32>, end: Uid) -> Option<UidRange> {
    let last = (*range.end()).min(end.get().saturating_sub(1));
    let first = Uid::new(*range.start())?;
    Some(UidRange {
        first,
        last: Uid::new(last).filter(|last| first <= *last)?,
    })
}

/// Walks over the messages that a set means, a chunk at a time, so that the
/// store is never borrowed while somebody else may run.
#[derive(Debug)]
pub struct Walk {
    meant: Meant,
    last: Option<Uid>,
    seen: u64,
}

impl Walk {
    /// At the first message.
    pub fn new(meant: Meant) -> Self {
        Self {
            meant,
            last: None,
            seen: 0,
        }
    }

    /// The next messages; none at the end.
    ///
    /// # Errors
    /// [`Refusal`]: the mailbox is gone.
    pub fn next(&mut self, client: &Client, selected: &Selected) -> Result<Vec<Numbered>, Refusal> {
        let store = client.account().store();
        let messages = store.messages(selected.handle())?;
        let view = selected.view();
        let numbering = messages.numbering(view);
        let entries = self.meant.chunk(&messages, view, self.last);
        let numbered = |entry: &Entry| {
            let seq = numbering.seq_of(entry.uid())?;
            Some(Numbered {
                seq,
                uid: entry.uid(),
            })
        };
        let chunk: Vec<Numbered> = entries.filter_map(numbered).collect();
        self.seen += chunk.len() as u64;
        self.last = chunk.last().map(|message| message.uid).or(self.last);
        Ok(chunk)
    }

    /// Whether messages that were named by number are gone: the client must be
    /// told that its picture is old.
    pub fn missed_some(&self) -> bool {
        self.meant.numbered.is_some_and(|named| named > self.seen)
    }
}
