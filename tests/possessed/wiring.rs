//! Which descriptor of a living process is its end of which edge.
//!
//! The kernel says which Unix socket is the other end of which (`UNIX_DIAG_PEER`,
//! sock_diag(7)), /proc says who holds it, and the house's own table says which edge
//! there is between the two.

use harness::possession::{peers, sockets};
use ipc::edge::supervisor::Edge;
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
    // In the order in which they were made.
    let mut edges: Vec<(u32, u64)> = sockets(pid).into_iter().collect();
    edges.retain(|(descriptor, _)| *descriptor != SUPERVISOR);
    edges.sort_by_key(|(_, inode)| *inode);
    let mut ends: Vec<End> = Vec::new();
    for (descriptor, inode) in edges {
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

/// Who holds each socket.
fn holders(living: &[(String, u32)]) -> BTreeMap<u64, u32> {
    let of = |(_, pid): &(String, u32)| {
        let pid = *pid;
        let sockets = sockets(pid).into_iter();
        sockets.map(move |(_, inode)| (inode, pid))
    };
    living.iter().flat_map(of).collect()
}
