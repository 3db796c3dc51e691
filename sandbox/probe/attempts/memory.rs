//! Memory: to be executed, shared, pinned, or looked into.

use super::Table;
use super::call::{PROGRAM, at, call, map, map_file, myself, scratch, words};
use libc::{MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE};
use rustix::io::Errno;

const PRIVATE: i32 = MAP_PRIVATE | MAP_ANONYMOUS;
const WRITABLE: i32 = PROT_READ | PROT_WRITE;
const EXECUTABLE: i32 = PROT_READ | PROT_EXEC;
/// READ_IMPLIES_EXEC (personality(2)).
const READ_IMPLIES_EXEC: u64 = 0x0040_0000;

#[rustfmt::skip]
pub const ATTEMPTS: Table = &[
    ("map writable and executable", || map(4096, WRITABLE | PROT_EXEC, PRIVATE)),
    ("map executable", || map(4096, EXECUTABLE, PRIVATE)),
    ("map a program, executable", || map_file(4096, EXECUTABLE, MAP_PRIVATE, PROGRAM)),
    ("make a page executable", || map(4096, WRITABLE, PRIVATE).and_then(|page| call(libc::SYS_mprotect, [page as u64, 4096, EXECUTABLE as u64]))),
    ("pkey_mprotect", || map(4096, WRITABLE, PRIVATE).and_then(|page| call(libc::SYS_pkey_mprotect, [page as u64, 4096, EXECUTABLE as u64, u64::MAX]))),
    ("protection keys", || call(libc::SYS_pkey_alloc, [0, 0])),
    ("what is read is executable (personality)", || call(libc::SYS_personality, [READ_IMPLIES_EXEC]).and_then(|_| map(4096, PROT_READ, PRIVATE))),
    ("executable shared memory (shmat)", || shared_segment(0o100_000)),
    ("shared memory (shmat)", || shared_segment(0)),
    ("memfd_create", || call(libc::SYS_memfd_create, [at(c"x"), 0])),
    ("memfd_secret", || call(libc::SYS_memfd_secret, [0])),
    ("map at address 0", || call(libc::SYS_mmap, [0, 4096, WRITABLE as u64, (PRIVATE | MAP_FIXED) as u64, u64::MAX, 0])),
    ("map shared", || map(4096, WRITABLE, MAP_SHARED | MAP_ANONYMOUS)),
    ("map what grows downwards", || map(4096, WRITABLE, PRIVATE | libc::MAP_GROWSDOWN)),
    ("lock memory", || map(4096, WRITABLE, PRIVATE).and_then(|page| call(libc::SYS_mlock2, [page as u64, 4096, 0]))),
    ("lock all memory", || call(libc::SYS_mlockall, [1])),
    ("share equal pages with others (madvise)", || advise(12)),
    ("give memory back (madvise)", || advise(4)),
    ("keep memory from children (madvise)", || advise(10)),
    ("poison a page (madvise)", || call(libc::SYS_madvise, [4096, 4096, 100])),
    ("seal memory", || call(462, [scratch() & !4095, 4096, 0])),
    ("remap pages out of order", || map(8192, WRITABLE, PRIVATE).and_then(|page| call(libc::SYS_remap_file_pages, [page as u64, 4096, 0, 1, 0]))),
    ("bind memory to a node (mbind)", || map(4096, WRITABLE, PRIVATE).and_then(|page| call(libc::SYS_mbind, [page as u64, 4096, 1, words(&[1]), 2, 0]))),
    ("bind memory to a node (set_mempolicy)", || call(libc::SYS_set_mempolicy, [1, words(&[1]), 2])),
    ("a shadow stack", || call(453, [0, 4096, 0])),
    ("userfaultfd", || call(libc::SYS_userfaultfd, [1])),
    ("a local descriptor table (modify_ldt)", || call(libc::SYS_modify_ldt, [0, scratch(), 64])),
    ("another thread area", || call(libc::SYS_set_thread_area, [words(&[u64::from(u32::MAX), 0])])),
    ("the thread pointer (arch_prctl)", || call(libc::SYS_arch_prctl, [0x1003, scratch()])),
    ("restartable sequences", || call(libc::SYS_rseq, [scratch() & !31, 32, 0, 0x5305_3053])),
    ("wait on many futexes", || call(449, [0, 0, 0, 0, 0])),
    ("membarrier", || call(libc::SYS_membarrier, [0, 0, 0])),
    ("membarrier, for everybody", || call(libc::SYS_membarrier, [1, 0, 0])),
    ("a System V queue", || call(libc::SYS_msgget, [0, 0o1600])),
    ("a System V semaphore", || call(libc::SYS_semget, [0, 1, 0o1600])),
    ("a POSIX queue", || call(libc::SYS_mq_open, [at(c"mailkeep-probe"), (libc::O_CREAT | libc::O_RDWR) as u64, 0o600, 0]).and_then(|_| call(libc::SYS_mq_unlink, [at(c"mailkeep-probe")]))),
    ("set limits of its own (prlimit)", || call(libc::SYS_prlimit64, [myself(), libc::RLIMIT_NOFILE.into(), words(&[1 << 30, 1 << 30]), 0])),
    ("set limits of its own (setrlimit)", || call(libc::SYS_setrlimit, [libc::RLIMIT_NOFILE.into(), words(&[1 << 30, 1 << 30])])),
];

fn advise(advice: u64) -> Result<i64, Errno> {
    let page = map(4096, WRITABLE, PRIVATE)?;
    call(libc::SYS_madvise, [page as u64, 4096, advice])
}

/// A segment that is gone with its last user.
fn shared_segment(flags: u64) -> Result<i64, Errno> {
    let segment = call(libc::SYS_shmget, [0, 4096, 0o1600])? as u64;
    let attached = call(libc::SYS_shmat, [segment, 0, flags]);
    call(libc::SYS_shmctl, [segment, 0, 0])?;
    attached
}
