//! A `login` that cheats: it has the passwords that are typed at it, and the sessions of
//! those who typed them.

use crate::{ALICE, BOB, RECOVERY, WORD, add, lives, login, say, set_with};
use harness::session::PATIENCE;
use harness::set::IMAPS;
use harness::set::wait_for;
use harness::{Authority, Session, Set, binaries};
use std::time::{Duration, Instant};

/// More sockets than `director` keeps for one asker (`HALVES_PER_ASKER_MAX`, 1,024).
const SOCKETS: usize = 1_500;

const NAMES: usize = 1_000;

/// The first pause before who died is started again.
const PAUSE: Duration = Duration::from_millis(100);

fn set(further: &str) -> Set {
    set_with("mailkeep-login", "hostile-login", further)
}

/// Orders a lie.
fn lie(session: &mut Session, lie: &str) {
    let told = session.command(&format!("o LIE {lie}"));
    assert_eq!(told, ["o OK"], "{lie}");
}

/// What came of the lies by now, by name.
fn count(session: &mut Session, what: &str) -> usize {
    let said = session.command("c COUNT").pop().unwrap_or_default();
    let value = said.split(&format!("{what}: ")).nth(1).unwrap_or_default();
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no {what} in {said}"))
}

fn waits_for(session: &mut Session, what: &str, least: usize) {
    let enough = wait_for(PATIENCE, || count(session, what) >= least);
    assert!(enough, "{what}: {} of {least}", count(session, what));
}

#[test]
fn invented_nonces_open_nothing_and_another_login_serves_on() {
    let set = set("[processes]\nlogins = 2\n");
    let mut honest = login(&set, ALICE);
    let mut liar = set.imaps();
    lie(&mut liar, &format!("invent {SOCKETS}"));
    // Of those that `director` keeps it says nothing before twenty seconds.
    waits_for(&mut liar, "refused", SOCKETS - 1_024);
    assert_eq!(count(&mut liar, "invented"), 0);
    assert!(lives(&mut login(&set, BOB)));
    assert!(lives(&mut honest));
}

#[test]
fn a_thousand_names_teach_it_no_password() {
    let set = set("[processes]\nlogins = 2\n");
    let mut liar = set.imaps();
    lie(&mut liar, &format!("names {NAMES}"));
    let mut honest = login(&set, BOB);
    waits_for(&mut liar, "rejected", NAMES);
    assert_eq!(count(&mut liar, "guessed"), 0);
    assert!(lives(&mut honest));
}

#[test]
fn what_is_typed_at_it_is_its_own_and_only_on_the_socket_that_it_was_typed_on() {
    let set = set("[processes]\nlogins = 1\n");
    // What it gets: to write along on a socket that it has handed over.
    let mut kept = set.imaps();
    lie(&mut kept, "keep");
    kept.line(&format!("k LOGIN {BOB} {WORD}"));
    let two = [kept.read_line(), kept.read_line()].map(Option::unwrap_or_default);
    assert!(two.contains(&"* OK I am still here".to_owned()), "{two:?}");
    // What it doesn't: Alice's verified session for another socket of its clients.
    let mut thief = set.imaps();
    lie(&mut thief, "thief");
    let (_victim, answer) = say(&set, &format!("v LOGIN {ALICE} {WORD}"));
    assert_eq!(answer.as_deref(), Some("v NO refused"));
    assert_eq!(count(&mut thief, "verified"), 2);
    assert_eq!(
        (count(&mut thief, "taken"), count(&mut thief, "refused")),
        (1, 1)
    );
    // Nor a second session of the same verification.
    lie(&mut thief, "again");
    assert!(lives(&mut login(&set, ALICE)));
    waits_for(&mut thief, "taken", 2);
    assert!(lives(&mut kept));
    assert_eq!(count(&mut thief, "taken"), 2);
}

/// What it gets is the session of whoever has shown a certificate, as that one.
#[test]
fn it_has_nobodys_name_but_what_a_certificate_says() {
    let authority = Authority::new();
    let programs = binaries::with_stand_in("mailkeep-login", "hostile-login");
    let further = "[processes]\nlogins = 1\n";
    let set = authority.believed_by(&programs.path().join("mailkeep"), further);
    for name in [ALICE, BOB] {
        add(&set, name);
    }
    let connect = |own| {
        let clear = Session::clear(set.at(IMAPS));
        let (mut session, _) = clear.start_tls_as(set.certificate(), own);
        session.read_line();
        session
    };
    let mut with_none = connect(None);
    lie(&mut with_none, &format!("external {ALICE}"));
    assert_eq!(with_none.read_line().as_deref(), Some("x NO rejected"));
    let mut alice = connect(Some(authority.signs(ALICE)));
    lie(&mut alice, &format!("external {BOB}"));
    assert_eq!(alice.read_line().as_deref(), Some("x NO rejected"));
    assert_eq!(count(&mut alice, "verified"), 0);
    lie(&mut alice, &format!("external {ALICE}"));
    waits_for(&mut with_none, "verified", 1);
    waits_for(&mut with_none, "taken", 1);
}

#[test]
fn garbage_and_floods_cost_it_a_channel_for_a_moment() {
    let set = set("[processes]\nlogins = 1\n");
    let mut session = login(&set, ALICE);
    for order in [
        "garbage auth 1",
        "garbage auth 70",
        "garbage director 1",
        "garbage director 66000",
        "flood auth",
    ] {
        lie(&mut set.imaps(), order);
        assert!(lives(&mut login(&set, BOB)), "{order}");
        assert!(lives(&mut session), "{order}");
    }
}

#[test]
fn one_that_dies_again_and_again_is_waited_for_longer_each_time() {
    let set = set("[processes]\nlogins = 1\nrestart = \"100 ms\"\n");
    let mut session = login(&set, ALICE);
    let began = Instant::now();
    for _ in 0..5 {
        let mut victim = None;
        assert!(wait_for(RECOVERY, || {
            victim = greeted(&set);
            victim.is_some()
        }));
        let mut victim = victim.expect("just seen");
        victim.line("o LIE die");
        assert!(victim.is_over());
    }
    assert!(lives(&mut session));
    assert!(set.mailkeep(&["status"]).status.success());
    // The fifth life begins after four pauses.
    assert!(
        began.elapsed() >= PAUSE * (1 + 2 + 4 + 8),
        "{:?}",
        began.elapsed()
    );
}

/// A connection that somebody greets.
fn greeted(set: &Set) -> Option<Session> {
    let mut session = Session::tls(set.at(harness::set::IMAPS), set.certificate());
    session.read_line().map(|_| session)
}

#[test]
fn a_panic_says_where_and_not_what() {
    let set = set("[log]\nlevel = \"debug\"\n");
    let mut liar = set.imaps();
    liar.line("o LIE panic tell-nobody-of-this");
    assert!(liar.is_over());
    let said = || {
        set.log()
            .contains("panicked at tests/bin/hostile_login.rs:")
    };
    assert!(wait_for(RECOVERY, said), "{}", set.log());
    assert!(!set.log().contains("tell-nobody"), "{}", set.log());
}
