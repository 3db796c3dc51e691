//! IMAP, as far as the table needs it.

use super::ending::Ending;
use super::stream::Stream;
use crate::failed::Failed;

/// Bytes received at once.
const ROOM_BYTES: usize = 1 << 20;

/// A command that was sent and whose answer is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Tag(String);

/// A connection.
#[derive(Debug)]
pub struct Imap {
    stream: Stream,
    room: Vec<u8>,
    commands: u32,
}

impl Imap {
    /// Takes a connection, and awaits its greeting.
    ///
    /// # Errors
    /// If there is none.
    pub fn greeted(stream: Stream) -> Result<Self, Failed> {
        let mut imap = Self {
            stream,
            room: vec![0; ROOM_BYTES],
            commands: 0,
        };
        match imap.line()?.as_slice() {
            line if line.starts_with(b"* OK") => Ok(imap),
            line => Err(Failed::refused(line)),
        }
    }

    /// Sends a command without awaiting its answer.
    ///
    /// # Errors
    /// If the server takes nothing.
    pub fn send(&mut self, command: &str) -> Result<Tag, Failed> {
        let tag = self.tag();
        let line = format!("{} {command}\r\n", tag.0);
        self.stream.send(line.as_bytes())?;
        Ok(tag)
    }

    /// Awaits the answer of a command, and with it those of all before; gives its bytes.
    ///
    /// # Errors
    /// If it isn't OK.
    pub fn await_ok(&mut self, tag: &Tag) -> Result<u64, Failed> {
        let mut bytes = 0;
        self.answer(tag, |piece| bytes += piece.len() as u64)?;
        Ok(bytes)
    }

    /// Sends a command and awaits its OK; gives the answer's bytes, unread.
    ///
    /// # Errors
    /// If it isn't OK.
    pub fn run(&mut self, command: &str) -> Result<u64, Failed> {
        let tag = self.send(command)?;
        self.await_ok(&tag)
    }

    /// As [`Self::run`], for an answer that is looked at.
    ///
    /// # Errors
    /// If it isn't OK.
    pub fn ask(&mut self, command: &str) -> Result<Vec<u8>, Failed> {
        let tag = self.send(command)?;
        let mut whole = Vec::new();
        self.answer(&tag, |piece| whole.extend_from_slice(piece))?;
        Ok(whole)
    }

    /// Appends letters with one command and literals that wait for nobody (RFC 7888);
    /// their internal dates are given or left to the server.
    ///
    /// # Errors
    /// If the server takes nothing.
    pub fn append(&mut self, mailbox: &str, letters: &[Dated<'_>]) -> Result<Tag, Failed> {
        let tag = self.tag();
        let mut command = format!("{} APPEND {mailbox}", tag.0).into_bytes();
        for (letter, date) in letters {
            let date = date.as_ref().map(|date| format!(" \"{date}\""));
            let literal = format!("{} {{{}+}}\r\n", date.unwrap_or_default(), letter.len());
            command.extend_from_slice(literal.as_bytes());
            command.extend_from_slice(letter);
        }
        command.extend_from_slice(b"\r\n");
        self.stream.send(&command)?;
        Ok(tag)
    }

    /// Begins to idle, and awaits the server's consent.
    ///
    /// # Errors
    /// If it doesn't consent.
    pub fn idle(&mut self) -> Result<Tag, Failed> {
        let tag = self.send("IDLE")?;
        let line = self.line()?;
        match line.starts_with(b"+") {
            true => Ok(tag),
            false => Err(Failed::refused(&line)),
        }
    }

    /// Ends idling.
    ///
    /// # Errors
    /// If the server has gone meanwhile.
    pub fn done(&mut self, tag: &Tag) -> Result<(), Failed> {
        self.stream.send(b"DONE\r\n")?;
        self.await_ok(tag).map(drop)
    }

    /// Says goodbye, and awaits it.
    ///
    /// # Errors
    /// If the server doesn't.
    pub fn logout(mut self) -> Result<(), Failed> {
        self.run("LOGOUT").map(drop)
    }

    fn tag(&mut self) -> Tag {
        self.commands += 1;
        Tag(format!("zq{}", self.commands))
    }

    fn answer(&mut self, tag: &Tag, mut take: impl FnMut(&[u8])) -> Result<(), Failed> {
        let mut ending = Ending::of(&tag.0);
        loop {
            let count = self.stream.receive(&mut self.room)?;
            let piece = &self.room[..count];
            take(piece);
            if ending.is_in(piece) {
                break;
            }
        }
        match ending.said().starts_with(b"OK") {
            true => Ok(()),
            false => Err(Failed::refused(ending.said())),
        }
    }

    /// A single line, when nothing can follow it.
    fn line(&mut self) -> Result<Vec<u8>, Failed> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let count = self.stream.receive(&mut self.room)?;
            line.extend_from_slice(&self.room[..count]);
        }
        Ok(line)
    }
}

/// A letter, with its internal date or without.
pub type Dated<'a> = (&'a [u8], Option<String>);

/// The number behind a word of an answer (`MESSAGES 3`).
pub fn number(answer: &[u8], word: &str) -> Option<u64> {
    let at = memchr::memmem::find(answer, word.as_bytes())? + word.len();
    let rest = answer[at..].strip_prefix(b" ")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_behind_its_word() {
        let answer = b"* STATUS big (MESSAGES 50000 UIDNEXT 50001)\r\nzq1 OK\r\n";
        assert_eq!(number(answer, "MESSAGES"), Some(50_000));
        assert_eq!(number(answer, "UIDNEXT"), Some(50_001));
        assert_eq!(number(answer, "UNSEEN"), None);
        assert_eq!(number(answer, "big"), None);
    }
}
