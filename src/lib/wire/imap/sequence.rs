//! Sets of message numbers: sequence numbers and UIDs look alike.

use std::fmt;
use std::ops::RangeInclusive;

use preauth::imap::cursor::Cursor;

use super::Parsed;
use super::refusal::{Refusal, expected};
use crate::limits::SEQUENCE_RANGES_MAX;

/// `sequence-set = (seq-number / seq-range) ["," sequence-set] / seq-last-command`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SequenceSet {
    /// At least one range, in the client's order.
    Ranges(Vec<SequenceRange>),
    /// `$`: what the last SEARCH RETURN (SAVE) found.
    Saved,
}

/// `seq-range = seq-number ":" seq-number`; a single number is a range to
/// itself. The ends may come in either order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceRange {
    /// As written first.
    pub from: Bound,
    /// As written last.
    pub to: Bound,
}

/// `seq-number = nz-number / "*"`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Never 0.
    Number(u32),
    /// `*`: the largest number in use.
    Largest,
}

impl SequenceSet {
    /// Ranges as they are, not empty.
    #[must_use]
    pub fn from_numbers(numbers: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
        for number in numbers {
            join(&mut ranges, number..=number);
        }
        let bound = Bound::Number;
        let range = |range: &RangeInclusive<u32>| SequenceRange {
            from: bound(*range.start()),
            to: bound(*range.end()),
        };
        (!ranges.is_empty()).then(|| Self::Ranges(ranges.iter().map(range).collect()))
    }

    /// The numbers as ascending ranges that neither touch nor overlap, with `*`
    /// as `largest`. Where nothing is in use (`largest` is 0) `*` is nothing.
    /// Of `$` the caller knows more than the set, so it gives none.
    #[must_use]
    pub fn resolve(&self, largest: u32) -> Vec<RangeInclusive<u32>> {
        let Self::Ranges(ranges) = self else {
            return Vec::new();
        };
        let mut resolved: Vec<_> = ranges
            .iter()
            .filter_map(|range| range.resolve(largest))
            .collect();
        resolved.sort_unstable_by_key(|range| *range.start());
        let mut merged = Vec::with_capacity(resolved.len());
        for range in resolved {
            join(&mut merged, range);
        }
        merged
    }
}

impl SequenceRange {
    fn resolve(self, largest: u32) -> Option<RangeInclusive<u32>> {
        let from = self.from.resolve(largest)?;
        let to = self.to.resolve(largest)?;
        Some(from.min(to)..=from.max(to))
    }
}

impl Bound {
    fn resolve(self, largest: u32) -> Option<u32> {
        match self {
            Self::Number(number) => Some(number),
            Self::Largest => (largest > 0).then_some(largest),
        }
    }
}

/// Adds a range that begins nowhere before the last one.
fn join(ranges: &mut Vec<RangeInclusive<u32>>, range: RangeInclusive<u32>) {
    match ranges.last_mut() {
        Some(last)
            if range.start() >= last.start() && *range.start() <= last.end().saturating_add(1) =>
        {
            *last = *last.start()..=*last.end().max(range.end());
        }
        _ => ranges.push(range),
    }
}

/// `sequence-set = (seq-number / seq-range) ["," sequence-set] / "$"`
pub(super) fn sequence_set(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    if cursor.accept(b'$') {
        return Ok(SequenceSet::Saved);
    }
    let mut ranges = vec![seq_range(cursor)?];
    while cursor.accept(b',') {
        if ranges.len() >= SEQUENCE_RANGES_MAX {
            return Err(Refusal::TooMany("ranges"));
        }
        ranges.push(seq_range(cursor)?);
    }
    Ok(SequenceSet::Ranges(ranges))
}

/// `seq-number / seq-range`, where `seq-range = seq-number ":" seq-number`
fn seq_range(cursor: &mut Cursor<'_>) -> Parsed<SequenceRange> {
    let from = seq_number(cursor)?;
    let to = if cursor.accept(b':') {
        seq_number(cursor)?
    } else {
        from
    };
    Ok(SequenceRange { from, to })
}

/// `seq-number = nz-number / "*"`
fn seq_number(cursor: &mut Cursor<'_>) -> Parsed<Bound> {
    if cursor.accept(b'*') {
        return Ok(Bound::Largest);
    }
    nz_number(cursor).map(Bound::Number)
}

/// `nz-number = digit-nz *DIGIT`, below 2^32
pub(super) fn nz_number(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    match cursor.peek() {
        Some(b'1'..=b'9') => (),
        _ => return Err(expected("a number above 0")),
    }
    u32::try_from(cursor.number()?).map_err(|_| expected("a number below 2^32"))
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Ranges(ranges) = self else {
            return out.write_str("$");
        };
        for (at, range) in ranges.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(out, "{comma}{range}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SequenceRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from == self.to {
            true => self.from.fmt(out),
            false => write!(out, "{}:{}", self.from, self.to),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(out),
            Self::Largest => out.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Parsed<SequenceSet> {
        let mut cursor = Cursor::new(text.as_bytes());
        let set = sequence_set(&mut cursor)?;
        cursor.end()?;
        Ok(set)
    }

    #[test]
    fn the_example_of_the_rfc_with_fifteen_messages() {
        let set = read("2,4:7,9,12:*").unwrap();
        assert_eq!(set.resolve(15), [2..=2, 4..=7, 9..=9, 12..=15]);
        assert_eq!(read("*:4,5:7").unwrap().resolve(10), [4..=10]);
    }

    #[test]
    fn a_star_below_the_other_end_still_means_the_last_message() {
        assert_eq!(read("559:*").unwrap().resolve(20), [20..=559]);
        assert_eq!(read("*").unwrap().resolve(0), []);
        assert_eq!(read("1:*").unwrap().resolve(0), []);
        assert_eq!(read("$").unwrap().resolve(9), []);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in [
            "",
            "0",
            "01",
            "1:",
            ":1",
            "1,",
            ",1",
            "1::2",
            "4294967296",
            "-1",
            "1 ",
            "$1",
            "**",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(
            read("4294967295").unwrap().resolve(1),
            [u32::MAX..=u32::MAX]
        );
    }

    #[test]
    fn a_set_with_a_million_ranges_is_refused() {
        let text = vec!["1"; SEQUENCE_RANGES_MAX + 1].join(",");
        assert_eq!(read(&text), Err(Refusal::TooMany("ranges")));
    }

    proptest! {
        #[test]
        fn a_set_is_read_as_it_is_written(numbers in proptest::collection::vec(1..50_u32, 1..20)) {
            let set = SequenceSet::from_numbers(numbers.iter().copied()).unwrap();
            prop_assert_eq!(read(&set.to_string()), Ok(set));
        }

        #[test]
        fn resolving_keeps_exactly_the_numbers(numbers in proptest::collection::vec(1..50_u32, 1..20)) {
            let set = SequenceSet::from_numbers(numbers.iter().copied()).unwrap();
            let resolved = set.resolve(50);
            let found: Vec<u32> = resolved.iter().cloned().flatten().collect();
            let mut wanted = numbers.clone();
            wanted.sort_unstable();
            wanted.dedup();
            prop_assert_eq!(found, wanted);
            prop_assert!(resolved.windows(2).all(|pair| *pair[0].end() + 1 < *pair[1].start()));
        }
    }
}
