//! Mailkeep, as it is installed: every layer on, default settings, but for limits that
//! would count the benchmark's one client as many, and for the cost of a password: the
//! peer's scheme costs nothing, and Mailkeep hashes an imported password anew at its
//! first login, so that is as cheap as it can be made.

use super::{Home, IMAP, IMAPS, LMTP};
use crate::failed::Failed;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Its programs' directory, if they are not beside this one.
pub const PROGRAMS: &str = "MAILKEEP_BINARIES";

/// The command that starts it.
pub(super) fn program(home: &Home) -> Result<Command, Failed> {
    let configuration = home.write("mailkeep.toml", &configuration(home))?;
    let mut command = Command::new(executable()?);
    command.args(["run", "--config"]).arg(configuration);
    Ok(command)
}

/// Brings users in, from a passwd-file.
pub(super) fn import(home: &Home, users: &Path) -> Result<(), Failed> {
    let output = Command::new(executable()?)
        .arg("--socket")
        .arg(home.at("control.sock"))
        .args(["user", "import"])
        .arg(users)
        .stdin(Stdio::null())
        .output()
        .map_err(Failed::doing("importing the users"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failed::refused(&output.stderr)),
    }
}

/// Where `mailkeep` is.
fn executable() -> Result<PathBuf, Failed> {
    beside("mailkeep")
}

/// Where a program of the set's or the tests' is: they lie in one directory.
///
/// # Errors
/// If it isn't there.
pub fn beside(name: &str) -> Result<PathBuf, Failed> {
    let program = programs()?.join(name);
    match program.exists() {
        true => Ok(program),
        false => Err(Failed::World(format!("there is no {}", program.display()))),
    }
}

/// The directory of the set's programs.
///
/// # Errors
/// If nobody has said, and we can't find ourselves.
pub fn programs() -> Result<PathBuf, Failed> {
    let beside = || std::env::current_exe().map(|this| this.with_file_name(""));
    let directory = std::env::var_os(PROGRAMS).map_or_else(beside, |named| Ok(named.into()));
    directory.map_err(Failed::doing("finding the programs"))
}

/// Ids are numbered by set, so that several can run at once.
fn configuration(home: &Home) -> String {
    let ids = 1_600_000_000 + u32::from(home.number) * 100_000;
    let without = match rustix::process::geteuid().is_root() {
        true => "",
        false => "[confinement]\nwithout = [\"separate-uids\"]\n",
    };
    let at = |name: &str| home.at(name).display().to_string();
    let (store, certificate) = (at("store"), at("certificate.pem"));
    let (key, control, address) = (at("key.pem"), at("control.sock"), home.address);
    let accounts = ids + 100;
    format!(
        r#"
[store]
directory = "{store}"
[accounts]
domains = ["bench.example"]
[tls]
certificates = "{certificate}"
key = "{key}"
[admin]
socket = "{control}"
[passwords]
memory = "8 MiB"
passes = 1
[login]
cleartext_on_loopback = true
[limits]
connections_per_client = 10000
sessions_per_account = 100
workers = 10000
[ids]
processes = {ids}
accounts = {accounts}
accounts_count = 99000
{without}
[[listen]]
protocol = "imap"
address = "{address}:{IMAP}"
tls = "never"
[[listen]]
protocol = "imap"
address = "{address}:{IMAPS}"
tls = "immediate"
[[listen]]
protocol = "lmtp"
address = "{address}:{LMTP}"
tls = "starttls"
"#
    )
}
