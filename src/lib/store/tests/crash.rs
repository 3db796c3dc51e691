//! The power is cut, the disk fills up or fails, at the calls of long random
//! histories of an account. After each opening the account must be what it was
//! when the last change was acknowledged, then perhaps a first part of the
//! changes that were on their way; nothing half done, nothing refused, no number
//! given twice, and every client that comes back ends with what is there. Changes
//! of flags that were answered and not yet synced may be missing after a power
//! cut, the last first.
//!
//! Every call that changes or syncs something is photographed now and then (all
//! of them in the short histories): the power is cut in the photograph, and it is
//! opened, perhaps with another cut while it recovers. Between the photographs
//! the history itself goes on through faults, restarts and cuts.
//!
//! `MAILKEEP_CRASH_SEEDS=10000` runs more histories than the usual, and
//! `MAILKEEP_CRASH_SEED=17` one. A failure names its seed, and how to repeat it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail it like the test itself"
)]

mod proof;

use journal::disk::{Disk, Name};
use journal::sim::{Fault, Random, SimDisk};
use proof::draw::Drawer;
use proof::house;
use proof::model::{Account, Change};
use proof::witness::{Client, Witness};
use std::collections::VecDeque;
use store::{
    Fatal, Job, Opened, Outcome, PackedBody, Progress, ReadError, Refusal, Resource, Settled,
    Ticket, Urgency,
};

/// Histories in an ordinary run: a minute in a debug build, on a slow machine.
const SEEDS: u64 = 500;

/// Histories of which every single call is photographed.
const THOROUGH_SEEDS: u64 = 8;

/// Bytes of journal after which upkeep comes, and of each of its steps.
const UPKEEP_BYTES: u64 = 2000;

/// Clients that sleep, each with a state of its own.
const CLIENTS_MAX: usize = 3;

/// The store under test, what it must hold, and who has looked at it.
struct Trial {
    context: String,
    /// What is durable, and behind it what it became with each change that was
    /// answered and may be lost in a power cut.
    stages: Vec<Account>,
    on_their_way: VecDeque<(Ticket, Change)>,
    drawer: Drawer,
    witness: Witness,
    clients: Vec<Client>,
    /// What was shown last.
    looked_at: Account,
    /// The piece of upkeep that is out.
    job: Option<Job>,
    /// A sync failed in this life: what was written before may be lost like in a
    /// power cut, though only the process ends.
    distrust: bool,
    now_secs: i64,
}

/// How a machine came to stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    PowerCut,
    Death,
}

impl Trial {
    fn new() -> Self {
        Self {
            context: String::new(),
            stages: Vec::new(),
            on_their_way: VecDeque::new(),
            drawer: Drawer::default(),
            witness: Witness::default(),
            clients: Vec::new(),
            looked_at: Account::default(),
            job: None,
            distrust: false,
            now_secs: 1_700_000_000,
        }
    }

    fn visible(&self) -> &Account {
        self.stages.last().expect("the account was founded")
    }

    /// Every account that may be found now.
    fn possible(&self, end: End) -> Vec<Account> {
        let surely = match end {
            End::Death if !self.distrust => self.stages.len().saturating_sub(1),
            _ => 0,
        };
        let mut possible = self.stages[surely..].to_vec();
        for (_, change) in &self.on_their_way {
            let mut next = possible.last().expect("the visible one").clone();
            next.apply(change);
            possible.push(next);
        }
        possible
    }

    fn find(&self, found: &Account, end: End, context: &str) {
        let possible = self.possible(end);
        assert!(
            possible.iter().any(|account| account.is(found)),
            "{context}, {end:?}, {} stages:\n{}on their way {:#?}",
            self.stages.len(),
            self.visible().differences(found),
            self.on_their_way
        );
    }

    /// Opens what a photograph shows, after its end; perhaps with a power cut while
    /// it recovers, or with its newest manifest rotten. What it holds must be
    /// possible. Then it goes on, and the power is cut once more.
    fn judge(&self, photograph: &SimDisk, random: &mut Random) {
        let mut end = [End::PowerCut, End::PowerCut, End::Death][random.below(3) as usize];
        let mut root = restart(photograph, end);
        let context = format!("{}, a photograph", self.context);
        if random.chance(4) {
            root.plan(root.calls() + random.below(12), Fault::PowerCut);
        } else if random.chance(6) {
            spoil_newest_manifest(&root);
        }
        let mut opened = house::open(&root);
        if root.is_off() {
            end = End::PowerCut;
            root = root.restore_power();
            opened = house::open(&root);
        }
        root.forgive();
        let mut opened = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = house::read_all(&mut opened).unwrap();
        if self.stages.is_empty() {
            return;
        }
        self.find(&found, end, &context);
        self.witness.judge(&found, &opened.store, &context);
        for client in &self.clients {
            client.resynchronise(&mut opened, &context);
        }
        let after = self.go_on(&mut opened, found, random, &context);
        drop(opened);
        let mut opened = house::open(&root.restore_power())
            .unwrap_or_else(|error| panic!("{context}, cut again: {error}"));
        let found = house::read_all(&mut opened).unwrap();
        let differences = after.differences(&found);
        assert!(after.is(&found), "{context}, cut again:\n{differences}");
    }

    /// What is done after a recovery gets numbers that nobody has seen; the account
    /// then, which is durable.
    fn go_on(
        &self,
        opened: &mut Opened<SimDisk>,
        found: Account,
        random: &mut Random,
        context: &str,
    ) -> Account {
        let mut drawer = Drawer::after(1_000_000);
        let mut account = found.clone();
        for _ in 0..4 {
            let change = drawer.change(&account, random);
            let packed = inline(&change);
            if house::ask(opened, &change, &packed).unwrap().is_err() {
                continue;
            }
            if matches!(commit(opened, 1), Ok(settled) if settled.iter().all(|s| s.outcome.is_ok()))
            {
                account.apply(&change);
            }
        }
        opened.store.want_sync();
        commit(opened, 1000).unwrap();
        let seen = house::see(&opened.store, &account);
        let differences = account.differences(&seen);
        assert!(account.is(&seen), "{context}, gone on:\n{differences}");
        self.witness.judge(&seen, &opened.store, context);
        self.witness.judge_new(&found, &seen, context);
        seen
    }

    /// Judges what the disk has been photographed at. The history itself is the
    /// same however often it is photographed.
    fn judge_photographs(&self, root: &SimDisk) {
        for (call, photograph) in root.photographs() {
            self.judge(&photograph, &mut Random::new(call));
        }
    }

    /// Takes in a store that was just opened. What it holds is durable.
    fn begin(&mut self, opened: &mut Opened<SimDisk>, end: End) -> bool {
        let context = self.context.clone();
        let Some(found) = of_the_disk(house::read_all(opened)) else {
            return false;
        };
        if !self.stages.is_empty() {
            self.find(&found, end, &context);
        }
        self.witness.look(&found, &opened.store, &context);
        self.looked_at = found.clone();
        self.stages = vec![found];
        self.on_their_way.clear();
        self.distrust = false;
        let clients = std::mem::take(&mut self.clients).into_iter();
        self.clients = clients
            .filter_map(|client| client.resynchronise(opened, &context))
            .collect();
        true
    }

    /// Prepares a random change. `false` if the disk failed meanwhile.
    fn prepare(&mut self, opened: &mut Opened<SimDisk>, random: &mut Random) -> bool {
        opened.store.tell_time(self.now_secs);
        let visible = self.visible().clone();
        let change = self.drawer.change(&visible, random);
        let Some(packed) = house::bodies(opened, &change, random) else {
            return false;
        };
        let Some(asked) = of_the_disk(house::ask(opened, &change, &packed)) else {
            return false;
        };
        // What was fetched for it is seen now, not only heard of.
        self.look(opened);
        match asked {
            Ok(ticket) => {
                self.expect_within_quota(&change);
                self.on_their_way.push_back((ticket, change));
            }
            Err(Refusal::OverQuota(resource)) => self.expect_over_quota(&change, resource),
            Err(refusal) => assert!(
                is_expected(refusal),
                "{}: {refusal:?} for {change:?}",
                self.context
            ),
        }
        true
    }

    /// What everything on its way, and then this change, will make of the account.
    fn outlook(&self, change: &Change) -> (Account, Account) {
        let mut before = self.visible().clone();
        self.on_their_way
            .iter()
            .for_each(|(_, sent)| before.apply(sent));
        let mut after = before.clone();
        after.apply(change);
        (before, after)
    }

    fn expect_within_quota(&self, change: &Change) {
        let (before, after) = self.outlook(change);
        let sums = before.usage().into_iter().zip(after.usage());
        for ((before, now), limit) in sums.zip(after.limits) {
            let over = limit.is_some_and(|limit| now > before && now > limit);
            assert!(!over, "{}: {change:?} goes over a limit", self.context);
        }
    }

    /// With something on its way the store may count what will not come about.
    fn expect_over_quota(&self, change: &Change, resource: Resource) {
        if !self.on_their_way.is_empty() {
            return;
        }
        let (before, after) = self.outlook(change);
        let which = match resource {
            Resource::Bytes => 0,
            Resource::Messages => 1,
            Resource::Mailboxes => 2,
        };
        let grows = after.usage()[which] > before.usage()[which] || is_move(change);
        let over = before.limits[which].is_some_and(|limit| after.usage()[which] > limit);
        assert!(
            grows && over,
            "{}: {change:?} is within {resource:?}",
            self.context
        );
    }

    /// Sends one batch to the disk, and takes in what came of it. `false` if the
    /// worker must end.
    fn commit(
        &mut self,
        opened: &mut Opened<SimDisk>,
        root: &SimDisk,
        random: &mut Random,
    ) -> bool {
        let Some(batch) = opened.store.take_batch() else {
            return true;
        };
        while random.chance(2) {
            if !self.prepare(opened, random) {
                return false;
            }
        }
        let report = opened.syncer.commit(batch);
        self.judge_photographs(root);
        match opened.store.settle(report) {
            Ok(()) => {}
            Err(Fatal::Disk(_)) => {
                self.distrust = true;
                return false;
            }
            Err(other) => panic!("{}: {other}", self.context),
        }
        self.apply(opened, random);
        true
    }

    /// Lets what is settled become visible, step by step.
    fn apply(&mut self, opened: &mut Opened<SimDisk>, random: &mut Random) {
        let step = [1, 3, 1000][random.below(3) as usize];
        loop {
            let applied = opened.store.apply(step).unwrap();
            let any = !applied.settled.is_empty();
            for settled in applied.settled {
                self.settle(settled);
            }
            if any || !applied.more {
                self.look(opened);
            } else if random.chance(8) {
                let seen = house::see(&opened.store, self.visible());
                assert!(self.visible().is(&seen), "{}: half done", self.context);
            }
            if !applied.more {
                break;
            }
        }
        if opened.store.is_synced() {
            self.stages.drain(..self.stages.len() - 1);
        }
    }

    fn settle(&mut self, settled: Settled) {
        let (ticket, change) = self.on_their_way.pop_front().expect("a change");
        assert_eq!(ticket, settled.ticket, "{}: not in order", self.context);
        let outcome = match settled.outcome {
            Ok(outcome) => outcome,
            Err(refusal) => return assert_eq!(refusal, Refusal::NoSpace, "{}", self.context),
        };
        let mut next = self.visible().clone();
        next.apply(&change);
        if let Outcome::Created { id, validity } = outcome {
            let made = next
                .mailboxes
                .values_mut()
                .filter(|mailbox| mailbox.id.is_none());
            made.for_each(|mailbox| mailbox.id = Some((id.0, validity.get())));
        }
        if !change.is_lazy() {
            self.stages.clear();
        }
        self.stages.push(next);
    }

    /// What is visible is what must be, and shows nothing twice.
    fn look(&mut self, opened: &mut Opened<SimDisk>) {
        let seen = house::see(&opened.store, self.visible());
        assert!(
            self.visible().is(&seen),
            "{}:\n{}",
            self.context,
            self.visible().differences(&seen)
        );
        self.stages.last_mut().expect("one").learn(&seen);
        let context = self.context.clone();
        self.witness.judge_new(&self.looked_at, &seen, &context);
        self.witness.look(&seen, &opened.store, &context);
        self.looked_at = seen;
    }

    /// A client goes to sleep with what it knows.
    fn remember(&mut self, opened: &Opened<SimDisk>, random: &mut Random) {
        let mailboxes = house::mailboxes(&opened.store);
        let n = random.below(mailboxes.len() as u64) as usize;
        if let Some(client) = Client::of(&opened.store, &mailboxes[n].1) {
            self.clients.push(client);
        }
        if self.clients.len() > CLIENTS_MAX {
            self.clients
                .remove(random.below(CLIENTS_MAX as u64) as usize);
        }
    }

    /// One step of upkeep. `false` if the disk failed.
    fn keep_up(
        &mut self,
        opened: &mut Opened<SimDisk>,
        root: &SimDisk,
        random: &mut Random,
    ) -> bool {
        self.now_secs += [1, 3600, 40 * 86_400][random.below(3) as usize];
        let Some(mut job) = self.job.take() else {
            let urgency = [Urgency::Usual, Urgency::Leaving][random.below(2) as usize];
            self.job = opened.store.upkeep(self.now_secs, urgency);
            return true;
        };
        let progress = job.step(&opened.files);
        self.distrust |= progress.is_err();
        self.judge_photographs(root);
        match progress {
            Ok(Progress::More) => self.job = Some(job),
            Ok(Progress::Done(report)) => {
                opened.store.finish(report);
                while opened.store.finish_step(self.now_secs) {}
                self.look(opened);
            }
            Err(_) => return false,
        }
        true
    }

    /// One life of a worker, ended by a fault or by itself.
    fn live(&mut self, root: &SimDisk, random: &mut Random, steps: u64, end: End) {
        self.job = None;
        let mut opened = match house::open(root) {
            Ok(opened) => opened,
            Err(error) if house::is_of_the_disk(&error) => return,
            Err(error) => panic!("{}: {error}", self.context),
        };
        self.judge_photographs(root);
        if !self.begin(&mut opened, end) {
            return;
        }
        opened.store.shorten_segments(60_000);
        opened.store.hurry_upkeep(UPKEEP_BYTES);
        for _ in 0..steps {
            if !self.step(&mut opened, root, random) {
                return;
            }
        }
        if let Some(found) = of_the_disk(house::read_all(&mut opened)) {
            let visible = self.visible();
            assert!(visible.is(&found), "{}: what is visible", self.context);
        }
    }

    fn step(&mut self, opened: &mut Opened<SimDisk>, root: &SimDisk, random: &mut Random) -> bool {
        for _ in 0..random.below(4) {
            if !self.prepare(opened, random) {
                return false;
            }
        }
        if random.chance(4) && opened.store.quiet().is_err() {
            return false;
        }
        if random.chance(4) {
            opened.store.want_sync();
        }
        if !self.commit(opened, root, random) {
            return false;
        }
        if random.chance(3) {
            self.remember(opened, random);
        }
        if random.chance(3) {
            opened.store.put_away(|mailbox| mailbox.0 % 3 == 0);
        }
        // Now and then a whole piece of upkeep without any commit between its steps.
        let steps = if random.chance(6) {
            16
        } else {
            random.below(4)
        };
        for _ in 0..steps {
            if !self.keep_up(opened, root, random) {
                return false;
            }
        }
        true
    }
}

/// What was read, if the disk could; it must never give anything else.
fn of_the_disk<T>(read: Result<T, ReadError>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(ReadError::Disk(_)) => None,
        Err(error) => panic!("{error:?}"),
    }
}

fn is_move(change: &Change) -> bool {
    matches!(change, Change::Transfer { moving: true, .. })
}

/// What random changes are refused for, and nothing else.
fn is_expected(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Busy
            | Refusal::NothingToDo
            | Refusal::AlreadyExists
            | Refusal::InboxStays
            | Refusal::InsideItself
            | Refusal::NoSuchMailbox
            | Refusal::NoRight
    )
}

/// Rot in the newest manifest, if there is one before it.
fn spoil_newest_manifest(root: &SimDisk) {
    let manifests = root.open_dir(&Name::new("manifest").unwrap());
    let Ok(manifests) = manifests else {
        return;
    };
    let names = manifests.list().unwrap().into_iter();
    let mut whole: Vec<Name> = names.filter(|name| name.number("mf").is_some()).collect();
    whole.sort();
    if let [.., _, newest] = whole.as_slice() {
        let mut bytes = manifests.content(newest).unwrap();
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
        manifests.plant(newest, &bytes).unwrap();
    }
}

fn restart(root: &SimDisk, end: End) -> SimDisk {
    match end {
        End::PowerCut => root.restore_power(),
        End::Death => root.restart_process(),
    }
}

fn inline(change: &Change) -> Vec<Option<PackedBody>> {
    change.letters().iter().map(|_| None).collect()
}

/// Sends what has gathered to the disk, and applies what came of it.
fn commit(opened: &mut Opened<SimDisk>, step: usize) -> Result<Vec<Settled>, Fatal> {
    let mut settled = Vec::new();
    while let Some(batch) = opened.store.take_batch() {
        let report = opened.syncer.commit(batch);
        opened.store.settle(report)?;
        loop {
            let applied = opened.store.apply(step)?;
            settled.extend(applied.settled);
            if !applied.more {
                break;
            }
        }
    }
    Ok(settled)
}

/// A worker's life that ends in some way: how, and with which disk.
fn one_life(trial: &mut Trial, root: &SimDisk, random: &mut Random, began: End) -> (End, SimDisk) {
    let fault = [Fault::Eio, Fault::Enospc, Fault::PowerCut][random.below(3) as usize];
    match random.below(6) {
        0 => {}
        1 => root.plan_blindness(root.looks() + random.below(60)),
        2 => root.limit_space(Some(root.used_space() + random.below(9000))),
        _ => root.plan(root.calls() + random.below(60), fault),
    }
    trial.distrust |= began == End::PowerCut;
    let steps = 4 + random.below(9);
    trial.live(root, random, steps, began);
    trial.judge_photographs(root);
    let end = match root.is_off() || random.chance(3) {
        true => End::PowerCut,
        false => End::Death,
    };
    root.forgive();
    root.limit_space(None);
    let distrusted = end == End::Death && trial.distrust;
    let root = restart(root, end);
    (if distrusted { End::PowerCut } else { end }, root)
}

/// The file system goes back to what it was some lives ago, and the account is
/// told so: everything gets numbers that nobody has seen.
fn roll_back(trial: &mut Trial, backup: &Backup) -> SimDisk {
    let root = backup.disk.fork(trial.witness.highest_modseq);
    let context = format!("{}, rolled back", trial.context);
    let mut opened = house::open(&root).unwrap_or_else(|error| panic!("{context}: {error}"));
    let mut expected = backup.account.clone();
    let asked = house::ask(&mut opened, &Change::Rewound, &[]);
    asked
        .expect("a disk that works")
        .expect("nothing is pending");
    commit(&mut opened, 1000).expect("a disk that works");
    let found = house::read_all(&mut opened).expect("a disk that works");
    expected.apply(&Change::Rewound);
    for (path, mailbox) in &found.mailboxes {
        let (_, validity) = mailbox.id.expect("it was found");
        assert!(
            !trial.witness.knows_validity(validity),
            "{context}: {path:?}"
        );
    }
    forget_modseqs(&mut expected);
    let differences = expected.differences(&found);
    assert!(expected.is(&found), "{context}:\n{differences}");
    trial.stages = vec![found];
    trial.on_their_way.clear();
    root.restart_process()
}

/// A copy of the disk from a moment of rest.
struct Backup {
    disk: SimDisk,
    account: Account,
}

/// Many lives of one account.
fn history(seed: u64, one_in: u64) {
    let mut random = Random::new(seed);
    let mut root = SimDisk::new(seed);
    let mut trial = Trial::new();
    let mut end = End::Death;
    let mut backup = None;
    for life in 0..5 {
        trial.context = format!("{}, life {life}", repeat(seed));
        root.photograph(one_in, seed + life);
        (end, root) = one_life(&mut trial, &root, &mut random, end);
        root.photograph(0, 0);
        if random.chance(6) && !trial.stages.is_empty() {
            backup = rest(&mut trial, &root, end);
            end = End::Death;
        } else if let Some(backup) = backup.take_if(|_| random.chance(3)) {
            root = roll_back(&mut trial, &backup);
            end = End::Death;
        }
    }
    trial.context = format!("{}, the last opening", repeat(seed));
    trial.live(&root, &mut random, 0, end);
}

/// Opens the account, lets it come to rest, and copies its disk.
fn rest(trial: &mut Trial, root: &SimDisk, end: End) -> Option<Backup> {
    let mut opened = house::open(root).unwrap_or_else(|error| panic!("{}: {error}", trial.context));
    assert!(trial.begin(&mut opened, end), "a disk that works");
    opened.store.quiet().expect("it was just opened");
    commit(&mut opened, 1000).expect("a disk that works");
    Some(Backup {
        disk: root.fork(1),
        account: trial.visible().clone(),
    })
}

fn forget_modseqs(account: &mut Account) {
    let mailboxes = account.mailboxes.values_mut();
    mailboxes
        .flat_map(|mailbox| mailbox.messages.values_mut())
        .for_each(|message| message.modseq = None);
}

fn repeat(seed: u64) -> String {
    format!("seed {seed} (MAILKEEP_CRASH_SEED={seed} cargo test -p store --test crash)")
}

fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn acknowledged_changes_survive_every_random_history() {
    if let Some(seed) = asked("MAILKEEP_CRASH_SEED") {
        return history(seed, 1);
    }
    let seeds = asked("MAILKEEP_CRASH_SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        history(seed, if seed < THOROUGH_SEEDS { 1 } else { 20 });
    }
}

/// The same two short lives, with a fault at call 0, 1, 2, ... of the second.
#[test]
fn acknowledged_changes_survive_a_fault_at_every_single_call() {
    for fault in [
        Some(Fault::PowerCut),
        Some(Fault::Eio),
        Some(Fault::Enospc),
        None,
    ] {
        for seed in 0..2 {
            let mut call = 0;
            while one_fault(fault, seed, call) {
                call += 1;
            }
        }
    }
}

/// Two lives with one fault in the second; `None`: a look that fails. Whether the
/// fault came.
fn one_fault(fault: Option<Fault>, seed: u64, call: u64) -> bool {
    let root = SimDisk::new(seed * 1000 + call);
    let mut trial = Trial::new();
    trial.context = format!("{fault:?} at call {call}, seed {seed}");
    trial.live(&root, &mut Random::new(seed), 6, End::Death);
    let root = root.restart_process();
    match fault {
        Some(fault) => root.plan(root.calls() + call, fault),
        None => root.plan_blindness(root.looks() + call),
    }
    trial.live(&root, &mut Random::new(seed + 100), 6, End::Death);
    let came = root.planned() == 0;
    let end = match root.is_off() || trial.distrust {
        true => End::PowerCut,
        false => End::Death,
    };
    root.forgive();
    let root = restart(&root, end);
    trial.context.push_str(", the last opening");
    trial.live(&root, &mut Random::new(seed), 0, end);
    came
}
