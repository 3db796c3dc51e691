//! What clients go by instead of names and dates of their own: RFC 8474's identifiers,
//! RFC 8514's date of saving, RFC 8970's first words.

use super::{House, Wire, run};
use journal::sim::SimDisk;

const LETTERS: [&str; 3] = [
    "Subject: Message A\r\nMessage-ID: <fake.1521475657.54797@example.com>\r\n\r\nFirst words",
    "Subject: Re: Message A\r\nMessage-ID: <fake.1521475657.21213@example.org>\r\n\
     References: <fake.1521475657.54797@example.com>\r\n\r\nAn answer",
    "Subject: Message C\r\nMessage-ID: <fake.1521475657.60280@example.com>\r\n\
     Content-Type: image/png\r\n\r\nnobody reads this",
];

async fn append(client: &mut Wire, letter: &str) {
    let date = "\"20-Mar-2018 03:07:37 +1100\"";
    let head = format!(
        "a APPEND INBOX {date} {{{}+}}\r\n{letter}\r\n",
        letter.len()
    );
    client.send(head.as_bytes()).await;
    let said = client.answer("a").await.pop().unwrap();
    assert!(said.starts_with("a OK"), "{said}");
}

/// A client of a house with the RFC's three letters, who has INBOX open.
async fn reader(house: &House) -> Wire {
    let mut client = house.client().await;
    for letter in LETTERS {
        append(&mut client, letter).await;
    }
    client.command("s", "SELECT INBOX").await;
    client
}

/// What stands behind a word, in parentheses.
fn named(lines: &[String], word: &str) -> Vec<String> {
    let before = format!("{word} (");
    let of = |line: &String| {
        let (_, rest) = line.split_once(&before)?;
        Some(rest.split_once(')')?.0.to_owned())
    };
    lines.iter().filter_map(of).collect()
}

async fn mailbox_id(client: &mut Wire, command: &str) -> String {
    let said = client.command("m", command).await;
    let ids = named(&said, "MAILBOXID");
    assert_eq!(ids.len(), 1, "{command}: {said:?}");
    ids.into_iter().next().unwrap()
}

#[test]
fn a_mailbox_has_one_id_wherever_it_is_told_and_however_it_is_called() {
    run(async {
        let mut client = House::new().client().await;
        let id = mailbox_id(&mut client, "CREATE foo").await;
        let bar = mailbox_id(&mut client, "CREATE deep/below/bar").await;
        assert_ne!(id, bar);
        for command in ["SELECT foo", "EXAMINE foo", "STATUS foo (mailboxid)"] {
            assert_eq!(mailbox_id(&mut client, command).await, id, "{command}");
        }
        let status = "STATUS deep/below/bar (MESSAGES MAILBOXID)";
        assert_eq!(mailbox_id(&mut client, status).await, bar);
        client.command("r", "RENAME foo renamed").await;
        let list = "LIST \"\" renamed RETURN (STATUS (MAILBOXID))";
        assert_eq!(mailbox_id(&mut client, list).await, id);
        client.command("d", "DELETE renamed").await;
        assert_ne!(mailbox_id(&mut client, "CREATE renamed").await, id);
        let failed = client.command("c", "CREATE renamed").await;
        assert!(named(&failed, "MAILBOXID").is_empty(), "{failed:?}");
    });
}

#[test]
fn a_renamed_inbox_keeps_its_id_and_what_was_in_it_has_another() {
    run(async {
        let mut client = House::new().client().await;
        let inbox = mailbox_id(&mut client, "STATUS INBOX (MAILBOXID)").await;
        client.command("r", "RENAME INBOX old").await;
        let old = mailbox_id(&mut client, "STATUS old (MAILBOXID)").await;
        assert_ne!(old, inbox);
        let again = mailbox_id(&mut client, "STATUS INBOX (MAILBOXID)").await;
        assert_eq!(again, inbox);
    });
}

#[test]
fn a_message_keeps_its_ids_when_it_is_copied_or_moved() {
    run(async {
        let house = House::new();
        let mut client = reader(&house).await;
        let said = client.command("f", "FETCH 1:* (EMAILID THREADID)").await;
        let (emails, threads) = (named(&said, "EMAILID"), named(&said, "THREADID"));
        assert_eq!((emails.len(), threads.len()), (3, 3), "{said:?}");
        assert!(emails[0] != emails[1] && emails[1] != emails[2] && emails[0] != emails[2]);
        assert!(threads[0] == threads[1] && threads[1] != threads[2]);
        assert!(!emails.iter().any(|id| threads.contains(id)));
        client.command("c", "CREATE foo").await;
        client.command("c", "COPY 1 foo").await;
        client.command("m", "MOVE 2 foo").await;
        let left = client.command("f", "FETCH 1:* EMAILID").await;
        assert_eq!(named(&left, "EMAILID"), [&emails[0][..], &emails[2][..]]);
        client.command("s", "SELECT foo").await;
        let there = client
            .command("f", "UID FETCH 1:* (THREADID EMAILID)")
            .await;
        assert_eq!(named(&there, "EMAILID"), emails[..2]);
        assert_eq!(named(&there, "THREADID"), threads[..2]);
    });
}

#[test]
fn messages_are_found_by_their_ids() {
    run(async {
        let house = House::new();
        let mut client = reader(&house).await;
        let said = client.command("f", "FETCH 1:* (EMAILID THREADID)").await;
        let (emails, threads) = (named(&said, "EMAILID"), named(&said, "THREADID"));
        for (key, found) in [
            (format!("EMAILID {}", emails[0]), "* SEARCH 1"),
            (format!("THREADID {}", threads[0]), "* SEARCH 1 2"),
            (
                format!("OR EMAILID {} THREADID {}", emails[1], threads[2]),
                "* SEARCH 2 3",
            ),
            (format!("NOT EMAILID {}", emails[1]), "* SEARCH 1 3"),
            (format!("EMAILID {}", emails[0].to_lowercase()), "* SEARCH"),
            (format!("EMAILID {}", threads[0]), "* SEARCH"),
            ("THREADID T64b478a75b7ea9".to_owned(), "* SEARCH"),
        ] {
            let said = client.command("s", &format!("SEARCH {key}")).await;
            assert_eq!(said[0], found, "{key}");
        }
        let said = client.command("s", "SEARCH EMAILID \"M1\"").await;
        assert!(said[0].starts_with("s BAD"), "{said:?}");
    });
}

#[test]
fn ids_outlive_their_worker() {
    run(async {
        let disk = SimDisk::new(1);
        let asked = "FETCH 1:* (EMAILID THREADID SAVEDATE)";
        let house = House::on(&disk);
        let mut client = reader(&house).await;
        let before = client.command("f", asked).await;
        let inbox = mailbox_id(&mut client, "STATUS INBOX (MAILBOXID)").await;
        let house = House::on(&disk.restore_power());
        let mut client = house.client().await;
        client.command("s", "SELECT INBOX").await;
        assert_eq!(client.command("f", asked).await, before);
        let again = mailbox_id(&mut client, "STATUS INBOX (MAILBOXID)").await;
        assert_eq!(again, inbox);
    });
}

#[test]
fn what_was_written_long_ago_was_saved_today() {
    run(async {
        let house = House::new();
        let mut client = reader(&house).await;
        let said = client.command("f", "FETCH 1 (INTERNALDATE SAVEDATE)").await;
        let (internal, saved) = said[0].split_once(" SAVEDATE \"").unwrap();
        assert!(internal.ends_with("INTERNALDATE \"20-Mar-2018 03:07:37 +1100\""));
        assert!(
            saved.ends_with(" +0000\")") && !saved.contains("-2018 "),
            "{saved}"
        );
        let today = saved.trim_start().split_once(' ').unwrap().0.to_owned();
        for (key, found) in [
            (format!("SAVEDON {today} 1"), "* SEARCH 1"),
            (format!("SAVEDSINCE {today} 2"), "* SEARCH 2"),
            (format!("SAVEDBEFORE {today}"), "* SEARCH"),
            ("SAVEDSINCE 20-Mar-2018".to_owned(), "* SEARCH 1 2 3"),
            ("SAVEDON 20-Mar-2018".to_owned(), "* SEARCH"),
            ("SAVEDATESUPPORTED".to_owned(), "* SEARCH 1 2 3"),
            ("NOT SAVEDATESUPPORTED".to_owned(), "* SEARCH"),
        ] {
            let said = client.command("s", &format!("SEARCH {key}")).await;
            assert_eq!(said[0], found, "{key}");
        }
    });
}

#[test]
fn first_words_are_told_in_haste_or_not_and_none_are_an_empty_string() {
    run(async {
        let house = House::new();
        let mut client = reader(&house).await;
        let words = [
            "* 1 FETCH (UID 1 PREVIEW \"First words\")",
            "* 2 FETCH (UID 2 PREVIEW \"An answer\")",
            "* 3 FETCH (UID 3 PREVIEW \"\")",
        ];
        let said = client.command("f", "FETCH 1:* (UID PREVIEW)").await;
        assert_eq!(said[..3], words);
        // It was looked into, so nobody must wait any more.
        let said = client.command("f", "FETCH 1:* (UID PREVIEW (LAZY))").await;
        assert_eq!(said[..3], words);
        let said = client.command("f", "FETCH 1 (FLAGS)").await;
        assert!(!said[0].contains("Seen"), "{said:?}");
    });
}
