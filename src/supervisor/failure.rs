//! Why a set does not start, or can't go on.

use crate::table;
use ipc::edge::supervisor::Process;
use rustix::io::Errno;
use sandbox::{Ended, Refusal, Stillborn, Waivers};
use std::path::PathBuf;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It was started without the name of a configuration.
    NoConfigurationNamed,
    /// It could not be confined, or the kernel lacks a layer.
    NotConfined(Refusal),
    /// The kernel lacks these layers; a site that does without them, and without
    /// what it names already, names all those.
    KernelLacks(Waivers, Waivers),
    /// The kernel would not do something that everything needs.
    Kernel(&'static str, Errno),
    /// A file or directory that the configuration names.
    File(PathBuf, Errno),
    /// A program of the set, which should lie beside the supervisor's.
    Program(&'static str, Errno),
    /// A directory of the state belongs to somebody else or is open to others.
    ForeignDirectory(PathBuf),
    /// Another set works on the same state.
    AnotherSet(PathBuf),
    /// A listener could not be bound.
    Listener(String, Errno),
    /// systemd did not pass a socket of this name.
    NoSuchSocket(String),
    /// The configuration has mistakes, which have been told.
    Mistakes(u32),
    /// `config` ended without an answer, or said what makes no plan.
    NoPlan,
    /// A process was not born.
    Stillborn(Process, Stillborn),
    /// A process would not start with what it was given.
    Refused(Process, String),
    /// A process ended before the set was up.
    EndedAtStart(Process, Option<Ended>),
    /// A process did not come up in time.
    SlowAtStart(Process),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoConfigurationNamed => f.write_str("start me as: mailkeep run --config FILE"),
            Self::NotConfined(refusal) => write!(f, "{refusal}"),
            Self::KernelLacks(missing, all) => {
                for layer in missing.layers() {
                    let (name, needs) = (layer.name(), layer.needs());
                    write!(f, "this kernel lacks {name} (needs {needs}); ")?;
                }
                write!(f, "to do without, write below [confinement]: {all}")
            }
            Self::Kernel(what, errno) => write!(f, "{what}: {errno}"),
            Self::File(path, errno) => write!(f, "{}: {errno}", path.display()),
            Self::Program(name, Errno::ACCESS) => write!(
                f,
                "the program {name} can't be made executable in memory: {}; the sysctl \
                 vm.memfd_noexec must be 0 or 1",
                Errno::ACCESS
            ),
            Self::Program(name, errno) => {
                write!(
                    f,
                    "the program {name}, which should lie beside the supervisor's: {errno}"
                )
            }
            Self::ForeignDirectory(path) => write!(
                f,
                "{} is not owned by whom it should be, or open to others than it should be",
                path.display()
            ),
            Self::AnotherSet(path) => write!(f, "another set works on {}", path.display()),
            Self::Listener(address, errno) => write!(f, "can't listen at {address}: {errno}"),
            Self::NoSuchSocket(name) => write!(f, "systemd has passed no socket named {name}"),
            Self::Mistakes(count) => {
                write!(f, "the configuration has mistakes ({count}), told above")
            }
            Self::NoPlan => f.write_str("the configuration could not be read"),
            Self::Stillborn(process, stillborn) => {
                write!(
                    f,
                    "{} could not be started: {stillborn}",
                    table::name(*process)
                )
            }
            Self::Refused(process, reason) => {
                write!(f, "{} refuses to start: {reason}", table::name(*process))
            }
            Self::EndedAtStart(process, ended) => {
                let how = ended.map_or_else(String::new, |ended| describe(ended).to_string());
                write!(
                    f,
                    "{} ended before the set was up: {how}",
                    table::name(*process)
                )
            }
            Self::SlowAtStart(process) => {
                write!(f, "{} did not come up in time", table::name(*process))
            }
        }
    }
}

impl Failure {
    /// As the manual has them (sysexits.h).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoConfigurationNamed => USAGE,
            Self::File(..) => NO_INPUT,
            Self::AnotherSet(_) | Self::Listener(..) | Self::NoSuchSocket(_) => UNAVAILABLE,
            Self::NoPlan | Self::SlowAtStart(_) => SOFTWARE,
            Self::NotConfined(_)
            | Self::KernelLacks(..)
            | Self::Kernel(..)
            | Self::Program(..)
            | Self::Stillborn(..) => OS,
            Self::ForeignDirectory(_) => NO_PERMISSION,
            Self::Mistakes(_) | Self::Refused(..) => CONFIGURATION,
            Self::EndedAtStart(_, ended) => match ended {
                Some(Ended::Exited(71)) => OS,
                Some(Ended::Exited(78)) => CONFIGURATION,
                _ => SOFTWARE,
            },
        }
    }
}

/// sysexits.h.
const USAGE: u8 = 64;
const NO_INPUT: u8 = 66;
const UNAVAILABLE: u8 = 69;
const SOFTWARE: u8 = 70;
const OS: u8 = 71;
const NO_PERMISSION: u8 = 77;
const CONFIGURATION: u8 = 78;

/// signal(7), on every architecture that we build for.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSYS: i32 = 31;

/// How a process ended, in words, and where more is to be found.
pub fn describe(ended: Ended) -> impl std::fmt::Display {
    std::fmt::from_fn(move |f| match ended {
        Ended::Exited(71) => f.write_str("it could not be confined, as its last line says"),
        Ended::Exited(78) => f.write_str("it refused its configuration"),
        Ended::Exited(code) => write!(f, "exit code {code}"),
        Ended::Killed(SIGABRT) => {
            f.write_str("it gave itself up (SIGABRT); its last lines say why")
        }
        Ended::Killed(SIGKILL) => {
            f.write_str("killed by SIGKILL: by an administrator, or for want of memory")
        }
        Ended::Killed(SIGSYS) => f.write_str(
            "killed by SIGSYS: a system call that its profile does not allow; \
             the kernel's log has its number",
        ),
        Ended::Killed(signal) => write!(f, "killed by signal {signal}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox::Layer;

    #[test]
    fn a_lacking_layer_is_named_with_what_it_needs_and_the_line_that_does_without() {
        let missing = Waivers::NONE.with(Layer::LandlockScopes);
        let told = Failure::KernelLacks(missing, missing.with(Layer::LandlockNet)).to_string();
        assert_eq!(
            told,
            "this kernel lacks landlock-scopes (needs Linux 6.12); to do without, write below \
             [confinement]: without = [\"landlock-net\", \"landlock-scopes\"]"
        );
    }

    #[test]
    fn ends_are_told_in_words() {
        let table = [
            (
                Ended::Exited(71),
                "it could not be confined, as its last line says",
            ),
            (Ended::Exited(1), "exit code 1"),
            (
                Ended::Killed(31),
                "killed by SIGSYS: a system call that its profile does not allow; \
                 the kernel's log has its number",
            ),
            (
                Ended::Killed(9),
                "killed by SIGKILL: by an administrator, or for want of memory",
            ),
            (Ended::Killed(11), "killed by signal 11"),
        ];
        for (ended, words) in table {
            assert_eq!(describe(ended).to_string(), words);
        }
    }
}
