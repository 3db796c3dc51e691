//! `front` and a service (`login` or `lmtp`): sessions, and STARTTLS.
//!
//! STARTTLS: the service writes its OK on the old socket, shuts down its writing
//! side and says `StartTls`; `front` drains the old socket to the client, throws
//! away whatever the client had sent beyond, makes the handshake, and sends a
//! `Session` with the same connection, `after_starttls`, and a new socket. The
//! service has then forgotten all that it heard before.

use crate::identity::ConnectionId;
use crate::slice::Protocol;
use crate::{choice, messages};
use std::os::fd::OwnedFd;

choice! {
    /// What is known of the way to the client.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Transport {
        /// Cleartext; whether the client is on a loopback address.
        1 => Cleartext { loopback: bool, },
        /// TLS; the version as on the wire (0x0304 is 1.3).
        2 => Tls { version: u16, },
    }
}

messages! {
    /// What `front` says.
    pub enum ToService, at most 64, {
        /// A client's session: a Unix stream socket whose other end `front`
        /// relays.
        1 => Session {
            connection: ConnectionId,
            protocol: Protocol,
            transport: Transport,
            /// Whether STARTTLS can be asked for on this connection.
            may_start_tls: bool,
            after_starttls: bool,
            /// Whether the client has shown a certificate that was verified and
            /// names somebody. For announcing only: `auth` hears the name from
            /// `front` itself.
            client_certificate: bool,
            socket: OwnedFd,
        },
    }
}

messages! {
    /// What a service says.
    pub enum ToFront, at most 16, {
        /// The OK has been written; begin TLS.
        1 => StartTls { connection: ConnectionId, },
    }
}
