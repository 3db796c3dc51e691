//! The power is cut, the process dies, the disk fills up or fails, at every call
//! of a long random history: records in haste and others, several segments, new
//! terms, openings that start in the middle, segments removed. After each opening
//! the journal must hold what was acknowledged as durable, in order, each record
//! once; then what was only written, whole unless the power was cut or a sync
//! failed, and else a first part of it; then perhaps a first part of what was on
//! its way; and nothing that was refused. An end that lost anything that was
//! acknowledged never looks clean, until something later has been synced.
//!
//! `MAILKEEP_CRASH_SEEDS=10000` runs more histories than the usual.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail it like the test itself"
)]

use journal::disk::{Disk, Name};
use journal::recover::{self, Opened};
use journal::sim::{Fault, Random, SimDisk};
use journal::{
    Appender, CommitError, Haste, Kind, Lsn, OpenError, Record, Settings, Start, Syncer, Verdict,
    segment,
};

const KIND: Kind = Kind::critical(16);

const SETTINGS: Settings = Settings {
    purpose: *b"TEST",
    term: None,
    writer: 0x0123_4567_89ab_cdef,
};

/// A record that was made: its name, where it ends, and whether it is in haste.
#[derive(Clone, Copy, Debug)]
struct Made {
    id: u64,
    end: Lsn,
    haste: Haste,
}

/// What must be there, and what may be, from `start` on.
#[derive(Debug)]
struct Model {
    start: Start,
    durable: Vec<u64>,
    written: Vec<Made>,
    on_their_way: Vec<Made>,
    made: u64,
    /// A sync has failed, or the power was cut, since the last opening.
    unsure: bool,
    /// Something that was acknowledged is gone, and nothing was synced since.
    lost: bool,
}

impl Model {
    fn new() -> Self {
        Self {
            start: Start::BEGINNING,
            durable: Vec::new(),
            written: Vec::new(),
            on_their_way: Vec::new(),
            made: 0,
            unsure: false,
            lost: false,
        }
    }

    /// Compares what an opening has found, which is durable from then on.
    fn check(&mut self, found: &[u64], clean: bool, context: &str) {
        let sure = self.durable.len();
        let whole = sure + self.written.len();
        let ids = |made: &[Made]| made.iter().map(|made| made.id).collect::<Vec<_>>();
        let known = [
            self.durable.clone(),
            ids(&self.written),
            ids(&self.on_their_way),
        ]
        .concat();
        assert!(
            known.starts_with(found),
            "{context}: records that nobody wrote: {found:?} {self:?}"
        );
        let least = if self.unsure { sure } else { whole };
        assert!(
            found.len() >= least,
            "{context}: acknowledged records are missing: {found:?} {self:?}"
        );
        self.lost |= found.len() < whole;
        assert!(
            !(clean && self.lost),
            "{context}: a loss looks clean: {found:?} {self:?}"
        );
        self.durable = found.to_vec();
        self.written.clear();
        self.on_their_way.clear();
        self.unsure = false;
    }

    /// Moves on what a settled batch has reached.
    fn reach(&mut self, reached: journal::Reached) {
        let below = |made: &[Made], lsn| made.iter().filter(|made| made.end <= lsn).count();
        let written = below(&self.on_their_way, reached.written);
        self.written.extend(self.on_their_way.drain(..written));
        let durable = below(&self.written, reached.durable);
        for made in self.written.drain(..durable) {
            self.durable.push(made.id);
            self.lost &= made.haste == Haste::Written;
        }
        let early = self.written.iter().find(|made| made.haste == Haste::Synced);
        assert!(early.is_none(), "acknowledged before its sync: {early:?}");
    }
}

/// Head and body that name their record, of lengths that follow from the name.
fn content(id: u64) -> (Vec<u8>, Vec<u8>) {
    let len = match id % 21 {
        0 | 7 => 0,
        20 => 65_000 + (id * 13 % 1500) as usize,
        5 | 13 => (id * 97 % 9000) as usize,
        _ => (id * 37 % 3000) as usize,
    };
    let bytes: Vec<u8> = (0..len).map(|i| (i as u64 + id) as u8).collect();
    let (head, body) = bytes.split_at(len * (id % 3) as usize / 2);
    ([&id.to_le_bytes(), head].concat(), body.to_vec())
}

fn open(root: &SimDisk, start: Start) -> (Result<Opened<SimDisk>, OpenError>, Vec<u64>) {
    let mut found = Vec::new();
    let opened = recover::open(root, SETTINGS, start, |record: &Record<'_>| {
        let id = u64::from_le_bytes(*record.head.first_chunk().unwrap());
        let (head, body) = content(id);
        assert_eq!(record.head, head, "a record came back changed");
        assert_eq!(record.body_len as usize, body.len());
        found.push(id);
        Ok(Verdict::Known)
    });
    (opened, found)
}

/// One life of a writer.
struct Life<'a> {
    root: &'a SimDisk,
    random: &'a mut Random,
    model: &'a mut Model,
    appender: Appender,
    syncer: Syncer<SimDisk>,
}

/// A planned fault has ended a life.
struct Ended;

impl Life<'_> {
    fn append(&mut self, haste: Haste) {
        let id = self.model.made;
        self.model.made += 1;
        let (head, body) = content(id);
        let (first, second) = body.split_at(body.len() / 3);
        let appended = self.appender.append(KIND, &head, &[first, second], haste);
        appended.unwrap();
        let end = self.appender.next();
        self.model.on_their_way.push(Made { id, end, haste });
    }

    fn append_any(&mut self) {
        let haste = match self.random.chance(2) {
            true => Haste::Synced,
            false => Haste::Written,
        };
        self.append(haste);
    }

    /// Sends what has gathered to the disk, while perhaps more gathers.
    fn commit(&mut self) -> Result<(), Ended> {
        let Some(batch) = self.appender.take_batch() else {
            return Ok(());
        };
        if self.random.chance(2) {
            self.append_any();
        }
        match self.appender.settle(self.syncer.commit(batch)) {
            Ok(reached) => self.model.reach(reached),
            Err(CommitError::NoSpace) => self.model.on_their_way.clear(),
            Err(CommitError::Poisoned(_)) => {
                self.model.unsure = true;
                return Err(Ended);
            }
        }
        Ok(())
    }

    fn quiet(&mut self) -> Result<(), Ended> {
        for _ in 0..3 {
            self.commit()?;
        }
        while self.appender.quiet().unwrap() {
            self.commit()?;
            if !self.appender.is_settled() {
                break;
            }
        }
        Ok(())
    }

    /// The state up to here is known from elsewhere from now on.
    fn checkpoint(&mut self) {
        if !self.appender.is_settled() || !self.appender.is_synced() {
            return;
        }
        self.model.start = self.appender.position();
        self.model.durable.clear();
        self.appender.end_segment();
    }

    fn remove_segments(&mut self) -> Result<(), Ended> {
        let dir = self.root.open_dir(&Name::new("journal").unwrap());
        let dir = dir.map_err(|_| Ended)?;
        for start in self.appender.forget_below(self.model.start.lsn) {
            dir.remove(&segment::name(start)).map_err(|_| Ended)?;
        }
        Ok(())
    }

    fn act(&mut self) -> Result<(), Ended> {
        match self.random.below(16) {
            0..6 => self.append_any(),
            6..11 => self.commit()?,
            11 => self.appender.want_sync(),
            12 => self.quiet()?,
            13 => self.checkpoint(),
            14 => self.remove_segments()?,
            _ => {
                let term = self.appender.position().term + 1;
                let begun = self.appender.begin_term(term, self.random.draw());
                assert_eq!(begun, self.appender.is_settled());
            }
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), Ended> {
        if self.model.lost {
            // What was lost is made good before anything else.
            self.append(Haste::Synced);
            self.commit()?;
        }
        for _ in 0..self.random.below(40) {
            self.act()?;
        }
        if self.random.chance(2) {
            self.quiet()?;
        }
        Ok(())
    }
}

/// Opens and lives until a planned fault or its time ends it.
fn live(root: &SimDisk, random: &mut Random, model: &mut Model, context: &str) {
    let (opened, found) = open(root, model.start);
    let Opened {
        mut appender,
        syncer,
        report,
    } = match opened {
        Ok(opened) => opened,
        Err(OpenError::Disk(_)) => {
            model.unsure = true;
            return;
        }
        Err(other) => panic!("{context}: {other}"),
    };
    assert!(report.rotten.is_empty(), "{context}: {report:?}");
    model.check(&found, report.clean, context);
    // In the longer ones much is written ahead.
    appender.shorten_segments(if random.chance(2) { 40_000 } else { 400_000 });
    let mut life = Life {
        root,
        random,
        model,
        appender,
        syncer,
    };
    let _ = life.run();
}

/// The machine or the process comes to its end, and back.
fn end(root: &SimDisk, power: bool, model: &mut Model) -> SimDisk {
    root.forgive();
    match power {
        true => {
            model.unsure = true;
            root.restore_power()
        }
        false => root.restart_process(),
    }
}

fn open_at_last(root: &SimDisk, model: &mut Model, context: &str) {
    let (opened, found) = open(root, model.start);
    let opened = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
    model.check(&found, opened.report.clean, context);
}

/// Whether zeros stand at the end of a segment.
fn is_written_ahead(root: &SimDisk) -> bool {
    let Ok(dir) = root.open_dir(&Name::new("journal").unwrap()) else {
        return false;
    };
    let names = dir.list().unwrap_or_default();
    let mut contents = names.iter().filter_map(|name| dir.content(name).ok());
    contents.any(|bytes| bytes.ends_with(&[0; 64]))
}

/// One history of many lives, each with faults at random calls. In how many of them
/// the end came with zeros written ahead.
fn history(seed: u64) -> usize {
    let mut ahead = 0;
    let mut random = Random::new(seed);
    let mut root = SimDisk::new(seed);
    let mut model = Model::new();
    for life in 0..12 {
        let fault = match random.below(4) {
            0 => Fault::Eio,
            1 => Fault::Enospc,
            _ => Fault::PowerCut,
        };
        if !random.chance(4) {
            root.plan(root.calls() + random.below(40), fault);
        }
        let context = format!("seed {seed} life {life} {fault:?}");
        live(&root, &mut random, &mut model, &context);
        let power = root.is_off() || random.chance(3);
        root = end(&root, power, &mut model);
        ahead += usize::from(is_written_ahead(&root));
    }
    open_at_last(&root, &mut model, &format!("seed {seed}, the last opening"));
    ahead
}

#[test]
fn acknowledged_records_survive_every_random_history() {
    let seeds = std::env::var("MAILKEEP_CRASH_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(200);
    let ahead: usize = (0..seeds).map(history).sum();
    assert!(
        ahead as u64 > seeds / 2,
        "only {ahead} lives ended with zeros ahead"
    );
}

/// The same short life with a fault at call 0, 1, 2, ... until none is left.
#[test]
fn acknowledged_records_survive_a_fault_at_every_single_call() {
    for fault in [Fault::PowerCut, Fault::Eio, Fault::Enospc] {
        for seed in 0..8 {
            for call in 0.. {
                let root = SimDisk::new(seed * 1000 + call);
                let mut model = Model::new();
                live(&root, &mut Random::new(seed), &mut model, "the first life");
                let root = end(&root, false, &mut model);
                root.plan(root.calls() + call, fault);
                let context = format!("{fault:?} seed {seed} call {call}");
                live(&root, &mut Random::new(seed + 1), &mut model, &context);
                let left = root.planned();
                let root = end(&root, root.is_off(), &mut model);
                open_at_last(&root, &mut model, &context);
                if left > 0 {
                    break;
                }
            }
        }
    }
}
