//! Any change to an account's journal, and any bytes as a transaction in it: the
//! account opens, with every letter whose record lies before the change, or says
//! why not. What has opened can be read to the end.

use crate::damage::{Damaged, damage};
use journal::disk::{Disk, Name};
use journal::sim::SimDisk;
use journal::{Journal, Kind, Lsn, Settings, Verdict, segment};
use std::sync::OnceLock;
use store::{
    AccountId, Flags, InternalDate, MailboxName, NewBody, NewMessage, OpenError, Opened, Opening,
    Place, Principal, Store,
};

const OPENING: Opening<'static> = Opening {
    account: AccountId(7),
    writer: 0x0123_4567_89ab_cdef,
    now_secs: 1_700_000_000,
    letter_bytes_max: 1 << 20,
    folders: &[],
    quota: store::QuotaLimits {
        bytes: None,
        messages: None,
        mailboxes: None,
    },
};

const LETTERS: [&[u8]; 3] = [b"Subject: one\r\n\r\n1\r\n", b"", &[b'3'; 200]];

/// An account, and how long its journal was when each letter had been synced.
struct Good {
    disk: SimDisk,
    ends: Vec<usize>,
}

/// One input. The first byte chooses what it is.
pub fn run(data: &[u8]) {
    static GOOD: OnceLock<Good> = OnceLock::new();
    let good = GOOD.get_or_init(Good::new);
    match data.split_first() {
        Some((first, transaction)) if first % 2 == 1 => believe(good, transaction),
        Some((_, change)) => recover(good, change),
        None => (),
    }
}

fn recover(good: &Good, change: &[u8]) {
    let Some(Damaged { bytes, untouched }) = damage(&file(&good.disk), change) else {
        return;
    };
    let disk = good.disk.fork(1);
    segments(&disk).plant(&first(), &bytes).expect("its folder");
    let kept = good.ends.iter().filter(|end| **end <= untouched).count();
    if let Some(opened) = open(&disk) {
        let found = letters(&opened);
        assert!(found.len() >= kept, "{} of {kept} letters", found.len());
        assert!(
            found
                .iter()
                .zip(LETTERS)
                .all(|(found, letter)| found == letter)
        );
    }
}

/// A transaction under good CRCs, as a defect of ours or an enemy would write it.
fn believe(good: &Good, transaction: &[u8]) {
    const TRANSACTION: Kind = Kind::critical(16);
    let disk = good.disk.fork(1);
    let settings = Settings {
        purpose: *b"MAIL",
        term: None,
        writer: OPENING.writer,
    };
    let opened = Journal::open(&disk, settings, |_| Ok(Verdict::Known));
    let (mut journal, _) = opened.expect("a good journal");
    let appended = journal.append_and_sync(TRANSACTION, &[transaction]);
    appended.expect("a disk that works");
    drop(journal);
    if let Some(opened) = open(&disk) {
        letters(&opened);
    }
}

fn open(disk: &SimDisk) -> Option<Opened<SimDisk>> {
    match Store::open(disk, &OPENING) {
        Ok(opened) => Some(opened),
        Err(OpenError::Journal(_) | OpenError::WrongAccount(_)) => None,
        Err(error) => panic!("a disk that works: {error}"),
    }
}

/// Reads whatever there is; the letters of INBOX that can be read.
fn letters(opened: &Opened<SimDisk>) -> Vec<Vec<u8>> {
    let mut inbox = Vec::new();
    for listed in opened.store.list(&Principal::Owner) {
        let handle = opened.store.open_by_id(&Principal::Owner, listed.id);
        let handle = handle.expect("what is listed can be opened");
        let messages = opened.store.messages(&handle).expect("and looked at");
        for entry in messages.iter() {
            let mut letter = vec![0; entry.size().min(1 << 20) as usize];
            let read = opened
                .files
                .reader()
                .read(&messages.body(entry), 0, &mut letter);
            if read == Ok(letter.len()) && *listed.name == name() {
                inbox.push(letter);
            }
        }
    }
    inbox
}

impl Good {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let mut opened = Store::open(&disk, &OPENING).expect("an empty disk");
        let mut ends = Vec::new();
        for letter in LETTERS {
            append(&mut opened, letter);
            ends.push(file(&disk).len());
        }
        while opened.store.quiet().expect("a quiet end") {
            sync(&mut opened);
        }
        Self { disk, ends }
    }
}

fn append(opened: &mut Opened<SimDisk>, letter: &[u8]) {
    let inbox = opened.store.open_mailbox(&Principal::Owner, &name());
    let place = Place {
        mailbox: &inbox.expect("there is an INBOX"),
        flags: &Flags::default(),
    };
    let message = NewMessage {
        places: &[place],
        date: InternalDate {
            secs: OPENING.now_secs,
            offset_minutes: 60,
        },
        body: NewBody::Inline(letter),
        thread: None,
    };
    opened.store.append(&[message]).expect("a letter that fits");
    sync(opened);
}

fn sync(opened: &mut Opened<SimDisk>) {
    if let Some(batch) = opened.store.take_batch() {
        let report = opened.syncer.commit(batch);
        opened.store.settle(report).expect("a disk that works");
        while opened.store.apply(store::APPLY_STEP).expect("ours").more {}
    }
}

fn name() -> MailboxName {
    MailboxName::new(["INBOX"]).expect("a name")
}

fn first() -> Name {
    segment::name(Lsn(0))
}

fn segments(root: &SimDisk) -> SimDisk {
    let folder = Name::new("journal").expect("a name");
    root.open_dir(&folder).expect("a journal's folder")
}

fn file(root: &SimDisk) -> Vec<u8> {
    segments(root).content(&first()).expect("a first segment")
}
