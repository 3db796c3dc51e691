//! From bytes to the events of a session.
//!
//! The reader holds one command at most, and never a letter. It keeps no byte
//! beyond what it gave out, so between two commands it holds nothing and a
//! session can be put to sleep or handed over with its input alone.
//!
//! However a command fails, the reader either knows where the next one begins,
//! or says [`Event::Bye`] and is deaf from then on.

use preauth::imap::cursor::Cursor;
use preauth::imap::frame::{Announcement, Bounds, Frame, Step};
use preauth::imap::{Refusal as Fault, Tag};

use super::append::{self, AppendBegin, Options, Prefix};
use super::{Command, Dialect, MailboxName, Parsed, Refusal, Request, command};
use crate::limits::{
    APPEND_MESSAGES_MAX, LINE_BYTES_MAX, LITERAL_BYTES_MAX, LITERALS_BYTES_MAX, LITERALS_MAX,
};

/// What the client has come to say. `'i` is the caller's input.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// A command is whole. After [`Command::Idle`] only DONE is understood.
    Request(Request),
    /// The client waits to send a literal that is held: write a continuation.
    Continue,
    /// A letter is about to come. If it is synchronising, write a continuation,
    /// or call [`Reader::refuse_append`] and answer NO: before the next
    /// [`Reader::advance`], which counts as acceptance.
    AppendBegin(AppendBegin),
    /// The next bytes of the letter; never empty.
    AppendBytes(&'i [u8]),
    /// The letter is whole; the command isn't.
    AppendEnd,
    /// The APPEND is whole: keep its letters and answer.
    AppendDone(Tag),
    /// IDLE is over.
    IdleDone,
    /// The command is refused: answer with the tag if there is one. An APPEND
    /// or IDLE that was going on is over. The connection is in step.
    Bad {
        /// The command's tag, if it was readable.
        tag: Option<Tag>,
        /// What was wrong.
        why: Refusal,
    },
    /// The connection is out of step: say BYE and close. Nothing more comes.
    Bye(Refusal),
}

/// Reads a session's commands.
pub struct Reader {
    frame: Frame,
    state: State,
    dialect: Dialect,
    append_bytes_max: u64,
}

enum State {
    /// Collecting a command.
    Command,
    /// Waiting for DONE; the tag is IDLE's.
    Idle(Tag),
    /// Inside of a letter: so many bytes are left, for which the client still
    /// waits to be asked if `awaited`.
    Letter {
        append: Append,
        left: u64,
        awaited: bool,
    },
    /// Behind a letter: the end of the command, or the next letter.
    BetweenLetters(Append),
    /// Inside of an APPEND that nobody wants: bytes left of a literal.
    Swallow { left: u64 },
    /// Out of step.
    Deaf,
}

/// An APPEND that is going on.
struct Append {
    tag: Tag,
    mailbox: MailboxName,
    letters: usize,
}

impl Reader {
    /// A reader at the start of a command. A letter of more than
    /// `append_bytes_max` bytes is refused before it is sent.
    #[must_use]
    pub fn new(append_bytes_max: u64) -> Self {
        Self {
            frame: Frame::new(BOUNDS),
            state: State::Command,
            dialect: Dialect::Rev1,
            append_bytes_max,
        }
    }

    /// Changes how mailbox names are read from the next command on.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// Whether nothing of a command has been read: nothing is lost with the
    /// reader.
    #[must_use]
    pub fn is_between_commands(&self) -> bool {
        matches!(self.state, State::Command) && self.frame.is_empty()
    }

    /// Consumes `input` up to the next event; `None` when it needs more.
    pub fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Option<Event<'i>> {
        loop {
            match self.turn(input) {
                Turn::Event(event) => return Some(event),
                Turn::NeedsMore => return None,
                Turn::Again => (),
            }
        }
    }

    /// Gives up the APPEND that is going on, at any time between its first
    /// [`Event::AppendBegin`] and its [`Event::AppendDone`]. The caller answers;
    /// what the client still sends of it is swallowed in silence. A letter that
    /// was never asked for is not on its way; one that may be must be swallowed,
    /// or its lines would be read as commands.
    pub fn refuse_append(&mut self) {
        match &self.state {
            State::Letter { awaited: true, .. } => self.state = State::Command,
            State::Letter { left, .. } => self.state = State::Swallow { left: *left },
            State::BetweenLetters(_) => self.state = State::Swallow { left: 0 },
            _ => (),
        }
    }

    fn turn<'i>(&mut self, input: &mut &'i [u8]) -> Turn<'i> {
        match &mut self.state {
            State::Deaf => {
                *input = &[];
                Turn::NeedsMore
            }
            State::Letter { left, awaited, .. } if *left > 0 => {
                *awaited = false;
                match take(input, left) {
                    [] => Turn::NeedsMore,
                    bytes => Turn::Event(Event::AppendBytes(bytes)),
                }
            }
            State::Letter { .. } => self.end_letter(),
            State::Swallow { left } if *left > 0 => match take(input, left) {
                [] => Turn::NeedsMore,
                _ => Turn::Again,
            },
            _ => match self.frame.advance(input) {
                None => Turn::NeedsMore,
                Some(step) => self.on_step(step),
            },
        }
    }

    fn end_letter<'i>(&mut self) -> Turn<'i> {
        if let State::Letter { append, .. } = std::mem::replace(&mut self.state, State::Command) {
            self.state = State::BetweenLetters(append);
        }
        Turn::Event(Event::AppendEnd)
    }

    fn on_step<'i>(&mut self, step: Step) -> Turn<'i> {
        if let Step::Broken(why) = step {
            return self.bye(why.into());
        }
        match std::mem::replace(&mut self.state, State::Command) {
            State::Idle(tag) => self.on_done(tag, step),
            State::BetweenLetters(append) => self.on_tail(append, step),
            State::Swallow { .. } => self.on_swallowed(step),
            _ => self.on_command(step),
        }
    }

    fn on_command<'i>(&mut self, step: Step) -> Turn<'i> {
        match step {
            Step::Whole => {
                let request = command::request(self.frame.bytes(), self.dialect);
                self.frame.reset();
                match request {
                    Ok(request) => self.give(request),
                    Err((tag, why)) => Turn::Event(Event::Bad { tag, why }),
                }
            }
            Step::Literal(literal) => self.on_literal(literal),
            Step::Refused(why) | Step::Broken(why) => self.bad_line(why),
        }
    }

    fn give<'i>(&mut self, request: Request) -> Turn<'i> {
        if request.command == Command::Idle {
            self.state = State::Idle(request.tag.clone());
        }
        Turn::Event(Event::Request(request))
    }

    fn on_literal<'i>(&mut self, literal: Announcement) -> Turn<'i> {
        match append::prefix(self.frame.bytes(), literal, self.dialect) {
            Ok(Prefix::Held) => self.hold(literal),
            Ok(Prefix::Letter(tag, mailbox, options)) => {
                let append = Append {
                    tag,
                    mailbox,
                    letters: 0,
                };
                self.begin_letter(append, options, literal)
            }
            Err(why) => self.bad_append(Tag::leading(self.frame.bytes()), why, literal),
        }
    }

    fn hold<'i>(&mut self, literal: Announcement) -> Turn<'i> {
        match self.frame.collect(literal) {
            Ok(()) if literal.sync => Turn::Event(Event::Continue),
            Ok(()) => Turn::Again,
            Err(Step::Broken(why)) => self.bye(why.into()),
            Err(Step::Refused(why)) => self.bad_line(why),
            Err(Step::Whole | Step::Literal(_)) => Turn::Again,
        }
    }

    fn begin_letter<'i>(
        &mut self,
        mut append: Append,
        options: Options,
        literal: Announcement,
    ) -> Turn<'i> {
        if literal.bytes > self.append_bytes_max {
            return self.bad_append(Some(append.tag), Refusal::LetterTooLarge, literal);
        }
        if append.letters >= APPEND_MESSAGES_MAX {
            return self.bad_append(Some(append.tag), Refusal::TooMany("letters"), literal);
        }
        let begin = AppendBegin {
            tag: append.tag.clone(),
            mailbox: append.mailbox.clone(),
            flags: options.flags,
            date: options.date,
            bytes: literal.bytes,
            sync: literal.sync,
            binary: literal.binary,
            number: append.letters,
        };
        append.letters = append.letters.saturating_add(1);
        self.frame.reset();
        self.state = State::Letter {
            append,
            left: literal.bytes,
            awaited: literal.sync,
        };
        Turn::Event(Event::AppendBegin(begin))
    }

    /// Refuses an APPEND behind which a literal was announced: one that is on
    /// its way is swallowed, if it isn't longer than any that we would take.
    fn bad_append<'i>(
        &mut self,
        tag: Option<Tag>,
        why: Refusal,
        literal: Announcement,
    ) -> Turn<'i> {
        self.frame.reset();
        if !literal.sync {
            if literal.bytes > self.append_bytes_max {
                return self.bye(why);
            }
            self.state = State::Swallow {
                left: literal.bytes,
            };
        }
        Turn::Event(Event::Bad { tag, why })
    }

    /// Behind a letter: `CRLF`, or another `append-message`.
    fn on_tail<'i>(&mut self, append: Append, step: Step) -> Turn<'i> {
        match step {
            Step::Whole if self.frame.is_empty() => {
                self.frame.reset();
                Turn::Event(Event::AppendDone(append.tag))
            }
            Step::Literal(literal) => match tail_options(self.frame.bytes()) {
                Ok(options) => self.begin_letter(append, options, literal),
                Err(why) => self.bad_append(Some(append.tag), why, literal),
            },
            Step::Whole => self.bad(Some(append.tag), Fault::Expected("another letter").into()),
            Step::Refused(why) | Step::Broken(why) => self.bad(Some(append.tag), why.into()),
        }
    }

    /// Behind a literal that nobody wanted: a client that waits before another
    /// has its answer already, and goes on with a new command.
    fn on_swallowed<'i>(&mut self, step: Step) -> Turn<'i> {
        self.frame.reset();
        match step {
            Step::Literal(literal) if !literal.sync => {
                if literal.bytes > self.append_bytes_max {
                    return self.bye(Refusal::LetterTooLarge);
                }
                self.state = State::Swallow {
                    left: literal.bytes,
                };
            }
            _ => self.state = State::Command,
        }
        Turn::Again
    }

    /// `idle = "IDLE" CRLF "DONE"`
    fn on_done<'i>(&mut self, tag: Tag, step: Step) -> Turn<'i> {
        let done = step == Step::Whole && self.frame.bytes().eq_ignore_ascii_case(b"DONE");
        let unread = matches!(step, Step::Literal(literal) if !literal.sync);
        match (done, unread) {
            (true, _) => {
                self.frame.reset();
                Turn::Event(Event::IdleDone)
            }
            (false, true) => self.bye(Refusal::NotDone),
            (false, false) => self.bad(Some(tag), Refusal::NotDone),
        }
    }

    fn bad_line<'i>(&mut self, why: Fault) -> Turn<'i> {
        self.bad(Tag::leading(self.frame.bytes()), why.into())
    }

    fn bad<'i>(&mut self, tag: Option<Tag>, why: Refusal) -> Turn<'i> {
        self.frame.reset();
        Turn::Event(Event::Bad { tag, why })
    }

    fn bye<'i>(&mut self, why: Refusal) -> Turn<'i> {
        self.frame.reset();
        self.state = State::Deaf;
        Turn::Event(Event::Bye(why))
    }
}

/// What one turn of the reader came to.
enum Turn<'i> {
    Event(Event<'i>),
    NeedsMore,
    Again,
}

/// `1*append-message` but for the first; the cursor stands behind a letter.
fn tail_options(bytes: &[u8]) -> Parsed<Options> {
    append::append_message(&mut Cursor::new(bytes))
}

/// Moves at most `left` bytes out of `input`.
fn take<'i>(input: &mut &'i [u8], left: &mut u64) -> &'i [u8] {
    let bytes = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(input.len());
    let (taken, rest) = input.split_at(bytes);
    *input = rest;
    *left = left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
    taken
}

const BOUNDS: Bounds = Bounds {
    line_bytes: LINE_BYTES_MAX,
    literal_bytes: LITERAL_BYTES_MAX,
    literals_bytes: LITERALS_BYTES_MAX,
    literals: LITERALS_MAX,
};
