//! From bytes to requests, and to the answers inside of AUTHENTICATE.
//!
//! Neither reader keeps a byte beyond the end of what it gave out: what the
//! client sent behind it is still in the caller's input, to be thrown away
//! (STARTTLS), handed over (LOGIN) or fed to the next reader.

use super::frame::{Bounds, Frame, NotHeld, Step};
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
        loop {
            match self.frame.advance(input)? {
                Step::Whole => return Some(self.request()),
                Step::Literal(literal) => match self.frame.collect(literal) {
                    Ok(()) if literal.sync => return Some(Event::Continue),
                    Ok(()) => (),
                    Err(NotHeld::Refused(why)) => return Some(self.bad(why)),
                    Err(NotHeld::Broken(why)) => return Some(self.bye(why)),
                },
                Step::Refused(why) => return Some(self.bad(why)),
                Step::Broken(why) => return Some(self.bye(why)),
            }
        }
    }

    fn request(&mut self) -> Event {
        let request = command::request(self.frame.bytes());
        self.frame.reset();
        match request {
            Ok(request) => Event::Request(request),
            Err((tag, why)) => Event::Bad(tag, why),
        }
    }

    fn bad(&mut self, why: Refusal) -> Event {
        let tag = Tag::leading(self.frame.bytes());
        self.frame.reset();
        Event::Bad(tag, why)
    }

    fn bye(&mut self, why: Refusal) -> Event {
        self.frame.reset();
        self.broken = true;
        Event::Bye(why)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use crate::imap::Command;
    use crate::sasl::Mechanism;
    use proptest::prelude::*;

    /// One line for each event, with the secrets shown.
    fn transcript(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::new();
        let mut said = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(event) = reader.advance(&mut input) {
                said.push(line(&event));
            }
            assert!(input.is_empty());
        }
        said
    }

    fn line(event: &Event) -> String {
        match event {
            Event::Request(request) => format!("{} {}", request.tag, shown(&request.command)),
            Event::Continue => "+".to_owned(),
            Event::Bad(tag, why) => {
                format!("{} BAD {why:?}", tag.as_ref().map_or("*", Tag::as_str))
            }
            Event::Bye(why) => format!("BYE {why:?}"),
        }
    }

    fn shown(command: &Command) -> String {
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        match command {
            Command::Capability => "CAPABILITY".to_owned(),
            Command::Noop => "NOOP".to_owned(),
            Command::Logout => "LOGOUT".to_owned(),
            Command::Id => "ID".to_owned(),
            Command::StartTls => "STARTTLS".to_owned(),
            Command::Login { user, password } => format!("LOGIN {user} {}", text(password)),
            Command::Authenticate { mechanism, initial } => {
                format!(
                    "AUTHENTICATE {mechanism:?} {:?}",
                    initial.as_ref().map(text)
                )
            }
        }
    }

    fn said(bytes: &[u8]) -> Vec<String> {
        transcript(&[bytes])
    }

    #[test]
    fn every_command_that_a_stranger_may_give_is_read() {
        let known: [(&[u8], &str); 15] = [
            (b"a CAPABILITY\r\n", "a CAPABILITY"),
            (b"a noop\r\n", "a NOOP"),
            (b"a LOGOUT\r\n", "a LOGOUT"),
            (b"a STARTTLS\r\n", "a STARTTLS"),
            (b"a ID NIL\r\n", "a ID"),
            (b"a ID ()\r\n", "a ID"),
            (b"a ID (\"name\" \"x\" \"version\" NIL)\r\n", "a ID"),
            (
                b"a LOGIN alice wonder]land\r\n",
                "a LOGIN alice wonder]land",
            ),
            (b"a LOGIN \"a\\\"b\" \"c\\\\d\"\r\n", "a LOGIN a\"b c\\d"),
            (
                b"a LOGIN {5+}\r\nalice {6+}\r\npass\r\n\r\n",
                "a LOGIN alice pass\r\n",
            ),
            (
                b"a LOGIN \"\xc3\xa9\" \"\xc3\xa9\"\r\n",
                "a LOGIN \u{e9} \u{e9}",
            ),
            (b"a AUTHENTICATE PLAIN\r\n", "a AUTHENTICATE Plain None"),
            (
                b"a AUTHENTICATE plain AGEAYg==\r\n",
                "a AUTHENTICATE Plain Some(\"\\0a\\0b\")",
            ),
            (
                b"a AUTHENTICATE LOGIN =\r\n",
                "a AUTHENTICATE Login Some(\"\")",
            ),
            (b"a AUTHENTICATE GSSAPI\r\n", "a AUTHENTICATE Unknown None"),
        ];
        for (sent, read) in known {
            assert_eq!(said(sent), [read], "{}", String::from_utf8_lossy(sent));
        }
    }

    #[test]
    fn a_synchronising_literal_is_asked_for_and_the_rest_read_on() {
        assert_eq!(
            said(b"a LOGIN {5}\r\nalice {3}\r\npwd\r\n"),
            ["+", "+", "a LOGIN alice pwd"]
        );
    }

    #[test]
    fn spaces_behind_a_command_change_nothing() {
        assert_eq!(
            said(b"a NOOP  \r\nb LOGIN c d \r\n"),
            ["a NOOP", "b LOGIN c d"]
        );
    }

    #[test]
    fn what_is_refused_in_step_is_followed_by_the_next_command() {
        let refused: [(&[u8], &str); 22] = [
            (b"a SELECT INBOX\r\n", "a BAD CommandUnknown"),
            (b"a\r\n", "a BAD Expected(\"a space\")"),
            (b"a \r\n", "a BAD CommandUnknown"),
            (b"\r\n", "* BAD TagUnreadable"),
            (b" NOOP\r\n", "* BAD TagUnreadable"),
            (b"a  NOOP\r\n", "a BAD CommandUnknown"),
            (
                b"a NOOP x\r\n",
                "a BAD Expected(\"the end of the command\")",
            ),
            (
                b"a NOOP ((((\r\n",
                "a BAD Expected(\"the end of the command\")",
            ),
            (b"a NOOP\n", "a BAD LineFeedWithoutCarriageReturn"),
            (b"a NO\rOP\r\n", "a BAD CarriageReturnWithoutLineFeed"),
            (b"a NOOP\0\r\n", "a BAD NulInLine"),
            (b"a LOGIN x {1025}\r\n", "a BAD LiteralTooLarge"),
            (b"a LOGIN x {4294967295}\r\n", "a BAD LiteralTooLarge"),
            (
                b"a LOGIN x {99999999999999999999}\r\n",
                "a BAD LiteralTooLarge",
            ),
            (b"a LOGIN x {-1}\r\n", "a BAD Expected(\"a number\")"),
            (b"a LOGIN x {}\r\n", "a BAD Expected(\"a number\")"),
            (b"a LOGIN x \"y\r\n", "a BAD Expected(\"a closing quote\")"),
            (b"a LOGIN \"\" y\r\n", "a BAD Expected(\"a user name\")"),
            (
                b"a LOGIN \"x\x1b\" y\r\n",
                "a BAD Expected(\"a user name\")",
            ),
            (
                b"a LOGIN \"\xc0\x80\" y\r\n",
                "a BAD Expected(\"UTF-8 in a quoted string\")",
            ),
            (b"a AUTHENTICATE PLAIN AGEAYg\r\n", "a BAD BadBase64"),
            (b"a AUTHENTICATE PLAIN \r\n", "a BAD Expected(\"base64\")"),
        ];
        for (sent, why) in refused {
            let sent = [sent, b"b NOOP\r\n"].concat();
            assert_eq!(
                said(&sent),
                [why, "b NOOP"],
                "{}",
                String::from_utf8_lossy(&sent)
            );
        }
    }

    #[test]
    fn a_refused_line_with_unasked_bytes_behind_it_ends_the_connection() {
        let broken: [&[u8]; 5] = [
            b"a LOGIN x {1025+}\r\n",
            b"a LOGIN x {99999999999999999999+}\r\n",
            b"a NOOP {3+}\n",
            b"a \0 {3+}\r\n",
            b"a b\r {1+}\r\n",
        ];
        for sent in broken {
            let events = said(&[sent, b"b NOOP\r\n"].concat());
            assert!(
                matches!(events.as_slice(), [only] if only.starts_with("BYE")),
                "{events:?}"
            );
        }
    }

    #[test]
    fn literals_are_bounded_in_number_and_sum() {
        let many = format!("a ID ({})", "{0+}\r\n ".repeat(100_000));
        assert_eq!(said(many.as_bytes()), ["BYE TooManyLiterals"]);
        let waiting = "a LOGIN {0}\r\n".to_owned() + &" {0}\r\n".repeat(8);
        assert_eq!(
            said(waiting.as_bytes()).last().unwrap(),
            "a BAD TooManyLiterals"
        );
        let literal = format!("{{1024+}}\r\n{} ", "x".repeat(1024));
        assert_eq!(
            said(format!("a LOGIN {}", literal.repeat(3)).as_bytes()),
            ["BYE LiteralTooLarge"]
        );
    }

    #[test]
    fn a_line_without_end_costs_no_more_than_its_limit_whatever_it_holds() {
        for filling in ["(", "{", "[", "\"", "\\", "x"] {
            let mut reader = Reader::new();
            let mut input: &[u8] = b"a NOOP ";
            assert!(reader.advance(&mut input).is_none());
            let flood = filling.repeat(1000);
            let events: Vec<_> = (0..1000)
                .filter_map(|_| reader.advance(&mut flood.as_bytes()))
                .collect();
            assert!(matches!(
                events.as_slice(),
                [Event::Bye(Refusal::LineTooLong)]
            ));
            assert!(reader.frame.is_empty());
        }
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_read() {
        let line = format!("a LOGIN x {}\r\n", "y".repeat(LINE_BYTES_MAX - 12));
        assert_eq!(
            said(line.as_bytes()),
            ["a BAD Expected(\"a shorter password\")"]
        );
        let longer = line.replace("\r\n", "y\r\n");
        assert_eq!(said(longer.as_bytes()), ["BYE LineTooLong"]);
    }

    #[test]
    fn what_stands_behind_starttls_stays_in_the_input_to_be_thrown_away() {
        for cut in 0..=b"a STARTTLS\r\n".len() {
            let sent = b"a STARTTLS\r\nb NOOP\r\n";
            let (mut first, mut second) = sent.split_at(cut);
            let mut reader = Reader::new();
            let event = reader
                .advance(&mut first)
                .or_else(|| reader.advance(&mut second));
            assert!(matches!(
                event,
                Some(Event::Request(Request {
                    command: Command::StartTls,
                    ..
                }))
            ));
            assert!([first, second].concat().ends_with(b"b NOOP\r\n"));
            assert!(reader.frame.is_empty());
        }
    }

    #[test]
    fn a_long_tag_is_not_echoed() {
        let line = format!("{} NOOP\r\n", "t".repeat(65));
        assert_eq!(said(line.as_bytes()), ["* BAD TagUnreadable"]);
    }

    #[test]
    fn an_answer_is_base64_or_a_star() {
        let answer = |sent: &[u8]| ResponseReader::new().advance(&mut &sent[..]);
        assert!(matches!(answer(b"*\r\n"), Some(Answer::Cancelled)));
        assert!(
            matches!(answer(b"\r\n"), Some(Answer::Message(empty)) if empty.expose().is_empty())
        );
        assert!(
            matches!(answer(b"AGEAYg==\r\n"), Some(Answer::Message(it)) if it.expose() == b"\0a\0b")
        );
        for sent in [
            "=\r\n",
            "AGEAYg\r\n",
            "AGEAYh==\r\n",
            "AGEA Yg==\r\n",
            "**\r\n",
            "AGEA{3}\r\n",
            "AGEAYg==\n",
            "\0\r\n",
        ] {
            assert!(
                matches!(answer(sent.as_bytes()), Some(Answer::Bad(_))),
                "{sent:?}"
            );
        }
        let endless = vec![b'A'; LINE_BYTES_MAX + 1];
        assert!(matches!(
            answer(&endless),
            Some(Answer::Bye(Refusal::LineTooLong))
        ));
        assert!(answer(b"AGEA").is_none());
    }

    #[test]
    fn mechanisms_that_we_do_not_speak_are_not_mistakes() {
        let mut input: &[u8] = b"a AUTHENTICATE SCRAM-SHA-512\r\n";
        let Some(Event::Request(request)) = Reader::new().advance(&mut input) else {
            panic!("refused")
        };
        assert!(matches!(
            request.command,
            Command::Authenticate {
                mechanism: Mechanism::Unknown,
                ..
            }
        ));
        assert_eq!(
            said(b"a AUTHENTICATE ABCDEFGHIJKLMNOPQRSTU\r\n"),
            ["a BAD Expected(\"a shorter mechanism\")"]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "a ", "LOGIN ", "x", " ", "\r\n", "{3}\r\n", "{3+}\r\n", "{0}", "abc", "\"", "\\", "\n", "\r",
                "NOOP\r\n", "ID (", ")", "AUTHENTICATE PLAIN ", "AGEA", "=", "\0", "\u{e9}", "{2000+}\r\n",
            ]), 0..30),
            size in 1..9_usize,
        ) {
            let sent = words.concat().into_bytes();
            let pieces: Vec<&[u8]> = sent.chunks(size).collect();
            prop_assert_eq!(transcript(&pieces), transcript(&[&sent]));
        }

        #[test]
        fn no_bytes_make_a_connection_hold_more_than_its_bound(
            sent in proptest::collection::vec(any::<u8>(), 0..400),
            times in 1..200_usize,
        ) {
            let mut reader = Reader::new();
            for _ in 0..times {
                let mut input = sent.as_slice();
                while reader.advance(&mut input).is_some() {}
                prop_assert!(reader.frame.bytes().len() <= LINE_BYTES_MAX + LITERALS_BYTES_MAX);
            }
        }
    }
}
