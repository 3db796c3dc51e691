//! A dialogue means the same however it is cut into pieces (RFC 2449, section 6.6),
//! and wherever in it `login` let go.

use super::house_with;
use crate::trial::run;
use proptest::prelude::*;

const SCRIPT: &[u8] = b"STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nDELE 1\r\nbad\nSTAT\r\nLANG\r\nRSET\r\nCAPA\r\nRETR 3\r\nLIST 2\r\nNOOP\r\nDELE 3\r\nXXXX\r\nQUIT\r\nSTAT\r\n";

const LETTERS: [&[u8]; 3] = [
    b"Subject: a\r\n\r\n.\r\nx",
    b"Subject: b\r\n\r\none\r\ntwo\r\n",
    b"Subject: c\n\n.\n",
];

/// What the server says to a script of which `leftover` bytes came with the
/// hand-over and the rest in pieces.
fn transcript(leftover: usize, pieces: &[usize]) -> String {
    run(async {
        let house = house_with(&LETTERS).await;
        let (first, mut rest) = SCRIPT.split_at(leftover.min(SCRIPT.len()));
        let mut client = house.hand_over_pop3(house.account.id(), false, first);
        for size in pieces.iter().cycle() {
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            if !client.send_if_open(piece).await || behind.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
            rest = behind;
        }
        let said = client.last_words().await;
        house.leave().await;
        without_times(&said)
    })
}

/// UIDVALIDITY is of the time of founding.
fn without_times(said: &str) -> String {
    let lines = said.split_inclusive('\n').map(|line| {
        let mut parts: Vec<&str> = line.split('.').collect();
        if parts.len() == 3 && parts[1].len() == 8 {
            parts[1] = "time";
        }
        parts.join(".")
    });
    lines.collect()
}

#[test]
fn a_script_sent_byte_by_byte_gives_the_same_transcript() {
    let whole = transcript(SCRIPT.len(), &[1]);
    assert!(whole.ends_with("+OK Bye\r\n"), "{whole}");
    assert_eq!(transcript(0, &[1]), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_split_of_a_script_gives_the_same_transcript(
        leftover in 0..SCRIPT.len(),
        pieces in prop::collection::vec(1usize..60, 1..6),
    ) {
        prop_assert_eq!(transcript(leftover, &pieces), transcript(SCRIPT.len(), &[1]));
    }
}
