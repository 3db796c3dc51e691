//! The channels around the desk: what comes in on them, what goes out, and who
//! is at the other end.
//!
//! Invariants: before a `login`'s questions are looked at, everything that the
//! `front`s had said by then is taken in; whoever breaks the rules of his channel
//! loses it, and nobody else does; no send waits.

use crate::desk::{Act, Desk, Misdeed, Rules};
use crate::hashing::Pool;
use ipc::channel::Fault;
use ipc::codec::Message;
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::edge::{auth_director, control_auth, front_auth, lmtp_auth, login_auth};
use ipc::registry::{Registered, Registry, TURN_MESSAGES_MAX, close, replace};
use ipc::slice::{Logging, Slice};
use ipc::{Bytes, Instance};
use journal::disk::Disk;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tracing::{error, info, warn};

/// How long we wait at most when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// Turns that a `front`'s facts may take before a question: more than fit into
/// its socket's buffer, so that all are read and reading ends.
const FACTS_TURNS_MAX: usize = 64;

/// Turns that requests may take, to share one sync. Their answers must fit into
/// the queue to who asked.
const REQUEST_TURNS_MAX: usize = 4;

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Supervisor,
    Pool,
    Front(Instance),
    Login(Instance),
    Lmtp(Instance),
    Control(Instance),
    Director,
}

/// As the supervisor names it.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supervisor => f.write_str("supervisor"),
            Self::Pool => f.write_str("the hashing threads"),
            Self::Front(Instance(number)) => write!(f, "front[{number}]"),
            Self::Login(Instance(number)) => write!(f, "login[{number}]"),
            Self::Lmtp(Instance(number)) => write!(f, "lmtp[{number}]"),
            Self::Control(Instance(number)) => write!(f, "control[{number}]"),
            Self::Director => f.write_str("director"),
        }
    }
}

type Ends<Tx, Rx> = BTreeMap<Instance, Registered<Tx, Rx>>;

/// Why a channel is over.
#[derive(Debug, Clone, Copy)]
enum Over {
    Fault(Fault),
    Misdeed(Misdeed),
}

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The supervisor says so, or has gone.
    Told,
    /// The account table can't be written any more.
    Disk,
    /// The kernel would not let us wait.
    Wait(Errno),
}

/// See the module.
pub struct House<D: Disk> {
    desk: Desk<D>,
    pool: Pool,
    registry: Registry<Peer>,
    supervisor: Registered<ToSupervisor, ToProcess>,
    fronts: Ends<front_auth::ToFront, front_auth::Facts>,
    logins: Ends<login_auth::ToLogin, login_auth::ToAuth>,
    lmtps: Ends<lmtp_auth::ToLmtp, lmtp_auth::ToAuth>,
    controls: Ends<control_auth::ToControl, control_auth::ToAuth>,
    director: Option<Registered<auth_director::ToDirector, auth_director::ToAuth>>,
    prepared: Option<(Rules, Logging)>,
    /// The time of this turn.
    now: u64,
}

impl<D: Disk> House<D> {
    /// A house without peers.
    ///
    /// # Errors
    /// If there can be no epoll set, or the supervisor's is no channel.
    pub fn new(desk: Desk<D>, pool: Pool, supervisor: OwnedFd) -> Result<Self, Fault> {
        let mut registry = Registry::new().map_err(Fault::Socket)?;
        let supervisor = registry.register(Peer::Supervisor, supervisor)?;
        registry.watch(Peer::Pool, &pool).map_err(Fault::Socket)?;
        Ok(Self {
            desk,
            pool,
            registry,
            supervisor,
            fronts: Ends::new(),
            logins: Ends::new(),
            lmtps: Ends::new(),
            controls: Ends::new(),
            director: None,
            prepared: None,
            now: millis(),
        })
    }

    /// Serves until the process is to end. What nobody has been answered by then
    /// is void; what somebody has is durable.
    pub fn serve(&mut self) -> End {
        // Something may follow from the edges that were there at the start.
        let mut outcome = self.carry_out();
        loop {
            if let Err(end) = outcome {
                self.desk.leave();
                return end;
            }
            outcome = self.turn();
        }
    }

    /// Takes one end of an edge. A second one of the same life replaces the
    /// first.
    pub fn connect(&mut self, edge: Edge, who: Instance, socket: OwnedFd) {
        let registry = &mut self.registry;
        let connected = match edge {
            Edge::FrontAuth => admit(registry, &mut self.fronts, Peer::Front(who), who, socket),
            Edge::LoginAuth => admit(registry, &mut self.logins, Peer::Login(who), who, socket),
            Edge::LmtpAuth => admit(registry, &mut self.lmtps, Peer::Lmtp(who), who, socket),
            Edge::ControlAuth => admit(
                registry,
                &mut self.controls,
                Peer::Control(who),
                who,
                socket,
            ),
            Edge::AuthDirector => {
                let new = registry.register(Peer::Director, socket);
                new.map(|new| replace(registry, &mut self.director, new))
            }
            _ => Err(Fault::Socket(Errno::NOTSUP)),
        };
        match connected {
            Ok(()) if edge != Edge::AuthDirector => self.desk.gone(who),
            Ok(()) => self.desk.director_has_come(),
            Err(fault) => warn!(?edge, %fault, "could not connect"),
        }
    }

    fn turn(&mut self) -> Result<(), End> {
        let ready = self.registry.wait(self.patience()).map_err(End::Wait)?;
        self.now = millis();
        for peer in ready {
            match peer {
                Peer::Supervisor => self.obey()?,
                Peer::Pool => self.take_outcomes(),
                peer => self.attend(peer),
            }
        }
        self.desk.pass(self.now);
        self.carry_out()
    }

    fn patience(&self) -> Duration {
        let due = self
            .desk
            .next_due()
            .map(|due| Duration::from_millis(due.saturating_sub(self.now)));
        due.unwrap_or(IDLE).min(IDLE)
    }

    fn take_outcomes(&mut self) {
        self.pool.hear();
        while let Some((job, outcome)) = self.pool.outcome() {
            self.desk.hashed(self.now, job, outcome);
        }
    }

    fn attend(&mut self, peer: Peer) {
        let outcome = match peer {
            Peer::Front(who) => self.hear_front(who),
            Peer::Login(who) => {
                let (questions, open) = take(&self.registry, &mut self.logins, who, 1);
                self.hear_fronts();
                let mut questions = questions.into_iter();
                let asked =
                    questions.try_for_each(|question| self.desk.login(self.now, who, question));
                asked.map_err(Over::Misdeed).and(open)
            }
            Peer::Lmtp(who) => {
                let (questions, open) = take(&self.registry, &mut self.lmtps, who, 1);
                questions
                    .into_iter()
                    .for_each(|question| self.desk.lmtp(self.now, who, question));
                open
            }
            Peer::Control(who) => {
                let (requests, open) =
                    take(&self.registry, &mut self.controls, who, REQUEST_TURNS_MAX);
                requests
                    .into_iter()
                    .for_each(|request| self.desk.control(self.now, who, request));
                open
            }
            Peer::Director => self.hear_director(),
            Peer::Supervisor | Peer::Pool => Ok(()),
        };
        self.keep_or_lose(peer, outcome);
    }

    fn hear_director(&mut self) -> Result<(), Over> {
        let Some(director) = &mut self.director else {
            return Ok(());
        };
        let (told, open) = self.registry.turn(director);
        told.iter()
            .for_each(|message| self.desk.director_tells(message));
        open.map_err(Over::Fault)
    }

    fn hear_fronts(&mut self) {
        let fronts: Vec<Instance> = self.fronts.keys().copied().collect();
        for who in fronts {
            let outcome = self.hear_front(who);
            self.keep_or_lose(Peer::Front(who), outcome);
        }
    }

    /// All that it has said by now.
    fn hear_front(&mut self, who: Instance) -> Result<(), Over> {
        let (facts, open) = take(&self.registry, &mut self.fronts, who, FACTS_TURNS_MAX);
        let mut facts = facts.into_iter();
        let told = facts.try_for_each(|fact| self.desk.front(who, fact));
        told.map_err(Over::Misdeed).and(open)
    }

    /// Until nothing follows from what was done.
    fn carry_out(&mut self) -> Result<(), End> {
        loop {
            let acts = self.desk.settle().map_err(|_| End::Disk)?;
            if acts.is_empty() {
                return Ok(());
            }
            acts.into_iter().for_each(|act| self.act(act));
        }
    }

    fn act(&mut self, act: Act) {
        let registry = &self.registry;
        let (peer, sent) = match act {
            Act::Hash {
                job,
                work,
                for_admin,
            } => {
                let pool = &mut self.pool;
                let taken = if for_admin {
                    pool.submit_reserved(job, work)
                } else {
                    pool.submit(job, work)
                };
                return taken.unwrap_or_else(|_| self.desk.no_room(job));
            }
            Act::Login(who, message) => (
                Peer::Login(who),
                send(registry, self.logins.get_mut(&who), message),
            ),
            Act::Lmtp(who, message) => (
                Peer::Lmtp(who),
                send(registry, self.lmtps.get_mut(&who), message),
            ),
            Act::Control(who, message) => (
                Peer::Control(who),
                send(registry, self.controls.get_mut(&who), message),
            ),
            Act::Director(message) => (
                Peer::Director,
                send(registry, self.director.as_mut(), message),
            ),
        };
        self.keep_or_lose(peer, sent);
    }

    /// An edge of which the other end doesn't say so itself; `front` and `login` do.
    fn tell_torn(&mut self, edge: Edge, instance: Instance) {
        let torn = ToSupervisor::Torn { edge, instance };
        // If it can't be told, its own channel shows it at its next turn.
        let _untold = self.registry.send(&mut self.supervisor, torn);
    }

    fn keep_or_lose(&mut self, peer: Peer, outcome: Result<(), Over>) {
        match outcome {
            Ok(()) => return,
            Err(Over::Fault(Fault::PeerGone)) => info!(%peer, "a peer has gone"),
            Err(Over::Fault(fault)) => warn!(%peer, %fault, "a peer was cut off"),
            Err(Over::Misdeed(misdeed)) => warn!(%peer, ?misdeed, "a peer was cut off"),
        }
        let registry = &mut self.registry;
        match peer {
            Peer::Front(who) => close(registry, &mut self.fronts.remove(&who)),
            Peer::Login(who) => close(registry, &mut self.logins.remove(&who)),
            Peer::Lmtp(who) => close(registry, &mut self.lmtps.remove(&who)),
            Peer::Control(who) => close(registry, &mut self.controls.remove(&who)),
            Peer::Director => close(registry, &mut self.director),
            Peer::Supervisor | Peer::Pool => (),
        }
        match peer {
            Peer::Front(who) | Peer::Login(who) => self.desk.gone(who),
            Peer::Director => self.desk.director_has_gone(),
            Peer::Lmtp(who) => self.tell_torn(Edge::LmtpAuth, who),
            Peer::Control(who) => self.tell_torn(Edge::ControlAuth, who),
            Peer::Supervisor | Peer::Pool => (),
        }
    }

    fn obey(&mut self) -> Result<(), End> {
        let (orders, open) = self.registry.turn(&mut self.supervisor);
        orders
            .into_iter()
            .try_for_each(|order| self.obey_one(order))?;
        open.map_err(|_| End::Told)
    }

    fn obey_one(&mut self, message: ToProcess) -> Result<(), End> {
        match message {
            ToProcess::Connect {
                edge,
                instance,
                socket,
            } => self.connect(edge, instance, socket),
            ToProcess::Prepare { slice } => {
                let usable = usable(slice);
                let answer = usable
                    .as_ref()
                    .map_or_else(|why| refused(why), |_| ToSupervisor::Prepared);
                self.registry
                    .send(&mut self.supervisor, answer)
                    .map_err(|_| End::Told)?;
                self.prepared = usable.ok();
            }
            ToProcess::Commit => {
                if let Some((rules, logging)) = self.prepared.take() {
                    eventlog::set_level(logging.level.number());
                    self.desk.apply(rules);
                    info!("new settings apply");
                }
            }
            ToProcess::Discard => self.prepared = None,
            ToProcess::Stop => return Err(End::Told),
            _ => error!("an order that is not for auth"),
        }
        Ok(())
    }
}

fn admit<Tx: Message, Rx: Message>(
    registry: &mut Registry<Peer>,
    ends: &mut Ends<Tx, Rx>,
    peer: Peer,
    who: Instance,
    socket: OwnedFd,
) -> Result<(), Fault> {
    let new = registry.register(peer, socket)?;
    close(registry, &mut ends.insert(who, new));
    Ok(())
}

/// What has come from a peer, up to so many turns.
fn take<Tx: Message, Rx: Message>(
    registry: &Registry<Peer>,
    ends: &mut Ends<Tx, Rx>,
    who: Instance,
    turns_max: usize,
) -> (Vec<Rx>, Result<(), Over>) {
    let mut all = Vec::new();
    let Some(end) = ends.get_mut(&who) else {
        return (all, Ok(()));
    };
    for _ in 0..turns_max {
        let (messages, open) = registry.turn(end);
        let more = messages.len() >= TURN_MESSAGES_MAX;
        all.extend(messages);
        if open.is_err() || !more {
            return (all, open.map_err(Over::Fault));
        }
    }
    (all, Ok(()))
}

/// To nobody, if there is nobody.
fn send<Tx: Message, Rx: Message>(
    registry: &Registry<Peer>,
    end: Option<&mut Registered<Tx, Rx>>,
    message: Tx,
) -> Result<(), Over> {
    end.map_or(Ok(()), |end| {
        registry.send(end, message).map_err(Over::Fault)
    })
}

/// The slice, if it is one for `auth` that can be served under.
///
/// # Errors
/// The reason, for the administrator.
pub fn usable(slice: Slice) -> Result<(Rules, Logging), &'static str> {
    match slice {
        Slice::Auth { slice } => Rules::new(&slice).map(|rules| (rules, slice.logging)),
        _ => Err("a slice of another process"),
    }
}

/// The answer to a slice that can't be used.
#[must_use]
pub fn refused(reason: &str) -> ToSupervisor {
    ToSupervisor::Refused {
        reason: Bytes::new(reason).unwrap_or_default(),
    }
}

/// The one clock: milliseconds of CLOCK_BOOTTIME, which tickets count in
/// seconds.
fn millis() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let [seconds, nanos] = [now.tv_sec, now.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds
        .saturating_mul(1000)
        .saturating_add(nanos.checked_div(1_000_000).unwrap_or(0))
}

#[cfg(test)]
#[path = "house_tests.rs"]
mod tests;
