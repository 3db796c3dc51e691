//! Mailbox names: lists of components. The wire's separator and encodings are
//! none of our business, and no name ever becomes a file's.

use std::fmt;

/// Bytes of one component in UTF-8: what file systems allow, so that exports and
/// migrations never have to shorten.
pub const COMPONENT_BYTES_MAX: usize = 255;

/// Components of one name.
pub const DEPTH_MAX: usize = 32;

/// Bytes of a whole name, one for each separator included.
pub const NAME_BYTES_MAX: usize = 1024;

/// A mailbox's name. The caller gives components in NFC, so that equal names
/// are equal bytes. A first component that is "inbox" in any case is `INBOX`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Vec<String>);

impl MailboxName {
    /// Checks components; `None` if there are none or too many, or if one is
    /// empty, too long, or holds a `/` or a control character.
    pub fn new<I>(components: I) -> Option<Self>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut taken = components.into_iter().take(DEPTH_MAX.saturating_add(1));
        let mut names: Vec<String> = taken.by_ref().map(Into::into).collect();
        let bytes = names
            .iter()
            .fold(names.len().saturating_sub(1), |sum, name| {
                sum.saturating_add(name.len())
            });
        let fits = !names.is_empty() && names.len() <= DEPTH_MAX && bytes <= NAME_BYTES_MAX;
        if !fits || !names.iter().all(|name| is_component(name)) {
            return None;
        }
        let first = names.first_mut()?;
        if first.eq_ignore_ascii_case("INBOX") {
            first.make_ascii_uppercase();
        }
        Some(Self(names))
    }

    /// The name of the mailbox that mail comes to.
    pub fn inbox() -> Self {
        Self(vec!["INBOX".to_owned()])
    }

    /// The components, outermost first. Never empty.
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// Whether this lies in `ancestor`, at any depth.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self.0.len() > ancestor.0.len() && self.0.starts_with(&ancestor.0)
    }

    /// The names that this lies in, the nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        (1..self.0.len())
            .rev()
            .filter_map(|n| self.0.get(..n).map(|head| Self(head.to_vec())))
    }

    /// What this is called after `from`, which it is or lies in, became `to`.
    /// `None` if that would be too long or too deep.
    pub(crate) fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        let rest = self.0.get(from.0.len()..)?;
        Self::new(to.0.iter().chain(rest).cloned())
    }
}

fn is_component(name: &str) -> bool {
    let plain = |c: char| c != '/' && !c.is_control();
    !name.is_empty() && name.len() <= COMPONENT_BYTES_MAX && name.chars().all(plain)
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// What a mailbox is for (RFC 6154).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    /// Every one, in the order of their codes, which begin at 1.
    const ALL: [Self; 7] = [
        Self::All,
        Self::Archive,
        Self::Drafts,
        Self::Flagged,
        Self::Junk,
        Self::Sent,
        Self::Trash,
    ];

    /// As it stands in a record; 0 for none.
    pub(crate) fn code(special_use: Option<Self>) -> u8 {
        let at = Self::ALL.iter().position(|use_| Some(*use_) == special_use);
        at.and_then(|at| u8::try_from(at.saturating_add(1)).ok())
            .unwrap_or(0)
    }

    /// The use of a code; `None` if it has none of ours.
    pub(crate) fn of_code(code: u8) -> Option<Option<Self>> {
        match usize::from(code).checked_sub(1) {
            None => Some(None),
            Some(at) => Self::ALL.get(at).map(|use_| Some(*use_)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> MailboxName {
        MailboxName::new(path.split('/')).unwrap()
    }

    #[test]
    fn a_name_that_could_be_taken_for_another_is_none() {
        for bad in [
            &["a/b"] as &[&str],
            &[""],
            &["a", ""],
            &["a\0"],
            &["a\nb"],
            &[],
        ] {
            assert_eq!(MailboxName::new(bad.iter().copied()), None, "{bad:?}");
        }
        assert!(MailboxName::new(["..", "."]).is_some(), "no name is a path");
    }

    #[test]
    fn names_are_bounded_in_length_and_depth() {
        assert!(MailboxName::new([&"a".repeat(255)]).is_some());
        assert!(MailboxName::new([&"a".repeat(256)]).is_none());
        assert!(MailboxName::new(vec!["a"; 32]).is_some());
        assert!(MailboxName::new(vec!["a"; 33]).is_none());
        assert!(MailboxName::new(vec!["a".repeat(204).as_str(); 5]).is_some());
        assert!(MailboxName::new(vec!["a".repeat(205).as_str(); 5]).is_none());
    }

    #[test]
    fn inbox_has_one_spelling_and_only_at_the_top() {
        assert_eq!(name("inBox"), MailboxName::inbox());
        assert_eq!(name("inbox/a").components(), ["INBOX", "a"]);
        assert_eq!(name("a/inbox").components(), ["a", "inbox"]);
    }

    #[test]
    fn a_tree_moves_with_its_root() {
        assert_eq!(
            name("a/b/c").moved(&name("a"), &name("x/y")),
            Some(name("x/y/b/c"))
        );
        assert!(name("a/b").is_below(&name("a")));
        assert!(!name("ab").is_below(&name("a")));
        let deep = MailboxName::new(vec!["a"; 32]).unwrap();
        assert_eq!(deep.moved(&name("a"), &name("x/y")), None);
    }

    #[test]
    fn a_special_use_is_read_as_it_was_written() {
        for special_use in [None, Some(SpecialUse::All), Some(SpecialUse::Trash)] {
            let code = SpecialUse::code(special_use);
            assert_eq!(SpecialUse::of_code(code), Some(special_use));
        }
        assert_eq!(SpecialUse::of_code(8), None);
    }
}
