//! The machine that it runs on: what it is, what it has to allow, and where on it the
//! servers live.

use crate::failed::Failed;
use crate::server::{PROGRAMS, end_descendants};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Allows as many open files as the machine lets us, for us and the servers.
///
/// # Errors
/// If the limit can't be set.
pub fn allow_files() -> Result<(), Failed> {
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    let set = setrlimit(Resource::Nofile, limit).map_err(std::io::Error::from);
    set.map_err(Failed::doing("allowing open files"))
}

/// Builds the set's programs beside this one, as this one was built, if cargo runs us
/// and nobody has said where they are.
///
/// # Errors
/// If they don't build.
pub fn build() -> Result<(), Failed> {
    let named = std::env::var_os(PROGRAMS).is_some();
    let Some(cargo) = std::env::var_os("CARGO").filter(|_| !named) else {
        return Ok(());
    };
    let mut command = Command::new(cargo);
    command.args(["build", "--workspace", "--bins", "--quiet"]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let built = command.status().map_err(Failed::doing("starting cargo"))?;
    match built.success() {
        true => Ok(()),
        false => Err(Failed::World("the set doesn't build".to_owned())),
    }
}

/// Takes interrupts from now on: the servers are ended, the directory goes if it isn't
/// to be kept, and then we do. Without it they would be ended, but not the directory.
pub fn leave_nothing(place: &Place) {
    let mut awaited = SigSet::empty();
    awaited.add(Signal::SIGINT);
    awaited.add(Signal::SIGTERM);
    // Programs that are started get an empty mask, and so do not inherit this.
    let blocked = awaited.thread_block();
    let (path, keeps) = (place.path.clone(), place.keeps);
    std::thread::spawn(move || {
        if blocked.is_ok() && awaited.wait().is_ok() {
            end_descendants();
            drop(Place {
                path,
                number: 0,
                keeps,
            });
            std::process::exit(130);
        }
    });
}

/// The directory of a run: its own, which goes when the run ends, or one that is kept.
#[derive(Debug)]
pub struct Place {
    /// Where it is.
    pub path: PathBuf,
    /// Tells the sets of this directory from those of others that run meanwhile; what is
    /// kept keeps its number, since the accounts' ids depend on it.
    pub number: u8,
    keeps: bool,
}

impl Place {
    /// Makes it, or takes what an earlier run has kept there.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn open(kept: Option<&Path>) -> Result<Self, Failed> {
        let own = || std::env::temp_dir().join(format!("mailkeep-bench-{}", std::process::id()));
        let path = kept.map_or_else(own, Path::to_owned);
        std::fs::create_dir_all(&path).map_err(Failed::doing(path.display()))?;
        let path = path.canonicalize().map_err(Failed::doing(path.display()))?;
        let number = number(&path)?;
        let keeps = kept.is_some();
        Ok(Self {
            path,
            number,
            keeps,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keeps {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn number(path: &Path) -> Result<u8, Failed> {
    let file = path.join("number");
    if let Ok(text) = std::fs::read_to_string(&file) {
        let kept = text.trim().parse();
        return kept.map_err(|_| Failed::World(format!("{}: no number", file.display())));
    }
    let number = u8::try_from(std::process::id() % 250).unwrap_or(0) + 1;
    std::fs::write(&file, format!("{number}\n")).map_err(Failed::doing(file.display()))?;
    Ok(number)
}

/// Processors, memory and kernel.
pub fn described() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok());
    let kernel = rustix::system::uname();
    format!(
        "{processors} cores, {} GB, {} {}",
        memory.unwrap_or(0) / 1_000_000,
        kernel.sysname().to_string_lossy(),
        kernel.release().to_string_lossy()
    )
}

/// Which Mailkeep and which Dovecot.
pub fn versions() -> Vec<String> {
    let commit = said("git", &["describe", "--always", "--dirty"]);
    let dovecot = said("/usr/sbin/dovecot", &["--version"]);
    let named = [("Mailkeep", commit), ("Dovecot", dovecot)];
    let named = named.into_iter().filter(|(_, version)| !version.is_empty());
    named
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}

/// The first line of what a command says, if it is there.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
