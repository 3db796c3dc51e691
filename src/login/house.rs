//! What all sessions of this process share, and what the supervisor tells it.
//!
//! Invariants: each session runs under the settings that hold when it begins; a
//! peer that breaks its channel's rules loses that channel and no other.

use crate::admission::Admission;
use crate::client::Client;
use crate::peer::Peer;
use crate::session::{self, Origin};
use ipc::edge::front_service::{ToFront, ToService};
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::edge::{handover, login_auth};
use ipc::slice::{self, Protocol, Slice};
use ipc::{Bytes, Instance};
use ipc_async::{AsyncChannel, Losses};
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tracing::{debug, info, warn};

/// How long hand-overs may take to finish when the set is stopping: as long as
/// any hand-over.
const STOP_SECONDS_MAX: u64 = 30;

/// See the module.
#[derive(Debug)]
pub struct House {
    settings: RefCell<slice::Login>,
    admission: Admission,
    losses: Rc<Losses>,
    /// Verifies credentials.
    pub auth: Rc<Peer<login_auth::ToAuth, login_auth::ToLogin>>,
    /// Brings sockets to workers.
    pub director: Rc<Peer<handover::ToDirector, handover::ToAsker>>,
}

type Front = AsyncChannel<ToFront, ToService>;

impl House {
    /// A house without peers.
    #[must_use]
    pub fn new(settings: slice::Login) -> Rc<Self> {
        let admission = Admission::default();
        let losses = Rc::default();
        let auth = Peer::new("auth", Edge::LoginAuth, &losses);
        let director = Peer::new("director", Edge::LoginHandover, &losses);
        Rc::new(Self {
            settings: RefCell::new(settings),
            admission,
            losses,
            auth,
            director,
        })
    }

    /// The settings that hold now.
    #[must_use]
    pub fn settings(&self) -> slice::Login {
        self.settings.borrow().clone()
    }

    /// Takes one end of an edge. Needs a `LocalSet`.
    pub fn connect(self: &Rc<Self>, edge: Edge, who: Instance, socket: OwnedFd) {
        let connected = match edge {
            Edge::LoginAuth => self.auth.connect(who, socket),
            Edge::LoginHandover => self.director.connect(who, socket),
            Edge::FrontLogin => AsyncChannel::adopt(socket).map(|front| {
                tokio::task::spawn_local(Rc::clone(self).attend(who, Rc::new(front)));
            }),
            _ => return warn!(?edge, "not an edge of login"),
        };
        if let Err(fault) = connected {
            warn!(?edge, %fault, "could not connect");
        }
    }

    /// Takes sessions from one `front`, as long as it lives.
    async fn attend(self: Rc<Self>, who: Instance, front: Rc<Front>) {
        loop {
            match front.receive().await {
                Ok(Some(session)) => self.begin(who, &front, session),
                Ok(None) => break info!("a front has gone"),
                Err(fault) => break warn!(%fault, "a front was cut off"),
            }
        }
        self.losses.torn(Edge::FrontLogin, who);
    }

    fn begin(self: &Rc<Self>, who: Instance, front: &Rc<Front>, session: ToService) {
        let ToService::Session {
            connection,
            protocol,
            transport,
            may_start_tls,
            after_starttls,
            client_certificate,
            socket,
        } = session;
        if !matches!(protocol, Protocol::Imap | Protocol::Pop3) {
            return debug!(connection = connection.0, ?protocol, "not spoken here yet");
        }
        let Some(place) = self.admission.admit(self.sessions_max()) else {
            return warn!(connection = connection.0, "too many hand-overs at once");
        };
        let client = match Client::adopt(socket) {
            Ok(client) => client,
            Err(error) => {
                return warn!(connection = connection.0, %error, "a session without a socket");
            }
        };
        let origin = Origin {
            front: who,
            connection,
            protocol,
            transport,
            may_start_tls,
            after_starttls,
            client_certificate,
        };
        // Not kept from closing by its sessions: a front that was cut off must see it.
        let front = Rc::downgrade(front);
        let start_tls = move || {
            let asked = front
                .upgrade()
                .map(|front| front.send(ToFront::StartTls { connection }));
            if !matches!(asked, Some(Ok(()))) {
                debug!(connection = connection.0, "no front to begin TLS");
            }
        };
        tokio::task::spawn_local(session::serve(
            Rc::clone(self),
            origin,
            client,
            place,
            start_tls,
        ));
    }

    fn sessions_max(&self) -> usize {
        usize::try_from(self.settings.borrow().sessions_max).unwrap_or(usize::MAX)
    }

    /// Does what the supervisor says until it says stop, or has gone; then lets
    /// hand-overs finish.
    pub async fn obey(self: &Rc<Self>, supervisor: &Rc<AsyncChannel<ToSupervisor, ToProcess>>) {
        self.losses.tell(supervisor);
        let mut prepared = None;
        while let Ok(Some(message)) = supervisor.receive().await {
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
                    let _ = supervisor.send(answer);
                    prepared = usable.ok();
                }
                ToProcess::Commit => prepared
                    .take()
                    .into_iter()
                    .for_each(|slice| self.apply(slice)),
                ToProcess::Discard => prepared = None,
                ToProcess::Stop => break,
                _ => warn!("an order that is not for login"),
            }
        }
        self.stop().await;
    }

    fn apply(&self, settings: slice::Login) {
        eventlog::set_level(settings.logging.level as u8);
        self.settings.replace(settings);
        info!("new settings apply");
    }

    async fn stop(&self) {
        self.admission.send_all_away();
        let patience = Duration::from_secs(STOP_SECONDS_MAX);
        let _ = tokio::time::timeout(patience, self.admission.until_empty()).await;
    }
}

/// The slice, if it is one for `login` that can be served under.
///
/// # Errors
/// The reason, for the administrator.
pub fn usable(slice: Slice) -> Result<slice::Login, &'static str> {
    match slice {
        Slice::Login { slice } if slice.login_seconds == 0 => Err("login_seconds must not be 0"),
        Slice::Login { slice } if slice.sessions_max == 0 => Err("sessions_max must not be 0"),
        Slice::Login { slice } => Ok(slice),
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
