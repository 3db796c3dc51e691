//! The machine's patience: more of everything than the limits of any profile.

use super::Table;
use super::call::{at, bear, call, map, open, pair, place, scratch, seen, words};
use libc::{MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, SOCK_STREAM};
use rustix::io::Errno;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More than the memory of any profile.
const MUCH: u64 = 3 << 30;
/// More than the descriptors of any profile; where there is one profile, more than its.
pub static MANY: AtomicUsize = AtomicUsize::new(70_000);
/// More processes or threads than any of ours has.
const CROWD: usize = 600;
const WRITABLE: i32 = PROT_READ | PROT_WRITE;
const PRIVATE: i32 = MAP_PRIVATE | MAP_ANONYMOUS;

#[rustfmt::skip]
pub const ATTEMPTS: Table = &[
    ("memory without end", || map(MUCH, WRITABLE, PRIVATE)),
    ("memory without end: first to read", || map(MUCH, PROT_READ, PRIVATE).and_then(|page| call(libc::SYS_mprotect, [page as u64, MUCH, WRITABLE as u64]))),
    ("memory without end: grown (mremap)", || map(4096, WRITABLE, PRIVATE).and_then(|page| call(libc::SYS_mremap, [page as u64, 4096, MUCH, 1]))),
    ("memory without end: the heap (brk)", heap),
    ("memory without end: shared", || map(MUCH, WRITABLE, MAP_SHARED | MAP_ANONYMOUS)),
    ("memory without end: downwards", || map(MUCH, WRITABLE, PRIVATE | libc::MAP_GROWSDOWN)),
    ("a file in memory", in_memory),
    ("descriptors without end: events", || without_end(|| call(libc::SYS_eventfd2, [0, 0]))),
    ("descriptors without end: sockets", || without_end(|| pair(SOCK_STREAM).map(|_| 0))),
    ("descriptors without end: waits", || without_end(|| call(libc::SYS_epoll_create1, [0]))),
    ("descriptors without end: files", || without_end(|| open(c".", libc::O_RDONLY))),
    ("descriptors without end: copies", || without_end(|| call(libc::SYS_fcntl, [2, libc::F_DUPFD_CLOEXEC as u64, 3]))),
    ("processes without end", || crowd(fork)),
    ("threads without end", || crowd(thread)),
    ("a file of a terabyte", || open(c"large", libc::O_CREAT | libc::O_RDWR).and_then(|file| call(libc::SYS_pwrite64, [file as u64, place(b"x"), 1, 1 << 40]))),
];

/// brk(2) answers with the end of the heap as it then is.
fn heap() -> Result<i64, Errno> {
    let end = call(libc::SYS_brk, [0])? as u64;
    match call(libc::SYS_brk, [end + MUCH])? as u64 {
        now if now == end => Err(Errno::NOMEM),
        _ => Ok(0),
    }
}

/// Not counted as the process's own memory; not to be executed, as `lmtp` has it.
fn in_memory() -> Result<i64, Errno> {
    let file = call(libc::SYS_memfd_create, [at(c"x"), 8])? as u64;
    call(libc::SYS_write, [file, scratch(), 1 << 16])
}

fn without_end(more: fn() -> Result<i64, Errno>) -> Result<i64, Errno> {
    (0..MANY.load(Ordering::Relaxed)).try_fold(0, |_, _| more())
}

fn crowd(more: fn() -> Result<i64, Errno>) -> Result<i64, Errno> {
    (0..CROWD).try_fold(0, |_, _| more())
}

/// A child that ends at once and is a zombie until its parent has ended: it counts.
fn fork() -> Result<i64, Errno> {
    let pidfd = words(&[0]);
    bear(
        libc::SYS_clone,
        [(libc::SIGCHLD | libc::CLONE_PIDFD) as u64, 0, pidfd],
    )?;
    call(libc::SYS_close, [seen(pidfd)])
}

fn thread() -> Result<i64, Errno> {
    let builder = std::thread::Builder::new().stack_size(1 << 16);
    match builder.spawn(std::thread::park) {
        Ok(_) => Ok(0),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
}
