//! Letters that other servers got wrong, and the tree that each must come out
//! as. Where RFC 2046 is silent the expectation is what Dovecot 2.3.19 answers
//! to FETCH BODYSTRUCTURE; rows where we differ on purpose say why.

mod imap_form;

use imap_form::{body_structure, crlf, scan};
use message::{SectionText, Span};

/// A text/plain leaf without anything else.
fn plain(octets: u64, lines: u64) -> String {
    format!(
        r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" {octets} {lines} NIL NIL NIL NIL)"#
    )
}

fn multipart(subtype: &str, boundary: &str, children: &[String]) -> String {
    let children = children.concat();
    format!(r#"({children} "{subtype}" ("boundary" "{boundary}") NIL NIL NIL)"#)
}

fn mixed(children: &[String]) -> String {
    multipart("mixed", "b", children)
}

fn message(octets: u64, lines: u64, subject: &str, body: &str) -> String {
    let envelope = format!("(NIL {subject} NIL NIL NIL NIL NIL NIL NIL NIL)");
    format!(
        r#"("message" "rfc822" NIL NIL NIL "7bit" {octets} {envelope} {body} {lines} NIL NIL NIL NIL)"#
    )
}

fn with_boundary_b(body: &str) -> Vec<u8> {
    crlf(&format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{body}"
    ))
}

#[test]
fn delimiters_are_found_as_dovecot_finds_them() {
    let one = |octets, lines| mixed(&[plain(octets, lines)]);
    for (body, expected) in [
        ("pre\n--b\n\nhello\n--b--\nepilogue\n", one(5, 0)),
        ("--b\n\none\ntwo\n--b--\n", one(8, 1)),
        // Unterminated, with and without a last line end.
        ("--b\n\nhello\n", one(7, 1)),
        ("--b\n\nhello\n--b--", one(5, 0)),
        ("--b\n\nhello\n--b", one(5, 0)),
        ("--b\n\nhello\n--", one(9, 1)),
        // A line need only begin with the delimiter.
        ("--bxyz\n\nhello\n--b--\n", one(5, 0)),
        ("--b  \n\nx--b--\n", one(8, 1)),
        // Delimiters behind the closing one mean nothing.
        ("--b\n\nx\n--b--\n--b\n\ny\n--b--\n", one(1, 0)),
        // A header section without its empty line goes on to the next one.
        ("--b\nhello there\nmore\n\nrest\n--b--\n", one(4, 0)),
        // Empty parts, and multiparts without any.
        ("--b\n--b--\n", one(0, 0)),
        ("--b\n\n--b--\n", one(0, 0)),
        (
            "--b\n--b\n\n--b\n\n\n--b",
            mixed(&[plain(0, 0), plain(0, 0), plain(0, 0)]),
        ),
        ("", one(0, 0)),
        ("preamble only\n", one(0, 0)),
        ("--b--\n", one(0, 0)),
    ] {
        assert_eq!(body_structure(&with_boundary_b(body)), expected, "{body:?}");
    }
}

#[test]
fn a_delimiter_ends_a_header_section() {
    let html = plain(0, 0).replace("plain", "html");
    assert_eq!(
        body_structure(&with_boundary_b(
            "--b\nContent-Type: text/html\n--b\n\nx\n--b--\n"
        )),
        mixed(&[html, plain(1, 0)])
    );
}

#[test]
fn boundaries_that_begin_alike_are_told_apart() {
    for (outer, inner) in [("b", "bb"), ("bb", "b"), ("b", "b--"), ("b", "b")] {
        let letter = format!(
            "Content-Type: multipart/mixed; boundary=\"{outer}\"\n\n--{outer}\n\
             Content-Type: multipart/alternative; boundary=\"{inner}\"\n\n\
             --{inner}\n\nx\n--{inner}--\n--{outer}\n\nyy\n--{outer}--\n"
        );
        let inside = multipart("alternative", inner, &[plain(1, 0)]);
        let expected = multipart("mixed", outer, &[inside, plain(2, 0)]);
        assert_eq!(body_structure(&crlf(&letter)), expected, "{outer} {inner}");
    }
}

#[test]
fn an_outer_delimiter_ends_all_that_is_inside() {
    let letter = "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\
                  Content-Type: message/rfc822\n\nSubject: s\n\nx\n--b\n\ny\n--b--\n";
    let inner = multipart("mixed", "c", &[message(15, 2, "\"s\"", &plain(1, 0))]);
    assert_eq!(
        body_structure(&with_boundary_b(letter)),
        mixed(&[inner, plain(1, 0)])
    );
}

#[test]
fn messages_within_are_whole_however_they_are_cut() {
    let head = "--b\nContent-Type: message/rfc822\n\n";
    for (body, expected) in [
        (
            "Subject: x\n\nhello\n--b--\n",
            message(19, 2, "\"x\"", &plain(5, 0)),
        ),
        (
            "Subject: x\n\n--b--\n",
            // RFC 2046 §5.1.1: the empty line is the delimiter's line end. Dovecot
            // says 14 and 2, and 12 and 1.
            message(12, 1, "\"x\"", &plain(0, 0)),
        ),
        ("Subject: x\n--b--\n", message(10, 0, "\"x\"", &plain(0, 0))),
        ("--b--\n", message(0, 0, "NIL", &plain(0, 0))),
        ("", message(0, 0, "NIL", &plain(0, 0))),
    ] {
        let letter = with_boundary_b(&format!("{head}{body}"));
        assert_eq!(body_structure(&letter), mixed(&[expected]), "{body:?}");
    }
}

#[test]
fn a_digest_holds_messages_unless_it_says_otherwise() {
    let letter = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nhello\n\
                  --b\nContent-Type: text/plain\n\nhi\n--b--\n";
    let parts = [message(19, 2, "\"x\"", &plain(5, 0)), plain(2, 0)];
    assert_eq!(
        body_structure(&crlf(letter)),
        multipart("digest", "b", &parts)
    );
}

#[test]
fn message_global_is_a_message() {
    // RFC 9051's media-message has both; Dovecot 2.3 knows only rfc822.
    let letter = crlf("Content-Type: message/global\n\nSubject: x\n\nhello\n");
    let expected = message(21, 3, "\"x\"", &plain(7, 1)).replace("rfc822", "global");
    assert_eq!(body_structure(&letter), expected);
}

#[test]
fn line_ends_may_be_mixed_and_count_as_they_are() {
    // Dovecot tells the size after conversion to CRLF; we serve what was stored.
    let letter = b"Content-Type: multipart/mixed; boundary=b\n\n--b\r\n\nhello\nyou\r\n--b--\n";
    assert_eq!(body_structure(letter), mixed(&[plain(9, 1)]));
    // A CR alone ends no line.
    let letter = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\r--b\ryou\n--b--\n";
    assert_eq!(body_structure(letter), mixed(&[plain(13, 0)]));
}

#[test]
fn a_multipart_without_a_boundary_has_one_empty_part() {
    let letter = crlf("Content-Type: multipart/mixed\n\n--b\n\nhello\n--b--\n");
    assert_eq!(
        body_structure(&letter),
        format!("({} \"mixed\" NIL NIL NIL NIL)", plain(0, 0))
    );
}

#[test]
fn a_boundary_is_found_in_each_of_its_forms() {
    for param in [
        "boundary=ab",
        "BOUNDARY=\"ab\"",
        "boundary = ab (c)",
        "boundary=\"ab \"",
        "boundary*0=a; boundary*1=b",
        "boundary*=utf-8''a%62",
        "boundary=\"ab",
        "boundary=ab; boundary=x",
        "x; boundary=ab",
    ] {
        let letter = format!("Content-Type: multipart/mixed; {param}\n\n--ab\n\none\n--ab--\n");
        let structure = scan(&crlf(&letter));
        let part = structure.part_at(&[1]).map(|part| part.body.octets());
        assert_eq!(part, Some(3), "{param}");
    }
}

#[test]
fn an_encapsulated_encoding_changes_nothing() {
    let letter = crlf(
        "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n\
         --b\n\nhello\n--b--\n",
    );
    assert_eq!(body_structure(&letter), mixed(&[plain(5, 0)]));
}

#[test]
fn a_letter_without_anything_is_an_empty_text() {
    assert_eq!(body_structure(b""), plain(0, 0));
    assert_eq!(body_structure(b"\r\n"), plain(0, 0));
    assert_eq!(body_structure(b"no header"), plain(0, 0));
}

/// The letter of RFC 3501 §6.4.5's example of section numbers, filled in.
const NUMBERED: &str = "Content-Type: multipart/mixed; boundary=a\n\n\
    --a\n\n1 text\n\
    --a\nContent-Type: application/octet-stream\n\n2 octets\n\
    --a\nContent-Type: message/rfc822\n\n\
    Subject: 3\nContent-Type: multipart/mixed; boundary=b\n\n\
    --b\n\n3.1 text\n\
    --b\nContent-Type: application/octet-stream\n\n3.2 octets\n\
    --b--\n\
    --a\nContent-Type: multipart/mixed; boundary=c\n\n\
    --c\nContent-Type: image/gif\n\n4.1 gif\n\
    --c\nContent-Type: message/rfc822\n\n\
    Subject: 4.2\nContent-Type: multipart/mixed; boundary=d\n\n\
    --d\n\n4.2.1 text\n\
    --d\nContent-Type: multipart/alternative; boundary=e\n\n\
    --e\n\n4.2.2.1 plain\n\
    --e\nContent-Type: text/richtext\n\n4.2.2.2 rich\n\
    --e--\n--d--\n--c--\n--a--\n";

fn section(letter: &[u8], path: &[u32], text: SectionText) -> Option<String> {
    let span: Span = scan(letter).section(path, text)?;
    let range = usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?;
    Some(String::from_utf8_lossy(&letter[range]).replace("\r\n", "\n"))
}

#[test]
fn the_section_numbers_of_rfc_9051_name_the_parts_that_it_says() {
    let letter = crlf(NUMBERED);
    for (path, body) in [
        (&[1][..], "1 text"),
        (&[2], "2 octets"),
        (&[3, 1], "3.1 text"),
        (&[3, 2], "3.2 octets"),
        (&[4, 1], "4.1 gif"),
        (&[4, 2, 1], "4.2.1 text"),
        (&[4, 2, 2, 1], "4.2.2.1 plain"),
        (&[4, 2, 2, 2], "4.2.2.2 rich"),
    ] {
        let got = section(&letter, path, SectionText::Whole);
        assert_eq!(got.as_deref(), Some(body), "{path:?}");
    }
    for path in [
        &[0][..],
        &[5],
        &[1, 1],
        &[3, 3],
        &[4, 2, 2, 3],
        &[4, 2, 2, 1, 1],
    ] {
        assert_eq!(section(&letter, path, SectionText::Whole), None, "{path:?}");
    }
}

#[test]
fn header_text_and_mime_name_what_rfc_9051_says() {
    use SectionText::{Header, Mime, Text, Whole};
    let letter = crlf(NUMBERED);
    let get = |path: &[u32], text| section(&letter, path, text);
    let header = "Subject: 3\nContent-Type: multipart/mixed; boundary=b\n\n";
    assert_eq!(get(&[3], Header).as_deref(), Some(header));
    let text = get(&[3], Text).unwrap_or_default();
    assert!(
        text.starts_with("--b\n") && text.ends_with("--b--"),
        "{text}"
    );
    assert_eq!(get(&[3], Whole), Some(format!("{header}{text}")));
    let mime = "Content-Type: message/rfc822\n\n";
    assert_eq!(get(&[3], Mime).as_deref(), Some(mime));
    assert_eq!(get(&[1], Mime).as_deref(), Some("\n"));
    // Only a message has a HEADER and a TEXT; MIME wants a part.
    assert_eq!(
        (get(&[1], Header), get(&[4], Text), get(&[], Mime)),
        (None, None, None)
    );
    let whole = get(&[], Header)
        .zip(get(&[], Text))
        .map(|(header, text)| header + &text);
    assert_eq!(get(&[], Whole), whole);
}

#[test]
fn a_letter_that_is_no_multipart_has_part_1() {
    use SectionText::{Header, Mime, Text, Whole};
    let letter = crlf("Subject: x\n\nhello\n");
    let get = |path: &[u32], text| section(&letter, path, text);
    assert_eq!(get(&[1], Whole).as_deref(), Some("hello\n"));
    assert_eq!(get(&[1], Mime).as_deref(), Some("Subject: x\n\n"));
    assert_eq!(
        (get(&[1], Text), get(&[2], Whole), get(&[1, 1], Whole)),
        (None, None, None)
    );
    let letter = crlf("Content-Type: message/rfc822\n\nSubject: x\n\nhello\n");
    let get = |path: &[u32], text| section(&letter, path, text);
    assert_eq!(get(&[1], Header).as_deref(), Some("Subject: x\n\n"));
    assert_eq!(get(&[1, 1], Whole).as_deref(), Some("hello\n"));
    assert_eq!(get(&[1, 1], Mime).as_deref(), Some("Subject: x\n\n"));
}

#[test]
fn the_content_fields_come_out_raw() {
    let letter = crlf(
        "Content-Type: image/PNG; name=\"a \\\"b\\\"\"; x*0=a; x*1*=%41\n\
         Content-ID: <a@b>\nContent-Description: =?utf-8?q?x?=\n more\n\
         Content-Transfer-Encoding: BASE64 (c)\nContent-MD5: abc==\n\
         Content-Disposition: ATTACHMENT ; filename=x.png; size=3\n\
         Content-Language: en, de (x), \"fr\"\nContent-Location: http://a/\n b\n\nx",
    );
    assert_eq!(
        body_structure(&letter),
        r#"("image" "PNG" ("name" "a \"b\"" "x*" "''a%41") "<a@b>" "=?utf-8?q?x?= more" "BASE64" 1 "abc==" ("ATTACHMENT" ("filename" "x.png" "size" "3")) ("en" "de" "fr") "http://a/ b")"#
    );
}

#[test]
fn what_is_no_content_type_leaves_the_default() {
    // RFC 2045 §5.2; Dovecot says "" "" here, which no client knows to read.
    for value in ["", "text", "text/", "/plain", ";", "()", "\"text\"/plain"] {
        let letter = crlf(&format!("Content-Type: {value}\n\nhello\n"));
        assert_eq!(body_structure(&letter), plain(7, 1), "{value}");
    }
}

#[test]
fn of_doubled_content_fields_the_first_counts() {
    let letter =
        crlf("Content-ID: 1\nContent-Id: 2\nContent-Type : text/plain\nContent-Type: a/b\n\n");
    assert_eq!(
        body_structure(&letter),
        plain(0, 0).replace("NIL NIL \"7bit\"", "\"1\" NIL \"7bit\"")
    );
}
