//! A mailbox's index comes into memory when it is opened, goes when nobody needs
//! it, and is nobody's trouble but its own when it is damaged.

use super::{House, Wire, open, run};
use crate::scratch::Scratch;
use journal::disk::OsDisk;
use journal::sim::SimDisk;
use std::path::Path;
use store::{MailboxHandle, MailboxName, Principal};

/// Fills two mailboxes with so much that a leaving worker writes their index.
async fn fill(client: &mut Wire) {
    let letter = format!("Subject: x\r\n\r\n{}", "lorem ipsum ".repeat(2000));
    for mailbox in ["INBOX", "Archive", "INBOX", "Archive"] {
        let append = format!("APPEND {mailbox} {{{}+}}\r\n{letter}", letter.len());
        let said = client.command("a", &append).await;
        assert!(said[0].starts_with("a OK"), "{said:?}");
    }
}

fn handle(house: &House, name: &str) -> MailboxHandle {
    let name = MailboxName::new([name]).unwrap();
    let store = house.account.store();
    store.open_mailbox(&Principal::Owner, &name).unwrap()
}

fn is_loaded(house: &House, name: &str) -> bool {
    let handle = handle(house, name);
    house.account.store().wish(&handle).unwrap().is_none()
}

#[test]
fn a_mailbox_is_loaded_by_select_and_by_nothing_less() {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::on(&disk);
        fill(&mut house.client().await).await;
        house.leave().await;

        let house = House::on(&disk);
        let mut client = house.client().await;
        assert!(!is_loaded(&house, "INBOX") && !is_loaded(&house, "Archive"));
        let status = client.command("b", "STATUS INBOX (MESSAGES)").await;
        assert_eq!(status[0], "* STATUS INBOX (MESSAGES 2)");
        client.command("c", "LIST \"\" *").await;
        client.command("d", "APPEND INBOX {1+}\r\nx").await;
        assert!(!is_loaded(&house, "INBOX"));
        let opened = client.command("s", "SELECT INBOX").await;
        assert!(opened.contains(&"* 3 EXISTS".to_owned()), "{opened:?}");
        assert!(is_loaded(&house, "INBOX") && !is_loaded(&house, "Archive"));
        let fetched = client.command("f", "FETCH 1:* (UID RFC822.SIZE)").await;
        assert_eq!(fetched.len(), 4, "{fetched:?}");
        house.leave().await;
    });
}

#[test]
fn a_mailbox_that_many_others_were_opened_after_is_put_away() {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::on(&disk);
        fill(&mut house.client().await).await;
        house.leave().await;

        let house = House::on(&disk);
        let mut client = house.client().await;
        client.command("s", "SELECT Archive").await;
        for other in 0..8 {
            client.command("c", &format!("CREATE m{other}")).await;
            assert!(other > 0 || is_loaded(&house, "Archive"));
            client.command("s", &format!("SELECT m{other}")).await;
        }
        while is_loaded(&house, "Archive") {
            tokio::task::yield_now().await;
        }
        let opened = client.command("s", "SELECT Archive").await;
        assert!(opened.contains(&"* 2 EXISTS".to_owned()), "{opened:?}");
        house.leave().await;
    });
}

#[test]
fn inbox_is_renamed_whether_or_not_it_is_loaded() {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::on(&disk);
        fill(&mut house.client().await).await;
        house.leave().await;

        let house = House::on(&disk);
        let mut client = house.client().await;
        assert_eq!(
            client.command("r", "RENAME INBOX old").await,
            ["r OK Renamed"]
        );
        let status = client.command("b", "STATUS old (MESSAGES)").await;
        assert_eq!(status[0], "* STATUS old (MESSAGES 2)");
        house.leave().await;
    });
}

fn site(path: &Path) -> House {
    let root = std::fs::File::open(path).unwrap();
    House::around(open(&OsDisk::new(root.into()), path))
}

#[test]
fn a_damaged_index_is_the_trouble_of_its_mailbox_alone() {
    run(async {
        let scratch = Scratch::new("index");
        let house = site(scratch.path());
        fill(&mut house.client().await).await;
        house.leave().await;
        // Each of the two mailboxes has one chunk; INBOX's is the first.
        let chunks = std::fs::read_dir(scratch.path().join("chunk")).unwrap();
        let mut chunks: Vec<_> = chunks.map(|entry| entry.unwrap().path()).collect();
        chunks.sort();
        assert_eq!(chunks.len(), 2);
        let mut bytes = std::fs::read(&chunks[0]).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&chunks[0], bytes).unwrap();

        let house = site(scratch.path());
        let mut client = house.client().await;
        for command in ["SELECT INBOX", "EXAMINE INBOX", "RENAME INBOX old"] {
            let refused = client.command("s", command).await;
            let expected = "s NO [CORRUPTION] This mailbox's index is damaged; \
                            the administrator must run mailkeep repair";
            assert_eq!(refused, [expected], "{command}");
        }
        let appended = client.command("a", "APPEND INBOX {1+}\r\nx").await;
        assert!(appended[0].starts_with("a OK"), "{appended:?}");
        let status = client.command("b", "STATUS INBOX (MESSAGES)").await;
        assert_eq!(status[0], "* STATUS INBOX (MESSAGES 3)");
        let opened = client.command("o", "SELECT Archive").await;
        assert!(opened.contains(&"* 2 EXISTS".to_owned()), "{opened:?}");
        let copied = client.command("c", "COPY 1 INBOX").await;
        assert!(copied[0].starts_with("c OK [COPYUID"), "{copied:?}");
        assert_eq!(house.account.health().damaged_files, 1);
        house.leave().await;
    });
}
