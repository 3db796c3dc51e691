//! Bytes both ways, ends, and who hears of them.

use super::*;
use std::time::Duration;
use tokio::time::timeout;

#[test]
fn a_tls_client_reaches_the_service_and_auth_knows_who_it_is() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        let mut client = trial.tls().await;
        let mut given = trial.session().await;
        assert_eq!(given.transport, Transport::Tls { version: 0x0304 });
        assert!(!given.may_start_tls && !given.after_starttls);

        let binding = client.get_ref().1.export_keying_material(
            [0; 32],
            b"EXPORTER-Channel-Binding",
            Some(b""),
        );
        let Facts::Opened {
            address,
            port,
            exporter,
            client_name,
            ..
        } = given.facts
        else {
            panic!("not opened")
        };
        assert_eq!(exporter, Some(binding.unwrap()));
        assert_eq!(address, Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets());
        assert_eq!(port, client.get_ref().0.local_addr().unwrap().port());
        assert_eq!(client_name, None);

        given.socket.write_all(b"* OK\r\n").await.unwrap();
        reads(&mut client, b"* OK\r\n").await;
        client.write_all(b"a NOOP\r\n").await.unwrap();
        reads(&mut given.socket, b"a NOOP\r\n").await;
        drop(client);
        assert_eq!(rest(&mut given.socket).await, b"");
        trial.closed(given.cookie).await;
    });
}

/// Megabytes to a service that sends each byte back.
async fn echoes(client: impl AsyncRead + tokio::io::AsyncWrite, trial: &Trial) {
    let given = trial.session().await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut service_read, mut service_write) = given.socket.into_split();
    let up = async {
        client_write.write_all(&sent).await.unwrap();
        client_write.shutdown().await.unwrap();
    };
    let echo = async {
        tokio::io::copy(&mut service_read, &mut service_write)
            .await
            .unwrap();
        service_write.shutdown().await.unwrap();
    };
    let ((), (), received) = tokio::join!(up, echo, rest(&mut client_read));
    assert!(received == sent);
}

#[test]
fn megabytes_cross_whole_in_both_directions_at_once() {
    run(async {
        for tls in [TlsUse::Never, TlsUse::OnRequest] {
            let trial = Trial::new(front_slice(), listener(tls)).await;
            // The second finds the pipes of the first.
            for _ in 0..2 {
                echoes(trial.tcp().await, &trial).await;
            }
        }
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        echoes(trial.tls().await, &trial).await;
    });
}

/// Much is under way when the client goes; what it leaves behind reaches nobody.
#[test]
fn what_a_vanished_client_did_not_read_reaches_nobody_else() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        for _ in 0..3 {
            let deaf = trial.tcp().await;
            let given = trial.session().await;
            let mut socket = given.socket;
            let flood = async { while socket.write_all(&[b'x'; 65_536]).await.is_ok() {} };
            let _ = timeout(Duration::from_millis(200), flood).await;
            drop(deaf);
            trial.closed(given.cookie).await;
            let mut client = trial.tcp().await;
            let mut given = trial.session().await;
            let answer = vec![b'y'; 100_000];
            given.socket.write_all(&answer).await.unwrap();
            drop(given.socket);
            assert!(rest(&mut client).await == answer);
        }
    });
}

/// The client ends its direction, and only then is it answered.
async fn half_closes(client: &mut (impl AsyncRead + tokio::io::AsyncWrite + Unpin), trial: &Trial) {
    let mut given = trial.session().await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut given.socket).await, b"last words");
    given.socket.write_all(b"the answer").await.unwrap();
    drop(given.socket);
    assert_eq!(rest(client).await, b"the answer");
}

#[test]
fn a_client_that_has_ended_its_direction_is_still_answered() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        half_closes(&mut trial.tls().await, &trial).await;
        let trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        half_closes(&mut trial.tcp().await, &trial).await;
    });
}

#[test]
fn a_service_that_has_ended_its_direction_still_hears_the_client() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        let mut client = trial.tcp().await;
        let mut given = trial.session().await;
        given.socket.write_all(b"* BYE\r\n").await.unwrap();
        given.socket.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, b"* BYE\r\n");
        client.write_all(b"too late").await.unwrap();
        drop(client);
        assert_eq!(rest(&mut given.socket).await, b"too late");
        trial.closed(given.cookie).await;
    });
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_else() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        let _deaf = trial.tls().await;
        let to_deaf = trial.session().await.socket;
        holds_up_nobody(to_deaf, trial.tls().await, &trial).await;
        let trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        let _deaf = trial.tcp().await;
        let to_deaf = trial.session().await.socket;
        holds_up_nobody(to_deaf, trial.tcp().await, &trial).await;
    });
}

async fn holds_up_nobody(
    mut to_deaf: UnixStream,
    mut client: impl AsyncRead + Unpin,
    trial: &Trial,
) {
    spawn_local(async move { while to_deaf.write_all(&[b'x'; 65_536]).await.is_ok() {} });
    let mut given = trial.session().await;
    for _ in 0..100 {
        given.socket.write_all(b"* 1 EXISTS\r\n").await.unwrap();
        reads(&mut client, b"* 1 EXISTS\r\n").await;
    }
}
