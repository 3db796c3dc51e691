//! Successes that need no hashing when they come again.
//!
//! What is kept is a MAC under a key that dies with the process, over everything
//! that the success was about: account, epoch, name, protocol, source and
//! credential, each with its length. So no success of one user, source or
//! password can ever be taken for another's (CVE-2025-30189), and nothing here
//! is worth stealing. Any change to an account drops what is remembered of it;
//! even without, its new epoch would not match.
//!
//! Time is a value: milliseconds that only grow.

use crate::penalty::Source;
use hmac_sha256::HMAC;
use ipc::codec::{Encoder, Field};
use ipc::slice::Protocol;
use ipc::{AccountId, Epoch};
use std::collections::{HashMap, VecDeque};
use zeroize::Zeroizing;

/// Successes remembered at once: 100 bytes each.
pub const REMEMBERED_MAX: usize = 65_536;

/// What a success is about.
pub struct Success<'a> {
    /// Whose account.
    pub account: AccountId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The name as it was given.
    pub name: &'a [u8],
    /// What is spoken.
    pub protocol: Protocol,
    /// From where.
    pub source: Source,
    /// The password.
    pub password: &'a [u8],
}

/// A success as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark([u8; 32]);

/// See the module.
pub struct Remembered {
    key: Zeroizing<[u8; 32]>,
    marks: HashMap<Mark, (AccountId, u64)>,
    /// In the order in which they came, which is that in which they go.
    order: VecDeque<(u64, Mark)>,
    millis: u64,
}

impl Remembered {
    /// Nothing yet, under a fresh key.
    #[must_use]
    pub fn new(key: [u8; 32], seconds: u32) -> Self {
        let millis = u64::from(seconds).saturating_mul(1000);
        Self {
            key: Zeroizing::new(key),
            marks: HashMap::new(),
            order: VecDeque::new(),
            millis,
        }
    }

    /// Changes how long successes are remembered, from the next one on. Zero
    /// forgets all.
    pub fn set_seconds(&mut self, seconds: u32) {
        self.millis = u64::from(seconds).saturating_mul(1000);
        if seconds == 0 {
            self.marks.clear();
            self.order.clear();
        }
    }

    /// How a success is known again.
    #[must_use]
    pub fn mark(&self, success: &Success<'_>) -> Mark {
        let mut encoder = Encoder::default();
        success.account.encode(&mut encoder);
        success.epoch.encode(&mut encoder);
        success.protocol.encode(&mut encoder);
        success.source.0.encode(&mut encoder);
        for part in [success.name, success.password] {
            u64::try_from(part.len())
                .unwrap_or(u64::MAX)
                .encode(&mut encoder);
            encoder.raw(part);
        }
        let content = Zeroizing::new(encoder.finish().0);
        Mark(HMAC::mac(content.as_slice(), self.key.as_slice()))
    }

    /// Whether it is remembered.
    #[must_use]
    pub fn knows(&self, now: u64, mark: Mark) -> bool {
        self.marks.get(&mark).is_some_and(|(_, until)| now < *until)
    }

    /// Remembers a success.
    pub fn keep(&mut self, now: u64, account: AccountId, mark: Mark) {
        if self.millis == 0 {
            return;
        }
        self.drop_old(now);
        let until = now.saturating_add(self.millis);
        self.marks.insert(mark, (account, until));
        self.order.push_back((until, mark));
    }

    /// Forgets an account's successes.
    pub fn forget(&mut self, account: AccountId) {
        self.marks.retain(|_, (whose, _)| *whose != account);
    }

    fn drop_old(&mut self, now: u64) {
        while let Some((until, mark)) = self.order.front().copied() {
            if now < until && self.order.len() < REMEMBERED_MAX {
                return;
            }
            self.order.pop_front();
            // A later success under the same mark has a later end.
            if self.marks.get(&mark).is_some_and(|(_, end)| *end == until) {
                self.marks.remove(&mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn alice() -> Success<'static> {
        let source = Source([1; 16]);
        Success {
            account: AccountId(1),
            epoch: Epoch(0),
            name: b"alice",
            protocol: Protocol::Imap,
            source,
            password: b"wonderland",
        }
    }

    fn remembered() -> Remembered {
        Remembered::new([9; 32], 300)
    }

    #[test]
    fn a_success_is_remembered_for_its_time() {
        let mut remembered = remembered();
        let mark = remembered.mark(&alice());
        remembered.keep(1000, AccountId(1), mark);
        assert!(remembered.knows(300_999, mark));
        assert!(!remembered.knows(301_000, mark));
    }

    /// ATTACKS P17, CVE-2025-30189: a remembered success is nobody else's.
    #[test]
    fn whatever_differs_is_not_what_is_remembered() {
        let mut remembered = remembered();
        let mark = remembered.mark(&alice());
        remembered.keep(0, AccountId(1), mark);
        let others = [
            Success {
                account: AccountId(2),
                ..alice()
            },
            Success {
                epoch: Epoch(1),
                ..alice()
            },
            Success {
                name: b"bob",
                ..alice()
            },
            Success {
                protocol: Protocol::Pop3,
                ..alice()
            },
            Success {
                source: Source([2; 16]),
                ..alice()
            },
            Success {
                password: b"wonderland2",
                ..alice()
            },
            Success {
                name: b"alicew",
                password: b"onderland",
                ..alice()
            },
        ];
        for other in others {
            assert!(!remembered.knows(0, remembered.mark(&other)));
        }
        let elsewhere = Remembered::new([8; 32], 300);
        assert_ne!(elsewhere.mark(&alice()), mark);
    }

    #[test]
    fn a_change_forgets_the_account_and_no_other() {
        let mut remembered = remembered();
        let bob = Success {
            account: AccountId(2),
            name: b"bob",
            ..alice()
        };
        let marks = [remembered.mark(&alice()), remembered.mark(&bob)];
        remembered.keep(0, AccountId(1), marks[0]);
        remembered.keep(0, AccountId(2), marks[1]);
        remembered.forget(AccountId(1));
        assert_eq!(marks.map(|mark| remembered.knows(0, mark)), [false, true]);
    }

    #[test]
    fn with_zero_seconds_nothing_is_remembered() {
        let mut remembered = Remembered::new([9; 32], 0);
        let mark = remembered.mark(&alice());
        remembered.keep(0, AccountId(1), mark);
        assert!(!remembered.knows(0, mark));
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_goes() {
        let mut remembered = remembered();
        let marks = (0..REMEMBERED_MAX as u64 + 10).map(|n| {
            let mut mark = [0; 32];
            mark[..8].copy_from_slice(&n.to_le_bytes());
            Mark(mark)
        });
        let marks: Vec<Mark> = marks.collect();
        marks
            .iter()
            .for_each(|mark| remembered.keep(0, AccountId(1), *mark));
        assert!(
            remembered.marks.len() <= REMEMBERED_MAX && remembered.order.len() <= REMEMBERED_MAX
        );
        assert!(!remembered.knows(0, marks[0]) && remembered.knows(0, *marks.last().unwrap()));
    }

    proptest! {
        #[test]
        fn what_is_kept_again_lives_from_its_last_time(times in prop::collection::vec(0u64..1_000_000, 1..20)) {
            let mut remembered = remembered();
            let mark = remembered.mark(&alice());
            let mut times = times;
            times.sort_unstable();
            times.iter().for_each(|now| remembered.keep(*now, AccountId(1), mark));
            let last = times.last().unwrap();
            prop_assert!(remembered.knows(last + 299_999, mark) && !remembered.knows(last + 300_000, mark));
        }
    }
}
