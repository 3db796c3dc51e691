//! SASL PLAIN (RFC 4616), the one mechanism whose message `auth` reads itself.
//!
//! It allocates nothing and copies nothing: the three fields are slices of the
//! message. What the names mean is `names`' matter.

/// The three fields.
#[derive(PartialEq, Eq)]
pub struct Plain<'a> {
    /// Whom to act as; empty: as the one who authenticates.
    pub authzid: &'a [u8],
    /// Who authenticates.
    pub authcid: &'a [u8],
    /// With what.
    pub passwd: &'a [u8],
}

/// Reads the message; `None` if it is not one.
///
/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616, section 2)
#[must_use]
pub fn message(message: &[u8]) -> Option<Plain<'_>> {
    let mut fields = message.split(|byte| *byte == 0);
    let (authzid, authcid, passwd) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = fields.next().is_none() && !authcid.is_empty() && !passwd.is_empty();
    whole.then_some(Plain {
        authzid,
        authcid,
        passwd,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_fields_are_a_message_and_nothing_else_is() {
        let plain = message(b"\0alice\0wonderland").unwrap();
        assert!(
            plain
                == Plain {
                    authzid: b"",
                    authcid: b"alice",
                    passwd: b"wonderland"
                }
        );
        let bad: [&[u8]; 7] = [
            b"",
            b"\0",
            b"\0\0",
            b"\0alice\0",
            b"\0\0x",
            b"alice\0x",
            b"\0a\0b\0c",
        ];
        for bytes in bad {
            assert!(message(bytes).is_none(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_joins_to_what_was_sent(bytes in prop::collection::vec(0u8..4, 0..12)) {
            if let Some(Plain { authzid, authcid, passwd }) = message(&bytes) {
                prop_assert_eq!([authzid, authcid, passwd].join(&0), bytes);
            }
        }
    }
}
