//! What a run is to do, and what all connections to an account share.

use super::client::locked;
use super::ledger::Ledger;
use super::letter::Letter;
use rustls::pki_types::CertificateDer;
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Letters that come by LMTP are this owner's.
pub const DELIVERY: u16 = 1000;

/// Lines of the dialogue that a failure shows: those of all connections in the last seconds.
const DIALOGUE_LINES: usize = 6000;

/// The connection that looks at everything when the others are quiet.
pub const INSPECTOR: u16 = 1001;

/// What other servers do, by name: a run may go on in spite of it.
pub const TOLERABLE: [(&str, &str); 6] = [
    (
        "unchanged-flags-untold",
        "STORE doesn't tell of a message whose flags it hasn't changed (RFC 9051 §6.4.6: \
         \"normally\" it does)",
    ),
    (
        "no-uid-unasked",
        "what is told unasked during a UID command has no UID (RFC 9051 §6.4.9: only what \
         the command causes must)",
    ),
    (
        "ok-when-examined",
        "STORE and EXPUNGE say OK and do nothing in a mailbox that was opened by EXAMINE (RFC \
         9051 §6.4.3, §6.4.6: NO, if it can't be done)",
    ),
    (
        "stale-status-when-selected",
        "STATUS of the selected mailbox counts what the session has been told (RFC 9051 \
         §6.3.11: clients should not ask)",
    ),
    (
        "recent-changes",
        "a message becomes \\Recent, or loses it, within a session (RFC 3501 §2.3.2)",
    ),
    (
        "move-when-examined",
        "MOVE removes messages from a mailbox that was opened by EXAMINE (RFC 9051 §6.3.3 \
         forbids it)",
    ),
];

/// A run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// IMAP.
    pub server: SocketAddr,
    /// Of a server that speaks TLS from the first byte.
    pub certificate: Option<CertificateDer<'static>>,
    /// LMTP in the clear, if letters are to be delivered meanwhile.
    pub lmtp: Option<SocketAddr>,
    /// POP3 as IMAP, if it is to read meanwhile.
    pub pop3: Option<SocketAddr>,
    /// Accounts and their passwords. Nobody else may use them meanwhile.
    pub accounts: Vec<(String, String)>,
    /// Connections to each.
    pub connections: u16,
    /// Commands in progress at once, at most: 1 for a server that works on several at
    /// once and answers in another order, which it may.
    pub depth: usize,
    /// Which of [`TOLERABLE`] is no fault.
    pub tolerated: BTreeSet<String>,
    /// How long.
    pub time: Duration,
    /// How long until all are quiet and compare.
    pub round: Duration,
    /// From which every connection's choices follow.
    pub seed: u64,
    /// What tells this run's letters and mailboxes from those of others.
    pub run: u64,
}

impl Plan {
    /// A mailbox that all connections use.
    #[must_use]
    pub fn shared(&self, which: u64) -> String {
        match which {
            0 => "INBOX".into(),
            which => format!("stress{}-{which}", self.run),
        }
    }

    /// A mailbox that may be made, renamed and deleted at any time.
    #[must_use]
    pub fn volatile(&self, which: u64) -> String {
        format!("volatile{}-{which}", self.run)
    }

    /// The root of a connection's own mailboxes.
    #[must_use]
    pub fn own(&self, number: u16) -> String {
        format!("own{}-{number}", self.run)
    }

    /// Whether something of [`TOLERABLE`] is no fault in this run.
    #[must_use]
    pub fn tolerates(&self, what: &str) -> bool {
        self.tolerated.contains(what)
    }

    /// Whether a letter was delivered, with lines of the server's before it.
    #[must_use]
    pub fn is_delivery(&self, letter: Letter) -> bool {
        letter.owner == DELIVERY
    }
}

/// What the connections to one account share.
#[derive(Debug)]
pub struct Account {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: String,
    ledger: Mutex<Ledger>,
    sessions: AtomicU64,
    delimiter: Mutex<String>,
    volatile: BTreeSet<String>,
    dialogue: Mutex<VecDeque<String>>,
    begun: Instant,
}

impl Account {
    /// An account of which nothing is known yet.
    #[must_use]
    pub fn new(plan: &Plan, user: &str, password: &str) -> Self {
        let volatile: BTreeSet<String> = (0..2).map(|which| plan.volatile(which)).collect();
        let ledger = Ledger::new(volatile.clone(), plan.pop3.is_some());
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            ledger: Mutex::new(ledger),
            sessions: AtomicU64::new(0),
            delimiter: Mutex::new("/".into()),
            volatile,
            dialogue: Mutex::new(VecDeque::new()),
            begun: Instant::now(),
        }
    }

    /// A line that a connection has sent or heard, with the time: what one is told is
    /// judged by what another was.
    pub fn note(&self, line: String) {
        let at = self.begun.elapsed().as_micros();
        let mut dialogue = locked(&self.dialogue);
        if dialogue.len() >= DIALOGUE_LINES {
            dialogue.pop_front();
        }
        dialogue.push_back(format!("{at} {line}"));
    }

    /// What all connections have said and heard last.
    #[must_use]
    pub fn dialogue(&self) -> String {
        let lines: Vec<String> = locked(&self.dialogue).iter().cloned().collect();
        lines.join("\n")
    }

    /// What all know.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    /// The number of a new session.
    pub fn session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What separates names.
    #[must_use]
    pub fn delimiter(&self) -> String {
        locked(&self.delimiter).clone()
    }

    /// It is this.
    pub fn set_delimiter(&self, delimiter: &str) {
        delimiter.clone_into(&mut locked(&self.delimiter));
    }

    /// Whether a mailbox may vanish at any time.
    #[must_use]
    pub fn is_volatile(&self, mailbox: &str) -> bool {
        self.volatile.contains(mailbox)
    }
}
