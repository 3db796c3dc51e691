//! `bench table`: what is in the table, and how its figures come about.
//!
//! Each workload runs on each server in turns, and the order rotates from turn to turn,
//! so that a noisy moment of the machine hurts both alike.

mod appends;
mod births;
mod copies;
mod deliveries;
mod fetches;
mod filling;
mod logins;
mod memory;
mod searches;
mod selects;
mod stores;
mod syncs;
mod turns;

pub use filling::fill;
pub use turns::{Contenders, Plan, measure};

use crate::client::Imap;
use crate::failed::Failed;
use crate::report::Row;
use crate::scale::Scale;
use crate::server::{Over, Server};
use crate::users::BIG;
use std::time::Instant;

/// Everything that is measured, in the order of the table. SELECT follows FETCH, since
/// Dovecot writes its index when there is much to write, and reads a log until then;
/// what empties caches stands last.
pub fn workloads() -> Vec<Workload> {
    [
        logins::WORKLOADS,
        deliveries::WORKLOADS,
        appends::WORKLOADS,
        fetches::WORKLOADS,
        selects::WORKLOADS,
        stores::WORKLOADS,
        copies::WORKLOADS,
        searches::WORKLOADS,
        syncs::WORKLOADS,
        memory::WORKLOADS,
        births::WORKLOADS,
        selects::COLD,
    ]
    .concat()
}

/// Work that both servers are given, and the rows that come of it.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// What `--only` calls it.
    pub name: &'static str,
    /// One figure each.
    pub rows: &'static [Row],
    /// Which Dovecot Mailkeep is compared with.
    pub peer: Peer,
    /// Whether it is run once beforehand, unmeasured.
    pub warms: bool,
    /// More turns of it would take too long.
    pub turns_max: u32,
    /// Does it, and gives a figure for each row.
    pub run: fn(&mut Stage<'_>) -> Result<Vec<f64>, Failed>,
}

impl Workload {
    /// What most have in common.
    const USUAL: Self = Self {
        name: "",
        rows: &[],
        peer: Peer::AsShipped,
        warms: true,
        turns_max: u32::MAX,
        run: |_| Ok(Vec::new()),
    };
}

/// Which Dovecot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// With a process for each login.
    AsShipped,
    /// With login processes that serve any number.
    Reusing,
}

/// Where a workload runs.
#[derive(Debug)]
pub struct Stage<'a> {
    /// On whom.
    pub server: &'a mut Server,
    /// How much of it.
    pub scale: &'a Scale,
    /// Plain letters of 8 KiB.
    pub letters: &'a [Vec<u8>],
    /// Which turn it is; the one that warms is 0.
    pub turn: u32,
}

impl Stage<'_> {
    /// A session in which a large mailbox is selected.
    fn select(&self, mailbox: &str, over: Over) -> Result<Imap, Failed> {
        let mut imap = self.server.login(BIG, over)?;
        imap.run(&format!("SELECT {mailbox}"))?;
        Ok(imap)
    }

    /// A letter of 8 KiB; the numbers may go on and on.
    fn letter(&self, number: usize) -> &[u8] {
        &self.letters[number % self.letters.len()]
    }
}

/// How long something takes, in seconds.
fn timed(work: impl FnOnce() -> Result<(), Failed>) -> Result<f64, Failed> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Does something on threads at once, and gives what came of each.
fn at_once<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T, Failed> + Sync,
) -> Result<Vec<T>, Failed> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.map(|end| end.unwrap_or_else(|_| Err(Failed::World("a thread died".to_owned()))))
            .collect()
    })
}
