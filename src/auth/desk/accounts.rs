//! `control`'s requests: the table and its changes.
//!
//! Requests are decided in the order in which they come and answered when they
//! are durable, many by one sync. A password is hashed in between, so a request
//! that rests on one with a password has to wait for that one's answer.
//!
//! Deleting has two steps. `Delete` shuts the account: no ticket is minted again
//! but the one by which a worker empties the store. `Emptied` takes the name out
//! and has `director` and `broker` remove the directory, which they do for an
//! epoch that no ticket has. Until they say that it is gone the id is kept as one
//! whose directory is to be removed, and every new `director` is told so again. The
//! id is not given again.

use super::{Act, Desk, Hashing};
use crate::hashing::{Outcome, Work};
use crate::ledger::NotDurable;
use crate::names::{BadName, Name};
use crate::table::{self, Account, CHANGES_MAX, Change};
use crate::verifier::{self, Kept};
use ipc::edge::auth_director::ToDirector;
use ipc::edge::control_auth::{
    Credential, PAGE_ACCOUNTS_MAX, Refusal, TaskKind, ToAuth, ToControl,
};
use ipc::edge::director_broker::EPOCH_DELETED;
use ipc::ticket::Kind;
use ipc::{AccountId, Cookie, Epoch, Instance, List, Nonce};
use journal::disk::Disk;
use tracing::{error, info};

/// Whose request, and its number there.
pub type Query = (Instance, u64);

/// A request that was carried out, but for the sync.
pub struct Decision {
    query: Query,
    account: AccountId,
    /// What follows from it.
    then: Vec<Act>,
}

/// What a hash is needed for.
pub struct Then {
    /// The request.
    pub whose: Query,
    what: What,
}

enum What {
    Add(Name),
    SetCredential(Name),
}

impl<D: Disk> Desk<D> {
    /// `control` asks.
    pub fn control(&mut self, now: u64, asker: Instance, message: ToAuth) {
        let of = |query| (asker, query);
        let (query, outcome) = match message {
            ToAuth::List { query, after } => return self.list(of(query), after),
            ToAuth::Add {
                query,
                name,
                credential,
            } => (of(query), self.add(of(query), name.as_slice(), credential)),
            ToAuth::SetCredential {
                query,
                name,
                credential,
            } => (
                of(query),
                self.set_credential(of(query), name.as_slice(), credential),
            ),
            ToAuth::Delete {
                query,
                name,
                nonce,
                cookie,
            } => (
                of(query),
                self.delete(now, (asker, query), name.as_slice(), (nonce, cookie)),
            ),
            ToAuth::Emptied { query, account } => (of(query), self.emptied(of(query), account)),
            ToAuth::AddAlias { query, name, alias } => (
                of(query),
                self.add_alias(of(query), name.as_slice(), alias.as_slice()),
            ),
            ToAuth::RemoveAlias { query, alias } => {
                (of(query), self.remove_alias(of(query), alias.as_slice()))
            }
            ToAuth::SetDisabled {
                query,
                name,
                disabled,
            } => (
                of(query),
                self.set_disabled(of(query), name.as_slice(), disabled),
            ),
            ToAuth::Kick { query, name } => (of(query), self.kick(of(query), name.as_slice())),
            ToAuth::Task {
                query,
                name,
                kind,
                nonce,
                cookie,
            } => (
                of(query),
                self.task(
                    now,
                    (asker, query),
                    (name.as_slice(), kind),
                    (nonce, cookie),
                ),
            ),
        };
        if let Err(refusal) = outcome {
            self.refuse(query, refusal);
        }
    }

    /// The answer to [`Act::Hash`] of a request.
    pub(super) fn hashed_for_admin(&mut self, Then { whose, what }: Then, outcome: Outcome) {
        let outcome = match (outcome, what) {
            (Outcome::Hashed { kept }, What::Add(name)) => self.create(whose, name, kept),
            (Outcome::Hashed { kept }, What::SetCredential(name)) => {
                self.replace(whose, &name, kept)
            }
            _ => Err(Refusal::Unavailable),
        };
        if let Err(refusal) = outcome {
            self.refuse(whose, refusal);
        }
    }

    pub(super) fn refuse(&mut self, (asker, query): Query, refusal: Refusal) {
        self.acts
            .push(Act::Control(asker, ToControl::Refused { query, refusal }));
    }

    /// One sync for all that was decided since the last.
    pub(super) fn commit(&mut self) -> Result<(), NotDurable> {
        let decided = std::mem::take(&mut self.decided);
        match self.ledger.commit() {
            Ok(()) => {
                for Decision {
                    query: (asker, query),
                    account,
                    then,
                } in decided
                {
                    self.acts.extend(then);
                    self.acts
                        .push(Act::Control(asker, ToControl::Done { query, account }));
                }
                Ok(())
            }
            Err(NotDurable::NotKept) => {
                error!("the account table could not be written");
                decided
                    .iter()
                    .for_each(|decision| self.refuse(decision.query, Refusal::Storage));
                Ok(())
            }
            Err(NotDurable::Poisoned) => Err(NotDurable::Poisoned),
        }
    }

    fn add(&mut self, query: Query, name: &[u8], credential: Credential) -> Result<(), Refusal> {
        let name = self.rules.domains.name(name)?;
        self.must_be_free(&name)?;
        match credential {
            Credential::Password { password } => self.hash_for(query, password, What::Add(name)),
            Credential::Hashed { verifier } => self.create(query, name, verifier.into()),
        }
    }

    fn create(&mut self, query: Query, name: Name, kept: Kept) -> Result<(), Refusal> {
        verifier::check(&kept.verifier).map_err(|_| Refusal::BadVerifier)?;
        // Another request may have taken it while the password was hashed.
        self.must_be_free(&name)?;
        let id = self.ledger.table().next_id();
        if id > self.last_id {
            return Err(Refusal::NoMoreIds);
        }
        let account = Account {
            id: AccountId(id),
            name,
            aliases: List::default(),
            kept,
            epoch: Epoch(0),
            disabled: false,
            deleting: false,
            storage_made: false,
        };
        self.put(query, account, Vec::new())
    }

    fn set_credential(
        &mut self,
        query: Query,
        name: &[u8],
        credential: Credential,
    ) -> Result<(), Refusal> {
        let name = self.named(name)?.name.clone();
        match credential {
            Credential::Password { password } => {
                self.hash_for(query, password, What::SetCredential(name))
            }
            Credential::Hashed { verifier } => self.replace(query, &name, verifier.into()),
        }
    }

    fn replace(&mut self, query: Query, name: &Name, kept: Kept) -> Result<(), Refusal> {
        verifier::check(&kept.verifier).map_err(|_| Refusal::BadVerifier)?;
        let account = self.named(name.as_bytes())?;
        self.revoke(query, Account { kept, ..account })
    }

    /// May be asked again, if the one who was to empty the store has died.
    fn delete(
        &mut self,
        now: u64,
        (asker, query): Query,
        name: &[u8],
        (nonce, cookie): (Nonce, Cookie),
    ) -> Result<(), Refusal> {
        let account = self.exactly(name)?.clone();
        let closed = match account.deleting {
            true => account,
            false => Account {
                disabled: true,
                deleting: true,
                epoch: raised(account.epoch),
                ..account
            },
        };
        let ticket = self
            .mint(now, Kind::Admin, &closed, nonce, cookie)
            .filter(|_| self.director);
        let ticket = ticket.ok_or(Refusal::Unavailable)?;
        let grant = Act::Director(ToDirector::Grant {
            asker,
            nonce,
            ticket,
        });
        let then = vec![self.raise(closed.id, closed.epoch), grant];
        self.put((asker, query), closed, then)
    }

    fn emptied(&mut self, query: Query, id: AccountId) -> Result<(), Refusal> {
        let deleting = self
            .ledger
            .table()
            .get(id)
            .filter(|account| account.deleting);
        deleting.ok_or(Refusal::NoSuchAccount)?;
        if !self.director {
            return Err(Refusal::Unavailable);
        }
        let then = vec![self.raise(id, EPOCH_DELETED)];
        self.decide(query, id, Change::Empty { id }, then)
    }

    /// Tells `director` of the next emptied account, if there is one more.
    pub(super) fn retell(&mut self) {
        let next = self.ledger.table().emptied(self.retold).next();
        if let Some(id) = next {
            self.retold = Some(id);
            self.acts.push(self.raise(id, EPOCH_DELETED));
        }
    }

    /// `director` says that there is no directory any more.
    pub(super) fn directory_removed(&mut self, id: AccountId) {
        if self.ledger.table().is_emptied(id) {
            let change = Change::Remove { id };
            tell(&change);
            self.ledger.stage(change);
            if self.retold.is_some_and(|last| id <= last) {
                self.retell();
            }
        }
    }

    fn add_alias(&mut self, query: Query, name: &[u8], alias: &[u8]) -> Result<(), Refusal> {
        let account = self.named(name)?;
        let alias = self.rules.domains.alias(alias)?;
        self.must_be_free(&alias)?;
        let mut aliases = account.aliases.clone().into_vec();
        aliases.push(alias);
        let aliases = List::new(aliases).map_err(|_| Refusal::TooManyAliases)?;
        self.put(query, Account { aliases, ..account }, Vec::new())
    }

    fn remove_alias(&mut self, query: Query, alias: &[u8]) -> Result<(), Refusal> {
        let alias = self.rules.domains.alias(alias)?;
        let account = self
            .ledger
            .table()
            .named(&alias)
            .filter(|account| account.name != alias);
        let account = account.ok_or(Refusal::NoSuchAccount)?.clone();
        let left = account
            .aliases
            .as_slice()
            .iter()
            .filter(|kept| **kept != alias)
            .cloned();
        let aliases = List::new(left.collect()).map_err(|_| Refusal::TooManyAliases)?;
        self.put(query, Account { aliases, ..account }, Vec::new())
    }

    fn set_disabled(&mut self, query: Query, name: &[u8], disabled: bool) -> Result<(), Refusal> {
        let account = Account {
            disabled,
            ..self.named(name)?
        };
        match disabled {
            true => self.revoke(query, account),
            false => self.put(query, account, Vec::new()),
        }
    }

    fn kick(&mut self, query: Query, name: &[u8]) -> Result<(), Refusal> {
        let account = self.named(name)?;
        self.revoke(query, account)
    }

    /// Nothing is decided by it, so nothing has to be durable first.
    fn task(
        &mut self,
        now: u64,
        (asker, query): Query,
        (name, kind): (&[u8], TaskKind),
        (nonce, cookie): (Nonce, Cookie),
    ) -> Result<(), Refusal> {
        let account = self.named(name)?;
        let kind = match kind {
            TaskKind::Work => Kind::Admin,
            TaskKind::Verify => Kind::Verify,
        };
        let ticket = self
            .mint(now, kind, &account, nonce, cookie)
            .filter(|_| self.director)
            .ok_or(Refusal::Unavailable)?;
        self.acts.push(Act::Director(ToDirector::Grant {
            asker,
            nonce,
            ticket,
        }));
        let account = account.id;
        self.acts
            .push(Act::Control(asker, ToControl::Done { query, account }));
        Ok(())
    }

    fn list(&mut self, (asker, query): Query, after: Option<AccountId>) {
        let mut rest = self.ledger.table().above(after).map(table::listed);
        let accounts =
            List::new(rest.by_ref().take(PAGE_ACCOUNTS_MAX).collect()).unwrap_or_default();
        let more = rest.next().is_some();
        drop(rest);
        self.acts.push(Act::Control(
            asker,
            ToControl::Page {
                query,
                accounts,
                more,
            },
        ));
    }

    /// An account by its login name, if it isn't being deleted.
    fn named(&self, name: &[u8]) -> Result<Account, Refusal> {
        let account = self.exactly(name)?;
        if account.deleting {
            Err(Refusal::NoSuchAccount)
        } else {
            Ok(account.clone())
        }
    }

    fn exactly(&self, name: &[u8]) -> Result<&Account, Refusal> {
        let name = self.rules.domains.name(name)?;
        let account = self
            .ledger
            .table()
            .named(&name)
            .filter(|account| account.name == name);
        account.ok_or(Refusal::NoSuchAccount)
    }

    fn must_be_free(&self, name: &Name) -> Result<(), Refusal> {
        self.ledger
            .table()
            .named(name)
            .map_or(Ok(()), |_| Err(Refusal::Taken))
    }

    fn hash_for(
        &mut self,
        whose: Query,
        password: crate::hashing::Password,
        what: What,
    ) -> Result<(), Refusal> {
        let cost = self.rules.cost;
        self.hash(
            Work::Hash { password, cost },
            Hashing::Admin(Then { whose, what }),
        );
        Ok(())
    }

    /// Puts the account with all its tickets revoked.
    fn revoke(&mut self, query: Query, account: Account) -> Result<(), Refusal> {
        let account = Account {
            epoch: raised(account.epoch),
            ..account
        };
        let then = vec![self.raise(account.id, account.epoch)];
        self.put(query, account, then)
    }

    fn raise(&self, account: AccountId, epoch: Epoch) -> Act {
        let sealed = self.master.account_key(account).seal_epoch(epoch);
        Act::Director(ToDirector::RaiseEpoch { sealed })
    }

    fn put(&mut self, query: Query, account: Account, then: Vec<Act>) -> Result<(), Refusal> {
        self.decide(query, account.id, Change::Put { account }, then)
    }

    /// Whatever changed, nothing that was remembered of the account counts.
    fn decide(
        &mut self,
        query: Query,
        account: AccountId,
        change: Change,
        then: Vec<Act>,
    ) -> Result<(), Refusal> {
        if self.ledger.staged() >= CHANGES_MAX {
            return Err(Refusal::Unavailable);
        }
        self.remembered.forget(account);
        tell(&change);
        self.ledger.stage(change);
        self.decided.push(Decision {
            query,
            account,
            then,
        });
        Ok(())
    }
}

/// For whoever wants to know later when an account became what it is.
fn tell(change: &Change) {
    match change {
        Change::Put { account } => info!(
            account = account.id.0,
            name = account.name.shown(),
            epoch = account.epoch.0,
            disabled = account.disabled,
            deleting = account.deleting,
            "account changed"
        ),
        Change::Empty { id } => info!(account = id.0, "account removed"),
        Change::Remove { id } => info!(account = id.0, "the account's directory is removed"),
        Change::Decoys { .. } => (),
    }
}

/// Never reaches the epoch of the deleted: that is 2^64 revocations away.
fn raised(epoch: Epoch) -> Epoch {
    Epoch(epoch.0.saturating_add(1))
}

impl From<BadName> for Refusal {
    fn from(bad: BadName) -> Self {
        match bad {
            BadName::NotAName => Self::BadName,
            BadName::ForeignDomain => Self::ForeignDomain,
        }
    }
}
