//! Clients that cost little: they share the machine with the servers that they measure.
//! They block, send whole commands, and look at nothing of an answer but its end.

mod ending;
mod imap;
mod lmtp;
mod stream;

pub use imap::{Imap, Tag, number};
pub use lmtp::{Lmtp, dotted};
pub use stream::{Stream, Trust};
