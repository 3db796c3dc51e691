//! `mailkeep run` and `mailkeep check`: both become other programs of the set,
//! which lie beside this one.

use clap::Args;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the configuration is, unless somebody says otherwise.
const DEFAULT_CONFIGURATION: &str = "/etc/mailkeep/mailkeep.toml";

/// Run the whole set in the foreground, until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIGURATION)]
    config: PathBuf,
}

/// Tell all mistakes of a configuration
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIGURATION)]
    config: PathBuf,
    /// As a JSON array of objects with line, column, reason and suggestion
    #[arg(long)]
    json: bool,
}

/// Why it was not done.
#[derive(Debug)]
pub enum Failure {
    /// A program could not be started.
    Program(PathBuf, io::Error),
    /// The configuration has mistakes, which have been told.
    Mistakes,
    /// It can't be read, which has been told.
    Unreadable,
    /// The machine can't confine the set, which has been told.
    Machine,
    /// systemd passed sockets in a way that is not sd_listen_fds(3)'s.
    Passed,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Program(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Mistakes => f.write_str("nothing was started: the configuration has mistakes"),
            Self::Unreadable => f.write_str("nothing was started: there is no configuration"),
            Self::Machine => f.write_str(
                "nothing was started: this machine can't confine it as the configuration demands",
            ),
            Self::Passed => f.write_str(
                "LISTEN_FDS and LISTEN_FDNAMES don't agree; name each socket with FileDescriptorName=",
            ),
        }
    }
}

impl Failure {
    /// As the manual has them (sysexits.h): EX_OSERR, EX_NOINPUT, EX_CONFIG, EX_USAGE.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Program(..) | Self::Machine => 71,
            Self::Unreadable => 66,
            Self::Mistakes => 78,
            Self::Passed => 64,
        }
    }
}

impl Run {
    /// Has the configuration checked, and becomes the supervisor.
    ///
    /// # Errors
    /// [`Failure`]; if all goes well it doesn't return.
    pub fn run(&self) -> Result<(), Failure> {
        let checker = beside("mailkeep-config")?;
        // Mistakes belong to the log, which is standard error.
        let checked = Command::new(&checker)
            .arg("check")
            .arg(&self.config)
            .stdout(io::stderr())
            .stdin(Stdio::null())
            .status()
            .map_err(|error| Failure::Program(checker, error))?;
        match checked.code() {
            Some(0) => {}
            Some(66) => return Err(Failure::Unreadable),
            Some(71) => return Err(Failure::Machine),
            _ => return Err(Failure::Mistakes),
        }
        let supervisor = beside("mailkeep-supervisor")?;
        // A backtrace opens files: its filter would kill a panicking supervisor before
        // it has said why.
        let error = Command::new(&supervisor)
            .arg(&self.config)
            .args(passed_names()?)
            .env_remove("RUST_BACKTRACE")
            .exec();
        Err(Failure::Program(supervisor, error))
    }
}

impl Check {
    /// Becomes the checker.
    ///
    /// # Errors
    /// [`Failure`]; if all goes well it doesn't return.
    pub fn run(&self) -> Result<(), Failure> {
        let checker = beside("mailkeep-config")?;
        let json = self.json.then_some("--json");
        let error = Command::new(&checker)
            .arg("check")
            .arg(&self.config)
            .args(json)
            .exec();
        Err(Failure::Program(checker, error))
    }
}

/// A program of the set.
///
/// # Errors
/// [`Failure::Program`] if it can't be told where this one lies.
pub fn beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| Failure::Program(name.into(), error))?;
    Ok(own.parent().unwrap_or(Path::new("/")).join(name))
}

/// The names of the sockets that systemd passed, in the order of their
/// descriptors: the supervisor parses no text.
fn passed_names() -> Result<Vec<OsString>, Failure> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let own = std::process::id().to_string();
    if variable("LISTEN_PID") != own {
        return Ok(Vec::new());
    }
    names(&variable("LISTEN_FDS"), &variable("LISTEN_FDNAMES"))
}

/// names = name *(":" name)   (sd_listen_fds_with_names(3))
fn names(count: &str, names: &str) -> Result<Vec<OsString>, Failure> {
    let count: usize = count.parse().map_err(|_| Failure::Passed)?;
    let names: Vec<OsString> = match count {
        0 => Vec::new(),
        _ => names.split(':').map(OsString::from).collect(),
    };
    if names.len() == count {
        Ok(names)
    } else {
        Err(Failure::Passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemds_names_come_in_the_order_of_the_descriptors() {
        assert_eq!(names("2", "imap:lmtp").unwrap(), ["imap", "lmtp"]);
        assert!(names("0", "").unwrap().is_empty());
        for (count, text) in [("2", "imap"), ("1", "a:b"), ("x", "a"), ("", "")] {
            assert!(
                matches!(names(count, text), Err(Failure::Passed)),
                "{count} {text}"
            );
        }
    }
}
