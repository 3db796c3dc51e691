//! VANISHED (EARLIER) of what nobody remembers any more (RFC 7162 §3.2.5.2, §3.2.6): every
//! UID that isn't there, in lines of bounded length.

use super::{House, Wire, run};
use crate::imap::VANISHED_RANGES_MAX;
use journal::sim::SimDisk;
use store::{MailboxId, Modseq, Principal};

/// Messages, by doubling one: of every third, more are gone than histories remember, and
/// those that are left take more than one look.
const DOUBLINGS: u32 = 15;

/// Ranges of one command.
const RANGES: usize = 4096;

fn third(uid: &u32) -> bool {
    uid.is_multiple_of(3)
}

/// An INBOX of which so much is gone that the history begins anew behind it.
async fn forgetful(disk: &SimDisk) -> House {
    let house = House::on(disk);
    house.account.store_mut().hurry_upkeep(4096);
    let mut client = house.client().await;
    ok(&mut client, "APPEND INBOX {1+}\r\nx").await;
    ok(&mut client, "SELECT INBOX").await;
    for _ in 0..DOUBLINGS {
        ok(&mut client, "COPY 1:* INBOX").await;
    }
    let gone: Vec<u32> = (1..=1 << DOUBLINGS).filter(third).collect();
    let gone: Vec<String> = gone.iter().map(u32::to_string).collect();
    for some in gone.chunks(RANGES) {
        let store = format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", some.join(","));
        ok(&mut client, &store).await;
    }
    ok(&mut client, "CLOSE").await;
    for _ in 0..100 {
        if has_forgotten(&house) {
            return house;
        }
        ok(&mut client, "APPEND INBOX {1+}\r\nx").await;
        house.account.sync().await;
        house.account.keep_up().await.unwrap();
    }
    panic!("the history was never trimmed");
}

async fn ok(client: &mut Wire, command: &str) -> Vec<String> {
    let said = client.command("t", command).await;
    assert!(said.last().unwrap().starts_with("t OK"), "{said:?}");
    said
}

fn has_forgotten(house: &House) -> bool {
    let store = house.account.store();
    let inbox = store.open_by_id(&Principal::Owner, MailboxId::INBOX);
    let messages = store.messages(&inbox.unwrap());
    messages.is_ok_and(|messages| {
        messages
            .vanished_since(&messages.view(), Modseq(1))
            .is_none()
    })
}

/// The UIDs of all lines, which no line may have too many of.
fn earlier(said: &[String]) -> Vec<u32> {
    let lines = said
        .iter()
        .filter_map(|line| line.strip_prefix("* VANISHED (EARLIER) "));
    let mut uids = Vec::new();
    for line in lines {
        assert!(line.split(',').count() <= VANISHED_RANGES_MAX, "{line}");
        for range in line.split(',') {
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            uids.extend(first.parse::<u32>().unwrap()..=last.parse().unwrap());
        }
    }
    uids
}

#[test]
fn what_nobody_remembers_is_told_as_all_that_is_not_there() {
    run(async {
        let disk = SimDisk::new(1);
        let house = forgetful(&disk).await;
        let mut client = house.client().await;
        ok(&mut client, "ENABLE QRESYNC").await;
        let said = ok(&mut client, "SELECT INBOX").await;
        let validity = said
            .iter()
            .find_map(|line| line.strip_prefix("* OK [UIDVALIDITY "));
        let validity = validity.unwrap().split(']').next().unwrap();
        let end = 1_u32 << DOUBLINGS;
        let all: Vec<u32> = (1..=end).filter(third).collect();
        let resync = |more: &str| format!("SELECT INBOX (QRESYNC ({validity} 1{more}))");
        assert_eq!(earlier(&ok(&mut client, &resync("")).await), all);
        let fetch = "UID FETCH 1:* (UID) (CHANGEDSINCE 1 VANISHED)";
        assert_eq!(earlier(&ok(&mut client, fetch).await), all);
        // Of some only, and of these only what the client doesn't know by numbers.
        let some = |from: u32, to: u32| (from..=to).filter(third).collect::<Vec<_>>();
        let said = ok(&mut client, &resync(" 100:9000,20000")).await;
        assert_eq!(earlier(&said), some(100, 9000));
        let said = ok(&mut client, &resync(" (667,1334 1000,2002)")).await;
        assert_eq!(earlier(&said), some(1001, end));
        house.leave().await;
    });
}
