//! Where a process lives: its namespaces, and what it sees as `/`.

use super::super::finding::{Check, Layer};
use super::super::ledger::Entry;
use super::super::living::{Place, Seen, Unseen};
use super::super::members::Member;
use super::House;
use sandbox::{Layer as Waivable, Process};

/// Namespaces that no process of the set leaves: those of whoever started it.
const SHARED: [&str; 5] = ["cgroup", "mnt", "pid", "time", "uts"];

/// Whose namespace one is.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Own,
    Brokers,
    Machines,
}

impl Whose {
    fn word(self) -> &'static str {
        match self {
            Self::Own => "its own",
            Self::Brokers => "its broker's",
            Self::Machines => "the machine's",
        }
    }
}

impl House<'_> {
    /// The number of the account that a worker or verifier serves: its directory's
    /// name.
    pub(super) fn account(&self, member: &Member) -> Option<u32> {
        let root = member.living.root.as_ref().ok()?;
        root.path.rsplit('/').next()?.parse().ok()
    }

    pub(super) fn namespaces(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        let mut checks: Vec<Check> = [("network", "net"), ("ipc", "ipc"), ("user", "user")]
            .into_iter()
            .map(|(word, kind)| self.namespace(member, entry, word, kind))
            .collect();
        checks.push(self.shared_namespaces(member));
        if !self.stated(member, entry, "network").0.eq(&Whose::Machines) {
            checks.extend(self.empty_network(member));
        }
        if self.stated(member, entry, "user").0 != Whose::Machines {
            checks.extend(self.ids_inside(member, entry));
        }
        checks
    }

    /// Whose namespace of a kind the ledger states, and whether the site's waivers
    /// or its single id change that.
    fn stated(&self, member: &Member, entry: &Entry, kind: &str) -> (Whose, bool) {
        if matches!(member.profile.process, Process::Worker | Process::Verify) {
            return (Whose::Brokers, false);
        }
        let waivers = self.site.waivers();
        let single = self.site.ranges().is_none();
        let stated = entry.has_namespace(kind);
        let waived = match kind {
            "user" => waivers.has(Waivable::UserNamespace) && !single,
            _ => waivers.has(Waivable::NetNamespace),
        };
        match kind {
            // An ordinary user can make no other namespace without it.
            "user" if single && !entry.namespaces.is_empty() => (Whose::Own, !stated),
            _ if stated && waived => (Whose::Machines, true),
            _ if stated => (Whose::Own, false),
            _ => (Whose::Machines, false),
        }
    }

    fn namespace(&self, member: &Member, entry: &Entry, word: &'static str, kind: &str) -> Check {
        let (whose, waived) = self.stated(member, entry, word);
        let seen = member.living.namespace(kind);
        let found = seen.and_then(|own| Ok((self.whose(member, kind, own)?, own)));
        match found {
            Ok((found, own)) => {
                let holds = found == whose.word();
                let found = format!("{found}, {own}");
                Check::judged(Layer::Namespaces, word, whose.word(), found, holds)
            }
            Err(unseen) => {
                let unseen = Err::<String, _>(unseen);
                Check::compare_seen(Layer::Namespaces, word, whose.word(), unseen)
            }
        }
        .waived_if(waived)
    }

    fn whose(&self, member: &Member, kind: &str, own: &str) -> Seen<String> {
        let same = |other: &Member| other.living.namespace(kind) == Ok(own);
        let of = |process| self.found.one(process).is_some_and(same);
        // The supervisor may not be looked into by its own user; what he has
        // himself is the machine's all the same.
        let supervisors = match self
            .found
            .one(Process::Supervisor)
            .map(|one| one.living.namespace(kind))
        {
            Some(Ok(namespace)) => namespace.to_owned(),
            _ => self.ours(kind)?,
        };
        let is_childs = matches!(member.profile.process, Process::Worker | Process::Verify);
        let others = self.found.members.iter().filter(|other| {
            let borne = matches!(other.profile.process, Process::Worker | Process::Verify);
            other.living.pid != member.living.pid && !borne && same(other)
        });
        Ok(match own {
            _ if own == supervisors => Whose::Machines.word().to_owned(),
            _ if is_childs && of(Process::Broker) => Whose::Brokers.word().to_owned(),
            // The namespaces of a broker that has died, under the supervisor now.
            _ if is_childs && self.is_orphan(member) => Whose::Brokers.word().to_owned(),
            _ => match others.map(Member::program).next() {
                Some(other) => format!("that of {other}"),
                None => Whose::Own.word().to_owned(),
            },
        })
    }

    /// A namespace of the one who looks.
    fn ours(&self, kind: &str) -> Seen<String> {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}"));
        link.map(|link| link.to_string_lossy().into_owned())
            .map_err(|_| Unseen::Denied)
    }

    fn is_orphan(&self, member: &Member) -> bool {
        let supervisor = self.found.one(Process::Supervisor);
        supervisor.is_some_and(|one| one.living.pid == member.living.parent)
    }

    fn shared_namespaces(&self, member: &Member) -> Check {
        let mut apart = Vec::new();
        let supervisor = self.found.one(Process::Supervisor);
        for kind in SHARED {
            let stated = match supervisor.map(|one| one.living.namespace(kind)) {
                Some(Ok(namespace)) => Ok(namespace.to_owned()),
                _ => self.ours(kind),
            };
            if let (Ok(stated), Ok(own)) = (stated, member.living.namespace(kind))
                && stated != own
            {
                apart.push(kind);
            }
        }
        let found = match apart.is_empty() {
            true => "none".to_owned(),
            false => apart.join(" "),
        };
        Check::compare(Layer::Namespaces, "others of its own", "none", found)
    }

    fn empty_network(&self, member: &Member) -> [Check; 2] {
        let devices = member
            .living
            .devices
            .clone()
            .map(|devices| devices.join(" "));
        let routes = member.living.routes.map(|routes| routes.to_string());
        [
            Check::compare_seen(Layer::Namespaces, "network devices", "lo", devices),
            Check::compare_seen(Layer::Namespaces, "routes", "0", routes),
        ]
    }

    fn ids_inside(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        let expected = self.expected_map(member, entry);
        std::iter::zip(["uids inside", "gids inside"], &member.living.maps)
            .map(|(what, found)| {
                Check::compare_seen(Layer::Namespaces, what, expected.clone(), found.clone())
                    .waived_if(self.site.ranges().is_none())
            })
            .collect()
    }

    /// What exists inside is the same number outside.
    fn expected_map(&self, member: &Member, entry: &Entry) -> String {
        let Some(ranges) = self.site.ranges() else {
            let supervisor = self.found.one(Process::Supervisor);
            let own = supervisor.map_or("", |one| one.living.status("Uid"));
            let own = own.split_whitespace().next().unwrap_or_default();
            return format!("{own} {own} 1");
        };
        let borne = matches!(member.profile.process, Process::Worker | Process::Verify);
        let process = if borne {
            Process::Broker
        } else {
            member.profile.process
        };
        let own = ranges.process(process).number();
        let accounts = entry.namespaces.iter().any(|one| one.ends_with("accounts"));
        match borne || accounts {
            true => {
                let (first, count) = (ranges.accounts().0, ranges.accounts_count());
                format!("{own} {own} 1; {first} {first} {count}")
            }
            false => format!("{own} {own} 1"),
        }
    }

    pub(super) fn root(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        let expected = match entry.root.as_str() {
            "host" => "the machine's",
            "empty" => "an empty directory that it can't write",
            "own" => "a directory of its own, closed to others",
            "store" => "the store, which belongs to another uid",
            _ => "its account's directory below the store",
        };
        let (root, cwd) = (&member.living.root, &member.living.cwd);
        let stands_within = |cwd: &Place| {
            let within = root.as_ref().is_ok_and(|root| root.inode == cwd.inode);
            within || member.is(Process::Supervisor)
        };
        vec![
            place("what it sees as /", expected, root, |root| {
                self.is_the_root(member, entry, root)
            }),
            place("where it stands", "within it", cwd, stands_within),
        ]
    }

    fn is_the_root(&self, member: &Member, entry: &Entry, root: &Place) -> bool {
        let uid = member
            .living
            .threads
            .first()
            .map(|one| one.status.numbers("Uid"));
        let own = uid.and_then(|uids| uids.first().copied());
        let owned = own == Some(root.owner);
        let single = self.site.ranges().is_none();
        match entry.root.as_str() {
            "host" => std::fs::metadata("/")
                .is_ok_and(|ours| super::super::living::Inode::of(&ours) == root.inode),
            // Where all have one id it is its own, and Landlock alone keeps it empty.
            "empty" => {
                let others = single || !owned || root.mode & 0o222 == 0;
                root.is_empty != Some(false) && others
            }
            "own" => owned && root.mode & 0o077 == 0,
            "store" => single || (!owned && root.mode & 0o007 == 0o001),
            _ => owned && root.mode & 0o077 == 0 && self.is_below_store(member, root),
        }
    }

    fn is_below_store(&self, member: &Member, root: &Place) -> bool {
        let Some(account) = self.account(member) else {
            return false;
        };
        let store = self.found.one(Process::Broker).map(|one| &one.living.root);
        match store {
            Some(Ok(store)) => root.path == format!("{}/{account}", store.path),
            // Nobody knows the store while there is no broker.
            _ => true,
        }
    }
}

fn place(
    what: &'static str,
    expected: &str,
    found: &Seen<Place>,
    holds: impl Fn(&Place) -> bool,
) -> Check {
    match found {
        Ok(place) => Check::judged(Layer::Root, what, expected, described(place), holds(place)),
        Err(unseen) => Check::compare_seen(Layer::Root, what, expected, Err(unseen)),
    }
}

fn described(place: &Place) -> String {
    let path: String = place.path.escape_debug().take(200).collect();
    let empty = if place.is_empty == Some(true) {
        ", empty"
    } else {
        ""
    };
    format!(
        "{path} of uid {}, mode {:04o}{empty}",
        place.owner, place.mode
    )
}
