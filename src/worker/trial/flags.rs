//! When a change of flags reaches the disk, and what it survives until then.

use super::{House, Wire, run};
use crate::account::Limits;
use crate::fixture;
use journal::sim::SimDisk;
use std::time::{Duration, Instant};

/// A house with one letter, of which a client has the mailbox open.
async fn open(disk: &SimDisk, flag_sync: Duration) -> (House, Wire) {
    let house = House::on(disk);
    house.account.set_limits(Limits {
        flag_sync,
        ..Limits::from(&fixture::slice())
    });
    let mut client = house.client().await;
    client.command("a", "APPEND INBOX {1+}\r\nx").await;
    client.command("s", "SELECT INBOX").await;
    // What SELECT has claimed as recent may be late, too.
    client.command("k", "CHECK").await;
    (house, client)
}

async fn flag(client: &mut Wire) {
    let said = client
        .command("f", "STORE 1 +FLAGS.SILENT (\\Flagged)")
        .await;
    assert_eq!(said, ["f OK Stored"]);
}

/// Whether a successor on this disk finds the flag.
async fn is_flagged(disk: &SimDisk) -> bool {
    let house = House::on(disk);
    let mut client = house.client().await;
    client.command("s", "SELECT INBOX").await;
    let found = client.command("f", "SEARCH FLAGGED").await;
    house.leave().await;
    found[0] == "* SEARCH 1"
}

const LATE: Duration = Duration::from_secs(60);

#[test]
fn a_flag_survives_the_death_of_its_worker_at_once() {
    run(async {
        let disk = SimDisk::new(1);
        let (house, mut client) = open(&disk, LATE).await;
        flag(&mut client).await;
        assert!(!house.account.store().is_synced());
        assert!(is_flagged(&disk.restart_process()).await);
    });
}

#[test]
fn check_close_unselect_and_logout_wait_for_the_disk() {
    for command in ["CHECK", "CLOSE", "UNSELECT", "LOGOUT"] {
        run(async {
            let disk = SimDisk::new(1);
            let (house, mut client) = open(&disk, LATE).await;
            flag(&mut client).await;
            client.command("c", command).await;
            assert!(house.account.store().is_synced(), "{command}");
            assert!(is_flagged(&disk.restore_power()).await, "{command}");
        });
    }
}

#[test]
fn whatever_is_synced_takes_the_flags_along() {
    run(async {
        let disk = SimDisk::new(1);
        let (_house, mut client) = open(&disk, LATE).await;
        flag(&mut client).await;
        client.command("a", "APPEND INBOX {1+}\r\ny").await;
        assert!(is_flagged(&disk.restore_power()).await);
    });
}

#[test]
fn after_the_delay_a_flag_is_on_the_disk_and_not_before() {
    run(async {
        let disk = SimDisk::new(1);
        let delay = Duration::from_millis(200);
        let (house, mut client) = open(&disk, delay).await;
        let began = Instant::now();
        flag(&mut client).await;
        while !house.account.store().is_synced() {
            tokio::task::yield_now().await;
        }
        assert!(began.elapsed() >= delay);
        assert!(is_flagged(&disk.restore_power()).await);
    });
}

#[test]
fn without_a_delay_a_flag_is_on_the_disk_before_its_ok() {
    run(async {
        let disk = SimDisk::new(1);
        let (house, mut client) = open(&disk, Duration::ZERO).await;
        flag(&mut client).await;
        assert!(house.account.store().is_synced());
        assert!(is_flagged(&disk.restore_power()).await);
    });
}

/// The number behind a word.
fn number(line: &str, word: &str) -> u64 {
    let (_, behind) = line.split_once(word).unwrap();
    let digits = behind.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

/// RFC 7162 §3.1.2.1, §3.1.3 to §3.1.5: the mod-sequence that it was told of stands for
/// nothing any more, so it sees that something is new, hears of everything, and no condition
/// of its holds.
#[test]
fn who_remembers_what_a_power_cut_took_back_is_told_how_all_is() {
    run(async {
        let disk = SimDisk::new(1);
        let (_house, mut client) = open(&disk, LATE).await;
        client.command("e", "ENABLE CONDSTORE").await;
        let said = client
            .command("f", "STORE 1 +FLAGS.SILENT (\\Flagged)")
            .await;
        let told = number(&said[0], "MODSEQ (");
        let house = House::on(&disk.restore_power());
        let mut client = house.client().await;
        let said = client.command("s", "SELECT INBOX (CONDSTORE)").await;
        let highest = said.iter().find(|line| line.contains("[HIGHESTMODSEQ "));
        assert!(number(highest.unwrap(), "HIGHESTMODSEQ ") > told, "{told}");
        let fetch = format!("FETCH 1 FLAGS (CHANGEDSINCE {told})");
        let said = client.command("f", &fetch).await;
        assert!(said[0].starts_with("* 1 FETCH (FLAGS () "), "{said:?}");
        for modseq in [told, told + 1] {
            let search = format!("SEARCH MODSEQ {modseq}");
            let said = client.command("m", &search).await;
            assert!(said[0].starts_with("* SEARCH 1 "), "{search}: {said:?}");
        }
        let store = format!("STORE 1 (UNCHANGEDSINCE {told}) +FLAGS.SILENT (\\Seen)");
        let said = client.command("u", &store).await;
        assert!(
            said.last().unwrap().starts_with("u OK [MODIFIED 1] "),
            "{said:?}"
        );
        house.leave().await;
    });
}
