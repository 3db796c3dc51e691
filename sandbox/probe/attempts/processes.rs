//! Other processes: to signal, to trace, to rob, to slow down. The sibling has the same
//! uid and hides nothing; the outsider has another.

use super::Table;
use super::call::{PAIR, bear, call, myself, outsider, pair, place, scratch, seen, sibling, words};
use rustix::io::Errno;

/// `FIOSETOWN` and `F_SETSIG` (ioctl_list(2), fcntl(2)).
const FIOSETOWN: u64 = 0x8901;
const F_SETSIG: u64 = 10;
/// `SO_PEERPIDFD` (socket(7)).
const SO_PEERPIDFD: u64 = 77;
/// `PIDFD_GET_INFO` (ioctl_pidfd(2)).
const PIDFD_GET_INFO: u64 = 0xc040_ff0b;
/// Sent where no harm is meant.
const NO_SIGNAL: u64 = 0;

#[rustfmt::skip]
pub const ATTEMPTS: Table = &[
    // Signals.
    ("kill the outsider", || call(libc::SYS_kill, [outsider(), NO_SIGNAL])),
    ("kill a sibling", || call(libc::SYS_kill, [sibling(), NO_SIGNAL])),
    ("kill a sibling's thread (tkill)", || call(libc::SYS_tkill, [sibling(), NO_SIGNAL])),
    ("kill a sibling's thread (tgkill)", || call(libc::SYS_tgkill, [sibling(), sibling(), NO_SIGNAL])),
    ("queue a signal for a sibling", || call(libc::SYS_rt_sigqueueinfo, [sibling(), NO_SIGNAL, queued()])),
    ("abort a sibling (tgkill)", || call(libc::SYS_tgkill, [sibling(), sibling(), libc::SIGABRT as u64])),
    ("signal a sibling by its pidfd", || with_pidfd(sibling(), |it| call(libc::SYS_pidfd_send_signal, [it, NO_SIGNAL, 0, 0]))),
    ("signal the peer of a socket by its pidfd", || with_peer(|it| call(libc::SYS_pidfd_send_signal, [it, NO_SIGNAL, 0, 0]))),
    ("let the kernel signal a sibling (F_SETOWN)", signal_by_owner),
    ("let the kernel signal a sibling (FIOASYNC)", signal_by_ioctl),
    // Tracing and robbing.
    ("ptrace the outsider", || call(libc::SYS_ptrace, [SEIZE, outsider(), 0, 0])),
    ("ptrace a sibling", || call(libc::SYS_ptrace, [SEIZE, sibling(), 0, 0])),
    ("be traced by the parent (PTRACE_TRACEME)", || call(libc::SYS_ptrace, [0, 0, 0, 0])),
    ("read the outsider's memory", || memory(libc::SYS_process_vm_readv, outsider())),
    ("read a sibling's memory", || memory(libc::SYS_process_vm_readv, sibling())),
    ("write a sibling's memory", || memory(libc::SYS_process_vm_writev, sibling())),
    ("pidfd_open the outsider", || call(libc::SYS_pidfd_open, [outsider(), 0])),
    ("pidfd of a socket's peer", || with_peer(|it| Ok(it as i64))),
    ("pidfd_getfd the outsider's", || with_pidfd(outsider(), |it| call(libc::SYS_pidfd_getfd, [it, 2, 0]))),
    ("pidfd_getfd a sibling's", || with_pidfd(sibling(), |it| call(libc::SYS_pidfd_getfd, [it, 2, 0]))),
    ("pidfd_getfd a peer's", || with_peer(|it| call(libc::SYS_pidfd_getfd, [it, 2, 0]))),
    ("setns into the outsider", || with_pidfd(outsider(), |it| call(libc::SYS_setns, [it, libc::CLONE_NEWUTS as u64]))),
    ("what a pidfd tells", || with_peer(|it| call(libc::SYS_ioctl, [it, PIDFD_GET_INFO, words(&[1, 0, 0, 0, 0, 0, 0, 0])]))),
    ("process_madvise a sibling", || with_pidfd(sibling(), |it| call(libc::SYS_process_madvise, [it, words(&[page(), 4096]), 1, 20, 0]))),
    ("process_mrelease a sibling", || with_pidfd(sibling(), |it| call(libc::SYS_process_mrelease, [it, 0]))),
    ("compare with a sibling (kcmp)", || call(libc::SYS_kcmp, [myself(), sibling(), 0, 2, 2])),
    ("a sibling's robust list", || call(libc::SYS_get_robust_list, [sibling(), scratch(), scratch()])),
    ("a sibling's events (perf)", || call(libc::SYS_perf_event_open, [place(&software_clock()), sibling(), u64::MAX, u64::MAX, 0])),
    // Slowing down, and moving about.
    ("a sibling's limits", || call(libc::SYS_prlimit64, [sibling(), libc::RLIMIT_NOFILE.into(), 0, scratch()])),
    ("the outsider's limits", || call(libc::SYS_prlimit64, [outsider(), libc::RLIMIT_NOFILE.into(), 0, scratch()])),
    ("a sibling's priority", || call(libc::SYS_setpriority, [0, sibling(), 0])),
    ("the outsider's priority", || call(libc::SYS_setpriority, [0, outsider(), 0])),
    ("a sibling's scheduler", || call(libc::SYS_sched_setscheduler, [sibling(), 0, scratch()])),
    ("a sibling's scheduler (sched_setattr)", || call(libc::SYS_sched_setattr, [sibling(), words(&[48, 0, 0, 0, 0, 0]), 0])),
    ("a sibling's processors", || call(libc::SYS_sched_setaffinity, [sibling(), 8, words(&[u64::MAX])])),
    ("a sibling's disk priority", || call(libc::SYS_ioprio_set, [1, sibling(), (2 << 13) | 4])),
    ("its own real-time priority", || call(libc::SYS_sched_setscheduler, [0, 1, words(&[1])])),
    ("its own deadline (sched_setattr)", || call(libc::SYS_sched_setattr, [0, words(&[48 | 6 << 32, 0, 0, 10_000_000, 20_000_000, 20_000_000]), 0])),
    ("its own priority, upwards", || call(libc::SYS_setpriority, [0, 0, (-5i64) as u64])),
    ("a sibling's memory to another node (migrate_pages)", || call(libc::SYS_migrate_pages, [sibling(), 2, words(&[1]), words(&[1])])),
    ("a sibling's memory to another node (move_pages)", || call(libc::SYS_move_pages, [sibling(), 0, 0, 0, 0, 0])),
    ("a sibling's process group", || call(libc::SYS_getpgid, [sibling()])),
    ("leave its session", || call(libc::SYS_setsid, [])),
    // New processes and threads.
    ("fork", || bear(libc::SYS_clone, [libc::SIGCHLD as u64, 0])),
    ("fork with a pidfd", || bear(libc::SYS_clone, [(libc::SIGCHLD | libc::CLONE_PIDFD) as u64, 0, scratch()])),
    ("vfork", || bear(libc::SYS_clone, [(libc::SIGCHLD | libc::CLONE_VFORK) as u64, 0])),
    ("fork, the memory shared", || bear(libc::SYS_clone, [(libc::SIGCHLD | libc::CLONE_VM) as u64, scratch() + 4096])),
    ("fork a sibling (CLONE_PARENT)", || bear(libc::SYS_clone, [(libc::SIGCHLD | libc::CLONE_PARENT) as u64, 0])),
    ("fork into namespaces", || bear(libc::SYS_clone, [(libc::SIGCHLD | libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as u64, 0])),
    ("clone3", || call(libc::SYS_clone3, [0, 0])),
    ("fork by clone3", || bear(libc::SYS_clone3, [words(&[0, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0]), 64])),
    ("thread", || std::thread::Builder::new().spawn(|| {}).map(|_| 0).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))),
];

/// Attaches without stopping anybody.
const SEIZE: u64 = libc::PTRACE_SEIZE as u64;

/// A page that is at the same address in every process of the probe.
fn page() -> u64 {
    static PAGES: [u64; 1024] = [0; 1024];
    (PAGES.as_ptr() as u64 + 4095) & !4095
}

fn memory(number: i64, whose: u64) -> Result<i64, Errno> {
    let (here, there) = (
        words(&[scratch(), 8]),
        words(&[WRITABLE.as_ptr() as u64, 8]),
    );
    call(number, [whose, here, 1, there, 1, 0])
}

/// At the same address in every process of the probe, and nobody looks at it.
static WRITABLE: [std::sync::atomic::AtomicU64; 1] =
    [const { std::sync::atomic::AtomicU64::new(0) }];

/// `siginfo_t` as the sender of a queued signal gives it.
fn queued() -> u64 {
    words(&[
        0,
        u64::from((-1i32).cast_unsigned()),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ])
}

/// `struct perf_event_attr`: PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK.
pub fn software_clock() -> [u8; 112] {
    let mut attributes = [0; 112];
    attributes[0] = 1;
    attributes[4] = 112;
    attributes
}

fn with_pidfd(whose: u64, then: fn(u64) -> Result<i64, Errno>) -> Result<i64, Errno> {
    then(call(libc::SYS_pidfd_open, [whose, 0])? as u64)
}

/// The peer of a socket needs no number: getsockopt gives a pidfd of it.
fn with_peer(then: fn(u64) -> Result<i64, Errno>) -> Result<i64, Errno> {
    let pidfd = scratch();
    let level = libc::SOL_SOCKET as u64;
    call(
        libc::SYS_getsockopt,
        [PAIR, level, SO_PEERPIDFD, pidfd, words(&[4])],
    )?;
    then(seen(pidfd))
}

/// Tells the "owner" of one end of a socket pair, by a signal, that it is readable.
fn signal_by_owner() -> Result<i64, Errno> {
    let (ours, theirs) = pair(libc::SOCK_STREAM)?;
    call(libc::SYS_fcntl, [ours, libc::F_SETOWN as u64, sibling()])?;
    call(libc::SYS_fcntl, [ours, F_SETSIG, libc::SIGUSR1 as u64])?;
    call(
        libc::SYS_fcntl,
        [ours, libc::F_SETFL as u64, libc::O_ASYNC as u64],
    )?;
    call(libc::SYS_write, [theirs, place(b"x"), 1])
}

fn signal_by_ioctl() -> Result<i64, Errno> {
    let (ours, theirs) = pair(libc::SOCK_STREAM).unwrap_or((PAIR, PAIR));
    call(libc::SYS_ioctl, [ours, FIOSETOWN, words(&[sibling()])])?;
    call(libc::SYS_ioctl, [ours, libc::FIOASYNC, words(&[1])])?;
    call(libc::SYS_write, [theirs, place(b"x"), 1])
}
