//! One birth, many attempts: a newborn that doesn't enter, but forks a child for each
//! attempt that does. What a birth gives is thus given to all, and an attempt that
//! kills costs its own child.
//!
//! The zygote is unconfined but for its birth, has the uid of its children and hides
//! nothing from them: it is the sibling that they try to signal, trace and rob.

use crate::alone::Layer;
use crate::attempts::call::{LEAKED, OUTSIDER, PAIR, PORT, PROGRAM, SIBLING, call, seen, words};
use crate::attempts::{self, Outcome, network};
use crate::order::{receive, send};
use crate::{CHANNEL, borrow, nursery};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Signal, WaitId, WaitIdOptions};
use sandbox::profile::{Identity, Threads};
use sandbox::{Profile, enter, enter_supervisor, seal_threads};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a child does before its attempt.
#[derive(Clone, Copy)]
pub enum Way {
    /// Enters this profile.
    Profile(&'static Profile),
    /// Becomes a supervisor.
    Supervisor,
    /// Puts on the one layer that comes before the attempt's name.
    Alone,
}

/// No attempt takes as long; one that waits for something has not succeeded.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
/// Exit status of a child that was refused confinement; standard error says why.
const REFUSED: i32 = 250;

/// Makes the attempts that are asked for over the channel until it closes. Around it
/// are "PORT OUTSIDER".
pub fn run(way: Way, around: &str) {
    let (port, outsider) = around.split_once(' ').expect("a port and a process");
    PORT.store(port.parse().expect("a port"), Ordering::Relaxed);
    SIBLING.store(std::process::id().cast_signed(), Ordering::Relaxed);
    OUTSIDER.store(outsider.parse().expect("a process"), Ordering::Relaxed);
    if !is_under_a_filter(way) && !matches!(way, Way::Alone) {
        notice_signals();
    }
    leave_open(way);
    let _heard = listen_by_name(way);
    loop {
        let name = receive(borrow(CHANNEL));
        if name.is_empty() {
            return;
        }
        let _peer = face_children();
        if let Way::Alone = way {
            crate::alone::clear_away();
        }
        let outcome = in_a_child(|child| carry_out(way, &name, child), way, &name);
        let outcome = if SIGNALLED.swap(false, Ordering::Relaxed) {
            "signalled"
        } else {
            &outcome
        };
        send(borrow(CHANNEL), outcome);
    }
}

/// Whether a child has managed to signal its zygote.
static SIGNALLED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: i32) {
    SIGNALLED.store(true, Ordering::Relaxed);
}

fn notice_signals() {
    for signal in [libc::SIGUSR1, libc::SIGABRT] {
        let handler = on_signal as extern "C" fn(i32) as libc::sighandler_t;
        // SAFETY: the handler does nothing but store a bool.
        unsafe { libc::signal(signal, handler) };
    }
}

/// The supervisor is executed, not born: its channel is standard input.
pub fn run_as_supervisor() {
    take_channel();
    let program = std::fs::File::open("/proc/self/exe").expect("/proc is there");
    let program = sandbox::Program::seal(c"probe", &program).expect("memory can be sealed");
    place(&program, PROGRAM);
    let around = receive(borrow(CHANNEL));
    run(Way::Supervisor, &around);
}

/// Puts standard input where a newborn finds its channel. Whatever else the test's own
/// process let it inherit goes first: attempts name numbers, and state who is there.
pub fn take_channel() {
    let (first, last) = (CHANNEL as u64, u64::from(u32::MAX));
    call(libc::SYS_close_range, [first, last, 0]).expect("nothing above is in use yet");
    place(rustix::stdio::stdin(), CHANNEL as u64);
}

/// What a set-user-id program says of itself.
pub fn say_whether_capable() {
    let sets = rustix::thread::capabilities(None).expect("a process may look at its own");
    if sets.effective.is_empty() {
        std::process::exit(Errno::PERM.raw_os_error());
    }
}

/// Those whom the broker bears are under its filter from their birth on, which leaves
/// them what the broker needs for a birth.
fn is_under_a_filter(way: Way) -> bool {
    matches!(way, Way::Profile(profile) if profile.identity == Identity::Account)
}

/// Puts a copy of a descriptor at a number.
pub fn place(from: impl AsFd, to: u64) {
    let from = from.as_fd().as_raw_fd().unsigned_abs();
    call(libc::SYS_dup3, [from.into(), to, 0]).expect("the number is below the limit");
}

/// Puts a socket whose peer is the zygote at number 0, a new one for each child.
fn face_children() -> OwnedFd {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .expect("a pair of sockets");
    place(theirs, PAIR);
    ours
}

/// Above the table, what confinement must close. The supervisor closes nothing, so
/// nothing is left to it.
fn leave_open(way: Way) {
    if let Way::Profile(_) = way {
        let (flags, none) = (OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let root = rustix::fs::openat(CWD, c"/", flags, none).expect("a root is there");
        let leaked = [root.as_fd(), borrow(2), borrow(CHANNEL), root.as_fd()];
        for (number, one) in (LEAKED..).zip(leaked) {
            place(one, number);
        }
    }
}

/// Whoever may send to an address finds somebody in its network namespace.
fn listen_by_name(way: Way) -> Option<OwnedFd> {
    if is_under_a_filter(way) {
        return None;
    }
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).ok()?;
    let name = network::abstract_name(PORT.load(Ordering::Relaxed));
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).ok()?;
    rustix::net::bind(&socket, &address).ok()?;
    Some(socket)
}

/// The child's part. What it says is its exit status.
fn carry_out(way: Way, name: &str, channel: BorrowedFd<'_>) -> i32 {
    let entered = match way {
        Way::Profile(profile) => enter(profile).map(|entered| match profile.threads {
            Threads::One => {}
            Threads::Sealed => drop(seal_threads(entered).expect("the second filter is installed")),
        }),
        Way::Supervisor => enter_supervisor().map(drop),
        Way::Alone => {
            let (layer, name) = name.split_once(": ").expect("a layer and an attempt");
            return crate::alone::carry_out(Layer::named(layer), name, channel);
        }
    };
    match entered {
        Ok(()) => status(&attempts::attempt(name)),
        Err(refusal) => status(&Outcome::Refused(refusal.to_string())),
    }
}

/// How an attempt went, as an exit status: Linux has no errno above 133.
pub fn status(outcome: &Outcome) -> i32 {
    match outcome {
        Outcome::Succeeded => 0,
        Outcome::Errno(errno) => errno.raw_os_error(),
        Outcome::Refused(why) => {
            eprintln!("{why}");
            REFUSED
        }
    }
}

/// Forks, and says how the child ended.
fn in_a_child(act: impl FnOnce(BorrowedFd<'_>) -> i32, way: Way, name: &str) -> String {
    let (ours, theirs) = nursery::pair();
    let Some((number, child)) = fork() else {
        drop(ours);
        std::process::exit(act(theirs.as_fd()));
    };
    drop(theirs);
    if let Way::Alone = way {
        crate::alone::attend(name, number, &ours);
    }
    let mut ended = [PollFd::new(&child, PollFlags::IN)];
    if rustix::io::retry_on_intr(|| poll(&mut ended, Some(&PATIENCE))) == Ok(0) {
        let _gone = rustix::process::pidfd_send_signal(&child, Signal::KILL);
        let _reaped = ending(&child);
        return "waited".to_owned();
    }
    ending(&child)
}

/// The child's number and a descriptor of it; `None` in the child. By the one form of
/// clone(2) that the broker's filter leaves.
pub fn fork() -> Option<(i32, OwnedFd)> {
    let pidfd = words(&[0]);
    let flags = (libc::SIGCHLD | libc::CLONE_PIDFD) as u64;
    let number = call(libc::SYS_clone, [flags, 0, pidfd]).expect("nothing forbids a process yet");
    let number = i32::try_from(number).ok().filter(|number| *number > 0)?;
    Some((number, crate::own(seen(pidfd) as RawFd)))
}

fn ending(child: &OwnedFd) -> String {
    let status = rustix::io::retry_on_intr(|| {
        rustix::process::waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED)
    });
    let status = status
        .expect("a child can be waited for")
        .expect("it has ended");
    match (status.exit_status(), status.terminating_signal()) {
        (Some(0), _) => "succeeded".to_owned(),
        (Some(REFUSED), _) => "refused".to_owned(),
        (Some(errno), _) => format!("errno {errno}"),
        (None, signal) => format!("killed {}", signal.unwrap_or_default()),
    }
}
