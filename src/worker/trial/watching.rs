//! Who is told without asking: searches that are followed (RFC 5267), and NOTIFY
//! (RFC 5465).

use super::limits::{NOOP_MAX, worked};
use super::{House, Wire, run};
use journal::sim::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Searches of one session that are followed; docs/protocols.md.
const FOLLOWED_MAX: usize = 8;

/// Names that can be watched; docs/protocols.md.
const WATCHED_MAX: usize = 4096;

const FLAGS: [&str; 4] = ["\\Seen", "\\Flagged", "\\Deleted", "$Label"];

/// The numbers of a set of the wire.
fn numbers(set: &str) -> BTreeSet<u32> {
    let number = |text: &str| text.parse::<u32>().unwrap();
    let ranges = set.split(',').filter(|range| !range.is_empty());
    let ranges = ranges.map(|range| match range.split_once(':') {
        Some((first, last)) => number(first)..=number(last),
        None => number(range)..=number(range),
    });
    ranges.flatten().collect()
}

/// A result as its client believes it to be.
#[derive(Debug, Default)]
struct Result {
    numbers: BTreeSet<u32>,
    by_uid: bool,
}

impl Result {
    /// Takes in what is told of it.
    fn hear(&mut self, tag: &str, line: &str) {
        if let Some(gone) = line.strip_suffix(" EXPUNGE")
            && !self.by_uid
        {
            return self.expunge(numbers(gone.trim_start_matches("* ")).pop_first().unwrap());
        }
        let head = format!("* ESEARCH (TAG \"{tag}\")");
        let Some(told) = line.strip_prefix(&head) else {
            return;
        };
        let told = told.trim_start_matches(" UID");
        let set = |name: &str| {
            let (_, behind) = told.split_once(name)?;
            Some(numbers(behind.split([' ', ')']).next().unwrap()))
        };
        self.numbers.extend(set(" ALL ").unwrap_or_default());
        for added in set(" ADDTO (0 ").unwrap_or_default() {
            assert!(self.numbers.insert(added), "{line}: it was there already");
        }
        for removed in set(" REMOVEFROM (0 ").unwrap_or_default() {
            assert!(self.numbers.remove(&removed), "{line}: it was not there");
        }
    }

    fn expunge(&mut self, gone: u32) {
        assert!(!self.numbers.contains(&gone), "{gone} left without a word");
        let moved = std::mem::take(&mut self.numbers).into_iter();
        let moved = moved.map(|number| number - u32::from(number > gone));
        self.numbers = moved.collect();
    }
}

/// Does something to the open mailbox.
async fn disturb(actor: &mut Wire, random: &mut Random) {
    let sign = if random.chance(2) { "+" } else { "-" };
    let flag = FLAGS[random.below(FLAGS.len() as u64) as usize];
    let command = match random.below(6) {
        0 => "EXPUNGE".to_owned(),
        1 => format!("APPEND INBOX ({flag}) {{1+}}\r\nx"),
        2 => "NOOP".to_owned(),
        _ => {
            let first = random.below(8) + 1;
            let last = first + random.below(4);
            format!("UID STORE {first}:{last} {sign}FLAGS.SILENT ({flag})")
        }
    };
    actor.command("a", &command).await;
}

#[test]
fn a_followed_result_is_what_a_search_would_find() {
    for seed in 0..12 {
        run(async {
            let house = House::new();
            let (mut actor, mut follower) = (house.client().await, house.client().await);
            for _ in 0..8 {
                actor.command("a", "APPEND INBOX {1+}\r\nx").await;
            }
            actor.command("a", "SELECT INBOX").await;
            follower.command("s", "SELECT INBOX").await;
            let mut random = Random::new(seed);
            let keys = [
                ("u", "UID SEARCH", "FLAGGED UNDELETED"),
                ("n", "SEARCH", "OR UNSEEN KEYWORD $Label"),
                ("b", "UID SEARCH", "BODY x SEEN"),
            ];
            let mut results = BTreeMap::new();
            for (tag, verb, key) in keys {
                let by_uid = verb == "UID SEARCH";
                let mut result = Result {
                    by_uid,
                    ..Result::default()
                };
                let search = format!("{verb} RETURN (ALL UPDATE) {key}");
                for line in follower.command(tag, &search).await {
                    result.hear(tag, &line);
                }
                results.insert(tag, result);
            }
            let mut say = async |follower: &mut Wire, command: &str| {
                for line in follower.command("f", command).await {
                    for (tag, result) in &mut results {
                        result.hear(tag, &line);
                    }
                }
            };
            for _ in 0..40 {
                disturb(&mut actor, &mut random).await;
                if random.chance(3) {
                    // After one of these expunges wait.
                    let command = ["NOOP", "SEARCH DRAFT", "STORE 1 +FLAGS.SILENT (\\Draft)"];
                    say(&mut follower, command[random.below(3) as usize]).await;
                }
            }
            say(&mut follower, "NOOP").await;
            for (tag, verb, key) in keys {
                let mut now = Result::default();
                let search = format!("{verb} RETURN (ALL) {key}");
                for line in follower.command("z", &search).await {
                    now.hear("z", &line);
                }
                assert_eq!(results[tag].numbers, now.numbers, "seed {seed}, {key}");
            }
            house.leave().await;
        });
    }
}

#[test]
fn the_ninth_search_is_answered_and_not_followed() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client.command("s", "SELECT INBOX").await;
        for number in 0..FOLLOWED_MAX {
            let tag = format!("t{number}");
            let said = client
                .command(&tag, "SEARCH RETURN (UPDATE COUNT) ALL")
                .await;
            assert_eq!(said.len(), 2, "{said:?}");
        }
        let said = client
            .command("x", "SEARCH RETURN (UPDATE COUNT) ALL")
            .await;
        assert_eq!(said[0], "* ESEARCH (TAG \"x\") COUNT 0");
        assert!(said[1].starts_with("* NO [NOUPDATE \"x\"] "), "{said:?}");
        assert!(said[2].starts_with("x OK "), "{said:?}");
        client.command("c", "CANCELUPDATE \"t3\"").await;
        let said = client
            .command("x", "SEARCH RETURN (UPDATE COUNT) ALL")
            .await;
        assert_eq!(said.len(), 2, "{said:?}");
        house.leave().await;
    });
}

/// What STATUS has told of each mailbox, each number by its name.
#[derive(Debug, Default)]
struct Standing(BTreeMap<String, BTreeMap<String, String>>);

impl Standing {
    fn hear(&mut self, line: &str) {
        let Some(told) = line.strip_prefix("* STATUS ") else {
            return;
        };
        let (name, counts) = told.split_once(" (").unwrap();
        let counts: Vec<&str> = counts.trim_end_matches(')').split(' ').collect();
        let known = self.0.entry(name.to_owned()).or_default();
        for pair in counts.chunks(2) {
            known.insert(pair[0].to_owned(), pair[1].to_owned());
        }
    }
}

#[test]
fn who_is_told_of_every_mailbox_knows_how_each_stands() {
    const MAILBOXES: [&str; 3] = ["INBOX", "one", "one/two"];
    for seed in 0..8 {
        run(async {
            let house = House::new();
            let (mut actor, mut watcher) = (house.client().await, house.client().await);
            actor.command("a", "CREATE one/two").await;
            let mut standing = Standing::default();
            let notify =
                "NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange MailboxName))";
            watcher.command("q", "ENABLE CONDSTORE").await;
            for line in watcher.command("n", notify).await {
                standing.hear(&line);
            }
            let mut random = Random::new(seed);
            for _ in 0..60 {
                let name = MAILBOXES[random.below(3) as usize];
                if random.chance(2) {
                    let append = format!("APPEND {name} {{1+}}\r\nx");
                    actor.command("a", &append).await;
                } else {
                    actor.command("a", &format!("SELECT {name}")).await;
                    disturb(&mut actor, &mut random).await;
                }
                if random.chance(8) {
                    for line in watcher.command("w", "NOOP").await {
                        standing.hear(&line);
                    }
                }
            }
            // What the first leaves to be told comes before the second is answered.
            for _ in 0..2 {
                for line in watcher.command("w", "NOOP").await {
                    standing.hear(&line);
                }
            }
            let mut now = Standing::default();
            for name in MAILBOXES {
                let status = format!("STATUS {name} (MESSAGES UIDNEXT HIGHESTMODSEQ)");
                for line in actor.command("a", &status).await {
                    now.hear(&line);
                }
            }
            for (name, counts) in &now.0 {
                for (item, count) in counts {
                    assert_eq!(&standing.0[name][item], count, "seed {seed}, {name} {item}");
                }
            }
            house.leave().await;
        });
    }
}

#[test]
fn more_mailboxes_than_can_be_watched_overflow() {
    run(async {
        let house = House::new();
        let (mut actor, mut watcher) = (house.client().await, house.client().await);
        let there = actor.command("l", "LSUB \"\" *").await.len() - 1;
        let names = (there..WATCHED_MAX).map(|number| format!("s SUBSCRIBE name{number}\r\n"));
        let last = "z NOOP\r\n".to_owned();
        let script: String = names.chain([last]).collect();
        actor.send(script.as_bytes()).await;
        actor.answer("z").await;
        let notify = "NOTIFY SET (personal (SubscriptionChange))";
        let said = watcher.command("n", notify).await;
        assert_eq!(said, ["n OK Noted"]);
        actor.command("a", "SUBSCRIBE more").await;
        let overflow = watcher.line().await;
        assert!(
            overflow.starts_with("* OK [NOTIFICATIONOVERFLOW] "),
            "{overflow}"
        );
        actor.command("a", "UNSUBSCRIBE name1").await;
        assert_eq!(watcher.command("w", "NOOP").await.len(), 1);
        actor.command("a", "SUBSCRIBE name1").await;
        let said = watcher.command("n", notify).await;
        assert!(
            said[0].starts_with("n NO [NOTIFICATIONOVERFLOW] "),
            "{said:?}"
        );
        house.leave().await;
    });
}

#[test]
fn whoever_does_not_read_what_it_asked_for_holds_up_nobody_and_gathers_nothing() {
    run(async {
        let house = House::new();
        let (mut actor, mut watcher) = (house.client().await, house.client().await);
        let notify = "NOTIFY SET (personal (MessageNew MessageExpunge))";
        watcher.command("n", notify).await;
        for _ in 0..200 {
            actor.command("a", "APPEND INBOX {1+}\r\nx").await;
        }
        let mut told = Standing::default();
        while told.0.get("INBOX").is_none_or(|it| it["MESSAGES"] != "200") {
            told.hear(&watcher.line().await);
        }
        house.leave().await;
    });
}

#[test]
fn flags_that_were_not_wanted_are_told_to_whoever_asks() {
    run(async {
        let house = House::new();
        let (mut actor, mut watcher) = (house.client().await, house.client().await);
        actor.command("a", "APPEND INBOX {1+}\r\nx").await;
        actor.command("a", "SELECT INBOX").await;
        watcher.command("s", "SELECT INBOX").await;
        let notify = "NOTIFY SET (selected (MessageNew MessageExpunge))";
        watcher.command("n", notify).await;
        actor.command("a", "STORE 1 +FLAGS.SILENT (\\Seen)").await;
        actor.command("a", "APPEND INBOX {1+}\r\nx").await;
        // By now the flags were passed over.
        assert_eq!(watcher.line().await, "* 2 EXISTS");
        let said = watcher.command("w", "NOOP").await;
        let seen = |line: &String| line.starts_with("* 1 FETCH ") && line.contains("\\Seen");
        assert!(said.iter().any(seen), "{said:?}");
        house.leave().await;
    });
}

#[test]
fn what_came_since_the_mailbox_was_opened_is_shown_like_all_that_comes() {
    run(async {
        let house = House::new();
        let (mut actor, mut follower) = (house.client().await, house.client().await);
        follower.command("s", "SELECT INBOX").await;
        actor.command("a", "APPEND INBOX {1+}\r\nx").await;
        let said = follower
            .command("u", "SEARCH RETURN (UPDATE (UID)) ALL")
            .await;
        let shown = said.iter().any(|line| line == "* 1 FETCH (UID 1)");
        assert!(shown, "{said:?}");
        house.leave().await;
    });
}

#[test]
fn uids_that_no_message_has_yet_are_waited_for() {
    run(async {
        let house = House::new();
        let (mut actor, mut follower) = (house.client().await, house.client().await);
        follower.command("s", "SELECT INBOX").await;
        let search = "UID SEARCH RETURN (UPDATE COUNT) UID 2:4294967295";
        let said = follower.command("u", search).await;
        assert_eq!(said[0], "* ESEARCH (TAG \"u\") UID COUNT 0");
        actor.command("a", "APPEND INBOX {1+}\r\nx {1+}\r\nx").await;
        let said = follower.command("n", "NOOP").await;
        let joins = "* ESEARCH (TAG \"u\") UID ADDTO (0 2)";
        assert!(said.iter().any(|line| line == joins), "{said:?}");
        house.leave().await;
    });
}

/// More than are judged in one step.
#[test]
fn of_many_changes_at_once_each_joins_and_leaves_a_result_once() {
    run(async {
        let house = House::new();
        let (mut actor, mut follower) = (house.client().await, house.client().await);
        let letters = " {1+}\r\nx".repeat(200);
        actor.command("a", &format!("APPEND INBOX{letters}")).await;
        actor.command("s", "SELECT INBOX").await;
        follower.command("s", "SELECT INBOX").await;
        let mut result = Result::default();
        for line in follower
            .command("u", "SEARCH RETURN (ALL UPDATE) FLAGGED")
            .await
        {
            result.hear("u", &line);
        }
        for (change, expected) in [
            ("+FLAGS.SILENT", (1..=200).collect::<BTreeSet<u32>>()),
            ("-FLAGS.SILENT", BTreeSet::new()),
        ] {
            actor
                .command("f", &format!("STORE 1:* {change} (\\Flagged)"))
                .await;
            for line in follower.command("n", "NOOP").await {
                result.hear("u", &line);
            }
            assert_eq!(result.numbers, expected, "{change}");
        }
        house.leave().await;
    });
}

#[test]
fn what_two_followed_searches_find_is_shown_once_with_all_that_either_wants() {
    run(async {
        let house = House::new();
        let (mut actor, mut follower) = (house.client().await, house.client().await);
        follower.command("s", "SELECT INBOX").await;
        for (tag, items) in [("u", "UID"), ("v", "RFC822.SIZE UID")] {
            let search = format!("SEARCH RETURN (UPDATE ({items})) ALL");
            follower.command(tag, &search).await;
        }
        actor.command("a", "APPEND INBOX {1+}\r\nx").await;
        let said = follower.command("n", "NOOP").await;
        let shown: Vec<&String> = said.iter().filter(|line| line.contains("FETCH")).collect();
        assert_eq!(shown, ["* 1 FETCH (UID 1 RFC822.SIZE 1)"], "{said:?}");
        for tag in ["u", "v"] {
            let joins = format!("* ESEARCH (TAG \"{tag}\") ADDTO (0 1)");
            assert!(said.contains(&joins), "{said:?}");
        }
        house.leave().await;
    });
}

/// Brings another, empty mailbox under a name that is watched, where one with a letter was.
/// Between these commands the watcher looks, or doesn't. Gives what it is told.
async fn swap(commands: [&str; 2], looks_between: bool, events: &str) -> Vec<String> {
    let house = House::new();
    let (mut actor, mut watcher) = (house.client().await, house.client().await);
    for command in ["CREATE one", "CREATE two", "APPEND one {1+}\r\nx"] {
        actor.command("a", command).await;
    }
    let notify = format!("NOTIFY SET (mailboxes one ({events}))");
    watcher.command("n", &notify).await;
    // Amid a letter nothing is told, and nobody looks.
    watcher.send(b"w APPEND INBOX {1}\r\n").await;
    assert_eq!(watcher.line().await, "+ OK");
    actor.command("a", commands[0]).await;
    if looks_between {
        watcher.send(b"x\r\n").await;
        watcher.answer("w").await;
        assert_eq!(watcher.command("n", "NOOP").await.len(), 1);
        watcher.send(b"w APPEND INBOX {1}\r\n").await;
        assert_eq!(watcher.line().await, "+ OK");
    }
    actor.command("a", commands[1]).await;
    watcher.send(b"x\r\n").await;
    watcher.answer("w").await;
    let mut told = watcher.command("n", "NOOP").await;
    told.extend(watcher.command("n", "NOOP").await);
    house.leave().await;
    told.retain(|line| line.starts_with("* "));
    told
}

#[test]
fn another_mailbox_under_a_watched_name_is_told() {
    for (first, second) in [
        ("RENAME one three", "RENAME two one"),
        ("RENAME one three", "CREATE one"),
        ("DELETE one", "CREATE one"),
        ("DELETE one", "RENAME two one"),
    ] {
        for looks_between in [false, true] {
            for events in [
                "MessageNew MessageExpunge FlagChange",
                "MessageNew MessageExpunge",
            ] {
                let told = run(swap([first, second], looks_between, events));
                let case = format!("{first}, {second}, {looks_between}: {told:?}");
                assert_eq!(told.len(), 1, "{case}");
                let is_new = told[0].starts_with("* STATUS one (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ");
                assert!(is_new, "{case}");
            }
        }
    }
}

/// RFC 5465 §5: what a session does itself is no news to it.
#[test]
fn what_a_session_does_itself_to_the_tree_it_is_not_told() {
    run(async {
        let house = House::new();
        let (mut actor, mut watcher) = (house.client().await, house.client().await);
        let notify = "NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName \
            SubscriptionChange))";
        watcher.command("n", notify).await;
        for command in [
            "CREATE a/b/c",
            "CREATE a/d",
            "RENAME a z",
            "DELETE z/d",
            "SUBSCRIBE z/b",
            "UNSUBSCRIBE z/b",
            "RENAME INBOX old/mail",
            "DELETE z/b/c",
        ] {
            let mut said = watcher.command("w", command).await;
            said.extend(watcher.command("w", "NOOP").await);
            assert_eq!(said.len(), 2, "{command}: {said:?}");
        }
        actor.command("a", "CREATE z/new").await;
        let told = [watcher.line().await, watcher.line().await];
        assert!(told[0].starts_with("* LIST (\\NonExistent "), "{told:?}");
        assert!(told[1].ends_with(" \"/\" z/new"), "{told:?}");
        house.leave().await;
    });
}

#[test]
fn a_flag_that_another_changes_beside_ones_own_letter_is_told() {
    run(async {
        let house = House::new();
        let (mut actor, mut watcher) = (house.client().await, house.client().await);
        actor.command("a", "CREATE one").await;
        actor.command("a", "APPEND one {1+}\r\nx").await;
        actor.command("s", "SELECT one").await;
        let notify = "NOTIFY SET (mailboxes one (MessageNew MessageExpunge FlagChange))";
        watcher.command("n", notify).await;
        // Amid its letter it doesn't look.
        watcher.send(b"w APPEND one (\\Seen) {1}\r\n").await;
        assert_eq!(watcher.line().await, "+ OK");
        actor.command("a", "STORE 1 +FLAGS.SILENT (\\Seen)").await;
        watcher.send(b"x\r\n").await;
        watcher.answer("w").await;
        let told = watcher.line().await;
        assert!(told.starts_with("* STATUS one (UIDVALIDITY "), "{told}");
        assert!(told.ends_with(" UNSEEN 0)"), "{told}");
        house.leave().await;
    });
}

/// RFC 5465 §3.1: whoever wants no events of the open mailbox can go on using it, however
/// much is expunged meanwhile, and is told when it asks.
#[test]
fn a_long_history_of_expunges_ends_no_session_that_does_not_want_to_hear_of_them() {
    const RUNS: usize = 4200;
    run(async {
        let house = House::new();
        let (mut actor, mut watcher) = (house.client().await, house.client().await);
        for _ in 0..RUNS / 100 {
            let letters = "(\\Deleted) {1+}\r\nx () {1+}\r\nx ".repeat(100);
            let append = format!("APPEND INBOX {}", letters.trim_end());
            let said = actor.command("a", &append).await;
            assert!(said[0].starts_with("a OK"), "{said:?}");
        }
        watcher.command("s", "SELECT INBOX").await;
        watcher.command("n", "NOTIFY SET (selected NONE)").await;
        actor.command("s", "SELECT INBOX").await;
        actor.command("x", "EXPUNGE").await;
        house.account.tidy_up().await;
        let last = 2 * RUNS;
        let said = watcher.command("f", &format!("FETCH {last} UID")).await;
        assert_eq!(said[0], format!("* {last} FETCH (UID {last})"));
        assert_eq!(watcher.command("u", "UID FETCH 2 UID").await.len(), 2);
        let told = watcher.command("n", "NOOP").await;
        assert_eq!(told.len(), RUNS + 1, "{:?}", told.last());
        house.leave().await;
    });
}

/// What the mail thread works while another waits for its NOOP, until somebody is told
/// something.
async fn worked_until(house: &House, watcher: &mut Wire, last: &str) -> Duration {
    let (mut other, mut longest) = (house.client().await, Duration::ZERO);
    loop {
        let before = worked();
        tokio::select! {
            biased;
            line = watcher.line() => {
                if line.starts_with(last) {
                    return longest;
                }
            }
            _ = other.command("n", "NOOP") => longest = longest.max(worked() - before),
        }
    }
}

#[test]
fn as_many_mailboxes_as_can_be_watched_make_nobody_wait() {
    run(async {
        let house = House::new();
        let (mut actor, mut watcher) = (house.client().await, house.client().await);
        let there = actor.command("l", "LIST \"\" *").await.len() - 1;
        let creates = (there + 1..WATCHED_MAX).map(|it| format!("c CREATE t/{it}\r\n"));
        let script: String = creates.chain(["z NOOP\r\n".to_owned()]).collect();
        actor.send(script.as_bytes()).await;
        actor.answer("z").await;
        // As dear as the grammar lets it be.
        let names: Vec<String> = (0..255).map(|it| format!("t/{it}x")).collect();
        let notify = format!(
            "n NOTIFY SET STATUS (mailboxes ({}) (MailboxName)) (personal (MessageNew \
             MessageExpunge FlagChange MailboxName SubscriptionChange))\r\n",
            names.join(" ")
        );
        watcher.send(notify.as_bytes()).await;
        let asked = worked_until(&house, &mut watcher, "n OK").await;
        actor
            .send(b"a RENAME t u\r\nb APPEND u/99 {1+}\r\nx\r\n")
            .await;
        let last = "* STATUS u/99 (MESSAGES 1 ";
        let renamed = worked_until(&house, &mut watcher, last).await;
        assert!(
            asked < NOOP_MAX && renamed < NOOP_MAX,
            "{asked:?}, {renamed:?}"
        );
        house.leave().await;
    });
}

#[test]
fn the_tag_of_a_followed_search_is_no_sorts() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client.command("s", "SELECT INBOX").await;
        client.command("b", "SEARCH RETURN (UPDATE) ALL").await;
        let said = client
            .command("b", "SORT RETURN (ALL) (DATE) UTF-8 ALL")
            .await;
        assert!(said[0].starts_with("b BAD "), "{said:?}");
        house.leave().await;
    });
}
