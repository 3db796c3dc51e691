//! Everything this crate does with a stranger's bytes, and what must come of it:
//! the body of the fuzz target `mail_structure`, run here on random letters.
#![allow(dead_code, reason = "each test file uses its part")]

use message::decode::{CharsetDecoder, TransferDecoder, TransferEncoding, date, field_text};
use message::header::{FieldFilter, Keep, fields};
use message::{
    Address, BodyStructure, Inside, Part, PartId, Scanner, SectionText, Span, Structure,
};

/// Does everything with these bytes and asserts what holds for all letters. The
/// first byte decides how they are cut into pieces.
pub fn exercise(letter: &[u8]) {
    check(letter);
    let cut = usize::from(letter.first().copied().unwrap_or(1)).max(1);
    let cuts = vec![cut; letter.len() / cut];
    assert_eq!(scan_in_pieces(letter, &cuts), scan_in_pieces(letter, &[]));
    read_fields(letter);
    decode(letter);
}

fn read_fields(letter: &[u8]) {
    for field in fields(letter) {
        let text = field_text(field.value);
        assert!(text.len() <= 3 * field.value.len() + 3);
        assert!(Address::list(field.value).len() <= field.value.len() + 1);
        if let Some(date) = date(field.value) {
            assert!(date.written_day().abs() < 10_000 * 366);
        }
    }
    let names = || vec![b"subject".to_vec(), b"to".to_vec()];
    for keep in [Keep::Listed, Keep::Unlisted] {
        let mut filter = FieldFilter::new(names(), keep);
        let mut out = Vec::new();
        filter.push(letter, &mut out);
        filter.finish(&mut out);
        assert!(out.len() <= letter.len());
    }
}

fn decode(body: &[u8]) {
    use TransferEncoding::{Base64, Identity, QuotedPrintable};
    for (encoding, charset) in [
        (Identity, "utf-8"),
        (Base64, "gb18030"),
        (QuotedPrintable, "x"),
    ] {
        let mut transfer = TransferDecoder::new(encoding);
        let mut charset = CharsetDecoder::new(charset.as_bytes());
        let (mut bytes, mut text) = (Vec::new(), String::new());
        transfer.push(body, &mut bytes);
        transfer.finish(&mut bytes);
        charset.push(&bytes, &mut text);
        charset.finish(&mut text);
        assert!(bytes.len() <= body.len() && text.len() <= 3 * bytes.len() + 3);
    }
}

/// The structure of a letter that is fed in pieces of these lengths.
pub fn scan_in_pieces(letter: &[u8], cuts: &[usize]) -> Structure {
    let mut scanner = Scanner::new();
    let mut rest = letter;
    for cut in cuts {
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        scanner.feed(piece);
        rest = behind;
    }
    scanner.feed(rest);
    scanner.finish()
}

fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.start <= inner.end && inner.end <= outer.end
}

fn parts_inside(part: &Part) -> Vec<PartId> {
    match &part.inside {
        Inside::Leaf => Vec::new(),
        Inside::Multipart(parts) => parts.clone(),
        Inside::Message(message) => vec![*message],
    }
}

fn line_feeds(letter: &[u8], span: Span) -> u64 {
    bytes(letter, span)
        .iter()
        .filter(|byte| **byte == b'\n')
        .count() as u64
}

/// The bytes of a span.
pub fn bytes(letter: &[u8], span: Span) -> &[u8] {
    let offset = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    &letter[offset(span.start)..offset(span.end)]
}

/// Every span lies within the letter, and parts nest in order.
fn check_nesting(letter: &[u8], structure: &Structure) {
    assert_eq!(structure.root().header.start, 0);
    assert_eq!(structure.root().body.end, letter.len() as u64);
    assert_eq!(structure.octets(), letter.len() as u64);
    for part in structure.parts() {
        assert_eq!(part.header.end, part.body.start);
        assert_eq!(part.lines, line_feeds(letter, part.body));
        let mut from = part.body.start;
        for id in parts_inside(part) {
            let inner = structure.part(id).expect("a part's parts exist");
            let span = Span {
                start: inner.header.start,
                end: inner.body.end,
            };
            assert!(
                within(
                    span,
                    Span {
                        start: from,
                        end: part.body.end
                    }
                ),
                "{structure:?}"
            );
            from = span.end;
        }
    }
}

/// Every multipart has a part, every message within has an envelope.
fn check_shape(structure: &Structure) {
    for part in structure.parts() {
        match &part.inside {
            Inside::Multipart(parts) => assert!(!parts.is_empty()),
            Inside::Message(message) => {
                let message = structure.part(*message).expect("a message's part exists");
                assert!(message.envelope.is_some());
            }
            Inside::Leaf => assert!(!part.content.is("multipart") && !part.content.is_message()),
        }
    }
}

/// Header and text of a message, put together, are the message.
fn check_sections(structure: &Structure, body: &BodyStructure<'_>, path: &mut Vec<u32>) {
    let section = |text| structure.section(path, text);
    let whole = section(SectionText::Whole).expect("what BODYSTRUCTURE shows can be fetched");
    if let BodyStructure::Message { octets, .. } = body {
        let header = section(SectionText::Header).expect("a message has a header");
        let text = section(SectionText::Text).expect("a message has a text");
        assert_eq!(
            (header.start, header.end, text.end),
            (whole.start, text.start, whole.end)
        );
        assert_eq!(whole.octets(), *octets);
    }
    let mime = section(SectionText::Mime).expect("every part has a MIME header");
    assert_eq!(mime.end, whole.start);
    check_children(structure, body, path);
}

fn check_children(structure: &Structure, body: &BodyStructure<'_>, path: &mut Vec<u32>) {
    let children = match body {
        BodyStructure::Multipart { children, .. } => children.as_slice(),
        BodyStructure::Message { body, .. } => match &**body {
            BodyStructure::Multipart { children, .. } => children.as_slice(),
            _ => std::slice::from_ref(&**body),
        },
        _ => &[],
    };
    for (number, child) in (1..).zip(children) {
        path.push(number);
        check_sections(structure, child, path);
        path.pop();
    }
}

/// The letter's parts nest, have their shape, and can be fetched.
pub fn check(letter: &[u8]) {
    let structure = scan_in_pieces(letter, &[]);
    check_nesting(letter, &structure);
    check_shape(&structure);
    let body = BodyStructure::of(&structure);
    match &body {
        BodyStructure::Multipart { .. } => check_children(&structure, &body, &mut Vec::new()),
        _ => check_sections(&structure, &body, &mut vec![1]),
    }
}
