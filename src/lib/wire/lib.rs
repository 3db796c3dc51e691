//! The full grammar of the protocols that clients and MTAs speak.
//!
//! No I/O, no clock, no process, no store: bytes go in, commands and advice
//! come out; plain values go in, responses come out. It stands on `preauth`,
//! which strangers reach; this crate is reached by users who have logged in
//! (IMAP, POP3) and by MTAs (LMTP).
//!
//! Invariants:
//! - whatever is sent, and in whatever pieces, costs no more memory, depth or
//!   work than [`limits`] says; letters are handed out in pieces, never held;
//! - a dialogue means the same however the network cuts it into pieces;
//! - what is rendered cannot carry a line end, a quote or a literal that the
//!   caller passed as text;
//! - names of mailboxes are lists of UTF-8 components in NFC; `/` and modified
//!   UTF-7 exist in [`imap`] alone.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod address;
pub mod imap;
pub mod limits;
pub mod lmtp;
pub mod pop3;

pub use address::{Address, Domain};
pub use preauth::Text;
pub use preauth::sasl::Mechanism;
