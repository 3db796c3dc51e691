//! System calls by which one could leave a process, or reach what isn't one's own.
//!
//! Each is made in the living process and under all of its walls. What must come of it
//! is in audit/privileges.toml: a call that is in no list of the process kills it; so
//! does one whose arguments its list doesn't have, and those here never have them.

use harness::possession::{Outcome, Possessed};
use nix::libc;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A call and its arguments.
pub struct Attempt {
    /// As audit/privileges.toml has it.
    pub name: &'static str,
    number: i64,
    arguments: &'static [i64],
}

const fn attempt(name: &'static str, number: i64, arguments: &'static [i64]) -> Attempt {
    Attempt {
        name,
        number,
        arguments,
    }
}

/// Any process but one's own.
const INIT: i64 = 1;

/// The pages of a W+X mapping.
const EXECUTABLE: i64 = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as i64;

const PRIVATE: i64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as i64;

/// The current directory.
const HERE: i64 = libc::AT_FDCWD as i64;

/// What is tried in every process.
pub const ATTEMPTS: &[Attempt] = &[
    // A socket of any kind, or a peer.
    attempt("socket", libc::SYS_socket, &[libc::AF_INET as i64, 1, 0]),
    attempt("socket", libc::SYS_socket, &[libc::AF_INET6 as i64, 2, 0]),
    attempt("socket", libc::SYS_socket, &[libc::AF_UNIX as i64, 1, 0]),
    attempt("socket", libc::SYS_socket, &[libc::AF_NETLINK as i64, 3, 0]),
    attempt("socket", libc::SYS_socket, &[libc::AF_ALG as i64, 5, 0]),
    attempt("socket", libc::SYS_socket, &[libc::AF_VSOCK as i64, 1, 0]),
    attempt("socket", libc::SYS_socket, &[libc::AF_PACKET as i64, 3, 0]),
    attempt(
        "socketpair",
        libc::SYS_socketpair,
        &[libc::AF_TIPC as i64, 1, 0, 0],
    ),
    attempt("connect", libc::SYS_connect, &[3, 0, 0]),
    attempt("bind", libc::SYS_bind, &[3, 0, 0]),
    attempt("listen", libc::SYS_listen, &[3, 1]),
    attempt("sendto", libc::SYS_sendto, &[3, 0, 0, 0, 4096, 16]),
    attempt("sendmmsg", libc::SYS_sendmmsg, &[3, 0, 1, 0]),
    attempt("recvmmsg", libc::SYS_recvmmsg, &[3, 0, 1, 0]),
    attempt(
        "setsockopt",
        libc::SYS_setsockopt,
        &[3, 1, libc::SO_MARK as i64, 0, 4],
    ),
    attempt("getsockopt", libc::SYS_getsockopt, &[3, 282, 1, 0, 0]),
    // Another process, or another program.
    attempt("fork", libc::SYS_fork, &[]),
    attempt("vfork", libc::SYS_vfork, &[]),
    attempt(
        "clone",
        libc::SYS_clone,
        &[libc::SIGCHLD as i64, 0, 0, 0, 0],
    ),
    attempt("execve", libc::SYS_execve, &[0, 0, 0]),
    attempt("execveat", libc::SYS_execveat, &[3, 0, 0, 0, 0]),
    attempt("memfd_create", libc::SYS_memfd_create, &[0, 0]),
    attempt("memfd_secret", libc::SYS_memfd_secret, &[0]),
    attempt(
        "mmap",
        libc::SYS_mmap,
        &[0, 4096, EXECUTABLE, PRIVATE, -1, 0],
    ),
    attempt("mprotect", libc::SYS_mprotect, &[0, 4096, EXECUTABLE]),
    attempt(
        "pkey_mprotect",
        libc::SYS_pkey_mprotect,
        &[0, 4096, EXECUTABLE, -1],
    ),
    attempt("shmget", libc::SYS_shmget, &[1, 4096, 0]),
    attempt("msgget", libc::SYS_msgget, &[1, 0]),
    attempt("semget", libc::SYS_semget, &[1, 1, 0]),
    attempt("mq_open", libc::SYS_mq_open, &[0, 0, 0, 0]),
    // Hands on another process.
    attempt("ptrace", libc::SYS_ptrace, &[16, INIT, 0, 0]),
    attempt(
        "process_vm_readv",
        libc::SYS_process_vm_readv,
        &[INIT, 0, 0, 0, 0, 0],
    ),
    attempt(
        "process_vm_writev",
        libc::SYS_process_vm_writev,
        &[INIT, 0, 0, 0, 0, 0],
    ),
    attempt(
        "process_madvise",
        libc::SYS_process_madvise,
        &[3, 0, 0, 0, 0],
    ),
    attempt("kcmp", libc::SYS_kcmp, &[INIT, INIT, 0, 0, 0]),
    attempt("kill", libc::SYS_kill, &[INIT, 0]),
    attempt("tkill", libc::SYS_tkill, &[INIT, 0]),
    attempt(
        "tgkill",
        libc::SYS_tgkill,
        &[INIT, INIT, libc::SIGKILL as i64],
    ),
    attempt("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo, &[INIT, 9, 0]),
    attempt("pidfd_open", libc::SYS_pidfd_open, &[INIT, 0]),
    attempt("pidfd_getfd", libc::SYS_pidfd_getfd, &[3, 0, 0]),
    attempt(
        "pidfd_send_signal",
        libc::SYS_pidfd_send_signal,
        &[3, 9, 0, 0],
    ),
    attempt("prlimit64", libc::SYS_prlimit64, &[INIT, 7, 0, 0]),
    attempt("setrlimit", libc::SYS_setrlimit, &[7, 0]),
    attempt("setpriority", libc::SYS_setpriority, &[0, 0, -20]),
    attempt("sched_setaffinity", libc::SYS_sched_setaffinity, &[0, 0, 0]),
    attempt(
        "sched_setscheduler",
        libc::SYS_sched_setscheduler,
        &[0, 1, 0],
    ),
    attempt("ioprio_set", libc::SYS_ioprio_set, &[1, 0, 0]),
    // Another id, root, namespace or filter.
    attempt("setresuid", libc::SYS_setresuid, &[0, 0, 0]),
    attempt("setresgid", libc::SYS_setresgid, &[0, 0, 0]),
    attempt("setreuid", libc::SYS_setreuid, &[0, 0]),
    attempt("setuid", libc::SYS_setuid, &[0]),
    attempt("setgid", libc::SYS_setgid, &[0]),
    attempt("setfsuid", libc::SYS_setfsuid, &[0]),
    attempt("setgroups", libc::SYS_setgroups, &[1, 0]),
    attempt("capset", libc::SYS_capset, &[0, 0]),
    attempt("chroot", libc::SYS_chroot, &[0]),
    attempt("chdir", libc::SYS_chdir, &[0]),
    attempt("fchdir", libc::SYS_fchdir, &[3]),
    attempt("pivot_root", libc::SYS_pivot_root, &[0, 0]),
    attempt("mount", libc::SYS_mount, &[0, 0, 0, 0, 0]),
    attempt("umount2", libc::SYS_umount2, &[0, 0]),
    attempt("open_tree", libc::SYS_open_tree, &[HERE, 0, 0]),
    attempt("move_mount", libc::SYS_move_mount, &[3, 0, 3, 0, 0]),
    attempt("fsopen", libc::SYS_fsopen, &[0, 0]),
    attempt("mount_setattr", libc::SYS_mount_setattr, &[3, 0, 0, 0, 0]),
    attempt("unshare", libc::SYS_unshare, &[libc::CLONE_NEWUSER as i64]),
    attempt("setns", libc::SYS_setns, &[3, 0]),
    attempt("prctl", libc::SYS_prctl, &[libc::PR_SET_DUMPABLE as i64, 1]),
    attempt("prctl", libc::SYS_prctl, &[libc::PR_SET_PTRACER as i64, -1]),
    attempt("arch_prctl", libc::SYS_arch_prctl, &[0x1002, 0]),
    attempt("personality", libc::SYS_personality, &[0x40000]),
    attempt("seccomp", libc::SYS_seccomp, &[1, 0, 0]),
    attempt(
        "landlock_restrict_self",
        libc::SYS_landlock_restrict_self,
        &[3, 0],
    ),
    attempt("sethostname", libc::SYS_sethostname, &[0, 0]),
    // Files, beyond opening them.
    attempt("open", libc::SYS_open, &[0, 0, 0]),
    attempt("creat", libc::SYS_creat, &[0, 0]),
    attempt("openat2", libc::SYS_openat2, &[HERE, 0, 0, 24]),
    attempt(
        "name_to_handle_at",
        libc::SYS_name_to_handle_at,
        &[HERE, 0, 0, 0, 0],
    ),
    attempt(
        "open_by_handle_at",
        libc::SYS_open_by_handle_at,
        &[HERE, 0, 0],
    ),
    attempt("symlinkat", libc::SYS_symlinkat, &[0, HERE, 0]),
    attempt("linkat", libc::SYS_linkat, &[HERE, 0, HERE, 0, 0]),
    attempt(
        "mknodat",
        libc::SYS_mknodat,
        &[HERE, 0, libc::S_IFCHR as i64, 0],
    ),
    attempt("mknod", libc::SYS_mknod, &[0, libc::S_IFCHR as i64, 0]),
    attempt("fchmod", libc::SYS_fchmod, &[3, 0o6777]),
    attempt("fchmodat", libc::SYS_fchmodat, &[HERE, 0, 0o6777]),
    attempt("fchown", libc::SYS_fchown, &[3, 0, 0]),
    attempt("fchownat", libc::SYS_fchownat, &[HERE, 0, 0, 0, 0]),
    attempt("setxattr", libc::SYS_setxattr, &[0, 0, 0, 0, 0]),
    attempt("utimensat", libc::SYS_utimensat, &[HERE, 0, 0, 0]),
    attempt("truncate", libc::SYS_truncate, &[0, 0]),
    attempt("renameat2", libc::SYS_renameat2, &[HERE, 0, HERE, 0, 2]),
    attempt("inotify_init1", libc::SYS_inotify_init1, &[0]),
    attempt("fanotify_init", libc::SYS_fanotify_init, &[0, 0]),
    attempt("sendfile", libc::SYS_sendfile, &[3, 3, 0, 1]),
    attempt("splice", libc::SYS_splice, &[3, 0, 3, 0, 1, 0]),
    attempt("vmsplice", libc::SYS_vmsplice, &[3, 0, 0, 0]),
    attempt(
        "copy_file_range",
        libc::SYS_copy_file_range,
        &[3, 0, 3, 0, 1, 0],
    ),
    attempt("ioctl", libc::SYS_ioctl, &[0, libc::TIOCSTI as i64, 0]),
    attempt("fcntl", libc::SYS_fcntl, &[3, libc::F_SETOWN as i64, INIT]),
    // The kernel's less trodden paths.
    attempt("io_uring_setup", libc::SYS_io_uring_setup, &[8, 0]),
    attempt(
        "io_uring_enter",
        libc::SYS_io_uring_enter,
        &[3, 1, 0, 0, 0, 0],
    ),
    attempt("io_setup", libc::SYS_io_setup, &[1, 0]),
    attempt("bpf", libc::SYS_bpf, &[5, 0, 0]),
    attempt(
        "perf_event_open",
        libc::SYS_perf_event_open,
        &[0, 0, -1, -1, 0],
    ),
    attempt("userfaultfd", libc::SYS_userfaultfd, &[0]),
    attempt("add_key", libc::SYS_add_key, &[0, 0, 0, 0, -2]),
    attempt("request_key", libc::SYS_request_key, &[0, 0, 0, 0]),
    attempt("keyctl", libc::SYS_keyctl, &[0, -3, 1]),
    attempt("modify_ldt", libc::SYS_modify_ldt, &[0, 0, 0]),
    attempt("iopl", libc::SYS_iopl, &[3]),
    attempt("ioperm", libc::SYS_ioperm, &[0, 1, 1]),
    attempt("init_module", libc::SYS_init_module, &[0, 0, 0]),
    attempt("kexec_load", libc::SYS_kexec_load, &[0, 0, 0, 0]),
    attempt("reboot", libc::SYS_reboot, &[0, 0, 0, 0]),
    attempt("syslog", libc::SYS_syslog, &[3, 0, 0]),
    attempt("settimeofday", libc::SYS_settimeofday, &[0, 0]),
    attempt("swapon", libc::SYS_swapon, &[0, 0]),
    attempt("quotactl", libc::SYS_quotactl, &[0, 0, 0, 0]),
    attempt("acct", libc::SYS_acct, &[0]),
    // The same numbers by another door (x32).
    attempt("getpid of x32", libc::SYS_getpid | 0x4000_0000, &[]),
];

/// The part of audit/privileges.toml that is about calls.
#[derive(Debug, Deserialize)]
struct Ledger {
    process: BTreeMap<String, Entry>,
    lists: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    calls: Vec<String>,
}

/// Calls that a process may make whatever the arguments.
pub fn freely(process: &str) -> BTreeSet<String> {
    let path = harness::set::workspace().join("audit/privileges.toml");
    let text = std::fs::read_to_string(path).expect("the ledger");
    let ledger: Ledger = toml::from_str(&text).expect("the ledger is TOML");
    let entry = &ledger.process[&format!("mailkeep-{process}")];
    let rules = entry
        .calls
        .iter()
        .flat_map(|list| ledger.lists[list].keys());
    rules.filter(|rule| !rule.contains(' ')).cloned().collect()
}

/// Those of the attempts that the ledger doesn't allow a process.
pub fn forbidden(process: &str) -> Vec<&'static Attempt> {
    let free = freely(process);
    let forbidden = ATTEMPTS
        .iter()
        .filter(|attempt| !free.contains(attempt.name));
    forbidden.collect()
}

impl Attempt {
    /// Makes it.
    pub fn of(&self, possessed: &mut Possessed) -> Outcome {
        let arguments: Vec<u64> = self
            .arguments
            .iter()
            .map(|one| one.cast_unsigned())
            .collect();
        possessed.call(self.number, &arguments)
    }
}

/// Each forbidden call kills the process that makes it. `next` gives a living one, each
/// time another.
pub fn each_kills(process: &str, mut next: impl FnMut(Option<u32>) -> u32) {
    let mut last = None;
    for attempt in forbidden(process) {
        let pid = next(last);
        let mut possessed = Possessed::seize(pid);
        let outcome = attempt.of(&mut possessed);
        assert_eq!(outcome, Outcome::Killed, "{process}: {}", attempt.name);
        last = Some(pid);
    }
}
