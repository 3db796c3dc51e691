//! Births: from a sealed ticket to a running worker.
//!
//! The order must stay: the seal first, then the number's range, then the
//! directory. Before the seal is good nothing on disk is touched.

use ipc::edge::birth::{Birth, Hold};
use ipc::edge::director_broker::{BirthFailure, EPOCH_DELETED};
use ipc::edge::supervisor::Event;
use ipc::slice::Worker as WorkerSlice;
use ipc::ticket::{Grant, Kind, MasterKey, Refusal, SealedEpoch, SealedTicket, Ticket, now};
use ipc::{AccountId, Channel};
use rustix::io::Errno;
use sandbox::account::{NotOpened, make_directory, open_directory, remove_directory};
use sandbox::profile::{VERIFY, WORKER};
use sandbox::{AccountUid, Child, Newborn, Process, Profile, Program, Site, Stillborn};
use std::os::fd::{AsFd, OwnedFd};

/// No step of a birth has this number: its storage comes before.
const BEFORE_BIRTH: u16 = u16::MAX;

/// What births need.
#[derive(Debug)]
pub struct Nursery {
    /// Ids and waivers.
    pub site: Site,
    /// The store's root.
    pub store: OwnedFd,
    /// The workers' program.
    pub worker: Program,
    /// The verifiers'.
    pub verifier: Program,
    /// Standard error of both.
    pub log: OwnedFd,
    /// What account keys derive from.
    pub master: MasterKey,
    /// What every worker is told.
    pub slice: WorkerSlice,
}

/// A birth that was refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotBorn {
    /// What `director` is told.
    pub failure: BirthFailure,
    /// What the administrator is told, if it is worth a line.
    pub event: Option<Event>,
}

impl NotBorn {
    /// A refusal that the administrator needn't hear of.
    pub fn quietly(failure: BirthFailure) -> Self {
        Self {
            failure,
            event: None,
        }
    }
}

/// An account's uid; `None` where one id serves for all.
pub type Uid = Option<AccountUid>;

impl Nursery {
    /// Checks a ticket and starts the account's worker with `channel` as its fd 3.
    ///
    /// # Errors
    /// [`NotBorn`].
    pub fn bear(&self, sealed: &SealedTicket, channel: &OwnedFd) -> Result<Child, NotBorn> {
        let ticket = self.open_ticket(sealed)?;
        let grant = ticket.grant();
        if grant.kind == Kind::Verify {
            return Err(other_ticket(grant.account));
        }
        let uid = self.uid(grant.account)?;
        let directory = self.open(&ticket, uid)?;
        let record = self.record_of_worker(&ticket);
        self.begin(&WORKER, uid, &directory, channel, record)
    }

    /// Checks a ticket, and that `pair` is the socket that it names, and starts a
    /// verifier with that as its fd 3. It gets no key, so nobody checks after us.
    ///
    /// # Errors
    /// [`NotBorn`].
    pub fn bear_verifier(
        &self,
        sealed: &SealedTicket,
        hold: Option<Hold>,
        pair: &OwnedFd,
    ) -> Result<Child, NotBorn> {
        let ticket = self.open_ticket(sealed)?;
        let Grant {
            account,
            kind,
            cookie,
            may_create,
            ..
        } = *ticket.grant();
        if kind != Kind::Verify || ipc::socket::check_task(pair, cookie).is_err() {
            return Err(other_ticket(account));
        }
        let uid = self.uid(account)?;
        let directory = open_directory(self.store.as_fd(), account.0, uid).map_err(|why| {
            // An account that was never used has none, and that is no event.
            let expected = why == NotOpened::Missing && may_create;
            let not_born = no_storage(account, why);
            NotBorn {
                event: not_born.event.filter(|_| !expected),
                ..not_born
            }
        })?;
        let record = Birth::Verifier { account, hold };
        self.begin(&VERIFY, uid, &directory, pair, record)
    }

    fn open_ticket(&self, sealed: &SealedTicket) -> Result<Ticket, NotBorn> {
        let account = sealed.claim.account;
        let key = self.master.account_key(account);
        key.open(sealed, now())
            .map_err(|refusal| bad_ticket(account, refusal))
    }

    /// Brings a child into the account's directory, with its record to read.
    fn begin(
        &self,
        profile: &'static Profile,
        uid: Uid,
        directory: &OwnedFd,
        channel: &OwnedFd,
        record: Birth,
    ) -> Result<Child, NotBorn> {
        let (Birth::Worker { account, .. } | Birth::Verifier { account, .. }) = record;
        let record = left_to_read(record).map_err(|errno| kernel(account, BEFORE_BIRTH, errno))?;
        let program = match profile.process {
            Process::Verify => &self.verifier,
            _ => &self.worker,
        };
        let null = rustix::stdio::stdin();
        let descriptors = [
            null,
            null,
            self.log.as_fd(),
            channel.as_fd(),
            record.as_fd(),
        ];
        Newborn::of_account(
            profile,
            self.site,
            uid,
            directory.as_fd(),
            program,
            &descriptors,
        )
        .spawn()
        .map_err(|stillborn| not_born(account, stillborn))
    }

    /// The uid of an account.
    ///
    /// # Errors
    /// [`BirthFailure::OutOfRange`] beyond the configured range.
    pub fn uid(&self, account: AccountId) -> Result<Uid, NotBorn> {
        let Some(ranges) = self.site.ranges() else {
            return Ok(None);
        };
        let uid = ranges.account(account.0).map(Some);
        uid.ok_or(NotBorn::quietly(BirthFailure::OutOfRange))
    }

    /// Removes the directory of an account that `auth` has deleted. An account
    /// that never had one counts as removed.
    pub fn remove(&self, sealed: &SealedEpoch) -> bool {
        let key = self.master.account_key(sealed.account);
        key.open_epoch(sealed) == Ok(EPOCH_DELETED)
            && matches!(
                remove_directory(self.store.as_fd(), sealed.account.0),
                Ok(()) | Err(Errno::NOENT)
            )
    }

    /// Opens the account's directory, which is made only if the ticket says that
    /// there never was one.
    fn open(&self, ticket: &Ticket, uid: Uid) -> Result<OwnedFd, NotBorn> {
        let account = ticket.grant().account;
        let open = || open_directory(self.store.as_fd(), account.0, uid);
        match open() {
            Err(NotOpened::Missing) if ticket.grant().may_create => {
                make_directory(self.store.as_fd(), account.0, uid)
                    .map_err(|stillborn| not_born(account, stillborn))?;
                rustix::fs::fsync(&self.store)
                    .map_err(|errno| kernel(account, BEFORE_BIRTH, errno))?;
                open().map_err(|not_opened| no_storage(account, not_opened))
            }
            opened => opened.map_err(|not_opened| no_storage(account, not_opened)),
        }
    }

    fn record_of_worker(&self, ticket: &Ticket) -> Birth {
        let account = ticket.grant().account;
        Birth::Worker {
            account,
            key: self.master.account_key(account).dangerous_key_bytes(),
            slice: self.slice.clone(),
            created: ticket.grant().may_create,
        }
    }
}

/// One end of a channel in which the birth record waits, and nothing else.
fn left_to_read(record: Birth) -> Result<OwnedFd, Errno> {
    let (near, far) = ipc::channel::pair()?;
    let mut near =
        Channel::<Birth, ipc::edge::birth::ToBroker>::adopt(near).map_err(|_| Errno::IO)?;
    near.send(record).map_err(|_| Errno::IO)?;
    Ok(far)
}

/// A good ticket on what it was not minted for: somebody lies.
fn other_ticket(account: AccountId) -> NotBorn {
    NotBorn {
        failure: BirthFailure::OtherTicket,
        event: Some(Event::ForgedTicket { account: account.0 }),
    }
}

fn bad_ticket(account: AccountId, refusal: Refusal) -> NotBorn {
    let forged = (refusal == Refusal::Forged).then_some(Event::ForgedTicket { account: account.0 });
    NotBorn {
        failure: BirthFailure::BadTicket,
        event: forged,
    }
}

fn no_storage(account: AccountId, not_opened: NotOpened) -> NotBorn {
    let event = match not_opened {
        NotOpened::Failed(errno) => Event::BirthFailed {
            account: account.0,
            step: BEFORE_BIRTH,
            errno: errno.raw_os_error(),
        },
        NotOpened::Missing | NotOpened::NotTheAccounts => {
            Event::ForeignDirectory { account: account.0 }
        }
    };
    NotBorn {
        failure: BirthFailure::NoStorage,
        event: Some(event),
    }
}

fn not_born(account: AccountId, stillborn: Stillborn) -> NotBorn {
    kernel(account, stillborn.step as u16, stillborn.errno)
}

fn kernel(account: AccountId, step: u16, errno: Errno) -> NotBorn {
    let event = Event::BirthFailed {
        account: account.0,
        step,
        errno: errno.raw_os_error(),
    };
    NotBorn {
        failure: BirthFailure::Kernel,
        event: Some(event),
    }
}

#[cfg(test)]
#[path = "nursery_tests.rs"]
mod tests;
