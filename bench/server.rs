//! The servers under measurement: each in a directory and on a loopback address of its
//! own, started, stopped and started again, and ended with this program.

mod dovecot;
mod home;
mod mailkeep;
mod processes;

pub use home::Home;
pub use mailkeep::{PROGRAMS, beside, programs};
pub use processes::Memory;

use processes::memory;

use crate::client::{Imap, Lmtp, Stream};
use crate::failed::Failed;
use crate::users::{self, PASSWORD};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// IMAP in the clear.
const IMAP: u16 = 10143;
/// IMAP over TLS.
const IMAPS: u16 = 10993;
/// LMTP, in the clear until STARTTLS.
const LMTP: u16 = 10024;

/// How long a server may take to start, and to stop.
const START: Duration = Duration::from_secs(30);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Debian's Dovecot: sdbox, its default durability, a process for each login.
    Dovecot,
    /// The same, whose login processes serve any number of connections.
    DovecotReusing,
    /// Ours.
    Mailkeep,
}

impl Kind {
    /// Whether it is Mailkeep.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Mailkeep)
    }

    /// Its name in figures and directories.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dovecot => "dovecot",
            Self::DovecotReusing => "dovecot-reusing",
            Self::Mailkeep => "mailkeep",
        }
    }
}

/// What goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Text.
    Clear,
    /// TLS 1.3.
    Tls,
}

/// One server; it is ended when this goes.
#[derive(Debug)]
pub struct Server {
    /// Who it is.
    pub kind: Kind,
    home: Home,
    child: Option<Child>,
}

impl Server {
    /// Makes one ready in its directory, starts it, and sees to it that it has users from
    /// 1 to this number.
    ///
    /// # Errors
    /// If it doesn't come up.
    pub fn start(kind: Kind, home: Home, users: usize) -> Result<Self, Failed> {
        let is_new = !home.at("users").exists();
        let child = None;
        let mut server = Self { kind, home, child };
        server.launch(Durable::Yes)?;
        if is_new {
            server.add_users((1..=users).map(users::name))?;
        }
        Ok(server)
    }

    /// Adds users.
    ///
    /// # Errors
    /// If one is there already.
    fn add_users(&self, names: impl Iterator<Item = String>) -> Result<(), Failed> {
        let lines = users::passwd(names);
        if self.kind == Kind::Mailkeep {
            let file = self.home.write("more-users", &lines)?;
            mailkeep::import(&self.home, &file)?;
        }
        let all = self.home.at("users");
        let known = std::fs::read_to_string(&all).unwrap_or_default();
        self.home.write("users", &(known + &lines)).map(drop)
    }

    /// Stops it and starts it again: nobody is logged in, no worker lives, no password
    /// is remembered.
    ///
    /// # Errors
    /// If it doesn't come up.
    pub fn restart(&mut self) -> Result<(), Failed> {
        self.stop();
        self.launch(Durable::Yes)
    }

    /// Stops it, drops what the machine holds of its files in memory, and starts it.
    ///
    /// # Errors
    /// If that is not allowed, or it doesn't come up.
    pub fn restart_cold(&mut self) -> Result<(), Failed> {
        self.stop();
        rustix::fs::sync();
        let dropped = std::fs::write("/proc/sys/vm/drop_caches", "3\n");
        let started = self.launch(Durable::Yes);
        dropped.map_err(Failed::doing("dropping the page cache"))?;
        started
    }

    /// Does work for which it needn't be durable, if it can be told so: filling.
    ///
    /// # Errors
    /// Those of the work, and of the restarts around it.
    pub fn in_haste<T>(
        &mut self,
        work: impl FnOnce(&Self) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        if self.kind == Kind::Mailkeep {
            return work(self);
        }
        self.stop();
        self.launch(Durable::No)?;
        let done = work(self);
        self.restart()?;
        done
    }

    /// A connection, greeted.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn imap(&self, over: Over) -> Result<Imap, Failed> {
        match over {
            Over::Clear => Imap::greeted(Stream::connect(self.at(IMAP))?),
            Over::Tls => {
                let stream = Stream::connect(self.at(IMAPS))?;
                Imap::greeted(stream.secure(&self.home.trust)?)
            }
        }
    }

    /// A session of somebody.
    ///
    /// # Errors
    /// If he isn't let in.
    pub fn login(&self, user: &str, over: Over) -> Result<Imap, Failed> {
        let mut imap = self.imap(over)?;
        imap.run(&format!("LOGIN {user} {PASSWORD}"))?;
        Ok(imap)
    }

    /// A connection to deliver letters by.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn lmtp(&self, over: Over) -> Result<Lmtp, Failed> {
        let stream = Stream::connect(self.at(LMTP))?;
        match over {
            Over::Clear => Lmtp::greeted(stream),
            Over::Tls => Lmtp::secured(stream, &self.home.trust),
        }
    }

    /// All its processes, the first one first.
    pub fn processes(&self) -> Vec<u32> {
        let first = self.child.as_ref().map(Child::id);
        first.map(processes::tree).unwrap_or_default()
    }

    /// What its processes hold in memory.
    pub fn memory(&self) -> Memory {
        memory(&self.processes())
    }

    /// What its processes hold in memory, by program.
    pub fn held(&self) -> BTreeMap<String, Memory> {
        let mut held: BTreeMap<String, Memory> = BTreeMap::new();
        for pid in self.processes() {
            let own = memory(&[pid]);
            let sum = held.entry(processes::program(pid)).or_default();
            sum.pss += own.pss;
            sum.processes += own.processes;
        }
        held
    }

    /// The processes of one of its programs.
    pub fn running(&self, program: &str) -> Vec<u32> {
        let mut all = self.processes();
        all.retain(|pid| processes::program(*pid).ends_with(program));
        all
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        let log = std::fs::read(self.home.at("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Seconds of the processor that its processes have had so far, by program.
    pub fn spent(&self) -> BTreeMap<String, f64> {
        processes::spent(&self.processes())
    }

    fn at(&self, port: u16) -> SocketAddr {
        (self.home.address, port).into()
    }

    fn launch(&mut self, durable: Durable) -> Result<(), Failed> {
        if LEAVING.load(Ordering::SeqCst) {
            return Err(Failed::Late);
        }
        let program = match self.kind {
            Kind::Mailkeep => mailkeep::program(&self.home)?,
            kind => dovecot::program(&self.home, kind, durable)?,
        };
        let child = bound_to_us(&program)
            .stdin(Stdio::null())
            .stdout(self.home.log()?)
            .stderr(self.home.log()?)
            .spawn()
            .map_err(Failed::doing(format!("starting {}", self.kind.name())))?;
        self.child = Some(child);
        self.comes_up()
    }

    fn comes_up(&mut self) -> Result<(), Failed> {
        let end = Instant::now() + START;
        while Instant::now() < end && !self.has_ended() {
            if self.imap(Over::Clear).is_ok() && Stream::connect(self.at(LMTP)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = self.home.last_words();
        Err(Failed::World(format!(
            "{} doesn't start: {log}",
            self.kind.name()
        )))
    }

    fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Ends it as an operator would; what is left after that is killed.
    pub fn stop(&mut self) {
        let all = self.processes();
        if let Some(first) = all.first() {
            signal(*first, Signal::TERM);
        }
        let end = Instant::now() + START;
        let left = || all.iter().filter(|pid| processes::is_running(**pid));
        while Instant::now() < end && (!self.has_ended() || left().next().is_some()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        left().for_each(|pid| signal(*pid, Signal::KILL));
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether this program is about to end: then nothing is started any more.
static LEAVING: AtomicBool = AtomicBool::new(false);

/// Ends all that this program has started, wherever in it.
pub fn end_descendants() {
    LEAVING.store(true, Ordering::SeqCst);
    let own = std::process::id();
    let all = processes::tree(own);
    let first = all
        .iter()
        .filter(|pid| processes::parent(**pid) == Some(own));
    first.for_each(|pid| signal(*pid, Signal::TERM));
    let end = Instant::now() + START;
    let others = || all[1..].iter().filter(|pid| processes::is_running(**pid));
    while Instant::now() < end && others().next().is_some() {
        std::thread::sleep(Duration::from_millis(20));
    }
    others().for_each(|pid| signal(*pid, Signal::KILL));
}

/// Whether what is acknowledged has to be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

/// A command whose process is told to end when this program is gone, however it went.
fn bound_to_us(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "TERM", "--"]);
    bound.arg(command.get_program()).args(command.get_args());
    bound
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // One that has ended by itself is no loss.
    let _ = pid.map(|pid| kill_process(pid, signal));
}
