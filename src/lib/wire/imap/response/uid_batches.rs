//! UIDBATCHES (RFC 10022), however many batches there are: they are written in steps,
//! between which they can leave.

use super::put;
use super::string::{number, string};
use crate::imap::Tag;

/// Writes `"UIDBATCHES" SP "(" "TAG" SP tag-string ")" [SP uid-range *("," uid-range)]`.
#[derive(Debug)]
#[must_use = "a UIDBATCHES that isn't ended leaves half a response"]
pub struct UidBatchesWriter {
    /// What stands before the next range.
    lead: &'static str,
}

impl UidBatchesWriter {
    /// Begins the answer to a command.
    pub fn begin(out: &mut Vec<u8>, tag: &Tag) -> Self {
        put(out, "* UIDBATCHES (TAG ");
        string(out, tag.as_str().as_bytes());
        put(out, ")");
        Self { lead: " " }
    }

    /// One batch: its highest UID, and its lowest.
    pub fn batch(&mut self, out: &mut Vec<u8>, highest: u32, lowest: u32) {
        put(out, self.lead);
        number(out, highest.into());
        put(out, ":");
        number(out, lowest.into());
        self.lead = ",";
    }

    /// The end.
    pub fn end(self, out: &mut Vec<u8>) {
        put(out, "\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(batches: &[(u32, u32)]) -> String {
        let mut out = Vec::new();
        let mut writer = UidBatchesWriter::begin(&mut out, &Tag::new(b"A143").unwrap());
        for (highest, lowest) in batches {
            writer.batch(&mut out, *highest, *lowest);
        }
        writer.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn batches_are_told_from_the_highest_uid_down() {
        let batches = [
            (215_295, 99_696),
            (99_695, 20_351),
            (20_350, 7_830),
            (7_829, 1),
        ];
        assert_eq!(
            said(&batches),
            "* UIDBATCHES (TAG \"A143\") 215295:99696,99695:20351,20350:7830,7829:1\r\n"
        );
        assert_eq!(said(&[(7, 7)]), "* UIDBATCHES (TAG \"A143\") 7:7\r\n");
        assert_eq!(said(&[]), "* UIDBATCHES (TAG \"A143\")\r\n");
    }
}
