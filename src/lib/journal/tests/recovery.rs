//! What opening makes of files that a crash, a disk, a newer program or an enemy
//! left.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail it like the test itself"
)]

use journal::disk::{Disk, Name};
use journal::record::{HEADER_BYTES, Header};
use journal::sim::{Fault, SimDisk};
use journal::single::WriteError;
use journal::{
    CommitError, Journal, Kind, Lsn, OpenError, OpenReport, Record, Rejected, Settings, Verdict,
    recover, segment,
};
use journal::{Haste, Start};
use proptest::prelude::*;

const KIND: Kind = Kind::critical(16);

const SETTINGS: Settings = Settings {
    purpose: *b"TEST",
    term: Some(1),
    writer: 0x0123_4567_89ab_cdef,
};

/// An open journal, the report, and the payloads in it.
type Opened = (Journal<SimDisk>, OpenReport, Vec<Vec<u8>>);

fn open_as(root: &SimDisk, settings: Settings) -> Result<Opened, OpenError> {
    let mut found = Vec::new();
    let (journal, report) = Journal::open(root, settings, |record: &Record<'_>| {
        found.push(record.head.to_vec());
        Ok(Verdict::Known)
    })?;
    Ok((journal, report, found))
}

fn open(root: &SimDisk) -> Result<Opened, OpenError> {
    open_as(root, SETTINGS)
}

/// A journal of these payloads, each synced for itself; perhaps quiet at its end.
fn journal_of(payloads: &[&[u8]], quiet: bool) -> SimDisk {
    let root = SimDisk::new(1);
    let (mut journal, ..) = open(&root).unwrap();
    for payload in payloads {
        journal.append_and_sync(KIND, &[payload]).unwrap();
    }
    if quiet {
        journal.quiet().unwrap();
    }
    root
}

fn segments(root: &SimDisk) -> SimDisk {
    root.open_dir(&Name::new("journal").unwrap()).unwrap()
}

fn first() -> Name {
    segment::name(Lsn(0))
}

/// Changes the first segment's bytes on the disk, and drops what was written ahead.
fn edit(root: &SimDisk, change: impl FnOnce(&mut Vec<u8>)) {
    let dir = segments(root);
    let mut bytes = dir.content(&first()).unwrap();
    bytes.truncate(filled(&bytes));
    change(&mut bytes);
    dir.plant(&first(), &bytes).unwrap();
}

/// Bytes before the zeros at the end.
fn filled(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// Bytes of a record whose payload has `len` bytes, below one block.
fn record_len(len: usize) -> usize {
    HEADER_BYTES + len + if len > 0 { 4 } else { 0 }
}

#[test]
fn a_torn_record_at_the_tail_is_cut_saved_and_reported() {
    let root = journal_of(&[b"one", b"two", b"three"], false);
    edit(&root, |bytes| bytes.truncate(bytes.len() - 2));
    let (mut journal, report, found) = open(&root).unwrap();
    assert_eq!(found, [b"one", b"two"]);
    let torn = report.torn.unwrap();
    assert_eq!(torn.from, report.end);
    assert_eq!(torn.bytes as usize, record_len(5) - 2);
    let dir = root.open_dir(&Name::new("torn").unwrap()).unwrap();
    let saved = dir.content(&torn.saved.unwrap()).unwrap();
    assert_eq!(saved.len(), record_len(5) - 2);
    journal.append_and_sync(KIND, &[b"four"]).unwrap();
    assert_eq!(open(&root).unwrap().2, [&b"one"[..], b"two", b"four"]);
}

#[test]
fn zeros_written_ahead_are_no_damage_and_go_when_the_journal_falls_quiet() {
    let payloads: Vec<Vec<u8>> = (0..40).map(|n| vec![n + 1; 2000]).collect();
    let root = journal_of(
        &payloads.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        false,
    );
    let bytes = segments(&root).content(&first()).unwrap();
    assert!(
        bytes.len() > filled(&bytes) + 1000,
        "nothing was written ahead"
    );
    let before = root.fork(1);
    let (mut journal, report, found) = open(&root).unwrap();
    assert_eq!(found, payloads);
    assert!(!report.clean && report.rewritten && report.torn.is_none());
    journal.append_and_sync(KIND, &[b"one more"]).unwrap();
    assert_eq!(open(&root).unwrap().2.len(), 41);

    // What comes to lie behind them isn't theirs.
    let mut behind = bytes.clone();
    *behind.last_mut().unwrap() = 1;
    segments(&before).plant(&first(), &behind).unwrap();
    let (_, report, found) = open(&before).unwrap();
    assert_eq!((found.len(), report.torn.is_some()), (40, true));
}

#[test]
fn behind_a_quiet_record_nothing_is_written_ahead() {
    let payloads = [[7_u8; 3000]; 30];
    let root = journal_of(&payloads.each_ref().map(|payload| &payload[..]), true);
    let bytes = segments(&root).content(&first()).unwrap();
    let records = 30 * record_len(3000) + record_len(0);
    assert_eq!(bytes.len(), segment::HEADER_BYTES as usize + records);
    let (_, report, found) = open(&root).unwrap();
    assert!(report.clean && found.len() == 30);
}

#[test]
fn a_quiet_end_behind_which_zeros_have_stayed_is_clean() {
    let root = journal_of(&[b"one", b"two"], true);
    edit(&root, |bytes| bytes.resize(bytes.len() + 200_000, 0));
    let (mut journal, report, found) = open(&root).unwrap();
    assert!(report.clean && found.len() == 2, "{report:?}");
    journal.append_and_sync(KIND, &[b"three"]).unwrap();
    assert_eq!(open(&root).unwrap().2, [&b"one"[..], b"two", b"three"]);
}

#[test]
fn every_flipped_bit_below_the_durable_lsn_is_corruption_and_changes_nothing() {
    let root = journal_of(&[b"one", b"two"], true);
    let good = segments(&root).content(&first()).unwrap();
    let durable = good.len() - record_len(0);
    for bit in 0..durable * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        segments(&root).plant(&first(), &bad).unwrap();
        let Err(OpenError::Corrupt { from, to }) = open(&root).map(|_| ()) else {
            panic!("bit {bit} went unseen");
        };
        let at = (bit / 8).saturating_sub(64) as u64;
        assert!(from.0 <= at, "bit {bit}: {from}..{to}");
        assert_eq!(segments(&root).content(&first()).unwrap(), bad);
    }
}

#[test]
fn a_damaged_record_behind_which_a_whole_one_names_it_durable_is_corruption() {
    let root = journal_of(&[b"one", b"two", b"three"], false);
    let one = 64 + record_len(3);
    edit(&root, |bytes| bytes[one + 20] ^= 1);
    let corrupt = OpenError::Corrupt {
        from: Lsn(record_len(3) as u64),
        to: Lsn(2 * record_len(3) as u64),
    };
    assert_eq!(open(&root).map(|_| ()), Err(corrupt));
}

#[test]
fn a_record_in_a_letter_is_no_witness_unless_it_names_the_writer() {
    let forged = |writer: u64| {
        let root = journal_of(&[b"one"], false);
        let (mut journal, ..) = open(&root).unwrap();
        let at = record_len(3) as u64 + HEADER_BYTES as u64;
        let header = Header {
            kind: KIND,
            head_len: 0,
            body_len: 0,
            lsn: Lsn(at),
            term: 1,
            writer,
            durable: Lsn(at),
            predecessor: 0,
            seal: 0,
        };
        let letter = header.encode().0;
        journal.append_and_sync(KIND, &[&letter]).unwrap();
        edit(&root, |bytes| *bytes.last_mut().unwrap() ^= 1);
        open(&root).map(|(_, report, found)| (report.torn.is_some(), found.len()))
    };
    assert_eq!(forged(5), Ok((true, 1)));
    assert!(forged(SETTINGS.writer).is_err(), "the test forges nothing");
}

/// Records that overlap would make the search behind damage read every payload
/// again and again.
#[test]
fn headers_that_overlap_are_the_work_of_no_crash() {
    let root = journal_of(&[b"one"], false);
    edit(&root, |bytes| {
        let first = bytes.len() - 64;
        for n in 0..200 {
            let header = Header {
                kind: KIND,
                head_len: 10_000,
                body_len: 0,
                lsn: Lsn((first + n * HEADER_BYTES) as u64),
                term: 1,
                writer: SETTINGS.writer,
                durable: Lsn(0),
                predecessor: 0,
                seal: 0,
            };
            bytes.extend(header.encode().0);
        }
        bytes.extend([0; 10_000]);
    });
    let opened = open(&root).map(|_| ());
    assert!(matches!(opened, Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_missing_segment_is_corruption() {
    let many = || {
        let root = SimDisk::new(1);
        let opened =
            recover::open(&root, SETTINGS, Start::BEGINNING, |_| Ok(Verdict::Known)).unwrap();
        let (mut appender, mut syncer) = (opened.appender, opened.syncer);
        appender.shorten_segments(100);
        for _ in 0..4 {
            appender.append(KIND, &[7; 90], &[], Haste::Synced).unwrap();
            let batch = appender.take_batch().unwrap();
            appender.settle(syncer.commit(batch)).unwrap();
        }
        root
    };
    let names = segments(&many()).list().unwrap();
    assert_eq!(names.len(), 4);
    for missing in &names[..3] {
        let root = many();
        segments(&root).remove(missing).unwrap();
        let opened = open(&root).map(|_| ());
        assert!(
            matches!(opened, Err(OpenError::Corrupt { .. })),
            "{missing:?} {opened:?}"
        );
    }
}

#[test]
fn an_unknown_optional_record_is_passed_over_and_a_critical_one_refuses() {
    let open_knowing_nothing =
        |root: &SimDisk| Journal::open(root, SETTINGS, |_| Ok(Verdict::Unknown)).map(|_| ());
    let root = SimDisk::new(1);
    let (mut journal, ..) = open(&root).unwrap();
    journal
        .append_and_sync(Kind::optional(99), &[b"new"])
        .unwrap();
    assert_eq!(open_knowing_nothing(&root), Ok(()));
    let (mut journal, ..) = open(&root).unwrap();
    let lsn = journal
        .append_and_sync(Kind::critical(98), &[b"new"])
        .unwrap();
    let before = segments(&root).list();
    let unknown = OpenError::UnknownCriticalRecord { lsn, kind: 98 };
    assert_eq!(open_knowing_nothing(&root), Err(unknown));
    assert_eq!(segments(&root).list(), before);
}

#[test]
fn a_record_that_its_reader_rejects_keeps_the_journal_closed() {
    let root = journal_of(&[b"one"], true);
    let opened = Journal::open(&root, SETTINGS, |_| Err(Rejected("no"))).map(|_| ());
    let absurd = OpenError::AbsurdRecord {
        lsn: Lsn(0),
        reason: "no",
    };
    assert_eq!(opened, Err(absurd));
}

#[test]
fn a_newer_format_and_another_purpose_are_refused() {
    let root = journal_of(&[b"one"], true);
    let other = Settings {
        purpose: *b"ELSE",
        ..SETTINGS
    };
    let wrong = OpenError::WrongPurpose(*b"TEST");
    assert_eq!(open_as(&root, other).map(|_| ()), Err(wrong));
    edit(&root, |bytes| {
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..60]).to_le_bytes();
        bytes[60..64].copy_from_slice(&crc);
    });
    assert_eq!(open(&root).map(|_| ()), Err(OpenError::NewerFormat(2)));
}

#[test]
fn a_new_term_begins_a_segment_of_its_own_writer_and_ends_the_old_one() {
    let next = Settings {
        term: Some(2),
        writer: 99,
        ..SETTINGS
    };
    for quiet in [true, false] {
        let root = journal_of(&[b"one", b"two"], quiet);
        let (mut journal, ..) = open_as(&root, next).unwrap();
        journal.append_and_sync(KIND, &[b"three"]).unwrap();
        let (_, _, found) = open_as(&root, next).unwrap();
        assert_eq!(found, [&b"one"[..], b"two", b"three"]);
        let over = OpenError::TermIsOver { journal: 2 };
        assert_eq!(open(&root).map(|_| ()), Err(over));
    }
}

#[test]
fn a_clean_end_is_neither_copied_nor_written() {
    let root = journal_of(&[b"one"], true);
    let calls = root.calls();
    let (_, report, _) = open(&root).unwrap();
    assert!(!report.rewritten && report.torn.is_none());
    assert_eq!(root.calls() - calls, 2, "the two directories are synced");
    let root = journal_of(&[b"one"], false);
    assert!(open(&root).unwrap().1.rewritten);
}

/// A quiet record that spans two pages, and whose sync fails, is clean in memory
/// and perhaps absent from the disk; what is appended behind it must not depend
/// on that.
#[test]
fn a_quiet_record_whose_sync_failed_is_written_again() {
    for seed in 0..64 {
        let root = SimDisk::new(seed);
        let (mut journal, ..) = open(&root).unwrap();
        let fill = 4096 - 64 - record_len(1) - HEADER_BYTES / 2 + 1;
        journal.append_and_sync(KIND, &[&vec![7; fill]]).unwrap();
        root.plan(root.calls() + 1, Fault::Eio);
        assert!(journal.quiet().is_err());
        let root = root.restart_process();
        let Ok((mut journal, report, _)) = open(&root) else {
            panic!("seed {seed}");
        };
        journal.append_and_sync(KIND, &[b"after"]).unwrap();
        let (_, _, found) = open(&root.restore_power()).unwrap();
        assert_eq!(found.len(), 2, "seed {seed}, {report:?}");
    }
}

#[test]
fn what_was_refused_for_want_of_space_never_comes_back() {
    for seed in 0..64 {
        let root = SimDisk::new(seed);
        let opened =
            recover::open(&root, SETTINGS, Start::BEGINNING, |_| Ok(Verdict::Known)).unwrap();
        let (mut appender, mut syncer) = (opened.appender, opened.syncer);
        appender.append(KIND, b"kept", &[], Haste::Synced).unwrap();
        let batch = appender.take_batch().unwrap();
        appender.settle(syncer.commit(batch)).unwrap();
        for n in 0..20 {
            appender
                .append(KIND, &[n; 500], &[], Haste::Synced)
                .unwrap();
        }
        let batch = appender.take_batch().unwrap();
        root.plan(root.calls(), Fault::Enospc);
        let settled = appender.settle(syncer.commit(batch));
        assert_eq!(settled, Err(CommitError::NoSpace));
        let (_, _, found) = open(&root.fork(seed).restore_power()).unwrap();
        assert_eq!(found, [b"kept"], "seed {seed}");
        appender.append(KIND, b"later", &[], Haste::Synced).unwrap();
        let batch = appender.take_batch().unwrap();
        appender.settle(syncer.commit(batch)).unwrap();
        let (_, _, found) = open(&root.restore_power()).unwrap();
        assert_eq!(found, [&b"kept"[..], b"later"], "seed {seed}");
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let root = SimDisk::new(1);
    let opened = recover::open(&root, SETTINGS, Start::BEGINNING, |_| Ok(Verdict::Known)).unwrap();
    let (mut appender, mut syncer) = (opened.appender, opened.syncer);
    let mut commit = |appender: &mut journal::Appender| {
        let batch = appender.take_batch().unwrap();
        syncer.commit(batch)
    };
    appender.append(KIND, b"one", &[], Haste::Synced).unwrap();
    let report = commit(&mut appender);
    appender.settle(report).unwrap();
    assert_eq!(appender.quiet(), Ok(true));
    let report = commit(&mut appender);
    appender.settle(report).unwrap();
    let fork = root.fork(1);
    let mut deaf =
        recover::open(&fork, SETTINGS, Start::BEGINNING, |_| Ok(Verdict::Known)).unwrap();
    appender.append(KIND, b"two", &[], Haste::Synced).unwrap();
    root.plan(root.calls() + 1, Fault::Eio);
    let failed = commit(&mut appender);
    // Not even from an appender that didn't hear of it.
    deaf.appender
        .append(KIND, b"three", &[], Haste::Synced)
        .unwrap();
    let report = commit(&mut deaf.appender);
    assert!(deaf.appender.settle(report).is_err());
    assert!(matches!(
        appender.settle(failed),
        Err(CommitError::Poisoned(_))
    ));
    assert!(appender.append(KIND, b"four", &[], Haste::Synced).is_err());
}

#[test]
fn a_journal_opens_and_mends_on_a_full_disk() {
    let root = journal_of(&[b"one", b"two", b"three"], false);
    edit(&root, |bytes| bytes.truncate(bytes.len() - 2));
    root.fill_up(true);
    let (mut journal, report, found) = open(&root).unwrap();
    assert_eq!(found, [b"one", b"two"]);
    assert!(report.rewritten);
    assert_eq!(report.torn.unwrap().saved, None);
    let refused = journal.append_and_sync(KIND, &[b"four"]).unwrap_err();
    assert_eq!(refused, WriteError::Commit(CommitError::NoSpace));
    root.fill_up(false);
    journal.append_and_sync(KIND, &[b"five"]).unwrap();
    let (_, _, found) = open(&root.restore_power()).unwrap();
    assert_eq!(found, [&b"one"[..], b"two", b"five"]);
}

fn opens_or_says_why(bytes: &[u8]) -> Result<usize, OpenError> {
    let root = journal_of(&[b"one"], false);
    segments(&root).plant(&first(), bytes).unwrap();
    open(&root).map(|(_, _, found)| found.len())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = opens_or_says_why(&bytes);
    }

    #[test]
    fn arbitrary_records_behind_a_whole_header_are_a_torn_tail(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let root = journal_of(&[], true);
        let header = segment::Header {
            purpose: *b"TEST",
            start: Lsn(0),
            term: 1,
            writer: SETTINGS.writer,
            predecessor: 0,
        };
        let all = [header.encode(), bytes].concat();
        segments(&root).plant(&first(), &all).unwrap();
        prop_assert_eq!(open(&root).map(|(_, _, found)| found.len()), Ok(0));
    }

    #[test]
    fn a_damaged_journal_keeps_what_is_below_the_damage_or_says_where_it_is(
        at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>(), quiet in any::<bool>(),
    ) {
        let root = journal_of(&[b"one", b"two", &[3; 3000], b"four"], quiet);
        let mut bytes = segments(&root).content(&first()).unwrap();
        let (at, cut) = (at % bytes.len(), cut % bytes.len());
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut / 8);
        if let Ok(found) = opens_or_says_why(&bytes) {
            prop_assert!(found <= 4);
        }
    }
}
