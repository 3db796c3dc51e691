//! From bytes to the events of a session.
//!
//! The reader holds one command at most, and never a letter. It keeps no byte
//! beyond what it gave out, so between two commands it holds nothing and a
//! session can be put to sleep or handed over with its input alone.
//!
//! However a command fails, the reader either knows where the next one begins,
//! or says [`Event::Bye`] and is deaf from then on.

use preauth::imap::cursor::Cursor;
use preauth::imap::frame::{Announcement, Bounds, Frame, NotHeld, Step};
use preauth::imap::{Refusal as Fault, Tag};

use super::append::{self, AppendBegin, Heading, Options, Prefix};
use super::{Command, Dialect, Loss, MailboxName, Parsed, Refusal, Request, command};
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
        /// What a NO takes from the client, whatever the reason.
        loses: Loss,
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
    heading: Heading,
    mailbox: MailboxName,
    letters: usize,
    /// The parenthesis of `UTF8 (...)` is open.
    open: bool,
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

    /// Whether what comes next are bytes of a letter that nobody wants.
    #[must_use]
    pub fn is_swallowing(&self) -> bool {
        matches!(self.state, State::Swallow { left: 1.. })
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
                let loses = command::loss(self.frame.bytes());
                self.frame.reset();
                match request {
                    Ok(request) => self.give(request),
                    Err((tag, why)) => Turn::Event(Event::Bad { tag, why, loses }),
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
            Ok(Prefix::Letter(heading, mailbox, options)) => {
                let append = Append {
                    heading,
                    mailbox,
                    letters: 0,
                    open: false,
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
            Err(NotHeld::Refused(_)) if self.is_long_annotation(literal) => {
                let tag = Tag::leading(self.frame.bytes());
                self.bad(tag, Refusal::AnnotationTooLarge)
            }
            Err(NotHeld::Refused(why)) => self.bad_line(why),
            Err(NotHeld::Broken(why)) => self.bye(why.into()),
        }
    }

    /// Whether a literal is too long that SETMETADATA announces: its answer says how
    /// long one may be (RFC 5464, section 4.3).
    fn is_long_annotation(&self, literal: Announcement) -> bool {
        let long = literal.bytes > u64::try_from(LITERAL_BYTES_MAX).unwrap_or(u64::MAX);
        long && command::sets_metadata(self.frame.bytes())
    }

    fn begin_letter<'i>(
        &mut self,
        mut append: Append,
        options: Options,
        literal: Announcement,
    ) -> Turn<'i> {
        if literal.bytes > self.append_bytes_max {
            return self.bad_append(Some(append.heading.tag), Refusal::LetterTooLarge, literal);
        }
        if append.heading.replaces.is_some() && append.letters > 0 {
            let why = Fault::Expected("the end of the command");
            return self.bad_append(Some(append.heading.tag), why.into(), literal);
        }
        if append.letters >= APPEND_MESSAGES_MAX {
            return self.bad_append(
                Some(append.heading.tag),
                Refusal::TooMany("letters"),
                literal,
            );
        }
        let begin = AppendBegin {
            tag: append.heading.tag.clone(),
            mailbox: append.mailbox.clone(),
            flags: options.flags,
            date: options.date,
            bytes: literal.bytes,
            sync: literal.sync,
            binary: literal.binary,
            utf8: options.utf8,
            number: append.letters,
            replaces: append.heading.replaces.clone(),
        };
        append.open = options.utf8;
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
        bad(tag, why)
    }

    /// Behind a letter: `CRLF`, or another `append-message`.
    fn on_tail<'i>(&mut self, append: Append, step: Step) -> Turn<'i> {
        match step {
            Step::Whole => match tail_end(self.frame.bytes(), append.open) {
                Ok(()) => {
                    self.frame.reset();
                    Turn::Event(Event::AppendDone(append.heading.tag))
                }
                Err(why) => self.bad(Some(append.heading.tag), why),
            },
            Step::Literal(literal) => {
                match tail_options(self.frame.bytes(), append.open, self.dialect) {
                    Ok(options) => self.begin_letter(append, options, literal),
                    Err(why) => self.bad_append(Some(append.heading.tag), why, literal),
                }
            }
            Step::Refused(why) | Step::Broken(why) => {
                self.bad(Some(append.heading.tag), why.into())
            }
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
        let (tag, loses) = (
            Tag::leading(self.frame.bytes()),
            command::loss(self.frame.bytes()),
        );
        self.frame.reset();
        let why = why.into();
        Turn::Event(Event::Bad { tag, why, loses })
    }

    /// Of an APPEND or IDLE.
    fn bad<'i>(&mut self, tag: Option<Tag>, why: Refusal) -> Turn<'i> {
        self.frame.reset();
        bad(tag, why)
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

/// `1*append-message` but for the first; `bytes` are what stands behind a letter.
fn tail_options(bytes: &[u8], open: bool, dialect: Dialect) -> Parsed<Options> {
    append::append_message(&mut behind_letter(bytes, open)?, dialect)
}

/// The end of the command, behind a letter.
fn tail_end(bytes: &[u8], open: bool) -> Parsed<()> {
    match behind_letter(bytes, open)?.rest() {
        [] => Ok(()),
        _ => Err(Fault::Expected("another letter").into()),
    }
}

/// Behind a letter, and behind the parenthesis that stands open before it.
fn behind_letter(bytes: &[u8], open: bool) -> Parsed<Cursor<'_>> {
    let mut cursor = Cursor::new(bytes);
    if open {
        cursor.byte(b')', "the closing parenthesis")?;
    }
    Ok(cursor)
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

/// The refusal of a command that takes nothing from the client.
fn bad<'i>(tag: Option<Tag>, why: Refusal) -> Turn<'i> {
    Turn::Event(Event::Bad {
        tag,
        why,
        loses: Loss::Nothing,
    })
}

const BOUNDS: Bounds = Bounds {
    line_bytes: LINE_BYTES_MAX,
    literal_bytes: LITERAL_BYTES_MAX,
    literals_bytes: LITERALS_BYTES_MAX,
    literals: LITERALS_MAX,
};

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use proptest::prelude::*;

    /// One line for each event; the pieces of a letter are joined.
    fn transcript(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::new(100);
        let mut said = Vec::new();
        let mut letter = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(event) = reader.advance(&mut input) {
                match event {
                    Event::AppendBytes(bytes) => letter.extend_from_slice(bytes),
                    Event::AppendEnd => {
                        let letter = std::mem::take(&mut letter);
                        said.push(format!("letter {:?}", String::from_utf8_lossy(&letter)));
                    }
                    other => said.push(line(&other)),
                }
            }
            assert!(input.is_empty());
        }
        said
    }

    fn line(event: &Event<'_>) -> String {
        let tagged = |tag: &Option<Tag>| tag.as_ref().map_or("*".to_owned(), Tag::to_string);
        match event {
            Event::Request(request) => format!("{} {:?}", request.tag, request.command),
            Event::AppendBegin(begin) => format!(
                "{} APPEND {} {} {:?} {} sync={}",
                begin.tag,
                begin.mailbox,
                begin.flags.len(),
                begin.date.map(|it| it.to_string()),
                begin.bytes,
                begin.sync
            ),
            Event::AppendDone(tag) => format!("{tag} DONE"),
            Event::Bad { tag, why, .. } => format!("{} BAD {why}", tagged(tag)),
            other => format!("{other:?}"),
        }
    }

    fn said(bytes: &str) -> Vec<String> {
        transcript(&[bytes.as_bytes()])
    }

    #[test]
    fn a_letter_comes_in_pieces_and_the_command_ends_behind_it() {
        let sent =
            "a APPEND saved (\\Seen) \"17-Jul-1996 02:44:25 -0700\" {5+}\r\nhi\r\n!\r\nb NOOP\r\n";
        assert_eq!(
            said(sent),
            [
                "a APPEND saved 1 Some(\"17-Jul-1996 02:44:25 -0700\") 5 sync=false",
                "letter \"hi\\r\\n!\"",
                "a DONE",
                "b Noop",
            ]
        );
    }

    #[test]
    fn the_mailbox_may_come_as_a_literal_itself() {
        let sent = "a APPEND {5}\r\nsaved {3}\r\nabc\r\n";
        assert_eq!(
            said(sent),
            [
                "Continue",
                "a APPEND saved 0 None 3 sync=true",
                "letter \"abc\"",
                "a DONE"
            ]
        );
        assert_eq!(
            said("a APPEND ~{5+}\r\nsaved x\r\nb NOOP\r\n"),
            ["a BAD Expected a mailbox name", "b Noop"]
        );
    }

    #[test]
    fn several_letters_come_in_one_command() {
        let sent = "a APPEND INBOX {1+}\r\nx (\\Seen) {2}\r\nyz ~{0+}\r\n\r\nb NOOP\r\n";
        assert_eq!(
            said(sent),
            [
                "a APPEND INBOX 0 None 1 sync=false",
                "letter \"x\"",
                "a APPEND INBOX 1 None 2 sync=true",
                "letter \"yz\"",
                "a APPEND INBOX 0 None 0 sync=false",
                "letter \"\"",
                "a DONE",
                "b Noop",
            ]
        );
    }

    /// What is said to a client that has enabled UTF8=ACCEPT.
    fn said_in_utf8(bytes: &str) -> Vec<String> {
        let mut reader = Reader::new(100);
        reader.set_dialect(Dialect::Utf8);
        let mut input = bytes.as_bytes();
        let mut said = Vec::new();
        while let Some(event) = reader.advance(&mut input) {
            said.push(match event {
                Event::AppendBegin(begin) => format!("{} {}", begin.mailbox, begin.utf8),
                other => line(&other),
            });
        }
        said
    }

    #[test]
    fn a_letter_whose_header_is_utf8_stands_in_parentheses() {
        assert_eq!(
            said_in_utf8("a APPEND \"Entw\u{fc}rfe\" (\\Seen) UTF8 (~{1+}\r\nx)\r\nb NOOP\r\n"),
            [
                "Entw\u{fc}rfe true",
                "AppendBytes([120])",
                "AppendEnd",
                "a DONE",
                "b Noop"
            ]
        );
        assert_eq!(
            said_in_utf8("a APPEND x utf8 (~{1+}\r\nx) ~{1+}\r\nx UTF8 (~{0+}\r\n)\r\n"),
            [
                "x true",
                "AppendBytes([120])",
                "AppendEnd",
                "x false",
                "AppendBytes([120])",
                "AppendEnd",
                "x true",
                "AppendEnd",
                "a DONE"
            ]
        );
    }

    #[test]
    fn a_parenthesis_that_is_not_closed_or_never_opened_voids_the_append() {
        let last = |sent: &str| said_in_utf8(sent)[2..].to_vec();
        assert_eq!(
            last("a APPEND x UTF8 (~{0+}\r\n\r\nb NOOP\r\n"),
            ["a BAD Expected the closing parenthesis", "b Noop"]
        );
        assert_eq!(
            last("a APPEND x UTF8 (~{0+}\r\n ~{0+}\r\n\r\nb NOOP\r\n"),
            ["a BAD Expected the closing parenthesis", "b Noop"]
        );
        assert_eq!(
            last("a APPEND x ~{0+}\r\n)\r\nb NOOP\r\n"),
            ["a BAD Expected another letter", "b Noop"]
        );
        assert_eq!(
            said_in_utf8("a APPEND x UTF8 ({0+}\r\n)\r\nb NOOP\r\n"),
            ["a BAD Expected a literal8", "b Noop"]
        );
    }

    #[test]
    fn without_utf8_accept_no_letter_says_that_it_is_utf8() {
        assert_eq!(
            said("a APPEND x UTF8 (~{1+}\r\nx)\r\nb NOOP\r\n"),
            ["a BAD Enable UTF8=ACCEPT first", "b Noop"]
        );
        assert_eq!(
            Refusal::Utf8NotEnabled.status(),
            preauth::imap::response::Status::No
        );
    }

    #[test]
    fn a_refused_append_leaves_the_connection_in_step() {
        let known = [
            ("a APPEND x {101}\r\n", "a BAD The letter is too large"),
            (
                "a APPEND a//b {5+}\r\nb NOP\r\n",
                "a BAD The mailbox name has an empty part",
            ),
            (
                "a APPEND a//b {5}\r\n",
                "a BAD The mailbox name has an empty part",
            ),
            (
                "a APPEND x (a\\b) {5+}\r\nb NOP {3+}\r\nb N\r\n",
                "a BAD Expected the end of the list of flags",
            ),
            (
                "a APPEND x y {5+}\r\nb NOP\r\n",
                "a BAD Expected a letter as a literal",
            ),
            ("a APPEND x\r\n", "a BAD Expected a letter as a literal"),
        ];
        for (sent, why) in known {
            assert_eq!(
                said(&format!("{sent}b NOOP\r\n")),
                [why, "b Noop"],
                "{sent}"
            );
        }
    }

    #[test]
    fn a_broken_tail_voids_the_append() {
        assert_eq!(
            said("a APPEND x {1+}\r\nx y\r\nb NOOP\r\n")[2..],
            ["a BAD Expected another letter", "b Noop"]
        );
        assert_eq!(
            said("a APPEND x {1+}\r\nx\nb NOOP\r\n")[2..],
            ["a BAD Lines must end in CRLF", "b Noop"]
        );
        assert_eq!(
            said("a APPEND x {1+}\r\nx (\\Seen {1+}\r\ny\r\nb NOOP\r\n")[2..],
            ["a BAD Expected an atom", "b Noop"]
        );
        assert_eq!(
            said("a APPEND x {1+}\r\nx {101+}\r\ny\r\nb NOOP\r\n")[2..],
            ["Bye(LetterTooLarge)"]
        );
    }

    #[test]
    fn too_many_letters_in_one_command_are_refused() {
        let sent = format!(
            "a APPEND x {}\r\nb NOOP\r\n",
            "{1+}\r\nx ".repeat(APPEND_MESSAGES_MAX + 1).trim_end()
        );
        let events = said(&sent);
        assert_eq!(
            events[APPEND_MESSAGES_MAX * 2..],
            ["a BAD Too many letters", "b Noop"]
        );
    }

    /// Refuses the APPEND at its n-th event, and gives what follows.
    fn refused_at(event: usize, sent: &[u8]) -> Vec<String> {
        let mut reader = Reader::new(100);
        let mut said = Vec::new();
        let mut input = sent;
        let mut seen = 0;
        while let Some(event_now) = reader.advance(&mut input) {
            if seen > event {
                said.push(line(&event_now));
            }
            if seen == event {
                reader.refuse_append();
            }
            seen += 1;
        }
        said
    }

    #[test]
    fn an_append_can_be_given_up_at_any_time() {
        let sent = b"a APPEND x {6+}\r\nb NOOP {9+}\r\nb LOGOUT\n\r\nc NOOP\r\n";
        for event in 0..4 {
            assert_eq!(refused_at(event, sent), ["c Noop"], "at {event}");
        }
    }

    #[test]
    fn a_letter_that_was_not_asked_for_is_not_swallowed() {
        assert_eq!(refused_at(0, b"a APPEND x {6}\r\nc NOOP\r\n"), ["c Noop"]);
        let mut reader = Reader::new(100);
        assert!(
            reader
                .advance(&mut b"a APPEND x {8}\r\n".as_slice())
                .is_some()
        );
        assert!(reader.advance(&mut b"".as_slice()).is_none());
        reader.refuse_append();
        let mut input: &[u8] = b"b NOOP\r\n\r\nc NOOP\r\n";
        assert_eq!(line(&reader.advance(&mut input).unwrap()), "c Noop");
    }

    #[test]
    fn a_tail_that_is_cut_in_its_announcement_is_still_understood_after_refusal() {
        let sent: &[u8] = b"a APPEND x {1+}\r\nx {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n";
        for cut in 18..sent.len() - 8 {
            let (mut first, mut second) = sent.split_at(cut);
            let mut reader = Reader::new(100);
            while reader.advance(&mut first).is_some() {}
            reader.refuse_append();
            let events: Vec<String> = std::iter::from_fn(|| reader.advance(&mut second))
                .map(|it| line(&it))
                .collect();
            assert_eq!(events, ["c Noop"], "cut at {cut}");
        }
    }

    #[test]
    fn idle_ends_with_done_and_nothing_else() {
        assert_eq!(
            said("a IDLE\r\nDONE\r\nb NOOP\r\n"),
            ["a Idle", "IdleDone", "b Noop"]
        );
        assert_eq!(said("a IDLE\r\ndone\r\n"), ["a Idle", "IdleDone"]);
        assert_eq!(
            said("a IDLE\r\nb NOOP\r\nc NOOP\r\n"),
            ["a Idle", "a BAD Expected DONE", "c Noop"]
        );
        assert_eq!(said("a IDLE\r\nx {5+}\r\n"), ["a Idle", "Bye(NotDone)"]);
    }

    #[test]
    fn floods_are_cut_off_at_their_limits() {
        let literals = format!("a SEARCH {}", "TEXT {0+}\r\n ".repeat(LITERALS_MAX + 1));
        assert_eq!(said(&literals), ["Bye(Grammar(TooManyLiterals))"]);
        let large = format!("a SELECT {{{}}}\r\nb NOOP\r\n", LITERAL_BYTES_MAX + 1);
        assert_eq!(said(&large), ["a BAD Literal too large", "b Noop"]);
        let endless = format!("a NOOP {}", "(".repeat(LINE_BYTES_MAX));
        assert_eq!(said(&endless), ["Bye(Grammar(LineTooLong))"]);
        assert_eq!(
            said("a SELECT {18446744073709551615+}\r\nx"),
            ["Bye(Grammar(LiteralTooLarge))"]
        );
    }

    #[test]
    fn between_commands_nothing_is_held() {
        let mut reader = Reader::new(100);
        assert!(reader.is_between_commands());
        let mut input: &[u8] = b"a NOOP\r\nb NO";
        assert!(reader.advance(&mut input).is_some());
        assert!(reader.is_between_commands());
        assert_eq!(input, b"b NO");
        assert!(reader.advance(&mut input).is_none());
        assert!(!reader.is_between_commands());
    }

    const DIALOGUE: &[u8] = b"a1 SELECT {5}\r\nINBOX\r\na2 APPEND x {4+}\r\n\r\n\r\n ~{3+}\r\n\0\0\0\r\na3 FROB\na4 IDLE\r\nDONE\r\na5 SEARCH TEXT \"\xc3\xa9\"\r\na6 LOGOUT\r\n";

    #[test]
    fn a_dialogue_means_the_same_cut_at_every_byte() {
        let wanted = transcript(&[DIALOGUE]);
        assert_eq!(wanted.len(), 12, "{wanted:#?}");
        for cut in 0..=DIALOGUE.len() {
            let (first, second) = DIALOGUE.split_at(cut);
            assert_eq!(transcript(&[first, second]), wanted, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = DIALOGUE.chunks(1).collect();
        assert_eq!(transcript(&bytes), wanted);
    }

    #[test]
    fn a_refusal_says_what_the_client_loses_by_it() {
        let loses = |line: &str| {
            let line = format!("{line}\r\n");
            match Reader::new(100).advance(&mut line.as_bytes()) {
                Some(Event::Bad { loses, .. }) => loses,
                other => panic!("{line}: {other:?}"),
            }
        };
        assert_eq!(loses("a SELECT a//b"), Loss::Selection);
        assert_eq!(loses("a EXAMINE &"), Loss::Selection);
        let many = vec!["SEEN"; 2000].join(" ");
        for saved in ["a SEARCH RETURN (SAVE)", "a UID SEARCH RETURN (MIN SAVE)"] {
            assert_eq!(loses(&format!("{saved} {many}")), Loss::Saved);
        }
        for nothing in [
            &format!("a SEARCH {many}"),
            &format!("a SEARCH RETURN (MIN) {many}"),
            "a DELETE a//b",
            "a",
        ] {
            assert_eq!(loses(nothing), Loss::Nothing, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "a ", "APPEND x ", "IDLE\r\n", "DONE\r\n", "x", " ", "\r\n", "{3}\r\n", "{3+}\r\n", "~{2+}\r\n", "{0+}",
                "abc", "\"", "(\\Seen) ", "\n", "\r", "NOOP\r\n", "SELECT ", "{200+}\r\n", "\0",
            ]), 0..30),
            size in 1..9_usize,
        ) {
            let sent = words.concat().into_bytes();
            let pieces: Vec<&[u8]> = sent.chunks(size).collect();
            prop_assert_eq!(transcript(&pieces), transcript(&[&sent]));
        }

        #[test]
        fn no_bytes_make_a_session_hold_more_than_its_bound(
            sent in proptest::collection::vec(any::<u8>(), 0..2000),
            times in 1..200_usize,
        ) {
            let mut reader = Reader::new(u64::MAX);
            for _ in 0..times {
                let mut input = sent.as_slice();
                while reader.advance(&mut input).is_some() {}
                prop_assert!(reader.frame.bytes().len() <= LINE_BYTES_MAX + LITERALS_BYTES_MAX);
            }
        }
    }
}
