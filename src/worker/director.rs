//! The channel to `director`: what it asks, what it is told, and when the
//! worker leaves.
//!
//! Each [`Work`] runs as a task of its own. `Taken` is said before the task
//! writes its first byte, and `Ended` when it is over; a ticket that is not
//! good gets `Refused`, and its socket is closed unread. A delivery that is soon over
//! is not said to be taken: its word goes to `lmtp`, and `Ended` says the same.

use crate::account::{Account, Fatal, Limits};
use crate::imap;
use crate::pop3;
use crate::tickets::{Admitted, Gate};
use crate::{delivery, task};
use ipc::channel::Fault;
use ipc::edge::director_worker::{ToDirector, ToWorker};
use ipc::edge::handover::{Refusal, Work};
use ipc::slice::Protocol;
use ipc::ticket::{SealedEpoch, SealedTicket};
use ipc::{Epoch, slice};
use ipc_async::AsyncChannel;
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Deliveries and admin tasks at once. `lmtp` hands over one at a time for each
/// of its clients; the bound is on memory: each may hold 256 KiB.
pub const DELIVERIES_MAX: usize = 64;

/// How long a delivery may take before it is said to be taken: longer than a sync takes on
/// a disk that is well, and much shorter than anybody waits for an answer.
const UNSAID_MAX: Duration = Duration::from_millis(250);

/// How long running work may take to end once the worker is to leave. A client
/// that doesn't read its answer isn't waited for any longer.
pub const LEAVE_WAIT_MAX: Duration = Duration::from_secs(10);

/// How the worker came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// `director` said so.
    Told,
    /// `director` has gone.
    DirectorGone,
    /// `director` broke the rules of the channel.
    DirectorAtFault(Fault),
    /// `director` brought a raised epoch that `auth` has not sealed.
    ForgedEpoch,
    /// A change could not be made durable.
    Storage(Fatal),
}

/// The desk at which work arrives.
pub struct Desk {
    channel: Rc<AsyncChannel<ToDirector, ToWorker>>,
    gate: RefCell<Gate>,
    account: Rc<Account>,
    sessions: Counted,
    others: Counted,
    over: Notify,
}

/// How many of one kind of work are going on.
type Counted = Rc<Cell<usize>>;

/// One place among those that work of its kind may take; free again when it is
/// dropped.
struct Place(Counted);

impl Place {
    fn take(count: &Counted, max: usize) -> Option<Self> {
        let taken = count.get();
        (taken < max).then(|| {
            count.set(taken.saturating_add(1));
            Self(Rc::clone(count))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Desk {
    /// A desk that has not said `Ready`.
    pub fn new(
        channel: AsyncChannel<ToDirector, ToWorker>,
        gate: Gate,
        account: Rc<Account>,
    ) -> Rc<Self> {
        Rc::new(Self {
            channel: Rc::new(channel),
            gate: RefCell::new(gate),
            account,
            sessions: Counted::default(),
            others: Counted::default(),
            over: Notify::new(),
        })
    }

    /// Serves until the end. Must run within a `LocalSet`.
    pub async fn serve(self: Rc<Self>) -> Ending {
        let account = Rc::clone(&self.account);
        let mut commits = tokio::task::spawn_local(async move { account.run_commits().await });
        let account = Rc::clone(&self.account);
        let mut upkeep = tokio::task::spawn_local(async move { account.run_upkeep().await });
        let account = Rc::clone(&self.account);
        tokio::task::spawn_local(async move { account.run_chores().await });
        let desk = Rc::clone(&self);
        tokio::task::spawn_local(async move { desk.report_health().await });
        let sealed = self.gate.borrow().seal_storage();
        let ready = ToDirector::Ready {
            storage: Some(sealed),
        };
        if self.say(ready).is_err() {
            return Ending::DirectorGone;
        }
        let ending = tokio::select! {
            ending = self.listen() => ending,
            fatal = &mut commits => return storage(fatal),
            fatal = &mut upkeep => return storage(fatal.map(|ended| ended.map(|never| match never {}))),
        };
        self.leave(ending, commits).await
    }

    /// Tells of the files' health whenever it has changed.
    async fn report_health(&self) {
        loop {
            self.account.ailing().await;
            self.tell(ToDirector::Health {
                health: self.account.health(),
            });
        }
    }

    async fn listen(self: &Rc<Self>) -> Ending {
        loop {
            match self.channel.receive().await {
                Ok(Some(ToWorker::Leave)) => return Ending::Told,
                Ok(Some(message)) => {
                    if let Err(ending) = self.obey(message) {
                        return ending;
                    }
                }
                Ok(None) | Err(Fault::PeerGone) => return Ending::DirectorGone,
                Err(fault) => return Ending::DirectorAtFault(fault),
            }
        }
    }

    fn obey(self: &Rc<Self>, message: ToWorker) -> Result<(), Ending> {
        match message {
            ToWorker::Serve {
                ticket,
                work,
                socket,
            } => {
                let desk = Rc::clone(self);
                tokio::task::spawn_local(async move { desk.receive(ticket, work, socket).await });
                Ok(())
            }
            ToWorker::RaiseEpoch { sealed } => self.raise_epoch(&sealed),
            ToWorker::Configure { slice } => {
                self.configure(&slice);
                Ok(())
            }
            ToWorker::Leave => Err(Ending::Told),
            ToWorker::Hold => {
                self.hold();
                Ok(())
            }
            ToWorker::Release => {
                self.release();
                Ok(())
            }
        }
    }

    /// Ends the sessions below the new epoch at once, and says so when it is
    /// durable.
    fn raise_epoch(self: &Rc<Self>, sealed: &SealedEpoch) -> Result<(), Ending> {
        let epoch = self.gate.borrow().open_epoch(sealed);
        let epoch = epoch.ok_or(Ending::ForgedEpoch)?;
        let desk = Rc::clone(self);
        tokio::task::spawn_local(async move { desk.journal_epoch(epoch).await });
        Ok(())
    }

    async fn journal_epoch(&self, epoch: Epoch) {
        match self.account.raise_epoch(epoch).await {
            Ok(()) => self.tell(ToDirector::EpochRaised {
                account: self.account.id(),
                epoch,
            }),
            // Without our word `director` has us ended, as it should be.
            Err(refusal) => tracing::error!(?refusal, "a raised epoch could not be journalled"),
        }
    }

    fn configure(&self, slice: &slice::Worker) {
        eventlog::set_level(level(slice));
        self.account.set_limits(Limits::from(slice));
        self.account.set_notice(&slice.notice);
    }

    /// Checks one ticket and does its work.
    async fn receive(self: Rc<Self>, sealed: SealedTicket, work: Work, socket: OwnedFd) {
        let nonce = sealed.claim.nonce;
        match self.admit(&sealed, &work, socket.as_fd()).await {
            Ok((admitted, place)) => self.work(admitted, place, work, socket).await,
            Err(refusal) => self.tell(ToDirector::Refused { nonce, refusal }),
        }
        self.over.notify_waiters();
    }

    async fn admit(
        &self,
        sealed: &SealedTicket,
        work: &Work,
        socket: std::os::fd::BorrowedFd<'_>,
    ) -> Result<(Admitted, Place), Refusal> {
        if self.account.orders().borrow().leaving {
            return Err(Refusal::NoWorker);
        }
        let place = self.place(work)?;
        let now = ipc::ticket::now();
        let admitted = self
            .gate
            .borrow_mut()
            .admit(sealed, work, socket, self.account.epoch(), now)
            .map_err(|turned| {
                tracing::warn!(?turned, "a ticket was turned away");
                turned.refusal()
            })?;
        // The highest epoch seen is journalled before anybody is served by it;
        // unless the disk is full, for whoever would make room must get in. Until
        // this worker ends the epoch holds all the same, and no ticket lives
        // longer than seconds.
        match self.account.raise_epoch(admitted.epoch()).await {
            Ok(()) | Err(store::Refusal::NoSpace) => Ok((admitted, place)),
            Err(_) => Err(Refusal::Storage),
        }
    }

    fn place(&self, work: &Work) -> Result<Place, Refusal> {
        let sessions_max = usize::try_from(self.account.limits().sessions_max);
        let (count, max) = match work {
            Work::Session {
                protocol: Protocol::Imap | Protocol::Pop3,
                ..
            } => (&self.sessions, sessions_max.unwrap_or(usize::MAX)),
            Work::Session { .. } | Work::Verify => return Err(Refusal::NoWorker),
            Work::Delivery | Work::Task => (&self.others, DELIVERIES_MAX),
        };
        Place::take(count, max).ok_or(Refusal::TooManySessions)
    }

    async fn work(&self, admitted: Admitted, place: Place, work: Work, socket: OwnedFd) {
        let nonce = admitted.nonce();
        if work == Work::Delivery {
            self.run_unsaid(admitted, work, socket).await;
        } else {
            self.tell(ToDirector::Taken { nonce });
            self.run(admitted, work, socket).await;
        }
        drop(place);
        self.tell(ToDirector::Ended { nonce });
        if self.is_idle() {
            self.may_leave();
        }
    }

    /// As [`Self::run`]; says `Taken` only if it takes long.
    async fn run_unsaid(&self, admitted: Admitted, work: Work, socket: OwnedFd) {
        let nonce = admitted.nonce();
        let running = self.run(admitted, work, socket);
        tokio::pin!(running);
        if timeout(UNSAID_MAX, &mut running).await.is_err() {
            self.tell(ToDirector::Taken { nonce });
            running.await;
        }
    }

    /// A worker whose sessions were ended for good is of no use to a next one.
    fn may_leave(&self) {
        let at_once = self.account.orders().borrow().leaving;
        self.tell(ToDirector::MayLeave { at_once });
    }

    fn hold(&self) {
        self.tell(match self.account.hold() {
            Some(hold) => ToDirector::Held { hold: Some(hold) },
            None => ToDirector::NotHeld,
        });
    }

    fn release(&self) {
        self.account.release();
        if self.is_idle() {
            self.may_leave();
        }
    }

    async fn run(&self, admitted: Admitted, work: Work, socket: OwnedFd) {
        let account = Rc::clone(&self.account);
        match work {
            Work::Session {
                protocol: Protocol::Pop3,
                utf8,
                mechanisms,
                leftover,
                ..
            } => {
                let handed = pop3::Handed {
                    principal: admitted.principal(),
                    epoch: admitted.epoch(),
                    utf8,
                    mechanisms: mechanisms.into_vec(),
                    leftover: leftover.into_vec(),
                };
                pop3::serve(account, socket, handed).await;
            }
            Work::Session { tag, leftover, .. } => {
                let handed = imap::Handed {
                    principal: admitted.principal(),
                    epoch: admitted.epoch(),
                    tag: tag.into_vec(),
                    leftover: leftover.into_vec(),
                };
                imap::serve(account, socket, handed).await;
            }
            Work::Delivery => delivery::serve(account, socket).await,
            Work::Task => task::serve(account, socket).await,
            // No ticket of a worker's lets one in.
            Work::Verify => {}
        }
    }

    /// Lets running work end, then brings the journal to rest.
    async fn leave(&self, ending: Ending, commits: JoinHandle<Result<(), Fatal>>) -> Ending {
        self.account.leave();
        // Whoever is not done by then loses nothing that was acknowledged; and
        // if `director` doesn't read its last words, it sees the process end.
        let _ = timeout(LEAVE_WAIT_MAX, self.idle()).await;
        let _ = timeout(LEAVE_WAIT_MAX, self.channel.drain()).await;
        if self.account.is_retired() {
            return ending;
        }
        self.account.tidy_up().await;
        self.account.finish();
        match commits.await {
            Ok(Ok(())) => ending,
            fatal => storage(fatal),
        }
    }

    async fn idle(&self) {
        while !self.is_idle() {
            self.over.notified().await;
        }
    }

    fn is_idle(&self) -> bool {
        self.sessions.get() == 0 && self.others.get() == 0
    }

    /// Says something; a fault shows itself to [`Self::listen`] as well.
    fn tell(&self, message: ToDirector) {
        if let Err(fault) = self.say(message) {
            tracing::warn!(%fault, "director could not be told");
        }
    }

    fn say(&self, message: ToDirector) -> Result<(), Fault> {
        self.channel.send(message)
    }
}

/// A slice's log level, as `eventlog` counts.
pub fn level(slice: &slice::Worker) -> u8 {
    slice.logging.level.number()
}

fn storage(ended: Result<Result<(), Fatal>, tokio::task::JoinError>) -> Ending {
    match ended {
        Ok(Err(fatal)) => Ending::Storage(fatal),
        Ok(Ok(())) | Err(_) => Ending::Storage(Fatal::DiskThreadGone),
    }
}
