//! Sets of UIDs as ranges: ascending, apart from each other.

use store::{Uid, UidRange, UidSet};

/// UIDs that ascend.
pub fn of_uids(uids: impl Iterator<Item = Uid>) -> Vec<UidRange> {
    let mut ranges: Vec<UidRange> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some(range) if range.last.get().checked_add(1) == Some(uid.get()) => range.last = uid,
            _ => ranges.push(UidRange {
                first: uid,
                last: uid,
            }),
        }
    }
    ranges
}

/// What is in both.
pub fn intersection(ours: &[UidRange], theirs: &[UidRange]) -> Vec<UidRange> {
    let (mut both, mut ours, mut theirs) = (Vec::new(), ours, theirs);
    while let ([one, our_rest @ ..], [other, their_rest @ ..]) = (ours, theirs) {
        let first = one.first.max(other.first);
        let last = one.last.min(other.last);
        if first <= last {
            both.push(UidRange { first, last });
        }
        match one.last < other.last {
            true => ours = our_rest,
            false => theirs = their_rest,
        }
    }
    both
}

/// What is in the first alone.
pub fn difference(ours: &[UidRange], theirs: &[UidRange]) -> Vec<UidRange> {
    let mut rest = Vec::new();
    for range in ours {
        let mut first = Some(range.first);
        let from = theirs.partition_point(|other| other.last < range.first);
        let cuts = theirs.get(from..).unwrap_or_default().iter();
        for cut in cuts.take_while(|cut| cut.first <= range.last) {
            let before = Uid::new(cut.first.get().saturating_sub(1));
            rest.extend(part(first, before));
            first = cut.last.get().checked_add(1).and_then(Uid::new);
        }
        rest.extend(part(first, Some(range.last)));
    }
    rest
}

/// What is in any.
pub fn union(ours: &[UidRange], theirs: &[UidRange]) -> Vec<UidRange> {
    UidSet::new(&[ours, theirs].concat()).ranges().to_vec()
}

fn part(first: Option<Uid>, last: Option<Uid>) -> Option<UidRange> {
    let (first, last) = (first?, last?);
    (first <= last).then_some(UidRange { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn sets() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(1u32..24, 0..16)
    }

    fn ranges(uids: &BTreeSet<u32>) -> Vec<UidRange> {
        of_uids(uids.iter().filter_map(|uid| Uid::new(*uid)))
    }

    proptest! {
        #[test]
        fn ranges_are_what_sets_are(ours in sets(), theirs in sets()) {
            let (us, them) = (ranges(&ours), ranges(&theirs));
            prop_assert_eq!(intersection(&us, &them), ranges(&(&ours & &theirs)));
            prop_assert_eq!(difference(&us, &them), ranges(&(&ours - &theirs)));
            prop_assert_eq!(union(&us, &them), ranges(&(&ours | &theirs)));
        }
    }
}
