//! Accounts that the store has made, that were damaged, and that it has repaired:
//! nothing is found in them but letters that are lost.
//!
//! `MAILKEEP_REPAIR_ROUNDS=200` damages more journals than the usual.

use super::real::{NOW, a_life, photograph};
use crate::directory::Folder;
use ipc::edge::verify::{Finding, Severity};
use journal::disk::{Disk, Name};
use journal::sim::SimDisk;
use store::AccountId;
use store::repair::{Orders, repair};

/// An account at rest, with two manifests, and its damageable files.
fn account(seed: u64) -> SimDisk {
    let mut desk = a_life(seed, 120, false);
    desk.keep_up();
    desk.something();
    desk.quiet();
    desk.root.clone()
}

fn mended(root: &SimDisk) -> (bool, Vec<Finding>) {
    let orders = Orders {
        account: AccountId(7),
        now_secs: NOW,
        writer: 0xfeed_beee,
    };
    let report = repair(root, &orders).unwrap();
    assert!(!repair(root, &orders).unwrap().mended, "a second time");
    let (mut heard, _) = photograph(root).check(None);
    heard
        .findings
        .retain(|finding| finding.what.severity() > Severity::Note);
    (report.mended, heard.findings)
}

fn names(root: &SimDisk, folder: Folder) -> (SimDisk, Vec<Name>) {
    let folder = root
        .open_dir(&Name::new(folder.words().0).unwrap())
        .unwrap();
    let mut names = folder.list().unwrap();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    (folder, names)
}

/// Damages a file, and wants nothing found after the repair but lost letters.
fn is_repaired(root: &SimDisk, folder: Folder, nth: usize, how: fn(&mut Vec<u8>)) {
    let (directory, names) = names(root, folder);
    let Some(name) = names.get(nth) else {
        return;
    };
    let mut bytes = directory.content(name).unwrap();
    how(&mut bytes);
    directory.plant(name, &bytes).unwrap();
    let (mended, found) = mended(root);
    let worse = found
        .iter()
        .filter(|finding| finding.what.severity() != Severity::Letter);
    let worse: Vec<_> = worse.collect();
    assert!(worse.is_empty(), "{folder:?} {nth}, {mended}: {worse:?}");
    assert!(folder == Folder::Journal || found.is_empty(), "{found:?}");
}

const WAYS: [fn(&mut Vec<u8>); 4] = [
    |bytes| bytes[20] ^= 1,
    |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    },
    |bytes| bytes.truncate(bytes.len() / 2),
    |bytes| {
        let len = bytes.len();
        bytes[len / 3..len / 2].fill(0);
    },
];

#[test]
fn a_repaired_account_is_sound_whatever_index_was_damaged() {
    for folder in [Folder::Chunk, Folder::Manifest] {
        for (seed, how) in (20..).zip(WAYS) {
            for nth in 0..2 {
                is_repaired(&account(seed), folder, nth, how);
            }
        }
    }
}

#[test]
fn a_repaired_account_has_lost_only_letters_wherever_its_journal_was_damaged() {
    let rounds = std::env::var("MAILKEEP_REPAIR_ROUNDS");
    let rounds = rounds.map_or(2, |rounds| rounds.parse().unwrap());
    for first in (30..).step_by(WAYS.len()).take(rounds) {
        for (seed, how) in (first..).zip(WAYS) {
            for nth in 0..3 {
                is_repaired(&account(seed), Folder::Journal, nth, how);
            }
        }
    }
}

#[test]
fn an_account_without_any_manifest_is_sound_after_its_repair() {
    for seed in 40..43 {
        let root = account(seed);
        let (directory, names) = names(&root, Folder::Manifest);
        for name in names {
            directory.plant(&name, b"spoilt").unwrap();
        }
        let (mended, found) = mended(&root);
        assert!(mended);
        assert_eq!(found, []);
    }
}
