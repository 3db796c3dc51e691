//! Verifiers: at most [`VERIFIERS_MAX`], one for an account, beside its worker or
//! instead of one.
//!
//! What they may read rests on what `director` knows of the workers. So when it has
//! gone they are ended: a new one wouldn't know that they are there.

use crate::nursery::NotBorn;
use crate::serve::{Broker, Living, Peer};
use ipc::AccountId;
use ipc::edge::birth::Hold;
use ipc::edge::director_broker::{BirthFailure, ToDirector, VERIFIERS_MAX};
use ipc::edge::supervisor::Event;
use ipc::ticket::SealedTicket;
use std::os::fd::OwnedFd;

impl Broker {
    /// `director` wants an account checked.
    pub fn bear_verifier(&mut self, ticket: &SealedTicket, hold: Option<Hold>, pair: &OwnedFd) {
        let account = ticket.claim.account;
        match self.begin_verifier(ticket, hold, pair) {
            Ok(verifier) => {
                self.report(Event::VerifierBorn {
                    account: account.0,
                    pid: verifier.number(),
                });
                self.verifiers.insert(account, verifier);
                self.answer(ToDirector::VerifierBorn { account });
            }
            Err(NotBorn { failure, event }) => {
                event.into_iter().for_each(|event| self.report(event));
                self.answer(ToDirector::VerifierNotBorn { account, failure });
            }
        }
    }

    fn begin_verifier(
        &mut self,
        ticket: &SealedTicket,
        hold: Option<Hold>,
        pair: &OwnedFd,
    ) -> Result<Living, NotBorn> {
        let account = ticket.claim.account;
        if self.verifiers.contains_key(&account) {
            return Err(NotBorn::quietly(BirthFailure::Alive));
        }
        if self.verifiers.len() >= VERIFIERS_MAX {
            return Err(NotBorn::quietly(BirthFailure::Crowded));
        }
        let child = self.nursery.bear_verifier(ticket, hold, pair)?;
        self.watch(Peer::Verifier(account), account, child)
    }

    /// `director` wants it ended; [`Self::reap_verifier`] says when it has.
    pub fn end_verifier(&mut self, account: AccountId) {
        if let Some(verifier) = self.verifiers.get(&account) {
            let _it_may_have_ended_by_itself = verifier.kill();
        }
    }

    /// There is no `director`, or another one.
    pub fn end_verifiers(&mut self) {
        for verifier in self.verifiers.values() {
            let _it_may_have_ended_by_itself = verifier.kill();
        }
    }

    /// A verifier's pidfd is readable.
    pub fn reap_verifier(&mut self, account: AccountId) {
        let Some(status) = self.verifiers.get(&account).and_then(Living::ended) else {
            return;
        };
        let Some(verifier) = self.verifiers.remove(&account) else {
            return;
        };
        self.unwatch(&verifier);
        self.report(Event::VerifierEnded {
            account: account.0,
            status,
        });
        self.answer(ToDirector::VerifierEnded { account });
    }
}
