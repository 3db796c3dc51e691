//! What the supervisor says, and what `front` is while it serves.
//!
//! Invariants: nothing is accepted before `Begin`; a slice is applied whole or
//! not at all, to connections that come after it; a message of the supervisor
//! that its phase does not permit ends the process.

use crate::accept::accept;
use crate::census::Census;
use crate::peers::Peers;
use crate::tls::{BadCertificates, Chain, Tls};
use ipc::Instance;
use ipc::edge::supervisor::{Edge, FileUse, ToProcess, ToSupervisor};
use ipc::slice::{self, Listener, Protocol, Slice};
use ipc::start::Given;
use ipc_async::life::{self, End, Supervisor, refuse, refused};
use rustix::net::{AddressFamily, SocketType, sockopt};
use sandbox::Entered;
use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

/// How long the connections have to end after `Stop`. Services are stopped
/// before `front` and tell their clients; what is still open then is idle.
pub const STOP_SECONDS_MAX: u64 = 10;

/// What connections are served by, one version between two reloads.
pub struct Settings {
    /// What the supervisor said.
    pub slice: slice::Front,
    /// TLS, if there is a certificate.
    pub tls: Option<Tls>,
}

/// What the listeners share.
pub struct Shared {
    settings: RefCell<Rc<Settings>>,
    /// Who serves.
    pub peers: Rc<Peers>,
    /// Who is served.
    pub census: Rc<Census>,
}

impl Shared {
    /// The settings of now.
    #[must_use]
    pub fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }
}

/// Serves until the end, by what the supervisor has given. Wants the proof that
/// the process is confined; must run within a `LocalSet`.
pub async fn serve(_confined: &Entered, supervisor: Supervisor, given: Given) -> End {
    run(supervisor, given).await
}

pub(crate) async fn run(supervisor: Supervisor, given: Given) -> End {
    match House::begin(supervisor, given).await {
        Ok(mut house) => house.serve().await,
        Err(end) => end,
    }
}

struct House {
    supervisor: Rc<Supervisor>,
    shared: Rc<Shared>,
    listeners: Vec<JoinHandle<()>>,
    chain: Option<Chain>,
    provided: Option<Result<Chain, BadCertificates>>,
    next: Option<(Settings, Option<Chain>)>,
}

impl House {
    async fn begin(supervisor: Supervisor, given: Given) -> Result<Self, End> {
        let Slice::Front { slice } = given.slice else {
            return Err(End::Unpermitted);
        };
        eventlog::begin(slice.logging.level.number());
        let peers = Rc::new(Peers::default());
        let (settings, chain) = match certificates(&given.files) {
            Ok(chain) => settings(slice, chain, &peers),
            Err(why) => return Err(refuse(&supervisor, &why).await),
        };
        for (edge, instance, socket) in given.edges {
            connect(&peers, edge, instance, socket)?;
        }
        let settings = RefCell::new(Rc::new(settings));
        let shared = Rc::new(Shared {
            settings,
            peers,
            census: Rc::default(),
        });
        let Ok(listeners) = listen(given.listeners, &shared) else {
            return Err(refuse(&supervisor, &"a listener is not ours to serve").await);
        };
        supervisor.send(ToSupervisor::Running)?;
        let supervisor = Rc::new(supervisor);
        shared.peers.losses.tell(&supervisor);
        tracing::info!(
            listeners = listeners.len(),
            tls = chain.is_some(),
            "running"
        );
        Ok(Self {
            supervisor,
            shared,
            listeners,
            chain,
            provided: None,
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
            } => connect(&self.shared.peers, edge, instance, socket),
            ToProcess::Provide {
                purpose: FileUse::Certificates,
                file,
            } => {
                self.provided = Some(Chain::read(&file));
                Ok(())
            }
            ToProcess::Prepare {
                slice: Slice::Front { slice },
            } => self.prepare(slice),
            ToProcess::Commit => self.commit(),
            ToProcess::Discard => {
                (self.next, self.provided) = (None, None);
                Ok(())
            }
            ToProcess::Stop => Err(End::Stopped),
            _ => Err(End::Unpermitted),
        }
    }

    fn prepare(&mut self, slice: slice::Front) -> Result<(), End> {
        self.next = None;
        let answer = match self.provided.take().transpose() {
            Ok(chain) => {
                let chain = chain.or_else(|| self.chain.clone());
                self.next = Some(settings(slice, chain, &self.shared.peers));
                ToSupervisor::Prepared
            }
            Err(why) => refused(&why),
        };
        Ok(self.supervisor.send(answer)?)
    }

    fn commit(&mut self) -> Result<(), End> {
        let (settings, chain) = self.next.take().ok_or(End::Unpermitted)?;
        eventlog::set_level(settings.slice.logging.level.number());
        self.shared.peers.keyholder.forget_schemes();
        *self.shared.settings.borrow_mut() = Rc::new(settings);
        self.chain = chain;
        tracing::info!("a new configuration is in force for new connections");
        Ok(())
    }

    /// Takes nothing new, and waits for what there is.
    async fn stop(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.abort();
        }
        tracing::info!("stopping");
        let empty = self.shared.census.is_empty_again();
        let _ = timeout(Duration::from_secs(STOP_SECONDS_MAX), empty).await;
    }
}

fn settings(slice: slice::Front, chain: Option<Chain>, peers: &Peers) -> (Settings, Option<Chain>) {
    let tls = chain
        .as_ref()
        .map(|chain| Tls::new(chain, &peers.keyholder, slice.tls12));
    (Settings { slice, tls }, chain)
}

fn certificates(files: &[(FileUse, OwnedFd)]) -> Result<Option<Chain>, BadCertificates> {
    let file = files
        .iter()
        .find(|(purpose, _)| *purpose == FileUse::Certificates);
    file.map(|(_, file)| Chain::read(file)).transpose()
}

fn connect(peers: &Rc<Peers>, edge: Edge, instance: Instance, socket: OwnedFd) -> Result<(), End> {
    match edge {
        Edge::FrontLogin | Edge::FrontLmtp | Edge::FrontKeyholder | Edge::FrontAuth => {
            Ok(peers.connect(edge, instance, socket)?)
        }
        _ => Err(End::Unpermitted),
    }
}

/// Begins to accept.
fn listen(
    listeners: Vec<(Listener, OwnedFd)>,
    shared: &Rc<Shared>,
) -> io::Result<Vec<JoinHandle<()>>> {
    listeners
        .into_iter()
        .map(|(listener, socket)| {
            if listener.protocol == Protocol::Admin {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let socket = tcp_listener(socket)?;
            Ok(spawn_local(accept(socket, listener, Rc::clone(shared))))
        })
        .collect()
}

fn tcp_listener(socket: OwnedFd) -> io::Result<TcpListener> {
    let family = sockopt::socket_domain(&socket)?;
    let is_tcp = [AddressFamily::INET, AddressFamily::INET6].contains(&family)
        && sockopt::socket_type(&socket)? == SocketType::STREAM
        && sockopt::socket_acceptconn(&socket)?;
    if !is_tcp {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let socket = std::net::TcpListener::from(socket);
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}
