//! `login`'s questions: are these credentials good?
//!
//! Invariants: what is looked at before the password (facts, transport,
//! `director`) has nothing to do with the name; a name that nobody has goes the
//! same way as one that somebody has, through a hash of the configured cost and
//! the same penalties, to the same answer; a right password is never delayed.

use super::exchanges::Round;
use super::{Act, Desk, Hashing, Misdeed};
use crate::facts::Facts;
use crate::hashing::{Outcome, Password, Work};
use crate::logins::TooSoon;
use crate::penalty::Source;
use crate::plain::{self, Plain};
use crate::remembered::{Mark, Success};
use crate::table::{Account, By, Change};
use crate::verifier::Kept;
use ipc::edge::auth_director::ToDirector;
use ipc::edge::front_service::Transport;
use ipc::edge::login_auth::{Mechanism, Rejection, ToAuth, ToLogin};
use ipc::slice::Protocol;
use ipc::ticket::{Kind, SealedTicket};
use ipc::{AccountId, Bytes, Cookie, Epoch, Instance, Nonce};
use journal::disk::Disk;
use std::collections::hash_map::Entry;
use std::net::Ipv6Addr;
use tracing::info;

/// Open questions of one `login`: its own bound, which it keeps.
const OPEN_PER_LOGIN_MAX: usize = 4096;

/// Answers that wait. A penalised source has four at a time, so this is four
/// thousand attackers; beyond, an answer says at once that it could not be had.
const DELAYED_MAX: usize = 16_384;

/// Where a dialogue stands.
pub enum Stage {
    /// We have the word.
    Asked,
    /// `login` has it: its client answers our challenge.
    Challenged(Round),
}

/// Whose question it is, and about which session.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    pub login: Instance,
    pub nonce: Nonce,
    pub cookie: Cookie,
    /// What is spoken.
    pub protocol: Protocol,
    /// The client's address; IPv4 is mapped.
    pub address: [u8; 16],
}

/// Somebody who says who he is, and isn't answered yet.
pub struct Attempt {
    pub asker: Asker,
    /// As the client gave it.
    pub name: Vec<u8>,
    /// Whose name it is, if it is anybody's.
    pub owner: Option<Owner>,
    /// How a success is known again, if it is worth it.
    pub mark: Option<Mark>,
}

/// Whose name was given, as the account was then.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    account: AccountId,
    epoch: Epoch,
}

impl Owner {
    /// Of this account, as it is now.
    pub fn of(account: &Account) -> Self {
        Self {
            account: account.id,
            epoch: account.epoch,
        }
    }
}

impl Attempt {
    pub fn source(&self) -> Source {
        Source::of(self.asker.address)
    }
}

impl<D: Disk> Desk<D> {
    /// A `login` asks.
    ///
    /// # Errors
    /// A [`Misdeed`]: end its channel.
    pub fn login(&mut self, now: u64, asker: Instance, message: ToAuth) -> Result<(), Misdeed> {
        match message {
            ToAuth::Begin {
                nonce,
                front,
                cookie,
                protocol,
                mechanism,
                response,
            } => {
                // Told two protocols, nobody can say who lied, `front` or `login`.
                let facts = self.facts.of(front, cookie);
                let facts = facts.filter(|facts| facts.protocol == protocol).cloned();
                self.open_dialogue(asker, nonce)?;
                let said = response.dangerous_reveal();
                let begun = self.check_way(facts).and_then(|facts| {
                    let asker = Asker {
                        login: asker,
                        nonce,
                        cookie,
                        protocol,
                        address: facts.address,
                    };
                    self.begin(now, asker, &facts, mechanism, said)
                });
                if let Err(rejection) = begun {
                    self.answer(asker, ToLogin::Rejected { nonce, rejection });
                }
            }
            ToAuth::Continue { nonce, response } => {
                let round = self.hand_back(asker, nonce)?;
                self.go_on(now, round, response.dangerous_reveal());
            }
            ToAuth::Abort { nonce } => {
                self.hand_back(asker, nonce)?;
                self.close_dialogue(asker, nonce);
            }
        }
        Ok(())
    }

    /// The answer to [`Act::Hash`] of an attempt.
    pub(super) fn verified(&mut self, now: u64, attempt: Attempt, outcome: Outcome) {
        match (outcome, attempt.owner.and_then(|owner| self.still(owner))) {
            (Outcome::Right { better }, Some(account)) => {
                if let Some(mark) = attempt.mark {
                    self.remembered.keep(now, account.id, mark);
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
            attempt.asker.login,
            ToLogin::Rejected {
                nonce: attempt.asker.nonce,
                rejection,
            },
        );
    }

    /// The client has the word, until `login` brings its answer.
    pub(super) fn challenge(&mut self, asker: Asker, challenge: Vec<u8>, round: Round) {
        let Asker { login, nonce, .. } = asker;
        let stage = self
            .open
            .get_mut(&login)
            .and_then(|open| open.get_mut(&nonce));
        let (Some(stage), Ok(challenge)) = (stage, Bytes::new(challenge)) else {
            return;
        };
        *stage = Stage::Challenged(round);
        self.acts
            .push(Act::Login(login, ToLogin::Challenge { nonce, challenge }));
    }

    /// We have the word again.
    fn hand_back(&mut self, asker: Instance, nonce: Nonce) -> Result<Round, Misdeed> {
        let stage = self
            .open
            .get_mut(&asker)
            .and_then(|open| open.get_mut(&nonce));
        match stage.map(|stage| std::mem::replace(stage, Stage::Asked)) {
            Some(Stage::Challenged(round)) => Ok(round),
            Some(Stage::Asked) | None => Err(Misdeed::NoChallenge),
        }
    }

    fn open_dialogue(&mut self, asker: Instance, nonce: Nonce) -> Result<(), Misdeed> {
        let open = self.open.entry(asker).or_default();
        if open.len() >= OPEN_PER_LOGIN_MAX {
            return Err(Misdeed::TooManyQuestions);
        }
        match open.entry(nonce) {
            Entry::Vacant(place) => {
                place.insert(Stage::Asked);
                Ok(())
            }
            Entry::Occupied(_) => Err(Misdeed::NonceIsOpen),
        }
    }

    /// Whether it was open; its asker may have gone.
    fn close_dialogue(&mut self, asker: Instance, nonce: Nonce) -> bool {
        let open = self.open.get_mut(&asker);
        open.is_some_and(|open| open.remove(&nonce).is_some())
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

    fn begin(
        &mut self,
        now: u64,
        asker: Asker,
        facts: &Facts,
        mechanism: Mechanism,
        said: &[u8],
    ) -> Result<(), Rejection> {
        match mechanism {
            Mechanism::Plain => {
                let plain = plain::message(said).ok_or(Rejection::Credentials)?;
                self.examine(now, asker, facts, &plain)
            }
            Mechanism::ScramSha256 => self.begin_scram(asker, facts, false, said),
            Mechanism::ScramSha256Plus => self.begin_scram(asker, facts, true, said),
            Mechanism::External => self.external(now, asker, facts, said),
        }
    }

    fn examine(
        &mut self,
        now: u64,
        asker: Asker,
        facts: &Facts,
        plain: &Plain<'_>,
    ) -> Result<(), Rejection> {
        let password = Password::new(plain.passwd.to_vec()).map_err(|_| Rejection::Credentials)?;
        let account = self.owner(plain.authzid, plain.authcid).cloned();
        let attempt = Attempt {
            asker,
            name: plain.authcid.to_vec(),
            owner: account.as_ref().map(Owner::of),
            mark: account
                .as_ref()
                .map(|account| self.mark(account, facts, plain)),
        };
        let known = attempt
            .mark
            .is_some_and(|mark| self.remembered.knows(now, mark));
        if let Some(account) = account.as_ref().filter(|_| known) {
            self.grant(now, asker, account);
            return Ok(());
        }
        self.open_attempt(now, &attempt)?;
        let cost = self.rules.cost;
        let kept = account.map_or_else(|| cost.decoy().into(), |account| account.kept);
        self.hash(
            Work::Verify {
                kept,
                password,
                cost,
            },
            Hashing::Attempt(attempt),
        );
        Ok(())
    }

    /// From now until it is answered it is one of its source's.
    pub(super) fn open_attempt(&mut self, now: u64, attempt: &Attempt) -> Result<(), Rejection> {
        self.penalties
            .open(now, attempt.source())
            .map_err(|_| Rejection::Unavailable)
    }

    /// The account that these names may log in to: by its login name, with a
    /// detail or without, and not by its other addresses. Whoever names another
    /// identity to act as must mean the same.
    pub(super) fn owner(&self, authzid: &[u8], authcid: &[u8]) -> Option<&Account> {
        let account = self.named_for_login(authcid)?;
        let same = |other: &Account| other.id == account.id;
        let may_act = authzid.is_empty() || self.named_for_login(authzid).is_some_and(same);
        may_act.then_some(account)
    }

    pub(super) fn named_for_login(&self, name: &[u8]) -> Option<&Account> {
        let found = self.ledger.table().find(&self.rules.domains, name)?;
        (found.by == By::LoginName).then_some(found.account)
    }

    fn mark(&self, account: &Account, facts: &Facts, plain: &Plain<'_>) -> Mark {
        self.remembered.mark(&Success {
            account: account.id,
            epoch: account.epoch,
            name: plain.authcid,
            protocol: facts.protocol,
            source: Source::of(facts.address),
            password: plain.passwd,
        })
    }

    /// The account, if it is open to its owner and has not changed since.
    pub(super) fn still(&self, owner: Owner) -> Option<Account> {
        let account = self.ledger.table().get(owner.account)?;
        let still = account.epoch == owner.epoch && !account.disabled && !account.deleting;
        still.then(|| account.clone())
    }

    /// Keeps what better was made while the password was at hand.
    fn improve(&mut self, account: Account, better: Option<Kept>) -> Account {
        let Some(kept) = better else {
            return account;
        };
        let account = Account { kept, ..account };
        self.ledger.stage(Change::Put {
            account: account.clone(),
        });
        account
    }

    pub(super) fn succeed(&mut self, now: u64, attempt: &Attempt, account: &Account) {
        self.penalties.close(attempt.source());
        self.grant(now, attempt.asker, account);
    }

    /// The ticket first, then the answer.
    pub(super) fn grant(&mut self, now: u64, asker: Asker, account: &Account) {
        let Asker {
            login,
            nonce,
            address,
            ..
        } = asker;
        let ticket = match self.ticket(now, asker, account) {
            Ok(ticket) => ticket,
            Err(rejection) => {
                return self.answer(login, ToLogin::Rejected { nonce, rejection });
            }
        };
        info!(account = account.id.0, name = account.name.shown(), address = %shown(address), "authenticated");
        self.acts.push(Act::Director(ToDirector::Grant {
            asker: login,
            nonce,
            ticket,
        }));
        self.answer(login, ToLogin::Verified { nonce });
    }

    /// A ticket for credentials that are good.
    fn ticket(
        &mut self,
        now: u64,
        asker: Asker,
        account: &Account,
    ) -> Result<SealedTicket, Rejection> {
        let Asker { nonce, cookie, .. } = asker;
        let ticket = self.mint(now, Kind::Session, account, nonce, cookie);
        let ticket = ticket.filter(|_| self.director);
        let ticket = ticket.ok_or(Rejection::Unavailable)?;
        if asker.protocol == Protocol::Pop3 {
            let admitted = self.pop3_logins.admit(now, account.id);
            admitted.map_err(|TooSoon| Rejection::TooSoon)?;
        }
        Ok(ticket)
    }

    pub(super) fn fail(&mut self, now: u64, attempt: Attempt) {
        let delay = self.penalties.failed(now, attempt.source(), &attempt.name);
        let name = String::from_utf8_lossy(&attempt.name).into_owned();
        info!(name, address = %shown(attempt.asker.address), delay, "authentication failed");
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

    /// Ends a dialogue that is still open; its asker may have gone.
    pub(super) fn answer(&mut self, asker: Instance, answer: ToLogin) {
        let (ToLogin::Verified { nonce }
        | ToLogin::Rejected { nonce, .. }
        | ToLogin::Challenge { nonce, .. }) = &answer;
        if self.close_dialogue(asker, *nonce) {
            self.acts.push(Act::Login(asker, answer));
        }
    }
}

fn shown(address: [u8; 16]) -> std::net::IpAddr {
    Ipv6Addr::from(address).to_canonical()
}
