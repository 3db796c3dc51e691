//! UIDBATCHES (RFC 10022): a mailbox in parts of the same number of messages.

use preauth::imap::cursor::Cursor;

use super::Parsed;
use super::sequence::nz_number;

/// What a client wants to know of a mailbox's batches. The first is that of the newest
/// messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidBatches {
    /// Messages of each.
    pub size: u32,
    /// The first and the last that it wants; none: all.
    pub wanted: Option<(u32, u32)>,
}

/// `"UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]`, behind its name
pub(super) fn uid_batches(cursor: &mut Cursor<'_>) -> Parsed<UidBatches> {
    cursor.space()?;
    let size = nz_number(cursor)?;
    let wanted = cursor.accept(b' ').then(|| batch_range(cursor));
    Ok(UidBatches {
        size,
        wanted: wanted.transpose()?,
    })
}

/// `nz-number ":" nz-number`
fn batch_range(cursor: &mut Cursor<'_>) -> Parsed<(u32, u32)> {
    let first = nz_number(cursor)?;
    cursor.byte(b':', "a range of batches")?;
    Ok((first, nz_number(cursor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parsed<UidBatches> {
        let mut cursor = Cursor::new(text.as_bytes());
        let read = uid_batches(&mut cursor)?;
        cursor.end()?;
        Ok(read)
    }

    #[test]
    fn batches_are_asked_for_all_at_once_or_some() {
        let of = |size, wanted| Ok(UidBatches { size, wanted });
        assert_eq!(read(" 2000"), of(2000, None));
        assert_eq!(read(" 2000 10:20"), of(2000, Some((10, 20))));
        for text in [
            "", " ", " 0", " x", " 5 6", " 5 6:", " 5 0:1", " 5 1:*", " 5 1:2 ",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
