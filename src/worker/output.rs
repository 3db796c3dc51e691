//! What is on its way to the client.
//!
//! A session's answers gather in a buffer that is written when it is full, and
//! when the session has nothing more to do. A client that doesn't read stops
//! its own session here, and after a while ends it; nobody else waits for it.

use crate::deflate::Deflater;
use crate::socket::Socket;
use std::time::Duration;

/// Bytes that gather before they are written: what a socket takes at once.
pub const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// How long a client may not read at all. A mobile client may be in a tunnel for
/// some minutes; RFC 9051 §5.4 gives none for this.
pub const WRITE_WAIT_MAX: Duration = Duration::from_secs(300);

/// How long a compressor is kept while nothing is said. It holds hundreds of KiB,
/// all of it to make the next answer smaller; a session that idles has another made
/// when it speaks again, and its client can't tell.
pub const DEFLATER_KEPT: Duration = Duration::from_secs(10);

/// Why nothing more can be told to a client, or heard from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It has closed the connection.
    Gone,
    /// It has not read for too long.
    DoesNotRead,
}

/// The client's socket, and what was not yet written to it.
pub struct Output {
    socket: Socket,
    gathered: Vec<u8>,
    /// How often what had gathered was written.
    flushes: u64,
    /// What is written is compressed.
    deflates: bool,
    /// None while nothing was said for long.
    deflater: Option<Deflater>,
}

/// A place in what is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    flushes: u64,
    length: usize,
}

impl Output {
    /// Nothing to write yet.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            gathered: Vec::new(),
            flushes: 0,
            deflates: false,
            deflater: None,
        }
    }

    /// Compresses whatever is written from now on. All that has gathered must have
    /// been written.
    pub fn begin_deflating(&mut self) {
        self.deflates = true;
    }

    /// Whether a compressor is kept that [`Self::forget_deflater`] would free.
    pub fn holds_deflater(&self) -> bool {
        self.deflater.is_some()
    }

    /// Gives the compressor's memory back. It has been flushed, so that another can
    /// go on behind it.
    pub fn forget_deflater(&mut self) {
        self.deflater = None;
    }

    /// Here.
    pub fn mark(&self) -> Mark {
        Mark {
            flushes: self.flushes,
            length: self.gathered.len(),
        }
    }

    /// Forgets what was rendered since a mark, if the client has seen nothing of
    /// it; whether it hasn't.
    pub fn rewind(&mut self, mark: Mark) -> bool {
        let unseen = mark.flushes == self.flushes;
        if unseen {
            self.gathered.truncate(mark.length);
        }
        unseen
    }

    /// Where responses are rendered to. Whoever renders much calls
    /// [`Self::relieve`] now and then.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    /// The socket, to read from.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Writes if much has gathered.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub async fn relieve(&mut self) -> Result<(), Lost> {
        if self.gathered.len() >= GATHERED_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes everything.
    ///
    /// # Errors
    /// [`Lost`]; [`Lost::DoesNotRead`] when nothing could be written for
    /// [`WRITE_WAIT_MAX`].
    pub async fn flush(&mut self) -> Result<(), Lost> {
        self.flushes = self.flushes.saturating_add(1);
        match self.deflates {
            true => self.write_deflated().await?,
            false => write(&mut self.socket, &self.gathered).await?,
        }
        self.gathered.clear();
        Ok(())
    }

    /// Piece by piece; with the last the client can read all of it.
    async fn write_deflated(&mut self) -> Result<(), Lost> {
        let mut used = 0_usize;
        let mut is_last = self.gathered.is_empty();
        while !is_last {
            let rest = self.gathered.get(used..).unwrap_or_default();
            let deflater = self.deflater.get_or_insert_default();
            let step = deflater.step(rest);
            used = used.saturating_add(step.used);
            is_last = step.is_last;
            write(&mut self.socket, &step.bytes).await?;
        }
        Ok(())
    }

    /// Gives the memory back, before a wait that may be long.
    pub fn rest(&mut self) {
        self.gathered.shrink_to_fit();
    }

    /// As [`Socket::client_is_gone`].
    pub async fn client_is_gone(&self) -> bool {
        self.socket.client_is_gone().await
    }
}

async fn write(socket: &mut Socket, bytes: &[u8]) -> Result<(), Lost> {
    let mut written = 0_usize;
    while let Some(rest) = bytes.get(written..).filter(|it| !it.is_empty()) {
        let taken = socket.write(rest, WRITE_WAIT_MAX).await?;
        written = written.saturating_add(taken);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::run;
    use std::os::unix::net::UnixStream as StdStream;
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    fn ends() -> (Output, UnixStream) {
        let (ours, theirs) = StdStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let theirs = UnixStream::from_std(theirs).unwrap();
        (Output::new(Socket::new(ours.into()).unwrap()), theirs)
    }

    /// More than any socket holds.
    fn much() -> Vec<u8> {
        (0..4_000_000u32).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn everything_arrives_in_order_however_slowly_it_is_read() {
        run(async {
            let (mut out, mut client) = ends();
            out.buffer().extend_from_slice(&much());
            let writer = tokio::task::spawn_local(async move {
                out.flush().await.unwrap();
                drop(out);
            });
            let (mut heard, mut piece) = (Vec::new(), [0; 7001]);
            while let Ok(count @ 1..) = client.read(&mut piece).await {
                heard.extend_from_slice(&piece[..count]);
                tokio::task::yield_now().await;
            }
            writer.await.unwrap();
            assert!(heard == much());
        });
    }

    #[test]
    fn a_client_that_never_reads_is_given_up_after_the_stated_time() {
        run(async {
            tokio::time::pause();
            let (mut out, _client) = ends();
            out.buffer().extend_from_slice(&much());
            let began = tokio::time::Instant::now();
            assert_eq!(out.flush().await, Err(Lost::DoesNotRead));
            assert!(began.elapsed() >= WRITE_WAIT_MAX);
        });
    }

    #[test]
    fn what_little_gathers_is_not_written_before_it_must_be() {
        run(async {
            let (mut out, client) = ends();
            out.buffer().extend_from_slice(b"* OK");
            out.relieve().await.unwrap();
            let mut piece = [0; 16];
            assert!(client.try_read(&mut piece).is_err());
            out.flush().await.unwrap();
            client.readable().await.unwrap();
            assert_eq!(client.try_read(&mut piece).unwrap(), 4);
        });
    }

    #[test]
    fn what_nobody_has_seen_can_be_taken_back() {
        run(async {
            let (mut out, _client) = ends();
            out.buffer().extend_from_slice(b"* OK");
            let mark = out.mark();
            out.buffer().extend_from_slice(b"* wrong");
            assert!(out.rewind(mark));
            assert_eq!(out.buffer(), b"* OK");
            out.flush().await.unwrap();
            assert!(!out.rewind(mark));
        });
    }

    #[test]
    fn a_client_that_has_finished_sending_is_not_gone() {
        run(async {
            let (out, client) = ends();
            let client = client.into_std().unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            tokio::task::yield_now().await;
            assert!(!out.client_is_gone().await);
            drop(client);
            while !out.client_is_gone().await {
                tokio::task::yield_now().await;
            }
        });
    }
}
