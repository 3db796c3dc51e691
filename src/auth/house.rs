//! The channels around the desk: what comes in on them, what goes out, and who
//! is at the other end.
//!
//! Invariants: before a `login`'s question is looked at, everything that the
//! `front`s have said is taken in; whoever breaks the rules of his channel loses
//! it, and nobody else does; no send waits.

use crate::desk::{Act, Asker, Desk, Link, Misdeed, Rules};
use crate::hashing::Pool;
use ipc::channel::{Channel, Fault, Received};
use ipc::codec::Message;
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::edge::{auth_director, control_auth, front_auth, lmtp_auth, login_auth};
use ipc::epoll::{Epoll, Ready};
use ipc::slice::{self, LogLevel, Slice};
use ipc::{Bytes, Instance};
use journal::disk::Disk;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use tracing::{error, info, warn};

/// Messages taken from one channel before others have their turn; also how many
/// requests share one sync at most.
const TURN_MESSAGES_MAX: usize = 256;

/// Tokens of the two descriptors that are no peers.
const SUPERVISOR: Link = 0;
const POOL: Link = 1;
const FIRST_PEER: Link = 2;

/// The channel to the supervisor.
pub type Supervisor = Channel<ToSupervisor, ToProcess>;

/// A peer's channel.
enum Peer {
    Front(Channel<front_auth::ToFront, front_auth::Facts>),
    Login(Channel<login_auth::ToLogin, login_auth::ToAuth>),
    Lmtp(Channel<lmtp_auth::ToLmtp, lmtp_auth::ToAuth>),
    Control(Channel<control_auth::ToControl, control_auth::ToAuth>),
    Director(Channel<auth_director::ToDirector, auth_director::ToAuth>),
}

/// A peer, which life of it, and whether we wait to write.
struct Entry {
    peer: Peer,
    edge: Edge,
    instance: Instance,
    waits_to_write: bool,
}

/// Why a channel is over.
#[derive(Debug)]
enum Over {
    Closed,
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
    epoll: Epoll,
    supervisor: Supervisor,
    peers: BTreeMap<Link, Entry>,
    next: Link,
    prepared: Option<(Rules, slice::Logging)>,
}

impl<D: Disk> House<D> {
    /// A house without peers.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn new(desk: Desk<D>, pool: Pool, supervisor: Supervisor) -> Result<Self, Errno> {
        let epoll = Epoll::new()?;
        epoll.add(&supervisor, SUPERVISOR)?;
        epoll.add(&pool, POOL)?;
        Ok(Self {
            desk,
            pool,
            epoll,
            supervisor,
            peers: BTreeMap::new(),
            next: FIRST_PEER,
            prepared: None,
        })
    }

    /// Serves until the process is to end.
    pub fn serve(&mut self) -> End {
        loop {
            if let Err(end) = self.turn() {
                self.desk.leave();
                return end;
            }
        }
    }

    /// Takes one end of an edge. A second one of the same edge and life replaces
    /// the first.
    pub fn connect(&mut self, edge: Edge, instance: Instance, socket: OwnedFd) {
        let former = self
            .peers
            .iter()
            .find(|(_, entry)| entry.edge == edge && entry.instance == instance);
        if let Some(link) = former.map(|(link, _)| *link) {
            self.close(link, &Over::Closed);
        }
        match Peer::adopt(edge, socket) {
            Ok(peer) => self.admit(Entry {
                peer,
                edge,
                instance,
                waits_to_write: false,
            }),
            Err(fault) => warn!(?edge, %fault, "could not connect"),
        }
    }

    fn admit(&mut self, entry: Entry) {
        let link = self.next;
        self.next = link.wrapping_add(1);
        match self.epoll.add(&entry, link) {
            Ok(()) => drop(self.peers.insert(link, entry)),
            Err(errno) => warn!(edge = ?entry.edge, %errno, "could not connect"),
        }
        self.desk.director_is_there(self.director().is_some());
    }

    fn turn(&mut self) -> Result<(), End> {
        for ready in self.epoll.wait(self.patience()).map_err(End::Wait)? {
            match ready.token {
                SUPERVISOR => self.obey()?,
                POOL => self.take_outcomes(),
                link => self.attend(link, ready),
            }
        }
        self.desk.pass(millis());
        self.carry_out()?;
        self.wait_to_write();
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        self.desk
            .next_due()
            .map(|due| Duration::from_millis(due.saturating_sub(millis())))
    }

    fn take_outcomes(&mut self) {
        self.pool.hear();
        while let Some((job, outcome)) = self.pool.outcome() {
            self.desk.hashed(millis(), job, outcome);
        }
    }

    fn attend(&mut self, link: Link, ready: Ready) {
        let Some(mut entry) = self.peers.remove(&link) else {
            return;
        };
        let mut outcome = Ok(());
        if ready.writable {
            outcome = entry.peer.flush().map_err(Over::Fault);
        }
        if ready.readable && outcome.is_ok() {
            outcome = self.hear(link, &mut entry);
        }
        self.peers.insert(link, entry);
        if let Err(over) = outcome {
            self.close(link, &over);
        }
    }

    fn hear(&mut self, link: Link, entry: &mut Entry) -> Result<(), Over> {
        let asker = Asker {
            link,
            instance: entry.instance,
        };
        match &mut entry.peer {
            Peer::Front(channel) => each(channel, |message| self.desk.front(link, message)),
            Peer::Login(channel) => each(channel, |message| {
                self.hear_fronts();
                self.desk.login(millis(), asker, message)
            }),
            Peer::Lmtp(channel) => each(channel, |message| {
                self.desk.lmtp(millis(), asker, message);
                Ok(())
            }),
            Peer::Control(channel) => each(channel, |message| {
                self.desk.control(millis(), asker, message);
                Ok(())
            }),
            Peer::Director(channel) => each(channel, |message| {
                self.desk.director_tells(&message);
                Ok(())
            }),
        }
    }

    fn hear_fronts(&mut self) {
        let mut over = Vec::new();
        for (link, entry) in &mut self.peers {
            if let Peer::Front(channel) = &mut entry.peer
                && let Err(why) = each(channel, |message| self.desk.front(*link, message))
            {
                over.push((*link, why));
            }
        }
        over.iter().for_each(|(link, why)| self.close(*link, why));
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
        match act {
            Act::Hash {
                job,
                work,
                for_admin,
            } => {
                let taken = if for_admin {
                    self.pool.submit_reserved(job, work)
                } else {
                    self.pool.submit(job, work)
                };
                if taken.is_err() {
                    self.desk.no_room(job);
                }
            }
            Act::Login(link, message) => self.send(link, |peer| match peer {
                Peer::Login(channel) => channel.send(message),
                _ => Ok(()),
            }),
            Act::Lmtp(link, message) => self.send(link, |peer| match peer {
                Peer::Lmtp(channel) => channel.send(message),
                _ => Ok(()),
            }),
            Act::Control(link, message) => self.send(link, |peer| match peer {
                Peer::Control(channel) => channel.send(message),
                _ => Ok(()),
            }),
            // The newest life is the one that lives.
            Act::Director(message) => {
                if let Some(link) = self.director() {
                    self.send(link, |peer| match peer {
                        Peer::Director(channel) => channel.send(message),
                        _ => Ok(()),
                    });
                }
            }
        }
    }

    fn director(&self) -> Option<Link> {
        let directors = self
            .peers
            .iter()
            .rev()
            .find(|(_, entry)| entry.edge == Edge::AuthDirector);
        directors.map(|(link, _)| *link)
    }

    fn send(&mut self, link: Link, send: impl FnOnce(&mut Peer) -> Result<(), Fault>) {
        let outcome = self.peers.get_mut(&link).map(|entry| send(&mut entry.peer));
        if let Some(Err(fault)) = outcome {
            self.close(link, &Over::Fault(fault));
        }
    }

    fn close(&mut self, link: Link, why: &Over) {
        let Some(entry) = self.peers.remove(&link) else {
            return;
        };
        let (edge, instance) = (entry.edge, entry.instance.0);
        match why {
            Over::Closed | Over::Fault(Fault::PeerGone) => {
                info!(?edge, instance, "a peer has gone")
            }
            Over::Fault(fault) => warn!(?edge, instance, %fault, "a peer was cut off"),
            Over::Misdeed(misdeed) => warn!(?edge, instance, ?misdeed, "a peer was cut off"),
        }
        self.desk.gone(link);
        self.desk.director_is_there(self.director().is_some());
    }

    fn wait_to_write(&mut self) {
        for (link, entry) in &mut self.peers {
            let wanted = entry.peer.wants_to_send();
            if wanted != entry.waits_to_write
                && self.epoll.want_write(&*entry, *link, wanted).is_ok()
            {
                entry.waits_to_write = wanted;
            }
        }
    }

    fn obey(&mut self) -> Result<(), End> {
        loop {
            match self.supervisor.receive() {
                Ok(Received::Message(message)) => self.obey_one(message)?,
                Ok(Received::Nothing) => return Ok(()),
                Ok(Received::Closed) | Err(_) => return Err(End::Told),
            }
        }
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
                self.supervisor.send(answer).map_err(|_| End::Told)?;
                self.prepared = usable.ok();
            }
            ToProcess::Commit => {
                if let Some((rules, logging)) = self.prepared.take() {
                    eventlog::set_level(level(&logging));
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

impl Peer {
    fn adopt(edge: Edge, socket: OwnedFd) -> Result<Self, Fault> {
        match edge {
            Edge::FrontAuth => Channel::adopt(socket).map(Self::Front),
            Edge::LoginAuth => Channel::adopt(socket).map(Self::Login),
            Edge::LmtpAuth => Channel::adopt(socket).map(Self::Lmtp),
            Edge::ControlAuth => Channel::adopt(socket).map(Self::Control),
            Edge::AuthDirector => Channel::adopt(socket).map(Self::Director),
            _ => Err(Fault::Socket(Errno::NOTSUP)),
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        match self {
            Self::Front(channel) => channel.flush(),
            Self::Login(channel) => channel.flush(),
            Self::Lmtp(channel) => channel.flush(),
            Self::Control(channel) => channel.flush(),
            Self::Director(channel) => channel.flush(),
        }
    }

    fn wants_to_send(&self) -> bool {
        match self {
            Self::Front(channel) => channel.wants_to_send(),
            Self::Login(channel) => channel.wants_to_send(),
            Self::Lmtp(channel) => channel.wants_to_send(),
            Self::Control(channel) => channel.wants_to_send(),
            Self::Director(channel) => channel.wants_to_send(),
        }
    }
}

impl AsFd for Entry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.peer {
            Peer::Front(channel) => channel.as_fd(),
            Peer::Login(channel) => channel.as_fd(),
            Peer::Lmtp(channel) => channel.as_fd(),
            Peer::Control(channel) => channel.as_fd(),
            Peer::Director(channel) => channel.as_fd(),
        }
    }
}

/// Takes what has come, up to a turn's worth; the rest makes the channel ready
/// again.
fn each<Tx: Message, Rx: Message>(
    channel: &mut Channel<Tx, Rx>,
    mut take: impl FnMut(Rx) -> Result<(), Misdeed>,
) -> Result<(), Over> {
    for _ in 0..TURN_MESSAGES_MAX {
        match channel.receive().map_err(Over::Fault)? {
            Received::Message(message) => take(message).map_err(Over::Misdeed)?,
            Received::Nothing => return Ok(()),
            Received::Closed => return Err(Over::Closed),
        }
    }
    Ok(())
}

/// The slice, if it is one for `auth` that can be served under.
///
/// # Errors
/// The reason, for the administrator.
pub fn usable(slice: Slice) -> Result<(Rules, slice::Logging), &'static str> {
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

/// The log level as `eventlog` counts.
#[must_use]
pub fn level(logging: &slice::Logging) -> u8 {
    match logging.level {
        LogLevel::Error => 1,
        LogLevel::Warn => 2,
        LogLevel::Info => 3,
        LogLevel::Debug => 4,
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
