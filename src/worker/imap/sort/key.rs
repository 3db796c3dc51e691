//! What a message is sorted by, as octets: of two messages the one with the lower octets
//! comes first (RFC 5256 §3, RFC 5957 §3).
//!
//! Invariants: no key is longer than [`KEY_BYTES_MAX`] and two more for each criterion; the
//! key of one criterion ends where it can be told, so that the next one decides only where
//! it is equal.

use super::super::collation::collate_onto;
use super::super::headers::Said;
use message::base_subject::{BaseSubject, unfolded};
use message::{Address, decode};
use store::Entry;
use wire::imap::{SortCriterion, SortKey};

/// Octets of one criterion that are compared. What is longer is a list of somebody's
/// addresses or somebody's joke, and nobody looks for it by its end.
const KEY_BYTES_MAX: usize = 1024;

/// Ends a text: no character has it, and nothing is lower.
const END: u8 = 0;

/// Begins a text that was not of its charset: it comes behind all others (RFC 5255 §4.6).
const BROKEN: u8 = 0xff;

/// Stands where something was not of its charset.
const REPLACEMENT: char = '\u{fffd}';

/// What the store knows of a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    arrived: i64,
    octets: u32,
}

impl Facts {
    /// Of a message.
    pub fn of(entry: &Entry) -> Self {
        Self {
            arrived: entry.date().secs,
            octets: entry.size(),
        }
    }
}

/// Makes keys by a client's criteria.
pub struct Composer<'c> {
    criteria: &'c [SortCriterion],
}

impl<'c> Composer<'c> {
    /// By these.
    pub fn new(criteria: &'c [SortCriterion]) -> Self {
        Self { criteria }
    }

    /// Whether the store doesn't know enough.
    pub fn needs_letters(&self) -> bool {
        let known =
            |criterion: &SortCriterion| matches!(criterion.key, SortKey::Arrival | SortKey::Size);
        !self.criteria.iter().all(known)
    }

    /// Puts a message's key behind what is there.
    pub fn compose(&self, facts: &Facts, said: &Said<'_>, key: &mut Vec<u8>) {
        for criterion in self.criteria {
            let start = key.len();
            put(criterion.key, facts, said, key);
            if criterion.reverse {
                let part = key.get_mut(start..).unwrap_or_default();
                part.iter_mut().for_each(|octet| *octet = !*octet);
            }
        }
    }
}

fn put(by: SortKey, facts: &Facts, said: &Said<'_>, key: &mut Vec<u8>) {
    match by {
        SortKey::Arrival => put_number(facts.arrived, key),
        SortKey::Size => put_number(facts.octets.into(), key),
        // Without a date that can be read it is sorted by its arrival (RFC 5256 §2.2).
        SortKey::Date => put_number(sent(said).unwrap_or(facts.arrived), key),
        SortKey::Subject => put_text(&base_subject(said), key),
        SortKey::Cc => put_text(&local_part(said, b"cc"), key),
        SortKey::From => put_text(&local_part(said, b"from"), key),
        SortKey::To => put_text(&local_part(said, b"to"), key),
        SortKey::DisplayFrom => put_text(&display(said, b"from"), key),
        SortKey::DisplayTo => put_text(&display(said, b"to"), key),
    }
}

/// Big-endian, negative ones below the others.
fn put_number(number: i64, key: &mut Vec<u8>) {
    let moved = number.cast_unsigned() ^ (1 << 63);
    key.extend_from_slice(&moved.to_be_bytes());
}

fn put_text(text: &str, key: &mut Vec<u8>) {
    let mut mapped = String::new();
    let end = text.floor_char_boundary(KEY_BYTES_MAX);
    let text = text.get(..end).unwrap_or_default();
    match text.contains(REPLACEMENT) {
        true => {
            key.push(BROKEN);
            mapped.push_str(text);
        }
        false => collate_onto(text, &mut mapped),
    }
    let octets = mapped.bytes().filter(|octet| *octet != END);
    key.extend(octets.take(KEY_BYTES_MAX));
    key.push(END);
}

fn sent(said: &Said<'_>) -> Option<i64> {
    decode::sent_date(said.value(b"date")?)
}

fn base_subject(said: &Said<'_>) -> String {
    let Some(value) = said.value(b"subject") else {
        return String::new();
    };
    let line = unfolded(&decode::field_text(value));
    BaseSubject::of(&line).text.to_owned()
}

/// `addr-mailbox` of the first address.
fn local_part(said: &Said<'_>, field: &[u8]) -> String {
    let address = said.first_address(field).unwrap_or_default();
    text(address.mailbox.as_deref().unwrap_or_default())
}

/// The first address as it is shown: its display name, or else what stands between its
/// brackets; of a group its name (RFC 5957 §3).
fn display(said: &Said<'_>, field: &[u8]) -> String {
    let Address {
        name,
        mailbox,
        host,
        ..
    } = said.first_address(field).unwrap_or_default();
    let name = name.map(|name| decode::field_text(&name));
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return name;
    }
    let mailbox = mailbox.unwrap_or_default();
    match host {
        None => decode::field_text(&mailbox),
        Some(host) => text(&[&mailbox[..], b"@", &host].concat()),
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(criteria: &[SortCriterion], facts: Facts, fields: &str) -> Vec<u8> {
        let mut key = Vec::new();
        let said = Said::Fields(fields.as_bytes());
        Composer::new(criteria).compose(&facts, &said, &mut key);
        key
    }

    fn by(key: SortKey) -> SortCriterion {
        let reverse = false;
        SortCriterion { reverse, key }
    }

    fn of(by_key: SortKey, fields: &str) -> Vec<u8> {
        key(&[by(by_key)], Facts::default(), fields)
    }

    #[test]
    fn what_means_the_same_has_one_key() {
        for (by, one, other) in [
            (
                SortKey::Subject,
                "Subject: Re: [l] blah\r\n",
                "subject: BLAH\r\n",
            ),
            (
                SortKey::Subject,
                "Subject: =?utf-8?q?=C3=BC?=\r\n",
                "Subject: \u{dc}\r\n",
            ),
            (
                SortKey::From,
                "From: Ann <B@c>\r\n",
                "From: b@elsewhere, a@c\r\n",
            ),
            (
                SortKey::DisplayFrom,
                "From: \"ann\" <x@y>\r\n",
                "From: Ann <z@y>\r\n",
            ),
            (SortKey::DisplayTo, "To: x@y\r\n", "To: <X@Y>\r\n"),
            (
                SortKey::DisplayTo,
                "To: Friends: x@y;\r\n",
                "To: friends <a@b>\r\n",
            ),
            (SortKey::Cc, "\r\n", "Cc: \r\n"),
            (
                SortKey::Date,
                "Date: 1 Feb 2020 12:00:00 +0200\r\n",
                "Date: Sat, 1 Feb 2020 10:00 GMT\r\n",
            ),
        ] {
            assert_eq!(of(by, one), of(by, other), "{by:?} {one:?} {other:?}");
        }
    }

    #[test]
    fn a_letter_without_a_date_is_sorted_by_its_arrival() {
        let facts = Facts {
            arrived: 1_580_551_200,
            octets: 1,
        };
        let criteria = [by(SortKey::Date)];
        let dated = key(
            &criteria,
            Facts::default(),
            "Date: 1 Feb 2020 10:00:00 +0000\r\n",
        );
        assert_eq!(key(&criteria, facts, "Date: soon\r\n"), dated);
    }

    #[test]
    fn a_key_is_as_long_as_it_may_be_and_no_longer() {
        let endless = format!("Subject: {}\r\n", "\u{fdfa}".repeat(9999));
        let long = of(SortKey::Subject, &endless);
        assert!(long.len() <= KEY_BYTES_MAX + 1);
    }

    /// The example of RFC 5255 §4.6, and what comes first of all.
    #[test]
    fn what_is_not_of_its_charset_comes_behind_everything() {
        let in_order = [
            "",
            "=?koi8-r?q?=E1=CC=C5=CB=D3=C5=CA?=",
            "=?utf-8?q?=D1=81=D0=95=D0=A0=D0=93=D0=95=D0=99?=",
            "=?utf-8?q?=D0=92=D0=B0=D1=81=D0=B8=D0=BB=D0=B8=FF=B9?=",
            "=?utf-8?q?=D0=C0=D0=BD=D0=B4=D1=80=D0=B5=D0=B9?=",
        ];
        let keys = in_order.map(|value| of(SortKey::Subject, &format!("Subject: {value}\r\n")));
        assert!(keys.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn a_name_that_says_nothing_is_none() {
        let nameless = of(SortKey::DisplayFrom, "From: =?utf-8?q??= <x@y>\r\n");
        assert_eq!(nameless, of(SortKey::DisplayFrom, "From: x@y\r\n"));
        let quoted = of(SortKey::DisplayFrom, "From: \"\" <x@y>\r\n");
        assert_eq!(nameless, quoted);
        assert_eq!(of(SortKey::DisplayFrom, "From:\r\n"), [END]);
    }

    proptest! {
        #[test]
        fn keys_are_ordered_as_what_they_are_made_of(
            one in ("[a-c]{0,3}", any::<i32>(), any::<bool>()), other in ("[a-c]{0,3}", any::<i32>()),
        ) {
            let (subject, arrived, reverse) = one;
            let criteria = [
                SortCriterion { reverse, key: SortKey::Subject },
                by(SortKey::Arrival),
            ];
            let of = |subject: &str, arrived: i32| {
                let facts = Facts { arrived: arrived.into(), octets: 0 };
                key(&criteria, facts, &format!("Subject: {subject}\r\n"))
            };
            let subjects = subject.cmp(&other.0);
            let subjects = if reverse { subjects.reverse() } else { subjects };
            let expected = subjects.then(arrived.cmp(&other.1));
            prop_assert_eq!(of(&subject, arrived).cmp(&of(&other.0, other.1)), expected);
        }
    }
}
