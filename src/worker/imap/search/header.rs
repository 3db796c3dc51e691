//! Looking for strings in a letter's header.
//!
//! Fields are decoded (RFC 2047, RFC 2231) and folded once, some at a time;
//! then every string is looked for once, each in a step of its own. A header may
//! have hundreds of thousands of fields and a SEARCH a thousand strings, so that
//! the two together must never be one step.

use super::fold::fold;
use super::text::Needle;
use crate::imap::client::Client;
use crate::imap::letter::{Letter, Trouble};
use crate::shapes::Depth;
use message::header::Fields;
use message::{SectionText, Span, decode, header};
use std::collections::BTreeSet;
use std::ops::Range;

/// Bytes of fields that are decoded in one step; the dearest take 1 ms.
const STEP_BYTES: usize = 16 * 1024;

/// Stands behind each line. No string of a client's holds it (RFC 9051 §9,
/// CHAR8), so nothing is found across two lines.
const LINE_END: char = '\0';

/// A string that is looked for in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sought<'k> {
    /// Within fields of this name, in lower case; none: anywhere.
    pub name: Option<&'k str>,
    /// The string.
    pub needle: &'k Needle,
}

/// A letter's header, and which strings are known to be in it.
#[derive(Debug, Default)]
pub struct Header<'k> {
    /// `name: value`, folded, and [`LINE_END`], for each field.
    lines: String,
    fields: Vec<Field>,
    /// The day of the first Date field, if it has one.
    sent_day: Option<Option<i64>>,
    found: BTreeSet<Sought<'k>>,
}

/// Where a field's two parts stand in the lines.
#[derive(Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl<'k> Header<'k> {
    /// Reads a letter's header and looks for strings in it.
    pub async fn read(
        client: &mut Client,
        letter: &mut Letter,
        sought: &[Sought<'k>],
    ) -> Result<Self, Trouble> {
        letter.look(client, Depth::Header).await?;
        let span = letter.section(&[], SectionText::Header);
        let _watch = letter.watch().await?;
        let mut header = Self::of(client, letter, span.unwrap_or_default()).await?;
        for one in sought {
            header.look(*one);
            client.breathe().await?;
        }
        Ok(header)
    }

    /// The header in this span, in which nothing was looked for yet.
    async fn of(client: &mut Client, letter: &Letter, span: Span) -> Result<Self, Trouble> {
        let mut header = Self::default();
        let section = section(client, letter, span).await?;
        let mut fields = header::fields(&section);
        while header.take(&mut fields) {
            client.breathe().await?;
        }
        Ok(header)
    }

    /// The day that the sender's clock showed.
    pub fn sent_day(&self) -> Option<i64> {
        self.sent_day.flatten()
    }

    /// Whether a string that was looked for is there.
    pub fn has(&self, sought: Sought<'_>) -> bool {
        self.found.contains(&sought)
    }

    /// Takes some more fields; false if there are none.
    fn take(&mut self, fields: &mut Fields<'_>) -> bool {
        let mut taken = 0_usize;
        while taken < STEP_BYTES {
            let Some(field) = fields.next() else {
                return false;
            };
            taken = taken.saturating_add(field.raw.len());
            self.keep(field.name, field.value);
        }
        true
    }

    fn keep(&mut self, name: &[u8], value: &[u8]) {
        if self.sent_day.is_none() && name.eq_ignore_ascii_case(b"date") {
            let sent = decode::date(value);
            self.sent_day = Some(sent.map(decode::HeaderDate::written_day));
        }
        let name = self.push(&fold(&String::from_utf8_lossy(name)));
        self.lines.push_str(": ");
        let mut text = decode::field_text(value);
        text.push_str(&decode::params_text(value));
        let value = self.push(&fold(&text));
        self.lines.push(LINE_END);
        self.fields.push(Field { name, value });
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.lines.len();
        self.lines.push_str(text);
        start..self.lines.len()
    }

    fn look(&mut self, sought: Sought<'k>) {
        let is_there = match sought.name {
            Some(name) => self.is_in_field(name, sought.needle),
            None => sought.needle.is_in(&self.lines),
        };
        if is_there {
            self.found.insert(sought);
        }
    }

    fn is_in_field(&self, name: &str, needle: &Needle) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|field| {
            &self.lines[field.name.clone()] == name
                && needle.is_in(&self.lines[field.value.clone()])
        })
    }
}

/// The fields in a span of a letter, decoded and folded, each with [`LINE_END`] behind.
pub async fn lines(client: &mut Client, letter: &Letter, span: Span) -> Result<String, Trouble> {
    Ok(Header::of(client, letter, span).await?.lines)
}

async fn section(client: &mut Client, letter: &Letter, span: Span) -> Result<Vec<u8>, Trouble> {
    let mut section = Vec::new();
    let mut pieces = letter.header(span);
    while let Some(piece) = pieces.next().await? {
        section.extend_from_slice(&piece);
        client.breathe().await?;
    }
    Ok(section)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header in which these were looked for.
    pub fn header<'k>(section: &[u8], sought: &[Sought<'k>]) -> Header<'k> {
        let mut header = Header::default();
        let mut fields = header::fields(section);
        while header.take(&mut fields) {}
        sought.iter().for_each(|one| header.look(*one));
        header
    }

    fn has(section: &[u8], name: Option<&str>, text: &str) -> bool {
        let needle = Needle::new(text);
        let sought = Sought {
            name,
            needle: &needle,
        };
        header(section, &[sought]).has(sought)
    }

    #[test]
    fn a_field_is_found_decoded_and_in_any_case() {
        let section = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nTo: x\r\n\r\n";
        assert!(has(section, Some("subject"), "GRÜ"));
        assert!(!has(section, Some("to"), "grü"));
        assert!(has(section, Some("to"), ""));
        assert!(!has(section, Some("cc"), ""));
        assert!(has(section, None, "to: x"));
        assert!(!has(section, Some("to"), "to: x"));
    }

    #[test]
    fn a_file_name_is_found_however_rfc_2231_has_split_it() {
        let section =
            b"Content-Disposition: attachment; filename*0*=utf-8''%C3%84;\r\n filename*1=b\r\n\r\n";
        assert!(has(section, Some("content-disposition"), "filename=äB"));
        assert!(has(section, None, "%c3%84"));
    }

    #[test]
    fn nothing_is_found_across_two_fields() {
        assert!(!has(b"A: ab\r\nB: cd\r\n\r\n", None, "abb"));
        assert!(has(b"A: ab\r\n cd\r\n\r\n", None, "ab cd"));
    }

    #[test]
    fn only_the_first_date_counts() {
        let day = |section: &[u8]| header(section, &[]).sent_day();
        let good = "Date: Fri, 2 Jan 1970 00:00:00 +0000\r\n";
        assert_eq!(day(good.as_bytes()), Some(1));
        assert_eq!(day(format!("DATE: soon\r\n{good}").as_bytes()), None);
    }

    proptest! {
        #[test]
        fn every_field_is_looked_at_however_many_there_are(at in 0usize..9000) {
            let mut section = "A: b\r\n".repeat(9000);
            section.insert_str(at * 6, "X: found\r\n");
            prop_assert!(has(section.as_bytes(), Some("x"), "found"));
        }
    }
}
