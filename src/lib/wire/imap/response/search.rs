//! SEARCH and ESEARCH (RFC 9051 §7.3.4), however much was found: the numbers are
//! written in steps, between which they can leave.

use super::data::{ESearch, esearch, search};
use super::{put, put_range};
use std::ops::RangeInclusive;

/// Writes `"SEARCH" *(SP nz-number)`, or an `esearch-response` whose ALL comes
/// last.
#[derive(Debug)]
#[must_use = "a SEARCH that isn't ended leaves half a response"]
pub struct SearchWriter {
    has_all: bool,
}

impl SearchWriter {
    /// Begins a SEARCH.
    pub fn search(out: &mut Vec<u8>) -> Self {
        put(out, "* SEARCH");
        Self { has_all: false }
    }

    /// Begins an ESEARCH with everything that is known of it already.
    pub fn esearch(out: &mut Vec<u8>, found: &ESearch<'_>) -> Self {
        put(out, "* ");
        esearch(out, found);
        Self {
            has_all: found.all.is_some(),
        }
    }

    /// Numbers of a SEARCH.
    pub fn numbers(&mut self, out: &mut Vec<u8>, numbers: &[u32]) {
        search(out, numbers);
    }

    /// Ranges of an ESEARCH's ALL: ascending, apart from each other.
    pub fn ranges(&mut self, out: &mut Vec<u8>, ranges: &[RangeInclusive<u32>]) {
        for range in ranges {
            put(out, if self.has_all { "," } else { " ALL " });
            self.has_all = true;
            put_range(out, range);
        }
    }

    /// `search-sort-mod-seq = "(" "MODSEQ" SP mod-sequence-value ")"` (RFC 7162, section
    /// 7): the highest of what a SEARCH has found, behind its last number.
    pub fn modseq(&mut self, out: &mut Vec<u8>, modseq: u64) {
        put(out, &format!(" (MODSEQ {modseq})"));
    }

    /// The end.
    pub fn end(self, out: &mut Vec<u8>) {
        put(out, "\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Data, data};
    use super::*;
    use crate::imap::{Dialect, SequenceSet, Tag};
    use proptest::prelude::*;

    fn at_once(said: &Data<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        data(&mut out, Dialect::Rev2, said);
        out
    }

    proptest! {
        #[test]
        fn in_steps_or_at_once_it_is_the_same(
            numbers in prop::collection::btree_set(1u32..60, 1..20), step in 1usize..6,
        ) {
            let numbers: Vec<u32> = numbers.into_iter().collect();
            let mut out = Vec::new();
            let mut writer = SearchWriter::search(&mut out);
            numbers.chunks(step).for_each(|some| writer.numbers(&mut out, some));
            writer.end(&mut out);
            prop_assert_eq!(out, at_once(&Data::Search(&numbers)));

            let all = SequenceSet::from_numbers(numbers.iter().copied()).unwrap();
            let tag = Tag::new(b"a").unwrap();
            let found = ESearch { tag: &tag, uid: true, min: Some(1), max: None, all: None, count: None, modseq: None };
            let mut out = Vec::new();
            let mut writer = SearchWriter::esearch(&mut out, &found);
            let ranges = all.resolve(u32::MAX);
            ranges.chunks(step).for_each(|some| writer.ranges(&mut out, some));
            writer.end(&mut out);
            let all = ESearch { all: Some(&all), ..found };
            prop_assert_eq!(out, at_once(&Data::ESearch(all)));
        }
    }
}
