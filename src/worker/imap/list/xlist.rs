//! XLIST: what Gmail had before RFC 6154, and what old Apple clients still ask
//! where it is announced. A LIST of the basic form whose special uses have other
//! names, and in which INBOX is marked, since Gmail translates its name.

use super::Question;
use super::tree::Tree;
use crate::imap::End;
use crate::imap::answer::Answer;
use crate::imap::client::Client;
use wire::imap::response::{Data, ListAttribute, ListEntry};
use wire::imap::{ListPattern, SpecialUse};

impl Client {
    /// XLIST. Leniency `xlist` (docs/clients.md).
    pub async fn xlist(&mut self, pattern: &ListPattern) -> Result<Answer, End> {
        if pattern.is_empty() {
            self.tell(&Data::XlistSeparator);
            return Ok(Answer::ok("That is the separator"));
        }
        let tree = Tree::gather(self, std::slice::from_ref(pattern)).await?;
        let question = Question::default();
        for (name, node) in tree.nodes() {
            self.breathe().await?;
            let Some(found) = question.look(&tree, name, node) else {
                continue;
            };
            let mut attributes: Vec<_> =
                found.attributes.into_iter().map(in_gmails_words).collect();
            if name.is_inbox() {
                attributes.push(ListAttribute::XInbox);
            }
            self.tell(&Data::Xlist(ListEntry {
                attributes: &attributes,
                mailbox: name,
                child_subscribed: false,
            }));
            self.out().relieve().await?;
        }
        Ok(Answer::ok("Listed"))
    }
}

/// `\Archive` had no word of its own and keeps RFC 6154's, as elsewhere.
fn in_gmails_words(attribute: ListAttribute) -> ListAttribute {
    match attribute {
        ListAttribute::For(SpecialUse::All) => ListAttribute::XAllMail,
        ListAttribute::For(SpecialUse::Junk) => ListAttribute::XSpam,
        ListAttribute::For(SpecialUse::Flagged) => ListAttribute::XStarred,
        other => other,
    }
}
