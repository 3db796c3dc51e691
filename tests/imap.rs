//! IMAP through every process: what no trace (tests/traces.rs) can show.

use harness::set::{IMAP, PASSWORD};
use harness::{Session, Set};

const ALICE: &str = "alice@example.org";

fn alice() -> Set {
    let set = Set::start();
    set.add_user(ALICE);
    set
}

#[test]
fn idle_tells_of_a_delivery_without_being_asked() {
    let set = alice();
    let mut session = set.login(ALICE);
    session.ok("a SELECT INBOX");
    session.line("b IDLE");
    assert!(
        session
            .read_line()
            .is_some_and(|line| line.starts_with("+ "))
    );
    assert!(
        set.deliver(ALICE, "Subject: new\r\n\r\nnew\r\n")
            .starts_with("250")
    );
    assert_eq!(session.read_line().as_deref(), Some("* 1 EXISTS"));
    session.line("DONE");
    while session
        .read_line()
        .is_some_and(|line| !line.starts_with("b OK"))
    {}
    let fetched = session.ok("c FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    assert!(
        fetched.iter().any(|line| line == "Subject: new"),
        "{fetched:?}"
    );
}

/// P8 of the field's known attacks: commands that somebody put behind STARTTLS in
/// the clear must never be answered within TLS, wherever the segment was cut.
#[test]
fn what_was_sent_in_the_clear_behind_starttls_is_never_carried_out() {
    let set = alice();
    for behind in [
        "b NOOP\r\n",
        "b LOGIN alice@example.org x\r\n",
        "b LOGIN {5+}\r\nalice x\r\n",
        "b",
    ] {
        let mut session = set.imap();
        session.send(format!("a STARTTLS\r\n{behind}").as_bytes());
        let answer = session.read_line().expect("an answer to STARTTLS");
        assert!(answer.starts_with("a OK"), "{answer}");
        // The handshake may fail (the cleartext was taken for a record); if it
        // succeeds, nothing of what stood behind may be heard of.
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut session = session.start_tls(set.certificate());
            session.try_send(b"c NOOP\r\n").ok()?;
            session.read_line()
        }));
        if let Ok(Some(line)) = tried {
            assert!(
                line.starts_with("c "),
                "{behind:?} was answered within TLS: {line}"
            );
        }
    }
}

/// H5: commands sent in the same segment as LOGIN reach the worker, each byte once.
#[test]
fn a_script_cut_at_any_byte_gives_the_same_transcript() {
    let set = alice();
    let script = format!(
        "a LOGIN {ALICE} \"{PASSWORD}\"\r\nb CREATE x\r\nc APPEND x {{4+}}\r\nabcd\r\nd SELECT x\r\n\
         e FETCH 1 BODY.PEEK[]\r\nf DELETE x\r\ng LOGOUT\r\n"
    );
    let whole = transcript(&set, script.as_bytes(), script.len());
    assert!(whole.contains("abcd") && whole.contains("g OK"), "{whole}");
    for cut in (1..script.len()).step_by(7) {
        assert_eq!(
            transcript(&set, script.as_bytes(), cut),
            whole,
            "cut at {cut}"
        );
    }
}

fn transcript(set: &Set, script: &[u8], cut: usize) -> String {
    let mut session = set.imaps();
    let (first, second) = script.split_at(cut);
    session.send(first);
    session.send(second);
    let all = String::from_utf8(session.read_to_end()).expect("UTF-8");
    // Numbers that are never given twice differ from run to run.
    let digits = |line: &str| {
        let told = ["UIDVALIDITY", "APPENDUID", "HIGHESTMODSEQ", "MAILBOXID"];
        told.iter().any(|told| line.contains(told))
    };
    all.lines()
        .filter(|line| !digits(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_password_in_the_clear_is_taken_on_loopback_only_where_configured() {
    let set = Set::with("[login]\ncleartext_on_loopback = true\n");
    set.add_user(ALICE);
    let mut session = Session::clear(set.at(IMAP));
    let greeting = session.read_line().expect("a greeting");
    assert!(!greeting.contains("LOGINDISABLED"), "{greeting}");
    session.ok(&format!("a LOGIN {ALICE} \"{PASSWORD}\""));
}

#[test]
fn a_letter_of_fifty_megabytes_goes_in_and_comes_out_unchanged() {
    let set = Set::with("[limits]\nmessage_size = \"60 MiB\"\n");
    set.add_user(ALICE);
    let line = "0123456789abcdef".repeat(4) + "\r\n";
    let letter = format!(
        "Subject: large\r\n\r\n{}",
        line.repeat((50 << 20) / line.len())
    );
    assert!(set.deliver(ALICE, letter.trim_end()).starts_with("250"));
    let mut session = set.login(ALICE);
    session.line(&format!("a APPEND INBOX {{{}+}}", letter.len()));
    session.line(&letter);
    while session
        .read_line()
        .is_some_and(|line| !line.starts_with("a OK"))
    {}
    session.ok("b SELECT INBOX");
    session.line("c FETCH 2 BODY.PEEK[]");
    let head = session.read_line().expect("a FETCH");
    assert_eq!(head, format!("* 2 FETCH (BODY[] {{{}}}", letter.len()));
    assert!(
        session.read_exact(letter.len()) == letter.as_bytes(),
        "the letter changed"
    );
}
