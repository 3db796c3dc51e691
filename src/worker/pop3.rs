//! POP3 sessions (RFC 1939), from the hand-over to the end: for now each is told
//! that there is none.

use crate::account::Account;
use ipc::{AccountId, Epoch};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

/// What `login` has handed over besides the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Who acts, by the session's ticket.
    pub principal: AccountId,
    /// The epoch of the session's ticket.
    pub epoch: Epoch,
    /// The client has said UTF8 (RFC 6856).
    pub utf8: bool,
    /// What the client had sent behind its authentication.
    pub leftover: Vec<u8>,
}

/// Serves one session to its end.
pub async fn serve(_account: Rc<Account>, socket: OwnedFd, handed: Handed) {
    let Handed {
        principal, utf8, ..
    } = handed;
    tracing::warn!(principal = principal.0, utf8, "no POP3 yet");
    let socket = StdStream::from(socket);
    let _ = socket.set_nonblocking(true);
    if let Ok(mut socket) = UnixStream::from_std(socket) {
        // Whoever doesn't read it sees the end.
        let _ = socket.write_all(b"-ERR [SYS/TEMP] No POP3 yet\r\n").await;
    }
}
