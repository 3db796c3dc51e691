//! What TLS is spoken, with which certificate.

use super::*;

#[test]
fn tls_12_is_spoken_only_where_it_is_allowed() {
    run(async {
        for tls12 in [false, true] {
            let slice = slice::Front {
                tls12,
                ..front_slice()
            };
            let trial = Trial::new(slice, listener(TlsUse::Immediate)).await;
            let config = client_config(TLS12, &trial.certified.der);
            let client = tls_with(config, trial.tcp().await).await;
            assert_eq!(client.is_ok(), tls12);
            if tls12 {
                let given = trial.session().await;
                assert_eq!(given.transport, Transport::Tls { version: 0x0303 });
                assert!(matches!(given.facts, Facts::Opened { exporter: None, .. }));
            }
        }
    });
}

#[test]
fn a_client_of_another_protocol_is_refused_by_its_alpn_name() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        for (name, welcome) in [(&b"imap"[..], true), (b"http/1.1", false)] {
            let mut config = client_config(TLS13, &trial.certified.der);
            config.alpn_protocols = vec![name.to_vec()];
            assert_eq!(tls_with(config, trial.tcp().await).await.is_ok(), welcome);
        }
    });
}

#[test]
fn no_session_can_be_resumed() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        let config = client_config(TLS13, &trial.certified.der);
        for _ in 0..2 {
            let mut client = tls_with(config.clone(), trial.tcp().await).await.unwrap();
            let mut given = trial.session().await;
            given.socket.write_all(b"x").await.unwrap();
            reads(&mut client, b"x").await;
            let kind = client.get_ref().1.handshake_kind();
            assert_eq!(kind, Some(rustls::HandshakeKind::Full));
        }
    });
}

#[test]
fn a_new_certificate_is_for_new_connections_and_old_ones_live_on() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        let mut old = trial.tls().await;
        let mut old_session = trial.session().await;
        let new = certified();
        say(&trial.supervisor, provide(&new.pem));
        say(
            &trial.supervisor,
            ToProcess::Prepare {
                slice: Slice::Front {
                    slice: front_slice(),
                },
            },
        );
        assert!(matches!(
            hear(&trial.supervisor).await,
            ToSupervisor::Prepared
        ));
        say(&trial.supervisor, ToProcess::Commit);
        play_keyholder(
            connect(&trial.supervisor, Edge::FrontKeyholder, 14),
            &new.key,
        );
        trial.barrier().await;

        assert!(tls_over(trial.tcp().await, &new.der).await.is_ok());
        assert!(
            tls_over(trial.tcp().await, &trial.certified.der)
                .await
                .is_err()
        );
        old_session.socket.write_all(b"still here").await.unwrap();
        reads(&mut old, b"still here").await;
    });
}

#[test]
fn a_bad_certificate_is_refused_and_the_old_one_stays() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        say(&trial.supervisor, provide("no certificate"));
        say(
            &trial.supervisor,
            ToProcess::Prepare {
                slice: Slice::Front {
                    slice: front_slice(),
                },
            },
        );
        assert!(matches!(
            hear(&trial.supervisor).await,
            ToSupervisor::Refused { .. }
        ));
        trial.tls().await;
    });
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    run(async {
        let slice = slice::Front {
            handshake_seconds: 1,
            ..front_slice()
        };
        let trial = Trial::new(slice, listener(TlsUse::Immediate)).await;
        let mut silent = trial.tcp().await;
        assert_eq!(rest(&mut silent).await, b"");
    });
}
