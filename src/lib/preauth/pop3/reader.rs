//! From bytes to commands, and to the answers inside of AUTH.
//!
//! Neither reader keeps a byte beyond the end of what it gave out: what the
//! client sent behind it is still in the caller's input, to be thrown away
//! (STLS), handed over (PASS) or fed to the next reader.

use super::{Command, Refusal, command};
use crate::limits::LINE_BYTES_MAX;
use crate::line::{Line, Step};
use crate::{Secret, sasl};

/// What RFC 2449 (section 4) promises a client: commands of so many bytes, CRLF
/// included. Leniency `long-pop3-commands` (docs/clients.md): we take longer ones,
/// for the sake of long passwords and of clients that send a long initial response
/// where RFC 5034 wouldn't have it.
const COMMAND_BYTES_PROMISED: usize = 255;

const _: () = assert!(COMMAND_BYTES_PROMISED <= LINE_BYTES_MAX);

/// What the client has come to say.
pub enum Event {
    /// A command to be answered.
    Command(Command),
    /// The line is refused. The connection is in step.
    Bad(Refusal),
    /// The connection is out of step: say why and close. Nothing more comes.
    Bye(Refusal),
}

/// Reads commands.
pub struct Reader {
    line: Line,
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
            line: Line::new(LINE_BYTES_MAX),
            broken: false,
        }
    }

    /// Consumes `input` up to the next event; `None` when it needs more.
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<Event> {
        if self.broken {
            *input = &[];
            return None;
        }
        let event = match self.line.advance(input)? {
            Step::Whole => {
                command::command(self.line.bytes()).map_or_else(Event::Bad, Event::Command)
            }
            Step::Refused(fault) => Event::Bad(Refusal::Line(fault)),
            Step::TooLong => {
                self.broken = true;
                Event::Bye(Refusal::LineTooLong)
            }
        };
        self.line.reset();
        Some(event)
    }
}

/// The client's side of one round of AUTH.
pub enum Answer {
    /// The decoded message.
    Message(Secret),
    /// The client gave up with `*`.
    Cancelled,
    /// Not an answer: the exchange is over, the connection in step.
    Bad(Refusal),
    /// Out of step: say why and close.
    Bye(Refusal),
}

/// Reads the client's answers to challenges, for one AUTH.
pub struct ResponseReader {
    line: Line,
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
            line: Line::new(LINE_BYTES_MAX),
        }
    }

    /// Consumes `input` up to the end of the answer; `None` when it needs more.
    ///
    /// `continue-resp = [base64] CRLF` or `"*" CRLF` (RFC 5034, section 4)
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<Answer> {
        let answer = match self.line.advance(input)? {
            Step::Whole if self.line.bytes() == b"*" => Answer::Cancelled,
            Step::Whole => sasl::decode(self.line.bytes())
                .map_or(Answer::Bad(Refusal::BadBase64), Answer::Message),
            Step::Refused(fault) => Answer::Bad(Refusal::Line(fault)),
            Step::TooLong => Answer::Bye(Refusal::LineTooLong),
        };
        self.line.reset();
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use proptest::prelude::*;

    /// One line for each event, with the secrets shown.
    fn transcript<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut reader = Reader::new();
        let mut said = Vec::new();
        for mut input in pieces {
            while let Some(event) = reader.advance(&mut input) {
                said.push(shown(&event));
            }
            assert!(input.is_empty());
        }
        said
    }

    fn shown(event: &Event) -> String {
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        match event {
            Event::Bad(why) => format!("BAD {why:?}"),
            Event::Bye(why) => format!("BYE {why:?}"),
            Event::Command(command) => match command {
                Command::Capa => "CAPA".to_owned(),
                Command::Quit => "QUIT".to_owned(),
                Command::Stls => "STLS".to_owned(),
                Command::Utf8 => "UTF8".to_owned(),
                Command::Languages => "LANG".to_owned(),
                Command::Language(language) => format!("LANG {language:?}"),
                Command::User(name) => format!("USER {name}"),
                Command::Pass(password) => format!("PASS {}", text(password)),
                Command::Mechanisms => "AUTH".to_owned(),
                Command::Auth { mechanism, initial } => {
                    format!("AUTH {mechanism:?} {:?}", initial.as_ref().map(text))
                }
            },
        }
    }

    fn said(bytes: &[u8]) -> Vec<String> {
        transcript([bytes])
    }

    #[test]
    fn every_command_that_a_stranger_may_give_is_read() {
        let known: [(&[u8], &str); 18] = [
            (b"CAPA\r\n", "CAPA"),
            (b"CAPA  \r\n", "CAPA"),
            (b"quit\r\n", "QUIT"),
            (b"Stls\r\n", "STLS"),
            (b"UTF8\r\n", "UTF8"),
            (b"LANG\r\n", "LANG"),
            (b"LANG en-GB\r\n", "LANG Some(English)"),
            (b"LANG MUL\r\n", "LANG None"),
            (b"USER mrose\r\n", "USER mrose"),
            (b"USER mr rose\r\n", "USER mr rose"),
            (b"USER \xc3\xa9\r\n", "USER \u{e9}"),
            (b"PASS secret\r\n", "PASS secret"),
            (b"PASS  a secret {5} \r\n", "PASS  a secret {5} "),
            (b"AUTH\r\n", "AUTH"),
            (b"AUTH PLAIN\r\n", "AUTH Plain None"),
            (b"auth plain AGEAYg==\r\n", "AUTH Plain Some(\"\\0a\\0b\")"),
            (b"AUTH LOGIN =\r\n", "AUTH Login Some(\"\")"),
            (b"AUTH GSSAPI\r\n", "AUTH Unknown None"),
        ];
        for (sent, read) in known {
            assert_eq!(said(sent), [read], "{}", String::from_utf8_lossy(sent));
        }
    }

    #[test]
    fn what_is_refused_is_followed_by_the_next_command() {
        let refused: [(&[u8], &str); 20] = [
            (b"\r\n", "BAD CommandUnknown"),
            (b" CAPA\r\n", "BAD CommandUnknown"),
            (b"STAT\r\n", "BAD CommandUnknown"),
            (b"NOOP\r\n", "BAD CommandUnknown"),
            (
                b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n",
                "BAD CommandUnknown",
            ),
            (b"QUIT now\r\n", "BAD Expected(\"the end of the command\")"),
            (b"USER\r\n", "BAD Expected(\"a user name\")"),
            (b"USER \r\n", "BAD Expected(\"a user name\")"),
            (b"USER a\x1b\r\n", "BAD Expected(\"a user name\")"),
            (b"USER \xc0\x80\r\n", "BAD Expected(\"a user name\")"),
            (b"PASS\r\n", "BAD Expected(\"a password\")"),
            (b"PASS \r\n", "BAD Expected(\"a password\")"),
            (b"AUTH \r\n", "BAD Expected(\"a mechanism\")"),
            (
                b"AUTH ABCDEFGHIJKLMNOPQRSTU\r\n",
                "BAD Expected(\"a shorter mechanism\")",
            ),
            (b"AUTH PLAIN \r\n", "BAD Expected(\"base64\")"),
            (b"AUTH PLAIN AGEAYg\r\n", "BAD BadBase64"),
            (b"AUTH PLAIN AGEAYg== \r\n", "BAD BadBase64"),
            (b"CAPA\n", "BAD Line(LineFeedWithoutCarriageReturn)"),
            (b"CA\rPA\r\n", "BAD Line(CarriageReturnWithoutLineFeed)"),
            (b"CAPA\0\r\n", "BAD Line(Nul)"),
        ];
        for (sent, why) in refused {
            let sent = [sent, b"CAPA\r\n"].concat();
            assert_eq!(
                said(&sent),
                [why, "CAPA"],
                "{}",
                String::from_utf8_lossy(&sent)
            );
        }
    }

    #[test]
    fn a_command_as_long_as_promised_is_taken_and_an_endless_one_ends_the_connection() {
        let password = "x".repeat(COMMAND_BYTES_PROMISED - "PASS \r\n".len());
        let sent = format!("PASS {password}\r\n");
        assert_eq!(sent.len(), COMMAND_BYTES_PROMISED);
        assert_eq!(said(sent.as_bytes()), [format!("PASS {password}")]);
        let endless = [&vec![b'a'; LINE_BYTES_MAX + 1], b"\r\nCAPA\r\n".as_slice()].concat();
        assert_eq!(said(&endless), ["BYE LineTooLong"]);
        for (word, bytes_max) in [("USER", 512), ("PASS", 1024)] {
            let long = format!("{word} {}\r\n", "x".repeat(bytes_max + 1));
            assert!(said(long.as_bytes())[0].starts_with("BAD Expected(\"a shorter"));
        }
    }

    #[test]
    fn answers_to_challenges_are_base64_or_a_star() {
        let answer = |sent: &[u8]| ResponseReader::new().advance(&mut &*sent);
        assert!(
            matches!(answer(b"AGEAYg==\r\n"), Some(Answer::Message(it)) if it.expose() == b"\0a\0b")
        );
        assert!(matches!(answer(b"\r\n"), Some(Answer::Message(it)) if it.expose().is_empty()));
        assert!(matches!(answer(b"*\r\n"), Some(Answer::Cancelled)));
        for bad in [
            b"=\r\n".as_slice(),
            b" *\r\n",
            b"AGEAYg\r\n",
            b"A\n",
            b"\0\r\n",
        ] {
            assert!(matches!(answer(bad), Some(Answer::Bad(_))), "{bad:?}");
        }
        assert!(matches!(
            answer(&[b'A'; LINE_BYTES_MAX + 1]),
            Some(Answer::Bye(_))
        ));
        assert!(answer(b"AGEA").is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "USER ", "PASS ", "x", " ", "\r\n", "AUTH PLAIN ", "AGEA", "=", "CAPA\r\n", "{3}\r\n",
                "\n", "\r", "\0", "\u{e9}", "STLS\r\n", "LANG ", "*",
            ]), 0..30),
            size in 1..9_usize,
        ) {
            let sent = words.concat().into_bytes();
            prop_assert_eq!(transcript(sent.chunks(size)), transcript([sent.as_slice()]));
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
                prop_assert!(reader.line.bytes().len() <= LINE_BYTES_MAX);
            }
        }
    }
}
