//! One account's worker, as `director` knows it: what it was given, what it owes, and
//! what waits for it.

use super::Act;
use crate::joining::Offer;
use ipc::edge::auth_director::ToAuth;
use ipc::edge::control_director::WorkerStatus;
use ipc::edge::director_broker::EPOCH_DELETED;
use ipc::edge::director_worker::ToWorker;
use ipc::edge::handover::{Refusal, ToAsker, Work};
use ipc::ticket::{SealedEpoch, SealedStorage, SealedTicket};
use ipc::{AccountId, Instance, Nonce};
use std::collections::{HashMap, HashSet, VecDeque};

/// A socket on its way to a worker.
#[derive(Debug)]
pub struct Job {
    pub asker: Instance,
    pub nonce: Nonce,
    pub ticket: SealedTicket,
    pub offer: Offer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// `broker` was asked, or a predecessor has to end first.
    Expected,
    /// Confined and its store open.
    Ready,
    /// Told to leave, or dead and not yet reaped.
    Leaving,
    /// None: a verifier that was told to end has to be reaped first.
    Barred,
}

/// A socket that a worker was given, and about which it has said nothing.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    pub asker: Instance,
    /// When, in milliseconds.
    pub since: u64,
    /// A delivery, which may be over before it is said to be taken: the asker has the
    /// worker's word.
    pub may_end_unsaid: bool,
}

#[derive(Debug)]
pub struct Worker {
    pub stage: Stage,
    /// When it came into its stage, in milliseconds.
    pub since: u64,
    pub first_seen: u64,
    pub created: bool,
    pub queue: VecDeque<Job>,
    pub unanswered: HashMap<Nonce, Given>,
    pub serving: HashSet<Nonce>,
    /// Since when it has nothing to do.
    pub idle: Option<u64>,
    /// Whether it is to hold its files: then it stays.
    pub held: bool,
    /// Questions to hold that it has not answered.
    pub hold_unanswered: u32,
    /// Bytes that its scrub has read.
    pub scrubbed: u64,
    /// An epoch that it has not acknowledged, and since when.
    pub raising: Option<(SealedEpoch, u64)>,
}

impl Worker {
    /// One for whom `broker` is asked.
    pub fn expected(now: u64) -> Self {
        Self {
            stage: Stage::Expected,
            since: now,
            first_seen: now,
            created: false,
            queue: VecDeque::new(),
            unanswered: HashMap::new(),
            serving: HashSet::new(),
            idle: None,
            held: false,
            hold_unanswered: 0,
            scrubbed: 0,
            raising: None,
        }
    }

    /// Whether it could go.
    pub fn has_nothing_to_do(&self) -> bool {
        let free = self.unanswered.is_empty() && self.serving.is_empty();
        free && self.queue.is_empty() && !self.held
    }

    /// Whether something under this nonce is with it or waits for it. An asker that
    /// uses one twice would make its worker's second answer look like a lie.
    pub fn has(&self, nonce: Nonce) -> bool {
        self.unanswered.contains_key(&nonce)
            || self.serving.contains(&nonce)
            || self.queue.iter().any(|job| job.nonce == nonce)
    }

    /// What was given under this nonce is over: what was taken, or a delivery of which
    /// nothing was said. `None`: it may not be, yet.
    pub fn end_work(&mut self, nonce: Nonce) -> Option<()> {
        let unsaid = |given: &Given| given.may_end_unsaid;
        if self.unanswered.get(&nonce).is_some_and(unsaid) {
            self.unanswered.remove(&nonce);
            return Some(());
        }
        self.serving.remove(&nonce).then_some(())
    }

    /// Comes into another stage.
    pub fn enter(&mut self, stage: Stage, now: u64) {
        self.stage = stage;
        self.since = now;
    }
}

/// How it stands, for an administrator.
pub fn status(now: u64, account: AccountId, worker: &Worker) -> WorkerStatus {
    WorkerStatus {
        account,
        sessions: u32::try_from(worker.serving.len()).unwrap_or(u32::MAX),
        age_seconds: now.saturating_sub(worker.first_seen) / 1000,
        ready: worker.stage == Stage::Ready,
    }
}

/// No worker was or will be given its socket.
pub fn refuse(job: &Job, refusal: Refusal) -> Act {
    Act::Tell(
        job.asker,
        ToAsker::Refused {
            nonce: job.nonce,
            refusal,
        },
    )
}

/// Gives a worker a socket; it owes an answer from now on.
pub fn give(account: AccountId, worker: &mut Worker, job: Job, now: u64) -> Act {
    worker.idle = None;
    let Offer { work, socket } = job.offer;
    let given = Given {
        asker: job.asker,
        since: now,
        may_end_unsaid: work == Work::Delivery,
    };
    worker.unanswered.insert(job.nonce, given);
    Act::Give(
        account,
        ToWorker::Serve {
            ticket: job.ticket,
            work,
            socket,
        },
    )
}

/// It is confined and its store open: what waited is given.
pub fn ready(
    account: AccountId,
    worker: &mut Worker,
    now: u64,
    storage: Option<SealedStorage>,
) -> Vec<Act> {
    worker.enter(Stage::Ready, now);
    let mut acts = Vec::new();
    if let Some(storage) = storage.filter(|_| worker.created) {
        acts.push(Act::TellAuth(ToAuth::StorageMade { storage }));
    }
    while let Some(job) = worker.queue.pop_front() {
        acts.push(give(account, worker, job, now));
    }
    acts
}

/// Nobody knows what became of what it was given.
pub fn lose_unanswered(worker: &mut Worker) -> Vec<Act> {
    let lost = worker.unanswered.drain();
    lost.map(|(nonce, given)| Act::Tell(given.asker, ToAsker::Lost { nonce }))
        .collect()
}

/// A worker that has acknowledged an epoch, or is dead, holds no session of an
/// older one. A deleted account's directory can go then.
pub fn acknowledge_epoch(worker: &mut Worker) -> Option<Act> {
    let (sealed, _) = worker.raising.take()?;
    Some(match sealed.epoch {
        EPOCH_DELETED => Act::Remove(sealed),
        epoch => Act::TellAuth(ToAuth::EpochRaised {
            account: sealed.account,
            epoch,
        }),
    })
}
