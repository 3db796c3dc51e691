//! Files: what lies outside of the root, what leaked, and what must not be made of
//! one's own.

use super::Table;
use super::call::{
    CWD, LEAKED, LEAKED_LOG, LEAKED_PROC, LEAKED_SOCKET, LOG, at, call, map_file, open, open_at,
    outsider, place, scratch, seen, words,
};
use libc::{O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY};
use rustix::io::Errno;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

/// file_setattr(2) of Linux 6.17, the same on every architecture.
const SYS_FILE_SETATTR: i64 = 469;
/// `FS_IOC_GETFLAGS` and `FS_IOC_SETFLAGS` (ioctl_iflags(2)).
const GETFLAGS: u64 = 0x8008_6601;
const SETFLAGS: u64 = 0x4008_6602;

/// The address of a handle that was taken before confinement.
static HANDLE: AtomicU64 = AtomicU64::new(0);

#[rustfmt::skip]
pub const ATTEMPTS: Table = &[
    // Outside of the root.
    ("read /etc/passwd", || open(c"/etc/passwd", O_RDONLY)),
    ("read ../../../../etc/passwd", || open(c"../../../../etc/passwd", O_RDONLY)),
    ("name /etc/passwd (O_PATH)", || open(c"/etc/passwd", O_PATH)),
    ("write /etc/passwd", || open(c"/etc/passwd", O_WRONLY)),
    ("openat2 /etc/passwd", || openat2(CWD, at(c"/etc/passwd"), 0)),
    ("openat2 ../../../../etc/passwd, in its root", || openat2(CWD, at(c"../../../../etc/passwd"), 0x10)),
    ("look at /etc/passwd (stat)", || call(libc::SYS_newfstatat, [CWD, at(c"/etc/passwd"), scratch(), 0])),
    ("look at /etc/passwd (statx)", || call(libc::SYS_statx, [CWD, at(c"/etc/passwd"), 0, 0xfff, scratch()])),
    ("look at /etc/passwd (access)", || call(libc::SYS_faccessat2, [CWD, at(c"/etc/passwd"), 0, 0])),
    ("look at the file system (statfs)", || call(libc::SYS_statfs, [at(c"/"), scratch()])),
    ("where am I (getcwd)", || call(libc::SYS_getcwd, [scratch(), 4096])),
    ("go to /etc (chdir)", || call(libc::SYS_chdir, [at(c"/etc")])),
    ("walk out by descriptor and read /etc/passwd", walk_out_and_read),
    ("chroot again", || call(libc::SYS_chroot, [at(c"/")])),
    ("read a neighbour's directory", || open(c"../8", O_RDONLY | O_DIRECTORY)),
    ("handle of /etc/passwd", || handle(at(c"/etc/passwd"))),
    ("open_by_handle_at", open_by_handle),
    ("read /proc/self/mem", || open(c"/proc/self/mem", O_RDWR)),
    ("read the outsider's environment", || of_outsider(CWD, "/proc", "environ")),
    ("read the outsider's memory, as a file", || of_outsider(CWD, "/proc", "mem")),
    ("write core_pattern", || open(c"/proc/sys/kernel/core_pattern", O_WRONLY)),
    ("write /dev/kmsg", || open(c"/dev/kmsg", O_WRONLY)),
    ("fill /dev/shm", fill_shared_memory),
    ("make a file outside", || open(c"/tmp", O_TMPFILE | O_RDWR)),
    ("remove what is outside", || call(libc::SYS_unlinkat, [CWD, at(c"/tmp")])),
    ("device", || device(libc::S_IFBLK)),
    ("character device", || device(libc::S_IFCHR)),
    // What leaked.
    ("leaked directory: read a neighbour's mail", || open_at(LEAKED, c"8/journal", O_RDONLY)),
    ("leaked directory: read what all may read", || open_at(LEAKED, c"../outside", O_RDONLY)),
    ("leaked directory: list it", || call(libc::SYS_getdents64, [LEAKED, scratch(), 4096])),
    ("leaked directory: fchdir", || call(libc::SYS_fchdir, [LEAKED])),
    ("leaked directory: hard link", || call(libc::SYS_linkat, [LEAKED, at(c"8/journal"), LEAKED, at(c"stolen")])),
    ("leaked directory: lock it", || call(libc::SYS_flock, [LEAKED, (libc::LOCK_EX | libc::LOCK_NB) as u64])),
    ("leaked directory: openat2 beneath it", || openat2(LEAKED, at(c"8/journal"), 0x08)),
    ("leaked log: write", || call(libc::SYS_write, [LEAKED_LOG, place(b"x"), 1])),
    ("leaked log: cut", || call(libc::SYS_ftruncate, [LEAKED_LOG, 0])),
    ("leaked log: write at an offset", || call(libc::SYS_pwrite64, [LEAKED_LOG, place(b"x"), 1, 0])),
    ("leaked log: sync", || call(libc::SYS_fsync, [LEAKED_LOG])),
    ("leaked log: copy (dup)", || call(libc::SYS_dup, [LEAKED_LOG])),
    ("leaked log: map it", || map_file(4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, LEAKED_LOG)),
    ("leaked socket: write", || call(libc::SYS_write, [LEAKED_SOCKET, place(b"x"), 1])),
    ("leaked /proc: read another root", || of_outsider(LEAKED_PROC, ".", "root/etc/passwd")),
    ("leaked /proc: read another's memory", || of_outsider(LEAKED_PROC, ".", "mem")),
    ("leaked /proc: what it holds itself", || open_at(LEAKED_PROC, c"self/fd/2", O_WRONLY)),
    // Its own.
    ("make a file", || open(c"made", O_CREAT | O_WRONLY)),
    ("make a file without a name", || open(c".", O_TMPFILE | O_RDWR)),
    ("open its root for writing", || open(c".", O_WRONLY)),
    ("list its root", || open(c".", O_RDONLY | O_DIRECTORY)),
    ("make a directory", || call(libc::SYS_mkdirat, [CWD, at(c"folder"), 0o700])),
    ("mkfifo", || call(libc::SYS_mknodat, [CWD, at(c"node"), (libc::S_IFIFO | 0o600).into()])),
    ("symlink", || call(libc::SYS_symlinkat, [at(c"/etc/passwd"), CWD, at(c"link")])),
    ("hard link of its own", || made_and(|_| call(libc::SYS_linkat, [CWD, at(c"own"), CWD, at(c"own-again")]))),
    ("rename a file", || call(libc::SYS_renameat, [CWD, at(c"none"), CWD, at(c"other")])),
    ("exchange two names", || call(libc::SYS_renameat2, [CWD, at(c"none"), CWD, at(c"other"), 2])),
    ("remove a file", || call(libc::SYS_unlinkat, [CWD, at(c"none")])),
    ("chmod its root", || call(libc::SYS_fchmodat, [CWD, at(c"."), 0o777])),
    ("chmod a file of its own", || made_and(|file| call(libc::SYS_fchmod, [file, 0o4777]))),
    ("chown what is outside", || call(libc::SYS_fchownat, [CWD, at(c"/tmp"), 0, 0])),
    ("chown a file of its own", || made_and(|file| call(libc::SYS_fchown, [file, 12_345, 12_345]).and_then(|_| call(libc::SYS_fchown, [file, 0, 0])))),
    ("set a file's times", || made_and(|file| call(libc::SYS_utimensat, [file, 0, 0, 0]))),
    ("setxattr", || made_and(|file| call(libc::SYS_fsetxattr, [file, at(c"user.x"), place(b"x"), 1, 0]))),
    ("make a file immutable", || made_and(make_immutable)),
    ("file_setattr", || call(SYS_FILE_SETATTR, [CWD, at(c"none"), scratch(), 24, 0])),
    ("reserve space", || made_and(|file| call(libc::SYS_fallocate, [file, 0, 0, 4096]))),
    ("a lease on a file", || made_and(|file| call(libc::SYS_fcntl, [file, libc::F_SETLEASE as u64, libc::F_WRLCK as u64]))),
    ("sync everybody's files", || call(libc::SYS_syncfs, [LOG])),
    ("who watches (inotify)", || call(libc::SYS_inotify_init1, [0])),
    ("who watches (fanotify)", || call(libc::SYS_fanotify_init, [0, 0])),
    ("who watches (dnotify)", || opened_and(|root| call(libc::SYS_fcntl, [root, libc::F_NOTIFY as u64, 1]))),
    // From what it may read to what it may write.
    ("cut what is open to read", || reading_and(|file| call(libc::SYS_ftruncate, [file, 0]))),
    ("write what is open to read", || reading_and(|file| call(libc::SYS_write, [file, place(b"x"), 1]))),
    ("map what is open to read, to write", || reading_and(|file| map_file(4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file))),
    ("open again through /proc, to write", || reading_and(open_again)),
    ("splice a file's pages into a pipe", dirty_pipe),
    ("vmsplice into a pipe", vmsplice),
    ("tee", tee),
    ("sendfile to a file", || reading_and(|file| call(libc::SYS_sendfile, [LEAKED_LOG, file, 0, 1]))),
    ("copy_file_range", || reading_and(|file| call(libc::SYS_copy_file_range, [file, 0, LEAKED_LOG, 0, 1, 0]))),
    ("what is in everybody's cache (cachestat)", || reading_and(|file| call(451, [file, words(&[0, 4096]), scratch(), 0]))),
    ("what is in everybody's cache (mincore)", || reading_and(|file| {
        let page = map_file(4096, libc::PROT_READ, libc::MAP_PRIVATE, file)?;
        call(libc::SYS_mincore, [page as u64, 4096, scratch()])
    })),
];

fn openat2(directory: u64, path: u64, resolve: u64) -> Result<i64, Errno> {
    let how = words(&[O_RDONLY as u64, 0, resolve]);
    call(libc::SYS_openat2, [directory, path, how, 24])
}

/// chroot is no wall for who may chroot: what lies outside must be closed by
/// others.
fn walk_out_and_read() -> Result<i64, Errno> {
    let outside = open(c"/", O_PATH | O_DIRECTORY)?;
    match call(libc::SYS_mkdirat, [CWD, at(c"/jail"), 0o700]) {
        Err(Errno::EXIST) => {}
        made => drop(made?),
    }
    call(libc::SYS_chroot, [at(c"/jail")])?;
    call(libc::SYS_fchdir, [outside as u64])?;
    for _ in 0..16 {
        let up = open(c"..", O_PATH | O_DIRECTORY)?;
        call(libc::SYS_fchdir, [up as u64])?;
    }
    open(c"etc/passwd", O_RDONLY)
}

/// A handle of a file: a name that needs no path.
fn handle(path: u64) -> Result<i64, Errno> {
    let handle = place(&[128, 0, 0, 0].map(u8::from).repeat(64));
    call(
        libc::SYS_name_to_handle_at,
        [CWD, path, handle, scratch(), 0],
    )?;
    Ok(handle as i64)
}

/// Takes the handle of a neighbour's mail, for when it can't be taken any more.
pub fn remember_handle() {
    let handle = handle(at(c"../8/journal")).unwrap_or_default();
    HANDLE.store(handle.unsigned_abs(), Ordering::Relaxed);
}

/// Where none was taken one is guessed: inode 2 is the root of an ext4.
fn open_by_handle() -> Result<i64, Errno> {
    let mut guess = [8u32, 1, 2, 0].map(u32::to_le_bytes).concat();
    guess.resize(160, 0);
    let handle = match HANDLE.load(Ordering::Relaxed) {
        0 => place(&guess),
        handle => handle,
    };
    let beside = open(c".", O_RDONLY | O_DIRECTORY).unwrap_or(LOG as i64);
    call(
        libc::SYS_open_by_handle_at,
        [beside as u64, handle, O_RDONLY as u64],
    )
}

/// A file that shows something of the outsider.
fn of_outsider(directory: u64, proc: &str, file: &str) -> Result<i64, Errno> {
    let path = place(format!("{proc}/{}/{file}\0", outsider()).as_bytes());
    call(libc::SYS_openat, [directory, path, O_RDONLY as u64])
}

fn fill_shared_memory() -> Result<i64, Errno> {
    let file = open(c"/dev/shm", O_TMPFILE | O_RDWR)?;
    call(libc::SYS_write, [file as u64, scratch(), 1 << 16])
}

/// The machine's null, under a name of its own.
fn device(kind: u32) -> Result<i64, Errno> {
    call(
        libc::SYS_mknodat,
        [CWD, at(c"device"), (kind | 0o600).into(), 0x103],
    )
}

fn made_and(then: fn(u64) -> Result<i64, Errno>) -> Result<i64, Errno> {
    then(open(c"own", O_CREAT | O_RDWR)? as u64)
}

fn opened_and(then: fn(u64) -> Result<i64, Errno>) -> Result<i64, Errno> {
    then(open(c".", O_RDONLY | O_DIRECTORY)? as u64)
}

/// And changeable again: who tidies up must get by.
fn make_immutable(file: u64) -> Result<i64, Errno> {
    let flags = scratch();
    call(libc::SYS_ioctl, [file, GETFLAGS, flags])?;
    let immutable = words(&[seen(flags) | 0x10]);
    call(libc::SYS_ioctl, [file, SETFLAGS, immutable])?;
    call(libc::SYS_ioctl, [file, SETFLAGS, flags])
}

/// A file that is open to read, though its owner may write it.
fn reading_and(then: fn(u64) -> Result<i64, Errno>) -> Result<i64, Errno> {
    let file = open(c"letter", O_CREAT | O_WRONLY)?;
    call(libc::SYS_write, [file as u64, place(&[b'x'; 4096]), 4096])?;
    then(open(c"letter", O_RDONLY)? as u64)
}

fn open_again(file: u64) -> Result<i64, Errno> {
    let path = place(format!("/proc/self/fd/{file}\0").as_bytes());
    call(libc::SYS_openat, [CWD, path, (O_WRONLY | O_TRUNC) as u64])
}

/// The pages of a file that is open to read, in a pipe, and then a byte behind them
/// (CVE-2022-0847).
fn dirty_pipe() -> Result<i64, Errno> {
    reading_and(|file| {
        let (_out, into) = rustix::pipe::pipe()?;
        let into = into.as_raw_fd() as u64;
        call(libc::SYS_splice, [file, 0, into, 0, 1, 0])?;
        call(libc::SYS_write, [into, place(b"y"), 1])
    })
}

fn vmsplice() -> Result<i64, Errno> {
    let (_out, into) = rustix::pipe::pipe()?;
    let vector = words(&[place(b"x"), 1]);
    call(libc::SYS_vmsplice, [into.as_raw_fd() as u64, vector, 1, 0])
}

fn tee() -> Result<i64, Errno> {
    let ((out, into), (_other, end)) = (rustix::pipe::pipe()?, rustix::pipe::pipe()?);
    rustix::io::write(&into, b"x")?;
    let [out, end] = [out, end].map(|one| one.as_raw_fd() as u64);
    call(libc::SYS_tee, [out, end, 1, 0])
}
