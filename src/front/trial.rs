//! The whole of `front` in one thread, between a supervisor, services, an `auth`
//! and a `keyholder` that the test plays, over real channels and loopback.

mod client_certificates;
mod deaths;
mod doors;
mod handshakes;
mod relaying;
mod starttls;

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
use tokio::time::timeout;
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
        client_certificates: false,
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
        Self::with(slice, listener, |_| ()).await
    }

    /// One that is told something more before it begins.
    async fn with(
        slice: slice::Front,
        listener: Listener,
        more: impl FnOnce(&AsyncChannel<ToProcess, ToSupervisor>),
    ) -> Self {
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
        more(&supervisor);
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
            client_certificate,
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
            client_certificate,
            cookie,
            facts,
            socket,
        }
    }

    /// Waits until `front` has heard all that was said before.
    async fn barrier(&self) {
        let slice = Slice::Front {
            slice: front_slice(),
        };
        say(&self.supervisor, ToProcess::Prepare { slice });
        // Peers that the test has dropped are told of before.
        loop {
            match hear(&self.supervisor).await {
                ToSupervisor::Torn { .. } => {}
                answer => break assert!(matches!(answer, ToSupervisor::Prepared)),
            }
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
    client_certificate: bool,
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
    let (purpose, file) = (FileUse::Certificates, memory_file(pem));
    ToProcess::Provide { purpose, file }
}

fn memory_file(text: &str) -> OwnedFd {
    let file = memfd_create("pem", MemfdFlags::CLOEXEC).unwrap();
    rustix::io::write(&file, text.as_bytes()).unwrap();
    seek(&file, SeekFrom::Start(0)).unwrap();
    file
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
