//! What `message` has found, in the words of `wire`: borrowed, not copied.

use message::content::Param;
use wire::imap::response as wire_side;
use wire_side::{BodyFields, EnvelopeAddress};

/// ENVELOPE.
pub fn envelope(found: &message::Envelope) -> wire_side::Envelope<'_> {
    wire_side::Envelope {
        date: found.date.as_deref(),
        subject: found.subject.as_deref(),
        from: addresses(&found.from),
        sender: addresses(found.sender()),
        reply_to: addresses(found.reply_to()),
        to: addresses(&found.to),
        cc: addresses(&found.cc),
        bcc: addresses(&found.bcc),
        in_reply_to: found.in_reply_to.as_deref(),
        message_id: found.message_id.as_deref(),
    }
}

/// BODY and BODYSTRUCTURE. Recursion is safe: the tree is at most
/// `message::limits::DEPTH_MAX` deep.
pub fn body_structure<'a>(found: &message::BodyStructure<'a>) -> wire_side::BodyStructure<'a> {
    match found {
        message::BodyStructure::Multipart { content, children } => {
            wire_side::BodyStructure::Multipart {
                fields: fields(content),
                children: children.iter().map(body_structure).collect(),
            }
        }
        message::BodyStructure::Message {
            content,
            octets,
            lines,
            envelope: within,
            body,
        } => wire_side::BodyStructure::Message {
            fields: fields(content),
            octets: *octets,
            lines: *lines,
            envelope: Box::new(envelope(within)),
            body: Box::new(body_structure(body)),
        },
        message::BodyStructure::Text {
            content,
            octets,
            lines,
        } => wire_side::BodyStructure::Text {
            fields: fields(content),
            octets: *octets,
            lines: *lines,
        },
        message::BodyStructure::Basic { content, octets } => wire_side::BodyStructure::Basic {
            fields: fields(content),
            octets: *octets,
        },
    }
}

fn addresses(found: &[message::Address]) -> Vec<EnvelopeAddress<'_>> {
    found.iter().map(address).collect()
}

fn address(found: &message::Address) -> EnvelopeAddress<'_> {
    EnvelopeAddress {
        name: found.name.as_deref(),
        adl: found.adl.as_deref(),
        mailbox: found.mailbox.as_deref(),
        host: found.host.as_deref(),
    }
}

fn fields(content: &message::Content) -> BodyFields<'_> {
    BodyFields {
        media_type: &content.media_type,
        subtype: &content.subtype,
        params: params(&content.params),
        id: content.id.as_deref(),
        description: content.description.as_deref(),
        encoding: &content.encoding,
        md5: content.md5.as_deref(),
        disposition: content
            .disposition
            .as_ref()
            .map(|disposition| wire_side::Disposition {
                kind: &disposition.kind,
                params: params(&disposition.params),
            }),
        languages: content.languages.iter().map(Vec::as_slice).collect(),
        location: content.location.as_deref(),
    }
}

fn params(found: &[Param]) -> Vec<(&[u8], &[u8])> {
    found.iter().map(param).collect()
}

fn param(found: &Param) -> (&[u8], &[u8]) {
    (&found.name, &found.value)
}
