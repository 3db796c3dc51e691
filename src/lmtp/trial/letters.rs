//! Letters that arrive, and how.

use super::*;

#[test]
fn each_recipient_gets_the_letter_with_its_own_trace_and_an_answer_in_order() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = trial
            .client_with_letter(&["pat+x@foo.example", "kim@foo.example"])
            .await;
        client
            .says(b"Return-Path: <forged@x>\r\nSubject: a\r\n\r\nHi\r\n.\r\n")
            .await;
        let mut workers = Vec::new();
        // Both run at once: the second is asked before the first has answered.
        for _ in 0..2 {
            workers.push(trial.worker().await);
        }
        for (address, worker) in workers.iter().rev() {
            let given = given(worker).await;
            let address = String::from_utf8(address.clone()).unwrap();
            assert_eq!(given.letter, b"Subject: a\r\n\r\nHi\r\n");
            assert_eq!(given.detail, b"detail");
            let head = format!("Return-Path: <chris@bar.example>\r\nDelivered-To: {address}\r\n");
            assert!(given.trace.starts_with(&head), "{}", given.trace);
            assert!(given.trace.contains(&format!("\tfor <{address}>;\r\n")));
        }
        done(&workers[1].1, Outcome::Delivered);
        done(&workers[0].1, Outcome::OverQuota);
        client
            .hears("452 4.2.2 The mailbox is full\r\n250 2.0.0 Kept\r\n")
            .await;
        client.says(b"QUIT\r\n").await;
        assert_eq!(client.hears_out().await, "221 2.0.0 Bye\r\n");
    });
}

#[test]
fn a_large_letter_leaves_only_as_read_only_descriptions_and_no_file() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = trial
            .client_with_letter(&["a@foo.example", "b@foo.example"])
            .await;
        let line = [&[b'x'; 998][..], b"\r\n"].concat();
        let sent = [
            b"Subject: large\r\n\r\n".to_vec(),
            line.repeat(5 * PIECE_BYTES / 1000),
        ]
        .concat();
        client.says(&sent).await;
        client.says(DOT).await;
        let (mut workers, mut descriptions) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (_, worker) = trial.worker().await;
            let given = given(&worker).await;
            assert!(given.letter == sent);
            descriptions.push(given.description);
            let given = descriptions.last().unwrap();
            let mode = rustix::fs::fcntl_getfl(given).unwrap();
            assert!(!mode.intersects(rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::RDWR));
            workers.push(worker);
        }
        assert_eq!(
            trial.spooled(),
            0,
            "the name is gone while the workers still read"
        );
        workers
            .iter()
            .for_each(|worker| done(worker, Outcome::Delivered));
        client.hears("250 2.0.0 Kept\r\n250 2.0.0 Kept\r\n").await;
    });
}

#[test]
fn every_outcome_has_its_reply() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let outcomes = [
            (Outcome::Delivered, "250 2.0.0 Kept\r\n"),
            (Outcome::NoSpace, "452 4.3.1 No room at the moment\r\n"),
            (Outcome::OverQuota, "452 4.2.2 The mailbox is full\r\n"),
            (Outcome::BadLetter, "451 4.3.0 Try again later\r\n"),
            (Outcome::Temporary, "451 4.3.0 Try again later\r\n"),
        ];
        for (outcome, reply) in outcomes {
            let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
            client.says(DOT).await;
            let (_, worker) = trial.worker().await;
            given(&worker).await;
            done(&worker, outcome);
            client.hears(reply).await;
        }
    });
}

#[test]
fn a_client_that_goes_before_the_dot_has_sent_no_letter() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(&[b'x'; 2 * PIECE_BYTES]).await;
        client.says(b"\r\n").await;
        drop(client);
        // Another session gets through to `auth`, and nothing came before it.
        trial.client_with_letter(&["kim@foo.example"]).await;
        assert_eq!(trial.spooled(), 0);
    });
}

#[test]
fn a_full_spool_is_452_and_the_session_goes_on() {
    run(async {
        let slice = slice::Lmtp {
            spool_bytes_max: PIECE_BYTES as u64,
            ..lmtp_slice()
        };
        let trial = Trial::new(slice).await;
        let mut client = trial
            .client_with_letter(&["a@foo.example", "b@foo.example"])
            .await;
        client.says(&b"xxxxxxxx\r\n".repeat(PIECE_BYTES / 2)).await;
        client.says(DOT).await;
        let reply = "452 4.3.1 No room at the moment\r\n";
        client.hears(&[reply, reply].concat()).await;
        assert_eq!(trial.spooled(), 0);
        client.says(b"NOOP\r\n").await;
        client.hears("250 2.0.0 OK\r\n").await;
    });
}
