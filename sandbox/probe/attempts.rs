//! What hostile code would try, one short function each.

use rustix::io::Errno;
use std::ffi::CStr;

/// A number that no call gives: "some address", never looked at where a
/// filter stands before it.
const ANY: u64 = 0;
/// A descriptor that is above every table.
const LEAKED: u64 = 20;
const CWD: u64 = libc::AT_FDCWD as i64 as u64;

/// How an attempt went, where it was survived.
pub enum Outcome {
    /// What must not happen.
    Succeeded,
    /// The kernel said no.
    Errno(Errno),
    /// Confinement itself was refused.
    Refused(String),
}

impl Outcome {
    /// Of a system call.
    pub fn of<T>(result: Result<T, Errno>) -> Self {
        match result {
            Ok(_) => Self::Succeeded,
            Err(errno) => Self::Errno(errno),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Errno(errno) => write!(f, "errno {}", errno.raw_os_error()),
            Self::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

/// Makes one attempt, by its name.
pub fn attempt(name: &str) -> Outcome {
    let Some((_, attempt)) = ATTEMPTS.iter().find(|(known, _)| *known == name) else {
        return Outcome::Refused(format!("no attempt is called {name}"));
    };
    Outcome::of(attempt())
}

type Attempt = fn() -> Result<i64, Errno>;

const ATTEMPTS: &[(&str, Attempt)] = &[
    ("read /etc/passwd", || open(c"/etc/passwd", libc::O_RDONLY)),
    ("read ../../../../etc/passwd", || {
        open(c"../../../../etc/passwd", libc::O_RDONLY)
    }),
    (
        "walk out by descriptor and read /etc/passwd",
        walk_out_and_read,
    ),
    ("read a neighbour's directory", || {
        open(c"/8", libc::O_RDONLY)
    }),
    ("leaked directory: read a neighbour's mail", || {
        open_at(LEAKED, c"8/journal", libc::O_RDONLY)
    }),
    ("leaked directory: read what all may read", || {
        open_at(LEAKED, c"../outside", libc::O_RDONLY)
    }),
    ("leaked directory: fchdir", || {
        call(libc::SYS_fchdir, [LEAKED, 0, 0, 0, 0, 0])
    }),
    ("a file before", || write(LEAKED)),
    ("leaked log: write", || write(LEAKED + 1)),
    ("leaked socket: write", || write(LEAKED + 2)),
    ("leaked directory: hard link", || {
        call(
            libc::SYS_linkat,
            [LEAKED, at(c"8"), CWD, at(c"/stolen"), 0, 0],
        )
    }),
    ("chroot again", || path(libc::SYS_chroot, c"/")),
    ("setresuid(0)", || ids(libc::SYS_setresuid, [0, 0, 0])),
    ("setresgid(0)", || ids(libc::SYS_setresgid, [0, 0, 0])),
    ("setresuid below the accounts", || {
        ids(libc::SYS_setresuid, [1_899_999_999; 3])
    }),
    ("setresuid above the accounts", || {
        ids(libc::SYS_setresuid, [2_100_000_000; 3])
    }),
    ("setresgid above the accounts", || {
        ids(libc::SYS_setresgid, [2_100_000_000; 3])
    }),
    ("setresuid(-1)", || ids(libc::SYS_setresuid, [u32::MAX; 3])),
    ("setresgid(-1)", || ids(libc::SYS_setresgid, [u32::MAX; 3])),
    ("setresuid, root among accounts", || {
        ids(libc::SYS_setresuid, [1_900_000_007, 0, 1_900_000_007])
    }),
    ("setresuid, one left as it is", || {
        ids(
            libc::SYS_setresuid,
            [1_900_000_007, 1_900_000_007, u32::MAX],
        )
    }),
    ("setresuid to another account", || {
        ids(libc::SYS_setresuid, [1_900_000_008; 3])
    }),
    ("setuid(0)", || ids(libc::SYS_setuid, [0; 3])),
    ("setfsuid(0)", || ids(libc::SYS_setfsuid, [0; 3])),
    ("setgroups of one", || {
        let groups = [42u32];
        call(libc::SYS_setgroups, [1, groups.as_ptr() as u64, 0, 0, 0, 0])
    }),
    ("become an account, then root", || {
        ids(libc::SYS_setresuid, [1_900_000_007; 3])?;
        ids(libc::SYS_setresuid, [0; 3])
    }),
    ("chown what is outside", || {
        call(libc::SYS_fchownat, [CWD, at(c"/"), 0, 0, 0, 0])
    }),
    ("kill the parent", || kill(rustix::process::getppid())),
    ("kill a sibling", || kill(Some(rustix::process::getpid()))),
    ("ptrace the parent", || {
        call(
            libc::SYS_ptrace,
            [libc::PTRACE_ATTACH.into(), parent(), 0, 0, 0, 0],
        )
    }),
    ("read the parent's memory", || {
        call(libc::SYS_process_vm_readv, [parent(), ANY, 0, ANY, 0, 0])
    }),
    ("pidfd_open the parent", || {
        call(libc::SYS_pidfd_open, [parent(), 0, 0, 0, 0, 0])
    }),
    ("pidfd_getfd", || {
        call(libc::SYS_pidfd_getfd, [LEAKED, 0, 0, 0, 0, 0])
    }),
    ("socket: TCP", || socket(libc::AF_INET, libc::SOCK_STREAM)),
    ("socket: UDP", || socket(libc::AF_INET, libc::SOCK_DGRAM)),
    ("socket: Unix", || socket(libc::AF_UNIX, libc::SOCK_STREAM)),
    ("socket: netlink", || {
        socket(libc::AF_NETLINK, libc::SOCK_RAW)
    }),
    ("socket: crypto", || {
        socket(libc::AF_ALG, libc::SOCK_SEQPACKET)
    }),
    ("socket: vsock", || {
        socket(libc::AF_VSOCK, libc::SOCK_STREAM)
    }),
    ("socketpair: netlink", || {
        call(libc::SYS_socketpair, [16, 3, 0, ANY, 0, 0])
    }),
    ("connect", || call(libc::SYS_connect, [3, ANY, 0, 0, 0, 0])),
    ("bind", || call(libc::SYS_bind, [3, ANY, 0, 0, 0, 0])),
    ("listen", || call(libc::SYS_listen, [3, 0, 0, 0, 0, 0])),
    ("sendto an address", || {
        call(libc::SYS_sendto, [3, ANY, 0, 0, 8, 16])
    }),
    ("keys of kTLS", || {
        call(libc::SYS_getsockopt, [3, 282, 1, ANY, ANY, 0])
    }),
    ("io_uring", || {
        call(libc::SYS_io_uring_setup, [8, ANY, 0, 0, 0, 0])
    }),
    ("bpf", || call(libc::SYS_bpf, [5, ANY, 0, 0, 0, 0])),
    ("perf_event_open", || {
        call(libc::SYS_perf_event_open, [ANY, 0, 0, 0, 0, 0])
    }),
    ("userfaultfd", || call(libc::SYS_userfaultfd, [0; 6])),
    ("add_key", || call(libc::SYS_add_key, [ANY; 6])),
    ("keyctl", || call(libc::SYS_keyctl, [0; 6])),
    ("unshare user", || {
        call(
            libc::SYS_unshare,
            [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0],
        )
    }),
    ("unshare user and mounts", || {
        call(
            libc::SYS_unshare,
            [
                (libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as u64,
                0,
                0,
                0,
                0,
                0,
            ],
        )
    }),
    ("setns", || call(libc::SYS_setns, [LEAKED, 0, 0, 0, 0, 0])),
    ("mount", || {
        call(
            libc::SYS_mount,
            [at(c"none"), at(c"/"), at(c"tmpfs"), 0, 0, 0],
        )
    }),
    ("pivot_root", || {
        call(libc::SYS_pivot_root, [at(c"/"), at(c"/"), 0, 0, 0, 0])
    }),
    ("map writable and executable", || {
        map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)
    }),
    ("make a page executable", || {
        let page = map(libc::PROT_READ | libc::PROT_WRITE)?;
        call(
            libc::SYS_mprotect,
            [
                page as u64,
                4096,
                (libc::PROT_READ | libc::PROT_EXEC) as u64,
                0,
                0,
                0,
            ],
        )
    }),
    ("pkey_mprotect", || {
        call(libc::SYS_pkey_mprotect, [ANY, 4096, 5, u64::MAX, 0, 0])
    }),
    ("memfd_create", || {
        call(libc::SYS_memfd_create, [at(c"x"), 0, 0, 0, 0, 0])
    }),
    ("execve what is in the root", || {
        call(libc::SYS_execve, [at(c"/program"), ANY, ANY, 0, 0, 0])
    }),
    ("execveat what is in the root", || {
        call(libc::SYS_execveat, [CWD, at(c"/program"), ANY, ANY, 0, 0])
    }),
    ("mkfifo", || make_node(libc::S_IFIFO)),
    ("device", || make_node(libc::S_IFBLK)),
    ("symlink", || {
        call(
            libc::SYS_symlinkat,
            [at(c"/etc/passwd"), CWD, at(c"/link"), 0, 0, 0],
        )
    }),
    ("open_by_handle_at", || {
        call(libc::SYS_open_by_handle_at, [3, ANY, 0, 0, 0, 0])
    }),
    ("fork", || {
        call(libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0])
    }),
    ("vfork", || {
        call(
            libc::SYS_clone,
            [
                (libc::SIGCHLD | libc::CLONE_VM | libc::CLONE_VFORK) as u64,
                0,
                0,
                0,
                0,
                0,
            ],
        )
    }),
    ("clone3", || call(libc::SYS_clone3, [ANY, 0, 0, 0, 0, 0])),
    ("thread", || {
        call(
            libc::SYS_clone,
            [
                (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND) as u64,
                0,
                0,
                0,
                0,
                0,
            ],
        )
    }),
    ("raise a limit", || {
        call(
            libc::SYS_prlimit64,
            [0, libc::RLIMIT_NOFILE.into(), at_limit(), 0, 0, 0],
        )
    }),
    ("chmod its root", || {
        call(libc::SYS_fchmodat, [CWD, at(c"/"), 0o4777, 0, 0, 0])
    }),
    ("setxattr", || {
        call(libc::SYS_setxattr, [at(c"/"), ANY, ANY, 0, 0, 0])
    }),
    ("inotify", || call(libc::SYS_inotify_init1, [0; 6])),
    ("i386 getpid", i386_getpid),
    ("x32 getpid", || {
        call(0x4000_0000 + libc::SYS_getpid, [0; 6])
    }),
    ("TIOCSTI", || {
        call(libc::SYS_ioctl, [0, libc::TIOCSTI, ANY, 0, 0, 0])
    }),
    ("dumpable again", || {
        call(
            libc::SYS_prctl,
            [libc::PR_SET_DUMPABLE as u64, 1, 0, 0, 0, 0],
        )
    }),
    ("another filter", || {
        call(libc::SYS_seccomp, [1, 0, ANY, 0, 0, 0])
    }),
    ("make a file", || {
        open(c"/made", libc::O_CREAT | libc::O_WRONLY)
    }),
    ("open its root for writing", || open(c"/", libc::O_WRONLY)),
    ("write a file at an offset", || {
        call(libc::SYS_pwrite64, [LEAKED, at(c"x"), 1, 0, 0, 0])
    }),
    ("cut a file", || {
        call(libc::SYS_ftruncate, [LEAKED, 0, 0, 0, 0, 0])
    }),
    ("sync a file", || {
        call(libc::SYS_fsync, [LEAKED, 0, 0, 0, 0, 0])
    }),
    ("take the writer's lock", || {
        let how = libc::LOCK_EX | libc::LOCK_NB;
        call(libc::SYS_flock, [LEAKED, how as u64, 0, 0, 0, 0])
    }),
    ("make a directory", || {
        call(libc::SYS_mkdirat, [CWD, at(c"/folder"), 0o700, 0, 0, 0])
    }),
    ("rename a file", || {
        call(
            libc::SYS_renameat,
            [CWD, at(c"/none"), CWD, at(c"/other"), 0, 0],
        )
    }),
    ("remove a file", || {
        call(libc::SYS_unlinkat, [CWD, at(c"/none"), 0, 0, 0, 0])
    }),
    ("set a file's times", || {
        call(libc::SYS_utimensat, [CWD, at(c"/"), ANY, 0, 0, 0])
    }),
    ("reboot", || call(libc::SYS_reboot, [0; 6])),
    ("swapon", || {
        call(libc::SYS_swapon, [at(c"/"), 0, 0, 0, 0, 0])
    }),
    ("init_module", || call(libc::SYS_init_module, [ANY; 6])),
    ("set the clock", || {
        call(libc::SYS_clock_settime, [0, ANY, 0, 0, 0, 0])
    }),
    ("legitimate: create, write, sync, rename", legitimate),
    ("legitimate: open, look, list", legitimate_reading),
];

fn legitimate() -> Result<i64, Errno> {
    use rustix::fs::{CWD, Mode, OFlags};
    let file = rustix::fs::openat(CWD, c"/new", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR)?;
    rustix::io::pwrite(&file, b"mail", 0)?;
    rustix::fs::fsync(&file)?;
    rustix::fs::renameat(CWD, c"/new", CWD, c"/old")?;
    Ok(0)
}

fn legitimate_reading() -> Result<i64, Errno> {
    use rustix::fs::{CWD, Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, c"/", flags, Mode::empty())?;
    rustix::fs::fstat(&root)?;
    let mut names = rustix::fs::Dir::new(root)?;
    names.try_for_each(|name| name.map(drop))?;
    Ok(0)
}

/// chroot is no wall for who may chroot: what lies outside must be closed by
/// others.
fn walk_out_and_read() -> Result<i64, Errno> {
    let outside = open(c"/", libc::O_PATH | libc::O_DIRECTORY)?;
    call(libc::SYS_mkdirat, [CWD, at(c"/jail"), 0o700, 0, 0, 0])?;
    path(libc::SYS_chroot, c"/jail")?;
    call(libc::SYS_fchdir, [outside as u64, 0, 0, 0, 0, 0])?;
    for _ in 0..16 {
        let up = open(c"..", libc::O_PATH | libc::O_DIRECTORY)?;
        call(libc::SYS_fchdir, [up as u64, 0, 0, 0, 0, 0])?;
    }
    open(c"etc/passwd", libc::O_RDONLY)
}

fn at(path: &'static CStr) -> u64 {
    path.as_ptr() as u64
}

fn at_limit() -> u64 {
    static HIGH: [u64; 2] = [1 << 20, 1 << 20];
    (&raw const HIGH) as u64
}

fn open(path: &'static CStr, flags: i32) -> Result<i64, Errno> {
    open_at(CWD, path, flags)
}

fn open_at(directory: u64, path: &'static CStr, flags: i32) -> Result<i64, Errno> {
    call(
        libc::SYS_openat,
        [directory, at(path), flags as u64, 0, 0, 0],
    )
}

fn write(descriptor: u64) -> Result<i64, Errno> {
    call(libc::SYS_write, [descriptor, at(c"x"), 1, 0, 0, 0])
}

fn path(number: i64, path: &'static CStr) -> Result<i64, Errno> {
    call(number, [at(path), 0, 0, 0, 0, 0])
}

fn ids(number: i64, ids: [u32; 3]) -> Result<i64, Errno> {
    let [a, b, c] = ids.map(u64::from);
    call(number, [a, b, c, 0, 0, 0])
}

fn parent() -> u64 {
    rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get() as u64)
}

fn kill(whom: Option<rustix::process::Pid>) -> Result<i64, Errno> {
    call(
        libc::SYS_kill,
        [
            whom.map_or(1, |pid| pid.as_raw_nonzero().get() as u64),
            0,
            0,
            0,
            0,
            0,
        ],
    )
}

fn socket(family: i32, kind: i32) -> Result<i64, Errno> {
    call(libc::SYS_socket, [family as u64, kind as u64, 0, 0, 0, 0])
}

fn map(protection: i32) -> Result<i64, Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    call(
        libc::SYS_mmap,
        [0, 4096, protection as u64, flags as u64, u64::MAX, 0],
    )
}

fn make_node(kind: u32) -> Result<i64, Errno> {
    call(libc::SYS_mknodat, [CWD, at(c"/node"), kind.into(), 0, 0, 0])
}

fn call(number: i64, arguments: [u64; 6]) -> Result<i64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: no call in the table lets the kernel write to this process's memory
    // but to what it has made for that: pointers are null, or to constants
    // that the kernel reads. A call that succeeds against all expectation ends
    // the test.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result >= 0 {
        return Ok(result);
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// getpid by the i386 ABI, which counts calls otherwise.
#[cfg(target_arch = "x86_64")]
fn i386_getpid() -> Result<i64, Errno> {
    let answer: i64;
    // SAFETY: getpid (20 there) touches no memory; r8 to r11 may be lost.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20i64 => answer,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    Ok(answer)
}

#[cfg(not(target_arch = "x86_64"))]
fn i386_getpid() -> Result<i64, Errno> {
    Err(Errno::NOSYS)
}
