//! Which descriptor of a living process is its end of which edge.
//!
//! The kernel says which Unix socket is the other end of which (`UNIX_DIAG_PEER`,
//! sock_diag(7)), /proc says who holds it, and the house's own table says which edge
//! there is between the two.

use harness::proc;
use ipc::edge::supervisor::Edge;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use std::collections::BTreeMap;

/// Who is at the two ends of an edge, in the order in which the supervisor makes those
/// that the same two have.
const EDGES: [(Edge, &str, &str); 14] = [
    (Edge::FrontLogin, "front", "login"),
    (Edge::FrontLmtp, "front", "lmtp"),
    (Edge::FrontKeyholder, "front", "keyholder"),
    (Edge::FrontAuth, "front", "auth"),
    (Edge::LoginAuth, "login", "auth"),
    (Edge::LmtpAuth, "lmtp", "auth"),
    (Edge::ControlAuth, "control", "auth"),
    (Edge::AuthDirector, "auth", "director"),
    (Edge::LoginHandover, "login", "director"),
    (Edge::LmtpHandover, "lmtp", "director"),
    (Edge::ControlHandover, "control", "director"),
    (Edge::DirectorBroker, "director", "broker"),
    (Edge::ControlDirector, "control", "director"),
    (Edge::ControlSupervisor, "control", "supervisor"),
];

/// The descriptor by which every process speaks to the supervisor.
pub const SUPERVISOR: u32 = 3;

/// One end that a process has of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The edge.
    pub edge: Edge,
    /// Its descriptor in the process.
    pub descriptor: u32,
    /// Who is at the other end.
    pub peer: u32,
}

/// All ends that `pid` has, where `living` are the processes of its set.
pub fn ends(pid: u32, living: &[(String, u32)]) -> Vec<End> {
    let peers = peers();
    let holders = holders(living);
    let name = |of: u32| living.iter().find(|(_, one)| *one == of);
    let edges = sockets(pid).into_iter();
    let mut ends: Vec<End> = Vec::new();
    for (descriptor, inode) in edges.filter(|(descriptor, _)| *descriptor != SUPERVISOR) {
        let peer = peers.get(&inode).and_then(|other| holders.get(other));
        let Some((peer, (one, _), (other, _))) =
            peer.and_then(|peer| Some((*peer, name(pid)?, name(*peer)?)))
        else {
            continue;
        };
        let is_new = |edge: &Edge| !ends.iter().any(|end| (end.edge, end.peer) == (*edge, peer));
        if let Some(edge) = between(one, other).find(is_new) {
            ends.push(End {
                edge,
                descriptor,
                peer,
            });
        }
    }
    ends
}

fn between(one: &str, other: &str) -> impl Iterator<Item = Edge> {
    EDGES
        .into_iter()
        .filter(move |(_, a, b)| (*a, *b) == (one, other) || (*a, *b) == (other, one))
        .map(|(edge, _, _)| edge)
}

/// The Unix sockets of a process, oldest first.
fn sockets(pid: u32) -> Vec<(u32, u32)> {
    let inode = |what: &str| {
        what.strip_prefix("socket:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
    };
    let all = proc::descriptors(pid).into_iter();
    let mut sockets: Vec<(u32, u32)> = all
        .filter_map(|(number, what)| Some((number, inode(&what)?)))
        .collect();
    sockets.sort_by_key(|(_, inode)| *inode);
    sockets
}

/// Who holds each socket.
fn holders(living: &[(String, u32)]) -> BTreeMap<u32, u32> {
    let of = |(_, pid): &(String, u32)| {
        let pid = *pid;
        let sockets = sockets(pid).into_iter();
        sockets.map(move |(_, inode)| (inode, pid))
    };
    living.iter().flat_map(of).collect()
}

/// The other end of every Unix socket that was made where we are.
fn peers() -> BTreeMap<u32, u32> {
    let protocol = Some(netlink::SOCK_DIAG);
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        protocol,
    )
    .expect("root may ask");
    send(&socket, &question(), SendFlags::empty()).expect("the kernel listens");
    let mut peers = BTreeMap::new();
    let mut answer = vec![0; 1 << 16];
    loop {
        let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty()).expect("an answer");
        if !read(&answer[..length], &mut peers) {
            return peers;
        }
    }
}

const BY_FAMILY: u16 = 20;
const DONE: u16 = 3;
const HEADER_BYTES: usize = 16;
const MESSAGE_BYTES: usize = 16;
const PEER: u16 = 2;

/// A `unix_diag_req` for all, with `UDIAG_SHOW_PEER`, behind its `nlmsghdr` with
/// `NLM_F_REQUEST | NLM_F_DUMP`.
fn question() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(40_u32.to_le_bytes());
    bytes.extend(BY_FAMILY.to_le_bytes());
    bytes.extend(0x301_u16.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend([0; 8]);
    bytes
}

/// Takes one datagram of the answer. `false`: it was the last.
fn read(mut bytes: &[u8], peers: &mut BTreeMap<u32, u32>) -> bool {
    while bytes.len() >= HEADER_BYTES {
        let (length, kind) = (word(bytes, 0) as usize, half(bytes, 4));
        if kind != BY_FAMILY {
            assert_eq!(kind, DONE, "the kernel has no unix_diag");
            return false;
        }
        let inode = word(bytes, HEADER_BYTES + 4);
        let attributes = &bytes[HEADER_BYTES + MESSAGE_BYTES..length];
        if attributes.len() >= 8 && half(attributes, 2) == PEER {
            peers.insert(inode, word(attributes, 4));
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    true
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two"))
}
