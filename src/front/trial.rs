//! The whole of `front` in one thread, between a supervisor, services, an `auth`
//! and a `keyholder` that the test plays, over real channels and loopback.

use crate::house;
use ipc::edge::front_auth::{self, Facts};
use ipc::edge::front_keyholder::{FromKeyholder, ToKeyholder};
use ipc::edge::front_service::{ToFront, ToService, Transport};
use ipc::edge::supervisor::{Edge, FileUse, ToProcess, ToSupervisor};
use ipc::epoll::Epoll;
use ipc::slice::{self, Listener, LogLevel, Logging, Network, Protocol, Slice, TlsUse};
use ipc::{Bytes, Channel, ConnectionId, Cookie, Instance, List, Received, start};
use ipc_async::AsyncChannel;
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Login = AsyncChannel<ToFront, ToService>;
type Auth = AsyncChannel<front_auth::ToFront, Facts>;

/// Runs one test on one thread; a test that waits for ever fails.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let ended = timeout(Duration::from_secs(60), test).await;
        ended.expect("the test ends in time");
    });
}

struct Certified {
    pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

fn certified() -> Certified {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    Certified {
        pem: made.cert.pem(),
        der: made.cert.der().clone(),
        key: made.signing_key.serialize_der(),
    }
}

fn front_slice() -> slice::Front {
    slice::Front {
        logging: Logging {
            level: LogLevel::Error,
            journal: false,
        },
        connections_max: 100,
        connections_per_prefix_max: 100,
        handshake_seconds: 10,
        tls12: false,
        proxies: List::default(),
    }
}

fn listener(tls: TlsUse) -> Listener {
    Listener {
        protocol: Protocol::Imap,
        tls,
        proxy: false,
    }
}

/// A running front and all of its peers.
struct Trial {
    supervisor: AsyncChannel<ToProcess, ToSupervisor>,
    login: Login,
    auth: Auth,
    address: SocketAddr,
    certified: Certified,
}

impl Trial {
    async fn new(slice: slice::Front, listener: Listener) -> Self {
        let (ours, theirs) = ipc::channel::pair().unwrap();
        let supervisor = AsyncChannel::adopt(ours).unwrap();
        let certified = certified();
        say(
            &supervisor,
            ToProcess::Configure {
                slice: Slice::Front { slice },
            },
        );
        say(&supervisor, provide(&certified.pem));
        let login = AsyncChannel::adopt(connect(&supervisor, Edge::FrontLogin, 1)).unwrap();
        let auth = AsyncChannel::adopt(connect(&supervisor, Edge::FrontAuth, 2)).unwrap();
        play_keyholder(
            connect(&supervisor, Edge::FrontKeyholder, 3),
            &certified.key,
        );
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        say(
            &supervisor,
            ToProcess::Listen {
                listener,
                socket: socket.into(),
            },
        );
        say(&supervisor, ToProcess::Begin);
        begin(theirs);
        assert!(matches!(hear(&supervisor).await, ToSupervisor::Entered));
        assert!(matches!(hear(&supervisor).await, ToSupervisor::Running));
        Self {
            supervisor,
            login,
            auth,
            address,
            certified,
        }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn tls(&self) -> TlsStream<TcpStream> {
        tls_over(self.tcp().await, &self.certified.der)
            .await
            .unwrap()
    }

    /// The next session that the service is given, with what `auth` was told of
    /// it before.
    async fn session(&self) -> Given {
        let given = hear(&self.login).await;
        let ToService::Session {
            connection,
            transport,
            may_start_tls,
            after_starttls,
            socket,
            ..
        } = given;
        let cookie = ipc::socket::cookie(&socket).unwrap();
        let facts = loop {
            let facts = hear(&self.auth).await;
            if matches!(&facts, Facts::Opened { cookie: told, .. } if *told == cookie) {
                break facts;
            }
        };
        let socket = UnixStream::from_std(socket.into()).unwrap();
        Given {
            connection,
            transport,
            may_start_tls,
            after_starttls,
            cookie,
            facts,
            socket,
        }
    }

    async fn closed(&self, expected: Cookie) {
        loop {
            if matches!(hear(&self.auth).await, Facts::Closed { cookie } if cookie == expected) {
                return;
            }
        }
    }
}

/// All that is given has been sent, so that collecting it does not wait.
fn begin(supervisor: OwnedFd) {
    let mut supervisor = Channel::adopt(supervisor).unwrap();
    let given = start::collect(&mut supervisor).unwrap();
    let supervisor = AsyncChannel::adopt(supervisor.into_socket()).unwrap();
    spawn_local(house::run(supervisor, given));
}

struct Given {
    connection: ConnectionId,
    transport: Transport,
    may_start_tls: bool,
    after_starttls: bool,
    cookie: Cookie,
    facts: Facts,
    socket: UnixStream,
}

fn say<Tx: ipc::Message, Rx: ipc::Message>(channel: &AsyncChannel<Tx, Rx>, message: Tx) {
    channel.send(message).unwrap();
}

async fn hear<Tx: ipc::Message, Rx: ipc::Message>(channel: &AsyncChannel<Tx, Rx>) -> Rx {
    channel
        .receive()
        .await
        .unwrap()
        .expect("the peer still has its end")
}

fn connect(
    supervisor: &AsyncChannel<ToProcess, ToSupervisor>,
    edge: Edge,
    instance: u32,
) -> OwnedFd {
    let (ours, socket) = ipc::channel::pair().unwrap();
    say(
        supervisor,
        ToProcess::Connect {
            edge,
            instance: Instance(instance),
            socket,
        },
    );
    ours
}

fn provide(pem: &str) -> ToProcess {
    let file = memfd_create("pem", MemfdFlags::CLOEXEC).unwrap();
    rustix::io::write(&file, pem.as_bytes()).unwrap();
    seek(&file, SeekFrom::Start(0)).unwrap();
    ToProcess::Provide {
        purpose: FileUse::Certificates,
        file,
    }
}

/// Signs whatever it is asked, on a thread of its own because `front` blocks on
/// the answer. Ends with its channel.
fn play_keyholder(socket: OwnedFd, key: &[u8]) {
    let key = PrivatePkcs8KeyDer::from(key.to_vec()).into();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let mut channel: Channel<FromKeyholder, ToKeyholder> = Channel::adopt(socket).unwrap();
    std::thread::spawn(move || {
        let epoll = Epoll::new().unwrap();
        epoll.add(&channel, 0).unwrap();
        loop {
            epoll.wait(None).unwrap();
            let answer = match channel.receive() {
                Ok(Received::Message(ToKeyholder::Schemes)) => FromKeyholder::Schemes {
                    schemes: List::new(vec![0x0403]).unwrap(),
                },
                Ok(Received::Message(ToKeyholder::Sign { scheme, input })) => {
                    let signer = key.choose_scheme(&[SignatureScheme::from(scheme)]).unwrap();
                    let signature = signer.sign(input.as_slice()).unwrap();
                    FromKeyholder::Signed {
                        signature: Bytes::new(signature).unwrap(),
                    }
                }
                Ok(Received::Nothing) => continue,
                Ok(Received::Closed) | Err(_) => return,
            };
            channel.send(answer).unwrap();
        }
    });
}

static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

fn client_config(
    versions: &[&'static SupportedProtocolVersion],
    trusted: &CertificateDer<'static>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn tls_with(config: ClientConfig, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

async fn tls_over(
    tcp: TcpStream,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    tls_with(client_config(TLS13, trusted), tcp).await
}

async fn reads(from: &mut (impl AsyncRead + Unpin), expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    from.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

/// Everything up to the end; an abrupt end is one, too.
async fn rest(from: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes).await;
    bytes
}

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

#[test]
fn megabytes_cross_whole_in_both_directions_at_once() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        let client = trial.tls().await;
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
        let mut to_deaf = trial.session().await.socket;
        spawn_local(async move { while to_deaf.write_all(&[b'x'; 65_536]).await.is_ok() {} });
        let mut client = trial.tls().await;
        let mut given = trial.session().await;
        for _ in 0..100 {
            given.socket.write_all(b"* 1 EXISTS\r\n").await.unwrap();
            reads(&mut client, b"* 1 EXISTS\r\n").await;
        }
    });
}

const STARTTLS: &[u8] = b"a STARTTLS\r\n";
const INJECTED: &[u8] = b"b NOOP\r\n";
const OK: &[u8] = b"a OK begin\r\n";

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
            // Long enough for the client's hello to have come and gone.
            sleep(Duration::from_millis(50)).await;
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

#[test]
fn a_dead_service_leaves_its_sessions_alone_and_newcomers_wait_for_the_next() {
    run(async {
        let mut trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        let mut old = trial.tcp().await;
        let mut old_session = trial.session().await;
        let (dead, _) = ipc::channel::pair().unwrap();
        drop(std::mem::replace(
            &mut trial.login,
            AsyncChannel::adopt(dead).unwrap(),
        ));
        let _new = trial.tcp().await;
        sleep(Duration::from_millis(50)).await;
        let login = connect(&trial.supervisor, Edge::FrontLogin, 10);
        trial.login = AsyncChannel::adopt(login).unwrap();
        assert_eq!(
            trial.session().await.transport,
            Transport::Cleartext { loopback: true }
        );
        old_session.socket.write_all(b"still here").await.unwrap();
        reads(&mut old, b"still here").await;
    });
}

#[test]
fn a_new_auth_is_told_of_the_sessions_that_there_are() {
    run(async {
        let mut trial = Trial::new(front_slice(), listener(TlsUse::Never)).await;
        let mut clients = Vec::new();
        let mut cookies = Vec::new();
        for _ in 0..20 {
            clients.push(trial.tcp().await);
            let given = trial.session().await;
            cookies.push(given.cookie);
            clients.push(TcpStream::from_std(detach(given.socket)).unwrap());
        }
        let auth = connect(&trial.supervisor, Edge::FrontAuth, 11);
        trial.auth = AsyncChannel::adopt(auth).unwrap();
        let mut told = Vec::new();
        while told.len() < cookies.len() {
            if let Facts::Opened { cookie, .. } = hear(&trial.auth).await {
                told.push(cookie);
            }
        }
        told.sort();
        cookies.sort();
        assert_eq!(told, cookies);
    });
}

/// Keeps a socket open among the clients.
fn detach(socket: UnixStream) -> std::net::TcpStream {
    OwnedFd::from(socket.into_std().unwrap()).into()
}

#[test]
fn a_restarted_keyholder_signs_for_those_who_waited() {
    run(async {
        let trial = Trial::new(front_slice(), listener(TlsUse::Immediate)).await;
        drop(connect(&trial.supervisor, Edge::FrontKeyholder, 12));
        let tcp = trial.tcp().await;
        let client = tls_over(tcp, &trial.certified.der);
        let restart = async {
            sleep(Duration::from_millis(50)).await;
            let socket = connect(&trial.supervisor, Edge::FrontKeyholder, 13);
            play_keyholder(socket, &trial.certified.key);
        };
        let (client, ()) = tokio::join!(client, restart);
        assert!(client.is_ok());
    });
}

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
        // Heard in order: once this is answered, the commit is done.
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
