//! What an account may keep, and what is said when that would be more.

use super::{House, Wire, run};
use crate::account::Limits;
use crate::fixture;
use ipc::AccountId;
use store::QuotaLimits;

fn limit(house: &House, quota: QuotaLimits) {
    house.account.set_limits(Limits {
        quota,
        ..Limits::from(&fixture::slice())
    });
}

const NONE: QuotaLimits = QuotaLimits {
    bytes: None,
    messages: None,
    mailboxes: None,
};

async fn last(client: &mut Wire, command: &str) -> String {
    client.command("a", command).await.pop().unwrap()
}

#[test]
fn what_would_be_too_much_is_over_quota_and_a_reload_makes_room() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        limit(
            &house,
            QuotaLimits {
                bytes: Some(25),
                ..NONE
            },
        );
        let letter = "APPEND INBOX {10+}\r\n0123456789";
        for _ in 0..2 {
            assert!(last(&mut client, letter).await.starts_with("a OK"));
        }
        let refused = last(&mut client, letter).await;
        assert!(refused.starts_with("a NO [OVERQUOTA] "), "{refused}");
        client.command("s", "SELECT INBOX").await;
        let refused = last(&mut client, "COPY 1 Archive").await;
        assert!(refused.starts_with("a NO [OVERQUOTA] "), "{refused}");
        let moved = last(&mut client, "MOVE 1 Archive").await;
        assert!(moved.starts_with("a OK"), "{moved}");
        limit(&house, NONE);
        assert!(last(&mut client, letter).await.starts_with("a OK"));
        house.leave().await;
    });
}

/// What goes makes room for what comes in its place (RFC 8508 §1), for no more, and
/// whether or not the client waits to be asked.
#[test]
fn whoever_has_no_room_left_may_replace_a_letter_by_none_that_is_larger() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let letter = "APPEND INBOX {10+}\r\n0123456789";
        assert!(last(&mut client, letter).await.starts_with("a OK"));
        client.command("s", "SELECT INBOX").await;
        limit(
            &house,
            QuotaLimits {
                bytes: Some(10),
                ..NONE
            },
        );
        let larger = "REPLACE 1 INBOX {11+}\r\n0123456789x";
        let refused = last(&mut client, larger).await;
        assert!(refused.starts_with("a NO [OVERQUOTA] "), "{refused}");
        client.send(b"a REPLACE 1 INBOX {11}\r\n").await;
        let refused = client.line().await;
        assert!(refused.starts_with("a NO [OVERQUOTA] "), "{refused}");
        let as_large = "REPLACE 1 INBOX {10+}\r\n9876543210";
        let replaced = last(&mut client, as_large).await;
        assert!(replaced.starts_with("a OK"), "{replaced}");
        let fetched = client.command("f", "FETCH 1:* BODY.PEEK[]").await;
        assert_eq!(fetched[..2], ["* 1 FETCH (BODY[] {10}", "9876543210)"]);
        house.leave().await;
    });
}

/// A client that waits to be asked is not asked for what can't be kept.
#[test]
fn a_letter_that_has_no_room_is_refused_before_it_is_sent() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        limit(
            &house,
            QuotaLimits {
                bytes: Some(25),
                ..NONE
            },
        );
        client.send(b"a APPEND INBOX {26}\r\n").await;
        let refused = client.line().await;
        assert!(refused.starts_with("a NO [OVERQUOTA] "), "{refused}");
        assert_eq!(last(&mut client, "NOOP").await, "a OK Nothing done");
        house.leave().await;
    });
}

#[test]
fn messages_and_mailboxes_are_counted_too() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let mailboxes = house.account.store().usage().mailboxes;
        limit(
            &house,
            QuotaLimits {
                messages: Some(1),
                mailboxes: Some(mailboxes),
                ..NONE
            },
        );
        assert!(
            last(&mut client, "APPEND INBOX {1+}\r\nx")
                .await
                .starts_with("a OK")
        );
        let refused = last(&mut client, "APPEND INBOX {1+}\r\nx").await;
        assert!(refused.starts_with("a NO [OVERQUOTA] "), "{refused}");
        let refused = last(&mut client, "CREATE more").await;
        assert!(refused.starts_with("a NO [OVERQUOTA] "), "{refused}");
        house.leave().await;
    });
}

/// RFC 9208, sections 4.1.1 and 4.1.2: usage and limit of what is limited.
#[test]
fn the_quota_root_says_what_there_is_and_what_there_may_be() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client
            .command("a", "APPEND INBOX {10+}\r\n0123456789")
            .await;
        limit(
            &house,
            QuotaLimits {
                bytes: Some(512 << 10),
                messages: Some(100),
                ..NONE
            },
        );
        let quota = "* QUOTA \"\" (STORAGE 1 512 MESSAGE 1 100)";
        assert_eq!(
            client.command("b", "GETQUOTA \"\"").await,
            [quota, "b OK That is all"]
        );
        assert_eq!(
            client.command("c", "GETQUOTAROOT Sent").await,
            ["* QUOTAROOT Sent \"\"", quota, "c OK That is all"]
        );
        let unknown = last(&mut client, "GETQUOTA other").await;
        assert!(unknown.starts_with("a NO [NONEXISTENT] "), "{unknown}");
        let refused = last(&mut client, "SETQUOTA \"\" (STORAGE 1)").await;
        assert!(refused.starts_with("a NO [NOPERM] "), "{refused}");
        let mailboxes = house.account.store().usage().mailboxes;
        limit(
            &house,
            QuotaLimits {
                mailboxes: Some(7),
                ..NONE
            },
        );
        let quota = format!("* QUOTA \"\" (MAILBOX {mailboxes} 7)");
        assert_eq!(client.command("d", "GETQUOTA \"\"").await[0], quota);
        house.leave().await;
    });
}

/// Whoever reads somebody else's mailbox learns neither what the account holds nor
/// whether that is limited.
#[test]
fn what_an_account_holds_is_told_to_nobody_else() {
    run(async {
        let house = House::new();
        let mut friend = house.client_for(AccountId(9)).await;
        let unlimited = [
            friend.command("a", "GETQUOTAROOT INBOX").await,
            friend.command("a", "GETQUOTA \"\"").await,
        ];
        limit(
            &house,
            QuotaLimits {
                bytes: Some(1),
                mailboxes: Some(0),
                ..NONE
            },
        );
        let limited = [
            friend.command("a", "GETQUOTAROOT INBOX").await,
            friend.command("a", "GETQUOTA \"\"").await,
        ];
        assert_eq!(limited, unlimited);
        for heard in limited {
            let [only] = heard.as_slice() else {
                panic!("{heard:?}")
            };
            assert!(only.starts_with("a NO [NOPERM] "), "{only}");
        }
        house.leave().await;
    });
}

/// RFC 9208, section 4.3.1: an untagged NO when more is there than may be.
#[test]
fn who_holds_more_than_may_be_is_warned_once() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        client
            .command("a", "APPEND INBOX {10+}\r\n0123456789")
            .await;
        let lower = QuotaLimits {
            bytes: Some(9),
            ..NONE
        };
        for _ in 0..2 {
            limit(&house, lower);
            let heard = client.command("b", "NOOP").await;
            assert_eq!(heard.len(), 2, "{heard:?}");
            assert!(heard[0].starts_with("* NO [OVERQUOTA] "), "{heard:?}");
            assert_eq!(client.command("c", "NOOP").await.len(), 1);
            limit(&house, NONE);
            assert_eq!(client.command("d", "NOOP").await.len(), 1);
        }
        house.leave().await;
    });
}

/// RFC 7889: one number, in CAPABILITY and in STATUS, and what is longer is TOOBIG
/// before it is sent.
#[test]
fn the_limit_of_append_is_announced_and_holds() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let max = house.account.limits().message_bytes_max;
        let heard = client.command("a", "CAPABILITY").await;
        let announced = format!("APPENDLIMIT={max}");
        assert!(heard[0].split(' ').any(|word| word == announced));
        assert_eq!(
            client.command("b", "STATUS INBOX (APPENDLIMIT)").await[0],
            format!("* STATUS INBOX (APPENDLIMIT {max})")
        );
        let command = format!("c APPEND INBOX {{{}}}\r\n", max + 1);
        client.send(command.as_bytes()).await;
        let refused = client.line().await;
        assert!(refused.starts_with("c NO [TOOBIG] "), "{refused}");
        house.leave().await;
    });
}
