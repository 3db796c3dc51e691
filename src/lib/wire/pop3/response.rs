//! What we say: one line, or a list of lines and a dot (RFC 1939, section 3).
//!
//! Invariant: whatever is rendered here is whole lines, none of which is a dot
//! alone but the last of a list.

use super::{Refusal, UniqueId};
use crate::Text;
use std::fmt::Display;
use std::io::Write;

pub use preauth::pop3::response::{Capability, Code, capabilities, err, language, languages, ok};

/// What was said is no command.
pub fn refused(out: &mut Vec<u8>, why: Refusal) {
    err(out, None, &Text::from(&why as &dyn Display));
}

/// One line of LIST's answer.
pub fn size(out: &mut Vec<u8>, number: u32, octets: u64) {
    line(out, format_args!("{number} {octets}"));
}

/// One line of UIDL's answer.
pub fn unique_id(out: &mut Vec<u8>, number: u32, id: &UniqueId) {
    line(out, format_args!("{number} {id}"));
}

/// The end of a list.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b".\r\n");
}

fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory can't fail.
    let _ = write!(out, "{text}\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(render: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        render(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn responses_look_as_in_the_books() {
        assert_eq!(
            said(|out| refused(out, Refusal::Unknown)),
            "-ERR There is no such command\r\n"
        );
        assert_eq!(said(|out| size(out, 1, 120)), "1 120\r\n");
        let id = UniqueId::new("whqtswO00WBw418f9t5JxYwZ".to_owned()).unwrap();
        assert_eq!(
            said(|out| unique_id(out, 1, &id)),
            "1 whqtswO00WBw418f9t5JxYwZ\r\n"
        );
        assert_eq!(said(end), ".\r\n");
    }
}
