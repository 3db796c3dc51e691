//! The numbers that name things, each a type of its own so that none is taken
//! for another.

use std::fmt;
use std::num::NonZeroU32;

/// An account. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u32);

/// A mailbox within its account. Never given twice, and stays when the mailbox
/// is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub u64);

impl MailboxId {
    /// The mailbox that mail comes to. It is an id; its name is only shown.
    pub const INBOX: Self = Self(1);
}

/// A message within its account (EMAILID of RFC 8474): copies share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// A conversation within its account (THREADID of RFC 8474): the id of the first
/// message that was known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub u64);

/// A file of entries within its account. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChunkId(pub(crate) u64);

/// A pack file within its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackId(pub u64);

/// The place of a change in the account's history (RFC 7162). Strictly
/// increasing over the whole account; one per transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Modseq(pub u64);

impl Modseq {
    /// The highest that IMAP can say (RFC 7162: 63 bits).
    pub const MAX: Self = Self((1 << 63) - 1);

    /// The next one; `None` if there is none.
    pub(crate) fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0.saturating_add(1)))
    }
}

/// A message's number within its mailbox (RFC 9051, section 2.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// The lowest.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The highest. Never given to a message, so that UIDNEXT is a UID too.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// `None` for 0.
    pub fn new(uid: u32) -> Option<Self> {
        NonZeroU32::new(uid).map(Self)
    }

    /// As a number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The UID `n` further on; `None` if there is none.
    pub(crate) fn after(self, n: u32) -> Option<Self> {
        self.0.checked_add(n).map(Self)
    }

    /// The UID before; `None` before the lowest.
    pub(crate) fn before(self) -> Option<Self> {
        Self::new(self.get().saturating_sub(1))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What makes UIDs of one mailbox name unique over time: rises at every recreate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UidValidity(NonZeroU32);

impl UidValidity {
    /// `None` for 0.
    pub fn new(validity: u32) -> Option<Self> {
        NonZeroU32::new(validity).map(Self)
    }

    /// As a number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    pub(crate) fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// One message's place in one mailbox, never given twice: what POP3's UIDL shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub validity: UidValidity,
    /// The message's number in it.
    pub uid: Uid,
}

/// UIDs from `first` to `last`, both included, in either order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    /// One end.
    pub first: Uid,
    /// The other.
    pub last: Uid,
}

/// Any number of UIDs: ranges in order that neither meet nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UidSet(Vec<UidRange>);

impl UidSet {
    /// Puts ranges in order. What several of them name is in the set once.
    pub fn new(ranges: &[UidRange]) -> Self {
        let mut sorted: Vec<UidRange> = ranges
            .iter()
            .map(|range| UidRange {
                first: range.first.min(range.last),
                last: range.first.max(range.last),
            })
            .collect();
        sorted.sort_unstable_by_key(|range| range.first);
        Self::of_ordered(sorted.into_iter())
    }

    /// Every UID.
    pub fn all() -> Self {
        Self(vec![UidRange {
            first: Uid::MIN,
            last: Uid::MAX,
        }])
    }

    /// A set of ranges whose first UIDs are in order.
    pub(crate) fn of_ordered(ranges: impl Iterator<Item = UidRange>) -> Self {
        let mut set = Self::default();
        ranges.for_each(|range| set.join(range));
        set
    }

    /// Takes the highest UID out.
    pub fn pop_last(&mut self) -> Option<Uid> {
        let range = self.0.last_mut()?;
        let last = range.last;
        match last.before().filter(|before| *before >= range.first) {
            Some(before) => range.last = before,
            None => {
                self.0.pop();
            }
        }
        Some(last)
    }

    /// Adds a range that begins at or after the start of the last one.
    fn join(&mut self, range: UidRange) {
        if let Some(last) = self.0.last_mut() {
            let touches = last.last.after(1).is_none_or(|next| range.first <= next);
            if touches {
                last.last = last.last.max(range.last);
                return;
            }
        }
        self.0.push(range);
    }

    /// Only what lies below `end`.
    pub(crate) fn below(mut self, end: Uid) -> Self {
        let Some(last) = end.before() else {
            return Self::default();
        };
        self.0.retain(|range| range.first <= last);
        if let Some(range) = self.0.last_mut() {
            range.last = range.last.min(last);
        }
        self
    }

    /// Only what another set has, too.
    pub fn within(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for range in &self.0 {
            let meeting = other.ranges_meeting(range.first, range.last).iter();
            meeting.for_each(|other| {
                both.join(UidRange {
                    first: range.first.max(other.first),
                    last: range.last.min(other.last),
                });
            });
        }
        both
    }

    /// Only what another set hasn't.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let (mut rest, mut from) = (Vec::new(), Some(Uid::MIN));
        for range in &other.0 {
            if let Some((first, last)) = from.zip(range.first.before()) {
                rest.extend((first <= last).then_some(UidRange { first, last }));
            }
            from = range.last.after(1);
        }
        let last = Uid::MAX;
        rest.extend(from.map(|first| UidRange { first, last }));
        self.within(&Self(rest))
    }

    /// The ranges, lowest first.
    pub fn ranges(&self) -> &[UidRange] {
        &self.0
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds `uid`.
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.0.partition_point(|range| range.last < uid);
        self.0.get(at).is_some_and(|range| range.first <= uid)
    }

    /// Whether it holds any UID from `first` to `last`.
    pub(crate) fn meets(&self, first: Uid, last: Uid) -> bool {
        let at = self.0.partition_point(|range| range.last < first);
        self.0.get(at).is_some_and(|range| range.first <= last)
    }

    /// The ranges that hold any UID from `first` to `last`.
    pub(crate) fn ranges_meeting(&self, first: Uid, last: Uid) -> &[UidRange] {
        let from = self.0.partition_point(|range| range.last < first);
        let rest = self.0.get(from..).unwrap_or(&[]);
        let len = rest.partition_point(|range| range.first <= last);
        rest.get(..len).unwrap_or(&[])
    }

    /// Whether it holds every UID from `first` to `last`.
    pub(crate) fn covers(&self, first: Uid, last: Uid) -> bool {
        let at = self.0.partition_point(|range| range.last < last);
        self.0.get(at).is_some_and(|range| range.first <= first)
    }

    /// A set whose ranges are in order already; `None` if they aren't.
    pub(crate) fn ordered(ranges: Vec<UidRange>) -> Option<Self> {
        let set = Self::new(&ranges);
        (set.0 == ranges).then_some(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    fn range((a, b): &(u32, u32)) -> UidRange {
        UidRange {
            first: uid(*a),
            last: uid(*b),
        }
    }

    proptest! {
        #[test]
        fn a_set_holds_exactly_what_its_ranges_name(pairs in prop::collection::vec((1_u32..60, 1_u32..60), 0..8), end in 1_u32..70) {
            let ranges: Vec<_> = pairs.iter().map(range).collect();
            let named: BTreeSet<u32> = pairs.iter().flat_map(|(a, b)| *a.min(b)..=*a.max(b)).collect();
            let set = UidSet::new(&ranges);
            for n in 1..80 {
                prop_assert_eq!(set.contains(uid(n)), named.contains(&n));
            }
            prop_assert_eq!(UidSet::ordered(set.ranges().to_vec()), Some(set.clone()));
            for first in 1..70 {
                let last = first + end % 9;
                let mut span = first..=last;
                prop_assert_eq!(set.meets(uid(first), uid(last)), !set.ranges_meeting(uid(first), uid(last)).is_empty());
                prop_assert_eq!(set.meets(uid(first), uid(last)), span.clone().any(|n| named.contains(&n)));
                prop_assert_eq!(set.covers(uid(first), uid(last)), span.all(|n| named.contains(&n)));
            }
            let other = UidSet::new(&[range(&(end, end + 5)), range(&(3, 9))]);
            let (within, without) = (set.within(&other), set.without(&other));
            prop_assert_eq!(UidSet::ordered(within.ranges().to_vec()), Some(within.clone()));
            prop_assert_eq!(UidSet::ordered(without.ranges().to_vec()), Some(without.clone()));
            for n in 1..80 {
                let (here, there) = (set.contains(uid(n)), other.contains(uid(n)));
                prop_assert_eq!(within.contains(uid(n)), here && there);
                prop_assert_eq!(without.contains(uid(n)), here && !there);
            }
            let below = set.below(uid(end));
            for n in 1..80 {
                prop_assert_eq!(below.contains(uid(n)), named.contains(&n) && n < end);
            }
        }
    }

    #[test]
    fn ranges_out_of_order_are_no_ordered_set() {
        assert_eq!(UidSet::ordered(vec![range(&(5, 6)), range(&(1, 2))]), None);
        assert_eq!(UidSet::ordered(vec![range(&(6, 5))]), None);
        assert_eq!(UidSet::ordered(vec![range(&(1, 2)), range(&(3, 4))]), None);
    }
}
