//! Mailbox names from hell (ATTACKS S1): a name never becomes a path.

use super::{House, run};
use proptest::prelude::*;
use std::collections::BTreeSet;
use wire::imap::{Dialect, MailboxName};

/// Names that would hurt if a file system heard them, and those that a file
/// system couldn't keep apart or at all.
const HOSTILE: [&str; 16] = [
    "..",
    ".",
    "\"../../etc/passwd\"",
    "a/../b",
    "~",
    "\"~root\"",
    "%2e%2e",
    "journal",
    "\"journal/0000000000000000.seg\"",
    "cache",
    "\"trailing.\"",
    "\"trailing..\"",
    "\"CON\"",
    "\"a\\\\b\"",
    "\"$(reboot)\"",
    "\"-rf\"",
];

#[test]
fn names_from_hell_are_names_like_any_other_or_refused() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        for name in HOSTILE {
            let made = client.command("a", &format!("CREATE {name}")).await;
            let said = made.last().unwrap().clone();
            assert!(
                said.starts_with("a OK") || said.starts_with("a NO") || said.starts_with("a BAD")
            );
            if said.starts_with("a OK") {
                let status = client
                    .command("b", &format!("STATUS {name} (MESSAGES)"))
                    .await;
                assert_eq!(status.len(), 2, "{name}: {status:?}");
                client.command("c", &format!("DELETE {name}")).await;
            }
        }
        let left = client.command("d", "LIST \"\" *").await;
        assert_eq!(left.len(), 4, "{left:?}");
        house.leave().await;
    });
}

#[test]
fn no_file_but_the_journals_appears_for_any_name() {
    use crate::scratch::Scratch;
    use crate::{fixture, opening};
    use journal::disk::OsDisk;
    let scratch = Scratch::new("names");
    let root = std::fs::File::open(scratch.path()).unwrap();
    let opened = opening::open(&OsDisk::new(root.into()), &fixture::born(true)).unwrap();
    let mut store = opened.store;
    let mut syncer = opened.syncer;
    for name in [
        "..",
        ".",
        "~",
        "a\\b",
        "journal",
        "torn",
        "pack",
        "\u{202e}gnp.exe",
    ] {
        let name = store::MailboxName::new(name.split('/')).unwrap();
        store.create(&store::Principal::Owner, &name, None).unwrap();
        let report = syncer.commit(store.take_batch().unwrap());
        store.settle(report).unwrap();
        store.apply(usize::MAX).unwrap();
    }
    let names = std::fs::read_dir(scratch.path()).unwrap();
    let names: BTreeSet<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["journal".to_owned()]));
}

#[test]
fn names_that_are_equal_after_normalisation_are_one_mailbox() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client.command("a", "ENABLE IMAP4rev2").await;
        client.command("b", "CREATE \"caf\u{e9}\"").await;
        let twin = client.command("c", "CREATE \"cafe\u{301}\"").await;
        assert!(twin[0].starts_with("c NO [ALREADYEXISTS]"), "{twin:?}");
        let case = client.command("d", "CREATE \"CAF\u{c9}\"").await;
        assert!(
            case[0].starts_with("d OK"),
            "case is not normalised: {case:?}"
        );
        let inbox = client.command("e", "CREATE \"iNbOx\"").await;
        assert!(inbox[0].starts_with("e NO [ALREADYEXISTS]"), "{inbox:?}");
        house.leave().await;
    });
}

#[test]
fn names_too_long_too_deep_or_with_control_characters_are_refused() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let long = "x".repeat(256);
        let deep = vec!["d"; 33].join("/");
        for name in [long.as_str(), &deep, "\"a\tb\"", "a//b", "/a"] {
            let made = client.command("a", &format!("CREATE {name}")).await;
            assert!(
                made[0].starts_with("a NO") || made[0].starts_with("a BAD"),
                "{made:?}"
            );
        }
        house.leave().await;
    });
}

/// What is no name is none in any command, and leaves everything as it was: but for a
/// SELECT that fails, which closes what was open.
#[test]
fn what_is_no_name_is_refused_by_every_command_alike() {
    let none = [
        "\"\"",
        "/a",
        "a//b",
        "\"&AGE-\"",
        "\"&Jjo!\"",
        "\"&2D0-\"",
        "\"a&AC8-b\"",
    ];
    let commands = [
        "CREATE {}",
        "DELETE {}",
        "RENAME {} x",
        "RENAME Archive {}",
        "SUBSCRIBE {}",
        "UNSUBSCRIBE {}",
        "STATUS {} (MESSAGES)",
        "COPY 1 {}",
        "UID MOVE 1 {}",
        "APPEND {} {1+}\r\nx",
        "EXAMINE {}",
    ];
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client.command("a", "APPEND INBOX {1+}\r\nx").await;
        let before = client.command("b", "LIST \"\" *").await;
        for name in none {
            for command in commands {
                client.command("c", "SELECT INBOX").await;
                let said = client.command("d", &command.replace("{}", name)).await;
                let answer = said.last().unwrap();
                assert!(
                    answer.starts_with("d NO [CANNOT]") || answer.starts_with("d BAD"),
                    "{command} {name}: {said:?}"
                );
            }
        }
        assert_eq!(client.command("b", "LIST \"\" *").await, before);
        house.leave().await;
    });
}

/// Names of every kind, as large as a name may be.
fn names() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        "[a-zA-Z0-9 &~.,+()\\[\\]{}'\"\\\\^-]",
        "[\u{e0}-\u{ff}\u{400}-\u{44f}\u{4e00}-\u{4e2f}\u{1f600}-\u{1f60f}]",
        "[ae]\u{301}",
    ];
    let component = prop::collection::vec(letter, 1..20).prop_map(|letters| letters.concat());
    let long = ("[a-z]", 250_usize..=255).prop_map(|(letter, count)| letter.repeat(count));
    let component = prop_oneof![8 => component, 1 => long];
    let name = prop::collection::vec(component, 1..4).prop_map(|all| all.join("/"));
    let deep = "[a-z]".prop_map(|letter| vec![letter; 32].join("/"));
    prop_oneof![8 => name, 1 => deep]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A client of either revision makes it; both find it, and find it once.
    #[test]
    fn a_name_is_one_mailbox_in_both_revisions_and_in_every_command(name in names()) {
        run(async {
            let house = House::new();
            let mut old = house.client().await;
            let mut new = house.client().await;
            new.command("a", "ENABLE IMAP4rev2").await;
            let form: String = MailboxName::from_utf8(&name).unwrap().to_utf8();
            let seven = MailboxName::from_utf8(&name).unwrap().to_wire(Dialect::Rev1);
            let made = new.command("b", &format!("CREATE {}", quoted(&name))).await;
            // Before it comes a LIST with OLDNAME, if the name was not in NFC.
            let made = made.last().unwrap();
            assert!(made.starts_with("b OK [MAILBOXID (F"), "{name:?}: {made}");
            let twice = old.command("c", &format!("CREATE {}", quoted(&seven))).await;
            assert!(twice[0].starts_with("c NO [ALREADYEXISTS]"), "{twice:?}");
            let appended = format!("APPEND {} {{1+}}\r\nx", quoted(&seven));
            assert!(old.command("d", &appended).await[0].starts_with("d OK"), "{seven:?}");
            for (client, spelt) in [(&mut old, &seven), (&mut new, &form)] {
                let status = format!("STATUS {} (MESSAGES)", quoted(spelt));
                let said = client.command("e", &status).await;
                assert!(said[0].ends_with(" (MESSAGES 1)"), "{spelt:?}: {said:?}");
                let listed = client.command("f", &format!("LIST \"\" {}", quoted(spelt))).await;
                assert_eq!(listed.len(), 2, "{spelt:?}: {listed:?}");
                let below = client.command("g", "LIST \"\" *").await;
                let told = below.iter().filter(|line| line.contains("\\HasNoChildren"));
                assert_eq!(told.count(), 4, "{below:?}");
            }
            let renamed = old.command("h", &format!("RENAME {} z", quoted(&seven))).await;
            assert_eq!(renamed, ["h OK Renamed"], "{seven:?}");
            assert_eq!(new.command("i", "DELETE z").await, ["i OK Deleted"]);
            house.leave().await;
        });
    }
}
