//! The whole of `control` in one thread, between an `auth`, a `director`, a
//! supervisor, workers and admins that the test plays, over real sockets.

mod deletions;
mod permission;
mod requests;
mod tasks;

use crate::admin;
use crate::house::House;
use ipc::codec::Message;
use ipc::edge::admin::{Answer, Request};
use ipc::edge::control_auth::{self, Refusal};
use ipc::edge::supervisor::Edge;
use ipc::edge::{control_director, control_supervisor, handover};
use ipc::slice::{Control as Slice, LogLevel, Logging};
use ipc::{AccountId, Bytes, List};
use ipc_async::AsyncChannel;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

type Auth = AsyncChannel<control_auth::ToControl, control_auth::ToAuth>;
type Director = AsyncChannel<control_director::ToControl, control_director::ToDirector>;
type Handover = AsyncChannel<handover::ToAsker, handover::ToDirector>;
type Supervisor = AsyncChannel<control_supervisor::ToControl, control_supervisor::ToSupervisor>;
type Client = AsyncChannel<Request, Answer>;

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

/// A running control and all of its peers.
struct Trial {
    house: Rc<House>,
    auth: Auth,
    director: Director,
    handover: Handover,
    supervisor: Supervisor,
    socket: PathBuf,
}

impl Trial {
    /// Where we are the admin.
    fn new() -> Self {
        let house = Rc::new(House::new(slice(rustix::process::geteuid().as_raw())));
        let name = format!("mailkeep-control-{}", u128::from_le_bytes(random()));
        let socket = std::env::temp_dir().join(name);
        let listener = seqpacket();
        rustix::net::bind(&listener, &address(&socket)).unwrap();
        rustix::net::listen(&listener, 16).unwrap();
        spawn_local(admin::listen(Rc::clone(&house), listener));
        Self {
            auth: connect(&house, Edge::ControlAuth),
            director: connect(&house, Edge::ControlDirector),
            handover: connect(&house, Edge::ControlHandover),
            supervisor: connect(&house, Edge::ControlSupervisor),
            house,
            socket,
        }
    }

    /// Somebody connects to the admin socket.
    fn client(&self) -> Client {
        let socket = seqpacket();
        rustix::net::connect(&socket, &address(&self.socket)).unwrap();
        Client::adopt(socket).unwrap()
    }

    /// The next thing that `auth` is asked is this client's, and nothing stood
    /// before it.
    async fn nothing_was_asked(&self) {
        let client = self.client();
        client.send(kick("marker")).unwrap();
        match next(&self.auth).await {
            control_auth::ToAuth::Kick { name, query } => {
                assert_eq!(name.as_slice(), b"marker");
                self.auth.send(done(query, 1)).unwrap();
            }
            other => panic!("auth was asked {other:?}"),
        }
        assert!(matches!(next(&client).await, Answer::Done));
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _only_a_leftover_in_tmp = std::fs::remove_file(&self.socket);
    }
}

fn random() -> [u8; 16] {
    ipc::identity::random().unwrap()
}

fn slice(admin: u32) -> Slice {
    Slice {
        logging: Logging {
            level: LogLevel::Error,
            journal: false,
        },
        admins: List::new(vec![admin]).unwrap(),
    }
}

fn seqpacket() -> std::os::fd::OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

fn address(path: &PathBuf) -> SocketAddrUnix {
    SocketAddrUnix::new(path).unwrap()
}

/// A new life of the process at the other end of an edge.
fn connect<Tx: Message, Rx: Message>(house: &House, edge: Edge) -> AsyncChannel<Tx, Rx> {
    let (near, far) = ipc::channel::pair().unwrap();
    house.connect(edge, near);
    AsyncChannel::adopt(far).unwrap()
}

/// What comes next on a channel.
async fn next<Tx: Message, Rx: Message>(channel: &AsyncChannel<Tx, Rx>) -> Rx {
    channel.receive().await.unwrap().expect("a message")
}

fn text<const MAX: usize>(text: &str) -> Bytes<MAX> {
    Bytes::new(text).unwrap()
}

fn kick(name: &str) -> Request {
    Request::Kick { name: text(name) }
}

fn done(query: u64, account: u32) -> control_auth::ToControl {
    control_auth::ToControl::Done {
        query,
        account: AccountId(account),
    }
}

/// Whether a request was refused, and with this reason.
fn refused(answer: &Answer, wanted: Refusal) -> bool {
    matches!(answer, Answer::Refused { refusal } if *refusal == wanted)
}
