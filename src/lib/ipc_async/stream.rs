//! One end of a session's pair of local sockets, which carries bytes.
//!
//! Invariants: no call blocks, whatever the other end has done to the socket's flags,
//! because each says so for itself; nobody is woken by a peer that has only read
//! ([`crate::watch`]); all operations can be dropped at any await without losing or
//! doubling a byte. One task reads and one writes.

use crate::watch;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// See the module.
#[derive(Debug)]
pub struct Stream {
    socket: AsyncFd<OwnedFd>,
    /// While a write waits for it.
    room: RefCell<Option<AsyncFd<OwnedFd>>>,
}

impl Stream {
    /// Takes a connected stream socket. Must be called within a runtime.
    ///
    /// # Errors
    /// The kernel will not watch it.
    pub fn adopt(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: watch::for_reading(socket)?,
            room: RefCell::new(None),
        })
    }

    /// Waits while the last write found no room.
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_room(cx)).await
    }

    /// Reads what is there; 0 is the end.
    fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let wanted = bytes.len();
        let read = self.socket.try_io(Interest::READABLE, |socket| {
            let (_, read) = retry_on_intr(|| recv(socket, &mut *bytes, RecvFlags::DONTWAIT))?;
            Ok(read)
        })?;
        if (1..wanted).contains(&read) {
            self.is_emptied();
        }
        Ok(read)
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// As send(2); [`io::ErrorKind::WouldBlock`] if there is none, and then
    /// [`Self::writable`] waits.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        self.try_to_fill(|socket| send(socket, bytes, flags))
    }

    /// As [`Self::try_write`], by another call, which must not block either.
    ///
    /// # Errors
    /// As the call; [`io::ErrorKind::WouldBlock`] if there is no room.
    pub fn try_to_fill(
        &self,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        let written = retry_on_intr(|| call(self.as_fd()));
        let mut room = self.room.borrow_mut();
        match written {
            Err(Errno::AGAIN) if room.is_none() => *room = Some(watch::for_room(&self.socket)?),
            Err(_) => {}
            Ok(_) => *room = None,
        }
        Ok(written?)
    }

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// As shutdown(2).
    pub fn end(&self) -> io::Result<()> {
        Ok(shutdown(&self.socket, Shutdown::Write)?)
    }

    /// A read that was given less than it had room for has taken all there was: what
    /// comes from now on is an event of its own, and so is the end.
    fn is_emptied(&self) {
        let forget = |_: &OwnedFd| Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _forgotten = self.socket.try_io(Interest::READABLE, forget);
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(room) = &*self.room.borrow() {
            ready!(room.poll_write_ready(cx))?.clear_ready();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?.retain_ready();
            match self.try_read(into.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|read| into.advance(read))),
            }
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let turn = ready!(tokio::task::coop::poll_proceed(cx));
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_room(cx))?;
                }
                written => {
                    turn.made_progress();
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Shared, so that one task can read while another writes.
impl AsyncRead for &Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_receive(cx, into)
    }
}

impl AsyncWrite for &Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test);
    }

    /// Both blocking, as far as their flags say.
    fn ends() -> (Stream, Stream) {
        let (a, b) = UnixStream::pair().unwrap();
        (
            Stream::adopt(a.into()).unwrap(),
            Stream::adopt(b.into()).unwrap(),
        )
    }

    #[test]
    fn megabytes_cross_whole_in_both_directions_at_once() {
        run(async {
            let (a, b) = ends();
            let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
            let (mut a_read, mut a_write, mut b_read, mut b_write) = (&a, &a, &b, &b);
            let up = async {
                a_write.write_all(&sent).await.unwrap();
                a_write.shutdown().await.unwrap();
            };
            let echo = async {
                tokio::io::copy(&mut b_read, &mut b_write).await.unwrap();
                b_write.shutdown().await.unwrap();
            };
            let mut received = Vec::new();
            let ((), (), all) = tokio::join!(up, echo, a_read.read_to_end(&mut received));
            all.unwrap();
            assert!(received == sent);
        });
    }

    #[test]
    fn an_end_that_came_with_the_last_bytes_is_seen_after_a_short_read() {
        run(async {
            let (a, b) = ends();
            b.try_write(b"last words").unwrap();
            drop(b);
            let mut bytes = [0; 100];
            assert_eq!((&a).read(&mut bytes).await.unwrap(), 10);
            assert_eq!((&a).read(&mut bytes).await.unwrap(), 0);
        });
    }

    #[test]
    fn room_is_watched_for_only_while_a_write_waits_for_it() {
        run(async {
            let (a, b) = ends();
            assert!(a.room.borrow().is_none());
            while a.try_write(&[7; 4096]).is_ok() {}
            assert!(a.room.borrow().is_some());
            let moment = Duration::from_millis(20);
            assert!(
                timeout(moment, a.writable()).await.is_err(),
                "there is room"
            );
            let drain =
                async { while timeout(moment, (&b).read(&mut [0; 65_536])).await.is_ok() {} };
            let (ready, ()) = tokio::join!(a.writable(), drain);
            ready.unwrap();
            assert_eq!(a.try_write(&[7; 4096]).unwrap(), 4096);
            assert!(a.room.borrow().is_none());
        });
    }

    /// Nobody is woken because a peer has read; the runtime's own sockets are.
    #[test]
    fn a_peer_that_reads_is_no_event() {
        run(async {
            let (a, b) = ends();
            a.try_write(b"something").unwrap();
            let read = (&b).read(&mut [0; 100]).await;
            assert!(read.is_ok_and(|count| count > 0));
            let noticed = a.socket.ready(Interest::READABLE | Interest::WRITABLE);
            let moment = Duration::from_millis(20);
            assert!(timeout(moment, noticed).await.is_err());
        });
    }
}
