//! Counting: one test of one program, run by `cargo` under valgrind.
//!
//! Twice, with few rounds and with more, at the same time, for there are two cores: what
//! both do is not the work's. Callgrind counts the instructions of all threads of the
//! process, and none of the kernel's.

use crate::guard::{Guard, Place};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rounds that both runs do: the first of all fills caches, and costs more.
const ROUNDS_BEFORE: u64 = 2;

/// What counts are made with: the guards' own profile, in the root's Cargo.toml.
const PROFILE: &str = "guards";

/// How the C library copies and fills while it is counted: by vectors, as many
/// instructions as there are of them, never by one instruction that the counter takes
/// for as many as there are bytes. How much is copied at once is a matter of time, and
/// with that one it was a tenth of a count. See "Hardware Capability Tunables" in the
/// C library's manual.
const COPYING: &str = "glibc.cpu.x86_rep_movsb_threshold=0x7fffffff:\
                       glibc.cpu.x86_rep_stosb_threshold=0x7fffffff";

/// Why there is no count.
#[derive(Debug, PartialEq, Eq)]
pub enum Uncounted {
    /// Something can't be started.
    NotThere(String),
    /// The test fails, or doesn't build, or valgrind can't run it.
    Failed(String),
    /// What valgrind wrote has no total.
    NoTotal(PathBuf),
    /// More rounds took no more: the guard's test doesn't do its work.
    Idle(&'static str),
}

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere(what) => write!(f, "can't be started: {what}"),
            Self::Failed(output) => write!(f, "a guarded test fails:\n{output}"),
            Self::NoTotal(path) => write!(f, "{} has no total", path.display()),
            Self::Idle(guard) => write!(f, "{guard}: more rounds take no more instructions"),
        }
    }
}

/// Builds what has a place's tests, saying how it goes.
///
/// # Errors
/// [`Uncounted`].
pub fn build(place: Place) -> Result<(), Uncounted> {
    let mut cargo = cargo(place);
    match cargo.arg("--no-run").status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Uncounted::Failed(format!("cargo: {status}"))),
        Err(error) => Err(Uncounted::NotThere(format!("cargo: {error}"))),
    }
}

/// Instructions for one unit of a guard's work.
///
/// # Errors
/// [`Uncounted`]. Without valgrind there is no count, and so no pass.
pub fn count(guard: &Guard) -> Result<u64, Uncounted> {
    let (few, more) = (ROUNDS_BEFORE, ROUNDS_BEFORE + guard.rounds);
    let (few, more) = std::thread::scope(|scope| {
        let few = scope.spawn(move || instructions(guard, few));
        let more = instructions(guard, more);
        (few.join().expect("counting doesn't panic"), more)
    });
    let count = more?.saturating_sub(few?) / (guard.rounds * guard.units);
    match count {
        0 => Err(Uncounted::Idle(guard.name)),
        count => Ok(count),
    }
}

/// All that one run of a guard's test takes.
fn instructions(guard: &Guard, rounds: u64) -> Result<u64, Uncounted> {
    let out = directory()?.join(format!("{}.{rounds}.callgrind", guard.name));
    let test = format!("{}{}", guard.place.module(), guard.test);
    let arch = std::env::consts::ARCH.to_uppercase();
    let runner = format!(
        "valgrind --tool=callgrind --callgrind-out-file={}",
        out.display()
    );
    let mut cargo = cargo(guard.place);
    cargo.args(["--", &test, "--exact", "--test-threads=1"]);
    cargo.env("MAILKEEP_GUARD_ROUNDS", rounds.to_string());
    cargo.env("GLIBC_TUNABLES", COPYING);
    cargo.env(
        format!("CARGO_TARGET_{arch}_UNKNOWN_LINUX_GNU_RUNNER"),
        runner,
    );
    let output = cargo.output();
    let output = output.map_err(|error| Uncounted::NotThere(format!("cargo: {error}")))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if !output.status.success() || !said.contains("1 passed") {
        return Err(Uncounted::Failed(said));
    }
    let written = std::fs::read_to_string(&out).unwrap_or_default();
    total(&written).ok_or(Uncounted::NoTotal(out))
}

/// `cargo test` for a place's tests, as they are counted.
fn cargo(place: Place) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["test", "--quiet", "--profile", PROFILE]);
    cargo.args(place.arguments());
    cargo
}

/// Where callgrind's files stay, for `callgrind_annotate`: beside this program.
fn directory() -> Result<PathBuf, Uncounted> {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent);
    let directory = beside.map(|beside| beside.join("callgrind"));
    let made = directory.filter(|it| std::fs::create_dir_all(it).is_ok());
    made.ok_or_else(|| Uncounted::NotThere("a directory for counts".to_owned()))
}

/// `totals: INSTRUCTIONS`
fn total(written: &str) -> Option<u64> {
    let mut lines = written.lines().rev();
    lines.find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_last_line_that_says_so() {
        let written = "events: Ir\nsummary: 7\nfn=totals: 3\n\ntotals: 918165\n";
        assert_eq!(total(written), Some(918_165));
        assert_eq!(total("events: Ir\n"), None);
        assert_eq!(total("totals: many\n"), None);
    }
}
