//! LMTP: one recipient for each letter, and what may be pipelined is.

use super::stream::{Stream, Trust};
use crate::failed::Failed;

/// Bytes received at once; a reply is a few lines.
const ROOM_BYTES: usize = 4096;

/// A connection.
#[derive(Debug)]
pub struct Lmtp {
    stream: Stream,
    replies: Replies,
}

impl Lmtp {
    /// Takes a connection in the clear as far as the first letter.
    ///
    /// # Errors
    /// If the server doesn't greet.
    pub fn greeted(stream: Stream) -> Result<Self, Failed> {
        let mut lmtp = Self::on(stream);
        lmtp.reply()?;
        lmtp.say("LHLO bench.example\r\n")?;
        Ok(lmtp)
    }

    /// The same, by way of STARTTLS.
    ///
    /// # Errors
    /// If the server doesn't greet or has no TLS.
    pub fn secured(stream: Stream, trust: &Trust) -> Result<Self, Failed> {
        let mut clear = Self::greeted(stream)?;
        clear.say("STARTTLS\r\n")?;
        let mut lmtp = Self::on(clear.stream.secure(trust)?);
        lmtp.say("LHLO bench.example\r\n")?;
        Ok(lmtp)
    }

    /// Delivers a letter that was made [`dotted`], and awaits the server's word for it.
    ///
    /// # Errors
    /// If the server doesn't take it.
    pub fn deliver(&mut self, user: &str, letter: &[u8]) -> Result<(), Failed> {
        let envelope = format!("MAIL FROM:<bench@example.com>\r\nRCPT TO:<{user}>\r\nDATA\r\n");
        self.say(&envelope)?;
        self.reply()?;
        self.reply()?;
        self.stream.send(letter)?;
        self.reply()
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// If the server doesn't.
    pub fn quit(mut self) -> Result<(), Failed> {
        self.say("QUIT\r\n")
    }

    fn on(stream: Stream) -> Self {
        Self {
            stream,
            replies: Replies::default(),
        }
    }

    fn say(&mut self, line: &str) -> Result<(), Failed> {
        self.stream.send(line.as_bytes())?;
        self.reply()
    }

    /// Awaits one reply, which has to be a good one.
    fn reply(&mut self) -> Result<(), Failed> {
        let mut room = [0; ROOM_BYTES];
        loop {
            if let Some(reply) = self.replies.next() {
                return match reply.first() {
                    Some(b'2' | b'3') => Ok(()),
                    _ => Err(Failed::refused(&reply)),
                };
            }
            let count = self.stream.receive(&mut room)?;
            self.replies.unread.extend_from_slice(&room[..count]);
        }
    }
}

/// What was received and not yet looked at.
#[derive(Debug, Default)]
struct Replies {
    unread: Vec<u8>,
}

impl Replies {
    /// The next whole reply's last line (RFC 5321 §4.2.1).
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut start = 0;
        while let Some(end) = memchr::memchr(b'\n', &self.unread[start..]) {
            let line = &self.unread[start..=start + end];
            if line.get(3) != Some(&b'-') {
                let line = line.to_vec();
                self.unread.drain(..=start + end);
                return Some(line);
            }
            start += end + 1;
        }
        None
    }
}

/// A letter as DATA wants it: dots doubled where they begin a line, and one at the end.
pub fn dotted(letter: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(letter.len() + 16);
    for line in letter.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            whole.push(b'.');
        }
        whole.extend_from_slice(line);
    }
    if !whole.ends_with(b"\r\n") {
        whole.extend_from_slice(b"\r\n");
    }
    whole.extend_from_slice(b".\r\n");
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_with_the_first_line_without_a_hyphen() {
        let mut replies = Replies::default();
        replies
            .unread
            .extend_from_slice(b"250-one\r\n250-two\r\n250 thr");
        assert_eq!(replies.next(), None);
        replies.unread.extend_from_slice(b"ee\r\n354 go on\r\n");
        assert_eq!(replies.next().as_deref(), Some(&b"250 three\r\n"[..]));
        assert_eq!(replies.next().as_deref(), Some(&b"354 go on\r\n"[..]));
        assert_eq!(replies.next(), None);
    }

    #[test]
    fn no_line_of_a_letter_ends_it_early() {
        assert_eq!(dotted(b"a\r\n.\r\n.b"), b"a\r\n..\r\n..b\r\n.\r\n");
        assert_eq!(dotted(b""), b"\r\n.\r\n");
    }
}
