//! LMTP through every process: traces that somebody who knows RFC 2033 reads
//! (tests/lmtp/*.txt), and what only a whole set can show.

use harness::set::text;
use harness::trace::{To, play};
use harness::{Session, Set};
use std::os::unix::net::UnixStream;

const ALICE: &str = "alice@example.org";

fn alice_and_bob() -> Set {
    let set = Set::start();
    set.add_user(ALICE);
    set.add_user("bob@example.org");
    set
}

/// An LMTP session in which the next bytes are the letter's.
fn up_to_data(set: &Set, recipients: &[&str]) -> Session {
    let mut session = set.lmtp();
    session.line("LHLO x.example");
    while session
        .read_line()
        .is_some_and(|line| line.starts_with("250-"))
    {}
    let to = recipients.iter().map(|name| format!("RCPT TO:<{name}>"));
    let from = "MAIL FROM:<a@example.net>".to_owned();
    for command in [from].into_iter().chain(to).chain(["DATA".to_owned()]) {
        session.line(&command);
        session.read_line();
    }
    session
}

fn fetched(set: &Set, name: &str, number: u32) -> String {
    let mut session = set.login(name);
    session.ok("a SELECT INBOX");
    session
        .ok(&format!("b FETCH {number} BODY.PEEK[]"))
        .join("\n")
}

#[test]
fn each_recipient_has_an_answer_of_his_own() {
    let set = alice_and_bob();
    play(
        &set,
        To::Lmtp,
        "recipients.txt",
        include_str!("lmtp/recipients.txt"),
    );
    for (name, recipient) in [(ALICE, ALICE), ("bob@example.org", "bob+list@example.org")] {
        let letter = fetched(&set, name, 1);
        assert!(
            letter.contains(&format!("Delivered-To: {recipient}\n")),
            "{letter}"
        );
        assert!(
            letter.contains("Return-Path: <ann@example.net>"),
            "{letter}"
        );
        assert!(
            letter.contains("\n.a line that began with two dots"),
            "{letter}"
        );
    }
}

#[test]
fn bad_orders_bad_words_and_bad_line_ends_are_refused() {
    let set = alice_and_bob();
    play(
        &set,
        To::Lmtp,
        "refusals.txt",
        include_str!("lmtp/refusals.txt"),
    );
}

#[test]
fn lmtp_speaks_tls_when_asked() {
    let set = alice_and_bob();
    play(
        &set,
        To::Lmtp,
        "starttls.txt",
        include_str!("lmtp/starttls.txt"),
    );
}

/// What smuggled a second letter through other servers in 2023: none of these ends
/// the data here.
#[test]
fn no_form_of_bare_line_end_ends_a_letter() {
    let set = alice_and_bob();
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\n",
        "\r\n.\r",
        "\r\n\0.\r\n",
    ] {
        let mut session = up_to_data(&set, &[ALICE]);
        session.send(
            format!("Subject: x\r\n\r\nx{end}MAIL FROM:<evil@example.net>\r\n\r\n.\r\n").as_bytes(),
        );
        // One letter, one answer: refused or taken as a whole, and then QUIT's.
        let answer = session.read_line().expect("an answer");
        assert!(
            answer.starts_with("250 2") || answer.starts_with('5'),
            "{end:?}: {answer}"
        );
        // A letter with a bare line end is the end of the connection, too.
        let after = session
            .try_send(b"QUIT\r\n")
            .ok()
            .and_then(|()| session.read_line());
        let bye = after.is_none_or(|line| line.starts_with("221"));
        assert!(bye, "{end:?}: a second command was found in the letter");
    }
}

#[test]
fn a_connection_that_ends_before_the_final_dot_delivers_nothing() {
    let set = alice_and_bob();
    for _ in 0..3 {
        let mut session = up_to_data(&set, &[ALICE]);
        session.send(b"Subject: half\r\n\r\nhalf a letter\r\n");
        drop(session);
    }
    assert!(
        set.deliver(ALICE, "Subject: whole\r\n\r\nwhole\r\n")
            .starts_with("250")
    );
    let letter = fetched(&set, ALICE, 1);
    assert!(letter.contains("Subject: whole"), "{letter}");
    let mut session = set.login(ALICE);
    assert!(
        session
            .ok("a SELECT INBOX")
            .contains(&"* 1 EXISTS".to_owned())
    );
}

#[test]
fn the_unix_socket_is_for_a_local_mta() {
    use std::io::{BufRead, BufReader, Write};
    let set = alice_and_bob();
    let mut stream = UnixStream::connect(set.lmtp_socket()).expect("it listens");
    stream
        .set_read_timeout(Some(harness::session::PATIENCE))
        .expect("a socket");
    let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
    assert!(
        lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| line.starts_with("220 ")))
    );
    stream
        .write_all(b"LHLO mta\r\nMAIL FROM:<a@example.net> SIZE=20\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n")
        .expect("it reads");
    let go_on = lines
        .by_ref()
        .find(|line| line.as_ref().is_ok_and(|line| line.starts_with("354")));
    assert!(go_on.is_some());
    stream
        .write_all(b"Subject: local\r\n\r\nlocal\r\n.\r\nQUIT\r\n")
        .expect("it reads");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(
        matches!(&rest[..], [taken, bye] if taken.starts_with("250 2.0.0") && bye.starts_with("221")),
        "{rest:?}"
    );
}

/// One recipient's worker must not be able to change another's letter: what leaves
/// `lmtp` is read-only. Looked at from outside, while a delivery is held up.
#[test]
fn a_large_letter_reaches_every_recipient_and_leaves_no_file() {
    let set = alice_and_bob();
    let body = "0123456789".repeat(7) + "\r\n";
    let letter = format!("Subject: large\r\n\r\n{}", body.repeat(20_000));
    let mut session = up_to_data(&set, &[ALICE, "bob@example.org"]);
    session.send(letter.as_bytes());
    session.send(b".\r\n");
    for _ in 0..2 {
        let answer = session.read_line().expect("an answer for each");
        assert!(answer.starts_with("250 2.0.0"), "{answer}");
    }
    for name in [ALICE, "bob@example.org"] {
        assert!(
            fetched(&set, name, 1)
                .lines()
                .filter(|line| line.starts_with("0123456789"))
                .count()
                == 20_000
        );
    }
    let left = std::fs::read_dir(set.state().join("spool"))
        .expect("the spool")
        .count();
    assert_eq!(left, 0, "the spool keeps files");
}

#[test]
fn a_letter_above_the_limit_is_refused_for_good() {
    let set = Set::with("[limits]\nmessage_size = \"64 KiB\"\n");
    set.add_user(ALICE);
    let mut session: Session = set.lmtp();
    session.line("LHLO x.example");
    let mut sizes = Vec::new();
    loop {
        let line = session.read_line().expect("an answer to LHLO");
        sizes.extend(line.contains("SIZE").then(|| line.clone()));
        if line.starts_with("250 ") {
            break;
        }
    }
    assert!(
        sizes.iter().any(|line| line.ends_with("SIZE 65536")),
        "{sizes:?}"
    );
    session.line("MAIL FROM:<a@example.net> SIZE=65537");
    assert!(
        session
            .read_line()
            .is_some_and(|line| line.starts_with("552 5.3.4"))
    );
    let reply = set.deliver(
        ALICE,
        &format!("Subject: x\r\n\r\n{}", "x\r\n".repeat(30_000)),
    );
    assert!(reply.starts_with("552 5.3.4"), "{reply}");
    let log = text(&set.mailkeep(&["status"]));
    assert!(log.contains("lmtp"), "{log}");
}
