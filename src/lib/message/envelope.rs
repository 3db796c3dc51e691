//! What IMAP calls the envelope (RFC 9051 §7.5.2): ten header fields, raw.
//!
//! Values are unfolded and not decoded. They may hold any byte, NUL and 8-bit
//! ones too: whoever writes them to a client chooses the string form.

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
        if self.sender_field.is_empty() {
            &self.from
        } else {
            &self.sender_field
        }
    }

    /// Reply-To, or From if there is none (RFC 9051 §7.5.2).
    pub fn reply_to(&self) -> &[Address] {
        if self.reply_to_field.is_empty() {
            &self.from
        } else {
            &self.reply_to_field
        }
    }

    /// The addresses of one field's value.
    pub fn addresses(_value: &[u8]) -> Vec<Address> {
        Vec::new()
    }
}
