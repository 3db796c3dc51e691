//! Letters that are damaged on the disk: their placeholders, whole and with sizes that
//! are theirs.

use super::{append, octets};
use crate::trial::damage::{Site, large};
use crate::trial::run;

const WHOLE: &[u8] = b"Subject: whole\r\n\r\nwhole\r\n";

#[test]
fn a_damaged_letter_is_a_placeholder_in_sizes_retr_and_top() {
    run(async {
        let site = Site::new();
        let mut imap = site.house.client().await;
        append(&mut imap, large().as_bytes()).await;
        append(&mut imap, WHOLE).await;
        site.damage_pack(1000);
        let mut client = site.house.pop3_client(false).await;
        let said = client.ask_for_lines("RETR 1").await;
        assert!(said.contains(&"Subject: [This letter is damaged]".to_owned()));
        let sent = octets(said[1..].join("\r\n").as_bytes());
        assert_eq!(said[0], format!("+OK {sent} octets"));
        assert_eq!(client.ask("LIST 1").await, format!("+OK 1 {sent}"));
        let sum = sent + WHOLE.len();
        assert_eq!(client.ask("STAT").await, format!("+OK 2 {sum}"));
        let top = client.ask_for_lines("TOP 1 0").await;
        assert_eq!(top[1..], said[1..top.len()]);
        assert_eq!(client.ask_for_lines("RETR 2").await.len(), 4);
        site.house.leave().await;
    });
}

/// The size was told before the damage: then RETR and what is told from now on are the
/// placeholder's.
#[test]
fn a_letter_that_is_damaged_within_a_session_is_a_placeholder_from_then_on() {
    run(async {
        let site = Site::new();
        let mut imap = site.house.client().await;
        append(&mut imap, large().as_bytes()).await;
        let mut client = site.house.pop3_client(false).await;
        let size = octets(large().as_bytes());
        assert_eq!(client.ask("STAT").await, format!("+OK 1 {size}"));
        site.damage_pack(1000);
        let said = client.ask_for_lines("RETR 1").await;
        assert!(said.contains(&"Subject: [This letter is damaged]".to_owned()));
        let sent = octets(said[1..].join("\r\n").as_bytes());
        assert_eq!(client.ask("LIST 1").await, format!("+OK 1 {sent}"));
        site.house.leave().await;
    });
}

/// What a former worker has found is doubted until it was read through again, also by
/// who asks for nothing but the header.
#[test]
fn the_next_worker_looks_before_it_tells() {
    run(async {
        let site = Site::new();
        let mut imap = site.house.client().await;
        append(&mut imap, large().as_bytes()).await;
        // Behind the header, which TOP alone would read.
        site.damage_pack(200_000);
        let mut client = site.house.pop3_client(false).await;
        client.ask("LIST 1").await;
        drop((imap, client));
        let site = site.next_worker().await;
        let mut client = site.house.pop3_client(false).await;
        let said = client.ask_for_lines("TOP 1 0").await;
        assert!(
            said.contains(&"Subject: [This letter is damaged]".to_owned()),
            "{said:?}"
        );
        site.house.leave().await;
    });
}
