//! What holds for every letter, whatever its bytes.

mod imap_form;

use imap_form::scan;
use message::limits::{DEPTH_MAX, PARTS_MAX};
use message::{BodyStructure, Inside, Part, Scanner, SectionText, Span, Structure};
use proptest::prelude::*;

/// Letters made of what matters to a scanner, so that random ones have trees.
fn letters() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::select(vec![
        "--a",
        "--a--",
        "--ab",
        "--ab--",
        "--",
        "",
        "",
        "text",
        " folded",
        "Subject: s",
        "Content-Type: multipart/mixed; boundary=a",
        "Content-Type: multipart/digest; boundary=\"ab\"",
        "Content-Type: message/rfc822",
        "From: a@b, \"c",
        "Content-Language: x",
    ]);
    let ends = prop::sample::select(vec!["\r\n", "\r\n", "\n", "\r", ""]);
    let text = prop::collection::vec((lines, ends), 0..30).prop_map(|lines| {
        lines
            .iter()
            .map(|(line, end)| format!("{line}{end}"))
            .collect()
    });
    text.prop_map(|text: String| {
        format!("Content-Type: multipart/mixed; boundary=a\r\n\r\n{text}").into_bytes()
    })
}

fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.start <= inner.end && inner.end <= outer.end
}

fn parts_inside(part: &Part) -> Vec<message::PartId> {
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

fn bytes(letter: &[u8], span: Span) -> &[u8] {
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

fn check(letter: &[u8]) {
    let structure = scan(letter);
    check_nesting(letter, &structure);
    check_shape(&structure);
    let body = BodyStructure::of(&structure);
    match &body {
        BodyStructure::Multipart { .. } => check_children(&structure, &body, &mut Vec::new()),
        _ => check_sections(&structure, &body, &mut vec![1]),
    }
}

fn scan_in_pieces(letter: &[u8], cuts: &[usize]) -> Structure {
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

proptest! {
    #[test]
    fn spans_nest_and_sections_add_up(letter in letters()) {
        check(&letter);
    }

    #[test]
    fn any_bytes_have_a_structure(letter in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&letter);
    }

    #[test]
    fn pieces_make_no_difference(
        letter in letters(),
        cuts in prop::collection::vec(0_usize..40, 0..40),
    ) {
        prop_assert_eq!(scan_in_pieces(&letter, &cuts), scan(&letter));
        prop_assert_eq!(scan_in_pieces(&letter, &vec![1; letter.len()]), scan(&letter));
    }

    #[test]
    fn no_line_of_a_leaf_begins_with_the_delimiter_around_it(letter in letters()) {
        let structure = scan(&letter);
        let Inside::Multipart(parts) = &structure.root().inside else {
            return Ok(());
        };
        for part in parts.iter().filter_map(|id| structure.part(*id)) {
            let body = bytes(&letter, part.body);
            let free = !body.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"--a"));
            prop_assert!(free || part.inside != Inside::Leaf, "{structure:?}");
        }
    }

    #[test]
    fn no_letter_goes_beyond_the_limits(letter in letters()) {
        let structure = scan(&letter);
        prop_assert!(structure.parts().len() <= 2 * PARTS_MAX);
        for part in structure.parts() {
            let mut depth = 0;
            let mut around = part.parent;
            while let Some(parent) = around {
                depth += 1;
                around = structure.part(parent).and_then(|part| part.parent);
            }
            prop_assert!(depth <= DEPTH_MAX);
        }
    }
}
