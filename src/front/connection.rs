//! The life of one connection: PROXY header, TLS, sessions, the end.

use crate::census::{Full, Place};
use crate::client::Client;
use crate::house::Settings;
use crate::peers::{Link, NotOpened, Peers, Who};
use crate::proxy::{self, Preamble, Source};
use crate::relay::{self, Ended};
use crate::tls::{Handshake, Tls};
use ipc::slice::{Listener, TlsUse};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Why a connection ended before its time.
#[derive(Debug)]
pub enum Broken {
    /// Too many like it.
    Full(Full),
    /// It came to a PROXY listener from outside of the proxies' networks.
    NoProxy,
    /// The proxy's header was wrong.
    Proxy(proxy::Refusal),
    /// The client, or a proxy, did not get so far in time.
    TooSlow,
    /// There is no certificate, or no key to it now.
    NoTls,
    /// There is nobody to serve it.
    NotOpened(NotOpened),
    /// The connection failed, or TLS on it.
    Connection(io::Error),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full(Full::InAll) => f.write_str("there are too many connections"),
            Self::Full(Full::InPrefix) => f.write_str("there are too many from this prefix"),
            Self::NoProxy => f.write_str("it is not from a proxy's network"),
            Self::Proxy(refusal) => refusal.fmt(f),
            Self::TooSlow => f.write_str("it took too long to begin"),
            Self::NoTls => f.write_str("there is no certificate or no keyholder"),
            Self::NotOpened(why) => write!(f, "nobody can serve it ({why:?})"),
            Self::Connection(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

/// A connection that was accepted.
pub struct Connection {
    /// What is served where it came.
    pub listener: Listener,
    /// The TCP peer.
    pub peer: SocketAddr,
    /// Its place in the count.
    pub place: Place,
    /// As they were when it came; a reload changes nothing for it.
    pub settings: Rc<Settings>,
    /// Who may serve it.
    pub peers: Rc<Peers>,
}

impl Connection {
    /// Serves it to its end.
    ///
    /// # Errors
    /// [`Broken`]: it ended before its time. The client has been told what can be
    /// told.
    pub async fn serve(mut self, mut tcp: TcpStream) -> Result<(), Broken> {
        let deadline = self.handshake_deadline();
        let client = in_time(deadline, self.client_address(&mut tcp)).await?;
        let max = self.settings.slice.connections_per_prefix_max;
        self.place
            .belongs_to(client.ip(), max)
            .map_err(Broken::Full)?;
        let mut who = self.who(client);
        let number = self.peers.number();
        let client = if self.listener.tls == TlsUse::Immediate {
            let (client, tls) = in_time(deadline, self.handshake(tcp, Vec::new())).await?;
            who.tls = Some(tls);
            client
        } else {
            Client::Clear(tcp)
        };
        let link = self
            .peers
            .open(number, &who)
            .await
            .map_err(Broken::NotOpened)?;
        self.converse(client, link, who).await
    }

    /// Relays, once in the clear and once more after STARTTLS, at most.
    async fn converse(&self, mut client: Client, link: Link, mut who: Who) -> Result<(), Broken> {
        let starttls = link.starttls.clone();
        let ended = relay::relay(&mut client, &link.socket, starttls.as_deref()).await?;
        let (Ended::StartTls(heard), Client::Clear(tcp)) = (ended, client) else {
            return Ok(());
        };
        let (service, number) = link.close();
        let deadline = self.handshake_deadline();
        let (mut client, tls) = in_time(deadline, self.handshake(tcp, heard)).await?;
        (who.tls, who.may_start_tls) = (Some(tls), false);
        let again = self.peers.open_again(service, number, &who);
        let link = again.map_err(Broken::NotOpened)?;
        relay::relay(&mut client, &link.socket, None).await?;
        Ok(())
    }

    fn handshake_deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.settings.slice.handshake_seconds.into())
    }

    /// The TCP peer, or whom it is a proxy for.
    async fn client_address(&self, tcp: &mut TcpStream) -> Result<SocketAddr, Broken> {
        if !self.listener.proxy {
            return Ok(self.peer);
        }
        let proxies = self.settings.slice.proxies.as_slice();
        if !proxies
            .iter()
            .any(|network| network.contains(self.peer.ip()))
        {
            return Err(Broken::NoProxy);
        }
        let mut preamble = [0; proxy::PREAMBLE_BYTES];
        tcp.read_exact(&mut preamble).await?;
        let preamble = Preamble::parse(&preamble).map_err(Broken::Proxy)?;
        let mut body = vec![0; preamble.length];
        tcp.read_exact(&mut body).await?;
        match preamble.source(&body).map_err(Broken::Proxy)? {
            Source::Proxy => Ok(self.peer),
            Source::Client(client) => Ok(client),
        }
    }

    fn who(&self, client: SocketAddr) -> Who {
        let is_loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        Who {
            protocol: self.listener.protocol,
            client,
            // A proxy elsewhere cannot make its client local by saying so.
            loopback: is_loopback(self.peer) && is_loopback(client),
            tls: None,
            may_start_tls: self.listener.tls == TlsUse::OnRequest && self.settings.tls.is_some(),
        }
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        heard: Vec<u8>,
    ) -> Result<(Client, Handshake), Broken> {
        let tls: &Tls = self.settings.tls.as_ref().ok_or(Broken::NoTls)?;
        if !self.peers.await_keyholder().await {
            return Err(Broken::NoTls);
        }
        let acceptor = tls.acceptor(&self.listener).ok_or(Broken::NoTls)?;
        Ok(Client::handshake(&acceptor, tcp, heard).await?)
    }
}

async fn in_time<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    timeout_at(deadline, work)
        .await
        .unwrap_or(Err(Broken::TooSlow))
}
