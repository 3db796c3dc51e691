//! The map of threads as it grows, on a disk that fails, and with a stranger's bytes
//! in it: an id leads to the thread that it was noted with, or to none.

use super::*;
use journal::sim::{Fault, Random, SimDisk};
use proptest::prelude::*;
use std::collections::BTreeMap;

const KEY: [u8; THREADS_KEY_BYTES] = [7; THREADS_KEY_BYTES];

fn id(number: u64) -> Vec<u8> {
    format!("{number}@example.org").into_bytes()
}

fn note(threads: &mut Threads<SimDisk>, ids: &[u64], thread: u64) -> bool {
    let ids: Vec<Vec<u8>> = ids.iter().map(|number| id(*number)).collect();
    threads.note(ids.iter().map(Vec::as_slice), ThreadId(thread), KEY)
}

fn find(threads: &mut Threads<SimDisk>, ids: &[u64]) -> Option<u64> {
    let ids: Vec<Vec<u8>> = ids.iter().map(|number| id(*number)).collect();
    let found = threads.find(ids.iter().map(Vec::as_slice));
    found.map(|thread| thread.0)
}

fn plant(disk: &SimDisk, bytes: &[u8]) {
    let dir = disk.ensure_dir(&Name::new(cache::DIRECTORY).unwrap());
    dir.unwrap().plant(&name().unwrap(), bytes).unwrap();
}

fn content(disk: &SimDisk) -> Vec<u8> {
    let dir = disk.open_dir(&Name::new(cache::DIRECTORY).unwrap());
    dir.unwrap().content(&name().unwrap()).unwrap()
}

#[test]
fn a_reply_joins_the_letter_that_it_answers_and_nobody_else() {
    let mut threads = Threads::new(SimDisk::new(1));
    assert_eq!(find(&mut threads, &[1]), None);
    assert!(note(&mut threads, &[1], 10) && note(&mut threads, &[2], 20));
    assert_eq!(
        find(&mut threads, &[3, 2, 1]),
        Some(20),
        "the strongest tie"
    );
    assert!(note(&mut threads, &[3, 2, 1], 20));
    assert_eq!(find(&mut threads, &[3]), Some(20));
    assert_eq!(
        find(&mut threads, &[1]),
        Some(10),
        "threads are never merged"
    );
    assert_eq!(find(&mut threads, &[4]), None);
}

#[test]
fn who_may_not_wait_finds_the_same_beside_the_one_who_notes_or_is_told_to_ask() {
    let disk = SimDisk::new(1);
    let mut writer = Threads::new(disk.clone());
    let mut beside = Threads::new(disk);
    let mut known = 0;
    for number in 0..2_000 {
        let wanted = [id(number)];
        let ids = || wanted.iter().map(Vec::as_slice);
        // The simulated disk says now and then that it would have to wait.
        assert!(matches!(beside.find_nowait(ids()), None | Some(None)));
        assert!(note(&mut writer, &[number], number));
        let found = beside.find_nowait(ids());
        assert!(found.is_none() || found == Some(Some(ThreadId(number))));
        known += usize::from(found.is_some());
    }
    assert!(known > 1_000, "{known}");
}

#[test]
fn a_map_of_many_ids_forgets_none_of_them_and_outlives_its_process() {
    const IDS: u64 = 6_000;
    let disk = SimDisk::new(1);
    let mut threads = Threads::new(disk.clone());
    for number in 0..IDS {
        assert!(note(&mut threads, &[number], number));
    }
    let mut next = Threads::new(disk.restart_process());
    for number in 0..IDS {
        assert_eq!(find(&mut next, &[number]), Some(number));
    }
    assert_eq!(find(&mut next, &[IDS]), None);
    let bytes = content(&disk.restart_process()).len() as u64;
    assert!(bytes < 60 * IDS, "{bytes} bytes");
}

#[test]
fn a_map_that_is_lost_is_begun_anew_and_says_so() {
    let disk = SimDisk::new(1);
    let mut threads = Threads::new(disk.clone());
    assert_eq!(threads.coverage(), Coverage::Partial);
    assert!(note(&mut threads, &[1], 10) && threads.set_whole(KEY));
    assert_eq!(Threads::new(disk.clone()).coverage(), Coverage::Whole);
    let dir = disk
        .open_dir(&Name::new(cache::DIRECTORY).unwrap())
        .unwrap();
    dir.remove(&name().unwrap()).unwrap();
    threads.forget();
    assert_eq!(threads.coverage(), Coverage::Partial);
    assert_eq!(find(&mut threads, &[1]), None);
    assert!(note(&mut threads, &[1], 10));
    assert_eq!(
        (find(&mut threads, &[1]), threads.coverage()),
        (Some(10), Coverage::Partial)
    );
}

#[test]
fn an_account_without_letters_is_known_whole() {
    let mut threads = Threads::new(SimDisk::new(1));
    assert!(threads.set_whole(KEY));
    assert_eq!(threads.coverage(), Coverage::Whole);
}

#[test]
fn a_full_map_makes_room_for_new_ids() {
    let mut threads = Threads::new(SimDisk::new(1));
    threads.pages_max = 4;
    for number in 0..4000 {
        assert!(note(&mut threads, &[number], number));
        assert_eq!(find(&mut threads, &[number]), Some(number));
    }
    assert_eq!(threads.open.as_ref().unwrap().pages(), Ok(4));
    assert_eq!(find(&mut threads, &[0]), None);
}

#[test]
fn a_disk_that_fails_costs_joins_and_nothing_else() {
    let disk = SimDisk::new(1);
    let mut threads = Threads::new(disk.clone());
    disk.plan(disk.calls(), Fault::Enospc);
    assert!(!note(&mut threads, &[1], 10));
    assert_eq!(find(&mut threads, &[1]), None);
    assert!(note(&mut threads, &[1], 10));
    disk.plan(disk.calls(), Fault::Eio);
    assert!(!note(&mut threads, &[2], 20));
    assert!(note(&mut threads, &[3], 30));
    assert_eq!(find(&mut threads, &[3]), Some(30));
}

/// A life under faults: an id leads to the thread that it was noted with, or to none.
fn live(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::new(seed);
    let mut noted: BTreeMap<u64, u64> = BTreeMap::new();
    let mut found = 0;
    for _ in 0..3 {
        let mut threads = Threads::new(disk.clone());
        for _ in 0..random.below(3) {
            let faults = [Fault::Eio, Fault::Enospc, Fault::PowerCut];
            let fault = faults[random.below(3) as usize];
            disk.plan(disk.calls() + random.below(900), fault);
        }
        for _ in 0..400 {
            let number = random.below(3000);
            let thread = *noted.entry(number).or_insert(number + 7);
            note(&mut threads, &[number], thread);
            let number = random.below(3000);
            if let Some(thread) = find(&mut threads, &[number]) {
                assert_eq!(Some(&thread), noted.get(&number), "seed {seed}");
                found += 1;
            }
        }
        disk = match disk.is_off() || random.chance(2) {
            true => disk.restore_power(),
            false => disk.restart_process(),
        };
        disk.forgive();
    }
    found
}

#[test]
fn whatever_the_disk_does_nothing_is_glued_together() {
    let found: usize = (0..16).map(live).sum();
    assert!(found > 1000, "{found}");
}

#[test]
fn pages_are_chosen_alike_before_and_after_a_split() {
    let header = Header {
        key: KEY,
        whole: false,
    };
    for pages in 1..200 {
        let new = pages;
        let from = pages - largest_power(pages);
        for number in 0..300 {
            let hash = header.hash(&id(number));
            let (before, after) = (page_of(hash, pages), page_of(hash, pages + 1));
            assert!(before < pages && after <= new);
            assert!(before == after || (before == from && after == new));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn damage_is_a_miss(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let disk = SimDisk::new(1);
        let mut threads = Threads::new(disk.clone());
        (0..200).for_each(|number| assert!(note(&mut threads, &[number], number)));
        let mut bytes = content(&disk);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        plant(&disk, &bytes);
        let mut threads = Threads::new(disk);
        for number in 0..250 {
            let found = find(&mut threads, &[number]);
            prop_assert!(found.is_none() || (found == Some(number) && number < 200));
        }
        for number in 0..250 {
            prop_assert!(note(&mut threads, &[number], number));
            prop_assert_eq!(find(&mut threads, &[number]), Some(number));
        }
    }
}
