//! The letters that both servers get: of many kinds and sizes, and the same, byte by
//! byte, in every run and on every machine.
//!
//! The mixture is that of a usual mailbox: plain text, text with accents in 8 bits or
//! quoted-printable, text beside HTML, attachments, forwarded letters.

mod body;
pub mod date;
mod random;
mod words;

pub use random::Random;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use body::Kind;

/// 2020-01-01: when the first letter was sent.
pub const FIRST_SENT: u64 = 1_577_836_800;

/// Seconds between a letter and the next.
const APART: u64 = 613;

/// Bytes of the letters of the large mailbox: from and below.
const SIZES: std::ops::Range<usize> = 2048..8192;

/// The letters of the large mailbox, without end.
pub fn mixed() -> impl Iterator<Item = Vec<u8>> {
    let mut author = Author::new(42);
    (0..).map(move |number| {
        let size = SIZES.start + author.random.below(SIZES.len());
        let kind = author.random.choose(&body::MIXTURE);
        author.letter(number, size, kind)
    })
}

/// Plain letters of 8 KiB, to deliver and append.
pub fn plain(count: u64) -> Vec<Vec<u8>> {
    let mut author = Author::new(7);
    let letters = (0..count).map(|number| author.letter(number, 8192, Kind::Plain));
    letters.collect()
}

/// When the letter of this number arrived, in seconds since 1970.
pub const fn arrived(number: u64) -> u64 {
    FIRST_SENT + number * APART
}

/// Who writes letters.
struct Author {
    random: Random,
    plain: Vec<&'static str>,
    foreign: Vec<&'static str>,
    first: Vec<&'static str>,
    last: Vec<&'static str>,
    domains: Vec<&'static str>,
}

impl Author {
    fn new(seed: u64) -> Self {
        Self {
            random: Random::from(seed),
            plain: words::of(words::PLAIN),
            foreign: words::of(words::FOREIGN),
            first: words::of(words::FIRST),
            last: words::of(words::LAST),
            domains: words::of(words::DOMAINS),
        }
    }

    fn letter(&mut self, number: u64, size: usize, kind: Kind) -> Vec<u8> {
        let mut letter = self.header(number);
        let rest = size.saturating_sub(letter.len() + 150).max(100);
        letter.push_str(&self.body(rest, kind));
        letter.into_bytes()
    }

    /// Everything but the fields of the content.
    fn header(&mut self, number: u64) -> String {
        let sent = arrived(number) + self.random.below(600) as u64;
        let mut header = self.trace(number, sent);
        header += &format!("From: {}\r\nTo: {}\r\n", self.address(), self.recipients());
        header += &format!("Subject: {}\r\n", encoded(&self.subject(number)));
        header += &format!("Date: {}\r\n", date::header(sent));
        header += &format!("Message-ID: {}\r\n", identifier(number));
        if self.random.chance(30) {
            header += &format!("Cc: {}\r\n", self.address());
        }
        header += &self.thread(number);
        if self.random.chance(30) {
            header += &format!("List-Id: <list{}.lists.example>\r\n", self.random.below(20));
        }
        header
    }

    fn trace(&mut self, number: u64, sent: u64) -> String {
        let (bounce, relay) = (self.domain(), self.domain());
        let (host, network) = (self.random.below(9), self.random.below(255));
        format!(
            "Return-Path: <bounce-{number}@{bounce}>\r\n\
             Received: from mx{host}.{relay} (mx [192.0.2.{network}])\r\n\
             \tby mail.example with ESMTPS id {:08X};\r\n\t{}\r\n",
            self.random.next() & 0xffff_ffff,
            date::header(sent + 5)
        )
    }

    fn thread(&mut self, number: u64) -> String {
        let place = number % 7;
        if place == 0 || !self.random.chance(50) {
            return String::new();
        }
        let back = 1 + self.random.below(place as usize) as u64;
        let parent = identifier(number - back);
        format!("In-Reply-To: {parent}\r\nReferences: {parent}\r\n")
    }

    fn subject(&mut self, number: u64) -> String {
        let count = 2 + self.random.below(6);
        let own = self.words(count, 15);
        if !self.random.chance(40) {
            return own;
        }
        let matter = number / 7;
        let word = |at: u64| self.plain[((matter + at) % self.plain.len() as u64) as usize];
        format!("Re: {} {} {} {matter}", word(0), word(1), word(2))
    }

    fn recipients(&mut self) -> String {
        let count = self.random.choose(&[1, 1, 1, 2, 3]);
        let all: Vec<String> = (0..count).map(|_| self.address()).collect();
        all.join(",\r\n\t")
    }

    fn address(&mut self) -> String {
        let first = self.random.choose(&self.first);
        let last = self.random.choose(&self.last);
        let ascii: String = last.chars().filter(char::is_ascii).collect();
        let number = self.random.below(50);
        let (first_low, last_low) = (first.to_lowercase(), ascii.to_lowercase());
        let shown = encoded(&format!("{first} {last}"));
        format!("{shown} <{first_low}.{last_low}{number}@{}>", self.domain())
    }

    fn domain(&mut self) -> &'static str {
        self.random.choose(&self.domains)
    }

    /// Words, of which so many in a hundred are foreign.
    fn words(&mut self, count: usize, foreign: usize) -> String {
        let mut text = String::new();
        for at in 0..count {
            let all = match self.random.chance(foreign) {
                true => &self.foreign,
                false => &self.plain,
            };
            text.push_str(if at == 0 { "" } else { " " });
            text.push_str(self.random.choose(all));
        }
        text
    }
}

fn identifier(number: u64) -> String {
    let mixed = number.wrapping_mul(2_654_435_761) & 0xffff_ffff;
    format!("<m{number}.{mixed:08x}@example.com>")
}

/// An unstructured value, as RFC 2047 wants it.
fn encoded(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_owned(),
        false => format!("=?utf-8?B?{}?=", STANDARD.encode(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letters: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        letters.for_each(|letter| digest.update(&letter));
        digest.finish().as_ref()[..4].to_vec()
    }

    #[test]
    fn letters_are_the_same_in_every_run() {
        assert_eq!(digest(mixed().take(500)), digest(mixed().take(500)));
        assert_eq!(
            digest(mixed().take(500)),
            [84, 2, 166, 190],
            "and on every machine"
        );
        assert_eq!(digest(plain(64).into_iter()), [75, 43, 199, 27]);
    }

    #[test]
    fn letters_have_the_sizes_that_the_table_names() {
        assert!(
            plain(64)
                .iter()
                .all(|letter| (7900..8500).contains(&letter.len()))
        );
        let sizes: Vec<usize> = mixed().take(1000).map(|letter| letter.len()).collect();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((4000..6500).contains(&mean), "{mean}");
        assert!(sizes.iter().all(|size| (500..16_000).contains(size)));
    }

    #[test]
    fn every_line_ends_as_mail_wants_it() {
        for letter in mixed().take(1000) {
            assert!(letter.ends_with(b"\r\n"));
            let text = String::from_utf8(letter).expect("UTF-8");
            assert!(text.replace("\r\n", "").find(['\r', '\n']).is_none());
            assert!(text.contains("\r\n\r\n"));
        }
    }
}
