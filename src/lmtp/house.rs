//! What the supervisor says, who brings sessions, and what `lmtp` is while it
//! serves.
//!
//! Invariants: nothing is accepted before `Begin`; a slice is applied whole or
//! not at all, to sessions that come after it; a message of the supervisor that
//! its phase does not permit ends the process.

use crate::connection::{self, Ended};
use crate::peers::Peers;
use crate::session::{Rules, Way};
use crate::spool::Spool;
use ipc::channel::Fault;
use ipc::edge::front_service::{ToFront, ToService, Transport};
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::slice::{self, Listener, Protocol, Slice};
use ipc::start::Given;
use ipc::{ConnectionId, Instance};
use ipc_async::life::{self, End, Supervisor, refuse, refused};
use ipc_async::{AsyncChannel, Stream};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use sandbox::Entered;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::{Rc, Weak};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};
use wire::lmtp::Reply;

type Front = AsyncChannel<ToFront, ToService>;

/// Deliveries that run at once. Each holds four descriptors at most, and the
/// profile allows 4096.
pub const DELIVERIES_MAX: usize = 512;

/// How long deliveries have to end after `Stop`.
pub const STOP_SECONDS_MAX: u64 = 30;

/// How long accepting pauses when there is no room for a further descriptor.
pub const PAUSE_MILLIS: u64 = 500;

/// What sessions are served by, one version between two reloads.
pub struct Settings {
    /// What the supervisor said.
    pub slice: slice::Lmtp,
    /// The part of it that the dialogue knows.
    pub rules: Rules,
}

/// What all sessions share.
pub struct Shared {
    settings: RefCell<Rc<Settings>>,
    /// Who answers.
    pub peers: Peers,
    /// Where letters wait.
    pub spool: Rc<Spool>,
    /// How many deliveries may run.
    pub deliveries: Semaphore,
    sessions: Cell<u32>,
    emptied: Notify,
    stop: watch::Sender<bool>,
}

impl Shared {
    /// The settings of now.
    #[must_use]
    pub fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }

    /// Waits until the process is to stop.
    pub async fn stopped(&self) {
        // The sender is our own, so that this ends only as it should.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }
}

/// Serves until the end, by what the supervisor has given. Wants the proof that
/// the process is confined; must run within a `LocalSet`.
pub async fn serve(_confined: &Entered, supervisor: Supervisor, given: Given) -> End {
    run(supervisor, given, Path::new("/")).await
}

pub(crate) async fn run(supervisor: Supervisor, given: Given, spool: &Path) -> End {
    match House::begin(supervisor, given, spool).await {
        Ok(mut house) => house.serve().await,
        Err(end) => end,
    }
}

struct House {
    supervisor: Rc<Supervisor>,
    shared: Rc<Shared>,
    listeners: Vec<JoinHandle<()>>,
    next: Option<Settings>,
}

impl House {
    async fn begin(supervisor: Supervisor, given: Given, spool: &Path) -> Result<Self, End> {
        let Slice::Lmtp { slice } = given.slice else {
            return Err(End::Unpermitted);
        };
        eventlog::begin(slice.logging.level.number());
        let shared = match shared(slice, spool) {
            Ok(shared) => Rc::new(shared),
            Err(why) => return Err(refuse(&supervisor, &why).await),
        };
        for (edge, instance, socket) in given.edges {
            connect(&shared, edge, instance, socket)?;
        }
        let Ok(listeners) = listen(given.listeners, &shared) else {
            return Err(refuse(&supervisor, &"a listener is not ours to serve").await);
        };
        supervisor.send(ToSupervisor::Running)?;
        tracing::info!(listeners = listeners.len(), "running");
        Ok(Self {
            supervisor: Rc::new(supervisor),
            shared,
            listeners,
            next: None,
        })
    }

    async fn serve(&mut self) -> End {
        let supervisor = Rc::clone(&self.supervisor);
        let end = life::obey(&supervisor, |message| self.hear(message)).await;
        self.stop().await;
        end
    }

    fn hear(&mut self, message: ToProcess) -> Result<(), End> {
        match message {
            ToProcess::Connect {
                edge,
                instance,
                socket,
            } => {
                connect(&self.shared, edge, instance, socket)?;
            }
            ToProcess::Prepare {
                slice: Slice::Lmtp { slice },
            } => {
                self.next = None;
                let answer = match settings(slice) {
                    Ok(settings) => {
                        self.next = Some(settings);
                        ToSupervisor::Prepared
                    }
                    Err(why) => refused(&why),
                };
                self.supervisor.send(answer)?;
            }
            ToProcess::Commit => self.commit()?,
            ToProcess::Discard => self.next = None,
            ToProcess::Stop => return Err(End::Stopped),
            _ => return Err(End::Unpermitted),
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), End> {
        let settings = self.next.take().ok_or(End::Unpermitted)?;
        eventlog::set_level(settings.slice.logging.level.number());
        self.shared.spool.limit(settings.slice.spool_bytes_max);
        *self.shared.settings.borrow_mut() = Rc::new(settings);
        tracing::info!("a new configuration is in force for new sessions");
        Ok(())
    }

    /// Takes nothing new, sends those away who wait, and lets deliveries end.
    async fn stop(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.abort();
        }
        tracing::info!("stopping");
        self.shared.stop.send_replace(true);
        let emptied = async {
            while self.shared.sessions.get() > 0 {
                self.shared.emptied.notified().await;
            }
        };
        let _ = timeout(Duration::from_secs(STOP_SECONDS_MAX), emptied).await;
    }
}

/// Why a slice or a start is refused.
#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    Hostname,
    Spool(Errno),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hostname => f.write_str("the host name is not of letters, digits, - and ."),
            Self::Spool(errno) => write!(f, "the spool can't be opened and emptied: {errno}"),
        }
    }
}

fn shared(slice: slice::Lmtp, spool: &Path) -> Result<Shared, Unusable> {
    let settings = settings(slice)?;
    let spool = Spool::open(spool, settings.slice.spool_bytes_max).map_err(Unusable::Spool)?;
    Ok(Shared {
        settings: RefCell::new(Rc::new(settings)),
        peers: Peers::default(),
        spool,
        deliveries: Semaphore::new(DELIVERIES_MAX),
        sessions: Cell::new(0),
        emptied: Notify::new(),
        stop: watch::Sender::new(false),
    })
}

/// The name goes into header fields and replies, so it must be one.
fn settings(slice: slice::Lmtp) -> Result<Settings, Unusable> {
    let is_host_char = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let name = slice.hostname.as_slice();
    if name.is_empty() || !name.iter().all(is_host_char) {
        return Err(Unusable::Hostname);
    }
    let rules = Rules {
        hostname: String::from_utf8_lossy(name).into_owned(),
        message_bytes_max: slice.message_bytes_max,
        recipients_max: usize::try_from(slice.recipients_max).unwrap_or(usize::MAX),
    };
    Ok(Settings { slice, rules })
}

fn connect(
    shared: &Rc<Shared>,
    edge: Edge,
    instance: Instance,
    socket: OwnedFd,
) -> Result<(), End> {
    match edge {
        Edge::LmtpAuth => shared.peers.connect_auth(socket)?,
        Edge::LmtpHandover => shared.peers.connect_director(socket)?,
        Edge::FrontLmtp => connect_front(shared, instance, socket)?,
        _ => return Err(End::Unpermitted),
    }
    Ok(())
}

/// Sessions from a front, until it ends or breaks the rules. Those that it has
/// brought are ended by their own sockets.
fn connect_front(shared: &Rc<Shared>, instance: Instance, socket: OwnedFd) -> Result<(), Fault> {
    let front = Rc::new(Front::adopt(socket)?);
    let shared = Rc::clone(shared);
    spawn_local(async move {
        loop {
            match front.receive().await {
                Ok(Some(session)) => begin_session(&shared, &front, session),
                Ok(None) => {
                    break tracing::info!(instance = instance.0, "a front has gone");
                }
                Err(fault) => {
                    break tracing::warn!(instance = instance.0, %fault, "a front was cut off");
                }
            }
        }
    });
    Ok(())
}

/// What is no stream is no client's: its `front` could have us talk to ourselves.
fn begin_session(shared: &Rc<Shared>, front: &Rc<Front>, session: ToService) {
    let ToService::Session {
        connection,
        transport,
        may_start_tls,
        after_starttls,
        socket,
        ..
    } = session;
    let way = Way {
        tls: matches!(transport, Transport::Tls { .. }),
        may_start_tls: may_start_tls && shared.settings().slice.starttls,
        after_starttls,
    };
    if sockopt::socket_type(&socket) != Ok(SocketType::STREAM) {
        return tracing::warn!(connection = connection.0, "a session without a client");
    }
    // Not kept from closing by its sessions: a front that was cut off must see it.
    let front = Rc::downgrade(front);
    spawn_session(shared, socket, way, Some((front, connection)));
}

/// Serves a socket, if there is room; the room is given back when it ends.
fn spawn_session(
    shared: &Rc<Shared>,
    socket: OwnedFd,
    way: Way,
    front: Option<(Weak<Front>, ConnectionId)>,
) {
    let shared = Rc::clone(shared);
    shared.sessions.set(shared.sessions.get().saturating_add(1));
    spawn_local(async move {
        if let Err(error) = session(&shared, socket, way, front).await {
            tracing::debug!(%error, "a session was cut off");
        }
        shared.sessions.set(shared.sessions.get().saturating_sub(1));
        shared.emptied.notify_one();
    });
}

async fn session(
    shared: &Rc<Shared>,
    socket: OwnedFd,
    way: Way,
    front: Option<(Weak<Front>, ConnectionId)>,
) -> io::Result<()> {
    let socket = Stream::adopt(socket)?;
    if shared.sessions.get() > shared.settings().slice.sessions_max {
        let mut reply = Vec::new();
        Reply::TooManyConnections.render(&mut reply);
        return (&socket).write_all(&reply).await;
    }
    let ended = connection::serve(&socket, way, shared).await?;
    socket.end()?;
    if let (Ended::StartTls, Some((front, connection))) = (ended, front) {
        let front = front.upgrade().ok_or(io::ErrorKind::BrokenPipe)?;
        front
            .send(ToFront::StartTls { connection })
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
    }
    Ok(())
}

/// Begins to accept from MTAs on this machine.
fn listen(
    listeners: Vec<(Listener, OwnedFd)>,
    shared: &Rc<Shared>,
) -> io::Result<Vec<JoinHandle<()>>> {
    listeners
        .into_iter()
        .map(|(listener, socket)| {
            if listener.protocol != Protocol::Lmtp {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Ok(spawn_local(accept(
                unix_listener(socket)?,
                Rc::clone(shared),
            )))
        })
        .collect()
}

fn unix_listener(socket: OwnedFd) -> io::Result<UnixListener> {
    let is_ours = sockopt::socket_domain(&socket)? == AddressFamily::UNIX
        && sockopt::socket_type(&socket)? == SocketType::STREAM
        && sockopt::socket_acceptconn(&socket)?;
    if !is_ours {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let socket = std::os::unix::net::UnixListener::from(socket);
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket)
}

async fn accept(listener: UnixListener, shared: Rc<Shared>) {
    const LOCAL: Way = Way {
        tls: false,
        may_start_tls: false,
        after_starttls: false,
    };
    loop {
        match listener
            .accept()
            .await
            .and_then(|(socket, _)| socket.into_std())
        {
            Ok(socket) => spawn_session(&shared, socket.into(), LOCAL, None),
            Err(error) => {
                tracing::error!(%error, "cannot accept; pausing");
                sleep(Duration::from_millis(PAUSE_MILLIS)).await;
            }
        }
    }
}
