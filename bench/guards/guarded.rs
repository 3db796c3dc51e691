//! What the libraries are asked most, over and over: see `main.rs`, which counts it.
//!
//! In an ordinary run each of these does one round, and claims that all its input is
//! understood.

use journal::disk::OsDisk;
use journal::recover::{self, Opened};
use journal::{Haste, Kind, Settings, Start, Verdict};
use message::gist::Collector;
use message::limits::PIECE_BYTES;
use std::hint::black_box;
use std::path::PathBuf;

mod letters;

/// What a client says until it is logged in.
const LOGIN: &[u8] = b"a CAPABILITY\r\n\
    b ID (\"name\" \"Thunderbird\" \"version\" \"115.3.1\")\r\n\
    c NOOP\r\n\
    d LOGIN \"alice@example.org\" {16+}\r\nopen sesame, now\r\n\
    e LOGIN alice \"a \\\"quoted\\\" word\"\r\n";

/// What clients say then.
const COMMANDS: &[u8] = b"a1 SELECT \"Archive/2023\"\r\n\
    a2 UID FETCH 1:* (UID FLAGS)\r\n\
    a3 UID FETCH 17,19:23,4711:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS \
    (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups \
    In-Reply-To Content-Type Reply-To)])\r\n\
    a4 FETCH 1:50 (ENVELOPE BODYSTRUCTURE INTERNALDATE)\r\n\
    a5 UID FETCH 4711 (BODY.PEEK[1.2.MIME] BODY.PEEK[1.2]<0.65536>)\r\n\
    a6 UID STORE 4711:4713 +FLAGS.SILENT (\\Seen $Forwarded)\r\n\
    a7 UID SEARCH CHARSET UTF-8 UNSEEN SINCE 1-Jan-2020 OR SUBJECT {7+}\r\n\
    letter  NOT FROM \"bob\"\r\n\
    a8 UID COPY 1:100 \"Sent Messages\"\r\n\
    a9 STATUS Archive (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)\r\n\
    a10 LIST \"\" (\"INBOX\" \"Archive/%\") RETURN (CHILDREN SUBSCRIBED)\r\n\
    a11 NOOP\r\n\
    a12 UID EXPUNGE 4711:4713\r\n";

/// Letters, or records, of one round.
const ROUND: usize = 100;

/// How often everything is done.
fn rounds() -> usize {
    let said = std::env::var("MAILKEEP_GUARD_ROUNDS").ok();
    said.map_or(1, |rounds| rounds.parse().expect("a number"))
}

#[test]
fn a_login_is_read() {
    use preauth::imap::{Event, Reader};
    for _ in 0..rounds() {
        let (mut reader, mut input) = (Reader::new(), black_box(LOGIN));
        let mut requests = 0;
        while let Some(event) = reader.advance(&mut input) {
            requests += usize::from(matches!(black_box(event), Event::Request(_)));
        }
        assert_eq!(requests, 5);
    }
}

#[test]
fn commands_of_clients_are_read() {
    use wire::imap::{Event, Reader};
    for _ in 0..rounds() {
        let (mut reader, mut input) = (Reader::new(1 << 20), black_box(COMMANDS));
        let mut requests = 0;
        while let Some(event) = reader.advance(&mut input) {
            requests += usize::from(matches!(black_box(event), Event::Request(_)));
        }
        assert_eq!(requests, 12);
    }
}

#[test]
fn a_ticket_is_sealed_and_opened() {
    use ipc::ticket::{Grant, KEY_BYTES, Kind, MasterKey};
    use ipc::{AccountId, Cookie, Epoch, Nonce, Secret};
    let master = MasterKey::new(Secret::from_array([5; KEY_BYTES])).expect("not all zeros");
    let account = AccountId(7);
    let key = master.account_key(account);
    for round in 0..rounds() {
        let grant = Grant {
            kind: Kind::Session,
            account,
            epoch: Epoch(0),
            principal: account,
            rights: u32::MAX,
            nonce: Nonce([1; 16]),
            cookie: Cookie(round as u64),
            expires: 20,
            may_create: false,
        };
        let sealed = key.seal(black_box(grant)).expect("the account's own");
        assert!(black_box(key.open(&sealed, 10)).is_ok());
    }
}

#[test]
fn the_gist_of_letters_is_gathered() {
    let letters: Vec<Vec<u8>> = (0..ROUND).map(letters::letter).collect();
    for _ in 0..rounds() {
        for letter in &letters {
            let mut collector = Collector::new();
            letter
                .chunks(PIECE_BYTES)
                .for_each(|piece| collector.feed(piece));
            let gist = collector.finish(true);
            assert!(black_box(gist.encode()).is_some());
        }
    }
}

#[test]
fn records_are_appended_and_synced() {
    let scratch = Scratch::new();
    let mut journal = scratch.journal();
    let body = [b'x'; 4096];
    for round in 0..rounds() {
        for record in 0..ROUND {
            let head = [round.to_le_bytes(), record.to_le_bytes()].concat();
            let appended = journal
                .appender
                .append(KIND, &head, &[&body], Haste::Synced);
            appended.expect("there is room");
        }
        let batch = journal.appender.take_batch().expect("something waits");
        let report = journal.syncer.commit(batch);
        journal.appender.settle(report).expect("the disk is well");
    }
}

const KIND: Kind = Kind::critical(16);

/// A directory of its own, removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mailkeep-guarded-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a place for a journal");
        Self(path)
    }

    fn journal(&self) -> Opened<OsDisk> {
        let root = std::fs::File::open(&self.0).expect("it was made");
        let settings = Settings {
            purpose: *b"TEST",
            term: None,
            writer: 1,
        };
        let root = OsDisk::new(root.into());
        let opened = recover::open(&root, settings, Start::BEGINNING, |_| Ok(Verdict::Known));
        opened.expect("an empty journal opens")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
