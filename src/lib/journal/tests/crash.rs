//! The power is cut, the disk fills up or fails, at every call of a long random
//! history. After each opening the journal must hold what was acknowledged, in
//! order, each record once; then perhaps a first part of what was on its way;
//! and nothing that was refused.
//!
//! `MAILKEEP_CRASH_SEEDS=10000` runs more histories than the usual.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail it like the test itself"
)]

use journal::recover::Start;
use journal::recover::{self, Opened};
use journal::sim::{Fault, Random, SimDisk};
use journal::{CommitError, Haste, Kind, OpenError, Record, Settings, Verdict};

const KIND: Kind = Kind::critical(16);

const SETTINGS: Settings = Settings {
    purpose: *b"TEST",
    term: Some(1),
    writer: 0x0123_4567_89ab_cdef,
};

/// What must be there, and what may be.
#[derive(Default, Debug)]
struct Model {
    acknowledged: Vec<u64>,
    on_their_way: Vec<u64>,
    made: u64,
}

impl Model {
    /// Compares what an opening has found, which is acknowledged from then on.
    fn check(&mut self, found: &[u64], context: &str) {
        let sure = self.acknowledged.len();
        assert!(
            found.len() >= sure && found[..sure] == self.acknowledged[..],
            "{context}: acknowledged records are missing: {found:?} {self:?}"
        );
        assert!(
            self.on_their_way.starts_with(&found[sure..]),
            "{context}: records that nobody wrote: {found:?} {self:?}"
        );
        self.acknowledged = found.to_vec();
        self.on_their_way.clear();
    }
}

/// A payload that names its record, of a length that follows from the name.
fn payload(id: u64) -> Vec<u8> {
    let len = match id % 21 {
        0 | 7 => 0,
        20 => 65_000 + (id * 13 % 1500) as usize,
        5 | 13 => (id * 97 % 9000) as usize,
        _ => (id * 37 % 3000) as usize,
    };
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend((0..len).map(|i| (i as u64 + id) as u8));
    bytes
}

fn open(root: &SimDisk) -> (Result<Opened<SimDisk>, OpenError>, Vec<u64>) {
    let mut found = Vec::new();
    let opened = recover::open(root, SETTINGS, Start::BEGINNING, |record: &Record<'_>| {
        let id = u64::from_le_bytes(*record.head.first_chunk().unwrap());
        assert_eq!(record.head, payload(id), "a record came back changed");
        found.push(id);
        Ok(Verdict::Known)
    });
    (opened, found)
}

/// Opens until a planned fault stops it; whether it ran to its end.
fn live(root: &SimDisk, random: &mut Random, model: &mut Model, context: &str) -> bool {
    let (opened, found) = open(root);
    let Opened {
        mut appender,
        mut syncer,
        ..
    } = match opened {
        Ok(opened) => opened,
        Err(OpenError::Disk(_)) => return false,
        Err(other) => panic!("{context}: {other}"),
    };
    model.check(&found, context);
    appender.shorten_segments(40_000);
    for _ in 0..random.below(12) {
        for _ in 0..random.below(4) {
            let id = model.made;
            model.made += 1;
            appender
                .append(KIND, &payload(id), &[], Haste::Synced)
                .unwrap();
            model.on_their_way.push(id);
        }
        if random.chance(3) {
            appender.quiet().unwrap();
        }
        let Some(batch) = appender.take_batch() else {
            continue;
        };
        let sent = model.on_their_way.len();
        if random.chance(2) {
            let id = model.made;
            model.made += 1;
            appender
                .append(KIND, &payload(id), &[], Haste::Synced)
                .unwrap();
            model.on_their_way.push(id);
        }
        match appender.settle(syncer.commit(batch)) {
            Ok(_) => model.acknowledged.extend(model.on_their_way.drain(..sent)),
            Err(CommitError::NoSpace) => model.on_their_way.clear(),
            Err(CommitError::Poisoned(_)) => return false,
        }
    }
    if random.chance(2) {
        appender.quiet().unwrap();
        if let Some(batch) = appender.take_batch() {
            return appender.settle(syncer.commit(batch)).is_ok();
        }
    }
    true
}

/// One history of many lives, each with faults at random calls.
fn history(seed: u64) {
    let mut random = Random::new(seed);
    let mut root = SimDisk::new(seed);
    let mut model = Model::default();
    for life in 0..12 {
        let fault = match random.below(4) {
            0 => Fault::Eio,
            1 => Fault::Enospc,
            _ => Fault::PowerCut,
        };
        if !random.chance(4) {
            root.plan(root.calls() + random.below(30), fault);
        }
        let context = format!("seed {seed} life {life} {fault:?}");
        live(&root, &mut random, &mut model, &context);
        let powerless = root.is_off() || random.chance(3);
        root.forgive();
        root = match powerless {
            true => root.restore_power(),
            false => root.restart_process(),
        };
    }
    let (opened, found) = open(&root);
    opened.unwrap_or_else(|error| panic!("seed {seed}, the last opening: {error}"));
    model.check(&found, &format!("seed {seed}, the last opening"));
}

#[test]
fn acknowledged_records_survive_every_random_history() {
    let seeds = std::env::var("MAILKEEP_CRASH_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(200);
    for seed in 0..seeds {
        history(seed);
    }
}

/// The same short life with a fault at call 0, 1, 2, ... until none is left.
#[test]
fn acknowledged_records_survive_a_fault_at_every_single_call() {
    for fault in [Fault::PowerCut, Fault::Eio, Fault::Enospc] {
        for seed in 0..8 {
            for call in 0.. {
                let root = SimDisk::new(seed * 1000 + call);
                let mut model = Model::default();
                live(&root, &mut Random::new(seed), &mut model, "the first life");
                let root = root.restart_process();
                root.plan(root.calls() + call, fault);
                let context = format!("{fault:?} seed {seed} call {call}");
                live(&root, &mut Random::new(seed + 1), &mut model, &context);
                let hit = root.is_off();
                let left = root.planned();
                root.forgive();
                let root = if hit {
                    root.restore_power()
                } else {
                    root.restart_process()
                };
                let (opened, found) = open(&root);
                opened.unwrap_or_else(|error| panic!("{context}: {error}"));
                model.check(&found, &context);
                if left > 0 {
                    break;
                }
            }
        }
    }
}
