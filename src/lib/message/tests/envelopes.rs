//! Envelopes: RFC 9051's example, and address lists as Dovecot 2.3.19 gives
//! them; rows where we differ on purpose say why.

mod imap_form;

use imap_form::{addresses, crlf, envelope};
use message::Address;

#[test]
fn the_envelope_of_rfc_9051_comes_out_as_it_stands_there() {
    // RFC 9051 §8, the letter of FETCH 12.
    let letter = crlf(
        "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\n\
         From: Terry Gray <gray@cac.washington.edu>\n\
         Subject: IMAP4rev2 WG mtg summary and minutes\n\
         To: imap@cac.washington.edu\n\
         cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\n\
         Message-Id: <B27397-0100000@cac.washington.ed>\n\
         MIME-Version: 1.0\n\
         Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\n",
    );
    let gray = r#"(("Terry Gray" NIL "gray" "cac.washington.edu"))"#;
    assert_eq!(
        envelope(&letter),
        format!(
            r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" {gray} {gray} {gray} ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.ed>")"#
        )
    );
}

#[test]
fn the_body_structure_of_rfc_9051_comes_out_as_it_stands_there() {
    // RFC 9051 §7.5.2: a text of 2279 octets and 48 lines.
    let mut letter =
        crlf("Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\nContent-Transfer-Encoding: 7BIT\n\n");
    let mut body = "x\r\n".repeat(47).into_bytes();
    body.resize(2277, b'x');
    body.extend_from_slice(b"\r\n");
    letter.extend_from_slice(&body);
    assert_eq!(
        imap_form::body_structure(&letter),
        r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 2279 48 NIL NIL NIL NIL)"#
    );
}

fn check(rows: &[(&str, &str)]) {
    for (value, expected) in rows {
        assert_eq!(
            addresses(&Address::list(value.as_bytes())),
            *expected,
            "{value}"
        );
    }
}

#[test]
fn addresses_come_out_as_with_dovecot() {
    check(&[
        ("a@b", r#"((NIL NIL "a" "b"))"#),
        ("<a@b>", r#"((NIL NIL "a" "b"))"#),
        ("Joe Q. Public <a@b>", r#"(("Joe Q. Public" NIL "a" "b"))"#),
        (r#""Joe \"Q\"" <a@b>"#, r#"(("Joe \"Q\"" NIL "a" "b"))"#),
        ("Joe\t Q <a@b>", r#"(("Joe Q" NIL "a" "b"))"#),
        ("=?utf-8?q?x?= <a@b>", r#"(("=?utf-8?q?x?=" NIL "a" "b"))"#),
        ("Joe (z) Q <a@b> (y)", r#"(("Joe Q" NIL "a" "b"))"#),
        ("a@b (Joe)", r#"(("Joe" NIL "a" "b"))"#),
        ("a@b (x (y) z)", r#"(("x (y) z" NIL "a" "b"))"#),
        (r"a@b (x\) y)", r#"(("x) y" NIL "a" "b"))"#),
        ("a @ b (c) (d)", r#"(("d" NIL "a" "b"))"#),
        ("a@b ()", r#"((NIL NIL "a" "b"))"#),
        (r#""a b"@c"#, r#"((NIL NIL "a b" "c"))"#),
        (r#"""@b, <""@b>"#, r#"((NIL NIL "" "b")(NIL NIL "" "b"))"#),
        ("a@[1.2 .3]", r#"((NIL NIL "a" "[1.2 .3]"))"#),
        ("<@r1,@r2:a@b>", r#"((NIL "@r1,@r2" "a" "b"))"#),
        ("<@r:a>", r#"((NIL "@r" "a" "MISSING_DOMAIN"))"#),
        (
            "a..b@c, .a@b",
            r#"((NIL NIL "a..b" "c")(NIL NIL ".a" "b"))"#,
        ),
        ("a@b, ", r#"((NIL NIL "a" "b"))"#),
        ("", "NIL"),
        ("(\\", "NIL"),
    ]);
}

#[test]
fn groups_have_marks_at_both_ends() {
    check(&[
        (
            "g: a@b, c@d;",
            r#"((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL NIL NIL))"#,
        ),
        (
            "Undisclosed recipients:;",
            r#"((NIL NIL "Undisclosed recipients" NIL)(NIL NIL NIL NIL))"#,
        ),
        (
            "\"g h\": a@b",
            r#"((NIL NIL "g h" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))"#,
        ),
        (
            "J <a@b>, g:;, z@z",
            r#"(("J" NIL "a" "b")(NIL NIL "g" NIL)(NIL NIL NIL NIL)(NIL NIL "z" "z"))"#,
        ),
        (
            "g: h: a@b;;",
            r#"((NIL NIL "g" NIL)(NIL NIL "h" "MISSING_DOMAIN")(NIL NIL NIL NIL))"#,
        ),
    ]);
}

#[test]
fn what_is_missing_has_a_name_and_is_no_group_mark() {
    check(&[
        ("foo", r#"((NIL NIL "foo" "MISSING_DOMAIN"))"#),
        (
            "foo bar",
            r#"(("foo bar" NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))"#,
        ),
        (
            "Joe <>",
            r#"(("Joe" NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))"#,
        ),
        (
            "@b, a@",
            r#"((NIL NIL "MISSING_MAILBOX" "b")(NIL NIL "a" "MISSING_DOMAIN"))"#,
        ),
        (
            "Joe a@b",
            r#"(("Joe a" NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))"#,
        ),
    ]);
}

#[test]
fn one_bad_address_hides_no_other() {
    // Dovecot gives up at the first of these.
    check(&[
        (
            "J <a@b> junk, c@d",
            r#"(("J" NIL "a" "b")(NIL NIL "c" "d"))"#,
        ),
        ("a@b;c@d", r#"((NIL NIL "a" "b")(NIL NIL "c" "d"))"#),
        ("J <a@b, c@d", r#"(("J" NIL "a" "b")(NIL NIL "c" "d"))"#),
        ("[x] <a@b>", r#"(("[x]" NIL "a" "b"))"#),
        (",,a@b,,c@d,", r#"((NIL NIL "a" "b")(NIL NIL "c" "d"))"#),
        (">)@, a@b", r#"((NIL NIL "a" "b"))"#),
    ]);
}

#[test]
fn white_space_within_an_address_is_allowed() {
    // RFC 5322 §4.4, obs-local-part and obs-domain; Dovecot refuses it.
    check(&[
        ("a . b @ c . d", r#"((NIL NIL "a.b" "c.d"))"#),
        (r#"a."b".c@d"#, r#"((NIL NIL "a.b.c" "d"))"#),
    ]);
}

#[test]
fn doubled_fields_hide_no_sender() {
    let letter = crlf("From: a@b\nFrom: c@d\nSubject: 1\nSubject: 2\n\n");
    let from = r#"((NIL NIL "a" "b")(NIL NIL "c" "d"))"#;
    assert_eq!(
        envelope(&letter),
        format!(r#"(NIL "2" {from} {from} {from} NIL NIL NIL NIL NIL)"#)
    );
}

#[test]
fn an_empty_field_is_not_an_absent_one_but_for_its_default() {
    let letter = crlf("From: a@b\nSender:\nReply-To: ,\nSubject:\nMessage-ID: \n\n");
    let from = r#"((NIL NIL "a" "b"))"#;
    assert_eq!(
        envelope(&letter),
        format!(r#"(NIL "" {from} {from} {from} NIL NIL NIL NIL "")"#)
    );
}

#[test]
fn folded_values_are_unfolded_and_stay_raw() {
    let letter = crlf("Subject:  a\n  b\n\tc  \nIn-Reply-To: <x>\n <y>\nMessage-ID: <a\n b>\n\n");
    assert_eq!(
        envelope(&letter),
        "(NIL \"a  b\tc\" NIL NIL NIL NIL NIL NIL \"<x> <y>\" \"<a b>\")"
    );
}
