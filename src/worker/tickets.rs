//! Who may come in: the last look at a ticket, by the process that it opens.
//!
//! `director` brings ticket and socket together, and may lie. So everything is
//! checked here again: the seal (with this account's key alone), the time, the
//! kind, the epoch, the cookie of the very descriptor that came, and that the
//! ticket was not used before. Nothing is served without an [`Admitted`], which
//! only [`Gate::admit`] makes.

use ipc::edge::handover::{Refusal, Work};
use ipc::socket::NotASession;
use ipc::ticket::{AccountKey, Grant, Kind, SealedEpoch, SealedStorage, SealedTicket};
use ipc::{AccountId, Epoch, Nonce};
use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;

/// Tickets remembered so that none is used twice. One is forgotten when it
/// expires (20 s), so this is 400 arrivals each second for one account, which
/// only somebody who means harm would bring.
pub const REMEMBERED_MAX: usize = 8192;

/// The rights in an owner's ticket: all, also those that RFC 4314 doesn't know yet.
const OWNERS_RIGHTS: u32 = u32::MAX;

/// Why a ticket was turned away. Each is `director`'s fault, or that of whoever
/// it got the ticket from; only `Expired`, `OldEpoch` and `Crowded` happen
/// between honest processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// The seal is not of this account's key.
    Forged,
    /// Its time is over.
    Expired,
    /// It was minted for another kind of work.
    OtherKind,
    /// It was minted before the account's tickets were last revoked.
    OldEpoch,
    /// The descriptor is not the socket that the ticket names.
    OtherSocket(NotASession),
    /// It has been used.
    Replayed,
    /// It acts for another account, and mailboxes are not shared yet.
    OtherPrincipal,
    /// It grants less than the owner's rights, and nothing here could hold a
    /// session to that yet.
    FewerRights,
    /// Too many tickets came within their lifetime.
    Crowded,
}

impl Turned {
    /// What `director` is told.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Crowded => Refusal::TooManySessions,
            _ => Refusal::BadTicket,
        }
    }
}

/// A grant that has passed every check; its nonce is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted(Grant);

impl Admitted {
    /// The number under which `director` hears of it.
    pub fn nonce(self) -> Nonce {
        self.0.nonce
    }

    /// Who acts.
    pub fn principal(self) -> AccountId {
        self.0.principal
    }

    /// The epoch of the ticket: a session ends when the account's rises above.
    pub fn epoch(self) -> Epoch {
        self.0.epoch
    }
}

/// Checks tickets. Invariant: holds at most [`REMEMBERED_MAX`] nonces, each
/// until its ticket has expired.
pub struct Gate {
    account: AccountId,
    key: AccountKey,
    used: BTreeSet<(u64, [u8; 16])>,
}

impl Gate {
    /// A gate for one account, whose key `broker` gave at birth.
    pub fn new(account: AccountId, key: AccountKey) -> Self {
        Self {
            account,
            key,
            used: BTreeSet::new(),
        }
    }

    /// Lets one socket in at the time `now` (seconds of CLOCK_BOOTTIME), or
    /// says why not. `lowest` is the highest epoch seen so far.
    ///
    /// # Errors
    /// [`Turned`]; the ticket is then not used up, so that a `director` that
    /// puts a foreign socket on it can't spoil it for its owner.
    pub fn admit(
        &mut self,
        sealed: &SealedTicket,
        work: &Work,
        socket: BorrowedFd<'_>,
        lowest: Epoch,
        now: u64,
    ) -> Result<Admitted, Turned> {
        let ticket = self.key.open(sealed, now).map_err(Turned::from)?;
        let grant = *ticket.grant();
        if !fits(grant.kind, work) {
            return Err(Turned::OtherKind);
        }
        if grant.principal != self.account {
            return Err(Turned::OtherPrincipal);
        }
        if grant.rights != OWNERS_RIGHTS {
            return Err(Turned::FewerRights);
        }
        if grant.epoch < lowest {
            return Err(Turned::OldEpoch);
        }
        check_socket(work, socket, grant).map_err(Turned::OtherSocket)?;
        self.use_up(&grant, now)?;
        Ok(Admitted(grant))
    }

    /// Our word that there is a store.
    pub fn seal_storage(&self) -> SealedStorage {
        self.key.seal_storage()
    }

    /// The epoch that `auth` has sealed, if it has.
    pub fn open_epoch(&self, sealed: &SealedEpoch) -> Option<Epoch> {
        self.key.open_epoch(sealed).ok()
    }

    fn use_up(&mut self, grant: &Grant, now: u64) -> Result<(), Turned> {
        self.used = self.used.split_off(&(now, [0; 16]));
        if self.used.len() >= REMEMBERED_MAX {
            return Err(Turned::Crowded);
        }
        if self.used.insert((grant.expires, grant.nonce.0)) {
            Ok(())
        } else {
            Err(Turned::Replayed)
        }
    }
}

impl From<ipc::ticket::Refusal> for Turned {
    fn from(refusal: ipc::ticket::Refusal) -> Self {
        match refusal {
            ipc::ticket::Refusal::Forged => Self::Forged,
            ipc::ticket::Refusal::Expired => Self::Expired,
        }
    }
}

fn fits(kind: Kind, work: &Work) -> bool {
    match work {
        Work::Session { .. } => kind == Kind::Session,
        Work::Delivery => kind == Kind::Delivery,
        Work::Task => kind == Kind::Admin,
        Work::Verify => false,
    }
}

fn check_socket(work: &Work, socket: BorrowedFd<'_>, grant: Grant) -> Result<(), NotASession> {
    match work {
        Work::Session { .. } => ipc::socket::check_session(socket, grant.cookie),
        Work::Delivery | Work::Task | Work::Verify => ipc::socket::check_task(socket, grant.cookie),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::ticket::{KEY_BYTES, MasterKey};
    use ipc::{Cookie, Secret};
    use std::os::fd::{AsFd, OwnedFd};

    const ACCOUNT: AccountId = AccountId(7);
    const LOWEST: Epoch = Epoch(3);
    const NOW: u64 = 100;

    fn key(account: AccountId) -> AccountKey {
        let master = MasterKey::new(Secret::from_array([5; KEY_BYTES])).unwrap();
        master.account_key(account)
    }

    fn gate() -> Gate {
        Gate::new(ACCOUNT, key(ACCOUNT))
    }

    /// A task's socket and a grant for it.
    fn good() -> (OwnedFd, Grant) {
        let (socket, _) = ipc::channel::pair().unwrap();
        let grant = Grant {
            kind: Kind::Delivery,
            account: ACCOUNT,
            epoch: LOWEST,
            principal: ACCOUNT,
            rights: OWNERS_RIGHTS,
            nonce: Nonce([1; 16]),
            cookie: ipc::socket::cookie(&socket).unwrap(),
            expires: NOW + 20,
            may_create: false,
        };
        (socket, grant)
    }

    fn admit(gate: &mut Gate, grant: Grant, socket: &OwnedFd) -> Result<Admitted, Turned> {
        let sealed = key(ACCOUNT).seal(grant).unwrap();
        gate.admit(&sealed, &Work::Delivery, socket.as_fd(), LOWEST, NOW)
    }

    #[test]
    fn a_good_ticket_admits_its_socket_exactly_once() {
        let (socket, grant) = good();
        let mut gate = gate();
        assert_eq!(admit(&mut gate, grant, &socket), Ok(Admitted(grant)));
        assert_eq!(admit(&mut gate, grant, &socket), Err(Turned::Replayed));
    }

    #[test]
    fn each_lie_is_turned_away_by_its_name() {
        let (socket, good) = good();
        let lies = [
            (
                Grant {
                    kind: Kind::Session,
                    ..good
                },
                Turned::OtherKind,
            ),
            (
                Grant {
                    epoch: Epoch(2),
                    ..good
                },
                Turned::OldEpoch,
            ),
            (
                Grant {
                    expires: NOW,
                    ..good
                },
                Turned::Expired,
            ),
            (
                Grant {
                    principal: AccountId(8),
                    ..good
                },
                Turned::OtherPrincipal,
            ),
            (
                Grant {
                    rights: u32::MAX >> 1,
                    ..good
                },
                Turned::FewerRights,
            ),
            (
                Grant {
                    cookie: Cookie(0),
                    ..good
                },
                Turned::OtherSocket(NotASession::OtherCookie),
            ),
        ];
        for (lie, expected) in lies {
            assert_eq!(admit(&mut gate(), lie, &socket), Err(expected));
        }
    }

    #[test]
    fn another_accounts_ticket_is_forged_here() {
        let (socket, grant) = good();
        let sealed = key(AccountId(8))
            .seal(Grant {
                account: AccountId(8),
                ..grant
            })
            .unwrap();
        let turned = gate().admit(&sealed, &Work::Delivery, socket.as_fd(), LOWEST, NOW);
        assert_eq!(turned, Err(Turned::Forged));
    }

    #[test]
    fn a_delivery_ticket_opens_no_admin_task() {
        let (socket, grant) = good();
        let sealed = key(ACCOUNT).seal(grant).unwrap();
        let turned = gate().admit(&sealed, &Work::Task, socket.as_fd(), LOWEST, NOW);
        assert_eq!(turned, Err(Turned::OtherKind));
    }

    #[test]
    fn a_ticket_brought_with_a_foreign_socket_is_not_used_up() {
        let (socket, grant) = good();
        let (foreign, _) = ipc::channel::pair().unwrap();
        let mut gate = gate();
        assert!(admit(&mut gate, grant, &foreign).is_err());
        assert!(admit(&mut gate, grant, &socket).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_when_it_expires() {
        let (socket, grant) = good();
        let mut gate = gate();
        for number in 0..REMEMBERED_MAX {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&number.to_le_bytes());
            admit(
                &mut gate,
                Grant {
                    nonce: Nonce(nonce),
                    ..grant
                },
                &socket,
            )
            .unwrap();
        }
        let fresh = Grant {
            nonce: Nonce([255; 16]),
            ..grant
        };
        assert_eq!(admit(&mut gate, fresh, &socket), Err(Turned::Crowded));
        let later = Grant {
            expires: NOW + 60,
            ..fresh
        };
        let sealed = key(ACCOUNT).seal(later).unwrap();
        let admitted = gate.admit(&sealed, &Work::Delivery, socket.as_fd(), LOWEST, NOW + 21);
        assert!(admitted.is_ok());
        assert_eq!(gate.used.len(), 1);
    }
}
