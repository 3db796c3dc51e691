//! What an account may keep, and what is said when that would be more.

use super::{House, Wire, run};
use crate::account::Limits;
use crate::fixture;
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
