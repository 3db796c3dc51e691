//! Clients that keep in step in unusual ways: what they were told must be enough to know
//! which messages there are, and how they are (RFC 7162, 9394, 9586, 9738).

use super::{House, Wire, run};
use crate::account::Limits;
use crate::fixture;
use crate::imap::VANISHED_RANGES_MAX;
use ipc::slice::MessageLimits;

const THREE: MessageLimits = MessageLimits {
    per_command: Some(3),
    per_copy: None,
};

/// What is said to a command, but for the text of the answer.
async fn told(client: &mut Wire, command: &str) -> Vec<String> {
    let mut said = client.command("a", command).await;
    let answer = said.pop().unwrap();
    let code = answer.split_once(']').map(|(code, _)| format!("{code}]"));
    let bare = answer.split(' ').take(2).collect::<Vec<_>>().join(" ");
    said.push(code.unwrap_or(bare));
    said
}

async fn assert_told(client: &mut Wire, command: &str, said: &[&str]) {
    assert_eq!(told(client, command).await, said, "{command}");
}

async fn ok(client: &mut Wire, command: &str) -> Vec<String> {
    let said = client.command("o", command).await;
    assert!(said.last().unwrap().starts_with("o OK"), "{said:?}");
    said
}

/// What stands behind a word of a response, as far as the next space or bracket.
fn behind<'s>(said: &'s [String], word: &str) -> &'s str {
    let mut found = said.iter().filter_map(|line| line.split_once(word));
    let (_, value) = found.next().unwrap_or_else(|| panic!("{word} in {said:?}"));
    value.split([' ', ']', ')']).next().unwrap()
}

/// An INBOX of so many letters, and two who have it open, of whom the first goes by QRESYNC.
async fn two(letters: usize) -> (House, Wire, Wire) {
    let house = House::new();
    let (mut one, mut other) = (house.client().await, house.client().await);
    let letters = vec!["{1+}\r\nx"; letters].join(" ");
    ok(&mut one, &format!("APPEND INBOX {letters}")).await;
    ok(&mut other, "SELECT INBOX").await;
    ok(&mut one, "ENABLE QRESYNC").await;
    ok(&mut one, "SELECT INBOX").await;
    (house, one, other)
}

async fn remove(client: &mut Wire, uids: &str) {
    let store = format!("UID STORE {uids} +FLAGS.SILENT (\\Deleted)");
    ok(client, &store).await;
    ok(client, &format!("UID EXPUNGE {uids}")).await;
}

/// The highest mod-sequence of the INBOX.
async fn highest(client: &mut Wire) -> u64 {
    let said = ok(client, "STATUS INBOX (HIGHESTMODSEQ)").await;
    behind(&said, "HIGHESTMODSEQ ").parse().unwrap()
}

/// RFC 7162 §3.2.6: the set's last message may be what has vanished.
#[test]
fn a_star_reaches_what_has_vanished_at_the_end() {
    run(async {
        let (house, mut one, mut other) = two(6).await;
        let since = highest(&mut one).await;
        remove(&mut other, "5:6").await;
        ok(&mut one, "NOOP").await;
        for (set, vanished) in [("1:*", "5:6"), ("*:6", "6"), ("2,*", "6"), ("5:9", "5:6")] {
            let fetch = format!("UID FETCH {set} UID (CHANGEDSINCE {since} VANISHED)");
            let line = format!("* VANISHED (EARLIER) {vanished}");
            assert_told(&mut one, &fetch, &[&line, "a OK"]).await;
        }
        remove(&mut other, "1:4").await;
        ok(&mut one, "NOOP").await;
        let fetch = format!("UID FETCH 1:* UID (CHANGEDSINCE {since} VANISHED)");
        let all = ["* VANISHED (EARLIER) 1:6", "a OK"];
        assert_told(&mut one, &fetch, &all).await;
        house.leave().await;
    });
}

/// RFC 9394 §3.3: PARTIAL says of which messages there is FETCH; RFC 7162 §3.2.6: VANISHED
/// is of the set.
#[test]
fn what_has_vanished_is_told_of_the_whole_set_whatever_page_is_shown() {
    run(async {
        let (house, mut one, mut other) = two(6).await;
        let since = highest(&mut one).await;
        remove(&mut other, "1,3,6").await;
        ok(&mut other, "UID STORE 4:5 +FLAGS.SILENT (\\Seen)").await;
        ok(&mut one, "NOOP").await;
        let modseq = highest(&mut one).await;
        let fetch = format!("UID FETCH 2:6 UID (CHANGEDSINCE {since} VANISHED PARTIAL -1:-1)");
        let five = format!("* 3 FETCH (UID 5 MODSEQ ({modseq}))");
        let said = ["* VANISHED (EARLIER) 3,6", &five, "a OK"];
        assert_told(&mut one, &fetch, &said).await;
        house.leave().await;
    });
}

/// RFC 9738 §3.1: who goes on below the lowest that was processed has missed nothing that
/// vanished above it.
#[test]
fn who_goes_on_below_a_limit_hears_of_all_that_has_vanished() {
    run(async {
        let (house, mut one, mut other) = two(8).await;
        let since = highest(&mut one).await;
        remove(&mut other, "2,5,8").await;
        house.account.set_limits(Limits {
            messages: THREE,
            ..Limits::from(&fixture::slice())
        });
        let mut limited = house.client().await;
        ok(&mut limited, "ENABLE QRESYNC").await;
        ok(&mut limited, "SELECT INBOX").await;
        let fetch = |set| format!("UID FETCH {set} UID (CHANGEDSINCE {since} VANISHED)");
        let said = ["* VANISHED (EARLIER) 2,5,8", "a OK [MESSAGELIMIT 3 4]"];
        assert_told(&mut limited, &fetch("1:*"), &said).await;
        let said = ["* VANISHED (EARLIER) 2", "a OK"];
        assert_told(&mut limited, &fetch("1:3"), &said).await;
        drop(one);
        house.leave().await;
    });
}

/// RFC 9738 §3.1: EXPUNGEISSUED is said in a tagged OK where MESSAGELIMIT is said before.
#[test]
fn beside_a_limit_it_is_said_in_an_ok_that_some_were_expunged() {
    run(async {
        let (house, one, mut other) = two(6).await;
        drop(one);
        house.account.set_limits(Limits {
            messages: THREE,
            ..Limits::from(&fixture::slice())
        });
        let mut limited = house.client().await;
        ok(&mut limited, "SELECT INBOX").await;
        remove(&mut other, "5").await;
        let said = told(&mut limited, "FETCH 1:6 UID").await;
        let fetched = [
            "* 3 FETCH (UID 3)",
            "* 4 FETCH (UID 4)",
            "* 6 FETCH (UID 6)",
        ];
        assert_eq!(said[..3], fetched);
        assert!(said[3].starts_with("* NO [MESSAGELIMIT 3 3] "), "{said:?}");
        assert_eq!(said[4..], ["a OK [EXPUNGEISSUED]"]);
        assert_told(
            &mut limited,
            "FETCH 4:5 UID",
            &["* 4 FETCH (UID 4)", "a NO [EXPUNGEISSUED]"],
        )
        .await;
        house.leave().await;
    });
}

/// RFC 7162 §3.1.3: silence doesn't hide that a condition was never tried.
#[test]
fn who_sets_a_condition_hears_that_a_message_is_gone_however_silent() {
    run(async {
        let (house, mut one, mut other) = two(4).await;
        let since = highest(&mut one).await;
        remove(&mut other, "3").await;
        let store = format!("STORE 3:4 (UNCHANGEDSINCE {since}) +FLAGS.SILENT (\\Flagged)");
        let said = told(&mut one, &store).await;
        assert!(said[0].starts_with("* 4 FETCH (UID 4 MODSEQ ("), "{said:?}");
        assert_eq!(said.last().unwrap(), "a NO [EXPUNGEISSUED]");
        assert_told(&mut one, "STORE 3 +FLAGS.SILENT (\\Flagged)", &["a OK"]).await;
        house.leave().await;
    });
}

/// RFC 7162 §3.1.3, example 8, and what the flag's being there means to each way of STORE.
#[test]
fn never_changed_means_that_a_keyword_is_not_there() {
    run(async {
        let (house, mut one, _other) = two(1).await;
        let never = |what: &str| format!("STORE 1 (UNCHANGEDSINCE 0) {what}");
        for (store, answer) in [
            ("+FLAGS.SILENT (\\Seen)", "a OK [MODIFIED 1]"),
            ("-FLAGS.SILENT (\\Seen)", "a OK [MODIFIED 1]"),
            ("FLAGS.SILENT ($MDNSent)", "a OK [MODIFIED 1]"),
            ("+FLAGS.SILENT ($MDNSent \\Seen)", "a OK [MODIFIED 1]"),
            ("-FLAGS.SILENT ($MDNSent)", "a OK"),
            ("+FLAGS.SILENT ($MDNSent)", "a OK"),
            ("+FLAGS.SILENT ($MDNSent)", "a OK [MODIFIED 1]"),
            ("+FLAGS.SILENT ($Other $MDNSent)", "a OK [MODIFIED 1]"),
            ("-FLAGS.SILENT ($MDNSent)", "a OK [MODIFIED 1]"),
        ] {
            let said = told(&mut one, &never(store)).await;
            assert_eq!(said.last().unwrap(), answer, "{store}");
        }
        let flags = ok(&mut one, "FETCH 1 FLAGS").await;
        assert!(flags[0].contains("(FLAGS ($MDNSent))"), "{flags:?}");
        house.leave().await;
    });
}

/// RFC 7162 §3.2.10: what the client believes to be there is never EARLIER, and what it
/// knows to be gone is told by that alone.
#[test]
fn what_is_gone_and_not_told_yet_is_not_earlier() {
    run(async {
        let (house, mut one, mut other) = two(4).await;
        let since = highest(&mut one).await;
        remove(&mut other, "1").await;
        ok(&mut one, "NOOP").await;
        remove(&mut other, "3:4").await;
        let fetch = format!("UID FETCH 1:* UID (CHANGEDSINCE {since} VANISHED)");
        let said = told(&mut one, &fetch).await;
        assert_eq!(said[..2], ["* VANISHED (EARLIER) 1", "* VANISHED 3:4"]);
        assert!(said[2].starts_with("a OK [HIGHESTMODSEQ "), "{said:?}");
        let said = ["* VANISHED (EARLIER) 1,3:4", "a OK"];
        assert_told(&mut one, &fetch, &said).await;
        house.leave().await;
    });
}

/// RFC 7162 §3.2.10.2: the client may have sent more with these numbers.
#[test]
fn nothing_vanishes_during_a_command_that_names_numbers() {
    run(async {
        let (house, mut one, mut other) = two(4).await;
        remove(&mut other, "2").await;
        for command in [
            "UID SEARCH 1:4",
            "UID SEARCH OR SEEN NOT 4",
            "UID SORT (ARRIVAL) UTF-8 1:4",
            "UID THREAD REFS UTF-8 1:4",
            "ESEARCH 1:4",
            "SEARCH ALL",
            "SORT (ARRIVAL) UTF-8 ALL",
            "STORE 1 +FLAGS.SILENT (\\Seen)",
        ] {
            let said = ok(&mut one, command).await;
            assert!(!said.concat().contains("VANISHED"), "{command}: {said:?}");
        }
        let said = told(&mut one, "UID SEARCH UID 1:4").await;
        assert_eq!(said[..2], ["* SEARCH 1 3 4", "* VANISHED 2"]);
        house.leave().await;
    });
}

/// RFC 7162 §3.2.5, §3.2.11: the same mailbox once more is another one that is opened.
#[test]
fn a_mailbox_that_is_selected_again_is_closed_and_resynchronized() {
    run(async {
        let (house, mut one, mut other) = two(5).await;
        let since = highest(&mut one).await;
        let again = ok(&mut one, "SELECT INBOX").await;
        assert!(again[0].starts_with("* OK [CLOSED] "), "{again:?}");
        let validity = behind(&again, "UIDVALIDITY ").to_owned();
        remove(&mut other, "2,4").await;
        // Nothing of the old picture is told: the new one has it all.
        let resync = format!("EXAMINE INBOX (QRESYNC ({validity} {since} 1:3,5:9 (1 1)))");
        let said = ok(&mut one, &resync).await;
        assert!(said[0].starts_with("* OK [CLOSED] "), "{said:?}");
        let vanished: Vec<&String> = said.iter().filter(|it| it.contains("VANISHED")).collect();
        assert_eq!(vanished, ["* VANISHED (EARLIER) 2"]);
        assert!(said.contains(&"* 3 EXISTS".to_owned()), "{said:?}");
        // One that is no mailbox leaves none open, one that can't be read leaves all as it was.
        let wrong = "SELECT INBOX (QRESYNC (1 1 1:3 (1 1) x))";
        assert_told(&mut one, wrong, &["a BAD"]).await;
        assert_told(&mut one, "FETCH 3 UID", &["* 3 FETCH (UID 5)", "a OK"]).await;
        let said = told(&mut one, "SELECT nowhere (QRESYNC (1 1))").await;
        assert!(said[0].starts_with("* OK [CLOSED] "), "{said:?}");
        assert_eq!(said[1..], ["a NO [NONEXISTENT]"]);
        assert_told(&mut one, "FETCH 3 UID", &["a BAD"]).await;
        house.leave().await;
    });
}

/// RFC 7162 §3.2.3: enabled while a mailbox is open, for what is told next.
#[test]
fn what_is_enabled_while_a_mailbox_is_open_holds_for_what_is_told_next() {
    run(async {
        let (house, _one, mut other) = two(5).await;
        let mut late = house.client().await;
        ok(&mut late, "SELECT INBOX").await;
        let fetch = "UID FETCH 1:* UID (CHANGEDSINCE 1 VANISHED)";
        assert_told(&mut late, fetch, &["a BAD"]).await;
        remove(&mut other, "2:3").await;
        let said = told(&mut late, "ENABLE QRESYNC").await;
        assert_eq!(said[0], "* ENABLED QRESYNC");
        assert!(said[1].starts_with("* OK [HIGHESTMODSEQ "), "{said:?}");
        assert_eq!(said[2], "* VANISHED 2:3");
        assert!(said[3].starts_with("a OK [HIGHESTMODSEQ "), "{said:?}");
        let before: u64 = behind(&said[1..2], "HIGHESTMODSEQ ").parse().unwrap();
        let after: u64 = behind(&said[3..], "HIGHESTMODSEQ ").parse().unwrap();
        assert!(before < after, "{said:?}");
        assert_eq!(after, highest(&mut late).await);
        house.leave().await;
    });
}

/// RFC 9586 §3, §3.8: no command is taken that names a message by number, and no number is
/// told any more, whatever was asked for before.
#[test]
fn who_goes_by_uids_alone_neither_says_a_number_nor_hears_one() {
    run(async {
        let (house, _one, mut other) = two(4).await;
        let mut client = house.client().await;
        ok(&mut client, "SELECT INBOX").await;
        client
            .command("u", "SEARCH RETURN (UPDATE) UNFLAGGED")
            .await;
        remove(&mut other, "1").await;
        ok(&mut client, "ENABLE UIDONLY").await;
        ok(&mut other, "UID STORE 3 +FLAGS.SILENT (\\Flagged)").await;
        let said = told(&mut client, "NOOP").await;
        let updates = said.iter().filter(|it| it.starts_with("* ESEARCH"));
        let updates: Vec<&String> = updates.collect();
        assert_eq!(updates, ["* ESEARCH (TAG \"u\") UID REMOVEFROM (0 3)"]);
        for command in [
            "REPLACE 1 INBOX {1+}\r\ny",
            "ESEARCH 1:3",
            "ESEARCH IN (selected) OR SEEN *",
            "ESEARCH IN (personal) 1:3",
        ] {
            assert_told(&mut client, command, &["a BAD [UIDREQUIRED]"]).await;
        }
        let replaced = told(&mut client, "UID REPLACE 2 INBOX {1+}\r\ny").await;
        assert!(
            replaced.contains(&"* VANISHED 2".to_owned()),
            "{replaced:?}"
        );
        let found = told(&mut client, "UID SEARCH ALL").await;
        assert_eq!(found, ["* SEARCH 3 4 5", "a OK"]);
        house.leave().await;
    });
}

/// RFC 9738 §3.3.
#[test]
fn what_is_too_much_for_one_command_is_neither_sorted_nor_threaded() {
    run(async {
        let (house, one, _other) = two(4).await;
        drop(one);
        house.account.set_limits(Limits {
            messages: THREE,
            ..Limits::from(&fixture::slice())
        });
        let mut limited = house.client().await;
        ok(&mut limited, "SELECT INBOX").await;
        for (command, said) in [
            (
                "UID SORT (ARRIVAL) UTF-8 ALL",
                &["a NO [MESSAGELIMIT 3]"][..],
            ),
            (
                "UID SORT (ARRIVAL) UTF-8 UID 2:4",
                &["* SORT 2 3 4", "a OK"],
            ),
            ("UID THREAD REFS UTF-8 ALL", &["a NO [MESSAGELIMIT 3]"]),
            ("UID THREAD REFS UTF-8 UID 4", &["* THREAD (4)", "a OK"]),
        ] {
            assert_told(&mut limited, command, said).await;
        }
        house.leave().await;
    });
}

/// RFC 7162 §3.2.10, §4: what is too long for one line is told in several, and is no less
/// complete for it.
#[test]
fn what_one_line_has_no_room_for_is_told_in_several() {
    run(async {
        let (house, mut one, mut other) = two(1).await;
        for _ in 0..11 {
            ok(&mut other, "COPY 1:* INBOX").await;
        }
        ok(&mut one, "NOOP").await;
        let since = highest(&mut one).await;
        let odd: Vec<u32> = (1..=2048).filter(|uid| uid % 2 == 1).collect();
        let named: Vec<String> = odd.iter().map(u32::to_string).collect();
        remove(&mut other, &named.join(",")).await;
        let said = ok(&mut one, "NOOP").await;
        assert_eq!(vanished(&said, "* VANISHED "), odd);
        let point: u64 = behind(&said[said.len() - 1..], "HIGHESTMODSEQ ")
            .parse()
            .unwrap();
        assert_eq!(point, highest(&mut one).await);
        let fetch = format!("UID FETCH 1:* UID (CHANGEDSINCE {since} VANISHED)");
        let said = ok(&mut one, &fetch).await;
        assert_eq!(vanished(&said, "* VANISHED (EARLIER) "), odd);
        assert_told(
            &mut one,
            "FETCH 1024 UID",
            &["* 1024 FETCH (UID 2048)", "a OK"],
        )
        .await;
        house.leave().await;
    });
}

/// The single UIDs of all such lines, each of which is of bounded length.
fn vanished(said: &[String], word: &str) -> Vec<u32> {
    let lines: Vec<&str> = said
        .iter()
        .filter_map(|line| line.strip_prefix(word))
        .collect();
    let uids = |line: &&str| line.split(',').count();
    assert!(lines.iter().all(|line| uids(line) <= VANISHED_RANGES_MAX));
    let uids = lines.iter().flat_map(|line| line.split(','));
    uids.map(|uid| uid.parse().unwrap()).collect()
}
