//! Who is measured, and the turns they take.

use super::{Peer, Stage, Workload, fill};
use crate::failed::Failed;
use crate::letters;
use crate::report::{Figures, Measured, readable};
use crate::scale::Scale;
use crate::server::{Home, Kind, Server};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Plain letters that deliveries and APPENDs take in turns.
const LETTERS: u64 = 64;

/// The part of the time that no workload has to itself: some take much longer than
/// others.
const EVERYBODYS: f64 = 0.4;

/// The servers of a run. One that doesn't start is a row's failure, not the run's.
pub struct Contenders<'a> {
    directory: &'a Path,
    number: u8,
    scale: Scale,
    servers: Vec<(Kind, Result<Server, Failed>)>,
}

impl<'a> Contenders<'a> {
    /// None as yet; their directories are made below this one.
    pub const fn below(directory: &'a Path, number: u8, scale: Scale) -> Self {
        let servers = Vec::new();
        Self {
            directory,
            number,
            scale,
            servers,
        }
    }

    /// One of them, started and filled when it is first asked for.
    pub fn get(&mut self, kind: Kind) -> Result<&mut Server, Failed> {
        let at = self.servers.iter().position(|(of, _)| *of == kind);
        let at = at.unwrap_or_else(|| {
            let started = self.start(kind);
            self.servers.push((kind, started));
            self.servers.len() - 1
        });
        self.servers[at].1.as_mut().map_err(|failed| failed.clone())
    }

    fn start(&self, kind: Kind) -> Result<Server, Failed> {
        eprintln!("starting and filling {}", kind.name());
        let path = self.directory.join(kind.name());
        let host = kind as u8 + 1;
        let home = Home::open(&path, self.number, host)?;
        let mut server = Server::start(kind, home, self.scale.users)?;
        // This one is for logins alone.
        if kind != Kind::DovecotReusing {
            fill(&mut server, &self.scale)?;
            // What was filled without syncs isn't to be written while something is timed.
            rustix::fs::sync();
        }
        Ok(server)
    }
}

/// How long everything may take. A workload's turns behind its first are left out when
/// the time that is its and its predecessors' is over, and some that is everybody's; at
/// the very end even the first.
#[derive(Debug, Clone, Copy)]
struct Budget {
    start: Instant,
    all: Duration,
}

impl Budget {
    /// Counts from now.
    fn of(all: Duration) -> Self {
        let start = Instant::now();
        Self { start, all }
    }

    /// Whether this turn of a workload, which is the so many-th of all, may begin.
    fn allows(&self, turn: u32, nth: usize, all: usize) -> bool {
        let part = (nth + 1) as f64 / all as f64;
        let share = match turn {
            1 => 1.0,
            _ => EVERYBODYS + (1.0 - EVERYBODYS) * part,
        };
        self.start.elapsed() < self.all.mul_f64(share)
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Mailkeep without its peer.
    pub alone: bool,
    /// Turns of each workload.
    pub turns: u32,
    /// How long they may take, all in all; filling is extra.
    pub time: Duration,
}

/// Measures these workloads, in turns, and gives all their rows.
pub fn measure(
    workloads: &[Workload],
    contenders: &mut Contenders<'_>,
    plan: Plan,
) -> Vec<Measured> {
    for kind in workloads.iter().flat_map(|workload| plan.kinds(workload)) {
        // Who doesn't start says so in each of his rows.
        let _ = contenders.get(kind);
    }
    let budget = Budget::of(plan.time);
    let letters = letters::plain(LETTERS);
    let mut rows = Vec::new();
    for (nth, workload) in workloads.iter().enumerate() {
        let mut columns = BTreeMap::new();
        for turn in 1..=plan.turns.min(workload.turns_max) {
            let mut kinds = plan.kinds(workload);
            let first = turn as usize % kinds.len();
            kinds.rotate_left(first);
            for kind in kinds {
                let column = columns
                    .entry(kind.is_ours())
                    .or_insert_with(|| empty(workload));
                if column.iter().any(|row| row.failed.is_some()) {
                    continue;
                }
                let taken = match budget.allows(turn, nth, workloads.len()) {
                    true => take_turn(workload, contenders, kind, &letters, turn),
                    false => Err(Failed::Late),
                };
                note(workload, kind, taken, column);
            }
        }
        rows.extend(measured(workload, columns));
    }
    rows
}

impl Plan {
    /// Who is given a workload.
    fn kinds(self, workload: &Workload) -> Vec<Kind> {
        match self.alone {
            true => vec![Kind::Mailkeep],
            false => vec![Kind::Mailkeep, peer(workload.peer)],
        }
    }
}

fn empty(workload: &Workload) -> Vec<Figures> {
    vec![Figures::default(); workload.rows.len()]
}

const fn peer(peer: Peer) -> Kind {
    match peer {
        Peer::AsShipped => Kind::Dovecot,
        Peer::Reusing => Kind::DovecotReusing,
    }
}

fn take_turn(
    workload: &Workload,
    contenders: &mut Contenders<'_>,
    kind: Kind,
    letters: &[Vec<u8>],
    turn: u32,
) -> Result<Vec<f64>, Failed> {
    let scale = contenders.scale;
    let server = contenders.get(kind)?;
    let mut run = |turn| {
        (workload.run)(&mut Stage {
            server: &mut *server,
            scale: &scale,
            letters,
            turn,
        })
    };
    let warmed = match turn == 1 && workload.warms {
        true => run(0).map(drop),
        false => Ok(()),
    };
    let figures = warmed.and_then(|()| run(turn));
    // The next workload finds a server that serves.
    if let Err(Failed::World(_)) = figures {
        let _ = server.restart();
    }
    figures
}

fn note(workload: &Workload, kind: Kind, taken: Result<Vec<f64>, Failed>, figures: &mut [Figures]) {
    let shown = match &taken {
        Ok(new) => new
            .iter()
            .map(|one| readable(*one))
            .collect::<Vec<_>>()
            .join(", "),
        Err(failed) => failed.to_string(),
    };
    eprintln!("{:<22} {:<16} {shown}", workload.name, kind.name());
    let new = taken.as_deref().unwrap_or_default();
    for (row, figure) in figures.iter_mut().zip(new) {
        row.all.push(*figure);
    }
    for row in figures.iter_mut().filter(|_| taken.is_err()) {
        row.failed = taken.as_ref().err().map(ToString::to_string);
    }
}

fn measured(
    workload: &Workload,
    mut columns: BTreeMap<bool, Vec<Figures>>,
) -> impl Iterator<Item = Measured> {
    let mut column = |ours| columns.remove(&ours).unwrap_or_else(|| empty(workload));
    let both = column(false).into_iter().zip(column(true));
    let rows = workload.rows.iter().zip(both);
    let name = workload.name;
    rows.map(move |(row, (dovecot, mailkeep))| Measured {
        workload: name.to_owned(),
        title: row.title.to_owned(),
        unit: row.unit,
        aim: row.aim,
        dovecot,
        mailkeep,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Row, Unit};

    #[test]
    fn turns_that_are_late_are_left_out_and_first_turns_last_of_all() {
        let now = Instant::now();
        let passed = |seconds| Budget {
            start: now - Duration::from_secs(seconds),
            all: Duration::from_secs(1000),
        };
        assert!(passed(390).allows(2, 0, 10) && passed(390).allows(1, 0, 10));
        assert!(!passed(500).allows(2, 0, 10) && passed(500).allows(1, 0, 10));
        assert!(passed(990).allows(3, 9, 10));
        assert!(!passed(1001).allows(1, 9, 10));
    }

    #[test]
    fn a_server_that_fails_costs_its_figures_and_no_others() {
        let workload = Workload {
            name: "w",
            rows: const { &[Row::open("one", Unit::Calls), Row::open("two", Unit::Calls)] },
            ..Workload::USUAL
        };
        let mut columns = BTreeMap::from([(false, empty(&workload)), (true, empty(&workload))]);
        let ours = columns.get_mut(&true).expect("it is there");
        note(&workload, Kind::Mailkeep, Ok(vec![1.0, 2.0]), ours);
        let theirs = columns.get_mut(&false).expect("it is there");
        note(&workload, Kind::Dovecot, Err(Failed::Late), theirs);
        let rows: Vec<Measured> = measured(&workload, columns).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (&*rows[1].title, &*rows[1].mailkeep.all),
            ("two", &[2.0][..])
        );
        assert!(rows.iter().all(|row| row.dovecot.failed.is_some()));
        assert!(rows.iter().all(|row| row.mailkeep.failed.is_none()));
    }
}
