//! UIDONLY (RFC 9586): a client that has enabled it names messages by their UIDs and is
//! told of them by their UIDs.
//!
//! The numbers are still there beneath: what a client knows is a view, in which messages
//! are counted (EXISTS), and the view is the same whatever a client calls them.

use super::answer::Answer;
use crate::session::Enabled;
use store::Uid;
use wire::imap::response::{Code, FetchWriter};

/// Begins what is told of one message: FETCH with its number, or UIDFETCH.
pub fn begin(enabled: Enabled, out: &mut Vec<u8>, seq: u32, uid: Uid) -> FetchWriter {
    match enabled.uidonly {
        true => FetchWriter::begin_uid(out, uid.get()),
        false => FetchWriter::begin(out, seq),
    }
}

/// The answer to a command that speaks in numbers all the same.
pub fn refusal() -> Answer {
    Answer::bad_with(
        Code::UidRequired,
        "With UIDONLY messages are named by their UIDs",
    )
}
