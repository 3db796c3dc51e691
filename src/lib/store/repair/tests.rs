//! Accounts with any damage, repaired.

use super::*;
use crate::file::{CHUNK, FileKind, MANIFEST, PACK};
use crate::id::MailboxId;
use crate::upkeep::tests::{Desk, NOW, Seen, damaged, uids};
use journal::sim::{Random, SimDisk};
use proptest::prelude::*;

fn orders() -> Orders {
    Orders {
        account: AccountId(7),
        now_secs: NOW,
        writer: 0xabcd,
    }
}

/// An account with letters in packs, letters in the journal, expunged ones, a
/// large one, and two mailboxes.
fn account() -> (SimDisk, Seen) {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    let other = desk.create("other");
    desk.fill(&inbox, 15, 1);
    desk.fill(&other, 5, 2);
    desk.append_large(&inbox, 300_000);
    desk.keep_up();
    // From here on each record begins a segment.
    desk.opened.store.shorten_segments(1);
    desk.remove(&inbox, &uids(3, 5));
    desk.checkpoint();
    desk.fill(&inbox, 4, 3);
    desk.quiet();
    let seen = desk.seen();
    (desk.root.clone(), seen)
}

fn open(root: &SimDisk) -> Desk {
    Desk::open(root.clone()).unwrap()
}

/// The letters, wherever they lie.
fn letters(seen: &Seen) -> Vec<Vec<u8>> {
    let mut letters: Vec<_> = seen
        .values()
        .filter_map(|(_, _, bytes)| bytes.clone())
        .collect();
    letters.sort();
    letters
}

fn usage_is_exact(desk: &Desk) {
    let store = &desk.opened.store;
    let usage = store.usage();
    let sum = store
        .account()
        .mailboxes
        .values()
        .map(|mailbox| mailbox.counters);
    let (messages, bytes) = sum.fold((0, 0), |sum, counters| {
        (sum.0 + u64::from(counters.messages), sum.1 + counters.bytes)
    });
    assert_eq!((usage.messages, usage.bytes), (messages, bytes));
}

fn spoil(root: &SimDisk, kind: FileKind, number: u64) {
    kind.remove(root, number).unwrap();
    kind.write(root, number, b"spoilt").unwrap();
}

fn files(root: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for directory in root.list().unwrap() {
        let dir = root.open_dir(&directory).unwrap();
        for name in dir.list().unwrap() {
            let path = format!("{}/{}", directory.as_str(), name.as_str());
            files.push((path, dir.content(&name).unwrap()));
        }
    }
    files.sort();
    files
}

/// A second repair finds nothing to do, and does nothing.
fn once_is_enough(root: &SimDisk) {
    let before = files(root);
    let again = repair(root, &orders()).unwrap();
    assert!(!again.mended, "{again:?}");
    assert_eq!(files(root), before);
}

#[test]
fn a_sound_account_is_left_alone() {
    let (root, seen) = account();
    let before = files(&root);
    let report = repair(&root, &orders()).unwrap();
    assert_eq!((report.mended, report.lost), (false, 0));
    assert_eq!(report.messages, seen.len() as u64);
    assert_eq!(files(&root), before);
    assert!(!repair(&SimDisk::new(2), &orders()).unwrap().mended);
}

#[test]
fn with_both_manifests_damaged_everything_that_is_found_comes_back() {
    let (root, seen) = account();
    for number in MANIFEST.list(&root).unwrap().0 {
        spoil(&root, MANIFEST, number);
    }
    let report = repair(&root, &orders()).unwrap();
    assert!(report.mended);
    let mut desk = open(&root);
    let now = letters(&desk.seen());
    assert!(letters(&seen).iter().all(|letter| now.contains(letter)));
    usage_is_exact(&desk);
    drop(desk);
    once_is_enough(&root);
}

#[test]
fn entries_of_a_lost_chunk_come_back_where_they_were() {
    let (root, seen) = account();
    for number in CHUNK.list(&root).unwrap().0 {
        spoil(&root, CHUNK, number);
    }
    let report = repair(&root, &orders()).unwrap();
    let mut desk = open(&root);
    let now = desk.seen();
    let back = seen.iter().filter(|(place, letter)| {
        now.get(place)
            .is_some_and(|now| now.0 == letter.0 && now.2 == letter.2)
    });
    assert!(
        back.count() + 1 >= seen.len(),
        "only the large letter's home isn't known"
    );
    assert_eq!(letters(&now), letters(&seen));
    assert_eq!(report.recovered, 1);
    let renumbered = |mend: &Mend| matches!(mend, Mend::Renumbered { .. });
    assert!(!report.mends.iter().any(renumbered), "every UID is proved");
    usage_is_exact(&desk);
    drop(desk);
    once_is_enough(&root);
}

#[test]
fn a_damaged_record_costs_what_it_did_and_uids_are_given_anew() {
    let (root, seen) = account();
    let mut desk = open(&root);
    let inbox = desk.inbox();
    let validity = desk.opened.store.status(&inbox).unwrap().validity;
    desk.append(&inbox, b"before");
    desk.append(&inbox, b"the one whose record is damaged");
    desk.append(&inbox, b"behind");
    desk.quiet();
    drop(desk);
    damage_record_before(&root, b"the one whose record is damaged");
    assert!(Desk::open(root.clone()).is_err());
    let report = repair(&root, &orders()).unwrap();
    assert!(
        report
            .mends
            .iter()
            .any(|mend| matches!(mend, Mend::Skipped { .. }))
    );
    let mut desk = open(&root);
    let now = letters(&desk.seen());
    assert!(now.contains(&b"before".to_vec()) && now.contains(&b"behind".to_vec()));
    assert!(letters(&seen).iter().all(|letter| now.contains(letter)));
    let inbox = desk.inbox();
    assert!(desk.opened.store.status(&inbox).unwrap().validity > validity);
    usage_is_exact(&desk);
    drop(desk);
    once_is_enough(&root);
}

#[test]
fn a_letter_that_comes_back_without_its_number_gets_none_that_another_had() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    for letter in [&b"one"[..], b"two and gone", b"three and gone"] {
        desk.append(&inbox, letter);
    }
    desk.remove(&inbox, &uids(2, 2));
    desk.append(&inbox, b"four");
    desk.quiet();
    let given = desk.seen();
    let root = desk.root.clone();
    drop(desk);
    damage_record_before(&root, b"three and gone");
    damage_record_before(&root, b"four");
    repair(&root, &orders()).unwrap();
    let newest = given.values().map(|(message, _, _)| *message).max();
    let seen = open(&root).seen();
    let recovered = seen
        .iter()
        .filter(|((mailbox, _), _)| *mailbox != MailboxId::INBOX.0);
    let recovered: Vec<_> = recovered
        .map(|(_, (message, _, _))| Some(*message))
        .collect();
    assert!(!recovered.is_empty());
    assert!(
        recovered.iter().all(|message| *message > newest),
        "{recovered:?}"
    );
    once_is_enough(&root);
}

/// Flips a bit in the head of the record that brings `letter`.
fn damage_record_before(root: &SimDisk, letter: &[u8]) {
    let dir = root.open_dir(&Name::new("journal").unwrap()).unwrap();
    for name in dir.list().unwrap() {
        let mut bytes = dir.content(&name).unwrap();
        let at = bytes
            .windows(letter.len())
            .position(|window| window == letter);
        if let Some(at) = at {
            bytes[at - 20] ^= 1;
            dir.plant(&name, &bytes).unwrap();
            return;
        }
    }
    panic!("no record brings it");
}

#[test]
fn a_missing_pack_costs_its_letters_and_they_keep_their_places() {
    let (root, seen) = account();
    let pack = PACK.list(&root).unwrap().0[0];
    PACK.remove(&root, pack).unwrap();
    let report = repair(&root, &orders()).unwrap();
    let mut desk = open(&root);
    let now = desk.seen();
    assert!(now.keys().eq(seen.keys()));
    assert!(report.lost > 0);
    assert_eq!(report.lost, damaged(&now).len() as u64);
}

#[test]
fn an_account_of_another_number_or_a_newer_program_is_left_alone() {
    let (root, _) = account();
    let other = Orders {
        account: AccountId(8),
        ..orders()
    };
    let error = repair(&root, &other).unwrap_err();
    assert_eq!(error, RepairError::WrongAccount(AccountId(7)));
    let newer = crate::file::header(MANIFEST, 9, &[]);
    MANIFEST.write(&root, 99, &newer).unwrap();
    let before = files(&root);
    assert_eq!(repair(&root, &orders()), Err(RepairError::Newer));
    assert_eq!(files(&root), before);
}

/// Whether the two kept manifests are of one state, and there are no others.
fn manifests_are_twins(root: &SimDisk) -> bool {
    let numbers = MANIFEST.list(root).unwrap().0;
    let read = |number: &u64| crate::manifest::read(root, *number).unwrap().unwrap();
    let states: Vec<_> = numbers.iter().map(read).collect();
    let start = |read: &crate::manifest::Read| (read.manifest.start, read.named.chunks.clone());
    states.len() == 2 && start(&states[0]) == start(&states[1])
}

#[test]
fn a_repair_leaves_two_manifests_of_its_state_and_either_is_enough() {
    let (root, _) = account();
    let chunk = CHUNK.list(&root).unwrap().0[0];
    spoil(&root, CHUNK, chunk);
    repair(&root, &orders()).unwrap();
    assert!(manifests_are_twins(&root));
    let mut desk = open(&root);
    let seen = desk.seen();
    drop(desk);
    let newest = *MANIFEST.list(&root).unwrap().0.last().unwrap();
    spoil(&root, MANIFEST, newest);
    assert_eq!(open(&root).seen(), seen);
}

#[test]
fn a_spare_manifest_that_could_not_be_opened_from_is_made_anew() {
    for damage in [spoil_spare, spoil_chunk_of_spare, spoil_segment_of_spare] {
        let (root, seen) = account();
        damage(&root);
        let report = repair(&root, &orders()).unwrap();
        assert_eq!((report.mended, report.lost), (true, 0));
        let renumbered = |mend: &Mend| matches!(mend, Mend::Renumbered { .. });
        assert!(!report.mends.iter().any(renumbered), "{report:?}");
        assert!(manifests_are_twins(&root));
        assert_eq!(open(&root).seen(), seen);
        once_is_enough(&root);
    }
}

fn spoil_spare(root: &SimDisk) {
    let spare = MANIFEST.list(root).unwrap().0;
    spoil(root, MANIFEST, spare[spare.len() - 2]);
}

fn spoil_chunk_of_spare(root: &SimDisk) {
    let numbers = MANIFEST.list(root).unwrap().0;
    let chunks = |number: u64| {
        let read = crate::manifest::read(root, number).unwrap().unwrap();
        read.named.chunks
    };
    let [.., spare, newest] = numbers[..] else {
        panic!("there are two");
    };
    let newer = chunks(newest);
    let spare = chunks(spare);
    let only_there = spare.iter().find(|chunk| !newer.contains(chunk));
    spoil(root, CHUNK, only_there.unwrap().0);
}

/// In the header of a segment: its records are whole, and only the newest manifest
/// can do without it.
fn spoil_segment_of_spare(root: &SimDisk) {
    let segments = records::read(root).unwrap().segments.0;
    let start = |number: &u64| {
        let read = crate::manifest::read(root, *number).unwrap().unwrap();
        read.manifest.start.lsn
    };
    let starts: Vec<_> = MANIFEST.list(root).unwrap().0.iter().map(start).collect();
    let [.., spare, newest] = starts[..] else {
        panic!("there are two");
    };
    let between = |first: &&Lsn| spare <= **first && **first < newest;
    let name = segment::name(*segments.iter().find(between).unwrap());
    let dir = root.open_dir(&Name::new("journal").unwrap()).unwrap();
    let mut bytes = dir.content(&name).unwrap();
    bytes[20] ^= 1;
    dir.plant(&name, &bytes).unwrap();
}

#[test]
fn a_uid_that_was_told_as_recent_is_not_given_again_though_its_letter_is_lost() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.append(&inbox, b"the only one");
    let asked = desk.opened.store.claim_recent(&inbox);
    desk.done(asked);
    desk.quiet();
    let root = desk.root.clone();
    drop(desk);
    damage_record_before(&root, b"the only one");
    repair(&root, &orders()).unwrap();
    let desk = open(&root);
    let status = desk.opened.store.status(&desk.inbox()).unwrap();
    assert_eq!(status.uid_next.get(), 2);
}

#[test]
fn a_large_letter_whose_record_is_lost_comes_back_once_and_an_expunged_one_does_not() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.append_large(&inbox, 300_000);
    desk.append_large(&inbox, 300_001);
    desk.append(&inbox, b"behind");
    desk.remove(&inbox, &uids(2, 2));
    desk.quiet();
    let seen = desk.seen();
    let root = desk.root.clone();
    drop(desk);
    damage_first_append(&root);
    let report = repair(&root, &orders()).unwrap();
    assert_eq!((report.recovered, report.lost), (1, 0), "{report:?}");
    assert_eq!(letters(&open(&root).seen()), letters(&seen));
    once_is_enough(&root);
}

/// Flips a bit in the head of the first record behind the account's founding.
fn damage_first_append(root: &SimDisk) {
    let journal = records::read(root).unwrap();
    let is_append = |found: &&records::Found| {
        let operations = &found.transaction.operations;
        operations
            .iter()
            .any(|operation| matches!(operation, crate::operation::Operation::Append(_)))
    };
    let at = journal.records.iter().find(is_append).unwrap().lsn;
    let dir = root.open_dir(&Name::new("journal").unwrap()).unwrap();
    let start = journal.segments.of(at).unwrap();
    let name = segment::name(start);
    let mut bytes = dir.content(&name).unwrap();
    let head = segment::file_offset(start, at) as usize + journal::record::HEADER_BYTES;
    bytes[head + 3] ^= 1;
    dir.plant(&name, &bytes).unwrap();
}

#[test]
fn the_letter_of_a_record_without_a_head_comes_back_or_is_told_as_lost() {
    for rotten in [false, true] {
        let (root, seen) = account();
        let mut desk = open(&root);
        let inbox = desk.inbox();
        desk.append(&inbox, b"the one whose record is damaged");
        desk.quiet();
        drop(desk);
        damage_record_before(&root, b"the one whose record is damaged");
        if rotten {
            damage_letter(&root, b"the one whose record is damaged");
        }
        let report = repair(&root, &orders()).unwrap();
        assert_eq!((report.recovered, report.lost), (1, u64::from(rotten)));
        let mut desk = open(&root);
        let now = letters(&desk.seen());
        let back = now.contains(&b"the one whose record is damaged".to_vec());
        assert_eq!(back, !rotten);
        assert!(letters(&seen).iter().all(|letter| now.contains(letter)));
        drop(desk);
        once_is_enough(&root);
    }
}

fn damage_letter(root: &SimDisk, letter: &[u8]) {
    let dir = root.open_dir(&Name::new("journal").unwrap()).unwrap();
    for name in dir.list().unwrap() {
        let mut bytes = dir.content(&name).unwrap();
        let mut windows = bytes.windows(letter.len());
        if let Some(at) = windows.position(|window| window == letter) {
            bytes[at] ^= 1;
            dir.plant(&name, &bytes).unwrap();
        }
    }
}

#[test]
fn letters_of_a_mailbox_whose_creation_is_lost_are_recovered() {
    let mut desk = Desk::new();
    let other = desk.create("other");
    desk.append(&other, b"in the other");
    desk.quiet();
    let root = desk.root.clone();
    drop(desk);
    damage_record_before(&root, b"other");
    let report = repair(&root, &orders()).unwrap();
    assert_eq!(report.recovered, 1, "{report:?}");
    assert_eq!(letters(&open(&root).seen()), [b"in the other".to_vec()]);
    once_is_enough(&root);
}

#[test]
fn a_repair_forgets_what_was_worked_out_from_letters_and_keeps_the_rest() {
    let (root, _) = account();
    let cache = root.ensure_dir(&Name::new("cache").unwrap()).unwrap();
    let names = [
        Name::numbered(3, "cache"),
        Name::new("threads").unwrap(),
        Name::new("suspects").unwrap(),
    ];
    for name in names {
        cache.plant(&name, b"of another life").unwrap();
    }
    spoil_spare(&root);
    repair(&root, &orders()).unwrap();
    let left = cache.list().unwrap();
    assert!(left.iter().map(Name::as_str).eq(["suspects"]), "{left:?}");
}

/// Does something bad to a file.
fn damage(root: &SimDisk, random: &mut Random) {
    let directories = root.list().unwrap();
    let dir = &directories[random.below(directories.len() as u64) as usize];
    let dir = root.open_dir(dir).unwrap();
    let names = dir.list().unwrap();
    if names.is_empty() {
        return;
    }
    let name = &names[random.below(names.len() as u64) as usize];
    let mut bytes = dir.content(name).unwrap();
    let at = random.below(bytes.len() as u64 + 1) as usize;
    match random.below(4) {
        0 => return dir.remove(name).unwrap(),
        1 => bytes.truncate(at),
        2 => bytes
            .iter_mut()
            .skip(at)
            .take(5000)
            .for_each(|byte| *byte = 0),
        _ => bytes
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|byte| *byte ^= 8),
    }
    dir.plant(name, &bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_damaged_the_account_opens_afterwards_and_works(seed in any::<u64>(), times in 1_usize..12) {
        let random = &mut Random::new(seed);
        let (root, _) = account();
        for _ in 0..times {
            damage(&root, random);
        }
        repair(&root, &orders()).unwrap();
        once_is_enough(&root);
        let mut desk = open(&root);
        usage_is_exact(&desk);
        let inbox = desk.mailbox(MailboxId::INBOX);
        desk.load(&inbox);
        desk.append(&inbox, b"a letter that comes later");
        desk.keep_up();
        let seen = desk.seen();
        desk.reopen();
        prop_assert_eq!(desk.seen(), seen);
    }
}
