//! What /proc says of the living processes of a set.

use std::fs;
use std::path::PathBuf;

/// One task (thread) of a process.
#[derive(Debug)]
pub struct Task(PathBuf);

impl Task {
    /// The value of a line of its `status`.
    ///
    /// # Panics
    /// If the process has ended, or the kernel has no such line.
    #[must_use]
    pub fn status(&self, field: &str) -> String {
        let text = fs::read_to_string(self.0.join("status")).expect("the process lives");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value
            .unwrap_or_else(|| panic!("no {field} in status"))
            .trim()
            .to_owned()
    }
}

/// All tasks of a process.
///
/// # Panics
/// If the process has ended.
#[must_use]
pub fn tasks(pid: u32) -> Vec<Task> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    tasks
        .map(|task| Task(task.expect("the process lives").path()))
        .collect()
}

/// The numbers of all threads of a process.
///
/// # Panics
/// If the process has ended.
#[must_use]
pub fn threads(pid: u32) -> Vec<u32> {
    let number = |task: Task| task.0.file_name()?.to_str()?.parse().ok();
    tasks(pid).into_iter().filter_map(number).collect()
}

/// The children of a process, whichever of its threads made them.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let of = |task: Task| fs::read_to_string(task.0.join("children")).unwrap_or_default();
    let all: String = tasks(pid).into_iter().map(of).collect();
    all.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// The program's name, as far as the kernel keeps it (15 bytes).
#[must_use]
pub fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// What each descriptor of a process is, by number.
#[must_use]
pub fn descriptors(pid: u32) -> Vec<(u32, String)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let mut descriptors: Vec<(u32, String)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((
                number,
                fs::read_link(&path).ok()?.to_string_lossy().into_owned(),
            ))
        })
        .collect();
    descriptors.sort();
    descriptors
}

/// Where a link of a process leads (`root`, `ns/net`, …).
#[must_use]
pub fn link(pid: u32, name: &str) -> String {
    fs::read_link(format!("/proc/{pid}/{name}"))
        .map(|path| path.to_string_lossy().into_owned())
        .unwrap_or_default()
}
