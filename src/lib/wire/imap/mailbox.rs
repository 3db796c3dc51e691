//! Names of mailboxes.
//!
//! Inside of Mailkeep a name is a list of UTF-8 components in NFC; the
//! separator and modified UTF-7 exist on the wire alone. Two names that are
//! equal after NFC are one mailbox. INBOX is one name in any case of letters.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use preauth::imap::cursor::Cursor;
use unicode_normalization::UnicodeNormalization;

use super::{Dialect, Parsed, SEPARATOR, utf7};
use crate::limits::{
    LITERAL_BYTES_MAX, MAILBOX_BYTES_MAX, MAILBOX_COMPONENT_BYTES_MAX, MAILBOX_DEPTH_MAX,
};

/// The name of a mailbox that may or may not exist. Always within the limits. Two are
/// equal if they name one mailbox, however they were written.
#[derive(Debug, Clone)]
pub struct MailboxName {
    components: Vec<String>,
    /// In UTF-8, if the client wrote it in another form than ours.
    as_written: Option<String>,
}

impl PartialEq for MailboxName {
    fn eq(&self, other: &Self) -> bool {
        self.components == other.components
    }
}

impl Eq for MailboxName {}

impl PartialOrd for MailboxName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MailboxName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.components.cmp(&other.components)
    }
}

impl Hash for MailboxName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.components.hash(state);
    }
}

/// Why a string is not the name of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFault {
    /// Nothing, or nothing between two separators.
    EmptyComponent,
    /// A control character or a line separator.
    ForbiddenCharacter,
    /// A component, or the whole, is too long.
    TooLong,
    /// Too many components.
    TooDeep,
    /// Neither UTF-8 nor (in rev1) well-formed modified UTF-7.
    BadEncoding,
}

impl MailboxName {
    /// INBOX.
    #[must_use]
    pub fn inbox() -> Self {
        Self {
            components: vec![INBOX.to_owned()],
            as_written: None,
        }
    }

    /// Takes components from outside of the wire, and brings them into form.
    pub fn from_components<I>(components: I) -> Result<Self, NameFault>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut name = Self {
            components: Vec::new(),
            as_written: None,
        };
        for component in components {
            name.push(component.as_ref())?;
        }
        match name.components.as_slice() {
            [] => Err(NameFault::EmptyComponent),
            _ => Ok(name),
        }
    }

    /// Takes UTF-8 with the wire's separator.
    pub fn from_utf8(name: &str) -> Result<Self, NameFault> {
        Self::from_components(name.split(SEPARATOR))
    }

    /// Takes what a client sent.
    pub fn from_wire(name: &[u8], dialect: Dialect) -> Result<Self, NameFault> {
        let text = decode(name, dialect).ok_or(NameFault::BadEncoding)?;
        let mut name = Self::from_utf8(&text)?;
        if name.to_utf8() != text {
            name.as_written = Some(text);
        }
        Ok(name)
    }

    /// How the client wrote it, in UTF-8, if that was not in NFC, or INBOX in other
    /// letters: what OLDNAME tells it (RFC 9051, section 6.3.9.7).
    #[must_use]
    pub fn as_written(&self) -> Option<&str> {
        self.as_written.as_deref()
    }

    /// What a client is sent; still to be made a string of the protocol.
    #[must_use]
    pub fn to_wire(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Rev1 => utf7::encode(&self.to_utf8()),
            Dialect::Rev2 | Dialect::Utf8 => self.to_utf8(),
        }
    }

    /// UTF-8 with the wire's separator.
    #[must_use]
    pub fn to_utf8(&self) -> String {
        self.components.join("/")
    }

    /// The components, from the root; at least one.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Whether this is INBOX itself.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        matches!(self.components.as_slice(), [only] if only == INBOX)
    }

    /// The name one level up; none above a name of one component.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self.components.split_last()? {
            (_, []) => None,
            (_, above) => Some(Self {
                components: above.to_vec(),
                as_written: None,
            }),
        }
    }

    /// A name one level down.
    pub fn child(&self, component: &str) -> Result<Self, NameFault> {
        let mut name = Self {
            components: self.components.clone(),
            as_written: None,
        };
        name.push(component)?;
        Ok(name)
    }

    fn push(&mut self, component: &str) -> Result<(), NameFault> {
        let component = self.in_form(component)?;
        self.components.push(component);
        let bytes: usize = self
            .components
            .iter()
            .map(|one| one.len().saturating_add(1))
            .sum();
        match self.components.len() {
            _ if bytes > MAILBOX_BYTES_MAX => Err(NameFault::TooLong),
            depth if depth > MAILBOX_DEPTH_MAX => Err(NameFault::TooDeep),
            _ => Ok(()),
        }
    }

    fn in_form(&self, component: &str) -> Result<String, NameFault> {
        if component.len() > LITERAL_BYTES_MAX {
            return Err(NameFault::TooLong);
        }
        let component: String = component.nfc().collect();
        if component.is_empty() {
            return Err(NameFault::EmptyComponent);
        }
        if component.chars().any(is_forbidden) {
            return Err(NameFault::ForbiddenCharacter);
        }
        if component.len() > MAILBOX_COMPONENT_BYTES_MAX {
            return Err(NameFault::TooLong);
        }
        let is_inbox = self.components.is_empty() && component.eq_ignore_ascii_case(INBOX);
        Ok(if is_inbox {
            INBOX.to_owned()
        } else {
            component
        })
    }
}

/// UTF-8 with separators: how logs and administrators see it.
impl fmt::Display for MailboxName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.to_utf8())
    }
}

/// `mailbox = "INBOX" / astring`
///
/// A separator at the end is passed over. In CREATE it announces children, which we
/// need not be told (RFC 9051, section 6.3.4). Leniency `separator-at-the-end`
/// (docs/clients.md): some clients keep it for every other command.
pub(super) fn mailbox(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<MailboxName> {
    let name: Vec<u8> = cursor.astring()?.bytes().collect();
    let name = name.strip_suffix(b"/").unwrap_or(&name);
    Ok(MailboxName::from_wire(name, dialect)?)
}

/// A name or a pattern in UTF-8; none if it isn't what the dialect says.
pub(super) fn decode(name: &[u8], dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Rev1 => utf7::decode(name),
        Dialect::Rev2 | Dialect::Utf8 => String::from_utf8(name.to_vec()).ok(),
    }
}

const INBOX: &str = "INBOX";

fn is_forbidden(letter: char) -> bool {
    letter.is_control() || matches!(letter, '/' | '\u{2028}' | '\u{2029}')
}

impl fmt::Display for NameFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::EmptyComponent => "The mailbox name has an empty part",
            Self::ForbiddenCharacter => "The mailbox name has a character that none may have",
            Self::TooLong => "The mailbox name is too long",
            Self::TooDeep => "The mailbox name has too many levels",
            Self::BadEncoding => "The mailbox name is not well encoded",
        })
    }
}

impl std::error::Error for NameFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rev1(name: &str) -> Result<MailboxName, NameFault> {
        MailboxName::from_wire(name.as_bytes(), Dialect::Rev1)
    }

    #[test]
    fn inbox_is_one_name_in_any_case_and_only_at_the_root() {
        assert!(rev1("iNbOx").unwrap().is_inbox());
        assert_eq!(rev1("inbox/Sub").unwrap(), rev1("INBOX/Sub").unwrap());
        assert_ne!(rev1("x/inbox").unwrap(), rev1("x/INBOX").unwrap());
        assert!(!rev1("INBOX/Sub").unwrap().is_inbox());
    }

    #[test]
    fn names_that_are_equal_after_nfc_are_one_mailbox() {
        let composed = MailboxName::from_utf8("Entw\u{fc}rfe").unwrap();
        let decomposed = MailboxName::from_utf8("Entwu\u{308}rfe").unwrap();
        assert_eq!(composed, decomposed);
        assert_eq!(composed.to_wire(Dialect::Rev1), "Entw&APw-rfe");
        assert_eq!(composed.to_wire(Dialect::Rev2), "Entw\u{fc}rfe");
    }

    /// RFC 3501, section 5.1: valid, though hard to LIST alone; mailboxes that move in
    /// from elsewhere have them.
    #[test]
    fn wildcards_are_letters_in_a_name() {
        for name in ["100%", "a*b", "*"] {
            let name = rev1(name).unwrap();
            assert_eq!(rev1(&name.to_wire(Dialect::Rev1)), Ok(name));
        }
    }

    #[test]
    fn what_no_mailbox_may_be_called_is_refused_with_its_reason() {
        let deep = ["x"; 33].join("/");
        let wide = ["y".repeat(255).as_str(); 5].join("/");
        let refused = [
            ("", NameFault::EmptyComponent),
            ("/", NameFault::EmptyComponent),
            ("/etc", NameFault::EmptyComponent),
            ("a//b", NameFault::EmptyComponent),
            ("a/", NameFault::EmptyComponent),
            ("a\x07b", NameFault::BadEncoding),
            ("&AAA-", NameFault::ForbiddenCharacter),
            ("&ICg-", NameFault::ForbiddenCharacter),
            ("&AC8-", NameFault::BadEncoding),
            ("caf\u{e9}", NameFault::BadEncoding),
            (deep.as_str(), NameFault::TooDeep),
            (wide.as_str(), NameFault::TooLong),
        ];
        for (name, why) in refused {
            assert_eq!(rev1(name), Err(why), "{name:?}");
        }
        assert_eq!(rev1(&"z".repeat(256)), Err(NameFault::TooLong));
        assert!(rev1(&"z".repeat(255)).is_ok());
    }

    #[test]
    fn dots_are_ordinary_letters_since_a_name_is_never_a_path() {
        assert_eq!(rev1("../..").unwrap().components(), ["..", ".."]);
    }

    #[test]
    fn parents_end_at_the_root() {
        let name = rev1("a/b").unwrap();
        let parent = name.parent().unwrap();
        assert_eq!(parent.to_utf8(), "a");
        assert_eq!(parent.parent(), None);
        assert_eq!(parent.child("b").unwrap(), name);
    }

    #[test]
    fn one_separator_at_the_end_is_passed_over_where_a_command_names_a_mailbox() {
        let read = |text: &str| {
            let mut cursor = Cursor::new(text.as_bytes());
            mailbox(&mut cursor, Dialect::Rev1)
        };
        assert_eq!(read("a/b/").unwrap().to_utf8(), "a/b");
        assert!(read("inbox/").unwrap().is_inbox());
        for name in ["a//", "/", "\"\""] {
            let refused = read(name);
            let why = NameFault::EmptyComponent.into();
            assert_eq!(refused, Err(why), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_survives_both_dialects(text in "\\PC{1,40}(/\\PC{1,40}){0,3}") {
            if let Ok(name) = MailboxName::from_utf8(&text) {
                for dialect in [Dialect::Rev1, Dialect::Rev2, Dialect::Utf8] {
                    let wire = name.to_wire(dialect);
                    prop_assert_eq!(MailboxName::from_wire(wire.as_bytes(), dialect), Ok(name.clone()));
                }
            }
        }
    }
}
