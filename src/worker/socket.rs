//! The client's end of a session, as the mail thread waits for it.
//!
//! Whoever asks epoll for room to write hears of every piece that the other side
//! takes: a session would be woken once more by each of its own answers. So a socket
//! is registered for reading alone. Only when it takes no more is it registered for
//! writing, too, until its session waits for the client again.
//!
//! Invariants: no call here waits for the kernel; a future that is dropped has lost
//! nothing.

use crate::output::Lost;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// See the module.
#[derive(Debug)]
pub struct Socket {
    /// None if the kernel would not register it again.
    registered: Option<AsyncFd<OwnedFd>>,
    for_writing: bool,
}

impl Socket {
    /// A connected socket.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn new(socket: OwnedFd) -> std::io::Result<Self> {
        Ok(Self {
            registered: Some(registered(socket, Interest::READABLE)?),
            for_writing: false,
        })
    }

    /// Waits for the client to say something, and appends it, at most `bytes_max`
    /// bytes. Nothing is allocated before there is something.
    ///
    /// # Errors
    /// [`Lost::Gone`].
    pub async fn read(&mut self, to: &mut Vec<u8>, bytes_max: usize) -> Result<(), Lost> {
        self.register(false)?;
        let socket = self.registered.as_ref().ok_or(Lost::Gone)?;
        loop {
            let mut ready = socket.readable().await.map_err(|_| Lost::Gone)?;
            to.reserve_exact(bytes_max);
            let room = to.capacity().saturating_sub(to.len());
            match rustix::net::recv(socket, spare_capacity(to), RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(Lost::Gone),
                Ok((_, count)) if count >= room => return Ok(()),
                Ok(_) => {
                    // That was all: epoll tells when there is more.
                    ready.clear_ready();
                    return Ok(());
                }
                Err(Errno::AGAIN) => {
                    // Woken for nothing: who sleeps on holds no buffer.
                    to.shrink_to_fit();
                    ready.clear_ready();
                }
                Err(Errno::INTR) => {}
                Err(_) => return Err(Lost::Gone),
            }
        }
    }

    /// Writes as many of the bytes as the socket takes; how many they were. Waits for
    /// room, but not longer than `wait_max`.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn write(&mut self, bytes: &[u8], wait_max: Duration) -> Result<usize, Lost> {
        if let Some(taken) = offer(self.registered.as_ref(), bytes)? {
            return Ok(taken);
        }
        self.register(true)?;
        let socket = self.registered.as_ref().ok_or(Lost::Gone)?;
        loop {
            let room = tokio::time::timeout(wait_max, socket.writable()).await;
            let mut room = room
                .map_err(|_| Lost::DoesNotRead)?
                .map_err(|_| Lost::Gone)?;
            match offer(Some(socket), bytes)? {
                Some(taken) => return Ok(taken),
                None => room.clear_ready(),
            }
        }
    }

    /// Whether nobody is there any more to read an answer. A client that has
    /// only finished sending still reads.
    pub async fn client_is_gone(&self) -> bool {
        let Some(socket) = &self.registered else {
            return true;
        };
        tokio::select! {
            biased;
            // A hang-up is told whatever a socket is registered for.
            ready = socket.ready(Interest::WRITABLE) => {
                ready.is_ok_and(|ready| ready.ready().is_write_closed())
            }
            () = std::future::ready(()) => false,
        }
    }

    /// Has epoll tell of what is to be read, and of room to write if that is wanted.
    fn register(&mut self, for_writing: bool) -> Result<(), Lost> {
        if self.for_writing == for_writing {
            return Ok(());
        }
        let interest = match for_writing {
            true => Interest::READABLE | Interest::WRITABLE,
            false => Interest::READABLE,
        };
        let socket = self.registered.take().ok_or(Lost::Gone)?.into_inner();
        self.registered = Some(registered(socket, interest).map_err(|_| Lost::Gone)?);
        self.for_writing = for_writing;
        Ok(())
    }
}

fn registered(socket: OwnedFd, interest: Interest) -> std::io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its successor is an unsafe fn; an OwnedFd stays open all its life"
    )]
    AsyncFd::with_interest(socket, interest)
}

/// How many of the bytes a socket takes at once; none if it has no room.
fn offer(socket: Option<&AsyncFd<OwnedFd>>, bytes: &[u8]) -> Result<Option<usize>, Lost> {
    let socket = socket.ok_or(Lost::Gone)?;
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        match rustix::net::send(socket, bytes, flags) {
            Ok(taken) => return Ok(Some(taken)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(_) => return Err(Lost::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::run;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    const WAIT_MAX: Duration = Duration::from_millis(20);

    fn ends() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Socket::new(ours.into()).unwrap(), theirs)
    }

    async fn fill_up(socket: &mut Socket) -> usize {
        let mut taken = 0;
        while let Ok(count) = socket.write(&[b'x'; 9999], WAIT_MAX).await {
            taken += count;
        }
        taken
    }

    #[test]
    fn only_who_waits_for_room_is_woken_by_it() {
        run(async {
            let (mut socket, mut theirs) = ends();
            socket.write(b"* OK", WAIT_MAX).await.unwrap();
            assert!(!socket.for_writing);
            let taken = fill_up(&mut socket).await + 4;
            assert!(socket.for_writing);
            theirs.read_exact(&mut vec![0; taken]).unwrap();
            socket.write(b"more", WAIT_MAX).await.unwrap();
            theirs.write_all(b"NOOP").unwrap();
            let mut heard = Vec::new();
            socket.read(&mut heard, 100).await.unwrap();
            assert!(heard == b"NOOP" && !socket.for_writing);
        });
    }

    #[test]
    fn what_is_said_in_two_pieces_is_heard_in_two_and_then_the_end() {
        run(async {
            let (mut socket, mut theirs) = ends();
            let mut heard = Vec::new();
            theirs.write_all(b"one two").unwrap();
            socket.read(&mut heard, 3).await.unwrap();
            assert_eq!(heard, b"one");
            drop(theirs);
            // Room is what the last answer left, and as much as is asked for.
            while socket.read(&mut heard, 100).await.is_ok() {}
            assert_eq!(heard, b"one two");
            assert_eq!(socket.read(&mut heard, 100).await, Err(Lost::Gone));
        });
    }
}
