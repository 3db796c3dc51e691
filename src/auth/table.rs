//! The account table in memory, and the records that it is made of.
//!
//! A record is a transaction: a list of changes, each of which says what an
//! account is from now on. So replaying the journal is applying every change in
//! order, and undoing a change is putting back what was there.
//!
//! Invariants: a name or address belongs to one account; an id is given once,
//! for [`Table::next_id`] only grows, travels with every transaction, and
//! survives the account; an id is of nothing, of an account, or of an emptied one,
//! whose directory may still be there. The bytes are those of `ipc`'s codec; a test pins them.

use crate::names::{Domains, Name};
use crate::verifier::Kept;
use ipc::codec::{Decoder, Encoder, Field, Malformed};
use ipc::edge::control_auth::{self, ALIASES_MAX, Verifier};
use ipc::{AccountId, Epoch, List, choice, record};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Changes in one transaction. Each has at most 11 KiB (a name and
/// [`ALIASES_MAX`] addresses), so that any transaction fits into a record.
pub const CHANGES_MAX: usize = 1024;

/// The version of the records below; others are not read.
const VERSION: u8 = 1;

/// The first account: 0 would look like root's.
const FIRST_ID: u32 = 1;

record! {
    /// One account.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Account {
        id: AccountId,
        /// What its owner logs in with.
        name: Name,
        /// Further addresses that mail is taken for.
        aliases: List<Name, ALIASES_MAX>,
        kept: Kept,
        /// How often its tickets have been revoked.
        epoch: Epoch,
        disabled: bool,
        /// It is on its way out; no ordinary ticket will be minted again.
        deleting: bool,
        /// Its directory exists; it is never made again.
        storage_made: bool,
    }
}

choice! {
    /// What a transaction does.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Change {
        /// The account is this from now on.
        1 => Put { account: Account, },
        /// There is nothing of this id, not even a directory.
        2 => Remove { id: AccountId, },
        /// The account is gone, and its directory is yet to be removed.
        3 => Empty { id: AccountId, },
        /// What the keys of names that nobody has are made from. It lives as long as
        /// the table: were it another after a restart, that would tell whose keys are
        /// none.
        4 => Decoys { key: Option<[u8; 32]>, },
    }
}

record! {
    /// The payload of a record.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Transaction {
        version: u8,
        /// The lowest id that was never given.
        next_id: u32,
        changes: List<Change, CHANGES_MAX>,
    }
}

impl Transaction {
    /// From a record's payload.
    ///
    /// # Errors
    /// If it is not one, or of another version.
    pub fn decode_whole(payload: &[u8]) -> Result<Self, Malformed> {
        let mut decoder = Decoder::new(payload, Vec::new());
        let transaction = Self::decode(&mut decoder)?;
        decoder.finish()?;
        match transaction.version {
            VERSION => Ok(transaction),
            _ => Err(Malformed::UnknownValue),
        }
    }

    /// To a record's payload.
    #[must_use]
    pub fn encode_whole(self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        self.encode(&mut encoder);
        encoder.finish().0
    }
}

/// All accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    next_id: u32,
    accounts: BTreeMap<AccountId, Account>,
    names: BTreeMap<Name, AccountId>,
    emptied: BTreeSet<AccountId>,
    decoys: Option<[u8; 32]>,
}

/// By what an address was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The account's login name.
    LoginName,
    /// One of its further addresses.
    Address,
    /// Nothing but the domain.
    CatchAll,
}

/// What an address was found to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'t, 'a> {
    /// Whose it is.
    pub account: &'t Account,
    /// By what.
    pub by: By,
    /// What stood behind the separator.
    pub detail: &'a [u8],
}

impl Default for Table {
    fn default() -> Self {
        Self {
            next_id: FIRST_ID,
            accounts: BTreeMap::new(),
            names: BTreeMap::new(),
            emptied: BTreeSet::new(),
            decoys: None,
        }
    }
}

impl Table {
    /// The account of a login name or a recipient's address: the whole address
    /// first, then without its detail, then the domain's catch-all.
    #[must_use]
    pub fn find<'a>(&self, domains: &Domains, address: &'a [u8]) -> Option<Found<'_, 'a>> {
        let candidates = domains.candidates(address);
        let whole = candidates.whole.and_then(|name| self.found(&name, b""));
        let base = || {
            candidates
                .base
                .and_then(|(name, detail)| self.found(&name, detail))
        };
        let rest = || candidates.catch_all.and_then(|name| self.found(&name, b""));
        whole.or_else(base).or_else(rest)
    }

    fn found<'a>(&self, name: &Name, detail: &'a [u8]) -> Option<Found<'_, 'a>> {
        let account = self.named(name)?;
        let by = match name {
            name if account.name == *name => By::LoginName,
            name if name.as_bytes().starts_with(b"@") => By::CatchAll,
            _ => By::Address,
        };
        Some(Found {
            account,
            by,
            detail,
        })
    }

    /// The account that has exactly this name or address.
    #[must_use]
    pub fn named(&self, name: &Name) -> Option<&Account> {
        self.names.get(name).and_then(|id| self.get(*id))
    }

    /// An account by its id.
    #[must_use]
    pub fn get(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// The lowest id that was never given.
    #[must_use]
    pub fn next_id(&self) -> u32 {
        self.next_id
    }

    /// The accounts above an id, in order.
    pub fn above(&self, after: Option<AccountId>) -> impl Iterator<Item = &Account> {
        let first = after.map_or(0, |AccountId(id)| id.saturating_add(1));
        let none_left = after == Some(AccountId(u32::MAX));
        self.accounts
            .range(AccountId(first)..)
            .map(|(_, account)| account)
            .filter(move |_| !none_left)
    }

    /// The accounts above an id that are gone but for their directories, in order.
    pub fn emptied(&self, after: Option<AccountId>) -> impl Iterator<Item = AccountId> {
        let above = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.emptied.range((above, Bound::Unbounded)).copied()
    }

    /// Whether an account is gone but for its directory.
    #[must_use]
    pub fn is_emptied(&self, id: AccountId) -> bool {
        self.emptied.contains(&id)
    }

    /// What the keys of names that nobody has are made from, once it was drawn.
    #[must_use]
    pub fn decoys(&self) -> Option<[u8; 32]> {
        self.decoys
    }

    /// Makes a change, and gives the one that undoes it. The id counter stays
    /// where it is then: an id that was shown to anybody is not given again.
    pub fn apply(&mut self, change: Change) -> Change {
        match change {
            Change::Put { account } => {
                let id = account.id;
                let before = self.take(id);
                self.next_id = self.next_id.max(id.0.saturating_add(1));
                for name in names(&account) {
                    self.names.insert(name.clone(), id);
                }
                self.accounts.insert(id, account);
                before
            }
            Change::Remove { id } => self.take(id),
            Change::Empty { id } => {
                let before = self.take(id);
                self.emptied.insert(id);
                before
            }
            Change::Decoys { key } => Change::Decoys {
                key: std::mem::replace(&mut self.decoys, key),
            },
        }
    }

    /// Applies a transaction from the journal.
    pub fn replay(&mut self, transaction: Transaction) {
        self.next_id = self.next_id.max(transaction.next_id);
        for change in transaction.changes.into_vec() {
            self.apply(change);
        }
    }

    /// What makes these changes durable. `None` if they are too many.
    #[must_use]
    pub fn transaction(&self, changes: Vec<Change>) -> Option<Transaction> {
        let changes = List::new(changes).ok()?;
        Some(Transaction {
            version: VERSION,
            next_id: self.next_id,
            changes,
        })
    }

    /// Makes an id one of nothing, and gives the change that undoes it.
    fn take(&mut self, id: AccountId) -> Change {
        if self.emptied.remove(&id) {
            return Change::Empty { id };
        }
        let Some(account) = self.accounts.remove(&id) else {
            return Change::Remove { id };
        };
        for name in names(&account) {
            self.names.remove(name);
        }
        Change::Put { account }
    }
}

fn names(account: &Account) -> impl Iterator<Item = &Name> {
    std::iter::once(&account.name).chain(account.aliases.as_slice())
}

/// An account as it is listed.
#[must_use]
pub fn listed(account: &Account) -> control_auth::Account {
    let aliases = account
        .aliases
        .as_slice()
        .iter()
        .map(Name::to_bytes)
        .collect();
    control_auth::Account {
        id: account.id,
        name: account.name.to_bytes(),
        aliases: List::new(aliases).unwrap_or_default(),
        disabled: account.disabled,
        deleting: account.deleting,
        scheme: scheme(&account.kept.verifier),
    }
}

/// The number that the scheme has in [`Verifier`].
fn scheme(verifier: &Verifier) -> u8 {
    match verifier {
        Verifier::Argon2id { .. } => 1,
        Verifier::Bcrypt { .. } => 2,
        Verifier::Sha512Crypt { .. } => 3,
        Verifier::SaltedSha512 { .. } => 4,
        Verifier::Pbkdf2Sha1 { .. } => 5,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::names::tests::domains;
    use ipc::Bytes;
    use proptest::prelude::*;

    /// An account with these names; the first is its login name.
    pub fn account(id: u32, names: &[&str]) -> Account {
        let mut names = names
            .iter()
            .map(|name| domains().alias(name.as_bytes()).unwrap());
        Account {
            id: AccountId(id),
            name: names.next().unwrap(),
            aliases: List::new(names.collect()).unwrap(),
            kept: Kept::from(Verifier::SaltedSha512 {
                salt: Bytes::new(*b"salt").unwrap(),
                hash: [7; 64],
            }),
            epoch: Epoch(0),
            disabled: false,
            deleting: false,
            storage_made: false,
        }
    }

    fn table(accounts: &[&[&str]]) -> Table {
        let mut table = Table::default();
        for (id, names) in (1..).zip(accounts) {
            table.apply(Change::Put {
                account: account(id, names),
            });
        }
        table
    }

    #[test]
    fn one_lookup_serves_logins_and_recipients() {
        let table = table(&[
            &["alice", "postmaster", "@example.org"],
            &["bob+work"],
            &["bob"],
            &["x@bücher.example"],
        ]);
        let cases = [
            ("alice", Some((1, By::LoginName, ""))),
            ("Alice@EXAMPLE.org", Some((1, By::LoginName, ""))),
            ("alice+Lists@example.org", Some((1, By::LoginName, "Lists"))),
            ("postmaster@example.org", Some((1, By::Address, ""))),
            ("postmaster+x@example.org", Some((1, By::Address, "x"))),
            ("bob+work@example.org", Some((2, By::LoginName, ""))),
            ("bob+play@example.org", Some((3, By::LoginName, "play"))),
            (
                "bob+work+now@example.org",
                Some((3, By::LoginName, "work+now")),
            ),
            ("nobody@example.org", Some((1, By::CatchAll, ""))),
            ("no body@example.org", Some((1, By::CatchAll, ""))),
            ("nobody@bücher.example", None),
            ("alice@elsewhere.example", None),
        ];
        for (address, expected) in cases {
            let domains = domains();
            let found = table.find(&domains, address.as_bytes());
            let found = found.map(|found| {
                (
                    found.account.id.0,
                    found.by,
                    String::from_utf8_lossy(found.detail).into_owned(),
                )
            });
            assert_eq!(
                found,
                expected.map(|(id, by, detail)| (id, by, detail.to_owned())),
                "{address}"
            );
        }
    }

    #[test]
    fn accounts_of_a_domain_that_left_the_configuration_stay_and_are_not_found() {
        let table = table(&[&["x@bücher.example"]]);
        let others = Domains::new(&crate::names::tests::slice(&["example.org"])).unwrap();
        assert_eq!(table.find(&others, "x@bücher.example".as_bytes()), None);
        assert!(table.get(AccountId(1)).is_some());
    }

    #[test]
    fn the_record_has_these_bytes() {
        let mut table = Table::default();
        let undo = table.apply(Change::Put {
            account: account(1, &["a", "b"]),
        });
        assert_eq!(undo, Change::Remove { id: AccountId(1) });
        let put = Change::Put {
            account: account(1, &["a", "b"]),
        };
        let empty = Change::Empty { id: AccountId(1) };
        let decoys = Change::Decoys { key: Some([9; 32]) };
        let changes = vec![put, undo, empty, decoys];
        let payload = table.transaction(changes).unwrap().encode_whole();
        let mut expected = vec![1, 2, 0, 0, 0, 4, 0, 0, 0]; // version, next id, four changes
        expected.extend([1, 1, 0, 0, 0]); // put, id
        expected.extend(b"\x0d\0\0\0a@example.org");
        expected.extend(b"\x01\0\0\0\x0d\0\0\0b@example.org");
        expected.extend(b"\x04\x04\0\0\0salt");
        expected.extend([7; 64]);
        expected.extend([0; 1 + 8 + 3]); // no keys, epoch, three flags
        expected.extend([2, 1, 0, 0, 0]); // remove, id
        expected.extend([3, 1, 0, 0, 0]); // empty, id
        expected.extend([4, 1]); // decoys, of this key
        expected.extend([9; 32]);
        assert_eq!(payload, expected);
        assert!(Transaction::decode_whole(&payload).is_ok());
        let newer = [&[2], &payload[1..]].concat();
        assert_eq!(
            Transaction::decode_whole(&newer),
            Err(Malformed::UnknownValue)
        );
    }

    #[test]
    fn the_largest_transaction_fits_into_a_record() {
        let longest = format!("{}@example.org", "a".repeat(300));
        let mut largest = account(1, &[&longest]);
        largest.aliases = List::new(vec![largest.name.clone(); ALIASES_MAX]).unwrap();
        let changes = vec![Change::Put { account: largest }; CHANGES_MAX];
        let payload = Table::default()
            .transaction(changes)
            .unwrap()
            .encode_whole();
        assert!(payload.len() < journal::record::RECORD_BYTES_MAX);
    }

    /// Any change to one of a few accounts with names of their own.
    pub fn change() -> impl Strategy<Value = Change> {
        (1u32..6, 0usize..4, any::<(u8, bool)>(), 0u8..5).prop_map(
            |(id, aliases, (epoch, disabled), kind)| {
                let names: Vec<String> = (0..=aliases).map(|n| format!("u{id}n{n}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let account = Account {
                    epoch: Epoch(epoch.into()),
                    disabled,
                    ..account(id, &names)
                };
                match kind {
                    0 => Change::Remove { id: account.id },
                    1 => Change::Empty { id: account.id },
                    2 => Change::Decoys {
                        key: disabled.then_some([epoch; 32]),
                    },
                    _ => Change::Put { account },
                }
            },
        )
    }

    proptest! {
        #[test]
        fn undoing_changes_in_reverse_gives_the_table_back(before in prop::collection::vec(change(), 0..20), after in prop::collection::vec(change(), 0..20)) {
            let mut table = Table::default();
            before.into_iter().for_each(|change| drop(table.apply(change)));
            let expected = table.clone();
            let undo: Vec<Change> = after.into_iter().map(|change| table.apply(change)).collect();
            undo.into_iter().rev().for_each(|change| drop(table.apply(change)));
            prop_assert_eq!(&table.accounts, &expected.accounts);
            prop_assert_eq!(&table.names, &expected.names);
            prop_assert_eq!(&table.emptied, &expected.emptied);
            prop_assert_eq!(&table.decoys, &expected.decoys);
            prop_assert!(table.next_id >= expected.next_id);
        }

        #[test]
        fn a_hostile_record_is_a_transaction_or_malformed(bytes: Vec<u8>) {
            if let Ok(transaction) = Transaction::decode_whole(&bytes) {
                prop_assert_eq!(transaction.encode_whole(), bytes);
            }
        }
    }
}
