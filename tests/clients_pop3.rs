//! Real POP3 clients against the real set, over TLS and STLS, from Debian's packages.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::Set;
use harness::set::{PASSWORD, POP3, POP3S, text, workspace};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

const BOB: &str = "bob@example.org";

/// Runs a client that must end with this code, and gives its words.
fn ends_with(code: i32, command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = text(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    said
}

/// Runs a client that must succeed, and gives its words.
fn run(command: &mut Command) -> String {
    ends_with(0, command)
}

/// Bob, with this many letters.
fn bob(letters: u32) -> Set {
    let set = Set::start();
    set.add_user(BOB);
    (1..=letters).for_each(|number| deliver(&set, number));
    set
}

fn deliver(set: &Set, number: u32) {
    let letter = format!("Subject: letter {number}\r\n\r\none\r\n..\r\n...two {number}");
    assert!(set.deliver(BOB, &letter).starts_with("250"));
}

/// How many letters the server has.
fn held(set: &Set) -> usize {
    let mut session = set.login(BOB);
    session.ok("a EXAMINE INBOX");
    session.ok("b FETCH 1:* (UID)").len() - 1
}

/// How many letters a client has written into its file, each of which must have come
/// whole.
fn fetched(set: &Set) -> usize {
    let all = fs::read_to_string(set.directory().path().join("fetched"));
    let all = all.unwrap_or_default();
    let whole = all.matches("\none\n.\n..two ").count();
    assert_eq!(all.matches("Subject: letter ").count(), whole, "{all}");
    whole
}

/// A file that its owner alone may read, as clients want it.
fn private(set: &Set, name: &str, content: String) -> PathBuf {
    let file = set.directory().write(name, content);
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("it is ours");
    file
}

fn curl(set: &Set) -> Command {
    let mut curl = Command::new("curl");
    let host = set.host();
    curl.args(["--silent", "--show-error", "--max-time", "30", "--user"]);
    curl.arg(format!("{BOB}:{PASSWORD}"));
    curl.arg("--cacert").arg(set.certificate_file());
    for port in [POP3, POP3S] {
        curl.arg("--connect-to")
            .arg(format!("localhost:{port}:{host}:{port}"));
    }
    curl
}

#[test]
fn curl_lists_reads_and_removes_by_every_way_to_log_in() {
    let set = bob(2);
    let tls = format!("pop3s://localhost:{POP3S}/");
    let ways: [&[&str]; 4] = [
        &[],
        &["--login-options", "AUTH=PLAIN"],
        &["--login-options", "AUTH=PLAIN", "--sasl-ir"],
        &["--login-options", "AUTH=LOGIN"],
    ];
    for way in ways {
        let listed = run(curl(&set).args(way).arg(&tls));
        assert_eq!(listed.lines().count(), 2, "{way:?}: {listed}");
    }
    let clear = format!("pop3://localhost:{POP3}/2");
    let read = run(curl(&set).arg("--ssl-reqd").arg(&clear));
    assert!(read.ends_with("\r\n\r\none\r\n.\r\n..two 2\r\n"), "{read}");
    // CURLE_LOGIN_DENIED, whether it asks for no TLS or gives a wrong password.
    ends_with(67, curl(&set).arg(&clear));
    ends_with(
        67,
        curl(&set)
            .args(["--user", "bob@example.org:wrong"])
            .arg(&tls),
    );
    let uids = run(curl(&set).args(["--request", "UIDL"]).arg(&tls));
    assert_eq!(uids.lines().count(), 2, "{uids}");
    run(curl(&set).args(["--request", "DELE 1", "--head"]).arg(&tls));
    assert_eq!(held(&set), 1);
}

#[test]
fn pythons_poplib_runs_a_whole_session() {
    let set = bob(2);
    let mut python = Command::new("python3");
    python
        .arg(workspace().join("tests/clients/poplib_session.py"))
        .args([set.host(), POP3S.to_string(), POP3.to_string()])
        .arg(set.certificate_file())
        .args([BOB, PASSWORD]);
    run(&mut python);
    assert_eq!(held(&set), 1);
}

/// What fetchmail is to do; `options` are its words behind the password's.
fn fetchmail(set: &Set, port: u16, options: &str) -> Command {
    let configuration = format!(
        "set no syslog\n\
         poll mail.example via {host} port {port} protocol pop3 uidl timeout 30\n\
         user {BOB} password \"{PASSWORD}\" {options}\n\
         sslcertck sslcertfile {certificate} sslcommonname localhost\n\
         mda \"sh -c 'cat >> {mail}'\"\n",
        host = set.host(),
        certificate = set.certificate_file().display(),
        mail = set.directory().path().join("fetched").display(),
    );
    let mut fetchmail = Command::new("fetchmail");
    fetchmail
        .arg("--fetchmailrc")
        .arg(private(set, "fetchmailrc", configuration))
        .env("HOME", set.directory().path())
        .env("FETCHMAILHOME", set.directory().path())
        .env("LC_ALL", "C");
    fetchmail
}

#[test]
fn fetchmail_fetches_what_is_new_and_then_has_nothing_to_do() {
    let set = bob(3);
    let fetched = || fetched(&set);
    // Over STLS, by UIDL, leaving the letters there.
    let keeping = || fetchmail(&set, POP3, "keep sslproto \"TLS1.2+\"");
    run(&mut keeping());
    assert_eq!((fetched(), held(&set)), (3, 3));
    ends_with(1, &mut keeping());
    deliver(&set, 4);
    run(&mut keeping());
    assert_eq!((fetched(), held(&set)), (4, 4));
    // Over TLS, all of them, leaving none.
    run(&mut fetchmail(&set, POP3S, "ssl fetchall nokeep"));
    assert_eq!((fetched(), held(&set)), (8, 0));
    ends_with(1, &mut fetchmail(&set, POP3S, "ssl"));
}

fn getmail(set: &Set, delete: bool) -> Command {
    let configuration = format!(
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = {host}\nport = {POP3S}\n\
         username = {BOB}\npassword = {PASSWORD}\nca_certs = {certificate}\n\n\
         [destination]\ntype = MDA_external\npath = /bin/sh\nallow_root_commands = true\n\
         arguments = (\"-c\", \"cat >> {mail}\")\n\n\
         [options]\nread_all = false\ndelete = {delete}\nverbose = 1\n",
        host = set.host(),
        certificate = set.certificate_file().display(),
        mail = set.directory().path().join("fetched").display(),
    );
    let mut getmail = Command::new("getmail");
    getmail
        .arg("--rcfile")
        .arg(private(set, "getmailrc", configuration))
        .arg("--getmaildir")
        .arg(set.directory().path())
        .env("HOME", set.directory().path());
    getmail
}

#[test]
fn getmail_fetches_what_is_new_then_removes_it_and_has_nothing_to_do() {
    let set = bob(3);
    let fetched = || fetched(&set);
    run(&mut getmail(&set, false));
    assert_eq!((fetched(), held(&set)), (3, 3));
    run(&mut getmail(&set, false));
    assert_eq!((fetched(), held(&set)), (3, 3));
    deliver(&set, 4);
    run(&mut getmail(&set, true));
    assert_eq!((fetched(), held(&set)), (4, 0));
    run(&mut getmail(&set, true));
    assert_eq!(fetched(), 4);
}
