//! How much of everything: the whole table's, and as little as a test needs.

use std::time::Duration;

/// Counts of letters, users and operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Accounts on each server.
    pub users: usize,
    /// Letters of the large mailbox.
    pub big: usize,
    /// Copies of it in the huge one.
    pub copies: usize,
    /// Letters that are fetched whole, copied, moved, expunged.
    pub bulk: usize,
    /// Operations of one session, one by one.
    pub singles: usize,
    /// Logins one after the other, and by several at once.
    pub logins: (usize, usize),
    /// Letters delivered or appended by one connection, and by several at once.
    pub letters: (usize, usize),
    /// Letters in a MULTIAPPEND.
    pub batch: usize,
    /// Idle sessions.
    pub sessions: usize,
    /// Accounts whose worker is born.
    pub births: usize,
    /// What a server may take to come to rest behind many logins.
    pub rest: Duration,
    /// Whether the machine's page cache may be emptied: it is everybody's.
    pub empties_caches: bool,
}

impl Scale {
    /// The table's.
    pub const WHOLE: Self = Self {
        users: 1200,
        big: 50_000,
        copies: 4,
        bulk: 10_000,
        singles: 500,
        logins: (100, 400),
        letters: (300, 1200),
        batch: 50,
        sessions: 500,
        births: 200,
        rest: Duration::from_secs(10),
        empties_caches: true,
    };

    /// A test's: whether everything still goes, not how fast.
    pub const QUICK: Self = Self {
        users: 60,
        big: 200,
        copies: 2,
        bulk: 50,
        singles: 20,
        logins: (10, 40),
        letters: (10, 40),
        batch: 10,
        sessions: 10,
        births: 10,
        rest: Duration::ZERO,
        empties_caches: false,
    };

    /// Whose number this is, if every user has his turn.
    pub const fn user(&self, number: usize) -> usize {
        2 + number % (self.users - 1)
    }
}
