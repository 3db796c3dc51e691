//! A pipe between two connections: in the clear, what passes through need not come to
//! us. The kernel moves it from one socket to the other by its pages.
//!
//! Invariants: a pipe exists only while there is much to carry, but for the few that
//! wait for the next; one that waits is empty, so that nobody's bytes ever reach
//! somebody else.

use ipc_async::Stream;
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bytes asked for at once: more than a pipe of the usual size takes.
const SPLICE_BYTES_MAX: usize = 1024 * 1024;

/// Empty pipes kept for the next who has much to carry: as many as are in use at once
/// where a few read whole mailboxes.
const PIPES_KEPT_MAX: usize = 8;

/// Pipes at once, each of two descriptors and up to 64 KiB of the kernel's memory, which a
/// client that doesn't read leaves full: 16 MiB. Who finds none has his bytes copied.
const PIPES_MAX: usize = 256;

thread_local! {
    static KEPT: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
    static PIPES: Cell<usize> = const { Cell::new(0) };
}

/// See the module.
#[derive(Debug)]
pub struct Pipe {
    exit: OwnedFd,
    entry: OwnedFd,
    held: usize,
}

/// A connection that bytes can be spliced into.
pub trait Outlet: AsFd {
    /// Makes a call that writes, and says so if there was no room.
    fn try_to_fill(
        &self,
        call: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> io::Result<usize>;

    /// Waits for room after there was none.
    async fn room(&self) -> io::Result<()>;
}

impl Outlet for TcpStream {
    fn try_to_fill(
        &self,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        let fill = || Ok(retry_on_intr(|| call(self.as_fd()))?);
        self.try_io(Interest::WRITABLE, fill)
    }

    async fn room(&self) -> io::Result<()> {
        self.writable().await
    }
}

impl Outlet for Stream {
    fn try_to_fill(
        &self,
        call: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        Self::try_to_fill(self, call)
    }

    async fn room(&self) -> io::Result<()> {
        self.writable().await
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        PIPES.set(PIPES.get().saturating_sub(1));
    }
}

impl Pipe {
    /// One that was kept, or a new one; `None` if there are [`PIPES_MAX`], or the kernel
    /// has none to give.
    pub fn take() -> Option<Self> {
        KEPT.with_borrow_mut(Vec::pop).or_else(Self::new)
    }

    fn new() -> Option<Self> {
        if PIPES.get() >= PIPES_MAX {
            return None;
        }
        let (exit, entry) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        PIPES.set(PIPES.get().saturating_add(1));
        Some(Self {
            exit,
            entry,
            held: 0,
        })
    }

    /// Gives it back. One with bytes in it ends, and they with it.
    pub fn leave(self) {
        KEPT.with_borrow_mut(|kept| {
            if self.held == 0 && kept.len() < PIPES_KEPT_MAX {
                kept.push(self);
            }
        });
    }

    /// Takes what there is to read, into an empty pipe: `None` if there is nothing now,
    /// 0 at the end.
    ///
    /// # Errors
    /// As splice(2).
    pub fn fill(&mut self, from: impl AsFd) -> io::Result<Option<usize>> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let taken =
            retry_on_intr(|| splice(&from, None, &self.entry, None, SPLICE_BYTES_MAX, flags));
        match taken {
            Ok(taken) => {
                self.held = self.held.saturating_add(taken);
                Ok(Some(taken))
            }
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Writes all it holds. If the future is dropped, what is written has left the pipe
    /// and the rest is still in it.
    ///
    /// # Errors
    /// As splice(2).
    pub async fn empty(&mut self, to: &impl Outlet) -> io::Result<()> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        while self.held > 0 {
            let (exit, held) = (&self.exit, self.held);
            match to.try_to_fill(|to| splice(exit, None, to, None, held, flags)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.held = self.held.saturating_sub(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.room().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio::time::timeout;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test);
    }

    fn ends() -> (Stream, Stream) {
        let (a, b) = UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        b.set_nonblocking(true).unwrap();
        (
            Stream::adopt(a.into()).unwrap(),
            Stream::adopt(b.into()).unwrap(),
        )
    }

    /// Whoever is to read does nothing for a while, again and again.
    #[test]
    fn an_emptying_that_is_dropped_anywhere_goes_on_where_it_was() {
        run(async {
            let ((source, from), (to, sink)) = (ends(), ends());
            let mut pipe = Pipe::take().unwrap();
            let (mut sent, mut received) = (Vec::new(), Vec::new());
            for round in 0..200_u8 {
                let piece = vec![round; 5000];
                let written = source.try_write(&piece).unwrap_or(0);
                sent.extend_from_slice(&piece[..written]);
                if pipe.held == 0 {
                    pipe.fill(&from).unwrap();
                }
                let moment = Duration::from_micros(500);
                let _ = timeout(moment, pipe.empty(&to)).await;
                if round % 20 == 0 {
                    let mut bytes = [0; 30_000];
                    let read = timeout(moment, (&sink).read(&mut bytes)).await;
                    received.extend_from_slice(&bytes[..read.map_or(0, Result::unwrap)]);
                }
            }
            drop(source);
            let rest = async {
                loop {
                    pipe.empty(&to).await.unwrap();
                    match pipe.fill(&from).unwrap() {
                        Some(1..) => {}
                        end => break assert_eq!(end, Some(0)),
                    }
                }
                drop(to);
            };
            let mut sink = &sink;
            let (_, ()) = tokio::join!(sink.read_to_end(&mut received), rest);
            assert!(received == sent);
        });
    }

    #[test]
    fn a_pipe_with_something_in_it_is_not_kept() {
        run(async {
            let (source, from) = ends();
            let kept = || KEPT.with_borrow(Vec::len);
            let mut full = Pipe::take().unwrap();
            Pipe::take().unwrap().leave();
            assert_eq!(kept(), 1);
            source.try_write(b"a secret").unwrap();
            assert_eq!(full.fill(&from).unwrap(), Some(8));
            full.leave();
            assert_eq!(kept(), 1);
            let many: Vec<_> = (0..20).map(|_| Pipe::take().unwrap()).collect();
            many.into_iter().for_each(Pipe::leave);
            assert_eq!(kept(), PIPES_KEPT_MAX);
        });
    }

    #[test]
    fn there_are_so_many_pipes_and_no_more_until_one_ends() {
        let mut all: Vec<_> = std::iter::from_fn(Pipe::take).collect();
        assert_eq!(all.len(), PIPES_MAX);
        all.pop();
        assert!(Pipe::take().is_some());
    }
}
