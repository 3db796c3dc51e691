//! Accounts whose files are not as they were written, as their last workers found
//! them: remembered beyond the worker, until the next one says otherwise.

use ipc::edge::control_director::{AILING_MAX, Ailing};
use ipc::edge::director_worker::Health;
use ipc::{AccountId, List};
use std::collections::BTreeMap;

/// At most [`AILING_MAX`] accounts.
#[derive(Debug, Default)]
pub struct Ailments(BTreeMap<AccountId, Health>);

impl Ailments {
    /// A worker says how it finds its account.
    pub fn note(&mut self, account: AccountId, health: Health) {
        if !health.is_ailing() {
            self.0.remove(&account);
        } else if self.0.len() < AILING_MAX || self.0.contains_key(&account) {
            self.0.insert(account, health);
        }
    }

    /// The account is no more.
    pub fn forget(&mut self, account: AccountId) {
        self.0.remove(&account);
    }

    /// All of them.
    pub fn list(&self) -> List<Ailing, AILING_MAX> {
        let all = self.0.iter().map(|(account, health)| Ailing {
            account: *account,
            health: *health,
        });
        List::new(all.collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(letters: u64) -> Health {
        Health {
            damaged_letters: letters,
            ..Health::default()
        }
    }

    #[test]
    fn an_account_is_listed_until_a_worker_finds_it_well_or_it_is_deleted() {
        let mut ailments = Ailments::default();
        for account in 1..=3 {
            ailments.note(AccountId(account), damaged(u64::from(account)));
        }
        ailments.note(AccountId(2), Health::default());
        ailments.forget(AccountId(3));
        let listed = ailments.list().into_vec();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].account, listed[0].health),
            (AccountId(1), damaged(1))
        );
    }

    #[test]
    fn more_ailing_accounts_than_can_be_told_are_not_remembered() {
        let mut ailments = Ailments::default();
        for account in 0..AILING_MAX as u32 + 5 {
            ailments.note(AccountId(account), damaged(1));
        }
        ailments.note(AccountId(0), damaged(9));
        let listed = ailments.list().into_vec();
        assert_eq!(listed.len(), AILING_MAX);
        assert_eq!(listed[0].health, damaged(9));
    }
}
