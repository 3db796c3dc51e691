//! Pages of what was found or meant (RFC 9394): so many of the first, or of the last.

use std::fmt;
use std::ops::RangeInclusive;

use preauth::imap::cursor::Cursor;

use super::Parsed;
use super::sequence::nz_number;

/// `partial-range = partial-range-first / partial-range-last`, as the client wrote it:
/// the answer says it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialRange {
    /// 1 is the last, 2 the last but one.
    from_last: bool,
    /// Never 0; the ends may come in either order.
    ends: (u32, u32),
}

impl PartialRange {
    /// The last so many. None of nothing.
    #[must_use]
    pub fn last(count: u32) -> Option<Self> {
        (count > 0).then_some(Self {
            from_last: true,
            ends: (1, count),
        })
    }

    /// Which of `count` results, of which the first is 0, are on the page.
    #[must_use]
    pub fn of(self, count: usize) -> std::ops::Range<usize> {
        let page = self.numbers();
        let before = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let start = before(page.start().saturating_sub(1)).min(count);
        let end = before(*page.end()).min(count);
        match self.from_last {
            false => start..end,
            true => count.saturating_sub(end)..count.saturating_sub(start),
        }
    }

    /// Whether it is counted from the last.
    #[must_use]
    pub fn is_from_last(self) -> bool {
        self.from_last
    }

    /// With so many results, counted from where it is counted, the page is full.
    #[must_use]
    pub fn depth(self) -> usize {
        usize::try_from(*self.numbers().end()).unwrap_or(usize::MAX)
    }

    /// How many there are on a full page.
    #[must_use]
    pub fn len(self) -> u64 {
        let page = self.numbers();
        u64::from(page.end().saturating_sub(*page.start())).saturating_add(1)
    }

    /// A range has two ends, and what lies between is never nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        false
    }

    fn numbers(self) -> RangeInclusive<u32> {
        let (from, to) = self.ends;
        from.min(to)..=from.max(to)
    }
}

impl fmt::Display for PartialRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minus, (from, to)) = (if self.from_last { "-" } else { "" }, self.ends);
        write!(out, "{minus}{from}:{minus}{to}")
    }
}

/// `modifier-partial = "PARTIAL" SP partial-range`, behind its name
pub(super) fn modifier_partial(cursor: &mut Cursor<'_>) -> Parsed<PartialRange> {
    cursor.space()?;
    partial_range(cursor)
}

/// `partial-range-first = nz-number ":" nz-number`,
/// `partial-range-last = MINUS nz-number ":" MINUS nz-number`
fn partial_range(cursor: &mut Cursor<'_>) -> Parsed<PartialRange> {
    let from_last = cursor.accept(b'-');
    let from = nz_number(cursor)?;
    cursor.byte(b':', "both ends of a range")?;
    if from_last {
        cursor.byte(b'-', "a range of which both ends are counted from the last")?;
    }
    let to = nz_number(cursor)?;
    Ok(PartialRange {
        from_last,
        ends: (from, to),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Parsed<PartialRange> {
        let mut cursor = Cursor::new(text.as_bytes());
        let range = partial_range(&mut cursor)?;
        cursor.end()?;
        Ok(range)
    }

    /// RFC 9394, section 3.1, with the 23764 results of its examples.
    #[test]
    fn the_pages_of_the_rfc_are_these_of_its_results() {
        let page = |text: &str| read(text).unwrap().of(23764);
        assert_eq!(page("-1:-100"), 23664..23764);
        assert_eq!(page("23500:24000"), 23499..23764);
        assert_eq!(page("1:500"), 0..500);
        assert!(page("24000:24500").is_empty());
        assert_eq!(page("400:500"), page("500:400"));
        assert_eq!(page("-400:-500"), page("-500:-400"));
        assert!(page("-23765:-30000").is_empty());
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let wrong = [
            "",
            "1",
            "-1",
            "1:",
            ":1",
            "0:1",
            "1:0",
            "1:*",
            "*:1",
            "-1:1",
            "1:-1",
            "-0:-1",
            "1:2:3",
            "--1:-2",
            "1:4294967296",
        ];
        for text in wrong {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_page_is_read_as_it_is_written(
            from_last: bool, ends in (1_u32.., 1_u32..),
        ) {
            let range = PartialRange { from_last, ends };
            prop_assert_eq!(read(&range.to_string()), Ok(range));
        }

        /// Against the definition: the results are numbered, and those whose number is in
        /// the range are on the page.
        #[test]
        fn a_page_has_what_its_numbers_name(
            from_last: bool, ends in (1_u32..12, 1_u32..12), count in 0_usize..14,
        ) {
            let range = PartialRange { from_last, ends };
            let number = |at: usize| if from_last { count - at } else { at + 1 };
            let (first, last) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let is_named = |at: &usize| (first as usize..=last as usize).contains(&number(*at));
            let named: Vec<usize> = (0..count).filter(is_named).collect();
            prop_assert_eq!(range.of(count).collect::<Vec<_>>(), named);
        }

        #[test]
        fn what_lies_beyond_its_depth_changes_no_page(
            from_last: bool, ends in (1_u32..12, 1_u32..12), more in 0_usize..5,
        ) {
            let range = PartialRange { from_last, ends };
            let shift = if range.is_from_last() { more } else { 0 };
            let page = range.of(range.depth());
            let shifted = page.start + shift..page.end + shift;
            prop_assert_eq!(range.of(range.depth() + more), shifted);
        }
    }
}
