//! What a client has said and nobody has used yet.
//!
//! Input is bounded: nothing is read from the socket before everything that was
//! read earlier has been used, so at most one piece (and the leftover that
//! `login` handed over) is held. A session that sleeps holds no buffer at all.

use crate::output::Lost;
use std::io::ErrorKind;
use tokio::net::UnixStream;

/// Bytes read at once.
const PIECE_BYTES: usize = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Input {
    bytes: Vec<u8>,
    used: usize,
}

impl Input {
    /// With what was read already.
    pub fn new(leftover: Vec<u8>) -> Self {
        Self {
            bytes: leftover,
            used: 0,
        }
    }

    /// Lets a reader take what it wants of what was read and not yet used; what it
    /// leaves is there the next time.
    pub fn advance<'a, T>(&'a mut self, read: impl FnOnce(&mut &'a [u8]) -> T) -> T {
        let mut rest = self.bytes.get(self.used..).unwrap_or_default();
        let before = rest.len();
        let done = read(&mut rest);
        let used = before.saturating_sub(rest.len());
        self.used = self.used.saturating_add(used);
        done
    }

    /// Waits for the client to say more, and reads it. Everything that was read
    /// before must have been used, and all answers written. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// [`Lost::Gone`].
    pub async fn fill(&mut self, socket: &UnixStream) -> Result<(), Lost> {
        self.bytes.drain(..self.used);
        self.bytes.shrink_to_fit();
        self.used = 0;
        loop {
            if socket.readable().await.is_err() {
                return Err(Lost::Gone);
            }
            if self.read_some(socket)? {
                return Ok(());
            }
        }
    }

    /// Reads what is there; whether there was something. The piece lives here
    /// and not in the session's state.
    fn read_some(&mut self, socket: &UnixStream) -> Result<bool, Lost> {
        let mut piece = [0; PIECE_BYTES];
        match socket.try_read(&mut piece) {
            Ok(0) => Err(Lost::Gone),
            Ok(count) => {
                let read = piece.get(..count).unwrap_or_default();
                self.bytes.extend_from_slice(read);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(Lost::Gone),
        }
    }
}
