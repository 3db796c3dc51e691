//! Annotations that nobody hears of in the ordinary way: what the administrator says
//! to all (RFC 5464 §6.2), and what the store has forgotten.

use super::{House, run};
use ipc::Bytes;
use ipc::slice::Notice;

fn notice(admin: &str, comment: &str) -> Notice {
    Notice {
        admin: Bytes::new(admin).unwrap(),
        comment: Bytes::new(comment).unwrap(),
    }
}

const ASK: &str = "GETMETADATA \"\" (/shared/admin /shared/comment)";

#[test]
fn what_the_administrator_says_is_told_and_its_change_announced() {
    run(async {
        let house = House::new();
        let (mut client, mut other) = (house.client().await, house.client().await);
        let said = client.command("a", ASK).await;
        assert_eq!(
            said[0],
            "* METADATA \"\" (/shared/admin NIL /shared/comment NIL)"
        );
        client.command("b", "ENABLE METADATA").await;
        house
            .account
            .set_notice(&notice("mailto:p@example.org", ""));
        let heard = client.command("c", "NOOP").await;
        assert_eq!(heard[0], "* METADATA \"\" /shared/admin /shared/comment");
        assert_eq!(client.command("d", "NOOP").await.len(), 1, "once");
        assert_eq!(other.command("e", "NOOP").await.len(), 1, "who has asked");
        let said = client.command("f", ASK).await;
        assert_eq!(
            said[0],
            "* METADATA \"\" (/shared/admin \"mailto:p@example.org\" /shared/comment NIL)"
        );
        house.account.set_notice(&notice("", "Down on Sunday"));
        let deep = client
            .command("g", "GETMETADATA (DEPTH infinity) \"\" /shared")
            .await;
        let told = "* METADATA \"\" (/shared/comment \"Down on Sunday\")";
        assert!(deep.iter().any(|line| line == told), "{deep:?}");
        let set = client
            .command("h", "SETMETADATA \"\" (/shared/comment NIL)")
            .await;
        assert!(set.last().unwrap().starts_with("h NO [NOPERM] "), "{set:?}");
        house.leave().await;
    });
}

#[test]
fn who_has_missed_more_than_is_remembered_must_begin_anew() {
    run(async {
        let house = House::new();
        let (mut client, mut other) = (house.client().await, house.client().await);
        let mut near = house.client().await;
        for hearer in [&mut client, &mut near] {
            hearer.command("a", "ENABLE METADATA").await;
        }
        for round in 0..12 {
            for value in ["\"x\"", "NIL"] {
                let entries = (0..100).map(|n| format!("/private/{round}-{n} {value}"));
                let entries = entries.collect::<Vec<_>>().join(" ");
                let said = other
                    .command("b", &format!("SETMETADATA \"\" ({entries})"))
                    .await;
                assert!(said[0].starts_with("b OK "), "{said:?}");
            }
            let heard = near.command("c", "NOOP").await;
            assert!(heard.last().unwrap().starts_with("c OK "), "{heard:?}");
        }
        client.send(b"d NOOP\r\n").await;
        let said = client.line().await;
        assert!(said.starts_with("* BYE "), "{said}");
        house.leave().await;
    });
}
