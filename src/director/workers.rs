//! Which workers live, what each was given, and what it owes an answer for.
//!
//! Pure: events in, [`Act`]s out; the loop in `desk.rs` carries them out. What
//! must stay true: a socket is given to at most one worker, once; an asker is
//! told `Refused` only for a socket that no worker was given; an account has one
//! entry here, so that there is never a second birth beside a first, nor one beside
//! a check that relies on there being none (`checks.rs`).

mod checking;
mod worker;

use crate::ailing::Ailments;
use crate::checks::Checks;
use crate::joining::Offer;
use ipc::edge::auth_director::ToAuth;
use ipc::edge::birth::Hold;
use ipc::edge::control_director::{PAGE_WORKERS_MAX, WorkerStatus};
use ipc::edge::director_broker::{BirthFailure, EPOCH_DELETED};
use ipc::edge::director_worker::{ToDirector, ToWorker};
use ipc::edge::handover::{Refusal, ToAsker, Work};
use ipc::slice::Worker as WorkerSlice;
use ipc::ticket::{SealedEpoch, SealedTicket};
use ipc::{AccountId, Instance, Nonce};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use worker::{Job, Stage, Worker, acknowledge_epoch, give, lose_unanswered, ready, refuse, status};

/// Sockets that wait for one worker to be ready. More than an account may have
/// sessions, and few enough to hold.
pub const QUEUE_PER_WORKER_MAX: usize = 256;

/// How long a birth may take, from the question to `Ready`: the lock of a dying
/// predecessor is waited for 5 s, and opening a large journal takes a while.
pub const BIRTH_MILLISECONDS_MAX: u64 = 30_000;

/// How long a worker may be silent about a socket before it is ended. Its own
/// watchdog aborts it after 10 s without a step.
pub const ANSWER_MILLISECONDS_MAX: u64 = 15_000;

/// How long a worker has to take a raised epoch.
pub const EPOCH_MILLISECONDS_MAX: u64 = 5_000;

/// How long who comes waits for the end of a verifier that is in the way; it is
/// killed, so this is long.
pub const BARRED_MILLISECONDS_MAX: u64 = 10_000;

/// How long a worker that was told to leave may take; it finishes the commands
/// that run and syncs.
pub const LEAVING_MILLISECONDS_MAX: u64 = 10_000;

/// What the loop is to do.
#[derive(Debug)]
pub enum Act {
    /// Answer an asker.
    Tell(Instance, ToAsker),
    /// Say something to the account's worker.
    Give(AccountId, ToWorker),
    /// Make a channel for the account's worker and ask `broker` for its birth.
    Birth(AccountId, SealedTicket),
    /// Have `broker` end the account's worker.
    End(AccountId),
    /// Close our end of the worker's channel.
    Close(AccountId),
    /// Have `broker` remove a deleted account's directory.
    Remove(SealedEpoch),
    /// Ask `broker` for a verifier that speaks on this end of a pair.
    BearVerifier(SealedTicket, Option<Hold>, OwnedFd),
    /// Have `broker` end the account's verifier.
    EndVerifier(AccountId),
    /// The account's worker need hold nothing any more.
    Release(AccountId),
    /// Tell `auth`.
    TellAuth(ToAuth),
}

/// All workers.
#[derive(Debug)]
pub struct Workers {
    workers: BTreeMap<AccountId, Worker>,
    /// Workers at once.
    pub workers_max: usize,
    /// How long a worker stays with nothing to do.
    pub linger_milliseconds: u64,
    /// Checks that are under way.
    pub checks: Checks,
    /// Accounts whose files are not as they were written.
    pub ailments: Ailments,
    stopping: bool,
}

impl Workers {
    /// None yet.
    pub fn new(workers_max: usize, linger_milliseconds: u64) -> Self {
        Self {
            workers: BTreeMap::new(),
            workers_max,
            linger_milliseconds,
            checks: Checks::default(),
            ailments: Ailments::default(),
            stopping: false,
        }
    }

    /// Whether none lives.
    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Brings a joined socket to its account's worker, which is born if need be.
    pub fn bring(
        &mut self,
        now: u64,
        asker: Instance,
        nonce: Nonce,
        ticket: SealedTicket,
        offer: Offer,
    ) -> Vec<Act> {
        let account = ticket.claim.account;
        let job = Job {
            asker,
            nonce,
            ticket,
            offer,
        };
        if self.stopping {
            return vec![refuse(&job, Refusal::NoWorker)];
        }
        if matches!(job.offer.work, Work::Verify) {
            return self.check(now, job);
        }
        let full = self.workers.len() >= self.workers_max;
        match self.workers.get_mut(&account) {
            Some(worker) if worker.has(nonce) => vec![refuse(&job, Refusal::BadTicket)],
            Some(worker) if worker.stage == Stage::Ready => vec![give(account, worker, job, now)],
            Some(worker) if worker.queue.len() < QUEUE_PER_WORKER_MAX => {
                worker.queue.push_back(job);
                Vec::new()
            }
            Some(_) => vec![refuse(&job, Refusal::NoWorker)],
            None if full => self
                .make_room(now)
                .into_iter()
                .chain([refuse(&job, Refusal::NoWorker)])
                .collect(),
            None => self.expect(now, account, job),
        }
    }

    fn expect(&mut self, now: u64, account: AccountId, job: Job) -> Vec<Act> {
        let birth = Act::Birth(account, job.ticket);
        let mut worker = Worker::expected(now);
        worker.queue.push_back(job);
        let first = if self.checks.bars(account) {
            worker.stage = Stage::Barred;
            self.checks.end(now, account)
        } else {
            Some(birth)
        };
        self.workers.insert(account, worker);
        first.into_iter().collect()
    }

    /// Lets the worker go that has been idle longest, so that the next comer
    /// finds a place.
    fn make_room(&mut self, now: u64) -> Option<Act> {
        let idle = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.stage == Stage::Ready);
        let oldest = idle
            .filter_map(|(account, worker)| worker.idle.map(|since| (since, *account)))
            .min()?;
        self.leave(oldest.1, now)
    }

    fn leave(&mut self, account: AccountId, now: u64) -> Option<Act> {
        let worker = self.workers.get_mut(&account)?;
        worker.enter(Stage::Leaving, now);
        Some(Act::Give(account, ToWorker::Leave))
    }

    /// `broker` has started the worker.
    pub fn born(&mut self, account: AccountId, created: bool) {
        if let Some(worker) = self.workers.get_mut(&account) {
            worker.created |= created;
        }
    }

    /// `broker` could not. If a predecessor still lives, its end is waited for.
    pub fn not_born(&mut self, now: u64, account: AccountId, failure: BirthFailure) -> Vec<Act> {
        let Some(worker) = self
            .workers
            .get_mut(&account)
            .filter(|worker| worker.stage == Stage::Expected)
        else {
            return Vec::new();
        };
        let refusal = match failure {
            BirthFailure::Alive => {
                worker.enter(Stage::Leaving, now);
                return vec![Act::Close(account)];
            }
            BirthFailure::BadTicket | BirthFailure::OtherTicket => Refusal::BadTicket,
            BirthFailure::NoStorage | BirthFailure::OutOfRange => Refusal::Storage,
            BirthFailure::Kernel | BirthFailure::Crowded => Refusal::NoWorker,
        };
        self.give_up(now, account, refusal)
    }

    /// Drops an account's entry; what waited is refused, what was given is lost.
    fn give_up(&mut self, now: u64, account: AccountId, refusal: Refusal) -> Vec<Act> {
        let Some(mut worker) = self.workers.remove(&account) else {
            return Vec::new();
        };
        let mut acts = vec![Act::Close(account)];
        acts.extend(worker.queue.iter().map(|job| refuse(job, refusal)));
        acts.extend(lose_unanswered(&mut worker));
        acts.extend(acknowledge_epoch(&mut worker));
        acts.extend(self.checks.worker_lost(now, account));
        acts.extend(self.go_on_checking(now, account));
        acts
    }

    /// `broker` has reaped the worker: whoever waits gets the next one.
    pub fn ended(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        let Some(mut worker) = self.workers.remove(&account) else {
            return Vec::new();
        };
        let mut acts = vec![Act::Close(account)];
        acts.extend(lose_unanswered(&mut worker));
        acts.extend(self.checks.worker_lost(now, account));
        let deleted = worker
            .raising
            .is_some_and(|(sealed, _)| sealed.epoch == EPOCH_DELETED);
        acts.extend(acknowledge_epoch(&mut worker));
        // One that died before it was ready is not tried again with the same
        // sockets: what killed it would kill the next.
        let refusal = if worker.stage == Stage::Expected {
            Some(Refusal::Storage)
        } else {
            None
        };
        match (refusal, worker.queue.front()) {
            (None, Some(job)) if !deleted && !self.stopping => {
                acts.push(Act::Birth(account, job.ticket));
                let next = Worker {
                    queue: worker.queue,
                    ..Worker::expected(now)
                };
                self.workers.insert(account, next);
            }
            _ => acts.extend(
                worker
                    .queue
                    .iter()
                    .map(|job| refuse(job, refusal.unwrap_or(Refusal::NoWorker))),
            ),
        }
        acts.extend(self.go_on_checking(now, account));
        acts
    }

    /// The worker's channel was closed, or it broke the channel's rules: it is
    /// dead or about to be; `broker` will say `Ended`.
    pub fn gone(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        let Some(worker) = self.workers.get_mut(&account) else {
            return Vec::new();
        };
        let mut acts = vec![Act::Close(account)];
        acts.extend(lose_unanswered(worker));
        worker.serving.clear();
        if worker.stage == Stage::Ready {
            worker.enter(Stage::Leaving, now);
        }
        acts
    }

    /// The worker said something. `None`: what it may not say now.
    pub fn said(&mut self, now: u64, account: AccountId, message: ToDirector) -> Option<Vec<Act>> {
        let worker = self.workers.get_mut(&account)?;
        match message {
            ToDirector::Ready { storage } if worker.stage == Stage::Expected => {
                let mut acts = ready(account, worker, now, storage);
                acts.extend(self.go_on_checking(now, account));
                Some(acts)
            }
            ToDirector::Failed if worker.stage == Stage::Expected => {
                Some(self.failed(now, account))
            }
            ToDirector::Ready { .. } | ToDirector::Failed => None,
            ToDirector::Taken { nonce } => {
                let given = worker.unanswered.remove(&nonce)?;
                worker.serving.insert(nonce);
                Some(vec![Act::Tell(given.asker, ToAsker::Taken { nonce })])
            }
            ToDirector::Refused { nonce, refusal } => {
                let given = worker.unanswered.remove(&nonce)?;
                if worker.has_nothing_to_do() {
                    worker.idle = worker.idle.or(Some(now));
                }
                let told = ToAsker::Refused { nonce, refusal };
                Some(vec![Act::Tell(given.asker, told)])
            }
            ToDirector::Ended { nonce } => worker.end_work(nonce).map(|()| Vec::new()),
            ToDirector::EpochRaised { account: of, epoch } if of == account => {
                // A deleted account's is acknowledged by its worker's end alone.
                let is_it = |(sealed, _): &(SealedEpoch, u64)| {
                    sealed.epoch <= epoch && sealed.epoch != EPOCH_DELETED
                };
                let told = worker.raising.filter(is_it).is_some();
                let act = told.then(|| acknowledge_epoch(worker)).flatten();
                Some(act.into_iter().collect())
            }
            ToDirector::EpochRaised { .. } => None,
            ToDirector::MayLeave { at_once } => {
                let idle = worker.has_nothing_to_do() && worker.stage == Stage::Ready;
                if idle {
                    worker.idle = worker.idle.or(Some(now));
                }
                let leave = (idle && at_once).then(|| self.leave(account, now));
                Some(leave.flatten().into_iter().collect())
            }
            ToDirector::Held { hold } => {
                worker.hold_unanswered = worker.hold_unanswered.checked_sub(1)?;
                // A check that was given up has released it already.
                Some(self.checks.held(now, account, hold))
            }
            ToDirector::NotHeld => {
                worker.hold_unanswered = worker.hold_unanswered.checked_sub(1)?;
                worker.held = false;
                Some(self.checks.not_held(account))
            }
            ToDirector::Health { health } => {
                worker.scrubbed = health.scrubbed_bytes;
                self.ailments.note(account, health);
                Some(Vec::new())
            }
        }
    }

    /// The store can't be opened: the worker goes by itself.
    fn failed(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        let Some(worker) = self.workers.get_mut(&account) else {
            return Vec::new();
        };
        worker.enter(Stage::Leaving, now);
        worker
            .queue
            .drain(..)
            .map(|job| refuse(&job, Refusal::Storage))
            .collect()
    }

    /// `auth` has raised an account's epoch.
    pub fn raise_epoch(&mut self, now: u64, sealed: SealedEpoch) -> Vec<Act> {
        let account = sealed.account;
        let deleted = sealed.epoch == EPOCH_DELETED;
        if deleted {
            self.ailments.forget(account);
        }
        let mut acts = self.give_up_barred(now, Some(account));
        acts.extend(self.raise_epoch_of_worker(now, sealed));
        acts
    }

    fn raise_epoch_of_worker(&mut self, now: u64, sealed: SealedEpoch) -> Vec<Act> {
        let account = sealed.account;
        let deleted = sealed.epoch == EPOCH_DELETED;
        match self.workers.get_mut(&account) {
            None if deleted => vec![Act::Remove(sealed)],
            None => vec![Act::TellAuth(ToAuth::EpochRaised {
                account,
                epoch: sealed.epoch,
            })],
            Some(worker) => {
                worker.raising = Some((sealed, now));
                let leaving = worker.stage == Stage::Leaving;
                match (leaving, deleted) {
                    (true, _) => Vec::new(),
                    (false, true) => self.leave(account, now).into_iter().collect(),
                    (false, false) => vec![Act::Give(account, ToWorker::RaiseEpoch { sealed })],
                }
            }
        }
    }

    /// `broker` has died: births that were asked of it will not come.
    pub fn broker_gone(&mut self, now: u64) -> Vec<Act> {
        let mut acts = self.checks.broker_gone();
        let asked = |worker: &Worker| matches!(worker.stage, Stage::Expected | Stage::Barred);
        let accounts = self.those(asked);
        acts.extend(
            accounts
                .into_iter()
                .flat_map(|account| self.give_up(now, account, Refusal::NoWorker)),
        );
        acts
    }

    fn those(&self, which: impl Fn(&Worker) -> bool) -> Vec<AccountId> {
        let chosen = self.workers.iter().filter(|(_, worker)| which(worker));
        chosen.map(|(account, _)| *account).collect()
    }

    /// New limits for every living worker.
    pub fn configure(&self, slice: &WorkerSlice) -> Vec<Act> {
        let accounts = self.workers.keys();
        accounts
            .map(|account| {
                Act::Give(
                    *account,
                    ToWorker::Configure {
                        slice: slice.clone(),
                    },
                )
            })
            .collect()
    }

    /// The set is stopping: all leave, nothing new is taken.
    pub fn stop(&mut self, now: u64) -> Vec<Act> {
        self.stopping = true;
        let mut acts = self.give_up_barred(now, None);
        let staying = self.those(|worker| worker.stage != Stage::Leaving);
        acts.extend(
            staying
                .into_iter()
                .filter_map(|account| self.leave(account, now)),
        );
        acts
    }

    /// What time alone brings about. Called about once a second.
    pub fn tick(&mut self, now: u64) -> Vec<Act> {
        let mut acts = self.checks.tick(now);
        let accounts = self.those(|_| true);
        acts.extend(
            accounts
                .into_iter()
                .flat_map(|account| self.tick_one(now, account)),
        );
        acts
    }

    fn tick_one(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        let linger = self.linger_milliseconds;
        let Some(worker) = self.workers.get_mut(&account) else {
            return Vec::new();
        };
        let past = |since: u64, limit: u64| now.saturating_sub(since) >= limit;
        let silent = worker
            .unanswered
            .values()
            .any(|given| past(given.since, ANSWER_MILLISECONDS_MAX));
        let deaf = worker
            .raising
            .is_some_and(|(_, since)| past(since, EPOCH_MILLISECONDS_MAX));
        match worker.stage {
            Stage::Expected if past(worker.since, BIRTH_MILLISECONDS_MAX) => self.end(now, account),
            Stage::Ready if silent || deaf => self.end(now, account),
            Stage::Barred if !self.checks.bars(account) => {
                self.unbar(now, account).into_iter().collect()
            }
            Stage::Barred if past(worker.since, BARRED_MILLISECONDS_MAX) => {
                self.give_up(now, account, Refusal::NoWorker)
            }
            Stage::Ready if worker.idle.is_some_and(|since| past(since, linger)) => {
                self.leave(account, now).into_iter().collect()
            }
            Stage::Leaving if past(worker.since, LEAVING_MILLISECONDS_MAX.saturating_mul(2)) => {
                // `broker` was asked to end it and has said nothing: it is a new
                // `broker`, which never knew this worker. The lock on the store
                // keeps a successor waiting if it still lives.
                self.ended(now, account)
            }
            Stage::Leaving if past(worker.since, LEAVING_MILLISECONDS_MAX) => {
                vec![Act::End(account)]
            }
            _ => Vec::new(),
        }
    }

    /// Ends a worker that doesn't do as it must.
    fn end(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        let mut acts = self.gone(now, account);
        if let Some(worker) = self.workers.get_mut(&account) {
            acts.extend(
                worker
                    .queue
                    .drain(..)
                    .map(|job| refuse(&job, Refusal::NoWorker)),
            );
            worker.enter(Stage::Leaving, now);
        }
        acts.push(Act::End(account));
        acts
    }

    /// The page of workers above an account, and whether there are more.
    pub fn page(&self, now: u64, after: Option<AccountId>) -> (Vec<WorkerStatus>, bool) {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut rest = self.workers.range((from, std::ops::Bound::Unbounded));
        let page = rest
            .by_ref()
            .take(PAGE_WORKERS_MAX)
            .map(|(account, worker)| status(now, *account, worker))
            .collect();
        (page, rest.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joining::tests::ticket;
    use ipc::Epoch;
    use ipc::ticket::{KEY_BYTES, Kind, SealedStorage};

    const ALICE: AccountId = AccountId(7);
    const LOGIN: Instance = Instance(1);
    const STORAGE: SealedStorage = SealedStorage {
        account: ALICE,
        seal: [7; KEY_BYTES],
    };
    const READY: ToDirector = ToDirector::Ready {
        storage: Some(STORAGE),
    };

    fn nonce(number: u8) -> Nonce {
        Nonce([number; 16])
    }

    fn offer() -> Offer {
        Offer {
            work: Work::Delivery,
            socket: std::fs::File::open("/dev/null").unwrap().into(),
        }
    }

    fn workers() -> Workers {
        Workers::new(2, 60_000)
    }

    fn bring(workers: &mut Workers, account: AccountId, number: u8) -> Vec<Act> {
        let ticket = ticket(account.0, nonce(number), Kind::Delivery);
        workers.bring(0, LOGIN, nonce(number), ticket, offer())
    }

    fn with_ready_worker() -> Workers {
        let mut workers = workers();
        bring(&mut workers, ALICE, 1);
        workers.born(ALICE, false);
        workers.said(0, ALICE, READY).unwrap();
        workers
            .said(0, ALICE, ToDirector::Taken { nonce: nonce(1) })
            .unwrap();
        workers
    }

    fn epoch(epoch: Epoch) -> SealedEpoch {
        SealedEpoch {
            account: ALICE,
            epoch,
            seal: [0; KEY_BYTES],
        }
    }

    #[test]
    fn two_logins_at_once_cause_one_birth_and_both_are_served() {
        let mut workers = workers();
        assert!(matches!(
            bring(&mut workers, ALICE, 1)[..],
            [Act::Birth(ALICE, _)]
        ));
        assert!(bring(&mut workers, ALICE, 2).is_empty());
        workers.born(ALICE, false);
        let acts = workers.said(5, ALICE, READY).unwrap();
        assert!(matches!(acts[..], [Act::Give(..), Act::Give(..)]));
    }

    #[test]
    fn a_socket_that_no_worker_was_given_is_refused_and_one_that_was_is_lost() {
        let mut workers = with_ready_worker();
        bring(&mut workers, ALICE, 2);
        let acts = workers.gone(5, ALICE);
        assert!(matches!(
            acts[..],
            [Act::Close(_), Act::Tell(LOGIN, ToAsker::Lost { .. })]
        ));
        bring(&mut workers, AccountId(8), 3);
        let acts = workers.not_born(6, AccountId(8), BirthFailure::Kernel);
        assert!(matches!(
            acts[..],
            [
                Act::Close(_),
                Act::Tell(
                    LOGIN,
                    ToAsker::Refused {
                        refusal: Refusal::NoWorker,
                        ..
                    }
                )
            ]
        ));
    }

    #[test]
    fn who_comes_while_a_worker_dies_gets_the_next_one() {
        let mut workers = with_ready_worker();
        workers.gone(5, ALICE);
        assert!(bring(&mut workers, ALICE, 2).is_empty());
        assert!(matches!(
            workers.ended(6, ALICE)[..],
            [Act::Close(_), Act::Birth(ALICE, _)]
        ));
    }

    #[test]
    fn a_worker_that_dies_at_birth_is_not_tried_again_with_the_same_socket() {
        let mut workers = workers();
        bring(&mut workers, ALICE, 1);
        workers.born(ALICE, false);
        let acts = workers.ended(5, ALICE);
        assert!(matches!(
            acts[..],
            [
                Act::Close(_),
                Act::Tell(
                    _,
                    ToAsker::Refused {
                        refusal: Refusal::Storage,
                        ..
                    }
                )
            ]
        ));
        assert!(workers.is_empty());
    }

    #[test]
    fn a_predecessor_that_still_lives_is_waited_for() {
        let mut workers = workers();
        bring(&mut workers, ALICE, 1);
        assert!(matches!(
            workers.not_born(1, ALICE, BirthFailure::Alive)[..],
            [Act::Close(_)]
        ));
        assert!(matches!(
            workers.ended(2, ALICE)[..],
            [Act::Close(_), Act::Birth(ALICE, _)]
        ));
    }

    #[test]
    fn a_worker_says_each_thing_once_and_in_order() {
        let mut workers = with_ready_worker();
        assert!(workers.said(1, ALICE, READY).is_none());
        assert!(
            workers
                .said(1, ALICE, ToDirector::Taken { nonce: nonce(1) })
                .is_none()
        );
        assert!(
            workers
                .said(1, ALICE, ToDirector::Taken { nonce: nonce(9) })
                .is_none()
        );
        assert!(
            workers
                .said(1, ALICE, ToDirector::Ended { nonce: nonce(1) })
                .is_some()
        );
        assert!(
            workers
                .said(1, ALICE, ToDirector::Ended { nonce: nonce(1) })
                .is_none()
        );
    }

    #[test]
    fn a_delivery_may_be_over_before_it_was_said_to_be_taken_and_a_session_may_not() {
        let mut workers = with_ready_worker();
        bring(&mut workers, ALICE, 2);
        let ended = |nonce| ToDirector::Ended { nonce };
        let acts = workers.said(1, ALICE, ended(nonce(2)));
        assert!(
            matches!(acts, Some(acts) if acts.is_empty()),
            "nobody is told"
        );
        assert!(workers.said(1, ALICE, ended(nonce(2))).is_none(), "twice");
        let session = Offer {
            work: Work::Task,
            ..offer()
        };
        let third = ticket(ALICE.0, nonce(3), Kind::Admin);
        workers.bring(1, LOGIN, nonce(3), third, session);
        assert!(workers.said(1, ALICE, ended(nonce(3))).is_none());
    }

    #[test]
    fn an_idle_worker_lingers_then_leaves_and_a_new_session_keeps_it() {
        let mut workers = with_ready_worker();
        workers.said(0, ALICE, ToDirector::Ended { nonce: nonce(1) });
        workers.said(0, ALICE, ToDirector::MayLeave { at_once: false });
        assert!(workers.tick(59_999).is_empty());
        bring(&mut workers, ALICE, 2);
        workers.said(60_000, ALICE, ToDirector::Taken { nonce: nonce(2) });
        assert!(workers.tick(60_001).is_empty());
        workers.said(60_002, ALICE, ToDirector::Ended { nonce: nonce(2) });
        workers.said(60_002, ALICE, ToDirector::MayLeave { at_once: false });
        assert!(matches!(
            workers.tick(120_002)[..],
            [Act::Give(ALICE, ToWorker::Leave)]
        ));
    }

    #[test]
    fn a_worker_that_ignores_a_raised_epoch_is_ended_and_auth_is_told() {
        let mut workers = with_ready_worker();
        assert!(matches!(
            workers.raise_epoch(0, epoch(Epoch(2)))[..],
            [Act::Give(ALICE, ToWorker::RaiseEpoch { .. })]
        ));
        let acts = workers.tick(EPOCH_MILLISECONDS_MAX);
        assert!(acts.iter().any(|act| matches!(act, Act::End(ALICE))));
        let acts = workers.ended(EPOCH_MILLISECONDS_MAX + 1, ALICE);
        assert!(acts.iter().any(|act| matches!(
            act,
            Act::TellAuth(ToAuth::EpochRaised {
                epoch: Epoch(2),
                ..
            })
        )));
    }

    #[test]
    fn an_acknowledgement_of_a_lower_epoch_or_another_account_is_none() {
        let mut workers = with_ready_worker();
        workers.raise_epoch(0, epoch(Epoch(3)));
        let said = |account, number| ToDirector::EpochRaised {
            account,
            epoch: Epoch(number),
        };
        assert!(matches!(workers.said(1, ALICE, said(ALICE, 2)), Some(acts) if acts.is_empty()));
        assert!(workers.said(1, ALICE, said(AccountId(8), 3)).is_none());
        let acts = workers.said(1, ALICE, said(ALICE, 3)).unwrap();
        assert!(matches!(
            acts[..],
            [Act::TellAuth(ToAuth::EpochRaised {
                epoch: Epoch(3),
                ..
            })]
        ));
    }

    #[test]
    fn a_worker_cannot_have_its_directory_removed_while_it_lives() {
        let mut workers = with_ready_worker();
        workers.raise_epoch(0, epoch(EPOCH_DELETED));
        let said = ToDirector::EpochRaised {
            account: ALICE,
            epoch: EPOCH_DELETED,
        };
        assert!(matches!(workers.said(1, ALICE, said), Some(acts) if acts.is_empty()));
    }

    #[test]
    fn a_nonce_that_is_in_use_is_refused_and_the_worker_never_blamed_for_it() {
        let mut workers = with_ready_worker();
        for taken in [false, true] {
            let number = if taken { 1 } else { 2 };
            if !taken {
                bring(&mut workers, ALICE, number);
            }
            let acts = bring(&mut workers, ALICE, number);
            assert!(matches!(
                acts[..],
                [Act::Tell(
                    LOGIN,
                    ToAsker::Refused {
                        refusal: Refusal::BadTicket,
                        ..
                    }
                )]
            ));
        }
    }

    #[test]
    fn a_deleted_accounts_directory_goes_only_once_its_worker_has_ended() {
        let mut workers = with_ready_worker();
        let acts = workers.raise_epoch(0, epoch(EPOCH_DELETED));
        assert!(matches!(acts[..], [Act::Give(ALICE, ToWorker::Leave)]));
        let acts = workers.ended(1, ALICE);
        assert!(matches!(acts[..], [Act::Close(_), Act::Remove(_)]));
        assert!(matches!(
            workers.raise_epoch(2, epoch(EPOCH_DELETED))[..],
            [Act::Remove(_)]
        ));
    }

    #[test]
    fn a_worker_that_does_not_answer_is_ended() {
        let mut workers = with_ready_worker();
        bring(&mut workers, ALICE, 2);
        let acts = workers.tick(ANSWER_MILLISECONDS_MAX);
        assert!(
            acts.iter()
                .any(|act| matches!(act, Act::Tell(_, ToAsker::Lost { .. })))
        );
        assert!(acts.iter().any(|act| matches!(act, Act::End(ALICE))));
    }

    #[test]
    fn when_all_places_are_taken_the_longest_idle_worker_makes_room() {
        let mut workers = with_ready_worker();
        workers.said(0, ALICE, ToDirector::Ended { nonce: nonce(1) });
        workers.said(0, ALICE, ToDirector::MayLeave { at_once: false });
        bring(&mut workers, AccountId(8), 2);
        let acts = bring(&mut workers, AccountId(9), 3);
        assert!(matches!(
            acts[..],
            [
                Act::Give(ALICE, ToWorker::Leave),
                Act::Tell(_, ToAsker::Refused { .. })
            ]
        ));
    }

    #[test]
    fn the_first_session_of_a_new_account_tells_auth_that_its_storage_is_made() {
        for storage in [Some(STORAGE), None] {
            let mut workers = workers();
            bring(&mut workers, ALICE, 1);
            workers.born(ALICE, true);
            let ready = ToDirector::Ready { storage };
            let acts = workers.said(0, ALICE, ready).unwrap();
            let told = matches!(
                acts[0],
                Act::TellAuth(ToAuth::StorageMade { storage: STORAGE })
            );
            assert_eq!(told, storage.is_some());
        }
    }

    #[test]
    fn a_dead_broker_costs_the_unborn_and_nobody_else() {
        let mut workers = with_ready_worker();
        bring(&mut workers, AccountId(8), 2);
        let acts = workers.broker_gone(0);
        assert!(matches!(
            acts[..],
            [
                Act::Close(AccountId(8)),
                Act::Tell(_, ToAsker::Refused { .. })
            ]
        ));
        assert_eq!(workers.page(0, None).0.len(), 1);
    }
}
