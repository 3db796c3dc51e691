//! Any change to a journal's file: it opens or says why not. What was synced and
//! lies before the change is there; what doesn't open isn't touched; what opens
//! can be written on.

use crate::damage::{Damaged, damage};
use journal::disk::{Disk, Name};
use journal::sim::SimDisk;
use journal::{Journal, Kind, Lsn, OpenError, Record, Settings, Verdict, segment};
use std::sync::OnceLock;

const KIND: Kind = Kind::critical(16);

const SETTINGS: Settings = Settings {
    purpose: *b"FUZZ",
    term: None,
    writer: 0x0123_4567_89ab_cdef,
};

const PAYLOADS: [&[u8]; 4] = [b"one", &[2; 300], b"", b"four"];

/// A journal, and how long its file was when each record had been synced.
struct Good {
    disk: SimDisk,
    ends: Vec<usize>,
}

/// One input.
pub fn run(data: &[u8]) {
    static GOOD: OnceLock<Good> = OnceLock::new();
    let good = GOOD.get_or_init(Good::new);
    let Some(Damaged { bytes, untouched }) = damage(&file(&good.disk), data) else {
        return;
    };
    let disk = good.disk.fork(1);
    segments(&disk).plant(&first(), &bytes).expect("its folder");
    let kept = good.ends.iter().filter(|end| **end <= untouched).count();
    match open(&disk) {
        Ok((journal, found)) => {
            assert_eq!(found.get(..kept), Some(&owned(&PAYLOADS)[..kept]));
            go_on(&disk, journal, found);
        }
        Err(OpenError::Disk(error)) => panic!("a disk that works: {error}"),
        Err(_) => assert_eq!(file(&disk), bytes, "what doesn't open isn't touched"),
    }
}

/// A journal that has opened keeps what it is given.
fn go_on(disk: &SimDisk, mut journal: Journal<SimDisk>, mut found: Vec<Vec<u8>>) {
    journal
        .append_and_sync(KIND, &[b"more"])
        .expect("a disk that works");
    found.push(b"more".to_vec());
    let (_, again) = open(&disk.restore_power()).expect("it opened before");
    assert_eq!(again, found);
}

impl Good {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let (mut journal, _) = open(&disk).expect("an empty disk");
        let mut ends = Vec::new();
        for payload in PAYLOADS {
            journal
                .append_and_sync(KIND, &[payload])
                .expect("a disk that works");
            ends.push(file(&disk).len());
        }
        journal.quiet().expect("a disk that works");
        Self { disk, ends }
    }
}

fn open(root: &SimDisk) -> Result<(Journal<SimDisk>, Vec<Vec<u8>>), OpenError> {
    let mut found = Vec::new();
    let (journal, _) = Journal::open(root, SETTINGS, |record: &Record<'_>| {
        found.push(record.head.to_vec());
        Ok(Verdict::Known)
    })?;
    Ok((journal, found))
}

fn owned(payloads: &[&[u8]]) -> Vec<Vec<u8>> {
    payloads.iter().map(|payload| payload.to_vec()).collect()
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
