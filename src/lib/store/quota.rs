//! How much an account may hold, and how much it does.
//!
//! Usage is exact: it is counted as entries come and go, and is at every moment
//! the sum over all mailboxes. It is logical: a copy counts like its original,
//! whatever the disk holds once.

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Bytes of all letters (STORAGE of RFC 9208, which counts them in KiB).
    Bytes,
    /// Messages in all mailboxes.
    Messages,
    /// Mailboxes.
    Mailboxes,
}

/// What an account holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all letters, each as often as it lies in a mailbox.
    pub bytes: u64,
    /// Messages in all mailboxes.
    pub messages: u64,
    /// Mailboxes.
    pub mailboxes: u64,
}

impl Usage {
    /// Of one letter in one mailbox.
    pub(crate) fn of_letter(bytes: u32) -> Self {
        Self {
            bytes: u64::from(bytes),
            messages: 1,
            mailboxes: 0,
        }
    }

    /// Of one empty mailbox.
    pub(crate) fn of_mailbox() -> Self {
        Self {
            mailboxes: 1,
            ..Self::default()
        }
    }

    /// Both together.
    pub(crate) fn plus(self, more: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(more.bytes),
            messages: self.messages.saturating_add(more.messages),
            mailboxes: self.mailboxes.saturating_add(more.mailboxes),
        }
    }

    /// What is left without the other.
    pub(crate) fn minus(self, less: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(less.bytes),
            messages: self.messages.saturating_sub(less.messages),
            mailboxes: self.mailboxes.saturating_sub(less.mailboxes),
        }
    }
}

/// What an account may hold; `None`: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Bytes of all letters.
    pub bytes: Option<u64>,
    /// Messages in all mailboxes.
    pub messages: Option<u64>,
    /// Mailboxes.
    pub mailboxes: Option<u64>,
}

impl QuotaLimits {
    /// What `more` of would be too much beside `usage`. Only what grows is
    /// looked at: who is over a limit may still do what adds nothing to it.
    pub(crate) fn exceeded(&self, usage: Usage, more: Usage) -> Option<Resource> {
        let over = |limit: Option<u64>, used: u64, more: u64| {
            more > 0 && limit.is_some_and(|limit| used.saturating_add(more) > limit)
        };
        if over(self.bytes, usage.bytes, more.bytes) {
            Some(Resource::Bytes)
        } else if over(self.messages, usage.messages, more.messages) {
            Some(Resource::Messages)
        } else if over(self.mailboxes, usage.mailboxes, more.mailboxes) {
            Some(Resource::Mailboxes)
        } else {
            None
        }
    }
}

/// One limit of an account of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// The site's.
    #[default]
    Default,
    /// This many.
    AtMost(u64),
    /// None.
    Unlimited,
}

impl Limit {
    /// Stands for the site's limit, as stored.
    const DEFAULT: u64 = u64::MAX;
    /// Stands for no limit, as stored.
    const UNLIMITED: u64 = u64::MAX - 1;

    /// As stored.
    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Default => Self::DEFAULT,
            Self::AtMost(limit) => limit.min(Self::UNLIMITED),
            Self::Unlimited => Self::UNLIMITED,
        }
    }

    pub(crate) fn of_code(code: u64) -> Self {
        match code {
            Self::DEFAULT => Self::Default,
            Self::UNLIMITED => Self::Unlimited,
            limit => Self::AtMost(limit),
        }
    }

    fn or(self, default: Option<u64>) -> Option<u64> {
        match self {
            Self::Default => default,
            Self::AtMost(limit) => Some(limit),
            Self::Unlimited => None,
        }
    }
}

/// An account's own limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaOverride {
    /// Bytes of all letters.
    pub bytes: Limit,
    /// Messages in all mailboxes.
    pub messages: Limit,
    /// Mailboxes.
    pub mailboxes: Limit,
}

impl QuotaOverride {
    /// The limits that hold where the site's are these.
    pub(crate) fn over(&self, site: QuotaLimits) -> QuotaLimits {
        QuotaLimits {
            bytes: self.bytes.or(site.bytes),
            messages: self.messages.or(site.messages),
            mailboxes: self.mailboxes.or(site.mailboxes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grows_beyond_its_limit_is_too_much() {
        let limits = QuotaLimits {
            bytes: Some(100),
            messages: Some(10),
            mailboxes: None,
        };
        let usage = Usage {
            bytes: 90,
            messages: 20,
            mailboxes: 5,
        };
        let more = |bytes, messages, mailboxes| {
            let more = Usage {
                bytes,
                messages,
                mailboxes,
            };
            limits.exceeded(usage, more)
        };
        assert_eq!(more(10, 0, 9), None);
        assert_eq!(more(11, 0, 0), Some(Resource::Bytes));
        assert_eq!(more(0, 1, 0), Some(Resource::Messages));
        assert_eq!(more(u64::MAX, 0, 0), Some(Resource::Bytes));
    }

    #[test]
    fn an_account_s_own_limit_stands_before_the_site_s() {
        let own = QuotaOverride {
            bytes: Limit::AtMost(7),
            messages: Limit::Unlimited,
            mailboxes: Limit::Default,
        };
        let site = QuotaLimits {
            bytes: Some(1),
            messages: Some(2),
            mailboxes: Some(3),
        };
        let limits = own.over(site);
        assert_eq!((limits.bytes, limits.messages), (Some(7), None));
        assert_eq!(limits.mailboxes, Some(3));
    }

    #[test]
    fn a_limit_is_read_as_it_was_stored() {
        for limit in [
            Limit::Default,
            Limit::Unlimited,
            Limit::AtMost(0),
            Limit::AtMost(9),
        ] {
            assert_eq!(Limit::of_code(limit.code()), limit);
        }
        assert_eq!(
            Limit::of_code(Limit::AtMost(u64::MAX).code()),
            Limit::Unlimited
        );
    }
}
