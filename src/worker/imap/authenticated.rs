//! The authenticated state: no mailbox is selected. Also every command that is
//! the same in both states.

use super::answer::Answer;
use super::client::Client;
use super::condstore::{asks_for_modseqs, lacks_qresync, not_enabled};
use super::select::{Order, select};
use super::{End, State};
use crate::session::Access;
use wire::Text;
use wire::imap::response::{self, Data};
use wire::imap::{Command, Request};

/// Proof that nothing is selected. The client's right to be here is the
/// admission that its [`Client`] was made from.
#[derive(Debug)]
pub struct Authenticated(());

impl Authenticated {
    /// The state in which a session begins.
    pub fn after_login() -> Self {
        Self(())
    }

    /// The state after CLOSE, UNSELECT, or a SELECT that failed.
    pub fn after_unselect() -> Self {
        Self(())
    }

    /// Does one command.
    pub async fn obey(self, client: &mut Client, request: Request) -> Result<State, End> {
        let Request { tag, command } = request;
        if lacks_qresync(&command, client.enabled()) {
            client.answer(&tag, &not_enabled()).await?;
            return Ok(State::Authenticated(self));
        }
        if asks_for_modseqs(&command) {
            client.enable_condstore();
        }
        match command {
            Command::Select { mailbox, params } => {
                let order = Order {
                    name: &mailbox,
                    access: Access::Full,
                    params: &params,
                };
                Box::pin(select(client, &tag, order, State::Authenticated(self))).await
            }
            Command::Examine { mailbox, params } => {
                let order = Order {
                    name: &mailbox,
                    access: Access::ReadOnly,
                    params: &params,
                };
                Box::pin(select(client, &tag, order, State::Authenticated(self))).await
            }
            Command::Logout => logout(client, &tag).await,
            Command::Compress => {
                client.compress(&tag).await?;
                Ok(State::Authenticated(self))
            }
            Command::Idle => {
                client.idle_without_mailbox(&tag).await?;
                Ok(State::Authenticated(self))
            }
            Command::ESearch(search) => {
                let answer = Box::pin(client.multi_search(&tag, &search, None)).await?;
                client.answer(&tag, &answer).await?;
                Ok(State::Authenticated(self))
            }
            command => {
                let answer = Box::pin(anywhere(client, command)).await?;
                client.answer(&tag, &answer).await?;
                Ok(State::Authenticated(self))
            }
        }
    }
}

/// LOGOUT (RFC 9051 §6.1.3).
pub async fn logout(client: &mut Client, tag: &wire::imap::Tag) -> Result<State, End> {
    client.account().sync().await;
    response::bye(client.out().buffer(), None, &Text::new("Logging out"));
    client.answer(tag, &Answer::ok("Bye")).await?;
    client.out().flush().await?;
    Err(End::LoggedOut)
}

/// The commands that need no selected mailbox.
pub async fn anywhere(client: &mut Client, command: Command) -> Result<Answer, End> {
    client.changes_names(&command);
    match command {
        Command::Capability => Ok(client.capability()),
        Command::Noop => Ok(Answer::ok("Nothing done")),
        Command::Id(_) => Ok(client.id()),
        Command::Enable(names) => Ok(client.enable(&names)),
        Command::Namespace => {
            client.tell(&Data::Namespace);
            Ok(Answer::ok("That is all"))
        }
        Command::List(list) => client.list(&list).await,
        Command::Lsub(pattern) => client.lsub(&pattern).await,
        Command::Xlist(pattern) => client.xlist(&pattern).await,
        Command::Status { mailbox, items } => client.status(&mailbox, &items).await,
        Command::GetQuota(root) => Ok(client.get_quota(&root)),
        Command::GetQuotaRoot(mailbox) => Ok(client.get_quota_root(&mailbox)),
        Command::SetQuota(_) => Ok(client.set_quota()),
        Command::Notify(notify) => Box::pin(client.notify(&notify, None)).await,
        Command::GetMetadata(asked) => client.get_metadata(&asked).await,
        Command::SetMetadata { of, values } => client.set_metadata(&of, values).await,
        Command::Subscribe(name) => Ok(client.subscribe(&name).await),
        Command::Unsubscribe(name) => Ok(client.unsubscribe(&name).await),
        Command::Create {
            mailbox,
            special_use,
        } => Ok(client.create(&mailbox, &special_use).await),
        Command::Delete(name) => Ok(client.delete(&name).await),
        Command::Rename { from, to } => Ok(client.rename(&from, &to).await),
        _ => Ok(Answer::bad("Select a mailbox first")),
    }
}
