//! A living set, and who of it is to be taken over.

use crate::wiring::{self, End};
use harness::possession::Possessed;
use harness::set::{LMTP, signal_pid, wait_for};
use harness::{Session, Set, binaries, proc};
use ipc::edge::supervisor::Edge;
use ipc::{AccountId, Instance};
use rustix::process::Signal;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Two accounts, in the order in which they were added.
pub const ALICE: &str = "alice@example.org";
pub const BOB: &str = "bob@example.org";
pub const ALICE_ID: AccountId = AccountId(1);
pub const BOB_ID: AccountId = AccountId(2);

/// How long anybody may take over anything here.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One of each kind; whoever dies is started again at once; and all clients of a test
/// have one address.
const FURTHER: &str = "\
[processes]
fronts = 1
logins = 1
restart = \"0 ms\"
[limits]
connections_per_client = 5000
";

/// How a process waits for its work.
const WAITS: [i64; 3] = [
    nix::libc::SYS_epoll_wait,
    nix::libc::SYS_epoll_pwait,
    nix::libc::SYS_epoll_pwait2,
];

/// A set with two accounts, each with a letter.
pub struct House {
    pub set: Set,
}

impl House {
    /// Opens one; nobody but root may take processes over.
    pub fn open() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not checked: only root can take a living process over");
            return None;
        }
        let set = Set::with(FURTHER);
        for name in [ALICE, BOB] {
            set.add_user(name);
            let letter = format!("Subject: to {name}\r\n\r\nsecret of {name}\r\n");
            assert!(set.deliver(name, &letter).starts_with("250"));
        }
        Some(Self { set })
    }

    /// All that the supervisor has started, by name.
    pub fn living(&self) -> Vec<(String, u32)> {
        let children = proc::children(self.set.supervisor()).into_iter();
        children.filter_map(|pid| Some((name(pid)?, pid))).collect()
    }

    /// Everybody: the supervisor, whom it has started, and the workers.
    pub fn everybody(&self) -> Vec<(String, u32)> {
        let workers = self.set.workers().into_iter();
        let workers = workers.map(|pid| ("worker".to_owned(), pid));
        let mut all = self.living();
        all.push(("supervisor".to_owned(), self.set.supervisor()));
        all.extend(workers);
        all
    }

    /// The pid of a process that waits for work.
    pub fn pid(&self, process: &str) -> u32 {
        let mut found = None;
        wait_for(PATIENCE, || {
            let living = self.living();
            let one = living.iter().find(|(name, _)| name == process);
            found = one.map(|(_, pid)| *pid).filter(|pid| waits(*pid));
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("{process} does not come back"))
    }

    /// Takes one over.
    pub fn possess(&self, process: &str) -> (u32, Possessed) {
        let pid = self.pid(process);
        (pid, Possessed::seize(pid))
    }

    /// Ends a process that was taken over, as an administrator would who noticed; the
    /// supervisor starts it anew.
    pub fn end_of(&self, pid: u32, possessed: Possessed) {
        possessed.let_go();
        signal_pid(pid, Signal::KILL);
        assert!(wait_for(PATIENCE, || self
            .living()
            .iter()
            .all(|(_, one)| *one != pid)));
    }

    /// Which life of a process it is, as the supervisor counts.
    pub fn instance(&self, process: &str) -> Instance {
        let status = self.set.status();
        let all = status["processes"].as_array().expect("an array");
        let one = all.iter().find(|one| one["process"] == process);
        let number = one.and_then(|one| one["instance"].as_u64());
        Instance(u32::try_from(number.expect("it lives")).expect("a number"))
    }

    /// All ends of edges that a process has.
    pub fn ends(&self, pid: u32) -> Vec<End> {
        let mut living = self.living();
        living.push(("supervisor".to_owned(), self.set.supervisor()));
        wiring::ends(pid, &living)
    }

    /// The descriptor of a process for an edge.
    pub fn end(&self, pid: u32, edge: Edge) -> u32 {
        let mut found = None;
        wait_for(PATIENCE, || {
            let ends = self.ends(pid).into_iter();
            let mut ends = ends.filter(|end| end.edge == edge);
            found = ends.next_back().map(|end| end.descriptor);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("{pid} has no end of {edge:?}"))
    }

    /// A client that has sent its LOGIN and not read the answer.
    pub fn begin_login(&self, name: &str) -> Session {
        let mut client = self.set.imaps();
        client.line(&format!("a LOGIN {name} \"{}\"", harness::set::PASSWORD));
        client
    }

    /// Begins a `mailkeep` command, as an administrator.
    pub fn command(&self, arguments: &[&str]) -> Child {
        let socket = self.set.directory().path().join("control.sock");
        let mut command = Command::new(binaries::program("mailkeep"));
        let command = command.arg("--socket").arg(socket).args(arguments);
        let begun = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        begun.expect("mailkeep runs")
    }

    /// That an honest user is served, after at most so long.
    pub fn serves(&self, name: &str, within: Duration) {
        let mut session = None;
        let served = wait_for(within, || {
            session = self.set.try_login(name);
            session.is_some()
        });
        assert!(
            served,
            "{name} is not served within {within:?}\n{}",
            self.set.log()
        );
        session.expect("served").ok("s SELECT INBOX");
    }

    /// That a letter is taken for somebody, after at most so long.
    pub fn delivers(&self, name: &str, within: Duration) {
        let greets = || {
            let mut client = Session::clear(self.set.at(LMTP));
            client
                .read_line()
                .is_some_and(|line| line.starts_with("220"))
        };
        assert!(wait_for(within, greets), "{}", self.set.log());
        let reply = self.set.deliver(name, "Subject: y\r\n\r\ny");
        assert!(reply.starts_with("250"), "{reply}\n{}", self.set.log());
    }

    /// How many letters an account has in INBOX.
    pub fn letters(&self, name: &str) -> usize {
        let lines = self.set.login(name).ok("s SELECT INBOX");
        let exists = lines
            .iter()
            .find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS"));
        exists
            .and_then(|count| count.parse().ok())
            .expect("a count")
    }
}

/// The uid of an account.
pub fn uid(account: AccountId) -> u32 {
    let uid = sandbox::IdRanges::default().account(account.0);
    uid.expect("in range").number()
}

fn name(pid: u32) -> Option<String> {
    let program = proc::link(pid, "exe");
    let name = program.split("mailkeep-").nth(1)?;
    Some(name.trim_end_matches(" (deleted)").to_owned())
}

/// Whether it waits for what comes; a process that begins doesn't yet.
fn waits(pid: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let number = call
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    number.is_some_and(|number| WAITS.contains(&number))
}
