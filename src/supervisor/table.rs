//! What the house is made of: what stands in one row of the process table, and
//! which processes have an edge between them.

use ipc::edge::config::Supervision;
use ipc::edge::supervisor::{Edge, Process};
use sandbox::Profile;

/// One kind of process.
#[derive(Debug)]
pub struct Room {
    /// The kind.
    pub process: Process,
    /// What it may do.
    pub profile: &'static Profile,
    /// How many there are.
    pub many: Many,
    /// What it sees as `/`.
    pub root: Where,
    /// What it is given beside its slice and its edges.
    pub gifts: &'static [Gift],
}

/// How many processes of a kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    /// One.
    One,
    /// As many as the configuration has `fronts`.
    Fronts,
    /// As many as it has `logins`.
    Logins,
}

/// A directory of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// `empty/`.
    Empty,
    /// `store/`.
    Store,
    /// `auth/`.
    Auth,
    /// `spool/`.
    Spool,
}

/// What a process is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gift {
    /// Every listener that `front` serves: all but the local ones.
    Listeners,
    /// Unix sockets on which LMTP is spoken, where no front is needed.
    LocalListeners,
    /// The admin socket.
    AdminListener,
    /// The certificates.
    Certificates,
    /// The key.
    PrivateKey,
    /// The certificates of those that sign clients'.
    ClientAuthorities,
    /// The master key.
    MasterKey,
    /// What workers are told.
    WorkerSlice,
    /// Standard error of workers.
    WorkerLog,
}

/// Every edge that the supervisor wires, and the two kinds that it is between.
pub const EDGES: [(Edge, Process, Process); 14] = [
    (Edge::FrontLogin, Process::Front, Process::Login),
    (Edge::FrontLmtp, Process::Front, Process::Lmtp),
    (Edge::FrontKeyholder, Process::Front, Process::Keyholder),
    (Edge::FrontAuth, Process::Front, Process::Auth),
    (Edge::LoginAuth, Process::Login, Process::Auth),
    (Edge::LmtpAuth, Process::Lmtp, Process::Auth),
    (Edge::ControlAuth, Process::Control, Process::Auth),
    (Edge::AuthDirector, Process::Auth, Process::Director),
    (Edge::LoginHandover, Process::Login, Process::Director),
    (Edge::LmtpHandover, Process::Lmtp, Process::Director),
    (Edge::ControlHandover, Process::Control, Process::Director),
    (Edge::DirectorBroker, Process::Director, Process::Broker),
    (Edge::ControlDirector, Process::Control, Process::Director),
    (
        Edge::ControlSupervisor,
        Process::Control,
        Process::Supervisor,
    ),
];

/// The edges between two kinds, whichever comes first.
pub fn edges(one: Process, other: Process) -> impl Iterator<Item = Edge> {
    EDGES
        .iter()
        .filter(move |(_, a, b)| (*a, *b) == (one, other) || (*a, *b) == (other, one))
        .map(|(edge, _, _)| *edge)
}

impl Many {
    /// The number, by the configuration.
    pub fn count(self, plan: &Supervision) -> u8 {
        match self {
            Self::One => 1,
            Self::Fronts => plan.fronts,
            Self::Logins => plan.logins,
        }
    }
}

/// The name for people.
pub fn name(process: Process) -> &'static str {
    process.name()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HOUSE;

    #[test]
    fn every_end_of_an_edge_is_in_the_house_or_is_the_supervisor() {
        for (_, one, other) in EDGES {
            for end in [one, other] {
                let lives = HOUSE.iter().any(|room| room.process == end);
                assert!(lives || end == Process::Supervisor, "{end:?}");
            }
        }
    }

    #[test]
    fn only_auth_and_broker_ever_get_the_master_key() {
        let has = |room: &&Room| room.gifts.contains(&Gift::MasterKey);
        let kinds: Vec<Process> = HOUSE.iter().filter(has).map(|room| room.process).collect();
        assert_eq!(kinds, [Process::Broker, Process::Auth]);
    }

    #[test]
    fn only_keyholder_ever_gets_the_key_file() {
        let has = |room: &&Room| room.gifts.contains(&Gift::PrivateKey);
        let kinds: Vec<Process> = HOUSE.iter().filter(has).map(|room| room.process).collect();
        assert_eq!(kinds, [Process::Keyholder]);
    }

    #[test]
    fn profiles_belong_to_their_rows() {
        for room in &HOUSE {
            assert_eq!(
                room.profile.process.program(),
                format!("mailkeep-{}", name(room.process))
            );
        }
    }

    #[test]
    fn control_has_two_edges_to_director_in_either_order() {
        let both = [Edge::ControlHandover, Edge::ControlDirector];
        assert!(edges(Process::Control, Process::Director).eq(both));
        assert!(edges(Process::Director, Process::Control).eq(both));
        assert_eq!(edges(Process::Front, Process::Broker).count(), 0);
    }
}
