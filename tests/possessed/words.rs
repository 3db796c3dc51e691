//! Messages that a taken-over process says: of the right form, made by the real
//! encoders, so that only their meaning is hostile; and of no form at all.

use harness::possession::{Outcome, Possessed};
use harness::session::PATIENCE;
use harness::set::wait_for;
use ipc::{Cookie, Message};
use nix::libc;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;

/// As many descriptors in one message as the kernel passes, less some.
const MANY: usize = 250;

/// A place that a message has for a descriptor: which one is passed on is said to
/// [`say`].
pub fn placeholder() -> OwnedFd {
    File::open("/dev/null").expect("there is one").into()
}

/// A message's bytes.
pub fn bytes(message: impl Message) -> Vec<u8> {
    message.into_datagram().0
}

/// Says something, with descriptors that the process has. Who hears it may end the
/// process for it at once.
pub fn say(possessed: &mut Possessed, over: u32, message: impl Message, descriptors: &[u32]) {
    let said = possessed.send(over, &bytes(message), descriptors);
    assert!(was_sent(said), "over {over}: {said:?}");
}

fn was_sent(said: Outcome) -> bool {
    matches!(said, Outcome::Returned(_) | Outcome::Ended)
}

/// What a peer says, as soon as it does, and the descriptors that came with it.
pub fn hear<M: Message>(possessed: &mut Possessed, from: u32) -> (M, Vec<u32>) {
    let mut heard = None;
    let came = wait_for(PATIENCE, || {
        heard = listen(possessed, from);
        heard.is_some()
    });
    assert!(came, "nothing came over {from}");
    heard.expect("it came")
}

/// What a peer has said by now.
pub fn listen<M: Message>(possessed: &mut Possessed, from: u32) -> Option<(M, Vec<u32>)> {
    match possessed.receive(from) {
        Ok(datagram) => {
            let places = datagram.descriptors.iter().map(|_| placeholder()).collect();
            let message = M::from_datagram(&datagram.bytes, places);
            Some((message.expect("peers are honest"), datagram.descriptors))
        }
        Err(Outcome::Failed(Errno::AGAIN)) => None,
        Err(other) => panic!("listening on {from}: {other:?}"),
    }
}

/// Waits until a peer has ended a channel, which makes known that it has taken offence.
pub fn is_cut(possessed: &mut Possessed, channel: u32) {
    let mut last = None;
    let cut = wait_for(PATIENCE, || {
        let received = possessed.receive(channel);
        let is_over = match &received {
            Ok(datagram) => datagram.bytes.is_empty(),
            Err(outcome) => *outcome != Outcome::Failed(Errno::AGAIN),
        };
        last = Some(received);
        is_over
    });
    assert!(cut, "the channel {channel} is there: {last:?}");
}

/// The bytes that lie in a stream socket; none if nothing does.
pub fn read(possessed: &mut Possessed, from: u32) -> Vec<u8> {
    match possessed.receive(from) {
        Ok(datagram) => datagram.bytes,
        Err(Outcome::Failed(Errno::AGAIN)) => Vec::new(),
        Err(other) => panic!("reading from {from}: {other:?}"),
    }
}

/// Reads from a stream socket until something has come of it.
pub fn read_until(possessed: &mut Possessed, from: u32, what: &str) -> String {
    let mut all = Vec::new();
    let came = wait_for(PATIENCE, || {
        all.extend(read(possessed, from));
        String::from_utf8_lossy(&all).contains(what)
    });
    let all = String::from_utf8_lossy(&all).into_owned();
    assert!(came, "no {what:?} in {all:?}");
    all
}

/// SO_COOKIE of a socket of the process.
pub fn cookie(possessed: &mut Possessed, socket: u32) -> Cookie {
    let place = possessed.place(&[0; 8]);
    let length = possessed.place(&8u32.to_le_bytes());
    let option = [libc::SOL_SOCKET, libc::SO_COOKIE].map(|one| u64::from(one.cast_unsigned()));
    let [level, name] = option;
    let asked = possessed.call(
        libc::SYS_getsockopt,
        &[socket.into(), level, name, place, length],
    );
    assert_eq!(asked, Outcome::Returned(0));
    let bytes = possessed.peek(place, 8).try_into();
    Cookie(u64::from_le_bytes(bytes.expect("eight")))
}

/// A pair of stream sockets that the process makes, if it may.
pub fn pair(possessed: &mut Possessed) -> (u32, u32) {
    let place = possessed.place(&[0; 8]);
    let kind = [libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0];
    let [family, kind, protocol] = kind.map(|one| u64::from(one.cast_unsigned()));
    let made = possessed.call(libc::SYS_socketpair, &[family, kind, protocol, place]);
    assert_eq!(made, Outcome::Returned(0));
    let ends = possessed.peek(place, 8);
    let end = |at: usize| u32::from_le_bytes(ends[at..at + 4].try_into().expect("four"));
    (end(0), end(4))
}

/// Closes descriptors of the process.
pub fn close(possessed: &mut Possessed, descriptors: &[u32]) {
    for descriptor in descriptors {
        let closed = possessed.call(libc::SYS_close, &[(*descriptor).into()]);
        assert_eq!(closed, Outcome::Returned(0));
    }
}

/// A datagram that is no message of any channel, and how many descriptors go with it.
pub struct Broken {
    /// What is wrong with it.
    pub name: &'static str,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// How many descriptors.
    pub descriptors: usize,
}

/// What may go wrong with a message that has no descriptor.
pub fn broken(good: &[u8]) -> Vec<Broken> {
    let broken = |name, bytes: &[u8], descriptors| Broken {
        name,
        bytes: bytes.to_vec(),
        descriptors,
    };
    vec![
        broken("no message at all", &[0xff; 40], 0),
        broken("half a message", &good[..good.len() / 2], 0),
        broken("a message and a byte", &[good, &[0]].concat(), 0),
        broken("more than any message has", &vec![good[0]; 150_000], 0),
        broken("a descriptor too many", good, 1),
        broken("two hundred and fifty descriptors", good, MANY),
        broken("nothing", &[], 0),
    ]
}

impl Broken {
    /// Sends it; the descriptors are all one that the process has.
    pub fn say(&self, possessed: &mut Possessed, over: u32) {
        let descriptors = vec![over; self.descriptors];
        let said = possessed.send(over, &self.bytes, &descriptors);
        assert!(was_sent(said), "{}: {said:?}", self.name);
    }
}
