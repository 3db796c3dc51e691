//! How sessions end, and what then is removed.

use super::house_with;
use crate::output::WRITE_WAIT_MAX;
use crate::trial::{House, open, run};
use ipc::Epoch;
use journal::sim::SimDisk;
use std::time::Duration;

const TWO: [&[u8]; 2] = [b"Subject: a\r\n\r\na\r\n", b"Subject: b\r\n\r\nb\r\n"];

/// Keeps both at once, so that no room is there for more of the journal.
async fn append_both(house: &House) {
    let [first, second] = TWO.map(|letter| String::from_utf8_lossy(letter));
    let (one, two) = (first.len(), second.len());
    let mut imap = house.client().await;
    let both = format!("a APPEND INBOX {{{one}+}}\r\n{first} {{{two}+}}\r\n{second}\r\n");
    imap.send(both.as_bytes()).await;
    let said = imap.answer("a").await;
    assert!(said.last().unwrap().starts_with("a OK"), "{said:?}");
}

async fn count(house: &House) -> String {
    house.pop3_client(false).await.ask("STAT").await
}

/// RFC 1939, section 6: "If a session terminates for some reason other than a
/// client-issued QUIT command, the POP3 session does NOT enter the UPDATE state and
/// MUST not remove any messages from the maildrop."
#[test]
fn a_connection_that_drops_without_quit_removes_nothing() {
    run(async {
        let house = house_with(&TWO).await;
        let mut client = house.pop3_client(false).await;
        assert!(client.ask("DELE 1").await.starts_with("+OK"));
        // Half a QUIT is none.
        client.send(b"QUIT\r").await;
        assert_eq!(client.rest().await, b"");
        assert_eq!(count(&house).await, "+OK 2 34");
        house.leave().await;
    });
}

#[test]
fn a_silent_client_is_left_after_ten_minutes_without_a_word_and_nothing_is_removed() {
    run(async {
        let house = house_with(&TWO).await;
        let mut client = house.pop3_client(false).await;
        assert!(client.ask("DELE 1").await.starts_with("+OK"));
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        assert_eq!(client.patient_last_words().await, "");
        assert!(began.elapsed() >= Duration::from_secs(600));
        tokio::time::resume();
        assert_eq!(count(&house).await, "+OK 2 34");
        house.leave().await;
    });
}

#[test]
fn a_worker_that_leaves_says_so_and_removes_nothing() {
    run(async {
        let house = house_with(&TWO).await;
        let mut client = house.pop3_client(false).await;
        assert!(client.ask("DELE 1").await.starts_with("+OK"));
        house.account.leave();
        let said = client.last_words().await;
        assert!(said.starts_with("-ERR [SYS/TEMP] "), "{said}");
        house.leave().await;
    });
}

#[test]
fn a_raised_epoch_ends_sessions_of_the_one_before() {
    run(async {
        let house = house_with(&TWO).await;
        let mut client = house.pop3_client(false).await;
        assert!(client.ask("DELE 1").await.starts_with("+OK"));
        house.account.raise_epoch(Epoch(1)).await.unwrap();
        let said = client.last_words().await;
        assert!(said.starts_with("-ERR [SYS/PERM] "), "{said}");
        house.leave().await;
    });
}

/// `+OK` to QUIT means that it is on the disk: an account that loses power then
/// hasn't the messages any more.
#[test]
fn what_quit_has_answered_survives_a_power_cut() {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::around(open(&disk, &std::env::temp_dir()));
        let mut imap = house.client().await;
        for letter in TWO {
            super::append(&mut imap, letter).await;
        }
        let mut client = house.pop3_client(false).await;
        assert!(client.ask("DELE 1").await.starts_with("+OK"));
        assert_eq!(client.ask("QUIT").await, "+OK Bye");
        let after = House::around(open(&disk.restore_power(), &std::env::temp_dir()));
        let mut client = after.pop3_client(false).await;
        assert_eq!(client.ask_for_lines("UIDL").await.len(), 2);
        assert!(client.ask_for_lines("RETR 1").await[1].ends_with(" b"));
        after.leave().await;
    });
}

/// "If there is an error, such as a resource shortage, encountered while removing
/// messages, the maildrop may result in having some or none of the messages marked as
/// deleted be removed."
#[test]
fn quit_says_so_if_what_is_marked_could_not_be_removed() {
    run(async {
        let disk = SimDisk::new(1);
        let house = House::around(open(&disk, &std::env::temp_dir()));
        append_both(&house).await;
        let mut client = house.pop3_client(false).await;
        assert!(client.ask("DELE 1").await.starts_with("+OK"));
        disk.limit_space(Some(disk.used_space()));
        let said = client.ask("QUIT").await;
        assert!(said.starts_with("-ERR [SYS/TEMP] Some deleted"), "{said}");
        disk.limit_space(None);
        assert_eq!(count(&house).await, "+OK 2 34");
        house.leave().await;
    });
}

/// Lists need nothing of the disk, so the clock stands still until the client is what
/// is waited for.
#[test]
fn a_client_that_does_not_read_is_given_up_and_removes_nothing() {
    run(async {
        let house = House::new();
        let mut imap = house.client().await;
        let letters = vec!["{3+}\r\nx\r\n"; 200].join(" ");
        for _ in 0..5 {
            let command = format!("APPEND INBOX {letters}");
            let said = imap.command("a", &command).await;
            assert!(said.last().unwrap().starts_with("a OK"), "{said:?}");
        }
        let mut client = house.pop3_client(false).await;
        let lists = "UIDL\r\n".repeat(40);
        client
            .send(format!("DELE 1\r\n{lists}QUIT\r\n").as_bytes())
            .await;
        tokio::time::pause();
        let session = house.last_session();
        let ended = tokio::time::timeout(3 * WRITE_WAIT_MAX, session).await;
        ended.unwrap().unwrap();
        tokio::time::resume();
        drop(client);
        assert_eq!(count(&house).await, "+OK 1000 3000");
        house.leave().await;
    });
}
