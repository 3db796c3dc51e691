//! MODIFIED (RFC 7162 §3.1.3), however many messages it names: the set is written in
//! steps, between which it can leave.

use super::{Status, put, put_range};
use crate::Text;
use crate::imap::Tag;
use std::ops::RangeInclusive;

/// Writes `tag SP ("OK" / "NO") SP "[MODIFIED" SP sequence-set "]" SP text`; the set is not
/// empty.
#[derive(Debug)]
#[must_use = "a MODIFIED that isn't ended leaves half a response"]
pub struct ModifiedWriter {
    /// What stands before the next range.
    separator: &'static str,
}

impl ModifiedWriter {
    /// Begins the answer to a STORE.
    pub fn begin(out: &mut Vec<u8>, tag: &Tag, status: Status) -> Self {
        put(
            out,
            &format!("{} {} [MODIFIED", tag.as_str(), status.as_str()),
        );
        Self { separator: " " }
    }

    /// Sequence numbers or UIDs: ascending, apart from each other.
    pub fn ranges(&mut self, out: &mut Vec<u8>, ranges: &[RangeInclusive<u32>]) {
        for range in ranges {
            put(out, self.separator);
            self.separator = ",";
            put_range(out, range);
        }
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

    #[test]
    fn it_reads_as_in_the_rfc() {
        let mut out = Vec::new();
        let tag = Tag::new(b"d105").unwrap();
        let mut writer = ModifiedWriter::begin(&mut out, &tag, Status::Ok);
        writer.ranges(&mut out, &[7..=7]);
        writer.ranges(&mut out, &[9..=11]);
        writer.end(&mut out, &Text::new("Conditional STORE failed"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "d105 OK [MODIFIED 7,9:11] Conditional STORE failed\r\n"
        );
    }
}
