//! Looking for strings in bodies.
//!
//! Both sides are folded. Text parts, and those of message types that are no letters,
//! are decoded, with their transfer encoding and charset, and so are the headers of
//! parts and of letters within. Of HTML only what its reader sees is text. Other parts are
//! not text, and neither is what stands before the first boundary and behind the last (RFC
//! 2046 §5.1.1).

use super::fold::{fold, fold_onto};
use super::header;
use crate::imap::client::Client;
use crate::imap::letter::{Letter, Trouble};
use crate::shapes::Depth;
use memchr::memmem::Finder;
use message::decode::{self, CharsetDecoder, MarkupDecoder, TransferDecoder, TransferEncoding};
use message::{Part, Span};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// A string that is looked for, folded.
#[derive(Debug, Clone)]
pub struct Needle {
    text: String,
    finder: Finder<'static>,
}

impl Needle {
    /// Folds what the client wrote.
    pub fn new(text: &str) -> Self {
        let text = fold(text);
        Self {
            finder: Finder::new(&text).into_owned(),
            text,
        }
    }

    /// As it was folded.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is in a folded text.
    pub fn is_in(&self, folded: &str) -> bool {
        self.finder.find(folded.as_bytes()).is_some()
    }
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Needle {}

impl PartialOrd for Needle {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Needle {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

/// Where a string is looked for (RFC 9051 §6.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Within {
    /// BODY: in the text, "unlike TEXT, this doesn't match any header fields".
    Body,
    /// TEXT: "in the header (including MIME header fields) or body".
    Text,
}

/// A string that is looked for behind the letter's own header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted<'k> {
    /// Where.
    pub within: Within,
    /// The string.
    pub needle: &'k Needle,
}

/// Which strings are there.
#[derive(Debug, Default)]
pub struct Found {
    body: BTreeSet<Needle>,
    text: BTreeSet<Needle>,
    to_its_end: bool,
}

impl Found {
    /// None.
    #[cfg(test)]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Whether the letter was looked through to its end.
    pub fn to_its_end(&self) -> bool {
        self.to_its_end
    }

    /// Whether this one is.
    pub fn has(&self, wanted: Wanted<'_>) -> bool {
        let set = match wanted.within {
            Within::Body => &self.body,
            Within::Text => &self.text,
        };
        set.contains(wanted.needle)
    }

    fn add(&mut self, wanted: Wanted<'_>) {
        let set = match wanted.within {
            Within::Body => &mut self.body,
            Within::Text => &mut self.text,
        };
        set.insert(wanted.needle.clone());
    }
}

/// A stretch of a letter that is text.
enum Text {
    /// The header of a part.
    Header(Span),
    /// A part's body.
    Body(Body),
}

struct Body {
    span: Span,
    encoding: TransferEncoding,
    charset: Vec<u8>,
    is_html: bool,
}

/// Elements of HTML that nobody reads.
const UNSEEN: [&str; 2] = ["script", "style"];

/// A letter that nobody may look into is text as a whole, since nobody knows better.
fn flat(letter: &Letter) -> Vec<Text> {
    vec![Text::Body(Body {
        span: letter.whole(),
        encoding: TransferEncoding::Identity,
        charset: Vec::new(),
        is_html: false,
    })]
}

fn texts(parts: &[Part]) -> Vec<Text> {
    let texts = parts
        .iter()
        .flat_map(|part| [header_of_part(part), body(part)]);
    texts.flatten().collect()
}

/// Of the letter's own header somebody else takes care.
fn header_of_part(part: &Part) -> Option<Text> {
    part.parent.map(|_| Text::Header(part.header))
}

fn body(part: &Part) -> Option<Text> {
    let content = &part.content;
    let is_text = content.is("text") || content.is("message");
    let encoding = TransferEncoding::named(&content.encoding)?;
    let charset = decode::param_text(&content.params, "charset").unwrap_or_default();
    let body = Body {
        span: part.body,
        encoding,
        charset: charset.into_bytes(),
        is_html: content.is("text") && content.subtype.eq_ignore_ascii_case(b"html"),
    };
    (is_text && part.inside == message::Inside::Leaf).then_some(Text::Body(body))
}

/// Looks for what a key wants, in one letter's text after the other's, all at once.
pub struct TextSearch<'k> {
    wanted: Vec<Wanted<'k>>,
    missing: Vec<Wanted<'k>>,
    found: Found,
    /// Bytes that a needle may reach back.
    overlap: usize,
    encoding: TransferEncoding,
    transfer: TransferDecoder,
    charset: CharsetDecoder,
    markup: Option<MarkupDecoder>,
    /// A piece without its transfer encoding, as text, and what of that is seen.
    decoded: Vec<u8>,
    plain: String,
    seen: String,
    /// What is being looked through, folded.
    text: String,
}

impl<'k> TextSearch<'k> {
    /// For these strings.
    pub fn new(mut wanted: Vec<Wanted<'k>>) -> Self {
        wanted.sort();
        wanted.dedup();
        let lengths = wanted.iter().map(|wanted| wanted.needle.text.len());
        Self {
            overlap: lengths.max().unwrap_or(0),
            wanted,
            missing: Vec::new(),
            found: Found::default(),
            encoding: TransferEncoding::Identity,
            transfer: TransferDecoder::new(TransferEncoding::Identity),
            charset: CharsetDecoder::new(b""),
            markup: None,
            decoded: Vec::new(),
            plain: String::new(),
            seen: String::new(),
            text: String::new(),
        }
    }

    /// Looks through a letter. It must have been noted; see [`crate::suspects`].
    pub async fn read(
        &mut self,
        client: &mut Client,
        letter: &mut Letter,
    ) -> Result<Found, Trouble> {
        let texts = find_texts(client, letter).await?;
        self.missing.clone_from(&self.wanted);
        self.found = Found::default();
        for text in texts {
            match text {
                Text::Header(span) => self.header(client, letter, span).await?,
                Text::Body(body) => self.body(client, letter, &body).await?,
            }
            if self.is_over() {
                return Ok(std::mem::take(&mut self.found));
            }
        }
        self.found.to_its_end = true;
        Ok(std::mem::take(&mut self.found))
    }

    fn is_over(&self) -> bool {
        self.missing.is_empty()
    }

    fn begin(&mut self, text: &Body) {
        self.encoding = text.encoding;
        self.transfer = TransferDecoder::new(text.encoding);
        self.charset = CharsetDecoder::new(&text.charset);
        self.markup = text.is_html.then(|| MarkupDecoder::new(&UNSEEN));
        self.text.clear();
    }

    fn take(&mut self, piece: &[u8]) {
        self.keep_overlap();
        self.plain.clear();
        match self.encoding {
            TransferEncoding::Identity => self.charset.push(piece, &mut self.plain),
            _ => {
                self.decoded.clear();
                self.transfer.push(piece, &mut self.decoded);
                self.charset.push(&self.decoded, &mut self.plain);
            }
        }
        self.show();
    }

    /// What was decoded is to be looked through, but for markup.
    fn show(&mut self) {
        let Some(markup) = &mut self.markup else {
            return fold_onto(&self.plain, &mut self.text);
        };
        self.seen.clear();
        markup.push(&self.plain, &mut self.seen);
        fold_onto(&self.seen, &mut self.text);
    }

    fn finish(&mut self) {
        let transfer = TransferDecoder::new(TransferEncoding::Identity);
        let transfer = std::mem::replace(&mut self.transfer, transfer);
        let mut charset = std::mem::replace(&mut self.charset, CharsetDecoder::new(b""));
        self.decoded.clear();
        self.plain.clear();
        transfer.finish(&mut self.decoded);
        charset.push(&self.decoded, &mut self.plain);
        charset.finish(&mut self.plain);
        self.show();
        if let Some(markup) = self.markup.take() {
            self.seen.clear();
            markup.finish(&mut self.seen);
            fold_onto(&self.seen, &mut self.text);
        }
    }

    /// Only the end of what was looked through can be part of a find.
    fn keep_overlap(&mut self) {
        let from = self.text.len().saturating_sub(self.overlap);
        let from = self.text.floor_char_boundary(from);
        self.text.drain(..from);
    }

    /// Looks through the header of a part, if anything is wanted there.
    async fn header(
        &mut self,
        client: &mut Client,
        letter: &Letter,
        span: Span,
    ) -> Result<(), Trouble> {
        let is_wanted = |wanted: &Wanted<'_>| wanted.within == Within::Text;
        if self.missing.iter().any(is_wanted) {
            self.text = header::lines(client, letter, span).await?;
            self.look(client, is_wanted).await?;
        }
        Ok(())
    }

    /// Looks through a part's text, until nothing is missing.
    async fn body(
        &mut self,
        client: &mut Client,
        letter: &Letter,
        body: &Body,
    ) -> Result<(), Trouble> {
        self.begin(body);
        let mut pieces = letter.pieces(body.span);
        let mut piece = pieces.next().await?;
        loop {
            if let Some(bytes) = piece.take() {
                self.take(&bytes);
                piece = pieces.next().await?;
            }
            let is_last = piece.is_none();
            if is_last {
                self.finish();
            }
            self.look(client, |_| true).await?;
            if is_last || self.is_over() {
                return Ok(());
            }
        }
    }

    /// Each string is a step of its own: there may be a thousand.
    async fn look(
        &mut self,
        client: &mut Client,
        is_wanted: impl Fn(&Wanted<'_>) -> bool,
    ) -> Result<(), Trouble> {
        let mut at = 0;
        while let Some(wanted) = self.missing.get(at).copied() {
            if is_wanted(&wanted) && wanted.needle.is_in(&self.text) {
                self.found.add(wanted);
                self.missing.remove(at);
            } else {
                at = at.saturating_add(1);
            }
            client.breathe().await?;
        }
        Ok(())
    }
}

async fn find_texts(client: &mut Client, letter: &mut Letter) -> Result<Vec<Text>, Trouble> {
    letter.look(client, Depth::Nothing).await?;
    if let Some(parts) = letter.recall_parts().await {
        return Ok(texts(&parts));
    }
    letter.look(client, Depth::Whole).await?;
    let found = letter.structure().map(|structure| texts(structure.parts()));
    Ok(found.unwrap_or_else(|| flat(letter)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Takes a text in pieces and tells whether a needle was in sight at once.
    fn sees(text: &str, needle: &str, pieces: &[usize]) -> bool {
        let needle = Needle::new(needle);
        let within = Within::Body;
        let needle = &needle;
        let mut search = TextSearch::new(vec![Wanted { within, needle }]);
        search.begin(&Body {
            span: Span::default(),
            encoding: TransferEncoding::Identity,
            charset: b"utf-8".to_vec(),
            is_html: false,
        });
        let mut rest = text.as_bytes();
        let mut seen = false;
        for size in pieces.iter().cycle() {
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            search.take(piece);
            seen |= needle.is_in(&search.text);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        search.finish();
        seen || needle.is_in(&search.text)
    }

    proptest! {
        #[test]
        fn a_needle_is_found_however_the_text_is_cut(
            before in "[a-cÄß]{0,20}", needle in "[a-cÄ]{1,6}", behind in "[a-cÄß]{0,20}",
            pieces in prop::collection::vec(1usize..7, 1..5),
        ) {
            let text = format!("{before}{}{behind}", needle.to_uppercase());
            prop_assert!(sees(&text, &needle, &pieces));
        }

        #[test]
        fn what_is_not_there_is_not_found(text in "[a-c]{0,60}", pieces in prop::collection::vec(1usize..7, 1..5)) {
            prop_assert!(!sees(&text, "x", &pieces));
        }
    }
}
