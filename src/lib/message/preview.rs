//! The first words of a letter, as a list shows them (RFC 8970).
//!
//! They come from the first part that a reader would see, are decoded, and have
//! their white space folded. Reading them is bounded whatever the letter holds:
//! from a few KiB of it, linear, without recursion. It is text to show, made of a
//! stranger's bytes: never to be taken for markup, and without control characters.

use crate::decode::{CharsetDecoder, MarkupDecoder, TransferDecoder, TransferEncoding};
use crate::structure::{Inside, Part, Span, Structure};

/// Characters of a preview (RFC 8970 §3.1: at most 200).
pub const PREVIEW_CHARS_MAX: usize = 200;

/// Bytes of a letter that a preview is made from. Base64 and markup take their
/// share; style sheets of advertisements can take all of it, and then there is no
/// preview.
pub const PREVIEW_SOURCE_BYTES_MAX: u64 = 16 << 10;

/// Whether a text is such as previews are: what others have kept may be anything.
pub fn is_preview(text: &str) -> bool {
    text.chars().nth(PREVIEW_CHARS_MAX).is_none() && !text.contains(char::is_control)
}

/// Where in a letter the words of its preview stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The bytes to read: at most [`PREVIEW_SOURCE_BYTES_MAX`].
    pub span: Span,
    encoding: TransferEncoding,
    charset: Vec<u8>,
    markup: bool,
}

impl Source {
    /// The first part that is shown as text: a plain one, else HTML. None if there
    /// is none.
    pub fn of(structure: &Structure) -> Option<Self> {
        let shown = |subtype: &'static str| {
            let parts = structure.parts().iter();
            parts.filter(move |part| is_shown(part, subtype))
        };
        let plain = shown("plain").next();
        plain
            .and_then(|part| Self::new(part, false))
            .or_else(|| Self::new(shown("html").next()?, true))
    }

    fn new(part: &Part, markup: bool) -> Option<Self> {
        let limit = part.body.start.saturating_add(PREVIEW_SOURCE_BYTES_MAX);
        Some(Self {
            span: Span {
                end: part.body.end.min(limit),
                ..part.body
            },
            encoding: TransferEncoding::named(&part.content.encoding)?,
            charset: charset(part).to_vec(),
            markup,
        })
    }

    /// The preview, from the bytes of the span.
    pub fn words(&self, bytes: &[u8]) -> String {
        let mut words = Words::default();
        let text = self.decoded(bytes);
        match self.markup {
            true => words.push_all(&seen(&text)),
            false => words.push_all(&text),
        }
        words.out
    }

    fn decoded(&self, bytes: &[u8]) -> String {
        let (mut plain, mut text) = (Vec::new(), String::new());
        let mut transfer = TransferDecoder::new(self.encoding);
        transfer.push(bytes, &mut plain);
        transfer.finish(&mut plain);
        // Not finished: a character that is cut off at the end is left out.
        CharsetDecoder::new(&self.charset).push(&plain, &mut text);
        text
    }
}

/// The part's charset. 8-bit text that claims to be ASCII is nearly always UTF-8.
fn charset(part: &Part) -> &[u8] {
    let charset = part.content.param(b"charset").unwrap_or_default();
    match charset.eq_ignore_ascii_case(b"us-ascii") {
        true => b"utf-8",
        false => charset,
    }
}

/// Whether a part is text of this kind that isn't attached.
fn is_shown(part: &Part, subtype: &str) -> bool {
    let content = &part.content;
    let attached = content
        .disposition
        .as_ref()
        .is_some_and(|it| it.kind.eq_ignore_ascii_case(b"attachment"));
    part.inside == Inside::Leaf
        && content.is("text")
        && content.subtype.eq_ignore_ascii_case(subtype.as_bytes())
        && part.body.octets() > 0
        && !attached
}

/// Words with one space between them.
#[derive(Default)]
struct Words {
    out: String,
    chars: usize,
    space: bool,
}

impl Words {
    fn is_full(&self) -> bool {
        self.chars >= PREVIEW_CHARS_MAX
    }

    fn push_all(&mut self, text: &str) {
        for char in text.chars() {
            if self.is_full() {
                return;
            }
            self.push(char);
        }
    }

    fn push(&mut self, char: char) {
        if char.is_whitespace() || char.is_control() || is_invisible(char) {
            self.space = true;
        } else {
            if std::mem::take(&mut self.space) && self.chars > 0 {
                self.add(' ');
            }
            self.add(char);
        }
    }

    fn add(&mut self, char: char) {
        if !self.is_full() {
            self.out.push(char);
            self.chars = self.chars.saturating_add(1);
        }
    }
}

/// What advertisements fill their first lines with, and what turns a line round.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Elements whose text isn't shown.
const UNSEEN: [&str; 4] = ["head", "script", "style", "title"];

/// The text of HTML: crudely, for it is shown as text and nothing depends on it.
fn seen(markup: &str) -> String {
    let (mut decoder, mut text) = (MarkupDecoder::new(&UNSEEN), String::new());
    decoder.push(markup, &mut text);
    decoder.finish(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Scanner;
    use proptest::prelude::*;

    fn preview(letter: &str) -> String {
        let mut scanner = Scanner::new();
        scanner.feed(letter.as_bytes());
        let Some(source) = Source::of(&scanner.finish()) else {
            return "none".to_owned();
        };
        let (start, end) = (source.span.start as usize, source.span.end as usize);
        source.words(&letter.as_bytes()[start..end])
    }

    #[test]
    fn the_first_words_stand_on_one_line() {
        assert_eq!(
            preview("Subject: x\n\n Dear  Bob,\r\n\r\nhow\tare you?\n"),
            "Dear Bob, how are you?"
        );
        assert_eq!(preview("\n"), "none");
    }

    #[test]
    fn a_preview_is_decoded() {
        let head = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: ";
        assert_eq!(
            preview(&format!("{head}quoted-printable\n\nGr=FC=DFe")),
            "Grüße"
        );
        assert_eq!(preview(&format!("{head}base64\n\nR3L8\n32U=")), "Grüße");
        assert_eq!(preview(&format!("{head}x-nothing\n\nabc")), "none");
    }

    #[test]
    fn plain_text_goes_before_html_and_attached_text_is_none() {
        let parts =
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>h\n";
        let plain = "--b\nContent-Type: text/plain\n\np\n";
        let attached = "--b\nContent-Disposition: attachment\n\na\n";
        assert_eq!(preview(&format!("{parts}{attached}{plain}--b--")), "p");
        assert_eq!(preview(&format!("{parts}{attached}--b--")), "h");
    }

    #[test]
    fn html_gives_its_text() {
        let html = |text: &str| preview(&format!("Content-Type: text/html\n\n{text}"));
        assert_eq!(
            html("<style>p{}</style><p>a &lt;b&#62; &amp;c&nope;<!-- <b> -->d"),
            "a <b> &c&nope;d"
        );
        assert_eq!(
            html("<STYLE type=x>a</head>b</style >c<title>d</title>e"),
            "c e"
        );
        assert_eq!(html("a<b"), "a");
        assert_eq!(html("a&#xD800;&#0;b"), "a&#xD800; b");
    }

    #[test]
    fn what_is_not_seen_is_not_shown() {
        assert_eq!(preview("\n\u{200b}\u{202e}a\u{7}b\u{ad}"), "a b");
    }

    #[test]
    fn two_hundred_characters_are_enough() {
        assert_eq!(
            preview(&format!("\n{}", "äx ".repeat(9000)))
                .chars()
                .count(),
            PREVIEW_CHARS_MAX
        );
    }

    proptest! {
        #[test]
        fn any_markup_gives_a_short_line(
            text in "([<>&;/!#x-]|--|style|head|amp|ä|[ \n]|[0-9]){0,60}",
        ) {
            let words = preview(&format!("Content-Type: text/html; charset=utf-8\n\n{text}"));
            prop_assert!(words.chars().count() <= PREVIEW_CHARS_MAX);
            prop_assert!(!words.chars().any(char::is_control));
            prop_assert!(!words.starts_with(' ') && !words.contains("  "));
        }
    }
}
