//! What holds for every letter, whatever its bytes.

mod exercise;
mod imap_form;

use exercise::{bytes, check, exercise, scan_in_pieces};
use imap_form::scan;
use message::Inside;
use message::limits::{DEPTH_MAX, PARTS_MAX};
use proptest::prelude::*;

/// Letters made of what matters to a scanner, so that random ones have trees.
fn letters() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::select(vec![
        "--a",
        "--a--",
        "--ab",
        "--ab--",
        "--",
        "",
        "",
        "text",
        " folded",
        "Subject: s",
        "Content-Type: multipart/mixed; boundary=a",
        "Content-Type: multipart/digest; boundary=\"ab\"",
        "Content-Type: message/rfc822",
        "From: a@b, \"c",
        "Content-Language: x",
    ]);
    let ends = prop::sample::select(vec!["\r\n", "\r\n", "\n", "\r", ""]);
    let text = prop::collection::vec((lines, ends), 0..30).prop_map(|lines| {
        lines
            .iter()
            .map(|(line, end)| format!("{line}{end}"))
            .collect()
    });
    text.prop_map(|text: String| {
        format!("Content-Type: multipart/mixed; boundary=a\r\n\r\n{text}").into_bytes()
    })
}

proptest! {
    #[test]
    fn spans_nest_and_sections_add_up(letter in letters()) {
        check(&letter);
    }

    #[test]
    fn the_fuzz_target_holds_for_letters(letter in letters(), cut in any::<u8>()) {
        exercise(&[&[cut][..], &letter].concat());
    }

    #[test]
    fn the_fuzz_target_holds_for_any_bytes(
        letter in prop::collection::vec(any::<u8>(), 0..300),
        tame in prop::collection::vec(prop::sample::select(&b"-a:;=\"'*?<>@,(\\ \t\r\n%4"[..]), 0..300),
    ) {
        exercise(&letter);
        exercise(&tame);
        exercise(&[&b"Content-Type: a/b;"[..], &tame].concat());
        exercise(&[&b"From: "[..], &tame].concat());
    }

    #[test]
    fn pieces_make_no_difference(
        letter in letters(),
        cuts in prop::collection::vec(0_usize..40, 0..40),
    ) {
        prop_assert_eq!(scan_in_pieces(&letter, &cuts), scan(&letter));
        prop_assert_eq!(scan_in_pieces(&letter, &vec![1; letter.len()]), scan(&letter));
    }

    #[test]
    fn no_line_of_a_leaf_begins_with_the_delimiter_around_it(letter in letters()) {
        let structure = scan(&letter);
        let Inside::Multipart(parts) = &structure.root().inside else {
            return Ok(());
        };
        for part in parts.iter().filter_map(|id| structure.part(*id)) {
            let body = bytes(&letter, part.body);
            let free = !body.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"--a"));
            prop_assert!(free || part.inside != Inside::Leaf, "{structure:?}");
        }
    }

    #[test]
    fn no_letter_goes_beyond_the_limits(letter in letters()) {
        let structure = scan(&letter);
        prop_assert!(structure.parts().len() <= 2 * PARTS_MAX);
        for part in structure.parts() {
            let mut depth = 0;
            let mut around = part.parent;
            while let Some(parent) = around {
                depth += 1;
                around = structure.part(parent).and_then(|part| part.parent);
            }
            prop_assert!(depth <= DEPTH_MAX);
        }
    }
}
