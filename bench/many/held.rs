//! What the set holds in memory, by process, at a few moments of a run.

use crate::server::{Memory, Server};
use std::collections::BTreeMap;

/// The processes that have a column; the others share one.
const SHOWN: [&str; 5] = [
    "mailkeep-worker",
    "mailkeep-front",
    "mailkeep-login",
    "mailkeep-director",
    "mailkeep-auth",
];

/// Memory by program.
pub type Held = BTreeMap<String, Memory>;

/// A moment.
#[derive(Debug)]
pub struct Moment {
    name: String,
    sessions: usize,
    held: Held,
}

impl Moment {
    /// Now.
    pub fn now(name: &str, sessions: usize, server: &Server) -> Self {
        Self {
            name: name.to_owned(),
            sessions,
            held: server.held(),
        }
    }

    /// Accounts in use: each has a worker.
    fn accounts(&self) -> u64 {
        self.of(SHOWN[0]).processes
    }

    fn of(&self, program: &str) -> Memory {
        let of = |(name, _): &(&String, &Memory)| file_name(name) == program;
        let held = self.held.iter().filter(of).map(|(_, memory)| *memory);
        held.fold(Memory::default(), |sum, memory| Memory {
            pss: sum.pss + memory.pss,
            processes: sum.processes + memory.processes,
        })
    }

    fn whole(&self) -> u64 {
        self.held.values().map(|memory| memory.pss).sum()
    }

    fn row(&self, before: &Self) -> String {
        let own = SHOWN.map(|program| self.of(program).pss);
        let others = self.whole().saturating_sub(own.iter().sum());
        let cells: Vec<String> = own
            .iter()
            .chain([&others])
            .map(|kib| mebibytes(*kib))
            .collect();
        let more = self.whole().saturating_sub(before.whole());
        let per_account = each(more, self.accounts().saturating_sub(before.accounts()));
        let per_session = each(more, self.sessions.saturating_sub(before.sessions) as u64);
        format!(
            "| {} | {} | {} | {} | {per_session} | {per_account} |\n",
            self.name,
            self.sessions,
            self.accounts(),
            cells.join(" | ")
        )
    }
}

/// A row for each moment; what a session and an account cost is what came with them since
/// the moment before.
pub fn markdown(moments: &[Moment]) -> String {
    let programs = SHOWN
        .map(|name| name.trim_start_matches("mailkeep-"))
        .join(" | ");
    let mut text = format!(
        "| PSS | sessions | workers | {programs} | others | for each new session | for each new worker |\n"
    );
    text += &"|---".repeat(SHOWN.len() + 6);
    text += "|\n";
    for (at, moment) in moments.iter().enumerate() {
        text += &moment.row(&moments[at.saturating_sub(1)]);
    }
    text
}

fn each(kib: u64, count: u64) -> String {
    match count {
        0 => "–".to_owned(),
        count => format!("{:.0} KiB", kib as f64 / count as f64),
    }
}

fn mebibytes(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(sessions: usize, workers: u64, worker_kib: u64) -> Moment {
        let memory = |pss, processes| Memory { pss, processes };
        let held = [
            (
                "/usr/lib/mailkeep-worker",
                memory(workers * worker_kib, workers),
            ),
            ("mailkeep-front", memory(2048, 2)),
            ("mailkeep", memory(1024, 1)),
        ];
        Moment {
            name: "then".to_owned(),
            sessions,
            held: held.map(|(name, memory)| (name.to_owned(), memory)).into(),
        }
    }

    #[test]
    fn what_a_session_costs_is_what_came_with_it() {
        let text = markdown(&[moment(0, 0, 0), moment(10, 5, 100)]);
        let last = text.lines().last().expect("rows");
        assert!(last.ends_with("| 1.0 MiB | 50 KiB | 100 KiB |"), "{last}");
        assert!(
            last.starts_with("| then | 10 | 5 | 0.5 MiB | 2.0 MiB |"),
            "{last}"
        );
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        let text = markdown(&[moment(0, 0, 0), moment(1, 1, 1)]);
        let cells = text.lines().map(|line| line.matches('|').count());
        assert_eq!(cells.collect::<Vec<_>>(), [SHOWN.len() + 7; 4]);
    }
}
