//! A `director` that cheats: it has the sockets that are handed over meanwhile, and can
//! end workers. It can't choose whose mail a socket sees.

use crate::{ALICE, BOB, RECOVERY, WORD, lives, login, say, set_with};
use harness::set::wait_for;
use harness::{Session, Set};
use std::time::{Duration, Instant};

/// `control` asks it twice, and waits five seconds each time.
const STATUS: Duration = Duration::from_secs(20);

fn set() -> Set {
    set_with("mailkeep-director", "hostile-director", "")
}

/// Logs in with a tag that orders a lie; gives all lines up to the answer.
fn lie(set: &Set, name: &str, lie: &str) -> (Session, Vec<String>) {
    let mut session = set.imaps();
    let said = session.command(&format!("{lie} LOGIN {name} {WORD}"));
    (session, said)
}

#[test]
fn tickets_of_its_own_making_open_nothing() {
    let set = set();
    let (mut session, said) = lie(&set, ALICE, "invent");
    assert!(said[0].starts_with("invent OK"), "{said:?}");
    let refused = || set.log().matches("not born: BadTicket").count() == 5;
    assert!(wait_for(RECOVERY, refused), "{}", set.log());
    // Nobody but Alice got a directory.
    let store = set.state().join("store");
    let accounts = std::fs::read_dir(store).expect("the store").count();
    assert!(accounts <= 1, "{accounts} accounts were made");
    assert!(lives(&mut session));
}

#[test]
fn a_socket_at_anothers_worker_sees_nothing_with_any_ticket() {
    let set = set();
    let reply = set.deliver(BOB, "Subject: for Bob alone\r\n\r\nx\r\n");
    assert!(reply.starts_with("250"), "{reply}");
    let mut bobs = login(&set, BOB);
    // With her own ticket, and with Bob's last one: its worker knows both for what they are.
    let (_session, said) = lie(&set, ALICE, "other");
    assert!(
        said[..said.len() - 1]
            .iter()
            .all(|line| line.starts_with("* refused: ")),
        "{said:?}"
    );
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[2].starts_with("other NO"), "{said:?}");
    assert!(
        bobs.ok("s SELECT INBOX")
            .iter()
            .any(|line| line == "* 1 EXISTS")
    );
}

#[test]
fn a_ticket_serves_once() {
    let set = set();
    let (mut session, said) = lie(&set, ALICE, "replay");
    assert!(said[0].starts_with("replay OK"), "{said:?}");
    let again = session.command("n NOOP");
    assert_eq!(again.len(), 1, "somebody else serves it as well: {again:?}");
    assert!(again[0].starts_with("n OK"));
}

#[test]
fn one_that_is_mute_keeps_no_administrator_waiting() {
    let set = set();
    let (_session, said) = lie(&set, ALICE, "mute");
    assert!(said[0].starts_with("mute OK"), "{said:?}");
    let asked = Instant::now();
    assert!(set.mailkeep(&["status"]).status.success());
    assert!(asked.elapsed() < STATUS, "{:?}", asked.elapsed());
}

#[test]
fn ended_workers_are_born_again_with_all_that_was_acknowledged() {
    let set = set();
    let reply = set.deliver(BOB, "Subject: kept\r\n\r\nx\r\n");
    assert!(reply.starts_with("250"), "{reply}");
    let mut bobs = login(&set, BOB);
    bobs.ok("s SELECT INBOX");
    drop(say(&set, &format!("kill LOGIN {ALICE} {WORD}")));
    assert!(bobs.is_over(), "a session survives its worker");
    let mut bobs = login(&set, BOB);
    assert!(
        bobs.ok("s SELECT INBOX")
            .iter()
            .any(|line| line == "* 1 EXISTS")
    );
    assert!(lives(&mut login(&set, ALICE)));
}

#[test]
fn whom_it_never_answers_is_let_go_without_a_word() {
    let set = set();
    let mut ignored = set.imaps();
    ignored.line(&format!("silent LOGIN {ALICE} {WORD}"));
    assert!(lives(&mut login(&set, BOB)));
    // `login` gives up after thirty seconds, and can't know who has the socket.
    assert_eq!(ignored.read_line(), None);
    assert!(lives(&mut login(&set, ALICE)));
}
