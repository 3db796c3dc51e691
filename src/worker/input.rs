//! What a client has said and nobody has used yet.
//!
//! Input is bounded: nothing is read from the socket before everything that was
//! read earlier has been used, so at most one piece (and the leftover that
//! `login` handed over) is held. A session that sleeps holds no buffer at all.

use crate::output::Lost;
use crate::socket::Socket;

/// Bytes read at once, of a client that says no more than commands.
const PIECE_BYTES: usize = 16 * 1024;

/// Bytes read at once of a client that sends letters: many, for each read is a call; yet
/// inflating that many, of which nothing comes, takes under 1 ms.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Input {
    bytes: Vec<u8>,
    used: usize,
    /// Bytes to read the next time: more while all that are asked for come.
    wanted: usize,
}

impl Input {
    /// With what was read already.
    pub fn new(leftover: Vec<u8>) -> Self {
        Self {
            bytes: leftover,
            used: 0,
            wanted: PIECE_BYTES,
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
    pub async fn fill(&mut self, socket: &mut Socket) -> Result<(), Lost> {
        self.bytes.drain(..self.used);
        self.bytes.shrink_to_fit();
        self.used = 0;
        let before = self.bytes.len();
        socket.read(&mut self.bytes, self.wanted).await?;
        self.wanted = match self.bytes.len().saturating_sub(before) < self.wanted {
            true => PIECE_BYTES,
            false => self.wanted.saturating_mul(4).min(PIECE_BYTES_MAX),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::run;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn much_is_read_in_few_pieces_and_a_sleeper_holds_none() {
        run(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let mut socket = Socket::new(ours.into()).unwrap();
            let mut input = Input::new(Vec::new());
            let said: Vec<u8> = (0..150_000u32).map(|n| (n % 251) as u8).collect();
            theirs.set_nonblocking(true).unwrap();
            assert_eq!(theirs.write(&said).unwrap(), said.len());
            let (mut heard, mut pieces) = (Vec::new(), 0);
            while heard.len() < said.len() {
                input.fill(&mut socket).await.unwrap();
                input.advance(|rest| heard.extend_from_slice(std::mem::take(rest)));
                pieces += 1;
            }
            assert!(heard == said && pieces <= 5, "{pieces}");
            let more =
                tokio::time::timeout(std::time::Duration::from_millis(1), input.fill(&mut socket));
            assert!(more.await.is_err());
            assert_eq!(input.bytes.capacity(), 0);
        });
    }
}
