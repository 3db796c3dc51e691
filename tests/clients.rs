//! Real clients against the real set, over TLS: what administrators and users
//! have on their machines, from Debian's packages.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::Set;
use harness::session::PATIENCE;
use harness::set::{IMAP, IMAPS, LMTP, PASSWORD, text, wait_for};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a client; its words are in the panic if it fails.
fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        text(&output)
    );
    output
}

fn bob() -> Set {
    let set = Set::start();
    set.add_user("bob@example.org");
    set
}

fn swaks(set: &Set) -> Command {
    let mut swaks = Command::new("swaks");
    swaks.args([
        "--protocol",
        "LMTP",
        "--from",
        "ann@example.net",
        "--to",
        "bob@example.org",
        "--timeout",
        "30",
    ]);
    swaks.args([
        "--header",
        "Subject: from swaks",
        "--body",
        "a letter\n.leading dot\n",
    ]);
    swaks.current_dir(set.directory().path());
    swaks
}

fn curl(set: &Set) -> Command {
    let mut curl = Command::new("curl");
    let host = set.host();
    curl.args(["--silent", "--show-error", "--max-time", "30", "--user"]);
    curl.arg(format!("bob@example.org:{PASSWORD}"));
    curl.arg("--cacert").arg(set.certificate_file());
    curl.arg("--connect-to")
        .arg(format!("localhost:{IMAPS}:{host}:{IMAPS}"));
    curl
}

#[test]
fn swaks_delivers_over_tcp_tls_and_a_unix_socket_and_curl_reads() {
    let set = bob();
    let port = LMTP.to_string();
    run(swaks(&set).args(["--server", &set.host(), "--port", &port]));
    run(swaks(&set).args(["--server", &set.host(), "--port", &port, "--tls"]));
    run(swaks(&set).arg("--socket").arg(set.lmtp_socket()));
    for number in 1..=3 {
        let read = run(curl(&set).arg(format!(
            "imaps://localhost:{IMAPS}/INBOX;MAILINDEX={number}"
        )));
        let letter = text(&read);
        assert!(
            letter.starts_with("Return-Path: <ann@example.net>\r\n"),
            "{letter}"
        );
        assert!(
            letter.contains("Delivered-To: bob@example.org\r\n"),
            "{letter}"
        );
        assert!(letter.contains("Subject: from swaks\r\n"), "{letter}");
        assert!(letter.contains("\r\n.leading dot\r\n"), "{letter}");
    }
}

#[test]
fn curl_appends_lists_and_searches() {
    let set = bob();
    let letter = set
        .directory()
        .write("letter", "Subject: by curl\r\n\r\nhello\r\n");
    let base = format!("imaps://localhost:{IMAPS}");
    run(curl(&set)
        .arg("--upload-file")
        .arg(&letter)
        .arg(format!("{base}/Drafts")));
    let listed = text(&run(curl(&set).arg(format!("{base}/"))));
    assert!(
        listed.contains("Drafts") && listed.contains("INBOX"),
        "{listed}"
    );
    let found = text(&run(curl(&set).arg(format!("{base}/Drafts?SUBJECT%20curl"))));
    assert!(found.contains("* SEARCH 1"), "{found}");
    let read = text(&run(curl(&set).arg(format!("{base}/Drafts;UID=1"))));
    assert_eq!(read, "Subject: by curl\r\n\r\nhello\r\n");
}

#[test]
fn pythons_imaplib_runs_a_whole_session() {
    let set = bob();
    let script = harness::set::workspace().join("tests/clients/imaplib_session.py");
    let mut python = Command::new("python3");
    python
        .arg(script)
        .args([set.host(), IMAPS.to_string(), IMAP.to_string()]);
    python
        .arg(set.certificate_file())
        .args(["bob@example.org", PASSWORD]);
    run(&mut python);
}

fn mbsync_configuration(set: &Set) -> String {
    format!(
        "IMAPAccount mailkeep\nHost {host}\nPort {IMAPS}\nUser bob@example.org\nPass \"{PASSWORD}\"\n\
         SSLType IMAPS\nSystemCertificates no\nCertificateFile {certificate}\n\n\
         IMAPStore far\nAccount mailkeep\n\n\
         MaildirStore near\nPath {mail}/\nInbox {mail}/Inbox\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSyncState *\n",
        host = set.host(),
        certificate = set.certificate_file().display(),
        mail = set.directory().path().join("mail").display(),
    )
}

#[test]
fn mbsync_syncs_a_tree_both_ways_and_then_has_nothing_to_do() {
    let set = bob();
    for number in 0..20 {
        let reply = set.deliver(
            "bob@example.org",
            &format!("Subject: {number}\r\n\r\nletter {number}\r\n"),
        );
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    let mut session = set.login("bob@example.org");
    session.ok("a CREATE Work/2026/Gr&APw-n");
    session.ok("b SELECT INBOX");
    session.ok("c COPY 1:5 Work/2026/Gr&APw-n");
    let mail = set.directory().path().join("mail");
    fs::create_dir(&mail).unwrap();
    let configuration = set
        .directory()
        .write("mbsyncrc", mbsync_configuration(&set));
    let sync = || {
        let mut mbsync = Command::new("mbsync");
        mbsync
            .args(["--all", "--config"])
            .arg(&configuration)
            .env("HOME", set.directory().path());
        text(&run(&mut mbsync))
    };
    sync();
    let letters = |folder: &str| fs::read_dir(mail.join(folder)).unwrap().count();
    assert_eq!(letters("Inbox/new") + letters("Inbox/cur"), 20);
    assert_eq!(
        letters("Work/2026/Gr&APw-n/new") + letters("Work/2026/Gr&APw-n/cur"),
        5
    );
    // A change on each side: a letter written here, one flagged and one removed there.
    fs::write(
        mail.join("Drafts/new/1.local"),
        "Subject: here\n\nwritten here\n",
    )
    .unwrap();
    session.ok("d STORE 1 +FLAGS (\\Flagged)");
    session.ok("e STORE 2 +FLAGS (\\Deleted)");
    session.ok("f EXPUNGE");
    sync();
    assert_eq!(letters("Inbox/new") + letters("Inbox/cur"), 19);
    let drafts = session.ok("g STATUS Drafts (MESSAGES)");
    assert!(drafts[0].contains("MESSAGES 1"), "{drafts:?}");
    let before = (near(&mail), far(&set));
    sync();
    assert_eq!(
        (near(&mail), far(&set)),
        before,
        "there was still something to do"
    );
}

#[test]
fn offlineimap_syncs_a_tree_both_ways_and_then_has_nothing_to_do() {
    let set = bob();
    for number in 0..5 {
        let letter = format!("Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nletter\r\n");
        assert!(set.deliver("bob@example.org", &letter).starts_with("250"));
    }
    let mut session = set.login("bob@example.org");
    session.ok("a CREATE Work/2026/Gr&APw-n");
    session.ok("b SELECT INBOX");
    session.ok("c COPY 1:2 Work/2026/Gr&APw-n");
    let mail = set.directory().path().join("mail");
    let configuration = set
        .directory()
        .write("offlineimaprc", offlineimap_configuration(&set));
    let sync = || {
        let mut offlineimap = Command::new("offlineimap");
        let _ = offlineimap
            .args(["-o", "-u", "basic", "-c"])
            .arg(&configuration);
        let _ = offlineimap.env("HOME", set.directory().path());
        text(&run(&mut offlineimap))
    };
    sync();
    let letters = |folder: &str| {
        let of = |kind: &str| fs::read_dir(mail.join(folder).join(kind)).unwrap().count();
        of("new") + of("cur")
    };
    assert_eq!((letters("INBOX"), letters("Work.2026.Gr&APw-n")), (5, 2));
    // A change on each side: a letter written here, one flagged and one removed there.
    let written = "Message-ID: <here@x>\nSubject: here\n\nwritten here\n";
    fs::write(mail.join("Drafts/new/1.local"), written).unwrap();
    session.ok("d STORE 1 +FLAGS (\\Flagged)");
    session.ok("e STORE 2 +FLAGS (\\Deleted)");
    session.ok("f EXPUNGE");
    sync();
    assert_eq!(letters("INBOX"), 4);
    assert!(
        near(&mail)
            .iter()
            .any(|path| path.contains("INBOX") && path.ends_with(",F"))
    );
    let drafts = session.ok("g STATUS Drafts (MESSAGES)");
    assert!(drafts[0].contains("MESSAGES 1"), "{drafts:?}");
    let before = (near(&mail), far(&set));
    sync();
    assert_eq!(
        (near(&mail), far(&set)),
        before,
        "there was still something to do"
    );
}

fn offlineimap_configuration(set: &Set) -> String {
    format!(
        "[general]\naccounts = bob\nmetadata = {metadata}\n\n\
         [Account bob]\nlocalrepository = near\nremoterepository = far\n\n\
         [Repository near]\ntype = Maildir\nlocalfolders = {mail}\n\n\
         [Repository far]\ntype = IMAP\nremotehost = {host}\nremoteport = {IMAPS}\n\
         remoteuser = bob@example.org\nremotepass = {PASSWORD}\nssl = yes\n\
         cert_fingerprint = {fingerprint}\n",
        metadata = set.directory().path().join("offlineimap").display(),
        mail = set.directory().path().join("mail").display(),
        host = set.host(),
        fingerprint = fingerprint(set),
    )
}

/// The SHA-1 of the certificate, by which OfflineIMAP knows it.
fn fingerprint(set: &Set) -> String {
    let printed = run(Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha1", "-in"])
        .arg(set.certificate_file()));
    let printed = text(&printed);
    let (_, digits) = printed.trim().split_once('=').expect("openssl says which");
    digits.replace(':', "").to_lowercase()
}

/// Every letter of a tree of maildirs, by folder, name and flags.
fn near(mail: &Path) -> BTreeSet<String> {
    let found = run(Command::new("find")
        .arg(mail)
        .args(["-type", "f", "-path", "*/[cn]*/*"]));
    text(&found).lines().map(ToOwned::to_owned).collect()
}

/// Every letter that the server has, by folder, UID and flags.
fn far(set: &Set) -> Vec<String> {
    let mut session = set.login("bob@example.org");
    let mut letters = Vec::new();
    for folder in ["INBOX", "Drafts", "Work/2026/Gr&APw-n"] {
        session.ok(&format!("a EXAMINE {folder}"));
        letters.extend(session.ok("b UID FETCH 1:* (FLAGS)"));
    }
    letters
}

/// A terminal with a program in it, which ends with the test.
struct Terminal(String);

impl Terminal {
    fn run(set: &Set, command: &str) -> Self {
        let terminal = Self(set.directory().path().join("tmux").display().to_string());
        let size = ["-x", "100", "-y", "30"];
        run(terminal
            .tmux()
            .args(["new-session", "-d"])
            .args(size)
            .arg(command));
        terminal
    }

    fn tmux(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.args(["-S", &self.0, "-f", "/dev/null"])
            .env("TERM", "screen")
            .env("LC_ALL", "C.UTF-8")
            .env("SHELL", "/bin/sh");
        tmux
    }

    fn screen(&self) -> String {
        text(
            &self
                .tmux()
                .args(["capture-pane", "-p"])
                .output()
                .expect("tmux runs"),
        )
    }

    fn wait_for_the_end(&self) {
        let ended = || {
            !self
                .tmux()
                .arg("has-session")
                .status()
                .is_ok_and(|it| it.success())
        };
        assert!(wait_for(PATIENCE, ended), "it goes on:\n{}", self.screen());
    }

    fn press(&self, key: &str) {
        run(self.tmux().args(["send-keys", key]));
    }

    fn wait_for(&self, words: &str) {
        let shown = wait_for(PATIENCE, || self.screen().contains(words));
        assert!(shown, "{words:?} never appeared:\n{}", self.screen());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").output();
    }
}

#[test]
fn neomutt_opens_a_mailbox_in_a_terminal_and_reads_a_letter() {
    read_in_a_terminal("neomutt");
}

#[test]
fn mutt_opens_a_mailbox_in_a_terminal_and_reads_a_letter() {
    read_in_a_terminal("mutt");
}

/// NeoMutt keeps headers in a cache, and the next day asks by QRESYNC what is new.
#[test]
fn neomutt_with_a_header_cache_resynchronizes() {
    let set = bob();
    let deliver = |subject: &str| {
        let letter = format!("From: ann@example.net\r\nSubject: {subject}\r\n\r\n{subject}\r\n");
        assert!(set.deliver("bob@example.org", &letter).starts_with("250"));
    };
    ["breakfast", "lunch", "tea"].into_iter().for_each(deliver);
    let cache = set.directory().path().join("headers");
    fs::create_dir(&cache).unwrap();
    let further = format!(
        "set header_cache = \"{}\"\nset imap_condstore = yes\nset imap_qresync = yes\n",
        cache.display()
    );
    let log = set.directory().path().join("neomutt");
    let program = format!("neomutt -d 2 -l {}", log.display());
    let look = |subjects: &[&str]| {
        let terminal = in_a_terminal(&set, &program, &further);
        subjects
            .iter()
            .for_each(|subject| terminal.wait_for(subject));
        terminal.press("q");
        terminal.wait_for_the_end();
    };
    look(&["breakfast", "lunch", "tea"]);
    let mut session = set.login("bob@example.org");
    session.ok("a SELECT INBOX");
    session.ok("b STORE 1 +FLAGS.SILENT (\\Flagged)");
    session.ok("c STORE 3 +FLAGS.SILENT (\\Deleted)");
    session.ok("d EXPUNGE");
    deliver("supper");
    look(&["breakfast", "lunch", "supper"]);
    let dialogue = logs_of(&log);
    assert!(dialogue.contains(" VANISHED)"), "{dialogue}");
    assert!(dialogue.contains("Expunging message UID 3"), "{dialogue}");
}

/// NeoMutt's log, of which it numbers the parts.
fn logs_of(log: &Path) -> String {
    let parts = (0..3).map(|part| format!("{}{part}", log.display()));
    parts
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect()
}

/// What both read: Mutt has no setting that NeoMutt lacks.
fn read_in_a_terminal(program: &str) {
    let set = bob();
    set.deliver(
        "bob@example.org",
        "From: ann@example.net\r\nSubject: tea at five\r\n\r\nthe kettle is on\r\n",
    );
    let terminal = in_a_terminal(&set, program, "set header_cache = \"\"\n");
    terminal.wait_for("tea at five");
    terminal.press("Enter");
    terminal.wait_for("the kettle is on");
    terminal.press("q");
    terminal.press("q");
}

/// A program of the two, at the mailbox of bob's.
fn in_a_terminal(set: &Set, program: &str, further: &str) -> Terminal {
    let configuration = format!(
        "set folder = \"imaps://{host}:{IMAPS}/\"\nset spoolfile = \"+INBOX\"\nset imap_user = \"bob@example.org\"\n\
         set imap_pass = \"{PASSWORD}\"\nset certificate_file = \"{certificate}\"\nset ssl_verify_host = no\n\
         set ssl_ca_certificates_file = \"{certificate}\"\nset sort = date\n{further}",
        host = set.host(),
        certificate = set.certificate_file().display(),
    );
    let configuration = set.directory().write("neomuttrc", configuration);
    let home = set.directory().path().display().to_string();
    Terminal::run(
        set,
        &format!(
            "env HOME={home} {program} -n -F {}",
            configuration.display()
        ),
    )
}
