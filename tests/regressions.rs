//! What a mail provider's users have met in other servers, each as a test by name, so
//! that it never comes back in ours. Each says what went wrong there.

use harness::{Session, Set};

const ALICE: &str = "alice@example.org";

fn alice() -> Set {
    let set = Set::start();
    set.add_user(ALICE);
    set
}

/// A session with INBOX selected.
fn inbox(set: &Set) -> Session {
    let mut session = set.login(ALICE);
    session.ok("s SELECT INBOX");
    session
}

/// Puts a small letter somewhere.
fn append(session: &mut Session, mailbox: &str, flags: &str) {
    session.ok(&format!("p APPEND {mailbox} ({flags}) {{6+}}\r\na: b\r\n"));
}

/// Begins IDLE.
fn idle(session: &mut Session) {
    session.line("i IDLE");
    let go_on = session.read_line().expect("an answer to IDLE");
    assert!(go_on.starts_with('+'), "{go_on}");
}

/// Ends IDLE, and gives what was told on the way.
fn done(session: &mut Session) -> Vec<String> {
    let mut lines = Vec::new();
    session.line("DONE");
    loop {
        let line = session.read_line().expect("the end of IDLE");
        if line.starts_with("i ") {
            assert!(line.starts_with("i OK"), "{line}");
            return lines;
        }
        lines.push(line);
    }
}

/// The items of a FETCH that nobody has asked for.
fn items(fetch: &str) -> Vec<String> {
    let (_, items) = fetch.split_once('(').expect("items");
    let mut depth = 0;
    let mut names = Vec::new();
    for word in items.split(' ') {
        if depth == 0 && !word.starts_with('(') && !word.starts_with(char::is_numeric) {
            names.push(word.trim_end_matches(')').to_owned());
        }
        depth += word.matches('(').count();
        depth = depth.saturating_sub(word.matches(')').count());
    }
    names
}

/// What others do to a mailbox, whatever could be said of it.
fn disturb(set: &Set) {
    let mut other = inbox(set);
    other.ok("a STORE 1 +FLAGS (\\Seen $Forwarded)");
    other.ok("b FETCH 2 BODY[]");
    append(&mut other, "INBOX", "\\Flagged");
    assert!(
        set.deliver(ALICE, "Subject: new\r\n\r\nnew")
            .starts_with("250")
    );
    other.ok("c UID STORE 3 -FLAGS.SILENT (\\Flagged)");
}

/// Only FLAGS, and UID at most: Mail.app takes anything more for an answer of its own.
fn carries_only_flags(told: &[String]) {
    let fetches: Vec<&String> = told
        .iter()
        .filter(|line| line.contains(" FETCH "))
        .collect();
    assert!(!fetches.is_empty(), "nothing was told of flags: {told:#?}");
    for fetch in fetches {
        let items = items(fetch);
        assert!(items.contains(&"FLAGS".to_owned()), "{fetch}");
        assert!(
            items.iter().all(|item| item == "FLAGS" || item == "UID"),
            "{fetch}: {items:?}"
        );
    }
}

fn two_letters(set: &Set) {
    let mut session = set.login(ALICE);
    append(&mut session, "INBOX", "");
    append(&mut session, "INBOX", "");
}

/// 3: IDLE told of changed flags, but not of new messages.
#[test]
fn idle_tells_of_new_messages_and_not_only_of_flags() {
    let set = alice();
    two_letters(&set);
    let mut session = inbox(&set);
    idle(&mut session);
    assert!(
        set.deliver(ALICE, "Subject: new\r\n\r\nnew")
            .starts_with("250")
    );
    // Unasked: before DONE, and without any other command.
    assert_eq!(session.read_line().as_deref(), Some("* 3 EXISTS"));
    let mut other = set.login(ALICE);
    append(&mut other, "INBOX", "\\Seen");
    while session.read_line().expect("the next message") != "* 4 EXISTS" {}
    done(&mut session);
}

/// 4: a FETCH that nobody had asked for carried more than flags during IDLE.
#[test]
fn what_idle_tells_of_a_message_is_its_flags_and_nothing_else() {
    let set = alice();
    two_letters(&set);
    let mut session = inbox(&set);
    idle(&mut session);
    disturb(&set);
    carries_only_flags(&done(&mut session));
}

/// 5: the same, during NOOP.
#[test]
fn what_noop_tells_of_a_message_is_its_flags_and_nothing_else() {
    let set = alice();
    two_letters(&set);
    let mut session = inbox(&set);
    disturb(&set);
    let told = session.ok("n NOOP");
    assert!(told.contains(&"* 4 EXISTS".to_owned()), "{told:#?}");
    carries_only_flags(&told);
}

/// 6: Outlook refused a COPYUID whose sets were unsorted, of different length or empty.
#[test]
fn copyuid_pairs_two_sorted_sets_and_is_left_out_if_nothing_was_copied() {
    let set = alice();
    let mut session = inbox(&set);
    (0..5).for_each(|_| append(&mut session, "INBOX", ""));
    session.ok("a CREATE to");
    // As sent, the set neither ascends nor is without repetition.
    let copied = session.ok("b UID COPY 5,1:2,2,4 to");
    assert!(
        copied
            .last()
            .is_some_and(|last| last.contains(" 1:2,4:5 1:4] ")),
        "{copied:?}"
    );
    let moved = session.ok("c UID MOVE 3,1 to");
    assert!(
        moved
            .iter()
            .any(|line| line.starts_with("* OK [COPYUID ") && line.contains(" 1,3 5:6] ")),
        "{moved:?}"
    );
    for (nothing, tag) in [("UID COPY 77 to", "d"), ("UID MOVE 1,3 to", "e")] {
        let said = session.ok(&format!("{tag} {nothing}"));
        assert!(
            !said.iter().any(|line| line.contains("COPYUID")),
            "{said:?}"
        );
    }
}

/// 10: STATUS counted what had been read as UNSEEN, once UIDs and numbers differed.
#[test]
fn unseen_counts_what_has_not_been_read() {
    let set = alice();
    let mut session = inbox(&set);
    for flags in ["", "\\Seen", "\\Deleted", "\\Seen", ""] {
        append(&mut session, "INBOX", flags);
    }
    let count = |session: &mut Session, expected: &str| {
        let told = session.ok("u STATUS INBOX (UNSEEN MESSAGES)");
        assert!(told[0].contains(expected), "{expected}: {told:?}");
    };
    let mut other = set.login(ALICE);
    count(&mut other, "UNSEEN 3 MESSAGES 5");
    session.ok("x EXPUNGE");
    count(&mut other, "UNSEEN 2 MESSAGES 4");
    session.ok("y FETCH 1 BODY[]");
    count(&mut other, "UNSEEN 1 MESSAGES 4");
    session.ok("z UID STORE 2 -FLAGS (\\Seen)");
    count(&mut other, "UNSEEN 2 MESSAGES 4");
}

/// 12: adding `\Seen` and another flag to what was `\Seen` already took `\Seen` away.
#[test]
fn adding_seen_and_another_flag_to_what_is_seen_keeps_it_seen() {
    let set = alice();
    let mut session = inbox(&set);
    append(&mut session, "INBOX", "\\Seen");
    for store in [
        "+FLAGS (\\Seen \\Flagged)",
        "+FLAGS.SILENT (\\Seen $Junk)",
        "-FLAGS (\\Flagged $Junk)",
    ] {
        session.ok(&format!("a STORE 1 {store}"));
        let told = session.ok("b FETCH 1 FLAGS");
        assert!(
            told.iter().any(|line| line.contains("\\Seen")),
            "{store}: {told:?}"
        );
    }
    let counted = set.login(ALICE).ok("c STATUS INBOX (UNSEEN)");
    assert!(counted[0].contains("UNSEEN 0"), "{counted:?}");
}
