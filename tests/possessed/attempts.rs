//! What code that has taken a process over tries of the kernel. Each attempt must end
//! as the ledger (audit/privileges.toml) says: where the process has no such call,
//! the filter kills it; where it has, another wall stands, or the act is its duty.

use crate::house::House;
use harness::possession::{Outcome, Possessed};
use nix::libc::{self, c_long};
use rustix::io::Errno;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What stands behind the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// Nothing: no ledger may ever have the call with these arguments.
    Never,
    /// Another wall, which answers with this error.
    Wall(Errno),
    /// It may: this is its duty.
    Duty,
}

use Behind::{Duty, Never, Wall};

type Arguments = fn(&mut Possessed, &House) -> Vec<u64>;

/// One attempt: what it is, the call, what stands behind the filter.
struct Attempt(&'static str, &'static str, c_long, Behind, Arguments);

const HERE: u64 = libc::AT_FDCWD as u64;
const CREATE: u64 = (libc::O_RDWR | libc::O_CREAT | libc::O_EXCL) as u64;
const NO_SUCH_DESCRIPTOR: u64 = 1 << 14;

fn path(by: &mut Possessed, path: impl AsRef<[u8]>) -> u64 {
    by.place(&[path.as_ref(), b"\0"].concat())
}

fn open(by: &mut Possessed, name: impl AsRef<[u8]>) -> Vec<u64> {
    vec![HERE, path(by, name), 0, 0]
}

/// A neighbour that none of these attempts kills.
fn neighbour(house: &House) -> u64 {
    house.pid("login").into()
}

fn supervisor(house: &House) -> u64 {
    house.set.supervisor().into()
}

macro_rules! attempts {
    ($($what:literal, $call:ident, $behind:expr, |$by:pat_param, $house:pat_param| $arguments:expr;)+) => {
        &[$(Attempt($what, stringify!($call), libc::$call, $behind, |$by, $house| $arguments.to_vec()),)+]
    };
}

/// An address on loopback: 127.0.0.1:25.
const ADDRESS: [u8; 16] = [2, 0, 0, 25, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

const ATTEMPTS: &[Attempt] = attempts! {
    // Files.
    "read /etc/passwd", SYS_openat, Wall(Errno::NOENT), |by, _| open(by, "/etc/passwd");
    "read the TLS key", SYS_openat, Wall(Errno::NOENT), |by, house| {
        let key = house.set.directory().path().join("key.pem");
        open(by, key.as_os_str().as_encoded_bytes())
    };
    "read the TLS key by the way up", SYS_openat, Wall(Errno::NOENT), |by, house| {
        let key = house.set.directory().path().join("key.pem");
        let up = [b"../../../../../..", key.as_os_str().as_encoded_bytes()].concat();
        open(by, up)
    };
    "read the account table", SYS_openat, Wall(Errno::NOENT), |by, house| {
        let auth = house.set.state().join("auth");
        open(by, auth.as_os_str().as_encoded_bytes())
    };
    "read mail", SYS_openat, Wall(Errno::NOENT), |by, house| {
        let mail = house.set.state().join("store/1/journal");
        open(by, mail.as_os_str().as_encoded_bytes())
    };
    "read a neighbour's files by /proc", SYS_openat, Wall(Errno::NOENT), |by, house| {
        open(by, format!("/proc/{}/cwd/journal", neighbour(house)))
    };
    "read a neighbour's memory by /proc", SYS_openat, Wall(Errno::NOENT), |by, house| {
        open(by, format!("/proc/{}/mem", neighbour(house)))
    };
    "open by the old call", SYS_open, Never, |by, _| [path(by, "/"), 0, 0];
    "open by handle", SYS_open_by_handle_at, Never, |by, _| [HERE, by.place(&[0; 64]), 0];
    "make a device", SYS_mknodat, Never, |by, _| [HERE, path(by, "d"), libc::S_IFCHR as u64 | 0o600, 0x103];
    "link", SYS_linkat, Never, |by, _| [HERE, path(by, "a"), HERE, path(by, "b"), 0];
    "link to what is outside", SYS_symlinkat, Never, |by, _| [path(by, "/etc/passwd"), HERE, path(by, "s")];
    "give a file to root", SYS_fchownat, Never, |by, _| [HERE, path(by, "/"), 0, 0, 0];
    "give a descriptor's file to root", SYS_fchown, Never, |_, _| [2, 0, 0];
    "open its root for all", SYS_fchmodat, Never, |by, _| [HERE, path(by, "/"), 0o777];
    "mark a file", SYS_setxattr, Never, |by, _| [path(by, "/"), path(by, "user.x"), path(by, "x"), 1, 0];
    "watch files", SYS_inotify_init1, Never, |_, _| [0];
    // Sockets.
    "a socket: TCP", SYS_socket, Never, |_, _| [libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0];
    "a socket: UDP", SYS_socket, Never, |_, _| [libc::AF_INET6 as u64, libc::SOCK_DGRAM as u64, 0];
    "a socket: Unix", SYS_socket, Never, |_, _| [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0];
    "a socket: netlink", SYS_socket, Never, |_, _| [libc::AF_NETLINK as u64, libc::SOCK_RAW as u64, 0];
    "a pair of another family", SYS_socketpair, Never, |by, _| [libc::AF_TIPC as u64, libc::SOCK_STREAM as u64, 0, by.place(&[0; 8])];
    "a pair of datagrams", SYS_socketpair, Never, |by, _| [libc::AF_UNIX as u64, libc::SOCK_DGRAM as u64, 0, by.place(&[0; 8])];
    "connect", SYS_connect, Never, |by, _| [3, by.place(&ADDRESS), 16];
    "bind", SYS_bind, Never, |by, _| [3, by.place(&ADDRESS), 16];
    "send to an address", SYS_sendto, Never, |by, _| [3, by.place(b"x"), 1, 0, by.place(&ADDRESS), 16];
    "keys of kTLS", SYS_getsockopt, Never, |by, _| [3, 282, 1, by.place(&[0; 64]), by.place(&64_u32.to_le_bytes())];
    // Programs and processes.
    "execute", SYS_execve, Never, |by, _| [path(by, "/bin/sh"), 0, 0];
    "execute by path", SYS_execveat, Never, |by, _| [HERE, path(by, "/bin/sh"), 0, 0, 0];
    "fork", SYS_clone, Never, |_, _| [libc::SIGCHLD as u64, 0, 0, 0, 0];
    "vfork", SYS_vfork, Never, |_, _| [];
    "kill the supervisor", SYS_kill, Never, |_, house| [supervisor(house), libc::SIGKILL as u64];
    "signal a neighbour's thread", SYS_tgkill, Never, |_, house| [neighbour(house), neighbour(house), libc::SIGKILL as u64];
    "trace a neighbour", SYS_ptrace, Never, |_, house| [libc::PTRACE_SEIZE as u64, neighbour(house), 0, 0];
    "read the supervisor's memory", SYS_process_vm_readv, Never, |_, house| [supervisor(house), 0, 0, 0, 0, 0];
    "write a neighbour's memory", SYS_process_vm_writev, Never, |_, house| [neighbour(house), 0, 0, 0, 0, 0];
    "name a neighbour", SYS_pidfd_open, Never, |_, house| [neighbour(house), 0];
    "take a neighbour's descriptor", SYS_pidfd_getfd, Never, |_, _| [3, 0, 0];
    "compare with a neighbour", SYS_kcmp, Never, |_, house| [neighbour(house), neighbour(house), 0, 0, 0];
    "raise its limit of descriptors", SYS_prlimit64, Wall(Errno::PERM), |by, _| {
        let limit = [u64::MAX.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
        [0, libc::RLIMIT_NOFILE as u64, by.place(&limit), 0]
    };
    "a neighbour's limits", SYS_prlimit64, Never, |by, house| {
        [neighbour(house), libc::RLIMIT_NOFILE as u64, by.place(&[0; 16]), 0]
    };
    // Ids and namespaces.
    "become root", SYS_setresuid, Never, |_, _| [0, 0, 0];
    "become root by the old call", SYS_setuid, Never, |_, _| [0];
    "become root's group", SYS_setresgid, Never, |_, _| [0, 0, 0];
    "become root for files", SYS_setfsuid, Never, |_, _| [0];
    "join a group", SYS_setgroups, Never, |by, _| [1, by.place(&0_u32.to_le_bytes())];
    "a namespace of users", SYS_unshare, Never, |_, _| [libc::CLONE_NEWUSER as u64];
    "another's namespace", SYS_setns, Never, |_, _| [3, 0];
    "mount", SYS_mount, Never, |by, _| [path(by, "none"), path(by, "/"), path(by, "tmpfs"), 0, 0];
    "mount by the new call", SYS_fsopen, Never, |by, _| [path(by, "tmpfs"), 0];
    "another root", SYS_pivot_root, Never, |by, _| [path(by, "/"), path(by, "/")];
    "dumpable again", SYS_prctl, Never, |_, _| [libc::PR_SET_DUMPABLE as u64, 1, 0, 0, 0];
    // Memory that can be executed.
    "map what can be written and executed", SYS_mmap, Never, |_, _| {
        [0, 4096, 7, (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64, u64::MAX, 0]
    };
    "make a page executable", SYS_mprotect, Never, |by, _| [by.place(&[0; 8]) & !4095, 4096, 5];
    "make a page executable by key", SYS_pkey_mprotect, Never, |by, _| [by.place(&[0; 8]) & !4095, 4096, 5, 0];
    // The kernel's further corners.
    "io_uring", SYS_io_uring_setup, Never, |by, _| [1, by.place(&[0; 128])];
    "bpf", SYS_bpf, Never, |by, _| [5, by.place(&[0; 128]), 128];
    "a key", SYS_add_key, Never, |by, _| [path(by, "user"), path(by, "k"), path(by, "v"), 1, u64::MAX];
    "keys", SYS_keyctl, Never, |_, _| [0, 0, 0, 0, 0];
    "performance counters", SYS_perf_event_open, Never, |by, _| [by.place(&[0; 128]), 0, u64::MAX, u64::MAX, 0];
    "faults in its own hands", SYS_userfaultfd, Never, |_, _| [0];
    "input for a terminal", SYS_ioctl, Never, |by, _| [0, 0x5412, by.place(b"x")];
    // What is the duty of some. None of it is anywhere but below the root.
    "make a file in its root", SYS_openat, Duty, |by, _| [HERE, path(by, "tried"), CREATE, 0o600];
    "make a directory in its root", SYS_mkdirat, Duty, |by, _| [HERE, path(by, "tried-too"), 0o700];
    "memory as a file", SYS_memfd_create, Duty, |by, _| [path(by, "m"), (libc::MFD_ALLOW_SEALING | libc::MFD_NOEXEC_SEAL) as u64];
    "a pair", SYS_socketpair, Duty, |by, _| [libc::AF_UNIX as u64, libc::SOCK_SEQPACKET as u64, 0, by.place(&[0; 8])];
    "accept", SYS_accept4, Wall(Errno::BADF), |_, _| [NO_SUCH_DESCRIPTOR, 0, 0, 0];
    "a descriptor's bytes", SYS_read, Wall(Errno::BADF), |by, _| [NO_SUCH_DESCRIPTOR, by.place(&[0; 8]), 8];
    "sync", SYS_fdatasync, Wall(Errno::BADF), |_, _| [NO_SUCH_DESCRIPTOR];
    "chroot", SYS_chroot, Duty, |by, _| [path(by, "/")];
};

/// As far as the ledger is needed here.
#[derive(Deserialize)]
struct Ledger {
    process: BTreeMap<String, Entry>,
    lists: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Entry {
    calls: Vec<String>,
    inherited_by: Vec<String>,
}

impl Ledger {
    fn read() -> Self {
        let file = harness::set::workspace().join("audit/privileges.toml");
        let text = std::fs::read_to_string(file).expect("the ledger");
        toml::from_str(&text).expect("the ledger is TOML")
    }

    /// Every call that a process's filter has, with those that it leaves to whom it
    /// bears.
    fn calls(&self, process: &str) -> BTreeSet<&str> {
        let entry = &self.process[&format!("mailkeep-{process}")];
        let heirs = entry.inherited_by.iter().map(|heir| &self.process[heir]);
        let entries = std::iter::once(entry).chain(heirs);
        let lists = entries.flat_map(|entry| &entry.calls);
        let rules = lists.flat_map(|list| self.lists[list].keys());
        rules
            .map(|rule| rule.split(' ').next().expect("a call"))
            .collect()
    }
}

/// Makes a process of a living set try everything, and says what ended otherwise than
/// the ledger says.
pub fn try_all(house: &House, process: &str) {
    let ledger = Ledger::read();
    let calls = ledger.calls(process);
    let mut taken = None;
    let mut wrong = Vec::new();
    for Attempt(what, call, number, behind, arguments) in ATTEMPTS {
        let mut by = taken.take().unwrap_or_else(|| house.possess(process).1);
        let arguments = arguments(&mut by, house);
        let outcome = by.call(*number, &arguments);
        let allowed = calls.contains(call.trim_start_matches("SYS_"));
        let stated = if allowed { *behind } else { Never };
        if !fits(&outcome, stated) {
            wrong.push(format!("{what}: {outcome:?} instead of {stated:?}"));
        }
        taken = Some(by).filter(|_| !matches!(outcome, Outcome::Killed));
    }
    if let Some(by) = taken {
        by.let_go();
    }
    assert_eq!(wrong, Vec::<String>::new(), "{process}");
}

fn fits(outcome: &Outcome, stated: Behind) -> bool {
    match (outcome, stated) {
        (Outcome::Killed, Never) | (Outcome::Returned(_), Duty) => true,
        (Outcome::Failed(errno), Wall(wall)) => *errno == wall,
        _ => false,
    }
}
