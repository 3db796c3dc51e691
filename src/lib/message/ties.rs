//! What ties a letter to others: the message ids that it names (RFC 5322
//! §3.6.4), from which conversations are put together (RFC 5256, RFC 8474).
//!
//! Reading them is linear and bounded, and never fails: what is no id is left
//! out. They are claims of whoever wrote the letter. Nothing but the grouping of
//! letters may ever follow from them.

use crate::header::{self, RawField};

/// Bytes of a header section in which ids are looked for. Real ones, with the
/// marks of a dozen relays, stay below 32 KiB; reading the dearest takes 3 ms.
pub const TIES_HEADER_BYTES_MAX: usize = 128 << 10;

/// Bytes of one id. RFC 5322 allows a line of 998; real ones stay below 200, and
/// each is hashed and looked up.
pub const ID_BYTES_MAX: usize = 250;

/// Ids that a letter's ancestors may have here. Of more, the first (who began it
/// all) and the last (who is answered) are kept: each costs a look at the disk.
pub const ANCESTORS_MAX: usize = 16;

/// The ids that a letter names, normalised, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ties {
    /// Its own Message-ID.
    pub own: Option<Vec<u8>>,
    /// In-Reply-To and References, at most [`ANCESTORS_MAX`]; the one that is
    /// answered first, the one that began it all last.
    pub ancestors: Vec<Vec<u8>>,
}

impl Ties {
    /// The ties of a letter whose header section begins here; what follows the
    /// section is not looked at.
    pub fn of(letter: &[u8]) -> Self {
        let section = letter.get(..TIES_HEADER_BYTES_MAX).unwrap_or(letter);
        let (mut own, mut references, mut answered) = (None, Vec::new(), None);
        for field in header::fields(section) {
            match Named::by(&field) {
                Some(Named::MessageId) => own = own.or_else(|| ids(field.value).next()),
                Some(Named::References) if references.is_empty() => {
                    references = ids(field.value).collect();
                }
                Some(Named::InReplyTo) => answered = answered.or_else(|| only_id(field.value)),
                _ => {}
            }
        }
        let ancestors = answered.into_iter().chain(references.into_iter().rev());
        Self {
            ancestors: nearest_and_first(distinct(ancestors, own.as_deref())),
            own,
        }
    }

    /// All of them, the strongest tie first: a letter with the same id is the same
    /// letter, then comes whoever is answered.
    pub fn ids(&self) -> impl Iterator<Item = &[u8]> {
        let own = self.own.iter();
        own.chain(&self.ancestors).map(Vec::as_slice)
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.own.is_none() && self.ancestors.is_empty()
    }
}

/// The id in a Message-ID, if it is one.
pub fn message_id(value: &[u8]) -> Option<Vec<u8>> {
    ids(value).next()
}

/// The ids of a References, the eldest first; of more than [`REFERENCES_MAX`] the first
/// and the last are kept.
pub fn references(value: &[u8]) -> Vec<Vec<u8>> {
    let mut kept: Vec<_> = ids(value).take(REFERENCES_READ_MAX).collect();
    if kept.len() > REFERENCES_MAX {
        let middle = kept.len().saturating_sub(REFERENCES_MAX).saturating_add(1);
        kept.drain(1..middle);
    }
    kept
}

/// Ids of one References by which letters are threaded. Of those in the middle most are
/// letters that name each other, too.
pub const REFERENCES_MAX: usize = 100;

/// Ids of one References that are looked at: as many short ones as its field has room for.
const REFERENCES_READ_MAX: usize = 8192;

/// A field that names ids.
enum Named {
    MessageId,
    InReplyTo,
    References,
}

impl Named {
    fn by(field: &RawField<'_>) -> Option<Self> {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name.as_bytes());
        if is("message-id") {
            Some(Self::MessageId)
        } else if is("in-reply-to") {
            Some(Self::InReplyTo)
        } else if is("references") {
            Some(Self::References)
        } else {
            None
        }
    }
}

/// The one id of an In-Reply-To; none if it begins with anything else. Old
/// software wrote `Message from somebody <address>`, and an address ties nothing
/// together.
fn only_id(value: &[u8]) -> Option<Vec<u8>> {
    let begins = value.trim_ascii_start().first() == Some(&b'<');
    begins.then(|| ids(value).next()).flatten()
}

/// `*msg-id` with whatever stands between: the ids that are any.
fn ids(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let at = memchr::memchr(b'<', rest)?;
        let (raw, behind) = bracketed(rest.get(at.saturating_add(1)..)?);
        rest = behind;
        Some(normalised(raw))
    })
    .flatten()
}

/// What stands before the next bracket, and what begins with it. One within
/// quotes ends an id too: nobody writes any, and both who names an id and who has
/// it are read alike.
fn bracketed(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr2(b'<', b'>', text);
    text.split_at(end.unwrap_or(text.len()))
}

/// The one form of an id that is compared (RFC 5256 §2.1): without white space,
/// quotes and their backslashes. None if it isn't `left@right`, or is too long.
pub fn normalised(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() > ID_BYTES_MAX {
        return None;
    }
    let mut id = Vec::with_capacity(raw.len());
    let mut escaped = false;
    for byte in raw {
        match byte {
            _ if std::mem::take(&mut escaped) => id.push(*byte),
            b'\\' => escaped = true,
            b'"' => {}
            byte if byte.is_ascii_whitespace() => {}
            byte => id.push(*byte),
        }
    }
    let at = memchr::memrchr(b'@', &id)?;
    (at > 0 && at < id.len().saturating_sub(1)).then_some(id)
}

/// Each id once, where it first stands, and not the letter's own.
fn distinct(ids: impl Iterator<Item = Vec<u8>>, own: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut seen = std::collections::BTreeSet::new();
    ids.filter(|id| own != Some(id) && seen.insert(id.clone()))
        .collect()
}

fn nearest_and_first(mut ids: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if ids.len() > ANCESTORS_MAX {
        let first = ids.pop();
        ids.truncate(ANCESTORS_MAX.saturating_sub(1));
        ids.extend(first);
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(ties: &Ties) -> Vec<&str> {
        ties.ids()
            .map(|id| std::str::from_utf8(id).unwrap())
            .collect()
    }

    #[test]
    fn the_strongest_tie_stands_first() {
        let ties = Ties::of(
            b"References: <1@a> <2@a>\r\n <3@a>\r\nIn-Reply-To: <3@a>\r\nMessage-ID: <4@a>\r\n\r\n\
              Message-ID: <5@a>\r\n",
        );
        assert_eq!(texts(&ties), ["4@a", "3@a", "2@a", "1@a"]);
    }

    #[test]
    fn spellings_of_one_id_are_one() {
        for spelling in [
            "<a.b@c>",
            " < a.b @ c >",
            "<\"a.b\"@c>",
            "<\"a\\.b\"@c> (x)",
            "junk <a.b@\r\n c> <d@e>",
        ] {
            let letter = format!("MESSAGE-ID:{spelling}\r\n\r\n");
            assert_eq!(texts(&Ties::of(letter.as_bytes())), ["a.b@c"], "{spelling}");
        }
    }

    #[test]
    fn what_is_no_id_ties_nothing() {
        for value in [
            "", "<>", "<@>", "<a@>", "<@b>", "<ab>", "a@b", "a@b>", "<<>>",
        ] {
            let letter = format!("Message-ID: {value}\r\nReferences: {value}\r\n\r\n");
            assert!(Ties::of(letter.as_bytes()).is_empty(), "{value}");
        }
        let long = format!("Message-ID: <{}@b>\r\n\r\n", "a".repeat(ID_BYTES_MAX));
        assert!(Ties::of(long.as_bytes()).is_empty());
    }

    #[test]
    fn an_address_in_an_old_in_reply_to_is_no_id() {
        let old = b"In-Reply-To: Message from \"Bob\" <bob@example.org>\r\n\r\n";
        assert!(Ties::of(old).is_empty());
        assert_eq!(
            texts(&Ties::of(b"In-Reply-To: <1@a> of today\r\n\r\n")),
            ["1@a"]
        );
    }

    #[test]
    fn an_open_quote_hides_one_id_and_not_its_neighbours() {
        let ties = Ties::of(b"References: <1@a> <\"2@a> <3@a>\r\n\r\n");
        assert_eq!(texts(&ties), ["3@a", "2@a", "1@a"]);
        assert_eq!(
            texts(&Ties::of(b"References: <1@a <2@a>\r\n\r\n")),
            ["2@a", "1@a"]
        );
    }

    #[test]
    fn of_many_ancestors_the_nearest_and_the_first_stay() {
        let many: String = (0..1000).map(|n| format!(" <{n}@a>")).collect();
        let ties = Ties::of(format!("References:{many}\r\n\r\n").as_bytes());
        assert_eq!(ties.ancestors.len(), ANCESTORS_MAX);
        assert_eq!(ties.ancestors.first().unwrap(), b"999@a");
        assert_eq!(ties.ancestors.last().unwrap(), b"0@a");
    }

    #[test]
    fn the_first_field_of_a_name_counts() {
        let ties = Ties::of(b"Message-ID: <1@a>\r\nMessage-ID: <2@a>\r\n\r\n");
        assert_eq!(texts(&ties), ["1@a"]);
    }

    #[test]
    fn of_a_long_way_the_beginning_and_the_end_are_kept() {
        let many: String = (0..1000).map(|n| format!(" <{n}@a>")).collect();
        let kept = references(many.as_bytes());
        assert_eq!(kept.len(), REFERENCES_MAX);
        assert_eq!(
            (kept[0].as_slice(), kept[1].as_slice()),
            (&b"0@a"[..], &b"901@a"[..])
        );
        assert_eq!(kept.last().unwrap(), b"999@a");
        assert_eq!(references(b"x <1@a> <1@a>").len(), 2);
        assert_eq!(message_id(b" <1 @a>"), Some(b"1@a".to_vec()));
    }

    proptest! {
        #[test]
        fn any_bytes_give_few_short_ids_each_once(
            value in prop::collection::vec(prop::sample::select(&b"<>@\"\\ab \r\n\t"[..]), 0..300),
        ) {
            let mut letter = b"References: ".to_vec();
            letter.extend_from_slice(&value);
            letter.extend_from_slice(b"\r\nMessage-ID: <own@x>\r\n");
            let ties = Ties::of(&letter);
            prop_assert!(ties.ancestors.len() <= ANCESTORS_MAX);
            let mut ids: Vec<&[u8]> = ties.ids().collect();
            prop_assert!(ids.iter().all(|id| id.len() <= ID_BYTES_MAX));
            let count = ids.len();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), count);
        }

        #[test]
        fn a_normalised_id_stays_as_it_is(raw in "[a-z.@\" ]{0,20}") {
            if let Some(id) = normalised(raw.as_bytes()) {
                prop_assert_eq!(normalised(&id), Some(id));
            }
        }

        #[test]
        fn an_id_that_a_letter_names_is_found(names in prop::collection::vec("[a-z0-9.]{1,9}", 1..10)) {
            let fields: String = names.iter().map(|name| format!(" <{name}@x>")).collect();
            let ties = Ties::of(format!("references:{fields}\n\n").as_bytes());
            for name in names {
                let id = format!("{name}@x").into_bytes();
                prop_assert!(ties.ancestors.contains(&id));
            }
        }
    }
}
