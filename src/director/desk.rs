//! The loop: takes messages from every channel, asks [`Halves`] and [`Workers`]
//! what they mean, and carries out what those say.
//!
//! A peer that breaks its channel's rules loses its channel; nobody else notices.

mod answering;

use crate::joining::{Expired, Halves, NotTaken, Offer};
use crate::peers::{AskerEnd, AuthEnd, BrokerEnd, ControlEnd, Peer, SupervisorEnd, WorkerEnd};
use crate::workers::{Act, Workers};
use ipc::channel::Fault;
use ipc::edge::birth::Hold;
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::edge::{auth_director, director_broker, director_worker, handover};
use ipc::registry::{Registry, close, replace};
use ipc::slice::{Director as Slice, Slice as AnySlice};
use ipc::ticket::SealedTicket;
use ipc::{AccountId, Bytes, Instance};
use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How often time is looked at when nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// How long workers have to leave when the set stops.
const STOPPING_MILLISECONDS_MAX: u64 = 8_000;

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As the supervisor wished, or because it is no more.
    Stopped,
    /// epoll itself failed; nothing can be served any more.
    Broken,
}

/// All that `director` holds.
#[derive(Debug)]
pub struct Desk {
    registry: Registry<Peer>,
    began: Instant,
    supervisor: SupervisorEnd,
    auth: Option<AuthEnd>,
    broker: Option<BrokerEnd>,
    control: Option<ControlEnd>,
    /// Which life of a process each edge leads to.
    lives: HashMap<Edge, Instance>,
    askers: HashMap<Instance, (Edge, AskerEnd)>,
    channels: HashMap<AccountId, WorkerEnd>,
    halves: Halves,
    workers: Workers,
    prepared: Option<Slice>,
    stopping_since: Option<u64>,
}

impl Desk {
    /// Takes over the channel to the supervisor after `Configure`.
    ///
    /// # Errors
    /// If epoll is not to be had.
    pub fn new(supervisor: OwnedFd, slice: &Slice) -> Result<Self, Fault> {
        let mut registry = Registry::without_secrets().map_err(Fault::Socket)?;
        let supervisor = registry.register(Peer::Supervisor, supervisor)?;
        Ok(Self {
            registry,
            began: Instant::now(),
            supervisor,
            auth: None,
            broker: None,
            control: None,
            lives: HashMap::new(),
            askers: HashMap::new(),
            channels: HashMap::new(),
            halves: Halves::default(),
            workers: Workers::new(workers_max(slice), linger_milliseconds(slice)),
            prepared: None,
            stopping_since: None,
        })
    }

    /// Serves until the end.
    pub fn serve(&mut self, _confined: &sandbox::Entered) -> End {
        let mut ticked = 0;
        loop {
            let Ok(ready) = self.registry.wait(TICK) else {
                return End::Broken;
            };
            for peer in ready {
                if let Some(end) = self.attend(peer) {
                    return end;
                }
            }
            let now = self.now();
            if now.saturating_sub(ticked) >= 1_000 {
                ticked = now;
                self.tick(now);
            }
            if self.has_stopped(now) {
                return End::Stopped;
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn has_stopped(&self, now: u64) -> bool {
        let late = |since| now.saturating_sub(since) >= STOPPING_MILLISECONDS_MAX;
        self.stopping_since
            .is_some_and(|since| self.workers.is_empty() || late(since))
    }

    fn tick(&mut self, now: u64) {
        for expired in self.halves.expire(now) {
            if let Expired::Offer(asker, nonce) = expired {
                let refusal = handover::Refusal::NoTicket;
                self.carry_out(vec![Act::Tell(
                    asker,
                    handover::ToAsker::Refused { nonce, refusal },
                )]);
            }
        }
        let acts = self.workers.tick(now);
        self.carry_out(acts);
    }

    /// Takes what a ready channel has, up to a turn.
    fn attend(&mut self, peer: Peer) -> Option<End> {
        match peer {
            Peer::Supervisor => return self.attend_supervisor(),
            Peer::Auth => self.attend_auth(),
            Peer::Broker => self.attend_broker(),
            Peer::Control => self.attend_control(),
            Peer::Asker(instance) => self.attend_asker(instance),
            Peer::Worker(account) => self.attend_worker(account),
        }
        None
    }

    fn attend_supervisor(&mut self) -> Option<End> {
        let (messages, open) = self.registry.turn(&mut self.supervisor);
        for message in messages {
            self.obey(message);
        }
        // Without a supervisor there is nobody to restart anything: let the
        // workers finish what runs.
        (!good(open)).then_some(End::Stopped)
    }

    fn obey(&mut self, message: ToProcess) {
        match message {
            ToProcess::Connect {
                edge,
                instance,
                socket,
            } => self.connect(edge, instance, socket),
            ToProcess::WorkerSlice {
                slice: AnySlice::Worker { slice },
            } => {
                let acts = self.workers.configure(&slice);
                self.carry_out(acts);
            }
            ToProcess::Prepare {
                slice: AnySlice::Director { slice },
            } => {
                self.prepared = Some(slice);
                self.answer(ToSupervisor::Prepared);
            }
            ToProcess::Prepare { .. } => self.answer(refused("that is not director's slice")),
            ToProcess::Commit => self.apply_prepared(),
            ToProcess::Discard => self.prepared = None,
            ToProcess::Begin => self.answer(ToSupervisor::Running),
            ToProcess::Stop => self.stop(),
            _ => tracing::error!("the supervisor sent something that is not for director"),
        }
    }

    fn apply_prepared(&mut self) {
        if let Some(slice) = self.prepared.take() {
            eventlog::set_level(slice.logging.level.number());
            self.workers.workers_max = workers_max(&slice);
            self.workers.linger_milliseconds = linger_milliseconds(&slice);
        }
    }

    fn stop(&mut self) {
        let now = self.now();
        self.stopping_since = Some(now);
        let acts = self.workers.stop(now);
        self.carry_out(acts);
    }

    fn answer(&mut self, message: ToSupervisor) {
        if let Err(fault) = self.registry.send(&mut self.supervisor, message) {
            tracing::error!(%fault, "the supervisor can't be answered");
        }
    }

    /// Takes an end of an edge; an older one of the same peer is closed.
    pub fn connect(&mut self, edge: Edge, instance: Instance, socket: OwnedFd) {
        let connected = match edge {
            Edge::AuthDirector => self.registry.register(Peer::Auth, socket).map(|new| {
                replace(&mut self.registry, &mut self.auth, new);
            }),
            Edge::DirectorBroker => self.registry.register(Peer::Broker, socket).map(|new| {
                replace(&mut self.registry, &mut self.broker, new);
            }),
            Edge::ControlDirector => self.registry.register(Peer::Control, socket).map(|new| {
                replace(&mut self.registry, &mut self.control, new);
            }),
            Edge::LoginHandover | Edge::LmtpHandover | Edge::ControlHandover => self
                .registry
                .register(Peer::Asker(instance), socket)
                .map(|new| {
                    if let Some((_, old)) = self.askers.insert(instance, (edge, new)) {
                        self.registry.forget(&old);
                    }
                }),
            _ => Err(Fault::Socket(rustix::io::Errno::PROTOTYPE)),
        };
        match connected {
            Ok(()) => drop(self.lives.insert(edge, instance)),
            Err(fault) => tracing::error!(?edge, %fault, "an edge could not be connected"),
        }
    }

    /// The supervisor knows whether who was there lives, and joins us again if so.
    fn torn(&mut self, edge: Edge) {
        if let Some(instance) = self.lives.get(&edge).copied() {
            self.answer(ToSupervisor::Torn { edge, instance });
        }
    }

    fn attend_auth(&mut self) {
        let Some(auth) = &mut self.auth else { return };
        let (messages, open) = self.registry.turn(auth);
        for message in messages {
            match message {
                auth_director::ToDirector::Grant {
                    asker,
                    nonce,
                    ticket,
                } => self.grant(asker, nonce, ticket),
                auth_director::ToDirector::RaiseEpoch { sealed } => {
                    let acts = self.workers.raise_epoch(self.now(), sealed);
                    self.carry_out(acts);
                }
            }
        }
        if !good(open) {
            close(&mut self.registry, &mut self.auth);
            self.torn(Edge::AuthDirector);
            tracing::warn!("auth has gone; no new sessions until it is back");
        }
    }

    fn grant(&mut self, asker: Instance, nonce: ipc::Nonce, ticket: SealedTicket) {
        if !self.askers.contains_key(&asker) {
            return;
        }
        match self.halves.grant(self.now(), asker, nonce, ticket) {
            Ok(Some((ticket, offer))) => self.bring(asker, nonce, ticket, offer),
            Ok(None) => {}
            Err(not_taken) => tracing::warn!(?not_taken, asker = asker.0, "a ticket was not taken"),
        }
    }

    fn bring(&mut self, asker: Instance, nonce: ipc::Nonce, ticket: SealedTicket, offer: Offer) {
        let acts = self.workers.bring(self.now(), asker, nonce, ticket, offer);
        self.carry_out(acts);
    }

    fn attend_asker(&mut self, instance: Instance) {
        let Some((edge, asker)) = self.askers.get_mut(&instance) else {
            return;
        };
        let edge = *edge;
        let (messages, outcome) = self.registry.turn(asker);
        let mut open = good(outcome);
        for handover::ToDirector::HandOver {
            nonce,
            work,
            socket,
        } in messages
        {
            open = open && self.offer(edge, instance, nonce, Offer { work, socket });
        }
        if !open {
            self.lose_asker(instance);
        }
    }

    /// Takes a socket. `false`: the asker has broken the rules of its edge.
    fn offer(&mut self, edge: Edge, asker: Instance, nonce: ipc::Nonce, offer: Offer) -> bool {
        if !may_offer(edge, &offer.work) {
            tracing::error!(
                ?edge,
                asker = asker.0,
                "an asker offered what is not its to offer"
            );
            return false;
        }
        match self.halves.offer(self.now(), asker, nonce, offer) {
            Ok(Some((ticket, offer))) => self.bring(asker, nonce, ticket, offer),
            Ok(None) => {}
            Err(NotTaken::Repeated) => return false,
            Err(NotTaken::TooMany) => {
                let refusal = handover::Refusal::NoTicket;
                self.carry_out(vec![Act::Tell(
                    asker,
                    handover::ToAsker::Refused { nonce, refusal },
                )]);
            }
        }
        true
    }

    fn lose_asker(&mut self, instance: Instance) {
        if let Some((edge, asker)) = self.askers.remove(&instance) {
            self.registry.forget(&asker);
            self.halves.forget(instance);
            self.answer(ToSupervisor::Torn { edge, instance });
            tracing::info!(?edge, asker = instance.0, "an asker has gone");
        }
    }

    fn attend_broker(&mut self) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        let (messages, open) = self.registry.turn(broker);
        for message in messages {
            let acts = self.hear_broker(message);
            self.carry_out(acts);
        }
        if !good(open) {
            close(&mut self.registry, &mut self.broker);
            self.torn(Edge::DirectorBroker);
            tracing::warn!("broker has gone; no new workers until it is back");
            let acts = self.workers.broker_gone(self.now());
            self.carry_out(acts);
        }
    }

    fn hear_broker(&mut self, message: director_broker::ToDirector) -> Vec<Act> {
        use director_broker::ToDirector::{
            Born, Ended, NotBorn, Removed, VerifierBorn, VerifierEnded, VerifierNotBorn,
        };
        let now = self.now();
        match message {
            Born { account, created } => {
                self.workers.born(account, created);
                Vec::new()
            }
            NotBorn { account, failure } => {
                tracing::warn!(account = account.0, ?failure, "a worker could not be born");
                self.workers.not_born(now, account, failure)
            }
            Ended { account } => self.workers.ended(now, account),
            VerifierBorn { account } => self.workers.verifier_born(now, account),
            VerifierNotBorn { account, failure } => {
                tracing::warn!(
                    account = account.0,
                    ?failure,
                    "a verifier could not be born"
                );
                self.workers.verifier_not_born(now, account, failure)
            }
            VerifierEnded { account } => self.workers.verifier_ended(now, account),
            Removed { account, gone } => {
                if !gone {
                    tracing::error!(
                        account = account.0,
                        "a deleted account's directory could not be removed"
                    );
                }
                let epoch = director_broker::EPOCH_DELETED;
                let told = auth_director::ToAuth::EpochRaised { account, epoch };
                if gone {
                    vec![Act::TellAuth(told)]
                } else {
                    Vec::new()
                }
            }
        }
    }

    fn attend_worker(&mut self, account: AccountId) {
        let Some(worker) = self.channels.get_mut(&account) else {
            return;
        };
        let (messages, outcome) = self.registry.turn(worker);
        let mut open = good(outcome);
        for message in messages {
            match self.workers.said(self.now(), account, message) {
                Some(acts) => self.carry_out(acts),
                None => {
                    tracing::error!(account = account.0, "a worker said what it may not say");
                    self.carry_out(vec![Act::End(account)]);
                    open = false;
                    break;
                }
            }
        }
        if !open {
            let acts = self.workers.gone(self.now(), account);
            self.carry_out(acts);
        }
    }

    /// Carries out what the tables decided. What fails on the way decides more,
    /// so this is a queue; it ends because every failure removes a channel.
    fn carry_out(&mut self, acts: Vec<Act>) {
        let mut queue = VecDeque::from(acts);
        while let Some(act) = queue.pop_front() {
            queue.extend(self.carry_out_one(act));
        }
    }

    fn carry_out_one(&mut self, act: Act) -> Vec<Act> {
        match act {
            Act::Tell(asker, answer) => self.tell(asker, answer),
            Act::Give(account, message) => return self.give(account, message),
            Act::Birth(account, ticket) => return self.ask_birth(account, ticket),
            Act::End(account) => self.ask_broker(director_broker::ToBroker::End { account }),
            Act::Remove(sealed) => self.ask_broker(director_broker::ToBroker::Remove { sealed }),
            Act::BearVerifier(ticket, hold, pair) => return self.ask_verifier(ticket, hold, pair),
            Act::EndVerifier(account) => {
                self.ask_broker(director_broker::ToBroker::EndVerifier { account });
            }
            Act::Release(account) => return self.workers.release(account).into_iter().collect(),
            Act::Close(account) => {
                if let Some(worker) = self.channels.remove(&account) {
                    self.registry.forget(&worker);
                }
            }
            Act::TellAuth(message) => self.tell_auth(message),
        }
        Vec::new()
    }

    fn tell(&mut self, asker: Instance, answer: handover::ToAsker) {
        let Some((_, channel)) = self.askers.get_mut(&asker) else {
            return;
        };
        if let Err(fault) = self.registry.send(channel, answer) {
            tracing::warn!(%fault, asker = asker.0, "an asker could not be answered");
            self.lose_asker(asker);
        }
    }

    fn give(&mut self, account: AccountId, message: director_worker::ToWorker) -> Vec<Act> {
        let Some(worker) = self.channels.get_mut(&account) else {
            return Vec::new();
        };
        match self.registry.send(worker, message) {
            Ok(()) => Vec::new(),
            Err(fault) => {
                tracing::warn!(%fault, account = account.0, "a worker could not be told");
                let mut acts = self.workers.gone(self.now(), account);
                acts.push(Act::End(account));
                acts
            }
        }
    }

    fn ask_birth(&mut self, account: AccountId, ticket: SealedTicket) -> Vec<Act> {
        match self.open_channel(account) {
            Ok(channel) if self.broker.is_some() => {
                self.ask_broker(director_broker::ToBroker::Birth { ticket, channel });
                Vec::new()
            }
            _ => self
                .workers
                .not_born(self.now(), account, director_broker::BirthFailure::Kernel),
        }
    }

    fn ask_verifier(
        &mut self,
        ticket: SealedTicket,
        hold: Option<Hold>,
        pair: OwnedFd,
    ) -> Vec<Act> {
        if self.broker.is_none() {
            let failure = director_broker::BirthFailure::Kernel;
            let account = ticket.claim.account;
            return self.workers.verifier_not_born(self.now(), account, failure);
        }
        self.ask_broker(director_broker::ToBroker::BearVerifier { ticket, hold, pair });
        Vec::new()
    }

    fn open_channel(&mut self, account: AccountId) -> Result<OwnedFd, Fault> {
        let (near, far) = ipc::channel::pair().map_err(Fault::Socket)?;
        let registered = self.registry.register(Peer::Worker(account), near)?;
        self.channels.insert(account, registered);
        Ok(far)
    }

    fn ask_broker(&mut self, message: director_broker::ToBroker) {
        let Some(broker) = &mut self.broker else {
            return;
        };
        if let Err(fault) = self.registry.send(broker, message) {
            tracing::error!(%fault, "broker could not be asked");
            close(&mut self.registry, &mut self.broker);
            self.torn(Edge::DirectorBroker);
        }
    }

    fn tell_auth(&mut self, message: auth_director::ToAuth) {
        let Some(auth) = &mut self.auth else { return };
        if let Err(fault) = self.registry.send(auth, message) {
            tracing::error!(%fault, "auth could not be told");
            close(&mut self.registry, &mut self.auth);
            self.torn(Edge::AuthDirector);
        }
    }
}

/// Each asker offers its own kind of work: a taken-over `login` can't deliver.
fn may_offer(edge: Edge, work: &handover::Work) -> bool {
    use handover::Work;
    matches!(
        (edge, work),
        (Edge::LoginHandover, Work::Session { .. })
            | (Edge::LmtpHandover, Work::Delivery)
            | (Edge::ControlHandover, Work::Task | Work::Verify)
    )
}

fn workers_max(slice: &Slice) -> usize {
    usize::try_from(slice.workers_max).unwrap_or(usize::MAX)
}

fn linger_milliseconds(slice: &Slice) -> u64 {
    u64::from(slice.linger_seconds).saturating_mul(1_000)
}

fn refused(reason: &str) -> ToSupervisor {
    ToSupervisor::Refused {
        reason: Bytes::new(reason).unwrap_or_default(),
    }
}

/// Whether a channel can be kept. Its end is nothing special; a broken rule is.
fn good(outcome: Result<(), Fault>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(Fault::PeerGone) => false,
        Err(fault) => {
            tracing::error!(%fault, "a peer broke the rules of its channel");
            false
        }
    }
}
