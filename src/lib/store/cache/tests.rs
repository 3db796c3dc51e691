//! The cache on a disk that fails, is full, loses power, or holds what others put
//! there: an answer is right or absent, and nothing else ever happens.

use super::*;
use journal::sim::{Fault, Random, SimDisk};
use proptest::prelude::*;
use std::collections::BTreeMap;

const STAMP: Stamp = Stamp {
    kind: 1,
    version: 1,
};

const DAY: i64 = 86_400;

fn look(
    cache: &mut LetterCache<SimDisk>,
    reader: &mut CacheReader<SimDisk>,
    id: u64,
) -> Option<Vec<u8>> {
    for _ in 0..=2 {
        match reader.get(MessageId(id), STAMP) {
            Lookup::Found(bytes) => return Some(bytes.to_vec()),
            Lookup::Absent => return None,
            Lookup::Cold(region) => reader.take_in(cache.read(region)),
        }
    }
    panic!("a third time: the table and the record are two");
}

fn get(cache: &mut LetterCache<SimDisk>, id: u64) -> Option<Vec<u8>> {
    let mut reader = cache.reader();
    look(cache, &mut reader, id)
}

fn filled(disk: &SimDisk, ids: std::ops::Range<u64>) -> LetterCache<SimDisk> {
    let mut cache = LetterCache::new(disk.clone());
    for id in ids {
        assert!(cache.put(MessageId(id), STAMP, &record(id), 0));
    }
    cache
}

fn record(id: u64) -> Vec<u8> {
    vec![id as u8; 10 + (id as usize * 37) % 500]
}

fn dir(disk: &SimDisk) -> SimDisk {
    disk.open_dir(&Name::new(DIRECTORY).unwrap()).unwrap()
}

fn remove_all(disk: &SimDisk) {
    let dir = dir(disk);
    for name in dir.list().unwrap() {
        dir.remove(&name).unwrap();
    }
}

fn sweep(cache: &mut LetterCache<SimDisk>, lowest: u64, now_secs: i64) -> usize {
    let mut tidy = cache.tidy();
    let mut removed = 0;
    loop {
        match cache.sweep(&mut tidy, MessageId(lowest), now_secs) {
            Swept::Kept => {}
            Swept::Removed => removed += 1,
            Swept::Over => return removed,
        }
    }
}

#[test]
fn what_was_put_last_is_found_and_nothing_else() {
    let mut cache = filled(&SimDisk::new(1), 10..20);
    assert!(cache.put(MessageId(12), STAMP, b"new", 0));
    for id in 0..30 {
        let wanted = match id {
            12 => Some(b"new".to_vec()),
            10..20 => Some(record(id)),
            _ => None,
        };
        assert_eq!(get(&mut cache, id), wanted, "{id}");
    }
    let other = Stamp {
        version: 2,
        ..STAMP
    };
    let mut reader = cache.reader();
    let found = loop {
        match reader.get(MessageId(12), other) {
            Lookup::Cold(region) => reader.take_in(cache.read(region)),
            found => break found,
        }
    };
    assert_eq!(found, Lookup::Absent);
}

#[test]
fn a_record_may_be_as_long_as_its_limit_and_no_longer() {
    let mut cache = LetterCache::new(SimDisk::new(1));
    assert!(cache.put(MessageId(1), STAMP, &[7; RECORD_BYTES_MAX], 0));
    assert_eq!(get(&mut cache, 1), Some(vec![7; RECORD_BYTES_MAX]));
    assert!(!cache.put(MessageId(2), STAMP, &[7; RECORD_BYTES_MAX + 1], 0));
}

#[test]
fn a_file_grows_to_its_limit_and_no_further() {
    let disk = SimDisk::new(1);
    let mut cache = filled(&disk, 1..2);
    let name = Name::numbered(0, EXTENSION);
    let file = dir(&disk).open(&name).unwrap();
    file.write_at(FILE_BYTES_MAX - 100, b"x").unwrap();
    assert!(cache.put(MessageId(2), STAMP, &[1; 20], 0));
    assert!(!cache.put(MessageId(3), STAMP, &[1; 60], 0));
    assert!(file.len().unwrap() <= FILE_BYTES_MAX);
    assert!(get(&mut cache, 1).is_some() && get(&mut cache, 2).is_some());
    assert_eq!(sweep(&mut cache, 0, 0), 1, "it is nearly all waste");
    assert!(cache.put(MessageId(3), STAMP, &[1; 60], 0));
}

#[test]
fn deleting_the_cache_under_our_hands_costs_only_time() {
    let disk = SimDisk::new(1);
    let mut cache = filled(&disk, 1..9);
    let mut reader = cache.reader();
    assert!(look(&mut cache, &mut reader, 1).is_some());
    remove_all(&disk);
    let _ = look(&mut cache, &mut reader, 1);
    cache.put(MessageId(1), STAMP, b"again", 0);
    cache.put(MessageId(SLOTS), STAMP, b"elsewhere", 0);
    reader.forget();
    assert_eq!(
        look(&mut cache, &mut reader, SLOTS),
        Some(b"elsewhere".to_vec())
    );
    let mut next = LetterCache::new(disk);
    assert_eq!(get(&mut next, 2), None);
    assert!(next.put(MessageId(2), STAMP, b"again", 0));
    assert_eq!(get(&mut next, 2), Some(b"again".to_vec()));
}

#[test]
fn a_disk_that_fails_or_is_full_is_left_in_peace_for_a_while() {
    let disk = SimDisk::new(1);
    let mut cache = filled(&disk, 1..2);
    disk.fill_up(true);
    assert!(!cache.put(MessageId(2), STAMP, b"x", 1000));
    disk.fill_up(false);
    let calls = disk.calls();
    assert!(!cache.put(MessageId(2), STAMP, b"x", 1000 + PAUSE_SECS - 1));
    assert_eq!(disk.calls(), calls);
    assert!(cache.put(MessageId(2), STAMP, b"x", 1000 + PAUSE_SECS));
    assert!(get(&mut cache, 1).is_some() && get(&mut cache, 2).is_some());
}

#[test]
fn a_file_that_is_not_ours_is_replaced() {
    let disk = SimDisk::new(1);
    let dir = disk.ensure_dir(&Name::new(DIRECTORY).unwrap()).unwrap();
    let name = Name::numbered(0, EXTENSION);
    dir.plant(&name, &[0xff; 40_000]).unwrap();
    let mut cache = LetterCache::new(disk);
    assert_eq!(get(&mut cache, 1), None);
    assert!(cache.put(MessageId(1), STAMP, b"x", 0));
    assert_eq!(get(&mut cache, 1), Some(b"x".to_vec()));
}

#[test]
fn files_go_when_they_are_old_or_all_their_messages_are_gone() {
    let disk = SimDisk::new(1);
    let mut cache = filled(&disk, SLOTS - 3..SLOTS + 3);
    let others = Name::new("suspects").unwrap();
    dir(&disk).create(&others).unwrap();
    assert_eq!(sweep(&mut cache, 0, 0), 0);
    assert_eq!(sweep(&mut cache, SLOTS - 1, DAY), 0);
    assert_eq!(sweep(&mut cache, SLOTS, DAY), 1);
    assert!(get(&mut cache, SLOTS - 1).is_none() && get(&mut cache, SLOTS).is_some());
    assert_eq!(sweep(&mut cache, 0, i64::from(CACHE_DAYS_MAX) * DAY), 1);
    assert_eq!(dir(&disk).list(), Ok(vec![others]));
}

#[test]
fn an_old_file_is_begun_anew_by_the_next_record() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, 1..2));
    let mut cache = LetterCache::new(disk);
    let late = i64::from(CACHE_DAYS_MAX) * DAY;
    assert!(cache.put(MessageId(2), STAMP, b"x", late));
    assert_eq!(get(&mut cache, 1), None);
    assert_eq!(sweep(&mut cache, 0, late), 0);
}

/// One life of a cache under faults: what is found is what was put last, or an
/// earlier record of the same message, or nothing.
fn live(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::new(seed);
    let mut put: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    let mut found = 0;
    for life in 0..4 {
        let mut cache = LetterCache::new(disk.clone());
        let mut reader = cache.reader();
        for _ in 0..random.below(3) {
            let faults = [Fault::Eio, Fault::Enospc, Fault::PowerCut];
            let fault = faults[random.below(3) as usize];
            disk.plan(disk.calls() + random.below(60), fault);
        }
        for step in 0..40 {
            let id = random.below(6) * (SLOTS / 2);
            let now_secs = life * 1000 + step * PAUSE_SECS / 3;
            if random.chance(2) {
                let bytes = vec![random.below(256) as u8; random.below(9000) as usize];
                put.entry(id).or_default().push(bytes.clone());
                cache.put(MessageId(id), STAMP, &bytes, now_secs);
                reader.was_put(MessageId(id));
            } else if let Some(bytes) = look(&mut cache, &mut reader, id) {
                assert!(put[&id].contains(&bytes), "seed {seed}, message {id}");
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
fn whatever_the_disk_does_an_answer_is_right_or_absent() {
    let found: usize = (0..150).map(live).sum();
    assert!(found > 1500, "{found}");
}

proptest! {
    #[test]
    fn damage_is_a_miss(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        in_table: bool,
    ) {
        let disk = SimDisk::new(1);
        drop(filled(&disk, 1..20));
        let name = Name::numbered(0, EXTENSION);
        let mut bytes = dir(&disk).content(&name).unwrap();
        let end = if in_table { HEADER_BYTES + 200 } else { bytes.len() };
        for (place, byte) in changes {
            let place = place.index(end);
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        dir(&disk).plant(&name, &bytes).unwrap();
        let mut cache = LetterCache::new(disk);
        let mut reader = cache.reader();
        for id in 0..30 {
            if let Some(bytes) = look(&mut cache, &mut reader, id) {
                prop_assert_eq!(bytes, record(id));
            }
        }
        for id in 0..30 {
            prop_assert!(cache.put(MessageId(id), STAMP, b"made anew", 0));
            reader.was_put(MessageId(id));
            prop_assert_eq!(look(&mut cache, &mut reader, id), Some(b"made anew".to_vec()));
        }
    }

    #[test]
    fn any_bytes_are_a_file_without_records(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let disk = SimDisk::new(1);
        let dir = disk.ensure_dir(&Name::new(DIRECTORY).unwrap()).unwrap();
        let mut content = Header { number: 0, born_secs: 0 }.encode();
        content.extend(bytes.iter().cycle().take(bytes.len() * 100));
        dir.plant(&Name::numbered(0, EXTENSION), &content).unwrap();
        let mut cache = LetterCache::new(disk);
        let mut reader = cache.reader();
        for id in 0..50 {
            prop_assert_eq!(look(&mut cache, &mut reader, id), None);
        }
        sweep(&mut cache, 0, 0);
    }
}
