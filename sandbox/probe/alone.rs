//! Each layer of confinement alone: what it stops when all the others have failed.
//!
//! The modules that make a layer are the sandbox's own, compiled in here once more: the
//! crate itself offers no way to put one on without the rest, and is not to.

// Modules of the sandbox, which know each other by the names in `main`.
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../capability.rs"]
mod capability;
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../filter.rs"]
mod filter;
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../birth/maps.rs"]
mod maps;
#[path = "../paths.rs"]
mod paths;

use crate::attempts::call::{LEAKED, PROGRAM, SIBLING};
use crate::attempts::files::remember_handle;
use crate::order::{receive, send};
use crate::zygote::{self, Way, fork, place, status};
use crate::{attempts, nursery};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{DumpableBehavior, Gid, Pid, Resource, Rlimit, Uid, set_dumpable_behavior};
use sandbox::profile::calls::{self, Call, List, When};
use sandbox::profile::{
    CapabilitySet, Identity, LOGIN, Limits, Path, Process, Root, Threads, WORKER,
};
use sandbox::{IdRanges, Profile, Program, Site, Waivers};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

/// One layer, as a worker has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// None: what anybody's process may do.
    Nothing,
    /// The system-call filter.
    Filter,
    /// Landlock: files, TCP, signals, abstract sockets.
    Landlock,
    /// The root directory.
    Root,
    /// The uid, gid and absence of groups; the kernel takes the capabilities along.
    Uid,
    /// The namespaces, as `login` has them: users, network, System V.
    Namespaces,
    /// No capability in any set, and no_new_privs.
    Privileges,
    /// Descriptors beyond the table closed, limits set, not dumpable.
    Limits,
}

impl Layer {
    /// By the name that the tests have for it.
    pub fn named(name: &str) -> Self {
        match name {
            "filter" => Self::Filter,
            "Landlock" => Self::Landlock,
            "root" => Self::Root,
            "uid" => Self::Uid,
            "namespaces" => Self::Namespaces,
            "privileges" => Self::Privileges,
            "limits" => Self::Limits,
            _ => Self::Nothing,
        }
    }
}

/// Landlock and a filter that hides nothing of it: whether its rules for TCP, signals
/// and abstract sockets stand after `enter`.
pub static WIDE: Profile = Profile {
    process: Process::Login,
    identity: Identity::Own,
    capabilities: CapabilitySet::empty(),
    namespaces: &[],
    root: Root::Empty,
    paths: Some(&[]),
    calls: &[
        &calls::LIFE,
        &calls::CHANCE,
        &calls::LOG,
        &calls::SAYING,
        &calls::HEARING,
        &calls::HOST,
        &calls::PARENT,
        &calls::BIRTH,
        &WIDE_CALLS,
    ],
    bears: &[],
    threads: Threads::One,
    limits: LOGIN.limits,
    descriptors: LOGIN.descriptors,
    dies_with_parent: true,
};

static WIDE_CALLS: List = List {
    name: "WIDE",
    calls: &[
        wide(libc::SYS_socket),
        wide(libc::SYS_socketpair),
        wide(libc::SYS_connect),
        wide(libc::SYS_sendto),
        wide(libc::SYS_getsockopt),
        wide(libc::SYS_kill),
        wide(libc::SYS_pidfd_open),
        wide(libc::SYS_pidfd_send_signal),
        wide(libc::SYS_ptrace),
    ],
};

const fn wide(number: i64) -> Call {
    Call {
        number,
        when: When::Always,
        text: "",
        reason: "the layer behind it is what is tried",
    }
}

/// A zygote in an account's directory, with everything left open.
pub fn run() {
    zygote::take_channel();
    let around = receive(crate::borrow(crate::CHANNEL));
    let (port, _) = around.split_once(' ').expect("a port and a process");
    raise_descriptors();
    remember_handle();
    let program = File::open("/proc/self/exe").expect("/proc is there");
    let program = Program::seal(c"probe", &program).expect("memory can be sealed");
    place(&program, PROGRAM);
    let (_ours, socket) = nursery::pair();
    let store = File::open("..").expect("the store is there");
    let log = File::options()
        .read(true)
        .write(true)
        .open("../../log")
        .expect("the log is there");
    let proc = File::open("/proc").expect("/proc is there");
    let leaked = [store.as_fd(), log.as_fd(), socket.as_fd(), proc.as_fd()];
    for (number, one) in (LEAKED..).zip(leaked) {
        place(one, number);
    }
    // The zygote is root, and under no layer: it is the outsider, too.
    zygote::run(Way::Alone, &format!("{port} {}", std::process::id()));
}

/// As many as may be; and attempts at more than that need not come near it.
fn raise_descriptors() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(Resource::Nofile, raised).expect("anybody may");
    attempts::resources::MANY.store(4_000, Ordering::Relaxed);
}

/// What succeeds must not touch the machine, nor the next attempt: mounts, names and
/// System V objects are this process's own from here on. An ordinary user can't harm
/// it anyway.
fn keep_to_itself() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let own = libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    attempts::call::call(libc::SYS_unshare, [own as u64]).expect("root may");
    let private = libc::MS_REC | libc::MS_PRIVATE;
    let root = attempts::call::at(c"/");
    attempts::call::call(libc::SYS_mount, [0, root, 0, private]).expect("root may");
}

/// The child's part: one layer, one attempt.
pub fn carry_out(layer: Layer, name: &str, channel: BorrowedFd<'_>) -> i32 {
    keep_to_itself();
    listen();
    // Those whom one broker bears share its namespaces; the limits close what is open.
    let is_shared = [Layer::Namespaces, Layer::Limits].contains(&layer);
    if is_shared {
        put_on(layer, channel);
    }
    let sibling = name
        .contains("sibling")
        .then(|| bear_sibling(layer, is_shared, channel));
    if !is_shared {
        put_on(layer, channel);
    }
    let outcome = attempts::attempt(name);
    if name.starts_with("let the kernel signal") && !has_ended(sibling) {
        return rustix::io::Errno::PERM.raw_os_error();
    }
    status(&outcome)
}

/// Whether a signal has reached the sibling; it takes its moment.
fn has_ended(sibling: Option<OwnedFd>) -> bool {
    const MOMENT: Timespec = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    sibling.is_some_and(|sibling| {
        let mut ended = [PollFd::new(&sibling, PollFlags::IN)];
        poll(&mut ended, Some(&MOMENT)) == Ok(1)
    })
}

/// A socket of its own that listens, in the place for one: attempts ruin it.
fn listen() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback is up");
    place(&listener, attempts::call::LISTENER);
}

/// Another process under the same layer, which waits and hides nothing.
fn bear_sibling(layer: Layer, is_on: bool, channel: BorrowedFd<'_>) -> OwnedFd {
    let (ours, theirs) = nursery::pair();
    if let Some((number, sibling)) = fork() {
        receive(&ours);
        SIBLING.store(number, Ordering::Relaxed);
        // Open as long as the attempt lasts: the sibling ends when it closes.
        std::mem::forget(ours);
        return sibling;
    }
    drop(ours);
    if !is_on {
        put_on(layer, channel);
    }
    if layer != Layer::Filter {
        // A change of credentials takes it away.
        set_dumpable_behavior(DumpableBehavior::Dumpable).expect("nothing forbids it");
    }
    send(&theirs, "ready");
    receive(&theirs);
    std::process::exit(0);
}

/// The zygote's part before: what an earlier attempt has made goes.
pub fn clear_away() {
    let files = [
        "made",
        "own",
        "own-again",
        "letter",
        "large",
        "made-program",
        "link",
        "node",
        "device",
        "character-device",
        "../stolen",
    ];
    for file in files {
        let _none = std::fs::remove_file(file);
    }
    for directory in ["folder", "jail"] {
        let _none = std::fs::remove_dir(directory);
    }
}

/// The zygote's part after: maps for a child that asks for them.
pub fn attend(name: &str, child: i32, channel: impl AsFd) {
    if !name.starts_with("namespaces: ") {
        return;
    }
    receive(&channel);
    let child = Pid::from_raw(child).expect("a child has a number");
    maps::write(child, &LOGIN, site()).expect("its parent may");
    send(&channel, "written");
}

fn site() -> Site {
    if rustix::process::geteuid().is_root() {
        Site::separate(IdRanges::default(), Waivers::NONE)
    } else {
        Site::single(Waivers::NONE)
    }
}

/// Confines the process by one layer and nothing else. The channel is to whoever writes
/// the maps of namespaces; no other layer needs it.
pub fn put_on(layer: Layer, channel: BorrowedFd<'_>) {
    match layer {
        Layer::Nothing => {}
        Layer::Filter => filter::install(&WORKER, site().ranges()).expect("a filter"),
        Layer::Landlock => landlock(),
        Layer::Root => rustix::process::chroot(c".").expect("root may"),
        Layer::Uid => take_uid(),
        Layer::Namespaces => move_away(channel),
        Layer::Privileges => give_up_privileges(),
        Layer::Limits => take_limits(WORKER.limits),
    }
}

/// The worker's rules name its root; without the chroot that is its directory.
fn landlock() {
    let rights = WORKER
        .paths
        .and_then(<[Path]>::first)
        .expect("a worker has a path")
        .rights;
    let own: &'static [Path] = vec![Path { path: ".", rights }].leak();
    paths::restrict(own, Waivers::NONE).expect("Landlock");
}

fn take_uid() {
    let account = IdRanges::default()
        .account(nursery::ACCOUNT)
        .expect("it is in the range");
    let (uid, gid): (Uid, Gid) = (account.uid(), account.gid());
    rustix::thread::set_thread_groups(&[]).expect("root may");
    rustix::thread::set_thread_res_gid(gid, gid, gid).expect("root may");
    rustix::thread::set_thread_res_uid(uid, uid, uid).expect("root may");
}

fn move_away(channel: BorrowedFd<'_>) {
    let own = libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_NEWIPC;
    attempts::call::call(libc::SYS_unshare, [own as u64]).expect("the kernel gives namespaces");
    send(channel, "maps");
    receive(channel);
}

fn give_up_privileges() {
    let none = CapabilitySet::empty();
    let all = capability::keep_only(none).or_else(|_| capability::set(none));
    all.expect("anybody may give up what he has");
    rustix::thread::set_no_new_privs(true).expect("anybody may");
}

fn take_limits(limits: Limits) {
    let highest = WORKER.descriptors.len() as u64;
    attempts::call::call(libc::SYS_close_range, [highest, u64::from(u32::MAX), 0])
        .expect("descriptors can be closed");
    for (resource, limit) in [
        (Resource::Core, 0),
        (Resource::Nofile, limits.descriptors),
        (Resource::Data, limits.data),
    ] {
        let limit = Some(limit);
        let both = Rlimit {
            current: limit,
            maximum: limit,
        };
        rustix::process::setrlimit(resource, both).expect("anybody may lower his own");
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).expect("anybody may");
}
