//! POP3 through every process: traces that somebody who knows the RFCs reads
//! (tests/pop3/*.txt), and what only a whole set can show. What happens behind
//! authentication is in src/worker/trial/pop3, and in pop3/mail.rs.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

#[path = "pop3/mail.rs"]
mod mail;

use harness::Set;
use harness::session::Session;
use harness::set::{PASSWORD, POP3S};
use harness::trace::{To, play};
use std::panic::{AssertUnwindSafe, catch_unwind};

const ALICE: &str = "alice@example.org";

fn alice() -> Set {
    with("")
}

fn with(further: &str) -> Set {
    let set = Set::with(further);
    set.add_user(ALICE);
    set
}

/// Sends a line and gives the first of its answer.
fn says(session: &mut Session, line: &str) -> String {
    session.line(line);
    let answer = session.read_line();
    answer.unwrap_or_else(|| panic!("no answer to {line}"))
}

/// What PASS is answered with.
fn logs_in(session: &mut Session, name: &str, password: &str) -> String {
    assert!(says(session, &format!("USER {name}")).starts_with("+OK"));
    says(session, &format!("PASS {password}"))
}

/// Plays a trace of tests/pop3.
macro_rules! trace {
    ($to:ident $file:literal) => {
        play(
            &alice(),
            To::$to,
            $file,
            include_str!(concat!("pop3/", $file)),
        )
    };
}

#[test]
fn a_whole_session_from_the_greeting_to_quit() {
    trace!(Pop3s "login.txt");
}

#[test]
fn quit_before_authentication_ends_it() {
    trace!(Pop3s "quit.txt");
}

#[test]
fn whether_there_is_such_a_name_is_never_told() {
    trace!(Pop3s "names.txt");
}

#[test]
fn sasl_may_fail_be_cancelled_and_succeed() {
    trace!(Pop3s "auth.txt");
}

#[test]
fn an_initial_response_and_what_is_pipelined_behind_it() {
    trace!(Pop3s "auth-initial.txt");
}

#[test]
fn old_clients_log_in_by_login() {
    trace!(Pop3s "auth-login.txt");
}

#[test]
fn utf8_is_chosen_before_authentication() {
    trace!(Pop3s "utf8.txt");
}

#[test]
fn stls_begins_anew_and_passwords_wait_for_it() {
    trace!(Pop3 "stls.txt");
}

/// P8 of the field's known attacks: what somebody put behind STLS in the clear must
/// never be carried out within TLS, wherever the segment was cut.
#[test]
fn what_was_sent_in_the_clear_behind_stls_is_never_carried_out() {
    let set = alice();
    let injected = format!("STLS\r\nUSER {ALICE}\r\n");
    let cuts = [1, 4, 5, 6, 7, 12, injected.len() - 1, injected.len()];
    for cut in cuts {
        let mut session = set.pop3();
        let (first, second) = injected.as_bytes().split_at(cut);
        session.send(first);
        let _over_already = session.try_send(second);
        let answer = session.read_line().expect("an answer to STLS");
        assert!(answer.starts_with("+OK"), "{answer}");
        // The handshake may fail (the cleartext was taken for a record); if it
        // succeeds, no name may have been taken.
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let mut session = session.start_tls(set.certificate());
            session
                .try_send(format!("PASS {PASSWORD}\r\n").as_bytes())
                .ok()?;
            session.read_line()
        }));
        if let Ok(Some(line)) = tried {
            assert!(line.starts_with("-ERR"), "cut at {cut}: {line}");
        }
    }
}

/// H5: what is pipelined behind PASS reaches the worker, each byte once (RFC 2449,
/// section 6.6).
#[test]
fn a_script_cut_at_any_byte_gives_the_same_transcript() {
    let set = alice();
    assert!(
        set.deliver(ALICE, "Subject: x\r\n\r\n..dot\r\n")
            .starts_with("250")
    );
    let script = format!(
        "CAPA\r\nUTF8\r\nUSER {ALICE}\r\nPASS {PASSWORD}\r\nSTAT\r\nLIST\r\nTOP 1 1\r\nNOOP\r\nQUIT\r\n"
    );
    let whole = transcript(&set, script.as_bytes(), script.len());
    assert!(whole.contains("\r\n..dot\r\n.\r\n+OK"), "{whole}");
    for cut in (1..script.len()).step_by(5) {
        let cut_here = transcript(&set, script.as_bytes(), cut);
        assert_eq!(cut_here, whole, "cut at {cut}");
    }
}

fn transcript(set: &Set, script: &[u8], cut: usize) -> String {
    let mut session = set.pop3s();
    let (first, second) = script.split_at(cut);
    session.send(first);
    session.send(second);
    String::from_utf8(session.read_to_end()).expect("UTF-8")
}

#[test]
fn a_password_in_the_clear_is_taken_on_loopback_only_where_configured() {
    let set = with("[login]\ncleartext_on_loopback = true\n");
    let mut session = set.pop3();
    assert!(logs_in(&mut session, ALICE, PASSWORD).starts_with("+OK"));
}

/// RFC 2449, section 6.5.
#[test]
fn who_comes_back_before_the_delay_is_refused_with_right_credentials_and_only_then() {
    let set = with("[pop3]\nlogin_delay = \"1 h\"\n");
    set.add_user("bob@example.org");
    let mut session = set.pop3s();
    session.line("CAPA");
    let announced = |session: &mut Session| {
        let lines = std::iter::from_fn(|| session.read_line().filter(|line| line != "."));
        let lines: Vec<String> = lines.collect();
        assert!(lines.contains(&"LOGIN-DELAY 3600".to_owned()), "{lines:?}");
    };
    announced(&mut session);
    assert!(logs_in(&mut session, ALICE, "wrong").starts_with("-ERR [AUTH]"));
    assert!(logs_in(&mut session, ALICE, PASSWORD).starts_with("+OK"));
    session.line("CAPA");
    announced(&mut session);
    assert!(says(&mut session, "QUIT").starts_with("+OK"));
    let mut session = set.pop3s();
    assert!(logs_in(&mut session, ALICE, "wrong").starts_with("-ERR [AUTH]"));
    let early = logs_in(&mut session, ALICE, PASSWORD);
    assert!(early.starts_with("-ERR [LOGIN-DELAY]"), "{early}");
    // Neither IMAP nor another account has to wait, and the connection goes on.
    assert!(logs_in(&mut session, "bob@example.org", PASSWORD).starts_with("+OK"));
    set.login(ALICE).ok("a LOGOUT");
}

/// RFC 7301: a client that names its protocol gets it, and no other.
#[test]
fn alpn_is_pop3_at_its_own_port() {
    let set = alice();
    for (protocol, taken) in [("pop3", true), ("imap", false)] {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(set.certificate().clone()).expect("a certificate");
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let name = "localhost".try_into().expect("a name");
        let client = rustls::ClientConnection::new(std::sync::Arc::new(config), name);
        let tcp = std::net::TcpStream::connect(set.at(POP3S)).expect("somebody listens");
        let mut tls = rustls::StreamOwned::new(client.expect("a client"), tcp);
        let mut greeting = [0; 3];
        let read = std::io::Read::read_exact(&mut tls, &mut greeting);
        assert_eq!(read.is_ok(), taken, "{protocol}: {read:?}");
        assert_eq!(greeting == *b"+OK", taken);
    }
}
