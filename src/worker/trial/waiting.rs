//! Who waits for whom: commits, idling sessions, orders from `director`.

use super::{House, run};
use crate::account::Limits;
use crate::fixture;
use ipc::Epoch;
use journal::sim::SimDisk;
use store::Principal;

#[test]
fn letters_that_come_together_share_their_syncs() {
    let syncs = |together: bool| {
        run(async {
            let disk = SimDisk::new(1);
            let house = House::on(&disk);
            let mut clients = Vec::new();
            for _ in 0..16 {
                clients.push(house.client().await);
            }
            let before = disk.data_syncs();
            if together {
                // While the disk is busy with the first, the others gather.
                let busy = disk.hold();
                for client in &mut clients {
                    client.send(b"a APPEND INBOX {1+}\r\nx\r\n").await;
                }
                let mut last = house.client().await;
                last.command("n", "NOOP").await;
                drop(busy);
                for client in &mut clients {
                    client.answer("a").await;
                }
            } else {
                for client in &mut clients {
                    client.command("a", "APPEND INBOX {1+}\r\nx").await;
                }
            }
            disk.data_syncs() - before
        })
    };
    let (together, apart) = (syncs(true), syncs(false));

    assert!(apart >= 16, "{apart} syncs for sixteen letters one by one");
    assert!(
        together * 2 < apart,
        "{together} syncs together, {apart} apart"
    );
}

#[test]
fn a_change_of_the_tree_is_not_starved_by_a_stream_of_letters() {
    run(async {
        let house = House::new();
        let mut streams = Vec::new();
        for _ in 0..4 {
            let mut client = house.client().await;
            streams.push(tokio::task::spawn_local(async move {
                for _ in 0..200 {
                    client.command("a", "APPEND INBOX {1+}\r\nx").await;
                }
            }));
        }
        let mut client = house.client().await;
        for number in 0..20 {
            let made = client.command("c", &format!("CREATE m{number}")).await;
            assert!(made[0].starts_with("c OK [MAILBOXID (F"), "{made:?}");
        }
        assert!(
            streams.iter().any(|stream| !stream.is_finished()),
            "nobody was in the way"
        );
        for stream in streams {
            stream.await.unwrap();
        }
        house.leave().await;
    });
}

#[test]
fn every_idling_session_hears_of_a_letter() {
    run(async {
        let house = House::new();
        let mut idlers = Vec::new();
        for _ in 0..7 {
            let mut client = house.client().await;
            client.command("s", "SELECT INBOX").await;
            client.send(b"i IDLE\r\n").await;
            assert_eq!(client.line().await, "+ OK");
            idlers.push(client);
        }
        let mut sender = house.client().await;
        for number in 1..=5 {
            sender.command("a", "APPEND INBOX {1+}\r\nx").await;
            for idler in &mut idlers {
                assert_eq!(idler.line().await, format!("* {number} EXISTS"));
                assert!(idler.line().await.ends_with(" RECENT"));
            }
        }
        house.leave().await;
    });
}

#[test]
fn a_letter_is_recent_to_one_session_only() {
    run(async {
        let house = House::new();
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = house.client().await;
            client.command("s", "SELECT INBOX").await;
            clients.push(client);
        }
        let mut sender = house.client().await;
        sender.command("a", "APPEND INBOX {1+}\r\nx").await;
        let mut recent = 0;
        for client in &mut clients {
            let said = client.command("n", "NOOP").await;
            recent += usize::from(said.contains(&"* 1 RECENT".to_owned()));
        }
        assert_eq!(recent, 1);
        let mut late = house.client().await;
        let said = late.command("s", "SELECT INBOX").await;
        assert!(said.contains(&"* 0 RECENT".to_owned()), "{said:?}");
        house.leave().await;
    });
}

#[test]
fn silence_beyond_the_limit_is_an_autologout_idling_or_not() {
    run(async {
        let house = House::new();
        house.account.set_limits(Limits {
            idle_seconds: 1,
            ..Limits::from(&fixture::slice())
        });
        let mut silent = house.client().await;
        let mut idling = house.client().await;
        idling.send(b"i IDLE\r\n").await;
        assert_eq!(idling.line().await, "+ OK");
        for client in [&mut silent, &mut idling] {
            let words = client.last_words().await;
            assert!(words.starts_with("* BYE Autologout"), "{words}");
        }
        house.leave().await;
    });
}

#[test]
fn a_pipeline_ends_at_an_order_to_leave_and_each_answer_is_whole() {
    run(async {
        let house = House::new();
        let mut client = house.client().await;
        let pipeline: String = (0..20_000).map(|n| format!("t{n} NOOP\r\n")).collect();
        let account = std::rc::Rc::clone(&house.account);
        client.send(&pipeline.as_bytes()[..100_000]).await;
        account.leave();
        let words = client.last_words().await;
        let mut lines: Vec<&str> = words.split_terminator("\r\n").collect();
        assert!(lines.pop().unwrap().starts_with("* BYE [UNAVAILABLE] "));
        for (at, line) in lines.iter().enumerate() {
            assert_eq!(*line, format!("t{at} OK Nothing done"));
        }
        house.leave().await;
    });
}

#[test]
fn only_sessions_below_a_raised_epoch_end() {
    run(async {
        let house = House::new();
        let mut old = house.client().await;
        house.account.raise_epoch(Epoch(3)).await.unwrap();
        assert!(old.last_words().await.starts_with("* BYE [EXPIRED]"));
        assert_eq!(house.account.store().epoch(), 3);
        house.account.raise_epoch(Epoch(2)).await.unwrap();
        assert_eq!(house.account.epoch(), Epoch(3));
        house.leave().await;
    });
}

#[test]
fn a_clean_end_names_everything_as_durable() {
    let disk = SimDisk::new(1);
    run(async {
        let house = House::on(&disk);
        let mut client = house.client().await;
        client.command("a", "APPEND INBOX {1+}\r\nx").await;
        house.leave().await;
    });
    // With the power gone and nothing in memory, recovery has nothing to mend.
    let disk = disk.restore_power();
    let opened = crate::opening::open(&disk, &fixture::born(false)).unwrap();
    assert!(opened.report.journal.torn.is_none() && !opened.report.journal.rewritten);
    let inbox = opened
        .store
        .open_by_id(&Principal::Owner, store::MailboxId::INBOX)
        .unwrap();
    assert_eq!(opened.store.status(&inbox).unwrap().counters.messages, 1);
}

#[test]
fn a_sleeping_session_takes_little_memory() {
    run(async {
        let house = House::new();
        let (socket, _client) = std::os::unix::net::UnixStream::pair().unwrap();
        let handed = crate::imap::Handed {
            principal: crate::fixture::ACCOUNT,
            epoch: Epoch(0),
            tag: b"a".to_vec(),
            leftover: Vec::new(),
        };
        let account = std::rc::Rc::clone(&house.account);
        let session = crate::imap::serve(account, socket.into(), handed);
        assert!(
            size_of_val(&session) < 8 * 1024,
            "{}",
            size_of_val(&session)
        );
        drop(session);
        house.leave().await;
    });
}

/// EXAMINE takes nothing: what came before and what comes meanwhile stays recent for
/// whoever opens the mailbox next (RFC 3501 §6.3.2).
#[test]
fn who_only_looks_counts_every_recent_message_once_and_takes_none() {
    run(async {
        let house = House::new();
        let (mut actor, mut looker) = (house.client().await, house.client().await);
        let letter = "APPEND INBOX {1+}\r\nx";
        actor.command("a", letter).await;
        let said = looker.command("e", "EXAMINE INBOX").await;
        assert!(said.contains(&"* 1 RECENT".to_owned()), "{said:?}");
        for count in 2..6 {
            actor.command("a", letter).await;
            let said = looker.command("n", "NOOP").await;
            assert!(said.contains(&format!("* {count} RECENT")), "{said:?}");
            let found = looker.command("r", "SEARCH RECENT").await;
            assert_eq!(found[0].split(' ').count(), 2 + count, "{found:?}");
        }
        let said = actor.command("s", "SELECT INBOX").await;
        assert!(said.contains(&"* 5 RECENT".to_owned()), "{said:?}");
        house.leave().await;
    });
}
