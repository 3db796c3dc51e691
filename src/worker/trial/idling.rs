//! What a session is told that asks for nothing in particular, in IDLE and with NOOP: new
//! messages at once, and of messages never more than their flags, UIDs and
//! mod-sequences. Apple's Mail has failed over more; others' servers forgot the messages.

use super::{House, Wire, run};
use journal::sim::Random;

/// What a client may have said before, each with another way to be told.
const MODES: [&str; 8] = [
    "NOOP",
    "ENABLE CONDSTORE",
    "ENABLE QRESYNC",
    "ENABLE IMAP4rev2",
    "ENABLE UIDONLY",
    "ENABLE QRESYNC UIDONLY",
    "NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))",
    "NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge FlagChange))",
];

/// A client that has opened INBOX and hears what is done there by others.
async fn listener(house: &House, mode: &str) -> Wire {
    let mut listener = house.client().await;
    for command in ["SELECT INBOX", mode] {
        let said = listener.command("l", command).await;
        assert!(said.last().unwrap().starts_with("l OK"), "{said:?}");
    }
    listener
}

/// Whether a line is one of those that may come unasked.
fn is_modest(line: &str) -> bool {
    let told = line.strip_prefix("* ").unwrap_or_default();
    let (first, rest) = told.split_once(' ').unwrap_or_default();
    let is_number = first.bytes().all(|byte| byte.is_ascii_digit());
    match (first, rest) {
        ("FLAGS" | "VANISHED", _) => true,
        ("OK", rest) => rest.starts_with("[HIGHESTMODSEQ "),
        (_, "EXISTS" | "RECENT" | "EXPUNGE") => is_number,
        (_, rest) => {
            let items = rest
                .strip_prefix("FETCH (")
                .or(rest.strip_prefix("UIDFETCH ("));
            is_number && items.is_some_and(are_modest)
        }
    }
}

/// Whether the items of a FETCH are no more than flags, UID and mod-sequence.
fn are_modest(items: &str) -> bool {
    let mut rest = items;
    while !rest.is_empty() && rest != ")" {
        let Some((item, behind)) = rest.trim_start().split_once(' ') else {
            return false;
        };
        let value = match item {
            "FLAGS" | "MODSEQ" => behind.strip_prefix('(').and_then(|it| it.split_once(')')),
            "UID" => Some(behind.split_at(behind.find([' ', ')']).unwrap_or(behind.len()))),
            _ => None,
        };
        let Some((_, behind)) = value else {
            return false;
        };
        rest = behind;
    }
    rest == ")"
}

async fn disturb(actor: &mut Wire, random: &mut Random) {
    let message = random.below(6) + 1;
    let command = match random.below(7) {
        0 | 1 => "APPEND INBOX (\\Flagged $Label) {1+}\r\nx".to_owned(),
        2 => format!("UID STORE {message}:* +FLAGS.SILENT (\\Deleted)"),
        3 => "EXPUNGE".to_owned(),
        4 => format!("UID STORE {message}:* -FLAGS.SILENT (\\Seen)"),
        5 => format!("UID STORE {message} +FLAGS.SILENT ($k{message} \\Seen)"),
        _ => "COPY 1:* INBOX".to_owned(),
    };
    actor.command("a", &command).await;
}

#[test]
fn idle_tells_of_a_new_message_at_once_whatever_was_enabled() {
    for mode in MODES {
        run(async {
            let house = House::new();
            let (mut actor, mut idler) = (house.client().await, listener(&house, mode).await);
            idler.send(b"i IDLE\r\n").await;
            assert_eq!(idler.line().await, "+ OK");
            for number in 1..=3 {
                actor.command("a", "APPEND INBOX {1+}\r\nx").await;
                // Not a word was said meanwhile.
                assert_eq!(idler.line().await, format!("* {number} EXISTS"), "{mode}");
                let may_be_recent = mode != "ENABLE IMAP4rev2";
                if may_be_recent {
                    assert!(idler.line().await.ends_with(" RECENT"), "{mode}");
                }
            }
            house.leave().await;
        });
    }
}

#[test]
fn nobody_is_told_more_unasked_than_flags_uids_and_mod_sequences() {
    for (seed, mode) in MODES.into_iter().enumerate() {
        run(async {
            let house = House::new();
            let mut random = Random::new(seed as u64);
            let mut actor = house.client().await;
            for _ in 0..6 {
                actor.command("a", "APPEND INBOX {1+}\r\nx").await;
            }
            actor.command("s", "SELECT INBOX").await;
            let (mut idler, mut asker) =
                (listener(&house, mode).await, listener(&house, mode).await);
            let (mut lines, mut flags_told) = (Vec::new(), [false; 2]);
            for _ in 0..12 {
                idler.send(b"i IDLE\r\n").await;
                for _ in 0..6 {
                    disturb(&mut actor, &mut random).await;
                }
                actor
                    .command("a", "UID STORE * +FLAGS.SILENT (\\Answered)")
                    .await;
                actor
                    .command("a", "UID STORE * -FLAGS.SILENT (\\Answered)")
                    .await;
                lines.extend(asker.command("n", "NOOP").await);
                flags_told[0] |= lines.iter().any(|line| line.contains("FETCH ("));
                idler.send(b"DONE\r\n").await;
                let told = idler.answer("i").await;
                flags_told[1] |= told.iter().any(|line| line.contains("FETCH ("));
                lines.extend(told);
            }
            lines.retain(|line| line.starts_with("* "));
            let odd: Vec<_> = lines.iter().filter(|line| !is_modest(line)).collect();
            assert!(odd.is_empty(), "{mode}: {odd:?}");
            assert_eq!(flags_told, [true; 2], "{mode}: {lines:?}");
            house.leave().await;
        });
    }
}

#[test]
fn what_is_too_much_is_seen_to_be() {
    for line in [
        "* 1 FETCH (FLAGS (\\Seen $a) UID 3 MODSEQ (9))",
        "* 3 UIDFETCH (MODSEQ (9) FLAGS ())",
        "* 1 FETCH (UID 3)",
        "* 3 EXISTS",
        "* VANISHED 1:3",
        "* FLAGS (\\Seen)",
    ] {
        assert!(is_modest(line), "{line}");
    }
    for line in [
        "* 1 FETCH (FLAGS () RFC822.SIZE 3)",
        "* 1 FETCH (ENVELOPE NIL)",
        "* 1 FETCH (INTERNALDATE \"x\" FLAGS ())",
        "* 1 FETCH (BODY[] {1}",
        "* 1 FETCH ()x",
        "* LIST () \"/\" x",
        "* SEARCH 1",
    ] {
        assert!(!is_modest(line), "{line}");
    }
}
