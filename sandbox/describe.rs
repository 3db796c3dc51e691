//! What confines a process, in words: for `mailkeep status`, the demo, and
//! whoever wants to know.

use crate::layer::Layer;
use crate::profile::{Identity, Namespace, Process, Profile, Root, Threads};
use crate::site::{Ids, Site};

/// One row for each wall, name first.
#[must_use]
pub fn describe(profile: &Profile, site: Site) -> Vec<(&'static str, String)> {
    vec![
        ("uid", uid(profile, site)),
        ("capabilities", capabilities(profile, site)),
        ("namespaces", namespaces(profile, site)),
        ("root", root(profile).to_owned()),
        ("landlock", landlock(profile, site)),
        ("system calls", system_calls(profile)),
        ("descriptors at birth", profile.descriptors.join(", ")),
    ]
}

fn uid(profile: &Profile, site: Site) -> String {
    match (profile.identity, site.ids()) {
        (Identity::Starter, _) => "of whoever started the set".to_owned(),
        (_, Ids::Single) => {
            "of whoever started the set, as all have; his groups are kept".to_owned()
        }
        (Identity::Own, Ids::Separate(ranges)) => {
            format!("{}, its own", ranges.process(profile.process).number())
        }
        (Identity::Account, Ids::Separate(ranges)) => format!("{} + account", ranges.accounts().0),
    }
}

fn capabilities(profile: &Profile, site: Site) -> String {
    let inside = if site.ids() == Ids::Single {
        " (nothing outside its namespace)"
    } else {
        ""
    };
    let names: Vec<&str> = profile
        .capabilities
        .iter_names()
        .map(|(name, _)| name)
        .collect();
    match (names.is_empty(), profile.process, site.ids()) {
        (true, ..) | (_, Process::Supervisor, Ids::Single) => "none".to_owned(),
        _ => names.join(" ") + inside,
    }
}

fn namespaces(profile: &Profile, site: Site) -> String {
    let flags = crate::birth::unshared(profile, site);
    let user = if profile.namespaces.contains(&Namespace::UserOwnAndAccounts) {
        "user: itself and the accounts"
    } else {
        "user: itself"
    };
    let rows = [
        (libc::CLONE_NEWUSER, user),
        (libc::CLONE_NEWNET, "network: none"),
        (libc::CLONE_NEWIPC, "ipc: its own"),
    ];
    let named: Vec<&str> = rows
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, name)| *name)
        .collect();
    match (named.is_empty(), profile.process) {
        (true, Process::Worker) => "its broker's".to_owned(),
        (true, _) => "the machine's".to_owned(),
        _ => named.join(", "),
    }
}

fn root(profile: &Profile) -> &'static str {
    match profile.root {
        Root::Host => "the machine's",
        Root::Empty => "an empty directory",
        Root::Own => "a directory of its own",
        Root::Store => "the store",
        Root::Account => "the account's directory",
    }
}

fn landlock(profile: &Profile, site: Site) -> String {
    let Some(paths) = profile.paths else {
        return "none".to_owned();
    };
    if site.waivers().has(Layer::Landlock) {
        return "waived".to_owned();
    }
    let mut rows: Vec<String> = paths
        .iter()
        .map(|rule| format!("{} {:?}", rule.path, rule.rights))
        .collect();
    if rows.is_empty() {
        rows.push("no file".to_owned());
    }
    let walls = [
        (Layer::LandlockNet, "no TCP"),
        (Layer::LandlockScopes, "no signal, no abstract socket"),
    ];
    rows.extend(
        walls
            .iter()
            .filter(|(layer, _)| !site.waivers().has(*layer))
            .map(|(_, wall)| (*wall).to_owned()),
    );
    rows.join("; ")
}

fn system_calls(profile: &Profile) -> String {
    let mut numbers: Vec<_> = profile
        .calls
        .iter()
        .flat_map(|list| list.calls)
        .map(|call| call.number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let inherited = if profile.bears.is_empty() {
        ""
    } else {
        ", and those of whom it bears"
    };
    let sealed = if profile.threads == Threads::Sealed {
        ", then no new thread"
    } else {
        ""
    };
    format!("{}{inherited}{sealed}; any other ends it", numbers.len())
}
