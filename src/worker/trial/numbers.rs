//! Commands that mean many messages: pages of them (RFC 9394), limits (RFC 9738), and what
//! is said while they take long (RFC 9585).

use super::{House, Wire, run};
use crate::account::Limits;
use crate::fixture;
use ipc::slice::MessageLimits;
use std::time::Duration;

fn limit(house: &House, messages: MessageLimits) {
    house.account.set_limits(Limits {
        messages,
        ..Limits::from(&fixture::slice())
    });
}

const THREE: MessageLimits = MessageLimits {
    per_command: Some(3),
    per_copy: None,
};

const THREE_TO_COPY: MessageLimits = MessageLimits {
    per_command: None,
    per_copy: Some(3),
};

/// Letters of which the even are flagged.
async fn fill(client: &mut Wire, letters: usize) {
    let letter = |at: usize| match at % 2 {
        0 => "(\\Flagged) {1+}\r\nx",
        _ => "{1+}\r\nx",
    };
    for from in (1..=letters).step_by(200) {
        let some = from..=letters.min(from + 199);
        let letters: Vec<&str> = some.map(letter).collect();
        let command = format!("APPEND INBOX {}", letters.join(" "));
        let said = client.command("f", &command).await;
        assert!(said.last().unwrap().starts_with("f OK"), "{said:?}");
    }
}

/// A house with a limit, and one client that has six letters before it.
async fn limited(messages: MessageLimits) -> (House, Wire) {
    let house = House::new();
    limit(&house, messages);
    let mut client = house.client().await;
    fill(&mut client, 6).await;
    client.command("s", "SELECT INBOX").await;
    (house, client)
}

/// What is said to a command, tag and text of the answer apart.
async fn told(client: &mut Wire, command: &str) -> Vec<String> {
    let mut said = client.command("a", command).await;
    let answer = said.pop().unwrap();
    let code = answer.split_once(']').map(|(code, _)| format!("{code}]"));
    let bare = answer.split(' ').take(2).collect::<Vec<_>>().join(" ");
    said.push(code.unwrap_or(bare));
    said
}

async fn assert_told(client: &mut Wire, known: &[(&str, &[&str])]) {
    for (command, said) in known {
        assert_eq!(told(client, command).await, *said, "{command}");
    }
}

#[test]
fn a_limit_is_announced_and_none_where_none_is_set() {
    run(async {
        for (messages, announced) in [
            (THREE, Some("MESSAGELIMIT=3")),
            (THREE_TO_COPY, Some("SAVELIMIT=3")),
            (MessageLimits::default(), None),
        ] {
            let (house, mut client) = limited(messages).await;
            let said = client.command("c", "CAPABILITY").await;
            let limits = said[0].split(' ').filter(|word| word.contains("EL"));
            let limits: Vec<&str> = limits.filter(|word| word.contains("LIMIT=")).collect();
            assert_eq!(limits, announced.as_slice());
            house.leave().await;
        }
    });
}

/// RFC 9738 §3.1: the newest are taken, the lowest of them is said, and the client goes on
/// below it.
#[test]
fn of_too_many_messages_the_newest_are_read_and_changed() {
    run(async {
        let (house, mut client) = limited(THREE).await;
        assert_told(
            &mut client,
            &[
                (
                    "UID FETCH 1:* UID",
                    &[
                        "* 4 FETCH (UID 4)",
                        "* 5 FETCH (UID 5)",
                        "* 6 FETCH (UID 6)",
                        "a OK [MESSAGELIMIT 3 4]",
                    ],
                ),
                (
                    "UID FETCH 1:2,5 FLAGS",
                    &[
                        "* 1 FETCH (UID 1 FLAGS (\\Recent))",
                        "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent))",
                        "* 5 FETCH (UID 5 FLAGS (\\Recent))",
                        "a OK",
                    ],
                ),
                (
                    "FETCH 1:2,6,4 UID",
                    &[
                        "* 2 FETCH (UID 2)",
                        "* 4 FETCH (UID 4)",
                        "* 6 FETCH (UID 6)",
                        "a OK [MESSAGELIMIT 3 2]",
                    ],
                ),
                (
                    "UID STORE 1:* +FLAGS.SILENT (\\Seen)",
                    &["a OK [MESSAGELIMIT 3 4]"],
                ),
                ("UID SEARCH UID 1:3 SEEN", &["* SEARCH", "a OK"]),
                ("UID SEARCH UID 4:6 SEEN", &["* SEARCH 4 5 6", "a OK"]),
            ],
        )
        .await;
        house.leave().await;
    });
}

/// As many are searched, however many are found; UIDs in the key are a narrower search
/// (RFC 9738 §3.1, §3.2), and `$` has what was found (§3.4).
#[test]
fn of_too_many_messages_the_newest_are_searched() {
    run(async {
        let (house, mut client) = limited(THREE).await;
        assert_told(
            &mut client,
            &[
                (
                    "UID SEARCH FLAGGED",
                    &["* SEARCH 4 6", "a OK [MESSAGELIMIT 3 4]"],
                ),
                ("UID SEARCH UIDBEFORE 4 FLAGGED", &["* SEARCH 2", "a OK"]),
                ("UID SEARCH UIDAFTER 3", &["* SEARCH 4 5 6", "a OK"]),
                (
                    "SEARCH 2:6 FLAGGED",
                    &["* SEARCH 4 6", "a OK [MESSAGELIMIT 3 4]"],
                ),
                (
                    "UID SEARCH RETURN (COUNT MIN SAVE) ALL",
                    &[
                        "* ESEARCH (TAG \"a\") UID MIN 4 COUNT 3",
                        "a OK [MESSAGELIMIT 3 4]",
                    ],
                ),
                ("UID SEARCH $", &["* SEARCH 4 5 6", "a OK"]),
                (
                    "UID SEARCH RETURN (PARTIAL -1:-5) ALL",
                    &[
                        "* ESEARCH (TAG \"a\") UID PARTIAL (-1:-5 4:6)",
                        "a OK [MESSAGELIMIT 3 4]",
                    ],
                ),
            ],
        )
        .await;
        house.leave().await;
    });
}

/// COPY is all or nothing; MOVE takes the newest, and once more the rest.
#[test]
fn too_many_messages_are_moved_in_parts_and_not_copied() {
    run(async {
        let (house, mut client) = limited(THREE).await;
        assert_told(
            &mut client,
            &[
                ("UID COPY 1:* Archive", &["a NO [MESSAGELIMIT 3 4]"]),
                ("COPY 2:6 Archive", &["a NO [MESSAGELIMIT 3 4]"]),
                (
                    "STATUS Archive (MESSAGES)",
                    &["* STATUS Archive (MESSAGES 0)", "a OK"],
                ),
            ],
        )
        .await;
        let moved = told(&mut client, "UID MOVE 1:* Archive").await;
        assert!(moved[0].starts_with("* OK [COPYUID "), "{moved:?}");
        assert!(moved[0].contains(" 4:6 1:3] "), "{moved:?}");
        let gone = [
            "* 6 EXPUNGE",
            "* 5 EXPUNGE",
            "* 4 EXPUNGE",
            "a OK [MESSAGELIMIT 3 4]",
        ];
        assert_eq!(moved[1..], gone);
        let moved = told(&mut client, "UID MOVE 1:* Archive").await;
        assert_eq!(moved.last().unwrap(), "a OK");
        let status = "STATUS Archive (MESSAGES)";
        assert_told(
            &mut client,
            &[(status, &["* STATUS Archive (MESSAGES 6)", "a OK"])],
        )
        .await;
        house.leave().await;
    });
}

/// UID EXPUNGE counts what is marked as deleted; EXPUNGE and CLOSE have no limit.
#[test]
fn of_too_many_deleted_messages_uid_expunge_removes_the_newest_and_expunge_all() {
    run(async {
        let (house, mut client) = limited(THREE).await;
        for set in ["1:3", "5:6"] {
            let store = format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)");
            assert_told(&mut client, &[(&store, &["a OK"])]).await;
        }
        assert_told(
            &mut client,
            &[
                (
                    "UID EXPUNGE 1:*",
                    &[
                        "* 6 EXPUNGE",
                        "* 5 EXPUNGE",
                        "* 3 EXPUNGE",
                        "a OK [MESSAGELIMIT 3 3]",
                    ],
                ),
                ("UID SEARCH ALL", &["* SEARCH 1 2 4", "a OK"]),
            ],
        )
        .await;
        fill(&mut client, 6).await;
        for set in ["1:4", "7:9", "10:12"] {
            let store = format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)");
            client.command("d", &store).await;
        }
        let expunged = told(&mut client, "EXPUNGE").await;
        assert_eq!(expunged.len(), 10, "{expunged:?}");
        assert_eq!(expunged[9], "a OK");
        // As many as may be are no cut.
        fill(&mut client, 3).await;
        client
            .command("d", "STORE 1:3 +FLAGS.SILENT (\\Deleted)")
            .await;
        let gone = ["* 3 EXPUNGE", "* 2 EXPUNGE", "* 1 EXPUNGE", "a OK"];
        assert_told(&mut client, &[("UID EXPUNGE 1:*", &gone)]).await;
        house.leave().await;
    });
}

#[test]
fn a_limit_of_copies_is_one_of_copies_alone() {
    run(async {
        let (house, mut client) = limited(THREE_TO_COPY).await;
        assert_told(
            &mut client,
            &[
                ("UID COPY 1:* Archive", &["a NO [MESSAGELIMIT 3 4]"]),
                ("UID SEARCH FLAGGED", &["* SEARCH 2 4 6", "a OK"]),
                ("UID STORE 1:* +FLAGS.SILENT (\\Seen)", &["a OK"]),
            ],
        )
        .await;
        let moved = told(&mut client, "UID MOVE 1:* Archive").await;
        assert_eq!(moved.last().unwrap(), "a OK");
        house.leave().await;
    });
}

/// RFC 9738 §3.1: what else a client acts upon stays in the answer.
#[test]
fn where_the_answer_has_something_else_to_say_the_limit_is_said_before() {
    run(async {
        let (house, mut client) = limited(THREE).await;
        let said = told(
            &mut client,
            "UID STORE 1:* (UNCHANGEDSINCE 1) +FLAGS (\\Seen)",
        )
        .await;
        let limit = said
            .iter()
            .position(|line| line.starts_with("* NO [MESSAGELIMIT 3 4] "));
        assert_eq!(limit, Some(said.len() - 2), "{said:?}");
        assert_eq!(said.last().unwrap(), "a OK [MODIFIED 4:6]");
        house.leave().await;
    });
}

#[test]
fn a_page_that_is_longer_than_a_command_is_refused() {
    run(async {
        let (house, mut client) = limited(THREE).await;
        assert_told(
            &mut client,
            &[
                (
                    "UID FETCH 1:* UID (PARTIAL -1:-4)",
                    &["a NO [MESSAGELIMIT 3]"],
                ),
                (
                    "UID FETCH 1:* UID (PARTIAL -4:-6)",
                    &[
                        "* 1 FETCH (UID 1)",
                        "* 2 FETCH (UID 2)",
                        "* 3 FETCH (UID 3)",
                        "a OK",
                    ],
                ),
                (
                    "UID FETCH 1:* UID (PARTIAL -5:-6)",
                    &["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "a OK"],
                ),
            ],
        )
        .await;
        house.leave().await;
    });
}

/// RFC 7377 §2.4: where one command may take only so many, none of several mailboxes is
/// searched in part.
#[test]
fn of_one_mailbox_the_newest_are_searched_and_of_several_with_too_many_none() {
    run(async {
        let (house, mut client) = limited(THREE).await;
        client.command("c", "CREATE one").await;
        client.command("c", "CREATE two").await;
        client.command("c", "COPY 1:2 one").await;
        client.command("c", "COPY 3 two").await;
        let of = |name: &str| {
            let status = house.account.store();
            let name = store::MailboxName::new([name]).unwrap();
            let handle = status.open_mailbox(&store::Principal::Owner, &name);
            handle.unwrap().validity().get()
        };
        let told = |name: &str, found: &str| {
            let validity = of(name);
            format!("* ESEARCH (TAG \"a\" MAILBOX {name} UIDVALIDITY {validity}) UID {found}")
        };
        let (inbox, one) = (told("INBOX", "ALL 4,6"), told("one", "ALL 2"));
        assert_told(
            &mut client,
            &[
                ("ESEARCH FLAGGED", &[&inbox, "a OK [MESSAGELIMIT 3 4]"]),
                (
                    "ESEARCH IN (mailboxes (INBOX none)) FLAGGED",
                    &[&inbox, "a OK [MESSAGELIMIT 3 4]"],
                ),
                ("ESEARCH IN (mailboxes (one two)) FLAGGED", &[&one, "a OK"]),
                (
                    "ESEARCH IN (mailboxes (INBOX two)) FLAGGED",
                    &["a NO [LIMIT]"],
                ),
                ("ESEARCH IN (personal) FLAGGED", &["a NO [LIMIT]"]),
                (
                    "ESEARCH RETURN (PARTIAL -1:-5) ALL",
                    &[
                        &told("INBOX", "PARTIAL (-1:-5 4:6)"),
                        "a OK [MESSAGELIMIT 3 4]",
                    ],
                ),
            ],
        )
        .await;
        house.leave().await;
    });
}

/// Whichever way a page is looked for, and however far, it is that of all results.
#[test]
fn a_page_that_is_looked_for_alone_is_that_of_all_results() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        fill(&mut client, 2400).await;
        client.command("s", "SELECT INBOX").await;
        client
            .command("d", "STORE 3:900 +FLAGS.SILENT (\\Deleted)")
            .await;
        let keys = [
            "ALL",
            "FLAGGED",
            "DELETED FLAGGED",
            "UNDELETED",
            "SEEN",
            "5:40,80:2399 FLAGGED",
        ];
        let pages = [
            "1:3",
            "1:5000",
            "1100:1300",
            "-1:-3",
            "-1:-5000",
            "-600:-1150",
            "-400:-500",
        ];
        for key in keys {
            for page in pages {
                let alone = format!("SEARCH RETURN (PARTIAL {page}) {key}");
                let alone = client.command("a", &alone).await.remove(0);
                let with_all = format!("SEARCH RETURN (PARTIAL {page} COUNT) {key}");
                let with_all = client.command("a", &with_all).await.remove(0);
                let (_, partial) = with_all.split_once(" PARTIAL ").unwrap();
                assert_eq!(alone, format!("* ESEARCH (TAG \"a\") PARTIAL {partial}"));
            }
        }
        house.leave().await;
    });
}

#[test]
fn a_client_whose_search_takes_long_hears_that_it_goes_on() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        super::limits::fill(&mut client, 40, 200_000).await;
        client.command("s", "SELECT INBOX").await;
        let mut other = house.client().await;
        let keys: Vec<String> = (0..60).map(|n| format!("OR BODY never{n}")).collect();
        let search = format!("long SEARCH {} BODY nowhere\r\n", keys.join(" "));
        client.send(search.as_bytes()).await;
        // It has begun, and ten seconds pass.
        other.command("n", "NOOP").await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
        let said = client.answer("long").await;
        let (done, rest) = said[0]
            .strip_prefix("* OK [INPROGRESS (\"long\" ")
            .and_then(|state| state.split_once(' '))
            .unwrap();
        let (goal, text) = rest.split_once(")] ").unwrap();
        assert!(done.parse::<u32>().unwrap() < 40, "{done}");
        assert_eq!((goal, text), ("40", "Still at it"));
        assert_eq!(said[1], "* SEARCH");
        assert_eq!(said.len(), 3, "{said:?}");
        house.leave().await;
    });
}
