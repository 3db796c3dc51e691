//! The network, and sockets that came as descriptors.

use super::Table;
use super::call::{
    LISTENER, LOG, PAIR, PORT, call, listening, loopback, message, pair, place, scratch, words,
};
use libc::{AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET};
use rustix::io::Errno;
use std::sync::atomic::Ordering;

/// A socket in the store, which any uid may write: its address (unix(7)).
const PATH: &[u8] = b"\x01\x00../socket\x00";
/// Bytes of the address of an abstract socket.
const ABSTRACT_BYTES: u64 = 22;
const FASTOPEN: u64 = libc::MSG_FASTOPEN as u64;
const OUT_OF_BAND: u64 = libc::MSG_OOB as u64;

#[rustfmt::skip]
pub const ATTEMPTS: Table = &[
    ("socket: TCP", || socket(AF_INET, SOCK_STREAM, 0)),
    ("socket: TCP in many paths", || socket(AF_INET, SOCK_STREAM, 262)),
    ("socket: UDP", || socket(AF_INET, SOCK_DGRAM, 0)),
    ("socket: raw", || socket(AF_INET, SOCK_RAW, 1)),
    ("socket: IPv6", || socket(libc::AF_INET6, SOCK_STREAM, 0)),
    ("socket: Unix", || socket(AF_UNIX, SOCK_STREAM, 0)),
    ("socket: netlink", || socket(libc::AF_NETLINK, SOCK_RAW, 0)),
    ("socket: packets", || socket(libc::AF_PACKET, SOCK_RAW, 0)),
    ("socket: crypto", || socket(libc::AF_ALG, SOCK_SEQPACKET, 0)),
    ("socket: vsock", || socket(libc::AF_VSOCK, SOCK_STREAM, 0)),
    ("socket: express data path", || socket(libc::AF_XDP, SOCK_RAW, 0)),
    ("socketpair", || pair(SOCK_STREAM).map(|_| 0)),
    ("socketpair: datagrams", || pair(SOCK_DGRAM).map(|_| 0)),
    ("socketpair: netlink", || call(libc::SYS_socketpair, [16, 3, 0, scratch()])),
    ("connect by TCP", || with(AF_INET, SOCK_STREAM, |tcp| call(libc::SYS_connect, [tcp, listening(), 16]))),
    ("connect by UDP", || with(AF_INET, SOCK_DGRAM, |udp| call(libc::SYS_connect, [udp, listening(), 16]))),
    ("bind by TCP", || with(AF_INET, SOCK_STREAM, |tcp| call(libc::SYS_bind, [tcp, loopback(0), 16]))),
    ("listen without an address", || with(AF_INET, SOCK_STREAM, |tcp| call(libc::SYS_listen, [tcp, 1]))),
    ("send by UDP", || with(AF_INET, SOCK_DGRAM, |udp| call(libc::SYS_sendto, [udp, place(b"x"), 1, 0, listening(), 16]))),
    ("connect by Fast Open", || with(AF_INET, SOCK_STREAM, |tcp| call(libc::SYS_sendto, [tcp, place(b"x"), 1, FASTOPEN, listening(), 16]))),
    ("connect an abstract socket", || with(AF_UNIX, SOCK_DGRAM, |unix| call(libc::SYS_connect, [unix, abstract_address(), ABSTRACT_BYTES]))),
    ("connect a socket by its path", || with(AF_UNIX, SOCK_DGRAM, |unix| call(libc::SYS_connect, [unix, place(PATH), PATH.len() as u64]))),
    ("ask the kernel for its interfaces", || with(AF_INET, SOCK_DGRAM, |udp| call(libc::SYS_ioctl, [udp, 0x8912, scratch()]))),
    // From what it may hold.
    ("connect what it holds", || call(libc::SYS_connect, [LISTENER, listening(), 16])),
    ("bind what it holds", || call(libc::SYS_bind, [PAIR, abstract_address(), ABSTRACT_BYTES])),
    ("listen with what it holds", || call(libc::SYS_listen, [PAIR, 1])),
    ("accept from the network", accept),
    ("stop listening", || call(libc::SYS_shutdown, [LISTENER, 2])),
    ("a listener becomes a connection (sendmsg)", || unlisten_and(|socket| call(libc::SYS_sendmsg, [socket, message(listening(), 16, &[]), FASTOPEN]))),
    ("a listener becomes a connection (sendto)", || unlisten_and(|socket| call(libc::SYS_sendto, [socket, place(b"x"), 1, FASTOPEN, listening(), 16]))),
    ("a listener becomes a connection (sendmmsg)", || unlisten_and(|socket| call(libc::SYS_sendmmsg, [socket, message(listening(), 16, &[]), 1, FASTOPEN]))),
    ("sendto an address", || call(libc::SYS_sendto, [PAIR, place(b"x"), 1, 0, abstract_address(), ABSTRACT_BYTES])),
    ("datagram to an abstract socket", || datagram(abstract_address(), ABSTRACT_BYTES)),
    ("datagram to a socket by its path", || datagram(place(PATH), PATH.len() as u64)),
    ("an urgent byte, by sendmsg", || call(libc::SYS_sendmsg, [PAIR, message(0, 0, &[]), OUT_OF_BAND])),
    ("an urgent byte, by sendto", || call(libc::SYS_sendto, [PAIR, place(b"x"), 1, OUT_OF_BAND, 0, 0])),
    ("read an urgent byte, by recvmsg", || call(libc::SYS_recvmsg, [PAIR, message(0, 0, &[]), OUT_OF_BAND | libc::MSG_DONTWAIT as u64])),
    ("read an urgent byte, by recvfrom", || call(libc::SYS_recvfrom, [PAIR, scratch(), 1, OUT_OF_BAND | libc::MSG_DONTWAIT as u64, 0, 0])),
    ("many messages in one call", || call(libc::SYS_sendmmsg, [PAIR, message(0, 0, &[]), 1, 0])),
    ("say it is root (SCM_CREDENTIALS)", || credentials(0)),
    ("say it is another account (SCM_CREDENTIALS)", || credentials(1_900_000_008)),
    ("pass a descriptor on", || call(libc::SYS_sendmsg, [PAIR, message(0, 0, &[20, 1 | 1 << 32, LOG]), 0])),
    // What a socket tells, and what can be set.
    ("who is the peer", || option(SOL_SOCKET, libc::SO_PEERCRED)),
    ("a socket's own filter", || option(SOL_SOCKET, 26)),
    ("keys of kTLS", || option(282, 1)),
    ("the state of TCP", || call(libc::SYS_getsockopt, [LISTENER, 6, 11, scratch(), words(&[8])])),
    ("the address of a peer", || call(libc::SYS_getpeername, [PAIR, scratch(), words(&[64])])),
    ("its own address", || call(libc::SYS_getsockname, [PAIR, scratch(), words(&[64])])),
    ("a filter on a socket", || set(PAIR, SOL_SOCKET, 26, &[1, words(&[0x0006])])),
    ("a socket that overtakes (SO_PRIORITY)", || set(PAIR, SOL_SOCKET, 12, &[7])),
    ("a socket with a mark", || set(LISTENER, SOL_SOCKET, 36, &[1])),
    ("a socket bound to an interface", || set(LISTENER, SOL_SOCKET, 25, &[0x6f6c])),
    ("a buffer without end", || set(PAIR, SOL_SOCKET, 33, &[1 << 30])),
    ("repair mode of TCP", || set(LISTENER, 6, 19, &[1])),
    ("kTLS", || set(LISTENER, 6, 31, &[0x73_6c74])),
    ("another congestion control", || set(LISTENER, 6, 13, &[0x6f6e_6572])),
    ("IP options", || set(LISTENER, 0, 4, &[1])),
    ("who sent it (SO_PASSCRED)", || set(PAIR, SOL_SOCKET, 16, &[1])),
];

fn socket(family: i32, kind: i32, protocol: u64) -> Result<i64, Errno> {
    call(libc::SYS_socket, [family as u64, kind as u64, protocol])
}

fn with(family: i32, kind: i32, then: fn(u64) -> Result<i64, Errno>) -> Result<i64, Errno> {
    then(socket(family, kind, 0)? as u64)
}

fn accept() -> Result<i64, Errno> {
    let nonblocking = words(&[1]);
    call(libc::SYS_ioctl, [LISTENER, libc::FIONBIO, nonblocking])?;
    call(libc::SYS_accept4, [LISTENER, 0, 0, 0])
}

/// shutdown(2) leaves of a socket that listens one that is not connected; TCP Fast Open
/// connects it without connect(2), in the network namespace where it was made.
fn unlisten_and(then: fn(u64) -> Result<i64, Errno>) -> Result<i64, Errno> {
    call(libc::SYS_shutdown, [LISTENER, libc::SHUT_RDWR as u64])?;
    then(LISTENER)
}

/// A pair of datagram sockets is connected, but may send to others.
fn datagram(to: u64, length: u64) -> Result<i64, Errno> {
    let (ours, _) = pair(SOCK_DGRAM)?;
    call(libc::SYS_sendmsg, [ours, message(to, length, &[]), 0])
}

/// The name of the abstract socket where somebody listens, beside the port.
pub fn abstract_name(port: u16) -> String {
    format!("mailkeep-probe-{port:04x}")
}

fn abstract_address() -> u64 {
    let name = abstract_name(PORT.load(Ordering::Relaxed));
    place(&[b"\x01\x00\x00", name.as_bytes()].concat())
}

/// `struct ucred` in a control message (unix(7)): process 1, and this uid.
fn credentials(uid: u64) -> Result<i64, Errno> {
    let pid = super::call::myself();
    let control = [28, 1 | 2 << 32, pid | uid << 32, uid];
    call(libc::SYS_sendmsg, [PAIR, message(0, 0, &control), 0])
}

fn option(level: i32, name: i32) -> Result<i64, Errno> {
    let (level, name) = (level as u64, name as u64);
    call(
        libc::SYS_getsockopt,
        [PAIR, level, name, scratch(), words(&[64])],
    )
}

fn set(socket: u64, level: i32, name: u64, value: &[u64]) -> Result<i64, Errno> {
    let length = value.len() as u64 * 8;
    call(
        libc::SYS_setsockopt,
        [socket, level as u64, name, words(value), length],
    )
}
