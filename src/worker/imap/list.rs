//! LIST (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 9590) and LSUB (RFC 3501
//! §6.3.9).

mod affected;
mod tree;
mod xlist;

use super::End;
use super::answer::Answer;
use super::client::Client;
use tree::{Node, Tree};
use wire::imap::response::{Data, ListAttribute, ListEntry};
use wire::imap::{
    List, ListPattern, ListReturn, ListSelection, MailboxName, MetadataEntry, StatusItem,
};

impl Client {
    /// LIST.
    pub async fn list(&mut self, list: &List) -> Result<Answer, End> {
        let asks_separator = list.patterns.iter().all(ListPattern::is_empty);
        if asks_separator && !list.extended {
            self.tell(&Data::ListSeparator);
            return Ok(Answer::ok("That is the separator"));
        }
        let tree = Tree::gather(self, &list.patterns).await?;
        let question = Question::new(list);
        for (name, node) in tree.nodes() {
            self.breathe().await?;
            if let Some(found) = question.look(&tree, name, node) {
                self.tell_found(&question, name, found).await?;
            }
            self.out().relieve().await?;
        }
        Ok(Answer::ok("Listed"))
    }

    /// One name, and its STATUS and annotations if they were asked for. What can't be counted can't
    /// be selected, and is told so (RFC 5819 §2).
    async fn tell_found(
        &mut self,
        question: &Question<'_>,
        name: &MailboxName,
        mut found: Found,
    ) -> Result<(), End> {
        let items = question.status.filter(|_| found.is_countable);
        let counts = match items {
            Some(items) => Some(self.count(name, items).await?),
            None => None,
        };
        if matches!(counts, Some(Err(_))) {
            found.attributes.push(ListAttribute::NoSelect);
        }
        self.tell(&Data::List(ListEntry {
            attributes: &found.attributes,
            mailbox: name,
            child_subscribed: found.child_subscribed,
        }));
        if let Some(Ok(counts)) = counts {
            self.tell(&Data::Status(name, &counts));
        }
        match question.metadata.filter(|_| found.is_countable) {
            Some(entries) => self.tell_metadata_of(name, entries).await,
            None => Ok(()),
        }
    }

    /// LSUB: the subscribed names; a name that doesn't fit has its fitting
    /// parents told instead, as `\Noselect`.
    pub async fn lsub(&mut self, pattern: &ListPattern) -> Result<Answer, End> {
        let tree = Tree::gather(self, std::slice::from_ref(pattern)).await?;
        for (name, node) in tree.nodes() {
            self.breathe().await?;
            let stands_in = || {
                let mut below = tree.below(name);
                below.any(|(_, node)| node.subscribed && !node.fits)
            };
            let attributes: &[ListAttribute] = match node.fits {
                true if node.subscribed => &[],
                true if stands_in() => &[ListAttribute::NoSelect],
                _ => continue,
            };
            self.tell(&Data::Lsub(ListEntry {
                attributes,
                mailbox: name,
                child_subscribed: false,
            }));
            self.out().relieve().await?;
        }
        Ok(Answer::ok("Listed"))
    }
}

/// What a LIST wants to know, taken apart.
#[derive(Default)]
struct Question<'a> {
    extended: bool,
    subscribed_only: bool,
    special_use_only: bool,
    recursive: bool,
    tell_subscribed: bool,
    status: Option<&'a [StatusItem]>,
    metadata: Option<&'a [MetadataEntry]>,
}

/// What is told of one name.
struct Found {
    attributes: Vec<ListAttribute>,
    child_subscribed: bool,
    /// It is a mailbox, and is not told for its children's sake alone.
    is_countable: bool,
}

impl<'a> Question<'a> {
    fn new(list: &'a List) -> Self {
        let selects = |option| list.selection.contains(&option);
        let status = list.returns.iter().find_map(|option| match option {
            ListReturn::Status(items) => Some(items.as_slice()),
            _ => None,
        });
        let metadata = list.returns.iter().find_map(|option| match option {
            ListReturn::Metadata(entries) => Some(entries.as_slice()),
            _ => None,
        });
        Self {
            extended: list.extended,
            subscribed_only: selects(ListSelection::Subscribed),
            special_use_only: selects(ListSelection::SpecialUse),
            recursive: selects(ListSelection::RecursiveMatch),
            tell_subscribed: list.returns.contains(&ListReturn::Subscribed),
            status,
            metadata,
        }
    }

    /// Whether a name is told, and what of it.
    fn look(&self, tree: &Tree, name: &MailboxName, node: &Node) -> Option<Found> {
        if !node.fits {
            return None;
        }
        let selected = self.selects(node);
        let child_subscribed = self.recursive && self.has_child(tree, name, selected);
        (selected || child_subscribed).then(|| Found {
            attributes: self.attributes(tree, name, node),
            child_subscribed,
            is_countable: selected && node.mailbox.is_some(),
        })
    }

    /// A name that doesn't exist is told for its subscription if that was asked
    /// for, else for its children's sake.
    fn selects(&self, node: &Node) -> bool {
        let is_there = node.mailbox.is_some() || node.is_parent || self.subscribed_only;
        is_there
            && (!self.subscribed_only || node.subscribed)
            && (!self.special_use_only || node.special_use().is_some())
    }

    /// Whether something below is selected. Of a name that is told only for its
    /// children's sake, those count that the patterns don't show: else the client
    /// is told of them anyway (RFC 5258 §3.5).
    fn has_child(&self, tree: &Tree, name: &MailboxName, selected: bool) -> bool {
        tree.below(name)
            .any(|(_, node)| self.selects(node) && (selected || !node.fits))
    }

    fn attributes(&self, tree: &Tree, name: &MailboxName, node: &Node) -> Vec<ListAttribute> {
        let mut attributes = Vec::new();
        if node.mailbox.is_none() {
            attributes.push(match self.extended {
                true => ListAttribute::NonExistent,
                false => ListAttribute::NoSelect,
            });
        }
        attributes.push(match tree.has_children(name) {
            true => ListAttribute::HasChildren,
            false => ListAttribute::HasNoChildren,
        });
        if node.subscribed && (self.subscribed_only || self.tell_subscribed) {
            attributes.push(ListAttribute::Subscribed);
        }
        attributes.extend(node.special_use().map(ListAttribute::For));
        attributes
    }
}
