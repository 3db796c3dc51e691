//! What a taken-over process can put on a channel that no honest one would.

use super::stage::{PATIENCE, Stage, is_readable, null};
use harness::set::wait_for;
use ipc::Message;
use ipc::edge::supervisor::Edge;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// More than the receiver has room for, and fewer than the kernel's 253.
const MANY: usize = 200;

/// Bytes and descriptors.
pub type Datagram = (Vec<u8>, Vec<OwnedFd>);
type Lie = fn(Datagram, usize) -> Datagram;

/// Every lie about a datagram's form.
const LIES: [(&str, Lie); 8] = [
    ("a variant that nobody knows", |_, _| (vec![255], vec![])),
    ("an empty datagram", |_, _| (vec![], vec![])),
    ("an empty datagram with a descriptor", |_, _| {
        (vec![], vec![null()])
    }),
    ("a message cut short", |(mut bytes, fds), _| {
        bytes.pop();
        (bytes, fds)
    }),
    ("a byte behind the message", |(mut bytes, fds), _| {
        bytes.push(0);
        (bytes, fds)
    }),
    ("a datagram above the maximum", |(mut bytes, fds), max| {
        bytes.resize(max + 1, 0);
        (bytes, fds)
    }),
    ("a descriptor too many", |(bytes, mut fds), _| {
        fds.push(null());
        (bytes, fds)
    }),
    ("two hundred descriptors", |(bytes, _), _| {
        (bytes, (0..MANY).map(|_| null()).collect())
    }),
];

/// Tells every lie on an edge, each on a channel of its own that must be ended for
/// it, and looks after each whether the process serves `others`. At the end it must
/// have the descriptors that it had after the first.
pub fn besiege<Tx: Message>(
    stage: &mut Stage,
    edge: Edge,
    honest: impl Fn() -> Tx,
    others: impl FnMut(&mut Stage),
) {
    let honest = || honest().into_datagram();
    besiege_mute(stage, edge, Tx::BYTES_MAX, honest, others);
}

/// As `besiege`, where even an honest peer has nothing to say.
pub fn besiege_mute(
    stage: &mut Stage,
    edge: Edge,
    bytes_max: usize,
    honest: impl Fn() -> Datagram,
    mut others: impl FnMut(&mut Stage),
) {
    let mut before = None;
    for (name, lie) in LIES {
        let channel = stage.connect(edge);
        send(channel.as_fd(), &lie(honest(), bytes_max));
        assert!(is_ended(channel.as_fd()), "{edge:?} outlives {name}");
        others(stage);
        assert!(stage.lives(), "{edge:?}: {name} was its death");
        let before = before.get_or_insert_with(|| settled(stage));
        assert!(
            wait_for(PATIENCE, || stage.descriptors() == *before),
            "{edge:?}: {name} leaves {:?} of {before:?}",
            stage.descriptors()
        );
    }
}

/// Its descriptors, once they stay the same for a while: what the others left is
/// closed by then.
fn settled(stage: &Stage) -> Vec<String> {
    const LOOKS: usize = 5;
    let (mut last, mut same) = (Vec::new(), 0);
    wait_for(PATIENCE, || {
        let now = stage.descriptors();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same >= LOOKS
    });
    last
}

/// Says the same, well-formed or not, as often as the kernel takes it within a
/// second, and never reads; then looks whether the process serves `others`.
pub fn flood<Tx: Message>(
    stage: &mut Stage,
    edge: Edge,
    honest: impl Fn() -> Tx,
    mut others: impl FnMut(&mut Stage),
) {
    let channel = stage.connect(edge);
    rustix::io::ioctl_fionbio(&channel, true).expect("a socket");
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end && try_send(channel.as_fd(), &honest().into_datagram()) {}
    others(stage);
    assert!(stage.lives(), "{edge:?}: the flood was its death");
    drop(channel);
    others(stage);
}

/// Sends a datagram as it is.
pub fn send(socket: BorrowedFd<'_>, datagram: &Datagram) {
    assert!(
        try_send(socket, datagram),
        "the channel ended before the lie"
    );
}

/// Whether the channel still stands; a full one does.
fn try_send(socket: BorrowedFd<'_>, (bytes, descriptors): &Datagram) -> bool {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MANY))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(borrowed.is_empty() || control.push(SendAncillaryMessage::ScmRights(&borrowed)));
    match sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    ) {
        Ok(_) | Err(Errno::AGAIN | Errno::TOOMANYREFS) => true,
        Err(Errno::PIPE | Errno::CONNRESET) => false,
        Err(errno) => panic!("sending: {errno}"),
    }
}

/// Whether the other end closes in time, whatever it says before.
pub fn is_ended(socket: BorrowedFd<'_>) -> bool {
    let end = Instant::now() + PATIENCE;
    let mut heard = vec![0; 1 << 18];
    while Instant::now() < end {
        if is_readable(socket, Duration::from_secs(1))
            && matches!(
                recv(socket, &mut heard[..], RecvFlags::DONTWAIT),
                Ok((0, _)) | Err(Errno::CONNRESET | Errno::PIPE)
            )
        {
            return true;
        }
    }
    false
}
