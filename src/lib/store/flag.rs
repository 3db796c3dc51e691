//! Flags: the five of RFC 9051 as bits, keywords by name. A mailbox keeps a
//! table of the keywords it has seen, and a message 64 bits into it.

use std::ops::{BitAnd, BitOr, Not};

/// Keywords of one mailbox that are in use at once: one bit each.
pub const KEYWORDS_MAX: usize = 64;

/// Bytes of one keyword; it is stored and sent whenever flags are listed.
pub const KEYWORD_BYTES_MAX: usize = 128;

/// A set of system flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SystemFlags(u8);

impl SystemFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(2);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(4);
    /// `\Deleted`
    pub const DELETED: Self = Self(8);
    /// `\Draft`
    pub const DRAFT: Self = Self(16);
    /// Every one.
    pub const ALL: Self = Self(31);

    /// Whether all of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self & other == other
    }

    /// As stored.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// `None` if a bit is set that is no flag.
    pub fn of_bits(bits: u8) -> Option<Self> {
        (bits <= Self::ALL.0).then_some(Self(bits))
    }
}

impl BitOr for SystemFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for SystemFlags {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for SystemFlags {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }
}

/// A keyword as it was first spelled. Case doesn't make another one
/// (RFC 9051, section 2.3.2).
#[derive(Clone, Debug)]
pub struct Keyword(String);

impl Keyword {
    /// An IMAP atom of 1 to [`KEYWORD_BYTES_MAX`] bytes; `None` for anything else.
    pub fn new(keyword: &str) -> Option<Self> {
        let fits = !keyword.is_empty() && keyword.len() <= KEYWORD_BYTES_MAX;
        (fits && keyword.bytes().all(is_atom_char)).then(|| Self(keyword.to_owned()))
    }

    /// As it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `ATOM-CHAR = <any CHAR except atom-specials>` (RFC 9051, section 9)
fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#"(){%*"\]"#.contains(&byte)
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let folded = |keyword: &Self| keyword.0.to_ascii_lowercase();
        folded(self).cmp(&folded(other))
    }
}

/// Flags by name, as a client gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// System flags.
    pub system: SystemFlags,
    /// Keywords, each once.
    pub keywords: Vec<Keyword>,
}

/// What is done with given flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagAction {
    /// They are set, others stay.
    Add,
    /// They are cleared, others stay.
    Remove,
    /// They are set, others are cleared.
    Replace,
}

impl FlagAction {
    /// What becomes of `old`, one bit per flag, where only `mask` may change.
    pub(crate) fn apply(self, old: u64, given: u64, mask: u64) -> u64 {
        let given = given & mask;
        match self {
            Self::Add => old | given,
            Self::Remove => old & !given,
            Self::Replace => (old & !mask) | given,
        }
    }
}

impl FlagAction {
    /// The same for system flags.
    pub(crate) fn apply_system(
        self,
        old: SystemFlags,
        given: SystemFlags,
        mask: SystemFlags,
    ) -> SystemFlags {
        let given = given & mask;
        match self {
            Self::Add => old | given,
            Self::Remove => old & !given,
            Self::Replace => (old & !mask) | given,
        }
    }
}

/// A change of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// What is done.
    pub action: FlagAction,
    /// With which flags.
    pub flags: Flags,
    /// Messages that changed after this stay as they are (RFC 7162, UNCHANGEDSINCE). 0
    /// leaves all as they are, but that keywords may be added that they haven't.
    pub unchanged_since: Option<crate::id::Modseq>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_an_atom() {
        for bad in ["", "a b", "a(b", "\\Seen", "a]", "ä", "a\"b", "a*"] {
            assert!(Keyword::new(bad).is_none(), "{bad:?}");
        }
        assert!(Keyword::new("$Forwarded").is_some());
        assert!(Keyword::new(&"a".repeat(129)).is_none());
    }

    #[test]
    fn case_makes_no_other_keyword() {
        assert_eq!(Keyword::new("$Junk"), Keyword::new("$junk"));
    }

    #[test]
    fn what_the_mask_does_not_hold_never_changes() {
        for action in [FlagAction::Add, FlagAction::Remove, FlagAction::Replace] {
            assert_eq!(action.apply(0b1010, 0b0110, 0), 0b1010);
        }
        assert_eq!(FlagAction::Add.apply(0b1000, 0b0110, 0b0010), 0b1010);
        assert_eq!(FlagAction::Remove.apply(0b1110, 0b0110, 0b0010), 0b1100);
        assert_eq!(FlagAction::Replace.apply(0b1100, 0b0110, 0b0111), 0b1110);
    }
}
