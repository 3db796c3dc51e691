//! Bytes between a client and a service, both ways, without a look at them.
//!
//! Each direction has one buffer of [`BUFFER_BYTES`] and reads nothing while it
//! is full: a side that does not read stops the other, and nobody else. The end
//! of one direction is passed on as the end of that direction.
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

use crate::client::Client;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::UnixStream;
use tokio::net::unix;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Bytes held of each direction: one TLS record's content (RFC 8446 §5.1).
pub const BUFFER_BYTES: usize = 16 * 1024;

/// How long a client may take to read one buffer. A slower one holds memory of a
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
    session: &mut UnixStream,
    starttls: Option<&Notify>,
) -> io::Result<Ended> {
    let unanswered = RefCell::new(Unanswered::new(starttls.is_some()));
    let (client_read, client_write) = tokio::io::split(client);
    let (session_read, session_write) = session.split();
    let mut down = Down::new(session_read, client_write, &unanswered);
    let mut up = Up::new(client_read, session_write, &unanswered);
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
async fn both(up: &mut Up<'_>, down: &mut Down<'_>) -> io::Result<()> {
    tokio::select! {
        end = down.run() => end,
        Err(vanished) = up.run() => Err(vanished),
    }
}

/// The service has ended: so do we, and let the client read it in peace. A
/// service that only stopped writing still hears what the client has to say.
async fn finish(up: &mut Up<'_>, down: &mut Down<'_>) -> io::Result<Ended> {
    bounded(WRITE_SECONDS_MAX, down.to.shutdown()).await?;
    let linger = async {
        up.run().await?;
        tokio::io::copy(&mut up.from, &mut tokio::io::sink()).await
    };
    // The time passing is no failure: everything has been said.
    let _ = bounded(LINGER_SECONDS_MAX, linger).await;
    Ok(Ended::Over)
}

/// From the service to the client.
struct Down<'a> {
    from: unix::ReadHalf<'a>,
    to: WriteHalf<&'a mut Client>,
    buffer: Buffer,
    unanswered: &'a RefCell<Unanswered>,
}

impl<'a> Down<'a> {
    fn new(
        from: unix::ReadHalf<'a>,
        to: WriteHalf<&'a mut Client>,
        unanswered: &'a RefCell<Unanswered>,
    ) -> Self {
        Self {
            from,
            to,
            buffer: Buffer::default(),
            unanswered,
        }
    }

    /// Runs to the end of the service's direction. Dropping it between loses
    /// nothing: run again, it goes on.
    async fn run(&mut self) -> io::Result<()> {
        loop {
            let answers = !self.buffer.is_empty();
            bounded(WRITE_SECONDS_MAX, self.buffer.write_to(&mut self.to)).await?;
            if answers {
                self.unanswered.borrow_mut().answered();
            }
            // An error of this socket, too, says that the service is gone.
            if self.buffer.read_from(&mut self.from).await.unwrap_or(0) == 0 {
                return Ok(());
            }
        }
    }
}

/// From the client to the service.
struct Up<'a> {
    from: ReadHalf<&'a mut Client>,
    to: unix::WriteHalf<'a>,
    buffer: Buffer,
    unanswered: &'a RefCell<Unanswered>,
}

impl<'a> Up<'a> {
    fn new(
        from: ReadHalf<&'a mut Client>,
        to: unix::WriteHalf<'a>,
        unanswered: &'a RefCell<Unanswered>,
    ) -> Self {
        Self {
            from,
            to,
            buffer: Buffer::default(),
            unanswered,
        }
    }

    /// Runs to the end of the client's direction, or until the service no longer
    /// listens.
    ///
    /// # Errors
    /// The client vanished without an end.
    async fn run(&mut self) -> io::Result<()> {
        loop {
            if self.buffer.write_to(&mut self.to).await.is_err() {
                return Ok(());
            }
            if self.buffer.read_from(&mut self.from).await? == 0 {
                let _ = self.to.shutdown().await;
                return Ok(());
            }
            self.unanswered.borrow_mut().heard(self.buffer.content());
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

    fn heard(&mut self, heard: &[u8]) {
        let Some(bytes) = &mut self.bytes else { return };
        self.is_too_much |= bytes.len().saturating_add(heard.len()) > BUFFER_BYTES;
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

/// Bytes on their way. Both operations can be dropped at any await without losing
/// or doubling a byte. An empty one, as of every idle connection, owns no memory.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

thread_local! {
    /// Where every connection reads; what was read is then copied to its owner.
    static DESK: RefCell<[u8; BUFFER_BYTES]> = const { RefCell::new([0; BUFFER_BYTES]) };
}

impl Buffer {
    fn content(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.content().is_empty()
    }

    /// Reads once into the empty buffer; 0 is the end.
    async fn read_from(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        poll_fn(|cx| {
            DESK.with_borrow_mut(|desk| {
                let mut desk = ReadBuf::new(desk);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut desk))?;
                (self.bytes, self.start) = (desk.filled().to_vec(), 0);
                // It may have been a password, and the next to read here is somebody else.
                sandbox::wipe(desk.filled_mut());
                Poll::Ready(Ok(self.bytes.len()))
            })
        })
        .await
    }

    /// Writes until the buffer is empty, and makes it leave.
    async fn write_to(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while !self.is_empty() {
            match to.write(self.content()).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => self.start = self.start.saturating_add(written),
            }
        }
        *self = Self::default();
        to.flush().await
    }
}

async fn bounded<T>(seconds: u64, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(Duration::from_secs(seconds), work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
