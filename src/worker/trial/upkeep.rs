//! Upkeep beside sessions: it moves what they read, and they notice nothing.

use super::{House, Wire, run};
use crate::imap::letter::{Letter, Place};
use journal::disk::Disk;
use journal::sim::SimDisk;
use message::Span;
use store::{MailboxId, Principal, Uid};

/// A house whose upkeep comes after every few letters.
fn hurried(disk: &SimDisk) -> House {
    let house = House::on(disk);
    let mut store = house.account.store_mut();
    store.hurry_upkeep(4096);
    store.shorten_segments(8192);
    drop(store);
    house
}

async fn append(client: &mut Wire, count: usize) {
    let letter = format!("Subject: x\r\n\r\n{}", "lorem ipsum ".repeat(150));
    for _ in 0..count {
        let append = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
        let said = client.command("a", &append).await;
        assert!(said.last().unwrap().starts_with("a OK"), "{said:?}");
    }
}

/// Where the first letter of INBOX lies now.
fn first(house: &House) -> Place {
    let store = house.account.store();
    let mailbox = store
        .open_by_id(&Principal::Owner, MailboxId::INBOX)
        .unwrap();
    let messages = store.messages(&mailbox).unwrap();
    let entry = messages.get(Uid::MIN).unwrap();
    Place {
        mailbox,
        uid: entry.uid(),
        id: entry.message(),
        date: entry.date(),
        body: messages.body(entry),
    }
}

/// Waits until upkeep has given the first letter another place, and the journal no
/// longer begins where it did.
async fn moved(house: &House, client: &mut Wire, disk: &SimDisk, from: &Place) {
    let journal = disk.open_dir(&name("journal")).unwrap();
    for _ in 0..100 {
        if first(house).body != from.body && !begins_at_once(&journal) {
            return;
        }
        append(client, 2).await;
        house.account.sync().await;
        house.account.keep_up().await.unwrap();
    }
    panic!("upkeep has moved nothing");
}

fn begins_at_once(journal: &SimDisk) -> bool {
    journal
        .list()
        .unwrap()
        .contains(&name("0000000000000000.seg"))
}

fn name(name: &str) -> journal::disk::Name {
    journal::disk::Name::new(name).unwrap()
}

#[test]
fn a_letter_that_upkeep_has_moved_is_read_where_it_lies_now() {
    run(async {
        let disk = SimDisk::new(1);
        let house = hurried(&disk);
        let mut client = house.client().await;
        append(&mut client, 1).await;
        client.command("s", "SELECT INBOX").await;
        let before = first(&house);
        moved(&house, &mut client, &disk, &before).await;
        let letter = Letter::new(house.account.clone(), before);
        let mut pieces = letter.pieces(Span { start: 0, end: 10 });
        assert_eq!(*pieces.next().await.unwrap().unwrap(), *b"Subject: x");
        // A letter that has been expunged is not damaged.
        client
            .command("d", "STORE 1 +FLAGS.SILENT (\\Deleted)")
            .await;
        client.command("e", "EXPUNGE").await;
        let mut letter = Letter::new(house.account.clone(), before);
        let trouble = letter.pieces(Span { start: 0, end: 10 }).next().await;
        assert!(!letter.is_damaged(&trouble.unwrap_err()));
        assert_eq!(house.account.damage().count(), 0);
        house.leave().await;
    });
}

#[test]
fn what_a_session_sees_is_the_same_before_and_after() {
    run(async {
        let disk = SimDisk::new(1);
        let house = hurried(&disk);
        let mut client = house.client().await;
        append(&mut client, 20).await;
        client.command("s", "SELECT INBOX").await;
        let before = first(&house);
        let fetch = "FETCH 1:20 (UID INTERNALDATE RFC822.SIZE BODY.PEEK[])";
        let said = client.command("f", fetch).await;
        moved(&house, &mut client, &disk, &before).await;
        assert_eq!(client.command("f", fetch).await, said);
        house.leave().await;
        let house = House::on(&disk.restart_process());
        let mut client = house.client().await;
        client.command("s", "SELECT INBOX").await;
        assert_eq!(client.command("f", fetch).await, said);
        house.leave().await;
    });
}

/// The conversation of a letter of INBOX.
fn thread(house: &House, uid: u32) -> store::ThreadId {
    let store = house.account.store();
    let mailbox = store
        .open_by_id(&Principal::Owner, MailboxId::INBOX)
        .unwrap();
    let messages = store.messages(&mailbox).unwrap();
    messages.get(Uid::new(uid).unwrap()).unwrap().thread()
}

async fn bring(client: &mut Wire, letter: &str) {
    let append = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
    client.command("a", &append).await;
}

#[test]
fn a_map_of_threads_that_was_lost_is_drawn_again_from_the_letters() {
    for is_drawn in [true, false] {
        run(async {
            let disk = SimDisk::new(1);
            let house = House::on(&disk);
            bring(&mut house.client().await, "Message-ID: <1@a>\r\n\r\nx").await;
            house.leave().await;
            let cache = disk.open_dir(&name("cache")).unwrap();
            for file in cache.list().unwrap() {
                cache.remove(&file).unwrap();
            }
            let house = House::on(&disk.restart_process());
            if is_drawn {
                house.account.show_letters().await.unwrap();
                let disk_thread = house.account.disk();
                assert!(!house.account.cache().wants_letters(disk_thread).await);
            }
            let mut client = house.client().await;
            client.command("s", "SELECT INBOX").await;
            bring(&mut client, "In-Reply-To: <1@a>\r\n\r\ny").await;
            assert_eq!(thread(&house, 1) == thread(&house, 2), is_drawn);
            house.leave().await;
        });
    }
}
