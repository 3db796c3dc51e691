//! IMAP sessions (RFC 9051 and RFC 3501), from the hand-over to the end.
//!
//! One file per command or small family. A session is in one of two states,
//! [`authenticated::Authenticated`] and [`selected::Selected`], each a type that
//! a transition consumes; what both need is the [`client::Client`]. No command
//! decides about rights: it gets a mailbox handle from the store, and there is
//! no other way to a message.
//!
//! What is no command, by what it is for:
//!
//! * to hear and to answer: `connection`, `client`, `answer`, `progress`, `limit`;
//! * what the client believes of its mailbox, and what it is told: `view`, `numbers`,
//!   `messages`, `recent`, `condstore`, `uid_only`;
//! * to look into letters: `letter`, `headers`, `collation`;
//! * between words of the wire and of the store: `names`, `flags`, `object`, `translate`,
//!   `filter`, `copied`.
//!
//! Invariants: the first words are the tagged OK for the tag that was handed
//! over; whatever a client sends, and in whatever pieces, its answers are the
//! same; a client that doesn't read holds up its own session only.

mod answer;
mod append;
mod authenticated;
mod batches;
mod capability;
mod client;
mod collation;
mod compress;
mod condstore;
mod connection;
mod copied;
mod copy;
mod expunge;
mod fetch;
mod filter;
mod flags;
mod headers;
mod idle;
pub mod letter;
mod limit;
mod list;
mod mailbox;
mod messages;
mod metadata;
pub mod names;
mod notify;
pub mod numbers;
mod object;
mod progress;
mod quota;
mod recent;
mod replace;
mod results;
mod resync;
mod runs;
mod search;
mod select;
mod selected;
mod sort;
mod status;
mod store;
mod thread;
pub mod translate;
mod uid_only;
mod view;

#[cfg(test)]
pub use view::VANISHED_RANGES_MAX;

use crate::account::Account;
use crate::deflate::Undeflatable;
use crate::output::Lost;
use crate::socket::Socket;
use authenticated::Authenticated;
use client::{Client, Heard};
use ipc::{AccountId, Epoch};
use selected::Selected;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use wire::imap::{Loss, Refusal};

/// What `login` has handed over besides the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Who acts, by the session's ticket.
    pub principal: AccountId,
    /// The epoch of the session's ticket.
    pub epoch: Epoch,
    /// Of the command that authenticated; its OK is ours to say.
    pub tag: Vec<u8>,
    /// What the client had sent behind it.
    pub leftover: Vec<u8>,
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The client said LOGOUT, and has its answer.
    LoggedOut,
    /// The client has closed the connection.
    ClientGone,
    /// The client has not read for too long.
    ClientDoesNotRead,
    /// The client has said nothing for too long.
    Silent,
    /// The client is out of step: where its next command begins is unknown.
    OutOfStep(Refusal),
    /// What the client sends is not what COMPRESS has agreed upon.
    NotDeflate(Undeflatable),
    /// The worker leaves.
    Leaving,
    /// The account's tickets were revoked.
    Revoked,
    /// The mailbox that was selected has been deleted, or the right to read it
    /// taken away: what may not be seen isn't there.
    MailboxGone,
    /// So much was expunged since the client was last told that the store has
    /// forgotten what its message numbers mean; or so many annotations were taken away
    /// that it has forgotten which.
    LeftBehind,
    /// The letter could not be read on, when the client had been told how many
    /// bytes would come.
    Torn,
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Gone => Self::ClientGone,
            Lost::DoesNotRead => Self::ClientDoesNotRead,
        }
    }
}

/// Serves one session to its end.
pub async fn serve(account: Rc<Account>, socket: OwnedFd, handed: Handed) {
    let Some(mut client) = begin(account, socket, handed) else {
        return tracing::warn!("a session's socket or tag is not usable");
    };
    let end = converse(&mut client).await;
    tracing::debug!(?end, "a session is over");
    client.part(&end).await;
}

fn begin(account: Rc<Account>, socket: OwnedFd, handed: Handed) -> Option<Client> {
    Client::new(account, Socket::new(socket).ok()?, handed)
}

/// A session's state; each command takes it and gives the next one.
pub enum State {
    Authenticated(Authenticated),
    Selected(Box<Selected>),
}

async fn converse(client: &mut Client) -> End {
    client.welcome();
    let mut state = State::Authenticated(Authenticated::after_login());
    loop {
        let next = match client.hear_and_tell(&mut state).await {
            Ok(heard) => obey(client, state, heard).await,
            Err(end) => return end,
        };
        state = match next {
            Ok(state) => state,
            Err(end) => return end,
        };
    }
}

async fn obey(client: &mut Client, state: State, heard: Heard) -> Result<State, End> {
    if let Heard::Request(request) = &heard {
        client.begin(&request.tag);
        if client.enabled().uidonly && request.command.speaks_in_numbers() {
            client.answer(&request.tag, &uid_only::refusal()).await?;
            return Ok(state);
        }
    }
    match (state, heard) {
        (State::Authenticated(state), Heard::Request(request)) => state.obey(client, request).await,
        (State::Selected(state), Heard::Request(request)) => state.obey(client, request).await,
        (state, Heard::Letter(first)) if first.replaces.is_some() => {
            replace::replace(client, state, first).await
        }
        (mut state, Heard::Letter(first)) => {
            let mut answered = append::append(client, first).await?;
            let announced = match &mut state {
                State::Selected(selected) => {
                    let told = view::Expunges::Told;
                    let announced = selected.tell_news(client, told, false).await;
                    let answer = answered.as_mut().map(|(_, answer)| answer);
                    announced.and_then(|()| selected.settle(client, answer))
                }
                State::Authenticated(_) => Ok(()),
            };
            if let Some((tag, answer)) = answered {
                client.answer(&tag, &answer).await?;
            }
            announced.map(|()| state)
        }
        (state, Heard::Costly(tag, why, Loss::Selection)) => {
            Ok(select::refuse(client, &tag, &why, state))
        }
        (mut state, Heard::Costly(tag, why, _)) => {
            if let State::Selected(selected) = &mut state {
                selected.forget_saved();
            }
            client.refuse(Some(&tag), &why);
            Ok(state)
        }
        // What was refused has been answered; the rest can't come first.
        (state, Heard::Refused | Heard::Bytes(_) | Heard::LetterEnd) => Ok(state),
        (state, Heard::AppendDone | Heard::IdleDone) => Ok(state),
    }
}
