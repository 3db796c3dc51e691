//! The processes that `control` asks, and what it was configured with.

use crate::asking::Asking;
use ipc::Nonce;
use ipc::edge::supervisor::Edge;
use ipc::edge::{control_auth, control_director, control_supervisor, handover};
use ipc::slice::Control as Slice;
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::Mutex;

/// `auth`, by the number of the question.
pub type Auth = Asking<control_auth::ToAuth, control_auth::ToControl, u64>;
/// `director`'s answers about workers, by the number of the question.
pub type Director = Asking<control_director::ToDirector, control_director::ToControl, u64>;
/// `director`'s hand-overs, by nonce.
pub type Handover = Asking<handover::ToDirector, handover::ToAsker, Nonce>;
/// The supervisor, which is asked one question at a time.
pub type Supervisor = Asking<control_supervisor::ToSupervisor, control_supervisor::ToControl, ()>;

/// Everybody, by name.
pub struct House {
    /// Accounts.
    pub auth: Rc<Auth>,
    /// Workers.
    pub director: Rc<Director>,
    /// The way into a worker.
    pub handover: Rc<Handover>,
    supervisor: Rc<Supervisor>,
    one_question: Mutex<()>,
    /// The configuration in force.
    pub slice: RefCell<Slice>,
    queries: Cell<u64>,
}

impl House {
    /// Nobody is there yet.
    pub fn new(slice: Slice) -> Self {
        Self {
            auth: Rc::new(Asking::new(query_of_auth)),
            director: Rc::new(Asking::new(query_of_director)),
            handover: Rc::new(Asking::new(nonce_of)),
            supervisor: Rc::new(Asking::new(|_| ())),
            one_question: Mutex::new(()),
            slice: RefCell::new(slice),
            queries: Cell::new(0),
        }
    }

    /// Takes an end of an edge.
    pub fn connect(&self, edge: Edge, socket: OwnedFd) {
        let connected = match edge {
            Edge::ControlAuth => self.auth.connect(socket),
            Edge::ControlDirector => self.director.connect(socket),
            Edge::ControlHandover => self.handover.connect(socket),
            Edge::ControlSupervisor => self.supervisor.connect(socket),
            _ => Err(ipc::Fault::Socket(rustix::io::Errno::PROTOTYPE)),
        };
        if let Err(fault) = connected {
            tracing::error!(?edge, %fault, "an edge could not be connected");
        }
    }

    /// A fresh number for a question.
    pub fn query(&self) -> u64 {
        let query = self.queries.get().wrapping_add(1);
        self.queries.set(query);
        query
    }

    /// Asks the supervisor, after whoever is asking already.
    pub async fn ask_supervisor(
        &self,
        question: control_supervisor::ToSupervisor,
    ) -> Option<control_supervisor::ToControl> {
        let _turn = self.one_question.lock().await;
        self.supervisor.ask((), question).await
    }
}

fn query_of_auth(answer: &control_auth::ToControl) -> u64 {
    use control_auth::ToControl::{Done, Page, Refused};
    match answer {
        Done { query, .. } | Refused { query, .. } | Page { query, .. } => *query,
    }
}

fn query_of_director(answer: &control_director::ToControl) -> u64 {
    use control_director::ToControl::{Health, Workers};
    match answer {
        Workers { query, .. } | Health { query, .. } => *query,
    }
}

fn nonce_of(answer: &handover::ToAsker) -> Nonce {
    use handover::ToAsker::{Lost, Refused, Taken};
    match answer {
        Taken { nonce } | Refused { nonce, .. } | Lost { nonce } => *nonce,
    }
}
