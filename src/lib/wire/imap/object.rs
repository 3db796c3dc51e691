//! Identifiers of objects (RFC 8474): those that we give, and those that a client asks
//! for.
//!
//! Ours begin with a letter for their kind, and have nothing but digits, lower-case hex
//! digits and hyphens behind it: none is a number, none reads as NIL, and no two differ
//! by case alone (RFC 8474, section 8.1).

use std::fmt;

use preauth::imap::cursor::Cursor;

use super::Parsed;
use super::refusal::expected;
use crate::limits::OBJECT_ID_BYTES_MAX;

/// Bytes of the longest identifier that we give: its kind, and three numbers of 16 hex
/// digits with hyphens between.
const OURS_BYTES_MAX: usize = 51;

/// What an identifier is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A mailbox: MAILBOXID.
    Mailbox,
    /// What a message holds: EMAILID.
    Email,
    /// A conversation: THREADID.
    Thread,
}

/// `objectid`, one that we give. Rendering one takes no memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ObjectId {
    text: [u8; OURS_BYTES_MAX],
    length: usize,
}

impl ObjectId {
    /// The identifier of the object that these numbers name among all of its kind.
    #[must_use]
    pub fn new(kind: ObjectKind, numbers: [u64; 2]) -> Self {
        Self::of(kind, &numbers)
    }

    /// The same for an object of which one more number says which version it is.
    #[must_use]
    pub fn versioned(kind: ObjectKind, numbers: [u64; 3]) -> Self {
        Self::of(kind, &numbers)
    }

    /// Of three numbers at most, which fit.
    fn of(kind: ObjectKind, numbers: &[u64]) -> Self {
        let mut id = Self {
            text: [0; OURS_BYTES_MAX],
            length: 0,
        };
        id.push(match kind {
            ObjectKind::Mailbox => b'F',
            ObjectKind::Email => b'M',
            ObjectKind::Thread => b'T',
        });
        for (at, number) in numbers.iter().enumerate() {
            if at > 0 {
                id.push(b'-');
            }
            id.push_hex(*number);
        }
        id
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.length) {
            *place = byte;
            self.length = self.length.saturating_add(1);
        }
    }

    fn push_hex(&mut self, number: u64) {
        let digits = (u64::BITS.saturating_sub(number.leading_zeros()))
            .div_ceil(4)
            .max(1);
        for place in (0..digits).rev() {
            let nibble = (number >> place.saturating_mul(4)) & 0xf;
            let digit = char::from_digit(nibble as u32, 16).unwrap_or('0');
            self.push(digit as u8);
        }
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.text.get(..self.length).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// The last number of an identifier: which object it would be, if it is one of ours at
    /// all; whoever asks renders that one's, and compares.
    #[must_use]
    pub fn last_number(text: &str) -> Option<u64> {
        u64::from_str_radix(text.rsplit('-').next()?, 16).ok()
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// `objectid = 1*255(ALPHA / DIGIT / "_" / "-")`; its case counts
pub(super) fn objectid(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let is_object_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let bytes = cursor.take_while1(is_object_char, "an object's identifier")?;
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= OBJECT_ID_BYTES_MAX => Ok(text.to_owned()),
        _ => Err(expected("a shorter identifier")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_we_give_is_an_objectid_that_names_one_object(one: [u64; 3], other: [u64; 3]) {
            let id = |numbers| ObjectId::versioned(ObjectKind::Mailbox, numbers);
            let text = id(one).as_str().to_owned();
            prop_assert_eq!(objectid(&mut Cursor::new(text.as_bytes())).unwrap(), text.clone());
            prop_assert_eq!(ObjectId::last_number(&text), Some(one[2]));
            prop_assert_eq!(id(one) == id(other), one == other);
        }
    }

    #[test]
    fn kinds_have_letters_of_their_own() {
        let id = |kind| ObjectId::new(kind, [7, 0]);
        let ids = [ObjectKind::Mailbox, ObjectKind::Email, ObjectKind::Thread].map(id);
        assert_eq!(
            ids.each_ref().map(ObjectId::as_str),
            ["F7-0", "M7-0", "T7-0"]
        );
        let longest = ObjectId::versioned(ObjectKind::Email, [u64::MAX; 3]);
        assert_eq!(longest.as_str().len(), OURS_BYTES_MAX);
    }

    #[test]
    fn an_identifier_is_as_long_as_the_rfc_says_and_of_its_characters() {
        let read = |text: &str| objectid(&mut Cursor::new(text.as_bytes()));
        assert!(read(&"a".repeat(255)).is_ok() && read(&"a".repeat(256)).is_err());
        assert!(read("").is_err() && read("\"a\"").is_err());
        assert_eq!(read("M_-9)").as_deref(), Ok("M_-9"));
    }
}
