//! Running it, as an operator does: start, check, reload, listeners of every kind,
//! stop, and births that fail.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::session::PATIENCE;
use harness::set::{IMAP, IMAPS, PASSWORD, text, wait_for};
use harness::{Session, Set};
use rustix::process::Signal;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;

const ALICE: &str = "alice@example.org";

fn alice() -> Set {
    let set = Set::start();
    set.add_user(ALICE);
    set
}

/// Rewrites the configuration of a running set.
fn configure(set: &Set, change: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(set.configuration()).expect("the configuration");
    std::fs::write(set.configuration(), change(&text)).expect("the configuration");
}

#[test]
fn check_tells_every_mistake_with_its_line_and_a_suggestion() {
    let set = alice();
    let file = set.directory().write(
        "wrong.toml",
        "[store]\ndirectroy = \"/x\"\n[accounts]\ndomains = [\"exa mple\"]\n[limits]\nmessage_size = \"1 parsec\"\n",
    );
    let checked = set.mailkeep(&["check", "--config", &file.display().to_string()]);
    let said = text(&checked);
    assert!(!checked.status.success());
    for expected in ["2:", "directory", "4:", "6:"] {
        assert!(said.contains(expected), "{expected:?} is not in {said}");
    }
    let good = set.mailkeep(&[
        "check",
        "--config",
        &set.configuration().display().to_string(),
    ]);
    assert!(good.status.success(), "{}", text(&good));
}

#[test]
fn a_reload_is_applied_whole_without_ending_a_session() {
    let set = alice();
    let mut session = set.login(ALICE);
    session.ok("a SELECT INBOX");
    configure(&set, |text| {
        text.replace("\"example.com\"]", "\"example.com\", \"example.net\"]")
    });
    let reloaded = set.mailkeep(&["reload"]);
    assert!(
        reloaded.status.success(),
        "{}\n{}",
        text(&reloaded),
        set.log()
    );
    let alias = set.mailkeep(&["user", "alias", ALICE, "alice@example.net"]);
    assert!(alias.status.success(), "{}", text(&alias));
    session.ok("b NOOP");
    set.login(ALICE).ok("c NOOP");
}

#[test]
fn a_reload_with_a_mistake_or_a_foreign_key_changes_nothing() {
    let set = alice();
    let right = std::fs::read_to_string(set.configuration()).expect("the configuration");
    configure(&set, |text| {
        text.replace("[accounts]", "[accounts]\nfoo = 1")
    });
    let refused = set.mailkeep(&["reload"]);
    assert!(!refused.status.success(), "{}", text(&refused));
    // A key that does not fit the certificate.
    let other =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = set
        .directory()
        .write("other.pem", other.signing_key.serialize_pem());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("ours");
    std::fs::write(set.configuration(), right.replace("/key.pem", "/other.pem"))
        .expect("the configuration");
    let refused = set.mailkeep(&["reload"]);
    assert!(
        !refused.status.success(),
        "a key of another certificate was taken:\n{}",
        set.log()
    );
    std::fs::write(set.configuration(), right).expect("the configuration");
    set.login(ALICE).ok("a NOOP");
}

#[test]
fn a_renewed_certificate_serves_new_connections_and_old_ones_live_on() {
    let set = alice();
    let mut old = set.login(ALICE);
    let names = vec!["localhost".to_owned(), set.host()];
    let renewed = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let _ = set.directory().write("certificate.pem", renewed.cert.pem());
    let _ = set
        .directory()
        .write("key.pem", renewed.signing_key.serialize_pem());
    let reloaded = set.mailkeep(&["reload"]);
    assert!(
        reloaded.status.success(),
        "{}\n{}",
        text(&reloaded),
        set.log()
    );
    old.ok("a NOOP");
    let mut new = Session::tls(set.at(IMAPS), renewed.cert.der());
    assert!(new.read_line().is_some_and(|line| line.starts_with("* OK")));
}

#[test]
fn sighup_reloads_and_sigterm_says_goodbye() {
    let set = alice();
    let mut session = set.login(ALICE);
    session.ok("a SELECT INBOX");
    set.signal(Signal::HUP);
    assert!(
        wait_for(PATIENCE, || set.log().contains("configuration is in force")),
        "{}",
        set.log()
    );
    session.ok("b NOOP");
    let log = set.stop();
    assert!(!log.contains("ERROR"), "{log}");
    let words = String::from_utf8_lossy(&session.read_to_end()).into_owned();
    assert!(words.contains("* BYE"), "{words:?}");
}

#[test]
fn ipv6_has_listeners_of_its_own() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("this machine has no IPv6");
        return;
    }
    // Ports of ::1 are shared by all tests of the machine, so one is asked for.
    let free = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("just did");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let set = Set::with(&format!(
        "[[listen]]\nprotocol = \"imap\"\naddress = \"[::1]:{port}\"\ntls = \"immediate\"\n"
    ));
    set.add_user(ALICE);
    let mut session = Session::tls(
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        set.certificate(),
    );
    assert!(
        session
            .read_line()
            .is_some_and(|line| line.starts_with("* OK"))
    );
    session.ok(&format!("a LOGIN {ALICE} \"{PASSWORD}\""));
}

/// A PROXY v2 header (the protocol's own layout): a client 192.0.2.7:1234.
fn proxy_header() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend([192, 0, 2, 7, 127, 0, 0, 1]);
    header.extend(1234_u16.to_be_bytes());
    header.extend(143_u16.to_be_bytes());
    header
}

#[test]
fn a_proxy_is_believed_only_from_its_network() {
    let listen = "[[listen]]\nprotocol = \"imap\"\naddress = \"ADDRESS:10144\"\ntls = \"starttls\"\nproxy = true\n";
    for (networks, believed) in [("127.0.0.0/8", true), ("192.0.2.0/24", false)] {
        let further = format!(
            "{listen}[proxy]\nnetworks = [\"{networks}\"]\n[login]\ncleartext_on_loopback = true\n"
        );
        let set = Set::with(&further);
        set.add_user(ALICE);
        let mut tcp = TcpStream::connect(set.at(10144)).expect("it listens");
        tcp.set_read_timeout(Some(PATIENCE)).expect("a socket");
        tcp.write_all(&proxy_header()).expect("it reads");
        let mut greeting = [0; 1024];
        let read = tcp.read(&mut greeting).unwrap_or(0);
        let greeting = String::from_utf8_lossy(&greeting[..read]).into_owned();
        // The client is not on loopback, whatever the proxy is: no cleartext login.
        assert_eq!(greeting.contains("LOGINDISABLED"), believed, "{greeting:?}");
        assert_eq!(greeting.is_empty(), !believed, "{greeting:?}");
    }
}

#[test]
fn a_birth_that_fails_is_refused_and_later_tried_again() {
    let set = alice();
    assert!(
        set.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
            .starts_with("250")
    );
    let set = set.restart();
    let directory = set.state().join("store").join("1");
    let mode = |mode| {
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(mode))
            .expect("the directory")
    };
    // A directory that others may enter is not taken for the account's own.
    mode(0o755);
    let mut session = set.imaps();
    let refused = session.command(&format!("a LOGIN {ALICE} \"{PASSWORD}\""));
    assert!(
        refused
            .last()
            .is_some_and(|line| line.starts_with("a NO [UNAVAILABLE]")),
        "{refused:?}"
    );
    let reply = set.deliver(ALICE, "Subject: y\r\n\r\ny\r\n");
    assert!(reply.starts_with("451"), "{reply}");
    mode(0o700);
    session.ok(&format!("b LOGIN {ALICE} \"{PASSWORD}\""));
    assert!(
        session
            .ok("c SELECT INBOX")
            .contains(&"* 1 EXISTS".to_owned())
    );
}

#[test]
fn an_account_whose_store_is_gone_is_not_taken_for_a_new_one() {
    let set = alice();
    assert!(
        set.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
            .starts_with("250")
    );
    let set = set.restart();
    let store = set.state().join("store");
    // As if the file system with the store had not been mounted.
    std::fs::rename(store.join("1"), set.directory().path().join("elsewhere"))
        .expect("ours to move");
    let mut session = set.imaps();
    let refused = session.command(&format!("a LOGIN {ALICE} \"{PASSWORD}\""));
    assert!(
        refused
            .last()
            .is_some_and(|line| line.starts_with("a NO [UNAVAILABLE]")),
        "{refused:?}"
    );
    assert!(
        set.deliver(ALICE, "Subject: y\r\n\r\ny\r\n")
            .starts_with("451")
    );
    std::fs::rename(set.directory().path().join("elsewhere"), store.join("1"))
        .expect("ours to move");
    session.ok(&format!("b LOGIN {ALICE} \"{PASSWORD}\""));
}

#[test]
fn nothing_of_a_password_or_a_letter_is_in_the_log() {
    let set = Set::with("[log]\nlevel = \"debug\"\n");
    set.add_user(ALICE);
    assert!(
        set.deliver(ALICE, "Subject: canary-subject\r\n\r\ncanary-body\r\n")
            .starts_with("250")
    );
    let mut session = set.login(ALICE);
    session.ok("a SELECT INBOX");
    session.ok("b FETCH 1 BODY[]");
    session.command("c LOGIN x canary-again");
    let mut wrong = Session::tls(set.at(IMAPS), set.certificate());
    wrong.read_line();
    wrong.command(&format!("a LOGIN {ALICE} canary-password"));
    let mut clear = Session::clear(set.at(IMAP));
    clear.read_line();
    clear.command(&format!("a LOGIN {ALICE} canary-clear"));
    let log = set.stop();
    assert!(!log.contains("canary") && !log.contains(PASSWORD), "{log}");
}

#[test]
fn sockets_may_come_from_systemd_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    // sd_listen_fds(3): descriptors from 3 on, and three variables.
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).expect("ours");
    let script = format!(
        "exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=imap exec \"$@\"",
        listener.as_raw_fd()
    );
    let before: Vec<OsString> = vec!["bash".into(), "-c".into(), script.into(), "bash".into()];
    let further =
        "[[listen]]\nprotocol = \"imap\"\naddress = \"systemd:imap\"\ntls = \"immediate\"\n";
    let set = Set::through(&before, further).unwrap_or_else(|log| panic!("{log}"));
    drop(listener);
    set.add_user(ALICE);
    let mut session = Session::tls(address, set.certificate());
    assert!(
        session
            .read_line()
            .is_some_and(|line| line.starts_with("* OK"))
    );
    session.ok(&format!("a LOGIN {ALICE} \"{PASSWORD}\""));
}
