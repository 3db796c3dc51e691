//! POP3 behind its login, through every process: the traces of tests/traces/pop3, against
//! Mailkeep or, with `SERVER_UNDER_TEST=dovecot`, against a Dovecot; and what other
//! servers have got wrong.

use super::{ALICE, alice, logs_in, says};
use harness::session::Session;
use harness::set::{PASSWORD, workspace};
use harness::trace::pattern::Known;
use harness::trace::script::{Event, Expectation, Script, Step};
use harness::trace::{Host, To, letters};
use harness::{Dovecot, Set};
use std::collections::BTreeMap;

/// A file's name and what it says.
type Trace = (String, String);

fn traces() -> Vec<Trace> {
    let directory = workspace().join("tests/traces/pop3");
    let entries = directory.read_dir().expect("a directory of the repository");
    let trace = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).expect("a trace");
        (entry.file_name().to_string_lossy().into_owned(), text)
    };
    let traces = entries.map(|entry| trace(entry.expect("a directory of the repository")));
    let mut traces: Vec<Trace> = traces.collect();
    traces.sort();
    traces
}

#[test]
fn every_trace_of_pop3_says_where_it_is_from() {
    for (name, text) in traces() {
        let script = Script::read(&text, "mailkeep", false, &letters());
        let told = !script.title.is_empty() && !script.sections.is_empty();
        assert!(told, "{name} has no title or no `RFC:`");
    }
}

#[test]
fn every_trace_of_pop3_goes_as_it_is_written() {
    match std::env::var("SERVER_UNDER_TEST").as_deref() {
        Ok("dovecot") => play_all(&Dovecot::start(), |_| ()),
        Ok(other) => panic!("SERVER_UNDER_TEST={other}: there is only dovecot"),
        Err(_) => {
            let set = Set::with("");
            play_all(&set, |user| set.add_user(user));
        }
    }
}

/// Plays all traces, each for a user of its own who is added before.
fn play_all(host: &dyn Host, add: impl Fn(&str)) {
    for (name, text) in traces() {
        let script = Script::read(&text, host.name(), false, &letters());
        let others = |(only, _): &(String, String)| only != host.name();
        if script.only.as_ref().is_some_and(others) {
            continue;
        }
        let user = format!("{}@example.org", name.trim_end_matches(".txt"));
        add(&user);
        println!("{name}");
        Player::new(host, user, name).play(&script);
    }
}

/// One who plays a trace. Its connections speak POP3, but for the eighth, which has said
/// UTF8 before, and the ninth, which speaks IMAP.
struct Player<'a> {
    host: &'a dyn Host,
    user: String,
    name: String,
    sessions: BTreeMap<String, Session>,
    known: Known,
}

impl<'a> Player<'a> {
    fn new(host: &'a dyn Host, user: String, name: String) -> Self {
        Self {
            host,
            user,
            name,
            sessions: BTreeMap::new(),
            known: Known::new(),
        }
    }

    fn play(mut self, script: &Script) {
        self.prepare(script);
        for step in &script.steps {
            let mut session = match self.sessions.remove(&step.connection) {
                Some(session) => session,
                None => self.connect(&step.connection),
            };
            self.happen(script, step, &mut session);
            self.sessions.insert(step.connection.clone(), session);
        }
    }

    fn prepare(&self, script: &Script) {
        let mut imap = self.imap();
        for command in &script.preparation {
            imap.send(command);
            let lines = std::iter::from_fn(|| imap.read_line());
            let said = lines.into_iter().find(|line| line.starts_with("prepare "));
            let said = said.unwrap_or_default();
            assert!(said.starts_with("prepare OK"), "{}: {said}", self.name);
        }
    }

    fn imap(&self) -> Session {
        let mut session = self.host.connect(To::Imaps);
        let greeting = session.read_line().expect("a greeting");
        assert!(greeting.starts_with("* OK"), "{greeting}");
        session.ok(&format!("login LOGIN {} \"{PASSWORD}\"", self.user));
        session
    }

    fn connect(&self, connection: &str) -> Session {
        if connection == "9" {
            return self.imap();
        }
        let mut session = self.host.connect(To::Pop3s);
        let greeting = session.read_line().expect("a greeting");
        assert!(greeting.starts_with("+OK"), "{greeting}");
        if connection == "8" {
            assert!(says(&mut session, "UTF8").starts_with("+OK"));
        }
        let answer = logs_in(&mut session, &self.user, PASSWORD);
        assert!(answer.starts_with("+OK"), "{}: {answer}", self.name);
        session
    }

    fn happen(&mut self, script: &Script, step: &Step, session: &mut Session) {
        let place = format!("{}:{}", self.name, step.line);
        match &step.event {
            Event::Says(text) => session.send(&script.spoken(text, &self.known)),
            Event::StartsTls => panic!("{place}: TLS is there already"),
            Event::Ends => assert!(session.is_over(), "{place}: the connection stays open"),
            Event::Hears(expectation) => self.hear(session, expectation.clone(), &place),
        }
    }

    fn hear(&mut self, session: &mut Session, mut expectation: Expectation, place: &str) {
        while !expectation.is_met() {
            let awaited = expectation.awaited();
            let line = session.read_line();
            let line = line.unwrap_or_else(|| panic!("{place}: {awaited}, but all is over"));
            let fits = expectation.take(&line, &mut self.known);
            assert!(fits, "{place}:\n  expected {awaited}\n  but came {line}");
        }
    }
}

fn reads(set: &Set) -> Session {
    let mut session = set.pop3s();
    assert!(logs_in(&mut session, ALICE, PASSWORD).starts_with("+OK"));
    session
}

/// All lines of an answer up to the dot.
fn lines(session: &mut Session, command: &str) -> Vec<String> {
    assert!(says(session, command).starts_with("+OK"), "{command}");
    let lines = std::iter::from_fn(|| session.read_line().filter(|line| line != "."));
    lines.collect()
}

fn delivered(set: &Set, letter: &str) {
    let said = set.deliver(ALICE, letter);
    assert!(said.starts_with("250"), "{said}");
}

/// Regression 7: a delivery into a mailbox that was empty, and that nobody has ever
/// opened over IMAP, is there at the next login of POP3.
#[test]
fn what_is_delivered_into_an_empty_maildrop_is_there_at_the_next_login() {
    let set = alice();
    let mut session = reads(&set);
    assert_eq!(says(&mut session, "STAT"), "+OK 0 0");
    delivered(&set, "Subject: x\r\n\r\nx\r\n");
    // Not in this session: its maildrop doesn't change.
    assert_eq!(says(&mut session, "STAT"), "+OK 0 0");
    assert!(says(&mut session, "QUIT").starts_with("+OK"));
    let mut session = reads(&set);
    assert!(says(&mut session, "STAT").starts_with("+OK 1 "));
    assert_eq!(lines(&mut session, "UIDL").len(), 1);
}

/// Regression 8: TOP gives the header and so many lines, dots and all.
#[test]
fn top_gives_the_header_and_so_many_lines() {
    let set = alice();
    // Dots are doubled on the way in, too; what `deliver` sends it ends.
    delivered(&set, "Subject: x\r\n\r\n..\r\none\r\n..two\r\n\r\nfour");
    let mut session = reads(&set);
    let whole = lines(&mut session, "RETR 1");
    let empty = whole.iter().position(String::is_empty);
    let header = empty.expect("an empty line") + 1;
    assert_eq!(
        whole[header..],
        ["..", "one", "..two", "", "four"].map(str::to_owned)
    );
    for count in 0..7 {
        let top = lines(&mut session, &format!("TOP 1 {count}"));
        let wanted = (header + count).min(whole.len());
        assert_eq!(top, whole[..wanted], "TOP 1 {count}");
    }
}

/// Regression 9: `UIDL n` is one line, and the same in every session.
#[test]
fn a_single_unique_id_is_one_line_and_the_same_in_every_session() {
    let set = alice();
    delivered(&set, "Subject: x\r\n\r\nx\r\n");
    delivered(&set, "Subject: y\r\n\r\ny\r\n");
    let mut session = reads(&set);
    let all = lines(&mut session, "UIDL");
    let one = says(&mut session, "UIDL 2");
    assert_eq!(one, format!("+OK {}", all[1]));
    // The next line is the next command's.
    assert_eq!(says(&mut session, "NOOP").get(..3), Some("+OK"));
    assert!(says(&mut session, "DELE 1").starts_with("+OK"));
    assert!(says(&mut session, "QUIT").starts_with("+OK"));
    let mut session = reads(&set);
    let (_, id) = all[1].split_once(' ').expect("a number and an id");
    assert_eq!(says(&mut session, "UIDL 1"), format!("+OK 1 {id}"));
    assert!((1..=70).contains(&id.len()));
}
