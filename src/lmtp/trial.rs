//! The whole of `lmtp` in one thread, between a supervisor, a front, an `auth`, a
//! `director` and workers that the test plays, over real channels and sockets.

mod deaths;
mod letters;
mod sessions;

use crate::house;
use crate::spool::{PIECE_BYTES, random_name};
use ipc::edge::delivery::{Outcome, ToLmtp as FromWorker, ToWorker};
use ipc::edge::front_service::{ToFront, ToService, Transport};
use ipc::edge::handover::{Refusal, ToAsker, ToDirector, Work};
use ipc::edge::lmtp_auth::{Standing, ToAuth, ToLmtp};
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::slice::{self, Listener, LogLevel, Logging, Protocol, Slice, TlsUse};
use ipc::{Bytes, Channel, ConnectionId, Instance, Message, Nonce, letter, start};
use ipc_async::AsyncChannel;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

type Auth = AsyncChannel<ToLmtp, ToAuth>;
type Director = AsyncChannel<ToAsker, ToDirector>;
type Worker = AsyncChannel<FromWorker, ToWorker>;

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

fn lmtp_slice() -> slice::Lmtp {
    slice::Lmtp {
        logging: Logging {
            level: LogLevel::Error,
            journal: false,
        },
        hostname: Bytes::new("mail.example.org").unwrap(),
        message_bytes_max: 50 << 20,
        spool_bytes_max: 1 << 30,
        recipients_max: 100,
        sessions_max: 10,
        idle_seconds: 300,
        starttls: true,
    }
}

/// A running lmtp and all of its peers.
struct Trial {
    supervisor: AsyncChannel<ToProcess, ToSupervisor>,
    front: AsyncChannel<ToService, ToFront>,
    auth: Auth,
    director: Director,
    directory: PathBuf,
}

impl Trial {
    async fn new(slice: slice::Lmtp) -> Self {
        let directory = std::env::temp_dir().join(format!("lmtp-{}", random_name().unwrap()));
        std::fs::create_dir_all(directory.join("spool")).unwrap();
        let (ours, theirs) = ipc::channel::pair().unwrap();
        let supervisor = AsyncChannel::adopt(ours).unwrap();
        say(
            &supervisor,
            ToProcess::Configure {
                slice: Slice::Lmtp { slice },
            },
        );
        let front = AsyncChannel::adopt(connect(&supervisor, Edge::FrontLmtp)).unwrap();
        let auth = AsyncChannel::adopt(connect(&supervisor, Edge::LmtpAuth)).unwrap();
        let director = AsyncChannel::adopt(connect(&supervisor, Edge::LmtpHandover)).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(directory.join("socket")).unwrap();
        let listener = Listener {
            protocol: Protocol::Lmtp,
            tls: TlsUse::Never,
            proxy: false,
            client_certificates: false,
        };
        say(
            &supervisor,
            ToProcess::Listen {
                listener,
                socket: socket.into(),
            },
        );
        say(&supervisor, ToProcess::Begin);
        begin(theirs, directory.join("spool"));
        assert!(matches!(hear(&supervisor).await, ToSupervisor::Entered));
        assert!(matches!(hear(&supervisor).await, ToSupervisor::Running));
        Self {
            supervisor,
            front,
            auth,
            director,
            directory,
        }
    }

    async fn client(&self) -> Client {
        let mut client = Client(
            UnixStream::connect(self.directory.join("socket"))
                .await
                .unwrap(),
        );
        client.hears("220 mail.example.org LMTP Mailkeep\r\n").await;
        client
    }

    /// A client that has got as far as its letter's first byte.
    async fn client_with_letter(&self, recipients: &[&str]) -> Client {
        let mut client = self.client().await;
        let mut said = String::from("LHLO mx.example.net\r\nMAIL FROM:<chris@bar.example>\r\n");
        for to in recipients {
            said.push_str(&format!("RCPT TO:<{to}>\r\n"));
        }
        said.push_str("DATA\r\n");
        client.says(said.as_bytes()).await;
        for _ in recipients {
            let ToAuth::Look { query, .. } = hear(&self.auth).await else {
                panic!("no look")
            };
            say(
                &self.auth,
                ToLmtp::Found {
                    query,
                    standing: Standing::Deliverable,
                },
            );
        }
        client.hears_up_to("354 End with <CRLF>.<CRLF>\r\n").await;
        client
    }

    /// The next delivery, up to its ticket; the address is the one that `auth`
    /// was told.
    async fn minted(&self) -> (Nonce, Vec<u8>) {
        let ToAuth::Deliver { nonce, address, .. } = hear(&self.auth).await else {
            panic!("no delivery")
        };
        let detail = Bytes::new(*b"detail").unwrap();
        say(&self.auth, ToLmtp::Minted { nonce, detail });
        (nonce, address.into_vec())
    }

    async fn handed_over(&self) -> (Nonce, OwnedFd) {
        let ToDirector::HandOver {
            nonce,
            work,
            socket,
        } = hear(&self.director).await;
        assert_eq!(work, Work::Delivery);
        (nonce, socket)
    }

    /// The worker of the next delivery, that has not yet heard the letter.
    async fn worker(&self) -> (Vec<u8>, Worker) {
        let (minted, address) = self.minted().await;
        let (nonce, socket) = self.handed_over().await;
        assert_eq!(nonce, minted);
        say(&self.director, ToAsker::Taken { nonce });
        (address, Worker::adopt(socket).unwrap())
    }

    fn spooled(&self) -> usize {
        std::fs::read_dir(self.directory.join("spool"))
            .unwrap()
            .count()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// All that is given has been sent, so that collecting it does not wait.
fn begin(supervisor: OwnedFd, spool: PathBuf) {
    let mut supervisor = Channel::adopt(supervisor).unwrap();
    let given = start::collect(&mut supervisor).unwrap();
    let supervisor = AsyncChannel::adopt(supervisor.into_socket()).unwrap();
    spawn_local(async move { house::run(supervisor, given, &spool).await });
}

struct Client(UnixStream);

impl Client {
    async fn says(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn hears(&mut self, expected: &str) {
        let mut bytes = vec![0; expected.len()];
        self.0.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    async fn hears_up_to(&mut self, last: &str) {
        let mut heard = Vec::new();
        while !heard.ends_with(last.as_bytes()) {
            heard.push(self.0.read_u8().await.unwrap());
        }
    }

    /// All that is said until the end.
    async fn hears_out(&mut self) -> String {
        let mut heard = String::new();
        self.0.read_to_string(&mut heard).await.unwrap();
        heard
    }
}

fn say<Tx: Message, Rx: Message>(channel: &AsyncChannel<Tx, Rx>, message: Tx) {
    channel.send(message).unwrap();
}

async fn hear<Tx: Message, Rx: Message>(channel: &AsyncChannel<Tx, Rx>) -> Rx {
    channel
        .receive()
        .await
        .unwrap()
        .expect("the peer still has its end")
}

fn connect(supervisor: &AsyncChannel<ToProcess, ToSupervisor>, edge: Edge) -> OwnedFd {
    let (ours, socket) = ipc::channel::pair().unwrap();
    say(
        supervisor,
        ToProcess::Connect {
            edge,
            instance: Instance(1),
            socket,
        },
    );
    ours
}

/// What a worker was given.
struct Given {
    trace: String,
    detail: Vec<u8>,
    letter: Vec<u8>,
    description: OwnedFd,
}

async fn given(worker: &Worker) -> Given {
    let ToWorker::Letter {
        trace,
        detail,
        length,
        letter: description,
    } = hear(worker).await;
    assert!(letter::check(&description, length).is_ok());
    let mut letter = vec![0; usize::try_from(length).unwrap()];
    let mut done = 0;
    while done < letter.len() {
        done += rustix::io::pread(&description, &mut letter[done..], done as u64).unwrap();
    }
    let trace = String::from_utf8(trace.into_vec()).unwrap();
    Given {
        trace,
        detail: detail.into_vec(),
        letter,
        description,
    }
}

fn done(worker: &Worker, outcome: Outcome) {
    say(worker, FromWorker::Done { outcome });
}

const DOT: &[u8] = b".\r\n";
