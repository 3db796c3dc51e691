//! The loop: `director`'s questions, the supervisor's word, and the ends of
//! children.

use crate::nursery::{NotBorn, Nursery, Uid};
use ipc::channel::Fault;
use ipc::edge::director_broker::{BirthFailure, ToBroker, ToDirector};
use ipc::edge::supervisor::{Edge, Event, Process, ToProcess, ToSupervisor};
use ipc::registry::{Registered, Registry, Watched, close, replace};
use ipc::slice::Slice;
use ipc::ticket::SealedTicket;
use ipc::{AccountId, Bytes};
use rustix::io::Errno;
use sandbox::{Child, Ended};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long one wait for events lasts at most; nothing here depends on time.
const WAIT: Duration = Duration::from_secs(60);

/// Whose descriptor is ready.
#[derive(Debug, Clone, Copy)]
pub enum Peer {
    /// The supervisor says something.
    Supervisor,
    /// `director` asks something.
    Director,
    /// A worker has ended.
    Worker(AccountId),
    /// A verifier has ended.
    Verifier(AccountId),
}

/// A child that was not reaped yet.
#[derive(Debug)]
pub struct Living {
    child: Child,
    uid: Uid,
    watched: Watched,
}

/// All that `broker` holds.
#[derive(Debug)]
pub struct Broker {
    registry: Registry<Peer>,
    supervisor: Registered<ToSupervisor, ToProcess>,
    director: Option<Registered<ToDirector, ToBroker>>,
    slice: Slice,
    /// Where children come from.
    pub nursery: Nursery,
    workers: HashMap<AccountId, Living>,
    /// See `verifiers.rs`.
    pub verifiers: HashMap<AccountId, Living>,
    stopping: bool,
}

impl Broker {
    /// Takes over after the start.
    ///
    /// # Errors
    /// If epoll is not to be had.
    pub fn new(supervisor: OwnedFd, slice: Slice, nursery: Nursery) -> Result<Self, Fault> {
        let mut registry = Registry::new().map_err(Fault::Socket)?;
        let supervisor = registry.register(Peer::Supervisor, supervisor)?;
        Ok(Self {
            registry,
            supervisor,
            director: None,
            slice,
            nursery,
            workers: HashMap::new(),
            verifiers: HashMap::new(),
            stopping: false,
        })
    }

    /// Serves until the supervisor says `Stop` or has gone; workers that are left
    /// then go on, and are the supervisor's to reap; verifiers are ended by it.
    ///
    /// # Errors
    /// As epoll_wait(2).
    pub fn serve(&mut self, _confined: &sandbox::Entered) -> Result<(), Errno> {
        while !(self.stopping && self.workers.is_empty()) {
            for peer in self.registry.wait(WAIT)? {
                match peer {
                    Peer::Supervisor if !self.attend_supervisor() => return Ok(()),
                    Peer::Supervisor => {}
                    Peer::Director => self.attend_director(),
                    Peer::Worker(account) => self.reap(account),
                    Peer::Verifier(account) => self.reap_verifier(account),
                }
            }
        }
        Ok(())
    }

    /// Takes an end of an edge; `director`'s is the only one there is.
    pub fn connect(&mut self, edge: Edge, socket: OwnedFd) {
        if edge == Edge::DirectorBroker
            && let Ok(director) = self.registry.register(Peer::Director, socket)
        {
            replace(&mut self.registry, &mut self.director, director);
            self.end_verifiers();
        }
    }

    /// `false`: the supervisor has gone.
    fn attend_supervisor(&mut self) -> bool {
        let (messages, outcome) = self.registry.turn(&mut self.supervisor);
        for message in messages {
            self.obey(message);
        }
        outcome.is_ok()
    }

    fn obey(&mut self, message: ToProcess) {
        match message {
            ToProcess::Connect { edge, socket, .. } => self.connect(edge, socket),
            ToProcess::WorkerSlice {
                slice: Slice::Worker { slice },
            } => self.nursery.slice = slice,
            ToProcess::Prepare { slice } if slice == self.slice => self.say(ToSupervisor::Prepared),
            ToProcess::Prepare { .. } => {
                let reason = Bytes::new("the uids of accounts can't change while workers live")
                    .unwrap_or_default();
                self.say(ToSupervisor::Refused { reason });
            }
            ToProcess::WorkerLog { log } => self.nursery.log = log,
            ToProcess::Stop => self.stopping = true,
            // Nothing is applied that was not so before; the rest is for others.
            _ => {}
        }
    }

    fn say(&mut self, message: ToSupervisor) {
        // If the supervisor can't be told, its channel shows it at the next turn.
        let _told_at_the_next_turn = self.registry.send(&mut self.supervisor, message);
    }

    /// Tells the administrator.
    pub fn report(&mut self, event: Event) {
        self.say(ToSupervisor::Report { event });
    }

    fn attend_director(&mut self) {
        let Some(director) = &mut self.director else {
            return;
        };
        let (messages, outcome) = self.registry.turn(director);
        for message in messages {
            match message {
                ToBroker::Birth { ticket, channel } => self.bear(&ticket, &channel),
                ToBroker::End { account } => self.end(account),
                ToBroker::Remove { sealed } => {
                    let account = sealed.account;
                    let gone = !self.workers.contains_key(&account) && self.nursery.remove(&sealed);
                    self.answer(ToDirector::Removed { account, gone });
                }
                ToBroker::BearVerifier { ticket, hold, pair } => {
                    self.bear_verifier(&ticket, hold, &pair);
                }
                ToBroker::EndVerifier { account } => self.end_verifier(account),
            }
        }
        if let Err(fault) = outcome {
            self.lose_director(fault);
        }
    }

    fn lose_director(&mut self, fault: Fault) {
        close(&mut self.registry, &mut self.director);
        self.end_verifiers();
        if fault != Fault::PeerGone {
            self.report(Event::PeerFault {
                peer: Process::Director,
                instance: 0,
            });
        }
    }

    /// Answers `director`, if there is one.
    pub fn answer(&mut self, message: ToDirector) {
        let Some(director) = &mut self.director else {
            return;
        };
        if let Err(fault) = self.registry.send(director, message) {
            self.lose_director(fault);
        }
    }

    fn bear(&mut self, ticket: &SealedTicket, channel: &OwnedFd) {
        let account = ticket.claim.account;
        let began = Instant::now();
        let born = match self.workers.contains_key(&account) {
            true => Err(NotBorn::quietly(BirthFailure::Alive)),
            false => self.nursery.bear(ticket, channel),
        };
        match born.and_then(|child| self.watch(Peer::Worker(account), account, child)) {
            Ok(living) => {
                let micros = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
                self.report(Event::WorkerBorn {
                    account: account.0,
                    pid: living.number(),
                    micros,
                });
                self.workers.insert(account, living);
                self.answer(ToDirector::Born {
                    account,
                    created: ticket.claim.may_create,
                });
            }
            Err(NotBorn { failure, event }) => {
                event.into_iter().for_each(|event| self.report(event));
                self.answer(ToDirector::NotBorn { account, failure });
            }
        }
    }

    /// Watches a newborn, so that its end is heard of.
    ///
    /// # Errors
    /// [`NotBorn`]; it has ended then.
    pub fn watch(
        &mut self,
        peer: Peer,
        account: AccountId,
        child: Child,
    ) -> Result<Living, NotBorn> {
        let uid = self.nursery.uid(account)?;
        match self.registry.watch(peer, &child) {
            Ok(watched) => Ok(Living {
                child,
                uid,
                watched,
            }),
            Err(_) => {
                // Nobody would hear of its end: it must not begin.
                let _it_has_ended_by_itself = sandbox::account::kill(&child, uid);
                Err(NotBorn::quietly(BirthFailure::Kernel))
            }
        }
    }

    fn end(&mut self, account: AccountId) {
        let Some(worker) = self.workers.get(&account) else {
            return;
        };
        if worker.kill() {
            self.report(Event::WorkerKilled { account: account.0 });
        }
    }

    fn reap(&mut self, account: AccountId) {
        // Its pidfd may be readable before it can be reaped: while somebody traces it.
        let Some(status) = self.workers.get(&account).and_then(Living::ended) else {
            return;
        };
        let Some(worker) = self.workers.remove(&account) else {
            return;
        };
        self.unwatch(&worker);
        self.report(Event::WorkerEnded {
            account: account.0,
            status,
        });
        self.answer(ToDirector::Ended { account });
    }

    /// Nothing more is heard of whoever was reaped.
    pub fn unwatch(&mut self, living: &Living) {
        self.registry.unwatch(&living.watched, &living.child);
    }
}

impl Living {
    /// Its pid, for people.
    pub fn number(&self) -> u32 {
        self.child.number().unsigned_abs()
    }

    /// Ends it. `false`: it has ended by itself in between, which its pidfd tells
    /// in any case.
    pub fn kill(&self) -> bool {
        sandbox::account::kill(&self.child, self.uid).is_ok()
    }

    /// Its exit status, or the signal that killed it as a negative number; `None`
    /// while it lives. It is reaped by this.
    pub fn ended(&self) -> Option<i32> {
        match self.child.ended() {
            Ok(Some(Ended::Exited(status))) => Some(status),
            Ok(Some(Ended::Killed(signal))) => Some(signal.saturating_neg()),
            Ok(None) => None,
            Err(errno) => Some(errno.raw_os_error()),
        }
    }
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
