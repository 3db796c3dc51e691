//! Looking for strings in bodies.
//!
//! Both sides are folded. Text parts, and those of message types that are no letters,
//! are decoded, with their transfer encoding and charset, and so are the headers of
//! letters within. Other parts are not text.

use super::fold::fold;
use super::header;
use crate::imap::client::Client;
use crate::imap::letter::{Letter, Trouble};
use crate::shapes::Depth;
use message::decode::{self, CharsetDecoder, TransferDecoder, TransferEncoding};
use message::{Part, Span};
use std::collections::BTreeSet;

/// A string that is looked for, folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needle(String);

impl Needle {
    /// Folds what the client wrote.
    pub fn new(text: &str) -> Self {
        Self(fold(text))
    }

    /// Whether it is in a folded text.
    pub fn is_in(&self, folded: &str) -> bool {
        folded.contains(&self.0)
    }
}

/// Which needles are in a body.
#[derive(Debug, Default)]
pub struct Found(BTreeSet<Needle>);

impl Found {
    /// None.
    #[cfg(test)]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Whether this one is.
    pub fn has(&self, needle: &Needle) -> bool {
        self.0.contains(needle)
    }
}

/// Looks for strings in a letter's text, all at once.
pub async fn look_for(
    client: &mut Client,
    letter: &mut Letter,
    needles: &[&Needle],
) -> Result<Found, Trouble> {
    letter.look(client, Depth::Whole).await?;
    let letter = &*letter;
    let _watch = letter.watch().await?;
    let mut search = Search::new(needles);
    for text in texts(letter) {
        let text = match text {
            Text::Body(text) => text,
            Text::Header(span) => {
                search.take_folded(header::lines(client, letter, span).await?);
                search.look(client).await?;
                continue;
            }
        };
        search.begin(&text);
        let mut pieces = letter.pieces(text.span);
        while let Some(piece) = pieces.next().await? {
            search.take(&piece);
            search.look(client).await?;
            if search.is_over() {
                return Ok(search.found);
            }
        }
        search.finish();
        search.look(client).await?;
    }
    Ok(search.found)
}

/// A stretch of a letter that is text.
enum Text {
    /// The header of a letter within.
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
        .flat_map(|part| [inner_header(part), body(part)])
        .flatten()
        .collect()
}

/// The header of a letter within the letter.
fn inner_header(part: &Part) -> Option<Text> {
    let is_inner = part.parent.is_some() && part.envelope.is_some();
    is_inner.then_some(Text::Header(part.header))
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
    missing: Vec<&'n Needle>,
    found: Found,
    /// Bytes that a needle may reach back.
    overlap: usize,
    transfer: TransferDecoder,
    charset: CharsetDecoder,
    text: String,
}

impl<'n> Search<'n> {
    fn new(needles: &[&'n Needle]) -> Self {
        let mut missing = needles.to_vec();
        missing.sort();
        missing.dedup();
        Self {
            overlap: missing
                .iter()
                .map(|needle| needle.0.len())
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
        self.text.push_str(&fold(&text));
    }

    /// What was decoded elsewhere.
    fn take_folded(&mut self, text: String) {
        self.text = text;
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
        self.text.push_str(&fold(&text));
    }

    /// Only the end of what was looked through can be part of a find.
    fn keep_overlap(&mut self) {
        let from = self.text.len().saturating_sub(self.overlap);
        let from = self.text.floor_char_boundary(from);
        self.text.drain(..from);
    }

    /// Each needle is a step of its own: there may be a thousand.
    async fn look(&mut self, client: &mut Client) -> Result<(), Trouble> {
        let mut at = 0;
        while let Some(needle) = self.missing.get(at).copied() {
            if needle.is_in(&self.text) {
                self.found.0.insert(needle.clone());
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
        let mut search = Search::new(&[&needle]);
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
