//! Who may do what: the rights of RFC 4314, who asks, and to whom a right is given.

use crate::id::AccountId;
use std::ops::{BitAnd, BitOr};

/// A set of rights (RFC 4314, section 2.1), one bit per letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u16);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// `l`: the mailbox is seen to be there.
    pub const LOOKUP: Self = Self(1);
    /// `r`: messages, flags and counters are read.
    pub const READ: Self = Self(1 << 1);
    /// `s`: `\Seen` is changed.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: flags but `\Seen` and `\Deleted` are changed.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: messages are added.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: mail is submitted to it. Nothing asks for it: letters are delivered
    /// on the owner's behalf (RFC 4314 leaves it to others than IMAP, too).
    pub const POST: Self = Self(1 << 5);
    /// `k`: mailboxes are made in it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: it is deleted or renamed.
    pub const DELETE_MAILBOX: Self = Self(1 << 7);
    /// `t`: `\Deleted` is changed.
    pub const DELETE_MESSAGES: Self = Self(1 << 8);
    /// `e`: messages are expunged.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: rights are given.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// All that there are: the owner's.
    pub const ALL: Self = Self((1 << 11) - 1);

    /// Whoever has none of these can change nothing that is in a mailbox: it opens
    /// READ-ONLY (RFC 4314, section 5.2; all flags are shared by all who see them).
    pub const CHANGE: Self = Self(
        Self::INSERT.0 | Self::EXPUNGE.0 | Self::SEEN.0 | Self::WRITE.0 | Self::DELETE_MESSAGES.0,
    );

    /// Whoever has one of these, and `l`, sees the annotations of a mailbox (RFC
    /// 5464, section 3.3).
    pub(crate) const ANNOTATIONS: Self =
        Self(Self::READ.0 | Self::SEEN.0 | Self::WRITE.0 | Self::INSERT.0 | Self::POST.0);

    /// The letters, in the order of the bits.
    const LETTERS: [char; 11] = ['l', 'r', 's', 'w', 'i', 'p', 'k', 'x', 't', 'e', 'a'];

    /// Whether all of `other` are given.
    pub fn contains(self, other: Self) -> bool {
        self & other == other
    }

    /// Whether none is given.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// As stored.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// `None` if a bit is set that is no right.
    pub fn of_bits(bits: u16) -> Option<Self> {
        (bits <= Self::ALL.0).then_some(Self(bits))
    }

    /// As IMAP writes them.
    pub fn letters(self) -> String {
        let given = |(bit, _): &(usize, &char)| self.0 >> bit & 1 == 1;
        Self::LETTERS
            .iter()
            .enumerate()
            .filter(given)
            .map(|(_, c)| *c)
            .collect()
    }

    /// Reads letters; `None` if one is no right.
    pub fn of_letters(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self::NONE, |rights, letter| {
            let bit = Self::LETTERS.iter().position(|known| *known == letter)?;
            Some(rights | Self(1 << bit))
        })
    }
}

impl BitOr for Rights {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Rights {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The account's owner: has every right, and can't lose one.
    Owner,
    /// Another account of this site.
    Account(AccountId),
}

/// To whom a right is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// Every account of this site.
    Anyone,
    /// One account.
    Account(AccountId),
}

/// One line of a mailbox's access list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AclEntry {
    /// To whom.
    pub grantee: Grantee,
    /// Which.
    pub rights: Rights,
}

/// The rights that an access list gives `principal`: its own and everybody's.
pub(crate) fn granted(acl: &[AclEntry], principal: Principal) -> Rights {
    let Principal::Account(account) = principal else {
        return Rights::ALL;
    };
    let meant = |entry: &&AclEntry| {
        entry.grantee == Grantee::Anyone || entry.grantee == Grantee::Account(account)
    };
    acl.iter()
        .filter(meant)
        .fold(Rights::NONE, |sum, entry| sum | entry.rights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_as_they_are_written() {
        assert_eq!(Rights::ALL.letters(), "lrswipkxtea");
        assert_eq!(Rights::of_letters("lrswipkxtea"), Some(Rights::ALL));
        assert_eq!(Rights::of_letters("lz"), None);
        assert_eq!(Rights::of_bits(1 << 11), None);
    }

    #[test]
    fn a_stranger_has_what_everybody_has_and_the_owner_has_all() {
        let acl = [
            AclEntry {
                grantee: Grantee::Anyone,
                rights: Rights::LOOKUP,
            },
            AclEntry {
                grantee: Grantee::Account(AccountId(7)),
                rights: Rights::READ,
            },
        ];
        assert_eq!(
            granted(&acl, Principal::Account(AccountId(8))).letters(),
            "l"
        );
        assert_eq!(
            granted(&acl, Principal::Account(AccountId(7))).letters(),
            "lr"
        );
        assert_eq!(granted(&[], Principal::Account(AccountId(7))), Rights::NONE);
        assert_eq!(granted(&[], Principal::Owner), Rights::ALL);
    }
}
