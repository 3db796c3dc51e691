//! The grammar that a stranger may speak.
//!
//! Everything that reaches us before a client has proved who it is goes
//! through this crate and nothing else, so it is small enough to be read whole.
//! It does no I/O, knows no clock and no process; bytes go in, requests and
//! advice come out.
//!
//! Invariants:
//! - memory per connection is bounded by [`limits`], whatever is sent and in
//!   whatever pieces: a request grows only up to those numbers, and a line that
//!   would pass them ends the connection;
//! - a request means the same however the network cuts it into pieces;
//! - credentials live in [`Secret`] only, which is wiped and cannot be printed;
//! - nothing that is rendered here can carry a line end of the caller's.
//!
//! One module per protocol. IMAP and POP3 are here; ManageSieve has its place
//! beside them.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod imap;
pub mod limits;
pub mod line;
pub mod pop3;
pub mod sasl;
mod secret;
mod text;

pub use secret::Secret;
pub use text::Text;
