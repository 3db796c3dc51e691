//! FETCH, piece by piece.
//!
//! A letter's bytes never pass through here unless they are at hand already:
//! the writer says how many come, and the caller sends them.

use std::fmt;

use crate::imap::fetch::display_part;
use crate::imap::{DateTime, Flag, ObjectId, Section, SectionText};

use super::body_structure::{BodyStructure, body};
use super::envelope::{Envelope, envelope};
use super::put;
use super::rendered::Rendered;
use super::string::{astring, literal_header, nstring, number};

/// Writes `message-data = nz-number SP "FETCH" SP msg-att`, one item at a time.
#[derive(Debug)]
#[must_use = "a FETCH that isn't ended leaves half a response"]
pub struct FetchWriter {
    is_first: bool,
}

/// `msg-att-dynamic / msg-att-static`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchData<'a> {
    /// The UID.
    Uid(u32),
    /// The mod-sequence (RFC 7162).
    Modseq(u64),
    /// The flags.
    Flags {
        /// Those that clients set.
        flags: &'a [Flag],
        /// `\Recent` (RFC 3501).
        recent: bool,
    },
    /// Which content it shows (RFC 8474).
    EmailId(ObjectId),
    /// Which conversation it belongs to (RFC 8474).
    ThreadId(ObjectId),
    /// When it came into this mailbox (RFC 8514).
    SaveDate(DateTime),
    /// Its first words (RFC 8970); none if they are not at hand.
    Preview(Option<&'a str>),
    /// When it came in.
    InternalDate(DateTime),
    /// `RFC822.SIZE`
    Size(u64),
    /// `ENVELOPE`
    Envelope(&'a Envelope<'a>),
    /// `ENVELOPE`, rendered before.
    RenderedEnvelope(Rendered<'a>),
    /// `BODY`
    Body(&'a BodyStructure<'a>),
    /// `BODYSTRUCTURE`
    BodyStructure(&'a BodyStructure<'a>),
    /// `BODYSTRUCTURE`, rendered before.
    RenderedBodyStructure(Rendered<'a>),
    /// `BODY[...]<...>`
    Section {
        /// What was asked for.
        section: &'a Section,
        /// Where a partial answer begins.
        origin: Option<u64>,
        /// The bytes.
        content: Content<'a>,
    },
    /// `RFC822`
    Rfc822(Content<'a>),
    /// `RFC822.HEADER`
    Rfc822Header(Content<'a>),
    /// `RFC822.TEXT`
    Rfc822Text(Content<'a>),
    /// `BINARY[...]<...>`
    Binary {
        /// What was asked for.
        part: &'a [u32],
        /// Where a partial answer begins.
        origin: Option<u64>,
        /// The bytes, which may hold NUL.
        content: Content<'a>,
    },
    /// `BINARY.SIZE[...]`
    BinarySize {
        /// What was asked for.
        part: &'a [u32],
        /// Its decoded length.
        bytes: u64,
    },
}

/// A part of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// There is no such part.
    Nil,
    /// These bytes.
    Inline(&'a [u8]),
    /// So many bytes, which the caller sends before the next item.
    Literal(u64),
}

/// `\Recent` (RFC 3501), which is no flag that clients set.
pub const RECENT: &str = "\\Recent";

impl FetchWriter {
    /// `nz-number SP "FETCH" SP "("`
    pub fn begin(out: &mut Vec<u8>, sequence_number: u32) -> Self {
        put(out, "* ");
        number(out, sequence_number.into());
        put(out, " FETCH (");
        Self { is_first: true }
    }

    /// `uniqueid SP "UIDFETCH" SP "("` (RFC 9586)
    pub fn begin_uid(out: &mut Vec<u8>, uid: u32) -> Self {
        put(out, "* ");
        number(out, uid.into());
        put(out, " UIDFETCH (");
        Self { is_first: true }
    }

    /// One item, and the space before it.
    pub fn item(&mut self, out: &mut Vec<u8>, item: &FetchData<'_>) {
        self.separate(out);
        msg_att(out, item);
    }

    /// FLAGS, by their names on the wire, and the space before it.
    pub fn flags<'f>(&mut self, out: &mut Vec<u8>, names: impl Iterator<Item = &'f str>) {
        self.separate(out);
        flag_fetch_list(out, names);
    }

    fn separate(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_first, false) {
            put(out, " ");
        }
    }

    /// Whether no item was written: `msg-att` needs one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_first
    }

    /// `")" CRLF`
    pub fn end(self, out: &mut Vec<u8>) {
        put(out, ")\r\n");
    }
}

/// `msg-att = "(" (msg-att-dynamic / msg-att-static) *(SP ...) ")"`, one of them
fn msg_att(out: &mut Vec<u8>, item: &FetchData<'_>) {
    match item {
        FetchData::Uid(uid) => {
            put(out, "UID ");
            number(out, (*uid).into());
        }
        FetchData::Modseq(modseq) => {
            put(out, "MODSEQ (");
            number(out, *modseq);
            put(out, ")");
        }
        FetchData::EmailId(id) => object(out, "EMAILID", id),
        FetchData::ThreadId(id) => object(out, "THREADID", id),
        FetchData::SaveDate(date) => put(out, &format!("SAVEDATE \"{date}\"")),
        FetchData::Preview(words) => {
            put(out, "PREVIEW ");
            nstring(out, words.map(str::as_bytes));
        }
        FetchData::Flags { flags, recent } => {
            let recent = recent.then_some(RECENT);
            flag_fetch_list(out, flags.iter().map(Flag::as_str).chain(recent));
        }
        FetchData::InternalDate(date) => put(out, &format!("INTERNALDATE \"{date}\"")),
        FetchData::Size(bytes) => {
            put(out, "RFC822.SIZE ");
            number(out, *bytes);
        }
        FetchData::RenderedEnvelope(value) => {
            put(out, "ENVELOPE ");
            out.extend_from_slice(value.bytes());
        }
        FetchData::RenderedBodyStructure(value) => {
            put(out, "BODYSTRUCTURE ");
            out.extend_from_slice(value.bytes());
        }
        FetchData::Envelope(value) => {
            put(out, "ENVELOPE ");
            envelope(out, value);
        }
        FetchData::Body(value) => {
            put(out, "BODY ");
            body(out, value, false);
        }
        FetchData::BodyStructure(value) => {
            put(out, "BODYSTRUCTURE ");
            body(out, value, true);
        }
        FetchData::Section {
            section: asked,
            origin,
            content,
        } => body_section(out, asked, *origin, *content),
        FetchData::Rfc822(content) => named_content(out, "RFC822", *content),
        FetchData::Rfc822Header(content) => named_content(out, "RFC822.HEADER", *content),
        FetchData::Rfc822Text(content) => named_content(out, "RFC822.TEXT", *content),
        FetchData::Binary {
            part,
            origin,
            content,
        } => {
            put(out, &format!("BINARY[{}]", Part(part)));
            put_origin(out, *origin);
            put_binary(out, *content);
        }
        FetchData::BinarySize { part, bytes } => {
            put(out, &format!("BINARY.SIZE[{}] {bytes}", Part(part)));
        }
    }
}

/// `"BODY" section ["<" number64 ">"] SP nstring`
fn body_section(out: &mut Vec<u8>, asked: &Section, origin: Option<u64>, content: Content<'_>) {
    put(out, "BODY");
    section(out, asked);
    put_origin(out, origin);
    match (origin, content) {
        (Some(_), Content::Literal(0) | Content::Inline([])) => put(out, EMPTY_PARTIAL),
        _ => put_content(out, content),
    }
}

/// `"EMAILID" SP "(" objectid ")"`, and its like
fn object(out: &mut Vec<u8>, name: &str, id: &ObjectId) {
    put(out, name);
    put(out, " (");
    put(out, id.as_str());
    put(out, ")");
}

/// `"FLAGS" SP "(" [flag-fetch *(SP flag-fetch)] ")"`
fn flag_fetch_list<'f>(out: &mut Vec<u8>, names: impl Iterator<Item = &'f str>) {
    put(out, "FLAGS (");
    for (at, flag) in names.enumerate() {
        if at > 0 {
            put(out, " ");
        }
        put(out, flag);
    }
    put(out, ")");
}

fn named_content(out: &mut Vec<u8>, name: &str, content: Content<'_>) {
    put(out, name);
    put_content(out, content);
}

/// `SP string`: a partial answer that begins behind the end (RFC 9051, section 6.4.5).
///
/// Leniency `empty-partial` (docs/clients.md): quoted, not a literal of no bytes. iOS Mail
/// asks in slices by RFC822.SIZE, most of which lie behind the end of a part, and stops
/// reading at `{0}`.
const EMPTY_PARTIAL: &str = " \"\"";

/// `["<" number64 ">"]`
fn put_origin(out: &mut Vec<u8>, origin: Option<u64>) {
    if let Some(origin) = origin {
        put(out, &format!("<{origin}>"));
    }
}

/// `SP nstring`, always as a literal, which is what clients look for.
fn put_content(out: &mut Vec<u8>, content: Content<'_>) {
    put(out, " ");
    match content {
        Content::Nil => put(out, "NIL"),
        Content::Literal(bytes) => literal_header(out, bytes),
        Content::Inline(bytes) => {
            literal_header(out, length(bytes));
            out.extend_from_slice(bytes);
        }
    }
}

/// `SP (nstring / literal8)`, `literal8 = "~{" number64 "}" CRLF *OCTET`
fn put_binary(out: &mut Vec<u8>, content: Content<'_>) {
    put(out, " ");
    let bytes = match content {
        Content::Nil => return put(out, "NIL"),
        Content::Literal(bytes) => bytes,
        Content::Inline(bytes) => length(bytes),
    };
    put(out, "~{");
    number(out, bytes);
    put(out, "}\r\n");
    if let Content::Inline(bytes) = content {
        out.extend_from_slice(bytes);
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// `section = "[" [section-spec] "]"`
pub(in crate::imap) fn section(out: &mut Vec<u8>, section: &Section) {
    put(out, "[");
    if !section.part.is_empty() {
        put(out, &Part(&section.part).to_string());
        if section.text != SectionText::Whole {
            put(out, ".");
        }
    }
    match &section.text {
        SectionText::Whole => (),
        SectionText::Header => put(out, "HEADER"),
        SectionText::Text => put(out, "TEXT"),
        SectionText::Mime => put(out, "MIME"),
        SectionText::HeaderFields(names) => header_list(out, "HEADER.FIELDS", names),
        SectionText::HeaderFieldsNot(names) => header_list(out, "HEADER.FIELDS.NOT", names),
    }
    put(out, "]");
}

/// `SP "(" header-fld-name *(SP header-fld-name) ")"`
fn header_list(out: &mut Vec<u8>, kind: &str, names: &[String]) {
    put(out, kind);
    put(out, " (");
    super::put_spaced(out, names, |out, name| astring(out, name.as_bytes()));
    put(out, ")");
}

/// `section-part = nz-number *("." nz-number)`
struct Part<'a>(&'a [u32]);

impl fmt::Display for Part<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        display_part(self.0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::ObjectKind;

    fn said(items: &[FetchData<'_>]) -> String {
        let mut out = Vec::new();
        let mut fetch = FetchWriter::begin(&mut out, 12);
        items.iter().for_each(|item| fetch.item(&mut out, item));
        fetch.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn small_items_stand_in_one_line() {
        let date = DateTime {
            unix_seconds: 837_596_665,
            offset_minutes: -420,
        };
        let items = [
            FetchData::Flags {
                flags: &[Flag::Seen],
                recent: true,
            },
            FetchData::InternalDate(date),
            FetchData::Size(4286),
            FetchData::Uid(7),
            FetchData::Modseq(624_140_003),
            FetchData::Flags {
                flags: &[],
                recent: false,
            },
        ];
        let expected = "* 12 FETCH (FLAGS (\\Seen \\Recent) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 UID 7 MODSEQ (624140003) FLAGS ())\r\n";
        assert_eq!(said(&items), expected);
    }

    #[test]
    fn bytes_that_the_caller_sends_stand_behind_their_length() {
        let whole = Section {
            part: vec![],
            text: SectionText::Whole,
        };
        let mut out = Vec::new();
        let mut fetch = FetchWriter::begin(&mut out, 1);
        let content = Content::Literal(5);
        fetch.item(
            &mut out,
            &FetchData::Section {
                section: &whole,
                origin: Some(0),
                content,
            },
        );
        out.extend_from_slice(b"a\r\n\x80b");
        fetch.item(&mut out, &FetchData::Uid(1));
        fetch.end(&mut out);
        assert_eq!(out, b"* 1 FETCH (BODY[]<0> {5}\r\na\r\n\x80b UID 1)\r\n");
    }

    #[test]
    fn ids_dates_and_first_words_read_as_in_their_rfcs() {
        let id = |kind| ObjectId::new(kind, [7, 0x1f]);
        let date = DateTime {
            unix_seconds: 1_420_134_653,
            offset_minutes: 60,
        };
        let items = [
            FetchData::EmailId(id(ObjectKind::Email)),
            FetchData::ThreadId(id(ObjectKind::Thread)),
            FetchData::SaveDate(date),
            FetchData::Preview(Some("Preview text!")),
            FetchData::Preview(Some("")),
            FetchData::Preview(Some("\u{e9}")),
            FetchData::Preview(None),
        ];
        let expected = "* 12 FETCH (EMAILID (M7-1f) THREADID (T7-1f) \
            SAVEDATE \" 1-Jan-2015 18:50:53 +0100\" PREVIEW \"Preview text!\" PREVIEW \"\" \
            PREVIEW {2}\r\n\u{e9} PREVIEW NIL)\r\n";
        assert_eq!(said(&items), expected);
    }

    #[test]
    fn a_partial_answer_behind_the_end_is_an_empty_quoted_string() {
        let text = Section {
            part: vec![1],
            text: SectionText::Whole,
        };
        let item = |origin, content| FetchData::Section {
            section: &text,
            origin,
            content,
        };
        let behind = [
            item(Some(393_216), Content::Literal(0)),
            item(Some(0), Content::Inline(b"")),
            item(None, Content::Literal(0)),
        ];
        let expected = "* 12 FETCH (BODY[1]<393216> \"\" BODY[1]<0> \"\" BODY[1] {0}\r\n)\r\n";
        assert_eq!(said(&behind), expected);
    }

    #[test]
    fn sections_are_named_as_they_were_asked_for() {
        let fields =
            SectionText::HeaderFields(vec!["FROM".to_owned(), "to]".to_owned(), "(x".to_owned()]);
        let nested = Section {
            part: vec![4, 1],
            text: fields,
        };
        let mime = Section {
            part: vec![2],
            text: SectionText::Mime,
        };
        let items = [
            FetchData::Section {
                section: &nested,
                origin: None,
                content: Content::Inline(b"\r\n"),
            },
            FetchData::Section {
                section: &mime,
                origin: None,
                content: Content::Nil,
            },
            FetchData::Binary {
                part: &[1, 2],
                origin: None,
                content: Content::Inline(b"\0"),
            },
            FetchData::BinarySize {
                part: &[],
                bytes: 9,
            },
            FetchData::Rfc822Header(Content::Inline(b"")),
        ];
        let expected = "* 12 FETCH (BODY[4.1.HEADER.FIELDS (FROM to] \"(x\")] {2}\r\n\r\n BODY[2.MIME] NIL BINARY[1.2] ~{1}\r\n\0 BINARY.SIZE[] 9 RFC822.HEADER {0}\r\n)\r\n";
        assert_eq!(said(&items), expected);
    }
}
