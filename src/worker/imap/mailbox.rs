//! CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8).
//!
//! What they mean for the tree (INBOX's rule, children, UIDVALIDITY) is the
//! store's; here they are asked for, and the outcome is told.

use super::answer::Answer;
use super::client::Client;
use super::names;
use super::object;
use store::{MailboxId, MailboxName as StoreName, Outcome, Principal, Refusal};
use wire::imap::response::{Code, Data};
use wire::imap::{MailboxName, SpecialUse};

impl Client {
    /// CREATE, with RFC 6154's USE and RFC 8474's MAILBOXID.
    pub async fn create(&mut self, name: &MailboxName, uses: &[SpecialUse]) -> Answer {
        let special_use = match uses {
            [] => None,
            [one] => match names::use_to_store(*one) {
                Some(special_use) => Some(special_use),
                None => return Answer::no(Code::UseAttr, "This special use is not kept here"),
            },
            _ => return Answer::no(Code::UseAttr, "A mailbox has one special use at most"),
        };
        let Some(stored) = names::to_store(name) else {
            return Answer::from(Refusal::NameTooLong);
        };
        let principal = self.principal();
        let made = self
            .account()
            .change_tree(|store| store.create(&principal, &stored, special_use));
        let made = made.await;
        if made.is_ok() {
            self.tell_own_form(name);
        }
        match made {
            Ok(Outcome::Created { id, validity }) => {
                let id = object::mailbox(self.account().id(), validity, id);
                Answer::ok_with(Some(Code::MailboxId(Box::new(id))), "Created")
            }
            made => done(made, "Created"),
        }
    }

    /// Tells a client of IMAP4rev2 that the new name has another form than it wrote.
    fn tell_own_form(&mut self, name: &MailboxName) {
        if self.enabled().rev2 && name.as_written().is_some() {
            self.tell(&Data::Named(name));
        }
    }

    /// DELETE.
    pub async fn delete(&mut self, name: &MailboxName) -> Answer {
        let Some(name) = names::to_store(name) else {
            return Answer::from(Refusal::NoSuchMailbox);
        };
        let principal = self.principal();
        let gone = self
            .account()
            .change_tree(|store| store.delete(&principal, &name));
        match gone.await {
            Err(Refusal::NoSuchMailbox) if self.is_parent(&name) => Answer::no(
                Code::HasChildren,
                "This is only the name of what mailboxes lie in; delete these",
            ),
            gone => done(gone, "Deleted"),
        }
    }

    /// Whether the client sees a mailbox below a name.
    fn is_parent(&self, name: &StoreName) -> bool {
        let store = self.account().store();
        let principal = self.principal();
        let mut seen = store.list(&principal);
        seen.any(|listed| listed.name.is_below(name))
    }

    /// RENAME.
    pub async fn rename(&mut self, from: &MailboxName, to: &MailboxName) -> Answer {
        let (Some(from), Some(stored)) = (names::to_store(from), names::to_store(to)) else {
            return Answer::from(Refusal::NoSuchMailbox);
        };
        let renamed = self.rename_loaded(&from, &stored).await;
        if renamed.is_ok() {
            self.tell_own_form(to);
        }
        done(renamed, "Renamed")
    }

    /// A rename of INBOX moves its messages, so they must be at hand. The store
    /// says so when it has found that the client may, and not before.
    async fn rename_loaded(&self, from: &StoreName, to: &StoreName) -> Result<Outcome, Refusal> {
        let renamed = self.rename_at_hand(from, to).await;
        if renamed != Err(Refusal::NotLoaded) {
            return renamed;
        }
        let account = self.account();
        // Whoever may rename it need not be allowed to read it: it is the store
        // that wants to look.
        let inbox = account
            .store()
            .open_by_id(&Principal::Owner, MailboxId::INBOX)?;
        let _seat = account.sit_down(&inbox);
        account.load(&inbox).await?;
        self.rename_at_hand(from, to).await
    }

    async fn rename_at_hand(&self, from: &StoreName, to: &StoreName) -> Result<Outcome, Refusal> {
        let principal = self.principal();
        let renamed = self
            .account()
            .change_tree(|store| store.rename(&principal, from, to));
        renamed.await
    }

    /// SUBSCRIBE. A name that has no mailbox can be subscribed: RFC 9051 §6.3.7
    /// allows it, and a mailbox that comes back finds its place.
    pub async fn subscribe(&mut self, name: &MailboxName) -> Answer {
        let Some(name) = names::to_store(name) else {
            return Answer::from(Refusal::NameTooLong);
        };
        let principal = self.principal();
        let kept = self
            .account()
            .change_tree(|store| store.subscribe(&principal, &name));
        done(kept.await, "Subscribed")
    }

    /// UNSUBSCRIBE.
    pub async fn unsubscribe(&mut self, name: &MailboxName) -> Answer {
        let Some(name) = names::to_store(name) else {
            return Answer::from(Refusal::NoSuchMailbox);
        };
        let principal = self.principal();
        let dropped = self
            .account()
            .change_tree(|store| store.unsubscribe(&principal, &name));
        done(dropped.await, "Unsubscribed")
    }
}

fn done(outcome: Result<Outcome, Refusal>, text: &'static str) -> Answer {
    match outcome {
        Ok(_) => Answer::ok(text),
        Err(refusal) => Answer::from(refusal),
    }
}
