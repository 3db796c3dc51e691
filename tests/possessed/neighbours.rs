//! A set of its own for each attack, and what must be as before when it is over.

use harness::possession::{Possessed, wires};
use harness::session::PATIENCE;
use harness::set::wait_for;
use harness::{Session, Set, proc};
use ipc::Instance;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Whose processes are taken over.
pub const ALICE: &str = "alice@example.org";
/// Who must not notice.
pub const BOB: &str = "bob@example.org";

/// What stands in each one's only letter.
pub const OF_ALICE: &str = "canary-of-alice-6f1d";
/// See [`OF_ALICE`].
pub const OF_BOB: &str = "canary-of-bob-93ac";

/// How long a command of somebody who isn't concerned may take, on a busy machine.
pub const UNDISTURBED: Duration = Duration::from_secs(20);

/// Looks in a row that find the same, for it to be called rest.
const LOOKS: usize = 8;

/// The processes that live as long as the set, by the names of `mailkeep status`.
const LASTING: [&str; 8] = [
    "auth",
    "broker",
    "control",
    "director",
    "front",
    "keyholder",
    "lmtp",
    "login",
];

/// A set with two accounts.
pub struct House {
    pub set: Set,
    /// Descriptors of each kind of process while nobody is there but two workers.
    at_rest: BTreeMap<String, usize>,
}

/// A client that has not logged in.
pub struct Stranger {
    /// Its connection.
    pub session: Session,
    /// Who relays it.
    pub front: u32,
    /// Who hears it.
    pub login: u32,
    /// By which descriptor.
    pub socket: u32,
}

/// Whether this can be tried here; says so if not.
pub fn may_possess() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("not root: no living process was taken over, and nothing was shown");
    }
    is_root
}

impl House {
    /// One `front` and one `login`, so that it is clear who has a session.
    pub fn begin() -> Self {
        Self::with(1, "")
    }

    /// With so many of both, and further lines of configuration.
    pub fn with(many: u8, further: &str) -> Self {
        let set = Set::with(&format!(
            "[processes]\nrestart = \"0 ms\"\nfronts = {many}\nlogins = {many}\n{further}"
        ));
        for (name, canary) in [(ALICE, OF_ALICE), (BOB, OF_BOB)] {
            set.add_user(name);
            let reply = set.deliver(name, &format!("Subject: {canary}\r\n\r\n{canary}\r\n"));
            assert!(reply.starts_with("250"), "{reply}");
        }
        let mut house = Self {
            set,
            at_rest: BTreeMap::new(),
        };
        house.both_read_their_own();
        house.at_rest = house.settled();
        house
    }

    pub fn pid(&self, process: &str) -> u32 {
        self.set.pid(process)
    }

    /// The worker that serves an account's directory: its root says so.
    pub fn worker_of(&self, account: u32) -> u32 {
        let directory = self.set.state().join("store").join(account.to_string());
        let directory = directory.canonicalize().expect("the account has one");
        let workers = self.set.workers();
        let is_it = |pid: &u32| Path::new(&proc::link(*pid, "root")) == directory;
        workers.into_iter().find(is_it).expect("it lives")
    }

    /// The only descriptor that leads from one process to another.
    pub fn wire(&self, from: u32, to: u32) -> u32 {
        match wires(from, to)[..] {
            [wire] => wire,
            ref all => panic!("{from} has {all:?} to {to}"),
        }
    }

    /// Alice and Bob log in and read their own letter, and see no other.
    pub fn both_read_their_own(&self) {
        for (name, own, other) in [(ALICE, OF_ALICE, OF_BOB), (BOB, OF_BOB, OF_ALICE)] {
            let mut session = self.logged_in(name);
            session.ok("s SELECT INBOX");
            let letters = session.ok("f FETCH 1:* BODY.PEEK[]").join("\n");
            assert!(
                letters.contains(own) && !letters.contains(other),
                "{letters}"
            );
            session.ok("l LOGOUT");
        }
    }

    /// A session, as soon as one can be had.
    pub fn logged_in(&self, name: &str) -> Session {
        let mut session = None;
        let able = wait_for(PATIENCE, || {
            session = self.set.try_login(name);
            session.is_some()
        });
        assert!(able, "{name} can't log in any more");
        session.expect("able")
    }

    /// The whole house serves as before, everybody has as many descriptors as before,
    /// and nobody else has died.
    pub fn is_as_before(&self) {
        self.both_read_their_own();
        let reply = self.set.deliver(BOB, "Subject: later\r\n\r\nlater\r\n");
        assert!(reply.starts_with("250"), "{reply}");
        let now = || self.counted();
        let as_before = wait_for(PATIENCE, || now() == self.at_rest);
        assert!(as_before, "before: {:?}\nnow: {:?}", self.at_rest, now());
    }

    /// What is counted once the last client has gone, and what was held for it.
    fn settled(&self) -> BTreeMap<String, usize> {
        let alone = wait_for(PATIENCE, || self.connections() == 0);
        assert!(alone, "a client's connection stays");
        let (mut last, mut looks) = (self.counted(), 0);
        let settled = wait_for(PATIENCE, || {
            let now = self.counted();
            looks = if now == last { looks + 1 } else { 0 };
            last = now;
            looks >= LOOKS
        });
        assert!(settled, "the set does not come to rest");
        last
    }

    /// TCP connections that the set still holds, by /proc/net/tcp: local address, remote
    /// address, state (0A is a listener), …, inode (0 is nobody's).
    fn connections(&self) -> usize {
        let host: Ipv4Addr = self.set.host().parse().expect("an address");
        let host = format!("{:08X}:", u32::from_le_bytes(host.octets()));
        let table = std::fs::read_to_string("/proc/net/tcp").expect("there is TCP");
        let held = table.lines().filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, ..] = fields[..] else {
                return false;
            };
            local.starts_with(&host) && state != "0A" && fields.get(9) != Some(&"0")
        });
        held.count()
    }

    fn counted(&self) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for (name, pid) in self.processes() {
            *counted.entry(name).or_default() += proc::descriptors(pid).len();
        }
        counted
    }

    /// The lasting processes that live now.
    pub fn processes(&self) -> Vec<(String, u32)> {
        let status = self.set.status();
        let listed = status["processes"].as_array().expect("an array").clone();
        let known = listed.iter().filter_map(|one| {
            let name = one["process"].as_str()?;
            let pid = u32::try_from(one["pid"].as_u64()?).ok()?;
            LASTING.contains(&name).then(|| (name.to_owned(), pid))
        });
        known.collect()
    }

    /// Says something that must be answered in time, whatever happens elsewhere.
    pub fn is_undisturbed(&self, session: &mut Session) {
        let begun = Instant::now();
        session.ok("u NOOP");
        let took = begun.elapsed();
        assert!(took < UNDISTURBED, "a NOOP took {took:?}");
    }

    /// Another process of this kind than the one that was there.
    pub fn successor(&self, process: &str, of: u32) -> u32 {
        let mut found = None;
        let there = wait_for(PATIENCE, || {
            let processes = self.processes();
            let other = processes
                .iter()
                .find(|(name, pid)| name == process && *pid != of);
            found = other.map(|(_, pid)| *pid);
            found.is_some()
        });
        assert!(there, "no {process} any more\n{}", self.set.log());
        found.expect("there")
    }

    /// A client's connection over TLS, the greeting read, and who has it.
    pub fn stranger(&self) -> Stranger {
        self.met(|| self.set.imaps())
    }

    /// As [`Self::stranger`], for a client that comes in another way.
    pub fn met(&self, come: impl FnOnce() -> Session) -> Stranger {
        let kinds = ["front", "login"];
        let now = || kinds.map(|kind| self.held_by(kind));
        let before = now();
        let session = come();
        let after = now();
        let [front, login] = [0, 1].map(|kind: usize| {
            let is_new = |one: &&(u32, u32)| !before[kind].contains(one);
            *after[kind]
                .iter()
                .find(is_new)
                .expect("a session has a descriptor")
        });
        Stranger {
            session,
            front: front.0,
            login: login.0,
            socket: login.1,
        }
    }

    /// Every process of a kind, with each of its sockets.
    fn held_by(&self, kind: &str) -> Vec<(u32, u32)> {
        let processes = self
            .processes()
            .into_iter()
            .filter(|(name, _)| name == kind);
        let held = processes.flat_map(|(_, pid)| {
            let sockets = proc::descriptors(pid).into_iter();
            sockets
                .filter(|(_, what)| what.starts_with("socket:"))
                .map(move |(number, _)| (pid, number))
        });
        held.collect()
    }

    /// The first descriptor that leads to another process: channels are older than
    /// sessions.
    pub fn way(&self, from: u32, to: &str) -> u32 {
        let mut ways = Vec::new();
        let there = wait_for(PATIENCE, || {
            ways = wires(from, self.pid(to));
            !ways.is_empty()
        });
        assert!(there, "{from} has no way to {to}");
        ways[0]
    }

    /// Which life of a process this is.
    pub fn instance_of(&self, pid: u32) -> Instance {
        let status = self.set.status();
        let listed = status["processes"].as_array().expect("an array");
        let found = listed.iter().find(|one| one["pid"] == pid);
        let number = found.and_then(|one| one["instance"].as_u64());
        Instance(
            number
                .and_then(|one| u32::try_from(one).ok())
                .expect("a number"),
        )
    }

    /// What the command said, for messages of failure.
    pub fn log(&self) -> String {
        self.set.log()
    }
}

/// Takes a process over.
pub fn possess(pid: u32) -> Possessed {
    Possessed::seize(pid)
}
