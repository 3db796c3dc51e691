//! IMAP before authentication (RFC 9051, sections 6.1 and 6.2).
//!
//! [`Reader`] turns bytes into [`Request`]s; [`ResponseReader`] reads the
//! client's side of AUTHENTICATE; [`response`] renders what we say. [`frame`]
//! and [`cursor`] are the layers below, public because the full grammar (crate
//! `wire`) stands on them.

mod command;
pub mod cursor;
pub mod frame;
mod reader;
mod refusal;
pub mod response;
mod tag;

pub use command::{Command, Request};
pub use reader::{Answer, Event, Reader, ResponseReader};
pub use refusal::Refusal;
pub use tag::Tag;
