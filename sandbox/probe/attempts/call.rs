//! What attempts are made of: raw system calls, and memory for their arguments.

use rustix::io::Errno;
use std::ffi::CStr;
use std::sync::atomic::{AtomicI32, AtomicU16, Ordering};

/// "The current directory", for the calls that take a directory.
pub const CWD: u64 = libc::AT_FDCWD as i64 as u64;
/// A socket whose other end a process of the same uid holds.
pub const PAIR: u64 = 0;
/// A socket that listens for TCP on the machine's loopback, outside of the process's
/// network namespace.
pub const LISTENER: u64 = 1;
/// A descriptor that stays open across confinement.
pub const LOG: u64 = 2;
/// A program: the broker has one there.
pub const PROGRAM: u64 = 4;
/// Left open before confinement began: a directory outside of the root.
pub const LEAKED: u64 = 20;
/// The same: a file to write.
pub const LEAKED_LOG: u64 = 21;
/// The same: somebody else's socket.
pub const LEAKED_SOCKET: u64 = 22;
/// The same: `/proc`.
pub const LEAKED_PROC: u64 = 23;

/// Bytes of the memory that [`scratch`] gives.
const SCRATCH_BYTES: usize = 1 << 16;

/// The process of the same uid that an attempt is made on.
pub static SIBLING: AtomicI32 = AtomicI32::new(1);
/// A process of another uid, outside of everything.
pub static OUTSIDER: AtomicI32 = AtomicI32::new(1);
/// A port on loopback where somebody listens.
pub static PORT: AtomicU16 = AtomicU16::new(0);

pub fn sibling() -> u64 {
    SIBLING.load(Ordering::Relaxed).unsigned_abs().into()
}

pub fn outsider() -> u64 {
    OUTSIDER.load(Ordering::Relaxed).unsigned_abs().into()
}

/// One system call.
pub fn call<const N: usize>(number: i64, given: [u64; N]) -> Result<i64, Errno> {
    let mut arguments = [0; 6];
    for (to, from) in arguments.iter_mut().zip(given) {
        *to = from;
    }
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: what the kernel may write in this process is `scratch`, or memory that
    // the attempt has mapped for it; other pointers are null or to what the kernel
    // reads. An attempt that takes the ground away from under itself costs its own
    // process, which was forked for it.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result >= 0 {
        return Ok(result);
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// As `call`, for one that may return in a child: the child ends at once.
pub fn bear<const N: usize>(number: i64, arguments: [u64; N]) -> Result<i64, Errno> {
    match call(number, arguments)? {
        0 => call(libc::SYS_exit_group, [0]),
        child => Ok(child),
    }
}

/// The address of a path.
pub fn at(path: &'static CStr) -> u64 {
    path.as_ptr() as u64
}

/// The address of a copy of these bytes, which stays.
pub fn place(bytes: &[u8]) -> u64 {
    bytes.to_vec().leak().as_ptr() as u64
}

/// The same of words.
pub fn words(words: &[u64]) -> u64 {
    words.to_vec().leak().as_ptr() as u64
}

/// The address of memory that the kernel may write, all zero.
pub fn scratch() -> u64 {
    vec![0u64; SCRATCH_BYTES / 8].leak().as_ptr() as u64
}

/// What the kernel has written at such an address: a descriptor.
pub fn seen(scratch: u64) -> u64 {
    // SAFETY: callers give what `scratch` or `words` gave them, or four bytes behind.
    unsafe { (scratch as *const u32).read_volatile() }.into()
}

/// Both ends of a new local connection.
pub fn pair(kind: i32) -> Result<(u64, u64), Errno> {
    let ends = words(&[0]);
    call(
        libc::SYS_socketpair,
        [libc::AF_UNIX as u64, kind as u64, 0, ends],
    )?;
    Ok((seen(ends), seen(ends + 4)))
}

/// Opens a file.
pub fn open(path: &'static CStr, flags: i32) -> Result<i64, Errno> {
    open_at(CWD, path, flags)
}

/// Opens a file below a directory; what it makes is set-user-id.
pub fn open_at(directory: u64, path: &'static CStr, flags: i32) -> Result<i64, Errno> {
    call(
        libc::SYS_openat,
        [directory, at(path), flags as u64, 0o4700],
    )
}

/// Memory from the kernel.
pub fn map(length: u64, protection: i32, flags: i32) -> Result<i64, Errno> {
    map_file(length, protection, flags, u64::MAX)
}

/// Memory that shows a file.
pub fn map_file(length: u64, protection: i32, flags: i32, file: u64) -> Result<i64, Errno> {
    call(
        libc::SYS_mmap,
        [0, length, protection as u64, flags as u64, file],
    )
}

/// An Internet address on loopback.
pub fn loopback(port: u16) -> u64 {
    let mut address = [0; 16];
    address[0] = libc::AF_INET as u8;
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    place(&address)
}

/// Where somebody listens.
pub fn listening() -> u64 {
    loopback(PORT.load(Ordering::Relaxed))
}

/// `struct msghdr` for one byte to an address, with control data.
pub fn message(address: u64, length: u64, control: &[u64]) -> u64 {
    let vector = words(&[place(b"x"), 1]);
    let bytes = control.len() as u64 * 8;
    let control = if bytes == 0 { 0 } else { words(control) };
    // The word behind it is what sendmmsg(2) fills in.
    words(&[address, length, vector, 1, control, bytes, 0, 0])
}

/// Its own number.
pub fn myself() -> u64 {
    std::process::id().into()
}
