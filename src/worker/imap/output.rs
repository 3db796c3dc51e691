//! What is on its way to the client.
//!
//! A session's answers gather in a buffer that is written when it is full, and
//! when the session has nothing more to do. A client that doesn't read stops
//! its own session here, and after a while ends it; nobody else waits for it.

use super::End;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Bytes that gather before they are written: what a socket takes at once.
pub const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// How long a client may not read at all. A mobile client may be in a tunnel for
/// some minutes; RFC 9051 §5.4 gives none for this.
pub const WRITE_WAIT_MAX: Duration = Duration::from_secs(300);

/// The client's socket, and what was not yet written to it.
#[derive(Debug)]
pub struct Output {
    socket: UnixStream,
    gathered: Vec<u8>,
}

impl Output {
    /// Nothing to write yet.
    pub fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            gathered: Vec::new(),
        }
    }

    /// Where responses are rendered to. Whoever renders much calls
    /// [`Self::relieve`] now and then.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    /// The socket, to read from.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Writes if much has gathered.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub async fn relieve(&mut self) -> Result<(), End> {
        if self.gathered.len() >= GATHERED_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes everything, and gives the memory back if it was much.
    ///
    /// # Errors
    /// [`End::ClientGone`], or [`End::ClientDoesNotRead`] when nothing could be
    /// written for [`WRITE_WAIT_MAX`].
    pub async fn flush(&mut self) -> Result<(), End> {
        let mut written = 0;
        while written < self.gathered.len() {
            written += self.write_some(written).await?;
        }
        self.gathered.clear();
        self.gathered.shrink_to(0);
        Ok(())
    }

    /// Whether nobody is there any more to read an answer. A client that has
    /// only finished sending still reads.
    pub async fn client_is_gone(&self) -> bool {
        tokio::select! {
            biased;
            ready = self.socket.ready(Interest::WRITABLE) => {
                ready.is_ok_and(|ready| ready.is_write_closed())
            }
            () = std::future::ready(()) => false,
        }
    }

    async fn write_some(&self, from: usize) -> Result<usize, End> {
        loop {
            match tokio::time::timeout(WRITE_WAIT_MAX, self.socket.writable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(End::ClientGone),
                Err(_) => return Err(End::ClientDoesNotRead),
            }
            match self.socket.try_write(&self.gathered[from..]) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(End::ClientGone),
            }
        }
    }
}
