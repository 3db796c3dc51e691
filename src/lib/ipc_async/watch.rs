//! Descriptors that the runtime watches, each for one thing.
//!
//! The runtime's own sockets are watched for room to write, too, and the kernel says
//! that a local socket has room whenever its peer has read: whoever uses those is woken
//! twice for each message, once for nothing. So a socket here is watched for what it
//! has to be read, and for room only while something waits for it.

use rustix::io::fcntl_dupfd_cloexec;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The lowest number for a copied descriptor: above those that a process is born with.
const COPY_NUMBER_MIN: i32 = 3;

/// Watches what there is to read. `inner` must keep one descriptor open all its life.
/// Must be called within a runtime.
///
/// # Errors
/// The kernel will not watch it.
pub fn for_reading<T: AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    watch(inner, Interest::READABLE)
}

/// Watches for room to write, through a copy of the descriptor: one can be in the
/// kernel's set once. The watch ends with its value.
///
/// # Errors
/// There is no descriptor for a copy, or the kernel will not watch it.
pub fn for_room(socket: impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    let copy = fcntl_dupfd_cloexec(socket, COPY_NUMBER_MIN)?;
    watch(copy, Interest::WRITABLE)
}

fn watch<T: AsRawFd>(inner: T, what: Interest) -> io::Result<AsyncFd<T>> {
    #[expect(
        deprecated,
        reason = "its successor is an unsafe fn; what is watched here keeps one descriptor open all its life"
    )]
    AsyncFd::with_interest(inner, what)
}
