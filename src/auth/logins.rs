//! The least time between two POP3 logins of one account (RFC 2449, LOGIN-DELAY).
//!
//! It is enforced here because nobody else outlives a session: a worker that has
//! nothing to do leaves. Only a login that is allowed counts, so nobody keeps an
//! owner out by asking, and one that is refused makes the wait no longer. A
//! restart forgets the last logins, which lets some in early and nobody late.
//!
//! Invariants: at most [`LOGINS_MAX`] are remembered, none for longer than the
//! delay. Time is a value: milliseconds that only grow.

use ipc::AccountId;
use std::collections::{HashMap, VecDeque};

/// Logins remembered at once: 50 bytes each. Beyond, the oldest is forgotten and
/// its account may come early.
pub const LOGINS_MAX: usize = 65_536;

/// The account's last login is too short a while ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSoon;

/// See the module.
#[derive(Debug, Default)]
pub struct Logins {
    delay_millis: u64,
    last: HashMap<AccountId, u64>,
    /// In the order in which they came, which is that in which they go.
    order: VecDeque<(u64, AccountId)>,
}

impl Logins {
    /// No login yet.
    #[must_use]
    pub fn new(delay_seconds: u32) -> Self {
        Self {
            delay_millis: u64::from(delay_seconds).saturating_mul(1000),
            ..Self::default()
        }
    }

    /// Changes the delay, from the next login on.
    pub fn set_seconds(&mut self, delay_seconds: u32) {
        self.delay_millis = u64::from(delay_seconds).saturating_mul(1000);
    }

    /// An account would log in now.
    ///
    /// # Errors
    /// [`TooSoon`]: it may not.
    pub fn admit(&mut self, now: u64, account: AccountId) -> Result<(), TooSoon> {
        self.drop_old(now);
        if self.delay_millis == 0 {
            return Ok(());
        }
        if self.last.contains_key(&account) {
            return Err(TooSoon);
        }
        self.last.insert(account, now);
        self.order.push_back((now, account));
        Ok(())
    }

    fn drop_old(&mut self, now: u64) {
        while let Some((at, account)) = self.order.front().copied() {
            let until = at.saturating_add(self.delay_millis);
            if now < until && self.order.len() < LOGINS_MAX {
                return;
            }
            self.order.pop_front();
            self.last.remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALICE: AccountId = AccountId(1);
    const BOB: AccountId = AccountId(2);

    #[test]
    fn an_account_waits_for_its_delay_and_no_other_does() {
        let mut logins = Logins::new(60);
        assert_eq!(logins.admit(1000, ALICE), Ok(()));
        assert_eq!(logins.admit(1000, BOB), Ok(()));
        assert_eq!(logins.admit(60_999, ALICE), Err(TooSoon));
        assert_eq!(logins.admit(61_000, ALICE), Ok(()));
    }

    #[test]
    fn without_a_delay_nobody_waits_and_nothing_is_remembered() {
        let mut logins = Logins::new(0);
        assert_eq!(logins.admit(1, ALICE), Ok(()));
        assert_eq!(logins.admit(1, ALICE), Ok(()));
        assert!(logins.last.is_empty() && logins.order.is_empty());
    }

    #[test]
    fn a_delay_that_is_taken_away_holds_nobody() {
        let mut logins = Logins::new(60);
        assert_eq!(logins.admit(1, ALICE), Ok(()));
        logins.set_seconds(0);
        assert_eq!(logins.admit(2, ALICE), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_goes() {
        let mut logins = Logins::new(60);
        for account in 0..LOGINS_MAX as u32 + 10 {
            assert_eq!(logins.admit(1, AccountId(account)), Ok(()));
        }
        assert!(logins.last.len() <= LOGINS_MAX && logins.order.len() <= LOGINS_MAX);
        assert_eq!(logins.admit(1, AccountId(0)), Ok(()));
        assert_eq!(logins.admit(1, AccountId(LOGINS_MAX as u32)), Err(TooSoon));
    }

    proptest! {
        #[test]
        fn two_logins_are_never_closer_than_the_delay(times in prop::collection::vec(0u64..200_000, 1..60)) {
            let mut logins = Logins::new(30);
            let mut times = times;
            times.sort_unstable();
            let admitted = times.into_iter().filter(|now| logins.admit(*now, ALICE).is_ok());
            let admitted: Vec<u64> = admitted.collect();
            prop_assert!(admitted.windows(2).all(|two| two[1] - two[0] >= 30_000));
        }
    }
}
