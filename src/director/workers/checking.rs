//! What checks of accounts have to do with workers: who holds, who waits, and who
//! may not be born meanwhile. The table of checks itself is `checks.rs`.

use super::worker::{Job, Stage};
use super::{Act, Workers};
use crate::checks::Presence;
use ipc::AccountId;
use ipc::edge::director_broker::BirthFailure;
use ipc::edge::director_worker::ToWorker;
use ipc::edge::handover::Refusal;

impl Workers {
    /// Somebody wants the account checked.
    pub(super) fn check(&mut self, now: u64, job: Job) -> Vec<Act> {
        let account = job.ticket.claim.account;
        let presence = self.presence(account);
        let who = (job.asker, job.nonce);
        let acts = self.checks.begin(now, who, job.ticket, job.offer, presence);
        self.note_hold(account, &acts);
        acts
    }

    fn presence(&self, account: AccountId) -> Presence {
        match self.workers.get(&account).map(|worker| worker.stage) {
            None => Presence::Absent,
            Some(Stage::Ready) => Presence::Ready,
            Some(Stage::Expected | Stage::Leaving | Stage::Barred) => Presence::Changing,
        }
    }

    /// The account's worker has come or gone: a check that waited goes on.
    pub(super) fn go_on_checking(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        let presence = self.presence(account);
        let acts = self.checks.go_on(now, account, presence);
        self.note_hold(account, &acts);
        acts
    }

    /// A worker that is asked to hold has something to do.
    fn note_hold(&mut self, account: AccountId, acts: &[Act]) {
        let asked = |act: &Act| matches!(act, Act::Give(_, ToWorker::Hold));
        if let Some(worker) = self.workers.get_mut(&account)
            && acts.iter().any(asked)
        {
            worker.held = true;
            worker.hold_unanswered = worker.hold_unanswered.saturating_add(1);
            worker.idle = None;
        }
    }

    /// The check for which a worker held is over.
    pub fn release(&mut self, account: AccountId) -> Option<Act> {
        let worker = self.workers.get_mut(&account)?;
        std::mem::take(&mut worker.held).then(|| Act::Give(account, ToWorker::Release))
    }

    /// `broker` has started a verifier.
    pub fn verifier_born(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        self.checks.born(now, account).into_iter().collect()
    }

    /// `broker` could not; who waited for its end needn't any more.
    pub fn verifier_not_born(
        &mut self,
        now: u64,
        account: AccountId,
        failure: BirthFailure,
    ) -> Vec<Act> {
        let mut acts = self.checks.not_born(account, failure);
        acts.extend(self.unbar(now, account));
        acts.extend(self.go_on_checking(now, account));
        acts
    }

    /// `broker` has reaped a verifier.
    pub fn verifier_ended(&mut self, now: u64, account: AccountId) -> Vec<Act> {
        let mut acts = self.checks.ended(account);
        acts.extend(self.unbar(now, account));
        acts.extend(self.go_on_checking(now, account));
        acts
    }

    /// Asks for the birth that a verifier stood in the way of.
    pub(super) fn unbar(&mut self, now: u64, account: AccountId) -> Option<Act> {
        let worker = self.workers.get_mut(&account)?;
        let ticket = worker.queue.front()?.ticket;
        (worker.stage == Stage::Barred).then(|| {
            worker.enter(Stage::Expected, now);
            Act::Birth(account, ticket)
        })
    }

    /// Who waits for a verifier's end waits in vain: of this account, or of all.
    pub(super) fn give_up_barred(&mut self, now: u64, only: Option<AccountId>) -> Vec<Act> {
        let barred = self.those(|worker| worker.stage == Stage::Barred);
        barred
            .into_iter()
            .filter(|account| only.is_none_or(|only| only == *account))
            .flat_map(|account| self.give_up(now, account, Refusal::NoWorker))
            .collect()
    }

    /// Bytes that the scrubs of living workers have read.
    pub fn scrubbed(&self) -> u64 {
        let each = self.workers.values().map(|worker| worker.scrubbed);
        each.fold(0, u64::saturating_add)
    }
}
