//! The bytes of sections and parts on their way to the client.

use super::item::Response;
use crate::imap::letter::Trouble;
use message::decode::{TransferDecoder, TransferEncoding};
use message::header::{FieldFilter, Keep};
use message::{SectionText as Text, Span};
use wire::imap::Partial;
use wire::imap::response::{Content, FetchData};

/// Where an item's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// There is no such part.
    Nothing,
    /// A stretch of the letter.
    Span(Span),
    /// At hand already.
    Bytes(Vec<u8>),
}

impl Response<'_> {
    /// Sends a stretch of the letter, in pieces.
    pub async fn stream<'d>(
        &mut self,
        source: Source,
        partial: Option<Partial>,
        data: impl Fn(Content<'d>) -> FetchData<'d>,
    ) -> Result<(), Trouble> {
        let Source::Span(span) = source else {
            self.put(&data(Content::Nil));
            return Ok(());
        };
        let span = within(span, partial);
        let letter = self.letter;
        let mut pieces = letter.pieces(span);
        // The first piece before the length is told: most damage shows there.
        let mut piece = pieces.next().await?;
        self.put(&data(Content::Literal(span.octets())));
        while let Some(bytes) = piece {
            self.client.out().buffer().extend_from_slice(&bytes);
            self.pause().await?;
            piece = pieces.next().await?;
        }
        Ok(())
    }

    /// HEADER.FIELDS and HEADER.FIELDS.NOT.
    pub async fn fields(
        &mut self,
        path: &[u32],
        names: &[String],
        keep: Keep,
    ) -> Result<Source, Trouble> {
        let letter = self.letter;
        let Some(span) = letter.section(path, Text::Header) else {
            return Ok(Source::Nothing);
        };
        let names: Vec<Vec<u8>> = names.iter().map(|name| name.clone().into_bytes()).collect();
        if path.is_empty()
            && keep == Keep::Listed
            && let Some(known) = letter.known_fields(&names)
        {
            return Ok(Source::Bytes(known));
        }
        let mut filter = FieldFilter::new(names, keep);
        let mut kept = Vec::new();
        let mut pieces = letter.header(span);
        let _watch = letter.watch().await?;
        while let Some(piece) = pieces.next().await? {
            filter.push(&piece, &mut kept);
            self.client.breathe().await?;
        }
        filter.finish(&mut kept);
        Ok(Source::Bytes(kept))
    }

    /// `BINARY[…]`: decoded twice, first to know the length.
    pub async fn binary(&mut self, part: &[u32], partial: Option<Partial>) -> Result<(), Trouble> {
        let origin = partial.map(|partial| partial.offset);
        let data = |content| FetchData::Binary {
            part,
            origin,
            content,
        };
        let Some((span, encoding)) = self.encoded(part) else {
            self.put(&data(Content::Nil));
            return Ok(());
        };
        if encoding == TransferEncoding::Identity {
            return self.stream(Source::Span(span), partial, data).await;
        }
        let octets = self.decode(span, encoding, None).await?;
        let wanted = within(
            Span {
                start: 0,
                end: octets,
            },
            partial,
        );
        self.put(&data(Content::Literal(wanted.octets())));
        self.decode(span, encoding, Some(wanted)).await?;
        Ok(())
    }

    /// `BINARY.SIZE[…]`
    pub async fn binary_size(&mut self, part: &[u32]) -> Result<(), Trouble> {
        let Some((span, encoding)) = self.encoded(part) else {
            return Ok(());
        };
        let bytes = match encoding {
            TransferEncoding::Identity => span.octets(),
            encoding => self.decode(span, encoding, None).await?,
        };
        self.put(&FetchData::BinarySize { part, bytes });
        Ok(())
    }

    /// A part's body and its encoding; none if there is no such part, or if its
    /// encoding is not known.
    fn encoded(&mut self, part: &[u32]) -> Option<(Span, TransferEncoding)> {
        if part.is_empty() {
            return Some((self.letter.whole(), TransferEncoding::Identity));
        }
        let part = self.letter.part(part)?;
        let encoding = TransferEncoding::named(&part.content.encoding);
        if encoding.is_none() {
            self.faults.unknown_encoding = true;
        }
        Some((part.body, encoding?))
    }

    /// Decodes a part, sends what of it is wanted, and counts all of it.
    async fn decode(
        &mut self,
        span: Span,
        encoding: TransferEncoding,
        wanted: Option<Span>,
    ) -> Result<u64, Trouble> {
        let letter = self.letter;
        let mut pieces = letter.pieces(span);
        let mut decoder = TransferDecoder::new(encoding);
        let mut at = 0;
        loop {
            let mut decoded = Vec::new();
            let Some(piece) = pieces.next().await? else {
                decoder.finish(&mut decoded);
                return Ok(self.send(&decoded, at, wanted));
            };
            decoder.push(&piece, &mut decoded);
            at = self.send(&decoded, at, wanted);
            self.pause().await?;
        }
    }

    /// Sends what is wanted of bytes that stand at an offset; where they end.
    fn send(&mut self, decoded: &[u8], at: u64, wanted: Option<Span>) -> u64 {
        if let Some(wanted) = wanted {
            let from = clamp(wanted.start.saturating_sub(at), decoded);
            let to = clamp(wanted.end.saturating_sub(at), decoded);
            let wanted = decoded.get(from..to).unwrap_or_default();
            self.client.out().buffer().extend_from_slice(wanted);
        }
        at.saturating_add(decoded.len() as u64)
    }
}

/// What of a span a partial asks for.
pub fn within(span: Span, partial: Option<Partial>) -> Span {
    let Some(partial) = partial else {
        return span;
    };
    let start = span.start.saturating_add(partial.offset).min(span.end);
    Span {
        start,
        end: start.saturating_add(partial.length).min(span.end),
    }
}

/// What of bytes at hand a partial asks for.
pub fn slice(bytes: &[u8], partial: Option<Partial>) -> &[u8] {
    let whole = Span {
        start: 0,
        end: bytes.len() as u64,
    };
    let wanted = within(whole, partial);
    let (from, to) = (clamp(wanted.start, bytes), clamp(wanted.end, bytes));
    bytes.get(from..to).unwrap_or_default()
}

/// An offset that lies within bytes.
fn clamp(offset: u64, bytes: &[u8]) -> usize {
    usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn partials_cut_side_by_side_make_the_whole(bytes: Vec<u8>, length in 1u64..9) {
            let mut joined = Vec::new();
            let mut offset = 0;
            while offset < bytes.len() as u64 {
                joined.extend_from_slice(slice(&bytes, Some(Partial { offset, length })));
                offset += length;
            }
            prop_assert_eq!(joined, bytes);
        }

        #[test]
        fn a_partial_beyond_the_end_is_empty(bytes: Vec<u8>, offset: u64, length in 1u64..) {
            let partial = Partial { offset, length };
            let cut = slice(&bytes, Some(partial));
            prop_assert!(cut.len() as u64 <= length);
            prop_assert!(offset < bytes.len() as u64 || cut.is_empty());
        }
    }
}
