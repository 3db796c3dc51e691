//! Who is measured, and the turns they take.

use super::{Peer, Stage, Workload, fill};
use crate::failed::Failed;
use crate::letters;
use crate::report::{Figures, Measured, readable};
use crate::scale::Scale;
use crate::server::{Home, Kind, Server};
use std::path::Path;
use std::time::{Duration, Instant};

/// Plain letters that deliveries and APPENDs take in turns.
const LETTERS: u64 = 64;

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
        }
        Ok(server)
    }
}

/// How long everything may take. A workload's turns behind its first are left out when
/// the time that is its and its predecessors' is over; at the very end even the first.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    start: Instant,
    all: Duration,
}

impl Budget {
    /// Counts from now.
    pub fn of(all: Duration) -> Self {
        let start = Instant::now();
        Self { start, all }
    }

    /// Whether this turn of a workload, which is the so many-th of all, may begin.
    fn allows(&self, turn: u32, nth: usize, all: usize) -> bool {
        let part = (nth + 1) as f64 / all as f64;
        let share = if turn == 1 { 1.0 } else { part };
        self.start.elapsed() < self.all.mul_f64(share)
    }
}

/// Measures these workloads, in turns, and gives all their rows.
pub fn measure(
    workloads: &[Workload],
    contenders: &mut Contenders<'_>,
    alone: bool,
    turns: u32,
    budget: &Budget,
) -> Vec<Measured> {
    let letters = letters::plain(LETTERS);
    let mut rows = Vec::new();
    for (nth, workload) in workloads.iter().enumerate() {
        let mut figures = [(); 2].map(|()| vec![Figures::default(); workload.rows.len()]);
        let mut kinds = vec![(Kind::Mailkeep, 1)];
        if !alone {
            kinds.insert(0, (peer(workload.peer), 0));
        }
        for turn in 1..=turns.min(workload.turns_max) {
            for (kind, column) in &kinds {
                let figures = &mut figures[*column];
                if figures.iter().any(|row| row.failed.is_some()) {
                    continue;
                }
                let taken = match budget.allows(turn, nth, workloads.len()) {
                    true => take_turn(workload, contenders, *kind, &letters, turn),
                    false => Err(Failed::Late),
                };
                note(workload, *kind, taken, figures);
            }
            kinds.rotate_left(1);
        }
        rows.extend(measured(workload, figures));
    }
    rows
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
    if turn == 1 && workload.warms {
        run(0)?;
    }
    let figures = run(turn);
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

fn measured(workload: &Workload, figures: [Vec<Figures>; 2]) -> Vec<Measured> {
    let [dovecot, mailkeep] = figures;
    let both = dovecot.into_iter().zip(mailkeep);
    let rows = workload.rows.iter().zip(both);
    rows.map(|(row, (dovecot, mailkeep))| Measured {
        workload: workload.name.to_owned(),
        title: row.title.to_owned(),
        unit: row.unit,
        aim: row.aim,
        dovecot,
        mailkeep,
    })
    .collect()
}
