//! What the supervisor says, and what `front` is while it serves.
//!
//! Invariants: nothing is accepted before `Begin`; a slice is applied whole or
//! not at all, to connections that come after it; a message of the supervisor
//! that its phase does not permit ends the process.

use crate::accept::{accept, prepare};
use crate::census::Census;
use crate::peers::Peers;
use crate::tls::{Authorities, BadCertificates, Chain, Tls};
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
    files: Files,
    provided: Result<Files, BadCertificates>,
    next: Option<(Settings, Files)>,
}

/// What was read from the files that the supervisor has opened.
#[derive(Clone, Default)]
struct Files {
    chain: Option<Chain>,
    authorities: Option<Authorities>,
}

impl Files {
    fn read(mut self, purpose: FileUse, file: &OwnedFd) -> Result<Self, BadCertificates> {
        match purpose {
            FileUse::Certificates => self.chain = Some(Chain::read(file)?),
            FileUse::ClientAuthorities => self.authorities = Some(Authorities::read(file)?),
            FileUse::PrivateKey => (),
        }
        Ok(self)
    }

    /// What there is here, and else there.
    fn or(self, other: &Self) -> Self {
        Self {
            chain: self.chain.or_else(|| other.chain.clone()),
            authorities: self.authorities.or_else(|| other.authorities.clone()),
        }
    }
}

impl House {
    async fn begin(supervisor: Supervisor, given: Given) -> Result<Self, End> {
        let Slice::Front { slice } = given.slice else {
            return Err(End::Unpermitted);
        };
        eventlog::begin(slice.logging.level.number());
        let peers = Rc::new(Peers::default());
        let mut read = given.files.iter();
        let read = read.try_fold(Files::default(), |files, (purpose, file)| {
            files.read(*purpose, file)
        });
        let (settings, files) = match read {
            Ok(files) => settings(slice, files, &peers),
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
            tls = files.chain.is_some(),
            "running"
        );
        Ok(Self {
            supervisor,
            shared,
            listeners,
            files,
            provided: Ok(Files::default()),
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
                purpose: FileUse::PrivateKey,
                ..
            } => Err(End::Unpermitted),
            ToProcess::Provide { purpose, file } => {
                let provided = self.take_provided();
                self.provided = provided.and_then(|files| files.read(purpose, &file));
                Ok(())
            }
            ToProcess::Prepare {
                slice: Slice::Front { slice },
            } => self.prepare(slice),
            ToProcess::Commit => self.commit(),
            ToProcess::Discard => {
                self.next = None;
                let _forgotten = self.take_provided();
                Ok(())
            }
            ToProcess::Stop => Err(End::Stopped),
            _ => Err(End::Unpermitted),
        }
    }

    fn prepare(&mut self, slice: slice::Front) -> Result<(), End> {
        self.next = None;
        let answer = match self.take_provided() {
            Ok(files) => {
                let files = files.or(&self.files);
                self.next = Some(settings(slice, files, &self.shared.peers));
                ToSupervisor::Prepared
            }
            Err(why) => refused(&why),
        };
        Ok(self.supervisor.send(answer)?)
    }

    fn take_provided(&mut self) -> Result<Files, BadCertificates> {
        std::mem::replace(&mut self.provided, Ok(Files::default()))
    }

    fn commit(&mut self) -> Result<(), End> {
        let (settings, files) = self.next.take().ok_or(End::Unpermitted)?;
        eventlog::set_level(settings.slice.logging.level.number());
        self.shared.peers.keyholder.forget_schemes();
        *self.shared.settings.borrow_mut() = Rc::new(settings);
        self.files = files;
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

fn settings(slice: slice::Front, files: Files, peers: &Peers) -> (Settings, Files) {
    let authorities = files.authorities.as_ref();
    let tls = files
        .chain
        .as_ref()
        .map(|chain| Tls::new(chain, authorities, &peers.keyholder, slice.tls12));
    (Settings { slice, tls }, files)
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
    prepare(&socket)?;
    let socket = std::net::TcpListener::from(socket);
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}
