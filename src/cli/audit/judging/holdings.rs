//! What a process holds: its descriptors, and who is at the other end of its
//! sockets.

use super::super::finding::{Check, Layer};
use super::super::ledger::Entry;
use super::super::living::{Descriptor, Unseen};
use super::super::members::Member;
use super::super::procfs::Socket;
use super::super::sockets;
use super::House;
use sandbox::Process;
use std::collections::{BTreeMap, BTreeSet};

/// Descriptors that are told by number when they shouldn't be there.
const TOLD_MAX: usize = 8;

/// Open flags (open(2)): the access mode, and that of reading alone.
const ACCESS_MODE: u32 = 3;
const READ_ONLY: u32 = 0;

impl House<'_> {
    pub(super) fn descriptors(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        let holds: Vec<&str> = entry.holds.iter().map(|one| one.what.as_str()).collect();
        let expected = format!("at most {}", holds.join(", "));
        let held = match &member.living.descriptors {
            Ok(held) => held,
            Err(unseen) => {
                let unseen = Err::<String, _>(*unseen);
                return vec![Check::compare_seen(
                    Layer::Descriptors,
                    "held",
                    expected,
                    unseen,
                )];
            }
        };
        let mut checks = Vec::new();
        if !entry.born_with.is_empty() {
            checks.push(self.standard(held));
        }
        // Those of whoever started the set are his.
        let own = held.iter().filter(|one| one.number > 2);
        let kinds: Vec<(&Descriptor, String)> =
            own.map(|one| (one, self.kind(member, one))).collect();
        let surplus: Vec<&(&Descriptor, String)> = kinds
            .iter()
            .filter(|(_, kind)| !holds.contains(&kind.as_str()))
            .collect();
        let found = match surplus.is_empty() {
            true => counted(&kinds),
            false => told(&surplus),
        };
        checks.push(Check::judged(
            Layer::Descriptors,
            "held",
            expected,
            found,
            surplus.is_empty(),
        ));
        checks
    }

    /// 0 and 1 are /dev/null, 2 is the log.
    fn standard(&self, held: &[Descriptor]) -> Check {
        let at = |number: u32| {
            held.iter()
                .find(|one| one.number == number)
                .map_or("", |one| &one.link)
        };
        let is_log = at(2).starts_with("pipe:") || at(2).starts_with("socket:");
        let holds = [at(0), at(1)] == ["/dev/null"; 2] && is_log;
        let found = match holds {
            true => "nothing, nothing, log".to_owned(),
            false => shown(&[at(0), at(1), at(2)].join(", ")),
        };
        Check::judged(
            Layer::Descriptors,
            "0, 1, 2",
            "nothing, nothing, log",
            found,
            holds,
        )
    }

    /// The ledger's word for what a descriptor is; what has none is told as it is.
    fn kind(&self, member: &Member, descriptor: &Descriptor) -> String {
        let link = descriptor.link.as_str();
        if let Some(inode) = sockets::inode(link) {
            return self.socket(inode).to_owned();
        }
        let word = match link {
            "/dev/null" => "null",
            "anon_inode:[eventpoll]" => "epoll",
            "anon_inode:[eventfd]" => "eventfd",
            "anon_inode:[signalfd]" => "signalfd",
            _ if link.starts_with("anon_inode:[pidfd") || link.starts_with("pidfd:") => "pidfd",
            _ if link.starts_with("pipe:[") => "pipe",
            // A name anybody may give; the memory is the supervisor's.
            _ if self.is_program(member, descriptor) => "program",
            _ if link.starts_with("/memfd:letter") => "letter",
            _ => return self.file(member, descriptor),
        };
        word.to_owned()
    }

    /// Memory that holds a program of the set: by name with the supervisor, whose it
    /// is, by inode with all others.
    fn is_program(&self, member: &Member, descriptor: &Descriptor) -> bool {
        let named = descriptor.link.starts_with("/memfd:mailkeep-");
        let stated = || {
            let programs = sandbox::profile::ALL.map(|profile| profile.process);
            let held = programs.map(|process| self.programs.sealed_inode(process).ok());
            descriptor.inode.is_some() && held.contains(&descriptor.inode)
        };
        named && (member.is(Process::Supervisor) || stated())
    }

    fn socket(&self, inode: u64) -> &'static str {
        match self.sockets.kind(inode) {
            Some(Socket::Channel) => "channel",
            Some(Socket::Stream) => "stream",
            Some(Socket::LocalListener) => "local listener",
            Some(Socket::LocalDatagram) => "local datagram socket",
            Some(Socket::TcpListener) => "tcp listener",
            Some(Socket::TcpConnection) => "tcp connection",
            None => "socket that is neither local nor TCP",
        }
    }

    /// Files and directories: those below the root, and those of the others.
    fn file(&self, member: &Member, descriptor: &Descriptor) -> String {
        let path = descriptor.link.trim_end_matches(" (deleted)");
        let root = member.living.root.as_ref().map_or("", |root| &root.path);
        let inside = path == root
            || path
                .strip_prefix(root)
                .is_some_and(|rest| rest.starts_with('/'));
        let supervises = member.is(Process::Supervisor);
        let read_only = descriptor.flags.map(|flags| flags & ACCESS_MODE) == Some(READ_ONLY);
        let of_spool = self.is_in_spool(path) && read_only && member.is(Process::Worker);
        // What the configuration names is given open, from wherever it is.
        let given = entry_gives_files(member) && read_only;
        match (descriptor.is_directory, descriptor.is_file) {
            (true, _) if inside || supervises => "directory".to_owned(),
            (_, true) if inside || given => "file".to_owned(),
            (_, true) if of_spool => "foreign letter".to_owned(),
            _ => shown(&descriptor.link),
        }
    }

    fn is_in_spool(&self, path: &str) -> bool {
        let spool = self.found.one(Process::Lmtp).map(|one| &one.living.root);
        matches!(spool, Some(Ok(spool)) if path.starts_with(&format!("{}/", spool.path)))
    }

    /// Whoever is at the far end of a socket must be somebody with whom the ledger
    /// has an edge.
    pub(super) fn channels(&self, member: &Member, _: &Entry) -> Vec<Check> {
        let stated = self.ledger.neighbours(member.program());
        let expected = match stated.is_empty() {
            true => "nobody".to_owned(),
            false => format!(
                "at most {}",
                stated.iter().copied().collect::<Vec<_>>().join(", ")
            ),
        };
        let Some(found) = self.neighbours(member) else {
            let unseen = Err::<String, _>(Unseen::Denied);
            return vec![Check::compare_seen(
                Layer::Channels,
                "with",
                expected,
                unseen,
            )];
        };
        let strangers: Vec<&str> = found
            .keys()
            .copied()
            .filter(|other| !stated.contains(other))
            .collect();
        let counts = found
            .iter()
            .map(|(other, count)| format!("{other} ×{count}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let check = match strangers.is_empty() {
            true => Check::judged(Layer::Channels, "with", expected, or_nobody(counts), true),
            false => Check::judged(
                Layer::Channels,
                "with",
                expected,
                strangers.join(", "),
                false,
            ),
        };
        vec![check]
    }

    /// With whom a process has channels, and how many; `None` if that can't be told.
    pub fn neighbours(&self, member: &Member) -> Option<BTreeMap<&'static str, usize>> {
        let held = member.living.descriptors.as_ref().ok()?;
        if !self.sockets.knows_peers() {
            return None;
        }
        let own = held.iter().filter_map(|one| sockets::inode(&one.link));
        let channels = own.filter(|inode| self.sockets.kind(*inode) == Some(Socket::Channel));
        let mut found = BTreeMap::new();
        for inode in channels.collect::<BTreeSet<_>>() {
            for other in self.holders(self.sockets.peer(inode), member) {
                let count = found.entry(other).or_insert(0_usize);
                *count = count.saturating_add(1);
            }
        }
        Some(found)
    }

    /// Who holds the far end of a channel: each kind once.
    fn holders(&self, peer: Option<u64>, member: &Member) -> BTreeSet<&'static str> {
        let Some(peer) = peer else {
            return BTreeSet::new(); // Its far end is closed.
        };
        let link = format!("socket:[{peer}]");
        let holds = |other: &&Member| {
            let held = other.living.descriptors.as_ref();
            held.is_ok_and(|held| held.iter().any(|one| one.link == link))
        };
        let holders = self.found.members.iter().filter(holds).map(Member::program);
        let holders: BTreeSet<&str> = holders.collect();
        match holders.is_empty() && member.is(Process::Control) {
            // The far end of an administrator's socket is his.
            true => BTreeSet::from([super::super::ledger::ADMINISTRATOR]),
            false if holders.is_empty() => BTreeSet::from(["a process outside of the set"]),
            false => holders,
        }
    }
}

/// Those to whom the supervisor gives files that the configuration names.
fn entry_gives_files(member: &Member) -> bool {
    matches!(
        member.profile.process,
        Process::Config | Process::Front | Process::Keyholder
    )
}

fn counted(kinds: &[(&Descriptor, String)]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, kind) in kinds {
        let count = counts.entry(kind).or_insert(0);
        *count = count.saturating_add(1);
    }
    let counts = counts
        .into_iter()
        .map(|(kind, count)| format!("{kind} ×{count}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn told(surplus: &[&(&Descriptor, String)]) -> String {
    let rows = surplus.iter().take(TOLD_MAX);
    let rows: Vec<String> = rows
        .map(|(one, kind)| format!("{}: {kind}", one.number))
        .collect();
    let more = surplus.len().saturating_sub(TOLD_MAX);
    match more {
        0 => rows.join(", "),
        more => format!("{} and {more} more", rows.join(", ")),
    }
}

fn or_nobody(counts: String) -> String {
    if counts.is_empty() {
        "nobody now".to_owned()
    } else {
        counts
    }
}

fn shown(link: &str) -> String {
    link.escape_debug().take(200).collect()
}
