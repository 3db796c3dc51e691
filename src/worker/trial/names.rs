//! Mailbox names from hell (ATTACKS S1): a name never becomes a path.

use super::{House, run};
use std::collections::BTreeSet;

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
        for name in [
            long.as_str(),
            &deep,
            "\"a\tb\"",
            "\"a*b\"",
            "\"a%b\"",
            "a//b",
            "/a",
        ] {
            let made = client.command("a", &format!("CREATE {name}")).await;
            assert!(
                made[0].starts_with("a NO") || made[0].starts_with("a BAD"),
                "{made:?}"
            );
        }
        house.leave().await;
    });
}
