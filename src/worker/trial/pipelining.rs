//! A dialogue means the same however it is cut into pieces (ATTACKS H5), and
//! wherever in it `login` let go.

use super::trace::{client_bytes, scripts};
use super::{House, run};
use proptest::prelude::*;
use std::sync::LazyLock;

/// What the one client of a trace says, for every trace with one.
pub fn bytes_of_traces() -> Vec<Vec<u8>> {
    let scripts = scripts().into_iter();
    scripts
        .filter_map(|(_, script)| client_bytes(&script))
        .collect()
}

/// What the server says to a script of which `leftover` bytes came with the
/// hand-over and the rest in pieces.
fn transcript(script: &[u8], leftover: usize, pieces: &[usize]) -> Vec<u8> {
    run(async {
        let house = House::new();
        let (first, mut rest) = script.split_at(leftover.min(script.len()));
        let mut client = house.hand_over(first);
        for size in pieces.iter().cycle() {
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            client.send(piece).await;
            tokio::task::yield_now().await;
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        let said = client.rest().await;
        house.leave().await;
        without_times(&said)
    })
}

/// UIDVALIDITY is of the time of founding, and so are the ids of mailboxes.
pub fn without_times(said: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(said).into_owned();
    let mut out = String::new();
    for word in text.split_inclusive(' ') {
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        let is_id = word.starts_with("(F") && word.contains('-');
        let is_time = word.len() > 9 && (is_number || is_id);
        out.push_str(if is_time { "<time> " } else { word });
    }
    out.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_split_of_a_script_gives_the_same_transcript(
        which in any::<prop::sample::Index>(),
        leftover in 0usize..3000,
        pieces in prop::collection::vec(1usize..400, 1..6),
    ) {
        static SCRIPTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(bytes_of_traces);
        let script = which.get(&SCRIPTS);
        let whole = transcript(script, script.len(), &[1]);
        let split = transcript(script, leftover, &pieces);
        prop_assert_eq!(
            String::from_utf8_lossy(&whole).into_owned(),
            String::from_utf8_lossy(&split).into_owned()
        );
    }
}

#[test]
fn a_script_sent_byte_by_byte_gives_the_same_transcript() {
    let scripts = scripts();
    let life = scripts.iter().find(|(name, _)| name == "life-of-a-letter");
    let script = client_bytes(&life.unwrap().1).unwrap();
    assert_eq!(
        transcript(&script, 0, &[1]),
        transcript(&script, script.len(), &[1])
    );
}
