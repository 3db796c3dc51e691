//! `login`'s questions: are these credentials good?
//!
//! Invariants: what is looked at before the password (facts, transport,
//! `director`) has nothing to do with the name; a name that nobody has goes the
//! same way as one that somebody has, through a hash of the configured cost and
//! the same penalties, to the same answer; a right password is never delayed.

use super::{Act, Desk, Hashing, Misdeed};
use crate::facts::Facts;
use crate::hashing::{Outcome, Password, Work};
use crate::penalty::Source;
use crate::plain::{self, Plain};
use crate::remembered::{Mark, Success};
use crate::table::{Account, By, Change};
use ipc::edge::auth_director::ToDirector;
use ipc::edge::control_auth::Verifier;
use ipc::edge::front_service::Transport;
use ipc::edge::login_auth::{Mechanism, Rejection, ToAuth, ToLogin};
use ipc::ticket::Kind;
use ipc::{AccountId, Cookie, Epoch, Instance, Nonce};
use journal::disk::Disk;
use std::net::Ipv6Addr;
use tracing::info;

/// Open questions of one `login`: its own bound, which it keeps.
const OPEN_PER_LOGIN_MAX: usize = 4096;

/// Answers that wait. A penalised source has four at a time, so this is four
/// thousand attackers; beyond, an answer says at once that it could not be had.
const DELAYED_MAX: usize = 16_384;

/// One question that is not answered yet.
pub struct Attempt {
    asker: Instance,
    nonce: Nonce,
    cookie: Cookie,
    address: [u8; 16],
    /// As the client gave it.
    name: Vec<u8>,
    /// Whose name it is, if it is anybody's.
    owner: Option<Owner>,
}

/// Whose name was given, as the account was then.
#[derive(Debug, Clone, Copy)]
struct Owner {
    account: AccountId,
    epoch: Epoch,
    /// How a success is known again.
    mark: Mark,
}

impl Attempt {
    fn source(&self) -> Source {
        Source::of(self.address)
    }
}

impl<D: Disk> Desk<D> {
    /// A `login` asks.
    ///
    /// # Errors
    /// A [`Misdeed`]: end its channel.
    pub fn login(&mut self, now: u64, asker: Instance, message: ToAuth) -> Result<(), Misdeed> {
        // PLAIN has one message, so there is never a challenge to answer.
        let ToAuth::Begin {
            nonce,
            front,
            cookie,
            protocol,
            mechanism: Mechanism::Plain,
            response,
        } = message
        else {
            return Err(Misdeed::NoChallenge);
        };
        // Told two protocols, nobody can say who lied, `front` or `login`.
        let facts = self.facts.of(front, cookie);
        let facts = facts.filter(|facts| facts.protocol == protocol);
        self.open_question(asker, nonce)?;
        let begun = self.check_way(facts).and_then(|facts| {
            let plain =
                plain::message(response.dangerous_reveal()).ok_or(Rejection::Credentials)?;
            self.examine(now, (asker, nonce, cookie), facts, &plain)
        });
        if let Err(rejection) = begun {
            self.answer(asker, ToLogin::Rejected { nonce, rejection });
        }
        Ok(())
    }

    /// The answer to [`Act::Hash`] of an attempt.
    pub(super) fn verified(&mut self, now: u64, attempt: Attempt, outcome: Outcome) {
        match (outcome, attempt.owner.and_then(|owner| self.still(owner))) {
            (Outcome::Right { better }, Some(account)) => {
                if let Some(owner) = attempt.owner {
                    self.remembered.keep(now, owner.account, owner.mark);
                }
                let account = self.improve(account, better);
                self.succeed(now, &attempt, &account);
            }
            _ => self.fail(now, attempt),
        }
    }

    /// Answers the failures that have waited long enough.
    pub fn pass(&mut self, now: u64) {
        while let Some(entry) = self
            .delayed
            .first_entry()
            .filter(|entry| entry.key().0 <= now)
        {
            let attempt = entry.remove();
            self.reject(&attempt, Rejection::Credentials);
        }
    }

    pub(super) fn reject(&mut self, attempt: &Attempt, rejection: Rejection) {
        self.penalties.close(attempt.source());
        self.answer(
            attempt.asker,
            ToLogin::Rejected {
                nonce: attempt.nonce,
                rejection,
            },
        );
    }

    fn open_question(&mut self, asker: Instance, nonce: Nonce) -> Result<(), Misdeed> {
        let open = self.open.entry(asker).or_default();
        match open.len() {
            OPEN_PER_LOGIN_MAX.. => Err(Misdeed::TooManyQuestions),
            _ if open.insert(nonce) => Ok(()),
            _ => Err(Misdeed::NonceIsOpen),
        }
    }

    /// What does not depend on who it is.
    fn check_way(&self, facts: Option<Facts>) -> Result<Facts, Rejection> {
        let facts = facts.ok_or(Rejection::Unavailable)?;
        match facts.transport {
            Transport::Cleartext { loopback: false } => Err(Rejection::PrivacyRequired),
            _ if !self.director => Err(Rejection::Unavailable),
            _ => Ok(facts),
        }
    }

    fn examine(
        &mut self,
        now: u64,
        (asker, nonce, cookie): (Instance, Nonce, Cookie),
        facts: Facts,
        plain: &Plain<'_>,
    ) -> Result<(), Rejection> {
        let password = Password::new(plain.passwd.to_vec()).map_err(|_| Rejection::Credentials)?;
        let account = self.owner(plain);
        let owner = account.map(|account| self.mark(account, facts, plain));
        let attempt = Attempt {
            asker,
            nonce,
            cookie,
            address: facts.address,
            name: plain.authcid.to_vec(),
            owner,
        };
        let known = owner.is_some_and(|owner| self.remembered.knows(now, owner.mark));
        if let Some(account) = account.filter(|_| known).cloned() {
            self.grant(now, &attempt, &account);
            return Ok(());
        }
        let verifier = account.map(|account| account.verifier.clone());
        self.penalties
            .open(now, attempt.source())
            .map_err(|_| Rejection::Unavailable)?;
        let cost = self.rules.cost;
        let verifier = verifier.unwrap_or_else(|| cost.decoy());
        self.hash(
            Work::Verify {
                verifier,
                password,
                cost,
            },
            Hashing::Attempt(attempt),
        );
        Ok(())
    }

    /// The account that these names may log in to: by its login name, with a
    /// detail or without, and not by its other addresses. Whoever names another
    /// identity to act as must mean the same.
    fn owner(&self, plain: &Plain<'_>) -> Option<&Account> {
        let account = self.named_for_login(plain.authcid)?;
        let same = |other: &Account| other.id == account.id;
        let may_act =
            plain.authzid.is_empty() || self.named_for_login(plain.authzid).is_some_and(same);
        may_act.then_some(account)
    }

    fn named_for_login(&self, name: &[u8]) -> Option<&Account> {
        let found = self.ledger.table().find(&self.rules.domains, name)?;
        (found.by == By::LoginName).then_some(found.account)
    }

    fn mark(&self, account: &Account, facts: Facts, plain: &Plain<'_>) -> Owner {
        let mark = self.remembered.mark(&Success {
            account: account.id,
            epoch: account.epoch,
            name: plain.authcid,
            protocol: facts.protocol,
            source: Source::of(facts.address),
            password: plain.passwd,
        });
        Owner {
            account: account.id,
            epoch: account.epoch,
            mark,
        }
    }

    /// The account, if it is open to its owner and has not changed since.
    fn still(&self, owner: Owner) -> Option<Account> {
        let account = self.ledger.table().get(owner.account)?;
        let still = account.epoch == owner.epoch && !account.disabled && !account.deleting;
        still.then(|| account.clone())
    }

    /// Keeps the better verifier that was made while the password was at hand.
    fn improve(&mut self, account: Account, better: Option<Verifier>) -> Account {
        let Some(verifier) = better else {
            return account;
        };
        let account = Account {
            verifier,
            ..account
        };
        self.ledger.stage(Change::Put {
            account: account.clone(),
        });
        account
    }

    fn succeed(&mut self, now: u64, attempt: &Attempt, account: &Account) {
        self.penalties.close(attempt.source());
        self.grant(now, attempt, account);
    }

    /// The ticket first, then the answer.
    fn grant(&mut self, now: u64, attempt: &Attempt, account: &Account) {
        let Attempt {
            asker,
            nonce,
            cookie,
            ..
        } = *attempt;
        let ticket = self
            .mint(now, Kind::Session, account, nonce, cookie)
            .filter(|_| self.director);
        let Some(ticket) = ticket else {
            return self.answer(
                asker,
                ToLogin::Rejected {
                    nonce,
                    rejection: Rejection::Unavailable,
                },
            );
        };
        info!(account = account.id.0, name = account.name.shown(), address = %shown(attempt.address), "authenticated");
        self.acts.push(Act::Director(ToDirector::Grant {
            asker,
            nonce,
            ticket,
        }));
        self.answer(asker, ToLogin::Verified { nonce });
    }

    fn fail(&mut self, now: u64, attempt: Attempt) {
        let delay = self.penalties.failed(now, attempt.source(), &attempt.name);
        let name = String::from_utf8_lossy(&attempt.name).into_owned();
        info!(name, address = %shown(attempt.address), delay, "authentication failed");
        if delay == 0 {
            self.reject(&attempt, Rejection::Credentials);
        } else if self.delayed.len() >= DELAYED_MAX {
            self.reject(&attempt, Rejection::Unavailable);
        } else {
            let serial = self.next_job;
            self.next_job = serial.wrapping_add(1);
            self.delayed
                .insert((now.saturating_add(delay), serial), attempt);
        }
    }

    /// Answers a question that is still open; its asker may have gone.
    fn answer(&mut self, asker: Instance, answer: ToLogin) {
        let (ToLogin::Verified { nonce }
        | ToLogin::Rejected { nonce, .. }
        | ToLogin::Challenge { nonce, .. }) = &answer;
        let open = self.open.get_mut(&asker);
        if open.is_some_and(|open| open.remove(nonce)) {
            self.acts.push(Act::Login(asker, answer));
        }
    }
}

fn shown(address: [u8; 16]) -> std::net::IpAddr {
    Ipv6Addr::from(address).to_canonical()
}
