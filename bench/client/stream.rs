//! A connection, in the clear or over TLS 1.3.
//!
//! Small writes leave at once (`TCP_NODELAY`), and whatever arrives is acknowledged at
//! once (`TCP_QUICKACK`, set anew behind each write, as the kernel forgets it): else a
//! server that writes an answer in two pieces would lose 40 ms to our silence.

use crate::failed::Failed;
use rustix::net::sockopt::set_tcp_quickack;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long any answer may take: a server that hangs costs a row, not the table.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client believes of the servers, and how it speaks TLS: version 1.3, and each
/// time from the beginning, so that a login over TLS is a whole handshake.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Believes one certificate.
    ///
    /// # Errors
    /// If it is none.
    pub fn of(certificate: CertificateDer<'static>) -> Result<Self, Failed> {
        let wrong = |error: rustls::Error| Failed::World(format!("the certificate: {error}"));
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(wrong)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(wrong)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Clear(TcpStream),
    /// Over TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects in the clear.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(address: SocketAddr) -> Result<Self, Failed> {
        let doing = || Failed::doing(format!("connecting to {address}"));
        let socket = TcpStream::connect(address).map_err(doing())?;
        socket.set_nodelay(true).map_err(doing())?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(doing())?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(doing())?;
        Ok(Self::Clear(socket))
    }

    /// Begins TLS; the handshake is done with the first bytes.
    ///
    /// # Errors
    /// If TLS has begun already.
    pub fn secure(self, trust: &Trust) -> Result<Self, Failed> {
        let Self::Clear(socket) = self else {
            return Err(Failed::World("TLS within TLS".to_owned()));
        };
        let name = ServerName::try_from("localhost").map_err(|_| Failed::Lacking("a name"))?;
        let tls = ClientConnection::new(Arc::clone(&trust.0), name);
        let tls = tls.map_err(|error| Failed::World(format!("TLS: {error}")))?;
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, socket))))
    }

    /// Sends all of this.
    ///
    /// # Errors
    /// If the server has gone or takes nothing.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let sent = match self {
            Self::Clear(socket) => socket.write_all(bytes),
            Self::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        };
        sent.map_err(Failed::doing("sending"))?;
        // A socket that can't be asked for it is merely slower.
        let _ = set_tcp_quickack(self.socket(), true);
        Ok(())
    }

    /// Receives what there is, one byte at least.
    ///
    /// # Errors
    /// If the server has gone or is silent.
    pub fn receive(&mut self, room: &mut [u8]) -> Result<usize, Failed> {
        let received = match self {
            Self::Clear(socket) => socket.read(room),
            Self::Tls(tls) => tls.read(room),
        };
        match received.map_err(Failed::doing("receiving"))? {
            0 => Err(Failed::World("the server hung up".to_owned())),
            count => Ok(count),
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(tls) => &tls.sock,
        }
    }
}
