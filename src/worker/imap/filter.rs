//! Which mailboxes a client means by `personal`, `subtree` and their like (RFC 5465 §6,
//! RFC 7377 §2.2).
//!
//! Names are compared as the tree stands now, without wildcards; a name without a mailbox
//! means none.

use super::End;
use super::client::Client;
use super::names;
use store::{MailboxId, MailboxName as StoreName};
use wire::imap::{MailboxFilter, MailboxName};

/// Mailboxes matched at once, each with a few hundred names at most: under a millisecond.
pub const MATCHED_STEP: usize = 64;

/// Whether a mailbox is meant. What is selected isn't known by its name.
///
/// `inboxes` are those into which mail may be delivered (RFC 5465 §6.3): INBOX and nothing
/// else, for nothing files mail elsewhere yet. Once scripts of the user's do (Sieve's
/// `fileinto`), it must mean what they can name, or where that can't be known easily,
/// all that `personal` means, as the RFC says.
pub fn includes(filter: &MailboxFilter, name: &MailboxName, subscribed: bool) -> bool {
    let depth = |root: &MailboxName| {
        let below = name.components().strip_prefix(root.components());
        below.map(<[String]>::len)
    };
    let within = |roots: &[MailboxName], levels: usize| {
        let mut depths = roots.iter().filter_map(depth);
        depths.any(|depth| depth <= levels)
    };
    match filter {
        MailboxFilter::Selected | MailboxFilter::SelectedDelayed => false,
        MailboxFilter::Inboxes => name.is_inbox(),
        MailboxFilter::Personal => true,
        MailboxFilter::Subscribed => subscribed,
        MailboxFilter::Subtree(roots) => within(roots, usize::MAX),
        MailboxFilter::SubtreeOne(roots) => within(roots, 1),
        MailboxFilter::Mailboxes(roots) => within(roots, 0),
    }
}

impl Client {
    /// The mailboxes that any of the filters means, or that is this one, in the order of
    /// their names; each once.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn filtered(
        &mut self,
        filters: &[MailboxFilter],
        open: Option<MailboxId>,
    ) -> Result<Vec<(MailboxId, MailboxName)>, End> {
        let account = self.account().clone();
        let still = account.keep_tree().await;
        let (mut found, mut last) = (Vec::new(), None);
        while let Some(name) = self.filter_step(filters, open, last.as_ref(), &mut found) {
            last = Some(name);
            self.breathe().await?;
        }
        drop(still);
        Ok(found)
    }

    /// Looks at the next mailboxes behind a name; the name of the last.
    fn filter_step(
        &self,
        filters: &[MailboxFilter],
        open: Option<MailboxId>,
        last: Option<&StoreName>,
        found: &mut Vec<(MailboxId, MailboxName)>,
    ) -> Option<StoreName> {
        let store = self.account().store();
        let principal = self.principal();
        let listed = store.list_behind(&principal, last).take(MATCHED_STEP);
        let mut seen = None;
        for mailbox in listed {
            seen = Some(mailbox.name);
            let Some(name) = names::to_wire(mailbox.name) else {
                continue;
            };
            let is_meant = |filter| includes(filter, &name, mailbox.subscribed);
            if open == Some(mailbox.id) || filters.iter().any(is_meant) {
                found.push((mailbox.id, name));
            }
        }
        seen.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MailboxName {
        MailboxName::from_utf8(text).unwrap()
    }

    fn found(filter: &MailboxFilter) -> Vec<&'static str> {
        let all = ["INBOX", "INBOX/x", "a", "a/b", "a/b/c", "ab", "a*"];
        all.into_iter()
            .filter(|text| includes(filter, &name(text), *text == "ab"))
            .collect()
    }

    #[test]
    fn a_subtree_ends_at_whole_names_and_nothing_is_a_wildcard() {
        use MailboxFilter::{Inboxes, Mailboxes, Personal, Selected, Subscribed};
        let (a, star) = (vec![name("a")], vec![name("a*"), name("none")]);
        let subtree = MailboxFilter::Subtree(a.clone());
        assert_eq!(found(&subtree), ["a", "a/b", "a/b/c"]);
        let one = MailboxFilter::SubtreeOne(a.clone());
        assert_eq!(found(&one), ["a", "a/b"]);
        assert_eq!(found(&Mailboxes(a)), ["a"]);
        assert_eq!(found(&Mailboxes(star)), ["a*"]);
        assert_eq!(found(&Mailboxes(vec![name("inbox")])), ["INBOX"]);
        assert_eq!(found(&Inboxes), ["INBOX"]);
        assert_eq!(found(&Subscribed), ["ab"]);
        assert_eq!(found(&Selected), Vec::<&str>::new());
        assert_eq!(found(&Personal).len(), 7);
    }
}
