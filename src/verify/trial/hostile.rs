//! Files as an attacker would make them: nothing panics, nothing goes on for
//! ever, and nothing is believed that isn't so.
//!
//! Bytes are changed both on the disk, where a CRC sees it, and under the CRCs
//! and seals, where only the reader's own checks do.

use crate::check::Held;
use crate::directory::Folder;
use crate::fixture::{Bytes, Piece, Tree, Twists, header, healthy, twist, with_pieces};
use ipc::edge::verify::{Severity, What};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn twists() -> impl Strategy<Value = Twists> {
    prop::collection::vec((0_usize..4_096, 1_u8..), 1..4)
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

fn is_known(found: &BTreeSet<What>) -> bool {
    found.iter().all(|what| What::ALL.contains(what))
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn any_bytes_in_any_file_are_looked_at_and_no_more(
        folder in 0_usize..4,
        number in 1_u64..4,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        held in prop::option::of((0_u64..4, any::<u64>())),
    ) {
        let mut tree = healthy();
        tree.put(Folder::ALL[folder], number, bytes);
        let held = held.map(|(manifest, lsn)| Held { manifest, lsn });
        prop_assert!(is_known(&tree.kinds(held)));
    }

    #[test]
    fn a_good_header_before_any_bytes_is_no_better(
        folder in 0_usize..4,
        fields in prop::collection::vec(prop_oneof![Just(0_u8), Just(255), any::<u8>()], 0..50),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let magic = [b"MKJRNL\r\n", b"MKMANI\r\n", b"MKINDX\r\n", b"MKPACK\r\n"][folder];
        let mut tree = healthy();
        tree.put(Folder::ALL[folder], 3, Bytes(header(magic, 1, &fields)).raw(&bytes).0);
        prop_assert!(is_known(&tree.kinds(None)));
    }

    #[test]
    fn one_changed_byte_on_the_disk_is_never_missed(nth in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bits in 1_u8..) {
        let mut tree = healthy();
        let names: Vec<_> = tree.files.keys().cloned().collect();
        let (folder, name) = nth.get(&names).clone();
        let number = u64::from_str_radix(&name[..16], 16).unwrap();
        let bytes = tree.bytes(folder, number);
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        let found = tree.kinds(None);
        prop_assert!(!found.is_empty(), "{name}, byte {at}");
        // The last record proves nothing about itself, and nobody misses a letter
        // that only the older manifest has, or a record that both of them have
        // made good.
        let of_no_use = [What::TornTail, What::DeadLetter, What::DeadRecord];
        let noted = |what: &What| of_no_use.contains(what);
        let told = |what: &What| noted(what) || what.severity() > Severity::Note;
        prop_assert!(found.iter().any(told), "{name}, byte {at}: {found:?}");
    }

    #[test]
    fn a_file_that_ends_anywhere_is_never_missed(nth in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let mut tree = healthy();
        let names: Vec<_> = tree.files.keys().cloned().collect();
        let (folder, name) = nth.get(&names).clone();
        let number = u64::from_str_radix(&name[..16], 16).unwrap();
        let bytes = tree.bytes(folder, number);
        let at = at.index(bytes.len());
        bytes.truncate(at);
        // A journal may well end with a record: then there is nothing to find.
        let last = folder == Folder::Journal && name == names[2].1;
        prop_assert!(last || !tree.kinds(None).is_empty(), "{name} ends at {at}");
    }

    #[test]
    fn what_is_changed_under_a_manifests_seal_is_never_believed(number in 1_u64..3, twists in twists()) {
        let tree = twisted(&|piece| match piece {
            Piece::Manifest(of, paper) if of == number => paper.twists.clone_from(&twists),
            _ => {}
        });
        prop_assert!(is_known(&tree.kinds(None)));
    }

    #[test]
    fn what_is_changed_under_a_chunks_seal_is_never_believed(id in 1_u64..5, at in 0_usize..192, bits in 1_u8..) {
        let tree = twisted(&|piece| match piece {
            Piece::Chunk(of, paper) if of == id => paper.twists = vec![(at, bits)],
            _ => {}
        });
        prop_assert!(!tree.kinds(None).is_empty());
    }

    #[test]
    fn what_is_changed_under_a_packs_seal_is_looked_at(number in 1_u64..4, twists in twists()) {
        let tree = twisted(&|piece| match piece {
            Piece::Pack(of, paper) if of == number => paper.twists.clone_from(&twists),
            _ => {}
        });
        prop_assert!(is_known(&tree.kinds(None)));
    }

    #[test]
    fn transactions_of_any_fields_are_looked_at(modseq in 1_u64..17, nth in any::<prop::sample::Index>(), twists in twists(), code in prop::option::of(1_u16..20)) {
        let tree = twisted(&|piece| match piece {
            Piece::Transaction(of, operations, _) if of == modseq && !operations.is_empty() => {
                let nth = nth.index(operations.len());
                twist(&mut operations[nth].1.0, &twists);
                operations[nth].0 = code.unwrap_or(operations[nth].0);
            }
            _ => {}
        });
        prop_assert!(is_known(&tree.kinds(None)));
    }

    #[test]
    fn records_and_segments_of_any_numbers_are_looked_at(nth in 0_usize..19, field in 0_u8..9, number in prop_oneof![0_u64..200, any::<u64>()]) {
        let tree = twisted(&|piece| match piece {
            Piece::Record(of, header) if of == nth => match field {
                0 => header.kind = number as u16,
                1 => header.head_len = number as u32,
                2 => header.body_len = number as u32,
                3 => header.lsn = number,
                4 => header.term = number,
                5 => header.durable = number,
                _ => {}
            },
            Piece::Segment(of, paper) if of == nth % 3 => match field {
                6 => paper.start = number,
                7 => paper.term = number,
                8 => paper.predecessor = number as u32,
                _ => {}
            },
            _ => {}
        });
        prop_assert!(is_known(&tree.kinds(None)));
    }
}

fn twisted(change: &dyn Fn(Piece<'_>)) -> Tree {
    with_pieces(&mut |piece| change(piece))
}

#[test]
fn a_claim_of_more_than_there_is_costs_nothing() {
    // Counts of 32 bits, all ones: no row, no reference, no run behind them.
    let tree = twisted(&|piece| {
        if let Piece::Manifest(2, paper) = piece {
            let mailbox = &mut paper.mailboxes[0];
            mailbox.messages = u32::MAX;
            mailbox.bytes = u64::MAX;
            paper.more.push((4, vec![255; 4]));
            paper.more.push((5, vec![255; 4]));
        }
    });
    assert!(tree.kinds(None).contains(&What::CounterMessages));
}
