//! Checks of accounts: which are under way, and what keeps each account's files in
//! place meanwhile.
//!
//! Pure, like `workers.rs`, which holds this table. What must stay true: while a
//! verifier reads, either the account's worker holds its files, or there is no
//! worker and none is born. Mail never waits for a check: who comes for an account
//! without a worker has the verifier ended, and whoever asked for the check begins
//! again, now with a worker that holds.

use crate::joining::Offer;
use crate::workers::Act;
use ipc::edge::birth::Hold;
use ipc::edge::director_broker::{BirthFailure, VERIFIERS_MAX};
use ipc::edge::director_worker::ToWorker;
use ipc::edge::handover::{Refusal, ToAsker};
use ipc::ticket::SealedTicket;
use ipc::{AccountId, Instance, Nonce};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// How long one check may take: a verifier reads some hundred megabytes a second, and
/// what it has held keeps its room on the disk.
pub const CHECK_MILLISECONDS_MAX: u64 = 600_000;

/// How long a check waits for a worker that is being born or leaves, and then for its
/// word: less than its ticket lives.
pub const BEGIN_MILLISECONDS_MAX: u64 = 15_000;

/// How long a verifier that was ended may take to be reaped. Longer means that its
/// `broker` has died, and it with that.
pub const ENDING_MILLISECONDS_MAX: u64 = 5_000;

/// What there is of an account's worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing, and nothing is asked for.
    Absent,
    /// It is being born, or leaves.
    Changing,
    /// It serves.
    Ready,
}

#[derive(Debug)]
enum Stage {
    /// The worker must be ready, or gone, first.
    Waiting(OwnedFd),
    /// The worker was asked to hold.
    Asked(OwnedFd),
    /// `broker` was asked.
    Expected,
    /// It reads.
    Running,
    /// It was ended, and not yet reaped.
    Ending,
}

#[derive(Debug)]
struct Check {
    asker: Instance,
    nonce: Nonce,
    ticket: SealedTicket,
    stage: Stage,
    /// When it came into its stage, in milliseconds.
    since: u64,
    /// Whether the account's worker holds for it.
    held: bool,
}

impl Check {
    fn enter(&mut self, stage: Stage, now: u64) {
        self.stage = stage;
        self.since = now;
    }

    fn refused(&self, refusal: Refusal) -> Act {
        let nonce = self.nonce;
        Act::Tell(self.asker, ToAsker::Refused { nonce, refusal })
    }
}

/// All checks; at most [`VERIFIERS_MAX`], and one for an account.
#[derive(Debug, Default)]
pub struct Checks {
    checks: BTreeMap<AccountId, Check>,
    /// A second one of an account waits a little for the first: whoever has heard the
    /// last word of that may ask again before it was reaped.
    next: BTreeMap<AccountId, Check>,
}

impl Checks {
    /// How many are under way.
    pub fn len(&self) -> usize {
        self.checks.len()
    }

    /// Takes a joined pair and its ticket.
    pub fn begin(
        &mut self,
        now: u64,
        (asker, nonce): (Instance, Nonce),
        ticket: SealedTicket,
        offer: Offer,
        presence: Presence,
    ) -> Vec<Act> {
        let account = ticket.claim.account;
        let check = Check {
            asker,
            nonce,
            ticket,
            stage: Stage::Waiting(offer.socket),
            since: now,
            held: false,
        };
        let (first, second) = (self.checks.get(&account), self.next.get(&account));
        match (first, second) {
            (Some(_), None) => {
                self.next.insert(account, check);
                Vec::new()
            }
            (None, _) if self.checks.len() < VERIFIERS_MAX => {
                self.checks.insert(account, check);
                self.go_on(now, account, presence)
            }
            _ => vec![check.refused(Refusal::Busy)],
        }
    }

    /// The account's worker is now as it wasn't.
    pub fn go_on(&mut self, now: u64, account: AccountId, presence: Presence) -> Vec<Act> {
        if !self.checks.contains_key(&account)
            && let Some(next) = self.next.remove(&account)
        {
            self.checks.insert(account, next);
        }
        let Some(check) = self.checks.get_mut(&account) else {
            return Vec::new();
        };
        match (
            presence,
            std::mem::replace(&mut check.stage, Stage::Expected),
        ) {
            (Presence::Ready, Stage::Waiting(pair)) => {
                check.held = true;
                check.enter(Stage::Asked(pair), now);
                vec![Act::Give(account, ToWorker::Hold)]
            }
            (Presence::Absent, Stage::Waiting(pair)) => {
                check.enter(Stage::Expected, now);
                vec![Act::BearVerifier(check.ticket, None, pair)]
            }
            (_, stage) => {
                check.stage = stage;
                Vec::new()
            }
        }
    }

    /// The worker holds; with no `hold`, because it has no open store and writes
    /// nothing.
    pub fn held(&mut self, now: u64, account: AccountId, hold: Option<Hold>) -> Vec<Act> {
        let Some(check) = self.checks.get_mut(&account) else {
            return Vec::new();
        };
        match std::mem::replace(&mut check.stage, Stage::Expected) {
            Stage::Asked(pair) => {
                check.enter(Stage::Expected, now);
                vec![Act::BearVerifier(check.ticket, hold, pair)]
            }
            stage => {
                check.stage = stage;
                Vec::new()
            }
        }
    }

    /// The worker won't hold: its files are being repaired.
    pub fn not_held(&mut self, account: AccountId) -> Vec<Act> {
        let asked = |check: &Check| matches!(check.stage, Stage::Asked(_));
        match self.checks.get(&account).is_some_and(asked) {
            true => self.refuse(account, Refusal::Busy),
            false => Vec::new(),
        }
    }

    /// The worker has gone: it holds nothing any more.
    pub fn worker_lost(&mut self, now: u64, account: AccountId) -> Option<Act> {
        let check = self.checks.get_mut(&account)?;
        if !std::mem::take(&mut check.held) {
            return None;
        }
        match std::mem::replace(&mut check.stage, Stage::Ending) {
            Stage::Asked(pair) => {
                check.stage = Stage::Waiting(pair);
                None
            }
            Stage::Expected | Stage::Running => {
                check.since = now;
                Some(Act::EndVerifier(account))
            }
            stage => {
                check.stage = stage;
                None
            }
        }
    }

    /// Whether a verifier reads what nobody holds: then no worker may be born.
    pub fn bars(&self, account: AccountId) -> bool {
        let waits = |check: &Check| matches!(check.stage, Stage::Waiting(_));
        let check = self.checks.get(&account);
        check.is_some_and(|check| !check.held && !waits(check))
    }

    /// Has an account's verifier ended.
    pub fn end(&mut self, now: u64, account: AccountId) -> Option<Act> {
        let check = self.checks.get_mut(&account)?;
        let lives = matches!(check.stage, Stage::Expected | Stage::Running);
        lives.then(|| {
            check.enter(Stage::Ending, now);
            Act::EndVerifier(account)
        })
    }

    /// `broker` has started the verifier: from now on it speaks for itself.
    pub fn born(&mut self, now: u64, account: AccountId) -> Option<Act> {
        let check = self.checks.get_mut(&account)?;
        if matches!(check.stage, Stage::Expected) {
            check.enter(Stage::Running, now);
        }
        let nonce = check.nonce;
        Some(Act::Tell(check.asker, ToAsker::Taken { nonce }))
    }

    /// `broker` could not start it.
    pub fn not_born(&mut self, account: AccountId, failure: BirthFailure) -> Vec<Act> {
        let refusal = match failure {
            BirthFailure::BadTicket | BirthFailure::OtherTicket => Refusal::BadTicket,
            BirthFailure::NoStorage | BirthFailure::OutOfRange => Refusal::Storage,
            BirthFailure::Alive | BirthFailure::Crowded => Refusal::Busy,
            BirthFailure::Kernel => Refusal::NoWorker,
        };
        self.refuse(account, refusal)
    }

    /// `broker` has reaped it. Whether it had said all, its pair tells. The end of one
    /// that was given up is nothing to the one that is expected.
    pub fn ended(&mut self, account: AccountId) -> Vec<Act> {
        let lived = |check: &Check| matches!(check.stage, Stage::Running | Stage::Ending);
        if !self.checks.get(&account).is_some_and(lived) {
            return Vec::new();
        }
        let check = self.checks.remove(&account);
        check
            .and_then(|check| release(account, &check))
            .into_iter()
            .collect()
    }

    /// `broker` has died, and all verifiers with it.
    pub fn broker_gone(&mut self) -> Vec<Act> {
        let (over, next) = (
            std::mem::take(&mut self.checks),
            std::mem::take(&mut self.next),
        );
        over.iter()
            .chain(&next)
            .flat_map(|(account, check)| {
                let untold = !matches!(check.stage, Stage::Running | Stage::Ending);
                let refused = untold.then(|| check.refused(Refusal::NoWorker));
                refused.into_iter().chain(release(*account, check))
            })
            .collect()
    }

    /// What time alone brings about.
    pub fn tick(&mut self, now: u64) -> Vec<Act> {
        let accounts: Vec<AccountId> = self.checks.keys().copied().collect();
        let mut acts = self.give_up_waiting(now);
        acts.extend(
            accounts
                .into_iter()
                .flat_map(|account| self.tick_one(now, account)),
        );
        acts
    }

    fn give_up_waiting(&mut self, now: u64) -> Vec<Act> {
        let late = |check: &Check| now.saturating_sub(check.since) >= BEGIN_MILLISECONDS_MAX;
        let late = self.next.extract_if(.., |_, check| late(check));
        late.map(|(_, check)| check.refused(Refusal::Busy))
            .collect()
    }

    fn tick_one(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        let Some(check) = self.checks.get(&account) else {
            return Vec::new();
        };
        let past = |limit| now.saturating_sub(check.since) >= limit;
        match check.stage {
            Stage::Waiting(_) | Stage::Asked(_) if past(BEGIN_MILLISECONDS_MAX) => {
                self.refuse(account, Refusal::Busy)
            }
            Stage::Running if past(CHECK_MILLISECONDS_MAX) => {
                self.end(now, account).into_iter().collect()
            }
            Stage::Ending if past(ENDING_MILLISECONDS_MAX) => self.ended(account),
            _ => Vec::new(),
        }
    }

    fn refuse(&mut self, account: AccountId, refusal: Refusal) -> Vec<Act> {
        let Some(check) = self.checks.remove(&account) else {
            return Vec::new();
        };
        let refused = check.refused(refusal);
        std::iter::once(refused)
            .chain(release(account, &check))
            .collect()
    }
}

fn release(account: AccountId, check: &Check) -> Option<Act> {
    check.held.then_some(Act::Release(account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joining::tests::ticket;
    use crate::workers::Workers;
    use ipc::Epoch;
    use ipc::edge::auth_director::ToAuth;
    use ipc::edge::director_worker::ToDirector;
    use ipc::edge::handover::Work;
    use ipc::ticket::{KEY_BYTES, Kind, SealedEpoch};
    use proptest::prelude::*;

    const ALICE: AccountId = AccountId(7);
    const CONTROL: Instance = Instance(3);
    const LOGIN: Instance = Instance(1);
    const HOLD: Hold = Hold {
        manifest: 4,
        lsn: 900,
    };

    fn nonce(number: u8) -> Nonce {
        Nonce([number; 16])
    }

    fn offer(work: Work) -> Offer {
        Offer {
            work,
            socket: std::fs::File::open("/dev/null").unwrap().into(),
        }
    }

    fn check(workers: &mut Workers, account: AccountId, number: u8) -> Vec<Act> {
        let ticket = ticket(account.0, nonce(number), Kind::Verify);
        workers.bring(0, CONTROL, nonce(number), ticket, offer(Work::Verify))
    }

    fn deliver(workers: &mut Workers, account: AccountId, number: u8) -> Vec<Act> {
        let ticket = ticket(account.0, nonce(number), Kind::Delivery);
        workers.bring(0, LOGIN, nonce(number), ticket, offer(Work::Delivery))
    }

    fn say(workers: &mut Workers, message: ToDirector) -> Vec<Act> {
        workers.said(0, ALICE, message).expect("it may say that")
    }

    /// Alice's worker, which has something to do.
    fn living() -> Workers {
        let mut workers = Workers::new(9, 60_000);
        deliver(&mut workers, ALICE, 1);
        workers.born(ALICE, false);
        say(&mut workers, ToDirector::Ready { storage: None });
        say(&mut workers, ToDirector::Taken { nonce: nonce(1) });
        workers
    }

    /// A verifier reads what Alice's worker holds.
    fn held() -> Workers {
        let mut workers = living();
        check(&mut workers, ALICE, 2);
        say(&mut workers, ToDirector::Held { hold: Some(HOLD) });
        workers.verifier_born(0, ALICE);
        workers
    }

    /// A verifier reads, and there is no worker.
    fn alone() -> Workers {
        let mut workers = Workers::new(9, 60_000);
        check(&mut workers, ALICE, 2);
        workers.verifier_born(0, ALICE);
        workers
    }

    fn is_refused(act: &Act, wanted: Refusal) -> bool {
        matches!(act, Act::Tell(_, ToAsker::Refused { refusal, .. }) if *refusal == wanted)
    }

    #[test]
    fn a_living_worker_holds_before_the_verifier_is_born_and_until_it_has_ended() {
        let mut workers = living();
        let acts = check(&mut workers, ALICE, 2);
        assert!(matches!(acts[..], [Act::Give(ALICE, ToWorker::Hold)]));
        let acts = say(&mut workers, ToDirector::Held { hold: Some(HOLD) });
        assert!(matches!(acts[..], [Act::BearVerifier(_, Some(HOLD), _)]));
        let acts = workers.verifier_born(0, ALICE);
        assert!(matches!(
            acts[..],
            [Act::Tell(CONTROL, ToAsker::Taken { .. })]
        ));
        let acts = workers.verifier_ended(0, ALICE);
        assert!(matches!(acts[..], [Act::Release(ALICE)]));
        let act = workers.release(ALICE);
        assert!(matches!(act, Some(Act::Give(ALICE, ToWorker::Release))));
        assert!(workers.release(ALICE).is_none());
    }

    #[test]
    fn a_worker_that_holds_stays_though_it_has_nothing_else_to_do() {
        let mut workers = held();
        say(&mut workers, ToDirector::Ended { nonce: nonce(1) });
        say(&mut workers, ToDirector::MayLeave { at_once: true });
        assert!(workers.tick(CHECK_MILLISECONDS_MAX - 1).is_empty());
        workers.verifier_ended(0, ALICE);
        workers.release(ALICE);
        let acts = say(&mut workers, ToDirector::MayLeave { at_once: true });
        assert!(matches!(acts[..], [Act::Give(ALICE, ToWorker::Leave)]));
    }

    #[test]
    fn without_a_worker_the_verifier_reads_alone_and_who_comes_ends_it_first() {
        let mut workers = Workers::new(9, 60_000);
        let acts = check(&mut workers, ALICE, 2);
        assert!(matches!(acts[..], [Act::BearVerifier(_, None, _)]));
        workers.verifier_born(0, ALICE);
        let acts = deliver(&mut workers, ALICE, 3);
        assert!(matches!(acts[..], [Act::EndVerifier(ALICE)]));
        assert!(deliver(&mut workers, ALICE, 4).is_empty());
        let acts = workers.verifier_ended(5, ALICE);
        assert!(matches!(acts[..], [Act::Birth(ALICE, _)]));
        workers.born(ALICE, false);
        let acts = say(&mut workers, ToDirector::Ready { storage: None });
        assert!(matches!(acts[..], [Act::Give(..), Act::Give(..)]));
    }

    #[test]
    fn a_check_that_comes_while_a_worker_is_born_waits_for_it() {
        let mut workers = Workers::new(9, 60_000);
        deliver(&mut workers, ALICE, 1);
        assert!(check(&mut workers, ALICE, 2).is_empty());
        workers.born(ALICE, false);
        let acts = say(&mut workers, ToDirector::Ready { storage: None });
        assert!(matches!(
            acts[..],
            [Act::Give(..), Act::Give(ALICE, ToWorker::Hold)]
        ));
    }

    #[test]
    fn a_check_that_comes_while_a_worker_dies_reads_what_it_has_left() {
        let mut workers = living();
        workers.gone(1, ALICE);
        assert!(check(&mut workers, ALICE, 2).is_empty());
        let acts = workers.ended(2, ALICE);
        let alone = |act: &Act| matches!(act, Act::BearVerifier(_, None, _));
        assert!(acts.iter().any(alone), "{acts:?}");
    }

    #[test]
    fn a_worker_in_distress_writes_nothing_and_one_that_repairs_is_not_read() {
        let mut workers = living();
        check(&mut workers, ALICE, 2);
        let acts = say(&mut workers, ToDirector::Held { hold: None });
        assert!(matches!(acts[..], [Act::BearVerifier(_, None, _)]));
        let mut workers = living();
        check(&mut workers, ALICE, 2);
        let acts = say(&mut workers, ToDirector::NotHeld);
        assert!(is_refused(&acts[0], Refusal::Busy), "{acts:?}");
    }

    #[test]
    fn a_hold_that_dies_with_its_worker_takes_the_verifier_along() {
        let mut workers = held();
        workers.gone(1, ALICE);
        let acts = workers.ended(2, ALICE);
        let ends = |act: &Act| matches!(act, Act::EndVerifier(ALICE));
        assert!(acts.iter().any(ends), "{acts:?}");
        // The next worker may not be born into what the verifier still reads alone.
        assert!(deliver(&mut workers, ALICE, 5).is_empty());
        assert!(matches!(
            workers.verifier_ended(3, ALICE)[..],
            [Act::Birth(ALICE, _)]
        ));
    }

    #[test]
    fn a_word_on_a_hold_that_nobody_asked_for_is_a_lie_and_a_late_one_is_not() {
        let mut workers = living();
        let hold = || ToDirector::Held { hold: Some(HOLD) };
        assert!(workers.said(0, ALICE, hold()).is_none());
        check(&mut workers, ALICE, 2);
        let acts = workers.tick(BEGIN_MILLISECONDS_MAX);
        assert!(acts.iter().any(|act| is_refused(act, Refusal::Busy)));
        assert!(acts.iter().any(|act| matches!(act, Act::Release(ALICE))));
        assert!(say(&mut workers, hold()).is_empty());
        assert!(workers.said(0, ALICE, hold()).is_none());
    }

    #[test]
    fn an_account_is_checked_once_at_a_time_and_few_accounts_together() {
        let mut workers = alone();
        assert!(check(&mut workers, ALICE, 9).is_empty());
        assert!(is_refused(&check(&mut workers, ALICE, 8)[0], Refusal::Busy));
        for account in 1..=VERIFIERS_MAX as u32 {
            let acts = check(&mut workers, AccountId(account), 10 + account as u8);
            let taken = matches!(acts[0], Act::BearVerifier(..));
            assert_eq!(taken, account < VERIFIERS_MAX as u32);
        }
    }

    #[test]
    fn who_asks_again_waits_for_the_first_to_be_reaped_but_not_for_long() {
        let mut workers = alone();
        assert!(check(&mut workers, ALICE, 3).is_empty());
        let acts = workers.verifier_ended(1, ALICE);
        assert!(
            matches!(acts[..], [Act::BearVerifier(_, None, _)]),
            "{acts:?}"
        );
        workers.verifier_born(1, ALICE);
        assert!(check(&mut workers, ALICE, 4).is_empty());
        let acts = workers.tick(BEGIN_MILLISECONDS_MAX);
        assert!(is_refused(&acts[0], Refusal::Busy), "{acts:?}");
    }

    #[test]
    fn a_check_is_ended_after_its_time() {
        let mut workers = alone();
        assert!(workers.tick(CHECK_MILLISECONDS_MAX - 1).is_empty());
        let acts = workers.tick(CHECK_MILLISECONDS_MAX);
        assert!(matches!(acts[..], [Act::EndVerifier(ALICE)]));
        // Whoever should have reaped it has died.
        workers.tick(CHECK_MILLISECONDS_MAX + ENDING_MILLISECONDS_MAX);
        assert_eq!(workers.checks.len(), 0);
    }

    #[test]
    fn a_dead_broker_ends_every_check_and_who_waited_for_the_end_of_one_is_refused() {
        let mut workers = alone();
        deliver(&mut workers, ALICE, 3);
        let acts = workers.broker_gone(1);
        assert!(
            acts.iter().any(|act| is_refused(act, Refusal::NoWorker)),
            "{acts:?}"
        );
        assert_eq!(workers.checks.len(), 0);
        assert!(workers.is_empty());
        let mut workers = held();
        let acts = workers.broker_gone(1);
        assert!(matches!(acts[..], [Act::Release(ALICE)]));
    }

    #[test]
    fn no_old_ticket_outlives_a_raised_epoch_behind_a_verifier() {
        let mut workers = alone();
        deliver(&mut workers, ALICE, 3);
        let sealed = SealedEpoch {
            account: ALICE,
            epoch: Epoch(5),
            seal: [0; KEY_BYTES],
        };
        let acts = workers.raise_epoch(1, sealed);
        assert!(acts.iter().any(|act| is_refused(act, Refusal::NoWorker)));
        let told = |act: &Act| matches!(act, Act::TellAuth(ToAuth::EpochRaised { .. }));
        assert!(acts.iter().any(told));
        assert!(workers.verifier_ended(2, ALICE).is_empty());
    }

    #[test]
    fn a_verifier_that_is_not_born_tells_why_and_lets_the_worker_go() {
        let mut workers = living();
        check(&mut workers, ALICE, 2);
        say(&mut workers, ToDirector::Held { hold: Some(HOLD) });
        let acts = workers.verifier_not_born(0, ALICE, BirthFailure::Crowded);
        assert!(is_refused(&acts[0], Refusal::Busy));
        assert!(matches!(acts[1], Act::Release(ALICE)));
    }

    /// What may happen around one account.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Check,
        Deliver,
        Ready,
        Held(Option<Hold>),
        NotHeld,
        WorkerEnds,
        VerifierBorn,
        VerifierNotBorn,
        VerifierEnds,
        BrokerDies,
        Time(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Check),
            Just(Event::Deliver),
            Just(Event::Ready),
            prop_oneof![Just(Some(HOLD)), Just(None)].prop_map(Event::Held),
            Just(Event::NotHeld),
            Just(Event::WorkerEnds),
            Just(Event::VerifierBorn),
            Just(Event::VerifierNotBorn),
            Just(Event::VerifierEnds),
            Just(Event::BrokerDies),
            (0..20_000_u64).prop_map(Event::Time),
        ]
    }

    /// What really lives, as the acts and events say.
    #[derive(Debug, Default)]
    struct World {
        worker: bool,
        holds: bool,
        verifier: bool,
        alone: bool,
    }

    impl World {
        fn take(&mut self, acts: Vec<Act>, workers: &mut Workers) {
            for act in acts {
                match act {
                    Act::Birth(..) => {
                        assert!(!(self.verifier && self.alone), "born beside a check");
                        self.worker = true;
                    }
                    Act::Give(_, ToWorker::Hold) => self.holds = true,
                    Act::Give(_, ToWorker::Release) => self.holds = false,
                    Act::BearVerifier(_, hold, _) => {
                        assert!(!self.verifier, "two verifiers");
                        self.verifier = true;
                        self.alone = !self.worker;
                        assert!(hold.is_none() || self.holds, "nobody holds");
                    }
                    Act::Release(account) => {
                        let more = workers.release(account).into_iter().collect();
                        self.take(more, workers);
                    }
                    _ => {}
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn no_worker_is_born_beside_a_verifier_that_reads_alone(events in prop::collection::vec(event(), 1..60)) {
            let mut workers = Workers::new(9, 60_000);
            let (mut world, mut now) = (World::default(), 0);
            for (number, event) in (0u8..).zip(events) {
                let acts = match event {
                    Event::Check => check(&mut workers, ALICE, number),
                    Event::Deliver => deliver(&mut workers, ALICE, number),
                    Event::Ready if world.worker => workers.said(now, ALICE, ToDirector::Ready { storage: None }).unwrap_or_default(),
                    Event::Held(hold) if world.worker => workers.said(now, ALICE, ToDirector::Held { hold }).unwrap_or_default(),
                    Event::NotHeld if world.worker => workers.said(now, ALICE, ToDirector::NotHeld).unwrap_or_default(),
                    Event::WorkerEnds if world.worker => {
                        (world.worker, world.holds) = (false, false);
                        workers.ended(now, ALICE)
                    }
                    Event::VerifierBorn if world.verifier => workers.verifier_born(now, ALICE),
                    Event::VerifierNotBorn if world.verifier => {
                        world.verifier = false;
                        workers.verifier_not_born(now, ALICE, BirthFailure::Kernel)
                    }
                    Event::VerifierEnds if world.verifier => {
                        let mut acts = workers.verifier_born(now, ALICE);
                        world.verifier = false;
                        acts.extend(workers.verifier_ended(now, ALICE));
                        acts
                    }
                    Event::BrokerDies => {
                        // Its verifiers die with it; what was about to be born isn't.
                        world.verifier = false;
                        let acts = workers.broker_gone(now);
                        world.worker = !workers.is_empty();
                        acts
                    }
                    Event::Time(passed) if !world.verifier => {
                        now += passed;
                        workers.tick(now)
                    }
                    _ => Vec::new(),
                };
                world.take(acts, &mut workers);
                world.worker &= !workers.is_empty();
            }
        }
    }
}
