//! What hostile code would try, by section, and how an attempt went.
//!
//! Every attempt works where nothing stands in its way, or fails there in one stated
//! manner: `audit/layers.md` has that, too. None harms the machine where it is let
//! through.

pub mod call;
pub mod files;
mod identity;
mod kernel;
mod legitimate;
mod memory;
pub mod network;
mod processes;
pub mod resources;

use rustix::io::Errno;

/// One section: what is tried, by its name.
pub type Table = &'static [(&'static str, fn() -> Result<i64, Errno>)];

const SECTIONS: [Table; 8] = [
    files::ATTEMPTS,
    processes::ATTEMPTS,
    identity::ATTEMPTS,
    memory::ATTEMPTS,
    network::ATTEMPTS,
    kernel::ATTEMPTS,
    resources::ATTEMPTS,
    legitimate::ATTEMPTS,
];

/// How an attempt went, where it was survived.
pub enum Outcome {
    /// What must not happen.
    Succeeded,
    /// The kernel said no.
    Errno(Errno),
    /// Confinement itself was refused, or there is no such attempt.
    Refused(String),
}

impl Outcome {
    /// Of a system call.
    pub fn of<T>(result: Result<T, Errno>) -> Self {
        match result {
            Ok(_) => Self::Succeeded,
            Err(errno) => Self::Errno(errno),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Errno(errno) => write!(f, "errno {}", errno.raw_os_error()),
            Self::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

/// The names of all attempts but the legitimate ones, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    let hostile = SECTIONS.into_iter().take(SECTIONS.len() - 1).flatten();
    hostile.map(|(name, _)| *name)
}

/// Makes one attempt, by its name; `call N` is system call N without arguments.
pub fn attempt(name: &str) -> Outcome {
    if let Some(number) = name.strip_prefix("call ").and_then(|n| n.parse().ok()) {
        return Outcome::of(call::call(number, []));
    }
    let mut all = SECTIONS.into_iter().flatten();
    match all.find(|(known, _)| *known == name) {
        Some((_, attempt)) => Outcome::of(attempt()),
        None => Outcome::Refused(format!("no attempt is called {name}")),
    }
}
