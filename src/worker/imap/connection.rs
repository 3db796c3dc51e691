//! A client's connection: what it says, event by event, and what it is told.
//!
//! Input is bounded: nothing is read from the socket before everything that was
//! read earlier has been used, so at most one piece (and the leftover that
//! `login` handed over) is held, besides what the reader holds by its own
//! limits. A session that sleeps holds no buffer at all. Of a client that compresses
//! a piece is inflated in steps, of which each is used before the next is made.

use super::End;
use super::deflate::{Inflater, Undeflatable};
use super::output::Output;
use std::io::ErrorKind;
use tokio::net::UnixStream;
use wire::imap::{Dialect, Event, Reader};

/// Bytes read at once.
const PIECE_BYTES: usize = 16 * 1024;

/// One client.
pub struct Connection {
    out: Output,
    reader: Reader,
    input: Vec<u8>,
    used: usize,
    /// Of a client that compresses.
    inflation: Option<Inflation>,
}

/// What has come compressed.
#[derive(Default)]
struct Inflation {
    inflater: Inflater,
    deflated: Vec<u8>,
    used: usize,
}

impl Connection {
    /// A connection on which `leftover` was read already.
    pub fn new(socket: UnixStream, leftover: Vec<u8>, append_bytes_max: u64) -> Self {
        Self {
            out: Output::new(socket),
            reader: Reader::new(append_bytes_max),
            input: leftover,
            used: 0,
            inflation: None,
        }
    }

    /// Whether the client compresses, and we do.
    pub fn is_compressed(&self) -> bool {
        self.inflation.is_some()
    }

    /// Compresses in both directions from now on. What has come behind the command
    /// is compressed already. All answers must have been written.
    pub fn begin_compression(&mut self) {
        self.out.begin_deflating();
        self.inflation = Some(Inflation {
            deflated: self.input.split_off(self.used),
            ..Inflation::default()
        });
    }

    /// Where answers go.
    pub fn out(&mut self) -> &mut Output {
        &mut self.out
    }

    /// How mailbox names are read from now on.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.reader.set_dialect(dialect);
    }

    /// Gives up the APPEND that is coming in.
    pub fn refuse_append(&mut self) {
        self.reader.refuse_append();
    }

    /// The next event in what has been read.
    pub fn event(&mut self) -> Option<Event<'_>> {
        let mut rest = self.input.get(self.used..).unwrap_or_default();
        let before = rest.len();
        let event = self.reader.advance(&mut rest);
        self.used = self.used.saturating_add(before.saturating_sub(rest.len()));
        if let (Some(Event::AppendBytes(bytes)), Some(inflation)) = (&event, &mut self.inflation) {
            inflation.inflater.excuse(bytes.len());
        }
        event
    }

    /// Waits for the client to say more, and reads it. Everything that was read
    /// before must have been used, and all answers written. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// [`End::ClientGone`], [`End::NotDeflate`].
    pub async fn fill(&mut self) -> Result<(), End> {
        self.input.drain(..self.used);
        self.input.shrink_to_fit();
        self.used = 0;
        while !self.inflate()? {
            if self.out.socket().readable().await.is_err() {
                return Err(End::ClientGone);
            }
            if self.read_some()? && self.inflation.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Inflates a step of what has come; whether something came of it.
    fn inflate(&mut self) -> Result<bool, End> {
        let Some(inflation) = &mut self.inflation else {
            return Ok(false);
        };
        let piece = inflation.step().map_err(End::NotDeflate)?;
        self.input.extend_from_slice(&piece);
        Ok(!piece.is_empty())
    }

    /// Reads what is there; whether there was something. The piece lives here
    /// and not in the session's state.
    fn read_some(&mut self) -> Result<bool, End> {
        let mut piece = [0; PIECE_BYTES];
        match self.out.socket().try_read(&mut piece) {
            Ok(0) => Err(End::ClientGone),
            Ok(count) => {
                let piece = piece.get(..count).unwrap_or_default();
                match &mut self.inflation {
                    Some(inflation) => inflation.deflated.extend_from_slice(piece),
                    None => self.input.extend_from_slice(piece),
                }
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(End::ClientGone),
        }
    }
}

impl Inflation {
    /// The next piece; empty if more must come first.
    fn step(&mut self) -> Result<Vec<u8>, Undeflatable> {
        loop {
            let rest = self.deflated.get(self.used..).unwrap_or_default();
            if rest.is_empty() && !self.inflater.has_more() {
                self.deflated = Vec::new();
                self.used = 0;
                return Ok(Vec::new());
            }
            let step = self.inflater.step(rest)?;
            self.used = self.used.saturating_add(step.used);
            if !step.bytes.is_empty() {
                return Ok(step.bytes);
            }
        }
    }
}
