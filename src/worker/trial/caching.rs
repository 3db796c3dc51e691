//! The cache changes no answer: not when it is there, not when it is damaged,
//! deleted or full of somebody else's records.

use super::{House, Wire, run};
use crate::account::Account;
use crate::cache::threads::{self, Joining};
use crate::cache::{gists, lessons};
use crate::shapes::Depth;
use journal::disk::{Disk, DiskError, Name};
use journal::sim::SimDisk;
use message::gist::{Collector, Gist};
use message::{Ties, preview};
use proptest::prelude::*;
use std::rc::Rc;
use std::time::Duration;
use store::{BodyRef, MailboxId, MessageId, Principal, ThreadId, Uid};

/// How long what happens behind a client's back may take.
const PATIENCE: Duration = Duration::from_secs(60);

const LETTERS: [&str; 4] = [
    "Subject: =?utf-8?q?a?=\r\n b\r\nFrom: A <a@b>, g: c@d;\r\nX-Other: x\r\n\r\nHello\r\n",
    "Message-ID: <1@a>\nTo: a@b\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\none\n\
     --x\nContent-Type: message/rfc822\n\nSubject: inner\n\ntwo\n--x--\n",
    "no colon\r\nDate: today\r\nIn-Reply-To: <1@a>\r\n\r\n",
    "\r\n",
];

const ASKED: &str = "FETCH 1:* (UID ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT TO)] \
    BODY.PEEK[HEADER.FIELDS (FROM X-OTHER)] BODY.PEEK[HEADER.FIELDS.NOT (DATE)] BODY.PEEK[1] \
    BODY.PEEK[2.HEADER] RFC822.HEADER)";

/// Nothing of this needs a letter to be read, once it is known.
const KNOWN: &str = "FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE \
    EMAILID THREADID PREVIEW BODY.PEEK[HEADER.FIELDS (SUBJECT From \"to\")])";

async fn append(client: &mut Wire, letter: &str) {
    let head = format!("a APPEND INBOX {{{}+}}\r\n{letter}\r\n", letter.len());
    client.send(head.as_bytes()).await;
    let said = client.answer("a").await.pop().unwrap();
    assert!(said.starts_with("a OK"), "{said}");
}

/// Which message has a UID in INBOX, and where it lies.
fn message(account: &Account, uid: u32) -> (MessageId, BodyRef) {
    let store = account.store();
    let inbox = store.open_by_id(&Principal::Owner, MailboxId::INBOX);
    let inbox = inbox.unwrap();
    let messages = store.messages(&inbox).unwrap();
    let entry = messages.get(Uid::new(uid).unwrap()).unwrap();
    (entry.message(), messages.body(entry))
}

/// What the cache says of a letter, once it does.
async fn recalled(account: &Rc<Account>, uid: u32) -> Gist {
    let (id, body) = message(account, uid);
    let recall = async {
        loop {
            let disk = account.disk();
            let octets = body.size().into();
            let gist = account.cache().recall(disk, id, octets, Depth::Whole);
            match gist.await {
                Some(gist) => return gist,
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, recall).await.unwrap()
}

/// Everything that a client asks, in a new process; and the cache has it afterwards.
async fn fetched(disk: &SimDisk) -> Vec<String> {
    let house = House::on(disk);
    let mut client = house.client().await;
    client.command("e", "EXAMINE INBOX").await;
    let mut said = client.command("f", ASKED).await;
    assert_eq!(client.command("f", ASKED).await, said);
    said.extend(client.command("f", KNOWN).await);
    leave_when_all_is_known(house).await;
    said
}

/// Ends a house when the disk thread has nothing left to do.
async fn leave_when_all_is_known(house: House) {
    for uid in 1..=LETTERS.len() as u32 {
        recalled(&house.account, uid).await;
    }
    let cache = house.account.cache();
    cache.wants_letters(house.account.disk()).await;
    house.leave().await;
}

async fn filled() -> SimDisk {
    let disk = SimDisk::new(1);
    let house = House::on(&disk);
    let mut client = house.client().await;
    for letter in LETTERS {
        append(&mut client, letter).await;
    }
    leave_when_all_is_known(house).await;
    disk
}

fn cache(disk: &SimDisk) -> (SimDisk, Name) {
    let dir = disk.open_dir(&Name::new("cache").unwrap()).unwrap();
    (dir, Name::numbered(0, "cache"))
}

/// Each is answered by other means: gists, headers, bodies, all of them.
const SOUGHT: [&str; 12] = [
    "SUBJECT \"A B\"",
    "NOT SUBJECT a",
    "FROM g",
    "HEADER To \"\"",
    "HEADER X-Other x",
    "HEADER X-Other \"\" FROM a",
    "SENTSINCE 1-Jan-1990",
    "BODY hello",
    "BODY inner",
    "TEXT inner",
    "OR BODY two FROM c@d",
    "TEXT \"in-reply-to: <1\" UNSEEN",
];

/// What a new process finds, twice: the first time may leave something to the second.
async fn searched(disk: &SimDisk) -> Vec<String> {
    let house = House::on(disk);
    let mut client = house.client().await;
    client.command("e", "EXAMINE INBOX").await;
    let mut said = Vec::new();
    for key in SOUGHT {
        let first = client.command("s", &format!("SEARCH {key}")).await;
        assert_eq!(client.command("s", &format!("SEARCH {key}")).await, first);
        said.push(first[0].clone());
    }
    house.leave().await;
    said
}

#[test]
fn a_search_finds_the_same_whatever_is_known_and_whoever_is_suspected() {
    run(async {
        let disk = filled().await;
        let said = searched(&disk).await;
        let found: Vec<&str> = said.iter().map(|line| &line["* SEARCH".len()..]).collect();
        let expected = [
            " 1", " 2 3 4", " 1", " 2", " 1", " 1", "", " 1", "", " 2", " 1 2", " 3",
        ];
        assert_eq!(found, expected);
        // Every letter was noted when a worker died: each is looked at alone.
        let (dir, name) = cache(&disk);
        let notes: Vec<u8> = (0..20_u128).flat_map(u128::to_le_bytes).take(256).collect();
        dir.plant(&Name::new("suspects").unwrap(), &notes).unwrap();
        assert_eq!(searched(&disk).await, said);
        // No gist is left.
        dir.plant(&name, &[]).unwrap();
        assert_eq!(searched(&disk).await, said);
        dir.plant(&Name::new("suspects").unwrap(), &[]).unwrap();
        dir.plant(&name, &[]).unwrap();
        assert_eq!(searched(&disk).await, said);
    });
}

/// Where a damaged cache is believed, its answers outlive the damage.
#[test]
fn bad_cache_data_is_rebuilt_from_the_letter() {
    run(async {
        let disk = filled().await;
        let said = fetched(&disk).await;
        let (dir, name) = cache(&disk);
        let good = dir.content(&name).unwrap();
        let records = 64 + 4096 * 8;
        for place in (0..100).chain((records..good.len()).step_by(29)) {
            let mut bad = good.clone();
            bad[place] ^= 0x10;
            dir.plant(&name, &bad).unwrap();
            assert_eq!(fetched(&disk).await, said, "byte {place}");
        }
        for end in [0, 63, 64, 70, records, records + 30, good.len() - 1] {
            dir.plant(&name, &good[..end]).unwrap();
            assert_eq!(fetched(&disk).await, said, "cut at {end}");
        }
        dir.plant(&name, &vec![0xa5; good.len()]).unwrap();
        assert_eq!(fetched(&disk).await, said);
        dir.remove(&name).unwrap();
        assert_eq!(fetched(&disk).await, said);
    });
}

#[test]
fn for_whoever_is_in_haste_no_letter_is_read() {
    run(async {
        let disk = filled().await;
        fetched(&disk).await;
        let (dir, name) = cache(&disk);
        let kept = dir.content(&name).unwrap();
        let known = "* 1 FETCH (PREVIEW \"Hello\")";
        let none = "* 1 FETCH (PREVIEW NIL)";
        for (is_kept, lazy) in [(true, known), (false, none)] {
            match is_kept {
                true => dir.plant(&name, &kept).unwrap(),
                false => dir.remove(&name).unwrap(),
            }
            let house = House::on(&disk);
            let mut client = house.client().await;
            client.command("s", "SELECT INBOX").await;
            let said = client.command("f", "FETCH 1 (PREVIEW (LAZY))").await;
            assert_eq!(said[0], lazy);
            let said = client.command("f", "FETCH 1 (PREVIEW)").await;
            assert_eq!(said[0], known);
            house.leave().await;
        }
    });
}

#[test]
fn the_gist_of_another_letter_is_not_believed() {
    run(async {
        let disk = filled().await;
        fetched(&disk).await;
        let house = House::on(&disk);
        let gist = recalled(&house.account, 1).await;
        let (id, body) = message(&house.account, 2);
        gists::remember(&house.account, id, &gist);
        for octets in [u64::from(body.size()), 1] {
            // Until the wrong one is there, and when it is.
            let recall = async {
                loop {
                    let account = &house.account;
                    let known = account
                        .cache()
                        .recall(account.disk(), id, octets, Depth::Header);
                    match known.await {
                        Some(known) => assert_ne!(known, gist),
                        None => return,
                    }
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, recall).await.unwrap();
        }
        house.leave().await;
    });
}

#[test]
fn a_full_disk_costs_nothing_but_the_cache() {
    run(async {
        let disk = filled().await;
        let house = House::on(&disk);
        disk.fill_up(true);
        let mut client = house.client().await;
        client.command("e", "EXAMINE INBOX").await;
        let said = client.command("f", ASKED).await;
        assert!(said.last().unwrap().starts_with("f OK"), "{said:?}");
        disk.fill_up(false);
        house.leave().await;
        assert!(fetched(&disk).await.starts_with(&said));
    });
}

#[test]
fn an_emptied_account_gets_no_cache() {
    run(async {
        let disk = filled().await;
        let house = House::on(&disk);
        let mut collector = Collector::new();
        collector.feed(b"Subject: s\r\n\r\n");
        let gist = collector.finish(true);
        let (dir, name) = cache(&disk);
        let known = dir.content(&name);
        house.account.disk().empty().await.unwrap().unwrap();
        gists::remember(&house.account, MessageId(1), &gist);
        let disk_thread = house.account.disk();
        assert!(!house.account.cache().wants_letters(disk_thread).await);
        assert!(dir.content(&name) == known);
    });
}

fn thread(account: &Account, uid: u32) -> ThreadId {
    let store = account.store();
    let inbox = store.open_by_id(&Principal::Owner, MailboxId::INBOX);
    let inbox = inbox.unwrap();
    let messages = store.messages(&inbox).unwrap();
    messages.get(Uid::new(uid).unwrap()).unwrap().thread()
}

#[test]
fn a_letter_is_looked_into_when_it_comes_and_joins_whom_it_answers() {
    run(async {
        let disk = SimDisk::new(1);
        for life in 0..2 {
            let house = House::on(&disk);
            let mut client = house.client().await;
            let first = life * 4;
            let large = "x\r\n".repeat(100_000);
            append(&mut client, &format!("Message-ID: <{life}@a>\r\n\r\n")).await;
            append(
                &mut client,
                &format!("Message-ID: <{life}-2@a>\r\nReferences: <{life}@a>\r\n\r\n{large}"),
            )
            .await;
            append(&mut client, &format!("In-Reply-To: <{life}-2@a>\r\n\r\n")).await;
            append(&mut client, "In-Reply-To: <0@a>\r\n\r\n").await;
            let (begun, _) = message(&house.account, first + 1);
            for uid in first + 1..=first + 3 {
                assert_eq!(thread(&house.account, uid), ThreadId(begun.0));
            }
            assert_eq!(thread(&house.account, first + 4), thread(&house.account, 1));
            assert!(
                recalled(&house.account, first + 3).await.whole,
                "nobody asked"
            );
            house.leave().await;
        }
    });
}

#[test]
fn letters_that_come_at_once_miss_no_join() {
    run(async {
        let house = House::new();
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(house.client().await);
        }
        for (number, client) in (0..6).zip(&mut clients) {
            let letter = format!("Message-ID: <{number}@a>\r\nReferences: <0@a>\r\n\r\n");
            let head = format!("a APPEND INBOX {{{}+}}\r\n{letter}\r\n", letter.len());
            client.send(head.as_bytes()).await;
        }
        for client in &mut clients {
            client.answer("a").await;
        }
        let threads: Vec<ThreadId> = (1..=6).map(|uid| thread(&house.account, uid)).collect();
        assert_eq!(threads, [threads[0]; 6]);
        house.leave().await;
    });
}

async fn join(account: &Rc<Account>, header: &str) -> Joining {
    threads::join(account, Ties::of(header.as_bytes())).await
}

#[test]
fn letters_on_their_way_at_once_find_each_other() {
    run(async {
        let house = House::new();
        let account = &house.account;
        let first = [join(account, "Message-ID: <1@a>\n").await];
        let reply = [join(account, "Message-ID: <2@a>\nIn-Reply-To: <1@a>\n").await];
        let cache = account.cache();
        let given = cache.threads(MessageId(50), &first);
        assert_eq!(given, [None]);
        cache.appended(MessageId(50), &first, &given);
        assert_eq!(cache.threads(MessageId(51), &reply), [Some(ThreadId(50))]);
        let [first] = first;
        lessons::note(account, first, ThreadId(50));
        assert_eq!(cache.threads(MessageId(51), &reply), [Some(ThreadId(50))]);
        drop(reply);
        let late = async {
            while cache.threads(MessageId(51), &[join(account, "References: <1@a>\n").await])
                != [Some(ThreadId(50))]
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, late).await.unwrap();
        house.leave().await;
    });
}

#[test]
fn a_worker_that_leaves_has_noted_the_letters_that_came_last() {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::on(&disk);
        let mut client = house.client().await;
        append(&mut client, "Message-ID: <1@a>\r\n\r\n").await;
        let (first, _) = message(&house.account, 1);
        house.leave().await;
        let house = House::on(&disk);
        let reply = [join(&house.account, "In-Reply-To: <1@a>\n").await];
        let given = house.account.cache().threads(MessageId(9), &reply);
        assert_eq!(given, [Some(ThreadId(first.0))]);
        drop(reply);
        house.leave().await;
    });
}

#[test]
fn nothing_that_is_to_be_learned_waits_for_a_long_search() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        append(&mut client, LETTERS[0]).await;
        recalled(&house.account, 1).await;
        let account = &house.account;
        let searched = [MessageId(900)].into_iter();
        let search = account.suspects().watch_all(account.disk(), searched).await;
        let (id, held) = (MessageId(901), account.holding().take(9).unwrap());
        let bytes = b"A: b\r\n\r\nc".to_vec();
        lessons::learn(account, lessons::Letter { id, bytes, held });
        let done = async {
            while account.holding().bytes() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(40 * lessons::WAIT, done)
            .await
            .unwrap();
        drop(search);
        house.leave().await;
    });
}

#[test]
fn letters_of_one_append_are_put_together() {
    run(async {
        let house = House::new();
        let account = &house.account;
        let letters = [
            join(account, "Message-ID: <1@a>\n").await,
            join(account, "Subject: alone\n").await,
            join(account, "Message-ID: <3@a>\nReferences: <1@a>\n").await,
            join(account, "In-Reply-To: <3@a>\n").await,
            join(account, "In-Reply-To: <4@a>\n").await,
        ];
        let given = account.cache().threads(MessageId(7), &letters);
        let first = Some(ThreadId(7));
        assert_eq!(given, [None, None, first, first, None]);
        drop(letters);
        house.leave().await;
    });
}

#[test]
fn nobody_joins_a_letter_that_was_refused_nor_one_that_cannot_be() {
    run(async {
        let house = House::new();
        let account = &house.account;
        let cache = account.cache();
        let refused = [join(account, "Message-ID: <1@a>\n").await];
        let reply = [join(account, "In-Reply-To: <1@a>\n").await];
        cache.appended(MessageId(7), &refused, &[None]);
        assert_eq!(
            cache.threads(MessageId(7), &reply),
            [None],
            "it has no id yet"
        );
        assert_eq!(cache.threads(MessageId(8), &reply), [Some(ThreadId(7))]);
        drop(refused);
        assert_eq!(cache.threads(MessageId(8), &reply), [None]);
        drop(reply);
        house.leave().await;
    });
}

#[test]
fn a_lost_map_of_threads_is_made_anew_from_the_letters() {
    run(async {
        let house = House::on(&filled().await);
        let account = &house.account;
        let cache = account.cache();
        assert!(cache.wants_letters(account.disk()).await);
        for uid in 1..=LETTERS.len() as u32 {
            let (id, body) = message(account, uid);
            let shown = threads::show(account, id, body, ThreadId(id.0));
            shown.await.unwrap();
        }
        cache.has_letters(account.disk()).await;
        assert!(!cache.wants_letters(account.disk()).await);
        let reply = [join(account, "In-Reply-To: <1@a>\n").await];
        let (second, _) = message(account, 2);
        assert_eq!(
            cache.threads(MessageId(9), &reply),
            [Some(ThreadId(second.0))]
        );
        drop(reply);
        house.leave().await;
    });
}

#[test]
fn what_is_old_is_tidied_away_and_what_is_new_stays() {
    run(async {
        let disk = filled().await;
        fetched(&disk).await;
        let house = House::on(&disk);
        let (dir, name) = cache(&disk);
        house
            .account
            .cache()
            .tidy(house.account.disk(), MessageId(0))
            .await;
        assert!(dir.content(&name).is_ok());
        house
            .account
            .cache()
            .tidy(house.account.disk(), MessageId(5000))
            .await;
        assert_eq!(dir.content(&name), Err(DiskError::NotFound));
        house.leave().await;
        fetched(&disk).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn what_is_learned_at_arrival_is_what_reading_would_find(
        lines in prop::collection::vec("(Subject: [a-z]{1,9}|--x|Content-Type: text/html|<p>[a-z ]{0,9}|)", 0..30),
        long in 0usize..40_000,
    ) {
        let text = lines.join("\r\n");
        let letter = format!("Content-Type: multipart/mixed; boundary=x\r\n{text}\r\n\r\n{}", "a".repeat(long));
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            append(&mut client, &letter).await;
            let (id, _) = message(&house.account, 1);
            let held = house.account.holding().take(letter.len() as u64).unwrap();
            let bytes = letter.clone().into_bytes();
            lessons::learn(&house.account, lessons::Letter { id, bytes, held });
            let learned = recalled(&house.account, 1).await;
            let mut collector = Collector::new();
            collector.feed(letter.as_bytes());
            let mut gist = collector.finish(true);
            gist.preview = preview::Source::of(&gist.structure).map(|source| {
                let span = source.span.start as usize..source.span.end as usize;
                source.words(&letter.as_bytes()[span])
            });
            assert_eq!(learned, gist);
            house.leave().await;
        });
    }
}
