//! Who `director` talks to, and what each channel carries.

use ipc::edge::{
    auth_director, control_director, director_broker, director_worker, handover, supervisor,
};
use ipc::registry::Registered;
use ipc::{AccountId, Instance};

/// To and from the supervisor.
pub type SupervisorEnd = Registered<supervisor::ToSupervisor, supervisor::ToProcess>;
/// To and from `auth`.
pub type AuthEnd = Registered<auth_director::ToAuth, auth_director::ToDirector>;
/// To and from `broker`.
pub type BrokerEnd = Registered<director_broker::ToBroker, director_broker::ToDirector>;
/// To and from one asker.
pub type AskerEnd = Registered<handover::ToAsker, handover::ToDirector>;
/// To and from `control`'s questions.
pub type ControlEnd = Registered<control_director::ToControl, control_director::ToDirector>;
/// To and from one worker.
pub type WorkerEnd = Registered<director_worker::ToWorker, director_worker::ToDirector>;

/// Who is at the other end of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The supervisor.
    Supervisor,
    /// `auth`.
    Auth,
    /// `broker`.
    Broker,
    /// A `login`, `lmtp` or `control` that hands sockets over.
    Asker(Instance),
    /// `control`, asking.
    Control,
    /// An account's worker.
    Worker(AccountId),
}
