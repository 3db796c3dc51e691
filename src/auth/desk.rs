//! What `auth` decides, without a socket, a thread or a clock: messages come in
//! with the time and the channel that they came on, and [`Act`]s come out.
//!
//! Invariants: nothing that depends on a change is said before the change is
//! durable; a ticket is with `director` before its asker hears of it; every
//! question is answered once, unless its asker has gone.
//!
//! | file | for |
//! |---|---|
//! | [`attempts`] | `login`: credentials |
//! | [`exchanges`] | `login`: SCRAM and EXTERNAL |
//! | [`recipients`] | `lmtp`: addresses |
//! | [`accounts`] | `control`: the table |

mod accounts;
mod attempts;
mod exchanges;
mod recipients;

use crate::facts;
use crate::hashing::{Job, Outcome, Work};
use crate::ledger::{Ledger, NotDurable};
use crate::logins::Logins;
use crate::names::Domains;
use crate::penalty::Penalties;
use crate::remembered::Remembered;
use crate::table::{Account, Change};
use crate::verifier::Cost;
use accounts::{Decision, Then};
use attempts::{Attempt, Stage};
use ipc::edge::auth_director::{ToAuth as FromDirector, ToDirector};
use ipc::edge::director_broker::EPOCH_DELETED;
use ipc::edge::{control_auth, front_auth, lmtp_auth, login_auth};
use ipc::ticket::{Grant, Kind, MasterKey, SealedStorage, SealedTicket, TICKET_SECONDS_MAX};
use ipc::{AccountId, Cookie, Instance, Nonce, slice};
use journal::disk::Disk;
use std::collections::{BTreeMap, HashMap};

/// Emptied accounts that a new `director` is told of at once; each that it confirms
/// brings the next. Its channel's queue has room for more
/// ([`ipc::channel::QUEUE_MESSAGES_MAX`]).
const RETOLD_MAX: usize = 64;

/// What is to be done.
#[derive(Debug)]
pub enum Act {
    /// Answer on a channel to a `login`.
    Login(Instance, login_auth::ToLogin),
    /// Answer on a channel to `lmtp`.
    Lmtp(Instance, lmtp_auth::ToLmtp),
    /// Answer on a channel to `control`.
    Control(Instance, control_auth::ToControl),
    /// Tell `director`.
    Director(ToDirector),
    /// Have this hashed; then [`Desk::hashed`] or [`Desk::no_room`].
    Hash {
        job: Job,
        work: Work,
        for_admin: bool,
    },
}

/// What a peer did that ends its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    /// It began under a nonce that is still open.
    NonceIsOpen,
    /// It answered, or gave up, a challenge that nobody gave.
    NoChallenge,
    /// It has more open questions than it can have clients.
    TooManyQuestions,
    /// Its facts contradict others.
    Facts(facts::Misdeed),
}

/// What is drawn at start and never told.
pub struct Keys {
    /// Seals tickets.
    pub master: MasterKey,
    /// Marks successes.
    pub remembered: [u8; 32],
    /// Marks names that failed.
    pub penalties: [u8; 32],
    /// Makes the keys of names that nobody has, if the table has none for that yet.
    pub decoys: [u8; 32],
}

/// What the slice says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    domains: Domains,
    cost: Cost,
    remember_seconds: u32,
    failures_before_delay: u32,
    pop3_login_delay_seconds: u32,
    external: bool,
}

impl Rules {
    /// Checks a slice.
    ///
    /// # Errors
    /// The reason, for the administrator.
    pub fn new(slice: &slice::Auth) -> Result<Self, &'static str> {
        Ok(Self {
            domains: Domains::new(slice)?,
            cost: Cost::new(slice)?,
            remember_seconds: slice.remember_seconds,
            failures_before_delay: slice.failures_before_delay,
            pop3_login_delay_seconds: slice.pop3_login_delay_seconds,
            external: slice.external,
        })
    }
}

/// See the module.
pub struct Desk<D: Disk> {
    rules: Rules,
    ledger: Ledger<D>,
    /// The last account id that has a uid.
    last_id: u32,
    master: MasterKey,
    facts: facts::Table,
    penalties: Penalties,
    remembered: Remembered,
    pop3_logins: Logins,
    /// Whether there is a `director`.
    director: bool,
    /// The last emptied account that it was told of again.
    retold: Option<AccountId>,
    next_job: Job,
    hashing: HashMap<Job, Hashing>,
    /// Makes the keys of names that nobody has.
    decoys: [u8; 32],
    /// Each `login`'s dialogues, by their nonces.
    open: HashMap<Instance, HashMap<Nonce, Stage>>,
    /// Failures whose answer waits, by when it is due.
    delayed: BTreeMap<(u64, Job), Attempt>,
    decided: Vec<Decision>,
    acts: Vec<Act>,
}

/// Whom a hash is for.
enum Hashing {
    Attempt(Attempt),
    Admin(Then),
}

impl<D: Disk> Desk<D> {
    /// Opens for business, without any peer.
    #[must_use]
    pub fn new(rules: Rules, mut ledger: Ledger<D>, last_id: u32, keys: Keys) -> Self {
        let decoys = ledger.table().decoys().unwrap_or(keys.decoys);
        if ledger.table().decoys().is_none() {
            // Before anything is answered it is durable, as every change.
            ledger.stage(Change::Decoys { key: Some(decoys) });
        }
        Self {
            penalties: Penalties::new(keys.penalties, rules.failures_before_delay),
            remembered: Remembered::new(keys.remembered, rules.remember_seconds),
            pop3_logins: Logins::new(rules.pop3_login_delay_seconds),
            rules,
            ledger,
            last_id,
            master: keys.master,
            facts: facts::Table::default(),
            director: false,
            retold: None,
            next_job: 0,
            hashing: HashMap::new(),
            decoys,
            open: HashMap::new(),
            delayed: BTreeMap::new(),
            decided: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// New rules.
    pub fn apply(&mut self, rules: Rules) {
        self.penalties.set_free(rules.failures_before_delay);
        self.remembered.set_seconds(rules.remember_seconds);
        self.pop3_logins.set_seconds(rules.pop3_login_delay_seconds);
        self.rules = rules;
    }

    /// There is a new `director`, which has to be told of the directories that its
    /// predecessor may not have seen removed.
    pub fn director_has_come(&mut self) {
        self.director = true;
        self.retold = None;
        for _ in 0..RETOLD_MAX {
            self.retell();
        }
    }

    /// There is none.
    pub fn director_has_gone(&mut self) {
        self.director = false;
    }

    /// A peer has gone, or has a new channel: what it has asked or told is void.
    pub fn gone(&mut self, who: Instance) {
        self.open.remove(&who);
        self.facts.forget(who);
    }

    /// A `front` tells facts.
    ///
    /// # Errors
    /// A [`Misdeed`]: end its channel.
    pub fn front(&mut self, who: Instance, message: front_auth::Facts) -> Result<(), Misdeed> {
        self.facts.hear(who, message).map_err(Misdeed::Facts)
    }

    /// `director` tells what became of what it was told.
    pub fn director_tells(&mut self, message: &FromDirector) {
        match message {
            FromDirector::StorageMade { storage } => self.storage_made(storage),
            FromDirector::EpochRaised {
                account,
                epoch: EPOCH_DELETED,
            } => self.directory_removed(*account),
            FromDirector::EpochRaised { account, epoch } => {
                tracing::debug!(
                    account = account.0,
                    epoch = epoch.0,
                    "sessions of lower epochs have ended"
                );
            }
        }
    }

    /// A hash is done.
    pub fn hashed(&mut self, now: u64, job: Job, outcome: Outcome) {
        match self.hashing.remove(&job) {
            Some(Hashing::Attempt(attempt)) => self.verified(now, attempt, outcome),
            Some(Hashing::Admin(then)) => self.hashed_for_admin(then, outcome),
            None => (),
        }
    }

    /// There was no room for a hash.
    pub fn no_room(&mut self, job: Job) {
        match self.hashing.remove(&job) {
            Some(Hashing::Attempt(attempt)) => {
                self.reject(&attempt, login_auth::Rejection::Unavailable)
            }
            Some(Hashing::Admin(then)) => {
                self.refuse(then.whose, control_auth::Refusal::Unavailable)
            }
            None => (),
        }
    }

    /// When the next delayed answer is due.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.delayed.first_key_value().map(|((due, _), _)| *due)
    }

    /// Makes durable what was decided, and gives what is to be done. Afterwards
    /// nothing waits but hashes and delayed answers.
    ///
    /// # Errors
    /// The process must end, with nothing said of what was decided.
    pub fn settle(&mut self) -> Result<Vec<Act>, NotDurable> {
        self.commit()?;
        Ok(std::mem::take(&mut self.acts))
    }

    /// Names what is durable, before a clean end.
    pub fn leave(&mut self) {
        self.ledger.leave();
    }

    fn hash(&mut self, work: Work, whom: Hashing) {
        let job = self.next_job;
        self.next_job = job.wrapping_add(1);
        let for_admin = matches!(whom, Hashing::Admin(_));
        self.hashing.insert(job, whom);
        self.acts.push(Act::Hash {
            job,
            work,
            for_admin,
        });
    }

    /// The directory exists, so no ticket may make it again.
    fn storage_made(&mut self, storage: &SealedStorage) {
        let account = storage.account;
        if self
            .master
            .account_key(account)
            .open_storage(storage)
            .is_err()
        {
            return tracing::error!(account = account.0, "a store was made that has no seal");
        }
        if let Some(known) = self
            .ledger
            .table()
            .get(account)
            .filter(|known| !known.storage_made)
        {
            let account = Account {
                storage_made: true,
                ..known.clone()
            };
            self.ledger.stage(Change::Put { account });
        }
    }

    /// A ticket for one socket. `None` only if we are wrong about whose key it
    /// is.
    fn mint(
        &self,
        now: u64,
        kind: Kind,
        account: &Account,
        nonce: Nonce,
        cookie: Cookie,
    ) -> Option<SealedTicket> {
        let expires = now.checked_div(1000)?.saturating_add(TICKET_SECONDS_MAX);
        self.master.account_key(account.id).seal(Grant {
            kind,
            account: account.id,
            epoch: account.epoch,
            principal: account.id,
            rights: u32::MAX,
            nonce,
            cookie,
            expires,
            may_create: !account.storage_made,
        })
    }
}

#[cfg(test)]
pub mod tests;
