//! The processes of a server, as /proc shows them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A process and all its descendants, the first one first.
pub fn tree(first: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in all() {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![first];
    let mut looked = 0;
    while let Some(pid) = found.get(looked) {
        found.extend(children.remove(pid).unwrap_or_default());
        looked += 1;
    }
    found
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process does anything still: one that nobody has waited for doesn't.
pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    let state = stat
        .ok()
        .and_then(|stat| stat.rsplit_once(") ")?.1.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Its parent, while it lives.
pub fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // A program's name may hold anything, but it ends with the last parenthesis.
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(1)?.parse().ok()
}

/// What processes hold, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Their shares of what is resident: pages of several count in parts.
    pub pss: u64,
    /// How many processes.
    pub processes: u64,
}

/// What these processes hold; one that has ended holds nothing.
pub fn memory(pids: &[u32]) -> Memory {
    let mut sum = Memory::default();
    for pid in pids {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
        if let Some(pss) = rollup.ok().and_then(|text| field(&text, "Pss:")) {
            sum.pss += pss;
            sum.processes += 1;
        }
    }
    sum
}

/// Seconds of the processor that these processes have had so far, by program.
pub fn spent(pids: &[u32]) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for pid in pids {
        *sums.entry(program(*pid)).or_default() += threads(*pid).map(ran).sum::<f64>();
    }
    sums
}

/// The program that a process runs, as it was called; of one that has ended nothing.
pub fn program(pid: u32) -> String {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split('\0').next().unwrap_or_default().to_owned()
}

fn threads(pid: u32) -> impl Iterator<Item = PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| task.path())
}

/// Seconds that one thread has run; the kernel counts them in nanoseconds.
fn ran(task: PathBuf) -> f64 {
    let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|it| it.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_in_the_tree_of_its_parent() {
        let own = std::process::id();
        let parent = parent(own).expect("everybody has one");
        assert!(tree(parent).contains(&own));
        assert_eq!(tree(own)[0], own);
    }

    #[test]
    fn who_works_has_the_processor_meanwhile() {
        let own = || spent(&[std::process::id()]).into_values().sum::<f64>();
        let before = own();
        let mut sum = 0_u64;
        while own() - before < 0.001 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(spent(&[]).is_empty());
    }

    #[test]
    fn a_living_process_holds_memory_and_none_holds_nothing() {
        let held = memory(&[std::process::id()]);
        assert_eq!(held.processes, 1);
        assert!(held.pss > 100);
        assert_eq!(memory(&[]), Memory::default());
    }
}
