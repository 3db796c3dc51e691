//! Manifests come back as they were written, and nothing else comes back as one.

use super::*;
use crate::account::{PackSpace, Waste};
use crate::chunk::Summary;
use crate::entries::Entries;
use crate::flag::Keyword;
use crate::history::{Expunged, History};
use crate::id::{AccountId, MailboxId, Modseq, Uid, UidRange, UidValidity};
use crate::mailbox::{Counters, Mailbox};
use crate::metadata::{AnnotationName, Metadata};
use crate::name::{MailboxName, SpecialUse};
use crate::quota::{Limit, QuotaOverride};
use crate::rights::{AclEntry, Grantee, Rights};
use journal::sim::{Random, SimDisk};
use proptest::prelude::*;
use std::sync::Arc;

/// A format that stands for one of an older program: a row whose account section
/// had no quota yet.
pub(in crate::manifest) mod older {
    use super::*;

    pub(in crate::manifest) const VERSION: u16 = 0;

    /// Where the quota stands in today's row, and its bytes.
    const QUOTA: std::ops::Range<usize> = 72..96;

    pub(in crate::manifest) fn row(header: &Header, row: &[u8]) -> Result<Manifest, ManifestFault> {
        let Some((head, tail)) = row.split_at_checked(QUOTA.start) else {
            return Err(ManifestFault::Damaged);
        };
        let mut today = [head, &[0xff; 24], tail].concat();
        today[4] += 24;
        decode::today(header, &today)
    }

    /// What the older program would have written.
    pub(crate) fn encode(manifest: &Manifest) -> Vec<u8> {
        let mut row = encode::row(manifest);
        row.drain(QUOTA);
        row[4] -= 24;
        manifest.sealed(VERSION, &row)
    }
}

pub(crate) use older::encode as encode_older;

fn uid(n: u32) -> Uid {
    Uid::new(n).unwrap()
}

fn some_summary(random: &mut Random, first: u32) -> Summary {
    let len = 1 + random.below(4096) as u32;
    let packs = match random.below(3) {
        0 => PackSet::Many,
        _ => PackSet::Listed((1..=random.below(17)).map(PackId).collect()),
    };
    Summary {
        first: uid(first),
        last: uid(first + len - 1 + random.below(100) as u32),
        len,
        newest: Modseq(1 + random.below(1000)),
        keywords: random.below(4),
        bytes: random.below(1 << 40),
        oldest_record: random.chance(2).then(|| Lsn(500 + random.below(500))),
        packs,
    }
}

fn some_entries(random: &mut Random) -> (Entries, Uid) {
    let mut next = 1;
    let mut slots = Vec::new();
    for _ in 0..1 + random.below(4) {
        let first = next + random.below(10) as u32;
        let summary = some_summary(random, first);
        next = summary.last.get() + 1;
        slots.push(Slot::Away {
            summary: Arc::new(summary),
            file: ChunkId(1 + random.below(99)),
        });
    }
    (Entries::of(slots).unwrap(), uid(next))
}

fn some_history(random: &mut Random, uid_next: Uid) -> History {
    let mut history = History::from(Modseq(random.below(10)));
    let mut modseq = history.horizon().0 + 1;
    for _ in 0..random.below(5) {
        modseq += random.below(5);
        let last = 1 + random.below(u64::from(uid_next.get()) - 1) as u32;
        history.push(Expunged {
            modseq: Modseq(modseq),
            uids: UidRange {
                first: uid(1 + random.below(u64::from(last)) as u32),
                last: uid(last),
            },
        });
    }
    history
}

fn some_mailbox(random: &mut Random, id: u64, name: MailboxName) -> Mailbox {
    let validity = UidValidity::new(1 + random.below(50) as u32).unwrap();
    let special = SpecialUse::of_code(random.below(8) as u8).unwrap();
    let mut mailbox = Mailbox::new(MailboxId(id), name, validity, special, Modseq(1000));
    let uid_next;
    (mailbox.entries, uid_next) = some_entries(random);
    mailbox.uid_next = uid(uid_next.get() + 1 + random.below(1000) as u32);
    mailbox.recent_from = uid(1 + random.below(2000) as u32);
    mailbox.history = some_history(random, mailbox.uid_next);
    mailbox.keywords = ["$a", "$b"]
        .map(|word| Keyword::new(word).unwrap())
        .to_vec();
    mailbox.acl = vec![AclEntry {
        grantee: Grantee::Account(AccountId(random.below(9) as u32)),
        rights: Rights::READ,
    }];
    let messages = mailbox.entries.len() as u32;
    let part = |random: &mut Random| random.below(u64::from(messages) + 1) as u32;
    mailbox.counters = Counters {
        messages,
        unseen: part(random),
        recent: part(random),
        deleted: part(random),
        bytes: mailbox
            .entries
            .slots()
            .iter()
            .map(|slot| slot.summary().bytes)
            .sum(),
    };
    mailbox
}

/// Any account with everything in it, and every chunk away.
pub(crate) fn some_manifest(seed: u64) -> Manifest {
    let random = &mut Random::new(seed);
    let mut account = Account::new();
    account.id = Some(AccountId(7));
    account.modseq = Modseq(1000 + random.below(1000));
    account.ceiling = Modseq(random.below(9000));
    account.validity = UidValidity::new(50);
    account.next_mailbox = 50;
    account.next_message = random.below(1 << 60);
    (account.next_pack, account.next_chunk) = (20, 100);
    account.epoch = random.below(9);
    account.quota = QuotaOverride {
        bytes: Limit::AtMost(random.below(1 << 40)),
        messages: Limit::Unlimited,
        mailboxes: Limit::Default,
    };
    account.journal_waste = Waste {
        bytes: random.below(100),
        since: random.chance(2).then_some(-5),
    };
    account.lost = (1..=random.below(4))
        .map(|n| (Modseq(10 * n), Modseq(10 * n + 10)))
        .collect();
    account.subscriptions = Arc::new([MailboxName::inbox()].into());
    let space = |n| PackSpace {
        letters: n as u32,
        bytes: n * 1000,
        waste: Waste::default(),
    };
    account.metadata = Arc::new(some_metadata(random));
    account.packs = Arc::new((1..20).map(|n| (PackId(n), space(n))).collect());
    account.insert(some_mailbox(random, 1, MailboxName::inbox()));
    for id in 2..2 + random.below(5) {
        let name = MailboxName::new([format!("box {id}"), "ü".to_owned()]).unwrap();
        account.insert(some_mailbox(random, id, name));
    }
    Manifest {
        number: 1 + random.below(99),
        start: Start {
            lsn: Lsn(1000),
            predecessor: 77,
            term: 3,
        },
        oldest: Lsn(500),
        account,
    }
}

/// Annotations of the account and of INBOX, set and taken away.
fn some_metadata(random: &mut Random) -> Metadata {
    let mut metadata = Metadata::default();
    for modseq in 1..random.below(12) {
        let place = random.chance(2).then_some(MailboxId::INBOX);
        let name = format!("/shared/{}", random.below(4));
        let value = random
            .chance(2)
            .then(|| vec![7; random.below(9) as usize].into());
        let name = AnnotationName::new(&name).unwrap();
        metadata.set(place, &name, value, Modseq(modseq));
    }
    metadata
}

/// Everything that a manifest says, as text that compares.
fn said(manifest: &Manifest) -> String {
    format!("{manifest:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_manifest_decodes_to_what_was_encoded(seed in any::<u64>()) {
        let manifest = some_manifest(seed);
        let read = Manifest::decode(manifest.number, &manifest.encode()).unwrap();
        prop_assert_eq!(said(&read), said(&manifest));
    }

    #[test]
    fn a_flipped_bit_and_a_cut_are_seen(seed in any::<u64>(), at in any::<usize>(), bit in 0_u8..8) {
        let manifest = some_manifest(seed);
        let mut bytes = manifest.encode();
        let at = at % bytes.len();
        prop_assert!(Manifest::decode(manifest.number, &bytes[..at]).is_err());
        bytes[at] ^= 1 << bit;
        prop_assert!(Manifest::decode(manifest.number, &bytes).is_err());
    }

    #[test]
    fn a_right_seal_over_changed_bytes_is_refused_or_says_what_can_be(
        seed in any::<u64>(), changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4), cut in prop::option::of(any::<usize>()),
    ) {
        let manifest = some_manifest(seed);
        let mut row = encode::row(&manifest);
        for (at, byte) in changes {
            let at = at % row.len();
            row[at] = byte;
        }
        row.truncate(cut.map_or(row.len(), |cut| cut % row.len()));
        if let Ok(read) = Manifest::decode(manifest.number, &manifest.sealed(1, &row)) {
            let again = Manifest::decode(read.number, &read.encode()).unwrap();
            prop_assert_eq!(said(&again), said(&read));
        }
    }

    #[test]
    fn an_older_manifest_is_read_into_todays_state(seed in any::<u64>()) {
        let mut manifest = some_manifest(seed);
        manifest.account.quota = QuotaOverride::default();
        let read = Manifest::decode(manifest.number, &encode_older(&manifest)).unwrap();
        prop_assert_eq!(said(&read), said(&manifest));
    }
}

/// The row with another section behind it.
fn with_section(manifest: &Manifest, code: u16) -> Vec<u8> {
    let mut row = encode::row(manifest);
    row.extend(code.to_le_bytes());
    row.extend([0, 0, 2, 0, 0, 0, 7, 7]);
    manifest.sealed(1, &row)
}

#[test]
fn what_only_a_newer_program_knows_is_told_from_damage() {
    let manifest = some_manifest(1);
    let decode = |bytes: &[u8]| Manifest::decode(manifest.number, bytes).map(|read| said(&read));
    let optional = decode(&with_section(&manifest, code::OPTIONAL | 99));
    assert_eq!(optional, Ok(said(&manifest)));
    assert_eq!(
        decode(&with_section(&manifest, 99)),
        Err(ManifestFault::UnknownSection(99))
    );
    let newer = manifest.sealed(FORMAT_VERSION + 1, b"whatever");
    assert_eq!(decode(&newer), Err(ManifestFault::NewerFormat(2)));
}

#[test]
fn a_manifest_is_read_under_its_own_number_only() {
    let manifest = some_manifest(1);
    let other = manifest.number + 1;
    assert!(Manifest::decode(other, &manifest.encode()).is_err());
}

#[test]
fn a_row_that_claims_to_be_long_costs_no_memory() {
    let root = SimDisk::new(1);
    let manifest = some_manifest(1);
    let header = Header {
        version: 1,
        number: 5,
        start: manifest.start,
        row_len: ROW_BYTES_MAX,
        seal: 0,
    };
    MANIFEST.write(&root, 5, &header.encode()).unwrap();
    let fault = read(&root, 5).unwrap().map(|_| ()).unwrap_err();
    assert_eq!(fault, ManifestFault::Damaged);
}

/// A manifest that says what `spoil` makes of it.
fn refusal(spoil: impl FnOnce(&mut Manifest)) -> ManifestFault {
    let mut manifest = some_manifest(3);
    spoil(&mut manifest);
    let decoded = Manifest::decode(manifest.number, &manifest.encode());
    decoded.map(|_| ()).unwrap_err()
}

#[test]
fn what_cannot_be_is_refused() {
    let inbox = |change: fn(&mut Mailbox)| {
        refusal(|manifest| {
            manifest.account.change(MailboxId::INBOX, change);
        })
    };
    for fault in [
        inbox(|inbox| inbox.counters.messages += 1),
        inbox(|inbox| inbox.counters.bytes += 1),
        inbox(|inbox| inbox.counters.recent = inbox.counters.messages + 1),
        inbox(|inbox| inbox.uid_next = Uid::MIN),
        inbox(|inbox| inbox.modseq = Modseq(9999)),
        inbox(|inbox| inbox.keywords.push(Keyword::new("$A").unwrap())),
        inbox(|inbox| inbox.acl.push(inbox.acl[0])),
        inbox(|inbox| inbox.name = MailboxName::new(["other"]).unwrap()),
        refusal(|manifest| manifest.account.next_chunk = 1),
        refusal(|manifest| manifest.account.next_mailbox = 1),
        refusal(|manifest| manifest.account.validity = None),
        refusal(|manifest| manifest.account.packs = Arc::default()),
        refusal(|manifest| manifest.oldest = Lsn(1001)),
        refusal(|manifest| manifest.account.lost = vec![(Modseq(5), Modseq(5))]),
        refusal(|manifest| manifest.account.lost = vec![(Modseq(5), manifest.account.modseq)]),
    ] {
        assert!(matches!(fault, ManifestFault::Absurd(_)), "{fault:?}");
    }
}

#[test]
fn a_million_messages_in_a_thousand_mailboxes_are_a_small_manifest() {
    let mut manifest = some_manifest(1);
    manifest.account.next_mailbox = 2000;
    for id in 100..1100 {
        let name = MailboxName::new([format!("a mailbox called {id}")]).unwrap();
        let validity = UidValidity::new(1).unwrap();
        let mut mailbox = Mailbox::new(MailboxId(id), name, validity, None, Modseq(9));
        let summary = Summary {
            len: 1000,
            last: uid(1000),
            packs: PackSet::Listed(vec![PackId(1), PackId(2)]),
            ..some_summary(&mut Random::new(id), 1)
        };
        mailbox.uid_next = uid(1001);
        (mailbox.counters.messages, mailbox.counters.bytes) = (1000, summary.bytes);
        mailbox.keywords = ["$a", "$b"]
            .map(|word| Keyword::new(word).unwrap())
            .to_vec();
        let slot = Slot::Away {
            summary: Arc::new(summary),
            file: ChunkId(1 + id % 90),
        };
        mailbox.entries = Entries::of(vec![slot]).unwrap();
        manifest.account.insert(mailbox);
    }
    let bytes = manifest.encode();
    assert!(bytes.len() < 512 << 10, "{}", bytes.len());
    let read = Manifest::decode(manifest.number, &bytes).unwrap();
    assert!(read.account.usage.messages >= 1_000_000);
}
