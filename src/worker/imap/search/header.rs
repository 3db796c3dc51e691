//! Looking for strings in letters' headers.
//!
//! The fields in which something is sought are decoded (RFC 2047, RFC 2231) and folded
//! once, some at a time; then every string is looked for once, each in a step of its
//! own. A header may have hundreds of thousands of fields and a SEARCH a thousand
//! strings, so that the two together must never be one step.
//!
//! Where only fields are asked for that gists have, a gist is read instead of the
//! letter.

use super::fold::fold_onto;
use super::key::{Asks, Key};
use super::probe::Probe;
use super::text::Needle;
use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::letter::{Letter, Trouble};
use crate::shapes::Depth;
use message::header::Fields;
use message::limits::HEADER_SECTION_BYTES_MAX;
use message::{Span, decode, header};
use std::collections::BTreeSet;
use std::ops::Range;

/// Bytes of fields that are looked at in one step, and comparisons of their names; the
/// dearest take 1 ms.
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

/// What was found in a letter's header.
#[derive(Debug, Default)]
pub struct Header<'k> {
    /// The day of the first Date field, if it has one and it was asked for.
    sent_day: Option<Option<i64>>,
    found: BTreeSet<Sought<'k>>,
}

impl Header<'_> {
    /// The day that the sender's clock showed.
    pub fn sent_day(&self) -> Option<i64> {
        self.sent_day.flatten()
    }

    /// Whether a string that was looked for is there.
    pub fn has(&self, sought: Sought<'_>) -> bool {
        self.found.contains(&sought)
    }
}

/// Looks for what a key asks, in one header after the other.
#[derive(Debug, Default)]
pub struct HeaderSearch<'k> {
    asks: Asks,
    sought: Vec<Sought<'k>>,
    /// Names of the fields in which something is sought; none: all fields.
    names: Option<Vec<&'k str>>,
    lines: Lines,
    /// Room for the fields of a gist.
    listed: Vec<u8>,
    probe: Option<Probe>,
}

/// Fields of one header.
#[derive(Debug, Default)]
struct Lines {
    /// `name: value`, folded, and [`LINE_END`], for each field.
    text: String,
    fields: Vec<Field>,
}

/// Where a field's two parts stand in the lines.
#[derive(Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl<'k> HeaderSearch<'k> {
    /// For what this key asks.
    pub fn new(key: &'k Key) -> Self {
        let sought = key.in_header();
        let names: Option<BTreeSet<&str>> = sought.iter().map(|sought| sought.name).collect();
        let asks = key.asks();
        Self {
            probe: Probe::new(&sought).filter(|_| !asks.sent),
            asks,
            names: names.map(|names| names.into_iter().collect()),
            sought,
            lines: Lines::default(),
            listed: Vec::new(),
        }
    }

    /// Looks into a letter's header. The letter must have been noted; see
    /// [`crate::suspects`].
    pub async fn read(
        &mut self,
        client: &mut Client,
        letter: &mut Letter,
    ) -> Result<Header<'k>, Trouble> {
        letter.look(client, Depth::Nothing).await?;
        if !self.asks.bytes
            && let Some(header) = self.read_gist(client, letter).await?
        {
            return Ok(header);
        }
        match letter.is_flat() {
            true => Ok(self.look(client, b"").await?),
            false => self.read_section(client, letter).await,
        }
    }

    /// None if no gist can say it: the letter is flat, or has too much to say.
    async fn read_gist(
        &mut self,
        client: &mut Client,
        letter: &mut Letter,
    ) -> Result<Option<Header<'k>>, Trouble> {
        let mut fields = std::mem::take(&mut self.listed);
        fields.clear();
        let mut known = letter.recall_fields(&mut fields).await;
        if !known {
            letter.look(client, Depth::Header).await?;
            let found = letter.listed_fields();
            known = found.is_some();
            fields.extend_from_slice(found.unwrap_or_default());
        }
        let probe = self.probe.as_mut().filter(|_| known);
        let header = match probe.is_some_and(|probe| probe.finds_nothing(&fields)) {
            true => Some(Header::default()),
            false if known => Some(self.look(client, &fields).await?),
            false => None,
        };
        self.listed = fields;
        Ok(header)
    }

    async fn read_section(
        &mut self,
        client: &mut Client,
        letter: &Letter,
    ) -> Result<Header<'k>, Trouble> {
        let end = letter.octets().min(HEADER_SECTION_BYTES_MAX);
        let mut pieces = letter.pieces(Span { start: 0, end });
        let mut section = Vec::new();
        while let Some(piece) = pieces.next().await? {
            if section.is_empty() && ends_within(&piece) {
                return Ok(self.look(client, &piece).await?);
            }
            section.extend_from_slice(&piece);
            if ends_within(&section) {
                break;
            }
            client.breathe().await?;
        }
        Ok(self.look(client, &section).await?)
    }

    /// Looks into a header section, whatever stands behind it.
    async fn look(&mut self, client: &mut Client, section: &[u8]) -> Result<Header<'k>, End> {
        let mut header = Header::default();
        self.lines.clear();
        let mut fields = header::fields(section);
        while self.take(&mut fields, &mut header) {
            client.breathe().await?;
        }
        for (at, sought) in self.sought.iter().enumerate() {
            if at > 0 {
                client.breathe().await?;
            }
            if self.lines.have(*sought) {
                header.found.insert(*sought);
            }
        }
        Ok(header)
    }

    /// Takes some more fields; false if there are none.
    fn take(&mut self, fields: &mut Fields<'_>, header: &mut Header<'k>) -> bool {
        let names = self.names.as_ref().map_or(0, Vec::len);
        let mut taken = 0_usize;
        while taken < STEP_BYTES {
            let Some(field) = fields.next() else {
                return false;
            };
            taken = taken.saturating_add(field.raw.len()).saturating_add(names);
            if self.asks.sent && header.sent_day.is_none() && is_named(field.name, "date") {
                let sent = decode::date(field.value);
                header.sent_day = Some(sent.map(decode::HeaderDate::written_day));
            }
            if self.is_asked(field.name) {
                self.lines.add(field.name, field.value);
            }
        }
        true
    }

    fn is_asked(&self, name: &[u8]) -> bool {
        let asked = |names: &Vec<&str>| names.iter().any(|asked| is_named(name, asked));
        self.names.as_ref().is_none_or(asked)
    }
}

fn is_named(name: &[u8], asked: &str) -> bool {
    name.eq_ignore_ascii_case(asked.as_bytes())
}

/// Whether the empty line is there that ends a header section.
fn ends_within(bytes: &[u8]) -> bool {
    let empty = |end: usize| matches!(bytes.get(end..), Some([b'\n', ..] | [b'\r', b'\n', ..]));
    empty(0) || memchr::memchr_iter(b'\n', bytes).any(|feed| empty(feed.saturating_add(1)))
}

impl Lines {
    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = self.push(&String::from_utf8_lossy(name));
        self.text.push_str(": ");
        let value = match decode::plain_text(value) {
            Some(text) => self.push(&text),
            None => self.push(&(decode::field_text(value) + &decode::params_text(value))),
        };
        self.text.push(LINE_END);
        self.fields.push(Field { name, value });
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        fold_onto(text, &mut self.text);
        start..self.text.len()
    }

    fn have(&self, sought: Sought<'_>) -> bool {
        match sought.name {
            Some(name) => self.have_in_field(name, sought.needle),
            None => sought.needle.is_in(&self.text),
        }
    }

    fn have_in_field(&self, name: &str, needle: &Needle) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|field| {
            self.text[field.name.clone()] == *name && needle.is_in(&self.text[field.value.clone()])
        })
    }
}

/// The fields in a span of a letter, decoded and folded, each with [`LINE_END`] behind.
pub async fn lines(client: &mut Client, letter: &Letter, span: Span) -> Result<String, Trouble> {
    let mut section = Vec::new();
    let mut pieces = letter.header(span);
    while let Some(piece) = pieces.next().await? {
        section.extend_from_slice(&piece);
        client.breathe().await?;
    }
    let (mut search, mut header) = (HeaderSearch::default(), Header::default());
    let mut fields = header::fields(&section);
    while search.take(&mut fields, &mut header) {
        client.breathe().await?;
    }
    Ok(search.lines.text)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    use wire::imap::When;

    /// A header in which a key was looked for.
    pub fn header<'k>(section: &[u8], key: &'k Key) -> Header<'k> {
        let mut search = HeaderSearch::new(key);
        let mut header = Header::default();
        let mut fields = header::fields(section);
        while search.take(&mut fields, &mut header) {}
        let found = search.sought.iter().filter(|one| search.lines.have(**one));
        header.found.extend(found);
        header
    }

    fn has(section: &[u8], name: Option<&str>, text: &str) -> bool {
        let needle = Needle::new(text);
        let key = match name {
            Some(name) => Key::Header(name.to_owned(), needle),
            None => Key::Text(needle),
        };
        !header(section, &key).found.is_empty()
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
        let key = Key::Sent(When::On, 0);
        let day = |section: &[u8]| header(section, &key).sent_day();
        let good = "Date: Fri, 2 Jan 1970 00:00:00 +0000\r\n";
        assert_eq!(day(good.as_bytes()), Some(1));
        assert_eq!(day(format!("DATE: soon\r\n{good}").as_bytes()), None);
    }

    #[test]
    fn a_name_of_other_letters_is_another_name() {
        assert!(!has(
            "\u{17f}ubject: x\r\n\r\n".as_bytes(),
            Some("subject"),
            "x"
        ));
        assert!(has(b"SUBJECT \t: x\r\n\r\n", Some("subject"), "x"));
    }

    proptest! {
        #[test]
        fn a_section_is_read_until_its_fields_end(
            bytes in prop::collection::vec(prop::sample::select(&b"a: \t\r\n"[..]), 0..24),
        ) {
            let fields: usize = header::fields(&bytes).map(|field| field.raw.len()).sum();
            prop_assert_eq!(ends_within(&bytes), fields < bytes.len());
        }

        #[test]
        fn every_field_is_looked_at_however_many_there_are(at in 0usize..9000) {
            let mut section = "A: b\r\n".repeat(9000);
            section.insert_str(at * 6, "X: found\r\n");
            prop_assert!(has(section.as_bytes(), Some("x"), "found"));
        }
    }
}
