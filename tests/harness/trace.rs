//! Protocol traces: dialogues that somebody who knows the RFC reads, and that
//! are played against a server.
//!
//! A trace is a text file. `#` begins a comment; the first says what the trace shows.
//! Then come headers, then the dialogue:
//!
//! ```text
//! # Reading a letter marks it as read, and says so.
//! RFC: 3501 §6.4.5, §7.4.2; 9051 §6.4.5
//! Mailbox: Work
//! Letter: Work memo (\Flagged) "17-Jul-1996 02:44:25 -0700"
//! C: a SELECT Work
//! S*: * <...>
//! S: a OK [READ-WRITE] <...>
//! C: b FETCH 1 BODY[HEADER]
//! S~: * 1 FETCH ({FLAGS ({\Flagged | \Seen | ?\Recent}) | BODY[HEADER] <header memo>})
//! S: b OK <...>
//! ```
//!
//! **Headers.** `RFC:` the sections that it is from. `Mailbox: NAME` makes one,
//! `Subscribed: NAME` subscribes to one, and `Letter: MAILBOX NAME [FLAGS] ["DATE"] [xCOUNT]`
//! appends tests/traces/letters/NAME.eml, in this order, before the dialogue. An account
//! has INBOX, Archive and Sent (`\Sent`) to begin with, subscribed and empty.
//! `Begins: with the greeting`, `after the greeting` or `logged in` (the rule in IMAP).
//! `Over: clear` or `TLS` (the rule). `Only: SERVER, for REASON`: others aren't held to it.
//!
//! **Lines.** `C:` is sent with CRLF, `C>` without. `S:` is the next response: in IMAP
//! a line with its literals, whose further lines are `S:` lines too. A number behind the
//! letter names the connection (`C2:`), which is opened at its first line. `C: <TLS>`
//! starts TLS; `S: <end>` says that the server closes. At the end nothing may be left
//! unsaid on any connection.
//!
//! **What the RFC leaves free.** Responses `S~:` (comes once), `S?:` (may be missing) and
//! `S*:` (any number of times) that follow each other come in any order; a plain `S:` ends
//! them. Within a line, `<n>` is a number, `<string TEXT>` a
//! text quoted or as a literal, `<date>` a date with time and zone, `<...>`
//! anything, `{a | b | ?c}` these in any order with a space between, of which `?c` may be
//! missing. `<name:n>` is a number that is the same at each place, and `<name:n above
//! other>` one that is above `other`; `<name:id>` an identifier of an object (RFC 8474),
//! the same at each place. The wording of an OK is free: `a OK <...>`.
//!
//! **What the client inserts.** `<name>` what was remembered, `<user>` and `<password>`
//! its own, `<x0D>` a byte, `<letter memo>` a letter, `<size memo>` its size, `<literal
//! memo>`, `<header memo>` and `<text memo>` the whole or a half of it as a literal.
//!
//! **Differences.** A line that begins with `mailkeep| ` or `dovecot| ` is for this server
//! only. Directly above the first such line `#= RFC 9051 §7.2.3: "its words" ...` says
//! why the servers differ.

pub mod pattern;
pub mod script;

use crate::set::PASSWORD;
use crate::{Session, Set};
use pattern::{Known, Letters};
use rustls::pki_types::CertificateDer;
use script::{Begins, Event, Expectation, Script, announced};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an answer may take. Ours all come within milliseconds; a server that has
/// nothing to say makes a trace wait for so long before it fails.
const ANSWER: Duration = Duration::from_secs(20);

/// Which port a trace speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// IMAP in the clear.
    Imap,
    /// IMAP over TLS.
    Imaps,
    /// POP3 in the clear.
    Pop3,
    /// POP3 over TLS.
    Pop3s,
    /// LMTP.
    Lmtp,
}

impl To {
    /// Whether lines go on behind literals there.
    fn has_literals(self) -> bool {
        matches!(self, Self::Imap | Self::Imaps)
    }
}

/// A server that traces are played against.
pub trait Host {
    /// What marks the lines that are for it alone.
    fn name(&self) -> &'static str;
    /// A connection, nothing read yet.
    fn connect(&self, to: To) -> Session;
    /// Its certificate.
    fn certificate(&self) -> &CertificateDer<'static>;
}

/// Plays a trace of which each connection begins with its greeting, unless it says
/// otherwise.
///
/// # Panics
/// If the server says anything else, with the line.
pub fn play(set: &Set, to: To, name: &str, trace: &str) {
    let script = Script::read(trace, set.name(), to.has_literals(), &Letters::new());
    let begins = script.begins.unwrap_or(Begins::AfterTheGreeting);
    Player::new(set, to, begins, name, "alice@example.org").play(&script);
}

/// Plays an IMAP trace as this user, in whose account it makes what it begins with.
///
/// # Panics
/// If the server says anything else, with the line.
pub fn play_as(host: &dyn Host, user: &str, name: &str, trace: &str) {
    let script = Script::read(trace, host.name(), true, &letters());
    if script
        .only
        .as_ref()
        .is_some_and(|(only, _)| only != host.name())
    {
        return;
    }
    let to = if script.clear { To::Imap } else { To::Imaps };
    let mut preparing = Player::new(host, To::Imaps, Begins::LoggedIn, name, user);
    preparing.prepare(&script.preparation);
    let begins = script.begins.unwrap_or(Begins::LoggedIn);
    Player::new(host, to, begins, name, user).play(&script);
}

/// The letters that traces begin with, each with CRLF.
///
/// # Panics
/// If one can't be read.
#[must_use]
pub fn letters() -> Letters {
    let directory = crate::set::workspace().join("tests/traces/letters");
    let files = directory.read_dir().expect("a directory of the repository");
    let letter = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path()).expect("a letter");
        let name = name.trim_end_matches(".eml").to_owned();
        (name, text.replace('\r', "").replace('\n', "\r\n"))
    };
    files
        .map(|entry| letter(entry.expect("a letter")))
        .collect()
}

/// One who plays a trace.
struct Player<'a> {
    host: &'a dyn Host,
    to: To,
    begins: Begins,
    name: &'a str,
    sessions: BTreeMap<String, Session>,
    known: Known,
}

impl<'a> Player<'a> {
    fn new(host: &'a dyn Host, to: To, begins: Begins, name: &'a str, user: &str) -> Self {
        let known = [
            ("user".to_owned(), user.to_owned()),
            ("password".to_owned(), format!("\"{PASSWORD}\"")),
        ];
        Self {
            host,
            to,
            begins,
            name,
            sessions: BTreeMap::new(),
            known: Known::from(known),
        }
    }

    fn play(mut self, script: &Script) {
        for step in &script.steps {
            let place = format!("{}:{}", self.name, step.line);
            let mut session = self.session(&step.connection);
            match &step.event {
                Event::Says(text) => session.send(&script.spoken(text, &self.known)),
                Event::StartsTls => session = session.start_tls(self.host.certificate()),
                Event::Hears(expectation) => self.hear(&mut session, expectation, &place),
                Event::Ends => assert!(session.is_over(), "{place}: the connection stays open"),
            }
            let ends = step.event == Event::Ends;
            let _ = (!ends).then(|| self.sessions.insert(step.connection.clone(), session));
        }
        if self.to.has_literals() {
            self.leave();
        }
    }

    /// Makes what a trace begins with.
    fn prepare(&mut self, commands: &[Vec<u8>]) {
        if commands.is_empty() {
            return;
        }
        let mut session = self.session("");
        for command in commands {
            session.send(command);
            let answer = answer(&mut session, "prepare ");
            assert!(
                answer.starts_with("prepare OK"),
                "{}: {}: {answer}",
                self.name,
                String::from_utf8_lossy(command)
            );
        }
        self.sessions.insert(String::new(), session);
        self.leave();
    }

    /// A connection as the trace left it, or a new one.
    fn session(&mut self, connection: &str) -> Session {
        if let Some(session) = self.sessions.remove(connection) {
            return session;
        }
        let mut session = self.host.connect(self.to);
        session.give_up_after(ANSWER);
        if self.begins != Begins::WithTheGreeting {
            let greeting = greeting(&mut session);
            assert!(!greeting.starts_with("* BYE"), "{}: {greeting}", self.name);
        }
        if self.begins == Begins::LoggedIn {
            let user = &self.known["user"];
            session.line(&format!("login LOGIN {user} \"{PASSWORD}\""));
            let answer = answer(&mut session, "login ");
            assert!(answer.starts_with("login OK"), "{}: {answer}", self.name);
        }
        session
    }

    fn hear(&mut self, session: &mut Session, expectation: &Expectation, place: &str) {
        let mut expectation = expectation.clone();
        let mut heard = Vec::new();
        while !expectation.is_met() {
            let awaited = expectation.awaited();
            let response = self.response(session);
            let response = response.unwrap_or_else(|| {
                panic!("{place}:\n  expected {awaited}\n  but the connection is over")
            });
            assert!(
                expectation.take(&response, &mut self.known),
                "{place}:\n  expected {awaited}\n  but came {response}\n  after {heard:#?}"
            );
            heard.push(response);
        }
    }

    /// The next line, in IMAP with its literals.
    fn response(&self, session: &mut Session) -> Option<String> {
        let mut response = session.read_line()?;
        while self.to.has_literals() {
            let line = response.rsplit("\r\n").next().unwrap_or_default();
            let Some(count) = announced(line) else {
                break;
            };
            let content = session.read_exact(count);
            let behind = session.read_line()?;
            response.push_str("\r\n");
            response.push_str(&String::from_utf8_lossy(&content));
            response.push_str(&behind);
        }
        Some(response)
    }

    /// Ends every connection. The farewell must come first: nothing was left unsaid.
    fn leave(&mut self) {
        for (connection, mut session) in std::mem::take(&mut self.sessions) {
            // One that said LOGOUT itself is over, or about to be.
            let _ = session.try_send(b"leave LOGOUT\r\n");
            let first = session.read_line();
            assert!(
                first.as_ref().is_none_or(|it| it.starts_with("* BYE")),
                "{}: unasked on connection {connection:?}: {first:?}",
                self.name
            );
        }
    }
}

/// The greeting; Dovecot says before it that it is busy, if it is.
#[must_use]
pub fn greeting(session: &mut Session) -> String {
    loop {
        let line = session.read_line().expect("a greeting");
        if !line.starts_with("* OK Waiting for auth") {
            return line;
        }
    }
}

/// The tagged answer; what comes before it is of no interest.
fn answer(session: &mut Session, tag: &str) -> String {
    loop {
        let line = session.read_line().unwrap_or_default();
        if line.starts_with(tag) || line.is_empty() {
            return line;
        }
    }
}
