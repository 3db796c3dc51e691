//! What a session has done to the tree itself: of that it isn't told as of news
//! (RFC 5465 §5), unless it doesn't stand as the session has left it.
//!
//! A command counts before it is done, and whether it will be or not: one that has changed
//! nothing explains nothing.

use wire::imap::{Command, MailboxName};

/// See the module.
#[derive(Debug, Default)]
pub struct Own(Vec<Doing>);

#[derive(Debug)]
enum Doing {
    Made(MailboxName),
    Deleted(MailboxName),
    Renamed(MailboxName, MailboxName),
    Subscribed(MailboxName, bool),
}

impl Own {
    /// The session is about to do this.
    pub fn note(&mut self, command: &Command) {
        self.0.extend(match command {
            Command::Create { mailbox, .. } => Some(Doing::Made(mailbox.clone())),
            Command::Delete(name) => Some(Doing::Deleted(name.clone())),
            Command::Rename { from, to } => Some(Doing::Renamed(from.clone(), to.clone())),
            Command::Subscribe(name) => Some(Doing::Subscribed(name.clone(), true)),
            Command::Unsubscribe(name) => Some(Doing::Subscribed(name.clone(), false)),
            _ => None,
        });
    }

    /// Whether a name stands as the session has left it, which had another one before if
    /// it was renamed.
    pub fn explains(&self, name: &MailboxName, before: Option<&MailboxName>, exists: bool) -> bool {
        self.0.iter().any(|doing| match (doing, before) {
            (Doing::Renamed(from, to), Some(before)) => {
                let rest = below(before, from);
                rest.is_some() && rest == below(name, to)
            }
            // INBOX leaves a new mailbox behind, and stays.
            (Doing::Made(made) | Doing::Renamed(_, made), None) => {
                is_parent(name, made) || (made == name && exists)
            }
            (Doing::Deleted(gone), None) => is_parent(name, gone) || (gone == name && !exists),
            _ => false,
        })
    }

    /// The same of a subscription.
    pub fn explains_subscription(&self, name: &MailboxName, subscribed: bool) -> bool {
        let is_it = |doing: &Doing| matches!(doing, Doing::Subscribed(own, to) if own == name && *to == subscribed);
        self.0.iter().any(is_it)
    }

    /// Whether what bears a name may bear it by the session's own doing.
    pub fn has_put(&self, name: &MailboxName) -> bool {
        self.0.iter().any(|doing| match doing {
            Doing::Made(made) => made == name,
            Doing::Renamed(_, to) => below(name, to).is_some(),
            _ => false,
        })
    }
}

/// What a name has below another, or the same, one.
fn below<'n>(name: &'n MailboxName, above: &MailboxName) -> Option<&'n [String]> {
    name.components().strip_prefix(above.components())
}

fn is_parent(name: &MailboxName, child: &MailboxName) -> bool {
    below(child, name).is_some_and(|rest| rest.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MailboxName {
        MailboxName::from_utf8(text).unwrap()
    }

    fn own(command: &Command) -> Own {
        let mut own = Own::default();
        own.note(command);
        own
    }

    #[test]
    fn only_what_stands_as_the_session_has_left_it_is_its_own() {
        let (made, above, beside) = (name("a/b/c"), name("a/b"), name("a/d"));
        let create = own(&Command::Create {
            mailbox: made.clone(),
            special_use: vec![],
        });
        assert!(create.explains(&made, None, true) && create.explains(&above, None, false));
        assert!(!create.explains(&made, None, false) && !create.explains(&beside, None, true));
        assert!(!create.explains(&made, Some(&beside), true));
        let delete = own(&Command::Delete(made.clone()));
        assert!(delete.explains(&made, None, false) && delete.explains(&above, None, true));
        assert!(!delete.explains(&made, None, true) && !delete.explains(&name("a"), None, true));
        let rename = own(&Command::Rename {
            from: made.clone(),
            to: beside.clone(),
        });
        assert!(rename.explains(&beside, Some(&made), true));
        assert!(rename.explains(&name("a/d/e"), Some(&name("a/b/c/e")), true));
        assert!(!rename.explains(&name("a/d/e"), Some(&name("a/b/c/f")), true));
        assert!(!rename.explains(&made, Some(&beside), true));
        assert!(!rename.explains(&made, None, true));
        let subscribe = own(&Command::Subscribe(made.clone()));
        assert!(subscribe.explains_subscription(&made, true));
        assert!(!subscribe.explains_subscription(&made, false));
        assert!(!subscribe.explains(&made, None, true));
    }

    #[test]
    fn what_is_renamed_takes_others_with_it_and_what_is_made_does_not() {
        let (from, to) = (name("a"), name("x/y"));
        let rename = own(&Command::Rename { from, to });
        let create = own(&Command::Create {
            mailbox: name("x/y"),
            special_use: vec![],
        });
        assert!(rename.has_put(&name("x/y")) && create.has_put(&name("x/y")));
        assert!(rename.has_put(&name("x/y/b")) && !create.has_put(&name("x/y/b")));
        assert!(!rename.has_put(&name("x")) && !rename.has_put(&name("a")));
        assert!(!own(&Command::Delete(name("x"))).has_put(&name("x")));
    }
}
