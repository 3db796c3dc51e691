//! Letters that name themselves: whoever has the name has every byte, so that a letter
//! can be checked wherever it turns up.

use journal::sim::Random;

/// A letter of this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter {
    /// Which run, so that what others have left in a mailbox isn't taken for ours.
    pub run: u64,
    /// The connection that made it.
    pub owner: u16,
    /// Which of its letters.
    pub number: u32,
    /// Whether only its owner may change its flags, which it then knows whole.
    pub private: bool,
}

/// The header that names a letter.
pub const HEADER: &str = "X-Letter";

impl std::fmt::Display for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.private { "private" } else { "shared" };
        write!(f, "{}-{}-{}-{kind}", self.run, self.owner, self.number)
    }
}

impl Letter {
    /// The letter that a header names, if it is one of this run.
    #[must_use]
    pub fn named_in(bytes: &[u8], run: u64) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().take_while(|line| !line.is_empty());
        let mut values = lines.filter_map(|line| line.strip_prefix(HEADER)?.strip_prefix(": "));
        Self::named(values.next()?).filter(|letter| letter.run == run)
    }

    /// The letter of a name.
    fn named(name: &str) -> Option<Self> {
        let mut parts = name.trim().split('-');
        Some(Self {
            run: parts.next()?.parse().ok()?,
            owner: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
            private: match parts.next()? {
                "private" => true,
                "shared" => false,
                _ => return None,
            },
        })
    }

    /// Its bytes: mostly short, seldom longer than what a journal's record takes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let seed = u64::from(self.owner) << 32 | u64::from(self.number);
        let mut random = Random::new(seed);
        let lines = match random.below(100) {
            0 => 5000,
            1..=5 => 400,
            _ => random.below(30),
        };
        let mut letter = format!(
            "From: Sender {} <sender@example.net>\r\nTo: alice@example.org\r\n\
             Subject: Letter {self}\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
             Message-ID: <{self}@example.net>\r\n{HEADER}: {self}\r\n\r\nThis is {self}.\r\n",
            self.owner,
        );
        for _ in 0..lines {
            let line = format!(
                "{:016x} {:016x} lorem ipsum\r\n",
                random.draw(),
                random.draw()
            );
            letter.push_str(&line);
        }
        letter.into_bytes()
    }

    /// Where the text begins.
    #[must_use]
    pub fn text_at(bytes: &[u8]) -> usize {
        memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4)
    }
}

#[cfg(test)]
mod tests {
    use super::Letter;

    #[test]
    fn a_letter_names_itself() {
        let letter = Letter {
            run: 17,
            owner: 3,
            number: 9,
            private: true,
        };
        assert_eq!(Letter::named_in(&letter.bytes(), 17), Some(letter));
        assert_eq!(Letter::named_in(&letter.bytes(), 18), None);
        assert_eq!(letter.bytes(), letter.bytes());
    }
}
