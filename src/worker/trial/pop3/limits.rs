//! What one POP3 client can make the others wait for, or cost.

use super::house_with;
use crate::trial::limits::{NOOP_MAX, fill_with_thousands, worked};
use crate::trial::{House, run};
use std::time::Duration;

/// The longest NOOP of an IMAP client while POP3 says this and hears all answers,
/// which are given back; the last command is QUIT.
async fn noops_while(house: &House, commands: &str) -> (Duration, String) {
    let mut busy = house.pop3_client(false).await;
    let mut other = house.client().await;
    busy.send(commands.as_bytes()).await;
    let heard = tokio::task::spawn_local(async move { busy.last_words().await });
    let mut longest = Duration::ZERO;
    while !heard.is_finished() {
        let before = worked();
        other.command("n", "NOOP").await;
        longest = longest.max(worked() - before);
    }
    (longest, heard.await.unwrap())
}

#[test]
fn fifty_mebibytes_of_letters_keep_nobody_waiting() {
    run(async {
        let letter = format!("Subject: x\r\n\r\n{}", ".lorem ipsum\r\n".repeat(70_000));
        let house = house_with(&[letter.as_bytes()]).await;
        let commands = format!("{}QUIT\r\n", "RETR 1\r\n".repeat(52));
        let (longest, heard) = noops_while(&house, &commands).await;
        assert!(longest < NOOP_MAX, "{longest:?}");
        assert!(heard.len() > 50 << 20 && heard.ends_with("\r\n.\r\n+OK Bye\r\n"));
        house.leave().await;
    });
}

#[test]
fn lists_of_twenty_thousand_messages_keep_nobody_waiting() {
    run(async {
        let house = House::new();
        let mut imap = house.client().await;
        fill_with_thousands(&mut imap).await;
        let marks: String = (1..=20_000)
            .step_by(2)
            .map(|n| format!("DELE {n}\r\n"))
            .collect();
        let commands = format!("STAT\r\nLIST\r\nUIDL\r\n{marks}STAT\r\nQUIT\r\n");
        let (longest, heard) = noops_while(&house, &commands).await;
        assert!(longest < NOOP_MAX, "{longest:?}");
        assert_eq!(heard.lines().count(), 1 + 2 * 20_002 + 10_000 + 1 + 1);
        assert!(
            heard.ends_with("+OK 10000 270000\r\n+OK Bye\r\n"),
            "{:?}",
            heard.len()
        );
        let mut next = house.pop3_client(false).await;
        assert_eq!(next.ask("STAT").await, "+OK 10000 270000");
        house.leave().await;
    });
}
