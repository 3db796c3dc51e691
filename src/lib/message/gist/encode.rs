//! A gist as bytes: flags, preview, fields, then the parts, each after the one
//! around it.
//!
//! ```text
//! gist = flags preview fields octets count part*
//! part = [parent] kind gap header body lines [content] [envelope]
//! ```
//!
//! `gap` counts from where the body of the part around it begins. The first part
//! has neither parent, gap nor content nor envelope: those are read from the
//! fields. Which parts a part has inside follows from the parents.

use super::bytes::Writer;
use super::{GIST_BYTES_MAX, Gist};
use crate::content::{Content, Param};
use crate::envelope::{Address, Envelope};
use crate::structure::{Inside, Limit, Part, Structure};

/// Flag: the whole letter was read.
pub(super) const WHOLE: u64 = 1;

/// The limits, in the order of their numbers; 0 is none.
pub(super) const LIMITS: [Limit; 4] = [
    Limit::Depth,
    Limit::Parts,
    Limit::Memory,
    Limit::HeaderSection,
];

/// The numbers of what a part has inside.
pub(super) const LEAF: u64 = 0;
pub(super) const MULTIPART: u64 = 1;
pub(super) const MESSAGE: u64 = 2;

pub(super) fn encode(gist: &Gist) -> Option<Vec<u8>> {
    let fields = gist.fields.as_ref()?;
    let mut writer = Writer::default();
    writer.number(flags(gist));
    writer.optional(gist.preview.as_ref().map(String::as_bytes));
    writer.string(fields);
    writer.number(gist.structure.octets());
    match gist.whole {
        true => parts(&mut writer, &gist.structure)?,
        false => {
            writer.number(1);
            shape(&mut writer, gist.structure.root(), 0, LEAF);
        }
    }
    (writer.bytes.len() <= GIST_BYTES_MAX).then_some(writer.bytes)
}

fn flags(gist: &Gist) -> u64 {
    let met = gist.structure.limit();
    let limit = LIMITS.iter().position(|limit| met == Some(*limit));
    let limit = limit.map_or(0, |place| (place as u64).saturating_add(1));
    limit.wrapping_shl(1) | if gist.whole { WHOLE } else { 0 }
}

/// All parts; none as soon as they are too long.
fn parts(writer: &mut Writer, structure: &Structure) -> Option<()> {
    writer.number(structure.parts().len() as u64);
    for part in structure.parts() {
        self::part(writer, structure, part);
        (writer.bytes.len() <= GIST_BYTES_MAX).then_some(())?;
    }
    Some(())
}

fn part(writer: &mut Writer, structure: &Structure, part: &Part) {
    let kind = match &part.inside {
        Inside::Leaf => LEAF,
        Inside::Multipart(_) => MULTIPART,
        Inside::Message(_) => MESSAGE,
    };
    let Some(parent) = part.parent else {
        return shape(writer, part, 0, kind);
    };
    let around = structure.part(parent).map_or(0, |it| it.body.start);
    writer.number(parent.0.into());
    shape(writer, part, around, kind);
    content(writer, &part.content);
    if let Some(envelope) = &part.envelope {
        self::envelope(writer, envelope);
    }
}

fn shape(writer: &mut Writer, part: &Part, around: u64, kind: u64) {
    writer.number(kind);
    writer.number(part.header.start.saturating_sub(around));
    writer.number(part.header.octets());
    writer.number(part.body.octets());
    writer.number(part.lines);
}

fn content(writer: &mut Writer, content: &Content) {
    writer.word(&content.media_type);
    writer.word(&content.subtype);
    params(writer, &content.params);
    writer.word(&content.encoding);
    for field in [&content.id, &content.description, &content.md5] {
        writer.optional(field.as_deref());
    }
    writer.optional(content.location.as_deref());
    writer.optional(content.disposition.as_ref().map(|it| &*it.kind));
    if let Some(disposition) = &content.disposition {
        params(writer, &disposition.params);
    }
    writer.number(content.languages.len() as u64);
    for language in &content.languages {
        writer.string(language);
    }
}

fn params(writer: &mut Writer, params: &[Param]) {
    writer.number(params.len() as u64);
    for param in params {
        writer.word(&param.name);
        writer.word(&param.value);
    }
}

fn envelope(writer: &mut Writer, envelope: &Envelope) {
    let Envelope {
        date,
        subject,
        from,
        sender_field,
        reply_to_field,
        to,
        cc,
        bcc,
        in_reply_to,
        message_id,
    } = envelope;
    for text in [date, subject, in_reply_to, message_id] {
        writer.optional(text.as_deref());
    }
    for list in [from, sender_field, reply_to_field, to, cc, bcc] {
        writer.number(list.len() as u64);
        list.iter().for_each(|one| address(writer, one));
    }
}

fn address(writer: &mut Writer, address: &Address) {
    let Address {
        name,
        adl,
        mailbox,
        host,
    } = address;
    for text in [name, adl, mailbox, host] {
        writer.optional(text.as_deref());
    }
}
