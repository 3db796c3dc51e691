//! COPY, MOVE and their codes: what COPYUID says is what was copied.

use super::{House, Wire, run};
use proptest::prelude::*;

/// Letters, each with a body of its own.
async fn fill(client: &mut Wire, count: usize) {
    for number in 1..=count {
        let letter = format!("Subject: x\r\n\r\nbody-{number}");
        let append = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
        client.command("a", &append).await;
    }
}

/// The text of a letter by its UID.
async fn text(client: &mut Wire, uid: u32) -> String {
    let said = client
        .command("t", &format!("UID FETCH {uid} (BODY.PEEK[TEXT])"))
        .await;
    said[1].trim_end_matches(')').to_owned()
}

/// The numbers of a set.
fn numbers(set: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        from.parse().unwrap()..=to.parse::<u32>().unwrap()
    };
    set.split(',').flat_map(range).collect()
}

/// The pairs of a COPYUID code.
fn pairs(lines: &[String]) -> Vec<(u32, u32)> {
    let line = lines.iter().find(|line| line.contains("[COPYUID "));
    let Some(line) = line else { return Vec::new() };
    let code = line.split_once("[COPYUID ").unwrap().1;
    let words: Vec<&str> = code.split(']').next().unwrap().split(' ').collect();
    let (from, to) = (numbers(words[1]), numbers(words[2]));
    assert_eq!(from.len(), to.len());
    from.into_iter().zip(to).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn each_copy_has_the_uid_and_the_bytes_that_copyuid_says(
        moving: bool,
        set in prop::collection::btree_set(1u32..=9, 1..7),
        gone in prop::collection::btree_set(1u32..=9, 0..4),
    ) {
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            fill(&mut client, 9).await;
            client.command("s", "SELECT INBOX").await;
            for uid in &gone {
                client.command("d", &format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")).await;
            }
            client.command("e", "EXPUNGE").await;
            let named: Vec<String> = set.iter().map(u32::to_string).collect();
            let verb = if moving { "MOVE" } else { "COPY" };
            let said = client.command("c", &format!("UID {verb} {} Archive", named.join(","))).await;
            let pairs = pairs(&said);
            let sources: Vec<u32> = pairs.iter().map(|(from, _)| *from).collect();
            let there: Vec<u32> = set.difference(&gone).copied().collect();
            assert_eq!(sources, there, "{said:?}");
            let status = client.command("m", "STATUS INBOX (MESSAGES)").await;
            let left = 9 - gone.len() - if moving { there.len() } else { 0 };
            assert_eq!(status[0], format!("* STATUS INBOX (MESSAGES {left})"));
            client.command("x", "EXAMINE Archive").await;
            for (from, to) in pairs {
                assert_eq!(text(&mut client, to).await, format!("body-{from}"));
            }
            house.leave().await;
        });
    }
}

#[test]
fn counters_are_those_of_the_messages_after_any_changes() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        fill(&mut client, 6).await;
        client.command("s", "SELECT INBOX").await;
        for command in [
            "STORE 1:3 +FLAGS (\\Seen)",
            "STORE 2:4 +FLAGS (\\Deleted)",
            "COPY 1:4 INBOX",
            "MOVE 1 Archive",
            "STORE 1:* -FLAGS (\\Seen)",
            "EXPUNGE",
            "COPY 1 Archive",
        ] {
            client.command("c", command).await;
            let said = client.command("f", "FETCH 1:* (FLAGS RFC822.SIZE)").await;
            let lines = said.iter().filter(|line| line.contains(" FETCH "));
            let count = |flag| lines.clone().filter(|line| line.contains(flag)).count();
            let size = |line: &String| -> u64 {
                let size = line.split("RFC822.SIZE ").nth(1).unwrap();
                size.trim_end_matches(')').parse().unwrap()
            };
            let (all, seen, deleted) = (lines.clone().count(), count("\\Seen"), count("\\Deleted"));
            let bytes: u64 = lines.clone().map(size).sum();
            let status = client
                .command("t", "STATUS INBOX (MESSAGES UNSEEN DELETED SIZE)")
                .await;
            let unseen = all - seen;
            assert_eq!(
                status[0],
                format!(
                    "* STATUS INBOX (MESSAGES {all} UNSEEN {unseen} DELETED {deleted} SIZE {bytes})"
                ),
                "after {command}"
            );
        }
        house.leave().await;
    });
}

#[test]
fn uids_are_never_given_twice_and_uidnext_is_kept() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let mut last = 0;
        for round in 0..5 {
            fill(&mut client, 2).await;
            client.command("s", "SELECT INBOX").await;
            let said = client.command("f", "FETCH 1:* (UID)").await;
            let uids = said.iter().filter_map(|line| line.split("(UID ").nth(1));
            let uids: Vec<u32> = uids
                .map(|uid| uid.trim_end_matches(')').parse().unwrap())
                .collect();
            assert!(
                uids.iter().all(|uid| *uid > last),
                "round {round}: {uids:?} after {last}"
            );
            last = uids.into_iter().max().unwrap();
            let status = client.command("n", "STATUS INBOX (UIDNEXT)").await;
            assert_eq!(status[0], format!("* STATUS INBOX (UIDNEXT {})", last + 1));
            client
                .command("d", "STORE 1:* +FLAGS.SILENT (\\Deleted)")
                .await;
            client.command("c", "CLOSE").await;
        }
        house.leave().await;
    });
}
