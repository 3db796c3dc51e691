//! From bytes to LMTP's commands and letters.
//!
//! It holds one command line at most. What stands behind the end of a command
//! or a letter stays in the caller's input.

use super::command::command;
use super::letter::{Letter, LineFault, Piece};
use super::{Command, Refusal};
use crate::limits::LMTP_LINE_BYTES_MAX;

/// What the peer has come to say. `'i` is the caller's input.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// A command to be answered.
    Command(Command),
    /// A line that is none: answer [`super::Reply::Refused`]. We are in step.
    Refused(Refusal),
    /// The next bytes of the letter, without the dots that transport added;
    /// never empty.
    Data(&'i [u8]),
    /// The letter ended, and commands are read again. Only `Ok` may be kept;
    /// without this event nothing may.
    DataEnd(Result<(), LineFault>),
}

/// Reads one connection.
pub struct Reader {
    line: Vec<u8>,
    state: State,
}

enum State {
    Command,
    /// In a line that is too long, whose bytes are dropped.
    LongLine,
    Letter(Letter),
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader that waits for a command.
    #[must_use]
    pub fn new() -> Self {
        Self {
            line: Vec::new(),
            state: State::Command,
        }
    }

    /// The 354 has been written: what comes is a letter. To be called between
    /// [`Command::Data`] and the next [`Reader::advance`].
    pub fn begin_data(&mut self) {
        self.state = State::Letter(Letter::new());
    }

    /// Consumes `input` up to the next event; `None` when it needs more.
    pub fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Option<Event<'i>> {
        match &mut self.state {
            State::Letter(letter) => match letter.advance(input)? {
                Piece::Bytes(bytes) => Some(Event::Data(bytes)),
                Piece::End(how) => {
                    self.state = State::Command;
                    Some(Event::DataEnd(how))
                }
            },
            State::Command | State::LongLine => self.advance_line(input),
        }
    }

    fn advance_line<'i>(&mut self, input: &mut &'i [u8]) -> Option<Event<'i>> {
        let end = memchr::memchr(b'\n', input);
        let length = end.map_or(input.len(), |at| at.saturating_add(1));
        let (line, rest) = input.split_at(length);
        *input = rest;
        if self.line.len().saturating_add(line.len()) > LMTP_LINE_BYTES_MAX {
            self.state = State::LongLine;
            self.line.clear();
        }
        if matches!(self.state, State::Command) {
            self.line.extend_from_slice(line);
        }
        end.map(|_| self.judge_line())
    }

    fn judge_line<'i>(&mut self) -> Event<'i> {
        let line = std::mem::take(&mut self.line);
        let read = match std::mem::replace(&mut self.state, State::Command) {
            State::LongLine => Err(Refusal::LineTooLong),
            _ => text_of(&line).and_then(command),
        };
        match read {
            Ok(command) => Event::Command(command),
            Err(why) => Event::Refused(why),
        }
    }
}

/// The line without its CRLF, if it has that and no other control character.
fn text_of(line: &[u8]) -> Result<&str, Refusal> {
    let line = line.strip_suffix(b"\r\n").ok_or(Refusal::BadLine)?;
    match std::str::from_utf8(line) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        _ => Err(Refusal::BadLine),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use proptest::prelude::*;

    /// One line for each event; the pieces of a letter are joined. DATA is
    /// always accepted, as a session would with pipelining.
    fn transcript(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::new();
        let mut said: Vec<String> = Vec::new();
        let mut letter = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(event) = reader.advance(&mut input) {
                match event {
                    Event::Data(bytes) => letter.extend_from_slice(bytes),
                    Event::DataEnd(Ok(())) => {
                        said.push(format!("letter {:?}", std::mem::take(&mut letter)))
                    }
                    other => said.push(format!("{other:?}")),
                }
                if said.last().is_some_and(|last| last == "Command(Data)") {
                    reader.begin_data();
                    said.push("354".to_owned());
                }
            }
            assert!(input.is_empty());
        }
        said
    }

    const DIALOGUE: &[u8] = b"LHLO foo.edu\r\nMAIL FROM:<chris@bar.com> SIZE=9\r\nRCPT TO:<pat@foo.edu>\r\nbad\nDATA\r\nHi\r\n..dots\r\n.\r\nQUIT\r\n";

    #[test]
    fn pipelined_commands_come_one_by_one() {
        let said = transcript(&[DIALOGUE]);
        assert_eq!(said.len(), 8);
        assert_eq!(said[3], "Refused(BadLine)");
        assert_eq!(said[6], format!("letter {:?}", b"Hi\r\n.dots\r\n"));
        assert_eq!(said[7], "Command(Quit)");
    }

    #[test]
    fn what_stands_behind_starttls_stays_in_the_input_to_be_thrown_away() {
        let mut input: &[u8] = b"STARTTLS\r\nMAIL FROM:<evil@x>\r\n";
        let mut reader = Reader::new();
        assert_eq!(
            reader.advance(&mut input),
            Some(Event::Command(Command::StartTls))
        );
        assert_eq!(input, b"MAIL FROM:<evil@x>\r\n");
        input = b"NOOP\r\n";
        assert_eq!(
            reader.advance(&mut input),
            Some(Event::Command(Command::Noop))
        );
    }

    #[test]
    fn a_line_without_end_costs_no_more_than_its_limit() {
        let mut reader = Reader::new();
        for _ in 0..1000 {
            assert_eq!(reader.advance(&mut [b'('; 4096].as_slice()), None);
            assert!(reader.line.capacity() <= LMTP_LINE_BYTES_MAX);
        }
        let mut input: &[u8] = b"\r\nNOOP\r\n";
        assert_eq!(
            reader.advance(&mut input),
            Some(Event::Refused(Refusal::LineTooLong))
        );
        assert_eq!(
            reader.advance(&mut input),
            Some(Event::Command(Command::Noop))
        );
    }

    #[test]
    fn lines_with_bare_line_ends_nul_or_broken_utf8_are_refused() {
        let lines: [&[u8]; 7] = [
            b"NOOP\n",
            b"NOOP\r\r\n",
            b"NO\rOP\r\n",
            b"NOOP \0\r\n",
            b"NOOP \xff\r\n",
            b"NOOP \xc2\x85\r\n",
            b"\n",
        ];
        for line in lines {
            assert_eq!(transcript(&[line]), ["Refused(BadLine)"], "{line:?}");
        }
    }

    #[test]
    fn a_refused_letter_is_said_so_once_at_its_end() {
        let said = transcript(&[b"DATA\r\na\nb\r\n.\nRSET\r\n.\r\nNOOP\r\n"]);
        assert_eq!(
            said,
            [
                "Command(Data)",
                "354",
                "DataEnd(Err(BareLineFeed))",
                "Command(Noop)"
            ]
        );
    }

    #[test]
    fn a_dialogue_means_the_same_cut_at_every_byte() {
        let wanted = transcript(&[DIALOGUE]);
        for cut in 0..=DIALOGUE.len() {
            let (first, second) = DIALOGUE.split_at(cut);
            assert_eq!(transcript(&[first, second]), wanted, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = DIALOGUE.chunks(1).collect();
        assert_eq!(transcript(&bytes), wanted);
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "DATA", "\r\n", ".", "\n", "\r", "NOOP", "RCPT TO:<", "\"", "a@b", ">", " ", "\u{e9}", "\0",
            ]), 0..30),
            size in 1..9_usize,
        ) {
            let sent = words.concat().into_bytes();
            let pieces: Vec<&[u8]> = sent.chunks(size).collect();
            prop_assert_eq!(transcript(&pieces), transcript(&[&sent]));
        }
    }
}
