//! Looking for strings in bodies.
//!
//! Both sides are folded. Text parts, and those of message types that are no letters,
//! are decoded, with their transfer encoding and charset, and so are the headers of
//! parts and of letters within. Other parts are not text, and neither is what stands
//! before the first boundary and behind the last (RFC 2046 §5.1.1).

use super::fold::{fold, fold_onto};
use super::header;
use crate::imap::client::Client;
use crate::imap::letter::{Letter, Trouble};
use crate::shapes::Depth;
use memchr::memmem::Finder;
use message::decode::{self, CharsetDecoder, TransferDecoder, TransferEncoding};
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

/// Looks for strings in a letter's text, all at once. The letter must have been noted;
/// see [`crate::suspects`].
pub async fn look_for(
    client: &mut Client,
    letter: &mut Letter,
    wanted: &[Wanted<'_>],
) -> Result<Found, Trouble> {
    letter.look(client, Depth::Whole).await?;
    let letter = &*letter;
    let mut search = Search::new(wanted);
    for text in texts(letter) {
        match text {
            Text::Header(span) => search.header(client, letter, span).await?,
            Text::Body(body) => search.body(client, letter, &body).await?,
        }
        if search.is_over() {
            return Ok(search.found);
        }
    }
    search.found.to_its_end = true;
    Ok(search.found)
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
}

/// A letter without a shape is text as a whole, since nobody knows better.
fn texts(letter: &Letter) -> Vec<Text> {
    let Some(structure) = letter.structure() else {
        return vec![Text::Body(Body {
            span: letter.whole(),
            encoding: TransferEncoding::Identity,
            charset: Vec::new(),
        })];
    };
    let parts = structure.parts().iter();
    parts
        .flat_map(|part| [header_of_part(part), body(part)])
        .flatten()
        .collect()
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
    };
    (is_text && part.inside == message::Inside::Leaf).then_some(Text::Body(body))
}

/// The text on its way through the decoders.
struct Search<'n> {
    missing: Vec<Wanted<'n>>,
    found: Found,
    /// Bytes that a needle may reach back.
    overlap: usize,
    transfer: TransferDecoder,
    charset: CharsetDecoder,
    text: String,
}

impl<'n> Search<'n> {
    fn new(wanted: &[Wanted<'n>]) -> Self {
        let mut missing = wanted.to_vec();
        missing.sort();
        missing.dedup();
        Self {
            overlap: missing
                .iter()
                .map(|wanted| wanted.needle.text.len())
                .max()
                .unwrap_or(0),
            missing,
            found: Found::default(),
            transfer: TransferDecoder::new(TransferEncoding::Identity),
            charset: CharsetDecoder::new(b""),
            text: String::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.missing.is_empty()
    }

    fn begin(&mut self, text: &Body) {
        self.transfer = TransferDecoder::new(text.encoding);
        self.charset = CharsetDecoder::new(&text.charset);
        self.text.clear();
    }

    fn take(&mut self, piece: &[u8]) {
        self.keep_overlap();
        let (mut decoded, mut text) = (Vec::new(), String::new());
        self.transfer.push(piece, &mut decoded);
        self.charset.push(&decoded, &mut text);
        fold_onto(&text, &mut self.text);
    }

    fn finish(&mut self) {
        let transfer = TransferDecoder::new(TransferEncoding::Identity);
        let transfer = std::mem::replace(&mut self.transfer, transfer);
        let charset = std::mem::replace(&mut self.charset, CharsetDecoder::new(b""));
        let (mut decoded, mut text) = (Vec::new(), String::new());
        transfer.finish(&mut decoded);
        let mut charset = charset;
        charset.push(&decoded, &mut text);
        charset.finish(&mut text);
        fold_onto(&text, &mut self.text);
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
        while let Some(piece) = pieces.next().await? {
            self.take(&piece);
            self.look(client, |_| true).await?;
            if self.is_over() {
                return Ok(());
            }
        }
        self.finish();
        self.look(client, |_| true).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Takes a text in pieces and tells whether a needle was in sight at once.
    fn sees(text: &str, needle: &str, pieces: &[usize]) -> bool {
        let needle = Needle::new(needle);
        let within = Within::Body;
        let needle = &needle;
        let mut search = Search::new(&[Wanted { within, needle }]);
        search.begin(&Body {
            span: Span::default(),
            encoding: TransferEncoding::Identity,
            charset: b"utf-8".to_vec(),
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
