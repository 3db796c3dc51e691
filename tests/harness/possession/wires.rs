//! Which descriptor of one process leads to another, and what its cookie is: Unix
//! sockets as the kernel tells of them (sock_diag(7)), in the network namespaces in which
//! they were made.

use crate::proc;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

/// SOCK_DIAG_BY_FAMILY.
const BY_FAMILY: u16 = 20;

/// NLM_F_REQUEST | NLM_F_DUMP.
const DUMP: u16 = 0x301;

/// NLMSG_DONE.
const DONE: u16 = 3;

/// UDIAG_SHOW_PEER.
const SHOW_PEER: u32 = 4;

/// UNIX_DIAG_PEER.
const PEER: u16 = 2;

/// Bytes of nlmsghdr, and of unix_diag_msg.
const HEADER_BYTES: usize = 16;

/// More than the kernel puts into one answer.
const ANSWER_BYTES: usize = 1 << 16;

/// The descriptors of one process whose other ends another one holds, in order.
#[must_use]
pub fn wires(from: u32, to: u32) -> Vec<u32> {
    let ends = ends(&[from, to]);
    let theirs: BTreeSet<u64> = sockets(to).into_values().collect();
    let ours = sockets(from).into_iter();
    let leads = ours.filter(|(_, socket)| {
        ends.get(socket)
            .is_some_and(|far| theirs.contains(&far.peer))
    });
    leads.map(|(number, _)| number).collect()
}

/// SO_COOKIE of a Unix socket that is one of a pair, for who can't ask for it himself.
///
/// # Panics
/// If that descriptor is none.
#[must_use]
pub fn cookie(pid: u32, descriptor: u32) -> u64 {
    let inode = sockets(pid)[&descriptor];
    ends(&[pid])[&inode].cookie
}

/// The other end of every Unix socket that was made where we are, by inode.
#[must_use]
pub fn peers() -> BTreeMap<u64, u64> {
    let ends = dump().into_iter();
    ends.map(|(inode, end)| (inode, end.peer)).collect()
}

/// One end of a pair.
struct End {
    /// The inode of the other.
    peer: u64,
    cookie: u64,
}

/// The inode of each descriptor that is a socket.
#[must_use]
pub fn sockets(pid: u32) -> BTreeMap<u32, u64> {
    let socket = |(number, what): (u32, String)| {
        let inode = what.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some((number, inode.parse().ok()?))
    };
    proc::descriptors(pid)
        .into_iter()
        .filter_map(socket)
        .collect()
}

/// Every end, by its inode, here and where these live.
fn ends(pids: &[u32]) -> BTreeMap<u64, End> {
    let mut all = dump();
    for pid in pids {
        let namespace = File::open(format!("/proc/{pid}/ns/net")).expect("it lives");
        let there = move || {
            let network = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(network),
            )
            .expect("root may");
            dump()
        };
        // Only that thread moves, and it ends.
        all.extend(std::thread::spawn(there).join().expect("it doesn't panic"));
    }
    all
}

/// All ends in the calling thread's network namespace.
fn dump() -> BTreeMap<u64, End> {
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    );
    let kernel = kernel.expect("the kernel has sock_diag");
    send(&kernel, &request(), SendFlags::empty()).expect("the kernel listens");
    let mut found = BTreeMap::new();
    let mut answer = vec![0; ANSWER_BYTES];
    loop {
        let (length, _) =
            recv(&kernel, answer.as_mut_slice(), RecvFlags::empty()).expect("it answers");
        if take(&answer[..length], &mut found) {
            return found;
        }
    }
}

/// nlmsghdr and unix_diag_req: all states, all inodes.
fn request() -> Vec<u8> {
    let unix = u32::from(AddressFamily::UNIX.as_raw());
    let words = [unix, u32::MAX, 0, SHOW_PEER, u32::MAX, u32::MAX];
    let length = u32::try_from(HEADER_BYTES + 4 * words.len()).expect("short");
    let mut request = length.to_le_bytes().to_vec();
    request.extend([BY_FAMILY, DUMP].map(u16::to_le_bytes).concat());
    request.extend([0; 8]);
    request.extend(words.map(u32::to_le_bytes).concat());
    request
}

/// Takes the messages of one answer; whether the last was among them.
fn take(mut answer: &[u8], found: &mut BTreeMap<u64, End>) -> bool {
    while let Some(length) = word(answer, 0) {
        let length = usize::try_from(length).expect("a length");
        if half(answer, 4) == Some(DONE) {
            return true;
        }
        let message = &answer[..length];
        found.extend(end(message));
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

/// An end and its inode, behind the header: family, type, state (4 bytes), inode (4),
/// cookie (8).
fn end(message: &[u8]) -> Option<(u64, End)> {
    let [inode, low, high] = [4, 8, 12].map(|at| word(message, HEADER_BYTES + at));
    let cookie = u64::from(high?) << 32 | u64::from(low?);
    let peer = peer(message)?.into();
    Some((inode?.into(), End { peer, cookie }))
}

/// The attribute that says who the peer is.
fn peer(message: &[u8]) -> Option<u32> {
    let mut attributes = message.get(2 * HEADER_BYTES..)?;
    loop {
        let length = usize::from(half(attributes, 0)?);
        if half(attributes, 2)? == PEER {
            return word(attributes, 4);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?.try_into();
    word.ok().map(u32::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..at + 2)?.try_into();
    half.ok().map(u16::from_le_bytes)
}
