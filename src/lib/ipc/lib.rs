//! What crosses between two processes, and nothing else.
//!
//! A channel is one `SOCK_SEQPACKET` pair: a message is one datagram, framed by
//! the kernel, typed by one enum per direction ([`edge`]), with a stated
//! maximum, and carries exactly the descriptors that its variant names. Anything
//! unexpected, too long, too short, or with one descriptor too many is a
//! [`Fault`], and the only answer to a fault is to end the channel. No send
//! blocks: what the peer does not read waits in a bounded queue, and a peer that
//! lets the queue fill is at fault.
//!
//! Never here: text protocols, names of files, an async runtime (that is
//! `ipc_async`), `unsafe`.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod channel;
pub mod codec;
pub mod edge;
pub mod epoll;
pub mod identity;
pub mod letter;
pub mod registry;
pub mod secret;
pub mod slice;
pub mod socket;
pub mod start;
pub mod ticket;

pub use channel::{Channel, Fault, Received};
pub use codec::{Bytes, Decoder, Encoder, Field, List, Malformed, Message};
pub use identity::{AccountId, ConnectionId, Cookie, Epoch, Instance, Nonce};
pub use secret::Secret;
