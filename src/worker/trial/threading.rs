//! THREAD as a client sees it.

use super::{House, Wire, run};

/// A letter by its id, what it answers, its subject, and the day on which it was sent.
struct Letter {
    own: &'static str,
    ties: &'static str,
    subject: &'static str,
    day: u32,
}

fn letter(own: &'static str, ties: &'static str, subject: &'static str, day: u32) -> Letter {
    Letter {
        own,
        ties,
        subject,
        day,
    }
}

async fn fill(client: &mut Wire, letters: &[Letter]) {
    for (letter, came) in letters.iter().zip((10..29).cycle()) {
        let Letter {
            own,
            ties,
            subject,
            day,
        } = letter;
        let text = format!(
            "Message-ID: <{own}@x>\r\n{ties}\r\nSubject: {subject}\r\n\
             Date: {day} Feb 2020 12:00:00 +0000\r\n\r\n"
        );
        let command = format!(
            "APPEND INBOX \"{came}-Feb-2021 00:00:00 +0000\" {{{}+}}\r\n{text}",
            text.len()
        );
        let said = client.command("f", &command).await;
        assert!(said.last().unwrap().starts_with("f OK"), "{said:?}");
    }
}

/// What is told of these letters.
async fn threads(letters: &[Letter], command: &str) -> String {
    let house = House::new();
    let mut client = house.client().await;
    fill(&mut client, letters).await;
    client.command("s", "SELECT INBOX").await;
    let said = client.command("t", command).await;
    assert_eq!(said.last().unwrap(), "t OK Threaded", "{said:?}");
    said[0].clone()
}

#[test]
fn threads_are_told_as_the_rfc_shows_them() {
    // The second example of RFC 5256 §4, by other numbers; and the third.
    let tree = [
        letter("1", "X: y", "a", 1),
        letter("2", "X: y", "b", 2),
        letter("3", "References: <2@x>", "c", 3),
        letter("4", "References: <2@x> <3@x>", "d", 4),
        letter("5", "In-Reply-To: <4@x>", "e", 5),
        letter("6", "References:\r\n <2@x>\r\n < 3 @x>", "f", 6),
        letter(
            "7",
            "References: junk\r\nIn-Reply-To: <6@x> of today",
            "g",
            7,
        ),
        letter("8", "References: <7@x>", "h", 8),
    ];
    let siblings = [
        letter("2", "References: <1@x>", "a", 2),
        letter("3", "References: <1@x>", "b", 1),
    ];
    run(async {
        let told = threads(&tree, "THREAD REFERENCES UTF-8 ALL").await;
        assert_eq!(told, "* THREAD (1)(2 3 (4 5)(6 7 8))");
        let told = threads(&siblings, "THREAD REFERENCES US-ASCII ALL").await;
        assert_eq!(told, "* THREAD ((2)(1))");
        let told = threads(&siblings, "UID THREAD REFS US-ASCII SUBJECT b").await;
        assert_eq!(told, "* THREAD (2)");
        let told = threads(&siblings, "THREAD REFS US-ASCII SUBJECT c").await;
        assert_eq!(told, "* THREAD");
    });
}

#[test]
fn a_subject_ties_as_the_algorithm_has_it() {
    let letters = [
        letter("1", "X: y", "Re: gr\u{fc}n", 4),
        letter("2", "X: y", "[list] GR\u{dc}N", 3),
        letter("3", "X: y", "other", 2),
        letter("4", "X: y", "=?utf-8?q?Fwd:_gr=C3=BCn?=", 5),
        letter("5", "References: <3@x>", "other", 1),
    ];
    run(async {
        let told = threads(&letters, "THREAD ORDEREDSUBJECT UTF-8 ALL").await;
        assert_eq!(told, "* THREAD (5 3)(2 (1)(4))");
        let told = threads(&letters, "THREAD REFERENCES UTF-8 ALL").await;
        assert_eq!(told, "* THREAD (3 5)(2 (1)(4))");
        let told = threads(&letters, "THREAD REFS UTF-8 ALL").await;
        assert_eq!(told, "* THREAD (1)(2)(4)(3 5)");
    });
}

#[test]
fn uid_thread_tells_uids_and_what_is_no_thread_is_refused() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let letters = ["1", "2", "3"].map(|own| letter(own, "References: <1@x>", "a", 1));
        fill(&mut client, &letters).await;
        client.command("s", "SELECT INBOX").await;
        client
            .command("d", "STORE 1 +FLAGS.SILENT (\\Deleted)")
            .await;
        client.command("e", "EXPUNGE").await;
        let said = client.command("a", "THREAD REFS UTF-8 ALL").await;
        assert_eq!(said[0], "* THREAD ((1)(2))");
        let said = client.command("b", "UID THREAD refs UTF-8 ALL").await;
        assert_eq!(said[0], "* THREAD ((2)(3))");
        let said = client.command("c", "THREAD JWZ UTF-8 ALL").await;
        assert!(said[0].starts_with("c BAD"), "{said:?}");
        let said = client.command("g", "THREAD REFS x-none ALL").await;
        assert!(said[0].starts_with("g NO [BADCHARSET"), "{said:?}");
    });
}

#[test]
fn letters_of_many_steps_are_added_in_the_order_of_the_mailbox() {
    // All have the same id, which only the first may keep, whoever is read first.
    let count = crate::suspects::TOGETHER_MAX + 1;
    let mut letters: Vec<Letter> = (0..count).map(|_| letter("1", "X: y", "", 1)).collect();
    letters.push(letter("2", "References: <1@x>", "", 1));
    run(async {
        let told = threads(&letters, "THREAD REFERENCES UTF-8 ALL").await;
        let alone: String = (2..=count).map(|number| format!("({number})")).collect();
        assert_eq!(told, format!("* THREAD (1 {}){alone}", count + 1));
    });
}
