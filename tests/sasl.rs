//! SASL through every process, with clients that know nothing of our code: SCRAM by
//! Python's library (sasl/scram.py), certificates and channel binding by rustls.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::set::{IMAPS, PASSWORD, POP3S, workspace};
use harness::{Authority, Session, Set, binaries};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

/// The independent client.
struct Scram {
    child: Child,
    says: ChildStdin,
    hears: BufReader<ChildStdout>,
}

impl Scram {
    fn new(flag: &str, name: &str, password: &str, exported: &[u8]) -> Self {
        let exported: String = exported.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut child = Command::new("python3")
            .arg(workspace().join("tests/sasl/scram.py"))
            .args([flag, name, password, &exported])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let says = child.stdin.take().expect("a pipe");
        let hears = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, says, hears }
    }

    fn said(&mut self) -> String {
        let mut line = String::new();
        self.hears.read_line(&mut line).expect("a pipe");
        line.trim_end().to_owned()
    }

    fn answers(&mut self, message: &str) -> String {
        writeln!(self.says, "{message}").expect("a pipe");
        self.said()
    }
}

impl Drop for Scram {
    fn drop(&mut self) {
        let _over_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A connection over TLS, and what it exports.
fn connect(set: &Set, port: u16) -> (Session, [u8; 32]) {
    let clear = Session::clear(set.at(port));
    let (mut session, exported) = clear.start_tls_as(set.certificate(), None);
    session.read_line().expect("a greeting");
    (session, exported)
}

/// What is in a continuation.
fn decoded(line: &str) -> String {
    let base64 = line.strip_prefix("+ ").unwrap_or_else(|| panic!("{line}"));
    let bytes = STANDARD.decode(base64).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}

fn hear(session: &mut Session) -> String {
    session.read_line().expect("an answer")
}

/// Sends the command and the first message, and goes on to the tagged answer.
fn exchange(session: &mut Session, command: &str, with_it: bool, client: &mut Scram) -> String {
    let first = STANDARD.encode(client.said());
    if with_it {
        session.line(&format!("{command} {first}"));
    } else {
        session.line(command);
        assert_eq!(hear(session).trim_end(), "+");
        session.line(&first);
    }
    let challenge = hear(session);
    if !challenge.starts_with("+ ") {
        return challenge;
    }
    let challenge = decoded(&challenge);
    if challenge.starts_with("e=") {
        session.line("");
        return format!("{challenge} {}", hear(session));
    }
    session.line(&STANDARD.encode(client.answers(&challenge)));
    let last = hear(session);
    if !last.starts_with("+ ") {
        return last;
    }
    let last = decoded(&last);
    let verdict = client.answers(&last);
    session.line("");
    let answer = hear(session);
    match last.starts_with("e=") {
        true => format!("{last} {answer}"),
        false => format!("{verdict} {answer}"),
    }
}

/// ATTACKS P5, P7, P18, by one set: it takes seconds to start one.
#[test]
fn scram_by_an_independent_client_goes_as_it_should() {
    let set = Set::start();
    set.add_user(ALICE);
    both_mechanisms_let_in_who_knows_the_password(&set);
    who_does_not_know_it_hears_what_login_says(&set);
    a_binding_that_is_not_this_connections_is_refused(&set);
    what_is_cancelled_hurts_nothing(&set);
    pop3_has_the_same(&set);
}

fn both_mechanisms_let_in_who_knows_the_password(set: &Set) {
    for (flag, mechanism, with_it) in [
        ("n", "SCRAM-SHA-256", true),
        ("n", "SCRAM-SHA-256", false),
        ("p=tls-exporter", "SCRAM-SHA-256-PLUS", true),
        ("p=tls-exporter", "scram-sha-256-plus", false),
    ] {
        let (mut session, exported) = connect(set, IMAPS);
        let exported = if flag == "n" { &[][..] } else { &exported };
        let mut client = Scram::new(flag, ALICE, PASSWORD, exported);
        let command = format!("a AUTHENTICATE {mechanism}");
        let answer = exchange(&mut session, &command, with_it, &mut client);
        assert!(answer.starts_with("right a OK"), "{mechanism}: {answer}");
        session.ok("b SELECT INBOX");
    }
}

fn who_does_not_know_it_hears_what_login_says(set: &Set) {
    let (mut session, _) = connect(set, IMAPS);
    session.line("a LOGIN nobody@example.org wrong");
    let expected = hear(&mut session);
    for name in [ALICE, "nobody@example.org"] {
        let (mut session, _) = connect(set, IMAPS);
        let mut client = Scram::new("n", name, "wrong", &[]);
        let answer = exchange(
            &mut session,
            "a AUTHENTICATE SCRAM-SHA-256",
            true,
            &mut client,
        );
        assert_eq!(answer, expected, "{name}");
    }
}

/// ATTACKS P18.
fn a_binding_that_is_not_this_connections_is_refused(set: &Set) {
    let plus = "a AUTHENTICATE SCRAM-SHA-256-PLUS";
    let (mut session, exported) = connect(set, IMAPS);
    let (_, another) = connect(set, IMAPS);
    assert_ne!(exported, another);
    let mut moved = Scram::new("p=tls-exporter", ALICE, PASSWORD, &another);
    let answer = exchange(&mut session, plus, true, &mut moved);
    assert_eq!(
        answer,
        "e=channel-bindings-dont-match a NO [AUTHENTICATIONFAILED] Wrong name or password"
    );
    let mut misled = Scram::new("y", ALICE, PASSWORD, &[]);
    let answer = exchange(
        &mut session,
        "b AUTHENTICATE SCRAM-SHA-256",
        true,
        &mut misled,
    );
    assert_eq!(
        answer,
        "e=server-does-support-channel-binding b NO [AUTHENTICATIONFAILED] Wrong name or password"
    );
}

/// ATTACKS P7: in the middle, and somebody else's login goes on meanwhile.
fn what_is_cancelled_hurts_nothing(set: &Set) {
    let (mut session, _) = connect(set, IMAPS);
    let mut client = Scram::new("n", ALICE, PASSWORD, &[]);
    let first = STANDARD.encode(client.said());
    for last_words in ["*", "no base64!"] {
        session.line(&format!("a AUTHENTICATE SCRAM-SHA-256 {first}"));
        assert!(hear(&mut session).starts_with("+ "));
        let _honest = set.login(ALICE);
        session.line(last_words);
        assert!(hear(&mut session).starts_with("a BAD"));
    }
    session.line(&format!("b LOGIN {ALICE} \"{PASSWORD}\""));
    assert!(hear(&mut session).starts_with("b OK"));
}

fn pop3_has_the_same(set: &Set) {
    let (mut session, exported) = connect(set, POP3S);
    let mut client = Scram::new("p=tls-exporter", ALICE, PASSWORD, &exported);
    let answer = exchange(&mut session, "AUTH SCRAM-SHA-256-PLUS", true, &mut client);
    assert!(answer.starts_with("right +OK"), "{answer}");
    session.line("STAT");
    assert!(hear(&mut session).starts_with("+OK"));
}

fn capability(session: &mut Session) -> String {
    session.command("c CAPABILITY").concat()
}

#[test]
fn a_certificate_logs_its_owner_in_and_nobody_else() {
    let authority = Authority::new();
    let set = authority.believed_by(&binaries::program("mailkeep"), "");
    for name in [ALICE, BOB] {
        set.add_user(name);
    }
    let connect = |own| {
        let clear = Session::clear(set.at(IMAPS));
        let (mut session, _) = clear.start_tls_as(set.certificate(), own);
        session.read_line().expect("a greeting");
        session
    };
    for command in [
        "a AUTHENTICATE EXTERNAL =".to_owned(),
        format!("a AUTHENTICATE EXTERNAL {}", STANDARD.encode(ALICE)),
    ] {
        let mut alice = connect(Some(authority.signs(ALICE)));
        assert!(capability(&mut alice).contains(" AUTH=EXTERNAL"));
        alice.ok(&command);
        alice.ok("b SELECT INBOX");
    }
    let mut asked = connect(Some(authority.signs(ALICE)));
    asked.line("a AUTHENTICATE EXTERNAL");
    assert_eq!(hear(&mut asked).trim_end(), "+");
    asked.line("");
    assert!(hear(&mut asked).starts_with("a OK"));

    let as_bob = format!("a AUTHENTICATE EXTERNAL {}", STANDARD.encode(BOB));
    let refused = "a NO [AUTHENTICATIONFAILED] Wrong name or password";
    let mut alice = connect(Some(authority.signs(ALICE)));
    assert_eq!(alice.command(&as_bob), [refused]);
    let mut nobody = connect(Some(authority.signs("nobody@example.org")));
    assert_eq!(nobody.command("a AUTHENTICATE EXTERNAL ="), [refused]);
    // Who shows none is not offered it, and logs in as ever.
    let mut without = connect(None);
    assert!(!capability(&mut without).contains("EXTERNAL"));
    assert!(without.command(&as_bob)[0].starts_with("a NO"));
    without.ok(&format!("b LOGIN {BOB} \"{PASSWORD}\""));
}

#[test]
fn without_the_configurations_word_there_is_neither() {
    let mailkeep = binaries::program("mailkeep");
    let set = Set::edited(&mailkeep, "", |_, text| {
        text.replace("[passwords]", "[passwords]\nscram = false")
    });
    set.add_user(ALICE);
    let clear = Session::clear(set.at(IMAPS));
    let own = Authority::new().signs(ALICE);
    let (mut session, _) = clear.start_tls_as(set.certificate(), Some(own));
    session.read_line().expect("a greeting");
    let capability = capability(&mut session);
    assert!(
        capability.contains(" AUTH=PLAIN AUTH=LOGIN"),
        "{capability}"
    );
    assert!(!capability.contains("SCRAM") && !capability.contains("EXTERNAL"));
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"] {
        let refused = session.command(&format!("a AUTHENTICATE {mechanism} ="));
        assert!(refused[0].starts_with("a NO"), "{refused:?}");
    }
}
