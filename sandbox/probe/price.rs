//! What a layer costs: the system calls that a worker makes most, timed under one layer,
//! under two, or under none.
//!
//! It works in the directory where it is started, and prints a line for each kind of
//! call: nanoseconds, and what was done. One run is one sample; whoever asks takes the
//! median of several, in turns.

use crate::alone::{self, Layer};
use crate::attempts::call::{call, scratch};
use rustix::event::epoll;
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

/// Calls of each kind: a hundredth of a second or so, for which no layer's name is long.
const TIMES: u32 = 20_000;

/// Bytes that are read and written at a time.
const PAGE: usize = 4096;

/// A worker's descriptors, in little.
struct Desk {
    directory: OwnedFd,
    file: File,
    events: OwnedFd,
    session: (OwnedFd, OwnedFd),
    /// Where the kernel may write an event.
    room: u64,
}

/// What a worker does, and how it is done once.
type Kind = (&'static str, fn(&Desk));

const KINDS: [Kind; 5] = [
    ("look for events: `epoll_wait`", look),
    ("64 bytes through a socket: `sendto`, `recvfrom`", pass),
    ("4 KiB of an open file: `pread64`", read),
    ("4 KiB into an open file: `pwrite64`", write),
    ("another file: `openat`, `fstat`, `close`", open),
];

/// Puts these layers on, joined by "+", and does a worker's work.
pub fn run(layers: &str) {
    let desk = Desk::new();
    let on = layers.split('+').map(Layer::named);
    on.for_each(|layer| alone::put_on(layer, crate::borrow(crate::CHANNEL)));
    for (what, once) in KINDS {
        println!("{:.1} {what}", nanoseconds(|| once(&desk)));
    }
}

/// Of this thread's processor time: what others do meanwhile is nobody's price.
fn nanoseconds(once: impl Fn()) -> f64 {
    (0..TIMES / 10).for_each(|_| once());
    let before = spent();
    (0..TIMES).for_each(|_| once());
    (spent() - before) * 1e9 / f64::from(TIMES)
}

fn spent() -> f64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

impl Desk {
    /// Everything is open before a layer stands, as for a worker at work.
    fn new() -> Self {
        std::fs::create_dir_all("journal").expect("a directory of its own");
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        let file = options.open("journal/file").expect("it was made");
        rustix::io::pwrite(&file, &[0; PAGE], 0).expect("there is room");
        let kind = SocketType::STREAM;
        let session = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None);
        Self {
            directory: File::open("journal").expect("it was made").into(),
            events: epoll::create(epoll::CreateFlags::CLOEXEC).expect("there is room"),
            session: session.expect("there is room"),
            room: scratch(),
            file,
        }
    }
}

/// As tokio asks; the safe crates have other calls for it. The one event that there is
/// room for never comes.
fn look(desk: &Desk) {
    let set = desk.events.as_raw_fd() as u64;
    let none = call(libc::SYS_epoll_wait, [set, desk.room, 1, 0]);
    none.expect("a set of events");
}

fn pass(desk: &Desk) {
    send(&desk.session.0, &[0; 64], SendFlags::NOSIGNAL).expect("somebody reads");
    recv(&desk.session.1, &mut [0; 64], RecvFlags::empty()).expect("somebody wrote");
}

fn read(desk: &Desk) {
    rustix::io::pread(&desk.file, &mut [0; PAGE], 0).expect("a file");
}

fn write(desk: &Desk) {
    rustix::io::pwrite(&desk.file, &[0; PAGE], 0).expect("a file");
}

fn open(desk: &Desk) {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&desk.directory, "file", flags, Mode::empty());
    rustix::fs::fstat(file.expect("it is there")).expect("a file");
}
