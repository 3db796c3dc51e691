//! What the simulated disk may do to its users, and what it may not: every state
//! that is promised to be possible is met, and none that isn't.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "the helpers of a test fail it like the test itself"
)]

use journal::disk::{Disk, DiskError, File, Name};
use journal::sim::{EIO, Fault, Random, SimDisk, SimFile};
use std::collections::BTreeSet;

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn disk_with_synced_file(seed: u64) -> (SimDisk, SimFile) {
    let disk = SimDisk::new(seed);
    let file = disk.create(&name("a")).unwrap();
    file.write_at(0, &[1; 10_000]).unwrap();
    file.sync_data().unwrap();
    disk.sync().unwrap();
    (disk, file)
}

/// Every content of file `a` that a power cut leaves after `act`, of some hundred.
fn left(act: impl Fn(&SimDisk, &SimFile)) -> BTreeSet<Vec<u8>> {
    (0..300)
        .map(|seed| {
            let (disk, file) = disk_with_synced_file(seed);
            act(&disk, &file);
            disk.restore_power().content(&name("a")).unwrap()
        })
        .collect()
}

#[test]
fn what_was_synced_survives_every_power_cut() {
    assert_eq!(left(|_, _| {}), BTreeSet::from([vec![1; 10_000]]));
}

#[test]
fn a_suffix_of_the_writes_is_lost_or_any_of_them_or_all() {
    let found = left(|_, file| {
        for (n, offset) in [(2, 0), (3, 4096), (4, 0)] {
            file.write_at(offset, &[n; 4096]).unwrap();
        }
    });
    let state = |first: u8, second: u8| {
        let pages = [vec![first; 4096], vec![second; 4096], vec![1; 1808]];
        pages.concat()
    };
    for prefix in [state(1, 1), state(2, 1), state(2, 3), state(4, 3)] {
        assert!(found.contains(&prefix), "a state that the file has had");
    }
    assert!(
        found.contains(&state(1, 3)),
        "the second page before the first"
    );
    assert!(
        found.contains(&state(4, 1)),
        "the last write before the second"
    );
}

#[test]
fn a_page_is_torn_between_its_sectors() {
    let found = left(|_, file| file.write_at(0, &[2; 4096]).unwrap());
    let torn = |content: &&Vec<u8>| content[..4096].contains(&1) && content[..4096].contains(&2);
    assert!(found.iter().filter(torn).count() > 20);
    let by_sectors = |content: &&Vec<u8>| {
        let sectors = content[..4096].chunks(512);
        torn(content) && { sectors }.all(|sector| sector.iter().all(|byte| *byte == sector[0]))
    };
    assert!(found.iter().filter(by_sectors).count() > 20);
}

#[test]
fn a_length_can_be_there_without_its_data_and_data_without_its_length() {
    let found = left(|_, file| file.write_at(10_000, &[2; 9000]).unwrap());
    let zeros = [vec![1; 10_000], vec![0; 9000]].concat();
    assert!(found.contains(&zeros), "a length without data");
    assert!(found.contains(&vec![1; 10_000]), "the old length");
    assert!(
        found
            .iter()
            .any(|content| content.len() % 512 != 0 && content.len() < 19_000)
    );
    let all = |content: &Vec<u8>| content[..10_000] == [1; 10_000];
    assert!(found.iter().all(all), "what was synced changed");
}

#[test]
fn what_was_cut_off_comes_back_unless_the_cut_was_synced() {
    let found = left(|_, file| file.truncate(100).unwrap());
    assert!(found.contains(&vec![1; 10_000]) && found.contains(&vec![1; 100]));
    let synced = left(|_, file| {
        file.truncate(100).unwrap();
        file.sync_data().unwrap();
        file.write_at(200, &[2; 1]).unwrap();
        file.sync_data().unwrap();
    });
    let expected = [vec![1; 100], vec![0; 100], vec![2; 1]].concat();
    assert_eq!(synced, BTreeSet::from([expected]));
}

#[test]
fn names_are_forgotten_each_on_its_own_unless_their_directory_was_synced() {
    let mut found = BTreeSet::new();
    for seed in 0..300 {
        let (disk, _) = disk_with_synced_file(seed);
        disk.create(&name("b")).unwrap();
        disk.rename(&name("a"), &name("c")).unwrap();
        let mut left = disk.restore_power().list().unwrap();
        left.sort();
        found.insert(left);
    }
    let ways = [&["a"][..], &["a", "b"], &["c"], &["b", "c"]];
    let ways = ways.map(|way| way.iter().map(|n| name(n)).collect::<Vec<_>>());
    assert_eq!(found, BTreeSet::from(ways));
}

#[test]
fn no_file_system_keeps_a_later_change_of_a_name_and_forgets_an_earlier_one() {
    for seed in 0..300 {
        let (disk, _) = disk_with_synced_file(seed);
        disk.rename(&name("a"), &name("b")).unwrap();
        disk.create(&name("a")).unwrap();
        let disk = disk.restore_power();
        let kept = ["a", "b"]
            .iter()
            .any(|n| disk.content(&name(n)) == Ok(vec![1; 10_000]));
        assert!(kept, "seed {seed}: a synced file is lost");
    }
}

#[test]
fn a_name_can_be_durable_without_the_data_of_its_file() {
    let empty = (0..100).filter(|seed| {
        let disk = SimDisk::new(*seed);
        let file = disk.create(&name("a")).unwrap();
        file.write_at(0, &[1; 5000]).unwrap();
        disk.sync().unwrap();
        disk.restore_power().content(&name("a")) != Ok(vec![1; 5000])
    });
    assert!(empty.count() > 20);
}

#[test]
fn a_failed_sync_can_lose_what_a_later_sync_says_it_kept() {
    let lost = (0..50).filter(|seed| {
        let (disk, file) = disk_with_synced_file(*seed);
        disk.plan(disk.calls() + 1, Fault::Eio);
        file.write_at(0, &[2; 10_000]).unwrap();
        assert_eq!(file.sync_data(), Err(EIO));
        assert_eq!(disk.content(&name("a")), Ok(vec![2; 10_000]));
        file.sync_data().unwrap();
        disk.restore_power().content(&name("a")) != Ok(vec![2; 10_000])
    });
    assert!(lost.count() > 10);
}

#[test]
fn what_a_failed_sync_lost_is_durable_when_it_was_written_again_and_synced() {
    for seed in 0..50 {
        let (disk, file) = disk_with_synced_file(seed);
        disk.plan(disk.calls() + 1, Fault::Eio);
        file.write_at(0, &[2; 10_000]).unwrap();
        assert_eq!(file.sync_data(), Err(EIO));
        // A byte of each page makes the whole page dirty again.
        for page in 0..3 {
            file.write_at(page * 4096, &[2]).unwrap();
        }
        file.sync_data().unwrap();
        assert_eq!(
            disk.restore_power().content(&name("a")),
            Ok(vec![2; 10_000])
        );
    }
}

#[test]
fn what_a_failed_sync_lost_may_be_gone_when_only_the_process_has_ended() {
    let evicted = (0..50).filter(|seed| {
        let (disk, file) = disk_with_synced_file(*seed);
        disk.plan(disk.calls() + 1, Fault::Eio);
        file.write_at(0, &[2; 10_000]).unwrap();
        file.sync_data().unwrap_err();
        disk.restart_process().content(&name("a")) != Ok(vec![2; 10_000])
    });
    assert!((10..50).contains(&evicted.count()));
}

#[test]
fn what_was_written_survives_the_process() {
    for seed in 0..50 {
        let (disk, file) = disk_with_synced_file(seed);
        file.write_at(5000, &[2; 10_000]).unwrap();
        disk.rename(&name("a"), &name("b")).unwrap();
        let expected = [vec![1; 5000], vec![2; 10_000]].concat();
        assert_eq!(disk.restart_process().content(&name("b")), Ok(expected));
        assert_eq!(
            disk.content(&name("b")),
            Err(EIO),
            "a dead process's handle"
        );
        assert_eq!(file.len(), Err(EIO), "a dead process's file");
    }
}

#[test]
fn after_a_power_cut_nothing_happens_until_it_is_back() {
    let (disk, _) = disk_with_synced_file(1);
    disk.plan(disk.calls(), Fault::PowerCut);
    assert_eq!(disk.sync(), Err(EIO));
    assert!(disk.is_off());
    assert_eq!(disk.open(&name("a")).map(|_| ()), Err(EIO));
    let on = disk.restore_power();
    assert!(on.open(&name("a")).is_ok());
    assert_eq!(disk.open(&name("a")).map(|_| ()), Err(EIO), "a dead handle");
}

#[test]
fn every_kind_of_call_fails_when_that_is_planned_and_works_again_after() {
    type Call = fn(&SimDisk, &SimFile) -> Result<(), DiskError>;
    let changes: [Call; 7] = [
        |disk, _| disk.create(&name("x")).map(|_| ()),
        |disk, _| disk.make_dir(&name("y")),
        |disk, _| disk.rename(&name("a"), &name("b")),
        |_, file| file.write_at(20_000, b"x"),
        |_, file| file.truncate(10),
        |_, file| file.sync_data(),
        |disk, _| disk.sync(),
    ];
    for call in changes {
        for (fault, said) in [(Fault::Eio, EIO), (Fault::Enospc, DiskError::NoSpace)] {
            let (disk, file) = disk_with_synced_file(1);
            disk.plan(disk.calls(), fault);
            assert_eq!(call(&disk, &file), Err(said));
            assert_eq!(call(&disk, &file), Ok(()));
        }
    }
    let looks: [Call; 4] = [
        |disk, _| disk.open(&name("a")).map(|_| ()),
        |disk, _| disk.list().map(|_| ()),
        |_, file| file.read_at(0, &mut [0]).map(|_| ()),
        |_, file| file.len().map(|_| ()),
    ];
    for look in looks {
        let (disk, file) = disk_with_synced_file(1);
        disk.plan_blindness(disk.looks());
        assert_eq!(look(&disk, &file), Err(EIO));
        assert_eq!(look(&disk, &file), Ok(()));
    }
}

/// It may be there for whoever looks next, and on no disk.
#[test]
fn a_directory_whose_name_was_not_synced_for_want_of_space_is_a_failure() {
    let disk = SimDisk::new(1);
    disk.plan(disk.calls() + 1, Fault::Enospc);
    let made = disk.ensure_dir(&name("x")).map(|_| ());
    assert!(matches!(made, Err(DiskError::Io(_))), "{made:?}");
}

#[test]
fn a_small_disk_takes_as_much_as_it_has_room_for() {
    let (disk, file) = disk_with_synced_file(1);
    disk.limit_space(Some(10_100));
    assert_eq!(file.write_at(10_000, &[2; 200]), Err(DiskError::NoSpace));
    assert_eq!(file.len(), Ok(10_100), "as far as it fits");
    assert_eq!(file.write_at(0, &[3; 10_000]), Ok(()), "what doesn't grow");
    assert_eq!(disk.create(&name("b")).map(|_| ()), Err(DiskError::NoSpace));
    file.truncate(50).unwrap();
    disk.create(&name("b"))
        .unwrap()
        .write_at(0, &[1; 10_050])
        .unwrap();
    disk.remove(&name("b")).unwrap();
    assert_eq!(
        file.write_at(50, &[2; 10_050]),
        Ok(()),
        "removing makes room"
    );
}

#[test]
fn a_photograph_is_the_machine_after_one_call() {
    let disk = SimDisk::new(1);
    disk.photograph(1, 7);
    let file = disk.create(&name("a")).unwrap();
    disk.sync().unwrap();
    file.write_at(0, b"one").unwrap();
    file.sync_data().unwrap();
    file.write_at(0, b"two").unwrap();
    let read = |disk: &SimDisk| disk.content(&name("a")).unwrap();
    let photographs: Vec<_> = disk.photographs().into_iter().map(|(_, one)| one).collect();
    let contents: Vec<_> = photographs.iter().map(read).collect();
    assert_eq!(contents, [&b""[..], b"", b"one", b"one", b"two"]);
    assert_eq!(read(&photographs[3].restore_power()), b"one");
    file.write_at(0, b"six").unwrap();
    assert_eq!(
        read(&photographs[3].restart_process()),
        b"one",
        "its own machine"
    );
    assert_eq!(disk.photographs().len(), 1);
}

#[test]
fn a_photographed_history_is_the_same_history() {
    let play = |one_in| {
        let disk = SimDisk::new(9);
        disk.photograph(one_in, 5);
        let file = disk.create(&name("a")).unwrap();
        for n in 0..20 {
            file.write_at(n * 1000, &[n as u8; 3000]).unwrap();
        }
        disk.restore_power().content(&name("a"))
    };
    assert_eq!(play(0), play(2));
}

/// A file with any history reads as a plain row of bytes does, and what is
/// synced is what a power cut leaves.
#[test]
fn a_file_is_a_row_of_bytes() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let disk = SimDisk::new(seed);
        let file = disk.create(&name("a")).unwrap();
        disk.sync().unwrap();
        let mut bytes: Vec<u8> = Vec::new();
        for n in 0..30 {
            let at = random.below(12_000) as usize;
            if random.chance(5) {
                file.truncate(at as u64).unwrap();
                bytes.resize(at, 0);
            } else {
                let put = vec![n; random.below(9000) as usize + 1];
                file.write_at(at as u64, &put).unwrap();
                bytes.resize(bytes.len().max(at + put.len()), 0);
                bytes[at..at + put.len()].copy_from_slice(&put);
            }
            if random.chance(6) {
                file.sync_data().unwrap();
            }
            assert_eq!(disk.content(&name("a")).as_ref(), Ok(&bytes), "seed {seed}");
        }
        file.sync_data().unwrap();
        assert_eq!(
            disk.restore_power().content(&name("a")),
            Ok(bytes),
            "seed {seed}"
        );
    }
}
