//! What we say.
//!
//! Rendered from enums, numbers, names in form and [`Text`]; whatever else a
//! caller passes goes through [`string`] and becomes a quoted string or a
//! counted literal, so nothing can end a line, close a quote or begin a second
//! response. Letters aren't copied: [`FetchWriter`] writes what stands before
//! and behind their bytes.

mod body_structure;
mod code;
mod copied;
mod data;
mod envelope;
mod fetch;
mod metadata;
mod modified;
mod rendered;
mod search;
pub(super) mod string;
mod thread;
mod uid_batches;

use preauth::imap::response::Status;

pub use body_structure::{BodyFields, BodyStructure, Disposition, body_structure};
pub use code::{Capability, Code, MetadataCode};
pub use copied::CopyUidWriter;
pub use data::{Data, ESearch, ListAttribute, ListEntry, QuotaResource, Source, StatusValue, data};
pub use envelope::{Envelope, EnvelopeAddress, envelope};
pub(super) use fetch::section;
pub use fetch::{Content, FetchData, FetchWriter, RECENT};
pub use metadata::{Entries, Metadata};
pub use modified::ModifiedWriter;
pub use rendered::Rendered;
pub use search::SearchWriter;
pub use thread::ThreadWriter;
pub use uid_batches::UidBatchesWriter;

use super::{Refusal, Tag};
use crate::Text;
use std::ops::RangeInclusive;

/// `response-tagged = tag SP resp-cond-state CRLF`
pub fn tagged(out: &mut Vec<u8>, tag: &Tag, status: Status, code: Option<&Code>, text: &Text<'_>) {
    put(out, tag.as_str());
    put(out, " ");
    resp_cond_state(out, status.as_str(), code, text);
}

/// `"*" SP resp-cond-state CRLF`
pub fn untagged(out: &mut Vec<u8>, status: Status, code: Option<&Code>, text: &Text<'_>) {
    put(out, "* ");
    resp_cond_state(out, status.as_str(), code, text);
}

/// `resp-cond-bye = "BYE" SP resp-text`
pub fn bye(out: &mut Vec<u8>, code: Option<&Code>, text: &Text<'_>) {
    put(out, "* ");
    resp_cond_state(out, "BYE", code, text);
}

/// `continue-req = "+" SP resp-text CRLF`
pub fn continuation(out: &mut Vec<u8>) {
    put(out, "+ OK\r\n");
}

/// The answer to a refused command: tagged if the tag could be read.
pub fn refused(out: &mut Vec<u8>, tag: Option<&Tag>, why: &Refusal) {
    let text = Text::from(why as &dyn std::fmt::Display);
    match tag {
        Some(tag) => tagged(out, tag, why.status(), why.code().as_ref(), &text),
        None => untagged(out, why.status(), why.code().as_ref(), &text),
    }
}

/// `resp-cond-state = ("OK" / "NO" / "BAD") SP resp-text`,
/// `resp-text = ["[" resp-text-code "]" SP] text`. Without a code the text must
/// not look as if it began with one.
fn resp_cond_state(out: &mut Vec<u8>, state: &str, code: Option<&Code>, text: &Text<'_>) {
    put(out, state);
    put(out, " ");
    match code {
        Some(code) => {
            put(out, "[");
            code.render(out);
            put(out, "] ");
        }
        None if text.as_str().starts_with('[') => put(out, " "),
        None => (),
    }
    put(out, text.as_str());
    put(out, "\r\n");
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// `seq-range`, or `seq-number` if both ends are one.
fn put_range(out: &mut Vec<u8>, range: &RangeInclusive<u32>) {
    string::number(out, (*range.start()).into());
    if range.start() != range.end() {
        put(out, ":");
        string::number(out, (*range.end()).into());
    }
}

/// `item *(SP item)`
fn put_spaced<T>(out: &mut Vec<u8>, items: &[T], mut one: impl FnMut(&mut Vec<u8>, &T)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            put(out, " ");
        }
        one(out, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_looks_like_a_code_does_not_become_one() {
        let mut out = Vec::new();
        untagged(
            &mut out,
            Status::Ok,
            None,
            &Text::new("[ALERT] pay\r\n* BYE"),
        );
        assert_eq!(out, b"* OK  [ALERT] pay??* BYE\r\n");
    }

    #[test]
    fn refusals_are_tagged_where_the_tag_was_read() {
        let mut out = Vec::new();
        refused(
            &mut out,
            Tag::new(b"a1").as_ref(),
            &Refusal::SpecialUseUnknown,
        );
        refused(&mut out, None, &Refusal::NotDone);
        let said = "a1 NO [USEATTR] This special use is not known here\r\n* BAD Expected DONE\r\n";
        assert_eq!(out, said.as_bytes());
    }
}
