//! A real process on a stage: born as the supervisor bears it, with all its peers
//! played by the test.

use harness::{binaries, proc, set::wait_for};
use ipc::edge::supervisor::{Edge, FileUse, ToProcess, ToSupervisor};
use ipc::slice::{Listener, Logging, Slice};
use ipc::ticket::KEY_BYTES;
use ipc::{Channel, Instance, Message, Received, Secret};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Gid, MemfdFlags, Mode, OFlags, Uid, memfd_create, openat};
use sandbox::profile::{self, Identity, Root};
use sandbox::{Child, IdRanges, Newborn, Profile, Program, Site};
use std::ffi::CString;
use std::fs::{DirBuilder, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a process may take over anything here.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The account whose worker is borne here.
pub const ACCOUNT: u32 = 7;

/// The key of the stage's tickets.
pub const MASTER_KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

/// A quiet log.
pub const LOGGING: Logging = Logging {
    level: ipc::slice::LogLevel::Error,
    journal: false,
};

static LIVES: AtomicU32 = AtomicU32::new(100);

/// A fresh life of some process.
pub fn instance() -> Instance {
    Instance(LIVES.fetch_add(1, Ordering::Relaxed))
}

/// What a process is given besides its edges.
pub enum Gift {
    /// The key of tickets.
    MasterKey,
    /// A file, by its content.
    File(FileUse, String),
    /// A listening socket.
    Listen(Listener, OwnedFd),
    /// The slice of workers, and their log.
    Workers(Slice),
}

/// A process on the stage.
pub struct Stage {
    /// The supervisor's end.
    pub supervisor: Channel<ToProcess, ToSupervisor>,
    child: Child,
    _directory: Scratch,
}

impl Stage {
    /// Bears a process of the supervisor's and lets it begin.
    pub fn begin(profile: &'static Profile, slice: Slice, gifts: Vec<Gift>) -> Self {
        let directory = Scratch::new();
        let (near, far) = ipc::channel::pair().expect("a pair");
        let (worker, verifier) = (seal(&profile::WORKER), seal(&profile::VERIFY));
        let store = open(&directory.path(Root::Store), OFlags::RDONLY);
        let root = directory.root(profile);
        let more = [worker.as_fd(), store.as_fd(), verifier.as_fd()];
        let child = bear(profile, &directory, root.as_fd(), far.as_fd(), &more);
        let mut stage = Self {
            supervisor: Channel::adopt(near).expect("a channel"),
            child,
            _directory: directory,
        };
        assert!(matches!(stage.hear(), Some(ToSupervisor::Entered)));
        stage.tell(ToProcess::Configure { slice });
        gifts.into_iter().for_each(|gift| stage.give(gift));
        stage.tell(ToProcess::Begin);
        match stage.hear() {
            Some(ToSupervisor::Running) => stage,
            other => panic!("{:?} says {other:?}", profile.process),
        }
    }

    fn give(&mut self, gift: Gift) {
        match gift {
            Gift::MasterKey => self.tell(ToProcess::MasterKey {
                key: Secret::from_array(MASTER_KEY),
            }),
            Gift::File(purpose, content) => self.tell(ToProcess::Provide {
                purpose,
                file: file(content.as_bytes()),
            }),
            Gift::Listen(listener, socket) => self.tell(ToProcess::Listen { listener, socket }),
            Gift::Workers(slice) => {
                self.tell(ToProcess::WorkerSlice { slice });
                self.tell(ToProcess::WorkerLog { log: null() });
            }
        }
    }

    /// Gives the process a new end of an edge; the other is the test's.
    pub fn connect(&mut self, edge: Edge) -> OwnedFd {
        self.connect_as(edge, instance())
    }

    /// As `connect`, with a peer that has a name.
    pub fn connect_as(&mut self, edge: Edge, instance: Instance) -> OwnedFd {
        let (near, far) = ipc::channel::pair().expect("a pair");
        self.tell(ToProcess::Connect {
            edge,
            instance,
            socket: far,
        });
        near
    }

    /// An honest peer.
    pub fn peer<Tx: Message, Rx: Message>(&mut self, edge: Edge) -> Peer<Tx, Rx> {
        Peer::of(self.connect(edge))
    }

    fn tell(&mut self, message: ToProcess) {
        self.supervisor.send(message).expect("the process lives");
    }

    fn hear(&mut self) -> Option<ToSupervisor> {
        hear(&mut self.supervisor)
    }

    /// Its descriptors, as far as the kernel lets us see them.
    pub fn descriptors(&self) -> Vec<String> {
        let mut all: Vec<String> = proc::descriptors(self.child.number().unsigned_abs())
            .into_iter()
            .map(|(_, what)| what.split(':').next().unwrap_or_default().to_owned())
            .collect();
        all.sort();
        all
    }

    /// Sets its limit of descriptors (`RLIMIT_NOFILE`).
    pub fn limit_descriptors(&self, most: u64) {
        let pid = rustix::process::Pid::from_raw(self.child.number());
        let limit = rustix::process::Rlimit {
            current: Some(most),
            maximum: Some(16_384),
        };
        rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).expect("root may");
    }

    /// Leaves it no number for a further descriptor, if we may see which it has.
    pub fn exhaust(&self) -> bool {
        let held = proc::descriptors(self.child.number().unsigned_abs());
        let is_free = |number: &u32| held.iter().all(|(other, _)| other != number);
        let free = (0..).find(is_free).unwrap_or_default();
        if !held.is_empty() {
            self.limit_descriptors(free.into());
        }
        !held.is_empty()
    }

    /// How long it has run on a processor, and not waited for one: others are busy too
    /// (`/proc/PID/schedstat`: its first number, of nanoseconds).
    pub fn busy(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.number()));
        let stat = stat.expect("it lives");
        let ran = stat.split_whitespace().next();
        let ran = ran.and_then(|time| time.parse().ok());
        Duration::from_nanos(ran.expect("the kernel counts it"))
    }

    /// That it lives.
    pub fn lives(&self) -> bool {
        matches!(self.child.ended(), Ok(None))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        wait_for(PATIENCE, || !matches!(self.child.ended(), Ok(None)));
    }
}

/// A channel of the test's, which waits.
pub struct Peer<Tx, Rx>(Channel<Tx, Rx>);

impl<Tx, Rx> AsFd for Peer<Tx, Rx> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<Tx: Message, Rx: Message> Peer<Tx, Rx> {
    /// Plays on this end.
    pub fn of(socket: OwnedFd) -> Self {
        Self(Channel::adopt(socket).expect("a channel"))
    }

    /// Says something.
    pub fn say(&mut self, message: Tx) {
        self.try_say(message).expect("the process lives");
    }

    /// Says something, if there is still somebody.
    pub fn try_say(&mut self, message: Tx) -> Result<(), ipc::Fault> {
        self.0.send(message)
    }

    /// What comes next; `None` at the end.
    pub fn hear(&mut self) -> Option<Rx> {
        hear(&mut self.0)
    }

    /// What is answered.
    pub fn ask(&mut self, message: Tx) -> Rx {
        self.say(message);
        self.hear().expect("an answer")
    }
}

fn hear<Tx: Message, Rx: Message>(channel: &mut Channel<Tx, Rx>) -> Option<Rx> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        match channel.receive() {
            Ok(Received::Message(message)) => return Some(message),
            Ok(Received::Nothing) => drop(is_readable(channel.as_fd(), Duration::from_secs(1))),
            Ok(Received::Closed) | Err(_) => return None,
        }
    }
    panic!("nothing came within {PATIENCE:?}")
}

/// Whether there is something to read, or an end, within a time.
pub fn is_readable(socket: BorrowedFd<'_>, within: Duration) -> bool {
    let timeout = Timespec {
        tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(within.subsec_nanos()),
    };
    poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&timeout)) == Ok(1)
}

/// Something that reads as nothing.
pub fn null() -> OwnedFd {
    open(Path::new("/dev/null"), OFlags::RDWR)
}

fn bear(
    profile: &'static Profile,
    directory: &Scratch,
    root: BorrowedFd<'_>,
    supervisor: BorrowedFd<'_>,
    more: &[BorrowedFd<'_>],
) -> Child {
    let (null, error) = (null(), std::io::stderr());
    let mut table = vec![null.as_fd(), null.as_fd(), error.as_fd(), supervisor];
    table.extend(more);
    table.truncate(profile.descriptors.len());
    let program = seal(profile);
    Newborn::process(profile, directory.site, root, &program, &table)
        .spawn()
        .unwrap_or_else(|stillborn| panic!("{:?}: {stillborn}", profile.process))
}

fn seal(profile: &Profile) -> Program {
    let name = profile.process.program();
    let file = File::open(binaries::program(name)).expect("it is built");
    Program::seal(&CString::new(name).expect("a name"), &file).expect("memory can be sealed")
}

fn file(content: &[u8]) -> OwnedFd {
    let file = memfd_create(c"given", MemfdFlags::CLOEXEC).expect("memory");
    rustix::io::pwrite(&file, content, 0).expect("memory");
    file
}

fn open(path: &Path, flags: OFlags) -> OwnedFd {
    openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty()).expect("it is there")
}

/// The directories of a set, with their owners.
struct Scratch {
    path: PathBuf,
    site: Site,
}

impl Scratch {
    fn new() -> Self {
        let number = LIVES.fetch_add(1, Ordering::Relaxed);
        let name = format!("mailkeep-privsep-{}-{number}", std::process::id());
        let lacks = sandbox::kernel_lacks();
        let is_root = rustix::process::geteuid().is_root();
        let site = if is_root {
            Site::separate(IdRanges::default(), lacks)
        } else {
            Site::single(lacks)
        };
        let scratch = Self {
            path: std::env::temp_dir().join(name),
            site,
        };
        scratch.furnish();
        scratch
    }

    fn furnish(&self) {
        make(&self.path, 0o755, None);
        make(&self.path(Root::Empty), 0o755, None);
        for owner in [&profile::AUTH, &profile::LMTP] {
            make(&self.own(owner), 0o700, self.owner(owner));
        }
        let broker = self.owner(&profile::BROKER);
        let broker = broker.map(|(_, gid)| (Uid::ROOT, gid));
        let mode = if broker.is_some() { 0o731 } else { 0o700 };
        make(&self.path(Root::Store), mode, broker);
        let account = self.site.ranges().and_then(|all| all.account(ACCOUNT));
        let account = account.map(|account| (account.uid(), account.gid()));
        make(&self.path(Root::Account), 0o700, account);
    }

    fn owner(&self, profile: &Profile) -> Option<(Uid, Gid)> {
        let own = self.site.ranges()?.process(profile.process);
        (profile.identity == Identity::Own).then(|| (own.uid(), own.gid()))
    }

    fn own(&self, profile: &Profile) -> PathBuf {
        self.path.join(profile.process.program())
    }

    fn path(&self, root: Root) -> PathBuf {
        match root {
            Root::Store => self.path.join("store"),
            Root::Account => self.path.join("store").join(ACCOUNT.to_string()),
            _ => self.path.join("empty"),
        }
    }

    fn root(&self, profile: &Profile) -> OwnedFd {
        let path = match profile.root {
            Root::Own => self.own(profile),
            root => self.path(root),
        };
        open(&path, OFlags::PATH)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left lies in the system's directory for temporary files.
        let _left = std::fs::remove_dir_all(&self.path);
    }
}

fn make(path: &Path, mode: u32, owner: Option<(Uid, Gid)>) {
    DirBuilder::new().create(path).expect("a directory");
    if let Some((uid, gid)) = owner {
        rustix::fs::chown(path, Some(uid), Some(gid)).expect("root may give it away");
    }
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).expect("it is ours");
}
