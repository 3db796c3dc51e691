//! Contents of letters, with the header fields that describe them.

use super::Author;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a letter is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// ASCII.
    Plain,
    /// UTF-8 in 8 bits.
    Utf8,
    /// UTF-8 in quoted-printable.
    Quoted,
    /// Text and the same as HTML.
    Alternative,
    /// Text and a file in base64.
    Attachment,
    /// Text and another letter.
    Forwarded,
}

/// How often each kind is met.
pub(super) const MIXTURE: [Kind; 21] = {
    use Kind::*;
    [
        Plain,
        Plain,
        Plain,
        Plain,
        Plain,
        Plain,
        Plain,
        Plain,
        Utf8,
        Utf8,
        Quoted,
        Quoted,
        Alternative,
        Alternative,
        Alternative,
        Alternative,
        Alternative,
        Attachment,
        Attachment,
        Attachment,
        Forwarded,
    ]
};

/// What is forwarded is no forwarded letter itself.
const FORWARDED: [Kind; 3] = [Kind::Plain, Kind::Alternative, Kind::Attachment];

impl Author {
    /// Fields of the content, an empty line, and the content, of about this size.
    pub(super) fn body(&mut self, size: usize, kind: Kind) -> String {
        match kind {
            Kind::Plain => text_part("us-ascii", "7bit", &self.text(size, 0)),
            Kind::Utf8 => text_part("utf-8", "8bit", &self.text(size, 20)),
            Kind::Quoted => {
                let text = quoted(&self.text(size * 4 / 5, 10));
                text_part("utf-8", "quoted-printable", &text)
            }
            Kind::Alternative => self.alternative(size),
            Kind::Attachment => self.attachment(size),
            Kind::Forwarded => self.forwarded(size),
        }
    }

    fn alternative(&mut self, size: usize) -> String {
        let plain = text_part("utf-8", "7bit", &self.text(size / 3, 0));
        let text = self.text(size / 2, 0);
        let lines: String = text
            .lines()
            .map(|line| format!("<p>{line}</p>\r\n"))
            .collect();
        let html = quoted(&format!("<html><body>\r\n{lines}</body></html>\r\n"));
        let html = format!(
            "Content-Type: text/html; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n{html}"
        );
        self.multipart("alternative", &[plain, html])
    }

    fn attachment(&mut self, size: usize) -> String {
        let text = self.text((size / 4).min(1500), 0);
        let bytes = (size.saturating_sub(text.len()) * 73 / 100).max(64);
        let file = wrapped(&STANDARD.encode(self.random.bytes(bytes)));
        let name = self.words(1, 0);
        let file = format!(
            "Content-Type: application/pdf; name=\"{name}.pdf\"\r\n\
             Content-Disposition: attachment; filename=\"{name}.pdf\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{file}"
        );
        self.multipart("mixed", &[text_part("us-ascii", "7bit", &text), file])
    }

    fn forwarded(&mut self, size: usize) -> String {
        let text = self.text(200, 0);
        let kind = self.random.choose(&FORWARDED);
        let number = self.random.below(1_000_000) as u64;
        let inner = self.letter(number, size.saturating_sub(600), kind);
        let inner = format!(
            "Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n{}",
            String::from_utf8_lossy(&inner)
        );
        self.multipart("mixed", &[text_part("us-ascii", "7bit", &text), inner])
    }

    fn multipart(&mut self, subtype: &str, parts: &[String]) -> String {
        let boundary = format!("=_b{:016x}", self.random.next());
        let mut whole = format!(
            "MIME-Version: 1.0\r\n\
             Content-Type: multipart/{subtype}; boundary=\"{boundary}\"\r\n\r\n\
             This is a multi-part message.\r\n"
        );
        for part in parts {
            whole += &format!("--{boundary}\r\n{part}\r\n");
        }
        whole + &format!("--{boundary}--\r\n")
    }

    fn text(&mut self, size: usize, foreign: usize) -> String {
        let mut text = String::new();
        while text.len() < size {
            let count = 6 + self.random.below(7);
            text += &self.words(count, foreign);
            text += "\r\n";
            if self.random.chance(8) {
                text += "\r\n";
            }
        }
        text
    }
}

fn text_part(charset: &str, encoding: &str, text: &str) -> String {
    format!(
        "Content-Type: text/plain; charset={charset}\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n{text}"
    )
}

/// RFC 2045 §6.7, with soft breaks where a line would pass 76 characters.
fn quoted(text: &str) -> String {
    let mut whole = String::new();
    for line in text.lines() {
        let mut column = 0;
        for byte in line.bytes() {
            let plain = (b' '..=b'~').contains(&byte) && byte != b'=';
            let width = if plain { 1 } else { 3 };
            if column + width > 75 {
                whole.push_str("=\r\n");
                column = 0;
            }
            column += width;
            match plain {
                true => whole.push(byte.into()),
                false => whole += &format!("={byte:02X}"),
            }
        }
        whole.push_str("\r\n");
    }
    whole
}

fn wrapped(text: &str) -> String {
    let mut whole = String::new();
    for line in text.as_bytes().chunks(76) {
        whole += &String::from_utf8_lossy(line);
        whole += "\r\n";
    }
    whole
}
