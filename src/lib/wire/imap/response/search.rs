//! SEARCH and ESEARCH (RFC 9051 §7.3.4), however much was found: the numbers are
//! written in steps, between which they can leave.

use super::data::{ESearch, esearch, search};
use super::{put, put_range};
use crate::imap::PartialRange;
use std::ops::RangeInclusive;

/// Writes `"SEARCH" *(SP nz-number)`, or an `esearch-response` whose ALL or PARTIAL
/// comes last.
#[derive(Debug)]
#[must_use = "a SEARCH that isn't ended leaves half a response"]
pub struct SearchWriter {
    /// What stands before the next range.
    lead: &'static str,
    /// The ranges stand in a list of their own.
    is_page: bool,
}

impl SearchWriter {
    /// Begins a SEARCH.
    pub fn search(out: &mut Vec<u8>) -> Self {
        put(out, "* SEARCH");
        Self::begun(" ALL ")
    }

    /// Begins a SORT: `"SORT" *(SP nz-number)` (RFC 5256, section 4)
    pub fn sort(out: &mut Vec<u8>) -> Self {
        put(out, "* SORT");
        Self::begun(" ALL ")
    }

    /// Begins an ESEARCH with everything that is known of it already.
    pub fn esearch(out: &mut Vec<u8>, found: &ESearch<'_>) -> Self {
        put(out, "* ");
        esearch(out, found);
        Self::begun(if found.all.is_some() { "," } else { " ALL " })
    }

    fn begun(lead: &'static str) -> Self {
        Self {
            lead,
            is_page: false,
        }
    }

    /// Begins PARTIAL: the ranges that follow are those of the page.
    /// `ret-data-partial = "PARTIAL" SP "(" partial-range SP partial-results ")"`
    /// (RFC 9394, section 4)
    pub fn partial(&mut self, out: &mut Vec<u8>, page: PartialRange) {
        put(out, &format!(" PARTIAL ({page} "));
        self.lead = "";
        self.is_page = true;
    }

    /// Begins what joins a result, or leaves it: the ranges that follow, in the mailbox's
    /// order. `ret-data-addto = "ADDTO" SP "(" context-position SP sequence-set ")"`,
    /// `ret-data-removefrom` likewise (RFC 5267, section 5)
    pub fn update(&mut self, out: &mut Vec<u8>, joins: bool) {
        put(
            out,
            if joins {
                " ADDTO (0 "
            } else {
                " REMOVEFROM (0 "
            },
        );
        self.lead = "";
        self.is_page = true;
    }

    /// Numbers of a SEARCH.
    pub fn numbers(&mut self, out: &mut Vec<u8>, numbers: &[u32]) {
        search(out, numbers);
    }

    /// Ranges of an ESEARCH's ALL or PARTIAL: those of a SEARCH ascend, apart from each
    /// other.
    pub fn ranges(&mut self, out: &mut Vec<u8>, ranges: &[RangeInclusive<u32>]) {
        for range in ranges {
            put(out, self.lead);
            self.lead = ",";
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
        if self.is_page {
            let is_empty = self.lead.is_empty();
            put(out, if is_empty { "NIL)" } else { ")" });
        }
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

    #[test]
    fn a_page_says_which_it_is_and_what_is_on_it() {
        let tag = Tag::new(b"A02").unwrap();
        let said = |ranges: &[RangeInclusive<u32>]| {
            let head = ESearch {
                source: None,
                tag: &tag,
                uid: true,
                min: None,
                max: None,
                all: None,
                count: Some(9),
                modseq: None,
            };
            let mut out = Vec::new();
            let mut writer = SearchWriter::esearch(&mut out, &head);
            writer.partial(&mut out, PartialRange::last(100).unwrap());
            ranges
                .iter()
                .for_each(|range| writer.ranges(&mut out, std::slice::from_ref(range)));
            writer.end(&mut out);
            String::from_utf8(out).unwrap()
        };
        let head = "* ESEARCH (TAG \"A02\") UID COUNT 9 PARTIAL (-1:-100 ";
        assert_eq!(said(&[]), format!("{head}NIL)\r\n"));
        assert_eq!(said(&[2..=4, 7..=7]), format!("{head}2:4,7)\r\n"));
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
            let found = ESearch { tag: &tag, uid: true, min: Some(1), max: None, all: None, count: None, modseq: None, source: None };
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
