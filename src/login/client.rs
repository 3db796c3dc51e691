//! One client's socket, with what was read of it and not used, and what is to be
//! written to it.
//!
//! Invariants: never more than [`INPUT_BYTES_MAX`] are held unread, so what is
//! left over always fits into a hand-over; the client's next bytes are read only
//! when all output has been written, so output is bounded by what one read can
//! ask for; used input is wiped, since it may have been a password.

use ipc::Cookie;
use ipc::edge::handover::LEFTOVER_BYTES_MAX;
use ipc::secret::wipe;
use ipc_async::Stream;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes read at once: four times what an honest client sends in one go.
pub const INPUT_BYTES_MAX: usize = 4096;

const _: () = assert!(
    INPUT_BYTES_MAX <= LEFTOVER_BYTES_MAX,
    "what is left over must fit"
);

/// Bytes of output at which the rest of the input waits.
const OUTPUT_BYTES_MAX: usize = 4096;

/// The client has gone, or its socket failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// See the module.
#[derive(Debug)]
pub struct Client {
    socket: Stream,
    cookie: Cookie,
    input: Vec<u8>,
    used: usize,
    /// What is to be written. Filled by the protocol's states.
    pub output: Vec<u8>,
}

impl Client {
    /// Takes the socket. Must be called within a runtime.
    ///
    /// # Errors
    /// If it is no Unix stream socket, or the runtime can't watch it.
    pub fn adopt(socket: OwnedFd) -> io::Result<Self> {
        let cookie = ipc::socket::session(&socket).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(Self {
            socket: Stream::adopt(socket)?,
            cookie,
            input: Vec::new(),
            used: 0,
            output: Vec::new(),
        })
    }

    /// The socket's cookie.
    #[must_use]
    pub fn cookie(&self) -> Cookie {
        self.cookie
    }

    /// A second descriptor of the socket, to be handed over.
    ///
    /// # Errors
    /// As fcntl(2).
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// Lets `hear` use some of the input, and wipes what it has used.
    pub fn hear<T>(&mut self, hear: impl FnOnce(&mut &[u8], &mut Vec<u8>) -> T) -> T {
        let unused = self.input.get(self.used..).unwrap_or_default();
        let mut rest = unused;
        let heard = hear(&mut rest, &mut self.output);
        let used = self
            .used
            .saturating_add(unused.len().saturating_sub(rest.len()));
        wipe(self.input.get_mut(self.used..used).unwrap_or_default());
        self.used = used;
        heard
    }

    /// What has been read and not used.
    #[must_use]
    pub fn leftover(&self) -> &[u8] {
        self.input.get(self.used..).unwrap_or_default()
    }

    /// Whether so much waits to be written that nothing more should be heard.
    #[must_use]
    pub fn has_said_enough(&self) -> bool {
        self.output.len() >= OUTPUT_BYTES_MAX
    }

    /// Reads what the client sends next, once all that was read is used.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Gone`], also at the end of the stream.
    pub async fn read(&mut self) -> Result<(), Gone> {
        self.input.resize(INPUT_BYTES_MAX, 0);
        self.used = INPUT_BYTES_MAX;
        let read = (&self.socket).read(&mut self.input).await;
        let bytes = read.unwrap_or(0);
        self.input.truncate(bytes);
        self.used = 0;
        if bytes == 0 { Err(Gone) } else { Ok(()) }
    }

    /// Writes all output. If the future is dropped, what is written has left the
    /// output and the rest is still there.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn write(&mut self) -> Result<(), Gone> {
        while !self.output.is_empty() {
            match (&self.socket).write(&self.output).await {
                Ok(0) | Err(_) => return Err(Gone),
                Ok(bytes) => drop(self.output.drain(..bytes)),
            }
        }
        Ok(())
    }

    /// Writes what the socket takes at once: last words, which nobody waits for.
    pub fn write_at_once(&mut self) {
        while let Ok(bytes @ 1..) = self.socket.try_write(&self.output) {
            self.output.drain(..bytes);
        }
    }

    /// Ends the connection for whoever holds a copy of the socket, too.
    pub fn cut(&self) {
        // One that is over already needs no cut.
        let _over_already = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    /// Says that nothing more will be written, then throws away whatever comes
    /// until the other side has closed.
    pub async fn finish(mut self) {
        let _gone_already = self.socket.end();
        self.used = self.input.len();
        while self.read().await.is_ok() {
            wipe(&mut self.input);
        }
    }
}

#[cfg(test)]
impl Client {
    /// All that is held of the input.
    pub fn used_and_unused(&self) -> &[u8] {
        &self.input
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        wipe(&mut self.input);
    }
}
