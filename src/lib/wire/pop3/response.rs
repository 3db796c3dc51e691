//! What we say: one line, or a list of lines and a dot (RFC 1939, section 3).
//!
//! Invariant: whatever is rendered here is whole lines, none of which is a dot
//! alone but the last of a list.

use super::{Refusal, UniqueId};
use crate::Text;
use std::fmt::Display;
use std::io::Write;

/// What a program can act upon (RFC 2449, section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// RFC 2449, section 8.1.2.
    InUse,
    /// Our trouble, which may pass (RFC 3206, section 4).
    SysTemp,
    /// Our trouble, which somebody must mend (RFC 3206, section 4).
    SysPerm,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
        }
    }
}

/// It was done.
pub fn ok(out: &mut Vec<u8>, text: &dyn Display) {
    line(out, format_args!("+OK {}", Text::from(text).as_str()));
}

/// It was not done.
pub fn err(out: &mut Vec<u8>, code: Option<Code>, text: &dyn Display) {
    let text = Text::from(text);
    match code {
        Some(code) => line(
            out,
            format_args!("-ERR [{}] {}", code.as_str(), text.as_str()),
        ),
        None => line(out, format_args!("-ERR {}", text.as_str())),
    }
}

/// What was said is no command.
pub fn refused(out: &mut Vec<u8>, why: Refusal) {
    err(out, None, &why);
}

/// One line of LIST's answer.
pub fn size(out: &mut Vec<u8>, number: u32, octets: u64) {
    line(out, format_args!("{number} {octets}"));
}

/// One line of UIDL's answer.
pub fn unique_id(out: &mut Vec<u8>, number: u32, id: &UniqueId) {
    line(out, format_args!("{number} {id}"));
}

/// One line of any other list: no dot may stand at its beginning.
pub fn item(out: &mut Vec<u8>, item: &dyn Display) {
    let text = Text::from(item);
    let text = text.as_str().trim_start_matches('.');
    line(out, format_args!("{text}"));
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
    use proptest::prelude::*;

    fn said(render: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        render(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn responses_look_as_in_the_books() {
        assert_eq!(said(|out| ok(out, &"2 320")), "+OK 2 320\r\n");
        let code = Some(Code::SysTemp);
        assert_eq!(
            said(|out| err(out, code, &"Later")),
            "-ERR [SYS/TEMP] Later\r\n"
        );
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

    proptest! {
        #[test]
        fn no_text_ends_a_line_or_a_list(text: String) {
            let out = said(|out| {
                ok(out, &text);
                err(out, None, &text);
                item(out, &text);
            });
            prop_assert_eq!(out.matches("\r\n").count(), 3);
            prop_assert!(!out.contains("\n."));
            prop_assert!(out.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n')));
        }
    }
}
