//! POP3 sessions (RFC 1939, 2449, 6856), from the hand-over to the end.
//!
//! One file per small family of commands. A session is in the TRANSACTION state
//! ([`transaction::Transaction`]) until QUIT makes it an UPDATE
//! ([`update::Update`]), the only thing that removes messages: whatever else ends a
//! session, and whenever, removes none.
//!
//! The maildrop is INBOX as it was when the session began ([`maildrop`]). It isn't
//! locked: IMAP sessions and other POP3 sessions live on beside this one. What they
//! remove is gone for this one, too; what they add it never sees; and no message
//! gets another number.
//!
//! Invariants: the first words are the `+OK` to the command that authenticated;
//! whatever a client sends, and in whatever pieces, its answers are the same; no flag
//! is changed but by QUIT's removal; a client that doesn't read holds up its own
//! session only. No command decides about rights: the store does.

mod capability;
mod client;
mod ledger;
mod lengths;
mod listing;
mod maildrop;
mod marks;
mod retrieval;
mod transaction;
mod update;

pub use lengths::Lengths;

use crate::account::Account;
use crate::output::Lost;
use crate::socket::Socket;
use client::Client;
use ipc::{AccountId, Epoch};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use transaction::{Next, Transaction};

/// What `login` has handed over besides the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Who acts, by the session's ticket.
    pub principal: AccountId,
    /// The epoch of the session's ticket.
    pub epoch: Epoch,
    /// Whether the client has said UTF8 (RFC 6856).
    pub utf8: bool,
    /// The SASL mechanisms that it was offered, as CAPA names them.
    pub mechanisms: Vec<u8>,
    /// What the client had sent behind its authentication.
    pub leftover: Vec<u8>,
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The client said QUIT, and has its answer.
    Quit,
    /// The client has gone, or does not read.
    Lost(Lost),
    /// The client has said nothing for too long.
    Silent,
    /// The worker leaves.
    Leaving,
    /// The account's tickets were revoked.
    Revoked,
    /// There is no maildrop, or none that may be seen; the client has been told.
    NoMaildrop,
    /// The right to read the maildrop was taken away.
    MaildropGone,
    /// So much was expunged by others that the store has forgotten what the
    /// session's numbers mean.
    LeftBehind,
    /// A letter could not be read on when part of it had been sent.
    Torn,
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// Serves one session to its end.
pub async fn serve(account: Rc<Account>, socket: OwnedFd, handed: Handed) {
    let Some(mut client) = begin(account, socket, handed) else {
        return tracing::warn!("a session's socket is not usable");
    };
    let end = converse(&mut client).await;
    tracing::debug!(?end, "a POP3 session is over");
    client.account().note_lengths();
    client.part(&end).await;
}

fn begin(account: Rc<Account>, socket: OwnedFd, handed: Handed) -> Option<Client> {
    Some(Client::new(account, Socket::new(socket).ok()?, handed))
}

async fn converse(client: &mut Client) -> End {
    let mut transaction = match Transaction::begin(client).await {
        Ok(transaction) => transaction,
        Err(end) => return end,
    };
    loop {
        let next = match client.hear().await {
            Ok(heard) => transaction.obey(client, heard).await,
            Err(end) => return end,
        };
        transaction = match next {
            Ok(Next::Transaction(transaction)) => transaction,
            Ok(Next::Update(update)) => return update.run(client).await,
            Err(end) => return end,
        };
    }
}
