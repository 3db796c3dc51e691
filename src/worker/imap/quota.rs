//! GETQUOTA, GETQUOTAROOT and the refusal of SETQUOTA (RFC 9208).
//!
//! An account has one quota root, which is that of all its mailboxes, existing or
//! not. What the account holds is its owner's affair: whoever reads a mailbox of
//! somebody else's learns nothing of it, not even whether there is a limit.
//! Where nothing is limited there is no quota root.

use super::answer::Answer;
use super::client::Client;
use store::{QuotaLimits, Usage};
use wire::Text;
use wire::imap::response::{Code, Data, QuotaResource};
use wire::imap::{MailboxName, Status};

/// The name of the one quota root.
const ROOT: &str = "";

/// STORAGE is told in units of so many bytes (RFC 9208 §5.1).
const STORAGE_UNIT_BYTES: u64 = 1024;

impl Client {
    /// GETQUOTA (RFC 9208 §4.1.1).
    pub fn get_quota(&mut self, root: &str) -> Answer {
        if !self.is_at_home() {
            return not_yours();
        }
        match self.resources() {
            resources if resources.is_empty() || root != ROOT => {
                Answer::no(Code::NonExistent, "There is no such quota root")
            }
            resources => {
                self.tell(&Data::Quota(ROOT, &resources));
                Answer::ok("That is all")
            }
        }
    }

    /// GETQUOTAROOT (RFC 9208 §4.1.2), which "doesn't have to reference an existing
    /// mailbox".
    pub fn get_quota_root(&mut self, mailbox: &MailboxName) -> Answer {
        if !self.is_at_home() {
            return not_yours();
        }
        let resources = self.resources();
        let roots: &[&str] = match resources.as_slice() {
            [] => &[],
            _ => &[ROOT],
        };
        self.tell(&Data::QuotaRoot(mailbox, roots));
        for root in roots {
            self.tell(&Data::Quota(root, &resources));
        }
        Answer::ok("That is all")
    }

    /// SETQUOTA (RFC 9208 §4.1.3), which is the administrator's: QUOTASET is not
    /// announced.
    pub fn set_quota(&self) -> Answer {
        Answer::no(Code::NoPerm, "Limits are the administrator's to set")
    }

    /// Says once, and again after it was mended, that the account holds more than
    /// it may (RFC 9208 §4.3.1). Nothing that comes can bring that about, but a
    /// lower limit can.
    pub fn warn_of_quota(&mut self) {
        let is_over = self.is_at_home() && {
            let store = self.account().store();
            is_over(store.usage(), store.quota())
        };
        if is_over && !self.knows_over_quota {
            let text = Text::new("The account holds more than it may; nothing more is kept");
            let out = self.out().buffer();
            wire::imap::response::untagged(out, Status::No, Some(&Code::OverQuota), &text);
        }
        self.knows_over_quota = is_over;
    }

    /// What is limited, how much of it there is, and how much there may be.
    fn resources(&self) -> Vec<QuotaResource> {
        let store = self.account().store();
        let (usage, limits) = (store.usage(), store.quota());
        let known = [
            ("STORAGE", units(usage.bytes), limits.bytes.map(units)),
            ("MESSAGE", usage.messages, limits.messages),
            ("MAILBOX", usage.mailboxes, limits.mailboxes),
        ];
        let limited = known.into_iter().filter_map(|(name, usage, limit)| {
            let limit = limit?;
            Some(QuotaResource { name, usage, limit })
        });
        limited.collect()
    }
}

fn not_yours() -> Answer {
    Answer::no(Code::NoPerm, "What this account holds is not yours to know")
}

/// Whole units. Both usage and limit round up, so that who is within a limit is
/// seen to be.
fn units(bytes: u64) -> u64 {
    bytes.div_ceil(STORAGE_UNIT_BYTES)
}

fn is_over(usage: Usage, limits: QuotaLimits) -> bool {
    let over = |used: u64, limit: Option<u64>| limit.is_some_and(|limit| used > limit);
    over(usage.bytes, limits.bytes)
        || over(usage.messages, limits.messages)
        || over(usage.mailboxes, limits.mailboxes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_told_in_units_of_1024_octets_and_never_hides_one() {
        assert_eq!([0, 1, 1024, 1025].map(units), [0, 1, 1, 2]);
    }

    #[test]
    fn a_full_account_is_not_over() {
        let usage = Usage {
            bytes: 10,
            messages: 1,
            mailboxes: 7,
        };
        let limits = |bytes| QuotaLimits {
            bytes,
            ..QuotaLimits::default()
        };
        assert!(!is_over(usage, limits(None)) && !is_over(usage, limits(Some(10))));
        assert!(is_over(usage, limits(Some(9))));
    }
}
