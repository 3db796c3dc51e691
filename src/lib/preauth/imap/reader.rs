//! From bytes to requests, and to the answers inside of AUTHENTICATE.
//!
//! Neither reader keeps a byte beyond the end of what it gave out: what the
//! client sent behind it is still in the caller's input, to be thrown away
//! (STARTTLS), handed over (LOGIN) or fed to the next reader.

use super::frame::{Bounds, Frame, Step};
use super::{Refusal, Request, Tag, command};
use crate::limits::{LINE_BYTES_MAX, LITERAL_BYTES_MAX, LITERALS_BYTES_MAX, LITERALS_MAX};
use crate::{Secret, sasl};

/// What the client has come to say.
pub enum Event {
    /// A command to be answered.
    Request(Request),
    /// The client waits to send a literal: write a continuation, read on.
    Continue,
    /// The command is refused; answer with the tag if there is one. The
    /// connection is in step.
    Bad(Option<Tag>, Refusal),
    /// The connection is out of step: say BYE and close. Nothing more comes.
    Bye(Refusal),
}

/// Reads commands.
pub struct Reader {
    frame: Frame,
    broken: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader at the start of a command, which has allocated nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            frame: Frame::new(BOUNDS),
            broken: false,
        }
    }

    /// Consumes `input` up to the next event; `None` when it needs more.
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<Event> {
        if self.broken {
            *input = &[];
            return None;
        }
        let event = match self.frame.advance(input)? {
            Step::Whole => self.request(),
            Step::Literal(literal) => match self.frame.collect(literal) {
                Ok(()) if literal.sync => return Some(Event::Continue),
                Ok(()) => return self.advance(input),
                Err(step) => self.refuse(step),
            },
            step => self.refuse(step),
        };
        self.frame.reset();
        Some(event)
    }

    fn request(&self) -> Event {
        match command::request(self.frame.bytes()) {
            Ok(request) => Event::Request(request),
            Err((tag, why)) => Event::Bad(tag, why),
        }
    }

    fn refuse(&mut self, step: Step) -> Event {
        match step {
            Step::Refused(why) => Event::Bad(Tag::leading(self.frame.bytes()), why),
            Step::Broken(why) => {
                self.broken = true;
                Event::Bye(why)
            }
            Step::Whole | Step::Literal(_) => Event::Bye(Refusal::LineTooLong),
        }
    }
}

/// The client's side of one round of AUTHENTICATE.
pub enum Answer {
    /// The decoded message.
    Message(Secret),
    /// The client gave up with `*`: tagged BAD.
    Cancelled,
    /// Not an answer: tagged BAD, the exchange is over, the connection in step.
    Bad(Refusal),
    /// Out of step: say BYE and close.
    Bye(Refusal),
}

/// Reads the client's answers to challenges, for one AUTHENTICATE.
pub struct ResponseReader {
    frame: Frame,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseReader {
    /// A reader at the start of an answer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            frame: Frame::new(BOUNDS),
        }
    }

    /// Consumes `input` up to the end of the answer; `None` when it needs more.
    ///
    /// `continue-resp = base64 CRLF` or `"*" CRLF` (RFC 9051, section 6.2.2)
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<Answer> {
        let answer = match self.frame.advance(input)? {
            Step::Whole if self.frame.bytes() == b"*" => Answer::Cancelled,
            Step::Whole => match sasl::decode(self.frame.bytes()) {
                Some(message) => Answer::Message(message),
                None => Answer::Bad(Refusal::BadBase64),
            },
            Step::Literal(_) => Answer::Bad(Refusal::BadBase64),
            Step::Refused(why) => Answer::Bad(why),
            Step::Broken(why) => Answer::Bye(why),
        };
        self.frame.reset();
        Some(answer)
    }
}

const BOUNDS: Bounds = Bounds {
    line_bytes: LINE_BYTES_MAX,
    literal_bytes: LITERAL_BYTES_MAX,
    literals_bytes: LITERALS_BYTES_MAX,
    literals: LITERALS_MAX,
};
