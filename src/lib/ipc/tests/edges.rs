//! Every message of every edge is what it was when it arrives, fits into its
//! direction, and can't be mistaken for another. That a message fits is also
//! checked by the compiler (`messages!`); here it is seen to be true.

mod exercise;

use exercise::DIRECTIONS;
use ipc::codec::{Bytes, Field, List, Message};
use ipc::edge::control_auth::{ALIASES_MAX, Account, PAGE_ACCOUNTS_MAX, ToControl};
use ipc::edge::lmtp_auth::ADDRESS_BYTES_MAX;
use ipc::slice::{self, DOMAIN_BYTES_MAX, DOMAINS_MAX, LogLevel, Logging, Slice};
use ipc::{AccountId, Encoder};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The edges' files: name and text.
fn files() -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("edge");
    let files = std::fs::read_dir(folder).expect("the edges' folder");
    let files = files.map(|file| file.expect("a file").path());
    let named = files.map(|path| {
        let stem = path.file_stem().expect("a name").to_string_lossy();
        (
            stem.into_owned(),
            std::fs::read_to_string(&path).expect("its text"),
        )
    });
    named.filter(|(name, _)| name != "mod").collect()
}

/// What follows each `before`, up to the next thing that is no word.
fn words_behind<'a>(text: &'a str, before: &str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(|rest| {
        let end = rest.find(|it: char| !it.is_alphanumeric())?;
        rest.get(..end)
    })
}

/// The numbers of a `messages!` enum's variants: they stand eight columns in.
fn tags(text: &str, name: &str) -> BTreeSet<u8> {
    let body = text.split(&format!("pub enum {name}, at most")).nth(1);
    let body = body
        .and_then(|rest| rest.split("\n}").next())
        .expect("its body");
    let variants = body
        .lines()
        .filter_map(|line| line.strip_prefix("        "));
    let numbers = variants.filter_map(|line| line.split_once(" => "));
    numbers
        .filter_map(|(number, _)| number.parse().ok())
        .collect()
}

#[test]
fn every_direction_of_every_edge_is_listed() {
    let mut found = BTreeSet::new();
    for (edge, text) in files() {
        for body in text.split("messages! {").skip(1) {
            let name = words_behind(body, "pub enum ").next().expect("an enum");
            found.insert((edge.clone(), name.to_owned()));
        }
    }
    let listed = DIRECTIONS
        .iter()
        .map(|it| (it.edge.to_owned(), it.name.to_owned()));
    assert_eq!(
        listed.collect::<BTreeSet<_>>(),
        found,
        "tests/exercise/mod.rs"
    );
}

#[test]
fn every_variant_of_every_direction_is_what_it_was_when_it_arrives() {
    let files = files();
    for direction in DIRECTIONS {
        let tags = tags(&files[direction.edge], direction.name);
        assert_eq!((direction.exercise)(&[1; 600]).is_none(), tags.is_empty());
        for tag in tags {
            let sent = [&[tag][..], &[1; 600]].concat();
            assert_eq!((direction.exercise)(&sent), Some(tag), "{}", direction.edge);
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_is_one_message_or_none(sent in prop::collection::vec(any::<u8>(), 0..400)) {
        for direction in DIRECTIONS {
            (direction.exercise)(&sent);
        }
    }
}

#[test]
fn the_largest_page_of_accounts_is_as_long_as_its_type_says_and_fits() {
    let longest = || Bytes::new([b'a'; ADDRESS_BYTES_MAX]).unwrap();
    let account = Account {
        id: AccountId(1),
        name: longest(),
        aliases: List::new(vec![longest(); ALIASES_MAX]).unwrap(),
        disabled: true,
        deleting: false,
        scheme: 1,
    };
    let accounts = List::new(vec![account; PAGE_ACCOUNTS_MAX]).unwrap();
    let page = ToControl::Page {
        query: 1,
        accounts,
        more: true,
    };
    let length = page.into_datagram().0.len();
    assert_eq!(length, ToControl::LONGEST);
    assert!(length <= ToControl::BYTES_MAX);
}

#[test]
fn the_largest_slice_fits_into_every_message_that_carries_one() {
    let longest = Bytes::new([b'd'; DOMAIN_BYTES_MAX]).unwrap();
    let slice = slice::Auth {
        logging: Logging {
            level: LogLevel::Info,
            journal: false,
        },
        domains: List::new(vec![longest; DOMAINS_MAX]).unwrap(),
        detail_separator: Some(b'+'),
        remember_seconds: 0,
        failures_before_delay: 0,
        argon2_kib: 0,
        argon2_passes: 0,
        sessions_per_account_max: 0,
        scram: true,
        external: true,
        pop3_login_delay_seconds: 0,
    };
    let mut encoder = Encoder::default();
    Slice::Auth { slice }.encode(&mut encoder);
    let length = encoder.finish().0.len();
    assert_eq!(length, Slice::LONGEST);
    assert!(length <= slice::SLICE_BYTES_MAX);
}

#[test]
fn the_longest_datagram_of_any_edge_passes_a_socket_at_its_default_size() {
    let (near, far) = ipc::channel::pair().unwrap();
    let mut near = ipc::Channel::<Whole, Whole>::adopt(near).unwrap();
    let mut far = ipc::Channel::<Whole, Whole>::adopt(far).unwrap();
    let bytes = Bytes::new([7; WHOLE_BYTES]).unwrap();
    near.send(Whole::Bytes { bytes }).unwrap();
    assert!(!near.wants_to_send());
    let arrived = far.receive().unwrap();
    assert!(
        matches!(arrived, ipc::Received::Message(Whole::Bytes { bytes }) if bytes.as_slice().len() == WHOLE_BYTES)
    );
}

/// A tag and a length stand before the bytes.
const WHOLE_BYTES: usize = ipc::codec::DATAGRAM_BYTES_MAX - 5;

ipc::messages! {
    /// As much as there may be.
    pub enum Whole, at most ipc::codec::DATAGRAM_BYTES_MAX, {
        1 => Bytes { bytes: Bytes<WHOLE_BYTES>, },
    }
}
