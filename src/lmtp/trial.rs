//! The whole of `lmtp` in one thread, between a supervisor, a front, an `auth`, a
//! `director` and workers that the test plays, over real channels and sockets.

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
    assert_eq!(letter::check(&description, length), Ok(()));
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

/// The letter is complete; what then happens must be answered 451, once.
async fn is_put_off(trial: &Trial, mut client: Client) {
    client.hears("451 4.3.0 Try again later\r\n").await;
    client.says(b"QUIT\r\n").await;
    assert_eq!(client.hears_out().await, "221 2.0.0 Bye\r\n");
    assert_eq!(trial.spooled(), 0);
}

#[test]
fn an_auth_that_dies_puts_the_letter_off() {
    run(async {
        let mut trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        let ToAuth::Deliver { .. } = hear(&trial.auth).await else {
            panic!("no delivery")
        };
        drop(std::mem::replace(&mut trial.auth, unconnected()));
        is_put_off(&trial, client).await;
    });
}

#[test]
fn a_director_that_dies_before_its_answer_puts_the_letter_off() {
    run(async {
        let mut trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        trial.minted().await;
        let (_, socket) = trial.handed_over().await;
        drop(std::mem::replace(&mut trial.director, unconnected()));
        // The worker has the socket, and must not be given the letter any more.
        let worker = Worker::adopt(socket).unwrap();
        assert!(matches!(worker.receive().await, Ok(None)));
        is_put_off(&trial, client).await;
    });
}

#[test]
fn a_director_that_dies_after_its_answer_changes_nothing() {
    run(async {
        let mut trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        let (_, worker) = trial.worker().await;
        given(&worker).await;
        drop(std::mem::replace(&mut trial.director, unconnected()));
        done(&worker, Outcome::Delivered);
        client.hears("250 2.0.0 Kept\r\n").await;
    });
}

#[test]
fn a_hand_over_that_is_refused_or_lost_puts_the_letter_off() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        for lost in [false, true] {
            let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
            client.says(DOT).await;
            trial.minted().await;
            let (nonce, _socket) = trial.handed_over().await;
            say(
                &trial.director,
                match lost {
                    false => ToAsker::Refused {
                        nonce,
                        refusal: Refusal::NoWorker,
                    },
                    true => ToAsker::Lost { nonce },
                },
            );
            is_put_off(&trial, client).await;
        }
    });
}

#[test]
fn a_worker_that_dies_or_breaks_the_rules_puts_the_letter_off() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        for breaks_rules in [false, true] {
            let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
            client.says(DOT).await;
            trial.minted().await;
            let (nonce, socket) = trial.handed_over().await;
            say(&trial.director, ToAsker::Taken { nonce });
            if breaks_rules {
                rustix::net::send(&socket, &[255], rustix::net::SendFlags::empty()).unwrap();
            } else {
                drop(socket);
            }
            is_put_off(&trial, client).await;
        }
    });
}

#[test]
fn a_silent_director_puts_the_letter_off_in_bounded_time() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        trial.minted().await;
        let (nonce, _socket) = trial.handed_over().await;
        tokio::time::pause();
        client.hears("451 4.3.0 Try again later\r\n").await;
        tokio::time::resume();
        // What it says afterwards is nobody's.
        say(&trial.director, ToAsker::Taken { nonce });
        client.says(b"NOOP\r\n").await;
        client.hears("250 2.0.0 OK\r\n").await;
    });
}

#[test]
fn an_account_that_went_between_rcpt_and_the_letter_is_no_success() {
    run(async {
        let trial = Trial::new(lmtp_slice()).await;
        let mut client = trial.client_with_letter(&["pat@foo.example"]).await;
        client.says(DOT).await;
        let ToAuth::Deliver { nonce, .. } = hear(&trial.auth).await else {
            panic!("no delivery")
        };
        say(
            &trial.auth,
            ToLmtp::NotMinted {
                nonce,
                standing: Standing::Unknown,
            },
        );
        client.hears("550 5.1.1 No such user\r\n").await;
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

/// A channel whose other end is closed.
fn unconnected<Tx: Message, Rx: Message>() -> AsyncChannel<Tx, Rx> {
    let (ours, _) = ipc::channel::pair().unwrap();
    AsyncChannel::adopt(ours).unwrap()
}
