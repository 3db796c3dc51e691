//! Bytes between a client and a service, both ways, without a look at them.
//!
//! Each direction reads [`PIECE_BYTES`] at once and nothing more before that is
//! written: a side that does not read stops the other, and nobody else. Where more
//! seems to follow and both sides are in the clear, it is spliced. The end of one
//! direction is passed on as the end of that direction.
//!
//! # STARTTLS
//! A service that asks for TLS has written its OK, ended its direction, and said
//! so over its channel; the three reach us in any order. What is guaranteed,
//! whatever the order and whatever the client sends when:
//!
//! 1. A byte read from the client before the last byte of the OK was written to
//!    it reaches at most the *old* socket, whose service forgets it.
//! 2. A byte read after that is kept, and is the first that the TLS handshake
//!    sees; an honest client begins its handshake only then. Cleartext there
//!    makes the handshake fail.
//! 3. So no byte that came in the clear is ever on the new socket.
//!
//! [`Unanswered`] tells the two apart.

mod freight;
mod pipe;

use crate::client::Client;
use freight::{Failed, Freight};
use ipc_async::Stream;
use std::cell::RefCell;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, tcp};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Bytes held of each direction: one TLS record's content (RFC 8446 §5.1). One that is
/// spliced has a pipe's fill besides, in the kernel (`pipe::PIPES_MAX`).
pub const PIECE_BYTES: usize = 16 * 1024;

/// How long a client may take to read one piece, or what a pipe holds. A slower one holds memory of a
/// worker for nothing; a phone in a tunnel comes back sooner.
pub const WRITE_SECONDS_MAX: u64 = 120;

/// How long a client has to close after we did. Until then its last bytes are
/// still read, because a close with unread bytes would reset the connection and
/// take our last words with it.
pub const LINGER_SECONDS_MAX: u64 = 5;

/// How long after the end of a service's direction it may still ask for TLS. It
/// does so in one breath.
pub const STARTTLS_GRACE_MILLIS: u64 = 500;

/// How long the service may take to end its direction after it asked for TLS,
/// and the client to read the OK.
pub const STARTTLS_SECONDS_MAX: u64 = 10;

/// How a relay ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// One side has ended; what it had sent was passed on.
    Over,
    /// The service wants TLS. These are the client's first bytes of it.
    StartTls(Vec<u8>),
}

/// Relays until one side ends, or the service asks for TLS on `starttls` (`None`:
/// it may not).
///
/// # Errors
/// The client vanished, or did not read: there is nothing to say to it.
pub async fn relay(
    client: &mut Client,
    session: &Stream,
    starttls: Option<&Notify>,
) -> io::Result<Ended> {
    match client {
        Client::Clear(tcp) => {
            let (from, to) = tcp.split();
            converse(from, to, session, starttls).await
        }
        Client::Tls(tls) => {
            let (from, to) = tokio::io::split(tls);
            converse(from, to, session, starttls).await
        }
    }
}

/// One half of the client's connection.
trait Half: Unpin {
    /// The connection, if what passes through it may be spliced.
    fn in_the_clear(&self) -> Option<&TcpStream> {
        None
    }
}

impl Half for tcp::ReadHalf<'_> {
    fn in_the_clear(&self) -> Option<&TcpStream> {
        Some(self.as_ref())
    }
}

impl Half for tcp::WriteHalf<'_> {
    fn in_the_clear(&self) -> Option<&TcpStream> {
        Some(self.as_ref())
    }
}

impl<T> Half for ReadHalf<T> {}
impl<T> Half for WriteHalf<T> {}

async fn converse<R: AsyncRead + Half, W: AsyncWrite + Half>(
    from: R,
    to: W,
    session: &Stream,
    starttls: Option<&Notify>,
) -> io::Result<Ended> {
    let unanswered = RefCell::new(Unanswered::new(starttls.is_some()));
    let mut down = Down {
        from: session,
        to,
        freight: Freight::default(),
        answers: false,
        unanswered: &unanswered,
    };
    let mut up = Up {
        from,
        to: session,
        freight: Freight::default(),
        unanswered: &unanswered,
    };
    let Some(starttls) = starttls else {
        both(&mut up, &mut down).await?;
        return finish(&mut up, &mut down).await;
    };
    let asked = tokio::select! {
        biased;
        () = starttls.notified() => true,
        end = both(&mut up, &mut down) => { end?; false }
    };
    if !asked && timeout(GRACE, starttls.notified()).await.is_err() {
        return finish(&mut up, &mut down).await;
    }
    // From here nothing more is read from the client.
    bounded(STARTTLS_SECONDS_MAX, down.run()).await?;
    unanswered.take().into_first_bytes().map(Ended::StartTls)
}

const GRACE: Duration = Duration::from_millis(STARTTLS_GRACE_MILLIS);

/// Both directions, until the service ends its own. The client's end is passed on
/// and changes nothing for the other direction: a client may send its last
/// command, end, and read the answer.
async fn both<R: AsyncRead + Half, W: AsyncWrite + Half>(
    up: &mut Up<'_, R>,
    down: &mut Down<'_, W>,
) -> io::Result<()> {
    tokio::select! {
        end = down.run() => end,
        Err(vanished) = up.run() => Err(vanished),
    }
}

/// The service has ended: so do we, and let the client read it in peace. A
/// service that only stopped writing still hears what the client has to say.
async fn finish<R: AsyncRead + Half, W: AsyncWrite + Half>(
    up: &mut Up<'_, R>,
    down: &mut Down<'_, W>,
) -> io::Result<Ended> {
    bounded(WRITE_SECONDS_MAX, down.to.shutdown()).await?;
    let linger = async {
        match up.run().await? {
            UpEnd::Client => Ok(0),
            UpEnd::Service => tokio::io::copy(&mut up.from, &mut tokio::io::sink()).await,
        }
    };
    // The time passing is no failure: everything has been said.
    let _ = bounded(LINGER_SECONDS_MAX, linger).await;
    Ok(Ended::Over)
}

/// From the service to the client.
struct Down<'a, W> {
    from: &'a Stream,
    to: W,
    freight: Freight,
    /// Something of the service's has not all been written yet.
    answers: bool,
    unanswered: &'a RefCell<Unanswered>,
}

impl<W: AsyncWrite + Half> Down<'_, W> {
    /// Runs to the end of the service's direction. Dropping it between loses
    /// nothing: run again, it goes on.
    async fn run(&mut self) -> io::Result<()> {
        loop {
            self.freight.deliver(&mut self.to).await?;
            let has_ended = self.splice().await?;
            if std::mem::take(&mut self.answers) {
                self.unanswered.borrow_mut().answered();
            }
            if has_ended {
                return Ok(());
            }
            let loaded = self
                .freight
                .load(&mut self.from, &mut self.to, |_| self.answers = true);
            match sunk(loaded.await)? {
                // An error of this socket, too, says that the service is gone.
                None | Some(0) => return Ok(()),
                Some(PIECE_BYTES) if self.to.in_the_clear().is_some() => {
                    self.freight.begin_splicing();
                }
                Some(_) => {}
            }
        }
    }

    /// Whether the service's direction has ended.
    async fn splice(&mut self) -> io::Result<bool> {
        match self.to.in_the_clear() {
            Some(tcp) if self.freight.is_splicing() => {
                let spliced = sunk(self.freight.splice(self.from, tcp).await)?;
                Ok(spliced.unwrap_or(true))
            }
            _ => Ok(false),
        }
    }
}

/// What came of the source, if the sink is whole.
fn sunk<T>(outcome: Result<T, Failed>) -> io::Result<Option<T>> {
    match outcome {
        Ok(outcome) => Ok(Some(outcome)),
        Err(Failed::Source(_)) => Ok(None),
        Err(Failed::Sink(error)) => Err(error),
    }
}

/// From the client to the service.
struct Up<'a, R> {
    from: R,
    to: &'a Stream,
    freight: Freight,
    unanswered: &'a RefCell<Unanswered>,
}

/// Who brought it to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpEnd {
    /// The client has ended its direction.
    Client,
    /// The service no longer listens.
    Service,
}

impl<R: AsyncRead + Half> Up<'_, R> {
    /// Runs to the end of the client's direction, or until the service no longer
    /// listens.
    ///
    /// # Errors
    /// The client vanished without an end.
    async fn run(&mut self) -> io::Result<UpEnd> {
        match self.carry().await {
            Ok(()) => {
                let _deaf_already = self.to.end();
                Ok(UpEnd::Client)
            }
            Err(Failed::Source(vanished)) => Err(vanished),
            Err(Failed::Sink(_)) => Ok(UpEnd::Service),
        }
    }

    async fn carry(&mut self) -> Result<(), Failed> {
        let may_splice = self.from.in_the_clear().is_some() && !self.unanswered.borrow().is_kept();
        loop {
            self.freight
                .deliver(&mut self.to)
                .await
                .map_err(Failed::Sink)?;
            if self.freight.is_splicing()
                && let Some(tcp) = self.from.in_the_clear()
                && self.freight.splice(tcp, self.to).await?
            {
                return Ok(());
            }
            let heed = |heard: &[u8]| self.unanswered.borrow_mut().heard(heard);
            match self
                .freight
                .load(&mut self.from, &mut self.to, heed)
                .await?
            {
                0 => return Ok(()),
                PIECE_BYTES if may_splice => self.freight.begin_splicing(),
                _ => {}
            }
        }
    }
}

/// What the client has sent since it last heard from the service, as far as that
/// fits. Kept only where the service may ask for TLS.
#[derive(Debug, Default)]
struct Unanswered {
    bytes: Option<Vec<u8>>,
    is_too_much: bool,
}

impl Unanswered {
    fn new(kept: bool) -> Self {
        Self {
            bytes: kept.then(Vec::new),
            is_too_much: false,
        }
    }

    fn is_kept(&self) -> bool {
        self.bytes.is_some()
    }

    fn heard(&mut self, heard: &[u8]) {
        let Some(bytes) = &mut self.bytes else { return };
        self.is_too_much |= bytes.len().saturating_add(heard.len()) > PIECE_BYTES;
        if !self.is_too_much {
            bytes.extend_from_slice(heard);
        }
    }

    fn answered(&mut self) {
        self.is_too_much = false;
        if let Some(bytes) = &mut self.bytes {
            // Given back, and so wiped: it may have been a password.
            *bytes = Vec::new();
        }
    }

    /// The first bytes of a handshake, none of which begins with a full buffer.
    fn into_first_bytes(self) -> io::Result<Vec<u8>> {
        if self.is_too_much {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(self.bytes.unwrap_or_default())
    }
}

async fn bounded<T>(seconds: u64, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(Duration::from_secs(seconds), work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
