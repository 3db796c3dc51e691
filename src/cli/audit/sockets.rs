//! The sockets of the set: what each is, and which other socket is at its far end.
//!
//! What a socket is stands in the tables of the network namespace where it was
//! made; so they are read through one process of each namespace. Who is at the
//! other end only sock_diag(7) tells, and only to who is in the namespace: a thread
//! that lives for one question goes there.

use super::living::{self, Living};
use super::procfs::{self, Socket};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsFd;

/// Bytes of one answer: the kernel fills at most 32 KiB at once (netlink(7)).
const ANSWER_BYTES: usize = 32 * 1024;

/// Answers to one question. A set has at most some hundred thousand sockets, and
/// an answer holds hundreds.
const ANSWERS_MAX: usize = 10_000;

/// All sockets of the namespaces in which the set lives, by inode.
#[derive(Debug, Default)]
pub struct Sockets {
    kinds: BTreeMap<u64, Socket>,
    peers: BTreeMap<u64, u64>,
}

impl Sockets {
    /// Looks through these processes, and through the one that looks: the supervisor
    /// is in no namespace of its own, and what it makes is in the machine's.
    pub fn look<'a>(members: impl Iterator<Item = &'a Living>) -> Self {
        let mut sockets = Self::default();
        let mut been = BTreeSet::new();
        let namespaces = members.filter_map(|one| Some((one.namespace("net").ok()?, one.pid)));
        for (namespace, pid) in namespaces {
            if been.insert(namespace.to_owned()) {
                sockets.look_through(pid);
            }
        }
        sockets
    }

    /// What a socket is; `None` if it is in no table, so neither local nor TCP.
    pub fn kind(&self, inode: u64) -> Option<Socket> {
        self.kinds.get(&inode).copied()
    }

    /// The socket at its far end, where it has one and the kernel has told.
    pub fn peer(&self, inode: u64) -> Option<u64> {
        self.peers.get(&inode).copied()
    }

    /// Whether far ends were told at all.
    pub fn knows_peers(&self) -> bool {
        !self.peers.is_empty()
    }

    fn look_through(&mut self, pid: u32) {
        let table = |name: &str| living::read(pid, &format!("net/{name}")).unwrap_or_default();
        self.kinds.extend(procfs::unix_sockets(&table("unix")));
        for name in ["tcp", "tcp6"] {
            self.kinds.extend(procfs::tcp_sockets(&table(name)));
        }
        self.peers.extend(peers(pid));
    }
}

/// The inode of a socket, from what a descriptor links to.
pub fn inode(link: &str) -> Option<u64> {
    let number = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

/// The far ends in the network namespace of a process; none, if who looks may not go
/// there, or the kernel has no sock_diag.
fn peers(pid: u32) -> Vec<(u64, u64)> {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let namespace = File::open(format!("/proc/{pid}/ns/net")).ok()?;
            // An ordinary user is there already, or may not go.
            let moved =
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network));
            moved.ok()?;
            ask().ok()
        });
        asked.join().ok().flatten().unwrap_or_default()
    })
}

/// Asks for every local socket of the namespace that the thread is in.
fn ask() -> Result<Vec<(u64, u64)>, rustix::io::Errno> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    rustix::net::send(&socket, &question(), SendFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0; ANSWER_BYTES];
    for _ in 0..ANSWERS_MAX {
        let (length, _) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if !take(&buffer[..length], &mut found) {
            break;
        }
    }
    Ok(found)
}

/// `struct nlmsghdr`, then `struct unix_diag_req`. Netlink speaks the order of the
/// machine; every one that the sandbox knows is little-endian.
fn question() -> Vec<u8> {
    const LENGTH: u32 = 40;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const REQUEST_AND_DUMP: u16 = 0x301;
    const AF_UNIX: u8 = 1;
    const ANY_STATE: u32 = u32::MAX;
    const SHOW_PEER: u32 = 4;
    let kind = [SOCK_DIAG_BY_FAMILY, REQUEST_AND_DUMP].map(u16::to_le_bytes);
    let mut bytes = LENGTH.to_le_bytes().to_vec();
    bytes.extend(kind.as_flattened());
    bytes.extend([0; 8]); // No sequence, no port: one question, one answer.
    bytes.extend([AF_UNIX, 0, 0, 0]);
    bytes.extend(
        [ANY_STATE, 0, SHOW_PEER, 0, 0]
            .map(u32::to_le_bytes)
            .as_flattened(),
    );
    bytes
}

/// Takes the messages of an answer apart; false when it was the last.
fn take(answer: &[u8], found: &mut Vec<(u64, u64)>) -> bool {
    const SOCK_DIAG_BY_FAMILY: u32 = 20;
    let mut rest = answer;
    while let Some(length) = word(rest, 0).and_then(|length| usize::try_from(length).ok()) {
        let Some(message) = rest.get(..length).filter(|message| message.len() >= 16) else {
            return false;
        };
        if word(message, 4).map(|kind| kind & 0xffff) != Some(SOCK_DIAG_BY_FAMILY) {
            return false; // Done, or an error.
        }
        found.extend(pair(message));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    true
}

/// `struct unix_diag_msg` behind the header: its inode, and the peer's among the
/// attributes.
fn pair(message: &[u8]) -> Option<(u64, u64)> {
    const UNIX_DIAG_PEER: u32 = 2;
    let own = word(message, 20)?;
    let mut attributes = message.get(32..)?;
    while let Some(head) = word(attributes, 0) {
        // Length and kind, 16 bits each.
        let length = usize::try_from(head & 0xffff)
            .ok()
            .filter(|length| *length >= 4)?;
        if head >> 16 == UNIX_DIAG_PEER {
            return Some((own.into(), word(attributes, 4)?.into()));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fstat;
    use rustix::net::socketpair;

    #[test]
    fn the_two_ends_of_a_pair_find_each_other() {
        let (one, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let [one_inode, other_inode] = [&one, &other].map(|end| fstat(end).unwrap().st_ino);
        let own = Living::look(std::process::id()).unwrap();
        let sockets = Sockets::look(std::iter::once(&own));
        assert_eq!(sockets.kind(one_inode), Some(Socket::Channel));
        // An ordinary user can't go into a namespace, not even his own.
        if rustix::process::geteuid().is_root() {
            assert_eq!(sockets.peer(one_inode), Some(other_inode));
            assert_eq!(sockets.peer(other_inode), Some(one_inode));
        }
    }

    #[test]
    fn no_answer_of_whatever_bytes_is_read_beyond_its_end() {
        let mut seed = 1_u32;
        for length in 0..200 {
            let mut bytes: Vec<u8> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            if length > 8 {
                bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
                bytes[4] = 20;
            }
            let mut found = Vec::new();
            let _more = take(&bytes, &mut found);
            assert!(found.len() <= 1);
        }
    }

    #[test]
    fn only_sockets_have_a_sockets_inode() {
        assert_eq!(inode("socket:[12]"), Some(12));
        assert_eq!(inode("pipe:[12]"), None);
        assert_eq!(inode("/tmp/socket:[12]"), None);
    }
}
