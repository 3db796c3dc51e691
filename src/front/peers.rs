//! The processes that `front` talks with: services, `auth`, `keyholder`; and
//! which connection is with which service.
//!
//! Invariants: `auth` hears of a session's socket before any service holds it,
//! and of its end; a service can ask for TLS on its own connections only. A peer
//! that goes, or breaks the rules of its channel, loses the channel: relays that
//! run go on, newcomers wait for the next [`Peers::connect`].

use crate::certificate::ClientName;
use crate::keyholder::Keyholder;
use crate::tls::Handshake;
use ipc::channel::Fault;
use ipc::edge::front_auth::{self, Facts};
use ipc::edge::front_service::{self, ToService, Transport};
use ipc::edge::supervisor::Edge;
use ipc::slice::Protocol;
use ipc::{ConnectionId, Cookie, Instance};
use ipc_async::{AsyncChannel, Losses, Stream};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;

/// How long a newcomer waits for a peer that is being restarted. Births take
/// milliseconds; the supervisor's first back-offs are shorter than this.
pub const PEER_SECONDS_MAX: u64 = 5;

/// All peers; see the module.
#[derive(Default)]
pub struct Peers {
    services: RefCell<BTreeMap<ServiceKey, Rc<Service>>>,
    auth: RefCell<Option<Rc<Auth>>>,
    /// The way to the private key.
    pub keyholder: Keyholder,
    /// Where the supervisor hears which of them are gone.
    pub losses: Losses,
    /// Which life of `keyholder` the way leads to, until it is found gone.
    signer: Cell<Option<Instance>>,
    sessions: RefCell<BTreeMap<ConnectionId, Session>>,
    last_connection: Cell<u64>,
    changed: Notify,
}

/// One life of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceKey(Edge, Instance);

/// One life of `auth`.
struct Auth {
    who: Instance,
    channel: AsyncChannel<Facts, front_auth::ToFront>,
}

struct Service {
    channel: AsyncChannel<ToService, front_service::ToFront>,
    sessions: Cell<usize>,
}

struct Session {
    with: ServiceKey,
    cookie: Cookie,
    who: Who,
    starttls: Option<Rc<Notify>>,
}

/// What is said of a session to `auth` and to the service.
#[derive(Debug, Clone)]
pub struct Who {
    /// What is spoken.
    pub protocol: Protocol,
    /// The client.
    pub client: SocketAddr,
    /// Whether the client is on a loopback address, and no proxy between.
    pub loopback: bool,
    /// What is known of TLS, once there is TLS.
    pub tls: Option<Handshake>,
    /// Whether the service may ask for TLS.
    pub may_start_tls: bool,
}

/// Why a session could not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpened {
    /// A peer that it needs was not there in time.
    NoPeer,
    /// A peer that seemed to be there has gone.
    PeerGone,
    /// The kernel has no socket for us.
    NoSocket,
}

impl Peers {
    /// Takes a new end of an edge, replacing the one of the same peer. Must be
    /// called within the runtime.
    ///
    /// # Errors
    /// [`Fault`] if it is no channel.
    pub fn connect(
        self: &Rc<Self>,
        edge: Edge,
        instance: Instance,
        socket: OwnedFd,
    ) -> Result<(), Fault> {
        match edge {
            Edge::FrontAuth => self.connect_auth(instance, socket)?,
            Edge::FrontKeyholder => {
                self.keyholder.connect(socket)?;
                self.signer.set(Some(instance));
            }
            _ => self.connect_service(ServiceKey(edge, instance), socket)?,
        }
        self.changed.notify_waiters();
        Ok(())
    }

    /// A number for a new connection.
    pub fn number(&self) -> ConnectionId {
        let number = self.last_connection.get().wrapping_add(1);
        self.last_connection.set(number);
        ConnectionId(number)
    }

    /// Waits until a handshake can be made, as long as newcomers wait.
    pub async fn await_keyholder(&self) -> bool {
        let ready = || {
            let is_ready = self.keyholder.is_ready();
            self.mourn_keyholder();
            is_ready.then_some(())
        };
        self.wait_for(ready).await.is_some()
    }

    /// One that was found gone is told of once.
    fn mourn_keyholder(&self) {
        if !self.keyholder.has_link()
            && let Some(who) = self.signer.take()
        {
            self.losses.torn(Edge::FrontKeyholder, who);
        }
    }

    /// Gives a connection to the service with the fewest sessions. One that turns
    /// out to be dead is forgotten, and the next is tried.
    ///
    /// # Errors
    /// [`NotOpened`]: close the connection.
    pub async fn open(
        self: &Rc<Self>,
        connection: ConnectionId,
        who: &Who,
    ) -> Result<Link, NotOpened> {
        loop {
            let service = self.wait_for(|| self.least_busy(who.protocol)).await;
            let key = service.ok_or(NotOpened::NoPeer)?;
            match self.open_with(key, connection, who, false) {
                Err(NotOpened::PeerGone) => {}
                opened => return opened,
            }
        }
    }

    /// Gives a connection that now speaks TLS to the service that asked for it.
    ///
    /// # Errors
    /// [`NotOpened`]: close the connection.
    pub fn open_again(
        self: &Rc<Self>,
        key: ServiceKey,
        connection: ConnectionId,
        who: &Who,
    ) -> Result<Link, NotOpened> {
        self.open_with(key, connection, who, true)
    }

    fn open_with(
        self: &Rc<Self>,
        key: ServiceKey,
        connection: ConnectionId,
        who: &Who,
        after_starttls: bool,
    ) -> Result<Link, NotOpened> {
        let service = self.services.borrow().get(&key).cloned();
        let service = service.ok_or(NotOpened::PeerGone)?;
        let (ours, theirs) = pair().map_err(|_| NotOpened::NoSocket)?;
        let cookie = ipc::socket::cookie(&theirs).map_err(|_| NotOpened::NoSocket)?;
        let link = self.enter(key, connection, cookie, who.clone(), ours);
        self.tell_auth(who.opened(cookie))
            .ok_or(NotOpened::PeerGone)?;
        let session = ToService::Session {
            connection,
            protocol: who.protocol,
            transport: who.transport(),
            may_start_tls: who.may_start_tls,
            after_starttls,
            client_certificate: who.client_name().is_some(),
            socket: theirs,
        };
        match service.channel.send(session) {
            Ok(()) => Ok(link),
            Err(fault) => {
                self.lose_service(key, &service, fault);
                Err(NotOpened::PeerGone)
            }
        }
    }

    /// Writes down who has the connection; the link's end undoes it.
    fn enter(
        self: &Rc<Self>,
        service: ServiceKey,
        connection: ConnectionId,
        cookie: Cookie,
        who: Who,
        socket: Stream,
    ) -> Link {
        let starttls = who.may_start_tls.then(Rc::<Notify>::default);
        let session = Session {
            with: service,
            cookie,
            who,
            starttls: starttls.clone(),
        };
        self.sessions.borrow_mut().insert(connection, session);
        if let Some(service) = self.services.borrow().get(&service) {
            service
                .sessions
                .set(service.sessions.get().saturating_add(1));
        }
        Link {
            peers: Rc::clone(self),
            connection,
            service,
            starttls,
            socket,
        }
    }

    /// None without an `auth`: it must hear of every session first.
    fn least_busy(&self, protocol: Protocol) -> Option<ServiceKey> {
        let edge = match protocol {
            Protocol::Lmtp => Edge::FrontLmtp,
            Protocol::Imap | Protocol::Pop3 | Protocol::ManageSieve => Edge::FrontLogin,
            Protocol::Admin => return None,
        };
        self.auth.borrow().as_ref()?;
        let services = self.services.borrow();
        let of_the_edge = services.iter().filter(|(key, _)| key.0 == edge);
        of_the_edge
            .min_by_key(|(_, service)| service.sessions.get())
            .map(|(key, _)| *key)
    }

    fn tell_auth(&self, facts: Facts) -> Option<()> {
        let auth = self.auth.borrow().clone()?;
        if let Err(fault) = auth.channel.send(facts) {
            self.lose_auth(&auth, fault);
            return None;
        }
        Some(())
    }

    fn connect_auth(self: &Rc<Self>, who: Instance, socket: OwnedFd) -> Result<(), Fault> {
        let channel = AsyncChannel::adopt(socket)?;
        let auth = Rc::new(Auth { who, channel });
        *self.auth.borrow_mut() = Some(Rc::clone(&auth));
        let peers = Rc::clone(self);
        spawn_local(async move {
            let fault = match peers.repeat_facts(&auth).await {
                // `auth` has no words for us, so that this only ever ends.
                Ok(()) => auth
                    .channel
                    .receive()
                    .await
                    .err()
                    .unwrap_or(Fault::PeerGone),
                Err(fault) => fault,
            };
            peers.lose_auth(&auth, fault);
        });
        Ok(())
    }

    /// A new `auth` knows nothing of the sessions that there are. They are told
    /// one by one, so that a slow reader is no full queue.
    async fn repeat_facts(&self, auth: &Auth) -> Result<(), Fault> {
        let known: Vec<ConnectionId> = self.sessions.borrow().keys().copied().collect();
        for connection in known {
            let facts = self
                .sessions
                .borrow()
                .get(&connection)
                .map(|s| s.who.opened(s.cookie));
            if let Some(facts) = facts {
                auth.channel.send(facts)?;
                auth.channel.drain().await?;
            }
        }
        Ok(())
    }

    fn lose_auth(&self, auth: &Rc<Auth>, fault: Fault) {
        let mut current = self.auth.borrow_mut();
        if current
            .as_ref()
            .is_some_and(|current| Rc::ptr_eq(current, auth))
        {
            tracing::warn!(%fault, "auth is gone; newcomers wait");
            *current = None;
            self.losses.torn(Edge::FrontAuth, auth.who);
        }
    }

    fn connect_service(self: &Rc<Self>, key: ServiceKey, socket: OwnedFd) -> Result<(), Fault> {
        let channel = AsyncChannel::adopt(socket)?;
        let service = Rc::new(Service {
            channel,
            sessions: Cell::new(0),
        });
        self.services.borrow_mut().insert(key, Rc::clone(&service));
        let peers = Rc::clone(self);
        spawn_local(async move {
            let fault = peers.hear(key, &service).await;
            peers.lose_service(key, &service, fault);
        });
        Ok(())
    }

    /// Hears a service until it ends or breaks the rules.
    async fn hear(&self, key: ServiceKey, service: &Service) -> Fault {
        loop {
            match service.channel.receive().await {
                Ok(Some(front_service::ToFront::StartTls { connection })) => {
                    if let Err(fault) = self.start_tls(key, connection) {
                        return fault;
                    }
                }
                Ok(None) => return Fault::PeerGone,
                Err(fault) => return fault,
            }
        }
    }

    /// A connection that is not there may have just ended. One that is another's,
    /// or that may not speak TLS, is a breach.
    fn start_tls(&self, key: ServiceKey, connection: ConnectionId) -> Result<(), Fault> {
        let sessions = self.sessions.borrow();
        let Some(session) = sessions.get(&connection) else {
            return Ok(());
        };
        match &session.starttls {
            Some(starttls) if session.with == key => starttls.notify_one(),
            _ => return Err(Fault::PeerSent(ipc::Malformed::UnknownValue)),
        }
        Ok(())
    }

    fn lose_service(&self, key: ServiceKey, service: &Rc<Service>, fault: Fault) {
        let mut services = self.services.borrow_mut();
        if services
            .get(&key)
            .is_some_and(|current| Rc::ptr_eq(current, service))
        {
            let ServiceKey(edge, instance) = key;
            tracing::warn!(?edge, instance = instance.0, %fault, "a service is gone");
            services.remove(&key);
            self.losses.torn(edge, instance);
        }
    }

    /// Tries until it has something or newcomers have waited long enough.
    async fn wait_for<T>(&self, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
        let tries = async {
            loop {
                let changed = self.changed.notified();
                match attempt() {
                    Some(found) => return found,
                    None => changed.await,
                }
            }
        };
        timeout(Duration::from_secs(PEER_SECONDS_MAX), tries)
            .await
            .ok()
    }
}

/// A connection's place with a service. Dropped, the socket closes, `auth` hears
/// of it, and the service can ask for nothing more on the connection.
pub struct Link {
    peers: Rc<Peers>,
    connection: ConnectionId,
    service: ServiceKey,
    /// Where the service's wish for TLS arrives, if it may have one.
    pub starttls: Option<Rc<Notify>>,
    /// Our end.
    pub socket: Stream,
}

impl Link {
    /// Ends it, and says who had which connection.
    #[must_use]
    pub fn close(self) -> (ServiceKey, ConnectionId) {
        (self.service, self.connection)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(session) = self.peers.sessions.borrow_mut().remove(&self.connection) {
            // Without an `auth` there is nobody to tell.
            let _ = self.peers.tell_auth(Facts::Closed {
                cookie: session.cookie,
            });
        }
        if let Some(service) = self.peers.services.borrow().get(&self.service) {
            service
                .sessions
                .set(service.sessions.get().saturating_sub(1));
        }
    }
}

impl Who {
    fn transport(&self) -> Transport {
        match &self.tls {
            None => Transport::Cleartext {
                loopback: self.loopback,
            },
            Some(Handshake { version, .. }) => Transport::Tls { version: *version },
        }
    }

    fn client_name(&self) -> Option<&ClientName> {
        self.tls.as_ref().and_then(|tls| tls.client_name.as_ref())
    }

    fn opened(&self, cookie: Cookie) -> Facts {
        let address = match self.client.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Facts::Opened {
            cookie,
            protocol: self.protocol,
            transport: self.transport(),
            address: address.octets(),
            port: self.client.port(),
            exporter: self.tls.as_ref().and_then(|tls| tls.exporter),
            client_name: self.client_name().cloned(),
        }
    }
}

/// Our end and the service's. Neither blocks, which splicing into one can't say for
/// itself.
fn pair() -> io::Result<(Stream, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok((Stream::adopt(ours)?, theirs))
}
