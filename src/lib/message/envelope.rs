//! What IMAP calls the envelope (RFC 9051 §7.5.2): ten header fields, raw.
//!
//! Values are unfolded and not decoded. They may hold any byte, NUL and 8-bit
//! ones too: whoever writes them to a client chooses the string form.
//!
//! RFC 5322 allows each field once. Of doubled ones we do as Dovecot: address
//! fields count as one long list, so that nobody can show a reader one sender
//! and a filter another; of the others the last counts.

mod address;

use crate::content::kept_by;
use crate::limits::{ADDRESSES_MAX, FIELD_BYTES_MAX};

/// The mailbox of an address that has none, as with Dovecot: NIL would make it
/// the end of a group.
pub const MISSING_MAILBOX: &[u8] = b"MISSING_MAILBOX";

/// The host of an address that has none, as with Dovecot: NIL would make it the
/// beginning of a group.
pub const MISSING_DOMAIN: &[u8] = b"MISSING_DOMAIN";

/// One address, or one end of a group (RFC 9051 §7.5.2): a group begins with an
/// address that has only `mailbox` (its name) and ends with one that has nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The display name, or the comment behind an address that has none.
    pub name: Option<Vec<u8>>,
    /// The source route, `@a,@b` (obsolete).
    pub adl: Option<Vec<u8>>,
    /// The local part without quotes, or the name of a group that begins.
    pub mailbox: Option<Vec<u8>>,
    /// The domain; none marks the ends of a group.
    pub host: Option<Vec<u8>>,
}

impl Address {
    /// The addresses of one field's value, folded or not. Reads at most
    /// [`FIELD_BYTES_MAX`] bytes and gives at most [`ADDRESSES_MAX`] addresses.
    pub fn list(value: &[u8]) -> Vec<Self> {
        let value = value.get(..FIELD_BYTES_MAX).unwrap_or(value);
        address::address_list(value, ADDRESSES_MAX).0
    }

    fn kept(&self) -> usize {
        [&self.name, &self.adl, &self.mailbox, &self.host]
            .into_iter()
            .flatten()
            .map(|text| kept_by(text.len()))
            .fold(size_of::<Self>(), usize::saturating_add)
    }
}

/// The envelope of the letter or of a message within it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// Date, as it came.
    pub date: Option<Vec<u8>>,
    /// Subject, not decoded.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<Address>,
    /// Sender as it came; [`Envelope::sender`] fills in the default.
    pub sender_field: Vec<Address>,
    /// Reply-To as it came; [`Envelope::reply_to`] fills in the default.
    pub reply_to_field: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
    /// In-Reply-To, raw.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID, raw.
    pub message_id: Option<Vec<u8>>,
}

impl Envelope {
    /// Sender, or From if there is none (RFC 9051 §7.5.2).
    pub fn sender(&self) -> &[Address] {
        or_from(&self.sender_field, &self.from)
    }

    /// Reply-To, or From if there is none (RFC 9051 §7.5.2).
    pub fn reply_to(&self) -> &[Address] {
        or_from(&self.reply_to_field, &self.from)
    }

    /// Takes a field's unfolded value. Gives the bytes kept and the steps taken.
    pub(crate) fn set(&mut self, field: EnvelopeField, value: &[u8]) -> (usize, u64) {
        match self.slot(field) {
            Slot::Text(text) => {
                *text = Some(value.to_vec());
                (kept_by(value.len()), 1)
            }
            Slot::List(list) => append(list, value),
        }
    }

    fn slot(&mut self, field: EnvelopeField) -> Slot<'_> {
        match field {
            EnvelopeField::Date => Slot::Text(&mut self.date),
            EnvelopeField::Subject => Slot::Text(&mut self.subject),
            EnvelopeField::From => Slot::List(&mut self.from),
            EnvelopeField::Sender => Slot::List(&mut self.sender_field),
            EnvelopeField::ReplyTo => Slot::List(&mut self.reply_to_field),
            EnvelopeField::To => Slot::List(&mut self.to),
            EnvelopeField::Cc => Slot::List(&mut self.cc),
            EnvelopeField::Bcc => Slot::List(&mut self.bcc),
            EnvelopeField::InReplyTo => Slot::Text(&mut self.in_reply_to),
            EnvelopeField::MessageId => Slot::Text(&mut self.message_id),
        }
    }
}

fn or_from<'a>(list: &'a [Address], from: &'a [Address]) -> &'a [Address] {
    if list.is_empty() { from } else { list }
}

/// Where a field's value goes.
enum Slot<'a> {
    Text(&'a mut Option<Vec<u8>>),
    List(&'a mut Vec<Address>),
}

/// Appends a field's addresses in time linear in the value, however many such
/// fields came before (CVE-2024-23184).
fn append(list: &mut Vec<Address>, value: &[u8]) -> (usize, u64) {
    let room = ADDRESSES_MAX.saturating_sub(list.len());
    if room == 0 {
        return (0, 1);
    }
    let (addresses, steps) = address::address_list(value, room);
    let kept = addresses.iter().map(Address::kept);
    let kept = kept.fold(0, usize::saturating_add);
    list.extend(addresses);
    (kept, steps)
}

/// One of the fields that make up an [`Envelope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnvelopeField {
    Date,
    Subject,
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
    InReplyTo,
    MessageId,
}

impl EnvelopeField {
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], EnvelopeField); 10] = [
            (b"date", EnvelopeField::Date),
            (b"subject", EnvelopeField::Subject),
            (b"from", EnvelopeField::From),
            (b"sender", EnvelopeField::Sender),
            (b"reply-to", EnvelopeField::ReplyTo),
            (b"to", EnvelopeField::To),
            (b"cc", EnvelopeField::Cc),
            (b"bcc", EnvelopeField::Bcc),
            (b"in-reply-to", EnvelopeField::InReplyTo),
            (b"message-id", EnvelopeField::MessageId),
        ];
        let known = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(known.1)
    }
}
