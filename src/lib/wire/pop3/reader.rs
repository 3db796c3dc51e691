//! From bytes to POP3's commands.
//!
//! It holds one line at most. What stands behind the end of a command stays in the
//! caller's input (PIPELINING, RFC 2449, section 6.6).

use super::command::command;
use super::{Command, Refusal};
use crate::limits::POP3_LINE_BYTES_MAX;

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    /// In a line that is too long, whose bytes are dropped.
    overlong: bool,
}

impl Reader {
    /// A reader that waits for a command.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Consumes `input` up to the end of the next line; `None` when it needs more.
    /// A line that is no command is a [`Refusal`], and the next one may be one.
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<Result<Command, Refusal>> {
        let end = memchr::memchr(b'\n', input);
        let length = end.map_or(input.len(), |at| at.saturating_add(1));
        let (line, rest) = input.split_at(length);
        *input = rest;
        self.overlong |= self.line.len().saturating_add(line.len()) > POP3_LINE_BYTES_MAX;
        match self.overlong {
            true => self.line.clear(),
            false => self.line.extend_from_slice(line),
        }
        end.map(|_| self.judge())
    }

    fn judge(&mut self) -> Result<Command, Refusal> {
        let line = std::mem::take(&mut self.line);
        match std::mem::take(&mut self.overlong) {
            true => Err(Refusal::LineTooLong),
            false => text_of(&line).and_then(command),
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
    use crate::pop3::Number;
    use proptest::prelude::*;

    fn transcript(pieces: &[&[u8]]) -> Vec<Result<Command, Refusal>> {
        let mut reader = Reader::new();
        let mut said = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(read) = reader.advance(&mut input) {
                said.push(read);
            }
            assert!(input.is_empty());
        }
        said
    }

    #[test]
    fn pipelined_commands_come_one_by_one() {
        let said = transcript(&[b"RETR 1\r\nDELE 1\r\nbad\nQUIT\r\n"]);
        assert_eq!(
            said,
            [
                Ok(Command::Retr(Number(1))),
                Ok(Command::Dele(Number(1))),
                Err(Refusal::BadLine),
                Ok(Command::Quit)
            ]
        );
    }

    #[test]
    fn a_line_of_the_limit_is_read_and_one_byte_more_is_not() {
        let line = |bytes: usize| format!("NOOP{}\r\n", " ".repeat(bytes - 6));
        let longest = line(POP3_LINE_BYTES_MAX);
        assert_eq!(transcript(&[longest.as_bytes()]), [Ok(Command::Noop)]);
        let longer = line(POP3_LINE_BYTES_MAX + 1);
        let said = transcript(&[longer.as_bytes(), b"NOOP\r\n"]);
        assert_eq!(said, [Err(Refusal::LineTooLong), Ok(Command::Noop)]);
    }

    #[test]
    fn a_line_without_end_costs_no_more_than_its_limit() {
        let mut reader = Reader::new();
        for _ in 0..1000 {
            assert_eq!(reader.advance(&mut [b'('; 4096].as_slice()), None);
            assert!(reader.line.capacity() <= POP3_LINE_BYTES_MAX);
        }
    }

    #[test]
    fn lines_with_bare_line_ends_nul_or_broken_utf8_are_refused() {
        let lines: [&[u8]; 7] = [
            b"NOOP\n",
            b"NOOP\r\r\n",
            b"NO\rOP\r\n",
            b"NOOP \0\r\n",
            b"NOOP \xff\r\n",
            b"NOOP\t\r\n",
            b"\n",
        ];
        for line in lines {
            assert_eq!(transcript(&[line]), [Err(Refusal::BadLine)], "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "RETR 1", "\r\n", "\r\n", "\n", "\r", "TOP 1", " ", "10", "QUIT", "\u{e9}", "\0",
                "LANG en-GB", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            ]), 0..40),
            size in 1..9_usize,
        ) {
            let sent = words.concat().into_bytes();
            let pieces: Vec<&[u8]> = sent.chunks(size).collect();
            prop_assert_eq!(transcript(&pieces), transcript(&[&sent]));
        }
    }
}
