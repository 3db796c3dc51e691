//! LIST of single names that nobody asked for: the tree has changed there (RFC 5465 §5.4).

use super::Question;
use super::tree::{Node, Tree};
use crate::imap::End;
use crate::imap::client::Client;
use std::collections::BTreeMap;
use wire::imap::MailboxName;
use wire::imap::response::{Data, ListEntry};

impl Client {
    /// Tells how names stand now, each with the name that its mailbox had before if it was
    /// renamed.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_listed(
        &mut self,
        names: &BTreeMap<MailboxName, Option<MailboxName>>,
    ) -> Result<(), End> {
        let tree = Tree::gather(self, &[]).await?;
        let question = Question {
            extended: true,
            tell_subscribed: true,
            ..Question::default()
        };
        let nothing = Node::default();
        for (name, before) in names {
            let node = tree.get(name).unwrap_or(&nothing);
            let entry = ListEntry {
                attributes: &question.attributes(&tree, name, node),
                mailbox: name,
                child_subscribed: false,
            };
            match before {
                Some(before) => self.tell(&Data::Renamed(entry, before)),
                None => self.tell(&Data::List(entry)),
            }
            self.out().relieve().await?;
        }
        Ok(())
    }
}
