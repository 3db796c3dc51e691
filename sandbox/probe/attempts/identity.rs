//! Ids, capabilities, namespaces, and what a process may say of itself (prctl(2)).

use super::Table;
use super::call::{CWD, PROGRAM, at, call, myself, open, place, scratch, words};
use libc::{
    CLONE_FILES, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID,
    CLONE_NEWUSER, CLONE_NEWUTS,
};
use rustix::io::Errno;

/// `struct __user_cap_header_struct` of version 3 (capget(2)).
const CAPABILITIES_V3: u64 = 0x2008_0522;
/// CAP_SYS_ADMIN.
const ADMIN: u64 = 21;
/// The C library's names for these are newer than what it may be here.
const PR_SET_MM: u64 = 35;
const PR_SET_PTRACER: u64 = 0x5961_6d61;
const PR_SET_TIMERSLACK: u64 = 29;
const PR_SET_SYSCALL_USER_DISPATCH: u64 = 59;
const PR_SCHED_CORE: u64 = 62;
const PR_SET_VMA: u64 = 0x5356_4d41;
const PR_SET_IO_FLUSHER: u64 = 57;

#[rustfmt::skip]
pub const ATTEMPTS: Table = &[
    // Becoming somebody.
    ("setresuid(0)", || ids(libc::SYS_setresuid, [0, 0, 0])),
    ("setresgid(0)", || ids(libc::SYS_setresgid, [0, 0, 0])),
    ("setresuid below the accounts", || ids(libc::SYS_setresuid, [1_899_999_999; 3])),
    ("setresuid above the accounts", || ids(libc::SYS_setresuid, [2_100_000_000; 3])),
    ("setresgid above the accounts", || ids(libc::SYS_setresgid, [2_100_000_000; 3])),
    ("setresuid(-1)", || ids(libc::SYS_setresuid, [u32::MAX; 3])),
    ("setresgid(-1)", || ids(libc::SYS_setresgid, [u32::MAX; 3])),
    ("setresuid, root among accounts", || ids(libc::SYS_setresuid, [1_900_000_007, 0, 1_900_000_007])),
    ("setresuid, one left as it is", || ids(libc::SYS_setresuid, [1_900_000_007, 1_900_000_007, u32::MAX])),
    ("setresuid to another account", || ids(libc::SYS_setresuid, [1_900_000_008; 3])),
    ("setresuid(0), 64 bits wide", || call(libc::SYS_setresuid, [1 << 32; 3])),
    ("setuid(0)", || ids(libc::SYS_setuid, [0; 3])),
    ("setgid(0)", || ids(libc::SYS_setgid, [0; 3])),
    ("setreuid(0)", || ids(libc::SYS_setreuid, [0; 3])),
    ("setfsuid(0)", || file_id(libc::SYS_setfsuid)),
    ("setfsgid(0)", || file_id(libc::SYS_setfsgid)),
    ("setgroups of one", || call(libc::SYS_setgroups, [1, words(&[42])])),
    ("become an account, then root", || ids(libc::SYS_setresuid, [1_900_000_007; 3]).and_then(|_| ids(libc::SYS_setresuid, [0; 3]))),
    ("raise a capability", || call(libc::SYS_capset, [words(&[CAPABILITIES_V3]), words(&[1 << ADMIN | 1 << (ADMIN + 32), 1 << ADMIN, 0])])),
    ("raise an ambient capability", || prctl([libc::PR_CAP_AMBIENT as u64, 2, ADMIN])),
    ("keep capabilities over a change of ids", || prctl([libc::PR_SET_KEEPCAPS as u64, 1, 0])),
    ("secure bits", || prctl([libc::PR_SET_SECUREBITS as u64, 0, 0])),
    // Namespaces.
    ("unshare user", || unshare(CLONE_NEWUSER)),
    ("unshare user and mounts", || unshare(CLONE_NEWUSER | CLONE_NEWNS)),
    ("unshare network", || unshare(CLONE_NEWNET)),
    ("unshare mounts", || unshare(CLONE_NEWNS)),
    ("unshare ipc, names, processes, cgroups", || unshare(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWCGROUP)),
    ("unshare time", || unshare(0x80)),
    ("unshare descriptors", || unshare(CLONE_FILES)),
    // Lifting or weakening confinement.
    ("dumpable again", || prctl([libc::PR_SET_DUMPABLE as u64, 1, 0])),
    ("another filter", || call(libc::SYS_seccomp, [1, 0, no_filter()])),
    ("another filter, for all threads", || call(libc::SYS_seccomp, [1, 1, no_filter()])),
    ("another filter, by prctl", || prctl([libc::PR_SET_SECCOMP as u64, 2, no_filter()])),
    ("a filter that asks (user notification)", || call(libc::SYS_seccomp, [1, 1 << 3, no_filter()])),
    ("strict seccomp", || call(libc::SYS_seccomp, [0, 1, 0])),
    ("sizes of notifications", || call(libc::SYS_seccomp, [3, 0, scratch()])),
    ("no_new_privs off", || prctl([libc::PR_SET_NO_NEW_PRIVS as u64, 0, 0])),
    ("a Landlock that allows everything", landlock),
    ("dispatch of system calls", || prctl([PR_SET_SYSCALL_USER_DISPATCH, 0, 0])),
    ("a tracer of its choice", || prctl([PR_SET_PTRACER, u64::MAX, 0])),
    ("another heap and stack (PR_SET_MM)", || prctl([PR_SET_MM, 1, 0])),
    ("adopt orphans", || prctl([libc::PR_SET_CHILD_SUBREAPER as u64, 1, 0])),
    ("outlive its parent", || prctl([libc::PR_SET_PDEATHSIG as u64, 0, 0])),
    ("another name", || prctl([libc::PR_SET_NAME as u64, at(c"mailkeep-auth"), 0])),
    ("another name of its memory", || prctl([PR_SET_VMA, 0, 0])),
    ("timer slack", || prctl([PR_SET_TIMERSLACK, 1, 0])),
    ("forbid the time stamp counter", || prctl([libc::PR_SET_TSC as u64, 1, 0])),
    ("speculation as it likes", || prctl([libc::PR_SET_SPECULATION_CTRL as u64, 0, 1 << 1])),
    ("share a core (PR_SCHED_CORE)", || prctl([PR_SCHED_CORE, 1, 0])),
    ("write back in place of others", || prctl([PR_SET_IO_FLUSHER, 1, 0])),
    ("umask", || call(libc::SYS_umask, [0o077])),
    ("another personality", || call(libc::SYS_personality, [0x0040_0000])),
    ("its security module's attributes", || call(459, [100, scratch(), words(&[4096]), 0])),
    // Programs.
    ("execve what is in the root", || call(libc::SYS_execve, [at(c"program"), argv(), 0])),
    ("execveat what is in the root", || call(libc::SYS_execveat, [CWD, at(c"program"), argv(), 0, 0])),
    ("execve what it has made", execute_made),
    ("execute its own memory (memfd)", execute_memory),
    ("execute its own program again", || execute(PROGRAM)),
    ("gain capabilities by a set-user-id program", || call(libc::SYS_execve, [at(c"set-user-id"), words(&[at(c"probe"), at(c"capable"), 0]), 0])),
    ("load a library (uselib)", || call(libc::SYS_uselib, [at(c"program")])),
];

fn ids(number: i64, ids: [u32; 3]) -> Result<i64, Errno> {
    call(number, ids.map(u64::from))
}

/// setfsuid(2) never fails: it answers with what was, so a second call tells.
fn file_id(number: i64) -> Result<i64, Errno> {
    call(number, [0])?;
    match call(number, [u32::MAX.into()])? {
        0 => Ok(0),
        _ => Err(Errno::PERM),
    }
}

fn prctl([option, first, second]: [u64; 3]) -> Result<i64, Errno> {
    call(libc::SYS_prctl, [option, first, second, 0, 0])
}

fn unshare(flags: i32) -> Result<i64, Errno> {
    call(libc::SYS_unshare, [flags as u64])
}

/// `struct sock_fprog` of one instruction: everything is allowed.
fn no_filter() -> u64 {
    let allow = words(&[0x0006 | 0x7fff_0000 << 32]);
    words(&[1, allow])
}

/// A ruleset that handles one right and grants it everywhere.
fn landlock() -> Result<i64, Errno> {
    let ruleset = call(444, [words(&[1 << 2]), 8, 0])?;
    call(446, [ruleset as u64, 0])
}

/// The arguments of a program that says that it was executed.
fn argv() -> u64 {
    words(&[at(c"probe"), at(c"executed"), 0])
}

fn execute(program: u64) -> Result<i64, Errno> {
    let flags = libc::AT_EMPTY_PATH as u64;
    call(libc::SYS_execveat, [program, at(c""), argv(), 0, flags])
}

/// Hostile mail becomes a program: a file of its own, and then that.
fn execute_made() -> Result<i64, Errno> {
    let file = open(c"made-program", libc::O_CREAT | libc::O_WRONLY)?;
    call(libc::SYS_write, [file as u64, place(b"\x7fELF"), 4])?;
    let file = open(c"made-program", libc::O_RDONLY)?;
    match execute(file as u64) {
        // Four bytes are no program, which is said only where one would be executed.
        Err(Errno::NOEXEC) => Ok(myself() as i64),
        other => other,
    }
}

fn execute_memory() -> Result<i64, Errno> {
    let memory = call(libc::SYS_memfd_create, [at(c"x"), 0])?;
    call(libc::SYS_write, [memory as u64, place(b"\x7fELF"), 4])?;
    match execute(memory as u64) {
        Err(Errno::NOEXEC) => Ok(myself() as i64),
        other => other,
    }
}
