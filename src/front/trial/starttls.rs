//! STARTTLS: honest clients get TLS, injected commands get nowhere.

use super::*;

const STARTTLS: &[u8] = b"a STARTTLS\r\n";
const INJECTED: &[u8] = b"b NOOP\r\n";
const OK: &[u8] = b"a OK begin\r\n";

/// More than [`INJECTED`], and less than any ClientHello.
const HELLO_BYTES_MIN: usize = 100;

/// In which order a service does what STARTTLS asks of it.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// As `ipc::edge::front_service` says it.
    Documented,
    /// The message overtakes the OK.
    MessageFirst,
    /// The service was stopped for a while between.
    MessageLate,
}

/// The service's part of STARTTLS.
async fn agrees(trial: &Trial, mut given: Given, order: Order) {
    reads(&mut given.socket, STARTTLS).await;
    let message = ToFront::StartTls {
        connection: given.connection,
    };
    match order {
        Order::MessageFirst => say(&trial.login, message),
        Order::Documented | Order::MessageLate => {}
    }
    given.socket.write_all(OK).await.unwrap();
    match order {
        Order::MessageFirst => given.socket.shutdown().await.unwrap(),
        Order::Documented => {
            given.socket.shutdown().await.unwrap();
            say(
                &trial.login,
                ToFront::StartTls {
                    connection: given.connection,
                },
            );
        }
        Order::MessageLate => {
            // The client's next words have come all the way here by then.
            let mut heard = 0;
            while heard < HELLO_BYTES_MIN {
                heard += given.socket.read(&mut [0; 4096]).await.unwrap();
            }
            given.socket.shutdown().await.unwrap();
            say(
                &trial.login,
                ToFront::StartTls {
                    connection: given.connection,
                },
            );
        }
    }
}

#[test]
fn an_honest_client_gets_tls_in_whatever_order_the_service_says_it() {
    run(async {
        for order in [Order::Documented, Order::MessageFirst, Order::MessageLate] {
            let trial = Trial::new(front_slice(), listener(TlsUse::OnRequest)).await;
            let mut tcp = trial.tcp().await;
            let given = trial.session().await;
            let (cookie, connection) = (given.cookie, given.connection);
            assert!(given.may_start_tls);
            assert_eq!(given.transport, Transport::Cleartext { loopback: true });
            tcp.write_all(STARTTLS).await.unwrap();
            let client = async {
                reads(&mut tcp, OK).await;
                tls_over(tcp, &trial.certified.der).await.unwrap()
            };
            let ((), mut client) = tokio::join!(agrees(&trial, given, order), client);
            trial.closed(cookie).await;
            let mut again = trial.session().await;
            assert_eq!(again.connection, connection);
            assert!(again.after_starttls && !again.may_start_tls);
            assert_eq!(again.transport, Transport::Tls { version: 0x0304 });
            client.write_all(b"c LOGOUT\r\n").await.unwrap();
            reads(&mut again.socket, b"c LOGOUT\r\n").await;
        }
    });
}

/// A client that sends a command in the clear behind STARTTLS, cut at `cut`, with
/// the second piece before or after the OK, and then speaks TLS. Returns what
/// the new session heard, if there was one.
async fn injects(trial: &Trial, cut: usize, waits_for_ok: bool, order: Order) -> Option<Vec<u8>> {
    let all = [STARTTLS, INJECTED].concat();
    let (first, second) = all.split_at(cut);
    let mut tcp = trial.tcp().await;
    let given = trial.session().await;
    tcp.write_all(first).await.unwrap();
    let client = async {
        if !waits_for_ok {
            tcp.write_all(second).await.unwrap();
        }
        reads(&mut tcp, OK).await;
        if waits_for_ok {
            tcp.write_all(second).await.unwrap();
        }
        let mut tls = tls_over(tcp, &trial.certified.der).await.ok()?;
        tls.write_all(b"c NOOP\r\n").await.ok()?;
        tls.shutdown().await.ok()
    };
    let ((), tls) = tokio::join!(agrees(trial, given, order), client);
    tls?;
    Some(rest(&mut trial.session().await.socket).await)
}

#[test]
fn plaintext_behind_starttls_never_reaches_the_new_session() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::OnRequest)).await;
        for order in [Order::Documented, Order::MessageFirst, Order::MessageLate] {
            for cut in 1..=STARTTLS.len() + INJECTED.len() {
                let heard = injects(&trial, cut, false, order).await;
                // Discarded, or the handshake failed.
                assert!(
                    heard.is_none_or(|heard| heard == b"c NOOP\r\n"),
                    "{order:?} {cut}"
                );
            }
            for cut in STARTTLS.len()..STARTTLS.len() + INJECTED.len() {
                // Sent when it can only be TLS: the handshake must fail.
                let heard = injects(&trial, cut, true, order).await;
                assert_eq!(heard, None, "{order:?} {cut}");
            }
        }
    });
}

/// The OK comes behind so much else that it is spliced, and the service's word late.
#[test]
fn tls_begins_behind_a_large_answer() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::OnRequest)).await;
        let mut tcp = trial.tcp().await;
        let mut given = trial.session().await;
        let before = vec![b'x'; 3_000_000];
        tcp.write_all(STARTTLS).await.unwrap();
        let service = async {
            given.socket.write_all(&before).await.unwrap();
            agrees(&trial, given, Order::MessageLate).await;
        };
        let client = async {
            reads(&mut tcp, &before).await;
            reads(&mut tcp, OK).await;
            tls_over(tcp, &trial.certified.der).await.unwrap()
        };
        let ((), mut client) = tokio::join!(service, client);
        client.write_all(b"c LOGOUT\r\n").await.unwrap();
        reads(&mut trial.session().await.socket, b"c LOGOUT\r\n").await;
    });
}

#[test]
fn a_flood_behind_starttls_ends_the_connection() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::OnRequest)).await;
        let mut tcp = trial.tcp().await;
        let given = trial.session().await;
        tcp.write_all(STARTTLS).await.unwrap();
        let client = async {
            reads(&mut tcp, OK).await;
            let _ = tcp.write_all(&[b'x'; 200_000]).await;
            rest(&mut tcp).await
        };
        let cookie = given.cookie;
        tokio::join!(agrees(&trial, given, Order::MessageLate), client);
        trial.closed(cookie).await;
    });
}

#[test]
fn a_service_that_asks_for_tls_on_anothers_connection_loses_its_channel() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::OnRequest)).await;
        let thief: Login =
            AsyncChannel::adopt(connect(&trial.supervisor, Edge::FrontLogin, 9)).unwrap();
        let mut client = trial.tcp().await;
        // The two services have no session yet, so the older one is chosen.
        let mut given = trial.session().await;
        say(
            &thief,
            ToFront::StartTls {
                connection: given.connection,
            },
        );
        assert!(matches!(thief.receive().await, Ok(None)));
        given.socket.write_all(b"unharmed").await.unwrap();
        reads(&mut client, b"unharmed").await;
    });
}

#[test]
fn a_service_cannot_ask_for_tls_where_there_is_tls() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        let mut client = trial.tls().await;
        let mut given = trial.session().await;
        say(
            &trial.login,
            ToFront::StartTls {
                connection: given.connection,
            },
        );
        assert!(matches!(trial.login.receive().await, Ok(None)));
        given.socket.write_all(b"unharmed").await.unwrap();
        reads(&mut client, b"unharmed").await;
    });
}
