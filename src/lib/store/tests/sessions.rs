//! Several sessions at one account, beside a plain model of it: random changes
//! from each, while the account is checkpointed, compacted, scrubbed, put away,
//! and opened anew. What each session is told, step by step, must be what the
//! model has; and its message numbers those of a plain list.
//!
//! `MAILKEEP_SESSION_SEEDS=10000` runs more histories than the usual.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod proof;

use journal::sim::{Random, SimDisk};
use proof::draw::Drawer;
use proof::house::{self, OWNER};
use proof::model::{Account, Change};
use std::collections::{BTreeSet, VecDeque};
use store::{
    Job, MailboxId, Messages, Modseq, Opened, Progress, Refusal, ScrubCursor, Ticket, Uid, Urgency,
    View,
};

/// Histories in an ordinary run: some seconds in a debug build.
const SEEDS: u64 = 60;

/// Sessions at once.
const SESSIONS_MAX: usize = 4;

/// What a client shows of a message: flags and keywords.
type Shown = (u8, BTreeSet<String>);

/// A session with a selected mailbox: what its client was told, in the order of
/// message sequence numbers.
struct Session {
    mailbox: MailboxId,
    view: View,
    told: Vec<(Uid, Shown)>,
}

impl Session {
    fn select(messages: &Messages<'_>) -> Self {
        Self {
            mailbox: messages.mailbox(),
            view: messages.view(),
            told: messages
                .iter()
                .map(|entry| (entry.uid(), shown(messages, entry.uid())))
                .collect(),
        }
    }

    /// As an IMAP server does it: EXPUNGE, then EXISTS, then FETCH.
    fn update(&mut self, messages: &Messages<'_>, with_expunges: bool, context: &str) {
        let changes = messages.changes(&self.view);
        if with_expunges {
            for (sequence, uid) in &changes.expunged {
                let (gone, _) = self.told.remove(*sequence as usize - 1);
                assert_eq!(gone, *uid, "{context}: the wrong message was expunged");
            }
            self.view = messages.announce_all(self.view);
        } else {
            self.view = messages.announce_no_expunges(self.view);
        }
        let exists = messages.exists(&self.view) as usize;
        for sequence in self.told.len() + 1..=exists {
            let uid = messages.uid_at(&self.view, sequence as u32).unwrap();
            self.told.push((uid, shown(messages, uid)));
        }
        for uid in changes.flagged {
            let sequence = messages.seq_of(&self.view, uid).unwrap() as usize;
            self.told[sequence - 1].1 = shown(messages, uid);
        }
        self.agree(messages, context);
    }

    /// Both ends count alike.
    fn agree(&self, messages: &Messages<'_>, context: &str) {
        let exists = messages.exists(&self.view) as usize;
        assert_eq!(exists, self.told.len(), "{context}: EXISTS");
        for ((uid, _), sequence) in self.told.iter().zip(1..) {
            assert_eq!(
                messages.uid_at(&self.view, sequence),
                Some(*uid),
                "{context}"
            );
            assert_eq!(
                messages.seq_of(&self.view, *uid),
                Some(sequence),
                "{context}"
            );
        }
        assert_eq!(messages.uid_at(&self.view, exists as u32 + 1), None);
        assert_eq!(messages.uid_at(&self.view, 0), None);
    }

    /// Everything was told: the client has what the mailbox has.
    fn is_up_to_date(&self, messages: &Messages<'_>, context: &str) {
        let all = messages.iter();
        let all: Vec<_> = all.map(|e| (e.uid(), shown(messages, e.uid()))).collect();
        assert_eq!(self.told, all, "{context}: what the client shows");
        assert!(messages.changes(&self.view).is_empty(), "{context}");
    }
}

fn shown(messages: &Messages<'_>, uid: Uid) -> Shown {
    let Some(entry) = messages.get(uid) else {
        return Shown::default();
    };
    let keywords = messages.keywords_of(entry);
    let keywords = keywords.map(|keyword| keyword.as_str().to_owned());
    (entry.system_flags().bits(), keywords.collect())
}

/// An account with its model and its sessions.
struct Desk {
    root: SimDisk,
    opened: Opened<SimDisk>,
    model: Account,
    on_their_way: VecDeque<(Ticket, Change)>,
    drawer: Drawer,
    sessions: Vec<Session>,
    job: Option<Job>,
    cursor: ScrubCursor,
    now_secs: i64,
    context: String,
}

impl Desk {
    fn new(seed: u64) -> Self {
        let root = SimDisk::new(seed);
        let mut opened = house::open(&root).unwrap();
        let model = house::read_all(&mut opened).unwrap();
        let mut desk = Self {
            root,
            opened,
            model,
            on_their_way: VecDeque::new(),
            drawer: Drawer::default(),
            sessions: Vec::new(),
            job: None,
            cursor: ScrubCursor::default(),
            now_secs: 1_700_000_000,
            context: format!("seed {seed}"),
        };
        desk.hurry();
        desk
    }

    fn hurry(&mut self) {
        self.opened.store.shorten_segments(60_000);
        self.opened.store.hurry_upkeep(3000);
    }

    fn prepare(&mut self, random: &mut Random) {
        let change = self.drawer.change(&self.model, random);
        let packed = house::bodies(&mut self.opened, &change, random).unwrap();
        let asked = house::ask(&mut self.opened, &change, &packed).unwrap();
        // What was fetched for it is seen now, not only heard of.
        self.compare();
        match asked {
            Ok(ticket) => self.on_their_way.push_back((ticket, change)),
            Err(Refusal::Ended | Refusal::NoSpace) => panic!("{}: the disk works", self.context),
            Err(_) => {}
        }
    }

    fn commit(&mut self) {
        let Some(batch) = self.opened.store.take_batch() else {
            return;
        };
        let report = self.opened.syncer.commit(batch);
        self.opened.store.settle(report).unwrap();
        loop {
            let applied = self.opened.store.apply(5).unwrap();
            for settled in applied.settled {
                let (ticket, change) = self.on_their_way.pop_front().unwrap();
                assert_eq!(ticket, settled.ticket, "{}: not in order", self.context);
                settled.outcome.unwrap();
                self.model.apply(&change);
            }
            if !applied.more {
                break;
            }
        }
        self.compare();
    }

    fn compare(&mut self) {
        let seen = house::see(&self.opened.store, &self.model);
        let differences = self.model.differences(&seen);
        assert!(self.model.is(&seen), "{}:\n{differences}", self.context);
        self.model.learn(&seen);
    }

    /// A session begins, or one of them is told something.
    fn look(&mut self, random: &mut Random) {
        if self.sessions.len() < SESSIONS_MAX {
            let mailboxes = house::mailboxes(&self.opened.store);
            let n = random.below(mailboxes.len() as u64) as usize;
            house::load(&mut self.opened, &mailboxes[n].1).unwrap();
            let messages = self.opened.store.messages(&mailboxes[n].1).unwrap();
            self.sessions.push(Session::select(&messages));
        }
        let n = random.below(self.sessions.len() as u64) as usize;
        if !self.tell(n, random.chance(2)) {
            self.sessions.remove(n);
        }
    }

    /// Whether the session's mailbox is still there.
    fn tell(&mut self, n: usize, with_expunges: bool) -> bool {
        let session = &mut self.sessions[n];
        let Ok(handle) = self.opened.store.open_by_id(OWNER, session.mailbox) else {
            return false;
        };
        house::load(&mut self.opened, &handle).unwrap();
        let messages = self.opened.store.messages(&handle).unwrap();
        if messages.uid_validity() != session.view.validity {
            return false;
        }
        session.update(&messages, with_expunges, &self.context);
        if with_expunges {
            session.is_up_to_date(&messages, &self.context);
        }
        true
    }

    /// One step of upkeep, of whatever kind is due.
    fn keep_up(&mut self, random: &mut Random) {
        self.now_secs += [1, 86_400, 40 * 86_400][random.below(3) as usize];
        let Some(mut job) = self.job.take() else {
            let told = self
                .sessions
                .iter()
                .map(|session| session.view.told_expunged);
            let store = &mut self.opened.store;
            store.keep_history_since(told.min().unwrap_or(Modseq::MAX));
            self.job = match random.chance(5) {
                true => store.scrub(&self.cursor),
                false => store.upkeep(self.now_secs, Urgency::Usual),
            };
            return;
        };
        match job.step(&self.opened.files).unwrap() {
            Progress::More => self.job = Some(job),
            Progress::Done(report) => {
                assert!(report.findings().is_empty(), "{:?}", report.findings());
                self.cursor = report.cursor().unwrap_or(self.cursor);
                self.opened.store.finish(report);
                while self.opened.store.finish_step(self.now_secs) {}
                self.compare();
            }
        }
    }

    /// The worker leaves, in order or not, and another comes.
    fn reopen(&mut self, random: &mut Random) {
        while !self.on_their_way.is_empty() {
            self.commit();
        }
        while random.chance(2) && self.opened.store.quiet().unwrap() {
            self.commit();
        }
        self.job = None;
        self.root = self.root.restart_process();
        self.opened = house::open(&self.root).unwrap();
        self.hurry();
        let found = house::read_all(&mut self.opened).unwrap();
        let differences = self.model.differences(&found);
        assert!(
            self.model.is(&found),
            "{}, opened anew:\n{differences}",
            self.context
        );
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(24) {
            0..=7 => self.prepare(random),
            8..=12 => self.commit(),
            13..=16 => self.look(random),
            17..=21 => self.keep_up(random),
            22 => self.opened.store.put_away(|mailbox| mailbox.0 % 2 == 0),
            _ if random.chance(4) => self.reopen(random),
            _ => {}
        }
    }
}

fn history(seed: u64) {
    let mut random = Random::new(seed);
    let mut desk = Desk::new(seed);
    for _ in 0..200 {
        desk.step(&mut random);
    }
    while !desk.on_their_way.is_empty() {
        desk.commit();
    }
    for n in 0..desk.sessions.len() {
        desk.tell(n, true);
    }
    desk.reopen(&mut random);
    for n in 0..desk.sessions.len() {
        desk.tell(n, true);
    }
}

#[test]
fn every_session_sees_what_the_model_has_whatever_upkeep_and_reopening_come_between() {
    let asked = std::env::var("MAILKEEP_SESSION_SEEDS").ok();
    let seeds = asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    (0..seeds).for_each(history);
}
