//! Who is let in, from where, and when the door closes.

use super::*;

#[test]
fn a_newcomer_from_a_full_prefix_is_closed_until_there_is_room() {
    run(async {
        let slice = slice::Front {
            connections_per_prefix_max: 1,
            ..front_slice()
        };
        let trial = Trial::new(slice, listener(TlsUse::Never)).await;
        let first = trial.tcp().await;
        let given = trial.session().await;
        assert_eq!(rest(&mut trial.tcp().await).await, b"");
        drop((first, given.socket));
        trial.closed(given.cookie).await;
        let _second = trial.tcp().await;
        trial.session().await;
    });
}

fn proxied(slice: slice::Front) -> (slice::Front, Listener) {
    let loopback = Network {
        address: Ipv4Addr::new(127, 0, 0, 0).to_ipv6_mapped().octets(),
        prefix: 104,
    };
    let proxies = List::new(vec![loopback]).unwrap();
    (
        slice::Front { proxies, ..slice },
        Listener {
            proxy: true,
            ..listener(TlsUse::Never)
        },
    )
}

fn proxy_header(client: [u8; 4]) -> Vec<u8> {
    let fixed = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c";
    [
        &fixed[..],
        &client,
        &[192, 0, 2, 9],
        &[0x04, 0xd2, 0x03, 0xe1],
    ]
    .concat()
}

#[test]
fn the_client_behind_a_proxy_is_the_one_that_counts_and_is_never_local() {
    run(async {
        let (slice, listener) = proxied(front_slice());
        let trial = Trial::new(slice, listener).await;
        for client in [[198, 51, 100, 7], [127, 0, 0, 1]] {
            let mut proxy = trial.tcp().await;
            proxy.write_all(&proxy_header(client)).await.unwrap();
            proxy.write_all(b"a NOOP\r\n").await.unwrap();
            let mut given = trial.session().await;
            let Facts::Opened { address, port, .. } = given.facts else {
                panic!("not opened")
            };
            assert_eq!(address, Ipv4Addr::from(client).to_ipv6_mapped().octets());
            assert_eq!(port, 1234);
            let loopback = client[0] == 127;
            assert_eq!(given.transport, Transport::Cleartext { loopback });
            reads(&mut given.socket, b"a NOOP\r\n").await;
        }
    });
}

#[test]
fn a_proxy_that_is_not_one_or_speaks_the_text_form_is_closed() {
    run(async {
        let (slice, listener) = proxied(front_slice());
        let trial = Trial::new(slice, listener.clone()).await;
        let mut text = trial.tcp().await;
        text.write_all(b"PROXY TCP4 198.51.100.7 192.0.2.9 1 2\r\n")
            .await
            .unwrap();
        assert_eq!(rest(&mut text).await, b"");

        let trial = Trial::new(front_slice(), listener).await;
        let mut stranger = trial.tcp().await;
        let _ = stranger.write_all(&proxy_header([198, 51, 100, 7])).await;
        assert_eq!(rest(&mut stranger).await, b"");
    });
}

#[test]
fn stop_closes_the_door_and_waits_for_those_inside() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        let mut client = trial.tcp().await;
        let mut given = trial.session().await;
        say(&trial.supervisor, ToProcess::Stop);
        while TcpStream::connect(trial.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        given.socket.write_all(b"* BYE\r\n").await.unwrap();
        drop(given.socket);
        assert_eq!(rest(&mut client).await, b"* BYE\r\n");
        drop(client);
        assert!(matches!(trial.supervisor.receive().await, Ok(None)));
    });
}

#[test]
fn a_message_out_of_phase_ends_the_process() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        say(&trial.supervisor, ToProcess::Commit);
        assert!(matches!(trial.supervisor.receive().await, Ok(None)));
    });
}
