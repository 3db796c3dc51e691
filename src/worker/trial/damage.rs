//! Letters that are damaged on the disk: what their readers see, and that nobody
//! else sees anything of it.

use super::{House, Wire, open, run};
use crate::scratch::Scratch;
use journal::disk::OsDisk;
use std::path::PathBuf;

/// An account on a real directory, so that its files can be damaged.
pub struct Site {
    scratch: Scratch,
    pub house: House,
}

impl Site {
    pub fn new() -> Self {
        Self::on(Scratch::new("damage"))
    }

    fn on(scratch: Scratch) -> Self {
        let root = std::fs::File::open(scratch.path()).unwrap();
        let house = House::around(open(&OsDisk::new(root.into()), scratch.path()));
        Self { scratch, house }
    }

    /// The worker leaves, and another comes.
    pub async fn next_worker(self) -> Self {
        self.house.leave().await;
        Self::on(self.scratch)
    }

    /// The one file of a kind.
    fn only(&self, directory: &str) -> PathBuf {
        let files = std::fs::read_dir(self.scratch.path().join(directory)).unwrap();
        let files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.into_iter().next().unwrap()
    }

    /// Whether a damaged letter is written down.
    fn remembers(&self) -> bool {
        let bytes = std::fs::read(self.scratch.path().join("cache/damaged"));
        bytes.unwrap().iter().any(|byte| *byte != 0)
    }

    /// Turns a bit of the one pack.
    pub fn damage_pack(&self, at: usize) {
        turn_bit(&self.only("pack"), at);
    }
}

fn turn_bit(path: &PathBuf, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

async fn append(client: &mut Wire, letter: &str) {
    let append = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
    let said = client.command("a", &append).await;
    assert!(said[0].starts_with("a OK"), "{said:?}");
}

/// A letter so large that it has a pack of its own.
pub fn large() -> String {
    format!(
        "Subject: large\r\n\r\n{}",
        "0123456789abcde\n".repeat(20_000)
    )
}

/// The literal that a FETCH of one item gives, put together again.
fn literal(said: &[String]) -> String {
    said[1..said.len() - 1].join("\r\n")
}

#[test]
fn a_damaged_letter_is_a_placeholder_in_all_that_is_told_of_it() {
    run(async {
        let site = Site::new();
        let mut client = site.house.client().await;
        append(&mut client, &large()).await;
        append(&mut client, "Subject: whole\r\n\r\nwhole").await;
        site.damage_pack(1000);
        client.command("s", "SELECT INBOX").await;
        let both = client.command("f", "FETCH 1:2 BODY.PEEK[TEXT]").await;
        assert!(both.contains(&"whole)".to_owned()), "{both:?}");
        assert_eq!(both.last().unwrap(), "f OK Fetched");
        let body = client.command("g", "FETCH 1 BODY.PEEK[]").await;
        let placeholder = literal(&body);
        let placeholder = placeholder.strip_suffix(')').unwrap();
        assert!(placeholder.contains("\r\nSubject: [This letter is damaged]\r\n"));
        assert!(placeholder.contains(&format!("had {} bytes", large().len())));
        let facts = client
            .command(
                "h",
                "FETCH 1 (RFC822.SIZE ENVELOPE BODYSTRUCTURE UID FLAGS)",
            )
            .await;
        for expected in [
            format!("RFC822.SIZE {} ", placeholder.len()),
            "\"[This letter is damaged]\"".to_owned(),
            "BODYSTRUCTURE (\"text\" \"plain\" (\"charset\" \"us-ascii\")".to_owned(),
            "UID 1 FLAGS (".to_owned(),
        ] {
            assert!(facts[0].contains(&expected), "{expected} in {}", facts[0]);
        }
        site.house.leave().await;
    });
}

#[test]
fn a_search_finds_what_a_reader_would_see() {
    run(async {
        let site = Site::new();
        let mut client = site.house.client().await;
        append(&mut client, &large()).await;
        append(&mut client, "Subject: whole\r\n\r\nwhole").await;
        site.damage_pack(100);
        client.command("s", "SELECT INBOX").await;
        let found = client.command("a", "SEARCH BODY \"damaged on the\"").await;
        assert_eq!(found, ["* SEARCH 1", "a OK Searched"]);
        let found = client.command("b", "SEARCH LARGER 10000").await;
        assert_eq!(found[0], "* SEARCH");
        let found = client.command("c", "SEARCH TEXT whole").await;
        assert_eq!(found[0], "* SEARCH 2");
        site.house.leave().await;
    });
}

/// The client was told how many bytes would come: there is no way back but to end
/// the connection. Whoever comes again is told better.
#[test]
fn damage_far_behind_the_beginning_ends_the_session_once() {
    run(async {
        let site = Site::new();
        let mut client = site.house.client().await;
        append(&mut client, &large()).await;
        site.damage_pack(250_000);
        client.command("s", "SELECT INBOX").await;
        client.send(b"f FETCH 1 BODY.PEEK[]\r\n").await;
        let torn = client.last_words().await;
        assert!(torn.starts_with("* 1 FETCH (BODY[] {320018}\r\nSubject: large"));
        assert!(torn.len() < large().len() && !torn.contains("f OK"));
        let mut again = site.house.client().await;
        again.command("s", "SELECT INBOX").await;
        let said = again
            .command("f", "FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
            .await;
        assert_eq!(said[1], "Subject: [This letter is damaged]");
        assert_eq!(said.last().unwrap(), "f OK Fetched");
        site.house.leave().await;
    });
}

/// The same letter, and a worker after another: only the first is taken in.
#[test]
fn a_session_is_cut_off_once_in_the_life_of_a_letter_not_of_a_worker() {
    run(async {
        let site = Site::new();
        let mut client = site.house.client().await;
        append(&mut client, &large()).await;
        site.damage_pack(250_000);
        client.command("s", "SELECT INBOX").await;
        client.send(b"f FETCH 1 BODY.PEEK[]\r\n").await;
        assert!(!client.last_words().await.contains("f OK"));
        let site = site.next_worker().await;
        let mut client = site.house.client().await;
        client.command("s", "SELECT INBOX").await;
        let said = client.command("f", "FETCH 1 BODY.PEEK[]").await;
        assert_eq!(said.last().unwrap(), "f OK Fetched");
        assert!(literal(&said).contains("\r\nSubject: [This letter is damaged]\r\n"));
        let site = site.next_worker().await;
        assert!(site.remembers());
        // As if from a backup.
        site.damage_pack(250_000);
        let mut client = site.house.client().await;
        client.command("s", "SELECT INBOX").await;
        for _ in 0..2 {
            let said = client.command("f", "FETCH 1 BODY.PEEK[]").await;
            assert_eq!(literal(&said).strip_suffix(')').unwrap(), large());
        }
        let site = site.next_worker().await;
        assert!(!site.remembers());
        site.house.leave().await;
    });
}

#[test]
fn a_letter_whose_file_is_gone_is_damaged_too_and_can_still_be_moved_about() {
    run(async {
        let site = Site::new();
        let mut client = site.house.client().await;
        append(&mut client, &large()).await;
        std::fs::remove_file(site.only("pack")).unwrap();
        client.command("s", "SELECT INBOX").await;
        let copied = client.command("c", "COPY 1 Archive").await;
        assert!(copied.last().unwrap().contains("OK [COPYUID"), "{copied:?}");
        let said = client
            .command("f", "FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
            .await;
        assert_eq!(said[1], "Subject: [This letter is damaged]");
        client
            .command("d", "STORE 1 +FLAGS.SILENT (\\Deleted)")
            .await;
        let gone = client.command("e", "EXPUNGE").await;
        assert_eq!(gone, ["* 1 EXPUNGE", "e OK Expunged"]);
        site.house.leave().await;
    });
}

/// Nobody has asked for the letter, and yet the administrator hears of it.
#[test]
fn the_scrub_finds_damage_that_nobody_has_met() {
    run(async {
        let site = Site::new();
        let mut client = site.house.client().await;
        append(&mut client, &large()).await;
        site.damage_pack(250_000);
        let account = &site.house.account;
        assert!(!account.health().is_ailing());
        account.scrub().await.unwrap();
        let health = account.health();
        assert!(health.is_ailing(), "{health:?}");
        assert!(health.scrubbed_bytes >= 300_000 && health.scrubbed_at > 0);
        site.house.leave().await;
    });
}
