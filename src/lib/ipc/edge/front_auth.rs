//! `front` to `auth`, one way: the facts that authentication rests on, keyed by
//! the cookie of the session's socket, so that `login` can't supply them.
//!
//! `front` sends `Opened` before it gives the session to a service, so that
//! `auth`, which drains these channels first, always has the facts by the time
//! that it is asked.

use crate::codec::Bytes;
use crate::edge::front_service::Transport;
use crate::identity::Cookie;
use crate::messages;
use crate::slice::Protocol;

messages! {
    /// What `front` tells `auth`.
    pub enum Facts, at most 512, {
        /// A session's socket, and who is at the other end.
        1 => Opened {
            cookie: Cookie,
            protocol: Protocol,
            transport: Transport,
            /// The client's address; IPv4 is mapped into IPv6.
            address: [u8; 16],
            port: u16,
            /// tls-exporter channel binding (RFC 9266), with TLS 1.3.
            exporter: Option<[u8; 32]>,
            /// The name in the client's verified certificate, where one is
            /// configured.
            client_name: Option<Bytes<255>>,
        },
        /// The connection is over.
        2 => Closed { cookie: Cookie, },
    }
}

messages! {
    /// `auth` says nothing to `front`.
    pub enum ToFront, at most 1, {}
}
