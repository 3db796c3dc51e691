//! The account as its sessions share it: the store, the way to the disk, and
//! what they all have to know.
//!
//! Invariants: one thread, so state is in `RefCell`s, and no borrow lives across
//! an await; whoever reads the store sees only what is durable; a change is
//! answered only when its batch has been synced.

mod chores;
mod commits;
mod health;
mod hold;
mod loading;
mod seats;
mod upkeep;

pub use commits::Fatal;
pub use seats::Seat;

use crate::body::Bodies;
use crate::cache::Cache;
use crate::cache::gists::Records;
use crate::cache::threads::Map;
use crate::clock;
use crate::damage::Damage;
use crate::disk::{DiskThread, Gone};
use crate::holding::Holding;
use crate::pop3::Lengths;
use crate::scrub::Rounds;
use crate::shapes::Shapes;
use crate::suspects::Suspects;
use commits::Commits;
use ipc::slice::{self, MessageLimits};
use ipc::{AccountId, Epoch};
use loading::Unreadable;
use seats::Seats;
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;
use store::{MailboxHandle, MessageId, Outcome, QuotaLimits, Refusal, Resource, Store, Ticket};
use tokio::sync::{Mutex, MutexGuard, Notify, RwLock, RwLockReadGuard, futures::Notified, watch};

/// What every session must obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orders {
    /// The process is about to end: say BYE.
    pub leaving: bool,
    /// Sessions of lower epochs end.
    pub epoch: Epoch,
}

/// Limits from the configuration, as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the largest letter that APPEND takes.
    pub message_bytes_max: u64,
    /// Seconds that a session may be silent.
    pub idle_seconds: u32,
    /// IMAP sessions at once.
    pub sessions_max: u32,
    /// Seconds from one POP3 login to the next; 0: as one likes.
    pub pop3_login_delay_seconds: u32,
    /// How late a change of flags may be synced.
    pub flag_sync: Duration,
    /// IMAP: messages of one command.
    pub messages: MessageLimits,
    /// What the account may keep if it has no quota of its own.
    pub quota: QuotaLimits,
}

impl From<&slice::Worker> for Limits {
    fn from(slice: &slice::Worker) -> Self {
        Self {
            message_bytes_max: slice.message_bytes_max,
            idle_seconds: slice.idle_seconds,
            sessions_max: slice.sessions_max,
            pop3_login_delay_seconds: slice.pop3_login_delay_seconds,
            flag_sync: Duration::from_millis(slice.flag_sync_millis.into()),
            messages: slice.message_limits,
            quota: quota(slice.quota),
        }
    }
}

/// A quota of the configuration, as the store counts it.
pub fn quota(quota: slice::Quota) -> QuotaLimits {
    QuotaLimits {
        bytes: quota.bytes,
        messages: quota.messages,
        mailboxes: quota.mailboxes,
    }
}

/// What the mail thread reads letters with.
pub struct Reading {
    /// Their bytes, as far as they are in memory.
    pub bodies: Box<dyn Bodies>,
    /// What is known of them.
    pub records: Box<dyn Records>,
    /// Which belong together.
    pub threads: Box<dyn Map>,
    /// Those that may kill their reader.
    pub suspects: Suspects,
    /// Those that are damaged.
    pub damage: Damage,
    /// How far all of it was read for its own sake.
    pub rounds: Rounds,
    /// How many octets POP3 sends of each.
    pub lengths: Lengths,
}

/// One account; every task has an `Rc` of it.
pub struct Account {
    id: AccountId,
    store: RefCell<Store>,
    disk: DiskThread,
    commits: Commits,
    /// Held for writing by a change of the mailbox tree, which the store wants
    /// alone, else for reading: fair, so that neither kind starves the other.
    tree: RwLock<()>,
    orders: watch::Sender<Orders>,
    limits: Cell<Limits>,
    notice: RefCell<slice::Notice>,
    retired: Cell<bool>,
    /// Whether a verifier reads.
    held: Cell<bool>,
    bodies: Box<dyn Bodies>,
    shapes: RefCell<Shapes>,
    cache: Cache,
    suspects: Suspects,
    rounds: Rounds,
    holding: Holding,
    seats: Rc<Seats>,
    unreadable: Unreadable,
    damage: Damage,
    lengths: Lengths,
    ailing: Notify,
    /// Held by whoever does upkeep.
    upkeep: Mutex<()>,
    /// Held by whoever sorts.
    sorting: Mutex<()>,
    /// How often sessions turned to the store.
    #[cfg(test)]
    calls: Cell<u64>,
}

impl Account {
    /// An account whose store has been opened.
    pub fn new(
        id: AccountId,
        store: Store,
        disk: DiskThread,
        reading: Reading,
        limits: Limits,
    ) -> Rc<Self> {
        let orders = Orders {
            leaving: false,
            epoch: Epoch(store.epoch()),
        };
        let account = Rc::new(Self {
            id,
            store: RefCell::new(store),
            disk,
            commits: Commits::default(),
            tree: RwLock::new(()),
            orders: watch::channel(orders).0,
            limits: Cell::new(limits),
            notice: RefCell::default(),
            retired: Cell::new(false),
            held: Cell::new(false),
            bodies: reading.bodies,
            suspects: reading.suspects,
            rounds: reading.rounds,
            shapes: RefCell::default(),
            cache: Cache::new(reading.records, reading.threads),
            holding: Holding::default(),
            seats: Rc::default(),
            unreadable: Unreadable::default(),
            damage: reading.damage,
            lengths: reading.lengths,
            ailing: Notify::new(),
            upkeep: Mutex::default(),
            sorting: Mutex::default(),
            #[cfg(test)]
            calls: Cell::new(0),
        });
        account.set_limits(limits);
        account
    }

    /// Which account.
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// The store, to read. Never keep it across an await.
    pub fn store(&self) -> Ref<'_, Store> {
        #[cfg(test)]
        self.count_call();
        self.store.borrow()
    }

    /// The store, to reserve numbers. Never keep it across an await.
    pub fn store_mut(&self) -> RefMut<'_, Store> {
        self.store.borrow_mut()
    }

    /// The disk thread.
    pub fn disk(&self) -> &DiskThread {
        &self.disk
    }

    /// The bytes of letters, as far as they are in memory.
    pub fn bodies(&self) -> &dyn Bodies {
        &*self.bodies
    }

    /// Shapes of letters that were looked into lately.
    pub fn shapes(&self) -> RefMut<'_, Shapes> {
        self.shapes.borrow_mut()
    }

    /// What letters are known to say, and which belong together.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Letters that may kill their reader.
    pub fn suspects(&self) -> &Suspects {
        &self.suspects
    }

    /// Whether nothing speaks against looking into a letter.
    pub fn trusts(&self, letter: MessageId) -> bool {
        let is_doubtful = self.damage.has(letter) || self.damage.doubts(letter);
        !is_doubtful && !self.suspects.is_suspect(letter)
    }

    /// Waits until no other session sorts.
    pub async fn turn_to_sort(&self) -> MutexGuard<'_, ()> {
        self.sorting.lock().await
    }

    /// Room in memory for letters that come in.
    pub fn holding(&self) -> &Holding {
        &self.holding
    }

    /// The limits, as they are now.
    pub fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// New limits.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.set(limits);
        self.commits.set_flag_sync(limits.flag_sync);
        self.store_mut().set_default_quota(limits.quota);
    }

    /// What the server says of itself.
    pub fn notice(&self) -> Ref<'_, slice::Notice> {
        self.notice.borrow()
    }

    /// The server says something else of itself.
    pub fn set_notice(&self, notice: &slice::Notice) {
        self.notice.replace(notice.clone());
    }

    /// A seat in a mailbox, which stays loaded as long as it is held.
    pub fn sit_down(&self, mailbox: &MailboxHandle) -> Seat {
        self.seats.take(mailbox)
    }

    /// Whether there is room for one more message of this size, before anybody
    /// takes the trouble to send it. The store looks again.
    ///
    /// # Errors
    /// `OverQuota`.
    pub fn check_room(&self, bytes: u64, frees: Option<u64>) -> Result<(), Refusal> {
        let store = self.store();
        let (usage, quota) = (store.usage(), store.quota());
        let beyond = |used: u64, more: u64, max: Option<u64>| {
            more > 0 && max.is_some_and(|max| used.saturating_add(more) > max)
        };
        let more = bytes.saturating_sub(frees.unwrap_or_default());
        if beyond(usage.bytes, more, quota.bytes) {
            Err(Refusal::OverQuota(Resource::Bytes))
        } else if beyond(usage.messages, u64::from(frees.is_none()), quota.messages) {
            Err(Refusal::OverQuota(Resource::Messages))
        } else {
            Ok(())
        }
    }

    /// Letters that were found damaged.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// How many octets POP3 sends of each message.
    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// What sessions must obey, and a way to hear of changes.
    pub fn orders(&self) -> watch::Receiver<Orders> {
        self.orders.subscribe()
    }

    /// Tells every session to end.
    pub fn leave(&self) {
        self.orders.send_modify(|orders| orders.leaving = true);
    }

    /// Tells every session to end, for ever: the account is being emptied.
    pub fn retire(&self) {
        self.retired.set(true);
        self.leave();
    }

    /// Whether the account is being emptied: then nothing is written any more.
    pub fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// A change of messages or subscriptions: prepared now, answered when it is
    /// durable (or refused).
    ///
    /// # Errors
    /// [`Refusal`], and nothing has changed.
    pub async fn change(
        &self,
        prepare: impl FnMut(&mut Store) -> Result<Ticket, Refusal>,
    ) -> Result<Outcome, Refusal> {
        let _tree = self.tree.read().await;
        self.commit(prepare).await
    }

    /// A change of the mailbox tree, which happens alone.
    ///
    /// # Errors
    /// [`Refusal`], and nothing has changed.
    pub async fn change_tree(
        &self,
        prepare: impl FnMut(&mut Store) -> Result<Ticket, Refusal>,
    ) -> Result<Outcome, Refusal> {
        let _tree = self.tree.write().await;
        self.commit(prepare).await
    }

    /// While this is held no mailbox is made, removed or renamed, and no name
    /// subscribed or unsubscribed.
    pub async fn keep_tree(&self) -> RwLockReadGuard<'_, ()> {
        self.tree.read().await
    }

    /// Journals a raised epoch and ends the sessions below it.
    ///
    /// # Errors
    /// [`Refusal`]: it could not be journalled. Sessions are ended nevertheless.
    pub async fn raise_epoch(&self, epoch: Epoch) -> Result<(), Refusal> {
        if epoch.0 <= self.store().epoch() || self.is_retired() {
            return Ok(());
        }
        self.orders
            .send_modify(|orders| orders.epoch = orders.epoch.max(epoch));
        self.change(|store| store.raise_epoch(epoch.0)).await?;
        Ok(())
    }

    /// The highest epoch seen: journalled, or about to be.
    pub fn epoch(&self) -> Epoch {
        self.orders.borrow().epoch
    }

    /// Resolves when anything in the store has changed after this call.
    pub fn changed(&self) -> Notified<'_> {
        self.commits.settled()
    }

    /// Brings changes to the disk until [`Self::finish`] has been called and
    /// nothing is left to write.
    ///
    /// # Errors
    /// [`Fatal`]: nothing more can be acknowledged; end the process.
    pub async fn run_commits(&self) -> Result<(), Fatal> {
        self.commits.run(&self.store, &self.disk).await?;
        // No letter is blamed for the end of a worker that ends in peace.
        Ok(self.disk.catch_up().await?)
    }

    /// Resolves when everything that was answered is on the disk, changes of
    /// flags among it.
    pub async fn sync(&self) {
        self.commits.sync(&self.store).await;
    }

    /// Lets [`Self::run_commits`] end, with a quiet record, so that all that was
    /// acknowledged lies below a durable LSN that the journal names.
    pub fn finish(&self) {
        self.commits.finish();
    }

    /// How often anybody turned to the store.
    #[cfg(test)]
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    #[cfg(test)]
    fn count_call(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    async fn commit(
        &self,
        mut prepare: impl FnMut(&mut Store) -> Result<Ticket, Refusal>,
    ) -> Result<Outcome, Refusal> {
        loop {
            let settled = self.commits.settled();
            #[cfg(test)]
            self.count_call();
            let prepared = {
                let mut store = self.store.borrow_mut();
                store.tell_time(clock::seconds());
                prepare(&mut store)
            };
            match prepared {
                Ok(ticket) => return self.commits.wait(ticket).await,
                Err(Refusal::Busy) => settled.await,
                Err(refusal) => return Err(refusal),
            }
        }
    }
}

impl From<Gone> for Fatal {
    fn from(Gone: Gone) -> Self {
        Self::DiskThreadGone
    }
}
