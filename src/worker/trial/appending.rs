//! Letters on their way in: large ones, several at once, and those that never
//! arrive in full.

use super::{House, Wire, open, run};
use crate::scratch::Scratch;
use journal::disk::OsDisk;
use proptest::prelude::*;

/// A letter of that many bytes in which no two places look alike.
fn letter(bytes: usize) -> String {
    let mut text = String::from("Subject: long\r\n\r\n");
    let mut line = 0;
    while text.len() < bytes {
        text.push_str(&format!("line {line}\r\n"));
        line += 1;
    }
    text.truncate(bytes);
    text
}

/// Sends an APPEND in pieces; what is answered.
async fn append(client: &mut Wire, text: &str, piece: usize) -> String {
    client
        .send(format!("a APPEND INBOX {{{}+}}\r\n", text.len()).as_bytes())
        .await;
    for piece in text.as_bytes().chunks(piece) {
        client.send(piece).await;
    }
    client.send(b"\r\n").await;
    client.answer("a").await.pop().unwrap()
}

/// A letter's bytes by its sequence number, literal and all.
async fn read(client: &mut Wire, number: u32, bytes: usize) -> String {
    client
        .send(format!("r FETCH {number} BODY.PEEK[]\r\n").as_bytes())
        .await;
    assert_eq!(
        client.line().await,
        format!("* {number} FETCH (BODY[] {{{bytes}}}")
    );
    let mut text = client.answer("r").await;
    assert_eq!(text.pop().unwrap(), "r OK Fetched");
    let text = text.join("\r\n");
    text.strip_suffix(')').unwrap().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_letter_of_any_size_comes_out_as_it_went_in(
        bytes in prop_oneof![1usize..2000, 250_000usize..270_000, 500_000usize..900_000],
        piece in 1000usize..200_000,
    ) {
        run(async {
            let house = House::new();
            let mut client = house.client().await;
            let text = letter(bytes);
            let said = append(&mut client, &text, piece).await;
            assert!(said.starts_with("a OK [APPENDUID "), "{said}");
            client.command("b", "EXAMINE INBOX").await;
            assert!(read(&mut client, 1, bytes).await == text);
            house.leave().await;
        });
    }
}

#[test]
fn several_letters_become_visible_at_once_or_not_at_all() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let mut other = house.client().await;
        other.command("s", "SELECT INBOX").await;
        client
            .send(b"a APPEND INBOX {3+}\r\none (\\Seen) {3+}\r\ntwo")
            .await;
        // Nothing is to be seen while the command is not complete.
        let waiting = other.command("n", "NOOP").await;
        assert_eq!(waiting, ["n OK Nothing done"]);
        client.send(b"\r\n").await;
        assert!(client.answer("a").await[0].contains(" 1:2] "));
        let seen = other.command("m", "NOOP").await;
        assert_eq!(seen[0], "* 2 EXISTS");
        // The second of these is refused, and the first is not kept.
        client
            .send(b"b APPEND INBOX {3+}\r\none (\\Bad {3+}\r\ntwo\r\n")
            .await;
        assert!(client.answer("b").await[0].starts_with("b BAD "));
        let still = other.command("o", "NOOP").await;
        assert_eq!(still, ["o OK Nothing done"]);
        house.leave().await;
    });
}

#[test]
fn many_large_letters_of_one_command_are_not_held_in_memory() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let text = letter(200_000);
        client.send(b"a APPEND INBOX").await;
        for _ in 0..40 {
            client
                .send(format!(" {{{}+}}\r\n{text}", text.len()).as_bytes())
                .await;
        }
        client.send(b"\r\n").await;
        let said = client.answer("a").await;
        assert!(said[0].contains(" 1:40] "), "{said:?}");
        client.command("b", "EXAMINE INBOX").await;
        assert!(read(&mut client, 40, text.len()).await == text);
        house.leave().await;
    });
}

#[test]
fn a_letter_that_never_arrives_in_full_leaves_nothing_behind() {
    run(async {
        let scratch = Scratch::new("append");
        let root = std::fs::File::open(scratch.path()).unwrap();
        let account = open(&OsDisk::new(root.into()), scratch.path());
        let house = House::around(account);
        let mut client = house.client().await;
        client.send(b"a APPEND INBOX {900000+}\r\n").await;
        client.send(letter(600_000).as_bytes()).await;
        let packs = || std::fs::read_dir(scratch.path().join("pack")).map_or(0, Iterator::count);
        while packs() == 0 {
            tokio::task::yield_now().await;
        }
        drop(client);
        while packs() > 0 {
            tokio::task::yield_now().await;
        }
        let mut other = house.client().await;
        let status = other.command("b", "STATUS INBOX (MESSAGES)").await;
        assert_eq!(status[0], "* STATUS INBOX (MESSAGES 0)");
        house.leave().await;
    });
}

/// A house on real files, and how many packs there are.
fn house_on_files(name: &str) -> (Scratch, House) {
    let scratch = Scratch::new(name);
    let root = std::fs::File::open(scratch.path()).unwrap();
    let account = open(&OsDisk::new(root.into()), scratch.path());
    (scratch, House::around(account))
}

fn packs(scratch: &Scratch) -> usize {
    std::fs::read_dir(scratch.path().join("pack")).map_or(0, Iterator::count)
}

async fn until_no_pack_is_left(scratch: &Scratch) {
    while packs(scratch) > 0 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_large_letter_that_is_whole_and_refused_leaves_no_file_behind() {
    run(async {
        let (scratch, house) = house_on_files("refused");
        let (mut client, mut other) = (house.client().await, house.client().await);
        let text = letter(600_000);
        // The second of these breaks the command off (RFC 3502).
        let first = format!(
            "a APPEND INBOX {{{}+}}\r\n{text} {{0+}}\r\n\r\n",
            text.len()
        );
        client.send(first.as_bytes()).await;
        assert!(client.answer("a").await[0].starts_with("a NO "));
        until_no_pack_is_left(&scratch).await;
        // What it would replace goes while it comes.
        client.command("b", "APPEND INBOX {3+}\r\nold").await;
        client.command("c", "SELECT INBOX").await;
        other.command("d", "SELECT INBOX").await;
        let begin = format!("e UID REPLACE 1 INBOX {{{}+}}\r\n", text.len());
        client.send(begin.as_bytes()).await;
        client.send(&text.as_bytes()[..400_000]).await;
        while packs(&scratch) == 0 {
            tokio::task::yield_now().await;
        }
        other.command("f", "UID STORE 1 +FLAGS (\\Deleted)").await;
        other.command("g", "EXPUNGE").await;
        client.send(&text.as_bytes()[400_000..]).await;
        client.send(b"\r\n").await;
        let said = client.answer("e").await;
        let refused = said
            .iter()
            .any(|line| line.starts_with("e NO [EXPUNGEISSUED] "));
        assert!(refused, "{said:?}");
        until_no_pack_is_left(&scratch).await;
        house.leave().await;
    });
}

#[test]
fn nul_is_taken_in_a_literal8_and_given_back() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client.send(b"a APPEND INBOX ~{3+}\r\nx\0y\r\n").await;
        assert!(client.answer("a").await[0].starts_with("a OK "));
        client.command("b", "EXAMINE INBOX").await;
        let read = client.command("c", "FETCH 1 BINARY[]").await;
        assert_eq!(read[..2], ["* 1 FETCH (BINARY[] ~{3}", "x\0y)"]);
        house.leave().await;
    });
}

#[test]
fn a_letter_for_a_mailbox_that_goes_meanwhile_is_refused_with_trycreate() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let mut other = house.client().await;
        client.command("a", "CREATE Short").await;
        client.send(b"b APPEND Short {3}\r\n").await;
        assert_eq!(client.line().await, "+ OK");
        other.command("c", "DELETE Short").await;
        client.send(b"one\r\n").await;
        let said = client.answer("b").await;
        assert!(said[0].starts_with("b NO [TRYCREATE] "), "{said:?}");
        house.leave().await;
    });
}
