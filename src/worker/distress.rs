//! A worker whose store can't be opened. It refuses sessions and deliveries for the
//! time being, and does two tasks: repair, and the emptying of a deleted account.
//!
//! Invariants: it writes nothing but by those two, and not while a verifier reads;
//! it stays for nothing else, so each session that comes tries anew whether the
//! store opens.

use crate::birth::Born;
use crate::director::{self, Ending};
use crate::disk::empty;
use crate::lock::Root;
use crate::repair::{self, Unrepaired};
use crate::task::{self, TaskChannel};
use crate::tickets::Gate;
use ipc::channel::Fault;
use ipc::edge::director_worker::{Health, ToDirector, ToWorker};
use ipc::edge::handover::{Refusal, Work};
use ipc::edge::task::{ToControl, ToWorker as Task};
use ipc::ticket::{SealedEpoch, SealedTicket};
use ipc::{AccountId, Epoch};
use ipc_async::AsyncChannel;
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use store::repair::Report;
use tokio::sync::{Notify, oneshot};

/// What the second thread is asked.
enum Order {
    Repair(oneshot::Sender<Result<Report, Unrepaired>>),
    Empty(oneshot::Sender<Result<(), Errno>>),
}

/// The second thread: both tasks take as long as the disk does.
pub struct Mender(Sender<Order>);

impl Mender {
    /// Starts the thread; it ends with this.
    ///
    /// # Errors
    /// As clone(2) and openat(2).
    pub fn start(root: &Root, account: AccountId) -> std::io::Result<Self> {
        let root = root.reopen().map_err(std::io::Error::from)?;
        let (orders, queue) = channel();
        std::thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || obey(&queue, &root, account))?;
        Ok(Self(orders))
    }

    /// `None`: the thread has gone.
    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (done, answer) = oneshot::channel();
        self.0.send(order(done)).ok()?;
        answer.await.ok()
    }
}

fn obey(queue: &Receiver<Order>, root: &OwnedFd, account: AccountId) {
    while let Ok(order) = queue.recv() {
        // Whether the answer is still wanted doesn't matter.
        match order {
            Order::Repair(done) => {
                let root = root
                    .try_clone()
                    .map_err(|_| Unrepaired::Kernel(Errno::MFILE));
                let _ = done.send(root.and_then(|root| repair::repair(root, account)));
            }
            Order::Empty(done) => {
                let _ = done.send(empty::empty(root.as_fd()));
            }
        }
    }
}

/// The desk of a worker in distress.
pub struct Distress {
    channel: AsyncChannel<ToDirector, ToWorker>,
    gate: RefCell<Gate>,
    account: AccountId,
    mender: Mender,
    /// The lowest epoch that tickets must have. It can't be journalled; but no
    /// session is served under it, and no ticket lives longer than seconds.
    epoch: Cell<Epoch>,
    held: Cell<bool>,
    /// Whether files are being changed, or were.
    mending: Cell<bool>,
    tasks: Cell<usize>,
    over: Notify,
}

impl Distress {
    /// A desk that has not said `Ready`.
    pub fn new(
        channel: AsyncChannel<ToDirector, ToWorker>,
        born: Born,
        mender: Mender,
    ) -> Rc<Self> {
        Rc::new(Self {
            channel,
            gate: RefCell::new(Gate::new(born.account, born.key)),
            account: born.account,
            mender,
            epoch: Cell::new(Epoch(0)),
            held: Cell::new(false),
            mending: Cell::new(false),
            tasks: Cell::new(0),
            over: Notify::new(),
        })
    }

    /// Serves until the end. Must run within a `LocalSet`.
    pub async fn serve(self: Rc<Self>) -> Ending {
        self.tell(ToDirector::Ready { storage: None });
        self.tell(ToDirector::Health {
            health: Health {
                distress: true,
                ..Health::default()
            },
        });
        self.may_leave();
        let ending = loop {
            match self.channel.receive().await {
                Ok(Some(ToWorker::Leave)) => break Ending::Told,
                Ok(Some(message)) => {
                    if let Err(ending) = self.obey(message) {
                        break ending;
                    }
                }
                Ok(None) | Err(Fault::PeerGone) => break Ending::DirectorGone,
                Err(fault) => break Ending::DirectorAtFault(fault),
            }
        };
        self.finish().await;
        ending
    }

    /// A task that has begun is brought to its end, if that comes soon.
    async fn finish(&self) {
        let idle = async {
            while self.tasks.get() > 0 {
                self.over.notified().await;
            }
        };
        let _ = tokio::time::timeout(director::LEAVE_WAIT_MAX, idle).await;
        let _ = tokio::time::timeout(director::LEAVE_WAIT_MAX, self.channel.drain()).await;
    }

    fn obey(self: &Rc<Self>, message: ToWorker) -> Result<(), Ending> {
        match message {
            ToWorker::Serve {
                ticket,
                work,
                socket,
            } => self.receive(&ticket, &work, socket),
            ToWorker::RaiseEpoch { sealed } => self.raise_epoch(&sealed)?,
            ToWorker::Configure { slice } => eventlog::set_level(director::level(&slice)),
            ToWorker::Hold => self.hold(),
            ToWorker::Release => {
                self.held.set(false);
                self.may_leave();
            }
            ToWorker::Leave => return Err(Ending::Told),
        }
        Ok(())
    }

    fn raise_epoch(&self, sealed: &SealedEpoch) -> Result<(), Ending> {
        let epoch = self.gate.borrow().open_epoch(sealed);
        let epoch = epoch.ok_or(Ending::ForgedEpoch)?;
        self.epoch.set(self.epoch.get().max(epoch));
        self.tell(ToDirector::EpochRaised {
            account: self.account,
            epoch,
        });
        Ok(())
    }

    fn hold(&self) {
        if self.mending.get() {
            return self.tell(ToDirector::NotHeld);
        }
        self.held.set(true);
        self.tell(ToDirector::Held { hold: None });
    }

    fn receive(self: &Rc<Self>, ticket: &SealedTicket, work: &Work, socket: OwnedFd) {
        let nonce = ticket.claim.nonce;
        match self.admit(ticket, work, &socket) {
            Ok(()) => {
                self.tell(ToDirector::Taken { nonce });
                self.tasks.set(self.tasks.get().saturating_add(1));
                let desk = Rc::clone(self);
                tokio::task::spawn_local(async move {
                    desk.work(socket).await;
                    desk.tasks.set(desk.tasks.get().saturating_sub(1));
                    desk.tell(ToDirector::Ended { nonce });
                    desk.may_leave();
                    desk.over.notify_waiters();
                });
            }
            Err(refusal) => {
                self.tell(ToDirector::Refused { nonce, refusal });
                self.may_leave();
            }
        }
    }

    fn admit(&self, ticket: &SealedTicket, work: &Work, socket: &OwnedFd) -> Result<(), Refusal> {
        if !matches!(work, Work::Task) {
            return Err(Refusal::Storage);
        }
        if self.tasks.get() >= director::DELIVERIES_MAX {
            return Err(Refusal::TooManySessions);
        }
        let now = ipc::ticket::now();
        let admitted =
            self.gate
                .borrow_mut()
                .admit(ticket, work, socket.as_fd(), self.epoch.get(), now);
        admitted.map(drop).map_err(|turned| {
            tracing::warn!(?turned, "a ticket was turned away");
            turned.refusal()
        })
    }

    async fn work(&self, socket: OwnedFd) {
        let Some((channel, asked)) = task::receive(socket).await else {
            return;
        };
        let answer = match asked {
            Task::Repair => self.mend(&channel).await,
            Task::Empty => self.empty().await,
            _ => ToControl::Distress,
        };
        task::tell(&channel, answer).await;
    }

    async fn mend(&self, channel: &TaskChannel) -> ToControl {
        if self.held.get() || self.mending.replace(true) {
            return ToControl::Busy;
        }
        let repaired = self.mender.ask(Order::Repair).await;
        self.mending.set(false);
        match repaired {
            Some(Ok(repaired)) => {
                self.tell(ToDirector::Health {
                    health: Health::default(),
                });
                repair::tell(channel, repaired).await
            }
            Some(Err(why)) => {
                tracing::error!(%why, "the account could not be repaired");
                ToControl::Failed
            }
            None => ToControl::Failed,
        }
    }

    /// The account has been deleted: a verifier may find what it likes.
    async fn empty(&self) -> ToControl {
        if self.mending.replace(true) {
            return ToControl::Busy;
        }
        let emptied = self.mender.ask(Order::Empty).await;
        self.mending.set(false);
        match emptied {
            Some(Ok(())) => ToControl::Emptied,
            Some(Err(errno)) => {
                tracing::error!(%errno, "the account's files could not be removed");
                ToControl::Failed
            }
            None => ToControl::Failed,
        }
    }

    fn may_leave(&self) {
        if self.tasks.get() == 0 {
            self.tell(ToDirector::MayLeave { at_once: true });
        }
    }

    /// Says something; a fault shows itself to [`Self::serve`] as well.
    fn tell(&self, message: ToDirector) {
        if let Err(fault) = self.channel.send(message) {
            tracing::warn!(%fault, "director could not be told");
        }
    }
}
