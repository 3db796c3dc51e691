//! A client that puts a server under stress and believes nothing: several connections
//! to each account do random commands, pipelined as far as RFC 9051 §5.5 allows, while
//! letters are delivered and fetched by other ways; and every word of the server's is
//! held against what it has said before.
//!
//! Three things judge. The [`picture`] of each connection: numbers, UIDs, flags as
//! they were told to it. The [`ledger`] that all share: what the server has
//! acknowledged to one must be known to another by the end of its next NOOP, and
//! what only one changes nobody else may lose. And at each [`quiet`] moment a fresh
//! connection, with which all must agree.
//!
//! It knows no server: nothing here is of the server's own code, and it has found
//! faults in others, too. Choices follow from the seed; what comes between them
//! doesn't, so that a seed brings a fault back often, not always.

mod answers;
mod changed;
mod choose;
mod client;
mod command;
mod condition;
mod deliver;
mod judge;
mod ledger;
mod letter;
mod picture;
pub mod plan;
mod pop3;
mod quiet;
mod response;
mod resync;
mod search;
mod wire;

use client::{Client, Step, Stop, locked};
use journal::sim::Random;
use plan::{Account, DELIVERY, INSPECTOR, Plan};
use quiet::{Board, Gate};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What a run has done.
#[derive(Debug, Default)]
pub struct Tally {
    /// Commands that were answered.
    pub commands: AtomicU64,
    /// Quiet moments at which all agreed.
    pub rounds: AtomicU64,
}

/// One run against one account, with everything that its threads share.
struct Run {
    plan: Arc<Plan>,
    account: Arc<Account>,
    gate: Gate,
    board: Board,
    tally: Arc<Tally>,
    failed: Mutex<Option<String>>,
    begun: Instant,
}

/// Puts the server under stress.
///
/// # Errors
/// The first fault, with the dialogue that led to it.
pub fn run(plan: Plan) -> Result<Arc<Tally>, String> {
    let plan = Arc::new(plan);
    let tally = Arc::new(Tally::default());
    let accounts = plan.accounts.iter().map(|(user, password)| {
        let run = Run::new(&plan, &tally, user, password);
        std::thread::spawn(move || run.whole())
    });
    let accounts: Vec<_> = accounts.collect();
    let ended = accounts.into_iter().map(|account| match account.join() {
        Ok(ended) => ended,
        Err(_) => Err("the client itself has failed".to_owned()),
    });
    let ended: Result<Vec<()>, String> = ended.collect();
    ended.map(|_| tally)
}

impl Run {
    fn new(plan: &Arc<Plan>, tally: &Arc<Tally>, user: &str, password: &str) -> Self {
        let others = usize::from(plan.lmtp.is_some()) + usize::from(plan.pop3.is_some());
        Self {
            plan: plan.clone(),
            account: Arc::new(Account::new(plan, user, password)),
            gate: Gate::new(usize::from(plan.connections) + others + 1),
            board: Mutex::new(Vec::new()),
            tally: tally.clone(),
            failed: Mutex::new(None),
            begun: Instant::now(),
        }
    }

    fn whole(&self) -> Result<(), String> {
        if let Err(Stop::Fault(why) | Stop::Lost(why)) = self.prepare() {
            return Err(why);
        }
        std::thread::scope(|scope| {
            for number in 1..=self.plan.connections {
                scope.spawn(move || self.end(self.converse(number)));
            }
            if let Some(to) = self.plan.lmtp {
                scope.spawn(move || self.end(self.deliver(to)));
            }
            if let Some(at) = self.plan.pop3 {
                scope.spawn(move || self.end(self.fetch_by_pop3(at)));
            }
            self.end(self.compare());
        });
        locked(&self.failed).take().map_or(Ok(()), Err)
    }

    /// Makes the mailboxes that all use.
    fn prepare(&self) -> Step {
        let mut client = Client::new(&self.plan, &self.account, INSPECTOR)?;
        for which in 1..3 {
            client.ask(&format!("CREATE {}", self.plan.shared(which)))?;
        }
        client.ask(&format!("CREATE {}", self.plan.volatile(0)))?;
        let delimiter = client.ask_delimiter()?;
        self.account.set_delimiter(&delimiter);
        Ok(())
    }

    /// What a thread came to: the first to fail ends the run for all.
    fn end(&self, ended: Step) {
        if let Err(Stop::Fault(why) | Stop::Lost(why)) = ended {
            locked(&self.failed).get_or_insert(why);
            self.gate.break_open();
        }
    }

    /// When the next quiet moment is due, and whether it is the last.
    fn round(&self, number: u32) -> (Instant, bool) {
        let end = self.begun + self.plan.time;
        let due = self.begun + self.plan.round * number;
        (due.min(end), due >= end)
    }

    fn converse(&self, number: u16) -> Step {
        let mut client = Client::new(&self.plan, &self.account, number)?;
        let conversed = self.rounds(&mut client);
        conversed.map_err(|stop| client.tell(stop))
    }

    fn rounds(&self, client: &mut Client) -> Step {
        for number in 1.. {
            let (due, last) = self.round(number);
            while Instant::now() < due && !self.gate.is_broken() {
                let before = client.sent();
                match client.burst() {
                    Err(Stop::Lost(_)) if client.is_on_thin_ice() => client.reconnect()?,
                    step => step?,
                }
                let sent = client.sent() - before;
                self.tally.commands.fetch_add(sent, Ordering::Relaxed);
            }
            match client.fall_quiet() {
                Err(Stop::Lost(_)) if client.is_on_thin_ice() => client.reconnect()?,
                step => step?,
            }
            if !self.gate.pass() {
                return Ok(());
            }
            match client.show(&self.board) {
                Err(Stop::Lost(_)) if client.is_on_thin_ice() => client.reconnect()?,
                step => step?,
            }
            if !self.gate.pass() || !self.gate.pass() || last {
                return Ok(());
            }
        }
        Ok(())
    }

    fn deliver(&self, to: std::net::SocketAddr) -> Step {
        let mut random = Random::new(self.plan.seed ^ u64::from(DELIVERY));
        let mut made = 0;
        for number in 1.. {
            let (due, last) = self.round(number);
            let until = (due, &self.gate);
            deliver::deliver(&self.plan, &self.account, to, &mut made, &mut random, until)?;
            if !self.gate.pass() || !self.gate.pass() || !self.gate.pass() || last {
                return Ok(());
            }
        }
        Ok(())
    }

    fn fetch_by_pop3(&self, at: std::net::SocketAddr) -> Step {
        let mut random = Random::new(self.plan.seed ^ u64::from(INSPECTOR));
        for number in 1.. {
            let (due, last) = self.round(number);
            while Instant::now() < due && !self.gate.is_broken() {
                pop3::session(&self.plan, &self.account, at, &mut random, &self.gate)?;
            }
            if !self.gate.pass() || !self.gate.pass() || !self.gate.pass() || last {
                return Ok(());
            }
        }
        Ok(())
    }

    fn compare(&self) -> Step {
        for number in 1.. {
            let (_, last) = self.round(number);
            if !self.gate.pass() || !self.gate.pass() {
                return Ok(());
            }
            quiet::compare(&self.plan, &self.account, &self.board)?;
            self.tally.rounds.fetch_add(1, Ordering::Relaxed);
            if !self.gate.pass() || last {
                return Ok(());
            }
        }
        Ok(())
    }
}
