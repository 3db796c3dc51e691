//! What one client can make the others wait for, or cost (ATTACKS P14, P15).

use super::{House, Wire, run};
use crate::holding::HELD_BYTES_MAX;
use std::time::Duration;

/// How long a NOOP may take while others work, in this build without
/// optimisation: the promise of 20 ms is for the release build.
pub const NOOP_MAX: Duration = Duration::from_millis(100);

/// What this thread has worked. It has the sessions and their clients, so what it
/// works while a NOOP waits is what the NOOP waits for, on however busy a machine.
pub fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub async fn fill(client: &mut Wire, letters: usize, bytes: usize) {
    let letter = format!("Subject: x\r\n\r\n{}", "lorem ipsum ".repeat(bytes / 12));
    for _ in 0..letters {
        let command = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
        client.command("f", &command).await;
    }
}

/// The longest of some NOOPs while another command runs.
async fn noops_during(house: &House, busy: &mut Wire, command: &str) -> Duration {
    let mut other = house.client().await;
    busy.send(format!("z {command}\r\n").as_bytes()).await;
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let before = worked();
        other.command("n", "NOOP").await;
        longest = longest.max(worked() - before);
    }
    longest
}

/// A command's answer, and the longest NOOP of another session until it is whole.
async fn noops_until_done(
    house: &House,
    busy: &mut Wire,
    command: &str,
) -> (Duration, Vec<String>) {
    let mut other = house.client().await;
    busy.send(format!("z {command}\r\n").as_bytes()).await;
    let mut longest = Duration::ZERO;
    let answer = busy.answer("z");
    tokio::pin!(answer);
    loop {
        let before = worked();
        tokio::select! {
            biased;
            said = &mut answer => return (longest, said),
            _ = other.command("n", "NOOP") => longest = longest.max(worked() - before),
        }
    }
}

#[test]
fn a_search_through_every_letter_keeps_nobody_waiting() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        fill(&mut client, 40, 200_000).await;
        client.command("s", "SELECT INBOX").await;
        let keys: Vec<String> = (0..60).map(|n| format!("OR BODY never{n}")).collect();
        let search = format!("SEARCH {} BODY nowhere", keys.join(" "));
        let longest = noops_during(&house, &mut client, &search).await;
        assert!(longest < NOOP_MAX, "{longest:?}");
        assert_eq!(client.answer("z").await[0], "* SEARCH");
        house.leave().await;
    });
}

/// Twenty thousand letters, as one command after the other brings them in.
pub async fn fill_with_thousands(client: &mut Wire) {
    let letter = "Subject: x\r\n\r\nlorem ipsum";
    let letters = vec![format!("{{{}+}}\r\n{letter}", letter.len()); 250].join(" ");
    for _ in 0..80 {
        let said = client
            .command("f", &format!("APPEND INBOX {letters}"))
            .await;
        assert!(said[0].contains("OK [APPENDUID"), "{said:?}");
    }
}

#[test]
fn a_search_through_twenty_thousand_letters_keeps_nobody_waiting() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        fill_with_thousands(&mut client).await;
        client.command("s", "SELECT INBOX").await;
        let longest = noops_during(&house, &mut client, "SEARCH BODY nowhere").await;
        assert!(longest < NOOP_MAX, "{longest:?}");
        let said = client.answer("z").await;
        // On a slow machine it is said that it goes on.
        let mut said = said.iter().filter(|line| !line.contains("[INPROGRESS "));
        assert_eq!(said.next().unwrap(), "* SEARCH");
        house.leave().await;
    });
}

/// Everything that touches all of twenty thousand messages: flags, copies, what was
/// found, what is gone; and what others are told of it.
#[test]
fn changes_of_twenty_thousand_letters_keep_nobody_waiting() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        fill_with_thousands(&mut client).await;
        client.command("s", "SELECT INBOX").await;
        let mut witness = house.client().await;
        witness.command("s", "SELECT INBOX").await;
        for (command, lines) in [
            ("STORE 1:10000 +FLAGS.SILENT (\\Flagged)", 1),
            ("COPY 1:* Archive", 1),
            ("SEARCH UNFLAGGED", 2),
            ("SEARCH RETURN (ALL COUNT SAVE) FLAGGED", 2),
            ("STORE 1:* +FLAGS.SILENT (\\Deleted)", 1),
            ("EXPUNGE", 20_001),
        ] {
            let (longest, said) = noops_until_done(&house, &mut client, command).await;
            assert!(longest < NOOP_MAX, "{longest:?} during {command}");
            assert_eq!(said.len(), lines, "{command}: {:?}", said.last());
            assert!(said[lines - 1].starts_with("z OK"), "{:?}", said[lines - 1]);
        }
        // Everybody else hears of it, too, and nobody waits for that.
        let (longest, told) = noops_until_done(&house, &mut witness, "NOOP").await;
        assert!(longest < NOOP_MAX, "{longest:?}");
        assert_eq!(told.len(), 20_001, "{:?}", told.first());
        house.leave().await;
    });
}

/// As many parts as a letter may have, each asked for in full.
#[test]
fn a_letter_of_thousands_of_parts_keeps_nobody_waiting() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let part = "--b\r\nContent-Type: text/plain; name=\"a b\"; x=y\r\n\r\nx\r\n";
        let letter = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            part.repeat(message::limits::PARTS_MAX)
        );
        let append = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
        client.command("f", &append).await;
        client.command("s", "SELECT INBOX").await;
        let fetch = format!("FETCH 1 ({})", ["BODYSTRUCTURE"; 20].join(" "));
        let (longest, _) = noops_until_done(&house, &mut client, &fetch).await;
        assert!(longest < NOOP_MAX, "{longest:?}");
        house.leave().await;
    });
}

/// A letter of no more than a header of a MiB, made of as many fields as fit: to
/// read it once takes many steps, and to ask it many things even more.
#[test]
fn a_header_of_many_fields_keeps_nobody_waiting_whatever_is_asked_of_it() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let letter = "a:b\r\n".repeat(200_000);
        let append = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
        client.command("f", &append).await;
        client.command("s", "SELECT INBOX").await;
        let each = |count: usize, one: &dyn Fn(usize) -> String| {
            (0..count).map(one).collect::<Vec<_>>().join(" ")
        };
        let fields = each(8, &|n| format!("BODY.PEEK[HEADER.FIELDS.NOT (x{n})]"));
        let commands = [
            format!("FETCH 1 ({fields})"),
            format!("SEARCH {}", each(200, &|n| format!("NOT TEXT never{n}"))),
            format!("SEARCH {}", each(20, &|n| format!("NOT HEADER a never{n}"))),
        ];
        for command in commands {
            let longest = noops_during(&house, &mut client, &command).await;
            assert!(longest < NOOP_MAX, "{longest:?} during {:.60}", command);
            client.answer("z").await;
        }
        house.leave().await;
    });
}

/// Each pattern is looked at with each name, and names look at those below them.
#[test]
fn patterns_that_fit_nearly_keep_nobody_waiting() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let top = "y".repeat(250);
        for n in 0..60 {
            let name = format!("{top}/{}{n}", "y".repeat(200));
            client.command("c", &format!("CREATE {name}")).await;
            client.command("u", &format!("SUBSCRIBE {name}")).await;
        }
        let patterns: Vec<String> = (0..31)
            .map(|n| format!("{}q{n}", "*y".repeat(31)))
            .collect();
        let list = format!(
            "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" ({} %)",
            patterns.join(" ")
        );
        let longest = noops_during(&house, &mut client, &list).await;
        assert!(longest < NOOP_MAX, "{longest:?}");
        let told = client.answer("z").await;
        assert!(
            told.iter().any(|line| line.contains("CHILDINFO")),
            "{told:?}"
        );
        house.leave().await;
    });
}

/// How long letters may be held for no other sake than to be looked into.
const LEARNED_MAX: Duration = Duration::from_secs(30);

/// Many clients that each stop within an APPEND of many letters hold no more than
/// one limit allows, and all their letters are kept.
#[test]
fn letters_on_their_way_share_one_limit_of_memory() {
    run(async {
        let house = House::new();
        let letter = "x".repeat(250_000);
        let begun = format!("z APPEND INBOX {{250000+}}\r\n{letter}{}", {
            format!(" {{250000+}}\r\n{letter}").repeat(14)
        });
        let mut clients = Vec::new();
        for _ in 0..12 {
            let mut client = house.client().await;
            client.send(begun.as_bytes()).await;
            clients.push(client);
        }
        let held = house.account.holding().bytes();
        assert!(
            held <= HELD_BYTES_MAX && held > HELD_BYTES_MAX / 2,
            "{held}"
        );
        for client in &mut clients {
            client.send(b"\r\n").await;
            let said = client.answer("z").await;
            assert!(said[0].starts_with("z OK [APPENDUID"), "{said:?}");
        }
        // What was kept is looked into before its room is given back.
        let looked_into = async {
            while house.account.holding().bytes() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LEARNED_MAX, looked_into)
            .await
            .unwrap();
        house.leave().await;
    });
}

#[test]
fn a_client_that_does_not_read_holds_up_itself_alone() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        fill(&mut client, 20, 200_000).await;
        client.command("s", "SELECT INBOX").await;
        // Sixty times four megabytes, into a socket that nobody empties.
        let bodies = vec!["BODY.PEEK[]"; 60].join(" ");
        let longest = noops_during(&house, &mut client, &format!("FETCH 1:* ({bodies})")).await;
        assert!(longest < NOOP_MAX, "{longest:?}");
        drop(client);
        house.leave().await;
    });
}

#[test]
fn a_search_ends_when_its_client_has_gone() {
    run(async {
        let house = House::new();
        let owners = std::rc::Rc::strong_count(&house.account);
        let mut client = house.client().await;
        fill(&mut client, 20, 200_000).await;
        client.command("s", "SELECT INBOX").await;
        let keys: Vec<String> = (0..250).map(|n| format!("OR BODY never{n}")).collect();
        let search = format!("z SEARCH {} BODY nowhere\r\n", keys.join(" "));
        client.send(search.as_bytes()).await;
        drop(client);
        // The session owns the account with others until it has ended.
        let gone = async {
            while std::rc::Rc::strong_count(&house.account) > owners {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .unwrap();
        house.leave().await;
    });
}

#[test]
fn sets_of_every_shape_cost_no_more_than_their_ranges() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        fill(&mut client, 10, 12).await;
        client.command("s", "SELECT INBOX").await;
        let set = vec!["1:4294967295"; 4000].join(",");
        let fetched = client.command("a", &format!("UID FETCH {set} FLAGS")).await;
        assert_eq!(fetched.len(), 11);
        let scattered: Vec<String> = (1..8000).map(|n| (n * 2).to_string()).collect();
        let search = format!("UID SEARCH UID {}", scattered.join(","));
        assert_eq!(client.command("b", &search).await[0], "* SEARCH 2 4 6 8 10");
        let deep = client
            .command("c", &format!("SEARCH {}SEEN", "NOT ".repeat(10_000)))
            .await;
        assert!(deep[0].starts_with("c NO [LIMIT]"), "{deep:?}");
        house.leave().await;
    });
}

/// Keywords, mailbox names and header fields live in trees and short tables: no
/// choice of names makes them slower than others (CVE-2021-33582).
#[test]
fn crafted_names_take_no_longer_than_others() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let mut time = async |names: Vec<String>| {
            let began = worked();
            for name in &names {
                client.command("a", &format!("CREATE {name}")).await;
                client.command("b", &format!("DELETE {name}")).await;
            }
            worked().saturating_sub(began)
        };
        let long = "A".repeat(200);
        let (mut alike, mut apart) = (Duration::MAX, Duration::MAX);
        // In turns, and the best of each: a worker also looks after its account at times.
        for _ in 0..4 {
            let ends = (0..40).map(|n| format!("{long}{n:03}"));
            let begins = (0..40).map(|n| format!("{n:03}{long}"));
            alike = alike.min(time(ends.collect()).await);
            apart = apart.min(time(begins.collect()).await);
        }
        assert!(alike < apart * 5, "{alike:?} against {apart:?}");
        house.leave().await;
    });
}

/// RFC 5182 §2.5.
#[test]
fn a_result_too_scattered_to_be_saved_is_refused_and_empties_what_was() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client.command("a", "APPEND INBOX (\\Seen) {1+}\r\nx").await;
        client.command("b", "APPEND INBOX {1+}\r\nx").await;
        client.command("c", "SELECT INBOX").await;
        // Each copy keeps the pattern: every second message is seen.
        let mut messages = 2;
        while messages / 2 <= crate::session::SAVED_RANGES_MAX {
            let said = client.command("d", "COPY 1:* INBOX").await;
            assert!(said.last().unwrap().starts_with("d OK"), "{said:?}");
            messages *= 2;
        }
        let kept = client.command("e", "SEARCH RETURN (SAVE) 1").await;
        assert_eq!(kept, ["e OK Searched"]);
        let refused = client.command("f", "SEARCH RETURN (SAVE) SEEN").await;
        assert!(refused[0].starts_with("f NO [NOTSAVED]"), "{refused:?}");
        let fetched = client.command("g", "FETCH $ UID").await;
        assert_eq!(fetched, ["g OK Fetched"]);
        house.leave().await;
    });
}
