//! OK with COPYUID (RFC 4315 §3), however much was copied: the two sets are written
//! in steps, between which they can leave.

use super::{Status, put, put_range};
use crate::Text;
use crate::imap::Tag;
use std::ops::RangeInclusive;

/// Writes `"OK" SP "[COPYUID" SP nz-number SP uid-set SP uid-set "]" SP text`. The
/// two sets name the same messages in the same order; neither is empty, for of
/// nothing that was copied there is nothing to say.
#[derive(Debug)]
#[must_use = "a COPYUID that isn't ended leaves half a response"]
pub struct CopyUidWriter {
    /// What stands before the next range.
    separator: &'static str,
}

impl CopyUidWriter {
    /// Begins the answer to a COPY, or with no tag the remark before that to a MOVE.
    /// `validity` is the target's UIDVALIDITY.
    pub fn begin(out: &mut Vec<u8>, tag: Option<&Tag>, validity: u32) -> Self {
        let tag = tag.map_or("*", Tag::as_str);
        let ok = Status::Ok.as_str();
        put(out, &format!("{tag} {ok} [COPYUID {validity}"));
        Self { separator: " " }
    }

    /// UIDs of the set that is being written: of the source, and after
    /// [`Self::turn`] of the target. Ascending, apart from each other.
    pub fn ranges(&mut self, out: &mut Vec<u8>, ranges: &[RangeInclusive<u32>]) {
        for range in ranges {
            put(out, self.separator);
            self.separator = ",";
            put_range(out, range);
        }
    }

    /// The source's set is whole; the target's begins.
    pub fn turn(&mut self) {
        self.separator = " ";
    }

    /// The end.
    pub fn end(self, out: &mut Vec<u8>, text: &Text<'_>) {
        put(out, "] ");
        put(out, text.as_str());
        put(out, "\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Both sets, some ranges at a time.
    fn said(tag: Option<&Tag>, sets: [&[RangeInclusive<u32>]; 2], step: usize) -> String {
        let mut out = Vec::new();
        let mut writer = CopyUidWriter::begin(&mut out, tag, 38505);
        let [from, to] = sets;
        let write = |writer: &mut CopyUidWriter, out: &mut Vec<u8>, set: &[_]| {
            set.chunks(step).for_each(|some| writer.ranges(out, some));
        };
        write(&mut writer, &mut out, from);
        writer.turn();
        write(&mut writer, &mut out, to);
        writer.end(&mut out, &Text::new("Copied"));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_reads_as_in_the_rfc() {
        let tag = Tag::new(b"A003").unwrap();
        let (from, to) = ([304..=304, 319..=320], [3956..=3958]);
        assert_eq!(
            said(Some(&tag), [&from, &to], 9),
            "A003 OK [COPYUID 38505 304,319:320 3956:3958] Copied\r\n"
        );
        assert_eq!(
            said(None, [&[1..=1], &[2..=2]], 9),
            "* OK [COPYUID 38505 1 2] Copied\r\n"
        );
    }

    proptest! {
        #[test]
        fn in_steps_or_at_once_it_is_the_same(
            from in prop::collection::vec(1u32..60, 1..20),
            to in prop::collection::vec(1u32..60, 1..20),
            step in 1usize..6,
        ) {
            let ranges = |ends: Vec<u32>| ends.into_iter().map(|end| 1..=end).collect::<Vec<_>>();
            let (from, to) = (ranges(from), ranges(to));
            prop_assert_eq!(said(None, [&from, &to], step), said(None, [&from, &to], usize::MAX));
        }
    }
}
