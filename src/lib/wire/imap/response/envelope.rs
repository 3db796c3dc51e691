//! ENVELOPE: the caller's values, in the protocol's strings.

use super::put;
use super::string::nstring;

/// `envelope` (RFC 9051, section 7.5.2). Values are raw bytes; the caller has
/// put From where Sender and Reply-To are missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope<'a> {
    /// Date.
    pub date: Option<&'a [u8]>,
    /// Subject.
    pub subject: Option<&'a [u8]>,
    /// From.
    pub from: Vec<EnvelopeAddress<'a>>,
    /// Sender.
    pub sender: Vec<EnvelopeAddress<'a>>,
    /// Reply-To.
    pub reply_to: Vec<EnvelopeAddress<'a>>,
    /// To.
    pub to: Vec<EnvelopeAddress<'a>>,
    /// Cc.
    pub cc: Vec<EnvelopeAddress<'a>>,
    /// Bcc.
    pub bcc: Vec<EnvelopeAddress<'a>>,
    /// In-Reply-To.
    pub in_reply_to: Option<&'a [u8]>,
    /// Message-ID.
    pub message_id: Option<&'a [u8]>,
}

/// `address`; one without a host is the beginning of a group, one with nothing
/// its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnvelopeAddress<'a> {
    /// The display name.
    pub name: Option<&'a [u8]>,
    /// The source route.
    pub adl: Option<&'a [u8]>,
    /// The local part, or a group's name.
    pub mailbox: Option<&'a [u8]>,
    /// The domain.
    pub host: Option<&'a [u8]>,
}

/// `envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP
/// env-cc SP env-bcc SP env-in-reply-to SP env-message-id ")"`
pub fn envelope(out: &mut Vec<u8>, value: &Envelope<'_>) {
    put(out, "(");
    nstring(out, value.date);
    put(out, " ");
    nstring(out, value.subject);
    let lists = [
        &value.from,
        &value.sender,
        &value.reply_to,
        &value.to,
        &value.cc,
        &value.bcc,
    ];
    for list in lists {
        put(out, " ");
        addresses(out, list);
    }
    put(out, " ");
    nstring(out, value.in_reply_to);
    put(out, " ");
    nstring(out, value.message_id);
    put(out, ")");
}

/// `env-from = "(" 1*address ")" / nil`, and its like
fn addresses(out: &mut Vec<u8>, list: &[EnvelopeAddress<'_>]) {
    if list.is_empty() {
        return put(out, "NIL");
    }
    put(out, "(");
    list.iter().for_each(|one| address(out, one));
    put(out, ")");
}

/// `address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"`
fn address(out: &mut Vec<u8>, value: &EnvelopeAddress<'_>) {
    put(out, "(");
    nstring(out, value.name);
    for part in [value.adl, value.mailbox, value.host] {
        put(out, " ");
        nstring(out, part);
    }
    put(out, ")");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let terry = EnvelopeAddress {
            name: Some(b"Terry Gray"),
            adl: None,
            mailbox: Some(b"gray"),
            host: Some(b"cac.washington.edu"),
        };
        let imap = EnvelopeAddress {
            mailbox: Some(b"imap"),
            host: Some(b"cac.washington.edu"),
            ..EnvelopeAddress::default()
        };
        let value = Envelope {
            date: Some(b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)"),
            subject: Some(b"IMAP4rev2 WG mtg summary and minutes"),
            from: vec![terry],
            sender: vec![terry],
            reply_to: vec![terry],
            to: vec![imap],
            message_id: Some(b"<B27397-0100000@cac.washington.ed>"),
            ..Envelope::default()
        };
        let mut out = Vec::new();
        envelope(&mut out, &value);
        let gray = r#"(("Terry Gray" NIL "gray" "cac.washington.edu"))"#;
        let expected = format!(
            r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" {gray} {gray} {gray} ((NIL NIL "imap" "cac.washington.edu")) NIL NIL NIL "<B27397-0100000@cac.washington.ed>")"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_hostile_subject_stays_inside_its_literal() {
        let value = Envelope {
            subject: Some(b"x\" NIL)\r\n* BYE"),
            ..Envelope::default()
        };
        let mut out = Vec::new();
        envelope(&mut out, &value);
        let said = String::from_utf8(out).unwrap();
        assert_eq!(
            said,
            "(NIL {14}\r\nx\" NIL)\r\n* BYE NIL NIL NIL NIL NIL NIL NIL NIL)"
        );
    }
}
