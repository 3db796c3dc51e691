//! No crate that we build with is older than what mended its holes.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::set::workspace;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `audit/advisories.toml`.
#[derive(Deserialize)]
struct Ledger {
    looked_at: String,
    last_run: String,
    #[serde(flatten)]
    advisories: BTreeMap<String, Advisory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    #[serde(rename = "crate")]
    name: String,
    mended_in: String,
    here: String,
}

/// Major, minor, patch.
type Version = (u64, u64, u64);

#[test]
fn every_crate_is_at_least_the_version_that_mended_it() {
    let ledger: Ledger = toml::from_str(&read("audit/advisories.toml")).expect("the ledger");
    assert!(!ledger.looked_at.is_empty() && !ledger.last_run.is_empty());
    let lock = locked();
    for (id, advisory) in &ledger.advisories {
        assert!(id.starts_with("RUSTSEC-") && !advisory.here.is_empty());
        let mended = version(&advisory.mended_in).expect("a version");
        let ours = lock.get(&advisory.name);
        let ours = ours.unwrap_or_else(|| panic!("{id}: we don't build with {}", advisory.name));
        for one in ours {
            assert!(*one >= mended, "{id}: {} is {one:?}", advisory.name);
        }
    }
}

/// The versions of every crate in Cargo.lock.
fn locked() -> BTreeMap<String, Vec<Version>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let lock: Lock = toml::from_str(&read("Cargo.lock")).expect("Cargo.lock");
    let mut found: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for package in lock.package {
        let version = version(&package.version).expect("a version");
        found.entry(package.name).or_default().push(version);
    }
    found
}

fn version(text: &str) -> Option<Version> {
    let core = text.split(['-', '+']).next()?;
    let mut numbers = core.split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some((next()?, next()?, next()?))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).expect("a file of the repository")
}
