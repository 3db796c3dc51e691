//! Body structures and envelopes as IMAP writes them (RFC 9051 §9), so that a
//! test's expectation is what a client would see and another server would say.
#![allow(dead_code, reason = "each test file uses its part")]

use message::{Address, BodyStructure, Content, Disposition, Envelope, Param, Scanner, Structure};

/// The structure of a letter fed whole.
pub fn scan(letter: &[u8]) -> Structure {
    let mut scanner = Scanner::new();
    scanner.feed(letter);
    scanner.finish()
}

/// A letter written with LF alone, as it would come: with CRLF.
pub fn crlf(letter: &str) -> Vec<u8> {
    letter.replace('\n', "\r\n").into_bytes()
}

/// What BODYSTRUCTURE says of a letter.
pub fn body_structure(letter: &[u8]) -> String {
    body(&BodyStructure::of(&scan(letter)))
}

/// What ENVELOPE says of a letter.
pub fn envelope(letter: &[u8]) -> String {
    let structure = scan(letter);
    structure
        .root()
        .envelope
        .as_deref()
        .map(self::list_of_ten)
        .unwrap_or_default()
}

fn body(body: &BodyStructure<'_>) -> String {
    match body {
        BodyStructure::Multipart { content, children } => {
            let children: String = children.iter().map(self::body).collect();
            let subtype = quoted(&content.subtype);
            format!(
                "({children} {subtype} {} {})",
                params(&content.params),
                extension(content)
            )
        }
        BodyStructure::Message {
            content,
            octets,
            lines,
            envelope,
            body,
        } => {
            let (envelope, body) = (list_of_ten(envelope), self::body(body));
            let (md5, rest) = (md5(content), extension(content));
            format!(
                "({} {octets} {envelope} {body} {lines} {md5} {rest})",
                fields(content)
            )
        }
        BodyStructure::Text {
            content,
            octets,
            lines,
        } => {
            let (md5, rest) = (md5(content), extension(content));
            format!("({} {octets} {lines} {md5} {rest})", fields(content))
        }
        BodyStructure::Basic { content, octets } => {
            let (md5, rest) = (md5(content), extension(content));
            format!("({} {octets} {md5} {rest})", fields(content))
        }
    }
}

/// `media-basic SP body-fields` up to the encoding.
fn fields(content: &Content) -> String {
    [
        quoted(&content.media_type),
        quoted(&content.subtype),
        params(&content.params),
        text(content.id.as_ref()),
        text(content.description.as_ref()),
        quoted(&content.encoding),
    ]
    .join(" ")
}

fn md5(content: &Content) -> String {
    text(content.md5.as_ref())
}

/// `body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]`.
fn extension(content: &Content) -> String {
    let languages: Vec<String> = content.languages.iter().map(|tag| quoted(tag)).collect();
    let languages = if languages.is_empty() {
        "NIL".to_owned()
    } else {
        format!("({})", languages.join(" "))
    };
    let disposition = disposition(content.disposition.as_ref());
    format!(
        "{disposition} {languages} {}",
        text(content.location.as_ref())
    )
}

fn disposition(disposition: Option<&Disposition>) -> String {
    disposition.map_or_else(
        || "NIL".to_owned(),
        |disposition| {
            format!(
                "({} {})",
                quoted(&disposition.kind),
                params(&disposition.params)
            )
        },
    )
}

fn params(params: &[Param]) -> String {
    if params.is_empty() {
        return "NIL".to_owned();
    }
    let pair = |param: &Param| format!("{} {}", quoted(&param.name), quoted(&param.value));
    format!(
        "({})",
        params.iter().map(pair).collect::<Vec<_>>().join(" ")
    )
}

fn list_of_ten(envelope: &Envelope) -> String {
    let fields = [
        text(envelope.date.as_ref()),
        text(envelope.subject.as_ref()),
        addresses(&envelope.from),
        addresses(envelope.sender()),
        addresses(envelope.reply_to()),
        addresses(&envelope.to),
        addresses(&envelope.cc),
        addresses(&envelope.bcc),
        text(envelope.in_reply_to.as_ref()),
        text(envelope.message_id.as_ref()),
    ];
    format!("({})", fields.join(" "))
}

/// `env-from = "(" 1*address ")" / nil`.
pub fn addresses(list: &[Address]) -> String {
    if list.is_empty() {
        return "NIL".to_owned();
    }
    let address = |address: &Address| {
        let fields = [&address.name, &address.adl, &address.mailbox, &address.host];
        format!("({})", fields.map(|field| text(field.as_ref())).join(" "))
    };
    format!("({})", list.iter().map(address).collect::<String>())
}

fn text(value: Option<&Vec<u8>>) -> String {
    value.map_or_else(|| "NIL".to_owned(), |value| quoted(value))
}

/// `quoted`, whatever bytes there are.
fn quoted(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
