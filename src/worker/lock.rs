//! One writer per account, whatever `director` believes: the lock on the root
//! directory, which is an inode that the account can't unlink.

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a new worker waits for its predecessor's lock. A worker that was
/// told to leave finishes its commands and a sync in less.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);

const LOCK_ROUND: Duration = Duration::from_millis(10);

/// The account's root directory, locked till the process dies.
///
/// Invariant: the descriptor is never duplicated and never passed on, so the
/// lock goes exactly when the process goes.
#[derive(Debug)]
pub struct Root(OwnedFd);

/// Why the root could not be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLocked {
    /// Another process holds the lock.
    Held,
    /// The kernel would not.
    Failed(Errno),
}

impl Root {
    /// Opens and locks a directory; waits at most `wait` for whoever has it. For
    /// use before there is a thread that would be held up.
    ///
    /// # Errors
    /// [`NotLocked`].
    pub fn lock(path: &std::path::Path, wait: Duration) -> Result<Self, NotLocked> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let root = rustix::fs::openat(rustix::fs::CWD, path, flags, Mode::empty())
            .map_err(NotLocked::Failed)?;
        let deadline = Instant::now() + wait;
        loop {
            match rustix::fs::flock(&root, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(root)),
                Err(Errno::AGAIN) if Instant::now() < deadline => pause()?,
                Err(Errno::AGAIN) => return Err(NotLocked::Held),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(NotLocked::Failed(errno)),
            }
        }
    }

    /// A second description of the directory, which knows nothing of the lock.
    ///
    /// # Errors
    /// As openat(2).
    pub fn reopen(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, ".", flags, Mode::empty())
    }
}

/// Sleeps for a round. The filter has no call for sleeping but the wait for
/// events, and here there are none to come.
fn pause() -> Result<(), NotLocked> {
    let nothing = ipc::epoll::Epoll::without_secrets().map_err(NotLocked::Failed)?;
    nothing.wait(Some(LOCK_ROUND)).map_err(NotLocked::Failed)?;
    Ok(())
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_locked_root_is_refused_to_a_second_taker_until_the_first_is_gone() {
        let scratch = Scratch::new("lock");
        let first = Root::lock(scratch.path(), Duration::ZERO).unwrap();
        let second = Root::lock(scratch.path(), Duration::ZERO);
        assert_eq!(second.unwrap_err(), NotLocked::Held);
        drop(first);
        assert!(Root::lock(scratch.path(), Duration::ZERO).is_ok());
    }

    #[test]
    fn a_second_description_does_not_keep_the_lock() {
        let scratch = Scratch::new("lock-reopened");
        let first = Root::lock(scratch.path(), Duration::ZERO).unwrap();
        let reopened = first.reopen().unwrap();
        drop(first);
        assert!(Root::lock(scratch.path(), Duration::ZERO).is_ok());
        drop(reopened);
    }
}
