//! What a taken-over process says over its own descriptors: real messages of the real
//! encoders, so that nothing but their meaning is hostile.

use crate::house::PATIENCE;
use harness::possession::{Datagram, Outcome, Possessed};
use harness::set::wait_for;
use ipc::{Cookie, Message};
use nix::libc;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// What came on a channel.
#[derive(Debug)]
pub enum Heard<M> {
    /// A message, and the numbers that its descriptors have in the process.
    Message(M, Vec<u32>),
    /// The end.
    Ended,
    /// Nothing, for as long as was waited.
    Nothing,
}

impl<M: std::fmt::Debug> Heard<M> {
    /// The message.
    pub fn message(self) -> M {
        self.with_descriptors().0
    }

    /// The message and its descriptors.
    pub fn with_descriptors(self) -> (M, Vec<u32>) {
        match self {
            Self::Message(message, descriptors) => (message, descriptors),
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// Whether the other end has closed the channel.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Ended)
    }
}

/// Sends a message; what it carries are descriptors of the process's own, for those
/// inside of `message` are the test's and mean nothing there.
pub fn say<M: Message>(by: &mut Possessed, over: u32, message: M, carried: &[u32]) {
    let (bytes, ours) = message.into_datagram();
    assert_eq!(ours.len(), carried.len(), "one for each");
    let sent = by.send(over, &bytes, carried);
    assert!(matches!(sent, Outcome::Returned(_)), "{sent:?}");
}

/// What comes next.
pub fn hear<M: Message>(by: &mut Possessed, from: u32) -> Heard<M> {
    hear_within(by, from, PATIENCE)
}

/// What comes next, if it comes in time.
pub fn hear_within<M: Message>(by: &mut Possessed, from: u32, within: Duration) -> Heard<M> {
    let mut heard = Heard::Nothing;
    wait_for(within, || {
        heard = look(by.receive(from));
        !matches!(heard, Heard::Nothing)
    });
    heard
}

fn look<M: Message>(received: Result<Datagram, Outcome>) -> Heard<M> {
    match received {
        Ok(datagram) if datagram.bytes.is_empty() => Heard::Ended,
        Ok(datagram) => {
            let stand_ins = datagram.descriptors.iter().map(|_| stand_in()).collect();
            let message = M::from_datagram(&datagram.bytes, stand_ins);
            Heard::Message(message.expect("the peer is honest"), datagram.descriptors)
        }
        Err(Outcome::Failed(Errno::CONNRESET)) => Heard::Ended,
        Err(Outcome::Failed(Errno::AGAIN)) => Heard::Nothing,
        Err(other) => panic!("receiving: {other:?}"),
    }
}

/// Asks, and hears the answer.
pub fn ask<Tx: Message, Rx: Message + std::fmt::Debug>(
    by: &mut Possessed,
    over: u32,
    question: Tx,
) -> Rx {
    say(by, over, question, &[]);
    hear(by, over).message()
}

/// Something that stands for a descriptor which only the taken-over process has.
pub fn stand_in() -> OwnedFd {
    std::fs::File::open("/dev/null")
        .expect("there is one")
        .into()
}

/// A pair of the process's own making (socketpair(2)).
pub fn pair(by: &mut Possessed, kind: i32) -> (u32, u32) {
    let room = by.place(&[0; 8]);
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let made = by.call(
        libc::SYS_socketpair,
        &[libc::AF_UNIX as u64, kind as u64, 0, room],
    );
    assert!(matches!(made, Outcome::Returned(0)), "{made:?}");
    let bytes = by.peek(room, 8);
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    (number(0), number(4))
}

/// The cookie of one of its sockets (`SO_COOKIE`).
pub fn cookie(by: &mut Possessed, of: u32) -> Cookie {
    const SO_COOKIE: u64 = 57;
    let (room, length) = (by.place(&[0; 8]), by.place(&8_u32.to_le_bytes()));
    let arguments = [of.into(), libc::SOL_SOCKET as u64, SO_COOKIE, room, length];
    let told = by.call(libc::SYS_getsockopt, &arguments);
    assert!(matches!(told, Outcome::Returned(0)), "{told:?}");
    let bytes = by.peek(room, 8);
    Cookie(u64::from_le_bytes(bytes.try_into().expect("eight")))
}

/// Closes one of its descriptors, so that the end of a pair shows at the other.
pub fn close(by: &mut Possessed, descriptor: u32) {
    let closed = by.call(libc::SYS_close, &[descriptor.into()]);
    assert!(matches!(closed, Outcome::Returned(0)), "{closed:?}");
}

/// A call that must be done, and what it answers.
pub fn done(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Returned(answer) => u32::try_from(answer).expect("a small number"),
        other => panic!("{other:?}"),
    }
}
