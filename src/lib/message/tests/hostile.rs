//! Letters made to cost much: work grows with the letter's length and no
//! faster, and what is kept stays within its limit. Work is counted in steps,
//! not measured in time, so that the tests say the same on any machine.

mod imap_form;

use imap_form::scan;
use message::limits::{
    ADDRESSES_MAX, DEPTH_MAX, FIELD_BYTES_MAX, HEADER_SECTION_BYTES_MAX, PARAMS_MAX, PARTS_MAX,
    PIECE_BYTES, STRUCTURE_BYTES_MAX,
};
use message::structure::Limit;
use message::{Address, BodyStructure, Envelope, Inside, Param, Part, Scanner, Structure};

/// Steps of scanning a letter, fed in pieces.
fn work(letter: &[u8]) -> u64 {
    let mut scanner = Scanner::new();
    letter
        .chunks(PIECE_BYTES)
        .for_each(|piece| scanner.feed(piece));
    scanner.work()
}

/// Asserts that twice the letter costs about twice the work, and how much a
/// byte may cost at most.
fn linear(letter: impl Fn(usize) -> Vec<u8>, n: usize, steps_per_byte_max: u64) {
    let (once, twice) = (letter(n), letter(2 * n));
    let (short, long) = (work(&once), work(&twice));
    // In tenths, so that the ratio needs no floating point.
    let growth = 10 * twice.len() as u64 / once.len() as u64;
    assert!(
        10 * long <= short * (growth + 3),
        "{short} steps, then {long}"
    );
    assert!(
        long <= steps_per_byte_max * twice.len() as u64,
        "{long} steps, {} bytes",
        twice.len()
    );
}

fn repeated(head: &str, line: &str, times: usize) -> Vec<u8> {
    format!("{head}{}", line.repeat(times)).into_bytes()
}

/// Bytes that a structure keeps, without what an allocator adds.
fn kept(structure: &Structure) -> usize {
    structure.parts().iter().map(part_bytes).sum()
}

fn part_bytes(part: &Part) -> usize {
    let content = &part.content;
    let params = params_bytes(&content.params);
    let disposition = content
        .disposition
        .as_ref()
        .map_or(0, |it| params_bytes(&it.params));
    size_of::<Part>() + params + disposition + part.envelope.as_deref().map_or(0, envelope_bytes)
}

fn params_bytes(params: &[Param]) -> usize {
    params
        .iter()
        .map(|param| size_of::<Param>() + param.name.len() + param.value.len())
        .sum()
}

fn envelope_bytes(envelope: &Envelope) -> usize {
    let lists = [&envelope.from, &envelope.to, &envelope.cc, &envelope.bcc];
    let texts = [
        &envelope.subject,
        &envelope.date,
        &envelope.in_reply_to,
        &envelope.message_id,
    ];
    let address = |address: &Address| {
        let texts = [&address.name, &address.adl, &address.mailbox, &address.host];
        size_of::<Address>() + texts.into_iter().flatten().map(Vec::len).sum::<usize>()
    };
    lists.into_iter().flatten().map(address).sum::<usize>()
        + texts.into_iter().flatten().map(Vec::len).sum::<usize>()
}

#[test]
fn plain_text_costs_a_step_a_byte_and_one_a_line() {
    linear(
        |n| {
            repeated(
                "Subject: x\r\n\r\n",
                "seventy six bytes of text, more or less\r\n",
                n,
            )
        },
        10_000,
        2,
    );
    linear(|n| repeated("\r\n", "\n", n), 100_000, 2);
    linear(|n| repeated("\r\n", "x", n), 1_000_000, 2);
}

#[test]
fn many_address_fields_cost_what_their_bytes_do() {
    // CVE-2024-23184: Dovecot took 18 minutes for 500,000 of them.
    linear(|n| repeated("", "To: a@b\r\n", n), 50_000, 8);
    linear(
        |n| repeated("", "To: a@b, \"c\" <d@e> (f), g:;\r\n", n),
        10_000,
        8,
    );
    linear(|n| repeated("To: ", "a@b,\r\n ", n), 10_000, 8);
    let letter = repeated("", "To: a@b\r\n", 500_000);
    assert!(work(&letter) < 3 * letter.len() as u64);
}

#[test]
fn an_address_list_ends_at_its_limit() {
    let envelope = |letter: Vec<u8>| scan(&letter).root().envelope.clone().unwrap_or_default();
    assert_eq!(
        envelope(repeated("", "To: a@b\r\n", 2 * ADDRESSES_MAX))
            .to
            .len(),
        ADDRESSES_MAX
    );
    assert_eq!(
        envelope(repeated("To: ", "a,", 2 * ADDRESSES_MAX)).to.len(),
        ADDRESSES_MAX
    );
    let grouped = envelope(repeated("To: g:", "a,", 2 * ADDRESSES_MAX)).to;
    assert_eq!(grouped.last(), Some(&Address::default()));
}

#[test]
fn a_header_of_100_megabytes_is_passed_over() {
    let mut scanner = Scanner::new();
    let piece = repeated("", "X-Filler: nothing that anybody reads\r\n", 1000);
    let pieces = 100_000_000 / piece.len() as u64;
    (0..pieces).for_each(|_| scanner.feed(&piece));
    scanner.feed(b"Subject: too late\r\n\r\nbody\r\n");
    assert!(scanner.work() < 2 * scanner.fed());
    let structure = scanner.finish();
    assert_eq!(structure.root().body.octets(), 6);
    assert_eq!(structure.limit(), Some(Limit::HeaderSection));
    assert_eq!(
        structure
            .root()
            .envelope
            .as_ref()
            .and_then(|it| it.subject.as_ref()),
        None
    );
}

#[test]
fn a_field_of_100_megabytes_is_cut() {
    let mut scanner = Scanner::new();
    scanner.feed(b"Subject: ");
    (0..1000).for_each(|_| scanner.feed(&[b'x'; 100_000]));
    scanner.feed(b"\r\nFrom: a@b\r\n\r\n");
    let subject = scanner
        .envelope()
        .and_then(|envelope| envelope.subject.clone());
    assert!(subject.is_some_and(|subject| subject.len() <= FIELD_BYTES_MAX));
    assert_eq!(scanner.finish().root().header.octets(), 100_000_024);
}

#[test]
fn a_field_of_many_lines_is_cut_too() {
    let letter = repeated("Subject: ", "x\r\n ", FIELD_BYTES_MAX);
    let structure = scan(&letter);
    let subject = structure
        .root()
        .envelope
        .as_ref()
        .and_then(|it| it.subject.as_ref());
    assert!(subject.is_some_and(|subject| subject.len() <= FIELD_BYTES_MAX));
}

#[test]
fn comments_open_without_end_cost_what_their_bytes_do() {
    linear(|n| repeated("To: ", "(", n), 100_000, 8);
    linear(|n| repeated("Content-Type: ", "(", n), 100_000, 8);
    linear(|n| repeated("To: ", "((((\\\r\n ", n), 10_000, 8);
    linear(|n| repeated("To: ", "\"(<", n), 30_000, 8);
}

#[test]
fn a_comment_that_ends_in_a_backslash_ends_with_its_field() {
    // CVE-2026-47088: Cyrus read beyond the field.
    for field in [
        "To",
        "Content-Type",
        "Content-Disposition",
        "Content-Language",
    ] {
        for value in [
            "(\\",
            "a@b (x\\",
            "text/plain (\\",
            "x; y=\"\\",
            "\\",
            "\"\\",
            "<\\",
            "a@[\\",
        ] {
            let letter = format!("{field}: {value}\r\nSubject: s\r\n\r\nbody");
            let structure = scan(letter.as_bytes());
            assert_eq!(structure.root().body.octets(), 4);
        }
    }
}

/// A letter of multiparts, each within the one before.
fn nested(depth: usize) -> Vec<u8> {
    let level =
        |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}x\r\n\r\n--b{n}x\r\n");
    (0..depth).map(level).collect::<String>().into_bytes()
}

#[test]
fn ten_thousand_levels_are_served_as_one_opaque_leaf() {
    // CVE-2020-12100 and CVE-2026-26312: recursion and cycles in nesting.
    let structure = scan(&nested(10_000));
    assert_eq!(structure.limit(), Some(Limit::Depth));
    assert_eq!(structure.parts().len(), DEPTH_MAX);
    let last = structure
        .parts()
        .last()
        .map(|part| (&part.inside, part.content.is("application")));
    assert_eq!(last, Some((&Inside::Leaf, true)));
    assert!(matches!(
        BodyStructure::of(&structure),
        BodyStructure::Multipart { .. }
    ));
    linear(nested, 5_000, 8);
}

#[test]
fn messages_in_messages_end_at_the_limit_too() {
    let letter = repeated("", "Content-Type: message/rfc822\r\n\r\n", 10_000);
    let structure = scan(&letter);
    assert_eq!(structure.limit(), Some(Limit::Depth));
    assert_eq!(structure.parts().len(), DEPTH_MAX);
    linear(
        |n| repeated("", "Content-Type: message/rfc822\r\n\r\n", n),
        5_000,
        4,
    );
}

#[test]
fn no_part_contains_itself() {
    // CVE-2026-26312: a parser's tree had cycles. Numbers only rise inwards.
    let letter = [
        nested(50),
        repeated("", "--b0x\r\n--b7x\r\n--b3x--\r\n", 100),
    ]
    .concat();
    let structure = scan(&letter);
    for (number, part) in structure.parts().iter().enumerate() {
        let parent = part.parent.and_then(|parent| structure.part(parent));
        let before = &structure.parts()[..number];
        assert!(parent.is_none_or(|parent| before.iter().any(|part| std::ptr::eq(part, parent))));
    }
}

#[test]
fn the_part_at_the_limit_holds_the_rest() {
    // CVE-2020-25275: Dovecot's lmtp died at the 10,000th part.
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for parts in [
        PARTS_MAX - 2,
        PARTS_MAX - 1,
        PARTS_MAX,
        PARTS_MAX + 1,
        10 * PARTS_MAX,
    ] {
        let letter = repeated(head, "--b\r\n\r\nx\r\n", parts);
        let structure = scan(&letter);
        assert_eq!(structure.parts().len(), (parts + 1).min(PARTS_MAX));
        let limit = (parts >= PARTS_MAX).then_some(Limit::Parts);
        assert_eq!(structure.limit(), limit);
        let last = structure.parts().last().map(|part| part.body.end);
        assert_eq!(last, Some(letter.len() as u64));
    }
    linear(|n| repeated(head, "--b\r\n\r\nx\r\n", n), 50_000, 3);
}

#[test]
fn a_hundred_thousand_parameters_cost_what_their_bytes_do() {
    // CVE-2026-27859: Dovecot joined RFC 2231 pieces in quadratic time.
    let pieces = |name: &'static str| {
        move |n: usize| {
            let params: String = (0..n).map(|i| format!(";{name}*{i}*=x")).collect();
            format!("Content-Type: a/b{params}\r\n\r\n").into_bytes()
        }
    };
    linear(pieces("n"), 10_000, 8);
    linear(pieces(""), 10_000, 8);
    linear(
        |n| repeated("Content-Type: a/b", "; n*0=x; n*1=y", n),
        10_000,
        8,
    );
    let structure = scan(&pieces("n")(100_000));
    let value = structure.root().content.param(b"n*").map(<[u8]>::len);
    assert_eq!(value, Some(PARAMS_MAX));
}

#[test]
fn a_line_of_dashes_costs_no_more_than_the_open_boundaries() {
    // The dearest letter: 99 open boundaries and lines that begin like them.
    let letter = |n| [nested(DEPTH_MAX - 1), repeated("\r\n", "--b\n", n)].concat();
    linear(letter, 50_000, DEPTH_MAX as u64);
}

#[test]
fn what_is_kept_stays_within_its_limit() {
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let name = "n".repeat(10_000);
    let long_names = format!("--b\r\nContent-Type: a/b; name={name}\r\n\r\n");
    let names = "To: a@b, c@d, e@f, g@h, i@j, k@l\r\n".repeat(100);
    let envelopes = format!("--b\r\nContent-Type: message/rfc822\r\n\r\n{names}\r\n");
    for line in [&long_names, &envelopes] {
        let letter = repeated(head, line, 60_000_000 / line.len());
        let structure = scan(&letter);
        assert_eq!(structure.limit(), Some(Limit::Memory));
        assert!(
            kept(&structure) <= STRUCTURE_BYTES_MAX + (4 << 20),
            "{}",
            kept(&structure)
        );
        assert_eq!(structure.root().body.end, letter.len() as u64);
    }
}

#[test]
fn a_header_section_at_its_limit_is_still_one_section() {
    let filler = "x".repeat(usize::try_from(HEADER_SECTION_BYTES_MAX).unwrap_or(0) - 10);
    let letter = format!("X: {filler}\r\nSubject: late\r\nDate: later\r\n\r\nbody");
    assert_eq!(scan(letter.as_bytes()).root().body.octets(), 4);
}

#[test]
fn encoded_words_without_end_make_no_more_text_than_bytes() {
    for raw in [
        "=?",
        "=?utf-8?q?",
        "=?utf-8?q?=C3?= ",
        "=?iso-2022-jp?b?Gw==?=",
        "=?=?=?=?",
    ] {
        let value = raw.repeat(20_000);
        let text = message::decode::field_text(value.as_bytes());
        assert!(text.len() <= 3 * value.len());
    }
}
