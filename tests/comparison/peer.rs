//! One of the two servers that are compared, spoken to byte by byte.

use harness::Session;
use std::collections::VecDeque;

/// A server, logged in to.
pub struct Peer<'a> {
    login: Box<dyn Fn() -> Session + 'a>,
    session: Session,
    tags: VecDeque<String>,
    asked: u32,
}

/// All that a server said to one command.
#[derive(Debug)]
pub struct Reply {
    /// The untagged responses, literals included, without `* `.
    pub untagged: Vec<Vec<u8>>,
    /// The tagged one without its tag.
    pub tagged: String,
}

impl Reply {
    /// Whether the command did what it was to do.
    pub fn is_ok(&self) -> bool {
        self.tagged.starts_with("OK")
    }

    /// OK, NO or BAD, with the response code, if it has one.
    pub fn verdict(&self) -> &str {
        let end = match self.tagged.find('[') {
            Some(3 | 4) => self.tagged.find(']').map(|at| at + 1),
            _ => self.tagged.find(' '),
        };
        &self.tagged[..end.unwrap_or(self.tagged.len())]
    }
}

impl<'a> Peer<'a> {
    /// Logs in, now and whenever the server has ended a session.
    pub fn new(login: impl Fn() -> Session + 'a) -> Self {
        Self {
            session: login(),
            login: Box::new(login),
            tags: VecDeque::new(),
            asked: 0,
        }
    }

    /// Sends a command; what it brings is to be read with [`Self::reply`].
    pub fn ask(&mut self, command: &[u8]) {
        self.asked += 1;
        let tag = format!("c{}", self.asked);
        let line = [tag.as_bytes(), b" ", command, b"\r\n"].concat();
        self.session.send(&line);
        self.tags.push_back(tag);
    }

    /// The reply to the oldest command that has none.
    pub fn reply(&mut self) -> Reply {
        let tag = self.tags.pop_front().expect("something was asked");
        let ending = format!("{tag} ");
        let mut untagged = Vec::new();
        loop {
            let Some(response) = self.session.read_response() else {
                return self.ended(untagged);
            };
            if response.starts_with(ending.as_bytes()) {
                let tagged = String::from_utf8_lossy(&response[ending.len()..]).into_owned();
                return Reply { untagged, tagged };
            }
            untagged.extend(response.strip_prefix(b"* ").map(<[u8]>::to_vec));
        }
    }

    /// The server has closed the connection instead of answering.
    fn ended(&mut self, untagged: Vec<Vec<u8>>) -> Reply {
        assert!(self.tags.is_empty(), "several commands are lost at once");
        self.session = (self.login)();
        self.must("EXAMINE letters");
        Reply {
            untagged,
            tagged: "CLOSED ".to_owned(),
        }
    }

    /// Sends a command and reads the reply.
    pub fn command(&mut self, command: &str) -> Reply {
        self.ask(command.as_bytes());
        self.reply()
    }

    /// As [`Self::command`], of which all depends.
    pub fn must(&mut self, command: &str) {
        let reply = self.command(command);
        assert!(reply.is_ok(), "{command}: {}", reply.tagged);
    }

    /// Sends a letter to a mailbox.
    pub fn ask_append(&mut self, mailbox: &str, letter: &[u8]) {
        self.ask_append_to(mailbox, letter);
    }

    /// The same, as one that arrived at some time.
    pub fn ask_append_of(&mut self, mailbox: &str, arrival: &str, letter: &[u8]) {
        self.ask_append_to(&format!("{mailbox} \"{arrival}\""), letter);
    }

    fn ask_append_to(&mut self, place: &str, letter: &[u8]) {
        let head = format!("APPEND {place} {{{}+}}\r\n", letter.len());
        self.ask(&[head.as_bytes(), letter].concat());
    }
}
