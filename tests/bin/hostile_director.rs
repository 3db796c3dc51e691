//! A `director` that cheats. It enters the real profile, brings sessions to workers as
//! the real one does, in the simplest way, and lies when a client's tag orders it:
//!
//! `invent`: asks for births with tickets of its own making. `other`: gives the socket to
//! the workers of other accounts, with their last tickets and with its own. `replay`: gives
//! the worker ticket and socket again and again. `silent`: never answers for the client;
//! `mute`: nor `control`. `kill`: ends everybody's workers. What a worker refuses is told to
//! the client.

#![allow(clippy::panic, reason = "it is told to")]

use ipc::codec::Message;
use ipc::edge::director_worker::{self, ToWorker};
use ipc::edge::handover::{self, ToAsker, Work};
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::edge::{auth_director, control_director, director_broker};
use ipc::registry::{Registered, Registry, close};
use ipc::ticket::SealedTicket;
use ipc::{AccountId, Channel, Epoch, Instance, List, Nonce};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::collections::{BTreeMap, HashMap};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

/// Accounts whose workers are ended by `kill`.
const ACCOUNTS: u32 = 100;

#[derive(Debug, Clone, Copy)]
enum Peer {
    Supervisor,
    Auth,
    Broker,
    Control,
    Asker(Instance),
    Worker(AccountId),
}

type Slot<Tx, Rx> = Option<Registered<Tx, Rx>>;
type Worker = Registered<ToWorker, director_worker::ToDirector>;

/// A socket with its ticket.
struct Session {
    /// Nobody, if it is a lie.
    asker: Option<Instance>,
    ticket: SealedTicket,
    work: Work,
    socket: OwnedFd,
}

struct Director {
    registry: Registry<Peer>,
    supervisor: Registered<ToSupervisor, ToProcess>,
    auth: Slot<auth_director::ToAuth, auth_director::ToDirector>,
    broker: Slot<director_broker::ToBroker, director_broker::ToDirector>,
    control: Slot<control_director::ToControl, control_director::ToDirector>,
    askers: BTreeMap<Instance, Registered<ToAsker, handover::ToDirector>>,
    workers: BTreeMap<AccountId, (Worker, bool)>,
    tickets: HashMap<(Instance, Nonce), SealedTicket>,
    offers: HashMap<(Instance, Nonce), (Work, OwnedFd)>,
    /// Sessions whose worker is not ready.
    waiting: Vec<Session>,
    /// Who asked under a nonce, and a copy of his socket.
    given: HashMap<Nonce, (Option<Instance>, OwnedFd)>,
    mute: bool,
    /// The last good ticket of each account.
    seen: BTreeMap<AccountId, SealedTicket>,
}

fn main() -> ExitCode {
    let Ok(entered) = sandbox::enter(&sandbox::profile::DIRECTOR) else {
        return ExitCode::FAILURE;
    };
    let socket = entered.descriptor(3).expect("the table has it");
    let mut supervisor = Channel::adopt(socket).expect("a channel");
    let given = ipc::start::collect(&mut supervisor).expect("a start");
    supervisor.send(ToSupervisor::Running).expect("it listens");
    let mut registry = Registry::new().expect("an epoll");
    let supervisor = supervisor.into_socket();
    let supervisor = registry.register(Peer::Supervisor, supervisor);
    let mut director = Director {
        registry,
        supervisor: supervisor.expect("a channel"),
        auth: None,
        broker: None,
        control: None,
        askers: BTreeMap::new(),
        workers: BTreeMap::new(),
        tickets: HashMap::new(),
        offers: HashMap::new(),
        waiting: Vec::new(),
        given: HashMap::new(),
        mute: false,
        seen: BTreeMap::new(),
    };
    for (edge, who, socket) in given.edges {
        director.connect(edge, who, socket);
    }
    director.serve();
    ExitCode::SUCCESS
}

impl Director {
    fn serve(&mut self) {
        loop {
            let ready = self.registry.wait(Duration::from_secs(1));
            for peer in ready.expect("an epoll") {
                match peer {
                    Peer::Supervisor if self.is_over() => return,
                    Peer::Supervisor => {}
                    Peer::Auth => self.hear_auth(),
                    Peer::Broker => self.hear_broker(),
                    Peer::Control => self.hear_control(),
                    Peer::Asker(who) => self.hear_asker(who),
                    Peer::Worker(account) => self.hear_worker(account),
                }
            }
        }
    }

    /// Knows of no workers; `mute`, of nothing.
    fn hear_control(&mut self) {
        use control_director::{ToControl, ToDirector};
        for question in hear(&mut self.registry, &mut self.control) {
            let answer = match question {
                ToDirector::Workers { query, .. } => ToControl::Workers {
                    query,
                    workers: List::default(),
                    more: false,
                },
                ToDirector::Health { query } => ToControl::Health {
                    query,
                    ailing: List::default(),
                    scrubbed_bytes: 0,
                    verifiers: 0,
                },
            };
            if let Some(control) = self.control.as_mut().filter(|_| !self.mute) {
                let _cut_off = self.registry.send(control, answer);
            }
        }
    }

    fn is_over(&mut self) -> bool {
        let (messages, open) = self.registry.turn(&mut self.supervisor);
        let mut stop = open.is_err();
        for message in messages {
            match message {
                ToProcess::Connect {
                    edge,
                    instance,
                    socket,
                } => {
                    self.connect(edge, instance, socket);
                }
                ToProcess::Stop => stop = true,
                _ => {}
            }
        }
        stop
    }

    fn connect(&mut self, edge: Edge, who: Instance, socket: OwnedFd) {
        let registry = &mut self.registry;
        match edge {
            Edge::AuthDirector => self.auth = registry.register(Peer::Auth, socket).ok(),
            Edge::DirectorBroker => self.broker = registry.register(Peer::Broker, socket).ok(),
            Edge::ControlDirector => self.control = registry.register(Peer::Control, socket).ok(),
            _ => {
                let asker = registry.register(Peer::Asker(who), socket);
                self.askers.extend(asker.ok().map(|asker| (who, asker)));
            }
        }
    }

    fn hear_auth(&mut self) {
        for message in hear(&mut self.registry, &mut self.auth) {
            if let auth_director::ToDirector::Grant {
                asker,
                nonce,
                ticket,
            } = message
            {
                self.tickets.insert((asker, nonce), ticket);
                self.join(asker, nonce);
            }
        }
    }

    fn hear_asker(&mut self, asker: Instance) {
        let Some(channel) = self.askers.get_mut(&asker) else {
            return;
        };
        let (messages, open) = self.registry.turn(channel);
        if open.is_err() {
            let gone = self.askers.remove(&asker);
            gone.iter().for_each(|gone| self.registry.forget(gone));
        }
        for handover::ToDirector::HandOver {
            nonce,
            work,
            socket,
        } in messages
        {
            self.offers.insert((asker, nonce), (work, socket));
            self.join(asker, nonce);
        }
    }

    fn join(&mut self, asker: Instance, nonce: Nonce) {
        let key = (asker, nonce);
        if !self.tickets.contains_key(&key) {
            return;
        }
        if let Some((work, socket)) = self.offers.remove(&key) {
            let ticket = self.tickets.remove(&key).expect("just seen");
            let session = Session {
                asker: Some(asker),
                ticket,
                work,
                socket,
            };
            self.bring(session);
        }
    }

    /// Does what the tag orders with the session.
    fn bring(&mut self, session: Session) {
        match tag(&session.work).as_str() {
            "invent" => self.invent(&session),
            "other" => return self.give_to_others(session),
            "replay" => self.replay(&session),
            "silent" => {
                self.given
                    .insert(session.ticket.claim.nonce, (session.asker, session.socket));
                return;
            }
            "mute" => self.mute = true,
            "kill" => self.kill(),
            _ => {}
        }
        self.seen
            .insert(session.ticket.claim.account, session.ticket);
        self.go_on(session);
    }

    /// As the real one: a birth first, if there is no worker.
    fn go_on(&mut self, session: Session) {
        let account = session.ticket.claim.account;
        match self.workers.get(&account) {
            Some((_, true)) => self.give(account, session),
            Some((_, false)) => self.waiting.push(session),
            None => {
                self.bear(session.ticket);
                self.waiting.push(session);
            }
        }
    }

    fn bear(&mut self, ticket: SealedTicket) {
        let account = ticket.claim.account;
        let (near, channel) = ipc::channel::pair().expect("a pair");
        let worker = self.registry.register(Peer::Worker(account), near);
        self.workers
            .insert(account, (worker.expect("a channel"), false));
        self.tell_broker(director_broker::ToBroker::Birth { ticket, channel });
    }

    fn tell_broker(&mut self, message: director_broker::ToBroker) {
        let broker = self.broker.as_mut().expect("it is there");
        let _cut_off = self.registry.send(broker, message);
    }

    fn give(&mut self, to: AccountId, session: Session) {
        let Session {
            asker,
            ticket,
            work,
            socket,
        } = session;
        self.given
            .insert(ticket.claim.nonce, (asker, copy(&socket)));
        let serve = ToWorker::Serve {
            ticket,
            work,
            socket,
        };
        if let Some((worker, _)) = self.workers.get_mut(&to) {
            let _cut_off = self.registry.send(worker, serve);
        }
    }

    /// The ticket, with each of its fields as the liar would like it.
    fn invent(&mut self, session: &Session) {
        let good = session.ticket;
        let mut lies = [good; 5];
        lies[0].claim.account = AccountId(good.claim.account.0 + 1);
        lies[1].claim.epoch = Epoch(u64::MAX);
        lies[2].claim.expires = u64::MAX;
        lies[3].claim.principal = AccountId(good.claim.account.0 + 1);
        lies[4].seal = [0; 32];
        for ticket in lies {
            let (near, channel) = ipc::channel::pair().expect("a pair");
            drop(near);
            self.tell_broker(director_broker::ToBroker::Birth { ticket, channel });
        }
    }

    /// Everybody else's worker gets the socket: with its own ticket, and with the last
    /// one that was good there.
    fn give_to_others(&mut self, session: Session) {
        let own = session.ticket.claim.account;
        let others: Vec<AccountId> = self.workers.keys().copied().filter(|a| *a != own).collect();
        for other in others {
            let stolen = self.seen.get(&other).map(|ticket| (None, *ticket));
            let own = (session.asker, session.ticket);
            for (asker, ticket) in stolen.into_iter().chain([own]) {
                let socket = copy(&session.socket);
                let work = session.work.clone();
                self.give(
                    other,
                    Session {
                        asker,
                        ticket,
                        work,
                        socket,
                    },
                );
            }
        }
    }

    /// Everything that is to be given is given before as well.
    fn replay(&mut self, session: &Session) {
        let account = session.ticket.claim.account;
        for _ in 0..3 {
            let socket = copy(&session.socket);
            let (asker, ticket, work) = (session.asker, session.ticket, session.work.clone());
            self.give(
                account,
                Session {
                    asker,
                    ticket,
                    work,
                    socket,
                },
            );
        }
    }

    fn kill(&mut self) {
        for account in 1..=ACCOUNTS {
            let account = AccountId(account);
            self.tell_broker(director_broker::ToBroker::End { account });
        }
    }

    fn hear_broker(&mut self) {
        for message in hear(&mut self.registry, &mut self.broker) {
            if let director_broker::ToDirector::NotBorn { failure, .. } = message {
                eprintln!("<4>not born: {failure:?}");
            }
        }
    }

    fn hear_worker(&mut self, account: AccountId) {
        let Some((worker, ready)) = self.workers.get_mut(&account) else {
            return;
        };
        let (messages, open) = self.registry.turn(worker);
        if open.is_err() {
            *ready = false;
            let gone = self.workers.remove(&account);
            gone.iter().for_each(|(gone, _)| self.registry.forget(gone));
        }
        for message in messages {
            self.heed(account, message);
        }
    }

    fn heed(&mut self, account: AccountId, message: director_worker::ToDirector) {
        use director_worker::ToDirector as Said;
        match message {
            Said::Ready { .. } => self.is_ready(account),
            Said::Taken { nonce } => self.answer(nonce, "taken", ToAsker::Taken { nonce }),
            Said::Refused { nonce, refusal } => {
                let words = format!("refused: {refusal:?}");
                self.answer(nonce, &words, ToAsker::Refused { nonce, refusal });
            }
            _ => {}
        }
    }

    fn is_ready(&mut self, account: AccountId) {
        self.workers
            .get_mut(&account)
            .into_iter()
            .for_each(|(_, ready)| *ready = true);
        let waiting = std::mem::take(&mut self.waiting);
        let (now, later) = waiting
            .into_iter()
            .partition(|session| session.ticket.claim.account == account);
        self.waiting = later;
        let now: Vec<Session> = now;
        now.into_iter()
            .for_each(|session| self.give(account, session));
    }

    /// Whoever asked is told, and his client in the clear.
    fn answer(&mut self, nonce: Nonce, words: &str, answer: ToAsker) {
        if let Some((asker, socket)) = self.given.remove(&nonce) {
            if words != "taken" {
                let line = format!("* {words}\r\n");
                let _gone = send(&socket, line.as_bytes(), &[]);
            }
            if let Some(asker) = asker.and_then(|asker| self.askers.get_mut(&asker)) {
                let _cut_off = self.registry.send(asker, answer);
            }
        }
    }
}

/// The profile has no call that duplicates a descriptor; over a pair of its own it comes
/// back twice.
fn copy(socket: &OwnedFd) -> OwnedFd {
    let (near, far) = ipc::channel::pair().expect("a pair");
    send(&near, b"x", &[socket.as_fd()]).expect("room for one");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(&far, &mut [IoSliceMut::new(&mut byte)], &mut control, flags).expect("just sent");
    let rights = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    rights.expect("just sent")
}

fn send(
    socket: &OwnedFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
    sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )
}

fn tag(work: &Work) -> String {
    match work {
        Work::Session { tag, .. } => String::from_utf8_lossy(tag.as_slice()).into_owned(),
        _ => String::new(),
    }
}

/// What a peer has said; who has gone is forgotten.
fn hear<Tx: Message, Rx: Message>(
    registry: &mut Registry<Peer>,
    slot: &mut Slot<Tx, Rx>,
) -> Vec<Rx> {
    let Some(peer) = slot else {
        return Vec::new();
    };
    let (messages, open) = registry.turn(peer);
    if open.is_err() {
        close(registry, slot);
    }
    messages
}
