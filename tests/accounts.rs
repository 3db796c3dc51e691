//! Accounts as an administrator keeps them: added, changed, imported, disabled,
//! deleted, with the addresses that lead to them.

use harness::Set;
use harness::session::PATIENCE;
use harness::set::{IMAPS, PASSWORD, text, wait_for};
use std::fs;

const LETTER: &str = "Subject: hello\r\n\r\nhello\r\n";

fn may_login(set: &Set, name: &str, password: &str) -> bool {
    let mut session = harness::Session::tls(set.at(IMAPS), set.certificate());
    assert!(
        session
            .read_line()
            .is_some_and(|line| line.starts_with("* OK"))
    );
    session
        .command(&format!("a LOGIN {name} \"{password}\""))
        .last()
        .is_some_and(|line| line.starts_with("a OK"))
}

fn rcpt(set: &Set, address: &str) -> String {
    let mut session = set.lmtp();
    session.line("LHLO test.example");
    while session
        .read_line()
        .is_some_and(|line| line.starts_with("250-"))
    {}
    session.line("MAIL FROM:<>");
    session.read_line();
    session.line(&format!("RCPT TO:<{address}>"));
    session.read_line().unwrap_or_default()
}

#[test]
fn a_new_account_has_its_folders_and_a_bare_name_means_the_default_domain() {
    let set = Set::start();
    set.add_user("alice");
    let mut session = set.login("ALICE@Example.Org");
    let listed = session.ok("a LIST \"\" * RETURN (SPECIAL-USE)").join("\n");
    for folder in [
        "INBOX",
        "\\Drafts",
        "\\Sent",
        "\\Junk",
        "\\Trash",
        "\\Archive",
    ] {
        assert!(listed.contains(folder), "{folder} is not in {listed}");
    }
}

#[test]
fn addresses_details_aliases_and_catch_all_lead_to_the_account() {
    let set = Set::start();
    set.add_user("alice@example.org");
    assert!(rcpt(&set, "alice+list@example.org").starts_with("250"));
    assert!(rcpt(&set, "ALICE@EXAMPLE.ORG").starts_with("250"));
    assert!(rcpt(&set, "sales@example.com").starts_with("550"));
    assert!(
        set.mailkeep(&["user", "alias", "alice@example.org", "sales@example.com"])
            .status
            .success()
    );
    assert!(rcpt(&set, "sales@example.com").starts_with("250"));
    assert!(rcpt(&set, "anybody@example.com").starts_with("550"));
    assert!(
        set.mailkeep(&["user", "alias", "alice@example.org", "@example.com"])
            .status
            .success()
    );
    assert!(rcpt(&set, "anybody@example.com").starts_with("250"));
    assert!(rcpt(&set, "alice@elsewhere.example").starts_with("550"));
    let refused = set.mailkeep(&["user", "alias", "alice@example.org", "x@elsewhere.example"]);
    assert!(
        !refused.status.success() && text(&refused).contains("domains"),
        "{}",
        text(&refused)
    );
}

#[test]
fn a_new_password_ends_the_sessions_of_the_old_one() {
    let set = Set::start();
    set.add_user("alice@example.org");
    let mut session = set.login("alice@example.org");
    session.ok("a SELECT INBOX");
    let changed = set.mailkeep_with(&["user", "passwd", "alice@example.org"], "another");
    assert!(changed.status.success(), "{}", text(&changed));
    assert!(
        wait_for(PATIENCE, || session.read_line().is_none()),
        "the session goes on"
    );
    assert!(!may_login(&set, "alice@example.org", PASSWORD));
    assert!(may_login(&set, "alice@example.org", "another"));
}

#[test]
fn a_disabled_account_takes_no_login_and_loses_no_letter() {
    let set = Set::start();
    set.add_user("alice@example.org");
    assert!(
        set.mailkeep(&["user", "disable", "alice@example.org"])
            .status
            .success()
    );
    assert!(!may_login(&set, "alice@example.org", PASSWORD));
    let reply = rcpt(&set, "alice@example.org");
    assert!(reply.starts_with('4'), "{reply}");
    assert!(
        set.mailkeep(&["user", "enable", "alice@example.org"])
            .status
            .success()
    );
    assert!(may_login(&set, "alice@example.org", PASSWORD));
}

#[test]
fn a_deleted_account_leaves_nothing_and_its_id_is_never_given_again() {
    let set = Set::start();
    set.add_user("alice@example.org");
    assert!(set.deliver("alice@example.org", LETTER).starts_with("250"));
    let store = set.state().join("store");
    let accounts = || fs::read_dir(&store).expect("the store").count();
    assert_eq!(accounts(), 1);
    let deleted = set.mailkeep(&["user", "delete", "alice@example.org", "--yes"]);
    assert!(
        deleted.status.success(),
        "{}\n{}",
        text(&deleted),
        set.log()
    );
    assert!(
        wait_for(PATIENCE, || accounts() == 0),
        "its directory is still there:\n{}",
        set.log()
    );
    assert!(!may_login(&set, "alice@example.org", PASSWORD));
    assert!(rcpt(&set, "alice@example.org").starts_with("550"));
    let first = id_of(&set, None);
    set.add_user("alice@example.org");
    let second = id_of(&set, Some("alice@example.org"));
    assert!(first.is_none() && second.is_some());
    assert!(set.deliver("alice@example.org", LETTER).starts_with("250"));
    let names: Vec<_> = fs::read_dir(&store)
        .expect("the store")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(
        names,
        [std::ffi::OsString::from(second.expect("an id").to_string())]
    );
    let mut session = set.login("alice@example.org");
    assert!(
        session
            .ok("a SELECT INBOX")
            .iter()
            .any(|line| line == "* 1 EXISTS")
    );
}

fn id_of(set: &Set, name: Option<&str>) -> Option<u64> {
    let listed = set.mailkeep(&["user", "list", "--json"]);
    let accounts: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let accounts = accounts.as_array().expect("an array");
    accounts
        .iter()
        .find(|account| account["name"].as_str() == name)?["id"]
        .as_u64()
}

/// Hashes by Dovecot's own tool (`doveadm pw`), all of the password "secret".
const IMPORTED: &str = include_str!("accounts/passwd-file");

#[test]
fn accounts_of_a_dovecot_are_imported_with_their_passwords_thousands_at_once() {
    let set = Set::start();
    let mut file = IMPORTED.to_owned();
    let hash = IMPORTED
        .lines()
        .find_map(|line| line.strip_prefix("ssha512@example.org:"))
        .expect("one such");
    for number in 0..2_000 {
        file.push_str(&format!("u{number}@example.org:{hash}\n"));
    }
    let imported = set.mailkeep_with(&["user", "import", "-"], &file);
    assert!(
        imported.status.success(),
        "{}\n{}",
        text(&imported),
        set.log()
    );
    assert!(
        text(&imported).contains("2005 accounts added"),
        "{}",
        text(&imported)
    );
    for scheme in ["argon2id", "bcrypt", "sha512crypt", "ssha512", "pbkdf2"] {
        let name = format!("{scheme}@example.org");
        assert!(may_login(&set, &name, "secret"), "{scheme}\n{}", set.log());
        assert!(!may_login(&set, &name, "secre"), "{scheme}");
    }
    assert!(may_login(&set, "u1999@example.org", "secret"));
    let again = set.mailkeep_with(&["user", "import", "-"], IMPORTED);
    assert!(
        !again.status.success() && text(&again).contains("line 1"),
        "{}",
        text(&again)
    );
}

#[test]
fn accounts_survive_a_restart_of_the_whole_set() {
    let set = Set::start();
    set.add_user("alice@example.org");
    assert!(set.deliver("alice@example.org", LETTER).starts_with("250"));
    let set = set.restart();
    let mut session = set.login("alice@example.org");
    assert!(
        session
            .ok("a SELECT INBOX")
            .iter()
            .any(|line| line == "* 1 EXISTS")
    );
}
