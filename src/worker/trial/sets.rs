//! Sets of numbers against their plainest meaning: for each message, is it in it?

use super::{House, Wire, run};
use proptest::prelude::*;

/// A bound: a number, or `*`.
type Bound = Option<u32>;

/// Numbers around what there is, 0 not among them.
fn bound() -> impl Strategy<Value = Bound> {
    prop_oneof![4 => (1_u32..14).prop_map(Some), 1 => Just(None)]
}

fn sets() -> impl Strategy<Value = Vec<(Bound, Option<Bound>)>> {
    prop::collection::vec((bound(), prop::option::of(bound())), 1..5)
}

fn text(set: &[(Bound, Option<Bound>)]) -> String {
    let one = |bound: Bound| bound.map_or("*".to_owned(), |number| number.to_string());
    let range = |(from, to): &(Bound, Option<Bound>)| match to {
        Some(to) => format!("{}:{}", one(*from), one(*to)),
        None => one(*from),
    };
    set.iter().map(range).collect::<Vec<_>>().join(",")
}

/// Whether a number is in a set in which `*` is `largest`.
fn holds(set: &[(Bound, Option<Bound>)], number: u32, largest: u32) -> bool {
    set.iter().any(|(from, to)| {
        let from = from.unwrap_or(largest);
        let to = to.map_or(from, |to| to.unwrap_or(largest));
        (from.min(to)..=from.max(to)).contains(&number)
    })
}

/// Whether it names a number, by itself or as the end of a closed range, that no
/// message has: FETCH and its like are BAD then.
fn names_beyond(set: &[(Bound, Option<Bound>)], exists: u32) -> bool {
    let beyond = |bound: Bound| bound.is_some_and(|number| number > exists);
    set.iter().any(|(from, to)| match to {
        Some(to) => from.is_some() && to.is_some() && (beyond(*from) || beyond(*to)),
        None => beyond(*from),
    })
}

/// The numbers of a SEARCH.
fn found(lines: &[String]) -> Vec<u32> {
    let numbers = lines[0]
        .strip_prefix("* SEARCH")
        .unwrap()
        .split_whitespace();
    numbers.map(|number| number.parse().unwrap()).collect()
}

/// The numbers of the FETCHes.
fn fetched(lines: &[String]) -> Vec<u32> {
    let number = |line: &String| {
        let (number, _) = line.strip_prefix("* ")?.split_once(" FETCH ")?;
        number.parse().ok()
    };
    lines.iter().filter_map(number).collect()
}

/// A mailbox of messages with these UIDs.
async fn mailbox(uids: &[u32]) -> (House, Wire) {
    let house = House::new();
    let mut client = house.client().await;
    let last = uids.last().copied().unwrap_or(0);
    for _ in 0..last {
        client.command("a", "APPEND INBOX {1+}\r\nx").await;
    }
    client.command("s", "SELECT INBOX").await;
    for uid in (1..=last).filter(|uid| !uids.contains(uid)) {
        let deleted = format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)");
        client.command("d", &deleted).await;
    }
    client.command("e", "EXPUNGE").await;
    (house, client)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_set_means_the_messages_that_are_in_it(
        uids in prop::collection::btree_set(1_u32..12, 0..8),
        sets in prop::collection::vec(sets(), 1..8),
    ) {
        let uids: Vec<u32> = uids.into_iter().collect();
        run(async {
            let (house, mut client) = mailbox(&uids).await;
            let exists = uids.len() as u32;
            let largest = uids.last().copied().unwrap_or(0);
            for set in sets {
                let words = text(&set);
                let by_number: Vec<u32> =
                    (1..=exists).filter(|seq| holds(&set, *seq, exists)).collect();
                let by_uid: Vec<u32> = (1..=exists)
                    .filter(|seq| holds(&set, uids[*seq as usize - 1], largest))
                    .collect();
                let said = client.command("f", &format!("FETCH {words} UID")).await;
                if names_beyond(&set, exists) {
                    assert!(said[0].starts_with("f BAD "), "{words} of {exists}: {said:?}");
                } else {
                    assert_eq!(fetched(&said), by_number, "FETCH {words} of {exists}");
                }
                let said = client.command("s", &format!("SEARCH {words}")).await;
                assert_eq!(found(&said), by_number, "SEARCH {words} of {exists}");
                let said = client.command("u", &format!("UID FETCH {words} FLAGS")).await;
                assert_eq!(fetched(&said), by_uid, "UID FETCH {words} of {uids:?}");
                let said = client.command("v", &format!("SEARCH UID {words}")).await;
                assert_eq!(found(&said), by_uid, "SEARCH UID {words} of {uids:?}");
            }
            house.leave().await;
        });
    }
}
