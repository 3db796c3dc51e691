//! What FETCH can ask for.

use std::fmt;

use preauth::imap::cursor::Cursor;

use super::Parsed;
use super::refusal::{Refusal, expected};
use super::sequence::nz_number;
use crate::limits::{
    FETCH_ITEMS_MAX, HEADER_FIELD_BYTES_MAX, HEADER_FIELDS_MAX, SECTION_PARTS_MAX,
};

/// `fetch-att` (RFC 9051 and RFC 3501, section 9; RFC 7162; RFC 8474; RFC 8514; RFC 8970)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// The flags.
    Flags,
    /// When it came in.
    InternalDate,
    /// The header fields that make the envelope.
    Envelope,
    /// BODYSTRUCTURE without extension data.
    Body,
    /// The MIME structure.
    BodyStructure,
    /// The UID.
    Uid,
    /// The mod-sequence (RFC 7162).
    Modseq,
    /// Which content it shows (RFC 8474).
    EmailId,
    /// Which conversation it belongs to (RFC 8474).
    ThreadId,
    /// When it came into this mailbox (RFC 8514).
    SaveDate,
    /// Its first words (RFC 8970).
    Preview {
        /// Only if nobody must wait for it.
        lazy: bool,
    },
    /// `BODY[]` under its old name.
    Rfc822,
    /// `BODY.PEEK[HEADER]` under its old name.
    Rfc822Header,
    /// `BODY[TEXT]` under its old name.
    Rfc822Text,
    /// The letter's length.
    Rfc822Size,
    /// `BODY[...]<...>`
    Section {
        /// Doesn't set \Seen.
        peek: bool,
        /// What of the letter.
        section: Section,
        /// Which bytes of that.
        partial: Option<Partial>,
    },
    /// `BINARY[...]<...>`: a part without its transfer encoding.
    Binary {
        /// Doesn't set \Seen.
        peek: bool,
        /// The part; none for the whole letter.
        part: Vec<u32>,
        /// Which bytes of it.
        partial: Option<Partial>,
    },
    /// `BINARY.SIZE[...]`
    BinarySize {
        /// The part; none for the whole letter.
        part: Vec<u32>,
    },
}

/// `section = "[" [section-spec] "]"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Numbers from the root; none for the letter itself.
    pub part: Vec<u32>,
    /// What of the part.
    pub text: SectionText,
}

/// `section-text = section-msgtext / "MIME"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// All of it: nothing behind the part's number.
    Whole,
    /// The header of the letter, or of the letter within.
    Header,
    /// These of its fields.
    HeaderFields(Vec<String>),
    /// All but these of its fields.
    HeaderFieldsNot(Vec<String>),
    /// Without the header.
    Text,
    /// The header of the part itself.
    Mime,
}

/// `partial = "<" number64 "." nz-number64 ">"`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// The first byte, from 0.
    pub offset: u64,
    /// How many at most; never 0.
    pub length: u64,
}

impl FetchItem {
    /// Whether reading it marks the letter as read.
    #[must_use]
    pub fn sets_seen(&self) -> bool {
        match self {
            Self::Rfc822 | Self::Rfc822Text => true,
            Self::Section { peek, .. } | Self::Binary { peek, .. } => !peek,
            _ => false,
        }
    }
}

/// `"ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")"`,
/// macros written out
pub(super) fn fetch_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<FetchItem>> {
    if cursor.accept(b'(') {
        return listed_items(cursor);
    }
    let mut ahead = *cursor;
    if let Some(items) = macro_items(ahead.word()?.as_str()) {
        *cursor = ahead;
        return Ok(items);
    }
    Ok(vec![fetch_att(cursor)?])
}

/// `fetch-att *(SP fetch-att) ")"`; one that is named twice is answered once
fn listed_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<FetchItem>> {
    let mut items = vec![fetch_att(cursor)?];
    while !cursor.accept(b')') {
        cursor.space()?;
        let item = fetch_att(cursor)?;
        if items.contains(&item) {
            continue;
        }
        if items.len() >= FETCH_ITEMS_MAX {
            return Err(Refusal::TooMany("items"));
        }
        items.push(item);
    }
    Ok(items)
}

/// `"ALL" / "FULL" / "FAST"` (RFC 9051, section 6.4.5)
fn macro_items(name: &str) -> Option<Vec<FetchItem>> {
    let mut items = vec![
        FetchItem::Flags,
        FetchItem::InternalDate,
        FetchItem::Rfc822Size,
    ];
    match name {
        "FAST" => (),
        "ALL" => items.push(FetchItem::Envelope),
        "FULL" => items.extend([FetchItem::Envelope, FetchItem::Body]),
        _ => return None,
    }
    Some(items)
}

/// `fetch-att = "EMAILID" / "THREADID" / "SAVEDATE" / "PREVIEW" [...] /
/// "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "MODSEQ" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
/// "BODY" ["STRUCTURE"] / "UID" / "BODY" [".PEEK"] section [partial] /
/// "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary`
fn fetch_att(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    let name = cursor.word()?;
    let has_section = cursor.peek() == Some(b'[');
    Ok(match name.as_str() {
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "UID" => FetchItem::Uid,
        "MODSEQ" => FetchItem::Modseq,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        "SAVEDATE" => FetchItem::SaveDate,
        "PREVIEW" => FetchItem::Preview {
            lazy: preview_mods(cursor)?,
        },
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        "RFC822.SIZE" => FetchItem::Rfc822Size,
        "BODY" if !has_section => FetchItem::Body,
        "BODY" => section_item(cursor, false)?,
        "BODY.PEEK" => section_item(cursor, true)?,
        "BINARY" => binary_item(cursor, false)?,
        "BINARY.PEEK" => binary_item(cursor, true)?,
        "BINARY.SIZE" => FetchItem::BinarySize {
            part: section_binary(cursor)?,
        },
        _ => return Err(expected("something to fetch")),
    })
}

/// `[SP "(" preview-mod *(SP preview-mod) ")"]`, `preview-mod = "LAZY"` (RFC 8970, section
/// 6): whether there is one. A parenthesis in which something else stands belongs to FETCH.
fn preview_mods(cursor: &mut Cursor<'_>) -> Parsed<bool> {
    let mut ahead = *cursor;
    let begins = ahead.accept(b' ') && ahead.accept(b'(') && is_lazy(&mut ahead);
    if !begins {
        return Ok(false);
    }
    while !ahead.accept(b')') {
        ahead.space()?;
        if !is_lazy(&mut ahead) {
            return Err(expected("LAZY"));
        }
    }
    *cursor = ahead;
    Ok(true)
}

fn is_lazy(cursor: &mut Cursor<'_>) -> bool {
    cursor.word().is_ok_and(|word| word.as_str() == "LAZY")
}

/// `section [partial]`
fn section_item(cursor: &mut Cursor<'_>, peek: bool) -> Parsed<FetchItem> {
    Ok(FetchItem::Section {
        peek,
        section: section(cursor)?,
        partial: partial(cursor)?,
    })
}

/// `section-binary [partial]`
fn binary_item(cursor: &mut Cursor<'_>, peek: bool) -> Parsed<FetchItem> {
    Ok(FetchItem::Binary {
        peek,
        part: section_binary(cursor)?,
        partial: partial(cursor)?,
    })
}

/// `section-binary = "[" [section-part] "]"`
fn section_binary(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    cursor.byte(b'[', "a section")?;
    let part = section_part(cursor)?;
    cursor.byte(b']', "the end of the section")?;
    Ok(part)
}

/// `section = "[" [section-spec] "]"`,
/// `section-spec = section-msgtext / (section-part ["." section-text])`
fn section(cursor: &mut Cursor<'_>) -> Parsed<Section> {
    cursor.byte(b'[', "a section")?;
    let part = section_part(cursor)?;
    let text = match cursor.peek() {
        Some(b']') => SectionText::Whole,
        _ => section_text(cursor)?,
    };
    if text == SectionText::Mime && part.is_empty() {
        return Err(expected("a part before MIME"));
    }
    cursor.byte(b']', "the end of the section")?;
    Ok(Section { part, text })
}

/// `section-part = nz-number *("." nz-number)`, or nothing; a `.` with a name
/// behind it is taken too.
fn section_part(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    let mut part = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        if part.len() >= SECTION_PARTS_MAX {
            return Err(Refusal::TooMany("levels"));
        }
        part.push(nz_number(cursor)?);
        if !cursor.accept(b'.') {
            break;
        }
        if cursor.peek() == Some(b']') {
            return Err(expected("a section behind the point"));
        }
    }
    Ok(part)
}

/// `section-text = section-msgtext / "MIME"`,
/// `section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"`
fn section_text(cursor: &mut Cursor<'_>) -> Parsed<SectionText> {
    Ok(match cursor.word()?.as_str() {
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" => SectionText::Mime,
        "HEADER.FIELDS" => SectionText::HeaderFields(header_list(cursor)?),
        "HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(header_list(cursor)?),
        _ => return Err(expected("a section")),
    })
}

/// `header-list = "(" header-fld-name *(SP header-fld-name) ")"`
fn header_list(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.space()?;
    cursor.byte(b'(', "a list of header fields")?;
    let mut names = vec![header_fld_name(cursor)?];
    while !cursor.accept(b')') {
        cursor.space()?;
        if names.len() >= HEADER_FIELDS_MAX {
            return Err(Refusal::TooMany("header fields"));
        }
        names.push(header_fld_name(cursor)?);
    }
    Ok(names)
}

/// `header-fld-name = astring`, and `field-name = 1*ftext` (RFC 5322, section
/// 3.6.8): printable ASCII without the colon
pub(super) fn header_fld_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let name = cursor.astring()?.text(HEADER_FIELD_BYTES_MAX)?;
    let is_ftext = |byte: u8| matches!(byte, 0x21..=0x7e) && byte != b':';
    match !name.is_empty() && name.bytes().all(is_ftext) {
        true => Ok(name),
        false => Err(expected("a header field's name")),
    }
}

/// `partial = "<" number64 "." nz-number64 ">"`
fn partial(cursor: &mut Cursor<'_>) -> Parsed<Option<Partial>> {
    if !cursor.accept(b'<') {
        return Ok(None);
    }
    let offset = cursor.number()?;
    cursor.byte(b'.', "an offset and a length")?;
    let length = cursor.number()?;
    cursor.byte(b'>', "the end of the range")?;
    match length {
        0 => Err(expected("a length above 0")),
        _ => Ok(Some(Partial { offset, length })),
    }
}

/// A part's numbers with points between.
pub(super) fn display_part(part: &[u32], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, number) in part.iter().enumerate() {
        let point = if at > 0 { "." } else { "" };
        write!(out, "{point}{number}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;

    fn read(text: &str) -> Parsed<Vec<FetchItem>> {
        let mut cursor = Cursor::new(text.as_bytes());
        let items = fetch_items(&mut cursor)?;
        cursor.end()?;
        Ok(items)
    }

    fn section_of(part: &[u32], text: SectionText) -> Section {
        Section {
            part: part.to_vec(),
            text,
        }
    }

    #[test]
    fn macros_are_written_out() {
        use FetchItem::*;
        assert_eq!(read("fast"), Ok(vec![Flags, InternalDate, Rfc822Size]));
        assert_eq!(read("ALL").unwrap().last(), Some(&Envelope));
        assert_eq!(read("FULL").unwrap().last(), Some(&Body));
        assert!(read("(ALL FLAGS)").is_err());
    }

    #[test]
    fn body_with_a_bracket_is_a_section_and_without_a_structure() {
        let whole = FetchItem::Section {
            peek: false,
            section: section_of(&[], SectionText::Whole),
            partial: None,
        };
        assert_eq!(
            read("(BODY BODY[] BODYSTRUCTURE)").unwrap(),
            [FetchItem::Body, whole, FetchItem::BodyStructure,]
        );
    }

    #[test]
    fn every_section_of_the_rfc_is_read() {
        let fields = || vec!["From".to_owned(), "DATE".to_owned()];
        let known = [
            ("[]", section_of(&[], SectionText::Whole)),
            ("[TEXT]", section_of(&[], SectionText::Text)),
            ("[header]", section_of(&[], SectionText::Header)),
            (
                "[HEADER.FIELDS (From \"DATE\")]",
                section_of(&[], SectionText::HeaderFields(fields())),
            ),
            (
                "[3.HEADER.FIELDS.NOT (From {4}\r\nDATE)]",
                section_of(&[3], SectionText::HeaderFieldsNot(fields())),
            ),
            ("[1]", section_of(&[1], SectionText::Whole)),
            ("[4.2.2.1]", section_of(&[4, 2, 2, 1], SectionText::Whole)),
            ("[4.1.MIME]", section_of(&[4, 1], SectionText::Mime)),
            ("[4.2.HEADER]", section_of(&[4, 2], SectionText::Header)),
        ];
        for (text, section) in known {
            let item = FetchItem::Section {
                peek: true,
                section,
                partial: None,
            };
            assert_eq!(read(&format!("BODY.PEEK{text}")), Ok(vec![item]), "{text}");
        }
    }

    #[test]
    fn a_partial_has_an_offset_and_a_length_that_is_not_nothing() {
        let items = read("BODY[]<0.2048>").unwrap();
        let FetchItem::Section { partial, .. } = &items[0] else {
            panic!("not a section")
        };
        assert_eq!(
            *partial,
            Some(Partial {
                offset: 0,
                length: 2048
            })
        );
        for text in [
            "BODY[]<0.0>",
            "BODY[]<5>",
            "BODY[]<-1.5>",
            "BODY[]<1.2",
            "BODY[]<99999999999999999999.1>",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_preview_may_be_lazy_and_nothing_else() {
        let preview = |lazy| FetchItem::Preview { lazy };
        assert_eq!(read("PREVIEW"), Ok(vec![preview(false)]));
        assert_eq!(read("preview (lazy)"), Ok(vec![preview(true)]));
        assert_eq!(
            read("(PREVIEW (LAZY LAZY) EMAILID)"),
            Ok(vec![preview(true), FetchItem::EmailId])
        );
        let names = read("(PREVIEW THREADID SAVEDATE)").unwrap();
        assert_eq!(names[1..], [FetchItem::ThreadId, FetchItem::SaveDate]);
        for text in [
            "(PREVIEW (EAGER))",
            "(PREVIEW ())",
            "(PREVIEW (LAZY)",
            "PREVIEW (LAZY X)",
            "PREVIEW(LAZY)",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn binary_takes_parts_only() {
        assert!(
            matches!(&read("BINARY.PEEK[1.2]<0.5>").unwrap()[0], FetchItem::Binary { peek: true, part, .. } if part == &[1, 2])
        );
        assert!(
            matches!(&read("BINARY.SIZE[]").unwrap()[0], FetchItem::BinarySize { part } if part.is_empty())
        );
        assert!(read("BINARY[1.MIME]").is_err());
    }

    #[test]
    fn what_is_no_item_is_refused() {
        for text in [
            "",
            "()",
            "(FLAGS",
            "(FLAGS  UID)",
            "FLAGS UID",
            "BODY[",
            "BODY[MIME]",
            "BODY[0]",
            "BODY[1.]",
            "BODY[.1]",
            "BODY[HEADER.FIELDS ()]",
            "BODY[HEADER.FIELDS (a:b)]",
            "BODY[HEADER.FIELDS (\"a\u{e9}\")]",
            "BODYPEEK[]",
            "RFC822.PEEK",
            "BODY[1.TEXT.2]",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_thousand_bodies_in_one_fetch_are_one_or_too_many() {
        let same = vec!["BODY[]"; 1000].join(" ");
        assert_eq!(read(&format!("({same})")).unwrap().len(), 1);
        let parts: Vec<String> = (1..1000).map(|part| format!("BODY[{part}]")).collect();
        let many = format!("({})", parts.join(" "));
        assert_eq!(read(&many), Err(Refusal::TooMany("items")));
        let deep = vec!["1"; SECTION_PARTS_MAX + 1].join(".");
        assert_eq!(
            read(&format!("BODY[{deep}]")),
            Err(Refusal::TooMany("levels"))
        );
    }

    #[test]
    fn only_what_shows_the_text_marks_as_read() {
        let seen = |text: &str| read(text).unwrap()[0].sets_seen();
        assert!(seen("BODY[1]") && seen("RFC822") && seen("RFC822.TEXT") && seen("BINARY[1]"));
        assert!(
            !seen("BODY.PEEK[]")
                && !seen("RFC822.HEADER")
                && !seen("BODY")
                && !seen("BINARY.PEEK[1]")
        );
    }
}
