//! What a client says of quota (RFC 9208, section 7).

use preauth::imap::cursor::Cursor;

use super::Parsed;
use super::refusal::{Refusal, expected};
use crate::limits::{QUOTA_RESOURCES_MAX, QUOTA_ROOT_BYTES_MAX};

/// `quota-root-name = astring`
pub(super) fn quota_root(cursor: &mut Cursor<'_>) -> Parsed<String> {
    Ok(cursor.astring()?.text(QUOTA_ROOT_BYTES_MAX)?)
}

/// `setquota-list = "(" [setquota-resource *(SP setquota-resource)] ")"`
pub(super) fn setquota_list(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.byte(b'(', "a list of resources")?;
    let mut resources = 0_usize;
    while !cursor.accept(b')') {
        if resources >= QUOTA_RESOURCES_MAX {
            return Err(Refusal::TooMany("resources"));
        }
        if resources > 0 {
            cursor.space()?;
        }
        setquota_resource(cursor)?;
        resources = resources.saturating_add(1);
    }
    Ok(())
}

/// `setquota-resource = resource-name SP resource-limit`,
/// `resource-limit = number64`
fn setquota_resource(cursor: &mut Cursor<'_>) -> Parsed<()> {
    if !cursor.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        return Err(expected("a resource"));
    }
    cursor.atom()?;
    cursor.space()?;
    cursor.number()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Parsed<()> {
        let mut cursor = Cursor::new(text.as_bytes());
        setquota_list(&mut cursor)?;
        Ok(cursor.end()?)
    }

    #[test]
    fn a_list_of_limits_is_read_as_in_the_rfc() {
        for text in ["()", "(STORAGE 512)", "(STORAGE 512 MESSAGE 0)", "(X-1 9)"] {
            assert_eq!(list(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "(",
            "(STORAGE)",
            "(STORAGE x)",
            "(STORAGE 1",
            "(1 1)",
            "(A 1  B 2)",
        ] {
            assert!(list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn roots_and_resources_are_bounded() {
        let many = vec!["STORAGE 1"; QUOTA_RESOURCES_MAX + 1].join(" ");
        assert_eq!(
            list(&format!("({many})")),
            Err(Refusal::TooMany("resources"))
        );
        let long = "x".repeat(QUOTA_ROOT_BYTES_MAX + 1);
        assert!(quota_root(&mut Cursor::new(long.as_bytes())).is_err());
        assert_eq!(quota_root(&mut Cursor::new(b"\"\"")), Ok(String::new()));
    }
}
