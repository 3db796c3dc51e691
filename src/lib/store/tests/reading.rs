//! Reading letters: every byte as it was kept, and no block of them twice.

// Tests may panic: that is how they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    dead_code,
    clippy::arithmetic_side_effects
)]

mod desk;

use desk::{DATE, done, inbox, open};
use journal::disk::{Disk, Name};
use journal::sim::SimDisk;
use proptest::prelude::*;
use store::{BodyReader, BodyRef, Flags, NewBody, NewMessage, Opened, Piece, Place, ReadError};

/// Letters that differ from each other and from byte to byte.
fn letters(lengths: &[usize]) -> Vec<Vec<u8>> {
    let byte = |letter: usize, at: usize| (letter * 31 + at * 7 + at / 251) as u8;
    let letter = |(n, len): (usize, &usize)| (0..*len).map(|at| byte(n, at)).collect();
    lengths.iter().enumerate().map(letter).collect()
}

/// An account with these letters in one transaction, the last in a pack of its own.
fn account(root: &SimDisk, letters: &[Vec<u8>]) -> (Opened<SimDisk>, Vec<BodyRef>) {
    let mut opened = open(root).unwrap();
    let inbox = inbox(&opened.store);
    let (packed, inline) = letters.split_last().unwrap();
    let mut writer = opened
        .files
        .pack_writer(opened.store.reserve_pack())
        .unwrap();
    writer.write(packed).unwrap();
    let packed = writer.finish().unwrap();
    let flags = Flags::default();
    let places = [Place {
        mailbox: &inbox,
        flags: &flags,
    }];
    let inline = inline.iter().map(|letter| NewBody::Inline(letter));
    let bodies = inline.chain([NewBody::Packed(&packed)]);
    let new = bodies.map(|body| NewMessage {
        places: &places,
        date: DATE,
        body,
        thread: None,
    });
    let asked = opened.store.append(&new.collect::<Vec<_>>());
    done(&mut opened, asked).unwrap();
    let messages = opened.store.messages(&inbox).unwrap();
    let bodies = messages.iter().map(|entry| messages.body(entry)).collect();
    (opened, bodies)
}

/// How a piece is come by.
#[derive(Clone, Copy, Debug)]
enum Way {
    Waiting,
    FromMemory,
    FromAnotherReader,
}

fn piece(
    way: Way,
    body: &BodyRef,
    offset: u64,
    reader: &mut BodyReader<SimDisk>,
    other: &mut BodyReader<SimDisk>,
) -> Result<Piece, ReadError> {
    match way {
        Way::Waiting => reader.piece(body, offset),
        Way::FromMemory => match reader.piece_nowait(body, offset)? {
            Some(piece) => Ok(piece),
            None => reader.piece(body, offset),
        },
        Way::FromAnotherReader if offset < u64::from(body.size()) => {
            reader.keep(other.block(body, offset)?);
            let kept = reader.piece_nowait(body, offset)?;
            Ok(kept.expect("it is in memory"))
        }
        Way::FromAnotherReader => reader.piece(body, offset),
    }
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Waiting),
        Just(Way::FromMemory),
        Just(Way::FromAnotherReader)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_piece_is_what_was_kept_whoever_read_its_block(
        lengths in prop::collection::vec(1usize..90_000, 2..6),
        looks in prop::collection::vec((any::<prop::sample::Index>(), 0u64..91_000, way()), 1..40),
    ) {
        let letters = letters(&lengths);
        let (opened, bodies) = account(&SimDisk::new(1), &letters);
        let (mut reader, mut other) = (opened.files.reader(), opened.files.reader());
        for (which, offset, way) in looks {
            let (letter, body) = (which.get(&letters), which.get(&bodies));
            let piece = piece(way, body, offset, &mut reader, &mut other).unwrap();
            let rest = letter.get(offset as usize..).unwrap_or_default();
            prop_assert!(rest.starts_with(&piece));
            prop_assert_eq!(piece.is_empty(), rest.is_empty());
        }
    }
}

#[test]
fn in_the_order_in_which_they_lie_each_block_is_read_once() {
    let letters = letters(&[5000; 120]);
    let disk = SimDisk::new(1);
    let (opened, mut bodies) = account(&disk, &letters);
    bodies.sort_by_key(|body| std::cmp::Reverse(*body));
    bodies.sort();
    let mut reader = opened.files.reader();
    reader.piece(&bodies[0], 0).unwrap();
    let before = disk.looks();
    for body in &bodies {
        let mut offset = 0;
        while offset < u64::from(body.size()) {
            offset += reader.piece(body, offset).unwrap().len() as u64;
        }
    }
    // Of 119 letters in a record: ten blocks. Besides, the segment's directory, the
    // segment, and the record's header.
    assert_eq!(disk.looks() - before, 10 + 3);
}

#[test]
fn a_reader_that_has_rested_reads_and_checks_anew() {
    let letters = letters(&[3000, 70_000]);
    let disk = SimDisk::new(1);
    let (opened, bodies) = account(&disk, &letters);
    let mut reader = opened.files.reader();
    for body in &bodies {
        assert!(reader.piece(body, 10).is_ok());
    }
    for (dir, file) in [
        ("journal", "0000000000000000.seg"),
        ("pack", "0000000000000001.pack"),
    ] {
        damage(&disk, dir, file);
    }
    for body in &bodies {
        assert!(reader.piece(body, 10).is_ok());
    }
    reader.rest();
    for body in &bodies {
        assert_eq!(reader.piece(body, 10).map(|_| ()), Err(ReadError::Damaged));
    }
}

/// Flips a bit in the middle of a file.
fn damage(root: &SimDisk, dir: &str, file: &str) {
    let [dir, file] = [dir, file].map(|name| Name::new(name).unwrap());
    let dir = root.open_dir(&dir).unwrap();
    let mut bytes = dir.content(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    dir.plant(&file, &bytes).unwrap();
}
