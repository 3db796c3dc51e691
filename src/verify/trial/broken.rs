//! An account that is right but for one thing, with every CRC right that can be.
//! Each row of the table is an invariant, how it is broken, and what is found.

use crate::check::Held;
use crate::directory::Folder;
use crate::fixture::Bytes;
use crate::fixture::{
    ChunkPaper, ManifestPaper, PackPaper, Piece, SegmentPaper, Tree, annotate, append, create,
    healthy, set_flags, transfer, with_pieces,
};
use crate::record::RecordHeader;
use ipc::edge::verify::{Severity, What};
use std::collections::BTreeSet;

type Operations = Vec<(u16, Bytes)>;

fn manifest(number: u64, change: fn(&mut ManifestPaper)) -> Tree {
    with_pieces(&mut |piece| match piece {
        Piece::Manifest(of, paper) if of == number => change(paper),
        _ => {}
    })
}

fn chunk(id: u64, change: fn(&mut ChunkPaper)) -> Tree {
    with_pieces(&mut |piece| match piece {
        Piece::Chunk(of, paper) if of == id => change(paper),
        _ => {}
    })
}

fn pack(number: u64, change: fn(&mut PackPaper)) -> Tree {
    with_pieces(&mut |piece| match piece {
        Piece::Pack(of, paper) if of == number => change(paper),
        _ => {}
    })
}

fn segment(n: usize, change: fn(&mut SegmentPaper)) -> Tree {
    with_pieces(&mut |piece| match piece {
        Piece::Segment(of, paper) if of == n => change(paper),
        _ => {}
    })
}

fn record(n: usize, change: fn(&mut RecordHeader)) -> Tree {
    with_pieces(&mut |piece| match piece {
        Piece::Record(of, header) if of == n => change(header),
        _ => {}
    })
}

fn transaction(modseq: u64, change: fn(&mut Operations)) -> Tree {
    with_pieces(&mut |piece| match piece {
        Piece::Transaction(of, operations, _) if of == modseq => change(operations),
        _ => {}
    })
}

fn body(modseq: u64, change: fn(&mut Vec<u8>)) -> Tree {
    with_pieces(&mut |piece| match piece {
        Piece::Transaction(of, _, body) if of == modseq => change(body),
        _ => {}
    })
}

/// The healthy account with the bytes of a file changed, CRCs and all.
fn bytes(folder: Folder, number: u64, change: fn(&mut Vec<u8>)) -> Tree {
    let mut tree = healthy();
    let number = match folder {
        Folder::Journal => segments(&tree)[number as usize],
        _ => number,
    };
    change(tree.bytes(folder, number));
    tree
}

fn without(folder: Folder, number: u64) -> Tree {
    let mut tree = healthy();
    let number = match folder {
        Folder::Journal => segments(&tree)[number as usize],
        _ => number,
    };
    tree.remove(folder, number);
    tree
}

fn with(folder: Folder, name: &str) -> Tree {
    let mut tree = healthy();
    tree.files
        .insert((folder, name.to_owned()), Default::default());
    tree
}

fn segments(tree: &Tree) -> Vec<u64> {
    let names = tree
        .files
        .keys()
        .filter(|(folder, _)| *folder == Folder::Journal);
    names
        .map(|(_, name)| u64::from_str_radix(&name[..16], 16).unwrap())
        .collect()
}

/// Where the nth block's first byte lies, if the file has one section.
fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 0x10;
}

const INBOX: usize = 0;
const WORK: usize = 1;

type Row = (What, fn() -> Tree);

#[rustfmt::skip]
const BROKEN: &[Row] = &[
    // What a healthy account may have.
    (What::Orphan, || with(Folder::Chunk, "0000000000000009.ix")),
    (What::Orphan, || with(Folder::Pack, "0000000000000009.pack")),
    (What::Orphan, || with(Folder::Manifest, "0000000000000000.mf")),
    (What::Unfinished, || with(Folder::Chunk, "0000000000000009.new")),
    (What::TornTail, || bytes(Folder::Journal, 2, |bytes| bytes.extend([7; 100]))),
    (What::TornTail, || bytes(Folder::Journal, 2, |bytes| bytes.extend([[0; 100], [7; 100]].concat()))),
    (What::DeadLetter, || transaction_and_rot()),
    (What::NotReplayed, || record(6, |header| header.kind = 0x0020)),

    // One letter.
    (What::RottenLetter, || bytes(Folder::Pack, 1, |bytes| flip(bytes, 70_000))),
    (What::RottenLetter, || bytes(Folder::Pack, 3, |bytes| flip(bytes, 70_000))),
    (What::RottenLetter, || without(Folder::Pack, 1)),
    (What::OtherLetter, || pack(1, |pack| flip(&mut pack.body, 9))),
    (What::OtherLetter, || pack(2, |pack| flip(&mut pack.lines[0].sha256, 9))),
    (What::OtherLetter, || body(4, |body| flip(body, 3))),
    (What::OtherLetter, || body(11, |body| flip(body, 3))),
    (What::OtherLetter, || transaction(14, |operations| flip(&mut operations[0].1.0, 62))),

    // One file.
    (What::Missing, || without(Folder::Chunk, 3)),
    (What::Missing, || without(Folder::Pack, 2)),
    (What::DeadRecord, || without(Folder::Journal, 0)),
    (What::Short, || bytes(Folder::Chunk, 3, |bytes| bytes.truncate(100))),
    (What::Short, || bytes(Folder::Pack, 1, |bytes| bytes.truncate(100))),
    (What::Short, || bytes(Folder::Manifest, 2, |bytes| bytes.truncate(100))),
    (What::DeadRecord, || bytes(Folder::Journal, 0, |bytes| bytes.truncate(60))),
    (What::HeaderChecksum, || bytes(Folder::Chunk, 3, |bytes| flip(bytes, 20))),
    (What::HeaderChecksum, || bytes(Folder::Pack, 1, |bytes| flip(bytes, 20))),
    (What::HeaderChecksum, || bytes(Folder::Manifest, 2, |bytes| flip(bytes, 20))),
    (What::HeaderChecksum, || bytes(Folder::Journal, 1, |bytes| flip(bytes, 20))),
    (What::HeaderChecksum, || bytes(Folder::Journal, 1, |bytes| flip(bytes, 70))),
    (What::BlockChecksum, || bytes(Folder::Chunk, 3, |bytes| flip(bytes, 100))),
    (What::BlockChecksum, || bytes(Folder::Manifest, 1, |bytes| flip(bytes, 100))),
    (What::DeadRecord, || bytes(Folder::Journal, 0, |bytes| flip(bytes, 64 + 60))),
    (What::BlockChecksum, || bytes(Folder::Pack, 2, |bytes| { let end = bytes.len(); flip(bytes, end - 9) })),
    (What::UnknownCritical, || record(6, |header| header.kind = 0x0020)),
    (What::UnknownCritical, || transaction(6, |operations| operations[0].0 = 99)),
    (What::UnknownCritical, || manifest(2, |manifest| manifest.more.push((99, vec![])))),
    (What::EndsEarly, || bytes(Folder::Journal, 1, |bytes| bytes.truncate(70))),

    // The format.
    (What::WrongMagic, || segment(1, |segment| segment.purpose = *b"ACCT")),
    (What::WrongNumber, || segment(1, |segment| segment.start += 1)),
    (What::WrongNumber, || chunk(3, |chunk| chunk.id = 30)),
    (What::WrongNumber, || pack(1, |pack| pack.number = 30)),
    (What::WrongNumber, || manifest(2, |manifest| manifest.number = 30)),
    (What::NotZero, || pack(2, |pack| pack.lines[0].zeros[5] = 1)),
    (What::OutOfRange, || chunk(3, |chunk| chunk.rows[1].flags = 32)),
    (What::OutOfRange, || chunk(3, |chunk| chunk.rows[1].thread = 4)),
    (What::OutOfRange, || chunk(3, |chunk| chunk.rows[1].message = 0)),
    (What::OutOfRange, || pack(2, |pack| pack.lines[0].flags = 32)),
    (What::OutOfRange, || manifest(2, |manifest| manifest.mailboxes[INBOX].special_use = 8)),
    (What::OutOfRange, || manifest(2, |manifest| manifest.mailboxes[WORK].acl[0].2 = 0x800)),
    (What::OutOfRange, || manifest(2, |manifest| manifest.mailboxes[INBOX].references[0].entries = 4_097)),
    (What::OutOfRange, || transaction(11, |operations| operations[0].1.0[20] = 9)),
    (What::Malformed, || record(4, |header| header.kind = 0x8001)),
    (What::Malformed, || transaction(6, |operations| operations[0].1.0.push(0))),
    (What::Seal, || chunk(3, |chunk| chunk.seal = 1)),
    (What::Seal, || pack(1, |pack| pack.seal = 1)),
    (What::Seal, || manifest(2, |manifest| manifest.seal = 1)),
    (What::Seal, || record(3, |header| header.seal ^= 1)),
    (What::TooLong, || chunk(3, |chunk| chunk.behind = vec![0])),
    (What::TooLong, || pack(1, |pack| pack.behind = vec![0])),
    (What::TooLong, || manifest(2, |manifest| manifest.behind = vec![0])),
    (What::Disorder, || chunk(3, |chunk| chunk.rows.swap(0, 1))),
    (What::Disorder, || manifest(2, |manifest| manifest.mailboxes.swap(0, 1))),
    (What::Disorder, || manifest(2, |manifest| manifest.packs.swap(0, 1))),
    (What::Disorder, || manifest(2, |manifest| manifest.more.push((4, vec![0; 4])))),
    (What::Disorder, || manifest(2, |manifest| manifest.mailboxes[INBOX].horizon = 7)),
    (What::Disorder, || manifest(2, |manifest| manifest.lost = vec![(3, 3)])),
    (What::Disorder, || manifest(2, |manifest| manifest.lost = vec![(3, 5), (4, 6)])),
    (What::Disorder, || manifest(2, |manifest| manifest.mailboxes[WORK].acl.push((1, 9, 1)))),
    (What::BadName, || manifest(2, |manifest| manifest.mailboxes[WORK].name = "Work//x".to_owned())),
    (What::BadName, || transaction(2, |operations| operations[1].1 = Bytes::default().name("inbox"))),
    (What::BadAnnotation, || manifest(2, |manifest| manifest.annotations[0].1 = "/private/B".to_owned())),
    (What::BadAnnotation, || manifest(2, |manifest| manifest.removals[0].2 = "/private".to_owned())),
    (What::BadAnnotation, || transaction(12, |operations| operations.push(annotate(0, "/else/a", None)))),
    (What::OutOfRange, || transaction(12, |operations| operations.push(annotate(0, "/shared/a", Some(&[0; 16_385]))))),
    (What::Disorder, || manifest(2, |manifest| manifest.annotations.swap(0, 1))),
    (What::Disorder, || manifest(2, |manifest| manifest.removals.push((9, 1, "/shared/d".to_owned())))),
    (What::BadKeyword, || manifest(2, |manifest| manifest.mailboxes[WORK].keywords[1] = "A".to_owned())),
    (What::BadKeyword, || transaction(6, |operations| operations[0] = set_flags(1, 0, 1, u64::MAX, &["]"], &[(1, 1)]))),

    // The journal.
    (What::BrokenChain, || record(3, |header| header.predecessor ^= 1)),
    (What::BrokenChain, || segment(1, |segment| segment.predecessor ^= 1)),
    (What::BrokenChain, || segment(0, |segment| segment.predecessor = 1)),
    (What::WrongLsn, || record(3, |header| header.lsn += 1)),
    (What::ForeignTerm, || record(3, |header| header.term = 2)),
    (What::ForeignTerm, || record(3, |header| header.writer += 1)),
    (What::DurableLie, || record(3, |header| header.durable = header.lsn + 1)),
    (What::DurableLie, || record(3, |header| header.durable = 1)),
    (What::LettersLie, || body(3, |body| body.push(0))),
    (What::LettersLie, || body(4, |body| { body.pop(); })),
    (What::LettersLie, || pack(1, |pack| pack.lines[0].offset = 1)),
    (What::LettersLie, || pack(1, |pack| pack.lines[0].size -= 1)),

    // Transactions.
    (What::NoAccount, || transaction(1, |operations| { operations.remove(0); })),
    (What::NoAccount, || transaction(12, |operations| operations.insert(0, (1, Bytes::default().u32(7).u64(0))))),
    (What::NoAccount, || transaction(1, |operations| operations[1].1 = create(1, 1_001, "Eingang"))),
    (What::UidTwice, || transaction(14, |operations| operations[0].1.0[8] = 5)),
    (What::UidTwice, || transaction(12, |operations| operations[0] = transfer(13, 2, 1, 4, 4, &[(1, 2)]))),
    (What::MessageTwice, || transaction(14, |operations| operations[0].1.0[12] = 5)),
    (What::MailboxTwice, || transaction(12, |operations| operations.push((2, create(2, 2_000, "X"))))),
    (What::MailboxTwice, || transaction(12, |operations| operations.push((2, create(9, 1_002, "X"))))),
    (What::MailboxTwice, || transaction(12, |operations| operations.push((3, Bytes::default().u64(1))))),
    (What::NameTwice, || transaction(12, |operations| operations.push((2, create(9, 2_000, "INBOX"))))),
    (What::NoMailbox, || transaction(11, |operations| operations[0].1.0[0] = 9)),
    (What::NoMailbox, || transaction(12, |operations| operations.push(annotate(9, "/shared/a", None)))),
    (What::NoMailbox, || manifest(2, |manifest| manifest.removals[0].1 = 9)),
    (What::NoMailbox, || transaction(12, |operations| operations.push((3, Bytes::default().u64(9))))),
    (What::BadRename, || transaction(16, |operations| operations[0].1 = Bytes::default().name("INBOX").name("X"))),
    (What::BadRename, || transaction(16, |operations| operations[0].1 = Bytes::default().name("Nix").name("X"))),
    (What::BadRename, || transaction(16, |operations| operations[0].1 = Bytes::default().name("Work").name("Work/1"))),
    (What::OutOfRange, || transaction(14, |operations| operations[0].1.0[20] = 7)),
    (What::ModseqTooHigh, || transaction(12, |operations| operations.push((17, Bytes::default().u64(11).u64(12))))),
    (What::ModseqFalls, || transaction(12, |operations| operations.push((18, Bytes::default())))),

    // The index.
    (What::NoSuchLetter, || chunk(3, |chunk| chunk.rows[2].offset = 1)),
    (What::NoSuchLetter, || chunk(3, |chunk| chunk.rows[2].size += 1)),
    (What::NoSuchLetter, || chunk(3, |chunk| chunk.rows[2].place += 1)),
    (What::NoSuchLetter, || transaction(14, |operations| operations[0].1.0[44] = 9)),
    (What::OtherMessage, || chunk(3, |chunk| chunk.rows[2].message = 3)),
    (What::OtherMessage, || pack(2, |pack| pack.lines[0].message = 3)),
    (What::NextTooLow, || manifest(2, |manifest| manifest.next_mailbox = 2)),
    (What::NextTooLow, || manifest(2, |manifest| manifest.next_message = 4)),
    (What::NextTooLow, || manifest(2, |manifest| manifest.next_pack = 2)),
    (What::NextTooLow, || manifest(2, |manifest| manifest.next_chunk = 4)),
    (What::NextTooLow, || manifest(2, |manifest| manifest.last_validity = 1_001)),
    (What::NextTooLow, || manifest(2, |manifest| manifest.mailboxes[INBOX].uid_next = 4)),
    (What::NextTooLow, || manifest(2, |manifest| manifest.mailboxes[INBOX].recent_from = 6)),
    (What::NextTooLow, || manifest(2, |manifest| manifest.mailboxes[INBOX].runs = vec![(7, 5, 5)])),
    (What::ModseqTooHigh, || manifest(2, |manifest| manifest.modseq = 8)),
    (What::ModseqTooHigh, || manifest(2, |manifest| manifest.mailboxes[INBOX].modseq = 8)),
    (What::ModseqTooHigh, || manifest(2, |manifest| manifest.mailboxes[WORK].horizon = 11)),
    (What::ModseqTooHigh, || manifest(2, |manifest| manifest.mailboxes[INBOX].runs[0].0 = 11)),
    (What::ModseqTooHigh, || manifest(2, |manifest| manifest.lost = vec![(3, 10)])),
    (What::ModseqTooHigh, || manifest(2, |manifest| manifest.annotations[0].2 = 11)),
    (What::ModseqTooHigh, || manifest(2, |manifest| manifest.annotated = 11)),
    (What::NoInbox, || manifest(2, |manifest| manifest.mailboxes[INBOX].name = "X".to_owned())),
    (What::NameTwice, || manifest(2, |manifest| manifest.mailboxes[WORK].name = "INBOX".to_owned())),
    (What::NameTwice, || manifest(2, |manifest| manifest.subscriptions.push("Work".to_owned()))),
    (What::ValidityTwice, || manifest(2, |manifest| manifest.mailboxes[WORK].validity = 1_001)),
    (What::Astray, || manifest(2, |manifest| manifest.lsn += 1)),
    (What::Astray, || manifest(2, |manifest| manifest.predecessor ^= 1)),
    (What::Astray, || manifest(2, |manifest| manifest.term = 2)),
    (What::BadOldest, || manifest(2, |manifest| manifest.oldest = 1)),
    (What::BadOldest, || manifest(2, |manifest| manifest.oldest = manifest.lsn)),
    (What::BadOldest, || manifest(2, |manifest| manifest.oldest = manifest.lsn + 1)),
    (What::CounterMessages, || manifest(2, |manifest| manifest.mailboxes[INBOX].messages += 1)),
    (What::CounterUnseen, || manifest(2, |manifest| manifest.mailboxes[INBOX].unseen += 1)),
    (What::CounterRecent, || manifest(2, |manifest| manifest.mailboxes[INBOX].recent += 1)),
    (What::CounterDeleted, || manifest(2, |manifest| manifest.mailboxes[INBOX].deleted += 1)),
    (What::CounterBytes, || manifest(2, |manifest| manifest.mailboxes[INBOX].bytes += 1)),
    (What::Overlap, || manifest(2, |manifest| manifest.mailboxes[WORK].references.swap(0, 1))),
    (What::Overlap, || manifest(2, |manifest| manifest.mailboxes[INBOX].runs = vec![(7, 2, 2), (8, 2, 2)])),
    (What::ExpungedLives, || manifest(2, |manifest| manifest.mailboxes[INBOX].runs = vec![(7, 2, 3)])),
    (What::OtherMailbox, || chunk(3, |chunk| chunk.mailbox = 2)),
    (What::ReferenceCount, || manifest(2, |manifest| manifest.mailboxes[INBOX].references[0].entries = 2)),
    (What::ReferenceUids, || manifest(2, |manifest| manifest.mailboxes[INBOX].references[0].last = 5)),
    (What::ReferenceModseq, || manifest(2, |manifest| manifest.mailboxes[INBOX].references[0].newest = 8)),
    (What::ReferenceKeywords, || manifest(2, |manifest| manifest.mailboxes[INBOX].references[0].keywords = 3)),
    (What::ReferenceBytes, || manifest(2, |manifest| manifest.mailboxes[INBOX].references[0].bytes += 1)),
    (What::ReferenceOldest, || manifest(2, |manifest| manifest.mailboxes[INBOX].references[0].oldest += 1)),
    (What::ReferencePacks, || manifest(2, |manifest| manifest.mailboxes[INBOX].references[0].packs = vec![1])),
    (What::KeywordBeyondTable, || manifest(2, |manifest| { manifest.mailboxes[INBOX].keywords.pop(); })),
    (What::PackUnlisted, || manifest(2, |manifest| { manifest.packs.remove(0); })),
    (What::PackBytes, || manifest(2, |manifest| manifest.packs[0].2 += 1)),
    (What::PackBytes, || manifest(2, |manifest| manifest.packs[0].1 += 1)),
    (What::TooManyThings, || manifest(2, |manifest| manifest.lost = (0..300).map(|n| (n, n + 1)).collect())),
    (What::TooManyThings, || manifest(2, |manifest| manifest.annotations = (1_000..1_257).map(|n| (0, format!("/shared/{n}"), 1, vec![])).collect())),
    (What::TooManyThings, || transaction(12, |operations| operations.extend((0..257).map(|n| annotate(0, &format!("/shared/{n}"), Some(b"")))))),

    // The index against the journal.
    (What::OtherAccount, || manifest(2, |manifest| manifest.epoch += 1)),
    (What::OtherAccount, || manifest(2, |manifest| manifest.ceiling += 1)),
    (What::OtherAccount, || manifest(2, |manifest| manifest.next_message += 1)),
    (What::OtherAccount, || manifest(2, |manifest| manifest.quota[0] += 1)),
    (What::OtherAccount, || manifest(2, |manifest| manifest.lost = vec![(3, 4)])),
    (What::OtherAccount, || manifest(2, |manifest| manifest.account += 1)),
    (What::OtherAnnotations, || manifest(2, |manifest| manifest.annotations[0].3 = b"z".to_vec())),
    (What::OtherAnnotations, || manifest(2, |manifest| manifest.annotations[0].2 = 9)),
    (What::OtherAnnotations, || manifest(2, |manifest| manifest.removals.clear())),
    (What::OtherAnnotations, || transaction(10, |operations| operations.push(annotate(1, "/shared/d", Some(b""))))),
    (What::OtherSubscriptions, || manifest(2, |manifest| manifest.subscriptions.clear())),
    (What::OtherMailboxes, || manifest(2, |manifest| { manifest.mailboxes.pop(); manifest.removals.clear(); })),
    (What::OtherMailboxes, || transaction(10, |operations| operations.push((3, Bytes::default().u64(2))))),
    (What::OtherName, || manifest(2, |manifest| manifest.mailboxes[WORK].name = "Else".to_owned())),
    (What::OtherName, || manifest(2, |manifest| manifest.mailboxes[WORK].special_use = 1)),
    (What::OtherName, || manifest(2, |manifest| manifest.mailboxes[WORK].acl.clear())),
    (What::OtherUids, || manifest(2, |manifest| manifest.mailboxes[WORK].uid_next += 1)),
    (What::OtherUids, || manifest(2, |manifest| manifest.mailboxes[WORK].validity -= 2)),
    (What::OtherUids, || transaction(10, |operations| operations[0].1.0[8] = 3)),
    (What::OtherModseq, || manifest(2, |manifest| manifest.mailboxes[WORK].modseq -= 1)),
    (What::OtherKeywords, || manifest(2, |manifest| manifest.mailboxes[WORK].keywords.swap(0, 1))),
    (What::OtherCounters, || manifest(2, |manifest| manifest.mailboxes[INBOX].unseen += 1)),
    (What::OtherEntry, || chunk(4, |chunk| chunk.rows[1].flags = 2)),
    (What::OtherEntry, || chunk(4, |chunk| chunk.rows[1].modseq = 7)),
    (What::OtherEntry, || chunk(4, |chunk| chunk.rows[1].thread = 2)),
    (What::OtherEntry, || chunk(4, |chunk| chunk.rows[1].uid = 4)),
    (What::OtherEntry, || chunk(4, |chunk| chunk.rows[1].date = -1)),
    (What::OtherEntry, || chunk(4, |chunk| chunk.rows[1].saved = 1_500)),
    (What::OtherEntry, || chunk(4, |chunk| { chunk.rows.pop(); })),
];

/// A letter of the tail is expunged, and then rots.
fn transaction_and_rot() -> Tree {
    let mut tree = transaction(15, |operations| {
        operations[0].1 = Bytes::default().u64(1).u8(0).uids(&[(1, 20)]);
    });
    flip(tree.bytes(Folder::Pack, 3), 70_000);
    tree
}

#[test]
fn nothing_is_found_in_an_account_that_is_as_it_should_be() {
    let (heard, totals) = healthy().check(None);
    assert_eq!(heard.findings, []);
    // A letter of the manifest is expunged in the tail.
    assert_eq!((totals.mailboxes, totals.messages), (2, 5));
    assert_eq!((totals.records, totals.files), (19, 13));
}

#[test]
fn whatever_is_broken_is_found() {
    let mut missed = Vec::new();
    for (row, (what, broken)) in BROKEN.iter().enumerate() {
        let found = broken().kinds(None);
        if !found.contains(what) {
            missed.push((row, what, found));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a_part_that_may_be_passed_over_is() {
    let tree = manifest(2, |manifest| manifest.more.push((0x8063, vec![0; 3])));
    assert_eq!(tree.kinds(None), BTreeSet::new());
}

#[test]
fn every_finding_can_be_found() {
    // A disk that fails, files that no disk of the tests has, and what takes more
    // bytes than a test should.
    let elsewhere = [
        What::NotOurs,
        What::Unreadable,
        What::TooMuch,
        What::Newer,
        What::TermFalls,
    ];
    let shown: BTreeSet<What> = BROKEN
        .iter()
        .map(|(what, _)| *what)
        .chain(elsewhere)
        .collect();
    let missing: Vec<_> = What::ALL
        .iter()
        .filter(|what| !shown.contains(what))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn damage_without_a_contradiction_is_told_as_damage_alone() {
    let rot = [
        bytes(Folder::Pack, 1, |bytes| flip(bytes, 70_000)),
        bytes(Folder::Pack, 3, |bytes| flip(bytes, 70_000)),
        without(Folder::Pack, 1),
        without(Folder::Chunk, 3),
        without(Folder::Chunk, 2),
        without(Folder::Journal, 0),
        without(Folder::Journal, 1),
        bytes(Folder::Journal, 0, |bytes| flip(bytes, 64 + 60)),
        bytes(Folder::Journal, 1, |bytes| flip(bytes, 70)),
        bytes(Folder::Journal, 1, |bytes| flip(bytes, 20)),
        bytes(Folder::Manifest, 1, |bytes| flip(bytes, 100)),
        bytes(Folder::Manifest, 2, |bytes| flip(bytes, 100)),
    ];
    for (row, tree) in rot.iter().enumerate() {
        let found = tree.kinds(None);
        let lies: Vec<_> = found
            .iter()
            .filter(|what| what.severity() == Severity::Contradiction)
            .collect();
        assert!(
            !found.is_empty() && lies.is_empty(),
            "row {row}: {lies:?} of {found:?}"
        );
    }
}

#[test]
fn a_hurt_letter_is_named_by_every_entry_that_has_it() {
    let (heard, totals) = bytes(Folder::Pack, 1, |bytes| flip(bytes, 70_000)).check(None);
    let hurt: Vec<_> = heard
        .findings
        .iter()
        .map(|finding| (finding.what, finding.mailbox, finding.uid, finding.message))
        .collect();
    assert_eq!(
        hurt,
        [
            (What::RottenLetter, Some(1), Some(3), Some(3)),
            (What::RottenLetter, Some(2), Some(3), Some(3)),
        ]
    );
    assert_eq!(
        (totals.damaged_letters, totals.damage, totals.contradictions),
        (2, 0, 0)
    );
}

#[test]
fn a_damaged_newest_manifest_is_told_and_the_older_one_carries_the_replay() {
    let mut tree = bytes(Folder::Manifest, 2, |bytes| flip(bytes, 100));
    assert_eq!(
        tree.kinds(None)
            .into_iter()
            .filter(|what| what.severity() != Severity::Note)
            .collect::<Vec<_>>(),
        [What::BlockChecksum]
    );
    tree.remove(Folder::Manifest, 2);
    let found = tree.kinds(None);
    assert!(found.iter().all(|what| *what == What::Orphan), "{found:?}");
}

#[test]
fn what_lies_above_what_is_held_is_not_looked_at() {
    let mut tree = healthy();
    let starts = segments(&tree);
    let held = |manifest, lsn| Some(Held { manifest, lsn });
    let end = starts[2] + tree.bytes(Folder::Journal, starts[2]).len() as u64 - 64;
    assert_eq!(tree.kinds(held(2, end)), BTreeSet::new());
    assert_eq!(tree.kinds(held(2, starts[2])), BTreeSet::new());
    assert_eq!(tree.kinds(held(1, starts[1])), BTreeSet::new());
    assert_eq!(tree.kinds(held(0, starts[1])), BTreeSet::new());
    tree.bytes(Folder::Journal, starts[2]).truncate(80);
    tree.put(Folder::Manifest, 3, vec![1]);
    tree.put(Folder::Chunk, 9, vec![1]);
    assert_eq!(tree.kinds(held(2, starts[2])), BTreeSet::new());
    assert_eq!(
        tree.kinds(held(2, end)),
        BTreeSet::from([What::Short, What::EndsEarly, What::NotReplayed])
    );
}

#[test]
fn a_tail_that_a_crash_has_torn_is_no_damage() {
    let whole = healthy();
    let last = segments(&whole)[2];
    let mut tree = whole.clone();
    let len = tree.bytes(Folder::Journal, last).len();
    // The quiet record proves everything before it.
    for cut in 1..56 {
        let mut tree = whole.clone();
        tree.bytes(Folder::Journal, last).truncate(len - cut);
        assert_eq!(tree.kinds(None), BTreeSet::from([What::TornTail]), "{cut}");
    }
    // What lies behind torn bytes, and proves them durable, makes them damage.
    flip(tree.bytes(Folder::Journal, last), len - 60);
    let found = tree.kinds(None);
    assert!(found.contains(&What::BlockChecksum), "{found:?}");
}

#[test]
fn the_journal_alone_is_an_account() {
    let mut tree = healthy();
    for number in [1, 2] {
        tree.remove(Folder::Manifest, number);
    }
    for id in 1..=4 {
        tree.remove(Folder::Chunk, id);
    }
    // The letter that compaction moved is still in the journal, too.
    tree.remove(Folder::Pack, 2);
    assert_eq!(tree.kinds(None), BTreeSet::new());
}

#[test]
fn an_append_knows_its_letter_twice() {
    // In two places of one transaction, with two messages.
    let tree = transaction(4, |operations| {
        operations[1] = append(
            2,
            1,
            3,
            b"Subject: two\r\n\r\nin two mailboxes\r\n",
            None,
            &["a"],
        );
    });
    assert!(tree.kinds(None).contains(&What::LettersLie));
}
