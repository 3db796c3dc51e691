//! A client's connection: what it says, event by event, and what it is told.
//!
//! What is held is bounded by [`Input`], and by the reader's own limits. Of a client
//! that compresses a piece is inflated in steps, of which each is used before the
//! next is made.

use super::End;
use crate::deflate::{Inflater, Undeflatable};
use crate::input::Input;
use crate::output::Output;
use crate::socket::Socket;
use wire::imap::{Dialect, Event, Reader};

/// One client.
pub struct Connection {
    out: Output,
    reader: Reader,
    /// What came over the socket.
    input: Input,
    inflation: Option<Inflation>,
}

/// What came of the input of a client that compresses.
struct Inflation {
    inflater: Inflater,
    plain: Input,
}

impl Connection {
    /// A connection on which `leftover` was read already.
    pub fn new(socket: Socket, leftover: Vec<u8>, append_bytes_max: u64) -> Self {
        Self {
            out: Output::new(socket),
            reader: Reader::new(append_bytes_max),
            input: Input::new(leftover),
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
            inflater: Inflater::default(),
            plain: Input::new(Vec::new()),
        });
    }

    /// Where answers go.
    pub fn out(&mut self) -> &mut Output {
        &mut self.out
    }

    /// How commands are read from now on.
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
        let Some(inflation) = &mut self.inflation else {
            return self.input.advance(|rest| reader.advance(rest));
        };
        let event = inflation.plain.advance(|rest| reader.advance(rest));
        if let Some(Event::AppendBytes(bytes)) = &event {
            inflation.inflater.excuse(bytes.len());
        }
        event
    }

    /// Waits for the client to say more; see [`Input::fill`].
    ///
    /// # Errors
    /// [`End::ClientGone`], [`End::NotDeflate`].
    pub async fn fill(&mut self) -> Result<(), End> {
        if let Some(inflation) = &mut self.inflation {
            let came = inflation.step(&mut self.input);
            let came = came.map_err(End::NotDeflate)?;
            if self.reader.is_swallowing() {
                inflation.inflater.excuse(came);
            }
            if came > 0 {
                return Ok(());
            }
        }
        // What has come may inflate to nothing: whoever hears it breathes before the next.
        Ok(self.input.fill(self.out.socket()).await?)
    }
}

impl Inflation {
    /// Inflates the next piece; how many bytes came of it. If none, more must come
    /// over the socket first.
    fn step(&mut self, input: &mut Input) -> Result<usize, Undeflatable> {
        loop {
            let inflater = &mut self.inflater;
            let piece = input.advance(|rest| inflater.advance(rest))?;
            let Some(piece) = piece else {
                self.plain = Input::new(Vec::new());
                return Ok(0);
            };
            if !piece.is_empty() {
                let came = piece.len();
                self.plain = Input::new(piece);
                return Ok(came);
            }
        }
    }
}
