//! One end of a channel: a non-blocking `SOCK_SEQPACKET` socket that sends one
//! enum and receives another.
//!
//! Invariants: a datagram is never truncated in silence; descriptors that came
//! with a refused datagram are closed; the queue of unsent messages never
//! exceeds [`QUEUE_MESSAGES_MAX`].

use crate::codec::{Malformed, Message};
use crate::secret::wipe;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Messages that may wait for a peer that doesn't read. A peer behind by more
/// is stopped or hostile, and a queue that it could grow would be its memory
/// in our process.
pub const QUEUE_MESSAGES_MAX: usize = 256;

/// How long one waits before one tries again what the kernel had no room for.
pub const STALL_MILLIS: u64 = 20;

/// Descriptors in one datagram. The kernel allows 253; no message of ours has
/// more than two, and room for a few more lets us see (and refuse) a surplus.
const DESCRIPTORS_MAX: usize = 8;

thread_local! {
    /// Where every channel receives; between two messages it is all zeros. It is as long
    /// as the longest message that could come to this thread so far, for zeroing as much
    /// for each message would take longer than receiving it. Not an array: a thread's
    /// variables are zeroed when it starts, and a thread that never receives would pay.
    static DESK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives this thread's desk back until something is received again: for a process that
/// rests, of which there may be one for each account.
pub fn rest() {
    drop(DESK.take());
}

/// Why a channel must be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The peer sent something that is not a message of this channel.
    PeerSent(Malformed),
    /// The peer sent a datagram above the direction's maximum, or more
    /// descriptors than any message has.
    PeerSentTooMuch,
    /// The peer has not read for so long that the queue is full.
    PeerDoesNotRead,
    /// The peer has gone.
    PeerGone,
    /// The socket failed, or is not of the kind that a channel needs.
    Socket(Errno),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PeerSent(malformed) => {
                write!(f, "the peer sent a malformed message ({malformed:?})")
            }
            Self::PeerSentTooMuch => f.write_str("the peer sent too much in one message"),
            Self::PeerDoesNotRead => f.write_str("the peer does not read"),
            Self::PeerGone => f.write_str("the peer has gone"),
            Self::Socket(errno) => write!(f, "the channel's socket failed: {errno}"),
        }
    }
}

/// What there was to receive.
#[derive(Debug)]
pub enum Received<Rx> {
    /// One message.
    Message(Rx),
    /// Nothing now.
    Nothing,
    /// The peer has closed its end; nothing will come any more.
    Closed,
}

/// One end of a channel; see the module.
#[derive(Debug)]
pub struct Channel<Tx, Rx> {
    socket: OwnedFd,
    queue: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
    /// The kernel would not take another descriptor of ours; see [`Self::is_stalled`].
    stalled: bool,
    directions: PhantomData<fn(Tx) -> Rx>,
}

/// The two ends of a new channel, close-on-exec, not yet typed.
///
/// # Errors
/// As socketpair(2).
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

impl<Tx: Message, Rx: Message> Channel<Tx, Rx> {
    /// Makes a descriptor an end of this channel.
    ///
    /// # Errors
    /// [`Fault::Socket`] if it is not a `SOCK_SEQPACKET` socket.
    pub fn adopt(socket: OwnedFd) -> Result<Self, Fault> {
        let kind = rustix::net::sockopt::socket_type(&socket).map_err(Fault::Socket)?;
        if kind != SocketType::SEQPACKET {
            return Err(Fault::Socket(Errno::PROTOTYPE));
        }
        rustix::io::ioctl_fionbio(&socket, true).map_err(Fault::Socket)?;
        Ok(Self {
            socket,
            queue: VecDeque::new(),
            stalled: false,
            directions: PhantomData,
        })
    }

    /// Sends a message, or queues it if the peer's buffer is full. Never blocks.
    ///
    /// # Errors
    /// A [`Fault`]: end the channel.
    pub fn send(&mut self, message: Tx) -> Result<(), Fault> {
        let datagram = message.into_datagram();
        debug_assert!(
            datagram.0.len() <= Tx::BYTES_MAX,
            "a message above its own direction's maximum"
        );
        if self.queue.len() >= QUEUE_MESSAGES_MAX {
            return Err(Fault::PeerDoesNotRead);
        }
        self.queue.push_back(datagram);
        self.flush()
    }

    /// Sends what is queued, as far as the peer's buffer allows.
    ///
    /// # Errors
    /// A [`Fault`]: end the channel.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.stalled = false;
        while let Some((bytes, descriptors)) = self.queue.front_mut() {
            match transmit(self.socket.as_fd(), bytes, descriptors) {
                Ok(()) => wipe(bytes),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::TOOMANYREFS) => {
                    self.stalled = true;
                    return Ok(());
                }
                Err(Errno::INTR) => continue,
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Fault::PeerGone),
                Err(errno) => return Err(Fault::Socket(errno)),
            }
            self.queue.pop_front();
        }
        Ok(())
    }

    /// The socket, to be adopted again by `ipc_async`; what was queued is lost.
    #[must_use]
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Whether something waits for the peer to read.
    #[must_use]
    pub fn wants_to_send(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether something waits because too many descriptors of ours are on their way, to
    /// whomever (ETOOMANYREFS, unix(7)). No event says when there is room: the socket
    /// itself can be written to, so that waiting for that would be a loop at full speed.
    /// Whoever sees this calls [`Self::flush`] again after [`STALL_MILLIS`].
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Receives one message, without waiting.
    ///
    /// # Errors
    /// A [`Fault`]: end the channel.
    pub fn receive(&mut self) -> Result<Received<Rx>, Fault> {
        DESK.with_borrow_mut(|desk| {
            if desk.len() <= Rx::BYTES_MAX {
                // One byte more than allowed, so that a longer datagram shows.
                *desk = vec![0; Rx::BYTES_MAX.saturating_add(1)];
            }
            let bytes = desk.get_mut(..=Rx::BYTES_MAX).unwrap_or_default();
            let collected = collect(self.socket.as_fd(), bytes);
            // Wiping is slow by design: only what was written needs it.
            let written = match &collected {
                Ok(Some((length, _))) => *length,
                Ok(None) | Err(Fault::Socket(_)) => 0,
                Err(_) => bytes.len(),
            };
            let outcome = Self::judge(collected, bytes);
            wipe(bytes.get_mut(..written).unwrap_or_default());
            outcome
        })
    }

    fn judge(
        collected: Result<Option<(usize, Vec<OwnedFd>)>, Fault>,
        bytes: &[u8],
    ) -> Result<Received<Rx>, Fault> {
        let (length, descriptors) = match collected {
            Ok(Some(datagram)) => datagram,
            Ok(None) => return Ok(Received::Closed),
            Err(Fault::Socket(Errno::AGAIN | Errno::INTR)) => return Ok(Received::Nothing),
            Err(Fault::Socket(Errno::CONNRESET)) => return Ok(Received::Closed),
            Err(fault) => return Err(fault),
        };
        let datagram = bytes.get(..length).ok_or(Fault::PeerSentTooMuch)?;
        if length > Rx::BYTES_MAX {
            return Err(Fault::PeerSentTooMuch);
        }
        Rx::from_datagram(datagram, descriptors)
            .map(Received::Message)
            .map_err(Fault::PeerSent)
    }
}

impl<Tx, Rx> AsFd for Channel<Tx, Rx> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<Tx, Rx> AsRawFd for Channel<Tx, Rx> {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn transmit(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[OwnedFd]) -> Result<(), Errno> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(Errno::INVAL);
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags).map(|_| ())
}

/// One datagram's length and descriptors; `None` at the end.
///
/// Descriptors are received close-on-exec. If the kernel had to cut the bytes or
/// the descriptors, those that came are closed and the peer is at fault.
fn collect(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
) -> Result<Option<(usize, Vec<OwnedFd>)>, Fault> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, flags)
        .map_err(Fault::Socket)?;
    let mut descriptors = Vec::new();
    for ancillary in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = ancillary {
            descriptors.extend(rights);
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) && descriptors.len() < DESCRIPTORS_MAX {
        // There was room for them in the message, but none among our descriptors.
        return Err(Fault::Socket(Errno::MFILE));
    }
    if message
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(Fault::PeerSentTooMuch);
    }
    // Every message has at least its tag, so an empty datagram is the end; a
    // peer that sends one on purpose has ended its channel.
    if message.bytes == 0 {
        Ok(None)
    } else {
        Ok(Some((message.bytes, descriptors)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;

    messages! {
        /// A test's direction.
        pub enum Note, at most 16, {
            1 => Number { value: u32, },
            2 => Carry { fd: OwnedFd, },
        }
    }

    fn ends() -> (Channel<Note, Note>, Channel<Note, Note>) {
        let (a, b) = pair().unwrap();
        (Channel::adopt(a).unwrap(), Channel::adopt(b).unwrap())
    }

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn a_message_arrives_whole_with_its_descriptor() {
        let (mut a, mut b) = ends();
        a.send(Note::Carry { fd: null() }).unwrap();
        assert!(matches!(
            b.receive(),
            Ok(Received::Message(Note::Carry { .. }))
        ));
        assert!(matches!(b.receive(), Ok(Received::Nothing)));
        drop(a);
        assert!(matches!(b.receive(), Ok(Received::Closed)));
    }

    #[test]
    fn a_thread_has_a_desk_when_it_receives_and_keeps_nothing_on_it() {
        let in_another_thread = std::thread::spawn(|| {
            assert_eq!(DESK.with_borrow(Vec::capacity), 0);
            let (mut a, mut b) = ends();
            a.send(Note::Number { value: u32::MAX }).unwrap();
            assert!(matches!(b.receive(), Ok(Received::Message(_))));
            transmit(a.as_fd(), &[255; 40], &[]).unwrap();
            assert_eq!(b.receive().unwrap_err(), Fault::PeerSentTooMuch);
            DESK.with_borrow(|desk| {
                assert_eq!(desk.len(), Note::BYTES_MAX + 1);
                assert!(desk.iter().all(|byte| *byte == 0));
            });
            rest();
            assert_eq!(DESK.with_borrow(Vec::capacity), 0);
        });
        in_another_thread.join().unwrap();
    }

    #[test]
    fn a_surplus_descriptor_is_a_fault_and_leaks_nothing() {
        let (a, mut b) = ends();
        let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
        for _ in 0..100 {
            let fds: Vec<OwnedFd> = (0..3).map(|_| null()).collect();
            transmit(a.as_fd(), &[2], &fds).unwrap();
            assert_eq!(
                b.receive().unwrap_err(),
                Fault::PeerSent(Malformed::SurplusDescriptor)
            );
        }
        // Other tests of this process may open a few; three hundred would show.
        let after = std::fs::read_dir("/proc/self/fd").unwrap().count();
        assert!(after < before + 100, "{before} descriptors became {after}");
    }

    #[test]
    fn more_descriptors_than_fit_are_a_fault() {
        let (a, mut b) = ends();
        let fds: Vec<OwnedFd> = (0..DESCRIPTORS_MAX).map(|_| null()).collect();
        transmit(a.as_fd(), &[1, 0, 0, 0, 0], &fds).unwrap();
        assert!(b.receive().is_err());
    }

    #[test]
    fn a_datagram_above_the_maximum_is_a_fault() {
        let (a, mut b) = ends();
        transmit(a.as_fd(), &[1; 17], &[]).unwrap();
        assert_eq!(b.receive().unwrap_err(), Fault::PeerSentTooMuch);
        transmit(a.as_fd(), &[1; 4000], &[]).unwrap();
        assert_eq!(b.receive().unwrap_err(), Fault::PeerSentTooMuch);
    }

    #[test]
    fn a_peer_that_never_reads_is_ended_and_never_waited_for() {
        let (mut a, _b) = ends();
        let fault = (0..100_000).find_map(|value| a.send(Note::Number { value }).err());
        assert_eq!(fault, Some(Fault::PeerDoesNotRead));
    }

    #[test]
    fn what_was_queued_arrives_in_order_once_the_peer_reads() {
        let (mut a, mut b) = ends();
        let mut sent = 0;
        while !a.wants_to_send() {
            a.send(Note::Number { value: sent }).unwrap();
            sent += 1;
        }
        for expected in 0..sent {
            let got = b.receive().unwrap();
            assert!(matches!(got, Received::Message(Note::Number { value }) if value == expected));
            a.flush().unwrap();
        }
    }

    #[test]
    fn a_stream_socket_is_no_channel() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Channel::<Note, Note>::adopt(a.into()).is_err());
    }
}
