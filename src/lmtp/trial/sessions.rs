//! Sessions that come and go, STARTTLS, a new slice, the end.

use super::*;

/// A session as a front brings it.
fn session(trial: &Trial, transport: Transport, after_starttls: bool) -> Client {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    say(
        &trial.front,
        ToService::Session {
            connection: ConnectionId(7),
            protocol: Protocol::Lmtp,
            transport,
            may_start_tls: !after_starttls,
            after_starttls,
            client_certificate: false,
            socket: theirs.into(),
        },
    );
    Client(UnixStream::from_std(ours).unwrap())
}

#[test]
fn starttls_is_said_to_the_client_the_pair_is_ended_and_the_front_is_told() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = session(&trial, Transport::Cleartext { loopback: false }, false);
        client
            .says(b"LHLO mx\r\nSTARTTLS\r\nLHLO injected\r\n")
            .await;
        let said = client.hears_out().await;
        assert!(
            said.ends_with("250 STARTTLS\r\n220 2.0.0 Begin TLS\r\n"),
            "{said}"
        );
        let ToFront::StartTls { connection } = hear(&trial.front).await;
        assert_eq!(connection, ConnectionId(7));

        let mut client = session(&trial, Transport::Tls { version: 0x0304 }, true);
        client.says(b"LHLO mx\r\nQUIT\r\n").await;
        let said = client.hears_out().await;
        assert!(said.starts_with("250-mail.example.org\r\n") && !said.contains("STARTTLS"));
    });
}

#[test]
fn replies_to_what_came_in_one_breath_leave_together() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client().await;
        client
            .says(b"LHLO mx\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<pat@foo.example>\r\nDATA\r\n")
            .await;
        let ToAuth::Look { query, .. } = hear(&trial.auth).await else {
            panic!("no look")
        };
        let mut said = [0; 512];
        assert!(
            client.0.try_read(&mut said).is_err(),
            "nothing was said yet"
        );
        let standing = Standing::Deliverable;
        say(&trial.auth, ToLmtp::Found { query, standing });
        let length = client.0.read(&mut said).await.unwrap();
        let said = String::from_utf8_lossy(&said[..length]);
        assert!(said.starts_with("250-mail.example.org\r\n"), "{said}");
        assert!(said.ends_with("354 End with <CRLF>.<CRLF>\r\n"), "{said}");
    });
}

#[test]
fn one_session_too_many_is_sent_away() {
    run(async {
        let trial = Trial::new(slice::Lmtp {
            sessions_max: 1,
            ..lmtp_slice()
        })
        .await;
        let _first = trial.client().await;
        let mut second = session(&trial, Transport::Cleartext { loopback: false }, false);
        assert_eq!(
            second.hears_out().await,
            "421 4.7.0 Too many connections\r\n"
        );
    });
}

#[test]
fn stop_sends_idle_clients_away_and_lets_a_delivery_end() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut idle = trial.client().await;
        let mut busy = trial.client_with_letter(&["pat@foo.example"]).await;
        busy.says(DOT).await;
        let (_, worker) = trial.worker().await;
        given(&worker).await;
        say(&trial.supervisor, ToProcess::Stop);
        assert_eq!(
            idle.hears_out().await,
            "421 4.3.2 Stopping, come back later\r\n"
        );
        done(&worker, Outcome::Delivered);
        let last = "250 2.0.0 Kept\r\n421 4.3.2 Stopping, come back later\r\n";
        assert_eq!(busy.hears_out().await, last);
        assert!(matches!(trial.supervisor.receive().await, Ok(None)));
    });
}

#[test]
fn a_silent_client_is_sent_away() {
    run(async {
        let trial = Trial::new(slice::Lmtp {
            idle_seconds: 30,
            ..lmtp_slice()
        })
        .await;
        let mut client = trial.client().await;
        tokio::time::pause();
        assert_eq!(client.hears_out().await, "421 4.4.2 You are too slow\r\n");
    });
}

#[test]
fn a_new_slice_is_for_new_sessions_and_a_bad_one_is_refused() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let other = |name: &str| ToProcess::Prepare {
            slice: Slice::Lmtp {
                slice: slice::Lmtp {
                    hostname: Bytes::new(name).unwrap(),
                    ..lmtp_slice()
                },
            },
        };
        say(&trial.supervisor, other("x\r\nBcc: everybody"));
        assert!(matches!(
            hear(&trial.supervisor).await,
            ToSupervisor::Refused { .. }
        ));
        say(&trial.supervisor, other("new.example.org"));
        assert!(matches!(
            hear(&trial.supervisor).await,
            ToSupervisor::Prepared
        ));
        say(&trial.supervisor, ToProcess::Commit);
        say(&trial.supervisor, other("unused"));
        assert!(matches!(
            hear(&trial.supervisor).await,
            ToSupervisor::Prepared
        ));
        let mut client = session(&trial, Transport::Cleartext { loopback: false }, false);
        client.hears("220 new.example.org LMTP Mailkeep\r\n").await;
    });
}
