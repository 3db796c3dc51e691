//! `mailkeep demo`: a whole set on loopback, with an account and a few letters,
//! that leaves nothing behind.
//!
//! It does what an administrator would do: writes a configuration, runs `mailkeep
//! run`, adds an account over the admin socket, delivers over LMTP. Nothing in
//! the set knows that it is a demonstration.

mod letters;
mod place;

use crate::admin_socket::{self, AdminSocket};
use crate::run::{self, beside};
use crate::status;
use clap::Args;
use ipc::edge::admin::{Answer, Request};
use ipc::edge::control_auth::Credential;
use ipc::{Bytes, Secret};
use nix::sys::signal::{SigSet, Signal};
use place::Place;
use sandbox::{IdRanges, Layer, Site, Waivers, profile};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the set may take to come up. On a busy machine a debug build takes
/// some seconds.
const START_MAX: Duration = Duration::from_secs(60);

/// The account.
const NAME: &str = "demo@example.org";

/// Run a demonstration on loopback, with an account and sample letters
#[derive(Debug, Args)]
pub struct Demo {
    /// Where to keep everything; must be empty or not there
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Leave everything there at the end
    #[arg(long)]
    keep: bool,
    /// A layer of confinement to do without, because this kernel lacks it
    #[arg(long, value_name = "LAYER")]
    without: Vec<String>,
}

/// Why there is no demonstration.
#[derive(Debug)]
pub enum Failure {
    /// A file or directory of the demonstration.
    Place(PathBuf, io::Error),
    /// No certificate could be made.
    Certificate(rcgen::Error),
    /// The kernel lacks these layers.
    Lacks(Waivers),
    /// There is no layer of this name.
    NoSuchLayer(String),
    /// A program.
    Program(run::Failure),
    /// The set ended, or did not come up; what it logged last.
    NotUp(String),
    /// The admin socket.
    Admin(admin_socket::Failure),
    /// A letter was not taken, and what LMTP said.
    Letter(String),
    /// The kernel would not do something.
    Kernel(rustix::io::Errno),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Place(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Certificate(error) => write!(f, "no certificate could be made: {error}"),
            Self::Lacks(layers) => {
                for layer in layers.layers() {
                    writeln!(
                        f,
                        "this kernel lacks {} (needs {})",
                        layer.name(),
                        layer.needs()
                    )?;
                }
                let options = layers
                    .layers()
                    .map(|layer| format!(" --without {}", layer.name()));
                let options: String = options.collect();
                writeln!(f, "to do without, say: mailkeep demo{options}")?;
                write!(f, "a set of your own needs this line: {layers}")
            }
            Self::NoSuchLayer(name) => {
                let names: Vec<&str> = Layer::ALL.iter().map(|layer| layer.name()).collect();
                write!(
                    f,
                    "there is no layer \"{name}\"; the layers are: {}",
                    names.join(", ")
                )
            }
            Self::Program(failure) => write!(f, "{failure}"),
            Self::NotUp(log) => write!(f, "the set did not come up; its log ends with:\n{log}"),
            Self::Admin(failure) => write!(f, "{failure}"),
            Self::Letter(said) => write!(f, "a letter was not taken: {said}"),
            Self::Kernel(errno) => write!(f, "the kernel would not: {errno}"),
        }
    }
}

impl Demo {
    /// Runs the demonstration until Ctrl-C.
    ///
    /// # Errors
    /// [`Failure`]; what was made is removed.
    pub fn run(&self) -> Result<(), Failure> {
        let site = self.site()?;
        let signals = take_signals().map_err(Failure::Kernel)?;
        let place = Place::make(self.directory.as_deref(), self.keep, site)?;
        let mut set = Running::start(&place)?;
        let password = password().map_err(Failure::Kernel)?;
        set.wait_until_up(&place)?;
        add_account(&place, &password)?;
        letters::deliver(&place.path("lmtp.sock"), NAME)?;
        println!("{}", explain(&place, &password, site));
        wait_for_the_end(&signals);
        println!("ending…");
        set.end();
        if self.keep {
            println!("everything is still in {}", place.directory().display());
        }
        Ok(())
    }

    /// What this machine allows, as far as it is allowed to be less than all.
    fn site(&self) -> Result<Site, Failure> {
        let mut waived = Waivers::NONE;
        for name in &self.without {
            let layer =
                Waivers::layer_named(name).ok_or_else(|| Failure::NoSuchLayer(name.clone()))?;
            waived = waived.with(layer);
        }
        let lacks = sandbox::kernel_lacks();
        let single = lacks.has(Layer::SeparateUids);
        let missing = lacks.without(Layer::SeparateUids).minus(waived);
        if !missing.is_empty() {
            return Err(Failure::Lacks(missing));
        }
        Ok(if single {
            Site::single(waived)
        } else {
            Site::separate(IdRanges::default(), waived)
        })
    }
}

/// A set that runs.
struct Running(Child);

impl Running {
    fn start(place: &Place) -> Result<Self, Failure> {
        let program = beside("mailkeep").map_err(Failure::Program)?;
        let log = place.log()?;
        let error_log = log
            .try_clone()
            .map_err(|error| Failure::Place(place.path("log"), error))?;
        let started = Command::new(&program)
            .args(["run", "--config"])
            .arg(place.path("mailkeep.toml"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(error_log)
            .spawn();
        started
            .map(Self)
            .map_err(|error| Failure::Program(run::Failure::Program(program, error)))
    }

    /// Waits until every process runs.
    fn wait_until_up(&mut self, place: &Place) -> Result<(), Failure> {
        let begun = Instant::now();
        while begun.elapsed() < START_MAX && !self.has_ended() {
            if is_up(place).unwrap_or(false) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Failure::NotUp(place.end_of_log()))
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Ends it as an operator would. In a terminal Ctrl-C has reached it already.
    fn end(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            // It is our child and not yet waited for, so the number is its own.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ended = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.end();
        }
    }
}

fn is_up(place: &Place) -> Result<bool, admin_socket::Failure> {
    let mut admin = AdminSocket::connect(&place.path("control.sock"))?;
    admin.send(Request::Status)?;
    let mut running = false;
    loop {
        match admin.answer()? {
            Answer::Processes { processes, .. } => {
                let processes = processes.into_vec();
                running = processes.iter().all(|process| process.running);
            }
            Answer::Done => return Ok(running),
            _ => {}
        }
    }
}

fn add_account(place: &Place, password: &str) -> Result<(), Failure> {
    let malformed = |_| Failure::Admin(admin_socket::Failure::OutOfOrder);
    let password = Secret::new(password.as_bytes().to_vec()).map_err(malformed)?;
    let request = Request::UserAdd {
        name: Bytes::new(NAME).map_err(malformed)?,
        credential: Credential::Password { password },
    };
    AdminSocket::connect(&place.path("control.sock"))
        .and_then(|mut admin| admin.ask(request))
        .map_err(Failure::Admin)
}

/// Twenty letters: 90 bits.
fn password() -> Result<String, rustix::io::Errno> {
    const LETTERS: &[u8; 23] = b"abcdefghjkmnpqrstuvwxyz";
    let random: [u8; 20] = ipc::identity::random()?;
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte) % LETTERS.len()]);
    Ok(random.into_iter().map(letter).collect())
}

/// From now on these signals wait until they are asked for: nothing interrupts
/// the removal of what was made.
fn take_signals() -> Result<SigSet, rustix::io::Errno> {
    let signals: SigSet = [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGCHLD,
    ]
    .into_iter()
    .collect();
    signals
        .thread_block()
        .map_err(|errno| rustix::io::Errno::from_raw_os_error(errno as i32))?;
    Ok(signals)
}

/// Ctrl-C, or the set's own end.
fn wait_for_the_end(signals: &SigSet) {
    // Whatever it is: it is over.
    let _signal = signals.wait();
}

fn explain(place: &Place, password: &str, site: Site) -> String {
    let ports = place.ports();
    let directory = place.directory().display();
    let mut text = String::new();
    for profile in profile::ALL {
        text.push_str(&format!("{}\n", profile.process.program()));
        for (wall, words) in sandbox::describe(profile, site) {
            text.push_str(&format!("  {wall:<22} {words}\n"));
        }
    }
    let missing = status::missing(site).join("\n");
    let unprotected = if site.ranges().is_none() { SINGLE } else { "" };
    format!(
        "What confines each process:\n\n{text}\n{missing}\n{unprotected}
Mailkeep runs in {directory}; its log is {directory}/log.

    account         {NAME}
    password        {password}
    IMAP over TLS   127.0.0.1:{imaps}
    IMAP, STARTTLS  127.0.0.1:{imap}
    POP3 over TLS   127.0.0.1:{pop3s}
    POP3, STLS      127.0.0.1:{pop3}
    LMTP            127.0.0.1:{lmtp} and {directory}/lmtp.sock

Read a letter:
    curl --silent --cacert {directory}/certificate.pem --user '{NAME}:{password}' 'imaps://127.0.0.1:{imaps}/INBOX;UID=1'
Open the mailbox:
    mutt -e 'set ssl_ca_certificates_file={directory}/certificate.pem imap_user={NAME} imap_pass={password}' -f imaps://127.0.0.1:{imaps}/INBOX
Read it over POP3:
    curl --silent --cacert {directory}/certificate.pem --user '{NAME}:{password}' 'pop3s://127.0.0.1:{pop3s}/1'
Speak IMAP yourself:
    openssl s_client -quiet -crlf -CAfile {directory}/certificate.pem -connect 127.0.0.1:{imaps}
Deliver a letter:
    swaks --protocol LMTP --server 127.0.0.1:{lmtp} --from you@example.com --to {NAME}
See what runs:
    {program} --socket {directory}/control.sock status

Ctrl-C ends it and removes {directory}.",
        imaps = ports.imaps,
        imap = ports.imap,
        pop3s = ports.pop3s,
        pop3 = ports.pop3,
        lmtp = ports.lmtp,
        program = beside("mailkeep").map_or_else(|_| "mailkeep".into(), |path| path.display().to_string()),
    )
}

/// What an ordinary user's set is not protected by.
const SINGLE: &str = "
You are not root, so one uid, yours, serves for every process and every account:
  - no process is kept from another by its uid; chroot, Landlock, namespaces and the
    system-call filter stand between them;
  - your supplementary groups could not be given up (setgroups(2) needs root);
  - whoever can act as you can read the store.
Start it as root for the whole protection.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_passwords_are_alike() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 20 && one.bytes().all(|byte| byte.is_ascii_lowercase()));
    }

    #[test]
    fn a_layer_that_does_not_exist_is_named() {
        let demo = Demo {
            directory: None,
            keep: false,
            without: vec!["walls".into()],
        };
        assert!(
            demo.site()
                .unwrap_err()
                .to_string()
                .contains("no layer \"walls\"")
        );
    }

    #[test]
    fn the_curl_line_is_a_command_by_itself() {
        let site = Site::single(Waivers::NONE);
        let place = Place::make(None, false, site).unwrap();
        let text = explain(&place, "secret", site);
        let line = text.lines().find(|line| line.contains("curl ")).unwrap();
        assert!(line.trim().starts_with("curl ") && line.ends_with("/INBOX;UID=1'"));
        assert!(text.contains("setgroups") && text.contains("Ctrl-C"));
        let directory = place.directory().to_owned();
        drop(place);
        assert!(!directory.exists());
    }
}
