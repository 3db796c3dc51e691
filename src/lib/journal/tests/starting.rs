//! Openings that start in the middle of a journal, segments that are gone, rot in
//! letters, and new terms.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail it like the test itself"
)]

use journal::block::{BLOCK_BYTES, SEALED_BLOCK_BYTES};
use journal::disk::{Disk, Name};
use journal::record::HEADER_BYTES;
use journal::recover::{self, Opened};
use journal::sim::{Fault, SimDisk};
use journal::{Appender, Haste, Kind, Lsn, OpenError, Settings, Start, Syncer, Verdict, segment};
use proptest::prelude::*;

const KIND: Kind = Kind::critical(16);

const SETTINGS: Settings = Settings {
    purpose: *b"TEST",
    term: None,
    writer: 0x0123_4567_89ab_cdef,
};

fn open(root: &SimDisk, start: Start) -> Result<(Opened<SimDisk>, Vec<Vec<u8>>), OpenError> {
    let mut found = Vec::new();
    let opened = recover::open(root, SETTINGS, start, |record| {
        found.push(record.head.to_vec());
        Ok(Verdict::Known)
    })?;
    Ok((opened, found))
}

fn commit(appender: &mut Appender, syncer: &mut Syncer<SimDisk>) {
    while let Some(batch) = appender.take_batch() {
        appender.settle(syncer.commit(batch)).unwrap();
    }
}

/// A journal of records `0`, `1`, ... in segments of two or three, each synced
/// with a letter of 100 bytes; and the start before each of them and behind all.
fn journal_of(records: u8, quiet: bool) -> (SimDisk, Vec<Start>) {
    let root = SimDisk::new(1);
    let (opened, _) = open(&root, Start::BEGINNING).unwrap();
    let (mut appender, mut syncer) = (opened.appender, opened.syncer);
    appender.shorten_segments(500);
    let mut starts = Vec::new();
    for n in 0..records {
        starts.push(appender.position());
        appender
            .append(KIND, &[n], &[&[n; 100]], Haste::Synced)
            .unwrap();
        commit(&mut appender, &mut syncer);
    }
    starts.push(appender.position());
    if quiet {
        assert_eq!(appender.quiet(), Ok(true));
        commit(&mut appender, &mut syncer);
    }
    (root, starts)
}

fn heads(range: std::ops::Range<u8>) -> Vec<Vec<u8>> {
    range.map(|n| vec![n]).collect()
}

fn segments(root: &SimDisk) -> SimDisk {
    root.open_dir(&Name::new("journal").unwrap()).unwrap()
}

/// The segment that holds `lsn`, and the offset of `lsn` in it.
fn place_of(root: &SimDisk, lsn: Lsn) -> (Name, usize) {
    let names = segments(root).list().unwrap();
    let starts = names.iter().filter_map(|name| name.number("seg"));
    let start = Lsn(starts.filter(|start| *start <= lsn.0).max().unwrap());
    (
        segment::name(start),
        segment::file_offset(start, lsn) as usize,
    )
}

fn edit(root: &SimDisk, lsn: Lsn, change: impl FnOnce(&mut Vec<u8>, usize)) {
    let (name, at) = place_of(root, lsn);
    let mut bytes = segments(root).content(&name).unwrap();
    change(&mut bytes, at);
    segments(root).plant(&name, &bytes).unwrap();
}

#[test]
fn every_record_boundary_is_a_start_and_what_lies_below_may_be_gone() {
    for quiet in [true, false] {
        let (root, starts) = journal_of(9, quiet);
        for (n, start) in starts.iter().enumerate() {
            let fork = root.fork(1);
            let (opened, found) = open(&fork, *start).unwrap();
            assert_eq!(found, heads(n as u8..9));
            assert_eq!(opened.report.clean, quiet, "from {n}");
            assert_eq!(opened.report.first_segment, Some(Lsn(0)));
            let mut appender = opened.appender;
            let gone = appender.forget_below(start.lsn);
            for first in &gone {
                segments(&fork).remove(&segment::name(*first)).unwrap();
            }
            let (opened, again) = open(&fork, *start).unwrap();
            assert_eq!(found, again);
            assert_eq!(opened.report.first_segment > Some(Lsn(0)), !gone.is_empty());
            assert_eq!(
                opened.appender.segment_of(Lsn(0)).is_some(),
                gone.is_empty()
            );
        }
    }
}

#[test]
fn a_start_elsewhere_than_on_a_boundary_is_corruption_and_changes_nothing() {
    let (root, starts) = journal_of(9, false);
    let end = starts[9].lsn.0;
    let dump = |root: &SimDisk| {
        let dir = segments(root);
        let names = dir.list().unwrap();
        names
            .iter()
            .map(|name| dir.content(name).unwrap())
            .collect::<Vec<_>>()
    };
    for lsn in 0..end + 300 {
        for near in [&starts[3], &starts[9]] {
            let start = Start {
                lsn: Lsn(lsn),
                ..*near
            };
            if start.lsn == near.lsn {
                continue;
            }
            let fork = root.fork(lsn);
            let opened = open(&fork, start).map(|_| ());
            assert!(
                matches!(opened, Err(OpenError::Corrupt { .. })),
                "{start:?} {opened:?}"
            );
            assert_eq!(dump(&fork), dump(&root));
        }
    }
    for start in &starts {
        let wrong = Start {
            predecessor: start.predecessor ^ 1,
            ..*start
        };
        let opened = open(&root.fork(1), wrong).map(|_| ());
        assert!(
            matches!(opened, Err(OpenError::Corrupt { .. })),
            "{start:?} {opened:?}"
        );
    }
}

#[test]
fn a_journal_that_does_not_reach_back_to_its_start_is_corruption() {
    let (root, starts) = journal_of(9, true);
    let first = place_of(&root, starts[4].lsn).0;
    segments(&root).remove(&first).unwrap();
    let opened = open(&root, starts[4]).map(|_| ());
    assert!(
        matches!(opened, Err(OpenError::Corrupt { .. })),
        "{opened:?}"
    );
    let empty = open(&SimDisk::new(1), starts[4]).map(|_| ());
    assert!(matches!(empty, Err(OpenError::Corrupt { .. })), "{empty:?}");
}

/// Damage below the start is nobody's matter here: its state is known.
#[test]
fn segments_below_the_start_are_not_read() {
    let (root, starts) = journal_of(9, true);
    edit(&root, Lsn(0), |bytes, _| bytes.fill(7));
    let (opened, found) = open(&root, starts[8]).unwrap();
    assert_eq!(found, heads(8..9));
    assert!(opened.report.clean);
}

/// A record of three blocks of letters, then perhaps one that names it durable.
fn with_letters(synced_behind: bool) -> SimDisk {
    let root = SimDisk::new(1);
    let (opened, _) = open(&root, Start::BEGINNING).unwrap();
    let (mut appender, mut syncer) = (opened.appender, opened.syncer);
    let letters = vec![5; 2 * BLOCK_BYTES + 100];
    appender
        .append(KIND, b"head", &[&letters], Haste::Synced)
        .unwrap();
    commit(&mut appender, &mut syncer);
    if synced_behind {
        appender.append(KIND, b"next", &[], Haste::Synced).unwrap();
        commit(&mut appender, &mut syncer);
    }
    root
}

#[test]
fn rot_in_a_letter_below_the_durable_lsn_is_reported_and_what_was_done_is_known() {
    let body = HEADER_BYTES + 4 + 4;
    let good = with_letters(true);
    let len = 2 * SEALED_BLOCK_BYTES + 104;
    for at in (0..len)
        .step_by(997)
        .chain([0, BLOCK_BYTES, SEALED_BLOCK_BYTES, len - 1])
    {
        let root = good.fork(1);
        edit(&root, Lsn(0), |bytes, start| bytes[start + body + at] ^= 1);
        let (opened, found) = open(&root, Start::BEGINNING).unwrap();
        assert_eq!(found, [b"head", b"next"], "byte {at}");
        assert_eq!(opened.report.rotten, [Lsn(0)]);
        assert_eq!(opened.report.torn, None);
        let (again, _) = open(&root, Start::BEGINNING).unwrap();
        assert_eq!(again.report.rotten, [Lsn(0)], "it is still there");
    }
}

#[test]
fn the_same_rot_above_the_durable_lsn_is_a_torn_tail() {
    let root = with_letters(false);
    edit(&root, Lsn(0), |bytes, start| bytes[start + 70_000] ^= 1);
    let (opened, found) = open(&root, Start::BEGINNING).unwrap();
    assert!(found.is_empty());
    assert!(opened.report.rotten.is_empty() && opened.report.torn.is_some());
}

#[test]
fn rot_in_a_head_below_the_durable_lsn_is_corruption() {
    for at in 0..HEADER_BYTES + 8 {
        let root = with_letters(true);
        edit(&root, Lsn(0), |bytes, start| bytes[start + at] ^= 1);
        let opened = open(&root, Start::BEGINNING).map(|_| ());
        assert!(
            matches!(opened, Err(OpenError::Corrupt { .. })),
            "byte {at}: {opened:?}"
        );
    }
}

/// The head of another record that lay at the same place: each block is right.
#[test]
fn a_stale_block_with_a_right_crc_does_not_pass_for_the_record_s() {
    let root = SimDisk::new(1);
    let other = SimDisk::new(1);
    for (root, head) in [(&root, b"one"), (&other, b"two")] {
        let (opened, _) = open(root, Start::BEGINNING).unwrap();
        let (mut appender, mut syncer) = (opened.appender, opened.syncer);
        appender
            .append(KIND, head, &[b"letter"], Haste::Synced)
            .unwrap();
        commit(&mut appender, &mut syncer);
        assert_eq!(appender.quiet(), Ok(true));
        commit(&mut appender, &mut syncer);
    }
    let stale = segments(&other).content(&segment::name(Lsn(0))).unwrap();
    edit(&root, Lsn(0), |bytes, start| {
        let head = start + HEADER_BYTES..start + HEADER_BYTES + 7;
        bytes[head.clone()].copy_from_slice(&stale[head]);
    });
    let opened = open(&root, Start::BEGINNING).map(|_| ());
    assert!(
        matches!(opened, Err(OpenError::Corrupt { .. })),
        "{opened:?}"
    );
}

#[test]
fn a_term_begins_with_the_next_record_and_goes_on_after_an_opening() {
    for quiet in [true, false] {
        let (root, starts) = journal_of(3, quiet);
        let (opened, _) = open(&root, starts[2]).unwrap();
        let (mut appender, mut syncer) = (opened.appender, opened.syncer);
        assert!(!appender.begin_term(1, 9), "no term begins twice");
        appender.append(KIND, b"old", &[], Haste::Written).unwrap();
        assert!(!appender.begin_term(2, 9), "something waits");
        commit(&mut appender, &mut syncer);
        assert!(appender.begin_term(2, 9));
        appender.append(KIND, b"new", &[], Haste::Written).unwrap();
        commit(&mut appender, &mut syncer);
        assert!(appender.is_synced(), "a new segment is synced");
        let mut terms = Vec::new();
        let opened = recover::open(&root, SETTINGS, starts[2], |record| {
            terms.push((record.head.to_vec(), record.term));
            Ok(Verdict::Known)
        });
        assert_eq!(
            terms,
            [(vec![2], 1), (b"old".to_vec(), 1), (b"new".to_vec(), 2)]
        );
        assert_eq!(opened.unwrap().appender.position().term, 2);
        let old = Settings {
            term: Some(1),
            ..SETTINGS
        };
        let opened = recover::open(&root, old, starts[2], |_| Ok(Verdict::Known));
        assert_eq!(
            opened.map(|_| ()),
            Err(OpenError::TermIsOver { journal: 2 })
        );
    }
}

#[test]
fn a_segment_of_an_older_term_behind_a_newer_one_is_corruption() {
    for (term, opens) in [(1, true), (0, false)] {
        let (root, starts) = journal_of(3, false);
        let Start {
            lsn, predecessor, ..
        } = starts[3];
        let planted = segment::Header {
            purpose: SETTINGS.purpose,
            start: lsn,
            term,
            writer: 9,
            predecessor,
        };
        let dir = segments(&root);
        dir.plant(&segment::name(lsn), &planted.encode()).unwrap();
        let opened = open(&root, Start::BEGINNING).map(|_| ());
        assert_eq!(opened.is_ok(), opens, "term {term}: {opened:?}");
    }
}

#[test]
fn a_term_that_began_before_a_start_and_has_no_record_is_still_the_journals() {
    let (root, starts) = journal_of(3, true);
    let start = Start {
        term: 5,
        ..starts[3]
    };
    let (opened, _) = open(&root, start).unwrap();
    let (mut appender, mut syncer) = (opened.appender, opened.syncer);
    appender.append(KIND, b"five", &[], Haste::Synced).unwrap();
    commit(&mut appender, &mut syncer);
    let (opened, found) = open(&root, starts[2]).unwrap();
    assert_eq!(found, [vec![2], b"five".to_vec()]);
    assert_eq!(opened.appender.position().term, 5);
}

#[test]
fn what_is_only_written_costs_one_write_and_what_is_in_haste_one_sync_more() {
    let (root, _) = journal_of(1, false);
    let (opened, _) = open(&root, Start::BEGINNING).unwrap();
    let (mut appender, mut syncer) = (opened.appender, opened.syncer);
    let mut calls = |appender: &mut Appender, records: &[Haste]| {
        let before = root.calls();
        for haste in records {
            appender.append(KIND, b"x", &[b"letter"], *haste).unwrap();
        }
        commit(appender, &mut syncer);
        root.calls() - before
    };
    assert_eq!(calls(&mut appender, &[Haste::Written; 3]), 1);
    assert!(!appender.is_synced());
    assert_eq!(calls(&mut appender, &[Haste::Written, Haste::Synced]), 2);
    assert!(appender.is_synced());
    appender.want_sync();
    assert_eq!(calls(&mut appender, &[]), 0, "nothing to sync");
    assert_eq!(calls(&mut appender, &[Haste::Written]), 1);
    appender.want_sync();
    assert_eq!(calls(&mut appender, &[]), 1, "a bare sync");
    assert!(appender.is_synced());
}

/// Were it only written and lost, the end would look clean.
#[test]
fn the_first_record_behind_a_quiet_one_is_always_synced() {
    let (root, _) = journal_of(1, true);
    let (opened, _) = open(&root, Start::BEGINNING).unwrap();
    let (mut appender, mut syncer) = (opened.appender, opened.syncer);
    let mut next_syncs = |appender: &mut Appender, fault: Option<Fault>| {
        appender.append(KIND, b"x", &[], Haste::Written).unwrap();
        let batch = appender.take_batch().unwrap();
        let syncs = batch.syncs();
        if let Some(fault) = fault {
            root.plan(root.calls(), fault);
        }
        let settled = appender.settle(syncer.commit(batch));
        assert_eq!(settled.is_err(), fault.is_some());
        syncs
    };
    assert!(next_syncs(&mut appender, Some(Fault::Enospc)));
    assert!(next_syncs(&mut appender, None), "what was refused is void");
    assert!(!next_syncs(&mut appender, None));
}

#[test]
fn a_bare_sync_that_fails_poisons() {
    let (root, _) = journal_of(1, false);
    let (opened, _) = open(&root, Start::BEGINNING).unwrap();
    let (mut appender, mut syncer) = (opened.appender, opened.syncer);
    appender.append(KIND, b"x", &[], Haste::Written).unwrap();
    commit(&mut appender, &mut syncer);
    appender.want_sync();
    root.plan(root.calls(), Fault::Eio);
    let batch = appender.take_batch().unwrap();
    assert!(appender.settle(syncer.commit(batch)).is_err());
    assert!(appender.append(KIND, b"y", &[], Haste::Written).is_err());
}

#[test]
fn a_clean_leave_behind_a_checkpoint_is_clean_from_there_too() {
    for quiet in [true, false] {
        let (root, starts) = journal_of(3, quiet);
        let (opened, _) = open(&root, starts[1]).unwrap();
        let (mut appender, mut syncer) = (opened.appender, opened.syncer);
        if !quiet {
            // A quiet record of this life, which an opening from behind it won't see.
            assert_eq!(appender.quiet(), Ok(true));
            commit(&mut appender, &mut syncer);
        }
        let start = appender.position();
        appender.end_segment();
        while appender.quiet().unwrap() {
            commit(&mut appender, &mut syncer);
        }
        let root = root.restore_power();
        assert!(open(&root.fork(1), start).unwrap().0.report.clean);
        assert!(open(&root, starts[1]).unwrap().0.report.clean);
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_and_the_start_opening_says_yes_or_why_not(
        at in any::<usize>(), byte in any::<u8>(), put in prop::collection::vec(any::<u8>(), 0..80),
        which in 0_usize..10, lsn in 0_u64..2500, predecessor in any::<u32>(), near in any::<bool>(),
    ) {
        let (root, starts) = journal_of(9, byte & 1 == 0);
        let names = segments(&root).list().unwrap();
        let name = &names[at % names.len()];
        let mut bytes = segments(&root).content(name).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= byte;
        let behind = bytes.split_off(at + 1);
        bytes.extend(put);
        bytes.extend(behind);
        segments(&root).plant(name, &bytes).unwrap();
        let start = match near {
            true => starts[which],
            false => Start { lsn: Lsn(lsn), predecessor, term: u64::from(predecessor) },
        };
        if let Ok((opened, found)) = open(&root, start) {
            prop_assert!(found.len() <= 9);
            let (_, again) = open(&root.restart_process(), start).unwrap();
            prop_assert_eq!(found, again);
            drop(opened);
        }
    }
}
