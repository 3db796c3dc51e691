//! A client's connection: what it says, event by event, and what it is told.
//!
//! What is held is bounded by [`Input`], and by the reader's own limits.

use super::End;
use crate::input::Input;
use crate::output::Output;
use tokio::net::UnixStream;
use wire::imap::{Dialect, Event, Reader};

/// One client.
pub struct Connection {
    out: Output,
    reader: Reader,
    input: Input,
}

impl Connection {
    /// A connection on which `leftover` was read already.
    pub fn new(socket: UnixStream, leftover: Vec<u8>, append_bytes_max: u64) -> Self {
        Self {
            out: Output::new(socket),
            reader: Reader::new(append_bytes_max),
            input: Input::new(leftover),
        }
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
        let reader = &mut self.reader;
        self.input.advance(|rest| reader.advance(rest))
    }

    /// Waits for the client to say more; see [`Input::fill`].
    ///
    /// # Errors
    /// [`End::ClientGone`].
    pub async fn fill(&mut self) -> Result<(), End> {
        Ok(self.input.fill(self.out.socket()).await?)
    }
}
