//! The ledger that people keep, `audit/privileges.toml`, and the profiles that
//! processes are held by say the same: whoever adds a privilege changes two files,
//! and whoever reads one of them has read the other.

use sandbox::Profile;
use sandbox::profile::calls::List;
use sandbox::profile::{self, Identity, Namespace, Root, Threads};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Ledger {
    lists: BTreeMap<String, BTreeMap<String, String>>,
    process: BTreeMap<String, Entry>,
    /// Judged by calls_seen.rs.
    #[serde(rename = "unused", default)]
    _unused: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Entry {
    uid: String,
    capabilities: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    root: String,
    landlock: Option<BTreeMap<String, BTreeSet<String>>>,
    calls: Vec<String>,
    inherited_by: BTreeSet<String>,
    threads: String,
    limits: Limits,
    descriptors: Vec<String>,
    dies_with_parent: bool,
    /// Only the living processes can show this: `mailkeep audit` looks.
    holds: BTreeMap<String, String>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Limits {
    descriptors: u64,
    data_mib: u64,
}

fn ledger() -> Ledger {
    let text = std::fs::read_to_string("../audit/privileges.toml").expect("the ledger is there");
    toml::from_str(&text).expect("the ledger has no other fields")
}

#[test]
fn every_process_has_in_the_ledger_what_its_profile_says() {
    let mut ledger = ledger().process;
    for profile in profile::ALL {
        let name = profile.process.program();
        let mut stated = ledger.remove(name);
        if let Some(stated) = &mut stated {
            stated.holds.clear();
        }
        assert_eq!(stated, Some(entry(profile)), "{name}");
    }
    assert_eq!(
        ledger.keys().collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "processes without a profile"
    );
}

#[test]
fn every_list_of_calls_is_in_the_ledger_call_by_call_with_its_reason() {
    let mut ledger = ledger().lists;
    for (name, list) in lists() {
        let written: BTreeMap<String, String> = list
            .calls
            .iter()
            .map(|call| (call.words().to_owned(), call.reason.to_owned()))
            .collect();
        assert_eq!(written.len(), list.calls.len(), "{name} has a call twice");
        assert_eq!(ledger.remove(name), Some(written), "{name}");
    }
    assert_eq!(
        ledger.keys().collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "lists that no process has"
    );
}

/// The lists that are in use, by name.
fn lists() -> BTreeMap<&'static str, &'static List> {
    profile::ALL
        .iter()
        .flat_map(|profile| profile.calls)
        .map(|list| (list.name, *list))
        .collect()
}

fn entry(profile: &Profile) -> Entry {
    Entry {
        uid: identity(profile.identity).to_owned(),
        capabilities: profile
            .capabilities
            .iter_names()
            .map(|(name, _)| name.to_owned())
            .collect(),
        namespaces: profile
            .namespaces
            .iter()
            .map(|one| namespace(*one).to_owned())
            .collect(),
        root: root(profile.root).to_owned(),
        landlock: profile.paths.map(landlock),
        calls: profile
            .calls
            .iter()
            .map(|list| list.name.to_owned())
            .collect(),
        inherited_by: profile
            .bears
            .iter()
            .map(|child| child.process.program().to_owned())
            .collect(),
        threads: threads(profile.threads).to_owned(),
        limits: Limits {
            descriptors: profile.limits.descriptors,
            data_mib: profile.limits.data >> 20,
        },
        descriptors: profile
            .descriptors
            .iter()
            .map(|one| (*one).to_owned())
            .collect(),
        dies_with_parent: profile.dies_with_parent,
        holds: BTreeMap::new(),
    }
}

fn identity(identity: Identity) -> &'static str {
    match identity {
        Identity::Starter => "starter",
        Identity::Own => "own",
        Identity::Account => "account",
    }
}

fn namespace(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::UserOwn => "user: own id",
        Namespace::UserOwnAndAccounts => "user: own id and accounts",
        Namespace::Network => "network",
        Namespace::Ipc => "ipc",
    }
}

fn root(root: Root) -> &'static str {
    match root {
        Root::Host => "host",
        Root::Empty => "empty",
        Root::Own => "own",
        Root::Store => "store",
        Root::Account => "account",
    }
}

fn threads(threads: Threads) -> &'static str {
    match threads {
        Threads::One => "one",
        Threads::Sealed => "sealed",
    }
}

fn landlock(paths: &[profile::Path]) -> BTreeMap<String, BTreeSet<String>> {
    let rights = |path: &profile::Path| {
        path.rights
            .iter()
            .map(|right| format!("{right:?}"))
            .collect()
    };
    paths
        .iter()
        .map(|path| (path.path.to_owned(), rights(path)))
        .collect()
}
